//! `/etc/passwd` and its companions: Debian's fixed users, and those of sysusers.d(5) with
//! the numbers that the definition gives them.
//!
//! The numbers are fixed because files on the state volume carry them: were they handed out
//! in the order of the packages, an update could give one service's files to another.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use crate::definition::Definition;
use crate::tree::Tree;

#[derive(Debug, Default, PartialEq)]
struct Databases {
    /// name -> (uid, gid, description, home, shell)
    users: BTreeMap<String, (u32, u32, String, String, String)>,
    /// name -> (gid, members)
    groups: BTreeMap<String, (u32, Vec<String>)>,
}

/// Writes the user databases into the tree.
///
/// # Errors
/// A user that a package creates and the definition gives no number; two with one number.
pub fn databases(tree: &mut Tree, raw: &Tree, definition: &Definition) -> Result<()> {
    let mut all = Databases::default();
    all.add_masters(
        &raw.text("usr/share/base-passwd/passwd.master")?,
        &raw.text("usr/share/base-passwd/group.master")?,
    )?;
    let names: Vec<String> = tree
        .children("usr/lib/sysusers.d")
        .map(|(n, _)| n.to_owned())
        .collect();
    for name in names.iter().filter(|n| n.ends_with(".conf")) {
        let text = tree.text(&format!("usr/lib/sysusers.d/{name}"))?;
        for (number, line) in text.lines().enumerate() {
            all.add_line(line, &definition.users)
                .with_context(|| format!("usr/lib/sysusers.d/{name}, line {}", number + 1))?;
        }
    }
    all.check()?;
    let [passwd, group, shadow, gshadow] = all.render();
    tree.file("etc/passwd", 0o644, passwd)?;
    tree.file("etc/group", 0o644, group)?;
    for (path, content) in [("etc/shadow", shadow), ("etc/gshadow", gshadow)] {
        tree.file(path, 0o640, content)?;
        if let Some(node) = tree.get_mut(path) {
            node.gid = 42; // group shadow
        }
    }
    Ok(())
}

impl Databases {
    fn add_masters(&mut self, passwd: &str, group: &str) -> Result<()> {
        for line in group.lines().filter(|l| !l.is_empty()) {
            let [name, _, gid, _] = line.split(':').collect::<Vec<_>>()[..] else {
                bail!("group.master: {line:?} does not have four fields");
            };
            self.groups
                .insert(name.to_owned(), (gid.parse()?, Vec::new()));
        }
        for line in passwd.lines().filter(|l| !l.is_empty()) {
            let [name, _, uid, gid, gecos, home, shell] = line.split(':').collect::<Vec<_>>()[..]
            else {
                bail!("passwd.master: {line:?} does not have seven fields");
            };
            let user = (
                uid.parse()?,
                gid.parse()?,
                gecos.to_owned(),
                home.to_owned(),
                shell.to_owned(),
            );
            self.users.insert(name.to_owned(), user);
        }
        Ok(())
    }

    /// One line of sysusers.d(5): `TYPE NAME ID GECOS HOME SHELL`.
    fn add_line(&mut self, line: &str, numbers: &BTreeMap<String, u32>) -> Result<()> {
        let fields = split(line);
        let field = |i: usize| fields.get(i).map(String::as_str).filter(|f| *f != "-");
        let (Some(kind), Some(name)) = (field(0), field(1)) else {
            return Ok(());
        };
        match kind.trim_end_matches('!') {
            "g" => {
                let gid = self.number(name, field(2), numbers)?;
                self.groups
                    .entry(name.to_owned())
                    .or_insert((gid, Vec::new()));
            }
            "u" if !self.users.contains_key(name) => self.add_user(name, &field, numbers)?,
            "u" => {}
            "m" => {
                let group = field(2).context("no group")?;
                let (_, members) = self
                    .groups
                    .get_mut(group)
                    .with_context(|| format!("no group {group}"))?;
                if !members.iter().any(|m| m == name) {
                    members.push(name.to_owned());
                }
            }
            "r" => {}
            other => bail!("type {other:?} is not known"),
        }
        Ok(())
    }

