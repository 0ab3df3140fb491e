//! How good updating is, beside SWUpdate and RAUC with the same images in the same run.
//!
//! What is measured is `vigie-update` compiled as the image has it: its unpacking process is the
//! real one, and what starts that is `update/examples/bench.rs`, because `vigie-update apply`
//! itself works on nothing but an installed appliance.

mod images;
mod ours;
mod peers;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::context::Context;
use crate::process;
use crate::table::{Row, Value};
use images::Images;
use ours::{Applied, Cost, Ours, TRUSTED};
use peers::Peers;

/// Share of SWUpdate's throughput, which neither flushes nor reads back.
const SHARE_OF_SWUPDATE: f64 = 1.2;
const MEMORY: u64 = 16_000_000;
const OVERHEAD: f64 = 0.1;
const REFUSED: u64 = 64 << 10;
const MAKING: Duration = Duration::from_secs(4);
const DELTA: f64 = 3.0;
/// Share of the full package's throughput.
const DELTA_SPEED: f64 = 0.5;

/// Rounds of updating, each first in turn; the middle time of each counts.
const ROUNDS: usize = 7;
/// Rounds of making packages.
const MAKINGS: usize = 3;

/// Measures it all.
pub fn run(ctx: &Context) -> Result<Vec<Row>> {
    let ours = Ours::compile(ctx)?;
    let peers = Peers::prepare(ctx)?;
    let images = Images::large(ctx)?;
    let package = images.folder.join("full.tgz");
    let (mut rows, bundle) = making(&ours, &peers, &images, &package)?;
    let (more, applied) = applying(&ours, &peers, &images, &package)?;
    rows.extend(more);
    let beyond = |file: &Path, stored: u64| -> Result<Value> {
        let more = fs::metadata(file)?.len() as f64 - stored as f64;
        Ok(Value::Percent(more / stored as f64 * 100.0))
    };
    rows.push(
        Row::new(
            "package: what it has beyond its images, beside RAUC's verity bundle",
            beyond(&package, applied.stored)?,
        )
        .at_most(Value::Percent(OVERHEAD))
        .against(beyond(&bundle, images.length()?)?),
    );
    rows.push(refusals(&ours, &images)?);
    images.remove()?;
    peers.remove()?;
    rows.extend(delta(ctx, &ours)?);
    Ok(rows)
}

/// Processor time of making a package, beside `rauc bundle`; the last bundle.
fn making(
    ours: &Ours,
    peers: &Peers,
    images: &Images,
    package: &Path,
) -> Result<(Vec<Row>, std::path::PathBuf)> {
    let bundle = images.folder.join("peer.raucb");
    let (mut making, mut zstd, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..MAKINGS {
        let mut we = || -> Result<()> {
            making.push(ours.make(images, package, TRUSTED)?);
            zstd.push(ours.compress(images)?);
            Ok(())
        };
        if round % 2 == 0 {
            we()?;
            theirs.push(peers.bundle(ours, images, &bundle)?);
        } else {
            theirs.push(peers.bundle(ours, images, &bundle)?);
            we()?;
        }
    }
    let cpu = |costs: &[Cost]| middle(costs.iter().map(|cost| cost.cpu).collect());
    let time = |seconds: f64| Value::Time(Duration::from_secs_f64(seconds.max(0.0)));
    let (making, zstd) = (cpu(&making), cpu(&zstd));
    let rows = vec![
        Row::new("package: processor time of zstd alone", time(zstd)),
        Row::new(
            "package: processor time of making it beyond zstd's, beside rauc bundle",
            time(making - zstd),
        )
        .at_most(Value::Time(MAKING))
        .against(time(cpu(&theirs))),
    ];
    Ok((rows, bundle))
}

/// A full package into files, beside SWUpdate.
fn applying(
    ours: &Ours,
    peers: &Peers,
    images: &Images,
    package: &Path,
) -> Result<(Vec<Row>, Applied)> {
    let slot = images.folder.join("slot");
    let swu = peers.swu(images, &slot)?;
    let (mut us, mut them, mut flushed) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let ours_first = round % 2 == 0;
        for turn in [ours_first, !ours_first] {
            settle(images, &slot)?;
            if turn {
                us.push(ours.install(package, &slot, None)?);
            } else {
                let cost = peers.install(ours, &swu)?;
                flushed.push(cost.seconds + flush(&slot)?);
                them.push(cost);
            }
            images.are_in(&slot)?;
        }
    }
    let length = images.length()? as f64;
    let speed = |seconds: Vec<f64>| Value::Speed(length / middle(seconds));
    let most = |sizes: &mut dyn Iterator<Item = u64>| Value::Bytes(sizes.max().unwrap_or_default());
    let theirs = most(&mut them.iter().map(|cost| cost.peak));
    let speeds = speed(us.iter().map(|(cost, _)| cost.seconds).collect());
    let rows = vec![
        Row::new(
            "update: verified, written, flushed, read back, beside SWUpdate, which does not flush or read",
            speeds,
        )
        .at_least_share(SHARE_OF_SWUPDATE)
        .against(speed(them.iter().map(|cost| cost.seconds).collect())),
        Row::new("the same, beside SWUpdate and sync of what it wrote", speeds)
            .against(speed(flushed)),
        Row::new(
            "update: peak memory of the unpacking process, beside SWUpdate's largest",
            most(&mut us.iter().map(|(_, told)| told.unpacker)),
        )
        .at_most(Value::Bytes(MEMORY))
        .against(theirs),
        Row::new(
            "update: peak memory of the updater, beside SWUpdate's largest",
            most(&mut us.iter().map(|(_, told)| told.updater)),
        )
        .at_most(Value::Bytes(MEMORY))
        .against(theirs),
    ];
    let applied = us.swap_remove(0).1;
    Ok((rows, applied))
}

