//! Recovery on disks that are not what they should be: one with blocks that cannot be read, one that was
//! copied onto a smaller one, a foreign one, and none at all.

use std::fs::{self, File};
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::recovery::{LONG, QUESTION, medium};
use super::shell::says;
use super::{disk, disk_scenario, shell};
use crate::context::Context;
use crate::process;
use crate::step::Step;
use crate::vm::command::{Bus, Disk};
use crate::vm::dialog::Dialog;
use crate::vm::{Vm, images, sparse};

/// So much is missing at the end of the smaller disk.
const MISSING: u64 = 300_000_000;
/// What is said of that disk.
const SHORT: &str = "The table on /dev/vda is of a disk of";
/// Block of the volumes, in bytes.
const BLOCK: u64 = 4096;
/// First inode table, in the first group descriptor (ext4.h, bg_inode_table_lo).
const INODE_TABLE: u64 = BLOCK + 8;

pub(super) fn step() -> Step {
    Step {
        needs: &["install"],
        ..disk_scenario(
            "bad-disks",
            "unreadable blocks, a disk that is too small, a foreign one, none: recovery says so, and writes to no other",
            run,
        )
    }
}

fn run(ctx: &Context) -> Result<()> {
    unreadable(ctx)?;
    too_small(ctx)?;
    none(ctx)
}

/// A shell of the medium.
pub(super) fn shell_of<'a>(vm: &'a Vm) -> Result<Dialog<'a>> {
    let mut person = Dialog::from_the_beginning(vm, QUESTION);
    shell::open(&mut person, "4")?;
    Ok(person)
}

/// Runs a command that speaks JSON lines; its exit code, and the events of a kind.
pub(super) fn events(
    person: &mut Dialog,
    command: &str,
    kind: &str,
) -> Result<(String, Vec<Value>)> {
    // A line of JSON may be long: it goes through a file.
    let mut person = person.patience(LONG);
    let ended = says(&mut person, &format!("{command} > /run/out; echo ended-$?"))?;
    let ended = ended.lines().find(|line| line.starts_with("ended-"));
    let ended = ended.context("no exit code")?.to_owned();
    let said = says(
        &mut person,
        &format!("grep '\"event\":\"{kind}\"' /run/out"),
    )?;
    let events = said
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(serde_json::from_str)
        .collect::<Result<Vec<Value>, _>>()
        .with_context(|| format!("{command} said {said}"))?;
    Ok((ended, events))
}

/// What became of a volume.
pub(super) fn result<'v>(results: &'v [Value], name: &str) -> Result<&'v Value> {
    let found = results.iter().find(|one| one["name"] == name);
    found.with_context(|| format!("nothing of {name} in {results:?}"))
}

/// The inode table of the recordings cannot be read; a disk beside is somebody else's.
fn unreadable(ctx: &Context) -> Result<()> {
    let path = disk::copy(ctx, "unreadable.raw")?;
    let data = images::partition_named(&path, 512, "data-1")?;
    let table = images::read_at(&path, data.offset + INODE_TABLE, 4)?;
    let table = u32::from_le_bytes(table.try_into().ok().context("four bytes")?);
    let first = (data.offset + u64::from(table) * BLOCK) / 512;
    let faults = ctx.folder().join("faults.conf");
    let rules = (first..first + BLOCK / 512).map(|sector| {
        format!(
            "[inject-error]\nevent = \"none\"\niotype = \"read\"\nerrno = \"5\"\nsector = \"{sector}\"\n\n"
        )
    });
    fs::write(&faults, rules.collect::<String>())?;
    let foreign = foreign(ctx)?;
    let before = sparse::digest(&foreign)?;

    let disks = [
        Disk::new(&path, Bus::Virtio).faults(&faults),
        Disk::new(&foreign, Bus::Virtio),
    ];
    let vm = medium(ctx, "unreadable", &disks)?;
    let checked = || -> Result<()> {
        let mut person = shell_of(&vm)?;
        let command = "vigie-recovery check --all --repair --json";
        let (ended, results) = events(&mut person, command, "result")?;
        let (state, data) = (result(&results, "state")?, result(&results, "data-1")?);
        ensure!(
            ended == "ended-4" && data["reason"]["reason"] == "disk-errors",
            "{ended}: {data}"
        );
        ctx.note(format!(
            "unreadable blocks: {} {}",
            data["verdict"], data["reason"]
        ));
        ensure!(state["verdict"] == "clean", "{state}");
        ensure!(results.len() == 2, "more was checked: {results:?}");
        Ok(())
    };
    checked().map_err(|error| vm.failure(format!("{error:#}")))?;
    vm.kill()?;
    ensure!(
        sparse::digest(&foreign)? == before,
        "the foreign disk was written to"
    );
    fs::remove_file(path)?;
    Ok(())
}

