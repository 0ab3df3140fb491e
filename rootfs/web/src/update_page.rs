//! What the updater says → the update page; and the log-in page. Pure.

use std::fmt::Write as _;

use serde_json::Value;

use crate::asking::Asked;
use crate::job::Job;
use crate::language::Language;
use crate::messages::Messages;
use crate::page::{STYLE, escape, size};
use crate::update_messages::{UpdateMessages, worded};
use crate::update_server;
use crate::updater::Failure;

/// The whole script of the update page.
const SCRIPT: &str = include_str!("update.js");
/// That of the page which waits for the restarted appliance.
const RESTARTING: &str = include_str!("restarting.js");
/// All scripts; the security policy admits them by their digests.
pub const SCRIPTS: [&str; 2] = [SCRIPT, RESTARTING];
/// Records of the history that are shown.
const RECORDS: usize = 8;

/// What the page shows.
pub struct View<'a> {
    pub language: Language,
    pub hostname: &'a str,
    /// The token that every form brings along.
    pub csrf: &'a str,
    pub status: Result<Value, Failure>,
    pub found: Result<Vec<Value>, Failure>,
    pub history: Vec<Value>,
    pub job: Option<Job>,
    pub asked: Asked,
}

impl View<'_> {
    fn is_installing(&self) -> bool {
        self.job.as_ref().is_some_and(Job::is_running)
    }
}

/// The update page.
pub fn update(view: &View<'_>) -> String {
    let m = UpdateMessages::of(view.language);
    let mut body = String::new();
    match &view.status {
        Ok(status) => state(&mut body, view, m, status),
        Err(why) => warning(&mut body, why.text(view.language)),
    }
    job(&mut body, view, m);
    packages(&mut body, view, m);
    if let Ok(status) = &view.status {
        update_server::section(&mut body, view, m, &status["server"]);
    }
    upload(&mut body, m);
    history(&mut body, view, m);
    let end = format!("<script>{SCRIPT}</script>\n");
    let refresh = match &view.job {
        Some(job) if job.is_running() => {
            "<noscript><meta http-equiv=\"refresh\" content=\"3\"></noscript>\n"
        }
        _ if view.asked.running => "<meta http-equiv=\"refresh\" content=\"3\">\n",
        _ => "",
    };
    let out = form(view, "/logout", m.log_out, "");
    frame(
        view.language,
        view.hostname,
        m.title,
        refresh,
        &out,
        &(body + &end),
    )
}

/// Answers a restart that was asked for; comes back by itself.
pub fn restarting(language: Language, hostname: &str) -> String {
    let m = UpdateMessages::of(language);
    let refresh = "<noscript><meta http-equiv=\"refresh\" content=\"60;url=/update\"></noscript>\n";
    let body = format!(
        "<p class=\"verdict ok\" role=\"status\">{}</p>\n<script>{RESTARTING}</script>\n",
        m.restarting
    );
    frame(language, hostname, m.title, refresh, "", &body)
}

/// The log-in page; `why` is what was wrong the last time.
pub fn login(language: Language, hostname: &str, csrf: &str, why: Option<&str>) -> String {
    let m = UpdateMessages::of(language);
    let mut body = String::new();
    if let Some(why) = why {
        warning(&mut body, why);
    }
    let _ = write!(
        body,
        "<form method=\"post\" action=\"/login\">\n\
         <input type=\"hidden\" name=\"csrf\" value=\"{csrf}\">\n\
         <p><label for=\"user\">{}</label><br><input id=\"user\" name=\"user\" value=\"root\" \
         autocomplete=\"username\" autocapitalize=\"none\" required></p>\n\
         <p><label for=\"password\">{}</label><br><input id=\"password\" name=\"password\" \
         type=\"password\" autocomplete=\"current-password\" required autofocus></p>\n\
         <p><button>{}</button></p>\n</form>\n",
        m.name, m.password, m.log_in
    );
    frame(language, hostname, m.log_in, "", "", &body)
}

