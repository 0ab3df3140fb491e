//! Log in, log out, and the language of whoever looks.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Form;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::who::{Fields, Sent, Viewer};
use super::{Admin, cookie, language, path};
use crate::broker::User;
use crate::failure::Failure;
use crate::known;
use crate::language::{self as chosen, Language};
use crate::login_page::Login;
use crate::public::rendered;
use crate::rates::Source;
use crate::server::Client;
use crate::session::{self, COOKIE, FORM_COOKIE};
use crate::words::login::LoginWords;

/// Where somebody wanted to go.
#[derive(Default, Deserialize)]
pub struct To {
    #[serde(default)]
    next: String,
}

/// `GET /login`
pub async fn page(
    State(admin): State<Arc<Admin>>,
    Extension(client): Extension<Client>,
    Query(to): Query<To>,
    headers: HeaderMap,
) -> Response {
    let open = admin.broker.is_open(client.address).await;
    let page = Page {
        open,
        next: &to.next,
        why: None,
    };
    form(&admin, language(&headers), StatusCode::OK, &page)
}

/// What differs from one log-in page to the next.
struct Page<'a> {
    open: bool,
    next: &'a str,
    why: Option<&'a str>,
}

/// The form, with a token of its own that its cookie repeats: nobody can be logged in by another
/// site.
fn form(admin: &Admin, language: Language, status: StatusCode, page: &Page<'_>) -> Response {
    let Ok(token) = session::token() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let w = LoginWords::of(language);
    let login = Login {
        frame: admin.frame(language, "/login", w.log_in),
        w,
        csrf: &token,
        next: path(page.next).unwrap_or("/"),
        why: page.why,
        open: page.open,
    };
    let cookie = [(header::SET_COOKIE, session::set_cookie(FORM_COOKIE, &token))];
    (status, cookie, rendered(&login, language)).into_response()
}

/// Whether a form without a session has the token that its cookie repeats.
pub fn is_own_form(headers: &HeaderMap, fields: &Fields) -> bool {
    let of_form = cookie(headers, FORM_COOKIE).unwrap_or_default();
    session::same(&of_form, fields.one("csrf"))
}

/// `POST /login`
pub async fn log_in(
    State(admin): State<Arc<Admin>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let (language, fields) = (language(&headers), Fields(fields));
    let open = admin.broker.is_open(client.address).await;
    let again = |status, why: &str| {
        let page = Page {
            open,
            next: fields.one("next"),
            why: Some(why),
        };
        form(&admin, language, status, &page)
    };
    if !is_own_form(&headers, &fields) {
        return again(StatusCode::FORBIDDEN, LoginWords::of(language).form_expired);
    }
    let ask = json!({
        "verb": "log-in", "user": fields.one("user"), "password": fields.one("password"),
    });
    let browser = browser(&admin, &headers, fields.one("user"));
    match begin(&admin, client.address, browser, ask).await {
        Ok((user, token)) => {
            let next = path(fields.one("next")).unwrap_or("/");
            welcome(&admin, &headers, (user, token), next)
        }
        Err(why) => again(status(&why), why.text(language)),
    }
}

/// Begins a session with the broker, by `browser` where that is known: it waits for its own wrong passwords
/// alone.
pub async fn begin(
    admin: &Admin,
    from: IpAddr,
    browser: Option<String>,
    mut ask: Value,
) -> Result<(User, String), Failure> {
    let source = match &browser {
        Some(number) => Source::Browser(number.clone()),
        None => Source::of(from),
    };
    if !admin.log_in_rates.allow(source) {
        return Err(too_often());
    }
    let busy = || Failure::machine("the service ends", "le service s’arrête");
    let _place = admin.logins.acquire().await.map_err(|_| busy())?;
    if let Some(number) = browser {
        ask["browser"] = number.into();
    }
    admin.broker.begin(from, &ask).await
}

/// Each attempt costs the appliance a process: the broker is not asked for one that has to wait anyway.
fn too_often() -> Failure {
    Failure::coded(
        "wait",
        "too many log-ins from this address; try again in some seconds",
        "trop de connexions depuis cette adresse ; réessayez dans quelques secondes",
    )
}

/// The number of this browser, where it is known for this user.
fn browser(admin: &Admin, headers: &HeaderMap, user: &str) -> Option<String> {
    let cookie = cookie(headers, known::COOKIE)?;
    admin.known.number(&cookie, user).map(str::to_owned)
}

/// The status of an answer to somebody who was not let in.
pub fn status(why: &Failure) -> StatusCode {
    match why.code.as_deref() {
        Some("wait") => StatusCode::TOO_MANY_REQUESTS,
        _ if why.refused => StatusCode::UNAUTHORIZED,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Begins a session here, and leads on.
pub fn welcome(
    admin: &Admin,
    headers: &HeaderMap,
    (user, of_broker): (User, String),
    next: &str,
) -> Response {
    let known = browser(admin, headers, &user.name);
    let known = admin.known.set_cookie(known.as_deref(), &user.name);
    let begun = admin.sessions.begin(user, of_broker);
    let (Ok(token), Ok(known)) = (begun, known) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let cookies = AppendHeaders([
        (header::SET_COOKIE, session::set_cookie(COOKIE, &token)),
        (header::SET_COOKIE, session::drop_cookie(FORM_COOKIE)),
        (header::SET_COOKIE, known),
    ]);
    (cookies, Redirect::to(next)).into_response()
}

/// `POST /logout`
pub async fn log_out(
    State(admin): State<Arc<Admin>>,
    headers: HeaderMap,
    sent: Sent<Viewer>,
) -> Response {
    admin
        .sessions
        .end(&cookie(&headers, COOKIE).unwrap_or_default());
    // Where it is silent, the session there ends by itself; nobody has its token any more.
    let ended = admin
        .broker
        .events(sent.who.speaker(), &json!({"verb": "log-out"}))
        .await;
    if let Err(why) = ended {
        eprintln!("vigie-web: ending a session: {}", why.text(Language::En));
    }
    let cookie = [(header::SET_COOKIE, session::drop_cookie(COOKIE))];
    (cookie, Redirect::to("/login")).into_response()
}

/// `POST /language`: for this browser; nothing else changes, so anybody may.
pub async fn language_chosen(Form(fields): Form<Vec<(String, String)>>) -> Response {
    let fields = Fields(fields);
    let next = path(fields.one("next")).unwrap_or("/");
    let Some(language) = Language::of_tag(fields.one("language")) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let cookie = session::set_cookie(chosen::COOKIE, language.tag());
    let cookie = format!("{cookie}; Max-Age={YEAR}");
    ([(header::SET_COOKIE, cookie)], Redirect::to(next)).into_response()
}

/// In seconds.
const YEAR: u32 = 365 * 86_400;
