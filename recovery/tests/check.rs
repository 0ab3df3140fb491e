//! The command `vigie-recovery check` on image files: what it writes and how it ends.
//!
//! Needs e2fsprogs of an unpacked Debian tree (VIGIE_TOOLS_DIR; see repair/main.rs).

// clippy.toml allows this in tests, but does not know that all of this is one.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use vigie_installer::toolbox::{Run, Toolbox, TreeTools};

/// A folder with an image, and with programs of the locked tree as those of a system.
struct Bench {
    folder: tempfile::TempDir,
    tools: TreeTools,
}

impl Bench {
    fn new() -> Option<Self> {
        let Some(tree) = std::env::var_os("VIGIE_TOOLS_DIR") else {
            println!("skipped: VIGIE_TOOLS_DIR is not set");
            return None;
        };
        let tools = TreeTools::new(PathBuf::from(tree));
        let folder = tempfile::tempdir().unwrap();
        let bench = Self { folder, tools };
        for program in ["e2fsck", "debugfs"] {
            let command = bench.tools.command(program);
            let words = std::iter::once(command.get_program()).chain(command.get_args());
            let words: Vec<&str> = words.map(|word| word.to_str().unwrap()).collect();
            let path = bench.path(program);
            fs::write(
                &path,
                format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" ")),
            )
            .unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Some(bench)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn image(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::File::create(&path).unwrap().set_len(16 << 20).unwrap();
        let run = Run::new(&self.tools, "mke2fs", "making an image");
        let words = ["-q", "-F", "-t", "ext4", "-b", "1024", "-L", name];
        run.args(words).arg(&path).output().unwrap();
        path
    }

    fn check(&self, arguments: &[&str]) -> Output {
        let path = format!("{}:/usr/bin:/bin", self.folder.path().display());
        let mut command = Command::new(env!("CARGO_BIN_EXE_vigie-recovery"));
        command.arg("check").args(arguments).env("PATH", path);
        command.env("LC_ALL", "C").env("TERM", "dumb");
        command.current_dir(self.folder.path()).output().unwrap()
    }

    /// The exit code and the events.
    fn events(&self, arguments: &[&str]) -> (i32, Vec<Value>) {
        let output = self.check(&[arguments, &["--json"]].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        let events = text.lines().map(|line| serde_json::from_str(line).unwrap());
        (output.status.code().unwrap(), events.collect())
    }
}

fn damage_superblock(image: &Path) {
    let mut bytes = fs::read(image).unwrap();
    bytes[1024..2048].fill(0xFF);
    fs::write(image, bytes).unwrap();
}

#[test]
fn exit_codes_say_the_worst_and_one_volume_stops_no_other() {
    let Some(bench) = Bench::new() else { return };
    let (sound, bad) = (bench.image("sound"), bench.image("bad"));
    let before = fs::read(&sound).unwrap();
    damage_superblock(&bad);
    let damaged = fs::read(&bad).unwrap();
    let code = |arguments: &[&str]| bench.check(arguments).status.code().unwrap();
    assert_eq!(code(&["./sound"]), 0);
    assert_eq!(code(&["./bad", "./sound"]), 4);
    assert_eq!(code(&["./gone", "./bad", "./sound"]), 8);
    assert!(fs::read(&sound).unwrap() == before, "a check has written");
    assert!(fs::read(&bad).unwrap() == damaged, "a check has written");
    let (code, events) = bench.events(&["--repair", "./gone", "./bad", "./sound"]);
    let results = events.iter().filter(|one| one["event"] == "result");
    let verdicts: Vec<&str> = results
        .map(|one| one["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(
        (code, &verdicts[..]),
        (8, &["not-checked", "repaired", "clean"][..])
    );
    let (code, events) = bench.events(&["--repair", "bad"]);
    assert_eq!(
        (code, &events.last().unwrap()["exit"]),
        (0, &Value::from(0))
    );
}

#[test]
fn a_repair_of_a_full_volume_begins_with_a_warning() {
    let Some(bench) = Bench::new() else { return };
    let image = bench.image("full");
    let warning = "volume full is full (0 B free)";
    let said = |arguments: &[&str]| String::from_utf8(bench.check(arguments).stdout).unwrap();
    assert!(!said(&["--repair", "./full"]).contains("is full"));
    fs::write(bench.path("filler"), vec![7; 16 << 20]).unwrap();
    let write = format!("write {} filler", bench.path("filler").display());
    let run = Run::new(&bench.tools, "debugfs", "filling an image");
    run.args(["-w", "-R", &write]).arg(&image).output().unwrap();
    let text = said(&["--repair", "./full"]);
    assert!(text.contains(warning), "{text}");
    assert!(!said(&["./full"]).contains("is full"), "nothing is written");
    let (_, events) = bench.events(&["--repair", "./full"]);
    let full = events.iter().find(|one| one["event"] == "full").unwrap();
    assert_eq!(full["free"], 0);
}

#[test]
fn wrong_use_and_foreign_things_are_refused() {
    let Some(bench) = Bench::new() else { return };
    fs::write(
        bench.path("xfs"),
        [b"XFSB".to_vec(), vec![0; 1 << 20]].concat(),
    )
    .unwrap();
    for (arguments, code, words) in [
        (
            &["--all", "--disk", "/dev/sda"][..],
            2,
            "cannot be used with",
        ),
        (&["--all", "./x"], 2, "cannot be used with"),
        (&["--repair", "./xfs"], 8, "it holds XFS, which is not ours"),
        (&["--repair", "/dev/null"], 8, "no disk, partition or image"),
        (&["--repair", "./gone"], 8, "it cannot be read"),
    ] {
        let output = bench.check(arguments);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

#[test]
fn a_report_is_left_where_it_is_asked_for_and_else_there_is_a_warning() {
    let Some(bench) = Bench::new() else { return };
    damage_superblock(&bench.image("bad"));
    let output = bench.check(&["--repair", "--report", "stick", "./bad"]);
    assert_eq!(output.status.code(), Some(1));
    let names = fs::read_dir(bench.path("stick")).unwrap();
    let mut names: Vec<PathBuf> = names.map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let [english, french, json] = &names[..] else {
        panic!("{names:?}")
    };
    let text = |path| fs::read_to_string(path).unwrap();
    assert!(text(english).contains("repairing from the copy at block 8193"));
    assert!(text(french).contains("réparation depuis la copie au bloc 8193"));
    let report: Value = serde_json::from_str(&text(json)).unwrap();
    let step = &report["volumes"][0]["steps"][0];
    assert!(
        step["output"].as_str().unwrap().contains("Pass 1"),
        "{step}"
    );
    let output = bench.check(&["--report", "/dev/null/x", "./bad"]);
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("warning: the report could not be written"),
        "{said}"
    );
}
