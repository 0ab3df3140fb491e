//! Backup, power, the certificate. Pure.

use askama::Template;

use crate::frame::Frame;
use crate::settings_page::Problem;
use crate::words::upkeep::UpkeepWords;

/// A backup is made here, and restored.
#[derive(Template)]
#[template(path = "backup.html")]
pub struct BackupPage<'a> {
    pub frame: Frame<'a>,
    pub w: &'static UpkeepWords,
    pub why: Option<&'a str>,
    pub problems: &'a [Problem],
}

/// Restart, power-off, and what the next start does.
#[derive(Template)]
#[template(path = "power.html")]
pub struct PowerPage<'a> {
    pub frame: Frame<'a>,
    pub w: &'static UpkeepWords,
    pub why: Option<&'a str>,
    /// Whether the next start checks all volumes; none where nobody knows.
    pub check: Option<bool>,
}

impl PowerPage<'_> {
    fn is_on(&self) -> bool {
        self.check == Some(true)
    }
}

/// The machine is going.
#[derive(Template)]
#[template(path = "going.html")]
pub struct GoingPage<'a> {
    pub frame: Frame<'a>,
    pub text: &'a str,
    /// Where it comes back.
    pub script: Option<&'static str>,
}

/// The certificate that connections are accepted with.
#[derive(Template)]
#[template(path = "certificate.html")]
pub struct CertificatePage<'a> {
    pub frame: Frame<'a>,
    pub w: &'static UpkeepWords,
    pub own: bool,
    pub print: String,
    pub why: Option<&'a str>,
    pub done: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::tests::frame;
    use crate::golden;
    use crate::language::Language;
    use crate::scripts;

    #[test]
    fn pages() {
        let (en, fr) = (Language::En, Language::Fr);
        let w = UpkeepWords::of(en);
        let problems = [Problem {
            field: "<b>".into(),
            why: "<b>".into(),
        }];
        let page = BackupPage {
            frame: frame(en, "/backup", w.backup),
            w,
            why: Some("no <b>"),
            problems: &problems,
        };
        golden::page("backup.en", &page.render().expect("rendered"));
        for (name, language, check) in [("power.en", en, Some(true)), ("power.fr", fr, Some(false))]
        {
            let w = UpkeepWords::of(language);
            let page = PowerPage {
                frame: frame(language, "/power", w.power),
                w,
                why: None,
                check,
            };
            golden::page(name, &page.render().expect("rendered"));
        }
        let page = GoingPage {
            frame: frame(en, "/power", w.power),
            text: w.restarting,
            script: Some(scripts::RESTARTING),
        };
        golden::page("going.en", &page.render().expect("rendered"));
        let w = UpkeepWords::of(fr);
        let page = CertificatePage {
            frame: frame(fr, "/settings/certificate", w.certificate),
            w,
            own: true,
            print: "AB:CD".into(),
            why: None,
            done: Some(w.installed),
        };
        golden::page("certificate.fr", &page.render().expect("rendered"));
    }
}
