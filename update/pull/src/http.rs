//! HTTPS, and nothing else. Redirects stay on the server; nothing is read without a limit.

use std::error::Error as _;
use std::io::Read;
use std::time::Duration;

use reqwest::blocking::{Client as Inner, RequestBuilder, Response};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, IF_RANGE, RANGE};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Certificate, StatusCode, Url};
use rustls::CertificateError as Wrong;
use vigie_settings::{Language, Said};

/// More is a circle.
const REDIRECTS: usize = 3;

/// How long a server is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// To reach it.
    pub connect: Duration,
    /// For the next byte.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            silence: Duration::from_secs(60),
        }
    }
}

/// Why something did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Trouble {
    /// For a person, in English.
    pub text: String,
    /// The same in French.
    pub french: String,
    /// Whether it may pass by itself: trying again makes sense.
    pub passing: bool,
}

impl Trouble {
    /// One that trying again does not mend.
    pub fn lasting(text: impl Into<String>, french: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            french: french.into(),
            passing: false,
        }
    }

    /// One that may pass.
    pub fn passing(text: impl Into<String>, french: impl Into<String>) -> Self {
        Self {
            passing: true,
            ..Self::lasting(text, french)
        }
    }

    /// Writing into the own folder: what was being done, in both languages.
    pub fn disk((doing, french): (&str, &str), error: &std::io::Error) -> Self {
        Self::passing(
            format!("{doing}: {error}; check the state volume's space and health"),
            format!("{french} : {error} ; vérifiez la place et l'état du volume d'état"),
        )
    }

    /// One that trying again does not mend, of words that are there in both languages.
    #[must_use]
    pub fn of(said: &Said) -> Self {
        Self::lasting(said.to(Language::En), said.to(Language::Fr))
    }
}

/// Speaks HTTPS.
#[derive(Clone, Debug)]
pub struct Client(Inner);

impl Client {
    /// Trusts these authorities alone (PEM), or the system's where there are none. `authorization`
    /// is shown to the server with each request, and is never part of a message.
    ///
    /// # Errors
    /// Certificates or a token that cannot be used.
    pub fn new(
        authorities: Option<&str>,
        authorization: Option<&str>,
        patience: Patience,
    ) -> Result<Self, Trouble> {
        let mut builder = Inner::builder()
            .https_only(true)
            .no_proxy()
            .connect_timeout(patience.connect)
            // Of the blocking client: for the head of an answer, then for each read of its body.
            .timeout(patience.silence)
            .redirect(Policy::custom(same_server))
            .user_agent(concat!("vigie-pull/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = authorities {
            let unusable = |error| {
                let why = last(&error);
                Trouble::lasting(
                    format!("the certificates of [update] ca: {why}"),
                    format!("les certificats de [update] ca : {why}"),
                )
            };
            let bundle = Certificate::from_pem_bundle(pem.as_bytes()).map_err(unusable)?;
            builder = builder.tls_built_in_root_certs(false);
            for authority in bundle {
                builder = builder.add_root_certificate(authority);
            }
        }
        if let Some(authorization) = authorization {
            let unusable = |_| {
                Trouble::lasting(
                    "the token of the settings cannot be sent",
                    "le jeton des réglages ne peut pas être envoyé",
                )
            };
            let mut value = HeaderValue::from_str(authorization).map_err(unusable)?;
            value.set_sensitive(true);
            builder = builder.default_headers(HeaderMap::from_iter([(AUTHORIZATION, value)]));
        }
        let unusable = |error| {
            let why = last(&error);
            Trouble::lasting(
                format!("preparing HTTPS: {why}"),
                format!("préparation de HTTPS : {why}"),
            )
        };
        Ok(Self(builder.build().map_err(unusable)?))
    }

    /// Fetches a short file whole.
    ///
    /// # Errors
    /// The server, or more than `limit` bytes.
    pub fn short(&self, url: &Url, limit: usize, accept: &str) -> Result<Vec<u8>, Trouble> {
        let request = self.0.get(url.clone()).header(ACCEPT, accept);
        let answer = accepted(url, send(url, request)?)?;
        let mut bytes = Vec::new();
        let read = answer.take(limit as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|error| broken(url, &error))?;
        if bytes.len() > limit {
            let url = shown(url);
            return Err(Trouble::lasting(
                format!("{url} is longer than {limit} bytes"),
                format!("{url} dépasse {limit} octets"),
            ));
        }
        Ok(bytes)
    }

    /// Asks for a file from a byte on, where it is still the one with this entity tag. The answer
    /// may be the whole file.
    ///
    /// # Errors
    /// The server. That the range is not there (416) is an answer.
    pub fn from(&self, url: &Url, at: u64, tag: Option<&str>) -> Result<Response, Trouble> {
        let mut request = self.0.get(url.clone());
        if at > 0 {
            request = request.header(RANGE, format!("bytes={at}-"));
            if let Some(tag) = tag {
                request = request.header(IF_RANGE, tag);
            }
        }
        let answer = send(url, request)?;
        if at > 0 && answer.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(answer);
        }
        accepted(url, answer)
    }

