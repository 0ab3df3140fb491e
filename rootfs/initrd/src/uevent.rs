//! What the kernel says about devices: `uevent` files in sysfs and the
//! messages of the uevent socket, both lists of `KEY=value`.

/// The keys that matter here, of one message or one file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uevent {
    /// `add`, `change`, `remove`, ...; empty for a file.
    pub action: String,
    /// `block`, `pci`, `usb`, ...; empty for a file.
    pub subsystem: String,
    /// The device's name for `modules.alias`.
    pub modalias: Option<String>,
    /// The node's name below /dev.
    pub devname: Option<String>,
    /// `disk` or `partition`.
    pub devtype: Option<String>,
}

impl Uevent {
    /// Reads a message of the socket: a header `add@/devices/...`, then the
    /// keys, each ended by a NUL.
    pub fn from_message(bytes: &[u8]) -> Uevent {
        let text = String::from_utf8_lossy(bytes);
        Uevent::from_pairs(text.split('\0').skip(1))
    }

    /// Reads a `uevent` file: a key a line.
    pub fn from_file(text: &str) -> Uevent {
        Uevent::from_pairs(text.lines())
    }

    /// Whether this says that a block device came or changed its medium.
    pub fn is_new_block(&self) -> bool {
        self.subsystem == "block" && matches!(self.action.as_str(), "add" | "change")
    }

    fn from_pairs<'a>(lines: impl Iterator<Item = &'a str>) -> Uevent {
        let mut event = Uevent::default();
        for (key, value) in lines.filter_map(|line| line.split_once('=')) {
            let value = value.to_owned();
            match key {
                "ACTION" => event.action = value,
                "SUBSYSTEM" => event.subsystem = value,
                "MODALIAS" => event.modalias = Some(value),
                "DEVNAME" => event.devname = Some(value),
                "DEVTYPE" => event.devtype = Some(value),
                _ => {}
            }
        }
        event
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files() {
        let text = "MAJOR=254\nMINOR=5\nDEVNAME=vda5\nDEVTYPE=partition\nDISKSEQ=9\nPARTN=5\n\
                    PARTNAME=system-a\n";
        let got = Uevent::from_file(text);
        assert_eq!(got.devname.as_deref(), Some("vda5"));
        assert_eq!(got.devtype.as_deref(), Some("partition"));
        assert_eq!(Uevent::from_file(""), Uevent::default());
    }

    #[test]
    fn messages() {
        let pci = b"add@/devices/pci0\0ACTION=add\0SUBSYSTEM=pci\0MODALIAS=pci:v0=1\0SEQNUM=7\0";
        let disk = b"add@/devices/x/block/sda\0ACTION=add\0SUBSYSTEM=block\0DEVNAME=sda\0";
        let medium = b"change@/devices/sr0\0ACTION=change\0SUBSYSTEM=block\0DEVNAME=sr0\0";
        let gone = b"remove@/devices/sr0\0ACTION=remove\0SUBSYSTEM=block\0DEVNAME=sr0\0";
        for (bytes, modalias, block) in [
            (&pci[..], Some("pci:v0=1"), false),
            (&disk[..], None, true),
            (&medium[..], None, true),
            (&gone[..], None, false),
            (&b"libudev\0\xfe\xed\xca\xfe"[..], None, false),
            (&b""[..], None, false),
        ] {
            let got = Uevent::from_message(bytes);
            assert_eq!(got.modalias.as_deref(), modalias, "{got:?}");
            assert_eq!(got.is_new_block(), block, "{got:?}");
        }
    }
}
