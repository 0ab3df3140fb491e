//! The medium: a hybrid ISO that boots as a CD and as a USB stick, on BIOS and UEFI.

use std::path::Path;

use anyhow::{Context, Result};
use vigie_installer::clock::civil;
use vigie_installer::sources::embedded;

use super::loader::Loaders;
use crate::provision::OURS;
use crate::tools::{Tools, run};

/// Size of the medium's ESP, in KiB: shim, its key manager and GRUB fill three quarters.
const ESP_KIB: u64 = 8 * 1024;

/// What a medium is made from.
pub struct Medium<'a> {
    /// Volume id, by which the live system finds its medium.
    pub volume: &'a str,
    /// Version, for the menu.
    pub version: &'a str,
    /// Commit time in seconds since 1970: every date on the medium.
    pub time: u64,
    /// Folder with the payload.
    pub payload: &'a Path,
    /// The menu, with `@NAME@` in place of values.
    pub menu: &'a str,
    /// Boot loaders.
    pub loaders: &'a Loaders,
}

impl Medium<'_> {
    /// Writes the medium; `scratch` is an empty folder.
    ///
    /// # Errors
    /// A tool fails: a full disk, for example.
    pub fn write(&self, tools: &Tools, scratch: &Path, out: &Path) -> Result<()> {
        let esp = scratch.join("esp.img");
        self.esp(tools, scratch, &esp)?;
        let root = scratch.join("root");
        self.root(&root)?;
        let mut command = tools.command("xorriso");
        command
            .env("SOURCE_DATE_EPOCH", self.time.to_string())
            .args([
                "-as",
                "mkisofs",
                "-quiet",
                "-r",
                "-J",
                "-joliet-long",
                "-V",
                self.volume,
            ])
            .args([
                "-sysid",
                "LINUX",
                "-appid",
                "VIGIE",
                "-publisher",
                OURS,
                "-p",
                "VIGIE",
            ])
            .args([
                "-c",
                "boot/grub/boot.cat",
                "-b",
                "boot/grub/eltorito.img",
                "-no-emul-boot",
            ])
            .args([
                "-boot-load-size",
                "4",
                "-boot-info-table",
                "--grub2-boot-info",
                "--grub2-mbr",
            ])
            .arg(&self.loaders.bios_hybrid)
            .args(["--mbr-force-bootable", "-append_partition", "2", "0xef"])
            .arg(&esp)
            .args([
                "-appended_part_as_gpt",
                "--gpt_disk_guid",
                &self.disk_guid(),
            ])
            .args([
                "-eltorito-alt-boot",
                "-e",
                "--interval:appended_partition_2:all::",
                "-no-emul-boot",
            ])
            .arg(format!("--modification-date={}", self.date()))
            .args(["--set_all_file_dates", &self.date()])
            .arg("-o")
            .arg(out)
            .arg(&root);
        run("writing the medium", &mut command)?;
        Ok(())
    }

    /// `YYYYMMDDhhmmsscc`.
    fn date(&self) -> String {
        let (date, time) = civil(self.time);
        format!(
            "{:04}{:02}{:02}{:02}{:02}{:02}00",
            date.0, date.1, date.2, time.0, time.1, time.2
        )
    }

    fn disk_guid(&self) -> String {
        uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, self.volume.as_bytes())
            .simple()
            .to_string()
    }

    /// The FAT file system with the loaders for UEFI.
    fn esp(&self, tools: &Tools, scratch: &Path, out: &Path) -> Result<()> {
        let mut format = tools.command("mkfs.fat");
        format
            .args(["--invariant", "-i", "56494749", "-n", "VIGIE-BOOT", "-C"])
            .arg(out)
            .arg(ESP_KIB.to_string());
        run("formatting the medium's ESP", &mut format)?;
        let folder = scratch.join("esp/EFI/BOOT");
        std::fs::create_dir_all(&folder)?;
        let files = [
            ("BOOTX64.EFI", &self.loaders.shim),
            ("grubx64.efi", &self.loaders.grub_cd),
            ("mmx64.efi", &self.loaders.mok),
        ];
        for (name, file) in files {
            std::fs::copy(file, folder.join(name))
                .with_context(|| format!("copying {}", file.display()))?;
        }
        let mut copy = tools.command("mcopy");
        copy.env("SOURCE_DATE_EPOCH", self.time.to_string())
            .args(["-s", "-Q", "-i"])
            .arg(out)
            .arg(scratch.join("esp/EFI"))
            .arg("::/");
        run("filling the medium's ESP", &mut copy)?;
        Ok(())
    }

    /// The folder that becomes the ISO's file system.
    fn root(&self, root: &Path) -> Result<()> {
        let grub = root.join("boot/grub");
        std::fs::create_dir_all(&grub)?;
        std::fs::create_dir_all(root.join(".disk"))?;
        std::fs::write(root.join(".disk/info"), format!("Vigie {}\n", self.version))?;
        let menu = self
            .menu
            .replace("@VERSION@", self.version)
            .replace("@VOLUME@", self.volume);
        std::fs::write(grub.join("grub.cfg"), menu)?;
        std::fs::copy(&self.loaders.eltorito, grub.join("eltorito.img"))?;
        let payload = root.join("vigie");
        std::fs::create_dir_all(&payload)?;
        std::fs::write(root.join(embedded::PATH), embedded::empty())?;
        for entry in std::fs::read_dir(self.payload)? {
            let entry = entry?;
            let to = payload.join(entry.file_name());
            // The same file under a second name where the file system can; a copy elsewhere.
            std::fs::hard_link(entry.path(), &to)
                .or_else(|_| std::fs::copy(entry.path(), &to).map(|_| ()))?;
        }
        Ok(())
    }
}
