//! A socket of its own for the health gate, which decides whether a new version stays.
//!
//! Invariant: nobody outside can make it fall silent. It lies in a folder that only this service
//! and root enter, and its places are its own. So it cannot ask through the ports, which strangers
//! may keep busy. In place of that, it answers what port 80 answers, by the same code, and only
//! while both ports let people in ([`Door`]). The console's menu asks here too.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::json;
use tokio::net::UnixListener;
use tokio::sync::Semaphore;

use crate::door::{Door, Shut};
use crate::language::Language;
use crate::lifetime::Lifetime;
use crate::messages::Messages;
use crate::server;

/// Questions at once.
const PLACES: usize = 4;

/// Makes the socket, for this account alone.
///
/// # Errors
/// It cannot be made there.
pub fn listen(path: &Path) -> Result<UnixListener> {
    let making = || format!("making the health gate's socket {}", path.display());
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error).with_context(making);
    }
    let listener = UnixListener::bind(path).with_context(making)?;
    fs::set_permissions(path, Permissions::from_mode(0o600)).with_context(making)?;
    Ok(listener)
}

/// What `app` answers, while the door at every port is open; otherwise 503 and the reason.
pub fn behind(app: Router, doors: [(u16, Door); 2]) -> Router {
    app.layer(from_fn(move |request: Request, next: Next| {
        let shut = doors
            .iter()
            .find_map(|(port, door)| Some((*port, door.shut()?)));
        async move {
            match shut {
                None => next.run(request).await,
                Some((port, why)) => nobody_is_let_in(port, &why),
            }
        }
    }))
}

/// The reason stands where `/health` has its problems, for who shows those.
fn nobody_is_let_in(port: u16, why: &Shut) -> Response {
    let told = |language| {
        let m = Messages::of(language);
        let why = match why {
            Shut::NotYet => m.not_waiting.to_owned(),
            Shut::Failing(error) => m.accepting.replace("{error}", error),
        };
        let text = m.shut.replace("{port}", &port.to_string());
        text.replace("{why}", &why)
    };
    let health = json!({
        "status": "shut",
        "problems": [told(Language::En)],
        "problems_fr": [told(Language::Fr)],
    });
    (StatusCode::SERVICE_UNAVAILABLE, Json(health)).into_response()
}

/// Answers until the process ends.
///
/// # Errors
/// None is expected.
pub async fn answer(listener: UnixListener, app: Router) -> Result<()> {
    let places = Arc::new(Semaphore::new(PLACES));
    loop {
        let place = Arc::clone(&places)
            .acquire_owned()
            .await
            .context("waiting for a place")?;
        match listener.accept().await {
            Ok((stream, _)) => {
                let app = app.clone();
                tokio::spawn(async move {
                    server::serve(stream, app, Lifetime::begin()).await;
                    drop(place);
                });
            }
            Err(error) => {
                eprintln!("vigie-web: accepting the health gate: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use serde_json::Value;

    use super::*;

    #[tokio::test]
    async fn c80_the_reason_is_told_as_health_tells_its_problems() {
        let failing = Shut::Failing("Too many open files".to_owned());
        for (port, why, english, french) in [
            (
                80,
                Shut::NotYet,
                "nobody is let in at port 80: nobody is waited for yet",
                "personne n’entre au port 80 : personne n’y est encore attendu",
            ),
            (
                443,
                failing,
                "nobody is let in at port 443: accepting a connection: Too many open files",
                "personne n’entre au port 443 : accepter une connexion : Too many open files",
            ),
        ] {
            let answer = nobody_is_let_in(port, &why);
            assert_eq!(answer.status(), 503);
            let body = to_bytes(answer.into_body(), 1 << 16).await.unwrap();
            let health: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(health["status"], "shut");
            assert_eq!(health["problems"][0], english);
            assert_eq!(health["problems_fr"][0], french);
        }
    }
}
