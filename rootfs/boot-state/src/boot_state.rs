//! The boot state: GRUB's environment block on the ESP.
//!
//! Exactly 1024 bytes: a first line, `name=value` lines with `\` before a
//! newline or backslash in a value, and `#` up to the end (GRUB,
//! `grub-core/lib/envblk.c`). Our variables:
//!
//! | variable | value |
//! |---|---|
//! | `order` | `ab` or `ba`: which slot is tried first |
//! | `a_good`, `b_good` | `1`: this slot has come up healthy; its boots are not counted |
//! | `a_tries`, `b_tries` | `0` to `3`: boots left for a slot that is not good |
//!
//! All variables lie in the first 512 bytes, so that rewriting the state is one
//! sector. What is read is hostile: it may be torn, foreign or random, and any
//! bytes give a usable state.

use crate::slot::Slot;

/// Length of the block.
pub const LENGTH: usize = 1024;
/// Variables end before this, in the first sector of 512 bytes.
const VARIABLES_END: usize = 512;
const SIGNATURE: &[u8] = b"# GRUB Environment Block\n";
/// Boots that a slot gets to prove itself.
pub const TRIES: u8 = 3;

/// What the state says of one slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct SlotState {
    /// It has come up healthy.
    pub good: bool,
    /// Boots left, at most [`TRIES`], while it is not good.
    pub tries: u8,
}

/// The boot state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootState {
    /// The slot that is tried first.
    pub first: Slot,
    slots: [SlotState; 2],
    /// Variables of others (GRUB's `next_entry`), kept as they are.
    others: Vec<(String, String)>,
}

impl Default for BootState {
    /// After an installation: slot A to be tried, slot B empty.
    fn default() -> Self {
        let fresh = SlotState {
            good: false,
            tries: TRIES,
        };
        Self {
            first: Slot::A,
            slots: [fresh, SlotState::default()],
            others: Vec::new(),
        }
    }
}

impl BootState {
    /// What it says of a slot.
    pub fn slot(&self, slot: Slot) -> SlotState {
        self.slots[slot as usize]
    }

    /// The same for changing it.
    pub fn slot_mut(&mut self, slot: Slot) -> &mut SlotState {
        &mut self.slots[slot as usize]
    }

    /// The slots in the order in which they are tried.
    pub fn order(&self) -> [Slot; 2] {
        [self.first, self.first.other()]
    }

    /// This slot has come up healthy.
    pub fn mark_good(&mut self, slot: Slot) {
        *self.slot_mut(slot) = SlotState {
            good: true,
            tries: TRIES,
        };
    }

    /// This slot is not to be started again, as it is: the other one is next, where that was good.
    /// Says whether it was; else nothing is changed, for there is nothing better to start.
    pub fn leave(&mut self, slot: Slot) -> bool {
        let better = self.slot(slot.other()).good;
        if better {
            self.first = slot.other();
            *self.slot_mut(slot) = SlotState::default();
        }
        better
    }

    /// Reads a block. Any bytes give a state: what is missing or wrong counts
    /// as not good and without tries, and without GRUB's first line the whole
    /// state is the one after an installation.
    pub fn decode(block: &[u8]) -> Self {
        let Some(body) = block.strip_prefix(SIGNATURE) else {
            return Self::default();
        };
        let mut state = Self {
            first: Slot::A,
            slots: [SlotState::default(); 2],
            others: Vec::new(),
        };
        for (name, value) in variables(body) {
            state.set(name, value);
        }
        state
    }

    /// Whether GRUB finds a state in a block: its first line, and an order. Else it reads the copy.
    pub fn is_in(block: &[u8]) -> bool {
        block.strip_prefix(SIGNATURE).is_some_and(|body| {
            variables(body).any(|(name, value)| name == "order" && !value.is_empty())
        })
    }

    fn set(&mut self, name: String, value: String) {
        match name.as_str() {
            "order" if value == "ba" => self.first = Slot::B,
            "order" => self.first = Slot::A,
            "a_good" => self.slots[0].good = value == "1",
            "b_good" => self.slots[1].good = value == "1",
            "a_tries" => self.slots[0].tries = tries(&value),
            "b_tries" => self.slots[1].tries = tries(&value),
            _ => self.others.push((name, value)),
        }
    }

    /// The block's bytes. Variables of others that would not fit into the first
    /// sector are left out: ours come first, and must fit.
    pub fn encode(&self) -> [u8; LENGTH] {
        let mut block = [b'#'; LENGTH];
        let mut end = 0;
        let mut put = |bytes: &[u8]| {
            let fits = end + bytes.len() <= VARIABLES_END;
            if fits {
                block[end..end + bytes.len()].copy_from_slice(bytes);
                end += bytes.len();
            }
        };
        put(SIGNATURE);
        let [first, second] = self.order();
        put(format!("order={first}{second}\n").as_bytes());
        for slot in Slot::BOTH {
            let SlotState { good, tries } = self.slot(slot);
            put(format!("{slot}_good={}\n", u8::from(good)).as_bytes());
            put(format!("{slot}_tries={}\n", tries.min(TRIES)).as_bytes());
        }
        for (name, value) in &self.others {
            let value = value.replace('\\', "\\\\").replace('\n', "\\\n");
            put(format!("{name}={value}\n").as_bytes());
        }
        block
    }
}

/// GRUB knows no numbers: its rule compares these very words.
fn tries(value: &str) -> u8 {
    match value {
        "1" => 1,
        "2" => 2,
        "3" => TRIES,
        _ => 0,
    }
}

