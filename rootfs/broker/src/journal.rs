//! The system log, line by line, each with its cursor: from there on somebody asks for more.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::Value;

use crate::audit::turns_text;
use crate::failure::Failure;
use crate::machine::Wanted;

/// Longest cursor, in bytes; journald's have about 150.
const CURSOR: usize = 512;
/// In place of a message that is too long to be told.
const TOO_LONG: &str = "(a message that is too long to be shown)";
/// Who says that a port has lost its cable, or has it again.
const NETWORKD: &str = "systemd-networkd.service";
/// What it says then.
const CARRIER: [&str; 4] = ["Lost carrier", "Gained carrier", "Link DOWN", "Link UP"];

/// Which log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Log {
    /// All that the system says.
    #[default]
    System,
    /// Links of cameras and network ports that went and came.
    Disconnections,
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// As it is read.
    pub text: String,
    /// Where it stands.
    pub cursor: String,
}

/// Whether a text may be a cursor of journald.
#[must_use]
pub fn is_cursor(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b == b'=' || b == b';' || b == b'-';
    !text.is_empty() && text.len() <= CURSOR && text.bytes().all(good)
}

/// Tells the lines that are wanted, the oldest first, until `tell` wants no more.
///
/// # Errors
/// The log cannot be read.
pub fn read(wanted: &Wanted, tell: &mut dyn FnMut(&Line) -> bool) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::failed("failed.logs", error);
    let mut child = journalctl(wanted).spawn().map_err(|error| failed(&error))?;
    let mut wants = true;
    if let Some(output) = child.stdout.take() {
        wants = tell_lines(output, wanted, tell);
    }
    // It ends by itself with the pipe that nobody reads.
    let ended = child.wait().map_err(|error| failed(&error))?;
    match ended.success() || !wants {
        true => Ok(()),
        false => Err(failed(&format!("journalctl: {ended}"))),
    }
}

/// Whether all were wanted.
fn tell_lines(output: impl Read, wanted: &Wanted, tell: &mut dyn FnMut(&Line) -> bool) -> bool {
    let entries = BufReader::new(output).split(b'\n').map_while(Result::ok);
    let mut lines = entries.filter_map(|entry| line(&entry, wanted.log));
    if wanted.log == Log::System {
        return lines.all(|line| tell(&line));
    }
    // Which of them are of this log is seen here: from the newest, or from the cursor on.
    let most = wanted.lines as usize;
    if wanted.after.is_some() {
        return lines.take(most).all(|line| tell(&line));
    }
    let mut newest = VecDeque::new();
    for line in lines {
        newest.push_back(line);
        if newest.len() > most {
            newest.pop_front();
        }
    }
    newest.iter().all(tell)
}

