//! The status page over TLS: anybody may see it; who is logged in has the ways to the other pages on it.

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::response::Response;

use super::{Admin, language, who};
use crate::page;
use crate::public::html;
use crate::server::Client;
use crate::words::frame::FrameWords;

/// `GET /`
pub async fn page(
    State(admin): State<Arc<Admin>>,
    Extension(_): Extension<Client>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let present = who::present(&parts, &admin).await.ok().flatten();
    let language = present
        .as_ref()
        .map_or_else(|| language(&parts.headers), |who| who.language);
    let title = FrameWords::of(language).status;
    let frame = match &present {
        Some(who) => who.frame(&admin, "/", title),
        None => admin.frame(language, "/", title),
    };
    let now = admin.public.now().await;
    html(page::status(&now.health, frame, ""), language)
}
