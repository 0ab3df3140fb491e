//! How fast the installer's engine is: writing a slot beside `dd`, planning, and a whole disk
//! in a file.
//!
//! Everything is called as `cargo image disk` calls it: the library, compiled as the builder is.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use image_builder::progress::Reporter;
use image_builder::session::{Options, Session};
use sha2::{Digest, Sha256};
use vigie_disk::{Bytes, FileDevice, SectorSize};
use vigie_installer::inventory::Inventory;
use vigie_installer::payload::Manifest;
use vigie_installer::plan::plan;
use vigie_installer::progress::Silent;
use vigie_installer::{Answers, Ids, Payload, install_to_file};
use vigie_update::writer;

use crate::context::Context;
use crate::process;
use crate::table::{Row, Value};

/// Share of dd's speed, plans in a second, and time for a disk of 16 GB.
const SHARE_OF_DD: f64 = 0.85;
const PLANS: f64 = 10_000.0;
const DISK: Duration = Duration::from_secs(8);

/// How the code under measurement was compiled; a `cargo ci` by hand may be compiled otherwise.
const PROFILE: &str = if cfg!(debug_assertions) {
    "profile dev"
} else {
    "profile release"
};

/// Bytes that are written, at least: a slot of the largest disks.
const WRITTEN: u64 = 1 << 30;
/// Rounds of writing, dd and ours, each first in turn; the middle time of each counts.
const ROUNDS: usize = 9;
/// Plans are made for so long.
const PLANNING: Duration = Duration::from_secs(2);

/// Measures all three.
pub fn run(ctx: &Context) -> Result<Vec<Row>> {
    let mut rows = writing(ctx)?;
    rows.push(planning(ctx)?);
    rows.push(disk(ctx)?);
    Ok(rows)
}

/// The slot writer and `dd conv=fsync`, the same bytes into the same new file.
fn writing(ctx: &Context) -> Result<Vec<Row>> {
    let source = Source::make(ctx)?;
    let target = ctx.folder().join("slot");
    let (mut ours, mut proved, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Who comes second finds the disk and its memory as the first has left them.
        let dd_first = round % 2 == 0;
        if dd_first {
            theirs.push(source.dd(&target)?);
        }
        let (written, read_back) = source.write_slot(&target)?;
        ours.push(written);
        proved.push(read_back);
        if !dd_first {
            theirs.push(source.dd(&target)?);
        }
    }
    fs::remove_file(&source.path)?;
    let speed = |times| Value::Speed(source.length as f64 / middle(times).as_secs_f64());
    let (ours, proved, theirs) = (speed(ours), speed(proved), speed(theirs));
    let row = |what: &str, speed| Row::new(format!("{what} ({PROFILE})"), speed).against(theirs);
    Ok(vec![
        row(
            "writing a slot, hashed and flushed, beside dd conv=fsync",
            ours,
        )
        .at_least_share(SHARE_OF_DD),
        row("the same and read back", proved),
    ])
}

/// The time in the middle.
pub(crate) fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// What is written: the system image, as often as it takes.
struct Source {
    path: PathBuf,
    length: u64,
    digest: [u8; 32],
}

impl Source {
    fn make(ctx: &Context) -> Result<Source> {
        let image = fs::read(ctx.image()?.payload.join("system.img"))?;
        let path = ctx.folder().join("source");
        let mut file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
        let (mut length, mut hasher) = (0, Sha256::new());
        while length < WRITTEN {
            file.write_all(&image)?;
            hasher.update(&image);
            length += image.len() as u64;
        }
        // Its own writing back must not slow down what is measured.
        file.sync_all()?;
        Ok(Source {
            path,
            length,
            digest: hasher.finalize().into(),
        })
    }

