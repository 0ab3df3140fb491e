//! Which language a browser, or somebody, asks for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The cookie of whoever chose one.
pub const COOKIE: &str = "__Host-vigie-language";

/// The languages that the pages speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    En,
    Fr,
}

impl Language {
    /// Both.
    pub const ALL: [Self; 2] = [Self::En, Self::Fr];

    /// The best of an `Accept-Language` header (RFC 9110, section 12.5.4); English without one.
    pub fn accepted(header: &str) -> Self {
        let mut best = (Self::En, 0.0);
        for range in header.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let Some(language) = parts.next().and_then(Self::of_tag) else {
                continue;
            };
            let quality = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(Ok(1.0), str::parse::<f32>);
            // The first of equals wins; a quality that is no number counts as a refusal.
            if let Ok(quality) = quality
                && quality > best.1
            {
                best = (language, quality);
            }
        }
        best.0
    }

    /// Of a tag, such as a cookie's or a form's.
    pub fn of_tag(tag: &str) -> Option<Self> {
        match tag.split('-').next()?.to_ascii_lowercase().as_str() {
            "en" => Some(Self::En),
            "fr" => Some(Self::Fr),
            _ => None,
        }
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::En => Self::Fr,
            Self::Fr => Self::En,
        }
    }

    /// Its own name.
    pub fn name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::Fr => "Français",
        }
    }

    /// The tag for the page's `lang` attribute.
    pub fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Fr => "fr",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        for (header, expected) in [
            ("", Language::En),
            ("fr", Language::Fr),
            ("fr-CA,fr;q=0.9,en;q=0.8", Language::Fr),
            ("de,en;q=0.5,fr;q=0.7", Language::Fr),
            ("en,fr", Language::En),
            ("FR", Language::Fr),
            ("fr;q=0,en", Language::En),
            ("fr;q=x", Language::En),
            ("*", Language::En),
            (";;,,q=", Language::En),
        ] {
            assert_eq!(Language::accepted(header), expected, "{header}");
        }
    }
}
