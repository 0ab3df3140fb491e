//! Where a run shows what it does: lines for a person that the report keeps, or JSON lines.

use anyhow::Result;
use serde::Serialize;
use vigie_installer::answers::{Finish, SendReport};
use vigie_installer::https::Client;
use vigie_installer::https::patience::RealTime;
use vigie_installer::messages::Text;
use vigie_installer::plan::{Plan, Refusal};
use vigie_installer::progress::render;
use vigie_installer::report::frame::Frame;
use vigie_installer::report::send::send;
use vigie_installer::report::{Outcome, Report};
use vigie_installer::to_disk::install_to_disk;
use vigie_installer::{Answers, HostTools, Ids, Payload, finish};
use vigie_machine::Machine;
use vigie_settings::Language;

/// The stage of one run.
pub struct Stage {
    pub language: Language,
    json: bool,
    frame: Frame,
}

/// A JSON line with its kind.
#[derive(Serialize)]
struct Line<T> {
    event: &'static str,
    #[serde(flatten)]
    body: T,
}

impl Stage {
    /// A run that begins now.
    pub fn new(json: bool, language: Language) -> Self {
        Self {
            language,
            json,
            frame: Frame::start(Machine::this()),
        }
    }

    pub fn machine(&self) -> &Machine {
        self.frame.machine()
    }

    /// Shows a line to a person.
    pub fn say(&mut self, text: &Text) {
        let line = text.to(self.language);
        self.show(&[line]);
    }

    /// Shows lines to a person, and keeps them for the report.
    pub fn show(&mut self, lines: &[String]) {
        let text = lines.join("\n");
        if !self.json {
            println!("{text}");
        }
        self.frame.keep(&text);
    }

    fn event<T: Serialize>(&self, event: &'static str, body: T) -> Result<()> {
        if self.json {
            println!("{}", serde_json::to_string(&Line { event, body })?);
        }
        Ok(())
    }

    pub fn plan(&mut self, plan: &Plan) -> Result<()> {
        self.event("plan", plan)?;
        self.show(&plan.lines(self.language));
        Ok(())
    }

    /// Tells a refusal; the report of it.
    pub fn refused(&mut self, refusal: &Refusal) -> Report {
        self.show(&refusal.lines(self.language));
        Report::of_refusal(refusal)
    }

    /// Executes a plan with progress shown as asked.
    pub fn carry_out(&mut self, answers: &Answers, payload: &Payload, plan: &Plan) -> Report {
        let mut progress = render::fitting(self.json, self.language);
        let ids = Ids::random();
        install_to_disk(answers, payload, plan, &HostTools, &ids, progress.as_mut())
    }

    /// A report with what this stage knows.
    pub fn framed(&self, report: Report) -> Report {
        report.framed(&self.frame)
    }

    /// The end of a run: the result is shown, kept in the place for it, and sent.
    pub fn conclude(
        &mut self,
        report: Report,
        send_to: Option<&SendReport>,
        keep: &mut dyn FnMut(&mut Self, &Report),
    ) -> Result<Outcome> {
        let result = report.result;
        self.show(&report.lines(self.language));
        self.frame.set_machine(Machine::this());
        let mut report = self.framed(report);
        // Kept before it is sent: the server may take its time, and somebody may cut the power.
        keep(self, &report);
        if let Some(SendReport { url }) = send_to
            && let Err(why) = self.send(url, &report.to_json()?)
        {
            self.say(&Text::new("report.unsent").with_text("why", why.clone()));
            report.unsent = Some(why.to(Language::En));
            report = self.framed(report);
            keep(self, &report);
        }
        self.result(&report)?;
        Ok(result)
    }

    /// The result, where the run speaks JSON.
    pub fn result(&self, report: &Report) -> Result<()> {
        self.event("result", report)
    }

    fn send(&mut self, url: &str, json: &str) -> Result<(), Text> {
        self.say(&Text::new("report.sending"));
        let mut told = |text: &Text| self.say(text);
        send(url, json, &Client::new, &mut RealTime::start(), &mut told)?;
        self.say(&Text::new("report.sent"));
        Ok(())
    }

    /// What follows the end of a run.
    pub fn finish(&mut self, answers: &Finish, result: Outcome) -> Result<()> {
        let action = match result {
            Outcome::Installed => answers.on_success,
            _ => answers.on_failure,
        };
        self.say(&Text::new("provision.finish").with_text("action", action.text()));
        finish::finish(action, &mut |text| self.say(text))
    }
}
