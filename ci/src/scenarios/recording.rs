//! Recordings that are under way when the power goes, and what of them is there afterwards.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};

use super::boot::{self, Expect};
use super::ssh;
use super::unattended::PASSWORD;
use crate::context::Context;
use crate::vm::Vm;
use crate::vm::command::{Disk, Firmware};

/// Recordings that are safe before the power is cut.
const RECORDED: usize = 25;

/// What a recorder does: a file at a time, each safe before the next is begun; and beside it what is
/// not safe at any moment. A line for each file that is safe.
const RECORD: &str = "cd /srv/data-1 && mkdir cam-1 load || exit 1; \
    (while :; do mkdir load/a; head -c 9000000 /dev/urandom > load/a/b; rm -r load/a; done) > /dev/null 2>&1 & \
    cd cam-1 && for n in $(seq 1000); do \
    head -c 700000 /dev/urandom > $n.part && mv $n.part $n.rec && sync $n.rec . && sha256sum $n.rec || exit 1; done";

/// Boots the disks, records, and cuts the power; gives the sums of what was safe by then.
pub(super) fn until_the_power_goes(
    ctx: &Context,
    key: &ssh::Key,
    disks: &[Disk],
) -> Result<Vec<String>> {
    let up = boot::boot(ctx, "recording", Firmware::Bios, disks, Expect::Ok)?;
    let mut child = key
        .client(ctx, &up.vm, RECORD)?
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("starting ssh")?;
    let lines = BufReader::new(child.stdout.take().context("ssh has no output")?).lines();
    let recorded: Vec<String> = lines.take(RECORDED).collect::<Result<_, _>>()?;
    up.vm.kill()?;
    child.kill().ok();
    child.wait()?;
    ensure!(
        recorded.len() == RECORDED,
        "the recording ended by itself after {} files",
        recorded.len()
    );
    Ok(recorded)
}

/// All that was safe before the power went is there, and so is a report of the check.
pub(super) fn check(ctx: &Context, key: &ssh::Key, vm: &Vm, recorded: &[String]) -> Result<()> {
    let sums = key.says(
        ctx,
        vm,
        "cd /srv/data-1/cam-1 && sha256sum *.rec; ls -d /var/lib/vigie/recovery/check-*.json",
    )?;
    for line in recorded {
        ensure!(sums.contains(line.as_str()), "{line} is gone: {sums}");
    }
    ctx.note(format!(
        "{} recordings were safe, {} are there",
        recorded.len(),
        sums.matches(".rec\n").count()
    ));
    Ok(())
}

/// Root is let in by this password, and no longer by that of the installation.
pub(super) fn check_password(ctx: &Context, vm: &Vm, password: &str) -> Result<()> {
    let new = ssh::with_password(ctx, vm, password, "id -un")?;
    ensure!(new.as_deref() == Some("root\n"), "ssh with it: {new:?}");
    let old = ssh::with_password(ctx, vm, PASSWORD, "id -un")?;
    ensure!(old.is_none(), "the old password still opens ssh: {old:?}");
    Ok(())
}
