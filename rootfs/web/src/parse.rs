//! Texts of the system → values. Pure; what cannot be understood is left out.

/// The value of `key` in a file of `KEY=value` lines with optional quotes (os-release(5)).
pub fn os_release_value(text: &str, key: &str) -> Option<String> {
    let value = text
        .lines()
        .find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))?;
    let value = value.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

/// A data volume that the settings list, as `vigie-settings` left it in `/etc/fstab`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedVolume {
    pub name: String,
    /// The UUID of its file system.
    pub uuid: String,
    pub mount: String,
}

/// The option that carries a volume's name (written by `vigie-settings`).
const NAME_OPTION: &str = "x-vigie.volume=";

/// The data volumes of an fstab(5).
pub fn listed_volumes(fstab: &str) -> Vec<ListedVolume> {
    let volume = |line: &str| {
        let mut fields = line.split_whitespace();
        let uuid = fields.next()?.strip_prefix("UUID=")?;
        let (mount, options) = (fields.next()?, fields.nth(1)?);
        let name = options
            .split(',')
            .find_map(|option| option.strip_prefix(NAME_OPTION))?;
        Some(ListedVolume {
            name: name.to_owned(),
            uuid: uuid.to_owned(),
            mount: unescape(mount),
        })
    };
    fstab
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(volume)
        .collect()
}

/// Whether something is mounted at `mount`, and whether its file system is writable, by
/// `/proc/self/mountinfo` (proc(5)). The sandbox makes every mount read-only for us, so it is the
/// file system's own options that count, not the mount's. `None` when nothing is mounted there.
pub fn writable(mountinfo: &str, mount: &str) -> Option<bool> {
    let options = |line: &str| {
        let (left, right) = line.split_once(" - ")?;
        (unescape(left.split(' ').nth(4)?) == mount).then_some(())?;
        Some(
            right
                .split(' ')
                .nth(2)?
                .split(',')
                .any(|option| option == "rw"),
        )
    };
    // Of mounts over one another, the last one is what programs see.
    mountinfo.lines().filter_map(options).next_back()
}

/// `\040` and the like → the character.
fn unescape(field: &str) -> String {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match code
            .and_then(|digits| u8::from_str_radix(digits, 8).ok())
            .filter(|_| first == b'\\')
        {
            Some(byte) => {
                out.push(byte);
                rest = &after[3..];
            }
            None => {
                out.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release() {
        let text = "ID=vigie\nVERSION_ID=\"1.2.3.4\"\nEMPTY=\nVERSION=x\n";
        assert_eq!(
            os_release_value(text, "VERSION_ID").as_deref(),
            Some("1.2.3.4")
        );
        assert_eq!(os_release_value(text, "VERSION").as_deref(), Some("x"));
        assert_eq!(os_release_value(text, "EMPTY"), None);
        assert_eq!(os_release_value("", "ID"), None);
    }

    #[test]
    fn fstab() {
        let text = "# x\nUUID=a /srv/data-1 ext4 nofail,noatime,x-vigie.volume=data-1 0 2\n\nproc /proc proc defaults 0 0\nbroken\n";
        assert_eq!(
            listed_volumes(text),
            [ListedVolume {
                name: "data-1".into(),
                uuid: "a".into(),
                mount: "/srv/data-1".into()
            }]
        );
    }

    #[test]
    fn mounts() {
        let text = "\
29 1 254:4 / / ro,relatime shared:1 - squashfs /dev/mapper/vigie-root ro
30 29 254:7 / /var ro,relatime shared:2 - ext4 /dev/vda7 rw,errors=remount-ro
31 29 254:8 / /srv/a\\040b ro,relatime - ext4 /dev/vda8 ro
32 29 0:50 / /srv/twice rw - tmpfs tmpfs ro
33 29 0:51 / /srv/twice rw - ext4 /dev/vdb rw
garbage
";
        for (mount, expected) in [
            ("/", Some(false)),
            ("/var", Some(true)),
            ("/srv/a b", Some(false)),
            ("/srv/twice", Some(true)),
            ("/srv", None),
        ] {
            assert_eq!(writable(text, mount), expected, "{mount}");
        }
    }
}
