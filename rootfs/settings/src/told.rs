//! What serde and TOML say of a document, in both languages.
//!
//! A deserializer hands nothing on but a sentence, in English; so the sentences are known by their
//! forms. One of no known form stays as it is: English reads better than nothing.

use crate::values::{Language, sentence};
use crate::words::{Said, english, said};

/// What becomes of a sentence of one form.
type Form = fn(&str) -> Option<Said>;

/// What the parser of TOML says where a word stands in the place of a value, by its first letter.
const UNQUOTED: [&str; 5] = [
    "string values must be quoted",
    "invalid boolean",
    "invalid float",
    "invalid integer",
    "invalid date-time",
];

const FORMS: [Form; 6] = [fixed, value, unknown, missing, mismatch, size];

/// What the parser of TOML says of the words `found`. What stands in the place of a value is not
/// repeated: it may be a secret.
pub fn of_toml(message: &str, found: &str) -> Said {
    match message {
        "duplicate key" => said("read.duplicate-key", &[("key", Said::same(found))]),
        _ if UNQUOTED.iter().any(|start| message.starts_with(start)) => said("read.unquoted", &[]),
        _ => {
            let error = [("error", Said::same(message))];
            known(message).unwrap_or_else(|| said("read.not-toml", &error))
        }
    }
}

/// What serde says, and the values of a document through it.
pub fn of_serde(message: &str) -> Said {
    known(message).unwrap_or_else(|| Said::same(message))
}

fn known(message: &str) -> Option<Said> {
    FORMS.iter().find_map(|form| form(message))
}

fn fixed(message: &str) -> Option<Said> {
    let keys = [
        "read.no-address",
        "read.negative-size",
        "read.string-or-table",
    ];
    let mut all = keys.into_iter().map(|key| said(key, &[]));
    all.find(|one| one.to_string() == message)
}

/// [`crate::Invalid`]: the refused text comes first, and may hold anything.
fn value(message: &str) -> Option<Said> {
    let (refused, allowed) = message.rsplit_once("; allowed: ")?;
    let allowed = key_of("allowed.", allowed)?;
    let wrong = english("wrong.").filter(|(_, words)| refused.ends_with(words));
    let (wrong, words) = wrong.max_by_key(|(_, words)| words.len())?;
    let found = refused.strip_suffix(words)?.trim_end();
    Some(sentence(found, wrong, allowed))
}

fn unknown(message: &str) -> Option<Said> {
    let kinds = [
        ("unknown field `", "read.unknown-field"),
        ("unknown variant `", "read.unknown-variant"),
    ];
    kinds.into_iter().find_map(|(start, key)| {
        let (name, allowed) = message.strip_prefix(start)?.split_once("`, expected ")?;
        let list = allowed.strip_prefix("one of ").unwrap_or(allowed);
        let list = list.replace("` or `", "`, `");
        let allowed = Said::new(allowed.to_owned(), list);
        Some(said(
            key,
            &[("name", Said::same(name)), ("allowed", allowed)],
        ))
    })
}

/// The field that serde misses.
pub fn missing_field(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.strip_suffix('`')
}

fn missing(message: &str) -> Option<Said> {
    let name = missing_field(message)?;
    Some(said("read.missing-field", &[("name", Said::same(name))]))
}

fn mismatch(message: &str) -> Option<Said> {
    let kinds = [
        ("invalid type: ", "read.invalid-type"),
        ("invalid value: ", "read.invalid-value"),
    ];
    kinds.into_iter().find_map(|(start, key)| {
        let (found, wanted) = message.strip_prefix(start)?.rsplit_once(", expected ")?;
        let values = [
            ("found", found_kind(found)),
            ("wanted", wanted_kind(wanted)),
        ];
        Some(said(key, &values))
    })
}

