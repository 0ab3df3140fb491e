//! `vigie-update list`: what lies in the folders, and whether this machine would take it.

use std::fs::File;
use std::io::Seek;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use vigie_disk::Bytes;
use vigie_settings::Language;

use super::apply::PROGRAM;
use crate::appliance::This;
use crate::apply::sandboxed::{ACCOUNT, Sandboxed};
use crate::doors::found::{self, Found, Head, State};
use crate::doors::look::look;
use crate::doors::places::{self, Place};
use crate::history::Door;
use crate::media::not_read::{self, NOT_READ};
use crate::package::PackageError;
use crate::say;
use crate::spoken::Spoken;

/// A folder of a medium, and a head, are waited for so long: a disc that spins up takes some seconds,
/// a bad one minutes.
const ANSWER: Duration = Duration::from_secs(5);
/// All of them together. Who shows the list waits for it.
const SCAN: Duration = Duration::from_secs(20);

/// What lies in the folders of this machine and on plugged-in media, each with its opened file; and the
/// media that are not read.
///
/// # Errors
/// The boot state cannot be read.
pub fn scan(this: &This) -> Result<Vec<(Found, Option<File>)>> {
    let root = Path::new("/");
    let mut all = within(this, &[places::fixed(root), places::media(root)].concat())?;
    let not_read = not_read::all(Path::new(NOT_READ)).into_iter();
    all.extend(not_read.map(|medium| (Found::not_read(medium), None)));
    Ok(all)
}

/// What lies in the folders of this machine alone: no medium can hold that up.
///
/// # Errors
/// The boot state cannot be read.
pub fn scan_fixed(this: &This) -> Result<Vec<(Found, Option<File>)>> {
    within(this, &places::fixed(Path::new("/")))
}

fn within(this: &This, places: &[Place]) -> Result<Vec<(Found, Option<File>)>> {
    let context = this.context(false)?;
    let begun = Instant::now();
    let left = || limit(begun.elapsed()).ok_or(PackageError::Silent);
    let look = &mut |place: &Place| match place.door {
        Door::Usb => look(Path::new(PROGRAM), &place.folder, left()?),
        _ => Ok(places::candidates(&place.folder)),
    };
    let read = &mut |file: &File| {
        let limit = left()?;
        found::head(&mut start(file)?.with_patience(limit), &this.keys)
    };
    Ok(found::scan_with(places, &context, look, read))
}

/// How long the next answer is waited for, when so much time is `spent`; none where nothing is left.
fn limit(spent: Duration) -> Option<Duration> {
    let left = SCAN.saturating_sub(spent);
    (!left.is_zero()).then(|| left.min(ANSWER))
}

fn start(file: &File) -> Result<Sandboxed, PackageError> {
    Sandboxed::start(Path::new(PROGRAM), file, Some(ACCOUNT))
}

/// Reads and authenticates the head of a file, in the unpacking process.
///
/// # Errors
/// It is no package, or not signed by whom this machine trusts.
pub fn head(this: &This, file: &File) -> Result<Head, PackageError> {
    found::head(&mut start(file)?, &this.keys)
}

/// The file that a list gave this id, to be read from its beginning; none where it is not there
/// any more, or has become another package. Media are asked only for what lies nowhere else.
///
/// # Errors
/// The boot state or the file cannot be read.
pub fn by_id(this: &This, id: &str) -> Result<Option<(Found, File)>> {
    let root = Path::new("/");
    first(&[places::fixed(root), places::media(root)], id, |places| {
        within(this, places)
    })
}

/// The first of these groups of places, looked into one after the other, that holds it.
fn first(
    groups: &[Vec<Place>],
    id: &str,
    mut scan: impl FnMut(&[Place]) -> Result<Vec<(Found, Option<File>)>>,
) -> Result<Option<(Found, File)>> {
    for places in groups {
        let found = scan(places)?.into_iter().find(|(found, _)| found.id == id);
        if let Some((found, Some(mut file))) = found {
            file.rewind().map_err(|error| {
                Spoken::new(
                    format!("reading the package anew: {error}"),
                    format!("relecture du paquet : {error}"),
                )
            })?;
            return Ok(Some((found, file)));
        }
    }
    Ok(None)
}

