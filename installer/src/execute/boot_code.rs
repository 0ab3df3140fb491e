//! GRUB's two pieces for BIOS, told where they lie (what grub-install does).
//!
//! Offsets from GRUB 2.12: `include/grub/i386/pc/boot.h` and the block list at
//! the end of the core image's first sector (`grub-core/boot/i386/pc/diskboot.S`).

use anyhow::{Result, ensure};
use vigie_disk::Bytes;

use crate::layout::Part;

const SECTOR: u64 = 512;
/// The part of the first sector that is code; the disk's signature and table follow.
const CODE: usize = 440;
/// Where the first sector keeps the address of the core image, as u64.
const KERNEL_SECTOR: usize = 0x5C;
/// Two bytes that jump over a workaround for floppy drives unless they are NOPs.
const DRIVE_CHECK: usize = 0x66;
/// Block list: u64 start, u16 sectors, u16 segment.
const BLOCK_LIST: usize = 0x1F4;
const SEGMENT: u16 = 0x820;

/// The core image, padded to sectors, its block list pointing behind its own first sector.
pub fn core(mut core: Vec<u8>, part: &Part) -> Result<Vec<u8>> {
    core.resize(core.len().next_multiple_of(SECTOR as usize), 0);
    let sectors = core.len() as u64 / SECTOR;
    ensure!(
        (2..=u64::from(u16::MAX)).contains(&sectors) && Bytes::new(core.len() as u64) <= part.size,
        "GRUB's core image has {} bytes; the BIOS boot partition holds {}",
        core.len(),
        part.size
    );
    let start = part.offset.get() / SECTOR;
    core[BLOCK_LIST..BLOCK_LIST + 8].copy_from_slice(&(start + 1).to_le_bytes());
    core[BLOCK_LIST + 8..BLOCK_LIST + 10].copy_from_slice(&(sectors as u16 - 1).to_le_bytes());
    core[BLOCK_LIST + 10..BLOCK_LIST + 12].copy_from_slice(&SEGMENT.to_le_bytes());
    Ok(core)
}

/// Puts the boot code into the first sector of a disk, beside its protective table.
pub fn into_first_sector(sector: &mut [u8], code: &[u8], part: &Part) -> Result<()> {
    ensure!(
        code.len() == SECTOR as usize,
        "GRUB's boot image has {} bytes instead of 512",
        code.len()
    );
    sector[..CODE].copy_from_slice(&code[..CODE]);
    let start = part.offset.get() / SECTOR;
    sector[KERNEL_SECTOR..KERNEL_SECTOR + 8].copy_from_slice(&start.to_le_bytes());
    sector[DRIVE_CHECK..DRIVE_CHECK + 2].copy_from_slice(&[0x90, 0x90]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Purpose;

    #[test]
    fn addresses_are_patched() {
        let part = Part::new(Purpose::BiosBoot, Bytes::MIB, Bytes::MIB);
        let made = core(vec![0xCC; 1300], &part).unwrap();
        assert_eq!(made.len(), 1536);
        assert_eq!(
            made[BLOCK_LIST..512],
            [1, 8, 0, 0, 0, 0, 0, 0, 2, 0, 0x20, 8]
        );
        assert!(core(vec![0; 100], &part).is_err());
        assert!(core(vec![0; (1 << 20) + 1], &part).is_err());

        let mut first = vec![0; 512];
        first[510..].copy_from_slice(&[0x55, 0xAA]);
        into_first_sector(&mut first, &[0xEB; 512], &part).unwrap();
        assert_eq!(
            first[KERNEL_SECTOR..0x68],
            [0, 8, 0, 0, 0, 0, 0, 0, 0xEB, 0xEB, 0x90, 0x90]
        );
        assert_eq!(first[439..446], [0xEB, 0, 0, 0, 0, 0, 0]);
        assert_eq!(first[510..], [0x55, 0xAA]);
    }
}
