//! What the web service says of the machine: one judgement for all who show it.
//!
//! It is asked through the socket of the health gate, which only root enters: strangers may keep its
//! ports busy.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use crate::status::Health;

/// The menu does not wait longer for the web service; the status can be refreshed.
const PATIENCE: Duration = Duration::from_secs(3);
const LARGEST_ANSWER: u64 = 1 << 20;

/// Where it is asked.
pub struct Web {
    gate: PathBuf,
    /// Where there is no gate, as while the service starts again.
    port: SocketAddr,
}

impl Default for Web {
    fn default() -> Self {
        Self {
            gate: "/run/vigie-web/gate.sock".into(),
            port: (Ipv4Addr::LOCALHOST, 80).into(),
        }
    }
}

impl Web {
    /// What it says.
    ///
    /// # Errors
    /// It does not answer in time, or something else.
    pub fn health(&self) -> anyhow::Result<Health> {
        let answer = self.ask().context("asking the web service for /health")?;
        // Whatever the number in front: an answer that nobody is let in has its reason in there.
        let (_, body) = answer
            .split_once("\r\n\r\n")
            .context("the web service's answer has no body")?;
        serde_json::from_str(body).context("reading the web service's answer")
    }

    fn ask(&self) -> io::Result<String> {
        match UnixStream::connect(&self.gate) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                exchange(stream)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let stream = TcpStream::connect_timeout(&self.port, PATIENCE)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                exchange(stream)
            }
            Err(error) => Err(error),
        }
    }
}

fn exchange(mut stream: impl Read + Write) -> io::Result<String> {
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(LARGEST_ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::io::BufRead;
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    const WELL: &str = r#"{"status":"ok","slot":"a"}"#;
    const SHUT: &str =
        r#"{"status":"shut","problems":["nobody is let in"],"problems_fr":["personne n’entre"]}"#;

    /// Reads a request and answers it.
    fn answer(stream: impl Read + Write, status: &str, body: &str) {
        let mut stream = io::BufReader::new(stream);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line).unwrap();
        }
        let answer = format!("HTTP/1.1 {status}\r\nconnection: close\r\n\r\n{body}");
        stream.get_mut().write_all(answer.as_bytes()).unwrap();
    }

    /// A port whose places strangers have: nobody is answered there.
    fn busy_port() -> (TcpListener, SocketAddr) {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = port.local_addr().unwrap();
        (port, address)
    }

    fn by_the_gate(status: &'static str, body: &'static str) -> anyhow::Result<Health> {
        let folder = tempfile::tempdir().unwrap();
        let gate = folder.path().join("gate");
        let listener = UnixListener::bind(&gate).unwrap();
        let (_busy, port) = busy_port();
        let web = thread::spawn(move || answer(listener.accept().unwrap().0, status, body));
        let health = Web { gate, port }.health();
        web.join().unwrap();
        health
    }

    #[test]
    fn strangers_who_take_every_place_at_the_port_do_not_blank_the_menu() {
        let health = by_the_gate("200 OK", WELL).unwrap();
        assert_eq!(health.status, "ok");
        assert_eq!(health.slot.as_deref(), Some("a"));
    }

    #[test]
    fn why_nobody_is_let_in_is_told() {
        let health = by_the_gate("503 Service Unavailable", SHUT).unwrap();
        assert_eq!(health.problems, ["nobody is let in"]);
        assert_eq!(health.problems_fr, ["personne n’entre"]);
        assert!(by_the_gate("500 Internal Server Error", "out of order\n").is_err());
    }

    #[test]
    fn without_a_gate_the_port_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let (listener, port) = busy_port();
        let web = thread::spawn(move || answer(listener.accept().unwrap().0, "200 OK", WELL));
        let gate = folder.path().join("absent");
        let health = Web { gate, port }.health().unwrap();
        web.join().unwrap();
        assert_eq!(health.status, "ok");
    }

    #[test]
    fn a_gate_that_nobody_stands_at_is_no_reason_to_wait() {
        let folder = tempfile::tempdir().unwrap();
        let gate = folder.path().join("gate");
        drop(UnixListener::bind(&gate).unwrap());
        let (_busy, port) = busy_port();
        let error = Web { gate, port }.health().unwrap_err();
        assert!(format!("{error:#}").contains("refused"), "{error:#}");
    }
}
