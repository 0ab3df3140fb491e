//! Where updates come from, and when they may be installed.

use super::net::Host;
use super::{Invalid, plain_debug, text_value};

text_value!(
    /// A folder on a server, such as `https://updates.example.org/vigie/`: HTTPS, a host, perhaps
    /// a port, a path that ends with a slash; at most 512 bytes.
    HttpsUrl,
    check_url
);
text_value!(
    /// Certificates in PEM, at most 16 KiB.
    Certificates,
    check_certificates
);
text_value!(
    /// A time of day, local: `02:00-04:00`, 30 minutes at least; it may pass midnight.
    Window,
    check_window
);
text_value!(
    /// A name that stands in a URL as one part of its path: a tenant, a controller's id.
    PathName,
    check_path_name
);
text_value!(
    /// What a device shows to its server. Never printed by `Debug`.
    Token,
    check_token
);
plain_debug!(HttpsUrl, Certificates, Window, PathName);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

fn check_url(text: &str) -> Result<(), Invalid> {
    let path = |path: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/%+,=:@".contains(&b);
        path.bytes().all(plain) && !path.split('/').any(|part| part == ".." || part == ".")
    };
    let ok = text.len() <= 512
        && text.ends_with('/')
        && text
            .strip_prefix("https://")
            .and_then(|rest| rest.split_once('/'))
            .is_some_and(|(server, rest)| is_server(server) && path(rest));
    if ok {
        return Ok(());
    }
    // A password may stand in it.
    let found = if text.contains('@') { "(hidden)" } else { text };
    Err(Invalid::new(found, "wrong.url", "allowed.url"))
}

/// `host`, `host:port` or `[address]:port`.
fn is_server(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, rest)) = rest.split_once(']') else {
                return false;
            };
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            (
                None,
                rest.strip_prefix(':').or((!rest.is_empty()).then_some("")),
            )
        }
        None => match text.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(text), None),
        },
    };
    host.is_none_or(|host| host.parse::<Host>().is_ok())
        && port.is_none_or(|port| {
            port.parse::<u16>()
                .is_ok_and(|number| number > 0 && number.to_string() == port)
        })
}

fn check_certificates(text: &str) -> Result<(), Invalid> {
    let count = |what: &str| {
        text.matches(&format!("-----{what} CERTIFICATE-----"))
            .count()
    };
    let plain = |b: u8| (b' '..0x7f).contains(&b) || b == b'\n' || b == b'\r';
    let ok = text.len() <= 16 << 10
        && text.bytes().all(plain)
        && count("BEGIN") > 0
        && count("BEGIN") == count("END")
        && !text.contains("PRIVATE KEY");
    if ok {
        return Ok(());
    }
    Err(Invalid::new(
        "(the text)",
        "wrong.certificates",
        "allowed.certificates",
    ))
}

/// The shortest window, in minutes: the timer looks four times an hour.
const WINDOW_MIN: u16 = 30;
const DAY: u16 = 24 * 60;

fn minutes(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str, below: u16| {
        let two = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        two.then(|| text.parse::<u16>().ok())
            .flatten()
            .filter(|number| *number < below)
    };
    Some(number(hours, 24)? * 60 + number(minutes, 60)?)
}

fn ends(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-')?;
    Some((minutes(from)?, minutes(to)?))
}

fn check_window(text: &str) -> Result<(), Invalid> {
    let long = |(from, to): (u16, u16)| (to + DAY - from) % DAY >= WINDOW_MIN;
    if ends(text).is_some_and(long) {
        return Ok(());
    }
    Err(Invalid::new(text, "wrong.window", "allowed.window"))
}

impl Window {
    /// Whether a local time, in minutes since midnight, lies in it. Its end does not.
    #[must_use]
    pub fn contains(&self, minute: u16) -> bool {
        ends(self.as_str())
            .is_some_and(|(from, to)| (minute + DAY - from) % DAY < (to + DAY - from) % DAY)
    }
}

fn check_path_name(text: &str) -> Result<(), Invalid> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
    if (1..=128).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('.') {
        return Ok(());
    }
    Err(Invalid::new(text, "wrong.path-name", "allowed.path-name"))
}

fn check_token(text: &str) -> Result<(), Invalid> {
    let plain = |b: u8| b.is_ascii_graphic();
    if (8..=256).contains(&text.len()) && text.bytes().all(plain) {
        return Ok(());
    }
    Err(Invalid::new("(hidden)", "wrong.token", "allowed.token"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in [
            "https://updates.example.org/",
            "https://updates.example.org/vigie/stable/",
            "https://10.0.0.5:8443/a/",
            "https://[fd00::5]:8443/a/",
            "https://[fd00::5]/",
        ] {
            assert!(good.parse::<HttpsUrl>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "http://updates.example.org/",
            "https://updates.example.org",
            "https://updates.example.org/a",
            "https:///a/",
            "https://user:secret@example.org/",
            "https://example.org/?x=/",
            "https://example.org/#/",
            "https://example.org/../",
            "https://example.org:0/",
            "https://example.org:99999/",
            "https://exa mple.org/",
            "https://example.org/\n/",
            "https://[fd00::5/",
            "https://[fd00::5]x/",
            "file:///etc/",
            &format!("https://example.org/{}/", "a".repeat(512)),
        ] {
            let error = bad.parse::<HttpsUrl>().expect_err(bad).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn certificates_are_pem_without_keys() {
        let one = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        assert!(one.parse::<Certificates>().is_ok());
        assert!(one.repeat(2).parse::<Certificates>().is_ok());
        for bad in [
            String::new(),
            "MIIB".to_owned(),
            one.replace("END", "END OF"),
            format!("{one}-----BEGIN PRIVATE KEY-----\n"),
            one.repeat(400),
            format!("{one}\0"),
        ] {
            assert!(bad.parse::<Certificates>().is_err(), "{bad:.40}");
        }
    }

    #[test]
    fn windows_contain_their_times() {
        for (window, minute, inside) in [
            ("02:00-04:00", 119, false),
            ("02:00-04:00", 120, true),
            ("02:00-04:00", 239, true),
            ("02:00-04:00", 240, false),
            ("23:30-01:00", 1409, false),
            ("23:30-01:00", 1410, true),
            ("23:30-01:00", 0, true),
            ("23:30-01:00", 59, true),
            ("23:30-01:00", 60, false),
        ] {
            let parsed: Window = window.parse().expect(window);
            assert_eq!(parsed.contains(minute), inside, "{window} {minute}");
        }
        for bad in [
            "",
            "02:00",
            "2:00-4:00",
            "02:00-02:00",
            "02:00-02:29",
            "24:00-02:00",
            "02:60-04:00",
            "02:00–04:00",
            "02:00-04:00 ",
        ] {
            assert!(bad.parse::<Window>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_and_tokens() {
        for (text, good) in [
            ("DEFAULT", true),
            ("nvr-01:a_b.c", true),
            ("", false),
            ("a/b", false),
            ("..", false),
            ("a?b", false),
        ] {
            assert_eq!(text.parse::<PathName>().is_ok(), good, "{text}");
        }
        let token: Token = "0123456789abcdef".parse().expect("token");
        assert_eq!(format!("{token:?}"), "(hidden)");
        for bad in ["", "short", "with a space in it", "line\nline2345"] {
            let error = bad.parse::<Token>().expect_err(bad).to_string();
            assert!(bad.is_empty() || !error.contains(bad), "{error}");
        }
    }
}
