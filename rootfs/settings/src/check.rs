//! Rules over several fields. One that holds for a single value stands with that value.
//!
//! All problems are collected, so that a person mends a document in one go.

use std::fmt;

use crate::document::{
    Addressing, Automatic, Interface, Network, Role, Settings, Update, User, VERSION, Volume,
};
use crate::values::Language;
use crate::words::{Said, said};

/// One thing wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The field's path, such as `network.enterprise.gateway`.
    pub field: String,
    /// What is wrong and what is allowed.
    pub text: Said,
}

impl Problem {
    /// A problem of a field.
    pub fn new(field: impl Into<String>, text: impl Into<Said>) -> Self {
        Self {
            field: field.into(),
            text: text.into(),
        }
    }
}

/// Everything wrong with a document; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// In both languages, one line a problem.
    #[must_use]
    pub fn said(&self) -> Said {
        let lines = |language| {
            let lines = self.0.iter();
            let lines = lines.map(|one| format!("{}: {}", one.field, one.text.to(language)));
            lines.collect::<Vec<_>>().join("\n")
        };
        Said::new(lines(Language::En), lines(Language::Fr))
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            let newline = if i == 0 { "" } else { "\n" };
            write!(f, "{newline}{}: {}", problem.field, problem.text)?;
        }
        Ok(())
    }
}

impl Settings {
    /// Checks the document as a whole.
    ///
    /// # Errors
    /// Every problem that was found.
    pub fn check(&self) -> Result<(), Problems> {
        let mut found = Vec::new();
        if self.version != VERSION {
            let values = [
                ("found", Said::same(self.version)),
                ("wanted", Said::same(VERSION)),
            ];
            found.push(Problem::new("version", said("check.version", &values)));
        }
        self.network.problems("network", &mut found);
        user_problems(&self.users, &mut found);
        update_problems(&self.update, &mut found);
        volume_problems(&self.volumes, &mut found);
        if found.is_empty() {
            Ok(())
        } else {
            Err(Problems(found))
        }
    }
}

impl Network {
    /// Appends what is wrong with the networks; `path` is where this table stands in its document.
    pub fn problems(&self, path: &str, found: &mut Vec<Problem>) {
        let enterprise = format!("{path}.enterprise");
        interface_problems(&self.enterprise, &enterprise, found);
        if self.routing && self.cameras.is_none() {
            let routing = format!("{path}.routing");
            found.push(problem(&routing, "check.routing-without-cameras"));
        }
        let Some(cameras) = &self.cameras else { return };
        let path = format!("{path}.cameras");
        interface_problems(cameras, &path, found);
        camera_problems(cameras, &path, found);
        role_problems(&self.enterprise, cameras, &path, found);
    }
}

fn interface_problems(interface: &Interface, path: &str, found: &mut Vec<Problem>) {
    let mut add = |field: &str, key: &str| found.push(problem(&format!("{path}.{field}"), key));
    if interface.mac.is_some() && interface.interface.is_some() {
        add("interface", "check.beside-mac");
    }
    match (interface.dhcp, interface.address) {
        (Some(true), Some(_)) => add("address", "check.beside-dhcp"),
        (Some(false), None) => add("address", "check.no-address"),
        _ => {}
    }
    let Some(gateway) = interface.gateway else {
        return;
    };
    match interface.addressing() {
        Addressing::Dhcp => add("gateway", "check.gateway-by-dhcp"),
        Addressing::Static(own) if own.address() == gateway => add("gateway", "check.own-gateway"),
        Addressing::Static(own) if !own.contains(gateway) => {
            let values = [("gateway", Said::same(gateway)), ("own", Said::same(own))];
            let text = said("check.gateway-outside", &values);
            found.push(Problem::new(format!("{path}.gateway"), text));
        }
        Addressing::Static(_) => {}
    }
}

/// What would let the cameras' network reach further than the cameras.
fn camera_problems(cameras: &Interface, path: &str, found: &mut Vec<Problem>) {
    if !cameras.names_port() {
        found.push(problem(path, "check.no-port"));
    }
    if cameras.gateway.is_some() {
        found.push(problem(&format!("{path}.gateway"), "check.cameras-gateway"));
    }
    if !cameras.dns.is_empty() {
        found.push(problem(&format!("{path}.dns"), "check.cameras-dns"));
    }
}

