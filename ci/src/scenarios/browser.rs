//! What a browser sends to the administrators' pages, over TLS, and what none would send; for a
//! browser itself see `update_browser.rs`.

use std::io::Read;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::blocking::{Body, Client, RequestBuilder, Response};
use reqwest::header::{ACCEPT_LANGUAGE, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use serde_json::Value;

/// One answer; unpacking a package to check it is part of it.
const ANSWER: Duration = Duration::from_secs(300);

/// A browser, logged in or not.
pub(super) struct Browser {
    base: String,
    client: Client,
}

impl Browser {
    /// One that knows nobody's certificate and follows nothing by itself.
    pub fn new(port: u16) -> Result<Browser> {
        Self::with(port, None)
    }

    fn with(port: u16, cookie: Option<HeaderValue>) -> Result<Browser> {
        let mut headers = HeaderMap::new();
        headers.extend(cookie.map(|cookie| (COOKIE, cookie)));
        let client = Client::builder()
            .danger_accept_invalid_certs(true)
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(ANSWER)
            .no_proxy()
            .build()?;
        let base = format!("https://127.0.0.1:{port}");
        Ok(Browser { base, client })
    }

    /// One that is logged in as root; an error tells the status of a refusal.
    pub fn logged_in(port: u16, password: &str) -> Result<Browser> {
        let stranger = Self::new(port)?;
        let page = stranger.get("/login")?;
        let cookie = cookie(&page)?;
        let csrf = token(&page.text()?)?;
        let form = [("csrf", &*csrf), ("user", "root"), ("password", password)];
        let request = stranger.client.post(stranger.url("/login"));
        let answer = fill(request.header(COOKIE, cookie), &form).send()?;
        ensure!(answer.status() == 303, "log-in: {}", answer.status());
        Self::with(port, Some(self::cookie(&answer)?))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// GET.
    pub fn get(&self, path: &str) -> Result<Response> {
        let answer = self.client.get(self.url(path)).send();
        answer.with_context(|| format!("GET {path}"))
    }

    /// The text of a page.
    pub fn page(&self, path: &str) -> Result<String> {
        Ok(self.get(path)?.text()?)
    }

    /// The text of a page in a language.
    pub fn page_in(&self, language: &str, path: &str) -> Result<String> {
        let request = self.client.get(self.url(path));
        let answer = request.header(ACCEPT_LANGUAGE, language).send();
        Ok(answer.with_context(|| format!("GET {path}"))?.text()?)
    }

    /// Sends the form of a button.
    pub fn press(&self, path: &str, field: Option<(&str, &str)>) -> Result<Response> {
        let csrf = token(&self.page("/update")?)?;
        let mut form = vec![("csrf", &*csrf)];
        form.extend(field);
        let answer = fill(self.client.post(self.url(path)), &form).send();
        answer.with_context(|| format!("POST {path}"))
    }

    /// Begins an upload; its path.
    pub fn begin(&self, length: usize) -> Result<String> {
        let request = self.client.post(self.url("/update/upload"));
        let request = request.header("X-CSRF-Token", token(&self.page("/update")?)?);
        let answer = request.header("Upload-Length", length).send()?;
        ensure!(answer.status() == 201, "beginning: {}", answer.status());
        let path = answer.headers().get("Location").context("no Location")?;
        Ok(path.to_str()?.to_owned())
    }

    /// Sends the bytes from `from` to the end, announced as all of them; `sent` of them come, and
    /// then the connection breaks where that is not all.
    pub fn send(
        &self,
        path: &str,
        bytes: &[u8],
        (from, to): (usize, usize),
        (tag, sent): (Option<&str>, usize),
    ) -> Result<Response> {
        let range = format!("bytes {from}-{}/{}", to - 1, bytes.len());
        let mut request = self.client.put(self.url(path));
        request = request.header("X-CSRF-Token", token(&self.page("/update")?)?);
        request = request.header("Content-Range", range);
        if let Some(tag) = tag {
            request = request.header("If-Match", tag);
        }
        let body = Breaking(std::io::Cursor::new(bytes[from..sent].to_vec()), sent < to);
        let request = request.body(Body::sized(body, (to - from) as u64));
        request.send().with_context(|| format!("PUT {path}"))
    }

    /// How much of an upload has come.
    pub fn offset(&self, path: &str) -> Result<usize> {
        let answer = self.client.head(self.url(path)).send()?;
        let offset = answer.headers().get("Upload-Offset").context("no offset")?;
        Ok(offset.to_str()?.parse()?)
    }

    /// How far an installation is; told when it is another than what was `seen`.
    pub fn job(&self, seen: Option<&Value>) -> Result<Value> {
        let after = seen.map(|seen| format!("?after={}", seen["revision"]));
        let path = format!("/update/job{}", after.unwrap_or_default());
        Ok(serde_json::from_str(&self.page(&path)?)?)
    }
}

/// A body whose connection breaks at its end.
struct Breaking(std::io::Cursor<Vec<u8>>, bool);

impl Read for Breaking {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(buffer)? {
            0 if self.1 => Err(std::io::Error::other("the line is cut")),
            count => Ok(count),
        }
    }
}

fn cookie(answer: &Response) -> Result<HeaderValue> {
    let cookie = answer.headers().get(SET_COOKIE).context("no cookie")?;
    let value = cookie.to_str()?.split(';').next().unwrap_or_default();
    Ok(HeaderValue::from_str(value)?)
}

fn token(page: &str) -> Result<String> {
    let (_, rest) = page
        .split_once("name=\"csrf\" value=\"")
        .with_context(|| format!("no token in {page}"))?;
    let (token, _) = rest.split_once('"').context("no end of the token")?;
    Ok(token.to_owned())
}

/// The only characters of our forms that need it are spaces and those of base64.
fn fill(request: RequestBuilder, form: &[(&str, &str)]) -> RequestBuilder {
    let escape = |text: &str| {
        let escaped = text.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        });
        escaped.collect::<String>()
    };
    let fields = form
        .iter()
        .map(|(name, value)| format!("{name}={}", escape(value)));
    let body = fields.collect::<Vec<_>>().join("&");
    let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    request.body(body)
}
