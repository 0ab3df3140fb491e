//! State and data volumes: ext4 made by mke2fs in a sparse file, of which only
//! what it wrote is copied to the disk.
//!
//! Inode tables and journal are left for the kernel to initialise
//! (`lazy_itable_init`, `lazy_journal_init`): a volume of many TB takes seconds.
//! What lay there before is harmless: group descriptors mark the tables unused,
//! and the journal's checksums are seeded with the volume's own fresh UUID.
//!
//! The features come from a configuration of ours, so that neither the host's
//! mke2fs.conf nor its version decide what an appliance carries. `metadata_csum`
//! stays on: it is what makes damage visible.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use uuid::Uuid;
use vigie_disk::{BlockDevice, Bytes};
use vigie_settings::Settings;
use vigie_settings::document::VERSION;
use vigie_settings::store::{self, FOLDER_ON_STATE};

use super::extents::{Holes, Pieces, copy, verify};
use crate::ids::Ids;
use crate::layout::Purpose;
use crate::toolbox::{Run, Toolbox};

const CONFIGURATION: &str = "\
[defaults]
\tbase_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
\tenable_periodic_fsck = 0
\tblocksize = 4096
\tinode_size = 256
\tinode_ratio = 16384
[fs_types]
\text4 = {
\t\tfeatures = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
\t}
\tsmall = {
\t}
\tbig = {
\t}
\thuge = {
\t}
";
/// Length of a block, as in [`CONFIGURATION`].
const BLOCK: u64 = 4096;
/// Recordings are large files: an inode for each MiB keeps checks of large volumes short.
const DATA_BYTES_PER_INODE: &str = "1048576";
/// Where the first settings go on the state volume, which is mounted at /var.
const SETTINGS_FOLDERS: [&str; 3] = ["lib", "lib/vigie", FOLDER_ON_STATE];

/// What making a file system needs.
#[derive(Clone, Copy)]
pub struct Making<'a> {
    /// External programs.
    pub tools: &'a dyn Toolbox,
    /// Ids and clock.
    pub ids: &'a Ids,
    /// A folder for volumes in the making; see [`super::Job::scratch`].
    pub scratch: &'a Path,
}

/// The UUID of the file system for a purpose.
pub fn uuid(ids: &Ids, purpose: Purpose) -> Uuid {
    ids.uuid(&format!("file system {}", purpose.name()))
}

/// Makes the state volume with its settings and copies it to `target`; tells what was read back of it.
pub fn write_state(
    job: &Making,
    settings: &Settings,
    target: &mut dyn BlockDevice,
) -> Result<Pieces> {
    let image = job.scratch.join("state.img");
    // In percent, kept back for root: accounts and services that take files from outside cannot use
    // up what settings, history and logs need.
    let options = ["-m", "5"];
    make(job, Purpose::State, &image, target, &options, "")?;
    put_settings(job, &image, &settings.to_text()?)?;
    place(&image, target)
}

/// Makes a data volume and copies it to `target`; tells what was read back of it. On a striped array, `stripes` tells the
/// length of a chunk and how many of them a stripe has: the file system then allocates by them.
///
/// # Errors
/// mke2fs failed, the scratch folder takes no sparse file as large, or `target` refuses.
pub fn write_data(
    job: &Making,
    purpose: Purpose,
    stripes: Option<(Bytes, usize)>,
    target: &mut dyn BlockDevice,
) -> Result<Pieces> {
    let image = job.scratch.join(format!("{}.img", purpose.name()));
    let striped = stripes.map(|(chunk, data)| {
        let stride = chunk.get() / BLOCK;
        format!(",stride={stride},stripe_width={}", stride * data as u64)
    });
    // No blocks are kept back for root: nothing but recordings lives here.
    let options = ["-m", "0", "-i", DATA_BYTES_PER_INODE];
    let extended = striped.unwrap_or_default();
    make(job, purpose, &image, target, &options, &extended)?;
    place(&image, target)
}

fn make(
    job: &Making,
    purpose: Purpose,
    image: &Path,
    target: &dyn BlockDevice,
    options: &[&str],
    more: &str,
) -> Result<()> {
    let name = purpose.name();
    let file = fs::File::create(image).with_context(|| format!("making a file for {name}"))?;
    file.set_len(target.size().get()).with_context(|| {
        format!(
            "making a sparse file of {} in {}; its file system cannot hold one",
            target.size(),
            job.scratch.display()
        )
    })?;
    let configuration = job.scratch.join("mke2fs.conf");
    fs::write(&configuration, CONFIGURATION)?;
    let seed = job.ids.uuid(&format!("hash seed {name}"));
    let extended = format!(
        "hash_seed={seed},lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0{more}"
    );
    timed(job, "mke2fs", &format!("formatting {name}"))
        .env("MKE2FS_CONFIG", &configuration)
        .args(["-q", "-F", "-t", "ext4", "-L", &name])
        .args(["-U", &uuid(job.ids, purpose).to_string(), "-E", &extended])
        .args(options)
        .arg(image)
        .output()
        .map(drop)
}

/// A program of e2fsprogs, with the installation's time as its present.
fn timed(job: &Making, program: &str, doing: &str) -> Run {
    let run = Run::new(job.tools, program, doing);
    match job.ids.time() {
        Some(time) => run
            .env("SOURCE_DATE_EPOCH", time.to_string())
            .env("E2FSPROGS_FAKE_TIME", time.to_string()),
        None => run,
    }
}

/// Puts the first settings into the state volume, owned by root and unreadable
/// to others. debugfs ends well whatever happens, so the file is read back.
fn put_settings(job: &Making, image: &Path, text: &str) -> Result<()> {
    fs::write(job.scratch.join("settings"), text)?;
    let file = format!("{FOLDER_ON_STATE}/{}", store::current(VERSION));
    let folders = SETTINGS_FOLDERS.map(|folder| format!("mkdir {folder}\n"));
    let script = folders.concat()
        + &format!(
            "sif {folder} mode 040700\n\
             write settings {file}\n\
             sif {file} mode 0100600\n\
             sif {file} uid 0\n\
             sif {file} gid 0\n",
            folder = SETTINGS_FOLDERS[2]
        );
    fs::write(job.scratch.join("script"), script)?;
    let doing = "writing the first settings";
    timed(job, "debugfs", doing)
        .within(job.scratch)
        .args(["-w", "-f", "script"])
        .arg(image)
        .output()?;
    let back = timed(job, "debugfs", doing)
        .args(["-R", &format!("cat {file}")])
        .arg(image)
        .output()?;
    fs::remove_file(job.scratch.join("settings"))?;
    ensure!(
        back == text.as_bytes(),
        "{doing}: debugfs did not write them; is e2fsprogs at least 1.46?"
    );
    Ok(())
}

fn place(image: &Path, target: &mut dyn BlockDevice) -> Result<Pieces> {
    copy(image, target, Holes::Left)?;
    let pieces = verify(image, target, Holes::Left)?;
    fs::remove_file(image)?;
    Ok(pieces)
}
