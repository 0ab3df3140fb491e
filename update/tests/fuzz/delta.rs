//! Differences against a base.

use std::io::Read;

use vigie_disk::{Bytes, MemoryDevice, SectorSize};
use vigie_update::package::delta::Patched;

use crate::engine::{Answer, run};

const WORDS: [&[u8]; 6] = [
    &[0],
    &[1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0],
    &[
        1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0,
    ],
    &[2, 1, 0, 0, 0, b'x'],
    &[2, 0xff, 0xff, 0xff, 0xff],
    &[1, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
];
/// Length of the base's image; the device is larger.
const BASE: usize = 4096;

fn base_byte(at: usize) -> u8 {
    if at < BASE { (at * 7 / 3) as u8 } else { b'!' }
}

/// The table of FORMAT.md, as plainly as it can be said.
fn expected(mut stream: &[u8]) -> Option<Vec<u8>> {
    let base: Vec<u8> = (0..BASE).map(base_byte).collect();
    let mut image = Vec::new();
    loop {
        let (kind, rest) = stream.split_first()?;
        stream = rest;
        let mut number = |bytes: usize| {
            let (field, rest) = stream.split_at_checked(bytes)?;
            stream = rest;
            let mut whole = [0; 8];
            whole[..bytes].copy_from_slice(field);
            usize::try_from(u64::from_le_bytes(whole)).ok()
        };
        match kind {
            0 => return stream.is_empty().then_some(image),
            1 => {
                let (offset, length) = (number(8)?, number(4)?);
                let copied = base.get(offset..offset.checked_add(length)?)?;
                image.extend(Some(copied).filter(|copied| !copied.is_empty())?);
            }
            2 => {
                let length = number(4)?;
                let (data, rest) = stream.split_at_checked(length).filter(|_| length > 0)?;
                image.extend(data);
                stream = rest;
            }
            _ => return None,
        }
    }
}

fn fuzz(bytes: &[u8]) -> Answer {
    let content: Vec<u8> = (0..2 * BASE).map(base_byte).collect();
    let device = MemoryDevice::from_bytes(&content, SectorSize::S512);
    let mut image = Vec::new();
    let mut patched = Patched::new(bytes, &device, Bytes::new(BASE as u64));
    let result = patched.read_to_end(&mut image);
    match (result, expected(bytes)) {
        (Ok(_), Some(expected)) => assert!(image == expected),
        (Err(error), None) => return Err(error.to_string()),
        (result, expected) => panic!("{result:?}, but {:?}", expected.map(|image| image.len())),
    }
    Ok(String::new())
}

#[test]
fn fuzz_delta_stream() {
    run("delta", &WORDS, fuzz);
}
