//! Loads kernel modules: the configured ones, those of the devices that are
//! there, those that other steps ask for by name.
//!
//! A load takes a while (the kernel checks the signature), so modules are loaded
//! by a few threads. A module is loaded once;
//! who needs one that another thread is loading waits for it. The threads end
//! with the exec of the system.
//!
//! The kernel asks for modules itself too (a character set, a cipher). It runs
//! the program named in /proc/sys/kernel/modprobe, which in the initrd is this
//! one: see [`as_modprobe`].

use std::collections::{HashMap, HashSet};
use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Instant;

use rustix::io::Errno;
use rustix::system::{finit_module, uname};

use vigie_initrd::modules::{Id, Index, Texts};
use vigie_initrd::{cmdline, config};

use crate::consoles::{note, warn};

const CONFIG: &str = "/etc/vigie-initrd.conf";
const KERNEL_MODPROBE: &str = "/proc/sys/kernel/modprobe";
/// The kernel's own default.
const SYSTEM_MODPROBE: &str = "/sbin/modprobe";

/// More than the processors that a small machine has: some drivers do wait for
/// their hardware inside the load.
const THREADS: usize = 6;

/// `MODULE_INIT_COMPRESSED_FILE`
const COMPRESSED: i32 = 4;

/// Loads modules, from any thread.
#[derive(Clone)]
pub struct Loader {
    modules: Arc<Modules>,
    wishes: Sender<String>,
    configured: Vec<String>,
}

impl Loader {
    /// Reads the index and starts the threads.
    pub fn start(cmdline: &str) -> Loader {
        let configured = config::parse(&fs::read_to_string(CONFIG).unwrap_or_default());
        let modules = Arc::new(Modules::read(cmdline, &configured));
        note(format_args!("{} modules known", modules.index.len()));
        let (wishes, queue) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..THREADS {
            let (modules, queue) = (Arc::clone(&modules), Arc::clone(&queue));
            thread::spawn(move || modules.serve(&queue));
        }
        if let Err(error) = fs::write(KERNEL_MODPROBE, "/init\n") {
            warn(format_args!("{KERNEL_MODPROBE}: {error}"));
        }
        let configured = configured.into_iter().map(|m| m.name).collect();
        Loader {
            modules,
            wishes,
            configured,
        }
    }

    /// Loads, soon and elsewhere, the configured modules and these.
    pub fn wish_always(&self, names: &[&str]) {
        for name in &self.configured {
            self.wish(name.clone());
        }
        for name in names {
            self.wish((*name).to_owned());
        }
    }

    /// Loads, soon and elsewhere, what a device asks for or a name means.
    pub fn wish(&self, modalias: String) {
        let _ = self.wishes.send(modalias);
    }

    /// Loads a module now; what fails is in the kernel log, and the step that
    /// needs the module fails by itself.
    pub fn need(&self, name: &str) {
        self.modules.load(name);
    }

    /// Loads nothing more for devices: the root device is there, and the
    /// others are udev's, later, when nobody waits for them.
    pub fn stop_wishes(&self) {
        self.modules.wishes_over.store(true, Ordering::Relaxed);
    }

    /// Loads now what a device asks for, where that is the driver of a watchdog
    /// or of a chip that has one, also when wishes are over. Whether it is.
    pub fn need_for_watchdog(&self, modalias: &str) -> bool {
        self.modules.load_for_watchdog(modalias)
    }

    /// Loads nothing more, before the initramfs is emptied.
    pub fn stop(&self) {
        let _ = fs::write(KERNEL_MODPROBE, SYSTEM_MODPROBE);
    }
}

