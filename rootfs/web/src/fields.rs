//! The fields of the settings' form: what stands where in the document, and how text of a form becomes a
//! change. Pure. What a field may hold is judged by the settings themselves, through the broker.

use serde_json::{Value, json};

use crate::admin::who::Fields;
use crate::words::settings::SettingsWords;

type Word = fn(&SettingsWords) -> &'static str;

/// How a field is shown and read.
#[derive(Clone, Copy)]
pub enum Kind {
    Text,
    Number,
    /// One value a line.
    List,
    /// On, or not there.
    Flag,
    /// The value of each choice, and its name; the first one is what holds where there is none.
    Choice(&'static [(&'static str, Word)]),
}

/// A field of the form.
pub struct Field {
    /// In the document.
    pub path: &'static str,
    pub kind: Kind,
    label: Word,
    note: Option<Word>,
}

/// Fields that are saved together.
pub struct Section {
    /// In addresses, and which of them a form is.
    pub name: &'static str,
    title: Word,
    note: Option<Word>,
    pub fields: &'static [Field],
}

const fn field(path: &'static str, kind: Kind, label: Word) -> Field {
    Field {
        path,
        kind,
        label,
        note: None,
    }
}

const fn noted(path: &'static str, kind: Kind, label: Word, note: Word) -> Field {
    Field {
        note: Some(note),
        ..field(path, kind, label)
    }
}

/// Of the cameras' network: whether there is one.
const CAMERAS: &str = "network.cameras";

const LANGUAGES: Kind = Kind::Choice(&[("en", |_| "English"), ("fr", |_| "Français")]);
const DHCP: Kind = Kind::Choice(&[("", |w| w.dhcp_fixed), ("true", |w| w.dhcp_auto)]);
const AUTOMATIC: Kind = Kind::Choice(&[
    ("no", |w| w.automatic_no),
    ("download", |w| w.automatic_download),
    ("install", |w| w.automatic_install),
]);

/// All of them, in the order of the page.
pub static SECTIONS: [Section; 6] = [
    Section {
        name: "system",
        title: |w| w.system,
        note: None,
        fields: &[
            field("system.hostname", Kind::Text, |w| w.hostname),
            noted(
                "system.timezone",
                Kind::Text,
                |w| w.timezone,
                |w| w.timezone_note,
            ),
            field("system.language", LANGUAGES, |w| w.language),
            noted("system.keymap", Kind::Text, |w| w.keymap, |w| w.keymap_note),
            noted("time.ntp", Kind::List, |w| w.ntp, |w| w.ntp_note),
        ],
    },
    Section {
        name: "enterprise",
        title: |w| w.enterprise,
        note: Some(|w| w.network_note),
        fields: &[
            field("network.enterprise.dhcp", DHCP, |w| w.dhcp),
            noted(
                "network.enterprise.address",
                Kind::Text,
                |w| w.address,
                |w| w.address_note,
            ),
            field("network.enterprise.gateway", Kind::Text, |w| w.gateway),
            noted(
                "network.enterprise.dns",
                Kind::List,
                |w| w.dns,
                |w| w.one_a_line,
            ),
            noted(
                "network.enterprise.interface",
                Kind::Text,
                |w| w.interface,
                |w| w.port_note,
            ),
            field("network.enterprise.mac", Kind::Text, |w| w.mac),
        ],
    },
    Section {
        name: "cameras",
        title: |w| w.cameras,
        note: Some(|w| w.network_note),
        fields: &[
            noted(
                CAMERAS,
                Kind::Flag,
                |w| w.cameras_own,
                |w| w.cameras_own_note,
            ),
            field("network.cameras.dhcp", DHCP, |w| w.dhcp),
            noted(
                "network.cameras.address",
                Kind::Text,
                |w| w.address,
                |w| w.address_note,
            ),
            field("network.cameras.interface", Kind::Text, |w| w.interface),
            field("network.cameras.mac", Kind::Text, |w| w.mac),
            noted(
                "network.routing",
                Kind::Flag,
                |w| w.routing,
                |w| w.routing_note,
            ),
        ],
    },
    Section {
        name: "web",
        title: |w| w.web,
        note: None,
        fields: &[field("web.idle_minutes", Kind::Number, |w| w.idle)],
    },
    Section {
        name: "registration",
        title: |w| w.registration,
        note: Some(|w| w.registration_note),
        fields: &[
            field("registration.organisation", Kind::Text, |w| w.organisation),
            field("registration.site", Kind::Text, |w| w.site),
            field("registration.contact", Kind::Text, |w| w.contact),
            field("registration.email", Kind::Text, |w| w.email),
            field("registration.phone", Kind::Text, |w| w.phone),
        ],
    },
    Section {
        name: "update",
        title: |w| w.update,
        note: None,
        fields: &[
            noted("update.source", Kind::Text, |w| w.source, |w| w.source_note),
            field("update.automatic", AUTOMATIC, |w| w.automatic),
            noted("update.window", Kind::Text, |w| w.window, |w| w.window_note),
        ],
    },
];

