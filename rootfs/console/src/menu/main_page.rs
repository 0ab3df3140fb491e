//! The first page: the status, and where everything else is.

use std::io;

use serde_json::json;

use super::{Menu, Page};
use crate::broker::event;
use crate::messages::messages;
use crate::session::setup;
use crate::status::{self, Mode};

impl Menu<'_> {
    const MAIN: [(&'static str, Page); 7] = [
        ("main.again", |menu| menu.again()),
        ("main.network", |menu| menu.network()),
        ("main.cameras", |menu| menu.cameras()),
        ("main.maintenance", |menu| menu.maintenance()),
        ("main.language", |menu| menu.language()),
        ("main.power", |menu| menu.power()),
        ("main.leave", |menu| menu.leave()),
    ];

    /// Whoever comes back to an appliance whose addresses were changed just now is asked first
    /// whether they are to stay.
    pub(super) fn main_page(&mut self) -> io::Result<()> {
        self.trial_under_way()?;
        self.entries("main.title", |menu| Ok(menu.status_lines()), &Self::MAIN)
    }

    /// The status: what the console shows to everybody, and what is for administrators.
    pub fn status_lines(&mut self) -> Vec<String> {
        let facts = self.system.facts();
        let identity = self.system.identity();
        let m = messages(self.language);
        let mut lines = status::lines(m, Mode::Installed, &facts);
        let row = |name: String, value: String| format!("  {name:<11} {value}");
        let none = || self.say("main.unknown", &[]);
        let own = [
            ("main.serial", identity.serial.unwrap_or_else(none)),
            ("main.signature", identity.signature.unwrap_or_else(none)),
        ];
        let own = own.map(|(key, value)| row(self.say(key, &[]), value));
        // After name and version.
        drop(lines.splice(2..2, own));
        let arrays = facts.health.iter().flat_map(|health| &health.arrays);
        lines.extend(arrays.map(|array| row(self.say("main.raid", &[]), status::array(m, array))));
        let setup = setup::state(&mut *self.system, self.who.token.as_deref(), true);
        lines.extend(setup::lines(m, &setup, &facts.addresses));
        lines
    }

    /// The recorder knows the cameras; it is not a part of the appliance yet.
    fn cameras(&mut self) -> io::Result<()> {
        self.page("main.cameras")?;
        self.notice("main.no-cameras", &[])
    }

    fn trial_under_way(&mut self) -> io::Result<()> {
        let told = self.request(&json!({"verb": "network-trial"}));
        let told = told.unwrap_or_default();
        match event(&told, "trial").and_then(|trial| trial["left"].as_u64()) {
            Some(left) => self.trial(left),
            None => Ok(()),
        }
    }
}
