//! `cargo image lock`: from the definition's lists to the lock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use crate::archive::index::{self, Source};
use crate::archive::lock::{Lock, LockedFile, LockedPackage, LockedSource, lists_digest};
use crate::archive::release::{self, Keyring, Release};
use crate::archive::resolve::{Universe, Unresolved};
use crate::definition::{Definition, SETS, Suite};
use crate::fetch::{Fetcher, Wanted};

/// What the lock became.
pub enum Outcome {
    /// It fits the definition already.
    Unchanged,
    /// It was written; one line for each package that came, went or changed.
    Written(Vec<String>),
}

/// Resolves the definition's lists against the archive and writes the lock.
///
/// Without `update` a lock that fits the lists is left as it is, and sets that are new are added
/// to one that fits all others: whatever it names stays at its version.
///
/// # Errors
/// A mirror that is down, an index that is not signed or was tampered with, an unknown
/// package or an unsatisfiable dependency. The old lock is then untouched.
pub fn lock(
    definition: &Definition,
    path: &Path,
    mirrors: &[String],
    fetcher: &Fetcher,
    update: bool,
) -> Result<Outcome> {
    let old = if path.exists() {
        Lock::load(path).ok()
    } else {
        None
    };
    if !update
        && old
            .as_ref()
            .is_some_and(|lock| lock.fits(definition).is_ok())
    {
        return Ok(Outcome::Unchanged);
    }
    let (universe, sources) = read_archive(definition, mirrors, fetcher)?;
    let added = old
        .as_ref()
        .map(|old| (old, old.new_sets(definition)))
        .filter(|(_, sets)| !update && !sets.is_empty());
    let new = match added {
        Some((old, sets)) => add(definition, &universe, old, &sets)?,
        None => assemble(definition, &universe, &sources)?,
    };
    new.save(path)?;
    Ok(Outcome::Written(differences(old.as_ref(), &new)))
}

/// Addresses of a file of an archive: the mirrors given by hand, then the definition's.
#[must_use]
pub fn urls(suite: &Suite, by_hand: &[String], path: &str, snapshot: &str) -> Vec<String> {
    let given = by_hand
        .iter()
        .map(|m| format!("{}/{}", m.trim_end_matches('/'), suite.directory));
    let listed = suite
        .mirrors
        .iter()
        .map(|m| m.trim_end_matches('/').to_owned());
    given
        .chain(listed)
        .map(|base| format!("{}/{path}", base.replace("{snapshot}", snapshot)))
        .collect()
}

fn read_archive(
    definition: &Definition,
    mirrors: &[String],
    fetcher: &Fetcher,
) -> Result<(Universe, Vec<Source>)> {
    let keys = definition.resolve(&definition.archive.keys);
    let keys = std::fs::read(&keys)
        .with_context(|| format!("reading the archive's keys {}", keys.display()))?;
    let keys = Keyring::parse(&keys)?;
    let mut universe = Universe::default();
    let mut sources = Vec::new();
    for suite in &definition.archive.suite {
        let at = |path: &str| urls(suite, mirrors, &format!("dists/{}/{path}", suite.name), "");
        let in_release = fetcher.text(&format!("InRelease of {}", suite.name), &at("InRelease"))?;
        let release = release::verify(&in_release, &suite.name, &keys)?;
        let mut wanted = Vec::new();
        for component in &suite.components {
            for path in [
                format!("{component}/binary-amd64/Packages.xz"),
                format!("{component}/source/Sources.xz"),
            ] {
                wanted.push(index_file(
                    suite,
                    &release,
                    &path,
                    at(&by_hash(&release, &path)?),
                )?);
            }
        }
        fetcher.all(&format!("indexes of {}", suite.name), &wanted)?;
        for pair in wanted.chunks(2) {
            let read = |w: &Wanted| {
                read_xz(&fetcher.path(&w.sha256)).with_context(|| format!("reading {}", w.name))
            };
            universe.add(index::packages(&read(&pair[0])?, &suite.directory)?);
            sources.extend(index::sources(&read(&pair[1])?, &suite.directory)?);
        }
    }
    Ok((universe, sources))
}

/// Indexes are asked for by hash, so that a mirror in the middle of an update cannot mix two.
fn by_hash(release: &Release, path: &str) -> Result<String> {
    let (sha256, _) = release
        .indexes
        .get(path)
        .with_context(|| format!("the Release file does not list {path}"))?;
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    Ok(format!("{folder}/by-hash/SHA256/{sha256}"))
}

