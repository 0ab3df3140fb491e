//! What may listen in the appliance: `rootfs/PORTS.md`, read as the tables that it is.
//!
//! The tests below hold it against the sources of the image; [`unlisted`] holds it against what
//! ss(8) says on a running one.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

/// The tables, below the root of the repository.
const FILE: &str = "rootfs/PORTS.md";

/// All that may listen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// The ports.
    pub ports: Vec<Port>,
    /// The Unix sockets.
    pub sockets: Vec<Socket>,
}

/// A port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// Its number.
    pub number: u16,
    /// At which addresses.
    pub at: At,
    /// The unit that has it.
    pub by: String,
}

/// A Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Its path; a `*` at the end stands for all below.
    pub path: String,
    /// The unit that has it.
    pub by: String,
}

/// At which addresses a port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// All of them.
    Any,
    /// One that the appliance has in a network.
    Own,
    /// Those that nobody outside reaches.
    Loopback,
}

impl At {
    fn of(address: &str) -> Result<At> {
        // With the interface that it is bound to: 127.0.0.53%lo, [fe80::1]%eth0.
        let bare = address.split('%').next().unwrap_or_default();
        let bare = bare.trim_start_matches('[').trim_end_matches(']');
        if bare == "*" {
            return Ok(At::Any);
        }
        let address: IpAddr = bare
            .parse()
            .with_context(|| format!("{address:?} is no address"))?;
        Ok(match address {
            address if address.is_unspecified() => At::Any,
            address if address.is_loopback() => At::Loopback,
            _ => At::Own,
        })
    }
}

impl Listed {
    /// Reads the tables of a repository.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn load(root: &Path) -> Result<Listed> {
        let text =
            fs::read_to_string(root.join(FILE)).with_context(|| format!("reading {FILE}"))?;
        Listed::parse(&text).with_context(|| format!("reading the tables of {FILE}"))
    }

    /// Reads the tables.
    ///
    /// # Errors
    /// A line of a table that is not understood.
    pub fn parse(text: &str) -> Result<Listed> {
        let mut listed = Listed::default();
        for line in text.lines().filter(|line| line.starts_with('|')) {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let filled = cells.iter().all(|cell| !cell.is_empty());
            ensure!(filled, "a cell is empty: {line}");
            match *cells {
                ["protocol" | "path" | "---", ..] => {}
                [protocol @ ("tcp" | "udp"), number, at, by, _, _] => listed.ports.push(Port {
                    protocol: protocol.to_owned(),
                    number: number.parse().with_context(|| line.to_owned())?,
                    at: word(at)?,
                    by: bare(by),
                }),
                [path, by, _, _] => listed.sockets.push(Socket {
                    path: bare(path),
                    by: bare(by),
                }),
                _ => bail!("not a line of these tables: {line}"),
            }
        }
        Ok(listed)
    }

    fn has_port(&self, protocol: &str, number: u16, at: At) -> bool {
        let same = |port: &Port| {
            port.protocol == protocol
                && port.number == number
                // Before it has an address, a DHCP client waits at all of them.
                && (port.at == at || (port.at == At::Own && at == At::Any))
        };
        self.ports.iter().any(same)
    }

    fn has_socket(&self, path: &str) -> bool {
        let same = |socket: &Socket| match socket.path.strip_suffix('*') {
            Some(folder) => path.starts_with(folder),
            None => path == socket.path,
        };
        self.sockets.iter().any(same)
    }
}

fn word(at: &str) -> Result<At> {
    Ok(match at {
        "any" => At::Any,
        "own" => At::Own,
        "loopback" => At::Loopback,
        _ => bail!("{at:?} is none of any, own, loopback"),
    })
}

fn bare(cell: &str) -> String {
    cell.trim_matches('`').to_owned()
}

