//! `vigie.answers=URL` on the kernel command line, with what proves that the answers are the ones
//! that were meant: `vigie.answers-sha256=HEX` or `vigie.answers-key=BASE64`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::VerifyingKey;
use reqwest::Url;

use super::proof::Proof;
use crate::messages::Text;

const ADDRESS: &str = "vigie.answers";
const SHA256: &str = "vigie.answers-sha256";
const KEY: &str = "vigie.answers-key";

/// Where the answers are to be fetched, and what must be true of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Their address, https.
    pub url: Url,
    /// What proves them.
    pub proof: Proof,
}

impl Order {
    /// Reads the text of /proc/cmdline; none where it says nothing about answers. Where a key is
    /// given more than once the last one counts, as in the kernel.
    pub fn read(command_line: &str) -> Result<Option<Self>, Text> {
        let value = |name: &str| {
            let of = |word: &str| Some(word.strip_prefix(name)?.strip_prefix('=')?.to_owned());
            command_line.split_whitespace().filter_map(of).next_back()
        };
        let proof = match (value(SHA256), value(KEY)) {
            (Some(digest), None) => Some(read_digest(&digest)?),
            (None, Some(key)) => Some(read_key(&key)?),
            (Some(_), Some(_)) => return Err(Text::new("sources.two-proofs")),
            (None, None) => None,
        };
        match (value(ADDRESS), proof) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(Text::new("sources.no-address")),
            (Some(_), None) => Err(Text::new("sources.no-proof")),
            (Some(address), Some(proof)) => Ok(Some(Self {
                url: read_address(&address)?,
                proof,
            })),
        }
    }
}

fn read_address(address: &str) -> Result<Url, Text> {
    let wrong = || Text::new("sources.bad-address").with("value", address);
    let url: Url = address.parse().map_err(|_| wrong())?;
    match url.scheme() == "https" && url.has_host() {
        true => Ok(url),
        false => Err(wrong()),
    }
}

fn read_digest(text: &str) -> Result<Proof, Text> {
    let wrong = |_| Text::new("sources.bad-digest").with("value", text);
    let mut digest = [0; 32];
    hex::decode_to_slice(text, &mut digest).map_err(wrong)?;
    Ok(Proof::Sha256(digest))
}

fn read_key(text: &str) -> Result<Proof, Text> {
    let key = STANDARD
        .decode(text)
        .ok()
        .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
        .and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok())
        .filter(|key| !key.is_weak());
    match key {
        Some(key) => Ok(Proof::Key(Box::new(key))),
        None => Err(Text::new("sources.bad-key").with("value", text)),
    }
}

#[cfg(test)]
mod tests {
    use vigie_settings::Language;

    use super::*;

    const HEX: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    /// The first key of RFC 8032, 7.1.
    const BASE64: &str = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    #[test]
    fn what_a_command_line_says() {
        let nothing = "quiet vigie.live=VIGIE vigie.answersx=1 xvigie.answers=2";
        assert_eq!(Order::read(nothing), Ok(None));
        for proof in [format!("{SHA256}={HEX}"), format!("{KEY}={BASE64}")] {
            let line = format!("quiet vigie.answers=https://a.example/x?y=1 {proof}\n");
            let order = Order::read(&line).unwrap().unwrap();
            assert_eq!(order.url.as_str(), "https://a.example/x?y=1");
            let by_digest = matches!(order.proof, Proof::Sha256(_));
            assert_eq!(by_digest, proof.starts_with(SHA256));
        }
        let twice = format!("vigie.answers=http://a/ vigie.answers=https://b/ {SHA256}={HEX}");
        assert_eq!(
            Order::read(&twice).unwrap().unwrap().url.as_str(),
            "https://b/"
        );
    }

    #[test]
    fn wrong_command_lines_are_refused() {
        let url = "vigie.answers=https://a.example/x";
        for (line, says) in [
            (url.to_owned(), "neither vigie.answers-sha256"),
            (format!("{SHA256}={HEX}"), "without vigie.answers"),
            (format!("{url} {SHA256}={HEX} {KEY}={BASE64}"), "both"),
            (
                format!("vigie.answers=http://a/ {SHA256}={HEX}"),
                "begins with https://",
            ),
            (
                format!("vigie.answers=https:// {SHA256}={HEX}"),
                "begins with https://",
            ),
            (format!("{url} {SHA256}=12"), "64 hexadecimal digits"),
            (format!("{url} {KEY}=12"), "public key"),
            // The neutral element: everything would be a signature of it.
            (
                format!("{url} {KEY}=AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
                "public key",
            ),
        ] {
            let said = Order::read(&line).unwrap_err().to(Language::En);
            assert!(said.contains(says), "{line}: {said}");
        }
    }
}
