//! Where the Debian programs (QEMU, mtools ...) come from.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::vm::command::Programs;

/// Names the folder of unpacked Debian packages.
const TREE: &str = "VIGIE_TOOLS";

/// Finds the programs.
pub fn find() -> Result<Box<dyn Programs>> {
    let tree = env::var_os(TREE)
        .with_context(|| format!("{TREE} does not name a folder of unpacked Debian packages"))?;
    Ok(Box::new(Tree::open(PathBuf::from(tree))?))
}

/// Unpacked Debian packages; programs are run by the tree's own loader and libraries, so the
/// host's versions do not matter.
pub struct Tree {
    root: PathBuf,
    share: PathBuf,
}

const LOADER: &str = "usr/lib64/ld-linux-x86-64.so.2";
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

impl Tree {
    /// The tree in this folder.
    pub fn open(root: PathBuf) -> Result<Tree> {
        if !root.join(LOADER).exists() {
            bail!(
                "{}: no {LOADER} in it; it must hold unpacked packages",
                root.display()
            );
        }
        let share = root.join("usr/share");
        Ok(Tree { root, share })
    }
}

impl Programs for Tree {
    fn command(&self, name: &str) -> Command {
        let folders = ["usr/bin", "usr/sbin"].map(|folder| self.root.join(folder).join(name));
        // A program that is nowhere is looked for in usr/bin: the loader's error names it.
        let program = folders
            .iter()
            .find(|path| path.exists())
            .unwrap_or(&folders[0]);
        let mut command = Command::new(self.root.join(LOADER));
        command.arg("--library-path").arg(self.root.join(LIBRARIES));
        command.args(["--argv0", name]).arg(program);
        command
    }

    fn share_dir(&self) -> &Path {
        &self.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn programs_run_by_the_loader_of_their_tree() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert!(Tree::open(root.to_owned()).is_err());
        for file in [LOADER, "usr/bin/mcopy", "usr/sbin/mkfs.fat"] {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), "").unwrap();
        }
        let tree = Tree::open(root.to_owned()).unwrap();
        for (name, expected) in [
            ("mcopy", "usr/bin/mcopy"),
            ("mkfs.fat", "usr/sbin/mkfs.fat"),
        ] {
            let command = tree.command(name);
            let words: Vec<_> = command
                .get_args()
                .map(|word| word.to_str().unwrap())
                .collect();
            assert_eq!(words[2..4], ["--argv0", name]);
            assert_eq!(Path::new(words[4]), root.join(expected));
        }
        assert!(tree.share_dir().ends_with("usr/share"));
    }
}
