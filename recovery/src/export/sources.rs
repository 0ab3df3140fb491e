//! The volumes that recordings are taken from: those of the installation, and those that no installation lists,
//! such as recordings whose system disk is dead. Pure but for links, which are followed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::check::whose::is_same_system;
use crate::refusal::Refusal;
use crate::volumes::{Content, Installation, Inventory, Volume};

/// A volume to be copied from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What it is called.
    pub name: String,
    /// Its device, or that of a member of its array.
    pub node: PathBuf,
    /// How the name of the folder begins that its recordings go into.
    pub folder: String,
}

/// What is copied from, and what a person must know of the choice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The volumes.
    pub all: Vec<Source>,
    /// Those of them that no installation lists, taken for those of the only system.
    pub assumed: Vec<PathBuf>,
    /// Volumes that no installation lists, left out.
    pub left_out: Vec<PathBuf>,
}

/// A data volume and the installation that it belongs to.
struct Known<'a> {
    volume: &'a Volume,
    owner: Option<&'a Installation>,
}

/// The volumes that are meant: by the names, devices, labels or ids of their file systems in `asked`, or those
/// of the installation where nothing is asked for. Volumes that are named by a device need no installation.
///
/// # Errors
/// There is none, or which is open; the installation's own refusal, where one is needed.
pub fn sources(
    asked: &[String],
    installation: Result<&Installation, Refusal>,
    found: &Inventory,
) -> Result<Sources, Refusal> {
    let known = known(found);
    if asked.is_empty() {
        return of(installation, &known, found);
    }
    let installation = match installation {
        // The disk that was named has none.
        Err(refusal @ (Refusal::NoDisk(..) | Refusal::DiskCutShort(..))) => return Err(refusal),
        installation => installation.ok(),
    };
    let mut all: Vec<Source> = Vec::new();
    for word in asked {
        let source = named(word, installation, &known, found)?;
        if !all.contains(&source) {
            all.push(source);
        }
    }
    Ok(Sources {
        all,
        ..Sources::default()
    })
}

/// Each data volume once; of an array its first member.
fn known(found: &Inventory) -> Vec<Known<'_>> {
    let owned = found.installations.iter().flat_map(|owner| {
        let volumes = owner.volumes.iter();
        volumes.map(move |volume| (volume, Some(owner)))
    });
    let others = found.others.iter().map(|volume| (volume, None));
    let mut seen = BTreeSet::new();
    let known = owned.chain(others).filter(|(volume, _)| {
        let node = volume.node.display().to_string();
        volume.name.is_data() && seen.insert(volume.array.clone().unwrap_or(node))
    });
    known
        .map(|(volume, owner)| Known { volume, owner })
        .collect()
}

