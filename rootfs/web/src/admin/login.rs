//! Log in, log out.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Form;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde_json::json;

use super::{Admin, LoggedIn, Plain, cookie, wrong_token};
use crate::known;
use crate::language::Language;
use crate::public::{html, language};
use crate::server::Client;
use crate::session::{self, COOKIE, FORM_COOKIE};
use crate::update_messages::UpdateMessages;
use crate::update_page;

/// What the form sends.
#[derive(Deserialize)]
pub struct Given {
    csrf: String,
    user: String,
    password: String,
}

/// `GET /login`
pub async fn page(State(admin): State<Arc<Admin>>, headers: HeaderMap) -> Response {
    form(&admin, language(&headers), StatusCode::OK, None)
}

/// The form, with a token of its own that its cookie repeats: nobody can be logged in by another
/// site.
fn form(admin: &Admin, language: Language, status: StatusCode, why: Option<&str>) -> Response {
    let Ok(token) = session::token() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let page = update_page::login(language, &admin.hostname, &token, why);
    let cookie = [(header::SET_COOKIE, session::set_cookie(FORM_COOKIE, &token))];
    (status, cookie, html(page, language)).into_response()
}

/// `POST /login`
pub async fn log_in(
    State(admin): State<Arc<Admin>>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    Form(given): Form<Given>,
) -> Response {
    let language = language(&headers);
    let of_form = cookie(&headers, FORM_COOKIE).unwrap_or_default();
    if !session::same(&of_form, &given.csrf) {
        let why = UpdateMessages::of(language).form_expired;
        return form(&admin, language, StatusCode::FORBIDDEN, Some(why));
    }
    let Ok(_place) = admin.logins.acquire().await else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let of_browser = cookie(&headers, known::COOKIE);
    let browser = of_browser.as_deref().and_then(|c| admin.known.number(c));
    let request = json!({
        "verb": "login",
        "user": given.user,
        "password": given.password,
        "peer": peer(client.address, browser),
    });
    let welcome = match admin.updater.events(&request).await {
        Ok(welcome) => welcome,
        Err(why) => {
            let status = match why.code.as_deref() {
                Some("wait") => StatusCode::TOO_MANY_REQUESTS,
                Some(_) => StatusCode::UNAUTHORIZED,
                None => StatusCode::SERVICE_UNAVAILABLE,
            };
            return form(&admin, language, status, Some(why.text(language)));
        }
    };
    let digest = welcome.first().and_then(|event| event["digest"].as_str());
    let Ok(token) = admin
        .sessions
        .begin(&given.user, digest.unwrap_or_default())
    else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let Ok(known) = admin.known.set_cookie(browser) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let cookies = AppendHeaders([
        (header::SET_COOKIE, session::set_cookie(COOKIE, &token)),
        (header::SET_COOKIE, session::drop_cookie(FORM_COOKIE)),
        (header::SET_COOKIE, known),
    ]);
    (cookies, Redirect::to("/update")).into_response()
}

/// `POST /logout`
pub async fn log_out(
    State(admin): State<Arc<Admin>>,
    logged_in: LoggedIn,
    headers: HeaderMap,
    Form(form): Form<Plain>,
) -> Response {
    if !logged_in.knows(&form.csrf) {
        return wrong_token();
    }
    admin
        .sessions
        .end(&cookie(&headers, COOKIE).unwrap_or_default());
    let cookie = [(header::SET_COOKIE, session::drop_cookie(COOKIE))];
    (cookie, Redirect::to("/login")).into_response()
}

/// Who has to wait after wrong passwords: an address; of IPv6 the network, because whoever has one
/// address there has 2^64. A browser that is known waits for itself alone.
fn peer(address: IpAddr, browser: Option<&str>) -> String {
    let network = match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    };
    match browser {
        Some(number) => format!("{network} browser {number}"),
        None => network,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c64_peers_of_one_network_wait_together() {
        for (address, expected) in [
            ("192.168.1.7", "192.168.1.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ] {
            let address = address.parse().expect("address");
            assert_eq!(peer(address, None), expected);
            let known = peer(address, Some("0123456789abcdef"));
            assert_eq!(known, format!("{expected} browser 0123456789abcdef"));
            assert!(known.len() <= 64, "the updater cuts it there");
        }
    }
}
