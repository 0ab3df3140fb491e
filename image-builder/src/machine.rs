//! `cargo image run` and `demo`: the image in a virtual machine.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use reqwest::blocking::Client;

use crate::interrupt::Machine as Running;
use crate::progress::Reporter;
use crate::vm::accel::{self, probe};
use crate::vm::command::{Accel, Bus, Disk, Display, Firmware, Forward, Machine, Programs, Wire};
use crate::vm::{Emulator, free_port};

/// How often a machine that is starting is asked whether it is well: it cannot call us.
const ASKING: Duration = Duration::from_millis(500);
/// How long a machine may take to become healthy.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is started.
pub struct Order {
    /// The medium, if the machine has one.
    pub medium: Option<PathBuf>,
    /// A disk, raw or qcow2 by its name.
    pub disk: Option<PathBuf>,
    /// What starts the machine.
    pub firmware: Firmware,
    /// Whether the screen can be watched by VNC.
    pub vnc: bool,
}

/// The forwarded ports of a machine.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    /// Web pages.
    pub http: u16,
    /// ssh.
    pub ssh: u16,
}

impl Ports {
    /// 8080 and 2222, or others if those are taken.
    ///
    /// # Errors
    /// No port is free.
    pub fn pick() -> Result<Self> {
        Ok(Self {
            http: free_port(8080)?,
            ssh: free_port(2222)?,
        })
    }
}

fn machine(order: &Order, ports: Ports, accel: Accel, serial: Wire) -> Machine {
    let mut machine = Machine::new(order.firmware).accel(accel);
    if let Some(medium) = &order.medium {
        machine = machine.disk(Disk::new(medium, Bus::Cd));
    }
    if let Some(path) = &order.disk {
        let disk = Disk::new(path, Bus::Virtio);
        let is_qcow2 = path.extension().is_some_and(|e| e == "qcow2");
        machine = machine.disk(if is_qcow2 { disk.qcow2() } else { disk });
    }
    machine.forwards = vec![
        Forward {
            host: ports.http,
            guest: 80,
        },
        Forward {
            host: ports.ssh,
            guest: 22,
        },
    ];
    machine.serial = serial;
    if order.vnc {
        machine.display = Display::Vnc(0);
    }
    machine
}

fn start(
    order: &Order,
    ports: Ports,
    emulator: &Emulator,
    serial: Wire,
    reporter: Reporter,
) -> Result<Child> {
    let phase = reporter.phase("looking for KVM", None);
    let found = probe(emulator, order.firmware, accel::LIMIT);
    phase.done();
    reporter.say("accel", &format!("{}: {}", found.accel, found.why));
    let with_terminal = serial == Wire::Stdio;
    let machine = machine(order, ports, found.accel, serial);
    let mut command = emulator.command("qemu-system-x86_64");
    command.args(machine.arguments(emulator.share_dir())?);
    if !with_terminal {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
    }
    command.spawn().context("starting QEMU")
}

fn say_ports(ports: Ports, vnc: bool, reporter: Reporter) {
    reporter.say("web", &format!("web:    http://127.0.0.1:{}/", ports.http));
    reporter.say(
        "health",
        &format!("health: http://127.0.0.1:{}/health", ports.http),
    );
    reporter.say(
        "ssh",
        &format!(
            "ssh:    ssh -p {} root@127.0.0.1 (once the settings hold a key)",
            ports.ssh
        ),
    );
    if vnc {
        reporter.say("screen", "screen: VNC on 127.0.0.1:5900");
    }
}

/// Starts a machine with its serial console on this terminal; returns when it is off.
///
/// # Errors
/// QEMU cannot be started or fails.
pub fn run(order: &Order, emulator: &Emulator, reporter: Reporter) -> Result<()> {
    let ports = Ports::pick()?;
    say_ports(ports, order.vnc, reporter);
    reporter.say(
        "stop",
        "the serial console follows; Ctrl-C ends the machine",
    );
    let mut running = Running::new(start(order, ports, emulator, Wire::Stdio, reporter)?);
    let status = running.child().wait()?;
    if !status.success() {
        bail!("QEMU ended with {status}");
    }
    Ok(())
}

/// Starts a disk, waits until the appliance says that it is well, and stays until it ends
/// or, with `leave`, ends it there.
///
/// # Errors
/// The machine ends early, or is not well in time; the console's log is named.
pub fn demo(
    order: &Order,
    emulator: &Emulator,
    log: &Path,
    leave: bool,
    reporter: Reporter,
) -> Result<()> {
    let ports = Ports::pick()?;
    let serial = Wire::File(log.to_owned());
    let mut running = Running::new(start(order, ports, emulator, serial, reporter)?);
    let phase = reporter.phase("booting", None);
    let begun = Instant::now();
    wait_until_healthy(running.child(), ports.http).with_context(|| {
        format!(
            "the appliance did not come up; its console is in {}",
            log.display()
        )
    })?;
    phase.done();
    reporter.say(
        "healthy",
        &format!("healthy after {:.0} s", begun.elapsed().as_secs_f64()),
    );
    say_ports(ports, order.vnc, reporter);
    if leave {
        return Ok(());
    }
    reporter.say("stop", "stop it with Ctrl-C");
    running.child().wait().context("waiting for QEMU")?;
    Ok(())
}

fn wait_until_healthy(child: &mut Child, port: u16) -> Result<()> {
    let client = Client::builder()
        .timeout(Duration::from_secs(5))
        .no_proxy()
        .build()?;
    let url = format!("http://127.0.0.1:{port}/health");
    let deadline = Instant::now() + PATIENCE;
    let mut last = String::from("no answer yet");
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            let mut said = String::new();
            if let Some(mut stderr) = child.stderr.take() {
                std::io::Read::read_to_string(&mut stderr, &mut said)?;
            }
            bail!("QEMU ended with {status}\n{said}");
        }
        match client.get(&url).send().and_then(|answer| answer.text()) {
            Ok(text) if is_well(&text) => return Ok(()),
            Ok(text) => last = format!("{url} says {text}"),
            Err(error) => last = error.to_string(),
        }
        std::thread::sleep(ASKING);
    }
    bail!("not healthy after {} s: {last}", PATIENCE.as_secs())
}

/// Whether an answer of `GET /health` says that all is well.
fn is_well(answer: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(answer).is_ok_and(|health| health["status"] == "ok")
}

#[cfg(test)]
mod tests {
    use super::is_well;

    #[test]
    fn only_ok_is_well() {
        for (answer, expected) in [
            (r#"{"status":"ok","slot":"a"}"#, true),
            (r#"{"status":"degraded"}"#, false),
            ("<html>", false),
            ("", false),
        ] {
            assert_eq!(is_well(answer), expected, "{answer}");
        }
    }
}
