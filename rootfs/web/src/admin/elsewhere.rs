//! Changes that another site asks for by way of somebody's browser are refused.

use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Refuses changes of which the browser says that another site asks for them.
pub async fn from_here(request: Request, next: Next) -> Response {
    if is_from_elsewhere(request.method(), request.headers(), request.uri()) {
        return (StatusCode::FORBIDDEN, "another site asked for this\n").into_response();
    }
    next.run(request).await
}

fn is_from_elsewhere(method: &Method, headers: &HeaderMap, uri: &Uri) -> bool {
    if matches!(*method, Method::GET | Method::HEAD) {
        return false;
    }
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = text(header::HeaderName::from_static("sec-fetch-site"));
    // A browser that says this knows best; it may hide the origin from its own site as well.
    if let Some(site) = site {
        return !matches!(site, "same-origin" | "none");
    }
    let host = text(header::HOST).or_else(|| uri.authority().map(|host| host.as_str()));
    let origin = text(header::ORIGIN);
    origin.is_some_and(|origin| origin.strip_prefix("https://") != host)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn c64_other_sites_change_nothing() {
        let uri = Uri::from_static("/update/install");
        for (method, site, origin, elsewhere) in [
            (Method::POST, "", "", false),
            (Method::POST, "same-origin", "https://nvr-hall", false),
            (Method::POST, "same-origin", "null", false),
            (Method::POST, "none", "", false),
            (Method::POST, "cross-site", "", true),
            (Method::POST, "same-site", "", true),
            (Method::POST, "", "https://evil.example", true),
            (Method::POST, "", "http://nvr-hall", true),
            (Method::POST, "", "null", true),
            (Method::PUT, "cross-site", "", true),
            (Method::DELETE, "", "https://nvr-hall:444", true),
            (Method::GET, "cross-site", "https://evil.example", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("nvr-hall"));
            for (name, value) in [("sec-fetch-site", site), ("origin", origin)] {
                if !value.is_empty() {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            let found = is_from_elsewhere(&method, &headers, &uri);
            assert_eq!(found, elsewhere, "{method} {site} {origin}");
        }
    }
}
