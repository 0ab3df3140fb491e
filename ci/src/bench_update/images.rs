//! The images that updates carry: a folder with the files `system` and `boot`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use image_builder::image::system;

use crate::bench_build;
use crate::context::Context;
use crate::process;

/// Length of the system image that the peers are measured with, in bytes.
const LARGE: u64 = 200_000_000;
/// The program that stands for a changed service.
const SERVICE: &str = "usr/bin/vigie-update";

/// The two images of a version.
pub struct Images {
    /// Where they lie.
    pub folder: PathBuf,
}

impl Images {
    /// The images' names in their folder.
    pub const NAMES: [&str; 2] = ["system", "boot"];

    /// A system image of 200 MB, which is the built one as often as it takes; the built boot image.
    pub fn large(ctx: &Context) -> Result<Images> {
        let folder = make_folder(ctx, "update")?;
        let payload = &ctx.image()?.payload;
        let once = fs::read(payload.join("system.img"))?;
        let mut file = File::create(folder.join("system"))?;
        let mut left = LARGE as usize;
        while left > 0 {
            let piece = &once[..once.len().min(left)];
            file.write_all(piece)?;
            left -= piece.len();
        }
        fs::copy(payload.join("boot.img"), folder.join("boot"))?;
        Ok(Images { folder })
    }

    /// The built images packed anew, and the same with another compilation of one service: the
    /// same sources, other paths, another C library. The boot images are those of two builds.
    pub fn before_and_after_one_service(ctx: &Context, service: &Path) -> Result<(Images, Images)> {
        let tree = ctx.folder().join("update-tree");
        let payload = &ctx.image()?.payload;
        let mut unpack = ctx.programs()?.command("unsquashfs");
        unpack.args(["-quiet", "-no-progress", "-no-xattrs", "-d"]);
        unpack.arg(&tree).arg(payload.join("system.img"));
        process::output("unpacking the system image", &mut unpack)?;
        let before = make_folder(ctx, "update-before")?;
        fs::copy(payload.join("boot.img"), before.join("boot"))?;
        pack(ctx, &tree, &before.join("system"))?;
        let old = tree.join(SERVICE);
        fs::remove_file(&old).with_context(|| format!("removing {}", old.display()))?;
        fs::copy(service, &old).with_context(|| format!("copying {}", service.display()))?;
        let after = make_folder(ctx, "update-after")?;
        let boot = bench_build::other_boot_image(ctx)?;
        are_of_one_tree(ctx, &before.join("boot"), &boot)?;
        fs::copy(&boot, after.join("boot"))
            .with_context(|| format!("copying {}", boot.display()))?;
        pack(ctx, &tree, &after.join("system"))?;
        fs::remove_dir_all(&tree)?;
        Ok((Images { folder: before }, Images { folder: after }))
    }

    /// The path of one.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Name and length of each, in bytes.
    pub fn lengths(&self) -> Result<[(&'static str, u64); 2]> {
        let [system, boot] = Self::NAMES;
        let length = |name| -> Result<u64> { Ok(fs::metadata(self.path(name))?.len()) };
        Ok([(system, length(system)?), (boot, length(boot)?)])
    }

    /// Length of both, in bytes.
    pub fn length(&self) -> Result<u64> {
        Ok(self.lengths()?.iter().map(|(_, length)| length).sum())
    }

    /// Removes them, and what was made beside them: it is much.
    pub fn remove(&self) -> Result<()> {
        let folder = &self.folder;
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))
    }

    /// Demands that the files of a slot begin with them: who writes nothing is quickest.
    pub fn are_in(&self, slot: &Path) -> Result<()> {
        for name in Self::NAMES {
            let same = begins_with(&slot.join(name), &self.path(name))?;
            ensure!(
                same,
                "{} is not what was installed",
                slot.join(name).display()
            );
        }
        Ok(())
    }
}

/// What names the system image that a boot image starts.
const ROOT_HASH: &str = "boot.cfg";

