//! Why something was not done, in English and French: `words/en.toml`, `words/fr.toml`.

use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Value, json};
use vigie_settings::{Catalog, Said};

use crate::verb::Role;

static WORDS: LazyLock<Catalog> =
    LazyLock::new(|| Catalog::new(include_str!("words/en.toml"), include_str!("words/fr.toml")));

/// The words of a key in both languages.
#[must_use]
pub fn said(key: &str, values: &[(&str, Said)]) -> Said {
    WORDS.said(key, values)
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Nothing was changed.
    pub refused: bool,
    /// One word for programs.
    pub code: &'static str,
    /// What a person is told.
    pub said: Said,
}

impl Failure {
    fn refusal(code: &'static str, values: &[(&str, Said)]) -> Self {
        Self {
            refused: true,
            code,
            said: said(&format!("refused.{code}"), values),
        }
    }

    /// A refusal in words of its own.
    #[must_use]
    pub fn refused(code: &'static str, why: Said) -> Self {
        Self {
            refused: true,
            code,
            said: why,
        }
    }

    /// The request is no request.
    #[must_use]
    pub fn request() -> Self {
        Self::refusal("request", &[])
    }

    /// Whoever asks may not ask at all.
    #[must_use]
    pub fn peer() -> Self {
        Self::refusal("peer", &[])
    }

    /// The web interface says for no address that it speaks.
    #[must_use]
    pub fn from() -> Self {
        Self::refusal("from", &[])
    }

    /// There is no such session, or no longer.
    #[must_use]
    pub fn session() -> Self {
        Self::refusal("session", &[])
    }

    /// The role does not allow it.
    #[must_use]
    pub fn role(needed: Role) -> Self {
        let role = match needed {
            Role::Viewer => "role.viewer",
            Role::Operator => "role.operator",
            Role::Administrator => "role.administrator",
        };
        Self::refusal("role", &[("role", said(role, &[]))])
    }

    /// The name or the password is wrong.
    #[must_use]
    pub fn wrong() -> Self {
        Self::refusal("wrong", &[])
    }

    /// The present password of who asks is wrong.
    #[must_use]
    pub fn wrong_own() -> Self {
        Self::refusal("wrong-own", &[])
    }

    /// The code of the first setup is wrong.
    #[must_use]
    pub fn wrong_code() -> Self {
        Self::refusal("wrong-code", &[])
    }

    /// There is an administrator already, or none can be saved.
    #[must_use]
    pub fn closed() -> Self {
        Self::refusal("closed", &[])
    }

    /// It is told to root alone.
    #[must_use]
    pub fn console() -> Self {
        Self::refusal("console", &[])
    }

    /// What is no name of a user.
    #[must_use]
    pub fn user_name(why: Said) -> Self {
        Self::refusal("user-name", &[("why", why)])
    }

    /// A name that somebody has.
    #[must_use]
    pub fn user_taken() -> Self {
        Self::refusal("user-taken", &[])
    }

    /// A name that nobody has.
    #[must_use]
    pub fn no_user() -> Self {
        Self::refusal("no-user", &[])
    }

    /// Nobody would be left who may do everything.
    #[must_use]
    pub fn last_administrator() -> Self {
        Self::refusal("last-administrator", &[])
    }

    /// Too many were wrong.
    #[must_use]
    pub fn wait(left: Duration) -> Self {
        let seconds = Said::same(left.as_secs() + 1);
        Self::refusal("wait", &[("seconds", seconds)])
    }

    /// A password that is none.
    #[must_use]
    pub fn password(least: usize) -> Self {
        Self::refusal("password", &[("least", Said::same(least))])
    }

    /// What was asked of the logs makes no sense.
    #[must_use]
    pub fn logs(most: u32) -> Self {
        Self::refusal("logs", &[("most", Said::same(most))])
    }

    /// Settings that a newer version has made are in the way.
    #[must_use]
    pub fn newer(form: u32) -> Self {
        Self::refusal("newer", &[("form", Said::same(form))])
    }

    /// The settings are not to be changed as they are.
    #[must_use]
    pub fn settings(why: Said) -> Self {
        Self {
            refused: true,
            code: "settings",
            said: why,
        }
    }

    /// It was tried and has failed; `what` is a key.
    #[must_use]
    pub fn failed(what: &str, error: impl std::fmt::Display) -> Self {
        Self {
            refused: false,
            code: "failed",
            said: said(what, &[("error", Said::same(error))]),
        }
    }

    /// As it is told.
    #[must_use]
    pub fn event(&self) -> Value {
        let event = if self.refused { "refused" } else { "failed" };
        let mut value = words(&self.said);
        value["event"] = event.into();
        value["code"] = self.code.into();
        value
    }
}

/// The two fields that words are told in.
#[must_use]
pub fn words(said: &Said) -> Value {
    use vigie_settings::Language::{En, Fr};
    json!({"reason": said.to(En), "reason_fr": said.to(Fr)})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_say_the_same_and_every_key_is_used() {
        let keys = WORDS.keys().unwrap();
        let mut sources = String::new();
        for source in [
            include_str!("failure.rs"),
            include_str!("serve.rs"),
            include_str!("running.rs"),
            include_str!("people.rs"),
            include_str!("serve/people.rs"),
            include_str!("bundle.rs"),
            include_str!("keeping.rs"),
            include_str!("journal.rs"),
            include_str!("main.rs"),
        ] {
            sources += source;
        }
        for key in &keys {
            let word = key.strip_prefix("refused.").unwrap_or(key);
            assert!(
                sources.contains(&format!("\"{word}\"")) || sources.contains(&format!("\"{key}\"")),
                "{key} is not used"
            );
        }
        for start in [
            "\"failed.",
            "\"refused.",
            "\"role.",
            "\"warning.",
            "\"trail.",
        ] {
            for rest in sources.split(start).skip(1) {
                let rest = rest.split('"').next().unwrap_or_default();
                if rest.is_empty() || rest.contains(", ") || rest.contains('{') {
                    continue;
                }
                let key = format!("{}{rest}", start.trim_start_matches('"'));
                assert!(keys.contains(&key.as_str()), "{key} is missing");
            }
        }
        for failure in [
            Failure::request(),
            Failure::peer(),
            Failure::from(),
            Failure::session(),
            Failure::role(Role::Operator),
            Failure::wrong(),
            Failure::wrong_own(),
            Failure::wrong_code(),
            Failure::closed(),
            Failure::console(),
            Failure::user_name(Said::same("x")),
            Failure::user_taken(),
            Failure::no_user(),
            Failure::last_administrator(),
            Failure::wait(Duration::from_secs(7)),
            Failure::password(8),
            Failure::logs(9),
            Failure::newer(3),
        ] {
            let event = failure.event();
            let words = event["reason"].as_str().unwrap();
            assert!(words.len() > 12 && !words.contains('{'), "{event}");
            assert_ne!(event["reason"], event["reason_fr"]);
            assert_eq!(event["event"], "refused");
        }
        assert!(
            Failure::wait(Duration::from_secs(7))
                .said
                .to_string()
                .contains("8 s")
        );
    }
}
