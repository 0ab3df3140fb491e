//! The web interface on this host, as the image has it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::checks::cargo_command;
use crate::context::Context;
use crate::process;

const COMPILE: Duration = Duration::from_secs(30 * 60);

/// Compiles it in the image's profile; the folder outlives runs.
///
/// # Errors
/// It does not compile.
pub fn compile(ctx: &Context) -> Result<PathBuf> {
    let target = ctx.folder_of("programs");
    let mut cargo = cargo_command(ctx);
    cargo.args(["build", "--locked", "--profile", "image"]);
    cargo
        .args(["--package", "vigie-web", "--target-dir"])
        .arg(&target);
    let log = ctx.folder().join("web.log");
    process::run("compiling the web interface", &mut cargo, &log, COMPILE)?;
    Ok(target.join("image/vigie-web"))
}

/// The program, on free ports of this host, without an updater. It ends with this.
pub struct Server {
    process: Child,
    /// Its port without TLS.
    pub port: u16,
}

impl Server {
    /// Starts it; its state is kept in `folder`.
    ///
    /// # Errors
    /// It does not start, or ends.
    pub fn start(program: &Path, folder: &Path) -> Result<Server> {
        let mut command = Command::new(program);
        for option in ["--listen", "--listen-tls"] {
            command.args([option, "127.0.0.1:0"]);
        }
        command.arg("--state").arg(folder.join("state"));
        command.arg("--updater").arg(folder.join("no-updater"));
        let mut process = command
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the web interface")?;
        let words = process.stdout.take().context("its words")?;
        let mut server = Server { process, port: 0 };
        server.port = port(BufReader::new(words))?;
        Ok(server)
    }

    /// Most memory that it had at once, in bytes: proc_pid_status(5), VmHWM.
    ///
    /// # Errors
    /// It has ended.
    pub fn memory(&self) -> Result<u64> {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
        kib.map(|kib: u64| kib * 1024)
            .with_context(|| format!("no memory in {path}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The port without TLS, which it names first.
fn port(words: impl BufRead) -> Result<u16> {
    for line in words.lines() {
        let line = line.context("reading the words of the web interface")?;
        if let Some((_, port)) = line.rsplit_once(':') {
            return port
                .parse()
                .with_context(|| format!("the port in {line:?}"));
        }
    }
    bail!("the web interface ended before it listened")
}
