//! The settings document, form 3. Every field's meaning stands here and nowhere else.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::values::{
    Certificates, Cidr, Email, FsUuid, Host, HostName, HttpsUrl, IdleMinutes, InterfaceName,
    Keymap, Language, Line, MacAddress, MountPoint, PasswordHash, PathName, SshKey, TimeZone,
    Token, UserName, VolumeName, WebHash, Window,
};

/// The version of the document's form that this program writes and reads.
pub const VERSION: u32 = 3;

/// The appliance's whole configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Version of the document's form, [`VERSION`].
    pub version: u32,
    /// Name, language, keyboard, time zone.
    #[serde(default)]
    pub system: System,
    /// The two networks.
    #[serde(default)]
    pub network: Network,
    /// Where the time comes from.
    #[serde(default)]
    pub time: Time,
    /// Who may log in.
    #[serde(default)]
    pub access: Access,
    /// Who may use the web interface; without any its first visitor makes an administrator.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<User>,
    /// The web interface.
    #[serde(default, skip_serializing_if = "Web::is_default")]
    pub web: Web,
    /// Whose appliance it is, for the forms of registration and support.
    #[serde(default, skip_serializing_if = "Registration::is_empty")]
    pub registration: Registration,
    /// Where updates come from by themselves.
    #[serde(default, skip_serializing_if = "Update::is_default")]
    pub update: Update,
    /// Data volumes to mount; one that is absent does not stop the boot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<Volume>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            version: VERSION,
            system: System::default(),
            network: Network::default(),
            time: Time::default(),
            access: Access::default(),
            users: Vec::new(),
            web: Web::default(),
            registration: Registration::default(),
            update: Update::default(),
            volumes: Vec::new(),
        }
    }
}

/// `[system]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct System {
    /// Host name; default `vigie`.
    pub hostname: HostName,
    /// IANA time zone; default `Etc/UTC`.
    pub timezone: TimeZone,
    /// Language of menus and pages: `en` (default) or `fr`.
    pub language: Language,
    /// Keymap of the text console; default `us`.
    pub keymap: Keymap,
}

/// `[network]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// The enterprise network, where the people are: default DHCP on every Ethernet port that no other role takes.
    pub enterprise: Interface,
    /// The network of the cameras, when it is a separate one. No gateway, no name server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cameras: Option<Interface>,
    /// Whether the enterprise network reaches the cameras through the appliance; default no.
    /// The cameras never begin a connection into it.
    #[serde(skip_serializing_if = "is_false")]
    pub routing: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(value: &bool) -> bool {
    !value
}

/// `[network.enterprise]`, `[network.cameras]`: which port, and its addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Interface {
    /// The port by hardware address; not together with `interface`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddress>,
    /// The port by kernel name; not together with `mac`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<InterfaceName>,
    /// Ask a DHCP server; the default when there is no `address`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dhcp: Option<bool>,
    /// Fixed address with prefix length; not together with `dhcp = true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Cidr>,
    /// Gateway, inside the network of `address`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// Name servers, in order; with DHCP they come before the server's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<IpAddr>,
}

/// How an interface gets its address: what `dhcp` and `address` say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressing {
    /// From a DHCP server.
    Dhcp,
    /// The given one.
    Static(Cidr),
}

impl Interface {
    /// A fixed address wins over the default of DHCP; contradictions are refused by the check.
    #[must_use]
    pub fn addressing(&self) -> Addressing {
        self.address.map_or(Addressing::Dhcp, Addressing::Static)
    }

    /// Whether the document names the port.
    #[must_use]
    pub fn names_port(&self) -> bool {
        self.mac.is_some() || self.interface.is_some()
    }
}

/// `[time]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Time {
    /// NTP servers; empty means those that DHCP names, else the image's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ntp: Vec<Host>,
}

