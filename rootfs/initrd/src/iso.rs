//! Which ISO 9660 volume a device holds (ECMA-119, 8.4: the primary volume
//! descriptor).

/// Where the volume descriptors begin, in bytes.
pub const DESCRIPTORS_OFFSET: u64 = 16 * 2048;
/// The size of one descriptor, in bytes.
pub const DESCRIPTOR_SIZE: usize = 2048;

const PRIMARY: u8 = 1;
const VOLUME_ID: std::ops::Range<usize> = 40..72;

/// The volume id in a descriptor, without the padding; None where this is not
/// a primary volume descriptor.
pub fn volume_id(descriptor: &[u8]) -> Option<String> {
    if descriptor.first() != Some(&PRIMARY) || descriptor.get(1..6) != Some(b"CD001") {
        return None;
    }
    let id = String::from_utf8_lossy(descriptor.get(VOLUME_ID)?).into_owned();
    Some(id.trim_end_matches([' ', '\0']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(kind: u8, magic: &[u8], id: &[u8]) -> Vec<u8> {
        let mut bytes = vec![b' '; DESCRIPTOR_SIZE];
        bytes[0] = kind;
        bytes[1..6].copy_from_slice(magic);
        bytes[40..40 + id.len()].copy_from_slice(id);
        bytes
    }

    #[test]
    fn volumes() {
        for (bytes, want) in [
            (descriptor(1, b"CD001", b"VIGIE_0_1"), Some("VIGIE_0_1")),
            (descriptor(1, b"CD001", b"A B\0\0"), Some("A B\0\0")),
            (
                descriptor(1, b"CD001", &[b'X'; 32]),
                Some("XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX"),
            ),
            (descriptor(0, b"CD001", b"VIGIE"), None),
            (descriptor(1, b"NSR02", b"VIGIE"), None),
            (b"\x01CD001".to_vec(), None),
            (vec![], None),
        ] {
            let want = want.map(|w| w.trim_end_matches('\0').to_owned());
            assert_eq!(volume_id(&bytes), want);
        }
    }
}
