//! What there is to install: a folder of members and `payload.json`, which
//! lists them with their sizes and digests. [`Manifest`] is the one truth about
//! that file; image-builder writes it with this type.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use vigie_disk::Bytes;
use vigie_update::Version;

/// Name of the list in a payload's folder.
pub const MANIFEST: &str = "payload.json";
/// Where the live system has its payload.
pub const ON_MEDIUM: &str = "/run/medium/vigie";

/// The list of a payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Product, as in the definition.
    pub product: String,
    /// Version of the system.
    pub version: Version,
    /// Debian's word for the processor, `amd64`.
    pub arch: String,
    /// When it was built, seconds since 1970.
    pub build_time: u64,
    /// Root hash of the system image.
    pub root_hash: Hex,
    /// Where the verity superblock begins in the system image.
    pub hash_offset: Bytes,
    /// Largest data volume, where the answers do not name one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_volume_max: Option<Bytes>,
    /// The members, each role once.
    pub members: Vec<Member>,
}

/// One file of a payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// What it is for.
    pub role: Role,
    /// Its name in the payload's folder, without any folder.
    pub path: String,
    /// Its size.
    pub size: Bytes,
    /// Its digest.
    pub sha256: Hex,
}

impl Member {
    /// Holds what was read to the digest.
    fn check(&self, found: &[u8; 32]) -> Result<()> {
        ensure!(
            *found == self.sha256.0,
            Damaged::Digest {
                member: self.path.clone(),
                found: hex::encode(found),
                listed: self.sha256.to_string(),
            }
        );
        Ok(())
    }
}

/// What a member is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The system image with its verity tree.
    System,
    /// The boot image: kernel and initrd.
    Boot,
    /// GRUB's first sector for BIOS.
    BiosBoot,
    /// GRUB's core image for BIOS.
    BiosCore,
    /// The first EFI program, signed by Microsoft's key.
    Shim,
    /// GRUB for EFI, signed by Debian's key.
    Grub,
    /// Shim's key manager.
    Mok,
    /// GRUB's configuration.
    GrubCfg,
}

impl Role {
    /// All of them; a payload has each once.
    pub const ALL: [Self; 8] = [
        Self::System,
        Self::Boot,
        Self::BiosBoot,
        Self::BiosCore,
        Self::Shim,
        Self::Grub,
        Self::Mok,
        Self::GrubCfg,
    ];

    /// The name that the member's file has.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::System => "system.img",
            Self::Boot => "boot.img",
            Self::BiosBoot => "bios-boot.img",
            Self::BiosCore => "bios-core.img",
            Self::Shim => "shimx64.efi",
            Self::Grub => "grubx64.efi",
            Self::Mok => "mmx64.efi",
            Self::GrubCfg => "grub.cfg",
        }
    }
}

/// 32 bytes, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Hex(pub [u8; 32]);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<Hex> for String {
    fn from(digest: Hex) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Hex {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(&text, &mut bytes)
            .map(|()| Self(bytes))
            .map_err(|_| format!("\"{text}\" is no digest: 64 hexadecimal digits are expected"))
    }
}

impl Manifest {
    /// The member of a role; a checked manifest has it.
    pub fn member(&self, role: Role) -> Option<&Member> {
        self.members.iter().find(|member| member.role == role)
    }

    /// The size of a member, zero where it is missing.
    pub fn size(&self, role: Role) -> Bytes {
        self.member(role).map_or(Bytes::ZERO, |member| member.size)
    }

    fn check(&self) -> Result<()> {
        ensure!(
            self.arch == "amd64",
            "it is made for {}; this installer is for amd64",
            self.arch
        );
        for role in Role::ALL {
            let count = self
                .members
                .iter()
                .filter(|member| member.role == role)
                .count();
            ensure!(
                count == 1,
                "it has {count} members of the role {role:?}; it must have one"
            );
        }
        for member in &self.members {
            let name = &member.path;
            let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
            ensure!(plain, "the member name \"{name}\" is not a plain file name");
            ensure!(member.size > Bytes::ZERO, "the member {name} is empty");
        }
        let data = self.size(Role::System);
        ensure!(
            self.hash_offset < data && self.hash_offset.get().is_multiple_of(4096),
            "the hash offset {} lies outside the system image",
            self.hash_offset.get()
        );
        Ok(())
    }
}

