//! The report of an installation, as it lies on a stick: `report.json` is what programs of a
//! factory read (`VIGIE_BLESS=1` writes it).

// clippy.toml allows this in tests, but does not know that all of this file is one.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use serde_json::{Value, json};
use vigie_disk::Bytes;
use vigie_installer::answers::Keep;
use vigie_installer::inventory::Inventory;
use vigie_installer::plan::{Plan, plan};
use vigie_installer::progress::{Phase, Span};
use vigie_installer::report::Report;
use vigie_installer::report::frame::Frame;
use vigie_installer::{Answers, Manifest};
use vigie_machine::{Dmi, Machine, Port};
use vigie_settings::Language;

const HASH: &str = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$tnSYvahCwPBHKZUspmcxMfb0.WiB9W.zEaKlOBL35rC";
const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJ2zKQ1mBpgkPzT0zQ7yUj1QvG0wYcWm8zZ3dQ5nqk7P";

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests"))
}

fn answers() -> Answers {
    let text = format!(
        "[target]\nbus = \"sata\"\ncount = 2\nraid = \"raid1\"\n\
         [access]\nroot_password_hash = \"{HASH}\"\nssh_authorized_keys = [\"ssh-ed25519 {KEY} a\"]\n"
    );
    Answers::parse(&text).unwrap()
}

fn two_disks() -> Plan {
    let disk = |path: &str, serial: &str| {
        json!({
            "path": path, "model": "WDC WD40PURZ", "serial": serial, "bus": "sata",
            "size": 4_000_787_030_016_u64, "sector_size": 512,
        })
    };
    let inventory: Inventory = serde_json::from_value(json!({
        "firmware": "uefi",
        "disks": [disk("/dev/sda", "WD-1"), disk("/dev/sdb", "WD-2")],
    }))
    .unwrap();
    let manifest = std::fs::read_to_string(folder().join("plans/payload.json")).unwrap();
    let manifest: Manifest = serde_json::from_str(&manifest).unwrap();
    plan(&answers(), &inventory, &manifest).unwrap()
}

fn frame() -> Frame {
    let text = |text: &str| Some(text.to_owned());
    let dmi = Dmi {
        vendor: text("Dell Inc."),
        product: text("PowerEdge R240"),
        serial: text("5YXK2X2"),
        ..Dmi::default()
    };
    let port = Port {
        name: "eno1".to_owned(),
        permanent: "b0:26:28:aa:00:02".parse().ok(),
        current: "b0:26:28:aa:00:02".parse().ok(),
        link: Some(true),
        driver: text("tg3"),
        bus: text("pci"),
    };
    let mut frame = Frame::start(Machine {
        dmi,
        signature: None,
        ports: vec![port],
    });
    frame.keep("Version 0.1.0.0 will be installed.\n  /dev/sda");
    frame
}

/// What differs from run to run, checked and then made the same.
fn without_times(mut report: Value) -> Value {
    for time in ["started", "ended"] {
        let Some(found) = report.get_mut(time) else {
            continue;
        };
        let text = found.as_str().unwrap();
        assert!(
            text.len() == 20 && text.starts_with("20") && text.ends_with('Z'),
            "{text}"
        );
        *found = "2026-01-01T00:00:00Z".into();
    }
    assert!(report["seconds"].as_f64().unwrap() < 60.0);
    report["seconds"] = 1.5.into();
    report
}

#[test]
fn a_report_says_what_was_installed_where_and_nothing_secret() {
    let spans = [
        (Phase::Check, 0.5, Some(Bytes::mib(100))),
        (Phase::Clear, 0.25, None),
        (Phase::System, 2.0, Some(Bytes::mib(100))),
    ];
    let spans = spans.map(|(phase, seconds, bytes)| Span {
        phase,
        seconds,
        bytes,
    });
    let report = Report::of_run(&two_disks(), &spans, None).framed(&frame());
    let json = report.to_json().unwrap();
    assert!(!json.contains(HASH) && !json.contains(KEY));
    let found = without_times(serde_json::from_str(&json).unwrap());
    let found = serde_json::to_string_pretty(&found).unwrap() + "\n";
    let golden = folder().join("report/report.json");
    if std::env::var_os("VIGIE_BLESS").is_some() {
        std::fs::write(&golden, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(golden).unwrap_or_default());
}

/// What a failure has left on the disks is said as far as it is certain.
#[test]
fn a_failure_says_what_is_on_the_disks() {
    let mut kept = two_disks();
    kept.groups[0].keep = Keep::Data;
    let error = anyhow::anyhow!("writing /dev/sda: I/O error");
    for (plan, last, english, french) in [
        (
            two_disks(),
            None,
            "Nothing was written",
            "Rien n'a été écrit",
        ),
        (
            two_disks(),
            Some(Phase::Check),
            "may be as it was, or cleared",
            "peut-être effacé en partie",
        ),
        (
            kept,
            Some(Phase::Check),
            "what is kept was not written",
            "rien n'a été écrit dans ce qui est conservé",
        ),
        (
            two_disks(),
            Some(Phase::Clear),
            "does not start a system",
            "ne démarre aucun système",
        ),
        (
            two_disks(),
            Some(Phase::Boot),
            "does not start a system",
            "ne démarre aucun système",
        ),
        // The last phase makes one disk bootable after the other.
        (
            two_disks(),
            Some(Phase::System),
            "may start from them or not",
            "démarrera peut-être, ou non",
        ),
    ] {
        let done = Phase::ALL.into_iter().filter(|phase| Some(*phase) <= last);
        let spans = done.map(|phase| Span {
            phase,
            seconds: 1.0,
            bytes: None,
        });
        let spans: Vec<Span> = spans.collect();
        let report = Report::of_run(&plan, &spans, Some(&error));
        for (language, says) in [(Language::En, english), (Language::Fr, french)] {
            let lines = report.lines(language);
            assert_eq!(lines.len(), 2, "{lines:?}");
            assert!(lines[0].contains("writing /dev/sda"), "{lines:?}");
            assert!(lines[1].contains(says), "after {last:?}: {lines:?}");
        }
    }
}

#[test]
fn each_end_has_its_word() {
    let error = anyhow::anyhow!("writing /dev/sda: I/O error");
    let plan = two_disks();
    let cases = [
        (Report::of_plan(&plan), "begun", None),
        (Report::of_run(&plan, &[], None), "installed", None),
        (
            Report::of_run(&plan, &[], Some(&error)),
            "failed",
            Some("writing /dev/sda: I/O error"),
        ),
        (Report::of_no("no disk"), "refused", Some("no disk")),
        (
            Report::of_error(&error),
            "failed",
            Some("writing /dev/sda: I/O error"),
        ),
    ];
    for (report, result, error) in cases {
        let json = report.framed(&frame()).to_json().unwrap();
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["result"], result);
        assert_eq!(json.get("error").and_then(Value::as_str), error);
        assert_eq!(json.get("ended").is_some(), result != "begun", "{result}");
        assert_eq!(json["machine"]["serial"], "5YXK2X2");
    }
}
