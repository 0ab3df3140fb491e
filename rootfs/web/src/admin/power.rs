//! Restart, power-off, and the check of the volumes at the next start.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde_json::json;

use super::Admin;
use super::users::refusal;
use super::who::{Administrator, LoggedIn, Sent, Who};
use crate::public::rendered;
use crate::scripts;
use crate::upkeep_page::{GoingPage, PowerPage};
use crate::words::upkeep::UpkeepWords;

pub fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/power", get(page))
        .route("/power/restart", post(restart))
        .route("/power/off", post(off))
        .route("/power/check", post(check))
}

/// `GET /power`
async fn page(State(admin): State<Arc<Admin>>, who: Who<Administrator>) -> Response {
    show(&admin, &who, StatusCode::OK, None).await
}

async fn show(admin: &Admin, who: &LoggedIn, status: StatusCode, why: Option<&str>) -> Response {
    let ask = json!({"verb": "check-at-boot-state"});
    let told = admin.broker.event(who.speaker(), &ask, "check").await;
    let w = UpkeepWords::of(who.language);
    let page = PowerPage {
        frame: who.frame(admin, "/power", w.power),
        w,
        why,
        check: told.ok().and_then(|event| event["on"].as_bool()),
    };
    (status, rendered(&page, who.language)).into_response()
}

/// `POST /power/restart`
async fn restart(State(admin): State<Arc<Admin>>, sent: Sent<Administrator>) -> Response {
    let text = UpkeepWords::of(sent.who.language).restarting;
    go(&admin, &sent, "restart", text, Some(scripts::RESTARTING)).await
}

/// `POST /power/off`
async fn off(State(admin): State<Arc<Admin>>, sent: Sent<Administrator>) -> Response {
    let text = UpkeepWords::of(sent.who.language).going_off;
    go(&admin, &sent, "power-off", text, None).await
}

async fn go(
    admin: &Admin,
    sent: &Sent<Administrator>,
    verb: &str,
    text: &str,
    script: Option<&'static str>,
) -> Response {
    let who = &sent.who;
    let w = UpkeepWords::of(who.language);
    if !sent.fields.is_on("sure") {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return show(admin, who, status, Some(w.not_sure)).await;
    }
    let ask = json!({"verb": verb});
    let asked = admin.broker.events(who.speaker(), &ask);
    if let Err(why) = asked.await {
        return show(admin, who, refusal(&why), Some(why.text(who.language))).await;
    }
    let page = GoingPage {
        frame: who.frame(admin, "/power", w.power),
        text,
        script,
    };
    rendered(&page, who.language)
}

/// `POST /power/check`
async fn check(State(admin): State<Arc<Admin>>, sent: Sent<Administrator>) -> Response {
    let who = &sent.who;
    let ask = json!({"verb": "check-at-boot", "on": sent.fields.is_on("on")});
    match admin.broker.events(who.speaker(), &ask).await {
        Ok(_) => Redirect::to("/power").into_response(),
        Err(why) => show(&admin, who, refusal(&why), Some(why.text(who.language))).await,
    }
}
