//! Whose a volume is: of the installation on whose disk it lies, or whose settings list it.

use vigie_installer::layout::Purpose;

use super::targets::{Part, Target, ordered};
use crate::volumes::{Content, Installation, Inventory};

/// Whose a volume is, as one system sees it.
pub enum Whose {
    /// The system's.
    Ours,
    /// That of another one.
    Anothers,
    /// Nobody can say, and there is no other system.
    Assumed,
    /// No system lists it.
    Nobodys,
}

/// Whose a volume is, of what was found.
#[must_use]
pub fn whose(part: &Part, system: &Installation, found: &Inventory) -> Whose {
    let all = || found.installations.iter();
    if let Some(owner) = owner(part, &found.installations) {
        return match is_same_system(system, owner) {
            true => Whose::Ours,
            false => Whose::Anothers,
        };
    }
    let is_only = all().all(|one| is_same_system(system, one));
    // Settings that cannot be read list nothing, and a damaged volume does not say which it is.
    let lists = all().any(|one| is_same_system(system, one) && !one.facts.data.is_empty());
    let others = found.others.iter();
    let mut same = others.filter(|volume| volume.node == part.node);
    let says = same.any(|volume| matches!(volume.content, Content::Ext4 { .. }));
    match is_only && !(lists && says) {
        true => Whose::Assumed,
        false => Whose::Nobodys,
    }
}

/// The installation on whose disk a volume is, or whose settings list it.
fn owner<'a>(part: &Part, found: &'a [Installation]) -> Option<&'a Installation> {
    let lists = |one: &&Installation| one.volumes.iter().any(|volume| volume.node == part.node);
    let on_disk = found.iter().find(|one| one.disk == part.disk);
    on_disk.or_else(|| found.iter().find(lists))
}

/// The state volume of the one system that the targets are of; of an array its first member. Where they are
/// of several systems there is none, and where nobody knows whose they are it is that of the only system.
#[must_use]
pub fn state_of(targets: &[Target], found: &[Installation], parts: &[Part]) -> Option<Part> {
    let mut ours = targets.iter().filter_map(Target::part).peekable();
    ours.peek()?;
    let owned: Vec<&Installation> = ours.filter_map(|part| owner(part, found)).collect();
    let candidates = match owned.is_empty() {
        true => found.iter().collect(),
        false => owned,
    };
    let (first, others) = candidates.split_first()?;
    if !others.iter().all(|one| is_same_system(first, one)) {
        return None;
    }
    let is_state = |part: &&Part| {
        part.purpose == Purpose::State
            && owner(part, found).is_some_and(|one| is_same_system(first, one))
    };
    let states = parts.iter().filter(is_state).cloned().collect();
    ordered(states).into_iter().next()
}

/// Whether two disks carry one system: they are one, or members of one array.
#[must_use]
pub fn is_same_system(one: &Installation, other: &Installation) -> bool {
    one.disk == other.disk || (one.array.is_some() && one.array == other.array)
}
