//! `cargo image sources`: the exact source packages of everything that is shipped, which
//! the licences of GPL programs ask of whoever passes an image on.

use std::path::Path;

use anyhow::{Context, Result};

use crate::archive::lock::LockedSource;
use crate::fetch::Wanted;
use crate::output;
use crate::packages::Packages;

/// Fetches every source package of the lock into `out/NAME_VERSION/`; returns how many.
///
/// # Errors
/// A file that no mirror has any more; a full disk.
pub fn fetch(packages: &Packages<'_>, only: &[String], out: &Path) -> Result<usize> {
    let chosen: Vec<_> = packages
        .lock
        .source
        .iter()
        .filter(|s| only.is_empty() || only.contains(&s.name))
        .collect();
    if let Some(unknown) = only
        .iter()
        .find(|name| !chosen.iter().any(|s| s.name == **name))
    {
        anyhow::bail!("the lock has no source package {unknown}");
    }
    let mut wanted = Vec::new();
    for source in &chosen {
        for file in &source.files {
            wanted.push(Wanted {
                name: format!(
                    "{} {}: {}",
                    source.name,
                    source.version,
                    base_name(&file.path)
                ),
                urls: packages.urls(&source.archive, &file.path)?,
                size: file.size,
                sha256: file.sha256.clone(),
            });
        }
    }
    packages.fetcher.all("source packages", &wanted)?;
    for source in &chosen {
        place(packages, source, out)?;
    }
    Ok(chosen.len())
}

fn place(packages: &Packages<'_>, source: &LockedSource, out: &Path) -> Result<()> {
    let folder = out.join(format!(
        "{}_{}",
        source.name,
        source.version.replace(':', "%3a")
    ));
    for file in &source.files {
        let to = folder.join(base_name(&file.path));
        if to.metadata().is_ok_and(|meta| meta.len() == file.size) {
            continue;
        }
        output::place_file(&packages.fetcher.path(&file.sha256), &to)
            .with_context(|| format!("source package {}", source.name))?;
    }
    Ok(())
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
