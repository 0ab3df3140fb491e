//! What an action says to a person, in English and French: `messages/act.*.toml`; what the screen says:
//! `messages/screen.*.toml`.

use std::fmt::Display;
use std::sync::LazyLock;

use vigie_installer::messages::Catalog;
use vigie_settings::Language;

static WORDS: LazyLock<Catalog> = LazyLock::new(|| {
    Catalog::new(
        concat!(
            include_str!("messages/act.en.toml"),
            include_str!("messages/screen.en.toml")
        ),
        concat!(
            include_str!("messages/act.fr.toml"),
            include_str!("messages/screen.fr.toml")
        ),
    )
});

/// A message: its key and values, in no language yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    key: &'static str,
    values: Vec<(&'static str, Value)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Plain(String),
    Both(String, String),
    Message(Message),
}

/// Why something failed, told in the person's language.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.to(Language::En))]
pub struct Failed(pub Message);

/// What an error says in a language, where it has words of ours; else as it is.
#[must_use]
pub fn words_of(error: &anyhow::Error, language: Language) -> String {
    let told = error.downcast_ref::<Failed>();
    told.map_or_else(|| format!("{error:#}"), |told| told.0.to(language))
}

impl Message {
    /// The message of a key.
    #[must_use]
    pub fn new(key: &'static str) -> Self {
        let values = Vec::new();
        Self { key, values }
    }

    /// With a value for `{name}`.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.values.push((name, Value::Plain(value.to_string())));
        self
    }

    /// With words for `{name}` that are there in both languages.
    #[must_use]
    pub fn both(mut self, name: &'static str, english: String, french: String) -> Self {
        self.values.push((name, Value::Both(english, french)));
        self
    }

    /// With what an error says for `{error}`.
    #[must_use]
    pub fn because(self, error: &anyhow::Error) -> Self {
        let [english, french] =
            [Language::En, Language::Fr].map(|language| words_of(error, language));
        self.both("error", english, french)
    }

    /// With a message for `{name}`, which is said in the same language.
    #[must_use]
    pub fn and(mut self, name: &'static str, message: Message) -> Self {
        self.values.push((name, Value::Message(message)));
        self
    }

    /// In a language.
    #[must_use]
    pub fn to(&self, language: Language) -> String {
        let values = self.values.iter().map(|(name, value)| {
            let text = match value {
                Value::Plain(text) => text.clone(),
                Value::Both(english, french) => match language {
                    Language::En => english.clone(),
                    Language::Fr => french.clone(),
                },
                Value::Message(message) => message.to(language),
            };
            (*name, text)
        });
        WORDS.say(self.key, &values.collect::<Vec<_>>(), language)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// The text of all Rust files in a folder.
    fn sources(folder: &Path) -> String {
        let entries = std::fs::read_dir(folder).unwrap();
        let texts = entries.map(|entry| {
            let path = entry.unwrap().path();
            match path.extension().and_then(|end| end.to_str()) {
                // This file names what is looked for.
                Some("rs") if path.ends_with("message.rs") => String::new(),
                Some("rs") => std::fs::read_to_string(&path).unwrap(),
                None if path.is_dir() => sources(&path),
                _ => String::new(),
            }
        });
        texts.collect()
    }

    #[test]
    fn both_languages_say_the_same_and_all_of_it_is_used() {
        let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
        let known = WORDS.keys().unwrap();
        for key in &known {
            assert!(sources.contains(&format!("\"{key}\"")), "{key} is not used");
        }
        for rest in sources.split("Message::new(").skip(1) {
            let Some(key) = rest.trim_start().strip_prefix('"') else {
                continue;
            };
            let key = key.split('"').next().unwrap();
            assert!(known.contains(&key), "{key} has no words");
        }
    }
}
