//! Changing one value: the whole document that results is checked, then saved.

use std::path::Path;

use serde_json::json;
use toml::{Table, Value};
use vigie_settings::difference::{changes, is_secret, tree};
use vigie_settings::{Changing, Said, Settings, here, key, said};

use super::show::say_changes;
use super::{Failure, Out, input};

/// No value is longer.
const VALUE_MAX: usize = 64 << 10;

/// Sets a field.
pub fn set(root: &Path, by: &str, path: &str, value: &str, out: Out) -> Result<(), Failure> {
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
        value if secret || holds_secret(value) => {
            return Err(Failure::refused(path, said("command.secret-argument", &[])));
        }
        value => value.to_owned(),
    };
    change(root, by, path, out, |document| {
        with(document, &parts, &value)
    })
}

/// Whether a value names a field that is a secret, also in text that is not quite TOML.
fn holds_secret(text: &str) -> bool {
    let is_named = |text: &str| {
        let names = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        names.into_iter().any(is_secret)
    };
    let before_signs = text.rsplit_once('=').map(|(before, _)| before);
    before_signs.is_some_and(is_named) || as_toml(text).as_ref().is_some_and(has_secret)
}

fn has_secret(value: &Value) -> bool {
    match value {
        Value::Table(table) => table
            .iter()
            .any(|(name, value)| is_secret(name) || has_secret(value)),
        Value::Array(list) => list.iter().any(has_secret),
        _ => false,
    }
}

/// What a text means as TOML; a second line would be another field.
fn as_toml(text: &str) -> Option<Value> {
    let mut table = format!("value = {text}").parse::<Table>().ok()?;
    (table.len() == 1).then(|| table.remove("value")).flatten()
}

/// Takes a field away.
pub fn unset(root: &Path, by: &str, path: &str, out: Out) -> Result<(), Failure> {
    let parts = parts(path)?;
    change(root, by, path, out, |document| {
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

/// Through text: what is stored is read in the same way.
fn read(document: &Value) -> Result<Settings, Failure> {
    let text = toml::to_string(document).map_err(|error| Failure::Failed(Said::same(error)))?;
    let settings: Settings = vigie_settings::read_toml(&text).map_err(|error| {
        let field = error.field.unwrap_or_default();
        // Its line is one of a text that nobody sees.
        Failure::refused(&field, error.text)
    })?;
    settings
        .check()
        .map_err(|problems| Failure::Refused(problems.0))?;
    Ok(settings)
}

fn change(
    root: &Path,
    by: &str,
    path: &str,
    out: Out,
    make: impl FnOnce(&Value) -> Result<Option<Settings>, Failure>,
) -> Result<(), Failure> {
    let changing = Changing::begin(root, by)?;
    let old = &changing.old.settings;
    let new = make(&tree(old))?.ok_or_else(|| no_such(path))?;
    save(root, &changing, &new, out)
}

/// Saves what differs, and says what does; where the old settings are damaged, all of it.
pub fn save(root: &Path, changing: &Changing, new: &Settings, out: Out) -> Result<(), Failure> {
    let problems = here::problems(root, new);
    if !problems.is_empty() {
        return Err(Failure::Refused(problems));
    }
    let old = &changing.old;
    let found = match old.origin.is_loss() {
        true => changes(&Settings::default(), new),
        false => changes(&old.settings, new),
    };
    let is_new = old.origin.is_loss() || !found.is_empty();
    if is_new {
        changing.save(new)?;
    }
    let current = changing
        .store()
        .history()?
        .into_iter()
        .find(|one| one.is_current);
    let number = current.map(|one| one.number);
    say_changes(
        &found,
        &json!({ "generation": number, "changed": found }),
        out,
    );
    if !out.json {
        let key = match is_new {
            true => "command.at-the-next-start",
            false => "command.nothing-changed",
        };
        println!("{}", said(key, &[]).to(out.language));
    }
    Ok(())
}
