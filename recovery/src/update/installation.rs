//! An installation as the updater sees it from outside: which slot it starts from, what that
//! holds, and its state volume, mounted while this lasts.

use std::path::Path;

use anyhow::{Context, Result};
use rustix::mount::MountFlags;
use vigie_installer::toolbox::HostTools;
use vigie_settings::Store;
use vigie_update::appliance::{This, licensed_major};
use vigie_update::apply::target::{Appliance, Target};
use vigie_update::boot_state::BootState;
use vigie_update::choice::choose;
use vigie_update::machine::{self, Machine};
use vigie_update::reached::Floor;
use vigie_update::{Slot, Version};

use crate::check::Watch;
use crate::mounted::Mounted;
use crate::refusal::Refusal;
use crate::site::Site;
use crate::state::State;
use crate::stop;

/// An installation that a person has chosen. It was looked at; nothing of it is opened for writing before
/// [`Chosen::open`].
pub struct Chosen {
    site: Site,
    slot: Slot,
    runs_from: Option<Slot>,
    may_mend: Result<(), Refusal>,
}

impl Chosen {
    /// `runs_from` is its slot that this machine runs from, in recovery without a medium: that one is
    /// kept. `may_mend` is whether its state volume may be mended where it was not unmounted in good order.
    ///
    /// # Errors
    /// Its boot state cannot be read.
    pub(super) fn new(
        site: Site,
        runs_from: Option<Slot>,
        may_mend: Result<(), Refusal>,
    ) -> Result<Self> {
        let slot = kept(&site.appliance(None).load()?, runs_from);
        Ok(Self {
            site,
            slot,
            runs_from,
            may_mend,
        })
    }

    /// The host name in its settings.
    #[must_use]
    pub fn host(&self) -> String {
        self.site.host()
    }

    /// Its system disk, with what that says of itself.
    #[must_use]
    pub fn place(&self) -> String {
        self.site.installation.place()
    }

    /// The slot that is kept.
    #[must_use]
    pub const fn slot(&self) -> Slot {
        self.slot
    }

    /// The version in that slot, where it is known.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.site.installation.facts.slots.get(&self.slot)?.version
    }

    /// Opens it: its state volume is mended where that is needed, and mounted. From now on no signal keeps it
    /// from being unmounted.
    ///
    /// # Errors
    /// Its boot state cannot be read, no slot holds a system, its state volume needs a repair that is not made;
    /// it lies on another disk than when it was chosen.
    pub fn open(&self, watch: &mut dyn Watch) -> Result<Opened> {
        let device = self.site.state_device()?;
        stop::hold_off();
        let state = State::open_where(&device, &HostTools, self.may_mend.clone(), watch)?;
        let target = self.site.appliance(Some(device));
        let slot = kept(&target.load()?, self.runs_from);
        let machine = match self.runs_from {
            // Its partition is verity's: nobody else may mount it.
            Some(_) => Machine::load(Path::new("/"))?,
            None => machine_of(&target, slot)?,
        };
        let folder = state.updates();
        let mut keys = machine::keys(Path::new("/"))?;
        keys.revoked.extend(Floor::load(&folder).revoked);
        let settings = Store::on_state_volume(state.folder()).load();
        let licensed_major = licensed_major(&settings, false, machine.version);
        let this = This {
            target,
            slot,
            machine,
            keys,
            folder,
            licensed_major,
        };
        Ok(Opened { this, state })
    }
}

/// An installation, ready to be updated.
pub struct Opened {
    /// Its disks, its rules.
    pub this: This,
    /// Its state volume, mounted.
    pub state: State,
}

impl Opened {
    /// The version that it starts.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.this.machine.version
    }
}

/// The slot that an update leaves alone, whatever the boot state says of it: the one that the machine
/// runs from. GRUB starts recovery by the rule of [`starts_from`], but takes the other slot where it
/// cannot load that one, and a person can name any.
fn kept(state: &BootState, runs_from: Option<Slot>) -> Slot {
    runs_from.unwrap_or_else(|| starts_from(state))
}

/// The slot that must not be lost: the good one that comes first, else the one that is started.
pub(crate) fn starts_from(state: &BootState) -> Slot {
    let good = state
        .order()
        .into_iter()
        .find(|slot| state.slot(*slot).good);
    good.unwrap_or_else(|| choose(state, &Slot::BOTH).slot)
}

/// What a slot's system says of itself.
fn machine_of(target: &Appliance, slot: Slot) -> Result<Machine> {
    let device = target.device(slot.system_partition())?;
    let system = Mounted::new(&device, "system", "squashfs", MountFlags::RDONLY)
        .with_context(|| format!("slot {slot} holds no system; install anew, keeping the data"))?;
    Machine::load(&system.folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_update::SlotState;

    #[test]
    fn the_slot_that_the_machine_runs_from_is_kept() {
        for (a, b) in [(true, false), (false, true), (true, true), (false, false)] {
            for first in Slot::BOTH {
                let mut state = BootState::default();
                state.first = first;
                (state.slot_mut(Slot::A).good, state.slot_mut(Slot::B).good) = (a, b);
                for slot in Slot::BOTH {
                    assert_eq!(kept(&state, Some(slot)), slot, "{state:?}");
                }
                assert_eq!(kept(&state, None), starts_from(&state), "{state:?}");
            }
        }
    }

    #[test]
    fn the_good_slot_is_kept() {
        let slot = |first, a: (bool, u8), b: (bool, u8)| {
            let mut state = BootState::default();
            state.first = first;
            for (slot, (good, tries)) in Slot::BOTH.into_iter().zip([a, b]) {
                *state.slot_mut(slot) = SlotState { good, tries };
            }
            starts_from(&state)
        };
        assert_eq!(slot(Slot::A, (true, 3), (false, 0)), Slot::A);
        // What waits to be tried, or never came up, is what is replaced.
        assert_eq!(slot(Slot::B, (true, 3), (false, 3)), Slot::A);
        assert_eq!(slot(Slot::B, (true, 3), (true, 3)), Slot::B);
        assert_eq!(slot(Slot::A, (false, 3), (false, 0)), Slot::A);
        assert_eq!(slot(Slot::A, (false, 0), (true, 3)), Slot::B);
    }
}
