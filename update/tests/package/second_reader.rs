//! `ci/second-reader`, written from FORMAT.md alone, must say what our reader says.
//!
//! Its Python is one of the locked tools: VIGIE_TOOLS_DIR names their tree (`cargo ci` sets it, and
//! brings it). Without that variable it is the machine's `python3`. Where there is neither, these
//! tests fail: only VIGIE_NO_SECOND_READER leaves them out.

use std::path::{Path, PathBuf};
use std::process::Command;

use vigie_update::package::envelope::Envelope;
use vigie_update::package::signature::sign;

use crate::craft::{BOOT, SYSTEM, good_entries, header, key, seal, stored};
use crate::judge::{judge, verify};
use crate::memory::{made, noise};
use crate::vectors::{Verdict, folder};

/// Leaves these tests out, with a printed line, on a machine without Python.
const LEFT_OUT: &str = "VIGIE_NO_SECOND_READER";

/// One of its scripts; nothing where somebody has said that there is no Python for it.
fn second_reader(script: &str) -> Option<Command> {
    if std::env::var_os(LEFT_OUT).is_some() {
        println!("left out: {LEFT_OUT} is set");
        return None;
    }
    let tools = std::env::var_os("VIGIE_TOOLS_DIR").map(PathBuf::from);
    let mut command = python(tools.as_deref()).unwrap_or_else(|why| panic!("{why}"));
    command
        // No site packages, nothing compiled left behind.
        .args(["-S", "-s", "-B"])
        .arg(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../ci/second-reader")
                .join(script),
        );
    Some(command)
}

/// The Python of the locked tools, or else of this machine.
fn python(tools: Option<&Path>) -> Result<Command, String> {
    let Some(tree) = tools else {
        let found = Command::new("python3").arg("--version").output();
        return found.map(|_| Command::new("python3")).map_err(|error| {
            format!(
                "the second reader needs Python, and `python3` does not start ({error}): run \
                 `cargo ci unit`, which brings one, or install one; {LEFT_OUT}=1 leaves it out"
            )
        });
    };
    let python = tree.join("usr/bin/python3.13");
    if !python.exists() {
        return Err(format!("no {} in VIGIE_TOOLS_DIR", python.display()));
    }
    let mut command = Command::new(tree.join("usr/lib64/ld-linux-x86-64.so.2"));
    command
        .arg("--library-path")
        .arg(tree.join("usr/lib/x86_64-linux-gnu"))
        // It finds its own library by the name that it was started by.
        .arg("--argv0")
        .args([&python, &python])
        .env_clear()
        .env("LC_ALL", "C.UTF-8");
    Ok(command)
}

/// What it says of each of these files: a word, in their order.
fn verdicts(mut reader: Command, keys: &Path, packages: &[PathBuf]) -> Vec<String> {
    let output = reader.arg(keys).args(packages).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && complaint.is_empty(),
        "{complaint}"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let words = text.lines().zip(packages).map(|(line, package)| {
        let rest = line.strip_prefix(package.to_str().unwrap()).unwrap();
        rest.split_whitespace().next().unwrap().to_owned()
    });
    let words: Vec<String> = words.collect();
    assert_eq!(words.len(), packages.len(), "{text}");
    words
}

#[test]
fn c31_a_second_reader_says_the_same_of_every_vector() {
    let table = std::fs::read_to_string(folder().join("table.txt")).unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_whitespace().take(5).collect())
        .collect();
    assert!(rows.len() > 60);
    for keys in ["one", "two", "revoked"] {
        let Some(reader) = second_reader("package_verify.py") else {
            return;
        };
        let rows: Vec<_> = rows.iter().filter(|row| row[1] == keys).collect();
        let packages: Vec<PathBuf> = rows
            .iter()
            .map(|row| folder().join(format!("{}.tgz", row[0])))
            .collect();
        let list = folder().join(format!("keys-{keys}.toml"));
        for (row, word) in rows.iter().zip(verdicts(reader, &list, &packages)) {
            assert_eq!(word, row[3], "{}", row[0]);
        }
    }
}

