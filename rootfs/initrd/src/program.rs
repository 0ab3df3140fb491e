//! Runs another program: bounded in time, its output caught and copied to the
//! kernel log as it comes.

use std::io::{self, PipeReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::consoles::note;

/// What came of a run.
pub struct Outcome {
    /// The exit code; None where it was killed.
    pub exit: Option<i32>,
    /// What it printed, both streams.
    pub output: String,
}

/// Runs the program to its end; without a limit it may take any time.
pub fn run(path: &str, args: &[&str], limit: Option<Duration>) -> io::Result<Outcome> {
    run_watched(path, args, limit, &mut |_| ())
}

/// The same; `line` hears each line that it prints.
pub fn run_watched(
    path: &str,
    args: &[&str],
    limit: Option<Duration>,
    line: &mut dyn FnMut(&str),
) -> io::Result<Outcome> {
    let name = path.rsplit('/').next().unwrap_or(path);
    note(format_args!("{name} {}", args.join(" ")));
    let (mut reader, writer) = io::pipe()?;
    let mut command = Command::new(path);
    command.args(args).stdin(Stdio::null());
    command.stdout(writer.try_clone()?).stderr(writer);
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let mut child = command.spawn()?;
    // It holds the other end of the pipe.
    drop(command);
    let output = copy_output(name, &mut reader, &mut child, limit, line)?;
    let exit = child.wait()?.code();
    note(format_args!("{name} ended with {exit:?}"));
    Ok(Outcome { exit, output })
}

fn copy_output(
    name: &str,
    reader: &mut PipeReader,
    child: &mut Child,
    limit: Option<Duration>,
    line: &mut dyn FnMut(&str),
) -> io::Result<String> {
    let start = Instant::now();
    let mut output = Vec::new();
    let mut shown = 0;
    let mut chunk = [0; 4096];
    loop {
        let left = limit.map(|limit| limit.saturating_sub(start.elapsed()));
        if !wait_readable(reader, left)? {
            child.kill()?;
            output.extend_from_slice(b"\nstopped: it took too long\n");
            break;
        }
        match reader.read(&mut chunk)? {
            0 => break,
            len => output.extend_from_slice(&chunk[..len]),
        }
        shown = show_lines(name, &output, shown, line);
    }
    Ok(String::from_utf8_lossy(&output).into_owned())
}

/// Logs the whole lines from `shown` on; gives where the next one begins.
fn show_lines(name: &str, output: &[u8], shown: usize, told: &mut dyn FnMut(&str)) -> usize {
    let new = &output[shown..];
    let Some(end) = new.iter().rposition(|b| *b == b'\n') else {
        return shown;
    };
    for line in String::from_utf8_lossy(&new[..end]).lines() {
        note(format_args!("{name}: {line}"));
        told(line);
    }
    shown + end + 1
}

/// Whether something came within the time, be it the end.
fn wait_readable(reader: &PipeReader, limit: Option<Duration>) -> io::Result<bool> {
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    loop {
        let mut fds = [PollFd::new(reader, PollFlags::IN)];
        match poll(&mut fds, limit.as_ref()) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
