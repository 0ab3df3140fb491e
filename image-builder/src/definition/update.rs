//! The section `[update]`: what packages of this product say, and whose signatures the image
//! believes.

use std::collections::BTreeSet;

use serde::Deserialize;
use toml::Spanned;
use vigie_update::Version;
use vigie_update::package::envelope::SIGNATURES_MAX;
use vigie_update::package::header::{ANY_HARDWARE, is_word};
use vigie_update::package::signature::{KeyId, PublicKey};

/// The section `[update]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Update {
    /// Kinds of machines that a package may go to, or `any` alone. The image calls its machine by
    /// the first.
    pub hardware: Spanned<Vec<Spanned<String>>>,
    /// The oldest version that may go straight to this one.
    pub min_from: Spanned<Version>,
    /// Raised when older versions are not safe to run any more.
    pub security_epoch: u32,
    /// How many of the keys must sign.
    pub threshold: Spanned<usize>,
    /// Keys that must not be believed any more.
    #[serde(default)]
    pub revoked: Vec<KeyId>,
    /// The keys. None: each build machine uses its development key.
    #[serde(default, rename = "key")]
    pub keys: Vec<UpdateKey>,
}

/// A key that may sign packages.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateKey {
    /// What people call it.
    pub name: Spanned<String>,
    /// The key.
    pub public: Spanned<PublicKey>,
}

/// Where a fault lies, as a byte offset, and what it is.
type Fault = (usize, String);

impl Update {
    /// The rules that types cannot say; `version` is the product's.
    pub(super) fn check(&self, version: &str) -> Result<(), Fault> {
        self.check_hardware()?;
        let min_from = self.min_from.get_ref();
        if version.parse().is_ok_and(|version| *min_from > version) {
            let message = format!("update.min-from: {min_from} is newer than product.version");
            return Err((self.min_from.span().start, message));
        }
        self.check_keys()?;
        self.check_threshold()
    }

    /// The kinds of machines, that of the image first.
    pub fn hardware_words(&self) -> impl Iterator<Item = &str> {
        self.hardware.get_ref().iter().map(|w| w.get_ref().as_str())
    }

    fn check_hardware(&self) -> Result<(), Fault> {
        let list = self.hardware.get_ref();
        if list.is_empty() {
            let message = format!("update.hardware: allowed: [\"{ANY_HARDWARE}\"], or words");
            return Err((self.hardware.span().start, message));
        }
        for word in list {
            let at = word.span().start;
            let text = word.get_ref();
            if !is_word(text) {
                let why = "allowed: up to 32 of a-z, 0-9 and -";
                return Err((at, format!("update.hardware: {text:?}; {why}")));
            }
            if text == ANY_HARDWARE && list.len() > 1 {
                let message = format!("update.hardware: {ANY_HARDWARE:?} stands alone");
                return Err((at, message));
            }
        }
        Ok(())
    }

    fn check_keys(&self) -> Result<(), Fault> {
        let mut names = BTreeSet::new();
        let mut ids = BTreeSet::new();
        for key in &self.keys {
            let (name, id) = (key.name.get_ref(), key.public.get_ref().id());
            let at_name = |why: &str| Err((key.name.span().start, format!("update.key: {why}")));
            if name.trim().is_empty() {
                return at_name("its name is empty");
            }
            if !names.insert(name) {
                return at_name(&format!("the name {name:?} stands twice"));
            }
            let at = key.public.span().start;
            if !ids.insert(id) {
                return Err((at, format!("update.key: the key {id} stands twice")));
            }
            if self.revoked.contains(&id) {
                let message =
                    format!("update.key: the key {id} is in update.revoked; take it out here");
                return Err((at, message));
            }
        }
        Ok(())
    }

