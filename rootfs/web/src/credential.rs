//! Whether a session's password is still root's: a session ends when the password is changed.
//!
//! The updater tells a keyed digest of the password's hash, never the hash, and never the key.

use std::time::Duration;

use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::session;
use crate::updater::{Failure, Updater};

/// Pages may be read for so long before it is asked again; a change always asks.
const KEPT_FOR: Duration = Duration::from_secs(5);

/// The digest that was told last.
pub struct Credential {
    updater: Updater,
    last: Mutex<Option<(Instant, String)>>,
}

impl Credential {
    pub fn new(updater: Updater) -> Self {
        Self {
            updater,
            last: Mutex::new(None),
        }
    }

    /// Whether `digest` is that of the present password.
    pub async fn is(&self, digest: &str, changes: bool) -> Result<bool, Failure> {
        let mut last = self.last.lock().await;
        if let Some((when, told)) = &*last
            && !changes
            && when.elapsed() < KEPT_FOR
            && session::same(told, digest)
        {
            return Ok(true);
        }
        let request = json!({"verb": "password-digest"});
        let events = self.updater.events(&request).await?;
        let told = events.first().and_then(|event| event["digest"].as_str());
        let told = told.map(str::to_owned);
        *last = told.clone().map(|told| (Instant::now(), told));
        Ok(session::same(&told.unwrap_or_default(), digest))
    }
}
