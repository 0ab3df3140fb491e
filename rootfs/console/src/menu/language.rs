//! Language of menus and pages, and the keyboard's layout.

use std::io;

use vigie_prompt::Item;
use vigie_settings::Language;

use super::change::Change;
use super::words::prompts;
use super::{Menu, Page, given};

/// The keymaps that are offered, where the image has them, and what people call them.
const OFFERED: [(&str, &str, &str); 20] = [
    ("us", "English (US)", "anglais (États-Unis)"),
    ("uk", "English (UK)", "anglais (Royaume-Uni)"),
    ("fr-latin9", "French", "français"),
    ("dvorak-fr-bepo-utf8", "French (bépo)", "français (bépo)"),
    ("be-latin1", "Belgian", "belge"),
    ("fr_CH-latin1", "Swiss French", "suisse romand"),
    ("cf", "Canadian French", "français (Canada)"),
    ("ca-multi", "Canadian multilingual", "canadien multilingue"),
    ("de-latin1-nodeadkeys", "German", "allemand"),
    ("sg-latin1", "Swiss German", "suisse allemand"),
    ("it", "Italian", "italien"),
    ("es", "Spanish", "espagnol"),
    ("pt-latin1", "Portuguese", "portugais"),
    ("br-abnt2", "Brazilian", "brésilien"),
    ("nl", "Dutch", "néerlandais"),
    ("dk-latin1", "Danish", "danois"),
    ("no-latin1", "Norwegian", "norvégien"),
    ("se-latin1", "Swedish", "suédois"),
    ("fi-latin1", "Finnish", "finnois"),
    ("dvorak", "Dvorak", "dvorak"),
];

impl Menu<'_> {
    const LANGUAGE: [(&'static str, Page); 2] = [
        ("language.language", |menu| menu.choose_language()),
        ("language.keyboard", |menu| menu.choose_keyboard()),
    ];

    pub(super) fn language(&mut self) -> io::Result<()> {
        self.entries("main.language", |_| Ok(Vec::new()), &Self::LANGUAGE)
    }

    /// The menu speaks it at once; whether it is saved, the broker says.
    fn choose_language(&mut self) -> io::Result<()> {
        self.page("language.language")?;
        let all = [Language::En, Language::Fr];
        let default = all.iter().position(|one| *one == self.language);
        let keys = ["language.english", "language.french"];
        let language = all[given!(self.choose(&keys, default.unwrap_or(0)))];
        self.language = language;
        self.prompter().speak(prompts(language));
        let Some(seen) = self.seen()? else {
            return Ok(());
        };
        if seen.system().language == language {
            return Ok(());
        }
        let change = Change::to("system.language", language.code());
        self.save(&seen, &[change]).map(drop)
    }

    fn choose_keyboard(&mut self) -> io::Result<()> {
        let Some(seen) = self.seen()? else {
            return Ok(());
        };
        let there = self.system.keymaps();
        let is_there = |name: &str| name == "us" || there.iter().any(|other| other == name);
        let mut offered = OFFERED.to_vec();
        offered.retain(|(name, _, _)| is_there(name));
        let keymap = seen.system().keymap;
        let default = offered
            .iter()
            .position(|(name, _, _)| *name == keymap.as_str());
        let named = |(name, english, french): &(&str, &str, &str)| {
            let word = match self.language {
                Language::En => english,
                Language::Fr => french,
            };
            Item::new(format!("{word}  {name}"))
        };
        let items: Vec<Item> = offered.iter().map(named).collect();
        self.page("language.keyboard")?;
        let text = self.say("language.about-keyboard", &[]);
        given!(self.tell(vec![text]));
        let at = given!(self.prompter().choose(&items, default.unwrap_or(0)));
        if Some(at) == default {
            return Ok(());
        }
        self.save(&seen, &[Change::to("system.keymap", offered[at].0)])
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_a_keymap() {
        for (name, english, french) in OFFERED {
            assert!(name.parse::<vigie_settings::Keymap>().is_ok(), "{name}");
            assert!(!english.is_empty() && !french.is_empty());
        }
    }
}