fn frame(
    language: Language,
    hostname: &str,
    title: &str,
    head: &str,
    corner: &str,
    body: &str,
) -> String {
    let (host, m) = (escape(hostname), UpdateMessages::of(language));
    format!(
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n{head}\
         <title>{host} – {title}</title>\n<style>{STYLE}</style>\n</head>\n\
         <body>\n<header><h1>Vigie</h1><p>{host}</p><nav><a href=\"/\">{}</a></nav>{corner}</header>\n\
         <main>\n<h2 class=\"title\">{title}</h2>\n{body}</main>\n</body>\n</html>\n",
        language.tag(),
        m.status_page,
    )
}

/// A button that changes something.
pub fn form(view: &View<'_>, action: &str, label: &str, more: &str) -> String {
    format!(
        "<form method=\"post\" action=\"{action}\"><input type=\"hidden\" name=\"csrf\" \
         value=\"{}\">{more}<button>{label}</button></form>\n",
        view.csrf
    )
}

pub fn warning(body: &mut String, text: &str) {
    let _ = writeln!(
        body,
        "<p class=\"verdict degraded\" role=\"alert\">{}</p>",
        escape(text)
    );
}

fn good(body: &mut String, text: &str) {
    let _ = writeln!(
        body,
        "<p class=\"verdict ok\" role=\"status\">{}</p>",
        escape(text)
    );
}

pub fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// A reason in a language, as far as it is known in it.
pub fn localized(value: &Value, language: Language) -> &str {
    match language {
        Language::En => text(value, "reason"),
        // What a version before wrote into the history has no French.
        Language::Fr => match text(value, "reason_fr") {
            "" => text(value, "reason"),
            french => french,
        },
    }
}

/// What runs, what comes next, what became of the last installation.
fn state(body: &mut String, view: &View<'_>, m: &UpdateMessages, status: &Value) {
    let (slot, next) = (text(status, "slot"), text(status, "next"));
    let running = m
        .running
        .replace("{version}", &escape(text(status, "version")))
        .replace("{slot}", &escape(&slot.to_uppercase()));
    let _ = writeln!(body, "<p>{running}</p>");
    last_outcome(body, view, m);
    let other = if slot == "a" { "b" } else { "a" };
    let held = text(&status["holds"][other], "version");
    let here = view.is_installing();
    let restart = form(view, "/update/restart", m.restart, "");
    let note = format!("<p class=\"note\">{}</p>\n", m.restart_note);
    if here {
        // What is under way is shown below; until it has ended there is nothing to choose.
    } else if status["waiting"] == true {
        let words = m.waiting.replace("{version}", held);
        good(
            body,
            if held.is_empty() {
                m.waiting_unknown
            } else {
                &words
            },
        );
        if let Some(reason) = warned(view) {
            warning(body, &m.other_disk.replace("{reason}", reason));
        }
        let back = form(view, "/update/rollback", m.take_back, "");
        let _ = writeln!(body, "{note}<div class=\"actions\">{restart}{back}</div>");
    } else if next != slot && !next.is_empty() {
        good(body, &m.goes_back.replace("{slot}", &next.to_uppercase()));
        let _ = writeln!(body, "{note}{restart}");
    } else if status["slots"][other]["good"] == true {
        let label = match held {
            "" => m.go_back_unknown.to_owned(),
            held => m.go_back.replace("{version}", &escape(held)),
        };
        let _ = writeln!(body, "<details><summary>{label}</summary>");
        let _ = writeln!(body, "<p class=\"note\">{}</p>", m.go_back_note);
        body.push_str(&form(view, "/update/rollback", &label, ""));
        body.push_str("</details>\n");
    }
    if let (Some(who), false) = (status["busy"].as_str(), here) {
        good(body, &m.busy.replace("{who}", who));
    }
}

/// The newest record that settled something.
fn last_settled<'a>(view: &'a View<'_>) -> Option<&'a Value> {
    let settled = |record: &&Value| !matches!(text(record, "outcome"), "refused" | "failed");
    view.history.iter().find(settled)
}

/// What another disk of the system said when the version that waits was installed.
fn warned<'a>(view: &'a View<'_>) -> Option<&'a str> {
    let of_job = view.job.as_ref().and_then(|job| job.warning(view.language));
    let installed = last_settled(view).filter(|record| text(record, "outcome") == "installed");
    let of_record = installed.map(|record| localized(record, view.language));
    of_job.or(of_record.filter(|reason| !reason.is_empty()))
}

