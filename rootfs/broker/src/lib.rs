//! The broker: what services without privileges have done by root, each verb for those whose role
//! allows it.
//!
//! systemd listens on `/run/vigie/broker.sock` and starts one process a connection. A line of JSON
//! comes in ([`verb::Envelope`]), lines of JSON go out, the last one `{"event":"end","ok":…}`.
//!
//! The road of a request, one module a step: [`peer`] (who the kernel says asks) → [`verb`] (what is
//! asked, and which role it takes) → [`session`] and [`users`] (who that is, and their role now) →
//! [`serve`] (judges, has it done by a [`machine::Machine`], answers) → [`audit`] (who, from where,
//! what, and what became of it). [`people`] is how the users of the settings are changed, [`setup`] how
//! the first of them comes to be.
//!
//! Invariants:
//! 1. The verbs are those of one enumeration; what is not one of them is refused unread.
//! 2. A role is judged here, of a session that was begun here; whoever asks is believed nothing but
//!    the address that they speak for.
//! 3. A change that somebody has asked for is in the audit trail, also where it was refused or has failed;
//!    no secret ever is.

pub mod audit;
pub mod bundle;
pub mod elsewhere;
pub mod failure;
pub mod going;
pub mod journal;
pub mod keeping;
pub mod login;
pub mod machine;
pub mod peer;
pub mod people;
pub mod running;
pub mod secret;
pub mod serve;
pub mod session;
pub mod setup;
pub mod users;
pub mod verb;
