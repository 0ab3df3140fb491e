//! A person installs: through the serial console in French, and on the screen with a keyboard.
//!
//! What the person types is a list of questions and answers; a question is known by the title
//! of its page and by the prompt at the end of it. On the screen, the text is read by a root
//! shell on the serial line, and the pictures are for people.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::boot::{self, Expect};
use super::unattended::HOSTNAME;
use super::{BOOT, READY_INSTALLED, READY_LIVE, disk_scenario, shell, table};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware, Format};
use crate::vm::console::{Line, Pattern};
use crate::vm::dialog::{Dialog, keys};
use crate::vm::images::{self, DiskFile};
use crate::vm::{Vm, sparse};

const BYTES: u64 = 8_000_000_000;
/// Serial numbers of the disk to install to, and of one that is left alone.
const SERIAL: &str = "VIGIE-ATTENDED-1";
const BESIDE: &str = "VIGIE-ATTENDED-2";
/// How much of a serial number is enough.
const END_OF_SERIAL: &str = "NDED-1";
const NAME: &str = "nvr-cour";
const PASSWORD: &str = "La camera rouge tourne lentement";

/// A question of the menus or of the installer.
const QUESTION: Duration = Duration::from_secs(120);
/// Writing the disk.
const WRITING: Duration = Duration::from_secs(10 * 60);

/// Clears a line.
const CLEAR: &str = "\x15";

pub(super) fn steps() -> Vec<Step> {
    vec![
        disk_scenario(
            "attended-serial",
            "a person installs in French on the serial line, with Esc and wrong answers on the way",
            serial_line,
        ),
        disk_scenario(
            "attended-screen",
            "a person installs on the screen with a keyboard",
            screen,
        ),
    ]
}

/// The machine with two empty disks.
struct Setting {
    disk: DiskFile,
    beside: std::path::PathBuf,
    vm: Vm,
}

impl Setting {
    fn start(ctx: &Context, firmware: Firmware) -> Result<Setting> {
        let disk = DiskFile {
            path: ctx.folder().join("disk.raw"),
            format: Format::Raw,
            bytes: BYTES,
        };
        images::empty(&disk.path, disk.bytes)?;
        let beside = ctx.folder().join("beside.raw");
        images::empty(&beside, BYTES)?;
        let machine = ctx
            .machine(firmware)?
            .disk(Disk::new(&ctx.image()?.iso, Bus::Usb).throwaway())
            .disk(Disk::new(&beside, Bus::Virtio).serial(BESIDE).data_only())
            .disk(disk.on(Bus::Virtio).serial(SERIAL).data_only());
        let vm = ctx.start("install", &machine)?;
        vm.wait_line(READY_LIVE, BOOT)?;
        Ok(Setting { disk, beside, vm })
    }

    /// The table is whole, and the other disk as empty as it was.
    fn check(&self, ctx: &Context) -> Result<()> {
        table::check(ctx, &self.disk, 512)?;
        let empty = ctx.folder().join("empty.raw");
        images::empty(&empty, BYTES)?;
        ensure!(
            sparse::digest(&self.beside)? == sparse::digest(&empty)?,
            "the disk that was not chosen was written"
        );
        Ok(())
    }

    fn installed(&self) -> Disk {
        self.disk.on(Bus::Virtio)
    }
}

/// A page of the installer, by its title.
fn page(step: &str) -> Pattern {
    Pattern::Text(format!("- installation - {step}"))
}

fn serial_line(ctx: &Context) -> Result<()> {
    let setting = Setting::start(ctx, Firmware::Uefi)?;
    let vm = &setting.vm;
    let mut person = Dialog::from_the_beginning(vm, QUESTION);
    person.answer("Number, or Enter to refresh:", "5")?;
    person.answer("Numéro, ou Entrée pour actualiser :", "1")?;
    answer_in_french(&mut person)?;
    confirm_in_french(&mut person)?;
    person.patience(WRITING).expect(page("terminé"))?;
    // The first entry switches off.
    person.answer(CHOOSE, "1")?;
    vm.wait_poweroff(QUESTION)?;
    ctx.note(format!("off after {:.0} s", vm.now().as_secs_f64()));
    setting.check(ctx)?;
    log_in(ctx, setting.installed())
}

