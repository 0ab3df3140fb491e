//! The interface for programs that administrate: a session's token in `Authorization: Bearer`, JSON in and
//! out. Which requests there are stands in [`crate::api_requests`].
//!
//! A cookie opens nothing here: what a browser sends by itself must not be enough.

mod elsewhere;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Extension, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on, post};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Admin;
use super::login::begin;
use crate::api_requests::{self, REQUESTS, SESSION, Service};
use crate::api_types::{Begun, LogIn, Refusal};
use crate::broker::{Role, Speaker};
use crate::failure::Failure;
use crate::language::Language;
use crate::large::{self, LARGEST as LARGEST_ANSWER};
use crate::rates::Source;
use crate::server::Client;
use crate::session::Session;

/// So many bytes of a body that is too large are read all the same.
const LET_GO: usize = 1 << 20;

/// Largest request, in bytes; the broker takes no more.
const LARGEST: usize = 250 << 10;

pub fn routes(admin: &Arc<Admin>) -> Router<Arc<Admin>> {
    let log_in = post(log_in).layer(DefaultBodyLimit::max(super::SMALL_BYTES));
    let mut router = Router::new().route(SESSION, log_in.delete(log_out));
    for request in &REQUESTS {
        router = router.route(request.path, asked(request));
    }
    router.layer(from_fn_with_state(Arc::clone(admin), limited))
}

/// The handler of a request.
fn asked(request: &'static api_requests::Request) -> MethodRouter<Arc<Admin>> {
    let filter = match request.method {
        "post" => MethodFilter::POST,
        "put" => MethodFilter::PUT,
        "patch" => MethodFilter::PATCH,
        "delete" => MethodFilter::DELETE,
        _ => MethodFilter::GET,
    };
    on(
        filter,
        move |State(admin): State<Arc<Admin>>,
              Extension(client): Extension<Client>,
              name: Option<Path<String>>,
              asked: Request| async move {
            let name = name.map(|Path(name)| name);
            answer(&admin, &client, request, name, asked)
                .await
                .unwrap_or_else(|no| no)
        },
    )
}

/// Not more often than one address may.
async fn limited(
    State(admin): State<Arc<Admin>>,
    Extension(client): Extension<Client>,
    request: Request,
    next: Next,
) -> Response {
    if admin.rates.allow(Source::of(client.address)) {
        return next.run(request).await;
    }
    let why = Failure::new(
        "too many requests of this address; wait a second",
        "trop de requêtes de cette adresse ; attendez une seconde",
    );
    no(StatusCode::TOO_MANY_REQUESTS, "rate", &why, Vec::new())
}

fn no(status: StatusCode, code: &str, why: &Failure, problems: Vec<Value>) -> Response {
    let refusal = Refusal {
        code: why.code.clone().unwrap_or_else(|| code.to_owned()),
        reason: why.text(Language::En).to_owned(),
        reason_fr: why.text(Language::Fr).to_owned(),
        problems,
    };
    (status, Json(refusal)).into_response()
}

/// What was not done, and what is wrong with which field.
fn refused(why: &Failure, events: Vec<Value>) -> Response {
    let status = match why.code.as_deref() {
        Some("session" | "wrong") => StatusCode::UNAUTHORIZED,
        Some("role") => StatusCode::FORBIDDEN,
        Some("wait") => StatusCode::TOO_MANY_REQUESTS,
        _ if why.refused => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    no(status, "failed", why, events)
}

fn senseless(what: &str) -> Response {
    let english = format!("the request is none: {what}");
    let french = format!("ce n’est pas une requête : {what}");
    let why = Failure::new(&english, &french);
    no(StatusCode::BAD_REQUEST, "request", &why, Vec::new())
}

fn nobody() -> Response {
    let why = Failure::new(
        "log in first, and send the token as Authorization: Bearer",
        "connectez-vous d’abord, et envoyez le jeton par Authorization: Bearer",
    );
    no(StatusCode::UNAUTHORIZED, "session", &why, Vec::new())
}

/// The session of a request, by its token.
fn session(admin: &Admin, headers: &HeaderMap) -> Option<(String, Session)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let token = value.strip_prefix("Bearer ")?.trim();
    Some((token.to_owned(), admin.sessions.of(token)?))
}

/// A body that comes to its end and is no larger than `largest` bytes. Of a larger one some more is read
/// and let go: whoever still sends when the connection is closed does not get to read why.
async fn read(mut body: Body, largest: usize) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else {
            continue;
        };
        length += data.len();
        if length > largest + LET_GO {
            return None;
        }
        if length <= largest {
            read.extend_from_slice(&data);
        }
    }
    (length <= largest).then_some(read)
}

