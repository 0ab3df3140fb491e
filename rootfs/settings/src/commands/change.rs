//! Changing one value: the whole document that results is checked, then saved.

use std::path::Path;

use serde_json::json;
use toml::{Table, Value};
use vigie_settings::difference::{Change, changes, is_secret, tree};
use vigie_settings::edit::{document_of, holds_secret};
use vigie_settings::ways::{self, Way};
use vigie_settings::{Changing, Said, Settings, here, key, said};

use super::show::say_changes;
use super::{Failure, Out, input, live, trail};

/// No value is longer.
const VALUE_MAX: usize = 64 << 10;

/// Sets a field.
pub fn set(site: Site<'_>, path: &str, value: &str, how: &How, out: Out) -> Result<(), Failure> {
    let parts = parts(path)?;
    let secret = parts.iter().any(|part| is_secret(part));
    let value = match value {
        "-" => {
            let bytes = input(Path::new("-"), VALUE_MAX)?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            text.strip_suffix('\n')
                .map(ToOwned::to_owned)
                .unwrap_or(text)
        }
        // Every process of the machine sees the others' arguments.
        value if secret || names_secret(value) => {
            return Err(Failure::refused(path, said("command.secret-argument", &[])));
        }
        value => value.to_owned(),
    };
    change(site, path, how, out, |document| {
        with(document, &parts, &value)
    })
}

/// Whether a value names a field that is a secret, also in text that is not quite TOML.
fn names_secret(text: &str) -> bool {
    let is_named = |text: &str| {
        let names = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        names.into_iter().any(is_secret)
    };
    let before_signs = text.rsplit_once('=').map(|(before, _)| before);
    before_signs.is_some_and(is_named) || as_toml(text).as_ref().is_some_and(holds_secret)
}

/// What a text means as TOML; a second line would be another field.
fn as_toml(text: &str) -> Option<Value> {
    let mut table = format!("value = {text}").parse::<Table>().ok()?;
    (table.len() == 1).then(|| table.remove("value")).flatten()
}

/// Takes a field away.
pub fn unset(site: Site<'_>, path: &str, how: &How, out: Out) -> Result<(), Failure> {
    let parts = parts(path)?;
    change(site, path, how, out, |document| {
        let mut document = document.clone();
        match key::take(&mut document, &parts) {
            true => read(&document).map(Some),
            false => Ok(None),
        }
    })
}

fn parts(path: &str) -> Result<Vec<String>, Failure> {
    key::parts(path).ok_or_else(|| no_such(path))
}

fn no_such(path: &str) -> Failure {
    let values = [("key", Said::same(path))];
    Failure::Missing(said("command.no-such-field", &values))
}

/// The document with a value: what the text means as TOML, else the text itself, whichever the field
/// takes.
fn with(document: &Value, parts: &[String], text: &str) -> Result<Option<Settings>, Failure> {
    let candidates = as_toml(text)
        .into_iter()
        .chain([Value::String(text.to_owned())]);
    let mut refusal = None;
    for candidate in candidates {
        let mut document = document.clone();
        let placed = document
            .as_table_mut()
            .is_some_and(|table| key::put(table, parts, candidate));
        if !placed {
            return Ok(None);
        }
        match read(&document) {
            Ok(settings) => return Ok(Some(settings)),
            Err(failure) => refusal = refusal.or(Some(failure)),
        }
    }
    refusal.map_or(Ok(None), Err)
}

fn read(document: &Value) -> Result<Settings, Failure> {
    document_of(document).map_err(Failure::Refused)
}

/// How a change is made.
#[derive(clap::Args, Debug, Default)]
pub struct How {
    /// Have the running system follow at once. What may cut you off goes on trial: it is saved when you
    /// confirm it within 60 s (`trial confirm`), and goes back otherwise.
    #[arg(long)]
    now: bool,
    /// Also where that takes away the last way into: root, service, users.
    #[arg(long, value_name = "WAY")]
    losing: Vec<Way>,
}

/// Whose change it is, of which system.
#[derive(Clone, Copy, Debug)]
pub struct Site<'a> {
    /// The root of the system.
    pub root: &'a Path,
    /// Who it is, for the history.
    pub by: &'a str,
}

/// What a change is called in the audit trail, and what it is of.
#[derive(Clone, Debug)]
pub struct Deed {
    /// The broker's verb for the same.
    pub action: &'static str,
    /// What it takes its values from; none where the fields say it.
    pub about: Option<String>,
}

fn change(
    site: Site<'_>,
    path: &str,
    how: &How,
    out: Out,
    make: impl FnOnce(&Value) -> Result<Option<Settings>, Failure>,
) -> Result<(), Failure> {
    let changing = Changing::begin(site.root, site.by)?;
    let old = &changing.old.settings;
    let new = make(&tree(old))?.ok_or_else(|| no_such(path))?;
    let mut lost = ways::lost(old, &new).into_iter();
    if let Some(way) = lost.find(|way| !how.losing.contains(way)) {
        let values = [("way", way.said()), ("name", Said::same(way))];
        return Err(Failure::refused(path, said("command.losing", &values)));
    }
    let deed = Deed {
        action: "settings-set",
        about: None,
    };
    save(site, deed, &changing, (&new, how.now), out)
}

/// Saves what differs, and says what does; where the old settings are damaged, all of it.
pub fn save(
    site: Site<'_>,
    deed: Deed,
    changing: &Changing,
    (new, now): (&Settings, bool),
    out: Out,
) -> Result<(), Failure> {
    let problems = here::problems(site.root, new);
    if !problems.is_empty() {
        return Err(Failure::Refused(problems));
    }
    let old = &changing.old;
    let found = match old.origin.is_loss() {
        true => changes(&Settings::default(), new),
        false => changes(&old.settings, new),
    };
    let is_new = old.origin.is_loss() || !found.is_empty();
    let about = deed.about.or_else(|| Some(fields(&found)));
    if now {
        let take = || live::take(site.root, changing, new, &found, out);
        return trail::noted(site, deed.action, about, out, take);
    }
    if is_new {
        let save = || Ok(changing.save(new)?);
        trail::noted(site, deed.action, about, out, save)?;
    }
    let number = changing.generation();
    say_changes(
        &found,
        &json!({ "generation": number, "changed": found }),
        out,
    );
    out.line(match is_new {
        true => said("command.at-the-next-start", &[]),
        false => said("command.nothing-changed", &[]),
    });
    Ok(())
}

/// The names of the fields that change, never what they are set to.
fn fields(changes: &[Change]) -> String {
    let names: Vec<&str> = changes.iter().map(|change| change.key.as_str()).collect();
    names.join(" ")
}
