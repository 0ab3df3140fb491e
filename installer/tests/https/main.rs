//! Fetching answers and sending reports, against a real HTTPS server on the loopback.

// clippy.toml allows this in tests, but does not know that all of this file is one.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use https_test_server::{Certificate, Server, answer};
use sha2::{Digest, Sha256};
use vigie_installer::https::Client;
use vigie_installer::https::patience::Time;
use vigie_installer::messages::Text;
use vigie_installer::report::send::send;
use vigie_installer::sources::command_line::Order;
use vigie_installer::sources::{fetch, proof};
use vigie_settings::Language;

const ANSWERS: &str = "[target]\nserial = \"A\"\n";
/// The example of RFC 8410, section 10.3.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
    -----END PRIVATE KEY-----\n";

/// Time that passes at once.
#[derive(Default)]
struct Quick(Duration);

impl Time for Quick {
    fn elapsed(&self) -> Duration {
        self.0
    }

    fn pause(&mut self, length: Duration) {
        self.0 += length;
    }
}

/// A client that trusts the server's authority alone.
fn client(server: &Server) -> Client {
    Client::trusting_only(server.authority().as_bytes()).unwrap()
}

fn order(url: &str, proof: &str) -> Order {
    let line = format!("vigie.answers={url} {proof}");
    Order::read(&line).unwrap().unwrap()
}

fn by_digest(url: &str, text: &str) -> Order {
    let digest = hex::encode(Sha256::digest(text));
    order(url, &format!("vigie.answers-sha256={digest}"))
}

/// What fetching came to, in English, and how often it was tried again.
fn get(order: &Order, client: &Client) -> (Result<String, String>, usize) {
    let mut told = 0;
    let text = fetch(order, client, &mut Quick::default(), &mut |_| told += 1);
    (text.map_err(|why| why.to(Language::En)), told)
}

#[test]
fn answers_are_fetched_and_proved() {
    let server = Server::start(Certificate::Good, |request| match request.path() {
        "/install.toml" => answer(200, ANSWERS),
        "/moved" => answer(302, "").with("location", "/install.toml"),
        "/install.toml.sig?site=2" => {
            let signed = proof::sign(KEY, ANSWERS.as_bytes()).unwrap();
            answer(200, &(signed.signature + "\n"))
        }
        "/install.toml?site=2" => answer(200, ANSWERS),
        _ => answer(404, ""),
    });
    let client = client(&server);
    for path in ["/install.toml", "/moved"] {
        let found = get(&by_digest(&server.url(path), ANSWERS), &client);
        assert_eq!(found, (Ok(ANSWERS.to_owned()), 0));
    }
    let key = proof::sign(KEY, b"").unwrap().key;
    let signed = |path: &str| order(&server.url(path), &format!("vigie.answers-key={key}"));
    assert_eq!(
        get(&signed("/install.toml?site=2"), &client).0.as_deref(),
        Ok(ANSWERS)
    );
    // Without a signature beside them.
    let bare = get(&signed("/install.toml"), &client);
    assert!(
        bare.0
            .unwrap_err()
            .contains("/install.toml.sig: the server answers 404")
    );
    let other = get(&by_digest(&server.url("/install.toml"), "else"), &client);
    assert!(
        other
            .0
            .unwrap_err()
            .contains("not the ones that were meant")
    );
}

#[test]
fn what_would_never_work_is_not_tried_again() {
    let server = Server::start(Certificate::Good, |request| match request.path() {
        "/large" => answer(200, &"#".repeat((1 << 20) + 1)),
        "/plain" => answer(301, "").with("location", "http://127.0.0.1/install.toml"),
        "/circle" => answer(302, "").with("location", "/circle"),
        "/latin" => answer(200, "").with_body(vec![0xe9]),
        _ => answer(404, ""),
    });
    for (path, says) in [
        ("/large", "is larger than 1 MB"),
        ("/plain", "not https, or in a circle"),
        ("/circle", "not https, or in a circle"),
        ("/absent", "the server answers 404"),
    ] {
        let (found, told) = get(&by_digest(&server.url(path), ""), &client(&server));
        let error = found.unwrap_err();
        assert!(error.contains(says), "{path}: {error}");
        assert!(error.contains(path), "{path}: {error}");
        assert_eq!(told, 0, "{path}");
    }
    let digest = hex::encode(Sha256::digest([0xe9]));
    let latin = order(
        &server.url("/latin"),
        &format!("vigie.answers-sha256={digest}"),
    );
    assert!(
        get(&latin, &client(&server))
            .0
            .unwrap_err()
            .contains("not text in UTF-8")
    );
}

