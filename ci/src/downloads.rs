//! Files that tests fetch beside Debian's packages: `ci/downloads.toml`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use image_builder::fetch::Wanted;
use image_builder::progress::Reporter;
use image_builder::session::{Options, Session};
use serde::Deserialize;

/// One file of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    set: String,
    name: String,
    url: String,
    /// In bytes.
    size: u64,
    sha256: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    file: Vec<Listed>,
}

/// The files of a set, by their names, fetched once into the builder's store.
///
/// # Errors
/// The list cannot be read, has no such set, or a file cannot be had.
pub fn fetch(root: &Path, set: &str) -> Result<Vec<(String, PathBuf)>> {
    let path = root.join("ci/downloads.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let files = of(&text, set).with_context(|| format!("reading {}", path.display()))?;
    let session = Session::new(Options::default(), Reporter::quiet())?;
    let wanted: Vec<Wanted> = files.iter().map(wanted).collect();
    session
        .fetcher
        .all(&format!("fetching {set}"), &wanted)
        .with_context(|| format!("fetching what {set} needs"))?;
    let place = |file: &Listed| {
        session.fetcher.check(&file.sha256)?;
        Ok((file.name.clone(), session.fetcher.path(&file.sha256)))
    };
    files.iter().map(place).collect()
}

fn of(text: &str, set: &str) -> Result<Vec<Listed>> {
    let mut list: List = toml::from_str(text)?;
    list.file.retain(|file| file.set == set);
    ensure!(!list.file.is_empty(), "there is no set {set}");
    Ok(list.file)
}

fn wanted(file: &Listed) -> Wanted {
    Wanted {
        name: file.name.clone(),
        urls: vec![file.url.clone()],
        size: file.size,
        sha256: file.sha256.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_named_by_its_address_and_held_to_a_digest() {
        let text = include_str!("../downloads.toml");
        for set in ["axe", "schemathesis"] {
            for file in of(text, set).unwrap() {
                assert!(
                    file.url.ends_with(&format!("/{}", file.name)),
                    "{}",
                    file.url
                );
                assert!(file.url.starts_with("https://"), "{}", file.url);
                assert_eq!(file.sha256.len(), 64, "{}", file.name);
            }
        }
        assert!(of(text, "none").is_err());
    }
}
