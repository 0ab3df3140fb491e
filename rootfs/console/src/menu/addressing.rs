//! What a person answers about a network → the fields that change. Pure.

use std::net::IpAddr;

use serde::Serialize;
use serde_json::{Map, Value};
use vigie_settings::{Addressing, Interface};

use super::change::Change;
use crate::system::Port;

/// The name servers of a line: addresses with blanks or commas between them.
///
/// # Errors
/// The first word that is no address.
pub fn servers(line: &str) -> Result<Vec<IpAddr>, String> {
    let words = line.split([' ', ',']).filter(|word| !word.is_empty());
    words
        .map(|word| word.parse().map_err(|_| word.to_owned()))
        .collect()
}

/// An interface with other addresses; the port stays.
pub fn addressed(
    old: &Interface,
    addressing: Addressing,
    gateway: Option<IpAddr>,
    dns: Vec<IpAddr>,
) -> Interface {
    let address = match addressing {
        Addressing::Dhcp => None,
        Addressing::Static(address) => Some(address),
    };
    Interface {
        mac: old.mac.clone(),
        interface: old.interface.clone(),
        // Said or not, it is the same: what is not asked for does not change, and is not put on trial.
        dhcp: old.dhcp.filter(|dhcp| *dhcp && address.is_none()),
        gateway: gateway.filter(|_| address.is_some()),
        address,
        dns,
    }
}

/// The addresses that the ports of a network have, of all that `ip` tells (`enp1s0 192.168.1.10/24`). One that names
/// no port has all that are not those of `other`.
pub fn held(
    ports: &[Port],
    addresses: &[String],
    network: &Interface,
    other: Option<&Interface>,
) -> Vec<String> {
    let own = port_name(ports, network);
    let others = other.and_then(|other| port_name(ports, other));
    let all = addresses.iter().filter_map(|one| one.split_once(' '));
    let is_its = |name: &str| match &own {
        Some(own) => name == own,
        None => others.as_deref() != Some(name),
    };
    all.filter(|(name, _)| is_its(name))
        .map(|(_, address)| address.to_owned())
        .collect()
}

/// The name of the port that a network is on, where it names one.
fn port_name(ports: &[Port], network: &Interface) -> Option<String> {
    let by_name = network.interface.as_ref().map(ToString::to_string);
    let by_mac = network.mac.as_ref().and_then(|mac| {
        let mut ports = ports.iter();
        let port = ports.find(|port| port.mac.as_deref() == Some(mac.as_str()));
        port.map(|port| port.name.clone())
    });
    by_mac.or(by_name)
}

/// The fields that differ; nothing is said of the others, so that a change of somebody else to them
/// stays.
pub fn changes(prefix: &str, old: &impl Serialize, new: &impl Serialize) -> Vec<Change> {
    let (old, new) = (fields(old), fields(new));
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    let gone = gone.map(|name| Change::to(format!("{prefix}.{name}"), Value::Null));
    let other = new
        .iter()
        .filter(|(name, value)| old.get(*name) != Some(value));
    let other = other.map(|(name, value)| Change::to(format!("{prefix}.{name}"), value.clone()));
    gone.chain(other).collect()
}

fn fields(of: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(of) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn interface(value: Value) -> Interface {
        serde_json::from_value(value).expect("an interface")
    }

    #[test]
    fn only_what_differs_changes() {
        let fixed = json!({"mac": "52:54:00:12:34:56", "address": "192.168.1.10/24", "gateway": "192.168.1.1", "dns": ["192.168.1.1"]});
        let gateway = Some("192.168.1.1".parse().expect("an address"));
        let dns = servers("192.168.1.1").expect("addresses");
        let to = |address: &str| Addressing::Static(address.parse().expect("an address"));
        for (old, new, expected) in [
            (
                json!({}),
                (to("192.168.1.10/24"), gateway, dns.clone()),
                json!([
                    ["address", "192.168.1.10/24"],
                    ["dns", ["192.168.1.1"]],
                    ["gateway", "192.168.1.1"]
                ]),
            ),
            (
                fixed.clone(),
                (to("192.168.1.10/24"), gateway, dns.clone()),
                json!([]),
            ),
            (
                fixed.clone(),
                (to("192.168.1.11/24"), gateway, dns.clone()),
                json!([["address", "192.168.1.11/24"]]),
            ),
            // DHCP names the gateway.
            (
                fixed.clone(),
                (Addressing::Dhcp, gateway, dns),
                json!([["address", null], ["gateway", null]]),
            ),
            (
                fixed,
                (Addressing::Dhcp, None, vec![]),
                json!([["address", null], ["dns", null], ["gateway", null]]),
            ),
            (
                json!({"dhcp": true}),
                (to("10.0.0.2/8"), None, vec![]),
                json!([["dhcp", null], ["address", "10.0.0.2/8"]]),
            ),
            (
                json!({"dhcp": true}),
                (Addressing::Dhcp, None, servers("192.0.2.1").expect("one")),
                json!([["dns", ["192.0.2.1"]]]),
            ),
        ] {
            let old = interface(old);
            let (addressing, gateway, dns) = new;
            let new = addressed(&old, addressing, gateway, dns);
            let changes = changes("n", &old, &new);
            let told: Vec<Value> = changes
                .iter()
                .map(|change| json!([change.path.trim_start_matches("n."), change.value]))
                .collect();
            assert_eq!(json!(told), expected);
        }
    }

    #[test]
    fn name_servers() {
        assert_eq!(servers(" ").expect("none"), Vec::<IpAddr>::new());
        assert_eq!(servers("192.0.2.1, fd00::1").expect("two").len(), 2);
        assert_eq!(servers("192.0.2.1 x").expect_err("x"), "x");
    }

    #[test]
    fn addresses_are_those_of_the_ports_of_a_network() {
        let port = |name: &str, mac: &str| Port {
            name: name.to_owned(),
            mac: Some(mac.to_owned()),
        };
        let ports = [
            port("enp1s0", "52:54:00:12:34:56"),
            port("enp2s0", "52:54:00:12:34:57"),
        ];
        let addresses = ["enp1s0 192.168.1.7/24", "enp2s0 10.0.0.9/16"].map(str::to_owned);
        let any = Interface::default();
        let by_mac = Interface {
            mac: "52:54:00:12:34:57".parse().ok(),
            ..Interface::default()
        };
        let by_name = Interface {
            interface: "enp2s0".parse().ok(),
            ..Interface::default()
        };
        for (network, other, expected) in [
            (&any, None, &["192.168.1.7/24", "10.0.0.9/16"][..]),
            (&any, Some(&by_mac), &["192.168.1.7/24"]),
            (&any, Some(&by_name), &["192.168.1.7/24"]),
            (&by_mac, None, &["10.0.0.9/16"]),
            (&by_name, Some(&any), &["10.0.0.9/16"]),
        ] {
            assert_eq!(held(&ports, &addresses, network, other), expected);
        }
        assert!(held(&ports, &[], &by_mac, None).is_empty());
    }
}