#[test]
fn what_may_pass_is_tried_again() {
    let server = Server::start(Certificate::Good, |request| match request.number {
        0 => answer(503, ""),
        1 => answer(429, ""),
        _ => answer(200, ANSWERS),
    });
    let url = server.url("/install.toml");
    let found = get(&by_digest(&url, ANSWERS), &client(&server));
    assert_eq!(found, (Ok(ANSWERS.to_owned()), 2));
    let client = client(&server);
    drop(server);
    let (found, told) = get(&by_digest(&url, ANSWERS), &client);
    let error = found.unwrap_err();
    assert!(
        error.contains("cannot be reached: Connection refused"),
        "{error}"
    );
    assert!(told > 8, "{told}");
}

#[test]
fn certificates_are_checked_and_a_wrong_clock_is_named() {
    let serve = |certificate| Server::start(certificate, |_| answer(200, ANSWERS));
    for (certificate, says, again) in [
        (
            Certificate::Expired,
            "not valid at this machine's time, 20",
            true,
        ),
        (
            Certificate::NotYetValid,
            "not valid at this machine's time, 20",
            true,
        ),
        (
            Certificate::OfAnotherHost,
            "certificate is not accepted",
            false,
        ),
    ] {
        let server = serve(certificate);
        let (found, told) = get(&by_digest(&server.url("/x"), ANSWERS), &client(&server));
        let error = found.unwrap_err();
        assert!(error.contains(says), "{error}");
        assert_eq!(told > 0, again, "{error}");
    }
    // An authority that nobody trusts: another server's.
    let (one, other) = (serve(Certificate::Good), serve(Certificate::Good));
    let (found, told) = get(&by_digest(&one.url("/x"), ANSWERS), &client(&other));
    assert!(found.unwrap_err().contains("certificate is not accepted"));
    assert_eq!(told, 0);
    // The system's authorities do not know it either.
    let found = get(&by_digest(&one.url("/x"), ANSWERS), &Client::new().unwrap()).0;
    assert!(found.unwrap_err().contains("certificate is not accepted"));
}

#[test]
fn a_report_arrives() {
    let server = Server::start(Certificate::Good, |request| match request.number {
        0 => answer(500, ""),
        _ => answer(201, ""),
    });
    let sent = post(&server, "/reports?site=2");
    assert_eq!(sent, (Ok(()), 1));
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        assert!(
            request
                .head
                .starts_with("POST /reports?site=2 HTTP/1.1\r\n")
        );
        let head = request.head.to_ascii_lowercase();
        assert!(
            head.contains("content-type: application/json\r\n"),
            "{head}"
        );
        assert_eq!(request.body, b"{\"result\":\"installed\"}");
    }
}

#[test]
fn a_report_that_is_not_taken_is_said_to_be_unsent() {
    let server = Server::start(Certificate::Good, |request| match request.path() {
        "/moved" => answer(302, "").with("location", "/reports"),
        "/forbidden" => answer(403, ""),
        _ => answer(500, ""),
    });
    for (path, says, again) in [
        // Followed, it would become a GET, and the report would be lost.
        ("/moved", "the server answers 302", false),
        ("/forbidden", "the server answers 403", false),
        ("/broken", "the server answers 500", true),
    ] {
        let (sent, told) = post(&server, path);
        assert!(sent.unwrap_err().contains(says), "{path}");
        assert_eq!(told > 0, again, "{path}");
    }
}

fn post(server: &Server, path: &str) -> (Result<(), String>, usize) {
    let mut told = 0;
    let sent = send(
        &server.url(path),
        "{\"result\":\"installed\"}",
        &|| Ok(client(server)),
        &mut Quick::default(),
        &mut |_: &Text| told += 1,
    );
    (sent.map_err(|why| why.to(Language::En)), told)
}
