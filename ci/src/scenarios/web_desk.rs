//! Somebody at a browser, in front of the web interface of a real appliance.
//!
//! Pictures lie in the step's folder, numbered in the order in which they were seen: whole pages, as a
//! screen shows them and as a small telephone does, on which nothing may stick out.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use test_browser::{Browser, Person};

use crate::context::Context;
use crate::programs;

/// A page that is asked for, on a busy machine.
pub(super) const PAGE: Duration = Duration::from_secs(120);
/// A screen, and a small telephone.
const SIZES: [(&str, u32, u32); 2] = [("wide", 1280, 800), ("phone", 360, 740)];
/// No page is longer than this in a picture.
const LONGEST: u64 = 6000;

/// Somebody at a browser.
pub(super) struct Desk {
    /// The browser.
    pub browser: Browser,
    base: RefCell<String>,
    folder: PathBuf,
    pictures: Cell<u32>,
}

impl Desk {
    /// Sits down before the appliance at an address such as `https://127.0.0.1:4433`.
    pub fn at(ctx: &Context, base: String) -> Result<Desk> {
        let person = Person {
            languages: "en",
            scripts: true,
        };
        let log = ctx.folder().join("chromium.log");
        let browser = Browser::start(&programs::browser()?, person, &log)?;
        let desk = Desk {
            browser,
            base: RefCell::new(base),
            folder: ctx.folder().to_owned(),
            pictures: Cell::new(0),
        };
        desk.on_a_screen()?;
        Ok(desk)
    }

    /// Goes on at another address.
    pub fn turns_to(&self, base: String) {
        self.base.replace(base);
    }

    fn on_a_screen(&self) -> Result<()> {
        let (_, width, height) = SIZES[0];
        self.browser.resize(width, height)
    }

    /// Opens a page by its path.
    pub fn opens(&self, path: &str) -> Result<()> {
        let url = format!("{}{path}", self.base.borrow());
        self.browser.open(&url)
    }

    /// Waits for words on the page; all that the element shows.
    pub fn sees(&self, css: &str, words: &str) -> Result<String> {
        self.browser.wait_for(css, words, PAGE)
    }

    /// Presses a button, or follows a link.
    pub fn presses(&self, css: &str) -> Result<()> {
        self.browser.click(css)
    }

    /// Writes into a field, in place of what stands there.
    pub fn writes(&self, css: &str, text: &str) -> Result<()> {
        let empty = format!("document.querySelector({}).value = ''", json!(css));
        self.browser.script(&empty)?;
        self.browser.type_into(css, text)
    }

    /// What stands in a field.
    pub fn reads(&self, css: &str) -> Result<String> {
        let value = format!("return document.querySelector({}).value", json!(css));
        let value = self.browser.script(&value)?;
        let text = value.as_str().map(str::to_owned);
        text.with_context(|| format!("{css} is no field"))
    }

    /// Logs in at the page that asks for it.
    pub fn logs_in(&self, user: &str, password: &str) -> Result<()> {
        self.tries_to_log_in(user, password)?;
        self.sees(".corner a[href='/account']", user).map(drop)
    }

    /// The same, not knowing what comes of it.
    pub fn tries_to_log_in(&self, user: &str, password: &str) -> Result<()> {
        self.sees("h2", "Log in")?;
        self.writes("#user", user)?;
        self.writes("#password", password)?;
        self.presses("main button")
    }

    pub fn logs_out(&self) -> Result<()> {
        self.presses("[action='/logout'] button")?;
        self.sees("h2", "Log in").map(drop)
    }

    /// Pictures of the whole page.
    pub fn looks(&self, name: &str) -> Result<()> {
        let number = self.pictures.get() + 1;
        self.pictures.set(number);
        for (size, width, height) in SIZES {
            self.browser.resize(width, height)?;
            let page = "const page = document.documentElement; \
                        return [page.scrollWidth, page.scrollHeight]";
            let page = self.browser.script(page)?;
            let measure = |at: usize| page[at].as_u64().context("a page without a size");
            let (wide, high) = (measure(0)?, measure(1)?);
            let high = u32::try_from(high.clamp(u64::from(height), LONGEST))?;
            self.browser.resize(width, high)?;
            let file = format!("{number:02}-{name}-{size}.png");
            self.browser.picture(&self.folder.join(file))?;
            ensure!(
                wide <= u64::from(width),
                "{name}: {wide} pixels wide on a screen of {width}"
            );
        }
        self.on_a_screen()
    }

    /// Keeps the file that a button or a link gives.
    pub fn downloads(&self, css: &str) -> Result<PathBuf> {
        let got = self.browser.downloads(PAGE, || self.presses(css));
        got.with_context(|| format!("what {css} gives"))
    }

    /// Chooses a file for a field.
    pub fn chooses(&self, css: &str, file: &Path) -> Result<()> {
        let path = file.canonicalize()?;
        self.browser.type_into(css, &path.display().to_string())
    }

    /// Restarts the appliance by its page, which comes back by itself.
    pub fn restarts(&self) -> Result<()> {
        self.opens("/power")?;
        self.presses("#restart-sure")?;
        self.presses("[action='/power/restart'] button")?;
        self.sees(".verdict.ok", "The appliance restarts").map(drop)
    }

    /// What a script gives, which may wait for what it asks of the server, as the page itself could.
    pub fn script(&self, script: &str) -> Result<Value> {
        let waiting = format!("return (async () => {{ {script} }})()");
        self.browser.script(&waiting)
    }

    /// The console of the developers' tools has got nothing but what is expected here.
    pub fn console_has_only(&self, expected: &[&str]) -> Result<()> {
        let lines = self.browser.console()?;
        let is_expected = |line: &&String| expected.iter().any(|words| line.contains(words));
        let other = lines.iter().find(|line| !is_expected(line));
        ensure!(other.is_none(), "the browser's console: {lines:#?}");
        Ok(())
    }
}
