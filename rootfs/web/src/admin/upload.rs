//! The routes of uploads; the page's script uses them, and so can curl (docs/update.md).
//!
//! | request | does |
//! |---|---|
//! | `PUT /update/upload` | a whole package in one go |
//! | `POST /update/upload` | begins one that can be gone on with: 201 and its `Location` |
//! | `HEAD …/NAME` | `Upload-Offset`: bytes that are here |
//! | `PUT …/NAME` with `Content-Range` | a part: 202 while more is to come, 201 when it is whole |
//! | `DELETE …/NAME` | gives it up |

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::{Admin, LoggedIn, wrong_token};
use crate::server::Client;
use crate::updater::Failure;
use crate::upload::range::Part;
use crate::upload::receive::{Received, Refused, Sent, linger, no_room};
use crate::upload::store::Name;

const TOKEN: &str = "x-csrf-token";
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const LENGTH: &str = "upload-length";

fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Whether a request brings the session's token.
fn may(logged_in: &LoggedIn, headers: &HeaderMap) -> bool {
    logged_in.knows(text(headers, TOKEN).unwrap_or_default())
}

fn no(status: StatusCode, why: &Failure) -> Response {
    // What of the body is not read must not be taken for another request.
    (status, [(header::CONNECTION, "close")], Json(why.json())).into_response()
}

fn wrong(english: &str) -> Response {
    no(StatusCode::BAD_REQUEST, &Failure::new(english, english))
}

fn absent() -> Response {
    let why = Failure::new("there is no such upload", "cet envoi n’existe pas");
    no(StatusCode::NOT_FOUND, &why)
}

/// `POST /update/upload`
pub async fn create(
    State(admin): State<Arc<Admin>>,
    logged_in: LoggedIn,
    headers: HeaderMap,
) -> Response {
    if !may(&logged_in, &headers) {
        return wrong_token();
    }
    let length = text(&headers, LENGTH).and_then(|text| text.parse::<u64>().ok());
    let Some(length) = length else {
        return wrong("Upload-Length is missing or no number");
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
    _: LoggedIn,
    Path(name): Path<String>,
) -> Response {
    let offset = Name::parse(&name).and_then(|name| admin.receiver.store.offset(&name));
    match offset {
        Some(offset) => (StatusCode::OK, [(OFFSET, offset.to_string())]).into_response(),
        None => absent(),
    }
}

/// `DELETE …/NAME`
pub async fn abort(
    State(admin): State<Arc<Admin>>,
    logged_in: LoggedIn,
    headers: HeaderMap,
    Path(name): Path<String>,
) -> Response {
    if !may(&logged_in, &headers) {
        return wrong_token();
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
    logged_in: LoggedIn,
    Extension(client): Extension<Client>,
    Path(name): Path<String>,
    headers: HeaderMap,
    mut body: Body,
) -> Response {
    let checked = match Name::parse(&name) {
        _ if !may(&logged_in, &headers) => Err(wrong_token()),
        Some(name) => understood(&headers).map(|part| (name, part)),
        None => Err(absent()),
    };
    match checked {
        Ok((name, part)) => receive(&admin, &client, &name, part, &headers, body).await,
        Err(no) => {
            linger(&mut body).await;
            no
        }
    }
}

/// `PUT /update/upload`
pub async fn whole(
    State(admin): State<Arc<Admin>>,
    logged_in: LoggedIn,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    mut body: Body,
) -> Response {
    let checked = match understood(&headers) {
        _ if !may(&logged_in, &headers) => Err(wrong_token()),
        Ok(part) => begin(&admin, part.total).map(|name| (name, part)),
        Err(no) => Err(no),
    };
    match checked {
        Ok((name, part)) => receive(&admin, &client, &name, part, &headers, body).await,
        Err(no) => {
            linger(&mut body).await;
            no
        }
    }
}

/// Which part a request brings.
#[expect(clippy::result_large_err, reason = "an answer, once a request")]
fn understood(headers: &HeaderMap) -> Result<Part, Response> {
    let range = text(headers, header::CONTENT_RANGE);
    Part::of(range, text(headers, header::CONTENT_LENGTH)).map_err(wrong)
}

async fn receive(
    admin: &Admin,
    client: &Client,
    name: &Name,
    part: Part,
    headers: &HeaderMap,
    mut body: Body,
) -> Response {
    let Ok(_place) = admin.uploads.try_acquire() else {
        linger(&mut body).await;
        let why = Failure::new("too many uploads at once", "trop d’envois à la fois");
        return no(StatusCode::TOO_MANY_REQUESTS, &why);
    };
    // From here on the upload has bounds of its own.
    let _hold = client.lifetime.hold();
    let sent = Sent {
        name,
        part,
        package: text(headers, header::IF_MATCH).map(|tag| tag.trim_matches('"')),
    };
    match admin.receiver.take(&sent, body).await {
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