    /// Sends a JSON text; answers whether there still is somebody to take it (not 404, 410).
    ///
    /// # Errors
    /// The server.
    pub fn tell(&self, url: &Url, json: String) -> Result<bool, Trouble> {
        let answer = send(url, with_json(self.0.post(url.clone()), json))?;
        if [StatusCode::NOT_FOUND, StatusCode::GONE].contains(&answer.status()) {
            return Ok(false);
        }
        accepted(url, answer).map(|_| true)
    }

    /// Puts a JSON text into its place.
    ///
    /// # Errors
    /// The server.
    pub fn put(&self, url: &Url, json: String) -> Result<(), Trouble> {
        let answer = send(url, with_json(self.0.put(url.clone()), json))?;
        accepted(url, answer).map(drop)
    }
}

/// Whether two addresses are on one server.
#[must_use]
pub fn is_same_server(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host() == other.host()
        && one.port_or_known_default() == other.port_or_known_default()
}

fn same_server(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let first = attempt.previous().first();
    if attempt.previous().len() > REDIRECTS {
        attempt.error(CIRCLE)
    } else if first.is_some_and(|first| is_same_server(first, attempt.url())) {
        attempt.follow()
    } else {
        attempt.error(ELSEWHERE)
    }
}

const CIRCLE: &str = "it redirects without end";
const ELSEWHERE: &str = "it redirects to another server";

fn redirect_in_french(why: &str) -> &str {
    match why {
        CIRCLE => "il redirige sans fin",
        ELSEWHERE => "il redirige vers un autre serveur",
        other => other,
    }
}

/// An address without what may be secret.
fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}"));
    let host = url.host_str().unwrap_or_default();
    format!(
        "{}://{host}{}{}",
        url.scheme(),
        port.unwrap_or_default(),
        url.path()
    )
}

fn with_json(request: RequestBuilder, json: String) -> RequestBuilder {
    request
        .header("content-type", "application/json")
        .body(json)
}

fn send(url: &Url, request: RequestBuilder) -> Result<Response, Trouble> {
    request.send().map_err(|error| of_error(url, &error))
}

fn accepted(url: &Url, answer: Response) -> Result<Response, Trouble> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let url = shown(url);
    let trouble = Trouble::lasting(
        format!("{url} answers {status}"),
        format!("{url} répond {status}"),
    );
    let passing = status.is_server_error()
        || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&status);
    Err(Trouble { passing, ..trouble })
}

/// A connection that broke while it was read from.
pub fn broken(url: &Url, error: &std::io::Error) -> Trouble {
    let url = shown(url);
    Trouble::passing(
        format!("reading {url}: {error}"),
        format!("lecture de {url} : {error}"),
    )
}

fn of_error(url: &Url, error: &reqwest::Error) -> Trouble {
    let (url, why) = (shown(url), last(error));
    match tls_error(error) {
        Some(rustls::Error::InvalidCertificate(
            Wrong::Expired
            | Wrong::ExpiredContext { .. }
            | Wrong::NotValidYet
            | Wrong::NotValidYetContext { .. },
        )) => {
            // After a long storage a machine's battery is flat; a time server mends it.
            let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC");
            Trouble::passing(
                format!(
                    "the certificate of {url} is not valid now: {why}. By this machine's clock it is \
                     {now}; if that is wrong, set the clock or name a time server"
                ),
                format!(
                    "le certificat de {url} n'est pas valable maintenant : {why}. L'horloge de cette \
                     machine dit {now} ; si c'est faux, réglez-la ou nommez un serveur de temps"
                ),
            )
        }
        Some(rustls::Error::InvalidCertificate(_)) => Trouble::lasting(
            format!("{url} is not who it should be: {why}; check its certificate, and [update] ca"),
            format!(
                "{url} n'est pas qui il doit être : {why} ; vérifiez son certificat, et [update] ca"
            ),
        ),
        Some(_) => Trouble::lasting(
            format!("{url} does not speak TLS as it must: {why}"),
            format!("{url} ne parle pas TLS comme il faut : {why}"),
        ),
        None if error.is_redirect() => Trouble::lasting(
            format!("{url}: {why}"),
            format!("{url} : {}", redirect_in_french(&why)),
        ),
        None if error.is_builder() => {
            Trouble::lasting(format!("{url}: {why}"), format!("{url} : {why}"))
        }
        None => Trouble::passing(
            format!("{url} cannot be reached: {why}"),
            format!("{url} est injoignable : {why}"),
        ),
    }
}

/// The TLS error in a chain of causes; an `io::Error` hides what it holds from `source`.
fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut cause = error.source();
    while let Some(one) = cause {
        let mut inner = one;
        while let Some(held) = inner
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
        {
            inner = held;
        }
        if let Some(found) = inner.downcast_ref() {
            return Some(found);
        }
        cause = one.source();
    }
    None
}

/// The innermost cause: the outer ones only say that a request failed, and name its address.
fn last(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
