//! Disks that fail and packages that break off: what ran before still starts.

use std::io::{self, BufReader, Cursor, Read};

use vigie_disk::device::faulty::{Fault, Faulty, Kind};
use vigie_disk::{Bytes, MemoryDevice};
use vigie_update::apply::target::{OpenSlot, Target};
use vigie_update::apply::{self, ApplyError, Unpacker};
use vigie_update::boot_state::TRIES;
use vigie_update::choice::choose;
use vigie_update::fate::SlotFacts;
use vigie_update::package::envelope::Envelope;
use vigie_update::package::manifest::Role;
use vigie_update::package::member::Unpacked;
use vigie_update::package::{Header, PackageError, chunks};
use vigie_update::{Slot, SlotState, esp};

use crate::packages;
use crate::support::{
    Direct, Disks, Shared, context, holds, keys, package, update, update_and_tell,
};

/// What runs is untouched and is what starts next, at every further start.
fn unharmed<D: vigie_disk::BlockDevice + 'static>(disks: &Disks<Shared<D>>, why: &str) {
    let mut state = esp::load(&disks.esp).unwrap();
    for _ in 0..8 {
        let choice = choose(&state, &Slot::BOTH);
        assert_eq!(choice.slot, Slot::A, "{why}");
        state = choice.after;
    }
    assert_eq!(
        holds(&disks.a.system, &disks.a.boot, &[1]),
        Some(1),
        "{why}"
    );
}

#[test]
fn c04_c05_c12_a_package_that_breaks_off_or_is_changed_changes_nothing_that_starts() {
    let package = package(2, None);
    let header = package.iter().position(|byte| *byte == 0).unwrap();
    for length in (0..package.len())
        .step_by(40_001)
        .chain([header, header + 20, package.len() - 1])
    {
        let mut disks = Disks::new(Some(1)).map(|disk| disk);
        let error = update(&mut Direct::new(&package[..length]), &mut disks).unwrap_err();
        assert!(matches!(error, ApplyError::Package(_)), "{length}: {error}");
        untouched(&disks, "cut short");
    }
    for at in (0..package.len()).step_by(60_013) {
        let mut changed = package.clone();
        changed[at] ^= 0x20;
        let mut disks = Disks::new(Some(1)).map(|disk| disk);
        let error = update(&mut Direct::new(&changed), &mut disks).unwrap_err();
        assert!(error.is_refusal(), "{at}: {error}");
        untouched(&disks, "changed");
    }
}

/// Not even the way back is lost.
fn untouched<D: vigie_disk::BlockDevice + 'static>(disks: &Disks<Shared<D>>, why: &str) {
    let state = esp::load(&disks.esp).unwrap();
    assert!(state.slot(Slot::B).good && state.first == Slot::A, "{why}");
    let b = holds(&disks.b.system, &disks.b.boot, &[1]);
    assert_eq!(b, Some(1), "{why}");
    unharmed(disks, why);
}

/// What comes through a pipe is known to be damaged only when the slot was given up for it: that
/// is told, and what the slot held is forgotten.
#[test]
fn c04_c12_a_pipe_that_breaks_off_or_changes_the_package_costs_the_way_back_and_says_so() {
    let package = package(2, None);
    let mut changed = package.clone();
    changed[package.len() / 2] ^= 0x20;
    for (bytes, words) in [
        (&package[..package.len() - 1], "the package ends at byte"),
        (&changed, "is damaged in chunk"),
    ] {
        let mut disks = Disks::new(Some(1)).map(|disk| disk);
        let (mut pipe, mut held) = (Direct::piped(bytes), Vec::new());
        let opened = apply::open(&mut pipe, &keys()).unwrap();
        let remember = &mut |slot, facts| held.push((slot, facts));
        let ignore = &mut |_, _, _| ();
        let error = apply::apply(&opened, &context(), &mut pipe, &mut disks, remember, ignore);
        let error = error.unwrap_err();
        assert!(!error.is_refusal(), "{error}");
        let text = error.to_string();
        assert!(
            text.contains(words) && text.contains("no version to go back to"),
            "{text}"
        );
        assert!(error.french().contains("où revenir"), "{}", error.french());
        assert_eq!(held, [(Slot::B, None)]);
        unharmed(&disks, words);
    }
    let mut disks = Disks::new(Some(1)).map(|disk| disk);
    // Of what was written it is known before it may start.
    let (mut pipe, mut held) = (Direct::piped(&package), Vec::new());
    let opened = apply::open(&mut pipe, &keys()).unwrap();
    let remember = &mut |slot, facts: Option<SlotFacts>| held.push((slot, facts));
    let ignore = &mut |_, _, _| ();
    apply::apply(&opened, &context(), &mut pipe, &mut disks, remember, ignore).unwrap();
    let versions: Vec<_> = held
        .iter()
        .map(|(_, facts)| facts.map(|f| f.version))
        .collect();
    assert_eq!(versions, [None, Some(opened.header.version)]);
}

