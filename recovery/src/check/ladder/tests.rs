use super::*;
use crate::check::verdict::Refusal;

const FIRST: Backup = Backup {
    block: 32_768,
    block_size: 4096,
};

const SOUND: Found = Found {
    primary: Primary::There {
        needs_replay: false,
        marked: false,
        groups: Groups::Sound,
    },
    backups: Vec::new(),
};

fn found(primary: Primary, backups: usize) -> Found {
    Found {
        primary,
        backups: vec![FIRST; backups],
    }
}

fn unclean(backups: usize) -> Found {
    found(there(true, Groups::Sound), backups)
}

/// Marked with errors, and nothing to replay.
fn marked() -> Found {
    let primary = Primary::There {
        needs_replay: false,
        marked: true,
        groups: Groups::Sound,
    };
    found(primary, 1)
}

const fn there(needs_replay: bool, groups: Groups) -> Primary {
    Primary::There {
        needs_replay,
        marked: false,
        groups,
    }
}

/// The steps and the verdict where the runs end like this; a negative code is a signal.
fn way(mode: Mode, found: &Found, ends: &[i32], blame: Blame) -> String {
    let mut ladder = Ladder::new(mode, found);
    let mut told = Vec::new();
    let mut ends = ends.iter();
    loop {
        match ladder.next().clone() {
            // It changes nothing, and has a test of its own.
            Next::Run(Step::Survey | Step::SurveyFrom(_)) => {
                ladder.ended(Outcome::exit(4), blame);
            }
            Next::Run(step) => {
                let name = serde_json::to_value(step).unwrap();
                let name = name.as_str().unwrap_or("from-backup").to_owned();
                let Some(end) = ends.next() else {
                    return format!("{} {name}?", told.join(" "));
                };
                told.push(format!("{name}:{end}"));
                let outcome = match *end {
                    code @ 0.. => Outcome::exit(code),
                    signal => Outcome {
                        exit: None,
                        signal: Some(-signal),
                    },
                };
                ladder.ended(outcome, blame);
            }
            Next::End(verdict) => {
                assert_eq!(ends.next(), None, "{told:?}");
                told.push(format!("{verdict:?}"));
                return told.join(" ");
            }
        }
    }
}

