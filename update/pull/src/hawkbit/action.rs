//! The action of the server that this machine works on, and what it is told of it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use vigie_update::history::Outcome;
use vigie_update::situation::{Fate, Situation};

use super::messages::Feedback;

/// The action that this machine works on, or did last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// The server's id of it.
    pub id: String,
    /// SHA-256 of the signed header of the package that was fetched for it.
    pub package: Option<String>,
    /// What had become of that package before: it says nothing of this action.
    pub before: Option<Fate>,
    /// Packages of it that were tried and could not be installed.
    #[serde(default)]
    pub failed: BTreeSet<String>,
    /// What the server was told last.
    pub told: Option<Feedback>,
    /// The cancellation that was answered last, by its id, and the answer.
    #[serde(default)]
    pub answered: Option<(String, Feedback)>,
}

impl Action {
    /// Whether the server still waits to hear how it ends.
    pub fn is_open(&self) -> bool {
        self.package.is_some() && !self.told.as_ref().is_some_and(Feedback::is_closed)
    }
}

/// What became of an action's package since it was fetched.
fn news<'a>(action: &Action, situation: &'a Situation) -> Option<&'a Fate> {
    let fate = last_fate(action.package.as_ref()?, situation)?;
    let at = |fate: &Fate| (fate.time, fate.outcome);
    (action.before.as_ref().map(at) != Some(at(fate))).then_some(fate)
}

/// Whether nothing more is to be done for an action: of one that failed another package may be left.
pub fn is_settled(action: &Action, situation: &Situation) -> bool {
    news(action, situation).is_some_and(|fate| !fate.again && !fate.has_failed())
}

/// Whether an action's package could not be installed, and is not tried again.
pub fn has_failed(action: &Action, situation: &Situation) -> bool {
    news(action, situation).is_some_and(Fate::has_failed)
}

/// What the server is told where another package of the action takes the place of one that failed.
pub fn instead(action: &Action, situation: &Situation) -> Option<Feedback> {
    let fate = news(action, situation).filter(|fate| fate.has_failed())?;
    let words = because("a package could not be installed", fate);
    Some(Feedback::proceeding(&format!(
        "{words}; another one of its version is taken"
    )))
}

fn because(words: &str, fate: &Fate) -> String {
    match &fate.reason {
        Some(reason) => format!("{words}: {reason}"),
        None => words.to_owned(),
    }
}

/// Whether an action's package is in its slot.
pub fn is_installed(action: &Action, situation: &Situation) -> bool {
    let news = news(action, situation);
    news.is_some_and(|fate| matches!(fate.outcome, Outcome::Installed | Outcome::Good))
}

/// The last thing that became of a package.
pub fn last_fate<'a>(package: &str, situation: &'a Situation) -> Option<&'a Fate> {
    let mut fates = situation.fates.iter();
    fates.find(|fate| fate.package == *package)
}

/// What became of an action's package, as the server is told it; nothing while it only lies here.
pub fn fate(action: &Action, situation: &Situation) -> Option<Feedback> {
    let fate = news(action, situation)?;
    let why = |words: &str| because(words, fate);
    if fate.again {
        let words = "it could not be installed, which is tried again";
        return Some(Feedback::proceeding(&why(words)));
    }
    Some(match fate.outcome {
        Outcome::Installed => Feedback::proceeding("installed; it waits for a restart"),
        Outcome::Good => Feedback::success("it has come up well"),
        Outcome::Returned => Feedback::failure(&why("it did not come up, the version before runs")),
        Outcome::Refused => Feedback::failure(&why("refused")),
        Outcome::Failed => Feedback::failure(&why("it failed")),
        Outcome::Rollback => Feedback::failure("a person went back to the version before"),
        Outcome::Cancelled => Feedback::failure("a person took it back before it was started"),
    })
}
