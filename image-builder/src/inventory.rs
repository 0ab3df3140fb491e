//! What is shipped: the bill of materials (CycloneDX 1.5) and the crates' licence texts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};
use serde_json::{Value, json};

use crate::archive::lock::{Lock, LockedPackage};
use crate::definition::Definition;
use crate::tree::Tree;
use vigie_installer::clock::civil;

/// The crates that our programs in the image are made of.
pub struct Crates(Vec<Package>);

impl Crates {
    /// Asks cargo for the dependencies of the definition's programs, tests and build scripts left out.
    ///
    /// # Errors
    /// Cargo's.
    pub fn of_programs(definition: &Definition, root: &Path, offline: bool) -> Result<Self> {
        let mut command = MetadataCommand::new();
        let mut options = vec![
            "--locked".to_owned(),
            "--filter-platform=x86_64-unknown-linux-gnu".to_owned(),
        ];
        options.extend(offline.then(|| "--offline".to_owned()));
        command
            .cargo_path(crate::programs::cargo())
            .current_dir(root)
            .other_options(options);
        let metadata = command.exec().context("asking cargo for the crates")?;
        let programs: Vec<_> = definition
            .programs
            .packages
            .iter()
            .map(|p| p.get_ref().as_str())
            .collect();
        let ids = reachable(
            &metadata,
            &[programs, vec![definition.programs.initrd.as_str()]].concat(),
        );
        let mut crates: Vec<_> = metadata
            .packages
            .into_iter()
            .filter(|p| ids.contains(&p.id))
            .collect();
        crates.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
        Ok(Self(crates))
    }

    /// Puts the licence texts of crates from elsewhere into the image.
    ///
    /// # Errors
    /// A text that cannot be read.
    pub fn add_licences(&self, tree: &mut Tree, folder: &str) -> Result<()> {
        for package in self.0.iter().filter(|p| p.source.is_some()) {
            let home = package
                .manifest_path
                .parent()
                .context("a crate without a folder")?;
            for entry in home.read_dir_utf8()? {
                let entry = entry?;
                let name = entry.file_name().to_owned();
                let upper = name.to_uppercase();
                let is_text = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE"]
                    .iter()
                    .any(|s| upper.starts_with(s));
                if is_text && entry.file_type()?.is_file() {
                    let path = format!(
                        "{folder}/crates/{}-{}/{name}",
                        package.name, package.version
                    );
                    tree.file(&path, 0o644, std::fs::read(entry.path())?)?;
                }
            }
        }
        Ok(())
    }

    fn components(&self) -> impl Iterator<Item = Value> {
        self.0.iter().map(|p| {
            let version = p.version.to_string();
            let mut component = json!({
                "type": "library", "name": p.name.as_str(), "version": version,
                "purl": format!("pkg:cargo/{}@{version}", p.name),
                "bom-ref": format!("pkg:cargo/{}@{version}", p.name),
            });
            if let Some(licence) = &p.license {
                component["licenses"] = json!([{"expression": licence.replace('/', " OR ")}]);
            }
            component
        })
    }
}

fn reachable(metadata: &Metadata, programs: &[&str]) -> BTreeSet<PackageId> {
    let nodes: BTreeMap<_, _> = metadata
        .resolve
        .iter()
        .flat_map(|r| &r.nodes)
        .map(|node| (node.id.clone(), node))
        .collect();
    let mut queue: Vec<PackageId> = metadata
        .packages
        .iter()
        .filter(|p| programs.contains(&p.name.as_str()))
        .map(|p| p.id.clone())
        .collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = queue.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        let Some(node) = nodes.get(&id) else { continue };
        let shipped = node
            .deps
            .iter()
            .filter(|d| d.dep_kinds.iter().any(|k| k.kind == DependencyKind::Normal));
        queue.extend(shipped.map(|d| d.pkg.clone()));
    }
    seen
}

/// The bill of materials of an image, as CycloneDX 1.5 JSON; the same image gives the same text.
///
/// # Errors
/// None in practice; the form is serde's.
pub fn bill_of_materials(
    definition: &Definition,
    version: &str,
    lock: &Lock,
    crates: &Crates,
    time: u64,
) -> Result<String> {
    let packages = lock
        .package
        .iter()
        .filter(|p| p.is_shipped())
        .map(deb_component);
    let components: Vec<Value> = packages.chain(crates.components()).collect();
    let (date, clock) = civil(time);
    let product = definition.product.id.get_ref();
    let seed = serde_json::to_vec(&json!([product, version, components]))?;
    let bom = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": format!("urn:uuid:{}", uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_OID, &seed)),
        "version": 1,
        "metadata": {
            "timestamp": format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", date.0, date.1, date.2, clock.0, clock.1, clock.2),
            "component": {"type": "operating-system", "name": product, "version": version, "bom-ref": "image"},
        },
        "components": components,
    });
    Ok(serde_json::to_string_pretty(&bom)? + "\n")
}

fn deb_component(p: &LockedPackage) -> Value {
    let arch = if p.path.ends_with("_all.deb") {
        "all"
    } else {
        "amd64"
    };
    let version = p
        .version
        .replace('+', "%2B")
        .replace(':', "%3A")
        .replace('~', "%7E");
    let purl = format!(
        "pkg:deb/debian/{}@{version}?arch={arch}&distro=debian-13",
        p.name.replace('+', "%2B")
    );
    json!({
        "type": "library", "name": p.name, "version": p.version, "purl": purl, "bom-ref": purl,
        "hashes": [{"alg": "SHA-256", "content": p.sha256}],
        "properties": [
            {"name": "debian:source", "value": p.source},
            {"name": "debian:source-version", "value": p.source_version},
        ],
    })
}
