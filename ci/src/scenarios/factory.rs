//! A machine on a factory's network: what the person types is an address and what proves the answers,
//! in the medium's own menu. The answers come from a server whose authority the factory has put into
//! its medium, are signed, and are of several machines, which are told apart by their ports; the report
//! goes back there, although the server is busy at first. Before that a digest is typed that is not
//! theirs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use https_test_server::{Answer, Certificate, Request, Server, answer};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use vigie_installer::sources::proof::sign;

use super::boot::check_name;
use super::unattended::{HOSTNAME, answers, succeeded};
use super::{FIRMWARE, READY_LIVE, disk_scenario, table, variant};
use crate::context::Context;
use crate::step::Step;
use crate::vm::Vm;
use crate::vm::command::{Bus, Disk, Firmware, Format};
use crate::vm::dialog::Dialog;
use crate::vm::images::{self, DiskFile};
use crate::vm::sparse;

const GB: u64 = 1_000_000_000;
const SERIAL: &str = "VIGIE-CI-NET";
const DISK_BYTES: u64 = 8 * GB;
/// What the factory's definition allows a volume for recordings to have; there is room for more.
const VOLUME_MAX: u64 = 2 * GB;
/// Of the host name that no machine of the batch gets.
const OTHERS: &str = "nvr-other";
/// The hardware address that QEMU gives its first port, and the one after it.
const PORT: &str = "52:54:00:12:34:56";
const OTHER_PORT: &str = "52:54:00:12:34:57";
/// The factory's key: the example of RFC 8410, section 10.3.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
    -----END PRIVATE KEY-----\n";
/// Where reports go, and what is asked for before: answers, answers, signature.
const REPORTS: &str = "/reports?line=3";
const BEFORE_REPORTS: usize = 3;
/// Boot, network, install, report, power off.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// GRUB's editor, a line of it.
const EDITOR: Duration = Duration::from_secs(30);
/// Keys of that editor.
const END_OF_LINE: &str = "\x05";
const NEXT_LINE: &str = "\x0e";
const START: &str = "\x18";

pub(super) fn step() -> Step {
    disk_scenario(
        "factory-network",
        "answers named in the medium's menu come signed from a factory's own server, which gets the report; others are refused",
        run,
    )
}

fn run(ctx: &Context) -> Result<()> {
    let served = Arc::new(OnceLock::<Served>::new());
    let answers = served.clone();
    let server = Server::start(Certificate::Good, move |request| {
        serve(answers.get(), request)
    });
    let url = format!("https://10.0.2.2:{}", server.port());
    let text = batch(ctx, &url)?;
    let signed = sign(KEY, text.as_bytes())?;
    let disk = DiskFile {
        path: ctx.folder().join("disk.raw"),
        format: Format::Raw,
        bytes: DISK_BYTES,
    };
    images::empty(&disk.path, disk.bytes)?;
    let line = Line {
        medium: medium(ctx, &server)?,
        disk: &disk,
        address: format!("vigie.answers={url}/install.toml"),
    };
    let digest = hex::encode(Sha256::digest(format!("{text}# one line more\n")));
    served.get_or_init(|| Served {
        answers: text,
        signature: signed.signature,
    });
    line.refuses(ctx, &format!("vigie.answers-sha256={digest}"))?;
    line.installs(ctx, &format!("vigie.answers-key={}", signed.key))?;
    let asked = server.requests();
    check_report(&asked).map_err(|error| error.context("what the server was asked"))?;
    table::check(ctx, &disk, 512)?;
    check_volumes(&disk)?;
    check_name(ctx, "boot", Firmware::Bios, disk.on(Bus::Virtio), HOSTNAME)
}

/// Answers of two machines that are told apart by a port.
fn batch(ctx: &Context, url: &str) -> Result<String> {
    let common = answers(ctx, &format!("[target]\nserial = \"{SERIAL}\""), OTHERS)?;
    let section = |mac: &str, name: &str| {
        format!(
            "[[machine]]\nmatch = {{ mac = \"{mac}\" }}\n[machine.system]\nhostname = \"{name}\"\n\n"
        )
    };
    let sections = section(OTHER_PORT, "nvr-gate") + &section(PORT, HOSTNAME);
    Ok(format!(
        "{common}\n[report]\nurl = \"{url}/reports?line=3\"\n\n{sections}"
    ))
}

/// A place on the factory's line: the stick and the disk that are plugged in, and where the answers are.
struct Line<'a> {
    medium: PathBuf,
    disk: &'a DiskFile,
    address: String,
}

