//! Addresses and names of the network.

use std::net::{IpAddr, Ipv4Addr};

use super::system::is_dns_label;
use super::{Invalid, plain_debug, text_value};

text_value!(
    /// A network interface's kernel name, such as `enp3s0`.
    InterfaceName,
    check_interface
);
text_value!(
    /// A server by host name or by address.
    Host,
    check_host
);
plain_debug!(InterfaceName, Host);

/// A hardware address, kept in lower case: `52:54:00:12:34:56`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddress(String);
plain_debug!(MacAddress);

/// An own address with the length of its network's prefix: `192.168.1.10/24`.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// The own address.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// The prefix length in bits.
    #[must_use]
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// Whether `other` lies in the same network (same family, same prefix bits).
    #[must_use]
    pub fn contains(self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.prefix);
                own.to_bits().checked_shr(shift) == other.to_bits().checked_shr(shift)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.prefix);
                own.to_bits().checked_shr(shift) == other.to_bits().checked_shr(shift)
            }
            _ => false,
        }
    }

    /// Another host's address in a network of this length; nothing where no host can have it.
    #[must_use]
    pub fn beside(self, address: IpAddr) -> Option<Self> {
        let other = Self { address, ..self };
        other.fault().is_none().then_some(other)
    }

    /// Whether the two networks share an address.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        if self.prefix <= other.prefix {
            self.contains(other.address)
        } else {
            other.contains(self.address)
        }
    }
}

impl std::str::FromStr for Cidr {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let refuse = |wrong| Invalid::new(text, wrong, "allowed.cidr");
        let (address, prefix) = text
            .split_once('/')
            .ok_or_else(|| refuse("wrong.cidr-no-prefix"))?;
        let address: IpAddr = address
            .parse()
            .map_err(|_| refuse("wrong.cidr-no-address"))?;
        let prefix = prefix_length(address, prefix);
        let prefix = prefix.ok_or_else(|| refuse("wrong.cidr-no-number"))?;
        let cidr = Self { address, prefix };
        match cidr.fault() {
            Some(wrong) => Err(refuse(wrong)),
            None => Ok(cidr),
        }
    }
}

/// Digits; or, for IPv4, a mask in dotted form whose ones stand together.
fn prefix_length(address: IpAddr, text: &str) -> Option<u8> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok();
    }
    let mask: Ipv4Addr = text.parse().ok().filter(|_| address.is_ipv4())?;
    let ones = mask.to_bits().leading_ones();
    let is_whole = ones == mask.to_bits().count_ones();
    u8::try_from(ones).ok().filter(|_| is_whole)
}

impl Cidr {
    /// The key of what is wrong with it.
    fn fault(self) -> Option<&'static str> {
        if self.prefix == 0 || self.prefix > if self.address.is_ipv4() { 32 } else { 128 } {
            return Some("wrong.cidr-prefix");
        }
        if self.address.is_unspecified()
            || self.address.is_multicast()
            || self.address.is_loopback()
        {
            return Some("wrong.cidr-no-host");
        }
        let IpAddr::V4(v4) = self.address else {
            return None;
        };
        let host_bits = u32::MAX.checked_shr(u32::from(self.prefix)).unwrap_or(0);
        let host = v4.to_bits() & host_bits;
        // RFC 3021: /31 and /32 have neither a network nor a broadcast address.
        (self.prefix < 31 && (host == 0 || host == host_bits)).then_some("wrong.cidr-network")
    }
}

