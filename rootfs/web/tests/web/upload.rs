//! Uploads: wrong ones, broken ones, slow ones, lying ones.

use std::io::Read;
use std::sync::mpsc;
use std::time::Duration;

use reqwest::blocking::{Body, RequestBuilder};

use crate::support::{Person, Web, package};

#[test]
fn c63_an_upload_that_broke_goes_on_where_it_broke() {
    let web = Web::start();
    let anne = Person::logged_in(&web);
    let bytes = package(2, 3_000_000);
    let path = anne.begin(bytes.len());
    assert_eq!(anne.offset(&path), 0);
    let head = anne.part(&path, &bytes, 0..65536).send().unwrap();
    assert_eq!(head.status(), 202);
    let tag = head.headers()["ETag"].to_str().unwrap().to_owned();
    assert_eq!(tag.len(), 66, "{tag}");
    // A connection that breaks: fewer bytes come than were announced.
    let (first, total) = (65536, bytes.len());
    let body = Breaking(std::io::Cursor::new(bytes[first..1_500_000].to_vec()));
    let broken = anne.put(&path).header("If-Match", &tag);
    let broken = broken.header(
        "Content-Range",
        format!("bytes {first}-{}/{total}", total - 1),
    );
    let broken = broken
        .body(Body::sized(body, (total - first) as u64))
        .send();
    assert!(broken.is_err());
    let offset = settled(&anne, &path);
    assert!((65537..=1_500_000).contains(&offset), "{offset}");
    // From another byte, of no package, of another package.
    let offset = offset as usize;
    let go_on = |from: usize, tag: &str| {
        anne.part(&path, &bytes, from..total)
            .header("If-Match", tag)
            .send()
            .unwrap()
            .status()
    };
    assert_eq!(go_on(offset + 1, &tag), 416);
    assert_eq!(go_on(offset - 1, &tag), 416);
    assert_eq!(
        anne.part(&path, &bytes, offset..total)
            .send()
            .unwrap()
            .status(),
        428
    );
    assert_eq!(go_on(offset, &format!("\"{}\"", "0".repeat(64))), 412);
    assert_eq!(anne.offset(&path), offset as u64);
    assert!(web.files(".tgz").is_empty());
    assert_eq!(go_on(offset, &tag), 201);
    let file = web.files(".tgz").remove(0);
    assert_eq!(std::fs::read(web.uploads().join(file)).unwrap(), bytes);
    assert!(web.files(".part").is_empty());
}

/// The unpacking process was killed: nothing is known against the package, and it need not be sent
/// again.
#[test]
fn c63_an_upload_whose_check_failed_is_checked_again() {
    let web = Web::start();
    let anne = Person::logged_in(&web);
    let bytes = package(2, 300_000);
    let (path, total) = (anne.begin(bytes.len()), bytes.len());
    assert_eq!(anne.finish(&path, total).send().unwrap().status(), 416);
    web.world.lock().unwrap().killed = 2;
    let answer = anne.part(&path, &bytes, 0..total).send().unwrap();
    assert_eq!(answer.status(), 503);
    let told = answer.text().unwrap();
    assert!(told.contains("ended before its time"), "{told}");
    assert!(told.contains("\"refused\":false"), "{told}");
    assert_eq!(anne.finish(&path, total).send().unwrap().status(), 503);
    assert_eq!(anne.offset(&path), total as u64);
    assert!(!anne.is_complete(&path) && web.files(".part").len() == 1);
    // Of another length, or another package, or with bytes.
    let status = |request: RequestBuilder| request.send().unwrap().status();
    assert_eq!(status(anne.finish(&path, total + 1)), 416);
    let other = format!("\"{}\"", "0".repeat(64));
    let other = anne.finish(&path, total).header("If-Match", other);
    assert_eq!(status(other), 412);
    assert_eq!(status(anne.finish(&path, total).body("x")), 400);
    assert_eq!(status(anne.finish(&path, total)), 201);
    assert!(anne.is_complete(&path) && web.files(".tgz").len() == 1);
    assert_eq!(anne.offset(&path), total as u64);
    // Asked for once more, that is what it answers.
    assert_eq!(status(anne.finish(&path, total)), 201);
    assert_eq!(web.files("").len(), 1);
}

