//! Going back, resetting, a new password: what they leave on folders and image files.

use std::fs;
use std::path::{Path, PathBuf};

use vigie_disk::ext4::Superblock;
use vigie_disk::{Bytes, FileDevice, SectorSize};
use vigie_installer::Ids;
use vigie_installer::screen::live::hash;
use vigie_installer::toolbox::Run;
use vigie_prompt::Secret;
use vigie_recovery::check::Silent;
use vigie_recovery::password::{self, Account};
use vigie_recovery::refusal::Refusal;
use vigie_recovery::reset::{self, Scope};
use vigie_recovery::state::Mended;
use vigie_recovery::volumes::slot::Wholeness;
use vigie_recovery::{rollback, state};
use vigie_settings::{Origin, PasswordHash, Store};
use vigie_update::apply::ApplyError;
use vigie_update::apply::target::{OpenSlot, Target};
use vigie_update::fate::{FateError, SlotFacts, remember};
use vigie_update::history::Outcome;
use vigie_update::package::member::Slots;
use vigie_update::reached::Floor;
use vigie_update::{BootState, Slot, SlotState, Version};
use yescrypt::{PasswordVerifier, Yescrypt};

use crate::support::Bench;

const UUID: &str = "11111111-1111-4111-8111-111111111111";

const RUNNING: Version = Version([5, 2, 0, 1]);

/// The boot state in memory, slots in files.
struct Machine<'a> {
    bench: &'a Bench,
    state: BootState,
}

impl Target for Machine<'_> {
    fn load(&self) -> Result<BootState, ApplyError> {
        Ok(self.state.clone())
    }
    fn save(&mut self, state: &BootState) -> Result<(), ApplyError> {
        self.state = state.clone();
        Ok(())
    }
    fn open(&mut self, slot: Slot, _write: bool) -> Result<OpenSlot, ApplyError> {
        let (boot, system) = match slot {
            Slot::A => ("/dev/sda3", "/dev/sda5"),
            Slot::B => ("/dev/sda4", "/dev/sda6"),
        };
        let open = |node: &str| self.bench.open(Path::new(node));
        let devices = Slots {
            system: open(system)?,
            boot: open(boot)?,
        };
        Ok(OpenSlot {
            devices,
            files: None,
        })
    }
}

fn state(first: Slot, a: (bool, u8), b: (bool, u8)) -> BootState {
    let mut state = BootState::default();
    state.first = first;
    for (slot, (good, tries)) in Slot::BOTH.into_iter().zip([a, b]) {
        *state.slot_mut(slot) = SlotState { good, tries };
    }
    state
}

fn go_back(machine: &mut Machine, folder: &Path) -> anyhow::Result<rollback::Done> {
    rollback::run(machine, folder, Some("test".into()), &mut |_, _| {})
}

#[test]
fn going_back_is_to_a_slot_that_is_whole() {
    let Some(bench) = Bench::new() else { return };
    bench.installation("sda", "hall", UUID);
    let (boot, system) = bench.slot("5.1.0.0");
    bench.partition("sda", 4, "boot-b", &boot);
    bench.partition("sda", 6, "system-b", &system);
    let folder = tempfile::tempdir().unwrap();
    let good = (true, 3);
    for (before, to, outcome) in [
        (state(Slot::A, good, good), Slot::B, Outcome::Rollback),
        (state(Slot::B, good, good), Slot::A, Outcome::Rollback),
        // What was installed and waits is taken back.
        (
            state(Slot::B, good, (false, 3)),
            Slot::A,
            Outcome::Cancelled,
        ),
    ] {
        let mut machine = Machine {
            bench: &bench,
            state: before,
        };
        let done = go_back(&mut machine, folder.path()).unwrap();
        assert_eq!((done.plan.to, done.outcome), (to, outcome));
        assert_eq!(machine.state.first, to);
    }
    // Nothing is changed where the other slot was never good, or has a wrong bit.
    let mut never = Machine {
        bench: &bench,
        state: state(Slot::A, good, (false, 0)),
    };
    let error = go_back(&mut never, folder.path()).unwrap_err();
    assert!(matches!(
        error.downcast_ref(),
        Some(FateError::NothingThere { .. })
    ));
    let mut machine = Machine {
        bench: &bench,
        state: state(Slot::A, good, good),
    };
    let before = machine.state.clone();
    bench.damage("sda6", 1_000_000);
    let error = go_back(&mut machine, folder.path()).unwrap_err();
    let expected = Refusal::NotWhole(
        Slot::B,
        Wholeness::Damaged {
            at: Bytes::new(999_424),
        },
    );
    assert_eq!(error.downcast_ref(), Some(&expected));
    assert_eq!(machine.state, before);
    // The slot that is left may be damaged: that is why a person goes back.
    bench.damage("sda6", 1_000_000);
    fs::write(bench.path("dev/sda5"), vec![0; 1 << 20]).unwrap();
    assert_eq!(
        go_back(&mut machine, folder.path()).unwrap().plan.to,
        Slot::B
    );
}

