//! Document → the files of `/etc` that follow from it. Pure.
//!
//! Every path that this module ever writes is in each result: a file that a document does not
//! need comes as [`Kind::Absent`], so that applying a second document leaves nothing of the first.

use std::fmt::Write as _;

use crate::document::{Access, Addressing, Automatic, Interface, Settings, Update, Volume};
use crate::values::{Keymap, PasswordHash, SshKey};

/// One file of `/etc`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path from the root, without a leading slash.
    pub path: &'static str,
    /// What must be there.
    pub kind: Kind,
}

/// What must be at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File {
        /// Permission bits.
        mode: u32,
        /// The whole content.
        content: String,
    },
    /// A symbolic link.
    Link {
        /// Its target.
        target: String,
    },
    /// Nothing.
    Absent,
}

/// The files that follow from `settings`, where `shadow` is the image's `/etc/shadow`.
#[must_use]
pub fn render(settings: &Settings, shadow: &str) -> Vec<Entry> {
    let mut entries = Vec::from(system(settings));
    entries.extend(network(settings));
    entries.extend(access(settings, shadow));
    entries.push(file("etc/fstab", fstab(&settings.volumes)));
    entries.extend(update(&settings.update));
    entries
}

fn file(path: &'static str, content: String) -> Entry {
    Entry {
        path,
        kind: Kind::File {
            mode: 0o644,
            content,
        },
    }
}

/// A file where there is something to say, else nothing.
fn file_if(path: &'static str, content: Option<String>) -> Entry {
    content.map_or(
        Entry {
            path,
            kind: Kind::Absent,
        },
        |content| file(path, content),
    )
}

const HEADER: &str =
    "# Written at each boot from the appliance's settings; changes here are lost.\n";

fn system(settings: &Settings) -> [Entry; 6] {
    let system = &settings.system;
    let zone = system.timezone.as_str();
    [
        file("etc/hostname", format!("{}\n", system.hostname)),
        file("etc/hosts", hosts(settings)),
        Entry {
            path: "etc/localtime",
            kind: Kind::Link {
                target: format!("../usr/share/zoneinfo/{zone}"),
            },
        },
        file("etc/timezone", format!("{zone}\n")),
        // No locale but C.UTF-8 is in the image; our programs speak the language of LANGUAGE.
        file(
            "etc/locale.conf",
            format!("LANG=C.UTF-8\nLANGUAGE={}\n", system.language.code()),
        ),
        // The kernel's own keymap is "us": without the file, nothing has to be loaded at boot.
        file_if(
            "etc/vconsole.conf",
            (system.keymap != Keymap::default()).then(|| format!("KEYMAP={}\n", system.keymap)),
        ),
    ]
}

fn hosts(settings: &Settings) -> String {
    let name = &settings.system.hostname;
    let names = match name.short() {
        short if short == name.as_str() => short.to_owned(),
        short => format!("{name} {short}"),
    };
    format!(
        "{HEADER}127.0.0.1 localhost\n127.0.1.1 {names}\n::1 localhost ip6-localhost ip6-loopback\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n"
    )
}

fn network(settings: &Settings) -> [Entry; 5] {
    let ntp: Vec<&str> = settings
        .time
        .ntp
        .iter()
        .map(crate::values::Host::as_str)
        .collect();
    let cameras = settings.network.cameras.as_ref();
    let routing = settings.network.routing && cameras.is_some();
    [
        // networkd takes the first file that matches: the named port of the cameras comes before
        // the enterprise's "every other port".
        file_if(
            "etc/systemd/network/10-vigie-cameras.network",
            cameras.map(|cameras| cameras_network(cameras, routing)),
        ),
        file(
            "etc/systemd/network/20-vigie-enterprise.network",
            enterprise_network(&settings.network.enterprise),
        ),
        file_if(
            "etc/systemd/timesyncd.conf.d/10-vigie.conf",
            (!ntp.is_empty()).then(|| format!("{HEADER}[Time]\nNTP={}\n", ntp.join(" "))),
        ),
        file_if(
            "etc/sysctl.d/70-vigie-routing.conf",
            routing.then(|| format!("{HEADER}{FORWARDING}")),
        ),
        file_if(
            ROUTING,
            routing.then(|| format!("{HEADER}{}", forward_rules())),
        ),
    ]
}

/// Where `nftables.conf` finds what may pass between the networks; absent, nothing does.
pub const ROUTING: &str = "etc/vigie/nftables.d/routing.nft";

