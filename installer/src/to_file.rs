//! An installation into a new sparse file, without root: disk images for
//! factories, for the demo and for tests. The engine is the same as for disks.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use vigie_disk::{Bytes, FileDevice, SectorSize};

use crate::answers::{Answers, Group};
use crate::execute::{Job, execute};
use crate::ids::Ids;
use crate::inventory::{Disk, Firmware, Inventory};
use crate::payload::Payload;
use crate::plan::{Plan, plan};
use crate::progress::{Progress, Timed};
use crate::report::Report;
use crate::toolbox::Toolbox;

/// Installs into a new file of `size` at `path`, which must not exist yet.
///
/// Which disk the answers name does not matter here; what they ask of several disks, or of an
/// earlier installation, is refused. The file gets its name only when it is complete; until then it is `NAME.partial`, and a failure
/// removes that.
#[allow(clippy::too_many_arguments)] // Each is a different thing that only the caller knows.
pub fn install_to_file(
    answers: &Answers,
    payload: &Payload,
    path: &Path,
    size: Bytes,
    sector_size: SectorSize,
    tools: &dyn Toolbox,
    ids: &Ids,
    progress: &mut dyn Progress,
) -> Result<Report> {
    if path.exists() {
        bail!(
            "{} exists already; name another file or remove it",
            path.display()
        );
    }
    is_for_one_new_disk(answers)?;
    let plan = plan_for_file(answers, payload, path, size, sector_size)?;
    let partial = Partial::new(path);
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let scratch = tempfile::Builder::new()
        .prefix(".vigie-install-")
        .tempdir_in(folder.unwrap_or(Path::new(".")))
        .with_context(|| format!("making a folder beside {}", path.display()))?;
    let scratch_path = scratch.path().canonicalize()?;
    let job = Job {
        answers,
        plan: &plan,
        payload,
        tools,
        ids,
        scratch: &scratch_path,
    };
    let mut progress = Timed::new(progress);
    // Left over from a run that was killed.
    let _ = std::fs::remove_file(&partial.0);
    let file = FileDevice::create(&partial.0, size, sector_size)?;
    execute(&job, &mut [vec![Box::new(file)]], &mut progress)?;
    partial.keep_as(path)?;
    Ok(Report::of_run(&plan, progress.spans(), None))
}

/// Refuses answers that would not be carried out as they stand, by the names in them.
fn is_for_one_new_disk(answers: &Answers) -> Result<()> {
    let target = &answers.target;
    let asked = [
        ("target.disks", !target.disks.is_empty()),
        ("target.count", target.count.is_some_and(|count| count != 1)),
        ("target.raid", target.raid.is_some()),
        ("target.keep", !target.keep.is_nothing()),
        ("target.grow", target.grow),
        ("data", !answers.data.is_empty()),
    ];
    let asked = asked.iter().filter(|(_, is_asked)| *is_asked);
    let names: Vec<&str> = asked.map(|(name, _)| *name).collect();
    ensure!(
        names.is_empty(),
        "the answers have {}, and a file is one new disk: leave that out, or install onto the \
         disks themselves; nothing was written",
        names.join(", ")
    );
    Ok(())
}

/// The plan for a blank disk of that size; the file stands for it.
fn plan_for_file(
    answers: &Answers,
    payload: &Payload,
    path: &Path,
    size: Bytes,
    sector_size: SectorSize,
) -> Result<Plan> {
    let name = path.display().to_string();
    let mut answers = answers.clone();
    answers.target = Group::of_path(&name);
    let inventory = Inventory {
        firmware: Firmware::Uefi,
        disks: vec![Disk::blank(&name, size, sector_size)],
        arrays: Vec::new(),
    };
    plan(&answers, &inventory, payload.manifest()).map_err(|refusal| anyhow!("{refusal}"))
}

/// A file that is removed unless it is kept.
struct Partial(PathBuf);

impl Partial {
    fn new(path: &Path) -> Self {
        let mut name = path.as_os_str().to_owned();
        name.push(".partial");
        Self(PathBuf::from(name))
    }

    fn keep_as(&self, path: &Path) -> Result<()> {
        std::fs::rename(&self.0, path)
            .with_context(|| format!("giving {} its name", path.display()))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // Gone already where it was kept.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_cannot_be_is_refused_by_name() {
        for (text, names) in [
            ("serial = \"A\"\nerase = true\n", ""),
            ("bus = \"sata\"\ncount = 1\n", ""),
            (
                "raid = \"raid1\"\ndisks = [{ serial = \"A\" }, { serial = \"B\" }]\n",
                "target.disks, target.raid,",
            ),
            (
                "raid = \"raid1\"\nbus = \"sata\"\ncount = 2\n",
                "target.count, target.raid,",
            ),
            ("serial = \"A\"\nkeep = \"data\"\n", "target.keep,"),
            (
                "serial = \"A\"\nkeep = \"data\"\ngrow = true\n",
                "target.keep, target.grow,",
            ),
            ("serial = \"A\"\n[[data]]\nserial = \"B\"\n", "data,"),
        ] {
            let answers = Answers::parse(&format!("[target]\n{text}")).unwrap();
            let outcome = is_for_one_new_disk(&answers);
            let said = outcome.map_or_else(|error| error.to_string(), |()| String::new());
            assert_eq!(said.is_empty(), names.is_empty(), "{said}");
            assert!(said.contains(names), "{said}");
        }
    }
}
