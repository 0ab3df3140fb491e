//! The machine's disks, what they are and what is on them.
//!
//! An inventory is a plain value: recorded as JSON it is the input of the
//! planner's tests. Names, sizes and sectors come from the kernel
//! ([`machine`]); what is on the disks from their own bytes ([`contents`], [`arrays`]).

pub mod arrays;
pub mod contents;
pub mod machine;
pub mod serial;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use vigie_disk::probe::{Found, Kind};
use vigie_disk::{Bytes, SectorSize};

pub use arrays::{FoundArray, Member};
pub use contents::contents_of;
pub use machine::Machine;

use crate::answers::Bus;
use crate::messages::Text;

/// Links that udev makes by where a disk is plugged in; they stay from one start to the next.
pub const BY_PATH: &str = "/dev/disk/by-path/";

/// What the planner may choose from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inventory {
    /// How the machine was started.
    pub firmware: Firmware,
    /// Its disks.
    pub disks: Vec<Disk>,
    /// md arrays whose members are on them, assembled or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arrays: Vec<FoundArray>,
}

/// The firmware that started the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Firmware {
    /// The old one; it cannot start from disks with sectors of 4096 bytes.
    Bios,
    /// UEFI.
    Uefi,
}

/// One disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// Its device node.
    pub path: String,
    /// Links to it below /dev/disk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<String>,
    /// Model, as it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Serial number, as it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// World-wide name, as it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wwn: Option<String>,
    /// What it is connected by, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bus: Option<Bus>,
    /// Size.
    pub size: Bytes,
    /// Logical sector size; another number than 512 or 4096 is kept as it is.
    pub sector_size: u64,
    /// A medium that people pull out.
    #[serde(default)]
    pub removable: bool,
    /// Write-protected.
    #[serde(default)]
    pub read_only: bool,
    /// Why its bytes could not be read: what is on it is then not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable: Option<String>,
    /// The running live system comes from it.
    #[serde(default)]
    pub boot_medium: bool,
    /// What uses it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_use: Vec<Use>,
    /// What is on it; empty for a blank disk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contents: Vec<Content>,
    /// The partitions of its GPT, by number; empty where it has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partitions: Vec<Existing>,
    /// Where the partitions of its MBR lie; empty where it has none. They are
    /// never kept, and what is in them is cleared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mbr: Vec<Place>,
}

/// A range of a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Its first byte.
    pub offset: Bytes,
    /// Its length.
    pub size: Bytes,
}

impl Place {
    /// One past its last byte.
    pub fn end(&self) -> Bytes {
        self.offset + self.size
    }
}

/// A partition that is on a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Existing {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// Its type GUID.
    #[serde(rename = "type")]
    pub kind: Uuid,
    /// Its first byte.
    pub offset: Bytes,
    /// Its length.
    pub size: Bytes,
}

impl Existing {
    /// One past its last byte.
    pub fn end(&self) -> Bytes {
        self.offset + self.size
    }
}

/// How a disk is used at the moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Use {
    /// Something on it is mounted here.
    Mounted(String),
    /// It is a part of this array or mapping.
    PartOf(String),
    /// This area of it is used for swapping.
    Swap(String),
}

impl Use {
    /// For a person.
    pub fn text(&self) -> Text {
        match self {
            Self::Mounted(place) => Text::new("use.mounted").with("place", place),
            Self::PartOf(name) => Text::new("use.part").with("name", name),
            Self::Swap(place) => Text::new("use.swap").with("place", place),
        }
    }
}

/// Something on a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Number of the partition; none for the disk as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// Name of the partition in its table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is.
    #[serde(flatten)]
    pub found: Found,
}

impl Disk {
    /// Its sector size, where it is one that we support.
    pub fn sector(&self) -> Option<SectorSize> {
        SectorSize::try_from(self.sector_size).ok()
    }

    /// One line for a person: "/dev/vda, 8 GB, QEMU HARDDISK, S/N 1234".
    pub fn title(&self) -> String {
        let mut title = format!("{}, {}", self.path, self.size);
        if let Some(model) = &self.model {
            title += &format!(", {model}");
        }
        if let Some(serial) = &self.serial {
            title += &format!(", S/N {serial}");
        }
        title
    }

    /// What was found in a partition.
    pub fn in_partition(&self, number: u32) -> impl Iterator<Item = &Found> {
        let here = self.contents.iter();
        let here = here.filter(move |content| content.partition == Some(number));
        here.map(|content| &content.found)
    }

    /// A blank disk, or a file that stands for one.
    pub fn blank(path: &str, size: Bytes, sector: SectorSize) -> Self {
        Self {
            path: path.to_owned(),
            links: Vec::new(),
            model: None,
            serial: None,
            wwn: None,
            bus: None,
            size,
            sector_size: sector.get(),
            removable: false,
            read_only: false,
            unreadable: None,
            boot_medium: false,
            in_use: Vec::new(),
            contents: Vec::new(),
            partitions: Vec::new(),
            mbr: Vec::new(),
        }
    }

    /// What is on it in short: "GPT, ext4 \"state\"".
    pub fn contents_in_short(&self) -> Text {
        let is_known = |content: &&Content| content.found.kind != Kind::Unknown;
        let words: Vec<String> = self
            .contents
            .iter()
            .filter(is_known)
            .map(|content| match &content.found.label {
                Some(label) => format!("{} \"{label}\"", content.found.kind.name()),
                None => content.found.kind.name().to_owned(),
            })
            .collect();
        match words.is_empty() {
            true => Text::new("disk.unknown"),
            false => Text::new("disk.contents").with("contents", words.join(", ")),
        }
    }
}
