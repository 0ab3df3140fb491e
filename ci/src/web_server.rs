//! The web interface on this host, as the image has it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::checks::cargo_command;
use crate::context::Context;
use crate::process;

const COMPILE: Duration = Duration::from_secs(30 * 60);

/// Compiles programs of ours in the image's profile; the folder, which is given back, outlives runs.
///
/// # Errors
/// They do not compile.
pub fn compile(ctx: &Context, packages: &[&str]) -> Result<PathBuf> {
    let target = ctx.folder_of("programs");
    let mut cargo = cargo_command(ctx);
    cargo.args(["build", "--locked", "--profile", "image"]);
    for package in packages {
        cargo.args(["--package", package]);
    }
    cargo.arg("--target-dir").arg(&target);
    let log = ctx.folder().join("compile.log");
    process::run("compiling the image's programs", &mut cargo, &log, COMPILE)?;
    Ok(target.join("image"))
}

/// Where the program asks for an updater, in its folder: there is none, unless somebody listens there before.
pub const UPDATER: &str = "updater";

/// The program, on free ports of this host. It ends with this.
pub struct Server {
    process: Child,
    /// Its port without TLS.
    pub port: u16,
    /// Its port with TLS.
    pub secure: u16,
}

impl Server {
    /// Starts it from the folder of [`compile`]; its state is kept in `folder`, and it asks the broker at a
    /// socket.
    ///
    /// # Errors
    /// It does not start, or ends.
    pub fn start(programs: &Path, folder: &Path, broker: &Path) -> Result<Server> {
        let state = folder.join("state");
        std::fs::create_dir_all(&state).with_context(|| format!("making {}", state.display()))?;
        let mut command = Command::new(programs.join("vigie-web"));
        for option in ["--listen", "--listen-tls"] {
            command.args([option, "127.0.0.1:0"]);
        }
        command.arg("--state").arg(&state);
        command.arg("--updater").arg(folder.join(UPDATER));
        command.arg("--broker").arg(broker);
        let mut process = command
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the web interface")?;
        let words = process.stdout.take().context("its words")?;
        let mut server = Server {
            process,
            port: 0,
            secure: 0,
        };
        let mut lines = BufReader::new(words).lines();
        server.port = port(&mut lines)?;
        server.secure = port(&mut lines)?;
        // Whatever else it says must not fill the pipe.
        std::thread::spawn(move || lines.count());
        Ok(server)
    }

    /// The number of its process.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The next port that it names: that without TLS comes first.
fn port(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> Result<u16> {
    let line = lines
        .next()
        .context("the web interface ended before it listened")?
        .context("reading the words of the web interface")?;
    let (_, port) = line
        .rsplit_once(':')
        .with_context(|| format!("no port in {line:?}"))?;
    port.parse()
        .with_context(|| format!("the port in {line:?}"))
}
