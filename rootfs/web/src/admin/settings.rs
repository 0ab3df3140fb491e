//! The settings: shown, checked while somebody types, saved, put on trial, restored.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::users::refusal;
use super::who::{Administrator, Fields, LoggedIn, Sent, Who};
use super::{Admin, certificate};
use crate::failure::{Failure, warnings};
use crate::fields::{Section, section};
use crate::public::rendered;
use crate::settings_page::{
    DiffPage, Generation, HistoryPage, Problem, SettingsPage, TrialPage, value,
};
use crate::words::settings::SettingsWords;

pub fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/settings", get(page).post(save))
        .route("/settings/check", post(check))
        .route("/settings/trial", get(trial))
        .route("/settings/confirm", post(confirm))
        .route("/settings/revert", post(revert))
        .route("/settings/history", get(history))
        .route("/settings/history/{number}", get(diff))
        .route("/settings/restore", post(restore))
        .merge(certificate::routes())
}

/// The settings in use, and which generation they are.
pub async fn in_use(admin: &Admin, who: &LoggedIn) -> Result<(Value, Option<u64>), Failure> {
    let ask = json!({"verb": "settings-get"});
    let mut event = admin.broker.event(who.speaker(), &ask, "settings").await?;
    let generation = event["generation"].as_u64();
    Ok((event["settings"].take(), generation))
}

/// What came of a change.
pub enum Outcome {
    Saved(Saved),
    /// Nothing was saved; with problems where the values are wrong.
    Not(Failure, Vec<Problem>),
}

/// A change that is in force.
pub struct Saved {
    trial: Option<Trial>,
    /// Fields that take effect at the next start.
    after_restart: Vec<String>,
    /// What somebody must know of it all the same.
    warning: Option<String>,
}

/// Asks for a change of the settings.
pub async fn change(admin: &Admin, who: &LoggedIn, ask: &Value) -> Outcome {
    let mut events = Vec::new();
    let tell = |event| events.push(event);
    let outcome = admin.broker.ask(who.speaker(), ask, tell).await;
    if let Err(why) = outcome {
        return Outcome::Not(why, problems(&events, who));
    }
    let saved = events.iter().find(|event| event["event"] == "saved");
    let saved = saved.cloned().unwrap_or_default();
    let fields = saved["after_restart"].as_array().into_iter().flatten();
    Outcome::Saved(Saved {
        trial: Trial::of(&saved["trial"], &saved["address"]),
        after_restart: fields
            .filter_map(|field| field.as_str().map(str::to_owned))
            .collect(),
        warning: warnings(&events, who.language),
    })
}

fn problems(events: &[Value], who: &LoggedIn) -> Vec<Problem> {
    let problems = events.iter();
    problems
        .filter_map(|event| Problem::of(event, who.language))
        .collect()
}

/// What a page of settings says beside the settings.
#[derive(Default)]
struct Told<'a> {
    typed: Option<(&'static str, &'a Fields)>,
    problems: Vec<Problem>,
    why: Option<(StatusCode, String)>,
    done: Option<String>,
}

/// What was done before.
#[derive(Default, Deserialize)]
struct Done {
    done: Option<String>,
}

/// `GET /settings`
async fn page(
    State(admin): State<Arc<Admin>>,
    who: Who<Administrator>,
    Query(done): Query<Done>,
) -> Response {
    let w = SettingsWords::of(who.language);
    let words = match done.done.as_deref() {
        Some("confirmed") => Some(w.confirmed),
        Some("reverted") => Some(w.reverted),
        Some("nothing") => Some(w.nothing),
        Some(_) => Some(w.saved),
        None => None,
    };
    let told = Told {
        done: words.map(str::to_owned),
        ..Told::default()
    };
    show(&admin, &who, told).await
}

async fn show(admin: &Admin, who: &LoggedIn, told: Told<'_>) -> Response {
    let (in_use, silent) = match in_use(admin, who).await {
        Ok(in_use) => (in_use, None),
        Err(why) => {
            let told = (refusal(&why), why.text(who.language).to_owned());
            ((Value::Null, None), Some(told))
        }
    };
    let why = told.why.or(silent);
    let w = SettingsWords::of(who.language);
    let page = SettingsPage {
        frame: who.frame(admin, "/settings", w.title),
        w,
        settings: &in_use.0,
        generation: in_use.1,
        typed: told.typed,
        problems: &told.problems,
        why: why.as_ref().map(|(_, why)| why.as_str()),
        done: told.done.as_deref(),
    };
    let status = why.as_ref().map_or(StatusCode::OK, |(status, _)| *status);
    (status, rendered(&page, who.language)).into_response()
}

/// What a form of one section changes.
async fn changes(
    admin: &Admin,
    who: &LoggedIn,
    fields: &Fields,
) -> Result<(&'static Section, Vec<Value>), Failure> {
    let none = || Failure::new("there is no such section", "cette section n’existe pas");
    let section = section(fields.one("section")).ok_or_else(none)?;
    let (settings, _) = in_use(admin, who).await?;
    Ok((section, section.changes(&settings, fields)))
}

