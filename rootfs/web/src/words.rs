//! The words of the pages, in both languages side by side: what is missing in one does not compile.

pub mod frame;
pub mod help;
pub mod login;
pub mod logs;
pub mod settings;
pub mod upkeep;
pub mod users;

/// A struct of texts with both languages of each: `key: "English" / "Français",`.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $key:ident: $english:literal / $french:literal,)+ }) => {
        $(#[$about])*
        pub struct $name {
            $($(#[$doc])* pub $key: &'static str,)+
        }

        impl $name {
            pub fn of(language: $crate::language::Language) -> &'static Self {
                match language {
                    $crate::language::Language::En => &Self { $($key: $english,)+ },
                    $crate::language::Language::Fr => &Self { $($key: $french,)+ },
                }
            }

            /// All texts, in both languages.
            #[cfg(test)]
            pub const ALL: &'static [(&'static str, &'static str, &'static str)] =
                &[$((stringify!($key), $english, $french),)+];
        }
    };
}
pub(crate) use words;

#[cfg(test)]
mod tests {
    #[test]
    fn both_languages_have_the_same_places_for_values() {
        let places = |text: &str| {
            let parts = text.split('{').skip(1);
            let mut names: Vec<String> = parts
                .map(|part| part.split('}').next().unwrap_or_default().to_owned())
                .collect();
            names.sort();
            names
        };
        for catalog in [
            super::frame::FrameWords::ALL,
            super::help::HelpWords::ALL,
            super::login::LoginWords::ALL,
            super::logs::LogsWords::ALL,
            super::settings::SettingsWords::ALL,
            super::upkeep::UpkeepWords::ALL,
            super::users::UsersWords::ALL,
        ] {
            for (key, english, french) in catalog {
                assert!(!english.is_empty() && !french.is_empty(), "{key}");
                assert_eq!(places(english), places(french), "{key}");
            }
        }
    }
}
