//! What only somebody who is logged in may see and do, over TLS alone.
//!
//! Invariants:
//! 1. Every change needs a session, its CSRF token, and a browser that does not say that another
//!    site asks.
//! 2. A session lasts no longer than the password that it was begun with.
//! 3. Passwords are handed to the updater and kept nowhere.

mod login;
mod update;
mod upload;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::asking::Asking;
use crate::credential::Credential;
use crate::job::Jobs;
use crate::known::Known;
use crate::public::language;
use crate::server::{Client, Options};
use crate::session::{self, Session, Sessions};
use crate::updater::Updater;
use crate::upload::receive::Receiver;
use crate::upload::store::Store;

/// Largest form.
const FORM_BYTES: usize = 8 * 1024;
/// Passwords verified at once: each takes 16 MiB and some time of a processor.
const LOGINS: usize = 2;
/// Uploads at once.
const UPLOADS: usize = 2;

/// What the pages work with.
pub struct Admin {
    hostname: String,
    sessions: Sessions,
    credential: Credential,
    known: Known,
    updater: Updater,
    jobs: Jobs,
    asking: Asking,
    receiver: Receiver,
    logins: Semaphore,
    uploads: Arc<Semaphore>,
}

impl Admin {
    /// # Errors
    /// No random numbers.
    pub fn new(options: &Options, hostname: String) -> anyhow::Result<Self> {
        let updater = Updater::new(options.updater.clone());
        Ok(Self {
            hostname,
            sessions: Sessions::default(),
            credential: Credential::new(updater.clone()),
            known: Known::load(&options.state)?,
            receiver: Receiver {
                store: Store::new(options.uploads()),
                updater: updater.clone(),
            },
            updater,
            jobs: Jobs::default(),
            asking: Asking::default(),
            logins: Semaphore::new(LOGINS),
            uploads: Arc::new(Semaphore::new(UPLOADS)),
        })
    }

    /// Removes what was abandoned, and what has been installed.
    pub async fn clean(&self) {
        self.receiver.store.clean();
        if self.receiver.store.has_whole()
            && let Ok(found) = self.updater.events(&json!({"verb": "list"})).await
        {
            self.without_spent(found);
        }
    }

    /// Removes the uploads that the updater calls spent: their version, or a later one, has come up
    /// well. Gives what is left of its list.
    fn without_spent(&self, mut found: Vec<Value>) -> Vec<Value> {
        found.retain(|found| {
            let spent = found["spent"] == true && found["door"] == "web";
            !(spent
                && self
                    .receiver
                    .store
                    .remove(found["name"].as_str().unwrap_or_default()))
        });
        found
    }
}

/// All routes.
pub fn router(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/login", get(login::page).post(login::log_in))
        .route("/logout", post(login::log_out))
        .route("/update", get(update::page))
        .route("/update/job", get(update::job))
        .route("/update/install", post(update::install))
        .route("/update/rollback", post(update::rollback))
        .route("/update/restart", post(update::restart))
        .route("/update/ask", post(update::ask))
        .route("/update/remove", post(update::remove))
        .route("/update/upload", post(upload::create).put(upload::whole))
        .route(
            "/update/upload/{name}",
            get(upload::offset).put(upload::part).delete(upload::abort),
        )
        .fallback(|| async { (StatusCode::NOT_FOUND, "not found\n") })
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .layer(from_fn(from_here))
        .with_state(admin)
}

/// Refuses changes of which the browser says that another site asks for them.
async fn from_here(request: Request, next: Next) -> Response {
    if is_from_elsewhere(request.method(), request.headers(), request.uri()) {
        return (StatusCode::FORBIDDEN, "another site asked for this\n").into_response();
    }
    next.run(request).await
}

