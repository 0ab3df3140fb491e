//! The hardware signature: a short id that stays with a machine.
//!
//! It must not change when disks, cables, firmware settings or the order of ports change, and two
//! machines must not share it. So into it go:
//!
//! 1. maker and product name;
//! 2. UUID, serial number of the system, serial number of the mainboard: each that is no
//!    placeholder;
//! 3. the lowest permanent hardware address of the ports that are not on USB: **only** where a
//!    machine has not both a UUID and a serial number. Cheap boards of one series share their
//!    UUID and have no serial number; where both are filled they are the maker's own and are
//!    enough. The lowest one, because then a card more or a cable less seldom changes it, and
//!    the ports' order never does. On such a machine, switching its lowest port off in the
//!    firmware does change the signature.
//!
//! Not into it goes what changes in service: disks, memory, processor, firmware version, the asset
//! tag (people set it), current hardware addresses (bonds set them), names of ports.
//!
//! The facts are joined as lines `name=value`, letters in lower case; the signature is the first
//! 16 bytes of their SHA-256 in groups of four digits. A machine whose numbers are not enough and
//! that has no port (yet: drivers take a while) has none, rather than another one for now.

use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::dmi::Dmi;
use crate::ports::Port;

/// Changes when what goes into a signature changes: then every machine has another one.
const FORM: &str = "vigie-machine 1";

/// The id of a machine: "3f2a-91bc-…", eight groups.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Signature(String);

impl Signature {
    /// The signature of a machine; none where nothing tells it from others, or where what does may
    /// not be read.
    pub(crate) fn of(dmi: &Dmi, ports: &[Port]) -> Option<Self> {
        if dmi.forbidden {
            return None;
        }
        let serial = dmi.serial.as_ref().or(dmi.board_serial.as_ref());
        let is_certain = dmi.uuid.is_some() && serial.is_some();
        let address = lowest_address(ports).filter(|_| !is_certain);
        if !is_certain && address.is_none() {
            return None;
        }
        let facts = [
            ("vendor", dmi.vendor.clone()),
            ("product", dmi.product.clone()),
            ("uuid", dmi.uuid.clone()),
            ("serial", dmi.serial.clone()),
            ("board_serial", dmi.board_serial.clone()),
            ("mac", address),
        ];
        let lines = facts
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}\n", value?.to_lowercase())));
        let text = lines.fold(format!("{FORM}\n"), |text, line| text + &line);
        Some(Self(grouped(&Sha256::digest(text)[..16])))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn lowest_address(ports: &[Port]) -> Option<String> {
    let built_in = ports
        .iter()
        .filter(|port| port.bus.as_deref() != Some("usb"));
    let addresses = built_in.filter_map(|port| port.permanent.as_ref());
    addresses.map(|address| address.as_str().to_owned()).min()
}

fn grouped(bytes: &[u8]) -> String {
    let groups: Vec<String> = bytes.chunks(2).map(hex::encode).collect();
    groups.join("-")
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(name: &str, permanent: &str, bus: &str) -> Port {
        Port {
            name: name.to_owned(),
            permanent: permanent.parse().ok(),
            current: "02:00:00:00:00:01".parse().ok(),
            link: Some(true),
            driver: Some("igb".to_owned()),
            bus: Some(bus.to_owned()),
        }
    }

    fn server() -> Dmi {
        let text = |text: &str| Some(text.to_owned());
        Dmi {
            vendor: text("Dell Inc."),
            product: text("PowerEdge R240"),
            serial: text("5YXK2X2"),
            uuid: text("4c4c4544-0059-5810-804b-b5c04f325832"),
            board_serial: text(".5YXK2X2.CNIVC0099900B1."),
            asset_tag: None,
            forbidden: false,
        }
    }

    #[test]
    fn it_stays_when_what_changes_in_service_changes() {
        let ports = [port("eno1", "b0:26:28:00:00:02", "pci")];
        let before = Signature::of(&server(), &ports).unwrap();
        assert_eq!(before.as_str().len(), 39, "{before}");
        assert_eq!(
            Signature::of(&server(), &[]),
            Some(before.clone()),
            "no port"
        );
        let mut tagged = server();
        tagged.asset_tag = Some("nvr-12".to_owned());
        assert_eq!(Signature::of(&tagged, &ports), Some(before), "asset tag");
    }

    /// A known value: a change of form would give every machine in the field another id.
    #[test]
    fn it_stays_from_version_to_version() {
        let signature = Signature::of(&server(), &[]).unwrap();
        let text = "vigie-machine 1\nvendor=dell inc.\nproduct=poweredge r240\n\
                    uuid=4c4c4544-0059-5810-804b-b5c04f325832\nserial=5yxk2x2\n\
                    board_serial=.5yxk2x2.cnivc0099900b1.\n";
        assert_eq!(signature.as_str(), grouped(&Sha256::digest(text)[..16]));
        assert_eq!(
            signature.as_str(),
            "6c35-c27b-6f5e-1372-00ee-7b0e-4bb7-2f1d"
        );
    }

    #[test]
    fn each_number_tells_machines_apart() {
        let one = Signature::of(&server(), &[]);
        let changes: [fn(&mut Dmi); 4] = [
            |dmi| dmi.serial = Some("5YXK2X3".to_owned()),
            |dmi| dmi.uuid = Some("4c4c4544-0059-5810-804b-b5c04f325833".to_owned()),
            |dmi| dmi.board_serial = Some("X".to_owned()),
            |dmi| dmi.product = Some("PowerEdge R250".to_owned()),
        ];
        for change in changes {
            let mut other = server();
            change(&mut other);
            assert_ne!(Signature::of(&other, &[]), one, "{other:?}");
        }
    }

    #[test]
    fn boards_that_share_their_uuid_are_told_apart_by_their_ports() {
        let mut board = server();
        (board.serial, board.board_serial) = (None, None);
        let (low, high) = ("00:e0:4c:00:00:01", "00:e0:4c:00:00:02");
        let of = |ports: &[Port]| Signature::of(&board, ports).unwrap();
        let one = of(&[port("enp1s0", low, "pci"), port("enp2s0", high, "pci")]);
        let swapped = [port("enp1s0", high, "pci"), port("enp2s0", low, "pci")];
        assert_eq!(of(&swapped), one, "the order of ports");
        assert_eq!(of(&[port("enp1s0", low, "pci")]), one, "a card less");
        let adapter = port("enx0", "00:00:01:00:00:01", "usb");
        assert_eq!(of(&[adapter, port("enp1s0", low, "pci")]), one, "USB");
        assert_ne!(of(&[port("enp1s0", high, "pci")]), one, "another machine");
    }

    #[test]
    fn no_signature_is_better_than_a_shared_one() {
        let mut nameless = server();
        (nameless.serial, nameless.board_serial, nameless.uuid) = (None, None, None);
        assert_eq!(Signature::of(&nameless, &[]), None);
        let mut late = server();
        late.uuid = None;
        assert_eq!(Signature::of(&late, &[]), None, "its port is not there yet");
        assert!(Signature::of(&late, &[port("eno1", "b0:26:28:00:00:02", "pci")]).is_some());
        let mut forbidden = server();
        forbidden.forbidden = true;
        assert_eq!(Signature::of(&forbidden, &[]), None, "not root");
    }
}
