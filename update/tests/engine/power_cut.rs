//! Power cuts at every write of an update (DESIGN section 7).

use std::path::Path;

use vigie_disk::{BlockDevice, MemoryDevice, crash};
use vigie_update::apply::target::Target;
use vigie_update::choice::choose;
use vigie_update::fate::{self, GivenUp};
use vigie_update::history::Door;
use vigie_update::machine::Machine;
use vigie_update::{BootState, Slot, Version, esp};

use crate::support::{Direct, Disks, Mirrored, context, holds, keys, package, recorders, update};

/// Starts the machine a dozen times without it ever being marked good: each start must find a
/// whole version.
fn starts(disks: &[MemoryDevice]) -> Vec<(Slot, u32)> {
    let [esp, a_system, a_boot, b_system, b_boot] = disks else {
        panic!("five devices");
    };
    let mut state: BootState = esp::load(esp).expect("the boot state is never torn");
    let boot = |state: &mut BootState| {
        let choice = choose(state, &Slot::BOTH);
        *state = choice.after;
        let (system, boot): (&dyn BlockDevice, &dyn BlockDevice) = match choice.slot {
            Slot::A => (a_system, a_boot),
            Slot::B => (b_system, b_boot),
        };
        let version = holds(system, boot, &[1, 2]);
        (
            choice.slot,
            version.unwrap_or_else(|| panic!("{} is not whole", choice.slot)),
        )
    };
    (0..12).map(|_| boot(&mut state)).collect()
}

#[test]
fn c65_c66_no_cut_of_an_update_leaves_a_half_written_slot_to_be_started() {
    for (name, other, base) in [
        ("full, empty slot", None, None),
        ("full, over an older version", Some(1), None),
        ("delta, empty slot", None, Some(1)),
        ("delta, over an older version", Some(1), Some(1)),
    ] {
        let package = package(2, base);
        let before = Disks::new(other);
        let mut recorded = before.clone().map(recorders());
        update(&mut Direct::new(&package), &mut recorded).unwrap();
        let logs: Vec<_> = before
            .clone()
            .all()
            .into_iter()
            .zip(recorded.finish())
            .collect();
        let (mut old, mut new) = (0, 0);
        let states = crash::enumerate_all::<vigie_disk::Error>(&logs, |_, cut, disks| {
            let started = starts(disks);
            // The last resort is always what ran before.
            assert_eq!(started[11], (Slot::A, 1), "{name}: {cut:?}");
            match started[0] {
                (Slot::A, 1) => old += 1,
                (Slot::B, 2) => new += 1,
                other => panic!("{name}: {cut:?} starts {other:?}"),
            }
            Ok(())
        })
        .unwrap();
        crash::tell(
            states,
            &format!("of an update ({name}): {old} start the old version, {new} the new one"),
        );
        assert!(old > 15 && new >= 1, "{name}");
    }
}

/// A disk of a mirrored pair beside the one that was started: its ESP, with the slots of both.
#[test]
fn c65_c66_no_cut_of_an_update_leaves_a_half_written_slot_on_either_disk_of_two() {
    for (name, other) in [("empty slot", None), ("over an older version", Some(1))] {
        let package = package(2, None);
        let before = Mirrored::new(Disks::new(other));
        let mut recorded = before.clone().map(recorders());
        update(&mut Direct::new(&package), &mut recorded).unwrap();
        let logs = recorded.finish();
        let logs: Vec<_> = before.all().into_iter().zip(logs).collect();
        let (mut old, mut new) = (0, 0);
        let states = crash::enumerate_all::<vigie_disk::Error>(&logs, |_, cut, disks| {
            let [beside, own @ ..] = disks else {
                panic!("six devices");
            };
            let begun = [own[0].clone(), beside.clone()].map(|esp| {
                let disks: Vec<_> = [esp].into_iter().chain(own[1..].iter().cloned()).collect();
                let started = starts(&disks);
                assert_eq!(started[11], (Slot::A, 1), "{name}: {cut:?}");
                started[0]
            });
            match begun {
                [(Slot::B, 2), (Slot::B, 2)] => new += 1,
                // The firmware may start either: the other disk is written first.
                [(Slot::A, 1), (Slot::A, 1) | (Slot::B, 2)] => old += 1,
                others => panic!("{name}: {cut:?} starts {others:?}"),
            }
            Ok(())
        })
        .unwrap();
        crash::tell(
            states,
            &format!(
                "of an update on two disks ({name}): {old} start the old version, {new} the new"
            ),
        );
        assert!(old > 15 && new >= 1, "{name}");
    }
}

