//! What the tests of the engine share: tools, a payload, plans, disks.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::SeekFrom;
use sha2::{Digest, Sha256};
use vigie_disk::table::Table;
use vigie_disk::{BlockDevice, Bytes, FileDevice, Region, SectorSize, View};
use vigie_installer::execute::{Disks, Job, execute};
use vigie_installer::inventory::arrays::{self, Candidate};
use vigie_installer::inventory::contents::{listed, of_mbr};
use vigie_installer::inventory::{
    Content, Disk, Existing, Firmware, Inventory, Member, contents_of,
};
use vigie_installer::payload::{MANIFEST, Payload, Role};
use vigie_installer::plan::{Plan, plan};
use vigie_installer::progress::Progress;
use vigie_installer::toolbox::{Run, TreeTools};
use vigie_installer::{Answers, Ids};

/// The time that everything made carries: 2025-11-22, long before any run of this.
pub const BUILT: u64 = 1_763_800_000;
pub const SECTORS: [SectorSize; 2] = [SectorSize::S512, SectorSize::S4096];

pub fn tools() -> Option<TreeTools> {
    let tree = std::env::var_os("VIGIE_TOOLS_DIR");
    if tree.is_none() {
        println!("skipped: VIGIE_TOOLS_DIR is not set");
    }
    tree.map(|tree| TreeTools::new(PathBuf::from(tree)))
}

/// A payload of made-up members of these sizes (system, boot).
pub fn payload(folder: &Path, system: usize, boot: usize) -> Payload {
    let mut members = Vec::new();
    for role in Role::ALL {
        let length = match role {
            Role::System => system,
            Role::Boot => boot,
            Role::BiosBoot => 512,
            _ => 40_000,
        };
        let bytes: Vec<u8> = (0..length)
            .map(|at| (at * 31 / 7 + role as usize) as u8 | 1)
            .collect();
        fs::write(folder.join(role.file_name()), &bytes).unwrap();
        members.push(serde_json::json!({
            "role": role, "path": role.file_name(), "size": length,
            "sha256": hex::encode(Sha256::digest(&bytes)),
        }));
    }
    let list = serde_json::json!({
        "product": "vigie", "version": "0.1.0.0", "arch": "amd64", "build_time": BUILT,
        "root_hash": "00".repeat(32), "hash_offset": 4096, "members": members,
    });
    fs::write(folder.join(MANIFEST), list.to_string()).unwrap();
    Payload::open(folder).unwrap()
}

pub fn answers() -> Answers {
    Answers::parse("[target]\nserial = \"S0\"\nerase = true\n[system]\nhostname = \"nvr-7\"\nlanguage = \"fr\"\n")
        .unwrap()
}

/// The ranges of a sparse file that hold data.
pub fn data_ranges(path: &Path) -> Vec<(u64, u64)> {
    let file = fs::File::open(path).unwrap();
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Ok(start) = rustix::fs::seek(&file, SeekFrom::Data(at)) {
        at = rustix::fs::seek(&file, SeekFrom::Hole(start)).unwrap();
        ranges.push((start, at));
    }
    ranges
}

/// Copies a partition of a disk file into a file of its own; its path.
pub fn extract(disk: &Path, sector: SectorSize, name: &str, into: &Path) -> PathBuf {
    let mut device = FileDevice::open(disk, sector).unwrap();
    let table = Table::read(&device).unwrap().unwrap();
    let partition = table
        .partitions
        .values()
        .find(|one| one.name == name)
        .unwrap();
    let (offset, length) = (partition.offset(sector), partition.length(sector));
    let region = Region::new(&mut device, name, offset, length).unwrap();
    let path = into.join(name);
    let mut copy = FileDevice::create(&path, length, sector).unwrap();
    let (begin, end) = (offset.get(), (offset + length).get());
    for (from, to) in data_ranges(disk) {
        let (from, to) = (from.max(begin), to.min(end));
        for at in (from..to).step_by(1 << 20) {
            let at_in_region = Bytes::new(at - begin);
            let length = (to - at).min(1 << 20) as usize;
            let bytes = vigie_disk::device::read_vec(&region, at_in_region, length).unwrap();
            copy.write_at(at_in_region, &bytes).unwrap();
        }
    }
    path
}

pub fn run(tools: &TreeTools, program: &str, arguments: &[&str], file: &Path) -> String {
    let output = Run::new(tools, program, "checking")
        .args(arguments)
        .arg(file)
        .output()
        .unwrap();
    String::from_utf8(output).unwrap()
}

