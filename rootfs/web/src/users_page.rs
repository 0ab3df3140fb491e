//! The users' page, and that of one's own account. Pure.

use askama::Template;
use serde::Deserialize;

use crate::broker::Role;
use crate::frame::Frame;
use crate::language::Language;
use crate::scripts;
use crate::words::login::LoginWords;
use crate::words::users::UsersWords;

/// A user as the broker tells it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Listed {
    pub name: String,
    pub role: Role,
    #[serde(default)]
    pub language: Option<Language>,
    #[serde(default)]
    pub disabled: bool,
}

/// All who may log in.
#[derive(Template)]
#[template(path = "users.html")]
pub struct UsersPage<'a> {
    pub frame: Frame<'a>,
    pub w: &'static UsersWords,
    pub p: &'static LoginWords,
    pub users: Vec<Listed>,
    /// The name that was typed for a new one.
    pub typed: &'a str,
    pub why: Option<&'a str>,
    pub done: Option<&'a str>,
}

impl UsersPage<'_> {
    fn roles(&self) -> &'static [Role; 3] {
        &Role::ALL
    }

    fn languages(&self) -> &'static [Language; 2] {
        &Language::ALL
    }

    fn has_role(&self, user: &Listed, role: &Role) -> bool {
        user.role == *role
    }

    fn speaks(&self, user: &Listed, language: &Language) -> bool {
        user.language == Some(*language)
    }

    fn is_me(&self, user: &Listed) -> bool {
        self.frame.who.is_some_and(|who| who.name == user.name)
    }

    fn script(&self) -> &'static str {
        scripts::STRENGTH
    }
}

/// One's own account.
#[derive(Template)]
#[template(path = "account.html")]
pub struct AccountPage<'a> {
    pub frame: Frame<'a>,
    pub w: &'static UsersWords,
    pub p: &'static LoginWords,
    pub why: Option<&'a str>,
    pub done: Option<&'a str>,
}

impl AccountPage<'_> {
    fn speaks(&self, language: &Language) -> bool {
        self.frame.language == *language
    }

    fn who(&self) -> String {
        let Some(who) = self.frame.who else {
            return String::new();
        };
        let text = self.w.you_are.replace("{role}", self.frame.role(&who.role));
        text.replace("{name}", who.name)
    }

    fn languages(&self) -> &'static [Language; 2] {
        &Language::ALL
    }

    fn script(&self) -> &'static str {
        scripts::STRENGTH
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::tests::frame;
    use crate::golden;

    #[test]
    fn pages() {
        for (language, name) in [(Language::En, "users.en"), (Language::Fr, "users.fr")] {
            let w = UsersWords::of(language);
            let user = |name: &str, role, language, disabled| Listed {
                name: name.to_owned(),
                role,
                language,
                disabled,
            };
            let page = UsersPage {
                frame: frame(language, "/users", w.title),
                w,
                p: LoginWords::of(language),
                users: vec![
                    user("anne <i>", Role::Administrator, None, false),
                    user("<b>", Role::Viewer, Some(Language::Fr), true),
                ],
                typed: "\"><b>",
                why: Some("no <b>"),
                done: None,
            };
            golden::page(name, &page.render().expect("rendered"));
        }
        let w = UsersWords::of(Language::Fr);
        let page = AccountPage {
            frame: frame(Language::Fr, "/account", w.my_account),
            w,
            p: LoginWords::of(Language::Fr),
            why: None,
            done: Some("<b>"),
        };
        golden::page("account.fr", &page.render().expect("rendered"));
    }
}