/// What can be read up to a byte.
struct Stops(Cursor<Vec<u8>>, u64);

impl Read for Stops {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.position() >= self.1 {
            return Err(io::Error::other("the stick was pulled"));
        }
        let room = buffer.len().min((self.1 - self.0.position()) as usize);
        self.0.read(&mut buffer[..room])
    }
}

/// A stick or disc, read twice: one pass over its body goes up to a byte of the package, the other to
/// the end.
struct Pulled {
    package: packages::Direct<BufReader<Stops>>,
    first: Stops,
}

impl Pulled {
    fn new(package: &[u8], [first, second]: [u64; 2]) -> Self {
        let stops = |at| Stops(Cursor::new(package.to_vec()), at);
        Self {
            package: packages::Direct(BufReader::new(stops(second))),
            first: stops(first),
        }
    }
}

impl Unpacker for Pulled {
    fn envelope(&mut self) -> Result<Envelope, PackageError> {
        let envelope = self.package.envelope()?;
        self.first.0.set_position(envelope.length);
        Ok(envelope)
    }

    fn check_body(
        &mut self,
        header: &Header,
        note: &mut dyn FnMut(Bytes),
    ) -> Result<(), PackageError> {
        chunks::compare(header, &mut self.first, note)
    }

    fn unpack(
        &mut self,
        header: &Header,
        base: Option<&OpenSlot>,
        slot: Option<&mut OpenSlot>,
        note: &mut dyn FnMut(Bytes),
    ) -> Result<Unpacked, PackageError> {
        self.package.unpack(header, base, slot, note)
    }
}

/// The bytes of a package at and around which its chunks end, and its end.
fn edges(package: &[u8]) -> Vec<u64> {
    let envelope = Direct::new(package).envelope().unwrap();
    let header = Header::parse(&envelope.signed).unwrap();
    let end = envelope.length + header.body;
    let starts =
        (0..header.chunks.len() as u64).map(|n| envelope.length + n * u64::from(header.chunk));
    let around =
        starts.flat_map(|start| [start, start + 1].into_iter().chain(start.checked_sub(1)));
    let within = around.filter(|at| *at >= envelope.length);
    within.chain([end - 1, end]).collect()
}

#[test]
fn c60_c61_a_stick_that_is_pulled_at_any_chunk_leaves_what_runs() {
    for base in [None, Some(1)] {
        let package = package(2, base);
        let edges = edges(&package);
        // A full one has several chunks.
        assert!(base.is_some() || edges.len() > 8, "{edges:?}");
        for at in edges {
            let why = format!("{base:?} at byte {at}");
            // While it is compared: nothing was begun.
            let mut disks = Disks::new(Some(1)).map(|disk| disk);
            let error = update(&mut Pulled::new(&package, [at, u64::MAX]), &mut disks);
            let error = error.unwrap_err();
            let read = matches!(error, ApplyError::Package(PackageError::Read { .. }));
            assert!(read, "{why}: {error}");
            untouched(&disks, &why);
            // It was whole when it was compared, and is pulled while it is written.
            let mut disks = Disks::new(Some(1)).map(|disk| disk);
            let error = update(&mut Pulled::new(&package, [u64::MAX, at]), &mut disks);
            let error = error.unwrap_err();
            let begun = matches!(&error, ApplyError::Unfinished { slot: Slot::B, .. });
            let told = error.to_string().contains("the stick was pulled");
            assert!(begun && told && !error.is_refusal(), "{why}: {error}");
            let state = disks.load().unwrap();
            assert_eq!(state.slot(Slot::B), SlotState::default(), "{why}");
            unharmed(&disks, &why);
            // Put in again, it is installed.
            update(&mut Pulled::new(&package, [u64::MAX; 2]), &mut disks).unwrap();
            let held = holds(&disks.b.system, &disks.b.boot, &[2]);
            assert_eq!(held, Some(2), "{why}");
        }
    }
}

