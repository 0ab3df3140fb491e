//! The web interface's API against its own document, by Schemathesis: requests that the document allows,
//! and such as it does not, get the answers that it promises, and no error of the server.
//!
//! It is asked as an administrator who is logged in, over TLS, with the appliance's own broker behind it
//! ([`test_broker`]), no faster than one address may. Whether it came past the door at all is counted
//! ([`crate::api_answers`]): an API that refuses everybody keeps each promise of its document.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use image_builder::cache::Key;
use image_builder::progress::Reporter;
use image_builder::session::{Options, Session};
use image_builder::tools::{self, Tools};
use serde_json::{Value, json};
use test_broker::{Broker, Role, Settings, user};

use crate::api_answers::Answers;
use crate::context::Context;
use crate::step::{Load, Step};
use crate::web_server::{Server, UPDATER, compile};
use crate::{downloads, process};

const LONG: Duration = Duration::from_secs(30 * 60);
/// Below what one address may ask without being told to wait (`rootfs/web/src/rates.rs`).
const RATE: &str = "9/s";
/// Requests that are thought up for each operation, beside those that its types suggest.
const THOUGHT_UP: &str = "25";
/// The document, below the API's path.
const DOCUMENT: &str = "openapi.json";
const PASSWORD: &str = "dix lamas verts";
/// What ends sessions, or the users that they are of, is asked after all else.
const GROUPS: [Group; 3] = [
    Group {
        name: "all",
        who: "anne",
        choice: &[
            "--exclude-operation-id",
            "log-out",
            "--exclude-operation-id",
            "user-change",
            "--exclude-operation-id",
            "user-remove",
        ],
    },
    Group {
        name: "users",
        who: "otto",
        choice: &[
            "--include-operation-id",
            "user-change",
            "--include-operation-id",
            "user-remove",
        ],
    },
    Group {
        name: "log-out",
        who: "ines",
        choice: &["--include-operation-id", "log-out"],
    },
];

/// Operations that are asked together.
struct Group {
    name: &'static str,
    /// The administrator who asks.
    who: &'static str,
    /// Schemathesis' words for them.
    choice: &'static [&'static str],
}

/// The step.
pub fn step() -> Step {
    Step {
        name: "api",
        proves: "the API answers as its OpenAPI document says, whatever an administrator asks (Schemathesis)",
        smoke: false,
        load: Load::Whole,
        needs: &[],
        run: Box::new(run),
    }
}

fn run(ctx: &Context) -> Result<()> {
    let programs = compile(ctx, &["vigie-web"])?;
    let python = Python::prepare(ctx)?;
    let system = ctx.folder().join("system");
    // From the first generation on: a tester restores earlier ones, and asks on.
    let settings = Settings {
        users: vec![user(GROUPS[0].who, Role::Administrator, PASSWORD)?],
        ..Settings::default()
    };
    let broker = Broker::start(&system, &settings)?;
    updater(&ctx.folder().join(UPDATER))?;
    let server = Server::start(&programs, ctx.folder(), &broker.for_web())?;
    let run = Run {
        ctx,
        python,
        server,
    };
    let mut answers = Answers::default();
    for (number, group) in GROUPS.iter().enumerate() {
        if number > 0 {
            broker.add_user(group.who, Role::Administrator, PASSWORD)?;
        }
        // Wrong passwords of the tester before are nothing to this one.
        broker.waits_are_over()?;
        run.ask(group, &mut answers)?;
    }
    ctx.note(answers.to_string());
    answers.judge(&run.document()?)
}

/// An updater that always says the same: what is asked here is the web interface.
fn updater(socket: &Path) -> Result<()> {
    let listener =
        UnixListener::bind(socket).with_context(|| format!("listening at {}", socket.display()))?;
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // Who has gone is told nothing.
            let _ = said(connection);
        }
    });
    Ok(())
}

fn said(mut connection: UnixStream) -> Result<()> {
    let mut line = String::new();
    BufReader::new(connection.try_clone()?).read_line(&mut line)?;
    let asked: Value = serde_json::from_str(&line)?;
    let event = match asked["verb"].as_str() {
        Some("status") => json!({
            "event": "status", "mode": "installed", "version": "1.0.0.0", "slot": "a", "slots": null, "next": "a",
        }),
        Some("list") => json!({
            "event": "found", "id": "ab12", "door": "usb", "name": "a.upd", "state": "ready", "size": 7,
        }),
        Some("history") => {
            json!({"event": "record", "time": 7, "outcome": "good", "from": "1.0.0.0"})
        }
        Some("apply") => json!({"event": "installed"}),
        _ => json!({"event": "rollback"}),
    };
    let end = json!({"event": "end", "ok": true});
    connection.write_all(format!("{event}\n{end}\n").as_bytes())?;
    Ok(())
}

