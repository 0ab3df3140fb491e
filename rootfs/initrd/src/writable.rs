//! What can be written: the kernel's file systems, the overlay on /etc, and
//! the small files that the system finds in /etc and /run.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use rustix::mount::{MountFlags, mount};
use rustix::rand::{GetRandomFlags, getrandom};

use vigie_initrd::cmdline::{Boot, Request};
use vigie_initrd::machine_id;
use vigie_initrd::report::{self, Mode, Report};
use vigie_initrd::trouble::{Step, Trouble};

use crate::consoles::{note, warn};
use crate::loader::Loader;
use crate::root::{MEDIUM, Root};
use crate::state::Var;

const KEPT_ID: &str = "/sysroot/var/lib/vigie/machine-id";
const SYSTEM_ID: &str = "/sysroot/etc/machine-id";
const RUN: &str = "/run/vigie";

/// Mounts /dev, /proc, /sys and /run.
pub fn mount_kernel_file_systems() -> Result<(), Trouble> {
    let (nosuid, nodev, noexec) = (MountFlags::NOSUID, MountFlags::NODEV, MountFlags::NOEXEC);
    let all = nosuid | nodev | noexec;
    for (fs, target, flags, options) in [
        ("devtmpfs", "/dev", nosuid, c"mode=0755"),
        ("proc", "/proc", all, c""),
        ("sysfs", "/sys", all, c""),
        ("tmpfs", "/run", nosuid | nodev, c"mode=0755,size=20%"),
    ] {
        let done = fs::create_dir_all(target)
            .and_then(|()| Ok(mount(fs, target, fs, flags, Some(options))?));
        match done {
            // The kernel can mount devtmpfs by itself.
            Err(e) if e.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error()) => {}
            done => done.map_err(|e| Trouble::new(Step::Kernel, target, e))?,
        }
    }
    Ok(())
}

/// Puts an overlay in memory over the image's /etc.
pub fn mount_etc(loader: &Loader) -> Result<(), Trouble> {
    loader.need("overlay");
    let failed = |e: io::Error| Trouble::new(Step::MountWritable, "/etc (overlay)", e);
    fs::create_dir_all("/run/etc/upper").map_err(failed)?;
    fs::create_dir_all("/run/etc/work").map_err(failed)?;
    let options = c"lowerdir=/sysroot/etc,upperdir=/run/etc/upper,workdir=/run/etc/work";
    mount(
        "overlay",
        "/sysroot/etc",
        "overlay",
        MountFlags::empty(),
        Some(options),
    )
    .map_err(|e| failed(e.into()))
}

/// Writes /etc/machine-id: the one that is kept, made when there is none. What
/// fails is a warning: the system then has an id for this boot only.
pub fn set_machine_id(persistent: bool) {
    let kept = fs::read_to_string(KEPT_ID).unwrap_or_default();
    let id = machine_id::parse(&kept).unwrap_or_else(|| {
        let id = new_machine_id();
        if persistent && let Err(error) = keep(Path::new(KEPT_ID), &id) {
            warn(format_args!("{KEPT_ID}: {error}"));
        }
        id
    });
    // Removed first: the image may have a link there.
    let _ = fs::remove_file(SYSTEM_ID);
    if let Err(error) = fs::write(SYSTEM_ID, format!("{id}\n")) {
        warn(format_args!("{SYSTEM_ID}: {error}"));
    }
}

/// Writes `/run/vigie/boot.json`, and the marks of this way to boot.
pub fn write_report(request: &Request, root: &Root, var: Var) -> Result<(), Trouble> {
    let report = report_of(request, root, var);
    let failed = |e: io::Error| Trouble::new(Step::MountWritable, RUN, e);
    fs::create_dir_all(RUN).map_err(failed)?;
    let text = report.to_json().map_err(|e| failed(e.into()))?;
    note(format_args!("boot.json {}", text.trim_end()));
    fs::write(format!("{RUN}/boot.json"), text).map_err(failed)?;
    for mark in report::marks(&request.boot) {
        fs::write(format!("{RUN}/{mark}"), "").map_err(failed)?;
    }
    Ok(())
}

fn report_of(request: &Request, root: &Root, var: Var) -> Report {
    let slot = match &request.boot {
        Boot::Installed { slot, .. } => Some(*slot),
        Boot::Live { .. } => None,
    };
    let (disk, device, medium) = match root {
        Root::Installed { image, disk, .. } => (Some(disk.clone()), image, None),
        Root::Live { medium, .. } => (medium.disk(), medium, Some(MEDIUM.to_owned())),
    };
    Report {
        mode: Mode::of(&request.boot),
        slot,
        root_hash: hex::encode(request.root_hash),
        disk: disk.map(|disk| disk.node()),
        root_device: device.node(),
        state_device: var.device,
        medium,
        state_check: var.check,
        arrays: root.arrays(),
    }
}

fn new_machine_id() -> String {
    let mut bytes = [0; 16];
    if let Err(error) = getrandom(&mut bytes, GetRandomFlags::empty()) {
        warn(format_args!("no random bytes for the machine id: {error}"));
    }
    machine_id::from_random(bytes)
}

/// Writes a file so that after a power cut it is there whole or not at all.
fn keep(path: &Path, id: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(format!("{id}\n").as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(folder)?.sync_all()
}
