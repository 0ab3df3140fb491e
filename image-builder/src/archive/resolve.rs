//! From package lists to packages: a walk over dependencies within one release.
//!
//! The archive of one release is consistent in itself, so versions in dependencies are not
//! weighed: of each name the newest version over all suites is taken.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::index::Package;
use super::version;

/// Everything that the suites offer, the newest version of each name.
#[derive(Default)]
pub struct Universe {
    packages: BTreeMap<String, Package>,
    providers: BTreeMap<String, BTreeSet<String>>,
}

/// Why a list cannot be resolved.
#[derive(Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// A package that was asked for does not exist.
    Unknown {
        /// Its place in the list.
        index: usize,
        /// Names that are close to it.
        close: Vec<String>,
    },
    /// No package satisfies a dependency.
    Missing {
        /// The package that depends.
        package: String,
        /// Its alternatives.
        alternatives: Vec<String>,
    },
}

impl Universe {
    /// Adds the packages of one index.
    pub fn add(&mut self, packages: Vec<Package>) {
        for package in packages {
            for name in &package.provides {
                self.providers
                    .entry(name.clone())
                    .or_default()
                    .insert(package.name.clone());
            }
            let newer = self
                .packages
                .get(&package.name)
                .is_none_or(|known| version::compare(&package.version, &known.version).is_gt());
            if newer {
                self.packages.insert(package.name.clone(), package);
            }
        }
    }

    /// The package of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Package> {
        self.packages.get(name)
    }

    /// All packages that a list needs, with dependencies, less what `without` names.
    ///
    /// # Errors
    /// [`Unresolved`] for an unknown name or a dependency that nothing satisfies.
    pub fn resolve(
        &self,
        install: &[&str],
        without: &[&str],
    ) -> Result<BTreeSet<String>, Unresolved> {
        let wanted: BTreeSet<&str> = install.iter().copied().collect();
        let mut chosen = BTreeSet::new();
        let mut queue = VecDeque::new();
        for (index, name) in install.iter().enumerate() {
            if !self.packages.contains_key(*name) {
                return Err(Unresolved::Unknown {
                    index,
                    close: self.close_to(name),
                });
            }
            if chosen.insert((*name).to_owned()) {
                queue.push_back((*name).to_owned());
            }
        }
        while let Some(name) = queue.pop_front() {
            for alternatives in &self.packages[&name].depends {
                let picked = self
                    .pick(alternatives, &chosen, &wanted, without)
                    .ok_or_else(|| Unresolved::Missing {
                        package: name.clone(),
                        alternatives: alternatives.clone(),
                    })?;
                if let Pick::Add(package) = picked
                    && chosen.insert(package.clone())
                {
                    queue.push_back(package);
                }
            }
        }
        Ok(chosen)
    }

    /// What satisfies a dependency: what is there already, then the first that exists.
    fn pick(
        &self,
        alternatives: &[String],
        chosen: &BTreeSet<String>,
        wanted: &BTreeSet<&str>,
        without: &[&str],
    ) -> Option<Pick> {
        let there = |name: &str| chosen.contains(name) || wanted.contains(name);
        let provided = |name: &str| {
            self.providers
                .get(name)
                .is_some_and(|p| p.iter().any(|n| there(n)))
        };
        if alternatives.iter().any(|a| there(a) || provided(a)) {
            return Some(Pick::There);
        }
        if alternatives.iter().any(|a| without.contains(&a.as_str())) {
            return Some(Pick::There);
        }
        alternatives.iter().find_map(|a| {
            if self.packages.contains_key(a) {
                return Some(Pick::Add(a.clone()));
            }
            let mut providers = self.providers.get(a)?.iter();
            providers
                .find(|p| !without.contains(&p.as_str()))
                .cloned()
                .map(Pick::Add)
        })
    }

    fn close_to(&self, name: &str) -> Vec<String> {
        let stem = &name[..name.len().min(4)];
        let mut close: Vec<_> = self
            .packages
            .keys()
            .filter(|k| {
                k.contains(name) || name.contains(k.as_str()) && k.len() > 3 || k.starts_with(stem)
            })
            .cloned()
            .collect();
        close.sort_by_key(|k| k.len().abs_diff(name.len()));
        close.truncate(5);
        close
    }
}

enum Pick {
    There,
    Add(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn universe() -> Universe {
        let text = "Package: a\nVersion: 1\nDepends: b | c, v\nFilename: f\nSize: 1\nSHA256: 0\n\n\
                    Package: b\nVersion: 1\nFilename: f\nSize: 1\nSHA256: 0\n\n\
                    Package: b\nVersion: 2\nDepends: perl\nFilename: f\nSize: 1\nSHA256: 0\n\n\
                    Package: c\nVersion: 1\nFilename: f\nSize: 1\nSHA256: 0\n\n\
                    Package: p1\nVersion: 1\nProvides: v\nFilename: f\nSize: 1\nSHA256: 0\n\n\
                    Package: p2\nVersion: 1\nProvides: v\nFilename: f\nSize: 1\nSHA256: 0\n";
        let mut universe = Universe::default();
        universe.add(super::super::index::packages(text, "debian").unwrap());
        universe
    }

    fn names(install: &[&str], without: &[&str]) -> Result<String, Unresolved> {
        Ok(universe()
            .resolve(install, without)?
            .into_iter()
            .collect::<Vec<_>>()
            .join(" "))
    }

    #[test]
    fn follows_dependencies_alternatives_and_providers() {
        assert_eq!(names(&["a"], &["perl"]).unwrap(), "a b p1");
        assert_eq!(names(&["a", "c"], &["perl"]).unwrap(), "a c p1");
        assert_eq!(names(&["a", "p2"], &["perl"]).unwrap(), "a b p2");
        assert_eq!(names(&["a"], &["b", "v"]).unwrap(), "a");
        assert_eq!(universe().get("b").unwrap().version, "2");
    }

    #[test]
    fn says_what_is_missing() {
        assert_eq!(
            names(&["a"], &[]).unwrap_err(),
            Unresolved::Missing {
                package: "b".into(),
                alternatives: vec!["perl".into()]
            }
        );
        let Unresolved::Unknown { index, .. } = names(&["a", "nope"], &[]).unwrap_err() else {
            panic!()
        };
        assert_eq!(index, 1);
    }
}
