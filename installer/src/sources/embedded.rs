//! Answers in the medium itself: the file `/vigie/install.toml` of its ISO, always [`SIZE`] long,
//! so that `cargo image provision` can put answers into a finished medium without moving anything.
//! In a new medium it has comments only. Answers stand at its beginning, so that line numbers are
//! those of the file that was put in; what the file is stands at its end.

use anyhow::{Result, ensure};
use vigie_disk::Bytes;

use crate::schema;

/// The file's path on the medium.
pub const PATH: &str = "vigie/install.toml";
/// The file in the live system.
pub const MOUNTED: &str = "/run/medium/vigie/install.toml";
/// The file's size.
pub const SIZE: Bytes = Bytes::kib(64);
/// Before the form of the answers that the medium's installer takes.
const FORM: &str = "# Form of the answers: ";

/// The file of a medium without answers.
pub fn empty() -> String {
    let note = note();
    let padding = SIZE.get() as usize - note.len();
    note + &"\n".repeat(padding)
}

/// The file of a medium with these answers.
pub fn filled(answers: &str) -> Result<String> {
    let note = note();
    let room = SIZE.get() as usize - note.len() - 1;
    ensure!(
        answers.len() <= room,
        "the answers have {} bytes; a medium has room for {room}",
        answers.len()
    );
    let padding = SIZE.get() as usize - note.len() - answers.len();
    Ok(format!("{answers}{}{note}", "\n".repeat(padding)))
}

/// The answers in the file; none where it has comments only.
pub fn answers(file: &str) -> Option<String> {
    let says_something = |line: &str| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    };
    file.lines().any(says_something).then(|| file.to_owned())
}

/// The form of the answers that a medium's installer takes ([`schema::form`]); none where the
/// file is not ours.
pub fn form(file: &str) -> Option<&str> {
    file.lines().rev().find_map(|line| line.strip_prefix(FORM))
}

fn note() -> String {
    format!(
        "# The answers of this medium's installer. A medium without answers asks, or looks for a\n\
         # volume labelled PROVISION. To make a copy of the medium with answers:\n\
         #     cargo image provision --iso IN --answers FILE --out OUT\n\
         {FORM}{}\n",
        schema::form()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_keeps_its_size() {
        let text = "[target]\nserial = \"A\"";
        for file in [empty(), filled(text).unwrap(), filled("").unwrap()] {
            assert_eq!(file.len() as u64, SIZE.get());
            assert_eq!(form(&file), Some(schema::form().as_str()));
            file.parse::<toml::Table>().unwrap();
        }
        assert_eq!(answers(&empty()), None);
        let found = answers(&filled(text).unwrap()).unwrap();
        assert!(found.starts_with(text), "line numbers stay");
        let longest = "#".repeat(SIZE.get() as usize - note().len() - 1);
        assert_eq!(filled(&longest).unwrap().len() as u64, SIZE.get());
        assert!(filled(&format!("{longest}#")).is_err());
    }
}
