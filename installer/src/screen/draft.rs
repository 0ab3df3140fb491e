//! What was answered so far, and the answers that it makes. Pure.

use std::net::IpAddr;

use vigie_disk::md::Level;
use vigie_machine::Port;
use vigie_settings::{
    Access, Cidr, HostName, Interface, Keymap, Language, Network, PasswordHash, System, TimeZone,
};

use super::found::{self, Set};
use crate::answers::{Answers, Group, Keep, Selector};
use crate::inventory::{BY_PATH, Disk, Inventory};
use crate::plan::Plan;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Everything anew.
    New,
    /// One of the installations that were found, by its place in their list.
    Reinstall {
        /// Which.
        which: usize,
        /// What of it stays.
        keep: Keep,
    },
}

/// How the time zone is being chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is chosen.
    Known,
    /// A city of this region is to be chosen.
    Region(String),
    /// It is looked for by a part of its name.
    Search,
}

/// What was answered, with what is offered where nothing was.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Language of the screen and of the appliance.
    pub language: Language,
    /// Keymap of the console.
    pub keymap: Option<Keymap>,
    /// New or kept.
    pub task: Task,
    /// Whether several disks carry the system.
    pub several: bool,
    /// The system's disks, by path.
    pub system: Vec<String>,
    /// What joins them.
    pub level: Option<Level>,
    /// Whether a kept data volume grows.
    pub grow: bool,
    /// Whether recordings on other disks are kept.
    pub keep_disks: bool,
    /// Further disks for recordings, by path.
    pub data: Vec<String>,
    /// What joins these; none leaves each on its own.
    pub data_level: Option<Level>,
    /// Name.
    pub hostname: HostName,
    /// The port, by its place in the machine's list; none leaves it to DHCP on any.
    pub port: Option<usize>,
    /// Whether it gets a fixed address.
    pub is_fixed: bool,
    /// The fixed address.
    pub address: Option<Cidr>,
    /// The gateway.
    pub gateway: Option<IpAddr>,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// The port of the cameras' network.
    pub camera_port: Option<usize>,
    /// The address there; none is DHCP.
    pub camera_address: Option<Cidr>,
    /// Time zone.
    pub zone: Option<TimeZone>,
    /// How it is being chosen.
    pub place: Place,
    /// What was looked for last.
    pub zone_part: String,
    /// Whether the password is one that is soon guessed.
    pub password_is_weak: bool,
    /// What was typed, until it was typed twice.
    pub typed_password: Option<vigie_prompt::Secret>,
    /// Hash of root's password.
    pub password: Option<PasswordHash>,
    /// What was confirmed.
    pub confirmed: Option<(Answers, Plan)>,
}

impl Draft {
    /// Nothing was answered yet.
    pub fn new(language: Language) -> Self {
        Self {
            language,
            keymap: None,
            task: Task::New,
            several: false,
            system: Vec::new(),
            level: None,
            grow: false,
            keep_disks: true,
            data: Vec::new(),
            data_level: None,
            hostname: HostName::default(),
            port: None,
            is_fixed: false,
            address: None,
            gateway: None,
            dns: Vec::new(),
            camera_port: None,
            camera_address: None,
            zone: None,
            place: Place::Known,
            zone_part: String::new(),
            password_is_weak: false,
            typed_password: None,
            password: None,
            confirmed: None,
        }
    }

    /// The answers to install with.
    pub fn answers(&self, inventory: &Inventory, ports: &[Port]) -> Answers {
        let keeps_settings = matches!(
            self.task,
            Task::Reinstall {
                keep: Keep::DataAndState,
                ..
            }
        );
        let answers = Answers {
            target: self.target(inventory),
            data: self.data_groups(inventory),
            ..Answers::default()
        };
        if keeps_settings {
            return answers;
        }
        Answers {
            system: System {
                hostname: self.hostname.clone(),
                timezone: self.zone.clone().unwrap_or_default(),
                language: self.language,
                keymap: self.keymap.clone().unwrap_or_default(),
            },
            network: self.network(ports),
            access: Access {
                root_password_hash: self.password.clone(),
                ..Access::default()
            },
            ..answers
        }
    }

    /// The networks.
    pub fn network(&self, ports: &[Port]) -> Network {
        let named = |at: usize| {
            let port = ports.get(at);
            Interface {
                // The hardware address stays where a kernel's name may change.
                mac: port.and_then(|port| port.address().cloned()),
                ..Interface::default()
            }
        };
        let enterprise = match self.port {
            None => Interface::default(),
            Some(at) if !self.is_fixed => named(at),
            Some(at) => Interface {
                address: self.address,
                gateway: self.gateway,
                dns: self.dns.clone(),
                ..named(at)
            },
        };
        let cameras = self.camera_port.map(|at| Interface {
            address: self.camera_address,
            ..named(at)
        });
        Network {
            enterprise,
            cameras,
            ..Network::default()
        }
    }

