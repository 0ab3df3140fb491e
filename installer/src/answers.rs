//! `install.toml`: what the person who installs wants.
//!
//! The sections `system`, `network`, `time` and `access` are those of the
//! settings document, the same types; they become the first document.

use serde::{Deserialize, Serialize};
use vigie_disk::Bytes;
use vigie_settings::{Access, Network, Settings, System, Time, Volume, read_toml};

/// The answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// No data volume larger than this; more volumes instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_volume_max: Option<Bytes>,
    /// The disk.
    pub target: Target,
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
    /// What to do afterwards.
    #[serde(default)]
    pub finish: Finish,
}

/// `[target]`: which disk. All that is given must match, and exactly one disk may.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Target {
    /// The disk's serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The disk's world-wide name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wwn: Option<String>,
    /// Its device node, or a link to it below /dev/disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether what is on the disk may be erased.
    pub erase: bool,
}

impl Target {
    /// Whether it says nothing about which disk.
    pub fn is_unspecific(&self) -> bool {
        self.serial.is_none() && self.wwn.is_none() && self.path.is_none()
    }
}

/// `[finish]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Finish {
    /// What to do after a success.
    pub action: Action,
}

/// What to do after a success. After a failure the machine always waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Switch off: the medium can be pulled out, and nothing is installed twice.
    #[default]
    Poweroff,
    /// Start the machine again.
    Reboot,
    /// Stay in the live system.
    Wait,
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

    /// What no single field shows.
    fn check(&self) -> Result<(), String> {
        if self.target.is_unspecific() {
            return Err(
                "target: no disk is named; give serial, wwn or path (see `vigie-install devices`)"
                    .to_owned(),
            );
        }
        if self.data_volume_max.is_some_and(|cap| cap < SMALLEST_CAP) {
            return Err(format!("data_volume_max: must be at least {SMALLEST_CAP}"));
        }
        self.settings(Vec::new())
            .check()
            .map_err(|problems| problems.to_string())
    }

    /// The first settings document of the appliance.
    pub fn settings(&self, volumes: Vec<Volume>) -> Settings {
        Settings {
            system: self.system.clone(),
            network: self.network.clone(),
            time: self.time.clone(),
            access: self.access.clone(),
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
action = "reboot"
"#,
        )
        .unwrap();
        assert_eq!(answers.data_volume_max, Some(Bytes::new(2_000_000_000_000)));
        assert_eq!(answers.finish.action, Action::Reboot);
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
            ("[target]\npath = \"/dev/vda\"\nformat = true\n", "line 3"),
            ("[target]\npath = \"/dev/vda\"\n[sytem]\n", "line 3"),
            (
                "[target]\npath = \"/dev/vda\"\n[finish]\naction = \"halt\"\n",
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
