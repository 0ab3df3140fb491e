//! Answers of disks of each kind, and spoilt ones.

use super::json::LONGEST;
use super::*;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

const ATA_GOOD: &str = include_str!("../testdata/ata-good.json");
const ATA_FAILING: &str = include_str!("../testdata/ata-failing.json");
const ATA_WORRYING: &str = include_str!("../testdata/ata-worrying.json");
const NVME: &str = include_str!("../testdata/nvme.json");
const SCSI: &str = include_str!("../testdata/scsi.json");
const QEMU: &str = include_str!("../testdata/qemu-ata.json");
const VIRTIO: &str = include_str!("../testdata/virtio.json");

fn disk(json: &str) -> Disk {
    Disk::understood(Path::new("/dev/sda"), json.as_bytes(), Some(0))
}

fn with(json: &str, path: &str, value: Value) -> Disk {
    let mut json: Value = serde_json::from_str(json).unwrap();
    *json.pointer_mut(path).unwrap() = value;
    disk(&json.to_string())
}

#[test]
fn disks_of_each_kind_are_understood() {
    let good = disk(ATA_GOOD);
    assert_eq!((good.health, &good.signs[..]), (Health::Good, &[][..]));
    assert_eq!(good.model.as_deref(), Some("Recorder Disk 4000"));
    assert_eq!(good.serial.as_deref(), Some("RD4-000123"));
    assert_eq!((good.celsius, good.hours), (Some(34), Some(18_432)));
    assert_eq!(good.size, Some(Bytes::new(4_000_787_030_016)));
    let failing = disk(ATA_FAILING);
    let attribute = "Reallocated_Sector_Ct".to_owned();
    let signs = [
        Sign::SaysFailing,
        Sign::Reallocated { count: 3976 },
        Sign::BelowThreshold { attribute },
        Sign::Uncorrectable { count: 17 },
        Sign::Pending { count: 24 },
        Sign::Uncorrectable { count: 24 },
    ];
    assert_eq!(
        (failing.health, &failing.signs[..]),
        (Health::Failing, &signs[..])
    );
    let worrying = disk(ATA_WORRYING);
    let signs = [
        Sign::Reallocated { count: 8 },
        Sign::Pending { count: 1 },
        Sign::Hot { celsius: Some(61) },
    ];
    assert_eq!(
        (worrying.health, &worrying.signs[..]),
        (Health::Worrying, &signs[..])
    );
    for json in [NVME, SCSI, QEMU] {
        let disk = disk(json);
        assert_eq!(
            (disk.health, &disk.signs[..]),
            (Health::Good, &[][..]),
            "{disk:?}"
        );
        assert!(disk.model.is_some() && disk.serial.is_some(), "{disk:?}");
    }
    let virtio = disk(VIRTIO);
    assert_eq!(virtio.health, Health::Untold);
    assert!(virtio.why.unwrap().contains("Unable to detect device type"));
}

#[test]
fn an_nvme_disk_is_what_its_warnings_say() {
    let log = |field: &str, value: u64| {
        let path = format!("/nvme_smart_health_information_log/{field}");
        let disk = with(NVME, &path, value.into());
        (disk.health, disk.signs)
    };
    for (bits, health, sign) in [
        (1, Health::Failing, Sign::SpareUsedUp),
        (2, Health::Worrying, Sign::Hot { celsius: Some(38) }),
        (4, Health::Failing, Sign::Degraded),
        (8, Health::Failing, Sign::ReadOnly),
        (16, Health::Worrying, Sign::NoBackup),
    ] {
        assert_eq!(
            log("critical_warning", bits),
            (health, vec![sign]),
            "{bits}"
        );
    }
    let worn = Sign::Worn { percent: 104 };
    assert_eq!(log("percentage_used", 104), (Health::Worrying, vec![worn]));
    assert_eq!(log("percentage_used", 89).0, Health::Good);
    let lost = Sign::Uncorrectable { count: 3 };
    assert_eq!(log("media_errors", 3), (Health::Worrying, vec![lost]));
    // A warm disk is none that fails, though smartctl calls any warning that.
    let mut json: Value = serde_json::from_str(NVME).unwrap();
    json["nvme_smart_health_information_log"]["critical_warning"] = 2.into();
    json["smart_status"]["passed"] = false.into();
    json["smartctl"]["exit_status"] = 8.into();
    assert_eq!(disk(&json.to_string()).health, Health::Worrying);
}

