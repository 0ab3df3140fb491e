//! Bytes of a terminal → keys. Pure.
//!
//! Escape sequences come apart on a slow line: at 9600 baud a byte takes a millisecond, and
//! converters and networks add more. So a lone Esc is told from the start of a sequence by the
//! silence after it, [`ESC_SILENCE`], which the caller measures and reports by
//! [`Decoder::silence`].

use std::time::Duration;

/// The silence that ends a sequence.
pub const ESC_SILENCE: Duration = Duration::from_millis(100);
/// A longer sequence is noise; its rest is skipped.
const LONGEST_SEQUENCE: usize = 32;

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character that can be shown.
    Char(char),
    /// Enter, by CR, LF or both.
    Enter,
    /// Backspace, by 0x7f or 0x08.
    Backspace,
    /// Delete.
    Delete,
    /// Arrow.
    Up,
    /// Arrow.
    Down,
    /// Arrow.
    Left,
    /// Arrow.
    Right,
    /// Home, or Ctrl-A.
    Home,
    /// End, or Ctrl-E.
    End,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// Esc alone.
    Esc,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-L: draw everything again.
    Redraw,
    /// Ctrl-U: empty the line.
    Clear,
}

/// Where in a sequence the decoder is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    /// After CR: a LF belongs to it.
    Return,
    /// After ESC.
    Escape,
    /// After ESC O.
    Ss3,
    /// After ESC [, with what came since.
    Csi(Vec<u8>),
    /// After ESC [ [ : the Linux console's function keys, one more byte.
    LinuxFunction,
    /// In a string for the terminal's program (ESC ], P, X, ^, _), until BEL or ESC \.
    Text,
    /// In a character of several bytes: what came, and how many it needs.
    Utf8(Vec<u8>, usize),
}

/// The decoder. It gives at most one key a byte.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    state: State,
}

impl Decoder {
    /// The next byte.
    pub fn byte(&mut self, byte: u8) -> Option<Key> {
        match std::mem::take(&mut self.state) {
            State::Ground => self.ground(byte),
            State::Return if matches!(byte, b'\n' | 0) => None,
            State::Return => self.ground(byte),
            State::Escape => self.escape(byte),
            State::Ss3 if byte >= 0x20 => ss3(byte),
            State::Ss3 => self.ground(byte),
            State::LinuxFunction => None,
            State::Csi(parameters) => self.csi(parameters, byte),
            State::Text => self.text(byte),
            State::Utf8(bytes, length) => self.utf8(bytes, length, byte),
        }
    }

    /// No byte came for [`ESC_SILENCE`].
    pub fn silence(&mut self) -> Option<Key> {
        (std::mem::take(&mut self.state) == State::Escape).then_some(Key::Esc)
    }

    /// Whether a silence would mean something.
    pub fn is_waiting(&self) -> bool {
        self.state != State::Ground
    }

    fn ground(&mut self, byte: u8) -> Option<Key> {
        match byte {
            b'\r' => {
                self.state = State::Return;
                Some(Key::Enter)
            }
            b'\n' => Some(Key::Enter),
            0x1b => {
                self.state = State::Escape;
                None
            }
            0x08 | 0x7f => Some(Key::Backspace),
            0x01 => Some(Key::Home),
            0x03 => Some(Key::Interrupt),
            0x05 => Some(Key::End),
            0x0c => Some(Key::Redraw),
            0x15 => Some(Key::Clear),
            b' '..=b'~' => Some(Key::Char(char::from(byte))),
            _ => {
                let length = match byte {
                    0xc2..=0xdf => 2,
                    0xe0..=0xef => 3,
                    0xf0..=0xf4 => 4,
                    // Other controls, and what begins no character.
                    _ => return None,
                };
                self.state = State::Utf8(vec![byte], length);
                None
            }
        }
    }

    fn escape(&mut self, byte: u8) -> Option<Key> {
        match byte {
            b'[' => self.state = State::Csi(Vec::new()),
            b'O' => self.state = State::Ss3,
            b']' | b'P' | b'X' | b'^' | b'_' => self.state = State::Text,
            // Pressed twice, or the start of a sequence right after the key.
            0x1b => {
                self.state = State::Escape;
                return Some(Key::Esc);
            }
            0x00..=0x1f => return self.ground(byte),
            // Alt and a key: not one of ours.
            _ => {}
        }
        None
    }

