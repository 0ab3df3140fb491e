//! The log-in page and that of the first setup. Pure.

use askama::Template;

use crate::frame::Frame;
use crate::scripts;
use crate::words::login::LoginWords;

/// The log-in page.
#[derive(Template)]
#[template(path = "login.html")]
pub struct Login<'a> {
    pub frame: Frame<'a>,
    pub w: &'static LoginWords,
    /// The form's own token.
    pub csrf: &'a str,
    /// Where it leads to.
    pub next: &'a str,
    /// What was wrong the last time.
    pub why: Option<&'a str>,
    /// Nobody administrates the appliance yet.
    pub open: bool,
}

/// The page that makes the first administrator.
#[derive(Template)]
#[template(path = "setup.html")]
pub struct Setup<'a> {
    pub frame: Frame<'a>,
    pub w: &'static LoginWords,
    pub csrf: &'a str,
    /// What was typed the last time, but for the passwords.
    pub code: &'a str,
    pub user: &'a str,
    pub why: Option<&'a str>,
    pub script: &'static str,
}

impl<'a> Setup<'a> {
    pub fn new(frame: Frame<'a>, csrf: &'a str) -> Self {
        Self {
            w: LoginWords::of(frame.language),
            frame,
            csrf,
            code: "",
            user: "",
            why: None,
            script: scripts::STRENGTH,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::tests::frame;
    use crate::golden;
    use crate::language::Language;

    #[test]
    fn pages() {
        let nobody = |language, here, title| Frame {
            who: None,
            ..frame(language, here, title)
        };
        let login = |language, open, why| {
            let w = LoginWords::of(language);
            let page = Login {
                frame: nobody(language, "/login", w.log_in),
                w,
                csrf: "0123",
                next: "/update",
                why,
                open,
            };
            page.render().expect("rendered")
        };
        golden::page("login.fr", &login(Language::Fr, true, Some("faux <b>")));
        golden::page("login.en", &login(Language::En, false, None));
        let w = LoginWords::of(Language::En);
        let setup = Setup {
            code: "<b>",
            user: "\"><b>",
            why: Some("wrong <b>"),
            ..Setup::new(nobody(Language::En, "/setup", w.setup), "0123")
        };
        golden::page("setup.en", &setup.render().expect("rendered"));
        let w = LoginWords::of(Language::Fr);
        let setup = Setup::new(nobody(Language::Fr, "/setup", w.setup), "0123");
        golden::page("setup.fr", &setup.render().expect("rendered"));
    }
}
