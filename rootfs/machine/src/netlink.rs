//! The permanent hardware address of each network device, asked of the kernel by rtnetlink(7).
//! A bond or a bridge changes a port's current address; this one stays.

use std::collections::BTreeMap;
use std::io;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};
use vigie_settings::MacAddress;

// linux/netlink.h and linux/rtnetlink.h
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
const HEADER: usize = 16;
const IFINFO: usize = 16;
// linux/if_link.h
const IFLA_IFNAME: u16 = 3;
const IFLA_PERM_ADDRESS: u16 = 54;

/// The kernel fills at most 32 KiB in one go when it is offered that much.
const BUFFER: usize = 32 * 1024;

/// Permanent addresses by the devices' names; devices without one are left out.
pub(crate) fn permanent_addresses() -> io::Result<BTreeMap<String, MacAddress>> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let kernel = SocketAddrNetlink::new(0, 0);
    sendto(&socket, &request(), SendFlags::empty(), &kernel)?;
    let mut found = BTreeMap::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        let (length, _) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        if length == 0 || read_answer(&buffer[..length.min(BUFFER)], &mut found) {
            return Ok(found);
        }
    }
}

/// "Tell of all links": header and an empty `ifinfomsg`.
fn request() -> Vec<u8> {
    let mut bytes = vec![0; HEADER + IFINFO];
    bytes[0..4].copy_from_slice(&((HEADER + IFINFO) as u32).to_ne_bytes());
    bytes[4..6].copy_from_slice(&RTM_GETLINK.to_ne_bytes());
    bytes[6..8].copy_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    bytes
}

/// Reads the messages of one answer; whether it was the last one.
fn read_answer(mut answer: &[u8], found: &mut BTreeMap<String, MacAddress>) -> bool {
    while answer.len() >= HEADER {
        let length = number32(answer) as usize;
        let kind = number16(&answer[4..]);
        if kind == NLMSG_DONE || kind == NLMSG_ERROR {
            return true;
        }
        let Some(message) = answer.get(HEADER..length) else {
            return true;
        };
        if kind == RTM_NEWLINK {
            found.extend(message.get(IFINFO..).and_then(link));
        }
        answer = answer.get(aligned(length)..).unwrap_or_default();
    }
    false
}

/// Name and permanent address among the attributes of a link.
fn link(mut attributes: &[u8]) -> Option<(String, MacAddress)> {
    let (mut name, mut address) = (None, None);
    while attributes.len() >= 4 {
        let length = usize::from(number16(attributes));
        let value = attributes.get(4..length)?;
        match number16(&attributes[2..]) {
            IFLA_IFNAME => {
                let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
                name = Some(String::from_utf8_lossy(text).into_owned());
            }
            IFLA_PERM_ADDRESS if value.len() == 6 => {
                let bytes: Vec<String> = value.iter().map(|byte| format!("{byte:02x}")).collect();
                address = bytes.join(":").parse().ok();
            }
            _ => {}
        }
        attributes = attributes.get(aligned(length)..).unwrap_or_default();
    }
    Some((name?, address?))
}

/// Messages and attributes begin on multiples of 4.
fn aligned(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn number32(bytes: &[u8]) -> u32 {
    u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

fn number16(bytes: &[u8]) -> u16 {
    u16::from_ne_bytes([bytes[0], bytes[1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = ((value.len() + 4) as u16).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(aligned(bytes.len()), 0);
        bytes
    }

    fn message(kind: u16, attributes: &[Vec<u8>]) -> Vec<u8> {
        let body = [vec![0; IFINFO], attributes.concat()].concat();
        let mut bytes = ((HEADER + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.resize(HEADER, 0);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn names_and_addresses_are_read() {
        let eth = message(
            RTM_NEWLINK,
            &[
                attribute(IFLA_IFNAME, b"enp3s0\0"),
                attribute(1, &[2; 6]),
                attribute(IFLA_PERM_ADDRESS, &[0x52, 0x54, 0, 0x12, 0x34, 0x56]),
            ],
        );
        let loopback = message(RTM_NEWLINK, &[attribute(IFLA_IFNAME, b"lo\0")]);
        let infiniband = message(
            RTM_NEWLINK,
            &[
                attribute(IFLA_IFNAME, b"ib0\0"),
                attribute(IFLA_PERM_ADDRESS, &[1; 20]),
            ],
        );
        let mut found = BTreeMap::new();
        assert!(!read_answer(
            &[eth, loopback, infiniband].concat(),
            &mut found
        ));
        assert!(read_answer(&message(NLMSG_DONE, &[]), &mut found));
        let expected = ("enp3s0".to_owned(), "52:54:00:12:34:56".parse().unwrap());
        assert_eq!(found, BTreeMap::from([expected]));
    }

    #[test]
    fn garbage_ends_and_does_not_panic() {
        let clean = message(RTM_NEWLINK, &[attribute(IFLA_IFNAME, b"enp3s0\0")]);
        let mut seed = 7_u64;
        for _ in 0..2000 {
            let mut bytes = clean.clone();
            for _ in 0..3 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = (seed >> 33) as usize % bytes.len();
                bytes[at] = (seed >> 20) as u8;
            }
            read_answer(&bytes, &mut BTreeMap::new());
        }
    }

    #[test]
    fn the_kernel_answers() {
        permanent_addresses().unwrap();
    }
}
