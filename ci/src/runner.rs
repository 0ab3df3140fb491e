//! Runs steps: one at a time where a step wants the whole host, several virtual machines at
//! a time where memory allows, in the order of the list as far as needs permit.
//!
//! The scheduling is [`Plan`], which knows neither threads nor time.

use std::fmt;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use crate::context::{Context, Shared};
use crate::step::{Load, Skip, Step};
use crate::vm::EmulationFault;

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not, and why.
    Failed(String),
    /// It was not tried, and why.
    Skipped(String),
}

/// How all steps ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results(Vec<Outcome>);

impl Results {
    /// Steps that failed.
    pub fn failed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Failed(_)))
    }

    fn count(&self, which: impl Fn(&Outcome) -> bool) -> usize {
        self.0.iter().filter(|outcome| which(outcome)).count()
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let passed = self.count(|outcome| *outcome == Outcome::Passed);
        let skipped = self.count(|outcome| matches!(outcome, Outcome::Skipped(_)));
        write!(
            f,
            "{passed} passed, {} failed, {skipped} skipped",
            self.failed()
        )
    }
}

/// What has run, runs and is left.
struct Plan<'a> {
    steps: &'a [&'a Step],
    state: Vec<Progress>,
    jobs: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Progress {
    Waiting,
    Running,
    Done(Outcome),
}

/// What can be done now.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    /// Start this one.
    Start(usize),
    /// This one cannot run any more: what it needs did not pass.
    GiveUp(usize, String),
    /// Something must end first.
    Wait,
    /// All is done.
    Finished,
}

impl<'a> Plan<'a> {
    fn new(steps: &'a [&'a Step], jobs: usize) -> Plan<'a> {
        Plan {
            steps,
            state: vec![Progress::Waiting; steps.len()],
            jobs,
        }
    }

    /// `free_mib` is the memory of the host that nobody uses.
    fn next(&self, free_mib: u64) -> Next {
        let running = self.indices(&Progress::Running);
        let waiting = self.indices(&Progress::Waiting);
        if waiting.is_empty() && running.is_empty() {
            return Next::Finished;
        }
        for &index in &waiting {
            match self.needs(index) {
                Need::Failed(name) => {
                    return Next::GiveUp(index, format!("needs `{name}`, which did not pass"));
                }
                Need::Pending => {}
                Need::Met if self.fits(index, &running, free_mib) => return Next::Start(index),
                // A step that wants the whole host is not overtaken, or it would wait forever.
                Need::Met if self.steps[index].load == Load::Whole => return Next::Wait,
                Need::Met => {}
            }
        }
        Next::Wait
    }

    fn indices(&self, wanted: &Progress) -> Vec<usize> {
        let numbered = self.state.iter().enumerate();
        numbered
            .filter(|(_, state)| *state == wanted)
            .map(|(index, _)| index)
            .collect()
    }

    fn needs(&self, index: usize) -> Need {
        let mut met = Need::Met;
        for name in self.steps[index].needs {
            let Some(other) = self.steps.iter().position(|step| step.name == *name) else {
                return Need::Failed(name);
            };
            match &self.state[other] {
                Progress::Done(Outcome::Passed) => {}
                Progress::Done(_) => return Need::Failed(name),
                Progress::Waiting | Progress::Running => met = Need::Pending,
            }
        }
        met
    }

    fn fits(&self, index: usize, running: &[usize], free_mib: u64) -> bool {
        if running.is_empty() {
            return true;
        }
        let memory = |load| match load {
            Load::Whole => None,
            Load::Machine { memory_mib } => Some(u64::from(memory_mib)),
        };
        let Some(wanted) = memory(self.steps[index].load) else {
            return false;
        };
        let others: Option<Vec<u64>> = running
            .iter()
            .map(|&other| memory(self.steps[other].load))
            .collect();
        // The others have not touched all of their memory yet: reckon as if none.
        others.is_some_and(|others| {
            running.len() < self.jobs
                && others.iter().sum::<u64>() + wanted + RESERVE_MIB <= free_mib
        })
    }
}

/// Memory that is left to the host, MiB.
const RESERVE_MIB: u64 = 1024;

enum Need {
    Met,
    Pending,
    Failed(&'static str),
}

/// Runs the steps and prints a line when each starts and ends.
pub fn run(steps: &[&Step], shared: &Arc<Shared>, jobs: u8) -> Results {
    let mut plan = Plan::new(steps, usize::from(jobs));
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        loop {
            match plan.next(available_mib()) {
                Next::Start(index) => {
                    let step = steps[index];
                    println!("---- {}: {}", step.name, step.proves);
                    plan.state[index] = Progress::Running;
                    let sender = sender.clone();
                    scope.spawn(move || run_one(step, shared, index, &sender));
                }
                Next::GiveUp(index, reason) => {
                    let outcome = Outcome::Skipped(reason);
                    println!(
                        "{}",
                        result_line(steps[index].name, &outcome, Duration::ZERO, "")
                    );
                    plan.state[index] = Progress::Done(outcome);
                }
                Next::Wait => match receiver.recv() {
                    Ok((index, outcome)) => plan.state[index] = Progress::Done(outcome),
                    // Cannot be: we hold a sender ourselves.
                    Err(_) => break,
                },
                Next::Finished => break,
            }
        }
    });
    let done = |state| match state {
        Progress::Done(outcome) => Some(outcome),
        Progress::Waiting | Progress::Running => None,
    };
    Results(plan.state.into_iter().filter_map(done).collect())
}

