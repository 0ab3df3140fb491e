//! What of smartctl's answer is a sign that something is wrong.

use serde_json::Value;

use super::Sign;
use super::json::{number, some, text};

/// Makers of disks with platters allow 60 to 65 °C, those of flash 70 to 85.
const HOT_PLATTERS: i64 = 60;
const HOT_FLASH: i64 = 80;
/// A sensor tells nothing else.
const TEMPERATURES: std::ops::RangeInclusive<i64> = -60..=200;
/// Percent of what its maker allows to be written.
const WORN: u64 = 90;
/// Whether anything was said from which "good" follows: a judgement without an error of asking for it.
pub(super) fn tells(json: &Value) -> bool {
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

pub(super) fn signs(json: &Value, exit: u64) -> Vec<Sign> {
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

pub(super) fn celsius(json: &Value) -> Option<i64> {
    let celsius = json.pointer("/temperature/current")?.as_i64()?;
    TEMPERATURES.contains(&celsius).then_some(celsius)
}
