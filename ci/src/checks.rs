//! Checks of the sources: format, lints, unit tests, licences.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use vigie_disk::crash::STATES;

use crate::context::Context;
use crate::step::{Load, Step, skip, skip_unreached};
use crate::{downloads, process, programs};

const SHORT: Duration = Duration::from_secs(5 * 60);
/// Compiling everything on two slow cores.
const LONG: Duration = Duration::from_secs(40 * 60);

/// How a line of a fuzz target begins (`update/tests/fuzz/engine.rs`).
const FUZZED: &str = "fuzzed ";

/// The checks, quickest first.
pub fn steps() -> Vec<Step> {
    let check = |name, proves, run: fn(&Context) -> Result<()>| Step {
        name,
        proves,
        smoke: true,
        load: Load::Whole,
        needs: &[],
        run: Box::new(run),
    };
    let fuzz = Step {
        smoke: false,
        ..check(
            "fuzz",
            "no mutated input breaks a parser, a minute each",
            fuzz,
        )
    };
    let repair = Step {
        smoke: false,
        ..check(
            "repair",
            "damaged volumes are clean or declared lost, 300 damages of each kind",
            repair,
        )
    };
    let browser = Step {
        smoke: false,
        ..check(
            "browser",
            "the web pages work in Chromium: log-in, upload, broken lines, installation, by keys alone, without barriers (axe)",
            browser,
        )
    };
    vec![
        check("fmt", "the sources are formatted by rustfmt", |ctx| {
            cargo(ctx, "formatting", &["fmt", "--all", "--check"], SHORT)
        }),
        check(
            "clippy",
            "no lint in any target, warnings included",
            |ctx| {
                let words = [
                    "clippy",
                    "--workspace",
                    "--all-targets",
                    "--locked",
                    "--",
                    "-D",
                    "warnings",
                ];
                cargo(ctx, "lints", &words, LONG)
            },
        ),
        check(
            "unit",
            "the unit tests of all crates pass, with the locked tools",
            unit,
        ),
        fuzz,
        repair,
        browser,
        check(
            "deny",
            "licences, banned crates and sources are as deny.toml says",
            deny,
        ),
    ]
}

fn cargo(ctx: &Context, what: &str, words: &[&str], limit: Duration) -> Result<()> {
    let mut command = cargo_command(ctx);
    command.args(words);
    process::run(what, &mut command, &ctx.folder().join("output.log"), limit)
}

fn unit(ctx: &Context) -> Result<()> {
    let mut command = cargo_command(ctx);
    command.args(["test", "--workspace", "--locked"]);
    command.envs(programs::test_environment()?);
    let log = ctx.folder().join("output.log");
    process::run("unit tests", &mut command, &log, LONG)?;
    let output = fs::read(&log).with_context(|| format!("reading {}", log.display()))?;
    for line in states(&String::from_utf8_lossy(&output)) {
        ctx.note(line);
    }
    Ok(())
}

/// What the tests say of the states of power cuts that they have looked at.
fn states(output: &str) -> Vec<&str> {
    let told = output.lines().filter(|line| line.starts_with(STATES));
    told.collect()
}

/// The fuzz targets of `update` and of the settings, from their corpus; a finding is kept there.
/// `VIGIE_FUZZ_SEED` in the environment goes through a run again.
fn fuzz(ctx: &Context) -> Result<()> {
    let mut command = cargo_command(ctx);
    command.args([
        "test",
        "--package",
        "vigie-update",
        "--package",
        "vigie-settings",
        "--locked",
        "--test",
        "fuzz",
    ]);
    command.env("VIGIE_FUZZ_SECONDS", "60");
    let log = ctx.folder().join("output.log");
    process::run("fuzzing", &mut command, &log, LONG)?;
    let output = fs::read(&log).with_context(|| format!("reading {}", log.display()))?;
    let output = String::from_utf8_lossy(&output);
    let told = fuzzed(&output);
    ensure!(!told.is_empty(), "no target said what it has tried");
    told.into_iter().for_each(|line| ctx.note(line));
    Ok(())
}

