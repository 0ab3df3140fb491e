//! What strangers and lesser users do to the interface without end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Barrier, mpsc};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{PASSWORD, Person, Web, package};

/// As many as ports have places.
const MANY: usize = 200;

#[test]
fn c64_however_many_look_at_the_log_in_the_broker_is_asked_once() {
    let web = Web::start();
    let (web, all) = (&web, &Barrier::new(MANY));
    std::thread::scope(|scope| {
        for _ in 0..MANY {
            scope.spawn(move || {
                let person = Person::new(web);
                all.wait();
                assert_eq!(person.get("/login").status(), 200);
            });
        }
    });
    let asked = web.broker().asked["setup-state"];
    // Once in five seconds.
    assert!(asked <= 6, "{asked}");
}

#[test]
fn c64_ten_thousand_wrong_passwords_start_few_processes_and_keep_nobody_out() {
    let web = Web::start();
    let first = Person::new(&web).log_in("anne", PASSWORD);
    let known = first.headers().get_all("Set-Cookie").iter().nth(2).unwrap();
    let known = known
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    web.broker().forgiving = true;
    let begun = Instant::now();
    let mallory = Person::new(&web);
    let page = mallory.get("/login");
    let form = crate::support::cookie(&page);
    let csrf = crate::support::token(&page.text().unwrap());
    let body = format!("csrf={csrf}&user=anne&password=wrong");
    let mut waits = 0;
    for _ in 0..10_000 {
        let request = mallory.client.post(mallory.url("/login"));
        let request = request.header("Cookie", &form).body(body.clone());
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        let answer = request.send().unwrap();
        waits += usize::from(answer.status() == 429);
    }
    let asked = web.broker().asked["log-in"];
    let most = 50 + usize::try_from(begun.elapsed().as_secs()).unwrap();
    assert!(asked <= most && waits >= 10_000 - most, "{asked} {waits}");
    // By another way as well.
    let given = json!({"user": "anne", "password": PASSWORD}).to_string();
    let program = mallory
        .client
        .post(mallory.url("/api/v1/session"))
        .body(given);
    assert_eq!(program.send().unwrap().status(), 429);
    // A browser that anne has logged in with is counted by itself.
    let anne = Person::new(&web).log_in_with(&known, "anne", PASSWORD);
    assert_eq!(anne.status(), 303);
    assert_eq!(
        Person::with_session(&web, &anne).get("/update").status(),
        200
    );
}

#[test]
fn c64_whoever_logs_in_again_and_again_pushes_nobody_else_out() {
    let web = Web::start();
    let anne = Person::logged_in(&web);
    for _ in 0..70 {
        web.broker().sessions_of_one_are_bounded("vera");
        let given = json!({"user": "vera", "password": PASSWORD}).to_string();
        let vera = Person::new(&web);
        let begun = vera.client.post(vera.url("/api/v1/session")).body(given);
        while begun.try_clone().unwrap().send().unwrap().status() == 429 {}
    }
    assert_eq!(anne.get("/update").status(), 200);
}

#[test]
fn c64_an_operator_cannot_take_the_memory_with_the_log() {
    let web = Web::start();
    let line = json!({"event": "line", "text": "x".repeat(1000), "cursor": "c"});
    web.broker()
        .answers
        .insert("logs".into(), vec![line; 20_000]);
    let olga = Person::logged_in_as(&web, "olga");
    let file = olga.get("/logs/download").text().unwrap();
    assert!(file.len() <= 4_300_000, "{}", file.len());
    let page = olga.get("/logs?lines=5000").text().unwrap();
    assert!(page.len() <= 1_200_000, "{}", page.len());
    let given = json!({"user": "olga", "password": PASSWORD}).to_string();
    let begun = olga.client.post(olga.url("/api/v1/session")).body(given);
    let begun: Value = serde_json::from_str(&begun.send().unwrap().text().unwrap()).unwrap();
    let token = format!("Bearer {}", begun["token"].as_str().unwrap());
    let ask = || {
        let request = olga.client.post(olga.url("/api/v1/logs"));
        let request = request.header("Authorization", &token);
        request
            .body(json!({"lines": 20_000}).to_string())
            .send()
            .unwrap()
    };
    let answer = ask();
    assert_eq!(answer.status(), 422);
    assert!(answer.text().unwrap().contains("ask for fewer lines"));
    let line = json!({"event": "line", "text": "x", "cursor": "c"});
    web.broker()
        .answers
        .insert("logs".into(), vec![line.clone(); 3]);
    assert_eq!(ask().text().unwrap(), json!([line, line, line]).to_string());
    let peak = web.peak_of_memory();
    assert!(peak < 64 << 20, "{peak} bytes");
}

