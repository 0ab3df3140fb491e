//! dm-verity: a hash tree behind a read-only image, so that the kernel refuses
//! any block that was changed.
//!
//! An image file is: data (blocks of 4096 bytes), a superblock in a block of
//! its own at the *hash offset*, then the tree, its top level first. The bytes
//! are those of `veritysetup format --hash-offset` (cryptsetup, format 1,
//! sha256), which a test proves.
//!
//! A block's digest is sha256(salt ‖ block). 128 digests make a block of the
//! level above; its rest is zero. The root hash is the digest of the topmost
//! block.

use sha2::{Digest, Sha256};

use crate::device::BlockDevice;
use crate::error::{Error, Result};
use crate::ext4::uuid_text;
use crate::units::Bytes;

/// Size of data and hash blocks.
pub const BLOCK: usize = 4096;
const BLOCK_SIZE: Bytes = Bytes::new(BLOCK as u64);
const DIGEST: usize = 32;
const DIGESTS_PER_BLOCK: u64 = (BLOCK / DIGEST) as u64;
const WHAT: &str = "the verity tree";

/// A root hash or the digest of a block.
pub type Hash = [u8; DIGEST];

/// What makes one tree differ from another over the same data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// Bytes hashed before each block; at most 256.
    pub salt: Vec<u8>,
    /// The tree's id.
    pub uuid: [u8; 16],
}

/// A verity superblock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// Salt and id.
    pub params: Params,
    /// Number of data blocks.
    pub data_blocks: u64,
}

/// What `veritysetup open` needs to know of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Formatted {
    /// The digest that everything hangs on.
    pub root_hash: Hash,
    /// Where the superblock lies; the data end there.
    pub hash_offset: Bytes,
    /// Length of data, superblock and tree.
    pub total: Bytes,
}

impl Superblock {
    /// The length of the structure itself; it has a block for itself.
    pub const LENGTH: usize = 512;