/// What the two roles must not share.
fn role_problems(
    enterprise: &Interface,
    cameras: &Interface,
    path: &str,
    found: &mut Vec<Problem>,
) {
    if enterprise.mac.is_some() && enterprise.mac == cameras.mac {
        found.push(problem(&format!("{path}.mac"), "check.same-port"));
    }
    if enterprise.interface.is_some() && enterprise.interface == cameras.interface {
        found.push(problem(&format!("{path}.interface"), "check.same-port"));
    }
    if let (Some(a), Some(b)) = (enterprise.address, cameras.address)
        && a.overlaps(b)
    {
        let values = [("address", Said::same(b)), ("other", Said::same(a))];
        let text = said("check.overlap", &values);
        found.push(Problem::new(format!("{path}.address"), text));
    }
}

fn user_problems(users: &[User], found: &mut Vec<Problem>) {
    for (i, user) in users.iter().enumerate() {
        if users[..i].iter().any(|other| other.name == user.name) {
            let text = said("check.user-twice", &[("value", Said::same(&user.name))]);
            found.push(Problem::new(format!("users[{i}].name"), text));
        }
    }
    let in_charge = |user: &User| user.role == Role::Administrator && !user.disabled;
    if !users.is_empty() && !users.iter().any(in_charge) {
        found.push(problem("users", "check.no-administrator"));
    }
}

fn update_problems(update: &Update, found: &mut Vec<Problem>) {
    let mut add = |field: &str, key: &str| found.push(problem(&format!("update.{field}"), key));
    if update.source.is_some() && update.hawkbit.is_some() {
        add("hawkbit", "check.beside-source");
    }
    if update.automatic == Automatic::Download && !update.pulls() {
        add("automatic", "check.nothing-to-download");
    }
    if update.ca.is_some() && !update.pulls() {
        add("ca", "check.ca-without-server");
    }
    if update.window.is_some() && update.automatic != Automatic::Install {
        add("window", "check.window-without-install");
    }
}

fn volume_problems(volumes: &[Volume], found: &mut Vec<Problem>) {
    for (i, volume) in volumes.iter().enumerate() {
        let earlier = &volumes[..i];
        let mut add = |field: &str, value: &str| {
            let text = said("check.used-twice", &[("value", Said::same(value))]);
            found.push(Problem::new(format!("volumes[{i}].{field}"), text));
        };
        if earlier.iter().any(|other| other.name == volume.name) {
            add("name", volume.name.as_str());
        }
        if earlier.iter().any(|other| other.uuid == volume.uuid) {
            add("uuid", volume.uuid.as_str());
        }
        if earlier.iter().any(|other| other.mount == volume.mount) {
            add("mount", volume.mount.as_str());
        }
    }
}

/// A problem whose words have no values.
fn problem(field: &str, key: &str) -> Problem {
    Problem::new(field, said(key, &[]))
}

#[cfg(test)]
mod tests {
    use crate::read_toml;

    use super::*;

    fn fields(text: &str) -> Vec<String> {
        let settings: Settings = read_toml(&format!("version = {VERSION}\n{text}")).expect(text);
        settings
            .check()
            .err()
            .map(|p| {
                p.0.into_iter()
                    .inspect(in_french)
                    .map(|p| p.field)
                    .collect()
            })
            .unwrap_or_default()
    }

    fn in_french(problem: &Problem) {
        let (english, french) = (problem.text.to(Language::En), problem.text.to(Language::Fr));
        assert_ne!(english, french);
        assert!(!french.contains('{'), "{french}");
    }

