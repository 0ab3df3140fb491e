//! How services on this machine are asked, through their sockets: a line of JSON there, lines of
//! JSON back, the last one an `end`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::failure::Failure;

/// Between two lines of an answer.
const PATIENCE: Duration = Duration::from_secs(600);

/// One such service.
#[derive(Clone, Debug)]
pub struct Lines {
    socket: PathBuf,
    /// What is said where it does not answer.
    silent: fn() -> Failure,
    /// Questions at once. systemd hangs up on more than its socket takes: who comes then waits here.
    places: Arc<Semaphore>,
}

impl Lines {
    /// A service that takes so many questions at once.
    pub fn new(socket: PathBuf, silent: fn() -> Failure, places: usize) -> Self {
        Self {
            socket,
            silent,
            places: Arc::new(Semaphore::new(places)),
        }
    }

    /// Asks, and gives each event but the last to `tell` as it comes. Who goes on no longer drops this,
    /// and the service is told nothing more.
    pub async fn ask(
        &self,
        request: &Value,
        mut tell: impl FnMut(Value) + Send,
    ) -> Result<(), Failure> {
        let silent = |_| (self.silent)();
        let place = timeout(PATIENCE, self.places.acquire()).await;
        let Ok(Ok(_place)) = place else {
            return Err((self.silent)());
        };
        let mut socket = UnixStream::connect(&self.socket).await.map_err(silent)?;
        let line = format!("{request}\n");
        socket.write_all(line.as_bytes()).await.map_err(silent)?;
        let mut lines = BufReader::new(socket).lines();
        let mut failure = (self.silent)();
        loop {
            let line = timeout(PATIENCE, lines.next_line()).await;
            let Ok(Ok(Some(line))) = line else {
                return Err((self.silent)());
            };
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            match event["event"].as_str() {
                Some("end") if event["ok"] == true => return Ok(()),
                Some("end") => return Err(failure),
                Some("refused" | "failed") => failure = Failure::of(&event),
                _ => tell(event),
            }
        }
    }

    /// Asks for a short answer: all its events.
    pub async fn events(&self, request: &Value) -> Result<Vec<Value>, Failure> {
        let mut events = Vec::new();
        self.ask(request, |event| events.push(event)).await?;
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::net::UnixListener;

    use super::*;
    use crate::language::Language;

    fn silent() -> Failure {
        Failure::machine("does not answer", "ne répond pas")
    }

    #[tokio::test]
    async fn c64_no_more_is_asked_at_once_than_is_taken() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).expect("bound");
        let service = Lines::new(path, silent, 3);
        let asked: Vec<_> = (0..20)
            .map(|_| {
                let service = service.clone();
                tokio::spawn(async move { service.events(&json!({})).await })
            })
            .collect();
        let mut here = Vec::new();
        for _ in 0..20 {
            while here.len() < 3 {
                // Of the last ones there are fewer.
                let next = timeout(Duration::from_millis(200), listener.accept()).await;
                let Ok(next) = next else { break };
                here.push(next.expect("asked").0);
            }
            let more = timeout(Duration::from_millis(20), listener.accept()).await;
            assert!(more.is_err(), "more than three at once");
            let mut first: UnixStream = here.remove(0);
            let end = b"{\"event\":\"end\",\"ok\":true}\n";
            first.write_all(end).await.expect("written");
        }
        for one in asked {
            assert_eq!(one.await.expect("asked"), Ok(vec![]));
        }
    }

    #[tokio::test]
    async fn answers() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).expect("bound");
        let service = Lines::new(path, silent, 1);
        for (answer, expected) in [
            (
                "{\"event\":\"status\"}\n{\"event\":\"end\",\"ok\":true}\n",
                Ok(1),
            ),
            (
                "{\"event\":\"refused\",\"code\":\"wait\",\"reason\":\"why\",\"reason_fr\":\"pourquoi\"}\n{\"event\":\"end\",\"ok\":false}\n",
                Err("why"),
            ),
            ("{\"event\":\"status\"}\n", Err("does not answer")),
            ("", Err("does not answer")),
        ] {
            let request = json!({"verb": "status"});
            let (told, ()) = tokio::join!(service.events(&request), async {
                let (socket, _) = listener.accept().await.expect("asked");
                let mut lines = BufReader::new(socket).lines();
                let asked = lines.next_line().await.expect("read").expect("a line");
                assert_eq!(asked, r#"{"verb":"status"}"#);
                let mut socket = lines.into_inner();
                socket.write_all(answer.as_bytes()).await.expect("written");
            });
            match expected {
                Ok(count) => assert_eq!(told.map(|events| events.len()), Ok(count)),
                Err(word) => {
                    let failure = told.expect_err(answer);
                    assert!(failure.text(Language::En).contains(word), "{failure:?}");
                }
            }
        }
        drop(listener);
        assert!(service.events(&json!({})).await.is_err());
    }
}
