//! QEMU's machine protocol, by hand: lines of JSON over a socket.
//!
//! [`parse`] is pure. The reader thread puts what comes into the [`Record`], where replies
//! and events are waited for like console lines.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};

use super::record::{Record, Waited};

/// Something that happened in the machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// SHUTDOWN, RESET, STOP ...
    pub name: String,
    /// What comes with it.
    pub data: Value,
}

impl Event {
    /// Why the machine was shut down or reset: `guest-shutdown`, `guest-reset`, `host-qmp-quit` ...
    pub fn reason(&self) -> &str {
        self.data["reason"].as_str().unwrap_or("unknown reason")
    }
}

/// The answer to a command: what it returns, or QEMU's words for why not.
pub type Reply = Result<Value, String>;

/// One message from QEMU.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// QEMU says hello.
    Greeting,
    /// Something happened.
    Event(Event),
    /// The answer to the command with this number.
    Reply(u64, Reply),
}

/// Reads one line of the protocol.
pub fn parse(line: &str) -> Result<Message> {
    let mut value: Value =
        serde_json::from_str(line).with_context(|| format!("QMP message `{line}`"))?;
    if value.get("QMP").is_some() {
        return Ok(Message::Greeting);
    }
    if let Some(name) = value["event"].as_str() {
        let name = name.to_owned();
        let data = value["data"].take();
        return Ok(Message::Event(Event { name, data }));
    }
    let id = value["id"].as_u64();
    let reply = if let Some(returned) = value.get_mut("return") {
        Ok(returned.take())
    } else if let Some(words) = value["error"]["desc"].as_str() {
        Err(words.to_owned())
    } else {
        bail!("QMP message `{line}` is neither greeting, event nor reply");
    };
    match (id, reply) {
        (Some(id), reply) => Ok(Message::Reply(id, reply)),
        (None, Err(words)) => bail!("QEMU refuses a QMP message: {words}"),
        (None, Ok(_)) => bail!("QMP reply without a number: `{line}`"),
    }
}

/// Reads messages into the record until QEMU ends.
pub fn read_all(stream: UnixStream, record: &Record) {
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { break };
        match parse(&line) {
            Ok(message) => record.add_message(message),
            // A command that waits for it runs into its deadline; this says why.
            Err(error) => eprintln!("{error:#}"),
        }
    }
    record.close_qmp();
}

/// How long QEMU may take to answer a command.
const LIMIT: Duration = Duration::from_secs(30);

/// The commanding side.
pub struct Qmp {
    stream: Mutex<UnixStream>,
    record: Arc<Record>,
    next: AtomicU64,
}

impl Qmp {
    /// Over a connected socket whose messages are read into `record`.
    pub fn new(stream: UnixStream, record: Arc<Record>) -> Qmp {
        Qmp {
            stream: Mutex::new(stream),
            record,
            next: AtomicU64::new(1),
        }
    }

    /// Waits for the greeting and leaves the negotiation.
    pub fn handshake(&self) -> Result<()> {
        match self
            .record
            .wait(LIMIT, |state| state.greeted().then_some(()))
        {
            Waited::Found(()) => {}
            Waited::Closed => bail!("QEMU ended before it said hello"),
            Waited::TimedOut => bail!("QEMU has not said hello within {} s", LIMIT.as_secs()),
        }
        self.execute("qmp_capabilities", json!({})).map(drop)
    }

    /// Runs a command and waits for its reply.
    pub fn execute(&self, command: &str, arguments: Value) -> Result<Value> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.send(command, arguments, id)
            .with_context(|| format!("sending `{command}` to QEMU"))?;
        match self.record.wait(LIMIT, |state| state.take_reply(id)) {
            Waited::Found(reply) => reply.map_err(|words| anyhow!("QEMU: `{command}`: {words}")),
            Waited::Closed => bail!("QEMU ended before it answered `{command}`"),
            Waited::TimedOut => bail!(
                "QEMU has not answered `{command}` within {} s",
                LIMIT.as_secs()
            ),
        }
    }

    fn send(&self, command: &str, arguments: Value, id: u64) -> Result<()> {
        let mut line = json!({"execute": command, "arguments": arguments, "id": id}).to_string();
        line.push('\n');
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        stream.write_all(line.as_bytes())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart() {
        let shutdown = Event {
            name: "SHUTDOWN".to_owned(),
            data: json!({"guest": true, "reason": "guest-shutdown"}),
        };
        assert_eq!(shutdown.reason(), "guest-shutdown");
        let cases = [
            (
                r#"{"QMP": {"version": {"qemu": {"major": 10}}}}"#,
                Message::Greeting,
            ),
            (
                r#"{"timestamp": {"seconds": 1}, "event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-shutdown"}}"#,
                Message::Event(shutdown),
            ),
            (
                r#"{"timestamp": {"seconds": 1}, "event": "RESUME"}"#,
                Message::Event(Event {
                    name: "RESUME".to_owned(),
                    data: Value::Null,
                }),
            ),
            (
                r#"{"return": {"status": "running"}, "id": 7}"#,
                Message::Reply(7, Ok(json!({"status": "running"}))),
            ),
            (
                r#"{"id": 8, "error": {"class": "GenericError", "desc": "no such key"}}"#,
                Message::Reply(8, Err("no such key".to_owned())),
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(parse(line).unwrap(), expected, "{line}");
        }
        for wrong in [
            "",
            "{",
            "{}",
            r#"{"return": {}}"#,
            r#"{"error": {"desc": "bad"}}"#,
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_command_gets_its_own_reply() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let record = Arc::new(Record::default());
        let reader = Arc::clone(&record);
        let incoming = ours.try_clone().unwrap();
        std::thread::spawn(move || read_all(incoming, &reader));
        let server = std::thread::spawn(move || {
            let mut out = theirs.try_clone().unwrap();
            out.write_all(b"{\"QMP\": {}}\n").unwrap();
            for line in BufReader::new(theirs).lines().take(3) {
                let command: Value = serde_json::from_str(&line.unwrap()).unwrap();
                let reply = match command["execute"].as_str() {
                    Some("fail") => json!({"error": {"desc": "no"}, "id": command["id"]}),
                    _ => json!({"return": command["execute"], "id": command["id"]}),
                };
                out.write_all(b"{\"event\": \"NOISE\"}\n").unwrap();
                out.write_all(format!("{reply}\n").as_bytes()).unwrap();
            }
        });
        let qmp = Qmp::new(ours, record);
        qmp.handshake().unwrap();
        assert_eq!(
            qmp.execute("query-status", json!({})).unwrap(),
            "query-status"
        );
        let refused = qmp.execute("fail", json!({})).unwrap_err();
        assert_eq!(refused.to_string(), "QEMU: `fail`: no");
        server.join().unwrap();
        let gone = qmp.execute("more", json!({}));
        assert!(gone.is_err());
    }
}
