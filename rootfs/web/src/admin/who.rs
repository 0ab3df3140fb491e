//! Who asks: handlers take a [`Who`] of the role that they need, and, where something changes, a
//! [`Sent`] form with the session's token. A handler cannot be written without saying for whom it is.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use askama::Template;
use axum::Form;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use tokio::time::sleep;

use super::{Admin, cookie, language};
use crate::broker::{Role, Speaker};
use crate::failure::Failure;
use crate::frame::{self, Frame};
use crate::language::{self as chosen, Language};
use crate::page;
use crate::public::rendered;
use crate::server::Client;
use crate::session::{self, Session};
use crate::upload::alive::EVERY;
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
    /// What our own session is known by.
    cookie: String,
    /// Their browser asks by itself.
    quiet: bool,
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

/// The session is over, and nothing of what a form brought was done.
#[derive(Template)]
#[template(path = "ended.html")]
struct Ended<'a> {
    frame: Frame<'a>,
    w: &'static FrameWords,
    /// What was typed.
    typed: Vec<(&'a str, &'a str)>,
    /// Where to log in, and come back to.
    way: String,
}

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

    /// Their name.
    pub fn name(&self) -> &str {
        &self.session.user.name
    }

    pub fn is_administrator(&self) -> bool {
        self.session.user.role == Role::Administrator
    }

    /// For asking the broker.
    pub fn speaker(&self) -> Speaker<'_> {
        Speaker {
            token: Some(&self.session.token),
            from: self.address,
            quiet: self.quiet,
        }
    }

    /// Uses the session now and then for as long as something is sent with it.
    pub async fn stays(&self, admin: &Admin) -> Infallible {
        loop {
            sleep(EVERY).await;
            self.is_there(admin).await;
        }
    }

    /// Uses the session, here and with the broker: they are there, although they ask for nothing.
    async fn is_there(&self, admin: &Admin) {
        admin.sessions.of(&self.cookie);
        match admin.broker.user(self.speaker()).await {
            Ok(Some(user)) => admin.sessions.renew(&self.cookie, &user),
            Ok(None) => admin.sessions.end(&self.cookie),
            // The next request asks again.
            Err(_) => {}
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
        self.given(name).unwrap_or_default()
    }

    /// A field's value; none where the form does not have it.
    pub fn given(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// What was typed, as far as it is known to be no secret.
    fn shown(&self) -> Vec<(&str, &str)> {
        const FIELDS: [&str; 8] = [
            "organisation",
            "site",
            "contact",
            "email",
            "phone",
            "message",
            "name",
            "role",
        ];
        // Those of the settings have paths as names; the form has none of their secrets.
        let is_shown = |name: &str| name.contains('.') || FIELDS.contains(&name);
        let typed = self.0.iter();
        typed
            .filter(|(name, value)| is_shown(name) && !value.trim().is_empty())
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    /// Whether a box is ticked.
    pub fn is_on(&self, name: &str) -> bool {
        !self.one(name).is_empty()
    }
}

impl<R: Needs> FromRequestParts<Arc<Admin>> for Who<R> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, admin: &Arc<Admin>) -> Result<Self, Response> {
        let present = present(parts, admin).await?;
        Self::of(present, parts, admin, &Fields::default())
    }
}

impl<R: Needs> Who<R> {
    /// Whoever is present, if their role is enough. Who is not is told so, with what they have typed.
    #[expect(clippy::result_large_err, reason = "an answer, once a request")]
    fn of(
        present: Option<LoggedIn>,
        parts: &Parts,
        admin: &Admin,
        typed: &Fields,
    ) -> Result<Self, Response> {
        let Some(logged_in) = present else {
            return Err(log_in_first(parts, admin, typed));
        };
        logged_in.may(admin, R::ROLE)?;
        Ok(Self(logged_in, PhantomData))
    }
}

impl<R: Needs> FromRequest<Arc<Admin>> for Sent<R> {
    type Rejection = Response;

