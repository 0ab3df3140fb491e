//! What smartctl's JSON says of a disk, and what that means for its recordings.
//!
//! The fields are those of smartmontools 7.4 (`--json -H -A -i`); whatever is not there, or of another
//! kind, is passed over. Counts are no reason to throw a disk away, but one that loses sectors loses more:
//! it is worrying. Failing is what the disk itself says so of, or what its maker's thresholds do.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;
use vigie_disk::Bytes;

/// Makers of disks with platters allow 60 to 65 °C, those of flash 70 to 85.
const HOT_PLATTERS: i64 = 60;
const HOT_FLASH: i64 = 80;
/// A sensor tells nothing else.
const TEMPERATURES: std::ops::RangeInclusive<i64> = -60..=200;
/// Percent of what its maker allows to be written.
const WORN: u64 = 90;
/// Texts of a disk that are longer are cut.
const LONGEST: usize = 100;

/// How a disk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// It does not tell.
    Untold,
    /// Nothing is wrong.
    Good,
    /// Worn, hot, or sectors were lost: it works and is to be watched, or replaced soon.
    Worrying,
    /// It says itself that it fails.
    Failing,
}

/// What is wrong with a disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "sign", rename_all = "kebab-case")]
pub enum Sign {
    /// Its own judgement is that it fails.
    SaysFailing,
    /// A value that announces a failure is below its maker's threshold.
    BelowThreshold {
        /// The attribute's name.
        attribute: String,
    },
    /// NVMe: its spare blocks are used up, below its maker's threshold.
    SpareUsedUp,
    /// NVMe: its reliability is degraded by errors.
    Degraded,
    /// NVMe: it lets nothing be written any more.
    ReadOnly,
    /// NVMe: what it keeps in memory would not survive a power cut.
    NoBackup,
    /// A value that tells of wear or age is below its maker's threshold.
    Aged {
        /// The attribute's name.
        attribute: String,
    },
    /// A value was below its threshold once.
    WasBelowThreshold {
        /// The attribute's name, where it is told.
        #[serde(skip_serializing_if = "Option::is_none")]
        attribute: Option<String>,
    },
    /// Sectors that were replaced by spare ones.
    Reallocated {
        /// How many.
        count: u64,
    },
    /// Sectors that could not be read and wait to be written anew.
    Pending {
        /// How many.
        count: u64,
    },
    /// Errors that it could not correct.
    Uncorrectable {
        /// How many.
        count: u64,
    },
    /// What may be written to it is nearly used up, or more than that.
    Worn {
        /// Percent of what its maker allows.
        percent: u64,
    },
    /// It is too hot.
    Hot {
        /// Degrees Celsius, where it tells.
        #[serde(skip_serializing_if = "Option::is_none")]
        celsius: Option<i64>,
    },
    /// It does not answer.
    NoAnswer {
        /// So long it was waited for, seconds.
        seconds: u64,
    },
}

impl Sign {
    /// Whether it means that the disk fails.
    #[must_use]
    pub const fn is_grave(&self) -> bool {
        matches!(
            self,
            Self::SaysFailing
                | Self::BelowThreshold { .. }
                | Self::SpareUsedUp
                | Self::Degraded
                | Self::ReadOnly
        )
    }
}