/// The lines of `ss -Hltunp` and `ss -Hlxp` that speak of something which is not listed.
///
/// # Errors
/// A line that is not understood: then nothing is proved.
pub fn unlisted<'a>(listed: &Listed, said: &'a str) -> Result<Vec<&'a str>> {
    let mut found = Vec::new();
    for line in said.lines().filter(|line| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [kind, state, _, _, local, ..] = *fields else {
            bail!("ss said {line:?}");
        };
        let known = match kind {
            "tcp" | "udp" => {
                let (address, port) = local.rsplit_once(':').context(line.to_owned())?;
                let port = port.parse().with_context(|| format!("ss said {line:?}"))?;
                listed.has_port(kind, port, At::of(address)?)
            }
            // Datagrams have no listeners: every program that was sent one would be told of.
            "u_str" | "u_seq" => state != "LISTEN" || listed.has_socket(local),
            "u_dgr" => true,
            _ => bail!("ss said {line:?}"),
        };
        if !known {
            found.push(line);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const UNITS: &str = "rootfs/overlay/usr/lib/systemd/system";

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    }

    fn listed() -> Listed {
        Listed::load(root()).unwrap()
    }

    fn read(path: &str) -> String {
        fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The values of a setting of units, sshd or systemd.
    fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
        let lines = text.lines().map(str::trim);
        let value = |line: &'a str| line.strip_prefix(key)?.strip_prefix('=').map(str::trim);
        lines.filter_map(value).collect()
    }

    /// The units of our own with this ending, and their text, drop-ins included.
    fn units(ending: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for entry in fs::read_dir(root().join(UNITS)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            // A link to /dev/null switches a unit of a package off.
            if path.is_symlink() {
                continue;
            }
            if name.ends_with(&format!("{ending}.d")) {
                for part in fs::read_dir(&path).unwrap() {
                    let text = fs::read_to_string(part.unwrap().path()).unwrap();
                    found.push((name.trim_end_matches(".d").to_owned(), text));
                }
            } else if name.ends_with(ending) {
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
        found.sort();
        found
    }

    /// What the socket units of ours wait at.
    fn of_units() -> (Vec<Port>, Vec<Socket>) {
        let (mut ports, mut sockets) = (Vec::new(), Vec::new());
        for (by, text) in units(".socket") {
            let streams = values(&text, "ListenStream");
            let others = [
                "ListenDatagram",
                "ListenSequentialPacket",
                "ListenFIFO",
                "ListenNetlink",
                "ListenSpecial",
                "ListenMessageQueue",
                "ListenUSBFunction",
            ];
            let others: Vec<_> = others.iter().flat_map(|key| values(&text, key)).collect();
            assert!(others.is_empty(), "{by}: {others:?} is not looked at here");
            assert!(!streams.is_empty(), "{by} waits at nothing");
            for at in streams {
                let by = by.clone();
                match at.parse() {
                    Ok(number) => ports.push(Port {
                        protocol: "tcp".into(),
                        number,
                        at: At::Any,
                        by,
                    }),
                    Err(_) => sockets.push(Socket {
                        path: at.into(),
                        by,
                    }),
                }
            }
        }
        (ports, sockets)
    }

    #[test]
    fn the_socket_units_are_those_that_are_listed() {
        let listed = listed();
        let (ports, sockets) = of_units();
        let enabled = read("rootfs/overlay/usr/lib/systemd/system-preset/10-vigie.preset");
        for port in &ports {
            assert!(listed.ports.contains(port), "not in {FILE}: {port:?}");
        }
        for socket in &sockets {
            assert!(listed.sockets.contains(socket), "not in {FILE}: {socket:?}");
        }
        let own = |by: &str| by.starts_with("vigie-") && by.ends_with(".socket");
        for port in listed.ports.iter().filter(|port| own(&port.by)) {
            assert!(ports.contains(port), "no unit does this: {port:?}");
        }
        for socket in listed.sockets.iter().filter(|socket| own(&socket.by)) {
            assert!(sockets.contains(socket), "no unit does this: {socket:?}");
        }
        // A unit that is not switched on, or one of a package that is, would be missed.
        let listening: BTreeSet<&str> = listed
            .ports
            .iter()
            .map(|port| port.by.as_str())
            .chain(listed.sockets.iter().map(|socket| socket.by.as_str()))
            .filter(|by| by.ends_with(".socket"))
            // They are started by sockets.target or udev itself, without a preset.
            .filter(|by| !["dbus.socket", "systemd-udevd-control.socket"].contains(by))
            .collect();
        let on: BTreeSet<&str> = enabled
            .lines()
            .filter_map(|line| line.strip_prefix("enable "))
            .filter(|unit| unit.ends_with(".socket"))
            // A netlink socket: nobody connects to it.
            .filter(|unit| *unit != "systemd-networkd.socket")
            .collect();
        assert_eq!(listening, on);
    }

    #[test]
    fn what_a_service_of_ours_listens_at_by_itself_is_listed() {
        let listed = listed();
        let mut seen = 0;
        for (unit, text) in units(".service") {
            for line in values(&text, "ExecStart") {
                let mut words = line.split(' ').skip_while(|word| *word != "--gate");
                if let Some(path) = words.nth(1) {
                    let socket = Socket {
                        path: path.into(),
                        by: unit.clone(),
                    };
                    assert!(
                        listed.sockets.contains(&socket),
                        "not in {FILE}: {socket:?}"
                    );
                    seen += 1;
                }
            }
        }
        let by_service = |socket: &&Socket| socket.by.ends_with(".service");
        assert_eq!(listed.sockets.iter().filter(by_service).count(), seen);
    }

    #[test]
    fn the_packet_filter_lets_in_what_is_listed_for_anybody_and_nothing_else() {
        let filter = read("rootfs/overlay/etc/nftables.conf");
        assert!(filter.contains("hook input priority filter; policy drop;"));
        assert!(filter.contains("hook forward priority filter; policy drop;"));
        let accepted: Vec<&str> = filter
            .lines()
            .map(str::trim)
            .filter(|line| line.ends_with(" accept") && line.contains("dport"))
            .collect();
        let of = |at: At, protocol: &str| -> Vec<u16> {
            let ports = listed().ports.into_iter();
            let mut numbers: Vec<u16> = ports
                .filter(|port| port.at == at && port.protocol == protocol)
                .map(|port| port.number)
                .collect();
            numbers.sort_unstable();
            numbers
        };
        let mut of_any = Vec::new();
        let mut of_own = Vec::new();
        for line in accepted {
            let (before, rest) = line.split_once("dport ").unwrap();
            let numbers = rest.trim_end_matches(" accept");
            let numbers = numbers.trim_matches(|c| "{ }".contains(c));
            let numbers = numbers
                .split(", ")
                .map(|n| n.parse::<u16>().unwrap_or_else(|_| panic!("{line}")));
            if before == "tcp " {
                of_any.extend(numbers);
            } else {
                // By the port of the server that answers.
                assert!(before.contains("udp sport "), "{line}");
                of_own.extend(numbers);
            }
        }
        of_any.sort_unstable();
        of_own.sort_unstable();
        assert_eq!(of(At::Any, "tcp"), of_any);
        assert_eq!(of(At::Own, "udp"), of_own);
        assert!(of(At::Any, "udp").is_empty() && of(At::Own, "tcp").is_empty());
    }

    #[test]
    fn sshd_and_the_programs_of_the_network_wait_nowhere_else() {
        let sshd = read("rootfs/overlay/etc/ssh/sshd_config");
        let words = |line: &str| line.split_whitespace().map(str::to_lowercase).collect();
        for line in sshd.lines() {
            let words: Vec<String> = words(line);
            let key = words.first().map_or("", String::as_str);
            assert!(
                !["port", "listenaddress"].contains(&key),
                "sshd's port is systemd's to give (ssh.socket): {line}"
            );
        }
        for off in [
            "AllowTcpForwarding no",
            "AllowStreamLocalForwarding no",
            "AllowAgentForwarding no",
            "PermitTunnel no",
            "X11Forwarding no",
        ] {
            assert!(sshd.lines().any(|line| line == off), "{off}");
        }
        let resolved = read("rootfs/overlay/usr/lib/systemd/resolved.conf.d/vigie.conf");
        for key in ["LLMNR", "MulticastDNS"] {
            assert_eq!(values(&resolved, key), ["no"], "{key} would listen");
        }
        assert!(values(&resolved, "DNSStubListenerExtra").is_empty());
        let socket = Path::new(UNITS).join("ssh.socket.d");
        assert!(!root().join(socket).exists(), "look at what it changes");
        assert!(listed().has_port("tcp", 22, At::Any));
    }

    #[test]
    fn what_ss_says_is_held_against_the_tables() {
        let listed = Listed::parse(
            "| protocol | port | at | by | who | why |\n|---|---|---|---|---|---|\n\
             | tcp | 22 | any | `ssh.socket` | a | b |\n\
             | udp | 68 | own | `systemd-networkd` | a | b |\n\
             | udp | 53 | loopback | `systemd-resolved` | a | b |\n\n\
             | path | by | who | why |\n|---|---|---|---|\n\
             | `/run/vigie/update.sock` | `vigie-update.socket` | a | b |\n\
             | `/run/systemd/*` | systemd | a | b |\n",
        )
        .unwrap();
        for (line, good) in [
            (
                "tcp LISTEN 0 4096 *:22 *:* users:((\"systemd\",pid=1,fd=40))",
                true,
            ),
            ("tcp LISTEN 0 4096 0.0.0.0:22 0.0.0.0:*", true),
            ("tcp LISTEN 0 4096 [::]:22 [::]:*", true),
            ("tcp LISTEN 0 4096 *:23 *:*", false),
            ("tcp LISTEN 0 4096 127.0.0.1:22 0.0.0.0:*", false),
            (
                "udp UNCONN 0 0 127.0.0.53%lo:53 0.0.0.0:* users:((\"x\",pid=2,fd=1))",
                true,
            ),
            ("udp UNCONN 0 0 [::1]:53 [::]:*", true),
            ("udp UNCONN 0 0 0.0.0.0:53 0.0.0.0:*", false),
            ("tcp LISTEN 0 0 127.0.0.53%lo:53 0.0.0.0:*", false),
            ("udp UNCONN 0 0 10.0.2.15%ens3:68 0.0.0.0:*", true),
            ("udp UNCONN 0 0 0.0.0.0%ens3:68 0.0.0.0:*", true),
            ("udp UNCONN 0 0 [fe80::1]%ens3:546 [::]:*", false),
            ("u_str LISTEN 0 16 /run/vigie/update.sock 1 * 0", true),
            ("u_str LISTEN 0 16 /run/vigie/update.sock2 1 * 0", false),
            ("u_str LISTEN 0 16 /run/systemd/private 1 * 0", true),
            ("u_str LISTEN 0 16 @/tmp/dbus-x 1 * 0", false),
            ("u_seq LISTEN 0 16 /run/udev/control 1 * 0", false),
            ("u_str ESTAB 0 0 * 1 * 0", true),
            ("u_dgr UNCONN 0 0 /anywhere 1 * 0", true),
        ] {
            let found = unlisted(&listed, line).unwrap();
            assert_eq!(found.is_empty(), good, "{line}");
        }
        for line in [
            "tcp LISTEN",
            "v_str LISTEN 0 0 *:1 *:*",
            "tcp LISTEN 0 0 x:22 *:*",
        ] {
            assert!(unlisted(&listed, line).is_err(), "{line}");
        }
        assert!(Listed::parse("| tcp | 22 | any | `ssh.socket` | | b |").is_err());
        assert!(Listed::parse("| tcp | 22 | here | `ssh.socket` | a | b |").is_err());
        assert!(Listed::parse("| sctp | 22 | any | `ssh.socket` | a | b |").is_err());
    }
}
