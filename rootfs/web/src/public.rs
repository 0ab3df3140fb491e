//! What anybody may see: the status page and the health; and, without TLS, the way to the rest.

use std::sync::{Arc, LazyLock};

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::{Json, Router};

use crate::frame::Frame;
use crate::language::Language;
use crate::snapshot::Snapshots;
use crate::words::frame::FrameWords;
use crate::{api, metrics, page};

/// Port 80: the status, and all else is sent to HTTPS.
pub fn router(public: Arc<Snapshots>) -> Router {
    let page = Router::new().route("/", get(status_page));
    page.with_state(Arc::clone(&public))
        .merge(answers(public))
        .fallback(to_https)
}

/// What programs are told.
pub fn answers(public: Arc<Snapshots>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route(api::STATUS, get(health))
        .route(api::DOCUMENT, get(document))
        .route("/metrics", get(metrics))
        .with_state(public)
}

/// The language that a browser asks for.
pub fn language(headers: &HeaderMap) -> Language {
    let accepted = headers.get(header::ACCEPT_LANGUAGE);
    let accepted = accepted.and_then(|value| value.to_str().ok());
    Language::accepted(accepted.unwrap_or_default())
}

/// A page of a template.
pub fn rendered(page: &impl Template, language: Language) -> Response {
    match page.render() {
        Ok(page) => html(page, language),
        Err(error) => {
            eprintln!("vigie-web: writing a page: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A page with its headers.
pub fn html(page: String, language: Language) -> Response {
    let content = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_LANGUAGE, language.tag()),
        (header::VARY, "Accept-Language, Cookie"),
    ];
    (content, page).into_response()
}

async fn health(State(app): State<Arc<Snapshots>>) -> Response {
    Json(&app.now().await.health).into_response()
}

/// The document is made once: anybody may ask for it, and making it takes a while.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| api::document().to_string());

async fn document() -> Response {
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, DOCUMENT.as_str()).into_response()
}

async fn metrics(State(app): State<Arc<Snapshots>>) -> Response {
    let text = metrics::text(&app.now().await.health);
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

async fn status_page(State(app): State<Arc<Snapshots>>, headers: HeaderMap) -> Response {
    let language = language(&headers);
    let now = app.now().await;
    let frame = Frame {
        language,
        hostname: &now.facts.hostname,
        here: "/",
        title: FrameWords::of(language).status,
        who: None,
        forms: false,
    };
    html(page::status(&now.health, frame, ""), language)
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
