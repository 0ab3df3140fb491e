//! An installation onto a disk of this machine: plan, open it alone, execute.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use vigie_disk::{BlockDevice, KernelDevice};

use crate::answers::Answers;
use crate::execute::{Job, execute};
use crate::ids::Ids;
use crate::payload::Payload;
use crate::plan::Plan;
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
    Report::of_run(plan, progress.seconds(), result.err().as_ref())
}

fn write(
    answers: &Answers,
    payload: &Payload,
    plan: &Plan,
    tools: &dyn Toolbox,
    ids: &Ids,
    progress: &mut dyn Progress,
) -> Result<()> {
    let mut disk = KernelDevice::open_exclusive(Path::new(&plan.disk.path))?;
    let planned = (plan.disk.size, plan.disk.sector());
    ensure!(
        planned == (disk.size(), Some(disk.sector_size())),
        "{} is not the disk that it was when the plan was made; nothing was written",
        plan.disk.path
    );
    let scratch = tempfile::tempdir().context("making a folder for volumes in the making")?;
    let job = Job {
        answers,
        layout: &plan.layout,
        payload,
        tools,
        ids,
        scratch: scratch.path(),
    };
    execute(&job, &mut disk, progress)?;
    // The disk is installed; that this kernel still sees the old partitions
    // matters to nobody who starts from it.
    let _ = disk.reread_partitions();
    Ok(())
}