#[test]
fn going_back_is_never_to_before_a_mended_security_problem() {
    let Some(bench) = Bench::new() else { return };
    bench.installation("sda", "hall", UUID);
    let (boot, system) = bench.slot("5.1.0.0");
    bench.partition("sda", 4, "boot-b", &boot);
    bench.partition("sda", 6, "system-b", &system);
    let folder = tempfile::tempdir().unwrap();
    let held = |security_epoch, version| SlotFacts {
        version: Version(version),
        security_epoch,
    };
    remember(folder.path(), Slot::A, held(2, [5, 2, 0, 1])).unwrap();
    remember(folder.path(), Slot::B, held(1, [5, 1, 0, 0])).unwrap();
    let mut floor = Floor::default();
    floor.reached.security_epoch = 2;
    Floor::raise(folder.path(), &floor).unwrap();
    let good = (true, 3);
    let mut machine = Machine {
        bench: &bench,
        state: state(Slot::A, good, good),
    };
    let error = go_back(&mut machine, folder.path()).unwrap_err();
    assert!(
        matches!(error.downcast_ref(), Some(FateError::Unsafe { .. })),
        "{error:#}"
    );
    assert_eq!(machine.state.first, Slot::A);
}

/// An installation, and its settings in a folder as if its state volume were mounted.
fn installed(bench: &Bench) -> (tempfile::TempDir, Store) {
    let mut settings = bench.installation("sda", "hall", UUID);
    let password = Secret::new("the old password of root".to_owned());
    settings.access.root_password_hash = Some(hash(&password).unwrap());
    settings.update.licence_major = Some(6);
    settings.volumes[0].name = "recordings".parse().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::on_state_volume(folder.path());
    store.save(&settings).unwrap();
    store.save(&settings).unwrap();
    (folder, store)
}

#[test]
fn a_reset_of_settings_keeps_the_recordings() {
    let Some(bench) = Bench::new() else { return };
    let (folder, store) = installed(&bench);
    let installation = bench.inventory().installations.remove(0);
    let plan = reset::plan(Scope::Settings, &installation);
    let before = store.load().settings;
    reset::settings(folder.path(), &plan, &Ids::seeded("x", 1), RUNNING).unwrap();
    let after = store.load();
    assert_eq!(after.origin, Origin::Current);
    assert_eq!(after.settings.volumes, before.volumes);
    assert_eq!(after.settings.access, vigie_settings::Access::default());
    assert_eq!(after.settings.system.hostname.as_str(), "vigie");
    assert_eq!(
        after.settings.update.licence_major,
        Some(6),
        "it buys no licence"
    );
    // Nothing of the old settings is left to come back.
    for entry in fs::read_dir(folder.path().join(vigie_settings::store::FOLDER_ON_STATE)).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("hall") && !text.contains("$y$"), "{text}");
    }
    // Damaged settings tell nothing of the volumes; the disks do.
    for entry in fs::read_dir(folder.path().join(vigie_settings::store::FOLDER_ON_STATE)).unwrap() {
        fs::write(entry.unwrap().path(), "damaged").unwrap();
    }
    reset::settings(folder.path(), &plan, &Ids::seeded("x", 1), RUNNING).unwrap();
    let settings = store.load().settings;
    assert_eq!(settings.update.licence_major, Some(5));
    let volumes = settings.volumes;
    assert_eq!((volumes.len(), volumes[0].uuid.as_str()), (1, UUID));
}