/// Why a medium cannot be installed from: it, and not a disk, is at fault.
#[derive(Debug, thiserror::Error)]
pub enum Damaged {
    /// The list cannot be read: there is no payload in that folder, or the medium is damaged.
    #[error("reading {list}; is the medium in place?")]
    NoList {
        /// The list's file.
        list: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A member has another length than its list says.
    #[error(
        "{member} has {found} bytes, its list says {listed}; the medium is damaged, write it anew"
    )]
    Length {
        /// The member's file.
        member: String,
        /// Its length in bytes.
        found: u64,
        /// The length that it should have.
        listed: u64,
    },
    /// A member cannot be read to its end.
    #[error("reading {member}; the medium may be damaged")]
    Unreadable {
        /// The member's file.
        member: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A member has other contents than its list says.
    #[error(
        "{member} is damaged: its sha256 is {found}, its list says {listed}; write the medium anew"
    )]
    Digest {
        /// The member's file.
        member: String,
        /// Digest of what was read.
        found: String,
        /// Digest that it should have.
        listed: String,
    },
}

impl Damaged {
    fn unreadable(member: &Member, source: io::Error) -> Self {
        let member = member.path.clone();
        Self::Unreadable { member, source }
    }
}

/// A payload in a folder, its list read and its members present.
#[derive(Clone, Debug)]
pub struct Payload {
    folder: PathBuf,
    manifest: Manifest,
}

impl Payload {
    /// Opens the payload in a folder. The members' contents are checked by [`Payload::verify`].
    pub fn open(folder: &Path) -> Result<Self> {
        let list = folder.join(MANIFEST);
        let text = std::fs::read_to_string(&list).map_err(|source| Damaged::NoList {
            list: list.display().to_string(),
            source,
        })?;
        let manifest: Manifest = serde_json::from_str(&text)
            .with_context(|| format!("understanding {}", list.display()))?;
        manifest
            .check()
            .with_context(|| format!("{} is refused", list.display()))?;
        let payload = Self {
            folder: folder.to_owned(),
            manifest,
        };
        for member in &payload.manifest.members {
            let path = folder.join(&member.path);
            let found = std::fs::metadata(&path)
                .map_err(|source| Damaged::unreadable(member, source))?
                .len();
            if found != member.size.get() {
                bail!(Damaged::Length {
                    member: path.display().to_string(),
                    found,
                    listed: member.size.get(),
                });
            }
        }
        Ok(payload)
    }

    /// The list.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The member of a role.
    pub fn member(&self, role: Role) -> Result<&Member> {
        self.manifest
            .member(role)
            .with_context(|| format!("the payload has no {}", role.file_name()))
    }

    /// Where a member lies.
    pub fn path(&self, role: Role) -> Result<PathBuf> {
        Ok(self.folder.join(&self.member(role)?.path))
    }

    /// A member opened for reading.
    pub fn reader(&self, role: Role) -> Result<File> {
        let member = self.member(role)?;
        File::open(self.folder.join(&member.path))
            .map_err(|source| Damaged::unreadable(member, source).into())
    }

    /// The contents of a small member, held to its digest again: the medium may
    /// read differently than it did when it was checked.
    pub fn bytes(&self, role: Role) -> Result<Vec<u8>> {
        let member = self.member(role)?;
        let mut bytes = Vec::new();
        // One byte more than it should have is enough to be found wrong.
        self.reader(role)?
            .take(member.size.get() + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| Damaged::unreadable(member, source))?;
        member.check(&Sha256::digest(&bytes).into())?;
        Ok(bytes)
    }

    /// Length of all members together.
    pub fn total(&self) -> Bytes {
        self.manifest.members.iter().map(|member| member.size).sum()
    }