/// Prints the list.
///
/// # Errors
/// This is no installed appliance.
pub fn run(json: bool, language: Language) -> Result<()> {
    let all = scan(&This::load()?)?;
    for (found, _) in &all {
        if json {
            say!("{}", serde_json::to_string(found)?);
        } else {
            say!("{}", lines(found, language).join("\n"));
        }
    }
    if all.is_empty() && !json {
        say!("{}", texts(language).nothing);
    }
    Ok(())
}

struct Texts {
    nothing: &'static str,
    ready: &'static str,
    arriving: &'static str,
    later: &'static str,
    refused: &'static str,
    unreadable: &'static str,
    medium: &'static str,
    not_read: &'static str,
    since: &'static str,
    /// Before a reason.
    colon: &'static str,
    /// Before the command that deletes it.
    to_delete: &'static str,
}

const fn texts(language: Language) -> &'static Texts {
    match language {
        Language::Fr => &Texts {
            nothing: "il n'y a aucun paquet de mise à jour ; branchez une clé USB, ou envoyez-en un \
                      par la page web ou par scp",
            ready: "prêt à installer",
            arriving: "en cours de copie",
            later: "plus tard",
            refused: "refusé",
            unreadable: "inutilisable",
            medium: "clé ou disque optique",
            not_read: " : non lu, car ",
            since: "changements depuis",
            colon: " : ",
            to_delete: "pour le supprimer : ",
        },
        Language::En => &Texts {
            nothing: "there is no update package; plug in a stick, or send one by the web page or scp",
            ready: "ready to install",
            arriving: "arriving",
            later: "later",
            refused: "refused",
            unreadable: "not usable",
            medium: "stick or disc",
            not_read: ": not read, because ",
            since: "changes since",
            colon: ": ",
            to_delete: "to delete it: ",
        },
    }
}

/// A found file for a person: what and where, the verdict, the id.
#[must_use]
pub fn lines(found: &Found, language: Language) -> Vec<String> {
    let texts = texts(language);
    let reason = match language {
        Language::Fr => &found.reason_fr,
        Language::En => &found.reason,
    };
    let reason = reason.as_ref();
    let state = match found.state {
        State::Ready => texts.ready,
        State::Arriving => texts.arriving,
        State::Later => texts.later,
        State::Refused => texts.refused,
        State::Unreadable => texts.unreadable,
        State::NotRead => {
            let (medium, name, not_read) = (texts.medium, &found.name, texts.not_read);
            let reason = reason.map_or("?", String::as_str);
            return vec![format!("{medium} {name}{not_read}{reason}")];
        }
    };
    let version = found.version.map_or("?".to_owned(), |v| v.to_string());
    let base = found.base.map(|base| format!(", {} {base}", texts.since));
    let reason = reason.map(|reason| format!("{}{reason}", texts.colon));
    let mut lines = vec![
        format!(
            "{version} ({}, {}, {}{})",
            found.door.word(language),
            found.name,
            Bytes::new(found.size),
            base.unwrap_or_default()
        ),
        format!("  {state}{}", reason.unwrap_or_default()),
        format!("  id {}", found.id),
    ];
    let of_no_use = matches!(found.state, State::Refused | State::Unreadable);
    if found.door == Door::Scp && of_no_use {
        let name = in_a_shell(&found.name);
        lines.push(format!("  {}vigie-update forget {name}", texts.to_delete));
    }
    lines
}

