//! Who may log in, and one's own account.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Admin;
use super::who::{Administrator, Fields, LoggedIn, Sent, Viewer, Who};
use crate::failure::{Failure, warnings};
use crate::passwords;
use crate::public::rendered;
use crate::users_page::{AccountPage, Listed, UsersPage};
use crate::words::frame::FrameWords;
use crate::words::login::LoginWords;
use crate::words::users::UsersWords;

pub fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/users", get(page))
        .route("/users/add", post(add))
        .route("/users/change", post(change))
        .route("/users/remove", post(remove))
        .route("/users/sessions", post(end_sessions))
        .route("/users/account", post(set_account))
        .route("/account", get(account))
        .route("/account/password", post(set_own))
        .route("/account/sessions", post(end_own))
}

/// What a page says was done before it.
#[derive(Default, Deserialize)]
pub struct Done {
    done: Option<String>,
}

impl Done {
    /// The words for it.
    pub fn words(&self, who: &LoggedIn) -> Option<&'static str> {
        let saved = || FrameWords::of(who.language).saved;
        self.done.is_some().then(saved)
    }
}

/// Why something was not done, and the status that says so.
struct Not {
    status: StatusCode,
    why: String,
}

impl Not {
    fn of(why: &Failure, who: &LoggedIn) -> Self {
        Self {
            status: refusal(why),
            why: why.text(who.language).to_owned(),
        }
    }

    fn typed(why: &str) -> Self {
        Self {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            why: why.to_owned(),
        }
    }
}

/// The status of a page that says why something was not done.
pub fn refusal(why: &Failure) -> StatusCode {
    match why.code.as_deref() {
        Some("wait") => StatusCode::TOO_MANY_REQUESTS,
        Some("role") => StatusCode::FORBIDDEN,
        _ if why.refused => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// `GET /users`
async fn page(
    State(admin): State<Arc<Admin>>,
    who: Who<Administrator>,
    Query(done): Query<Done>,
) -> Response {
    let done = done.words(&who);
    show(&admin, &who, done, "", None).await
}

async fn show(
    admin: &Admin,
    who: &LoggedIn,
    done: Option<&str>,
    typed: &str,
    not: Option<Not>,
) -> Response {
    let listed = admin
        .broker
        .events(who.speaker(), &json!({"verb": "users"}))
        .await;
    let (listed, silent) = match listed {
        Ok(listed) => (listed, None),
        Err(why) => (Vec::new(), Some(Not::of(&why, who))),
    };
    let users = listed
        .iter()
        .filter_map(|user| Listed::deserialize(user).ok());
    let not = not.or(silent);
    let w = UsersWords::of(who.language);
    let page = UsersPage {
        frame: who.frame(admin, "/users", w.title),
        w,
        p: LoginWords::of(who.language),
        users: users.collect(),
        typed,
        why: not.as_ref().map(|not| not.why.as_str()),
        done,
    };
    let status = not.as_ref().map_or(StatusCode::OK, |not| not.status);
    (status, rendered(&page, who.language)).into_response()
}

/// Has it done; leads back to the list, or says there why not.
async fn done(admin: &Admin, who: &LoggedIn, typed: &str, ask: Result<Value, Not>) -> Response {
    match asked(admin, who, ask).await {
        Ok(None) => Redirect::to("/users?done").into_response(),
        Ok(Some(warned)) => {
            let saved = Some(FrameWords::of(who.language).saved);
            show(admin, who, saved, "", Some(warned)).await
        }
        Err(not) => show(admin, who, None, typed, Some(not)).await,
    }
}

/// Has it done; what somebody must know of it all the same, such as that a password is not in force yet.
async fn asked(admin: &Admin, who: &LoggedIn, ask: Result<Value, Not>) -> Result<Option<Not>, Not> {
    let ask = ask?;
    // Each hashes a password, or judges one.
    let _place = admin.logins.acquire().await;
    let events = admin.broker.events(who.speaker(), &ask).await;
    let events = events.map_err(|why| Not::of(&why, who))?;
    Ok(warnings(&events, who.language).map(|why| Not {
        status: StatusCode::OK,
        why,
    }))
}

/// The new password of a form.
fn password<'a>(fields: &'a Fields, who: &LoggedIn) -> Result<&'a str, Not> {
    passwords::chosen(fields, LoginWords::of(who.language)).map_err(Not::typed)
}

/// `POST /users/add`
async fn add(State(admin): State<Arc<Admin>>, sent: Sent<Administrator>) -> Response {
    let Sent { who, fields } = &sent;
    let ask = password(fields, who).map(|password| {
        let mut ask = json!({
            "verb": "user-add", "name": fields.one("name").trim(), "role": fields.one("role"),
            "password": password,
        });
        with_language(&mut ask, fields);
        ask
    });
    done(&admin, who, fields.one("name"), ask).await
}

fn with_language(ask: &mut Value, fields: &Fields) {
    if !fields.one("language").is_empty() {
        ask["language"] = fields.one("language").into();
    }
}

/// `POST /users/change`
async fn change(State(admin): State<Arc<Admin>>, sent: Sent<Administrator>) -> Response {
    let Sent { who, fields } = &sent;
    let ask = changed(fields);
    let ask = match fields.one("password") {
        "" => Ok(ask),
        _ => password(fields, who).map(|password| {
            let mut ask = ask;
            ask["password"] = password.into();
            ask
        }),
    };
    done(&admin, who, "", ask).await
}

