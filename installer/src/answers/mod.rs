//! `install.toml`: what the person who installs wants.
//!
//! The sections `system`, `network`, `time`, `access` and `update` are those of the
//! settings document, the same types; they become the first document.

mod finish;
mod group;

use serde::{Deserialize, Serialize};
use vigie_disk::Bytes;
use vigie_settings::{
    Access, Network, Problem, Problems, Settings, System, Time, Update, Volume, read_toml,
};

pub use finish::{Action, Finish, SendReport};
pub use group::{Bus, Group, Keep, Selector};

use crate::layout::{SYSTEM_LARGEST, SYSTEM_SMALLEST};
use crate::messages::Text;

/// The answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// No data volume larger than this; more volumes instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_volume_max: Option<Bytes>,
    /// Size of the system volume (everything but the recordings); follows from the disk's size
    /// where not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_volume: Option<Bytes>,
    /// The system disk.
    pub target: Group,
    /// Further disks for recordings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<Group>,
    /// Name, language, keyboard, time zone.
    #[serde(default)]
    pub system: System,
    /// The two networks.
    #[serde(default)]
    pub network: Network,
    /// Where the time comes from.
    #[serde(default)]
    pub time: Time,
    /// Who may log in.
    #[serde(default)]
    pub access: Access,
    /// Where updates come from by themselves.
    #[serde(default, skip_serializing_if = "Update::is_default")]
    pub update: Update,
    /// What to do afterwards.
    #[serde(default)]
    pub finish: Finish,
    /// Who is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<SendReport>,
}

/// The smallest cap that can be asked for data volumes.
const SMALLEST_CAP: Bytes = Bytes::gb(1);

impl Answers {
    /// Reads answers; the error names line and field.
    pub fn parse(text: &str) -> Result<Self, String> {
        let answers: Self = read_toml(text).map_err(|error| error.to_string())?;
        answers.check().map_err(|problems| problems.to_string())?;
        Ok(answers)
    }

    /// What no single field shows: what contradicts itself or could never be.
    ///
    /// All of these problems are collected, so that a person mends them in one go. A value that cannot
    /// be read at all is found before, alone: reading ends there.
    pub fn check(&self) -> Result<(), Problems> {
        let mut found = Vec::new();
        for (name, group) in self.groups() {
            found.extend(group.check(&name));
        }
        self.check_names(&mut found);
        self.check_sizes(&mut found);
        self.check_keep(&mut found);
        let report = self.report.as_ref().and_then(SendReport::check);
        found.extend(report.map(|text| Problem::new("report.url", text)));
        if let Err(Problems(of_settings)) = self.settings(Vec::new()).check() {
            found.extend(of_settings);
        }
        match found.is_empty() {
            true => Ok(()),
            false => Err(Problems(found)),
        }
    }

    /// All groups with their names: `target`, `data[0]`…
    pub fn groups(&self) -> impl Iterator<Item = (String, &Group)> {
        let data = self.data.iter().enumerate();
        let data = data.map(|(at, group)| (format!("data[{at}]"), group));
        [("target".to_owned(), &self.target)]
            .into_iter()
            .chain(data)
    }

