//! The licences of the software inside, as the image builder lays them down below `/usr/share/doc`.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where they lie.
const DOC: &str = "usr/share/doc";
/// What of it is ours.
const OWN: &str = "vigie";
/// Longest text that is shown, in bytes.
const LONGEST: u64 = 1 << 20;

/// The licences below a root.
pub struct Licences {
    doc: PathBuf,
}

/// Names of all that has a licence here.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listed {
    pub own: Vec<String>,
    pub crates: Vec<String>,
    pub packages: Vec<String>,
}

impl Licences {
    pub fn new(root: &Path) -> Self {
        Self {
            doc: root.join(DOC),
        }
    }

    pub fn list(&self) -> Listed {
        let own = names(&self.doc.join(OWN));
        let mut packages = names(&self.doc);
        packages.retain(|name| self.doc.join(name).join("copyright").is_file());
        Listed {
            own: own.into_iter().filter(|name| name != "crates").collect(),
            crates: names(&self.doc.join(OWN).join("crates")),
            packages,
        }
    }

    /// The text of one of them.
    pub fn text(&self, group: &str, name: &str) -> Option<String> {
        if !is_name(name) {
            return None;
        }
        let own = self.doc.join(OWN);
        match group {
            "own" => read(&own.join(name)),
            "packages" => read(&self.doc.join(name).join("copyright")),
            "crates" => {
                let folder = own.join("crates").join(name);
                let texts = names(&folder);
                let texts = texts.iter().filter_map(|text| read(&folder.join(text)));
                let text = texts.collect::<Vec<_>>().join("\n\n");
                (!text.is_empty()).then_some(text)
            }
            _ => None,
        }
    }
}

/// Names of packages, crates and files of licences; nothing that leads elsewhere.
fn is_name(name: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+');
    !name.starts_with('.') && (1..=100).contains(&name.len()) && name.bytes().all(good)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| is_name(name)).collect();
    names.sort();
    names
}

fn read(path: &Path) -> Option<String> {
    let file = fs::File::open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c64_texts_are_listed_and_read_and_nothing_else_is() {
        let root = tempfile::tempdir().expect("folder");
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        };
        put("usr/share/doc/vigie/LICENSE-MIT", "mit");
        put("usr/share/doc/vigie/crates/time-0.3.1/LICENSE", "one");
        put("usr/share/doc/vigie/crates/time-0.3.1/NOTICE", "two");
        put("usr/share/doc/libc6/copyright", "gnu");
        put("usr/share/doc/empty/changelog", "x");
        put("etc/shadow", "secret");
        let licences = Licences::new(root.path());
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let expected = Listed {
            own: own(&["LICENSE-MIT"]),
            crates: own(&["time-0.3.1"]),
            packages: own(&["libc6"]),
        };
        assert_eq!(licences.list(), expected);
        for (group, name, expected) in [
            ("own", "LICENSE-MIT", Some("mit")),
            ("crates", "time-0.3.1", Some("one\n\ntwo")),
            ("packages", "libc6", Some("gnu")),
            ("packages", "empty", None),
            ("own", "crates", None),
            ("own", "../../../../etc/shadow", None),
            ("own", "..", None),
            ("packages", "../../../etc/shadow\0", None),
            ("..", "libc6", None),
        ] {
            assert_eq!(
                licences.text(group, name).as_deref(),
                expected,
                "{group} {name}"
            );
        }
        assert_eq!(
            Licences::new(Path::new("/nonexistent")).list(),
            Listed::default()
        );
    }
}
