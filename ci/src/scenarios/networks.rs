//! Two networks: nothing goes from the cameras' to the enterprise's, and name servers that do not
//! answer delay nothing.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::boot::{self, Expect, Up};
use super::unattended::{HOSTNAME, Order, answers};
use super::{disk, scenario, ssh};
use crate::context::Context;
use crate::step::Step;
use crate::vm::cable::Station;
use crate::vm::command::{Bus, Disk, FIRST_MAC, Firmware, SECOND_MAC, mac_text};
use crate::vm::images;

const BYTES: u64 = 9_000_000_000;
const SERIAL: &str = "VIGIE-CI-NET";
/// The appliance in the cameras' network, and in the enterprise's, where QEMU forwards to it.
const AT_CAMERAS: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 1);
const AT_ENTERPRISE: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
/// The host, as the enterprise's network sees it.
const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// Nobody is there: in the own network, and behind the gateway (RFC 5737).
const NO_NAME_SERVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 2, 99), Ipv4Addr::new(192, 0, 2, 53)];
/// So much longer a start may take by dead name servers. One that waited for a name would take
/// some of the resolver's tries, of ten seconds each for each server, or as long as the old
/// product: tens of minutes.
const LONGER: Duration = Duration::from_secs(60);
/// A frame and its answer, on a busy machine.
const ANSWERS: Duration = Duration::from_secs(60);
/// Datagrams that are sent where none may arrive.
const TRIES: u16 = 20;

pub(super) fn step() -> Step {
    scenario(
        "networks",
        "no packet goes from the cameras' network to the enterprise's; dead name servers delay neither start nor log-in",
        &["install"],
        run,
    )
}

fn run(ctx: &Context) -> Result<()> {
    let usual = usual_start(ctx)?;
    let path = ctx.folder().join("disk.raw");
    install(ctx, &path)?;
    let (station, cable) = Station::plug_in(ctx.folder())?;
    let mut machine = ctx.machine(Firmware::Bios)?.cable(cable);
    machine.disks = vec![Disk::new(&path, Bus::Virtio)];
    let up = boot::start(ctx, "dead", machine, Expect::Ok)?;
    let dead = up.vm.now();
    let in_time = dead < usual + LONGER;
    let words = || format!("started after {dead:?} with dead name servers, {usual:?} without");
    up.blame(in_time.then_some(()).with_context(words))?;
    up.blame(names_are_dead(ctx, &up))?;
    up.blame(nothing_passes(ctx, &up, &station))?;
    up.vm.kill()
}

/// How long the same image takes where name servers answer.
fn usual_start(ctx: &Context) -> Result<Duration> {
    let disk = Disk::new(disk::overlay(ctx, ctx.installed_disk()?)?, Bus::Virtio).qcow2();
    let up = boot::boot(ctx, "usual", Firmware::Bios, &[disk], Expect::Ok)?;
    let usual = up.vm.now();
    up.vm.kill()?;
    Ok(usual)
}

fn install(ctx: &Context, path: &std::path::Path) -> Result<()> {
    images::empty(path, BYTES)?;
    let servers = NO_NAME_SERVERS.map(|server| format!("\"{server}\""));
    let network = format!(
        "mac = \"{}\"\naddress = \"{AT_ENTERPRISE}/24\"\ngateway = \"{HOST}\"\ndns = [{}]\n\n\
         [network.cameras]\nmac = \"{}\"\naddress = \"{AT_CAMERAS}/24\"\n\n\
         [time]\nntp = [\"time.example.org\"]\n",
        mac_text(FIRST_MAC),
        servers.join(", "),
        mac_text(SECOND_MAC),
    );
    let target = format!("[target]\nserial = \"{SERIAL}\"");
    let order = Order {
        firmware: Firmware::Bios,
        medium: Disk::new(&ctx.image()?.iso, Bus::Usb).throwaway(),
        disks: vec![Disk::new(path, Bus::Virtio).serial(SERIAL)],
        answers: answers(ctx, &target, HOSTNAME)?.replace("dhcp = true\n", &network),
    };
    order.install(ctx, "install").map(drop)
}

/// No name is known, and who logs in does not wait for one.
fn names_are_dead(ctx: &Context, up: &Up) -> Result<()> {
    let key = ssh::Key::of_step(ctx)?;
    let says = |command: &str| key.says(ctx, &up.vm, command);
    let begun = Instant::now();
    let name = says("timeout 600 getent hosts vigie.example.org || echo unknown")?;
    let resolver = begun.elapsed();
    ensure!(name.trim() == "unknown", "a name server answers: {name}");
    let begun = Instant::now();
    says("true")?;
    let login = begun.elapsed();
    ctx.note(format!(
        "a name is given up after {resolver:.0?}, a log-in takes {login:.1?}"
    ));
    ensure!(
        login < resolver,
        "a log-in takes {login:?}, a name {resolver:?}: it waits for names"
    );
    Ok(())
}

/// Each of the two guards holds alone. Without both a datagram passes: the test can fail.
fn nothing_passes(ctx: &Context, up: &Up, station: &Station) -> Result<()> {
    let key = ssh::Key::of_step(ctx)?;
    let says = |command: &str| key.says(ctx, &up.vm, command);
    let forwarding = says("sysctl -n net.ipv4.ip_forward net.ipv6.conf.all.forwarding")?;
    ensure!(forwarding == "0\n0\n", "the kernel forwards: {forwarding}");
    let host = Arrivals::new()?;
    for (kernel, policy, passes) in [
        ("0", "drop", false),
        ("0", "accept", false),
        ("1", "drop", false),
        ("1", "accept", true),
    ] {
        let chain = format!("forward '{{ policy {policy}; }}'");
        says(&format!(
            "sysctl -qw net.ipv4.ip_forward={kernel} && nft chain inet vigie {chain}"
        ))?;
        let begun = Instant::now();
        let passed = loop {
            send(station, host.address()?)?;
            // What was passed on is out of the enterprise's card before this answer is.
            says("true")?;
            let passed = host.one()?;
            if passed || !passes || begun.elapsed() > ANSWERS {
                break passed;
            }
        };
        ensure!(
            passed == passes,
            "forwarding {kernel}, nftables {policy}: a datagram passed: {passed}"
        );
    }
    Ok(())
}

/// Sends datagrams for the host in the enterprise's network into the cameras'. All were received
/// when it returns.
fn send(station: &Station, to: SocketAddrV4) -> Result<()> {
    let camera = |number: u8| Ipv4Addr::new(10, 9, 8, number);
    let mac = station.who_has(camera(77), AT_CAMERAS, ANSWERS)?;
    ensure!(mac == SECOND_MAC, "the cameras' network is at {mac:?}");
    for port in 0..TRIES {
        let from = SocketAddrV4::new(camera(78), 40_000 + port);
        station.send_udp(mac, from, to)?;
    }
    // By another address: no answer to the first question is taken for that to this one.
    station.who_has(camera(79), AT_CAMERAS, ANSWERS).map(drop)
}

/// Datagrams that came out of the enterprise's network.
struct Arrivals(UdpSocket);

impl Arrivals {
    fn new() -> Result<Arrivals> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("listening")?;
        socket.set_nonblocking(true)?;
        Ok(Arrivals(socket))
    }

    /// Where it listens, as the enterprise's network sees it.
    fn address(&self) -> Result<SocketAddrV4> {
        Ok(SocketAddrV4::new(HOST, self.0.local_addr()?.port()))
    }

    fn one(&self) -> Result<bool> {
        match self.0.recv(&mut [0; 64]) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error).context("receiving a datagram"),
        }
    }
}
