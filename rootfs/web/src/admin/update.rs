//! The update page and its buttons.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Extension, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use super::who::{Administrator, LoggedIn, Sent, Who};
use super::{Admin, upload, upload_form};
use crate::failure::Failure;
use crate::public::html;
use crate::server::Client;
use crate::update_messages::UpdateMessages;
use crate::update_page::{self, View};
use crate::updater::of_session;

/// How long a question waits for a change of the installation; a change comes every half second.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the update page is made of.
pub fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/update", get(page))
        .route("/update/job", get(job))
        .route("/update/install", post(install))
        .route("/update/rollback", post(rollback))
        .route("/update/restart", post(restart))
        .route("/update/ask", post(ask))
        .route("/update/remove", post(remove))
        .route(
            "/update/send",
            post(upload_form::send).layer(DefaultBodyLimit::disable()),
        )
        .route("/update/upload", post(upload::create).put(upload::whole))
        .route(
            "/update/upload/{name}",
            get(upload::offset).put(upload::part).delete(upload::abort),
        )
}

/// `GET /update`
async fn page(State(admin): State<Arc<Admin>>, who: Who<Administrator>) -> Response {
    show(&admin, &who, None).await
}

/// A medium whose files cannot even be counted must not take the page away. Longer than the updater
/// itself waits for what lies there.
const LIST: Duration = Duration::from_secs(25);

fn not_listed() -> Failure {
    Failure::new(
        "the packages cannot be listed, a medium does not answer; take it out and look again",
        "la liste des paquets est impossible, un support ne répond pas ; retirez-le et actualisez",
    )
}

/// The page; `wrong` stands in place of the status where a button did not do what it should.
pub async fn show(admin: &Admin, who: &LoggedIn, wrong: Option<Failure>) -> Response {
    let (status, list, history) = (verb("status"), verb("list"), verb("history"));
    let (status, found, history) = tokio::join!(
        admin.updater.events(&status),
        admin.updater.events_within(LIST, &list, not_listed),
        admin.updater.events(&history),
    );
    let status = status.map(|events| events.into_iter().next().unwrap_or_default());
    let language = who.language;
    let view = View {
        frame: who.frame(admin, "/update", UpdateMessages::of(language).title),
        status: wrong.map_or(status, Err),
        found: found.map(|found| admin.without_spent(found)),
        history: history.unwrap_or_default(),
        job: admin.jobs.last(),
        asked: admin.asking.now(),
    };
    html(update_page::update(&view), language)
}

fn verb(verb: &str) -> Value {
    json!({ "verb": verb })
}

/// What the page has seen of an installation.
#[derive(Deserialize)]
struct Seen {
    after: Option<u64>,
}

/// `GET /update/job`: how far an installation is. With `?after=REVISION` of an answer before, it is
/// answered when that has changed, or after [`PATIENCE`].
async fn job(
    State(admin): State<Arc<Admin>>,
    who: Who<Administrator>,
    Extension(client): Extension<Client>,
    Query(seen): Query<Seen>,
) -> Json<Value> {
    // It is bounded by itself, and must not be cut in between.
    let _hold = client.lifetime.hold();
    let patience = seen.after.map_or(Duration::ZERO, |_| PATIENCE);
    let last = admin
        .jobs
        .after(seen.after.unwrap_or_default(), patience)
        .await;
    let none = || json!({"running": false});
    let mut told = last.job.map_or_else(none, |job| job.json(who.language));
    told["revision"] = last.revision.into();
    Json(told)
}

/// `POST /update/install`
async fn install(State(admin): State<Arc<Admin>>, sent: Sent<Administrator>) -> Response {
    let who = &sent.who;
    let request = json!({"verb": "apply", "id": sent.fields.one("id"), "who": who.who()});
    // Where one is under way already, the page shows that one.
    admin
        .jobs
        .begin(admin.updater.clone(), of_session(request, who.token()));
    Redirect::to("/update").into_response()
}

/// `POST /update/rollback`
async fn rollback(State(admin): State<Arc<Admin>>, sent: Sent<Administrator>) -> Response {
    let who = &sent.who;
    let request = json!({"verb": "rollback", "who": who.who()});
    match admin
        .updater
        .events(&of_session(request, who.token()))
        .await
    {
        Ok(_) => Redirect::to("/update").into_response(),
        Err(why) => show(&admin, who, Some(why)).await,
    }
}

/// `POST /update/restart`
async fn restart(State(admin): State<Arc<Admin>>, sent: Sent<Administrator>) -> Response {
    let who = &sent.who;
    let request = of_session(verb("restart"), who.token());
    match admin.updater.events(&request).await {
        Ok(_) => {
            let title = UpdateMessages::of(who.language).title;
            let frame = who.frame(&admin, "/update", title);
            html(update_page::restarting(frame), who.language)
        }
        Err(why) => show(&admin, who, Some(why)).await,
    }
}

/// `POST /update/ask`: what the server of the settings has.
async fn ask(State(admin): State<Arc<Admin>>, sent: Sent<Administrator>) -> Response {
    let request = of_session(verb("ask"), sent.who.token());
    admin.asking.ask(admin.updater.clone(), request).await;
    Redirect::to("/update").into_response()
}

/// `POST /update/remove`: an uploaded package.
async fn remove(State(admin): State<Arc<Admin>>, sent: Sent<Administrator>) -> Response {
    // One that is not there any more is what was asked for.
    admin.receiver.store.remove(sent.fields.one("file"));
    Redirect::to("/update").into_response()
}
