//! What the running system says about itself, apart from its units. Nothing here needs privileges.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::arrays::{self, ArrayFacts};
use crate::help_page::Machine;
use crate::licences::Licences;
use crate::parse::{ListedVolume, listed_volumes, os_release_value, writable};
use crate::temperatures::TemperatureFacts;

/// Facts, not judged yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    pub hostname: String,
    pub version: Option<String>,
    pub boot: Boot,
    pub uptime_s: u64,
    pub volumes: Vec<VolumeFacts>,
    pub arrays: Vec<ArrayFacts>,
    pub temperatures: Vec<TemperatureFacts>,
    /// What `vigie-settings` could not do at boot.
    pub settings_warnings: Vec<String>,
}

/// The part of `/run/vigie/boot.json` that is shown. Written by the initrd; other fields exist.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Boot {
    /// `installed` or `live`.
    pub mode: Option<String>,
    /// `a` or `b`; none in the live system of the medium.
    pub slot: Option<String>,
    /// The device on /var; none where that is in memory.
    pub state_device: Option<String>,
    /// How the check of the state volume went.
    pub state_check: Option<StateCheck>,
}

/// What the initrd says of the check of the state volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct StateCheck {
    /// As of e2fsck(8): 0 clean, 1 to 3 mended, else faults are left.
    pub exit: i64,
    /// In words.
    pub summary: String,
    /// The same in French.
    pub summary_fr: String,
}

impl Boot {
    /// The check of the state volume that is in use.
    pub fn used_state(&self) -> Option<&StateCheck> {
        self.state_check
            .as_ref()
            .filter(|_| self.state_device.is_some())
    }
}

/// One volume that must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeFacts {
    pub name: String,
    pub mount: String,
    /// Nothing when it is not mounted.
    pub space: Option<Space>,
    /// What its check at the start says, where it goes on or did not find the volume clean.
    pub check: Option<Check>,
}

/// What `vigie-recovery check --tell` says of a volume, in `/run/vigie/checks/UUID.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Check {
    /// It goes on.
    pub checking: bool,
    /// How much of its step is done, once that is known; the words say it, too.
    #[serde(default)]
    pub percent: Option<u8>,
    /// The phase of the step, 1 to 5.
    #[serde(default)]
    pub pass: Option<u8>,
    /// The volume may be used.
    pub good: bool,
    /// In words.
    pub english: String,
    /// The same in French.
    pub french: String,
}

/// Space on a mounted volume, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    pub size: u64,
    /// What is left for programs without privileges.
    pub free: u64,
    pub writable: bool,
}

/// The files below a root, `/` for the running system.
#[derive(Debug, Clone)]
pub struct Source {
    root: PathBuf,
}

impl Source {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn hostname(&self) -> String {
        rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned()
    }

    /// Which machine this is; nothing is known of it where root has written nothing down.
    pub fn machine(&self) -> Machine {
        serde_json::from_str(&self.text("run/vigie/machine.json")).unwrap_or_default()
    }

    /// The licences of what is inside.
    pub fn licences(&self) -> Licences {
        Licences::new(&self.root)
    }

    pub fn read(&self) -> Facts {
        Facts {
            hostname: self.hostname(),
            version: os_release_value(&self.text("usr/lib/os-release"), "VERSION_ID"),
            boot: serde_json::from_str(&self.text("run/vigie/boot.json")).unwrap_or_default(),
            uptime_s: uptime_s(),
            volumes: self.volumes(),
            arrays: arrays::read(&self.root),
            // They are read at their own pace.
            temperatures: Vec::new(),
            settings_warnings: self
                .text("run/vigie/settings-error")
                .lines()
                .map(str::to_owned)
                .collect(),
        }
    }

