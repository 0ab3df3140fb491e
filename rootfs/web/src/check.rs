//! Asks a running `vigie-web` for its health, for the gate that marks a slot good: through a socket
//! that nobody outside can keep busy ([`crate::gate`]).
//!
//! An answer is enough, `degraded` included: a data volume that died must not send the box back
//! to the software before the update.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(250);
const LARGEST_ANSWER: u64 = 1 << 20;

/// Asks until there is a good answer, for at most [`PATIENCE`]: the service may have to start, or to
/// start again.
pub fn run(socket: &Path) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match ask(socket, left.max(PAUSE)) {
            Ok(health) => {
                println!("{health}");
                return Ok(());
            }
            Err(error) if left.is_zero() => {
                return Err(error).with_context(|| {
                    let socket = socket.display();
                    format!("no health from {socket} within {} s", PATIENCE.as_secs())
                });
            }
            Err(_) => thread::sleep(PAUSE.min(left)),
        }
    }
}

fn ask(socket: &Path, patience: Duration) -> anyhow::Result<String> {
    let answer = exchange(socket, patience)
        .with_context(|| format!("asking {} for /health", socket.display()))?;
    let answer = String::from_utf8(answer).context("the answer is not text")?;
    body(&answer).map(str::to_owned)
}

fn exchange(socket: &Path, patience: Duration) -> io::Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(LARGEST_ANSWER).read_to_end(&mut answer)?;
    Ok(answer)
}

/// The body of an answer that says 200 and carries a verdict.
fn body(answer: &str) -> anyhow::Result<&str> {
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("the answer has no end of headers")?;
    let status = head.lines().next().unwrap_or_default();
    ensure!(
        status.starts_with("HTTP/1.1 200"),
        "the answer is \"{status}\": {}",
        body.trim()
    );
    let health: serde_json::Value = serde_json::from_str(body).context("the answer is not JSON")?;
    match health.get("status").and_then(serde_json::Value::as_str) {
        Some("ok" | "degraded") => Ok(body),
        other => bail!("the status is {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        for (answer, good) in [
            ("HTTP/1.1 200 OK\r\nx: y\r\n\r\n{\"status\":\"ok\"}", true),
            ("HTTP/1.1 200 OK\r\n\r\n{\"status\":\"degraded\"}", true),
            ("HTTP/1.1 200 OK\r\n\r\n{\"status\":\"dead\"}", false),
            ("HTTP/1.1 500 X\r\n\r\n{\"status\":\"ok\"}", false),
            ("HTTP/1.1 200 OK\r\n\r\n<html>", false),
            ("HTTP/1.1 200 OK\r\n", false),
            ("", false),
        ] {
            assert_eq!(body(answer).is_ok(), good, "{answer}");
        }
    }

    #[test]
    fn c79_a_version_that_starts_without_its_disks_is_good_all_the_same() {
        use crate::health::{Health, Status};
        let mut facts = crate::health::tests::facts();
        let well = Health::of(&facts, Ok(vec![]));
        assert_eq!(well.status, Status::Ok);
        for volume in &mut facts.volumes {
            volume.space = None;
        }
        let gone = Health::of(&facts, Ok(vec!["srv-data\\x2d1.mount".to_owned()]));
        assert_eq!(gone.status, Status::Degraded);
        for health in [well, gone] {
            let json = serde_json::to_string(&health).unwrap();
            let answer = format!("HTTP/1.1 200 OK\r\n\r\n{json}");
            assert_eq!(body(&answer).unwrap(), json);
        }
    }
}
