//! /var: the state volume, checked first; in memory when live or in recovery, which
//! decides itself what is done to the volume, and when the volume cannot be had,
//! because a box that can be reached can be repaired.

use std::ffi::CStr;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use vigie_initrd::cmdline::Request;
use vigie_initrd::fsck::{self, OPERATIONAL_ERROR, Verdict};
use vigie_initrd::report::{StateCheck, Why};
use vigie_initrd::settings::Volume;
use vigie_initrd::state_check::{Checked, is_begun, looked_through, preened};
use vigie_initrd::trouble::{Step, Trouble};

use crate::consoles::{note, show, tell, warn};
use crate::devices::BlockDevice;
use crate::loader::Loader;
use crate::program;
use crate::root::Root;

/// Where the reports of checks lie until /var is there.
const REPORTS: &str = "/run/vigie/state-checks";
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
    let mut reports = Reports::default();
    let (device, check) = match mount_state(loader, source, &mut reports) {
        Ok((device, check)) => (Some(device), check),
        Err(check) => {
            say_in_memory(&check);
            mount_memory()?;
            (None, check)
        }
    };
    reports.keep();
    Ok(Var {
        device,
        check: Some(check),
    })
}

/// Checks and mounts the state volume; the error is what the check, or what
/// came instead of it, said.
fn mount_state(
    loader: &Loader,
    source: Result<BlockDevice, Why>,
    reports: &mut Reports,
) -> Result<(String, StateCheck), StateCheck> {
    let device = source.map_err(StateCheck::not_made)?.node();
    let check = preened(&mut Device(&device, reports))?;
    loader.need("ext4");
    mount_on_var(&device, &check)?;
    let check = match is_begun(Path::new(ASKED)) {
        Ok(false) => check,
        // Somebody has asked for it; the volume itself says so, and is not in use yet.
        Ok(true) => checked_again(&device, check, reports)?,
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
    mounted.map_err(|error| StateCheck::not_made(Why::not_mounted(device, &error, check)))
}

/// The volume, looked through although it is clean, and mounted again.
fn checked_again(
    device: &str,
    before: StateCheck,
    reports: &mut Reports,
) -> Result<StateCheck, StateCheck> {
    if let Err(error) = unmount(TARGET, UnmountFlags::empty()) {
        note(format_args!(
            "state volume {device} cannot be checked again: {error}"
        ));
        return Ok(before);
    }
    let check = looked_through(&mut Device(device, reports))?;
    if fsck::verdict(Some(check.exit)) == Verdict::Faulty {
        say_used_all_the_same(device, &check);
    }
    mount_on_var(device, &check)?;
    Ok(check)
}

/// The volume, by its device, and where the reports of its checks go.
struct Device<'a>(&'a str, &'a mut Reports);

impl Checked for Device<'_> {
    fn check(&mut self, words: &[&str]) -> (Verdict, StateCheck) {
        recovery(words, self.0, self.1)
    }

    fn say_repairing(&mut self, found: &StateCheck) {
        say_repairing(self.0, found);
    }
}

/// The reports of this start's checks: a folder for each in memory, while the volume cannot be written to. Nobody
/// was asked before what they tell of was done.
#[derive(Default)]
struct Reports {
    checks: usize,
    has_news: bool,
}

impl Reports {
    /// The folder of the next one.
    fn next(&mut self) -> PathBuf {
        self.checks += 1;
        Path::new(REPORTS).join(self.checks.to_string())
    }

    /// Takes them onto /var, be it in memory, where a check did not find the volume clean.
    fn keep(&self) {
        if !self.has_news || !Path::new(REPORTS).exists() {
            let _ = fs::remove_dir_all(REPORTS);
            return;
        }
        let words = [&LOADED[..], &["keep-reports", REPORTS, TARGET]].concat();
        match program::run(LOADER, &words, None) {
            Ok(outcome) if outcome.exit == Some(0) => {}
            Ok(outcome) => warn(format_args!("reports of checks: {}", outcome.output)),
            Err(error) => warn(format_args!("reports of checks: {LOADER}: {error}")),
        }
    }
}

/// The system's own check of volumes, from its verified image, with the e2fsck of the initrd. What
/// it says while it works is shown as it stands; what became of the volume is in its report, in both languages.
fn recovery(mode: &[&str], device: &str, reports: &mut Reports) -> (Verdict, StateCheck) {
    let folder = reports.next();
    let to = folder.to_string_lossy();
    let options = ["--report", to.as_ref(), device];
    let words = [&LOADED[..], &["--language", "en", "check"], mode, &options].concat();
    let mut line = |line: &str| {
        if fsck::is_progress(line) {
            show(&format!("Vigie: {line}\r\n"));
        }
    };
    let (verdict, check) = match program::run_watched(LOADER, &words, None, &mut line) {
        Ok(outcome) => {
            let summary = fsck::summary(&outcome.output);
            let check = StateCheck {
                exit: outcome.exit.unwrap_or(OPERATIONAL_ERROR),
                summary_fr: in_french(&folder).unwrap_or_else(|| summary.clone()),
                summary,
            };
            (fsck::verdict(outcome.exit), check)
        }
        Err(error) => {
            let why = Why::not_started(LOADER, &error);
            (Verdict::Faulty, StateCheck::not_made(why))
        }
    };
    reports.has_news |= verdict != Verdict::Clean;
    (verdict, check)
}

/// What became of the volume, from the French text of the report in a folder.
fn in_french(folder: &Path) -> Option<String> {
    let paths = fs::read_dir(folder).ok()?.flatten().map(|one| one.path());
    let is_french = |path: &PathBuf| path.to_string_lossy().ends_with(".fr.txt");
    let text = fs::read_to_string(paths.into_iter().find(is_french)?).ok()?;
    fsck::verdict_in(&text)
}

fn mount_memory() -> Result<(), Trouble> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    mount("tmpfs", TARGET, "tmpfs", flags, Some(c"mode=0755"))
        .map_err(|e| Trouble::new(Step::MountWritable, "/var (tmpfs)", e))
}

fn say_repairing(device: &str, check: &StateCheck) {
    let StateCheck {
        summary,
        summary_fr,
        ..
    } = check;
    tell(
        &format!(
            "the state volume {device} is damaged ({summary}); it is being repaired, do not switch off"
        ),
        &format!(
            "le volume d'état {device} est endommagé ({summary_fr}) ; \
             réparation en cours, ne coupez pas l'alimentation"
        ),
    );
}

fn say_used_all_the_same(device: &str, check: &StateCheck) {
    let StateCheck {
        summary,
        summary_fr,
        ..
    } = check;
    tell(
        &format!(
            "the state volume {device} is damaged where no start needs it ({summary}); it is used all the \
             same: back up the settings, then repair it from the installation medium"
        ),
        &format!(
            "le volume d'état {device} est endommagé là où aucun démarrage n'en a besoin ({summary_fr}) ; il \
             est utilisé quand même : sauvegardez les réglages, puis réparez-le depuis le support \
             d'installation"
        ),
    );
}

fn say_in_memory(check: &StateCheck) {
    let StateCheck {
        summary,
        summary_fr,
        ..
    } = check;
    tell(
        &format!(
            "THE STATE VOLUME CANNOT BE USED ({summary}). The machine starts with default \
             settings and keeps nothing; start from the installation medium and choose repair"
        ),
        &format!(
            "LE VOLUME D'ÉTAT EST INUTILISABLE ({summary_fr}). La machine démarre avec les réglages \
             par défaut et ne garde rien ; démarrez sur le support d'installation et choisissez \
             la réparation"
        ),
    );
}
