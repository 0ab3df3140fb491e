//! The listening sockets: port 80 for what anybody may see, port 443 for the rest; security headers
//! on every answer, and bounds on every connection.

use std::net::{IpAddr, TcpListener as StdListener};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::{Extension, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use listenfd::ListenFd;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::Listen;
use crate::admin::Admin;
use crate::door::Door;
use crate::facts::Source;
use crate::lifetime::Lifetime;
use crate::places::Places;
use crate::snapshot::Snapshots;
use crate::tls::Certificate;
use crate::{admin, gate, page, public, scripts, tls};

/// A client that has not sent its headers by then is sent away.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// The same for the beginning of TLS.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);
/// What is being answered when a connection's time is over is answered to its end, within this time: who
/// has sent a change must learn what became of it.
const LAST_ANSWER: Duration = Duration::from_secs(30);
/// Largest request head.
const HEAD_BYTES: usize = 16 * 1024;
/// How often abandoned uploads are looked for.
const CLEAN_EVERY: Duration = Duration::from_secs(3600);

/// Where a request comes from, and how long its connection may live.
#[derive(Clone)]
pub struct Client {
    pub address: IpAddr,
    pub lifetime: Lifetime,
}

/// What the command line says.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    pub listen: Listen,
    pub root: PathBuf,
    /// Where certificate and uploads are kept.
    pub state: PathBuf,
    /// The updater's socket.
    pub updater: PathBuf,
    /// The broker's socket.
    pub broker: PathBuf,
    /// The health gate's socket, which is made there.
    pub gate: Option<PathBuf>,
}

impl Options {
    /// Where uploads are kept; the updater looks there.
    pub fn uploads(&self) -> PathBuf {
        self.state.join("upload")
    }
}

/// Serves until the process is ended.
///
/// # Errors
/// The sockets are not there, or no certificate can be made.
pub fn run(options: &Options) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(8)
        .build()
        .context("starting the runtime")?;
    runtime.block_on(async {
        let (plain, secure) = listeners(&options.listen)?;
        let public = Arc::new(Snapshots::new(Source::new(options.root.clone())));
        let hostname = public.source.hostname();
        let certificate = Arc::new(Certificate::load(&options.state, &hostname)?);
        let acceptor = tls::acceptor(Arc::clone(&certificate))?;
        let doors = [(80, Door::closed()), (443, Door::closed())];
        let [at_plain, at_secure] = doors.clone().map(|(_, door)| door);
        let open = secured(
            public::router(Arc::clone(&public)),
            &policy(&[scripts::STATUS], "'none'"),
        );
        let admin = Arc::new(Admin::new(options, Arc::clone(&public), certificate)?);
        tokio::spawn(clean(Arc::clone(&admin)));
        let closed = public::answers(public).merge(admin::router(admin));
        let closed = secured(closed, &policy(&scripts::ALL, "'self'"));
        let gate = gate_of(options, gate::behind(open.clone(), doors))?;
        crate::notify::ready().context("telling systemd that the service is ready")?;
        tokio::try_join!(
            gate,
            accept(plain, at_plain, open, None),
            accept(secure, at_secure, closed, Some(acceptor)),
        )?;
        Ok(())
    })
}

/// The health gate's answers, where there is a gate.
fn gate_of(options: &Options, app: Router) -> Result<impl Future<Output = Result<()>>> {
    let listener = options.gate.as_deref().map(gate::listen).transpose()?;
    Ok(async move {
        match listener {
            Some(listener) => gate::answer(listener, app).await,
            None => Ok(()),
        }
    })
}

fn listeners(listen: &Listen) -> Result<(TcpListener, TcpListener)> {
    let (plain, secure) = match listen {
        Listen::Systemd => {
            let mut given = ListenFd::from_env();
            let mut take = |index, port| {
                let taken = given.take_tcp_listener(index);
                let taken = taken.with_context(|| format!("taking the socket of port {port}"))?;
                let taken: StdListener =
                    taken.with_context(|| format!("systemd gave no socket of port {port}"))?;
                let found = taken
                    .local_addr()
                    .context("looking at a listening socket")?;
                // The health gate relies on it that this is where outsiders come.
                ensure!(found.port() == port, "systemd gave {found} for port {port}");
                Ok(taken)
            };
            (take(0, 80)?, take(1, 443)?)
        }
        Listen::Addresses(plain, secure) => {
            let bind = |address| {
                StdListener::bind(address).with_context(|| format!("listening on {address}"))
            };
            (bind(plain)?, bind(secure)?)
        }
    };
    let usable = |listener: StdListener| {
        if let (Listen::Addresses(..), Ok(address)) = (listen, listener.local_addr()) {
            println!("vigie-web: listening on {address}");
        }
        listener
            .set_nonblocking(true)
            .context("preparing a listening socket")?;
        TcpListener::from_std(listener).context("using a listening socket")
    };
    Ok((usable(plain)?, usable(secure)?))
}

