//! The last good generations: each saved document that another one followed, under its number.

use super::{DocumentError, Files, SaveError, Settings, Store, VERSION, current, text};
use crate::stamp::{NUMBERS, Stamp};

/// So many generations are kept, with the current one. The state volume bounds the size of folders,
/// and a document has a few kilobytes.
pub const KEPT: usize = 8;

/// One of the generations that are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// Its number.
    pub number: u32,
    /// Who saved it and when; absent where it was not saved by this software (the installer's
    /// first one, one that a person put there).
    pub stamp: Option<Stamp>,
    /// Whether it is the current one.
    pub is_current: bool,
    /// Why it cannot be used.
    pub fault: Option<String>,
}

/// The older software that starts over removes by this name, too.
fn numbered(number: u32) -> String {
    format!("previous.{VERSION}-{number}.toml")
}

fn number_of(name: &str) -> Option<u32> {
    let rest = name.strip_prefix(&format!("previous.{VERSION}-"))?;
    let number = rest.strip_suffix(".toml")?.parse().ok()?;
    (number < NUMBERS && numbered(number) == name).then_some(number)
}

impl<F: Files> Store<F> {
    /// The generations, the newest first.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn history(&self) -> Result<Vec<Saved>, SaveError> {
        let numbers = self.numbers()?;
        let own = self.current_number(&numbers);
        let newest = own.map(|number| self.saved(number, &current(VERSION), true));
        // A power cut came between keeping the current one and replacing it: it is there twice.
        let older = numbers.iter().rev().filter(|number| own != Some(**number));
        let older = older.map(|number| self.saved(*number, &numbered(*number), false));
        Ok(newest.into_iter().chain(older).collect())
    }

    /// The number of the generation in use; nothing where none was saved.
    #[must_use]
    pub fn generation_in_use(&self) -> Option<u32> {
        let numbers = self.numbers().ok()?;
        self.current_number(&numbers)
    }

    /// The settings of a generation that is kept; nothing where there is none of this number.
    ///
    /// # Errors
    /// It cannot be read or is damaged.
    pub fn numbered(&self, number: u32) -> Result<Option<Settings>, DocumentError> {
        let numbers = self.numbers().unwrap_or_default();
        let name = match self.current_number(&numbers) == Some(number) {
            true => current(VERSION),
            false => numbered(number),
        };
        let Some(bytes) = self.files.read(&name)? else {
            return Ok(None);
        };
        Settings::from_text(&text(bytes)?).map(Some)
    }

    /// The newest generation that is kept and can be used.
    pub(super) fn newest_kept(&self) -> Option<super::Generation> {
        let numbers = self.numbers().ok()?;
        let mut newest = numbers.iter().rev();
        newest.find_map(|number| {
            let found = self.generation(&numbered(*number)).ok().flatten()?;
            let number = Some(*number);
            Some(super::Generation { number, ..found })
        })
    }

    /// Keeps the current document `old` before another one takes its place; tells its number.
    pub(super) fn keep(&self, old: &[u8]) -> Result<u32, SaveError> {
        let numbers = self.numbers()?;
        let number = self.number_for(old, &numbers);
        if numbers.last() == Some(&number) {
            return Ok(number);
        }
        // Room first: on a full volume what is oldest goes, and nothing that is newer.
        let surplus = numbers.len().saturating_sub(KEPT - 2);
        for oldest in &numbers[..surplus] {
            let name = numbered(*oldest);
            let gone = self.files.remove(&name);
            gone.map_err(|error| self.failed(&name, error))?;
        }
        self.replace(&numbered(number), old)?;
        Ok(number)
    }

    /// The highest number that was given.
    pub(super) fn last_number(&self) -> Result<u32, SaveError> {
        let numbers = self.numbers()?;
        let own = self.current_number(&numbers);
        Ok(own.or(numbers.last().copied()).unwrap_or_default())
    }

    fn current_number(&self, numbers: &[u32]) -> Option<u32> {
        let bytes = self.files.read(&current(VERSION)).ok()??;
        Some(self.number_for(&bytes, numbers))
    }

    /// The number of the current document: that of the last one that was kept where it is the same,
    /// else what it says, where that is newer than those.
    fn number_for(&self, document: &[u8], numbers: &[u32]) -> u32 {
        let said = Stamp::of(&String::from_utf8_lossy(document)).map(|stamp| stamp.number);
        let Some(last) = numbers.last() else {
            return said.unwrap_or_default();
        };
        let kept = self.files.read(&numbered(*last)).ok().flatten();
        if kept.is_some_and(|kept| kept == document) {
            return *last;
        }
        let next = last.saturating_add(1);
        said.unwrap_or(next).max(next)
    }

    /// The numbers that are kept, the oldest first.
    fn numbers(&self) -> Result<Vec<u32>, SaveError> {
        let names = self.files.names();
        let names = names.map_err(|error| self.failed("", error))?;
        let mut numbers: Vec<u32> = names.iter().filter_map(|name| number_of(name)).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn saved(&self, number: u32, name: &str, is_current: bool) -> Saved {
        let bytes = self.files.read(name).ok().flatten().unwrap_or_default();
        let stamp = Stamp::of(&String::from_utf8_lossy(&bytes));
        Saved {
            number,
            stamp,
            is_current,
            fault: self.generation(name).err(),
        }
    }
}