#[test]
fn a_state_volume_that_takes_nothing_lets_the_administrator_in_and_is_named() {
    let web = Web::without_a_volume();
    let settings = json!({"event": "settings", "settings": {}, "generation": null});
    web.broker()
        .answers
        .insert("settings-get".into(), vec![settings]);
    let anne = Person::logged_in(&web);
    for page in [
        "/",
        "/settings",
        "/users",
        "/update",
        "/logs",
        "/backup",
        "/power",
        "/help",
        "/account",
        "/settings/certificate",
    ] {
        assert_eq!(anne.get(page).status(), 200, "{page}");
    }
    let put = anne
        .put("/update/upload")
        .body(package(2, 1000))
        .send()
        .unwrap();
    assert_eq!(put.status(), 507);
    assert!(
        put.text()
            .unwrap()
            .contains("not enough room on the state volume")
    );
    // What is done all the same, with what the broker says of it.
    let warning = json!({"event": "warning", "reason": "the audit trail cannot be written: no room",
        "reason_fr": "x"});
    web.broker()
        .answers
        .insert("user-remove".into(), vec![warning]);
    let csrf = anne.csrf();
    let form = [("csrf", &*csrf), ("name", "vera"), ("sure", "on")];
    let page = anne.post("/users/remove", &form).text().unwrap();
    assert!(page.contains("Saved.") && page.contains("the audit trail cannot be written"));
}

/// A body that comes byte by byte, each a piece of its own, and does not end until it is told to.
struct Bytewise {
    left: usize,
    sent: Option<mpsc::Sender<()>>,
    go_on: mpsc::Receiver<()>,
}

impl Read for Bytewise {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            // All of it has been taken from here.
            drop(self.sent.take());
            let _ = self.go_on.recv();
            return Ok(0);
        }
        self.left -= 1;
        into[0] = b'x';
        Ok(1)
    }
}

#[test]
fn c64_nobody_takes_the_memory_with_bodies_in_single_bytes() {
    let web = Web::start();
    let before = web.peak_of_memory();
    let (sent, all_sent) = mpsc::channel();
    std::thread::scope(|scope| {
        let mut held = Vec::new();
        for number in 0..40 {
            let (go, go_on) = mpsc::channel();
            held.push(go);
            let body = Bytewise {
                left: 30_000,
                sent: Some(sent.clone()),
                go_on,
            };
            let path = ["/users/add", "/login", "/api/v1/users", "/api/v1/session"][number % 4];
            let person = Person::new(&web);
            scope.spawn(move || {
                let request = person.client.post(person.url(path));
                let request = request.header("Content-Type", "application/x-www-form-urlencoded");
                // Some are refused before they have sent all.
                let _ = request.body(reqwest::blocking::Body::new(body)).send();
            });
        }
        drop(sent);
        // Ends when the last of them has sent all, or was refused.
        assert!(all_sent.recv().is_err());
        let taken = web.peak_of_memory() - before;
        assert!(taken < 16 << 20, "{taken} bytes");
        drop(held);
    });
}

