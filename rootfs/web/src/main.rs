//! `vigie-web`: the appliance's web interface.
//!
//! Facts are read from the running system ([`facts`], [`units`]), judged ([`health`], pure) and
//! shown as JSON or as a page ([`page`], pure) by a small server ([`server`]). The program runs
//! without privileges: it reads nothing that is not world-readable and never the settings.

mod arrays;
mod check;
mod facts;
mod health;
mod language;
mod messages;
mod notify;
mod page;
mod parse;
mod server;
mod units;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};

const USAGE: &str = "\
vigie-web: the appliance's web interface

usage: vigie-web --listen ADDRESS:PORT [--root DIR]
       vigie-web --listen stdin         the listening socket comes as standard input (systemd)
       vigie-web --check ADDRESS:PORT   asks a running one for its health; exits 0 when it answers

Exit codes: 0 done, 1 failed, 2 wrong use.";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Task {
    Serve { listen: Listen, root: PathBuf },
    Check(SocketAddr),
    Help,
}

/// Where requests come from.
#[derive(Debug, PartialEq, Eq)]
enum Listen {
    Stdin,
    Address(SocketAddr),
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
        Task::Serve { listen, root } => server::run(&listen, root),
        Task::Check(address) => check::run(address),
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
    let (mut listen, mut check, mut root) = (None, None, PathBuf::from("/"));
    while let Some(option) = arguments.next() {
        let mut value = || {
            arguments
                .next()
                .with_context(|| format!("{option} needs a value"))
        };
        match option.as_str() {
            "--help" | "-h" => return Ok(Task::Help),
            "--listen" => {
                let value = value()?;
                listen = Some(if value == "stdin" {
                    Listen::Stdin
                } else {
                    Listen::Address(address(&value)?)
                });
            }
            "--check" => check = Some(address(&value()?)?),
            "--root" => root = value()?.into(),
            _ => bail!("unknown option {option}"),
        }
    }
    match (listen, check) {
        (Some(listen), None) => Ok(Task::Serve { listen, root }),
        (None, Some(address)) => Ok(Task::Check(address)),
        _ => bail!("give --listen or --check"),
    }
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
        for (line, expected) in [
            (
                "--listen stdin",
                Ok(Task::Serve {
                    listen: Listen::Stdin,
                    root: "/".into(),
                }),
            ),
            (
                "--listen 127.0.0.1:8080 --root /x",
                Ok(Task::Serve {
                    listen: Listen::Address(address),
                    root: "/x".into(),
                }),
            ),
            ("--check 127.0.0.1:8080", Ok(Task::Check(address))),
            ("-h", Ok(Task::Help)),
            ("", Err("give --listen or --check".into())),
            ("--listen", Err("--listen needs a value".into())),
            ("--port 80", Err("unknown option --port".into())),
        ] {
            assert_eq!(parse(line), expected, "{line}");
        }
    }
}
