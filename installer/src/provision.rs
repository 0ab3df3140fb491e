//! The volume that tells the live system to install by itself: FAT or ISO 9660,
//! labelled PROVISION, with `install.toml` in its root. Volumes are found by
//! looking at every block device; nothing is mounted.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use vigie_disk::probe::{Kind, probe};
use vigie_disk::sysfs::{Sysfs, node};
use vigie_disk::{BlockDevice, KernelDevice, fat, iso};

use crate::messages::Text;
use crate::sources::{LIMIT, text_of};

/// Label of the volume.
pub const LABEL: &str = "PROVISION";
/// The answers in its root.
pub const ANSWERS: &str = "install.toml";
/// The result that is written beside them.
pub const RESULT: &str = "install-result.json";
/// A volume that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provision {
    /// Its device node.
    pub node: PathBuf,
    /// FAT can be written, ISO 9660 cannot.
    pub writable: bool,
    /// The answers' text; none where the file is missing.
    pub answers: Option<String>,
    /// Why the file is there and could not be read.
    pub trouble: Option<Text>,
}

/// All volumes labelled PROVISION. Of a disk that is one as a whole, the
/// partitions are not looked at: a hybrid ISO shows its file system in both.
/// A device that cannot be read is passed over.
pub fn find(sysfs: &Sysfs) -> Vec<Provision> {
    let look_at = |node: &Path| {
        let mut device = KernelDevice::open_read_only(node).ok()?;
        look(&mut device, node)
    };
    let of_disk = |disk: String| match look_at(&node(&disk)) {
        Some(whole) => vec![whole],
        None => {
            let partitions = sysfs.partitions(&disk).into_iter();
            partitions.filter_map(|one| look_at(&one.node)).collect()
        }
    };
    sysfs.disks().into_iter().flat_map(of_disk).collect()
}

/// Whether one device is such a volume.
pub fn look(device: &mut dyn BlockDevice, node: &Path) -> Option<Provision> {
    let kind = probe(device).into_iter().find_map(|found| {
        let label = match found.kind {
            Kind::Fat => fat::label(device),
            Kind::Iso9660 => found.label,
            _ => None,
        };
        label
            .is_some_and(|label| label.eq_ignore_ascii_case(LABEL))
            .then_some(found.kind)
    })?;
    let (answers, trouble) = match read(device, kind) {
        Ok(answers) => (answers, None),
        Err(why) => (None, Some(why)),
    };
    Some(Provision {
        node: node.to_owned(),
        writable: kind == Kind::Fat,
        answers,
        trouble,
    })
}

fn read(device: &mut dyn BlockDevice, kind: Kind) -> Result<Option<String>, Text> {
    let bytes = match kind {
        Kind::Fat => fat::read_root_file(device, ANSWERS, LIMIT),
        _ => iso::read_root_file(device, ANSWERS, LIMIT),
    };
    let bytes = bytes.map_err(|error| Text::new("check.unreadable").with("error", error))?;
    bytes.map(text_of).transpose()
}

impl Provision {
    /// Its device node, for a person.
    pub fn place(&self) -> String {
        self.node.display().to_string()
    }

    /// Writes the result beside the answers; does nothing on a volume that cannot be written.
    pub fn write_result(&self, result: &str) -> Result<()> {
        if !self.writable {
            return Ok(());
        }
        let mut device = KernelDevice::open_shared(&self.node)?;
        fat::write_root_file(&mut device, RESULT, result.as_bytes())
            .with_context(|| format!("writing {RESULT} to {}", self.node.display()))
    }
}