    async fn from_request(request: Request, admin: &Arc<Admin>) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        let present = present(&parts, admin).await?;
        let form = Request::from_parts(parts.clone(), body);
        let form = Form::<Vec<(String, String)>>::from_request(form, admin).await;
        let typed = form
            .as_ref()
            .map_or_else(|_| Fields::default(), |Form(fields)| Fields(fields.clone()));
        let who = Who::<R>::of(present, &parts, admin, &typed)?;
        let Form(fields) = form.map_err(IntoResponse::into_response)?;
        let fields = Fields(fields);
        if !who.knows(fields.one("csrf")) {
            return Err(wrong_token(admin, &who));
        }
        Ok(Self { who, fields })
    }
}

/// A page's address may be typed before the log-in; it is come back to. Who has sent a form finds there what
/// they had typed: their browser may have nothing of it any more.
fn log_in_first(parts: &Parts, admin: &Admin, typed: &Fields) -> Response {
    let path = super::path(parts.uri.path());
    match path {
        Some(path) if parts.method == Method::GET && is_page(path) => {
            Redirect::to(&format!("/login?next={path}")).into_response()
        }
        Some(path) if parts.method == Method::POST && wants_a_page(&parts.headers) => {
            ended(&parts.headers, admin, path, typed)
        }
        _ => (StatusCode::UNAUTHORIZED, "log in first\n").into_response(),
    }
}

/// Whether a person's browser shows the answer.
fn wants_a_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT);
    let accepted = accepted.and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/html"))
}

fn ended(headers: &HeaderMap, admin: &Admin, path: &str, typed: &Fields) -> Response {
    let language = language(headers);
    let w = FrameWords::of(language);
    // The page with the form is above what it is sent to; every page has that of the log-out.
    let page = path.split('/').nth(1).filter(|page| *page != "logout");
    let page = page.unwrap_or_default();
    let page = Ended {
        frame: admin.frame(language, "/login", w.ended),
        w,
        typed: typed.shown(),
        way: format!("/login?next=/{page}"),
    };
    (StatusCode::UNAUTHORIZED, rendered(&page, language)).into_response()
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
    let quiet = is_by_itself(&parts.uri);
    let session = match quiet {
        true => admin.sessions.look(&token),
        false => admin.sessions.of(&token),
    };
    let (Some(mut session), Some(client)) = (session, client) else {
        return Ok(None);
    };
    let changes = !matches!(parts.method, Method::GET | Method::HEAD);
    if changes || !session.is_fresh() {
        let speaker = Speaker {
            token: Some(&session.token),
            from: client.address,
            quiet,
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
        cookie: token,
        quiet,
        language,
    }))
}

/// Whether a page renews itself: nobody need be there for that, and the session ends as if nobody were.
fn is_by_itself(uri: &Uri) -> bool {
    uri.path() == "/" && uri.query() == Some(page::AGAIN)
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
        assert_eq!((fields.given("b"), fields.given("none")), (Some(""), None));
    }

    #[test]
    fn c64_what_is_shown_again_is_no_secret() {
        let secret = [
            "csrf",
            "password",
            "again",
            "old",
            "own",
            "passphrase",
            "code",
            "user",
            "new",
        ];
        let typed = ["message", "system.hostname"];
        let field = |name: &&str| ((*name).to_owned(), "x".to_owned());
        let all = secret.iter().chain(&typed).map(field);
        let fields = Fields(all.collect());
        assert_eq!(fields.shown(), [("message", "x"), ("system.hostname", "x")]);
        assert!(Fields(vec![("site".into(), " ".into())]).shown().is_empty());
    }

    #[test]
    fn only_the_status_page_asks_by_itself() {
        for (uri, expected) in [
            ("/?again", true),
            ("/", false),
            ("/?again=1", false),
            ("/update?again", false),
        ] {
            assert_eq!(
                is_by_itself(&uri.parse().expect("a URI")),
                expected,
                "{uri}"
            );
        }
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
