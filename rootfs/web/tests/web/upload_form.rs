//! Packages that a browser without scripts sends in a form.

use std::io::{Cursor, Read};

use reqwest::blocking::{Body, Response};

use crate::support::{Person, Web, multipart, package};

const PATH: &str = "/update/send";

/// A form in pieces of so many bytes; once that many have been sent, `then` is called, and may break it.
struct Small<F> {
    bytes: Cursor<Vec<u8>>,
    piece: usize,
    after: u64,
    then: F,
}

impl<F: FnMut() -> std::io::Result<()>> Read for Small<F> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.bytes.position() >= self.after {
            (self.then)()?;
        }
        let length = self.piece.min(into.len());
        self.bytes.read(&mut into[..length])
    }
}

fn form(csrf: &str, file: &[u8]) -> Vec<u8> {
    multipart(&[("csrf", csrf.as_bytes()), ("file", file)]).1
}

fn body(
    bytes: Vec<u8>,
    after: usize,
    then: impl FnMut() -> std::io::Result<()> + Send + 'static,
) -> Body {
    let (length, after) = (bytes.len() as u64, after as u64);
    let small = Small {
        bytes: Cursor::new(bytes),
        piece: 1000,
        after,
        then,
    };
    Body::sized(small, length)
}

fn send(person: &Person<'_>, body: impl Into<Body>) -> reqwest::Result<Response> {
    let request = person.client.post(person.url(PATH));
    let request = request.header("Content-Type", "multipart/form-data; boundary=xyz");
    request.body(body).send()
}

#[test]
fn c63_a_form_in_small_pieces_brings_a_package() {
    let web = Web::start();
    let anne = Person::logged_in(&web);
    for (version, length) in [(2, 3_000_000), (3, 20_000)] {
        let bytes = package(version, length);
        let sent = body(form(&anne.csrf(), &bytes), usize::MAX, || Ok(()));
        let answer = send(&anne, sent).unwrap();
        assert_eq!(answer.status(), 303);
        assert_eq!(answer.headers()["Location"], "/update");
        let files = web.files(".tgz").into_iter();
        let mut files = files.map(|file| std::fs::read(web.uploads().join(file)).unwrap());
        assert!(files.any(|file| file == bytes), "{version}");
    }
    assert!(web.files(".part").is_empty());
    let page = anne.get("/update").text().unwrap();
    assert!(page.contains("Install 2.0.0.0") && page.contains("Install 3.0.0.0"));
}

#[test]
fn c64_a_form_without_its_token_or_its_person_is_not_read() {
    let web = Web::start();
    let anne = Person::logged_in(&web);
    let (csrf, bytes) = (anne.csrf(), package(2, 20_000));
    let long = csrf.clone() + &"x".repeat(1000);
    let csrf = csrf.as_bytes();
    for fields in [
        &[("csrf", b"0000".as_slice()), ("file", &bytes)][..],
        &[("csrf", long.as_bytes()), ("file", &bytes)],
        &[("csrf", b""), ("file", &bytes)],
        &[("file", &bytes), ("csrf", csrf)],
        &[("token", csrf), ("file", &bytes)],
        &[],
    ] {
        let answer = send(&anne, multipart(fields).1).unwrap();
        assert_eq!(answer.status(), 403);
    }
    for fields in [&[("csrf", csrf)][..], &[("csrf", csrf), ("other", &bytes)]] {
        let answer = send(&anne, multipart(fields).1).unwrap();
        assert_eq!(answer.status(), 400);
    }
    for user in ["olga", "vera"] {
        let other = Person::logged_in_as(&web, user);
        let answer = send(&other, form(&other.csrf(), &bytes)).unwrap();
        assert_eq!(answer.status(), 403, "{user}");
    }
    let nobody = Person::new(&web);
    assert_eq!(send(&nobody, form("", &bytes)).unwrap().status(), 401);
    assert!(web.files("").is_empty());
}

#[test]
fn c46_c63_a_wrong_file_in_a_form_is_refused_at_its_head() {
    let web = Web::start();
    let anne = Person::logged_in(&web);
    let uploads = web.uploads();
    let is_there = move || std::fs::read_dir(&uploads).unwrap().next().is_some();
    // More comes only once what has come is gone again.
    let sent = body(form(&anne.csrf(), &[b'x'; 3_000_000]), 300_000, move || {
        while is_there() {}
        Ok(())
    });
    let answer = send(&anne, sent).unwrap();
    assert_eq!(answer.status(), 422);
    assert!(answer.text().unwrap().contains("no update package"));
    let good = package(2, 3_000_000);
    for (bytes, word) in [
        (package(1, 20_000), "newer version is needed"),
        (good[..good.len() - 1].to_vec(), "not as long as"),
        ([&good[..], b"x"].concat(), "not as long as"),
        (b"short".to_vec(), "no update package"),
        (Vec::new(), "update package"),
    ] {
        let answer = send(&anne, form(&anne.csrf(), &bytes)).unwrap();
        assert_eq!(answer.status(), 422, "{word}");
        let page = answer.text().unwrap();
        assert!(page.contains(word), "{word}: {page}");
        assert!(web.files("").is_empty(), "{word}");
    }
    let mut damaged = good;
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let answer = send(&anne, form(&anne.csrf(), &damaged)).unwrap();
    assert_eq!(answer.status(), 422);
    assert!(web.files("").is_empty());
}

#[test]
fn c63_nothing_is_left_of_a_form_that_does_not_come_to_its_end() {
    let web = Web::start();
    let anne = Person::logged_in(&web);
    let bytes = package(2, 3_000_000);
    let whole = form(&anne.csrf(), &bytes);
    let reset = || Err(std::io::ErrorKind::ConnectionReset.into());
    assert!(send(&anne, body(whole.clone(), 1_000_000, reset)).is_err());
    while !web.files("").is_empty() {}
    // All of the request is here, and the form has no end.
    let cut = whole[..whole.len() - 9].to_vec();
    let answer = send(&anne, cut).unwrap();
    assert_eq!(answer.status(), 400);
    assert!(answer.text().unwrap().contains("did not come to its end"));
    assert!(web.files("").is_empty());
    // Its check failed for want of the machine: nobody could ask for it again.
    web.world.lock().unwrap().killed = 1;
    assert_eq!(send(&anne, whole.clone()).unwrap().status(), 503);
    assert!(web.files("").is_empty());
    assert_eq!(send(&anne, whole).unwrap().status(), 303);
}
