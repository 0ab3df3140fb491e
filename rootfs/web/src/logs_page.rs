//! The logs and the audit trail: which lines, and the page of them. Pure.

use askama::Template;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::frame::Frame;
use crate::scripts;
use crate::words::logs::LogsWords;
use crate::written::{date, text};

/// Lines that are shown where nobody says how many.
const LINES: u32 = 200;
/// Most of them on a page.
const MOST: u32 = 5000;
/// Most of them in a file, or looked through for words.
pub const ALL: u32 = 20_000;

/// Which lines of which log.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Filter {
    pub log: String,
    pub unit: String,
    pub text: String,
    /// As `datetime-local` writes it, in UTC.
    pub since: String,
    pub lines: String,
    /// Behind this cursor.
    pub after: String,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            log: "system".to_owned(),
            unit: String::new(),
            text: String::new(),
            since: String::new(),
            lines: LINES.to_string(),
            after: String::new(),
        }
    }
}

impl Filter {
    /// Without what makes no sense.
    pub fn sensible(mut self) -> Self {
        if !matches!(self.log.as_str(), "disconnections" | "audit") {
            self.log = "system".to_owned();
        }
        let lines = self.lines.parse().unwrap_or(LINES);
        self.lines = lines.clamp(1, MOST).to_string();
        self.unit = self.unit.trim().to_owned();
        self.text = self.text.trim().to_owned();
        self
    }

    /// How many lines are shown.
    pub fn count(&self) -> usize {
        self.lines.parse().unwrap_or(LINES as usize)
    }

    /// What the broker is asked; `lines` of the log at most. None where the time is none.
    pub fn ask(&self, lines: u32) -> Option<Value> {
        let mut ask = json!({"verb": "logs", "lines": lines, "log": self.log});
        if !self.unit.is_empty() {
            ask["unit"] = self.unit.clone().into();
        }
        if !self.since.is_empty() {
            ask["since"] = seconds(&self.since)?.into();
        }
        if !self.after.is_empty() {
            ask["after"] = self.after.clone().into();
        }
        Some(ask)
    }

    /// How many lines must be looked through to show as many as are wanted.
    pub fn to_look_through(&self) -> u32 {
        match self.text.is_empty() {
            true => u32::try_from(self.count()).unwrap_or(LINES),
            false => ALL,
        }
    }

    /// Whether a line has the words, in whatever letters.
    pub fn has(&self, line: &str) -> bool {
        self.text.is_empty() || line.to_lowercase().contains(&self.text.to_lowercase())
    }
}

/// `2026-11-30T08:15`, with seconds or without, in seconds since 1970.
fn seconds(text: &str) -> Option<u64> {
    let (date, clock) = text.split_once('T')?;
    let mut date = date.splitn(3, '-');
    let (year, month, day) = (date.next()?, date.next()?, date.next()?);
    let month = time::Month::try_from(month.parse::<u8>().ok()?).ok()?;
    let date = time::Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()?;
    let mut clock = clock.splitn(3, ':').map(str::parse::<u8>);
    let (hour, minute) = (clock.next()?.ok()?, clock.next()?.ok()?);
    let second = clock.next().transpose().ok()?.unwrap_or_default();
    let at = date.with_hms(hour, minute, second).ok()?.assume_utc();
    u64::try_from(at.unix_timestamp()).ok()
}

/// One record of the audit trail, as a person reads it.
pub struct Shown {
    pub time: String,
    pub who: String,
    pub from: String,
    pub what: String,
    pub ended: String,
}

impl Shown {
    /// Of a `record`.
    pub fn of(event: &Value, w: &LogsWords) -> Self {
        let ended = match text(event, "ended") {
            "asked" => w.asked,
            "done" => w.done,
            "refused" => w.refused,
            "failed" => w.failed,
            other => other,
        };
        let code = event["code"].as_str();
        let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
        let about = event["about"].as_str().unwrap_or_default();
        Self {
            time: date(event["time"].as_i64().unwrap_or_default()),
            who: event["who"].as_str().unwrap_or("–").to_owned(),
            from: text(event, "from").to_owned(),
            what: format!("{} {about}", text(event, "action"))
                .trim_end()
                .to_owned(),
            ended: format!("{ended}{code}"),
        }
    }
}

