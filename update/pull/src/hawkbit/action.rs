//! The action of the server that this machine works on, and what it is told of it.

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
    /// What the server was told last.
    pub told: Option<Feedback>,
}

impl Action {
    /// Whether the server still waits to hear how it ends.
    pub fn is_open(&self) -> bool {
        self.package.is_some() && !self.told.as_ref().is_some_and(Feedback::is_closed)
    }
}

/// The last thing that became of a package.
pub fn last_fate<'a>(package: &str, situation: &'a Situation) -> Option<&'a Fate> {
    let mut fates = situation.fates.iter();
    fates.find(|fate| fate.package == *package)
}

/// What became of an action's package, as the server is told it; nothing while it only lies here.
pub fn fate(action: &Action, situation: &Situation) -> Option<Feedback> {
    let fate = last_fate(action.package.as_ref()?, situation)?;
    if action.before.as_ref() == Some(fate) {
        return None;
    }
    let why = |words: &str| match &fate.reason {
        Some(reason) => format!("{words}: {reason}"),
        None => words.to_owned(),
    };
    Some(match fate.outcome {
        Outcome::Installed => Feedback::proceeding("installed; it waits for a restart"),
        Outcome::Good => Feedback::success("it has come up well"),
        Outcome::Returned => Feedback::failure(&why("it did not come up, the version before runs")),
        Outcome::Refused => Feedback::failure(&why("refused")),
        Outcome::Failed => Feedback::failure(&why("it could not be written")),
        Outcome::Rollback => Feedback::failure("a person went back to the version before"),
        Outcome::Cancelled => Feedback::failure("a person took it back before it was started"),
    })
}
