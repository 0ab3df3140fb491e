//! Which slot GRUB boots: the rule of `rootfs/grub/disk.cfg`, as a function.
//!
//! 1. The slots are looked at in the order of the state.
//! 2. A good slot is booted, and nothing is counted: power cuts alone never
//!    use up a good system.
//! 3. A slot that is not good is booted while it has tries, and costs one; the
//!    state is saved before the kernel is loaded.
//! 4. When nothing is left, the slots that hold a system get all their tries
//!    again and the rule starts over: a box must never stop for lack of tries.
//! 5. Where the state cannot be saved, a slot that would cost a try is passed over for one that is
//!    good: else it would be tried for ever.

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

/// The slot that is booted where GRUB cannot save the state: it refuses a block that is damaged
/// (GRUB, `grub-core/lib/envblk.c`), or the disk refuses. Nothing on the disk is changed by that.
pub fn choose_unsaved(state: &BootState, present: &[Slot]) -> Slot {
    let slot = choose(state, present).slot;
    let other = slot.other();
    if !state.slot(slot).good && state.slot(other).good {
        other
    } else {
        slot
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

    /// All states that can be written, each with its words in [`state`]'s form.
    fn all_states() -> impl Iterator<Item = BootState> {
        let slots = || {
            [false, true]
                .into_iter()
                .flat_map(|good| (0..=TRIES).map(move |tries| SlotState { good, tries }))
        };
        let pairs = move || slots().flat_map(move |a| slots().map(move |b| [a, b]));
        Slot::BOTH.into_iter().flat_map(move |first| {
            pairs().map(move |pair| {
                let mut state = BootState::default();
                state.first = first;
                for (slot, of) in Slot::BOTH.into_iter().zip(pair) {
                    *state.slot_mut(slot) = of;
                }
                state
            })
        })
    }

    /// Starts until nothing is left to try but what has been tried.
    const ROUNDS: usize = 2 * TRIES as usize + 1;

    /// The machine is cut off at each of many starts, before the count was written or after it.
    /// Whatever is good stays so, and whatever is there gets its turn.
    #[test]
    fn c68_no_number_of_power_cuts_in_a_row_uses_up_both_slots() {
        for present in [&Slot::BOTH[..], &Slot::BOTH[..1], &Slot::BOTH[1..]] {
            for before in all_states() {
                let is_there = |slot: &Slot| present.contains(slot);
                let untouched = |slot: Slot| before.slot(slot) == SlotState::default();
                if Slot::BOTH
                    .into_iter()
                    .any(|slot| !is_there(&slot) && !untouched(slot))
                {
                    continue;
                }
                let mut state = before.clone();
                for cut in 0..50_u32 {
                    let choice = choose(&state, present);
                    assert!(is_there(&choice.slot), "{before:?}: cut {cut}");
                    // One cut of three comes before the sector is written.
                    if cut % 3 > 0 {
                        state = choice.after;
                    }
                    for slot in Slot::BOTH {
                        assert_eq!(state.slot(slot).good, before.slot(slot).good);
                    }
                }
                let mut tried = Vec::new();
                for _ in 0..ROUNDS {
                    let choice = choose(&state, present);
                    tried.push(choice.slot);
                    state = choice.after;
                }
                let is_good = |slot: &Slot| before.slot(*slot).good;
                match tried.last() {
                    Some(last) if Slot::BOTH.iter().any(is_good) => assert!(is_good(last)),
                    _ => assert!(
                        present.iter().all(|slot| tried.contains(slot)),
                        "{before:?}"
                    ),
                }
            }
        }
    }

    /// The boot state's file and its copy, as GRUB finds them; older installations have no copy.
    struct Files {
        first: Vec<u8>,
        copy: Option<Vec<u8>>,
    }

    /// Twelve starts of a machine with both slots, none of which becomes good.
    fn starts(files: &mut Files) -> Vec<Slot> {
        (0..12).map(|_| start(files)).collect()
    }

    /// What disk.cfg and save_env do at a start.
    fn start(files: &mut Files) -> Slot {
        let file = match &mut files.copy {
            Some(copy) if !BootState::is_in(&files.first) => copy,
            _ => &mut files.first,
        };
        let headed = file.starts_with(HEAD);
        let state = BootState::decode(if headed { file } else { HEAD });
        // save_env(loadenv.c) wants the first line, and a line's end before the padding.
        let end = file.iter().rev().find(|byte| **byte != b'#');
        if !headed || end != Some(&b'\n') {
            return choose_unsaved(&state, &Slot::BOTH);
        }
        let choice = choose(&state, &Slot::BOTH);
        *file = choice.after.encode().to_vec();
        choice.slot
    }

    const HEAD: &[u8] = b"# GRUB Environment Block\n";

    #[test]
    fn c85_a_torn_boot_state_starts_what_was_good() {
        let running = state("ab 1.3 0.0");
        let installed = state("ba 1.3 0.3");
        let tried = state("ba 1.3 0.1");
        let good = state("ba 1.3 1.3");
        for (old, new) in [
            (&running, &installed),
            (&installed, &tried),
            (&tried, &good),
            (&good, &running),
        ] {
            let (old, new) = (old.encode(), new.encode());
            for at in 0..old.len() {
                for (left, right) in [(&old, &new), (&new, &old)] {
                    let torn = [&left[..at], &right[at..]].concat();
                    let mut files = Files {
                        first: torn,
                        copy: None,
                    };
                    let last = starts(&mut files)[11];
                    let is_good = [&old, &new]
                        .iter()
                        .any(|whole| BootState::decode(&whole[..]).slot(last).good);
                    assert!(is_good, "torn at {at}: {last}");
                }
            }
        }
    }

    /// A block that is lost, or that GRUB reads and refuses to write: whatever is good is started,
    /// and while there is a copy, the tries of a version that does not come up end.
    #[test]
    fn c85_a_damaged_boot_state_starts_the_good_slot() {
        let padded = |state: &BootState| {
            let mut bytes = state.encode();
            bytes[600] = 0;
            bytes.to_vec()
        };
        let lost = |_: &BootState| vec![0; 1024];
        for text in [
            "ab 1.3 0.0",
            "ba 0.0 1.3",
            "ba 1.3 0.3",
            "ab 0.2 1.3",
            "ba 1.3 1.3",
        ] {
            let state = state(text);
            let good = |slot: &Slot| state.slot(*slot).good;
            for (damaged, copy) in [
                (padded(&state), false),
                (padded(&state), true),
                (lost(&state), true),
            ] {
                let copy = copy.then(|| state.encode().to_vec());
                let mut files = Files {
                    first: damaged,
                    copy,
                };
                let seen = starts(&mut files);
                assert!(seen[4..].iter().all(good), "{text}: {seen:?}");
            }
        }
        // Nothing is good, the first is lost: both get their turn, by the copy.
        let mut files = Files {
            first: vec![0; 1024],
            copy: Some(state("ba 0.3 0.3").encode().to_vec()),
        };
        let seen = starts(&mut files);
        assert!(
            Slot::BOTH.iter().all(|slot| seen.contains(slot)),
            "{seen:?}"
        );
        // Without a copy GRUB knows nothing and can count nothing: slot A, and B by the menu.
        let mut files = Files {
            first: vec![0; 1024],
            copy: None,
        };
        assert_eq!(starts(&mut files), [Slot::A; 12]);
    }

    proptest::proptest! {
        /// Noise in place of the state, with GRUB's first line or without: something is started, and
        /// the copy tells which.
        #[test]
        fn c85_a_random_boot_state_starts_something(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..1200), headed in proptest::bool::ANY) {
            let first = if headed { [HEAD, &bytes].concat() } else { bytes };
            proptest::prop_assume!(!BootState::is_in(&first));
            let copy = state("ba 1.3 0.3").encode().to_vec();
            let seen = starts(&mut Files { first: first.clone(), copy: Some(copy) });
            proptest::prop_assert_eq!(&seen[..4], &[Slot::B, Slot::B, Slot::B, Slot::A]);
            proptest::prop_assert!(seen[4..].iter().all(|slot| *slot == Slot::A));
            let seen = starts(&mut Files { first, copy: None });
            proptest::prop_assert_eq!(seen.len(), 12);
        }
    }

    const MENU: &str = include_str!("../../rootfs/grub/disk.cfg");

    /// The rule in GRUB's words as a shell function: the two languages differ in how a variable is
    /// set and a function begins. `save_env` writes nothing, and a kernel is there where we say so.
    fn menu_as_shell() -> String {
        let part = |from: &str, to: &str| {
            let start = MENU.find(from).unwrap();
            let length = MENU[start..].find(to).unwrap();
            MENU[start..start + length].to_owned()
        };
        let rule = part("set slot=\n", "# The processor's");
        let count = part(
            "function count {",
            "if [ \"$slot\" = \"b\" ]; then set default",
        );
        let shell = (rule + &count + "count \"$slot\"\n")
            .replace("function consider", "consider()")
            .replace("function choose", "choose()")
            .replace("function count", "count()")
            .replace("echo ", ": ")
            .replace("set ", "")
            .replace("[ -f ($disk,gpt3)/vmlinuz ]", "[ -n \"$has_a\" ]")
            .replace("[ -f ($disk,gpt4)/vmlinuz ]", "[ -n \"$has_b\" ]");
        format!(
            "save_env() {{ $saves; }}\nmenu() {{\n{shell}$saves && echo \"$start $a_tries $b_tries\" || echo \"$start\"\n}}\n"
        )
    }

    /// The beginning of the menu as a shell function: which file is read, and what stands in it.
    fn reading_as_shell() -> String {
        let start = MENU.find("set env_file=").unwrap();
        let end = MENU.find("# A slot that is good").unwrap();
        let shell = MENU[start..end]
            .replace("set env_file", "env_file")
            .replace("-f ($disk,gpt2)/grubenv2", "-n \"$copy\"");
        let load =
            "load_env() { case \"$2\" in *grubenv2) eval \"$copy\";; *) eval \"$first\";; esac; }";
        format!(
            "{load}\nread_state() {{\n{shell}echo \"${{env_file##*/}} $order $a_good $b_tries\"\n}}\n"
        )
    }

    #[test]
    fn c85_grub_reads_and_counts_in_the_copy_where_there_is_no_state() {
        let whole = "order=ba;a_good=1;b_tries=3";
        let other = "order=ab;a_good=0;b_tries=1";
        let mut script = reading_as_shell();
        let mut expected = Vec::new();
        for (first, copy, read) in [
            (whole, other, "grubenv ba 1 3"),
            (whole, "", "grubenv ba 1 3"),
            ("true", other, "grubenv2 ab 0 1"),
            ("order=;a_good=1;b_tries=2", other, "grubenv2 ab 0 1"),
            // Older installations have no copy.
            ("true", "", "grubenv   "),
            ("true", "true", "grubenv2   "),
        ] {
            script += &format!(
                "order= a_good= b_tries=; disk=hd0 first='{first}' copy='{copy}'; read_state\n"
            );
            expected.push(read.to_owned());
        }
        assert_eq!(said_by_sh(&script), expected);
    }

    /// What a person gets who chooses recovery, as a shell function: which slots' kernels GRUB tries to
    /// start, with which words. `broken` are the slots whose kernel it cannot load; whatever would
    /// write the boot state says so.
    fn recovery_as_shell() -> String {
        let part = |from: &str, to: &str| {
            let start = MENU.find(from).unwrap();
            let length = MENU[start..].find(to).unwrap();
            MENU[start..start + length].to_owned()
        };
        let rule = part("set slot=\n", "# The processor's");
        let entry = part("menuentry \"Vigie recovery\" --id recovery {\n", "\n}");
        let shell = (rule + entry.split_once('\n').unwrap().1)
            .replace("function consider", "consider()")
            .replace("function choose", "choose()")
            .replace("set ", "")
            .replace("[ -f ($disk,gpt3)/vmlinuz ]", "[ -n \"$has_a\" ]")
            .replace("[ -f ($disk,gpt4)/vmlinuz ]", "[ -n \"$has_b\" ]");
        format!(
            "save_env() {{ echo wrote; }}\n\
             boot_slot() {{ printf '%s ' \"$*\"; case \"$broken\" in *$1*) return 1;; esac; }}\n\
             recovery() {{\n{shell}\necho\n}}\n"
        )
    }

    #[test]
    fn recovery_starts_a_good_slot_and_changes_nothing() {
        let mut script = recovery_as_shell();
        let mut expected = Vec::new();
        for present in [&Slot::BOTH[..], &Slot::BOTH[..1], &Slot::BOTH[1..]] {
            for state in all_states() {
                let [a, b] = Slot::BOTH.map(|slot| state.slot(slot));
                let [first, second] = state.order();
                let has = |slot| if present.contains(&slot) { "1" } else { "" };
                // The first in order that is good, else the one that a start would take.
                let mut order = state.order().into_iter();
                let good = order.find(|slot| state.slot(*slot).good);
                let slot = good.unwrap_or_else(|| choose(&state, present).slot);
                let other = slot.other();
                for (broken, tried) in [
                    (String::new(), format!("{slot} vigie.recovery ")),
                    (other.to_string(), format!("{slot} vigie.recovery ")),
                    (
                        slot.to_string(),
                        format!("{slot} vigie.recovery {other} vigie.recovery "),
                    ),
                ] {
                    script += &format!(
                        "broken={broken} order={first}{second} a_good={} a_tries={} b_good={} \
                         b_tries={} has_a={} has_b={} left=; recovery\n",
                        u8::from(a.good),
                        a.tries,
                        u8::from(b.good),
                        b.tries,
                        has(Slot::A),
                        has(Slot::B),
                    );
                    expected.push(tried);
                }
            }
        }
        // The boot state cannot be read: as if all were empty.
        script +=
            "broken= order= a_good= a_tries= b_good= b_tries= has_a=1 has_b=1 left=; recovery\n";
        expected.push("a vigie.recovery ".to_owned());
        // Nor any kernel found: both are tried all the same.
        script +=
            "broken=ab order= a_good= a_tries= b_good= b_tries= has_a= has_b= left=; recovery\n";
        expected.push("a vigie.recovery b vigie.recovery ".to_owned());
        assert_eq!(said_by_sh(&script), expected);
    }

    /// Nobody gets recovery who did not choose it, and its words reach the kernel.
    #[test]
    fn recovery_is_the_third_entry_and_never_the_default() {
        let entries: Vec<&str> = MENU
            .lines()
            .filter(|line| line.starts_with("menuentry "))
            .collect();
        assert_eq!(
            entries,
            [
                "menuentry \"Vigie A\" --id a {",
                "menuentry \"Vigie B\" --id b {",
                "menuentry \"Vigie recovery\" --id recovery {",
            ]
        );
        for chosen in ["default=", "fallback="] {
            let numbers = MENU.split(chosen).skip(1).map(|rest| &rest[..1]);
            let numbers: Vec<&str> = numbers.collect();
            assert!(
                numbers.len() == 2 && numbers.iter().all(|number| ["0", "1"].contains(number)),
                "{chosen} {numbers:?}"
            );
        }
        let kernel = MENU
            .lines()
            .find(|line| line.contains("linux $boot/vmlinuz"));
        assert!(
            kernel.is_some_and(|line| line.ends_with(" $quirks $2")),
            "{kernel:?}"
        );
        // Without its own settings a slot gets none of the other's.
        assert!(MENU.contains("set vigie_cmdline=\n    source $boot/boot.cfg\n"));
    }

    fn said_by_sh(script: &str) -> Vec<String> {
        let output = std::process::Command::new("sh")
            .args(["-c", script])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        let said = String::from_utf8(output.stdout).unwrap();
        said.lines().map(str::to_owned).collect()
    }

    #[test]
    fn c68_c85_grubs_menu_and_this_rule_are_the_same() {
        let mut script = menu_as_shell();
        let mut expected = Vec::new();
        for present in [&Slot::BOTH[..], &Slot::BOTH[..1], &Slot::BOTH[1..]] {
            for state in all_states() {
                let [a, b] = Slot::BOTH.map(|slot| state.slot(slot));
                let [first, second] = state.order();
                let has = |slot| if present.contains(&slot) { "1" } else { "" };
                for saves in [true, false] {
                    script += &format!(
                        "saves={saves} order={first}{second} a_good={} a_tries={} b_good={} b_tries={} has_a={} has_b={} left=; menu\n",
                        u8::from(a.good),
                        a.tries,
                        u8::from(b.good),
                        b.tries,
                        has(Slot::A),
                        has(Slot::B),
                    );
                }
                let Choice { slot, after, .. } = choose(&state, present);
                expected.push(format!(
                    "{slot} {} {}",
                    after.slot(Slot::A).tries,
                    after.slot(Slot::B).tries
                ));
                expected.push(choose_unsaved(&state, present).to_string());
            }
        }
        // The file is gone, or nothing in it can be read: as if all were empty.
        script +=
            "saves=true order= a_good= a_tries= b_good= b_tries= has_a=1 has_b=1 left=; menu\n";
        expected.push("a 2 3".to_owned());
        assert_eq!(said_by_sh(&script), expected);
        // A slot that the state praises and that has no kernel: the menu goes on to the other one.
        let other = "set default=1; set fallback=0; else set default=0; set fallback=1; fi";
        assert!(MENU.contains(other));
        // What is started is what was counted, or the other one.
        assert!(
            MENU.contains("count a\n    boot_slot $start")
                && MENU.contains("count b\n    boot_slot $start")
        );
    }
}