    fn check_names(&self, found: &mut Vec<Problem>) {
        let mut named: Vec<(&'static str, String)> = Vec::new();
        let groups = self.groups();
        for (place, selector) in groups.flat_map(|(name, group)| group.placed_selectors(&name)) {
            let names = [
                ("serial", selector.serial),
                ("wwn", selector.wwn),
                ("path", selector.path),
            ];
            for (field, value) in names {
                let Some(value) = value else { continue };
                if named.contains(&(field, value.clone())) {
                    let text = Text::new("answers.named-twice").with("field", field);
                    let text = text.with("value", &value);
                    found.push(Problem::new(format!("{place}.{field}"), text));
                }
                named.push((field, value));
            }
        }
    }

    fn check_sizes(&self, found: &mut Vec<Problem>) {
        if self.data_volume_max.is_some_and(|cap| cap < SMALLEST_CAP) {
            let text = Text::new("answers.cap-too-small").with("least", SMALLEST_CAP);
            found.push(Problem::new("data_volume_max", text));
        }
        let allowed = SYSTEM_SMALLEST..=SYSTEM_LARGEST;
        if self
            .system_volume
            .is_some_and(|size| !allowed.contains(&size))
        {
            let text = Text::new("answers.system-volume-range")
                .with("least", SYSTEM_SMALLEST.as_written())
                .with("most", SYSTEM_LARGEST.as_written());
            found.push(Problem::new("system_volume", text));
        }
    }

    fn check_keep(&self, found: &mut Vec<Problem>) {
        let mut add = |field: &str, key| found.push(Problem::new(field, Text::new(key)));
        for (name, group) in self.groups().skip(1) {
            if group.keep == Keep::DataAndState {
                add(&format!("{name}.keep"), "answers.data-has-no-settings");
            }
        }
        if self.target.keep.is_nothing() {
            return;
        }
        if self.system_volume.is_some() {
            add("system_volume", "answers.system-volume-kept");
        }
        if self.target.keep != Keep::DataAndState {
            return;
        }
        if self.settings(Vec::new()) != Settings::default() {
            add("target.keep", "answers.settings-kept");
        }
        if self.data.iter().any(|group| group.keep.is_nothing()) {
            add("target.keep", "answers.no-new-data");
        }
    }

    /// Whether nobody could log in: no password and no key for root, in settings that are new.
    pub fn lets_nobody_in(&self) -> bool {
        let access = &self.access;
        self.target.keep != Keep::DataAndState
            && access.root_password_hash.is_none()
            && access.ssh_authorized_keys.is_empty()
            && access.menu_ssh_keys.is_empty()
    }

    /// The first settings document of the appliance.
    pub fn settings(&self, volumes: Vec<Volume>) -> Settings {
        Settings {
            system: self.system.clone(),
            network: self.network.clone(),
            time: self.time.clone(),
            access: self.access.clone(),
            update: self.update.clone(),
            volumes,
            ..Settings::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use vigie_settings::Language;

    use super::*;
    use crate::machines::{AnswerFile, Faults};

    #[test]
    fn a_full_answer_file() {
        let answers = Answers::parse(
            r#"data_volume_max = "2TB"
[target]
serial = "WD-1234"
erase = true
[system]
hostname = "nvr-7"
timezone = "Europe/Paris"
language = "fr"
keymap = "fr"
[network.enterprise]
address = "192.168.1.10/24"
gateway = "192.168.1.1"
[time]
ntp = ["192.168.1.1"]
[finish]
on_success = "reboot"
"#,
        )
        .unwrap();
        assert_eq!(answers.data_volume_max, Some(Bytes::new(2_000_000_000_000)));
        assert_eq!(answers.finish.on_success, Action::Reboot);
        assert_eq!(
            answers.settings(Vec::new()).system.hostname.as_str(),
            "nvr-7"
        );
    }

    #[test]
    fn wrong_answers_are_refused_with_their_place() {
        for (text, says) in [
            ("", "target"),
            ("[target\n", "line 1"),
            ("[target]\ncount = 0\nbus = \"sata\"\n", "names no disk"),
            (
                "[target]\nserial = \"A\"\nkeep = \"data\"\nsystem_volume = 1\n",
                "line 4: target.system_volume: unknown field",
            ),
            (
                "system_volume = \"50GB\"\n[target]\nserial = \"A\"\nkeep = \"data\"\n",
                "leave it out",
            ),
            (
                "[target]\nserial = \"A\"\nkeep = \"data-and-state\"\n[[data]]\nserial = \"B\"\n",
                "no new data disk",
            ),
            ("[target]\npath = 3\n", "invalid type"),
            ("[target]\npath = \"x\"\nsize_min = true\n", "a size, as"),
            ("[target]\n", "no disk is named"),
            ("[target]\nerase = true\n", "no disk is named"),
            (
                "[target]\nserial = \"A\"\n[[data]]\n",
                "data[0]: no disk is named",
            ),
            (
                "[target]\nserial = \"A\"\n[[data]]\nserial = \"A\"\n",
                "data[0].serial: serial \"A\" is named twice",
            ),
            ("[target]\nserial = \"\"\n", "target.serial: is empty"),
            (
                "[target]\nraid = \"raid1\"\ndisks = [{serial = \"A\"}, {model = \" \"}]\n",
                "target.disks[1].model: is empty",
            ),
            (
                "[target]\nbus = \"sata\"\nraid = \"raid1\"\n",
                "target.raid: raid1 needs at least 2 disks: give count",
            ),
            (
                "[target]\nbus = \"sata\"\ncount = 1\nraid = \"raid1\"\n",
                "target.count: raid1 needs at least 2",
            ),
            (
                "[target]\nserial = \"A\"\ndisks = [{serial = \"B\"}]\n",
                "contradict",
            ),
            (
                "[target]\nserial = \"A\"\nerase = true\nkeep = \"data\"\n",
                "contradict",
            ),
            ("[target]\nserial = \"A\"\ngrow = true\n", "grow needs keep"),
            (
                "[target]\nserial = \"A\"\nraid = \"raid1\"\n",
                "raid1 needs at least 2",
            ),
            ("[target]\nserial = \"A\"\nraid = \"raid0\"\n", "line 3"),
            (
                "[target]\nbus = \"sata\"\ncount = 3\n",
                "3 disks without raid",
            ),
            (
                "[target]\nbus = \"sata\"\ncount = 5\nraid = \"raid10\"\n",
                "even",
            ),
            (
                "[target]\nsize_min = \"2TB\"\nsize_max = \"1TB\"\n",
                "nothing can match",
            ),
            (
                "system_volume = \"3TB\"\n[target]\nserial = \"A\"\n",
                "system_volume: must be from 4GB to 2TiB",
            ),
            (
                "[target]\nserial = \"A\"\nkeep = \"data-and-state\"\n[system]\nhostname = \"x\"\n",
                "would have no effect",
            ),
            (
                "[target]\nserial = \"A\"\n[[data]]\nserial = \"B\"\nkeep = \"data-and-state\"\n",
                "keep = \"data\" is meant",
            ),
            (
                "[target]\nserial = \"A\"\n[report]\nurl = \"http://x/\"\n",
                "begins with https://",
            ),
            (
                "[target]\nserial = \"A\"\n[report]\nurl = \"https://[::1/x\"\n",
                "report.url: \"https://[::1/x\" is not an address",
            ),
            ("[target]\npath = \"/dev/vda\"\nformat = true\n", "line 3"),
            ("[target]\npath = \"/dev/vda\"\n[sytem]\n", "line 3"),
            (
                "[target]\npath = \"/dev/vda\"\n[finish]\non_success = \"halt\"\n",
                "line 4",
            ),
            (
                "data_volume_max = \"2 potatoes\"\n[target]\npath = \"x\"\n",
                "line 1",
            ),
            ("data_volume_max = -1\n[target]\npath = \"x\"\n", "negative"),
            (
                "data_volume_max = \"1MB\"\n[target]\npath = \"x\"\n",
                "at least 1 GB",
            ),
            (
                "[target]\npath = \"x\"\n[system]\nhostname = \"a b\"\n",
                "line 4",
            ),
            (
                "[target]\npath = \"x\"\n[network.enterprise]\ngateway = \"10.0.0.1\"\n",
                "gateway",
            ),
        ] {
            let error = Answers::parse(text).unwrap_err();
            assert!(error.contains(says), "{text:?}: {error}");
            let Faults(faults) = AnswerFile::parse(text).unwrap_err();
            for fault in faults {
                let [english, french] = [Language::En, Language::Fr].map(|one| fault.what.to(one));
                assert_ne!(english, french, "{text:?}");
                assert!(error.contains(&english), "{text:?}: {english}");
            }
        }
    }
}
