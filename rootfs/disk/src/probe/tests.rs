use super::*;
use crate::device::MemoryDevice;
use crate::units::SectorSize;

fn disk(writes: &[(u64, &[u8])]) -> MemoryDevice {
    let mut disk = MemoryDevice::new(Bytes::mib(4), SectorSize::S512);
    for (at, bytes) in writes {
        disk.write_at(Bytes::new(*at), bytes).unwrap();
    }
    disk
}

#[test]
fn signatures() {
    let mut fat = vec![0; 512];
    fat[11..14].copy_from_slice(&[0, 2, 8]);
    fat[16] = 2;
    fat[21] = 0xF8;
    fat[71..82].copy_from_slice(b"PROVISION  ");
    fat[82..87].copy_from_slice(b"FAT32");
    fat[510..].copy_from_slice(&[0x55, 0xAA]);
    let mut mbr = vec![0; 512];
    mbr[450] = 0x83;
    mbr[510..].copy_from_slice(&[0x55, 0xAA]);
    let mut iso = vec![1];
    iso.extend(b"CD001\x01\0");
    iso.extend([b' '; 32]);
    iso.extend(b"VIGIE_LIVE                      ");
    let md = [0xFC, 0x4E, 0x2B, 0xA9];
    let end = 4 << 20;
    let bcache = b"\xC6\x85\x73\xF6\x4E\x1A\x45\xCA\x82\x65\xF5\x7F\x48\xBA\x6D\x81";
    let bcachefs = b"\xC6\x85\x73\xF6\x66\xCE\x90\xA9\xD9\x6A\x60\xCF\x80\x3D\xF7\xEF";
    type Case<'a> = (Vec<(u64, &'a [u8])>, &'a str);
    let cases: Vec<Case> = vec![
        (vec![], ""),
        (vec![(0, &fat)], "FAT:PROVISION"),
        (vec![(0, &mbr)], "MBR:"),
        (vec![(512, b"EFI PART")], "GPT:"),
        (vec![((4 << 20) - 512, b"EFI PART")], "GPT:"),
        (vec![(0, b"hsqs")], "squashfs:"),
        (vec![(0, &mbr), (0x8000, &iso)], "MBR:,ISO 9660:VIGIE_LIVE"),
        (vec![((4 << 20) - 0x10000, &md)], "md RAID:"),
        (vec![((4 << 20) - 0x2000, &md)], "md RAID:"),
        (vec![(0x1000, &md), (0x218, b"LVM2 001")], "LVM:,md RAID:"),
        (vec![(end - 512, b"\xDE\x11\xDE\x11")], "DDF RAID:"),
        (vec![(end - 512, b"\x11\xDE\x11\xDE")], "DDF RAID:"),
        (vec![(end - 257 * 512, b"\xDE\x11\xDE\x11")], "DDF RAID:"),
        (
            vec![(end - 1024, b"Intel Raid ISM Cfg Sig. 1.3.00")],
            "Intel RAID:",
        ),
        (
            vec![(end - 8192, b"Intel Raid ISM Cfg Sig. 1.3.00")],
            "Intel RAID:",
        ),
        (vec![(0x1018, bcache)], "bcache:"),
        (vec![(0x1018, bcachefs)], "bcachefs:"),
        (vec![(1 << 20, b"\x0D\xD0\x01\xC0")], "VMFS:"),
        (vec![(2 << 20, b"\x5E\xF1\xAB\x2F")], "VMFS:"),
        (vec![(0, b"\0\0\0ReFS\0")], "ReFS:"),
        (vec![(32, b"NXSB"), (24, &[1])], "APFS:"),
        (vec![(32, b"NXSB")], ""),
        (vec![(1024, b"H+\0\x04"), (1064, &[0, 0, 16, 0])], "HFS+:"),
        (vec![(1024, b"HX\0\x05"), (1064, &[0, 0, 16, 0])], "HFS+:"),
        (vec![(1024, b"H+ and other words")], ""),
        (vec![(end - 4096 + 60, b"\x83\x74\x02\x6B")], "DRBD:"),
        (vec![(end - 4096 + 60, b"\x83\x74\x02\x6D")], "DRBD:"),
        (vec![(end - 4096 + 60, b"\x83\x74\x02\x67")], ""),
        (vec![(65536 + 1372, b"\x19\x01\x54\x19")], "UFS:"),
        (vec![(8192 + 1372, b"\x54\x19\x01\0")], "UFS:"),
        (vec![(1024, b"\x10\x20\xF5\xF2")], "F2FS:"),
        (vec![(32768, b"JFS1")], "JFS:"),
        (vec![(65536 + 52, b"ReIsEr2Fs")], "ReiserFS:"),
        (vec![(32768 + 1, b"BEA01\x01")], "UDF:"),
        (
            vec![(0x8000, &iso), (0x9001, b"BEA01\x01")],
            "ISO 9660:VIGIE_LIVE,UDF:",
        ),
    ];
    for (writes, expected) in cases {
        let mut disk = disk(&writes);
        let found: Vec<String> = probe(&disk)
            .into_iter()
            .map(|one| format!("{}:{}", one.kind.name(), one.label.unwrap_or_default()))
            .collect();
        assert_eq!(found.join(","), expected);
        disk.zero(Bytes::ZERO, HEAD).unwrap();
        disk.zero(disk.size() - TAIL, TAIL).unwrap();
        assert_eq!(probe(&disk), [], "{expected} after clearing");
    }
}

