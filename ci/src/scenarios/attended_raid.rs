//! A person installs on two mirrored disks, in French, on a terminal that can only print lines.
//!
//! `vigie-install screen --plain` is started from the medium's shell: what is asked, and what is
//! typed, is that of a dumb terminal. Afterwards each disk starts the machine alone.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::attended::number;
use super::boot::{self, Expect};
use super::{BOOT, READY_LIVE, disk_scenario, raid, shell, ssh, table};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware, Format};
use crate::vm::console::Pattern;
use crate::vm::dialog::{Dialog, keys};
use crate::vm::images::{self, DiskFile};
use crate::vm::sparse;

const BYTES: u64 = 9_000_000_000;
/// Serial numbers of the two disks, and of one that is left alone; each ends in its own way.
const SERIALS: [&str; 2] = ["VIGIE-PAIR-AA1111", "VIGIE-PAIR-BB2222"];
const BESIDE: &str = "VIGIE-PAIR-CC3333";
const PASSWORD: &str = "La camera verte dort sous le toit";

/// A question of the menus or of the installer.
const QUESTION: Duration = Duration::from_secs(120);
/// Writing both disks.
const WRITING: Duration = Duration::from_secs(15 * 60);

const NUMBER: &str = "Numéro, puis Entrée";
const NUMBERS: &str = "Entrée seule pour finir";

pub(super) fn step() -> Step {
    disk_scenario(
        "attended-raid",
        "a person installs on a mirror by numbered lines in French; either disk starts alone",
        run,
    )
}

fn run(ctx: &Context) -> Result<()> {
    let disks = SERIALS.map(|serial| file(ctx, serial));
    let beside = file(ctx, BESIDE);
    sparse::patterned(&beside.path, BYTES)?;
    let before = sparse::digest(&beside.path)?;
    install(ctx, &disks, &beside)?;
    ensure!(
        sparse::digest(&beside.path)? == before,
        "the disk that was not chosen was written"
    );
    for disk in &disks {
        table::check(ctx, disk, 512)?;
    }
    start_each(ctx, &disks)
}

fn file(ctx: &Context, serial: &str) -> DiskFile {
    DiskFile {
        path: ctx.folder().join(format!("{serial}.raw")),
        format: Format::Raw,
        bytes: BYTES,
    }
}

fn install(ctx: &Context, disks: &[DiskFile; 2], beside: &DiskFile) -> Result<()> {
    let medium = Disk::new(&ctx.image()?.iso, Bus::Usb).throwaway();
    let mut machine = ctx.machine(Firmware::Bios)?.disk(medium);
    for (disk, serial) in disks.iter().zip(SERIALS) {
        images::empty(&disk.path, disk.bytes)?;
        machine = machine.disk(disk.on(Bus::Virtio).serial(serial).data_only());
    }
    machine = machine.disk(beside.on(Bus::Virtio).serial(BESIDE).data_only());
    let vm = ctx.start("install", &machine)?;
    vm.wait_line(READY_LIVE, BOOT)?;
    let mut person = Dialog::from_the_beginning(&vm, QUESTION);
    let answered = shell::open(&mut person, "4").and_then(|()| answer(&mut person));
    answered.map_err(|error| vm.failure(format!("{error:#}")))?;
    vm.wait_poweroff(WRITING)?;
    ctx.note(format!("off after {:.0} s", vm.now().as_secs_f64()));
    Ok(())
}

/// A page of the installer, by its title.
fn page(step: &str) -> Pattern {
    Pattern::Text(format!("- installation - {step}"))
}

fn answer(person: &mut Dialog) -> Result<()> {
    person.press("vigie-install screen --plain\r")?;
    person.expect("Language / Langue")?;
    person.answer(Pattern::regex(r"(Number|Numéro), ")?, "2")?;
    person.expect(page("clavier"))?;
    answer_below(person, NUMBER, "")?;
    person.expect(page("disque système"))?;
    let several = person.expect("Plusieurs disques, réunis en RAID")?;
    person.answer(NUMBER, &number(&several)?)?;
    mark_both(person)?;
    person.expect(page("RAID des disques du système"))?;
    person.answer(NUMBER, "1")?;
    person.expect(page("disques d'enregistrement"))?;
    person.answer(NUMBERS, "")?;
    for (title, question) in [
        ("nom", "Nom"),
        ("réseau", NUMBER),
        ("fuseau horaire", NUMBER),
    ] {
        person.expect(page(title))?;
        answer_below(person, Pattern::regex(&format!("^{question}.*: ?$"))?, "")?;
    }
    person.expect(page("mot de passe de root"))?;
    person.answer("Mot de passe :", PASSWORD)?;
    person.answer("Encore une fois le même :", PASSWORD)?;
    confirm(person)
}

/// Answers a question below a list that may have more lines than the terminal.
fn answer_below(person: &mut Dialog, question: impl Into<Pattern>, answer: &str) -> Result<()> {
    let ends = [Pattern::from("Entrée pour continuer"), question.into()];
    while person.expect_any(&ends)? == 0 {
        person.press(keys::ENTER)?;
    }
    person.press(&format!("{answer}{}", keys::ENTER))
}

/// The two rows of the list, by their serial numbers.
fn mark_both(person: &mut Dialog) -> Result<()> {
    person.expect(page("disques du système"))?;
    let mut numbers = Vec::new();
    for serial in SERIALS {
        let row = person.expect(Pattern::regex(&format!(r"^\s*\d+ .*{serial}"))?)?;
        numbers.push(number(&row)?);
    }
    person.answer(NUMBERS, &numbers.join(" "))?;
    for serial in SERIALS {
        person.expect(Pattern::regex(&format!(r"\[x\].*{serial}"))?)?;
    }
    person.answer(NUMBERS, "")
}

/// The plan names both disks; a serial number of the third one is not taken for either.
fn confirm(person: &mut Dialog) -> Result<()> {
    person.expect(page("plan"))?;
    let question = "Numéro de série de";
    answer_below(person, question, &BESIDE[BESIDE.len() - 6..])?;
    person.expect("Ce n'est pas le disque")?;
    for (name, serial) in ["vda", "vdb"].iter().zip(SERIALS) {
        // The shell echoes nothing, so that two questions stand on one line.
        person.expect(Pattern::regex(&format!("Numéro de série de {name} : ?$"))?)?;
        person.press(&format!("{}{}", &serial[serial.len() - 6..], keys::ENTER))?;
    }
    person.expect(page("écriture"))?;
    person.patience(WRITING).expect(page("terminé"))?;
    person.answer(NUMBER, "1")
}

/// Both disks together, and each without the other.
fn start_each(ctx: &Context, disks: &[DiskFile; 2]) -> Result<()> {
    let cases: [(&str, Firmware, &[usize]); 3] = [
        ("both", Firmware::Uefi, &[0, 1]),
        ("first", Firmware::Bios, &[0]),
        ("second", Firmware::Uefi, &[1]),
    ];
    for (name, firmware, present) in cases {
        let attached = raid::attach_as(ctx, name, disks, &SERIALS, present)?;
        let expect = match present.len() {
            2 => Expect::Ok,
            _ => Expect::Degraded,
        };
        let up = boot::boot(ctx, name, firmware, &attached, expect)?;
        let arrays = up.blame(
            ssh::with_password(ctx, &up.vm, PASSWORD, "cat /proc/mdstat")
                .and_then(|said| said.context("the password was refused")),
        )?;
        up.blame(raid::check_arrays(&up, &arrays, present.len()))?;
        up.vm.kill()?;
    }
    Ok(())
}
