//! What an administrator does in the browser day by day: every page, in both languages; a backup and back;
//! files for support; a certificate of one's own; and who has done all that.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use https_test_server::{Issued, issue};
use reqwest::blocking::Client;
use serde_json::Value;

use super::HTTPS;
use super::unattended::PASSWORD;
use super::update::Appliance;
use super::web_desk::{Desk, PAGE};
use super::web_setup::{ANNE, VICTOR};
use crate::process;

/// Every page, and its name in French.
const PAGES: [(&str, &str); 13] = [
    ("/", "État"),
    ("/logs", "Journaux"),
    ("/logs?log=disconnections", "Déconnexions"),
    ("/logs?log=audit", "Journal des actions"),
    ("/settings", "Réglages"),
    ("/settings/history", "Historique des réglages"),
    ("/settings/certificate", "Certificat"),
    ("/users", "Utilisateurs"),
    ("/update", "Mise à jour"),
    ("/backup", "Sauvegarde"),
    ("/power", "Alimentation"),
    ("/help", "Aide"),
    ("/account", "Mon compte"),
];
/// What seals the backup.
const PASSPHRASE: &str = "cheval pile agrafe correct";
/// Whose appliance it is before and after.
const SOUTH: &str = "Usine Sud";
const NORTH: &str = "Usine Nord";
/// The name that the certificate is for; nobody has it (RFC 2606).
const HOST: &str = "nvr.example";

/// Each page is there in both languages, and fits a telephone.
pub(super) fn looks_around(desk: &Desk) -> Result<()> {
    for (path, _) in PAGES {
        desk.opens(path)?;
        desk.looks(&name("en", path))?;
    }
    desk.presses(".corner [action='/language'] button")?;
    desk.sees(".corner button", "Se déconnecter")?;
    for (path, title) in PAGES {
        desk.opens(path)?;
        desk.sees("h2", title)?;
        let language = desk.script("return document.documentElement.lang")?;
        ensure!(language == "fr", "{path} is in {language}");
        desk.looks(&name("fr", path))?;
    }
    desk.presses(".corner [action='/language'] button")?;
    desk.sees(".corner button", "Log out").map(drop)
}

/// Of a page in the name of a picture.
fn name(language: &str, path: &str) -> String {
    let last = path.rsplit(['/', '=']).find(|part| !part.is_empty());
    format!("{language}-{}", last.unwrap_or("status"))
}

/// The settings come back as they were in a backup; with the wrong passphrase nothing does.
pub(super) fn comes_back_by_a_backup(desk: &Desk, appliance: &Appliance<'_>) -> Result<String> {
    belongs_to(desk, SOUTH)?;
    let before = appliance.says("vigie-settings show")?;
    ensure!(before.contains(SOUTH), "the settings: {before}");
    desk.opens("/backup")?;
    desk.writes("#passphrase", PASSPHRASE)?;
    desk.writes("#again", PASSPHRASE)?;
    let backup = desk.downloads("[action='/backup/make'] button")?;
    let bytes = fs::read(&backup)?;
    // Hashes of passwords begin so; the head of a sealed file names argon2id, too.
    ensure!(
        !has(&bytes, SOUTH.as_bytes()) && !has(&bytes, b"$argon2"),
        "the backup is not sealed"
    );
    belongs_to(desk, NORTH)?;
    let changed = appliance.says("vigie-settings show")?;
    ensure!(changed.contains(NORTH), "the settings: {changed}");
    restores(desk, &backup, "cheval pile agrafe faux")?;
    desk.sees("[role=alert]", "passphrase")?;
    desk.looks("backup-wrong-passphrase")?;
    ensure!(
        appliance.says("vigie-settings show")? == changed,
        "a backup without its passphrase changed something"
    );
    restores(desk, &backup, PASSPHRASE)?;
    desk.sees(".verdict.ok", "Saved")?;
    desk.looks("backup-restored")?;
    let after = appliance.says("vigie-settings show")?;
    ensure!(
        before == after,
        "the settings were\n{before}\nand are\n{after}"
    );
    Ok(format!("a backup of {} bytes came back", bytes.len()))
}

