//! What is said to a person, in English and French.
//!
//! The words live in `messages/en.toml` and `messages/fr.toml` (those of the
//! attended installation in `messages/screen.*.toml`), one table of keys each;
//! `{name}` stands for a value. A test holds both files to the same
//! keys and the same values.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::LazyLock;

use vigie_settings::Language;

static WORDS: LazyLock<Catalog> = LazyLock::new(|| {
    Catalog::new(
        concat!(
            include_str!("messages/en.toml"),
            include_str!("messages/screen.en.toml")
        ),
        concat!(
            include_str!("messages/fr.toml"),
            include_str!("messages/screen.fr.toml")
        ),
    )
});

/// The words of a program in both languages.
#[derive(Clone, Debug)]
pub struct Catalog {
    english: BTreeMap<String, String>,
    french: BTreeMap<String, String>,
}

impl Catalog {
    /// From the texts of two files: sections of keys, "section.key" in code.
    pub fn new(english: &str, french: &str) -> Self {
        Self {
            english: joined(english),
            french: joined(french),
        }
    }

    /// The message of a key, its values put in.
    pub fn say(&self, key: &str, values: &[(&str, String)], language: Language) -> String {
        let words = match language {
            Language::En => self.english.get(key),
            Language::Fr => self.french.get(key),
        };
        // A test holds the catalogs to the keys; a missing one shows itself.
        let mut text = words.cloned().unwrap_or_else(|| key.to_owned());
        for (name, value) in values {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        text
    }

    /// All keys; an error names the first that the languages disagree on.
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

/// A message: its key and values, in no language yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    key: &'static str,
    values: Vec<(&'static str, Value)>,
}

/// A value of a message: as it stands, or a message itself.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Plain(String),
    Text(Text),
}

impl Text {
    /// The message of a key.
    pub fn new(key: &'static str) -> Self {
        Self {
            key,
            values: Vec::new(),
        }
    }

    /// With a value for `{name}`.
    pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.values.push((name, Value::Plain(value.to_string())));
        self
    }

    /// With a message for `{name}`, which is said in the same language.
    pub fn with_text(mut self, name: &'static str, text: Text) -> Self {
        self.values.push((name, Value::Text(text)));
        self
    }

    /// In a language.
    pub fn to(&self, language: Language) -> String {
        let say = |value: &Value| match value {
            Value::Plain(text) => text.clone(),
            Value::Text(text) => text.to(language),
        };
        let values = self.values.iter().map(|(name, value)| (*name, say(value)));
        WORDS.say(self.key, &values.collect::<Vec<_>>(), language)
    }
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
        assert!(WORDS.keys().unwrap().len() > 20);
        let differing = Catalog::new("[a]\nb = \"{x}\"\n", "[a]\nb = \"{y}\"\n");
        assert!(differing.keys().is_err());
    }

    /// Every key that stands in the sources is in the catalogs, and no other.
    #[test]
    fn every_key_that_is_used_exists() {
        let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
        for key in WORDS.keys().unwrap() {
            assert!(sources.contains(&format!("\"{key}\"")), "{key} is not used");
        }
        for rest in sources.split("Text::new(\"").skip(1) {
            let key = rest.split('"').next().unwrap();
            assert!(WORDS.english.contains_key(key), "{key} has no words");
        }
    }

    /// The text of all Rust files in a folder but this one, which names keys that are none.
    fn sources(folder: &Path) -> String {
        let entries = std::fs::read_dir(folder).unwrap();
        let texts = entries.map(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path)
            } else if path.extension().is_some_and(|end| end == "rs")
                && !path.ends_with("messages.rs")
            {
                std::fs::read_to_string(&path).unwrap()
            } else {
                String::new()
            }
        });
        texts.collect()
    }
}
