//! What an API answered to a tester, counted: whether its requests came past the door. A tester that is
//! refused everywhere, or told to wait, has tested nothing, and nothing of what it was told is wrong.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// Refusals of the web interface itself, before it asks anybody (`rootfs/web/src/admin/api.rs`).
const AT_THE_DOOR: [&str; 3] = ["rate", "request", "session"];
/// So many of a hundred answers at most are "wait" or an error of the server.
const MOST_TURNED_AWAY: usize = 5;
/// So many of a hundred answers at least are from behind the door.
const LEAST_INSIDE: usize = 25;

/// What was answered.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// How many of which status.
    by_status: BTreeMap<u16, usize>,
    /// Method and path, with how many answers from behind the door.
    inside: BTreeMap<(String, String), usize>,
}

impl Answers {
    /// Counts those of a report in HAR (<http://www.softwareishard.com/blog/har-12-spec/>).
    ///
    /// # Errors
    /// It is none.
    pub fn add(&mut self, report: &str) -> Result<()> {
        let report: Value = serde_json::from_str(report).context("reading the report")?;
        let entries = report["log"]["entries"]
            .as_array()
            .context("the report has no entries")?;
        for entry in entries {
            let (request, response) = (&entry["request"], &entry["response"]);
            let status = response["status"].as_u64().unwrap_or_default();
            let status = u16::try_from(status).unwrap_or_default();
            *self.by_status.entry(status).or_default() += 1;
            if is_inside(
                status,
                response["content"]["text"].as_str().unwrap_or_default(),
            ) {
                let method = request["method"]
                    .as_str()
                    .unwrap_or_default()
                    .to_lowercase();
                let path = path(request["url"].as_str().unwrap_or_default());
                *self.inside.entry((method, path.to_owned())).or_default() += 1;
            }
        }
        Ok(())
    }

    /// Whether the tester has tested what the document describes.
    ///
    /// # Errors
    /// It has not; with what it was told instead.
    pub fn judge(&self, document: &Value) -> Result<()> {
        let all: usize = self.by_status.values().sum();
        let of = |wanted: fn(u16) -> bool| -> usize {
            let wanted = self.by_status.iter().filter(|(status, _)| wanted(**status));
            wanted.map(|(_, count)| count).sum()
        };
        let away = of(|status| status == 429 || status >= 500 || status == 0);
        ensure!(
            all > 0 && away * 100 <= all * MOST_TURNED_AWAY,
            "of {all} answers {away} are \"wait\" or errors of the server ({self})"
        );
        let inside: usize = self.inside.values().sum();
        ensure!(
            inside * 100 >= all * LEAST_INSIDE,
            "of {all} answers only {inside} are from behind the door ({self})"
        );
        for (path, methods) in document["paths"].as_object().context("no paths")? {
            for method in methods.as_object().context("no methods")?.keys() {
                let is_it = |(of, at): &(String, String)| of == method && fits(at, path);
                ensure!(
                    self.inside.keys().any(is_it),
                    "no answer to {method} {path} is from behind the door ({self})"
                );
            }
        }
        Ok(())
    }
}

impl fmt::Display for Answers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("answers:")?;
        let all = self.by_status.iter();
        all.into_iter()
            .try_for_each(|(status, count)| write!(f, " {status}×{count}"))
    }
}

/// Done, or judged and refused by what is behind the door.
fn is_inside(status: u16, body: &str) -> bool {
    let told: Value = serde_json::from_str(body).unwrap_or_default();
    let code = told["code"].as_str();
    match status {
        200..=299 => true,
        401 | 403 | 422 => code.is_some_and(|code| !AT_THE_DOOR.contains(&code)),
        _ => false,
    }
}

/// The path of an address.
fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = rest.find('/').map_or("/", |at| &rest[at..]);
    path.split(['?', '#']).next().unwrap_or_default()
}

