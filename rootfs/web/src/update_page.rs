//! What the updater says → the update page. Pure.

use std::fmt::Write as _;

use serde_json::Value;

use crate::asking::Asked;
use crate::failure::Failure;
use crate::frame::Frame;
use crate::job::Job;
use crate::page::{escape, framed};
use crate::scripts;
use crate::update_messages::UpdateMessages;
use crate::update_packages::{history, packages, upload};
use crate::update_server;
use crate::written::{good, localized, text, warning};

/// What the page shows.
pub struct View<'a> {
    pub frame: Frame<'a>,
    pub status: Result<Value, Failure>,
    pub found: Result<Vec<Value>, Failure>,
    pub history: Vec<Value>,
    pub job: Option<Job>,
    pub asked: Asked,
}

impl View<'_> {
    /// Whether an installation that was asked for here goes on.
    pub fn is_installing(&self) -> bool {
        self.job.as_ref().is_some_and(Job::is_running)
    }
}

/// The update page.
pub fn update(view: &View<'_>) -> String {
    let m = UpdateMessages::of(view.frame.language);
    let mut body = String::new();
    match &view.status {
        Ok(status) => state(&mut body, view, m, status),
        Err(why) => warning(&mut body, why.text(view.frame.language)),
    }
    job(&mut body, view, m);
    packages(&mut body, view, m);
    if let Ok(status) = &view.status {
        update_server::section(&mut body, view, m, &status["server"]);
    }
    upload(&mut body, view, m);
    history(&mut body, view, m);
    let refresh = match &view.job {
        Some(job) if job.is_running() => AGAIN,
        _ if view.asked.running => AGAIN,
        _ => "",
    };
    let foot = format!("<script>{}</script>\n", scripts::UPDATE);
    framed(view.frame, refresh, &body, &foot)
}

/// Loads the page again where no script follows what goes on.
const AGAIN: &str = "<noscript><meta http-equiv=\"refresh\" content=\"3\"></noscript>\n";

/// Answers a restart that was asked for; comes back by itself.
pub fn restarting(frame: Frame<'_>) -> String {
    let m = UpdateMessages::of(frame.language);
    let refresh = "<noscript><meta http-equiv=\"refresh\" content=\"60;url=/update\"></noscript>\n";
    let body = format!(
        "<p class=\"verdict ok\" role=\"status\">{}</p>\n",
        m.restarting
    );
    let foot = format!("<script>{}</script>\n", scripts::RESTARTING);
    framed(frame, refresh, &body, &foot)
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
    let of_job = view
        .job
        .as_ref()
        .and_then(|job| job.warning(view.frame.language));
    let installed = last_settled(view).filter(|record| text(record, "outcome") == "installed");
    let of_record = installed.map(|record| localized(record, view.frame.language));
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
                &words.replace("{reason}", localized(record, view.frame.language)),
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
        warning(body, &format!("{words} {}", why.text(view.frame.language)));
    }
    if job.is_running() {
        let percent = job.percent();
        let _ = writeln!(
            body,
            "<section id=\"job\" aria-live=\"polite\"><p id=\"job-text\">{}</p>\
             <progress id=\"job-bar\" max=\"100\" value=\"{percent}\">{percent} %</progress></section>",
            job.phase(view.frame.language)
        );
    }
}

/// A button that changes something.
pub fn form(view: &View<'_>, action: &str, label: &str, more: &str) -> String {
    format!(
        "<form method=\"post\" action=\"{action}\"><input type=\"hidden\" name=\"csrf\" \
         value=\"{}\">{more}<button>{label}</button></form>\n",
        view.frame.csrf()
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::frame::tests::frame;
    use crate::golden;
    use crate::language::Language;

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
            frame: frame(language, "/update", UpdateMessages::of(language).title),
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
                found("not-read", "usb", "it holds <b>"),
            ]),
            history: vec![
                record("refused", "older", None),
                record("returned", "it hung <b>", Some("elle s’est figée <b>")),
            ],
            job: None,
            asked: Asked::default(),
        }
    }

    #[test]
    fn pages() {
        golden::page("update.en", &update(&view(Language::En)));
        golden::page("update.fr", &update(&view(Language::Fr)));
        let failure = Failure::new("no answer <b>", "pas de réponse <b>");
        let silent = View {
            status: Err(failure.clone()),
            found: Err(failure),
            history: vec![],
            ..view(Language::En)
        };
        golden::page("update-silent.en", &update(&silent));
        let frame = frame(Language::En, "/update", "Update");
        golden::page("restarting.en", &restarting(frame));
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
}
