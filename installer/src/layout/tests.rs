use super::kept::{Around, Stays};
use super::*;
use crate::answers::Keep;
use crate::inventory::Existing;
use proptest::prelude::*;

const SECTORS: [SectorSize; 2] = [SectorSize::S512, SectorSize::S4096];
const RAIDS: [Option<(Level, usize)>; 6] = [
    None,
    Some((Level::Raid1, 2)),
    Some((Level::Raid1, 3)),
    Some((Level::Raid5, 3)),
    Some((Level::Raid6, 5)),
    Some((Level::Raid10, 4)),
];

fn space(size: Bytes, sector: SectorSize) -> Space {
    let joined = None;
    Space {
        size,
        sector,
        joined,
    }
}

fn joined(raid: Option<(Level, usize)>) -> Option<Joined> {
    raid.map(|(level, members)| Joined { level, members })
}

fn system(size: Bytes, needs: Needs) -> Result<Layout, NoLayout> {
    Layout::system(
        space(size, SectorSize::S512),
        needs,
        &mut Numbers::default(),
    )
}

fn sizes(disk: Bytes) -> Vec<u64> {
    let layout = system(disk, Needs::default()).unwrap();
    layout
        .parts()
        .iter()
        .map(|part| part.size.get() >> 20)
        .collect()
}