/// The disks that tests install onto, as an inventory says them: what is on
/// `devices` is looked at, their serial numbers are S0, S1…
pub fn inventory(devices: &mut [&mut dyn BlockDevice]) -> Inventory {
    let devices: Vec<&dyn BlockDevice> = devices.iter().map(|device| &**device as _).collect();
    let numbered = devices.iter().enumerate();
    let disks: Vec<Disk> = numbered.map(|(at, device)| disk(at, *device)).collect();
    let at_hand = disks.iter().zip(&devices);
    let arrays = arrays::among(at_hand.flat_map(|(disk, device)| candidates(disk, *device)));
    Inventory {
        firmware: Firmware::Uefi,
        disks,
        arrays,
    }
}

fn disk(at: usize, device: &dyn BlockDevice) -> Disk {
    let mut disk = Disk::blank(
        &format!("/dev/test{at}"),
        device.size(),
        device.sector_size(),
    );
    disk.serial = Some(format!("S{at}"));
    disk.contents = contents_of(device);
    disk.partitions = listed(device);
    disk.mbr = of_mbr(device);
    for one in &disk.partitions {
        let found = contents_of(&view(one, device)).into_iter();
        disk.contents.extend(found.map(|content| Content {
            partition: Some(one.number),
            name: Some(one.name.clone()),
            ..content
        }));
    }
    disk
}

fn view<'a>(one: &Existing, device: &'a dyn BlockDevice) -> View<'a> {
    View::new(device, &one.name, one.offset, one.size).unwrap()
}

/// What of a disk may be a member of an array.
fn candidates<'a>(disk: &Disk, device: &'a dyn BlockDevice) -> Vec<Candidate<'a>> {
    let partitions = disk.partitions.iter();
    let candidate = |one: &Existing| Candidate {
        member: Member {
            disk: disk.path.clone(),
            partition: Some(one.number),
        },
        device: Box::new(view(one, device)),
    };
    partitions.map(candidate).collect()
}

/// The plan for answers and an inventory; both must fit.
pub fn planned(answers: &Answers, inventory: &Inventory, payload: &Payload) -> Plan {
    plan(answers, inventory, payload.manifest()).unwrap()
}

/// A machine's installation: everything but the disks.
pub struct Setup {
    pub tools: TreeTools,
    pub folder: tempfile::TempDir,
    pub payload: Payload,
}

impl Setup {
    /// With a payload of these sizes (system, boot); none without tools.
    pub fn new(system: usize, boot: usize) -> Option<Self> {
        let tools = tools()?;
        let folder = tempfile::tempdir().unwrap();
        let payload = payload(folder.path(), system, boot);
        Some(Self {
            tools,
            folder,
            payload,
        })
    }

    /// Carries a plan out on disks, in the order of the plan.
    pub fn execute(
        &self,
        answers: &Answers,
        plan: &Plan,
        ids: &Ids,
        disks: &mut [&mut dyn BlockDevice],
        progress: &mut dyn Progress,
    ) -> anyhow::Result<()> {
        let job = Job {
            answers,
            plan,
            payload: &self.payload,
            tools: &self.tools,
            ids,
            scratch: self.folder.path(),
        };
        let mut rest = disks.iter_mut();
        let mut groups: Vec<Disks> = Vec::new();
        for group in &plan.groups {
            let mut opened = Disks::new();
            if !group.is_untouched() {
                for _ in &group.disks {
                    opened.push(Box::new(&mut **rest.next().unwrap()));
                }
            }
            groups.push(opened);
        }
        execute(&job, &mut groups, progress)
    }
}

/// Copies a volume of a disk into a file of its own; its path.
pub fn volume_of(disk: &mut dyn BlockDevice, name: &str, into: &Path) -> PathBuf {
    let sector = disk.sector_size();
    let table = Table::read(disk).unwrap().unwrap();
    let part = table
        .partitions
        .values()
        .find(|one| one.name == name)
        .unwrap();
    let (offset, length) = (part.offset(sector), part.length(sector));
    let region = Region::new(disk, name, offset, length).unwrap();
    let path = into.join(name);
    copy_out(&region, &path);
    path
}

/// Copies what is not zero of a device into a sparse file.
pub fn copy_out(device: &dyn BlockDevice, path: &Path) {
    let size = device.size();
    let mut file = FileDevice::create(path, size, SectorSize::S512).unwrap();
    for at in (0..size.get()).step_by(1 << 20) {
        let length = (size.get() - at).min(1 << 20) as usize;
        let bytes = vigie_disk::device::read_vec(device, Bytes::new(at), length).unwrap();
        if bytes.iter().any(|byte| *byte != 0) {
            file.write_at(Bytes::new(at), &bytes).unwrap();
        }
    }
}
