//! Power cuts at every write of an update (DESIGN section 7).

use vigie_disk::{BlockDevice, MemoryDevice, crash};
use vigie_update::choice::choose;
use vigie_update::{BootState, Slot, esp};

use crate::support::{Direct, Disks, holds, package, recorders, update};

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

#[test]
fn c67_no_cut_of_marking_good_or_giving_up_loses_a_slot() {
    let mut before = Disks::new(None);
    before.b = before.a.clone();
    let mut state = esp::load(&before.esp).unwrap();
    state.first = Slot::B;
    state.slot_mut(Slot::B).tries = 2;
    esp::save(&mut before.esp, &state).unwrap();
    let good = |state: &mut BootState| state.mark_good(Slot::B);
    let given_up = |state: &mut BootState| {
        state.first = Slot::A;
        *state.slot_mut(Slot::B) = Default::default();
    };
    for (name, change) in [
        ("marking good", &good as &dyn Fn(&mut BootState)),
        ("giving up", &given_up),
    ] {
        let mut disks = before.clone().map(recorders());
        let mut after = state.clone();
        change(&mut after);
        esp::save(&mut disks.esp, &after).unwrap();
        let logs: Vec<_> = before
            .clone()
            .all()
            .into_iter()
            .zip(disks.finish())
            .collect();
        let states = crash::enumerate_all::<vigie_disk::Error>(&logs, |_, cut, disks| {
            let found = esp::load(&disks[0]).unwrap();
            assert!(found == state || found == after, "{cut:?}");
            starts(disks);
            Ok(())
        })
        .unwrap();
        crash::tell(states, &format!("of {name}"));
        assert!(states >= 3);
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