/// What was found, as ``integer `3` ``: the kind, then the value where it is short.
fn found_kind(found: &str) -> Said {
    let (kind, value) = found.split_at(found.find(['`', '"']).unwrap_or(found.len()));
    let Some(key) = key_of("kind.", kind.trim_end()) else {
        return Said::same(found);
    };
    let kind = said(key, &[]);
    let with = |language| {
        format!("{} {value}", kind.to(language))
            .trim_end()
            .to_owned()
    };
    Said::new(with(Language::En), with(Language::Fr))
}

/// What was wanted in its place, as "a string".
fn wanted_kind(wanted: &str) -> Said {
    match key_of("wanted.", wanted) {
        Some(key) => said(key, &[]),
        None if wanted.starts_with("struct ") => said("wanted.table", &[]),
        None => Said::same(wanted),
    }
}

/// A size in the answers of an installation, which this crate reads and does not know.
fn size(message: &str) -> Option<Said> {
    let place = "{found}";
    let all = said("read.no-size", &[("found", Said::same(place))]);
    let rest = all.to_string();
    let found = message.strip_suffix(rest.strip_prefix(place)?)?;
    Some(said("read.no-size", &[("found", Said::same(found))]))
}

fn key_of(section: &str, words: &str) -> Option<&'static str> {
    let mut all = english(section);
    all.find_map(|(key, known)| (known == words).then_some(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_of_known_forms_are_said_in_french() {
        for (english, french) in [
            (
                "unknown field `a`, expected one of `b`, `c`",
                "champ inconnu `a` ; acceptés : `b`, `c`",
            ),
            (
                "unknown variant `de`, expected `en` or `fr`",
                "`de` n'est pas accepté ; acceptés : `en`, `fr`",
            ),
            ("missing field `a`", "le champ `a` manque"),
            (
                "invalid type: integer `3`, expected a string",
                "l'entier `3` ne convient pas ; il faut un texte",
            ),
            (
                "invalid type: string \"a, expected `b`\", expected a boolean",
                "le texte \"a, expected `b`\" ne convient pas ; il faut un booléen",
            ),
            (
                "invalid type: map, expected a sequence",
                "une table ne convient pas ; il faut une liste",
            ),
            (
                "invalid value: integer `-1`, expected u32",
                "l'entier `-1` est hors des limites ; il faut un nombre entier",
            ),
            ("wanted string or table", "il faut un mot ou une table"),
            (
                "\"x; allowed: y\" is not a keymap; allowed: a keymap's name such as \"us\", \"fr\" or \"fr-latin9\"",
                "\"x; allowed: y\" n'est pas une disposition de clavier ; accepté : un nom de disposition tel que \"us\", \"fr\" ou \"fr-latin9\"",
            ),
            (
                "\"2 potatoes\" is not a size; write a number with a unit, as 50GB, 2TB, 512MiB or 4096B",
                "\"2 potatoes\" n'est pas une taille ; écrivez un nombre avec une unité, comme 50GB, 2TB, 512MiB ou 4096B",
            ),
        ] {
            let told = of_serde(english);
            assert_eq!(told.to(Language::En), english);
            assert_eq!(told.to(Language::Fr), french);
        }
        let other = of_serde("a thing that nobody knows");
        assert_eq!(other, Said::same("a thing that nobody knows"));
        let broken = of_toml("expected newline", "x");
        assert_eq!(broken.to(Language::En), "expected newline");
        assert_eq!(
            broken.to(Language::Fr),
            "ce n'est pas du TOML correct (expected newline)"
        );
    }

    /// The ends of values' refusals must tell them apart.
    #[test]
    fn each_refusal_has_words_of_its_own() {
        for section in ["wrong.", "allowed.", "kind.", "wanted."] {
            let words: Vec<&str> = english(section).map(|(_, words)| words).collect();
            let mut distinct = words.clone();
            distinct.sort_unstable();
            distinct.dedup();
            assert_eq!(distinct.len(), words.len(), "{section}");
            assert!(!words.is_empty() && words.iter().all(|one| !one.contains("; allowed: ")));
        }
    }
}
