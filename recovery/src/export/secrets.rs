//! What must not leave an installation in a support bundle, and taking it out of any text: hashes of
//! passwords, tokens, keys, secrets of a licence.

use std::collections::BTreeSet;

use toml::Value;

/// What stands in the place of a secret.
pub const REMOVED: &str = "(removed)";
/// A shorter word is not looked for in other texts: it would be found everywhere.
const SHORTEST: usize = 6;
/// Parts of a value that are as long are secrets themselves, as the body of a key.
const PART: usize = 16;
/// How hashes of crypt(5) begin.
const HASHES: [&str; 9] = [
    "$y$", "$gy$", "$7$", "$6$", "$5$", "$2b$", "$2y$", "$2a$", "$1$",
];
/// A hash is not shorter.
const HASH: usize = 20;

/// Secrets of one or more documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secrets {
    /// The fields that have one, by their paths.
    pub fields: BTreeSet<String>,
    values: BTreeSet<String>,
}

/// Whether a field of the settings is one.
fn is_secret(key: &str) -> bool {
    let ends = ["_hash", "_key", "_keys"];
    let is = ["token", "key", "keys", "licence", "license"];
    ends.iter().any(|end| key.ends_with(end))
        || is.contains(&key)
        || key.contains("secret")
        || key.contains("password")
        || (key.starts_with("licence") && key != "licence_major")
}

impl Secrets {
    /// Takes the secrets out of a document, and remembers them.
    pub fn take(&mut self, document: &mut Value) {
        self.walk(document, "", false);
    }

    /// Remembers the secrets of a document of any form. One that is no TOML tells of none; what looks
    /// like a hash or a private key is found all the same.
    pub fn learn(&mut self, text: &str) {
        if let Ok(mut document) = toml::from_str::<Value>(text) {
            let mut of_it = Self::default();
            of_it.take(&mut document);
            self.values.extend(of_it.values);
        }
    }

    fn walk(&mut self, value: &mut Value, path: &str, secret: bool) {
        match value {
            Value::Table(table) => {
                for (key, value) in table.iter_mut() {
                    let path = match path {
                        "" => key.clone(),
                        path => format!("{path}.{key}"),
                    };
                    self.walk(value, &path, secret || is_secret(key));
                }
            }
            Value::Array(values) => values
                .iter_mut()
                .for_each(|value| self.walk(value, path, secret)),
            Value::String(text) if secret => {
                self.fields.insert(path.to_owned());
                let parts = text.split_whitespace().filter(|part| part.len() >= PART);
                self.values.extend(parts.map(str::to_owned));
                self.values
                    .insert(std::mem::replace(text, REMOVED.to_owned()));
            }
            other if secret => {
                self.fields.insert(path.to_owned());
                *other = Value::String(REMOVED.to_owned());
            }
            _ => {}
        }
    }

    /// A text without any of them; how many were taken out.
    #[must_use]
    pub fn scrub(&self, bytes: &[u8]) -> (String, usize) {
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        let mut count = 0;
        let mut values: Vec<&String> = self.values.iter().collect();
        // The longest first: others may be parts of it.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        for value in values.iter().filter(|value| value.len() >= SHORTEST) {
            let found = text.matches(value.as_str()).count();
            if found > 0 {
                text = text.replace(value.as_str(), REMOVED);
                count += found;
            }
        }
        let (text, hashes) = without_hashes(&text);
        let (text, keys) = without_private_keys(&text);
        (text, count + hashes + keys)
    }
}

/// A text without what looks like a hash of a password.
fn without_hashes(text: &str) -> (String, usize) {
    let (mut out, mut rest, mut count) = (String::with_capacity(text.len()), text, 0);
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let belongs = |c: char| c.is_ascii_alphanumeric() || "$./=,+-_".contains(c);
        let end = from.find(|c| !belongs(c)).unwrap_or(from.len());
        let (word, behind) = from.split_at(end);
        if word.len() >= HASH && HASHES.iter().any(|begin| word.starts_with(begin)) {
            out.push_str(REMOVED);
            count += 1;
            rest = behind;
        } else {
            out.push('$');
            rest = &from[1..];
        }
    }
    out.push_str(rest);
    (out, count)
}

/// A text without private keys in PEM; one whose end is missing is taken for the rest of the text.
fn without_private_keys(text: &str) -> (String, usize) {
    const BEGIN: &str = "-----BEGIN ";
    const KEY: &str = "PRIVATE KEY-----";
    let (mut out, mut rest, mut count) = (String::with_capacity(text.len()), text, 0);
    while let Some(at) = rest.find(BEGIN) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let label = from[BEGIN.len()..]
            .split("-----")
            .next()
            .unwrap_or_default();
        if !label.ends_with("PRIVATE KEY") {
            out.push_str(BEGIN);
            rest = &from[BEGIN.len()..];
            continue;
        }
        count += 1;
        out.push_str(REMOVED);
        let end = format!("-----END {}{KEY}", label.trim_end_matches("PRIVATE KEY"));
        rest = match from.find(&end) {
            Some(at) => &from[at + end.len()..],
            None => "",
        };
    }
    out.push_str(rest);
    (out, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_fields_by_their_names() {
        for (key, secret) in [
            ("root_password_hash", true),
            ("service_ssh_keys", true),
            ("ssh_authorized_keys", true),
            ("token", true),
            ("licence_key", true),
            ("licence", true),
            ("licence_code", true),
            ("smtp_password", true),
            ("token_kind", false),
            ("keymap", false),
            ("licence_major", false),
            ("hostname", false),
        ] {
            assert_eq!(is_secret(key), secret, "{key}");
        }
    }

    #[test]
    fn texts_lose_what_looks_like_a_secret() {
        let mut secrets = Secrets::default();
        let mut document: Value = toml::from_str(
            "a = \"seen\"\n[x]\ntoken = \"s3cret-token\"\nlicence = { code = \"L-1234567\", days = 7 }\n\
             keys = [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA me@here\"]\n",
        )
        .unwrap();
        secrets.take(&mut document);
        let fields: Vec<&str> = secrets.fields.iter().map(String::as_str).collect();
        assert_eq!(
            fields,
            ["x.keys", "x.licence.code", "x.licence.days", "x.token"]
        );
        let text = toml::to_string(&document).unwrap();
        assert!(
            text.contains("seen") && !text.contains("L-1234567"),
            "{text}"
        );
        for (dirty, clean) in [
            ("a s3cret-token.", "a (removed)."),
            ("AAAAC3NzaC1lZDI1NTE5AAAA", "(removed)"),
            ("root:$6$salt$0123456789abcdefghij:1", "root:(removed):1"),
            ("costs $5 or $6$x", "costs $5 or $6$x"),
            (
                "k -----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY----- z",
                "k (removed) z",
            ),
            ("k -----BEGIN PRIVATE KEY-----\nabc", "k (removed)"),
            (
                "-----BEGIN CERTIFICATE-----\nabc\n",
                "-----BEGIN CERTIFICATE-----\nabc\n",
            ),
            ("é $ ü", "é $ ü"),
        ] {
            assert_eq!(secrets.scrub(dirty.as_bytes()).0, clean);
        }
    }
}
