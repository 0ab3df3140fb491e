//! The web interface's API against its own document, by Schemathesis: requests that the document allows,
//! and such as it does not, get the answers that it promises, and no error of the server.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use image_builder::cache::Key;
use image_builder::progress::Reporter;
use image_builder::session::{Options, Session};
use image_builder::tools::{self, Tools};

use crate::context::Context;
use crate::step::{Load, Step};
use crate::web_server::{Server, compile};
use crate::{downloads, process};

const LONG: Duration = Duration::from_secs(20 * 60);

/// The step.
pub fn step() -> Step {
    Step {
        name: "api",
        proves: "the API answers as its OpenAPI document says, whatever is asked (Schemathesis)",
        smoke: false,
        load: Load::Whole,
        needs: &[],
        run: Box::new(run),
    }
}

fn run(ctx: &Context) -> Result<()> {
    let program = compile(ctx)?;
    let server = Server::start(&program, ctx.folder())?;
    let mut command = Python::prepare(ctx)?.command();
    command
        .args(["-m", "schemathesis.cli", "--no-color", "run"])
        .arg(format!(
            "http://127.0.0.1:{}/api/v1/openapi.json",
            server.port
        ))
        .args(["--checks", "all"])
        // It keeps what it has found there.
        .current_dir(ctx.folder());
    let log = ctx.folder().join("output.log");
    process::run("asking the API", &mut command, &log, LONG)?;
    let output = std::fs::read_to_string(&log).context("reading what it said")?;
    let told = output.lines().map(str::trim);
    told.filter(|line| line.contains("generated,") || line.starts_with("Seed:"))
        .for_each(|line| ctx.note(line));
    Ok(())
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
