//! C.A: sizes beyond 31, 32 and 33 bits, and bodies that unpack to far more than they say.

use std::io::BufReader;
use std::time::{Duration, Instant};

use vigie_disk::device::BlockDevice;
use vigie_disk::{Bytes, SectorSize};
use vigie_update::package::make::{Recipe, make};
use vigie_update::package::member::{Sink, Slots, read_back, unpack};
use vigie_update::package::{Header, ImageDigest, PackageError};

use crate::craft::{
    BOOT, Head, Long, SYSTEM, Tar, deflated, header, manifest, plain_manifest, seal,
};
use crate::judge::{Devices, begin, ring, verify};

const GIB: u64 = 1 << 30;
const MIB: usize = 1 << 20;

/// A device that keeps nothing, reads as zeros, and demands that it is written from its start to
/// where it is full with zeros alone.
struct Zeros {
    size: Bytes,
    written: u64,
}

impl BlockDevice for Zeros {
    fn name(&self) -> &str {
        "zeros"
    }

    fn size(&self) -> Bytes {
        self.size
    }

    fn sector_size(&self) -> SectorSize {
        SectorSize::S512
    }

    fn read_at(&self, offset: Bytes, buffer: &mut [u8]) -> vigie_disk::Result<()> {
        assert!(offset.get() + buffer.len() as u64 <= self.size.get());
        buffer.fill(0);
        Ok(())
    }

    fn write_at(&mut self, offset: Bytes, data: &[u8]) -> vigie_disk::Result<()> {
        assert_eq!(
            offset.get(),
            self.written,
            "a gap, or a place written twice"
        );
        self.written += data.len() as u64;
        for piece in data.chunks(MIB) {
            assert!(*piece == vec![0; piece.len()]);
        }
        Ok(())
    }

    fn flush(&mut self) -> vigie_disk::Result<()> {
        assert_eq!(self.written, self.size.get(), "not all was written");
        Ok(())
    }
}

/// A slot of exactly these sizes.
fn slot(system: u64, boot: u64) -> Devices {
    let device = |size| {
        Box::new(Zeros {
            size: Bytes::new(size),
            written: 0,
        })
    };
    Slots {
        system: device(system),
        boot: device(boot),
    }
}

/// The boot image of these packages: zeros as well.
const SMALL: [u8; 512] = [0; 512];

/// A zstd frame of zeros, written by hand: each 128 KiB are a byte that is repeated (RFC 8878,
/// section 3.1.1.2).
fn zero_frame(length: u64) -> Vec<u8> {
    const BLOCK: u64 = 128 << 10;
    let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, (17 - 10) << 3];
    let mut left = length;
    while left > 0 {
        let step = left.min(BLOCK);
        left -= step;
        let head = u32::from(left == 0) | 1 << 1 | (step as u32) << 3;
        frame.extend(&head.to_le_bytes()[..3]);
        frame.push(0);
    }
    frame
}

fn sized(length: u64, sha256: [u8; 32]) -> Header {
    let mut header = header(SYSTEM, &SMALL);
    header.system = ImageDigest {
        size: Bytes::new(length),
        sha256,
    };
    header
}

/// Unpacks without reading back.
fn unpacked(package: &[u8], slot: &mut Devices) -> Result<Header, PackageError> {
    let mut input = BufReader::new(package);
    let header = begin(&ring(), &mut input)?;
    let mut last = Bytes::ZERO;
    unpack(&header, &mut input, None, Sink::Slot(slot), &mut |done| {
        assert!(done >= last && done <= header.total());
        last = done;
    })?;
    assert_eq!(last, header.total());
    Ok(header)
}

/// A system image of so many zeros, by zstd.
fn zeros_by_zstd(header: Header, zeros: u64) -> Vec<u8> {
    let frame = zero_frame(zeros);
    let sizes = manifest(
        ("system.img.zst", "zstd", frame.len() as u64),
        ("boot.img", "plain", SMALL.len() as u64),
    );
    let tar = Tar::default()
        .file("MANIFEST", &sizes)
        .file("system.img.zst", &frame)
        .file("boot.img", &SMALL);
    seal(header, &deflated(&tar.end()))
}

#[test]
fn c13_c14_images_of_more_than_31_and_32_bits_arrive_whole() {
    for length in [2 * GIB - 1, 2 * GIB, 4 * GIB - 1, 4 * GIB] {
        let package = zeros_by_zstd(sized(length, [0; 32]), length);
        // The slot has exactly this size, and its flush demands all of it.
        let mut slot = slot(length, 512);
        unpacked(&package, &mut slot).unwrap();
        slot.system.flush().unwrap();
        slot.boot.flush().unwrap();
    }
}

#[test]
fn c13_every_byte_of_an_image_of_more_than_4_gib_is_hashed() {
    // head -c 4294967297 /dev/zero | sha256sum
    const DIGEST: &str = "fbb82f7b353676bb562eb82157fcf0ea42c36492ca13ee56dbf82c08b6802c5c";
    let mut sha256 = [0; 32];
    hex::decode_to_slice(DIGEST, &mut sha256).unwrap();
    let length = 4 * GIB + 1;
    let package = zeros_by_zstd(sized(length, sha256), length);
    let mut slot = slot(length, 512);
    let header = unpacked(&package, &mut slot).unwrap();
    read_back(&header, &mut slot, None, &mut |_| {}).unwrap();
}

