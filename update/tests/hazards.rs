//! `HAZARDS.md` and the sources say the same: every hazard has a test that carries its number, or
//! a reason why there is none.

// clippy.toml allows this in tests, but does not know that all of this is one.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Cases of the list.
const CASES: u32 = 93;
/// A reason is at least a short sentence.
const REASON: usize = 20;
const TABLE: &str = include_str!("../HAZARDS.md");

/// A line of the table.
struct Row<'a> {
    number: u32,
    tests: BTreeSet<String>,
    remark: &'a str,
}

#[test]
fn every_hazard_has_a_test_or_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut found = BTreeMap::new();
    walk(root, root, &mut found);
    let rows: Vec<Row<'_>> = TABLE.lines().filter_map(row).collect();
    let numbers: Vec<u32> = rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=CASES).collect::<Vec<_>>());
    let mut faults = Vec::new();
    for row in &rows {
        let tests = found.remove(&row.number).unwrap_or_default();
        if tests != row.tests {
            let cells: Vec<_> = tests.iter().map(|test| format!("`{test}`")).collect();
            let cell = cells.join("<br>");
            faults.push(format!("{}: the tests are: {cell}", row.number));
        }
        if tests.is_empty() && row.remark.len() < REASON {
            faults.push(format!("{}: neither a test nor a reason", row.number));
        }
    }
    for (number, tests) in found {
        faults.push(format!("{number} is no case: {tests:?}"));
    }
    assert!(faults.is_empty(), "HAZARDS.md:\n{}", faults.join("\n"));
}

#[test]
fn scenarios_that_are_named_are_there() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ci/src/scenarios");
    let files = fs::read_dir(folder).unwrap();
    let sources: Vec<String> = files
        .map(|file| fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    let mut named = 0;
    for row in TABLE.lines().filter_map(row) {
        let (_, scenarios) = row.remark.split_once("QEMU").unwrap_or_default();
        for name in quoted(scenarios) {
            let text = format!("\"{name}\"");
            let there = sources.iter().any(|source| source.contains(&text));
            assert!(there, "{}: no scenario {name}", row.number);
            named += 1;
        }
    }
    assert!(named > 5, "{named}");
}

/// `| number | case | tests | remarks |`
fn row(line: &str) -> Option<Row<'_>> {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let [_, number, _, tests, remark, _] = cells[..] else {
        return None;
    };
    Some(Row {
        number: number.parse().ok()?,
        tests: quoted(tests).map(str::to_owned).collect(),
        remark,
    })
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// All tests of the repository by the numbers in their names.
fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<u32, BTreeSet<String>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') && !path.is_symlink() {
                walk(root, &path, found);
            }
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).unwrap();
            for test in tests(&text) {
                let place = path.strip_prefix(root).unwrap().display();
                for number in numbers(test) {
                    let of = found.entry(number).or_default();
                    of.insert(format!("{place}::{test}"));
                }
            }
        }
    }
}

/// Names of the functions under `#[test]`, and the like.
fn tests(text: &str) -> impl Iterator<Item = &str> {
    let pairs = text.lines().zip(text.lines().skip(1));
    let is_test = |line: &str| line == "#[test]" || line.starts_with("#[tokio::test");
    let tests = pairs.filter(move |(above, _)| is_test(above.trim()));
    tests.filter_map(|(_, line)| {
        let name = line.trim_start().trim_start_matches("async ");
        name.strip_prefix("fn ")?.split('(').next()
    })
}

/// The numbers that a name begins with: 5 and 60 of `c05_c60_cut_anywhere`.
fn numbers(name: &str) -> impl Iterator<Item = u32> {
    let number = |part: &str| {
        let digits = part.strip_prefix('c')?;
        (digits.len() == 2).then(|| digits.parse().ok())?
    };
    name.split('_').map_while(number)
}
