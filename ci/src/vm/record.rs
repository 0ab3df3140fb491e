//! Everything that a machine has said, and waiting for it to say something.
//!
//! Reader threads add console lines and protocol messages; tests wait with a deadline. A
//! waiter sleeps on one condition variable and wakes at whatever happens, so nothing here
//! polls. A waiter is told when the machine is gone, rather than left until its deadline.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::console::{Line, Pattern};
use super::qmp::{Event, Message, Reply};

/// An unfinished line is looked at when nothing was added to it for this long.
const SETTLED: Duration = Duration::from_millis(100);

/// What has happened so far.
pub struct State {
    epoch: Instant,
    /// Complete console lines.
    pub lines: Vec<Line>,
    /// The console line that is being written.
    pub partial: Option<Line>,
    /// Protocol events with their time.
    pub events: Vec<(Duration, Event)>,
    replies: BTreeMap<u64, Reply>,
    greeted: bool,
    console_closed: bool,
    qmp_closed: bool,
}

impl State {
    /// Whether QEMU is gone: nothing more will come.
    pub fn closed(&self) -> bool {
        self.console_closed && self.qmp_closed
    }

    /// Whether QEMU has said hello.
    pub fn greeted(&self) -> bool {
        self.greeted
    }

    /// Takes the reply to a command.
    pub fn take_reply(&mut self, id: u64) -> Option<Reply> {
        self.replies.remove(&id)
    }

    /// The first line from `from` on that has the pattern; of a line that was unfinished at
    /// the mark, only what has come since. `from` moves past the lines that were looked at.
    pub fn find_line(&self, from: &mut Mark, pattern: &Pattern) -> Option<Line> {
        let matches = |line: &Line, from: Mark| pattern.is_in(from.rest(&line.text));
        while let Some(line) = self.lines.get(from.line) {
            let found = matches(line, *from);
            from.line += 1;
            from.column = 0;
            if found {
                return Some(line.clone());
            }
        }
        let partial = self.partial.as_ref().filter(|_| self.is_settled())?;
        matches(partial, *from).then(|| partial.clone())
    }

    /// Whether the unfinished line has stopped growing: a prompt, not half a message.
    fn is_settled(&self) -> bool {
        let partial = self.partial.as_ref();
        self.closed() || partial.is_some_and(|line| line.at + SETTLED <= self.epoch.elapsed())
    }

    /// The last `count` lines, the unfinished one included.
    pub fn tail(&self, count: usize) -> Vec<Line> {
        let all = self.lines.iter().chain(&self.partial);
        let total = self.lines.len() + usize::from(self.partial.is_some());
        all.skip(total.saturating_sub(count)).cloned().collect()
    }
}

/// How a wait ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Waited<T> {
    /// What was waited for.
    Found(T),
    /// The deadline passed.
    TimedOut,
    /// QEMU ended first.
    Closed,
}

/// A point in what was said; waits can start there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    /// Number of complete lines.
    pub line: usize,
    /// Bytes of the unfinished line.
    pub column: usize,
    /// Number of events.
    pub event: usize,
}

impl Mark {
    /// What of a line has come since; of one that was painted anew and is shorter, nothing.
    fn rest(self, line: &str) -> &str {
        line.get(self.column..).unwrap_or_default()
    }
}

/// The state behind its lock.
pub struct Record {
    state: Mutex<State>,
    changed: Condvar,
}

impl Default for Record {
    fn default() -> Record {
        Record {
            state: Mutex::new(State {
                epoch: Instant::now(),
                lines: Vec::new(),
                partial: None,
                events: Vec::new(),
                replies: BTreeMap::new(),
                greeted: false,
                console_closed: false,
                qmp_closed: false,
            }),
            changed: Condvar::new(),
        }
    }
}

impl Record {
    /// Looks at the state. A thread that panicked in here leaves whole values behind.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Time zero is now.
    pub fn switch_on(&self) {
        self.lock().epoch = Instant::now();
    }

    /// Time since the machine was switched on.
    pub fn now(&self) -> Duration {
        self.lock().epoch.elapsed()
    }

    /// Adds console output: lines that are complete, and the unfinished rest.
    pub fn add_lines(&self, complete: &[String], partial: String) -> Vec<Line> {
        let mut added = Vec::new();
        self.change(|state| {
            let at = state.epoch.elapsed();
            added.extend(complete.iter().map(|text| Line {
                at,
                text: text.clone(),
            }));
            state.lines.extend(added.iter().cloned());
            state.partial = (!partial.is_empty()).then_some(Line { at, text: partial });
        });
        added
    }