/// What a form changes of a user, beside the password: what it was not when the form was shown. What another
/// administrator has changed since stays as they left it.
fn changed(fields: &Fields) -> Value {
    let is_new = |name: &str, value: &str| {
        let before = fields.given(&format!("was-{name}"));
        before.is_none_or(|before| before != value)
    };
    let mut ask = json!({"verb": "user-change", "name": fields.one("name")});
    let (role, language) = (fields.one("role"), fields.one("language"));
    let disabled = fields.is_on("disabled");
    if is_new("role", role) {
        ask["role"] = role.into();
    }
    if is_new("language", language) {
        ask["language"] = match language {
            "" => Value::Null,
            language => language.into(),
        };
    }
    if is_new("disabled", if disabled { "on" } else { "" }) {
        ask["disabled"] = disabled.into();
    }
    ask
}

/// `POST /users/remove`
async fn remove(State(admin): State<Arc<Admin>>, sent: Sent<Administrator>) -> Response {
    let Sent { who, fields } = &sent;
    let ask = match fields.is_on("sure") {
        true => Ok(json!({"verb": "user-remove", "name": fields.one("name")})),
        false => Err(Not::typed(UsersWords::of(who.language).not_sure)),
    };
    done(&admin, who, "", ask).await
}

/// `POST /users/sessions`: all of a user's sessions are over, but for the one that asks.
async fn end_sessions(State(admin): State<Arc<Admin>>, sent: Sent<Administrator>) -> Response {
    let Sent { who, fields } = &sent;
    let ask = json!({"verb": "sessions-end", "name": fields.one("name")});
    let answer = done(&admin, who, "", Ok(ask)).await;
    // What was read a moment ago is no reason to let somebody go on reading.
    admin.sessions.doubt();
    answer
}

/// `POST /users/account`: the password of an account of the system.
async fn set_account(State(admin): State<Arc<Admin>>, sent: Sent<Administrator>) -> Response {
    let Sent { who, fields } = &sent;
    let ask = password(fields, who).map(|password| {
        json!({
            "verb": "set-password", "account": fields.one("account"), "password": password,
            "own": fields.one("own"),
        })
    });
    done(&admin, who, "", ask).await
}

/// `GET /account`
async fn account(
    State(admin): State<Arc<Admin>>,
    who: Who<Viewer>,
    Query(done): Query<Done>,
) -> Response {
    own(&admin, &who, done.words(&who), None)
}

fn own(admin: &Admin, who: &LoggedIn, done: Option<&str>, not: Option<Not>) -> Response {
    let w = UsersWords::of(who.language);
    let page = AccountPage {
        frame: who.frame(admin, "/account", w.my_account),
        w,
        p: LoginWords::of(who.language),
        why: not.as_ref().map(|not| not.why.as_str()),
        done,
    };
    let status = not.as_ref().map_or(StatusCode::OK, |not| not.status);
    (status, rendered(&page, who.language)).into_response()
}

/// `POST /account/sessions`: one's own, but for the one that asks.
async fn end_own(State(admin): State<Arc<Admin>>, sent: Sent<Viewer>) -> Response {
    let who = &sent.who;
    let ask = json!({"verb": "sessions-end", "name": who.name()});
    let ended = asked(&admin, who, Ok(ask)).await;
    admin.sessions.doubt();
    match ended {
        Ok(None) => Redirect::to("/account?done").into_response(),
        Ok(Some(warned)) => {
            let saved = Some(FrameWords::of(who.language).saved);
            own(&admin, who, saved, Some(warned))
        }
        Err(not) => own(&admin, who, None, Some(not)),
    }
}

/// `POST /account/password`
async fn set_own(State(admin): State<Arc<Admin>>, sent: Sent<Viewer>) -> Response {
    let Sent { who, fields } = &sent;
    let ask = password(fields, who).map(|new| {
        json!({
            "verb": "set-own-password", "old": fields.one("old"), "new": new,
        })
    });
    match asked(&admin, who, ask).await {
        Ok(None) => Redirect::to("/account?done").into_response(),
        Ok(Some(warned)) => {
            let saved = Some(FrameWords::of(who.language).saved);
            own(&admin, who, saved, Some(warned))
        }
        Err(not) => own(&admin, who, None, Some(not)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c64_a_form_undoes_nothing_that_another_administrator_did_meanwhile() {
        let shown = [
            ("name", "vera"),
            ("was-role", "viewer"),
            ("was-language", "fr"),
            ("was-disabled", ""),
        ];
        let ask = |sent: &[(&str, &str)]| {
            let all = shown.iter().chain(sent);
            let all = all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            let mut ask = changed(&Fields(all.collect()));
            ask.as_object_mut().expect("an object").remove("verb");
            ask
        };
        for (sent, expected) in [
            // Shown before somebody disabled her.
            (
                vec![("role", "viewer"), ("language", "fr")],
                json!({"name": "vera"}),
            ),
            (
                vec![("role", "operator"), ("language", "")],
                json!({"name": "vera", "role": "operator", "language": null}),
            ),
            (
                vec![("role", "viewer"), ("language", "fr"), ("disabled", "on")],
                json!({"name": "vera", "disabled": true}),
            ),
        ] {
            assert_eq!(ask(&sent), expected);
        }
    }
}
