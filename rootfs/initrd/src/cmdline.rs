//! The kernel command line, as far as the initrd cares: which system to boot
//! and with which root hash.
//!
//! Invariants: exactly one of `vigie.root` and `vigie.live`; `vigie.recovery` only
//! with the former; the root hash is 32 bytes; the hash tree starts on a block border.

use std::time::Duration;

use vigie_boot_state::Slot;
use vigie_disk::verity::BLOCK;

/// How long to wait for the root device unless `vigie.wait` says otherwise:
/// RAID controllers take up to a minute to show their disks.
const DEFAULT_WAIT: Duration = Duration::from_secs(90);

/// How long to wait for the other members of the system's arrays, from the first
/// one on, unless `vigie.raid-wait` says otherwise. A disk that spins up later
/// than that is taken out of the arrays, so it is better a little too long.
const DEFAULT_RAID_WAIT: Duration = Duration::from_secs(15);

/// What the boot loader asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which system.
    pub boot: Boot,
    /// The root hash that the system image must have.
    pub root_hash: [u8; 32],
    /// Where in the image the verity superblock stands, in bytes.
    pub hash_offset: u64,
    /// How long to wait for the root device.
    pub wait: Duration,
    /// How long to wait for the other members of an array, before it is
    /// started without them.
    pub raid_wait: Duration,
    /// `vigie.debug`: a shell when something fails.
    pub debug: bool,
}

/// The two ways to boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Boot {
    /// From a slot of an installed disk.
    Installed {
        /// The partition's unique GUID, lower case.
        part_uuid: String,
        /// Which slot GRUB chose.
        slot: Slot,
        /// `vigie.recovery`: only to repair what is on the disks. Nothing of the appliance
        /// runs, and its state volume is left alone.
        recovery: bool,
    },
    /// From the medium.
    Live {
        /// The volume id of its ISO 9660 file system.
        volume_id: String,
    },
}

impl Boot {
    /// Whether the appliance itself starts, from its own state volume. Else that is neither
    /// checked nor mounted, and no array of it is started.
    pub fn uses_state(&self) -> bool {
        matches!(
            self,
            Boot::Installed {
                recovery: false,
                ..
            }
        )
    }

    /// Whether a slot is only started to repair what is on the disks.
    pub fn is_recovery(&self) -> bool {
        matches!(self, Boot::Installed { recovery: true, .. })
    }
}

/// Why a command line is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CmdlineError {
    /// Neither or both of the two ways to boot.
    #[error("{0} of vigie.root= and vigie.live= are given; exactly one is needed")]
    Boot(&'static str),
    /// Recovery is asked of the medium, which does it anyway. It is not passed over: who asks for
    /// it means that nothing is installed, and the medium may do so by itself.
    #[error("vigie.recovery is for vigie.root= alone; the medium's own menu repairs without it")]
    RecoveryOfMedium,
    /// A key that must be there is not.
    #[error("{0}= is missing")]
    Missing(&'static str),
    /// A key has a value that it cannot have.
    #[error("{key}={value:?}: expected {expected}")]
    Bad {
        /// The key.
        key: &'static str,
        /// What it says.
        value: String,
        /// What it could say.
        expected: &'static str,
    },
}

/// Reads the request out of the text of `/proc/cmdline`. Where a key is given
/// more than once the last one counts, as in the kernel.
pub fn parse(text: &str) -> Result<Request, CmdlineError> {
    let words = words(text);
    let get = |key: &str| last_value(&words, key);
    let recovery = recovery(&words)?;
    let boot = match (get("vigie.root"), get("vigie.live")) {
        (None, None) => return Err(CmdlineError::Boot("none")),
        (Some(_), Some(_)) => return Err(CmdlineError::Boot("both")),
        (Some(root), None) => Boot::Installed {
            part_uuid: part_uuid(root)?,
            slot: slot(get("vigie.slot"))?,
            recovery,
        },
        (None, Some(_)) if recovery => return Err(CmdlineError::RecoveryOfMedium),
        (None, Some("")) => return Err(bad("vigie.live", "", "the medium's volume id")),
        (None, Some(id)) => Boot::Live {
            volume_id: id.to_owned(),
        },
    };
    Ok(Request {
        boot,
        root_hash: root_hash(get("vigie.roothash"))?,
        hash_offset: hash_offset(get("vigie.hashoffset"))?,
        wait: seconds("vigie.wait", get("vigie.wait"), DEFAULT_WAIT)?,
        raid_wait: seconds("vigie.raid-wait", get("vigie.raid-wait"), DEFAULT_RAID_WAIT)?,
        debug: words
            .iter()
            .any(|w| w == "vigie.debug" || w == "vigie.debug=1"),
    })
}

/// Whether a shell is wanted on failure, even where the rest is unreadable.
pub fn wants_debug(text: &str) -> bool {
    words(text).iter().any(|w| w.starts_with("vigie.debug"))
}

/// The parameters given for a module as `MODULE.parameter=value`, in order,
/// joined by spaces: the kernel does this only for what is built in.
pub fn module_parameters(text: &str, module: &str) -> String {
    let own = |word: &String| {
        let (key, rest) = word.split_once('.')?;
        (key.replace('-', "_") == module && !rest.is_empty()).then(|| quote(rest))
    };
    words(text)
        .iter()
        .filter_map(own)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The modules of `modprobe.blacklist=a,b`, not to be loaded for a device.
pub fn blacklist(text: &str) -> Vec<String> {
    let lists = words(text);
    lists
        .iter()
        .filter_map(|w| w.strip_prefix("modprobe.blacklist="))
        .flat_map(|list| list.split(','))
        .filter(|name| !name.is_empty())
        .map(|name| name.replace('-', "_"))
        .collect()
}

/// Splits at white space outside double quotes and drops the quotes.
fn words(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut begun) = (false, false);
    for c in text.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                begun = true;
            }
            c if c.is_whitespace() && !quoted => {
                if begun {
                    out.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            c => {
                word.push(c);
                begun = true;
            }
        }
    }
    if begun {
        out.push(word);
    }
    out
}

