//! What this machine is, as far as a package asks: read from the running image.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::package::signature::{KEYS, Keyring};
use crate::spoken::Spoken;
use crate::version::Version;

/// Where an image says what it is.
pub const OS_RELEASE: &str = "/usr/lib/os-release";

/// The running system's own description.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Product.
    pub product: String,
    /// Debian's word for the processor.
    pub arch: String,
    /// The kind of hardware that the image was made for.
    pub hardware: String,
    /// Version of the running image.
    pub version: Version,
    /// Its security epoch.
    pub security_epoch: u32,
}

impl Machine {
    /// Reads the description of the running image below `root`.
    ///
    /// # Errors
    /// A file that is missing or has not all fields.
    pub fn load(root: &Path) -> Result<Self> {
        let path = below(root, OS_RELEASE);
        let shown = path.display();
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Spoken::new(
                format!("reading {shown}: {error}"),
                format!("lecture de {shown} : {error}"),
            )
        })?;
        let machine = Self::from_os_release(&text).map_err(|error| {
            Spoken::new(
                format!("understanding {shown}: {error:#}"),
                format!("{shown} est incompréhensible : {error:#}"),
            )
        })?;
        Ok(machine)
    }

    /// Takes the fields out of an os-release file (os-release(5)).
    ///
    /// # Errors
    /// A field that is missing or no value of its kind.
    pub fn from_os_release(text: &str) -> Result<Self> {
        let field = |name: &str| field(text, name);
        Ok(Self {
            product: field("ID")?,
            arch: field("VIGIE_ARCH")?,
            hardware: field("VIGIE_HARDWARE")?,
            version: field("VERSION_ID")?.parse().context("VERSION_ID")?,
            security_epoch: field("VIGIE_SECURITY_EPOCH")?
                .parse()
                .context("VIGIE_SECURITY_EPOCH")?,
        })
    }
}

/// A field of an os-release file.
///
/// # Errors
/// It is not there.
pub fn field(text: &str, name: &str) -> Result<String> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value.trim_matches(['"', '\'']).to_owned())
        .with_context(|| format!("it has no {name}"))
}

/// The keys of the running image below `root`. Without a list nothing is accepted.
///
/// # Errors
/// No list, or one that is not usable.
pub fn keys(root: &Path) -> Result<Keyring> {
    let path = below(root, KEYS);
    let shown = path.display();
    let text = std::fs::read_to_string(&path).map_err(|error| {
        Spoken::new(
            format!("reading {shown}: {error}; without keys no package is accepted, update from a medium"),
            format!(
                "lecture de {shown} : {error} ; sans clés aucun paquet n'est accepté, mettez à jour \
                 depuis un support"
            ),
        )
    })?;
    let keys = Keyring::from_toml(&text).map_err(|why| {
        Spoken::new(
            format!("understanding {shown}: {why}"),
            format!("{shown} est incompréhensible : {why}"),
        )
    })?;
    Ok(keys)
}

/// An absolute path below another root.
#[must_use]
pub fn below(root: &Path, path: &str) -> std::path::PathBuf {
    root.join(path.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "NAME=\"Vigie\"\nID=vigie\nVERSION_ID=\"0.1.0.0\"\nVIGIE_ARCH=amd64\n\
                        VIGIE_HARDWARE=any\nVIGIE_SECURITY_EPOCH=3\n";

    #[test]
    fn the_running_image_describes_itself() {
        let machine = Machine::from_os_release(TEXT).unwrap();
        assert_eq!(machine.version.to_string(), "0.1.0.0");
        assert_eq!((&*machine.product, &*machine.arch), ("vigie", "amd64"));
        assert_eq!((&*machine.hardware, machine.security_epoch), ("any", 3));
        for name in [
            "ID=",
            "VERSION_ID",
            "VIGIE_ARCH",
            "VIGIE_HARDWARE",
            "VIGIE_SECURITY_EPOCH",
        ] {
            let without: Vec<&str> = TEXT.lines().filter(|l| !l.starts_with(name)).collect();
            let error = Machine::from_os_release(&without.join("\n")).unwrap_err();
            assert!(
                error.to_string().contains(name.trim_end_matches('=')),
                "{error}"
            );
        }
        assert!(Machine::from_os_release(&TEXT.replace("0.1.0.0", "0.1")).is_err());
    }

    #[test]
    fn c38_without_keys_nothing_is_accepted() {
        let root = tempfile::tempdir().unwrap();
        let error = format!("{:#}", keys(root.path()).unwrap_err());
        assert!(error.contains("no package is accepted"), "{error}");
        let file = below(root.path(), KEYS);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        for text in ["", "threshold = 1\n", "\0\0"] {
            std::fs::write(&file, text).unwrap();
            assert!(keys(root.path()).is_err(), "{text:?}");
        }
    }
}