impl Section {
    pub fn title(&self, w: &SettingsWords) -> &'static str {
        (self.title)(w)
    }

    pub fn note(&self, w: &SettingsWords) -> Option<&'static str> {
        self.note.map(|note| note(w))
    }

    /// What a form changes of the settings that are in use; nothing where it says what they say already.
    pub fn changes(&self, settings: &Value, form: &Fields) -> Vec<Value> {
        let changed = self.fields.iter().filter_map(|field| {
            let value = field.given(form);
            (value != field.value(settings)).then(|| json!({"path": field.path, "value": value}))
        });
        let changes: Vec<Value> = changed.collect();
        let has_cameras = |change: &Value| change["path"] == CAMERAS;
        match changes.iter().find(|change| has_cameras(change)) {
            // Without them nothing is left to say of their fields.
            Some(none) if none["value"].is_null() => {
                let of_cameras = |change: &&Value| {
                    let path = change["path"].as_str().unwrap_or_default();
                    !path.starts_with("network.cameras.")
                };
                changes.iter().filter(of_cameras).cloned().collect()
            }
            // Their fields make them.
            Some(_) => changes
                .into_iter()
                .filter(|change| !has_cameras(change))
                .collect(),
            None if !form.is_on(CAMERAS) && self.name == "cameras" => {
                let of_cameras = |change: &Value| {
                    let path = change["path"].as_str().unwrap_or_default();
                    path.starts_with("network.cameras.")
                };
                changes
                    .into_iter()
                    .filter(|change| !of_cameras(change))
                    .collect()
            }
            None => changes,
        }
    }
}

/// The section of a name.
pub fn section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.name == name)
}

