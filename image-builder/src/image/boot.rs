//! The boot image of a system image: a squashfs that GRUB reads, with kernel, microcode,
//! initrd, and the part of the command line that belongs to this system image.

use std::path::Path;

use anyhow::Result;

use super::system::{SystemImage, squashfs};
use crate::tools::Tools;
use crate::tree::{Tree, import};

/// Options that every boot of the appliance has.
const OPTIONS: &str = "console=tty0 console=ttyS0,115200n8 quiet panic=30";

/// Writes the boot image; `parts` is the folder with the initrd and the microcode.
///
/// # Errors
/// A file that cannot be read, or a full disk.
pub fn write(
    kernel: Vec<u8>,
    parts: &Path,
    system: &SystemImage,
    time: u64,
    tools: &Tools,
    out: &Path,
) -> Result<()> {
    let mut tree = Tree::default();
    import::add_folder(&mut tree, parts, |_| true)?;
    tree.file("vmlinuz", 0o644, kernel)?;
    tree.file(
        "boot.cfg",
        0o644,
        format!("set vigie_cmdline=\"{}\"\n", command_line(system)),
    )?;
    // Everything large in it is compressed already; GRUB reads plain blocks fastest.
    squashfs(
        &tree,
        out,
        &["-comp", "gzip", "-noI", "-noD", "-noF", "-noX"],
        time,
        tools,
    )
}

fn command_line(system: &SystemImage) -> String {
    format!(
        "vigie.roothash={} vigie.hashoffset={} {OPTIONS}",
        system.root_hash, system.hash_offset
    )
}