    fn csi(&mut self, mut parameters: Vec<u8>, byte: u8) -> Option<Key> {
        match byte {
            b'[' if parameters.is_empty() => {
                self.state = State::LinuxFunction;
                None
            }
            b' '..=b'?' => {
                // The end of a sequence that is too long is still waited for.
                if parameters.len() < LONGEST_SEQUENCE {
                    parameters.push(byte);
                }
                self.state = State::Csi(parameters);
                None
            }
            b'@'..=b'~' => csi(&parameters, byte),
            // A control or a character of several bytes: the sequence broke off.
            _ => self.ground(byte),
        }
    }

    fn text(&mut self, byte: u8) -> Option<Key> {
        match byte {
            0x07 => {}
            // ESC \ ends it; the backslash is then Alt and a key.
            0x1b => self.state = State::Escape,
            b'\r' | b'\n' | 0x03 => return self.ground(byte),
            _ => self.state = State::Text,
        }
        None
    }

    fn utf8(&mut self, mut bytes: Vec<u8>, length: usize, byte: u8) -> Option<Key> {
        if !(0x80..=0xbf).contains(&byte) {
            // What came before was no character.
            return self.ground(byte);
        }
        bytes.push(byte);
        if bytes.len() < length {
            self.state = State::Utf8(bytes, length);
            return None;
        }
        let text = std::str::from_utf8(&bytes).ok()?;
        let character = text.chars().next().filter(|c| !c.is_control())?;
        Some(Key::Char(character))
    }
}

fn ss3(byte: u8) -> Option<Key> {
    match byte {
        b'M' => Some(Key::Enter),
        // The digits of a keypad in application mode.
        b'p'..=b'y' => Some(Key::Char(char::from(byte - b'p' + b'0'))),
        _ => by_letter(byte),
    }
}

fn csi(parameters: &[u8], last: u8) -> Option<Key> {
    // "1;5C" is an arrow with Ctrl: the arrow is meant.
    let first = parameters.split(|byte| *byte == b';').next();
    match (last, first.unwrap_or_default()) {
        (b'~', b"1" | b"7") => Some(Key::Home),
        (b'~', b"3") => Some(Key::Delete),
        (b'~', b"4" | b"8") => Some(Key::End),
        (b'~', b"5") => Some(Key::PageUp),
        (b'~', b"6") => Some(Key::PageDown),
        (_, b"" | b"1") => by_letter(last),
        _ => None,
    }
}

