use ed25519_dalek::SigningKey;

use super::*;
use crate::appliance;
use crate::apply::target::OpenSlot;
use crate::boot_state::TRIES;
use crate::machine::below;
use crate::package::envelope::Envelope;
use crate::package::signature::{KEYS, PublicKey, TrustedKey, sign};

/// A boot state in memory.
struct Memory(BootState);

impl Target for Memory {
    fn load(&self) -> Result<BootState, ApplyError> {
        Ok(self.0.clone())
    }
    fn save(&mut self, state: &BootState) -> Result<(), ApplyError> {
        self.0 = state.clone();
        Ok(())
    }
    fn open(&mut self, _: Slot, _: bool) -> Result<OpenSlot, ApplyError> {
        Err(ApplyError::Live)
    }
}

fn state(first: Slot, a: (bool, u8), b: (bool, u8)) -> Memory {
    let mut state = BootState::default();
    state.first = first;
    for (slot, (good, tries)) in Slot::BOTH.into_iter().zip([a, b]) {
        *state.slot_mut(slot) = SlotState { good, tries };
    }
    Memory(state)
}

fn machine(version: u32, security_epoch: u32) -> Machine {
    Machine {
        product: "vigie".into(),
        arch: "amd64".into(),
        hardware: "any".into(),
        version: Version([version, 0, 0, 0]),
        security_epoch,
    }
}

fn no_keys() -> Keyring {
    Keyring {
        threshold: 1,
        revoked: Default::default(),
        keys: Vec::new(),
    }
}

fn installed(folder: &Path, slot: Slot, version: u32) {
    let record = Record {
        to: Some(Version([version, 0, 0, 0])),
        slot: Some(slot),
        door: Some(Door::Web),
        ..Record::now(Outcome::Installed, Version([1, 0, 0, 0]))
    };
    history::append(folder, &record).unwrap();
}

#[test]
fn a_good_slot_raises_the_floor_and_ends_its_installation() {
    let dir = tempfile::tempdir().unwrap();
    held(dir.path(), Slot::A, 1, 1);
    installed(dir.path(), Slot::B, 2);
    let mut disk = state(Slot::B, (true, 3), (false, 2));
    let good = |disk: &mut Memory, slot, version| {
        mark_good(disk, slot, &machine(version, 1), &no_keys(), dir.path()).unwrap()
    };
    assert_eq!(good(&mut disk, Slot::B, 2), Some(Outcome::Good));
    assert!(disk.0.slot(Slot::B).good && disk.0.slot(Slot::A).good);
    assert_eq!(
        Floor::load(dir.path()).reached.version,
        Version([2, 0, 0, 0])
    );
    assert_eq!(facts(dir.path())[&Slot::B].version, Version([2, 0, 0, 0]));
    // Each boot after it has nothing to tell.
    assert_eq!(good(&mut disk, Slot::B, 2), None);
    assert_eq!(history::load(dir.path()).len(), 2);
}

/// The image in one slot revokes a key that the image in the other still lists.
#[test]
fn c40_a_key_that_was_revoked_stays_so_after_going_back() {
    let root = tempfile::tempdir().unwrap();
    let [leaked, other] = [1, 2].map(|seed| SigningKey::from_bytes(&[seed; 32]));
    let id = PublicKey::of(&leaked).id();
    let listed = |keys: &[&SigningKey]| Keyring {
        threshold: 1,
        revoked: Default::default(),
        keys: keys.iter().map(|key| trusted(key)).collect(),
    };
    // The older image, which runs again after going back.
    let list = below(root.path(), KEYS);
    std::fs::create_dir_all(list.parent().unwrap()).unwrap();
    let older = toml::to_string(&listed(&[&leaked, &other])).unwrap();
    std::fs::write(list, older).unwrap();
    let signed = Envelope {
        signatures: vec![sign(&leaked, b"header")],
        signed: b"header".to_vec(),
        length: 0,
    };
    let judged = || appliance::keys(root.path()).unwrap().verify(&signed);
    judged().unwrap();
    // The newer one revokes it, and comes up well.
    let newer = Keyring {
        revoked: [id].into(),
        ..listed(&[&other])
    };
    let folder = reached::folder(root.path());
    let mut disk = state(Slot::B, (true, 3), (false, 2));
    mark_good(&mut disk, Slot::B, &machine(2, 0), &newer, &folder).unwrap();
    assert_eq!(Floor::load(&folder).revoked, [id].into());
    let error = judged().unwrap_err().to_string();
    assert!(error.contains(&format!("{id} is revoked")), "{error}");
    // Marking the older one good again brings it not back.
    let older = appliance::keys(root.path()).unwrap();
    mark_good(&mut disk, Slot::A, &machine(1, 0), &older, &folder).unwrap();
    judged().unwrap_err();
}

