//! How good a password is, in words. Pure.

use vigie_prompt::Secret;
use zxcvbn::{Score, zxcvbn};

use crate::messages::Text;

/// Fewer characters are refused.
pub use vigie_settings::SHORTEST_PASSWORD as SHORTEST;

/// What people who speak French, and who install recorders, choose: the crate's lists are English.
const OFTEN_CHOSEN: [&str; 28] = [
    "vigie",
    "root",
    "admin",
    "recorder",
    "camera",
    "cameras",
    "video",
    "videosurveillance",
    "camtrace",
    "motdepasse",
    "mot de passe",
    "azerty",
    "azertyuiop",
    "bonjour",
    "soleil",
    "marseille",
    "doudou",
    "loulou",
    "chouchou",
    "jetaime",
    "coucou",
    "nicolas",
    "camille",
    "france",
    "paris",
    "securite",
    "surveillance",
    "enregistreur",
];

/// How good a password is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// Guessed at once.
    VeryWeak,
    /// Guessed by who tries for some hours.
    Weak,
    /// Good enough behind a service that slows down who guesses.
    Good,
    /// Good enough even for who holds the hash.
    Strong,
}

impl Strength {
    /// Of a password; the appliance's name is the first that one would try.
    pub fn of(password: &Secret, hostname: &str) -> Self {
        let mut known = OFTEN_CHOSEN.to_vec();
        known.push(hostname);
        match zxcvbn(password.expose(), &known).score() {
            Score::Zero | Score::One => Self::VeryWeak,
            Score::Two => Self::Weak,
            Score::Three => Self::Good,
            _ => Self::Strong,
        }
    }

    /// Whether the person is asked if it is meant.
    pub fn is_weak(self) -> bool {
        matches!(self, Self::VeryWeak | Self::Weak)
    }

    /// In words.
    pub fn text(self) -> Text {
        match self {
            Self::VeryWeak => Text::new("password.very-weak"),
            Self::Weak => Text::new("password.weak"),
            Self::Good => Text::new("password.good"),
            Self::Strong => Text::new("password.strong"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strengths() {
        for (password, weak) in [
            ("12345678", true),
            ("motdepasse", true),
            ("Azertyuiop1", true),
            ("nvr-hall-7", true),
            ("videosurveillance", true),
            ("aaaaaaaaaaaaaaaa", true),
            ("dix lamas verts sautent", false),
            ("kX7#pq2Lz!v9", false),
        ] {
            let strength = Strength::of(&Secret::new(password.to_owned()), "nvr-hall-7");
            assert_eq!(strength.is_weak(), weak, "{password}: {strength:?}");
        }
    }
}
