//! What changes nothing: looking, checking, and what the initrd does.

use std::path::Path;

use serde_json::json;
use vigie_settings::apply;
use vigie_settings::difference::{
    Change, HIDDEN, changes, defaults, is_secret, tree, without_secrets,
};
use vigie_settings::store::Saved;
use vigie_settings::{
    DocumentError, Problem, ReadError, Said, Settings, Store, here, key, read_all, said, schema,
};

use super::{Failure, Out, input};

/// A damaged document is a warning: the system comes up with the generation before it. Only
/// files that could not be written are a failure.
pub fn apply_early(root: &Path) -> Result<(), Failure> {
    let report = apply::apply_early(root);
    for warning in &report.warnings {
        eprintln!("vigie-settings: {warning}");
    }
    if report.failed {
        let etc = Said::same(root.join("etc").display());
        return Err(Failure::Failed(said(
            "command.not-all-written",
            &[("folder", etc)],
        )));
    }
    Ok(())
}

/// Checks a document, or the settings in use, for the system whose root is `root`.
pub fn validate(root: &Path, file: Option<&Path>, out: Out) -> Result<(), Failure> {
    let settings = match file {
        Some(file) => {
            let bytes = input(file, vigie_settings::store::DOCUMENT_MAX)?;
            let text = String::from_utf8(bytes).map_err(|_| DocumentError::NoText)?;
            Settings::from_text(&text).map_err(|error| all_wrong(&text, error))?
        }
        None => {
            let loaded = Store::of_system(root).load();
            if loaded.origin.is_loss() {
                let why = loaded.origin.warning().unwrap_or_default();
                return Err(Failure::refused("", Said::same(why)));
            }
            loaded.settings
        }
    };
    let problems = here::problems(root, &settings);
    if !problems.is_empty() {
        return Err(Failure::Refused(problems));
    }
    let name = file.map_or("settings".into(), |file| file.display().to_string());
    let name = [("name", Said::same(name))];
    let good = said("command.good", &name);
    out.say(&json!({ "good": true }), || {
        format!("{}\n", good.to(out.language))
    });
    Ok(())
}

/// All that is wrong with a document, of which `error` is the first.
fn all_wrong(text: &str, error: DocumentError) -> Failure {
    match (error, read_all::<Settings>(text)) {
        (DocumentError::Read(_), Err(wrong)) => {
            let problem = |error: &ReadError| {
                Problem::new(error.field.clone().unwrap_or_default(), error.said())
            };
            Failure::Refused(wrong.iter().map(problem).collect())
        }
        (error, _) => error.into(),
    }
}

fn loaded(root: &Path, out: Out) -> Settings {
    let loaded = Store::of_system(root).load();
    out.warn(&loaded);
    loaded.settings
}

/// Prints one value; where nobody has set it, its default, if there is one.
pub fn get(root: &Path, path: &str, out: Out) -> Result<(), Failure> {
    let settings = loaded(root, out);
    let parts = key::parts(path).unwrap_or_default();
    let (shown, defaults) = (without_secrets(&settings), defaults());
    let value = match parts.is_empty() {
        true => None,
        false => key::find(&shown, &parts).or_else(|| key::find(&defaults, &parts)),
    };
    let Some(value) = value else {
        let path = [("key", Said::same(path))];
        return Err(Failure::Missing(said("command.not-set", &path)));
    };
    out.say(&json!({ "key": path, "value": value }), || {
        let text = value.as_str().map(ToOwned::to_owned);
        let text = text.unwrap_or_else(|| value.to_string());
        format!("{}\n", text.trim_end())
    });
    Ok(())
}

/// Prints the settings as a document, without secrets; which there are is said below it.
pub fn show(root: &Path, out: Out) -> Result<(), Failure> {
    let settings = loaded(root, out);
    if out.json {
        out.say(&json!(without_secrets(&settings)), String::new);
        return Ok(());
    }
    let mut document = tree(&settings);
    let hidden = taken(&mut document, "");
    let text = toml::to_string(&document).map_err(|error| Failure::Failed(Said::same(error)))?;
    print!("{text}");
    for field in hidden {
        let note = said("command.not-shown", &[("field", Said::same(field))]);
        println!("# {}", note.to(out.language));
    }
    Ok(())
}

