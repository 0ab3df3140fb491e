//! Rescue access: root over SSH from the medium, for whoever helps by telephone. Off until a person
//! at the machine asks for it; open for one log-in and for a limited time.
//!
//! ```text
//! vigie-recovery rescue ── holds a lock, shows a password made for this ──> person ──> helper
//!        │ drop-in: sshd asks PAM as "vigie-rescue"                                      │ ssh root@…
//!        └─ closes: drop-in gone, sshd anew, sessions ended       sshd ── PAM ── vigie-recovery door
//! ```
//!
//! The password stands in no file, log or argument; its hash alone is in a folder of root's in memory,
//! and never in /etc/shadow: it opens nothing but this door, and there is nothing to take back there.
//!
//! Invariants:
//! 1. The [`door`] opens only while the program that a person sees holds its lock: killed, or the
//!    machine's time run out, it opens nothing, whatever files are left.
//! 2. It opens once. Who comes in is written down by linking a file to a name that must not exist:
//!    of several who know the password, one has the link. This happens within authentication, before
//!    sshd gives a session, where /etc/ssh/sshrc comes after it, and not at all for `ssh -N`.
//! 3. Whatever [`access`] could not undo when it closes is told; the hash goes first.

pub mod access;
pub mod command;
pub mod door;
pub mod live;
pub mod network;
pub mod password;

use rustix::time::{ClockId, clock_gettime};

/// Seconds since the start of the machine: nobody sets this clock.
#[must_use]
pub fn now() -> u64 {
    u64::try_from(clock_gettime(ClockId::Boottime).tv_sec).unwrap_or_default()
}
