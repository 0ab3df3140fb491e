//! What the kernel is told to set up dm-verity over a system image.
//!
//! The superblock is not covered by the root hash. It does not need to be:
//! whatever it says, the kernel serves only blocks that hash up to the root
//! hash of the command line. It must still end the data where the command line
//! says, so that nothing unusual reaches the kernel.
//!
//! No optional table parameters, on purpose. A damaged block then reads as
//! EIO: it is detected and not served, which is what an appliance needs.
//! `panic_on_corruption` and `restart_on_corruption` would turn one bad sector
//! of a file that nobody reads into a box that cannot be reached; the health
//! check is what decides that a slot is bad. `check_at_most_once` would serve
//! what changes later. `ignore_zero_blocks` is safe but gains nothing: a
//! compressed image has next to no zero blocks.

use vigie_disk::verity::{BLOCK, Superblock};

const SECTOR: u64 = 512;

/// Checks that the data end at the hash offset, as in every image of ours.
pub fn check(superblock: &Superblock, hash_offset: u64) -> Result<(), String> {
    let expected = hash_offset / BLOCK as u64;
    if superblock.data_blocks == expected {
        return Ok(());
    }
    Err(format!(
        "the verity superblock tells of {} data blocks, the command line of {expected}",
        superblock.data_blocks
    ))
}

/// The size of the verified device, in sectors of 512 bytes.
pub fn sectors(superblock: &Superblock) -> u64 {
    superblock.data_blocks * (BLOCK as u64 / SECTOR)
}

/// The parameters of the `verity` target; `device` is "major:minor" and holds
/// data and tree. The tree begins in the block after the superblock.
pub fn parameters(superblock: &Superblock, device: &str, root_hash: &[u8; 32]) -> String {
    let data_blocks = superblock.data_blocks;
    format!(
        "1 {device} {device} {BLOCK} {BLOCK} {data_blocks} {} sha256 {} {}",
        data_blocks + 1,
        hex::encode(root_hash),
        superblock.salt_hex(),
    )
}

/// The device-mapper id, in the form that cryptsetup and systemd know.
pub fn dm_uuid(superblock: &Superblock, name: &str) -> String {
    format!(
        "CRYPT-VERITY-{}-{name}",
        hex::encode(superblock.params.uuid)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_disk::verity::Params;

    fn superblock(salt: &[u8]) -> Superblock {
        Superblock {
            params: Params {
                salt: salt.to_vec(),
                uuid: [0xab; 16],
            },
            data_blocks: 3,
        }
    }

    #[test]
    fn tables() {
        for (salt, text) in [(&[0xca, 0xfe][..], "cafe"), (&[], "-")] {
            let superblock = superblock(salt);
            let hash = "11".repeat(32);
            assert_eq!(
                parameters(&superblock, "254:5", &[0x11; 32]),
                format!("1 254:5 254:5 4096 4096 3 4 sha256 {hash} {text}")
            );
            assert_eq!(sectors(&superblock), 24);
            let uuid = format!("CRYPT-VERITY-{}-vigie-root", "ab".repeat(16));
            assert_eq!(dm_uuid(&superblock, "vigie-root"), uuid);
        }
    }

    #[test]
    fn the_data_end_at_the_hash_offset() {
        for (offset, good) in [(3 * 4096, true), (2 * 4096, false), (4 * 4096, false)] {
            assert_eq!(check(&superblock(&[]), offset).is_ok(), good, "{offset}");
        }
    }
}
