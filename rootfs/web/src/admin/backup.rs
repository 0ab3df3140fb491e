//! Backup and restore of the settings.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::Admin;
use super::files::{SentFiles, download};
use super::settings::{Outcome, change, restored};
use super::users::refusal;
use super::who::{Administrator, LoggedIn, Sent, Who};
use crate::failure::Failure;
use crate::public::rendered;
use crate::settings_page::Problem;
use crate::upkeep_page::BackupPage;
use crate::words::upkeep::UpkeepWords;

/// Largest form with a backup in it, in bytes: settings are small, and the broker takes no more than 256 KiB,
/// of base64.
const LARGEST: usize = 180 << 10;

pub fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/backup", get(page))
        .route("/backup/make", post(make))
        .route(
            "/backup/restore",
            post(restore).layer(DefaultBodyLimit::max(LARGEST)),
        )
}

/// `GET /backup`
async fn page(State(admin): State<Arc<Admin>>, who: Who<Administrator>) -> Response {
    show(&admin, &who, StatusCode::OK, None, &[])
}

fn show(
    admin: &Admin,
    who: &LoggedIn,
    status: StatusCode,
    why: Option<&str>,
    problems: &[Problem],
) -> Response {
    let w = UpkeepWords::of(who.language);
    let page = BackupPage {
        frame: who.frame(admin, "/backup", w.backup),
        w,
        why,
        problems,
    };
    (status, rendered(&page, who.language)).into_response()
}

fn not(admin: &Admin, who: &LoggedIn, why: &Failure, problems: &[Problem]) -> Response {
    let words = why.text(who.language);
    show(admin, who, refusal(why), Some(words), problems)
}

/// `POST /backup/make`
async fn make(State(admin): State<Arc<Admin>>, sent: Sent<Administrator>) -> Response {
    let Sent { who, fields } = &sent;
    let passphrase = fields.one("passphrase");
    if passphrase != fields.one("again") {
        let w = UpkeepWords::of(who.language);
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return show(&admin, who, status, Some(w.passphrase_differs), &[]);
    }
    let mut ask = json!({"verb": "backup"});
    if !passphrase.is_empty() {
        ask["passphrase"] = passphrase.into();
    }
    let event = admin.broker.event(who.speaker(), &ask, "backup").await;
    let event = match event {
        Ok(event) => event,
        Err(why) => return not(&admin, who, &why, &[]),
    };
    let name = event["name"].as_str().unwrap_or("vigie.backup");
    match STANDARD.decode(event["data"].as_str().unwrap_or_default()) {
        Ok(bytes) => download(name, "application/octet-stream", bytes),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// `POST /backup/restore`
async fn restore(State(admin): State<Arc<Admin>>, sent: SentFiles<Administrator>) -> Response {
    let who = &sent.who;
    let Some(file) = sent.bytes("file") else {
        let words = UpkeepWords::of(who.language).no_file;
        return show(
            &admin,
            who,
            StatusCode::UNPROCESSABLE_ENTITY,
            Some(words),
            &[],
        );
    };
    let mut ask = json!({"verb": "restore", "data": STANDARD.encode(file)});
    if !sent.text("passphrase").is_empty() {
        ask["passphrase"] = sent.text("passphrase").into();
    }
    match change(&admin, who, &ask).await {
        Outcome::Saved(saved) => restored(&admin, who, &saved).await,
        Outcome::Not(why, problems) => not(&admin, who, &why, &problems),
    }
}