/// One log.
#[derive(Template)]
#[template(path = "logs.html")]
pub struct LogsPage<'a> {
    pub frame: Frame<'a>,
    pub w: &'static LogsWords,
    pub filter: &'a Filter,
    pub lines: Vec<String>,
    /// Of the last line of the log.
    pub cursor: String,
    /// The audit trail, where that is asked for.
    pub records: Option<Vec<Shown>>,
    /// It may be asked for.
    pub audit: bool,
    pub why: Option<&'a str>,
}

impl LogsPage<'_> {
    fn kinds(&self) -> Vec<(&'static str, &'static str, bool)> {
        let all = [
            ("system", self.w.system),
            ("disconnections", self.w.disconnections),
            ("audit", self.w.audit),
        ];
        let open = all
            .into_iter()
            .filter(|(word, _)| *word != "audit" || self.audit);
        open.map(|(word, name)| (word, name, word == self.filter.log))
            .collect()
    }

    fn heading(&self) -> &'static str {
        match self.filter.log.as_str() {
            "audit" => self.w.audit,
            "disconnections" => self.w.disconnections,
            _ => self.w.system,
        }
    }

    /// The same filter as a query.
    fn query(&self) -> String {
        let Filter {
            log,
            unit,
            text,
            since,
            lines,
            ..
        } = self.filter;
        let pairs = [
            ("log", log),
            ("unit", unit),
            ("text", text),
            ("since", since),
            ("lines", lines),
        ];
        let set = pairs.iter().filter(|(_, value)| !value.is_empty());
        let pairs = set.map(|(key, value)| format!("{key}={}", percent(value)));
        pairs.collect::<Vec<_>>().join("&")
    }

    fn units(&self) -> [&'static str; 7] {
        [
            "vigie-web.service",
            "vigie-console@tty1.service",
            "ssh.service",
            "systemd-networkd.service",
            "systemd-resolved.service",
            "systemd-timesyncd.service",
            "init.scope",
        ]
    }

    fn script(&self) -> &'static str {
        scripts::LOGS
    }
}

/// A value in a query.
fn percent(text: &str) -> String {
    let byte = |b: u8| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(b).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::tests::frame;
    use crate::golden;
    use crate::language::Language;

    #[test]
    fn which_lines_are_asked_for() {
        let of = |log: &str, unit: &str, text: &str, since: &str, lines: &str| {
            let own = |text: &str| text.to_owned();
            let filter = Filter {
                log: own(log),
                unit: own(unit),
                text: own(text),
                since: own(since),
                lines: own(lines),
                after: String::new(),
            };
            filter.sensible()
        };
        let filter = of("x", " ssh.service ", "", "2026-11-30T08:15", "99999");
        assert_eq!(
            filter.ask(filter.to_look_through()),
            Some(
                json!({"verb": "logs", "log": "system", "unit": "ssh.service", "lines": 5000,
                "since": 1_796_026_500})
            )
        );
        let filter = of("disconnections", "", "Caméra", "", "x");
        assert_eq!((filter.count(), filter.to_look_through()), (200, ALL));
        assert!(filter.has("une CAMÉRA part") && !filter.has("rien"));
        for wrong in [
            "yesterday",
            "2026-13-01T00:00",
            "2026-11-30",
            "2026-11-30T25:00",
            "1900-01-01T00:00",
        ] {
            assert_eq!(of("system", "", "", wrong, "").ask(5), None, "{wrong}");
        }
        assert_eq!(seconds("1970-01-01T00:00:07"), Some(7));
    }

    #[test]
    fn pages() {
        let w = LogsWords::of(Language::En);
        let filter = Filter {
            text: "\"<b>&x=1".into(),
            ..Filter::default()
        };
        let page = LogsPage {
            frame: frame(Language::En, "/logs", w.title),
            w,
            filter: &filter,
            lines: vec!["one <b>".into(), "two".into()],
            cursor: "s=1;i=\"<b>".into(),
            records: None,
            audit: false,
            why: None,
        };
        golden::page("logs.en", &page.render().expect("rendered"));
        let w = LogsWords::of(Language::Fr);
        let record = json!({"time": 1_700_000_000, "who": "<b>", "from": "192.0.2.7",
            "action": "set-password", "about": "service", "ended": "refused", "code": "role"});
        let filter = Filter {
            log: "audit".into(),
            ..Filter::default()
        };
        let page = LogsPage {
            frame: frame(Language::Fr, "/logs", w.title),
            w,
            filter: &filter,
            lines: vec![],
            cursor: String::new(),
            records: Some(vec![Shown::of(&record, w)]),
            audit: true,
            why: Some("<b>"),
        };
        golden::page("audit.fr", &page.render().expect("rendered"));
    }
}
