//! `vigie-update verify` and `show`: what a package is, and whether this machine would take it.

use std::path::Path;

use serde_json::{Value, json};
use vigie_disk::Bytes;
use vigie_settings::Language;

use super::apply::PROGRAM;
use crate::appliance::This;
use crate::apply::sandboxed::{ACCOUNT, Sandboxed};
use crate::apply::{self, ApplyError, Opened, Phase, Unpacker};
use crate::package::{Header, Manifest};
use crate::policy::judge;
use crate::progress::Progress;

/// What is known of a package that was checked to its end.
#[derive(Debug)]
pub struct Checked {
    /// What it is.
    pub opened: Opened,
    /// What is in it.
    pub manifest: Manifest,
    /// Whether this machine would take it now, and why not.
    pub verdict: Result<(), ApplyError>,
}

/// Reads a whole package and checks it, without writing anything.
///
/// # Errors
/// It is no package, is damaged, or not signed by whom this machine trusts.
pub fn check(
    this: &This,
    package: &std::fs::File,
    progress: &mut Progress,
) -> Result<Checked, ApplyError> {
    let mut unpacker = Sandboxed::start(Path::new(PROGRAM), package, Some(ACCOUNT))?;
    let opened = apply::open(&mut unpacker, &this.keys)?;
    let total = opened.header.total();
    let note = &mut |done: Bytes| progress.tell(Phase::Check, done, total);
    let manifest = unpacker.unpack(&opened.header, None, None, note)?.manifest;
    progress.finish();
    let context = this.context(false)?;
    let verdict = judge(&opened.header, &context.machine, &context.standing);
    Ok(Checked {
        opened,
        manifest,
        verdict: verdict.map_err(ApplyError::from),
    })
}

/// As JSON.
#[must_use]
pub fn json(checked: &Checked) -> Value {
    let Header {
        product,
        arch,
        hardware,
        version,
        min_from,
        security_epoch,
        build_time,
        base,
        body,
        ..
    } = &checked.opened.header;
    let refusal = checked.verdict.as_ref().err();
    json!({
        "event": "package",
        "id": checked.opened.id,
        "product": product,
        "arch": arch,
        "hardware": hardware,
        "version": version,
        "min_from": min_from,
        "security_epoch": security_epoch,
        "build_time": build_time,
        "base": base.as_ref().map(|base| base.version),
        "body": body,
        "system": checked.opened.header.system.size,
        "boot": checked.opened.header.boot.size,
        "changelog": checked.manifest.changelog,
        "accepted": refusal.is_none(),
        "reason": refusal.map(ToString::to_string),
        "reason_fr": refusal.map(ApplyError::french),
    })
}

/// As lines for a person.
#[must_use]
pub fn lines(checked: &Checked, language: Language) -> Vec<String> {
    let header = &checked.opened.header;
    let mut lines = match language {
        Language::En => english(header),
        Language::Fr => french(header),
    };
    let changelog = &checked.manifest.changelog;
    if let Some(text) = changelog
        .get(language.code())
        .or_else(|| changelog.get("en"))
    {
        lines.extend(text.lines().map(|line| format!("  {line}")));
    }
    lines.push(match (&checked.verdict, language) {
        (Ok(()), Language::En) => "this machine takes it".to_owned(),
        (Ok(()), Language::Fr) => "cette machine l'accepte".to_owned(),
        (Err(refusal), Language::En) => format!("this machine does not take it: {refusal}"),
        (Err(refusal), Language::Fr) => {
            format!("cette machine ne l'accepte pas : {}", refusal.french())
        }
    });
    lines
}

fn english(header: &Header) -> Vec<String> {
    let kind = match &header.base {
        None => "full package".to_owned(),
        Some(base) => format!("changes since {}", base.version),
    };
    let (product, version, arch) = (&header.product, header.version, &header.arch);
    let (min_from, epoch) = (header.min_from, header.security_epoch);
    let (system, boot) = (header.system.size, header.boot.size);
    vec![
        format!("{product} {version} for {arch}, {kind}"),
        format!("hardware: {}", header.hardware.join(", ")),
        format!("from version {min_from} on, security epoch {epoch}"),
        format!("system image {system}, boot image {boot}"),
    ]
}

fn french(header: &Header) -> Vec<String> {
    let kind = match &header.base {
        None => "paquet complet".to_owned(),
        Some(base) => format!("changements depuis {}", base.version),
    };
    let (product, version, arch) = (&header.product, header.version, &header.arch);
    let (min_from, epoch) = (header.min_from, header.security_epoch);
    let (system, boot) = (header.system.size, header.boot.size);
    vec![
        format!("{product} {version} pour {arch}, {kind}"),
        format!("matériel : {}", header.hardware.join(", ")),
        format!("à partir de la version {min_from}, époque de sécurité {epoch}"),
        format!("image du système {system}, image de démarrage {boot}"),
    ]
}
