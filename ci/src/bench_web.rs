//! How fast the web interface answers when many ask at once, on this host.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};

use crate::context::Context;
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
