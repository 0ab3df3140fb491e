//! Why an action is not done. Nothing was changed then.

use std::net::IpAddr;
use std::path::PathBuf;

use vigie_disk::Bytes;
use vigie_settings::{Cidr, Language};
use vigie_update::{Slot, Version};

use crate::disks::seen::Replaced;
use crate::message::Message;
use crate::volumes::Cut;
use crate::volumes::slot::Wholeness;

/// Why an action is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.message().to(Language::En))]
pub enum Refusal {
    /// This system runs from an installation, not from a medium.
    Installed,
    /// No installation was found.
    NoInstallation,
    /// The same, and the ends of these disks are missing.
    CutShort(Vec<Cut>),
    /// The end of the disk that was named is missing; these disks have an installation, in words.
    DiskCutShort(Cut, Vec<String>),
    /// Which installation is meant is open; these disks have one, in words.
    Several(Vec<String>),
    /// There is no installation on this disk; these have one, in words.
    NoDisk(PathBuf, Vec<String>),
    /// The disk of this name is another one than when a person chose it.
    Replaced(PathBuf),
    /// The medium is of another major version than the installation.
    OtherMajor {
        /// The medium's version.
        medium: Version,
        /// The installation's.
        installation: Version,
    },
    /// A system of a newer form of settings has saved some that this medium does not know.
    NewerSettings {
        /// Their form.
        form: u32,
    },
    /// No such router can be reached from such an address.
    NoGateway(IpAddr, Cidr),
    /// A volume cannot be made here: that needs memory.
    NoMemory {
        /// The volume.
        volume: String,
        /// What its making needs.
        need: Bytes,
        /// What there is.
        free: Bytes,
    },
    /// The password has fewer characters than this.
    TooShort(usize),
    /// The password is guessed easily, and nobody has said to take it all the same.
    Weak,
    /// What was read as a password is none: it has several lines, or is no text.
    NoPassword,
    /// The slot to go back to is not whole.
    NotWhole(Slot, Wholeness),
    /// What was typed to confirm does not name the installation, or another one as well.
    NotConfirmed,
    /// There is not enough room.
    NoSpace {
        /// What is needed.
        needed: Bytes,
        /// What is free.
        free: Bytes,
        /// Where.
        place: PathBuf,
    },
    /// The stick takes no file as long as this one.
    TooLong(PathBuf),
    /// There is something already where this was to be written.
    Exists(PathBuf),
    /// Nothing was found that was asked for.
    NothingFound,
    /// The word is no time.
    NoTime(String),
    /// There is no such volume of recordings; these there are.
    NoVolume(String, Vec<String>),
    /// Several volumes have the name; their devices.
    SeveralVolumes(String, Vec<PathBuf>),
    /// There is no installation, and these are recordings of none.
    OnlyOthers(Vec<String>),
    /// This is an installed appliance, which is updated by another program.
    UpdateInstalled,
    /// The medium's version is wanted, and this machine runs without a medium.
    NoMedium,
}

impl From<Replaced> for Refusal {
    fn from(Replaced(disk): Replaced) -> Self {
        Self::Replaced(disk)
    }
}

impl Refusal {
    /// With why there is no installation, where one lay on disks whose ends are missing.
    #[must_use]
    pub fn because_of(self, cut: &[Cut]) -> Self {
        match self {
            Self::NoInstallation if !cut.is_empty() => Self::CutShort(cut.to_vec()),
            Self::NoDisk(disk, disks) => match cut.iter().find(|one| one.disk == disk) {
                Some(cut) => Self::DiskCutShort(cut.clone(), disks),
                None => Self::NoDisk(disk, disks),
            },
            other => other,
        }
    }

