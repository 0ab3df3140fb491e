//! The words of check and repair, in English and French.

use std::sync::LazyLock;

use vigie_installer::messages::Catalog;
use vigie_settings::Language;

static WORDS: LazyLock<Catalog> = LazyLock::new(|| {
    Catalog::new(
        include_str!("../messages/check.en.toml"),
        include_str!("../messages/check.fr.toml"),
    )
});

/// The words of a key, its values put in.
pub(super) fn say(key: &str, values: &[(&str, String)], language: Language) -> String {
    WORDS.say(key, values, language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_say_the_same_and_all_of_it_is_used() {
        let sources = [
            include_str!("outcome.rs"),
            include_str!("report.rs"),
            include_str!("verdict.rs"),
            include_str!("show.rs"),
            include_str!("told.rs"),
            include_str!("command.rs"),
            include_str!("command/tell.rs"),
            include_str!("full.rs"),
            include_str!("kept.rs"),
        ]
        .concat();
        let known = WORDS.keys().unwrap();
        for key in &known {
            assert!(sources.contains(&format!("\"{key}\"")), "{key} is not used");
        }
        let sections = [
            "outcome.", "kind.", "step.", "verdict.", "reason.", "report.", "show.", "told.",
            "check.",
        ];
        let is_key = |word: &&str| {
            let lower = |c: char| c.is_ascii_lowercase() || c == '.' || c == '-';
            word.chars().all(lower)
                && sections
                    .iter()
                    .any(|one| word.starts_with(one) && word != one)
        };
        for key in sources.split('"').filter(is_key) {
            assert!(known.contains(&key), "{key} has no words");
        }
    }
}
