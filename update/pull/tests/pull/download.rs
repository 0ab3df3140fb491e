//! Fetching, from servers that are honest, broken, and hostile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use https_test_server::{Answer, Certificate, Request, Server, answer};
use vigie_pull::http::Trouble;
use vigie_update::pulled::{Answer as Told, Report};

use crate::support::{Box, CHUNK, Package, index_of, package, package_of, serve};

/// A server with an index of this package, and answers of its own for the package.
fn server(
    package: &Arc<Package>,
    answers: impl Fn(&Request, usize, &Package) -> Answer + Send + 'static,
) -> Server {
    let package = package.clone();
    let asked = AtomicUsize::new(0);
    Server::start(Certificate::Good, move |request| match request.path() {
        "/a/index" => {
            let index = index_of(&[&package], 7).seal(&[crate::support::key(1)]);
            answer(200, "").with_body(index)
        }
        _ => answers(request, asked.fetch_add(1, Ordering::SeqCst), &package),
    })
}

fn fetched(machine: &Box, package: &Package) -> bool {
    std::fs::read(machine.file(&package.name())).is_ok_and(|found| found == package.bytes)
}

fn left(machine: &Box) -> Vec<String> {
    let entries = std::fs::read_dir(machine.folder.path().join("https")).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn reason(told: Result<Report, Trouble>) -> String {
    told.unwrap_err().text
}

#[test]
fn a_package_is_fetched_once() {
    let package = Arc::new(package("1.3.0.0", 2 * CHUNK + 5));
    let server = server(&package, |request, _, package| {
        serve(request, &package.bytes, "\"1\"")
    });
    let mut machine = Box::new();
    machine.fetch = false;
    assert_eq!(machine.ask(&server).unwrap().answer, Told::Offered);
    assert_eq!(server.requests().len(), 1);
    machine.fetch = true;
    let told = machine.ask(&server).unwrap();
    assert_eq!(
        (told.answer, told.version),
        (Told::Fetched, Some(package.header.version))
    );
    assert!(fetched(&machine, &package));
    assert_eq!(left(&machine), [package.name()]);
    machine.ask(&server).unwrap();
    assert_eq!(server.requests().len(), 4, "two more for the index");
}

#[test]
fn c72_what_was_installed_takes_no_room_any_more() {
    let package = Arc::new(package("1.3.0.0", CHUNK));
    let server = server(&package, |request, _, package| {
        serve(request, &package.bytes, "\"1\"")
    });
    let mut machine = Box::new();
    machine.ask(&server).unwrap();
    machine.fetch = false;
    machine.ask(&server).unwrap();
    assert_eq!(left(&machine), [package.name()], "it waits for a person");
    machine.situation.reached = package.header.version;
    assert_eq!(machine.ask(&server).unwrap().answer, Told::UpToDate);
    assert!(left(&machine).is_empty());
}

#[test]
fn c05_c60_cut_anywhere_it_is_taken_up_where_it_was() {
    let package = Arc::new(package("1.3.0.0", 4 * CHUNK + 77));
    // At each edge of a chunk and around it, and within the head: the server cuts each answer.
    let edges = (0..=4).flat_map(|n| [0, 1, CHUNK - 1].map(|more| n * CHUNK + more));
    let cuts: Vec<usize> = edges
        .map(|at| package.head + at)
        .filter(|at| *at < package.bytes.len())
        .collect();
    for cut in [1, 100, package.head - 1].into_iter().chain(cuts) {
        let server = server(&package, move |request, asked, package| {
            let whole = serve(request, &package.bytes, "\"1\"");
            if asked > 0 {
                return whole;
            }
            let length = package.bytes.len() as u64;
            whole
                .with_body(package.bytes[..cut].to_vec())
                .claiming(length)
        });
        let machine = Box::new();
        let first = machine.ask(&server);
        // What went forward is taken up in the same run; what did not is for the next.
        assert_eq!(first.is_ok(), cut >= package.head, "{cut}: {first:?}");
        if let Err(trouble) = first {
            assert!(trouble.passing, "{trouble}");
            machine.ask(&server).unwrap();
        }
        assert!(fetched(&machine, &package), "{cut}");
        let last = server.requests().pop().unwrap();
        let whole = (cut.max(package.head) - package.head) / CHUNK * CHUNK + package.head;
        let expected = (cut >= package.head).then(|| format!("bytes={whole}-"));
        assert_eq!(last.header("range"), expected.as_deref(), "{cut}");
    }
}

#[test]
fn c63_what_is_half_there_is_checked_before_it_is_continued() {
    let package = Arc::new(package("1.3.0.0", 3 * CHUNK));
    let (head, name) = (package.head, package.name());
    for (damage, from) in [
        (None, 2),
        (Some(50), 0),
        (Some(head + 3), 0),
        (Some(head + CHUNK), 1),
    ] {
        let server = server(&package, |request, _, package| {
            serve(request, &package.bytes, "\"1\"")
        });
        let machine = Box::new();
        let mut part = package.bytes[..head + 2 * CHUNK + 99].to_vec();
        if let Some(at) = damage {
            part[at] ^= 1;
        }
        std::fs::create_dir(machine.folder.path().join("https")).unwrap();
        std::fs::write(machine.file(&format!("{name}.part")), part).unwrap();
        // Another that is half there, of an older version, goes.
        std::fs::write(machine.file("old-upd.tgz.part"), "x").unwrap();
        machine.ask(&server).unwrap();
        assert!(fetched(&machine, &package), "{damage:?}");
        assert_eq!(left(&machine), [&*name]);
        let range = server.requests()[1].header("range").map(str::to_owned);
        let at = head + from * CHUNK;
        let expected = (damage != Some(50)).then(|| format!("bytes={at}-"));
        assert_eq!(range, expected, "{damage:?}");
    }
}

/// A first answer that is cut after two chunks, then others.
fn continued(
    package: &Arc<Package>,
    then: impl Fn(&Request, usize, &Package) -> Answer + Send + 'static,
) -> (Server, Box) {
    let server = server(package, move |request, asked, package| {
        if asked == 0 {
            let body = package.bytes[..package.head + 2 * CHUNK].to_vec();
            let length = package.bytes.len() as u64;
            let answer = answer(200, "").with("ETag", "\"1\"");
            return answer.with_body(body).claiming(length);
        }
        then(request, asked, package)
    });
    (server, Box::new())
}

#[test]
fn c63_ranges_that_are_not_what_was_asked_for() {
    let package = Arc::new(package("1.3.0.0", 3 * CHUNK));
    // No ranges at all: from the start again.
    let (server, machine) = continued(&package, |_, _, package| {
        answer(200, "").with_body(package.bytes.clone())
    });
    machine.ask(&server).unwrap();
    assert!(fetched(&machine, &package));
    // Another entity tag: If-Range makes an honest server send all of it.
    let (server, machine) = continued(&package, |request, _, package| {
        serve(request, &package.bytes, "\"2\"")
    });
    machine.ask(&server).unwrap();
    assert!(fetched(&machine, &package));
    let second = server.requests()[2].clone();
    assert_eq!(second.header("if-range"), Some("\"1\""));
    // A wrong range: started over once, then it is enough.
    for wrong in ["bytes 0-9/10", "bytes 5-9/*", "nonsense", ""] {
        let (server, machine) = continued(&package, move |_, _, package| {
            let answer = answer(206, "").with_body(package.bytes.clone());
            answer.with("Content-Range", wrong)
        });
        let trouble = machine.ask(&server).unwrap_err();
        assert!(
            !trouble.passing && trouble.text.contains("as HTTP says"),
            "{trouble}"
        );
        assert_eq!(server.requests().len(), 4, "{wrong}");
        assert!(!fetched(&machine, &package));
    }
    // It is shorter now: 416.
    let (server, machine) = continued(&package, |request, _, package| {
        if request.header("range").is_some() {
            return answer(416, "");
        }
        serve(request, &package.bytes, "\"3\"")
    });
    machine.ask(&server).unwrap();
    assert!(fetched(&machine, &package));
}

#[test]
fn c07_c11_c15_c63_lies_about_the_length() {
    let package = Arc::new(package("1.3.0.0", CHUNK));
    type Change = fn(&Package) -> Answer;
    let cases: [(&str, Change); 5] = [
        ("bytes long", |package| {
            answer(200, "").with_body([&package.bytes[..], b"x"].concat())
        }),
        ("bytes long", |package| {
            answer(200, "").with_body(package.bytes[..package.bytes.len() - 1].to_vec())
        }),
        // It goes on without end, and does not say so before.
        ("bytes long", |package| {
            let endless = [&package.bytes[..], &vec![0; 4 << 20]].concat();
            answer(200, "").with_body(endless).of_unknown_length()
        }),
        // A head without end.
        ("does not end", |package| {
            let length = package.bytes.len();
            let endless: Vec<u8> = package.bytes[..30]
                .iter()
                .copied()
                .chain(vec![b'a'; length - 30])
                .collect();
            answer(200, "").with_body(endless)
        }),
        ("gzip file", |package| {
            answer(200, "").with_body(vec![b'<'; package.bytes.len()])
        }),
    ];
    for (word, change) in cases {
        let server = server(&package, move |_, _, package| change(package));
        let machine = Box::new();
        let trouble = machine.ask(&server).unwrap_err();
        assert!(
            !trouble.passing && trouble.text.contains(word),
            "{word}: {trouble}"
        );
        assert!(!fetched(&machine, &package));
        assert!(!machine.file(&package.name()).exists());
    }
}

#[test]
fn c12_a_damaged_chunk_is_fetched_again_twice() {
    let package = Arc::new(package("1.3.0.0", 3 * CHUNK));
    let damaged = |request: &Request, package: &Package| {
        let mut bytes = package.bytes.clone();
        bytes[package.head + CHUNK + 9] ^= 1;
        serve(request, &bytes, "\"1\"")
    };
    let server1 = server(&package, move |request, asked, package| match asked {
        0 | 1 => damaged(request, package),
        _ => serve(request, &package.bytes, "\"1\""),
    });
    let machine = Box::new();
    machine.ask(&server1).unwrap();
    assert!(fetched(&machine, &package));
    let always = server(&package, move |request, _, package| {
        damaged(request, package)
    });
    let machine = Box::new();
    let trouble = machine.ask(&always).unwrap_err();
    assert!(
        trouble.passing && trouble.text.contains("damaged at byte"),
        "{trouble}"
    );
    assert_eq!(
        always.requests().len(),
        4,
        "the index, and three times the package"
    );
    let expected = package.head + CHUNK;
    let part = std::fs::metadata(machine.file(&format!("{}.part", package.name())));
    assert_eq!(
        part.unwrap().len(),
        expected as u64,
        "only what was checked is kept"
    );
}

#[test]
fn c34_c50_another_package_than_the_listed_one_is_refused_at_its_head() {
    let package = Arc::new(package("1.3.0.0", CHUNK));
    for (other, word) in [
        (package_of("vigie", "1.3.1.0", CHUNK, 1), "another package"),
        (package_of("vigie", "1.3.0.0", CHUNK, 2), "not known here"),
    ] {
        let server = server(&package, move |request, _, _| {
            serve(request, &other.bytes, "\"1\"")
        });
        let machine = Box::new();
        let why = reason(machine.ask(&server));
        assert!(why.contains(word), "{why}");
        assert!(!machine.file(&package.name()).exists());
    }
}

#[test]
fn c63_a_server_that_falls_silent_is_left() {
    let package = Arc::new(package("1.3.0.0", 2 * CHUNK));
    let server = server(&package, |_, asked, package| {
        let length = package.bytes.len() as u64;
        let body = match asked {
            0 => package.bytes[..package.head + CHUNK].to_vec(),
            _ => Vec::new(),
        };
        let answer = answer(200, "").with_body(body).claiming(length);
        answer.then_silent(Duration::from_millis(1500))
    });
    let mut machine = Box::new();
    machine.patience.silence = Duration::from_millis(300);
    let begun = Instant::now();
    let trouble = machine.ask(&server).unwrap_err();
    assert!(trouble.passing, "{trouble}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn c72_room_is_asked_for_first() {
    use vigie_pull::store::Room;
    let machine = Box::new();
    let packages = machine.store().packages("https").unwrap();
    assert!(packages.ask(1 << 20).is_ok());
    let trouble = packages.ask(1 << 60).unwrap_err();
    assert!(trouble.text.contains("512 MB"), "{trouble}");
}
