//! The support bundle: logs, history, reports and settings of an installation in one `tar.gz`, for
//! whoever helps. Only what is named here goes in, each text without secrets, and a list says what
//! was removed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::OFlags;
use toml::Value;
use vigie_settings::Store;
use vigie_settings::store::FOLDER_ON_STATE;

use super::secrets::Secrets;

/// Of longer files the end is taken.
const MOST: u64 = 16 << 20;
/// So many files of a folder.
const MOST_FILES: usize = 500;
/// The list of what was removed.
pub const LIST: &str = "REMOVED.txt";
/// Folders of the state volume whose files go in, with the ends that their names must have, and the
/// folder in the bundle. Sub-folders do not.
const FOLDERS: [(&str, &[&str], &str); 4] = [
    (
        "lib/vigie/update",
        &["history.jsonl", "slots.json", "floor.0", "floor.1"],
        "update",
    ),
    (
        "lib/vigie/recovery",
        &[".json", ".jsonl", ".txt"],
        "recovery",
    ),
    // Who had what done (rootfs/broker).
    ("lib/vigie/audit", &[".jsonl"], "audit"),
    ("log", &[".log"], "log"),
];

/// What is in a bundle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The files.
    pub files: Vec<String>,
    /// What was removed, a line each.
    pub removed: Vec<String>,
}

/// Writes the bundle of a state volume (its root is the folder `state`); `more` are texts of the
/// caller, by their names: the journal, the inventory.
///
/// # Errors
/// `out` cannot be written to. What cannot be read is left out, and the list says so.
pub fn write(out: impl Write, state: &Path, more: &[(&str, Vec<u8>)]) -> Result<Contents> {
    let mut secrets = Secrets::default();
    let settings = settings(state, &mut secrets);
    let mut bundle = Bundle {
        tar: tar::Builder::new(GzEncoder::new(out, Compression::default())),
        contents: Contents::default(),
        secrets,
    };
    let fields: Vec<String> = bundle.secrets.fields.iter().cloned().collect();
    for field in fields {
        bundle
            .contents
            .removed
            .push(format!("settings.toml: {field}"));
    }
    bundle.text("settings.toml", settings.as_bytes())?;
    for (folder, ends, name) in FOLDERS {
        bundle.folder(&state.join(folder), ends, name)?;
    }
    for (name, text) in more {
        bundle.text(name, text)?;
    }
    bundle.finish()
}

/// The settings without secrets; those of all generations are learnt, so that none is left in a log.
fn settings(state: &Path, secrets: &mut Secrets) -> String {
    let folder = state.join(FOLDER_ON_STATE);
    for path in files(&folder, &[".toml"]).unwrap_or_default() {
        if let Ok(text) = read(&path) {
            secrets.learn(&String::from_utf8_lossy(&text));
        }
    }
    let loaded = Store::on_state_volume(state).load();
    let warnings = loaded.warnings();
    let notes = warnings.iter().map(|one| format!("# {one}\n"));
    let document = Value::try_from(&loaded.settings).and_then(|mut document| {
        secrets.take(&mut document);
        toml::to_string(&document)
    });
    let text = document.unwrap_or_else(|error| format!("# cannot be written: {error}\n"));
    notes.collect::<String>() + &text
}

struct Bundle<W: Write> {
    tar: tar::Builder<GzEncoder<W>>,
    contents: Contents,
    secrets: Secrets,
}

impl<W: Write> Bundle<W> {
    fn folder(&mut self, folder: &Path, ends: &[&str], name: &str) -> Result<()> {
        let files = match files(folder, ends) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                self.left_out(name, &error);
                return Ok(());
            }
        };
        for path in files {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let name = format!("{name}/{file}");
            match read(&path) {
                Ok(bytes) => self.text(&name, &bytes)?,
                Err(error) => self.left_out(&name, &error),
            }
        }
        Ok(())
    }

    fn left_out(&mut self, name: &str, error: &io::Error) {
        let line = format!("{name}: left out, it could not be read: {error}");
        self.contents.removed.push(line);
    }

    fn text(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let (text, removed) = self.secrets.scrub(bytes);
        if removed > 0 {
            let line = format!("{name}: secrets in {removed} places");
            self.contents.removed.push(line);
        }
        self.put(name, text.as_bytes())
    }

    fn put(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        header.set_mtime(now.unwrap_or_default().as_secs());
        let put = self.tar.append_data(&mut header, name, bytes);
        put.with_context(|| format!("writing {name} into the bundle"))?;
        self.contents.files.push(name.to_owned());
        Ok(())
    }

    fn finish(mut self) -> Result<Contents> {
        let mut list = "What was removed from this bundle, or is not in it:\n".to_owned();
        for line in &self.contents.removed {
            list += &format!("- {line}\n");
        }
        list += "- keys and certificates of the web interface and of ssh, and recordings: never taken\n";
        self.put(LIST, list.as_bytes())?;
        let ended = || self.tar.into_inner()?.finish()?.flush();
        ended().context("writing the end of the bundle")?;
        Ok(self.contents)
    }
}

/// The plain files of a folder whose names end so, by name.
fn files(folder: &Path, ends: &[&str]) -> io::Result<Vec<PathBuf>> {
    // What is on the volume may be anything: a link could lead to this system's own files.
    if !fs::symlink_metadata(folder)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let wanted = ends.iter().any(|end| name.ends_with(end));
        if wanted && entry.file_type()?.is_file() {
            paths.push(entry.path());
        }
    }
    paths.sort();
    // Names begin with their time where there are many.
    let old = paths.len().saturating_sub(MOST_FILES);
    Ok(paths.split_off(old))
}