/// A disk and how it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// Its node.
    pub node: PathBuf,
    /// Model, as it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Serial number, as it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Its size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Bytes>,
    /// Degrees Celsius.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub celsius: Option<i64>,
    /// How long it was on, hours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hours: Option<u64>,
    /// How it is.
    pub health: Health,
    /// What is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signs: Vec<Sign>,
    /// Why it is not known how it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Disk {
    /// A disk that does not tell how it is.
    #[must_use]
    pub fn untold(node: &Path, why: Option<String>) -> Self {
        Self {
            node: node.to_owned(),
            model: None,
            serial: None,
            size: None,
            celsius: None,
            hours: None,
            health: Health::Untold,
            signs: Vec::new(),
            why,
        }
    }

    /// A disk that did not answer for so many seconds.
    #[must_use]
    pub fn silent(node: &Path, seconds: u64) -> Self {
        Self {
            health: Health::Worrying,
            signs: vec![Sign::NoAnswer { seconds }],
            ..Self::untold(node, None)
        }
    }

    /// What smartctl has printed and ended with.
    #[must_use]
    pub fn understood(node: &Path, output: &[u8], exit: Option<i32>) -> Self {
        let json: Value = serde_json::from_slice(output).unwrap_or_default();
        let told = number(&json, "/smartctl/exit_status");
        let exit = told.or_else(|| u64::try_from(exit?).ok()).unwrap_or(0);
        let signs = signs(&json, exit);
        let health = match signs.iter().any(Sign::is_grave) {
            true => Health::Failing,
            false if !signs.is_empty() => Health::Worrying,
            false if tells(&json) => Health::Good,
            false => Health::Untold,
        };
        let why = (health == Health::Untold).then(|| message(&json)).flatten();
        Self {
            node: node.to_owned(),
            model: model(&json),
            serial: text(&json, "/serial_number"),
            size: number(&json, "/user_capacity/bytes").map(Bytes::new),
            celsius: celsius(&json),
            hours: number(&json, "/power_on_time/hours"),
            health,
            signs,
            why,
        }
    }
}

/// Whether anything was said from which "good" follows: a judgement without an error of asking for it.
fn tells(json: &Value) -> bool {
    json.pointer("/smart_status/passed") == Some(&Value::Bool(true))
}

/// smartctl(8), EXIT STATUS.
mod bit {
    /// The disk says that it fails.
    pub const FAILING: u64 = 1 << 3;
    /// An attribute that announces a failure is at its threshold.
    pub const PREFAIL: u64 = 1 << 4;
    /// An attribute was so in the past.
    pub const PAST: u64 = 1 << 5;
}

fn signs(json: &Value, exit: u64) -> Vec<Sign> {
    let nvme = json.get("nvme_smart_health_information_log");
    let mut signs = nvme.map_or_else(Vec::new, of_nvme);
    signs.extend(of_ata(json));
    signs.extend(of_scsi(json));
    if signs.iter().all(|one| !matches!(one, Sign::Hot { .. })) {
        signs.extend(too_hot(json));
    }
    let says_failing = json.pointer("/smart_status/passed") == Some(&Value::Bool(false));
    // NVMe: any warning is a failed status, a warm disk, too; the warnings say which.
    let warned =
        nvme.is_some_and(|log| number(log, "/critical_warning").is_some_and(|bits| bits > 0));
    if (says_failing || exit & bit::FAILING != 0) && !warned {
        signs.insert(0, Sign::SaysFailing);
    }
    // Where the table is there, it has said which attribute.
    let table = json.pointer("/ata_smart_attributes/table");
    if table.is_none() && exit & bit::PREFAIL != 0 {
        let attribute = "?".to_owned();
        signs.push(Sign::BelowThreshold { attribute });
    }
    if table.is_none() && exit & bit::PAST != 0 {
        signs.push(Sign::WasBelowThreshold { attribute: None });
    }
    signs
}

/// NVM Express base specification, SMART / Health Information log page.
fn of_nvme(log: &Value) -> Vec<Sign> {
    let bits = number(log, "/critical_warning").unwrap_or(0);
    let hot = Sign::Hot {
        celsius: number(log, "/temperature").and_then(|value| i64::try_from(value).ok()),
    };
    let warnings = [
        (0, Sign::SpareUsedUp),
        (1, hot),
        (2, Sign::Degraded),
        (3, Sign::ReadOnly),
        (4, Sign::NoBackup),
    ];
    let warned = warnings
        .into_iter()
        .filter(|(bit, _)| bits & (1 << bit) != 0);
    let mut signs: Vec<Sign> = warned.map(|(_, sign)| sign).collect();
    if let Some(count) = some(number(log, "/media_errors")) {
        signs.push(Sign::Uncorrectable { count });
    }
    if let Some(percent) = number(log, "/percentage_used").filter(|percent| *percent >= WORN) {
        signs.push(Sign::Worn { percent });
    }
    signs
}