    /// Adds a message of the protocol.
    pub fn add_message(&self, message: Message) {
        self.change(|state| match message {
            Message::Greeting => state.greeted = true,
            Message::Event(event) => {
                let at = state.epoch.elapsed();
                state.events.push((at, event));
            }
            Message::Reply(id, reply) => {
                state.replies.insert(id, reply);
            }
        });
    }

    /// The console has ended.
    pub fn close_console(&self) {
        self.change(|state| state.console_closed = true);
    }

    /// The protocol has ended.
    pub fn close_qmp(&self) {
        self.change(|state| state.qmp_closed = true);
    }

    /// The present end of what was said.
    pub fn mark(&self) -> Mark {
        let state = self.lock();
        // A line without a letter or digit is dropped, so another will have its number.
        let partial = state.partial.as_ref().map(|line| line.text.as_str());
        let kept = partial.filter(|text| text.contains(char::is_alphanumeric));
        Mark {
            line: state.lines.len(),
            column: kept.map_or(0, str::len),
            event: state.events.len(),
        }
    }

    /// Waits until `check` finds something, at most `limit`.
    pub fn wait<T>(
        &self,
        limit: Duration,
        mut check: impl FnMut(&mut State) -> Option<T>,
    ) -> Waited<T> {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            if let Some(found) = check(&mut state) {
                return Waited::Found(found);
            }
            if state.closed() {
                return Waited::Closed;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Waited::TimedOut;
            }
            let nap = match state.partial {
                Some(_) if !state.is_settled() => left.min(SETTLED),
                _ => left,
            };
            state = self
                .changed
                .wait_timeout(state, nap)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    const SOON: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(20);

    fn strings(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn a_wait_finds_complete_and_unfinished_lines_in_order() {
        let record = Record::default();
        record.add_lines(&strings(&["one", "two", "one more"]), "login:".to_owned());
        let mut from = Mark::default();
        let mut find = |text: &str| {
            let waited = record.wait(4 * SETTLED, |state| {
                state.find_line(&mut from, &text.into())
            });
            match waited {
                Waited::Found(line) => Some(line.text),
                Waited::TimedOut | Waited::Closed => None,
            }
        };
        assert_eq!(find("one").as_deref(), Some("one"));
        assert_eq!(find("one").as_deref(), Some("one more"));
        assert_eq!(find("login").as_deref(), Some("login:"));
        assert_eq!(find("two"), None);
        assert_eq!(record.lock().tail(2).last().unwrap().text, "login:");
    }

    #[test]
    fn a_prompt_that_was_there_at_the_mark_is_not_the_answer() {
        let record = Record::default();
        let find = |mark: Mark, text: &str| {
            let mut from = mark;
            let waited = record.wait(4 * SETTLED, |state| {
                state.find_line(&mut from, &text.into())
            });
            matches!(waited, Waited::Found(_))
        };
        record.add_lines(&[], "Number: ".trim_end().to_owned());
        let mark = record.mark();
        assert!(find(Mark::default(), "Number:"));
        assert!(!find(mark, "Number:"));
        record.add_lines(&strings(&["Number: 1"]), String::new());
        assert!(find(mark, "1"), "the echo has come since");
        assert!(!find(mark, "Number:"));
        record.add_lines(&[], "Number:".to_owned());
        assert!(find(mark, "Number:"), "asked again");
        record.add_lines(&strings(&["Number:"]), "> ".to_owned());
        let mark = record.mark();
        record.add_lines(&strings(&["done"]), String::new());
        assert!(find(mark, "done"), "a dropped line takes no number");
    }

    #[test]
    fn a_waiter_wakes_at_what_another_thread_adds() {
        let record = Arc::new(Record::default());
        let writer = Arc::clone(&record);
        let thread = std::thread::spawn(move || {
            writer.add_lines(&strings(&["vigie: ready"]), String::new());
        });
        let mut from = Mark::default();
        let waited = record.wait(LONG, |state| state.find_line(&mut from, &"ready".into()));
        assert!(matches!(waited, Waited::Found(line) if line.text == "vigie: ready"));
        thread.join().unwrap();
    }

    #[test]
    fn a_wait_ends_at_the_deadline_and_at_the_end_of_qemu() {
        let record = Record::default();
        assert_eq!(record.wait(SOON, |_| None::<()>), Waited::TimedOut);
        record.close_console();
        record.close_qmp();
        assert_eq!(record.wait(LONG, |_| None::<()>), Waited::Closed);
        assert_eq!(record.wait(LONG, |_| Some(1)), Waited::Found(1));
    }
}
