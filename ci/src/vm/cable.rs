//! The other end of a machine's second network cable: a station there that sends and receives
//! Ethernet frames.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use etherparse::{
    ArpEthIpv4Packet, ArpHardwareId, ArpOperation, ArpPacket, EtherType, NetSlice, PacketBuilder,
    SlicedPacket, TransportSlice,
};

use super::command::Cable;

/// The station's hardware address: locally administered, and no machine's.
const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x99, 0x00, 0x01];
const EVERYBODY: [u8; 6] = [0xff; 6];
/// Routers on the way; the machine is one if it passes a frame on.
const TIME_TO_LIVE: u8 = 64;
/// The port of name servers.
const NAMES: u16 = 53;
/// A question that was lost is asked again after this time.
const AGAIN: Duration = Duration::from_secs(1);
/// Longer than any frame.
const FRAME: usize = 2048;

/// A station at the cable.
pub struct Station {
    socket: UnixDatagram,
    machine: PathBuf,
}

impl Station {
    /// The station, and the cable for [`super::command::Machine::cable`]; both ends are in `folder`.
    pub fn plug_in(folder: &Path) -> Result<(Station, Cable)> {
        let [machine, other] = ["machine", "station"].map(|end| folder.join(end));
        for end in [&machine, &other] {
            match std::fs::remove_file(end) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("removing {}", end.display()));
                }
                _ => {}
            }
        }
        let socket = UnixDatagram::bind(&other)
            .with_context(|| format!("making the socket {}", other.display()))?;
        let cable = Cable {
            machine: machine.clone(),
            other,
        };
        Ok((Station { socket, machine }, cable))
    }

    /// Asks who has an address, as the one who has `own`, until somebody answers. What was sent
    /// before has then been received there.
    pub fn who_has(&self, own: Ipv4Addr, wanted: Ipv4Addr, limit: Duration) -> Result<[u8; 6]> {
        let question = question(own, wanted)?;
        let begun = Instant::now();
        while begun.elapsed() < limit {
            self.send(&question)?;
            if let Some(mac) = self.listen(own, wanted)? {
                return Ok(mac);
            }
        }
        bail!("nobody at the cable answers for {wanted} within {limit:?}");
    }

    /// The answer; none within [`AGAIN`].
    fn listen(&self, own: Ipv4Addr, wanted: Ipv4Addr) -> Result<Option<[u8; 6]>> {
        let begun = Instant::now();
        let mut frame = [0; FRAME];
        loop {
            let left = AGAIN.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(None);
            }
            self.socket.set_read_timeout(Some(left))?;
            match self.socket.recv(&mut frame) {
                Ok(length) => {
                    if let Some(mac) = answer(&frame[..length], own, wanted) {
                        return Ok(Some(mac));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error).context("receiving from the cable"),
            }
        }
    }

    /// Is there for these addresses, and silent: whoever asks for one is told the station's hardware
    /// address, and what is then sent to it is only counted. Ends some time after `until` is set.
    pub fn be_silently(&self, hosts: &[Ipv4Addr], until: &AtomicBool) -> Result<Unanswered> {
        let (mut frame, mut unanswered) = ([0; FRAME], Unanswered::default());
        self.socket.set_read_timeout(Some(AGAIN))?;
        while !until.load(Ordering::Relaxed) {
            let length = match self.socket.recv(&mut frame) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error).context("receiving from the cable"),
            };
            match asked(&frame[..length]) {
                Some(Asked::Address(question)) => {
                    if let Some(answer) = reply(&question, hosts)? {
                        self.send(&answer)?;
                    }
                }
                Some(Asked::Name) => unanswered.names += 1,
                None => {}
            }
        }
        Ok(unanswered)
    }

    /// Sends a datagram in a frame to `mac`, which need not be where `to` is.
    pub fn send_udp(&self, mac: [u8; 6], from: SocketAddrV4, to: SocketAddrV4) -> Result<()> {
        let (source, target) = (from.ip().octets(), to.ip().octets());
        let packet = PacketBuilder::ethernet2(MAC, mac)
            .ipv4(source, target, TIME_TO_LIVE)
            .udp(from.port(), to.port());
        let payload = from.to_string();
        let mut frame = Vec::with_capacity(packet.size(payload.len()));
        packet.write(&mut frame, payload.as_bytes())?;
        self.send(&frame)
    }

    fn send(&self, frame: &[u8]) -> Result<()> {
        let sent = self.socket.send_to(frame, &self.machine);
        sent.map(drop).context("sending into the cable")
    }
}

/// What a silent station was asked in vain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unanswered {
    /// Questions for a name, by UDP.
    pub names: u32,
}

/// A question in a frame.
enum Asked {
    /// Who has an address (RFC 826).
    Address(ArpEthIpv4Packet),
    /// A name (RFC 1035).
    Name,
}

fn asked(frame: &[u8]) -> Option<Asked> {
    let packet = SlicedPacket::from_ethernet(frame).ok()?;
    if let Some(NetSlice::Arp(arp)) = packet.net {
        let arp = ArpEthIpv4Packet::try_from(arp.to_packet()).ok()?;
        return (arp.operation == ArpOperation::REQUEST).then_some(Asked::Address(arp));
    }
    let Some(TransportSlice::Udp(udp)) = packet.transport else {
        return None;
    };
    (udp.destination_port() == NAMES).then_some(Asked::Name)
}