impl TryFrom<String> for Cidr {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(value: Cidr) -> Self {
        value.to_string()
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl std::fmt::Debug for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl MacAddress {
    /// The address in lower case with colons.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for MacAddress {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let lower = text.replace('-', ":").to_ascii_lowercase();
        let parts: Vec<&str> = lower.split(':').collect();
        let two_hex = |part: &&str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
        if parts.len() == 6 && parts.iter().all(two_hex) && lower != "00:00:00:00:00:00" {
            return Ok(Self(lower));
        }
        Err(Invalid::new(text, "wrong.mac", "allowed.mac"))
    }
}

impl TryFrom<String> for MacAddress {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<MacAddress> for String {
    fn from(value: MacAddress) -> Self {
        value.0
    }
}

impl std::fmt::Display for MacAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn check_interface(text: &str) -> Result<(), Invalid> {
    // IFNAMSIZ is 16 with the final zero. Stricter than the kernel: the name goes into unit files,
    // where `*`, `!` and blanks have a meaning.
    let ok = (1..=15).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
        && text != "lo";
    if ok {
        return Ok(());
    }
    Err(Invalid::new(text, "wrong.interface", "allowed.interface"))
}

fn check_host(text: &str) -> Result<(), Invalid> {
    if text.parse::<IpAddr>().is_ok() || (text.len() <= 253 && text.split('.').all(is_dns_label)) {
        return Ok(());
    }
    Err(Invalid::new(text, "wrong.host", "allowed.host"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_prefix() {
        for good in [
            "192.168.1.10/24",
            "10.0.0.1/8",
            "192.0.2.0/31",
            "192.0.2.1/32",
            "fd00::10/64",
            "fe80::1/128",
        ] {
            assert_eq!(
                good.parse::<Cidr>().map(|c| c.to_string()).as_deref(),
                Ok(good)
            );
        }
        for (bad, why) in [
            ("192.168.1.10", "no prefix"),
            ("192.168.1/24", "not an IP"),
            ("192.168.1.10/33", "outside"),
            ("192.168.1.10/0", "outside"),
            ("192.168.1.10/+24", "neither a number"),
            ("192.168.1.10/", "neither a number"),
            ("192.168.1.10/255.0.255.0", "nor a mask"),
            ("192.168.1.10/0.0.0.255", "nor a mask"),
            ("192.168.1.10/255.255.255", "nor a mask"),
            ("192.168.1.10/0.0.0.0", "outside"),
            ("fd00::1/255.255.255.0", "nor a mask"),
            ("192.168.1.0/24", "broadcast"),
            ("192.168.1.255/24", "broadcast"),
            ("127.0.0.1/8", "host can have"),
            ("224.0.0.1/4", "host can have"),
            ("0.0.0.0/1", "host can have"),
            ("::1/128", "host can have"),
            ("fd00::1/129", "outside"),
        ] {
            let error = bad.parse::<Cidr>().expect_err(bad).to_string();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    #[test]
    fn a_mask_is_kept_as_a_prefix_length() {
        for (typed, kept) in [
            ("10.0.0.2/255.255.255.0", "10.0.0.2/24"),
            ("10.0.0.2/255.255.255.252", "10.0.0.2/30"),
            ("10.0.0.2/255.255.255.255", "10.0.0.2/32"),
            ("10.0.0.2/128.0.0.0", "10.0.0.2/1"),
        ] {
            let cidr: Cidr = typed.parse().expect(typed);
            assert_eq!(cidr.to_string(), kept);
        }
    }

    #[test]
    fn networks() {
        let cidr = |text: &str| text.parse::<Cidr>().expect(text);
        let ip = |text: &str| text.parse::<IpAddr>().expect(text);
        assert!(cidr("192.168.1.10/24").contains(ip("192.168.1.1")));
        assert!(!cidr("192.168.1.10/24").contains(ip("192.168.2.1")));
        assert!(!cidr("192.168.1.10/24").contains(ip("fd00::1")));
        assert!(cidr("192.0.2.1/32").contains(ip("192.0.2.1")));
        assert!(cidr("10.0.0.1/8").overlaps(cidr("10.20.0.1/16")));
        assert!(cidr("10.20.0.1/16").overlaps(cidr("10.0.0.1/8")));
        assert!(!cidr("10.20.0.1/16").overlaps(cidr("10.21.0.1/16")));
    }

    #[test]
    fn hardware_addresses_and_names() {
        assert_eq!(
            "52-54-00-AB-cd-56"
                .parse::<MacAddress>()
                .map(|m| m.to_string())
                .as_deref(),
            Ok("52:54:00:ab:cd:56")
        );
        for bad in [
            "",
            "52:54:00:12:34",
            "52:54:00:12:34:5g",
            "00:00:00:00:00:00",
            "5254.0012.3456",
        ] {
            assert!(bad.parse::<MacAddress>().is_err(), "{bad}");
        }
        for bad in [
            "",
            "lo",
            "en*",
            "!eth0",
            "a b",
            "aaaaaaaaaaaaaaaa",
            "eth0\n",
        ] {
            assert!(bad.parse::<InterfaceName>().is_err(), "{bad}");
        }
        for bad in ["", "a b", "ntp..org", "x\ny", "[::1]"] {
            assert!(bad.parse::<Host>().is_err(), "{bad}");
        }
        assert!("fd00::1".parse::<Host>().is_ok());
    }
}
