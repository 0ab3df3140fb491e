//! Text → typed document, with errors that name line and field.

use serde::de::DeserializeOwned;

/// Why a text could not be read as a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {}{text}", .field.as_ref().map(|f| format!("{f}: ")).unwrap_or_default())]
pub struct ReadError {
    /// Line in the text, from 1.
    pub line: usize,
    /// The field's path where one is known, such as `network.enterprise.address`.
    pub field: Option<String>,
    /// What is wrong and what is allowed.
    pub text: String,
}

/// Reads a TOML document of any type (settings, installation answers).
///
/// # Errors
/// Broken TOML, an unknown or missing field, or a value that is refused.
pub fn read_toml<T: DeserializeOwned>(text: &str) -> Result<T, ReadError> {
    let document = toml::Deserializer::parse(text).map_err(|e| read_error(text, None, &e))?;
    serde_path_to_error::deserialize(document).map_err(|e| {
        let path = e.path().to_string();
        let field = (path != ".").then_some(path);
        read_error(text, field, e.inner())
    })
}

fn read_error(text: &str, field: Option<String>, error: &toml::de::Error) -> ReadError {
    let before = error
        .span()
        .and_then(|span| text.get(..span.start))
        .unwrap_or_default();
    ReadError {
        line: before.matches('\n').count() + 1,
        field,
        text: error.message().replace('\n', "; "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    #[test]
    fn errors_name_line_and_field() {
        for (text, expected) in [
            (
                "version = 1\n[system]\nhostname = \"a b\"",
                "line 3: system.hostname: \"a b\" is not a host name; allowed:",
            ),
            (
                "version = 1\n[system]\nhostnam = \"a\"",
                "line 3: system.hostnam: unknown field `hostnam`, expected one of `hostname`",
            ),
            (
                "version = 1\n[network.enterprise]\n\ngateway = \"x\"",
                "line 4: network.enterprise.gateway: invalid IP address",
            ),
            (
                "version = 1\n[system]\nlanguage = \"de\"",
                "line 3: system.language: unknown variant `de`, expected `en` or `fr`",
            ),
            (
                "version = 1\n[[volumes]]\nname = \"a\"",
                "line 2: volumes[0]: missing field `uuid`",
            ),
            ("[system]", "line 1: missing field `version`"),
            ("version = 1\nversion = 1", "line 2: duplicate key"),
            ("version = ", "line 1: "),
            ("version = \"1\"", "line 1: version: invalid type: string"),
        ] {
            let error = read_toml::<Settings>(text).expect_err(text).to_string();
            assert!(error.starts_with(expected), "{text}\n{error}");
        }
    }
}
