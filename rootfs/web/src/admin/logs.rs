//! The logs: shown, followed, sent as a file; and the audit trail.

use std::sync::Arc;

use axum::extract::{Extension, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::Admin;
use super::files::download;
use super::users::refusal;
use super::who::{Administrator, LoggedIn, Operator, Who};
use crate::failure::Failure;
use crate::large::{LARGEST, Newest, PAGE, sent};
use crate::logs_page::{ALL, Filter, LogsPage, Shown};
use crate::public::rendered;
use crate::server::Client;
use crate::words::logs::LogsWords;

/// Records of the audit trail on a page.
const RECORDS: usize = 200;
/// All of them.
const EVERY: usize = 1_000_000;
/// Lines that are looked at each time that somebody follows.
const FOLLOWED: u32 = 500;

pub fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/logs", get(page))
        .route("/logs/follow", get(follow))
        .route("/logs/download", get(as_file))
        .route("/logs/audit", get(audit_as_file))
}

/// The last lines that a filter lets through, and the cursor behind all that were looked at.
struct Lines {
    newest: Newest,
    cursor: String,
}

async fn lines(
    admin: &Admin,
    who: &LoggedIn,
    filter: &Filter,
    (looked_at, kept): (u32, Newest),
) -> Result<Lines, Failure> {
    let w = LogsWords::of(who.language);
    let wrong = || Failure::new(w.wrong_since, w.wrong_since);
    let ask = filter.ask(looked_at).ok_or_else(wrong)?;
    let mut found = Lines {
        newest: kept,
        cursor: filter.after.clone(),
    };
    let tell = |event: Value| {
        if event["event"] != "line" {
            return;
        }
        if let Some(cursor) = event["cursor"].as_str() {
            cursor.clone_into(&mut found.cursor);
        }
        let line = event["text"].as_str().unwrap_or_default();
        if filter.has(line) {
            found.newest.push(line);
        }
    };
    admin.broker.ask(who.speaker(), &ask, tell).await?;
    Ok(found)
}

/// `GET /logs`
async fn page(
    State(admin): State<Arc<Admin>>,
    Extension(client): Extension<Client>,
    who: Who<Operator>,
    Query(filter): Query<Filter>,
) -> Response {
    let place = match admin.large.place().await {
        Ok(place) => place,
        Err(why) => return plain(&why, &who),
    };
    let filter = filter.sensible();
    let w = LogsWords::of(who.language);
    let mut page = LogsPage {
        frame: who.frame(&admin, "/logs", w.title),
        w,
        filter: &filter,
        lines: Vec::new(),
        cursor: String::new(),
        records: None,
        audit: who.is_administrator(),
        why: None,
    };
    let why = match filter.log.as_str() {
        "audit" => match records(&admin, &who, RECORDS).await {
            Ok(records) => {
                let shown = records.iter().rev().map(|record| Shown::of(record, w));
                page.records = Some(shown.collect());
                None
            }
            Err(why) => Some(why),
        },
        _ => {
            let much = (filter.to_look_through(), Newest::of(filter.count(), PAGE));
            match lines(&admin, &who, &filter, much).await {
                Ok(found) => {
                    page.lines = found.newest.texts.into();
                    page.cursor = found.cursor;
                    None
                }
                Err(why) => Some(why),
            }
        }
    };
    page.why = why.as_ref().map(|why| why.text(who.language));
    let status = why.as_ref().map_or(StatusCode::OK, refusal);
    let answer = (status, rendered(&page, who.language)).into_response();
    sent(answer, &client.lifetime, place)
}

/// `GET /logs/follow?after=CURSOR`
async fn follow(
    State(admin): State<Arc<Admin>>,
    Extension(client): Extension<Client>,
    who: Who<Operator>,
    Query(filter): Query<Filter>,
) -> Response {
    let place = match admin.large.place().await {
        Ok(place) => place,
        Err(why) => return (refusal(&why), Json(why.json())).into_response(),
    };
    let filter = filter.sensible();
    let much = (FOLLOWED, Newest::of(FOLLOWED as usize, PAGE));
    match lines(&admin, &who, &filter, much).await {
        Ok(found) => {
            let told = json!({"lines": found.newest.texts, "after": found.cursor});
            sent(Json(told).into_response(), &client.lifetime, place)
        }
        Err(why) => (refusal(&why), Json(why.json())).into_response(),
    }
}

/// `GET /logs/download`
async fn as_file(
    State(admin): State<Arc<Admin>>,
    Extension(client): Extension<Client>,
    who: Who<Operator>,
    Query(filter): Query<Filter>,
) -> Response {
    let place = match admin.large.place().await {
        Ok(place) => place,
        Err(why) => return plain(&why, &who),
    };
    let filter = filter.sensible();
    let found = match lines(
        &admin,
        &who,
        &filter,
        (ALL, Newest::of(ALL as usize, LARGEST)),
    )
    .await
    {
        Ok(found) => found,
        Err(why) => return plain(&why, &who),
    };
    let mut text = String::new();
    for line in &found.newest.texts {
        text.push_str(line);
        text.push('\n');
    }
    let name = format!("{}-{}.log", admin.hostname, filter.log);
    let file = download(&name, "text/plain; charset=utf-8", text);
    sent(file, &client.lifetime, place)
}

/// All that is told of the audit trail, the oldest first.
async fn records(admin: &Admin, who: &LoggedIn, last: usize) -> Result<Vec<Value>, Failure> {
    let ask = json!({"verb": "audit", "last": last});
    let mut records = admin.broker.events(who.speaker(), &ask).await?;
    records.retain(|event| event["event"] == "record");
    Ok(records)
}

/// `GET /logs/audit`
async fn audit_as_file(
    State(admin): State<Arc<Admin>>,
    Extension(client): Extension<Client>,
    who: Who<Administrator>,
) -> Response {
    let place = match admin.large.place().await {
        Ok(place) => place,
        Err(why) => return plain(&why, &who),
    };
    let records = match records(&admin, &who, EVERY).await {
        Ok(records) => records,
        Err(why) => return plain(&why, &who),
    };
    let mut text = String::new();
    for mut record in records {
        if let Some(record) = record.as_object_mut() {
            record.remove("event");
        }
        text.push_str(&record.to_string());
        text.push('\n');
    }
    let name = format!("{}-audit.jsonl", admin.hostname);
    let file = download(&name, "application/jsonl", text);
    sent(file, &client.lifetime, place)
}

/// Why there is no file.
fn plain(why: &Failure, who: &LoggedIn) -> Response {
    (refusal(why), format!("{}\n", why.text(who.language))).into_response()
}
