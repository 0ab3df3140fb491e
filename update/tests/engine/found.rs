//! What lies in the folders, read by the unpacking process and judged.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use vigie_update::apply::sandboxed::Sandboxed;
use vigie_update::apply::{self, ApplyError, Context, Unpacker};
use vigie_update::doors::found::{self, Found, Head, State};
use vigie_update::doors::look::look;
use vigie_update::doors::places::{Candidate, FILES, Place, candidates};
use vigie_update::history::Door;
use vigie_update::package::PackageError;
use vigie_update::policy::{Standing, Waiting};
use vigie_update::version::Version;

use crate::support::{context, file, keys, package};

const PROGRAM: &str = env!("CARGO_BIN_EXE_vigie-update");
/// Longer than anything takes here.
const PATIENT: Duration = Duration::from_secs(30);

fn read(file: &File) -> Result<Head, PackageError> {
    let mut unpacker = Sandboxed::start(Path::new(PROGRAM), file, None)?;
    found::head(&mut unpacker, &keys())
}

fn scan(dir: &Path) -> Vec<(Found, File)> {
    let place = Place {
        folder: dir.to_owned(),
        door: Door::Scp,
    };
    found::scan(&[place], &context(), &mut read)
}

/// Puts a file there that nobody has written to for a while.
fn put(dir: &Path, name: &str, bytes: &[u8]) {
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    file(dir, name, bytes).set_modified(long_ago).unwrap();
}

#[test]
fn c56_a_file_that_grows_is_ready_when_it_is_complete() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = package(2, None);
    let mut ids = std::collections::BTreeSet::new();
    let mut state = |length: usize, old: bool| {
        let file = file(dir.path(), "vigie-2.0.0.0-upd.tgz", &bytes[..length]);
        if old {
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }
        let (found, _) = scan(dir.path()).remove(0);
        if found.package.is_some() {
            ids.insert(found.id.clone());
        }
        (found.state, found.reason.unwrap_or_default())
    };
    assert_eq!(state(0, false).0, State::Arriving);
    assert_eq!(state(100, false).0, State::Arriving);
    // Nobody writes to it any more: then the reason is told.
    let (broken, reason) = state(100, true);
    assert_eq!(broken, State::Unreadable);
    assert!(reason.contains("ends within its header"), "{reason}");
    for length in [2000, bytes.len() / 2, bytes.len() - 1] {
        for old in [false, true] {
            let (arriving, reason) = state(length, old);
            assert_eq!(arriving, State::Arriving, "{length}");
            assert!(reason.starts_with("not complete"), "{reason}");
        }
    }
    assert_eq!(state(bytes.len(), false), (State::Ready, String::new()));
    assert_eq!(ids.len(), 1, "one file, one id");
}

/// One bad disc costs its own packages, and the time of one of them.
#[test]
fn a_medium_that_does_not_answer_is_asked_once() {
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let bytes = package(2, None);
    for name in ["a-upd.tgz", "b-upd.tgz", "c-upd.tgz"] {
        put(dirs[0].path(), name, &bytes);
    }
    put(dirs[1].path(), "d-upd.tgz", &bytes);
    let place = |dir: &tempfile::TempDir| Place {
        folder: dir.path().to_owned(),
        door: Door::Usb,
    };
    let mut asked = 0;
    let all = found::scan(
        &[place(&dirs[0]), place(&dirs[1])],
        &context(),
        &mut |file| {
            asked += 1;
            match asked {
                1 => Err(PackageError::Silent),
                _ => read(file),
            }
        },
    );
    assert_eq!(asked, 2);
    let states: Vec<_> = all.iter().map(|(found, _)| found.state).collect();
    let unreadable = State::Unreadable;
    assert_eq!(states, [State::Ready, unreadable, unreadable, unreadable]);
    for (found, _) in &all[1..] {
        let told = (found.reason.as_ref(), found.reason_fr.as_ref());
        let (Some(english), Some(french)) = told else {
            panic!("{found:?}");
        };
        assert!(english.contains("medium does not answer"), "{english}");
        assert!(french.contains("support ne répond pas"), "{french}");
    }
}