/// `POST /settings`: one section.
async fn save(State(admin): State<Arc<Admin>>, sent: Sent<Administrator>) -> Response {
    let Sent { who, fields } = &sent;
    let (section, changes) = match changes(&admin, who, fields).await {
        Ok(found) => found,
        Err(why) => {
            let why = Some((refusal(&why), why.text(who.language).to_owned()));
            let told = Told {
                why,
                ..Told::default()
            };
            return show(&admin, who, told).await;
        }
    };
    if changes.is_empty() {
        return Redirect::to("/settings?done=nothing").into_response();
    }
    let mut ask = json!({"verb": "settings-set", "changes": changes});
    if let Ok(generation) = fields.one("generation").parse::<u64>() {
        ask["generation"] = generation.into();
    }
    match change(&admin, who, &ask).await {
        Outcome::Saved(saved) => saved_to(&admin, who, &saved).await,
        Outcome::Not(why, problems) => {
            let w = SettingsWords::of(who.language);
            let (words, typed) = match why.code.as_deref() {
                Some("problems") => (w.problems, Some((section.name, fields))),
                // What is shown now is what somebody else has saved.
                Some("changed") => (w.changed, None),
                _ => (why.text(who.language), Some((section.name, fields))),
            };
            let told = Told {
                typed,
                problems,
                why: Some((refusal(&why), words.to_owned())),
                done: None,
            };
            show(&admin, who, told).await
        }
    }
}

/// The page after a change: the trial where there is one, else the settings as they are now.
async fn saved_to(admin: &Admin, who: &LoggedIn, saved: &Saved) -> Response {
    if let Some(trial) = &saved.trial {
        // Not by way of another address: the one that was asked is about to go. Nor is anybody asked more first.
        return trial_page(admin, who, Some(trial));
    }
    if saved.after_restart.is_empty() && saved.warning.is_none() {
        return Redirect::to("/settings?done=saved").into_response();
    }
    let w = SettingsWords::of(who.language);
    let fields = saved.after_restart.join(", ");
    let done = match fields.is_empty() {
        true => w.saved.to_owned(),
        false => w.after_restart.replace("{fields}", &fields),
    };
    let warning = saved.warning.clone();
    let told = Told {
        done: Some(done),
        why: warning.map(|warning| (StatusCode::OK, warning)),
        ..Told::default()
    };
    show(admin, who, told).await
}

/// `POST /settings/check`: for the script, by the ids of the fields.
async fn check(State(admin): State<Arc<Admin>>, sent: Sent<Administrator>) -> Response {
    let Sent { who, fields } = &sent;
    let (section, changes) = match changes(&admin, who, fields).await {
        Ok(found) => found,
        Err(why) => return (refusal(&why), Json(why.json())).into_response(),
    };
    let ask = json!({"verb": "settings-check", "changes": changes});
    let events = match admin.broker.events(who.speaker(), &ask).await {
        Ok(events) => events,
        Err(why) => return (refusal(&why), Json(why.json())).into_response(),
    };
    let mut told = Map::new();
    for problem in problems(&events, who) {
        let at = section.fields.iter().find(|f| f.is_at(&problem.field));
        if let Some(field) = at {
            told.entry(field.id()).or_insert_with(|| problem.why.into());
        }
    }
    Json(Value::Object(told)).into_response()
}

/// A network on trial.
struct Trial {
    /// Seconds for which it still is.
    left: u64,
    /// Where the appliance is to be found meanwhile; with DHCP nobody knows.
    at: Option<String>,
}

impl Trial {
    /// Of what the broker tells; none where nothing is on trial.
    fn of(left: &Value, address: &Value) -> Option<Self> {
        Some(Self {
            left: left.as_u64()?,
            at: address.as_str().and_then(url),
        })
    }
}

async fn on_trial(admin: &Admin, who: &LoggedIn) -> Option<Trial> {
    let ask = json!({"verb": "network-trial"});
    let told = admin.broker.event(who.speaker(), &ask, "trial").await;
    let told = told.unwrap_or_default();
    Trial::of(&told["left"], &told["address"])
}

/// `GET /settings/trial`
async fn trial(State(admin): State<Arc<Admin>>, who: Who<Administrator>) -> Response {
    let trial = on_trial(&admin, &who).await;
    trial_page(&admin, &who, trial.as_ref())
}

fn trial_page(admin: &Admin, who: &LoggedIn, trial: Option<&Trial>) -> Response {
    let w = SettingsWords::of(who.language);
    let page = TrialPage {
        frame: who.frame(admin, "/settings/trial", w.trial),
        w,
        left: trial.map(|trial| trial.left),
        address: trial.and_then(|trial| trial.at.clone()),
    };
    rendered(&page, who.language)
}

