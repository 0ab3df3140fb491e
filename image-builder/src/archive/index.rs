//! `Packages` and `Sources` indexes: stanzas of fields (Debian Policy 5.1).

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

/// The fields of one stanza; continuation lines are joined with newlines.
pub type Stanza<'a> = BTreeMap<&'a str, String>;

/// Splits an index into stanzas.
///
/// # Errors
/// A line that is neither a field, a continuation nor empty; the message has its number.
pub fn stanzas(text: &str) -> Result<Vec<Stanza<'_>>> {
    let mut all = Vec::new();
    let mut current: Stanza<'_> = BTreeMap::new();
    let mut last = "";
    for (number, line) in text.lines().enumerate() {
        if line.is_empty() {
            if !current.is_empty() {
                all.push(std::mem::take(&mut current));
            }
        } else if line.starts_with([' ', '\t']) {
            let field = current.get_mut(last).with_context(|| {
                format!("line {}: a continuation line without a field", number + 1)
            })?;
            field.push('\n');
            field.push_str(line.trim());
        } else if let Some((name, value)) = line.split_once(':') {
            last = name;
            current.insert(name, value.trim().to_owned());
        } else {
            bail!("line {}: {line:?} is not a field", number + 1);
        }
    }
    if !current.is_empty() {
        all.push(current);
    }
    Ok(all)
}

/// A binary package as an index announces it.
#[derive(Debug, Clone)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Source package name and version.
    pub source: (String, String),
    /// Further sources that are part of it (`Built-Using`), with versions.
    pub built_using: Vec<(String, String)>,
    /// Path below the archive's root.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Dependencies: every one of the outer list, any one of the inner.
    pub depends: Vec<Vec<String>>,
    /// Virtual packages that it provides.
    pub provides: Vec<String>,
    /// Name of the archive that holds it.
    pub archive: String,
}

/// Reads a `Packages` index.
///
/// # Errors
/// A stanza without one of the needed fields; the message names the package.
pub fn packages(text: &str, archive: &str) -> Result<Vec<Package>> {
    stanzas(text)?.iter().map(|s| package(s, archive)).collect()
}

fn package(stanza: &Stanza<'_>, archive: &str) -> Result<Package> {
    let name = need(stanza, "Package", "a stanza")?;
    let version = need(stanza, "Version", &name)?;
    let mut depends = dependencies(stanza.get("Pre-Depends").map_or("", String::as_str));
    depends.extend(dependencies(
        stanza.get("Depends").map_or("", String::as_str),
    ));
    Ok(Package {
        path: need(stanza, "Filename", &name)?,
        size: need(stanza, "Size", &name)?
            .parse()
            .with_context(|| format!("package {name}: Size is not a number"))?,
        sha256: need(stanza, "SHA256", &name)?,
        source: source(stanza.get("Source"), &name, &version),
        built_using: built_using(stanza.get("Built-Using").map_or("", String::as_str)),
        provides: dependencies(stanza.get("Provides").map_or("", String::as_str))
            .into_iter()
            .flatten()
            .collect(),
        depends,
        archive: archive.to_owned(),
        version,
        name,
    })
}

fn need(stanza: &Stanza<'_>, field: &str, whose: &str) -> Result<String> {
    stanza
        .get(field)
        .cloned()
        .with_context(|| format!("{whose}: no field {field}"))
}

/// `Source: name (version)`; both default to the binary package's.
fn source(field: Option<&String>, name: &str, version: &str) -> (String, String) {
    match field.map(|f| f.split_once(" (")) {
        None => (name.to_owned(), version.to_owned()),
        Some(None) => (field.cloned().unwrap_or_default(), version.to_owned()),
        Some(Some((name, v))) => (name.to_owned(), v.trim_end_matches(')').to_owned()),
    }
}

/// `a (= 1), b (= 2)`.
fn built_using(field: &str) -> Vec<(String, String)> {
    field
        .split(',')
        .filter_map(|item| {
            let (name, version) = item.trim().split_once(" (= ")?;
            Some((name.to_owned(), version.trim_end_matches(')').to_owned()))
        })
        .collect()
}

/// `a (>= 1), b | c:any` as names only: the archive of one release is consistent in itself.
fn dependencies(field: &str) -> Vec<Vec<String>> {
    let bare = |x: &str| {
        let x = x.trim();
        x[..x.find([' ', '(', ':', '[']).unwrap_or(x.len())].to_owned()
    };
    field
        .split(',')
        .filter(|group| !group.trim().is_empty())
        .map(|group| group.split('|').map(bare).collect())
        .collect()
}

/// One file of a source package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Path below the archive's root.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// A source package: name, version and its files.
#[derive(Debug, Clone)]
pub struct Source {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Files: the `.dsc` and what it names.
    pub files: Vec<SourceFile>,
    /// Name of the archive that holds it.
    pub archive: String,
}

/// Reads a `Sources` index.
///
/// # Errors
/// A stanza without one of the needed fields.
pub fn sources(text: &str, archive: &str) -> Result<Vec<Source>> {
    stanzas(text)?
        .iter()
        .map(|s| {
            let name = need(s, "Package", "a stanza")?;
            let directory = need(s, "Directory", &name)?;
            let files = need(s, "Checksums-Sha256", &name)?
                .lines()
                .filter(|l| !l.is_empty())
                .map(|line| source_file(line, &directory))
                .collect::<Result<_>>()
                .with_context(|| format!("source package {name}"))?;
            Ok(Source {
                version: need(s, "Version", &name)?,
                name,
                files,
                archive: archive.to_owned(),
            })
        })
        .collect()
}

fn source_file(line: &str, directory: &str) -> Result<SourceFile> {
    let [sha256, size, name] = line.split_whitespace().collect::<Vec<_>>()[..] else {
        bail!("Checksums-Sha256: {line:?} is not \"sha256 size name\"");
    };
    Ok(SourceFile {
        path: format!("{directory}/{name}"),
        size: size
            .parse()
            .context("Checksums-Sha256: the size is not a number")?,
        sha256: sha256.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_package() {
        let text = "Package: login\nSource: shadow (1:4.16-2)\nVersion: 1:4.16-2+b1\n\
                    Pre-Depends: libc6 (>= 2.38)\nDepends: a:any | b, c (>= 1)\nProvides: x (= 1)\nBuilt-Using: k (= 2), l (= 3)\n\
                    Filename: pool/l.deb\nSize: 12\nSHA256: ab\nDescription: first\n second\n\n";
        let all = packages(text, "debian").unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].source, ("shadow".into(), "1:4.16-2".into()));
        assert_eq!(
            all[0].depends,
            vec![vec!["libc6"], vec!["a", "b"], vec!["c"]]
        );
        assert_eq!(all[0].provides, vec!["x"]);
        assert_eq!(
            all[0].built_using,
            vec![("k".into(), "2".into()), ("l".into(), "3".into())]
        );
    }

    #[test]
    fn faults_have_their_place() {
        for (text, expected) in [
            ("Package: a\nnonsense\n", "line 2"),
            (" lost\n", "line 1"),
            ("Package: a\nVersion: 1\n", "a: no field Filename"),
        ] {
            let message = format!("{:#}", packages(text, "debian").unwrap_err());
            assert!(message.contains(expected), "{message}");
        }
    }
}
