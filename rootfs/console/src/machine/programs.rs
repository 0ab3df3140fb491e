//! Programs that the menus start.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use vigie_prompt::raw::Lent;

/// Runs a program on this terminal; whether it went well. Ctrl-C ends that program alone.
pub fn run(program: &[&str]) -> anyhow::Result<bool> {
    // A program that was killed may leave the terminal raw: this menu could not be typed into.
    let stdin = io::stdin();
    let modes = tcgetattr(&stdin);
    let _lent = Lent::begin();
    let status = command(program)?
        .status()
        .with_context(|| format!("starting {}", program.join(" ")));
    if let Ok(modes) = modes {
        let _ = tcsetattr(&stdin, OptionalActions::Now, &modes);
    }
    Ok(status?.success())
}

/// What a program prints.
pub fn output(program: &[&str]) -> anyhow::Result<String> {
    let output = command(program)?
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {}", program.join(" ")))?;
    if !output.status.success() {
        bail!(
            "{}: {}",
            program.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The menu on a serial line runs as `dumb`, so that systemd sends it no escape sequences; what is
/// started from it may use what every serial terminal understands.
pub fn terminal_type() -> String {
    match std::env::var("TERM") {
        Ok(name) if !name.is_empty() && name != "dumb" => name,
        _ => "vt220".to_owned(),
    }
}

fn command(program: &[&str]) -> anyhow::Result<Command> {
    let (name, arguments) = program.split_first().context("no program was named")?;
    let mut command = Command::new(name);
    command.args(arguments);
    command.env("TERM", terminal_type());
    // A service has no home; a shell wants one.
    command
        .env("HOME", "/root")
        .env("USER", "root")
        .env("LOGNAME", "root");
    if Path::new("/root").is_dir() {
        command.current_dir("/root");
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ctrl-C goes to all that the terminal has: the program and this one.
    #[test]
    fn a_key_that_ends_the_program_does_not_end_the_menu() {
        let keys = "kill -INT $PPID; kill -INT $$";
        let ran = run(&["/bin/sh", "-c", keys]).expect("started");
        assert!(!ran, "it was ended by the key");
        assert!(run(&["/bin/sh", "-c", "exit 0"]).expect("started"));
    }
}