#[test]
fn c63_a_check_goes_on_when_the_connection_has_broken() {
    let web = Web::start();
    let anne = Person::logged_in(&web);
    let bytes = package(2, 300_000);
    let (path, total) = (anne.begin(bytes.len()), bytes.len());
    let (go_on, told) = mpsc::channel();
    web.world.lock().unwrap().check = Some(told);
    let sent = anne.part(&path, &bytes, 0..total);
    let gone = sent.timeout(Duration::from_secs(5)).send().unwrap_err();
    assert!(gone.is_timeout(), "{gone}");
    assert!(web.world.lock().unwrap().check.is_none(), "not begun");
    // The server has noticed by now, and nobody else gets at what is being checked.
    for _ in 0..20 {
        let busy = anne.finish(&path, total).send().unwrap();
        assert_eq!(busy.status(), 409);
    }
    go_on.send(()).unwrap();
    while !anne.is_complete(&path) {}
    let file = web.files(".tgz").remove(0);
    assert_eq!(std::fs::read(web.uploads().join(file)).unwrap(), bytes);
}

/// The right package is claimed, and the bytes are others.
#[test]
fn c63_c12_other_bytes_are_found_out_before_anything_is_offered() {
    let web = Web::start();
    let anne = Person::logged_in(&web);
    let (bytes, other) = (package(2, 3_000_000), package(3, 3_000_000));
    assert_eq!(bytes.len(), other.len());
    let path = anne.begin(bytes.len());
    let head = anne.part(&path, &bytes, 0..1_000_000).send().unwrap();
    let tag = head.headers()["ETag"].to_str().unwrap().to_owned();
    let rest = anne
        .part(&path, &other, 1_000_000..other.len())
        .header("If-Match", &tag);
    let answer = rest.send().unwrap();
    assert_eq!(answer.status(), 422);
    let told = answer.text().unwrap();
    assert!(
        told.contains("damaged in chunk") && told.contains("abîmé"),
        "{told}"
    );
    assert!(web.files("").is_empty(), "{:?}", web.files(""));
}

#[test]
fn c46_c33_c63_a_wrong_package_is_refused_at_its_head() {
    let web = Web::start();
    let anne = Person::logged_in(&web);
    let good = package(2, 3_000_000);
    let older = package(1, 3_000_000);
    let mut unsigned = good.clone();
    let at = unsigned
        .windows(10)
        .position(|w| w == b"signature ")
        .unwrap();
    unsigned.drain(at..at + 1 + unsigned[at..].iter().position(|b| *b == b'\n').unwrap());
    let noise = vec![b'x'; 3_000_000];
    let mut endless = good[..40].to_vec();
    endless.resize(3_000_000, b'a');
    for (bytes, word) in [
        (&older, "newer version is needed"),
        (&unsigned, "needed signatures"),
        (&noise, "no update package"),
        (&endless, "does not end"),
        (&good[..good.len() - 1].to_vec(), "not as long as"),
        (&[&good[..], b"x"].concat(), "not as long as"),
    ] {
        // As the page sends it: its head first.
        let path = anne.begin(bytes.len());
        let answer = anne.part(&path, bytes, 0..65536).send().unwrap();
        assert_eq!(answer.status(), 422, "{word}");
        let told = answer.text().unwrap();
        assert!(told.contains(word) && told.contains("reason_fr"), "{told}");
        assert!(web.files("").is_empty(), "{word}");
        // All at once: the answer comes although all of it was not read.
        let answer = anne
            .put("/update/upload")
            .body(bytes.clone())
            .send()
            .unwrap();
        assert_eq!(answer.status(), 422, "{word}");
        assert!(web.files("").is_empty(), "{word}");
    }
    // Small ones, whose head is all there is.
    for bytes in [&b"x"[..], &good[..2000]] {
        let answer = anne
            .put("/update/upload")
            .body(bytes.to_vec())
            .send()
            .unwrap();
        assert_eq!(answer.status(), 422);
    }
    assert!(web.files("").is_empty());
}

