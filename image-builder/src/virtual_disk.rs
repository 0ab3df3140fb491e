//! `cargo image disk`: an installed disk in a file, made by the installer's own engine.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use vigie_disk::{Bytes, SectorSize};
use vigie_installer::answers::Group;
use vigie_installer::progress::render;
use vigie_installer::{Answers, Ids, Payload, Toolbox, install_to_file};
use vigie_settings::Language;

use crate::interrupt::HalfMade;
use crate::tools::{Tools, run};
use crate::vm::command::Programs;

/// The format of a disk's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The bytes of the disk; holes stay holes.
    Raw,
    /// QEMU's own.
    Qcow2,
}

/// What disk is made.
pub struct Order<'a> {
    /// The file, which must not exist yet.
    pub out: &'a Path,
    /// Size of the disk.
    pub size: Bytes,
    /// Its format.
    pub format: Format,
    /// Its sector size.
    pub sectors: SectorSize,
    /// The installer's answers; none: an appliance that nobody can log in to.
    pub answers: Option<&'a Path>,
}

/// Installs the payload onto a new disk in a file.
///
/// # Errors
/// The file exists; the answers or the size are refused; a full disk. Nothing half-made stays.
pub fn make(
    order: &Order<'_>,
    payload: &Path,
    tools: &Tools,
    emulator: &dyn Programs,
    json: bool,
) -> Result<()> {
    let answers = answers(order.answers)?;
    let payload = Payload::open(payload)?;
    let install = |file: &Path| {
        let mut told = render::fitting(json, Language::En);
        let (size, sectors) = (order.size, order.sectors);
        install_to_file(
            &answers,
            &payload,
            file,
            size,
            sectors,
            tools,
            &Ids::random(),
            told.as_mut(),
        )
        .map(|_| ())
    };
    if order.out.exists() {
        bail!(
            "{} exists already; name another file or remove it",
            order.out.display()
        );
    }
    let folder = order
        .out
        .parent()
        .filter(|f| !f.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let scratch = tempfile::Builder::new()
        .prefix(".vigie-disk-")
        .tempdir_in(folder)?;
    let _half = HalfMade::at(scratch.path());
    let mut made = scratch.path().join("disk.raw");
    install(&made)?;
    if order.format == Format::Qcow2 {
        let converted = scratch.path().join("disk.qcow2");
        let mut convert = emulator.command("qemu-img");
        convert
            .args(["convert", "-f", "raw", "-O", "qcow2"])
            .arg(&made)
            .arg(&converted);
        run("converting the disk to qcow2", &mut convert)?;
        made = converted;
    }
    std::fs::rename(&made, order.out)
        .with_context(|| format!("giving {} its name", order.out.display()))
}

fn answers(file: Option<&Path>) -> Result<Answers> {
    match file {
        Some(file) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("reading {}", file.display()))?;
            Answers::parse(&text).map_err(|problem| anyhow!("{}: {problem}", file.display()))
        }
        None => Ok(Answers {
            target: Group {
                path: Some("file".into()),
                ..Group::default()
            },
            ..Answers::default()
        }),
    }
}

impl Toolbox for Tools {
    fn command(&self, program: &str) -> std::process::Command {
        Tools::command(self, program)
    }
}
