//! An update that a fleet server orders (hawkBit's device API): asked for by the timer, installed with
//! the server's leave, restarted into, and reported as done. Before that it orders what is not to be
//! taken, and is told so.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use https_test_server::{Answer, Certificate, Request, Server, answer};
use serde_json::{Value, json};

use super::bad_packages::{self, Bad, Kind};
use super::scenario;
use super::update::{Appliance, NEXT, Package, RESTART};
use super::update_pull::{SETTINGS, serve};
use crate::context::Context;
use crate::step::Step;

/// What the server calls this machine.
const ROOT: &str = "/DEFAULT/controller/v1/nvr-ci";
const TOKEN: &str = "3bc13b476cb3962a0c63a5c92beacfh7";
/// The pull's timer comes a quarter of an hour after the start, and installing takes its time.
const BY_ITSELF: Duration = Duration::from_secs(30 * 60);
const TIMERS: &str = "vigie-pull.timer vigie-auto-update.timer";

pub(super) fn step() -> Step {
    scenario(
        "update-fleet",
        "a fleet server hears why wrong packages are not taken; a good one is fetched, installed and started by itself, and reported as done",
        &["install"],
        run,
    )
}

fn run(ctx: &Context) -> Result<()> {
    let package = Package::build(ctx, NEXT, |_| Ok(()))?;
    let bad = bad_packages::make(ctx, &package.path)?;
    let (server, fleet) = Fleet::start(ctx)?;
    let appliance = Appliance::boot(ctx)?;
    let vm = &appliance.up.vm;
    appliance.up.blame(configure(ctx, &appliance, &server))?;
    // The slot stays the same, so `/health` alone could be that of before; GRUB is not.
    let before = vm.mark();
    let _ = appliance.says("systemctl reboot");
    vm.wait_line_after(before, "Vigie: slot a", RESTART)?;
    appliance.wait_for("a", ctx.image()?.version.as_str())?;
    appliance.says("systemctl start vigie-mark-good.service")?;
    appliance.says(&format!("systemctl stop {TIMERS}"))?;
    appliance.up.blame(refusals(&appliance, &fleet, &bad))?;
    let ordered = vm.mark();
    fleet.order("good", &package.path, fs::metadata(&package.path)?.len())?;
    appliance.says(&format!("systemctl start {TIMERS}"))?;
    // What comes after is done by itself.
    vm.wait_line_after(ordered, "Vigie: slot b", BY_ITSELF)?;
    appliance.wait_for("b", NEXT)?;
    appliance.expect_history(&["installed", "good"])?;
    appliance.up.blame(reported(&appliance, &fleet))?;
    vm.kill()
}

/// Each wrong package is an action of its own.
fn refusals(appliance: &Appliance<'_>, fleet: &Fleet, bad: &[Bad]) -> Result<()> {
    let before = appliance.says("vigie-update status")?;
    for bad in bad {
        fleet.order(&bad.name(), &bad.path, bad.length)?;
        refused(appliance, fleet, bad).with_context(|| bad.name())?;
    }
    let list = appliance.says("vigie-update list --json")?;
    ensure!(list.is_empty(), "refused, and still there: {list}");
    let after = appliance.says("vigie-update status")?;
    ensure!(before == after, "refusals changed\n{before}\ninto\n{after}");
    Ok(())
}

/// What a person is answered, and what the server is told last: execution, result, words. What may be
/// the way's fault stays open, as the next try may succeed.
fn expected(kind: Kind) -> (&'static str, [&'static str; 3]) {
    let failure = |words| ["closed", "failure", words];
    let open = |words| ["proceeding", "none", words];
    match kind {
        Kind::Tampered => ("failed", open("is damaged at byte")),
        Kind::Truncated => ("failed", open("bytes long, as it should be")),
        Kind::Older => ("up-to-date", failure("already reached")),
        Kind::Foreign => ("refused", failure("it is for other on")),
        Kind::UnknownKey => ("refused", failure("is not known here")),
        Kind::NoPackage => ("refused", failure("this is no update package")),
    }
}

fn refused(appliance: &Appliance<'_>, fleet: &Fleet, bad: &Bad) -> Result<()> {
    // Nobody asks so often, but systemd counts.
    appliance.says("systemctl reset-failed")?;
    let (_, said) = appliance.exits("vigie-update check --fetch --json")?;
    let report: Value = serde_json::from_str(&said).with_context(|| format!("check: {said}"))?;
    let (answer, [execution, result, words]) = expected(bad.row.kind);
    ensure!(report["answer"] == answer, "expected {answer}: {report}");
    let told: Vec<Feedback> = fleet.told.try_iter().collect();
    let last = told.last().context("the server was told nothing")?;
    let as_expected = last.action == bad.name()
        && last.execution == execution
        && last.result == result
        && last.detail.contains(words);
    ensure!(
        as_expected,
        "expected {execution} {result} ({words}): {told:?}"
    );
    Ok(())
}

