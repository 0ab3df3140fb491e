//! An update through the service account, by the real scp and sftp.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::bad_packages::{self, Bad};
use super::update::{Appliance, NEXT, Package, RESTART};
use super::update_pull::SETTINGS;
use super::{scenario, ssh};
use crate::context::Context;
use crate::process;
use crate::step::Step;

/// What the file is called on the appliance; names are not trusted, so any will do.
const NAME: &str = "any-name-upd.tgz";

/// The timer comes each quarter of an hour, and installing takes its time.
const BY_ITSELF: Duration = Duration::from_secs(30 * 60);

pub(super) fn steps() -> Vec<Step> {
    vec![
        scenario(
            "update-scp",
            "the service account drops a package by sftp and scp and can do nothing else; it is applied from there, and wrong ones are refused",
            &["install"],
            run,
        ),
        scenario(
            "update-scp-automatic",
            "where the settings say so, a package that the service account drops is installed and started by itself",
            &["install"],
            automatic,
        ),
    ]
}

/// Nobody does anything after the package was copied.
fn automatic(ctx: &Context) -> Result<()> {
    let package = Package::build(ctx, NEXT, |_| Ok(()))?;
    let appliance = Appliance::boot(ctx)?;
    let vm = &appliance.up.vm;
    let set = format!(
        "printf '\\n[update]\\nautomatic = \"install\"\\n' >> {SETTINGS} && \
         vigie-settings validate {SETTINGS} && sync"
    );
    appliance.says(&set)?;
    // The slot stays the same, so `/health` alone could be that of before; GRUB is not.
    let before = vm.mark();
    let _ = appliance.says("systemctl reboot");
    vm.wait_line_after(before, "Vigie: slot a", RESTART)?;
    appliance.wait_for("a", ctx.image()?.version.as_str())?;
    appliance.says("systemctl start vigie-mark-good.service")?;
    let timer = appliance.says("systemctl is-active vigie-auto-update.timer")?;
    ensure!(timer.trim() == "active", "the timer is {timer}");
    let copied = vm.mark();
    scp(&appliance, &package.path, NAME)?;
    vm.wait_line_after(copied, "Vigie: slot b", BY_ITSELF)?;
    appliance.wait_for("b", NEXT)?;
    appliance.expect_history(&["installed", "good"])?;
    let history = appliance.says("vigie-update history --json")?;
    let by_itself = history.lines().any(|line| {
        let record: Value = serde_json::from_str(line).unwrap_or_default();
        record["door"] == "scp" && record["who"] == "automatic" && record["outcome"] == "installed"
    });
    ensure!(by_itself, "not by itself, or not by scp: {history}");
    vm.kill()
}

fn run(ctx: &Context) -> Result<()> {
    let package = Package::build(ctx, NEXT, |_| Ok(()))?;
    let bad = bad_packages::make(ctx, &package.path)?;
    let appliance = Appliance::boot(ctx)?;
    appliance.up.blame(nothing_else(&appliance))?;
    appliance.up.blame(too_many(&appliance))?;
    appliance.up.blame(refusals(&appliance, &bad))?;
    appliance
        .up
        .blame(half_and_whole(&appliance, &package.path))?;
    let said = appliance.up.blame(apply(&appliance))?;
    ensure!(said.contains("\"installed\""), "apply: {said}");
    appliance.restart_into("b", NEXT)?;
    appliance.expect_history(&["installed", "good"])?;
    let history = appliance.says("vigie-update history")?;
    ensure!(history.contains("scp"), "no door in the history: {history}");
    appliance.up.vm.kill()
}

/// A package of which half has come is not offered; sftp goes on where it stopped.
fn half_and_whole(appliance: &Appliance<'_>, package: &Path) -> Result<()> {
    let folder = appliance.ctx.folder();
    let bytes = fs::read(package).context("reading the package")?;
    let half = folder.join("half.tgz");
    fs::write(&half, &bytes[..bytes.len() / 2]).context("writing half a package")?;
    sftp(appliance, &format!("put {} {NAME}\n", half.display()))?;
    fs::remove_file(&half).context("removing half a package")?;
    expect_state(appliance, "arriving")?;
    // As programs do that rename at the end.
    scp(appliance, package, "other-upd.tgz.part")?;
    expect_state(appliance, "arriving")?;
    sftp(appliance, "rm other-upd.tgz.part\n")?;
    sftp(appliance, &format!("reput {} {NAME}\n", package.display()))?;
    expect_state(appliance, "ready")?;
    scp(appliance, package, NAME)?;
    expect_state(appliance, "ready")
}