impl Line<'_> {
    fn start(&self, ctx: &Context, name: &str, proof: &str) -> Result<Vm> {
        let machine = ctx
            .machine(Firmware::Bios)?
            .disk(Disk::new(&self.medium, Bus::Usb).throwaway())
            .disk(self.disk.on(Bus::Virtio).serial(SERIAL).data_only());
        let vm = ctx.start(name, &machine)?;
        add_to_the_command_line(&vm, &format!("{} {proof}", self.address))?;
        Ok(vm)
    }

    /// Answers that are not the ones that were meant are not even read.
    fn refuses(&self, ctx: &Context, proof: &str) -> Result<()> {
        let before = sparse::digest(&self.disk.path)?;
        let vm = self.start(ctx, "other", proof)?;
        let screen = Dialog::from_the_beginning(&vm, LIMIT);
        screen.expect("The answers are not the ones that were meant")?;
        screen.expect(READY_LIVE)?;
        vm.screenshot("refused")?;
        vm.kill()?;
        ensure!(
            sparse::digest(&self.disk.path)? == before,
            "answers that are not proved have written to the disk"
        );
        Ok(())
    }

    fn installs(&self, ctx: &Context, proof: &str) -> Result<()> {
        let vm = self.start(ctx, "install", proof)?;
        vm.wait_poweroff(LIMIT)?;
        ctx.note(format!("off after {:.0} s", vm.now().as_secs_f64()));
        Ok(())
    }
}

fn check_volumes(disk: &DiskFile) -> Result<()> {
    let volumes = images::partitions(&disk.path, 512)?;
    let volumes = volumes.iter().filter(|part| part.name.starts_with("data-"));
    let sizes: Vec<u64> = volumes.map(|part| part.length).collect();
    ensure!(
        sizes.len() >= 2 && sizes.iter().all(|size| *size <= VOLUME_MAX),
        "volumes for recordings have {sizes:?} bytes, where {VOLUME_MAX} are allowed"
    );
    Ok(())
}

/// The factory's medium: its server's authority in the overlay, and smaller volumes.
fn medium(ctx: &Context, server: &Server) -> Result<PathBuf> {
    let version = &ctx.image()?.version;
    let out = variant::build(ctx, version, |rootfs| {
        let folder = rootfs.join("overlay/usr/local/share/ca-certificates");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("factory.crt"), server.authority())?;
        limit_volumes(&rootfs.join("appliance.toml"))
    })?;
    Ok(out.join(format!("vigie-{version}.iso")))
}

fn limit_volumes(definition: &Path) -> Result<()> {
    let text = fs::read_to_string(definition)?;
    let setting = format!("[image]\ndata_volume_max = \"{}GB\"\n", VOLUME_MAX / GB);
    ensure!(text.contains("[image]\n"), "the definition has no [image]");
    fs::write(definition, text.replacen("[image]\n", &setting, 1))?;
    Ok(())
}

/// As docs/provision.md has it: `e` on the first entry, the words at the end of its command.
fn add_to_the_command_line(vm: &Vm, words: &str) -> Result<()> {
    let mut person = Dialog::from_the_beginning(vm, FIRMWARE);
    person.expect("the same, with all messages")?;
    person.press("e")?;
    let mut person = person.patience(EDITOR);
    person.expect("live")?;
    vm.screenshot("editor")?;
    // Above it: the name of the entry, and the line that its brace opens.
    person.press(&format!("{NEXT_LINE}{NEXT_LINE}{END_OF_LINE} {words}"))?;
    let end = &words[words.len() - 8..];
    person.expect(end)?;
    vm.screenshot("edited")?;
    person.press(START)
}

/// What the server has.
struct Served {
    answers: String,
    signature: String,
}

/// Answers to who asks for them; to the first report, that the server is busy.
fn serve(served: Option<&Served>, request: &Request) -> Answer {
    let file =
        |of: fn(&Served) -> &str| served.map_or_else(nothing, |served| answer(200, of(served)));
    match (request.head.split(' ').next(), request.path()) {
        (Some("GET"), "/install.toml") => file(|served| &served.answers),
        (Some("GET"), "/install.toml.sig") => file(|served| &served.signature),
        (Some("POST"), REPORTS) if request.number <= BEFORE_REPORTS => answer(503, "busy\n"),
        (Some("POST"), REPORTS) => answer(204, ""),
        _ => nothing(),
    }
}

fn nothing() -> Answer {
    answer(404, "there is nothing\n")
}

/// The answers were fetched once for each start and their signature once, and the report came again
/// after it had been turned away.
fn check_report(requests: &[Request]) -> Result<()> {
    let heads: Vec<&str> = requests
        .iter()
        .filter_map(|request| request.head.lines().next())
        .collect();
    let last = requests.last().context("nobody asked the server")?;
    let gets = heads.iter().filter(|head| head.starts_with("GET")).count();
    ensure!(
        gets == BEFORE_REPORTS && heads.len() == gets + 2 && heads[gets] == heads[gets + 1],
        "the server was asked: {heads:?}"
    );
    let report: Value = serde_json::from_slice(&last.body).context("reading the report")?;
    let named = report.to_string().contains(SERIAL);
    ensure!(succeeded(&report) && named, "the report says: {report:#}");
    let secret = report.to_string().contains("$y$");
    ensure!(!secret, "the report holds a password: {report:#}");
    Ok(())
}
