//! Asks a server what it has for this machine, and fetches it.
//!
//! | module | is |
//! |---|---|
//! | [`http`] | HTTPS and nothing else |
//! | [`part`] | a package that is half there: only chunks that were checked |
//! | [`fetch`] | the rest of it |
//! | [`store`] | the folder, and what is remembered in it |
//! | [`plain`] | the signed index of a plain web server |
//! | [`hawkbit`] | a fleet server that speaks hawkBit's device API |
//!
//! It runs as an account of its own that may do nothing but this: what it leaves is authenticated
//! again by whoever installs it.

pub mod fetch;
pub mod hawkbit;
pub mod http;
pub mod part;
pub mod plain;
pub mod store;

use std::time::{SystemTime, UNIX_EPOCH};

use vigie_settings::Update;
use vigie_update::apply::authenticate;
use vigie_update::package::Keyring;
use vigie_update::package::envelope::Envelope;
use vigie_update::pulled::{Answer, Report};
use vigie_update::situation::Situation;

use http::{Client, Trouble};
use store::Store;

/// What a run needs to know.
#[derive(Debug)]
pub struct Pull<'a> {
    /// What the settings say.
    pub settings: &'a Update,
    /// How it stands with this machine.
    pub situation: &'a Situation,
    /// Whose packages it takes.
    pub keys: &'a Keyring,
    /// Its own folder.
    pub store: &'a Store,
    /// How it speaks to the server.
    pub client: &'a Client,
    /// Whether a package that is offered is fetched.
    pub fetch: bool,
}

/// Asks the server of the settings, and fetches what it has where that is wanted.
///
/// # Errors
/// What keeps it from asking or fetching.
pub fn run(pull: &Pull<'_>) -> Result<Report, Trouble> {
    tidy(pull)?;
    match &pull.settings.hawkbit {
        Some(hawkbit) => hawkbit::run(pull, hawkbit),
        None => plain::run(pull),
    }
}

/// Removes what was installed in the meantime, or overtaken, which only takes room; and what came
/// from a server of another kind, before the settings named this one.
fn tidy(pull: &Pull<'_>) -> Result<(), Trouble> {
    let reached = pull.situation.reached.max(pull.situation.machine.version);
    let overtaken = |envelope: &Envelope| {
        let opened = authenticate(envelope, pull.keys);
        opened.is_ok_and(|opened| opened.header.version <= reached)
    };
    for name in [plain::PACKAGES, hawkbit::PACKAGES] {
        let removed = pull.store.packages(name)?.remove_where(&overtaken);
        removed.map_err(|error| {
            Trouble::disk(
                ("removing an old package", "suppression d'un vieux paquet"),
                &error,
            )
        })?;
    }
    let other = match pull.settings.hawkbit {
        Some(_) => plain::PACKAGES,
        None => hawkbit::PACKAGES,
    };
    let cleared = pull.store.packages(other)?.clear();
    let doing = (
        "removing another server's package",
        "suppression du paquet d'un autre serveur",
    );
    cleared.map_err(|error| Trouble::disk(doing, &error))
}

/// Seconds since 1970, by this machine's clock.
#[must_use]
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// A report of now.
#[must_use]
pub fn report(answer: Answer) -> Report {
    Report {
        time: now(),
        answer,
        version: None,
        made: None,
        reason: None,
        reason_fr: None,
    }
}
