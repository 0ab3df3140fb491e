//! An update that nobody asks for: named in the settings, fetched over HTTPS from a server whose
//! first answer breaks in the middle, installed, restarted into. Before that the server has what is
//! not to be taken.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};
use https_test_server::{Answer, Certificate, Request, Server, answer};

use serde_json::Value;

use super::bad_packages::{self, Bad};
use super::scenario;
use super::update::{Appliance, NEXT, Package, RESTART};
use crate::builds::builder;
use crate::context::Context;
use crate::process;
use crate::step::Step;

/// Serials of an index made by hand are seconds since 1970; these are older, and rise.
const FIRST_SERIAL: u64 = 100;
/// The settings of the running appliance.
pub(super) const SETTINGS: &str = "/var/lib/vigie/settings/current.3.toml";

pub(super) fn step() -> Step {
    scenario(
        "update-pull",
        "an appliance fetches an update from the server in its settings, goes on where the connection broke, and installs it by itself; wrong packages and indexes are refused",
        &["install"],
        run,
    )
}

fn run(ctx: &Context) -> Result<()> {
    let package = Package::build(ctx, NEXT, |_| Ok(()))?;
    let bad = bad_packages::make(ctx, &package.path)?;
    let good = published(ctx, &package.path)?;
    let served = Served::default();
    let answering = served.clone();
    let server = Server::start(Certificate::Good, move |request| answering.answer(request));
    let appliance = Appliance::boot(ctx)?;
    appliance.up.blame(configure(ctx, &appliance, &server))?;
    // The slot stays the same, so `/health` alone could be that of before; GRUB is not.
    let before = appliance.up.vm.mark();
    let _ = appliance.says("systemctl reboot");
    let vm = &appliance.up.vm;
    vm.wait_line_after(before, "Vigie: slot a", RESTART)?;
    appliance.wait_for("a", ctx.image()?.version.as_str())?;
    appliance.says("systemctl start vigie-mark-good.service")?;
    appliance.up.blame(refusals(&appliance, &served, &bad))?;
    served.offer(&good, true);
    let asked = server.requests().len();
    // What comes after is done by itself; the unit may be ended by the restart that it leads to.
    let _ = appliance.says("systemctl start --no-block vigie-pull@timer.service");
    appliance.wait_for("b", NEXT)?;
    appliance.expect_history(&["installed", "good"])?;
    let history = appliance.says("vigie-update history --json")?;
    ensure!(history.contains("\"https\""), "history: {history}");
    let requests = server.requests().split_off(asked);
    let resumed = requests.iter().find_map(|request| request.header("range"));
    let resumed = resumed.context("the download began anew after it had broken")?;
    ctx.note(format!(
        "{} requests, gone on with {resumed}",
        requests.len()
    ));
    appliance.up.vm.kill()
}

/// A folder as whoever keeps the server makes it: the package, and the index of it.
fn published(ctx: &Context, package: &Path) -> Result<PathBuf> {
    let folder = ctx.folder().join("served");
    fs::create_dir_all(&folder)?;
    let name = package.file_name().context("no name")?;
    fs::copy(package, folder.join(name))?;
    let mut index = Command::new(builder(ctx)?);
    index.current_dir(ctx.root()).arg("index").arg(&folder);
    process::output("making the index", &mut index)?;
    Ok(folder)
}

