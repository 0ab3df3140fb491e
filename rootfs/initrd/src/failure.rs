//! The end of a boot that cannot go on: the message, then a shell when one was
//! asked for, else a restart. GRUB then counts a start of a version on trial, and
//! goes to the other slot when none are left; a good slot it starts again, unless
//! it was left as damaged.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::Timespec;
use rustix::system::{RebootCommand, reboot};

use vigie_initrd::trouble::{Step, Trouble};

use crate::consoles;

/// How long the message stays before the restart.
const READING_TIME: Duration = Duration::from_secs(30);
const SHELL: &str = "/bin/sh";

static DEBUG: AtomicBool = AtomicBool::new(false);

/// Whether a shell is wanted when something fails.
pub fn set_debug(wanted: bool) {
    DEBUG.store(wanted, Ordering::Relaxed);
}

/// Makes a panic end like any other failure; PID 1 must not just die.
pub fn catch_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info
            .location()
            .map_or_else(String::new, ToString::to_string);
        let message = info.payload_as_str().unwrap_or("panic");
        end(&Trouble::new(Step::Program, place, message));
    }));
}

/// Shows what happened and ends this boot.
pub fn end(trouble: &Trouble) -> ! {
    consoles::warn(trouble.line());
    consoles::show(&trouble.screen());
    if DEBUG.load(Ordering::Relaxed) && Path::new(SHELL).exists() {
        consoles::tell(
            "vigie.debug: a shell; the machine restarts when it ends",
            "vigie.debug : un shell ; la machine redémarre à la fin",
        );
        let _ = Command::new(SHELL).status();
    } else {
        let seconds = READING_TIME.as_secs();
        consoles::tell(
            &format!("the machine restarts in {seconds} seconds"),
            &format!("la machine redémarre dans {seconds} secondes"),
        );
        wait(READING_TIME);
    }
    rustix::fs::sync();
    loop {
        let _ = reboot(RebootCommand::Restart);
        wait(READING_TIME);
    }
}

fn wait(time: Duration) {
    let time = Timespec::try_from(time).ok();
    let _ = rustix::event::poll(&mut [], time.as_ref());
}
