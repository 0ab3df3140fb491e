//! Two networks: nothing goes from one to the other unless the settings say so, and name servers that do
//! not answer delay nothing.
//!
//! The enterprise network is the cable, where a station is router and name server, and silent. The
//! cameras' is QEMU's own, through which the scenario talks to the appliance.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};

use super::boot::{self, Expect, Up};
use super::unattended::{HOSTNAME, Order, answers};
use super::{disk, scenario, ssh};
use crate::context::Context;
use crate::step::Step;
use crate::vm::cable::Station;
use crate::vm::command::{Bus, Disk, FIRST_MAC, Firmware, Machine, SECOND_MAC, mac_text};
use crate::vm::images;

const BYTES: u64 = 9_000_000_000;
const SERIAL: &str = "VIGIE-CI-NET";
/// The appliance in the enterprise network, and in the cameras', where QEMU forwards to it.
const AT_ENTERPRISE: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 1);
const AT_CAMERAS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
/// The host, as the cameras' network sees it.
const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// The enterprise's router.
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 254);
/// Name servers that say nothing: in the own network, and behind the router (RFC 5737). One that is
/// not even there would end a lookup at once.
const SILENT: Ipv4Addr = Ipv4Addr::new(10, 9, 8, 53);
const BEHIND: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
/// So much longer a start may take by dead name servers. One that waited for a name would take
/// some of the resolver's tries, of several seconds each for each server, or as long as the old
/// product: tens of minutes.
const LONGER: Duration = Duration::from_secs(60);
/// A frame and its answer, on a busy machine.
const ANSWERS: Duration = Duration::from_secs(60);
/// Datagrams that are sent where none may arrive.
const TRIES: u16 = 20;

pub(super) fn step() -> Step {
    scenario(
        "networks",
        "no packet goes from one network to the other unless the settings say so; dead name servers delay neither start nor log-in",
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
    let stop = AtomicBool::new(false);
    let up = thread::scope(|scope| {
        let silent = scope.spawn(|| station.be_silently(&[ROUTER, SILENT], &stop));
        let up = start(ctx, machine, usual);
        stop.store(true, Ordering::Relaxed);
        let unanswered = silent
            .join()
            .map_err(|_| anyhow!("the station panicked"))??;
        let up = up?;
        ctx.note(format!("{} questions for names", unanswered.names));
        up.blame(asked(unanswered.names))?;
        Ok::<Up, anyhow::Error>(up)
    })?;
    up.blame(nothing_passes(ctx, &up, &station))?;
    route(ctx, &up)?;
    routed(ctx, &path)
}

/// People may reach the cameras from the next start on.
fn route(ctx: &Context, up: &Up) -> Result<()> {
    let key = ssh::Key::of_step(ctx)?;
    let set = "vigie-settings set network.routing true && vigie-settings get network.routing";
    let said = key.says(ctx, &up.vm, set);
    let said = up.blame(said)?;
    ensure!(said.contains("true"), "routing: {said}");
    up.power_off()
}

fn routed(ctx: &Context, path: &Path) -> Result<()> {
    let (station, cable) = Station::plug_in(ctx.folder())?;
    let mut machine = ctx.machine(Firmware::Bios)?.cable(cable);
    machine.disks = vec![Disk::new(path, Bus::Virtio)];
    let up = boot::start(ctx, "routed", machine, Expect::Ok)?;
    let key = ssh::Key::of_step(ctx)?;
    let settle = || key.says(ctx, &up.vm, "true").map(drop);
    let passed = up.blame(passed(&station, &Arrivals::new()?, &settle, true))?;
    up.blame(passed.then_some(()).context("people do not reach a camera"))?;
    up.vm.kill()
}

/// The start, and a log-in, while the name servers are silent.
fn start(ctx: &Context, machine: Machine, usual: Duration) -> Result<Up> {
    let up = boot::start(ctx, "dead", machine, Expect::Ok)?;
    let dead = up.vm.now();
    let in_time = dead < usual + LONGER;
    let words = || format!("started after {dead:?} with dead name servers, {usual:?} without");
    up.blame(in_time.then_some(()).with_context(words))?;
    up.blame(names_are_dead(ctx, &up))?;
    Ok(up)
}

fn asked(names: u32) -> Result<()> {
    ensure!(names > 0, "the name servers were never asked");
    Ok(())
}

/// How long the same image takes where name servers answer.
fn usual_start(ctx: &Context) -> Result<Duration> {
    let disk = Disk::new(disk::overlay(ctx, ctx.installed_disk()?)?, Bus::Virtio).qcow2();
    let up = boot::boot(ctx, "usual", Firmware::Bios, &[disk], Expect::Ok)?;
    let usual = up.vm.now();
    up.vm.kill()?;
    Ok(usual)
}

fn install(ctx: &Context, path: &Path) -> Result<()> {
    images::empty(path, BYTES)?;
    let servers = [SILENT, BEHIND].map(|server| format!("\"{server}\""));
    let network = format!(
        "mac = \"{}\"\naddress = \"{AT_ENTERPRISE}/24\"\ngateway = \"{ROUTER}\"\ndns = [{}]\n\n\
         [network.cameras]\nmac = \"{}\"\naddress = \"{AT_CAMERAS}/24\"\n\n\
         [time]\nntp = [\"time.example.org\"]\n",
        mac_text(SECOND_MAC),
        servers.join(", "),
        mac_text(FIRST_MAC),
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
    ensure!(login < LONGER, "a log-in takes {login:?}");
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
        let settle = || says("true").map(drop);
        let passed = passed(station, &host, &settle, passes)?;
        ensure!(
            passed == passes,
            "forwarding {kernel}, nftables {policy}: a datagram passed: {passed}"
        );
    }
    Ok(())
}

/// Whether a datagram passes; where that is expected they are sent until one does. `settle` returns when
/// what the appliance passed on has come out of it.
fn passed(
    station: &Station,
    host: &Arrivals,
    settle: &dyn Fn() -> Result<()>,
    expected: bool,
) -> Result<bool> {
    let begun = Instant::now();
    loop {
        send(station, host.address()?)?;
        // It answers by the cameras' card, behind what was passed on.
        settle()?;
        let passed = host.one()?;
        if passed || !expected || begun.elapsed() > ANSWERS {
            return Ok(passed);
        }
    }
}

/// Sends datagrams for the host in the cameras' network into the enterprise's. All were received
/// when it returns.
fn send(station: &Station, to: SocketAddrV4) -> Result<()> {
    let person = |number: u8| Ipv4Addr::new(10, 9, 8, number);
    let mac = station.who_has(person(77), AT_ENTERPRISE, ANSWERS)?;
    ensure!(mac == SECOND_MAC, "the enterprise network is at {mac:?}");
    for port in 0..TRIES {
        let from = SocketAddrV4::new(person(78), 40_000 + port);
        station.send_udp(mac, from, to)?;
    }
    // By another address: no answer to the first question is taken for that to this one.
    station
        .who_has(person(79), AT_ENTERPRISE, ANSWERS)
        .map(drop)
}

/// Datagrams that came out of the cameras' network.
struct Arrivals(UdpSocket);

impl Arrivals {
    fn new() -> Result<Arrivals> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("listening")?;
        socket.set_nonblocking(true)?;
        Ok(Arrivals(socket))
    }

    /// Where it listens, as the cameras' network sees it.
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
