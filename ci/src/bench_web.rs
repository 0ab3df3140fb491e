//! How fast the web interface answers when many ask at once, on this host.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};

use crate::checks::cargo_command;
use crate::context::Context;
use crate::process;
use crate::table::{Row, Value};
use crate::vm;

/// Clients at once, and what each asks for, one after the other.
const CLIENTS: usize = 200;
const REQUESTS: usize = 50;
/// 99 of 100 answers come within this time.
const SLOWEST: Duration = Duration::from_millis(150);
/// What a client waits for; an answer that is later is an error.
const PATIENCE: Duration = Duration::from_secs(30);
const COMPILE: Duration = Duration::from_secs(30 * 60);

/// Measures the status page.
pub fn run(ctx: &Context) -> Result<Vec<Row>> {
    let program = compile(ctx)?;
    let server = Server::start(&program, ctx.folder())?;
    // The first answer is none of those that count.
    vm::get(server.port, "/", PATIENCE)?;
    let begun = Instant::now();
    let mut times = ask(server.port)?;
    let all = begun.elapsed();
    times.sort_unstable();
    let slowest = times[times.len() * 99 / 100];
    let rate = times.len() as f64 / all.as_secs_f64();
    Ok(vec![
        Row::new("status page, 200 clients: 99 of 100", Value::Time(slowest))
            .at_most(Value::Time(SLOWEST)),
        Row::new("status page, 200 clients: answers", Value::Rate(rate)),
        Row::new("web interface: most memory", Value::Bytes(server.memory()?)),
    ])
}

/// In the image's profile. The folder outlives runs.
fn compile(ctx: &Context) -> Result<PathBuf> {
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

/// All clients at once; how long each answer took.
fn ask(port: u16) -> Result<Vec<Duration>> {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| thread::spawn(move || client(port)))
        .collect();
    let mut times = Vec::new();
    for client in clients {
        let answers = client.join().map_err(|_| anyhow!("a client panicked"))?;
        times.extend(answers?);
    }
    Ok(times)
}

fn client(port: u16) -> Result<Vec<Duration>> {
    let one = || {
        let begun = Instant::now();
        let answer = vm::get(port, "/", PATIENCE)?;
        ensure!(answer.status == 200, "the answer is {}", answer.status);
        Ok(begun.elapsed())
    };
    (0..REQUESTS).map(|_| one()).collect()
}

/// The program, on a free port.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    fn start(program: &Path, folder: &Path) -> Result<Server> {
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
    fn memory(&self) -> Result<u64> {
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
