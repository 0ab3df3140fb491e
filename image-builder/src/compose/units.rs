//! What systemd's own tools compute once, at build time instead of at every boot: enabled
//! units, the hardware database, the message catalog.

use std::path::Path;

use anyhow::{Context, Result};

use crate::cache::Cache;
use crate::tools::{Tools, run};
use crate::tree::{Kind, Tree, export, import};

/// Enables and disables units as the presets say.
///
/// # Errors
/// systemctl(1) refuses a unit.
pub fn presets(tree: &mut Tree, cache: &Cache, tools: &Tools) -> Result<()> {
    let scratch = part(tree, cache, &["etc/systemd/", "usr/lib/systemd/"])?;
    let mut command = tools.command("systemctl");
    command
        .arg(format!("--root={}", scratch.path().display()))
        .arg("preset-all");
    run("enabling units by their presets", &mut command)?;
    take_back(tree, scratch.path(), "etc/systemd")
}

/// Makes `/usr/lib/udev/hwdb.bin`: at boot it would cost many seconds.
///
/// udevadm(8) writes the older form of the file, which has no names of source files in it:
/// these would be paths of the build machine.
///
/// # Errors
/// udevadm(8) refuses a file.
pub fn hardware_database(tree: &mut Tree, cache: &Cache, tools: &Tools) -> Result<()> {
    let scratch = part(tree, cache, &["usr/lib/udev/hwdb.d/"])?;
    let mut command = tools.command("udevadm");
    command
        .args(["hwdb", "--update", "--usr"])
        .arg(format!("--root={}", scratch.path().display()));
    run("making the hardware database", &mut command)?;
    tree.file(
        "usr/lib/udev/hwdb.bin",
        0o444,
        std::fs::read(scratch.path().join("usr/lib/udev/hwdb.bin"))?,
    )?;
    tree.remove("usr/lib/udev/hwdb.d");
    Ok(())
}

/// Makes the catalog of explanations for log messages. Its place is below `/var`, which is
/// the state volume, so the running system gets a link to the copy below `/usr`.
///
/// # Errors
/// journalctl(1) refuses a file.
pub fn catalog(tree: &mut Tree, cache: &Cache, tools: &Tools) -> Result<()> {
    const COPY: &str = "usr/share/vigie/catalog";
    const PLACE: &str = "var/lib/systemd/catalog/database";
    let scratch = part(tree, cache, &["usr/lib/systemd/catalog/"])?;
    std::fs::create_dir_all(scratch.path().join("var/lib/systemd/catalog"))?;
    let mut command = tools.command("journalctl");
    command
        .arg(format!("--root={}", scratch.path().display()))
        .arg("--update-catalog");
    run("making the message catalog", &mut command)?;
    let database = scratch.path().join(PLACE);
    tree.file(
        COPY,
        0o644,
        std::fs::read(&database).with_context(|| format!("reading {}", database.display()))?,
    )?;
    tree.remove("usr/lib/systemd/catalog");
    let lines =
        format!("d /var/lib/systemd/catalog 0755 root root -\nL+ /{PLACE} - - - - /{COPY}\n");
    tree.file("usr/lib/tmpfiles.d/vigie-catalog.conf", 0o644, lines)
}

/// Some folders of the tree as real folders.
fn part(tree: &Tree, cache: &Cache, prefixes: &[&str]) -> Result<tempfile::TempDir> {
    let scratch = cache.scratch()?;
    let mut some = tree.clone();
    some.retain(|path, _| prefixes.iter().any(|p| path.starts_with(p)));
    export::folder(&some, scratch.path())?;
    Ok(scratch)
}

/// Adds the links that a tool has made below a folder, and removes those that it has removed.
fn take_back(tree: &mut Tree, root: &Path, folder: &str) -> Result<()> {
    let mut after = Tree::default();
    import::add_folder(&mut after, root, |path| path.starts_with(folder))?;
    let below = format!("{folder}/");
    tree.retain(|path, node| {
        !(path.starts_with(&below) && matches!(node.kind, Kind::Link(_)))
            || after.get(path).is_some()
    });
    for (path, node) in after.iter() {
        if let Kind::Link(target) = &node.kind {
            tree.link(
                path,
                target
                    .strip_prefix(&*root.to_string_lossy())
                    .unwrap_or(target),
            )?;
        }
    }
    Ok(())
}
