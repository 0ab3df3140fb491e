//! `install.toml`: what the person who installs wants.
//!
//! The sections `system`, `network`, `time`, `access` and `update` are those of the
//! settings document, the same types; they become the first document.

mod finish;
mod group;

use serde::{Deserialize, Serialize};
use vigie_disk::Bytes;
use vigie_settings::{Access, Network, Settings, System, Time, Update, Volume, read_toml};

pub use finish::{Action, Finish, SendReport};
pub use group::{Bus, Group, Keep, Selector};

use crate::layout::{SYSTEM_LARGEST, SYSTEM_SMALLEST};

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
        answers.check()?;
        Ok(answers)
    }

    /// What no single field shows: what contradicts itself or could never be.
    pub fn check(&self) -> Result<(), String> {
        for (name, group) in self.groups() {
            group.check().map_err(|why| format!("{name}: {why}"))?;
        }
        self.check_names()?;
        self.check_sizes()?;
        self.check_keep()?;
        if let Some(report) = &self.report {
            report.check()?;
        }
        self.settings(Vec::new())
            .check()
            .map_err(|problems| problems.to_string())
    }

    /// All groups with their names: `target`, `data[0]`…
    pub fn groups(&self) -> impl Iterator<Item = (String, &Group)> {
        let data = self.data.iter().enumerate();
        let data = data.map(|(at, group)| (format!("data[{at}]"), group));
        [("target".to_owned(), &self.target)]
            .into_iter()
            .chain(data)
    }

    fn check_names(&self) -> Result<(), String> {
        let mut named: Vec<(&'static str, String)> = Vec::new();
        for (group, selector) in self.groups().flat_map(|(name, group)| {
            group
                .selectors()
                .into_iter()
                .map(move |one| (name.clone(), one.0))
        }) {
            let names = [
                ("serial", selector.serial),
                ("wwn", selector.wwn),
                ("path", selector.path),
            ];
            for (field, value) in names {
                let Some(value) = value else { continue };
                if named.contains(&(field, value.clone())) {
                    return Err(format!("{group}: {field} \"{value}\" is named twice"));
                }
                named.push((field, value));
            }
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<(), String> {
        if self.data_volume_max.is_some_and(|cap| cap < SMALLEST_CAP) {
            return Err(format!("data_volume_max: must be at least {SMALLEST_CAP}"));
        }
        let allowed = SYSTEM_SMALLEST..=SYSTEM_LARGEST;
        if self
            .system_volume
            .is_some_and(|size| !allowed.contains(&size))
        {
            return Err(format!(
                "system_volume: must be from {SYSTEM_SMALLEST} to {SYSTEM_LARGEST} (the 2 TB rule)"
            ));
        }
        Ok(())
    }

    fn check_keep(&self) -> Result<(), String> {
        for (name, group) in self.groups().skip(1) {
            if group.keep == Keep::DataAndState {
                return Err(format!(
                    "{name}: a disk for recordings has no settings; keep = \"data\" is meant"
                ));
            }
        }
        if self.target.keep.is_nothing() {
            return Ok(());
        }
        if self.system_volume.is_some() {
            return Err(
                "system_volume: what is kept says how much room there is; leave it out".to_owned(),
            );
        }
        let given = self.settings(Vec::new()) != Settings::default();
        if self.target.keep == Keep::DataAndState && given {
            return Err(
                "target.keep: the settings stay, so the sections system, network, time, access \
                 and update would have no effect; leave them out, or keep only \"data\""
                    .to_owned(),
            );
        }
        let new_data = self.data.iter().any(|group| group.keep.is_nothing());
        if self.target.keep == Keep::DataAndState && new_data {
            return Err(
                "target.keep: the settings stay and name the volumes, so no new data disk can be \
                 added; keep only \"data\""
                    .to_owned(),
            );
        }
        Ok(())
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
    use super::*;

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
            ("[target]\n", "no disk is named"),
            ("[target]\nerase = true\n", "no disk is named"),
            (
                "[target]\nserial = \"A\"\n[[data]]\n",
                "data[0]: no disk is named",
            ),
            (
                "[target]\nserial = \"A\"\n[[data]]\nserial = \"A\"\n",
                "data[0]: serial \"A\" is named twice",
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
                "2 TB rule",
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
        }
    }
}