    fn add_user<'a>(
        &mut self,
        name: &str,
        field: &impl Fn(usize) -> Option<&'a str>,
        numbers: &BTreeMap<String, u32>,
    ) -> Result<()> {
        let (id, group) = match field(2) {
            Some(text) => text
                .split_once(':')
                .map_or((Some(text), None), |(u, g)| (Some(u), Some(g))),
            None => (None, None),
        };
        let uid = self.number(name, id.filter(|i| *i != "-"), numbers)?;
        let gid = match group {
            None => {
                self.groups
                    .entry(name.to_owned())
                    .or_insert((uid, Vec::new()))
                    .0
            }
            Some(group) => match group.parse() {
                Ok(gid) => gid,
                Err(_) => {
                    self.groups
                        .get(group)
                        .with_context(|| format!("no group {group}"))?
                        .0
                }
            },
        };
        let text = |i: usize, default: &str| field(i).unwrap_or(default).to_owned();
        let user = (
            uid,
            gid,
            text(3, ""),
            text(4, "/"),
            text(5, "/usr/sbin/nologin"),
        );
        self.users.insert(name.to_owned(), user);
        Ok(())
    }

    /// The number of a name: the line's own, the definition's, or that of a group by that name.
    fn number(
        &self,
        name: &str,
        own: Option<&str>,
        numbers: &BTreeMap<String, u32>,
    ) -> Result<u32> {
        if let Some(number) = own.and_then(|o| o.parse().ok()) {
            return Ok(number);
        }
        if let Some(number) = numbers.get(name) {
            return Ok(*number);
        }
        match self.groups.get(name) {
            Some((gid, _)) => Ok(*gid),
            None => bail!(
                "{name} has no number: add it to [users] in the definition, below 1000 and not yet used"
            ),
        }
    }

    fn check(&self) -> Result<()> {
        let mut by_uid: BTreeMap<u32, &str> = BTreeMap::new();
        for (name, (uid, ..)) in &self.users {
            if let Some(other) = by_uid.insert(*uid, name) {
                bail!("users {other} and {name} both have number {uid}");
            }
        }
        let mut by_gid: BTreeMap<u32, &str> = BTreeMap::new();
        for (name, (gid, _)) in &self.groups {
            if let Some(other) = by_gid.insert(*gid, name) {
                bail!("groups {other} and {name} both have number {gid}");
            }
        }
        Ok(())
    }

    /// passwd, group, shadow, gshadow; every account is locked.
    fn render(&self) -> [String; 4] {
        let mut users: Vec<_> = self.users.iter().collect();
        users.sort_by_key(|(_, user)| user.0);
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(_, group)| group.0);
        let passwd = users.iter().map(|(n, (uid, gid, gecos, home, shell))| {
            format!("{n}:x:{uid}:{gid}:{gecos}:{home}:{shell}\n")
        });
        let shadow = users.iter().map(|(n, _)| format!("{n}:!*:::::::\n"));
        let group = groups
            .iter()
            .map(|(n, (gid, members))| format!("{n}:x:{gid}:{}\n", members.join(",")));
        let gshadow = groups
            .iter()
            .map(|(n, (_, members))| format!("{n}:!*::{}\n", members.join(",")));
        [
            passwd.collect(),
            group.collect(),
            shadow.collect(),
            gshadow.collect(),
        ]
    }
}

/// Splits a line at white space; double quotes hold a field together; `#` starts a comment line.
fn split(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut rest = line.trim();
    if rest.starts_with('#') {
        return fields;
    }
    while !rest.is_empty() {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        fields.push(field.to_owned());
        rest = after.trim_start();
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Databases {
        let mut all = Databases::default();
        all.add_masters("root:*:0:0:root:/root:/bin/bash\n", "root:*:0:\nadm:*:4:\n")
            .unwrap();
        all
    }

    #[test]
    fn lines_become_users_with_the_definitions_numbers() {
        let numbers = BTreeMap::from([("web".to_owned(), 120), ("log".to_owned(), 101)]);
        let mut all = base();
        for line in [
            "# no",
            "",
            "g log - -",
            "u! web - \"Web pages\"",
            "m web log",
            "u dyn 7:adm -",
            "m web log",
        ] {
            all.add_line(line, &numbers).unwrap();
        }
        let [passwd, group, shadow, _] = all.render();
        assert_eq!(
            passwd,
            "root:x:0:0:root:/root:/bin/bash\ndyn:x:7:4::/:/usr/sbin/nologin\nweb:x:120:120:Web pages:/:/usr/sbin/nologin\n"
        );
        assert_eq!(group, "root:x:0:\nadm:x:4:\nlog:x:101:web\nweb:x:120:\n");
        assert!(shadow.starts_with("root:!*:"));
        all.check().unwrap();
    }

    #[test]
    fn a_name_without_a_number_and_a_number_twice_are_refused() {
        let error = base().add_line("u new - -", &BTreeMap::new()).unwrap_err();
        assert!(error.to_string().contains("add it to [users]"));
        let mut all = base();
        let numbers = BTreeMap::from([("a".to_owned(), 0)]);
        all.add_line("u a - -", &numbers).unwrap();
        assert!(all.check().is_err());
    }
}
