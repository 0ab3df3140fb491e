//! `vigie-install provision`: run once by the live system, before its menus.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use vigie_disk::sysfs::Sysfs;
use vigie_installer::answers::Action;
use vigie_installer::inventory::Machine;
use vigie_installer::messages::Text;
use vigie_installer::plan::plan;
use vigie_installer::provision::{Provision, find, finish};
use vigie_installer::report::{Outcome, Report};
use vigie_installer::{Answers, Payload};
use vigie_settings::Language;

use super::run::{carry_out, refused, show_plan, show_report};

pub fn provision(payload: &Path, language: Language) -> Result<ExitCode> {
    let mut volumes = find(&Sysfs::default());
    let volume = match volumes.len() {
        0 => {
            println!("{}", Text::new("provision.none").to(language));
            return Ok(ExitCode::SUCCESS);
        }
        1 => volumes.remove(0),
        count => {
            let places: Vec<String> = volumes.iter().map(place).collect();
            let said = Text::new("provision.several")
                .with("count", count)
                .with("places", places.join(", "));
            return Err(anyhow!(said.to(language)));
        }
    };
    let said = Text::new("provision.found").with("place", place(&volume));
    println!("{}", said.to(language));
    // Everything that can go wrong from here on is told on the volume too.
    let (report, action) = match attempt(&volume, payload, language) {
        Ok(done) => done,
        Err(error) => (Report::of_error(&error), Action::Wait),
    };
    show_report(&report, false, language)?;
    tell_on_volume(&volume, &report, language)?;
    if report.result != Outcome::Installed {
        return Ok(ExitCode::FAILURE);
    }
    let word = serde_json::to_value(action)?;
    let said = Text::new("provision.finish").with("action", word.as_str().unwrap_or_default());
    println!("{}", said.to(language));
    finish(action)?;
    Ok(ExitCode::SUCCESS)
}

fn attempt(volume: &Provision, payload: &Path, language: Language) -> Result<(Report, Action)> {
    let text = volume.answers.as_deref().with_context(|| {
        let said = Text::new("provision.no-answers").with("place", place(volume));
        said.to(language)
    })?;
    let answers = Answers::parse(text).map_err(|error| anyhow!("install.toml: {error}"))?;
    let payload = Payload::open(payload)?;
    let report = match plan(&answers, &Machine::this().inventory(), payload.manifest()) {
        Err(refusal) => refused(&refusal, false, language)?,
        Ok(plan) => {
            show_plan(&plan, false, language)?;
            carry_out(&answers, &payload, &plan, false, language)
        }
    };
    Ok((report, answers.finish.on_success))
}

fn tell_on_volume(volume: &Provision, report: &Report, language: Language) -> Result<()> {
    if !volume.writable {
        return Ok(());
    }
    let text = serde_json::to_string_pretty(report)? + "\n";
    let said = match volume.write_result(&text) {
        Ok(()) => Text::new("report.written").with("place", place(volume)),
        Err(error) => Text::new("report.unwritten")
            .with("place", place(volume))
            .with("error", format!("{error:#}")),
    };
    println!("{}", said.to(language));
    Ok(())
}

fn place(volume: &Provision) -> String {
    volume.node.display().to_string()
}
