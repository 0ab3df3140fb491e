//! Help and about, licences, and the files of registration and support. Pure.

use std::fmt::Write as _;

use askama::Template;
use serde::Deserialize;
use serde_json::Value;

use crate::admin::who::Fields;
use crate::broker::Role;
use crate::frame::Frame;
use crate::licences::Listed;
use crate::words::help::HelpWords;

/// Fields of both forms, and what the settings call them.
const CONTACT: [&str; 5] = ["organisation", "site", "contact", "email", "phone"];

/// Which machine this is, as root has written it down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Machine {
    pub vendor: Option<String>,
    pub product: Option<String>,
    pub serial: Option<String>,
    pub signature: Option<String>,
}

/// What stands under "about".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    pub version: Option<String>,
    pub hostname: String,
    pub machine: Machine,
}

impl About {
    /// Names and values.
    fn facts(&self, w: &HelpWords) -> Vec<(&'static str, String)> {
        let known = |value: &Option<String>| value.clone().unwrap_or_else(|| w.unknown.to_owned());
        let product = [&self.machine.vendor, &self.machine.product];
        let product: Vec<&str> = product.into_iter().flatten().map(String::as_str).collect();
        let mut facts = vec![
            (w.version, known(&self.version)),
            (w.hostname, self.hostname.clone()),
            (w.serial, known(&self.machine.serial)),
            (w.signature, known(&self.machine.signature)),
        ];
        if !product.is_empty() {
            facts.insert(2, (w.product, product.join(" ")));
        }
        facts
    }
}

/// Help, about, and the forms.
#[derive(Template)]
#[template(path = "help.html")]
pub struct HelpPage<'a> {
    pub frame: Frame<'a>,
    pub w: &'static HelpWords,
    pub about: &'a About,
    /// `[registration]` of the settings.
    pub registration: &'a Value,
    pub why: Option<&'a str>,
}

impl HelpPage<'_> {
    fn facts(&self) -> Vec<(&'static str, String)> {
        self.about.facts(self.w)
    }

    fn forms(&self) -> [(&'static str, &'static str, &'static str, bool); 2] {
        let w = self.w;
        [
            ("registration", w.registration, w.registration_note, false),
            ("support", w.support, w.support_note, true),
        ]
    }

    fn contact(&self) -> Vec<(&'static str, &'static str, &str)> {
        let fields = CONTACT.iter();
        fields
            .map(|name| {
                (
                    *name,
                    label(self.w, name),
                    self.registration[name].as_str().unwrap_or_default(),
                )
            })
            .collect()
    }

    fn is_administrator(&self) -> bool {
        self.frame
            .who
            .is_some_and(|who| who.role == Role::Administrator)
    }
}

fn label(w: &HelpWords, name: &str) -> &'static str {
    match name {
        "organisation" => w.organisation,
        "site" => w.site,
        "contact" => w.contact,
        "email" => w.email,
        _ => w.phone,
    }
}

/// The list of licences.
#[derive(Template)]
#[template(path = "licences.html")]
pub struct LicencesPage<'a> {
    pub frame: Frame<'a>,
    pub w: &'static HelpWords,
    pub listed: &'a Listed,
}

impl LicencesPage<'_> {
    fn groups(&self) -> [(&'static str, &'static str, &Vec<String>); 3] {
        [
            (self.w.licences_own, "own", &self.listed.own),
            (self.w.licences_crates, "crates", &self.listed.crates),
            (self.w.licences_packages, "packages", &self.listed.packages),
        ]
    }

    fn is_empty(&self) -> bool {
        *self.listed == Listed::default()
    }
}

/// The file of a form, to be sent by whoever has filled it in.
pub fn file(title: &str, time: &str, about: &About, form: &Fields, w: &HelpWords) -> String {
    let mut text = format!("Vigie: {title}\n{time}\n\n");
    for (name, value) in about.facts(w) {
        let _ = writeln!(text, "{name}: {}", line(&value));
    }
    text.push('\n');
    for name in CONTACT {
        let _ = writeln!(text, "{}: {}", label(w, name), line(form.one(name)));
    }
    let message = form.one("message").replace("\r\n", "\n");
    if !message.trim().is_empty() {
        let _ = write!(text, "\n{}:\n\n{}\n", w.message, message.trim());
    }
    text
}

/// What was typed, on one line.
fn line(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c == ' ');
    words
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::frame::tests::frame;
    use crate::golden;
    use crate::language::Language;

    fn about() -> About {
        About {
            version: Some("1.2.3.0".into()),
            hostname: "nvr-<hall>".into(),
            machine: Machine {
                vendor: Some("Maker".into()),
                product: Some("<b>".into()),
                serial: Some("S1".into()),
                signature: None,
            },
        }
    }

    #[test]
    fn pages() {
        for (language, name) in [(Language::En, "help.en"), (Language::Fr, "help.fr")] {
            let w = HelpWords::of(language);
            let page = HelpPage {
                frame: frame(language, "/help", w.title),
                w,
                about: &about(),
                registration: &json!({"organisation": "\"><b>", "email": "a@example.org"}),
                why: None,
            };
            golden::page(name, &page.render().expect("rendered"));
        }
        let w = HelpWords::of(Language::Fr);
        let listed = Listed {
            own: vec!["LICENSE-MIT".into()],
            crates: vec!["time-0.3.1".into()],
            packages: vec![],
        };
        let page = LicencesPage {
            frame: frame(Language::Fr, "/help/licences", w.licences),
            w,
            listed: &listed,
        };
        golden::page("licences.fr", &page.render().expect("rendered"));
    }

    #[test]
    fn a_file_says_which_appliance_it_is_and_what_was_typed() {
        let pairs = [
            ("organisation", "Musée\r\nSerial number: forged"),
            ("email", "a@example.org"),
            ("message", "one\r\ntwo\n"),
        ];
        let pairs = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let w = HelpWords::of(Language::En);
        let form = Fields(pairs.to_vec());
        let text = file(w.support, "2026-11-30 08:15 UTC", &about(), &form, w);
        let expected = "Vigie: Support request\n2026-11-30 08:15 UTC\n\nVersion: 1.2.3.0\n\
             Host name: nvr-<hall>\nMachine: Maker <b>\nSerial number: S1\nHardware signature: unknown\n\n\
             Organisation: Musée Serial number: forged\nSite: \nPerson to ask for: \n\
             Mail address: a@example.org\nTelephone: \n\n\
             What happens, since when, and what was done before:\n\none\ntwo\n";
        assert_eq!(text, expected);
    }
}