#[test]
fn a_reset_of_all_makes_the_data_volumes_that_the_new_settings_list() {
    let Some(bench) = Bench::new() else { return };
    let (folder, store) = installed(&bench);
    let installation = bench.inventory().installations.remove(0);
    let plan = reset::plan(Scope::All, &installation);
    let ids = Ids::seeded("x", 1);
    reset::settings(folder.path(), &plan, &ids, RUNNING).unwrap();
    let listed = store.load().settings.volumes;
    assert_eq!(listed.len(), 1);
    assert_eq!(
        listed[0].name.as_str(),
        "recordings",
        "a name that a person gave"
    );
    assert_ne!(listed[0].uuid.as_str(), UUID);
    let path = bench.path("dev/sda8");
    let mut device = FileDevice::open(&path, SectorSize::S512).unwrap();
    reset::make(&plan.data[0], None, &ids, &bench.tools, &mut device).unwrap();
    let superblock = Superblock::read(&device).unwrap().unwrap();
    assert_eq!(superblock.uuid, listed[0].uuid.as_str());
    assert_eq!(superblock.label, "data-1");
    let check = Run::new(&bench.tools, "e2fsck", "checking")
        .arg("-fn")
        .arg(&path);
    check.output().unwrap();
}

#[test]
fn a_new_password_opens_and_the_old_one_does_not() {
    const OLD: &str = "the old password of this account";
    const OTHER: &str = "what the other account has";
    const NEW: &str = "dix lamas verts sautent";
    let Some(bench) = Bench::new() else { return };
    let hashed = |word: &str| hash(&Secret::new(word.to_owned())).unwrap();
    for account in [Account::Root, Account::Service] {
        let (folder, store) = installed(&bench);
        let mut settings = store.load().settings;
        let access = &mut settings.access;
        let (own, other) = match account {
            Account::Root => (
                &mut access.root_password_hash,
                &mut access.service_password_hash,
            ),
            Account::Service => (
                &mut access.service_password_hash,
                &mut access.root_password_hash,
            ),
        };
        (*own, *other) = (Some(hashed(OLD)), Some(hashed(OTHER)));
        store.save(&settings).unwrap();
        password::set(folder.path(), account, hashed(NEW), RUNNING, None).unwrap();
        let access = store.load().settings.access;
        let (root, service) = (access.root_password_hash, access.service_password_hash);
        let (own, other) = match account {
            Account::Root => (root, service),
            Account::Service => (service, root),
        };
        let opens = |hash: &Option<PasswordHash>, word: &str| {
            let hash = hash.as_ref().unwrap().as_str();
            let verified = Yescrypt::default().verify_password(word.as_bytes(), hash);
            verified.is_ok()
        };
        assert!(opens(&own, NEW) && !opens(&own, OLD), "{account:?}");
        assert!(opens(&other, OTHER) && !opens(&other, NEW), "{account:?}");
    }
}

#[test]
fn a_state_volume_that_was_not_unmounted_is_preened_and_a_damaged_one_repaired() {
    let Some(bench) = Bench::new() else { return };
    let image = bench.ext4("state", 8, None, None);
    let path: PathBuf = bench.path("state.img");
    fs::write(&path, &image).unwrap();
    let debugfs = Run::new(&bench.tools, "debugfs", "leaving it as after a power cut");
    let script = ["-w", "-R", "feature needs_recovery"];
    debugfs.args(script).arg(&path).output().unwrap();
    let ready = |clean, may| {
        Ok::<_, anyhow::Error>(state::ready(&path, &bench.tools, clean, may, &mut Silent)?.0)
    };
    assert_eq!(ready(true, Ok(())).unwrap(), Mended::Nothing);
    // What may not be mended keeps each of its bytes.
    let before = fs::read(&path).unwrap();
    let refusal = Refusal::OtherMajor {
        medium: Version([6, 0, 0, 0]),
        installation: Version([5, 0, 0, 0]),
    };
    let refused = ready(false, Err(refusal.clone())).unwrap_err();
    assert_eq!(refused.downcast_ref(), Some(&refusal));
    assert!(fs::read(&path).unwrap() == before);
    assert_eq!(ready(true, Err(refusal)).unwrap(), Mended::Nothing);
    assert_eq!(ready(false, Ok(())).unwrap(), Mended::Preened);
    let device = FileDevice::open_read_only(&path, SectorSize::S512).unwrap();
    let superblock = Superblock::read(&device).unwrap().unwrap();
    assert_eq!(superblock.health, vigie_disk::ext4::Health::Clean);
    let mut bytes = image;
    // The inode tables of the first group, and bitmaps before them.
    bytes[40 << 10..400 << 10].fill(0xFF);
    fs::write(&path, &bytes).unwrap();
    assert_eq!(ready(false, Ok(())).unwrap(), Mended::Repaired);
    // Without any superblock there is nothing to repair, and nothing is made up.
    bytes.fill(0);
    fs::write(&path, &bytes).unwrap();
    let error = ready(false, Ok(())).unwrap_err().to_string();
    assert!(error.contains("install anew"), "{error}");
}
