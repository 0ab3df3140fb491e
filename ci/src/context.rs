//! What a step is given: folders, programs, the image, and machines.

use std::collections::HashMap;
use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::image::Image;
use crate::programs;
use crate::vm::Vm;
use crate::vm::accel::{self, Probe};
use crate::vm::command::{Firmware, Machine, Programs};

/// What all steps of a run share.
pub struct Shared {
    root: PathBuf,
    folder: PathBuf,
    programs: OnceLock<Result<Box<dyn Programs>, String>>,
    probes: Mutex<HashMap<Firmware, Probe>>,
    image: OnceLock<Image>,
    installed: OnceLock<PathBuf>,
    /// Held as long as the run lasts.
    _alone: File,
}

impl Shared {
    /// Finds the repository and the target folder, for this run alone.
    pub fn find() -> Result<Arc<Shared>> {
        let root = repository()?;
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(target) => root.join(target),
            None => root.join("target"),
        };
        let folder = target.join("ci");
        Ok(Arc::new(Shared {
            root,
            _alone: alone(&folder)?,
            folder,
            programs: OnceLock::new(),
            probes: Mutex::default(),
            image: OnceLock::new(),
            installed: OnceLock::new(),
        }))
    }
}

/// Two runs would empty each other's folders: the second one is refused.
fn alone(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let lock = File::create(&path).with_context(|| format!("making {}", path.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!(
            "another run uses {}; wait for it, or set CARGO_TARGET_DIR to another folder",
            folder.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("locking {}", path.display()))
        }
    }
}

/// The folder of the workspace.
fn repository() -> Result<PathBuf> {
    // Set by `cargo run`; a binary that is started by hand looks upwards from where it is.
    let start = match env::var_os("CARGO_MANIFEST_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => env::current_dir().context("finding the present folder")?,
    };
    let root = start
        .ancestors()
        .find(|folder| folder.join("Cargo.lock").is_file());
    root.map(Path::to_owned)
        .with_context(|| format!("no workspace around {}", start.display()))
}

/// What one step is given.
pub struct Context {
    shared: Arc<Shared>,
    folder: PathBuf,
    notes: Mutex<Vec<String>>,
}

impl Context {
    /// For the step `name`; its folder is emptied.
    pub fn new(shared: &Arc<Shared>, name: &str) -> Result<Context> {
        let folder = shared.folder.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("emptying {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        Ok(Context {
            shared: Arc::clone(shared),
            folder,
            notes: Mutex::default(),
        })
    }

    /// The workspace.
    pub fn root(&self) -> &Path {
        &self.shared.root
    }

    /// The step's own folder, target/ci/NAME.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of another step of this run, or one that outlives runs.
    pub fn folder_of(&self, name: &str) -> PathBuf {
        self.shared.folder.join(name)
    }

    /// A few words for the result line.
    pub fn note(&self, words: impl Into<String>) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push(words.into());
    }

    /// All notes.
    pub fn notes(&self) -> String {
        let notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.join(", ")
    }

    /// The Debian programs.
    pub fn programs(&self) -> Result<&dyn Programs> {
        let programs = self
            .shared
            .programs
            .get_or_init(|| programs::find().map_err(|error| format!("{error:#}")));
        programs.as_deref().map_err(|words| anyhow!("{words}"))
    }

    /// The image under test.
    pub fn image(&self) -> Result<&Image> {
        self.shared
            .image
            .get()
            .context("the step `image` has not run")
    }

    /// Says which image is under test.
    pub fn set_image(&self, image: Image) {
        // The step `image` runs once.
        let _ = self.shared.image.set(image);
    }

    /// The raw disk that the step `install` made; only ever used under an overlay.
    pub fn installed_disk(&self) -> Result<&Path> {
        let disk = self.shared.installed.get();
        disk.map(PathBuf::as_path)
            .context("the step `install` has not run")
    }

    /// Says where the installed disk is.
    pub fn set_installed_disk(&self, disk: PathBuf) {
        // The step `install` runs once.
        let _ = self.shared.installed.set(disk);
    }

    /// A machine with the best acceleration that works here.
    pub fn machine(&self, firmware: Firmware) -> Result<Machine> {
        Ok(Machine::new(firmware).accel(self.probe(firmware)?.accel))
    }

    /// What can execute machines with this firmware; tried once in a run.
    pub fn probe(&self, firmware: Firmware) -> Result<Probe> {
        let programs = self.programs()?;
        let mut probes = self
            .shared
            .probes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let probe = probes
            .entry(firmware)
            .or_insert_with(|| accel::probe(programs, firmware, accel::LIMIT));
        Ok(probe.clone())
    }

    /// Starts a machine; its logs go to target/ci/STEP/NAME.
    pub fn start(&self, name: &str, machine: &Machine) -> Result<Vm> {
        Vm::start(self.programs()?, machine, &self.folder.join(name), name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("ci");
        let first = alone(&folder).unwrap();
        let refused = alone(&folder).unwrap_err().to_string();
        assert!(refused.contains("another run"), "{refused}");
        drop(first);
        alone(&folder).unwrap();
    }
}
