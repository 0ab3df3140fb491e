//! Who may log in: root's password hash and SSH keys.

use super::{Invalid, plain_debug, text_value};

text_value!(
    /// A password's hash as in `/etc/shadow`: `$y$…` (yescrypt), `$6$…` or `$5$…`. Never printed
    /// by `Debug`.
    PasswordHash,
    check_hash
);
text_value!(
    /// One line of an `authorized_keys` file: type, key, comment; no options.
    SshKey,
    check_key
);
plain_debug!(SshKey);

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

const HASH_PREFIXES: [&str; 5] = ["$y$", "$gy$", "$6$", "$5$", "$2b$"];

fn check_hash(text: &str) -> Result<(), Invalid> {
    let fields = text.split('$').filter(|part| !part.is_empty()).count();
    let ok = HASH_PREFIXES.iter().any(|prefix| text.starts_with(prefix))
        && (3..=5).contains(&fields)
        && (20..=384).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"$./=,".contains(&b));
    if ok {
        return Ok(());
    }
    // The text may be a clear password: it must not reach a message or a log.
    Err(Invalid::new(
        "(hidden)",
        "wrong.password-hash",
        "allowed.password-hash",
    ))
}

const KEY_TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

fn check_key(text: &str) -> Result<(), Invalid> {
    let mut parts = text.split(' ');
    let known = parts.next().is_some_and(|kind| KEY_TYPES.contains(&kind));
    let base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/=".contains(&b);
    // "AAAA" is the start of every such key: it encodes the high bytes of a small length.
    let body = parts
        .next()
        .is_some_and(|key| key.starts_with("AAAA") && key.len() >= 40 && key.bytes().all(base64));
    if known && body && text.len() <= 8192 && !text.contains(|c: char| c.is_control()) {
        return Ok(());
    }
    Err(Invalid::new(text, "wrong.ssh-key", "allowed.ssh-key"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2zKQ1mBpgkPzT0zQ7yUj1QvG0wYcWm8zZ3dQ5nqk7P admin@example";

    #[test]
    fn hashes() {
        for good in [
            "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$tnSYvahCwPBHKZUspmcxMfb0.WiB9W.zEaKlOBL35rC",
            "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/",
            "$2b$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234",
        ] {
            assert!(good.parse::<PasswordHash>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "secret",
            "!",
            "*",
            "$1$salt$hash",
            "$6$salt$ha:sh567890123456789",
            "$y$j9T$a\nroot::",
            "$y$",
        ] {
            let error = bad.parse::<PasswordHash>().expect_err(bad).to_string();
            assert!(
                bad.is_empty() || bad.len() < 4 || !error.contains(bad),
                "{error}"
            );
        }
    }

    #[test]
    fn a_hash_is_not_printed() {
        let hash: PasswordHash = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4"
            .parse()
            .expect("hash");
        assert_eq!(format!("{hash:?}"), "(hidden)");
    }

    #[test]
    fn keys() {
        assert!(ED25519.parse::<SshKey>().is_ok());
        for bad in [
            "",
            "ssh-ed25519",
            "ssh-ed25519 hello",
            "command=\"x\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2zKQ1mBpgkPzT0zQ7yUj1QvG0wYcWm8zZ3dQ5nqk7P",
            "ssh-dss AAAAC3NzaC1lZDI1NTE5AAAAIJ2zKQ1mBpgkPzT0zQ7yUj1QvG0wYcWm8zZ3dQ5nqk7P",
            &format!("{ED25519}\nssh-rsa AAAA"),
        ] {
            assert!(bad.parse::<SshKey>().is_err(), "{bad}");
        }
    }
}
