//! What this boot is: the file that the initrd leaves at /run/vigie/boot.json.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::slot::Slot;
use crate::spoken::Spoken;

/// Where the initrd writes it.
pub const BOOT_JSON: &str = "/run/vigie/boot.json";

/// How the system was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// From a slot of a disk.
    Installed,
    /// From the medium; or from a slot to repair what is on the disks (recovery), and then there is
    /// a slot and no medium.
    Live,
}

/// The running system. Fields that only others need are passed over.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Running {
    /// How it was started.
    pub mode: Mode,
    /// The running slot of an installed system, or of recovery.
    #[serde(default)]
    pub slot: Option<Slot>,
    /// The system disk of an installed system, or of recovery; the medium's in the live system.
    #[serde(default)]
    pub disk: Option<PathBuf>,
    /// What is mounted on /var of an installed system; an md array where there are several disks.
    #[serde(default)]
    pub state_device: Option<PathBuf>,
    /// Where the medium is mounted in the live system; none in recovery.
    #[serde(default)]
    pub medium: Option<PathBuf>,
}

impl Running {
    /// Reads the file.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Spoken::new(
                format!("reading {shown}: {error}; this must run on an appliance or its medium"),
                format!(
                    "lecture de {shown} : {error} ; ceci doit tourner sur un appareil ou son support"
                ),
            )
        })?;
        let found = serde_json::from_str(&text).map_err(|error| {
            Spoken::new(
                format!("understanding {shown}: {error}"),
                format!("{shown} est incompréhensible : {error}"),
            )
        })?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_are_read() {
        let installed: Running = serde_json::from_str(
            r#"{"mode":"installed","slot":"b","root_hash":"00","disk":"/dev/vda",
                "root_device":"/dev/vda5","state_device":"/dev/vda7","medium":null,
                "state_check":{"exit":0,"summary":"clean"}}"#,
        )
        .unwrap();
        assert_eq!(installed.slot, Some(Slot::B));
        assert_eq!(installed.disk.as_deref(), Some(Path::new("/dev/vda")));
        let live: Running = serde_json::from_str(
            r#"{"mode":"live","slot":null,"disk":null,"medium":"/run/medium"}"#,
        )
        .unwrap();
        assert_eq!((live.mode, live.slot), (Mode::Live, None));
        let recovery: Running = serde_json::from_str(
            r#"{"mode":"live","slot":"a","root_hash":"00","disk":"/dev/vda","root_device":"/dev/vda5",
                "state_device":null,"medium":null,"state_check":null,"arrays":[]}"#,
        )
        .unwrap();
        let found = (recovery.mode, recovery.slot, recovery.medium);
        assert_eq!(found, (Mode::Live, Some(Slot::A), None));
        assert_eq!(recovery.disk.as_deref(), Some(Path::new("/dev/vda")));
    }
}
