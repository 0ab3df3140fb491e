//! What only somebody who is logged in may see and do, over TLS alone.
//!
//! Invariants:
//! 1. Every change needs a session, its CSRF token, and a browser that does not say that another
//!    site asks ([`who`], [`elsewhere`]).
//! 2. A session lasts no longer than that of the broker which it stands for; the role is that of now.
//! 3. Passwords are handed to the broker and kept nowhere.
//! 4. What a role may do is judged by the broker; here it is only seen to first, so that nobody is shown
//!    what they cannot have done.

mod api;
mod backup;
mod certificate;
mod elsewhere;
mod files;
mod help;
mod login;
mod logs;
mod power;
mod settings;
mod setup;
mod status;
mod update;
mod upload;
mod upload_form;
mod users;
pub mod who;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{from_fn, map_request};
use axum::routing::{MethodRouter, get, post};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::asking::Asking;
use crate::broker::Broker;
use crate::frame::Frame;
use crate::job::Jobs;
use crate::joined::joined;
use crate::known::Known;
use crate::language::{self, Language};
use crate::large::Large;
use crate::public;
use crate::rates::Rates;
use crate::server::Options;
use crate::session::{self, Sessions};
use crate::snapshot::Snapshots;
use crate::tls::Certificate;
use crate::updater::Updater;
use crate::upload::receive::Receiver;
use crate::upload::store::Store;

/// Largest form.
const FORM_BYTES: usize = 32 * 1024;
/// Largest of those that take no session.
const SMALL_BYTES: usize = 8 * 1024;
/// Passwords verified at once: each takes 19 MiB and some time of a processor.
const LOGINS: usize = 2;
/// Uploads at once.
const UPLOADS: usize = 2;

/// What the pages work with.
pub struct Admin {
    hostname: String,
    public: Arc<Snapshots>,
    certificate: Arc<Certificate>,
    sessions: Sessions,
    known: Known,
    broker: Broker,
    updater: Updater,
    jobs: Jobs,
    asking: Asking,
    receiver: Receiver,
    logins: Semaphore,
    rates: Rates,
    log_in_rates: Rates,
    large: Large,
    /// There is memory for one of them.
    bundles: Large,
    /// Texts of licences, which any viewer may read.
    licences: Large,
    uploads: Arc<Semaphore>,
}

impl Admin {
    /// # Errors
    /// No random numbers.
    pub fn new(
        options: &Options,
        public: Arc<Snapshots>,
        certificate: Arc<Certificate>,
    ) -> anyhow::Result<Self> {
        let updater = Updater::new(options.updater.clone());
        Ok(Self {
            hostname: public.source.hostname(),
            public,
            certificate,
            sessions: Sessions::default(),
            known: Known::load(&options.state)?,
            broker: Broker::new(options.broker.clone()),
            receiver: Receiver {
                store: Store::new(options.uploads()),
                updater: updater.clone(),
            },
            updater,
            jobs: Jobs::default(),
            asking: Asking::default(),
            logins: Semaphore::new(LOGINS),
            rates: Rates::of_programs(),
            log_in_rates: Rates::of_log_ins(),
            large: Large::default(),
            bundles: Large::of(1),
            licences: Large::default(),
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

    /// The frame of a page for nobody in particular.
    fn frame<'a>(&'a self, language: Language, here: &'a str, title: &'a str) -> Frame<'a> {
        Frame {
            language,
            hostname: &self.hostname,
            here,
            title,
            who: None,
            forms: true,
        }
    }
}

/// All routes.
pub fn router(admin: Arc<Admin>) -> Router {
    Router::new()
        .route("/", get(status::page))
        .route("/login", get(login::page).merge(small(post(login::log_in))))
        .route("/logout", post(login::log_out))
        .route("/language", small(post(login::language_chosen)))
        .route("/setup", get(setup::page).merge(small(post(setup::set_up))))
        .merge(api::routes(&admin))
        .merge(backup::routes())
        .merge(help::routes())
        .merge(logs::routes())
        .merge(power::routes())
        .merge(settings::routes())
        .merge(update::routes())
        .merge(users::routes())
        .fallback(|| async { (StatusCode::NOT_FOUND, "not found\n") })
        .layer(DefaultBodyLimit::max(FORM_BYTES))
        .layer(map_request(|request: Request| async move {
            // Uploads are kept as they come, and take a session before anything is read of them.
            match request.uri().path().starts_with(upload::PATH) {
                true => request,
                false => joined(request),
            }
        }))
        .layer(from_fn(elsewhere::from_here))
        .with_state(admin)
}

/// What anybody may send, without a session: they must not take the memory with it.
fn small(handler: MethodRouter<Arc<Admin>>) -> MethodRouter<Arc<Admin>> {
    handler.layer(DefaultBodyLimit::max(SMALL_BYTES))
}

/// What somebody chose before, else what their browser asks for.
fn language(headers: &HeaderMap) -> Language {
    let chosen = cookie(headers, language::COOKIE);
    let chosen = chosen.as_deref().and_then(Language::of_tag);
    chosen.unwrap_or_else(|| public::language(headers))
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let headers = headers.get_all(header::COOKIE).into_iter();
    let mut texts = headers.filter_map(|value| value.to_str().ok());
    texts.find_map(|text| session::cookie(text, name).map(str::to_owned))
}

/// A path of ours that a form or an address gave: letters, digits, dashes and slashes, and nothing that
/// leads to another site.
fn path(given: &str) -> Option<&str> {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'/' | b'-');
    let is_ours = given.starts_with('/') && !given.starts_with("//");
    (is_ours && given.len() <= 100 && given.bytes().all(good)).then_some(given)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn c64_no_address_leads_to_another_site() {
        for good in ["/", "/update", "/settings/history/3", "/a-b"] {
            assert_eq!(path(good), Some(good));
        }
        let long = "/a".repeat(60);
        for bad in [
            "",
            "update",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/x\r\nSet-Cookie: a=b",
            "/x?next=//evil",
            "/..%2f",
            "/../etc",
            &long,
        ] {
            assert_eq!(path(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_language_that_was_chosen_goes_before_the_browsers() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static("en"));
        assert_eq!(language(&headers), Language::En);
        let cookie = HeaderValue::from_static("a=b; __Host-vigie-language=fr");
        headers.insert(header::COOKIE, cookie);
        assert_eq!(language(&headers), Language::Fr);
        let cookie = HeaderValue::from_static("__Host-vigie-language=de");
        headers.insert(header::COOKIE, cookie);
        assert_eq!(language(&headers), Language::En);
    }
}