    /// In words.
    #[must_use]
    pub fn message(&self) -> Message {
        match self {
            Self::Installed => Message::new("refused.installed"),
            Self::NoInstallation => Message::new("refused.no-installation"),
            Self::CutShort(cut) => {
                let [english, french] = [Language::En, Language::Fr].map(|language| {
                    let each = cut.iter().map(|one| one.message().to(language));
                    each.collect::<Vec<_>>().join(" ")
                });
                Message::new("refused.cut-short").both("why", english, french)
            }
            Self::DiskCutShort(cut, disks) => Message::new("refused.disk-cut-short")
                .with("disk", cut.disk.display())
                .and("why", cut.message())
                .with("disks", disks.join(", ")),
            Self::Several(disks) => Message::new("refused.several").with("disks", disks.join(", ")),
            Self::NoDisk(disk, disks) => Message::new("refused.no-disk")
                .with("disk", disk.display())
                .with("disks", disks.join(", ")),
            Self::Replaced(disk) => Message::new("refused.replaced").with("disk", disk.display()),
            Self::OtherMajor {
                medium,
                installation,
            } => Message::new("refused.other-major")
                .with("medium", medium)
                .with("installation", installation)
                .with("major", installation.major()),
            Self::NewerSettings { form } => {
                Message::new("refused.newer-settings").with("form", form)
            }
            Self::NoGateway(gateway, address) => Message::new("refused.no-gateway")
                .with("gateway", gateway)
                .with("address", address),
            Self::NoMemory { volume, need, free } => Message::new("refused.no-memory")
                .with("volume", volume)
                .with("need", need)
                .with("free", free),
            Self::TooShort(least) => Message::new("refused.too-short").with("least", least),
            Self::Weak => Message::new("refused.weak"),
            Self::NoPassword => Message::new("refused.no-password"),
            Self::NotWhole(slot, how) => Message::new("refused.not-whole")
                .with("slot", slot)
                .and("how", wholeness(how)),
            Self::NotConfirmed => Message::new("refused.not-confirmed"),
            Self::NoSpace {
                needed,
                free,
                place,
            } => Message::new("refused.no-space")
                .with("needed", needed)
                .with("free", free)
                .with("place", place.display()),
            Self::TooLong(path) => Message::new("refused.too-long").with("path", path.display()),
            Self::Exists(path) => Message::new("refused.exists").with("path", path.display()),
            Self::NothingFound => Message::new("refused.nothing-found"),
            Self::NoTime(word) => Message::new("refused.no-time").with("word", word),
            Self::NoVolume(name, names) => Message::new("refused.no-volume")
                .with("name", name)
                .with("names", names.join(", ")),
            Self::SeveralVolumes(name, nodes) => Message::new("refused.several-volumes")
                .with("name", name)
                .with("devices", list(nodes)),
            Self::OnlyOthers(names) => {
                Message::new("refused.only-others").with("names", names.join(", "))
            }
            Self::UpdateInstalled => Message::new("refused.update-installed"),
            Self::NoMedium => Message::new("refused.no-medium"),
        }
    }
}

/// Whether a slot is whole, in words.
#[must_use]
pub fn wholeness(how: &Wholeness) -> Message {
    match how {
        Wholeness::Intact => Message::new("verity.intact"),
        Wholeness::Damaged { at } => Message::new("verity.damaged").with("at", at.get()),
        Wholeness::Empty => Message::new("verity.empty"),
        Wholeness::Unknown { why } => Message::new("verity.unknown").with("why", why),
    }
}

fn list(disks: &[PathBuf]) -> String {
    let disks = disks.iter().map(|disk| disk.display().to_string());
    disks.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_cut_short_are_why_there_is_no_installation() {
        let cut = ["/dev/vda", "/dev/vdb"].map(|disk| Cut {
            disk: disk.into(),
            table: Bytes::gb(8),
            size: Bytes::gb(7),
        });
        let refused = Refusal::NoInstallation.because_of(&cut);
        for language in [Language::En, Language::Fr] {
            let said = refused.message().to(language);
            for words in ["/dev/vda", "/dev/vdb", "8 G", "7 G"] {
                assert!(said.contains(words), "{said}");
            }
        }
        let said = refused.to_string();
        let begins =
            "No installation was found on the disks of this machine. The table on /dev/vda";
        assert!(said.starts_with(begins), "{said}");
        let none = Refusal::NoInstallation;
        assert_eq!(none.clone().because_of(&[]), none);
        assert_eq!(Refusal::Weak.because_of(&cut), Refusal::Weak);
    }

    #[test]
    fn a_disk_that_was_named_and_is_cut_short_is_told_beside_others() {
        let cut = [Cut {
            disk: "/dev/vdb".into(),
            table: Bytes::gb(8),
            size: Bytes::gb(7),
        }];
        let named = |disk: &str| {
            let refusal = Refusal::NoDisk(disk.into(), vec!["/dev/vda".to_owned()]);
            refusal.because_of(&cut).to_string()
        };
        let said = named("/dev/vdb");
        for words in ["/dev/vdb was cut short", "of a disk of 8 GB", "on /dev/vda"] {
            assert!(said.contains(words), "{said}");
        }
        let other = named("/dev/vdc");
        assert!(other.contains("no installation on /dev/vdc"), "{other}");
    }
}
