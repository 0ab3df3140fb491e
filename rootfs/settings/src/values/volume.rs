//! What names a data volume.

use super::{Invalid, plain_debug, text_value};

text_value!(
    /// A data volume's name, such as `data-1`.
    VolumeName,
    check_name
);
text_value!(
    /// The UUID of a volume's ext4 file system, in lower case as the kernel's tools print it.
    FsUuid,
    check_uuid
);
text_value!(
    /// Where a data volume is mounted: one folder right below `/srv`.
    MountPoint,
    check_mount
);
plain_debug!(VolumeName, FsUuid, MountPoint);

fn is_name(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b))
}

fn check_name(text: &str) -> Result<(), Invalid> {
    if is_name(text) {
        return Ok(());
    }
    Err(Invalid::new(
        text,
        "wrong.volume-name",
        "allowed.volume-name",
    ))
}

fn check_uuid(text: &str) -> Result<(), Invalid> {
    let dashes = [8, 13, 18, 23];
    let ok = text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| {
            if dashes.contains(&i) {
                b == b'-'
            } else {
                matches!(b, b'0'..=b'9' | b'a'..=b'f')
            }
        });
    if ok {
        return Ok(());
    }
    Err(Invalid::new(text, "wrong.uuid", "allowed.uuid"))
}

fn check_mount(text: &str) -> Result<(), Invalid> {
    // The root is read-only; /srv is a small tmpfs in which mount points can be made.
    if text.strip_prefix("/srv/").is_some_and(is_name) {
        return Ok(());
    }
    Err(Invalid::new(text, "wrong.mount", "allowed.mount"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_uuids_and_mount_points() {
        assert!("data-1".parse::<VolumeName>().is_ok());
        assert!(
            "0f3b7a52-9c1d-4e8f-a6b0-1234567890ab"
                .parse::<FsUuid>()
                .is_ok()
        );
        assert!("/srv/data-1".parse::<MountPoint>().is_ok());
        for bad in ["", "Data", "a b", "a/b", "..", "-a", &"a".repeat(33)] {
            assert!(bad.parse::<VolumeName>().is_err(), "{bad}");
        }
        for bad in [
            "",
            "0F3B7A52-9C1D-4E8F-A6B0-1234567890AB",
            "0f3b7a529c1d4e8fa6b01234567890ab0000",
            "1234-ABCD",
        ] {
            assert!(bad.parse::<FsUuid>().is_err(), "{bad}");
        }
        for bad in [
            "", "/", "/srv", "/srv/", "/srv/a/b", "/srv/..", "/var", "srv/a", "/srv/a b",
        ] {
            assert!(bad.parse::<MountPoint>().is_err(), "{bad}");
        }
    }
}
