//! Sticks that are not mounted: the list says which and why, as long as they are plugged in.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::update::Appliance;
use super::update_stick::{PLACE, attach, gone, wait};

/// Size of an image in bytes.
const SIZE: usize = 8 << 20;

/// What is plugged in, and what must be said of it in each language.
struct Case {
    name: &'static str,
    /// Bytes of the image and where they lie in it.
    bytes: (usize, &'static [u8]),
    words: [&'static str; 2],
}

const CASES: [Case; 3] = [
    // The head of a LUKS volume (LUKS1 on-disk format, section 2.1): magic and version.
    Case {
        name: "encrypted",
        bytes: (0, b"LUKS\xba\xbe\0\x01"),
        words: ["it holds crypto_LUKS", "il contient crypto_LUKS"],
    },
    // Of an ext2's superblock the magic number alone (struct ext2_super_block, s_magic).
    Case {
        name: "damaged",
        bytes: (1024 + 56, b"\x53\xef"),
        words: ["does not mount it as ext4", "ne le monte pas comme ext4"],
    },
    Case {
        name: "empty",
        bytes: (0, b""),
        words: ["no file system was recognised", "aucun système de fichiers"],
    },
];

/// Each is plugged in, told of by the list in both languages and by the web's socket, and pulled out.
pub(super) fn are_told_of(appliance: &Appliance<'_>) -> Result<()> {
    for case in &CASES {
        let image = image(appliance.ctx.folder(), case)?;
        is_told_of(appliance, case, &image).with_context(|| format!("the {} stick", case.name))?;
    }
    Ok(())
}

fn is_told_of(appliance: &Appliance<'_>, case: &Case, image: &Path) -> Result<()> {
    attach(appliance, image)?;
    wait(appliance, "vigie-update list --json | grep -q not-read")?;
    let list = appliance.says("vigie-update list --json")?;
    let found: Value =
        serde_json::from_str(&list).with_context(|| format!("the list is {list}"))?;
    let name = found["name"].as_str().unwrap_or_default();
    ensure!(
        found["state"] == "not-read" && name.starts_with("sda (QEMU"),
        "expected the stick: {found}"
    );
    for (language, words) in ["en", "fr"].into_iter().zip(case.words) {
        let said = appliance.says(&format!("vigie-update --language {language} list"))?;
        ensure!(said.contains(words), "expected \"{words}\": {said}");
    }
    appliance.says(&format!("! mountpoint -q {PLACE}"))?;
    let vm = &appliance.up.vm;
    vm.command("device_del", json!({"id": "stick"}))?;
    wait(appliance, "test -z \"$(vigie-update list --json)\"")?;
    gone(appliance, PLACE)?;
    vm.command("blockdev-del", json!({"node-name": "stick"}))
        .map(drop)
}

fn image(folder: &Path, case: &Case) -> Result<PathBuf> {
    let path = folder.join(format!("{}.raw", case.name));
    let (at, bytes) = case.bytes;
    let mut image = vec![0; SIZE];
    image[at..at + bytes.len()].copy_from_slice(bytes);
    std::fs::write(&path, image).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}
