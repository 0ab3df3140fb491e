//! External programs: in a group of their own that does not outlive us, with a time limit,
//! their output in a file that is shown only when they fail.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

/// Kills a process group when it is told to, or when this process is gone in whatever way,
/// `kill -9` included: it is a shell that reads from a pipe which only we hold open.
pub struct Watchdog(Child);

impl Watchdog {
    /// Watches over the group of a child that was spawned by [`spawn`].
    fn over(child: &Child) -> Result<Watchdog> {
        Command::new("sh")
            .args(["-c", r#"read -r never; kill -s KILL -- "-$0""#])
            .arg(child.id().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map(Watchdog)
            .context("starting the watchdog shell (sh)")
    }

    /// Kills the whole group.
    pub fn fire(mut self) {
        drop(self.0.stdin.take());
        // A group that is already gone is as good; the shell's complaint says nothing more.
        let _ = self.0.wait();
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // Not an error when it has fired already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program in a process group of its own, with its watchdog.
pub fn spawn(command: &mut Command) -> Result<(Child, Watchdog)> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .process_group(0)
        .spawn()
        .with_context(|| format!("starting `{name}`"))?;
    match Watchdog::over(&child) {
        Ok(watchdog) => Ok((child, watchdog)),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

/// Lines of a failed program's output that its error shows.
const SHOWN: usize = 60;

/// Runs a program to its end; `log` receives its command line and all output.
///
/// # Errors
/// When it cannot start, fails, or runs longer than `limit` (it is killed then), with the
/// end of its output.
pub fn run(what: &str, command: &mut Command, log: &Path, limit: Duration) -> Result<()> {
    let mut file = create(log)?;
    writeln!(file, "$ {}", command_line(command)).context("writing the log")?;
    let status = run_into(command, file, limit).with_context(|| what.to_owned());
    match status {
        Ok(Some(status)) if status.success() => Ok(()),
        Ok(Some(status)) => Err(with_output(format!("{what}: {status}"), log)),
        Ok(None) => Err(with_output(
            format!("{what}: not done after {} s, killed", limit.as_secs()),
            log,
        )),
        Err(error) => Err(error),
    }
}

/// None when the limit was reached.
fn run_into(command: &mut Command, log: File, limit: Duration) -> Result<Option<ExitStatus>> {
    let errors = log.try_clone().context("sharing the log")?;
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    let (mut child, watchdog) = spawn(command)?;
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait()));
    match receiver.recv_timeout(limit) {
        Ok(status) => status.map(Some).context("waiting for it"),
        Err(RecvTimeoutError::Timeout) => {
            watchdog.fire();
            Ok(None)
        }
        Err(RecvTimeoutError::Disconnected) => bail!("its waiting thread ended"),
    }
}

/// Runs a short program and gives what it prints.
pub fn output(what: &str, command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{what}: starting `{}`", command_line(command)))?;
    if !output.status.success() {
        bail!(
            "{what}: `{}`: {}: {}",
            command_line(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("{what}: output is not UTF-8"))
}

/// A file, its folder made where needed.
pub fn create(path: &Path) -> Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    File::create(path).with_context(|| format!("writing {}", path.display()))
}

/// The words of a command for people.
pub fn command_line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| quote(&word.to_string_lossy())).collect();
    words.join(" ")
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+,.:/@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn with_output(message: String, log: &Path) -> anyhow::Error {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.len().saturating_sub(SHOWN);
    anyhow!(
        "{message}\nfull output: {}\nits last lines:\n{}",
        log.display(),
        lines[start..].join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_is_kept_and_shown_only_on_failure() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a/log");
        run("a good one", &mut shell("echo fine; exit 0"), &log, LONG).unwrap();
        assert!(fs::read_to_string(&log).unwrap().ends_with("fine\n"));
        let error = run(
            "a bad one",
            &mut shell("echo broken >&2; exit 3"),
            &log,
            LONG,
        );
        let words = error.unwrap_err().to_string();
        for expected in ["a bad one", "exit status: 3", "broken", "a/log"] {
            assert!(words.contains(expected), "{words}");
        }
    }

    #[test]
    fn what_hangs_is_killed_with_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let start = Instant::now();
        let mut hang = shell("sleep 1000 & echo $!; wait");
        let error = run("it hangs", &mut hang, &log, Duration::from_millis(500)).unwrap_err();
        assert!(error.to_string().contains("not done after"), "{error}");
        assert!(start.elapsed() < LONG);
        let text = fs::read_to_string(&log).unwrap();
        let child: u32 = text.lines().last().unwrap().parse().unwrap();
        // The signal was sent; on a busy host the child has yet to get a processor to die on.
        let gone = || {
            let state = fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            state.is_empty() || state.contains(") Z") || state.contains(") X")
        };
        while !gone() {
            assert!(start.elapsed() < LONG, "alive");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_missing_program_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("no-such-program");
        let error = run("a try", &mut command, &folder.path().join("log"), LONG).unwrap_err();
        assert!(
            format!("{error:#}").contains("no-such-program"),
            "{error:#}"
        );
        assert_eq!(
            command_line(Command::new("a b").arg("it's")),
            r"'a b' 'it'\''s'"
        );
    }
}