/// Packages that must not be installed here, and how much of them is read to know that.
fn refusals(ours: &Ours, images: &Images) -> Result<Row> {
    let slot = images.folder.join("slot");
    let package = images.folder.join("refused.tgz");
    let mut most = 0;
    for (number, version, why) in [
        (TRUSTED + 1, "2.0.0.0", "signatures"),
        (TRUSTED, "0.9.0.0", "0.9.0.0"),
        (TRUSTED, "1.0.0.0", "1.0.0.0"),
    ] {
        ours.make_version(images, &package, number, version)?;
        let (_, told) = ours.apply(&package, &slot, None)?;
        let said = told.refused.unwrap_or_default();
        ensure!(
            said.contains(why),
            "a package of version {version} by key {number} is not refused for that: {said:?}"
        );
        most = most.max(told.read);
    }
    let row = Row::new("refused package: bytes read", Value::Bytes(most));
    Ok(row.at_most(Value::Bytes(REFUSED)))
}

/// A package of what changes with one service: its size, and its speed beside the full one of the
/// same images.
fn delta(ctx: &Context, ours: &Ours) -> Result<Vec<Row>> {
    let (base, images) = Images::before_and_after_one_service(ctx, &ours.program())?;
    let full = images.folder.join("full.tgz");
    let delta = images.folder.join("delta.tgz");
    ours.make(&images, &full, TRUSTED)?;
    ours.make_delta(&images, &base, &delta)?;
    let slot = images.folder.join("slot");
    let (mut whole, mut changes) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let whole_first = round % 2 == 0;
        for turn in [whole_first, !whole_first] {
            settle(&images, &slot)?;
            if turn {
                whole.push(ours.install(&full, &slot, None)?.0.seconds);
            } else {
                changes.push(ours.install(&delta, &slot, Some(&base))?.0.seconds);
            }
            images.are_in(&slot)?;
        }
    }
    let part = fs::metadata(&delta)?.len() as f64 / fs::metadata(&full)?.len() as f64;
    let length = images.length()? as f64;
    let speed = |seconds| Value::Speed(length / middle(seconds));
    images.remove()?;
    base.remove()?;
    Ok(vec![
        Row::new(
            "delta of one changed service: part of the full package",
            Value::Percent(part * 100.0),
        )
        .at_most(Value::Percent(DELTA)),
        Row::new(
            "delta of one changed service: applied, beside the full package",
            speed(changes),
        )
        .at_least_share(DELTA_SPEED)
        .against(speed(whole)),
    ])
}

/// A new empty slot, and nothing left to be written by whoever came before.
fn settle(images: &Images, slot: &Path) -> Result<()> {
    if slot.exists() {
        fs::remove_dir_all(slot)?;
    }
    for (name, length) in images.lengths()? {
        crate::vm::images::empty(&slot.join(name), length.next_multiple_of(1 << 20))?;
    }
    process::output("running sync", &mut Command::new("sync"))?;
    Ok(())
}

/// Seconds until what SWUpdate has written is on the disk: it does not wait for that itself.
fn flush(slot: &Path) -> Result<f64> {
    let mut sync = Command::new("sync");
    sync.args(Images::NAMES.map(|name| slot.join(name)));
    let begun = Instant::now();
    process::output("running sync", &mut sync)?;
    Ok(begun.elapsed().as_secs_f64())
}

fn middle(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_several_counts() {
        assert!((middle(vec![5.0, 1.0, 100.0, 2.0, 3.0]) - 3.0).abs() < f64::EPSILON);
    }
}
