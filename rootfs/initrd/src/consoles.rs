//! What is said, and where: progress to the kernel log, with the time since
//! this program started; what a person must read to every console.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::sync::{LazyLock, OnceLock};
use std::time::Instant;

const NAME: &str = "vigie-initrd";

static START: LazyLock<Instant> = LazyLock::new(Instant::now);
static KERNEL_LOG: OnceLock<File> = OnceLock::new();

/// Opens the kernel log and puts the standard streams on the console.
pub fn open() {
    LazyLock::force(&START);
    // Otherwise the kernel drops all but ten lines in five seconds.
    let _ = fs::write("/proc/sys/kernel/printk_devkmsg", "on\n");
    if let Ok(file) = OpenOptions::new().write(true).open("/dev/kmsg") {
        let _ = KERNEL_LOG.set(file);
    }
    if let Ok(console) = OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/console")
    {
        let _ = rustix::stdio::dup2_stdin(&console);
        let _ = rustix::stdio::dup2_stdout(&console);
        let _ = rustix::stdio::dup2_stderr(&console);
    }
}

/// A line of progress.
pub fn note(text: impl Display) {
    log(6, &text.to_string());
}

/// A line about something that is wrong but does not end the boot.
pub fn warn(text: impl Display) {
    log(4, &text.to_string());
}

/// Shows a text on every active console, as it stands. The kernel log is not
/// the way: it shows no accents, and `quiet` hides it.
pub fn show(text: &str) {
    let active = fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    let mut shown = false;
    for name in active.split_whitespace() {
        shown |= write_to(&format!("/dev/{name}"), text);
    }
    if !shown {
        write_to("/dev/console", text);
    }
}

/// Shows one line in both languages on every console.
pub fn tell(english: &str, french: &str) {
    note(english);
    show(&format!("Vigie: {english}\r\nVigie : {french}\r\n"));
}

fn write_to(path: &str, text: &str) -> bool {
    let file = OpenOptions::new().write(true).open(path);
    file.is_ok_and(|mut file| file.write_all(text.as_bytes()).is_ok())
}

fn log(level: u8, text: &str) {
    let Some(mut file) = KERNEL_LOG.get() else {
        return;
    };
    let ms = START.elapsed().as_millis();
    // One record a write, and a record is one line.
    let line = format!("<{level}>{NAME}: +{ms} ms {}", text.replace('\n', "; "));
    let _ = file.write_all(line.as_bytes());
}
