//! The state volume of an installation, mounted for a moment so that something can be changed on
//! it. One that was not unmounted is preened first, and repaired where that is not enough: as the
//! appliance itself does at each start.

use std::path::{Path, PathBuf};

use anyhow::Result;
use rustix::mount::MountFlags;
use vigie_disk::KernelDevice;
use vigie_disk::ext4::{Health, Superblock};
use vigie_installer::toolbox::Toolbox;
use vigie_settings::Language;

use crate::check::in_use::Uses;
use crate::check::keep;
use crate::check::{self, Check, Mode, Verdict, Volume, Watch};
use crate::full::Freed;
use crate::message::{Failed, Message};
use crate::mounted::Mounted;
use crate::refusal::Refusal;
use crate::tell::Tell;

/// What had to be done to a volume before it could be mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mended {
    /// Nothing: it was unmounted in good order.
    Nothing,
    /// Its journal was replayed, and mended what needs no decision.
    Preened,
    /// It was repaired.
    Repaired,
}

/// A mounted state volume. It is unmounted when this goes, also on an error.
pub struct State {
    mounted: Mounted,
    mended: Mended,
    report: Report,
}

/// What became of the report of a repair.
#[derive(Debug, Default)]
struct Report {
    /// What went for it, because the volume was full.
    freed: Option<Freed>,
    /// Why it is not there. The repair itself is done.
    not_kept: Option<Message>,
}

impl Report {
    /// Keeps it on the volume whose root is a folder.
    fn keep(report: &check::Report, root: &Path) -> Self {
        match keep::write_in(report, root) {
            Ok(saved) => Self {
                freed: saved.freed,
                not_kept: None,
            },
            Err(error) => Self {
                freed: None,
                not_kept: Some(Message::new("act.no-report").because(&error)),
            },
        }
    }
}

impl State {
    /// Checks the volume on a device and mounts it: no set-uid, no devices, no programs.
    ///
    /// # Errors
    /// It holds no file system, or one that cannot be repaired; the kernel refuses.
    pub fn open(device: &Path, tools: &dyn Toolbox, watch: &mut dyn Watch) -> Result<Self> {
        Self::open_where(device, tools, Ok(()), watch)
    }

    /// The same; a volume that must be mended first is left as it is where `may` refuses that.
    ///
    /// # Errors
    /// Those, and what `may` says.
    pub fn open_where(
        device: &Path,
        tools: &dyn Toolbox,
        may: Result<(), Refusal>,
        watch: &mut dyn Watch,
    ) -> Result<Self> {
        let clean = is_clean(&KernelDevice::open_read_only(device)?)?;
        let (mended, report) = ready(device, tools, clean, may, watch)?;
        let mounted = Mounted::new(device, "state", "ext4", MountFlags::empty())?;
        let report = report.filter(tells_of_changes);
        let report = report.map(|report| Report::keep(&report, &mounted.folder));
        Ok(Self {
            mounted,
            mended,
            report: report.unwrap_or_default(),
        })
    }

    /// Says what had to be done to it, and warns where the report of that is not there.
    pub fn tell(&self, tell: &mut Tell) {
        if let Some(message) = message(self.mended, &self.report) {
            tell.say("mended", &message);
        }
        tell.freed(self.report.freed.as_ref());
        if let Some(not_kept) = &self.report.not_kept {
            tell.warn(not_kept);
        }
    }

    /// Its root, which is /var of the installation.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.mounted.folder
    }

    /// The folder that the updater keeps its files in.
    #[must_use]
    pub fn updates(&self) -> PathBuf {
        self.folder().join(crate::volumes::UPDATES)
    }
}

/// What had to be done, in words, where there is something to say.
fn message(mended: Mended, report: &Report) -> Option<Message> {
    match (mended, &report.not_kept) {
        (Mended::Nothing, _) => None,
        (Mended::Preened, _) => Some(Message::new("act.mended")),
        (Mended::Repaired, None) => Some(Message::new("act.repaired")),
        (Mended::Repaired, Some(_)) => Some(Message::new("act.repaired-only")),
    }
}

/// Whether more was done than to replay the journal.
fn tells_of_changes(report: &check::Report) -> bool {
    let mut verdicts = report.volumes.iter().map(|one| &one.verdict);
    verdicts.any(|verdict| *verdict != Verdict::Clean)
}

