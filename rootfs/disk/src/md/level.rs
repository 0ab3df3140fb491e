//! RAID levels, and the versions of the superblock that are written.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How disks are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Every member holds everything.
    Raid1,
    /// Any one member may fail.
    Raid5,
    /// Any two members may fail.
    Raid6,
    /// Everything is held twice, on neighbouring members ("near 2").
    Raid10,
}

impl Level {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Raid1, Self::Raid5, Self::Raid6, Self::Raid10];

    /// The fewest members that make sense.
    pub const fn minimum(self) -> usize {
        match self {
            Self::Raid1 => 2,
            Self::Raid5 => 3,
            Self::Raid6 | Self::Raid10 => 4,
        }
    }

    /// md's number for it.
    pub const fn to_md(self) -> i32 {
        match self {
            Self::Raid1 => 1,
            Self::Raid5 => 5,
            Self::Raid6 => 6,
            Self::Raid10 => 10,
        }
    }

    /// The level of md's number; none for those that we do not make.
    pub fn of_md(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.to_md() == number)
    }

    /// md's number for the arrangement that we use, mdadm's default: left-symmetric
    /// for RAID 5 and 6, two near copies (and one far one) for RAID 10.
    pub(super) const fn layout(self) -> u32 {
        match self {
            Self::Raid1 => 0,
            Self::Raid5 | Self::Raid6 => 2,
            Self::Raid10 => 0x102,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "raid{}", self.to_md())
    }
}

/// Where the superblock lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metadata {
    /// At the end: whoever knows nothing of RAID reads the data from the first byte on.
    V1_0,
    /// 4 KiB from the start.
    V1_2,
}

impl Metadata {
    /// The minor version.
    pub const fn minor(self) -> u8 {
        match self {
            Self::V1_0 => 0,
            Self::V1_2 => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_agree() {
        for level in Level::ALL {
            assert_eq!(Level::of_md(level.to_md()), Some(level));
            assert_eq!(level.to_string(), format!("{level:?}").to_lowercase());
        }
        for number in [-4, -1, 0, 4, 11, i32::MAX] {
            assert_eq!(Level::of_md(number), None);
        }
    }
}
