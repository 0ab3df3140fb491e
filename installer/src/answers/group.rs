//! `[target]` and `[[data]]`: which disks, what joins them, and what becomes of
//! what is on them.

use std::fmt;

use serde::{Deserialize, Serialize};
use vigie_disk::Bytes;
use vigie_disk::md::Level;
use vigie_settings::Problem;

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
    /// Whether what is on the disks may be erased; they must then be named by serial or WWN, or one that
    /// tells neither by its place, a link of /dev/disk/by-path.
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

    /// What can match nothing; `place` is the path of what holds its fields.
    fn check(&self, place: &str) -> Vec<Problem> {
        if self.is_unspecific() {
            return vec![Problem::new(place, Text::new("answers.no-disk"))];
        }
        let texts = [
            ("serial", &self.serial),
            ("wwn", &self.wwn),
            ("path", &self.path),
            ("model", &self.model),
        ];
        let is_blank = |text: &Option<String>| text.as_ref().is_some_and(|it| it.trim().is_empty());
        let blank = texts.iter().filter(|(_, text)| is_blank(text));
        let problem = |field: &str, key| Problem::new(format!("{place}.{field}"), Text::new(key));
        let mut found: Vec<Problem> = blank
            .map(|(field, _)| problem(field, "answers.blank"))
            .collect();
        if let (Some(least), Some(most)) = (self.size_min, self.size_max)
            && least > most
        {
            found.push(problem("size_min", "answers.sizes-reversed"));
        }
        found
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

    /// What contradicts itself, without a look at any disk, of the group of this name.
    pub fn check(&self, name: &str) -> Vec<Problem> {
        let problem = |field: &str, key| Problem::new(format!("{name}.{field}"), Text::new(key));
        let keeps = !self.keep.is_nothing();
        let mut found = self.check_selectors(name);
        found.extend(self.check_raid(name));
        if self.erase && keeps {
            found.push(problem("erase", "answers.erase-and-keep"));
        }
        if self.grow && !keeps {
            found.push(problem("grow", "answers.grow-without-keep"));
        }
        found
    }

    /// The selectors, each with the path of what holds its fields.
    pub fn placed_selectors(&self, name: &str) -> Vec<(String, Selector)> {
        if self.disks.is_empty() {
            return vec![(name.to_owned(), self.own())];
        }
        let disks = self.disks.iter().cloned().enumerate();
        disks
            .map(|(at, disk)| (format!("{name}.disks[{at}]"), disk))
            .collect()
    }

    fn check_selectors(&self, name: &str) -> Vec<Problem> {
        let own = self.own();
        if !self.disks.is_empty() && (!own.is_unspecific() || self.count.is_some()) {
            let text = Text::new("answers.members-and-rule");
            return vec![Problem::new(format!("{name}.disks"), text)];
        }
        let all = self.placed_selectors(name).into_iter();
        all.flat_map(|(place, selector)| selector.check(&place))
            .collect()
    }

    fn check_raid(&self, name: &str) -> Option<Problem> {
        let size = self.size();
        let (field, text) = match self.raid {
            None if size == 1 => return None,
            None if size == 0 => ("count", Text::new("answers.no-count")),
            None => (
                self.number_field(),
                Text::new("answers.no-raid").with("size", size),
            ),
            Some(level) if size < level.minimum() => {
                let (field, key) = match self.count {
                    None if self.is_rule() => ("raid", "answers.no-number"),
                    None => ("raid", "answers.too-few"),
                    Some(_) => ("count", "answers.too-few"),
                };
                let text = Text::new(key).with("level", level);
                (
                    field,
                    text.with("least", level.minimum()).with("size", size),
                )
            }
            Some(Level::Raid10) if size % 2 == 1 => (
                self.number_field(),
                Text::new("answers.odd").with("size", size),
            ),
            Some(_) => return None,
        };
        Some(Problem::new(format!("{name}.{field}"), text))
    }

    /// The field that says how many disks there are.
    fn number_field(&self) -> &'static str {
        match self.disks.is_empty() {
            true => "count",
            false => "disks",
        }
    }

    /// Whether its own fields could match several disks.
    fn is_rule(&self) -> bool {
        let is_named = self.serial.is_some() || self.wwn.is_some() || self.path.is_some();
        self.disks.is_empty() && !is_named
    }
}