fn restores(desk: &Desk, backup: &Path, passphrase: &str) -> Result<()> {
    desk.opens("/backup")?;
    desk.chooses("#file", backup)?;
    desk.writes("#file-passphrase", passphrase)?;
    desk.presses("[action='/backup/restore'] button")
}

fn belongs_to(desk: &Desk, organisation: &str) -> Result<()> {
    desk.opens("/settings")?;
    desk.writes("#registration-organisation", organisation)?;
    desk.presses("[data-section=registration] button")?;
    desk.sees(".verdict.ok", "Saved, and in force")?;
    let shown = desk.reads("#registration-organisation")?;
    ensure!(shown == organisation, "the page shows {shown}");
    Ok(())
}

/// What no file for support may hold.
fn secrets(appliance: &Appliance<'_>) -> Result<Vec<String>> {
    let hashes = "grep -rhoE '[$](y|argon2id)[$][^\":]+' /var/lib/vigie/settings /etc/shadow";
    let keys =
        "grep -rhE '^[A-Za-z0-9+/=]{40,}$' /var/lib/vigie/web /etc/ssh /var/lib/vigie/ssh || true";
    let mut secrets: Vec<String> = Vec::new();
    for command in [hashes, keys] {
        secrets.extend(appliance.says(command)?.lines().map(str::to_owned));
    }
    ensure!(
        secrets
            .iter()
            .any(|secret| secret.starts_with("$argon2id$"))
            && secrets.iter().any(|secret| secret.starts_with("$y$"))
            && secrets.iter().any(|secret| !secret.starts_with('$')),
        "these are not all secrets: {secrets:?}"
    );
    let typed = [ANNE.1, VICTOR.1, PASSWORD, PASSPHRASE, "PRIVATE KEY"];
    secrets.extend(typed.map(str::to_owned));
    Ok(secrets)
}

/// The bundle holds the logs, and no secret of the appliance.
pub(super) fn no_secret_is_in_the_bundle(desk: &Desk, appliance: &Appliance<'_>) -> Result<String> {
    desk.opens("/help")?;
    let bundle = desk.downloads("[action='/help/bundle'] button")?;
    let folder = bundle.with_extension("unpacked");
    fs::create_dir_all(&folder).context("making a folder for the bundle")?;
    let mut tar = Command::new("tar");
    tar.args(["-xzf"]).arg(&bundle).arg("-C").arg(&folder);
    process::output("opening the bundle", &mut tar)?;
    let files = files(&folder)?;
    let secrets = secrets(appliance)?;
    let mut journal = false;
    for file in &files {
        let bytes = fs::read(file)?;
        let found = secrets.iter().find(|secret| has(&bytes, secret.as_bytes()));
        ensure!(found.is_none(), "{} holds {found:?}", file.display());
        journal |= file.ends_with("journal.txt") && has(&bytes, b"vigie-web");
    }
    ensure!(journal, "no journal is among {files:?}");
    Ok(format!(
        "{} files for support hold none of {} secrets",
        files.len(),
        secrets.len()
    ))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => found.extend(files(&path)?),
            false => found.push(path),
        }
    }
    Ok(found)
}

fn has(bytes: &[u8], words: &[u8]) -> bool {
    bytes.windows(words.len()).any(|window| window == words)
}

/// A certificate of one's own is served from the moment on that it is installed, also by the next process;
/// another one's key is refused.
pub(super) fn has_a_certificate_of_its_own(desk: &Desk, appliance: &Appliance<'_>) -> Result<()> {
    let (own, other) = (issue(HOST), issue(HOST));
    let trusting = Trusting::new(appliance, &own)?;
    ensure!(
        trusting.health().is_err(),
        "the certificate is trusted before it is there"
    );
    installs(desk, appliance, (&own.certificate, &other.key))?;
    desk.sees("[role=alert]", "does not belong to the certificate")?;
    installs(desk, appliance, (&own.certificate, &own.key))?;
    desk.sees(".verdict.ok", "Installed")?;
    desk.sees("main", "Your own certificate is in use")?;
    desk.looks("certificate-own")?;
    trusting.health()?;
    appliance.says("systemctl restart vigie-web.service")?;
    trusting.health()?;
    // Its sessions were those of the process before.
    desk.opens("/logs")?;
    desk.logs_in(ANNE.0, ANNE.1)
}

