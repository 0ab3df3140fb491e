//! Who asks: handlers take a [`Who`] of the role that they need, and, where something changes, a
//! [`Sent`] form with the session's token. A handler cannot be written without saying for whom it is.

use std::marker::PhantomData;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use super::{Admin, cookie, language};
use crate::broker::{Role, Speaker};
use crate::failure::Failure;
use crate::frame::{self, Frame};
use crate::language::{self as chosen, Language};
use crate::public::rendered;
use crate::server::Client;
use crate::session::{self, Session};
use crate::words::frame::FrameWords;

/// A role that a handler needs.
pub trait Needs: Send + Sync {
    const ROLE: Role;
}

/// Who only looks.
pub enum Viewer {}
/// Who runs the recorder day by day.
pub enum Operator {}
/// Who does everything.
pub enum Administrator {}

impl Needs for Viewer {
    const ROLE: Role = Role::Viewer;
}
impl Needs for Operator {
    const ROLE: Role = Role::Operator;
}
impl Needs for Administrator {
    const ROLE: Role = Role::Administrator;
}

/// Whoever is logged in.
pub struct LoggedIn {
    session: Session,
    address: IpAddr,
    pub language: Language,
}

/// Whoever is logged in with this role or one above it. Pages send others to the log-in; all else answers
/// 401, or 403 where the role is not enough.
pub struct Who<R>(LoggedIn, PhantomData<R>);

/// A form of such a person, which brought the session's token.
pub struct Sent<R> {
    pub who: Who<R>,
    pub fields: Fields,
}

/// What a form has, in its order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, String)>);

/// A page that only says why something is not there.
#[derive(Template)]
#[template(path = "message.html")]
struct Message<'a> {
    frame: Frame<'a>,
    text: &'a str,
}

impl LoggedIn {
    /// Whether a token is this session's.
    pub fn knows(&self, csrf: &str) -> bool {
        session::same(&self.session.csrf, csrf)
    }

    /// Who, for the history.
    pub fn who(&self) -> String {
        format!("{} ({})", self.session.user.name, self.address)
    }

    pub fn is_administrator(&self) -> bool {
        self.session.user.role == Role::Administrator
    }

    /// For asking the broker.
    pub fn speaker(&self) -> Speaker<'_> {
        Speaker {
            token: Some(&self.session.token),
            from: self.address,
        }
    }

    /// Of the session with the broker.
    pub fn token(&self) -> &str {
        &self.session.token
    }

    /// The frame of a page for them.
    pub fn frame<'a>(&'a self, admin: &'a Admin, here: &'a str, title: &'a str) -> Frame<'a> {
        Frame {
            who: Some(frame::Who {
                name: &self.session.user.name,
                role: self.session.user.role,
                csrf: &self.session.csrf,
            }),
            ..admin.frame(self.language, here, title)
        }
    }

    /// A page that says why not.
    fn refusal(&self, admin: &Admin, status: StatusCode, title: &str, text: &str) -> Response {
        let frame = self.frame(admin, "/", title);
        (status, rendered(&Message { frame, text }, self.language)).into_response()
    }

    /// Whether they may what takes this role.
    #[expect(clippy::result_large_err, reason = "an answer, once a request")]
    fn may(&self, admin: &Admin, needed: Role) -> Result<(), Response> {
        if self.session.user.role >= needed {
            return Ok(());
        }
        let w = FrameWords::of(self.language);
        let role = self.frame(admin, "/", "").role(&needed);
        let text = w.needs.replace("{role}", role);
        Err(self.refusal(admin, StatusCode::FORBIDDEN, w.not_allowed, &text))
    }
}

impl<R> Deref for Who<R> {
    type Target = LoggedIn;

    fn deref(&self) -> &LoggedIn {
        &self.0
    }
}

impl Fields {
    /// A field's value; empty where there is none.
    pub fn one(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }

    /// Whether a box is ticked.
    pub fn is_on(&self, name: &str) -> bool {
        !self.one(name).is_empty()
    }
}

impl<R: Needs> FromRequestParts<Arc<Admin>> for Who<R> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, admin: &Arc<Admin>) -> Result<Self, Response> {
        let Some(logged_in) = present(parts, admin).await? else {
            return Err(log_in_first(parts));
        };
        logged_in.may(admin, R::ROLE)?;
        Ok(Self(logged_in, PhantomData))
    }
}

