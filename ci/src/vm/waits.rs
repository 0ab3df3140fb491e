//! What a test waits for: lines of the console, events, the end, an answer by HTTP.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::console::{Line, Pattern};
use super::http::{self, Response};
use super::qmp::Event;
use super::record::Mark;
use super::{Vm, line_with};

impl Vm {
    /// Waits for a console line since the machine was switched on.
    pub fn wait_line(&self, pattern: impl Into<Pattern>, limit: Duration) -> Result<Line> {
        self.wait_line_after(Mark::default(), pattern, limit)
    }

    /// Waits for a console line that comes after the mark.
    pub fn wait_line_after(
        &self,
        mark: Mark,
        pattern: impl Into<Pattern>,
        limit: Duration,
    ) -> Result<Line> {
        let pattern = pattern.into();
        let what = format!("{pattern} on the console");
        let mut from = mark;
        self.wait_alive(&what, mark, limit, |state| {
            state.find_line(&mut from, &pattern)
        })
    }

    /// Waits for the first of several lines after the mark; gives its number in `patterns`.
    pub fn wait_any_line(
        &self,
        mark: Mark,
        patterns: &[Pattern],
        limit: Duration,
    ) -> Result<(usize, Line)> {
        let names: Vec<String> = patterns.iter().map(Pattern::to_string).collect();
        let what = format!("one of {} on the console", names.join(", "));
        self.wait_alive(&what, mark, limit, |state| {
            let found = |(index, pattern)| {
                let line = state.find_line(&mut mark.clone(), pattern)?;
                Some((index, line))
            };
            let all = patterns.iter().enumerate().filter_map(found);
            all.min_by_key(|(_, line)| line.at)
        })
    }

    /// Waits for an event of the machine protocol (RESET, SHUTDOWN ...) after the mark.
    pub fn wait_event(&self, mark: Mark, name: &str, limit: Duration) -> Result<Event> {
        let what = format!("event {name}");
        let waited = self.record.wait(limit, |state| {
            let events = state.events.iter().skip(mark.event);
            let mut named = events.filter(|(_, event)| event.name == name);
            named.next().map(|(_, event)| event.clone())
        });
        self.explain(waited, &what, limit)
    }

    /// Whether an event of the machine protocol has come since the mark.
    pub fn has_had(&self, mark: Mark, name: &str) -> bool {
        let state = self.record.lock();
        let mut events = state.events.iter().skip(mark.event);
        events.any(|(_, event)| event.name == name)
    }

    /// Waits until the guest has switched itself off and QEMU has ended.
    pub fn wait_poweroff(&self, limit: Duration) -> Result<()> {
        match self.wait_poweroff_or(&[], limit)? {
            None => Ok(()),
            Some(line) => Err(self.failure(line)),
        }
    }

    /// The same; a line with one of these texts says that it will not happen, and is given.
    pub fn wait_poweroff_or(&self, texts: &[&str], limit: Duration) -> Result<Option<String>> {
        let what = "the guest to power off";
        let mut from = 0;
        let waited = self.record.wait(limit, |state| {
            if state.closed() {
                return Some(Ok(None));
            }
            // The STOP event is part of powering off; lines such as a panic are not.
            let start = from;
            if let Some(trouble) = self.fatal_line(state, &mut from) {
                return Some(Err(trouble));
            }
            line_with(&state.lines[start..], texts).map(|line| Ok(Some(line)))
        });
        match self.explain(waited, what, limit)? {
            Ok(None) => {}
            Ok(Some(line)) => return Ok(Some(line)),
            Err(trouble) => return Err(self.in_trouble(what, trouble)),
        }
        match self.shutdown_reason().as_deref() {
            Some("guest-shutdown") => self.reap().map(|_| None),
            _ => Err(self.ended(what)),
        }
    }

    /// Waits for a good answer to GET `path` on a forwarded port; `accept` says what is good.
    ///
    /// Requests overlap: while the guest has no network yet, a connection hangs rather than
    /// fails, and waiting for each to time out would blur the moment of the first answer.
    pub fn wait_http(
        &self,
        guest_port: u16,
        path: &str,
        limit: Duration,
        accept: impl Fn(&Response) -> bool,
    ) -> Result<Response> {
        const BETWEEN: Duration = Duration::from_millis(500);
        let port = self.host_port(guest_port)?;
        let deadline = Instant::now() + limit;
        let (sender, receiver) = mpsc::channel();
        let mut last = String::from("no answer at all");
        while Instant::now() < deadline {
            ask_in_background(port, path, sender.clone());
            let next = Instant::now() + BETWEEN;
            loop {
                let left = next.saturating_duration_since(Instant::now());
                match receiver.recv_timeout(left) {
                    Ok(Ok(response)) if accept(&response) => return Ok(response),
                    Ok(Ok(response)) => last = format!("{} {}", response.status, response.body),
                    Ok(Err(error)) => last = format!("{error:#}"),
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                }
            }
            self.check_alive(&format!("GET {path} on port {guest_port}"))?;
        }
        Err(self.failure(format!(
            "waiting for GET {path} on port {guest_port}: not good after {} s; last: {last}",
            limit.as_secs()
        )))
    }
}

fn ask_in_background(port: u16, path: &str, sender: Sender<Result<Response>>) {
    const LIMIT: Duration = Duration::from_secs(10);
    let path = path.to_owned();
    std::thread::spawn(move || {
        // Nobody listens any more once one answer was good.
        let _ = sender.send(http::get(port, &path, LIMIT));
    });
}
