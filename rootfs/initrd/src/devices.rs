//! The devices of the machine: the ones that are there, in sysfs, and the ones
//! that come, from the kernel's uevent socket.
//!
//! The socket is opened before sysfs is walked, so that no device is missed.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

use vigie_disk::sysfs::{KernelPartition, Sysfs};
use vigie_initrd::trouble::{Step, Trouble};
use vigie_initrd::uevent::Uevent;

use crate::consoles::{note, warn};
use crate::loader::Loader;

/// The multicast group in which the kernel itself speaks.
const KERNEL_GROUP: u32 = 1;
const RECEIVE_BUFFER: usize = 8 << 20;
/// More than the kernel puts into one message.
const MESSAGE_SIZE: usize = 16 << 10;
/// When a person is told that something is being waited for.
const PATIENCE: Duration = Duration::from_secs(8);

const CLASS: &str = "/sys/class/block";

/// The uevent socket, and the loader that gets the modules for what it says.
pub struct Devices {
    socket: OwnedFd,
    loader: Loader,
}

/// What woke us.
enum News {
    Event(Uevent),
    /// Messages were lost.
    Lost,
    Timeout,
}

impl Devices {
    /// Opens the socket, then asks for the modules of the devices that are
    /// there.
    pub fn listen(loader: &Loader) -> Result<Devices, Trouble> {
        let socket =
            open_socket().map_err(|e| Trouble::new(Step::Kernel, "the uevent socket", e))?;
        let devices = Devices {
            socket,
            loader: loader.clone(),
        };
        devices.coldplug();
        Ok(devices)
    }

    /// Shows `examine` every block device, those that are there and those that
    /// come, until it finds what it looks for or the time is over. `slow` is
    /// called once when that takes long.
    pub fn find<T>(
        &mut self,
        limit: Duration,
        slow: impl FnOnce(),
        mut examine: impl FnMut(&BlockDevice) -> Option<T>,
    ) -> Option<T> {
        let start = Instant::now();
        let mut slow = Some(slow);
        let mut names = Sysfs::default().all();
        loop {
            let devices = names.drain(..).filter_map(|name| BlockDevice::read(&name));
            if let Some(found) = devices.into_iter().find_map(|d| examine(&d)) {
                return Some(found);
            }
            let passed = start.elapsed();
            if passed >= limit {
                return None;
            }
            let alarm = if slow.is_some() {
                PATIENCE.min(limit)
            } else {
                limit
            };
            match self.next(alarm.saturating_sub(passed)) {
                News::Event(event) => names.extend(self.take(event)),
                News::Lost => {
                    warn("uevents were lost, looking at all devices again");
                    self.coldplug();
                    names = Sysfs::default().all();
                }
                News::Timeout => {
                    if let Some(slow) = slow.take() {
                        slow();
                    }
                }
            }
        }
    }

    /// Waits until something holds, looking again at each of the kernel's events;
    /// false where the time is over first.
    pub fn wait_until(&mut self, limit: Duration, mut holds: impl FnMut() -> bool) -> bool {
        let start = Instant::now();
        while !holds() {
            let left = limit.saturating_sub(start.elapsed());
            match self.next(left) {
                News::Timeout => return holds(),
                News::Event(_) | News::Lost => {}
            }
        }
        true
    }

    /// Asks for the module of a new device; gives the name of a block device.
    fn take(&self, event: Uevent) -> Option<String> {
        let name = event.devname.clone().filter(|_| event.is_new_block());
        if let Some(modalias) = event.modalias.filter(|_| event.action == "add") {
            self.loader.wish(modalias);
        }
        // The node's name has slashes where the device's name has marks.
        name.map(|name| name.replace('/', "!"))
    }

    fn next(&self, limit: Duration) -> News {
        let limit = Timespec::try_from(limit).ok();
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
        if !matches!(poll(&mut fds, limit.as_ref()), Ok(1..)) {
            return News::Timeout;
        }
        let mut bytes = vec![0; MESSAGE_SIZE];
        match recv(&self.socket, bytes.as_mut_slice(), RecvFlags::DONTWAIT) {
            Ok((len, _)) => News::Event(Uevent::from_message(&bytes[..len])),
            Err(Errno::AGAIN | Errno::INTR) => News::Event(Uevent::default()),
            Err(_) => News::Lost,
        }
    }

    /// Asks for the modules of all devices that are there.
    fn coldplug(&self) {
        let processor = Path::new("/sys/devices/system/cpu/modalias");
        let mut count = self.wish_for(processor);
        for folder in sub_folders(Path::new("/sys/devices")) {
            if !folder.ends_with("virtual") && !folder.ends_with("system") {
                count += self.walk(&folder);
            }
        }
        note(format_args!("{count} devices looked at"));
    }

