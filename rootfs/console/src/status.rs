//! Facts → the lines above the menu. Pure.

use serde::Deserialize;

use crate::messages::Messages;

/// How the system was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// From the installation medium.
    Live,
    /// From a slot of the disk, to repair; no appliance runs.
    Recovery,
    Installed,
}

/// What the lines are made of.
#[derive(Debug, Clone)]
pub struct Facts {
    pub hostname: String,
    pub version: String,
    /// Addresses with their interface, such as `enp1s0 192.168.1.10/24`.
    pub addresses: Vec<String>,
    /// None while the web service does not answer.
    pub health: Option<Health>,
}

/// The part of vigie-web's `GET /health` that is shown; other fields exist.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Health {
    pub status: String,
    pub slot: Option<String>,
    pub volumes: Vec<Volume>,
    pub arrays: Vec<Array>,
    pub failed_units: Vec<String>,
    pub problems: Vec<String>,
    /// The same in French.
    pub problems_fr: Vec<String>,
}

/// One volume of [`Health`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Volume {
    pub name: String,
    pub size_bytes: u64,
    pub free_bytes: u64,
    pub ok: bool,
}

/// One RAID array of [`Health`].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Array {
    pub name: String,
    /// Empty while it waits for members.
    pub level: String,
    pub members: Vec<String>,
    pub missing: usize,
    /// How far a pass over it is.
    pub sync_percent: Option<u8>,
}

/// An array as a person reads it: its name, its level, its members, how it is.
pub fn array(m: &Messages, array: &Array) -> String {
    let state = match array {
        Array { level, .. } if level.is_empty() => m.array_waits,
        Array { missing: 0, .. } => m.array_whole,
        _ => m.array_missing,
    };
    let sync = array.sync_percent.map(|percent| format!(" {percent} %"));
    let members = array.members.join(" ");
    let name = format!("{:<8} {}", array.name, array.level);
    format!("{name} ({members}) {state}{}", sync.unwrap_or_default())
}

/// What is worth showing the status again for. Free space is not: it changes all the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gist {
    addresses: Vec<String>,
    verdict: Option<String>,
    volumes: Vec<(String, bool)>,
    faults: Vec<String>,
}

impl Facts {
    /// See [`Gist`].
    pub fn gist(&self) -> Gist {
        let health = self.health.clone().unwrap_or_default();
        Gist {
            addresses: self.addresses.clone(),
            verdict: self.health.as_ref().map(|health| health.status.clone()),
            volumes: health.volumes.into_iter().map(|v| (v.name, v.ok)).collect(),
            faults: [health.failed_units, health.problems].concat(),
        }
    }
}

/// The status, a line each: at most 78 columns but for long names.
pub fn lines(m: &Messages, mode: Mode, facts: &Facts) -> Vec<String> {
    let row = |name: &str, value: String| format!("  {name:<11} {value}");
    let slot = facts
        .health
        .as_ref()
        .and_then(|health| health.slot.as_deref());
    let slot = slot.map(|slot| format!("{} {}", m.slot, slot.to_uppercase()));
    let origin = match (mode, slot) {
        (Mode::Live, _) => format!(" ({})", m.live),
        (Mode::Recovery, Some(slot)) => format!(" ({}, {slot})", m.recovery),
        (Mode::Recovery, None) => format!(" ({})", m.recovery),
        (Mode::Installed, Some(slot)) => format!(" ({slot})"),
        (Mode::Installed, None) => String::new(),
    };
    let mut lines = vec![
        row(m.name, facts.hostname.clone()),
        row(m.version, format!("{}{origin}", facts.version)),
    ];
    match &facts.addresses[..] {
        [] => lines.push(row(m.addresses, m.no_address.to_owned())),
        addresses => lines.extend(
            addresses
                .iter()
                .map(|address| row(m.addresses, address.clone())),
        ),
    }
    match &facts.health {
        None => lines.push(row(m.state, m.no_answer.to_owned())),
        Some(health) => lines.extend(
            health_lines(m, health)
                .into_iter()
                .map(|(name, value)| row(name, value)),
        ),
    }
    lines
}

fn health_lines<'m>(m: &'m Messages, health: &Health) -> Vec<(&'m str, String)> {
    let volume = |volume: &Volume| {
        let space = if volume.ok {
            format!(
                "{} {} {}",
                size(volume.free_bytes),
                m.free_of,
                size(volume.size_bytes)
            )
        } else {
            m.volume_bad.to_owned()
        };
        (m.volume, format!("{:<8} {space}", volume.name))
    };
    let verdict = if health.status == "ok" {
        m.all_well
    } else {
        m.degraded
    };
    let mut lines: Vec<_> = health.volumes.iter().map(volume).collect();
    lines.push((m.state, verdict.to_owned()));
    lines.extend(
        health
            .failed_units
            .iter()
            .map(|unit| (m.failed_unit, unit.clone())),
    );
    let problems = match m.code {
        "fr" => &health.problems_fr,
        _ => &health.problems,
    };
    lines.extend(problems.iter().map(|problem| ("!", problem.clone())));
    lines
}

