//! A password that can be said on the telephone: four groups of five letters, consonants and vowels
//! in turn, 16 random bits each (D. S. Wilkerson, "A Proposal for Proquints", 2009). There are no
//! digits in it, and where a letter stands says whether it is an l or an i: 64 bits in all.

use vigie_prompt::Secret;

const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 4] = b"aiou";
const GROUPS: usize = 4;
/// Bits of each letter of a group, from the first.
const LETTERS: [(u32, bool); 5] = [(12, true), (10, false), (6, true), (4, false), (0, true)];

/// A password from the system's source of random numbers.
///
/// # Errors
/// The system has none.
pub fn make() -> anyhow::Result<Secret> {
    let mut bytes = [0; 2 * GROUPS];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("asking the system for random numbers: {error}"))?;
    Ok(of(bytes))
}

/// "lusab-babad-gutih-tugad".
fn of(bytes: [u8; 2 * GROUPS]) -> Secret {
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let mut text = String::with_capacity(6 * GROUPS);
    for pair in bytes.chunks_exact(2) {
        if !text.is_empty() {
            text.push('-');
        }
        let word = u16::from_be_bytes([pair[0], pair[1]]);
        for (shift, consonant) in LETTERS {
            let bits = usize::from(word >> shift);
            let letter = match consonant {
                true => CONSONANTS[bits % CONSONANTS.len()],
                false => VOWELS[bits % VOWELS.len()],
            };
            text.push(char::from(letter));
        }
    }
    Secret::new(text)
}

/// What is compared: the letters alone. Groups may be typed with blanks, without anything between,
/// and in capitals.
#[must_use]
pub fn plain(typed: &str) -> Secret {
    let mut text = String::with_capacity(typed.len());
    let letters = typed.chars().filter(char::is_ascii_alphanumeric);
    text.extend(letters.map(|letter| letter.to_ascii_lowercase()));
    Secret::new(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn four_groups_that_can_be_said() {
        // The first two are those of the proposal: 127.0.0.1 and 63.84.220.193.
        let known = of([127, 0, 0, 1, 63, 84, 220, 193]);
        assert_eq!(known.expose(), "lusab-babad-gutih-tugad");
        assert_eq!(of([0; 8]).expose(), "babab-babab-babab-babab");
        assert_eq!(of([255; 8]).expose(), "zuzuz-zuzuz-zuzuz-zuzuz");
        let all: BTreeSet<String> = (0..=u16::MAX)
            .map(|word| {
                let [a, b] = word.to_be_bytes();
                of([a, b, 0, 0, 0, 0, 0, 0]).expose()[..5].to_owned()
            })
            .collect();
        assert_eq!(all.len(), 1 << 16, "each bit counts");
        assert_ne!(make().unwrap().expose(), make().unwrap().expose());
        assert!(!format!("{known:?}").contains("lusab"));
    }

    #[test]
    fn it_may_be_typed_as_it_is_heard() {
        for typed in [
            "lusab-babad-gutih-tugad",
            "lusab babad gutih tugad",
            "LUSABBABADGUTIHTUGAD\n",
            " Lusab - Babad - Gutih - Tugad \r\n\0",
        ] {
            assert_eq!(plain(typed).expose(), "lusabbabadgutihtugad", "{typed:?}");
        }
        assert_eq!(plain("").expose(), "");
    }
}
