//! Finds what holds the system image: a partition of an installed disk, or
//! the medium.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rustix::mount::{MountFlags, mount as mount_syscall};

use vigie_disk::KernelDevice;
use vigie_disk::table::Table;
use vigie_initrd::cmdline::{Boot, Request};
use vigie_initrd::iso;
use vigie_initrd::report::ArrayReport;
use vigie_initrd::trouble::{Step, Trouble, is_damage};

use crate::SYSROOT;
use crate::consoles::{note, tell, warn};
use crate::devices::{BlockDevice, Devices};
use crate::loader::Loader;
use crate::raid::{self, Arrays};
use crate::sys;

/// Where the medium is mounted.
pub const MEDIUM: &str = "/run/medium";
const IMAGE: &str = "/run/medium/vigie/system.img";

/// Makes the kernel look into CD drives every two seconds: a drive takes time
/// to read a medium in, and says nothing unless it is asked.
const POLL_MEDIA: &str = "/sys/module/block/parameters/events_dfl_poll_msecs";

/// What was found.
pub enum Root {
    /// The system partition of a slot.
    Installed {
        /// What verity is put over: the partition, or the array that it is in.
        image: BlockDevice,
        /// The disk that the boot loader started from.
        disk: BlockDevice,
        /// The arrays of the system.
        arrays: Arrays,
    },
    /// The medium, mounted, and the loop device over its system image.
    Live {
        /// What is mounted.
        medium: BlockDevice,
        /// The loop device.
        image: BlockDevice,
    },
}

impl Root {
    /// The device that verity is put over.
    pub fn image(&self) -> &BlockDevice {
        match self {
            Root::Installed { image, .. } => image,
            Root::Live { image, .. } => image,
        }
    }

    /// The arrays that were started.
    pub fn arrays(&self) -> Vec<ArrayReport> {
        match self {
            Root::Installed { arrays, .. } => arrays.reports.clone(),
            Root::Live { .. } => Vec::new(),
        }
    }

    /// What a fault in the image is a fault of: the slot, or the medium.
    pub fn step(&self, installed: Step) -> Step {
        match self {
            Root::Installed { .. } => installed,
            Root::Live { .. } => Step::OpenMedium,
        }
    }
}

/// Waits for the device that the command line names, and opens it.
pub fn find(request: &Request, loader: &Loader, devices: &mut Devices) -> Result<Root, Trouble> {
    match &request.boot {
        Boot::Installed { part_uuid, .. } => {
            let (partition, disk) = find_partition(request, part_uuid, devices)?;
            let (image, arrays) = raid::assemble(request, loader, devices, partition, &disk);
            Ok(Root::Installed {
                image,
                disk,
                arrays,
            })
        }
        Boot::Live { volume_id } => {
            let medium = find_medium(request, volume_id, devices)?;
            let image = open_medium(loader, &medium)?;
            Ok(Root::Live { medium, image })
        }
    }
}

/// Mounts the verified device as the system's root.
pub fn mount(loader: &Loader, root: &Root, device: &str) -> Result<(), Trouble> {
    loader.need("squashfs");
    let step = root.step(Step::MountRoot);
    make_folder(SYSROOT, step)?;
    mount_syscall(device, SYSROOT, "squashfs", MountFlags::RDONLY, None).map_err(|e| {
        let cause = format!("{e}; a block that does not match the root hash reads as an I/O error");
        let object = format!("{device} ({})", root.image().node());
        Trouble::new(step, object, cause).of_damage(is_damage(&e.into()))
    })?;
    note("system image mounted");
    Ok(())
}

fn find_partition(
    request: &Request,
    part_uuid: &str,
    devices: &mut Devices,
) -> Result<(BlockDevice, BlockDevice), Trouble> {
    let object = format!("PARTUUID={part_uuid}");
    let on_disk = |disk: &BlockDevice| {
        let partition = partition_of(disk, part_uuid)?;
        Some((partition, disk.clone()))
    };
    let found = devices.find(request.wait, || say_waiting(request, &object), on_disk);
    let (partition, disk) = found.ok_or_else(|| missing(Step::FindRoot, request, &object))?;
    note(format_args!("root partition {}", partition.node()));
    Ok((partition, disk))
}

