//! The md RAID arrays, as the kernel tells of them below `/sys/block/md*/md`
//! (Documentation/admin-guide/md.rst). Names are udev's, or the initrd's before udev has looked:
//! the kernel has numbers only. Of an array that waits for members it tells nothing but those
//! that are there.

use std::fs;
use std::path::Path;

use crate::sysfs::{attribute, names};

/// One array.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArrayFacts {
    /// The array's own name, such as `state`; the kernel's where udev knows none.
    pub name: String,
    /// `raid1` and so on; empty while it waits.
    pub level: String,
    /// Members that it has when it is whole; 0 while it waits.
    pub disks: usize,
    /// The members that it works with, or that wait, by the kernel's names.
    pub members: Vec<String>,
    /// Members that are missing, failed or not yet up to date.
    pub missing: usize,
    /// Whether it can be used; else it waits for members.
    pub running: bool,
    pub sync: Option<Sync>,
}

/// A pass over the whole array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sync {
    pub action: Action,
    /// 0 to 100; 0 where it waits for another one.
    pub percent: u8,
}

/// What a pass is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Making the members agree, after the array was made or a power cut.
    Resync,
    /// Filling a member that was replaced or came back.
    Recover,
    /// Looking for differences.
    Check,
    /// Any other.
    Other,
}

/// The arrays below a root, by the kernel's names.
pub fn read(root: &Path) -> Vec<ArrayFacts> {
    let block = root.join("sys/block");
    let mut names = names(&block);
    names.retain(|name| name.starts_with("md"));
    let arrays = names.iter().filter_map(|name| array(root, name));
    arrays.collect()
}

/// One array; none where the device is no array or was stopped.
fn array(root: &Path, kernel_name: &str) -> Option<ArrayFacts> {
    let device = root.join("sys/block").join(kernel_name);
    let md = device.join("md");
    let state = attribute(&md.join("array_state"))?;
    if state == "clear" {
        return None;
    }
    let running = state != "inactive";
    let number = |name: &str| attribute(&md.join(name)).and_then(|text| number(&text));
    let mut members = members(&md);
    if running {
        members.retain(|name| is_in_sync(&md, name));
    }
    Some(ArrayFacts {
        name: name(root, kernel_name, &members),
        level: attribute(&md.join("level")).unwrap_or_default(),
        disks: number("raid_disks").unwrap_or(0),
        missing: number("degraded").filter(|_| running).unwrap_or(0),
        members,
        running,
        sync: attribute(&md.join("sync_action")).and_then(|action| {
            let done = attribute(&md.join("sync_completed")).unwrap_or_default();
            sync(&action, &done)
        }),
    })
}

/// The array's name: udev's, the initrd's, what udev noted with a member, the kernel's.
fn name(root: &Path, kernel_name: &str, members: &[String]) -> String {
    let of_member = || members.iter().find_map(|member| udev_name(root, member));
    udev_name(root, kernel_name)
        .or_else(|| initrd_name(root, kernel_name))
        .or_else(of_member)
        .unwrap_or_else(|| kernel_name.to_owned())
}

/// The name that udev's database has with a device, be it the array or a member.
fn udev_name(root: &Path, kernel_name: &str) -> Option<String> {
    let number = attribute(&root.join("sys/class/block").join(kernel_name).join("dev"))?;
    let text = fs::read_to_string(root.join(format!("run/udev/data/b{number}"))).ok()?;
    name_in(&text)
}

/// The name with which the initrd started an array.
fn initrd_name(root: &Path, kernel_name: &str) -> Option<String> {
    let text = fs::read_to_string(root.join("run/vigie/boot.json")).ok()?;
    let boot: serde_json::Value = serde_json::from_str(&text).ok()?;
    let device = format!("/dev/{kernel_name}");
    let mut arrays = boot["arrays"].as_array()?.iter();
    let array = arrays.find(|array| array["device"] == device)?;
    Some(array["name"].as_str()?.to_owned())
}

/// The devices in an array, `md/dev-NAME`.
fn members(md: &Path) -> Vec<String> {
    let names = names(md).into_iter();
    let devices = names.filter_map(|name| Some(name.strip_prefix("dev-")?.to_owned()));
    devices.collect()
}

/// `md/dev-NAME/state` is a list of words.
fn is_in_sync(md: &Path, name: &str) -> bool {
    let state = attribute(&md.join(format!("dev-{name}/state"))).unwrap_or_default();
    state.split(',').any(|word| word == "in_sync")
}

/// An attribute may tell of a change under way, as `3 (2)`.
fn number(text: &str) -> Option<usize> {
    text.split_whitespace().next()?.parse().ok()
}