/// Puts quotes around a parameter's value that has white space.
fn quote(parameter: &str) -> String {
    match parameter.split_once('=') {
        Some((key, value)) if value.contains(char::is_whitespace) => format!("{key}=\"{value}\""),
        _ => parameter.to_owned(),
    }
}

fn last_value<'a>(words: &'a [String], key: &str) -> Option<&'a str> {
    words
        .iter()
        .rev()
        .find_map(|w| w.strip_prefix(key)?.strip_prefix('='))
}

fn bad(key: &'static str, value: &str, expected: &'static str) -> CmdlineError {
    CmdlineError::Bad {
        key,
        value: value.to_owned(),
        expected,
    }
}

fn part_uuid(value: &str) -> Result<String, CmdlineError> {
    let expected = "PARTUUID= and the partition's GUID (8-4-4-4-12 hexadecimal digits)";
    let refuse = || bad("vigie.root", value, expected);
    let uuid = value.strip_prefix("PARTUUID=").ok_or_else(refuse)?;
    let groups: Vec<usize> = uuid.split('-').map(str::len).collect();
    let digits = uuid.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
    if groups != [8, 4, 4, 4, 12] || !digits {
        return Err(refuse());
    }
    Ok(uuid.to_ascii_lowercase())
}

fn slot(value: Option<&str>) -> Result<Slot, CmdlineError> {
    match value.ok_or(CmdlineError::Missing("vigie.slot"))? {
        "a" => Ok(Slot::A),
        "b" => Ok(Slot::B),
        other => Err(bad("vigie.slot", other, "a or b")),
    }
}

/// The last word counts, as with all keys.
fn recovery(words: &[String]) -> Result<bool, CmdlineError> {
    let key = "vigie.recovery";
    let values = words.iter().rev().filter_map(|w| w.strip_prefix(key));
    let mut values = values.filter(|rest| rest.is_empty() || rest.starts_with('='));
    match values.next() {
        None | Some("=0") => Ok(false),
        Some("" | "=1") => Ok(true),
        Some(other) => Err(bad(key, &other[1..], "nothing, 0 or 1")),
    }
}

fn root_hash(value: Option<&str>) -> Result<[u8; 32], CmdlineError> {
    let value = value.ok_or(CmdlineError::Missing("vigie.roothash"))?;
    let mut hash = [0; 32];
    hex::decode_to_slice(value, &mut hash)
        .map_err(|_| bad("vigie.roothash", value, "64 hexadecimal digits"))?;
    Ok(hash)
}

fn hash_offset(value: Option<&str>) -> Result<u64, CmdlineError> {
    let value = value.ok_or(CmdlineError::Missing("vigie.hashoffset"))?;
    match value.parse::<u64>() {
        Ok(n) if n > 0 && n % BLOCK as u64 == 0 => Ok(n),
        _ => Err(bad(
            "vigie.hashoffset",
            value,
            "a number of bytes, a multiple of 4096",
        )),
    }
}

