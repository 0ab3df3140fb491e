//! /var: the state volume, checked first; in memory when live or in recovery, which
//! decides itself what is done to the volume, and when the volume cannot be had,
//! because a box that can be reached can be repaired.

use std::ffi::CStr;
use std::path::Path;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use vigie_initrd::cmdline::Request;
use vigie_initrd::fsck::{self, OPERATIONAL_ERROR, Verdict};
use vigie_initrd::report::StateCheck;
use vigie_initrd::settings::Volume;
use vigie_initrd::state_check::{Checked, is_begun, looked_through, preened};
use vigie_initrd::trouble::{Step, Trouble};

use crate::consoles::{note, show, tell};
use crate::devices::BlockDevice;
use crate::loader::Loader;
use crate::program;
use crate::root::Root;

const TARGET: &str = "/sysroot/var";
/// Where somebody asks for a check of all volumes (`vigie_settings::apply::CHECK_NEXT`).
const ASKED: &str = "/sysroot/var/lib/vigie";
/// Programs of the system image, which is not the root yet, are started by its own loader.
const LOADER: &str = "/sysroot/usr/lib64/ld-linux-x86-64.so.2";
const LOADED: [&str; 3] = [
    "--library-path",
    "/sysroot/usr/lib/x86_64-linux-gnu",
    "/sysroot/usr/bin/vigie-recovery",
];

/// A folder of the volume grows to 64 KiB of names and no further, which is about 3500 files of short names: the
/// account that drops packages by scp has one folder and makes no others, so it cannot take all
/// inodes from settings and boot state. ext4(5); the kernel answers "no space" for that folder alone.
const OPTIONS: &CStr = c"errors=remount-ro,max_dir_size_kb=64";

/// What is mounted on /var.
pub struct Var {
    /// The state volume; None where /var is in memory.
    pub device: Option<String>,
    /// How the check went; None when live or in recovery.
    pub check: Option<StateCheck>,
}

impl Var {
    /// Whether what is written there is there after a restart, and if not, whether it should be.
    pub fn volume(&self) -> Volume {
        match (&self.device, &self.check) {
            (Some(_), _) => Volume::State,
            (None, Some(_)) => Volume::Lost,
            (None, None) => Volume::Live,
        }
    }
}

/// Mounts /var below the system's root.
pub fn mount_var(request: &Request, loader: &Loader, root: &Root) -> Result<Var, Trouble> {
    let source = match root {
        Root::Installed { disk, arrays, .. } if request.boot.uses_state() => arrays.state(disk),
        Root::Installed { .. } | Root::Live { .. } => {
            mount_memory()?;
            return Ok(Var {
                device: None,
                check: None,
            });
        }
    };
    let (device, check) = match mount_state(loader, source) {
        Ok((device, check)) => (Some(device), check),
        Err(check) => {
            say_in_memory(&check);
            mount_memory()?;
            (None, check)
        }
    };
    Ok(Var {
        device,
        check: Some(check),
    })
}

/// Checks and mounts the state volume; the error is what the check, or what
/// came instead of it, said.
fn mount_state(
    loader: &Loader,
    source: Result<BlockDevice, String>,
) -> Result<(String, StateCheck), StateCheck> {
    let device = source.map_err(not_checked)?.node();
    let check = preened(&mut Device(&device))?;
    loader.need("ext4");
    mount_on_var(&device, &check)?;
    let check = match is_begun(Path::new(ASKED)) {
        Ok(false) => check,
        // Somebody has asked for it; the volume itself says so, and is not in use yet.
        Ok(true) => checked_again(&device, check)?,
        Err(error) => {
            note(format_args!(
                "state volume {device} is not looked through, which was asked for: {error}"
            ));
            check
        }
    };
    note(format_args!("state volume {device} mounted"));
    Ok((device, check))
}

fn mount_on_var(device: &str, check: &StateCheck) -> Result<(), StateCheck> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOATIME;
    let mounted = mount(device, TARGET, "ext4", flags, Some(OPTIONS));
    mounted.map_err(|e| not_checked(format!("mounting {device} on /var: {e}; {}", check.summary)))
}

/// The volume, looked through although it is clean, and mounted again.
fn checked_again(device: &str, before: StateCheck) -> Result<StateCheck, StateCheck> {
    if let Err(error) = unmount(TARGET, UnmountFlags::empty()) {
        note(format_args!(
            "state volume {device} cannot be checked again: {error}"
        ));
        return Ok(before);
    }
    let check = looked_through(&mut Device(device))?;
    if fsck::verdict(Some(check.exit)) == Verdict::Faulty {
        say_used_all_the_same(device, &check);
    }
    mount_on_var(device, &check)?;
    Ok(check)
}

/// The volume, by its device.
struct Device<'a>(&'a str);

impl Checked for Device<'_> {
    fn check(&mut self, words: &[&str]) -> (Verdict, StateCheck) {
        recovery(words, self.0)
    }

    fn say_repairing(&mut self, found: &StateCheck) {
        say_repairing(self.0, found);
    }
}

/// The system's own check of volumes, from its verified image, with the e2fsck of the initrd. What
/// it says while it works is shown as it stands.
fn recovery(mode: &[&str], device: &str) -> (Verdict, StateCheck) {
    let words = [&LOADED[..], &["--language", "en", "check"], mode, &[device]].concat();
    let mut line = |line: &str| {
        if fsck::is_progress(line) {
            show(&format!("Vigie: {line}\r\n"));
        }
    };
    match program::run_watched(LOADER, &words, None, &mut line) {
        Ok(outcome) => {
            let check = StateCheck {
                exit: outcome.exit.unwrap_or(OPERATIONAL_ERROR),
                summary: fsck::summary(&outcome.output),
            };
            (fsck::verdict(outcome.exit), check)
        }
        Err(error) => (Verdict::Faulty, not_checked(format!("{LOADER}: {error}"))),
    }
}

fn not_checked(summary: String) -> StateCheck {
    StateCheck {
        exit: OPERATIONAL_ERROR,
        summary,
    }
}

fn mount_memory() -> Result<(), Trouble> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", TARGET, "tmpfs", flags, Some(c"mode=0755"))
        .map_err(|e| Trouble::new(Step::MountWritable, "/var (tmpfs)", e))
}

fn say_repairing(device: &str, check: &StateCheck) {
    let summary = &check.summary;
    tell(
        &format!(
            "the state volume {device} is damaged ({summary}); it is being repaired, do not switch off"
        ),
        &format!(
            "le volume d'état {device} est endommagé ({summary}) ; \
             réparation en cours, ne coupez pas l'alimentation"
        ),
    );
}

fn say_used_all_the_same(device: &str, check: &StateCheck) {
    let summary = &check.summary;
    tell(
        &format!(
            "the state volume {device} is damaged where no start needs it ({summary}); it is used all the \
             same: back up the settings, then repair it from the installation medium"
        ),
        &format!(
            "le volume d'état {device} est endommagé là où aucun démarrage n'en a besoin ({summary}) ; il \
             est utilisé quand même : sauvegardez les réglages, puis réparez-le depuis le support \
             d'installation"
        ),
    );
}

fn say_in_memory(check: &StateCheck) {
    let summary = &check.summary;
    tell(
        &format!(
            "THE STATE VOLUME CANNOT BE USED ({summary}). The machine starts with default \
             settings and keeps nothing; start from the installation medium and choose repair"
        ),
        &format!(
            "LE VOLUME D'ÉTAT EST INUTILISABLE ({summary}). La machine démarre avec les réglages \
             par défaut et ne garde rien ; démarrez sur le support d'installation et choisissez \
             la réparation"
        ),
    );
}