/// The attributes that all makers mean the same by (smartctl(8), `-A`).
fn of_ata(json: &Value) -> Vec<Sign> {
    let table = json.pointer("/ata_smart_attributes/table");
    let rows = table.and_then(Value::as_array).into_iter().flatten();
    let mut signs = Vec::new();
    for row in rows {
        let id = number(row, "/id").unwrap_or(0);
        let count = some(raw(row));
        signs.extend(match (id, count) {
            (5, Some(count)) => Some(Sign::Reallocated { count }),
            (197, Some(count)) => Some(Sign::Pending { count }),
            (187 | 198, Some(count)) => Some(Sign::Uncorrectable { count }),
            _ => None,
        });
        // That it was hot once is told of by 190 and 194; how hot it is, by the temperature.
        if !matches!(id, 190 | 194) {
            signs.extend(threshold(row));
        }
    }
    signs
}

fn threshold(row: &Value) -> Option<Sign> {
    let attribute = text(row, "/name").unwrap_or_else(|| "?".to_owned());
    let announces = row.pointer("/flags/prefailure") == Some(&Value::Bool(true));
    match (row.get("when_failed").and_then(Value::as_str)?, announces) {
        ("now", true) => Some(Sign::BelowThreshold { attribute }),
        ("now", false) => Some(Sign::Aged { attribute }),
        ("past", _) => Some(Sign::WasBelowThreshold {
            attribute: Some(attribute),
        }),
        _ => None,
    }
}

/// The raw value as a person is shown it, "12 (0 3)": the number has the two behind it, too.
fn raw(row: &Value) -> Option<u64> {
    let shown = row.pointer("/raw/string").and_then(Value::as_str);
    let digits = shown.map(|text| {
        text.chars()
            .take_while(char::is_ascii_digit)
            .collect::<String>()
    });
    let shown = digits.and_then(|digits| digits.parse().ok());
    shown.or_else(|| number(row, "/raw/value"))
}

fn of_scsi(json: &Value) -> Vec<Sign> {
    let mut signs = Vec::new();
    if let Some(count) = some(number(json, "/scsi_grown_defect_list")) {
        signs.push(Sign::Reallocated { count });
    }
    let errors = ["read", "write", "verify"].map(|what| {
        let path = format!("/scsi_error_counter_log/{what}/total_uncorrected_errors");
        number(json, &path).unwrap_or(0)
    });
    let all = errors.into_iter().fold(0, u64::saturating_add);
    if let Some(count) = some(Some(all)) {
        signs.push(Sign::Uncorrectable { count });
    }
    signs
}

fn too_hot(json: &Value) -> Option<Sign> {
    let limit = match number(json, "/rotation_rate") {
        None | Some(0) => HOT_FLASH,
        Some(_) => HOT_PLATTERS,
    };
    let celsius = celsius(json).filter(|celsius| *celsius >= limit);
    celsius.map(|celsius| Sign::Hot {
        celsius: Some(celsius),
    })
}

fn celsius(json: &Value) -> Option<i64> {
    let celsius = json.pointer("/temperature/current")?.as_i64()?;
    TEMPERATURES.contains(&celsius).then_some(celsius)
}

fn model(json: &Value) -> Option<String> {
    let names = ["/model_name", "/scsi_model_name", "/scsi_product"];
    names.into_iter().find_map(|path| text(json, path))
}

/// What smartctl says is why it cannot tell.
fn message(json: &Value) -> Option<String> {
    let messages = json.pointer("/smartctl/messages")?.as_array()?;
    messages.iter().find_map(|one| text(one, "/string"))
}