/// A disk of somebody else, with a file system that was not unmounted.
pub(super) fn foreign(ctx: &Context) -> Result<PathBuf> {
    let path = ctx.folder().join("foreign.raw");
    images::empty(&path, 500_000_000)?;
    let mut mke2fs = ctx.programs()?.command("mke2fs");
    mke2fs.args(["-q", "-F", "-t", "ext4"]).arg(&path);
    process::output("making a foreign disk", &mut mke2fs)?;
    let mut debugfs = ctx.programs()?.command("debugfs");
    debugfs
        .args(["-w", "-R", "set_super_value state 0"])
        .arg(&path);
    process::output("marking it", &mut debugfs)?;
    Ok(path)
}

/// The end of the disk is missing, and with it the end of the recordings: the kernel takes no partition
/// from a table that describes a larger disk. What is wrong is said everywhere, and nothing written.
fn too_small(ctx: &Context) -> Result<()> {
    let path = disk::copy(ctx, "small.raw")?;
    let file = File::options().write(true).open(&path)?;
    let length = file.metadata()?.len() - MISSING;
    file.set_len(length / 512 * 512)?;
    let before = sparse::digest(&path)?;
    let vm = medium(ctx, "small", &[Disk::new(&path, Bus::Virtio)])?;
    let checked = || -> Result<()> {
        let mut person = shell_of(&vm)?;
        let command = "vigie-recovery check --all --repair --json";
        let (ended, results) = events(&mut person, command, "result")?;
        ensure!(
            ended == "ended-8" && results.is_empty(),
            "{ended}: {results:?}"
        );
        for command in ["volumes", "check --repair", "password root"] {
            let said = says(&mut person, &format!("vigie-recovery {command}"))?;
            ensure!(said.contains(SHORT), "{command}: {said}");
        }
        let said = says(&mut person, "vigie-recovery volumes")?;
        ensure!(said.contains("No installation"), "the volumes: {said}");
        person.press("vigie-recovery screen\r")?;
        person.answer("Esc goes back:", "1")?;
        person.expect("No installation of Vigie was found")?;
        person.expect(SHORT).map(drop)
    };
    checked().map_err(|error| vm.failure(format!("{error:#}")))?;
    vm.kill()?;
    ensure!(
        sparse::digest(&path)? == before,
        "the disk that is too small was written to"
    );
    fs::remove_file(path)?;
    Ok(())
}

/// A machine without any disk: there is nothing to do, and that is said.
fn none(ctx: &Context) -> Result<()> {
    let vm = medium(ctx, "none", &[])?;
    let checked = || -> Result<()> {
        let mut person = shell_of(&vm)?;
        for (command, code) in [("check --repair", 8), ("password root", 3)] {
            let said = says(
                &mut person,
                &format!("vigie-recovery {command}; echo ended-$?"),
            )?;
            ensure!(said.contains(&format!("ended-{code}")), "{command}: {said}");
        }
        person.press("vigie-recovery screen\r")?;
        person.answer("Esc goes back:", "1")?;
        person
            .expect("No installation of Vigie was found")
            .map(drop)
    };
    checked().map_err(|error| vm.failure(format!("{error:#}")))?;
    vm.kill()
}
