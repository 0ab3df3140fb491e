//! The updater (`vigie-update serve`): what is installed, what could be, and having it done.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::lines::Lines;

/// Questions at once: `vigie-update.socket` takes 16, and others ask there, too.
const PLACES: usize = 10;

/// Where the updater is asked.
#[derive(Clone, Debug)]
pub struct Updater(Lines);

fn silent() -> Failure {
    Failure::machine(
        "the updater does not answer; on the installation medium there is nothing to update",
        "le service de mise à jour ne répond pas ; sur le support d’installation, il n’y a rien à mettre à jour",
    )
}

/// A request of a change, in the name of whose session this is of the broker's: the updater asks there
/// whether they may.
pub fn of_session(mut request: Value, token: &str) -> Value {
    request["token"] = token.into();
    request
}

impl Updater {
    pub fn new(socket: PathBuf) -> Self {
        Self(Lines::new(socket, silent, PLACES))
    }

    /// Asks, and gives each event but the last to `tell` as it comes.
    pub async fn ask(
        &self,
        request: &Value,
        tell: impl FnMut(Value) + Send,
    ) -> Result<(), Failure> {
        self.0.ask(request, tell).await
    }

    /// Asks for a short answer: all its events.
    pub async fn events(&self, request: &Value) -> Result<Vec<Value>, Failure> {
        self.0.events(request).await
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
    use serde_json::json;
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
}