/// Sorts behind the image's own file, which says 0.
const FORWARDING: &str = "net.ipv4.ip_forward = 1\n-net.ipv6.conf.all.forwarding = 1\n";

/// The link group of the cameras' port: the packet filter knows it by that, however the document
/// names the port.
const CAMERA_GROUP: u32 = 2;

/// From the people to the cameras and the answers; a camera begins nothing.
fn forward_rules() -> String {
    format!(
        "add rule inet vigie forward ct state vmap {{ established : accept, related : accept, invalid : drop }}\n\
         add rule inet vigie forward iifgroup != {CAMERA_GROUP} oifgroup {CAMERA_GROUP} accept\n"
    )
}

fn port_match(interface: &Interface) -> String {
    let port = match (&interface.mac, &interface.interface) {
        (Some(mac), _) => format!("MACAddress={mac}"),
        (None, Some(name)) => format!("Name={name}"),
        // Real ports only: bridges, bonds and the like have a kind.
        (None, None) => "Kind=!*".to_owned(),
    };
    format!("[Match]\nType=ether\n{port}\n")
}

fn enterprise_network(interface: &Interface) -> String {
    let mut text = format!("{HEADER}{}\n[Network]\n", port_match(interface));
    match interface.addressing() {
        Addressing::Dhcp => text.push_str("DHCP=yes\n"),
        Addressing::Static(address) => {
            let _ = writeln!(text, "Address={address}");
            if let Some(gateway) = interface.gateway {
                let _ = writeln!(text, "Gateway={gateway}");
            }
            // A fixed address means that nobody else in the network configures this port.
            text.push_str("IPv6AcceptRA=no\n");
        }
    }
    for server in &interface.dns {
        let _ = writeln!(text, "DNS={server}");
    }
    if interface.addressing() == Addressing::Dhcp {
        // By hardware address, so that the live system and the installed one get the same lease.
        text.push_str(
            "\n[DHCPv4]\nClientIdentifier=mac\nUseHostname=no\n\n[DHCPv6]\nUseHostname=no\n",
        );
    }
    text
}

/// The cameras' network takes an address and nothing else: no gateway, no name server, no time.
fn cameras_network(interface: &Interface, routing: bool) -> String {
    let group = match routing {
        true => format!("\n[Link]\nGroup={CAMERA_GROUP}\n"),
        false => String::new(),
    };
    let mut text = format!(
        "{HEADER}{}{group}\n[Network]\nIPv6AcceptRA=no\n",
        port_match(interface)
    );
    match interface.addressing() {
        Addressing::Static(address) => {
            let _ = writeln!(text, "Address={address}");
        }
        Addressing::Dhcp => text.push_str(
            "DHCP=ipv4\n\n[DHCPv4]\nClientIdentifier=mac\nUseGateway=no\nUseRoutes=no\nUseDNS=no\nUseNTP=no\nUseHostname=no\n",
        ),
    }
    text
}

fn access(settings: &Settings, shadow: &str) -> [Entry; 4] {
    let access = &settings.access;
    let root = access.root_password_hash.as_ref();
    let service = access.service_password_hash.as_ref();
    [
        Entry {
            path: "etc/shadow",
            kind: Kind::File {
                mode: 0o640,
                content: shadow_with(shadow, root, service),
            },
        },
        authorized_keys("etc/ssh/authorized_keys/root", root_keys(access)),
        authorized_keys(
            "etc/ssh/authorized_keys/service",
            access.service_ssh_keys.iter().map(key_line).collect(),
        ),
        file("etc/ssh/sshd_config.d/10-vigie-access.conf", sshd(access)),
    ]
}

/// sshd takes the first line of a key, so one that is in both lists opens a shell.
fn root_keys(access: &Access) -> String {
    let menu = access.menu_ssh_keys.iter();
    let menu = menu.map(|key| format!("restrict,pty,command=\"{MENU}\" {key}\n"));
    let shell = access.ssh_authorized_keys.iter().map(key_line);
    shell.chain(menu).collect()
}

/// The console's menu.
const MENU: &str = "/usr/bin/vigie-console";

fn key_line(key: &SshKey) -> String {
    format!("{key}\n")
}

fn authorized_keys(path: &'static str, lines: String) -> Entry {
    file_if(
        path,
        (!lines.is_empty()).then(|| format!("{HEADER}{lines}")),
    )
}

