//! The boot state: any bytes give one.

use vigie_update::boot_state::{BootState, LENGTH, TRIES};
use vigie_update::slot::Slot;

use crate::engine::{Answer, run};

const WORDS: [&[u8]; 18] = [
    b"# GRUB Environment Block\n",
    b"order=",
    b"ab",
    b"ba",
    b"a_good=1\n",
    b"b_good=1\n",
    b"a_tries=",
    b"a_tries=3\n",
    b"2",
    b"4",
    b"250",
    b"b_tries=0\n",
    b"\\",
    b"\\\n",
    b"\n",
    b"next_entry=x\n",
    b"####",
    b"\xff",
];

/// What is read is written in one sector, and read again as the same.
fn fuzz(bytes: &[u8]) -> Answer {
    let state = BootState::decode(bytes);
    let block = state.encode();
    assert_eq!(block.len(), LENGTH);
    assert!(
        block[512..].iter().all(|byte| *byte == b'#'),
        "not one sector"
    );
    let again = BootState::decode(&block);
    assert_eq!(again.encode(), block);
    assert_eq!(again.first, state.first);
    for slot in Slot::BOTH {
        assert_eq!(again.slot(slot), state.slot(slot));
        assert!(state.slot(slot).tries <= TRIES);
    }
    let shape = Slot::BOTH.map(|slot| {
        (
            state.slot(slot).good,
            "x".repeat(state.slot(slot).tries.into()),
        )
    });
    let end = block
        .iter()
        .rposition(|byte| *byte != b'#')
        .map_or(0, |end| end / 64);
    Ok(format!(
        "{:?} {shape:?} {}",
        state.first.letter(),
        "x".repeat(end)
    ))
}

#[test]
fn fuzz_boot_state() {
    run("boot-state", &WORDS, fuzz);
}
