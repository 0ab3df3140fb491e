//! The certificate of the web interface: one's own, or the appliance's.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::Admin;
use super::files::SentFiles;
use super::who::{Administrator, LoggedIn, Sent, Who};
use crate::broker::Speaker;
use crate::failure::{Failure, warnings};
use crate::public::rendered;
use crate::tls::Unfit;
use crate::upkeep_page::CertificatePage;
use crate::words::upkeep::UpkeepWords;

/// Largest form with a chain of certificates and a key in it, in bytes.
const LARGEST: usize = 128 << 10;

pub fn routes() -> Router<Arc<Admin>> {
    let install = post(install).layer(DefaultBodyLimit::max(LARGEST));
    Router::new()
        .route("/settings/certificate", get(page).merge(install))
        .route("/settings/certificate/self-made", post(self_made))
}

/// `GET /settings/certificate`
async fn page(State(admin): State<Arc<Admin>>, who: Who<Administrator>) -> Response {
    show(&admin, &who, StatusCode::OK, None, None)
}

fn show(
    admin: &Admin,
    who: &LoggedIn,
    status: StatusCode,
    why: Option<&str>,
    done: Option<&str>,
) -> Response {
    let w = UpkeepWords::of(who.language);
    let page = CertificatePage {
        frame: who.frame(admin, "/settings/certificate", w.certificate),
        w,
        own: admin.certificate.is_own(),
        print: admin.certificate.print(),
        why,
        done,
    };
    (status, rendered(&page, who.language)).into_response()
}

/// `POST /settings/certificate`
async fn install(State(admin): State<Arc<Admin>>, sent: SentFiles<Administrator>) -> Response {
    let who = &sent.who;
    let w = UpkeepWords::of(who.language);
    let chain = sent.bytes("chain").unwrap_or_default();
    let key = sent.bytes("key").unwrap_or_default();
    match admin.certificate.install(chain, key) {
        Ok(()) => {
            let not_written = not_noted(&admin, who, "installed").await;
            let why = not_written.as_deref();
            show(&admin, who, StatusCode::OK, why, Some(w.installed))
        }
        Err(why) => {
            let (status, why) = said(w, &why);
            show(&admin, who, status, Some(why), None)
        }
    }
}

/// Has the audit trail say who has done it; what the broker says to that.
///
/// # Errors
/// The broker does not write it down.
pub(super) async fn noted(
    admin: &Admin,
    who: &str,
    speaker: Speaker<'_>,
    done: &str,
) -> Result<Vec<Value>, Failure> {
    let print = admin.certificate.print();
    println!("vigie-web: {who}: certificate {done}, now {print}");
    let ask = json!({"verb": "certificate", "done": done, "print": print});
    admin.broker.events(speaker, &ask).await
}

/// Where that cannot be, what somebody must know of it.
async fn not_noted(admin: &Admin, who: &LoggedIn, done: &str) -> Option<String> {
    match noted(admin, &who.who(), who.speaker(), done).await {
        Ok(events) => warnings(&events, who.language),
        Err(why) => Some(why.text(who.language).to_owned()),
    }
}

/// Why a certificate is not taken.
pub(super) fn said(w: &UpkeepWords, why: &Unfit) -> (StatusCode, &'static str) {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    match why {
        Unfit::Chain => (status, w.no_certificate),
        Unfit::Key => (status, w.no_key),
        Unfit::Together => (status, w.not_together),
        Unfit::Kept(error) => {
            eprintln!("vigie-web: keeping a certificate: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, w.not_kept)
        }
    }
}

/// `POST /settings/certificate/self-made`
async fn self_made(State(admin): State<Arc<Admin>>, sent: Sent<Administrator>) -> Response {
    let who = &sent.who;
    match admin.certificate.self_made() {
        Ok(()) => match not_noted(&admin, who, "removed").await {
            None => Redirect::to("/settings/certificate").into_response(),
            Some(why) => show(&admin, who, StatusCode::OK, Some(&why), None),
        },
        Err(error) => {
            eprintln!("vigie-web: going back to the certificate of its own: {error:#}");
            let w = UpkeepWords::of(who.language);
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            show(&admin, who, status, Some(w.not_kept), None)
        }
    }
}
