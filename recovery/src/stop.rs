//! A person who asks to stop, by Ctrl-C for example. While a volume is mounted the signal ends
//! nothing: what is begun comes to its end, and the volume is unmounted. Only what takes long and may
//! be left off asks whether it should.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

static ASKED: LazyLock<Arc<AtomicBool>> = LazyLock::new(|| {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        if let Err(error) = signal_hook::flag::register(signal, Arc::clone(&asked)) {
            eprintln!("vigie-recovery: waiting for signals: {error}");
        }
    }
    asked
});

/// From now on signals are heard and end nothing.
pub(crate) fn hold_off() {
    LazyLock::force(&ASKED);
}

/// Whether a person has asked to stop since.
pub(crate) fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