    fn check_threshold(&self) -> Result<(), Fault> {
        let most = self.keys.len().clamp(1, SIGNATURES_MAX);
        let threshold = *self.threshold.get_ref();
        if (1..=most).contains(&threshold) {
            return Ok(());
        }
        let keys = match self.keys.len() {
            0 => "there is the development key alone".to_owned(),
            count => format!("there are {count} keys"),
        };
        let message = format!("update.threshold: {threshold}; {keys}, allowed: 1 to {most}");
        Err((self.threshold.span().start, message))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::definition::Definition;

    const GOOD: &str = include_str!("../../../rootfs/appliance.toml");
    /// Public keys of RFC 8032, section 7.1.
    const KEYS: [&str; 2] = [
        "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        "PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=",
    ];

    fn key(name: &str, public: &str) -> String {
        format!("[[update.key]]\nname = \"{name}\"\npublic = \"{public}\"\n")
    }

    /// The definition with a change in it, and keys behind it.
    fn parse(from: &str, to: &str, keys: &str) -> Result<Definition, String> {
        assert!(
            GOOD.contains(from),
            "the definition has no {from:?} any more"
        );
        let text = GOOD.replacen(from, to, 1) + keys;
        Definition::parse(&text, Path::new("a.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn keys_are_read() {
        let keys = key("a", KEYS[0]) + &key("b", KEYS[1]);
        let definition = parse("threshold = 1", "threshold = 2", &keys).unwrap();
        let names = definition.update.keys.iter().map(|key| key.name.get_ref());
        assert!(names.eq(["a", "b"]));
        assert_eq!(definition.update.hardware_words().next(), Some("any"));
    }

    #[test]
    fn faults_are_named_with_line_and_what_is_allowed() {
        let line = |what: &str| {
            let before = GOOD.split(what).next().unwrap();
            before.lines().count() + usize::from(before.ends_with('\n'))
        };
        let (one, end) = (key("a", KEYS[0]), GOOD.lines().count());
        let revoked = format!(
            "revoked = [\"{}\"]",
            PublicKey::try_from(KEYS[0].to_owned()).unwrap().id()
        );
        let same = "threshold = 1";
        for (from, to, keys, at, says) in [
            ("[\"any\"]", "[]", "", "hardware =", "allowed: [\"any\"]"),
            (
                "[\"any\"]",
                "[\"any\", \"x\"]",
                "",
                "hardware =",
                "stands alone",
            ),
            ("[\"any\"]", "[\"X 1\"]", "", "hardware =", "a-z, 0-9 and -"),
            ("[\"any\"]", "\"any\"", "", "hardware =", "invalid type"),
            (
                "min-from = \"0.1.0.0\"",
                "min-from = \"0.1.0\"",
                "",
                "min-from =",
                "four numbers",
            ),
            (
                "min-from = \"0.1.0.0\"",
                "min-from = \"9.0.0.0\"",
                "",
                "min-from =",
                "newer than product.version",
            ),
            (
                "security-epoch = 0",
                "security-epoch = -1",
                "",
                "security-epoch =",
                "expected u32",
            ),
            (
                same,
                "threshold = 0",
                "",
                same,
                "development key alone, allowed: 1 to 1",
            ),
            (
                same,
                "threshold = 2",
                &one,
                same,
                "there are 1 keys, allowed: 1 to 1",
            ),
            (
                "revoked = []",
                "revoked = [\"12\"]",
                "",
                "revoked =",
                "16 hexadecimal digits",
            ),
            ("revoked = []", "revoke = []", "", "revoked =", "`revoked`"),
            (
                "security-epoch = 0",
                "",
                "",
                "[update]\n",
                "missing field `security-epoch`",
            ),
        ] {
            let error = parse(from, to, keys).map(|_| ()).unwrap_err();
            let place = format!("a.toml:{}: ", line(at));
            assert!(
                error.starts_with(&place) && error.contains(says),
                "{to}: {error}"
            );
        }
        // Faults of keys, by the line of the definition's end.
        for (from, to, keys, at, says) in [
            (
                "revoked = []",
                revoked.as_str(),
                one.clone(),
                3,
                "is in update.revoked",
            ),
            (same, same, one.clone() + &one, 5, "name \"a\" stands twice"),
            (
                same,
                same,
                one.clone() + &key("b", KEYS[0]),
                6,
                "stands twice",
            ),
            (same, same, key(" ", KEYS[0]), 2, "its name is empty"),
            (same, same, key("a", "AAAA"), 3, "no ed25519 public key"),
        ] {
            let error = parse(from, to, &keys).map(|_| ()).unwrap_err();
            let place = format!("a.toml:{}: ", end + at);
            assert!(
                error.starts_with(&place) && error.contains(says),
                "{keys}: {error}"
            );
        }
    }
}