impl Field {
    pub fn label(&self, w: &SettingsWords) -> &'static str {
        (self.label)(w)
    }

    pub fn note(&self, w: &SettingsWords) -> Option<&'static str> {
        self.note.map(|note| note(w))
    }

    /// What the page calls it.
    pub fn id(&self) -> String {
        self.path.replace('.', "-")
    }

    /// Its value in the settings; null where it is not there.
    fn value(&self, settings: &Value) -> Value {
        let parts = self.path.split('.');
        let found = parts.fold(settings, |value, part| &value[part]);
        match (self.kind, found) {
            (Kind::Flag, Value::Object(_)) => json!(true),
            (Kind::Flag | Kind::Choice(_), Value::Bool(false)) => Value::Null,
            // What holds where nothing is said.
            (Kind::Choice([(first, _), ..]), Value::Null) if !first.is_empty() => json!(first),
            (Kind::List, Value::Array(list)) if list.is_empty() => Value::Null,
            (_, found) => found.clone(),
        }
    }

    /// Its text in the form.
    pub fn text(&self, settings: &Value) -> String {
        match self.value(settings) {
            Value::Null => String::new(),
            Value::String(text) => text,
            Value::Array(list) => {
                let lines = list.iter().map(|one| one.as_str().unwrap_or_default());
                lines.collect::<Vec<_>>().join("\n")
            }
            other => other.to_string(),
        }
    }

    /// What a form says: null for what is to be as by default.
    fn given(&self, form: &Fields) -> Value {
        let text = form.one(self.path).trim();
        match self.kind {
            Kind::Flag if form.is_on(self.path) => json!(true),
            Kind::List => {
                let lines = text.split([',', '\n', ' ']).map(str::trim);
                let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
                match lines.is_empty() {
                    true => Value::Null,
                    false => json!(lines),
                }
            }
            _ if text.is_empty() => Value::Null,
            // What is no number is told so by the settings.
            Kind::Number => text
                .parse::<u64>()
                .map_or_else(|_| json!(text), |n| json!(n)),
            Kind::Choice(_) if text == "true" => json!(true),
            Kind::Flag => Value::Null,
            Kind::Text | Kind::Choice(_) => json!(text),
        }
    }

    /// Whether a problem that the settings tell is about this field: its path, or a part of its value.
    pub fn is_at(&self, path: &str) -> bool {
        let rest = path.strip_prefix(self.path);
        rest.is_some_and(|rest| {
            rest.is_empty() || (matches!(self.kind, Kind::List) && rest.starts_with(['.', '[']))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pairs: &[(&str, &str)]) -> Fields {
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Fields(pairs.iter().map(own).collect())
    }

    #[test]
    fn what_a_form_changes() {
        let settings = json!({
            "system": {"hostname": "nvr", "timezone": "Etc/UTC", "language": "en", "keymap": "us"},
            "time": {"ntp": ["a.example"]},
            "web": {"idle_minutes": 30},
            "network": {"enterprise": {"dhcp": false}},
        });
        let same = [
            ("system.hostname", "nvr"),
            ("system.timezone", "Etc/UTC"),
            ("system.language", "en"),
            ("system.keymap", "us"),
            ("time.ntp", "a.example"),
        ];
        let change = |path: &str, value: Value| vec![json!({"path": path, "value": value})];
        let with = |key: &str, value: &'static str| {
            form(&same.map(|(name, old)| (name, if name == key { value } else { old })))
        };
        for (name, form, expected) in [
            ("system", form(&same), vec![]),
            (
                "system",
                with("system.hostname", " hall "),
                change("system.hostname", json!("hall")),
            ),
            (
                "system",
                with("system.keymap", ""),
                change("system.keymap", Value::Null),
            ),
            (
                "system",
                with("time.ntp", "b.example\r\n c.example,\n"),
                change("time.ntp", json!(["b.example", "c.example"])),
            ),
            (
                "system",
                with("time.ntp", " \n"),
                change("time.ntp", Value::Null),
            ),
            ("update", form(&[("update.automatic", "no")]), vec![]),
            (
                "update",
                form(&[("update.automatic", "install")]),
                change("update.automatic", json!("install")),
            ),
            (
                "enterprise",
                form(&[("network.enterprise.dhcp", "")]),
                vec![],
            ),
            (
                "enterprise",
                form(&[("network.enterprise.dhcp", "true")]),
                change("network.enterprise.dhcp", json!(true)),
            ),
            (
                "web",
                form(&[("web.idle_minutes", "15")]),
                change("web.idle_minutes", json!(15)),
            ),
            (
                "web",
                form(&[("web.idle_minutes", "x")]),
                change("web.idle_minutes", json!("x")),
            ),
        ] {
            let section = section(name).expect("a section");
            assert_eq!(section.changes(&settings, &form), expected, "{form:?}");
        }
        assert!(super::section("../x").is_none());
    }

    #[test]
    fn the_cameras_network_comes_and_goes_as_one() {
        let cameras = section("cameras").expect("a section");
        let with = json!({"network": {"cameras": {"address": "10.0.0.1/16"}, "routing": false}});
        let without = json!({"network": {}});
        let address = ("network.cameras.address", "10.0.0.1/16");
        let own = (CAMERAS, "on");
        let change = |path: &str, value: Value| json!({"path": path, "value": value});
        for (settings, form, expected) in [
            (&with, form(&[own, address]), vec![]),
            (&with, form(&[address]), vec![change(CAMERAS, Value::Null)]),
            (&without, form(&[]), vec![]),
            (&without, form(&[address]), vec![]),
            (
                &without,
                form(&[own, address]),
                vec![change(address.0, json!(address.1))],
            ),
            (
                &with,
                form(&[own, address, ("network.routing", "on")]),
                vec![change("network.routing", json!(true))],
            ),
        ] {
            assert_eq!(cameras.changes(settings, &form), expected, "{form:?}");
        }
    }

    #[test]
    fn problems_find_their_fields() {
        let field = |path: &str| {
            let all = SECTIONS.iter().flat_map(|section| section.fields);
            let found: Vec<&str> = all
                .filter(|field| field.is_at(path))
                .map(|f| f.path)
                .collect();
            found.join(" ")
        };
        for (path, expected) in [
            ("network.enterprise.address", "network.enterprise.address"),
            ("network.enterprise.dns.1", "network.enterprise.dns"),
            ("network.enterprise.dns[1]", "network.enterprise.dns"),
            ("network.cameras", CAMERAS),
            ("network.cameras.gateway", ""),
            ("users.0.name", ""),
        ] {
            assert_eq!(field(path), expected, "{path}");
        }
    }

    #[test]
    fn every_field_is_one_of_the_documents() {
        let schema = include_str!("../../settings/settings.schema.json");
        for field in SECTIONS.iter().flat_map(|section| section.fields) {
            let last = field.path.rsplit('.').next().unwrap_or_default();
            assert!(schema.contains(&format!("\"{last}\"")), "{}", field.path);
        }
    }
}
