//! The keymaps that are offered, of those that the image has.

use vigie_settings::Language;

/// A keymap and the message that names it, in the order in which they are offered.
const OFFERED: [(&str, &str); 20] = [
    ("us", "keyboard.us"),
    ("uk", "keyboard.uk"),
    ("fr-latin9", "keyboard.fr"),
    ("dvorak-fr-bepo-utf8", "keyboard.bepo"),
    ("be-latin1", "keyboard.be"),
    ("fr_CH-latin1", "keyboard.ch-fr"),
    ("cf", "keyboard.ca-fr"),
    ("ca-multi", "keyboard.ca-multi"),
    ("de-latin1-nodeadkeys", "keyboard.de"),
    ("sg-latin1", "keyboard.ch-de"),
    ("it", "keyboard.it"),
    ("es", "keyboard.es"),
    ("pt-latin1", "keyboard.pt"),
    ("br-abnt2", "keyboard.br"),
    ("nl", "keyboard.nl"),
    ("dk-latin1", "keyboard.dk"),
    ("no-latin1", "keyboard.no"),
    ("se-latin1", "keyboard.se"),
    ("fi-latin1", "keyboard.fi"),
    ("dvorak", "keyboard.dvorak"),
];

/// The keymaps to offer: file name, key of the message.
pub fn offered(there: &[String]) -> Vec<(&'static str, &'static str)> {
    let is_there = |(name, _): &(&str, &str)| there.iter().any(|other| other == name);
    let offered: Vec<_> = OFFERED.into_iter().filter(is_there).collect();
    // The kernel's own keymap needs no file.
    match offered.is_empty() {
        true => vec![OFFERED[0]],
        false => offered,
    }
}

/// The keymap that people of a language have most often.
pub fn usual(language: Language) -> &'static str {
    match language {
        Language::En => "us",
        Language::Fr => "fr-latin9",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_there() {
        let there = ["fr-latin9", "us", "cz"].map(str::to_owned);
        let names: Vec<&str> = offered(&there).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["us", "fr-latin9"]);
        assert_eq!(offered(&[]), [("us", "keyboard.us")]);
        for (name, _) in OFFERED {
            assert!(name.parse::<vigie_settings::Keymap>().is_ok(), "{name}");
        }
    }
}
