//! A person at the terminal who presses Ctrl-C while a volume is being repaired.

// clippy.toml allows this in tests, but does not know that all of this is one.
#![allow(clippy::unwrap_used)]

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

/// Stands for e2fsck: says that it works, and ends only when it may.
const E2FSCK: &str = r#"#!/bin/sh
test -e "$HERE/may-end" || echo 1 0 10 state >&2
: > "$HERE/works"
while ! test -e "$HERE/may-end"; do sleep 0.02; done
echo "$@" >> "$HERE/ended"
"#;

/// The terminal sends the signal to all of its foreground group; e2fsck is in none of its own
/// choosing, and must not be in that.
#[test]
fn one_ctrl_c_ends_no_write_and_the_person_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let here = dir.path();
    for name in ["one", "two"] {
        let file = fs::File::create(here.join(name)).unwrap();
        file.set_len(16 << 20).unwrap();
        // So much of a superblock that it counts as one: magic, 16384 blocks, not unmounted.
        let mut block = vec![0; 2048];
        block[1024 + 0x04..][..4].copy_from_slice(&16384_u32.to_le_bytes());
        block[1024 + 0x38..][..2].copy_from_slice(&[0x53, 0xEF]);
        std::os::unix::fs::FileExt::write_all_at(&file, &block, 0).unwrap();
    }
    fs::write(here.join("e2fsck"), E2FSCK).unwrap();
    fs::set_permissions(here.join("e2fsck"), Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vigie-recovery"));
    command
        .args(["--language", "en", "check", "--repair"])
        .args([here.join("one"), here.join("two")])
        .env("PATH", format!("{}:/usr/bin:/bin", here.display()))
        .env("HERE", here)
        .env("TERM", "dumb")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    while !here.join("works").exists() {
        std::thread::yield_now();
    }
    let group = Pid::from_raw(child.id().cast_signed()).unwrap();
    kill_process_group(group, Signal::INT).unwrap();
    // A line that says so comes while e2fsck goes on.
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains("It will stop after this volume") {
        assert!(out.read_line(&mut said).unwrap() > 0, "{said}");
    }
    assert!(!here.join("ended").exists(), "e2fsck ended before it might");
    assert!(child.try_wait().unwrap().is_none());
    // Impatience changes nothing.
    kill_process_group(group, Signal::INT).unwrap();
    fs::write(here.join("may-end"), "").unwrap();
    out.read_to_string(&mut said).unwrap();
    let status = child.wait().unwrap();
    let ended = fs::read_to_string(here.join("ended")).unwrap();
    assert!(
        ended.contains("-f -p"),
        "the ladder goes to its end: {ended}"
    );
    assert!(!ended.contains("two"), "{ended}");
    assert!(said.contains("stopped before its turn"), "{said}");
    assert_eq!(status.code(), Some(8), "{said}");
}
