//! `cargo image build`: the steps from the lock to the medium.
//!
//! | step | result |
//! |---|---|
//! | programs | our own, compiled against the locked C library |
//! | modules | the kernel modules that the definition names, with their dependencies |
//! | initrd | `/init`, modules, e2fsck and mdadm; microcode beside it |
//! | system | the composed tree as a squashfs, sealed by a verity tree |
//! | payload | system image, boot image, loaders: what the installer takes |
//! | medium | the hybrid ISO over the payload |
//! | package | the update package of the payload, where there is a key to sign it with |
//!
//! Every step is kept by the content of what went into it, so only what changed is redone.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};
use ed25519_dalek::SigningKey;
use toml::Spanned;
use vigie_disk::Bytes;
use vigie_installer::payload::{Hex, MANIFEST, Manifest, Member, Role};
use vigie_update::Version;
use vigie_update::package::Keyring;
use vigie_update::package::signature::PublicKey;

use crate::archive::lock::Lock;
use crate::cache::{Cache, Key, sha256_file};
use crate::compose::{self, kernel::Kernel};
use crate::definition::Definition;
use crate::image::system::SystemImage;
use crate::image::{boot, initrd, loader::Loaders, medium::Medium, system};
use crate::inventory::{self, Crates};
use crate::output;
use crate::package;
use crate::packages::Packages;
use crate::programs::{self, Programs};
use crate::tools::Tools;
use crate::tree::{Tree, export, import};
use crate::workspace::Workspace;

/// How many results of each step are kept.
const KEPT: usize = 3;
/// The package in its step's folder.
const PACKAGE: &str = "update.tgz";

/// A finished build, in the cache.
#[derive(Debug, Clone)]
pub struct Built {
    /// Version of the image.
    pub version: Version,
    /// The medium.
    pub iso: PathBuf,
    /// Folder of the payload, for the installer.
    pub payload: PathBuf,
    /// The bill of materials.
    pub bill: PathBuf,
    /// The signed update package; none without a key.
    pub package: Option<PathBuf>,
}

/// A build under way.
pub struct Build<'a> {
    workspace: &'a Workspace,
    packages: &'a Packages<'a>,
    cache: &'a Cache,
    tools: Tools,
    sysroot: Tools,
    version: Version,
    offline: bool,
    time: u64,
    raw: OnceCell<Tree>,
}

impl<'a> Build<'a> {
    /// Prepares a build: fetches and unpacks the tools that it needs.
    ///
    /// # Errors
    /// A lock that does not fit the definition; a download that fails.
    pub fn new(
        workspace: &'a Workspace,
        packages: &'a Packages<'a>,
        version: Version,
        offline: bool,
    ) -> Result<Self> {
        packages.lock.fits(packages.definition)?;
        Ok(Self {
            workspace,
            packages,
            cache: packages.cache,
            tools: Tools::prepare(packages, "tools")?,
            sysroot: Tools::prepare(packages, "sysroot")?,
            version,
            offline,
            time: source_date_epoch(&workspace.root, packages.lock),
            raw: OnceCell::new(),
        })
    }

    /// The unpacked tools.
    #[must_use]
    pub fn tools(&self) -> &Tools {
        &self.tools
    }

    /// Makes everything that is not there yet: an image that believes `ring`, and its package
    /// signed by `signers`.
    ///
    /// # Errors
    /// What a step fails with; the results of earlier steps stay in the cache.
    pub fn run(&self, ring: &Keyring, signers: &[SigningKey]) -> Result<Built> {
        let phase = self.packages.reporter.phase("programs", None);
        let programs = programs::compile(
            self.definition(),
            self.workspace,
            &self.sysroot,
            self.offline,
        )?;
        phase.done();
        let initrd = self.initrd(&programs)?;
        let system = self.system(&programs, ring)?;
        let payload = self.payload(&system, &initrd)?;
        let medium = self.medium(&payload)?;
        let package = self.package(&payload, ring, signers)?;
        self.cache.prune(KEPT)?;
        Ok(Built {
            version: self.version,
            iso: medium.join("medium.iso"),
            payload,
            bill: system.join("packages.json"),
            package,
        })
    }

    fn definition(&self) -> &Definition {
        self.packages.definition
    }

    /// The files of the system's packages, read when a step first needs them.
    fn raw(&self) -> Result<&Tree> {
        if let Some(tree) = self.raw.get() {
            return Ok(tree);
        }
        let tree = self.packages.tree("system")?;
        Ok(self.raw.get_or_init(|| tree))
    }