#[test]
fn c60_c61_a_source_that_stops_reading_is_told_with_its_place() {
    let package = package(2, None);
    for at in [5, 300, 1_000_000, 2_500_000] {
        let mut input = std::io::BufReader::new(Stops(Cursor::new(package.clone()), at));
        let envelope = vigie_update::package::envelope::Envelope::read(&mut input);
        let error = envelope.and_then(|envelope| {
            let header = vigie_update::package::Header::parse(&envelope.signed)?;
            let sink = vigie_update::package::member::Sink::Nowhere;
            vigie_update::package::member::unpack(&header, &mut input, None, sink, &mut |_| ())
        });
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("the stick was pulled") && error.contains("byte"),
            "{error}"
        );
    }
}

#[test]
fn c69_c70_c71_c75_a_failing_slot_is_told_and_not_started() {
    let package = package(2, None);
    let faults: [(&str, Fault); 5] = [
        ("EIO on the first write", Fault::Fails(Some(Kind::Write), 0)),
        ("EIO later", Fault::Fails(Some(Kind::Write), 1)),
        ("it vanishes", Fault::Vanishes(1)),
        ("lost writes", Fault::DropsWrite(0)),
        (
            "a bad sector when read back",
            Fault::Fails(Some(Kind::Read), 0),
        ),
    ];
    for (name, fault) in faults {
        for role in [0, 1] {
            let mut number = 0;
            // An empty slot: over an older version a lost write may be one that changes nothing.
            let mut disks = Disks::new(None).map(|disk: MemoryDevice| {
                number += 1;
                // The devices come as ESP, A's and B's; B's are the fourth and fifth.
                let faults = if number == 4 + role {
                    vec![fault]
                } else {
                    Vec::new()
                };
                Faulty::new(disk, faults)
            });
            match update(&mut Direct::new(&package), &mut disks) {
                Err(error) => assert!(!error.is_refusal(), "{name}: {error}"),
                Ok(_) => panic!("{name} on {role}: not noticed"),
            }
            unharmed(&disks, name);
        }
    }
}

/// The disk fails at every one of its writes in turn: at the first, at half, at the last.
#[test]
fn c69_no_write_may_fail_unnoticed() {
    let package = package(2, None);
    for role in [0, 1] {
        let mut failed = 0;
        loop {
            let mut number = 0;
            let mut disks = Disks::new(None).map(|disk: MemoryDevice| {
                number += 1;
                let fault = Fault::Fails(Some(Kind::Write), failed);
                let faults = if number == 4 + role {
                    vec![fault]
                } else {
                    Vec::new()
                };
                Faulty::new(disk, faults)
            });
            if update(&mut Direct::new(&package), &mut disks).is_ok() {
                break;
            }
            unharmed(&disks, &format!("write {failed} of {role}"));
            failed += 1;
        }
        println!("{failed} writes of {role} failed in turn");
        assert!(failed > 1);
    }
}

