//! What is carried in and out as a file: backups of the settings, and a certificate of one's own.

use serde_json::json;

use super::{answers, asked, settings};
use crate::support::{Person, Web, multipart};

fn send(person: &Person<'_>, path: &str, fields: &[(&str, &[u8])]) -> reqwest::blocking::Response {
    let (kind, body) = multipart(fields);
    let request = person.client.post(person.url(path));
    request
        .header("Content-Type", kind)
        .body(body)
        .send()
        .unwrap()
}

#[test]
fn a_backup_is_made_and_restored() {
    let web = Web::start();
    settings(&web);
    let anne = Person::logged_in(&web);
    let csrf = anne.csrf();
    let backup = json!({"event": "backup", "name": "../a\"\r\nb.backup", "data": "aGVsbG8="});
    answers(&web, "backup", vec![backup]);
    let form = [("csrf", &*csrf), ("passphrase", "x"), ("again", "x")];
    let answer = anne.post("/backup/make", &form);
    assert_eq!(
        answer.headers()["Content-Disposition"],
        "attachment; filename=\"ab.backup\""
    );
    assert_eq!(answer.text().unwrap(), "hello");
    assert_eq!(asked(&web, "backup"), [json!({"passphrase": "x"})]);
    let form = [("csrf", &*csrf), ("passphrase", "x"), ("again", "y")];
    assert_eq!(anne.post("/backup/make", &form).status(), 422);
    answers(
        &web,
        "restore",
        vec![json!({"event": "saved", "generation": 8, "trial": null, "after_restart": []})],
    );
    let fields = [
        ("csrf", csrf.as_bytes()),
        ("file", b"hello".as_slice()),
        ("passphrase", b"x"),
    ];
    assert_eq!(send(&anne, "/backup/restore", &fields).status(), 303);
    assert_eq!(
        asked(&web, "restore"),
        [json!({"data": "aGVsbG8=", "passphrase": "x"})]
    );
    // Without the token in front, or with a wrong one.
    for fields in [
        &fields[1..],
        &[fields[1], fields[0]],
        &[("csrf", b"x".as_slice()), fields[1]],
        &[],
    ] {
        let status = send(&anne, "/backup/restore", fields).status();
        assert!(status == 403 || status == 400, "{status}");
    }
    assert_eq!(send(&anne, "/backup/restore", &fields[..1]).status(), 422);
    let huge = vec![b'x'; 181 << 10];
    let fields = [fields[0], ("file", huge.as_slice())];
    assert_eq!(send(&anne, "/backup/restore", &fields).status(), 413);
    assert!(asked(&web, "restore").is_empty());
}

#[test]
fn an_own_certificate_is_installed_and_given_up() {
    let web = Web::start();
    let anne = Person::logged_in(&web);
    let csrf = anne.csrf();
    let pem = std::fs::read_to_string(web.dir.path().join("state/tls.pem")).unwrap();
    let at = pem.find("-----BEGIN CERTIFICATE").unwrap();
    let (key, chain) = pem.split_at(at);
    let fields = [
        ("csrf", csrf.as_bytes()),
        ("chain", chain.as_bytes()),
        ("key", b"x".as_slice()),
    ];
    let answer = send(&anne, "/settings/certificate", &fields);
    assert_eq!(answer.status(), 422);
    assert!(answer.text().unwrap().contains("no private key"));
    let fields = [fields[0], fields[1], ("key", key.as_bytes())];
    let answer = send(&anne, "/settings/certificate", &fields);
    assert_eq!(answer.status(), 200);
    assert!(answer.text().unwrap().contains("Your own certificate"));
    assert!(web.dir.path().join("state/own.pem").exists());
    let noted = asked(&web, "certificate");
    assert_eq!((noted.len(), &noted[0]["done"]), (1, &json!("installed")));
    assert_eq!(noted[0]["print"].as_str().unwrap().len(), 95);
    let answer = anne.post("/settings/certificate/self-made", &[("csrf", &csrf)]);
    assert_eq!(answer.status(), 303);
    assert_eq!(asked(&web, "certificate")[0]["done"], "removed");
    assert!(!web.dir.path().join("state/own.pem").exists());
    assert!(
        anne.get("/settings/certificate")
            .text()
            .unwrap()
            .contains("made its certificate itself")
    );
}