/// Bytes in gigabytes or terabytes, as disks are sold; the same letters in both languages' disks.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        1_000_000_000..1_000_000_000_000 => format!("{} GB", bytes / 1_000_000_000),
        _ => format!(
            "{}.{} TB",
            bytes / 1_000_000_000_000,
            bytes / 100_000_000_000 % 10
        ),
    }
}

/// What tells the addresses.
pub const IP: [&str; 6] = ["/usr/bin/ip", "-json", "address", "show", "scope", "global"];

/// The addresses in the answer of [`IP`].
pub fn addresses(json: &str) -> Vec<String> {
    #[derive(Deserialize)]
    struct Link {
        #[serde(default)]
        ifname: String,
        #[serde(default)]
        addr_info: Vec<Address>,
    }
    // One of another scope, as each port has by IPv6, comes as an empty object.
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Address {
        local: Option<String>,
        prefixlen: u8,
    }
    let links: Vec<Link> = serde_json::from_str(json).unwrap_or_default();
    let of_link = |link: Link| {
        let name = link.ifname;
        link.addr_info
            .into_iter()
            .filter_map(move |a| Some(format!("{name} {}/{}", a.local?, a.prefixlen)))
    };
    links.into_iter().flat_map(of_link).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_settings::Language;

    use crate::messages::messages;

    #[test]
    fn the_version_says_where_it_runs_from() {
        let health = |slot: Option<&str>| {
            slot.map(|slot| Health {
                slot: Some(slot.into()),
                ..Health::default()
            })
        };
        for (mode, slot, expected) in [
            (Mode::Live, None, "1.0.0.0 (installation medium)"),
            (Mode::Recovery, Some("b"), "1.0.0.0 (recovery, slot B)"),
            (Mode::Recovery, None, "1.0.0.0 (recovery)"),
            (Mode::Installed, Some("a"), "1.0.0.0 (slot A)"),
            (Mode::Installed, None, "1.0.0.0"),
        ] {
            let facts = Facts {
                hostname: "x".into(),
                version: "1.0.0.0".into(),
                addresses: vec![],
                health: health(slot),
            };
            let lines = lines(messages(Language::En), mode, &facts);
            assert_eq!(lines[1], format!("  Version     {expected}"));
        }
    }

    #[test]
    fn answers_of_ip() {
        let json = r#"[{},{"ifindex":2,"ifname":"enp1s0","addr_info":[{"family":"inet","local":"10.0.2.15","prefixlen":24},
            {"family":"inet6","local":"fec0::1","prefixlen":64},{}]},{"ifname":"enp2s0","addr_info":[]}]"#;
        assert_eq!(
            addresses(json),
            ["enp1s0 10.0.2.15/24", "enp1s0 fec0::1/64"]
        );
        assert_eq!(addresses(""), Vec::<String>::new());
    }

    #[test]
    fn problems_are_told_in_the_menus_language() {
        let json = r#"{"status":"degraded","problems":["a disk"],"problems_fr":["un disque"]}"#;
        let health: Health = serde_json::from_str(json).expect("json");
        for (language, expected) in [(Language::En, "a disk"), (Language::Fr, "un disque")] {
            let lines = health_lines(messages(language), &health);
            assert_eq!(lines.last(), Some(&("!", expected.to_owned())));
        }
        // As the web service says it while nobody is let in at its ports: nothing else is known.
        let json = r#"{"status":"shut","problems":["nobody"],"problems_fr":["personne"]}"#;
        let health: Health = serde_json::from_str(json).expect("json");
        let lines = health_lines(messages(Language::En), &health);
        let expected = [("State", "needs attention"), ("!", "nobody")];
        assert_eq!(
            lines,
            expected.map(|(name, value)| (name, value.to_owned()))
        );
    }

    #[test]
    fn arrays() {
        let whole = Array {
            name: "state".into(),
            level: "raid1".into(),
            members: vec!["sda7".into(), "sdb7".into()],
            ..Array::default()
        };
        let m = messages(Language::En);
        assert_eq!(array(m, &whole), "state    raid1 (sda7 sdb7) whole");
        let one = Array {
            missing: 1,
            members: vec!["sda7".into()],
            sync_percent: Some(12),
            ..whole.clone()
        };
        assert_eq!(array(m, &one), "state    raid1 (sda7) DISKS MISSING 12 %");
        let waits = Array {
            level: String::new(),
            ..one
        };
        assert!(array(m, &waits).contains("WAITS"));
    }

    #[test]
    fn sizes() {
        for (bytes, expected) in [
            (5_000_000, "5 MB"),
            (16_000_000_000, "16 GB"),
            (2_050_000_000_000, "2.0 TB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }
}
