//! `.deb` files: an ar archive that holds a compressed tar of files (deb(5)).

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Decompresses the files of a package (`data.tar.*`) into `out`.
///
/// # Errors
/// Not a `.deb`, an unknown compression, or a failing read or write.
pub fn write_data_tar(deb: &Path, out: &mut impl Write) -> Result<()> {
    member(deb, "data.tar", |data| {
        io::copy(data, out)?;
        Ok(())
    })
}

/// The control file of a package.
///
/// # Errors
/// As [`write_data_tar`]; also a package without a control file.
pub fn control(deb: &Path) -> Result<String> {
    let mut text = None;
    member(deb, "control.tar", |data| {
        for entry in tar::Archive::new(data).entries()? {
            let mut entry = entry?;
            if entry.path()?.file_name().is_some_and(|n| n == "control") {
                let mut content = String::new();
                entry.read_to_string(&mut content)?;
                text = Some(content);
                break;
            }
        }
        Ok(())
    })?;
    text.with_context(|| format!("{}: no control file", deb.display()))
}

/// Hands the decompressed member whose name starts with `stem` to `use_it`.
fn member(deb: &Path, stem: &str, use_it: impl FnOnce(&mut dyn Read) -> Result<()>) -> Result<()> {
    let file = File::open(deb).with_context(|| format!("opening {}", deb.display()))?;
    let mut archive = ar::Archive::new(file);
    while let Some(entry) = archive.next_entry() {
        let entry = entry.with_context(|| format!("{} is not a Debian package", deb.display()))?;
        let name = String::from_utf8_lossy(entry.header().identifier()).into_owned();
        let Some(suffix) = name.trim_end_matches('/').strip_prefix(stem) else {
            continue;
        };
        let result = match suffix {
            ".xz" => use_it(&mut liblzma::read::XzDecoder::new(entry)),
            ".zst" => use_it(&mut zstd::Decoder::new(entry)?),
            "" => use_it(&mut { entry }),
            other => bail!(
                "{}: {stem} is compressed as {other}, which is not known",
                deb.display()
            ),
        };
        return result.with_context(|| format!("unpacking {} of {}", name, deb.display()));
    }
    bail!("{}: no {stem}", deb.display())
}