fn installs(
    desk: &Desk,
    appliance: &Appliance<'_>,
    (certificate, key): (&str, &str),
) -> Result<()> {
    let file = |name: &str, text: &str| -> Result<PathBuf> {
        let path = appliance.ctx.folder().join(name);
        fs::write(&path, text).with_context(|| format!("writing {name}"))?;
        Ok(path)
    };
    desk.opens("/settings/certificate")?;
    desk.chooses("#chain", &file("own.pem", certificate)?)?;
    desk.chooses("#key", &file("own-key.pem", key)?)?;
    desk.presses("[action='/settings/certificate'] button")
}

/// Somebody who trusts one authority alone.
struct Trusting {
    client: Client,
    url: String,
}

impl Trusting {
    fn new(appliance: &Appliance<'_>, issued: &Issued) -> Result<Trusting> {
        let port = appliance.up.vm.host_port(HTTPS)?;
        let authority = reqwest::Certificate::from_pem(issued.authority.as_bytes())?;
        let client = Client::builder()
            .tls_built_in_root_certs(false)
            .add_root_certificate(authority)
            .resolve(HOST, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
            // Each connection shakes hands anew.
            .pool_max_idle_per_host(0)
            .no_proxy()
            .timeout(PAGE)
            .build()?;
        let url = format!("https://{HOST}:{port}/health");
        Ok(Trusting { client, url })
    }

    fn health(&self) -> Result<Value> {
        let answer = self.client.get(&self.url).send()?.error_for_status()?;
        Ok(serde_json::from_str(&answer.text()?)?)
    }
}

/// What the trail tells of all that, and from where it came: QEMU's network hides the host behind its router.
const DONE: [(&str, &str); 7] = [
    (ANNE.0, "setup"),
    (ANNE.0, "user-add"),
    (ANNE.0, "settings-set"),
    (ANNE.0, "backup"),
    (ANNE.0, "restore"),
    (ANNE.0, "support-bundle"),
    (ANNE.0, "certificate"),
];
const FROM: &str = "10.0.2.2";

/// Who has done it all is told, with what went wrong, on the page and in a file.
pub(super) fn is_told_by_the_trail(desk: &Desk) -> Result<()> {
    desk.opens("/logs?log=audit")?;
    let page = desk.sees("main table", "user-add")?;
    for (who, what) in DONE {
        let is_it = |row: &&str| row.contains(who) && row.contains(what) && row.contains(FROM);
        ensure!(
            page.lines().any(|row| is_it(&row)),
            "nobody is told to have done {what}: {page}"
        );
    }
    desk.looks("audit")?;
    let file = desk.downloads("a[href='/logs/audit']")?;
    let text = fs::read_to_string(&file)?;
    let records: Vec<Value> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .with_context(|| format!("lines of {}", file.display()))?;
    let refused = records
        .iter()
        .any(|record| record["action"] == "log-in" && record["ended"] == "refused");
    ensure!(refused, "no wrong password is told of: {text}");
    desk.opens("/logs?log=system&unit=vigie-web.service")?;
    desk.sees("#log", "anne (10.0.2.2)")?;
    desk.looks("log-of-a-service")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_have_names() {
        for (path, expected) in [
            ("/", "en-status"),
            ("/logs", "en-logs"),
            ("/logs?log=audit", "en-audit"),
            ("/settings/history", "en-history"),
        ] {
            assert_eq!(name("en", path), expected);
        }
    }

    #[test]
    fn words_are_found_in_bytes() {
        assert!(has(b"a secret b", b"secret") && !has(b"sec", b"secret"));
    }
}
