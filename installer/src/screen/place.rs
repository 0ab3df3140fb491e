//! The steps of the time zone.

use std::io;

use vigie_prompt::{Field, Item};

use super::draft::Place;
use super::{Move, Screen, given, zones};
use crate::messages::Text;

impl Screen<'_> {
    pub(super) fn ask_zone(&mut self) -> io::Result<Move> {
        self.page("zone.title")?;
        let zones = self.host.zones();
        let regions = zones::regions(&zones);
        let mut known = vec![
            zones::usual(self.draft.language).to_owned(),
            "Etc/UTC".to_owned(),
        ];
        known.extend(
            self.draft
                .zone
                .as_ref()
                .map(|zone| zone.as_str().to_owned()),
        );
        let mut named: Vec<String> = Vec::new();
        for zone in known {
            // The image may have no table of zones; UTC is there without one.
            let is_there = zones.contains(&zone) || zone == "Etc/UTC";
            if is_there && !named.contains(&zone) {
                named.push(zone);
            }
        }
        let mut items: Vec<Item> = named.iter().map(Item::new).collect();
        items.push(Item::new(self.text("zone.search")));
        let cities = |region: &String| Text::new("zone.region").with("region", region);
        items.extend(
            regions
                .iter()
                .map(|region| Item::new(self.say(&cities(region)))),
        );
        let now = self.draft.zone.as_ref();
        let default = named
            .iter()
            .position(|zone| now.is_some_and(|now| now.as_str() == zone));
        let chosen = given!(self.prompter.choose(&items, default.unwrap_or(0)));
        self.draft.place = match chosen.checked_sub(named.len()) {
            None => return self.take_zone(&named[chosen]),
            Some(0) => Place::Search,
            Some(region) => Place::Region(regions[region - 1].clone()),
        };
        Ok(Move::On)
    }

    pub(super) fn ask_city(&mut self) -> io::Result<Move> {
        self.page("zone.title")?;
        let Place::Region(region) = self.draft.place.clone() else {
            return Ok(Move::On);
        };
        let zones = self.host.zones();
        self.choose_zone(&zones::of_region(&zones, &region))
    }

    pub(super) fn ask_zone_part(&mut self) -> io::Result<Move> {
        self.page("zone.title")?;
        given!(self.introduce(&Text::new("zone.part")));
        let zones = self.host.zones();
        let none = self.text("zone.none");
        let part = given!(self.prompter.line(&Field {
            label: &self.text("zone.part-label"),
            initial: &self.draft.zone_part,
            optional: false,
            mend: true,
            check: &|part| match zones::with(&zones, part).is_empty() {
                true => Err(none.clone()),
                false => Ok(()),
            },
        }));
        self.draft.zone_part = part;
        Ok(Move::On)
    }

    pub(super) fn ask_zone_found(&mut self) -> io::Result<Move> {
        self.page("zone.title")?;
        let zones = self.host.zones();
        let part = self.draft.zone_part.clone();
        self.choose_zone(&zones::with(&zones, &part))
    }

    fn choose_zone(&mut self, zones: &[&str]) -> io::Result<Move> {
        let now = self.draft.zone.as_ref();
        let default = zones
            .iter()
            .position(|zone| now.is_some_and(|now| now.as_str() == *zone));
        let item = |zone: &&str| Item::new(format!("{} [{zone}]", zones::city(zone)));
        let items: Vec<Item> = zones.iter().map(item).collect();
        let chosen = given!(self.prompter.choose(&items, default.unwrap_or(0)));
        let place = self.draft.place.clone();
        self.take_zone(zones[chosen])?;
        // Going back leads to where it was chosen.
        self.draft.place = place;
        Ok(Move::On)
    }

    fn take_zone(&mut self, zone: &str) -> io::Result<Move> {
        self.draft.zone = zone.parse().ok();
        self.draft.place = Place::Known;
        Ok(Move::On)
    }
}
