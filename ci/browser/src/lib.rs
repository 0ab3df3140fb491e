//! Chromium for the tests of the web pages, driven as a person would: pages are opened, buttons
//! clicked, keys pressed, and what is shown is waited for.
//!
//! Chromium and its driver are unpacked packages, run by their own loader ([`stage`]). A wait ends
//! with a change of the page, never with a span of time; only failure has one.
//!
//! The driver's protocol is spoken here, in a few lines over what the workspace has anyway: of the
//! client crates, one brings a hundred others and a licence that is not allowed here, the other one
//! changes the order of JSON's keys in the whole workspace.

mod arrivals;
mod stage;
mod wire;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use arrivals::Arrivals;
use stage::Stage;
use wire::{Refusal, Session};

/// The Tab key on the wire, section 17.4.2 of WebDriver.
pub const TAB: char = '\u{e004}';
/// The Enter key.
pub const ENTER: char = '\u{e007}';
/// The space bar.
pub const SPACE: char = ' ';

/// What axe may take for a page, on a slow host.
const LOOK: Duration = Duration::from_secs(120);
/// Has axe look, and tells what it found in lines; an error is told as it is.
const AXE: &str = r#"
const done = arguments[arguments.length - 1];
const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"];
const line = (found) => found.nodes
    .map((node) => `${found.id}: ${found.help}: ${node.html} ${node.failureSummary}`);
axe.run(document, { runOnly: rules })
    .then((seen) => done(seen.violations.flatMap(line)), (error) => done(String(error)));
"#;

/// What must be known before a browser starts.
#[derive(Debug, Clone, Copy)]
pub struct Person<'a> {
    /// The languages that are wished for, as in `Accept-Language`.
    pub languages: &'a str,
    /// Whether scripts run.
    pub scripts: bool,
}

/// A window with a page, and nothing remembered from before. It is closed on drop.
pub struct Browser {
    session: Option<Session>,
    driver: Child,
    /// Where files go that are downloaded.
    downloads: PathBuf,
    _home: tempfile::TempDir,
}

impl Browser {
    /// Starts Chromium from the packages unpacked in `set`; what it says is written to `log`.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(set: &Path, person: Person<'_>, log: &Path) -> Result<Browser> {
        let home = tempfile::tempdir().context("making a home for the browser")?;
        let stage = Stage::new(set, home.path())?;
        let said = File::create(log).with_context(|| format!("writing {}", log.display()))?;
        let mut driver = stage
            .driver(home.path())
            .arg("--port=0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(said)
            .process_group(0)
            .spawn()
            .context("starting the browser's driver")?;
        let words = driver.stdout.take();
        let mut browser = Browser {
            session: None,
            driver,
            downloads: home.path().join("downloads"),
            _home: home,
        };
        let port = port(words.context("the driver has no output")?).with_context(|| {
            format!("the browser's driver did not start, see {}", log.display())
        })?;
        fs::create_dir(&browser.downloads).context("making a folder for downloads")?;
        let capabilities = capabilities(&stage, person, &browser.downloads);
        let begun = Session::begin(port, &capabilities);
        browser.session = Some(begun.context("starting Chromium")?);
        Ok(browser)
    }

    fn session(&self) -> Result<&Session> {
        self.session.as_ref().context("the browser is closed")
    }

    /// Opens a page.
    ///
    /// # Errors
    /// Nobody answers there.
    pub fn open(&self, url: &str) -> Result<()> {
        let opened = self.session()?.post("/url", &json!({"url": url}));
        opened.map(|_| ()).with_context(|| format!("opening {url}"))
    }

    /// The address of the page.
    ///
    /// # Errors
    /// The browser is gone.
    pub fn address(&self) -> Result<String> {
        let told = self.session()?.get("/url")?;
        Ok(told.as_str().unwrap_or_default().to_owned())
    }

