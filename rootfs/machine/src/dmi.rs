//! What the maker wrote into the firmware (SMBIOS types 1, 2 and 3), as the kernel shows it in
//! /sys/class/dmi/id.

use serde::Serialize;

use crate::source::{Fact, Source};

/// The facts; what a maker left unfilled is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Dmi {
    /// Maker of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// Product name of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// Serial number of the system, the one on its label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// UUID of the system, lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// Serial number of the mainboard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub board_serial: Option<String>,
    /// The number that the owner gave it, of the chassis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset_tag: Option<String>,
    /// Facts are there that may not be read: only root may read numbers.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub forbidden: bool,
}

impl Dmi {
    pub(crate) fn read(source: &Source) -> Self {
        let mut forbidden = false;
        let mut fact = |name: &str| match source.text(&format!("class/dmi/id/{name}")) {
            Fact::Read(text) if !is_placeholder(&text) => Some(text),
            Fact::Forbidden => {
                forbidden = true;
                None
            }
            _ => None,
        };
        Self {
            vendor: fact("sys_vendor"),
            product: fact("product_name"),
            serial: fact("product_serial"),
            uuid: fact("product_uuid").map(|uuid| uuid.to_ascii_lowercase()),
            board_serial: fact("board_serial"),
            asset_tag: fact("chassis_asset_tag"),
            forbidden,
        }
    }
}

/// What makers leave in a field that they do not fill, in lower case.
const PLACEHOLDERS: [&str; 31] = [
    "asset tag",
    "asset-1234567890",
    "base board serial number",
    "chassis asset tag",
    "chassis serial number",
    "default",
    "default string",
    "empty",
    "invalid",
    "n/a",
    "na",
    "no asset information",
    "no asset tag",
    "no enclosure",
    "none",
    "not applicable",
    "not available",
    "not present",
    "not settable",
    "not specified",
    "not defined",
    "null",
    "o.e.m.",
    "oem",
    "serial number",
    "system product name",
    "system serial number",
    "tbd",
    "to be filled by o.e.m.",
    "undefined",
    "unknown",
];

/// UUIDs that whole series of boards carry.
const SHARED_UUIDS: [&str; 4] = [
    // The bytes 0 to 9 in order, in boards with unfilled AMI firmware.
    "03000200-0400-0500-0006-000700080009",
    "00020003-0004-0005-0006-000700080009",
    "00000000-0000-0000-0807-060504030201",
    "12345678-1234-5678-90ab-cddeefaabbcc",
];

/// Whether a text is what a maker leaves in a field that was not filled.
#[must_use]
pub fn is_placeholder(text: &str) -> bool {
    let text = text.trim().to_ascii_lowercase();
    if PLACEHOLDERS.contains(&text.as_str()) || SHARED_UUIDS.contains(&text.as_str()) {
        return true;
    }
    let signs: Vec<char> = text.chars().filter(char::is_ascii_alphanumeric).collect();
    // "", "...", "0000", "xxxxxxxx", "ffffffff-ffff-…", "123456789", "0123456789", "1234567890".
    let all_equal = signs.windows(2).all(|pair| pair[0] == pair[1]);
    all_equal && (signs.len() != 1 || signs[0] == '0') || counts_up(&signs)
}

/// Digits that only count up, 9 being followed by 0; at least six of them.
fn counts_up(signs: &[char]) -> bool {
    let next = |sign: char| sign.to_digit(10).map(|digit| (digit + 1) % 10);
    signs.len() >= 6
        && signs
            .windows(2)
            .all(|pair| next(pair[0]).is_some() && next(pair[0]) == pair[1].to_digit(10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makers_leave_in_place_of_a_fact() {
        for left in [
            "",
            " ",
            "To Be Filled By O.E.M.",
            "To be filled by O.E.M.",
            "Default string",
            "Default String ",
            "System Serial Number",
            "System Product Name",
            "Base Board Serial Number",
            "Chassis Asset Tag",
            "Asset-1234567890",
            "Not Specified",
            "Not Applicable",
            "No Asset Information",
            "None",
            "Unknown",
            "N/A",
            "0",
            "00",
            "0000000000",
            "0123456789",
            "123456789",
            "1234567890",
            "123456",
            "XXXXXXXX",
            "xxxxxxxxxxxx",
            "............",
            "-",
            "/",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "00000000-0000-0000-0000-000000000000",
            "03000200-0400-0500-0006-000700080009",
            "03000200-0400-0500-0006-000700080009"
                .to_uppercase()
                .as_str(),
        ] {
            assert!(is_placeholder(left), "{left:?}");
        }
    }

    #[test]
    fn what_is_a_fact() {
        for fact in [
            "5YXK2X2",
            "CZJ1234567",
            "..CN7016349B00QX.",
            "S412345X9900001",
            "4c4c4544-0059-5810-804b-b5c04f325832",
            "A",
            "7",
            "1234",
            "NVR 12",
            "Standard PC (Q35 + ICH9, 2009)",
            "1234568",
            "112233",
        ] {
            assert!(!is_placeholder(fact), "{fact:?}");
        }
    }
}
