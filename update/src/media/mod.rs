//! Sticks and discs that are plugged into the running appliance: which of them are mounted.
//!
//! udev asks for a mount of everything that looks like a medium (`72-vigie-media.rules`); what is
//! decided here is decided again from facts of this moment, and this is the rule that counts:
//!
//! 1. Only what comes by USB, or lies in an optical drive.
//! 2. Never in the live system, which has its own ways to its medium.
//! 3. Never anything on a disk of the running system, on one that is in use, or on one that was
//!    partitioned by an installation, this one or another.
//! 4. Only file systems of a short list, read-only, without devices, set-user-ids, programs or links.

pub mod facts;
pub mod not_read;
pub mod place;

use serde::Serialize;

use crate::slot::Slot;

/// Mounted at the same time; the partitions of one hostile stick must not fill the mount table.
pub const AT_ONCE: usize = 16;

/// A file system that is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FileSystem {
    /// FAT of any kind.
    Vfat,
    /// exFAT.
    Exfat,
    /// ext4 and its elders.
    Ext4,
    /// ISO 9660.
    Iso9660,
    /// UDF.
    Udf,
}

impl FileSystem {
    /// From the name that libblkid gives it.
    #[must_use]
    pub fn from_blkid(name: &str) -> Option<Self> {
        Some(match name {
            "vfat" => Self::Vfat,
            "exfat" => Self::Exfat,
            "ext2" | "ext3" | "ext4" => Self::Ext4,
            "iso9660" => Self::Iso9660,
            "udf" => Self::Udf,
            _ => return None,
        })
    }
}

/// What is known of a block device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The kernel's name of the partition or disk, as "sdb1".
    pub name: String,
    /// The kernel's name of the whole disk, as "sdb".
    pub disk: String,
    /// Whether the disk is behind a USB port.
    pub usb: bool,
    /// What udev found on it (libblkid's `TYPE`); none where that is not clear.
    pub file_system: Option<String>,
    /// Names of all partitions of the disk; empty for those without one.
    pub partitions: Vec<String>,
    /// The disk belongs to the running system.
    pub of_system: bool,
    /// What holds the disk or a part of it: mounts elsewhere, arrays.
    pub users: Vec<String>,
    /// This is the live system.
    pub live: bool,
    /// Media that are mounted already.
    pub mounted: usize,
    /// What its maker calls it.
    pub model: Option<String>,
    /// What its owner has called the file system.
    pub label: Option<String>,
}

/// Why a device is left alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeftAlone {
    /// The installer and the recovery have their own ways.
    #[error("the live system mounts no media by itself")]
    Live,
    /// Neither USB nor optical.
    #[error("it is neither behind a USB port nor in an optical drive")]
    Fixed,
    /// It is part of what runs.
    #[error("{0} is a disk of the running system")]
    OfSystem(String),
    /// A disk of an appliance.
    #[error("{disk} has a partition {name:?}: it is a disk of an appliance, not a medium")]
    Installed {
        /// The disk.
        disk: String,
        /// The partition that tells.
        name: String,
    },
    /// It is mounted elsewhere or part of an array.
    #[error("{disk} is in use: {users}")]
    InUse {
        /// The disk.
        disk: String,
        /// By what.
        users: String,
    },
    /// The partitions are what is mounted.
    #[error("it has partitions; they are mounted instead")]
    Partitioned,
    /// No file system, or several that contradict each other.
    #[error("no file system was recognised on it; give the stick a FAT, exFAT or ext4 file system")]
    NoFileSystem,
    /// One that is not mounted.
    #[error("it holds {0}; FAT, exFAT, ext4, ISO 9660 and UDF are read")]
    OtherFileSystem(String),
    /// Enough is enough.
    #[error("{AT_ONCE} media are mounted already; pull one out")]
    TooMany,
    /// The kernel refuses it.
    #[error(
        "the kernel does not mount it as {kind} ({why}): it may be damaged; check it on the computer \
         that wrote it, or take another one"
    )]
    NotMounted {
        /// The file system that was found on it.
        kind: &'static str,
        /// What the kernel said.
        why: String,
    },
}