/// What the account must not be able to do.
fn nothing_else(appliance: &Appliance<'_>) -> Result<()> {
    let (ctx, vm) = (appliance.ctx, &appliance.up.vm);
    let shell = ssh::Key::of_install(ctx)
        .client_of(ctx, vm, "service", "id")?
        .output()
        .context("starting ssh")?;
    let words = String::from_utf8_lossy(&shell.stdout).into_owned();
    ensure!(
        !shell.status.success() && words.contains("sftp connections only"),
        "a shell of the service account said: {words}"
    );
    for batch in [
        "put SELF /escaped\n",
        "put SELF ../escaped\n",
        "mkdir folder\n",
        "symlink /etc/passwd link-upd.tgz\n",
        "ls /etc\n",
    ] {
        let own = appliance.ctx.folder().join("batch");
        let batch = batch.replace("SELF", &own.display().to_string());
        ensure!(
            sftp(appliance, &batch).is_err(),
            "the service account may: {batch}"
        );
    }
    let there = appliance.says("find /var/lib/vigie/service -mindepth 1")?;
    ensure!(
        there.trim() == "/var/lib/vigie/service/update",
        "the service account left {there}"
    );
    Ok(())
}

/// Its files end long before the state volume's inodes do, and keep nothing else from being written.
fn too_many(appliance: &Appliance<'_>) -> Result<()> {
    let said = appliance.says(
        "cd /var/lib/vigie/service/update || exit 1; i=0; \
         while [ $i -lt 20000 ] && true > $i 2>/dev/null; do i=$((i+1)); done; \
         touch /var/lib/vigie/update/probe && rm /var/lib/vigie/update/probe && \
         find . -type f -delete && echo $i",
    )?;
    let made: u32 = said
        .trim()
        .parse()
        .context("how many files could be made")?;
    ensure!((1000..10_000).contains(&made), "{made} files could be made");
    Ok(())
}

/// Wrong ones are copied as any, and are neither listed as what they are not nor applied.
fn refusals(appliance: &Appliance<'_>, bad: &[Bad]) -> Result<()> {
    for bad in bad {
        scp(appliance, &bad.path, &bad.name())?;
    }
    // What was written to just now may still be coming.
    appliance.says("touch -d '1 hour ago' /var/lib/vigie/service/update/*")?;
    bad_packages::refused_from_a_folder(appliance, bad, "scp")?;
    for bad in bad {
        sftp(appliance, &format!("rm {}\n", bad.name()))?;
    }
    Ok(())
}

fn apply(appliance: &Appliance<'_>) -> Result<String> {
    let found = only_one(appliance)?;
    let id = found["id"].as_str().context("no id")?;
    appliance.says(&format!("vigie-update apply --json --who ci --id {id}"))
}

fn expect_state(appliance: &Appliance<'_>, state: &str) -> Result<()> {
    let found = only_one(appliance)?;
    ensure!(
        found["name"] == NAME && found["door"] == "scp" && found["state"] == state,
        "expected {NAME} by scp to be {state}: {found}"
    );
    Ok(())
}

fn only_one(appliance: &Appliance<'_>) -> Result<Value> {
    let list = appliance.says("vigie-update list --json")?;
    ensure!(list.lines().count() == 1, "not one package: {list}");
    serde_json::from_str(&list).with_context(|| format!("the list is {list}"))
}

fn scp(appliance: &Appliance<'_>, file: &Path, name: &str) -> Result<()> {
    let mut scp = copier(appliance, "scp")?;
    scp.arg(file).arg(format!("service@127.0.0.1:{name}"));
    process::output("copying by scp", &mut scp).map(drop)
}

/// Runs a batch, which ends at the first command that fails.
fn sftp(appliance: &Appliance<'_>, batch: &str) -> Result<()> {
    let path = appliance.ctx.folder().join("batch");
    fs::write(&path, batch).context("writing the batch of sftp")?;
    let mut sftp = copier(appliance, "sftp")?;
    sftp.arg("-b").arg(&path).arg("service@127.0.0.1");
    process::output("copying by sftp", &mut sftp).map(drop)
}

fn copier(appliance: &Appliance<'_>, program: &str) -> Result<std::process::Command> {
    let key = ssh::Key::of_install(appliance.ctx);
    ssh::copier(appliance.ctx, &key, &appliance.up.vm, program)
}
