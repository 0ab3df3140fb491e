//! C.B: what grows with a package must not grow memory. Each package is applied by a process of its
//! own, which tells its peak.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::process::Command;

use vigie_disk::{Bytes, FileDevice, SectorSize};
use vigie_update::package::make::{Recipe, make};
use vigie_update::package::member::Slots;
use vigie_update::package::signature::sign;

use crate::craft::{
    BOOT, Head, Long, SYSTEM, Tar, good_entries, header, key, plain_manifest, seal,
};
use crate::judge::{Devices, apply, refused};

/// The goal of the issue: at most 16 MB at the peak, for the packages that we make.
const GOAL_KB: u64 = 16_000;
/// With the largest chunks and the largest zstd window that a package may have.
const LARGEST_KB: u64 = 32_000;
const PACKAGE: &str = "VIGIE_MEMORY_PACKAGE";
const CHILD: &str = "memory::applies_a_package_and_tells_its_peak";

/// Applies the package in a child; answers its peak in kB, and what it said.
fn peak(folder: &Path, package: &[u8]) -> (u64, String) {
    let path = folder.join("package");
    std::fs::write(&path, package).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([CHILD, "--exact", "--ignored", "--nocapture"])
        .env(PACKAGE, &path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = |name: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(name));
        found
            .unwrap_or_else(|| panic!("no {name} in {text}"))
            .to_owned()
    };
    (line("peak ").parse().unwrap(), line("said "))
}

/// The peak resident memory of this process in kB (proc(5), VmHWM).
fn own_peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

#[test]
#[ignore = "the other half of the tests below, which start it"]
fn applies_a_package_and_tells_its_peak() {
    let path = std::env::var_os(PACKAGE).expect("started by hand");
    let folder = tempfile::tempdir().unwrap();
    let device = |name: &str| {
        let path = folder.path().join(name);
        Box::new(FileDevice::create(&path, Bytes::mib(128), SectorSize::S512).unwrap())
    };
    let mut slot: Devices = Slots {
        system: device("system"),
        boot: device("boot"),
    };
    let mut package = File::open(path).unwrap();
    let said = match apply(&mut package, None, &mut slot) {
        Ok(header) => format!("applied {}", header.version),
        Err(error) => error.to_string(),
    };
    println!("\nsaid {said}\npeak {}", own_peak());
}

/// Bytes that no compressor makes smaller.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

/// A package as the maker makes it.
pub fn made(folder: &Path, system: &[u8]) -> Vec<u8> {
    let (system_path, boot_path) = (folder.join("system"), folder.join("boot"));
    std::fs::write(&system_path, system).unwrap();
    std::fs::write(&boot_path, BOOT).unwrap();
    let header = header(system, BOOT);
    let recipe = Recipe {
        product: header.product,
        arch: header.arch,
        hardware: header.hardware,
        version: header.version,
        min_from: header.min_from,
        security_epoch: header.security_epoch,
        build_time: header.build_time,
        changelog: BTreeMap::new(),
        system: &system_path,
        boot: &boot_path,
        base: None,
    };
    let mut unsigned = make(&recipe, folder).unwrap();
    let signature = sign(&key(1), &unsigned.header.encode());
    let mut package = Vec::new();
    unsigned.write(&[signature], &mut package).unwrap();
    package
}

#[test]
fn applying_takes_bounded_memory() {
    let folder = tempfile::tempdir().unwrap();
    let plain = noise(48 << 20);
    let text: Vec<u8> = plain.iter().map(|byte| byte & 0x0f).collect();
    let largest = {
        // The largest window, and chunks of 4 MiB.
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(23).unwrap();
        std::io::copy(&mut &text[..], &mut encoder).unwrap();
        let member = encoder.finish().unwrap();
        let manifest = crate::craft::manifest(
            ("system.img.zst", "zstd", member.len() as u64),
            ("boot.img", "plain", BOOT.len() as u64),
        );
        let tar = Tar::default()
            .file("MANIFEST", &manifest)
            .file("system.img.zst", &member);
        let mut header = header(&text, BOOT);
        header.chunk = 4 << 20;
        seal(
            header,
            &crate::craft::stored(&tar.file("boot.img", BOOT).end(), 0),
        )
    };
    for (package, limit, what) in [
        (made(folder.path(), &plain), GOAL_KB, "plain, 48 MiB"),
        (made(folder.path(), &text), GOAL_KB, "zstd, 48 MiB"),
        (
            largest,
            LARGEST_KB,
            "zstd with the largest window, chunks of 4 MiB",
        ),
    ] {
        let (peak, said) = peak(folder.path(), &package);
        println!("{what}: {peak} kB");
        assert_eq!(said, "applied 1.2.3.0", "{what}");
        assert!(peak <= limit, "{what}: {peak} kB");
    }
}

#[test]
fn c29_c30_hostile_tars_take_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let begun = Tar::default().file("MANIFEST", &plain_manifest());
    let mut packages = Vec::new();
    // A million empty files, first, second and last.
    let entries = (0..1024)
        .fold(Tar::default(), |tar, _| tar.file("x", b""))
        .0;
    for (before, word) in [
        (Vec::new(), "stands in its tar where"),
        (begun.0.clone(), "stands in its tar where"),
        (good_entries().0, "is not in its manifest"),
    ] {
        let body = Long::new().bytes(&before).repeated(&entries, 1000);
        packages.push((body.bytes(&[0; 1024]).end(), word));
    }
    // Long names and PAX headers of a gibibyte.
    for kind in *b"LKxg" {
        let head = Head::new("././@LongLink", 1 << 30).of_type(kind).summed();
        for before in [&[][..], &begun.0] {
            let body = Long::new().bytes(before).bytes(&head).zeros(1 << 30);
            packages.push((body.end(), "is not a plain file"));
        }
    }
    for (body, word) in packages {
        let (peak, said) = peak(folder.path(), &seal(header(SYSTEM, BOOT), &body));
        assert!(said.contains(word), "{said}");
        assert!(peak <= GOAL_KB, "{said}: {peak} kB");
    }
    // A million members are too many for a manifest.
    let member = r#"{"name":"x","role":"system","encoding":"plain","size":1},"#;
    let list = format!(
        "{{\"format\":1,\"members\":[{}]}}",
        member.repeat(1_000_000)
    );
    let package = crate::craft::around(&Tar::default().file("MANIFEST", list.as_bytes()).end());
    refused(&package, "larger than 1 MiB", "a million members");
    let list = format!(
        "{{\"format\":1,\"members\":[{}]}}",
        member.repeat(18_000).trim_end_matches(',')
    );
    assert!(list.len() > 1_000_000 && list.len() < 1 << 20);
    let package = crate::craft::around(&Tar::default().file("MANIFEST", list.as_bytes()).end());
    refused(&package, "it has 18000 members", "as many as fit");
}