    /// Gives the page so many pixels, as a telephone or a screen has.
    ///
    /// # Errors
    /// The browser is gone.
    pub fn resize(&self, width: u32, height: u32) -> Result<()> {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        let body = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics});
        self.session()?.post("/goog/cdp/execute", &body).map(|_| ())
    }

    /// Whether the person wants dark colours.
    ///
    /// # Errors
    /// The browser is gone.
    pub fn wants_dark(&self, dark: bool) -> Result<()> {
        let scheme = if dark { "dark" } else { "light" };
        let wish = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        let body = json!({"cmd": "Emulation.setEmulatedMedia", "params": wish});
        self.session()?.post("/goog/cdp/execute", &body).map(|_| ())
    }

    /// Does something, and waits until a file that was downloaded thereby is there, whole; its path.
    ///
    /// # Errors
    /// None comes within the patience, or what was to be done is not.
    pub fn downloads(
        &self,
        patience: Duration,
        act: impl FnOnce() -> Result<()>,
    ) -> Result<PathBuf> {
        let arrivals = Arrivals::watch(&self.downloads)?;
        act()?;
        arrivals.next(patience)
    }

    /// Clicks into the middle of what a CSS selector finds, which must be there and not covered.
    ///
    /// # Errors
    /// It is not.
    pub fn click(&self, css: &str) -> Result<()> {
        let clicked = self.at(css, |session, element| {
            session.post(&format!("{element}/click"), &json!({}))
        });
        clicked.with_context(|| format!("clicking {css}"))
    }

    /// Types into a field; into that of a file, its path.
    ///
    /// # Errors
    /// No such field.
    pub fn type_into(&self, css: &str, text: &str) -> Result<()> {
        let typed = self.at(css, |session, element| {
            session.post(&format!("{element}/value"), &json!({"text": text}))
        });
        typed.with_context(|| format!("typing into {css}"))
    }

    /// Empties a field.
    ///
    /// # Errors
    /// No such field.
    pub fn clear(&self, css: &str) -> Result<()> {
        let emptied = self.at(css, |session, element| {
            session.post(&format!("{element}/clear"), &json!({}))
        });
        emptied.with_context(|| format!("emptying {css}"))
    }

    fn at(&self, css: &str, act: impl Fn(&Session, &str) -> Result<Value>) -> Result<()> {
        let session = self.session()?;
        act(session, &session.element(css)?).map(|_| ())
    }

    /// Presses keys one after the other, wherever the focus is.
    ///
    /// # Errors
    /// The browser is gone.
    pub fn press(&self, keys: impl IntoIterator<Item = char>) -> Result<()> {
        let strokes = keys.into_iter().flat_map(|key| {
            ["keyDown", "keyUp"].map(|kind| json!({"type": kind, "value": key.to_string()}))
        });
        let strokes: Vec<Value> = strokes.collect();
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": strokes});
        let body = json!({"actions": [keyboard]});
        self.session()?.post("/actions", &body).map(|_| ())
    }

    /// Presses Tab until what a CSS selector finds has the focus, and shows that it has it.
    ///
    /// # Errors
    /// It never has.
    pub fn tab_to(&self, css: &str) -> Result<()> {
        for _ in 0..100 {
            self.press([TAB])?;
            let here = format!(
                "const at = document.activeElement; return at.matches({}) && \
                 getComputedStyle(at).outlineStyle !== 'none'",
                json!(css)
            );
            if self.script(&here)? == true {
                return Ok(());
            }
        }
        bail!("a hundred Tabs do not come to {css}, or it does not show the focus")
    }

    /// What a script of ours gives, which runs beside the page's own.
    ///
    /// # Errors
    /// It throws.
    pub fn script(&self, script: &str) -> Result<Value> {
        let body = json!({"script": script, "args": []});
        self.session()?.post("/execute/sync", &body)
    }

    /// What axe (<https://github.com/dequelabs/axe-core>), whose program is `axe`, finds on the page that
    /// keeps somebody from using it, by the rules of WCAG 2.1, A and AA: a line for each.
    ///
    /// # Errors
    /// It cannot look at the page.
    pub fn barriers(&self, axe: &str) -> Result<Vec<String>> {
        let session = self.session()?;
        session.post("/timeouts", &json!({"script": LOOK.as_millis() as u64}))?;
        let script = format!("{axe}\n{AXE}");
        let body = json!({"script": script, "args": []});
        let told = session.post("/execute/async", &body)?;
        let lines = told.as_array().with_context(|| format!("axe: {told}"))?;
        Ok(lines
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect())
    }

    /// Whether a CSS selector finds something.
    ///
    /// # Errors
    /// The browser is gone.
    pub fn has(&self, css: &str) -> Result<bool> {
        let script = format!("return document.querySelector({}) !== null", json!(css));
        Ok(self.script(&script)? == true)
    }

    /// Waits until an element that a CSS selector finds shows these words; all that it shows.
    ///
    /// # Errors
    /// It does not within the patience; with what the page shows then.
    pub fn wait_for(&self, css: &str, words: &str, patience: Duration) -> Result<String> {
        let shown = format!(
            "[...document.querySelectorAll({})].filter((e) => e.checkVisibility())\
             .map((e) => e.innerText).find((text) => text.includes({}))",
            json!(css),
            json!(words)
        );
        let told = self.wait(&shown, patience);
        let told = told.with_context(|| format!("waiting for {words:?} in {css}"))?;
        Ok(told.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until an expression is true in some page; what it is.
    ///
    /// # Errors
    /// It is not within the patience; with what the page shows then.
    pub fn wait(&self, expression: &str, patience: Duration) -> Result<Value> {
        let session = self.session()?;
        let limit = Instant::now() + patience;
        loop {
            let left = limit.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            session.post("/timeouts", &json!({"script": left.as_millis() as u64}))?;
            let body = json!({"script": watching(expression), "args": []});
            match session.post("/execute/async", &body) {
                Ok(value) => return Ok(value),
                Err(error) if is_about_the_page(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let page = self.script("return location.href + '\\n' + document.body.innerText")?;
        bail!("in vain; the page: {}", page.as_str().unwrap_or_default())
    }

    /// What the console of the developers' tools has got since it was asked last: errors of
    /// scripts, of the network, of the security policy.
    ///
    /// # Errors
    /// The browser is gone.
    pub fn console(&self) -> Result<Vec<String>> {
        let told = self
            .session()?
            .post("/se/log", &json!({"type": "browser"}))?;
        let lines = told.as_array().context("no log")?.iter();
        Ok(lines
            .map(|line| {
                let words = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
                format!("{} {}", words("level"), words("message"))
            })
            .collect())
    }

    /// Writes the page as PNG, all of it, as wide as it is seen.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn picture(&self, path: &Path) -> Result<()> {
        let wish = json!({"captureBeyondViewport": true});
        let body = json!({"cmd": "Page.captureScreenshot", "params": wish});
        let told = self.session()?.post("/goog/cdp/execute", &body)?;
        let bytes = BASE64_STANDARD.decode(told["data"].as_str().unwrap_or_default())?;
        ensure!(!bytes.is_empty(), "the picture is empty");
        fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // So that it closes in order where it still answers.
        if let Some(session) = self.session.take() {
            let _ = session.end();
        }
        // Whatever is left is killed.
        drop(self.driver.stdin.take());
        let _ = self.driver.wait();
    }
}

/// A script that ends when an expression is true: it is looked at with each change of the page.
fn watching(expression: &str) -> String {
    format!(
        "const done = arguments[arguments.length - 1];\n\
         const look = () => {{ const seen = ({expression}); if (seen) done(seen); return seen; }};\n\
         const observer = new MutationObserver(() => {{ if (look()) observer.disconnect(); }});\n\
         if (!look()) observer.observe(document, {{\n\
         subtree: true, childList: true, attributes: true, characterData: true }});"
    )
}

/// The time is over, or another page has come meanwhile.
fn is_about_the_page(error: &anyhow::Error) -> bool {
    let refusal = error.downcast_ref::<Refusal>();
    refusal.is_some_and(|refusal| {
        [
            "script timeout",
            "javascript error",
            "aborted by navigation",
        ]
        .contains(&refusal.error.as_str())
    })
}

/// Where the driver listens: it says so in a line.
fn port(words: impl std::io::Read + Send + 'static) -> Result<u16> {
    let mut lines = BufReader::new(words).lines();
    let line = lines.find(|line| {
        line.as_ref()
            .map_or(true, |line| line.contains("started successfully on port"))
    });
    // Whatever else it says must not fill the pipe.
    std::thread::spawn(move || lines.count());
    let line = line.context("it has ended")??;
    let port = line.trim_end_matches('.').rsplit(' ').next();
    Ok(port.unwrap_or_default().parse()?)
}

/// Nothing is asked of any other machine, and nothing remembered.
fn capabilities(stage: &Stage, person: Person<'_>, downloads: &Path) -> Value {
    let children = format!("--browser-subprocess-path={}", stage.chromium().display());
    let words = [
        "--headless=new",
        "--no-sandbox",
        "--no-zygote",
        &children,
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--disable-crash-reporter",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-proxy-server",
        "--window-size=1280,800",
    ];
    let scripts = if person.scripts { 1 } else { 2 };
    json!({
        "browserName": "chrome",
        "acceptInsecureCerts": true,
        "goog:loggingPrefs": {"browser": "ALL"},
        "goog:chromeOptions": {
            "binary": stage.chromium(),
            "args": words,
            "prefs": {
                "download.default_directory": downloads,
                "download.prompt_for_download": false,
                "intl.accept_languages": person.languages,
                "profile.managed_default_content_settings.javascript": scripts,
            },
        },
    })
}
