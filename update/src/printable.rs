//! Words of others, made fit for a screen and a line of the history.

/// The first `most` characters of `text` that can do nothing to a screen. A line break becomes a
/// space.
#[must_use]
pub fn printable(text: &str, most: usize) -> String {
    let seen = text.chars().filter_map(|character| match character {
        '\n' | '\t' => Some(' '),
        other => (!other.is_control() && !turns_text(other)).then_some(other),
    });
    seen.take(most).collect()
}

/// Characters that show others in another order or at another place (Unicode's Bidi_Control, and the
/// separators of lines and paragraphs): a name could look like another one.
fn turns_text(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_seen_and_no_more_than_asked() {
        for (text, expected) in [
            ("", ""),
            ("anne", "anne"),
            ("a\nb\tc\r", "a b c"),
            ("\x1b[2Jgone\u{9b}1m", "[2Jgone1m"),
            ("éèàùçéèàùç", "éèàùçéèàù"),
            ("a\u{202e}enna\u{2069}", "aenna"),
        ] {
            assert_eq!(printable(text, 9), expected);
        }
    }
}