/// Demands that two boot images differ in nothing but the system that they start: else the difference
/// of two initrds would be measured too, and not that of one service.
fn are_of_one_tree(ctx: &Context, one: &Path, other: &Path) -> Result<()> {
    let folder = ctx.folder().join("update-boot");
    for (name, image) in [("one", one), ("other", other)] {
        let mut unpack = ctx.programs()?.command("unsquashfs");
        unpack.args(["-quiet", "-no-progress", "-no-xattrs", "-d"]);
        unpack.arg(folder.join(name)).arg(image);
        process::output("unpacking a boot image", &mut unpack)?;
    }
    let differ = differing(&folder.join("one"), &folder.join("other"))?;
    fs::remove_dir_all(&folder)?;
    let others: Vec<&String> = differ.iter().filter(|name| *name != ROOT_HASH).collect();
    ensure!(
        others.is_empty(),
        "the boot images of the two builds differ in {others:?}, not only in the system that they start: one \
         is of another tree; run the step image anew, and measure again"
    );
    Ok(())
}

/// The names of the files in two folders that are not the same in both.
fn differing(one: &Path, other: &Path) -> Result<BTreeSet<String>> {
    let contents = |folder: &Path| -> Result<BTreeMap<String, Vec<u8>>> {
        let entries = fs::read_dir(folder);
        let entries = entries.with_context(|| format!("listing {}", folder.display()))?;
        let read = |entry: std::io::Result<fs::DirEntry>| {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = entry.path();
            let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            Ok((name, bytes))
        };
        entries.map(read).collect()
    };
    let (one, other) = (contents(one)?, contents(other)?);
    let names = one.keys().chain(other.keys());
    let differ = names.filter(|name| one.get(*name) != other.get(*name));
    Ok(differ.cloned().collect())
}

fn make_folder(ctx: &Context, name: &str) -> Result<PathBuf> {
    let folder = ctx.folder().join(name);
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    Ok(folder)
}

/// A system image as the builder makes it.
fn pack(ctx: &Context, tree: &Path, image: &Path) -> Result<()> {
    let mut pack = ctx.programs()?.command("mksquashfs");
    pack.arg(tree).arg(image);
    pack.args(["-quiet", "-no-progress", "-all-root", "-exports"]);
    pack.args(["-mkfs-time", "0", "-all-time", "0"]);
    pack.args(["-comp", "zstd", "-Xcompression-level", "9", "-b", "128K"]);
    process::output("running mksquashfs", &mut pack)?;
    system::seal(image)?;
    Ok(())
}

fn begins_with(file: &Path, start: &Path) -> Result<bool> {
    let open =
        |path: &Path| File::open(path).with_context(|| format!("opening {}", path.display()));
    let (mut file, mut start) = (open(file)?, open(start)?);
    let (mut found, mut expected) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let length = start.read(&mut expected)?;
        if length == 0 {
            return Ok(true);
        }
        if file.read_exact(&mut found[..length]).is_err() || found[..length] != expected[..length] {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_in_two_boot_images_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let put = |path: &str, bytes: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        let found = || {
            let differ = differing(&folder.path().join("a"), &folder.path().join("b"));
            differ.unwrap().into_iter().collect::<Vec<_>>()
        };
        for side in ["a", "b"] {
            put(&format!("{side}/vmlinuz"), "kernel");
            put(&format!("{side}/boot.cfg"), side);
            put(&format!("{side}/initrd.img"), "the same");
        }
        assert_eq!(found(), [ROOT_HASH]);
        put("b/initrd.img", "of another tree");
        put("a/microcode.img", "in one alone");
        assert_eq!(found(), [ROOT_HASH, "initrd.img", "microcode.img"]);
    }

    #[test]
    fn another_byte_or_a_missing_one_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let start = put("start", &[1; 3_000_000]);
        let mut bytes = vec![1; 3_000_010];
        assert!(begins_with(&put("same", &bytes), &start).unwrap());
        assert!(!begins_with(&put("short", &bytes[..2_999_999]), &start).unwrap());
        bytes[2_500_000] = 2;
        assert!(!begins_with(&put("other", &bytes), &start).unwrap());
    }
}
