//! Factory reset: the settings alone, or settings and recordings. The system stays.
//!
//! The settings begin anew first, in one rename ([`vigie_settings::Store::start_over`]); they list
//! the data volumes, those to be made with their new ids. Then each data volume is made anew, as the
//! installer makes it. A power cut leaves the old appliance or a new one, some of whose data volumes
//! may not be there; doing it again finishes it.

pub mod command;
mod confirm;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use vigie_disk::md::{self, Level};
use vigie_disk::{BlockDevice, Bytes};
use vigie_installer::Ids;
use vigie_installer::execute::ext4::{self, Making};
use vigie_installer::execute::{check_scratch, striped};
use vigie_installer::layout::Purpose;
use vigie_installer::toolbox::Toolbox;
use vigie_settings::{Files, Settings, Store};
use vigie_update::Version;
use vigie_update::appliance::named_licence;

use crate::full::{self, Freed, Room};
use crate::refusal::Refusal;
use crate::volumes::{Content, Installation, Volume};
pub use confirm::Names;

/// What is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scope {
    /// The settings; recordings stay.
    Settings,
    /// Settings and recordings.
    All,
}

impl Scope {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::All => "all",
        }
    }
}

/// A data volume of the installation; members of one array are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data {
    /// Its name.
    pub purpose: Purpose,
    /// The partition, or the first member of its array.
    pub node: PathBuf,
    /// The id of its array.
    pub array: Option<String>,
    /// The id of the file system that is on it.
    pub uuid: Option<String>,
}

/// What a reset does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What is reset.
    pub scope: Scope,
    /// The installation's data volumes.
    pub data: Vec<Data>,
}

/// What a reset of an installation does. Nothing on other disks is touched that is not known to be
/// its own.
#[must_use]
pub fn plan(scope: Scope, installation: &Installation) -> Plan {
    let mut data: Vec<Data> = Vec::new();
    let volumes = installation.volumes.iter();
    for volume in volumes.filter(|one| one.name.is_data()) {
        let known = |one: &Data| one.array.is_some() && one.array == volume.array;
        if !data.iter().any(known) {
            data.push(Data {
                purpose: volume.name,
                node: volume.node.clone(),
                array: volume.array.clone(),
                uuid: uuid(volume),
            });
        }
    }
    Plan { scope, data }
}

fn uuid(volume: &Volume) -> Option<String> {
    match &volume.content {
        Content::Ext4 { superblock } => Some(superblock.uuid.clone()),
        _ => None,
    }
}

/// The settings begin anew, on a state volume whose root is the folder `state`: those of a new
/// appliance, with its data volumes and as many major versions as its licence allows. `ids` is where
/// new file systems have their ids from, `running` the version of the installation. On a full volume old logs
/// go for it, which are returned.
///
/// # Errors
/// The volume cannot be written to.
pub fn settings(state: &Path, plan: &Plan, ids: &Ids, running: Version) -> Result<Option<Freed>> {
    let store = Store::on_state_volume(state).by("recovery");
    let done = full::with_room(state, |room| begin_anew(room, &store, plan, ids, running));
    done.map(|((), freed)| freed)
}

fn begin_anew<F: Files>(
    room: &mut Room<'_>,
    store: &Store<F>,
    plan: &Plan,
    ids: &Ids,
    running: Version,
) -> Result<()> {
    let loaded = store.load();
    // Beginning anew buys no licence.
    let licence_major = named_licence(&loaded, running);
    let old = loaded.settings.volumes;
    let volumes = match plan.scope {
        // Damaged settings list nothing; what is there is mounted again.
        Scope::Settings if !old.is_empty() => old,
        scope => listed(plan, scope, &old, ids)?,
    };
    let mut settings = Settings {
        volumes,
        ..Settings::default()
    };
    settings.update.licence_major = licence_major;
    let start_over = || store.start_over(&settings);
    room.saving(&mut || start_over().context("resetting the settings"))
}

