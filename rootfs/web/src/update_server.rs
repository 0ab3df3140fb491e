//! The part of the update page about the server that the settings name. Pure.

use std::fmt::Write as _;

use serde_json::Value;

use crate::language::Language;
use crate::page::escape;
use crate::update_messages::{UpdateMessages, worded};
use crate::update_page::{View, form};
use crate::written::{date, localized, text, warning};

/// Seconds of a day.
const DAY: u64 = 86_400;

/// What the server said last, and the button that asks it; nothing where the settings name none.
pub fn section(body: &mut String, view: &View<'_>, m: &UpdateMessages, server: &Value) {
    if server.is_null() {
        return;
    }
    let _ = writeln!(body, "<section>\n<h2>{}</h2>", m.server);
    if let Some(why) = &view.asked.failure {
        warning(body, why.text(view.frame.language));
    }
    match &server["report"] {
        Value::Null => {
            let _ = writeln!(body, "<p>{}</p>", m.never_asked);
        }
        report => told(body, m, report, view.frame.language),
    }
    if view.asked.running || server["busy"] == true {
        let _ = writeln!(body, "<p id=\"asking\" role=\"status\">{}</p>", m.asking);
    } else {
        body.push_str(&form(view, "/update/ask", m.ask, ""));
    }
    body.push_str("</section>\n");
}

/// The report, which an account with a network wrote: only ever shown.
fn told(body: &mut String, m: &UpdateMessages, report: &Value, language: Language) {
    let version = escape(report["version"].as_str().unwrap_or("?"));
    let answer = escape(worded(&m.answers, text(report, "answer")));
    let time = report["time"].as_u64().unwrap_or_default();
    let _ = write!(body, "<p>{}", answer.replace("{version}", &version));
    match localized(report, language) {
        "" => {}
        reason => {
            let _ = write!(body, "<br>{}", escape(reason));
        }
    }
    let asked = date(i64::try_from(time).unwrap_or(i64::MAX));
    let _ = write!(body, "<br><span class=\"note\">{} {asked}", m.asked);
    // Whoever holds back the server's news shows an old list: only a person can judge that.
    if let Some(days) = report["made"]
        .as_u64()
        .and_then(|made| time.checked_sub(made))
    {
        let days = (days / DAY).to_string();
        let _ = write!(body, ", {}", m.list_made.replace("{days}", &days));
    }
    body.push_str("</span></p>\n");
}