#[test]
fn a_scsi_disk_tells_of_defects_and_predicts() {
    let defects = with(SCSI, "/scsi_grown_defect_list", 12.into());
    assert_eq!(defects.signs, [Sign::Reallocated { count: 12 }]);
    let predicts = with(SCSI, "/smart_status/passed", false.into());
    assert_eq!(predicts.health, Health::Failing);
}

/// smartctl(8), EXIT STATUS.
#[test]
fn exit_bits_say_what_the_text_does_not() {
    let node = Path::new("/dev/sda");
    let passed = |exit: u64, known: bool| {
        let json = serde_json::json!({"smart_status": {"passed": known}});
        Disk::understood(node, json.to_string().as_bytes(), i32::try_from(exit).ok()).health
    };
    assert_eq!(passed(0, true), Health::Good);
    // Some command failed; errors and self-tests in a log: no judgement of today.
    for exit in [1 << 2, 1 << 6, 1 << 7] {
        assert_eq!(passed(exit, true), Health::Good, "{exit}");
    }
    assert_eq!(passed(1 << 3, true), Health::Failing);
    assert_eq!(passed(1 << 4, true), Health::Failing);
    assert_eq!(passed(1 << 5, true), Health::Worrying);
    assert_eq!(passed(0, false), Health::Failing);
    for (output, exit) in [(&b""[..], 1), (b"no JSON", 2), (b"[]", 0), (b"{}", 2)] {
        let disk = Disk::understood(node, output, Some(exit));
        assert_eq!(disk.health, Health::Untold, "{exit}");
    }
}

#[test]
fn what_a_disk_says_of_itself_cannot_move_the_cursor() {
    let disk = with(ATA_GOOD, "/model_name", "A\u{1b}[2J\nB".into());
    assert_eq!(disk.model.as_deref(), Some("A[2JB"));
    let long = with(ATA_GOOD, "/serial_number", "x".repeat(5000).into());
    assert_eq!(long.serial.unwrap().len(), LONGEST);
}

/// Replaces values all over the document.
fn spoil(json: &mut Value, dice: &mut impl Iterator<Item = (u8, Value)>) {
    if let Some((0..40, value)) = dice.next() {
        *json = value;
        return;
    }
    match json {
        Value::Array(all) => all.iter_mut().for_each(|one| spoil(one, dice)),
        Value::Object(all) => all.values_mut().for_each(|one| spoil(one, dice)),
        _ => {}
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(serde_json::json!([{"id": 5}, 7])),
        Just(serde_json::json!({"string": "18446744073709551616"})),
    ]
}

proptest! {
    #[test]
    fn a_spoilt_answer_is_understood_or_not_but_ends_nothing(
        which in 0..7usize,
        dice in proptest::collection::vec((any::<u8>(), any_value()), 1..200),
        cut in any::<proptest::sample::Index>(),
        bytes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..20),
    ) {
        let all = [ATA_GOOD, ATA_FAILING, ATA_WORRYING, NVME, SCSI, QEMU, VIRTIO];
        let mut json: Value = serde_json::from_str(all[which]).unwrap();
        spoil(&mut json, &mut dice.into_iter().cycle());
        let disk = disk(&json.to_string());
        let failing = disk.signs.iter().any(Sign::is_grave);
        assert_eq!(failing, disk.health == Health::Failing);
        let line = crate::disks::words::line(&disk).to(vigie_settings::Language::Fr);
        assert!(line.contains("/dev/sda"));
        let mut raw = all[which].as_bytes().to_vec();
        for (at, byte) in &bytes {
            let at = at.index(raw.len());
            raw[at] = *byte;
        }
        raw.truncate(cut.index(raw.len()) + 1);
        let raw = Disk::understood(Path::new("/dev/sda"), &raw, None);
        assert_eq!(raw.node, Path::new("/dev/sda"));
    }
}