/// The action of the good package is closed with success, once it was found good.
fn reported(appliance: &Appliance<'_>, fleet: &Fleet) -> Result<()> {
    let history = appliance.says("vigie-update history --json")?;
    let by_fleet = history.lines().any(|line| {
        let record: Value = serde_json::from_str(line).unwrap_or_default();
        record["door"] == "fleet"
            && record["who"] == "automatic"
            && record["outcome"] == "installed"
    });
    ensure!(by_fleet, "the history is {history}");
    // As the timer does it some time after the start.
    appliance.says("systemctl start vigie-pull@timer.service")?;
    let told: Vec<Feedback> = fleet.told.try_iter().collect();
    let strange = told.iter().find(|told| told.action != "good");
    ensure!(strange.is_none(), "told of another action: {told:?}");
    let closed: Vec<&Feedback> = told
        .iter()
        .filter(|told| told.execution == "closed")
        .collect();
    ensure!(
        matches!(closed[..], [one] if one.result == "success"),
        "not closed with success, once: {told:?}"
    );
    for execution in ["download", "downloaded"] {
        let was_told = told.iter().any(|told| told.execution == execution);
        ensure!(was_told, "not told of {execution}: {told:?}");
    }
    Ok(())
}

/// The server in the settings, for the next start.
fn configure(ctx: &Context, appliance: &Appliance<'_>, server: &Server) -> Result<()> {
    let text = format!(
        "\n[update]\nautomatic = \"install\"\nca = \"\"\"\n{}\"\"\"\n\n[update.hawkbit]\n\
         url = \"https://10.0.2.2:{}/\"\ntenant = \"DEFAULT\"\ncontroller = \"nvr-ci\"\n\
         token = \"{TOKEN}\"\n",
        server.authority(),
        server.port()
    );
    let path = ctx.folder().join("fleet.toml");
    fs::write(&path, text)?;
    let add = format!("cat >> {SETTINGS} && vigie-settings validate {SETTINGS} && sync");
    appliance.pipe(&path, &add).map(drop)
}

/// What the server was told of an action.
#[derive(Debug)]
struct Feedback {
    action: String,
    execution: String,
    result: String,
    detail: String,
}

impl Feedback {
    fn of(body: &[u8]) -> Option<Feedback> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let status = &body["status"];
        Some(Feedback {
            action: text(&body["id"])?,
            execution: text(&status["execution"])?,
            result: text(&status["result"]["finished"])?,
            detail: text(&status["details"][0]).unwrap_or_default(),
        })
    }
}

/// What is ordered: the action's id, the file's name, and its length in bytes.
#[derive(Clone)]
struct Action {
    id: String,
    name: String,
    size: u64,
}

/// The server's side.
struct Fleet {
    folder: PathBuf,
    action: Arc<Mutex<Option<Action>>>,
    told: Receiver<Feedback>,
}

impl Fleet {
    /// It has nothing to do yet.
    fn start(ctx: &Context) -> Result<(Server, Fleet)> {
        let folder = ctx.folder().join("files");
        fs::create_dir_all(&folder)?;
        let action = Arc::<Mutex<Option<Action>>>::default();
        let (sender, told) = mpsc::channel();
        let (files, ordered) = (folder.clone(), action.clone());
        let server = Server::start(Certificate::Good, move |request| {
            let action = ordered.lock().unwrap_or_else(PoisonError::into_inner);
            reply(request, &files, action.clone(), &sender)
        });
        let fleet = Fleet {
            folder,
            action,
            told,
        };
        Ok((server, fleet))
    }

    /// Orders a package to be installed at once, in the place of what was ordered before.
    fn order(&self, id: &str, package: &Path, size: u64) -> Result<()> {
        let name = package.file_name().context("no name")?;
        fs::copy(package, self.folder.join(name))?;
        let mut action = self.action.lock().unwrap_or_else(PoisonError::into_inner);
        *action = Some(Action {
            id: id.to_owned(),
            name: name.to_string_lossy().into_owned(),
            size,
        });
        Ok(())
    }
}

/// As the API has it (`update/pull/tests/hawkbit`).
fn reply(
    request: &Request,
    files: &Path,
    action: Option<Action>,
    told: &Sender<Feedback>,
) -> Answer {
    if request.header("authorization") != Some(&format!("TargetToken {TOKEN}")) {
        return answer(401, "");
    }
    let host = request.header("host").unwrap_or_default();
    let own = |path: &str| format!("https://{host}{path}");
    let path = request.path().split('?').next().unwrap_or_default();
    let Some(resource) = path.strip_prefix(ROOT) else {
        return serve(files, request, &mut false);
    };
    if resource.ends_with("/feedback") {
        // Nobody looks any more when the scenario has ended.
        let _ = Feedback::of(&request.body).map(|feedback| told.send(feedback));
        return answer(200, "");
    }
    let deployment = |action: &Action| format!("/deploymentBase/{}", action.id);
    match (resource, action) {
        ("", action) => {
            let href = |action| own(&format!("{ROOT}{}?c=1", deployment(&action)));
            let link = action.map(|action| json!({"deploymentBase": {"href": href(action)}}));
            let polling = json!({"polling": {"sleep": "00:00:30"}});
            let links = link.unwrap_or_else(|| json!({}));
            answer(
                200,
                &json!({"config": polling, "_links": links}).to_string(),
            )
        }
        (resource, Some(action)) if resource == deployment(&action) => {
            let file = json!({
                "filename": action.name,
                "size": action.size,
                "_links": {"download": {"href": own(&format!("/{}", action.name))}},
            });
            let chunk = json!({"part": "os", "version": "1", "name": "vigie", "artifacts": [file]});
            let order = json!({"download": "forced", "update": "forced", "chunks": [chunk]});
            answer(
                200,
                &json!({"id": action.id, "deployment": order}).to_string(),
            )
        }
        _ => answer(404, ""),
    }
}
