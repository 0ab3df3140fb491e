//! Damage of a kind, the same for the same seed.

use std::ops::Range;

use crate::image::Image;
use crate::support::Random;

/// What is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Superblock,
    Groups,
    Inodes,
    Directories,
    Journal,
    Random,
}

impl Kind {
    pub const ALL: [Self; 6] = [
        Self::Superblock,
        Self::Groups,
        Self::Inodes,
        Self::Directories,
        Self::Journal,
        Self::Random,
    ];
}

/// Damages the bytes of an image; which of them were touched.
pub fn damage(image: &Image, bytes: &mut [u8], kind: Kind, seed: u64) -> Vec<Range<u64>> {
    let mut random = Random::new(seed ^ (kind as u64) << 32);
    let whole = 0..bytes.len() as u64;
    let parts: &[Range<u64>] = match kind {
        Kind::Superblock => std::slice::from_ref(&image.superblock),
        Kind::Groups => &image.groups,
        Kind::Inodes => &image.inodes,
        Kind::Directories => &image.directories,
        // What is in use of it lies at its beginning.
        Kind::Journal if seed % 2 == 1 => &image.journal[..8],
        Kind::Journal => &image.journal,
        Kind::Random => std::slice::from_ref(&whole),
    };
    let most = if kind == Kind::Random { 40 } else { 8 };
    let times = 1 + random.below(most);
    (0..times)
        .map(|_| once(parts, bytes, &mut random))
        .collect()
}

/// Bits turned, a sector or a part of it of noise or zeros, or the bytes of another place.
fn once(parts: &[Range<u64>], bytes: &mut [u8], random: &mut Random) -> Range<u64> {
    let part = &parts[random.below(parts.len() as u64) as usize];
    let length = part.end - part.start;
    let begin = part.start + random.below(length);
    let rest = part.end - begin;
    let length = match random.below(4) {
        0 => 1,
        1 => 4,
        2 => 64,
        _ => 512,
    };
    let end = begin + rest.min(length);
    let touched = &mut bytes[begin as usize..end as usize];
    match random.below(4) {
        0 => touched[0] ^= 1 << random.below(8),
        1 => touched.fill(0),
        2 => touched.fill(0xFF),
        _ => touched.fill_with(|| random.next() as u8),
    }
    begin..end
}