impl LeftAlone {
    /// The reason in French.
    #[must_use]
    pub fn french(&self) -> String {
        match self {
            Self::Live => "le système démarré du support ne monte rien de lui-même".to_owned(),
            Self::Fixed => "il n'est ni derrière un port USB ni dans un lecteur optique".to_owned(),
            Self::OfSystem(disk) => format!("{disk} est un disque du système qui tourne"),
            Self::Installed { disk, name } => format!(
                "{disk} a une partition {name:?} : c'est le disque d'un appareil, pas une clé"
            ),
            Self::InUse { disk, users } => format!("{disk} est utilisé : {users}"),
            Self::Partitioned => "il a des partitions, montées à sa place".to_owned(),
            Self::NoFileSystem => {
                "aucun système de fichiers n'y a été reconnu ; formatez la clé en \
                                   FAT, exFAT ou ext4"
                    .to_owned()
            }
            Self::OtherFileSystem(kind) => {
                format!("il contient {kind} ; FAT, exFAT, ext4, ISO 9660 et UDF sont lus")
            }
            Self::TooMany => {
                format!("{AT_ONCE} clés ou disques sont déjà montés ; retirez-en un")
            }
            Self::NotMounted { kind, why } => format!(
                "le noyau ne le monte pas comme {kind} ({why}) : il est peut-être abîmé ; \
                 vérifiez-le sur l'ordinateur qui l'a écrit, ou prenez-en un autre"
            ),
        }
    }

    /// Whether a person who has plugged it in waits for its packages, and must be told. Of several
    /// partitions some are there for other things.
    fn is_told(&self, facts: &Facts) -> bool {
        match self {
            Self::OtherFileSystem(_) | Self::TooMany | Self::NotMounted { .. } => true,
            Self::NoFileSystem => facts.partitions.len() < 2 || is_optical(&facts.name),
            Self::Live
            | Self::Fixed
            | Self::OfSystem(_)
            | Self::Installed { .. }
            | Self::InUse { .. }
            | Self::Partitioned => false,
        }
    }
}

/// Whether a device is a medium to be mounted, and as what.
///
/// # Errors
/// Why it is left alone.
pub fn decide(facts: &Facts) -> Result<FileSystem, LeftAlone> {
    let optical = is_optical(&facts.name);
    let disk = || facts.disk.clone();
    if facts.live {
        return Err(LeftAlone::Live);
    }
    if !optical && !facts.usb {
        return Err(LeftAlone::Fixed);
    }
    if facts.of_system {
        return Err(LeftAlone::OfSystem(disk()));
    }
    if let Some(name) = facts.partitions.iter().find(|name| is_ours(name)) {
        let name = name.clone();
        return Err(LeftAlone::Installed { disk: disk(), name });
    }
    if !facts.users.is_empty() {
        let users = facts.users.join(", ");
        return Err(LeftAlone::InUse {
            disk: disk(),
            users,
        });
    }
    if facts.name == facts.disk && !optical && !facts.partitions.is_empty() {
        return Err(LeftAlone::Partitioned);
    }
    let found = facts.file_system.as_deref();
    let found = found.ok_or(LeftAlone::NoFileSystem)?;
    let known = FileSystem::from_blkid(found);
    let known = known.ok_or_else(|| LeftAlone::OtherFileSystem(found.to_owned()))?;
    if facts.mounted >= AT_ONCE {
        return Err(LeftAlone::TooMany);
    }
    Ok(known)
}

/// Whether a kernel name is that of a SCSI disk, a partition of one, or an optical drive: all that
/// a medium can be called. Nothing else gets as far as a path.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let disk = name.strip_prefix("sd").is_some_and(|rest| {
        let letters = rest.trim_end_matches(|c: char| c.is_ascii_digit());
        !letters.is_empty() && letters.bytes().all(|b| b.is_ascii_lowercase())
    });
    name.len() <= 12 && (disk || is_optical(name))
}