async fn clean(admin: Arc<Admin>) {
    loop {
        admin.clean().await;
        tokio::time::sleep(CLEAN_EVERY).await;
    }
}

async fn accept(
    listener: TcpListener,
    door: Door,
    app: Router,
    tls: Option<TlsAcceptor>,
) -> Result<()> {
    let places = Places::new();
    loop {
        match door.next(&listener).await {
            Ok((stream, from)) => {
                let client = Client {
                    address: from.ip().to_canonical(),
                    lifetime: Lifetime::begin(),
                };
                let app = app.clone().layer(Extension(client.clone()));
                let served = begin(stream, tls.clone(), app, client.lifetime.clone());
                places
                    .serve(client.address, client.lifetime, served)
                    .await?;
            }
            // Out of descriptors, or a client that left at once: the next one may fare better.
            Err(error) => {
                eprintln!("vigie-web: accepting a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn begin(stream: TcpStream, tls: Option<TlsAcceptor>, app: Router, lifetime: Lifetime) {
    match tls {
        None => serve(stream, app, lifetime).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(HANDSHAKE_TIME, tls.accept(stream)).await {
                serve(stream, app, lifetime).await;
            }
        }
    }
}

/// Answers one connection until it, or its time, is over.
pub async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    app: Router,
    lifetime: Lifetime,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    let mut connection = pin!(connection);
    // What a client does wrong is its own affair: no outcome is an error of ours.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = lifetime.over() => {
            connection.as_mut().graceful_shutdown();
            let _ = timeout(LAST_ANSWER, connection).await;
        }
    }
}

/// The security policy of pages with our style, and with these scripts alone.
fn policy(scripts: &[&str], forms: &str) -> String {
    let digest = |text: &str| format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let scripts: String = scripts.iter().map(|script| digest(script)).collect();
    format!(
        "default-src 'none'; style-src{}; base-uri 'none'; frame-ancestors 'none'; \
         form-action {forms}; connect-src 'self'; script-src{scripts}",
        digest(page::STYLE)
    )
}

fn secured(app: Router, policy: &str) -> Router {
    let policy = HeaderValue::from_str(policy).ok();
    app.layer(from_fn(move |request: Request, next: Next| {
        let policy = policy.clone();
        async move {
            let mut response: Response = next.run(request).await;
            let headers = response.headers_mut();
            for (name, value) in SECURITY_HEADERS {
                headers.insert(
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                );
            }
            if let Some(policy) = policy {
                headers.insert(header::CONTENT_SECURITY_POLICY, policy);
            }
            response
        }
    }))
}

// No Strict-Transport-Security: with it, browsers do not let anybody past a certificate that
// nobody has vouched for, and the appliance makes its own.
const SECURITY_HEADERS: [(&str, &str); 6] = [
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    // Not "no-referrer": browsers then hide the origin of a form from its own site, too.
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];

#[cfg(test)]
mod tests {
    use std::io;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::{Instant, sleep};

    use super::*;

    const ASK: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    /// A connection to somebody who takes three seconds to answer.
    fn connected() -> DuplexStream {
        let slow = || async {
            sleep(Duration::from_secs(3)).await;
            "done"
        };
        let app = Router::new().route("/", get(slow));
        let (mine, theirs) = duplex(1 << 16);
        tokio::spawn(serve(theirs, app, Lifetime::begin()));
        mine
    }

    async fn answer(connection: &mut DuplexStream) -> io::Result<String> {
        let mut answer = vec![0; 4096];
        let got = connection.read(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer[..got]).into_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_asked_at_the_end_of_a_connection_is_answered() {
        let mut connection = connected();
        let begun = Instant::now();
        let mut last = String::new();
        // On one connection, as a browser does, until it is closed.
        while connection.write_all(ASK).await.is_ok() {
            last = match answer(&mut connection).await {
                Ok(answer) if !answer.is_empty() => answer,
                _ => break,
            };
            assert!(last.ends_with("done"), "{last}");
            sleep(Duration::from_secs(4)).await;
        }
        assert!((56..66).contains(&begun.elapsed().as_secs()), "{begun:?}");
        assert!(!last.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn c64_who_asks_slowly_is_cut_all_the_same() {
        let mut connection = connected();
        let begun = Instant::now();
        connection.write_all(&ASK[..10]).await.expect("sent");
        assert_eq!(answer(&mut connection).await.unwrap_or_default(), "");
        assert!(begun.elapsed() <= HEADER_TIME + Duration::from_secs(1));
    }
}
