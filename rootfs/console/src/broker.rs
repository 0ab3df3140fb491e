//! The broker, asked: one JSON line to its socket, lines back, the last of them `end`.
//!
//! The console is root's own program: without a token it speaks as an administrator, with one as
//! whoever has logged in at it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use vigie_settings::Language;

use crate::menu::words::say;

/// Where systemd listens for it (`vigie-broker.socket`).
const SOCKET: &str = "/run/vigie/broker.sock";
/// A change that is applied, or a bundle that is collected, may take its time.
const PATIENCE: Duration = Duration::from_secs(180);
/// Most that is read of an answer, in bytes: a support bundle has room in it.
const LARGEST: u64 = 256 << 20;

/// The broker of this appliance.
#[derive(Debug)]
pub struct Broker {
    socket: PathBuf,
    /// For whom it is asked: the address of an SSH client, or the console.
    from: String,
}

/// Why nothing came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The broker says why.
    Told {
        /// One word for programs.
        code: String,
        /// In English.
        reason: String,
        /// In French.
        reason_fr: String,
        /// What it told before, such as each problem of a change.
        events: Vec<Value>,
    },
    /// It gives no answer, or none that can be understood.
    Unanswered {
        /// In English.
        reason: String,
        /// In French.
        reason_fr: String,
    },
}

impl Trouble {
    /// Its word; empty where the broker has given no answer.
    pub fn code(&self) -> &str {
        match self {
            Self::Told { code, .. } => code,
            Self::Unanswered { .. } => "",
        }
    }

    /// What was told before.
    pub fn events(&self) -> &[Value] {
        match self {
            Self::Told { events, .. } => events,
            Self::Unanswered { .. } => &[],
        }
    }

    /// One of its words in both languages, with what the system says of it.
    fn unanswered(key: &str, error: impl std::fmt::Display) -> Self {
        let values = [("error", error.to_string())];
        let [reason, reason_fr] =
            [Language::En, Language::Fr].map(|language| say(language, key, &values));
        Self::Unanswered { reason, reason_fr }
    }

    /// For a person.
    pub fn words(&self, language: Language) -> &str {
        let (Self::Told {
            reason, reason_fr, ..
        }
        | Self::Unanswered { reason, reason_fr }) = self;
        match language {
            Language::Fr if !reason_fr.is_empty() => reason_fr,
            _ => reason,
        }
    }
}

impl Broker {
    /// That of the running appliance; `ssh` is the variable `SSH_CONNECTION`.
    pub fn this(ssh: Option<&str>) -> Self {
        let client = ssh.and_then(|ssh| ssh.split_whitespace().next());
        Self {
            socket: SOCKET.into(),
            from: client.unwrap_or("console").to_owned(),
        }
    }

    /// Asks for something, in the name of a session where there is one; gives all that was told.
    ///
    /// # Errors
    /// It was not done, or there is no answer.
    pub fn ask(&self, token: Option<&str>, ask: &Value) -> Result<Vec<Value>, Trouble> {
        let mut request = json!({"from": self.from, "ask": ask});
        if let Some(token) = token {
            request["token"] = token.into();
        }
        let answer = exchange(&self.socket, &request).map_err(|error| {
            let socket = self.socket.display();
            Trouble::unanswered("answer.silent", format!("{socket}: {error}"))
        })?;
        understood(&answer)
    }
}

fn exchange(socket: &Path, request: &Value) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{request}\n").as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream.take(LARGEST)).read_to_string(&mut answer)?;
    Ok(answer)
}

/// The lines of an answer, without the last one. Pure.
fn understood(answer: &str) -> Result<Vec<Value>, Trouble> {
    let lines = answer.as_bytes().lines().map_while(Result::ok);
    let read: Result<Vec<Value>, _> = lines.map(|line| serde_json::from_str(&line)).collect();
    let mut events = read.map_err(|error| Trouble::unanswered("answer.unclear", error))?;
    let cut = || Trouble::unanswered("answer.cut", "");
    let end = events.pop().filter(|end| end["event"] == "end");
    if end.ok_or_else(cut)?["ok"] == true {
        return Ok(events);
    }
    let is_failure = |event: &Value| event["event"] == "refused" || event["event"] == "failed";
    let at = events.iter().position(is_failure).ok_or_else(cut)?;
    let failure = events.remove(at);
    let text = |name: &str| failure[name].as_str().unwrap_or_default().to_owned();
    Err(Trouble::Told {
        code: text("code"),
        reason: text("reason"),
        reason_fr: text("reason_fr"),
        events,
    })
}

