//! How the disks under the volumes are, before these are checked. A failing one stops no check; a
//! repair on one begins only where somebody has said so: reading and writing all of it may be the last
//! thing that it does, and a copy saves more.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::json;
use vigie_disk::sysfs::{Sysfs, node};
use vigie_installer::toolbox::Toolbox;
use vigie_settings::Language;

use super::show::Show;
use super::volume::Volume;
use crate::disks::ask::{LIMIT, ask};
use crate::disks::{Disk, under, words};
use crate::message::Message;

/// Asks the disks under the volumes how they are; none where smartctl is not there, as in the initrd.
#[must_use]
pub fn of(tools: &dyn Toolbox, sysfs: &Sysfs, volumes: &[Volume]) -> Vec<Disk> {
    if !Path::new(tools.command("smartctl").get_program()).is_file() {
        return Vec::new();
    }
    let disks = under::nodes(sysfs, volumes.iter().map(Volume::node));
    let nodes: Vec<PathBuf> = disks.iter().map(|disk| node(disk)).collect();
    ask(tools, &nodes, LIMIT)
}

/// Says how they are, and what to do.
pub fn show<W: Write>(disks: &[Disk], json: bool, language: Language, show: &mut Show<W>) {
    for disk in disks {
        let text = words::line(disk);
        if !json {
            show.line(&text.to(language));
            continue;
        }
        let mut event = json!({"event": "disk", "text": text.to(Language::En),
            "text_fr": text.to(Language::Fr)});
        if let (Some(event), Ok(serde_json::Value::Object(fields))) =
            (event.as_object_mut(), serde_json::to_value(disk))
        {
            event.extend(fields);
        }
        show.line(&event.to_string());
    }
    if let Some(advice) = words::advice(disks).filter(|_| !json) {
        show.line(&advice.to(language));
    }
}

/// Whether a repair may begin; if not, why. A person at a terminal is asked.
///
/// # Errors
/// A disk fails, and nobody has said to repair all the same.
pub fn may_repair(
    disks: &[Disk],
    said: bool,
    json: bool,
    language: Language,
) -> Result<(), Message> {
    let failing = words::failing(disks);
    let nobody = json || !io::stdin().is_terminal();
    let ask = || agreed(&Message::new("disks.confirm").to(language), language);
    match failing.is_empty() || said || (!nobody && ask()) {
        true => Ok(()),
        false => Err(Message::new("disks.refused").with("disks", failing.join(", "))),
    }
}

/// Whether a person at the terminal types yes to a question.
#[must_use]
pub fn agreed(question: &str, language: Language) -> bool {
    print!("{question}");
    let mut answer = String::new();
    // What cannot be asked or read is no yes.
    let read = io::stdout()
        .flush()
        .and_then(|()| io::stdin().lock().take(100).read_line(&mut answer));
    let word = Message::new("disks.word").to(language);
    read.is_ok() && answer.trim().eq_ignore_ascii_case(&word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disks::Health;

    fn disk(node: &str, health: Health) -> Disk {
        Disk {
            health,
            ..Disk::untold(Path::new(node), None)
        }
    }

    #[test]
    fn a_script_repairs_on_a_failing_disk_only_where_it_says_so() {
        let may = |disks: &[Disk], said| may_repair(disks, said, true, Language::En);
        let worrying = disk("/dev/sda", Health::Worrying);
        let failing = disk("/dev/sdb", Health::Failing);
        assert_eq!(may(&[], false), Ok(()));
        assert_eq!(may(std::slice::from_ref(&worrying), false), Ok(()));
        let both = [worrying, failing];
        let why = may(&both, false).unwrap_err().to(Language::En);
        assert!(
            why.starts_with("/dev/sdb: failing") && why.contains("--failing-disk"),
            "{why}"
        );
        assert_eq!(may(&both, true), Ok(()));
    }

    #[test]
    fn a_script_gets_an_event_of_each_disk() {
        let mut out = Vec::new();
        let disks = [
            disk("/dev/sda", Health::Good),
            Disk::silent(Path::new("/dev/sdb"), 20),
        ];
        for json in [true, false] {
            let mut lines = Show::fitting(&mut out, true, Language::En, std::sync::Arc::default());
            show(&disks, json, Language::En, &mut lines);
        }
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let event: serde_json::Value = serde_json::from_str(lines[1]).unwrap();
        assert_eq!(event["event"], "disk");
        assert_eq!(event["node"], "/dev/sdb");
        assert_eq!(event["health"], "worrying");
        assert_eq!(event["signs"][0]["sign"], "no-answer");
        assert!(
            event["text_fr"]
                .as_str()
                .unwrap()
                .contains("pas de réponse")
        );
        assert_eq!(lines[2], "Disk /dev/sda: good");
        assert!(lines[4].contains("replace it"), "{text}");
    }
}
