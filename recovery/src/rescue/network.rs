//! A fixed address for rescue access, where nobody gives one by DHCP: a file for systemd-networkd that goes
//! before those of the settings, for as long as the access is open.

use std::net::IpAddr;

use vigie_settings::Cidr;

use crate::refusal::Refusal;

/// Before `10-vigie-*.network`: of several that match the first by name counts (systemd.network(5)).
pub const FILE: &str = "/run/systemd/network/00-vigie-rescue.network";

/// A fixed address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The machine's own, with the length of its network.
    pub address: Cidr,
    /// Through which others are reached.
    pub gateway: Option<IpAddr>,
}

impl Network {
    /// One whose gateway can be reached.
    ///
    /// # Errors
    /// [`Refusal::NoGateway`].
    pub fn new(address: Cidr, gateway: Option<IpAddr>) -> Result<Self, Refusal> {
        match gateway {
            Some(gateway) if !address.contains(gateway) || gateway == address.address() => {
                Err(Refusal::NoGateway(gateway, address))
            }
            _ => Ok(Self { address, gateway }),
        }
    }

    /// The file. Every wire has the address: nobody at the screen knows which of them is plugged in.
    #[must_use]
    pub fn file(&self) -> String {
        let mut text = format!(
            "[Match]\nType=ether\nKind=!*\n\n[Network]\nDHCP=no\nAddress={}\n",
            self.address
        );
        if let Some(gateway) = self.gateway {
            text += &format!("Gateway={gateway}\n");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_lies_in_the_network() {
        for (address, gateway, is_one) in [
            ("192.0.2.10/24", None, true),
            ("192.0.2.10/24", Some("192.0.2.1"), true),
            ("192.0.2.10/24", Some("192.0.2.10"), false),
            ("192.0.2.10/24", Some("198.51.100.1"), false),
            ("192.0.2.10/24", Some("fe80::1"), false),
            ("2001:db8::10/64", Some("2001:db8::1"), true),
        ] {
            let gateway = gateway.map(|text| text.parse().unwrap());
            let network = Network::new(address.parse().unwrap(), gateway);
            assert_eq!(network.is_ok(), is_one, "{address} {gateway:?}");
        }
    }

    #[test]
    fn the_file_has_the_address_alone() {
        let (address, gateway) = ("192.0.2.10/24".parse().unwrap(), "192.0.2.1".parse());
        let network = Network::new(address, gateway.ok()).unwrap();
        let expected = "[Match]\nType=ether\nKind=!*\n\n[Network]\nDHCP=no\nAddress=192.0.2.10/24\n\
                        Gateway=192.0.2.1\n";
        assert_eq!(network.file(), expected);
        let alone = Network::new(address, None).unwrap().file();
        assert!(!alone.contains("Gateway"), "{alone}");
    }
}
