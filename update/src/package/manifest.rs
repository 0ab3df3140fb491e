//! `MANIFEST`, the first file of a package's tar: which members follow, and what has changed.
//!
//! Sizes and digests of the images stand in the signed header, not here: whoever writes a slot
//! compares with the header alone and need not believe whoever unpacked the body.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vigie_disk::Bytes;

use super::error::PackageError;
use crate::history::LONGEST_REASON;
use crate::printable::printable;

/// Its name in the tar.
pub const MANIFEST: &str = "MANIFEST";
/// Its greatest size in bytes.
pub const MANIFEST_MAX: u64 = 1 << 20;
/// Version of its form.
pub const FORMAT: u32 = 1;

/// The list of members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// What has changed, by language (`en`, `fr`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub changelog: BTreeMap<String, String>,
    /// The members, in the order of the tar.
    pub members: Vec<Member>,
}

/// One file of the tar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its name in the tar.
    pub name: String,
    /// What it becomes.
    pub role: Role,
    /// How the image is written in it.
    pub encoding: Encoding,
    /// Its size in the tar.
    pub size: Bytes,
}

/// What a member becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The system image.
    System,
    /// The boot image.
    Boot,
}

impl Role {
    /// Both, in the order in which they are written: a slot without a boot image does not start.
    pub const ALL: [Self; 2] = [Self::System, Self::Boot];

    /// Its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Boot => "boot",
        }
    }

    /// What its image is called in French.
    pub(crate) const fn french_image(self) -> &'static str {
        match self {
            Self::System => "image du système",
            Self::Boot => "image de démarrage",
        }
    }
}

/// How an image is written in a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As it is.
    Plain,
    /// One zstd frame.
    Zstd,
    /// One zstd frame of differences from the base's image.
    Delta,
}

