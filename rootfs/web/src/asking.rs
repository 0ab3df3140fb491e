//! The question to the update server that somebody asked for here: whether it goes on, and why it
//! failed. What it gave stands in the updater's status.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::updater::Updater;

/// How long a page waits for the answer before it says that the server is being asked.
const SHORT: Duration = Duration::from_secs(8);

/// How it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// It goes on.
    pub running: bool,
    /// Why the last one gave nothing.
    pub failure: Option<Failure>,
}

/// The last question; there is one at a time.
#[derive(Clone, Default)]
pub struct Asking(Arc<Mutex<Asked>>);

impl Asking {
    fn with<T>(&self, look: impl FnOnce(&mut Asked) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How it stands.
    pub fn now(&self) -> Asked {
        self.with(|asked| asked.clone())
    }

    /// Has the server asked, and waits a short time for the answer. It goes on after that, and
    /// when whoever asked has gone. Where one is under way already, that one is it.
    pub async fn ask(&self, updater: Updater, request: Value) {
        let free = self.with(|asked| !std::mem::replace(&mut asked.running, true));
        if !free {
            return;
        }
        let asking = self.clone();
        let question = tokio::spawn(async move {
            let outcome = updater.events(&request).await;
            asking.with(|asked| {
                *asked = Asked {
                    running: false,
                    failure: outcome.err(),
                };
            });
        });
        // Out of time: the page says that it goes on.
        let _ = timeout(SHORT, question).await;
    }
}