/// A folder is looked into by a process: what it tells is what lies there.
#[test]
fn a_process_tells_what_a_folder_holds() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = package(2, None);
    put(dir.path(), "a-upd.tgz", &bytes);
    put(dir.path(), "notes.txt", b"x");
    let odd = OsStr::from_bytes(b"\xff\n-upd.tgz");
    std::fs::write(dir.path().join(odd), "odd").unwrap();
    let told = |candidates: Vec<Candidate>| -> Vec<_> {
        let each = candidates.into_iter().map(|candidate| {
            let mut content = Vec::new();
            candidate.file.take(2).read_to_end(&mut content).unwrap();
            let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
            (
                candidate.name,
                candidate.size,
                candidate.modified.map(since),
                content,
            )
        });
        each.collect()
    };
    let told_by_it = look(Path::new(PROGRAM), dir.path(), PATIENT).unwrap();
    assert_eq!(told_by_it.len(), 2);
    assert_eq!(told(told_by_it), told(candidates(dir.path())));
    let nowhere = dir.path().join("none");
    assert!(
        look(Path::new(PROGRAM), &nowhere, PATIENT)
            .unwrap()
            .is_empty()
    );
    // Many of them, and then it says that it was all.
    for number in 0..2 * FILES {
        put(dir.path(), &format!("b{number}-upd.tgz"), b"x");
    }
    let many = look(Path::new(PROGRAM), dir.path(), PATIENT).unwrap();
    assert_eq!(many.len(), FILES);
}

/// What a bad disc makes of the process: it says nothing, for ever. That costs its own packages and
/// a bounded time, and is told once for the medium.
#[test]
fn a_medium_that_cannot_be_opened_hinders_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let [bad, good] = ["sr0", "sdb1"].map(|name| dir.path().join(name));
    for folder in [&bad, &good] {
        std::fs::create_dir_all(folder.join("update")).unwrap();
        put(&folder.join("update"), "a-upd.tgz", &package(2, None));
    }
    let folders = [&bad, &bad.join("update"), &good, &good.join("update")];
    let places = folders.map(|folder| Place {
        folder: folder.clone(),
        door: Door::Usb,
    });
    let begun = Instant::now();
    let mut asked = 0;
    let ask = &mut |place: &Place| {
        asked += 1;
        match place.folder.starts_with(&bad) {
            // It prints lines into nothing, and has no answer for us.
            true => look(
                Path::new("/usr/bin/yes"),
                &place.folder,
                Duration::from_millis(50),
            ),
            false => look(Path::new(PROGRAM), &place.folder, PATIENT),
        }
    };
    let all = found::scan_with(&places, &context(), ask, &mut read);
    assert!(begun.elapsed() < PATIENT);
    assert_eq!(asked, 3, "the other folder of the medium is not asked for");
    let told: Vec<_> = all
        .iter()
        .map(|(found, file)| (&*found.name, found.state, file.is_some()))
        .collect();
    assert_eq!(
        told,
        [
            ("a-upd.tgz", State::Ready, true),
            ("sr0", State::Unreadable, false)
        ]
    );
    let (english, french) = (&all[1].0.reason, &all[1].0.reason_fr);
    assert!(english.as_ref().unwrap().contains("medium does not answer"));
    assert!(french.as_ref().unwrap().contains("support ne répond pas"));
    // One that ends without an answer is no empty medium either.
    let error = look(Path::new("/usr/bin/true"), &good, PATIENT).unwrap_err();
    assert!(error.to_string().contains("before its time"), "{error}");
}