const CHOOSE: &str = "Échap pour revenir :";

/// All questions up to the plan.
fn answer_in_french(person: &mut Dialog) -> Result<()> {
    person.expect("Language / Langue")?;
    person.answer("Esc goes back", "2")?;
    person.expect(page("clavier"))?;
    person.answer(CHOOSE, "")?;
    // One step back, and on again with the arrows.
    person.expect(page("disque système"))?;
    person.expect(CHOOSE)?;
    person.press(keys::ESC)?;
    person.expect(page("clavier"))?;
    person.expect(CHOOSE)?;
    person.press(keys::DOWN)?;
    person.press(keys::UP)?;
    person.press(keys::ENTER)?;
    person.expect(page("disque système"))?;
    let row = person.expect(Pattern::regex(&format!(r"^.?\s*\d+ .*{SERIAL}"))?)?;
    person.answer(CHOOSE, &number(&row)?)?;
    person.expect(page("disques d'enregistrement"))?;
    person.answer("Entrée pour finir", "")?;
    person.expect(page("nom"))?;
    person.answer("Nom :", &format!("{CLEAR}{NAME}"))?;
    person.expect(page("réseau"))?;
    person.answer(CHOOSE, "")?;
    person.expect(page("fuseau horaire"))?;
    person.answer(CHOOSE, "")?;
    person.expect(page("mot de passe de root"))?;
    person.answer("Mot de passe :", "court")?;
    person.expect("Il faut au moins")?;
    person.answer("Mot de passe :", PASSWORD)?;
    person.answer("Encore une fois le même :", "autre chose")?;
    person.expect("Ce n'est pas le même")?;
    person.answer("Encore une fois le même :", PASSWORD)
}

/// The plan, however many pages it has; a wrong serial number; the right one.
fn confirm_in_french(person: &mut Dialog) -> Result<()> {
    person.expect(page("plan"))?;
    let ends = [
        Pattern::from("Entrée pour continuer"),
        Pattern::from("Numéro de série de"),
    ];
    while person.expect_any(&ends)? == 0 {
        person.press(keys::ENTER)?;
    }
    person.answer("Numéro de série de", "DED-2")?;
    person.expect("Ce n'est pas le disque")?;
    person.answer("Numéro de série de", END_OF_SERIAL)?;
    person.expect(page("écriture")).map(drop)
}