    /// A key that has the builder itself and the packages of a set in it.
    fn key(&self, kind: &str, set: &str) -> Result<Key> {
        let mut key = Key::new(kind, 1).with_file("builder", Path::new("/proc/self/exe"))?;
        for package in self.packages.lock.set(set) {
            key = key.with("package", &package.sha256);
        }
        Ok(key)
    }

    fn modules(&self, name: &str, list: &[Spanned<String>], text_indexes: bool) -> Result<Tree> {
        let names: Vec<_> = list.iter().map(|n| n.get_ref().as_str()).collect();
        let kernels = self
            .packages
            .lock
            .set("system")
            .into_iter()
            .filter(|p| p.name.starts_with("linux-image-"));
        let key = kernels.fold(Key::new("modules", 2), |key, p| {
            key.with("kernel", &p.sha256)
        });
        let key = key
            .with("list", names.join(" "))
            .with("text", [u8::from(text_indexes)]);
        let folder = self
            .cache
            .step(&format!("modules-{name}"), &key, |folder| {
                let phase = self
                    .packages
                    .reporter
                    .phase(&format!("kernel modules: {name}"), None);
                let scratch = self.cache.scratch()?;
                let kernel = Kernel::find(self.raw()?)?;
                let tree = kernel.modules(
                    self.definition(),
                    list,
                    &self.tools,
                    scratch.path(),
                    text_indexes,
                )?;
                export::folder(&tree, folder)?;
                phase.done();
                Ok(())
            })?;
        let mut tree = Tree::default();
        import::add_folder(&mut tree, &folder, |_| true)?;
        Ok(tree)
    }

    /// Folder with `initrd.img` and the microcode.
    fn initrd(&self, programs: &Programs) -> Result<PathBuf> {
        let definition = self.definition();
        let key = self
            .key("initrd", "initrd")?
            .with_file("init", &programs.init)?
            .with("definition", std::fs::read(&definition.path)?)
            .with(
                "kernel",
                self.packages
                    .lock
                    .set("system")
                    .iter()
                    .map(|p| p.sha256.as_str())
                    .collect::<String>(),
            );
        self.cache.step("initrd", &key, |folder| {
            let modules = self.modules("initrd", &definition.kernel.initrd, true)?;
            let phase = self.packages.reporter.phase("initrd", None);
            let tree = initrd::compose(
                definition,
                &self.packages.tree("initrd")?,
                &modules,
                &programs.init,
            )?;
            initrd::write(&tree, &folder.join("initrd.img"))?;
            if definition.firmware.microcode {
                initrd::write_microcode(self.raw()?, folder)?;
            }
            phase.done();
            Ok(())
        })
    }

    /// Folder with `system.img`, `system.json` and `packages.json`.
    fn system(&self, programs: &Programs, keys: &Keyring) -> Result<PathBuf> {
        let definition = self.definition();
        let mut key = self
            .key("system", "system")?
            .with("definition", std::fs::read(&definition.path)?)
            .with("overlay", folder_digest(&definition.resolve("overlay"))?)
            .with("version", self.version.to_string())
            .with("keys", toml::to_string(keys)?)
            .with("time", self.time.to_string());
        for (name, file) in &programs.system {
            key = key.with_file(name, file)?;
        }
        self.cache.step("system", &key, |folder| {
            let modules = self.modules("system", &definition.kernel.modules, false)?;
            let phase = self.packages.reporter.phase("composing the system", None);
            let ingredients = compose::Ingredients {
                packages: self.packages,
                tools: &self.tools,
                version: self.version,
                programs: &programs.system,
                keys,
            };
            let mut tree = compose::system(&ingredients, self.raw()?, &modules)?;
            let crates = Crates::of_programs(definition, &self.workspace.root, self.offline)?;
            crates.add_licences(&mut tree, &compose::licence_path(definition))?;
            let version = self.version.to_string();
            let bill = inventory::bill_of_materials(
                definition,
                &version,
                self.packages.lock,
                &crates,
                self.time,
            )?;
            std::fs::write(folder.join("packages.json"), bill)?;
            phase.done();
            self.write_system(&tree, folder)
        })
    }