/// Nothing is wrong with a package that came while another one waits for a restart, nor with that
/// one itself; one that this machine will not take then either is told so at once.
#[test]
fn what_has_to_wait_is_not_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("older-upd.tgz", package(1, None)),
        ("installed-upd.tgz", package(2, None)),
        ("newest-upd.tgz", package(3, None)),
    ] {
        put(dir.path(), name, &bytes);
    }
    let place = Place {
        folder: dir.path().to_owned(),
        door: Door::Usb,
    };
    let version = Some(Version([2, 0, 0, 0]));
    let waits = Standing {
        waiting: Some(Waiting { version }),
        ..context().standing
    };
    let just_started = Standing {
        confirmed: false,
        ..context().standing
    };
    for (standing, why) in [
        (waits, "waits for a restart"),
        (just_started, "not confirmed"),
    ] {
        let context = Context {
            standing,
            ..context()
        };
        let all = found::scan(std::slice::from_ref(&place), &context, &mut read);
        let states: Vec<_> = all.iter().map(|(found, _)| found.state).collect();
        assert_eq!(states, [State::Later, State::Later, State::Refused]);
        for (found, _) in &all[..2] {
            let reason = found.reason.as_deref().unwrap();
            assert!(reason.contains(why), "{reason}");
            assert!(found.reason_fr.is_some());
        }
    }
}

#[test]
fn c07_c33_c46_verdicts_in_both_languages_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let good = package(2, None);
    let mut foreign = good.clone();
    let at = foreign
        .windows(10)
        .position(|w| w == b"signature ")
        .unwrap();
    foreign.splice(at..at + 10, *b"signatury ");
    let long = [&good[..], b"x"].concat();
    for (name, bytes) in [
        ("older-upd.tgz", &package(1, None)),
        ("newest-upd.tgz", &package(3, None)),
        ("delta-upd.tgz", &package(2, Some(1))),
        ("good-upd.tgz", &good),
        ("long-upd.tgz", &long),
        ("foreign-upd.tgz", &foreign),
        ("noise\x1b[2J-upd.tgz", &b"nothing of ours".to_vec()),
    ] {
        put(dir.path(), name, bytes);
    }
    let found = scan(dir.path());
    let told: Vec<_> = found
        .iter()
        .map(|(found, _)| (&*found.name, found.state))
        .collect();
    assert_eq!(
        told,
        [
            ("newest-upd.tgz", State::Ready),
            ("delta-upd.tgz", State::Ready),
            ("good-upd.tgz", State::Ready),
            ("older-upd.tgz", State::Refused),
            ("long-upd.tgz", State::Unreadable),
            ("foreign-upd.tgz", State::Unreadable),
            ("noise[2J-upd.tgz", State::Unreadable),
        ]
    );
    for ((found, _), (english, french)) in found[3..].iter().zip([
        ("newer version is needed", "version plus récente"),
        ("bytes follow the end", "des octets suivent"),
        ("---", "pas un paquet"),
        ("does not begin as a gzip file", "pas un paquet"),
    ]) {
        let (reason, reason_fr) = (found.reason.as_deref(), found.reason_fr.as_deref());
        assert!(reason.unwrap().contains(english), "{reason:?}");
        assert!(reason_fr.unwrap().contains(french), "{reason_fr:?}");
    }
    let ids: std::collections::BTreeSet<_> = found.iter().map(|(found, _)| &found.id).collect();
    assert_eq!(ids.len(), found.len());
}

/// What a version that came up well has made useless, and nothing else: neither the version that
/// runs and is not yet known to be good, nor a damaged file.
#[test]
fn c46_what_can_never_be_installed_again_is_spent() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "one-upd.tgz", &package(1, None));
    put(dir.path(), "two-upd.tgz", &package(2, None));
    put(dir.path(), "three-upd.tgz", &package(3, None));
    put(dir.path(), "noise-upd.tgz", b"nothing of ours");
    let place = Place {
        folder: dir.path().to_owned(),
        door: Door::Web,
    };
    for (reached, expected) in [
        (0, &[][..]),
        (1, &["one-upd.tgz"]),
        (2, &["two-upd.tgz", "one-upd.tgz"]),
    ] {
        let mut context = context();
        context.standing.reached.version.0[0] = reached;
        let found = found::scan(std::slice::from_ref(&place), &context, &mut read);
        let spent = found.iter().filter(|(found, _)| found.spent);
        let names: Vec<&str> = spent.map(|(found, _)| &*found.name).collect();
        assert_eq!(names, expected, "{reached}");
    }
}

