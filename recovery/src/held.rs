//! The power button, the reboot key and `systemctl reboot` or `poweroff` held off while a disk is
//! written: an inhibitor lock of logind in the mode "block", which holds for root, too (systemd 257).
//!
//! `systemd-inhibit` holds the lock for as long as the program that it runs: cat(1), which ends with
//! the pipe that we hold the other end of. So the lock goes with us, whatever we end by. Ctrl-Alt-Del
//! does nothing in any case (its target is masked in the image); whoever holds the power button for
//! some seconds switches off in the firmware, which nobody can hold off.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use vigie_installer::toolbox::{HostTools, Toolbox};
use vigie_settings::Language;

use crate::message::Message;
use crate::tell::Tell;

/// There where systemd is at work: sd_booted(3).
const SYSTEMD: &str = "/run/systemd/system";
/// logind answers in milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);
/// systemd-inhibit(1).
const WHAT: &str = "shutdown:sleep:idle:handle-power-key:handle-reboot-key:handle-suspend-key:\
                    handle-hibernate-key:handle-lid-switch";

/// The lock; it goes when this goes.
#[derive(Debug)]
pub struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        // The end of the pipe ends cat, and cat systemd-inhibit.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Whether there is a logind that could hold them off: in the initrd there is none, and no person either.
#[must_use]
pub fn is_possible() -> bool {
    Path::new(SYSTEMD).is_dir()
}

/// Says to a person that the machine must not be switched off now, and holds it off as [`quietly`] does.
#[must_use]
pub fn hold_off(tell: &mut Tell) -> Option<Held> {
    if !tell.json {
        tell.say("held", &Message::new("held.do-not-switch-off"));
    }
    quietly(tell)
}

/// Holds them off where there is a systemd, until the result goes. Where that fails there is a
/// warning, and what was to be done is done.
#[must_use]
pub fn quietly(tell: &mut Tell) -> Option<Held> {
    if !is_possible() {
        return None;
    }
    let why = Message::new("held.why").to(tell.language);
    let held = lock(&HostTools, &why, PATIENCE);
    if let Err(error) = &held {
        tell.warn(&Message::new("held.not").with("error", error));
    }
    held.ok()
}

/// The same for a command that does not speak through [`Tell`].
#[must_use]
pub fn hold_off_for(json: bool, language: Language) -> Option<Held> {
    hold_off(&mut Tell::new(json, language))
}

/// Takes the lock.
///
/// # Errors
/// Nobody gives it, or not within the limit; in words.
fn lock(tools: &dyn Toolbox, why: &str, limit: Duration) -> Result<Held, String> {
    let mut command: Command = tools.command("systemd-inhibit");
    command
        .arg(format!("--what={WHAT}"))
        .args(["--who=vigie-recovery", "--mode=block", "--no-ask-password"])
        .arg(format!("--why={why}"))
        .arg("cat")
        // What a person types at the terminal does not reach it.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn();
    let mut child = child.map_err(|error| format!("systemd-inhibit: {error}"))?;
    if echoes(&mut child, limit) {
        return Ok(Held(child));
    }
    // It may wait for logind for long; nothing that it holds matters.
    drop(child.stdin.take());
    let _ = child.kill();
    let mut said = String::new();
    if let Some(errors) = child.stderr.take() {
        let _ = errors.take(4096).read_to_string(&mut said);
    }
    let _ = child.wait();
    let said = said.trim();
    Err(match said.is_empty() {
        true => format!("systemd-inhibit: no answer within {} s", limit.as_secs()),
        false => said.replace('\n', "; "),
    })
}

/// Whether cat runs: what we write comes back. It does so only once the lock is there.
fn echoes(child: &mut Child, limit: Duration) -> bool {
    let (Some(to), Some(from)) = (child.stdin.as_mut(), child.stdout.as_mut()) else {
        return false;
    };
    let Ok(limit) = Timespec::try_from(limit) else {
        return false;
    };
    let mut byte = [0];
    let written = to.write_all(b"\n").and_then(|()| to.flush());
    let polled = loop {
        let mut polled = [PollFd::new(from, PollFlags::IN)];
        match poll(&mut polled, Some(&limit)) {
            // A signal: whoever minds hears of it elsewhere.
            Err(rustix::io::Errno::INTR) => {}
            result => break result,
        }
    };
    written.is_ok() && polled == Ok(1) && matches!(from.read(&mut byte), Ok(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;
    use std::time::Instant;

    /// A shell that is systemd-inhibit: "$@" are its arguments.
    struct Shell(String);

    impl Toolbox for Shell {
        fn command(&self, program: &str) -> Command {
            assert_eq!(program, "systemd-inhibit");
            let mut command = Command::new("/bin/sh");
            command.args(["-c", &self.0, "systemd-inhibit"]);
            command
        }
    }

    fn inhibit(folder: &Path) -> (Shell, PathBuf) {
        let lock = folder.join("lock");
        let at = lock.display();
        // Options end with the name of the program; the lock is there while that runs.
        let script = format!(
            "printf '%s\\n' \"$@\" > {at}; while [ \"${{1#--}}\" != \"$1\" ]; do shift; done; \"$@\"; rm {at}"
        );
        (Shell(script), lock)
    }

    #[test]
    fn the_lock_is_there_while_it_is_held_and_no_longer() {
        let dir = tempfile::tempdir().unwrap();
        let (shell, file) = inhibit(dir.path());
        let held = lock(&shell, "a repair", PATIENCE).unwrap();
        let asked = fs::read_to_string(&file).unwrap();
        for word in [
            "--mode=block",
            "--why=a repair",
            "handle-power-key",
            "shutdown:",
        ] {
            assert!(asked.contains(word), "{word}: {asked}");
        }
        drop(held);
        assert!(!file.exists());
    }

    #[test]
    fn a_lock_that_is_not_given_is_told_of_and_not_waited_for() {
        let refuses = "echo 'Failed to inhibit: Access denied' >&2; exit 1".to_owned();
        let error = lock(&Shell(refuses), "a repair", PATIENCE).unwrap_err();
        assert_eq!(error, "Failed to inhibit: Access denied");
        let begun = Instant::now();
        let silent = Shell("exec sleep 60".to_owned());
        let error = lock(&silent, "a repair", Duration::from_millis(200)).unwrap_err();
        assert!(error.contains("no answer"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(20));
        struct Nothing;
        impl Toolbox for Nothing {
            fn command(&self, _: &str) -> Command {
                Command::new("/no/such/systemd-inhibit")
            }
        }
        let error = lock(&Nothing, "a repair", PATIENCE).unwrap_err();
        assert!(error.contains("systemd-inhibit"), "{error}");
    }
}