/// The array's name in a file of udev's database.
fn name_in(text: &str) -> Option<String> {
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key));
    let name = value("E:MD_DEVNAME=").or_else(|| value("E:MD_NAME="))?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// `sync_action` and `sync_completed`: `recover`, `1024 / 4096`.
fn sync(action: &str, completed: &str) -> Option<Sync> {
    let action = match action {
        "idle" | "frozen" | "" => return None,
        "resync" => Action::Resync,
        "recover" => Action::Recover,
        "check" => Action::Check,
        _ => Action::Other,
    };
    let parts = completed.split_once(" / ").and_then(|(done, all)| {
        let (done, all) = (done.parse::<u64>().ok()?, all.parse::<u64>().ok()?);
        u128::from(done.min(all))
            .checked_mul(100)?
            .checked_div(all.into())
    });
    let percent = parts.and_then(|percent| u8::try_from(percent).ok());
    Some(Sync {
        action,
        percent: percent.unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("temporary folder");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("folder")).expect("made");
            fs::write(path, text).expect("written");
        }
        root
    }

    #[test]
    fn arrays_of_a_machine() {
        let root = tree(&[
            ("sys/block/vda/size", "1"),
            ("sys/block/md125/md/array_state", "clear\n"),
            ("sys/class/block/md126/dev", "9:126\n"),
            ("sys/class/block/vdb8/dev", "254:24\n"),
            ("sys/block/md126/md/array_state", "inactive\n"),
            ("sys/block/md126/md/level", "\n"),
            ("sys/block/md126/md/raid_disks", "0\n"),
            ("sys/block/md126/md/dev-vdb8/state", "spare\n"),
            (
                "run/udev/data/b254:24",
                "E:MD_DEVICE=md126\nE:MD_DEVNAME=data-1\n",
            ),
            ("sys/class/block/md127/dev", "9:127\n"),
            ("sys/block/md127/md/array_state", "active\n"),
            ("sys/block/md127/md/level", "raid1\n"),
            ("sys/block/md127/md/raid_disks", "2\n"),
            ("sys/block/md127/md/degraded", "1\n"),
            (
                "sys/block/md127/md/dev-vda7/state",
                "in_sync,write_mostly\n",
            ),
            ("sys/block/md127/md/dev-vdb7/state", "spare\n"),
            ("sys/block/md127/md/sync_action", "recover\n"),
            ("sys/block/md127/md/sync_completed", "1024 / 4096\n"),
            (
                "run/udev/data/b9:127",
                "S:md/state\nE:MD_NAME=x:state\nE:MD_DEVNAME=state\n",
            ),
        ]);
        let waiting = ArrayFacts {
            name: "data-1".into(),
            level: String::new(),
            disks: 0,
            members: vec!["vdb8".into()],
            missing: 0,
            running: false,
            sync: None,
        };
        let rebuilding = ArrayFacts {
            name: "state".into(),
            level: "raid1".into(),
            disks: 2,
            members: vec!["vda7".into()],
            missing: 1,
            running: true,
            sync: Some(Sync {
                action: Action::Recover,
                percent: 25,
            }),
        };
        assert_eq!(read(root.path()), [waiting, rebuilding]);
        assert_eq!(read(&root.path().join("nothing")), []);
    }

    #[test]
    fn names_before_udev_has_looked() {
        let root = tree(&[
            ("sys/block/md126/md/array_state", "active\n"),
            ("sys/block/md127/md/array_state", "active\n"),
            (
                "run/vigie/boot.json",
                r#"{"arrays":[{"device":"/dev/md127","name":"state"}]}"#,
            ),
        ]);
        let arrays = read(root.path());
        let names: Vec<&str> = arrays.iter().map(|array| array.name.as_str()).collect();
        assert_eq!(names, ["md126", "state"]);
    }

    #[test]
    fn passes() {
        let of = |action, percent| Some(Sync { action, percent });
        for (action, completed, want) in [
            ("idle", "none", None),
            ("frozen", "none", None),
            ("resync", "none", of(Action::Resync, 0)),
            ("resync", "delayed", of(Action::Resync, 0)),
            ("check", "4096 / 4096", of(Action::Check, 100)),
            ("recover", "9 / 0", of(Action::Recover, 0)),
            ("reshape", "-1 / x", of(Action::Other, 0)),
            ("resync", "99999999999999999999 / 1", of(Action::Resync, 0)),
        ] {
            assert_eq!(sync(action, completed), want, "{action} {completed}");
        }
    }
}