/// The data volumes as settings list them; a volume keeps the name that a person gave it.
fn listed(
    plan: &Plan,
    scope: Scope,
    old: &[vigie_settings::Volume],
    ids: &Ids,
) -> Result<Vec<vigie_settings::Volume>> {
    let mut volumes = Vec::new();
    for one in &plan.data {
        let name = one.purpose.name();
        let uuid = match scope {
            Scope::All => ext4::uuid(ids, one.purpose).to_string(),
            Scope::Settings => match &one.uuid {
                Some(uuid) => uuid.clone(),
                None => continue,
            },
        };
        let is =
            |volume: &&vigie_settings::Volume| Some(volume.uuid.as_str()) == one.uuid.as_deref();
        volumes.push(match old.iter().find(is) {
            Some(known) => vigie_settings::Volume {
                uuid: uuid.parse()?,
                ..known.clone()
            },
            None => vigie_settings::Volume {
                uuid: uuid.parse()?,
                mount: format!("/srv/{name}").parse()?,
                name: name.parse()?,
            },
        });
    }
    Ok(volumes)
}

/// Whether a data volume of this size can be made anew here: what mke2fs writes is kept in memory meanwhile.
///
/// # Errors
/// [`Refusal::NoMemory`].
pub fn can_make(data: &Data, size: Bytes) -> Result<(), Refusal> {
    let made = check_scratch(data.purpose.name(), size, &std::env::temp_dir());
    made.map_err(|no_room| Refusal::NoMemory {
        volume: no_room.volume,
        need: no_room.need,
        free: no_room.free,
    })
}

/// Makes a data volume anew. `member` is the superblock of a member of its array.
///
/// # Errors
/// mke2fs failed, or the device cannot be written to.
pub fn make(
    data: &Data,
    member: Option<&md::Superblock>,
    ids: &Ids,
    tools: &dyn Toolbox,
    device: &mut dyn BlockDevice,
) -> Result<()> {
    let doing = || format!("making {} anew", data.purpose.name());
    let scratch = tempfile::tempdir().context("making a folder for volumes in the making")?;
    let stripes =
        member.and_then(|one| striped(Level::of_md(one.level)?, one.chunk, one.raid_disks));
    // Of the old file system nothing is found any more, wherever the power is cut from here on.
    device
        .zero(Bytes::ZERO, Bytes::kib(64).min(device.size()))
        .with_context(doing)?;
    device.flush().with_context(doing)?;
    let making = Making {
        tools,
        ids,
        scratch: scratch.path(),
    };
    ext4::write_data(&making, data.purpose, stripes, device).with_context(doing)?;
    device.flush().with_context(doing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_settings::Language;

    #[test]
    fn a_volume_that_needs_more_than_the_machine_has_is_refused() {
        let data = Data {
            purpose: Purpose::Data(1),
            node: "/dev/sda8".into(),
            array: None,
            uuid: None,
        };
        assert_eq!(can_make(&data, Bytes::gib(1)), Ok(()));
        // Descriptors of 128 MiB groups alone are half a millionth of it, in some twenty copies.
        let refused = can_make(&data, Bytes::tib(1 << 23)).unwrap_err();
        for language in [Language::En, Language::Fr] {
            let said = refused.message().to(language);
            assert!(said.contains("data-1"), "{said}");
        }
    }

    #[test]
    fn on_a_full_volume_old_logs_go_for_the_new_settings() {
        let dir = crate::full::tests::volume();
        let store = crate::full::tests::Scarce::store(dir.path());
        let plan = plan(Scope::Settings, &Installation::default());
        let (ids, running) = (Ids::seeded("x", 1), Version([5, 2, 0, 1]));
        let ((), freed) = full::with_room(dir.path(), |room| {
            begin_anew(room, &store, &plan, &ids, running)
        })
        .unwrap();
        assert_eq!(freed.unwrap().files.len(), crate::full::tests::OLD.len());
        assert_eq!(store.load().origin, vigie_settings::Origin::Current);
    }
}
