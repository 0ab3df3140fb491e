//! Does KVM work here? Asked of a machine rather than of a device node.
//!
//! `/dev/kvm` can be there and open and yet be of no use: nested virtualisation that aborts
//! on the first register, or guests that hang in their firmware. So the firmware that is
//! wanted is started under KVM with no disk, and only if it gets as far as saying that there
//! is nothing to boot is KVM used.

use std::fs::OpenOptions;
use std::io::Read;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::command::{Accel, Firmware, Machine, Programs, Wire};

/// How long a firmware may take under KVM; it takes one second where KVM works.
pub const LIMIT: Duration = Duration::from_secs(8);

/// What was found, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What to use.
    pub accel: Accel,
    /// The reason, for people.
    pub why: String,
}

/// Finds what can execute a machine with this firmware, within `limit`.
pub fn probe(programs: &dyn Programs, firmware: Firmware, limit: Duration) -> Probe {
    let tcg = |why| Probe {
        accel: Accel::Tcg,
        why,
    };
    if let Err(error) = OpenOptions::new().read(true).write(true).open("/dev/kvm") {
        return tcg(format!("/dev/kvm cannot be opened: {error}"));
    }
    match firmware_runs(programs, firmware, Accel::Kvm, limit) {
        Ok(true) => Probe {
            accel: Accel::Kvm,
            why: "firmware ran under KVM".to_owned(),
        },
        Ok(false) => tcg(format!(
            "/dev/kvm is there, but {firmware} firmware does not get through under it"
        )),
        Err(error) => tcg(format!("QEMU with KVM could not be tried: {error:#}")),
    }
}

/// Whether a machine without disks gets through its firmware in time.
pub fn firmware_runs(
    programs: &dyn Programs,
    firmware: Firmware,
    accel: Accel,
    limit: Duration,
) -> Result<bool> {
    let machine = trial(firmware, accel);
    let mut child = programs
        .command("qemu-system-x86_64")
        .args(machine.arguments(programs.share_dir())?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("starting qemu-system-x86_64")?;
    let seen = child
        .stdout
        .take()
        .map(read_in_background)
        .is_some_and(|chunks| wait_for(&chunks, sign(firmware), limit));
    end(&mut child)?;
    Ok(seen)
}

/// The smallest machine that shows the firmware's progress on standard output.
fn trial(firmware: Firmware, accel: Accel) -> Machine {
    let mut machine = Machine::new(firmware).accel(accel).memory_mib(256);
    match firmware {
        Firmware::Bios => machine.firmware_log = Wire::Stdio,
        Firmware::Uefi | Firmware::SecureBoot => machine.serial = Wire::Stdio,
    }
    machine
}

/// What the firmware says when it has done all its work and found no disk.
fn sign(firmware: Firmware) -> &'static str {
    match firmware {
        Firmware::Bios => "No bootable device",
        Firmware::Uefi | Firmware::SecureBoot => "BdsDxe:",
    }
}

fn read_in_background(mut output: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = output.read(&mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

fn wait_for(chunks: &Receiver<Vec<u8>>, sign: &str, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    let mut text = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(chunk) = chunks.recv_timeout(left) else {
            return false;
        };
        text.extend(chunk);
        if text.windows(sign.len()).any(|part| part == sign.as_bytes()) {
            return true;
        }
    }
}

fn end(child: &mut Child) -> Result<()> {
    child.kill().context("ending the trial machine")?;
    child.wait().context("waiting for the trial machine")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_is_found_across_chunks_and_missed_at_the_end() {
        let cases: [(&[&str], bool); 4] = [
            (&["SeaBIOS\nNo boot", "able device.\n"], true),
            (&["SeaBIOS\n"], false),
            (&[], false),
            (&["No bootable device"], true),
        ];
        for (chunks, expected) in cases {
            let (sender, receiver) = mpsc::channel();
            for chunk in chunks {
                sender.send(chunk.as_bytes().to_vec()).unwrap();
            }
            drop(sender);
            let found = wait_for(&receiver, sign(Firmware::Bios), Duration::from_secs(5));
            assert_eq!(found, expected, "{chunks:?}");
        }
    }
}
