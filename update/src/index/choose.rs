//! Which package of an index to fetch: a pure function.

use std::collections::BTreeSet;

use super::{Entry, Index};
use crate::machine::Machine;
use crate::policy::{Refusal, Standing, judge_claims};
use crate::version::Version;

/// What an index has for a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice<'a> {
    /// This package.
    Take(&'a Entry),
    /// Nothing newer.
    Nothing,
    /// There is something newer, and this machine does not take it.
    Refused(&'a Entry, Refusal),
    /// There is something newer, and it came back from here.
    CameBack(&'a Entry),
    /// There is something newer, and installing it failed here for good.
    Failed(&'a Entry),
}

/// What was tried here before, and is not fetched for another try.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// Versions that came back from here.
    pub came_back: BTreeSet<Version>,
    /// Packages that failed here for good, by the SHA-256 of their signed headers. Another package
    /// of the same version is another matter: a delta fails by a damaged base, the whole does not.
    pub failed: BTreeSet<String>,
}

/// Of what the policy accepts, the highest version; of one version the changes to what runs rather
/// than the whole, then the shorter file.
#[must_use]
pub fn choose<'a>(
    index: &'a Index,
    machine: &Machine,
    standing: &Standing,
    before: &Before,
) -> Choice<'a> {
    let mut packages: Vec<&Entry> = index.packages.iter().collect();
    packages.sort_by_key(|entry| {
        let shorter = std::cmp::Reverse(entry.length);
        std::cmp::Reverse((entry.version, entry.base.is_some(), shorter))
    });
    let mut reason = Choice::Nothing;
    for entry in packages {
        let verdict = judge_claims(&index.claims(entry), machine, standing);
        let told = match verdict {
            Ok(()) if before.came_back.contains(&entry.version) => Choice::CameBack(entry),
            Ok(()) if before.failed.contains(&entry.id) => Choice::Failed(entry),
            Ok(()) => return Choice::Take(entry),
            Err(Refusal::NotNewer { .. }) => continue,
            Err(refusal) => Choice::Refused(entry, refusal),
        };
        // Of several reasons that of the highest version, and of that not that a delta does not fit.
        let better = match &reason {
            Choice::Nothing => true,
            Choice::Refused(other, Refusal::Base { .. }) => other.version == entry.version,
            _ => false,
        };
        if better {
            reason = told;
        }
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Reached;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    /// `version[<base][@hardware][#epoch]`
    fn entry(word: &str, number: usize) -> Entry {
        let cut = |text: &str, at: char| -> (String, Option<String>) {
            match text.split_once(at) {
                Some((a, b)) => (a.to_owned(), Some(b.to_owned())),
                None => (text.to_owned(), None),
            }
        };
        let (word, epoch) = cut(word, '#');
        let (word, hardware) = cut(&word, '@');
        let (word, base) = cut(&word, '<');
        Entry {
            version: version(&format!("{word}.0.0")),
            min_from: version("1.0.0.0"),
            security_epoch: epoch.map_or(1, |epoch| epoch.parse().unwrap()),
            base: base.map(|base| version(&format!("{base}.0.0"))),
            hardware: vec![hardware.unwrap_or_else(|| "any".to_owned())],
            length: 1000 - number as u64,
            id: hex::encode([number as u8; 32]),
            name: format!("p{number:03}.tgz").parse().unwrap(),
        }
    }

    /// A word that ends in `!` is of a package that failed.
    fn chosen(words: &[&str], licensed: u32, again: &[&str]) -> String {
        let plain = |word: &str| word.trim_end_matches('!').to_owned();
        let index = Index {
            product: "vigie".into(),
            arch: "amd64".into(),
            made: 1,
            serial: 1,
            packages: words
                .iter()
                .enumerate()
                .map(|(n, w)| entry(&plain(w), n))
                .collect(),
        };
        let failed = index.packages.iter().zip(words);
        let failed = failed.filter(|(_, word)| word.ends_with('!'));
        let machine = Machine {
            product: "vigie".into(),
            arch: "amd64".into(),
            hardware: "x86-server".into(),
            version: version("1.2.0.0"),
            security_epoch: 1,
        };
        let standing = Standing {
            reached: Reached {
                version: version("1.3.0.0"),
                security_epoch: 1,
            },
            confirmed: true,
            waiting: None,
            licensed_major: licensed,
            reinstall: false,
        };
        let before = Before {
            came_back: again.iter().map(|v| version(&format!("{v}.0.0"))).collect(),
            failed: failed.map(|(entry, _)| entry.id.clone()).collect(),
        };
        let word = |entry: &Entry| {
            let at = index.packages.iter().position(|e| e == entry).unwrap();
            plain(words[at])
        };
        match choose(&index, &machine, &standing, &before) {
            Choice::Take(entry) => word(entry),
            Choice::Nothing => "-".to_owned(),
            Choice::CameBack(entry) => format!("{} came back", word(entry)),
            Choice::Failed(entry) => format!("{} failed", word(entry)),
            Choice::Refused(entry, refusal) => {
                let code = serde_json::to_value(refusal).unwrap();
                format!("{} {}", word(entry), code["code"].as_str().unwrap())
            }
        }
    }

    #[test]
    fn c46_c47_c50_c51_c52_c84_the_best_that_this_machine_takes() {
        for (words, expected) in [
            (&[][..], "-"),
            // Numbers, not text.
            (&["1.9", "1.10", "1.8"], "1.10"),
            // Not newer than what was ever reached, though newer than what runs.
            (&["1.1", "1.2", "1.3"], "-"),
            (&["1.4", "1.4<1.2"], "1.4<1.2"),
            (&["1.4", "1.4<1.1"], "1.4"),
            (&["1.4<1.1"], "1.4<1.1 base"),
            (&["1.4<1.1", "1.4@other"], "1.4@other hardware"),
            // A lower version that fits rather than a higher one that does not.
            (&["1.5@other", "1.4"], "1.4"),
            (&["1.5@other", "1.5@x86-server"], "1.5@x86-server"),
            (&["1.5#0"], "1.5#0 epoch"),
            (&["3.0", "2.0"], "2.0"),
            (&["3.0"], "3.0 licence"),
            // The shorter file of two that are the same.
            (&["1.4", "1.4"], "1.4"),
            (&["1.7", "1.6"], "1.6"),
            (&["1.7", "1.7<1.2"], "1.7<1.2 came back"),
            // A base that is damaged here does not keep the whole from being taken.
            (&["1.4<1.2!", "1.4"], "1.4"),
            (&["1.4<1.2!", "1.3"], "1.4<1.2 failed"),
            (&["1.4<1.2!", "1.4<1.2"], "1.4<1.2"),
            (&["1.5!", "1.4"], "1.4"),
            (&["1.5!", "1.4!"], "1.5 failed"),
            (&["1.4<1.2!", "1.4<1.1"], "1.4<1.2 failed"),
        ] {
            assert_eq!(chosen(words, 2, &["1.7"]), expected, "{words:?}");
        }
        assert_eq!(chosen(&["4294967295.0"], u32::MAX, &[]), "4294967295.0");
    }

    #[test]
    fn c50_an_index_of_another_product_offers_nothing() {
        let mut index = Index {
            product: "other".into(),
            arch: "amd64".into(),
            made: 1,
            serial: 1,
            packages: vec![entry("9.0", 0)],
        };
        let machine = Machine {
            product: "vigie".into(),
            arch: "amd64".into(),
            hardware: "any".into(),
            version: version("1.2.0.0"),
            security_epoch: 1,
        };
        let standing = Standing {
            reached: Reached::default(),
            confirmed: true,
            waiting: None,
            licensed_major: u32::MAX,
            reinstall: false,
        };
        let none = Before::default();
        let choice = choose(&index, &machine, &standing, &none);
        assert!(matches!(
            choice,
            Choice::Refused(_, Refusal::Product { .. })
        ));
        index.product = "vigie".into();
        let choice = choose(&index, &machine, &standing, &none);
        assert!(matches!(choice, Choice::Take(_)));
    }
}
