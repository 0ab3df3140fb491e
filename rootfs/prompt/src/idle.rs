//! A terminal that nobody stays at: after some silence the question ends.

use std::io;
use std::time::Duration;

use crate::wire::{Size, Wire};

/// A terminal where a question ends with an error of kind `TimedOut` when nobody types for so long.
#[derive(Debug)]
pub struct Idle<W> {
    wire: W,
    patience: Duration,
}

impl<W: Wire> Idle<W> {
    /// Over another terminal.
    pub fn new(wire: W, patience: Duration) -> Self {
        Self { wire, patience }
    }
}

impl<W: Wire> Wire for Idle<W> {
    fn byte(&mut self, patience: Option<Duration>) -> io::Result<Option<u8>> {
        // Who asks with a patience of their own waits for the rest of a key.
        if patience.is_some() {
            return self.wire.byte(patience);
        }
        match self.wire.byte(Some(self.patience))? {
            Some(byte) => Ok(Some(byte)),
            None => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    fn write(&mut self, text: &str) -> io::Result<()> {
        self.wire.write(text)
    }

    fn size(&self) -> Option<Size> {
        self.wire.size()
    }

    fn echo(&mut self, on: bool) -> io::Result<()> {
        self.wire.echo(on)
    }

    fn forget(&mut self) -> io::Result<()> {
        self.wire.forget()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Answer, Capable, ENGLISH, Item, Plain, Prompter};

    /// Gives these bytes, then is silent; remembers how long it was waited for.
    struct Silent(&'static [u8], Option<Duration>);

    impl Wire for &mut Silent {
        fn byte(&mut self, patience: Option<Duration>) -> io::Result<Option<u8>> {
            self.1 = patience;
            let Some((first, rest)) = self.0.split_first() else {
                assert!(patience.is_some(), "waits for ever");
                return Ok(None);
            };
            self.0 = rest;
            Ok(Some(*first))
        }
        fn write(&mut self, _: &str) -> io::Result<()> {
            Ok(())
        }
        fn size(&self) -> Option<Size> {
            None
        }
        fn echo(&mut self, _: bool) -> io::Result<()> {
            Ok(())
        }
        fn forget(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_question_that_nobody_answers_ends() {
        let patience = Duration::from_secs(900);
        let items = ["one", "two"].map(Item::new);
        for (typed, expected) in [(&b"2\r"[..], Some(1)), (b"2", None), (b"", None)] {
            let mut wire = Silent(typed, None);
            let mut person = Capable::new(Idle::new(&mut wire, patience), &ENGLISH);
            let answer = person.choose(&items, 0);
            drop(person);
            match expected {
                Some(item) => assert_eq!(answer.unwrap(), Answer::Given(item)),
                None => {
                    assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::TimedOut);
                    assert_eq!(wire.1, Some(patience));
                }
            }
        }
        let mut wire = Silent(b"2", None);
        let mut person = Plain::new(Idle::new(&mut wire, patience), &ENGLISH);
        let error = person.choose(&items, 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
