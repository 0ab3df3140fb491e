//! C.A: what is inside the members: zstd frames and differences.

use std::io::Write;

use vigie_disk::{Bytes, MemoryDevice, SectorSize};
use vigie_update::package::{Base, delta};

use crate::craft::{BOOT, SYSTEM, Tar, copy, data, deflated, digest, good, header, manifest, seal};
use crate::judge::{
    Devices, accepted, apply, empty_slot, held, judge, refused, refused_when_applied,
};

/// A package whose system image is written in a member of this encoding.
fn with_member(encoding: &str, member: &[u8]) -> Vec<u8> {
    seal(header(SYSTEM, BOOT), &deflated(&tar(encoding, member)))
}

fn tar(encoding: &str, member: &[u8]) -> Vec<u8> {
    let manifest = manifest(
        ("system.img", encoding, member.len() as u64),
        ("boot.img", "plain", BOOT.len() as u64),
    );
    let tar = Tar::default().file("MANIFEST", &manifest);
    tar.file("system.img", member).file("boot.img", BOOT).end()
}

fn frame(content: &[u8], set: impl FnOnce(&mut zstd::Encoder<'static, Vec<u8>>)) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
    set(&mut encoder);
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn c17_frames_with_and_without_size_and_checksum_are_accepted() {
    let plain = frame(SYSTEM, |_| ());
    let full = frame(SYSTEM, |encoder| {
        encoder
            .set_pledged_src_size(Some(SYSTEM.len() as u64))
            .unwrap();
        encoder.include_checksum(true).unwrap();
    });
    for (member, what) in [
        (&plain, "without its size"),
        (&full, "with size and checksum"),
    ] {
        accepted(&with_member("zstd", member), what);
    }
    let mut wrong = full.clone();
    *wrong.last_mut().unwrap() ^= 1;
    refused_when_applied(&with_member("zstd", &wrong), "checksum", "a wrong checksum");
}

#[test]
fn c17_windows_are_bounded() {
    // Written by hand: a frame whose window is 2^(10 + exponent) bytes, with one stored block.
    let of_window = |exponent: u8| {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, exponent << 3];
        frame.extend(&((SYSTEM.len() as u32) << 3 | 1).to_le_bytes()[..3]);
        frame.extend(SYSTEM);
        frame
    };
    for log in [10, 22, 23] {
        accepted(
            &with_member("zstd", &of_window(log - 10)),
            &format!("2^{log}"),
        );
    }
    for log in [24, 27, 31, 41] {
        let package = with_member("zstd", &of_window(log - 10));
        refused_when_applied(&package, "memory", &format!("2^{log}"));
    }
    // Without a window of its own, a frame's window is its content.
    for size in [1_u64 << 24, 1 << 31, u64::MAX - 9] {
        let mut single = vec![0x28, 0xb5, 0x2f, 0xfd, 0xe0];
        single.extend(size.to_le_bytes());
        single.extend([1, 0, 0]);
        let package = with_member("zstd", &single);
        refused_when_applied(&package, "", &format!("a single segment of {size}"));
    }
}

#[test]
fn a_member_is_one_frame_and_nothing_more() {
    let good = frame(SYSTEM, |_| ());
    let (first, second) = SYSTEM.split_at(300);
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], b"skip"].concat();
    for (member, word, what) in [
        (vec![], "", "no bytes"),
        (good[..good.len() - 1].to_vec(), "", "cut"),
        ([&good[..], &[0]].concat(), "follow", "a byte behind"),
        (
            [&good[..], &[7; 300_000]].concat(),
            "follow",
            "more than a buffer behind",
        ),
        ([&good[..], &good].concat(), "follow", "twice"),
        (
            [&good[..], &skippable].concat(),
            "follow",
            "a skippable frame behind",
        ),
        (
            [&skippable[..], &good].concat(),
            "",
            "a skippable frame before",
        ),
        (
            [frame(first, |_| ()), frame(second, |_| ())].concat(),
            "",
            "in two frames",
        ),
        (
            [&good[..], &frame(b"", |_| ())].concat(),
            "follow",
            "an empty frame behind",
        ),
        (frame(&SYSTEM[1..], |_| ()), "", "a byte less"),
        (
            frame(&[SYSTEM, b"x"].concat(), |_| ()),
            "longer than its header",
            "a byte more",
        ),
        (SYSTEM.to_vec(), "", "no frame"),
    ] {
        refused_when_applied(&with_member("zstd", &member), word, what);
    }
    for (member, what) in [
        (&SYSTEM[1..], "shorter"),
        (&[SYSTEM, b"x"].concat()[..], "longer"),
    ] {
        refused(&with_member("plain", member), "its header says", what);
    }
    let other = [&SYSTEM[1..], b"x"].concat();
    refused_when_applied(
        &with_member("plain", &other),
        "",
        "another image of the same size",
    );
}

