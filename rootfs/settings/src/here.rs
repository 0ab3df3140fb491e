//! What only the machine knows that a document is for: its time zones, its ports.

use std::fs;
use std::path::Path;

use crate::check::Problem;
use crate::document::{Interface, Settings};
use crate::values::MacAddress;
use crate::words::{Said, said};

/// Where the kernel lists the ports, below the root.
const PORTS: &str = "sys/class/net";
const ZONES: &str = "usr/share/zoneinfo";

/// What would not work on the system whose root is `root`. A system that cannot be asked says
/// nothing.
#[must_use]
pub fn problems(root: &Path, settings: &Settings) -> Vec<Problem> {
    let mut found = Vec::new();
    let zone = settings.system.timezone.as_str();
    let zones = root.join(ZONES);
    if zones.is_dir() && !zones.join(zone).is_file() {
        let text = said("check.unknown-zone", &[("zone", Said::same(zone))]);
        found.push(Problem::new("system.timezone", text));
    }
    let network = &settings.network;
    if let Some(cameras) = &network.cameras
        && is_same_port(root, &network.enterprise, cameras)
    {
        let text = said("check.same-port", &[]);
        found.push(Problem::new("network.cameras", text));
    }
    found
}

/// One by its name, the other by its hardware address.
fn is_same_port(root: &Path, one: &Interface, other: &Interface) -> bool {
    let named = |by_name: &Interface, by_mac: &Interface| {
        let name = by_name.interface.as_ref()?;
        let wanted = by_mac.mac.as_ref()?;
        let file = root.join(PORTS).join(name.as_str()).join("address");
        let own: MacAddress = fs::read_to_string(file).ok()?.trim().parse().ok()?;
        Some(own == *wanted)
    };
    named(one, other)
        .or_else(|| named(other, one))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_and_ports_of_this_machine() {
        let root = tempfile::tempdir().expect("temporary folder");
        let document = |zone: &str, mac: &str| {
            Settings::from_text(&format!(
                "version = 3\n[system]\ntimezone = \"{zone}\"\n[network.enterprise]\nmac = \"{mac}\"\n[network.cameras]\ninterface = \"eth1\"\n"
            ))
            .expect("a document")
        };
        let fields = |settings: &Settings| -> Vec<String> {
            let found = problems(root.path(), settings);
            found.into_iter().map(|problem| problem.field).collect()
        };
        let wrong = document("Mars/Olympus", "52:54:00:00:00:01");
        assert_eq!(fields(&wrong), [""; 0], "a system that cannot be asked");
        for (file, text) in [
            ("usr/share/zoneinfo/Europe/Paris", "TZif"),
            ("sys/class/net/eth1/address", "52:54:00:00:00:01\n"),
        ] {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect(file);
            fs::write(path, text).expect(file);
        }
        assert_eq!(fields(&wrong), ["system.timezone", "network.cameras"]);
        assert_eq!(
            fields(&document("Europe/Paris", "52:54:00:00:00:02")),
            [""; 0]
        );
    }
}