    /// Parses the superblock at an image's hash offset.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let field = |at: usize, length: usize| {
            bytes
                .get(at..at + length)
                .ok_or_else(|| "it ends too early".to_owned())
        };
        let number = |at: usize, length: usize| -> Result<u64, String> {
            let bytes = field(at, length)?.iter().rev();
            Ok(bytes.fold(0, |all, byte| all << 8 | u64::from(*byte)))
        };
        if field(0, 8)? != b"verity\0\0" {
            return Err("there is no superblock".to_owned());
        }
        if (number(8, 4)?, number(12, 4)?) != (1, 1) {
            return Err("it is not of format 1".to_owned());
        }
        if crate::ext4::text(field(32, 32)?) != "sha256" {
            return Err("its algorithm is not sha256".to_owned());
        }
        if (number(64, 4)?, number(68, 4)?) != (BLOCK as u64, BLOCK as u64) {
            return Err("its blocks are not of 4096 bytes".to_owned());
        }
        let data_blocks = number(72, 8)?;
        let salt_length = number(80, 2)? as usize;
        if salt_length > 256 || data_blocks == 0 || data_blocks > u64::MAX / BLOCK as u64 {
            return Err("its salt or its length is impossible".to_owned());
        }
        let mut uuid = [0; 16];
        uuid.copy_from_slice(field(16, 16)?);
        Ok(Self {
            params: Params {
                salt: field(88, salt_length)?.to_vec(),
                uuid,
            },
            data_blocks,
        })
    }

    /// Reads the superblock at `hash_offset`.
    pub fn read(device: &dyn BlockDevice, hash_offset: Bytes) -> Result<Self> {
        let bytes = crate::device::read_vec(device, hash_offset, Self::LENGTH)?;
        Self::parse(&bytes).map_err(|why| Error::format(WHAT, device.name(), why))
    }

    /// The block that holds the superblock.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; BLOCK];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, b"verity\0\0");
        put(8, &1_u32.to_le_bytes());
        put(12, &1_u32.to_le_bytes());
        put(16, &self.params.uuid);
        put(32, b"sha256");
        put(64, &(BLOCK as u32).to_le_bytes());
        put(68, &(BLOCK as u32).to_le_bytes());
        put(72, &self.data_blocks.to_le_bytes());
        put(80, &(self.params.salt.len() as u16).to_le_bytes());
        put(88, &self.params.salt);
        bytes
    }

    /// The id as text.
    pub fn uuid(&self) -> String {
        uuid_text(&self.params.uuid)
    }

    /// Salt in hex, as dm-verity's table wants it ("-" for none).
    pub fn salt_hex(&self) -> String {
        match self.params.salt.as_slice() {
            [] => "-".to_owned(),
            salt => salt.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// Where the tree ends: length of data, superblock and tree.
    pub fn total(&self, hash_offset: Bytes) -> Bytes {
        let blocks: u64 = levels(self.data_blocks).iter().sum();
        hash_offset + BLOCK_SIZE * (1 + blocks)
    }
}

/// Blocks of each level, the lowest first; empty for a single data block.
fn levels(data_blocks: u64) -> Vec<u64> {
    let mut levels = Vec::new();
    let mut below = data_blocks;
    while below > 1 {
        below = below.div_ceil(DIGESTS_PER_BLOCK);
        levels.push(below);
    }
    levels
}

/// Appends superblock and tree to the data at the start of `device`.
///
/// `data` is the length of the data, a multiple of 4096; the device must be at
/// least [`formatted_size`] long.
pub fn format(device: &mut dyn BlockDevice, data: Bytes, params: &Params) -> Result<Formatted> {
    let wrong = |why: &str| Error::format(WHAT, "the image", why);
    if data == Bytes::ZERO || data.align_down(BLOCK_SIZE) != data {
        return Err(wrong("the data are no whole number of 4096-byte blocks"));
    }
    if params.salt.len() > 256 {
        return Err(wrong("the salt is longer than 256 bytes"));
    }
    let superblock = Superblock {
        params: params.clone(),
        data_blocks: data.get() / BLOCK as u64,
    };
    let (root_hash, tree) = grow(device, &superblock)?;
    device.write_at(data, &superblock.encode())?;
    device.write_at(data + BLOCK_SIZE, &tree)?;
    Ok(Formatted {
        root_hash,
        hash_offset: data,
        total: superblock.total(data),
    })
}

/// How long a device must be for [`format()`] to fit.
pub fn formatted_size(data: Bytes) -> Bytes {
    let blocks: u64 = levels(data.get().div_ceil(BLOCK as u64)).iter().sum();
    data.align_up(BLOCK_SIZE) + BLOCK_SIZE * (1 + blocks)
}

/// Hashes the data and all levels above; the tree's bytes have the top level first.
fn grow(device: &dyn BlockDevice, superblock: &Superblock) -> Result<(Hash, Vec<u8>)> {
    let salt = &superblock.params.salt;
    let digests = hash_data(device, superblock.data_blocks, salt)?;
    let mut levels_up: Vec<Vec<u8>> = Vec::new();
    let mut below = digests;
    while below.len() > DIGEST {
        below.resize(below.len().next_multiple_of(BLOCK), 0);
        let above = below
            .chunks(BLOCK)
            .flat_map(|block| digest(salt, block))
            .collect();
        levels_up.push(std::mem::replace(&mut below, above));
    }
    let mut root = [0; DIGEST];
    root.copy_from_slice(&below);
    Ok((root, levels_up.into_iter().rev().flatten().collect()))
}

fn digest(salt: &[u8], block: &[u8]) -> Hash {
    Sha256::new()
        .chain_update(salt)
        .chain_update(block)
        .finalize()
        .into()
}

/// Digests of all data blocks, in two threads.
fn hash_data(device: &dyn BlockDevice, blocks: u64, salt: &[u8]) -> Result<Vec<u8>> {
    let middle = blocks / 2;
    let (low, high) = std::thread::scope(|scope| {
        let low = scope.spawn(|| hash_range(device, 0..middle, salt));
        let high = hash_range(device, middle..blocks, salt);
        (low.join(), high)
    });
    let mut digests = low.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    digests.extend(high?);
    Ok(digests)
}

fn hash_range(
    device: &dyn BlockDevice,
    blocks: std::ops::Range<u64>,
    salt: &[u8],
) -> Result<Vec<u8>> {
    const CHUNK: u64 = 64;
    let mut digests = Vec::with_capacity((blocks.end - blocks.start) as usize * DIGEST);
    let mut buffer = vec![0; CHUNK as usize * BLOCK];
    let mut next = blocks.start;
    while next < blocks.end {
        let count = CHUNK.min(blocks.end - next);
        let bytes = &mut buffer[..count as usize * BLOCK];
        device.read_at(BLOCK_SIZE * next, bytes)?;
        digests.extend(bytes.chunks(BLOCK).flat_map(|block| digest(salt, block)));
        next += count;
    }
    Ok(digests)
}

/// What a look at a whole image found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every block hangs on the root hash.
    Intact,
    /// The tree itself does not lead to the root hash, in this block of the
    /// tree's area (0 is its first block, behind the superblock).
    BadTree(u64),
    /// This data block is not what was signed; the first such one.
    BadData(u64),
}

