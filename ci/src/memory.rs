//! How much memory a process has (proc_pid_status(5)): RSS, so what it shares with others is counted in full.

use anyhow::{Context as _, Result};
use vigie_disk::Bytes;

/// What it has now.
///
/// # Errors
/// It has ended.
pub fn now(process: u32) -> Result<Bytes> {
    field(process, "VmRSS:")
}

/// The most that it had at once.
///
/// # Errors
/// It has ended.
pub fn most(process: u32) -> Result<Bytes> {
    field(process, "VmHWM:")
}

fn field(process: u32, name: &str) -> Result<Bytes> {
    let path = format!("/proc/{process}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    of(&status, name).with_context(|| format!("no {name} in {path}"))
}

fn of(status: &str, name: &str) -> Option<Bytes> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(Bytes::new(kib * 1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_process() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(of(status, "VmRSS:"), Some(Bytes::new(1 << 20)));
        assert_eq!(of(status, "VmHWM:"), Some(Bytes::new(2 << 20)));
        assert_eq!(of("Name:\tkthreadd\n", "VmRSS:"), None);
        let own = std::process::id();
        assert!(most(own).unwrap() >= now(own).unwrap());
        assert!(now(0).is_err());
    }
}
