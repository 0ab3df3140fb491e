//! The update page and its buttons.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Admin, LoggedIn, Plain, wrong_token};
use crate::public::{html, language};
use crate::server::Client;
use crate::update_page::{self, View};
use crate::updater::Failure;

/// How long a question waits for a change of the installation; a change comes every half second.
const PATIENCE: Duration = Duration::from_secs(20);

/// The button of a package.
#[derive(Deserialize)]
pub struct OfPackage {
    csrf: String,
    id: String,
}

/// The button of an upload.
#[derive(Deserialize)]
pub struct OfFile {
    csrf: String,
    file: String,
}

/// `GET /update`
pub async fn page(
    State(admin): State<Arc<Admin>>,
    logged_in: LoggedIn,
    headers: HeaderMap,
) -> Response {
    show(&admin, &logged_in, &headers, None).await
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
async fn show(
    admin: &Admin,
    logged_in: &LoggedIn,
    headers: &HeaderMap,
    wrong: Option<Failure>,
) -> Response {
    let (status, list, history) = (verb("status"), verb("list"), verb("history"));
    let (status, found, history) = tokio::join!(
        admin.updater.events(&status),
        admin.updater.events_within(LIST, &list, not_listed),
        admin.updater.events(&history),
    );
    let status = status.map(|events| events.into_iter().next().unwrap_or_default());
    let language = language(headers);
    let view = View {
        language,
        hostname: &admin.hostname,
        csrf: &logged_in.session.csrf,
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
pub struct Seen {
    after: Option<u64>,
}

/// `GET /update/job`: how far an installation is. With `?after=REVISION` of an answer before, it is
/// answered when that has changed, or after [`PATIENCE`].
pub async fn job(
    State(admin): State<Arc<Admin>>,
    _: LoggedIn,
    Extension(client): Extension<Client>,
    Query(seen): Query<Seen>,
    headers: HeaderMap,
) -> Json<Value> {
    // It is bounded by itself, and must not be cut in between.
    let _hold = client.lifetime.hold();
    let patience = seen.after.map_or(Duration::ZERO, |_| PATIENCE);
    let last = admin
        .jobs
        .after(seen.after.unwrap_or_default(), patience)
        .await;
    let none = || json!({"running": false});
    let mut told = last
        .job
        .map_or_else(none, |job| job.json(language(&headers)));
    told["revision"] = last.revision.into();
    Json(told)
}

/// `POST /update/install`
pub async fn install(
    State(admin): State<Arc<Admin>>,
    logged_in: LoggedIn,
    Form(form): Form<OfPackage>,
) -> Response {
    if !logged_in.knows(&form.csrf) {
        return wrong_token();
    }
    // Where one is under way already, the page shows that one.
    admin
        .jobs
        .begin(admin.updater.clone(), form.id, logged_in.who());
    Redirect::to("/update").into_response()
}

/// `POST /update/rollback`
pub async fn rollback(
    State(admin): State<Arc<Admin>>,
    logged_in: LoggedIn,
    headers: HeaderMap,
    Form(form): Form<Plain>,
) -> Response {
    if !logged_in.knows(&form.csrf) {
        return wrong_token();
    }
    let request = json!({"verb": "rollback", "who": logged_in.who()});
    match admin.updater.events(&request).await {
        Ok(_) => Redirect::to("/update").into_response(),
        Err(why) => show(&admin, &logged_in, &headers, Some(why)).await,
    }
}

/// `POST /update/restart`
pub async fn restart(
    State(admin): State<Arc<Admin>>,
    logged_in: LoggedIn,
    headers: HeaderMap,
    Form(form): Form<Plain>,
) -> Response {
    if !logged_in.knows(&form.csrf) {
        return wrong_token();
    }
    let language = language(&headers);
    match admin.updater.events(&verb("restart")).await {
        Ok(_) => html(update_page::restarting(language, &admin.hostname), language),
        Err(why) => show(&admin, &logged_in, &headers, Some(why)).await,
    }
}

/// `POST /update/ask`: what the server of the settings has.
pub async fn ask(
    State(admin): State<Arc<Admin>>,
    logged_in: LoggedIn,
    Form(form): Form<Plain>,
) -> Response {
    if !logged_in.knows(&form.csrf) {
        return wrong_token();
    }
    admin.asking.ask(admin.updater.clone()).await;
    Redirect::to("/update").into_response()
}

/// `POST /update/remove`: an uploaded package.
pub async fn remove(
    State(admin): State<Arc<Admin>>,
    logged_in: LoggedIn,
    Form(form): Form<OfFile>,
) -> Response {
    if !logged_in.knows(&form.csrf) {
        return wrong_token();
    }
    // One that is not there any more is what was asked for.
    admin.receiver.store.remove(&form.file);
    Redirect::to("/update").into_response()
}
