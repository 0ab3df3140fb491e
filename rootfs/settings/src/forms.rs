//! The forms that the document had, and how an older one becomes the newest.
//!
//! Each form has files of its own on the state volume, so that the software of the other slot finds
//! its document as it left it (`store`). A new field is a new form too: older software refuses
//! what it does not know.

use toml::{Table, Value};

use crate::document::{Settings, VERSION};
use crate::store::DocumentError;
use crate::values::Language;
use crate::words::Said;

/// The first form.
pub const FIRST: u32 = 1;

/// Makes a document of one form one of the next.
type Step = fn(&mut Table) -> Result<(), String>;

/// The step from form n is the n-th; `VERSION` has none yet.
const STEPS: [Step; VERSION as usize - 1] = [
    // Form 2 may have `[update]`; nothing of form 1 means anything else in it.
    |_| Ok(()),
    // Form 3 may have users and the like; nothing of form 2 means anything else in it.
    |_| Ok(()),
];

/// What each form has that the one before had not, by path: the n-th is that of form n + 1.
const ADDED: [&[&str]; VERSION as usize - 1] = [
    &["update"],
    &[
        "users",
        "web",
        "registration",
        "network.routing",
        "access.menu_ssh_keys",
    ],
];

/// The form of a document's text, where it says one that this software knows.
#[must_use]
pub fn form_of(text: &str) -> Option<u32> {
    let table: Table = text.parse().ok()?;
    let form = table.get("version")?.as_integer()?;
    u32::try_from(form)
        .ok()
        .filter(|form| (FIRST..=VERSION).contains(form))
}

/// Reads a document of an older form as one of the newest.
///
/// # Errors
/// Broken TOML, a step that refuses it, or a result that is no document.
pub(crate) fn migrate(text: &str, from: u32) -> Result<Settings, DocumentError> {
    let refused = |why: Said| DocumentError::Migration { from, why };
    let mut table: Table = text
        .parse()
        .map_err(|error: toml::de::Error| refused(crate::read::broken(text, &error).said()))?;
    for step in &STEPS[from.saturating_sub(FIRST) as usize..] {
        step(&mut table).map_err(|why| refused(Said::same(why)))?;
    }
    table.insert("version".to_owned(), Value::Integer(VERSION.into()));
    // Through text: what is stored is read in the same way.
    let settings: Settings = crate::read::read_toml(&table.to_string()).map_err(|error| {
        let field = error.field.map(|field| field + ": ").unwrap_or_default();
        let with = |language| field.clone() + error.text.to(language);
        refused(Said::new(with(Language::En), with(Language::Fr)))
    })?;
    settings.check()?;
    Ok(settings)
}

/// What an older form said meanwhile, with what it cannot say as `own` has it: whoever goes back,
/// changes a name there and updates again still has their users. A field that contradicts what the
/// older form says is left out.
pub(crate) fn carried(older: Settings, own: &Settings, from: u32) -> Settings {
    let Ok(Value::Table(own)) = Value::try_from(own) else {
        return older;
    };
    let added = ADDED[from.saturating_sub(FIRST) as usize..].iter();
    added.copied().flatten().fold(older, |settings, path| {
        with_field(&settings, &own, path).unwrap_or(settings)
    })
}

/// `settings` with one field as `own` has it; nothing where the result is refused.
fn with_field(settings: &Settings, own: &Table, path: &str) -> Option<Settings> {
    let mut value = Value::try_from(settings).ok()?;
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    let mut parents = parent.split('.').filter(|part| !part.is_empty());
    let source = parents
        .clone()
        .try_fold(own, |table, part| table.get(part)?.as_table());
    let target = parents.try_fold(value.as_table_mut()?, |table, part| {
        table.get_mut(part)?.as_table_mut()
    })?;
    match source.and_then(|table| table.get(name)) {
        Some(field) => target.insert(name.to_owned(), field.clone()),
        None => target.remove(name),
    };
    let settings: Settings = value.try_into().ok()?;
    settings.check().is_ok().then_some(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_released_form_becomes_the_newest() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forms");
        for form in FIRST..VERSION {
            let text = std::fs::read_to_string(folder.join(format!("{form}.toml"))).expect("kept");
            assert_eq!(form_of(&text), Some(form));
            let settings = Settings::from_text(&text).expect("migrates");
            let stored = settings.to_text().expect("text");
            assert_eq!(form_of(&stored), Some(VERSION));
            assert_eq!(Settings::from_text(&stored).expect("reads"), settings);
            // Nothing is lost on the way.
            let mut before: Table = text.parse().expect("a table");
            let after: Table = stored.parse().expect("a table");
            before.insert("version".to_owned(), Value::Integer(VERSION.into()));
            assert_holds(&Value::Table(after), &Value::Table(before));
        }
    }

    fn assert_holds(after: &Value, before: &Value) {
        let Value::Table(fields) = before else {
            return assert_eq!(after, before);
        };
        for (name, field) in fields {
            assert_holds(after.get(name).expect(name), field);
        }
    }

    #[test]
    fn what_an_older_form_cannot_say_is_kept() {
        let own = Settings::from_text(include_str!("../tests/golden/full.toml")).expect("reads");
        let mut older = Settings::from_text(include_str!("../tests/forms/2.toml")).expect("reads");
        let both = carried(older.clone(), &own, 2);
        assert_eq!((&both.users, &both.web), (&own.users, &own.web));
        assert_eq!(both.registration, own.registration);
        assert_eq!(both.access.menu_ssh_keys, own.access.menu_ssh_keys);
        assert_eq!((&both.system, &both.update), (&older.system, &older.update));
        let of_1 = carried(older.clone(), &own, 1);
        assert_eq!(of_1.update, own.update);
        // What contradicts it is not.
        let mut routed = own.clone();
        routed.network.routing = true;
        assert!(carried(older.clone(), &routed, 2).network.routing);
        older.network.cameras = None;
        let both = carried(older, &routed, 2);
        assert!(!both.network.routing && both.users == own.users);
    }

    #[test]
    fn the_first_form_becomes_the_newest() {
        let text = include_str!("../tests/forms/1.toml");
        assert_eq!(form_of(text), Some(1));
        let settings = Settings::from_text(text).expect("migrates");
        assert_eq!(settings.version, VERSION);
        assert_eq!(settings.system.hostname.as_str(), "recorder-1");
        assert!(settings.access.service_is_open());
        assert_eq!(settings.volumes.len(), 1);
        let stored = settings.to_text().expect("text");
        assert_eq!(form_of(&stored), Some(VERSION));
        assert_eq!(Settings::from_text(&stored).expect("reads"), settings);
    }

    #[test]
    fn what_cannot_be_migrated_names_its_field() {
        for (text, says) in [
            (
                "version = 1\n[system]\nhostname = \"a b\"",
                "system.hostname: ",
            ),
            ("version = 1\nx = 1", "x: unknown field"),
            (
                "version = 1\n[network.enterprise]\ndhcp = false",
                "network.enterprise",
            ),
            ("version = 1\n[sys", "form 1"),
        ] {
            let error = migrate(text, 1).expect_err(text);
            let said = error.said();
            assert_ne!(said.to(Language::En), said.to(Language::Fr));
            let error = error.to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
        for (text, form) in [
            ("version = 0", None),
            ("version = 1", Some(1)),
            ("version = 2", Some(2)),
            ("version = 3", Some(3)),
            ("version = 4", None),
            ("version = -1", None),
            ("version = \"1\"", None),
            ("", None),
        ] {
            assert_eq!(form_of(text), form, "{text}");
        }
    }
}
