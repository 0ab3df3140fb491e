//! `vigie-broker`: one request, and what was asked so far.

use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use vigie_broker::audit::{Ended, Record};
use vigie_broker::elsewhere;
use vigie_broker::failure::said;
use vigie_broker::going;
use vigie_broker::login::ATTEMPTS;
use vigie_broker::peer;
use vigie_broker::running::Running;
use vigie_broker::serve::{Desk, serve};
use vigie_broker::session::{SESSIONS, Sessions};
use vigie_broker::setup::{CODE, Code};
use vigie_broker::users::{Accounts, OfSystem, SHADOW};
use vigie_settings::{Language, Store};

/// Has done by root what others may ask for, by their roles, and writes down who asked.
///
/// Exit codes: 0 done, 1 failed, 2 wrong use.
#[derive(Parser)]
#[command(name = "vigie-broker", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answer one request on standard input, a connected socket. Run by systemd.
    Serve,
    /// Ask for what the line on standard input says, and print what is answered; as root, without a
    /// session. Exit code 1 where it was not done.
    Ask {
        /// Where the broker listens.
        #[arg(long, default_value = SOCKET)]
        socket: PathBuf,
    },
    /// Print who had what done, from where, and what became of it; the newest last.
    Audit {
        /// Print JSON lines.
        #[arg(long)]
        json: bool,
        /// Only the newest ones.
        #[arg(long)]
        last: Option<usize>,
        /// The root of the system.
        #[arg(long, default_value = "/")]
        root: PathBuf,
    },
    /// Write down that the machine goes down, where nobody has asked for it here. Run by systemd.
    #[command(hide = true)]
    GoingDown,
}

/// Where systemd listens for us (`vigie-broker.socket`).
const SOCKET: &str = "/run/vigie/broker.sock";
/// Longest line that is asked, in bytes: more than the broker takes.
const LONGEST: u64 = 1 << 20;

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Serve => run_serve().map(|()| true),
        Command::Ask { socket } => ask(&socket, io::stdin().lock(), &mut io::stdout()),
        Command::Audit { json, last, root } => run_audit(&root, json, last).map(|()| true),
        Command::GoingDown => run_going_down().map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("vigie-broker: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_going_down() -> Result<()> {
    let jobs = std::process::Command::new("systemctl")
        .args(going::JOBS)
        .output();
    let jobs = jobs.context("asking systemd what it does")?;
    let jobs = String::from_utf8_lossy(&jobs.stdout).into_owned();
    going::note(Path::new("/"), &jobs).context("writing into the audit trail")?;
    Ok(())
}

fn run_serve() -> Result<()> {
    let socket = io::stdin().as_fd().try_clone_to_owned();
    let socket = UnixStream::from(socket.context("taking the socket from standard input")?);
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let peer = peer::of(&socket, &passwd);
    if let Err(why) = &peer {
        eprintln!("vigie-broker: {why}");
    }
    let users = OfSystem {
        root: "/".into(),
        accounts: Accounts {
            shadow: SHADOW.into(),
        },
    };
    let settings = Store::of_system(Path::new("/")).load().settings;
    let idle = u64::from(settings.web.idle_minutes.get()) * 60;
    let mut machine = Running { root: "/".into() };
    let mut desk = Desk {
        root: "/".into(),
        attempts: ATTEMPTS.into(),
        sessions: Sessions {
            path: SESSIONS.into(),
            idle: Duration::from_secs(idle),
        },
        code: Code { path: CODE.into() },
        users: &users,
        machine: &mut machine,
    };
    serve(socket, peer.ok(), &mut desk);
    Ok(())
}

/// Sends one line and tells what comes back; whether it was done.
fn ask(socket: &Path, from: impl BufRead, to: &mut dyn Write) -> Result<bool> {
    let mut line = String::new();
    let read = from.take(LONGEST).read_line(&mut line);
    read.context("reading the request from standard input")?;
    let mut broker = UnixStream::connect(socket)
        .with_context(|| format!("reaching the broker at {}", socket.display()))?;
    let line = line.trim_end().to_owned() + "\n";
    broker
        .write_all(line.as_bytes())
        .context("asking the broker")?;
    let mut last = String::new();
    for line in BufReader::new(broker).lines() {
        last = line.context("reading the answer")?;
        writeln!(to, "{last}").context("writing to standard output")?;
    }
    let end: serde_json::Value = serde_json::from_str(&last).context("the answer has no end")?;
    Ok(end["event"] == "end" && end["ok"] == true)
}

