//! Files that a form sends, and files that are sent back.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, FromRequestParts, Multipart, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Admin;
use super::who::{Needs, Who, wrong_token};

/// A form with files, of somebody with this role, that brought the session's token: its fields by name.
pub struct SentFiles<R> {
    pub who: Who<R>,
    fields: Vec<(String, Vec<u8>)>,
}

impl<R> SentFiles<R> {
    /// A file, or another field; nothing where it is empty.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        let found = self.fields.iter().find(|(key, _)| key == name);
        found
            .map(|(_, bytes)| bytes.as_slice())
            .filter(|bytes| !bytes.is_empty())
    }

    /// The text of a field; empty where there is none.
    pub fn text(&self, name: &str) -> &str {
        let bytes = self.bytes(name).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// Most fields of a form with files.
const FIELDS: usize = 8;

impl<R: Needs> FromRequest<Arc<Admin>> for SentFiles<R> {
    type Rejection = Response;

    async fn from_request(request: Request, admin: &Arc<Admin>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let who = Who::<R>::from_request_parts(&mut parts, admin).await?;
        let form = Multipart::from_request(Request::from_parts(parts, body), admin);
        let mut form = form.await.map_err(IntoResponse::into_response)?;
        let refused = |error: MultipartError| error.into_response();
        let mut fields = Vec::new();
        while let Some(field) = form.next_field().await.map_err(refused)? {
            if fields.len() >= FIELDS {
                return Err(StatusCode::PAYLOAD_TOO_LARGE.into_response());
            }
            let name = field.name().unwrap_or_default().to_owned();
            fields.push((name, field.bytes().await.map_err(refused)?.to_vec()));
            // The token comes first; without it nothing else is read.
            let (name, value) = &fields[0];
            let csrf = std::str::from_utf8(value).unwrap_or_default();
            if name != "csrf" || !who.knows(csrf) {
                return Err(wrong_token(admin, &who));
            }
        }
        if fields.is_empty() {
            return Err(wrong_token(admin, &who));
        }
        Ok(Self { who, fields })
    }
}

/// A file to be kept under a name; whatever cannot be in one is left out.
pub fn download(name: &str, kind: &'static str, bytes: impl Into<Body>) -> Response {
    let name = safe_name(name);
    let disposition = format!("attachment; filename=\"{name}\"");
    let disposition = HeaderValue::from_str(&disposition)
        .unwrap_or_else(|_| HeaderValue::from_static("attachment"));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    (headers, bytes.into()).into_response()
}

/// Letters, digits, dots, dashes and underscores of a name, and no dot in front.
pub fn safe_name(name: &str) -> String {
    let good = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name: String = name.chars().filter(good).take(100).collect();
    let name = name.trim_start_matches('.');
    match name {
        "" => "file".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c64_no_name_is_a_path_or_a_header() {
        for (name, expected) in [
            ("vigie-nvr-2026.backup", "vigie-nvr-2026.backup"),
            ("../../etc/passwd", "etcpasswd"),
            (
                "a\"; filename=b\r\nSet-Cookie: x=y",
                "afilenamebSet-Cookiexy",
            ),
            ("..", "file"),
            ("été", "t"),
            ("", "file"),
        ] {
            assert_eq!(safe_name(name), expected, "{name}");
        }
        assert_eq!(safe_name(&"a".repeat(500)).len(), 100);
    }
}
