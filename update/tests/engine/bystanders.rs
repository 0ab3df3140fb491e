//! What an update has nothing to do with: the recordings and all else on the disk, and a state
//! volume without room.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use rustix::process::{Resource, Rlimit, setrlimit};
use vigie_disk::device::{Region, read_vec};
use vigie_disk::{BlockDevice, Bytes, MemoryDevice, SectorSize};
use vigie_update::history::{self, Outcome, Record};
use vigie_update::policy::Reached;
use vigie_update::reached::Floor;
use vigie_update::{Slot, Version, esp, fate};

use crate::support::{Direct, Disks, Shared, context, holds, keys, noise, package, update};

/// A partition of a disk that others share.
#[derive(Clone)]
struct Part {
    disk: Arc<Mutex<MemoryDevice>>,
    start: Bytes,
    length: Bytes,
}

impl Part {
    fn with<T>(&self, f: impl FnOnce(&mut Region<'_>) -> T) -> T {
        let mut disk = self.disk.lock().unwrap();
        f(&mut Region::new(&mut *disk, "part", self.start, self.length).unwrap())
    }

    fn end(&self) -> Bytes {
        self.start + self.length
    }
}

impl BlockDevice for Part {
    fn name(&self) -> &str {
        "part"
    }
    fn size(&self) -> Bytes {
        self.length
    }
    fn sector_size(&self) -> SectorSize {
        SectorSize::S512
    }
    fn read_at(&self, offset: Bytes, buffer: &mut [u8]) -> vigie_disk::Result<()> {
        self.with(|region| region.read_at(offset, buffer))
    }
    fn write_at(&mut self, offset: Bytes, data: &[u8]) -> vigie_disk::Result<()> {
        self.with(|region| region.write_at(offset, data))
    }
    fn flush(&mut self) -> vigie_disk::Result<()> {
        Ok(())
    }
}

/// Between two partitions, and after the last: what is recorded there is not ours.
const GAP: Bytes = Bytes::mib(1);

/// One disk with all partitions, and recordings before, between and after them.
fn one_disk(size: Bytes) -> (Disks<Shared<Part>>, Vec<Part>, Arc<Mutex<MemoryDevice>>) {
    let mut disk = MemoryDevice::new(size, SectorSize::S512);
    disk.write_at(Bytes::ZERO, &noise(size.get() as usize, 5))
        .unwrap();
    let disk = Arc::new(Mutex::new(disk));
    let mut parts: Vec<Part> = Vec::new();
    let disks = Disks::new(Some(1)).map(|filled| {
        let start = parts.last().map_or(Bytes::ZERO, Part::end) + GAP;
        let (disk, length) = (Arc::clone(&disk), filled.size());
        let mut part = Part {
            disk,
            start,
            length,
        };
        let bytes = read_vec(&filled, Bytes::ZERO, length.get() as usize).unwrap();
        part.write_at(Bytes::ZERO, &bytes).unwrap();
        parts.push(part.clone());
        part
    });
    (disks, parts, disk)
}

#[test]
fn c87_c90_nothing_but_the_boot_state_and_the_other_slot_is_touched() {
    let size = Bytes::mib(40 + 2 * (4 + 2) + 6 + 8);
    let (full, delta) = (package(2, None), package(2, Some(1)));
    let broken = &full[..full.len() / 2];
    for (name, package, works) in [
        ("full", &full[..], true),
        ("delta", &delta[..], true),
        ("cut short", broken, false),
    ] {
        let (mut disks, parts, disk) = one_disk(size);
        let read = || read_vec(&*disk.lock().unwrap(), Bytes::ZERO, size.get() as usize).unwrap();
        let before = read();
        assert_eq!(
            update(&mut Direct::piped(package), &mut disks).is_ok(),
            works,
            "{name}"
        );
        let installed = holds(&disks.b.system, &disks.b.boot, &[2]);
        assert_eq!(installed.is_some(), works, "{name}");
        if works {
            let mut state = esp::load(&disks.esp).unwrap();
            state.mark_good(Slot::B);
            esp::save(&mut disks.esp, &state).unwrap();
        }
        let after = read();
        let [esp, _, _, b_system, b_boot] = &parts[..] else {
            panic!("five partitions");
        };
        let within = |part: &Part, at: Bytes| at >= part.start && at < part.end();
        let mut of_esp = 0;
        for (number, (old, new)) in (0..).zip(before.chunks(512).zip(after.chunks(512))) {
            let at = Bytes::new(number * 512);
            if old == new || within(b_system, at) || within(b_boot, at) {
                continue;
            }
            assert!(within(esp, at), "{name}: byte {at} was changed");
            of_esp += 1;
        }
        assert_eq!(of_esp, 1, "{name}: the boot state is one sector");
    }
}

/// In a process of its own, as no file can grow in it: first the folder is as a machine has it,
/// then nothing more goes in.
#[test]
fn c72_c90_a_full_state_volume_hinders_no_update_and_no_way_back() {
    const FOLDER: &str = "VIGIE_TEST_FULL_FOLDER";
    if let Some(folder) = std::env::var_os(FOLDER) {
        return without_room(Path::new(&folder));
    }
    let dir = tempfile::tempdir().unwrap();
    let floor = Floor {
        reached: Reached {
            version: Version([1, 0, 0, 0]),
            security_epoch: 0,
        },
        ..Floor::default()
    };
    Floor::raise(dir.path(), &floor).unwrap();
    history::append(dir.path(), &record(Outcome::Good)).unwrap();
    let name = "bystanders::c72_c90_a_full_state_volume_hinders_no_update_and_no_way_back";
    // Instead of the signal that would end it, it gets the error.
    let shell = "trap '' XFSZ; exec \"$0\" --exact --nocapture \"$1\"";
    let mut child = Command::new("sh");
    child
        .args(["-c", shell])
        .arg(std::env::current_exe().unwrap())
        .arg(name);
    let output = child.env(FOLDER, dir.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{told}"
    );
    assert_eq!(
        told.matches("does not say what was done").count(),
        2,
        "{told}"
    );
    // What was there still is, and no half a file beside it.
    assert_eq!(Floor::load(dir.path()), floor);
    assert_eq!(history::load(dir.path()).len(), 1);
    let mut names: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["floor.0", "floor.1", "history.jsonl"]);
}