fn run_one(step: &Step, shared: &Arc<Shared>, index: usize, sender: &Sender<(usize, Outcome)>) {
    let start = Instant::now();
    let mut ended = attempt(step, shared);
    if let Err(error) = &ended
        && let Some(fault) = error.downcast_ref::<EmulationFault>()
    {
        // Not hidden, and not held against the image either: seen with software emulation on
        // several threads, and on hosts that do much else at the time.
        println!("AGAIN {}: {fault}", step.name);
        ended = attempt(step, shared);
    }
    let (outcome, notes) = match ended {
        Ok(notes) => (Outcome::Passed, notes),
        Err(error) => (judge(&error), String::new()),
    };
    println!(
        "{}",
        result_line(step.name, &outcome, start.elapsed(), &notes)
    );
    // The receiver lives as long as this thread's scope.
    let _ = sender.send((index, outcome));
}

/// Runs a step once; gives its notes.
fn attempt(step: &Step, shared: &Arc<Shared>) -> Result<String> {
    let context = Context::new(shared, step.name)?;
    let ended = panic::catch_unwind(AssertUnwindSafe(|| (step.run)(&context)));
    ended.unwrap_or_else(|panic| {
        let words = panic
            .downcast_ref::<&str>()
            .map(|words| (*words).to_owned());
        let words = words.or_else(|| panic.downcast_ref::<String>().cloned());
        Err(anyhow!("panic: {}", words.unwrap_or_default()))
    })?;
    Ok(context.notes())
}

fn judge(error: &anyhow::Error) -> Outcome {
    match error.downcast_ref::<Skip>() {
        Some(reason) => Outcome::Skipped(reason.to_string()),
        None => Outcome::Failed(format!("{error:#}")),
    }
}

fn result_line(name: &str, outcome: &Outcome, time: Duration, notes: &str) -> String {
    let seconds = time.as_secs_f64();
    match outcome {
        Outcome::Passed if notes.is_empty() => format!("PASS {name} ({seconds:.1} s)"),
        Outcome::Passed => format!("PASS {name} ({seconds:.1} s): {notes}"),
        Outcome::Skipped(reason) => format!("SKIP {name} ({seconds:.1} s): {reason}"),
        Outcome::Failed(words) => {
            let words = words.replace('\n', "\n     ");
            format!("FAIL {name} ({seconds:.1} s)\n     {words}")
        }
    }
}

/// Memory that new programs can have; plenty where the kernel does not say.
fn available_mib() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    parse_available(&text).unwrap_or(u64::MAX)
}

fn parse_available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: u64 = 64 << 10;

    fn step(name: &'static str, load: Load, needs: &'static [&'static str]) -> Step {
        Step {
            name,
            proves: "a test",
            smoke: true,
            load,
            needs,
            run: Box::new(|_| Ok(())),
        }
    }

    fn machine(name: &'static str, needs: &'static [&'static str]) -> Step {
        step(name, Load::Machine { memory_mib: 2048 }, needs)
    }

    #[test]
    fn machines_run_side_by_side_and_checks_alone() {
        let steps = [
            step("fmt", Load::Whole, &[]),
            machine("a", &[]),
            machine("b", &[]),
            machine("c", &[]),
        ];
        let steps: Vec<&Step> = steps.iter().collect();
        let mut plan = Plan::new(&steps, 2);
        let pass = || Progress::Done(Outcome::Passed);
        assert_eq!(plan.next(PLENTY), Next::Start(0));
        plan.state[0] = Progress::Running;
        assert_eq!(plan.next(PLENTY), Next::Wait);
        plan.state[0] = pass();
        assert_eq!(plan.next(0), Next::Start(1), "one always fits");
        plan.state[1] = Progress::Running;
        assert_eq!(plan.next(5119), Next::Wait, "too little memory for two");
        assert_eq!(plan.next(5120), Next::Start(2));
        plan.state[2] = Progress::Running;
        assert_eq!(plan.next(PLENTY), Next::Wait, "two at a time");
        plan.state[1..].fill(pass());
        assert_eq!(plan.next(PLENTY), Next::Finished);
    }

    #[test]
    fn what_a_step_needs_comes_first_and_its_failure_spreads() {
        let steps = [
            machine("install", &[]),
            machine("disk", &["install"]),
            machine("other", &[]),
        ];
        let steps: Vec<&Step> = steps.iter().collect();
        let mut plan = Plan::new(&steps, 2);
        plan.state[0] = Progress::Running;
        assert_eq!(
            plan.next(PLENTY),
            Next::Start(2),
            "disk waits, other overtakes it"
        );
        plan.state[0] = Progress::Done(Outcome::Failed("no".to_owned()));
        assert!(matches!(plan.next(PLENTY), Next::GiveUp(1, reason) if reason.contains("install")));
    }

    #[test]
    fn endings_are_told_apart() {
        let failed = judge(&anyhow!("inner").context("outer"));
        assert_eq!(failed, Outcome::Failed("outer: inner".to_owned()));
        let skipped = judge(&crate::step::skip("no tool").context("step"));
        assert_eq!(skipped, Outcome::Skipped("no tool".to_owned()));
        let results = Results(vec![Outcome::Passed, failed.clone(), skipped, failed]);
        assert_eq!(results.to_string(), "1 passed, 2 failed, 1 skipped");
        assert_eq!(results.failed(), 2);
    }

    #[test]
    fn available_memory_is_read() {
        let text = "MemTotal:  8000000 kB\nMemAvailable:    2097152 kB\n";
        assert_eq!(parse_available(text), Some(2048));
        assert_eq!(parse_available("MemTotal: 1 kB\n"), None);
    }
}
