//! Every vector: its name, what is in it, and what readers must say of it.

use ed25519_dalek::Signer;
use vigie_update::package::MAGIC;
use vigie_update::package::envelope::{Envelope, SignatureLine};
use vigie_update::package::signature::sign;

use super::packages::{
    around, based, body, delta_package, frame, frame_of_window, good, malleable, signed_by,
    small_order, with_head, with_manifest, with_text, zstd_package,
};
use super::{Vector, Verdict};
use crate::craft::{
    BOOT, CHUNK, Head, SYSTEM, Tar, copy, data, digest, good_entries, header, key, manifest,
    plain_manifest, seal, seal_by, stored,
};

pub fn vectors() -> Vec<Vector> {
    let mut all = good_vectors();
    all.extend(bad_envelopes());
    all.extend(bad_headers());
    all.extend(bad_bodies());
    all.extend(bad_tars());
    all.extend(bad_members());
    all
}

/// All three readers say the same.
fn alike(verdict: Verdict) -> impl Fn((&'static str, Vec<u8>)) -> Vector {
    move |(name, bytes)| Vector {
        name,
        keys: "one",
        verdicts: [verdict; 3],
        bytes,
    }
}

fn good_vectors() -> Vec<Vector> {
    let delta = [copy(0, 400), data(&SYSTEM[400..]), vec![0]];
    let optional = "x-note of a later maker\nbody";
    let mut vectors: Vec<Vector> = [
        ("full", good()),
        ("zstd", zstd_package(&frame(SYSTEM))),
        ("delta", delta_package(based(SYSTEM), &delta)),
        ("optional-line", with_text("body", optional)),
        (
            "unknown-key-beside",
            seal_by(&[9, 1], header(SYSTEM, BOOT), &body()),
        ),
        ("chunks-of-4-mib", {
            let mut header = header(SYSTEM, BOOT);
            header.chunk = 4 * CHUNK as u32;
            seal(header, &body())
        }),
        (
            "odd-owner",
            with_head(
                Head::new("system.img", 700)
                    .with(100, b"0004777\0")
                    .with(136, &[0xff; 12])
                    .with(265, b"root"),
            ),
        ),
    ]
    .into_iter()
    .map(alike(Verdict::Good))
    .collect();
    vectors.push(Vector {
        keys: "two",
        ..alike(Verdict::Good)((
            "two-signatures",
            seal_by(&[1, 2], header(SYSTEM, BOOT), &body()),
        ))
    });
    vectors
}

fn bad_envelopes() -> Vec<Vector> {
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    gzip.extend(body());
    let mut flagged = good();
    flagged[3] |= 0x08;
    let nine: Vec<SignatureLine> = (0..9).map(|_| sign(&key(1), b"x\n")).collect();
    let endless = [&good()[..10], MAGIC.as_bytes(), &[b'a'; 60_000]].concat();
    let mut other = good();
    other[10 + 14] = b'2';
    let mut accent = good();
    accent[200] = 0xe9;
    let flip = |signed: &[u8]| {
        let mut line = sign(&key(1), signed);
        line.bytes[7] ^= 1;
        vec![line]
    };
    let without_domain = |signed: &[u8]| {
        let bytes = key(1).sign(signed).to_bytes();
        vec![SignatureLine {
            bytes,
            ..sign(&key(1), signed)
        }]
    };
    let foreign = [
        ("empty", Vec::new()),
        ("gzip-of-the-same-tar", gzip),
        ("gzip-with-a-name", flagged),
        ("format-2", other),
        ("not-ascii", accent),
        ("nine-signatures", Envelope::encode(&nine, b"x\n")),
        ("endless-header", endless),
        ("cut-in-header", good()[..300].to_vec()),
    ];
    let untrusted = [
        ("unsigned", signed_by(|_| Vec::new())),
        ("foreign-key", seal_by(&[9], header(SYSTEM, BOOT), &body())),
        ("wrong-signature", signed_by(flip)),
        ("signature-without-domain", signed_by(without_domain)),
        (
            "signature-not-canonical",
            signed_by(|signed| vec![malleable(signed)]),
        ),
        (
            "signature-of-small-order",
            signed_by(|signed| vec![small_order(signed)]),
        ),
    ];
    let by = |seeds: &[u8]| seal_by(seeds, header(SYSTEM, BOOT), &body());
    let mut vectors: Vec<Vector> = foreign.into_iter().map(alike(Verdict::Foreign)).collect();
    vectors.extend(untrusted.into_iter().map(alike(Verdict::Untrusted)));
    for (keys, name, seeds) in [
        ("two", "one-of-two-signatures", &[1][..]),
        ("two", "one-key-twice", &[1, 1]),
        ("revoked", "revoked-key", &[2]),
    ] {
        let vector = alike(Verdict::Untrusted)((name, by(seeds)));
        vectors.push(Vector { keys, ..vector });
    }
    vectors
}

fn bad_headers() -> Vec<Vector> {
    let header = [
        ("line-unknown", with_text("body", "needs-licence 4\nbody")),
        ("line-missing", with_text("security-epoch 1\n", "")),
        (
            "lines-swapped",
            with_text("product vigie\narch amd64\n", "arch amd64\nproduct vigie\n"),
        ),
        (
            "version-with-zero",
            with_text("version 1.2.3.0", "version 1.02.3.0"),
        ),
        (
            "number-too-large",
            with_text("security-epoch 1", "security-epoch 4294967296"),
        ),
        ("chunk-size", with_text("chunk 1048576", "chunk 2097152")),
        ("digest-in-capitals", with_text("boot 512 ", "boot 512 AB")),
        (
            "line-end-of-dos",
            with_text("product vigie\n", "product vigie\r\n"),
        ),
    ];
    let mut vectors: Vec<Vector> = header.into_iter().map(alike(Verdict::Header)).collect();
    let more = with_text("body ", "body 9999");
    vectors.push(alike(Verdict::Content)(("chunks-too-few", more)));
    vectors
}

fn bad_bodies() -> Vec<Vector> {
    let good = good();
    let mut damaged = good.clone();
    damaged[good.len() - 700] ^= 0x20;
    let mut member = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    member.extend(stored(b"more", 0));
    let signed = seal(header(SYSTEM, BOOT), &[&body()[..], &member].concat());
    let mut trailer = body();
    let at = trailer.len() - 6;
    trailer[at] ^= 1;
    [
        (Verdict::Chunk, "chunk-damaged", damaged),
        (
            Verdict::Short,
            "cut-in-body",
            good[..good.len() - 1].to_vec(),
        ),
        (
            Verdict::Trailing,
            "byte-behind",
            [&good[..], b"\n"].concat(),
        ),
        (
            Verdict::Trailing,
            "two-packages",
            [&good[..], &good].concat(),
        ),
        (Verdict::Content, "two-gzip-members", signed),
        (
            Verdict::Content,
            "gzip-trailer",
            seal(header(SYSTEM, BOOT), &trailer),
        ),
    ]
    .into_iter()
    .map(|(verdict, name, bytes)| alike(verdict)((name, bytes)))
    .collect()
}

fn bad_tars() -> Vec<Vector> {
    let begun = || Tar::default().file("MANIFEST", &plain_manifest());
    let (system, boot) = (("system.img", SYSTEM), ("boot.img", BOOT));
    let of = |entries: &[(&str, &[u8])]| {
        let tar = entries
            .iter()
            .fold(begun(), |tar, (name, bytes)| tar.file(name, bytes));
        around(&tar.end())
    };
    let head = || Head::new("system.img", 700);
    let pax = begun().entry(
        Head::new("PaxHeader", 30).of_type(b'x'),
        b"30 path=somewhere/else/system\n",
    );
    let pax = pax.file("system.img", SYSTEM).file("boot.img", BOOT);
    [
        (
            "symbolic-link",
            with_head(
                Head::new("system.img", 0)
                    .of_type(b'2')
                    .with(157, b"/dev/sda"),
            ),
        ),
        ("type-nul", with_head(head().of_type(0))),
        ("pax-header", around(&pax.end())),
        ("entry-extra", of(&[system, boot, ("extra", b"x")])),
        ("entry-missing", of(&[system])),
        ("entries-swapped", of(&[boot, system])),
        ("name-traversal", of(&[("../system.img", SYSTEM), boot])),
        ("name-prefix", with_head(head().with(345, b".."))),
        ("head-of-gnu", with_head(head().with(257, b"ustar  \0"))),
        (
            "size-of-manifest",
            of(&[("system.img", &SYSTEM[..699]), boot]),
        ),
        (
            "size-in-base-256",
            with_head(head().with(124, b"\x80\0\0\0\0\0\0\0\0\0\x02\xbc")),
        ),
        (
            "size-negative",
            with_head(head().with(124, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")),
        ),
        ("checksum", {
            let mut head = head().summed();
            head[154] ^= 1;
            let tar = begun().raw(&head).raw(SYSTEM).raw(&[0; 324]);
            around(&tar.file("boot.img", BOOT).end())
        }),
        ("end-missing", around(&good_entries().0)),
        ("end-of-one-block", around(&good_entries().raw(&[0; 512]).0)),
        (
            "end-of-three-blocks",
            around(&good_entries().raw(&[0; 1536]).0),
        ),
        (
            "manifest-field-twice",
            with_manifest("\"format\": 1", "\"format\": 1,\n  \"format\": 1"),
        ),
        (
            "manifest-field-unknown",
            with_manifest("\"format\": 1", "\"format\": 1,\n  \"script\": \"x\""),
        ),
        (
            "manifest-format-true",
            with_manifest("\"format\": 1", "\"format\": true"),
        ),
        (
            "manifest-size-of-float",
            with_manifest("\"size\": 700", "\"size\": 700.0"),
        ),
        (
            "manifest-spaces",
            with_manifest("\"format\": 1", "\"format\" : 1"),
        ),
        (
            "manifest-path",
            with_manifest("system.img", "../system.img"),
        ),
    ]
    .into_iter()
    .map(alike(Verdict::Content))
    .collect()
}

fn bad_members() -> Vec<Vector> {
    let (good, content, image) = (Verdict::Good, Verdict::Content, Verdict::Image);
    let other = [&SYSTEM[1..], b"x"].concat();
    let other_tar = |name: &str, encoding: &str, member: &[u8]| {
        let sizes = manifest(
            (name, encoding, member.len() as u64),
            ("boot.img", "plain", BOOT.len() as u64),
        );
        let tar = Tar::default().file("MANIFEST", &sizes);
        around(&tar.file(name, member).file("boot.img", BOOT).end())
    };
    let rest = || data(&SYSTEM[400..]);
    let mut elsewhere = based(SYSTEM);
    if let Some(base) = &mut elsewhere.base {
        base.system = digest(b"another image");
    }
    let delta = |operations: &[Vec<u8>]| delta_package(based(SYSTEM), operations);
    let unnamed = [copy(0, 400), rest(), vec![0]];
    [
        (
            "plain-shorter",
            [content; 3],
            other_tar("system.img", "plain", &SYSTEM[1..]),
        ),
        (
            "plain-other",
            [good, image, image],
            other_tar("system.img", "plain", &other),
        ),
        (
            "zstd-other",
            [good, good, image],
            zstd_package(&frame(&other)),
        ),
        (
            "zstd-longer",
            [good, good, content],
            zstd_package(&frame(&[SYSTEM, b"x"].concat())),
        ),
        (
            "zstd-byte-behind",
            [good, good, content],
            zstd_package(&[&frame(SYSTEM)[..], b"x"].concat()),
        ),
        (
            "zstd-two-frames",
            [good, good, content],
            zstd_package(&[frame(&SYSTEM[..9]), frame(&SYSTEM[9..])].concat()),
        ),
        (
            "zstd-window",
            [good, good, content],
            zstd_package(&frame_of_window(24 - 10, SYSTEM)),
        ),
        (
            "delta-without-base",
            [content; 3],
            delta_package(header(SYSTEM, BOOT), &unnamed),
        ),
        (
            "delta-on-other-base",
            [good, good, Verdict::Base],
            delta_package(elsewhere, &unnamed),
        ),
        (
            "delta-outside",
            [good, good, content],
            delta(&[copy(300, 400), data(&SYSTEM[..300]), vec![0]]),
        ),
        (
            "delta-empty-operation",
            [good, good, content],
            delta(&[copy(0, 400), copy(0, 0), rest(), vec![0]]),
        ),
        (
            "delta-unknown-operation",
            [good, good, content],
            delta(&[copy(0, 400), vec![3]]),
        ),
        (
            "delta-byte-behind",
            [good, good, content],
            delta(&[copy(0, 400), rest(), vec![0, 0]]),
        ),
    ]
    .into_iter()
    .map(|(name, verdicts, bytes)| Vector {
        name,
        keys: "one",
        verdicts,
        bytes,
    })
    .collect()
}