impl Manifest {
    /// Reads a manifest. An unknown field, or any twice, refuses it; so does another spelling than
    /// [`Manifest::to_text`]'s: readers of JSON differ in what they let pass (an array for an
    /// object, half a surrogate pair, `-0`), and what they read must not differ.
    ///
    /// # Errors
    /// What is no manifest.
    pub fn parse(text: &[u8]) -> Result<Self, PackageError> {
        // serde_json quotes what it has found there: as long as it is, and with whatever is in it.
        let wrong = |english: &str, french: &str| {
            let (english, french) = (
                printable(english, LONGEST_REASON),
                printable(french, LONGEST_REASON),
            );
            PackageError::content(
                format!("its manifest: {english}"),
                format!("son manifeste : {french}"),
            )
        };
        let manifest: Self = serde_json::from_slice(text).map_err(|error| {
            let found = error.to_string();
            wrong(&found, &format!("ce n'en est pas un ({found})"))
        })?;
        let format = manifest.format;
        if format != FORMAT {
            return Err(wrong(
                &format!("format {format} is not known here"),
                &format!("le format {format} n'est pas connu ici"),
            ));
        }
        let roles: Vec<Role> = manifest.members.iter().map(|member| member.role).collect();
        if roles != Role::ALL {
            let found = roles.len();
            return Err(wrong(
                &format!(
                    "it has {found} members; one for system and one for boot are expected, in this \
                     order"
                ),
                &format!(
                    "il a {found} membres ; il en faut un pour le système puis un pour le démarrage"
                ),
            ));
        }
        for member in &manifest.members {
            let name = &member.name;
            let byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b);
            let plain = (1..=64).contains(&name.len()) && name.bytes().all(byte);
            if !plain || name.starts_with('.') {
                return Err(wrong(
                    &format!("{name:?} is no plain file name"),
                    &format!("{name:?} n'est pas un simple nom de fichier"),
                ));
            }
        }
        if manifest.members[0].name == manifest.members[1].name {
            return Err(wrong("a name stands twice", "un nom y est deux fois"));
        }
        if manifest.to_text().ok().as_deref() != Some(text) {
            return Err(wrong(
                "it is not in the one form that is allowed",
                "il n'a pas la seule forme permise",
            ));
        }
        Ok(manifest)
    }

    /// The text for a package.
    ///
    /// # Errors
    /// None for manifests that this crate makes.
    pub fn to_text(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Manifest {
        let member = |name: &str, role, encoding, size| Member {
            name: name.to_owned(),
            role,
            encoding,
            size: Bytes::new(size),
        };
        Manifest {
            format: FORMAT,
            changelog: [("en", "x \"y\"\n\u{1f}\u{7f}"), ("fr", "é")]
                .map(|(language, text)| (language.to_owned(), text.to_owned()))
                .into(),
            members: vec![
                member("system.img", Role::System, Encoding::Plain, 4096),
                member("boot.img.zst", Role::Boot, Encoding::Zstd, 9),
            ],
        }
    }

    #[test]
    fn the_text_is_as_format_md_shows_it() {
        let text = good().to_text().unwrap();
        assert_eq!(Manifest::parse(&text).unwrap(), good());
        let expected = r#"{
  "format": 1,
  "changelog": {
    "en": "x \"y\"\n\u001f"#
            .to_owned()
            + "\u{7f}"
            + r#"",
    "fr": "é"
  },
  "members": [
    {
      "name": "system.img",
      "role": "system",
      "encoding": "plain",
      "size": 4096
    },
    {
      "name": "boot.img.zst",
      "role": "boot",
      "encoding": "zstd",
      "size": 9
    }
  ]
}
"#;
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }

    #[test]
    fn c20_c44_manifests_are_strict() {
        let good = String::from_utf8(good().to_text().unwrap()).unwrap();
        let deep = "[".repeat(100_000);
        for (from, to, word) in [
            ("\"format\": 1", "\"format\": 2", "format 2"),
            ("\"format\": 1", "\"format\": 1,\"format\": 1", "duplicate"),
            ("\"format\": 1", "\"format\": 1e400", "out of range"),
            ("\"format\": 1", "\"format\": true", "boolean"),
            ("\"format\": 1", "\"format\": 1,\"script\": \"x\"", "script"),
            (
                "\"format\": 1",
                &format!("\"format\": {deep}"),
                "invalid type",
            ),
            ("}\n  ]", "},\n  ]", "trailing comma"),
            (
                "{\n  \"format\"",
                "\u{feff}{\n  \"format\"",
                "expected value",
            ),
            ("system.img", "../system", "plain file name"),
            ("system.img", "/system", "plain file name"),
            ("system.img", ".", "plain file name"),
            ("system.img", "", "plain file name"),
            ("system.img", "boot.img.zst", "twice"),
            (
                "\"role\": \"boot\"",
                "\"role\": \"system\"",
                "one for system",
            ),
            ("\"role\": \"boot\"", "\"role\": \"data\"", "data"),
            ("\"encoding\": \"zstd\"", "\"encoding\": \"xz\"", "xz"),
            ("\"size\": 9", "\"size\": -9", "negative"),
            ("\"size\": 9", "\"size\": 9.0", "invalid"),
            ("\"size\": 9", "\"size\": -0", "invalid"),
            ("é", "\\ud800", "hex escape"),
            // Other spellings of the same.
            ("é", "\\u00e9", "one form"),
            (
                "\"role\": \"boot\"",
                "\"role\": {\"boot\": null}",
                "one form",
            ),
            ("\": 9", "\":9", "one form"),
            ("\n}\n", "\n}", "one form"),
            ("\n}\n", "\n}\n\n", "one form"),
            ("\n", "\r\n", "one form"),
            ("\\u001f", "\\u001F", "one form"),
        ] {
            let text = good.replacen(from, to, 1);
            assert_ne!(text, good, "{from}");
            let error = Manifest::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(word), "{from} → {to:.40}: {error:.300}");
        }
        // A structure by its values alone.
        let array = r#"[1, {}, [["system.img", "system", "plain", 1], ["b", "boot", "plain", 1]]]"#;
        let error = Manifest::parse(array.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("one form"), "{error}");
    }
}