/// A number that is none of the good kind is not there. Large ones come as text, too.
fn number(json: &Value, path: &str) -> Option<u64> {
    let value = json.pointer(path)?;
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// A count that is more than nothing.
fn some(count: Option<u64>) -> Option<u64> {
    count.filter(|count| *count > 0)
}

/// A text without what a terminal would act on.
fn text(json: &Value, path: &str) -> Option<String> {
    let text = json.pointer(path)?.as_str()?;
    let plain: String = text
        .chars()
        .filter(|c| !c.is_control())
        .take(LONGEST)
        .collect();
    let plain = plain.trim().to_owned();
    (!plain.is_empty()).then_some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

    const ATA_GOOD: &str = include_str!("testdata/ata-good.json");
    const ATA_FAILING: &str = include_str!("testdata/ata-failing.json");
    const ATA_WORRYING: &str = include_str!("testdata/ata-worrying.json");
    const NVME: &str = include_str!("testdata/nvme.json");
    const SCSI: &str = include_str!("testdata/scsi.json");
    const QEMU: &str = include_str!("testdata/qemu-ata.json");
    const VIRTIO: &str = include_str!("testdata/virtio.json");

    fn disk(json: &str) -> Disk {
        Disk::understood(Path::new("/dev/sda"), json.as_bytes(), Some(0))
    }

    fn with(json: &str, path: &str, value: Value) -> Disk {
        let mut json: Value = serde_json::from_str(json).unwrap();
        *json.pointer_mut(path).unwrap() = value;
        disk(&json.to_string())
    }

    #[test]
    fn disks_of_each_kind_are_understood() {
        let good = disk(ATA_GOOD);
        assert_eq!((good.health, &good.signs[..]), (Health::Good, &[][..]));
        assert_eq!(good.model.as_deref(), Some("Recorder Disk 4000"));
        assert_eq!(good.serial.as_deref(), Some("RD4-000123"));
        assert_eq!((good.celsius, good.hours), (Some(34), Some(18_432)));
        assert_eq!(good.size, Some(Bytes::new(4_000_787_030_016)));
        let failing = disk(ATA_FAILING);
        let attribute = "Reallocated_Sector_Ct".to_owned();
        let signs = [
            Sign::SaysFailing,
            Sign::Reallocated { count: 3976 },
            Sign::BelowThreshold { attribute },
            Sign::Uncorrectable { count: 17 },
            Sign::Pending { count: 24 },
            Sign::Uncorrectable { count: 24 },
        ];
        assert_eq!(
            (failing.health, &failing.signs[..]),
            (Health::Failing, &signs[..])
        );
        let worrying = disk(ATA_WORRYING);
        let signs = [
            Sign::Reallocated { count: 8 },
            Sign::Pending { count: 1 },
            Sign::Hot { celsius: Some(61) },
        ];
        assert_eq!(
            (worrying.health, &worrying.signs[..]),
            (Health::Worrying, &signs[..])
        );
        for json in [NVME, SCSI, QEMU] {
            let disk = disk(json);
            assert_eq!(
                (disk.health, &disk.signs[..]),
                (Health::Good, &[][..]),
                "{disk:?}"
            );
            assert!(disk.model.is_some() && disk.serial.is_some(), "{disk:?}");
        }
        let virtio = disk(VIRTIO);
        assert_eq!(virtio.health, Health::Untold);
        assert!(virtio.why.unwrap().contains("Unable to detect device type"));
    }

    #[test]
    fn an_nvme_disk_is_what_its_warnings_say() {
        let log = |field: &str, value: u64| {
            let path = format!("/nvme_smart_health_information_log/{field}");
            let disk = with(NVME, &path, value.into());
            (disk.health, disk.signs)
        };
        for (bits, health, sign) in [
            (1, Health::Failing, Sign::SpareUsedUp),
            (2, Health::Worrying, Sign::Hot { celsius: Some(38) }),
            (4, Health::Failing, Sign::Degraded),
            (8, Health::Failing, Sign::ReadOnly),
            (16, Health::Worrying, Sign::NoBackup),
        ] {
            assert_eq!(
                log("critical_warning", bits),
                (health, vec![sign]),
                "{bits}"
            );
        }
        let worn = Sign::Worn { percent: 104 };
        assert_eq!(log("percentage_used", 104), (Health::Worrying, vec![worn]));
        assert_eq!(log("percentage_used", 89).0, Health::Good);
        let lost = Sign::Uncorrectable { count: 3 };
        assert_eq!(log("media_errors", 3), (Health::Worrying, vec![lost]));
        // A warm disk is none that fails, though smartctl calls any warning that.
        let mut json: Value = serde_json::from_str(NVME).unwrap();
        json["nvme_smart_health_information_log"]["critical_warning"] = 2.into();
        json["smart_status"]["passed"] = false.into();
        json["smartctl"]["exit_status"] = 8.into();
        assert_eq!(disk(&json.to_string()).health, Health::Worrying);
    }

    #[test]
    fn a_scsi_disk_tells_of_defects_and_predicts() {
        let defects = with(SCSI, "/scsi_grown_defect_list", 12.into());
        assert_eq!(defects.signs, [Sign::Reallocated { count: 12 }]);
        let predicts = with(SCSI, "/smart_status/passed", false.into());
        assert_eq!(predicts.health, Health::Failing);
    }

    /// smartctl(8), EXIT STATUS.
    #[test]
    fn exit_bits_say_what_the_text_does_not() {
        let node = Path::new("/dev/sda");
        let passed = |exit: u64, known: bool| {
            let json = serde_json::json!({"smart_status": {"passed": known}});
            Disk::understood(node, json.to_string().as_bytes(), i32::try_from(exit).ok()).health
        };
        assert_eq!(passed(0, true), Health::Good);
        // Some command failed; errors and self-tests in a log: no judgement of today.
        for exit in [1 << 2, 1 << 6, 1 << 7] {
            assert_eq!(passed(exit, true), Health::Good, "{exit}");
        }
        assert_eq!(passed(1 << 3, true), Health::Failing);
        assert_eq!(passed(1 << 4, true), Health::Failing);
        assert_eq!(passed(1 << 5, true), Health::Worrying);
        assert_eq!(passed(0, false), Health::Failing);
        for (output, exit) in [(&b""[..], 1), (b"no JSON", 2), (b"[]", 0), (b"{}", 2)] {
            let disk = Disk::understood(node, output, Some(exit));
            assert_eq!(disk.health, Health::Untold, "{exit}");
        }
    }

    #[test]
    fn what_a_disk_says_of_itself_cannot_move_the_cursor() {
        let disk = with(ATA_GOOD, "/model_name", "A\u{1b}[2J\nB".into());
        assert_eq!(disk.model.as_deref(), Some("A[2JB"));
        let long = with(ATA_GOOD, "/serial_number", "x".repeat(5000).into());
        assert_eq!(long.serial.unwrap().len(), LONGEST);
    }

    /// Replaces values all over the document.
    fn spoil(json: &mut Value, dice: &mut impl Iterator<Item = (u8, Value)>) {
        if let Some((0..40, value)) = dice.next() {
            *json = value;
            return;
        }
        match json {
            Value::Array(all) => all.iter_mut().for_each(|one| spoil(one, dice)),
            Value::Object(all) => all.values_mut().for_each(|one| spoil(one, dice)),
            _ => {}
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            Just(serde_json::json!([{"id": 5}, 7])),
            Just(serde_json::json!({"string": "18446744073709551616"})),
        ]
    }

    proptest! {
        #[test]
        fn a_spoilt_answer_is_understood_or_not_but_ends_nothing(
            which in 0..7usize,
            dice in proptest::collection::vec((any::<u8>(), any_value()), 1..200),
            cut in any::<proptest::sample::Index>(),
            bytes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..20),
        ) {
            let all = [ATA_GOOD, ATA_FAILING, ATA_WORRYING, NVME, SCSI, QEMU, VIRTIO];
            let mut json: Value = serde_json::from_str(all[which]).unwrap();
            spoil(&mut json, &mut dice.into_iter().cycle());
            let disk = disk(&json.to_string());
            let failing = disk.signs.iter().any(Sign::is_grave);
            assert_eq!(failing, disk.health == Health::Failing);
            let line = crate::disks::words::line(&disk).to(vigie_settings::Language::Fr);
            assert!(line.contains("/dev/sda"));
            let mut raw = all[which].as_bytes().to_vec();
            for (at, byte) in &bytes {
                let at = at.index(raw.len());
                raw[at] = *byte;
            }
            raw.truncate(cut.index(raw.len()) + 1);
            let raw = Disk::understood(Path::new("/dev/sda"), &raw, None);
            assert_eq!(raw.node, Path::new("/dev/sda"));
        }
    }
}
