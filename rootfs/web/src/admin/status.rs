//! The status page over TLS: anybody may see it; who is logged in has the ways to the other pages on it.

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::response::Response;

use super::{Admin, language, settings, who};
use crate::language::Language;
use crate::page;
use crate::public::html;
use crate::server::Client;
use crate::words::frame::FrameWords;
use crate::words::settings::SettingsWords;

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
    let is_on_trial = match &present {
        Some(who) => settings::banner(&admin, who).await,
        None => false,
    };
    let banner = if is_on_trial {
        banner(language)
    } else {
        String::new()
    };
    html(page::status(&now.health, frame, &banner), language)
}

/// A network that waits to be confirmed is not left to be found.
fn banner(language: Language) -> String {
    let w = SettingsWords::of(language);
    format!(
        "<p class=\"verdict degraded\" role=\"alert\">{} <a href=\"/settings/trial\">{}</a></p>\n",
        w.trial_banner, w.trial_banner_way
    )
}
