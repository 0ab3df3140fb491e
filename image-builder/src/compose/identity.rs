//! What the image says of itself: its version, its packages, the authorities it trusts.

use anyhow::{Context, Result};
use vigie_update::Version;
use vigie_update::package::Keyring;
use vigie_update::package::header::ANY_HARDWARE;
use vigie_update::package::signature::KEYS;

use crate::definition::Definition;
use crate::packages::Packages;
use crate::tree::{Node, Tree};

/// The licences of our own programs.
const LICENCES: [(&str, &str); 2] = [
    ("LICENSE-APACHE", include_str!("../../../LICENSE-APACHE")),
    ("LICENSE-MIT", include_str!("../../../LICENSE-MIT")),
];

/// `os-release`(5) with what update packages are compared with, an empty machine-id and the
/// product's licences.
///
/// # Errors
/// A clash in the tree.
pub fn os_release(tree: &mut Tree, definition: &Definition, version: Version) -> Result<()> {
    let product = &definition.product;
    let (id, name) = (product.id.get_ref(), &product.name);
    let hardware = definition.update.hardware_words().next();
    let text = format!(
        "NAME=\"{name}\"\nID={id}\nID_LIKE=debian\nVERSION=\"{version}\"\nVERSION_ID=\"{version}\"\n\
         PRETTY_NAME=\"{name} {version}\"\nIMAGE_ID={id}\nIMAGE_VERSION=\"{version}\"\n\
         VIGIE_ARCH={}\nVIGIE_HARDWARE={}\nVIGIE_SECURITY_EPOCH={}\nVIGIE_MIN_FROM={}\n",
        product.arch.get_ref(),
        hardware.unwrap_or(ANY_HARDWARE),
        definition.update.security_epoch,
        definition.update.min_from.get_ref(),
    );
    tree.file("usr/lib/os-release", 0o644, text)?;
    tree.link("etc/os-release", "../usr/lib/os-release")?;
    tree.remove("etc/debian_version");
    tree.file("etc/machine-id", 0o444, "")?;
    if tree.get("etc/hostname").is_none() {
        tree.file("etc/hostname", 0o644, format!("{id}\n"))?;
    }
    for (licence, content) in LICENCES {
        tree.file(
            &format!("{}/{licence}", super::licence_path(definition)),
            0o644,
            content,
        )?;
    }
    Ok(())
}

/// The list of keys whose update packages this image accepts.
///
/// # Errors
/// A clash in the tree.
pub fn update_keys(tree: &mut Tree, keys: &Keyring) -> Result<()> {
    let text = toml::to_string(keys).context("writing the list of update keys")?;
    tree.file(KEYS.trim_start_matches('/'), 0o644, text)
}

/// Where somebody's own authorities lie in the overlay, as update-ca-certificates(8) has it:
/// `*.crt`, in PEM. With one there, HTTPS to a factory's own server is trusted.
const OWN_CERTIFICATES: &str = "usr/local/share/ca-certificates";

/// The bundle of certificate authorities, as update-ca-certificates(8) would join it.
///
/// # Errors
/// A certificate that cannot be read.
pub fn certificates(tree: &mut Tree, raw: &Tree) -> Result<()> {
    let mut bundle = Vec::new();
    for (name, _) in raw.children("usr/share/ca-certificates/mozilla") {
        bundle.extend(raw.read(&format!("usr/share/ca-certificates/mozilla/{name}"))?);
        end_line(&mut bundle);
    }
    let own: Vec<String> = tree
        .children(OWN_CERTIFICATES)
        .map(|(name, _)| name.to_owned())
        .collect();
    for name in own.iter().filter(|name| name.ends_with(".crt")) {
        let path = format!("{OWN_CERTIFICATES}/{name}");
        let text = tree.read(&path)?;
        let pem = text
            .windows(27)
            .any(|window| window == b"-----BEGIN CERTIFICATE-----");
        anyhow::ensure!(pem, "overlay/{path} is no certificate in PEM");
        bundle.extend(text);
        end_line(&mut bundle);
    }
    if !bundle.is_empty() {
        tree.file("etc/ssl/certs/ca-certificates.crt", 0o644, bundle)?;
        tree.remove("usr/share/ca-certificates");
    }
    Ok(())
}

fn end_line(text: &mut Vec<u8>) {
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
}

/// One control stanza per package, so that scanners see what is inside. The state volume
/// hides the image's `/var`, so the running system gets a link to the copy below `/usr`.
///
/// # Errors
/// A broken package.
pub fn package_records(tree: &mut Tree, packages: &Packages<'_>) -> Result<()> {
    const BELOW_USR: &str = "usr/share/vigie/dpkg-status.d";
    tree.remove("var/lib/dpkg");
    for package in packages.lock.set("system") {
        let control = packages.control(package)?;
        let stanza = match control.trim_end().split_once('\n') {
            Some((first, rest)) => format!("{first}\nStatus: install ok installed\n{rest}\n"),
            None => control,
        };
        for folder in ["var/lib/dpkg/status.d", BELOW_USR] {
            tree.file(&format!("{folder}/{}", package.name), 0o644, stanza.clone())?;
        }
    }
    tree.insert("var/lib/dpkg", Node::folder(0o755))?;
    let lines = format!(
        "d /var/lib/dpkg 0755 root root -\nL+ /var/lib/dpkg/status.d - - - - /{BELOW_USR}\n"
    );
    tree.file("usr/lib/tmpfiles.d/vigie-packages.conf", 0o644, lines)
}
