//! The threads that take down what a machine says.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};

use super::console::{Cleaner, Line};
use super::qmp;
use super::record::Record;
use crate::process;

/// Takes down what the machine protocol says, until the machine ends.
pub(super) fn read_qmp(stream: &UnixStream, record: &Arc<Record>) -> Result<()> {
    let stream = stream.try_clone().context("sharing the QMP socket")?;
    let record = Arc::clone(record);
    std::thread::spawn(move || qmp::read_all(stream, &record));
    Ok(())
}

/// Takes down what the console says: raw, and cleaned with times.
pub(super) fn read_console(stream: &UnixStream, record: &Arc<Record>, folder: &Path) -> Result<()> {
    let stream = stream.try_clone().context("sharing the console socket")?;
    let raw = process::create(&folder.join("console.raw"))?;
    let log = process::create(&folder.join("console.log"))?;
    let record = Arc::clone(record);
    std::thread::spawn(move || {
        // A log that cannot be written (a full disk) must not stop the reading.
        if let Err(error) = copy_console(stream, &record, raw, log) {
            eprintln!("console log: {error:#}");
        }
        record.close_console();
    });
    Ok(())
}

fn copy_console(
    mut stream: UnixStream,
    record: &Record,
    mut raw: File,
    mut log: File,
) -> Result<()> {
    let mut cleaner = Cleaner::default();
    let mut buffer = [0; 4096];
    loop {
        let length = stream.read(&mut buffer).unwrap_or_default();
        let complete = if length == 0 {
            cleaner.push(b"\n")
        } else {
            cleaner.push(&buffer[..length])
        };
        let lines = record.add_lines(&complete, cleaner.partial());
        if length == 0 {
            return write_lines(&mut log, &lines);
        }
        raw.write_all(&buffer[..length])?;
        write_lines(&mut log, &lines)?;
    }
}

fn write_lines(log: &mut File, lines: &[Line]) -> Result<()> {
    for line in lines {
        writeln!(log, "{}", stamped(line))?;
    }
    Ok(())
}

/// A line with the time of its first sight.
pub(super) fn stamped(line: &Line) -> String {
    format!("[{:9.3}] {}", line.at.as_secs_f64(), line.text)
}
