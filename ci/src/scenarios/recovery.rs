//! Recovery's menu as a person goes through it on the serial line, in English or in French: the same
//! steps with the medium and from the disk's own menu.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{BOOT, READY_LIVE};
use crate::context::Context;
use crate::vm::Vm;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::console::Pattern;
use crate::vm::dialog::{Dialog, keys};

/// A question of a menu.
pub(super) const QUESTION: Duration = Duration::from_secs(120);
/// Checking all volumes, reading a slot, writing one.
pub(super) const LONG: Duration = Duration::from_secs(10 * 60);

/// Entries of the menu, in its order.
pub(super) mod entry {
    /// All volumes.
    pub const CHECK_ALL: &str = "1";
    /// One of them.
    pub const CHECK_ONE: &str = "2";
    /// Root's password.
    pub const ROOT_PASSWORD: &str = "3";
    /// The version before.
    pub const ROLLBACK: &str = "5";
    /// Another version.
    pub const UPDATE: &str = "6";
    /// The installer.
    pub const REINSTALL: &str = "7";
    /// Volumes, slots, disks.
    pub const DETAILS: &str = "10";
    /// The last one.
    pub const POWER_OFF: &str = "13";
}

/// The medium beside disks, to its menu.
pub(super) fn medium(ctx: &Context, name: &str, disks: &[Disk]) -> Result<Vm> {
    let medium = Disk::new(&ctx.image()?.iso, Bus::Usb).throwaway();
    let mut machine = ctx.machine(Firmware::Bios)?.disk(medium);
    let beside = disks.iter().cloned().map(Disk::data_only);
    machine.disks.extend(beside);
    let vm = ctx.start(name, &machine)?;
    vm.wait_line(READY_LIVE, BOOT)?;
    Ok(vm)
}

/// What the menu says in a language.
pub(super) struct Words {
    /// The question of the console's menu, which leads here.
    console: &'static str,
    /// The title of all pages.
    recovery: &'static str,
    /// The page of the menu.
    menu: &'static str,
    /// The page of volumes to choose from.
    which_volume: &'static str,
    /// The page of a check of everything.
    check_all: &'static str,
    /// Below a list.
    choose: &'static str,
    /// Below a text.
    go_on: &'static str,
    /// A volume is well, and so may be a repaired one.
    sound: &'static str,
    /// A volume is not.
    unsound: [&'static str; 3],
    /// Above the menu.
    all_sound: &'static str,
    /// The title of the password's page, before the host's name.
    new_password: &'static str,
    /// It is asked for.
    password: &'static str,
    /// It is asked for again.
    again: &'static str,
    /// The machine must not be switched off.
    leave_on: &'static str,
    /// It is changed: before and after the host's name.
    changed: [&'static str; 2],
}

/// In English.
pub(super) const ENGLISH: Words = Words {
    console: "Number, or Enter to refresh:",
    recovery: "recovery",
    menu: "what to do",
    which_volume: "which volume",
    check_all: "check everything",
    choose: "Esc goes back:",
    go_on: "-- Enter to go on",
    sound: "clean",
    unsound: ["LOST", "NOT CLEAN", "NOT CHECKED"],
    all_sound: "All its volumes are clean",
    new_password: "new password of root on",
    password: "Password:",
    again: "The same once more:",
    leave_on: "Do not switch off",
    changed: ["The password of root on", "is changed"],
};

/// In French.
pub(super) const FRENCH: Words = Words {
    console: "Numéro, ou Entrée pour actualiser :",
    recovery: "dépannage",
    menu: "que faire",
    which_volume: "quel volume",
    check_all: "vérifier tout",
    choose: "Échap pour revenir :",
    go_on: "-- Entrée pour continuer",
    sound: "sain",
    unsound: ["PERDU", "PAS SAIN", "NON VÉRIFIÉ"],
    all_sound: "Tous ses volumes sont sains",
    new_password: "nouveau mot de passe de root sur",
    password: "Mot de passe :",
    again: "Encore une fois le même :",
    leave_on: "Ne coupez pas l'alimentation",
    changed: ["Le mot de passe de root sur", "est changé"],
};

/// A person before the menu.
pub(super) struct Person<'a> {
    /// What is said and answered; a step of its own kind goes through it.
    pub dialog: Dialog<'a>,
    words: &'static Words,
}

impl<'a> Person<'a> {
    /// Comes from the console's menu, by the number of its entry, to recovery's; the language is
    /// the console's.
    pub fn enter(dialog: Dialog<'a>, words: &'static Words, number: &str) -> Result<Person<'a>> {
        let mut person = Person { dialog, words };
        person.dialog.answer(words.console, number)?;
        person.page("Language / Langue")?;
        person.choose("")?;
        person.menu()?;
        Ok(person)
    }

    /// Waits for a page, by its title.
    pub fn page(&self, title: &str) -> Result<()> {
        let line = format!("- {} - {title}", self.words.recovery);
        self.dialog.expect(Pattern::Text(line)).map(drop)
    }

    /// Waits for the menu.
    pub fn menu(&self) -> Result<()> {
        self.page(self.words.menu)
    }

    /// Waits for the page that asks for a volume.
    pub fn which_volume(&self) -> Result<()> {
        self.page(self.words.which_volume)
    }

    /// Answers a list.
    pub fn choose(&mut self, number: &str) -> Result<()> {
        self.dialog.answer(self.words.choose, number)
    }

    /// Goes back from a list.
    pub fn back(&mut self) -> Result<()> {
        self.dialog.expect(self.words.choose)?;
        self.dialog.press(keys::ESC)
    }

    /// Reads what a command says since the last answer, for as long as it takes, and goes on.
    pub fn read(&mut self) -> Result<String> {
        let begun = self.dialog.mark();
        self.dialog.patience(LONG).expect(self.words.go_on)?;
        let said = self.dialog.lines_since(begun);
        self.dialog.press(keys::ENTER)?;
        Ok(said)
    }

    /// From the menu: checks and repairs everything; these volumes are sound afterwards, and no other
    /// is not. Gives what was said.
    pub fn check_everything(&mut self, volumes: &[&str]) -> Result<String> {
        self.choose(entry::CHECK_ALL)?;
        self.page(self.words.check_all)?;
        self.choose("2")?;
        let said = self.read()?;
        let sound = |name: &&str| {
            let words = |line: &str| line.contains(*name) && line.contains(self.words.sound);
            said.lines().any(words)
        };
        let mut unsound = self.words.unsound.iter();
        ensure!(
            volumes.iter().all(sound) && !unsound.any(|words| said.contains(words)),
            "the check said:\n{said}"
        );
        self.menu()?;
        self.dialog.expect(self.words.all_sound)?;
        Ok(said)
    }

    /// From the menu: a new password of root on the host.
    pub fn new_password(&mut self, host: &str, password: &str) -> Result<()> {
        let words = self.words;
        self.choose(entry::ROOT_PASSWORD)?;
        let title = format!("{} {host}", words.new_password);
        self.dialog.expect(Pattern::Text(title))?;
        self.dialog.answer(words.password, password)?;
        self.dialog.answer(words.again, password)?;
        self.dialog.expect(words.leave_on)?;
        let [before, after] = words.changed;
        let done = format!("{before} {host} {after}");
        self.dialog.expect(Pattern::Text(done))?;
        self.read()?;
        self.menu()
    }

    /// From the menu: the machine is switched off.
    pub fn power_off(&mut self) -> Result<()> {
        self.choose(entry::POWER_OFF)
    }
}
