//! Our own programs, compiled for the image.
//!
//! They are linked against the locked packages' C library, so the build host's version of
//! it does not matter; paths of this machine are mapped away, so the bytes do not depend on
//! where the repository lies.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use object::Endianness;
use object::read::elf::{Dyn, ElfFile64, FileHeader, SectionHeader};

use crate::definition::Definition;
use crate::tools::Tools;
use crate::workspace::Workspace;

/// Compiler target of the programs.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Newest version of glibc symbols that Debian 13 has.
const GLIBC: (u32, u32) = (2, 41);

/// The compiled programs.
pub struct Programs {
    /// Programs for `/usr/bin`: name and file.
    pub system: Vec<(String, PathBuf)>,
    /// The initrd's `/init`, without any library.
    pub init: PathBuf,
}

/// Compiles the definition's programs.
///
/// # Errors
/// The compiler's; a program that needs a newer C library than the image has.
pub fn compile(
    definition: &Definition,
    workspace: &Workspace,
    sysroot: &Tools,
    offline: bool,
) -> Result<Programs> {
    let packages: Vec<_> = definition
        .programs
        .packages
        .iter()
        .map(|p| p.get_ref().as_str())
        .collect();
    let cargo = Cargo {
        workspace,
        sysroot,
        offline,
    };
    let system = cargo.build("system", &packages, &[])?;
    let initrd = cargo.build(
        "initrd",
        &[definition.programs.initrd.as_str()],
        &["-Ctarget-feature=+crt-static"],
    )?;
    for package in &definition.programs.packages {
        if !system.iter().any(|p| p.package == *package.get_ref()) {
            let message = format!("programs.packages: {:?} has no program", package.get_ref());
            return Err(definition.fault(package, message).into());
        }
    }
    let [init] = &initrd[..] else {
        bail!(
            "{} has {} programs, needed is one",
            definition.programs.initrd,
            initrd.len()
        )
    };
    for program in &system {
        check_glibc(&program.file)?;
    }
    let mut system: Vec<_> = system.into_iter().map(|p| (p.name, p.file)).collect();
    system.sort();
    Ok(Programs {
        system,
        init: init.file.clone(),
    })
}

struct Cargo<'a> {
    workspace: &'a Workspace,
    sysroot: &'a Tools,
    offline: bool,
}

struct Program {
    package: String,
    name: String,
    file: PathBuf,
}

