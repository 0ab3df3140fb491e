//! What is said to a person, in English and French: what the other programs' catalogs are made of,
//! and this crate's own words.
//!
//! The words live in `words/en.toml` and `words/fr.toml`, one table of keys each; `{name}` stands for
//! a value. A test holds both files to the same keys and the same values.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use crate::values::Language;

static WORDS: LazyLock<Catalog> =
    LazyLock::new(|| Catalog::new(include_str!("en.toml"), include_str!("fr.toml")));

/// What is said, in both languages; [`Display`](fmt::Display) is English.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    english: String,
    french: String,
}

impl Said {
    /// In the words of each language.
    #[must_use]
    pub fn new(english: String, french: String) -> Self {
        Self { english, french }
    }

    /// What is the same in both: a name, a number, or what nobody has translated.
    #[must_use]
    pub fn same(text: impl fmt::Display) -> Self {
        let text = text.to_string();
        Self::new(text.clone(), text)
    }

    /// In a language.
    #[must_use]
    pub fn to(&self, language: Language) -> &str {
        match language {
            Language::En => &self.english,
            Language::Fr => &self.french,
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.english)
    }
}

/// This crate's words of a key.
#[must_use]
pub fn said(key: &str, values: &[(&str, Said)]) -> Said {
    WORDS.said(key, values)
}

/// This crate's keys of a section (`wrong.`) with their English words.
pub(crate) fn english(section: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let words: &'static Catalog = &WORDS;
    let of_section = words.english.range(section.to_owned()..);
    of_section
        .map(|(key, words)| (key.as_str(), words.as_str()))
        .take_while(move |(key, _)| key.starts_with(section))
}

/// The words of a program in both languages.
#[derive(Clone, Debug)]
pub struct Catalog {
    english: BTreeMap<String, String>,
    french: BTreeMap<String, String>,
}

impl Catalog {
    /// From the texts of two files: sections of keys, "section.key" in code.
    #[must_use]
    pub fn new(english: &str, french: &str) -> Self {
        Self {
            english: joined(english),
            french: joined(french),
        }
    }

    /// The message of a key, its values put in.
    #[must_use]
    pub fn say(&self, key: &str, values: &[(&str, String)], language: Language) -> String {
        let words = match language {
            Language::En => self.english.get(key),
            Language::Fr => self.french.get(key),
        };
        // A test holds the catalogs to the keys; a missing one shows itself.
        fill(words.map_or(key, String::as_str), values)
    }

    /// The message of a key in both languages.
    #[must_use]
    pub fn said(&self, key: &str, values: &[(&str, Said)]) -> Said {
        let one = |language| {
            let values = values.iter();
            let values = values.map(|(name, value)| (*name, value.to(language).to_owned()));
            self.say(key, &values.collect::<Vec<_>>(), language)
        };
        Said::new(one(Language::En), one(Language::Fr))
    }

    /// All keys.
    ///
    /// # Errors
    /// The first key that the languages disagree on.
    pub fn keys(&self) -> Result<Vec<&str>, String> {
        let values = |words: &str| {
            let mut names: Vec<String> = words
                .split('{')
                .skip(1)
                .filter_map(|rest| Some(rest.split('}').next()?.to_owned()))
                .collect();
            names.sort_unstable();
            names
        };
        for key in self.english.keys().chain(self.french.keys()) {
            let of = |words: &BTreeMap<String, String>| words.get(key).map(|text| values(text));
            if of(&self.english) != of(&self.french) {
                return Err(format!("{key} is not the same in both languages"));
            }
        }
        Ok(self.english.keys().map(String::as_str).collect())
    }
}

/// Words with their values. A value is put in as it is: what looks like a place in it is none.
fn fill(words: &str, values: &[(&str, String)]) -> String {
    let mut text = String::with_capacity(words.len());
    let mut rest = words;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let value = after.split_once('}').and_then(|(name, behind)| {
            let found = values.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (value, behind))
        });
        rest = match value {
            Some((value, behind)) => {
                text.push_str(value);
                behind
            }
            None => {
                text.push('{');
                after
            }
        };
    }
    text + rest
}

/// Sections and keys joined by a point.
fn joined(text: &str) -> BTreeMap<String, String> {
    let sections: BTreeMap<String, BTreeMap<String, String>> =
        toml::from_str(text).unwrap_or_default();
    let joined = sections.into_iter().flat_map(|(section, keys)| {
        keys.into_iter()
            .map(move |(key, words)| (format!("{section}.{key}"), words))
    });
    joined.collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn both_languages_say_the_same() {
        assert!(WORDS.keys().expect("the same").len() > 60);
        let differing = Catalog::new("[a]\nb = \"{x}\"\n", "[a]\nb = \"{y}\"\n");
        assert!(differing.keys().is_err());
        for (key, words) in &WORDS.english {
            assert_ne!(
                Some(words),
                WORDS.french.get(key),
                "{key} is not translated"
            );
        }
    }

    /// Every key that stands in the sources is in the catalogs, and no other.
    #[test]
    fn every_key_that_is_used_exists() {
        let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
        // These are found by their English words.
        let found = ["kind.", "wanted."];
        for key in WORDS.english.keys() {
            let is_found = found.iter().any(|section| key.starts_with(section));
            let is_used = sources.contains(&format!("\"{key}\""));
            assert!(is_found || is_used, "{key} is not used");
        }
        for start in [
            "\"check.",
            "\"read.",
            "\"wrong.",
            "\"allowed.",
            "\"document.",
            "\"backup.",
            "\"command.",
            "\"live.",
            "\"trial.",
            "\"way.",
        ] {
            for rest in sources.split(start).skip(1) {
                let key = format!("{start}{}", rest.split('"').next().unwrap_or_default());
                let key = key.trim_start_matches('"');
                let is_section = key.ends_with('.');
                assert!(
                    is_section || WORDS.english.contains_key(key),
                    "{key} has no words"
                );
            }
        }
    }

    #[test]
    fn a_value_is_put_in_as_it_is() {
        let values = [("a", "{b}".to_owned()), ("b", "x".to_owned())];
        for (words, expected) in [
            ("{a} and {b}", "{b} and x"),
            ("{ c = {b} }", "{ c = x }"),
            ("{unknown} {", "{unknown} {"),
            ("", ""),
        ] {
            assert_eq!(fill(words, &values), expected);
        }
    }

    /// The text of all Rust files in a folder but this one, which names keys that are none.
    fn sources(folder: &Path) -> String {
        let entries = std::fs::read_dir(folder).expect("the sources");
        let texts = entries.map(|entry| {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                sources(&path)
            } else if path.extension().is_some_and(|end| end == "rs")
                && !path.ends_with("words/mod.rs")
            {
                std::fs::read_to_string(&path).expect("a source")
            } else {
                String::new()
            }
        });
        texts.collect()
    }
}