async fn answer(
    admin: &Admin,
    client: &Client,
    request: &api_requests::Request,
    name: Option<String>,
    asked: Request,
) -> Result<Response, Response> {
    // Nobody's request is not read, and of others than administrators not more than a form.
    let (token, session) = session(admin, asked.headers()).ok_or_else(nobody)?;
    let largest = match session.user.role {
        Role::Administrator => LARGEST,
        _ => super::FORM_BYTES,
    };
    let body = read(asked.into_body(), largest).await;
    let body = body.ok_or_else(|| StatusCode::PAYLOAD_TOO_LARGE.into_response())?;
    let given = match &body[..] {
        [] => Ok(json!({})),
        body => serde_json::from_slice::<Value>(body),
    };
    let given = given.map_err(|error| senseless(&error.to_string()))?;
    let mut ask = (request.read)(given).map_err(|what| senseless(&what))?;
    ask["verb"] = request.verb.into();
    if let Some(name) = name {
        ask["name"] = name.into();
    }
    if request.to != Service::Broker {
        let asked = elsewhere::answer(admin, client, &session.token, (request, &ask)).await;
        return asked.map_err(|why| over(admin, &token, &why, Vec::new()));
    }
    let speaker = Speaker::of(&session.token, client.address);
    let place = match request.is_large {
        true => Some(admin.large.place().await),
        false => None,
    };
    let place = place.transpose();
    let place = place.map_err(|why| refused(&why, Vec::new()))?;
    let mut told = Told::default();
    // Whose role it takes is the broker's to say.
    let outcome = admin.broker.ask(speaker, &ask, |event| told.add(event));
    match outcome.await {
        Ok(()) => {
            let answer = told.whole().map_err(|why| refused(&why, Vec::new()))?;
            Ok(match place {
                Some(place) => large::sent(answer, &client.lifetime, place),
                None => answer,
            })
        }
        Err(why) => Err(over(admin, &token, &why, told.problems)),
    }
}

/// Why not; a session that is over is over here, too.
fn over(admin: &Admin, token: &str, why: &Failure, problems: Vec<Value>) -> Response {
    if why.is("session") {
        admin.sessions.end(token);
    }
    refused(why, problems)
}

/// What the broker told: as the text of an array, which takes a tenth of the memory of its values.
#[derive(Default)]
struct Told {
    text: String,
    problems: Vec<Value>,
    too_large: bool,
}

impl Told {
    fn add(&mut self, event: Value) {
        let text = event.to_string();
        if self.text.len() + text.len() >= LARGEST_ANSWER {
            self.too_large = true;
            self.text = String::new();
        }
        if self.too_large {
            return;
        }
        self.text.push(if self.text.is_empty() { '[' } else { ',' });
        self.text.push_str(&text);
        if event["event"] == "problem" {
            self.problems.push(event);
        }
    }

    fn whole(self) -> Result<Response, Failure> {
        if self.too_large {
            return Err(large::too_large());
        }
        let text = match self.text.is_empty() {
            true => "[]".to_owned(),
            false => self.text + "]",
        };
        Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
    }
}

/// `POST /api/v1/session`
async fn log_in(
    State(admin): State<Arc<Admin>>,
    Extension(client): Extension<Client>,
    body: Bytes,
) -> Response {
    let given = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    // What is wrong with it may hold a part of a password.
    let Ok(LogIn { user, password }) = LogIn::deserialize(given) else {
        return senseless("user and password");
    };
    let ask = json!({"verb": "log-in", "user": user, "password": password});
    let (user, of_broker) = match begin(&admin, client.address, None, ask).await {
        Ok(begun) => begun,
        Err(why) => return refused(&why, Vec::new()),
    };
    let begun = |token| Begun {
        token,
        user: user.name.clone(),
        role: user.role.word().to_owned(),
        idle_minutes: user.idle_minutes,
    };
    match admin.sessions.begin(user.clone(), of_broker) {
        Ok(token) => Json(begun(token)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// `DELETE /api/v1/session`
async fn log_out(
    State(admin): State<Arc<Admin>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Response {
    let Some((token, session)) = session(&admin, &headers) else {
        return nobody();
    };
    admin.sessions.end(&token);
    let speaker = Speaker::of(&session.token, client.address);
    let ended = admin
        .broker
        .events(speaker, &json!({"verb": "log-out"}))
        .await;
    match ended {
        Ok(_) => Json(json!({})).into_response(),
        Err(why) => refused(&why, Vec::new()),
    }
}
