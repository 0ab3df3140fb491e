//! Help, about, licences, and what is made to be sent to somebody.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Extension, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::Admin;
use super::files::download;
use super::settings::in_use;
use super::users::refusal;
use super::who::{Administrator, LoggedIn, Sent, Viewer, Who};
use crate::broker::Speaker;
use crate::failure::Failure;
use crate::help_page::{About, HelpPage, LicencesPage, file};
use crate::large;
use crate::public::rendered;
use crate::server::Client;
use crate::words::help::HelpWords;
use crate::written::date;

/// Largest bundle of logs, in bytes.
const LARGEST: usize = 32 << 20;

pub fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/help", get(page))
        .route("/help/licences", get(licences))
        .route("/help/licences/{group}/{name}", get(licence))
        .route("/help/registration", post(registration))
        .route("/help/support", post(support))
        .route("/help/bundle", post(bundle))
}

async fn about(admin: &Admin) -> About {
    let now = admin.public.now().await;
    About {
        version: now.health.version.clone(),
        hostname: now.facts.hostname.clone(),
        machine: admin.public.source.machine(),
    }
}

/// `GET /help`
async fn page(State(admin): State<Arc<Admin>>, who: Who<Viewer>) -> Response {
    show(&admin, &who, None).await
}

async fn show(admin: &Admin, who: &LoggedIn, why: Option<&Failure>) -> Response {
    let w = HelpWords::of(who.language);
    // Whoever may not read the settings types it themselves.
    let settings = in_use(admin, who).await.unwrap_or_default().0;
    let page = HelpPage {
        frame: who.frame(admin, "/help", w.title),
        w,
        about: &about(admin).await,
        registration: &settings["registration"],
        why: why.map(|why| why.text(who.language)),
    };
    let status = why.map_or(StatusCode::OK, refusal);
    (status, rendered(&page, who.language)).into_response()
}

/// `GET /help/licences`
async fn licences(State(admin): State<Arc<Admin>>, who: Who<Viewer>) -> Response {
    let w = HelpWords::of(who.language);
    let page = LicencesPage {
        frame: who.frame(&admin, "/help/licences", w.licences),
        w,
        listed: &admin.public.source.licences().list(),
    };
    rendered(&page, who.language)
}

/// `GET /help/licences/GROUP/NAME`
async fn licence(
    State(admin): State<Arc<Admin>>,
    Extension(client): Extension<Client>,
    who: Who<Viewer>,
    Path((group, name)): Path<(String, String)>,
) -> Response {
    let place = match admin.licences.place().await {
        Ok(place) => place,
        Err(why) => {
            return (refusal(&why), format!("{}\n", why.text(who.language))).into_response();
        }
    };
    match admin.public.source.licences().text(&group, &name) {
        Some(text) => {
            let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
            large::sent((plain, text).into_response(), &client.lifetime, place)
        }
        None => (StatusCode::NOT_FOUND, "not found\n").into_response(),
    }
}

/// `POST /help/registration`
async fn registration(State(admin): State<Arc<Admin>>, sent: Sent<Viewer>) -> Response {
    let title = HelpWords::of(sent.who.language).registration;
    filled_in(&admin, &sent, title, "registration").await
}

/// `POST /help/support`
async fn support(State(admin): State<Arc<Admin>>, sent: Sent<Viewer>) -> Response {
    let title = HelpWords::of(sent.who.language).support;
    filled_in(&admin, &sent, title, "support").await
}

async fn filled_in(admin: &Admin, sent: &Sent<Viewer>, title: &str, name: &str) -> Response {
    let w = HelpWords::of(sent.who.language);
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since.map_or(0, |since| since.as_secs());
    let time = date(i64::try_from(now).unwrap_or_default());
    let text = file(title, &time, &about(admin).await, &sent.fields, w);
    let name = format!("{}-{name}.txt", admin.hostname);
    download(&name, "text/plain; charset=utf-8", text)
}

/// `POST /help/bundle`: the logs, as the broker packs them.
async fn bundle(
    State(admin): State<Arc<Admin>>,
    Extension(client): Extension<Client>,
    sent: Sent<Administrator>,
) -> Response {
    let who = &sent.who;
    match bundled(&admin, who.speaker(), &client).await {
        Ok(file) => file,
        Err(why) => show(&admin, who, Some(&why)).await,
    }
}

/// The logs as a file, as the broker packs them for whoever speaks.
///
/// # Errors
/// Somebody else fetches one, the broker does not give it, or it is too large.
pub(super) async fn bundled(
    admin: &Admin,
    speaker: Speaker<'_>,
    client: &Client,
) -> Result<Response, Failure> {
    let place = admin.bundles.place().await?;
    // No copies for room to grow.
    let (mut name, mut bytes) = ("support.tar.gz".to_owned(), Vec::with_capacity(LARGEST));
    let mut whole = true;
    let tell = |event: Value| match event["event"].as_str() {
        Some("file") => event["name"]
            .as_str()
            .unwrap_or("support")
            .clone_into(&mut name),
        Some("chunk") => {
            let chunk = STANDARD.decode(event["data"].as_str().unwrap_or_default());
            let chunk = chunk
                .ok()
                .filter(|chunk| bytes.len() + chunk.len() <= LARGEST);
            match chunk {
                Some(chunk) => bytes.extend_from_slice(&chunk),
                None => whole = false,
            }
        }
        _ => {}
    };
    let ask = json!({"verb": "support-bundle"});
    admin.broker.ask(speaker, &ask, tell).await?;
    if !whole {
        return Err(Failure::machine(
            "the logs are too large or damaged on the way; download a part of them from the logs' page",
            "les journaux sont trop gros ou abîmés en chemin ; téléchargez-en une partie depuis la page des journaux",
        ));
    }
    let file = download(&name, "application/octet-stream", bytes);
    Ok(large::sent(file, &client.lifetime, place))
}
