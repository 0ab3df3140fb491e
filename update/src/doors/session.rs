//! For whom the web interface speaks: the broker knows it, by the token of the session (`rootfs/broker`).
//! The web interface may do nothing to the appliance by itself, so it is not believed either.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use vigie_settings::Role;

use super::serve::Failure;

/// Where the broker listens (`vigie-broker.socket`).
pub const BROKER: &str = "/run/vigie/broker.sock";
/// A broker that does not answer by then does not answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer in bytes.
const LONGEST: u64 = 16 << 10;

/// Somebody who is logged in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Speaker {
    /// The name.
    pub user: String,
    /// What they may do, now.
    pub role: Role,
}

/// Who a session is of.
///
/// # Errors
/// There is no such session, or the broker does not answer.
pub fn of(broker: &Path, token: &str) -> Result<Speaker, Failure> {
    let lines = asked(broker, token).map_err(|error| silent(broker, &error))?;
    let mut refused = false;
    for line in &lines {
        match line["event"].as_str() {
            Some("session") => {
                let speaker = Speaker::deserialize(line);
                return speaker.map_err(|error| silent(broker, &error));
            }
            Some("refused") => refused |= line["code"] == "session",
            _ => {}
        }
    }
    match refused {
        true => Err(Failure::session()),
        false => Err(silent(broker, &"it tells of no session")),
    }
}

fn asked(broker: &Path, token: &str) -> std::io::Result<Vec<serde_json::Value>> {
    let mut socket = UnixStream::connect(broker)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let ask = json!({"token": token, "from": "the updater", "ask": {"verb": "session"}});
    socket.write_all(format!("{ask}\n").as_bytes())?;
    let lines = BufReader::new(socket.take(LONGEST)).lines();
    let read = |line: std::io::Result<String>| -> std::io::Result<serde_json::Value> {
        Ok(serde_json::from_str(&line?)?)
    };
    lines.map(read).collect()
}

/// The token is never in it.
fn silent(broker: &Path, error: &dyn std::fmt::Display) -> Failure {
    let at = broker.display();
    Failure::of_machine(
        format!(
            "asking at {at} who is logged in: {error}; nothing was changed, try again, or restart the appliance"
        ),
        format!(
            "demander à {at} qui est connecté : {error} ; rien n'a été changé, réessayez, ou redémarrez l'appareil"
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::package::error::Fault;

    /// What a broker that answers so makes of a token, and what it was asked.
    fn told(answer: &str) -> (Result<Speaker, Failure>, serde_json::Value) {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().join("broker.sock");
        let listener = UnixListener::bind(&at).unwrap();
        std::thread::scope(|scope| {
            let broker = scope.spawn(|| {
                let (mut socket, _) = listener.accept().unwrap();
                let mut line = String::new();
                let read = BufReader::new(&socket).read_line(&mut line);
                read.unwrap();
                let _ = socket.write_all(answer.as_bytes());
                serde_json::from_str(&line).unwrap()
            });
            let speaker = of(&at, "0123");
            (speaker, broker.join().unwrap())
        })
    }

    const END: &str = "{\"event\":\"end\",\"ok\":true}\n";

    #[test]
    fn the_broker_says_who_a_session_is_of() {
        let session = "{\"event\":\"session\",\"user\":\"anne\",\"role\":\"administrator\",\
                       \"language\":null,\"idle_minutes\":30}\n";
        let (speaker, asked) = told(&format!("{session}{END}"));
        let speaker = speaker.unwrap();
        assert_eq!(
            (&*speaker.user, speaker.role),
            ("anne", Role::Administrator)
        );
        assert_eq!(
            (&asked["token"], &asked["ask"]),
            (&json!("0123"), &json!({"verb": "session"}))
        );
        let refused = "{\"event\":\"refused\",\"code\":\"session\",\"reason\":\"x\"}\n";
        let (nobody, _) = told(&format!("{refused}{END}"));
        let nobody = nobody.unwrap_err();
        assert_eq!((nobody.refused, nobody.code), (true, Some("session")));
    }

    #[test]
    fn a_broker_that_does_not_answer_lets_nobody_in() {
        let long = format!("{{\"event\":\"{}\"}}\n", "x".repeat(LONGEST as usize));
        for answer in [
            "",
            END,
            "garbage\n",
            "{\"event\":\"session\"}\n",
            "{\"event\":\"session\",\"user\":\"anne\",\"role\":\"root\"}\n",
            "{\"event\":\"failed\",\"code\":\"failed\"}\n",
            "{\"event\":\"refused\",\"code\":\"request\"}\n",
            &long,
        ] {
            let failure = told(answer).0.unwrap_err();
            assert_eq!((failure.refused, failure.fault), (false, Fault::Machine));
            assert!(failure.english.contains("nothing was changed"));
            assert_ne!(failure.english, failure.french);
            assert!(!failure.english.contains("0123"));
        }
        let failure = of(Path::new("/nonexistent/broker.sock"), "0123").unwrap_err();
        assert!(failure.english.contains("/nonexistent/broker.sock"));
    }
}
