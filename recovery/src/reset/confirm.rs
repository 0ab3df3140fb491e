//! What a person types so that an installation begins anew. It must belong to that one: where there are two
//! in a machine, the machine's own serial number and a host name that both have name neither.

use vigie_installer::inventory::serial::{self, ENOUGH};

use crate::check::whose::is_same_system;
use crate::message::Message;
use crate::refusal::Refusal;
use crate::volumes::Installation;

/// What names an installation and no other one of the machine.
pub struct Names<'a> {
    chosen: &'a Installation,
    others: Vec<&'a Installation>,
}

impl<'a> Names<'a> {
    /// Those of an installation, of all that are in the machine. The disks of a mirror are one.
    #[must_use]
    pub fn of(chosen: &'a Installation, all: &'a [Installation]) -> Self {
        let others = all.iter().filter(|one| !is_same_system(one, chosen));
        Self {
            chosen,
            others: others.collect(),
        }
    }

    /// Whether what was typed is one: the serial number of the system disk or the end of it, or the host
    /// name, in any case of letters; the disk's device where no serial number tells it from the others.
    ///
    /// # Errors
    /// [`Refusal::NotConfirmed`].
    pub fn confirm(&self, typed: &str) -> Result<(), Refusal> {
        let device = self.chosen.disk.display().to_string();
        let by_device = self.serial().is_none() && serial::is_named(typed, None, &device);
        match by_device || self.is_alone(typed) {
            true => Ok(()),
            false => Err(Refusal::NotConfirmed),
        }
    }

    /// The question for it.
    #[must_use]
    pub fn question(&self) -> Message {
        let what = match self.serial() {
            Some(_) => Message::new("reset.by-serial").with("count", ENOUGH),
            None => Message::new("reset.by-device").with("disk", self.chosen.disk.display()),
        };
        let host = self.chosen.facts.host.as_deref();
        let or_host = match host.is_some_and(|host| self.is_alone(host)) {
            true => Message::new("reset.or-host"),
            false => Message::new("reset.no-host"),
        };
        Message::new("reset.ask")
            .and("what", what)
            .and("host", or_host)
    }

    /// The serial number of its system disk, where no other has the same.
    fn serial(&self) -> Option<&str> {
        let serial = serial::told(self.chosen.drive.serial.as_deref());
        serial.filter(|serial| self.is_alone(serial))
    }

    fn is_alone(&self, typed: &str) -> bool {
        self.chosen.is_named(typed) && !self.others.iter().any(|other| other.is_named(typed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_settings::Language;

    fn one(disk: &str, serial: Option<&str>, host: Option<&str>) -> Installation {
        let mut one = Installation {
            disk: disk.into(),
            ..Installation::default()
        };
        one.drive.serial = serial.map(str::to_owned);
        one.facts.host = host.map(str::to_owned);
        one.facts.serial = Some("MACHINE-1".to_owned());
        one
    }

    #[test]
    fn what_is_typed_belongs_to_the_chosen_installation() {
        let hall = one("/dev/sda", Some("WD-000111"), Some("hall"));
        let yard = one("/dev/sdb", Some("WD-000222"), Some("yard"));
        let same_host = one("/dev/sdb", Some("WD-000222"), Some("Hall"));
        let copy = one("/dev/sdb", Some("wd-000111"), Some("hall"));
        let same_end = one("/dev/sdb", Some("ST-000111"), Some("hall"));
        let bare = one("/dev/sda", None, None);
        let bare_too = one("/dev/sdb", None, None);
        for (typed, chosen, other, may) in [
            (" wd-000111\n", &hall, None, true),
            ("000111", &hall, None, true),
            ("Hall", &hall, None, true),
            ("00111", &hall, None, false),
            ("", &hall, None, false),
            ("yes", &hall, None, false),
            ("/dev/sda", &hall, None, false),
            // The machine's serial number is on both.
            ("MACHINE-1", &hall, None, false),
            ("MACHINE-1", &hall, Some(&yard), false),
            ("000222", &hall, Some(&yard), false),
            ("yard", &hall, Some(&yard), false),
            ("hall", &hall, Some(&yard), true),
            ("hall", &hall, Some(&same_host), false),
            ("000111", &hall, Some(&same_host), true),
            ("000111", &hall, Some(&same_end), false),
            ("WD-000111", &hall, Some(&same_end), true),
            // A copy of a virtual disk: only the device is left.
            ("WD-000111", &hall, Some(&copy), false),
            ("hall", &hall, Some(&copy), false),
            ("sda", &hall, Some(&copy), true),
            ("sdb", &hall, Some(&copy), false),
            ("/dev/sda", &bare, Some(&bare_too), true),
            ("/dev/sdb", &bare, Some(&bare_too), false),
            ("", &bare, Some(&bare_too), false),
        ] {
            let all: Vec<_> = [Some(chosen), other]
                .into_iter()
                .flatten()
                .cloned()
                .collect();
            let found = Names::of(chosen, &all).confirm(typed);
            assert_eq!(
                found.is_ok(),
                may,
                "{typed:?} for {chosen:?} beside {other:?}"
            );
        }
        // The disks of one mirror are one installation.
        let mut mirror = [hall.clone(), same_host.clone()];
        for disk in &mut mirror {
            disk.array = Some("1".to_owned());
        }
        assert_eq!(Names::of(&mirror[0], &mirror).confirm("hall"), Ok(()));
    }

    #[test]
    fn the_question_offers_what_will_be_taken() {
        let asked = |chosen: &Installation, others: &[Installation], language| {
            let all = [std::slice::from_ref(chosen), others].concat();
            Names::of(chosen, &all).question().to(language)
        };
        let hall = one("/dev/sda", Some("WD-000111"), Some("hall"));
        assert_eq!(
            asked(&hall, &[], Language::En),
            "Type the serial number of the system disk or its last 6 characters, or the host name: "
        );
        let copy = one("/dev/sdb", Some("WD-000111"), Some("hall"));
        assert_eq!(
            asked(&hall, &[copy], Language::Fr),
            "Tapez le nom du disque système, /dev/sda : "
        );
    }
}
