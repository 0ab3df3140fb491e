//! What the menu says: `words/en.toml`, `words/fr.toml`. A test holds them together.

use std::sync::LazyLock;

use vigie_prompt::{ENGLISH, FRENCH, Words};
use vigie_settings::{Catalog, Language};

static WORDS: LazyLock<Catalog> =
    LazyLock::new(|| Catalog::new(include_str!("words/en.toml"), include_str!("words/fr.toml")));

/// The words of a key in a language.
pub fn say(language: Language, key: &str, values: &[(&str, String)]) -> String {
    WORDS.say(key, values, language)
}

/// What the prompter itself says.
pub fn prompts(language: Language) -> &'static Words {
    match language {
        Language::En => &ENGLISH,
        Language::Fr => &FRENCH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCES: [&str; 14] = [
        include_str!("mod.rs"),
        include_str!("main_page.rs"),
        include_str!("network.rs"),
        include_str!("change.rs"),
        include_str!("passwords.rs"),
        include_str!("updates.rs"),
        include_str!("logs.rs"),
        include_str!("maintenance.rs"),
        include_str!("language.rs"),
        include_str!("power.rs"),
        include_str!("../log_in.rs"),
        include_str!("../broker.rs"),
        include_str!("../passwd.rs"),
        include_str!("../serial.rs"),
    ];

    #[test]
    fn every_word_is_used_and_there_in_both_languages() {
        let keys = WORDS.keys().expect("the same in both");
        // What tests say is nobody's words.
        let program = |source: &'static str| source.split("#[cfg(test)]\nmod tests").next();
        let sources: String = SOURCES.into_iter().filter_map(program).collect();
        for key in &keys {
            assert!(sources.contains(&format!("\"{key}\"")), "{key} is not used");
            let [english, french] =
                [Language::En, Language::Fr].map(|language| say(language, key, &[]));
            // Some words are the same in both.
            let same = [
                "main.raid",
                "main.maintenance",
                "main.signature",
                "maintenance.title",
                "language.english",
                "language.french",
            ];
            assert_eq!(english == french, same.contains(key), "{key}: {french}");
        }
        let sections: Vec<&str> = keys
            .iter()
            .filter_map(|key| key.split('.').next())
            .collect();
        for section in sections {
            for rest in sources.split(&format!("\"{section}.")).skip(1) {
                let rest = rest.split('"').next().unwrap_or_default();
                let key = format!("{section}.{rest}");
                assert!(keys.contains(&key.as_str()), "{key} has no words");
            }
        }
    }
}
