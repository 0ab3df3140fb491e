//! Puts dm-verity over the system image.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt as _, symlink};

use vigie_disk::verity::Superblock;
use vigie_initrd::cmdline::Request;
use vigie_initrd::trouble::{Step, Trouble};
use vigie_initrd::{dm, verity_table};

use crate::consoles::note;
use crate::loader::Loader;
use crate::root::Root;
use crate::sys::{self, DmCommand};

/// The device's name; part of the contract with the system.
const NAME: &str = "vigie-root";
const CONTROL: &str = "/dev/mapper/control";

/// Sets the device up and gives its node.
pub fn open(request: &Request, loader: &Loader, root: &Root) -> Result<String, Trouble> {
    let node = root.image().node();
    let failed = |cause: String| Trouble::new(root.step(Step::Verity), &node, cause);
    loader.need("dm_verity");
    // A verity superblock that cannot be read, or is another, is damage: it lies in the slot.
    let superblock = read_superblock(&node, request.hash_offset)
        .map_err(|cause| failed(cause).of_damage(true))?;
    let number = root.image().number().map_err(|e| failed(e.to_string()))?;
    let table = verity_table::parameters(&superblock, &number, &request.root_hash);
    let device = map(&superblock, &table).map_err(|e| failed(format!("{CONTROL}: {e}")))?;
    note(format_args!("verity on {node}"));
    Ok(device)
}

fn read_superblock(node: &str, hash_offset: u64) -> Result<Superblock, String> {
    let mut bytes = [0; Superblock::LENGTH];
    let read = File::open(node).and_then(|file| file.read_exact_at(&mut bytes, hash_offset));
    read.map_err(|e| format!("reading the verity superblock at byte {hash_offset}: {e}"))?;
    let superblock = Superblock::parse(&bytes)
        .map_err(|why| format!("the verity superblock at byte {hash_offset}: {why}"))?;
    verity_table::check(&superblock, hash_offset)?;
    Ok(superblock)
}

/// Makes the device with its table, read-only, and sets it going.
fn map(superblock: &Superblock, table: &str) -> io::Result<String> {
    let control = File::options().read(true).write(true).open(CONTROL)?;
    let mut create = dm::message(NAME, &verity_table::dm_uuid(superblock, NAME));
    sys::device_mapper(&control, DmCommand::Create, &mut create)?;
    let sectors = verity_table::sectors(superblock);
    let mut load = dm::read_only_table(NAME, sectors, "verity", table);
    sys::device_mapper(&control, DmCommand::LoadTable, &mut load)?;
    let mut resume = dm::message(NAME, "");
    sys::device_mapper(&control, DmCommand::Resume, &mut resume)?;
    let minor = dm::minor(&resume).ok_or(io::ErrorKind::InvalidData)?;
    name_node(minor)?;
    Ok(format!("/dev/dm-{minor}"))
}

/// `/dev/mapper/vigie-root`, for people and until udev makes it.
fn name_node(minor: u64) -> io::Result<()> {
    let link = format!("/dev/mapper/{NAME}");
    let _ = fs::remove_file(&link);
    symlink(format!("../dm-{minor}"), link)
}