    /// The installation that is reinstalled.
    pub fn reinstalled(&self, inventory: &Inventory) -> Option<Set> {
        let Task::Reinstall { which, .. } = self.task else {
            return None;
        };
        found::systems(inventory).into_iter().nth(which)
    }

    fn target(&self, inventory: &Inventory) -> Group {
        match self.task {
            Task::New => new_group(&self.system, self.level, inventory),
            Task::Reinstall { keep, .. } => {
                let set = self.reinstalled(inventory);
                let group =
                    set.map_or_else(Group::default, |set| kept_group(&set, keep, inventory));
                Group {
                    grow: self.grow,
                    ..group
                }
            }
        }
    }

    /// The disks that carry the system, by path.
    pub fn system_disks(&self, inventory: &Inventory) -> Vec<String> {
        match self.reinstalled(inventory) {
            Some(set) => set.disks,
            None => self.system.clone(),
        }
    }

    fn data_groups(&self, inventory: &Inventory) -> Vec<Group> {
        let mut groups = Vec::new();
        if self.keep_disks {
            let sets = elsewhere(&self.system_disks(inventory), inventory);
            let kept = sets
                .iter()
                .map(|set| kept_group(set, Keep::Data, inventory));
            groups.extend(kept);
        }
        match self.data_level {
            Some(_) if self.data.len() > 1 => {
                groups.push(new_group(&self.data, self.data_level, inventory));
            }
            _ => {
                let alone = self.data.iter().map(std::slice::from_ref);
                groups.extend(alone.map(|disk| new_group(disk, None, inventory)));
            }
        }
        groups
    }
}

/// The disks that have recordings of ours and nothing else, but for these.
pub fn elsewhere(but: &[String], inventory: &Inventory) -> Vec<Set> {
    let sets = found::recordings(inventory).into_iter();
    sets.filter(|set| !set.disks.iter().any(|disk| but.contains(disk)))
        .collect()
}

/// Disks to be written anew. What is on them may be erased: the person confirms that by serial number.
pub fn new_group(paths: &[String], level: Option<Level>, inventory: &Inventory) -> Group {
    let disks = paths.iter().filter_map(|path| disk(path, inventory));
    let erase = disks.clone().any(|disk| !disk.contents.is_empty());
    let selectors = disks.map(|disk| selector(disk, inventory)).collect();
    Group {
        erase,
        raid: level,
        ..group_of(selectors)
    }
}

fn kept_group(set: &Set, keep: Keep, inventory: &Inventory) -> Group {
    let disks = set.disks.iter().filter_map(|path| disk(path, inventory));
    Group {
        keep,
        raid: set.level,
        ..group_of(disks.map(|disk| selector(disk, inventory)).collect())
    }
}

/// A group that names its disks: one by its own fields, several by a list.
fn group_of(mut selectors: Vec<Selector>) -> Group {
    if selectors.len() != 1 {
        return Group {
            disks: selectors,
            ..Group::default()
        };
    }
    let one = selectors.remove(0);
    Group {
        serial: one.serial,
        wwn: one.wwn,
        path: one.path,
        ..Group::default()
    }
}

/// Everything that tells a disk from the others.
fn selector(disk: &Disk, inventory: &Inventory) -> Selector {
    let others = || {
        inventory
            .disks
            .iter()
            .filter(|other| other.path != disk.path)
    };
    let unique = |of: &dyn Fn(&Disk) -> Option<String>| {
        let value = of(disk)?;
        (!others().any(|other| of(other).as_ref() == Some(&value))).then_some(value)
    };
    Selector {
        serial: unique(&|disk| disk.serial.clone()),
        wwn: unique(&|disk| disk.wwn.clone()),
        path: Some(place(disk).unwrap_or(&disk.path).to_owned()),
        ..Selector::default()
    }
}

/// Where a disk that tells neither serial number nor WWN is plugged in: what is on it is erased for no
/// other name. The rest is named as the screen shows it.
fn place(disk: &Disk) -> Option<&str> {
    let tells_nothing = disk.serial.is_none() && disk.wwn.is_none();
    let mut links = disk.links.iter().map(String::as_str);
    links.find(|link| tells_nothing && link.starts_with(BY_PATH))
}

/// A disk by its path.
pub fn disk<'a>(path: &str, inventory: &'a Inventory) -> Option<&'a Disk> {
    inventory.disks.iter().find(|disk| disk.path == path)
}