    fn walk(&self, folder: &Path) -> usize {
        let mut count = self.wish_for(&folder.join("modalias"));
        for sub in sub_folders(folder) {
            // The only big ones that hold no device.
            if !sub.ends_with("power") && !sub.ends_with("msi_irqs") {
                count += self.walk(&sub);
            }
        }
        count
    }

    fn wish_for(&self, file: &Path) -> usize {
        let text = fs::read_to_string(file).unwrap_or_default();
        let aliases = text.lines().filter(|line| !line.is_empty());
        aliases
            .map(|alias| self.loader.wish(alias.to_owned()))
            .count()
    }
}

/// A whole disk or a partition.
#[derive(Debug, Clone)]
pub struct BlockDevice {
    /// Its folder, links resolved: a partition's is inside its disk's.
    folder: PathBuf,
    /// What the kernel says about it.
    pub event: Uevent,
}

impl BlockDevice {
    /// Reads what sysfs says; None where the device is gone.
    pub fn read(name: &str) -> Option<BlockDevice> {
        let folder = fs::canonicalize(Path::new(CLASS).join(name)).ok()?;
        BlockDevice::in_folder(folder)
    }

    fn in_folder(folder: PathBuf) -> Option<BlockDevice> {
        let text = fs::read_to_string(folder.join("uevent")).ok()?;
        let event = Uevent::from_file(&text);
        event
            .devname
            .is_some()
            .then_some(BlockDevice { folder, event })
    }

    /// `/dev/vda5`
    pub fn node(&self) -> String {
        format!("/dev/{}", self.event.devname.as_deref().unwrap_or_default())
    }

    /// The node of a whole disk that has partitions.
    pub fn partitioned_node(&self) -> Option<String> {
        let whole = self.event.devtype.as_deref() == Some("disk");
        (whole && !self.partitions().is_empty()).then(|| self.node())
    }

    /// The partition of this number.
    pub fn partition(&self, number: u32) -> Option<BlockDevice> {
        let mut partitions = self.partitions().into_iter();
        let found = partitions.find(|p| p.number == number)?;
        BlockDevice::read(&found.kernel_name)
    }

    /// The partition of this name, where exactly one has it.
    pub fn partition_named(&self, name: &str) -> Option<BlockDevice> {
        let found = Sysfs::default().partition_named(&self.kernel_name()?, name)?;
        BlockDevice::read(&found.kernel_name)
    }

    fn partitions(&self) -> Vec<KernelPartition> {
        let name = self.kernel_name();
        name.map_or_else(Vec::new, |name| Sysfs::default().partitions(&name))
    }

    fn kernel_name(&self) -> Option<String> {
        Some(self.folder.file_name()?.to_str()?.to_owned())
    }

    /// The devices that are built on this one (md, dm).
    pub fn holders(&self) -> Vec<BlockDevice> {
        names_in(&self.folder.join("holders"))
            .iter()
            .filter_map(|name| BlockDevice::read(name))
            .collect()
    }

    /// The nodes of the members that an md array works with.
    pub fn md_members(&self) -> Vec<String> {
        let names = names_in(&self.folder.join("slaves")).into_iter();
        let in_sync = |name: &String| {
            let state = self.md_attribute(&format!("dev-{name}/state"));
            state.is_some_and(|state| state.split(',').any(|word| word == "in_sync"))
        };
        let devices = names
            .filter(in_sync)
            .filter_map(|name| BlockDevice::read(&name));
        devices.map(|device| device.node()).collect()
    }

    /// An attribute of an md array; none where this is no array.
    pub fn md_attribute(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(self.folder.join("md").join(name)).ok()?;
        Some(text.trim().to_owned())
    }

    /// Whether this is a partition.
    pub fn is_partition(&self) -> bool {
        self.event.devtype.as_deref() == Some("partition")
    }

    /// `major:minor`
    pub fn number(&self) -> io::Result<String> {
        let text = fs::read_to_string(self.folder.join("dev"))?;
        Ok(text.trim().to_owned())
    }

    /// Whether there is nothing to read: a loop device without a file.
    pub fn is_empty(&self) -> bool {
        fs::read_to_string(self.folder.join("size")).is_ok_and(|text| text.trim() == "0")
    }

    /// The whole disk: itself, or the one that this is a partition of.
    pub fn disk(&self) -> Option<BlockDevice> {
        if !self.is_partition() {
            return Some(self.clone());
        }
        BlockDevice::in_folder(self.folder.parent()?.to_owned())
    }
}

/// The names of what is in a folder, sorted.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

fn sub_folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn open_socket() -> io::Result<OwnedFd> {
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::DGRAM,
        SocketFlags::CLOEXEC,
        Some(netlink::KOBJECT_UEVENT),
    )?;
    rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER)?;
    bind(&socket, &SocketAddrNetlink::new(0, KERNEL_GROUP))?;
    Ok(socket)
}
