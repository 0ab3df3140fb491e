//! The kernel and the modules that are shipped: those that the definition names, and what
//! they depend on.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection};
use toml::Spanned;

use crate::definition::Definition;
use crate::tools::{Tools, run};
use crate::tree::{Content, Node, Tree, export, import};

/// Index files that depmod(8) makes of a set of modules.
const INDEXES_AT_RUN_TIME: [&str; 8] = [
    "modules.alias.bin",
    "modules.builtin.bin",
    "modules.builtin.alias.bin",
    "modules.dep.bin",
    "modules.symbols.bin",
    "modules.softdep",
    "modules.devname",
    "modules.weakdep",
];

/// The kernel inside a package tree.
pub struct Kernel<'a> {
    raw: &'a Tree,
    /// Release, as `uname -r` says it.
    pub release: String,
    /// Module name (with `_`) -> path.
    paths: BTreeMap<String, String>,
    /// Names of what is built in.
    builtin: BTreeSet<String>,
}

/// What a module says of itself in its `.modinfo` section.
#[derive(Debug, Default, PartialEq, Eq)]
struct Needs {
    depends: Vec<String>,
    wishes: Vec<String>,
}

impl<'a> Kernel<'a> {
    /// Finds the kernel of a package tree.
    ///
    /// # Errors
    /// None, or more than one.
    pub fn find(raw: &'a Tree) -> Result<Self> {
        let releases: Vec<_> = raw
            .children("usr/lib/modules")
            .map(|(name, _)| name.to_owned())
            .collect();
        let [release] = &releases[..] else {
            bail!("one kernel is needed, the packages hold {releases:?}")
        };
        let below = format!("usr/lib/modules/{release}/kernel/");
        let paths = raw
            .iter()
            .filter(|(path, _)| path.starts_with(&below))
            .filter_map(|(path, _)| Some((module_name(path)?, path.to_owned())))
            .collect();
        let builtin = raw.text(&format!("usr/lib/modules/{release}/modules.builtin"))?;
        let builtin = builtin.lines().filter_map(module_name).collect();
        Ok(Self {
            raw,
            release: release.clone(),
            paths,
            builtin,
        })
    }

    /// The kernel image.
    ///
    /// # Errors
    /// The package holds none.
    pub fn image(&self) -> Result<Vec<u8>> {
        self.raw.read(&format!("boot/vmlinuz-{}", self.release))
    }

    /// The modules of a list, their dependencies, and indexes over exactly these, as a tree.
    /// Modules are decompressed: the image compresses better as a whole, and loading is faster.
    ///
    /// # Errors
    /// A name that the kernel does not have (with its line in the definition).
    pub fn modules(
        &self,
        definition: &Definition,
        list: &[Spanned<String>],
        tools: &Tools,
        scratch: &std::path::Path,
        text_indexes: bool,
    ) -> Result<Tree> {
        let mut tree = Tree::default();
        let mut queue = self.named(definition, list)?;
        let mut seen = BTreeSet::new();
        while let Some(name) = queue.pop() {
            let Some(path) = self.paths.get(&name) else {
                continue;
            };
            if !seen.insert(name) {
                continue;
            }
            let module = decompress(path, self.raw.read(path)?)?;
            let needs = needs(&module).with_context(|| format!("reading the module {path}"))?;
            for depended in &needs.depends {
                if !self.paths.contains_key(depended) && !self.builtin.contains(depended) {
                    bail!(
                        "{path} depends on the module {depended}, which the kernel does not have"
                    );
                }
            }
            queue.extend(needs.depends);
            queue.extend(needs.wishes);
            tree.insert(
                path.trim_end_matches(".xz"),
                Node::file(0o644, Content::bytes(module)),
            )?;
        }
        self.index(&tree, tools, scratch, text_indexes)
    }

