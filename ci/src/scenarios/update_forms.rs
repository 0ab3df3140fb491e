//! Settings that an older system saved, in the form that they had then: an update takes them over into
//! a document of its own form, and leaves theirs as it is for the slot that goes back.

use std::fs;

use anyhow::{Result, ensure};

use super::scenario;
use super::unattended::HOSTNAME;
use super::update::{Appliance, NEXT, Package, RESTART};
use crate::context::Context;
use crate::step::Step;

const FOLDER: &str = "/var/lib/vigie/settings";
/// Nothing that only the newest form knows is in the document of the step `install`: but for its
/// number it is one of the form before. No other document is left.
const AGE: &str = "cd /var/lib/vigie/settings && \
    sed 's/^version = 3$/version = 2/' current.3.toml > /run/form-2.toml && \
    grep -qx 'version = 2' /run/form-2.toml && rm -f current.* previous.* && \
    install -m 600 /run/form-2.toml current.2.toml && sync && ls";

/// A version that no other scenario has.
const REFUSES: &str = "0.1.0.7";

pub(super) fn steps() -> Vec<Step> {
    vec![
        scenario(
            "update-settings-form",
            "an update takes over settings of an older form into a document of its own, and leaves the old one for the way back",
            &["install"],
            run,
        ),
        scenario(
            "update-settings-refused",
            "a version that cannot use the settings which it has migrated comes back to the one before, whose settings are as they were",
            &["install"],
            refused,
        ),
    ]
}

fn run(ctx: &Context) -> Result<()> {
    let package = Package::build(ctx, NEXT, |_| Ok(()))?;
    let appliance = Appliance::boot(ctx)?;
    appliance.says("systemctl start vigie-mark-good.service")?;
    let left = appliance.says(AGE)?;
    ensure!(
        !left.contains(".3"),
        "a document of the newest form is left: {left}"
    );
    let old = digest(&appliance)?;
    appliance.pipe(&package.path, "vigie-update apply --json --who ci -")?;
    appliance.restart_into("b", NEXT)?;
    appliance.expect_history(&["installed", "good"])?;
    appliance.up.blame(taken_over(&appliance, &old))?;
    // sshd ends with the system.
    let _ = appliance.says("vigie-update rollback --restart --who ci");
    appliance.wait_for("a", ctx.image()?.version.as_str())?;
    appliance.expect_history(&["rollback"])?;
    appliance.up.blame(taken_over(&appliance, &old))?;
    appliance.up.vm.kill()
}

/// The new version migrates a copy and fails to put the settings in force: where one of its files must
/// be written there is a folder.
fn refused(ctx: &Context) -> Result<()> {
    let package = Package::build(ctx, REFUSES, |overlay| {
        let folder = overlay.join("etc/hostname");
        fs::create_dir_all(&folder)?;
        Ok(fs::write(folder.join("in-the-way"), "")?)
    })?;
    let appliance = Appliance::boot(ctx)?;
    appliance.says("systemctl start vigie-mark-good.service")?;
    appliance.says(AGE)?;
    let old = digest(&appliance)?;
    appliance.pipe(&package.path, "vigie-update apply --json --who ci -")?;
    // sshd ends with the system.
    let _ = appliance.says("systemctl reboot");
    appliance.up.vm.wait_line("slot b is given up", RESTART)?;
    appliance.wait_for("a", ctx.image()?.version.as_str())?;
    appliance.expect_history(&["installed", "returned"])?;
    let history = appliance.says("vigie-update history")?;
    ensure!(
        history.contains("vigie-health.service failed"),
        "history: {history}"
    );
    appliance.up.blame(taken_over(&appliance, &old))?;
    appliance.up.vm.kill()
}

/// The machine is what it was, by a document of the newest form; the old one is as it was.
fn taken_over(appliance: &Appliance<'_>, old: &str) -> Result<()> {
    let name = appliance.says("hostname")?;
    ensure!(name.trim() == HOSTNAME, "its name is {name}");
    let check = format!(
        "grep -x 'version = 3' {FOLDER}/current.3.toml && vigie-settings validate {FOLDER}/current.3.toml"
    );
    appliance.says(&check)?;
    let now = digest(appliance)?;
    ensure!(now == old, "the old document was\n{old}\nand is\n{now}");
    Ok(())
}

fn digest(appliance: &Appliance<'_>) -> Result<String> {
    appliance.says(&format!("sha256sum {FOLDER}/current.2.toml"))
}
