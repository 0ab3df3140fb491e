//! Who is at the other end of the updater's socket.

use std::os::unix::net::UnixStream;

use rustix::net::sockopt::socket_peercred;
use vigie_settings::Said;

use crate::spoken::both;

/// The group whose members may ask for updates.
pub const GROUP: &str = "vigie-update";
/// The account of the web interface, which speaks for those who logged in to it.
pub const WEB: &str = "vigie-web";

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Root.
    Root,
    /// The web interface.
    Web,
    /// A member of [`GROUP`], by account.
    Member(String),
}

/// Who is at the other end, by what the kernel says.
///
/// # Errors
/// Somebody who may not ask.
pub fn of(socket: &UnixStream, passwd: &str, group: &str) -> Result<Peer, Said> {
    let credentials = socket_peercred(socket).map_err(|error| {
        both(
            format!("who asks: {error}"),
            format!("qui demande : {error}"),
        )
    })?;
    let (user, main) = (credentials.uid.as_raw(), credentials.gid.as_raw());
    judged(user, main, passwd, group).ok_or_else(|| {
        both(
            format!("account {user} may not ask for updates: it is not in the group {GROUP}"),
            format!(
                "le compte {user} ne peut pas demander de mise à jour : il n'est pas dans le groupe \
                 {GROUP}"
            ),
        )
    })
}

fn judged(user: u32, main: u32, passwd: &str, group: &str) -> Option<Peer> {
    if user == 0 {
        return Some(Peer::Root);
    }
    let number = user.to_string();
    let mut accounts = passwd.lines().map(|line| line.split(':'));
    let name = accounts.find_map(|mut fields| {
        let name = fields.next()?;
        (fields.nth(1)? == number).then_some(name)
    })?;
    if name == WEB {
        return Some(Peer::Web);
    }
    let mut groups = group.lines().map(|line| line.split(':'));
    let mut fields = groups.find_map(|mut fields| (fields.next()? == GROUP).then_some(fields))?;
    let id = fields.nth(1)?;
    let members = fields.next()?;
    let is_member = id == main.to_string() || members.split(',').any(|member| member == name);
    is_member.then(|| Peer::Member(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0::/root:/bin/bash\nvigie-web:x:120:120::/:/x\n\
                          service:x:1000:1000::/:/x\nprimary:x:1001:122::/:/x\nother:x:1002:1002::/:/x\n";
    const GROUPS: &str = "root:x:0:\nvigie-update:x:122:vigie-web,service\nnext:x:123:other\n";

    #[test]
    fn c64_who_may_ask() {
        for (user, main, expected) in [
            (0, 0, Some(Peer::Root)),
            (120, 120, Some(Peer::Web)),
            (1000, 1000, Some(Peer::Member("service".into()))),
            (1001, 122, Some(Peer::Member("primary".into()))),
            (1002, 1002, None),
            (4711, 122, None),
            (65534, 65534, None),
        ] {
            assert_eq!(judged(user, main, PASSWD, GROUPS), expected, "{user}");
        }
        assert_eq!(judged(1000, 1000, PASSWD, ""), None);
        assert_eq!(judged(1000, 1000, "", GROUPS), None);
    }

    #[test]
    fn the_kernel_says_who_it_is() {
        let (near, _far) = UnixStream::pair().unwrap();
        let me = rustix::process::getuid();
        let peer = of(&near, PASSWD, GROUPS);
        assert_eq!(peer == Ok(Peer::Root), me.is_root());
    }
}
