//! C.B: which entries a tar has, in which order, and what they are.

use crate::craft::deflated;
use crate::craft::{
    BOOT, Head, SYSTEM, Tar, around, good_entries, header, manifest, plain_manifest, seal,
};
use crate::judge::{accepted, refused};

fn begun() -> Tar {
    Tar::default().file("MANIFEST", &plain_manifest())
}

#[test]
fn c19_what_is_no_plain_file_is_refused_by_its_type() {
    let pax = b"30 path=somewhere/else/system\n";
    for (kind, what) in [
        (b'1', "hard link"),
        (b'2', "symbolic link"),
        (b'3', "character device"),
        (b'4', "block device"),
        (b'5', "directory"),
        (b'6', "pipe"),
        (b'7', "contiguous file"),
        (b'S', "sparse file"),
        (b'L', "GNU long name"),
        (b'K', "GNU long link"),
        (b'x', "PAX header"),
        (b'g', "global PAX header"),
        (b'V', "volume label"),
        (b'M', "file of several volumes"),
        (b'D', "GNU directory listing"),
        (b'A', "Solaris ACL"),
        (0xff, "no type at all"),
    ] {
        let word = "is not a plain file";
        let hostile = |name: &str| Head::new(name, 30).of_type(kind).with(157, b"/etc/passwd");
        for magic in [&b"ustar\x0000"[..], b"ustar  \0", &[0; 8]] {
            // With the name that is expected there, and with its own.
            for name in ["MANIFEST", "././@LongLink"] {
                let head = hostile(name).with(257, magic);
                let first = Tar::default().entry(head, pax).raw(&good_entries().end());
                refused(&around(&first.0), word, what);
            }
            for name in ["system.img", "././@LongLink"] {
                let head = hostile(name).with(257, magic);
                let second = begun().entry(head, pax).file("system.img", SYSTEM);
                let tar = second.file("boot.img", BOOT).end();
                refused(&around(&tar), word, what);
            }
        }
        let last = good_entries().entry(hostile("boot.img"), pax).end();
        refused(&around(&last), "is not in its manifest", what);
    }
    // The old form of a plain file's type: a second spelling of the same.
    let old = begun().entry(Head::new("system.img", 700).of_type(0), SYSTEM);
    let tar = old.file("boot.img", BOOT).end();
    refused(&around(&tar), "one form", "type NUL");
}

#[test]
fn c20_c21_c22_c23_entries_are_those_of_the_manifest_in_its_order() {
    let (system, boot) = (("system.img", SYSTEM), ("boot.img", BOOT));
    let extra = ("extra", &b"x"[..]);
    for (entries, word, what) in [
        (&[][..], "system.img is missing", "none"),
        (&[system], "boot.img is missing", "the first alone"),
        (&[boot], "stands in its tar where", "the last alone"),
        (&[boot, system], "stands in its tar where", "swapped"),
        (
            &[extra, system, boot],
            "stands in its tar where",
            "extra first",
        ),
        (
            &[system, extra, boot],
            "stands in its tar where",
            "extra between",
        ),
        (
            &[system, boot, extra],
            "is not in its manifest",
            "extra last",
        ),
        (
            &[system, boot, boot],
            "is not in its manifest",
            "the last twice",
        ),
        (
            &[system, system, boot],
            "stands in its tar where",
            "the first twice",
        ),
        (
            &[system, boot, system],
            "is not in its manifest",
            "the first again",
        ),
    ] {
        let tar = entries
            .iter()
            .fold(begun(), |tar, (name, bytes)| tar.file(name, bytes));
        refused(&around(&tar.end()), word, what);
    }
    let manifest = &plain_manifest()[..];
    for (entries, word, what) in [
        (&[][..], "its tar is empty", "nothing"),
        (&[system, boot], "where \"MANIFEST\" must", "no manifest"),
        (
            &[system, ("MANIFEST", manifest), boot],
            "where \"MANIFEST\" must",
            "the manifest second",
        ),
        (
            &[("MANIFEST", manifest), ("MANIFEST", manifest), system, boot],
            "stands in its tar where",
            "two manifests",
        ),
        (
            &[("manifest", manifest), system, boot],
            "where \"MANIFEST\" must",
            "lower case",
        ),
    ] {
        let tar = entries
            .iter()
            .fold(Tar::default(), |tar, (name, bytes)| tar.file(name, bytes));
        refused(&around(&tar.end()), word, what);
    }
    // Nothing, not even the end of a tar.
    refused(&around(&[]), "its tar is empty", "no bytes");
}

#[test]
fn c24_sizes_agree_in_tar_manifest_and_header() {
    let sizes =
        |system, boot| manifest(("system.img", "plain", system), ("boot.img", "plain", boot));
    for (system, boot) in [
        (699, 512),
        (701, 512),
        (700, 511),
        (700, 513),
        (0, 512),
        (1 << 40, 512),
    ] {
        let tar = Tar::default()
            .file("MANIFEST", &sizes(system, boot))
            .file("system.img", SYSTEM)
            .file("boot.img", BOOT);
        refused(
            &around(&tar.end()),
            "its manifest says",
            &format!("{system} {boot}"),
        );
    }
    // Tar and manifest agree on another size than the header.
    for change in [-1_i64, 1] {
        let resized = |image: &[u8]| {
            image
                .iter()
                .copied()
                .cycle()
                .take((image.len() as i64 + change) as usize)
                .collect()
        };
        let (system, boot): (Vec<u8>, Vec<u8>) = (resized(SYSTEM), resized(BOOT));
        for (system, boot) in [(&system[..], BOOT), (SYSTEM, &boot[..])] {
            let tar = Tar::default()
                .file("MANIFEST", &sizes(system.len() as u64, boot.len() as u64))
                .file("system.img", system)
                .file("boot.img", boot);
            refused(&around(&tar.end()), "its header says", &format!("{change}"));
        }
    }
    // The tar says more, or less, than it has: what follows is read as a part, or as a head.
    for size in [699, 701, 1212, 1213, 100_000] {
        let head = Head::new("system.img", size);
        let tar = begun().entry(head, SYSTEM).file("boot.img", BOOT).end();
        refused(&around(&tar), "its manifest says", &format!("{size}"));
    }
    // Tar and manifest agree on what neither has.
    let large = Head::new("system.img", 7 << 30);
    let tar = Tar::default()
        .file("MANIFEST", &sizes(7 << 30, 512))
        .entry(large, SYSTEM)
        .end();
    let header = header(SYSTEM, BOOT);
    refused(&seal(header, &deflated(&tar)), "its header says", "7 GiB");
}

#[test]
fn c28_mode_owner_and_time_are_not_looked_at() {
    let head = Head::new("system.img", 700)
        .with(100, b"0004777\0") // setuid
        .with(108, b"garbage!")
        .with(116, &[0xff; 8])
        .with(136, &[0xff; 12]) // before 1970
        .with(265, b"root")
        .with(297, &[b'x'; 32])
        .with(329, b"7777777\x007777777\0");
    let tar = begun().entry(head, SYSTEM).file("boot.img", BOOT).end();
    accepted(&around(&tar), "odd owners");
}