/// Words that others chose are single arguments, each after its `=`.
fn journalctl(wanted: &Wanted) -> Command {
    let mut command = Command::new("journalctl");
    command.args(["--no-pager", "--quiet", "--output=json"]);
    command.arg("--output-fields=SYSLOG_IDENTIFIER,_COMM,_PID,MESSAGE");
    match (wanted.log, &wanted.after) {
        (Log::Disconnections, _) => command.arg(format!("--unit={NETWORKD}")),
        // From a cursor on, the first; else the newest.
        (Log::System, Some(_)) => command.arg(format!("--lines=+{}", wanted.lines)),
        (Log::System, None) => command.arg(format!("--lines={}", wanted.lines)),
    };
    if let (Log::System, Some(unit)) = (wanted.log, &wanted.unit) {
        command.arg(format!("--unit={unit}"));
    }
    if let Some(since) = wanted.since {
        command.arg(format!("--since=@{since}"));
    }
    if let Some(after) = &wanted.after {
        command.arg(format!("--after-cursor={after}"));
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// An entry as it is read; nothing where it is not of this log.
fn line(entry: &[u8], log: Log) -> Option<Line> {
    let entry: Value = serde_json::from_slice(entry).ok()?;
    let message = match &entry["MESSAGE"] {
        // journalctl leaves out what is longer than 4096 bytes.
        Value::Null => TOO_LONG.to_owned(),
        message => text(message),
    };
    let is_carrier = || CARRIER.iter().any(|words| message.contains(words));
    if log == Log::Disconnections && !is_carrier() {
        return None;
    }
    let micros: u64 = entry["__REALTIME_TIMESTAMP"].as_str()?.parse().ok()?;
    let time = vigie_settings::utc(micros / 1_000_000);
    let name = match text(&entry["SYSLOG_IDENTIFIER"]) {
        name if name.is_empty() => text(&entry["_COMM"]),
        name => name,
    };
    let process = match text(&entry["_PID"]) {
        number if number.is_empty() => String::new(),
        number => format!("[{number}]"),
    };
    let cursor = entry["__CURSOR"].as_str()?.to_owned();
    let text = shown(&format!("{time} {name}{process}: {message}"));
    Some(Line { text, cursor })
}

/// A text as it is read: whoever has something logged neither writes what looks like an entry of its own, nor
/// has a say in what a terminal does with a file of it.
fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.trim_end_matches('\n').chars() {
        match c {
            '\n' => shown.push_str("\n    "),
            '\t' => shown.push(c),
            c if c.is_control() || turns_text(c) => shown.push('\u{fffd}'),
            c => shown.push(c),
        }
    }
    shown
}

/// A field: a text, the bytes of one that is none, or several of the same name.
fn text(field: &Value) -> String {
    match field {
        Value::String(text) => text.clone(),
        Value::Array(all) if all.iter().all(Value::is_u64) => {
            let bytes = all.iter().filter_map(Value::as_u64);
            let bytes: Vec<u8> = bytes
                .map(|byte| u8::try_from(byte).unwrap_or(b'?'))
                .collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        Value::Array(all) => all.first().map(text).unwrap_or_default(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn wanted(log: Log, lines: u32, after: Option<&str>) -> Wanted {
        Wanted {
            lines,
            unit: None,
            since: None,
            after: after.map(str::to_owned),
            log,
        }
    }

    fn entry(number: u64, message: Value) -> String {
        json!({
            "__CURSOR": format!("s=1;i={number}"), "__REALTIME_TIMESTAMP": "1796038341000000",
            "SYSLOG_IDENTIFIER": "systemd-networkd", "_PID": "77", "MESSAGE": message,
        })
        .to_string()
    }

    fn told(wanted: &Wanted, output: &str) -> Vec<Line> {
        let mut told = Vec::new();
        let all = tell_lines(output.as_bytes(), wanted, &mut |line| {
            told.push(line.clone());
            true
        });
        assert!(all);
        told
    }

    #[test]
    fn an_entry_is_a_line_with_its_cursor() {
        let output = [
            entry(1, json!("eth0: Lost carrier")),
            entry(2, json!([195, 169, 255])),
            "no entry".to_owned(),
            entry(3, json!(null)),
        ]
        .join("\n");
        let lines = told(&wanted(Log::System, 9, None), &output);
        assert_eq!(lines.len(), 3);
        assert_eq!(
            lines[0],
            Line {
                text: "2026-11-30T11:32:21Z systemd-networkd[77]: eth0: Lost carrier".into(),
                cursor: "s=1;i=1".into(),
            }
        );
        assert!(lines[1].text.ends_with(": é\u{fffd}"), "{lines:?}");
        assert!(lines.iter().all(|line| is_cursor(&line.cursor)));
        let mut first = None;
        let wants = tell_lines(
            output.as_bytes(),
            &wanted(Log::System, 9, None),
            &mut |line| {
                assert!(first.is_none());
                first = Some(line.clone());
                false
            },
        );
        assert!(!wants);
    }

    /// The last days before a power cut can be read after it, and never fill the state volume.
    #[test]
    fn the_journal_outlives_a_restart_and_has_a_cap() {
        let file = include_str!("../../overlay/usr/lib/systemd/journald.conf.d/vigie.conf");
        let values = |name: &str| -> Vec<&str> {
            let lines = file.lines().filter_map(|line| line.split_once('='));
            let named = lines.filter(|(field, _)| *field == name);
            named.map(|(_, value)| value).collect()
        };
        for (name, expected) in [
            ("Storage", "persistent"),
            ("SystemMaxUse", "256M"),
            ("SystemKeepFree", "256M"),
        ] {
            assert_eq!(values(name), [expected], "{name}");
        }
    }

    #[test]
    fn c64_no_message_looks_like_an_entry_or_does_something_to_a_terminal() {
        let forged = "wrong user \n2026-11-30T11:32:22Z sshd[1]: Accepted password for root\r\n";
        for (message, expected) in [
            (
                json!(forged),
                "wrong user \n    2026-11-30T11:32:22Z sshd[1]: Accepted password for root\u{fffd}",
            ),
            (
                json!("\u{1b}[2J\u{9b}31m\u{202e}abc\tdef"),
                "\u{fffd}[2J\u{fffd}31m\u{fffd}abc\tdef",
            ),
            (json!([27, 91, 50, 74]), "\u{fffd}[2J"),
            (json!(null), TOO_LONG),
        ] {
            let lines = told(&wanted(Log::System, 9, None), &entry(1, message));
            let head = "2026-11-30T11:32:21Z systemd-networkd[77]: ";
            assert_eq!(lines[0].text, format!("{head}{expected}"));
        }
    }

    #[test]
    fn disconnections_are_the_newest_or_those_after_a_cursor() {
        let messages = [
            "eth0: Lost carrier",
            "eth0: DHCPv4 lease lost",
            "eth0: Gained carrier",
            "eth1: Link UP",
        ];
        let output: Vec<String> = messages
            .iter()
            .zip(1..)
            .map(|(message, number)| entry(number, json!(message)))
            .collect();
        let output = output.join("\n");
        let cursors = |wanted: &Wanted| -> Vec<String> {
            let lines = told(wanted, &output).into_iter();
            lines.map(|line| line.cursor).collect()
        };
        let all = ["s=1;i=1", "s=1;i=3", "s=1;i=4"];
        assert_eq!(cursors(&wanted(Log::Disconnections, 9, None)), all);
        assert_eq!(cursors(&wanted(Log::Disconnections, 2, None)), all[1..]);
        let after = wanted(Log::Disconnections, 2, Some("s=1;i=0"));
        assert_eq!(cursors(&after), all[..2]);
    }

    #[test]
    fn words_of_others_are_no_options_of_journalctl() {
        let arguments = |wanted: &Wanted| -> Vec<String> {
            let command = journalctl(wanted);
            let arguments = command.get_args().skip(4);
            arguments
                .map(|one| one.to_string_lossy().into_owned())
                .collect()
        };
        let mut asked = wanted(Log::System, 7, None);
        asked.unit = Some("--flush".into());
        asked.since = Some(12);
        assert_eq!(
            arguments(&asked),
            ["--lines=7", "--unit=--flush", "--since=@12"]
        );
        asked.after = Some("s=1;i=2".into());
        asked.unit = None;
        assert_eq!(
            arguments(&asked),
            ["--lines=+7", "--since=@12", "--after-cursor=s=1;i=2"]
        );
        asked.log = Log::Disconnections;
        assert_eq!(arguments(&asked)[0], format!("--unit={NETWORKD}"));
        for (text, expected) in [
            ("s=abc;i=1;b=0-9", true),
            ("", false),
            ("a b", false),
            ("a\n", false),
            ("--flush", true),
            ("/etc", false),
        ] {
            assert_eq!(is_cursor(text), expected, "{text}");
        }
        assert!(!is_cursor(&"a".repeat(600)));
    }
}
