//! C.B: numbers, checksums and the end of a tar; and that other readers list the same.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::craft::{
    BOOT, Head, SYSTEM, Tar, around, deflated, good, good_entries, header, plain_manifest, seal,
};
use crate::judge::{accepted, refused};

fn with_size(size: &[u8]) -> Vec<u8> {
    let head = Head::new("system.img", 0)
        .with(124, &[0; 12])
        .with(124, size);
    let begun = Tar::default().file("MANIFEST", &plain_manifest());
    around(&begun.entry(head, SYSTEM).file("boot.img", BOOT).end())
}

#[test]
fn c25_sizes_have_one_spelling() {
    assert_eq!(SYSTEM.len(), 0o1274);
    accepted(&with_size(b"00000001274\0"), "as it must be");
    for (size, what) in [
        (&b"00000001274 "[..], "a space at its end"),
        (b"000000001274", "no end"),
        (b"1274\0", "no leading zeros"),
        (b"       1274\0", "leading spaces"),
        (b"+0000001274\0", "a plus"),
        (b"1274\0\0\0\0\0\0\0x", "bytes behind its end"),
        (
            b"\x80\0\0\0\0\0\0\0\0\0\x02\xbc",
            "base 256 of a small number",
        ),
        // Only the low 64 bits are the size; a reader that takes all has another one.
        (
            b"\x80\0\0\x01\0\0\0\0\0\0\x02\xbc",
            "base 256 of more than 64 bits",
        ),
        (b"\xff\0\0\0\0\0\0\0\0\0\x02\xbc", "base 256, negative"),
        (b"\xc3\xa9\0", "no ASCII"),
    ] {
        refused(&with_size(size), "one form", what);
    }
    for (size, what) in [
        (&b"-0000001274\0"[..], "minus"),
        (b"00000001284\0", "an 8"),
        (b"0x000001274\0", "hexadecimal"),
        (b"garbage", "garbage"),
        (b"\0", "nothing"),
        (b"           \0", "spaces"),
        (b"0000000 274\0", "a space within"),
        (b"\x7f\xff", "no UTF-8"),
    ] {
        refused(&with_size(size), "its tar: ", what);
    }
    for (size, what) in [
        (&b"77777777777\0"[..], "8 GiB less 1"),
        (
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            "minus 1",
        ),
        (
            b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
            "the largest of 64 bits",
        ),
        (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", "2^63"),
        (b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", "2^63 less 1"),
    ] {
        refused(&with_size(size), "", what);
    }
}

#[test]
fn c26_checksums_are_right_and_have_one_spelling() {
    let good = Head::new("system.img", 700).summed();
    let begun = || Tar::default().file("MANIFEST", &plain_manifest());
    let with_sum = |sum: &[u8]| {
        let mut head = good;
        head[148..156].copy_from_slice(sum);
        let tar = begun()
            .raw(&head)
            .raw(SYSTEM)
            .raw(&[0; 324])
            .file("boot.img", BOOT);
        around(&tar.end())
    };
    let digits = std::str::from_utf8(&good[148..155]).unwrap();
    let sum = u32::from_str_radix(digits, 8).unwrap();
    accepted(
        &with_sum(format!("{sum:07o}\0").as_bytes()),
        "as it must be",
    );
    for other in [sum - 1, sum + 1, sum + (1 << 20)] {
        refused(
            &with_sum(format!("{other:07o}\0").as_bytes()),
            "checksum",
            "wrong",
        );
    }
    for text in [
        format!("{sum:06o}\0 "),
        format!("{sum:08o}"),
        format!("{sum:7o}\0"),
        format!("+{sum:06o}\0"),
    ] {
        refused(&with_sum(text.as_bytes()), "one form", &text);
    }
    for text in ["       \0", "garbage!", "\0\0\0\0\0\0\0\0", "-000001\0"] {
        refused(&with_sum(text.as_bytes()), "its tar: ", text);
    }
    // Signed bytes, as some old tars counted them.
    let mut signed = good;
    signed[265] = 0xff;
    let tar = begun()
        .raw(&signed)
        .raw(SYSTEM)
        .raw(&[0; 324])
        .file("boot.img", BOOT);
    refused(&around(&tar.end()), "checksum", "another byte");
}

#[test]
fn c27_a_tar_ends_with_two_blocks_of_zeros_and_no_more() {
    let tar = good_entries().0;
    let end = |tail: &[u8]| around(&[&tar[..], tail].concat());
    accepted(&end(&[0; 1024]), "two blocks");
    for length in [0, 512] {
        let word = "does not end with two blocks of zeros";
        refused(&end(&vec![0; length]), word, &format!("{length} zeros"));
    }
    for length in [1, 511] {
        refused(
            &end(&vec![0; length]),
            "its tar: ",
            &format!("{length} zeros"),
        );
    }
    for length in [513, 1023] {
        refused(
            &end(&vec![0; length]),
            "does not end",
            &format!("{length} zeros"),
        );
    }
    for length in [1025, 1536, 10_240, 1 << 20] {
        refused(
            &end(&vec![0; length]),
            "bytes follow the end of its tar",
            &format!("{length} zeros"),
        );
    }
    let more = Tar::default().file("system.img", b"other").end();
    for (tail, what) in [
        ([&[0; 512][..], &more].concat(), "after one block"),
        ([&[0; 1024][..], &more].concat(), "after two blocks"),
        (
            [&[0; 512][..], &[1; 512]].concat(),
            "a second block of ones",
        ),
    ] {
        let package = end(&tail);
        let at_end = ["bytes follow the end", "does not end with two"];
        let error = crate::judge::verify(&package).unwrap_err().to_string();
        assert!(
            at_end.iter().any(|word| error.contains(word)),
            "{what}: {error}"
        );
        refused(&package, "its tar", what);
    }
    // Padding of a member that is cut off.
    let cut = Tar::default()
        .file("MANIFEST", &plain_manifest())
        .file("system.img", SYSTEM);
    let cut = cut
        .raw(&Head::new("boot.img", 512).summed())
        .raw(&BOOT[..500]);
    refused(&around(&cut.0), "", "cut in a member");
}

#[test]
fn c27_a_wrong_trailer_is_refused() {
    let body = deflated(&good_entries().end());
    for at in body.len() - 8..body.len() {
        let mut wrong = body.clone();
        wrong[at] ^= 0x10;
        refused(
            &seal(header(SYSTEM, BOOT), &wrong),
            "gzip trailer is wrong",
            "changed",
        );
    }
    for length in body.len() - 8..body.len() {
        let short = seal(header(SYSTEM, BOOT), &body[..length]);
        refused(&short, "the end of its gzip stream", "short");
    }
}

/// The host's GNU tar, fed with `bytes`: what it lists, or nothing where it finds fault.
fn listed(bytes: &[u8]) -> Option<Vec<String>> {
    let mut tar = Command::new("tar")
        .args([
            "--list",
            "--verbose",
            "--numeric-owner",
            "--gzip",
            "--file=-",
        ])
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = tar.stdin.take().unwrap();
    // It may stop reading before the end.
    let _ = input.write_all(bytes);
    drop(input);
    let output = tar.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let fine = output.status.success() && output.stderr.is_empty();
    fine.then(|| text.lines().map(str::to_owned).collect())
}

#[test]
fn c31_gnu_tar_lists_what_we_read() {
    let installed = Command::new("tar").arg("--version").output();
    if !installed.is_ok_and(|output| output.stdout.starts_with(b"tar (GNU tar)")) {
        println!("skipped: no GNU tar here");
        return;
    }
    let lines = listed(&good()).unwrap();
    let found: Vec<(&str, &str, &str)> = lines
        .iter()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            (words[0], words[2], words[5])
        })
        .collect();
    let size = plain_manifest().len().to_string();
    let expected = [
        ("-rw-r--r--", &size[..], "MANIFEST"),
        ("-rw-r--r--", "700", "system.img"),
        ("-rw-r--r--", "512", "boot.img"),
    ];
    assert_eq!(found, expected);
}

