//! `vigie-recovery rescue`.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::Result;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};
use vigie_installer::screen::live::hash;
use vigie_prompt::Secret;
use vigie_settings::{Cidr, Language};
use vigie_update::running::Mode;

use super::access::{Access, Places, System};
use super::door::Guest;
use super::live::Live;
use super::network::Network;
use super::{now, password};
use crate::message::Message;
use crate::refusal::Refusal;
use crate::site::running;
use crate::stop;
use crate::tell::{Tell, exit};

/// How often it is looked who came in, and which addresses there are.
const TICK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 500_000_000,
};
/// Addresses, each so many ticks.
const LOOK: u32 = 10;
/// Where sshd's socket hears: its own default.
const PORT: u16 = 22;

/// Lets somebody in as root over SSH, once, by a password that is made for this and shown. Enter, or
/// the end of standard input, closes it and ends the session.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Close it after so many minutes.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=1440))]
    minutes: u64,
    /// The machine's address meanwhile, with the length of its network, as 192.0.2.10/24: where nobody gives it
    /// one by DHCP.
    #[arg(long)]
    address: Option<Cidr>,
    /// The router of that network.
    #[arg(long, requires = "address")]
    gateway: Option<IpAddr>,
    /// Print JSON lines.
    #[arg(long)]
    json: bool,
}

/// Runs it; the exit code.
pub fn run(arguments: &Arguments, language: Language) -> u8 {
    let mut tell = Tell::new(arguments.json, language);
    let outcome = act(arguments, &mut Live, &mut tell);
    outcome.unwrap_or_else(|error| tell.failed(&error))
}

fn act(arguments: &Arguments, system: &mut dyn System, tell: &mut Tell) -> Result<u8> {
    if running()?.mode != Mode::Live {
        return Err(Refusal::Installed.into());
    }
    let gateway = arguments.gateway;
    let network = arguments
        .address
        .map(|address| Network::new(address, gateway))
        .transpose()?;
    // From now on no signal leaves it open.
    stop::hold_off();
    let key = system.host_key()?;
    let password = password::make()?;
    let hash = hash(&password::plain(password.expose()))?;
    let until = now() + Duration::from_secs(60 * arguments.minutes).as_secs();
    let mut access = Access::open(Places::default(), &hash, until, network.as_ref(), system)?;
    let mut addresses = match &network {
        Some(network) => vec![network.address.address().to_string()],
        None => access.addresses(),
    };
    say_open(arguments.minutes, &password, &addresses, &key, tell);
    drop(password);
    let ended = wait(&mut access, until, &mut addresses, tell);
    let guest = access.close()?;
    if ended? == Ended::TimeUp {
        tell.say("time-up", &Message::new("rescue.time-up"));
    }
    let (message, values) = closed(guest.as_ref(), &addresses);
    tell.with("closed", &message, values);
    Ok(exit::DONE)
}

/// What is told at the end: where it was open, and whose session was ended.
fn closed(guest: Option<&Guest>, addresses: &[String]) -> (Message, Value) {
    let who = match guest {
        Some(guest) => Message::new("rescue.ended").with("from", &guest.from),
        None => Message::new("rescue.nobody"),
    };
    let message = Message::new("rescue.closed");
    let message = match addresses {
        [] => message.and("place", Message::new("rescue.nowhere")),
        all => message.with("place", all.join(", ")),
    };
    let message = message.with("port", PORT).and("who", who);
    let values = json!({"addresses": addresses, "port": PORT, "open": false,
        "from": guest.map(|guest| &guest.from), "session_ended": guest.is_some()});
    (message, values)
}

fn say_open(minutes: u64, password: &Secret, addresses: &[String], key: &str, tell: &mut Tell) {
    let open = Message::new("rescue.open").with("minutes", minutes);
    let values = json!({"minutes": minutes, "password": password.expose(), "host_key": key});
    tell.with("open", &open, values);
    say_addresses(addresses, tell);
    if tell.json {
        return;
    }
    for line in [
        Message::new("rescue.key").with("key", key),
        Message::new("rescue.password").with("password", password.expose()),
        Message::new("rescue.enter"),
    ] {
        tell.say("open", &line);
    }
}

fn say_addresses(addresses: &[String], tell: &mut Tell) {
    if addresses.is_empty() {
        tell.say("no-address", &Message::new("rescue.no-address"));
    }
    for address in addresses {
        let line = Message::new("rescue.line").with("address", address);
        tell.with("address", &line, json!({"address": address, "port": PORT}));
    }
}

/// Why it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Asked,
    TimeUp,
}

/// Waits for Enter, a signal or the end of the time, and tells who comes in meanwhile.
fn wait(
    access: &mut Access,
    until: u64,
    addresses: &mut Vec<String>,
    tell: &mut Tell,
) -> io::Result<Ended> {
    let mut told = false;
    let mut ticks = 0;
    loop {
        if stop::asked() || entered(io::stdin())? {
            return Ok(Ended::Asked);
        }
        if now() >= until {
            return Ok(Ended::TimeUp);
        }
        if let Some(guest) = access.guest().filter(|_| !told) {
            told = true;
            let message = Message::new("rescue.came").with("from", &guest.from);
            tell.with(
                "came",
                &message,
                json!({"from": guest.from, "time": guest.time}),
            );
        }
        ticks += 1;
        if addresses.is_empty() && ticks % LOOK == 0 {
            *addresses = access.addresses();
            if !addresses.is_empty() {
                say_addresses(addresses, tell);
            }
        }
    }
}

/// Whether Enter was pressed or the input ended, within a tick.
fn entered(input: impl AsFd) -> io::Result<bool> {
    let mut polled = [PollFd::new(&input, PollFlags::IN)];
    match poll(&mut polled, Some(&TICK)) {
        Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(false),
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    let mut typed = [0; 256];
    let length = rustix::io::read(&input, &mut typed)?;
    Ok(length == 0 || typed[..length].contains(&b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn enter_and_the_end_of_input_are_heard() {
        let (from, mut to) = io::pipe().unwrap();
        assert!(!entered(&from).unwrap());
        to.write_all(b"abc").unwrap();
        assert!(!entered(&from).unwrap());
        to.write_all(b"\n").unwrap();
        assert!(entered(&from).unwrap());
        drop(to);
        assert!(entered(&from).unwrap());
    }

    #[test]
    fn its_end_says_where_it_was_open_and_whose_session_was_ended() {
        let guest = Guest {
            from: "192.0.2.7".to_owned(),
            time: 1,
        };
        let addresses = ["192.0.2.10", "fec0::1"].map(str::to_owned);
        let (message, values) = closed(Some(&guest), &addresses);
        for language in [Language::En, Language::Fr] {
            let said = message.to(language);
            for word in ["192.0.2.10, fec0::1", "port 22", "192.0.2.7"] {
                assert!(said.contains(word), "{said}");
            }
        }
        let expected = json!({"addresses": addresses, "port": 22, "open": false,
            "from": "192.0.2.7", "session_ended": true});
        assert_eq!(values, expected);
        let (message, values) = closed(None, &[]);
        let said = "Rescue access is closed: no network address, port 22. Nobody had logged in.";
        assert_eq!(message.to(Language::En), said);
        assert_eq!(values["session_ended"], false);
    }
}