/// A name as a shell takes it for one word that is no option.
fn in_a_shell(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    let dashes = if name.starts_with('-') { "-- " } else { "" };
    if name.chars().all(plain) {
        format!("{dashes}{name}")
    } else {
        format!("{dashes}'{}'", name.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_takes_no_longer_than_a_person_waits() {
        for (spent, expected) in [
            (0, Some(5)),
            (15, Some(5)),
            (18, Some(2)),
            (20, None),
            (99, None),
        ] {
            let expected = expected.map(Duration::from_secs);
            assert_eq!(limit(Duration::from_secs(spent)), expected, "{spent}");
        }
    }

    #[test]
    fn what_lies_in_a_folder_is_found_without_asking_a_medium() {
        let dir = tempfile::tempdir().unwrap();
        let groups = [places::fixed(dir.path()), vec![usb()]];
        for (id, expected) in [("web", Some(1)), ("usb", Some(2)), ("silent", None)] {
            let mut asked = 0;
            let found = first(&groups, id, |places| {
                asked += 1;
                let lies = |id: &str, file| {
                    let id = id.into();
                    (Found { id, ..found() }, file)
                };
                let file = Some(tempfile::tempfile()?);
                Ok(match places[0].door {
                    Door::Usb => vec![lies("silent", None), lies("usb", file)],
                    _ => vec![lies("web", file)],
                })
            });
            let found = found.unwrap();
            assert_eq!(found.map(|_| asked), expected, "{id}");
        }
    }

    #[test]
    fn a_stick_that_is_not_read_is_told_with_its_reason() {
        let found = Found::not_read(not_read::NotRead {
            name: "sdb1 (USB DISK, BACKUP)".into(),
            reason: "it holds ntfs".into(),
            reason_fr: "il contient ntfs".into(),
        });
        assert_eq!(
            lines(&found, Language::En),
            ["stick or disc sdb1 (USB DISK, BACKUP): not read, because it holds ntfs"]
        );
        assert_eq!(
            lines(&found, Language::Fr),
            ["clé ou disque optique sdb1 (USB DISK, BACKUP) : non lu, car il contient ntfs"]
        );
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!(
            (&json["state"], &json["door"]),
            (&"not-read".into(), &"usb".into())
        );
    }

    fn usb() -> Place {
        Place {
            folder: "/nowhere".into(),
            door: Door::Usb,
        }
    }

    fn found() -> Found {
        Found {
            id: "ab12".into(),
            door: Door::Usb,
            name: "vigie-1.2.3.0-upd.tgz".into(),
            state: State::Ready,
            size: 150_000_000,
            length: Some(150_000_000),
            package: None,
            version: Some("1.2.3.0".parse().unwrap()),
            base: None,
            spent: false,
            reason: None,
            reason_fr: None,
        }
    }

    #[test]
    fn words() {
        let mut found = found();
        let expected = [
            "1.2.3.0 (usb, vigie-1.2.3.0-upd.tgz, 150 MB)",
            "  ready to install",
            "  id ab12",
        ];
        assert_eq!(lines(&found, Language::En), expected);
        found.base = Some("1.2.0.0".parse().unwrap());
        found.state = State::Refused;
        found.reason = Some("why".into());
        found.reason_fr = Some("pourquoi".into());
        assert_eq!(lines(&found, Language::En)[1], "  refused: why");
        let french = lines(&found, Language::Fr);
        assert!(french[0].ends_with("150 MB, changements depuis 1.2.0.0)"));
        assert_eq!(french[1], "  refusé : pourquoi");
        assert_eq!(french.len(), 3, "what lies on a stick is not deleted");
        found.door = Door::Scp;
        for (name, shown) in [
            ("a-upd.tgz", "a-upd.tgz"),
            ("-f.tgz", "-- -f.tgz"),
            ("my $(x) it's.tgz", r"'my $(x) it'\''s.tgz'"),
        ] {
            found.name = name.into();
            let offered = format!("vigie-update forget {shown}");
            assert_eq!(
                lines(&found, Language::En)[3],
                format!("  to delete it: {offered}")
            );
            assert_eq!(
                lines(&found, Language::Fr)[3],
                format!("  pour le supprimer : {offered}")
            );
        }
        found.state = State::Ready;
        assert_eq!(lines(&found, Language::En).len(), 3);
    }
}