fn by_letter(letter: u8) -> Option<Key> {
    match letter {
        b'A' => Some(Key::Up),
        b'B' => Some(Key::Down),
        b'C' => Some(Key::Right),
        b'D' => Some(Key::Left),
        b'H' => Some(Key::Home),
        b'F' => Some(Key::End),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop, proptest};

    use super::*;

    /// The keys of bytes; a `None` is a silence.
    fn keys(input: &[Option<u8>]) -> Vec<Key> {
        let mut decoder = Decoder::default();
        let key = |event: &Option<u8>| match event {
            Some(byte) => decoder.byte(*byte),
            None => decoder.silence(),
        };
        input.iter().filter_map(key).collect()
    }

    fn of(bytes: &[u8]) -> Vec<Key> {
        let mut events: Vec<Option<u8>> = bytes.iter().copied().map(Some).collect();
        events.push(None);
        keys(&events)
    }

    #[test]
    fn sequences() {
        let chars = |text: &str| text.chars().map(Key::Char).collect::<Vec<_>>();
        for (bytes, expected) in [
            (
                &b"\x1b[A\x1b[B\x1b[C\x1b[D"[..],
                vec![Key::Up, Key::Down, Key::Right, Key::Left],
            ),
            (
                b"\x1bOA\x1bOB\x1bOC\x1bOD",
                vec![Key::Up, Key::Down, Key::Right, Key::Left],
            ),
            (b"\x1b[1~\x1b[7~\x1b[H\x1bOH\x01", vec![Key::Home; 5]),
            (b"\x1b[4~\x1b[8~\x1b[F\x1bOF\x05", vec![Key::End; 5]),
            (
                b"\x1b[5~\x1b[6~\x1b[3~",
                vec![Key::PageUp, Key::PageDown, Key::Delete],
            ),
            (b"\x7f\x08", vec![Key::Backspace; 2]),
            (b"\r\n\n\r\0\r", vec![Key::Enter; 4]),
            (b"\x1bOM", vec![Key::Enter]),
            (b"\x1bOp\x1bOy", chars("09")),
            (b"\x1b", vec![Key::Esc]),
            (b"\x1b\x1b", vec![Key::Esc; 2]),
            (b"\x1b\x1b[A", vec![Key::Esc, Key::Up]),
            (b"\x1b\r", vec![Key::Enter]),
            (b"\x1b[1;5C", vec![Key::Right]),
            // Sequences that mean nothing here vanish as a whole.
            (
                b"\x1b[[A\x1b[15~\x1b[200~a\x1b[201~\x1b[24;80R\x1b[?1;2cb",
                chars("ab"),
            ),
            (b"\x1b]0;title\x07a\x1bPx\x1b\\b", chars("ab")),
            (b"\x1bxa\x1bO", chars("a")),
            (b"\x1b[", vec![]),
            (b"\x1b[12\ra", vec![Key::Enter, Key::Char('a')]),
            // Characters of several bytes, whole and broken.
            ("é€😀".as_bytes(), chars("é€😀")),
            (b"\xc3a\xe2\x82b\xff\xfe\x80c", chars("abc")),
            (b"\xc3\xc3\xa9", chars("é")),
            (b"\xed\xa0\x80\xf4\x90\x80\x80x", chars("x")),
            (b"\xc2\x9b\xc2\x85x\0\x02\x1a", chars("x")),
            (
                b"\x03\x0c\x15",
                vec![Key::Interrupt, Key::Redraw, Key::Clear],
            ),
        ] {
            assert_eq!(of(bytes), expected, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn only_silence_makes_a_lone_esc() {
        let byte = |byte: u8| Some(byte);
        assert_eq!(keys(&[byte(0x1b)]), []);
        assert_eq!(
            keys(&[byte(0x1b), None, byte(b'[')]),
            [Key::Esc, Key::Char('[')]
        );
        assert_eq!(
            keys(&[byte(0x1b), byte(b'['), None, byte(b'A')]),
            [Key::Char('A')]
        );
        // A LF long after the CR is a key of its own.
        assert_eq!(keys(&[byte(b'\r'), None, byte(b'\n')]), [Key::Enter; 2]);
    }

    #[test]
    fn a_sequence_without_end_costs_nothing() {
        let mut decoder = Decoder::default();
        decoder.byte(0x1b);
        decoder.byte(b'[');
        for _ in 0..100_000 {
            assert_eq!(decoder.byte(b'1'), None);
        }
        assert!(matches!(&decoder.state, State::Csi(bytes) if bytes.len() <= LONGEST_SEQUENCE));
        assert_eq!(decoder.byte(b'A'), None);
        assert_eq!(decoder.byte(b'A'), Some(Key::Char('A')));
    }

    proptest! {
        /// Whatever came before: after a silence the keyboard works again.
        #[test]
        fn noise_is_survived(noise in prop::collection::vec(any::<Option<u8>>(), 0..200)) {
            let mut decoder = Decoder::default();
            for event in noise {
                match event {
                    Some(byte) => decoder.byte(byte),
                    None => decoder.silence(),
                };
            }
            decoder.silence();
            assert!(!decoder.is_waiting());
            assert_eq!(decoder.byte(b'x'), Some(Key::Char('x')));
        }

        /// Any text arrives as it was typed.
        #[test]
        fn text_arrives(text in "[^\\p{Cc}]{0,40}") {
            let expected: Vec<Key> = text.chars().map(Key::Char).collect();
            assert_eq!(of(text.as_bytes()), expected);
        }
    }
}
