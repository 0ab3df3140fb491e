//! Text → typed document, with errors that name line and field.

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::DeTable;

use crate::difference::is_secret;
use crate::pruned::{self, Taken};
use crate::told;
use crate::words::{Said, said};

/// Who has so many faults in a document has something else in hand.
const FAULTS: usize = 64;

/// Why a text could not be read as a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {}{text}", .field.as_ref().map(|f| format!("{f}: ")).unwrap_or_default())]
pub struct ReadError {
    /// Line in the text, from 1.
    pub line: usize,
    /// The field's path where one is known, such as `network.enterprise.address`.
    pub field: Option<String>,
    /// What is wrong and what is allowed.
    pub text: Said,
}

impl ReadError {
    /// The line and what is wrong, in both languages, without the field.
    #[must_use]
    pub fn said(&self) -> Said {
        let values = [("line", Said::same(self.line)), ("text", self.text.clone())];
        said("read.at-line", &values)
    }
}

/// Reads a TOML document of any type (settings, installation answers).
///
/// # Errors
/// Broken TOML, an unknown or missing field, or a value that is refused.
pub fn read_toml<T: DeserializeOwned>(text: &str) -> Result<T, ReadError> {
    read_tree(text, parse_tree(text)?)
}

/// A TOML document as a tree whose values know their places in `text`.
///
/// # Errors
/// Broken TOML.
pub fn parse_tree(text: &str) -> Result<Spanned<DeTable<'_>>, ReadError> {
    DeTable::parse(text).map_err(|error| broken(text, &error))
}

/// What the parser of TOML says of a text.
pub(crate) fn broken(text: &str, error: &toml::de::Error) -> ReadError {
    let found = error.span().and_then(|span| text.get(span));
    let told = |message: &str| told::of_toml(message, found.unwrap_or_default().trim());
    read_error(text, None, error, told)
}

/// Reads a tree whose values come from `text`, as several parts of it laid over one another.
///
/// # Errors
/// An unknown or missing field, or a value that is refused.
pub fn read_tree<T: DeserializeOwned>(
    text: &str,
    tree: Spanned<DeTable<'_>>,
) -> Result<T, ReadError> {
    deserialized(tree).map_err(|error| {
        let path = error.path().to_string();
        told_of(text, &path, error.inner())
    })
}

/// Reads a TOML document, and goes on behind each value that is refused.
///
/// # Errors
/// All that is wrong: broken TOML alone, else each unknown or missing field and each value that is
/// refused, [`FAULTS`] of them at most.
pub fn read_all<T: DeserializeOwned>(text: &str) -> Result<T, Vec<ReadError>> {
    let mut taken = Taken::default();
    let mut wrong = Vec::new();
    while wrong.len() < FAULTS {
        let mut tree = parse_tree(text).map_err(|error| vec![error])?;
        taken.out_of(tree.get_mut());
        let error = match deserialized::<T>(tree) {
            Ok(read) if wrong.is_empty() => return Ok(read),
            Ok(_) => break,
            Err(error) => error,
        };
        let path = taken.original(error.path());
        let missing = told::missing_field(error.inner().message());
        // What was refused, and taken away therefore, is not missing.
        if !missing.is_some_and(|field| taken.has(&path, field)) {
            wrong.push(told_of(text, &pruned::written(&path), error.inner()));
        }
        if !taken.add(path) {
            break;
        }
    }
    Err(wrong)
}

fn deserialized<T: DeserializeOwned>(
    tree: Spanned<DeTable<'_>>,
) -> Result<T, serde_path_to_error::Error<toml::de::Error>> {
    serde_path_to_error::deserialize(toml::Deserializer::from(tree))
}

/// `path` is `.` for the whole document.
fn told_of(text: &str, path: &str, error: &toml::de::Error) -> ReadError {
    let field = (path != ".").then(|| path.to_owned());
    let mut told = read_error(text, field, error, told::of_serde);
    if let Some(message) = without_secret(&told, error.message()) {
        told.text = told::of_serde(&message);
    }
    told
}

/// The line, from 1, in which a byte of a text stands.
#[must_use]
pub fn line_at(text: &str, offset: usize) -> usize {
    text.get(..offset).unwrap_or_default().matches('\n').count() + 1
}

/// What serde says of a secret of the wrong kind, without the value.
fn without_secret(error: &ReadError, message: &str) -> Option<String> {
    let last = error.field.as_ref()?.rsplit('.').next()?;
    if !is_secret(last.split('[').next()?) || !message.starts_with("invalid ") {
        return None;
    }
    let (found, wanted) = message.rsplit_once(", expected ")?;
    let kind = found.split(['`', '"']).next()?.trim_end();
    Some(format!("{kind}, expected {wanted}"))
}

