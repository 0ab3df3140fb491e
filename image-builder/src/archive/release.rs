//! `InRelease`: the signed list of a suite's indexes.
//!
//! No line is looked at before a signature over it by a pinned key has been verified, and
//! only the text that was signed is ever parsed.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use pgp::composed::{CleartextSignedMessage, Deserializable, SignedPublicKey};

/// The keys that may sign a Release file; the file that holds them is the pin.
pub struct Keyring(Vec<SignedPublicKey>);

impl Keyring {
    /// Reads a file of armoured public keys.
    ///
    /// # Errors
    /// Not armoured keys, or none.
    pub fn parse(armoured: &[u8]) -> Result<Self> {
        let (keys, _) =
            SignedPublicKey::from_armor_many(armoured).context("reading the archive's keys")?;
        let keys = keys
            .collect::<Result<Vec<_>, _>>()
            .context("reading the archive's keys")?;
        ensure!(
            !keys.is_empty(),
            "the file of the archive's keys holds none"
        );
        Ok(Self(keys))
    }

    /// Whether one key of the ring, or a subkey of it, has made a signature of the message.
    ///
    /// Subkey bindings and expiry are not consulted: the file in the repository is what
    /// says that these keys, with these subkeys, are trusted.
    fn has_signed(&self, message: &CleartextSignedMessage) -> bool {
        self.0.iter().any(|key| {
            message.verify(key).is_ok()
                || key
                    .public_subkeys
                    .iter()
                    .any(|sub| message.verify(sub).is_ok())
        })
    }
}

/// A verified Release file.
#[derive(Debug)]
pub struct Release {
    /// The suite's date, as it stands in the file.
    pub date: String,
    /// SHA-256 and size of every index, by path below `dists/SUITE/`.
    pub indexes: BTreeMap<String, (String, u64)>,
}

/// Verifies an `InRelease` file and reads it.
///
/// # Errors
/// No good signature by a key of the ring; another suite than asked for; a malformed list.
pub fn verify(in_release: &[u8], suite: &str, keys: &Keyring) -> Result<Release> {
    let text = std::str::from_utf8(in_release).context("InRelease is not text")?;
    let (message, _) = CleartextSignedMessage::from_string(text)
        .with_context(|| format!("the InRelease file of {suite} is not a signed message"))?;
    ensure!(
        keys.has_signed(&message),
        "the InRelease file of {suite} has no good signature by a key in rootfs/keys: it was changed on \
         the way, or the archive has new keys. Try another mirror (--mirror URL)"
    );
    parse(message.text(), suite)
}

fn parse(text: &str, suite: &str) -> Result<Release> {
    let stanzas = super::index::stanzas(text)?;
    let [stanza] = &stanzas[..] else {
        bail!("the Release file of {suite} is not one stanza")
    };
    let field = |name: &str| stanza.get(name).map_or("", String::as_str);
    ensure!(
        field("Codename") == suite || field("Suite") == suite,
        "asked for suite {suite}, the mirror sent {} ({})",
        field("Codename"),
        field("Suite")
    );
    let indexes = field("SHA256")
        .lines()
        .filter(|l| !l.trim().is_empty())
        .map(
            |line| match line.split_whitespace().collect::<Vec<_>>()[..] {
                [sha256, size, path] => Ok((path.to_owned(), (sha256.to_owned(), size.parse()?))),
                _ => bail!("the Release file of {suite}: {line:?} is not \"sha256 size path\""),
            },
        )
        .collect::<Result<_>>()?;
    Ok(Release {
        date: field("Date").to_owned(),
        indexes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &[u8] = include_bytes!("../../../rootfs/keys/debian-13.asc");

    #[test]
    fn the_pinned_keys_are_those_of_debian_13() {
        use pgp::types::KeyDetails;
        let prints: Vec<_> = Keyring::parse(KEYS)
            .unwrap()
            .0
            .iter()
            .map(|k| k.fingerprint().to_string().to_uppercase())
            .collect();
        for expected in [
            "04B54C3CDCA79751B16BC6B5225629DF75B188BD",
            "5E04A1E3223A19A20706E20F9904613D4CCE68C6",
            "41587F7DB8C774BCCF131416762F67A0B2C39DE4",
        ] {
            assert!(
                prints.iter().any(|p| p == expected),
                "{expected} is not in {prints:?}"
            );
        }
        assert_eq!(prints.len(), 3);
    }

    /// As the archive served it on 2026-11-21.
    const IN_RELEASE: &str = include_str!("../../tests/data/trixie-security.InRelease");

    #[test]
    fn a_signed_release_is_read() {
        let keys = Keyring::parse(KEYS).unwrap();
        let release = verify(IN_RELEASE.as_bytes(), "trixie-security", &keys).unwrap();
        assert_eq!(release.date, "Sat, 21 Nov 2026 00:53:03 UTC");
        assert!(
            release
                .indexes
                .contains_key("main/binary-amd64/Packages.xz")
        );
    }

    #[test]
    fn a_release_that_was_tampered_with_is_refused() {
        let keys = Keyring::parse(KEYS).unwrap();
        let (at, _) = IN_RELEASE
            .match_indices("main/binary-amd64/Packages.xz")
            .next()
            .unwrap();
        let line = IN_RELEASE[..at].rfind('\n').unwrap() + 1;
        let digit = IN_RELEASE[line..]
            .find(|c: char| c.is_ascii_hexdigit())
            .unwrap()
            + line;
        let other = if &IN_RELEASE[digit..=digit] == "0" {
            "1"
        } else {
            "0"
        };
        let no_signature = IN_RELEASE.split("-----BEGIN PGP SIGNATURE").next().unwrap();
        let cases = [
            format!(
                "{}{other}{}",
                &IN_RELEASE[..digit],
                &IN_RELEASE[digit + 1..]
            ),
            IN_RELEASE.replace("Codename: trixie-security", "Codename: trixie"),
            no_signature.to_owned(),
            IN_RELEASE[..IN_RELEASE.len() / 2].to_owned(),
            String::new(),
        ];
        for (number, text) in cases.iter().enumerate() {
            assert!(
                verify(text.as_bytes(), "trixie-security", &keys).is_err(),
                "case {number}"
            );
        }
    }

    #[test]
    fn text_around_the_signed_part_is_never_read() {
        let keys = Keyring::parse(KEYS).unwrap();
        let smuggled =
            format!("Suite: other\nSHA256:\n 00 1 main/binary-amd64/Packages.xz\n{IN_RELEASE}");
        if let Ok(release) = verify(smuggled.as_bytes(), "trixie-security", &keys) {
            assert_ne!(release.indexes["main/binary-amd64/Packages.xz"].0, "00");
        }
    }

    #[test]
    fn a_release_of_another_suite_is_refused() {
        let error = parse(
            "Suite: stable\nCodename: trixie\nDate: x\nSHA256:\n",
            "trixie-security",
        )
        .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("asked for suite trixie-security")
        );
    }
}
