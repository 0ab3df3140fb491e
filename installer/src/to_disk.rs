//! An installation onto disks of this machine: open them alone, execute the plan.

use std::path::Path;

use anyhow::{Context, Result};
use vigie_disk::KernelDevice;

use crate::answers::Answers;
use crate::execute::{Disks, Job, execute};
use crate::ids::Ids;
use crate::payload::Payload;
use crate::plan::{Plan, Planned};
use crate::progress::{Progress, Timed};
use crate::report::Report;
use crate::toolbox::Toolbox;

/// Carries a plan out on this machine. The report tells how it went, also when it failed.
pub fn install_to_disk(
    answers: &Answers,
    payload: &Payload,
    plan: &Plan,
    tools: &dyn Toolbox,
    ids: &Ids,
    progress: &mut dyn Progress,
) -> Report {
    let mut progress = Timed::new(progress);
    let result = write(answers, payload, plan, tools, ids, &mut progress);
    Report::of_run(plan, progress.spans(), result.err().as_ref())
}

fn write(
    answers: &Answers,
    payload: &Payload,
    plan: &Plan,
    tools: &dyn Toolbox,
    ids: &Ids,
    progress: &mut dyn Progress,
) -> Result<()> {
    let mut disks: Vec<Disks> = plan.groups.iter().map(open).collect::<Result<_>>()?;
    let scratch = tempfile::tempdir().context("making a folder for volumes in the making")?;
    let job = Job {
        answers,
        plan,
        payload,
        tools,
        ids,
        scratch: scratch.path(),
    };
    execute(&job, &mut disks, progress)?;
    drop(disks);
    plan.disks().for_each(|(_, disk)| show_kernel(&disk.path));
    Ok(())
}

/// Opens the disks of a group, each alone; none where nothing is written to them.
fn open(group: &Planned) -> Result<Disks<'static>> {
    let mut disks = Disks::new();
    if group.is_untouched() {
        return Ok(disks);
    }
    for disk in &group.disks {
        disks.push(Box::new(KernelDevice::open_exclusive(Path::new(
            &disk.path,
        ))?));
    }
    Ok(disks)
}

/// Lets the kernel see the new partitions. The disk is installed; that this
/// kernel still sees the old ones matters to nobody who starts from it.
fn show_kernel(path: &str) {
    if let Ok(disk) = KernelDevice::open_read_only(Path::new(path)) {
        let _ = disk.reread_partitions();
    }
}
