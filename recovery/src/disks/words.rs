//! How a disk is, in words.

use vigie_settings::Language;

use super::smart::{Disk, Health, Sign};
use crate::message::Message;

/// A disk on one line.
#[must_use]
pub fn line(disk: &Disk) -> Message {
    Message::new("disks.line")
        .with("node", disk.node.display())
        .and("what", what(disk))
        .and("health", health(disk))
}

/// Model, size and serial number, as far as they are known.
fn what(disk: &Disk) -> Message {
    let parts = [
        disk.model.clone(),
        disk.size.map(|size| size.to_string()),
        disk.serial.clone(),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    match parts.is_empty() {
        true => Message::new("disks.nameless"),
        false => Message::new("disks.what").with("what", parts.join(", ")),
    }
}

/// How it is, with what.
#[must_use]
pub fn health(disk: &Disk) -> Message {
    let said = match disk.health {
        Health::Good => Message::new("disks.good"),
        Health::Worrying => Message::new("disks.worrying").joined("signs", &disk.signs),
        Health::Failing => Message::new("disks.failing").joined("signs", &disk.signs),
        Health::Untold => match &disk.why {
            Some(why) => Message::new("disks.untold-because").with("why", why),
            None => Message::new("disks.untold"),
        },
    };
    let Some(celsius) = disk.celsius else {
        return said;
    };
    Message::new("disks.with-temperature")
        .and("health", said)
        .with("celsius", celsius)
}

impl Message {
    fn joined(self, name: &'static str, signs: &[Sign]) -> Self {
        let words = |language| {
            let signs = signs.iter().map(|one| sign(one).to(language));
            signs.collect::<Vec<_>>().join("; ")
        };
        let french = words(Language::Fr).replace("; ", " ; ");
        self.both(name, words(Language::En), french)
    }
}

/// What is wrong.
#[must_use]
pub fn sign(sign: &Sign) -> Message {
    match sign {
        Sign::SaysFailing => Message::new("sign.says-failing"),
        Sign::BelowThreshold { attribute } => {
            Message::new("sign.below-threshold").with("attribute", attribute)
        }
        Sign::SpareUsedUp => Message::new("sign.spare-used-up"),
        Sign::Degraded => Message::new("sign.degraded"),
        Sign::ReadOnly => Message::new("sign.read-only"),
        Sign::NoBackup => Message::new("sign.no-backup"),
        Sign::Aged { attribute } => Message::new("sign.aged").with("attribute", attribute),
        Sign::WasBelowThreshold { attribute } => {
            let attribute = attribute.as_deref().unwrap_or("?");
            Message::new("sign.was-below-threshold").with("attribute", attribute)
        }
        Sign::Reallocated { count } => Message::new("sign.reallocated").with("count", count),
        Sign::Pending { count } => Message::new("sign.pending").with("count", count),
        Sign::Uncorrectable { count } => Message::new("sign.uncorrectable").with("count", count),
        Sign::Worn { percent } => Message::new("sign.worn").with("percent", percent),
        Sign::Hot { celsius: None } => Message::new("sign.hot"),
        Sign::Hot {
            celsius: Some(celsius),
        } => Message::new("sign.hot-by").with("celsius", celsius),
        Sign::NoAnswer { seconds } => Message::new("sign.no-answer").with("seconds", seconds),
    }
}

/// What to do with those that fail or do not answer; none where there is nothing to be done.
#[must_use]
pub fn advice(disks: &[Disk]) -> Option<Message> {
    let worst = disks.iter().map(|disk| disk.health).max()?;
    match worst {
        Health::Failing => Some(Message::new("disks.copy-first")),
        Health::Worrying => Some(Message::new("disks.watch")),
        Health::Good | Health::Untold => None,
    }
}

/// The nodes of those that fail.
#[must_use]
pub fn failing(disks: &[Disk]) -> Vec<String> {
    let failing = disks.iter().filter(|one| one.health == Health::Failing);
    failing.map(|one| one.node.display().to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_line_says_which_disk_and_what_is_wrong() {
        let read = |json: &str| Disk::understood(Path::new("/dev/sda"), json.as_bytes(), None);
        let failing = read(include_str!("testdata/ata-failing.json"));
        let good = read(include_str!("testdata/ata-good.json"));
        let say = |disk: &Disk, language| line(disk).to(language);
        assert_eq!(
            say(&good, Language::En),
            "Disk /dev/sda (Recorder Disk 4000, 4 TB, RD4-000123): good, 34 °C"
        );
        let english = say(&failing, Language::En);
        assert!(english.contains("FAILING: it says so itself; 3976 sectors replaced; "));
        assert!(
            english.contains("24 sectors unreadable, waiting"),
            "{english}"
        );
        let french = say(&failing, Language::Fr);
        assert!(
            french.contains("EN PANNE : il le dit lui-même ; 3976 secteurs"),
            "{french}"
        );
        let silent = Disk::silent(Path::new("/dev/sdb"), 20);
        assert_eq!(
            say(&silent, Language::En),
            "Disk /dev/sdb: WORRYING: no answer within 20 s"
        );
        let untold = Disk::untold(Path::new("/dev/vda"), None);
        assert_eq!(
            say(&untold, Language::En),
            "Disk /dev/vda: does not tell how it is"
        );
        let all = [good, silent, failing];
        assert_eq!(super::failing(&all), ["/dev/sda"]);
        assert!(advice(&all).unwrap().to(Language::En).contains("first"));
        assert_eq!(advice(&all[..1]), None);
        assert_eq!(advice(&[]), None);
    }
}