/// The first event of a kind.
pub fn event<'a>(events: &'a [Value], kind: &str) -> Option<&'a Value> {
    all(events, kind).next()
}

/// All events of a kind.
pub fn all<'a>(events: &'a [Value], kind: &str) -> impl Iterator<Item = &'a Value> {
    events.iter().filter(move |event| event["event"] == kind)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// What a broker hears, and what is made of its answer.
    fn asked(token: Option<&str>, answer: &'static str) -> (Value, Result<Vec<Value>, Trouble>) {
        let folder = tempfile::tempdir().expect("folder");
        let socket = folder.path().join("broker.sock");
        let listener = UnixListener::bind(&socket).expect("listens");
        let fake = thread::spawn(move || {
            let (stream, _) = listener.accept().expect("is asked");
            let mut line = String::new();
            let mut stream = BufReader::new(stream);
            stream.read_line(&mut line).expect("a line");
            let written = stream.get_mut().write_all(answer.as_bytes());
            written.expect("answered");
            line
        });
        let broker = Broker {
            socket,
            ..Broker::this(Some("192.0.2.7 50000 192.0.2.1 22"))
        };
        let result = broker.ask(token, &json!({"verb": "session"}));
        let heard = fake.join().expect("the fake ends");
        (serde_json::from_str(&heard).expect("JSON"), result)
    }

    #[test]
    fn who_speaks_from_where_and_what_is_told() {
        let done = "{\"event\":\"line\",\"text\":\"a\"}\n{\"event\":\"end\",\"ok\":true}\n";
        let (heard, result) = asked(Some("ab12"), done);
        let session = json!({"verb": "session"});
        let expected = json!({"token": "ab12", "from": "192.0.2.7", "ask": session});
        assert_eq!(heard, expected);
        assert_eq!(result, Ok(vec![json!({"event": "line", "text": "a"})]));
        let (heard, _) = asked(None, done);
        assert_eq!(heard, json!({"from": "192.0.2.7", "ask": session}));
        assert_eq!(Broker::this(None).from, "console");
    }

    #[test]
    fn why_it_was_not_done() {
        let refused = concat!(
            r#"{"event":"problem","field":"network.enterprise.address"}"#,
            "\n",
            r#"{"event":"refused","code":"problems","reason":"wrong","reason_fr":"faux"}"#,
            "\n",
            r#"{"event":"end","ok":false}"#,
            "\n",
        );
        let trouble = asked(None, refused).1.expect_err("refused");
        assert_eq!(trouble.code(), "problems");
        assert_eq!(trouble.words(Language::En), "wrong");
        assert_eq!(trouble.words(Language::Fr), "faux");
        assert_eq!(all(trouble.events(), "problem").count(), 1);
        let (cut, unclear) = (
            ("no end", "sans fin"),
            ("cannot be understood", "incompréhensible"),
        );
        for (answer, (english, french)) in [
            ("", cut),
            ("{\"event\":\"line\"}\n", cut),
            ("{\"event\":\"end\",\"ok\":false}\n", cut),
            ("nonsense\n", unclear),
        ] {
            let trouble = asked(None, answer).1.expect_err(answer);
            assert!(trouble.words(Language::En).contains(english), "{trouble:?}");
            assert!(trouble.words(Language::Fr).contains(french), "{trouble:?}");
            assert_eq!((trouble.code(), trouble.events()), ("", &[][..]));
        }
    }

    #[test]
    fn a_broker_that_is_not_there() {
        let folder = tempfile::tempdir().expect("folder");
        let broker = Broker {
            socket: folder.path().join("absent"),
            ..Broker::this(None)
        };
        let trouble = broker.ask(None, &json!({})).expect_err("nobody is there");
        assert!(
            trouble.words(Language::En).contains("absent"),
            "{trouble:?}"
        );
    }

    #[test]
    fn it_is_asked_where_systemd_listens() {
        let unit = include_str!("../../overlay/usr/lib/systemd/system/vigie-broker.socket");
        assert!(unit.contains(&format!("ListenStream={SOCKET}\n")));
    }
}