/// Whatever single byte of a head is changed, its checksum made good again: where we accept, GNU
/// tar lists the same names and sizes.
#[test]
fn c31_changed_heads_are_refused_or_mean_the_same_to_gnu_tar() {
    let good = Head::new("system.img", 700);
    let names = |lines: Vec<String>| -> Vec<(String, String)> {
        let words = lines
            .iter()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        words
            .map(|words| (words[2].to_owned(), words[words.len() - 1].to_owned()))
            .collect()
    };
    let gnu = Command::new("tar").arg("--version").output();
    let gnu = gnu.is_ok_and(|output| output.stdout.starts_with(b"tar (GNU tar)"));
    let expected = gnu.then(|| names(listed(&crate::craft::good()).unwrap()));
    let mut accepted = Vec::new();
    for at in (0..512).filter(|at| !(148..156).contains(at)) {
        for byte in [0, b'/', b'7', 0x80, 0xff] {
            if good.0[at] == byte {
                continue;
            }
            let head = good.clone().with(at, &[byte]);
            let tar = Tar::default()
                .file("MANIFEST", &plain_manifest())
                .entry(head, SYSTEM);
            let package = around(&tar.file("boot.img", BOOT).end());
            if crate::judge::verify(&package).is_ok() {
                accepted.push(at);
                // Numbers of owners may be garbage to it, but no other file comes of that.
                if let (Some(expected), true) = (&expected, at % 4 == 0)
                    && let Some(found) = listed(&package)
                {
                    assert_eq!(names(found), *expected, "byte {at} as {byte:#x}");
                }
            }
        }
    }
    let ignored =
        |at: &usize| (100..124).contains(at) || (136..148).contains(at) || (265..345).contains(at);
    assert!(accepted.iter().all(ignored), "{accepted:?}");
    assert!(accepted.len() > 400, "{}", accepted.len());
}
