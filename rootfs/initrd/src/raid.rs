//! Starts the system's md arrays: that of the root partition and that of the
//! state volume, by their ids, of the devices that carry their superblocks, and
//! no others: what else is on the disks is udev's, later. Never in the live
//! system: an installer or a repair decides there; of one that runs from a slot
//! (`vigie.recovery`) only the root's.
//!
//! Nothing here ends the boot. Each member of the root's array holds the whole
//! image where there is no RAID, and verity tells whether it is the right one,
//! so without its array the system starts from the partition.

use std::path::Path;
use std::time::Duration;

use vigie_disk::md::Superblock;
use vigie_disk::{Bytes, KernelDevice, verity};
use vigie_initrd::arrays::{self, Gathering, Member};
use vigie_initrd::cmdline::Request;
use vigie_initrd::fsck;
use vigie_initrd::report::{ArrayReport, Why};

use crate::consoles::{note, tell, warn};
use crate::devices::{BlockDevice, Devices};
use crate::loader::Loader;
use crate::program;

const MDADM: &str = "/sbin/mdadm";
/// It asks nobody and waits for no device, so it is quick or stuck.
const LIMIT: Duration = Duration::from_secs(60);
/// The state volume's partition in the table of a system disk.
const STATE: &str = "state";
/// Names below /dev/md where a superblock has none that is fit.
const ROOT_NAME: &str = "system";

/// The arrays of the system.
pub struct Arrays {
    /// The state volume's device, where arrays have a say in it; else it is the
    /// started disk's partition. The error says why there is none.
    state: Option<Result<BlockDevice, Why>>,
    /// All that were started.
    pub reports: Vec<ArrayReport>,
}

impl Arrays {
    /// The device of the state volume, or why there is none.
    pub fn state(&self, disk: &BlockDevice) -> Result<BlockDevice, Why> {
        if let Some(state) = &self.state {
            return state.clone();
        }
        let own = disk.partition_named(STATE);
        own.ok_or_else(|| Why::no_partition(&disk.node(), STATE))
    }
}

/// An array that was started.
struct Started {
    device: BlockDevice,
    name: String,
}

/// Starts the arrays that the root partition and, where the system uses it, the state
/// partition of its disk are members of, and gives the device with the system image.
pub fn assemble(
    request: &Request,
    loader: &Loader,
    devices: &mut Devices,
    partition: BlockDevice,
    disk: &BlockDevice,
) -> (BlockDevice, Arrays) {
    let mut arrays = Arrays {
        state: None,
        reports: Vec::new(),
    };
    let own_state = disk
        .partition_named(STATE)
        .filter(|_| request.boot.uses_state());
    let root = read_superblock(&partition);
    let state = own_state.as_ref().and_then(read_superblock);
    if root.is_none() && state.is_none() {
        return (partition, arrays);
    }
    let found = [(Some(&partition), &root), (own_state.as_ref(), &state)];
    let mut gathering = begin(loader, found);
    wait_for_members(request, devices, &mut gathering);
    let mut image = partition;
    if let Some(root) = &root {
        let started = start(loader, &gathering, root, ROOT_NAME);
        arrays.reports.extend(started.as_ref().ok().map(report));
        image = choose_image(request, image, started);
    }
    if request.boot.uses_state() {
        let state = start_state(loader, devices, &gathering, state, root);
        arrays.reports.extend(state.as_ref().ok().map(report));
        arrays.state = Some(state.map(|started| started.device));
    }
    for (english, french) in arrays.reports.iter().filter_map(arrays::degraded_texts) {
        tell(&english, &french);
    }
    (image, arrays)
}

/// Begins to look for the arrays that the started disk's partitions are members
/// of, and gets their modules meanwhile.
fn begin(loader: &Loader, found: [(Option<&BlockDevice>, &Option<Superblock>); 2]) -> Gathering {
    let [root, state] = found.map(|(_, one)| one.as_ref().map(|one| one.uuid));
    let mut gathering = Gathering::of(root, state);
    for (device, superblock) in found {
        if let (Some(device), Some(superblock)) = (device, superblock) {
            let module = arrays::module(superblock.level);
            module
                .into_iter()
                .for_each(|module| loader.wish(module.to_owned()));
            gathering.take(device.node(), superblock.clone());
        }
    }
    gathering
}

/// The superblock of a partition; none where it is in no array. What cannot be
/// read is no member either: the others are looked for among the other disks.
fn read_superblock(device: &BlockDevice) -> Option<Superblock> {
    let opened = KernelDevice::open_read_only(Path::new(&device.node()));
    let read = opened.and_then(|device| Superblock::read(&device));
    read.inspect_err(|error| warn(error)).ok().flatten()
}

/// Collects members until all that work are there, or the time is over.
fn wait_for_members(request: &Request, devices: &mut Devices, gathering: &mut Gathering) {
    let limit = request.raid_wait;
    let say = || {
        let seconds = limit.as_secs();
        tell(
            &format!("waiting for the other disks of the RAID, up to {seconds} seconds"),
            &format!("en attente des autres disques du RAID, jusqu'à {seconds} secondes"),
        );
    };
    let complete = devices.find(limit, say, |device| {
        take(gathering, device);
        gathering.is_complete().then_some(())
    });
    match complete {
        Some(()) => note("all members of the arrays are there"),
        None => warn(format_args!(
            "not all members of the arrays came within {} seconds",
            limit.as_secs()
        )),
    }
}