fn index_file(suite: &Suite, release: &Release, path: &str, urls: Vec<String>) -> Result<Wanted> {
    let (sha256, size) = release
        .indexes
        .get(path)
        .with_context(|| format!("the Release file does not list {path}"))?;
    Ok(Wanted {
        name: format!("{}/{path}", suite.name),
        urls,
        size: *size,
        sha256: sha256.clone(),
    })
}

fn read_xz(path: &Path) -> Result<String> {
    let mut text = String::new();
    std::io::Read::read_to_string(
        &mut liblzma::read::XzDecoder::new(std::fs::File::open(path)?),
        &mut text,
    )?;
    Ok(text)
}

fn assemble(definition: &Definition, universe: &Universe, sources: &[Source]) -> Result<Lock> {
    let mut sets: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for set in SETS {
        for name in resolve_set(definition, universe, set)? {
            sets.entry(name).or_default().push(set.to_owned());
        }
    }
    let package: Vec<_> = sets
        .into_iter()
        .filter_map(|(name, sets)| locked(universe, &name, sets))
        .collect();
    Ok(Lock {
        format: 1,
        snapshot: now(),
        lists: lists_digest(definition),
        source: locked_sources(universe, &package, sources)?,
        package,
    })
}

/// The lock with more sets. What is not in it yet comes as the archive has it now, and says when
/// that was. Nothing of it is shipped, so that no sources are owed.
fn add(definition: &Definition, universe: &Universe, old: &Lock, sets: &[&str]) -> Result<Lock> {
    let mut new = old.clone();
    new.lists = lists_digest(definition);
    for set in sets {
        for name in resolve_set(definition, universe, set)? {
            let index = match new.package.binary_search_by(|p| p.name.cmp(&name)) {
                Ok(index) => index,
                Err(index) => {
                    let Some(mut package) = locked(universe, &name, Vec::new()) else {
                        continue;
                    };
                    package.snapshot = Some(now());
                    new.package.insert(index, package);
                    index
                }
            };
            new.package[index].sets.push((*set).to_owned());
        }
    }
    Ok(new)
}

fn resolve_set(
    definition: &Definition,
    universe: &Universe,
    set: &str,
) -> Result<BTreeSet<String>> {
    let list = definition
        .list(set)
        .with_context(|| format!("no [packages.{set}]"))?;
    let install: Vec<_> = list.install.iter().map(|n| n.get_ref().as_str()).collect();
    let without: Vec<_> = list.without.iter().map(|n| n.get_ref().as_str()).collect();
    match universe.resolve(&install, &without) {
        Ok(names) => Ok(names),
        Err(Unresolved::Unknown { index, close }) => {
            let name = &list.install[index];
            let hint = if close.is_empty() {
                String::new()
            } else {
                format!("; close to it: {}", close.join(", "))
            };
            let suites: Vec<_> = definition
                .archive
                .suite
                .iter()
                .map(|s| s.name.as_str())
                .collect();
            let message = format!(
                "packages.{set}: unknown package {:?} in {}{hint}",
                name.get_ref(),
                suites.join(", ")
            );
            Err(definition.fault(name, message).into())
        }
        Err(Unresolved::Missing {
            package,
            alternatives,
        }) => bail!(
            "packages.{set}: {package} needs {}, which no suite has: add it to `without`, or take {package} out",
            alternatives.join(" or ")
        ),
    }
}

fn locked(universe: &Universe, name: &str, sets: Vec<String>) -> Option<LockedPackage> {
    let p = universe.get(name)?;
    Some(LockedPackage {
        name: p.name.clone(),
        version: p.version.clone(),
        archive: p.archive.clone(),
        path: p.path.clone(),
        size: p.size,
        sha256: p.sha256.clone(),
        source: p.source.0.clone(),
        source_version: p.source.1.clone(),
        snapshot: None,
        sets,
    })
}

