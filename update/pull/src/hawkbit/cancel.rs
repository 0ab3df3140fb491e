//! The server takes an action back.

use vigie_update::pulled::{Answer, Report};

use super::action::is_installed;
use super::messages::{Cancel, Feedback};
use super::{ACTION, Fleet, PACKAGES};
use crate::http::Trouble;
use crate::report;

impl Fleet<'_> {
    /// The server takes an action back: possible until an installation of it has begun. Its package
    /// is removed first; that none was begun before is seen at the next question.
    pub(super) fn cancel(&mut self, link: &str) -> Result<Report, Trouble> {
        let cancel: Cancel = self.get(&self.own(link)?)?;
        let situation = self.pull.situation;
        let ours = cancel.stops() == self.action.id && self.action.package.is_some();
        let answered = self.action.answered.as_ref();
        let is_first = answered.is_none_or(|(id, _)| *id != cancel.id);
        let answer = if ours && is_installed(&self.action, situation) {
            Feedback::rejected("it is installed already")
        } else {
            let packages = self.pull.store.packages(PACKAGES)?;
            let removed = packages.clear();
            removed.map_err(|error| {
                Trouble::disk(("removing a package", "suppression d'un paquet"), &error)
            })?;
            if ours && (is_first || situation.busy) {
                Feedback::proceeding("the package is removed; its installation may have begun")
            } else {
                Feedback::success("taken back before it was installed")
            }
        };
        self.answer(cancel.id, answer)?;
        Ok(report(Answer::UpToDate))
    }

    /// Answers a cancellation, once.
    fn answer(&mut self, id: String, feedback: Feedback) -> Result<(), Trouble> {
        let answered = Some((id, feedback));
        if self.action.answered == answered {
            return Ok(());
        }
        if let Some((id, feedback)) = &answered {
            self.post("cancelAction", id, feedback)?;
            if feedback.is_closed() {
                self.action.package = None;
            }
        }
        self.action.answered = answered;
        self.pull.store.note(ACTION, &self.action)
    }
}
