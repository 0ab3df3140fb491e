//! Taking things out: what, and onto which stick.

use std::io;

use jiff::tz::TimeZone;
use vigie_installer::layout::Purpose;
use vigie_prompt::{Field, Item, Prompter};

use super::action::{Action, Chosen, Export, Wanted};
use super::{Screen, given};
use crate::export::time::moment;
use crate::message::Message;
use crate::volumes::{Installation, Volume};

impl Screen<'_> {
    pub(super) fn ask_export(
        &mut self,
        prompter: &mut dyn Prompter,
        chosen: &Chosen,
        installation: &Installation,
    ) -> io::Result<Option<Action>> {
        self.page(prompter, &Message::new("take.title"))?;
        given!(self.tell(prompter, &Message::new("take.what")));
        let keys = ["take.settings", "take.logs", "take.recordings"];
        let items = keys.map(|key| Item::new(self.say(key)));
        let host = installation.facts.host.clone();
        let name = file_name(host.as_deref(), &self.host.stamp());
        let what = match given!(prompter.choose(&items, 0)) {
            0 => Some(Export::Settings(format!("{name}-settings.toml"))),
            1 => Some(Export::Logs(format!("{name}-logs.tar.gz"))),
            _ => self.ask_recordings(prompter, installation)?,
        };
        let Some(what) = what else {
            return Ok(None);
        };
        let stick = self.ask_stick(prompter, true)?;
        Ok(stick.map(|stick| Action::export(chosen, &what, &stick)))
    }

    /// Which volume, camera and time.
    fn ask_recordings(
        &mut self,
        prompter: &mut dyn Prompter,
        installation: &Installation,
    ) -> io::Result<Option<Export>> {
        let is_data = |volume: &&Volume| matches!(volume.name, Purpose::Data(_));
        let volumes: Vec<&Volume> = installation.volumes.iter().filter(is_data).collect();
        let mut wanted = Wanted::default();
        self.page(prompter, &Message::new("take.title"))?;
        let mut items = vec![Item::new(self.say("take.all-volumes"))];
        items.extend(volumes.iter().map(|one| Item::new(one.name.name())));
        let at = match volumes.len() {
            0 | 1 => volumes.len(),
            _ => given!(prompter.choose(&items, 0)),
        };
        if let Some(volume) = at.checked_sub(1).and_then(|at| volumes.get(at)) {
            wanted.volume = Some(volume.name.name());
            let folders = self.host.folders(volume);
            let mut items = vec![Item::new(self.say("take.all-cameras"))];
            items.extend(folders.iter().map(Item::new));
            if !folders.is_empty() {
                self.page(prompter, &Message::new("take.title"))?;
                let at = given!(prompter.choose(&items, 0));
                wanted.folder = at.checked_sub(1).and_then(|at| folders.get(at)).cloned();
            }
        }
        self.page(prompter, &Message::new("take.title"))?;
        given!(self.tell(prompter, &Message::new("take.times")));
        wanted.from = given!(self.ask_time(prompter, "take.from"));
        wanted.until = given!(self.ask_time(prompter, "take.until"));
        Ok(Some(Export::Recordings(wanted)))
    }

    /// A time; none where nothing is typed.
    fn ask_time(
        &mut self,
        prompter: &mut dyn Prompter,
        label: &'static str,
    ) -> io::Result<vigie_prompt::Answer<Option<String>>> {
        let label = self.say(label);
        // Whether it is a time does not depend on the zone.
        let check = |text: &str| match text.is_empty() {
            true => Ok(()),
            false => moment(text, &TimeZone::UTC)
                .map(drop)
                .map_err(|refusal| refusal.message().to(self.language)),
        };
        let field = Field {
            label: &label,
            initial: "",
            optional: true,
            mend: true,
            check: &check,
        };
        Ok(match prompter.line(&field)? {
            vigie_prompt::Answer::Given(text) => {
                vigie_prompt::Answer::Given((!text.is_empty()).then_some(text))
            }
            vigie_prompt::Answer::Back => vigie_prompt::Answer::Back,
        })
    }
}

/// The beginning of a file's name, of what every stick takes.
fn file_name(host: Option<&str>, stamp: &str) -> String {
    let plain = |c: char| match c.is_ascii_alphanumeric() || c == '-' {
        true => c,
        false => '-',
    };
    let host: String = host
        .unwrap_or("vigie")
        .chars()
        .map(plain)
        .take(32)
        .collect();
    format!("{host}-{stamp}")
}