#[test]
fn what_is_at_neither_end_does_not_count_and_the_rest_does() {
    let end = 4 << 20;
    let [erased, formatted] = [0xFF, 0xE5].map(|byte| vec![byte; 4 << 20]);
    type Case<'a> = (Vec<(u64, &'a [u8])>, bool);
    let cases: [Case; 8] = [
        (vec![], true),
        (vec![(0, &erased)], true),
        (vec![(0, &formatted)], true),
        (vec![(0, b"x")], false),
        (vec![((1 << 20) - 1, b"x")], false),
        (vec![(1 << 20, b"x")], true),
        (vec![(end - (1 << 20), b"x")], false),
        (vec![(end - 1, b"x")], false),
    ];
    for (writes, expected) in cases {
        assert_eq!(is_blank(&disk(&writes)), expected, "{:?}", writes.first());
    }
    assert!(is_blank(&MemoryDevice::new(Bytes::ZERO, SectorSize::S512)));
}

#[test]
fn what_was_being_cleared_is_blank_and_nothing_like_it_is() {
    use crate::device::{SECTOR, check_size};
    let end = 4 << 20;
    let mut disk = MemoryDevice::new(Bytes::mib(4), SectorSize::S512);
    let mut recorder = crate::device::record::Recorder::new(disk.clone());
    check_size(&mut recorder, 7).unwrap();
    let (_, log) = recorder.finish();
    let mut marked = 0;
    crate::crash::enumerate::<crate::Error>(&disk, &log, |cut, left| {
        assert!(is_blank(left), "{cut:?}");
        let last = read_vec(left, Bytes::new(end - SECTOR as u64), 16).unwrap();
        marked += usize::from(last == b"vigie size check");
        Ok(())
    })
    .unwrap();
    assert!(marked > 0);
    // A byte of a mark, or of a sector that is erased, is other: somebody else wrote it.
    let erased = vec![0xFF; 1 << 20];
    disk.write_at(Bytes::ZERO, &erased).unwrap();
    disk.zero(Bytes::ZERO, Bytes::new(512 * 5)).unwrap();
    assert!(is_blank(&disk), "half cleared");
    disk.write_at(Bytes::new(512 * 5 - 1), &[1]).unwrap();
    assert!(!is_blank(&disk));
    disk.zero(Bytes::ZERO, Bytes::mib(1)).unwrap();
    let mut mark = b"vigie size check".to_vec();
    mark.resize(SECTOR, 0);
    disk.write_at(Bytes::new(end - SECTOR as u64), &mark)
        .unwrap();
    assert!(!is_blank(&disk), "a title alone is no mark");
}

#[test]
fn uuids() {
    let id: Vec<u8> = (0..16).map(|at| at * 0x11).collect();
    let dashed = "00112233-4455-6677-8899-aabbccddeeff";
    let luks = [dashed.as_bytes(), &[0; 4]].concat();
    let mut old = vec![0; 64];
    old[..4].copy_from_slice(&[0xFC, 0x4E, 0x2B, 0xA9]);
    for (at, word) in [
        (20, 0x0011_2233_u32),
        (52, 0x4455_6677),
        (56, 0x8899_AABB),
        (60, 0xCCDD_EEFF),
    ] {
        old[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
    let mut apfs = vec![0; 88];
    apfs[24] = 1;
    apfs[32..36].copy_from_slice(b"NXSB");
    apfs[72..].copy_from_slice(&id);
    type Case<'a> = (Vec<(u64, &'a [u8])>, Option<&'a str>);
    let cases: Vec<Case> = vec![
        (vec![(0, b"XFSB"), (32, &id)], Some(dashed)),
        (vec![(0, b"XFSB")], None),
        (vec![(0x10040, b"_BHRfS_M"), (0x10020, &id)], Some(dashed)),
        (vec![(0xFF6, b"SWAPSPACE2"), (0x40C, &id)], Some(dashed)),
        (vec![(0, b"LUKS\xBA\xBE"), (168, &luks)], Some(dashed)),
        (vec![(0, &apfs)], Some(dashed)),
        (
            vec![((4 << 20) - 0x10000, &old)],
            Some("00112233:44556677:8899aabb:ccddeeff"),
        ),
        (vec![(0, b"hsqs")], None),
    ];
    for (writes, expected) in cases {
        let found = probe(&disk(&writes));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].uuid.as_deref(), expected, "{found:?}");
    }
}

#[test]
fn members_of_arrays_have_the_name_and_the_uuid_of_the_array() {
    use crate::md::{Geometry, Identity, Level, Metadata, Uuid, create};
    for metadata in [Metadata::V1_0, Metadata::V1_2] {
        let geometry = Geometry::new(Level::Raid1, metadata, 2, Bytes::mib(4)).unwrap();
        let identity = Identity {
            uuid: Uuid([0xA5; 16]),
            name: "vigie:state".to_owned(),
            member_uuids: vec![Uuid([1; 16]); 2],
            time: 0,
            synced: true,
        };
        let mut disks = [disk(&[]), disk(&[])];
        create(&geometry, &identity, &mut disks).unwrap();
        let expected = Found {
            kind: Kind::Md,
            label: Some("vigie:state".to_owned()),
            uuid: Some("a5a5a5a5:a5a5a5a5:a5a5a5a5:a5a5a5a5".to_owned()),
        };
        assert_eq!(probe(&disks[1]), [expected]);
    }
}

#[test]
fn garbage_and_tiny_devices_do_not_panic() {
    for size in [0, 1, 511, 512, 513, 4096, 65_536] {
        let mut disk = MemoryDevice::new(Bytes::new(size), SectorSize::S512);
        probe(&disk);
        disk.write_at(Bytes::ZERO, &vec![0xFF; size as usize])
            .unwrap();
        probe(&disk);
    }
}
