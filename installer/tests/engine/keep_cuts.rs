//! Power cuts at every write of reinstallations that keep recordings: onto one
//! disk, an enlarged one, mirrors, RAID 5, and beside disks that hold recordings alone.

use std::collections::BTreeMap;

use vigie_disk::device::read_vec;
use vigie_disk::device::record::{Recorder, Sequence};
use vigie_disk::table::{Partition, Table};
use vigie_disk::{BlockDevice, Bytes, MemoryDevice, SectorSize, crash};
use vigie_installer::Answers;

use crate::keep::{
    KEEP, KEEP_ALL, KEEP_GROWN, enlarged, entry, install, record, recorded, settings_of,
};
use crate::power_cut::inside;
use crate::raid::array_of;
use crate::support::Setup;

const S512: SectorSize = SectorSize::S512;

/// A partition that stays: its entry, and every byte of it.
pub struct Kept {
    name: &'static str,
    entry: Partition,
    bytes: MemoryDevice,
}

impl Kept {
    pub fn on(disk: &MemoryDevice, name: &'static str) -> Self {
        let entry = entry(disk, name).unwrap();
        let bytes = bytes_of(disk, &entry);
        Self { name, entry, bytes }
    }

    /// It is where it was, and not a byte of it is another. Its end may have moved.
    pub fn check(&self, disk: &MemoryDevice, when: &str) {
        let Self { name, entry, bytes } = self;
        let found = crate::keep::entry(disk, name);
        let found = found.unwrap_or_else(|| panic!("{when} loses the entry of {name}"));
        assert!(found.last >= entry.last, "{when} cuts {name}");
        let last = entry.last;
        assert_eq!(Partition { last, ..found }, *entry, "{when}");
        assert!(bytes_of(disk, entry) == *bytes, "{when} changes {name}");
    }
}

/// What a disk holds in a partition, and nothing else.
fn bytes_of(disk: &MemoryDevice, part: &Partition) -> MemoryDevice {
    let sector = disk.sector_size();
    let mut bytes = MemoryDevice::new(disk.size(), sector);
    let (offset, length) = (part.offset(sector), part.length(sector));
    bytes.take_from(disk, offset, length).unwrap();
    bytes
}

/// A reinstallation: the disks before it, in the order of the answers, and what stays on each.
struct Case<'a> {
    answers: &'a str,
    stays: &'a [&'a [&'static str]],
    old: Vec<MemoryDevice>,
}

fn borrowed<D: BlockDevice>(disks: &mut [D]) -> Vec<&mut dyn BlockDevice> {
    disks.iter_mut().map(|disk| disk as _).collect()
}

/// How many states were seen in which a disk starts, and in which it does not.
#[derive(Debug, Default)]
struct Seen {
    alive: usize,
    dead: usize,
}

impl Case<'_> {
    fn kept(&self) -> Vec<Vec<Kept>> {
        let disks = self.old.iter().zip(self.stays);
        disks
            .map(|(disk, names)| names.iter().map(|name| Kept::on(disk, name)).collect())
            .collect()
    }

    /// At every cut all that stays is whole and in a table; each disk starts the old
    /// system, or the new one, or nothing; and from each kind of state the same
    /// answers install. The disks as they are without a cut.
    fn cut_everywhere(&self, setup: &Setup) -> Vec<MemoryDevice> {
        let answers = Answers::parse(self.answers).unwrap();
        let kept = self.kept();
        let sequence = Sequence::default();
        let old = self.old.iter().cloned();
        let mut recorders: Vec<_> = old.map(|disk| Recorder::sharing(disk, &sequence)).collect();
        install(setup, &answers, &mut borrowed(&mut recorders), "new");
        let (new, logs): (Vec<_>, Vec<_>) =
            recorders.into_iter().map(Recorder::finish_numbered).unzip();
        let recorded: Vec<_> = self.old.iter().cloned().zip(logs).collect();
        let wholes = self.old.iter().map(inside).zip(new.iter().map(inside));
        let wholes: Vec<_> = wholes.collect();
        let mut kinds: BTreeMap<Vec<(usize, bool)>, Vec<MemoryDevice>> = BTreeMap::new();
        let mut seen = Seen::default();
        let states = crash::enumerate_all::<vigie_disk::Error>(&recorded, |at, cut, disks| {
            let when = format!("{cut:?} of disk {at}");
            for (number, disk) in disks.iter().enumerate() {
                kept[number].iter().for_each(|one| one.check(disk, &when));
                let code = read_vec(&self.old[number], Bytes::ZERO, 440).unwrap();
                seen.look(disk, &wholes[number], &code, &when);
            }
            let kind = disks.iter().zip(&wholes);
            let kind = kind.map(|(disk, (_, new))| (count(disk), inside(disk) == *new));
            kinds
                .entry(kind.collect())
                .or_insert_with(|| disks.to_vec());
            Ok(())
        })
        .unwrap();
        let Seen { alive, dead } = seen;
        crash::tell(
            states,
            &format!(
                "of an installation over recordings on {} disks: {alive} start, {dead} do not",
                self.old.len()
            ),
        );
        assert!(dead > 50 && alive > 5);
        for (kind, mut disks) in kinds {
            install(setup, &answers, &mut borrowed(&mut disks), "again");
            for (number, disk) in disks.iter().enumerate() {
                let when = format!("installing again from {kind:?}");
                kept[number].iter().for_each(|one| one.check(disk, &when));
                assert_eq!(count(disk), count(&new[number]), "{when}");
            }
        }
        new
    }
}

