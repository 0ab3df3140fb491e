//! Recordings of several volumes, taken one after the other: what of one cannot be read keeps nothing of
//! another. Nothing is copied before it is known that all of it fits.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::json;

use super::copy::{below, copy};
use super::recordings::{self, Found, Room, Selection};
use super::sources::Source;
use super::unread::Unread;
use crate::message::{Failed, Message};
use crate::refusal::Refusal;
use crate::stop;
use crate::tell::Tell;

/// So much that could not be read of a volume is told; the list has all of it.
const TOLD: usize = 20;

/// Opens a volume: the folder in which its files are, for as long as that is held.
pub type Open<'a, R> = &'a mut dyn FnMut(&Source, &mut Tell) -> Result<R>;

/// What could not be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Missing {
    volumes: usize,
    files: usize,
}

/// A volume that is open, and what was found on it.
struct Ready<'a, R> {
    source: &'a Source,
    root: R,
    found: Found,
}

/// Copies what is selected of these volumes into new folders in `to`.
///
/// # Errors
/// A [`Refusal`]: nothing was found, it does not fit; something could not be written. All was tried, and something
/// could not be read: it was told.
pub fn take<R: AsRef<Path>>(
    sources: &[Source],
    open: Open<R>,
    selection: &Selection,
    to: &Path,
    tell: &mut Tell,
) -> Result<()> {
    let mut missing = Missing::default();
    let mut ready = Vec::new();
    for source in sources {
        match open(source, tell) {
            Ok(root) => ready.extend(look(source, root, selection)?),
            Err(error) => {
                missing.volumes += 1;
                let message = Message::new("export.no-access").with("name", &source.name);
                let message = message.with("device", source.node.display());
                tell.warn(&message.because(&error));
            }
        }
    }
    let found: Vec<&Found> = ready.iter().map(|one| &one.found).collect();
    if found.iter().any(|one| !one.files.is_empty()) {
        recordings::fits(&found, Room::of(to)?, to)?;
    } else if missing == Missing::default() && found.iter().all(|one| one.unreadable.is_empty()) {
        return Err(Refusal::NothingFound.into());
    }
    for one in &ready {
        missing.files += take_one(one, to, tell)?;
    }
    match missing == Missing::default() {
        true => Ok(()),
        false => Err(Failed(
            Message::new("export.incomplete")
                .with("volumes", missing.volumes)
                .with("files", missing.files),
        )
        .into()),
    }
}

/// What is selected of a volume; none where it has no such folder.
fn look<'a, R: AsRef<Path>>(
    source: &'a Source,
    root: R,
    selection: &Selection,
) -> Result<Option<Ready<'a, R>>> {
    let found = match recordings::find(root.as_ref(), selection) {
        Err(Refusal::NothingFound) => return Ok(None),
        found => found?,
    };
    Ok(Some(Ready {
        source,
        root,
        found,
    }))
}

/// How much of a volume could not be read.
fn take_one<R: AsRef<Path>>(ready: &Ready<R>, to: &Path, tell: &mut Tell) -> Result<usize> {
    let Ready {
        source,
        root,
        found,
    } = ready;
    if found.files.is_empty() {
        say_unread(&found.unreadable, tell);
        return Ok(found.unreadable.len());
    }
    let into = recordings::free_name(to, &source.folder)?;
    let total = found.total();
    let what = Message::new("export.copying").with("name", &source.name);
    let mut note = |bytes| {
        tell.progress(&what, bytes, total);
        !stop::asked()
    };
    let unread = copy(&below(root.as_ref()), found, &into, &mut note)?;
    say_unread(&unread, tell);
    done(tell, &into, &unread);
    Ok(unread.len())
}

fn say_unread(unread: &[Unread], tell: &mut Tell) {
    for one in unread.iter().take(TOLD) {
        tell.warn(&Message::new("export.unreadable").with("error", one.line()));
    }
}

fn done(tell: &mut Tell, path: &PathBuf, unread: &[Unread]) {
    let message = Message::new("export.done").with("path", path.display());
    let values = json!({"path": path, "unreadable": unread.len()});
    tell.with("done", &message, values);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::copy::LIST;
    use crate::export::recordings::tests::{FILES, volume};
    use anyhow::bail;
    use std::fs;
    use vigie_settings::Language;

    fn source(name: &str) -> Source {
        Source {
            name: name.to_owned(),
            node: Path::new("/dev").join(name),
            folder: format!("hall-{name}"),
        }
    }

    fn taken(sources: &[Source], root: &Path, selection: &Selection, to: &Path) -> Result<()> {
        let mut tell = Tell::new(true, Language::En);
        let mut open = |source: &Source, _: &mut Tell| match source.name.as_str() {
            "broken" => bail!(
                "mounting {}: Structure needs cleaning",
                source.node.display()
            ),
            _ => Ok(root.to_owned()),
        };
        take(sources, &mut open, selection, to, &mut tell)
    }

    #[test]
    fn a_volume_that_cannot_be_mounted_keeps_nothing_of_the_others() {
        let (dir, stick) = (volume(&FILES), tempfile::tempdir().unwrap());
        let all = Selection::default();
        let sources = ["broken", "data-2"].map(source);
        let error = taken(&sources, dir.path(), &all, stick.path()).unwrap_err();
        let said = error.downcast_ref::<Failed>().unwrap();
        for language in [Language::En, Language::Fr] {
            let said = said.0.to(language);
            assert!(
                said.contains("volumes : 1") || said.contains("volumes: 1"),
                "{said}"
            );
        }
        let list = fs::read_to_string(stick.path().join("hall-data-2").join(LIST)).unwrap();
        assert_eq!(list.lines().count(), 4);
        // What was told of is no "nothing was found".
        let error = taken(&sources[..1], dir.path(), &all, stick.path()).unwrap_err();
        assert!(error.downcast_ref::<Failed>().is_some(), "{error:#}");
    }

    #[test]
    fn nothing_found_is_a_refusal_and_all_that_is_found_is_done() {
        let (dir, stick) = (volume(&FILES), tempfile::tempdir().unwrap());
        let sources = ["data-1", "data-2"].map(source);
        let none = Selection {
            folder: Some("cellar".into()),
            ..Selection::default()
        };
        let error = taken(&sources, dir.path(), &none, stick.path()).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&Refusal::NothingFound));
        assert_eq!(fs::read_dir(stick.path()).unwrap().count(), 0);
        let all = Selection::default();
        taken(&sources, dir.path(), &all, stick.path()).unwrap();
        assert_eq!(fs::read_dir(stick.path()).unwrap().count(), 2);
        let gone = taken(&sources, dir.path(), &all, Path::new("/no/such/stick"));
        assert!(gone.unwrap_err().to_string().contains("/no/such/stick"));
    }
}