fn machine(version: u32, security_epoch: u32) -> Machine {
    Machine {
        version: Version([version, 0, 0, 0]),
        security_epoch,
        ..context().machine
    }
}

/// What a person or a start does to the boot state, with the updater's folder.
type Act<'a> = &'a dyn Fn(&mut dyn Target, &Path);

/// Version 2 of slot B was started; both slots are whole. What becomes of it is what the updater
/// does, cut at each of its writes.
#[test]
fn c67_no_cut_of_marking_good_giving_up_or_going_back_loses_a_slot() {
    let good = |epoch| {
        move |target: &mut dyn Target, folder: &Path| {
            let machine = machine(2, epoch);
            fate::mark_good(target, Slot::B, &machine, &keys(), folder).unwrap();
        }
    };
    let given_up = |target: &mut dyn Target, folder: &Path| {
        let gone = fate::give_up(target, Slot::B, &machine(2, 0), folder, "no answer").unwrap();
        assert_eq!(gone, GivenUp::Gone);
    };
    let back = |target: &mut dyn Target, folder: &Path| {
        let by = (Door::Console, None);
        fate::rollback(target, Slot::B, &machine(2, 0), folder, by).unwrap();
    };
    let (good_0, good_1) = (good(0), good(1));
    for (name, act, next) in [
        ("marking good", &good_0 as Act<'_>, Slot::B),
        ("marking good in a new security epoch", &good_1, Slot::B),
        ("giving up", &given_up, Slot::A),
        ("going back", &back, Slot::A),
    ] {
        let mut disks = Disks::new(None);
        disks.b = Disks::new(Some(2)).b;
        let mut state = esp::load(&disks.esp).unwrap();
        state.first = Slot::B;
        state.slot_mut(Slot::B).tries = 2;
        esp::save(&mut disks.esp, &state).unwrap();
        let before = Mirrored::new(disks);
        let folder = tempfile::tempdir().unwrap();
        let mut recorded = before.clone().map(recorders());
        act(&mut recorded, folder.path());
        let after = recorded.load().unwrap();
        assert_eq!(choose(&after, &Slot::BOTH).slot, next, "{name}");
        let logs: Vec<_> = before.all().into_iter().zip(recorded.finish()).collect();
        let states = crash::enumerate_all::<vigie_disk::Error>(&logs, |_, cut, disks| {
            for esp in &disks[..2] {
                let found = esp::load(esp).unwrap();
                assert!(found == state || found == after, "{name}: {cut:?}");
                let disks: Vec<_> = [esp].into_iter().chain(&disks[2..]).cloned().collect();
                starts(&disks);
            }
            Ok(())
        })
        .unwrap();
        crash::tell(states, &format!("of {name} on two disks"));
        assert!(states >= 5, "{name}: {states}");
    }
}

/// Slot A is good and damaged, slot B is good. The initrd of A writes, or is cut off at it; however
/// that goes, some start comes to B, and no later one to A.
#[test]
fn c67_a_good_slot_that_is_damaged_is_left_for_the_other_good_one() {
    let mut before = Disks::new(None);
    before.b = before.a.clone();
    let mut state = esp::load(&before.esp).unwrap();
    state.mark_good(Slot::B);
    esp::save(&mut before.esp, &state).unwrap();
    let reach_b = |mut disk: MemoryDevice, why: &str| {
        let begun = choose(&esp::load(&disk).unwrap(), &Slot::BOTH).slot;
        if begun == Slot::A {
            assert!(esp::leave(&mut disk, Slot::A).unwrap(), "{why}");
        }
        let mut state = esp::load(&disk).unwrap();
        for _ in 0..8 {
            let choice = choose(&state, &Slot::BOTH);
            assert_eq!(choice.slot, Slot::B, "{why}");
            state = choice.after;
        }
    };
    let mut disks = before.clone().map(recorders());
    assert!(esp::leave(&mut disks.esp, Slot::A).unwrap());
    let logs: Vec<_> = before
        .clone()
        .all()
        .into_iter()
        .zip(disks.finish())
        .collect();
    assert!(
        logs[1..].iter().all(|(_, log)| log.is_empty()),
        "only the ESP is written"
    );
    let states = crash::enumerate_all::<vigie_disk::Error>(&logs, |_, cut, disks| {
        reach_b(disks[0].clone(), &format!("{cut:?}"));
        Ok(())
    })
    .unwrap();
    crash::tell(states, "of leaving a damaged slot, by the starts after it");
}