/// The server has one wrong package after the other, and then indexes that are not to be believed.
fn refusals(appliance: &Appliance<'_>, served: &Served, bad: &[Bad]) -> Result<()> {
    let (ctx, key) = (
        appliance.ctx,
        appliance.ctx.root().join("keys/development.pem"),
    );
    let folder = ctx.folder().join("wrong");
    fs::create_dir_all(&folder)?;
    served.offer(&folder, false);
    let before = appliance.says("vigie-update status")?;
    for (serial, bad) in (FIRST_SERIAL..).zip(bad) {
        fs::copy(&bad.path, folder.join(bad.name()))?;
        fs::write(folder.join("index"), bad.index(serial, &key)?)?;
        expect(appliance, bad.row.pull).with_context(|| bad.name())?;
    }
    let any = bad.first().context("no wrong packages")?;
    for (what, serial, key, reason) in [
        (
            "of an unknown key",
            u64::MAX,
            &bad_packages::stranger(ctx)?,
            "is not known here",
        ),
        ("an older index", FIRST_SERIAL - 1, &key, "is an old one"),
    ] {
        fs::write(folder.join("index"), any.index(serial, key)?)?;
        expect(appliance, ("failed", reason)).context(what)?;
    }
    let list = appliance.says("vigie-update list --json")?;
    ensure!(list.is_empty(), "refused, and still there: {list}");
    let after = appliance.says("vigie-update status")?;
    ensure!(before == after, "refusals changed\n{before}\ninto\n{after}");
    Ok(())
}

/// What comes of asking the server, and fetching what it has.
fn expect(appliance: &Appliance<'_>, (answer, words): (&str, &str)) -> Result<()> {
    // Nobody asks so often, but systemd counts.
    appliance.says("systemctl reset-failed")?;
    let (_, said) = appliance.exits("vigie-update check --fetch --json")?;
    let report: Value = serde_json::from_str(&said).with_context(|| format!("check: {said}"))?;
    let reason = report["reason"].as_str().unwrap_or_default();
    ensure!(
        report["answer"] == answer && reason.contains(words),
        "expected {answer} ({words}): {report}"
    );
    Ok(())
}

/// The server in the settings, for the next start.
fn configure(ctx: &Context, appliance: &Appliance<'_>, server: &Server) -> Result<()> {
    let text = format!(
        "\n[update]\nsource = \"https://10.0.2.2:{}/\"\nautomatic = \"install\"\nca = \"\"\"\n{}\"\"\"\n",
        server.port(),
        server.authority()
    );
    let path = ctx.folder().join("update.toml");
    fs::write(&path, text)?;
    let add = format!("cat >> {SETTINGS} && vigie-settings validate {SETTINGS} && sync");
    appliance.pipe(&path, &add).map(drop)
}

/// What a plain web server has: a folder. The first answer with a package may end in its middle.
#[derive(Clone, Default)]
struct Served(Arc<Mutex<(PathBuf, bool)>>);

impl Served {
    fn offer(&self, folder: &Path, breaks: bool) {
        let mut served = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *served = (folder.to_owned(), breaks);
    }

    fn answer(&self, request: &Request) -> Answer {
        let mut served = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (folder, breaks) = &mut *served;
        serve(folder, request, breaks)
    }
}

/// Answers with a file of a folder, or a part of it; `breaks` is for the first package alone.
pub(super) fn serve(folder: &Path, request: &Request, breaks: &mut bool) -> Answer {
    let Ok(bytes) = fs::read(folder.join(request.path().trim_start_matches('/'))) else {
        return answer(404, "there is no such file\n");
    };
    let total = bytes.len();
    let range = request.header("range").and_then(|range| {
        let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
        Some((from.parse::<usize>().ok()?, to.parse::<usize>().ok()))
    });
    let tag = "\"1\"";
    let is_package = request.path().ends_with(".tgz");
    let (status, from, to) = match range {
        Some((from, to)) => (206, from, to.map_or(total, |to| (to + 1).min(total))),
        None => (200, 0, total),
    };
    let mut part = bytes[from..to].to_vec();
    let length = part.len() as u64;
    if is_package && part.len() > total / 2 && std::mem::take(breaks) {
        part.truncate(total / 2);
    }
    let mut answer = answer(status, "")
        .with("etag", tag)
        .with_body(part)
        .claiming(length);
    if status == 206 {
        answer = answer.with("content-range", &format!("bytes {from}-{}/{total}", to - 1));
    }
    answer
}
