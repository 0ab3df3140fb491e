//! A plain web server: a signed index, and packages beside it.

use std::fmt::Display;

use reqwest::Url;
use vigie_settings::Said;
use vigie_update::apply::{Opened, authenticate};
use vigie_update::index::choose::{Choice, choose};
use vigie_update::index::{Entry, INDEX_MAX, Index, IndexError, NAME};
use vigie_update::package::Keyring;
use vigie_update::package::envelope::Envelope;
use vigie_update::policy::judge;
use vigie_update::pulled::{Answer, Report};
use vigie_update::situation::Situation;

use crate::fetch::{Wanted, fetch};
use crate::http::Trouble;
use crate::{Pull, report};

/// Its folder of packages.
pub const PACKAGES: &str = "https";

/// Reads the index, chooses, fetches.
///
/// # Errors
/// The server, its index, the package.
pub fn run(pull: &Pull<'_>) -> Result<Report, Trouble> {
    let source = pull.settings.source.as_ref();
    let source = source.ok_or_else(|| {
        Trouble::lasting(
            "the settings name no server",
            "les réglages ne nomment aucun serveur",
        )
    })?;
    let folder = source.as_str().parse::<Url>();
    let folder = folder.map_err(|error| no_address(source, &error))?;
    let index = read_index(pull, &folder)?;
    if is_ours(&index, pull) {
        remove_withdrawn(&index, pull)?;
    }
    let situation = pull.situation;
    let choice = choose(
        &index,
        &situation.machine,
        &situation.standing(),
        &situation.before(),
    );
    let mut told = match choice {
        Choice::Nothing => report(Answer::UpToDate),
        Choice::CameBack(entry) => refused(entry).because(
            "it was installed here and came back, or was taken back; install it by hand, or wait \
             for another",
            "elle a été installée ici et a été abandonnée ou annulée ; installez-la à la main, ou \
             attendez-en une autre",
        ),
        Choice::Failed(entry) => {
            let why = failed(entry, situation);
            refused(entry).because(why.english, why.french)
        }
        Choice::Refused(entry, refusal) => {
            refused(entry).because(refusal.to_string(), refusal.french())
        }
        Choice::Take(entry) => Report {
            version: Some(entry.version),
            ..report(offer(pull, &folder, entry)?)
        },
    };
    told.made = Some(index.made);
    Ok(told)
}

/// A reason in both languages.
pub struct Why {
    /// In English.
    pub english: String,
    /// In French.
    pub french: String,
}

/// Why a package is not fetched again, as far as that is known, and what to do.
#[must_use]
pub fn failed(entry: &Entry, situation: &Situation) -> Why {
    let fate = situation.fates.iter().find(|fate| fate.package == entry.id);
    let in_brackets = |why: &String| format!(" ({why})");
    let english = fate.and_then(|fate| fate.reason.as_ref());
    let french = fate.and_then(|fate| fate.reason_fr.as_ref()).or(english);
    let english = english.map(in_brackets).unwrap_or_default();
    let french = french.map(in_brackets).unwrap_or_default();
    Why {
        english: format!(
            "it could not be installed here{english}; install it by hand, or wait for another"
        ),
        french: format!(
            "elle n'a pas pu être installée ici{french} ; installez-la à la main, ou attendez-en une \
             autre"
        ),
    }
}

/// A package that is newer and not taken; the reason is still to be said.
#[must_use]
pub fn refused(entry: &Entry) -> Report {
    Report {
        version: Some(entry.version),
        ..report(Answer::Refused)
    }
}

/// The index, where it is not older than what was seen. Its serial counts once all else is checked.
fn read_index(pull: &Pull<'_>, folder: &Url) -> Result<Index, Trouble> {
    let url = beside(folder, NAME)?;
    let bytes = pull.client.short(&url, INDEX_MAX, "*/*")?;
    let wrong = |error: IndexError| Trouble::lasting(error.to_string(), error.french());
    let index = Index::read(&bytes, pull.keys).map_err(wrong)?;
    let seen = pull.store.serial(folder.as_str());
    let serial = index.serial;
    if serial < seen {
        return Err(wrong(IndexError::Older { serial, seen }));
    }
    // That of another product says nothing of ours.
    if is_ours(&index, pull) && serial > seen {
        pull.store.keep_serial(folder.as_str(), serial)?;
    }
    Ok(index)
}

fn is_ours(index: &Index, pull: &Pull<'_>) -> bool {
    let machine = &pull.situation.machine;
    index.product == machine.product && index.arch == machine.arch
}

/// Removes what was fetched and is not listed any more: whoever published it took it back, perhaps
/// because it does harm.
fn remove_withdrawn(index: &Index, pull: &Pull<'_>) -> Result<(), Trouble> {
    let listed = |opened: &Opened| index.packages.iter().any(|entry| entry.id == opened.id);
    let withdrawn = |envelope: &Envelope| {
        let opened = authenticate(envelope, pull.keys);
        opened.is_ok_and(|opened| !listed(&opened))
    };
    let removed = pull.store.packages(PACKAGES)?.remove_where(&withdrawn);
    let doing = (
        "removing a package that was withdrawn",
        "suppression d'un paquet qui a été retiré",
    );
    removed.map_err(|error| Trouble::disk(doing, &error))
}

fn beside(folder: &Url, name: &str) -> Result<Url, Trouble> {
    let url = folder.join(name);
    url.map_err(|error| no_address(&format!("{folder}{name}"), &error))
}

fn no_address(what: &dyn Display, error: &dyn Display) -> Trouble {
    Trouble::lasting(
        format!("{what}: {error}"),
        format!("{what} n'est pas une adresse : {error}"),
    )
}

fn offer(pull: &Pull<'_>, folder: &Url, entry: &Entry) -> Result<Answer, Trouble> {
    if !pull.fetch {
        return Ok(Answer::Offered);
    }
    let wanted = Wanted {
        url: beside(folder, entry.name.as_str())?,
        name: entry.name.to_string(),
        length: entry.length,
    };
    let packages = pull.store.packages(PACKAGES)?;
    let accept = |envelope: &Envelope| accept(envelope, &entry.id, pull.keys, pull.situation);
    fetch(pull.client, &wanted, &packages, &packages, &accept)?;
    Ok(Answer::Fetched)
}

/// Authenticates a head, and judges it as the installer of it will.
///
/// # Errors
/// Why it is not taken.
pub fn accept(
    envelope: &Envelope,
    id: &str,
    keys: &Keyring,
    situation: &Situation,
) -> Result<Opened, Said> {
    let opened = authenticate(envelope, keys)
        .map_err(|error| Said::new(error.to_string(), error.french()))?;
    if opened.id != id {
        return Err(Said::new(
            "the server has another package than the one that is listed".to_owned(),
            "le serveur a un autre paquet que celui de sa liste".to_owned(),
        ));
    }
    judge(&opened.header, &situation.machine, &situation.standing())
        .map_err(|refusal| Said::new(refusal.to_string(), refusal.french()))?;
    Ok(opened)
}
