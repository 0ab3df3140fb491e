//! The body: deflate, its trailer, and the tar in it.

use std::io::Read;

use flate2::Crc;
use vigie_update::package::PackageError;
use vigie_update::package::body::walk;

use crate::engine::{Answer, run};

const WORDS: [&[u8]; 18] = [
    b"MANIFEST",
    b"system.img",
    b"boot.img",
    b"ustar\x0000",
    b"ustar  \0",
    b"00000000000\0",
    b"77777777777\0",
    b"\x80\0\0\0\0\0\0\x02\0\0\0\0",
    b"../",
    b"/",
    b"././@LongLink",
    b"L",
    b"x",
    b"2",
    b"30 path=system.imgxxxxxxxxxxxxxx\n",
    &[0; 512],
    &[0; 1024],
    b"\"size\": 5",
];
const BLOCK: usize = 512;

/// A body of one stored block after the other.
fn stored(tar: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut blocks = tar.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let length = block.len() as u16;
        body.push(u8::from(blocks.peek().is_none()));
        body.extend(length.to_le_bytes());
        body.extend((!length).to_le_bytes());
        body.extend(block);
    }
    let mut crc = Crc::new();
    crc.update(tar);
    body.extend(crc.sum().to_le_bytes());
    body.extend(crc.amount().to_le_bytes());
    body
}

/// Makes the checksum of everything that may be a head right.
fn repaired(tar: &[u8]) -> Vec<u8> {
    let mut tar = tar.to_vec();
    for block in tar
        .chunks_exact_mut(BLOCK)
        .filter(|block| block[257..262] == *b"ustar")
    {
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:07o}\0").as_bytes());
    }
    tar
}

/// Name and size of every member that was handed out, MANIFEST left out.
type Seen = Vec<(String, u64)>;

fn read(body: &[u8]) -> Result<Seen, PackageError> {
    let mut seen = Seen::new();
    let manifest = walk(body, |manifest, index, member| {
        let size = std::io::copy(member, &mut std::io::sink());
        let size =
            size.map_err(|error| PackageError::Content(vigie_settings::Said::same(error)))?;
        seen.push((manifest.members[index].name.clone(), size));
        Ok(())
    })?;
    let expected = manifest
        .members
        .iter()
        .map(|member| (member.name.clone(), member.size.get()));
    assert_eq!(seen, expected.collect::<Seen>());
    Ok(seen)
}

/// What the tar crate lists when it believes every extension that there is.
fn listed(tar: &[u8]) -> Seen {
    let mut archive = tar::Archive::new(tar);
    let entries = archive.entries().unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            (
                entry.path().unwrap().to_str().unwrap().to_owned(),
                entry.size(),
            )
        })
        .collect()
}

/// The table of FORMAT.md, as plainly as it can be said.
fn in_form(head: &[u8], name: &str, size: u64) -> bool {
    let padded = |text: &[u8], length| [text, &vec![0; length - text.len()]].concat();
    let sum: u64 = head.iter().map(|byte| u64::from(*byte)).sum();
    let digits: u64 = head[148..156].iter().map(|byte| u64::from(*byte)).sum();
    head[..100] == padded(name.as_bytes(), 100)
        && (head[124..136] == *format!("{size:011o}\0").as_bytes() || size >= 8 << 30)
        && head[148..156] == *format!("{:07o}\0", sum - digits + 8 * 32).as_bytes()
        && head[156] == b'0'
        && head[157..257] == [0; 100]
        && head[257..265] == *b"ustar\x0000"
        && head[345..] == [0; 167]
}

/// The first byte says whether checksums are made right first: without that few inputs get far.
/// What is accepted is listed alike by a reader that believes more.
fn fuzz_tar(bytes: &[u8]) -> Answer {
    let Some((repair, tar)) = bytes.split_first() else {
        return Err("empty".to_owned());
    };
    let tar = if repair & 1 == 0 {
        tar.to_vec()
    } else {
        repaired(tar)
    };
    let seen = read(&stored(&tar)).map_err(|error| error.to_string())?;
    assert_eq!(listed(&tar)[1..], seen);
    let mut at = 0;
    for (name, size) in listed(&tar) {
        assert!(in_form(&tar[at..at + BLOCK], &name, size), "{name:?}");
        at += BLOCK + size.next_multiple_of(BLOCK as u64) as usize;
    }
    assert_eq!(tar[at..], [0; 2 * BLOCK]);
    Ok(String::new())
}

/// Any bytes as deflate. What is accepted has no byte too many.
fn fuzz_body(bytes: &[u8]) -> Answer {
    read(bytes).map_err(|error| error.to_string())?;
    assert!(read(&bytes[..bytes.len() - 1]).is_err());
    assert!(read(&[bytes, b"x"].concat()).is_err());
    let mut content = Vec::new();
    flate2::read::DeflateDecoder::new(bytes)
        .read_to_end(&mut content)
        .unwrap();
    assert!(read(&stored(&content)).is_ok());
    Ok(String::new())
}

#[test]
fn fuzz_tar_walk() {
    run("tar", &WORDS, fuzz_tar);
}

#[test]
fn fuzz_body_stream() {
    run("body", &[], fuzz_body);
}
