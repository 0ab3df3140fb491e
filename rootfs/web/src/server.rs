//! The HTTP server: two pages, security headers on every answer, and bounds on every connection.

use std::net::TcpListener as StdListener;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Listen;
use crate::facts::{Facts, Source};
use crate::health::Health;
use crate::language::Language;
use crate::page;
use crate::units::Units;

/// Connections served at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 512;
/// A client that has not sent its headers by then is sent away.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// No connection lives longer, whatever it does: a slow reader must not keep a place for good.
const CONNECTION_TIME: Duration = Duration::from_secs(60);
/// Largest request head.
const HEAD_BYTES: usize = 16 * 1024;

struct App {
    source: Source,
    units: Units,
}

/// Serves until the process is ended.
pub fn run(listen: &Listen, root: PathBuf) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    runtime.block_on(async {
        let listener = listener(listen)?;
        let app = router(Arc::new(App {
            source: Source::new(root),
            units: Units::default(),
        }));
        crate::notify::ready().context("telling systemd that the service is ready")?;
        accept(listener, app).await
    })
}

fn listener(listen: &Listen) -> anyhow::Result<TcpListener> {
    let listener: StdListener = match listen {
        Listen::Stdin => std::io::stdin()
            .as_fd()
            .try_clone_to_owned()
            .context("taking the socket from standard input")?
            .into(),
        Listen::Address(address) => {
            StdListener::bind(address).with_context(|| format!("listening on {address}"))?
        }
    };
    listener
        .set_nonblocking(true)
        .context("preparing the listening socket")?;
    TcpListener::from_std(listener).context("using the listening socket; is standard input one?")
}

async fn accept(listener: TcpListener, app: Router) -> anyhow::Result<()> {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let place = Arc::clone(&places)
            .acquire_owned()
            .await
            .context("waiting for a place")?;
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve(stream, app.clone(), place));
            }
            // Out of descriptors, or a client that left at once: the next one may fare better.
            Err(error) => {
                eprintln!("vigie-web: accepting a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, app: Router, _place: OwnedSemaphorePermit) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    // What a client does wrong is its own affair: neither outcome is an error of ours.
    let _ = tokio::time::timeout(CONNECTION_TIME, connection).await;
}

fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(status_page))
        .route("/health", get(health))
        .fallback(|| async { (StatusCode::NOT_FOUND, "not found\n") })
        .with_state(app)
        .layer(from_fn(secured))
}

async fn judged(app: &App) -> (Facts, Health) {
    let failed = app.units.failed().await;
    let facts = app.source.read();
    let health = Health::of(&facts, failed);
    (facts, health)
}

async fn health(State(app): State<Arc<App>>) -> Response {
    let (_, health) = judged(&app).await;
    match serde_json::to_string(&health) {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn status_page(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let accepted = headers
        .get(header::ACCEPT_LANGUAGE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let language = Language::accepted(accepted);
    let (facts, health) = judged(&app).await;
    let content = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_LANGUAGE, language.tag()),
        (header::VARY, "Accept-Language"),
    ];
    (content, page::status(&health, &facts.hostname, language)).into_response()
}

async fn secured(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        page::STYLE_HASH
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

const SECURITY_HEADERS: [(&str, &str); 6] = [
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];
