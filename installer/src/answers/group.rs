//! `[target]` and `[[data]]`: which disks, what joins them, and what becomes of
//! what is on them.

use std::fmt;

use serde::{Deserialize, Serialize};
use vigie_disk::Bytes;
use vigie_disk::md::Level;

use crate::messages::Text;

/// A disk, or several that md RAID joins.
///
/// Either the selector's own fields name the disk, or `disks` names several.
/// All that a selector gives must match, and it must match exactly one disk
/// (`count` disks, where a rule is for the members of an array).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Group {
    /// The disk's serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The disk's world-wide name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wwn: Option<String>,
    /// Its device node, or a link to it below /dev/disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its model; `*` stands for any characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What it is connected by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bus: Option<Bus>,
    /// Not smaller than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_min: Option<Bytes>,
    /// Not larger than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_max: Option<Bytes>,
    /// How many disks the rule must match; 1 where not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// The members of an array, each by a selector of its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<Selector>,
    /// What joins several disks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raid: Option<Level>,
    /// Whether what is on the disks may be erased; they must then be named by serial or WWN.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub erase: bool,
    /// What stays of an installation that is on the disks.
    #[serde(skip_serializing_if = "Keep::is_nothing")]
    pub keep: Keep,
    /// With `keep`: the last data volume grows into a disk that was enlarged.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub grow: bool,
}

/// One member of an array: the same fields as in [`Group`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Selector {
    /// The disk's serial number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The disk's world-wide name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wwn: Option<String>,
    /// Its device node, or a link to it below /dev/disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its model; `*` stands for any characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What it is connected by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bus: Option<Bus>,
    /// Not smaller than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_min: Option<Bytes>,
    /// Not larger than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_max: Option<Bytes>,
}

/// What a disk is connected by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Bus {
    /// NVM Express.
    Nvme,
    /// SATA, and ATA before it.
    Sata,
    /// SAS, SCSI, and the logical volumes of RAID controllers.
    Scsi,
    /// USB.
    Usb,
    /// The paravirtual disk of a virtual machine.
    Virtio,
    /// eMMC and SD.
    Mmc,
}

/// What stays of an earlier installation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// Nothing.
    #[default]
    Nothing,
    /// The recordings.
    Data,
    /// The recordings, the settings, the logs.
    DataAndState,
}

impl Keep {
    /// Whether nothing stays.
    pub fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }
}

impl Selector {
    /// Whether it says nothing about which disk.
    pub fn is_unspecific(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Selector {
    /// As in the answers: `serial "A", bus nvme`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |name: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!("{name} \"{value}\""))
        };
        let bus = self.bus.map(|bus| format!("bus {bus}"));
        let least = self.size_min.map(|size| format!("size_min {size}"));
        let most = self.size_max.map(|size| format!("size_max {size}"));
        let words: Vec<String> = [
            quoted("serial", &self.serial),
            quoted("wwn", &self.wwn),
            quoted("path", &self.path),
            quoted("model", &self.model),
            bus,
            least,
            most,
        ]
        .into_iter()
        .flatten()
        .collect();
        f.write_str(&words.join(", "))
    }
}

impl fmt::Display for Bus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nvme => "nvme",
            Self::Sata => "sata",
            Self::Scsi => "scsi",
            Self::Usb => "usb",
            Self::Virtio => "virtio",
            Self::Mmc => "mmc",
        })
    }
}

impl Group {
    /// One disk by its path.
    pub fn of_path(path: &str) -> Self {
        Self {
            path: Some(path.to_owned()),
            ..Self::default()
        }
    }

    /// The selectors with how many disks each must match.
    pub fn selectors(&self) -> Vec<(Selector, usize)> {
        if self.disks.is_empty() {
            return vec![(self.own(), self.count.unwrap_or(1))];
        }
        self.disks.iter().cloned().map(|disk| (disk, 1)).collect()
    }

    /// How many disks it has.
    pub fn size(&self) -> usize {
        self.selectors().iter().map(|(_, count)| count).sum()
    }

    /// What the group's own fields say about which disk.
    fn own(&self) -> Selector {
        Selector {
            serial: self.serial.clone(),
            wwn: self.wwn.clone(),
            path: self.path.clone(),
            model: self.model.clone(),
            bus: self.bus,
            size_min: self.size_min,
            size_max: self.size_max,
        }
    }

    /// What contradicts itself, without a look at any disk.
    pub fn check(&self) -> Vec<Text> {
        let keeps = !self.keep.is_nothing();
        let erased = self.erase && keeps;
        let grown = self.grow && !keeps;
        [
            self.check_selectors(),
            self.check_raid(),
            erased.then(|| Text::new("answers.erase-and-keep")),
            grown.then(|| Text::new("answers.grow-without-keep")),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn check_selectors(&self) -> Option<Text> {
        let own = self.own();
        if !self.disks.is_empty() && (!own.is_unspecific() || self.count.is_some()) {
            return Some(Text::new("answers.members-and-rule"));
        }
        self.selectors().iter().find_map(|(selector, _)| {
            if selector.is_unspecific() {
                return Some(Text::new("answers.no-disk"));
            }
            let reversed = matches!((selector.size_min, selector.size_max),
                (Some(least), Some(most)) if least > most);
            reversed.then(|| Text::new("answers.sizes-reversed"))
        })
    }

    fn check_raid(&self) -> Option<Text> {
        let size = self.size();
        match self.raid {
            None if size == 1 => None,
            None if size == 0 => Some(Text::new("answers.no-count")),
            None => Some(Text::new("answers.no-raid").with("size", size)),
            Some(level) if size < level.minimum() => Some(
                Text::new("answers.too-few")
                    .with("level", level)
                    .with("least", level.minimum())
                    .with("size", size),
            ),
            Some(Level::Raid10) if size % 2 == 1 => {
                Some(Text::new("answers.odd").with("size", size))
            }
            Some(_) => None,
        }
    }
}
