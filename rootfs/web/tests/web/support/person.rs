//! Somebody who uses the pages, and what they send and find there.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::{COOKIE, HeaderValue};
use serde_json::Value;

use super::{PASSWORD, Web};

/// Somebody with a browser that follows nothing by itself.
pub struct Person<'a> {
    pub web: &'a Web,
    pub client: Client,
}

impl<'a> Person<'a> {
    pub fn new(web: &'a Web) -> Self {
        Self::with_cookie(web, None)
    }

    fn with_cookie(web: &'a Web, cookie: Option<String>) -> Self {
        let cookie = cookie.map(|cookie| (COOKIE, HeaderValue::try_from(cookie).unwrap()));
        let client = Client::builder()
            .danger_accept_invalid_certs(true)
            .default_headers(cookie.into_iter().collect())
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(60))
            .no_proxy();
        Self {
            web,
            client: client.build().unwrap(),
        }
    }

    /// Logged in as an administrator.
    pub fn logged_in(web: &'a Web) -> Self {
        Self::logged_in_as(web, "anne")
    }

    pub fn logged_in_as(web: &'a Web, name: &str) -> Self {
        let answer = Self::new(web).log_in(name, PASSWORD);
        assert_eq!(answer.status(), 303);
        Self::with_cookie(web, Some(cookie(&answer)))
    }

    /// With the session that an answer began.
    pub fn with_session(web: &'a Web, answer: &Response) -> Self {
        Self::with_cookie(web, Some(cookie(answer)))
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.web.secure)
    }

    pub fn get(&self, path: &str) -> Response {
        self.client.get(self.url(path)).send().unwrap()
    }

    pub fn log_in(&self, user: &str, password: &str) -> Response {
        self.log_in_with("", user, password)
    }

    /// With a cookie of this browser beside that of the form.
    pub fn log_in_with(&self, more: &str, user: &str, password: &str) -> Response {
        let page = self.get("/login");
        let cookie = format!("{}; {more}", cookie(&page));
        let csrf = token(&page.text().unwrap());
        let form = [("csrf", &*csrf), ("user", user), ("password", password)];
        let request = self.client.post(self.url("/login")).header(COOKIE, cookie);
        fill(request, &form).send().unwrap()
    }

    /// Fetches a form that needs no session, and sends it.
    pub fn fill_in(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let page = self.get(path);
        let cookie = cookie(&page);
        let csrf = token(&page.text().unwrap());
        let mut all = vec![("csrf", &*csrf)];
        all.extend(form);
        let request = self.client.post(self.url(path)).header(COOKIE, cookie);
        fill(request, &all).send().unwrap()
    }

    /// How far an installation is, when that is another than what was seen `after` an answer before.
    pub fn job(&self, after: Option<&Value>) -> Value {
        let after = after.map(|seen| format!("?after={}", seen["revision"]));
        let answer = self.get(&format!("/update/job{}", after.unwrap_or_default()));
        serde_json::from_str(&answer.text().unwrap()).unwrap()
    }

    /// The token of this person's session.
    pub fn csrf(&self) -> String {
        token(&self.get("/account").text().unwrap())
    }

    /// A form.
    pub fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        fill(self.client.post(self.url(path)), form).send().unwrap()
    }

    /// A request for an upload, with this person's token.
    pub fn put(&self, path: &str) -> RequestBuilder {
        let request = self.client.put(self.url(path));
        request.header("X-CSRF-Token", self.csrf())
    }

    /// Begins an upload that can be gone on with; its path.
    pub fn begin(&self, length: usize) -> String {
        let request = self.client.post(self.url("/update/upload"));
        let request = request.header("X-CSRF-Token", self.csrf());
        let answer = request.header("Upload-Length", length).send().unwrap();
        assert_eq!(answer.status(), 201);
        answer.headers()["Location"].to_str().unwrap().to_owned()
    }

    /// Sends a part of an upload.
    pub fn part(&self, path: &str, all: &[u8], range: std::ops::Range<usize>) -> RequestBuilder {
        let (first, last, total) = (range.start, range.end - 1, all.len());
        let request = self.put(path);
        let request = request.header("Content-Range", format!("bytes {first}-{last}/{total}"));
        request.body(all[range].to_vec())
    }

    /// Asks for the check of an upload that is all here.
    pub fn finish(&self, path: &str, total: usize) -> RequestBuilder {
        let request = self.put(path);
        request.header("Content-Range", format!("bytes */{total}"))
    }

    /// Whether an upload is complete and was checked.
    pub fn is_complete(&self, path: &str) -> bool {
        let answer = self.client.head(self.url(path)).send().unwrap();
        assert_eq!(answer.status(), 200);
        answer.headers()["Upload-Complete"] == "?1"
    }

    /// Where an upload goes on.
    pub fn offset(&self, path: &str) -> u64 {
        let answer = self.client.head(self.url(path)).send().unwrap();
        let offset = answer.headers()["Upload-Offset"].to_str().unwrap();
        offset.parse().unwrap()
    }
}

/// The first cookie that an answer sets.
pub fn cookie(answer: &Response) -> String {
    let cookie = answer.headers()["Set-Cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

fn fill(request: RequestBuilder, form: &[(&str, &str)]) -> RequestBuilder {
    let escape = |text: &str| {
        let byte = |b: u8| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(b).to_string(),
            other => format!("%{other:02X}"),
        };
        text.bytes().map(byte).collect::<String>()
    };
    let pairs = form
        .iter()
        .map(|(key, value)| format!("{key}={}", escape(value)));
    let body = pairs.collect::<Vec<_>>().join("&");
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    request.body(body)
}

/// A form with files.
pub fn multipart(fields: &[(&str, &[u8])]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, bytes) in fields {
        let head = format!(
            "--xyz\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"x\"\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--xyz--\r\n");
    ("multipart/form-data; boundary=xyz".to_owned(), body)
}

/// The token in a page's first form.
pub fn token(page: &str) -> String {
    let rest = page.split_once("name=\"csrf\" value=\"").unwrap().1;
    rest.split('"').next().unwrap().to_owned()
}

/// The id in a page's first install button.
pub fn id(page: &str) -> String {
    let rest = page.split_once("name=\"id\" value=\"").unwrap().1;
    rest.split('"').next().unwrap().to_owned()
}

/// Whether a connection has an answer for `/health` within a second.
pub fn is_answered(mut connection: &TcpStream) -> bool {
    let patience = Some(Duration::from_secs(1));
    connection.set_read_timeout(patience).unwrap();
    let asked =
        connection.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    asked.is_ok() && connection.read(&mut [0; 16]).is_ok_and(|got| got > 0)
}
