//! An update that nobody asks for: named in the settings, fetched over HTTPS from a server whose
//! first answer breaks in the middle, installed, restarted into.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, ensure};
use https_test_server::{Answer, Certificate, Request, Server, answer};

use super::scenario;
use super::update::{Appliance, NEXT, Package, RESTART};
use crate::builds::builder;
use crate::context::Context;
use crate::process;
use crate::step::Step;

const SETTINGS: &str = "/var/lib/vigie/settings/current.2.toml";

pub(super) fn step() -> Step {
    scenario(
        "update-pull",
        "an appliance fetches an update from the server in its settings, goes on where the connection broke, and installs it by itself",
        &["install"],
        run,
    )
}

fn run(ctx: &Context) -> Result<()> {
    let package = Package::build(ctx, NEXT, |_| Ok(()))?;
    let folder = ctx.folder().join("served");
    fs::create_dir_all(&folder)?;
    let name = package.path.file_name().context("no name")?;
    fs::copy(&package.path, folder.join(name))?;
    let mut index = Command::new(builder(ctx)?);
    index.current_dir(ctx.root()).arg("index").arg(&folder);
    process::output("making the index", &mut index)?;
    let served = folder.clone();
    let broken = AtomicBool::new(false);
    let server = Server::start(Certificate::Good, move |request| {
        serve(&served, request, &broken)
    });
    let appliance = Appliance::boot(ctx)?;
    appliance.up.blame(configure(ctx, &appliance, &server))?;
    // The slot stays the same, so `/health` alone could be that of before; GRUB is not.
    let before = appliance.up.vm.mark();
    let _ = appliance.says("systemctl reboot");
    let vm = &appliance.up.vm;
    vm.wait_line_after(before, "Vigie: slot a", RESTART)?;
    appliance.wait_for("a", ctx.image()?.version.as_str())?;
    appliance.says("systemctl start vigie-mark-good.service")?;
    // What comes after is done by itself; the unit may be ended by the restart that it leads to.
    let _ = appliance.says("systemctl start --no-block vigie-pull@timer.service");
    appliance.wait_for("b", NEXT)?;
    appliance.expect_history(&["installed", "good"])?;
    let history = appliance.says("vigie-update history --json")?;
    ensure!(history.contains("\"https\""), "history: {history}");
    let requests = server.requests();
    let resumed = requests.iter().find_map(|request| request.header("range"));
    let resumed = resumed.context("the download began anew after it had broken")?;
    ctx.note(format!(
        "{} requests, gone on with {resumed}",
        requests.len()
    ));
    appliance.up.vm.kill()
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

/// A plain web server, whose first answer with a package ends in its middle.
fn serve(folder: &Path, request: &Request, broken: &AtomicBool) -> Answer {
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
    if is_package && part.len() > total / 2 && !broken.swap(true, Ordering::SeqCst) {
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
