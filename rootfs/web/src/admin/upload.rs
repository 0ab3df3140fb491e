//! The routes of uploads; the page's script uses them, and so can curl (docs/update.md).
//!
//! | request | does |
//! |---|---|
//! | `PUT /update/upload` | a whole package in one go |
//! | `POST /update/upload` | begins one that can be gone on with: 201 and its `Location` |
//! | `HEAD …/NAME` | `Upload-Offset`: bytes that are here; `Upload-Complete: ?1` when they were checked too |
//! | `PUT …/NAME` with `Content-Range` | a part: 202 while more is to come, 201 when it is whole |
//! | `PUT …/NAME` with `Content-Range: bytes */TOTAL` and no body | checks what is all here: 201 |
//! | `DELETE …/NAME` | gives it up |
//!
//! A package that is not taken is answered with 422 and removed. Where the check itself failed, 503:
//! what has come stays, and the check can be asked for again. It goes on where the connection breaks.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Admin;
use super::who::{Administrator, LoggedIn, Who, wrong_token};
use crate::failure::Failure;
use crate::server::Client;
use crate::upload::alive::meanwhile;
use crate::upload::pace::linger;
use crate::upload::range::{Asked, Part};
use crate::upload::receive::{Received, Refused, Sent, no_room};
use crate::upload::store::Name;

/// How their addresses begin.
pub const PATH: &str = "/update/upload";
const TOKEN: &str = "x-csrf-token";
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
/// As "Resumable Uploads for HTTP" has it (draft-ietf-httpbis-resumable-upload): a Boolean.
const COMPLETE: HeaderName = HeaderName::from_static("upload-complete");
const LENGTH: &str = "upload-length";

fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a request brings the session's token.
fn may(who: &Who<Administrator>, headers: &HeaderMap) -> bool {
    who.knows(text(headers, TOKEN).unwrap_or_default())
}

fn no(status: StatusCode, why: &Failure) -> Response {
    // What of the body is not read must not be taken for another request.
    (status, [(header::CONNECTION, "close")], Json(why.json())).into_response()
}

fn wrong(why: &Failure) -> Response {
    no(StatusCode::BAD_REQUEST, why)
}

fn absent() -> Response {
    let why = Failure::new("there is no such upload", "cet envoi n’existe pas");
    no(StatusCode::NOT_FOUND, &why)
}

/// `POST /update/upload`
pub async fn create(
    State(admin): State<Arc<Admin>>,
    who: Who<Administrator>,
    headers: HeaderMap,
) -> Response {
    if !may(&who, &headers) {
        return wrong_token(&admin, &who);
    }
    let length = text(&headers, LENGTH).and_then(|text| text.parse::<u64>().ok());
    let Some(length) = length else {
        return wrong(&Failure::new(
            "Upload-Length is missing or no number",
            "Upload-Length manque ou n’est pas un nombre",
        ));
    };
    match begin(&admin, length) {
        Ok(name) => {
            let location = format!("/update/upload/{}", name.as_str());
            (StatusCode::CREATED, [(header::LOCATION, location)]).into_response()
        }
        Err(no) => no,
    }
}

/// An empty upload that will have `length` bytes.
#[expect(clippy::result_large_err, reason = "an answer, once a request")]
fn begin(admin: &Admin, length: u64) -> Result<Name, Response> {
    let begun = admin.receiver.store.create(length).map_err(|error| {
        eprintln!("vigie-web: beginning an upload: {error}");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    });
    begun?.ok_or_else(|| {
        let Refused { status, why } = no_room();
        no(status, &why)
    })
}

/// `HEAD …/NAME`
pub async fn offset(
    State(admin): State<Arc<Admin>>,
    _: Who<Administrator>,
    Path(name): Path<String>,
) -> Response {
    let store = &admin.receiver.store;
    let Some(name) = Name::parse(&name) else {
        return absent();
    };
    // In this order: one that is finished in between is seen as such.
    let found = store.offset(&name).map(|bytes| (bytes, "?0"));
    let found = found.or_else(|| store.whole_length(&name).map(|bytes| (bytes, "?1")));
    let Some((bytes, complete)) = found else {
        return absent();
    };
    let told = [(OFFSET, bytes.to_string()), (COMPLETE, complete.to_owned())];
    (StatusCode::OK, told).into_response()
}