/// Takes the secrets out of a document; tells their paths.
fn taken(value: &mut toml::Value, path: &str) -> Vec<String> {
    let below = |part: &str| match path {
        "" => part.to_owned(),
        path => format!("{path}.{part}"),
    };
    match value {
        toml::Value::Table(table) => {
            let secrets = table.keys().filter(|field| is_secret(field)).cloned();
            let mut paths: Vec<String> = Vec::new();
            for field in secrets.collect::<Vec<_>>() {
                table.remove(&field);
                paths.push(below(&field));
            }
            for (field, value) in table.iter_mut() {
                paths.extend(taken(value, &below(&key::quoted(field))));
            }
            paths
        }
        toml::Value::Array(list) => {
            let list = list.iter_mut().enumerate();
            list.flat_map(|(at, value)| {
                let name = value.get("name").and_then(toml::Value::as_str);
                let name = name.map_or(at.to_string(), key::quoted);
                taken(value, &below(&name))
            })
            .collect()
        }
        _ => Vec::new(),
    }
}

/// Prints what differs between a generation and the settings in use.
pub fn diff(root: &Path, generation: Option<u32>, out: Out) -> Result<(), Failure> {
    let store = Store::of_system(root);
    let history = store.history()?;
    let before = history.iter().find(|one| !one.is_current);
    let Some(number) = generation.or(before.map(|one| one.number)) else {
        return Err(Failure::Missing(said("command.no-generation-before", &[])));
    };
    let old = numbered(&store, number)?;
    let found = changes(&old, &loaded(root, out));
    say_changes(
        &found,
        &json!({ "generation": number, "changed": found }),
        out,
    );
    Ok(())
}

/// The settings of a generation.
pub fn numbered(store: &Store, number: u32) -> Result<Settings, Failure> {
    let found = store.numbered(number)?;
    found.ok_or_else(|| {
        let values = [("number", Said::same(number))];
        Failure::Missing(said("command.no-generation", &values))
    })
}

/// One line a field: what it was, what it is.
pub fn say_changes(found: &[Change], value: &serde_json::Value, out: Out) {
    let side = |value: &Option<toml::Value>| match value {
        Some(toml::Value::String(text)) if text == HIDDEN => HIDDEN.to_owned(),
        Some(value) => value.to_string(),
        None => "-".to_owned(),
    };
    out.say(value, || {
        let lines = found.iter().map(|change| {
            let (old, new) = (side(&change.old), side(&change.new));
            format!("{}: {old} -> {new}\n", change.key)
        });
        lines.collect()
    });
}

/// Lists the generations.
pub fn history(root: &Path, out: Out) -> Result<(), Failure> {
    let history = Store::of_system(root).history()?;
    let values: Vec<serde_json::Value> = history
        .iter()
        .map(|one| {
            let stamp = one.stamp.as_ref();
            json!({
                "number": one.number,
                "time": stamp.map(|stamp| stamp.time()),
                "who": stamp.map(|stamp| &stamp.who),
                "current": one.is_current,
                "fault": one.fault,
            })
        })
        .collect();
    out.say(&json!(values), || {
        history.iter().map(|one| line(one, out)).collect()
    });
    Ok(())
}

fn line(one: &Saved, out: Out) -> String {
    let mark = if one.is_current { '*' } else { ' ' };
    let stamp = match &one.stamp {
        Some(stamp) => format!("{} {}", stamp.time(), stamp.who),
        None => said("command.no-stamp", &[]).to(out.language).to_owned(),
    };
    let fault = one.fault.as_ref().map(|fault| format!(" ({fault})"));
    format!(
        "{mark} {:>4} {stamp}{}\n",
        one.number,
        fault.unwrap_or_default()
    )
}

/// Prints the schema.
pub fn schema() -> Result<(), Failure> {
    print!("{}", schema::SCHEMA);
    Ok(())
}