#[test]
fn the_way_follows_how_the_steps_end() {
    use Mode::{Inspect, Preen, Repair, Thorough};
    let missing = |backups| found(Primary::Missing, backups);
    for (mode, found, ends, expected) in [
        (Inspect, SOUND, &[0][..], "inspect:0 Clean"),
        (
            Inspect,
            SOUND,
            &[4],
            "inspect:4 Damaged { reason: FaultsLeft }",
        ),
        (
            Inspect,
            unclean(1),
            &[12],
            "inspect:12 Damaged { reason: NotUnmounted }",
        ),
        (
            Inspect,
            unclean(1),
            &[0],
            "inspect:0 Damaged { reason: NotUnmounted }",
        ),
        (
            Inspect,
            marked(),
            &[0],
            "inspect:0 Damaged { reason: Marked }",
        ),
        (
            Inspect,
            marked(),
            &[4],
            "inspect:4 Damaged { reason: FaultsLeft }",
        ),
        (Preen, marked(), &[0], "preen:0 Clean"),
        (Inspect, missing(0), &[], "Damaged { reason: NoSuperblock }"),
        (
            Inspect,
            missing(1),
            &[4],
            "inspect:4 Damaged { reason: SuperblockDamaged }",
        ),
        (Preen, SOUND, &[0], "preen:0 Clean"),
        (Preen, unclean(1), &[0, 0], "journal:0 preen:0 Clean"),
        (Preen, unclean(1), &[0, 1], "journal:0 preen:1 Repaired"),
        (
            Preen,
            unclean(1),
            &[0, 4],
            "journal:0 preen:4 Damaged { reason: FaultsLeft }",
        ),
        (
            Preen,
            missing(1),
            &[],
            "Damaged { reason: SuperblockDamaged }",
        ),
        (Thorough, SOUND, &[0], "thorough:0 Clean"),
        (Thorough, SOUND, &[1], "thorough:1 Repaired"),
        (
            Thorough,
            unclean(1),
            &[0, 4],
            "journal:0 thorough:4 Damaged { reason: FaultsLeft }",
        ),
        (Repair, SOUND, &[0], "full-preen:0 Clean"),
        (Repair, unclean(0), &[0, 0], "journal:0 full-preen:0 Clean"),
        // What the journal alone cannot do is no reason to stop.
        (
            Repair,
            unclean(0),
            &[12, 0],
            "journal:12 full-preen:0 Clean",
        ),
        (Repair, SOUND, &[1, 0], "full-preen:1 verify:0 Repaired"),
        (
            Repair,
            SOUND,
            &[4, 1, 0],
            "full-preen:4 repair:1 verify:0 Repaired",
        ),
        (
            Repair,
            SOUND,
            &[1, 4, 1, 4, 1, 0],
            "full-preen:1 verify:4 repair:1 verify:4 repair:1 verify:0 Repaired",
        ),
        (
            Repair,
            SOUND,
            &[4, 4, 4, 4],
            "full-preen:4 repair:4 repair:4 verify:4 Lost { reason: FaultsLeft }",
        ),
        (
            Repair,
            found(there(false, Groups::Sound), 1),
            &[8, 8, 12, 1, 0],
            "full-preen:8 repair:8 repair:12 from-backup:1 verify:0 Repaired",
        ),
        // A crash of e2fsck is no end, a signal from outside is.
        (
            Repair,
            SOUND,
            &[-11, 1, 0],
            "full-preen:-11 repair:1 verify:0 Repaired",
        ),
        (
            Repair,
            SOUND,
            &[-9],
            "full-preen:-9 NotChecked { reason: Killed { signal: 9 } }",
        ),
        (Repair, missing(0), &[], "Lost { reason: NoSuperblock }"),
        (
            Repair,
            missing(1),
            &[1, 0],
            "from-backup:1 verify:0 Repaired",
        ),
        (
            Repair,
            missing(1),
            &[8, 8, 8],
            "from-backup:8 repair:8 verify:8 Lost { reason: FaultsLeft }",
        ),
        // Damaged descriptors are not gone by where there is a copy.
        (
            Repair,
            found(there(true, Groups::DamagedWithCopy), 1),
            &[1, 0],
            "from-backup:1 verify:0 Repaired",
        ),
        (
            Repair,
            found(there(false, Groups::DamagedWithCopy), 1),
            &[8, 4, 4, 4, 4],
            "from-backup:8 repair:4 repair:4 repair:4 verify:4 Lost { reason: FaultsLeft }",
        ),
        (
            Repair,
            found(there(true, Groups::Damaged), 0),
            &[4, 4, 1, 0],
            "journal:4 full-preen:4 repair:1 verify:0 Repaired",
        ),
        (
            Preen,
            found(there(true, Groups::DamagedWithCopy), 1),
            &[],
            "Damaged { reason: GroupsDamaged }",
        ),
        (
            Inspect,
            found(there(true, Groups::Damaged), 0),
            &[4],
            "inspect:4 Damaged { reason: GroupsDamaged }",
        ),
        (
            Inspect,
            found(there(false, Groups::Damaged), 0),
            &[0],
            "inspect:0 Damaged { reason: GroupsDamaged }",
        ),
        (
            Repair,
            found(Primary::TooLarge, 0),
            &[],
            "Lost { reason: LargerThanVolume }",
        ),
    ] {
        assert_eq!(way(mode, &found, ends, Blame::Volume), expected);
    }
}

#[test]
fn where_e2fsck_cannot_work_nothing_is_said_of_the_volume() {
    for (mode, ends, expected) in [
        (Mode::Inspect, &[8][..], "inspect:8"),
        (Mode::Preen, &[8], "preen:8"),
        (Mode::Thorough, &[8], "thorough:8"),
        (
            Mode::Repair,
            &[8, 8, 8, 8],
            "full-preen:8 repair:8 repair:8 verify:8",
        ),
    ] {
        let told = way(mode, &SOUND, ends, Blame::Nothing);
        let expected = format!("{expected} NotChecked {{ reason: Failed {{ exit: 8 }} }}");
        assert_eq!(told, expected);
    }
}

