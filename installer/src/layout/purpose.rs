//! What the partitions of an appliance are for, and what they are called.

use serde::{Deserialize, Serialize};
use vigie_disk::Bytes;
use vigie_disk::md::{Geometry, Level, Metadata};
use vigie_disk::table::{READ_ONLY, types};
use vigie_update::Slot;

use super::Joined;

/// The partitions before the state volume, in order.
pub const SYSTEM_PURPOSES: [Purpose; 6] = [
    Purpose::BiosBoot,
    Purpose::Esp,
    Purpose::Boot(Slot::A),
    Purpose::Boot(Slot::B),
    Purpose::System(Slot::A),
    Purpose::System(Slot::B),
];

/// What a partition is for. In JSON it is the partition's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Purpose {
    /// GRUB's core image for BIOS.
    BiosBoot,
    /// EFI system partition.
    Esp,
    /// Kernel and initrd of a slot.
    Boot(Slot),
    /// System image of a slot.
    System(Slot),
    /// The state volume.
    State,
    /// A data volume, by its number.
    Data(u32),
}

impl Purpose {
    /// The partition's name, which is also the label of its file system where it has one of ours.
    pub fn name(self) -> String {
        match self {
            Self::BiosBoot => "vigie-bios".to_owned(),
            Self::Esp => vigie_update::esp::ESP_PARTITION.to_owned(),
            Self::Boot(slot) => slot.boot_partition().to_owned(),
            Self::System(slot) => slot.system_partition().to_owned(),
            Self::State => "state".to_owned(),
            Self::Data(number) => format!("data-{number}"),
        }
    }

    /// Type GUID and attributes.
    pub fn kind(self) -> (uuid::Uuid, u64) {
        match self {
            Self::BiosBoot => (types::BIOS_BOOT, 0),
            Self::Esp => (types::ESP, 0),
            Self::Boot(_) | Self::State => (types::LINUX, 0),
            Self::System(_) => (types::ROOT_X86_64, READ_ONLY),
            Self::Data(_) => (types::SRV, 0),
        }
    }
}

impl From<Purpose> for String {
    fn from(purpose: Purpose) -> Self {
        purpose.name()
    }
}

impl TryFrom<String> for Purpose {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let number = name
            .strip_prefix("data-")
            .and_then(|number| number.parse().ok());
        let fixed = SYSTEM_PURPOSES.into_iter().chain([Self::State]);
        fixed
            .chain(number.map(Self::Data))
            .find(|purpose| purpose.name() == name)
            .ok_or_else(|| format!("\"{name}\" is not the name of a partition of ours"))
    }
}

impl Purpose {
    /// Whether it holds recordings.
    pub fn is_data(self) -> bool {
        matches!(self, Self::Data(_))
    }

    /// Whether neither firmware nor GRUB reads it.
    pub fn is_read_by_linux_alone(self) -> bool {
        matches!(self, Self::State | Self::Data(_))
    }

    /// The array that such a partition of this size is a member of; none where
    /// every member of the group has one of its own, or where it is too small.
    ///
    /// Firmware and GRUB read the boot and system partitions as if there were
    /// no array, so the superblock of theirs lies at the end (metadata 1.0).
    pub fn array(self, joined: Option<Joined>, size: Bytes) -> Option<Geometry> {
        let Joined { level, members } = joined?;
        let (level, metadata) = match self {
            Self::BiosBoot | Self::Esp => return None,
            Self::Boot(_) | Self::System(_) => (Level::Raid1, Metadata::V1_0),
            Self::State => (Level::Raid1, Metadata::V1_2),
            Self::Data(_) => (level, Metadata::V1_2),
        };
        Geometry::new(level, metadata, members, size)
    }

    /// What a partition of this size holds, alone or as an array with its equals.
    pub fn capacity(self, joined: Option<Joined>, size: Bytes) -> Bytes {
        self.array(joined, size)
            .map_or(size, |geometry| geometry.capacity())
    }
}
