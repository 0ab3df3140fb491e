//! Packages that no door may take, and what each door says to them: [`TABLE`].
//!
//! They are made in milliseconds with the key of the build. But for the one thing that is wrong,
//! each is what the appliance would take: product, hardware and version are a good package's.

use std::collections::BTreeMap;
use std::fs;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use image_builder::keys;
use serde_json::Value;
use sha2::{Digest, Sha256};
use vigie_update::Version;
use vigie_update::index::{Entry, Index};
use vigie_update::package::Header;
use vigie_update::package::envelope::{Envelope, GZIP_HEAD};
use vigie_update::package::make::{self, Recipe};
use vigie_update::package::signature;

use super::update::{Appliance, open};
use crate::context::Context;
use crate::vm::images;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A bit of its body was changed after it was signed.
    Tampered,
    /// Its end is missing.
    Truncated,
    /// An older version than the running one.
    Older,
    /// Of another product.
    Foreign,
    /// Signed by a key that nobody lists.
    UnknownKey,
    /// Some other file under a package's name.
    NoPackage,
}

/// A kind, and what each door says to it.
#[derive(Debug)]
pub(super) struct Row {
    /// The kind.
    pub kind: Kind,
    /// Of the reason, wherever a whole file is applied: by `apply --id` from a folder (scp, stick,
    /// disc), by the console's menu, by the medium's `vigie-recovery update`. Those answer with
    /// exit code 3, and so does the pipe but for what is seen after the slot was given up.
    pub reason: &'static str,
    /// Exit code of `apply -`, which cannot read twice: 1 where the fault comes behind the head.
    pub pipe: i32,
    /// State of `vigie-update list`. "ready" is said after the head alone; the console numbers it.
    pub listed: &'static str,
    /// Of the list's reason.
    pub listed_reason: &'static str,
    /// Status of the web to the head, and then to the rest; and of its reason.
    pub web: (u16, &'static str),
    /// Answer of `vigie-update check --fetch`, and of its reason.
    pub pull: (&'static str, &'static str),
}

/// The web answers with this to a head that it takes.
pub(super) const GOES_ON: u16 = 202;
/// The web answers with this to what it refuses.
pub(super) const REFUSED: u16 = 422;

const DAMAGED: &str = "is damaged in chunk";
const SHORT: &str = "the package ends at byte";
const OLDER: &str = "a newer version is needed";
const FOREIGN: &str = "is for the product other";
const UNKNOWN: &str = "is not known here";
const NONE: &str = "this is no update package";

/// Every kind at every door: pipe, folders, web, server, medium.
#[rustfmt::skip]
pub(super) static TABLE: [Row; 6] = [
    //  kind              reason   pipe listed                         web: head, reason             server: answer, reason
    row(Kind::Tampered,   DAMAGED, 1, ("ready",      ""),             (GOES_ON, DAMAGED),           ("failed",     "is damaged at byte")),
    row(Kind::Truncated,  SHORT,   1, ("arriving",   "not complete"), (REFUSED, "is not as long"),  ("failed",     "bytes long, as it should be")),
    row(Kind::Older,      OLDER,   3, ("refused",    OLDER),          (REFUSED, OLDER),             ("up-to-date", "")),
    row(Kind::Foreign,    FOREIGN, 3, ("refused",    FOREIGN),        (REFUSED, FOREIGN),           ("refused",    FOREIGN)),
    row(Kind::UnknownKey, UNKNOWN, 3, ("unreadable", UNKNOWN),        (REFUSED, UNKNOWN),           ("failed",     UNKNOWN)),
    row(Kind::NoPackage,  NONE,    3, ("unreadable", NONE),           (REFUSED, NONE),              ("failed",     NONE)),
];

const fn row(
    kind: Kind,
    reason: &'static str,
    pipe: i32,
    (listed, listed_reason): (&'static str, &'static str),
    web: (u16, &'static str),
    pull: (&'static str, &'static str),
) -> Row {
    Row {
        kind,
        reason,
        pipe,
        listed,
        listed_reason,
        web,
        pull,
    }
}

/// Exit code of what was refused and has changed nothing.
pub(super) const EXIT_REFUSED: i32 = 3;
/// An older version than any image.
const OLD: Version = Version([0, 0, 0, 1]);
/// Bytes of the system image: a body of several chunks.
const SYSTEM: usize = 3_200_000;
/// Bytes of the boot image.
const BOOT: usize = 100_000;
/// Bytes that are missing of the truncated one.
const MISSING: usize = 1000;

/// Label of the stick with all of them.
pub(super) const LABEL: &str = "WRONG";
/// Size of that stick, in KiB.
const STICK_KIB: u32 = 64 << 10;

/// A package of a kind, in a file.
pub(super) struct Bad {
    /// What is wrong, and what the doors say.
    pub row: &'static Row,
    /// The file.
    pub path: PathBuf,
    /// Its header, as whoever signed it says; of another file than a package that of a good one.
    header: Header,
    /// Length in bytes of what was signed, head and body.
    pub length: u64,
}

/// One of each kind, in the folder `bad` of the step. `good` is a package that the appliance takes.
pub(super) fn make(ctx: &Context, good: &Path) -> Result<Vec<Bad>> {
    let folder = ctx.folder().join("bad");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let maker = Maker {
        good: header_of(good)?,
        key: ctx.root().join("keys/development.pem"),
        stranger: stranger(ctx)?,
        folder,
    };
    TABLE.iter().map(|row| maker.make(row)).collect()
}

/// A key that nobody lists.
pub(super) fn stranger(ctx: &Context) -> Result<PathBuf> {
    let path = ctx.folder().join("stranger.pem");
    if !path.exists() {
        keys::generate("stranger", &path)?;
    }
    Ok(path)
}

/// What a package says of itself.
pub(super) fn header_of(package: &Path) -> Result<Header> {
    let envelope = Envelope::read(&mut BufReader::new(open(package)?))?;
    Ok(Header::parse(&envelope.signed)?)
}

struct Maker {
    good: Header,
    key: PathBuf,
    stranger: PathBuf,
    folder: PathBuf,
}

impl Maker {
    fn make(&self, row: &'static Row) -> Result<Bad> {
        let kind = row.kind;
        let key = match kind {
            Kind::UnknownKey => &self.stranger,
            _ => &self.key,
        };
        let (header, mut bytes) = self.package(kind, key)?;
        let length = bytes.len() as u64;
        match kind {
            Kind::Tampered => {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            }
            Kind::Truncated => bytes.truncate(bytes.len() - MISSING),
            Kind::NoPackage => bytes[..GZIP_HEAD.len()].copy_from_slice(b"PK\x03\x04 a zip"),
            Kind::Older | Kind::Foreign | Kind::UnknownKey => {}
        }
        let path = self.folder.join(name(kind));
        fs::write(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
        Ok(Bad {
            row,
            path,
            header,
            length,
        })
    }

    /// A package as it is signed.
    fn package(&self, kind: Kind, key: &Path) -> Result<(Header, Vec<u8>)> {
        let image = |name: &str, length: usize| -> Result<PathBuf> {
            let path = self.folder.join(name);
            fs::write(&path, noise(length))?;
            Ok(path)
        };
        let (system, boot) = (image("system.img", SYSTEM)?, image("boot.img", BOOT)?);
        let good = &self.good;
        let (product, version) = match kind {
            Kind::Foreign => ("other", good.version),
            Kind::Older => (&*good.product, OLD),
            _ => (&*good.product, good.version),
        };
        let recipe = Recipe {
            product: product.to_owned(),
            arch: good.arch.clone(),
            hardware: good.hardware.clone(),
            version,
            min_from: good.min_from.min(version),
            security_epoch: good.security_epoch,
            build_time: good.build_time,
            changelog: BTreeMap::new(),
            system: &system,
            boot: &boot,
            base: None,
        };
        let mut unsigned = make::make(&recipe, &self.folder).context("making a package")?;
        let signature = signature::sign(&keys::load(key)?, &unsigned.header.encode());
        let mut bytes = Vec::new();
        unsigned.write(&[signature], &mut bytes)?;
        Ok((unsigned.header, bytes))
    }
}

fn name(kind: Kind) -> String {
    format!("{}-upd.tgz", format!("{kind:?}").to_lowercase())
}

/// Bytes that do not compress, the same each time: xorshift64 (Marsaglia, 2003).
fn noise(length: usize) -> Vec<u8> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let words = std::iter::repeat_with(next).take(length.div_ceil(8));
    words.flatten().take(length).collect()
}

impl Bad {
    /// Its file's name.
    pub fn name(&self) -> String {
        name(self.row.kind)
    }

    /// Where it is on the stick: in the root, or in the folder for packages.
    pub fn on_stick(&self) -> String {
        match self.row.kind {
            Kind::Tampered | Kind::Older | Kind::UnknownKey => self.name(),
            Kind::Truncated | Kind::Foreign | Kind::NoPackage => format!("update/{}", self.name()),
        }
    }

    /// An index that a server has beside it, signed by `key`: it lists what the signer made.
    pub fn index(&self, serial: u64, key: &Path) -> Result<Vec<u8>> {
        let id = hex::encode(Sha256::digest(self.header.encode()));
        let name = self.name().parse().map_err(anyhow::Error::msg)?;
        let index = Index {
            product: self.header.product.clone(),
            arch: self.header.arch.clone(),
            made: self.header.build_time,
            serial,
            packages: vec![Entry::of(&self.header, &id, self.length, name)],
        };
        Ok(index.seal(&[keys::load(key)?]))
    }
}

/// A stick with all of them.
pub(super) fn stick(ctx: &Context, bad: &[Bad]) -> Result<PathBuf> {
    let path = ctx.folder().join("wrong.raw");
    let names: Vec<String> = bad.iter().map(Bad::on_stick).collect();
    let files = names.iter().zip(bad);
    let files: Vec<(&str, &Path)> = files.map(|(name, bad)| (&**name, &*bad.path)).collect();
    images::fat_volume(ctx.programs()?, &path, LABEL, STICK_KIB, &files)?;
    Ok(path)
}

/// They lie in a folder of this door and nothing else does: the list has their verdicts, and none
/// is applied from there.
pub(super) fn refused_from_a_folder(
    appliance: &Appliance<'_>,
    bad: &[Bad],
    door: &str,
) -> Result<()> {
    let before = appliance.says("vigie-update status")?;
    let list = appliance.says("vigie-update list --json")?;
    let lines = list.lines().map(serde_json::from_str);
    let found: Vec<Value> = lines.collect::<Result<_, _>>().context("the list")?;
    ensure!(found.len() == bad.len(), "{door}: the list is {list}");
    for bad in bad {
        let (row, name) = (bad.row, bad.name());
        let found = found.iter().find(|found| found["name"] == name);
        let found = found.with_context(|| format!("{name} is not in {list}"))?;
        let reason = found["reason"].as_str().unwrap_or_default();
        let as_expected = found["door"] == door
            && found["state"] == row.listed
            && reason.contains(row.listed_reason)
            && reason.is_empty() == row.listed_reason.is_empty();
        ensure!(as_expected, "{door}: expected {row:?} in the list: {found}");
        let id = found["id"].as_str().context("no id")?;
        let apply = format!("vigie-update apply --json --who ci --id {id}");
        let (code, said) = appliance.exits(&apply)?;
        is_refusal(row, code, &said).with_context(|| format!("{name} by {door}"))?;
    }
    let after = appliance.says("vigie-update status")?;
    ensure!(before == after, "refusals changed\n{before}\ninto\n{after}");
    Ok(())
}

/// Exit code and JSON lines are those of a refusal for this reason.
pub(super) fn is_refusal(row: &Row, code: i32, said: &str) -> Result<()> {
    let mut events = said
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let told = events.next_back().unwrap_or(Value::Null);
    let reason = told["reason"].as_str().unwrap_or_default();
    ensure!(
        code == EXIT_REFUSED && told["event"] == "refused" && reason.contains(row.reason),
        "exit code {code}, expected {row:?}: {said}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_stands_once_in_the_table() {
        let names: std::collections::BTreeSet<String> =
            TABLE.iter().map(|row| name(row.kind)).collect();
        assert_eq!(names.len(), TABLE.len());
        // Who adds a kind adds a row.
        assert_eq!(TABLE.len(), Kind::NoPackage as usize + 1);
    }

    #[test]
    fn only_a_refusal_for_the_reason_is_one() {
        let row = &TABLE[0];
        let told = |event: &str, reason: &str| {
            format!(
                "{{\"event\":\"progress\"}}\n{{\"event\":\"{event}\",\"reason\":\"{reason}\"}}\n"
            )
        };
        assert!(is_refusal(row, 3, &told("refused", DAMAGED)).is_ok());
        for (code, said) in [
            (1, told("refused", DAMAGED)),
            (0, told("installed", "")),
            (3, told("failed", DAMAGED)),
            (3, told("refused", SHORT)),
            (3, String::new()),
        ] {
            assert!(is_refusal(row, code, &said).is_err(), "{code} {said}");
        }
    }

    #[test]
    fn noise_does_not_repeat_itself() {
        let bytes = noise(1003);
        assert_eq!(bytes.len(), 1003);
        assert_ne!(bytes[..16], bytes[16..32]);
    }
}
