//! Golden plans: `plans/NAME.answers.toml` + `plans/NAME.disks.json` give
//! `plans/NAME.plan.json` or `plans/NAME.error.txt`. A new case is new files.

// clippy.toml allows this in tests, but does not know that all of this file is one.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use vigie_installer::inventory::Inventory;
use vigie_installer::plan::plan;
use vigie_installer::{Answers, Manifest};

/// A payload of the size that is expected; only sizes and version matter here.
fn manifest() -> Manifest {
    serde_json::from_str(include_str!("plans/payload.json")).unwrap()
}

/// The planner's answer as the text of one of the two golden files.
fn answer(answers: &str, disks: &str) -> Result<String, String> {
    let answers = Answers::parse(answers)?;
    let inventory: Inventory = serde_json::from_str(disks).map_err(|error| error.to_string())?;
    let plan = plan(&answers, &inventory, &manifest()).map_err(|refusal| refusal.to_string())?;
    Ok(serde_json::to_string_pretty(&plan).unwrap())
}

fn check(path: &Path, text: &str) {
    if std::env::var_os("VIGIE_BLESS").is_some() {
        fs::write(path, text).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(text, expected, "{}", path.display());
}

/// The definition may cap data volumes; an answer wins over it.
#[test]
fn the_images_cap_holds_where_the_answers_have_none() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans");
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let disks: Inventory = serde_json::from_str(&read("20tb-4kn-capped.disks.json")).unwrap();
    let capped = read("20tb-4kn-capped.answers.toml");
    let uncapped: String = capped
        .lines()
        .filter(|line| !line.starts_with("data_volume_max"))
        .flat_map(|line| [line, "\n"])
        .collect();
    assert_ne!(capped, uncapped);
    let plan_of = |answers: &str, cap| {
        let manifest = Manifest {
            data_volume_max: cap,
            ..manifest()
        };
        plan(&Answers::parse(answers).unwrap(), &disks, &manifest).unwrap()
    };
    let cap = Answers::parse(&capped).unwrap().data_volume_max;
    assert_eq!(plan_of(&uncapped, cap), plan_of(&capped, None));
    let smaller = cap.map(|cap| cap / 2);
    assert_eq!(plan_of(&capped, smaller), plan_of(&capped, None));
    assert_ne!(plan_of(&uncapped, None), plan_of(&capped, None));
}

#[test]
fn golden_plans() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plans");
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.to_str()
                .is_some_and(|path| path.ends_with(".answers.toml"))
        })
        .collect();
    cases.sort();
    assert!(cases.len() >= 10, "the cases are gone");
    for case in cases {
        let name = case.file_name().unwrap().to_str().unwrap();
        let name = name.strip_suffix(".answers.toml").unwrap();
        let sibling = |extension: &str| folder.join(format!("{name}.{extension}"));
        let answers = fs::read_to_string(&case).unwrap();
        let disks = fs::read_to_string(sibling("disks.json")).unwrap();
        let (written, other, text) = match answer(&answers, &disks) {
            Ok(plan) => ("plan.json", "error.txt", plan),
            Err(error) => ("error.txt", "plan.json", error),
        };
        assert!(!sibling(other).exists(), "{name} has both endings");
        check(&sibling(written), &(text + "\n"));
    }
}
