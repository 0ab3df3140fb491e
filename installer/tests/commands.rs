//! The command itself, on the machine that runs the tests: nothing of it writes a disk.

// clippy.toml allows this in tests, but does not know that all of this file is one.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use vigie_installer::inventory::Inventory;

fn vigie_install(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vigie-install"))
        .args(words)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn devices_as_json_are_an_inventory() {
    let output = vigie_install(&["devices", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let inventory: Inventory = serde_json::from_slice(&output.stdout).unwrap();
    assert!(inventory.disks.iter().all(|disk| disk.size.get() > 0));
}

/// A payload whose list says what lies there; of the contents a plan knows nothing.
fn payload(folder: &Path) {
    let list = include_str!("plans/payload.json");
    std::fs::write(folder.join("payload.json"), list).unwrap();
    let list: Value = serde_json::from_str(list).unwrap();
    for member in list["members"].as_array().unwrap() {
        let path = folder.join(member["path"].as_str().unwrap());
        let file = std::fs::File::create(path).unwrap();
        file.set_len(member["size"].as_u64().unwrap()).unwrap();
    }
}

#[test]
fn a_dry_run_tells_its_refusal_and_does_nothing_more() {
    let folder = tempfile::tempdir().unwrap();
    payload(folder.path());
    let answers = folder.path().join("install.toml");
    let wanted = "[target]\nserial = \"no disk has this\"\n\
                  [finish]\non_failure = \"beep\"\n[report]\nurl = \"https://127.0.0.1:1/\"\n";
    std::fs::write(&answers, wanted).unwrap();
    let output = vigie_install(&[
        "run",
        "--dry-run",
        "--json",
        "--answers",
        answers.to_str().unwrap(),
        "--payload",
        folder.path().to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let lines: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [result] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert_eq!(result["event"], "result");
    assert_eq!(result["result"], "refused");
    assert!(
        result["error"]
            .as_str()
            .unwrap()
            .contains("no disk has this")
    );
    assert_eq!(result.get("unsent"), None);
}

#[test]
fn a_run_leaves_its_report_beside_the_answers() {
    let folder = tempfile::tempdir().unwrap();
    payload(folder.path());
    let answers = folder.path().join("install.toml");
    let place = folder.path().join("install-result.json");
    let run = |wanted: &str| {
        std::fs::write(&answers, wanted).unwrap();
        let (answers, payload) = (answers.to_str().unwrap(), folder.path().to_str().unwrap());
        let output = vigie_install(&["run", "--answers", answers, "--payload", payload]);
        assert_eq!(output.status.code(), Some(1));
        text(&output.stdout).to_owned()
    };
    for (wanted, reason) in [
        (
            "[target]\nserial = \"no disk has this\"\n[finish]\non_failure = \"wait\"\n",
            "no disk has this",
        ),
        ("[target]\ngrow = true\n", "grow needs keep"),
    ] {
        let said = run(wanted);
        assert!(said.contains("The result was written to"), "{said}");
        let report: Value = serde_json::from_slice(&std::fs::read(&place).unwrap()).unwrap();
        assert_eq!(
            (&report["form"], &report["result"]),
            (&1.into(), &"refused".into())
        );
        assert!(
            report["error"].as_str().unwrap().contains(reason),
            "{report}"
        );
        std::fs::remove_file(&place).unwrap();
    }
    std::fs::create_dir(&place).unwrap();
    let said = run("[target]\nserial = \"no disk has this\"\n");
    assert!(said.contains("could not be written to"), "{said}");
}

#[test]
fn check_says_what_is_wrong_in_french() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("install.toml");
    for (bytes, says) in [
        (None, "ce fichier n'existe pas"),
        (Some(&b"\xff\xfe[\0t\0"[..]), "du texte en UTF-16"),
        (Some(b"\x7fELF\xff"), "pas du texte"),
    ] {
        if let Some(bytes) = bytes {
            std::fs::write(&file, bytes).unwrap();
        }
        let output = vigie_install(&["check", "--language", "fr", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        let said = text(&output.stderr);
        assert!(said.contains(says), "{said}");
    }
    std::fs::write(&file, "[target]\ngrow = true\n").unwrap();
    let output = vigie_install(&["check", "--language", "fr", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("ligne 1 : target : aucun disque"), "{said}");
    assert!(
        said.contains("ligne 2 : target.grow : grow ne va qu'avec keep"),
        "{said}"
    );
}
