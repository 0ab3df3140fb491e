//! What is looked at when somebody gives a document, and not at the start: what only the machine
//! knows that it is for (its time zones, its ports), and what never worked but stands in documents of
//! before, which an update must go on reading.

use std::fs;
use std::net::IpAddr;
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
    address_problems(&network.enterprise, &mut found);
    if let Some(cameras) = &network.cameras
        && is_same_port(root, &network.enterprise, cameras)
    {
        let text = said("check.same-port", &[]);
        found.push(Problem::new("network.cameras", text));
    }
    found
}

/// Addresses at which nobody answers.
fn address_problems(enterprise: &Interface, found: &mut Vec<Problem>) {
    if let (Some(own), Some(gateway)) = (enterprise.address, enterprise.gateway)
        && own.beside(gateway).is_none()
    {
        let text = said("check.gateway-no-host", &[("gateway", Said::same(gateway))]);
        found.push(Problem::new("network.enterprise.gateway", text));
    }
    for (i, server) in enterprise.dns.iter().enumerate() {
        if server.is_unspecified() || server.is_multicast() || is_broadcast(*server) {
            let text = said("check.no-server", &[("address", Said::same(server))]);
            found.push(Problem::new(format!("network.enterprise.dns[{i}]"), text));
        }
    }
}

fn is_broadcast(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(v4) if v4.is_broadcast())
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
    fn addresses_at_which_nobody_answers() {
        for (gateway, dns, expected) in [
            ("10.0.0.1", "9.9.9.9", &[][..]),
            ("10.0.0.0", "fd00::1", &["network.enterprise.gateway"]),
            ("10.0.0.255", "127.0.0.1", &["network.enterprise.gateway"]),
            ("10.0.0.1", "0.0.0.0", &["network.enterprise.dns[0]"]),
            (
                "10.0.0.1",
                "255.255.255.255",
                &["network.enterprise.dns[0]"],
            ),
            ("10.0.0.1", "ff02::1", &["network.enterprise.dns[0]"]),
        ] {
            let text = format!(
                "version = 3\n[network.enterprise]\naddress = \"10.0.0.2/24\"\ngateway = \"{gateway}\"\ndns = [\"{dns}\"]\n"
            );
            // Documents of before may have it, and go on being read.
            let settings = Settings::from_text(&text).expect("a document");
            let root = tempfile::tempdir().expect("temporary folder");
            let found = problems(root.path(), &settings);
            let fields: Vec<&str> = found.iter().map(|one| one.field.as_str()).collect();
            assert_eq!(fields, expected, "{text}");
        }
    }

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
