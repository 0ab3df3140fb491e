//! Asks the updater (`vigie-update serve`) through its socket: a line of JSON there, lines of JSON
//! back, the last one an `end`.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::language::Language;

/// Between two lines of an answer.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where the updater is asked.
#[derive(Clone, Debug)]
pub struct Updater {
    socket: PathBuf,
}

/// Why something was not done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// One word for programs.
    pub code: Option<String>,
    /// It was judged and is not wanted; otherwise something went wrong on the way.
    pub refused: bool,
    /// The machine is at fault, and nothing is known against the package.
    pub machine: bool,
    english: String,
    french: String,
}

impl Failure {
    pub fn new(english: &str, french: &str) -> Self {
        Self {
            code: None,
            refused: true,
            machine: false,
            english: english.to_owned(),
            french: french.to_owned(),
        }
    }

    /// Of an event with `reason` and `reason_fr`.
    pub fn of(event: &Value) -> Self {
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        Self {
            code: event["code"].as_str().map(str::to_owned),
            refused: event["event"] != "failed",
            machine: event["fault"] == "machine",
            english: text("reason"),
            french: text("reason_fr"),
        }
    }

    fn silent() -> Self {
        let mut failure = Self::new(
            "the updater does not answer; on the installation medium there is nothing to update",
            "le service de mise à jour ne répond pas ; sur le support d’installation, il n’y a rien à mettre à jour",
        );
        (failure.refused, failure.machine) = (false, true);
        failure
    }

    /// The reason for a person.
    pub fn text(&self, language: Language) -> &str {
        match language {
            Language::En => &self.english,
            Language::Fr => &self.french,
        }
    }

    /// Both, for a script.
    pub fn json(&self) -> Value {
        json!({"refused": self.refused, "reason": self.english, "reason_fr": self.french})
    }
}

impl Updater {
    pub fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Asks, and gives each event but the last to `tell` as it comes.
    pub async fn ask(
        &self,
        request: &Value,
        mut tell: impl FnMut(Value) + Send,
    ) -> Result<(), Failure> {
        let silent = |_| Failure::silent();
        let mut socket = UnixStream::connect(&self.socket).await.map_err(silent)?;
        let line = format!("{request}\n");
        socket.write_all(line.as_bytes()).await.map_err(silent)?;
        let mut lines = BufReader::new(socket).lines();
        let mut failure = Failure::silent();
        loop {
            let line = timeout(PATIENCE, lines.next_line()).await;
            let Ok(Ok(Some(line))) = line else {
                return Err(Failure::silent());
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

    /// The same, where the answer is not waited for longer than `limit`; `late` is the failure then.
    pub async fn events_within(
        &self,
        limit: Duration,
        request: &Value,
        late: impl FnOnce() -> Failure,
    ) -> Result<Vec<Value>, Failure> {
        let events = timeout(limit, self.events(request)).await;
        events.unwrap_or_else(|_| Err(late()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_not_waited_for_without_end() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("socket");
        let _listener = UnixListener::bind(&path).expect("bound");
        let (limit, begun) = (Duration::from_secs(25), Instant::now());
        let late = || Failure::new("too late", "trop tard");
        let updater = Updater::new(path);
        let told = updater.events_within(limit, &json!({}), late).await;
        assert_eq!(told, Err(late()));
        assert_eq!(begun.elapsed().as_secs(), limit.as_secs());
    }

    #[tokio::test]
    async fn answers() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).expect("bound");
        let updater = Updater::new(path);
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
            let (told, ()) = tokio::join!(updater.events(&request), async {
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
        assert!(updater.events(&json!({})).await.is_err());
    }
}
