//! Characters as keys of a US keyboard, by QEMU's names.

use anyhow::{Result, bail};

/// Keys to hold down together for one character.
pub fn keys(character: char) -> Result<Vec<String>> {
    if character.is_ascii_lowercase() || character.is_ascii_digit() {
        return Ok(vec![character.to_string()]);
    }
    if character.is_ascii_uppercase() {
        return Ok(vec![
            "shift".to_owned(),
            character.to_ascii_lowercase().to_string(),
        ]);
    }
    let Some(&(_, shifted, key)) = OTHERS.iter().find(|(other, ..)| *other == character) else {
        bail!("no key of a US keyboard types {character:?}");
    };
    let shift = shifted.then(|| "shift".to_owned());
    Ok(shift.into_iter().chain([key.to_owned()]).collect())
}

/// Character, whether shift is held, key.
const OTHERS: [(char, bool, &str); 37] = [
    ('\n', false, "ret"),
    ('\t', false, "tab"),
    ('\x1b', false, "esc"),
    ('\x08', false, "backspace"),
    (' ', false, "spc"),
    ('-', false, "minus"),
    ('_', true, "minus"),
    ('=', false, "equal"),
    ('+', true, "equal"),
    ('[', false, "bracket_left"),
    ('{', true, "bracket_left"),
    (']', false, "bracket_right"),
    ('}', true, "bracket_right"),
    (';', false, "semicolon"),
    (':', true, "semicolon"),
    ('\'', false, "apostrophe"),
    ('"', true, "apostrophe"),
    ('`', false, "grave_accent"),
    ('~', true, "grave_accent"),
    ('\\', false, "backslash"),
    ('|', true, "backslash"),
    (',', false, "comma"),
    ('<', true, "comma"),
    ('.', false, "dot"),
    ('>', true, "dot"),
    ('/', false, "slash"),
    ('?', true, "slash"),
    ('!', true, "1"),
    ('@', true, "2"),
    ('#', true, "3"),
    ('$', true, "4"),
    ('%', true, "5"),
    ('^', true, "6"),
    ('&', true, "7"),
    ('*', true, "8"),
    ('(', true, "9"),
    (')', true, "0"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_become_keys() {
        let cases = [
            ('a', "a"),
            ('Z', "shift-z"),
            ('7', "7"),
            ('&', "shift-7"),
            ('\n', "ret"),
            ('/', "slash"),
            ('"', "shift-apostrophe"),
        ];
        for (character, expected) in cases {
            assert_eq!(
                keys(character).unwrap().join("-"),
                expected,
                "{character:?}"
            );
        }
        assert!(keys('é').is_err());
    }
}
