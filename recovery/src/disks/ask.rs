//! Asks disks how they are, by smartctl: all at the same time, and none is waited for longer than a
//! limit. smartctl cannot be ended while the kernel waits for a disk that does not answer: such a
//! process is left behind, and so is the thread that waits for it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use vigie_installer::toolbox::Toolbox;

use super::smart::Disk;

/// A disk that has to start its platters first needs about ten.
pub const LIMIT: Duration = Duration::from_secs(20);
/// For timeout(1) to do what it is there for.
const GRACE: Duration = Duration::from_secs(1);
/// smartctl says a few kilobytes.
const LONGEST: u64 = 1 << 20;

/// Asks them, in the order given. No program on standard input, none of them hears the terminal's
/// signals.
#[must_use]
pub fn ask(tools: &dyn Toolbox, nodes: &[PathBuf], limit: Duration) -> Vec<Disk> {
    let (answers, answered) = mpsc::channel();
    for (at, node) in nodes.iter().enumerate() {
        let (command, node, answers) = (command(tools, node, limit), node.clone(), answers.clone());
        // Nobody hears an answer that comes too late.
        let ask = move || drop(answers.send((at, one(command, &node, limit))));
        // A thread that cannot be started is a disk that is not heard.
        let _ = thread::Builder::new().spawn(ask);
    }
    drop(answers);
    let mut disks: Vec<Option<Disk>> = vec![None; nodes.len()];
    let until = Instant::now() + limit + GRACE;
    while let Ok((at, disk)) =
        answered.recv_timeout(until.saturating_duration_since(Instant::now()))
    {
        disks[at] = Some(disk);
    }
    let silent = |node: &PathBuf| Disk::silent(node, limit.as_secs());
    let both = disks.into_iter().zip(nodes);
    both.map(|(disk, node)| disk.unwrap_or_else(|| silent(node)))
        .collect()
}

/// timeout(1) kills it, and keeps the terminal's signals from it.
fn command(tools: &dyn Toolbox, node: &Path, limit: Duration) -> Command {
    let smartctl = tools.command("smartctl");
    let mut command = tools.command("timeout");
    command
        .arg("--signal=KILL")
        .arg(format!("{}", limit.as_secs_f64()))
        .arg(smartctl.get_program())
        .args(smartctl.get_args())
        .args(["--json=c", "-H", "-A", "-i"])
        .arg(node)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    command
}

/// Exit codes of timeout(1).
const KILLED: i32 = 137;
const NOT_THERE: [i32; 2] = [126, 127];

fn one(mut command: Command, node: &Path, limit: Duration) -> Disk {
    let not_asked = |error: &std::io::Error| Disk::untold(node, Some(error.to_string()));
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return not_asked(&error),
    };
    let mut output = Vec::new();
    if let Some(stream) = child.stdout.take() {
        // What was said until then is looked at; a pipe that breaks is one that ended.
        let _ = stream.take(LONGEST).read_to_end(&mut output);
    }
    let exit = match child.wait() {
        Ok(status) => status.code(),
        Err(error) => return not_asked(&error),
    };
    match exit {
        // timeout(1) kills itself by the same signal.
        Some(KILLED) | None if output.is_empty() => Disk::silent(node, limit.as_secs()),
        Some(code) if NOT_THERE.contains(&code) && output.is_empty() => {
            Disk::untold(node, Some("smartctl could not be started".to_owned()))
        }
        exit => Disk::understood(node, &output, exit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disks::{Health, Sign};

    /// A shell that is smartctl; $5 is the disk.
    struct Shell(&'static str);

    impl Toolbox for Shell {
        fn command(&self, program: &str) -> Command {
            if program != "smartctl" {
                return Command::new(program);
            }
            let mut command = Command::new("/bin/sh");
            command.args(["-c", self.0, "smartctl"]);
            command
        }
    }

    fn asked(script: &'static str, disks: usize, limit: Duration) -> Vec<Disk> {
        let nodes = (0..disks).map(|at| PathBuf::from(format!("/dev/sd{at}")));
        ask(&Shell(script), &nodes.collect::<Vec<_>>(), limit)
    }

    #[test]
    fn each_answers_for_itself_and_one_that_does_not_holds_up_no_other() {
        let script = r#"case "$5" in
            /dev/sd0) exec sleep 60;;
            /dev/sd1) printf '{"smart_status":{"passed":false}}'; exit 8;;
            /dev/sd3) exit 2;;
            *) test "$*" = "--json=c -H -A -i $5" && printf '{"smart_status":{"passed":true}}';;
            esac"#;
        let begun = Instant::now();
        let disks = asked(script, 16, Duration::from_secs(2));
        let took = begun.elapsed();
        let health: Vec<Health> = disks.iter().map(|disk| disk.health).collect();
        let known = [
            Health::Worrying,
            Health::Failing,
            Health::Good,
            Health::Untold,
        ];
        assert_eq!(health[..4], known);
        assert!(health[4..].iter().all(|one| *one == Health::Good));
        assert_eq!(disks[0].signs, [Sign::NoAnswer { seconds: 2 }]);
        assert_eq!(disks[5].node, Path::new("/dev/sd5"));
        assert!(
            took >= Duration::from_secs(2) && took < Duration::from_secs(10),
            "{took:?}"
        );
    }

    #[test]
    fn one_that_cannot_be_ended_is_left() {
        // As one that the kernel does not let go of: the pipe stays open beyond the kill.
        let script = "setsid sleep 5 & exec sleep 60";
        let begun = Instant::now();
        let disks = asked(script, 1, Duration::from_millis(300));
        assert_eq!(disks[0].health, Health::Worrying);
        assert!(begun.elapsed() < Duration::from_secs(4));
    }

    #[test]
    fn without_smartctl_nothing_is_told() {
        struct Nothing;
        impl Toolbox for Nothing {
            fn command(&self, program: &str) -> Command {
                match program {
                    "smartctl" => Command::new("/no/such/smartctl"),
                    other => Command::new(other),
                }
            }
        }
        let disks = ask(&Nothing, &["/dev/sda".into()], LIMIT);
        assert_eq!(disks[0].health, Health::Untold);
        assert!(disks[0].why.as_ref().unwrap().contains("smartctl"));
        assert_eq!(ask(&Nothing, &[], LIMIT), []);
    }
}
