//! WebDriver's words on the wire, <https://www.w3.org/TR/webdriver2/>: JSON over HTTP.

use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::Method;
use reqwest::blocking::Client;
use serde_json::{Value, json};

/// One answer; those that wait for something in a page have a limit of their own in it.
const ANSWER: Duration = Duration::from_secs(300);
/// The key under which a reference to an element travels, section 12.1.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A refusal, section 6.6.
#[derive(Debug)]
pub struct Refusal {
    /// One of the words of the specification.
    pub error: String,
    message: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let line = self.message.lines().next().unwrap_or_default();
        write!(f, "{}: {line}", self.error)
    }
}

impl std::error::Error for Refusal {}

/// A session of a driver.
pub struct Session {
    client: Client,
    base: String,
}

impl Session {
    /// Begins one with the capabilities that it must have.
    ///
    /// # Errors
    /// The browser does not start.
    pub fn begin(port: u16, capabilities: &Value) -> Result<Session> {
        let client = Client::builder().no_proxy().timeout(ANSWER).build()?;
        let base = format!("http://127.0.0.1:{port}/session");
        let mut session = Session { client, base };
        let wishes = json!({"capabilities": {"alwaysMatch": capabilities}});
        let begun = session.ask(Method::POST, "", &wishes)?;
        let id = begun["sessionId"].as_str().context("no session")?;
        session.base = format!("{}/{id}", session.base);
        Ok(session)
    }

    /// POST.
    ///
    /// # Errors
    /// A [`Refusal`], or no answer.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.ask(Method::POST, path, body)
    }

    /// GET.
    ///
    /// # Errors
    /// A [`Refusal`], or no answer.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.ask(Method::GET, path, &Value::Null)
    }

    /// Ends the session and its browser.
    ///
    /// # Errors
    /// A [`Refusal`], or no answer.
    pub fn end(&self) -> Result<()> {
        self.ask(Method::DELETE, "", &Value::Null).map(|_| ())
    }

    /// The path of the first element that a CSS selector finds.
    ///
    /// # Errors
    /// There is none.
    pub fn element(&self, css: &str) -> Result<String> {
        let wish = json!({"using": "css selector", "value": css});
        let found = self.post("/element", &wish)?;
        let id = found[ELEMENT].as_str();
        Ok(format!("/element/{}", id.context("no element")?))
    }

    fn ask(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let mut request = self
            .client
            .request(method.clone(), format!("{}{path}", self.base));
        if method == Method::POST {
            request = request.header("Content-Type", "application/json");
            request = request.body(body.to_string());
        }
        let answer = request
            .send()
            .with_context(|| format!("asking the browser's driver for {path}"))?;
        let mut told: Value = serde_json::from_str(&answer.text()?)
            .with_context(|| format!("what the browser's driver says of {path}"))?;
        let value = told["value"].take();
        match value["error"].as_str() {
            None => Ok(value),
            Some(error) => Err(Refusal {
                error: error.to_owned(),
                message: value["message"].as_str().unwrap_or_default().to_owned(),
            }
            .into()),
        }
    }
}