/// What each fuzz target says of its inputs, and of the seed that gives them again.
fn fuzzed(output: &str) -> Vec<&str> {
    let told = output.lines().filter_map(|line| line.strip_prefix(FUZZED));
    told.collect()
}

/// Volumes damaged on purpose; how many ended how is told.
fn repair(ctx: &Context) -> Result<()> {
    let mut command = cargo_command(ctx);
    let words = ["test", "--package", "vigie-recovery", "--locked"];
    command
        .args(words)
        .args(["--test", "repair", "--", "--nocapture"]);
    command.envs(programs::test_environment()?);
    command.env("VIGIE_REPAIR_SEEDS", "300");
    let log = ctx.folder().join("output.log");
    process::run("repairs", &mut command, &log, LONG)?;
    let output = fs::read(&log).with_context(|| format!("reading {}", log.display()))?;
    for line in String::from_utf8_lossy(&output).lines() {
        if line.contains(" damages, ") || line.contains(" of them killed") {
            ctx.note(line);
        }
    }
    Ok(())
}

/// The web pages in a real browser; what it shows is kept as pictures.
fn browser(ctx: &Context) -> Result<()> {
    let mut command = cargo_command(ctx);
    // Of the whole workspace as the unit tests are: what they have compiled is used again.
    let words = ["test", "--workspace", "--locked"];
    command.args(words).args(["--test", "web", "--"]);
    command.args(["--ignored", "--test-threads=1", "browser::"]);
    command.env("VIGIE_BROWSER_DIR", programs::browser()?);
    command.env("VIGIE_PICTURES", ctx.folder());
    command.env("VIGIE_AXE", axe(ctx)?);
    let log = ctx.folder().join("output.log");
    process::run("the pages in a browser", &mut command, &log, LONG)
}

/// The program that finds barriers in pages, unpacked into the step's folder.
fn axe(ctx: &Context) -> Result<PathBuf> {
    const PROGRAM: &str = "package/axe.min.js";
    let (_, archive) = downloads::fetch(ctx.root(), "axe")
        .map_err(skip_unreached)?
        .remove(0);
    let file =
        fs::File::open(&archive).with_context(|| format!("opening {}", archive.display()))?;
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    for member in archive.entries()? {
        let mut member = member?;
        if member.path()?.as_os_str() == PROGRAM {
            let path = ctx.folder().join("axe.min.js");
            member.unpack(&path).context("unpacking axe")?;
            return Ok(path);
        }
    }
    bail!("no {PROGRAM} in axe's archive")
}

/// The cargo that runs us, in the workspace.
pub fn cargo_command(ctx: &Context) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(ctx.root());
    command
}

fn deny(ctx: &Context) -> Result<()> {
    let installed = process::output("", cargo_command(ctx).args(["deny", "--version"])).is_ok();
    if !installed {
        return Err(skip(
            "cargo-deny is not installed (cargo install cargo-deny)",
        ));
    }
    // The advisory database is not fetched: the result depends on nothing but the sources.
    let words = ["deny", "--offline", "check", "licenses", "bans", "sources"];
    cargo(ctx, "cargo deny", &words, SHORT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_states_of_power_cuts_are_found_among_what_the_tests_print() {
        // The other half prints past the harness; this is what then stands in the log.
        let output = format!("running 2 tests\ntest one ... \n{STATES}12 of one\nok\n");
        assert_eq!(states(&output), [format!("{STATES}12 of one")]);
    }

    #[test]
    fn what_was_fuzzed_is_found_among_what_the_targets_print() {
        let output = "test fuzz_index ... \nfuzzed index: 9 inputs, seed 7\nok\n";
        assert_eq!(fuzzed(output), ["index: 9 inputs, seed 7"]);
        let engine = include_str!("../../update/tests/fuzz/engine.rs");
        assert!(engine.contains(&format!("\\n{FUZZED}{{line}}")));
    }
}