impl<R: Needs> FromRequest<Arc<Admin>> for Sent<R> {
    type Rejection = Response;

    async fn from_request(request: Request, admin: &Arc<Admin>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let who = Who::<R>::from_request_parts(&mut parts, admin).await?;
        let form =
            Form::<Vec<(String, String)>>::from_request(Request::from_parts(parts, body), admin);
        let Form(fields) = form.await.map_err(IntoResponse::into_response)?;
        let fields = Fields(fields);
        if !who.knows(fields.one("csrf")) {
            return Err(wrong_token(admin, &who));
        }
        Ok(Self { who, fields })
    }
}

/// A page's address may be typed before the log-in; it is come back to.
fn log_in_first(parts: &Parts) -> Response {
    let path = super::path(parts.uri.path());
    match path {
        Some(path) if parts.method == Method::GET && is_page(path) => {
            Redirect::to(&format!("/login?next={path}")).into_response()
        }
        _ => (StatusCode::UNAUTHORIZED, "log in first\n").into_response(),
    }
}

/// What a person opens; what scripts ask for answers 401.
fn is_page(path: &str) -> bool {
    !matches!(path, "/update/job" | "/logs/follow") && !path.starts_with("/update/upload/")
}

/// Whoever is logged in, as the broker says it. Where it does not, nothing is changed; reading tells
/// nothing then that was not told before.
pub async fn present(parts: &Parts, admin: &Admin) -> Result<Option<LoggedIn>, Response> {
    let Some(token) = cookie(&parts.headers, session::COOKIE) else {
        return Ok(None);
    };
    let client = parts.extensions.get::<Client>();
    let (Some(mut session), Some(client)) = (admin.sessions.of(&token), client) else {
        return Ok(None);
    };
    let changes = !matches!(parts.method, Method::GET | Method::HEAD);
    if changes || !session.is_fresh() {
        let speaker = Speaker {
            token: Some(&session.token),
            from: client.address,
        };
        match admin.broker.user(speaker).await {
            Ok(Some(user)) => {
                admin.sessions.renew(&token, &user);
                session.user = user;
            }
            Ok(None) => {
                admin.sessions.end(&token);
                admin.sessions.doubt();
                return Ok(None);
            }
            Err(_) if !changes => {}
            Err(why) => return Err(unavailable(&why, &parts.headers)),
        }
    }
    let language = of_person(&parts.headers, session.user.language);
    Ok(Some(LoggedIn {
        session,
        address: client.address,
        language,
    }))
}

/// The language of somebody: what was chosen in this browser, what their settings say, what the browser
/// asks for.
fn of_person(headers: &HeaderMap, set: Option<Language>) -> Language {
    let has_chosen = cookie(headers, chosen::COOKIE).is_some();
    set.filter(|_| !has_chosen)
        .unwrap_or_else(|| language(headers))
}

fn unavailable(why: &Failure, headers: &HeaderMap) -> Response {
    let why = format!("{}\n", why.text(language(headers)));
    (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
}

/// A form whose token is not the session's.
pub fn wrong_token(admin: &Admin, who: &LoggedIn) -> Response {
    let w = FrameWords::of(who.language);
    who.refusal(admin, StatusCode::FORBIDDEN, w.expired, w.wrong_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_a_form() {
        let pairs = [("a", "1"), ("b", ""), ("a", "2"), ("on", "on")];
        let fields = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let fields = Fields(fields.to_vec());
        assert_eq!((fields.one("a"), fields.one("none")), ("1", ""));
        assert!(fields.is_on("on") && !fields.is_on("b") && !fields.is_on("none"));
    }

    #[test]
    fn whose_language_it_is() {
        let mut headers = HeaderMap::new();
        let set = Some(Language::Fr);
        assert_eq!(of_person(&headers, set), Language::Fr);
        assert_eq!(of_person(&headers, None), Language::En);
        let cookie = format!("{}=en", chosen::COOKIE).parse().expect("a header");
        headers.insert(axum::http::header::COOKIE, cookie);
        assert_eq!(of_person(&headers, set), Language::En);
    }
}
