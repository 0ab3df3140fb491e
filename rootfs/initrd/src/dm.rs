//! The messages of the device-mapper ioctls (linux/dm-ioctl.h), as bytes.
//!
//! Layout of `struct dm_ioctl`, 312 bytes: version 3×u32, data_size, data_start,
//! target_count, open_count, flags, event_nr, padding (u32 each), dev u64,
//! name [128], uuid [129], data [7]. For a table follow `struct dm_target_spec`
//! (sector_start u64, length u64, status i32, next u32, type [16]) and the
//! parameters, ended by a NUL.

/// The size of `struct dm_ioctl`, in bytes.
pub const HEADER_SIZE: usize = 312;

const TARGET_SIZE: usize = 40;
const DATA_SIZE: usize = 12;
const DATA_START: usize = 16;
const TARGET_COUNT: usize = 20;
const FLAGS: usize = 28;
const DEV: usize = 40;
const NAME: usize = 48;
const NAME_SIZE: usize = 128;
const UUID: usize = 176;
const UUID_SIZE: usize = 129;
const TYPE: usize = HEADER_SIZE + 24;

const READ_ONLY: u32 = 1;

/// A message about the device of this name that carries no table. Names that
/// are too long are cut.
pub fn message(name: &str, uuid: &str) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_SIZE];
    put32(&mut bytes, 0, 4);
    put_text(&mut bytes, NAME, NAME_SIZE, name);
    put_text(&mut bytes, UUID, UUID_SIZE, uuid);
    put32(&mut bytes, DATA_START, HEADER_SIZE as u32);
    finish(bytes)
}

/// A message that loads a table of one read-only target.
pub fn read_only_table(name: &str, sectors: u64, target: &str, parameters: &str) -> Vec<u8> {
    let mut bytes = message(name, "");
    put32(&mut bytes, FLAGS, READ_ONLY);
    put32(&mut bytes, TARGET_COUNT, 1);
    bytes.resize(HEADER_SIZE + TARGET_SIZE, 0);
    bytes[HEADER_SIZE + 8..HEADER_SIZE + 16].copy_from_slice(&sectors.to_le_bytes());
    put_text(&mut bytes, TYPE, 16, target);
    bytes.extend_from_slice(parameters.as_bytes());
    bytes.push(0);
    let next = (bytes.len() - HEADER_SIZE).next_multiple_of(8);
    bytes.resize(HEADER_SIZE + next, 0);
    put32(&mut bytes, HEADER_SIZE + 20, next as u32);
    finish(bytes)
}

/// How many bytes the kernel may read and write, as the message itself says.
pub fn stated_size(bytes: &[u8]) -> Option<usize> {
    let size = bytes.get(DATA_SIZE..DATA_SIZE + 4)?;
    Some(u32::from_le_bytes(size.try_into().ok()?) as usize)
}

/// The minor number in the kernel's answer (its "huge" encoding of a device
/// number: low byte, then the major, then the rest of the minor).
pub fn minor(bytes: &[u8]) -> Option<u64> {
    let dev = u64::from_le_bytes(bytes.get(DEV..DEV + 8)?.try_into().ok()?);
    Some((dev & 0xff) | ((dev >> 12) & 0xf_ff00))
}

fn finish(mut bytes: Vec<u8>) -> Vec<u8> {
    let size = bytes.len() as u32;
    put32(&mut bytes, DATA_SIZE, size);
    bytes
}

fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn put_text(bytes: &mut [u8], at: usize, room: usize, text: &str) {
    let len = text.len().min(room - 1);
    bytes[at..at + len].copy_from_slice(&text.as_bytes()[..len]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_places() {
        let create = message("vigie-root", "CRYPT-VERITY-x");
        assert_eq!(create.len(), 312);
        assert_eq!(stated_size(&create), Some(312));
        assert_eq!(&create[48..59], b"vigie-root\0");
        assert_eq!(&create[176..190], b"CRYPT-VERITY-x");
        for params in ["", "1234567", "12345678"] {
            let table = read_only_table("r", 24, "verity", params);
            assert_eq!(table.len() % 8, 0);
            assert_eq!(stated_size(&table), Some(table.len()));
            assert_eq!(table[28], 1);
            assert_eq!(table[20], 1);
            assert_eq!(table[320], 24);
            assert_eq!(&table[336..343], b"verity\0");
            assert_eq!(&table[352..352 + params.len()], params.as_bytes());
            assert_eq!(table[352 + params.len()], 0);
        }
    }

    #[test]
    fn minors() {
        for (dev, want) in [(0xfd00_u64, 0), (0xfd05, 5), (0x0010_fd02, 0x102)] {
            let mut bytes = message("r", "");
            bytes[40..48].copy_from_slice(&dev.to_le_bytes());
            assert_eq!(minor(&bytes), Some(want), "{dev:x}");
        }
        assert_eq!(minor(&[]), None);
        assert_eq!(stated_size(&[0; 3]), None);
    }

    #[test]
    fn long_names_are_cut() {
        let bytes = message(&"n".repeat(300), &"u".repeat(300));
        assert_eq!(bytes[48 + 127], 0);
        assert_eq!(bytes[176 + 128], 0);
    }
}
