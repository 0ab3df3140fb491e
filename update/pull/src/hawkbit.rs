//! A fleet server that speaks hawkBit's Direct Device Integration API, version 1
//! (<https://eclipse.dev/hawkbit/apis/ddi_api/>).
//!
//! An action is closed with success only when the version that it brought was marked good, and with
//! failure when it came back, or when no package of it could be installed; until then it proceeds, also
//! where a download broke. What the server says of a package is not believed: which it is and whether it fits is what
//! its own head says. What it says of the time is: nothing is installed without a person until it
//! consents ([`Consent`]).

mod action;
mod cancel;
mod messages;

use std::io::BufReader;
use std::str::FromStr;

use reqwest::Url;
use serde::{Deserialize, Serialize};
use vigie_settings::{Hawkbit, Language, Said, TokenKind};
use vigie_update::apply::authenticate;
use vigie_update::index::choose::{Before, Choice, choose};
use vigie_update::index::{Entry, FileName, Index};
use vigie_update::package::envelope::Envelope;
use vigie_update::policy::Refusal;
use vigie_update::pulled::{Answer, CONSENT, Consent, Report};

use crate::fetch::{Wanted, fetch};
use crate::http::{Trouble, is_same_server};
use crate::part::{Head, read_head};
use crate::store::Store;
use crate::{Pull, now, plain, report};
use action::{Action, fate, has_failed, instead, is_settled, last_fate};
use messages::{Base, Deployment, Feedback, Leave, attributes};

/// Its folder of packages.
pub const PACKAGES: &str = "fleet";
const ACTION: &str = "action.json";
const POLL: &str = "poll.json";
/// Longest answer, in bytes.
const ANSWER_MAX: usize = 256 << 10;
/// Packages of one action that are looked at.
const ARTIFACTS_MAX: usize = 16;
/// What is kept to of the pause that the server asks for, in seconds.
const SLEEP: std::ops::RangeInclusive<u64> = 30..=24 * 3600;
/// The longest pause while an action is open, and the pause where the server asks for none.
const OPEN: u64 = 300;
/// How long a maintenance window is taken to be open once the server has said so, in seconds: two
/// questions.
const WINDOW: u64 = 2 * OPEN;
const HAL: &str = "application/hal+json, application/json";

/// A package, and where it is.
type Offer = (Entry, Url);

/// When the server was asked, and how long it wants to be left alone, in seconds.
#[derive(Debug, Serialize, Deserialize)]
struct Poll {
    asked: u64,
    sleep: u64,
}

/// What the server is shown.
#[must_use]
pub fn authorization(hawkbit: &Hawkbit) -> String {
    let kind = match hawkbit.token_kind {
        TokenKind::Target => "TargetToken",
        TokenKind::Gateway => "GatewayToken",
    };
    format!("{kind} {}", hawkbit.token)
}

/// Whether the server wants to be asked again; while an action is open, it wants to hear of it.
/// After a clock was set back it is asked.
#[must_use]
pub fn is_due(store: &Store) -> bool {
    let poll: Option<Poll> = store.recall(POLL);
    let action: Option<Action> = store.recall(ACTION);
    let open = action.is_some_and(|action| action.is_open());
    poll.is_none_or(|poll| {
        let sleep = poll.sleep.clamp(*SLEEP.start(), *SLEEP.end());
        let sleep = if open { sleep.min(OPEN) } else { sleep };
        let since = now().checked_sub(poll.asked);
        since.is_none_or(|since| since >= sleep)
    })
}

/// Asks, tells what became of the last action, and fetches for the next.
///
/// # Errors
/// The server, or a package that could not be fetched.
pub fn run(pull: &Pull<'_>, hawkbit: &Hawkbit) -> Result<Report, Trouble> {
    let mut fleet = Fleet::new(pull, hawkbit)?;
    let base: Base = fleet.get(&fleet.base.clone())?;
    let asked = now();
    let told = fleet.work(&base);
    let told = fleet.introduce(&base, told);
    // What has failed is tried again by whoever started us, not at the server's next turn.
    let sleep = match &told {
        Ok(_) => base.sleep().unwrap_or(OPEN),
        Err(_) => 0,
    };
    pull.store.note(POLL, &Poll { asked, sleep })?;
    told
}

struct Fleet<'a> {
    pull: &'a Pull<'a>,
    base: Url,
    action: Action,
}

