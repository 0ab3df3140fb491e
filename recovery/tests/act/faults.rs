//! Disks that fail, are missing, or are somebody else's.

use std::ops::Range;
use std::path::Path;

use vigie_disk::{BlockDevice, Bytes, Error, SectorSize};
use vigie_recovery::check::targets::{self, Asked, Target, Wrong};
use vigie_recovery::choose::choose;
use vigie_recovery::refusal::Refusal;
use vigie_recovery::reset::{self, Scope};
use vigie_recovery::volumes::slot::Wholeness;
use vigie_recovery::volumes::{self, Content, Inventory};
use vigie_update::Slot;

use crate::support::Bench;

const UUID: &str = "11111111-1111-4111-8111-111111111111";

/// A device with sectors that cannot be read.
struct Bad {
    device: Box<dyn BlockDevice>,
    bad: Range<u64>,
}

impl BlockDevice for Bad {
    fn name(&self) -> &str {
        self.device.name()
    }
    fn size(&self) -> Bytes {
        self.device.size()
    }
    fn sector_size(&self) -> SectorSize {
        self.device.sector_size()
    }
    fn read_at(&self, offset: Bytes, buffer: &mut [u8]) -> vigie_disk::Result<()> {
        let asked = offset.get()..offset.get() + buffer.len() as u64;
        if asked.start < self.bad.end && self.bad.start < asked.end {
            return Err(Error::Io {
                doing: "reading",
                device: self.name().to_owned(),
                offset: offset.get(),
                error: std::io::Error::from_raw_os_error(5),
            });
        }
        self.device.read_at(offset, buffer)
    }
    fn write_at(&mut self, _: Bytes, _: &[u8]) -> vigie_disk::Result<()> {
        panic!("a look writes")
    }
    fn flush(&mut self) -> vigie_disk::Result<()> {
        panic!("a look writes")
    }
}

/// The machine where one partition has bad sectors.
fn open(
    bench: &Bench,
    node: &Path,
    partition: &str,
    bad: &Range<u64>,
) -> vigie_disk::Result<Box<dyn BlockDevice>> {
    let device = bench.open(node)?;
    match node.ends_with(partition) {
        true => Ok(Box::new(Bad {
            device,
            bad: bad.clone(),
        })),
        false => Ok(device),
    }
}

fn inventory(bench: &Bench, partition: &str, bad: &Range<u64>) -> Inventory {
    let open = |node: &Path| open(bench, node, partition, bad);
    volumes::inventory(&bench.sysfs(), &open, Some("SN-1"))
}

#[test]
fn what_cannot_be_read_is_told_and_hides_nothing_else() {
    let Some(bench) = Bench::new() else { return };
    bench.installation("sda", "hall", UUID);
    let sound = bench.inventory().installations.remove(0);
    let all = 0..u64::MAX;
    for number in 1..=8 {
        let partition = format!("sda{number}");
        let found = inventory(&bench, &partition, &all);
        let [one] = &found.installations[..] else {
            panic!("{partition}: {found:?}")
        };
        assert_eq!(one.volumes.len(), sound.volumes.len(), "{partition}");
        for (volume, before) in one.volumes.iter().zip(&sound.volumes) {
            match volume.node.ends_with(&partition) {
                true => assert!(
                    matches!(volume.content, Content::Unreadable { .. })
                        // GRUB's core image: nobody looks into it.
                        || number == 1,
                    "{volume:?}"
                ),
                false => assert_eq!(volume, before, "with {partition} unreadable"),
            }
        }
        // Without its state volume nobody knows its name; it is there all the same.
        let host = (number != 7).then_some("hall");
        assert_eq!(one.facts.host.as_deref(), host, "{partition}");
        assert_eq!(one.facts.serial.as_deref(), Some("SN-1"));
    }
    // The superblock of the recordings alone, one sector.
    let found = inventory(&bench, "sda8", &(1024..1536));
    let last = found.installations[0].volumes.last().unwrap();
    assert!(
        matches!(last.content, Content::Unreadable { .. }),
        "{last:?}"
    );
    // Nothing is erased of which it is not known whose it is, and a system disk's own is its own.
    let data = reset::plan(Scope::All, &found.installations[0]).data;
    assert_eq!(data.len(), 1);
}