    /// The names in a list, folders resolved.
    fn named(&self, definition: &Definition, list: &[Spanned<String>]) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in list {
            let text = entry.get_ref();
            if text.ends_with('/') {
                let below = format!("usr/lib/modules/{}/kernel/{text}", self.release);
                let before = names.len();
                names.extend(
                    self.paths
                        .iter()
                        .filter(|(_, p)| p.starts_with(&below))
                        .map(|(n, _)| n.clone()),
                );
                if names.len() == before {
                    let message = format!(
                        "kernel: {text:?}: the kernel {} has no modules there",
                        self.release
                    );
                    return Err(definition.fault(entry, message).into());
                }
                continue;
            }
            let name = text.replace('-', "_");
            if !self.paths.contains_key(&name) && !self.builtin.contains(&name) {
                let message = format!(
                    "kernel: {text:?} is not a module of the kernel {}",
                    self.release
                );
                return Err(definition.fault(entry, message).into());
            }
            names.push(name);
        }
        Ok(names)
    }

    /// Runs depmod(8) over a set of modules and adds the indexes.
    fn index(
        &self,
        modules: &Tree,
        tools: &Tools,
        scratch: &std::path::Path,
        text: bool,
    ) -> Result<Tree> {
        let folder = format!("usr/lib/modules/{}", self.release);
        let mut tree = modules.clone();
        for name in [
            "modules.order",
            "modules.builtin",
            "modules.builtin.modinfo",
        ] {
            let path = format!("{folder}/{name}");
            tree.file(&path, 0o644, self.raw.read(&path)?)?;
        }
        export::folder(&tree, scratch)?;
        let mut command = tools.command("depmod");
        command
            .args(["-m", "/usr/lib/modules", "-b"])
            .arg(scratch)
            .arg(&self.release);
        run("indexing the kernel modules", &mut command)?;
        let mut indexes = Tree::default();
        import::add_folder(&mut indexes, scratch, |path| path.contains("/modules."))?;
        let wanted = |name: &str| match text {
            true => matches!(
                name,
                "modules.dep" | "modules.alias" | "modules.softdep" | "modules.builtin"
            ),
            false => {
                INDEXES_AT_RUN_TIME.contains(&name)
                    || name == "modules.builtin.modinfo"
                    || name == "modules.order"
            }
        };
        tree.retain(|path, _| !path.contains("/modules.") || path.contains("/kernel/"));
        for (name, node) in indexes
            .children(&folder)
            .filter(|(name, node)| !node.is_folder() && wanted(name))
        {
            tree.insert(&format!("{folder}/{name}"), node.clone())?;
        }
        Ok(tree)
    }
}

/// `…/virtio-blk.ko.xz` -> `virtio_blk`.
fn module_name(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    Some(file.split_once(".ko")?.0.replace('-', "_"))
}

fn decompress(path: &str, content: Vec<u8>) -> Result<Vec<u8>> {
    if !path.ends_with(".xz") {
        return Ok(content);
    }
    let mut module = Vec::new();
    liblzma::read::XzDecoder::new(content.as_slice())
        .read_to_end(&mut module)
        .with_context(|| format!("decompressing {path}"))?;
    Ok(module)
}

fn needs(module: &[u8]) -> Result<Needs> {
    let file = object::File::parse(module).context("not an ELF file")?;
    let section = file
        .section_by_name(".modinfo")
        .context("no .modinfo section")?;
    Ok(parse_modinfo(section.data()?))
}

/// `depends=a,b` must be there; `softdep=pre: c post: d` is loaded too if it is there.
fn parse_modinfo(section: &[u8]) -> Needs {
    let mut needs = Needs::default();
    for field in section.split(|b| *b == 0) {
        let field = String::from_utf8_lossy(field);
        if let Some(list) = field.strip_prefix("depends=") {
            needs.depends.extend(
                list.split(',')
                    .filter(|n| !n.is_empty())
                    .map(|n| n.replace('-', "_")),
            );
        } else if let Some(list) = field.strip_prefix("softdep=") {
            let names = list.split_whitespace().filter(|n| !n.ends_with(':'));
            needs.wishes.extend(names.map(|n| n.replace('-', "_")));
        }
    }
    needs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_modinfo() {
        let section =
            b"license=GPL\0depends=md-mod,raid6_pq\0\0softdep=pre: crc32c post: x-y\0depends=\0";
        let expected = Needs {
            depends: vec!["md_mod".into(), "raid6_pq".into()],
            wishes: vec!["crc32c".into(), "x_y".into()],
        };
        assert_eq!(parse_modinfo(section), expected);
    }

    #[test]
    fn names_come_from_paths() {
        assert_eq!(
            module_name("kernel/a/virtio-blk.ko.xz").as_deref(),
            Some("virtio_blk")
        );
        assert_eq!(module_name("kernel/a/Makefile"), None);
    }
}