impl<'a> Fleet<'a> {
    fn new(pull: &'a Pull<'a>, hawkbit: &Hawkbit) -> Result<Self, Trouble> {
        let controller = match (&hawkbit.controller, &pull.situation.serial) {
            (Some(controller), _) => controller.to_string(),
            (None, Some(serial)) => serial.clone(),
            (None, None) => {
                return Err(Trouble::lasting(
                    "this machine has no serial number; give [update.hawkbit] controller",
                    "cette machine n'a pas de numéro de série ; donnez [update.hawkbit] controller",
                ));
            }
        };
        let wrong = |why: &str| {
            let url = &hawkbit.url;
            Trouble::lasting(
                format!("{url}: {why}"),
                format!("{url} n'est pas l'adresse d'un serveur ({why})"),
            )
        };
        let url: Url = hawkbit
            .url
            .as_str()
            .parse()
            .map_err(|error: <Url as FromStr>::Err| wrong(&error.to_string()))?;
        let mut base = url.clone();
        base.path_segments_mut()
            .map_err(|()| wrong("no address of a server"))?
            .pop_if_empty()
            .extend([hawkbit.tenant.as_str(), "controller", "v1", &controller]);
        let action = pull.store.recall(ACTION).unwrap_or_default();
        Ok(Self { pull, base, action })
    }

    fn work(&mut self, base: &Base) -> Result<Report, Trouble> {
        // As long as the server wants the action, another package may take a failed one's place.
        let wanted = base.cancel().is_none() && base.deployment().is_some();
        let goes_on = wanted && has_failed(&self.action, self.pull.situation);
        let later;
        // What it said before it was told that an action has ended may still name that action, whose
        // order is gone by now.
        let base = if !goes_on && self.tell_fate()? {
            later = self.get(&self.base.clone())?;
            &later
        } else {
            base
        };
        if let Some(link) = base.cancel() {
            self.pull.store.forget(CONSENT)?;
            return self.cancel(link);
        }
        if let Some(link) = base.deployment() {
            return self.deploy(link);
        }
        // What the server does not want any more is not installed without a person.
        self.pull.store.forget(CONSENT)?;
        Ok(report(if base.waits_for_confirmation() {
            Answer::Unconfirmed
        } else {
            Answer::UpToDate
        }))
    }

    /// Tells the server what this machine is, where it asks. That hinders no update.
    fn introduce(&self, base: &Base, told: Result<Report, Trouble>) -> Result<Report, Trouble> {
        let Some(link) = base.config_data() else {
            return told;
        };
        let given = self.own(link).and_then(|url| {
            let what = attributes(self.pull.situation);
            self.pull.client.put(&url, what)
        });
        let mut told = told?;
        if let (Err(trouble), None) = (given, &told.reason) {
            told = told.because(
                format!("telling it what this machine is: {trouble}"),
                format!("lui dire ce qu'est cette machine : {}", trouble.french),
            );
        }
        Ok(told)
    }

    fn get<T: serde::de::DeserializeOwned>(&self, url: &Url) -> Result<T, Trouble> {
        let bytes = self.pull.client.short(url, ANSWER_MAX, HAL)?;
        serde_json::from_slice(&bytes).map_err(|error| {
            let path = url.path();
            Trouble::passing(
                format!("{path} says what is not understood: {error}"),
                format!("{path} dit ce qui ne se comprend pas : {error}"),
            )
        })
    }

    /// An address that the server names, where it is on the server itself.
    fn own(&self, link: &str) -> Result<Url, Trouble> {
        let url = self.base.join(link).ok();
        url.filter(|url| is_same_server(&self.base, url))
            .ok_or_else(|| {
                Trouble::lasting(
                    "the fleet server names an address that is not its own; it must be \
                              reached by HTTPS under the one name of the settings",
                    "le serveur de flotte nomme une adresse qui n'est pas la sienne ; il doit être \
                     joint par HTTPS sous le seul nom des réglages",
                )
            })
    }

    /// Tells the server something of an action, once.
    fn tell(&mut self, feedback: Feedback) -> Result<(), Trouble> {
        if self.action.told.as_ref() == Some(&feedback) {
            return Ok(());
        }
        if !self.post("deploymentBase", &self.action.id, &feedback)? {
            // It was closed or removed there: nobody will ever take it.
            self.action.package = None;
        }
        self.action.told = Some(feedback);
        self.pull.store.note(ACTION, &self.action)
    }

