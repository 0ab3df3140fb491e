//! Rules about the files of the repository.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::context::Context;
use crate::process;
use crate::step::{Load, Step, skip};

/// The step.
pub fn step() -> Step {
    Step {
        name: "tree",
        proves: "every crate folder has a README, no file is over 1 MiB, no home folder is named",
        smoke: true,
        load: Load::Whole,
        needs: &[],
        run: Box::new(run),
    }
}

/// The largest file that git may hold, in bytes.
const LARGEST: u64 = 1 << 20;

fn run(ctx: &Context) -> Result<()> {
    let files = tracked(ctx.root())?;
    let home = env::var("HOME").unwrap_or_default();
    let mut faults = missing_readmes(&files);
    for file in &files {
        faults.extend(faults_of_file(ctx.root(), file, &home)?);
    }
    if faults.is_empty() {
        return Ok(());
    }
    bail!("{}", faults.join("\n"))
}

/// The files that git knows, those that are about to be added included.
fn tracked(root: &Path) -> Result<BTreeSet<String>> {
    if !root.join(".git").exists() {
        return Err(skip("not a git work tree"));
    }
    let mut git = Command::new("git");
    git.current_dir(root);
    git.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let list = process::output("listing files", &mut git)?;
    Ok(list.split_terminator('\0').map(str::to_owned).collect())
}

fn missing_readmes(files: &BTreeSet<String>) -> Vec<String> {
    let folders = files
        .iter()
        .filter_map(|file| file.strip_suffix("Cargo.toml"));
    let readmes = folders.map(|folder| format!("{folder}README.md"));
    readmes
        .filter(|readme| !files.contains(readme))
        .map(|readme| format!("{readme} is missing: every crate folder says what lives there"))
        .collect()
}

fn faults_of_file(root: &Path, file: &str, home: &str) -> Result<Vec<String>> {
    let path = root.join(file);
    let Ok(meta) = fs::symlink_metadata(&path) else {
        // Deleted in the work tree, not yet in the index.
        return Ok(Vec::new());
    };
    if !meta.is_file() {
        return Ok(Vec::new());
    }
    if meta.len() > LARGEST {
        return Ok(vec![format!(
            "{file} has {} bytes; git is for files up to {LARGEST}",
            meta.len()
        )]);
    }
    let bytes = fs::read(&path).with_context(|| format!("reading {file}"))?;
    // Not text: a picture, a key.
    let Ok(text) = String::from_utf8(bytes) else {
        return Ok(Vec::new());
    };
    let fault = |(number, found)| format!("{file}:{number} names a home folder: {found}");
    Ok(home_folders(&text, home).into_iter().map(fault).collect())
}

/// Line numbers and words that name somebody's home folder.
fn home_folders(text: &str, home: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut words = line.split(|c: char| !(c.is_ascii_alphanumeric() || "/._-~".contains(c)));
        found.extend(
            words
                .find(|word| is_in_home(word, home))
                .map(|word| (index + 1, word.to_owned())),
        );
    }
    found
}

/// `/root` itself is a folder of the appliance; what a toolchain keeps there is not.
fn is_in_home(path: &str, home: &str) -> bool {
    let named = |prefix: &str| {
        let rest = path.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
    };
    let of_root = path.strip_prefix("/root/.").unwrap_or_default();
    let toolchain = ["cargo", "rustup", "cache", "local"]
        .iter()
        .any(|name| of_root.starts_with(name));
    let own = home.len() > 1 && home != "/root" && (path == home || named(&format!("{home}/")));
    named(concat!("/home", "/")) || named(concat!("/Users", "/")) || toolchain || own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crate_folders_without_readme_are_found() {
        let files = [
            "Cargo.toml",
            "README.md",
            "ci/Cargo.toml",
            "ci/README.md",
            "web/Cargo.toml",
        ];
        let faults = missing_readmes(&files.iter().map(|file| (*file).to_owned()).collect());
        assert_eq!(faults.len(), 1);
        assert!(faults[0].starts_with("web/README.md"));
    }

    #[test]
    fn home_folders_are_found() {
        let cases = [
            (concat!("path = \"/home", "/jo/vigie\""), true),
            (concat!("/Users", "/jo"), true),
            (concat!("/root/", ".cargo/bin"), true),
            ("/srv/build/me/x", true),
            ("/root/.ssh/authorized_keys", false),
            ("/home", false),
            ("/home/", false),
            ("the /homeland/x", false),
            ("https://example.org/home/page", false),
        ];
        for (line, expected) in cases {
            let found = home_folders(&format!("first\n{line}\n"), "/srv/build/me");
            assert_eq!(!found.is_empty(), expected, "{line}: {found:?}");
            assert!(found.iter().all(|(number, _)| *number == 2));
        }
    }

    #[test]
    fn large_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("big"), vec![0; LARGEST as usize + 1]).unwrap();
        fs::write(folder.path().join("fits"), vec![0xff; LARGEST as usize]).unwrap();
        let faults = |name| faults_of_file(folder.path(), name, "").unwrap();
        assert_eq!(faults("big").len(), 1);
        assert!(faults("fits").is_empty());
        assert!(faults("absent").is_empty());
    }
}