fn trusted(secret: &SigningKey) -> TrustedKey {
    TrustedKey {
        name: PublicKey::of(secret).id().to_string(),
        public: PublicKey::of(secret),
        development: false,
    }
}

#[test]
fn c76_c77_a_slot_that_did_not_come_up_is_told_by_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    installed(dir.path(), Slot::B, 2);
    let mut disk = state(Slot::B, (true, 3), (false, 0));
    let told = mark_good(&mut disk, Slot::A, &machine(1, 0), &no_keys(), dir.path()).unwrap();
    assert_eq!(told, Some(Outcome::Returned));
    let last = history::load(dir.path()).pop().unwrap();
    assert!(last.reason.unwrap().contains("did not come up"));
    assert!(last.reason_fr.unwrap().contains("n'a pas démarré"));
    assert_eq!(
        (last.to, last.door),
        (Some(Version([2, 0, 0, 0])), Some(Door::Web))
    );
    assert_eq!(
        Floor::load(dir.path()).reached.version,
        Version([1, 0, 0, 0])
    );
}

#[test]
fn what_was_installed_before_this_start_was_marked_good_is_still_open() {
    let dir = tempfile::tempdir().unwrap();
    installed(dir.path(), Slot::B, 2);
    let mut disk = state(Slot::B, (true, 3), (false, TRIES));
    let told = mark_good(&mut disk, Slot::A, &machine(1, 0), &no_keys(), dir.path()).unwrap();
    assert_eq!(told, None);
    assert_eq!(history::load(dir.path()).len(), 1, "still open");
    assert!(waiting(&disk.0, Slot::A));
}

#[test]
fn c78_c80_an_unhealthy_slot_is_given_up_only_for_a_good_one() {
    for (a, b, gone) in [
        ((true, 3), (false, 2), GivenUp::Gone),
        // Never leave what was good, and never for what was not.
        ((true, 3), (true, 3), GivenUp::Good),
        ((false, 0), (true, 3), GivenUp::Good),
        ((false, 3), (false, 2), GivenUp::NoBetter),
        ((false, 0), (false, 0), GivenUp::NoBetter),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut disk = state(Slot::B, a, b);
        let before = disk.0.clone();
        let went = give_up(&mut disk, Slot::B, &machine(2, 0), dir.path(), "no answer").unwrap();
        assert_eq!(went, gone, "{a:?} {b:?}");
        if gone == GivenUp::Gone {
            assert_eq!((disk.0.first, disk.0.slot(Slot::B).tries), (Slot::A, 0));
            let last = history::load(dir.path()).pop().unwrap();
            assert_eq!(last.reason.as_deref(), Some("no answer"));
        } else {
            assert_eq!(disk.0, before);
            assert!(history::load(dir.path()).is_empty());
        }
    }
}

#[test]
fn c78_c84_what_was_given_up_is_told_by_its_package() {
    let dir = tempfile::tempdir().unwrap();
    let record = Record {
        package: Some("ab12".into()),
        to: Some(Version([2, 0, 0, 0])),
        slot: Some(Slot::B),
        door: Some(Door::Fleet),
        who: Some("automatic".into()),
        ..Record::now(Outcome::Installed, Version([1, 0, 0, 0]))
    };
    history::append(dir.path(), &record).unwrap();
    let mut disk = state(Slot::B, (true, 3), (false, 2));
    give_up(&mut disk, Slot::B, &machine(2, 0), dir.path(), "no answer").unwrap();
    let last = history::load(dir.path()).pop().unwrap();
    assert_eq!(last.package.as_deref(), Some("ab12"));
    assert_eq!(last.door, Some(Door::Fleet));
    assert_eq!(last.who.as_deref(), Some("automatic"));
}