#[test]
fn c74_an_image_that_does_not_fit_is_refused_before_anything_changes() {
    let package = package(2, None);
    let before = Disks::new(Some(1));
    let mut small = before.clone();
    small.b.boot = MemoryDevice::new(vigie_disk::Bytes::mib(1), vigie_disk::SectorSize::S512);
    let mut disks = small.map(|disk| disk);
    let error = update(&mut Direct::new(&package), &mut disks).unwrap_err();
    assert!(
        matches!(
            error,
            ApplyError::TooLarge {
                image: Role::Boot,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(disks.load().unwrap(), esp::load(&before.esp).unwrap());
}

/// A version that hangs has tries left; one that was good runs in the other slot's stead at last.
#[test]
fn c77_what_hangs_in_the_other_slot_is_replaced() {
    let before = Disks::new(Some(3));
    let mut disks = before.map(|disk| disk);
    let mut state = disks.load().unwrap();
    state.first = Slot::B;
    *state.slot_mut(Slot::B) = SlotState {
        good: false,
        tries: 2,
    };
    disks.save(&state).unwrap();
    update(&mut Direct::new(&package(2, None)), &mut disks).unwrap();
    assert_eq!(holds(&disks.b.system, &disks.b.boot, &[2, 3]), Some(2));
    assert_eq!(disks.load().unwrap().slot(Slot::B).tries, TRIES);
    unharmed_in_the_end(&disks);
}

fn unharmed_in_the_end<D: vigie_disk::BlockDevice + 'static>(disks: &Disks<Shared<D>>) {
    let mut state = esp::load(&disks.esp).unwrap();
    for _ in 0..8 {
        state = choose(&state, &Slot::BOTH).after;
    }
    assert_eq!(choose(&state, &Slot::BOTH).slot, Slot::A);
}

#[test]
fn a_delta_for_another_base_is_refused_before_anything_changes() {
    let delta = package(2, Some(1));
    let mut disks = Disks::new(Some(1)).map(|disk| disk);
    {
        use vigie_disk::BlockDevice;
        disks
            .a
            .boot
            .write_at(vigie_disk::Bytes::kib(64), &[1; 512])
            .unwrap();
    }
    let before = disks.load().unwrap();
    let error = update(&mut Direct::new(&delta), &mut disks).unwrap_err();
    let is_base = matches!(
        error,
        ApplyError::Package(PackageError::Base {
            image: Role::Boot,
            ..
        })
    );
    assert!(is_base, "{error}");
    assert!(error.to_string().contains("full package"));
    assert_eq!(disks.load().unwrap(), before);
}

/// Two disks: the second takes a number of states, then no more.
struct Two<D> {
    started: Disks<Shared<D>>,
    takes: usize,
}

impl<D: vigie_disk::BlockDevice + 'static> Target for Two<D> {
    fn load(&self) -> Result<vigie_update::BootState, ApplyError> {
        self.started.load()
    }
    fn save(&mut self, state: &vigie_update::BootState) -> Result<(), ApplyError> {
        self.started.save(state)?;
        self.takes = match self.takes {
            0 => {
                return Err(ApplyError::BootState(vigie_settings::Said::same(
                    "/dev/vdb: it is failing",
                )));
            }
            left => left - 1,
        };
        Ok(())
    }
    fn open(&mut self, slot: Slot, write: bool) -> Result<OpenSlot, ApplyError> {
        self.started.open(slot, write)
    }
}

#[test]
fn c75_a_disk_of_two_that_fails_at_the_last_step_is_told_with_the_success() {
    let package = package(2, None);
    for (takes, installed, warned) in [(2, true, false), (1, true, true), (0, false, false)] {
        let started = Disks::new(Some(1)).map(|disk| disk);
        let mut disks = Two { started, takes };
        let result = update_and_tell(&mut Direct::new(&package), &mut disks);
        assert_eq!(result.is_ok(), installed, "{takes}");
        let state = disks.load().unwrap();
        assert_eq!(choose(&state, &Slot::BOTH).slot == Slot::B, installed);
        // What was not begun leaves the way back as it was.
        assert!(installed || state.slot(Slot::B).good, "{takes}");
        let warning = result.ok().and_then(|done| done.warning);
        assert_eq!(warning.is_some(), warned, "{takes}: {warning:?}");
    }
}
