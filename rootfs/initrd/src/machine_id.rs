//! The machine id (machine-id(5)): 32 lower-case hexadecimal digits and a
//! newline, kept on the state volume so that it survives updates.

/// The id in a file's text; None where it is not one (empty, cut short,
/// `uninitialized`), so that a new one is made.
pub fn parse(text: &str) -> Option<String> {
    let id = text.trim();
    let digits = id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let zero = id.bytes().all(|b| b == b'0');
    (id.len() == 32 && digits && !zero).then(|| id.to_owned())
}

/// A new id from 16 random bytes, in the form of a version 4 UUID as systemd
/// makes it.
pub fn from_random(mut bytes: [u8; 16]) -> String {
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    hex::encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_ids() {
        let good = "0123456789abcdef0123456789abcdef";
        for (text, want) in [
            (format!("{good}\n"), true),
            (good.to_owned(), true),
            (good.to_uppercase(), false),
            (good[1..].to_owned(), false),
            (format!("{good}0"), false),
            ("0".repeat(32), false),
            ("uninitialized\n".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(parse(&text).is_some(), want, "{text:?}");
        }
    }

    #[test]
    fn new_ids_are_uuids() {
        for (bytes, want) in [
            ([0; 16], "00000000000040008000000000000000"),
            ([0xff; 16], "ffffffffffff4fffbfffffffffffffff"),
        ] {
            assert_eq!(from_random(bytes), want);
            assert!(parse(want).is_some());
        }
    }
}
