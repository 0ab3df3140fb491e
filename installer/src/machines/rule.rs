//! `match` of a `[[machine]]` section: by what a machine is recognised.

use std::fmt;

use serde::{Deserialize, Serialize};
use vigie_machine::{Machine, is_placeholder};
use vigie_settings::MacAddress;

use crate::messages::Text;

/// What a machine must have; all that is given must match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// The serial number of the system (DMI).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The UUID of the system (DMI).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// The number that the owner wrote into the firmware (DMI, of the chassis).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset_tag: Option<String>,
    /// The hardware address of any of its wired Ethernet ports.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddress>,
}

impl Rule {
    /// What makes a rule useless, without a look at any machine.
    pub fn check(&self) -> Result<(), Text> {
        if *self == Self::default() {
            return Err(Text::new("machines.empty-rule"));
        }
        for (name, value) in self.dmi() {
            let Some(value) = value else { continue };
            if is_placeholder(value) {
                return Err(Text::new("machines.placeholder")
                    .with("name", name)
                    .with("value", value));
            }
        }
        match &self.uuid {
            Some(uuid) if uuid::Uuid::parse_str(uuid.trim()).is_err() => {
                Err(Text::new("machines.bad-uuid").with("value", uuid))
            }
            _ => Ok(()),
        }
    }

    /// What of the rule does not fit the machine.
    pub fn mismatches(&self, machine: &Machine) -> Vec<Text> {
        let dmi = &machine.dmi;
        let found = [&dmi.serial, &dmi.uuid, &dmi.asset_tag];
        let mut said: Vec<Text> = self
            .dmi()
            .into_iter()
            .zip(found)
            .filter_map(|((name, wanted), found)| {
                let wanted = wanted.as_deref()?;
                let equal = found.as_deref().is_some_and(|found| same(found, wanted));
                let text = Text::new("machines.other-number").with("name", name);
                (!equal).then(|| text.with("wanted", wanted))
            })
            .collect();
        if let Some(mac) = &self.mac
            && !machine.ports.iter().any(|port| port.has(mac))
        {
            said.push(Text::new("machines.other-mac").with("wanted", mac));
        }
        said
    }

    /// Whether one machine could fit both rules, as far as the rules can be compared: they name the
    /// same serial number, UUID or asset tag and differ in none of them, or name the same port. (Two
    /// different ports may well be of one machine, so they rule nothing out.)
    pub fn is_like(&self, other: &Self) -> bool {
        let numbers = self.common_numbers(other);
        let same_port = self.mac.is_some() && self.mac == other.mac;
        !numbers.contains(&false) && (!numbers.is_empty() || same_port)
    }

    /// Whether the rules cannot be compared: nothing that one gives is given by the other.
    pub fn has_nothing_in_common(&self, other: &Self) -> bool {
        let ports = self.mac.is_some() && other.mac.is_some();
        self.common_numbers(other).is_empty() && !ports
    }

    /// For each number that both give, whether it is the same.
    fn common_numbers(&self, other: &Self) -> Vec<bool> {
        let pairs = self.dmi().into_iter().zip(other.dmi());
        pairs
            .filter_map(|((_, own), (_, other))| Some(same(own.as_deref()?, other.as_deref()?)))
            .collect()
    }

    fn dmi(&self) -> [(&'static str, &Option<String>); 3] {
        [
            ("serial", &self.serial),
            ("uuid", &self.uuid),
            ("asset_tag", &self.asset_tag),
        ]
    }
}

/// Makers and people differ in the case of letters, and firmware pads with spaces.
fn same(one: &str, other: &str) -> bool {
    one.trim().eq_ignore_ascii_case(other.trim())
}

impl fmt::Display for Rule {
    /// As in the answers: `serial = "A", mac = "…"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mac = self.mac.as_ref().map(ToString::to_string);
        let words: Vec<String> = self
            .dmi()
            .into_iter()
            .chain([("mac", &mac)])
            .filter_map(|(name, value)| Some(format!("{name} = \"{}\"", value.as_ref()?)))
            .collect();
        f.write_str(&words.join(", "))
    }
}