fn record(outcome: Outcome) -> Record {
    Record::now(outcome, Version([1, 0, 0, 0]))
}

fn without_room(folder: &Path) {
    let package = package(2, None);
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Fsize, none).unwrap();
    let probe = folder.join("probe");
    std::fs::write(&probe, "x").unwrap_err();
    std::fs::remove_file(&probe).unwrap();
    // The update itself.
    let mut disks = Disks::new(None).map(|disk| disk);
    update(&mut Direct::new(&package), &mut disks).unwrap();
    assert_eq!(holds(&disks.b.system, &disks.b.boot, &[2]), Some(2));
    history::tell(folder, &record(Outcome::Installed));
    // It comes up: good in the boot state, and the floor that could not be raised is told.
    let mut sick = Disks {
        esp: copy(&disks.esp),
        ..disks.clone()
    };
    let machine = context().machine;
    let error = fate::mark_good(&mut disks, Slot::B, &machine, &keys(), folder).unwrap_err();
    assert!(
        error.to_string().contains("state volume's space"),
        "{error}"
    );
    assert!(esp::load(&disks.esp).unwrap().slot(Slot::B).good);
    // Or it does not: the way back is open.
    fate::give_up(&mut sick, Slot::B, &machine, folder, "no answer").unwrap();
    assert_eq!(esp::load(&sick.esp).unwrap().first, Slot::A);
}

fn copy(device: &Shared<MemoryDevice>) -> Shared<MemoryDevice> {
    Shared::new(device.0.lock().unwrap().clone())
}