#[test]
fn c31_a_second_reader_says_the_same_of_every_index() {
    let table = std::fs::read_to_string(crate::index::folder().join("table.txt")).unwrap();
    let rows: Vec<(&str, &str)> = table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    let Some(reader) = second_reader("index_verify.py") else {
        return;
    };
    let files: Vec<PathBuf> = rows
        .iter()
        .map(|(name, _)| crate::index::folder().join(format!("{name}.index")))
        .collect();
    let words = verdicts(reader, &folder().join("keys-one.toml"), &files);
    for ((name, verdict), word) in rows.iter().zip(words) {
        assert_eq!(word, verdict.trim().split(' ').next().unwrap(), "{name}");
    }
}

/// Packages that differ from a good one in a byte, validly signed: here of the signed header,
/// there of the tar.
fn changed() -> Vec<Vec<u8>> {
    let mut state = 11_u64;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % below
    };
    // Bytes with a meaning somewhere, so that more than the first check is reached.
    const BYTES: &[u8] = b"\0 \n019ax/.-,+\"\\{}[]:\x80\xff";
    let tar = good_entries().end();
    let whole = seal(header(SYSTEM, BOOT), &stored(&tar, 0));
    let signed = Envelope::read(&mut &whole[..]).unwrap().signed;
    let mut packages = Vec::new();
    for round in 0..200 {
        let byte = BYTES[next(BYTES.len())];
        if round % 2 == 0 {
            let mut signed = signed.clone();
            let at = next(signed.len());
            signed[at] = byte;
            let signature = sign(&key(1), &signed);
            packages.push(
                [
                    &Envelope::encode(&[signature], &signed)[..],
                    &stored(&tar, 0),
                ]
                .concat(),
            );
        } else {
            let mut tar = tar.clone();
            let at = next(tar.len());
            tar[at] = byte;
            // The checksum of the head that was changed, so that it is not that which refuses.
            let head = [0, 1024, 2560]
                .into_iter()
                .find(|head| (*head..head + 512).contains(&at));
            if let Some(head) = head.filter(|head| !(head + 148..head + 156).contains(&at)) {
                let head = &mut tar[head..head + 512];
                head[148..156].fill(b' ');
                let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
                head[148..156].copy_from_slice(format!("{sum:07o}\0").as_bytes());
            }
            packages.push(seal(header(SYSTEM, BOOT), &stored(&tar, 0)));
        }
    }
    packages
}

#[test]
fn c31_a_second_reader_says_the_same_of_changed_packages_and_of_ours() {
    let Some(reader) = second_reader("package_verify.py") else {
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    let mut packages = changed();
    let large = noise(3 << 20);
    let text: Vec<u8> = large.iter().map(|byte| byte & 3).collect();
    packages.push(made(scratch.path(), &large));
    packages.push(made(scratch.path(), &text));
    let paths: Vec<PathBuf> = (0..packages.len())
        .map(|index| scratch.path().join(format!("{index}.tgz")))
        .collect();
    for (path, package) in paths.iter().zip(&packages) {
        std::fs::write(path, package).unwrap();
    }
    let words = verdicts(reader, &folder().join("keys-one.toml"), &paths);
    for (index, (word, package)) in words.iter().zip(&packages).enumerate() {
        // It compares plain images, which we do where a slot is read back.
        let ours = match Verdict::of(&verify(package)) {
            Verdict::Good => Verdict::of(&judge(&mut &package[..])),
            refused => refused,
        };
        assert_eq!(word, ours.word(), "package {index}");
    }
    let good = words.iter().filter(|word| *word == "good").count();
    assert!((10..190).contains(&good), "{good} of {}", words.len());
    assert_eq!(words[words.len() - 2..], ["good", "good"]);
}

#[test]
fn without_its_python_the_second_reader_is_not_passed_over() {
    let empty = tempfile::tempdir().unwrap();
    let error = python(Some(empty.path())).unwrap_err();
    assert!(error.contains("python3.13"), "{error}");
}
