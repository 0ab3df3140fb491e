//! Keys → a line of text. Pure: it knows the text, the cursor, and which part of it fits.

use zeroize::Zeroize;

use crate::keys::Key;
use crate::text::shown;

/// More is noise on the line, or a book on the space bar.
pub const LONGEST_LINE: usize = 256;

/// The line that is being typed.
#[derive(Debug, Default)]
pub struct Editor {
    text: Vec<char>,
    cursor: usize,
    hidden: bool,
}

/// What a key changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Nothing,
    /// A character was added at the end.
    Appended(char),
    /// The last character went.
    Shortened,
    /// Anything else: the line must be drawn again.
    Redrawn,
}

/// What is to be seen of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The part of the text that fits.
    pub text: String,
    /// The cursor's column in it, from 0.
    pub cursor: usize,
}

impl Editor {
    /// A line that can be seen, with what stands there already.
    pub fn new(initial: &str) -> Self {
        let text: Vec<char> = initial.chars().take(LONGEST_LINE).collect();
        Self {
            cursor: text.len(),
            text,
            hidden: false,
        }
    }

    /// A line of which only `*` are seen.
    pub fn hidden() -> Self {
        Self {
            hidden: true,
            // Growing would leave copies behind in memory.
            text: Vec::with_capacity(LONGEST_LINE),
            ..Self::default()
        }
    }

    /// A key was pressed.
    pub fn key(&mut self, key: Key) -> Change {
        let (cursor, length) = (self.cursor, self.text.len());
        match key {
            Key::Char(character) if length < LONGEST_LINE => {
                self.text.insert(cursor, character);
                self.cursor += 1;
                if cursor == length {
                    return Change::Appended(self.look(character));
                }
            }
            Key::Backspace if cursor > 0 => {
                self.cursor -= 1;
                self.text.remove(self.cursor);
                if cursor == length {
                    return Change::Shortened;
                }
            }
            Key::Delete if cursor < length => drop(self.text.remove(cursor)),
            Key::Left if cursor > 0 => self.cursor -= 1,
            Key::Right if cursor < length => self.cursor += 1,
            Key::Home if cursor > 0 => self.cursor = 0,
            Key::End if cursor < length => self.cursor = length,
            Key::Clear if length > 0 => {
                self.text.zeroize();
                self.cursor = 0;
            }
            _ => return Change::Nothing,
        }
        Change::Redrawn
    }

    /// The part of the line around the cursor that fits into `width` columns (at least 2).
    pub fn view(&self, width: usize) -> View {
        let width = width.max(2);
        // The cursor behind the last character needs a column too.
        let first = (self.cursor + 1).saturating_sub(width);
        let text = self.text.iter().skip(first).take(width);
        View {
            text: text.map(|character| self.look(*character)).collect(),
            cursor: self.cursor - first,
        }
    }

    /// What was typed.
    pub fn text(&self) -> String {
        self.text.iter().collect()
    }

    fn look(&self, character: char) -> char {
        if self.hidden { '*' } else { shown(character) }
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        if self.hidden {
            self.text.zeroize();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop, proptest};
    use proptest::sample::select;

    use super::*;

    fn typed(initial: &str, keys: &[Key]) -> Editor {
        let mut editor = Editor::new(initial);
        for key in keys {
            editor.key(*key);
        }
        editor
    }

    #[test]
    fn editing() {
        use Key::{Backspace, Char, Clear, Delete, End, Home, Left, Right};
        for (initial, keys, expected) in [
            ("", vec![Char('é'), Char('t'), Char('é'), Backspace], "ét"),
            ("vigie", vec![Home, Delete, Char('V')], "Vigie"),
            ("ab", vec![Left, Char('x'), End, Char('y')], "axby"),
            (
                "ab",
                vec![Home, Backspace, Left, Right, Right, Right, Delete],
                "ab",
            ),
            ("ab", vec![Clear, Char('c')], "c"),
        ] {
            assert_eq!(typed(initial, &keys).text(), expected);
        }
    }

    #[test]
    fn secrets_are_stars() {
        let mut editor = Editor::hidden();
        assert_eq!(editor.key(Key::Char('é')), Change::Appended('*'));
        assert_eq!(editor.view(10).text, "*");
        assert_eq!(editor.text(), "é");
    }

    #[test]
    fn a_flood_is_bounded() {
        let mut editor = Editor::new("");
        for _ in 0..100_000 {
            editor.key(Key::Char('x'));
        }
        assert_eq!(editor.text().len(), LONGEST_LINE);
        assert_eq!(editor.key(Key::Char('x')), Change::Nothing);
    }

    proptest! {
        #[test]
        fn the_view_fits_and_holds_the_cursor(
            keys in prop::collection::vec(
                select(vec![
                    Key::Char('a'), Key::Char('é'), Key::Char('日'), Key::Backspace, Key::Delete,
                    Key::Left, Key::Right, Key::Home, Key::End, Key::Clear, Key::Up,
                ]),
                0..400,
            ),
            width in 2usize..60,
        ) {
            let view = typed("vigie", &keys).view(width);
            assert!(view.text.chars().count() <= width);
            assert!(view.cursor < width && view.cursor <= view.text.chars().count());
        }
    }
}
