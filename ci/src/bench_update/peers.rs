//! SWUpdate and RAUC of Debian, from the locked packages, without privileges.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use image_builder::progress::Reporter;
use image_builder::session::{Options, Session};
use image_builder::tools::Tools;
use sha2::{Digest, Sha256};

use super::images::Images;
use super::ours::{Cost, Ours};
use crate::context::Context;
use crate::process;

/// The other updaters, with a certificate and its key.
pub struct Peers {
    tools: Tools,
    folder: PathBuf,
    /// For SWUpdate's sockets, whose paths must be short.
    sockets: tempfile::TempDir,
}

impl Peers {
    /// Fetches and unpacks them, once, and makes a certificate.
    pub fn prepare(ctx: &Context) -> Result<Peers> {
        let session =
            Session::new(Options::default(), Reporter::quiet()).context("opening the builder")?;
        let _guard = session.workspace.lock()?;
        let tools = Tools::prepare(&session.packages(&session.lock()?), "peers")
            .context("preparing the locked peers")?;
        let folder = ctx.folder().join("peers");
        fs::create_dir_all(folder.join("bin"))?;
        let sockets = tempfile::tempdir().context("making a folder for sockets")?;
        let peers = Peers {
            tools,
            folder,
            sockets,
        };
        peers.certify()?;
        peers.wrap_mksquashfs()?;
        Ok(peers)
    }

    /// Removes what they have made: it is much.
    pub fn remove(self) -> Result<()> {
        let folder = &self.folder;
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))
    }

    fn certify(&self) -> Result<()> {
        let mut openssl = self.openssl()?;
        openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes"]);
        openssl.args(["-subj", "/CN=bench", "-days", "3650"]);
        openssl.args(["-addext", "extendedKeyUsage=emailProtection"]);
        openssl.arg("-keyout").arg(self.key());
        openssl.arg("-out").arg(self.certificate());
        process::output("making a certificate", &mut openssl)?;
        Ok(())
    }

    fn openssl(&self) -> Result<Command> {
        let mut openssl = self.tools.command("openssl");
        openssl.env("OPENSSL_CONF", self.tools.file("etc/ssl/openssl.cnf")?);
        Ok(openssl)
    }

    /// RAUC looks for this program by its name.
    fn wrap_mksquashfs(&self) -> Result<()> {
        let path = self.folder.join("bin/mksquashfs");
        let line = process::command_line(&self.tools.command("mksquashfs"));
        fs::write(&path, format!("#!/bin/sh\nexec {line} \"$@\"\n"))?;
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755))?;
        Ok(())
    }

    fn key(&self) -> PathBuf {
        self.folder.join("key.pem")
    }

    fn certificate(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    /// A signed update for SWUpdate of the same images, written directly into the files of a slot
    /// by its raw handler.
    pub fn swu(&self, images: &Images, slot: &Path) -> Result<PathBuf> {
        let description = self.folder.join("sw-description");
        fs::write(&description, describe(images, slot)?)?;
        let signature = self.folder.join("sw-description.sig");
        let mut sign = self.openssl()?;
        sign.args(["cms", "-sign", "-binary", "-nosmimecap", "-outform", "DER"]);
        sign.arg("-in").arg(&description);
        sign.arg("-out").arg(&signature);
        sign.arg("-signer").arg(self.certificate());
        sign.arg("-inkey").arg(self.key());
        process::output("signing for SWUpdate", &mut sign)?;
        let path = self.folder.join("update.swu");
        let mut out = io::BufWriter::new(process::create(&path)?);
        entry(&mut out, "sw-description", &description)?;
        entry(&mut out, "sw-description.sig", &signature)?;
        for name in Images::NAMES {
            entry(&mut out, name, &images.path(name))?;
        }
        end(&mut out)?;
        out.flush()?;
        Ok(path)
    }

    /// Installs it.
    pub fn install(&self, ours: &Ours, swu: &Path) -> Result<Cost> {
        let settings = self.folder.join("swupdate.cfg");
        fs::write(&settings, "globals : { };\n")?;
        let mut swupdate = self.tools.command("swupdate");
        swupdate.env("TMPDIR", self.sockets.path());
        swupdate.arg("-f").arg(settings);
        swupdate.arg("-k").arg(self.certificate());
        swupdate.args(["-H", HARDWARE, "-l", "1", "-i"]).arg(swu);
        Ok(ours.cost(&swupdate).context("SWUpdate")?.0)
    }

    /// RAUC's bundle of the same images, in its format `verity`.
    pub fn bundle(&self, ours: &Ours, images: &Images, out: &Path) -> Result<Cost> {
        let content = self.folder.join("bundle");
        if content.exists() {
            fs::remove_dir_all(&content)?;
        }
        fs::create_dir_all(&content)?;
        let mut manifest =
            "[update]\ncompatible=bench\nversion=1\n[bundle]\nformat=verity\n".to_owned();
        for name in Images::NAMES {
            let file = format!("{name}.img");
            fs::hard_link(images.path(name), content.join(&file))?;
            manifest += &format!("[image.{name}]\nfilename={file}\n");
        }
        fs::write(content.join("manifest.raucm"), manifest)?;
        if out.exists() {
            fs::remove_file(out)?;
        }
        let mut rauc = self.tools.command("rauc");
        rauc.env(
            "PATH",
            format!("{}:/usr/bin:/bin", self.folder.join("bin").display()),
        );
        rauc.env("TMPDIR", &self.folder);
        rauc.arg("bundle");
        rauc.arg("--cert").arg(self.certificate());
        rauc.arg("--key").arg(self.key());
        rauc.arg(content).arg(out);
        Ok(ours.cost(&rauc).context("RAUC")?.0)
    }
}

