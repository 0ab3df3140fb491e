//! C.A: the bytes around everything.

use std::io::Read;

use crate::craft::{BOOT, Tar, manifest};
use crate::craft::{CHUNK, SYSTEM, around, deflated, good, good_entries, header, seal, stored};
use crate::judge::{accepted, held, judge, refused};

/// A package whose stored body is as long as asked for, which fills whole chunks or nearly so.
fn of_body_length(length: usize) -> Vec<u8> {
    // Blocks cost 5 bytes each, so some number of empty ones ends on any byte.
    for empty in 0..600 {
        let frame = stored(&[0], empty).len() - 1;
        let rest = length - frame;
        // What the blocks of so much content cost besides the first.
        let content = rest - 5 * (rest.div_ceil(0xffff + 5) - 1);
        let system = content.checked_sub(512 * 7);
        let Some(system) = system.filter(|size| size % 512 == 0) else {
            continue;
        };
        let image: Vec<u8> = (0..system).map(|at| (at / 3) as u8).collect();
        let manifest = manifest(
            ("system.img", "plain", system as u64),
            ("boot.img", "plain", BOOT.len() as u64),
        );
        let tar = Tar::default()
            .file("MANIFEST", &manifest)
            .file("system.img", &image)
            .file("boot.img", BOOT);
        let body = stored(&tar.end(), empty);
        if body.len() == length {
            return seal(header(&image, BOOT), &body);
        }
    }
    panic!("no body of {length} bytes");
}

#[test]
fn a_good_package_is_applied() {
    let package = good();
    let slot = judge(&mut &package[..]).unwrap();
    assert_eq!(held(&*slot.system, SYSTEM.len()), SYSTEM);
    assert_eq!(held(&*slot.boot, BOOT.len()), BOOT);
    accepted(&package, "the small package");
}

#[test]
fn c04_every_prefix_is_refused() {
    let package = good();
    for length in 0..package.len() {
        refused(&package[..length], "", &format!("its first {length} bytes"));
    }
}

#[test]
fn c05_c06_bodies_end_at_and_around_the_edges_of_chunks() {
    for length in [1, 2].map(|chunks| chunks * CHUNK) {
        for length in [length - 1, length, length + 1] {
            let package = of_body_length(length);
            accepted(&package, &format!("a body of {length} bytes"));
            let body = package.len() - length;
            for edge in [CHUNK, 2 * CHUNK].map(|edge| body + edge) {
                for cut in [edge - 1, edge, edge + 1] {
                    if cut < package.len() {
                        let short = format!("the package ends at byte {} of {length}", cut - body);
                        refused(&package[..cut], &short, "cut");
                    }
                }
            }
        }
    }
}

#[test]
fn c07_c08_c09_bytes_after_the_end_are_refused() {
    let package = good();
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    gzip.extend(deflated(b"more"));
    for (tail, what) in [
        (&[0][..], "a zero"),
        (b"\n", "a line end"),
        (&[0; 2 << 20], "zeros"),
        (&package, "itself"),
        (&gzip, "a gzip member"),
    ] {
        let longer = [&package[..], tail].concat();
        refused(&longer, "bytes follow the end of the package", what);
    }
    // The same within what is signed.
    let body = deflated(&good_entries().end());
    for tail in [&[0][..], &gzip, &[7; CHUNK]] {
        let longer = seal(header(SYSTEM, BOOT), &[&body[..], tail].concat());
        refused(&longer, "bytes follow its gzip stream", "signed");
    }
}

#[test]
fn c10_flags_of_gzip_are_refused() {
    let package = good();
    for bit in 0..8 {
        let mut changed = package.clone();
        changed[3] ^= 1 << bit;
        refused(&changed, "package's head", &format!("flag {bit}"));
    }
    // Fields that the flags announce, and that a lenient reader would pass over.
    let mut extra = package.clone();
    extra[3] |= 0x04;
    extra.splice(10..10, [3, 0, b'a', b'b', b'c']);
    refused(&extra, "package's head", "FEXTRA");
}

/// A pipe that never ends, and counts what was taken from it.
struct Endless(u64);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        buffer.fill(b'a');
        self.0 += buffer.len() as u64;
        Ok(buffer.len())
    }
}

#[test]
fn c11_a_header_without_an_end_is_refused_within_64_kib() {
    let package = good();
    for begin in [10, 26, 80, 200] {
        let mut endless = Endless(0);
        let mut input = (&package[..begin]).chain(&mut endless);
        assert!(judge(&mut input).is_err());
        assert!(endless.0 <= 64 << 10, "{} bytes were read", endless.0);
    }
}

#[test]
fn c12_every_flipped_bit_is_refused() {
    let mut package = good();
    for at in 0..package.len() {
        for bit in 0..8 {
            package[at] ^= 1 << bit;
            refused(&package, "", &format!("bit {bit} of byte {at}"));
            package[at] ^= 1 << bit;
        }
    }
    accepted(&package, "unchanged");
}

#[test]
fn c12_every_flipped_bit_of_a_signed_body_is_refused_or_changes_nothing() {
    let body = deflated(&good_entries().end());
    for at in 0..body.len() {
        for bit in 0..8 {
            let mut changed = body.clone();
            changed[at] ^= 1 << bit;
            let package = seal(header(SYSTEM, BOOT), &changed);
            // Whoever may sign may also write another body that unpacks to the same images.
            if let Ok(slot) = judge(&mut &package[..]) {
                assert_eq!(held(&*slot.system, SYSTEM.len()), SYSTEM, "byte {at}");
                assert_eq!(held(&*slot.boot, BOOT.len()), BOOT, "byte {at}");
            }
        }
    }
}

#[test]
fn c03_noise_and_other_files_are_no_packages() {
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    gzip.extend(deflated(&good_entries().end()));
    refused(&gzip, "package's head", "a gzip'ed tar of the same members");
    refused(&good_entries().end(), "gzip", "the tar alone");
    refused(
        &around(&[])[10..],
        "gzip",
        "a package without its first bytes",
    );
}
