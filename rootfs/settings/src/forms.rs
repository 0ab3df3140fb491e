//! The forms that the document had, and how an older one becomes the newest.
//!
//! Each form has files of its own on the state volume, so that the software of the other slot finds
//! its document as it left it (`store`). A new field is a new form too: older software refuses
//! what it does not know.

use toml::{Table, Value};

use crate::document::{Settings, VERSION};
use crate::store::DocumentError;

/// The first form.
pub const FIRST: u32 = 1;

/// Makes a document of one form one of the next.
type Step = fn(&mut Table) -> Result<(), String>;

/// The step from form n is the n-th; `VERSION` has none yet.
const STEPS: [Step; VERSION as usize - 1] = [
    // Form 2 may have `[update]`; nothing of form 1 means anything else in it.
    |_| Ok(()),
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
    let refused = |why: String| DocumentError::Migration { from, why };
    let mut table: Table = text
        .parse()
        .map_err(|error: toml::de::Error| refused(error.message().to_owned()))?;
    for step in &STEPS[from.saturating_sub(FIRST) as usize..] {
        step(&mut table).map_err(refused)?;
    }
    table.insert("version".to_owned(), Value::Integer(VERSION.into()));
    // Through text: what is stored is read in the same way.
    let settings: Settings = crate::read::read_toml(&table.to_string()).map_err(|error| {
        let field = error.field.map(|field| field + ": ").unwrap_or_default();
        refused(field + &error.text.to_string())
    })?;
    settings.check()?;
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let error = migrate(text, 1).expect_err(text).to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
        for (text, form) in [
            ("version = 0", None),
            ("version = 1", Some(1)),
            ("version = 2", Some(2)),
            ("version = 3", None),
            ("version = -1", None),
            ("version = \"1\"", None),
            ("", None),
        ] {
            assert_eq!(form_of(text), form, "{text}");
        }
    }
}
