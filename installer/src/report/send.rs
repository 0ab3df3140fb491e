//! Sends a report by HTTPS POST. A failure is told and kept in the local report; it makes no bad
//! installation of a good one.

use std::time::Duration;

use anyhow::Result;
use reqwest::Url;

use crate::https::Client;
use crate::https::patience::{Time, patiently};
use crate::messages::Text;

/// How long it is tried: a server that restarts is back by then, and nobody waits for longer to
/// switch a machine off.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// Sends; the error says why it could not be sent.
pub fn send(
    url: &str,
    json: &str,
    client: &dyn Fn() -> Result<Client>,
    time: &mut dyn Time,
    told: &mut dyn FnMut(&Text),
) -> Result<(), Text> {
    let wrong = |why: String| Text::new("https.client").with("why", why);
    let url: Url = url
        .parse()
        .map_err(|error| wrong(format!("{url}: {error}")))?;
    let client = client().map_err(|error| wrong(format!("{error:#}")))?;
    let mut attempt = || client.post_json(&url, json);
    patiently(PATIENCE, time, told, &mut attempt).map_err(|trouble| trouble.text)
}
