//! Which kernel modules a name or a device asks for, and in which order they
//! are loaded: what kmod does, from the text files that depmod writes.
//!
//! Names and aliases are compared with `_` for `-`, as kmod does.

use std::collections::{HashMap, HashSet};

/// A module's place in the index.
pub type Id = usize;

/// The texts of depmod's files; an absent one is an empty text.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// `modules.dep`
    pub dep: String,
    /// `modules.alias`
    pub alias: String,
    /// `modules.softdep`
    pub softdep: String,
    /// `modules.builtin`
    pub builtin: String,
}

/// The modules of one kernel.
#[derive(Debug, Default)]
pub struct Index {
    modules: Vec<Module>,
    by_name: HashMap<String, Id>,
    /// Patterns by their first bytes, so that few are tried for a device.
    aliases: HashMap<[u8; PREFIX], Vec<(String, Id)>>,
    /// Patterns with a wildcard among the first bytes.
    short_aliases: Vec<(String, Id)>,
    builtin: HashSet<String>,
}

const PREFIX: usize = 3;

/// Where the kernel keeps the drivers of watchdogs.
const WATCHDOGS: &str = "kernel/drivers/watchdog/";
/// Intel's, in which the watchdog (iTCO_wdt) is a device of its own that their
/// drivers make appear: of older chips (LPC), of newer ones (SMBus).
const CHIPS_WITH_WATCHDOG: [&str; 2] = ["lpc_ich", "i2c_i801"];

#[derive(Debug)]
struct Module {
    name: String,
    path: String,
    /// What it needs, nearest first.
    needs: Vec<Id>,
    /// Names that are better loaded before and after; they may be aliases.
    before: Vec<String>,
    after: Vec<String>,
}

impl Index {
    /// Reads the files. Lines that make no sense are passed over: depmod wrote
    /// them, and a boot must not fail for one of them.
    pub fn parse(texts: &Texts) -> Index {
        let mut index = Index::default();
        index.read_dep(&texts.dep);
        index.read_alias(&texts.alias);
        index.read_softdep(&texts.softdep);
        index.builtin = texts.builtin.lines().map(name_of_path).collect();
        index
    }

    /// How many modules there are; ids are below it.
    pub fn len(&self) -> usize {
        self.modules.len()
    }

    /// Whether there is no module at all.
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }

    /// The module's name.
    pub fn name(&self, id: Id) -> &str {
        &self.modules[id].name
    }

    /// The module's file, below `/lib/modules/VERSION/`.
    pub fn path(&self, id: Id) -> &str {
        &self.modules[id].path
    }

    /// Whether this is the driver of a watchdog, or of a chip that has one in it.
    pub fn is_for_watchdog(&self, id: Id) -> bool {
        self.path(id).starts_with(WATCHDOGS) || CHIPS_WITH_WATCHDOG.contains(&self.name(id))
    }

    /// Whether the kernel has this one built in.
    pub fn is_builtin(&self, name: &str) -> bool {
        self.builtin.contains(&normal(name))
    }

    /// The modules meant by a name or an alias: the module of that name, else
    /// every one that has a matching alias.
    pub fn lookup(&self, wanted: &str) -> Vec<Id> {
        let wanted = normal(wanted);
        if let Some(id) = self.by_name.get(&wanted) {
            return vec![*id];
        }
        let bucket = prefix(&wanted).and_then(|p| self.aliases.get(&p));
        let mut found: Vec<Id> = bucket
            .into_iter()
            .flatten()
            .chain(&self.short_aliases)
            .filter(|(pattern, _)| glob_matches(pattern.as_bytes(), wanted.as_bytes()))
            .map(|(_, id)| *id)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// All that is loaded for one module, in order, each once, itself included.
    pub fn order(&self, id: Id) -> Vec<Id> {
        let mut order = Vec::new();
        self.visit(id, &mut HashSet::new(), &mut order);
        order
    }

    fn visit(&self, id: Id, seen: &mut HashSet<Id>, order: &mut Vec<Id>) {
        if !seen.insert(id) {
            return;
        }
        let module = &self.modules[id];
        let soft = |names: &[String]| -> Vec<Id> {
            names.iter().flat_map(|name| self.lookup(name)).collect()
        };
        for before in soft(&module.before) {
            self.visit(before, seen, order);
        }
        for need in module.needs.iter().rev() {
            self.visit(*need, seen, order);
        }
        order.push(id);
        for after in soft(&module.after) {
            self.visit(after, seen, order);
        }
    }

    /// `kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko kernel/fs/mbcache.ko`
    fn read_dep(&mut self, text: &str) {
        let lines = || text.lines().filter_map(|line| line.split_once(':'));
        for (path, _) in lines() {
            let name = name_of_path(path);
            self.by_name.insert(name.clone(), self.modules.len());
            self.modules.push(Module {
                name,
                path: path.to_owned(),
                needs: Vec::new(),
                before: Vec::new(),
                after: Vec::new(),
            });
        }
        for (id, (_, needs)) in lines().enumerate() {
            let ids = needs
                .split_whitespace()
                .filter_map(|path| self.by_name.get(&name_of_path(path)).copied());
            self.modules[id].needs = ids.collect();
        }
    }

    /// `alias pci:v00001AF4d00001001sv*sd*bc*sc*i* virtio_pci`
    fn read_alias(&mut self, text: &str) {
        for line in text.lines() {
            let Some((pattern, name)) = line
                .strip_prefix("alias ")
                .and_then(|rest| rest.trim().rsplit_once(' '))
            else {
                continue;
            };
            let Some(id) = self.by_name.get(&normal(name)) else {
                continue;
            };
            let entry = (normal(pattern.trim()), *id);
            match literal_prefix(&entry.0) {
                Some(key) => self.aliases.entry(key).or_default().push(entry),
                None => self.short_aliases.push(entry),
            }
        }
    }

    /// `softdep ext4 pre: crc32c post: x y`
    fn read_softdep(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some("softdep"), Some(name)) = (words.next(), words.next()) else {
                continue;
            };
            let Some(id) = self.by_name.get(&normal(name)).copied() else {
                continue;
            };
            let module = &mut self.modules[id];
            let mut after = None;
            for word in words {
                match (word, after) {
                    ("pre:", _) => after = Some(false),
                    ("post:", _) => after = Some(true),
                    (name, Some(true)) => module.after.push(name.to_owned()),
                    (name, Some(false)) => module.before.push(name.to_owned()),
                    (_, None) => {}
                }
            }
        }
    }
}