    /// Sends a feedback; answers whether there still is somebody to take it.
    fn post(&self, resource: &str, id: &str, feedback: &Feedback) -> Result<bool, Trouble> {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend([resource, id, "feedback"]);
        }
        let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S").to_string();
        self.pull.client.tell(&url, feedback.json(id, &time))
    }

    /// Tells the server what keeps an action from going on for now. What keeps us from telling is
    /// most often the same trouble: the caller has it either way.
    fn told_of(&mut self, trouble: Trouble) -> Trouble {
        let _ = self.tell(Feedback::proceeding(&trouble.text));
        trouble
    }

    /// Tells what became of the package that was fetched for the action; answers whether that has
    /// ended it just now.
    fn tell_fate(&mut self) -> Result<bool, Trouble> {
        match fate(&self.action, self.pull.situation) {
            Some(feedback) if self.action.is_open() => {
                let ended = feedback.is_closed();
                self.tell(feedback)?;
                Ok(ended)
            }
            _ => Ok(false),
        }
    }

    fn deploy(&mut self, link: &str) -> Result<Report, Trouble> {
        let deployment: Deployment = self.get(&self.own(link)?)?;
        if self.action.id != deployment.id {
            self.tell_fate()?;
            self.action = Action {
                id: deployment.id.clone(),
                ..Action::default()
            };
        }
        // What was told is not told again: a server keeps only so many messages of an action.
        let settled = is_settled(&self.action, self.pull.situation);
        if settled || self.action.told.as_ref().is_some_and(Feedback::is_closed) {
            return Ok(report(Answer::UpToDate));
        }
        self.action.answered = None;
        if has_failed(&self.action, self.pull.situation) {
            self.action.failed.extend(self.action.package.clone());
        }
        let offers = self.offers(&deployment);
        let (offers, reason) = offers.map_err(|trouble| self.told_of(trouble))?;
        if offers.is_empty() {
            let none = report(Answer::Refused).because(
                "it holds no update package (.tgz)",
                "elle ne contient aucun paquet de mise à jour (.tgz)",
            );
            let told = match reason {
                Some(why) => {
                    report(Answer::Refused).because(why.to(Language::En), why.to(Language::Fr))
                }
                None => none,
            };
            self.tell(Feedback::failure(
                told.reason.as_deref().unwrap_or_default(),
            ))?;
            return Ok(told);
        }
        self.choose(&deployment, &offers)
    }

    fn choose(&mut self, deployment: &Deployment, offers: &[Offer]) -> Result<Report, Trouble> {
        let situation = self.pull.situation;
        let index = self.index(offers);
        let before = Before {
            came_back: situation.not_again.clone(),
            // What failed before the action says nothing of it.
            failed: self.action.failed.clone(),
        };
        match choose(&index, &situation.machine, &situation.standing(), &before) {
            Choice::Take(entry) => {
                if let Some(feedback) = instead(&self.action, situation) {
                    self.tell(feedback)?;
                }
                self.take(deployment, entry, offers)
            }
            Choice::Failed(entry) => {
                self.tell_fate()?;
                let why = plain::failed(entry, situation);
                Ok(plain::refused(entry).because(why.english, why.french))
            }
            Choice::Refused(entry, refusal @ Refusal::Waiting { .. }) => {
                let waits = Feedback::proceeding(&refusal.to_string());
                self.tell(waits)?;
                Ok(plain::refused(entry).because(refusal.to_string(), refusal.french()))
            }
            Choice::Refused(entry, refusal) => {
                let reason = refusal.to_string();
                self.tell(Feedback::failure(&reason))?;
                Ok(plain::refused(entry).because(reason, refusal.french()))
            }
            Choice::CameBack(entry) => {
                let reason = "this version was installed here and came back, or was taken back";
                self.tell(Feedback::failure(reason))?;
                let french = "cette version a été installée ici et a été abandonnée ou annulée";
                Ok(plain::refused(entry).because(reason, french))
            }
            Choice::Nothing => self.nothing_newer(offers),
        }
    }

    /// What there is to choose from. In the place of a package that failed comes one of the same
    /// version: with another the action would not be done.
    fn index(&self, offers: &[Offer]) -> Index {
        let machine = &self.pull.situation.machine;
        let mut packages: Vec<Entry> = offers.iter().map(|(entry, _)| entry.clone()).collect();
        let failed = packages
            .iter()
            .find(|entry| self.action.failed.contains(&entry.id));
        if let Some(version) = failed.map(|entry| entry.version) {
            packages.retain(|entry| entry.version == version);
        }
        Index {
            product: machine.product.clone(),
            arch: machine.arch.clone(),
            made: 0,
            serial: 0,
            packages,
        }
    }

    fn nothing_newer(&mut self, offers: &[Offer]) -> Result<Report, Trouble> {
        let situation = self.pull.situation;
        let running = situation.machine.version;
        let runs = offers.iter().any(|(entry, _)| entry.version == running);
        let feedback = if !runs {
            Feedback::failure("this machine has already reached a version that is not lower")
        } else if situation.reached >= running {
            Feedback::success("this version runs here and was found good")
        } else {
            Feedback::proceeding("this version runs here and is not confirmed yet")
        };
        self.tell(feedback)?;
        Ok(report(Answer::UpToDate))
    }

    fn take(
        &mut self,
        deployment: &Deployment,
        entry: &Entry,
        offers: &[Offer],
    ) -> Result<Report, Trouble> {
        let leave = deployment.leave();
        self.consent(leave, entry)?;
        let told = |answer| {
            let told = Report {
                version: Some(entry.version),
                ..report(answer)
            };
            match leave {
                Leave::No => told.because(
                    "the server does not let it be installed yet",
                    "le serveur ne permet pas encore de l'installer",
                ),
                _ => told,
            }
        };
        if !self.pull.fetch || deployment.is_not_to_be_fetched() {
            return Ok(told(Answer::Offered));
        }
        let url = offers
            .iter()
            .find(|(one, _)| one == entry)
            .map(|(_, url)| url);
        let url = url.ok_or_else(|| {
            Trouble::passing("the offers have changed", "les paquets proposés ont changé")
        })?;
        let wanted = Wanted {
            url: url.clone(),
            name: entry.name.to_string(),
            length: entry.length,
        };
        let packages = self.pull.store.packages(PACKAGES)?;
        let (keys, situation) = (self.pull.keys, self.pull.situation);
        let accept = |envelope: &Envelope| plain::accept(envelope, &entry.id, keys, situation);
        let here = packages.has(&wanted.name, wanted.length, &accept);
        if here && self.action.package.as_ref() == Some(&entry.id) {
            return Ok(told(Answer::Fetched));
        }
        if self.action.package.as_ref() != Some(&entry.id) {
            self.tell(Feedback::download())?;
            self.action.package = Some(entry.id.clone());
            self.action.before = last_fate(&entry.id, situation).cloned();
        }
        let fetched = fetch(self.pull.client, &wanted, &packages, &packages, &accept);
        fetched.map_err(|trouble| self.told_of(trouble))?;
        self.tell(Feedback::downloaded())?;
        Ok(told(Answer::Fetched))
    }

    /// Notes whether the server lets a package be installed, for whoever installs without a person.
    fn consent(&self, leave: Leave, entry: &Entry) -> Result<(), Trouble> {
        let from = now();
        let until = match leave {
            Leave::No => return self.pull.store.forget(CONSENT),
            Leave::Always => None,
            Leave::InWindow => Some(from + WINDOW),
        };
        let package = entry.id.clone();
        let consent = Consent {
            package,
            from,
            until,
        };
        self.pull.store.note(CONSENT, &consent)
    }

    /// The packages of an action that are authentic and for this product, by their own heads; and
    /// why the others are not.
    fn offers(&self, deployment: &Deployment) -> Result<(Vec<Offer>, Option<Said>), Trouble> {
        let mut offers = Vec::new();
        let mut reasons = Vec::new();
        let artifacts = deployment.artifacts().filter_map(|artifact| {
            let name: FileName = artifact.filename.parse().ok()?;
            Some((name, artifact.size, artifact.link()?))
        });
        for (name, size, link) in artifacts.take(ARTIFACTS_MAX) {
            let url = self.own(link)?;
            match self.head(&url, name.clone(), size)? {
                Ok(entry) => offers.push((entry, url)),
                Err(why) => reasons.push((name, why)),
            }
        }
        let joined = |language, colon, between| {
            let reasons = reasons.iter();
            let reasons = reasons.map(|(name, why)| format!("{name}{colon}{}", why.to(language)));
            reasons.collect::<Vec<_>>().join(between)
        };
        let why = Said::new(
            joined(Language::En, ": ", "; "),
            joined(Language::Fr, " : ", " ; "),
        );
        Ok((offers, (!reasons.is_empty()).then_some(why)))
    }

    fn head(&self, url: &Url, name: FileName, size: u64) -> Result<Result<Entry, Said>, Trouble> {
        let answer = self.pull.client.from(url, 0, None)?;
        let envelope = match read_head(&mut BufReader::new(answer)) {
            Ok(envelope) => envelope,
            Err(Head::Broken(error)) => return Err(crate::http::broken(url, &error)),
            Err(Head::Wrong(why)) => return Ok(Err(why)),
        };
        let opened = match authenticate(&envelope, self.pull.keys) {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(Said::new(error.to_string(), error.french()))),
        };
        let (header, machine) = (&opened.header, &self.pull.situation.machine);
        if (&header.product, &header.arch) != (&machine.product, &machine.arch) {
            let ((product, arch), (own, on)) = (
                (&header.product, &header.arch),
                (&machine.product, &machine.arch),
            );
            return Ok(Err(Said::new(
                format!("it is for {product} on {arch}, this machine is a {own} on {on}"),
                format!("il est pour {product} sur {arch}, cette machine est un {own} sur {on}"),
            )));
        }
        Ok(Ok(Entry::of(header, &opened.id, size, name)))
    }
}

#[cfg(test)]
mod tests;
