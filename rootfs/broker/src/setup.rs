//! The code by which the first administrator is made: whoever reads it stands at the appliance's console,
//! so nobody else in the network is the first. It is made when it is first asked for, lies in memory where only
//! root reads it, and is gone once it was used.

use std::io;
use std::path::PathBuf;

use sha2::{Digest, Sha256};
use vigie_login::kept::Kept;

/// Where it is kept.
pub const CODE: &str = "/run/vigie/setup-code";

/// What it is made of: nothing in it is taken for something else. 32 of them, so that a byte gives one.
const ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
/// Its length: 40 bits.
const LENGTH: usize = 8;

/// The code.
#[derive(Clone, Debug)]
pub struct Code {
    /// [`CODE`].
    pub path: PathBuf,
}

impl Code {
    /// The code in two groups; it is made when there is none, or none that is whole.
    ///
    /// # Errors
    /// No random numbers, or it cannot be kept.
    pub fn shown(&self) -> io::Result<String> {
        let kept = Kept::lock(&self.path)?;
        let text = match whole(kept.read()?) {
            Some(text) => text,
            None => {
                let text = random()?;
                kept.write(text.as_bytes())?;
                text
            }
        };
        let (one, two) = text.split_at(LENGTH / 2);
        Ok(format!("{one}-{two}"))
    }

    /// Whether what was typed is the code, compared in constant time; spaces, dashes and small letters do not
    /// matter.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn is(&self, typed: &str) -> io::Result<bool> {
        let Some(code) = whole(Kept::lock(&self.path)?.read()?) else {
            return Ok(false);
        };
        let typed = typed.chars().filter(|c| !c.is_whitespace() && *c != '-');
        let typed: String = typed.take(LENGTH + 1).collect();
        // Of digests, whose bytes nobody chooses.
        let digest = |text: &str| Sha256::digest(text.as_bytes());
        let (one, other) = (digest(&code), digest(&typed.to_ascii_uppercase()));
        let differs = one.iter().zip(&other).fold(0, |all, (a, b)| all | (a ^ b));
        Ok(differs == 0)
    }

    /// It opens nothing any more.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn forget(&self) -> io::Result<()> {
        Kept::lock(&self.path)?.write(b"")
    }
}

fn whole(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).ok()?;
    let good = text.len() == LENGTH && text.bytes().all(|byte| ALPHABET.contains(&byte));
    good.then_some(text)
}

fn random() -> io::Result<String> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    let symbol = |byte: &u8| char::from(ALPHABET[usize::from(byte % 32)]);
    Ok(bytes.iter().map(symbol).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn it_is_made_once_and_is_gone_once_it_was_used() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("code");
        let code = Code { path: path.clone() };
        // Before anybody asked, nothing is one.
        for nothing in ["", "-", "ABCD-EFGH"] {
            assert!(!code.is(nothing).unwrap(), "{nothing}");
        }
        let shown = code.shown().unwrap();
        assert_eq!((shown.len(), shown.find('-')), (9, Some(4)));
        assert!(!shown.contains(['0', 'O', '1', 'I', 'l']), "{shown}");
        assert_eq!(code.shown().unwrap(), shown);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let small = shown.to_lowercase().replace('-', " ");
        for good in [&shown, &small, &format!(" {shown} ")] {
            assert!(code.is(good).unwrap(), "{good}");
        }
        for wrong in ["", "-", &shown[1..], &format!("{shown}A"), "AAAA-AAAA"] {
            assert!(!code.is(wrong).unwrap(), "{wrong}");
        }
        code.forget().unwrap();
        assert!(!code.is(&shown).unwrap() && !code.is("").unwrap());
        assert_ne!(code.shown().unwrap(), shown);
        // One that is damaged opens nothing and is made anew.
        for damaged in [&b"ABCD"[..], b"\xff", b"ABCDEFGHJ", b"00000000"] {
            fs::write(&path, damaged).unwrap();
            assert!(!code.is(&String::from_utf8_lossy(damaged)).unwrap());
        }
        assert_eq!(code.shown().unwrap().len(), 9);
    }
}