/// What a server answers to bytes, until it hangs up.
fn answer_to(web: &Web, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(web.plain).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    // It may hang up in the middle.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn c64_garbage_and_huge_and_broken_requests_are_refused() {
    let web = Web::start();
    let huge_head = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nA: {}\r\n\r\n",
        "x".repeat(20_000)
    );
    let many = format!(
        "GET / HTTP/1.1\r\nHost: x\r\n{}\r\n",
        "A: b\r\n".repeat(200)
    );
    let long_path = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(20_000));
    for (bytes, expected) in [
        (&b"\x16\x03\x01\x00\xff\x00\x00garbage\r\n\r\n"[..], "400"),
        (b"\0\0\0\0\r\n\r\n", "400"),
        (b"GET / HTTP/9.9\r\n\r\n", "400"),
        (b"GET  /  HTTP/1.1\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA\0: b\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n", "400"),
        (huge_head.as_bytes(), "431"),
        (many.as_bytes(), "431"),
        (long_path.as_bytes(), "4"),
        // Another protocol: it is hung up on.
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ""),
        // Without a host nobody can be sent on.
        (b"GET /x HTTP/1.0\r\n\r\n", "400"),
        (b"GET /x HTTP/1.0\r\nHost: a@b\r\n\r\n", "400"),
        (b"GET /x HTTP/1.0\r\nHost: a/b\r\n\r\n", "400"),
        (b"GET /x HTTP/1.0\r\nHost: a:x\r\n\r\n", "400"),
    ] {
        let answer = answer_to(&web, bytes);
        let is = match expected {
            "" => answer.is_empty(),
            status => ["1.0", "1.1"]
                .iter()
                .any(|version| answer.starts_with(&format!("HTTP/{version} {status}"))),
        };
        assert!(is, "{:?}: {answer:?}", String::from_utf8_lossy(bytes));
    }
    // Half a request, and gone.
    drop(
        TcpStream::connect(web.plain)
            .unwrap()
            .write_all(b"GET / HT"),
    );
    assert_eq!(Person::new(&web).get("/health").status(), 200);
}

#[test]
fn c64_headers_cannot_be_put_into_answers() {
    let web = Web::start();
    for path in ["/x%0d%0aSet-Cookie:%20a=b", "/x?%0d%0aSet-Cookie:a=b"] {
        let bytes = format!("GET {path} HTTP/1.0\r\nHost: nvr\r\n\r\n");
        let answer = answer_to(&web, bytes.as_bytes());
        assert!(answer.contains("\r\nlocation: https://nvr/x"), "{answer}");
        assert!(
            !answer.to_lowercase().contains("\r\nset-cookie"),
            "{answer}"
        );
    }
    let anne = Person::logged_in(&web);
    let csrf = anne.csrf();
    for next in [
        "/x\r\nA: b",
        "//evil.example",
        "/\\evil.example",
        "https:evil",
        "/a?b=c",
    ] {
        let answer = anne.post("/language", &[("language", "fr"), ("next", next)]);
        assert_eq!(answer.headers()["Location"], "/", "{next}");
    }
    for file in [
        "../../known.key",
        "../tls.pem",
        "/etc/passwd",
        "x.tgz\0",
        "..%2ftls.pem",
    ] {
        let form = [("csrf", &*csrf), ("file", file)];
        assert_eq!(anne.post("/update/remove", &form).status(), 303);
        let upload = anne.url(&format!("/update/upload/{}", file.replace('/', "%2f")));
        for method in [Method::HEAD, Method::DELETE, Method::PUT] {
            let request = anne.client.request(method, upload.replace('\0', "%00"));
            let request = request.header("X-CSRF-Token", &csrf);
            let status = request.header("Content-Range", "bytes */1").send().unwrap();
            assert_eq!(status.status(), 404, "{file}");
        }
    }
    for kept in ["tls.pem", "known.key"] {
        assert!(web.dir.path().join("state").join(kept).exists(), "{kept}");
    }
}

#[test]
fn c64_a_slow_body_keeps_nobody_out_and_is_not_waited_for_without_end() {
    let web = Web::start();
    let slow: Arc<[TcpStream]> = (0..MANY)
        .map(|_| {
            let mut stream = TcpStream::connect(web.plain).unwrap();
            let head = b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n";
            stream.write_all(head).unwrap();
            stream
        })
        .collect();
    assert_eq!(Person::new(&web).get("/health").status(), 200);
    let plain = Person::new(&web)
        .client
        .get(format!("http://{}/health", web.plain));
    assert_eq!(plain.send().unwrap().status(), 200);
    // It is refused by its head: nobody waits for the rest.
    let mut first = &slow[MANY - 1];
    first
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let mut answer = [0; 12];
    first.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 403");
}
