//! What is kept of a machine that did not do what was waited for.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use super::Vm;
use super::wires::stamped;

/// Console lines that a failure shows.
const SHOWN: usize = 60;

impl Vm {
    /// An error with the console's last lines, a screenshot and the paths of the logs.
    pub fn failure(&self, words: impl Into<String>) -> anyhow::Error {
        let screenshot = match self.screenshot("failure") {
            Ok(path) => path.display().to_string(),
            Err(error) => format!("none ({error:#})"),
        };
        let processors = match self.note_processors() {
            Ok(path) => path.display().to_string(),
            Err(error) => format!("none ({error:#})"),
        };
        let lines = self.record.lock().tail(SHOWN);
        let lines: String = lines
            .iter()
            .map(|line| format!("\n  {}", stamped(line)))
            .collect();
        let firmware = last_line(&self.folder.join("firmware.log"));
        anyhow!(
            "{}: {}\nfirmware:     {firmware}\nscreenshot:   {screenshot}\nconsole log:  {}\nQEMU's log:   {}\n\
             processors:   {processors}\nlast console lines:{}",
            self.name,
            words.into(),
            self.console_log().display(),
            self.folder.join("qemu.log").display(),
            if lines.is_empty() { " none" } else { &lines }
        )
    }

    /// Writes down what each processor was doing, and which interrupts it has not served: a guest
    /// that stands still is told from an emulator that lost its timer only by this.
    fn note_processors(&self) -> Result<PathBuf> {
        let path = self.folder.join("processors.log");
        let mut text = self.monitor("info registers -a")?;
        for processor in 0..self.cpus {
            text += &self.monitor(&format!("info lapic {processor}"))?;
        }
        std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }
}

/// What SeaBIOS said last; other firmware writes to the console.
fn last_line(log: &Path) -> String {
    let log = std::fs::read(log).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let last = log.lines().rfind(|line| !line.trim().is_empty());
    last.unwrap_or("no log of its own").to_owned()
}
