//! The steps of the networks. Every value is judged at once by the settings' own types and rules.

use std::io;
use std::net::IpAddr;

use vigie_machine::Port;
use vigie_prompt::{Field, Item};
use vigie_settings::{Cidr, Network};

use super::draft::Draft;
use super::{Move, Screen, given};
use crate::messages::Text;

impl Screen<'_> {
    pub(super) fn ask_port(&mut self) -> io::Result<Move> {
        self.page("network.title")?;
        given!(self.introduce(&Text::new("network.what")));
        let ports = self.host.ports().to_vec();
        let mut items = vec![Item::new(self.text("network.automatic"))];
        items.extend(ports.iter().map(|port| Item::new(self.port(port))));
        let default = self.draft.port.map_or(0, |port| port + 1);
        let chosen = given!(self.prompter.choose(&items, default));
        self.draft.port = chosen.checked_sub(1);
        Ok(Move::On)
    }

    pub(super) fn ask_addressing(&mut self) -> io::Result<Move> {
        self.page("network.title")?;
        self.tell_port(self.draft.port)?;
        let keys = ["network.dhcp", "network.fixed"];
        self.draft.is_fixed = given!(self.ask_either(keys, self.draft.is_fixed));
        Ok(Move::On)
    }

    pub(super) fn ask_address(&mut self) -> io::Result<Move> {
        self.page("network.title")?;
        self.tell_port(self.draft.port)?;
        let wrong = self.text("network.address-wrong");
        let initial = self
            .draft
            .address
            .map_or_else(String::new, |it| it.to_string());
        let address = given!(self.prompter.line(&Field {
            label: &self.text("network.address"),
            initial: &initial,
            optional: false,
            mend: true,
            check: &|text| text.parse::<Cidr>().map(drop).map_err(|_| wrong.clone()),
        }));
        self.draft.address = address.parse().ok();
        // A gateway of another network is no answer any more.
        let inside = |gateway: &IpAddr| self.draft.address.is_some_and(|it| it.contains(*gateway));
        self.draft.gateway = self.draft.gateway.filter(inside);
        Ok(Move::On)
    }

    pub(super) fn ask_gateway(&mut self) -> io::Result<Move> {
        let Some(address) = self.draft.address else {
            return Ok(Move::Back);
        };
        let wrong = self.say(&Text::new("network.gateway-wrong").with("address", address));
        let mut draft = self.draft.clone();
        draft.camera_port = None;
        let ports = self.host.ports().to_vec();
        let check = |text: &str| {
            let gateway = text.parse().map_err(|_| wrong.clone())?;
            let with = Draft {
                gateway: Some(gateway),
                ..draft.clone()
            };
            match problems(&with.network(&ports)) {
                0 => Ok(()),
                _ => Err(wrong.clone()),
            }
        };
        given!(self.tell(&Text::new("network.gateway-what")));
        let initial = self
            .draft
            .gateway
            .map_or_else(String::new, |it| it.to_string());
        let gateway = given!(self.prompter.line(&Field {
            label: &self.text("network.gateway"),
            initial: &initial,
            optional: true,
            mend: true,
            check: &check,
        }));
        self.draft.gateway = gateway.parse().ok();
        Ok(Move::On)
    }

    pub(super) fn ask_name_servers(&mut self) -> io::Result<Move> {
        given!(self.tell(&Text::new("network.dns-what")));
        let wrong = self.text("network.dns-wrong");
        let initial: Vec<String> = self.draft.dns.iter().map(IpAddr::to_string).collect();
        let servers = given!(self.prompter.line(&Field {
            label: &self.text("network.dns"),
            initial: &initial.join(" "),
            optional: true,
            mend: true,
            check: &|text| addresses(text).map(drop).ok_or_else(|| wrong.clone()),
        }));
        self.draft.dns = addresses(&servers).unwrap_or_default();
        Ok(Move::On)
    }

    pub(super) fn ask_cameras(&mut self) -> io::Result<Move> {
        self.page("cameras.title")?;
        given!(self.introduce(&Text::new("cameras.what")));
        let ports = self.host.ports().to_vec();
        let taken = self.draft.port;
        let mut items = vec![Item::new(self.text("cameras.none"))];
        for (at, port) in ports.iter().enumerate() {
            let refused = (taken == Some(at)).then(|| self.text("cameras.taken"));
            let mut item = Item::new(self.port(port));
            item.lines.extend(refused.clone());
            items.push(Item { refused, ..item });
        }
        let now = self.draft.camera_port.filter(|port| Some(*port) != taken);
        let chosen = given!(self.prompter.choose(&items, now.map_or(0, |port| port + 1)));
        self.draft.camera_port = chosen.checked_sub(1);
        Ok(Move::On)
    }

    pub(super) fn ask_camera_address(&mut self) -> io::Result<Move> {
        self.page("cameras.title")?;
        self.tell_port(self.draft.camera_port)?;
        given!(self.introduce(&Text::new("cameras.address-what")));
        let wrong = self.text("network.address-wrong");
        let overlaps = self.text("cameras.overlaps");
        let ports = self.host.ports().to_vec();
        let draft = self.draft.clone();
        let check = |text: &str| {
            let address = text.parse().map_err(|_| wrong.clone())?;
            let with = Draft {
                camera_address: Some(address),
                ..draft.clone()
            };
            match problems(&with.network(&ports)) {
                0 => Ok(()),
                _ => Err(overlaps.clone()),
            }
        };
        let initial = self
            .draft
            .camera_address
            .map_or_else(String::new, |it| it.to_string());
        let address = given!(self.prompter.line(&Field {
            label: &self.text("network.address"),
            initial: &initial,
            optional: true,
            mend: true,
            check: &check,
        }));
        self.draft.camera_address = address.parse().ok();
        Ok(Move::On)
    }

    /// A port in a line: name, hardware address, whether a cable leads somewhere.
    fn port(&self, port: &Port) -> String {
        let link = self.text(match port.link {
            Some(true) => "network.link",
            Some(false) => "network.no-link",
            None => "network.off",
        });
        let address = port.address().map_or("-", |address| address.as_str());
        format!("{:<12} {address:<17}  {link}", port.name)
    }

    fn tell_port(&mut self, port: Option<usize>) -> io::Result<()> {
        let port = port.and_then(|at| self.host.ports().get(at)).cloned();
        if let Some(port) = port {
            let lines = [self.port(&port), String::new()];
            self.prompter.tell(&lines)?;
        }
        Ok(())
    }
}

/// How much is wrong with the networks, by the rules of the settings document.
fn problems(network: &Network) -> usize {
    let mut found = Vec::new();
    network.problems("network", &mut found);
    found.len()
}

fn addresses(text: &str) -> Option<Vec<IpAddr>> {
    let words = text.split([' ', ',']).filter(|word| !word.is_empty());
    words.map(|word| word.parse().ok()).collect()
}
