//! The part of the update page about packages: those that are here, sending one, and what became of others.
//! Pure.

use std::fmt::Write as _;

use serde_json::Value;

use crate::messages::Messages;
use crate::page::{escape, size};
use crate::update_messages::{UpdateMessages, worded};
use crate::update_page::{View, form};
use crate::written::{date, localized, text, warning};

/// Records of the history that are shown.
const RECORDS: usize = 8;

/// What lies in the folders, with what can be done with it.
pub fn packages(body: &mut String, view: &View<'_>, m: &UpdateMessages) {
    let _ = writeln!(body, "<section>\n<h2>{}</h2>", m.packages);
    match &view.found {
        // The status has told it already.
        Err(why) if view.status.is_ok() => warning(body, why.text(view.frame.language)),
        Err(_) => {}
        Ok(found) if found.is_empty() => {
            let _ = writeln!(body, "<p>{}</p>", m.none);
        }
        Ok(found) => {
            body.push_str("<ul>\n");
            for package in found {
                self::package(body, view, m, package);
            }
            body.push_str("</ul>\n");
        }
    }
    let _ = writeln!(
        body,
        "<p><a href=\"/update\">{}</a></p>\n</section>",
        m.look_again
    );
}

fn package(body: &mut String, view: &View<'_>, m: &UpdateMessages, found: &Value) {
    let state = text(found, "state");
    if state == "not-read" {
        return medium(body, view, m, found);
    }
    let (class, word) = match state {
        "ready" => ("good", m.ready),
        "arriving" => ("", m.arriving),
        "later" => ("", m.later),
        "refused" => ("bad", m.refused),
        _ => ("bad", m.unreadable),
    };
    let version = found["version"].as_str().unwrap_or("?");
    let base = match text(found, "base") {
        "" => String::new(),
        base => format!(", {} {}", m.since, escape(base)),
    };
    let reason = match localized(found, view.frame.language) {
        "" => String::new(),
        reason => format!("<br>{}", escape(reason)),
    };
    let bytes = size(
        Messages::of(view.frame.language),
        found["size"].as_u64().unwrap_or_default(),
    );
    let (door, name) = (text(found, "door"), escape(text(found, "name")));
    let _ = writeln!(
        body,
        "<li><strong>{}</strong>{base} <span class=\"{class}\">{word}</span>{reason}\
         <br><span class=\"note\">{}, <code>{name}</code>, {bytes}</span>",
        escape(version),
        escape(worded(&m.doors, door)),
    );
    let mut buttons = String::new();
    if state == "ready" && !view.is_installing() {
        let id = escape(text(found, "id"));
        let id = format!("<input type=\"hidden\" name=\"id\" value=\"{id}\">");
        let label = format!("{} {}", m.install, escape(version));
        buttons.push_str(&form(view, "/update/install", &label, &id));
    }
    if door == "web" {
        let file = format!("<input type=\"hidden\" name=\"file\" value=\"{name}\">");
        buttons.push_str(&form(view, "/update/remove", m.remove, &file));
    }
    let _ = writeln!(body, "<div class=\"actions\">{buttons}</div></li>");
}

/// A stick or disc that is not read, and why.
fn medium(body: &mut String, view: &View<'_>, m: &UpdateMessages, found: &Value) {
    let _ = writeln!(
        body,
        "<li><strong>{}</strong> <span class=\"bad\">{}</span><br>{}</li>",
        escape(text(found, "name")),
        m.not_read,
        escape(localized(found, view.frame.language)),
    );
}

/// The form that sends one: the page's script does, and where none runs the browser itself.
pub fn upload(body: &mut String, view: &View<'_>, m: &UpdateMessages) {
    let texts = [
        ("sending", m.sending),
        ("checking", m.checking),
        ("resuming", m.resuming),
        ("done", m.upload_done),
        ("lost", m.upload_lost),
        ("machine", m.upload_machine),
    ];
    let texts = texts.map(|(key, text)| format!(" data-{key}=\"{}\"", escape(text)));
    let _ = writeln!(
        body,
        "<section>\n<h2>{}</h2>\n<p class=\"note\">{}</p>\n\
         <noscript><p class=\"note\">{}</p>\n{}</noscript>\n\
         <form id=\"upload\" hidden{}>\n\
         <p><label for=\"file\">{}</label><br><input id=\"file\" type=\"file\" accept=\".tgz\" required></p>\n\
         <p><button>{}</button></p>\n\
         <div aria-live=\"polite\"><p id=\"upload-text\"></p>\
         <progress id=\"upload-bar\" max=\"100\" value=\"0\" hidden></progress></div>\n</form>\n</section>",
        m.upload,
        m.upload_note,
        m.upload_script,
        plain_upload(view, m),
        texts.concat(),
        m.upload_file,
        m.upload_send
    );
}

/// The token stands before the file: without it nothing of that is read.
fn plain_upload(view: &View<'_>, m: &UpdateMessages) -> String {
    format!(
        "<form method=\"post\" action=\"/update/send\" enctype=\"multipart/form-data\">\
         <input type=\"hidden\" name=\"csrf\" value=\"{}\">\n\
         <p><label for=\"plain-file\">{}</label><br>\
         <input id=\"plain-file\" name=\"file\" type=\"file\" accept=\".tgz\" required></p>\n\
         <p><button>{}</button></p>\n</form>\n",
        view.frame.csrf(),
        m.upload_file,
        m.upload_send
    )
}

/// What became of others.
pub fn history(body: &mut String, view: &View<'_>, m: &UpdateMessages) {
    if view.history.is_empty() {
        return;
    }
    let _ = writeln!(body, "<section>\n<h2>{}</h2>\n<ul>", m.history);
    for record in view.history.iter().take(RECORDS) {
        let versions = match text(record, "to") {
            "" => text(record, "from").to_owned(),
            to => format!("{} → {to}", text(record, "from")),
        };
        let mut line = format!(
            "{} <strong>{}</strong> {}",
            date(record["time"].as_i64().unwrap_or_default()),
            escape(&versions),
            escape(worded(&m.outcomes, text(record, "outcome"))),
        );
        if let Some(door) = record["door"].as_str() {
            let _ = write!(line, ", {}", escape(worded(&m.doors, door)));
        }
        if let Some(who) = record["who"].as_str() {
            let _ = write!(line, ", {} {}", m.by, escape(who));
        }
        let reason = localized(record, view.frame.language);
        if !reason.is_empty() {
            let _ = write!(line, "<br><span class=\"note\">{}</span>", escape(reason));
        }
        let _ = writeln!(body, "<li>{line}</li>");
    }
    body.push_str("</ul>\n</section>\n");
}