fn run_audit(root: &Path, json: bool, last: Option<usize>) -> Result<()> {
    let all = elsewhere::everything(root);
    let skipped = last.map_or(0, |last| all.len().saturating_sub(last));
    let language = Store::of_system(root).load().settings.system.language;
    let mut lines = Vec::new();
    for record in &all[skipped..] {
        lines.push(match json {
            true => serde_json::to_string(record).context("writing a record")?,
            false => line(record, language),
        });
    }
    if lines.is_empty() && !json {
        lines.push(said("trail.empty", &[]).to(language).to_owned());
    }
    let text = lines.iter().map(|line| format!("{line}\n"));
    let written = io::stdout().write_all(text.collect::<String>().as_bytes());
    match written {
        // Who reads no more has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("writing to standard output"),
    }
}

/// A record as a person reads it.
fn line(record: &Record, language: Language) -> String {
    let key = match record.ended {
        Ended::Asked => "trail.asked",
        Ended::Done => "trail.done",
        Ended::Refused => "trail.refused",
        Ended::Failed => "trail.failed",
    };
    let ended = said(key, &[]);
    let who = record.who.as_deref().unwrap_or("-");
    let about = record.about.iter().map(|about| format!(" {about}"));
    let code = record.code.iter().map(|code| format!(" ({code})"));
    format!(
        "{} {who} {}: {}{} {}{}",
        vigie_settings::utc(record.time),
        record.from,
        record.action,
        about.collect::<String>(),
        ended.to(language),
        code.collect::<String>(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use vigie_broker::verb::Verb;

    #[test]
    fn a_line_is_asked_and_what_comes_back_says_whether_it_was_done() {
        let unit = include_str!("../../overlay/usr/lib/systemd/system/vigie-broker.socket");
        assert!(unit.contains(&format!("ListenStream={SOCKET}\n")));
        for (answer, expected) in [
            (
                "{\"event\":\"going\"}\n{\"event\":\"end\",\"ok\":true}\n",
                Some(true),
            ),
            (
                "{\"event\":\"refused\"}\n{\"event\":\"end\",\"ok\":false}\n",
                Some(false),
            ),
            ("{\"event\":\"going\",\"ok\":true}\n", Some(false)),
            ("", None),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let at = dir.path().join("socket");
            let listener = UnixListener::bind(&at).unwrap();
            let mut told = Vec::new();
            let done = std::thread::scope(|scope| {
                scope.spawn(|| {
                    let (mut socket, _) = listener.accept().unwrap();
                    let mut line = String::new();
                    BufReader::new(&socket).read_line(&mut line).unwrap();
                    assert_eq!(line, "{\"ask\":1}\n");
                    socket.write_all(answer.as_bytes()).unwrap();
                });
                ask(&at, &b"{\"ask\":1}"[..], &mut told)
            });
            assert_eq!(done.ok(), expected, "{answer}");
            assert_eq!(String::from_utf8(told).unwrap(), answer);
        }
        let nowhere = Path::new("/nonexistent/socket");
        let error = ask(nowhere, &b"x"[..], &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/socket"));
    }

    #[test]
    fn the_web_interface_cannot_take_all_connections() {
        for unit in [
            include_str!("../../overlay/usr/lib/systemd/system/vigie-broker.socket"),
            include_str!("../../overlay/usr/lib/systemd/system/vigie-update.socket"),
        ] {
            let most = |key: &str| -> u32 {
                let mut values = unit.lines().filter_map(|line| line.strip_prefix(key));
                values.next().unwrap().parse().unwrap()
            };
            assert!(most("MaxConnectionsPerSource=") < most("MaxConnections="));
        }
    }

    #[test]
    fn a_request_is_no_line_of_the_journal_and_a_fault_is_one() {
        let unit = include_str!("../../overlay/usr/lib/systemd/system/vigie-broker@.service");
        for line in [
            "StandardError=journal",
            "SyslogLevel=warning",
            "LogLevelMax=notice",
        ] {
            assert!(unit.lines().any(|other| other == line), "{line}");
        }
    }

    #[test]
    fn a_line_says_who_from_where_what_and_what_became_of_it() {
        let record = Record {
            time: 1_796_038_341,
            who: Some("anne".into()),
            about: Some("service".into()),
            code: Some("role".into()),
            ..Record::now(Verb::SetPassword, "192.0.2.7", Ended::Refused)
        };
        let expected = "2026-11-30T11:32:21Z anne 192.0.2.7: set-password service";
        assert_eq!(
            line(&record, Language::En),
            format!("{expected} refused (role)")
        );
        assert_eq!(
            line(&record, Language::Fr),
            format!("{expected} refusé (role)")
        );
    }
}