/// The header says what a package is; the name only lets it be looked at.
#[test]
fn c49_a_file_name_is_not_trusted() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "vigie-9.9.9.9-upd.tgz", &package(1, None));
    put(dir.path(), "vigie-0.0.0.1-upd.tgz", &package(2, None));
    let found = scan(dir.path());
    let told = found.iter().map(|(found, _)| {
        let version = found.version.unwrap().to_string();
        (&*found.name, version, found.state)
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("vigie-0.0.0.1-upd.tgz", "2.0.0.0".to_owned(), State::Ready),
            (
                "vigie-9.9.9.9-upd.tgz",
                "1.0.0.0".to_owned(),
                State::Refused
            ),
        ]
    );
}

/// The listed descriptor is what is applied, and every byte of it is checked while it is read:
/// whatever is done to the file after it was listed is either without effect or found out.
#[test]
fn c57_a_file_that_changes_after_it_was_listed() {
    let dir = tempfile::tempdir().unwrap();
    let name = "vigie-2.0.0.0-upd.tgz";
    let path = dir.path().join(name);
    let bytes = package(2, None);
    let listed = |change: &dyn Fn()| {
        put(dir.path(), name, &bytes);
        let (found, file) = scan(dir.path()).remove(0);
        assert_eq!(found.state, State::Ready);
        change();
        (&file).rewind().unwrap();
        let mut unpacker = Sandboxed::start(Path::new(PROGRAM), &file, None).unwrap();
        let opened = apply::open_chosen(&mut unpacker, &keys(), found.package.as_deref())?;
        unpacker.unpack(&opened.header, None, None, &mut |_| ())?;
        Ok::<_, ApplyError>(opened.header.version.to_string())
    };
    let write_at = |at: usize, new: &[u8]| {
        let file = File::options().write(true).open(&path).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, new, at as u64).unwrap();
    };
    // Another file of that name is another file.
    let replaced = || {
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, package(3, None)).unwrap();
    };
    assert_eq!(listed(&replaced).unwrap(), "2.0.0.0");
    let middle = bytes.len() / 2;
    let other = [bytes[middle] ^ 1];
    let shorter = || {
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(middle as u64).unwrap();
    };
    let within = |new: &[u8], at| listed(&|| write_at(at, new)).unwrap_err().to_string();
    assert!(within(&other, middle).contains("damaged in chunk"));
    assert!(within(b"x", bytes.len()).contains("bytes follow the end"));
    assert!(within(&[0; 64], 30).contains("no update package"));
    // Another package, no less authentic, is not the one that somebody chose.
    let other = package(3, None);
    let error = listed(&|| write_at(0, &other)).unwrap_err();
    assert!(matches!(error, ApplyError::Changed), "{error}");
    assert!(error.is_refusal() && error.french().contains("a changé"));
    let short = listed(&shorter).unwrap_err().to_string();
    assert!(short.contains("ends at byte"), "{short}");
}

#[test]
fn c62_ten_thousand_files_cost_no_more_than_a_bounded_number_of_looks() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..10_000 {
        std::fs::write(dir.path().join(format!("{number:05}-upd.tgz")), "x").unwrap();
    }
    put(dir.path(), "vigie-2.0.0.0-upd.tgz", &package(2, None));
    let begun = std::time::Instant::now();
    let found = scan(dir.path());
    println!("10 000 files: {} ms", begun.elapsed().as_millis());
    assert_eq!(found.len(), FILES);
    assert_eq!(found[0].0.state, State::Ready);
    assert!(begun.elapsed() < Duration::from_secs(20));
}
