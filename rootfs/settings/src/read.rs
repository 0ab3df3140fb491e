//! Text → typed document, with errors that name line and field.

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::DeTable;

use crate::difference::is_secret;
use crate::told;
use crate::words::{Said, said};

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
    DeTable::parse(text).map_err(|e| read_error(text, None, &e, told::of_toml))
}

/// Reads a tree whose values come from `text`, as several parts of it laid over one another.
///
/// # Errors
/// An unknown or missing field, or a value that is refused.
pub fn read_tree<T: DeserializeOwned>(
    text: &str,
    tree: Spanned<DeTable<'_>>,
) -> Result<T, ReadError> {
    serde_path_to_error::deserialize(toml::Deserializer::from(tree)).map_err(|e| {
        let path = e.path().to_string();
        let field = (path != ".").then_some(path);
        let mut error = read_error(text, field, e.inner(), told::of_serde);
        if let Some(message) = without_secret(&error, e.inner().message()) {
            error.text = told::of_serde(&message);
        }
        error
    })
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
    told: fn(&str) -> Said,
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
            ("version = 3\nversion = 1", "line 2: duplicate key"),
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
