//! Somebody at a browser, in front of the real web server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use test_broker::{Broker, Role, Settings};
use test_browser::{Browser, Person};

use super::line::Line;
use crate::support::{Beside, PASSWORD, Web};

/// Something that the page shows after at most a few requests, on a slow host.
pub const SOON: Duration = Duration::from_secs(60);

/// Wants English.
pub const ENGLISH: Person<'_> = Person {
    languages: "en",
    scripts: true,
};
/// Wants French.
pub const FRENCH: Person<'_> = Person {
    languages: "fr-FR,fr",
    scripts: true,
};

/// What pages are looked at with: its kind, width and height.
type Window = (&'static str, u32, u32);

const WIDE: Window = ("wide", 1280, 800);
/// The smallest telephone that is still about.
const NARROW: Window = ("narrow", 360, 800);

/// Somebody at a browser.
pub struct Desk {
    pub web: Web,
    pub line: Line,
    pub browser: Browser,
    pictures: Option<PathBuf>,
    /// The program that finds barriers in pages.
    axe: Option<String>,
    name: &'static str,
}

impl Desk {
    /// With a broker in memory, and a fresh browser.
    pub fn new(name: &'static str, person: Person<'_>) -> Self {
        Self::at(Web::start(), name, person)
    }

    /// At this web server.
    pub fn at(web: Web, name: &'static str, person: Person<'_>) -> Self {
        let set = std::env::var_os("VIGIE_BROWSER_DIR").expect("cargo ci browser sets it");
        let pictures = std::env::var_os("VIGIE_PICTURES").map(PathBuf::from);
        let log = match &pictures {
            Some(folder) => folder.join(format!("{name}.log")),
            None => web.dir.path().join("browser.log"),
        };
        let browser = Browser::start(Path::new(&set), person, &log).unwrap();
        // Where no script runs, axe cannot either; the pages are those that it sees elsewhere.
        let axe = std::env::var_os("VIGIE_AXE").filter(|_| person.scripts);
        let axe = axe.map(|path| std::fs::read_to_string(path).unwrap());
        let line = Line::to(web.secure);
        let desk = Self {
            web,
            line,
            browser,
            pictures,
            axe,
            name,
        };
        desk.sits_before(WIDE);
        desk
    }

    fn sits_before(&self, (_, width, height): Window) {
        self.browser.resize(width, height).unwrap();
    }

    pub fn open(&self, path: &str) {
        let url = format!("https://{}{path}", self.line.address);
        self.browser.open(&url).unwrap();
    }

    pub fn sees(&self, css: &str, words: &str) -> String {
        self.browser.wait_for(css, words, SOON).unwrap()
    }

    pub fn click(&self, css: &str) {
        self.browser.click(css).unwrap();
    }

    /// Types into a field that is empty.
    pub fn types(&self, css: &str, text: &str) {
        self.browser.type_into(css, text).unwrap();
    }

    /// Types into a field, in place of what is there.
    pub fn types_over(&self, css: &str, text: &str) {
        self.browser.clear(css).unwrap();
        self.types(css, text);
    }

    /// Sends the form that something is in.
    pub fn submits(&self, css: &str) {
        self.click(&format!("form:has({css}) button"));
    }

    /// The path of the page that is shown.
    pub fn path(&self) -> String {
        let path = self.browser.script("return location.pathname").unwrap();
        path.as_str().unwrap().to_owned()
    }

    /// Pictures of the page as a screen and as a telephone shows it, which nothing on it exceeds, and on
    /// which nothing keeps anybody out, in light and in dark colours.
    pub fn picture(&self, what: &str) {
        for window in [WIDE, NARROW] {
            self.sits_before(window);
            self.keeps_nobody_out(&format!("{what}, {}", window.0));
            self.keeps_picture(what, window.0);
            let wide = "return document.documentElement.scrollWidth";
            let wide = self.browser.script(wide).unwrap();
            let fits = wide.as_u64().unwrap() <= u64::from(window.1);
            assert!(fits, "{what}, {}: {wide} pixels", window.0);
        }
        self.browser.wants_dark(true).unwrap();
        self.keeps_nobody_out(&format!("{what}, dark"));
        self.keeps_picture(what, "dark");
        self.browser.wants_dark(false).unwrap();
        self.sits_before(WIDE);
    }

    fn keeps_nobody_out(&self, what: &str) {
        if let Some(axe) = &self.axe {
            let barriers = self.browser.barriers(axe).unwrap();
            assert!(barriers.is_empty(), "{what}: {barriers:#?}");
        }
    }

    fn keeps_picture(&self, what: &str, kind: &str) {
        if let Some(folder) = &self.pictures {
            let file = format!("{}-{what}-{kind}.png", self.name);
            self.browser.picture(&folder.join(file)).unwrap();
        }
    }

    /// Logs in, at the form that is shown.
    pub fn fills_in(&self, user: &str, password: &str) {
        self.types_over("#user", user);
        self.types_over("#password", password);
        self.click("main button");
    }

    /// Logs in as somebody, and sees a page.
    pub fn logs_in_as(&self, user: &str, path: &str) {
        self.open(&format!("/login?next={path}"));
        self.fills_in(user, PASSWORD);
        self.sees(".corner", user);
    }

    pub fn log_in(&self) {
        self.logs_in_as("anne", "/update");
        self.sees("main", "1.0.0.0");
    }

    pub fn logs_out(&self) {
        self.click("[action='/logout'] button");
        self.sees("h2", "Log in");
    }

    /// Sends a file from the person's own disk, by the page.
    pub fn sends(&self, name: &str, bytes: &[u8]) {
        self.chooses(name, bytes);
        self.click("#upload button");
    }

    /// Sends it where no script runs.
    pub fn sends_plainly(&self, name: &str, bytes: &[u8]) {
        self.types("#plain-file", &self.laid(name, bytes));
        self.submits("#plain-file");
    }

    /// A file on the person's own disk; where it is.
    fn laid(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.web.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.into_os_string().into_string().unwrap()
    }

    /// Chooses such a file, and no more.
    pub fn chooses(&self, name: &str, bytes: &[u8]) {
        self.types("#file", &self.laid(name, bytes));
    }

    /// The console has got nothing but what is expected here.
    pub fn console_is_silent(&self, expected: &[&str]) {
        let lines = self.browser.console().unwrap();
        // Hints for whoever writes pages are no faults.
        let is_hint = |line: &String| line.starts_with("DEBUG ");
        let is_expected =
            |line: &String| is_hint(line) || expected.iter().any(|words| line.contains(words));
        let others: Vec<_> = lines.iter().filter(|line| !is_expected(line)).collect();
        assert!(others.is_empty(), "{others:#?}");
    }
}

/// A desk before the appliance's own broker.
pub struct House {
    pub desk: Desk,
    pub broker: Broker,
}

/// What the appliance is when somebody first looks at it: an address, and nobody who administrates it.
const SETTINGS: &str = "version = 3\n[system]\nhostname = \"vigie-hall\"\n\
    [network.enterprise]\naddress = \"192.0.2.1/24\"\ngateway = \"192.0.2.254\"\n";

/// What the web interface reads of the system: a version, a slot, which machine it is, and licences.
fn lay_out(root: &Path) {
    for (path, text) in [
        ("usr/lib/os-release", "VERSION_ID=1.2.3.0\n"),
        (
            "run/vigie/boot.json",
            r#"{"mode":"installed","slot":"a","state_device":"/dev/vda7"}"#,
        ),
        (
            "run/vigie/machine.json",
            r#"{"vendor":"Example","product":"NVR 4","serial":"SN-0042","signature":"5f2c-09aa-71e3"}"#,
        ),
        (
            "proc/self/mountinfo",
            "30 29 254:7 / /var rw - ext4 /dev/vda7 rw\n",
        ),
        (
            "usr/share/doc/vigie/LICENSE-MIT",
            include_str!("../../../../../LICENSE-MIT"),
        ),
        ("usr/share/doc/vigie/crates/askama/LICENSE-MIT", "MIT\n"),
        ("usr/share/doc/bash/copyright", "GPL-3+\n"),
    ] {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

impl House {
    /// Nobody administrates it yet.
    pub fn new(name: &'static str, person: Person<'_>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::from_text(SETTINGS).unwrap();
        let broker = Broker::start(&dir.path().join("system"), &settings).unwrap();
        lay_out(&dir.path().join("system"));
        let beside = Beside {
            for_web: broker.for_web(),
            for_updater: broker.for_root(),
            root: dir.path().join("system"),
        };
        let web = Web::beside(dir, &beside);
        let desk = Desk::at(web, name, person);
        Self { desk, broker }
    }

    /// With anne, olga and vera, an administrator, an operator and a viewer.
    pub fn with_users(name: &'static str, person: Person<'_>) -> Self {
        let house = Self::new(name, person);
        house.add_users();
        house
    }

    /// Another version runs from now on.
    pub fn runs(&self, version: &str) {
        let release = self.desk.web.dir.path().join("system/usr/lib/os-release");
        std::fs::write(release, format!("VERSION_ID={version}\n")).unwrap();
    }

    pub fn add_users(&self) {
        for (name, role) in [
            ("anne", Role::Administrator),
            ("olga", Role::Operator),
            ("vera", Role::Viewer),
        ] {
            self.broker.add_user(name, role, PASSWORD).unwrap();
        }
    }
}