/// All of an installation.
fn of(
    installation: Result<&Installation, Refusal>,
    known: &[Known<'_>],
    found: &Inventory,
) -> Result<Sources, Refusal> {
    let one = match installation {
        Err(Refusal::NoInstallation | Refusal::CutShort(_)) if !known.is_empty() => {
            return Err(Refusal::OnlyOthers(known.iter().map(told).collect()));
        }
        installation => installation?,
    };
    let is_ours = |other: &Installation| is_same_system(one, other);
    let is_only = found.installations.iter().all(is_ours);
    let lists = found.installations.iter();
    let lists = lists
        .filter(|other| is_ours(other))
        .any(|one| !one.facts.data.is_empty());
    let mut sources = Sources::default();
    for volume in known {
        let says = matches!(volume.volume.content, Content::Ext4 { .. });
        match volume.owner {
            Some(owner) if is_ours(owner) => {}
            Some(_) => continue,
            // As a check does: its settings cannot be read, or it does not say which it is.
            None if is_only && !(lists && says) => {
                sources.assumed.push(volume.volume.node.clone());
            }
            None => {
                sources.left_out.push(volume.volume.node.clone());
                continue;
            }
        }
        sources.all.push(source(volume));
    }
    Ok(sources)
}

fn source(known: &Known<'_>) -> Source {
    let name = known.volume.name.name();
    let folder = match known.owner {
        Some(owner) => format!("{}-{name}", owner.host()),
        None => format!("{name}-{}", kernel_name(&known.volume.node)),
    };
    Source {
        name,
        node: known.volume.node.clone(),
        folder,
    }
}

fn kernel_name(node: &Path) -> String {
    let name = node.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn told(known: &Known<'_>) -> String {
    let (node, name) = (known.volume.node.display(), known.volume.name.name());
    format!("{node} ({name})")
}

/// The volume that a word names.
fn named(
    word: &str,
    installation: Option<&Installation>,
    known: &[Known<'_>],
    found: &Inventory,
) -> Result<Source, Refusal> {
    let none = || Refusal::NoVolume(word.to_owned(), known.iter().map(told).collect());
    if word.starts_with('/') {
        return at(Path::new(word), known, found).ok_or_else(none);
    }
    let label_or_id = |known: &&Known<'_>| match &known.volume.content {
        Content::Ext4 { superblock } => {
            superblock.uuid.eq_ignore_ascii_case(word) || superblock.label == word
        }
        _ => false,
    };
    let is_named = |known: &&Known<'_>| known.volume.name.name() == word;
    let is_ours = |known: &&Known<'_>| {
        let owner = known.owner.zip(installation);
        owner.is_some_and(|(owner, one)| is_same_system(one, owner))
    };
    let ours = || known.iter().filter(is_ours);
    let mut matching: Vec<&Known<'_>> = ours().filter(is_named).collect();
    if matching.is_empty() {
        let any = known.iter().filter(|one| is_named(one) || label_or_id(one));
        matching = any.collect();
    }
    match &matching[..] {
        [] => Err(none()),
        [one] => Ok(source(one)),
        several => {
            let nodes = several.iter().map(|one| one.volume.node.clone());
            Err(Refusal::SeveralVolumes(word.to_owned(), nodes.collect()))
        }
    }
}

/// The volume on a device. One that is not known here may be a copy of one; what is known to hold no
/// recordings is none.
fn at(path: &Path, known: &[Known<'_>], found: &Inventory) -> Option<Source> {
    let node = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if let Some(one) = known.iter().find(|one| one.volume.node == node) {
        return Some(source(one));
    }
    let owned = found.installations.iter().flat_map(|one| &one.volumes);
    let volume = owned.chain(&found.others).find(|one| one.node == node);
    match volume {
        // Another member of an array that is known by its first.
        Some(volume) if volume.name.is_data() => {
            let same = |one: &&Known<'_>| one.volume.array == volume.array;
            known.iter().find(same).map(source)
        }
        Some(_) => None,
        None => Some(Source {
            name: kernel_name(&node),
            folder: kernel_name(&node),
            node,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_disk::Bytes;
    use vigie_installer::layout::Purpose;

    fn volume(name: Purpose, node: &str, array: Option<&str>) -> Volume {
        Volume {
            name,
            node: node.into(),
            size: Bytes::gib(1),
            array: array.map(str::to_owned),
            content: Content::Missing,
        }
    }

    fn installation(disk: &str, host: &str) -> Installation {
        let mut one = Installation {
            disk: disk.into(),
            ..Installation::default()
        };
        one.facts.host = Some(host.to_owned());
        one.facts.data = vec!["some".to_owned()];
        let node = |number: u8| format!("{disk}{number}");
        one.volumes = vec![
            volume(Purpose::State, &node(7), None),
            volume(Purpose::Data(1), &node(8), None),
        ];
        one
    }

    fn ext4(node: &str, name: u32, label: &str, uuid: &str) -> Volume {
        let mut block = vec![0; 1024];
        block[0x38..0x3A].copy_from_slice(&[0x53, 0xEF]);
        block[0x78..0x78 + label.len()].copy_from_slice(label.as_bytes());
        let mut disk = vigie_disk::MemoryDevice::new(Bytes::mib(1), vigie_disk::SectorSize::S512);
        vigie_disk::BlockDevice::write_at(&mut disk, Bytes::kib(1), &block).unwrap();
        let superblock = vigie_disk::ext4::Superblock::read(&disk).unwrap().unwrap();
        let superblock = vigie_disk::ext4::Superblock {
            uuid: uuid.to_owned(),
            ..superblock
        };
        Volume {
            content: Content::Ext4 { superblock },
            ..volume(Purpose::Data(name), node, None)
        }
    }

    fn nodes(sources: &Sources) -> String {
        let all = sources.all.iter();
        let all = all.map(|one| format!("{}={}", one.node.display(), one.folder));
        all.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn volumes_that_no_installation_lists_are_named_by_device_label_or_id() {
        let found = Inventory {
            installations: vec![installation("/dev/sda", "hall")],
            others: vec![
                ext4("/dev/sdb1", 1, "data-1", "AB-1"),
                ext4("/dev/sdc1", 2, "yard", "cd-2"),
                ext4("/dev/sdd1", 3, "yard", "ef-3"),
            ],
            ..Inventory::default()
        };
        let here = &found.installations[0];
        let ask = |words: &[&str], installation: Result<&Installation, Refusal>| {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            sources(&words, installation, &found)
        };
        let own = ask(&[], Ok(here)).unwrap();
        assert_eq!(nodes(&own), "/dev/sda8=hall-data-1");
        assert_eq!(own.left_out.len(), 3);
        for (words, expected) in [
            (&["data-1"][..], "/dev/sda8=hall-data-1"),
            (&["/dev/sdb1", "/dev/sdb1"], "/dev/sdb1=data-1-sdb1"),
            (
                &["ab-1", "data-1"],
                "/dev/sdb1=data-1-sdb1 /dev/sda8=hall-data-1",
            ),
            (&["data-2"], "/dev/sdc1=data-2-sdc1"),
            (&["/dev/none5"], "/dev/none5=none5"),
        ] {
            assert_eq!(nodes(&ask(words, Ok(here)).unwrap()), expected, "{words:?}");
        }
        let nobody = || Err(Refusal::NoInstallation);
        // Whose it is, is known all the same.
        let known = ask(&["/dev/sda8"], nobody()).unwrap();
        assert_eq!(nodes(&known), "/dev/sda8=hall-data-1");
        let both = ask(&["yard"], Ok(here)).unwrap_err();
        let two = ["/dev/sdc1", "/dev/sdd1"].map(PathBuf::from).to_vec();
        assert_eq!(both, Refusal::SeveralVolumes("yard".to_owned(), two));
        for word in ["/dev/sda7", "cellar", ""] {
            let refused = ask(&[word], Ok(here)).unwrap_err();
            assert!(matches!(refused, Refusal::NoVolume(..)), "{word}");
        }
        let disk = || Refusal::NoDisk("/dev/sdz".into(), Vec::new());
        assert_eq!(ask(&["/dev/sdb1"], Err(disk())), Err(disk()));
    }

    #[test]
    fn with_a_dead_system_disk_volumes_are_named_and_a_lost_state_lists_none() {
        let mut found = Inventory {
            others: vec![ext4("/dev/sdb1", 1, "data-1", "ab-1")],
            ..Inventory::default()
        };
        let refused = sources(&[], Err(Refusal::NoInstallation), &found).unwrap_err();
        let said = refused.to_string();
        assert!(
            said.contains("/dev/sdb1 (data-1)") && said.contains("--volume"),
            "{said}"
        );
        let named = sources(&["data-1".to_owned()], Err(Refusal::NoInstallation), &found);
        assert_eq!(nodes(&named.unwrap()), "/dev/sdb1=data-1-sdb1");
        // Its settings are lost: what nobody lists is taken for its own.
        let mut one = installation("/dev/sda", "vigie");
        one.facts.data.clear();
        found.installations.push(one);
        let all = sources(&[], Ok(&found.installations[0]), &found).unwrap();
        assert_eq!(nodes(&all), "/dev/sda8=vigie-data-1 /dev/sdb1=data-1-sdb1");
        assert_eq!(all.assumed, [Path::new("/dev/sdb1")]);
        // But not where there is another system.
        found.installations.push(installation("/dev/sdc", "yard"));
        let all = sources(&[], Ok(&found.installations[0]), &found).unwrap();
        assert_eq!(nodes(&all), "/dev/sda8=vigie-data-1");
        assert_eq!(all.left_out, [Path::new("/dev/sdb1")]);
    }

    #[test]
    fn members_of_one_array_are_one_volume() {
        let mut found = Inventory::default();
        for node in ["/dev/sdb1", "/dev/sdc1"] {
            found
                .others
                .push(volume(Purpose::Data(1), node, Some("ab")));
        }
        let words = ["/dev/sdc1", "/dev/sdb1"].map(str::to_owned);
        let all = sources(&words, Err(Refusal::NoInstallation), &found).unwrap();
        assert_eq!(nodes(&all), "/dev/sdb1=data-1-sdb1");
    }
}
