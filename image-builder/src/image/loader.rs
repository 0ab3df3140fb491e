//! Boot loaders: Debian's signed shim and GRUB for UEFI, cores made by grub-mkimage for BIOS.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::tools::{Tools, run};

/// GRUB modules in the cores for BIOS: what the menus use.
const MODULES: [&str; 30] = [
    "all_video",
    "biosdisk",
    "cat",
    "chain",
    "configfile",
    "echo",
    "fat",
    "gzio",
    "halt",
    "iso9660",
    "linux",
    "loadenv",
    "loopback",
    "ls",
    "minicmd",
    "normal",
    "part_gpt",
    "part_msdos",
    "probe",
    "reboot",
    "regexp",
    "search",
    "serial",
    "sleep",
    "smbios",
    "squash4",
    "terminal",
    "test",
    "true",
    "xzio",
];

/// The loaders' files.
pub struct Loaders {
    /// Microsoft-signed first stage, `EFI/BOOT/BOOTX64.EFI`.
    pub shim: PathBuf,
    /// Key manager that shim calls, `EFI/BOOT/mmx64.efi`.
    pub mok: PathBuf,
    /// Debian-signed GRUB for disks: reads `grub.cfg` beside itself.
    pub grub: PathBuf,
    /// Debian-signed GRUB for media: reads `/boot/grub/grub.cfg` of the medium.
    pub grub_cd: PathBuf,
    /// GRUB's first sector for BIOS disks.
    pub bios_boot: PathBuf,
    /// GRUB's first sector for hybrid media.
    pub bios_hybrid: PathBuf,
    /// GRUB's core for the BIOS boot partition.
    pub bios_core: PathBuf,
    /// GRUB's El Torito image.
    pub eltorito: PathBuf,
}

impl Loaders {
    /// Finds or makes all of them; made files go to `out`.
    ///
    /// # Errors
    /// A file that the locked tools do not have; grub-mkimage fails.
    pub fn prepare(tools: &Tools, out: &Path) -> Result<Self> {
        let signed = "usr/lib/grub/x86_64-efi-signed";
        Ok(Self {
            shim: tools.file("usr/lib/shim/shimx64.efi.signed")?,
            mok: tools.file("usr/lib/shim/mmx64.efi.signed")?,
            grub: tools.file(&format!("{signed}/grubx64.efi.signed"))?,
            grub_cd: tools.file(&format!("{signed}/gcdx64.efi.signed"))?,
            bios_boot: tools.file("usr/lib/grub/i386-pc/boot.img")?,
            bios_hybrid: tools.file("usr/lib/grub/i386-pc/boot_hybrid.img")?,
            // The prefix without a disk means: the disk that this core was loaded from.
            bios_core: core(
                tools,
                "i386-pc",
                "(,gpt2)/EFI/BOOT",
                &out.join("bios-core.img"),
            )?,
            eltorito: core(
                tools,
                "i386-pc-eltorito",
                "/boot/grub",
                &out.join("eltorito.img"),
            )?,
        })
    }
}

fn core(tools: &Tools, format: &str, prefix: &str, out: &Path) -> Result<PathBuf> {
    let folder = tools.file("usr/lib/grub/i386-pc")?;
    let mut command = tools.command("grub-mkimage");
    command
        .arg("-d")
        .arg(folder)
        .args(["-O", format, "-p", prefix, "-o"])
        .arg(out)
        .args(MODULES);
    run(&format!("making GRUB's core for {format}"), &mut command)?;
    Ok(out.to_owned())
}