/// sshd takes the first value of each keyword, and this file sorts before the image's; names of
/// `AllowUsers` add up. Where only `service` has a password, root's entry in shadow matches none.
fn sshd(access: &Access) -> String {
    let word = |yes: bool, no| if yes { "yes" } else { no };
    let root = access.root_password_hash.is_some();
    let passwords = root || access.service_password_hash.is_some();
    let mut text = format!(
        "{HEADER}PermitRootLogin {}\nPasswordAuthentication {}\n",
        word(root, "prohibit-password"),
        word(passwords, "no")
    );
    if access.service_is_open() {
        text.push_str("AllowUsers service\n");
    }
    text
}

/// The image's accounts with the lines of root and, where the image has it, of `service` replaced.
fn shadow_with(
    shadow: &str,
    root: Option<&PasswordHash>,
    service: Option<&PasswordHash>,
) -> String {
    let mut text = shadow_line("root", root);
    for line in shadow.lines().filter(|line| !line.is_empty()) {
        match line.split(':').next() {
            Some("root") => {}
            Some("service") => text.push_str(&shadow_line("service", service)),
            _ => {
                let _ = writeln!(text, "{line}");
            }
        }
    }
    text
}

/// `!*` is no hash of anything: no password opens the account, keys do.
fn shadow_line(account: &str, hash: Option<&PasswordHash>) -> String {
    let hash = hash.map_or("!*", PasswordHash::as_str);
    format!("{account}:{hash}:::::::\n")
}

/// Where `vigie-pull` has its settings, for root alone, as they may hold a secret: systemd hands
/// them to it (`LoadCredential=`). The unit runs where this is.
pub const PULL: &str = "etc/vigie/pull.toml";
/// Where this is, updates are installed without being asked for.
pub const AUTOMATIC: &str = "etc/vigie/auto-update";

fn update(update: &Update) -> [Entry; 3] {
    let pull = update.pulls().then(|| Update {
        window: None,
        licence_major: None,
        ..update.clone()
    });
    let text = pull.and_then(|pull| toml::to_string(&pull).ok());
    let kind = text.map_or(Kind::Absent, |text| Kind::File {
        mode: 0o600,
        content: format!("{HEADER}{text}"),
    });
    let automatic = update.automatic == Automatic::Install;
    [
        Entry { path: PULL, kind },
        // A fleet server says how often it wants to be asked; the program keeps to it.
        file_if(
            "etc/systemd/system/vigie-pull.timer.d/10-vigie.conf",
            update.hawkbit.is_some().then(|| {
                format!("{HEADER}[Timer]\nRandomizedDelaySec=1min\nOnUnitInactiveSec=5min\n")
            }),
        ),
        file_if(AUTOMATIC, automatic.then(|| HEADER.to_owned())),
    ]
}

/// The option that carries a volume's name to programs which may not read the settings; mount
/// ignores options that start with `x-`.
pub const NAME_OPTION: &str = "x-vigie.volume";

/// How long a data volume's device is waited for. An array that lacks a disk is started 30 seconds
/// after its other members came (`mdadm-last-resort@.timer`), and controllers of many disks take
/// up to a minute to show them.
const DEVICE_TIMEOUT: &str = "90s";

/// Each data volume is wanted by the boot, which does not wait for it (with `wanted-by`, systemd
/// orders nothing after the mount and takes no notice of `nofail`), and by its own device, so that
/// one that comes after its time is mounted then. It is mounted only where our own check of it has
/// ended well (`vigie-check@.service`); the last field is 0, because systemd's own knows neither the five
/// phases nor reports, and tells nobody.
fn fstab(volumes: &[Volume]) -> String {
    let mut text = HEADER.to_owned();
    for Volume { name, uuid, mount } in volumes {
        let device = escaped_device(uuid.as_str());
        let _ = writeln!(
            text,
            "UUID={uuid} {mount} ext4 x-systemd.wanted-by=local-fs.target,x-systemd.wanted-by={device}.device,x-systemd.requires=vigie-check@{device}.service,x-systemd.device-timeout={DEVICE_TIMEOUT},noatime,nodev,nosuid,noexec,{NAME_OPTION}={name} 0 0"
        );
    }
    text
}

/// A file system's device, `/dev/disk/by-uuid/UUID`, as systemd escapes it in names of units.
fn escaped_device(uuid: &str) -> String {
    format!("dev-disk-by\\x2duuid-{}", uuid.replace('-', "\\x2d"))
}