fn is_optical(name: &str) -> bool {
    let number = name.strip_prefix("sr");
    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Whether an installation gives this name to a partition.
fn is_ours(name: &str) -> bool {
    let slots = Slot::BOTH.map(|slot| [slot.boot_partition(), slot.system_partition()]);
    let numbered = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit());
    name.starts_with("vigie-")
        || name == "state"
        || slots.concat().contains(&name)
        || name.strip_prefix("data-").is_some_and(numbered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stick() -> Facts {
        Facts {
            name: "sdb1".into(),
            disk: "sdb".into(),
            usb: true,
            file_system: Some("vfat".into()),
            partitions: vec!["".into()],
            ..Facts::default()
        }
    }

    fn disc() -> Facts {
        Facts {
            name: "sr0".into(),
            disk: "sr0".into(),
            file_system: Some("iso9660".into()),
            ..Facts::default()
        }
    }

    #[test]
    fn media_are_mounted() {
        let whole = Facts {
            name: "sdb".into(),
            partitions: vec![],
            ..stick()
        };
        // A hybrid image on a disc shows partitions beside its ISO 9660.
        let hybrid = Facts {
            partitions: vec!["ISOHybrid".into()],
            ..disc()
        };
        let named = Facts {
            partitions: vec![
                "Microsoft basic data".into(),
                "data".into(),
                "data-x".into(),
            ],
            file_system: Some("exfat".into()),
            ..stick()
        };
        for (facts, expected) in [
            (stick(), FileSystem::Vfat),
            (whole, FileSystem::Vfat),
            (disc(), FileSystem::Iso9660),
            (hybrid, FileSystem::Iso9660),
            (named, FileSystem::Exfat),
        ] {
            assert_eq!(decide(&facts), Ok(expected), "{facts:?}");
        }
        for (name, expected) in [
            ("ext2", FileSystem::Ext4),
            ("ext4", FileSystem::Ext4),
            ("udf", FileSystem::Udf),
        ] {
            let facts = Facts {
                file_system: Some(name.into()),
                ..stick()
            };
            assert_eq!(decide(&facts), Ok(expected), "{name}");
        }
    }

    /// A medium that is not mounted must be told of too: no file system is left out before. Of a disc the
    /// first event comes before its file system is known.
    #[test]
    fn udev_asks_for_every_medium_whatever_is_on_it() {
        let rules =
            include_str!("../../../rootfs/overlay/usr/lib/udev/rules.d/72-vigie-media.rules");
        let rules = rules.lines().filter(|line| !line.starts_with('#'));
        let rules: Vec<&str> = rules.collect();
        let wants = "TAG+=\"systemd\", ENV{SYSTEMD_WANTS}+=\"vigie-media@%k.service\"";
        assert!(rules.contains(&wants), "{rules:?}");
        let mut named = rules.iter().filter(|line| line.contains("ID_FS_TYPE"));
        let partitioned = named.next().unwrap();
        assert!(
            partitioned.contains("ENV{ID_FS_TYPE}==\"\"")
                && partitioned.contains("ID_PART_TABLE_TYPE")
        );
        let unknown = r#"KERNEL=="sr*", ENV{ID_FS_TYPE}=="", GOTO="vigie_media_end""#;
        assert_eq!(named.next(), Some(&unknown));
        assert_eq!(named.next(), None);
    }

    type Change = fn(&mut Facts);

    #[test]
    fn everything_else_is_left_alone() {
        let cases: [(Change, &str); 11] = [
            (|f| f.live = true, "the live system"),
            (|f| f.usb = false, "neither behind a USB port"),
            (
                |f| f.of_system = true,
                "sdb is a disk of the running system",
            ),
            (
                |f| f.users = vec!["md0".into(), "/srv/data-1".into()],
                "sdb is in use: md0, /srv/data-1",
            ),
            (|f| f.name = "sdb".into(), "it has partitions"),
            (|f| f.file_system = None, "no file system"),
            (|f| f.file_system = Some("ntfs".into()), "it holds ntfs"),
            (
                |f| f.file_system = Some("squashfs".into()),
                "it holds squashfs",
            ),
            (
                |f| f.file_system = Some("linux_raid_member".into()),
                "it holds linux_raid_member",
            ),
            (|f| f.mounted = AT_ONCE, "16 media"),
            (|f| f.mounted = usize::MAX, "16 media"),
        ];
        for (change, expected) in cases {
            let mut facts = stick();
            change(&mut facts);
            let said = decide(&facts).unwrap_err().to_string();
            assert!(said.contains(expected), "{facts:?}: {said}");
        }
    }

    #[test]
    fn a_disk_of_an_appliance_is_never_a_medium() {
        for name in [
            "vigie-bios",
            "vigie-esp",
            "vigie-anything",
            "boot-a",
            "boot-b",
            "system-a",
            "system-b",
            "state",
            "data-1",
            "data-12",
        ] {
            // Whichever of its partitions is asked for.
            let facts = Facts {
                partitions: vec!["mine".into(), name.into()],
                ..stick()
            };
            let refused = decide(&facts).unwrap_err();
            assert!(matches!(refused, LeftAlone::Installed { .. }), "{name}");
        }
    }

    #[test]
    fn names() {
        for good in ["sda", "sdb1", "sdaa12", "sr0", "sr15"] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "",
            "sd",
            "sr",
            "sd1",
            "sr0p1",
            "sdA1",
            "sdb1p",
            "sd../a",
            "../sda",
            "sda/..",
            "nvme0n1p1",
            "vda1",
            "loop0",
            "md0",
            "dm-0",
            "mmcblk0p1",
            "sdaaaaaaaaaaaaa1",
            "sr-1",
            "sda\n",
        ] {
            assert!(!is_name(bad), "{bad:?}");
        }
    }
}
