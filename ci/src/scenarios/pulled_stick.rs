//! A stick that is pulled out while an update is read from it.
//!
//! The stick is slow, so that there is time; and what was read of the package when it was checked is
//! dropped from memory as soon as its slot is being written, so that it must be read again.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::update::Appliance;
use super::update_stick::{PLACE, attach_node, gone, wait};

/// Read at most so many bytes a second: the package takes half a minute, twice.
const PACE: u64 = 4 << 20;
/// Where the updater's answer lies, on the appliance.
const ANSWER: &str = "/run/ci-pulled";
/// The appliance says why, in each language.
const WHY: [(&str, [&str; 2]); 2] = [
    (
        "reason",
        [
            "reading the package at byte",
            "slot b holds no version to go back to",
        ],
    ),
    (
        "reason_fr",
        [
            "lecture du paquet à l'octet",
            "l'emplacement b ne contient plus de version où revenir",
        ],
    ),
];

/// The appliance says why the update failed and goes on; the slot is not to be started, and a restart
/// leads to what ran before.
pub(super) fn leaves_what_runs(appliance: &Appliance<'_>, stick: &Path) -> Result<()> {
    let vm = &appliance.up.vm;
    let limits = json!({"bps-read": PACE});
    let slow = json!({"qom-type": "throttle-group", "id": "slow", "limits": limits});
    vm.command("object-add", slow)?;
    let file = json!({"driver": "file", "filename": stick, "read-only": true});
    let raw = json!({"driver": "raw", "read-only": true, "file": file});
    let node = json!({"node-name": "stick", "driver": "throttle", "throttle-group": "slow",
                      "read-only": true, "file": raw});
    attach_node(appliance, node)?;
    wait(appliance, &format!("mountpoint -q {PLACE}"))?;
    begins(appliance)?;
    vm.command("device_del", json!({"id": "stick"}))?;
    wait(appliance, &format!("grep -q reason {ANSWER}"))?;
    says_why(appliance)?;
    slot_is_not_to_be_started(appliance)?;
    gone(appliance, PLACE)?;
    vm.command("blockdev-del", json!({"node-name": "stick"}))?;
    vm.command("object-del", json!({"id": "slow"}))?;
    appliance.restart_into("a", appliance.ctx.image()?.version.as_str())?;
    appliance.expect_history(&["failed"])
}

/// The update is under way, its slot is being written, and nothing of the package is in memory but what
/// was read just now.
fn begins(appliance: &Appliance<'_>) -> Result<()> {
    let list = appliance.says("vigie-update list --json")?;
    let found: Value =
        serde_json::from_str(&list).with_context(|| format!("the list is {list}"))?;
    let id = found["id"].as_str().context("no id")?;
    appliance.says(&format!(
        "vigie-update apply --json --who ci --id {id} </dev/null >{ANSWER} 2>&1 &"
    ))?;
    appliance
        .says(&format!(
            "timeout 300 sh -c 'until grep -q phase...write {ANSWER}; do sleep 0.1; done; \
             echo 1 >/proc/sys/vm/drop_caches'"
        ))
        .map(drop)
        .context("waiting until the slot is written")
}

fn says_why(appliance: &Appliance<'_>) -> Result<()> {
    let answer = appliance.says(&format!("cat {ANSWER}"))?;
    let last = answer.lines().last().unwrap_or_default();
    let told: Value = serde_json::from_str(last).with_context(|| format!("it says {answer}"))?;
    ensure!(told["event"] == "failed", "expected a failure: {told}");
    for (field, words) in WHY {
        let reason = told[field].as_str().unwrap_or_default();
        for word in words {
            ensure!(
                reason.contains(word),
                "{field}: expected \"{word}\": {told}"
            );
        }
    }
    Ok(())
}

fn slot_is_not_to_be_started(appliance: &Appliance<'_>) -> Result<()> {
    let status = appliance.says("vigie-update status --json")?;
    let status: Value =
        serde_json::from_str(&status).with_context(|| format!("the status is {status}"))?;
    let other = &status["slots"]["b"];
    ensure!(
        other["good"] == false && other["tries"] == 0 && status["next"] == "a",
        "slot b may be started: {status}"
    );
    Ok(())
}