/// The answer to a question for one of these addresses.
fn reply(question: &ArpEthIpv4Packet, hosts: &[Ipv4Addr]) -> Result<Option<Vec<u8>>> {
    if !hosts
        .iter()
        .any(|host| host.octets() == question.target_ipv4)
    {
        return Ok(None);
    }
    let arp = ArpPacket::new(
        ArpHardwareId::ETHERNET,
        EtherType::IPV4,
        ArpOperation::REPLY,
        &MAC,
        &question.target_ipv4,
        &question.sender_mac,
        &question.sender_ipv4,
    )?;
    let packet = PacketBuilder::ethernet2(MAC, question.sender_mac).arp(arp);
    let mut frame = Vec::with_capacity(packet.size());
    packet.write(&mut frame)?;
    Ok(Some(frame))
}

/// RFC 826.
fn question(own: Ipv4Addr, wanted: Ipv4Addr) -> Result<Vec<u8>> {
    let arp = ArpPacket::new(
        ArpHardwareId::ETHERNET,
        EtherType::IPV4,
        ArpOperation::REQUEST,
        &MAC,
        &own.octets(),
        &[0; 6],
        &wanted.octets(),
    )?;
    let packet = PacketBuilder::ethernet2(MAC, EVERYBODY).arp(arp);
    let mut frame = Vec::with_capacity(packet.size());
    packet.write(&mut frame)?;
    Ok(frame)
}

/// The hardware address in an answer to that question; none in any other frame.
fn answer(frame: &[u8], own: Ipv4Addr, wanted: Ipv4Addr) -> Option<[u8; 6]> {
    let Some(NetSlice::Arp(arp)) = SlicedPacket::from_ethernet(frame).ok()?.net else {
        return None;
    };
    let arp = ArpEthIpv4Packet::try_from(arp.to_packet()).ok()?;
    let is_it = arp.operation == ArpOperation::REPLY
        && arp.sender_ipv4 == wanted.octets()
        && arp.target_ipv4 == own.octets();
    is_it.then_some(arp.sender_mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 77);
    const OTHER: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 1);

    #[test]
    fn a_question_is_as_the_standard_says() {
        let frame = question(OWN, OTHER).unwrap();
        let expected = "ffffffffffff 525400990001 0806 0001 0800 06 04 0001 \
                        525400990001 0a09084d 000000000000 0a090801";
        assert_eq!(hex::encode(&frame), expected.replace(' ', ""));
        assert_eq!(answer(&frame, OWN, OTHER), None, "no question is an answer");
    }

    #[test]
    fn only_the_answer_to_the_question_counts() {
        let mac = [2, 0, 0, 0, 0, 9];
        let frame = |sender: Ipv4Addr, target: Ipv4Addr| {
            let arp = ArpPacket::new(
                ArpHardwareId::ETHERNET,
                EtherType::IPV4,
                ArpOperation::REPLY,
                &mac,
                &sender.octets(),
                &MAC,
                &target.octets(),
            );
            let mut frame = Vec::new();
            let packet = PacketBuilder::ethernet2(mac, MAC).arp(arp.unwrap());
            packet.write(&mut frame).unwrap();
            frame
        };
        assert_eq!(answer(&frame(OTHER, OWN), OWN, OTHER), Some(mac));
        assert_eq!(answer(&frame(OWN, OWN), OWN, OTHER), None);
        assert_eq!(answer(&frame(OTHER, OTHER), OWN, OTHER), None);
        assert_eq!(answer(&frame(OTHER, OWN)[..30], OWN, OTHER), None);
        assert_eq!(answer(b"", OWN, OTHER), None);
    }

    #[test]
    fn a_silent_station_is_found_and_says_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (station, cable) = Station::plug_in(folder.path()).unwrap();
        // The machine is a station, too.
        let machine = Station {
            socket: UnixDatagram::bind(&cable.machine).unwrap(),
            machine: cable.other,
        };
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let silent = scope.spawn(|| station.be_silently(&[OTHER], &stop));
            let found = machine.who_has(OWN, OTHER, Duration::from_secs(60));
            assert_eq!(found.unwrap(), MAC);
            let (from, to) = (SocketAddrV4::new(OWN, 4000), SocketAddrV4::new(OTHER, 53));
            machine.send_udp(MAC, from, to).unwrap();
            machine
                .send_udp(MAC, from, SocketAddrV4::new(OTHER, 123))
                .unwrap();
            // What was sent before is counted when this is answered.
            machine
                .who_has(OWN, OTHER, Duration::from_secs(60))
                .unwrap();
            stop.store(true, Ordering::Relaxed);
            let unanswered = silent.join().unwrap().unwrap();
            assert_eq!(unanswered, Unanswered { names: 1 });
        });
        let other = question(OTHER, OWN).unwrap();
        let Some(Asked::Address(other)) = asked(&other) else {
            panic!("no question");
        };
        assert_eq!(reply(&other, &[OTHER]).unwrap(), None);
    }

    #[test]
    fn a_machine_that_answers_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let (station, cable) = Station::plug_in(folder.path()).unwrap();
        let machine = UnixDatagram::bind(&cable.machine).unwrap();
        let (mac, mut asked) = ([2, 0, 0, 0, 0, 9], [0; FRAME]);
        let other = std::thread::spawn(move || {
            let length = machine.recv(&mut asked).unwrap();
            let mut frame = asked[..length].to_vec();
            // A reply: the operation, and who sends and who is meant.
            frame[21] = 2;
            frame[22..28].copy_from_slice(&mac);
            frame[28..32].copy_from_slice(&OTHER.octets());
            frame[38..42].copy_from_slice(&OWN.octets());
            machine.send_to(b"noise", &cable.other).unwrap();
            machine.send_to(&frame, &cable.other).unwrap();
        });
        let found = station.who_has(OWN, OTHER, Duration::from_secs(60));
        assert_eq!(found.unwrap(), mac);
        other.join().unwrap();
    }
}
