//! C.B: names that mean something else than they should, in the tar and in the manifest.

use crate::craft::{BOOT, Head, SYSTEM, Tar, around, manifest, plain_manifest};
use crate::judge::refused;

const NAMES: [&str; 25] = [
    "",
    ".",
    "..",
    "./system.img",
    "../system.img",
    "../../etc/passwd",
    "/system.img",
    "//system.img",
    "/etc/shadow",
    "system.img/",
    "system.img/.",
    "system/../system.img",
    "a//b",
    "System.img",
    "system.img ",
    " system.img",
    "system.img\n",
    "system\\.img",
    "C:system.img",
    "system.imgx",
    "system.im",
    "syst\u{e9}m.img",
    "-rf",
    "..system.img",
    ".system.img",
];

fn with_second(head: Head) -> Vec<u8> {
    let begun = Tar::default().file("MANIFEST", &plain_manifest());
    around(&begun.entry(head, SYSTEM).file("boot.img", BOOT).end())
}

#[test]
fn c18_other_names_in_the_tar_are_refused() {
    for name in NAMES {
        let package = with_second(Head::new(name, 700));
        refused(&package, "stands in its tar where", &format!("{name:?}"));
    }
    // Bytes behind the end of the name, which another reader might take for a part of it.
    for tail in [&b"\0x"[..], b"\0/../../etc/passwd", b"\0\0\0\0\0\0/"] {
        let head = Head::new("system.img", 700).with(10, tail);
        refused(&with_second(head), "one form", "after a NUL");
    }
    let bytes = Head::new("", 700).with(0, b"\xff\xfe\x80");
    refused(&with_second(bytes), "stands in its tar where", "no UTF-8");
}

#[test]
fn c18_a_prefix_is_refused_however_another_reader_would_join_it() {
    for (magic, prefix) in [
        (&b"ustar\x0000"[..], &b"../.."[..]),
        (b"ustar\x0000", b"/"),
        (b"ustar\x0000", b"."),
        (b"ustar\x0000", b"\0.."),
        (b"ustar  \0", b"../.."),
        (b"ustar\x0001", b"../.."),
        (&[0; 8], b"../.."),
        (b"ustar  \0", b"\0"),
        (&[0; 8], b"\0"),
        (b"USTAR\x0000", b"\0"),
    ] {
        let head = Head::new("system.img", 700)
            .with(257, magic)
            .with(345, prefix);
        refused(&with_second(head), "", &format!("{magic:?} {prefix:?}"));
    }
    let linked = Head::new("system.img", 700).with(157, b"target");
    refused(&with_second(linked), "one form", "a link's target");
    let behind = Head::new("system.img", 700).with(500, b"x");
    refused(&with_second(behind), "one form", "bytes after the prefix");
}

#[test]
fn c18_long_names_are_refused() {
    let long = |length: usize| "n".repeat(length);
    for name in [long(99), long(100)] {
        refused(
            &with_second(Head::new(&name, 700)),
            "stands in its tar where",
            "long",
        );
    }
    // 255 and 256 bytes, as ustar spells them: a prefix and a name.
    let split = Head::new(&long(100), 700).with(345, long(154).as_bytes());
    refused(
        &with_second(split.clone()),
        "stands in its tar where",
        "255 bytes",
    );
    refused(
        &with_second(split.with(345, long(155).as_bytes())),
        "stands in its tar where",
        "256 bytes",
    );
}

#[test]
fn c18_c20_other_names_in_the_manifest_are_refused() {
    let long = ["n".repeat(65), "n".repeat(100), "n".repeat(256)];
    let names = NAMES.iter().copied().chain(long.iter().map(String::as_str));
    let plain = ["system.imgx", "system.im", "-rf"];
    for name in names.filter(|name| !plain.contains(name)) {
        let escaped = name.replace('\\', "\\\\").replace('\n', "\\n");
        let manifest = manifest((&escaped, "plain", 700), ("boot.img", "plain", 512));
        let short = &name[..name.len().min(100)];
        let tar = Tar::default()
            .file("MANIFEST", &manifest)
            .file(short, SYSTEM)
            .file("boot.img", BOOT);
        refused(
            &around(&tar.end()),
            "is no plain file name",
            &format!("{name:?}"),
        );
    }
    for name in ["MANIFEST", "sys\\u0000tem", "boot.img"] {
        let manifest = manifest((name, "plain", 700), ("boot.img", "plain", 512));
        let tar = Tar::default()
            .file("MANIFEST", &manifest)
            .file("system.img", SYSTEM);
        refused(
            &around(&tar.file("boot.img", BOOT).end()),
            "its manifest: ",
            name,
        );
    }
}
