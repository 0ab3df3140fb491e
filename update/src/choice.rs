//! Which slot GRUB boots: the rule of `rootfs/grub/disk.cfg`, as a function.
//!
//! 1. The slots are looked at in the order of the state.
//! 2. A good slot is booted, and nothing is counted: power cuts alone never
//!    use up a good system.
//! 3. A slot that is not good is booted while it has tries, and costs one; the
//!    state is saved before the kernel is loaded.
//! 4. When nothing is left, the slots that hold a system get all their tries
//!    again and the rule starts over: a box must never stop for lack of tries.

use crate::boot_state::{BootState, TRIES};
use crate::slot::Slot;

/// What GRUB does at one start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The slot that is booted.
    pub slot: Slot,
    /// The state on the disk when the kernel starts.
    pub after: BootState,
    /// All tries were used up and have been given anew.
    pub reset: bool,
}

/// Applies the rule once. `present` are the slots that hold a system; where
/// none does, there is nothing to boot and the first slot is named.
pub fn choose(state: &BootState, present: &[Slot]) -> Choice {
    if let Some((slot, after)) = first_bootable(state) {
        return Choice {
            slot,
            after,
            reset: false,
        };
    }
    let mut renewed = state.clone();
    for slot in present {
        renewed.slot_mut(*slot).tries = TRIES;
    }
    let (slot, after) = first_bootable(&renewed).unwrap_or((state.first, renewed));
    Choice {
        slot,
        after,
        reset: true,
    }
}

fn first_bootable(state: &BootState) -> Option<(Slot, BootState)> {
    let bootable = |slot: &Slot| state.slot(*slot).good || state.slot(*slot).tries > 0;
    let slot = state.order().into_iter().find(bootable)?;
    let mut after = state.clone();
    if !state.slot(slot).good {
        after.slot_mut(slot).tries -= 1;
    }
    Some((slot, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot_state::SlotState;

    /// "ab 1.3 0.2": order, then good and tries of a and of b.
    fn state(text: &str) -> BootState {
        let words: Vec<&str> = text.split(' ').collect();
        let mut state = BootState::default();
        for (slot, word) in Slot::BOTH.into_iter().zip(&words[1..3]) {
            *state.slot_mut(slot) = SlotState {
                good: word.starts_with('1'),
                tries: word[2..].parse().unwrap(),
            };
        }
        state.first = words[0][..1].parse().unwrap();
        state
    }

    #[test]
    fn the_rule() {
        for (before, slot, after, reset) in [
            // A new installation counts until it is good.
            ("ab 0.3 0.0", 'a', "ab 0.2 0.0", false),
            ("ab 0.1 0.0", 'a', "ab 0.0 0.0", false),
            ("ab 0.0 0.0", 'a', "ab 0.2 0.3", true),
            ("ab 0.0 0.0 only-a", 'a', "ab 0.2 0.0", true),
            ("ba 0.0 0.0 only-a", 'a', "ba 0.2 0.0", true),
            // Good slots cost nothing.
            ("ab 1.3 0.0", 'a', "ab 1.3 0.0", false),
            ("ab 1.0 1.0", 'a', "ab 1.0 1.0", false),
            // An update is tried first, then the old slot serves again.
            ("ba 1.3 0.3", 'b', "ba 1.3 0.2", false),
            ("ba 1.3 0.0", 'a', "ba 1.3 0.0", false),
            ("ba 1.3 1.3", 'b', "ba 1.3 1.3", false),
            // Nothing good: the second slot gets its turn, then all over again.
            ("ba 0.2 0.0", 'a', "ba 0.1 0.0", false),
            ("ba 0.0 0.0", 'b', "ba 0.3 0.2", true),
        ] {
            let present = if before.ends_with("only-a") {
                &Slot::BOTH[..1]
            } else {
                &Slot::BOTH
            };
            let choice = choose(&state(before), present);
            assert_eq!(choice.slot.letter(), slot, "{before}");
            assert_eq!(choice.after, state(after), "{before}");
            assert_eq!(choice.reset, reset, "{before}");
        }
    }

    #[test]
    fn a_box_never_stops_and_tries_both() {
        for start in ["ab 0.3 0.0", "ba 0.0 0.3", "ba 0.0 0.0", "ab 0.1 0.1"] {
            let mut state = state(start);
            let mut seen = Vec::new();
            for _ in 0..12 {
                let choice = choose(&state, &Slot::BOTH);
                seen.push(choice.slot);
                state = choice.after;
            }
            assert!(
                Slot::BOTH.iter().all(|slot| seen.contains(slot)),
                "{start}: {seen:?}"
            );
        }
    }
}