/// `[access]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Access {
    /// Hash of root's password; absent means that no password opens the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_password_hash: Option<PasswordHash>,
    /// SSH public keys that open root's account.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ssh_authorized_keys: Vec<SshKey>,
    /// SSH public keys that open the console's menu as root, and nothing else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub menu_ssh_keys: Vec<SshKey>,
    /// Hash of the password of the account `service`, which may drop update packages by scp or
    /// sftp and do nothing else; absent means that no password opens it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_password_hash: Option<PasswordHash>,
    /// SSH public keys that open the account `service`; without these and without a password
    /// nothing does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub service_ssh_keys: Vec<SshKey>,
}

impl Access {
    /// Whether anything opens the account `service`.
    #[must_use]
    pub fn service_is_open(&self) -> bool {
        self.service_password_hash.is_some() || !self.service_ssh_keys.is_empty()
    }
}

/// One of `[[users]]`: somebody who may use the web interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The name to log in with; no two users have the same.
    pub name: UserName,
    /// What the user may do.
    pub role: Role,
    /// Language of the user's pages; default that of the appliance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
    /// Hash of the user's password.
    pub password_hash: WebHash,
    /// Whether the user is kept out; default no.
    #[serde(default, skip_serializing_if = "is_false")]
    pub disabled: bool,
}

/// What a user of the web interface may do; each may all that the next one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything: settings, users, updates.
    Administrator,
    /// What daily work needs; no settings, no users, no updates.
    Operator,
    /// Looking, and changing nothing.
    Viewer,
}

/// `[web]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Web {
    /// After so many minutes without a request a session ends: 1 to 1440, default 30.
    pub idle_minutes: IdleMinutes,
}

impl Web {
    /// Whether nothing was asked for.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// `[registration]`: goes into the files that the forms of registration and support produce, and
/// nowhere else.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Registration {
    /// The organisation whose appliance it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organisation: Option<Line>,
    /// Where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<Line>,
    /// The person to ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<Line>,
    /// That person's address for mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<Email>,
    /// That person's telephone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<Line>,
}

impl Registration {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `[update]`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Update {
    /// Folder on a server that has packages and their signed index; absent means that none is
    /// asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<HttpsUrl>,
    /// The authorities that the server's certificate must be by; default those of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<Certificates>,
    /// What happens without being asked for.
    pub automatic: Automatic,
    /// When an automatic update may be installed and the appliance restarted; default at any time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// The highest major version that the licence allows; absent means that which runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence_major: Option<u32>,
    /// A fleet server that speaks hawkBit's device API; not together with `source`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hawkbit: Option<Hawkbit>,
}

impl Update {
    /// Whether nothing was asked for.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a server is asked for updates.
    #[must_use]
    pub fn pulls(&self) -> bool {
        self.source.is_some() || self.hawkbit.is_some()
    }
}

/// What is done with an update that was found, without being asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Automatic {
    /// It is told of.
    #[default]
    No,
    /// What the server offers is fetched; a person installs it.
    Download,
    /// It is fetched and installed, and so is what was sent by scp; never from a stick.
    Install,
}

/// `[update.hawkbit]`: hawkBit's Direct Device Integration API, version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Hawkbit {
    /// The server.
    pub url: HttpsUrl,
    /// The tenant, usually `DEFAULT`.
    pub tenant: PathName,
    /// This appliance's id there; default its serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<PathName>,
    /// The secret that the server knows it by.
    pub token: Token,
    /// Whose secret that is; default `target`.
    #[serde(default)]
    pub token_kind: TokenKind,
}

/// Whose secret a token is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// This appliance's own.
    #[default]
    Target,
    /// That of all appliances of the tenant.
    Gateway,
}

/// One of `[[volumes]]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(any(test, feature = "schema"), derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// The name that people see.
    pub name: VolumeName,
    /// UUID of the ext4 file system.
    pub uuid: FsUuid,
    /// Where it is mounted.
    pub mount: MountPoint,
}
