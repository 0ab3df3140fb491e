//! How fast the web interface answers when many ask at once, on this host.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use vigie_disk::Bytes;

use crate::context::Context;
use crate::memory;
use crate::table::{Row, Value};
use crate::vm;
use crate::web_server::{Server, compile};

/// Clients at once, and what each asks for, one after the other.
const CLIENTS: usize = 200;
const REQUESTS: usize = 50;
/// 99 of 100 answers come within this time.
const SLOWEST: Duration = Duration::from_millis(150);
/// What a client waits for; an answer that is later is an error.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the services may have together while nobody asks for anything.
const IDLE: Bytes = Bytes::new(40_000_000);
/// Terminals that have a menu: the screen and the serial line.
const TERMINALS: usize = 2;

/// Measures the status page, and the memory of what shows it.
pub fn run(ctx: &Context) -> Result<Vec<Row>> {
    let programs = compile(ctx, &["vigie-web", "vigie-console"])?;
    let server = Server::start(&programs, ctx.folder(), &ctx.folder().join("no-broker"))?;
    // The first answer is none of those that count.
    vm::get(server.port, "/", PATIENCE)?;
    let idle = idle(&programs, &server)?;
    let begun = Instant::now();
    let mut times = ask(server.port)?;
    let all = begun.elapsed();
    times.sort_unstable();
    let slowest = times[times.len() * 99 / 100];
    let rate = times.len() as f64 / all.as_secs_f64();
    let most = memory::most(server.process())?;
    Ok(vec![
        Row::new("status page, 200 clients: 99 of 100", Value::Time(slowest))
            .at_most(Value::Time(SLOWEST)),
        Row::new("status page, 200 clients: answers", Value::Rate(rate)),
        Row::new("web and two consoles, idle (RSS)", Value::Bytes(idle.get()))
            .at_most(Value::Bytes(IDLE.get())),
        Row::new("web interface: most memory (RSS)", Value::Bytes(most.get())),
    ])
}

/// The memory of the web interface that has answered, and of menus that wait for somebody. The settings have
/// no process: each change starts one, which ends with it; neither has the broker.
fn idle(programs: &Path, server: &Server) -> Result<Bytes> {
    let menus: Vec<Menu> = (0..TERMINALS)
        .map(|_| Menu::start(programs))
        .collect::<Result<_>>()?;
    let menus = menus.iter().map(|menu| menu.0.id());
    let all = menus.chain([server.process()]).map(memory::now);
    all.sum()
}

/// The menu of a console at which nobody types. It ends with this.
struct Menu(Child);

impl Menu {
    /// Starts it, and waits until it waits.
    fn start(programs: &Path) -> Result<Menu> {
        let mut process = Command::new(programs.join("vigie-console"))
            .arg("--at-console")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the console's menu")?;
        let words = process.stdout.take().context("its words")?;
        let menu = Menu(process);
        let mut lines = BufReader::new(words).lines().map_while(Result::ok);
        let ready = lines.any(|line| line.starts_with("Vigie ") && line.ends_with(" ready"));
        ensure!(ready, "the console's menu ended before it was ready");
        std::thread::spawn(move || lines.count());
        Ok(menu)
    }
}

impl Drop for Menu {
    fn drop(&mut self) {
        // One that has ended cannot be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
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