#[test]
fn nothing_is_repaired_on_a_disk_that_cannot_be_read() {
    let damaged = "Damaged { reason: DiskErrors }";
    for (mode, found, step) in [
        (Mode::Inspect, SOUND, "inspect"),
        (Mode::Preen, SOUND, "preen"),
        (Mode::Repair, SOUND, "full-preen"),
        (Mode::Repair, unclean(1), "journal"),
    ] {
        let told = way(mode, &found, &[4], Blame::Disk);
        assert_eq!(told, format!("{step}:4 {damaged}"));
    }
    // What only the look before the first repair meets.
    for found in [SOUND, found(Primary::Missing, 1)] {
        let mut ladder = Ladder::new(Mode::Repair, &found);
        loop {
            let Next::Run(step) = *ladder.next() else {
                panic!("{:?}", ladder.next());
            };
            if matches!(step, Step::Survey | Step::SurveyFrom(_)) {
                assert!(!step.writes());
                ladder.ended(Outcome::exit(4), Blame::Disk);
                break;
            }
            assert_eq!(step, Step::FullPreen);
            ladder.ended(Outcome::exit(4), Blame::Volume);
        }
        let reason = Reason::DiskErrors;
        assert_eq!(*ladder.next(), Next::End(Verdict::Damaged { reason }));
    }
    // And a repair that meets one is the last.
    let mut ladder = Ladder::new(Mode::Repair, &SOUND);
    for (code, blame) in [(4, Blame::Volume), (4, Blame::Volume), (1, Blame::Disk)] {
        ladder.ended(Outcome::exit(code), blame);
    }
    let reason = Reason::DiskErrors;
    assert_eq!(*ladder.next(), Next::End(Verdict::Damaged { reason }));
}

#[test]
fn every_way_ends_and_writes_only_where_it_may() {
    for mode in [Mode::Inspect, Mode::Preen, Mode::Repair] {
        for found in [SOUND, unclean(99), found(Primary::Missing, 99)] {
            for worst in [4, 5, 8, 12, 64] {
                let mut ladder = Ladder::new(mode, &found);
                let mut steps = 0;
                while let Next::Run(step) = *ladder.next() {
                    assert!(mode != Mode::Inspect || !step.writes());
                    assert_eq!(step.writes(), !step.arguments().contains(&"-n".to_owned()));
                    ladder.ended(Outcome::exit(worst), Blame::Volume);
                    steps += 1;
                }
                assert!(steps <= 3 + FULL_RUNS + 2 * BACKUPS + 1, "{steps}");
            }
        }
    }
}

#[test]
fn a_refusal_is_no_verdict_on_the_volume() {
    let refused = Verdict::from(Refusal::Busy);
    assert_eq!(refused.exit_code(), 8);
}

/// Blocks that two files claim on a volume without room: nothing is decided until somebody says so.
#[test]
fn a_volume_without_room_is_left_where_a_repair_would_want_some() {
    let said = |wants_room, room| Said {
        wants_room,
        room,
        ..Said::from(Blame::Volume)
    };
    let no_room = || {
        let reason = Reason::NoRoom;
        Next::End(Verdict::Damaged { reason })
    };
    let after = |outcome: i32, at_survey: Said, found: &Found| {
        let mut ladder = Ladder::new(Mode::Repair, found);
        loop {
            match *ladder.next() {
                Next::Run(Step::Survey | Step::SurveyFrom(_)) => {
                    ladder.ended(Outcome::exit(outcome), at_survey);
                    return ladder;
                }
                Next::Run(_) => ladder.ended(Outcome::exit(4), said(true, true)),
                Next::End(_) => panic!("{ladder:?}"),
            }
        }
    };
    let copy = found(Primary::Missing, 1);
    for found in [&SOUND, &unclean(1), &copy] {
        assert_eq!(*after(4, said(true, false), found).next(), no_room());
        // What is mended without room is mended, and with room all is.
        for (wants, room) in [(false, false), (true, true)] {
            let next = after(4, said(wants, room), found).next().clone();
            assert!(matches!(next, Next::Run(step) if step.writes()), "{next:?}");
        }
        // A look that broke off has not seen what there is.
        assert_eq!(*after(12, said(false, false), found).next(), no_room());
    }
    // Before the second repair as before the first.
    let mut ladder = after(4, said(true, true), &SOUND);
    ladder.ended(Outcome::exit(1), said(true, true));
    assert_eq!(*ladder.next(), Next::Run(Step::Verify));
    ladder.ended(Outcome::exit(4), said(true, false));
    assert_eq!(*ladder.next(), no_room());
}

#[test]
fn what_was_thrown_away_is_in_the_verdict() {
    for (throws, verdict) in [(true, Verdict::RepairedInPart), (false, Verdict::Repaired)] {
        let mut ladder = Ladder::new(Mode::Repair, &SOUND);
        let said = Said {
            threw_away: throws,
            ..Said::from(Blame::Volume)
        };
        let quiet = Said::from(Blame::Volume);
        for (code, said) in [(4, quiet), (4, quiet), (1, said), (0, quiet)] {
            ladder.ended(Outcome::exit(code), said);
        }
        assert_eq!(*ladder.next(), Next::End(verdict));
    }
}