/// The sources of what is shipped: of the system and of the boot loaders among the tools.
fn locked_sources(
    universe: &Universe,
    packages: &[LockedPackage],
    sources: &[Source],
) -> Result<Vec<LockedSource>> {
    let known: BTreeMap<_, _> = sources
        .iter()
        .map(|s| ((s.name.as_str(), s.version.as_str()), s))
        .collect();
    let mut needed = BTreeSet::new();
    for package in packages.iter().filter(|p| p.is_shipped()) {
        needed.insert((package.source.as_str(), package.source_version.as_str()));
        let more = universe
            .get(&package.name)
            .map_or(&[][..], |p| &p.built_using);
        needed.extend(
            more.iter()
                .map(|(name, version)| (name.as_str(), version.as_str())),
        );
    }
    needed
        .into_iter()
        .map(|key| {
            let source = known.get(&key).with_context(|| {
                format!("the source package {} {} is in no suite", key.0, key.1)
            })?;
            let files = source.files.iter().map(|f| LockedFile {
                path: f.path.clone(),
                size: f.size,
                sha256: f.sha256.clone(),
            });
            Ok(LockedSource {
                name: source.name.clone(),
                version: source.version.clone(),
                archive: source.archive.clone(),
                files: files.collect(),
            })
        })
        .collect()
}

/// `YYYYMMDDTHHMMSSZ` of this moment.
fn now() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs());
    let (date, time) = vigie_installer::clock::civil(seconds);
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        date.0, date.1, date.2, time.0, time.1, time.2
    )
}

fn differences(old: Option<&Lock>, new: &Lock) -> Vec<String> {
    let versions = |lock: Option<&Lock>| -> BTreeMap<String, String> {
        lock.map(|l| {
            l.package
                .iter()
                .map(|p| (p.name.clone(), p.version.clone()))
                .collect()
        })
        .unwrap_or_default()
    };
    let (before, after) = (versions(old), versions(Some(new)));
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| match (before.get(name), after.get(name)) {
            (None, Some(v)) => Some(format!("+ {name} {v}")),
            (Some(v), None) => Some(format!("- {name} {v}")),
            (Some(a), Some(b)) if a != b => Some(format!("  {name} {a} -> {b}")),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition() -> Definition {
        let text = include_str!("../../rootfs/appliance.toml");
        Definition::parse(text, Path::new("a.toml")).unwrap()
    }

    fn universe() -> Universe {
        let package = |name: &str, depends: &str| {
            format!(
                "Package: {name}\nVersion: 2\nDepends: {depends}\nFilename: f\nSize: 1\nSHA256: 0\n\n"
            )
        };
        let text = [
            package("chromium", "libc6, libb"),
            package("chromium-driver", "libc6"),
            package("fonts-dejavu-core", "libc6"),
            package("libb", "libc6"),
            package("libc6", "libc6"),
            package("python3.13", "libc6"),
        ];
        let mut universe = Universe::default();
        universe.add(index::packages(&text.concat(), "debian").unwrap());
        universe
    }

    #[test]
    fn a_new_set_is_added_and_what_is_locked_stays() {
        let definition = definition();
        let others = SETS.into_iter().filter(|set| *set != "browser");
        let mut libc = locked(&universe(), "libc6", others.map(str::to_owned).collect()).unwrap();
        libc.version = "1".to_owned();
        let full = lists_digest(&definition);
        let mut old = Lock {
            format: 1,
            snapshot: "20200101T000000Z".to_owned(),
            lists: full,
            package: vec![libc.clone()],
            source: Vec::new(),
        };
        // The digest of all lists is not that of the lists before.
        assert!(old.new_sets(&definition).is_empty());
        old.lists = crate::archive::lock::digest_of(
            &definition,
            &SETS
                .into_iter()
                .filter(|set| *set != "browser")
                .collect::<Vec<_>>(),
        );
        assert_eq!(old.new_sets(&definition), ["browser"]);
        let new = add(&definition, &universe(), &old, &["browser"]).unwrap();
        new.fits(&definition).unwrap();
        assert_eq!(new.snapshot, old.snapshot);
        let (names, libc): (Vec<_>, Vec<_>) = new.package.iter().partition(|p| p.name != "libc6");
        assert_eq!(libc[0].version, "1");
        assert_eq!(libc[0].snapshot, None);
        assert_eq!(libc[0].sets.last().unwrap(), "browser");
        let named: Vec<_> = names.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(
            named,
            ["chromium", "chromium-driver", "fonts-dejavu-core", "libb"]
        );
        assert!(
            names
                .iter()
                .all(|p| p.version == "2" && p.snapshot.is_some())
        );
    }
}