#[test]
fn c63_headers_that_lie() {
    let web = Web::start();
    let anne = Person::logged_in(&web);
    let bytes = package(2, 500_000);
    let path = anne.begin(bytes.len());
    let range = |range: &str| {
        let request = anne.put(&path).header("Content-Range", range);
        request.body(bytes.clone()).send().unwrap().status()
    };
    let total = bytes.len();
    for text in [
        format!("bytes 0-{}/{total}", total),
        format!("bytes 0-{}/{total}", total - 2),
        format!("bytes 0-{}/{}", total - 1, total - 1),
        "bytes 0-1/*".into(),
        "garbage".into(),
    ] {
        assert_eq!(range(&text), 400, "{text}");
    }
    // More than there is room for.
    let huge = format!("bytes 0-{}/{}", total - 1, u64::MAX);
    assert_eq!(range(&huge), 507);
    let request = anne.client.post(anne.url("/update/upload"));
    let request = request.header("X-CSRF-Token", anne.csrf());
    let answer = request
        .header("Upload-Length", u64::MAX.to_string())
        .send()
        .unwrap();
    assert_eq!(answer.status(), 507);
    assert_eq!(anne.offset(&path), 0);
    // Of no length: chunks, more of them than the range says.
    let chunked = Body::new(std::io::Cursor::new(bytes.clone()));
    let request = anne
        .put(&path)
        .header("Content-Range", format!("bytes 0-999/{total}"));
    assert_eq!(request.body(chunked).send().unwrap().status(), 400);
    assert!(anne.offset(&path) <= 1000);
    let unknown = "/update/upload/0123456789abcdef0123456789abcdef";
    assert_eq!(
        anne.part(unknown, &bytes, 0..total)
            .send()
            .unwrap()
            .status(),
        404
    );
    let escape = "/update/upload/..%2f..%2fshadow";
    assert_eq!(
        anne.part(escape, &bytes, 0..total).send().unwrap().status(),
        404
    );
    let csrf = anne.csrf();
    let delete = anne
        .client
        .delete(anne.url(&path))
        .header("X-CSRF-Token", csrf);
    assert_eq!(delete.send().unwrap().status(), 204);
    assert!(web.files("").is_empty());
}

#[test]
fn c59_two_connections_do_not_write_one_upload() {
    let web = Web::start();
    let anne = Person::logged_in(&web);
    let bytes = package(2, 3_000_000);
    let path = anne.begin(bytes.len());
    let total = bytes.len() as u64;
    let (go_on, told) = mpsc::channel();
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            let body = Body::sized(Halting(&b"x"[..], told), total);
            anne.put(&path).body(body).send()
        });
        while anne.offset(&path) == 0 {}
        let second = anne.part(&path, &bytes, 0..bytes.len()).send().unwrap();
        assert_eq!(second.status(), 409);
        go_on.send(()).unwrap();
        assert!(first.join().unwrap().is_err());
    });
    settled(&anne, &path);
    assert_eq!(
        anne.part(&path, &bytes, 0..bytes.len())
            .send()
            .unwrap()
            .status(),
        201
    );
}

/// What came up well is not kept, whichever door asked for it; what waits to be installed is, and
/// what another door brought is not the web interface's to delete.
#[test]
fn an_upload_goes_when_its_version_has_come_up_well() {
    let web = Web::start();
    let anne = Person::logged_in(&web);
    for version in [2, 3] {
        let sent = anne.put("/update/upload").body(package(version, 100_000));
        assert_eq!(sent.send().unwrap().status(), 201);
    }
    let by_hand = "vigie-2.0.0.0-upd.tgz";
    std::fs::write(web.uploads().join(by_hand), package(2, 100_000)).unwrap();
    // In its slot, and not started yet: it may be taken back and asked for again.
    web.world.lock().unwrap().waiting = Some(vigie_update::Version([2, 0, 0, 0]));
    anne.get("/update");
    assert_eq!(web.files(".tgz").len(), 3);
    let mut world = web.world.lock().unwrap();
    (world.waiting, world.reached) = (None, vigie_update::Version([2, 0, 0, 0]));
    drop(world);
    let page = anne.get("/update").text().unwrap();
    let mut left = web.files(".tgz");
    left.retain(|name| name != by_hand);
    let [left] = &left[..] else {
        panic!("{left:?}");
    };
    assert!(
        page.contains("Install 3.0.0.0") && page.contains(left),
        "{page}"
    );
    assert!(web.uploads().join(by_hand).exists());
}

/// Waits until the server has noticed that a connection is gone, and so lets others write; where
/// the upload goes on. A byte of an unnamed package is asked for, which is never taken.
fn settled(anne: &Person<'_>, path: &str) -> u64 {
    while anne.part(path, b"xx", 1..2).send().unwrap().status() == 409 {}
    anne.offset(path)
}

/// Fails where it should go on.
struct Breaking(std::io::Cursor<Vec<u8>>);

impl Read for Breaking {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(std::io::ErrorKind::ConnectionReset.into()),
            got => Ok(got),
        }
    }
}

/// Some bytes; then it waits to be told to fail.
struct Halting(&'static [u8], mpsc::Receiver<()>);

impl Read for Halting {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(buffer)? {
            0 => {
                let _ = self.1.recv();
                Err(std::io::ErrorKind::ConnectionReset.into())
            }
            got => Ok(got),
        }
    }
}