    fn write_system(&self, tree: &Tree, folder: &Path) -> Result<()> {
        let phase = self.packages.reporter.phase("system image", None);
        let image = folder.join("system.img");
        let how = system::compression(&self.definition().image);
        let how: Vec<_> = how.iter().map(String::as_str).collect();
        system::squashfs(tree, &image, &how, self.time, &self.tools)?;
        let sealed = system::seal(&image)?;
        std::fs::write(folder.join("system.json"), serde_json::to_vec(&sealed)?)?;
        phase.done();
        Ok(())
    }

    /// Folder that the installer takes: every image and loader, with a manifest.
    fn payload(&self, system: &Path, initrd: &Path) -> Result<PathBuf> {
        let menu = self.definition().resolve("grub/disk.cfg");
        let key = self
            .key("payload", "tools")?
            .with("system", system.as_os_str().as_encoded_bytes())
            .with("initrd", initrd.as_os_str().as_encoded_bytes())
            .with_file("menu", &menu)?
            .with("time", self.time.to_string());
        self.cache.step("payload", &key, |folder| {
            let phase = self.packages.reporter.phase("boot image, payload", None);
            let sealed: SystemImage =
                serde_json::from_slice(&std::fs::read(system.join("system.json"))?)?;
            let kernel = Kernel::find(self.raw()?)?.image()?;
            boot::write(
                kernel,
                initrd,
                &sealed,
                self.time,
                &self.tools,
                &folder.join("boot.img"),
            )?;
            let scratch = self.cache.scratch()?;
            let loaders = Loaders::prepare(&self.tools, scratch.path())?;
            std::fs::hard_link(system.join("system.img"), folder.join("system.img"))?;
            for (from, to) in [
                (&loaders.bios_boot, "bios-boot.img"),
                (&loaders.bios_core, "bios-core.img"),
                (&loaders.shim, "shimx64.efi"),
                (&loaders.grub, "grubx64.efi"),
                (&loaders.mok, "mmx64.efi"),
                (&menu, "grub.cfg"),
            ] {
                output::place_file(from, &folder.join(to))?;
            }
            let manifest = self.manifest(folder, &sealed)?;
            std::fs::write(
                folder.join(MANIFEST),
                serde_json::to_string_pretty(&manifest)? + "\n",
            )?;
            phase.done();
            Ok(())
        })
    }

    fn manifest(&self, folder: &Path, sealed: &SystemImage) -> Result<Manifest> {
        let member = |role: Role| -> Result<Member> {
            let path = folder.join(role.file_name());
            Ok(Member {
                role,
                path: role.file_name().to_owned(),
                size: Bytes::new(path.metadata()?.len()),
                sha256: Hex(sha256_file(&path)?),
            })
        };
        let product = &self.definition().product;
        Ok(Manifest {
            product: product.id.get_ref().clone(),
            version: self.version,
            arch: product.arch.get_ref().clone(),
            build_time: self.time,
            root_hash: sealed
                .root_hash
                .clone()
                .try_into()
                .map_err(|e: String| anyhow!(e))?,
            hash_offset: Bytes::new(sealed.hash_offset),
            data_volume_max: self.definition().image.data_volume_max,
            members: Role::ALL.into_iter().map(member).collect::<Result<_>>()?,
        })
    }

    /// Folder with `medium.iso`.
    fn medium(&self, payload: &Path) -> Result<PathBuf> {
        let menu = self.definition().resolve("grub/medium.cfg");
        let key = self
            .key("medium", "tools")?
            .with("payload", payload.as_os_str().as_encoded_bytes())
            .with_file("menu", &menu)?;
        self.cache.step("medium", &key, |folder| {
            let phase = self.packages.reporter.phase("medium", None);
            let scratch = self.cache.scratch()?;
            let medium = Medium {
                volume: &volume_id(&sha256_file(&payload.join(MANIFEST))?),
                version: &self.version.to_string(),
                time: self.time,
                payload,
                menu: &std::fs::read_to_string(&menu)?,
                loaders: &Loaders::prepare(&self.tools, scratch.path())?,
            };
            medium.write(&self.tools, scratch.path(), &folder.join("medium.iso"))?;
            phase.done();
            Ok(())
        })
    }
}