/// What is run against what.
struct Run<'a> {
    ctx: &'a Context,
    python: Python,
    server: Server,
}

impl Run<'_> {
    fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}/api/v1/{path}", self.server.secure)
    }

    fn client(&self) -> Result<reqwest::blocking::Client> {
        let client = reqwest::blocking::Client::builder();
        let client = client.danger_accept_invalid_certs(true).no_proxy();
        client.build().context("preparing a client")
    }

    /// What the document describes, but for the document itself.
    fn document(&self) -> Result<Value> {
        let answer = self.client()?.get(self.url(DOCUMENT)).send();
        let text = answer.and_then(reqwest::blocking::Response::text);
        let text = text.context("fetching the OpenAPI document")?;
        let document = serde_json::from_str(&text);
        let mut document: Value = document.context("reading the OpenAPI document")?;
        // Whoever asks has read it, and asks for it no more.
        if let Some(paths) = document["paths"].as_object_mut() {
            paths.retain(|path, _| !path.ends_with(DOCUMENT));
        }
        Ok(document)
    }

    /// The token of a session that is begun for somebody.
    fn token(&self, who: &str) -> Result<String> {
        let given = json!({"user": who, "password": PASSWORD}).to_string();
        let answer = self.client()?.post(self.url("session")).body(given).send();
        let text = answer.and_then(reqwest::blocking::Response::text);
        let text = text.context("logging in at the API")?;
        let begun: Value = serde_json::from_str(&text).context("reading the session")?;
        let token = begun["token"].as_str().map(str::to_owned);
        token.with_context(|| format!("no token in {text}"))
    }

    /// Has the operations of a group asked, and counts the answers.
    fn ask(&self, group: &Group, answers: &mut Answers) -> Result<()> {
        let file = |ending| self.ctx.folder().join(format!("{}.{ending}", group.name));
        let (log, report) = (file("log"), file("har"));
        let mut command = self.schemathesis(&self.token(group.who)?);
        command
            .args(group.choice)
            .arg("--report-har-path")
            .arg(&report);
        let what = format!("asking the API ({})", group.name);
        process::run(&what, &mut command, &log, LONG)?;
        let said = std::fs::read_to_string(&log).context("reading what Schemathesis said")?;
        let told = said.lines().map(str::trim);
        told.filter(|line| line.contains("generated,") || line.starts_with("Seed:"))
            .for_each(|line| self.ctx.note(line));
        let report = std::fs::read_to_string(&report).context("reading what was answered")?;
        answers.add(&report)
    }

    /// Schemathesis, which asks with a token what it is told to.
    fn schemathesis(&self, token: &str) -> Command {
        let mut command = self.python.command();
        command
            .args(["-m", "schemathesis.cli", "--no-color", "--config-file"])
            .arg(self.ctx.root().join("ci/schemathesis.toml"))
            .arg("run")
            .arg(self.url(DOCUMENT))
            .args(["--tls-verify", "false", "--checks", "all"])
            .args(["--rate-limit", RATE, "--max-examples", THOUGHT_UP])
            .arg("--header")
            .arg(format!("Authorization: Bearer {token}"))
            // It keeps what it has found there.
            .current_dir(self.ctx.folder());
        if let Ok(seed) = std::env::var("VIGIE_FUZZ_SEED") {
            command.args(["--seed", &seed]);
        }
        command
    }
}

/// The locked Python with what is listed in `ci/downloads.toml`.
struct Python {
    tools: Tools,
    site: PathBuf,
}

impl Python {
    fn prepare(ctx: &Context) -> Result<Python> {
        let session = Session::new(Options::default(), Reporter::quiet())?;
        let _guard = session.workspace.lock()?;
        let tools = Tools::prepare(&session.packages(&session.lock()?), "python")
            .context("preparing the locked Python")?;
        let wheels = downloads::fetch(ctx.root(), "schemathesis")?;
        let mut key = Key::new("site", 1);
        for (name, file) in &wheels {
            key = key.with_file(name, file)?;
        }
        let site = session.cache.step("site-schemathesis", &key, |folder| {
            for (name, file) in &wheels {
                let mut unpack = python(&tools);
                // A wheel is a ZIP archive (PEP 427).
                unpack.args(["-m", "zipfile", "-e"]).arg(file).arg(folder);
                tools::run(&format!("unpacking {name}"), &mut unpack)?;
            }
            Ok(())
        })?;
        Ok(Python { tools, site })
    }

    fn command(&self) -> Command {
        let mut command = python(&self.tools);
        command.env("PYTHONPATH", &self.site);
        command
    }
}

/// Python knows its library by where it is said to live, not by the loader that runs it.
fn python(tools: &Tools) -> Command {
    let mut command = tools.command("python3.13");
    command
        .args(["-s", "-B"])
        .env("PYTHONHOME", tools.root().join("usr"))
        .env("LC_ALL", "C.UTF-8");
    command
}