/// A folder that cannot be made: it would lie in a file. As a state volume that is read-only,
/// without room or not there, it refuses everything.
fn no_folder() -> (tempfile::NamedTempFile, std::path::PathBuf) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let folder = file.path().join("update");
    (file, folder)
}

#[test]
fn c73_c90_a_state_volume_that_refuses_keeps_no_machine_from_going_back() {
    let (_file, folder) = no_folder();
    let mut sick = state(Slot::B, (true, 3), (false, 2));
    give_up(&mut sick, Slot::B, &machine(2, 0), &folder, "no answer").unwrap();
    assert_eq!((sick.0.first, sick.0.slot(Slot::B).tries), (Slot::A, 0));
    let who = || (Door::Console, None);
    let mut good = state(Slot::B, (true, 3), (true, 3));
    let outcome = rollback(&mut good, Slot::B, &machine(2, 0), &folder, who()).unwrap();
    assert_eq!((outcome, good.0.first), (Outcome::Rollback, Slot::A));
    let mut waits = state(Slot::B, (true, 3), (false, TRIES));
    let outcome = rollback(&mut waits, Slot::A, &machine(1, 0), &folder, who()).unwrap();
    assert_eq!((outcome, waits.0.first), (Outcome::Cancelled, Slot::A));
}

#[test]
fn c73_c90_a_slot_is_good_whatever_the_state_volume_says_and_that_is_told() {
    let (file, folder) = no_folder();
    let mut disk = state(Slot::B, (true, 3), (false, 2));
    let error = mark_good(&mut disk, Slot::B, &machine(2, 0), &no_keys(), &folder).unwrap_err();
    assert!(disk.0.slot(Slot::B).good);
    let words = error.to_string();
    let named = words.contains(&file.path().display().to_string());
    assert!(named && words.contains("check the state volume"), "{words}");
}

fn held(folder: &Path, slot: Slot, version: u32, security_epoch: u32) {
    let held = SlotFacts {
        version: Version([version, 0, 0, 0]),
        security_epoch,
    };
    remember(folder, slot, held).unwrap();
}

#[test]
fn c55_a_slot_from_before_a_mended_problem_is_not_started_any_more() {
    let both = || state(Slot::B, (true, 3), (false, 2));
    // Epoch reached before, epoch of what comes up now, epoch of the other slot if it is known.
    for (reached, now, other, stays) in [
        (0, 0, None, true),
        (0, 0, Some(0), true),
        (0, 1, Some(0), false),
        (0, 1, Some(1), true),
        (0, 1, None, false),
        // Nothing is raised: what is not known stays, what is known to be old does not.
        (1, 1, None, true),
        (1, 1, Some(0), false),
        (1, 1, Some(1), true),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let floor = Floor {
            reached: Reached {
                version: Version([1, 0, 0, 0]),
                security_epoch: reached,
            },
            revoked: Default::default(),
        };
        Floor::raise(dir.path(), &floor).unwrap();
        other
            .into_iter()
            .for_each(|epoch| held(dir.path(), Slot::A, 1, epoch));
        let mut disk = both();
        mark_good(&mut disk, Slot::B, &machine(2, now), &no_keys(), dir.path()).unwrap();
        let what = format!("{reached} {now} {other:?}");
        assert!(disk.0.slot(Slot::B).good, "{what}");
        assert_eq!(disk.0.slot(Slot::A).good, stays, "{what}");
        assert!(stays || disk.0.slot(Slot::A) == SlotState::default());
    }
    // What was just installed and waits was judged when it came.
    let dir = tempfile::tempdir().unwrap();
    let mut disk = state(Slot::B, (true, 3), (false, TRIES));
    mark_good(&mut disk, Slot::A, &machine(1, 1), &no_keys(), dir.path()).unwrap();
    assert!(waiting(&disk.0, Slot::A));
}

#[test]
fn going_back_is_taken_back_before_the_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut disk = state(Slot::A, (true, 3), (true, 3));
    let mut back = || {
        let who = (Door::Console, None);
        let told = rollback(&mut disk, Slot::A, &machine(2, 0), dir.path(), who).unwrap();
        (told, disk.0.first, going_back(&disk.0, Slot::A))
    };
    assert_eq!(back(), (Outcome::Rollback, Slot::B, true));
    assert_eq!(back(), (Outcome::Cancelled, Slot::A, false));
    assert_eq!(disk.0, state(Slot::A, (true, 3), (true, 3)).0);
}