#[test]
fn c16_gzip_within_gzip_is_an_image_like_any_other() {
    let mut nested = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    nested.extend(deflated(SYSTEM));
    let word = "its header says";
    refused(&with_member("plain", &nested), word, "an image in gzip");
    refused_when_applied(
        &with_member("zstd", &nested),
        "Unknown frame",
        "gzip for zstd",
    );
    let twice = deflated(&nested);
    refused(
        &seal(header(SYSTEM, BOOT), &twice),
        "",
        "a tar in gzip in gzip",
    );
    // As an image it is written, not unpacked.
    let manifest = manifest(
        ("system.img", "plain", nested.len() as u64),
        ("boot.img", "plain", 512),
    );
    let tar = Tar::default()
        .file("MANIFEST", &manifest)
        .file("system.img", &nested);
    let package = seal(
        header(&nested, BOOT),
        &deflated(&tar.file("boot.img", BOOT).end()),
    );
    let slot = judge(&mut &package[..]).unwrap();
    assert_eq!(held(&*slot.system, nested.len()), nested);
}

fn base_image() -> Vec<u8> {
    [&SYSTEM[..400], &[b'o'; 200]].concat()
}

/// A slot that holds a base's images, and other bytes behind them.
fn base() -> Devices {
    let mut base = empty_slot();
    for (device, image) in [
        (&mut base.system, &base_image()[..]),
        (&mut base.boot, BOOT),
    ] {
        device
            .write_at(Bytes::ZERO, &[image, &[b'!'; 512]].concat())
            .unwrap();
    }
    base
}

fn delta_package(stream: &[u8]) -> Vec<u8> {
    let mut header = header(SYSTEM, BOOT);
    header.base = Some(Base {
        version: "1.2.2.0".parse().unwrap(),
        system: digest(&base_image()),
        boot: digest(BOOT),
    });
    seal(header, &deflated(&tar("delta", &frame(stream, |_| ()))))
}

#[test]
fn differences_are_applied_to_the_base_they_name() {
    let mut stream = Vec::new();
    delta::encode(&base_image(), SYSTEM, &mut stream).unwrap();
    let by_hand = [copy(0, 400), data(&SYSTEM[..299]), copy(399, 1), vec![0]].concat();
    for stream in [stream, by_hand] {
        let mut slot = empty_slot();
        apply(&mut &delta_package(&stream)[..], Some(&base()), &mut slot).unwrap();
        assert_eq!(held(&*slot.system, SYSTEM.len()), SYSTEM);
    }
}

#[test]
fn differences_that_lie_are_refused() {
    let rest = |length: usize| data(&vec![b's'; length]);
    for (stream, word, what) in [
        ([copy(0, 400), rest(300)].concat(), "", "without an end"),
        (
            [copy(0, 400), rest(300), vec![0, 0]].concat(),
            "follow",
            "bytes behind its end",
        ),
        (
            [copy(0, 400), rest(299), vec![0]].concat(),
            "",
            "a byte less",
        ),
        (
            [copy(0, 400), rest(301), vec![0]].concat(),
            "longer",
            "a byte more",
        ),
        (
            [copy(0, 0), copy(0, 400), rest(300), vec![0]].concat(),
            "no bytes",
            "an empty copy",
        ),
        (
            [copy(0, 400), data(b""), rest(300), vec![0]].concat(),
            "no bytes",
            "empty data",
        ),
        (
            [copy(0, 400), vec![3]].concat(),
            "hold a 3",
            "an unknown operation",
        ),
        (
            [copy(0, 400), vec![2, 44, 1, 0]].concat(),
            "",
            "cut in a length",
        ),
        // Behind the base's image lie bytes of the partition that nobody signed.
        (
            [copy(0, 601), rest(99), vec![0]].concat(),
            "outside",
            "over the end of the base",
        ),
        (
            [copy(600, 1), rest(699), vec![0]].concat(),
            "outside",
            "behind the base",
        ),
        (
            [copy(u64::MAX, 1), rest(699), vec![0]].concat(),
            "outside",
            "far outside",
        ),
        (
            [copy(u64::MAX - 5, 700), vec![0]].concat(),
            "outside",
            "over the end of numbers",
        ),
        (
            [copy(0, u32::MAX), vec![0]].concat(),
            "outside",
            "4 GiB of the base",
        ),
    ] {
        let mut slot = empty_slot();
        match apply(&mut &delta_package(&stream)[..], Some(&base()), &mut slot) {
            Ok(_) => panic!("{what}: accepted"),
            Err(error) => assert!(error.to_string().contains(word), "{what}: {error}"),
        }
    }
}

#[test]
fn differences_need_a_base_in_the_header_and_on_the_machine() {
    let stream = [copy(0, 400), data(&SYSTEM[..300]), vec![0]].concat();
    // The header names none: verified or applied, whatever base the caller may hold.
    let unnamed = with_member("delta", &frame(&stream, |_| ()));
    refused(&unnamed, "without a base", "no base in the header");
    let held_anyway = apply(&mut &unnamed[..], Some(&base()), &mut empty_slot());
    assert!(held_anyway.is_err_and(|error| error.to_string().contains("without a base")));
    // The machine has another one.
    let other = Devices {
        system: Box::new(MemoryDevice::from_bytes(&[b'o'; 600], SectorSize::S512)),
        ..base()
    };
    let error = apply(
        &mut &delta_package(&stream)[..],
        Some(&other),
        &mut empty_slot(),
    );
    assert!(error.is_err_and(|error| error.to_string().contains("use the full package")));
    refused_when_applied(&delta_package(&stream), "without a base", "no base at hand");
    // A full package needs none.
    apply(&mut &good()[..], Some(&base()), &mut empty_slot()).unwrap();
}