fn last_outcome(body: &mut String, view: &View<'_>, m: &UpdateMessages) {
    let Some(record) = last_settled(view) else {
        return;
    };
    let version = text(record, "to");
    match text(record, "outcome") {
        "good" => good(body, &m.last_good.replace("{version}", version)),
        "returned" => {
            let words = m.last_returned.replace("{version}", version);
            warning(
                body,
                &words.replace("{reason}", localized(record, view.language)),
            );
        }
        _ => {}
    }
}

/// An installation that was asked for here.
fn job(body: &mut String, view: &View<'_>, m: &UpdateMessages) {
    let Some(job) = &view.job else { return };
    if let Some(why) = job.failure() {
        let words = match why.machine {
            true => m.last_machine,
            false => m.last_failed,
        };
        warning(body, &format!("{words} {}", why.text(view.language)));
    }
    if job.is_running() {
        let percent = job.percent();
        let _ = writeln!(
            body,
            "<section id=\"job\" aria-live=\"polite\"><p id=\"job-text\">{}</p>\
             <progress id=\"job-bar\" max=\"100\" value=\"{percent}\">{percent} %</progress></section>",
            job.phase(view.language)
        );
    }
}

fn packages(body: &mut String, view: &View<'_>, m: &UpdateMessages) {
    let _ = writeln!(body, "<section>\n<h2>{}</h2>", m.packages);
    match &view.found {
        // The status has told it already.
        Err(why) if view.status.is_ok() => warning(body, why.text(view.language)),
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
    let reason = match localized(found, view.language) {
        "" => String::new(),
        reason => format!("<br>{}", escape(reason)),
    };
    let bytes = size(
        Messages::of(view.language),
        found["size"].as_u64().unwrap_or_default(),
    );
    let (door, name) = (text(found, "door"), escape(text(found, "name")));
    let _ = writeln!(
        body,
        "<li><strong>{}</strong>{base} <span class=\"{class}\">{word}</span>{reason}\
         <br><span class=\"note\">{}, <code>{name}</code>, {bytes}</span>",
        escape(version),
        worded(&m.doors, door),
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

fn upload(body: &mut String, m: &UpdateMessages) {
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
         <noscript><p>{}</p></noscript>\n\
         <form id=\"upload\" hidden{}>\n\
         <p><label for=\"file\">{}</label><br><input id=\"file\" type=\"file\" accept=\".tgz\" required></p>\n\
         <p><button>{}</button></p>\n\
         <div aria-live=\"polite\"><p id=\"upload-text\"></p>\
         <progress id=\"upload-bar\" max=\"100\" value=\"0\" hidden></progress></div>\n</form>\n</section>",
        m.upload,
        m.upload_note,
        m.upload_script,
        texts.concat(),
        m.upload_file,
        m.upload_send
    );
}

fn history(body: &mut String, view: &View<'_>, m: &UpdateMessages) {
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
            worded(&m.outcomes, text(record, "outcome")),
        );
        if let Some(door) = record["door"].as_str() {
            let _ = write!(line, ", {}", escape(worded(&m.doors, door)));
        }
        if let Some(who) = record["who"].as_str() {
            let _ = write!(line, ", {} {}", m.by, escape(who));
        }
        let reason = localized(record, view.language);
        if !reason.is_empty() {
            let _ = write!(line, "<br><span class=\"note\">{}</span>", escape(reason));
        }
        let _ = writeln!(body, "<li>{line}</li>");
    }
    body.push_str("</ul>\n</section>\n");
}