/// `DELETE …/NAME`
pub async fn abort(
    State(admin): State<Arc<Admin>>,
    who: Who<Administrator>,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Response {
    if !may(&who, &headers) {
        return wrong_token(&admin, &who);
    }
    let Some(name) = Name::parse(&name) else {
        return absent();
    };
    admin.receiver.store.abort(&name);
    StatusCode::NO_CONTENT.into_response()
}

/// `PUT …/NAME`
pub async fn part(
    State(admin): State<Arc<Admin>>,
    who: Who<Administrator>,
    Extension(client): Extension<Client>,
    Path(name): Path<String>,
    headers: HeaderMap,
    mut body: Body,
) -> Response {
    let checked = match Name::parse(&name) {
        _ if !may(&who, &headers) => Err(wrong_token(&admin, &who)),
        Some(name) => understood(&headers, Asked::of).map(|asked| (name, asked)),
        None => Err(absent()),
    };
    match checked {
        Ok((name, asked)) => receive(&admin, &who, &client, &name, asked, &headers, body).await,
        Err(no) => {
            linger(&mut body).await;
            no
        }
    }
}

/// `PUT /update/upload`
pub async fn whole(
    State(admin): State<Arc<Admin>>,
    who: Who<Administrator>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    mut body: Body,
) -> Response {
    let checked = match understood(&headers, Part::of) {
        _ if !may(&who, &headers) => Err(wrong_token(&admin, &who)),
        Ok(part) => begin(&admin, part.total).map(|name| (name, part)),
        Err(no) => Err(no),
    };
    match checked {
        Ok((name, part)) => {
            let asked = Asked::Part(part);
            receive(&admin, &who, &client, &name, asked, &headers, body).await
        }
        Err(no) => {
            linger(&mut body).await;
            no
        }
    }
}

/// Which part a request brings, by its range and length.
#[expect(clippy::result_large_err, reason = "an answer, once a request")]
fn understood<T>(
    headers: &HeaderMap,
    of: impl Fn(Option<&str>, Option<&str>) -> Result<T, Failure>,
) -> Result<T, Response> {
    let range = text(headers, header::CONTENT_RANGE);
    of(range, text(headers, header::CONTENT_LENGTH)).map_err(|why| wrong(&why))
}

/// All places are taken.
pub fn too_many() -> Refused {
    Refused {
        status: StatusCode::TOO_MANY_REQUESTS,
        why: Failure::new("too many uploads at once", "trop d’envois à la fois"),
    }
}

async fn receive(
    admin: &Admin,
    who: &LoggedIn,
    client: &Client,
    name: &Name,
    asked: Asked,
    headers: &HeaderMap,
    mut body: Body,
) -> Response {
    let Ok(place) = Arc::clone(&admin.uploads).try_acquire_owned() else {
        linger(&mut body).await;
        let Refused { status, why } = too_many();
        return no(status, &why);
    };
    // From here on the upload has bounds of its own.
    let _hold = client.lifetime.hold();
    let package = text(headers, header::IF_MATCH).map(|tag| tag.trim_matches('"'));
    let receiving = async {
        match asked {
            Asked::Part(part) => {
                let sent = Sent {
                    name,
                    part,
                    package,
                };
                admin.receiver.take(&sent, body, place).await
            }
            Asked::Finish { total } => admin.receiver.finish(name, total, package, place).await,
        }
    };
    let received = meanwhile(receiving, who.stays(admin)).await;
    match received {
        Ok(Received::Part { offset, package }) => {
            let tag = format!("\"{}\"", package.unwrap_or_default());
            let told = [(OFFSET, offset.to_string()), (header::ETAG, tag)];
            (StatusCode::ACCEPTED, told).into_response()
        }
        Ok(Received::Whole { version }) => {
            (StatusCode::CREATED, Json(json!({ "version": version }))).into_response()
        }
        Err(Refused { status, why }) => no(status, &why),
    }
}