fn seconds(
    key: &'static str,
    value: Option<&str>,
    default: Duration,
) -> Result<Duration, CmdlineError> {
    let Some(value) = value else {
        return Ok(default);
    };
    match value.parse::<u16>() {
        Ok(seconds) => Ok(Duration::from_secs(seconds.into())),
        Err(_) => Err(bad(key, value, "seconds, 0 to 65535")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    const UUID: &str = "01234567-89ab-cdef-0123-456789abcdef";

    fn installed(slot: Slot) -> Boot {
        Boot::Installed {
            part_uuid: UUID.into(),
            slot,
            recovery: false,
        }
    }

    #[test]
    fn both_ways_to_boot() {
        let root = format!("vigie.root=PARTUUID={UUID}");
        let upper = format!("vigie.root=PARTUUID={}", UUID.to_uppercase());
        let live = |id: &str| Boot::Live {
            volume_id: id.into(),
        };
        for (text, boot) in [
            (format!("{root} vigie.slot=a quiet"), installed(Slot::A)),
            (format!("{upper} vigie.slot=b"), installed(Slot::B)),
            (
                format!("{root} vigie.slot=a vigie.slot=b"),
                installed(Slot::B),
            ),
            ("vigie.live=VIGIE_0_1".into(), live("VIGIE_0_1")),
            ("vigie.live=\"VIGIE 0 1\"".into(), live("VIGIE 0 1")),
            ("\"vigie.live=VIGIE 0 1\"\n".into(), live("VIGIE 0 1")),
        ] {
            let text = format!("{text} vigie.roothash={HASH} vigie.hashoffset=8192");
            let got = parse(&text).unwrap();
            assert_eq!(got.boot, boot, "{text}");
            assert_eq!(got.hash_offset, 8192);
            assert_eq!(hex::encode(got.root_hash), HASH);
            assert_eq!(got.wait, DEFAULT_WAIT);
            assert_eq!(got.raid_wait, DEFAULT_RAID_WAIT);
            assert!(!got.debug);
            let is_live = matches!(got.boot, Boot::Live { .. });
            assert!(got.boot.uses_state() != is_live && !got.boot.is_recovery());
        }
    }

    #[test]
    fn recovery_is_asked_of_a_slot() {
        let rest = format!("vigie.roothash={HASH} vigie.hashoffset=4096");
        let root = format!("vigie.root=PARTUUID={UUID} vigie.slot=b {rest}");
        for (words, want) in [
            ("", false),
            ("vigie.recovery", true),
            ("quiet vigie.recovery=1 x", true),
            ("vigie.recovery=0", false),
            ("vigie.recovery vigie.recovery=0", false),
            ("vigie.recovery=0 vigie.recovery", true),
            ("novigie.recovery vigie.recoveryx vigie.recovery-x=1", false),
        ] {
            let boot = Boot::Installed {
                part_uuid: UUID.into(),
                slot: Slot::B,
                recovery: want,
            };
            let got = parse(&format!("{root} {words}")).unwrap().boot;
            assert_eq!(got, boot, "{words}");
            assert_eq!((got.is_recovery(), got.uses_state()), (want, !want));
        }
        for (text, part) in [
            (format!("{root} vigie.recovery=yes"), "nothing, 0 or 1"),
            (format!("{root} vigie.recovery="), "nothing, 0 or 1"),
            (
                format!("{rest} vigie.live=X vigie.recovery"),
                "the medium's own menu",
            ),
            (format!("{rest} vigie.recovery"), "none of"),
        ] {
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        let live = format!("{rest} vigie.live=X vigie.recovery=0");
        assert!(matches!(parse(&live).unwrap().boot, Boot::Live { .. }));
    }

    #[test]
    fn what_is_refused() {
        let rest = format!("vigie.roothash={HASH} vigie.hashoffset=4096");
        let root = format!("vigie.root=PARTUUID={UUID} vigie.slot=a");
        for (text, part) in [
            (rest.clone(), "none of"),
            (format!("{rest} {root} vigie.live=X"), "both of"),
            (format!("{rest} vigie.live="), "vigie.live"),
            (format!("{rest} vigie.root=/dev/vda5"), "PARTUUID= and"),
            (format!("{rest} vigie.root=PARTUUID=0123"), "8-4-4-4-12"),
            (
                format!("{rest} vigie.root=PARTUUID={UUID}"),
                "vigie.slot= is missing",
            ),
            (format!("{rest} {root} vigie.slot=c"), "a or b"),
            (
                format!("{root} vigie.hashoffset=4096"),
                "vigie.roothash= is missing",
            ),
            (
                format!("{root} vigie.roothash={HASH}"),
                "vigie.hashoffset= is missing",
            ),
            (format!("{rest} {root} vigie.roothash=00"), "64 hexadecimal"),
            (
                format!("{rest} {root} vigie.hashoffset=4097"),
                "multiple of 4096",
            ),
            (
                format!("{rest} {root} vigie.hashoffset=0"),
                "multiple of 4096",
            ),
            (
                format!("{rest} {root} vigie.wait=soon"),
                "vigie.wait=\"soon\": expected seconds",
            ),
            (
                format!("{rest} {root} vigie.raid-wait=-1"),
                "vigie.raid-wait=\"-1\": expected seconds",
            ),
        ] {
            let error = parse(&text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn debug_is_a_word_of_its_own() {
        for (text, want) in [
            ("vigie.debug", true),
            ("quiet vigie.debug=1 x", true),
            ("novigie.debug", false),
            ("", false),
        ] {
            assert_eq!(wants_debug(text), want, "{text}");
        }
    }

    #[test]
    fn parameters_of_modules() {
        let text = "quiet nvme_core.io_timeout=60 usb-storage.quirks=1:2:u x.a=\"1 2\" nvme_core.";
        for (module, want) in [
            ("nvme_core", "io_timeout=60"),
            ("usb_storage", "quirks=1:2:u"),
            ("x", "a=\"1 2\""),
            ("ahci", ""),
        ] {
            assert_eq!(module_parameters(text, module), want, "{module}");
        }
        assert_eq!(
            blacklist("a modprobe.blacklist=uas,usb-storage modprobe.blacklist=x"),
            ["uas", "usb_storage", "x"]
        );
    }
}
