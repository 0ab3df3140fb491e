//! Bytes that nobody would save, for the parsers of the settings document and of its backup. How it
//! works, and `VIGIE_FUZZ_SECONDS` and `VIGIE_FUZZ_SEED`, are told of in `update/tests/fuzz`, whose
//! engine it uses.

// clippy.toml allows this in tests, but does not know that all of this file is one.
#![allow(clippy::unwrap_used)]

#[path = "../../../../update/tests/fuzz/engine.rs"]
mod engine;
#[path = "../../../../update/tests/fuzz/mutate.rs"]
mod mutate;

use engine::{Answer, run};
use vigie_settings::backup::{self, is_sealed};
use vigie_settings::difference::{HIDDEN, changes, without_secrets};
use vigie_settings::render::{Kind, render};
use vigie_settings::store::DOCUMENT_MAX;
use vigie_settings::{Language, Settings};

const WORDS: [&[u8]; 26] = [
    b"version = 3\n",
    b"version = 1\n",
    b"version = 4294967299\n",
    b"[network]\nrouting = true\n",
    b"[network.enterprise]\n",
    b"[network.cameras]\n",
    b"address = \"10.0.0.1/8\"\n",
    b"address = \"fd00::1/64\"\n",
    b"gateway = \"10.0.0.2\"\n",
    b"dhcp = true\n",
    b"[[users]]\n",
    b"[[volumes]]\n",
    b"role = \"administrator\"\n",
    b"disabled = true\n",
    b"[update.hawkbit]\n",
    b"menu_ssh_keys = [",
    b"\"\"\"",
    b"'''",
    b"#= saved 1 at 1 by x\n",
    b"#= from 2 a as b\n",
    b"\\u001b",
    b"\\n",
    b"\xff",
    b"=",
    b"{",
    b"[[[[",
];

/// What is accepted is checked, reads back as the same, and puts no line of its own into a file.
fn document(bytes: &[u8]) -> Answer {
    let text = std::str::from_utf8(bytes).map_err(|_| "no text".to_owned())?;
    assert!(bytes.len() <= DOCUMENT_MAX);
    let settings = Settings::from_text(text).map_err(|error| {
        let said = error.said();
        assert!(!said.to(Language::En).is_empty() && !said.to(Language::Fr).is_empty());
        error.to_string()
    })?;
    settings.check().unwrap();
    let again = settings.to_text().unwrap();
    assert_eq!(Settings::from_text(&again).unwrap(), settings);
    assert_eq!(changes(&settings, &settings), []);
    let shown = without_secrets(&settings).to_string();
    assert!(!shown.contains("$argon2id$"), "{shown}");
    for entry in render(&settings, "root:*:1::::::\nservice:!*:::::::\n") {
        let Kind::File { content, .. } = &entry.kind else {
            continue;
        };
        let plain = |c: char| !c.is_control() || c == '\n';
        let may_have = entry.path.ends_with("pull.toml");
        assert!(may_have || content.chars().all(plain), "{}", entry.path);
        match entry.path {
            "etc/shadow" => assert_eq!(content.lines().count(), 2, "{content}"),
            "etc/hostname" | "etc/timezone" => assert_eq!(content.lines().count(), 1),
            "etc/ssh/authorized_keys/root" => {
                let access = &settings.access;
                let keys = access.ssh_authorized_keys.len() + access.menu_ssh_keys.len();
                assert_eq!(content.lines().count(), keys + 1, "{content}");
            }
            _ => {}
        }
    }
    Ok(if shown.contains(HIDDEN) {
        "secrets"
    } else {
        "none"
    }
    .to_owned())
}

/// What is accepted makes a backup that is accepted.
fn archive(bytes: &[u8]) -> Answer {
    if is_sealed(bytes) {
        // Deriving a key takes long on purpose.
        return Err("sealed".to_owned());
    }
    let settings = backup::read(bytes, None).map_err(|error| error.to_string())?;
    let again = backup::make(&settings, backup::Making::default(), None).unwrap();
    assert_eq!(backup::read(&again, None).unwrap(), settings);
    Ok(String::new())
}

#[test]
fn fuzz_document() {
    run("document", &WORDS, document);
}

#[test]
fn fuzz_backup() {
    let words: [&[u8]; 8] = [
        b"vigie-settings-backup 1\n",
        b"form 3\n",
        b"form 4\n",
        b"made 18446744073709551616\n",
        b"sha256 ",
        b"sealed argon2id m=65536 t=3 p=1 salt=",
        b"---\n",
        b"\n",
    ];
    run("backup", &words, archive);
}
