//! A state volume that is full to its last block, and settings with a flipped byte: the appliance starts all
//! the same, lets its administrator in, and says what is wrong; with room again, all is well again.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::blocking::Client;
use serde_json::{Value, json};

use super::boot::{self, Expect};
use super::{BOOT, HTTPS, READY_INSTALLED, SSH, WEB, disk, disk_scenario, ssh};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::{Response, Vm};

/// A ready console to an answer that says all that is wrong.
const TOLD: Duration = Duration::from_secs(180);
const ANNE: (&str, &str) = ("anne", "dix lamas verts");
/// The generation that is good is not the only one: an administrator, then a name.
const PREPARE: &str = r#"echo '{"ask":{"verb":"user-add","name":"anne","role":"administrator","password":"dix lamas verts"}}' | vigie-broker ask &&
    vigie-settings set registration.site North"#;
/// Everything that is free, what is kept for root too. A file of one extent takes nearly all of it at once.
const FILL: &str = "sync; free=$(($(stat -f -c '%f * %S' /var) - 1048576)); \
    fallocate -l $free /var/filler; cat /dev/zero > /var/filler-rest; sync; \
    cat /dev/zero > /var/filler-last; sync; \
    if head -c 4096 /dev/zero > /var/probe && sync /var/probe; then echo there is room; fi; \
    rm -f /var/probe; stat -f -c 'free: %f' /var";
/// In its place: that takes no new block. The byte is in no text.
const FLIP: &str = "printf '\\377' | dd of=/var/lib/vigie/settings/current.3.toml bs=1 seek=200 conv=notrunc && sync";
const EMPTY: &str = "rm /var/filler /var/filler-rest /var/filler-last && sync";

pub(super) fn step() -> Step {
    Step {
        needs: &["install"],
        ..disk_scenario(
            "state-full",
            "with a full state volume and damaged settings an appliance starts, lets its administrator in, and says what is wrong",
            run,
        )
    }
}

fn run(ctx: &Context) -> Result<()> {
    let path = disk::copy(ctx, "disk.raw")?;
    let disk = [Disk::new(&path, Bus::Virtio)];
    let key = ssh::Key::of_install(ctx);
    let up = boot::boot(ctx, "before", Firmware::Bios, &disk, Expect::Ok)?;
    up.blame(spoil(ctx, &up.vm, &key))?;
    up.power_off()?;

    let vm = start(ctx, &disk)?;
    mend(ctx, &vm, &key).map_err(|error| vm.failure(format!("{error:#}")))?;
    vm.press_power()?;
    vm.wait_poweroff(BOOT)?;

    let up = boot::boot(ctx, "after", Firmware::Bios, &disk, Expect::Ok)?;
    let site = key.says(
        ctx,
        &up.vm,
        "vigie-settings get registration.site; ls /var/lib/vigie/audit",
    );
    up.blame(site.and_then(|said| {
        ensure!(said.contains("actions.jsonl"), "the audit trail: {said}");
        Ok(())
    }))?;
    up.vm.kill()
}

/// Fills the volume and flips a byte of the settings.
fn spoil(ctx: &Context, vm: &Vm, key: &ssh::Key) -> Result<()> {
    key.says(ctx, vm, PREPARE)?;
    let said = key.says(ctx, vm, FILL)?;
    ensure!(!said.contains("there is room"), "the state volume: {said}");
    ctx.note(said.trim().replace('\n', ", "));
    key.says(ctx, vm, FLIP).map(drop)
}

/// Starts it until it says that its settings are damaged and its state volume is full.
fn start(ctx: &Context, disk: &[Disk]) -> Result<Vm> {
    let mut machine = ctx.machine(Firmware::Bios)?;
    machine.disks = disk.to_vec();
    let machine = machine.forward(WEB).forward(HTTPS).forward(SSH);
    let vm = ctx.start("full", &machine)?;
    vm.wait_line(READY_INSTALLED, BOOT)?;
    let told = |response: &Response| {
        let health: Value = response.json().unwrap_or_default();
        let problems = health["problems"].to_string();
        health["status"] == "degraded"
            && problems.contains("the settings")
            && problems.contains("the state volume is nearly full")
    };
    let health = vm.wait_http(WEB, "/health", TOLD, told)?.json()?;
    vm.screenshot("full")?;
    ctx.note(format!("failed units: {}", health["failed_units"]));
    // It has not gone back to another version for that.
    ensure!(health["slot"] == "a", "/health: {health:#}");
    Ok(vm)
}

/// The administrator logs in, cannot save, makes room, and takes the last good settings again.
fn mend(ctx: &Context, vm: &Vm, key: &ssh::Key) -> Result<()> {
    let api = Api::log_in(vm)?;
    let (status, settings) = api.get("settings")?;
    ensure!(status == 200, "the settings: {status} {settings}");
    let (status, history) = api.get("settings/history")?;
    let number = good_generation(&history);
    let number = number.with_context(|| format!("{status}: no good generation: {history}"))?;
    let restore = json!({"generation": number});
    let (status, refused) = api.post("settings/restore", &restore)?;
    ensure!(
        status == 503
            && refused["reason"]
                .as_str()
                .is_some_and(|why| why.contains("space")),
        "saved on a full volume: {status} {refused}"
    );
    key.says(ctx, vm, EMPTY)?;
    let (status, saved) = api.post("settings/restore", &restore)?;
    ensure!(status == 200, "with room again: {status} {saved}");
    Ok(())
}

/// The newest one that is not the damaged one in use.
fn good_generation(history: &Value) -> Option<u64> {
    let mut all = history.as_array()?.iter();
    let good = all.find(|one| one["event"] == "generation" && one["in_use"] == false)?;
    good["number"].as_u64()
}

/// The interface for programs, in the name of the administrator.
struct Api {
    client: Client,
    url: String,
    token: String,
}

impl Api {
    fn log_in(vm: &Vm) -> Result<Self> {
        let client = Client::builder()
            .danger_accept_invalid_certs(true)
            .timeout(Duration::from_secs(60))
            .no_proxy();
        let mut api = Self {
            client: client.build().context("preparing a client")?,
            url: format!("https://127.0.0.1:{}/api/v1", vm.host_port(HTTPS)?),
            token: String::new(),
        };
        let (user, password) = ANNE;
        let given = json!({"user": user, "password": password});
        let (status, begun) = api.post("session", &given)?;
        let token = begun["token"].as_str();
        let token = token.with_context(|| format!("the log-in: {status} {begun}"))?;
        token.clone_into(&mut api.token);
        Ok(api)
    }

    fn get(&self, path: &str) -> Result<(u16, Value)> {
        self.sent(self.client.get(format!("{}/{path}", self.url)))
    }

    fn post(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        let request = self.client.post(format!("{}/{path}", self.url));
        self.sent(request.body(body.to_string()))
    }

    fn sent(&self, request: reqwest::blocking::RequestBuilder) -> Result<(u16, Value)> {
        let answer = request.bearer_auth(&self.token).send();
        let answer = answer.context("asking the interface for programs")?;
        let status = answer.status().as_u16();
        let text = answer.text().context("reading its answer")?;
        Ok((
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        ))
    }
}