fn read_error(
    text: &str,
    field: Option<String>,
    error: &toml::de::Error,
    told: impl Fn(&str) -> Said,
) -> ReadError {
    ReadError {
        line: line_at(text, error.span().map_or(0, |span| span.start)),
        field,
        text: told(&error.message().replace('\n', "; ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Language, Settings};

    #[test]
    fn all_values_that_are_wrong_are_named_in_their_places() {
        let text = "version = 3\n[system]\nhostname = \"a b\"\nlanguage = \"de\"\nno = 1\n\
            [time]\nntp = [\"a b\", \"ntp.example.org\", \"-x\"]\n\
            [network.enterprise]\naddress = 3\n\
            [[volumes]]\nname = \"A B\"\n[[volumes]]\nname = \"b\"\n\
            [[users]]\nname = \"anna\"\nrole = \"god\"\npassword_hash = 7\n";
        let wrong = read_all::<Settings>(text).expect_err("wrong");
        let mut places: Vec<(usize, &str)> = wrong
            .iter()
            .map(|one| (one.line, one.field.as_deref().unwrap_or_default()))
            .collect();
        places.sort_unstable();
        assert_eq!(
            places,
            [
                (3, "system.hostname"),
                (4, "system.language"),
                (5, "system.no"),
                (7, "time.ntp[0]"),
                (7, "time.ntp[2]"),
                (9, "network.enterprise.address"),
                (11, "volumes[0].name"),
                (12, "volumes[1]"),
                (16, "users[0].role"),
                (17, "users[0].password_hash"),
            ]
        );
        assert!(
            wrong
                .iter()
                .all(|one| !one.to_string().contains("integer `7`"))
        );
        assert_eq!(
            read_all::<Settings>("version = ").expect_err("TOML").len(),
            1
        );
        assert_eq!(
            read_all::<Settings>("version = \"3\"")
                .expect_err("type")
                .len(),
            1
        );
        let many = format!("version = 3\ntime.ntp = [{}]", "\"a b\",".repeat(200));
        assert_eq!(read_all::<Settings>(&many).expect_err("many").len(), FAULTS);
        assert!(read_all::<Settings>("version = 3").is_ok());
    }

    #[test]
    fn errors_name_line_and_field() {
        for (text, expected) in [
            (
                "version = 3\n[system]\nhostname = \"a b\"",
                "line 3: system.hostname: \"a b\" is not a host name; allowed:",
            ),
            (
                "version = 3\n[system]\nhostnam = \"a\"",
                "line 3: system.hostnam: unknown field `hostnam`, expected one of `hostname`",
            ),
            (
                "version = 3\n[network.enterprise]\n\ngateway = \"x\"",
                "line 4: network.enterprise.gateway: invalid IP address",
            ),
            (
                "version = 3\n[system]\nlanguage = \"de\"",
                "line 3: system.language: unknown variant `de`, expected `en` or `fr`",
            ),
            (
                "version = 3\n[[volumes]]\nname = \"a\"",
                "line 2: volumes[0]: missing field `uuid`",
            ),
            ("[system]", "line 1: missing field `version`"),
            (
                "version = 3\nversion = 1",
                "line 2: `version` is given twice",
            ),
            (
                "[system]\nhostname = \"a\"\n[system]\nkeymap = \"fr\"",
                "line 3: `system` is given twice",
            ),
            (
                "version = 3\n[system]\nhostname = camera-7",
                "line 3: no value: put text in quotes",
            ),
            (
                "version = 3\n[system]\nhostname = nvr-7",
                "line 3: no value: put text in quotes",
            ),
            (
                "version = 3\n[system]\nlanguage = fr",
                "line 3: no value: put text in quotes",
            ),
            (
                "version = 3\n[system]\nhostname = 5YXK2X2",
                "line 3: no value: put text in quotes",
            ),
            ("version = ", "line 1: "),
            ("version = \"1\"", "line 1: version: invalid type: string"),
            (
                "version = 3\n[access]\nroot_password_hash = 12345",
                "line 3: access.root_password_hash: invalid type: integer, expected ",
            ),
        ] {
            let error = read_toml::<Settings>(text).expect_err(text);
            assert_ne!(error.text.to(Language::En), error.text.to(Language::Fr));
            let error = error.to_string();
            assert!(error.starts_with(expected), "{text}\n{error}");
        }
    }
}
