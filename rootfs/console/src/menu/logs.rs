//! The logs, in pages, the newest first: whoever looks wants to see what happened just now. No pager is
//! started, for those know ways to a shell.

use std::io;

use serde_json::{Value, json};
use vigie_prompt::{Answer, Field};

use super::{Menu, Page, given};
use crate::broker::all;

/// Lines of the log that are asked for at once.
const LINES: usize = 500;
/// Lines of one page: they are long, and break.
const PAGE: usize = 8;

impl Menu<'_> {
    const LOGS: [(&'static str, Page); 4] = [
        ("logs.system", |menu| menu.system_log()),
        ("logs.service", |menu| menu.log_of_service()),
        ("logs.disconnections", |menu| menu.disconnections()),
        ("logs.audit", |menu| menu.audit()),
    ];

    pub(super) fn logs(&mut self) -> io::Result<()> {
        self.entries("maintenance.logs", |_| Ok(Vec::new()), &Self::LOGS)
    }

    fn system_log(&mut self) -> io::Result<()> {
        self.log("logs.system", &json!({"verb": "logs", "lines": LINES}))
    }

    fn log_of_service(&mut self) -> io::Result<()> {
        self.page("logs.service")?;
        let label = self.say("logs.ask-service", &[]);
        let unit = given!(self.prompter().line(&Field {
            label: &label,
            initial: "vigie-web.service",
            optional: false,
            mend: true,
            check: &|_| Ok(()),
        }));
        let request = json!({"verb": "logs", "lines": LINES, "unit": unit});
        self.log("logs.service", &request)
    }

    fn disconnections(&mut self) -> io::Result<()> {
        let request = json!({"verb": "logs", "lines": LINES, "log": "disconnections"});
        self.log("logs.disconnections", &request)
    }

    fn audit(&mut self) -> io::Result<()> {
        self.log("logs.audit", &json!({"verb": "audit", "last": LINES}))
    }

    fn log(&mut self, title: &str, request: &Value) -> io::Result<()> {
        let Some(told) = self.ask(request)? else {
            return Ok(());
        };
        let lines = all(&told, "line").map(|line| line["text"].as_str().unwrap_or_default().into());
        let mut lines: Vec<String> = lines.collect();
        lines.extend(all(&told, "record").map(record));
        self.pages(title, &lines)
    }

    /// From the newest page on, backwards and forwards.
    fn pages(&mut self, title: &str, lines: &[String]) -> io::Result<()> {
        if lines.is_empty() {
            self.page(title)?;
            return self.notice("logs.empty", &[]);
        }
        let (mut end, mut towards) = (lines.len(), 0);
        loop {
            let start = end.saturating_sub(PAGE);
            self.page(title)?;
            if self.tell(lines[start..end].to_vec())? == Answer::Back {
                return Ok(());
            }
            let place = [
                ("first", (start + 1).to_string()),
                ("last", end.to_string()),
                ("all", lines.len().to_string()),
            ];
            let place = self.say("logs.place", &place);
            self.prompter().tell(&[place])?;
            // Enter goes on the way that was gone.
            towards = given!(self.choose(&["logs.older", "logs.newer", "logs.done"], towards));
            end = match towards {
                0 if start > 0 => start,
                0 => end,
                1 => (end + PAGE).min(lines.len()),
                _ => return Ok(()),
            };
        }
    }
}

/// A record of the audit trail as a line.
fn record(record: &Value) -> String {
    let text = |name: &str| record[name].as_str().unwrap_or_default();
    let time = record["time"].as_u64().map(vigie_settings::utc);
    let time = time.unwrap_or_default();
    let parts = [
        time.as_str(),
        text("who"),
        text("from"),
        text("action"),
        text("about"),
        text("ended"),
        text("code"),
    ];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(" ")
}