/// The number that a row of a menu begins with.
pub(super) fn number(row: &Line) -> Result<String> {
    let digits: String = row
        .text
        .chars()
        .skip_while(|character| !character.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    ensure!(!digits.is_empty(), "no number in `{}`", row.text);
    Ok(digits)
}

/// The installed disk lets in who types the password, on the console.
fn log_in(ctx: &Context, disk: Disk) -> Result<()> {
    let up = boot::boot(ctx, "boot", Firmware::Uefi, &[disk], Expect::Ok)?;
    let mut person = Dialog::from_the_beginning(&up.vm, QUESTION);
    person.expect(READY_INSTALLED)?;
    person.answer("Numéro, ou Entrée pour actualiser :", "1")?;
    person.answer(Pattern::regex("login: ?$")?, "root")?;
    person.answer(Pattern::regex("(Password|Mot de passe) ?: ?$")?, PASSWORD)?;
    person.expect(Pattern::regex(&format!("root@{NAME}"))?)?;
    person.press("echo \"$(id -un) $(findmnt -no FSTYPE /)\"\r")?;
    person.expect(Pattern::regex("^root squashfs$")?)?;
    ctx.note("logged in with the password");
    up.vm.kill()
}

/// The same on the screen, in English, on the keyboard; a root shell on the serial line reads
/// what the screen shows.
fn screen(ctx: &Context) -> Result<()> {
    let setting = Setting::start(ctx, Firmware::Bios)?;
    let vm = &setting.vm;
    let mut reader = Reader::open(vm)?;
    let mut shots = 0;
    let mut at = |reader: &mut Reader, text: &str| -> Result<String> {
        let shown = reader.wait(text)?;
        shots += 1;
        vm.screenshot(&format!("{shots:02}"))?;
        Ok(shown)
    };
    at(&mut reader, "Number, or Enter to refresh:")?;
    vm.type_text("1\n")?;
    at(&mut reader, "Language / Langue")?;
    vm.type_text("1\n")?;
    at(&mut reader, "installation - keyboard")?;
    vm.type_text("\n")?;
    at(&mut reader, "Keys:")?;
    vm.type_text("az/-:@#\n")?;
    let shown = at(&mut reader, SERIAL)?;
    let row = shown.lines().find(|line| line.contains(SERIAL));
    let row = Line {
        at: vm.now(),
        text: row.context("the row has gone")?.to_owned(),
    };
    vm.type_text(&format!("{}\n", number(&row)?))?;
    at(&mut reader, "Enter when done")?;
    vm.type_text("\n")?;
    at(&mut reader, "Name:")?;
    vm.press(&["ctrl", "u"])?;
    vm.type_text(&format!("{HOSTNAME}\n"))?;
    at(&mut reader, "installation - network")?;
    vm.type_text("\n")?;
    at(&mut reader, "installation - time zone")?;
    vm.type_text("\n")?;
    at(&mut reader, "Password:")?;
    vm.type_text(&format!("{PASSWORD}\n"))?;
    at(&mut reader, "once more:")?;
    vm.type_text(&format!("{PASSWORD}\n"))?;
    at(&mut reader, "erial number of")?;
    vm.type_text(&format!("{END_OF_SERIAL}\n"))?;
    at(&mut reader, "installation - writing")?;
    reader.patience(WRITING);
    at(&mut reader, "installation - done")?;
    vm.type_text("1\n")?;
    vm.wait_poweroff(QUESTION)?;
    ctx.note(format!("{shots} screenshots"));
    setting.check(ctx)?;
    boot::healthy(ctx, "boot", Firmware::Bios, &[setting.installed()])
}

/// Reads the first text console through a root shell on the serial line.
pub(super) struct Reader<'a> {
    person: Dialog<'a>,
    limit: Duration,
    asked: u32,
}

impl<'a> Reader<'a> {
    /// Opens the rescue shell of the live console.
    pub fn open(vm: &'a Vm) -> Result<Reader<'a>> {
        let mut person = Dialog::from_the_beginning(vm, QUESTION);
        shell::open(&mut person, "4")?;
        Ok(Reader {
            person,
            limit: QUESTION,
            asked: 0,
        })
    }

    pub fn patience(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// Waits until the screen shows a text, and no longer changes; gives its lines.
    pub fn wait(&mut self, text: &str) -> Result<String> {
        self.asked += 1;
        let (seconds, end) = (self.limit.as_secs(), format!("screen-{}", self.asked));
        // The lines of the console have no ends: its width says where they are.
        self.person.press(&format!(
            "w=$(stty -F /dev/tty1 size | cut -d' ' -f2); read() {{ fold -w $w /dev/vcs1; }}; \
             for n in $(seq {seconds}); do s=$(read); sleep 1; \
             [ \"$s\" = \"$(read)\" ] && echo \"$s\" | grep -qF -- '{text}' && break; done; \
             echo \"$s\"; echo {end}\r"
        ))?;
        let begun = self.person.mark();
        self.person
            .patience(self.limit + QUESTION)
            .expect(Pattern::regex(&format!("^{end}$"))?)?;
        let shown = self.person.lines_since(begun);
        ensure!(
            shown
                .lines()
                .any(|line| line.contains(text) && !line.contains("grep")),
            "the screen does not show `{text}` but:\n{shown}"
        );
        Ok(shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_a_row_is_read() {
        let row = |text: &str| Line {
            at: Duration::ZERO,
            text: text.to_owned(),
        };
        assert_eq!(number(&row(">  3  QEMU 8 GB VIRTIO vda")).unwrap(), "3");
        assert!(number(&row("   -")).is_err());
    }
}
