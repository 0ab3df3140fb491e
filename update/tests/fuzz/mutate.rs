//! Changes to bytes, by a generator that always gives the same ones for a seed.

/// SplitMix64 (Steele, Lea, Flood 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Longest input in bytes.
const LONGEST: usize = 64 << 10;

/// Numbers at the edges, as little and big endian bytes will have them.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0xff,
    511,
    512,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 32,
    1 << 63,
    u64::MAX,
];

/// An input made from one of the pool by a few changes; `words` are what the format is made of.
pub fn mutated(random: &mut Random, pool: &[Vec<u8>], words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = random.pick(pool).clone();
    for _ in 0..1 + random.below(4) {
        change(random, &mut bytes, pool, words);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn change(random: &mut Random, bytes: &mut Vec<u8>, pool: &[Vec<u8>], words: &[&[u8]]) {
    let at = random.below(bytes.len() + 1);
    // Short ones more often.
    let longest = 1 << random.below(11);
    let length = 1 + random.below(longest);
    let end = (at + length).min(bytes.len());
    match random.below(9) {
        0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
        1 if at < bytes.len() => bytes[at] = random.next() as u8,
        2 => drop(bytes.drain(at..end)),
        3 => {
            let piece = bytes[at..end].to_vec();
            let to = random.below(bytes.len() + 1);
            bytes.splice(to..to, piece);
        }
        4 => {
            let other = random.pick(pool);
            let from = random.below(other.len() + 1);
            let piece = other[from..(from + length).min(other.len())].to_vec();
            bytes.splice(at..end, piece);
        }
        5 => bytes.truncate(at),
        6 => {
            let size = 1 << random.below(4);
            put(bytes, at, &random.pick(&EDGES).to_le_bytes()[..size]);
        }
        7 => put(bytes, at, &random.pick(&EDGES).to_be_bytes()),
        _ if !words.is_empty() => {
            let word = random.pick(words).to_vec();
            let end = if random.below(2) == 0 { at } else { end };
            bytes.splice(at..end, word);
        }
        _ => bytes.push(random.next() as u8),
    }
}

/// Writes over what is there, as far as there is room.
fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    let end = (at + value.len()).min(bytes.len());
    bytes[at..end].copy_from_slice(&value[..end - at]);
}
