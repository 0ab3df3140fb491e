//! The version guard of a repair: which disks it touches, and whether this medium may.

use std::path::PathBuf;

use vigie_disk::sysfs::Sysfs;
use vigie_update::Version;

use super::targets::Target;
use crate::disks::under;
use crate::guard::guard;
use crate::refusal::Refusal;
use crate::site::medium_version;
use crate::volumes::{Installation, inventory, open_kernel};

/// Whether what is meant may be repaired: not where it belongs to an installation of another major version,
/// be it named as a volume or as a device. A disk that is of no installation has no version.
///
/// # Errors
/// It is of another major version.
pub fn may_repair(sysfs: &Sysfs, targets: &[Target]) -> Result<(), Refusal> {
    // A system that does not know its own version is none of ours: a developer's.
    let (false, Ok(medium)) = (disks_of(targets, sysfs).is_empty(), medium_version()) else {
        return Ok(());
    };
    let found = inventory(sysfs, &open_kernel, None).installations;
    may_write(medium, sysfs, targets, &found)
}

/// The same of these installations.
fn may_write(
    medium: Version,
    sysfs: &Sysfs,
    targets: &[Target],
    found: &[Installation],
) -> Result<(), Refusal> {
    let disks = disks_of(targets, sysfs);
    let mut concerned = found.iter().filter(|one| lies_on(one, &disks, sysfs));
    concerned.try_for_each(|one| guard(medium, one.version(), false))
}

/// The disks that targets lie on, as the kernel names them.
fn disks_of(targets: &[Target], sysfs: &Sysfs) -> Vec<String> {
    under::nodes(sysfs, targets.iter().map(Target::node))
}

/// Whether one of an installation's volumes lies on one of the disks.
fn lies_on(one: &Installation, disks: &[String], sysfs: &Sysfs) -> bool {
    let nodes = one.volumes.iter().map(|volume| &volume.node);
    let own = under::nodes(sysfs, nodes.chain([&one.disk]).map(PathBuf::as_path));
    own.iter().any(|disk| disks.contains(disk))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    use crate::check::targets::Part;
    use crate::volumes::{Content, SlotSays, Volume};
    use vigie_disk::Bytes;
    use vigie_installer::layout::Purpose;
    use vigie_update::Slot;

    /// An installation on vigiea, an array over vigiea8 and vigieb1, a disk beside.
    fn machine() -> (tempfile::TempDir, Sysfs) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("vigiea/size", "1000"),
            ("vigiea/vigiea7/partition", "7"),
            ("vigiea/vigiea8/partition", "8"),
            ("vigieb/size", "1000"),
            ("vigieb/vigieb1/partition", "1"),
            ("vigiec/size", "1000"),
            ("vigiec/vigiec1/partition", "1"),
            ("md99/size", "900"),
            ("md99/slaves/vigiea8/x", ""),
            ("md99/slaves/vigieb1/x", ""),
        ] {
            let path = dir.path().join("block").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let sysfs = Sysfs::new(dir.path());
        (dir, sysfs)
    }

    #[test]
    fn a_device_leads_to_its_disks_and_a_file_to_none() {
        let (dir, sysfs) = machine();
        let file = dir.path().join("vigiea7");
        fs::write(&file, "an image").unwrap();
        let link = dir.path().join("by-uuid");
        std::os::unix::fs::symlink("/dev/vigiea7", &link).unwrap();
        let named = |path: &Path| Target::Named(path.to_owned());
        let disks = |targets: &[Target]| {
            let disks = disks_of(targets, &sysfs).into_iter();
            disks.collect::<Vec<_>>().join(" ")
        };
        let device = |path: &str| disks(&[named(Path::new(path))]);
        assert_eq!(device("/dev/vigiea7"), "vigiea");
        assert_eq!(device("/dev/vigiea"), "vigiea");
        assert_eq!(device("/dev/md99"), "vigiea vigieb");
        assert_eq!(device("/dev/nothing"), "");
        assert_eq!(disks(&[named(&file)]), "");
        let ours = Target::Ours(Part {
            disk: "/dev/vigiec".into(),
            purpose: Purpose::Data(1),
            node: "/dev/vigiec1".into(),
            array: None,
        });
        assert_eq!(
            disks(&[ours, named(Path::new("/dev/md99"))]),
            "vigiea vigieb vigiec"
        );
    }

    #[test]
    fn a_medium_of_another_major_version_writes_nowhere_on_its_disks() {
        let (_dir, sysfs) = machine();
        let mut one = Installation {
            disk: "/dev/vigiea".into(),
            ..Installation::default()
        };
        let version = Some(Version([4, 9, 0, 0]));
        let says = SlotSays {
            version,
            wholeness: None,
        };
        one.facts.slots.insert(Slot::A, says);
        let may = |nodes: &[&str]| {
            let targets: Vec<Target> = nodes
                .iter()
                .map(|node| Target::Named(node.into()))
                .collect();
            may_write(
                Version([5, 0, 0, 0]),
                &sysfs,
                &targets,
                std::slice::from_ref(&one),
            )
            .is_ok()
        };
        assert!(may(&["/dev/vigiec1"]));
        assert!(!may(&["/dev/md99"]));
        // A disk that nobody lists, with the state volume that the report of it goes to.
        assert!(!may(&["/dev/vigiec1", "/dev/vigiea7"]));
    }

    #[test]
    fn an_installation_is_concerned_by_each_of_its_disks() {
        let (_dir, sysfs) = machine();
        let recordings = Volume {
            name: Purpose::Data(2),
            node: "/dev/vigieb1".into(),
            size: Bytes::gib(1),
            array: None,
            content: Content::Missing,
        };
        let one = Installation {
            disk: "/dev/vigiea".into(),
            volumes: vec![recordings],
            ..Installation::default()
        };
        let concerned = |path: &str| {
            let disks = disks_of(&[Target::Named(path.into())], &sysfs);
            lies_on(&one, &disks, &sysfs)
        };
        for (path, is) in [
            ("/dev/vigiea7", true),
            ("/dev/vigieb1", true),
            ("/dev/md99", true),
            ("/dev/vigiec1", false),
        ] {
            assert_eq!(concerned(path), is, "{path}");
        }
    }
}
