//! Volumes labelled PROVISION, made by the tools that people make them with
//! (VIGIE_TOOLS_DIR; see install.rs).

// clippy.toml allows this in tests, but does not know that all of this file is one.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use vigie_disk::{Bytes, FileDevice, SectorSize, fat};
use vigie_installer::provision::{ANSWERS, LABEL, RESULT, look};
use vigie_installer::toolbox::{Run, TreeTools};

const TEXT: &str = "[target]\npath = \"/dev/vda\"\n";

fn tools() -> Option<TreeTools> {
    let tree = std::env::var_os("VIGIE_TOOLS_DIR");
    if tree.is_none() {
        println!("skipped: VIGIE_TOOLS_DIR is not set");
    }
    tree.map(|tree| TreeTools::new(PathBuf::from(tree)))
}

fn open(path: &Path) -> FileDevice {
    FileDevice::open(path, SectorSize::S512).unwrap()
}

/// A FAT volume of this size, labelled afterwards as a person does it.
fn stick(
    tools: &TreeTools,
    folder: &Path,
    size: Bytes,
    label: &str,
    with_answers: bool,
) -> PathBuf {
    let path = folder.join("stick.img");
    let _ = fs::remove_file(&path);
    FileDevice::create(&path, size, SectorSize::S512).unwrap();
    let run = |program| Run::new(tools, program, "making a stick").env("MTOOLSRC", "/dev/null");
    run("mkfs.fat").arg(&path).output().unwrap();
    run("mlabel")
        .arg("-i")
        .arg(&path)
        .arg(format!("::{label}"))
        .output()
        .unwrap();
    if with_answers {
        let file = folder.join(ANSWERS);
        fs::write(&file, TEXT).unwrap();
        run("mcopy")
            .arg("-i")
            .arg(&path)
            .arg(&file)
            .arg("::")
            .output()
            .unwrap();
    }
    path
}

#[test]
fn a_stick_is_found_and_takes_the_result() {
    let Some(tools) = tools() else { return };
    let dir = tempfile::tempdir().unwrap();
    // FAT12, FAT16 and FAT32.
    for size in [Bytes::mib(2), Bytes::mib(64), Bytes::gib(1)] {
        let path = stick(&tools, dir.path(), size, LABEL, true);
        let found = look(&mut open(&path), &path).unwrap();
        assert_eq!(
            (found.answers.as_deref(), found.writable),
            (Some(TEXT), true)
        );
        for result in ["{\"result\":\"failed\"}", "{}"] {
            fat::write_root_file(&mut open(&path), RESULT, result.as_bytes()).unwrap();
            Run::new(&tools, "fsck.fat", "checking")
                .arg("-n")
                .arg(&path)
                .output()
                .unwrap();
            let back = Run::new(&tools, "mtype", "reading")
                .arg("-i")
                .arg(&path)
                .arg(format!("::{RESULT}"))
                .output()
                .unwrap();
            assert_eq!(back, result.as_bytes());
        }
        let again = look(&mut open(&path), &path).unwrap();
        assert_eq!(again.answers.as_deref(), Some(TEXT));
    }
}

#[test]
fn other_sticks_are_passed_over() {
    let Some(tools) = tools() else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = stick(&tools, dir.path(), Bytes::mib(64), "HOLIDAY", true);
    assert_eq!(look(&mut open(&path), &path), None);
    let path = stick(&tools, dir.path(), Bytes::mib(64), LABEL, false);
    assert_eq!(look(&mut open(&path), &path).unwrap().answers, None);
}

#[test]
fn a_disc_is_found() {
    let Some(tools) = tools() else { return };
    for options in [&["-R"][..], &["-J"], &["-R", "-J"], &["-iso-level", "3"]] {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("disc");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(ANSWERS), TEXT).unwrap();
        let path = dir.path().join("disc.iso");
        Run::new(&tools, "xorriso", "making a disc")
            .args(["-as", "mkisofs", "-quiet", "-V", LABEL])
            .args(options)
            .arg("-o")
            .args([&path, &folder])
            .output()
            .unwrap();
        let found = look(&mut open(&path), &path).unwrap();
        assert_eq!(
            (found.answers.as_deref(), found.writable),
            (Some(TEXT), false),
            "{options:?}"
        );
    }
}