fn take(gathering: &mut Gathering, device: &BlockDevice) {
    if !device.is_partition() {
        return;
    }
    if let Some(superblock) = read_superblock(device) {
        gathering.take(device.node(), superblock);
    }
}

/// Starts the array of the state volume. Where the started disk does not name it
/// (its partition is unreadable, or another disk was put in its place), the
/// disks of the root's array do. A partition that should be in an array is never
/// checked and mounted by itself.
fn start_state(
    loader: &Loader,
    devices: &mut Devices,
    gathering: &Gathering,
    own: Option<Superblock>,
    root: Option<Superblock>,
) -> Result<Started, Why> {
    if let Some(own) = own {
        return start(loader, gathering, &own, STATE);
    }
    let members = root.map_or_else(Vec::new, |root| gathering.members(root.uuid));
    let elsewhere = members
        .into_iter()
        .filter_map(state_beside)
        .max_by_key(|superblock| superblock.events);
    let Some(state) = elsewhere else {
        return Err(Why::no_member(STATE));
    };
    let mut gathering = Gathering::of(None, Some(state.uuid));
    // No wait: the disks of the root's array have had their time.
    let _ = devices.find(
        Duration::ZERO,
        || (),
        |device| {
            take(&mut gathering, device);
            None::<()>
        },
    );
    start(loader, &gathering, &state, STATE)
}

/// The superblock of the state partition on a member's disk.
fn state_beside(member: &Member) -> Option<Superblock> {
    let name = member.node.strip_prefix("/dev/")?.replace('/', "!");
    let disk = BlockDevice::read(&name)?.disk()?;
    read_superblock(&disk.partition_named(STATE)?)
}

/// Starts one array of the members that are there, and gives its device.
fn start(
    loader: &Loader,
    gathering: &Gathering,
    one: &Superblock,
    other_name: &str,
) -> Result<Started, Why> {
    loader.need("md_mod");
    if let Some(module) = arrays::module(one.level) {
        loader.need(module);
    }
    let members = gathering.members(one.uuid);
    let name = arrays::device_name(one, other_name);
    let words = arrays::assembly(one.uuid, name, &members);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let output = match program::run(MDADM, &words, Some(LIMIT)) {
        Ok(outcome) => outcome.output,
        Err(error) => format!("{MDADM}: {error}"),
    };
    // The kernel knows better than an exit code whether the array runs.
    let running = members.iter().find_map(|member| array_over(&member.node));
    let device = running.ok_or_else(|| Why::no_array(name, &fsck::summary(&output)))?;
    let name = name.to_owned();
    Ok(Started { device, name })
}

/// The running array that a device is a member of.
fn array_over(node: &str) -> Option<BlockDevice> {
    let name = node.strip_prefix("/dev/")?.replace('/', "!");
    let mut holders = BlockDevice::read(&name)?.holders().into_iter();
    holders.find(|holder| holder.md_attribute("level").is_some() && !holder.is_empty())
}

/// The device with the image of the root hash: the array, or, where the started
/// disk was left out of it as out of date and another image is there by now, the
/// started disk's own partition. The hash came from that disk.
fn choose_image(
    request: &Request,
    partition: BlockDevice,
    array: Result<Started, Why>,
) -> BlockDevice {
    let array = match array {
        Ok(array) => array.device,
        Err(why) => {
            say_without_array(&partition, &why);
            return partition;
        }
    };
    if has_image(request, &array) || !has_image(request, &partition) {
        note(format_args!("root array {}", array.node()));
        return array;
    }
    let array = array.node();
    let why = Why {
        english: format!("{array} holds another version than the started disk"),
        french: format!("{array} contient une autre version que le disque démarré"),
    };
    say_without_array(&partition, &why);
    partition
}

fn has_image(request: &Request, device: &BlockDevice) -> bool {
    let offset = Bytes::new(request.hash_offset);
    let opened = KernelDevice::open_read_only(Path::new(&device.node()));
    let found = opened.and_then(|device| verity::has_root(&device, offset, &request.root_hash));
    found.inspect_err(|error| warn(error)).unwrap_or(false)
}

fn say_without_array(partition: &BlockDevice, why: &Why) {
    let node = partition.node();
    let Why { english, french } = why;
    tell(
        &format!("the system starts from {node} alone, without its RAID array: {english}"),
        &format!("le système démarre de {node} seul, sans sa grappe RAID : {french}"),
    );
}

/// What the kernel says of a running array.
fn report(array: &Started) -> ArrayReport {
    let degraded = array.device.md_attribute("degraded");
    let missing = degraded.and_then(|text| text.parse().ok()).unwrap_or(0);
    ArrayReport {
        device: array.device.node(),
        name: array.name.clone(),
        degraded: missing > 0,
        members: array.device.md_members(),
        missing,
    }
}