/// The variables of a block's body; lines that are none are passed over.
fn variables(body: &[u8]) -> impl Iterator<Item = (String, String)> {
    lines(body).into_iter().filter_map(|line| {
        let (name, value) = line.split_once('=')?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let is_name = !name.is_empty() && name.bytes().all(plain);
        is_name.then(|| (name.to_owned(), value.to_owned()))
    })
}

/// Lines with their escapes undone; what is no UTF-8 is no line of ours.
fn lines(body: &[u8]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = Vec::new();
    let mut bytes = body.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => line.extend(bytes.next()),
            b'\n' => lines.push(std::mem::take(&mut line)),
            other => line.push(*other),
        }
    }
    lines
        .into_iter()
        .filter_map(|line| String::from_utf8(line).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block(text: &str) -> Vec<u8> {
        let mut bytes = format!("# GRUB Environment Block\n{text}").into_bytes();
        bytes.resize(LENGTH, b'#');
        bytes
    }

    #[test]
    fn a_new_installation() {
        let text = String::from_utf8(BootState::default().encode().to_vec()).unwrap();
        let expected =
            "# GRUB Environment Block\norder=ab\na_good=0\na_tries=3\nb_good=0\nb_tries=0\n";
        assert_eq!(text.trim_end_matches('#'), expected);
        assert_eq!(text.len(), LENGTH);
    }

    #[test]
    fn c85_a_state_is_told_from_damage() {
        for (bytes, found) in [
            (BootState::default().encode().to_vec(), true),
            (block("a_good=1\norder=ba\n"), true),
            (block("order=\n"), false),
            (block("a_good=1\n"), false),
            (vec![0; LENGTH], false),
            (vec![0xFF; LENGTH], false),
            (Vec::new(), false),
        ] {
            assert_eq!(BootState::is_in(&bytes), found);
        }
    }

    #[test]
    fn what_grub_writes_is_read() {
        for (text, first, a, b) in [
            (
                "order=ba\na_good=1\na_tries=3\nb_good=0\nb_tries=2\n",
                'b',
                (true, 3),
                (false, 2),
            ),
            // GRUB appends new variables behind and keeps its own comment.
            (
                "# WARNING: Do not edit\nb_tries=1\norder=ab\nnext_entry=x\n",
                'a',
                (false, 0),
                (false, 1),
            ),
            (
                "order=\na_good=yes\na_tries=-1\nb_good=11\nb_tries=250\n",
                'a',
                (false, 0),
                (false, 0),
            ),
            ("order=b\na_tries=03\n", 'a', (false, 0), (false, 0)),
            ("", 'a', (false, 0), (false, 0)),
        ] {
            let state = BootState::decode(&block(text));
            assert_eq!(state.first.letter(), first, "{text}");
            let found = Slot::BOTH.map(|slot| (state.slot(slot).good, state.slot(slot).tries));
            assert_eq!(found, [a, b], "{text}");
        }
        assert_eq!(BootState::decode(&[0; 1024]), BootState::default());
    }

    #[test]
    fn a_slot_is_left_only_for_a_good_one() {
        let words = |state: &BootState| {
            Slot::BOTH.map(|slot| (state.slot(slot).good, state.slot(slot).tries))
        };
        for (a, b, left) in [
            ((true, 3), (true, 3), true),
            ((false, 2), (true, 3), true),
            ((true, 3), (false, 3), false),
            ((false, 2), (false, 0), false),
        ] {
            for first in Slot::BOTH {
                let mut state = BootState {
                    first,
                    ..BootState::default()
                };
                for (slot, (good, tries)) in Slot::BOTH.into_iter().zip([a, b]) {
                    *state.slot_mut(slot) = SlotState { good, tries };
                }
                assert_eq!(state.leave(Slot::A), left, "{a:?} {b:?}");
                let (expected, then) = if left {
                    ([(false, 0), b], Slot::B)
                } else {
                    ([a, b], first)
                };
                assert_eq!((words(&state), state.first), (expected, then));
            }
        }
    }

    #[test]
    fn variables_of_others_survive() {
        let state = BootState::decode(&block("next_entry=a\\\\b\\\nc\norder=ba\n"));
        assert_eq!(
            state.others,
            [("next_entry".to_owned(), "a\\b\nc".to_owned())]
        );
        assert_eq!(BootState::decode(&state.encode()), state);
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_state_that_keeps(bytes in proptest::collection::vec(any::<u8>(), 0..2000), headed in any::<bool>()) {
            let bytes = if headed { [SIGNATURE, &bytes].concat() } else { bytes };
            let once = BootState::decode(&bytes).encode();
            prop_assert!(once[VARIABLES_END..].iter().all(|byte| *byte == b'#'));
            prop_assert_eq!(BootState::decode(&once).encode(), once);
        }

        #[test]
        fn text_like_ours_gives_a_state_that_keeps(text in "((order|a_good|b_tries|x)=[a-z0-9\\\\\n]{0,40}\n){0,40}") {
            let once = BootState::decode(&block(&text)).encode();
            prop_assert_eq!(BootState::decode(&once).encode(), once);
        }

        #[test]
        fn states_round_trip(b_first in any::<bool>(), good in any::<[bool; 2]>(), tries in [0_u8..=3, 0_u8..=3]) {
            let first = if b_first { Slot::B } else { Slot::A };
            let mut state = BootState { first, ..BootState::default() };
            for slot in Slot::BOTH {
                *state.slot_mut(slot) = SlotState { good: good[slot as usize], tries: tries[slot as usize] };
            }
            prop_assert_eq!(BootState::decode(&state.encode()), state);
        }
    }
}
