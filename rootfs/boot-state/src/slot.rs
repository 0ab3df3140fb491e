//! The two slots and the names of their partitions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A slot: one boot partition and one system partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// The slot that an installation fills.
    A,
    /// The other one.
    B,
}

impl Slot {
    /// Both, A first.
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    /// The one that is not this.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// As it is written in the boot state and on the kernel command line.
    pub const fn letter(self) -> char {
        match self {
            Self::A => 'a',
            Self::B => 'b',
        }
    }

    /// Name of the partition that holds kernel and initrd.
    pub const fn boot_partition(self) -> &'static str {
        match self {
            Self::A => "boot-a",
            Self::B => "boot-b",
        }
    }

    /// Name of the partition that holds the system image.
    pub const fn system_partition(self) -> &'static str {
        match self {
            Self::A => "system-a",
            Self::B => "system-b",
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.letter())
    }
}

/// A word that is no slot.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is no slot; there are a and b")]
pub struct NoSlot(String);

impl FromStr for Slot {
    type Err = NoSlot;

    fn from_str(text: &str) -> Result<Self, NoSlot> {
        match text {
            "a" => Ok(Self::A),
            "b" => Ok(Self::B),
            other => Err(NoSlot(other.to_owned())),
        }
    }
}
