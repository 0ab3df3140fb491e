//! Who is at the other end of the broker's socket, by what the kernel says.

use std::os::unix::net::UnixStream;

use rustix::net::sockopt::socket_peercred;
use serde::{Deserialize, Serialize};

/// The account of the web interface, which speaks for those who have logged in to it.
pub const WEB: &str = "vigie-web";

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Peer {
    /// Root: the console menu, or somebody in a shell. It may do everything anyway.
    Root,
    /// The web interface: it may do nothing by itself.
    Web,
}

/// Who is at the other end.
///
/// # Errors
/// The number of an account that may not ask, or what the kernel says.
pub fn of(socket: &UnixStream, passwd: &str) -> Result<Peer, String> {
    let credentials = socket_peercred(socket).map_err(|error| format!("who asks: {error}"))?;
    let user = credentials.uid.as_raw();
    judged(user, passwd).ok_or_else(|| format!("account {user} may not ask the broker"))
}

fn judged(user: u32, passwd: &str) -> Option<Peer> {
    if user == 0 {
        return Some(Peer::Root);
    }
    let mut accounts = passwd.lines().map(|line| line.split(':'));
    let number = accounts.find_map(|mut fields| (fields.next()? == WEB).then(|| fields.nth(1))?);
    (number? == user.to_string()).then_some(Peer::Web)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0::/root:/bin/bash\nvigie-web:x:120:120::/:/x\n\
                          vigie-pull:x:124:124::/:/x\nservice:x:123:123::/:/x\n";

    #[test]
    fn who_may_ask() {
        for (user, expected) in [
            (0, Some(Peer::Root)),
            (120, Some(Peer::Web)),
            (123, None),
            (124, None),
            (12, None),
            (65534, None),
        ] {
            assert_eq!(judged(user, PASSWD), expected, "{user}");
        }
        assert_eq!(judged(120, ""), None);
        assert_eq!(judged(120, "vigie-web\n:x:120"), None);
    }

    #[test]
    fn the_kernel_says_who_it_is() {
        let (near, _far) = UnixStream::pair().unwrap();
        let root = rustix::process::getuid().is_root();
        assert_eq!(of(&near, PASSWD) == Ok(Peer::Root), root);
    }
}