/// What the kernel runs to get a module: `/init -q -- NAME`.
pub fn as_modprobe(args: impl Iterator<Item = String>) -> ExitCode {
    let Some(name) = args.filter(|arg| !arg.starts_with('-')).last() else {
        eprintln!("init: this program is the first of the initramfs, or the kernel's modprobe");
        return ExitCode::from(2);
    };
    let cmdline = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let configured = config::parse(&fs::read_to_string(CONFIG).unwrap_or_default());
    match Modules::read(&cmdline, &configured).load(&name) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Without it a load call waits until every driver has looked for its devices,
/// not only its own: a file system would be loaded after the last SATA port was
/// tried, and the exec of the system would wait for the threads that wait.
const DO_NOT_WAIT: &str = "async_probe";

struct Modules {
    index: Index,
    folder: PathBuf,
    cmdline: String,
    configured: HashMap<String, String>,
    blacklist: HashSet<String>,
    loaded: Vec<OnceLock<()>>,
    wishes_over: AtomicBool,
}

impl Modules {
    fn read(cmdline: &str, configured: &[config::Module]) -> Modules {
        let release = uname().release().to_string_lossy().into_owned();
        let folder = Path::new("/lib/modules").join(release);
        let text = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).unwrap_or_else(|error| {
                warn(format_args!("{}: {error}", path.display()));
                String::new()
            })
        };
        let index = Index::parse(&Texts {
            dep: text("modules.dep"),
            alias: text("modules.alias"),
            softdep: text("modules.softdep"),
            builtin: text("modules.builtin"),
        });
        let parameters = configured.iter().cloned().map(|m| (m.name, m.parameters));
        Modules {
            loaded: (0..index.len()).map(|_| OnceLock::new()).collect(),
            index,
            folder,
            cmdline: cmdline.to_owned(),
            configured: parameters.collect(),
            blacklist: cmdline::blacklist(cmdline).into_iter().collect(),
            wishes_over: AtomicBool::new(false),
        }
    }

    /// A thread's work, until the program ends.
    fn serve(&self, queue: &Mutex<Receiver<String>>) {
        loop {
            let wish = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            match wish {
                Ok(wish) => self.load(&wish),
                Err(mpsc::RecvError) => return,
            };
        }
    }

    /// Loads what a name or an alias means; false where nothing does.
    fn load(&self, wanted: &str) -> bool {
        let found = self.index.lookup(wanted);
        if wanted.contains(':') {
            self.load_for_device(&found);
            return !found.is_empty();
        }
        if found.is_empty() && !self.index.is_builtin(wanted) {
            note(format_args!("there is no module for {wanted}"));
        }
        for id in &found {
            for part in self.index.order(*id) {
                self.loaded[part].get_or_init(|| self.insert(part));
            }
        }
        !found.is_empty()
    }

    fn load_for_watchdog(&self, modalias: &str) -> bool {
        let mut found = self.index.lookup(modalias);
        found.retain(|id| self.index.is_for_watchdog(*id) && self.is_allowed(*id));
        for part in found.iter().flat_map(|id| self.index.order(*id)) {
            self.loaded[part].get_or_init(|| self.insert(part));
        }
        !found.is_empty()
    }

    fn is_allowed(&self, id: Id) -> bool {
        !self.blacklist.contains(self.index.name(id))
    }

    fn load_for_device(&self, found: &[Id]) {
        for id in found.iter().filter(|id| self.is_allowed(**id)) {
            for part in self.index.order(*id) {
                if self.wishes_over.load(Ordering::Relaxed) {
                    return;
                }
                self.loaded[part].get_or_init(|| self.insert(part));
            }
        }
    }

    /// Gives one file to the kernel and notes how that went.
    fn insert(&self, id: Id) {
        let name = self.index.name(id);
        let live = fs::read_to_string(format!("/sys/module/{name}/initstate"));
        if live.is_ok_and(|state| state.trim() == "live") {
            return;
        }
        let start = Instant::now();
        match self.insert_file(id) {
            Ok(()) => note(format_args!(
                "module {name} ({} ms)",
                start.elapsed().as_millis()
            )),
            // Somebody was faster; or the processor has not what it is for.
            Err(e) if is(&e, Errno::EXIST) || is(&e, Errno::NODEV) => {}
            Err(error) => warn(format_args!("module {name}: {error}")),
        }
    }

    fn insert_file(&self, id: Id) -> io::Result<()> {
        let file = File::open(self.folder.join(self.index.path(id)))?;
        let flags = match self.index.path(id).ends_with(".ko") {
            true => 0,
            false => COMPRESSED,
        };
        Ok(finit_module(&file, &self.parameters(id)?, flags)?)
    }

    /// The configured parameters, then those of the command line, so that the
    /// latter win.
    fn parameters(&self, id: Id) -> io::Result<CString> {
        let name = self.index.name(id);
        let configured = self.configured.get(name).map_or("", String::as_str);
        let given = cmdline::module_parameters(&self.cmdline, name);
        let all = format!("{DO_NOT_WAIT} {configured} {given}");
        Ok(CString::new(all.trim())?)
    }
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}