    #[test]
    fn rules_over_several_fields() {
        let port = "[network.cameras]\ninterface = \"eth1\"\n";
        let user = |name: &str, role: &str, more: &str| {
            format!(
                "[[users]]\nname = \"{name}\"\nrole = \"{role}\"\npassword_hash = \"$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4\"\n{more}"
            )
        };
        let volume = |n: u8, mount: u8| {
            format!(
                "[[volumes]]\nname = \"data-{n}\"\nuuid = \"0f3b7a52-9c1d-4e8f-a6b0-12345678900{n}\"\nmount = \"/srv/data-{mount}\"\n"
            )
        };
        for (text, expected) in [
            (String::new(), vec![]),
            (
                "[network.enterprise]\naddress = \"10.0.0.2/24\"\ngateway = \"10.0.0.1\"".into(),
                vec![],
            ),
            (
                "[network.enterprise]\naddress = \"10.0.0.2/24\"\ngateway = \"10.0.1.1\"".into(),
                vec!["network.enterprise.gateway"],
            ),
            (
                "[network.enterprise]\naddress = \"10.0.0.2/24\"\ngateway = \"10.0.0.2\"".into(),
                vec!["network.enterprise.gateway"],
            ),
            (
                "[network.enterprise]\ngateway = \"10.0.0.1\"".into(),
                vec!["network.enterprise.gateway"],
            ),
            (
                "[network.enterprise]\ndhcp = true\naddress = \"10.0.0.2/24\"".into(),
                vec!["network.enterprise.address"],
            ),
            (
                "[network.enterprise]\ndhcp = false".into(),
                vec!["network.enterprise.address"],
            ),
            (
                "[network.enterprise]\nmac = \"52:54:00:00:00:01\"\ninterface = \"eth0\"".into(),
                vec!["network.enterprise.interface"],
            ),
            (
                "[network.cameras]\naddress = \"10.0.0.2/24\"".into(),
                vec!["network.cameras"],
            ),
            (
                format!(
                    "{port}address = \"10.0.0.2/24\"\ngateway = \"10.0.0.1\"\ndns = [\"10.0.0.1\"]"
                ),
                vec!["network.cameras.gateway", "network.cameras.dns"],
            ),
            (
                format!("{port}[network.enterprise]\ninterface = \"eth1\""),
                vec!["network.cameras.interface"],
            ),
            (
                format!(
                    "{port}address = \"10.0.0.2/24\"\n[network.enterprise]\naddress = \"10.0.0.3/16\""
                ),
                vec!["network.cameras.address"],
            ),
            ("[update]\nautomatic = \"install\"".into(), vec![]),
            (
                "[update]\nautomatic = \"download\"\nca = \"-----BEGIN CERTIFICATE-----\\n-----END CERTIFICATE-----\""
                    .into(),
                vec!["update.automatic", "update.ca"],
            ),
            (
                "[update]\nsource = \"https://a.example/\"\nwindow = \"02:00-04:00\"".into(),
                vec!["update.window"],
            ),
            (
                "[update]\nsource = \"https://a.example/\"\n[update.hawkbit]\nurl = \"https://b.example/\"\ntenant = \"DEFAULT\"\ntoken = \"0123456789\""
                    .into(),
                vec!["update.hawkbit"],
            ),
            ("[network]\nrouting = true".into(), vec!["network.routing"]),
            (format!("[network]\nrouting = true\n{port}"), vec![]),
            (user("anna", "administrator", ""), vec![]),
            (user("anna", "operator", ""), vec!["users"]),
            (user("anna", "administrator", "disabled = true"), vec!["users"]),
            (
                user("anna", "administrator", "disabled = true\n") + &user("ben", "viewer", ""),
                vec!["users"],
            ),
            (
                user("anna", "administrator", "") + &user("anna", "viewer", "language = \"fr\""),
                vec!["users[1].name"],
            ),
            (volume(1, 1) + &volume(2, 2), vec![]),
            (volume(1, 1) + &volume(2, 1), vec!["volumes[1].mount"]),
            (
                volume(1, 1) + &volume(1, 1),
                vec!["volumes[1].name", "volumes[1].uuid", "volumes[1].mount"],
            ),
        ] {
            assert_eq!(fields(&text), expected, "{text}");
        }
    }

    #[test]
    fn another_version_is_refused() {
        let settings: Settings = read_toml("version = 9").expect("reads");
        assert_eq!(
            settings.check().expect_err("refused").to_string(),
            "version: is 9; this system reads version 3"
        );
    }
}