#[test]
fn c55_nobody_goes_back_to_what_is_old_or_not_known() {
    let dir = tempfile::tempdir().unwrap();
    let who = || (Door::Console, None);
    let back = |b: (bool, u8), epoch| {
        let mut disk = state(Slot::A, (true, 3), b);
        rollback(&mut disk, Slot::A, &machine(2, epoch), dir.path(), who())
    };
    // No epoch was ever reached: nothing can be older.
    assert_eq!(back((true, 3), 0).unwrap(), Outcome::Rollback);
    let error = back((true, 3), 1).unwrap_err();
    assert!(
        matches!(error, FateError::Unsafe { version: None, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("not known"), "{error}");
    let error = back((false, 0), 1).unwrap_err();
    assert!(matches!(error, FateError::NothingThere { .. }), "{error}");
    // What was made unfit for its age is told as such.
    held(dir.path(), Slot::B, 1, 0);
    for good in [true, false] {
        let error = back((good, 0), 1).unwrap_err();
        assert!(
            matches!(
                error,
                FateError::Unsafe {
                    version: Some(_),
                    ..
                }
            ),
            "{error}"
        );
    }
    held(dir.path(), Slot::B, 1, 1);
    assert_eq!(back((true, 3), 1).unwrap(), Outcome::Rollback);
}

/// A disk whose boot state cannot be changed.
struct Stuck(BootState);

impl Target for Stuck {
    fn load(&self) -> Result<BootState, ApplyError> {
        Ok(self.0.clone())
    }
    fn save(&mut self, _: &BootState) -> Result<(), ApplyError> {
        Err(ApplyError::BootState(vigie_settings::Said::same(
            "it reads back differently",
        )))
    }
    fn open(&mut self, _: Slot, _: bool) -> Result<OpenSlot, ApplyError> {
        Err(ApplyError::Live)
    }
}

/// The started disk is written, the one beside it is not.
struct OneOfTwo(Memory);

impl Target for OneOfTwo {
    fn load(&self) -> Result<BootState, ApplyError> {
        self.0.load()
    }
    fn save(&mut self, state: &BootState) -> Result<(), ApplyError> {
        self.0.save(state)?;
        Err(ApplyError::BootState(vigie_settings::Said::same(
            "/dev/vdb: it is failing",
        )))
    }
    fn open(&mut self, _: Slot, _: bool) -> Result<OpenSlot, ApplyError> {
        Err(ApplyError::Live)
    }
}

#[test]
fn c75_c78_a_failing_disk_of_two_keeps_no_machine_from_going_back() {
    let dir = tempfile::tempdir().unwrap();
    let mut disks = OneOfTwo(state(Slot::B, (true, 3), (false, 2)));
    let went = give_up(&mut disks, Slot::B, &machine(2, 0), dir.path(), "no answer");
    assert_eq!(went.unwrap(), GivenUp::Gone);
    assert_eq!(history::load(dir.path()).len(), 1);
    // Where the started disk refuses as well, a restart would lead here again.
    let mut stuck = Stuck(state(Slot::B, (true, 3), (false, 2)).0);
    let went = give_up(&mut stuck, Slot::B, &machine(2, 0), dir.path(), "no answer");
    assert!(matches!(went, Err(FateError::State(_))), "{went:?}");
}

#[test]
fn c75_c82_a_failing_disk_of_two_keeps_nothing_from_being_told() {
    let dir = tempfile::tempdir().unwrap();
    installed(dir.path(), Slot::B, 2);
    let mut disks = OneOfTwo(state(Slot::B, (true, 3), (false, 2)));
    let told = mark_good(&mut disks, Slot::B, &machine(2, 1), &no_keys(), dir.path());
    assert!(matches!(told, Err(FateError::Elsewhere(_))), "{told:?}");
    assert!(told.unwrap_err().to_string().contains("/dev/vdb"));
    let reached = Floor::load(dir.path()).reached;
    assert_eq!((reached.version.0[0], reached.security_epoch), (2, 1));
    let last = || history::load(dir.path()).pop().unwrap().outcome;
    assert_eq!(last(), Outcome::Good);
    // The next start is the other slot, and the history knows.
    let who = (Door::Console, None);
    held(dir.path(), Slot::B, 2, 1);
    let mut disks = OneOfTwo(state(Slot::A, (true, 3), (true, 3)));
    let told = rollback(&mut disks, Slot::A, &machine(1, 1), dir.path(), who);
    assert!(matches!(told, Err(FateError::Elsewhere(_))), "{told:?}");
    assert_eq!(last(), Outcome::Rollback);
}

#[test]
fn c82_marking_good_that_fails_says_so_and_raises_nothing() {
    let dir = tempfile::tempdir().unwrap();
    installed(dir.path(), Slot::B, 2);
    let mut disk = Stuck(state(Slot::B, (true, 3), (false, 2)).0);
    let told = mark_good(&mut disk, Slot::B, &machine(2, 1), &no_keys(), dir.path());
    assert!(matches!(told, Err(FateError::State(_))), "{told:?}");
    assert_eq!(Floor::load(dir.path()), Floor::default());
    assert_eq!(history::load(dir.path()).len(), 1, "still open");
}

#[test]
fn c81_health_that_comes_and_goes_leaves_no_version_that_was_good_once() {
    let dir = tempfile::tempdir().unwrap();
    installed(dir.path(), Slot::B, 2);
    let mut disk = state(Slot::B, (true, 3), (false, 2));
    let good = |disk: &mut Memory| {
        mark_good(disk, Slot::B, &machine(2, 0), &no_keys(), dir.path()).unwrap()
    };
    assert_eq!(good(&mut disk), Some(Outcome::Good));
    let settled = disk.0.clone();
    for _ in 0..5 {
        let sick = give_up(&mut disk, Slot::B, &machine(2, 0), dir.path(), "no answer");
        assert_eq!(sick.unwrap(), GivenUp::Good);
        assert_eq!(good(&mut disk), None);
        let next = crate::choice::choose(&disk.0, &Slot::BOTH);
        assert_eq!((next.slot, &next.after), (Slot::B, &settled));
    }
    assert_eq!(history::load(dir.path()).len(), 2, "installed, good");
}

#[test]
fn what_a_slot_held_is_forgotten_alone() {
    let dir = tempfile::tempdir().unwrap();
    forget(dir.path(), Slot::B).unwrap();
    let held = |version| SlotFacts {
        version: Version([version, 0, 0, 0]),
        security_epoch: 0,
    };
    remember(dir.path(), Slot::A, held(1)).unwrap();
    remember(dir.path(), Slot::B, held(2)).unwrap();
    forget(dir.path(), Slot::B).unwrap();
    assert_eq!(facts(dir.path()), BTreeMap::from([(Slot::A, held(1))]));
}

#[test]
fn a_person_goes_back_or_takes_back() {
    let dir = tempfile::tempdir().unwrap();
    let who = || (Door::Console, Some("root".to_owned()));
    let back =
        |disk: &mut Memory, epoch| rollback(disk, Slot::A, &machine(2, epoch), dir.path(), who());
    let mut fresh = state(Slot::A, (true, 3), (false, 0));
    assert!(matches!(
        back(&mut fresh, 0),
        Err(FateError::NothingThere { slot: Slot::B })
    ));
    let mut waits = state(Slot::B, (true, 3), (false, TRIES));
    assert!(waiting(&waits.0, Slot::A));
    assert_eq!(back(&mut waits, 0).unwrap(), Outcome::Cancelled);
    assert!(!waiting(&waits.0, Slot::A));
    assert_eq!((waits.0.first, waits.0.slot(Slot::B).tries), (Slot::A, 0));
    let mut both = state(Slot::A, (true, 3), (true, 3));
    assert_eq!(back(&mut both, 0).unwrap(), Outcome::Rollback);
    assert_eq!(both.0.first, Slot::B);
    let held = SlotFacts {
        version: Version([1, 0, 0, 0]),
        security_epoch: 0,
    };
    remember(dir.path(), Slot::B, held).unwrap();
    let mut both = state(Slot::A, (true, 3), (true, 3));
    let error = back(&mut both, 1).unwrap_err();
    assert!(matches!(error, FateError::Unsafe { .. }), "{error}");
    assert_eq!(both.0.first, Slot::A);
}
