//! The initrd: our `/init`, kernel modules, and the few programs it runs with their libraries.
//! What has to be in it is written down in rootfs/initrd/README.md.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};

use crate::definition::Definition;
use crate::programs::needed_libraries;
use crate::tree::{Content, Kind, Node, Tree, export};

/// Programs that `/init` runs.
const PROGRAMS: [&str; 2] = ["usr/sbin/e2fsck", "usr/sbin/mdadm"];
const LOADER: &str = "usr/lib64/ld-linux-x86-64.so.2";
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
/// zstd level of the archive.
const LEVEL: i32 = 15;

/// Composes the initrd's tree. `programs` is the tree of the initrd's packages.
///
/// # Errors
/// A program or library that no package has.
pub fn compose(
    definition: &Definition,
    programs: &Tree,
    modules: &Tree,
    init: &Path,
) -> Result<Tree> {
    let mut tree = Tree::default();
    for (link, target) in [
        ("bin", "usr/bin"),
        ("sbin", "usr/sbin"),
        ("lib", "usr/lib"),
        ("lib64", "usr/lib64"),
    ] {
        tree.link(link, target)?;
    }
    tree.insert("init", Node::file(0o755, Content::of_file(init)?))?;
    let names: Vec<_> = definition
        .kernel
        .initrd_load
        .iter()
        .map(|n| n.get_ref().as_str())
        .collect();
    tree.file("etc/vigie-initrd.conf", 0o644, names.join("\n") + "\n")?;
    for (path, node) in modules.iter() {
        tree.insert(path, node.clone())?;
    }
    let mut wanted: BTreeSet<String> = PROGRAMS.iter().map(|p| (*p).to_owned()).collect();
    wanted.insert(LOADER.to_owned());
    let mut done = BTreeSet::new();
    while let Some(path) = wanted.pop_first() {
        let content = programs
            .read(&path)
            .with_context(|| format!("the initrd needs {path}"))?;
        let more = needed_libraries(&content).with_context(|| format!("reading {path}"))?;
        tree.insert(&path, Node::file(0o755, Content::bytes(content)))?;
        done.insert(path);
        let more = more
            .into_iter()
            .filter(|name| !name.starts_with("ld-linux"));
        wanted.extend(
            more.map(|name| format!("{LIBRARIES}/{name}"))
                .filter(|p| !done.contains(p)),
        );
    }
    for folder in ["dev", "proc", "sys", "run", "sysroot", "tmp"] {
        tree.insert(folder, Node::folder(0o755))?;
    }
    Ok(tree)
}

/// Writes a tree as a compressed initrd.
///
/// # Errors
/// A content that cannot be read, or a full disk.
pub fn write(tree: &Tree, out: &Path) -> Result<()> {
    let file = std::fs::File::create(out).with_context(|| format!("writing {}", out.display()))?;
    let mut encoder = zstd::Encoder::new(file, LEVEL)?;
    encoder.include_checksum(true)?;
    let mut buffered = std::io::BufWriter::with_capacity(1 << 18, encoder);
    export::cpio(tree, &mut buffered)?;
    buffered
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error)?
        .finish()?;
    Ok(())
}

/// Makers of processors: name of the file in the boot image, folder of their updates, name
/// that the kernel looks for.
const MICROCODE: [(&str, &str, &str); 2] = [
    ("ucode-intel.img", "intel-ucode", "GenuineIntel.bin"),
    ("ucode-amd.img", "amd-ucode", "AuthenticAMD.bin"),
];

/// Writes the processors' microcode as the kernel wants it before the initrd: uncompressed
/// archives (Documentation/arch/x86/microcode.rst), one per maker, for GRUB to choose from.
///
/// # Errors
/// A file that cannot be read or written.
pub fn write_microcode(raw: &Tree, folder: &Path) -> Result<()> {
    for (file, source, name) in MICROCODE {
        let source = format!("usr/lib/firmware/{source}");
        let mut all = Vec::new();
        for (update, node) in raw.children(&source) {
            // AMD's README and signatures lie beside the updates.
            let is_update = source.ends_with("intel-ucode") || update.ends_with(".bin");
            if matches!(node.kind, Kind::File(_)) && is_update {
                all.extend(raw.read(&format!("{source}/{update}"))?);
            }
        }
        let mut tree = Tree::default();
        tree.file(&format!("kernel/x86/microcode/{name}"), 0o644, all)?;
        let mut archive = Vec::new();
        export::cpio(&tree, &mut archive)?;
        std::fs::write(folder.join(file), archive)?;
    }
    Ok(())
}
