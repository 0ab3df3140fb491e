//! What anybody may see: the status page and the health; and, without TLS, the way to the rest.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use crate::facts::{Facts, Source};
use crate::health::Health;
use crate::language::Language;
use crate::page;
use crate::units::Units;

/// Where the facts come from.
pub struct Public {
    pub source: Source,
    pub units: Units,
}

/// Port 80: the pages, and all else is sent to HTTPS.
pub fn router(public: Arc<Public>) -> Router {
    pages(public).fallback(to_https)
}

/// The pages themselves.
pub fn pages(public: Arc<Public>) -> Router {
    Router::new()
        .route("/", get(status_page))
        .route("/health", get(health))
        .with_state(public)
}

/// The language that a browser asks for.
pub fn language(headers: &HeaderMap) -> Language {
    let accepted = headers.get(header::ACCEPT_LANGUAGE);
    let accepted = accepted.and_then(|value| value.to_str().ok());
    Language::accepted(accepted.unwrap_or_default())
}

/// A page with its headers.
pub fn html(page: String, language: Language) -> Response {
    let content = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_LANGUAGE, language.tag()),
        (header::VARY, "Accept-Language"),
    ];
    (content, page).into_response()
}

async fn judged(app: &Public) -> (Facts, Health) {
    let failed = app.units.failed().await;
    let facts = app.source.read();
    let health = Health::of(&facts, failed);
    (facts, health)
}

async fn health(State(app): State<Arc<Public>>) -> Response {
    let (_, health) = judged(&app).await;
    match serde_json::to_string(&health) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn status_page(State(app): State<Arc<Public>>, headers: HeaderMap) -> Response {
    let language = language(&headers);
    let (facts, health) = judged(&app).await;
    html(page::status(&health, &facts.hostname, language), language)
}

/// What somebody sends without TLS has been seen by others already: only reading is sent on.
async fn to_https(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if !matches!(method, Method::GET | Method::HEAD) {
        return (StatusCode::FORBIDDEN, "use https\n").into_response();
    }
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    match host.and_then(host_name) {
        Some(host) => {
            let path = uri.path_and_query().map_or("/", |path| path.as_str());
            Redirect::temporary(&format!("https://{host}{path}")).into_response()
        }
        None => (StatusCode::BAD_REQUEST, "no host\n").into_response(),
    }
}

/// The name or address in a `Host` header, without its port.
fn host_name(host: &str) -> Option<&str> {
    let end = match host.strip_prefix('[') {
        Some(rest) => rest.find(']')? + 2,
        None => host.find(':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at_checked(end)?;
    let of_name = |b: u8| b.is_ascii_alphanumeric() || b"-._[]:".contains(&b);
    let good = !name.is_empty() && name.bytes().all(of_name);
    let port = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|p| p.parse::<u16>().is_ok());
    (good && port).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for (host, expected) in [
            ("nvr-hall", Some("nvr-hall")),
            ("nvr.example:80", Some("nvr.example")),
            ("10.0.0.2:8080", Some("10.0.0.2")),
            ("[fe80::1]:80", Some("[fe80::1]")),
            ("[::1]", Some("[::1]")),
            ("", None),
            (":80", None),
            ("[::1", None),
            ("a/b", None),
            ("a@b", None),
            ("a:b", None),
            ("a\"b", None),
        ] {
            assert_eq!(host_name(host), expected, "{host}");
        }
    }
}