/// The partition with this GUID, where the disk has it. The kernel of Debian 13
/// does not tell the GUID (PARTUUID is in uevents from 6.13 on), so the table
/// is read. The kernel holds the lock of the disk's open while it looks for
/// partitions: once the table is read, all of them are in sysfs.
fn partition_of(disk: &BlockDevice, part_uuid: &str) -> Option<BlockDevice> {
    let device = KernelDevice::open_read_only(Path::new(&disk.partitioned_node()?)).ok()?;
    let table = Table::read(&device)
        .inspect_err(|error| warn(error))
        .ok()??;
    let mut entries = table.partitions.iter();
    let (number, _) = entries.find(|(_, entry)| entry.guid.to_string() == part_uuid)?;
    disk.partition(*number)
}

fn find_medium(
    request: &Request,
    volume_id: &str,
    devices: &mut Devices,
) -> Result<BlockDevice, Trouble> {
    let object = format!("ISO9660 {volume_id:?}");
    if let Err(error) = fs::write(POLL_MEDIA, "2000\n") {
        warn(format_args!("{POLL_MEDIA}: {error}"));
    }
    let is_wanted = |device: &BlockDevice| {
        let found = !device.is_empty() && read_volume_id(device).as_deref() == Some(volume_id);
        found.then(|| device.clone())
    };
    let found = devices.find(request.wait, || say_waiting(request, &object), is_wanted);
    let medium = found.ok_or_else(|| missing(Step::FindMedium, request, &object))?;
    note(format_args!("medium {}", medium.node()));
    Ok(medium)
}

fn read_volume_id(device: &BlockDevice) -> Option<String> {
    let mut descriptor = [0; iso::DESCRIPTOR_SIZE];
    let file = File::open(device.node()).ok()?;
    file.read_exact_at(&mut descriptor, iso::DESCRIPTORS_OFFSET)
        .ok()?;
    iso::volume_id(&descriptor)
}

/// Mounts the medium and puts a loop device over the system image.
fn open_medium(loader: &Loader, medium: &BlockDevice) -> Result<BlockDevice, Trouble> {
    loader.need("isofs");
    loader.need("loop");
    make_folder(MEDIUM, Step::OpenMedium)?;
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    mount_syscall(medium.node(), MEDIUM, "iso9660", flags, None)
        .map_err(|e| Trouble::new(Step::OpenMedium, medium.node(), e))?;
    let on_image = |e| Trouble::new(Step::OpenMedium, IMAGE, e);
    let name = set_up_loop().map_err(on_image)?;
    BlockDevice::read(&name).ok_or_else(|| on_image(std::io::ErrorKind::NotFound.into()))
}

fn set_up_loop() -> std::io::Result<String> {
    let image = File::open(IMAGE)?;
    let control = File::options()
        .read(true)
        .write(true)
        .open("/dev/loop-control")?;
    let name = format!("loop{}", sys::free_loop_device(&control)?);
    sys::configure_loop(&File::open(format!("/dev/{name}"))?, &image)?;
    Ok(name)
}

fn say_waiting(request: &Request, object: &str) {
    let seconds = request.wait.as_secs();
    tell(
        &format!("waiting for {object}, up to {seconds} seconds"),
        &format!("en attente de {object}, jusqu'à {seconds} secondes"),
    );
}

fn missing(step: Step, request: &Request, object: &str) -> Trouble {
    let seconds = request.wait.as_secs();
    Trouble::new(
        step,
        object,
        format!("no such device within {seconds} seconds"),
    )
}

fn make_folder(path: &str, step: Step) -> Result<(), Trouble> {
    fs::create_dir_all(path).map_err(|e| Trouble::new(step, path, e))
}
