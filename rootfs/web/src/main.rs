//! `vigie-web`: the appliance's web interface.
//!
//! Facts are read from the running system ([`facts`], [`units`]), judged ([`health`], pure) and
//! shown as JSON or as a page ([`page`], pure) by a small server ([`server`]). The program runs
//! without privileges: it reads nothing that is not world-readable and never the settings.

mod admin;
mod api;
mod api_answers;
mod api_requests;
mod api_types;
mod api_updates;
mod arrays;
mod asking;
mod broker;
mod check;
mod door;
mod facts;
mod failure;
mod fields;
mod frame;
mod gate;
#[cfg(test)]
mod golden;
mod health;
mod help_page;
mod job;
mod joined;
mod known;
mod language;
mod large;
mod licences;
mod lifetime;
mod lines;
mod login_page;
mod logs_page;
mod messages;
mod metrics;
mod notify;
mod page;
mod parse;
mod passwords;
mod places;
mod public;
mod rates;
mod scripts;
mod server;
mod services;
mod session;
mod settings_page;
mod snapshot;
mod sysfs;
mod temperatures;
mod tls;
mod units;
mod update_messages;
mod update_packages;
mod update_page;
mod update_server;
mod updater;
mod upkeep_page;
mod upload;
mod users_page;
mod words;
mod written;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};

use crate::server::Options;

const USAGE: &str = "\
vigie-web: the appliance's web interface

usage: vigie-web --listen systemd       the sockets of ports 80 and 443 are given by systemd
       vigie-web --listen ADDRESS:PORT --listen-tls ADDRESS:PORT
       vigie-web --check SOCKET         asks a running one for its health; exits 0 when it answers

       --state DIR       where certificate and uploads are kept (/var/lib/vigie/web)
       --gate SOCKET     is made, for --check; only this account and root may use it
       --updater SOCKET  where the updater is asked (/run/vigie/update.sock)
       --broker SOCKET   where the broker is asked (/run/vigie/broker.sock)
       --root DIR        where the facts of the status page are read (/)

Exit codes: 0 done, 1 failed, 2 wrong use.";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Task {
    Serve(Options),
    Check(PathBuf),
    Help,
}

/// Where requests come from.
#[derive(Debug, PartialEq, Eq)]
pub enum Listen {
    /// Given by systemd.
    Systemd,
    /// Without and with TLS.
    Addresses(SocketAddr, SocketAddr),
}

fn main() -> ExitCode {
    let task = match task(std::env::args().skip(1)) {
        Ok(task) => task,
        Err(error) => {
            eprintln!("vigie-web: {error:#}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let result = match task {
        Task::Serve(options) => server::run(&options),
        Task::Check(socket) => check::run(&socket),
        Task::Help => {
            println!("{USAGE}");
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vigie-web: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn task(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Task> {
    let (mut listen, mut tls, mut check) = (None, None, None);
    let mut gate = None;
    let mut root = PathBuf::from("/");
    let mut state = PathBuf::from("/var/lib/vigie/web");
    let mut updater = PathBuf::from("/run/vigie/update.sock");
    let mut broker = PathBuf::from("/run/vigie/broker.sock");
    while let Some(option) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .with_context(|| format!("{option} needs a value"))
        };
        match option.as_str() {
            "--help" | "-h" => return Ok(Task::Help),
            "--listen" => listen = Some(value()?),
            "--listen-tls" => tls = Some(address(&value()?)?),
            "--check" => check = Some(PathBuf::from(value()?)),
            "--gate" => gate = Some(PathBuf::from(value()?)),
            "--root" => root = value()?.into(),
            "--state" => state = value()?.into(),
            "--updater" => updater = value()?.into(),
            "--broker" => broker = value()?.into(),
            _ => bail!("unknown option {option}"),
        }
    }
    let listen = match (listen.as_deref(), tls, check) {
        (None, None, Some(check)) => return Ok(Task::Check(check)),
        (Some("systemd"), None, None) => Listen::Systemd,
        (Some(plain), Some(tls), None) => Listen::Addresses(address(plain)?, tls),
        _ => bail!("give --listen systemd, --listen and --listen-tls, or --check"),
    };
    Ok(Task::Serve(Options {
        listen,
        root,
        state,
        updater,
        broker,
        gate,
    }))
}

fn address(text: &str) -> anyhow::Result<SocketAddr> {
    text.parse().with_context(|| {
        format!("\"{text}\" is not ADDRESS:PORT, such as 127.0.0.1:8080 or [::]:80")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines() {
        let parse = |line: &str| {
            task(line.split_whitespace().map(str::to_owned)).map_err(|e| e.to_string())
        };
        let address = SocketAddr::from(([127, 0, 0, 1], 8080));
        let tls = SocketAddr::from(([127, 0, 0, 1], 8443));
        let serve = |listen, root: &str, state: &str| {
            Ok(Task::Serve(Options {
                listen,
                root: root.into(),
                state: state.into(),
                updater: "/run/vigie/update.sock".into(),
                broker: "/run/vigie/broker.sock".into(),
                gate: None,
            }))
        };
        let nothing = "give --listen systemd, --listen and --listen-tls, or --check";
        for (line, expected) in [
            (
                "--listen systemd",
                serve(Listen::Systemd, "/", "/var/lib/vigie/web"),
            ),
            (
                "--listen 127.0.0.1:8080 --listen-tls 127.0.0.1:8443 --root /x --state /y",
                serve(Listen::Addresses(address, tls), "/x", "/y"),
            ),
            ("--check /run/gate", Ok(Task::Check("/run/gate".into()))),
            ("-h", Ok(Task::Help)),
            ("", Err(nothing.into())),
            ("--listen 127.0.0.1:8080", Err(nothing.into())),
            ("--listen systemd --check /run/gate", Err(nothing.into())),
            ("--listen", Err("--listen needs a value".into())),
            ("--port 80", Err("unknown option --port".into())),
        ] {
            assert_eq!(parse(line), expected, "{line}");
        }
    }
}
