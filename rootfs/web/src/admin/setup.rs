//! The first visitor, who has read the code on the console, makes the first administrator.

use std::sync::Arc;

use axum::Form;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::json;

use super::login::{begin, is_own_form, status, welcome};
use super::who::Fields;
use super::{Admin, language};
use crate::language::Language;
use crate::login_page::Setup;
use crate::passwords;
use crate::public::rendered;
use crate::server::Client;
use crate::session::{self, FORM_COOKIE};
use crate::words::login::LoginWords;

/// `GET /setup`
pub async fn page(
    State(admin): State<Arc<Admin>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Response {
    if !admin.broker.is_open(client.address).await {
        return Redirect::to("/login").into_response();
    }
    let nothing = Fields::default();
    form(&admin, language(&headers), StatusCode::OK, &nothing, None)
}

fn form(
    admin: &Admin,
    language: Language,
    status: StatusCode,
    typed: &Fields,
    why: Option<&str>,
) -> Response {
    let Ok(token) = session::token() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let frame = admin.frame(language, "/setup", LoginWords::of(language).setup);
    let setup = Setup {
        code: typed.one("code"),
        user: typed.one("user"),
        why,
        ..Setup::new(frame, &token)
    };
    let cookie = [(header::SET_COOKIE, session::set_cookie(FORM_COOKIE, &token))];
    (status, cookie, rendered(&setup, language)).into_response()
}

/// `POST /setup`
pub async fn set_up(
    State(admin): State<Arc<Admin>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let (language, fields) = (language(&headers), Fields(fields));
    let w = LoginWords::of(language);
    let again = |status, why: &str| form(&admin, language, status, &fields, Some(why));
    if !is_own_form(&headers, &fields) {
        return again(StatusCode::FORBIDDEN, w.form_expired);
    }
    let password = match passwords::chosen(&fields, w) {
        Ok(password) => password,
        Err(why) => return again(StatusCode::UNPROCESSABLE_ENTITY, why),
    };
    let code: String = fields.one("code").split_whitespace().collect();
    let ask = json!({
        "verb": "setup", "code": code.to_uppercase(), "user": fields.one("user").trim(),
        "password": password, "language": language.tag(),
    });
    // No browser is known for who is not made yet, and another one of that name is nobody now.
    match begin(&admin, client.address, None, ask).await {
        Ok(session) => {
            admin.broker.note_open(false).await;
            welcome(&admin, &headers, session, "/")
        }
        Err(why) => again(status(&why), why.text(language)),
    }
}