#[test]
fn c13_a_plain_member_of_8_gib_has_its_size_in_base_256() {
    let length = 8 * GIB;
    let sizes = manifest(("system.img", "plain", length), ("boot.img", "plain", 512));
    let mut size = [0; 12];
    size[0] = 0x80;
    size[4..].copy_from_slice(&length.to_be_bytes());
    let head = Head::new("system.img", 0).with(124, &size).summed();
    let begun = Tar::default().file("MANIFEST", &sizes).raw(&head);
    let ended = Tar::default().file("boot.img", &SMALL).end();
    let body = Long::new().bytes(&begun.0).zeros(length).bytes(&ended);
    let package = seal(sized(length, [0; 32]), &body.end());
    let mut slot = slot(length, 512);
    unpacked(&package, &mut slot).unwrap();
    slot.system.flush().unwrap();
}

#[test]
fn c13_a_slot_that_is_a_byte_too_small_is_not_written() {
    let length = 4 * GIB;
    let package = zeros_by_zstd(sized(length, [0; 32]), length);
    let error = unpacked(&package, &mut slot(length - 1, 512)).unwrap_err();
    assert!(error.to_string().contains("larger slot"), "{error}");
}

/// Each would take a minute and more if it were unpacked to its end.
#[test]
fn c15_bombs_are_refused_at_once() {
    let started = Instant::now();
    let hundred = 100 * GIB;
    let mut slot = slot(SYSTEM.len() as u64, 512);
    let mut refused = |package: &[u8], word: &str| {
        for error in [unpacked(package, &mut slot).err(), verify(package).err()] {
            let error = error.unwrap().to_string();
            assert!(error.contains(word), "{error}");
        }
        slot = self::slot(SYSTEM.len() as u64, 512);
    };
    let begun = |sizes: &[u8]| Tar::default().file("MANIFEST", sizes);
    let small = manifest(("system.img", "plain", 700), ("boot.img", "plain", 512));
    // The tar says how large it is, the manifest or the header another size.
    for (sizes, size, word) in [
        (&small, 100 * GIB, "its manifest says 700"),
        (
            &manifest(("system.img", "plain", hundred), ("boot.img", "plain", 512)),
            hundred,
            "its header says 700",
        ),
    ] {
        let mut field = [0; 12];
        field[0] = 0x80;
        field[4..].copy_from_slice(&size.to_be_bytes());
        let head = Head::new("system.img", 0).with(124, &field).summed();
        let body = Long::new()
            .bytes(&begun(sizes).raw(&head).0)
            .zeros(10 * GIB);
        refused(&seal(sized(700, [0; 32]), &body.end()), word);
    }
    // A manifest of 7 GiB.
    let head = Head::new("MANIFEST", 7 * GIB).summed();
    let body = Long::new().bytes(&head).zeros(7 * GIB).end();
    refused(&seal(sized(700, [0; 32]), &body), "larger than 1 MiB");
    // Zeros behind the end, and in place of everything.
    let whole = begun(&plain_manifest())
        .file("system.img", SYSTEM)
        .file("boot.img", BOOT);
    let body = Long::new().bytes(&whole.end()).zeros(10 * GIB).end();
    let package = seal(header(SYSTEM, BOOT), &body);
    let error = verify(&package).unwrap_err().to_string();
    assert!(error.contains("bytes follow the end of its tar"), "{error}");
    let body = Long::new().zeros(10 * GIB).end();
    refused(&seal(sized(700, [0; 32]), &body), "its tar is empty");
    // In a frame; whoever only verifies does not unpack it at all.
    let package = zeros_by_zstd(sized(700, [0; 32]), hundred);
    let error = unpacked(&package, &mut self::slot(700, 512))
        .unwrap_err()
        .to_string();
    assert!(error.contains("longer than its header says"), "{error}");
    verify(&package).unwrap();
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "{:?}",
        started.elapsed()
    );
}

/// Makes a package for machines of many kinds out of images that are not there.
fn for_hardware(kinds: usize) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (system, boot) = (folder.path().join("system"), folder.path().join("boot"));
    let header = header(&SMALL, &SMALL);
    let recipe = Recipe {
        product: header.product,
        arch: header.arch,
        hardware: (0..kinds)
            .map(|kind| format!("recorder-{kind:04}"))
            .collect(),
        version: header.version,
        min_from: header.min_from,
        security_epoch: header.security_epoch,
        build_time: header.build_time,
        changelog: Default::default(),
        system: &system,
        boot: &boot,
        base: None,
    };
    make(&recipe, folder.path()).unwrap_err().to_string()
}

#[test]
fn a_header_that_no_reader_takes_is_refused_before_the_images_are_opened() {
    let words = for_hardware(5000);
    assert!(
        words.contains("header") && words.contains("3148"),
        "{words}"
    );
    let words = for_hardware(100);
    assert!(!words.contains("header"), "{words}");
}