    fn dd(&self, target: &Path) -> Result<Duration> {
        fresh(target, self.length)?;
        let mut dd = std::process::Command::new("dd");
        dd.arg(format!("if={}", self.path.display()));
        dd.arg(format!("of={}", target.display()));
        dd.args(["bs=1M", "conv=fsync,notrunc", "status=none"]);
        let begun = Instant::now();
        process::output("running dd", &mut dd)?;
        Ok(begun.elapsed())
    }

    /// Time until all is written and flushed, and until it has been read back as well.
    fn write_slot(&self, target: &Path) -> Result<(Duration, Duration)> {
        fresh(target, self.length)?;
        let mut source = File::open(&self.path)?;
        let length = Bytes::new(self.length);
        let begun = Instant::now();
        let mut written = None;
        let mut device = FileDevice::open(target, SectorSize::S512)?;
        let mut note = |done: Bytes| {
            // Reading back begins when the flush has ended.
            if done > length {
                written.get_or_insert_with(|| begun.elapsed());
            }
        };
        writer::write_image(&mut source, length, &self.digest, &mut device, &mut note)?;
        let whole = begun.elapsed();
        Ok((written.context("the slot was not read back")?, whole))
    }
}

/// A new empty file: the last round's blocks are no help to this one, and what they and others
/// left to be written is no hindrance.
fn fresh(path: &Path, length: u64) -> Result<()> {
    if path.exists() {
        fs::remove_file(path)?;
    }
    crate::vm::images::empty(path, length)?;
    process::output("running sync", &mut std::process::Command::new("sync"))?;
    Ok(())
}

/// Plans for every case of the planner's own tests, refusals included, over and over.
fn planning(ctx: &Context) -> Result<Row> {
    let folder = ctx.root().join("installer/tests/plans");
    let manifest: Manifest = read_json(&folder.join("payload.json"))?;
    let cases = cases(&folder)?;
    let begun = Instant::now();
    let mut plans = 0;
    while begun.elapsed() < PLANNING {
        for (answers, inventory) in &cases {
            // A refusal is as much work as a plan.
            let _ = std::hint::black_box(plan(answers, inventory, &manifest));
        }
        plans += cases.len();
    }
    let rate = plans as f64 / begun.elapsed().as_secs_f64();
    let what = format!("planner, {} cases in turn ({PROFILE})", cases.len());
    Ok(Row::new(what, Value::Rate(rate)).at_least(Value::Rate(PLANS)))
}

/// The cases whose answers can be read.
fn cases(folder: &Path) -> Result<Vec<(Answers, Inventory)>> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let name = path.to_string_lossy();
        let Some(stem) = name.strip_suffix(".answers.toml") else {
            continue;
        };
        if let Ok(answers) = Answers::parse(&fs::read_to_string(&path)?) {
            cases.push((
                answers,
                read_json(Path::new(&format!("{stem}.disks.json")))?,
            ));
        }
    }
    Ok(cases)
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("understanding {}", path.display()))
}

/// A disk of 16 GB in a file, by the engine behind `cargo image disk`.
fn disk(ctx: &Context) -> Result<Row> {
    let session = Session::new(Options::default(), Reporter::quiet())?;
    let tools = session.tools().context("preparing the locked tools")?;
    let payload = Payload::open(&ctx.image()?.payload)?;
    let answers =
        Answers::parse("[target]\npath = \"file\"").map_err(|error| anyhow!("{error}"))?;
    let path = ctx.folder().join("disk.raw");
    let begun = Instant::now();
    install_to_file(
        &answers,
        &payload,
        &path,
        Bytes::gb(16),
        SectorSize::S512,
        &tools,
        &Ids::random(),
        &mut Silent,
    )?;
    let time = begun.elapsed();
    fs::remove_file(&path)?;
    let what = format!("a disk of 16 GB in a file ({PROFILE})");
    Ok(Row::new(what, Value::Time(time)).at_most(Value::Time(DISK)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_several_counts() {
        let times = [5, 1, 100, 2, 3].map(Duration::from_secs);
        assert_eq!(middle(times.to_vec()), Duration::from_secs(3));
    }
}