impl Build<'_> {
    /// The update package, when somebody is there to sign it.
    fn package(
        &self,
        payload: &Path,
        ring: &Keyring,
        signers: &[SigningKey],
    ) -> Result<Option<PathBuf>> {
        if signers.is_empty() {
            return Ok(None);
        }
        let definition = self.definition();
        let mut key = self
            .key("package", "tools")?
            .with("payload", payload.as_os_str().as_encoded_bytes())
            .with("definition", std::fs::read(&definition.path)?)
            .with("changelog", package::changelog_digest(definition)?);
        for signer in signers {
            key = key.with("signer", PublicKey::of(signer).to_string());
        }
        let folder = self.cache.step("package", &key, |folder| {
            let phase = self.packages.reporter.phase("update package", None);
            let mut package = package::unsigned(definition, payload, None, folder)?;
            output::write_file(&folder.join(PACKAGE), 0o644, |out| {
                package::write_signed(&mut package, signers, ring, out)
            })?;
            phase.done();
            Ok(())
        })?;
        Ok(Some(folder.join(PACKAGE)))
    }
}

/// `VIGIE_` and 12 digits: two builds on two sticks are never taken for each other.
fn volume_id(digest: &[u8]) -> String {
    format!("VIGIE_{}", hex::encode_upper(&digest[..6]))
}

/// Copies a finished build into the output folder: every file appears whole, the
/// checksums come last. Does nothing where the same build already lies.
///
/// # Errors
/// A full disk; files of an earlier build are then still whole.
pub fn publish(built: &Built, out: &Path) -> Result<Vec<PathBuf>> {
    let stem = format!("vigie-{}", built.version);
    let mut files = vec![
        (built.iso.clone(), format!("{stem}.iso")),
        (
            built.payload.join("system.img"),
            format!("{stem}.system.img"),
        ),
        (built.payload.join("boot.img"), format!("{stem}.boot.img")),
        (built.bill.clone(), format!("{stem}.packages.json")),
    ];
    let package = built.package.iter();
    files.extend(package.map(|path| (path.clone(), format!("{stem}-upd.tgz"))));
    let stamp = out.join(".published");
    let identity: Vec<_> = files
        .iter()
        .map(|(from, _)| from.to_string_lossy())
        .collect();
    let identity = identity.join("\n");
    let placed: Vec<_> = files.iter().map(|(_, name)| out.join(name)).collect();
    let same = std::fs::read_to_string(&stamp).is_ok_and(|text| text == identity);
    if same && placed.iter().all(|p| p.exists()) && out.join(output::SUMS).exists() {
        return Ok(placed);
    }
    let mut sums = String::new();
    for (from, name) in &files {
        output::place_file(from, &out.join(name))?;
        sums.push_str(&output::sum_line(from, name)?);
    }
    output::replace_file(&out.join(output::SUMS), sums.as_bytes())?;
    output::replace_file(&stamp, identity.as_bytes())?;
    Ok(placed)
}

/// The time that everything in the image carries: `SOURCE_DATE_EPOCH`, else that of the
/// last commit, else that of the lock (reproducible-builds.org, "SOURCE_DATE_EPOCH").
fn source_date_epoch(root: &Path, lock: &Lock) -> u64 {
    let given = std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .and_then(|text| text.parse().ok());
    given
        .or_else(|| commit_time(root))
        .unwrap_or_else(|| snapshot_time(&lock.snapshot))
}

fn commit_time(root: &Path) -> Option<u64> {
    let output = Command::new("git")
        .arg("-C")
        .arg(root)
        .args(["log", "-1", "--format=%ct"])
        .output()
        .ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// Midnight of the day in `YYYYMMDDTHHMMSSZ`.
fn snapshot_time(snapshot: &str) -> u64 {
    (0..60_000)
        .map(|day| day * 86_400)
        .find(|seconds| {
            let (date, _) = vigie_installer::clock::civil(*seconds);
            snapshot.starts_with(&format!("{:04}{:02}{:02}", date.0, date.1, date.2))
        })
        .unwrap_or(0)
}

/// Digest over the names, modes and contents below a folder.
fn folder_digest(folder: &Path) -> Result<String> {
    let mut tree = Tree::default();
    import::add_folder(&mut tree, folder, |_| true)?;
    let mut bytes = Vec::new();
    export::tar(&tree, 0, &mut bytes).with_context(|| format!("reading {}", folder.display()))?;
    Ok(Key::new("folder", 1).with("tar", bytes).digest())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volume_ids_are_legal_names() {
        // ECMA-119, 8.4.8: 32 characters of A-Z, 0-9 and underscore.
        assert_eq!(volume_id(&[0xab, 1, 2, 3, 4, 5, 6]), "VIGIE_AB0102030405");
    }

    #[test]
    fn snapshots_are_days() {
        assert_eq!(snapshot_time("20000229T101112Z"), 951_782_400);
    }
}