#[test]
fn a_slot_with_a_bad_sector_is_not_whole() {
    let Some(bench) = Bench::new() else { return };
    bench.installation("sda", "hall", UUID);
    let bad = 1_000_448..1_000_960;
    let open = |node: &Path| open(&bench, node, "sda5", &bad);
    let mut one = inventory(&bench, "sda5", &bad).installations.remove(0);
    one.verify(&open, &mut |_, _, _| {});
    let whole = one.facts.slots[&Slot::A].wholeness.clone().unwrap();
    assert!(matches!(whole, Wholeness::Damaged { .. }), "{whole:?}");
    assert_eq!(one.facts.host.as_deref(), Some("hall"));
}

#[test]
fn without_a_disk_there_is_nothing_to_do() {
    let Some(bench) = Bench::new() else { return };
    let found = bench.inventory();
    assert_eq!(found, Inventory::default());
    let refused = choose(&found.installations, None).unwrap_err();
    assert_eq!(refused, Refusal::NoInstallation);
    let parts = targets::parts(&bench.sysfs());
    for all in [true, false] {
        let asked = Asked {
            all,
            ..Asked::default()
        };
        assert_eq!(targets::choose(&asked, &found, &parts), Err(Wrong::None));
    }
}

#[test]
fn a_swapped_disk_of_recordings_is_nobodys_and_is_not_erased() {
    let Some(bench) = Bench::new() else { return };
    bench.installation("sda", "hall", UUID);
    // That of another appliance: its name is the same, its id is not.
    let swapped = bench.ext4("data-2", 4, None, None);
    bench.partition("sdb", 1, "data-2", &swapped);
    let found = bench.inventory();
    let [one] = &found.installations[..] else {
        panic!("{found:?}")
    };
    let others: Vec<&Path> = found.others.iter().map(|one| one.node.as_path()).collect();
    assert_eq!(others, [Path::new("/dev/sdb1")]);
    // A check of this system leaves it out, and says so.
    let parts = targets::parts(&bench.sysfs());
    let choice = targets::choose(&Asked::default(), &found, &parts).unwrap();
    let left: Vec<&Path> = choice
        .left_out
        .iter()
        .map(|one| one.node.as_path())
        .collect();
    assert_eq!(left, [Path::new("/dev/sdb1")]);
    assert_eq!(choice.targets.len(), 2);
    let erased = reset::plan(Scope::All, one).data;
    let erased: Vec<&Path> = erased.iter().map(|one| one.node.as_path()).collect();
    assert_eq!(erased, [Path::new("/dev/sda8")]);
}

#[test]
fn a_foreign_disk_is_left_alone() {
    let Some(bench) = Bench::new() else { return };
    bench.installation("sda", "hall", UUID);
    // Somebody's data, with a label as ours and on a partition of another name.
    let theirs = bench.ext4("data-1", 4, None, None);
    for (number, name) in [
        (1, "EFI system partition"),
        (2, "Basic data partition"),
        (3, "home"),
    ] {
        bench.partition("sdb", number, name, &theirs);
    }
    let found = bench.inventory();
    assert_eq!(found.installations.len(), 1);
    assert_eq!(found.others, []);
    let parts = targets::parts(&bench.sysfs());
    assert!(parts.iter().all(|part| part.disk == Path::new("/dev/sda")));
    let asked = Asked {
        all: true,
        ..Asked::default()
    };
    let chosen = targets::choose(&asked, &found, &parts).unwrap();
    let nodes = chosen.targets.iter().filter_map(Target::part);
    let nodes: Vec<&Path> = nodes.map(|part| part.node.as_path()).collect();
    assert_eq!(nodes, [Path::new("/dev/sda7"), Path::new("/dev/sda8")]);
}
