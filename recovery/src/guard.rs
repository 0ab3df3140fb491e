//! The version guard: a medium works only on installations of its own major version. Another one
//! may keep its settings, its file systems and its boot state in ways that this one does not know.

use vigie_update::Version;

use crate::refusal::Refusal;

/// Whether a medium may change an installation. One whose version nobody knows any more is helped:
/// both its slots and its state volume are damaged. `expert` is whether a person said so all the
/// same.
///
/// # Errors
/// It is of another major version.
pub fn guard(medium: Version, installation: Option<Version>, expert: bool) -> Result<(), Refusal> {
    match installation {
        Some(installation) if installation.major() != medium.major() && !expert => {
            Err(Refusal::OtherMajor {
                medium,
                installation,
            })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_settings::Language;

    #[test]
    fn a_medium_keeps_to_its_major_version() {
        let version = |text: &str| text.parse::<Version>().unwrap();
        for (medium, installation, expert, may) in [
            ("5.0.0.0", Some("5.9.1.2"), false, true),
            ("5.9.1.2", Some("5.0.0.0"), false, true),
            ("5.0.0.0", Some("4.9.9.9"), false, false),
            ("4.9.9.9", Some("5.0.0.0"), false, false),
            ("5.0.0.0", Some("4.9.9.9"), true, true),
            ("4.0.0.0", Some("5.0.0.0"), true, true),
            ("5.0.0.0", None, false, true),
            ("0.1.0.0", Some("0.2.0.0"), false, true),
        ] {
            let found = guard(version(medium), installation.map(version), expert);
            assert_eq!(found.is_ok(), may, "{medium} on {installation:?}");
        }
        let refusal = guard(version("5.0.0.0"), Some(version("4.2.0.0")), false).unwrap_err();
        for language in [Language::En, Language::Fr] {
            let text = refusal.message().to(language);
            for word in ["5.0.0.0", "4.2.0.0", "--other-version"] {
                assert!(text.contains(word), "{text}");
            }
        }
    }
}