/// Checks a whole image against a root hash, from the root down.
///
/// `note` is told how many of how many data bytes are done.
pub fn verify(
    device: &dyn BlockDevice,
    hash_offset: Bytes,
    root_hash: &Hash,
    note: &mut dyn FnMut(Bytes, Bytes),
) -> Result<Verdict> {
    let superblock = Superblock::read(device, hash_offset)?;
    let salt = &superblock.params.salt;
    if BLOCK_SIZE * superblock.data_blocks > hash_offset {
        let why = "the superblock tells of more data than there are";
        return Err(Error::format(WHAT, device.name(), why));
    }
    // Digests that the next level down must have; from the root they grow.
    let mut expected: Vec<u8> = root_hash.to_vec();
    let mut at = hash_offset + BLOCK_SIZE;
    let mut tree_block = 0;
    for blocks in levels(superblock.data_blocks).into_iter().rev() {
        let length = (blocks as usize) * BLOCK;
        let level = crate::device::read_vec(device, at, length)?;
        if let Some(bad) = first_bad(&level, &expected, salt) {
            return Ok(Verdict::BadTree(tree_block + bad));
        }
        expected = level;
        tree_block += blocks;
        at += BLOCK_SIZE * blocks;
    }
    verify_data(device, &superblock, &expected, note)
}

/// Whether an image is the one of this root hash, as far as its top tells: reads the superblock
/// and the first block of the tree, and nothing else.
///
/// # Errors
/// There is no superblock at `hash_offset`, or the device cannot be read.
pub fn has_root(device: &dyn BlockDevice, hash_offset: Bytes, root_hash: &Hash) -> Result<bool> {
    let superblock = Superblock::read(device, hash_offset)?;
    let top = match superblock.data_blocks {
        1 => Bytes::ZERO,
        _ => hash_offset + BLOCK_SIZE,
    };
    let block = crate::device::read_vec(device, top, BLOCK)?;
    Ok(digest(&superblock.params.salt, &block) == *root_hash)
}

fn verify_data(
    device: &dyn BlockDevice,
    superblock: &Superblock,
    expected: &[u8],
    note: &mut dyn FnMut(Bytes, Bytes),
) -> Result<Verdict> {
    const CHUNK: u64 = 256;
    let total = superblock.data_blocks;
    let mut buffer = vec![0; CHUNK as usize * BLOCK];
    let mut next = 0;
    while next < total {
        let count = CHUNK.min(total - next);
        let bytes = &mut buffer[..count as usize * BLOCK];
        device.read_at(BLOCK_SIZE * next, bytes)?;
        let digests = &expected[next as usize * DIGEST..];
        if let Some(bad) = first_bad(bytes, digests, &superblock.params.salt) {
            return Ok(Verdict::BadData(next + bad));
        }
        next += count;
        note(BLOCK_SIZE * next, BLOCK_SIZE * total);
    }
    Ok(Verdict::Intact)
}