fn is_from_elsewhere(method: &Method, headers: &HeaderMap, uri: &Uri) -> bool {
    if matches!(*method, Method::GET | Method::HEAD) {
        return false;
    }
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = text(header::HeaderName::from_static("sec-fetch-site"));
    // A browser that says this knows best; it may hide the origin from its own site as well.
    if let Some(site) = site {
        return !matches!(site, "same-origin" | "none");
    }
    let host = text(header::HOST).or_else(|| uri.authority().map(|host| host.as_str()));
    let origin = text(header::ORIGIN);
    origin.is_some_and(|origin| origin.strip_prefix("https://") != host)
}

/// Whoever is logged in. Pages send others to the log-in; all else answers 401.
pub struct LoggedIn {
    session: Session,
    address: IpAddr,
}

impl LoggedIn {
    /// Whether a token is this session's.
    fn knows(&self, csrf: &str) -> bool {
        session::same(&self.session.csrf, csrf)
    }

    /// Who, for the history.
    fn who(&self) -> String {
        format!("{} ({})", self.session.user, self.address)
    }
}

impl FromRequestParts<Arc<Admin>> for LoggedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, admin: &Arc<Admin>) -> Result<Self, Response> {
        let session = present(parts, admin).await?;
        let client = parts.extensions.get::<Client>();
        match (session, client) {
            (Some(session), Some(client)) => Ok(Self {
                session,
                address: client.address,
            }),
            _ if parts.method == Method::GET && parts.uri.path() == "/update" => {
                Err(Redirect::to("/login").into_response())
            }
            _ => Err((StatusCode::UNAUTHORIZED, "log in first\n").into_response()),
        }
    }
}

/// The session of a request, if its password is still the one. Where nobody can say, nothing is
/// changed; reading tells nothing then but that the updater is silent.
async fn present(parts: &Parts, admin: &Admin) -> Result<Option<Session>, Response> {
    let Some(token) = cookie(&parts.headers, session::COOKIE) else {
        return Ok(None);
    };
    let Some(session) = admin.sessions.of(&token) else {
        return Ok(None);
    };
    let changes = !matches!(parts.method, Method::GET | Method::HEAD);
    match admin.credential.is(&session.digest, changes).await {
        Ok(true) => Ok(Some(session)),
        Ok(false) => {
            admin.sessions.end(&token);
            Ok(None)
        }
        Err(_) if !changes => Ok(Some(session)),
        Err(why) => {
            let why = format!("{}\n", why.text(language(&parts.headers)));
            Err((StatusCode::SERVICE_UNAVAILABLE, why).into_response())
        }
    }
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let headers = headers.get_all(header::COOKIE).into_iter();
    let mut texts = headers.filter_map(|value| value.to_str().ok());
    texts.find_map(|text| session::cookie(text, name).map(str::to_owned))
}

/// A form with nothing but its token.
#[derive(Deserialize)]
pub struct Plain {
    csrf: String,
}

fn wrong_token() -> Response {
    (
        StatusCode::FORBIDDEN,
        "the form's token is wrong; load the page again\n",
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn c64_other_sites_change_nothing() {
        let uri = Uri::from_static("/update/install");
        for (method, site, origin, elsewhere) in [
            (Method::POST, "", "", false),
            (Method::POST, "same-origin", "https://nvr-hall", false),
            (Method::POST, "same-origin", "null", false),
            (Method::POST, "none", "", false),
            (Method::POST, "cross-site", "", true),
            (Method::POST, "same-site", "", true),
            (Method::POST, "", "https://evil.example", true),
            (Method::POST, "", "http://nvr-hall", true),
            (Method::POST, "", "null", true),
            (Method::PUT, "cross-site", "", true),
            (Method::DELETE, "", "https://nvr-hall:444", true),
            (Method::GET, "cross-site", "https://evil.example", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("nvr-hall"));
            for (name, value) in [("sec-fetch-site", site), ("origin", origin)] {
                if !value.is_empty() {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            let found = is_from_elsewhere(&method, &headers, &uri);
            assert_eq!(found, elsewhere, "{method} {site} {origin}");
        }
    }
}
