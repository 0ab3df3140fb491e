//! A socket of its own for the health gate, which decides whether a new version stays.
//!
//! Invariant: nobody outside can make it fall silent. It lies in a folder that only this service
//! and root enter, and its places are its own. So it cannot ask through the ports, which strangers
//! may keep busy. In place of that, it answers what port 80 answers, by the same code, and only
//! while both ports let people in ([`Door`]).

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use tokio::net::UnixListener;
use tokio::sync::Semaphore;

use crate::door::Door;
use crate::lifetime::Lifetime;
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

/// What `app` answers, while every door is open; otherwise 503 and the reason.
pub fn behind(app: Router, doors: [(&'static str, Door); 2]) -> Router {
    app.layer(from_fn(move |request: Request, next: Next| {
        let shut = doors
            .iter()
            .find_map(|(name, door)| Some((*name, door.shut()?)));
        async move { judged(shut, request, next).await }
    }))
}

async fn judged(shut: Option<(&str, String)>, request: Request, next: Next) -> Response {
    match shut {
        None => next.run(request).await,
        Some((name, why)) => {
            let why = format!("nobody is let in at {name}: {why}\n");
            (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
        }
    }
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
