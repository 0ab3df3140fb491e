//! Maintenance: the entries, and the pages that are a few lines each.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use vigie_prompt::{Answer, Item};

use super::{Menu, Page, given, words_of};
use crate::broker::{all, event};
use crate::serial::{Ended, Speed};

impl Menu<'_> {
    const MAINTENANCE: [(&'static str, Page); 7] = [
        ("maintenance.passwords", |menu| menu.passwords()),
        ("maintenance.update", |menu| menu.updates()),
        ("maintenance.check", |menu| menu.check_at_boot()),
        ("maintenance.logs", |menu| menu.logs()),
        ("maintenance.serial", |menu| menu.serial()),
        ("maintenance.licence", |menu| menu.licence()),
        ("maintenance.bundle", |menu| menu.bundle()),
    ];

    pub(super) fn maintenance(&mut self) -> io::Result<()> {
        self.entries("maintenance.title", |_| Ok(Vec::new()), &Self::MAINTENANCE)
    }

    /// The check of all volumes at the next start, on or off.
    fn check_at_boot(&mut self) -> io::Result<()> {
        let Some(told) = self.ask(&json!({"verb": "check-at-boot-state"}))? else {
            return Ok(());
        };
        let on = event(&told, "check").is_some_and(|check| check["on"] == true);
        self.page("maintenance.check")?;
        let text = self.say("check.about", &[]);
        let state = match on {
            true => "check.is-on",
            false => "check.is-off",
        };
        let state = self.say(state, &[]);
        given!(self.tell(vec![text, String::new(), state]));
        let wanted = given!(self.choose(&["check.off", "check.on"], usize::from(on))) == 1;
        if wanted == on {
            return Ok(());
        }
        let request = json!({"verb": "check-at-boot", "on": wanted});
        if self.ask(&request)?.is_some() {
            let done = match wanted {
                true => "check.is-on",
                false => "check.is-off",
            };
            self.notice(done, &[])?;
        }
        Ok(())
    }

    /// A terminal on a serial port, for RAID modules and the like.
    fn serial(&mut self) -> io::Result<()> {
        let lines = self.system.serial_lines();
        self.page("maintenance.serial")?;
        if lines.is_empty() {
            return self.notice("serial.none", &[]);
        }
        let item = |line: &crate::system::Line| Item {
            lines: vec![line.name.clone()],
            refused: line.is_console.then(|| self.say("serial.console", &[])),
        };
        let items: Vec<Item> = lines.iter().map(item).collect();
        let text = self.say("serial.about", &[]);
        given!(self.tell(vec![text]));
        let speeds = Speed::ALL.map(|speed| Item::new(speed.bits().to_string()));
        let mut at = 0;
        let speed = loop {
            at = given!(self.prompter().choose(&items, at));
            let text = self.say("serial.speed", &[]);
            given!(self.tell(vec![text]));
            // Back is the port again.
            if let Answer::Given(speed) = self.prompter().choose(&speeds, 0)? {
                break speed;
            }
        };
        if !self.may()? {
            return Ok(());
        }
        let text = self.say("serial.leave", &[]);
        self.tell(vec![text])?;
        // It stays raw in between: a Ctrl-C of that moment must not be a signal.
        let (port, patience) = (&lines[at].name, self.who.idle);
        let talked = self.system.talk(port, Speed::ALL[speed], patience);
        match talked {
            Ok(Ended::Left) => self.prompter().forget_typed(),
            Ok(Ended::Idle) => Err(io::ErrorKind::TimedOut.into()),
            Ok(Ended::TerminalGone) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(trouble) => {
                self.prompter().forget_typed()?;
                self.told(vec![words_of(&trouble, port, self.language)])
            }
        }
    }

    /// Licence and hardware signature.
    fn licence(&mut self) -> io::Result<()> {
        let Some(seen) = self.seen()? else {
            return Ok(());
        };
        let identity = self.system.identity();
        let version = self.system.name().version;
        let running = version.split('.').next().unwrap_or_default().to_owned();
        let licence = seen.settings["update"]["licence_major"].as_u64();
        let major = licence.map_or(running, |major| major.to_string());
        let none = || self.say("main.unknown", &[]);
        let serial = identity.serial.unwrap_or_else(none);
        let signature = identity.signature.unwrap_or_else(none);
        let lines = vec![
            self.say("licence.version", &[("version", version)]),
            self.say("licence.major", &[("major", major)]),
            self.say("licence.serial", &[("serial", serial)]),
            self.say("licence.signature", &[("signature", signature)]),
            String::new(),
            self.say("licence.about", &[]),
        ];
        self.page("maintenance.licence")?;
        self.told(lines)
    }

    /// Logs without secrets, for whoever helps.
    fn bundle(&mut self) -> io::Result<()> {
        self.page("maintenance.bundle")?;
        let text = self.say("bundle.about", &[]);
        given!(self.tell(vec![text]));
        if !self.sure("bundle.make")? {
            return Ok(());
        }
        let text = self.say("bundle.making", &[]);
        self.tell(vec![text])?;
        let Some(told) = self.ask(&json!({"verb": "support-bundle"}))? else {
            return Ok(());
        };
        let name = event(&told, "file").and_then(|file| file["name"].as_str());
        let kept = match (name, content(&told)) {
            (Some(name), Some(content)) => self.system.keep(name, &content),
            _ => Err(anyhow::anyhow!("the broker's bundle is cut off")),
        };
        match kept {
            Ok(path) => {
                let path = path.display().to_string();
                self.notice("bundle.made", &[("path", path)])
            }
            Err(error) => self.notice("menu.not-done", &[("error", format!("{error:#}"))]),
        }
    }
}

/// The chunks of a file, in order; none where one of them is damaged.
fn content(told: &[Value]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    for chunk in all(told, "chunk") {
        content.extend(STANDARD.decode(chunk["data"].as_str()?).ok()?);
    }
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_one_file() {
        let chunk = |data: &str| json!({"event": "chunk", "data": data});
        let other = json!({"event": "file", "name": "x"});
        let told = [other, chunk("YWI="), chunk("Yw==")];
        assert_eq!(content(&told).as_deref(), Some(&b"abc"[..]));
        assert_eq!(content(&[chunk("YWI="), chunk("%")]), None);
        assert_eq!(content(&[json!({"event": "chunk"})]), None);
    }
}