/// Whether a file system was unmounted in good order; one without a superblock was not.
///
/// # Errors
/// It cannot be read.
fn is_clean(device: &dyn vigie_disk::BlockDevice) -> Result<bool> {
    let superblock = Superblock::read(device)?;
    Ok(superblock.is_some_and(|superblock| superblock.health == Health::Clean))
}

/// Sees to it that a volume may be mounted: preened, and repaired where that is not enough. Says what
/// had to be done, with the report of it. `device` may be an image file; `may` is whether it may be mended where it
/// has to be.
///
/// # Errors
/// It cannot be repaired, or holds something else; it may not be mended.
pub fn ready(
    device: &Path,
    tools: &dyn Toolbox,
    clean: bool,
    may: Result<(), Refusal>,
    watch: &mut dyn Watch,
) -> Result<(Mended, Option<check::Report>)> {
    if clean {
        return Ok((Mended::Nothing, None));
    }
    may?;
    let preened = checked(device, tools, Mode::Preen, watch);
    if is_good(&preened) {
        return Ok((Mended::Preened, Some(preened)));
    }
    let repaired = checked(device, tools, Mode::Repair, watch);
    match repaired.volumes.first().map(|one| &one.verdict) {
        Some(verdict) if !verdict.is_good() => {
            let message = Message::new("state.damaged").with("device", device.display());
            let why = |language| verdict.words(language);
            Err(Failed(message.both("why", why(Language::En), why(Language::Fr))).into())
        }
        _ => Ok((Mended::Repaired, Some(repaired))),
    }
}

fn is_good(report: &check::Report) -> bool {
    report.volumes.iter().all(|one| one.verdict.is_good())
}

fn checked(device: &Path, tools: &dyn Toolbox, mode: Mode, watch: &mut dyn Watch) -> check::Report {
    let check = Check {
        tools,
        uses: Uses::now(),
        mode,
        wait: true,
        seen: None,
        // As at each start of the appliance: what it is asked for cannot be had without this volume.
        even_full: true,
    };
    let volume = Volume {
        name: "state".to_owned(),
        path: Ok(device.to_owned()),
    };
    check.report(Vec::new(), &[volume], watch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::keep::ON_STATE;
    use crate::full::tests::{OLD, volume};
    use std::fs;
    use std::os::unix::fs::symlink;

    fn repair() -> check::Report {
        check::Report {
            program: "0.1.0".to_owned(),
            mode: Mode::Repair,
            began: 0,
            seconds: 1.0,
            disks: Vec::new(),
            volumes: Vec::new(),
        }
    }

    #[test]
    fn a_repair_is_done_although_its_report_cannot_be_kept() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("lib")).unwrap();
        fs::write(
            dir.path().join("lib/vigie"),
            "a file where a folder should be",
        )
        .unwrap();
        let kept = Report::keep(&repair(), dir.path());
        assert_eq!(kept.freed, None);
        let done = message(Mended::Repaired, &kept).unwrap();
        let why = kept.not_kept.unwrap();
        for language in [Language::En, Language::Fr] {
            let (done, why) = (done.to(language), why.to(language));
            assert!(!done.contains("lib/vigie/recovery"), "{done}");
            assert!(why.contains("lib/vigie/recovery"), "{why}");
        }
    }

    #[test]
    fn a_preen_that_mended_something_leaves_a_report_too() {
        let volume = Volume {
            name: "state".to_owned(),
            path: Ok("/dev/vda7".into()),
        };
        let mut report = repair();
        for (verdict, tells) in [(Verdict::Clean, false), (Verdict::Repaired, true)] {
            let mut one = check::VolumeReport::new(&volume, 0);
            one.verdict = verdict;
            report.volumes = vec![one];
            assert_eq!(tells_of_changes(&report), tells);
        }
    }

    #[test]
    fn old_logs_go_for_the_report_of_a_repair() {
        let dir = volume();
        let beside = dir.path().join(ON_STATE).join("check-19700101T000000Z.new");
        symlink("/dev/full", &beside).unwrap();
        let kept = Report::keep(&repair(), dir.path());
        assert_eq!(kept.not_kept, None);
        assert_eq!(kept.freed.unwrap().files, OLD.map(PathBuf::from));
        assert!(beside.with_extension("json").exists());
    }
}
