//! A machine on a factory's network: what the person types is an address and a digest, in the
//! medium's own menu. The answers come from a server whose authority the factory has put into its
//! medium, and the report goes back there, although the server is busy at first.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use https_test_server::{Answer, Certificate, Request, Server, answer};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::unattended::{HOSTNAME, answers, succeeded};
use super::{FIRMWARE, boot, disk_scenario, table, variant};
use crate::context::Context;
use crate::step::Step;
use crate::vm::Vm;
use crate::vm::command::{Bus, Disk, Firmware, Format};
use crate::vm::dialog::Dialog;
use crate::vm::images::{self, DiskFile};

const GB: u64 = 1_000_000_000;
const SERIAL: &str = "VIGIE-CI-NET";
const DISK_BYTES: u64 = 8 * GB;
/// What the factory's definition allows a volume for recordings to have; there is room for more.
const VOLUME_MAX: u64 = 2 * GB;
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
        "answers named in the medium's menu come from a factory's own server, which gets the report",
        run,
    )
}

fn run(ctx: &Context) -> Result<()> {
    let text = answers(ctx, &format!("[target]\nserial = \"{SERIAL}\""), HOSTNAME)?;
    let served = std::sync::Arc::new(std::sync::OnceLock::new());
    let answers = served.clone();
    let server = Server::start(Certificate::Good, move |request| {
        serve(answers.get().map_or("", String::as_str), request)
    });
    let url = format!("https://10.0.2.2:{}", server.port());
    let text = format!("{text}\n[report]\nurl = \"{url}/reports?line=3\"\n");
    let digest = hex::encode(Sha256::digest(&text));
    served.get_or_init(|| text);
    let disk = DiskFile {
        path: ctx.folder().join("disk.raw"),
        format: Format::Raw,
        bytes: DISK_BYTES,
    };
    images::empty(&disk.path, disk.bytes)?;
    let machine = ctx
        .machine(Firmware::Bios)?
        .disk(Disk::new(medium(ctx, &server)?, Bus::Usb).throwaway())
        .disk(disk.on(Bus::Virtio).serial(SERIAL).data_only());
    let vm = ctx.start("install", &machine)?;
    let words = format!("vigie.answers={url}/install.toml vigie.answers-sha256={digest}");
    add_to_the_command_line(&vm, &words)?;
    vm.wait_poweroff(LIMIT)?;
    ctx.note(format!("off after {:.0} s", vm.now().as_secs_f64()));
    check_report(&server.requests()).map_err(|error| vm.failure(format!("{error:#}")))?;
    table::check(ctx, &disk, 512)?;
    let volumes = images::partitions(&disk.path, 512)?;
    let volumes = volumes.iter().filter(|part| part.name.starts_with("data-"));
    let sizes: Vec<u64> = volumes.map(|part| part.length).collect();
    ensure!(
        sizes.len() >= 2 && sizes.iter().all(|size| *size <= VOLUME_MAX),
        "volumes for recordings have {sizes:?} bytes, where {VOLUME_MAX} are allowed"
    );
    boot::healthy(ctx, "boot", Firmware::Bios, &[disk.on(Bus::Virtio)])
}

/// The factory's medium: its server's authority in the overlay, and smaller volumes.
fn medium(ctx: &Context, server: &Server) -> Result<std::path::PathBuf> {
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

/// Answers to who asks for them; to the first report, that the server is busy.
fn serve(answers: &str, request: &Request) -> Answer {
    match (request.head.split(' ').next(), request.path()) {
        (Some("GET"), "/install.toml") => answer(200, answers),
        (Some("POST"), "/reports?line=3") if request.number < 2 => answer(503, "busy\n"),
        (Some("POST"), "/reports?line=3") => answer(204, ""),
        _ => answer(404, "there is nothing\n"),
    }
}

/// The answers were fetched once, and the report came again after it had been turned away.
fn check_report(requests: &[Request]) -> Result<()> {
    let heads: Vec<&str> = requests
        .iter()
        .filter_map(|request| request.head.lines().next())
        .collect();
    let last = requests.last().context("nobody asked the server")?;
    ensure!(
        heads.len() == 3 && heads[1] == heads[2],
        "the server was asked: {heads:?}"
    );
    let report: Value = serde_json::from_slice(&last.body).context("reading the report")?;
    let named = report.to_string().contains(SERIAL);
    ensure!(succeeded(&report) && named, "the report says: {report:#}");
    let secret = report.to_string().contains("$y$");
    ensure!(!secret, "the report holds a password: {report:#}");
    Ok(())
}