/// Whether a path is one of those that the document means, such as `/users/{name}`.
fn fits(path: &str, template: &str) -> bool {
    let (mut path, mut template) = (path.split('/'), template.split('/'));
    loop {
        match (path.next(), template.next()) {
            (None, None) => return true,
            (Some(given), Some(wanted)) if given == wanted || wanted.starts_with('{') => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Method, address, status and the code of a refusal.
    type Row = (&'static str, &'static str, u16, &'static str);

    fn answers(rows: &[(usize, Row)]) -> Answers {
        let entry = |(method, path, status, code): Row| {
            json!({
                "request": {"method": method, "url": format!("https://127.0.0.1:1/{path}?x=/y")},
                "response": {"status": status, "content": {"text": json!({"code": code}).to_string()}},
            })
        };
        let rows = rows.iter();
        let entries = rows.flat_map(|(count, row)| vec![entry(*row); *count]);
        let report = json!({"log": {"entries": entries.collect::<Vec<_>>()}});
        let mut answers = Answers::default();
        answers.add(&report.to_string()).unwrap();
        answers
    }

    #[test]
    fn who_was_only_refused_has_tested_nothing() {
        let document = json!({"paths": {
            "/users": {"get": {}, "post": {}},
            "/users/{name}": {"delete": {}},
        }});
        let good = [
            (50, ("GET", "users", 200, "")),
            (10, ("POST", "users", 422, "user-taken")),
            (5, ("POST", "users", 400, "request")),
            (1, ("DELETE", "users/x%2Fy", 422, "no-user")),
            (3, ("DELETE", "users/x", 429, "rate")),
        ];
        let told = answers(&good);
        assert_eq!(told.judge(&document).map_err(|e| e.to_string()), Ok(()));
        assert_eq!(told.to_string(), "answers: 200×50 400×5 422×11 429×3");
        // Each of these makes it worthless, and is said.
        for (more, expected) in [
            ((5, ("GET", "users", 503, "")), "\"wait\" or errors"),
            ((5, ("GET", "users", 429, "wait")), "\"wait\" or errors"),
            ((5, ("GET", "users", 0, "")), "\"wait\" or errors"),
            ((250, ("GET", "users", 401, "session")), "behind the door"),
        ] {
            let rows = [&good[..], &[more]].concat();
            let told = answers(&rows).judge(&document);
            let told = told.map_err(|error| error.to_string());
            assert!(told.is_err_and(|why| why.contains(expected)), "{more:?}");
        }
        // One operation that nobody came into.
        let told = answers(&good[..3]).judge(&document).unwrap_err();
        assert!(told.to_string().contains("delete /users/{name}"), "{told}");
        assert!(Answers::default().judge(&document).is_err());
        assert!(Answers::default().add("{}").is_err());
    }

    #[test]
    fn a_wrong_password_was_judged_and_a_missing_session_was_not() {
        for (status, code, inside) in [
            (200, "", true),
            (401, "wrong", true),
            (401, "session", false),
            (403, "role", true),
            (422, "problems", true),
            (422, "request", false),
            (400, "request", false),
            (429, "wait", false),
            (503, "failed", false),
        ] {
            let body = json!({"code": code}).to_string();
            assert_eq!(is_inside(status, &body), inside, "{status} {code}");
        }
        assert!(!is_inside(422, "no JSON") && is_inside(204, ""));
    }

    #[test]
    fn paths_are_found_in_the_document() {
        assert_eq!(path("https://127.0.0.1:1/a/b?c=/d"), "/a/b");
        assert_eq!(path("https://127.0.0.1:1"), "/");
        for (given, template, expected) in [
            ("/users/x", "/users/{name}", true),
            ("/users/", "/users/{name}", true),
            ("/users", "/users/{name}", false),
            ("/users/x/y", "/users/{name}", false),
            ("/users", "/users", true),
        ] {
            assert_eq!(fits(given, template), expected, "{given}");
        }
    }
}
