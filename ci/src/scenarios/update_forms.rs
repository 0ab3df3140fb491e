//! Settings that an older system saved, in the form that they had then: an update takes them over into
//! a document of its own form, and leaves theirs as it is for the slot that goes back.

use anyhow::{Result, ensure};

use super::scenario;
use super::unattended::HOSTNAME;
use super::update::{Appliance, NEXT, Package};
use crate::context::Context;
use crate::step::Step;

const FOLDER: &str = "/var/lib/vigie/settings";
/// Nothing that only the newest form knows is in the document of the step `install`: but for its
/// number it is one of the form before. No other document is left.
const AGE: &str = "cd /var/lib/vigie/settings && \
    sed 's/^version = 3$/version = 2/' current.3.toml > /run/form-2.toml && \
    grep -qx 'version = 2' /run/form-2.toml && rm -f current.* previous.* && \
    install -m 600 /run/form-2.toml current.2.toml && sync && ls";

pub(super) fn step() -> Step {
    scenario(
        "update-settings-form",
        "an update takes over settings of an older form into a document of its own, and leaves the old one for the way back",
        &["install"],
        run,
    )
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
