//! How fast recovery is: a check beside e2fsck alone, and what is told of a machine with 8 disks.
//!
//! Both are called as `vigie-recovery` calls them: the library, compiled as `cargo ci` is.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use image_builder::progress::Reporter;
use image_builder::session::{Options, Session};
use vigie_disk::sysfs::Sysfs;
use vigie_disk::{BlockDevice, FileDevice, SectorSize};
use vigie_installer::toolbox::{Run, Toolbox};
use vigie_recovery::check::in_use::Uses;
use vigie_recovery::check::verdict::Verdict;
use vigie_recovery::check::{Check, Mode, Silent, Volume};
use vigie_recovery::volumes::inventory;

use crate::bench_install::middle;
use crate::context::Context;
use crate::process;
use crate::table::{Row, Value};
use crate::vm::images;

/// A check may take so much longer than e2fsck.
const OVERHEAD: f64 = 0.03;
/// All volumes of a machine.
const INVENTORY: Duration = Duration::from_secs(1);

/// What is checked: enough names for a run of a second. A folder's names are of one file: to make as many
/// files would take minutes.
const VOLUME: u64 = 8 << 30;
const FOLDERS: usize = 2000;
const NAMES: usize = 1000;
/// Rounds of e2fsck and ours, each first in turn; the middle time of each counts.
const ROUNDS: usize = 9;
const DISKS: u8 = 8;

/// Measures both.
pub fn run(ctx: &Context) -> Result<Vec<Row>> {
    Ok(vec![checking(ctx)?, looking(ctx)?])
}

/// e2fsck alone, and the same by our hand.
fn checking(ctx: &Context) -> Result<Row> {
    let session = Session::new(Options::default(), Reporter::quiet())?;
    let tools = session.tools().context("preparing the locked tools")?;
    let volume = recordings(ctx, &tools)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let ours_first = round % 2 == 0;
        if ours_first {
            ours.push(check(&tools, &volume)?);
        }
        theirs.push(e2fsck(&tools, &volume)?);
        if !ours_first {
            ours.push(check(&tools, &volume)?);
        }
    }
    fs::remove_file(&volume)?;
    let (ours, theirs) = (middle(ours), middle(theirs));
    let names = FOLDERS * NAMES;
    Ok(Row::new(
        format!("checking a volume of {names} names, beside e2fsck -f -n"),
        Value::Time(ours),
    )
    .against(Value::Time(theirs))
    .at_most(Value::Time(theirs.mul_f64(1.0 + OVERHEAD))))
}

/// A volume as full of names as those of recordings are.
fn recordings(ctx: &Context, tools: &dyn Toolbox) -> Result<PathBuf> {
    let path = ctx.folder().join("recordings.img");
    images::empty(&path, VOLUME)?;
    let root = tempfile::tempdir_in(ctx.folder())?;
    for folder in 0..FOLDERS {
        let folder = root.path().join(format!("cam-{folder}"));
        fs::create_dir(&folder)?;
        let first = folder.join("0.rec");
        fs::write(&first, [0x5A; 64])?;
        for name in 1..NAMES {
            fs::hard_link(&first, folder.join(format!("{name}.rec")))?;
        }
    }
    Run::new(tools, "mke2fs", "making a volume")
        .args(["-q", "-F", "-t", "ext4", "-d"])
        .arg(root.path())
        .arg(&path)
        .output()?;
    Ok(path)
}

fn check(tools: &dyn Toolbox, path: &Path) -> Result<Duration> {
    let check = Check {
        tools,
        uses: Uses::now(),
        mode: Mode::Inspect,
        wait: false,
        seen: None,
        even_full: false,
    };
    let volume = Volume {
        name: "recordings".to_owned(),
        path: Ok(path.to_owned()),
    };
    let begun = Instant::now();
    let report = check.one(&volume, &mut Silent);
    let took = begun.elapsed();
    ensure!(report.verdict == Verdict::Clean, "{:?}", report.verdict);
    Ok(took)
}

fn e2fsck(tools: &dyn Toolbox, path: &Path) -> Result<Duration> {
    let begun = Instant::now();
    Run::new(tools, "e2fsck", "checking a volume")
        .args(["-f", "-n"])
        .arg(path)
        .output()?;
    Ok(begun.elapsed())
}

/// Eight disks, on each the installation of the step `install`, with all that is told of it.
fn looking(ctx: &Context) -> Result<Row> {
    let machine = ctx.folder().join("machine");
    let mut volumes = 0;
    for (number, partition) in (1..).zip(images::partitions(ctx.installed_disk()?, 512)?) {
        volume(ctx, &partition, &machine.join(number.to_string()))?;
        for disk in 0..DISKS {
            let disk = format!("sd{}", char::from(b'a' + disk));
            let folder = machine.join("sys/block").join(&disk);
            let folder = folder.join(format!("{disk}{number}"));
            fs::create_dir_all(&folder)?;
            fs::write(folder.join("partition"), number.to_string())?;
            let name = format!("PARTNAME={}\n", partition.name);
            fs::write(folder.join("uevent"), name)?;
            fs::write(folder.join("size"), (partition.length / 512).to_string())?;
            volumes += 1;
        }
    }
    let open = |path: &Path| -> vigie_disk::Result<Box<dyn BlockDevice>> {
        let name = path.to_string_lossy();
        let file = machine.join(name.trim_start_matches(|c: char| !c.is_ascii_digit()));
        Ok(Box::new(FileDevice::open_read_only(
            &file,
            SectorSize::S512,
        )?))
    };
    let begun = Instant::now();
    let found = inventory(&Sysfs::new(machine.join("sys")), &open, Some("bench"));
    let took = begun.elapsed();
    let told = found.installations.iter();
    let told = told.filter(|one| one.facts.host.is_some() && one.version().is_some());
    ensure!(told.count() == usize::from(DISKS), "{found:?}");
    fs::remove_dir_all(&machine)?;
    let what = format!("what is on {DISKS} disks with {volumes} volumes");
    Ok(Row::new(what, Value::Time(took)).at_most(Value::Time(INVENTORY)))
}

/// A partition of the installed disk in a file of its own.
fn volume(ctx: &Context, partition: &images::Partition, to: &Path) -> Result<()> {
    const MIB: u64 = 1 << 20;
    fs::create_dir_all(to.parent().context("a folder")?)?;
    let mut dd = std::process::Command::new("dd");
    dd.args(["bs=1M", "conv=sparse", "status=none"]);
    dd.arg(format!("if={}", ctx.installed_disk()?.display()));
    dd.arg(format!("of={}", to.display()));
    dd.arg(format!("skip={}B", partition.offset));
    dd.arg(format!("count={}", partition.length.div_ceil(MIB)));
    process::output("copying a partition", &mut dd).map(drop)
}