    /// Reads every member and compares its digest. `note` is told the bytes done.
    pub fn verify(&self, note: &mut dyn FnMut(Bytes)) -> Result<()> {
        let mut done = Bytes::ZERO;
        let mut buffer = vec![0; 1 << 20];
        for member in &self.manifest.members {
            let mut file = self.reader(member.role)?;
            let mut hasher = Sha256::new();
            loop {
                let count = file
                    .read(&mut buffer)
                    .map_err(|source| Damaged::unreadable(member, source))?;
                if count == 0 {
                    break;
                }
                hasher.update(&buffer[..count]);
                done += Bytes::new(count as u64);
                note(done);
            }
            member.check(&hasher.finalize().into())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> serde_json::Value {
        let members: Vec<_> = Role::ALL
            .iter()
            .map(|role| {
                serde_json::json!({
                    "role": role, "path": role.file_name(), "size": 8192,
                    "sha256": hex::encode(Sha256::digest([7; 8192])),
                })
            })
            .collect();
        serde_json::json!({
            "product": "vigie", "version": "0.1.0.0", "arch": "amd64", "build_time": 1,
            "root_hash": "00".repeat(32), "hash_offset": 4096, "members": members,
        })
    }

    fn open(list: &serde_json::Value, damaged: bool) -> Result<()> {
        let dir = tempfile::tempdir().unwrap();
        for role in Role::ALL {
            let byte = if damaged && role == Role::Grub { 8 } else { 7 };
            std::fs::write(dir.path().join(role.file_name()), [byte; 8192]).unwrap();
        }
        std::fs::write(dir.path().join(MANIFEST), list.to_string()).unwrap();
        Payload::open(dir.path())?.verify(&mut |_| {})
    }

    #[test]
    fn a_member_that_cannot_be_read_any_more_is_the_mediums_fault() {
        let dir = tempfile::tempdir().unwrap();
        for role in Role::ALL {
            std::fs::write(dir.path().join(role.file_name()), [7; 8192]).unwrap();
        }
        std::fs::write(dir.path().join(MANIFEST), manifest().to_string()).unwrap();
        let payload = Payload::open(dir.path()).unwrap();
        let of = dir.path().join(Role::BiosCore.file_name());
        std::fs::remove_file(&of).unwrap();
        let gone = payload.bytes(Role::BiosCore).unwrap_err();
        // It opens, and cannot be read.
        std::fs::create_dir(&of).unwrap();
        let unreadable = payload.bytes(Role::BiosCore).unwrap_err();
        for error in [gone, unreadable] {
            assert!(
                matches!(error.downcast_ref(), Some(Damaged::Unreadable { .. })),
                "{error:#}"
            );
        }
    }

    #[test]
    fn wrong_payloads_are_refused() {
        open(&manifest(), false).unwrap();
        let damaged = open(&manifest(), true).unwrap_err().to_string();
        assert!(damaged.starts_with("grubx64.efi is damaged"), "{damaged}");
        for (pointer, value, says) in [
            ("/arch", "arm64".into(), "made for arm64"),
            ("/version", "1.2".into(), "no version"),
            ("/root_hash", "abc".into(), "no digest"),
            ("/hash_offset", 8192.into(), "outside the system image"),
            ("/hash_offset", 100.into(), "outside the system image"),
            ("/members/0/path", "../system.img".into(), "plain file name"),
            ("/members/1/size", 9.into(), "has 8192 bytes"),
            (
                "/members/0/role",
                "boot".into(),
                "0 members of the role System",
            ),
            ("/members/1/path", "absent".into(), "reading absent"),
        ] {
            let mut list = manifest();
            *list.pointer_mut(pointer).unwrap() = value;
            let error = format!("{:#}", open(&list, false).unwrap_err());
            assert!(error.contains(says), "{pointer}: {error}");
        }
        let mut unknown = manifest();
        unknown["colour"] = "red".into();
        assert!(open(&unknown, false).is_err());
    }
}