/// Where an address with the length of its network leads.
fn url(address: &str) -> Option<String> {
    let address: IpAddr = address.split('/').next()?.parse().ok()?;
    Some(match address {
        IpAddr::V4(address) => format!("https://{address}/"),
        IpAddr::V6(address) => format!("https://[{address}]/"),
    })
}

/// `POST /settings/confirm`
async fn confirm(State(admin): State<Arc<Admin>>, sent: Sent<Administrator>) -> Response {
    decided(&admin, &sent.who, "network-confirm", "confirmed").await
}

/// `POST /settings/revert`
async fn revert(State(admin): State<Arc<Admin>>, sent: Sent<Administrator>) -> Response {
    decided(&admin, &sent.who, "network-revert", "reverted").await
}

async fn decided(admin: &Admin, who: &LoggedIn, verb: &str, done: &str) -> Response {
    let ask = json!({"verb": verb});
    let asked = admin.broker.events(who.speaker(), &ask);
    let why = match asked.await {
        Ok(events) => match warnings(&events, who.language) {
            None => return Redirect::to(&format!("/settings?done={done}")).into_response(),
            Some(warning) => (StatusCode::OK, warning),
        },
        Err(why) => (refusal(&why), why.text(who.language).to_owned()),
    };
    let told = Told {
        why: Some(why),
        ..Told::default()
    };
    show(admin, who, told).await
}

/// `GET /settings/history`
async fn history(State(admin): State<Arc<Admin>>, who: Who<Administrator>) -> Response {
    let ask = json!({"verb": "settings-history"});
    let told = admin.broker.events(who.speaker(), &ask).await;
    let (events, why) = match told {
        Ok(events) => (events, None),
        Err(why) => (Vec::new(), Some(why)),
    };
    let w = SettingsWords::of(who.language);
    let page = HistoryPage {
        frame: who.frame(&admin, "/settings/history", w.history),
        w,
        generations: events.iter().filter_map(Generation::of).collect(),
        why: why.as_ref().map(|why| why.text(who.language)),
    };
    let status = why.as_ref().map_or(StatusCode::OK, refusal);
    (status, rendered(&page, who.language)).into_response()
}

/// `GET /settings/history/NUMBER`
async fn diff(
    State(admin): State<Arc<Admin>>,
    who: Who<Administrator>,
    Path(number): Path<u64>,
) -> Response {
    compared(&admin, &who, number, None).await
}

async fn compared(
    admin: &Admin,
    who: &LoggedIn,
    number: u64,
    not: Option<(Failure, Vec<Problem>)>,
) -> Response {
    let ask = json!({"verb": "settings-diff", "generation": number});
    let told = admin.broker.events(who.speaker(), &ask).await;
    let (events, silent) = match told {
        Ok(events) => (events, None),
        Err(why) => (Vec::new(), Some((why, Vec::new()))),
    };
    let changes = events.iter().filter_map(|event| {
        let field = event["field"].as_str()?.to_owned();
        Some((field, value(&event["old"]), value(&event["new"])))
    });
    let not = not.or(silent);
    let w = SettingsWords::of(who.language);
    let page = DiffPage {
        frame: who.frame(admin, "/settings/history", w.history),
        w,
        number,
        changes: changes.collect(),
        why: not.as_ref().map(|(why, _)| why.text(who.language)),
        problems: not.as_ref().map_or(&[], |(_, problems)| problems),
    };
    let status = not.as_ref().map_or(StatusCode::OK, |(why, _)| refusal(why));
    (status, rendered(&page, who.language)).into_response()
}

/// `POST /settings/restore`
async fn restore(State(admin): State<Arc<Admin>>, sent: Sent<Administrator>) -> Response {
    let Sent { who, fields } = &sent;
    let Ok(number) = fields.one("generation").parse::<u64>() else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let ask = json!({"verb": "settings-restore", "generation": number});
    match change(&admin, who, &ask).await {
        Outcome::Saved(saved) => saved_to(&admin, who, &saved).await,
        Outcome::Not(why, problems) => compared(&admin, who, number, Some((why, problems))).await,
    }
}

/// After a backup was restored.
pub async fn restored(admin: &Admin, who: &LoggedIn, saved: &Saved) -> Response {
    saved_to(admin, who, saved).await
}

/// Whether something is on trial, for whoever may confirm it.
pub async fn banner(admin: &Admin, who: &LoggedIn) -> bool {
    who.is_administrator() && on_trial(admin, who).await.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_appliance_is_found() {
        for (left, given, expected) in [
            (
                json!(42),
                json!("10.0.0.5/24"),
                Some(Some("https://10.0.0.5/")),
            ),
            (
                json!(1),
                json!("2001:db8::5/64"),
                Some(Some("https://[2001:db8::5]/")),
            ),
            (json!(1), json!("x\"><b>/24"), Some(None)),
            (json!(1), Value::Null, Some(None)),
            (Value::Null, Value::Null, None),
        ] {
            let trial = Trial::of(&left, &given);
            let at = trial.as_ref().map(|trial| trial.at.as_deref());
            assert_eq!(at, expected);
        }
    }
}
