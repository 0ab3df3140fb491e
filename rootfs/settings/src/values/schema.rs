//! JSON schemas of the values that are written as text. A pattern says what a pattern can say;
//! what it cannot (an address inside a network, a name that is not "localhost") the parser refuses.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{
    Certificates, Cidr, Email, FsUuid, Host, HostName, HttpsUrl, IdleMinutes, InterfaceName,
    Keymap, Line, MacAddress, MountPoint, PasswordHash, PathName, SshKey, TimeZone, Token,
    UserName, VolumeName, WebHash, Window,
};

macro_rules! text_schema {
    ($($name:ident: $pattern:literal, $description:literal;)+) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "type": "string",
                    "pattern": $pattern,
                    "description": $description,
                })
            }
        }

        #[cfg(test)]
        impl Patterned for $name {
            const PATTERN: &'static str = $pattern;
        }
    )+};
}

/// What the tests hold to the parser.
#[cfg(test)]
pub(super) trait Patterned {
    const PATTERN: &'static str;
}

text_schema! {
    HostName: r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$",
        "Letters, digits and hyphens, in parts joined by dots, 64 characters at most.";
    TimeZone: r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z][A-Za-z0-9_+-]*)*$",
        "A name of the IANA time zone database, such as Europe/Paris.";
    Keymap: r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$",
        "A console keymap's name, such as us, fr or fr-latin9.";
    InterfaceName: r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$",
        "A network port's kernel name, such as enp3s0.";
    MacAddress: r"^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$",
        "A hardware address, such as 52:54:00:12:34:56.";
    Cidr: r"^[0-9A-Fa-f.:]+/[0-9]{1,3}$",
        "An own address with the length of its network's prefix, such as 192.168.1.10/24.";
    Host: r"^[A-Za-z0-9:][A-Za-z0-9.:-]*$",
        "A server by host name or by address.";
    PasswordHash: r"^\$(y|gy|6|5|2b)\$[A-Za-z0-9$./=,]+$",
        "A password's hash as mkpasswd prints it: $y$… (yescrypt), $6$…, $5$… or $2b$….";
    SshKey: r"^(ssh|ecdsa|sk)-[a-z0-9@.-]+ AAAA[A-Za-z0-9+/=]+( .*)?$",
        "One line of a .pub file: type, key, comment; no options.";
    HttpsUrl: r"^https://[A-Za-z0-9\[][A-Za-z0-9.:\[\]-]*/([^?# ]*/)?$",
        "A folder on an HTTPS server, with a slash at the end.";
    Certificates: r"-----BEGIN CERTIFICATE-----",
        "Certificates in PEM, 16 KiB at most.";
    Window: r"^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$",
        "A local time of day of 30 minutes or more, such as 02:00-04:00.";
    PathName: r"^[A-Za-z0-9_:-][A-Za-z0-9_.:-]{0,127}$",
        "A name that may stand in a URL.";
    Token: r"^[!-~]{8,256}$",
        "What the device shows to its server.";
    UserName: r"^[a-z][a-z0-9._-]{0,31}$",
        "Lower-case letters, digits, '.', '_' and '-', a letter first; not root, not service.";
    WebHash: r"^\$argon2id\$v=19\$m=[0-9]+,t=[0-9]+,p=[0-9]+\$[A-Za-z0-9+/]{11,64}\$[A-Za-z0-9+/]{22,86}$",
        "A hash of argon2id in the PHC form, m from 7168 to 32768 KiB, t from 1 to 16, p from 1 to 4.";
    Line: r"^[^\x00-\x20\x7f]([^\x00-\x1f\x7f]{0,198}[^\x00-\x20\x7f])?$",
        "One line of text, 200 characters at most.";
    Email: r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]+$",
        "An address for mail, such as anna@example.org.";
    VolumeName: r"^[a-z0-9][a-z0-9_-]{0,31}$",
        "A data volume's name, such as data-1.";
    FsUuid: r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        "A file system's UUID in lower case.";
    MountPoint: r"^/srv/[a-z0-9][a-z0-9_-]{0,31}$",
        "One folder below /srv, such as /srv/data-1.";
}

