//! Host name, time zone, language, keyboard.

use std::str::FromStr;

use super::{Invalid, plain_debug, text_value};

text_value!(
    /// The appliance's name in the network: RFC 1123 labels joined by dots, at most 64 characters
    /// (the kernel's limit, HOST_NAME_MAX).
    HostName,
    check_host_name
);
text_value!(
    /// A name of the IANA time zone database, such as `Europe/Paris`. Whether the image has it is
    /// known only when it is applied.
    TimeZone,
    check_time_zone
);
text_value!(
    /// A console keymap's name, such as `fr` or `us`.
    Keymap,
    check_keymap
);
plain_debug!(HostName, TimeZone, Keymap);

/// The language that the appliance speaks to people.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    serde::Serialize,
    serde::Deserialize,
)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// French.
    Fr,
}

impl Language {
    /// The two-letter code of the document and of `LANGUAGE`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Fr => "fr",
        }
    }

    /// The language of this process's environment, see [`Language::of`].
    #[must_use]
    pub fn from_environment() -> Self {
        Self::of(|name| std::env::var(name).ok())
    }

    /// The language that variables ask for, as gettext reads them: the first of `LANGUAGE`'s that
    /// is spoken here (the settings write it), else that of `LC_ALL`, `LC_MESSAGES` or `LANG`; English
    /// for all others.
    #[must_use]
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let wanted = set("LANGUAGE").and_then(|list| list.split(':').find_map(Self::of_locale));
        let locale = || ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(set);
        wanted
            .or_else(|| Self::of_locale(&locale()?))
            .unwrap_or_default()
    }

    /// Of a locale such as `fr_CA.UTF-8`, where it is spoken here.
    fn of_locale(locale: &str) -> Option<Self> {
        locale.split(['_', '.', '@']).next()?.parse().ok()
    }
}

/// By its code, for command lines.
impl FromStr for Language {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let all = [Self::En, Self::Fr];
        let found = all.into_iter().find(|language| language.code() == text);
        found.ok_or_else(|| Invalid::new(text, "wrong.language", "allowed.language"))
    }
}

impl Default for HostName {
    fn default() -> Self {
        Self("vigie".to_owned())
    }
}

impl Default for TimeZone {
    fn default() -> Self {
        Self("Etc/UTC".to_owned())
    }
}

impl Default for Keymap {
    fn default() -> Self {
        Self("us".to_owned())
    }
}

impl HostName {
    /// The part before the first dot.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.split('.').next().unwrap_or(&self.0)
    }
}

pub(super) fn is_dns_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn check_host_name(text: &str) -> Result<(), Invalid> {
    let all_digits = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if text.len() <= 64 && text.split('.').all(is_dns_label) && !all_digits && text != "localhost" {
        return Ok(());
    }
    Err(Invalid::new(text, "wrong.host-name", "allowed.host-name"))
}

fn check_time_zone(text: &str) -> Result<(), Invalid> {
    // The name becomes a path below /usr/share/zoneinfo: no way out of it, nothing hidden.
    let part_ok = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic())
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_+-".contains(&b))
    };
    if text.len() <= 64 && text.split('/').all(part_ok) {
        return Ok(());
    }
    Err(Invalid::new(text, "wrong.time-zone", "allowed.time-zone"))
}

fn check_keymap(text: &str) -> Result<(), Invalid> {
    let ok = (1..=40).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    if ok {
        return Ok(());
    }
    Err(Invalid::new(text, "wrong.keymap", "allowed.keymap"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_of_the_environment() {
        use Language::{En, Fr};
        for (variables, expected) in [
            (&[][..], En),
            (&[("LANG", "fr_FR.UTF-8")], Fr),
            (&[("LANG", "fr")], Fr),
            (&[("LANG", "frisian")], En),
            (&[("LANG", "de_DE.UTF-8")], En),
            // What the settings write: there is no locale but C.UTF-8.
            (&[("LANG", "C.UTF-8"), ("LANGUAGE", "fr")], Fr),
            (&[("LANG", "fr_FR.UTF-8"), ("LANGUAGE", "en")], En),
            (&[("LANGUAGE", "de:fr:en")], Fr),
            (&[("LANG", "fr_FR.UTF-8"), ("LANGUAGE", "de")], Fr),
            (&[("LANG", "fr_FR.UTF-8"), ("LC_ALL", "C")], En),
            (&[("LANG", "fr_FR.UTF-8"), ("LC_ALL", "")], Fr),
            (&[("LC_MESSAGES", "fr@x"), ("LANG", "en")], Fr),
        ] {
            let value = |name: &str| {
                let found = variables.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(Language::of(value), expected, "{variables:?}");
        }
        assert_eq!("fr".parse::<Language>().ok(), Some(Fr));
        assert!("FR".parse::<Language>().is_err());
    }

    #[test]
    fn host_names() {
        for good in ["vigie", "nvr-01", "hall.example.org", "a", "1st"] {
            assert!(good.parse::<HostName>().is_ok(), "{good}");
        }
        let long = "a".repeat(65);
        for bad in [
            "",
            "-a",
            "a-",
            "a b",
            "é",
            "a..b",
            ".a",
            "10.0.0.1",
            "localhost",
            "a\nb",
            &long,
        ] {
            assert!(bad.parse::<HostName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn time_zones() {
        for good in [
            "Europe/Paris",
            "UTC",
            "Etc/GMT+5",
            "America/Argentina/Buenos_Aires",
        ] {
            assert!(good.parse::<TimeZone>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "/etc/shadow",
            "../../etc/shadow",
            "Europe/",
            "Europe//Paris",
            "a\0b",
            "Europe/.x",
        ] {
            assert!(bad.parse::<TimeZone>().is_err(), "{bad}");
        }
    }

    #[test]
    fn keymaps() {
        for good in ["us", "fr", "fr-latin9", "be-latin1", "us.map"] {
            assert!(good.parse::<Keymap>().is_ok(), "{good}");
        }
        for bad in ["", "../x", "a/b", "a b", "-x", "fr\nFONT=x"] {
            assert!(bad.parse::<Keymap>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_refusal_is_short_and_says_what_is_allowed() {
        let error = "x "
            .repeat(10_000)
            .parse::<HostName>()
            .expect_err("refused");
        assert!(error.to_string().len() < 300);
        assert!(error.to_string().contains("allowed: letters"));
    }
}
