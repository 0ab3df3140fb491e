//! What must hold of the partition table of every disk that was installed.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::context::Context;
use crate::process;
use crate::vm::images::{self, DiskFile, Partition};

/// What a system disk holds, in order; more data volumes may follow.
const PARTITIONS: [&str; 8] = [
    "vigie-bios",
    "vigie-esp",
    "boot-a",
    "boot-b",
    "system-a",
    "system-b",
    "state",
    "data-1",
];

const MIB: u64 = 1 << 20;
/// BIOS reads sectors of 512 bytes by numbers of 32 bits.
const FIRMWARE_LIMIT: u64 = 2 << 40;

/// Checks the table of a disk with sectors of this size: names, alignment, what firmware
/// reads, and that other people's tools find nothing wrong with either copy.
pub(super) fn check(ctx: &Context, disk: &DiskFile, sector: u32) -> Result<()> {
    // Where the folder cannot hold a file as long as the disk, memory can: /dev/shm.
    let memory = tempfile::Builder::new()
        .prefix("vigie-ci-")
        .tempdir_in("/dev/shm");
    let programs = ctx.programs()?;
    let here = ctx.folder().join("table.raw");
    let file = match disk.skeleton(programs, &here)? {
        None => match &memory {
            Ok(memory) => disk.skeleton(programs, &memory.path().join("table.raw"))?,
            Err(_) => None,
        },
        file => file,
    };
    let Some(file) = file else {
        ctx.note("no place for a file as long as the disk; its table was not looked at");
        return Ok(());
    };
    check_partitions(&images::partitions(&file, sector)?)?;
    tools_agree(ctx, &file, sector)
}

fn check_partitions(found: &[Partition]) -> Result<()> {
    let names: Vec<&str> = found
        .iter()
        .map(|partition| partition.name.as_str())
        .collect();
    ensure!(
        names.starts_with(&PARTITIONS),
        "the installed disk has the partitions {}, not {}",
        names.join(", "),
        PARTITIONS.join(", ")
    );
    for partition in found {
        let Partition {
            name,
            offset,
            length,
        } = partition;
        ensure!(
            offset.is_multiple_of(MIB) && length.is_multiple_of(MIB),
            "partition {name} is not aligned to a MiB: {length} bytes at byte {offset}"
        );
        ensure!(
            name.starts_with("data-") || offset + length <= FIRMWARE_LIMIT,
            "partition {name} ends at byte {}, beyond 2 TiB",
            offset + length
        );
    }
    let mut ends = found
        .windows(2)
        .map(|two| (two[0].offset + two[0].length, two[1].offset));
    ensure!(
        ends.all(|(end, next)| end <= next),
        "partitions overlap: {found:?}"
    );
    Ok(())
}

/// sgdisk reads files as disks with sectors of 512 bytes, sfdisk any.
fn tools_agree(ctx: &Context, file: &Path, sector: u32) -> Result<()> {
    let mut sfdisk = ctx.programs()?.command("sfdisk");
    sfdisk.args(["--sector-size", &sector.to_string(), "--verify"]);
    says(&mut sfdisk, file, "No errors detected")?;
    if sector == 512 {
        let mut sgdisk = ctx.programs()?.command("sgdisk");
        sgdisk.arg("-v");
        says(&mut sgdisk, file, "No problems found")?;
    }
    Ok(())
}

fn says(command: &mut Command, file: &Path, expected: &str) -> Result<()> {
    let said = process::output("verifying a partition table", command.arg(file))?;
    ensure!(
        said.contains(expected),
        "`{}` says: {said}",
        process::command_line(command)
    );
    Ok(())
}

/// A partition of a raw disk, as e2fsck and debugfs name it.
pub(super) fn volume(disk: &Path, sector: u32, name: &str) -> Result<String> {
    let partition = images::partition_named(disk, sector, name)?;
    let disk = disk.to_str().context("a path that is no UTF-8")?;
    Ok(format!("{disk}?offset={}", partition.offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Vec<Partition> {
        let part = |(name, at): (&&str, u64)| Partition {
            name: (*name).to_owned(),
            offset: at * MIB,
            length: MIB,
        };
        PARTITIONS.iter().zip(1..).map(part).collect()
    }

    type Spoil = fn(&mut Vec<Partition>);

    #[test]
    fn wrong_tables_are_seen() {
        check_partitions(&good()).unwrap();
        let cases: [(&str, Spoil); 5] = [
            ("has the partitions", |parts| parts.swap(0, 1)),
            ("has the partitions", |parts| parts.truncate(7)),
            ("not aligned", |parts| parts[7].offset += 512),
            ("beyond 2 TiB", |parts| parts[6].length = FIRMWARE_LIMIT),
            ("overlap", |parts| parts[5].length = 2 * MIB),
        ];
        for (says, spoil) in cases {
            let mut parts = good();
            spoil(&mut parts);
            let error = check_partitions(&parts).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
