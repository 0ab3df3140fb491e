//! HTTPS, and nothing else: fetching answers, sending the report.
//!
//! The authorities are those of the system (`/etc/ssl/certs`). Plain HTTP is refused, also where a
//! server redirects to it. What is fetched has a largest size.

pub mod patience;

use std::error::Error as _;
use std::io::Read;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use reqwest::blocking::{Client as Inner, ClientBuilder, Response};
use reqwest::redirect::Policy;
use reqwest::{Certificate, StatusCode, Url};
use rustls::CertificateError as Wrong;
use vigie_disk::Bytes;

use crate::clock;
use crate::messages::Text;

/// To reach a server.
const CONNECT: Duration = Duration::from_secs(15);
/// For a whole exchange.
const WHOLE: Duration = Duration::from_secs(60);
/// As many as a chain of servers needs; more is a circle.
const REDIRECTS: usize = 5;

/// Why an exchange did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// For a person.
    pub text: Text,
    /// Whether it may pass by itself: trying again makes sense.
    pub passing: bool,
}

/// Speaks HTTPS.
#[derive(Clone, Debug)]
pub struct Client {
    reading: Inner,
    sending: Inner,
}

impl Client {
    /// Trusts the system's authorities.
    pub fn new() -> Result<Self> {
        Self::build(&|builder| builder)
    }

    /// Trusts one authority alone, given as PEM.
    pub fn trusting_only(authority: &[u8]) -> Result<Self> {
        let authority = Certificate::from_pem(authority).context("reading an authority")?;
        Self::build(&|builder| {
            builder
                .tls_built_in_root_certs(false)
                .add_root_certificate(authority.clone())
        })
    }

    fn build(trust: &dyn Fn(ClientBuilder) -> ClientBuilder) -> Result<Self> {
        let client = |redirects| {
            let builder = Inner::builder()
                .https_only(true)
                .no_proxy()
                .connect_timeout(CONNECT)
                .timeout(WHOLE)
                .redirect(redirects)
                .user_agent(concat!("vigie-install/", env!("CARGO_PKG_VERSION")));
            trust(builder).build().context("preparing HTTPS")
        };
        Ok(Self {
            reading: client(Policy::limited(REDIRECTS))?,
            // A redirected POST becomes a GET: the report would be lost in silence.
            sending: client(Policy::none())?,
        })
    }

    /// Fetches a file of at most `limit`.
    pub fn get(&self, url: &Url, limit: Bytes) -> Result<Vec<u8>, Trouble> {
        let answer = self.reading.get(url.clone()).send();
        let answer = accepted(url, answer.map_err(|error| of_error(url, &error))?)?;
        let mut bytes = Vec::new();
        answer
            .take(limit.get() + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| unreachable(url, &error.to_string()))?;
        if bytes.len() as u64 > limit.get() {
            let text = Text::new("https.too-large").with("limit", limit);
            return Err(Trouble::lasting(text.with("url", shown(url))));
        }
        Ok(bytes)
    }

    /// Sends a JSON text.
    pub fn post_json(&self, url: &Url, json: &str) -> Result<(), Trouble> {
        let request = self.sending.post(url.clone()).body(json.to_owned());
        let answer = request.header("content-type", "application/json").send();
        accepted(url, answer.map_err(|error| of_error(url, &error))?).map(|_| ())
    }
}

impl Trouble {
    fn lasting(text: Text) -> Self {
        Self {
            text,
            passing: false,
        }
    }
}

/// An address without what may be secret: user, password and query.
pub fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}"));
    let host = url.host_str().unwrap_or_default();
    format!(
        "{}://{host}{}{}",
        url.scheme(),
        port.unwrap_or_default(),
        url.path()
    )
}

fn accepted(url: &Url, answer: Response) -> Result<Response, Trouble> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let text = Text::new("https.status")
        .with("url", shown(url))
        .with("status", status);
    let passing = status.is_server_error()
        || [
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::TOO_EARLY,
            StatusCode::TOO_MANY_REQUESTS,
        ]
        .contains(&status);
    Err(Trouble { text, passing })
}

fn unreachable(url: &Url, why: &str) -> Trouble {
    let text = Text::new("https.unreachable")
        .with("url", shown(url))
        .with("why", why);
    Trouble {
        text,
        passing: true,
    }
}

fn of_error(url: &Url, error: &reqwest::Error) -> Trouble {
    let why = causes(error);
    match tls_error(error) {
        Some(rustls::Error::InvalidCertificate(wrong)) => return of_certificate(url, wrong, &why),
        Some(_) => {
            let text = Text::new("https.tls").with("url", shown(url));
            return Trouble::lasting(text.with("why", why));
        }
        None => {}
    }
    if error.is_redirect() || error.is_builder() {
        let text = Text::new("https.redirect").with("url", shown(url));
        return Trouble::lasting(text.with("why", why));
    }
    unreachable(url, &why)
}

/// A certificate that is not valid at this time is most often a clock that is wrong: after a long
/// storage a machine's battery is flat. The clock is set as soon as a time server answers, so this
/// may pass.
fn of_certificate(url: &Url, wrong: &Wrong, why: &str) -> Trouble {
    let text = |key| Text::new(key).with("url", shown(url)).with("why", why);
    match wrong {
        Wrong::Expired
        | Wrong::ExpiredContext { .. }
        | Wrong::NotValidYet
        | Wrong::NotValidYetContext { .. } => Trouble {
            text: text("https.clock").with("now", clock::utc(SystemTime::now())),
            passing: true,
        },
        _ => Trouble::lasting(text("https.certificate")),
    }
}

/// The TLS error in a chain of causes, where there is one.
fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut cause = error.source();
    while let Some(one) = cause {
        if let Some(found) = held(one) {
            return Some(found);
        }
        cause = one.source();
    }
    None
}

/// The TLS error that an error is, or holds: an `io::Error` hides what it holds from `source`, and
/// may hold another.
fn held<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let inner = error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref);
    match inner {
        Some(inner) => held(inner),
        None => error.downcast_ref(),
    }
}

/// The innermost cause: the outer ones only say that a request failed.
fn causes(error: &reqwest::Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        said = one.to_string();
        cause = one.source();
    }
    said
}