impl JsonSchema for IdleMinutes {
    fn schema_name() -> Cow<'static, str> {
        "IdleMinutes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "integer",
            "minimum": Self::LEAST,
            "maximum": Self::MOST,
            "description": "Minutes without a request after which a session ends.",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    /// What the parser accepts, the pattern must accept too: an editor must not mark it.
    fn accepts<T: FromStr + Patterned>(texts: &[&str]) {
        let pattern = regex_lite::Regex::new(T::PATTERN).expect(T::PATTERN);
        for text in texts {
            assert!(
                T::from_str(text).is_ok() && pattern.is_match(text),
                "{text}"
            );
        }
    }

    fn refuses<T: FromStr + Patterned>(texts: &[&str]) {
        let pattern = regex_lite::Regex::new(T::PATTERN).expect(T::PATTERN);
        for text in texts {
            assert!(
                T::from_str(text).is_err() && !pattern.is_match(text),
                "{text}"
            );
        }
    }

    #[test]
    fn patterns_are_the_parsers() {
        accepts::<HostName>(&["vigie", "nvr-01", "hall.example.org", "1st"]);
        refuses::<HostName>(&["", "-a", "a b", "a..b", "a_b"]);
        accepts::<TimeZone>(&["UTC", "Etc/GMT+5", "America/Argentina/Buenos_Aires"]);
        refuses::<TimeZone>(&["", "/etc/shadow", "Europe/", "../x"]);
        accepts::<Keymap>(&["us", "fr-latin9", "us.map"]);
        refuses::<Keymap>(&["", "../x", "a b"]);
        accepts::<InterfaceName>(&["enp3s0", "eth0.5"]);
        refuses::<InterfaceName>(&["", "a b", "averyveryverylongname"]);
        accepts::<MacAddress>(&["52:54:00:12:34:56", "52-54-00-AB-cd-56"]);
        refuses::<MacAddress>(&["", "52:54:00:12:34", "5254.0012.3456"]);
        accepts::<Cidr>(&["192.168.1.10/24", "fd00::10/64"]);
        refuses::<Cidr>(&["192.168.1.10", "192.168.1.10/"]);
        accepts::<Host>(&["ntp.example.org", "192.168.1.1", "fd00::1", "::1"]);
        refuses::<Host>(&["", "a b", "-a"]);
        accepts::<PasswordHash>(&["$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4"]);
        refuses::<PasswordHash>(&["", "secret", "$1$salt$hash"]);
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ2zKQ1mBpgkPzT0zQ7yUj1QvG0wYcWm8zZ3dQ5nqk7P a b";
        accepts::<SshKey>(&[key]);
        refuses::<SshKey>(&["", "ssh-ed25519", "command=\"x\" ssh-ed25519 AAAA"]);
        accepts::<HttpsUrl>(&["https://a.example/", "https://[fd00::5]:8443/a/b/"]);
        refuses::<HttpsUrl>(&[
            "",
            "http://a.example/",
            "https://a.example",
            "https://u@a.example/",
        ]);
        accepts::<Certificates>(&["-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n"]);
        refuses::<Certificates>(&["", "AA"]);
        accepts::<Window>(&["02:00-04:00", "23:30-01:00"]);
        refuses::<Window>(&["", "2:00-4:00", "24:00-01:00"]);
        accepts::<PathName>(&["DEFAULT", "nvr-01:a_b.c"]);
        refuses::<PathName>(&["", ".", "a/b"]);
        accepts::<Token>(&["0123456789abcdef"]);
        refuses::<Token>(&["", "short", "with a space"]);
        accepts::<UserName>(&["anna", "j.martin"]);
        refuses::<UserName>(&["", "Anna", "1st"]);
        accepts::<WebHash>(&[
            "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        ]);
        refuses::<WebHash>(&[
            "",
            "secret",
            "$argon2i$v=19$m=19456,t=2,p=1$c29tZXNhbHRz$nf65EOgLrQMR/uIPnA4rEs",
        ]);
        accepts::<Line>(&["a", "Musée d'Orsay, 1er étage"]);
        refuses::<Line>(&["", " a", "a ", "a\nb"]);
        accepts::<Email>(&["anna@example.org"]);
        refuses::<Email>(&["", "anna", "a b@example.org"]);
        accepts::<VolumeName>(&["data-1"]);
        refuses::<VolumeName>(&["", "Data"]);
        accepts::<FsUuid>(&["0f3b7a52-9c1d-4e8f-a6b0-1234567890ab"]);
        refuses::<FsUuid>(&["", "1234-ABCD"]);
        accepts::<MountPoint>(&["/srv/data-1"]);
        refuses::<MountPoint>(&["", "/srv/", "/srv/a/b"]);
    }
}
