//! What a console can show. Its fonts have Latin-1 for certain, and every character of it is one
//! column wide; so is what stands in for the others.

/// A text without what could act on the terminal, and without what its font may not have.
pub fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .map(shown)
        .collect()
}

/// What stands for a character: itself, or `?`.
pub fn shown(character: char) -> char {
    match character {
        '’' | '‘' => '\'',
        '–' | '—' => '-',
        '“' | '”' => '"',
        // A no-break space and a soft hyphen look different from terminal to terminal.
        '\u{a0}' | '\u{202f}' => ' ',
        '\u{ad}' => '-',
        ' '..='~' | '\u{a1}'..='\u{ff}' | 'Œ' | 'œ' | 'Ÿ' => character,
        _ => '?',
    }
}

/// The columns that a printable text takes.
pub fn columns(text: &str) -> usize {
    text.chars().count()
}

/// A text broken into lines of at most `width` columns, at blanks where there are any. Lines after
/// the first are indented as far as the first, and none by more than half the width.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let text = printable(text);
    let room = width.max(2);
    let indent = text.chars().take_while(|c| *c == ' ').take(room / 2);
    let indent: String = indent.collect();
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut words = text.trim_start().split(' ').collect::<Vec<_>>().into_iter();
    let mut pending = words.next().map(str::to_owned);
    while let Some(word) = pending.take() {
        let lead = if line.is_empty() { &indent } else { " " };
        let free = room.saturating_sub(columns(&line) + columns(lead));
        if columns(&word) <= free {
            line += lead;
            line += &word;
            pending = words.next().map(str::to_owned);
        } else if line.is_empty() {
            // A word that is longer than a line is cut.
            let cut: String = word.chars().take(free).collect();
            pending = Some(word.chars().skip(free).collect());
            lines.push(format!("{indent}{cut}"));
        } else {
            lines.push(std::mem::take(&mut line));
            pending = Some(word);
        }
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// A text cut to `width` columns; the cut is shown.
pub fn cut(text: &str, width: usize) -> String {
    let text = printable(text);
    if columns(&text) <= width {
        return text;
    }
    let kept: String = text.chars().take(width.saturating_sub(2)).collect();
    format!("{}..", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::*;

    #[test]
    fn foreign_text_is_tamed() {
        for (text, expected) in [
            ("a\x1b[2Jb\n", "a[2Jb"),
            ("Vérifié œuvre", "Vérifié œuvre"),
            ("l’été – fin", "l'été - fin"),
            ("日本", "??"),
            ("\u{202e}x\u{9b}2J", "?x2J"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }

    #[test]
    fn lines_break_at_blanks() {
        assert_eq!(wrap("  one two three", 11), ["  one two", "  three"]);
        assert_eq!(wrap("", 10), [""]);
        assert_eq!(wrap("0123456789ABCDEF", 10), ["0123456789", "ABCDEF"]);
        assert_eq!(wrap("a    b", 20), ["a    b"]);
        // On a narrow screen a deep indent gives way to the text.
        let deep = format!("{:21}passerelle : 192.168.1.1", "");
        assert_eq!(
            wrap(&deep, 19),
            [
                "         passerelle",
                "         :",
                "         192.168.1.",
                "         1"
            ]
        );
        assert_eq!(cut("0123456789", 8), "012345..");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_too_wide(text in "\\PC{0,200}", width in 12usize..100) {
            let lines = wrap(&text, width);
            assert!(lines.iter().all(|line| columns(line) <= width), "{lines:?}");
            let dense = |text: &str| text.replace(' ', "");
            assert_eq!(dense(&lines.concat()), dense(&printable(&text)));
        }
    }
}