/// Board and revision, as SWUpdate is told.
const HARDWARE: &str = "bench:1.0";

/// A `sw-description`, <https://sbabic.github.io/swupdate/sw-description.html>.
fn describe(images: &Images, slot: &Path) -> Result<String> {
    let mut list = Vec::new();
    for name in Images::NAMES {
        let mut hasher = Sha256::new();
        io::copy(
            &mut File::open(images.path(name))?,
            &mut Hashing(&mut hasher),
        )?;
        list.push(format!(
            "{{ filename = \"{name}\"; type = \"raw\"; installed-directly = true; device = \"{}\"; sha256 = \"{}\"; }}",
            slot.join(name).display(),
            hex::encode(hasher.finalize())
        ));
    }
    Ok(format!(
        "software = {{\n  version = \"1.0.0\";\n  hardware-compatibility: [ \"1.0\" ];\n  images: (\n    {}\n  );\n}};\n",
        list.join(",\n    ")
    ))
}

struct Hashing<'a>(&'a mut Sha256);

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file in a cpio archive in the form "new ASCII with CRC", which SWUpdate reads: the head
/// carries the sum of the file's bytes.
fn entry(out: &mut dyn Write, name: &str, path: &Path) -> Result<()> {
    let mut file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let (mut length, mut sum) = (0_u64, 0_u32);
    let mut piece = vec![0; 1 << 20];
    loop {
        let got = file.read(&mut piece)?;
        if got == 0 {
            break;
        }
        length += got as u64;
        sum = piece[..got]
            .iter()
            .fold(sum, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    }
    head(out, name, 0o100_644, u32::try_from(length)?, sum)?;
    io::copy(&mut File::open(path)?, out)?;
    pad(out, length)
}

fn end(out: &mut dyn Write) -> Result<()> {
    head(out, "TRAILER!!!", 0, 0, 0)
}

fn head(out: &mut dyn Write, name: &str, mode: u32, length: u32, sum: u32) -> Result<()> {
    let named = u32::try_from(name.len())? + 1;
    let mut head = "070702".to_owned();
    for field in [0, mode, 0, 0, 1, 0, length, 0, 0, 0, 0, named, sum] {
        head += &format!("{field:08X}");
    }
    write!(out, "{head}{name}\0")?;
    pad(out, (head.len() + name.len() + 1) as u64)
}

fn pad(out: &mut dyn Write, length: u64) -> Result<()> {
    let more = length.next_multiple_of(4) - length;
    Ok(out.write_all(&[0; 3][..more as usize])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_as_cpio_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, [1, 2, 255]).unwrap();
        let mut out = Vec::new();
        entry(&mut out, "ab", &path).unwrap();
        end(&mut out).unwrap();
        // 110 bytes of head, 3 of name, 3 to the next word; 3 of content and 1.
        assert_eq!(&out[..6], b"070702");
        assert_eq!(&out[102..116], b"00000102ab\0\0\0\0");
        assert_eq!(&out[116..126], b"\x01\x02\xff\x00070702");
        assert_eq!(out.len(), 120 + 124);
    }
}