impl Cargo<'_> {
    fn build(&self, kind: &str, packages: &[&str], flags: &[&str]) -> Result<Vec<Program>> {
        let target = self.workspace.cache.join(format!("programs-{kind}"));
        let mut command = Command::new(cargo());
        command
            .current_dir(&self.workspace.root)
            .args([
                "build",
                "--locked",
                "--profile",
                "image",
                "--target",
                TARGET,
                "--bins",
            ])
            .args(["--message-format", "json-render-diagnostics"])
            .args(packages.iter().flat_map(|p| ["--package", p]))
            .args(self.offline.then_some("--offline"))
            .env("CARGO_TARGET_DIR", &target)
            .env(
                "CARGO_ENCODED_RUSTFLAGS",
                self.flags(&target, flags)?.join("\u{1f}"),
            )
            .env_remove("RUSTFLAGS")
            .env_remove("RUSTC_WRAPPER")
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        let output = command.output().context("starting cargo")?;
        if !output.status.success() {
            bail!(
                "compiling {}:\n{}",
                packages.join(", "),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        programs(&String::from_utf8_lossy(&output.stdout))
    }

    /// Flags for the compiler: our C library, and no path of this machine in the result.
    fn flags(&self, target: &Path, more: &[&str]) -> Result<Vec<String>> {
        let lib = self.sysroot.root().join("usr/lib/x86_64-linux-gnu");
        ensure!(
            lib.join("crt1.o").exists(),
            "the package set \"sysroot\" has no C library to link against"
        );
        let home = std::env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")));
        let mut flags = vec![
            format!("-Clink-arg=--sysroot={}", self.sysroot.root().display()),
            format!("-Clink-arg=-B{}", lib.display()),
            format!("-Clink-arg=-L{}", lib.display()),
            "-Clink-arg=-Wl,--build-id=none".to_owned(),
            format!("--remap-path-prefix={}=/build", target.display()),
            format!(
                "--remap-path-prefix={}=/vigie",
                self.workspace.root.display()
            ),
        ];
        if let Some(home) = home {
            flags.push(format!("--remap-path-prefix={}=/cargo", home.display()));
        }
        flags.extend(more.iter().map(|f| (*f).to_owned()));
        Ok(flags)
    }
}

/// The cargo that started this program, or the one in the path.
pub(crate) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The programs in cargo's messages.
fn programs(messages: &str) -> Result<Vec<Program>> {
    let mut found = Vec::new();
    for line in messages.lines() {
        let message: serde_json::Value =
            serde_json::from_str(line).context("reading cargo's messages")?;
        let Some(file) = message["executable"].as_str() else {
            continue;
        };
        let id = message["package_id"].as_str().unwrap_or_default();
        found.push(Program {
            package: package_name(id).to_owned(),
            name: message["target"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            file: file.into(),
        });
    }
    Ok(found)
}

/// `path+file:///x/update#vigie-update@0.1.0` or `path+file:///x/vigie-web#0.1.0` -> name.
fn package_name(id: &str) -> &str {
    let (path, fragment) = id.rsplit_once('#').unwrap_or((id, ""));
    match fragment.split_once('@') {
        Some((name, _)) => name,
        None => path.rsplit('/').next().unwrap_or(path),
    }
}

/// Refuses a program that asks for a newer C library than the image has.
fn check_glibc(program: &Path) -> Result<()> {
    let content = std::fs::read(program)?;
    for version in
        glibc_versions(&content).with_context(|| format!("reading {}", program.display()))?
    {
        ensure!(
            version <= GLIBC,
            "{} needs glibc {}.{}, the image has {}.{}: it was linked against the build host's C library",
            program.display(),
            version.0,
            version.1,
            GLIBC.0,
            GLIBC.1
        );
    }
    Ok(())
}

/// The versions of glibc symbols that a program needs (`.gnu.version_r`).
fn glibc_versions(program: &[u8]) -> Result<Vec<(u32, u32)>> {
    let file: ElfFile64<'_, Endianness> = ElfFile64::parse(program)?;
    let endian = file.endian();
    let sections = file.elf_header().sections(endian, program)?;
    let mut versions = Vec::new();
    for section in sections.iter() {
        let Some((mut needs, strings)) = section.gnu_verneed(endian, program)? else {
            continue;
        };
        let strings = sections.strings(endian, program, strings)?;
        while let Some((_, mut entries)) = needs.next()? {
            while let Some(entry) = entries.next()? {
                let name = entry.name(endian, strings)?;
                versions.extend(parse_glibc(&String::from_utf8_lossy(name)));
            }
        }
    }
    Ok(versions)
}

fn parse_glibc(name: &str) -> Option<(u32, u32)> {
    let mut parts = name.strip_prefix("GLIBC_")?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The libraries that a program or library asks for.
///
/// # Errors
/// Not a 64-bit ELF file.
pub fn needed_libraries(program: &[u8]) -> Result<Vec<String>> {
    let elf: ElfFile64<'_, Endianness> = ElfFile64::parse(program)?;
    let endian = elf.endian();
    let sections = elf.elf_header().sections(endian, program)?;
    let mut names = Vec::new();
    for section in sections.iter() {
        let Some((entries, strings)) = section.dynamic(endian, program)? else {
            continue;
        };
        let strings = sections.strings(endian, program, strings)?;
        for entry in entries {
            if entry.d_tag(endian) == object::elf::DT_NEEDED {
                names.push(String::from_utf8_lossy(entry.string(endian, strings)?).into_owned());
            }
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_names_come_from_both_forms() {
        assert_eq!(
            package_name("path+file:///x/update#vigie-update@0.1.0"),
            "vigie-update"
        );
        assert_eq!(package_name("path+file:///x/vigie-web#0.1.0"), "vigie-web");
    }

    #[test]
    fn this_test_itself_needs_a_c_library() {
        let program = std::fs::read("/proc/self/exe").unwrap();
        assert!(
            glibc_versions(&program)
                .unwrap()
                .iter()
                .all(|v| *v >= (2, 0))
        );
        assert!(
            needed_libraries(&program)
                .unwrap()
                .iter()
                .any(|l| l == "libc.so.6")
        );
    }

    #[test]
    fn versions_are_numbers() {
        assert!(parse_glibc("GLIBC_2.9") < parse_glibc("GLIBC_2.34"));
        assert_eq!(parse_glibc("GLIBC_PRIVATE"), None);
    }
}