/// `kernel/drivers/md/dm-verity.ko.xz` is the module `dm_verity`.
fn name_of_path(path: &str) -> String {
    let file = path.trim().rsplit('/').next().unwrap_or_default();
    normal(file.split(".ko").next().unwrap_or_default())
}

/// `_` for `-`, but not inside the brackets of a pattern, where it is a range.
fn normal(text: &str) -> String {
    let mut inside = false;
    let same = |c| {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            '-' if !inside => return '_',
            _ => {}
        }
        c
    };
    text.chars().map(same).collect()
}

fn prefix(text: &str) -> Option<[u8; PREFIX]> {
    text.as_bytes().get(..PREFIX)?.try_into().ok()
}

fn literal_prefix(pattern: &str) -> Option<[u8; PREFIX]> {
    prefix(pattern).filter(|bytes| !bytes.iter().any(|b| b"*?[\\".contains(b)))
}

/// fnmatch(3) without flags: `*`, `?`, `[a-f]`, `[!a]`, `\c`.
fn glob_matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to go on after the last star: the pattern behind it, and how much
    // of the text it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            star = Some((p, t));
        } else if let Some(next) = match_one(pattern, p, text[t]) {
            p = next;
            t += 1;
        } else if let Some((after, taken)) = star {
            p = after;
            t = taken + 1;
            star = Some((after, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

/// Matches one byte; gives where the pattern goes on.
fn match_one(pattern: &[u8], at: usize, byte: u8) -> Option<usize> {
    match *pattern.get(at)? {
        b'?' => Some(at + 1),
        b'[' => match_class(pattern, at + 1, byte),
        b'\\' => (pattern.get(at + 1) == Some(&byte)).then_some(at + 2),
        literal => (literal == byte).then_some(at + 1),
    }
}

/// Matches the class that begins at `at`, behind the bracket.
fn match_class(pattern: &[u8], at: usize, byte: u8) -> Option<usize> {
    let end = at + 1 + pattern.get(at + 1..)?.iter().position(|b| *b == b']')?;
    let class = &pattern[at..end];
    let (negated, class) = match class {
        [b'!' | b'^', rest @ ..] => (true, rest),
        _ => (false, class),
    };
    let mut found = false;
    let mut rest = class;
    while let Some(first) = rest.first() {
        if let [low, b'-', high, ..] = rest {
            found |= (*low..=*high).contains(&byte);
            rest = &rest[3..];
        } else {
            found |= *first == byte;
            rest = &rest[1..];
        }
    }
    (found != negated).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> Index {
        Index::parse(&Texts {
            dep: "kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko kernel/fs/mbcache.ko\n\
                  kernel/fs/jbd2/jbd2.ko:\n\
                  kernel/fs/mbcache.ko:\n\
                  kernel/a/crc32c_intel.ko.xz:\n\
                  kernel/a/crc32c_generic.ko:\n\
                  kernel/b/usb-storage.ko: kernel/b/usbcore.ko kernel/b/usb-common.ko\n\
                  kernel/b/usbcore.ko: kernel/b/usb-common.ko\n\
                  kernel/b/usb-common.ko:\n\
                  kernel/c/sd_mod.ko:\n\
                  kernel/c/one.ko: kernel/c/gone.ko\n\
                  kernel/c/two.ko:\n"
                .into(),
            alias: "# Aliases\n\
                    alias crypto-crc32c crc32c_intel\n\
                    alias crypto-crc32c crc32c_generic\n\
                    alias crc32c crc32c_generic\n\
                    alias scsi:t-0x00* sd_mod\n\
                    alias usb:v0781d*dc*ic08isc06ip50in* usb_storage\n\
                    alias usb:v0781d01[0-4]*dc* usb_storage\n\
                    alias acpi*:LNXONE:* one\n\
                    alias * nowhere\n\
                    nonsense\n"
                .into(),
            softdep:
                "# Soft\nsoftdep ext4 pre: crypto-crc32c\nsoftdep one pre: two post: mbcache\n\
                      softdep two pre: one\nsoftdep nowhere pre: x\n"
                    .into(),
            builtin: "kernel/drivers/virtio/virtio-pci.ko\n".into(),
        })
    }

    #[test]
    fn lookups() {
        let index = index();
        for (wanted, want) in [
            ("ext4", vec!["ext4"]),
            ("usb-storage", vec!["usb_storage"]),
            ("crypto-crc32c", vec!["crc32c_intel", "crc32c_generic"]),
            ("scsi:t-0x00", vec!["sd_mod"]),
            ("scsi:t-0x05", vec![]),
            ("usb:v0781d5567dc00ic08isc06ip50in00", vec!["usb_storage"]),
            ("usb:v0781d0134dc00", vec!["usb_storage"]),
            ("usb:v0781d0154dc00", vec![]),
            ("acpi:LNXONE:", vec!["one"]),
            ("virtio_pci", vec![]),
            ("", vec![]),
        ] {
            let got = index.lookup(wanted);
            let got: Vec<_> = got.into_iter().map(|id| index.name(id)).collect();
            assert_eq!(got, want, "{wanted}");
        }
        assert!(index.is_builtin("virtio-pci"));
        assert!(!index.is_builtin("ext4"));
        assert_eq!(index.path(3), "kernel/a/crc32c_intel.ko.xz");
    }

    #[test]
    fn orders() {
        let index = index();
        for (name, want) in [
            ("jbd2", vec!["jbd2"]),
            (
                "ext4",
                vec!["crc32c_intel", "crc32c_generic", "mbcache", "jbd2", "ext4"],
            ),
            ("usb_storage", vec!["usb_common", "usbcore", "usb_storage"]),
            // A circle of soft dependencies ends, and a file that is not there
            // is passed over.
            ("one", vec!["two", "one", "mbcache"]),
        ] {
            let id = index.lookup(name)[0];
            let got = index.order(id);
            let got: Vec<_> = got.into_iter().map(|id| index.name(id)).collect();
            assert_eq!(got, want, "{name}");
        }
    }

    #[test]
    fn watchdogs() {
        let files = [
            ("kernel/drivers/watchdog/i6300esb.ko.xz", true),
            ("kernel/drivers/mfd/lpc_ich.ko", true),
            ("kernel/drivers/i2c/busses/i2c-i801.ko", true),
            ("kernel/drivers/i2c/busses/i2c-piix4.ko", false),
            ("kernel/drivers/ata/ahci.ko", false),
        ];
        let dep = files.iter().map(|(path, _)| format!("{path}:\n")).collect();
        let index = Index::parse(&Texts {
            dep,
            ..Texts::default()
        });
        for (id, (path, want)) in files.iter().enumerate() {
            assert_eq!(index.is_for_watchdog(id), *want, "{path}");
        }
    }

    #[test]
    fn globs() {
        for (pattern, text, want) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("a*b*c", "aXbYbZc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-f0]x", "0x", true),
            ("[a-f0]x", "gx", false),
            ("[!a]x", "bx", true),
            ("[^a]x", "ax", false),
            ("a[]]b", "a]b", true),
            ("a[b", "a[b", false),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("pci:v*d*sv*", "pci:v00001AF4d00001001sv00001AF4", true),
        ] {
            let got = glob_matches(pattern.as_bytes(), text.as_bytes());
            assert_eq!(got, want, "{pattern} {text}");
        }
    }
}