/// The end of a plain file.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut options = OpenOptions::new();
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.read(true).custom_flags(flags.bits().cast_signed());
    let mut file: File = options.open(path)?;
    let length = file.metadata()?.len();
    if length > MOST {
        io::Seek::seek(&mut file, io::SeekFrom::Start(length - MOST))?;
    }
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::collections::BTreeMap;
    use vigie_settings::{Hawkbit, Settings, TokenKind};

    const ROOT: &str = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$tnSYvahCwPBHKZUspmcxMfb0.WiB9W.zEaKlOBL35rC";
    const OLD: &str = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$OLDYvahCwPBHKZUspmcxMfb0.WiB9W.zEaKlOBL35rC";
    const SERVICE: &str = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2";
    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJ2zKQ1mBpgkPzT0zQ7yUj1QvG0wYcWm8zZ3dQ5nqk7P";
    const TOKEN: &str = "bca1f0e99aa2f4d1";
    const LICENCE: &str = "LICENCE-7F3A-99C1-0042";
    const PEM: &str = "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQC7";

    fn secret_settings(root: &str) -> Settings {
        let mut settings = Settings::default();
        settings.system.hostname = "hall".parse().unwrap();
        settings.access.root_password_hash = Some(root.parse().unwrap());
        settings.access.service_password_hash = Some(SERVICE.parse().unwrap());
        let key = format!("ssh-ed25519 {KEY} admin@example");
        settings
            .access
            .ssh_authorized_keys
            .push(key.parse().unwrap());
        settings.access.service_ssh_keys.push(key.parse().unwrap());
        settings.update.hawkbit = Some(Hawkbit {
            url: "https://fleet.example.org/".parse().unwrap(),
            tenant: "DEFAULT".parse().unwrap(),
            controller: None,
            token: TOKEN.parse().unwrap(),
            token_kind: TokenKind::Target,
        });
        settings
    }

    fn put(state: &Path, path: &str, text: &str) {
        let path = state.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn unpacked(bytes: &[u8]) -> BTreeMap<String, String> {
        let mut archive = tar::Archive::new(GzDecoder::new(bytes));
        let mut files = BTreeMap::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            files.insert(name, text);
        }
        files
    }

    #[test]
    fn no_secret_of_the_settings_is_in_a_bundle() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path();
        let store = Store::on_state_volume(state);
        store.save(&secret_settings(OLD)).unwrap();
        store.save(&secret_settings(ROOT)).unwrap();
        // A form that this medium does not know, of a product that sells licences.
        let newer = format!("version = 9\n[licence]\ncode = \"{LICENCE}\"\n");
        put(state, "lib/vigie/settings/current.9.toml", &newer);
        let secrets = [ROOT, OLD, SERVICE, KEY, TOKEN, LICENCE, PEM];
        let careless = secrets.map(|one| format!("program said \"{one}\" and more\n"));
        let key = format!("-----BEGIN PRIVATE KEY-----\n{PEM}\n-----END PRIVATE KEY-----\n");
        let careless = careless[..6].concat() + &key;
        for path in [
            "lib/vigie/update/history.jsonl",
            "lib/vigie/recovery/check-20261123T023000Z.json",
            "lib/vigie/audit/actions.1.jsonl",
            "lib/vigie/audit/lock",
            "log/dpkg.log",
            "lib/vigie/web/key.pem",
            "lib/vigie/update/private.key",
        ] {
            put(state, path, &careless);
        }
        std::os::unix::fs::symlink("/etc/hostname", state.join("log/link.log")).unwrap();
        let more = [("journal.txt", careless.clone().into_bytes())];
        let mut bytes = Vec::new();
        let contents = write(&mut bytes, state, &more).unwrap();
        let files = unpacked(&bytes);
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                LIST,
                "audit/actions.1.jsonl",
                "journal.txt",
                "log/dpkg.log",
                "recovery/check-20261123T023000Z.json",
                "settings.toml",
                "update/history.jsonl",
            ]
        );
        for (name, text) in &files {
            for secret in secrets {
                assert!(!text.contains(secret), "{name} has {secret}");
            }
        }
        assert!(files["settings.toml"].contains("hostname = \"hall\""));
        assert!(files["journal.txt"].contains("program said \"(removed)\" and more"));
        let list = &files[LIST];
        for field in [
            "access.root_password_hash",
            "access.service_password_hash",
            "access.ssh_authorized_keys",
            "access.service_ssh_keys",
            "update.hawkbit.token",
            "journal.txt: secrets in",
        ] {
            assert!(list.contains(field), "{list}");
        }
        assert_eq!(contents.files.len(), files.len());
    }

    #[test]
    fn what_is_not_there_or_damaged_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = Vec::new();
        write(&mut bytes, dir.path(), &[]).unwrap();
        let files = unpacked(&bytes);
        assert_eq!(files.keys().collect::<Vec<_>>(), [LIST, "settings.toml"]);
        put(
            dir.path(),
            "lib/vigie/settings/current.3.toml",
            "x = $y$damaged",
        );
        fs::create_dir_all(dir.path().join("log")).unwrap();
        std::os::unix::fs::symlink("/etc", dir.path().join("lib/vigie/recovery")).unwrap();
        let mut bytes = Vec::new();
        write(&mut bytes, dir.path(), &[]).unwrap();
        let files = unpacked(&bytes);
        assert!(files["settings.toml"].starts_with("# the settings are damaged"));
        assert!(
            files[LIST].contains("recovery: left out"),
            "{}",
            files[LIST]
        );
    }
}