/// Seconds since 1970 as a date; the time zone is nowhere that this service reads.
pub fn date(seconds: i64) -> String {
    let Ok(time) = time::OffsetDateTime::from_unix_timestamp(seconds) else {
        return String::new();
    };
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02} UTC",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute()
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    fn view(language: Language) -> View<'static> {
        let found = |state: &str, door: &str, reason: &str| {
            json!({
                "event": "found", "id": "ab12", "door": door, "name": "<b>-upd.tgz", "state": state,
                "size": 150_000_000, "version": "2.0.0.0", "base": "1.0.0.0",
                "reason": reason, "reason_fr": format!("{reason} (fr)"),
            })
        };
        let record = |outcome: &str, reason: &str, reason_fr: Option<&str>| {
            json!({
                "time": 1_700_000_000, "outcome": outcome, "from": "1.0.0.0", "to": "2.0.0.0",
                "door": "usb", "who": "<i>anne</i>", "reason": reason,
                "reason_fr": reason_fr,
            })
        };
        View {
            language,
            hostname: "nvr-<hall>",
            csrf: "0123",
            status: Ok(json!({
                "version": "1.0.0.0", "slot": "a", "next": "a", "busy": "Console, <b>",
                "slots": {"b": {"good": true}}, "holds": {"b": {"version": "0.9.0.0"}},
                "server": {"busy": false, "report": {
                    "time": 1_700_000_000, "answer": "refused", "version": "<b>3",
                    "made": 1_699_000_000, "reason": "no licence <b>",
                    "reason_fr": "pas de licence <b>",
                }},
            })),
            found: Ok(vec![
                found("ready", "usb", ""),
                found("arriving", "scp", "1 of 2 <b>"),
                found("later", "usb", "another waits"),
                found("refused", "web", "older"),
                found("unreadable", "unheard-of", "damaged"),
            ]),
            history: vec![
                record("refused", "older", None),
                record("returned", "it hung <b>", Some("elle s’est figée <b>")),
            ],
            job: None,
            asked: Asked::default(),
        }
    }

    fn golden(name: &str, page: &str) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.html"));
        // Style and script have files of their own.
        let page = page.replace(STYLE, "");
        let page = SCRIPTS
            .iter()
            .fold(page, |page, script| page.replace(script, ""));
        if std::env::var_os("VIGIE_BLESS").is_some() {
            std::fs::write(&file, &page).expect("written");
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(page, expected, "{}", file.display());
        for markup in ["<b>", "<i>", "<hall>"] {
            assert!(!page.contains(markup), "{name}: {markup}");
        }
    }

    #[test]
    fn pages() {
        golden("update.en", &update(&view(Language::En)));
        golden("update.fr", &update(&view(Language::Fr)));
        let failure = Failure::new("no answer <b>", "pas de réponse <b>");
        let silent = View {
            status: Err(failure.clone()),
            found: Err(failure),
            history: vec![],
            ..view(Language::En)
        };
        golden("update-silent.en", &update(&silent));
        golden(
            "login.fr",
            &login(Language::Fr, "nvr-hall", "0123", Some("faux <b>")),
        );
        golden("restarting.en", &restarting(Language::En, "nvr-hall"));
    }

    #[test]
    fn what_may_be_done_follows_from_how_it_stands() {
        let page = |change: &dyn Fn(&mut View<'_>)| {
            let mut view = view(Language::En);
            change(&mut view);
            update(&view)
        };
        let set = |view: &mut View<'_>, key: &str, value: Value| {
            if let Ok(status) = &mut view.status {
                status[key] = value;
            }
        };
        let idle = page(&|_| ());
        let waiting = page(&|view| set(view, "waiting", json!(true)));
        let back = page(&|view| set(view, "next", json!("b")));
        let alone = page(&|view| set(view, "slots", json!({"b": {"good": false}})));
        let running = page(&|view| view.job = Some(Job::default()));
        for (name, page, buttons) in [
            ("idle", &idle, ["install", "rollback", "remove"].as_slice()),
            (
                "waiting",
                &waiting,
                &["install", "rollback", "restart", "remove"],
            ),
            ("back", &back, &["install", "restart", "remove"]),
            ("alone", &alone, &["install", "remove"]),
            ("running", &running, &["remove"]),
        ] {
            for button in ["install", "rollback", "restart", "remove"] {
                let there = page.contains(&format!("action=\"/update/{button}\""));
                assert_eq!(there, buttons.contains(&button), "{name}: {button}");
            }
        }
        assert!(running.contains("id=\"job\"") && running.contains("http-equiv"));
    }

    #[test]
    fn what_came_of_an_installation_is_told() {
        let (en, fr) = (Language::En, Language::Fr);
        let installed = |reason: &str| json!({"outcome": "installed", "reason": reason, "reason_fr": reason.replace("disk", "disque")});
        let page = |language, version: &str, reason: &str| {
            let mut view = view(language);
            if let Ok(status) = &mut view.status {
                status["waiting"] = json!(true);
                status["holds"]["b"]["version"] = json!(version);
            }
            view.history = vec![json!({"outcome": "refused"}), installed(reason)];
            update(&view)
        };
        let warns = "class=\"verdict degraded\"";
        for (language, version, reason, is_warned, words) in [
            (en, "2.0.0.0", "", false, "Version 2.0.0.0 is installed."),
            (en, "", "", false, "A new version is installed."),
            (fr, "", "", false, "Une nouvelle version est installée."),
            (
                en,
                "",
                "the disk <b>",
                true,
                "Warning: the disk &lt;b&gt;; replace",
            ),
            (
                fr,
                "",
                "the disk <b>",
                true,
                "the disque &lt;b&gt; ; remplacez",
            ),
        ] {
            let page = page(language, version, reason);
            assert!(page.contains(words), "{words}: {page}");
            assert_eq!(page.contains(warns), is_warned, "{words}");
        }
        // Gone back from, or started since, it says nothing any more.
        let mut idle = view(en);
        idle.history = vec![installed("disk")];
        assert!(!update(&idle).contains(warns));
        if let Ok(status) = &mut idle.status {
            status["holds"] = json!({});
        }
        assert!(update(&idle).contains("Go back to the version before"));
    }

    #[test]
    fn a_list_that_failed_takes_nothing_else_away() {
        let mut view = view(Language::En);
        view.found = Err(Failure::new("no list <b>", "pas de liste"));
        let page = update(&view);
        for words in [
            "Version 1.0.0.0 runs",
            "no list &lt;b&gt;",
            "<h2>History</h2>",
        ] {
            assert!(page.contains(words), "{words}");
        }
    }

    #[test]
    fn the_server_is_asked_where_there_is_one() {
        let page = |language, server: Value, asked: &Asked| {
            let mut view = view(language);
            if let Ok(status) = &mut view.status {
                status["server"] = server;
            }
            view.asked = asked.clone();
            update(&view)
        };
        let idle = Asked::default();
        let running = Asked {
            running: true,
            ..Asked::default()
        };
        let failed = Asked {
            failure: Some(Failure::new("no <b>", "non <b>")),
            ..Asked::default()
        };
        let report = |answer| json!({"report": {"answer": answer, "version": "2.1.0.0"}});
        let button = "action=\"/update/ask\"";
        let (en, fr) = (Language::En, Language::Fr);
        for (language, server, asked, is_button, words) in [
            (en, json!({}), &idle, true, "Check for updates now"),
            (fr, json!({}), &idle, true, "Chercher une mise à jour"),
            (en, json!({}), &idle, true, "has not been asked"),
            (en, json!({}), &failed, true, "no &lt;b&gt;"),
            (fr, json!({}), &failed, true, "non &lt;b&gt;"),
            (en, json!({}), &running, false, "is being asked"),
            (en, json!({"busy": true}), &idle, false, "is being asked"),
            (en, report("offered"), &idle, true, "offers version 2.1.0.0"),
            (
                fr,
                report("offered"),
                &idle,
                true,
                "propose la version 2.1.0.0",
            ),
            (en, report("up-to-date"), &idle, true, "nothing newer"),
            (en, report("fetched"), &idle, true, "2.1.0.0 was fetched"),
            (en, report("unconfirmed"), &idle, true, "confirmed"),
            (en, report("failed"), &idle, true, "in vain"),
            (en, report("<b>"), &idle, true, "&lt;b&gt;"),
        ] {
            let page = page(language, server.clone(), asked);
            assert_eq!(page.contains(button), is_button, "{server} {asked:?}");
            assert!(page.contains(words), "{server} {asked:?}: {words}");
            assert_eq!(page.contains("http-equiv"), asked.running);
        }
        let none = page(en, Value::Null, &idle);
        assert!(!none.contains(button) && !none.contains("Update server"));
    }

    #[test]
    fn dates() {
        assert_eq!(date(1_700_000_000), "2023-11-14 22:13 UTC");
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(i64::MAX), "");
    }
}
