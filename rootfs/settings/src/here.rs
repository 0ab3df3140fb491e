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
/// Where `loadkeys` looks for the keymaps, in folders by the kind of keyboard.
const KEYMAPS: &str = "usr/share/keymaps";
/// Folders of keymaps are in few others; a loop of links must end.
const DEEPEST: usize = 4;

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
    let keymap = settings.system.keymap.as_str();
    let keymaps = root.join(KEYMAPS);
    if keymaps.is_dir() && !has_keymap(&keymaps, keymap, DEEPEST) {
        let text = said("check.unknown-keymap", &[("keymap", Said::same(keymap))]);
        found.push(Problem::new("system.keymap", text));
    }
    let network = &settings.network;
    address_problems(&network.enterprise, &mut found);
    let cameras = network.cameras.as_ref();
    let ports = [
        ("enterprise", Some(&network.enterprise)),
        ("cameras", cameras),
    ];
    for (name, port) in ports {
        if let Some(own) = port.and_then(|port| port.address)
            && !is_usable(own.address())
        {
            let text = said("check.unusable", &[("address", Said::same(own.address()))]);
            found.push(Problem::new(format!("network.{name}.address"), text));
        }
    }
    if let Some(cameras) = &network.cameras
        && is_same_port(root, &network.enterprise, cameras)
    {
        let text = said("check.same-port", &[]);
        found.push(Problem::new("network.cameras", text));
    }
    found
}

/// The version of the system whose root is `root`; none where it does not say.
#[must_use]
pub fn system_version(root: &Path) -> Option<String> {
    let text = fs::read_to_string(root.join("usr/lib/os-release")).ok()?;
    let mut values = text
        .lines()
        .filter_map(|line| line.strip_prefix("VERSION_ID="));
    Some(values.next()?.trim_matches('"').to_owned())
}

/// Whether a keymap, such as `fr` of `i386/azerty/fr.kmap.gz`, lies in a folder or below.
fn has_keymap(folder: &Path, keymap: &str, depth: usize) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        let name = entry.file_name();
        let is_it = || {
            let name = name.to_str().and_then(|name| name.split_once(".kmap"));
            name.is_some_and(|(name, _)| name == keymap)
        };
        match entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            true => depth > 0 && has_keymap(&entry.path(), keymap, depth - 1),
            false => is_it(),
        }
    })
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

/// Whether an address can be given by hand to a port that others reach. Each port gives itself a link-local
/// one of IPv6, and others' routers forward neither those nor what is reserved (RFC 1112, section 4; RFC 791).
fn is_usable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => (1..240).contains(&v4.octets()[0]),
        IpAddr::V6(v6) => !v6.is_unicast_link_local() && v6.to_ipv4_mapped().is_none(),
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
    fn fixed_addresses_that_no_port_can_have() {
        let root = tempfile::tempdir().expect("temporary folder");
        for (address, is_good) in [
            ("192.168.1.10/24", true),
            ("169.254.1.10/16", true),
            ("223.255.255.1/24", true),
            ("fd00::1/64", true),
            ("2001:db8::1/64", true),
            ("fe80::1/64", false),
            ("febf::1/64", false),
            ("240.0.0.2/24", false),
            ("255.0.0.2/24", false),
            ("0.0.0.5/24", false),
            ("::ffff:10.0.0.2/120", false),
        ] {
            for port in ["enterprise", "cameras"] {
                let text = format!(
                    "version = 3\n[network.{port}]\ninterface = \"eth1\"\naddress = \"{address}\"\n"
                );
                // Documents of before may have it, and go on being read.
                let settings = Settings::from_text(&text).expect("a document");
                let found = problems(root.path(), &settings);
                let fields: Vec<&str> = found.iter().map(|one| one.field.as_str()).collect();
                let field = format!("network.{port}.address");
                let expected: &[&str] = if is_good { &[] } else { &[&field] };
                assert_eq!(fields, expected, "{text}");
            }
        }
    }

    /// A layout that `loadkeys` does not find fails a unit at each start.
    #[test]
    fn keymaps_of_this_machine() {
        let root = tempfile::tempdir().expect("temporary folder");
        let is_refused = |keymap: &str| {
            let text = format!("version = 3\n[system]\nkeymap = \"{keymap}\"\n");
            let settings = Settings::from_text(&text).expect("a document");
            let found = problems(root.path(), &settings);
            found.iter().any(|problem| problem.field == "system.keymap")
        };
        assert!(!is_refused("zz"), "a system that cannot be asked");
        for file in [
            "qwerty/us.kmap.gz",
            "qwertz/fr_CH.kmap.gz",
            "qwertz/fr_CH-latin1.kmap",
        ] {
            let path = root.path().join("usr/share/keymaps/i386").join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect(file);
            fs::write(path, "keymaps 0-2").expect(file);
        }
        for (keymap, expected) in [
            ("us", false),
            ("fr_CH", false),
            ("fr_CH-latin1", false),
            ("ch-fr", true),
            ("zz", true),
            ("qwerty", true),
            ("u", true),
        ] {
            assert_eq!(is_refused(keymap), expected, "{keymap}");
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
