//! Arrays that our code wrote without a kernel, in the hands of the kernel and of mdadm: they are
//! assembled, synchronised, checked, and read by our code again, also with a member missing.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::boot::{self, Expect};
use super::{disk, disk_scenario, ssh};
use crate::checks::cargo_command;
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::{process, programs};

/// The arrays of `rootfs/disk/tests/md.rs` and how many members each has.
const ARRAYS: [(&str, usize); 6] = [
    ("one0", 2),
    ("one2", 2),
    ("five", 3),
    ("six", 4),
    ("ten", 4),
    ("tenodd", 5),
];

/// Compiling one test where nothing is compiled yet.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// What the appliance is told for one array, `$1`, whose members are disks with serial numbers
/// that begin with its name. Whoever assembled it, it ends in sync, with nothing to complain of.
const USE: &str = r#"set -e
name=$1
members=$(ls /dev/disk/by-id/virtio-$name-[0-9])
find_array() { lsblk -nrpo NAME,TYPE $members | sed -n 's/ raid.*//p' | head -n 1; }
array=$(find_array)
if [ -z "$array" ]; then
    mdadm --quiet --assemble --run "/dev/md/$name" $members
    array=$(find_array)
fi
mdadm --readwrite "$array" 2>/dev/null || true
udevadm settle
mdadm --wait "$array" || true
e2fsck -fn "$array" >/dev/null
folder=/sys/block/${array#/dev/}/md
echo check >"$folder/sync_action"
mdadm --wait "$array" || true
echo "$name $(cat $folder/array_state) degraded $(cat $folder/degraded) mismatches $(cat $folder/mismatch_cnt)"
mdadm --quiet --stop "$array"
"#;

pub(super) fn step() -> Step {
    Step {
        needs: &["install"],
        ..disk_scenario(
            "arrays-kernel",
            "the kernel assembles the arrays that our code writes, and our code reads what it left",
            run,
        )
    }
}

fn run(ctx: &Context) -> Result<()> {
    test(ctx, "write_arrays")?;
    let system = Disk::new(disk::overlay(ctx, ctx.installed_disk()?)?, Bus::Virtio).qcow2();
    let mut disks = vec![system];
    for member in ARRAYS.iter().flat_map(members) {
        let file = ctx.folder().join(format!("{member}.raw"));
        disks.push(Disk::new(file, Bus::Virtio).serial(&member).data_only());
    }
    let up = boot::boot(ctx, "vm", Firmware::Bios, &disks, Expect::Ok)?;
    let key = ssh::Key::of_install(ctx);
    for (name, _) in ARRAYS {
        let said = key.says(ctx, &up.vm, &format!("sh -s {name} <<'END'\n{USE}END\n"))?;
        let good = format!("{name} clean degraded 0 mismatches 0");
        ensure!(
            said.trim() == good,
            "{}",
            up.vm
                .failure(format!("expected `{good}`, the appliance says: {said}"))
        );
    }
    up.power_off()?;
    test(ctx, "read_arrays")
}

/// The members of two mirrors that are nobody's system, one of each superblock version.
pub(super) fn mirrors(ctx: &Context) -> Result<Vec<PathBuf>> {
    test(ctx, "write_arrays")?;
    let files = ARRAYS[..2].iter().flat_map(members);
    Ok(files
        .map(|member| ctx.folder().join(format!("{member}.raw")))
        .collect())
}

/// The serial numbers of an array's members; their files are named after them.
fn members((name, count): &(&'static str, usize)) -> Vec<String> {
    (0..*count).map(|role| format!("{name}-{role}")).collect()
}

/// One of the two halves in `rootfs/disk/tests/md.rs`, on the step's folder.
fn test(ctx: &Context, name: &str) -> Result<()> {
    let mut command = cargo_command(ctx);
    command.args([
        "test",
        "--package",
        "vigie-disk",
        "--locked",
        "--test",
        "md",
    ]);
    command.args(["--", "--ignored", "--exact", name]);
    command.envs(programs::test_environment()?);
    command.env("VIGIE_MD_FOLDER", ctx.folder());
    process::run(
        name,
        &mut command,
        &ctx.folder().join(format!("{name}.log")),
        LIMIT,
    )
}
