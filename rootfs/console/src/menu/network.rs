//! The two networks, the name, the time servers, and what passes between the networks.

use std::io;
use std::net::IpAddr;
use std::str::FromStr;

use serde_json::Value;
use vigie_prompt::{Answer, Field, Item};
use vigie_settings::{Addressing, Cidr, Host, HostName, Interface, Invalid, Network};

use super::addressing::{addressed, changes, held, servers};
use super::change::Change;
use super::words::prompts;
use super::{Menu, Page, given};
use crate::status::{IP, addresses};

/// [`given`] where the caller is to know.
macro_rules! given_back {
    ($answer:expr) => {
        match $answer? {
            Answer::Given(given) => given,
            Answer::Back => return Ok(Answer::Back),
        }
    };
}

impl Menu<'_> {
    const NETWORK: [(&'static str, Page); 5] = [
        ("network.enterprise", |menu| menu.enterprise()),
        ("network.cameras", |menu| menu.cameras_network()),
        ("network.name", |menu| menu.host_name()),
        ("network.time", |menu| menu.time_servers()),
        ("network.routing", |menu| menu.routing()),
    ];

    pub(super) fn network(&mut self) -> io::Result<()> {
        let above = |menu: &mut Self| menu.network_lines();
        self.entries("network.title", above, &Self::NETWORK)
    }

    fn network_lines(&mut self) -> io::Result<Vec<String>> {
        let Some(seen) = self.seen()? else {
            return Ok(Vec::new());
        };
        let network = seen.network();
        let mut lines = vec![self.row("network.is-name", seen.system().hostname.as_str())];
        let ports = self.system.identity().ports;
        // Not the status, which waits for the web interface.
        let addresses = addresses(&self.system.output(&IP).unwrap_or_default());
        let of = |network, other| held(&ports, &addresses, network, other);
        let cameras = network.cameras.as_ref();
        let of_enterprise = of(&network.enterprise, cameras);
        let enterprise = &network.enterprise;
        lines.extend(self.interface_lines("network.is-enterprise", enterprise, &of_enterprise));
        match cameras {
            Some(cameras) => {
                let of_cameras = of(cameras, None);
                lines.extend(self.interface_lines("network.is-cameras", cameras, &of_cameras));
            }
            None => lines.push(self.row("network.is-cameras", &self.say("network.none", &[]))),
        }
        let ntp = seen.time().ntp;
        let ntp: Vec<&str> = ntp.iter().map(Host::as_str).collect();
        let usual = self.say("network.usual-time", &[]);
        lines.push(match ntp.is_empty() {
            true => self.row("network.is-time", &usual),
            false => self.row("network.is-time", &ntp.join(", ")),
        });
        let passes = match network.routing {
            true => "network.passes",
            false => "network.shut",
        };
        lines.push(self.row("network.is-routing", &self.say(passes, &[])));
        Ok(lines)
    }

    fn row(&self, key: &str, value: &str) -> String {
        format!("  {:<18} {value}", self.say(key, &[]))
    }

    /// What DHCP has given.
    fn leased(&self, held: &[String]) -> String {
        match held {
            [] => self.say("network.no-lease", &[]),
            held => self.say("network.leased", &[("addresses", held.join(", "))]),
        }
    }

    /// The lines of a network; `held` are the addresses that its ports have at this moment.
    fn interface_lines(&self, key: &str, interface: &Interface, held: &[String]) -> Vec<String> {
        let addressing = match interface.addressing() {
            Addressing::Dhcp => self.leased(held),
            Addressing::Static(address) => address.to_string(),
        };
        let mut lines = vec![self.row(key, &addressing)];
        let colon = prompts(self.language).colon;
        let mut more = |key: &str, value: String| {
            let name = self.say(key, &[]);
            lines.push(format!("  {:<18} {name}{colon} {value}", ""));
        };
        if let Some(gateway) = interface.gateway {
            more("network.gateway", gateway.to_string());
        }
        if !interface.dns.is_empty() {
            more("network.servers", listed(&interface.dns));
        }
        let mac = interface.mac.as_ref().map(ToString::to_string);
        let port = interface.interface.as_ref().map(ToString::to_string);
        if let Some(port) = mac.or(port) {
            more("network.port", port);
        }
        lines
    }

    fn enterprise(&mut self) -> io::Result<()> {
        let Some(seen) = self.seen()? else {
            return Ok(());
        };
        let old = seen.network().enterprise;
        self.page("network.enterprise")?;
        let new = given!(self.asked_of_enterprise(&old));
        let changes = changes("network.enterprise", &old, &new);
        self.change(&seen, &changes).map(drop)
    }

    /// Question by question; going back asks the one before again, with what was answered to it.
    fn asked_of_enterprise(&mut self, old: &Interface) -> io::Result<Answer<Interface>> {
        enum Question {
            Kind,
            Address,
            Gateway,
            Servers,
        }
        let mut fixed = old.addressing() != Addressing::Dhcp;
        let (mut addressing, mut gateway) = (old.addressing(), old.gateway);
        let mut question = Question::Kind;
        loop {
            question = match question {
                Question::Kind => {
                    let kinds = ["network.dhcp", "network.fixed"];
                    fixed = given_back!(self.choose(&kinds, usize::from(fixed))) == 1;
                    match fixed {
                        true => Question::Address,
                        false => Question::Servers,
                    }
                }
                Question::Address => match self.address(addressing)? {
                    Answer::Given(address) => {
                        addressing = Addressing::Static(address);
                        Question::Gateway
                    }
                    Answer::Back => Question::Kind,
                },
                Question::Gateway => {
                    let typed = gateway.map(|old| old.to_string()).unwrap_or_default();
                    match self.optional("network.ask-gateway", &typed)? {
                        Answer::Given(given) => {
                            gateway = given;
                            Question::Servers
                        }
                        Answer::Back => Question::Address,
                    }
                }
                Question::Servers => match self.name_servers(&old.dns)? {
                    Answer::Given(dns) if fixed => {
                        return Ok(Answer::Given(addressed(old, addressing, gateway, dns)));
                    }
                    Answer::Given(dns) => {
                        let new = addressed(old, Addressing::Dhcp, None, dns);
                        return Ok(Answer::Given(new));
                    }
                    Answer::Back if fixed => Question::Gateway,
                    Answer::Back => Question::Kind,
                },
            };
        }
    }

    fn cameras_network(&mut self) -> io::Result<()> {
        let Some(seen) = self.seen()? else {
            return Ok(());
        };
        let network = seen.network();
        self.page("network.cameras")?;
        let changes = match given!(self.asked_of_cameras(network.cameras.as_ref())) {
            None => without_cameras(&network),
            Some(new) => {
                let old = network.cameras.unwrap_or_default();
                changes("network.cameras", &old, &new)
            }
        };
        self.change(&seen, &changes).map(drop)
    }

    /// As [`Self::asked_of_enterprise`]; none where the cameras have no network of their own.
    fn asked_of_cameras(
        &mut self,
        old: Option<&Interface>,
    ) -> io::Result<Answer<Option<Interface>>> {
        enum Question {
            Kind,
            Address,
            Port,
        }
        let mut addressing = old.map(Interface::addressing);
        let old = old.cloned().unwrap_or_default();
        let mut kind = match addressing {
            None => 0,
            Some(Addressing::Static(_)) => 1,
            Some(Addressing::Dhcp) => 2,
        };
        let mut question = Question::Kind;
        loop {
            question = match question {
                Question::Kind => {
                    let kinds = ["network.none", "network.fixed", "network.dhcp"];
                    kind = given_back!(self.choose(&kinds, kind));
                    match kind {
                        0 => return Ok(Answer::Given(None)),
                        1 => Question::Address,
                        _ => Question::Port,
                    }
                }
                Question::Address => match self.address(addressing.unwrap_or(Addressing::Dhcp))? {
                    Answer::Given(address) => {
                        addressing = Some(Addressing::Static(address));
                        Question::Port
                    }
                    Answer::Back => Question::Kind,
                },
                Question::Port => match self.port(&old)? {
                    Answer::Given(port) => {
                        let addressing = addressing.filter(|_| kind == 1);
                        let addressing = addressing.unwrap_or(Addressing::Dhcp);
                        let new = addressed(&port, addressing, None, Vec::new());
                        return Ok(Answer::Given(Some(new)));
                    }
                    Answer::Back if kind == 1 => Question::Address,
                    Answer::Back => Question::Kind,
                },
            };
        }
    }

    fn host_name(&mut self) -> io::Result<()> {
        let Some(seen) = self.seen()? else {
            return Ok(());
        };
        self.page("network.name")?;
        let old = seen.system().hostname;
        let new: HostName = given!(self.value("network.ask-name", old.as_str()));
        let changes = match new == old {
            true => vec![],
            false => vec![Change::to("system.hostname", new.as_str())],
        };
        self.change(&seen, &changes).map(drop)
    }

    fn time_servers(&mut self) -> io::Result<()> {
        let Some(seen) = self.seen()? else {
            return Ok(());
        };
        self.page("network.time")?;
        let old = seen.time();
        let initial: Vec<&str> = old.ntp.iter().map(Host::as_str).collect();
        let initial = initial.join(" ");
        let language = self.language;
        let hosts = |text: &str| text.split_whitespace().map(Host::from_str).collect();
        let check = |text: &str| {
            let hosts: Result<Vec<Host>, Invalid> = hosts(text);
            hosts
                .map(drop)
                .map_err(|error| error.said().to(language).to_owned())
        };
        let label = self.say("network.ask-time", &[]);
        let typed = given!(self.prompter().line(&Field {
            label: &label,
            initial: &initial,
            optional: true,
            mend: true,
            check: &check,
        }));
        let mut new = old.clone();
        new.ntp = hosts(&typed).unwrap_or_default();
        self.change(&seen, &changes("time", &old, &new)).map(drop)
    }

    fn routing(&mut self) -> io::Result<()> {
        let Some(seen) = self.seen()? else {
            return Ok(());
        };
        let network = seen.network();
        self.page("network.routing")?;
        let text = self.say("network.about-routing", &[]);
        given!(self.tell(vec![text]));
        let default = usize::from(network.routing);
        let on = given!(self.choose(&["network.shut", "network.passes"], default)) == 1;
        let changes = match (network.routing, on) {
            (false, true) => vec![Change::to("network.routing", true)],
            (true, false) => vec![Change::to("network.routing", Value::Null)],
            _ => vec![],
        };
        self.change(&seen, &changes).map(drop)
    }

    fn address(&mut self, old: Addressing) -> io::Result<Answer<Cidr>> {
        let old = match old {
            Addressing::Static(address) => address.to_string(),
            Addressing::Dhcp => String::new(),
        };
        self.value("network.ask-address", &old)
    }

    fn name_servers(&mut self, old: &[IpAddr]) -> io::Result<Answer<Vec<IpAddr>>> {
        let label = self.say("network.ask-servers", &[]);
        let wrong = self.say("network.no-address", &[]);
        let check = |text: &str| {
            let servers = servers(text).map(drop);
            servers.map_err(|word| format!("\"{word}\" {wrong}"))
        };
        let typed = self.prompter().line(&Field {
            label: &label,
            initial: &listed(old),
            optional: true,
            mend: true,
            check: &check,
        })?;
        Ok(match typed {
            Answer::Given(text) => Answer::Given(servers(&text).unwrap_or_default()),
            Answer::Back => Answer::Back,
        })
    }

    /// An interface with the port that is chosen, and nothing else.
    fn port(&mut self, old: &Interface) -> io::Result<Answer<Interface>> {
        let ports = self.system.identity().ports;
        if ports.is_empty() {
            self.notice("network.no-port", &[])?;
            return Ok(Answer::Back);
        }
        let items: Vec<Item> = ports
            .iter()
            .map(|port| {
                let mac = port.mac.iter().map(|mac| format!("  {mac}"));
                Item::new(format!("{}{}", port.name, mac.collect::<String>()))
            })
            .collect();
        let is_old = |mac: &Option<String>, name: &str| {
            let same_mac = old.mac.as_ref().map(ToString::to_string) == *mac && mac.is_some();
            same_mac
                || old
                    .interface
                    .as_ref()
                    .is_some_and(|old| old.as_str() == name)
        };
        let default = ports.iter().position(|port| is_old(&port.mac, &port.name));
        let text = self.say("network.which-port", &[]);
        given_back!(self.tell(vec![text]));
        let at = given_back!(self.prompter().choose(&items, default.unwrap_or(0)));
        let mut chosen = Interface {
            dhcp: old.dhcp,
            ..Interface::default()
        };
        match ports[at].mac.as_deref().and_then(|mac| mac.parse().ok()) {
            Some(mac) => chosen.mac = Some(mac),
            None => chosen.interface = ports[at].name.parse().ok(),
        }
        Ok(Answer::Given(chosen))
    }

    /// A line that is a value of the settings.
    fn value<T: FromStr<Err = Invalid>>(
        &mut self,
        label: &str,
        initial: &str,
    ) -> io::Result<Answer<T>> {
        let label = self.say(label, &[]);
        let language = self.language;
        let check = |text: &str| {
            let value = text.parse::<T>().map(drop);
            value.map_err(|error| error.said().to(language).to_owned())
        };
        let typed = self.prompter().line(&Field {
            label: &label,
            initial,
            optional: false,
            mend: true,
            check: &check,
        })?;
        Ok(match typed {
            // The check has let it through.
            Answer::Given(text) => text.parse().map_or(Answer::Back, Answer::Given),
            Answer::Back => Answer::Back,
        })
    }

    /// An address, or nothing.
    fn optional(&mut self, label: &str, initial: &str) -> io::Result<Answer<Option<IpAddr>>> {
        let label = self.say(label, &[]);
        let wrong = self.say("network.no-address", &[]);
        let check = |text: &str| match text.is_empty() || text.parse::<IpAddr>().is_ok() {
            true => Ok(()),
            false => Err(format!("\"{text}\" {wrong}")),
        };
        let typed = self.prompter().line(&Field {
            label: &label,
            initial,
            optional: true,
            mend: true,
            check: &check,
        })?;
        Ok(match typed {
            Answer::Given(text) => Answer::Given(text.parse().ok()),
            Answer::Back => Answer::Back,
        })
    }
}

/// Without a network of their own there is nothing that could pass.
fn without_cameras(network: &Network) -> Vec<Change> {
    let mut changes = Vec::new();
    if network.cameras.is_some() {
        changes.push(Change::to("network.cameras", Value::Null));
    }
    if network.routing {
        changes.push(Change::to("network.routing", Value::Null));
    }
    changes
}

fn listed(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    texts.join(" ")
}
