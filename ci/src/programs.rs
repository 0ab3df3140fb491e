//! Where the Debian programs (QEMU, mtools ...) come from: the builder's locked packages.

use std::path::PathBuf;

use anyhow::{Context, Result};
use image_builder::progress::Reporter;
use image_builder::session::{Options, Session};
use image_builder::tools::Tools;

use crate::step::skip_unreached;
use crate::vm::command::Programs;

/// Fetches and unpacks the locked programs, once.
pub fn find() -> Result<Box<dyn Programs>> {
    let session =
        Session::new(Options::default(), Reporter::quiet()).context("opening the builder")?;
    let _guard = session.workspace.lock()?;
    Ok(Box::new(
        session
            .emulator()
            .context("preparing the locked programs")?,
    ))
}

/// Environment for unit tests that use the locked programs.
pub fn test_environment() -> Result<Vec<(&'static str, String)>> {
    let session =
        Session::new(Options::default(), Reporter::quiet()).context("opening the builder")?;
    let _guard = session.workspace.lock()?;
    let tools = session.tools().context("preparing the locked tools")?;
    let line = |program: &str| crate::process::command_line(&tools.command(program));
    Ok(vec![
        ("VIGIE_TOOLS_DIR", tools.root().display().to_string()),
        ("VIGIE_VERITYSETUP", line("veritysetup")),
    ])
}

/// Fetches and unpacks the locked browser, once; where it lies.
///
/// # Errors
/// A skip where it cannot be fetched; an archive that is broken.
pub fn browser() -> Result<PathBuf> {
    let session =
        Session::new(Options::default(), Reporter::quiet()).context("opening the builder")?;
    let _guard = session.workspace.lock()?;
    let tools = Tools::prepare(&session.packages(&session.lock()?), "browser");
    let tools = tools
        .map_err(skip_unreached)
        .context("preparing the locked browser")?;
    Ok(tools.root().to_owned())
}