    /// A file that is missing says nothing; what that means is judged elsewhere.
    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap_or_default()
    }

    fn check(&self, uuid: &str) -> Option<Check> {
        serde_json::from_str(&self.text(&format!("run/vigie/checks/{uuid}.json"))).ok()
    }

    fn volumes(&self) -> Vec<VolumeFacts> {
        let mountinfo = self.text("proc/self/mountinfo");
        let state = ListedVolume {
            name: "state".into(),
            uuid: String::new(),
            mount: "/var".into(),
        };
        let listed = std::iter::once(state).chain(listed_volumes(&self.text("etc/fstab")));
        let facts = |volume: ListedVolume| {
            let space = writable(&mountinfo, &volume.mount)
                .and_then(|writable| space(Path::new(&volume.mount), writable));
            VolumeFacts {
                check: self.check(&volume.uuid),
                name: volume.name,
                mount: volume.mount,
                space,
            }
        };
        listed.map(facts).collect()
    }
}

fn space(mount: &Path, writable: bool) -> Option<Space> {
    let stat = rustix::fs::statvfs(mount).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Some(Space {
        size: bytes(stat.f_blocks),
        free: bytes(stat.f_bavail),
        writable,
    })
}

/// Seconds since the kernel started. Not from `/proc/uptime`, which the sandbox hides.
fn uptime_s() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    u64::try_from(time.tv_sec).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_a_root() {
        let root = tempfile::tempdir().expect("temporary folder");
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("folder")).expect("made");
            fs::write(path, text).expect("written");
        };
        put("usr/lib/os-release", "VERSION_ID=1.2.3.4\n");
        put(
            "run/vigie/boot.json",
            r#"{"mode":"installed","slot":"b","root_hash":"00","state_device":"/dev/vda7",
                "state_check":{"exit":1,"summary":"repaired","summary_fr":"réparé"}}"#,
        );
        put("run/vigie/settings-error", "one\ntwo\n");
        put(
            "etc/fstab",
            "UUID=a /tmp ext4 x-vigie.volume=data-1 0 2\nUUID=b /srv/none ext4 x-vigie.volume=data-2 0 2\n",
        );
        put(
            "proc/self/mountinfo",
            "30 29 254:7 / /tmp rw - ext4 /dev/vda8 rw\n",
        );
        put(
            "run/vigie/checks/a.json",
            r#"{"checking":true,"percent":42,"pass":1,"good":false,"english":"42 %","french":"à 42 %"}"#,
        );
        put(
            "run/vigie/checks/b.json",
            r#"{"checking":false,"good":false,"english":"lost","french":"perdu"}"#,
        );
        let facts = Source::new(root.path().into()).read();
        let checks = facts.volumes.iter().map(|volume| volume.check.clone());
        let said = |check: Check| (check.percent.zip(check.pass), check.french);
        let said: Vec<_> = checks.map(|check| check.map(said)).collect();
        let expected = [(Some((42, 1)), "à 42 %"), (None, "perdu")];
        let expected = expected.map(|(at, french)| Some((at, french.to_owned())));
        assert_eq!(said[0], None);
        assert_eq!(said[1..], expected);
        assert_eq!(facts.version.as_deref(), Some("1.2.3.4"));
        assert_eq!(
            facts.boot,
            Boot {
                mode: Some("installed".into()),
                slot: Some("b".into()),
                state_device: Some("/dev/vda7".into()),
                state_check: Some(StateCheck {
                    exit: 1,
                    summary: "repaired".into(),
                    summary_fr: "réparé".into(),
                }),
            }
        );
        assert_eq!(facts.settings_warnings, ["one", "two"]);
        let mounted: Vec<_> = facts
            .volumes
            .iter()
            .map(|v| (v.name.as_str(), v.space.is_some()))
            .collect();
        assert_eq!(
            mounted,
            [("state", false), ("data-1", true), ("data-2", false)]
        );
    }

    #[test]
    fn an_empty_root_gives_facts_too() {
        let root = tempfile::tempdir().expect("temporary folder");
        let facts = Source::new(root.path().into()).read();
        assert_eq!(
            (facts.version, facts.boot, facts.volumes.len()),
            (None, Boot::default(), 1)
        );
    }
}