/// The first block whose digest is not the expected one.
fn first_bad(blocks: &[u8], expected: &[u8], salt: &[u8]) -> Option<u64> {
    blocks
        .chunks(BLOCK)
        .zip(expected.chunks(DIGEST))
        .position(|(block, expected)| digest(salt, block) != expected)
        .map(|bad| bad as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::{FileDevice, MemoryDevice};
    use crate::units::SectorSize;
    use std::process::Command;

    /// An image of `blocks` blocks of known bytes, with room for its tree.
    fn image(blocks: u64) -> (MemoryDevice, Bytes) {
        let data: Vec<u8> = (0..blocks as usize * BLOCK)
            .map(|at| (at / 7 + at / BLOCK) as u8)
            .collect();
        let length = Bytes::new(data.len() as u64);
        let mut disk = MemoryDevice::new(formatted_size(length), SectorSize::S512);
        disk.write_at(Bytes::ZERO, &data).unwrap();
        (disk, length)
    }

    #[test]
    fn the_top_tells_whose_image_it_is() {
        for blocks in [1, 2, 128, 129, 300] {
            let (mut disk, data) = image(blocks);
            let made = format(&mut disk, data, &params()).unwrap();
            let mut other = made.root_hash;
            other[31] ^= 1;
            assert!(has_root(&disk, data, &made.root_hash).unwrap(), "{blocks}");
            assert!(!has_root(&disk, data, &other).unwrap(), "{blocks}");
            assert!(has_root(&disk, data + BLOCK_SIZE, &made.root_hash).is_err());
        }
    }

    fn params() -> Params {
        Params {
            salt: (0..32).collect(),
            uuid: [0x5A; 16],
        }
    }

    fn bytes_of(disk: &MemoryDevice) -> Vec<u8> {
        crate::device::read_vec(disk, Bytes::ZERO, disk.size().get() as usize).unwrap()
    }

    /// Made by veritysetup 2.7.5 from the same data, salt and uuid; see the next test.
    #[test]
    fn golden_trees() {
        for (blocks, root, whole) in include_str!("../testdata/verity.golden")
            .lines()
            .filter_map(|line| {
                let mut words = line.split(' ');
                Some((words.next()?.parse().ok()?, words.next()?, words.next()?))
            })
        {
            let (mut disk, data) = image(blocks);
            let made = format(&mut disk, data, &params()).unwrap();
            assert_eq!(hex::encode(made.root_hash), root, "{blocks} blocks");
            assert_eq!(hex::encode(Sha256::digest(bytes_of(&disk))), whole);
            assert_eq!(made.total, disk.size());
        }
    }

    /// VIGIE_VERITYSETUP is a command line; ci passes the locked tool's.
    #[test]
    fn identical_to_veritysetup() {
        let Ok(command) = std::env::var("VIGIE_VERITYSETUP") else {
            println!("skipped: VIGIE_VERITYSETUP is not set");
            return;
        };
        let mut golden = String::new();
        for blocks in [1, 2, 127, 128, 129, 1000, 16_384, 16_385, 20_000] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("image");
            let (mut ours, data) = image(blocks);
            std::fs::write(&path, &bytes_of(&ours)[..data.get() as usize]).unwrap();
            let made = format(&mut ours, data, &params()).unwrap();
            let mut words = command.split_whitespace();
            let output = Command::new(words.next().unwrap())
                .args(words)
                .arg("format")
                .arg(format!("--hash-offset={}", data.get()))
                .arg(format!("--data-blocks={blocks}"))
                .arg(format!("--salt={}", hex::encode(params().salt)))
                .arg(format!("--uuid={}", uuid_text(&params().uuid)))
                .args([&path, &path])
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
            let root = hex::encode(made.root_hash);
            assert!(String::from_utf8_lossy(&output.stdout).contains(&root));
            let theirs = std::fs::read(&path).unwrap();
            assert!(theirs == bytes_of(&ours), "{blocks} blocks differ");
            golden += &format!("{blocks} {root} {}\n", hex::encode(Sha256::digest(&theirs)));
        }
        assert_eq!(golden, include_str!("../testdata/verity.golden"));
    }

    #[test]
    fn the_first_bad_block_is_named() {
        let (mut clean, data) = image(300);
        let made = format(&mut clean, data, &params()).unwrap();
        let check = |disk: &MemoryDevice| {
            verify(disk, made.hash_offset, &made.root_hash, &mut |_, _| {}).unwrap()
        };
        assert_eq!(check(&clean), Verdict::Intact);
        let tree = made.hash_offset + BLOCK_SIZE;
        for (at, verdict) in [
            (Bytes::ZERO, Verdict::BadData(0)),
            (BLOCK_SIZE * 200 + Bytes::new(4095), Verdict::BadData(200)),
            (BLOCK_SIZE * 299, Verdict::BadData(299)),
            (tree, Verdict::BadTree(0)),
            (tree + BLOCK_SIZE * 2, Verdict::BadTree(2)),
        ] {
            let mut disk = clean.clone();
            let mut byte = [0];
            disk.read_at(at, &mut byte).unwrap();
            disk.write_at(at, &[byte[0] ^ 1]).unwrap();
            assert_eq!(check(&disk), verdict);
        }
    }

    #[test]
    fn hostile_superblocks_are_refused() {
        let good = Superblock {
            params: params(),
            data_blocks: 300,
        };
        assert_eq!(Superblock::parse(&good.encode()).unwrap(), good);
        for (at, value) in [
            (0, 0),
            (8, 2),
            (12, 0),
            (32, 0),
            (65, 0),
            (79, 0xFF),
            (81, 0xFF),
        ] {
            let mut bytes = good.encode();
            bytes[at] = value;
            assert!(Superblock::parse(&bytes).is_err(), "byte {at}");
        }
        for length in 0..Superblock::LENGTH.min(120) {
            assert!(Superblock::parse(&good.encode()[..length]).is_err());
        }
    }

    #[test]
    fn a_file_is_formatted_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let (mut memory, data) = image(129);
        let path = dir.path().join("image");
        std::fs::write(&path, bytes_of(&memory)).unwrap();
        let mut file = FileDevice::open(&path, SectorSize::S512).unwrap();
        format(&mut file, data, &params()).unwrap();
        format(&mut memory, data, &params()).unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes_of(&memory));
    }
}