impl Seen {
    fn look(
        &mut self,
        disk: &MemoryDevice,
        (old, new): &(MemoryDevice, MemoryDevice),
        old_code: &[u8],
        when: &str,
    ) {
        if entry(disk, "vigie-esp").is_some() {
            let inside = inside(disk);
            assert!(inside == *old || inside == *new, "{when} half-boots");
            self.alive += 1;
            return;
        }
        // The first sector is the last of the old table to go and of the new to come.
        let first = read_vec(disk, Bytes::ZERO, 440).unwrap();
        let blank = first.iter().all(|byte| *byte == 0);
        assert!(blank || first == old_code, "{when}");
        self.dead += 1;
    }
}

fn count(disk: &MemoryDevice) -> usize {
    let table = Table::read(disk).unwrap();
    table.map_or(0, |table| table.partitions.len())
}

#[test]
fn no_cut_loses_what_is_kept_on_one_disk() {
    let Some(setup) = Setup::new(2 << 20, 1 << 20) else {
        return;
    };
    let old = recorded(&setup, Bytes::gb(8), S512);
    let large = enlarged(&old, Bytes::gb(12));
    let data: &[&'static str] = &["data-1"];
    for (answers, stays, old) in [
        (KEEP, data, &old),
        (KEEP_ALL, &["state", "data-1"], &old),
        (KEEP_GROWN, data, &large),
    ] {
        let case = Case {
            answers,
            stays: &[stays],
            old: vec![old.clone()],
        };
        case.cut_everywhere(&setup);
    }
}

/// Disks joined by a level, with recordings on the array.
fn joined(setup: &Setup, target: &str, members: usize) -> Vec<MemoryDevice> {
    let mut disks = vec![MemoryDevice::new(Bytes::gb(8), S512); members];
    let answers = Answers::parse(&format!("[target]\n{target}")).unwrap();
    install(setup, &answers, &mut borrowed(&mut disks), "old");
    disks.iter_mut().for_each(|disk| record(disk, "data-1"));
    disks
}

const MIRROR: &str = "raid = \"raid1\"\ndisks = [{ serial = \"S0\" }, { serial = \"S1\" }]\n";

#[test]
fn no_cut_loses_what_is_kept_on_a_mirror() {
    let Some(setup) = Setup::new(2 << 20, 1 << 20) else {
        return;
    };
    let mut old = joined(&setup, MIRROR, 2);
    let volumes = |disks: &mut [MemoryDevice]| {
        let state = array_of(disks, "state", &setup);
        settings_of(&setup, &state).volumes
    };
    let known = volumes(&mut old);
    for (keep, stays) in [
        ("data", &["data-1"][..]),
        ("data-and-state", &["state", "data-1"]),
    ] {
        let case = Case {
            answers: &format!("[target]\nkeep = \"{keep}\"\n{MIRROR}"),
            stays: &[stays; 2],
            old: old.clone(),
        };
        let mut new = case.cut_everywhere(&setup);
        assert_eq!(volumes(&mut new), known, "the volume is still the same one");
        let data = array_of(&mut new, "data-1", &setup);
        crate::support::run(&setup.tools, "e2fsck", &["-fn"], &data);
    }
}

#[test]
fn no_cut_loses_what_is_kept_on_raid_5() {
    let Some(setup) = Setup::new(1 << 20, 1 << 20) else {
        return;
    };
    let target = "raid = \"raid5\"\n\
                  disks = [{ serial = \"S0\" }, { serial = \"S1\" }, { serial = \"S2\" }]\n";
    let case = Case {
        answers: &format!("[target]\nkeep = \"data\"\n{target}"),
        stays: &[&["data-1"][..]; 3],
        old: joined(&setup, target, 3),
    };
    case.cut_everywhere(&setup);
}

/// A system disk and one for recordings.
fn two_disks(setup: &Setup) -> Vec<MemoryDevice> {
    let mut disks = vec![MemoryDevice::new(Bytes::gb(8), S512); 2];
    let answers = "[target]\nserial = \"S0\"\n[[data]]\nserial = \"S1\"\n";
    let answers = Answers::parse(answers).unwrap();
    install(setup, &answers, &mut borrowed(&mut disks), "old");
    record(&mut disks[1], "data-2");
    disks
}

const BESIDE: &str = "[target]\nserial = \"S0\"\nerase = true\n\
                      [[data]]\nserial = \"S1\"\nkeep = \"data\"\n";

#[test]
fn no_cut_reaches_recordings_beside_a_new_system() {
    let Some(setup) = Setup::new(1 << 20, 1 << 20) else {
        return;
    };
    let old = two_disks(&setup);
    let mut case = Case {
        answers: BESIDE,
        stays: &[&[], &["data-2"]],
        old,
    };
    let new = case.cut_everywhere(&setup);
    assert!(new[1] == case.old[1], "nothing is written to the disk");

    // Of an enlarged disk the table is written, and nothing else.
    let grown = format!("{BESIDE}grow = true\n");
    case.answers = &grown;
    case.old[1] = enlarged(&case.old[1], Bytes::gb(12));
    let new = case.cut_everywhere(&setup);
    let [was, is] = [&case.old[1], &new[1]].map(|disk| entry(disk, "data-2").unwrap());
    assert!(is.last > was.last);
    assert!(inside(&new[1]) == inside(&case.old[1]));
}