#[test]
fn sizes_in_mib() {
    for (disk, expected) in [
        (Bytes::gb(8), [1, 288, 96, 96, 1024, 1024, 1284, 3815]),
        (Bytes::gb(100), [1, 288, 256, 256, 2384, 2384, 13503, 76294]),
        (
            Bytes::gb(250),
            [1, 288, 256, 256, 4096, 4096, 38689, 190735],
        ),
        (
            Bytes::gb(20_000),
            [1, 288, 256, 256, 4096, 4096, 38689, 19_025_803],
        ),
    ] {
        assert_eq!(sizes(disk), expected, "{disk}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let make = |size, needs| system(size, needs).unwrap_err();
    let small = Bytes::new(SMALLEST_DISK.get() - 1);
    assert_eq!(
        make(small, Needs::default()),
        NoLayout::TooSmall(SMALLEST_DISK)
    );
    let large = Needs {
        system: Bytes::gib(2),
        ..Needs::default()
    };
    let refused = make(Bytes::gb(8), large);
    let expected = NoLayout::SlotTooSmall("system-a".to_owned(), Bytes::gib(1), Bytes::gib(2));
    assert_eq!(refused, expected);
    let capped = Needs {
        data_cap: Some(Bytes::gb(1)),
        ..Needs::default()
    };
    assert_eq!(make(Bytes::gb(1000), capped), NoLayout::TooManyVolumes(951));
    let greedy = Needs {
        system_volume: Some(Bytes::gb(8)),
        ..Needs::default()
    };
    assert_eq!(
        make(Bytes::gb(8), greedy),
        NoLayout::NoRoomForData(Bytes::gb(8))
    );
}

#[test]
fn numbers_are_given_once() {
    let mut numbers = Numbers::default();
    numbers.take(2);
    let given: Vec<u32> = (0..3).map(|_| numbers.draw()).collect();
    assert_eq!(given, [1, 3, 4]);
}

/// Nothing overlaps, all is on a MiB and inside the disk; the system is below the 2 TB line.
fn check(layout: &Layout, space: Space) -> Result<(), TestCaseError> {
    let (first, last) = table::usable(space.size, space.sector);
    let mut free = first.offset(space.sector);
    for part in layout.parts() {
        prop_assert!(part.offset >= free, "overlap");
        prop_assert!(part.size > Bytes::ZERO);
        prop_assert_eq!(part.offset.align_down(Bytes::MIB), part.offset);
        prop_assert_eq!(part.size.align_down(Bytes::MIB), part.size);
        if !part.purpose.is_data() {
            prop_assert!(part.end() <= SYSTEM_LARGEST);
        }
        free = part.end();
    }
    prop_assert!(
        free <= Bytes::new((last.0 + 1) * space.sector.get()),
        "outside"
    );
    Ok(())
}

proptest! {
    #[test]
    fn layouts_hold_their_promises(
        size in 4_000_000_000_u64..100_000_000_000_000,
        cap in proptest::option::of(5_000_000_000_000_u64..20_000_000_000_000),
        volume in proptest::option::of(4_000_000_000_u64..2_199_023_255_552),
        sector in 0..2_usize,
        raid in 0..RAIDS.len(),
    ) {
        let space = Space {
            size: Bytes::new(size),
            sector: SECTORS[sector],
            joined: joined(RAIDS[raid]),
        };
        let cap = cap.map(Bytes::new);
        let system_volume = volume.map(Bytes::new);
        let needs = Needs { data_cap: cap, system_volume, ..Needs::default() };
        let layout = match Layout::system(space, needs, &mut Numbers::default()) {
            Err(NoLayout::TooSmall(_)) if space.size < SMALLEST_DISK => return Ok(()),
            Err(NoLayout::NoRoomForData(_)) if volume.is_some_and(|it| it + (1 << 30) > size) => {
                return Ok(());
            }
            made => made.unwrap(),
        };
        check(&layout, space)?;
        if let Some(volume) = system_volume {
            prop_assert_eq!(layout.part(Purpose::State).unwrap().end(), volume.align_down(Bytes::MIB));
        }
        let mut capacity = Bytes::ZERO;
        for part in layout.data_parts() {
            let holds = part.purpose.capacity(space.joined, part.size);
            prop_assert!(cap.is_none_or(|cap| holds <= cap));
            capacity += holds;
        }
        prop_assert!(capacity > Bytes::ZERO);
        // Less than a MiB a volume and two at the ends is left unused.
        let unused = space.size - layout.parts().iter().map(|part| part.size).sum::<Bytes>();
        prop_assert!(unused <= Bytes::MIB * (3 + layout.data_parts().count() as u64));
    }

    /// What is kept does not move by a byte, whatever is made around it.
    #[test]
    fn what_is_kept_stays_where_it_was(
        size in 8_000_000_000_u64..100_000_000_000_000,
        cap in proptest::option::of(5_000_000_000_000_u64..20_000_000_000_000),
        more in 0_u64..10_000_000_000_000,
        sector in 0..2_usize,
        raid in 0..RAIDS.len(),
        with_state: bool,
        interrupted: bool,
        grow: bool,
    ) {
        let mut space = Space {
            size: Bytes::new(size),
            sector: SECTORS[sector],
            joined: joined(RAIDS[raid]),
        };
        let needs = Needs { data_cap: cap.map(Bytes::new), ..Needs::default() };
        let old = Layout::system(space, needs, &mut Numbers::default()).unwrap();
        space.size += Bytes::new(more);
        let keep = match with_state {
            true => Keep::DataAndState,
            false => Keep::Data,
        };
        let mut existing = listed(&old);
        if interrupted {
            let stays = |name: &str| name.starts_with("data-") || with_state && name == "state";
            existing.retain(|one| stays(&one.name));
        }
        let stays: Vec<Stays> = kept::staying(&existing, keep)
            .unwrap()
            .into_iter()
            .map(|(one, purpose)| Stays {
                purpose,
                offset: one.offset,
                size: one.size,
                filesystem: Some(one.name.clone()),
            })
            .collect();
        let mut numbers = Numbers::default();
        for one in &stays {
            if let Purpose::Data(number) = one.purpose {
                numbers.take(number);
            }
        }
        let around = Around { system: true, grow };
        let new = match Layout::around(space, needs, around, &stays, &mut numbers) {
            Err(NoLayout::ArrayCannotGrow) if space.joined.is_some() && grow => return Ok(()),
            made => made.unwrap(),
        };
        check(&new, space)?;
        for one in &stays {
            let part = new.part(one.purpose).unwrap();
            prop_assert_eq!(part.offset, one.offset);
            prop_assert_eq!(&part.filesystem, &one.filesystem);
            match part.origin {
                Origin::New => prop_assert!(false, "it is made anew"),
                Origin::Kept => prop_assert_eq!(part.size, one.size),
                Origin::Grown => {
                    prop_assert!(grow && part.size > one.size);
                    prop_assert_eq!(part.end(), new.parts().last().unwrap().end());
                }
            }
        }
        // The same system fits in the same places.
        if !grow {
            let places = |layout: &Layout| -> Vec<_> {
                layout.parts().iter().map(|part| (part.purpose, part.offset, part.size)).collect()
            };
            prop_assert_eq!(places(&new), places(&old));
        }
    }
}

proptest! {
    /// Disks for recordings alone are filled from end to end, within the cap.
    #[test]
    fn disks_for_recordings_hold_their_promises(
        size in 500_000_000_u64..100_000_000_000_000,
        cap in proptest::option::of(1_000_000_000_u64..20_000_000_000_000),
        sector in 0..2_usize,
        raid in 0..RAIDS.len(),
        taken in proptest::collection::vec(1_u32..9, 0..4),
    ) {
        let space = Space {
            size: Bytes::new(size),
            sector: SECTORS[sector],
            joined: joined(RAIDS[raid]),
        };
        let cap = cap.map(Bytes::new);
        let needs = Needs { data_cap: cap, ..Needs::default() };
        let mut numbers = Numbers::default();
        taken.iter().for_each(|number| numbers.take(*number));
        let layout = match Layout::data(space, needs, &mut numbers) {
            Err(NoLayout::TooSmall(least)) => {
                prop_assert!(space.size < least && least == SMALLEST_DATA_DISK);
                return Ok(());
            }
            Err(NoLayout::TooManyVolumes(count)) => {
                prop_assert!(count > MOST_PARTITIONS && cap.is_some());
                return Ok(());
            }
            made => made.unwrap(),
        };
        check(&layout, space)?;
        prop_assert!(space.size >= SMALLEST_DATA_DISK && !layout.parts().is_empty());
        let mut seen = taken;
        for part in layout.parts() {
            let Purpose::Data(number) = part.purpose else {
                return Err(TestCaseError::fail("it is no data volume"));
            };
            prop_assert!(part.origin.is_new() && !seen.contains(&number));
            seen.push(number);
            let holds = part.purpose.capacity(space.joined, part.size);
            prop_assert!(holds > Bytes::ZERO && cap.is_none_or(|cap| holds <= cap));
        }
        let unused = space.size - layout.parts().iter().map(|part| part.size).sum::<Bytes>();
        prop_assert!(unused <= Bytes::MIB * (3 + layout.parts().len() as u64));
    }

    /// On disks for recordings alone what is kept stays where it was, no system comes
    /// beside it, and only with `grow` is there anything else.
    #[test]
    fn recordings_alone_stay_where_they_were(
        size in 1_000_000_000_u64..100_000_000_000_000,
        cap in proptest::option::of(2_000_000_000_000_u64..20_000_000_000_000),
        new_cap in proptest::option::of(2_000_000_000_000_u64..20_000_000_000_000),
        more in 0_u64..10_000_000_000_000,
        sector in 0..2_usize,
        raid in 0..RAIDS.len(),
        grow: bool,
    ) {
        let mut space = Space {
            size: Bytes::new(size),
            sector: SECTORS[sector],
            joined: joined(RAIDS[raid]),
        };
        let needs = |cap: Option<u64>| Needs { data_cap: cap.map(Bytes::new), ..Needs::default() };
        let mut numbers = Numbers::default();
        let old = Layout::data(space, needs(cap), &mut numbers).unwrap();
        space.size += Bytes::new(more);
        let existing = listed(&old);
        let staying = kept::staying(&existing, Keep::Data).unwrap().into_iter();
        let stays: Vec<Stays> = staying
            .map(|(one, purpose)| Stays {
                purpose,
                offset: one.offset,
                size: one.size,
                filesystem: Some(one.name.clone()),
            })
            .collect();
        let around = Around { system: false, grow };
        let new = match Layout::around(space, needs(new_cap), around, &stays, &mut numbers) {
            Err(NoLayout::ArrayCannotGrow) if space.joined.is_some() && grow => return Ok(()),
            made => made.unwrap(),
        };
        check(&new, space)?;
        prop_assert!(new.parts().iter().all(|part| part.purpose.is_data()));
        for (part, one) in new.parts().iter().zip(&stays) {
            prop_assert_eq!((part.purpose, part.offset), (one.purpose, one.offset));
            prop_assert_eq!(&part.filesystem, &one.filesystem);
            let kept = part.origin == Origin::Kept && part.size == one.size;
            let grown = part.origin == Origin::Grown && part.size > one.size;
            prop_assert!(kept || grown && grow);
        }
        let added = &new.parts()[stays.len()..];
        prop_assert!(added.iter().all(|part| grow && part.origin.is_new()));
    }
}

fn listed(layout: &Layout) -> Vec<Existing> {
    let parts = layout.parts().iter().zip(1..);
    parts
        .map(|(part, number)| Existing {
            number,
            name: part.purpose.name(),
            kind: part.purpose.kind().0,
            offset: part.offset,
            size: part.size,
        })
        .collect()
}

#[test]
fn what_cannot_be_kept_is_refused() {
    let old = listed(&system(Bytes::gb(100), Needs::default()).unwrap());
    let refused = |existing: &[Existing], keep| kept::staying(existing, keep).unwrap_err();
    let data = NoLayout::NothingToKeep("data-1");
    assert_eq!(refused(&[], Keep::Data), data);
    assert_eq!(refused(&old[..7], Keep::Data), data);
    let state = NoLayout::NothingToKeep("state");
    assert_eq!(refused(&old[7..], Keep::DataAndState), state);
    let mut foreign = old.clone();
    foreign[2].name = "Basic data partition".to_owned();
    let expected = NoLayout::Foreign("Basic data partition".to_owned());
    assert_eq!(refused(&foreign, Keep::Data), expected);
    let mut odd = old.clone();
    odd[7].offset += Bytes::new(512);
    assert_eq!(
        refused(&odd, Keep::Data),
        NoLayout::Misplaced("data-1".to_owned())
    );

    let around = |stays: &[Stays], needs| {
        let around = Around {
            system: true,
            grow: false,
        };
        let space = space(Bytes::gb(100), SectorSize::S512);
        Layout::around(space, needs, around, stays, &mut Numbers::default()).unwrap_err()
    };
    let at = |purpose, offset, size| Stays {
        purpose,
        offset,
        size,
        filesystem: None,
    };
    let early = [at(Purpose::Data(1), Bytes::gib(1), Bytes::gib(50))];
    let need = SYSTEM_SMALLEST.align_down(Bytes::MIB);
    assert_eq!(
        around(&early, Needs::default()),
        NoLayout::NoRoomForSystem(Bytes::gib(1), need)
    );
    let outside = [at(Purpose::Data(1), Bytes::gib(50), Bytes::gib(50))];
    assert_eq!(
        around(&outside, Needs::default()),
        NoLayout::Misplaced("data-1".to_owned())
    );
    let large = Needs {
        system: Bytes::gib(5),
        ..Needs::default()
    };
    let good = [at(Purpose::Data(1), Bytes::gib(50), Bytes::gib(40))];
    assert!(matches!(around(&good, large), NoLayout::SlotTooSmall(..)));
}
