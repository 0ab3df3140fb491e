//! Whether an authentic package may be applied on this machine: a pure function.
//!
//! The clock is not asked: a machine without one, or with a wrong one, takes updates as any other.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::package::header::{ANY_HARDWARE, Header};
use crate::version::Version;

/// What was reached before, kept on the state volume.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Highest version that was ever marked good here.
    pub version: Version,
    /// Highest security epoch that was ever marked good here.
    pub security_epoch: u32,
}

/// An update that is installed in the other slot and waits for a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Its version, as far as it is known.
    pub version: Option<Version>,
}

/// How things stand when a package is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What was reached.
    pub reached: Reached,
    /// Whether the running system was marked good.
    pub confirmed: bool,
    /// What is installed in the other slot and waits for a restart.
    pub waiting: Option<Waiting>,
    /// The highest major version that the licence allows.
    pub licensed_major: u32,
    /// The highest version that has run well here was asked for again, from the console.
    pub reinstall: bool,
}

/// What a package asks of a machine, as its signers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims<'a> {
    /// Product.
    pub product: &'a str,
    /// Debian's word for the processor.
    pub arch: &'a str,
    /// Kinds of machines that it is for.
    pub hardware: &'a [String],
    /// Version that it installs.
    pub version: Version,
    /// Lowest version that it may be applied on.
    pub min_from: Version,
    /// Its security epoch.
    pub security_epoch: u32,
    /// The one version that it may be applied on, when it holds only changes.
    pub base: Option<Version>,
}

/// Why a package may not be applied here. The package is authentic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "code")]
pub enum Refusal {
    /// For another product.
    Product {
        /// The package's.
        package: String,
        /// The machine's.
        machine: String,
    },
    /// For another processor.
    Arch {
        /// The package's.
        package: String,
        /// The machine's.
        machine: String,
    },
    /// For other hardware.
    Hardware {
        /// The package's.
        package: String,
        /// The machine's.
        machine: String,
    },
    /// Not newer than what was reached.
    NotNewer {
        /// The package's version.
        package: Version,
        /// What it must exceed.
        reached: Version,
    },
    /// Made before a security problem was mended.
    Epoch {
        /// The package's.
        package: u32,
        /// The one that was reached.
        reached: u32,
    },
    /// The running version is too old for it.
    MinFrom {
        /// Lowest version that it takes.
        needed: Version,
        /// The running one.
        running: Version,
    },
    /// It makes another version than the one that runs, and is a delta for yet another.
    Base {
        /// What it builds on.
        needed: Version,
        /// The running one.
        running: Version,
    },
    /// No licence for this major version.
    Licence {
        /// The package's version.
        package: Version,
        /// Highest major version that is licensed.
        licensed: u32,
    },
    /// The running system has not been marked good.
    Unconfirmed {
        /// Its version.
        running: Version,
    },
    /// Another one is installed and waits for a restart.
    Waiting {
        /// Its version, as far as it is known.
        version: Option<Version>,
    },
}

/// Judges a package; the first reason in the order that a person would want to know them.
///
/// # Errors
/// Why it may not be applied.
pub fn judge(header: &Header, machine: &Machine, standing: &Standing) -> Result<(), Refusal> {
    judge_claims(&header.claims(), machine, standing)
}

/// Judges what a signed list says of a package.
///
/// # Errors
/// Why it could not be applied.
pub fn judge_claims(
    header: &Claims<'_>,
    machine: &Machine,
    standing: &Standing,
) -> Result<(), Refusal> {
    for_this_machine(header, machine)?;
    new_enough(header, machine, standing)?;
    on_this_version(header, machine)?;
    licensed(header, standing)?;
    if let Some(Waiting { version }) = standing.waiting {
        return Err(Refusal::Waiting { version });
    }
    if !standing.confirmed {
        let running = machine.version;
        return Err(Refusal::Unconfirmed { running });
    }
    Ok(())
}

fn for_this_machine(header: &Claims<'_>, machine: &Machine) -> Result<(), Refusal> {
    if header.product != machine.product {
        return Err(Refusal::Product {
            package: header.product.to_owned(),
            machine: machine.product.clone(),
        });
    }
    if header.arch != machine.arch {
        return Err(Refusal::Arch {
            package: header.arch.to_owned(),
            machine: machine.arch.clone(),
        });
    }
    let fits = |kind: &String| *kind == machine.hardware || kind == ANY_HARDWARE;
    if !header.hardware.iter().any(fits) {
        return Err(Refusal::Hardware {
            package: header.hardware.join(", "),
            machine: machine.hardware.clone(),
        });
    }
    Ok(())
}

/// What a person asks for again is still never older than what was reached: it is the version that
/// runs, or after going back the one that was left. What runs after going back is not written over
/// that one: it is older than what was reached, and it is there already.
fn new_enough(header: &Claims<'_>, machine: &Machine, standing: &Standing) -> Result<(), Refusal> {
    let package = header.version;
    let reached = machine.version.max(standing.reached.version);
    let again = standing.reinstall && package == reached;
    if package <= reached && !again {
        return Err(Refusal::NotNewer { package, reached });
    }
    let package = header.security_epoch;
    let reached = machine.security_epoch.max(standing.reached.security_epoch);
    if package < reached {
        return Err(Refusal::Epoch { package, reached });
    }
    Ok(())
}

fn on_this_version(header: &Claims<'_>, machine: &Machine) -> Result<(), Refusal> {
    let running = machine.version;
    if running < header.min_from {
        let needed = header.min_from;
        return Err(Refusal::MinFrom { needed, running });
    }
    match header.base {
        Some(needed) if needed != running => Err(Refusal::Base { needed, running }),
        _ => Ok(()),
    }
}

/// The one place that asks for a licence.
fn licensed(header: &Claims<'_>, standing: &Standing) -> Result<(), Refusal> {
    let package = header.version;
    let licensed = standing.licensed_major;
    if package.major() > licensed {
        return Err(Refusal::Licence { package, licensed });
    }
    Ok(())
}

impl Refusal {
    /// Whether nothing is wrong with the package: what this machine is doing must end first.
    #[must_use]
    pub const fn is_for_now(&self) -> bool {
        matches!(self, Self::Unconfirmed { .. } | Self::Waiting { .. })
    }

    /// The reason in French.
    #[must_use]
    pub fn french(&self) -> String {
        match self {
            Self::Product { package, machine } => {
                format!("ce paquet est pour le produit {package}, cette machine est un {machine}")
            }
            Self::Arch { package, machine } => {
                format!("ce paquet est pour le processeur {package}, cette machine a {machine}")
            }
            Self::Hardware { package, machine } => format!(
                "ce paquet est pour le matériel {package}, cette machine est de type {machine}"
            ),
            Self::NotNewer { package, reached } => format!(
                "ce paquet installe la version {package}, cette machine a déjà atteint {reached} ; \
                 une version plus récente est nécessaire"
            ),
            Self::Epoch { package, reached } => format!(
                "ce paquet (époque de sécurité {package}) date d'avant une correction de sécurité \
                 que cette machine a (époque {reached}) ; prenez un paquet plus récent"
            ),
            Self::MinFrom { needed, running } => format!(
                "ce paquet s'installe à partir de la version {needed}, cette machine a {running} ; \
                 installez d'abord une version intermédiaire"
            ),
            Self::Base { needed, running } => format!(
                "ce paquet ne contient que les changements depuis {needed}, cette machine a \
                 {running} ; prenez le paquet complet"
            ),
            Self::Licence { package, licensed } => format!(
                "la version {package} demande une licence, celle de cette machine va jusqu'à \
                 {licensed}.x ; demandez une licence à votre fournisseur"
            ),
            Self::Unconfirmed { running } => format!(
                "la version {running} vient de démarrer et n'est pas encore confirmée ; attendez \
                 une minute, ou regardez l'état du système"
            ),
            Self::Waiting { version } => {
                let what =
                    version.map_or("une mise à jour".to_owned(), |v| format!("la version {v}"));
                format!(
                    "{what} est installée et attend un redémarrage ; redémarrez, ou annulez-la \
                     d'abord"
                )
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Product { package, machine } => write!(
                f,
                "this package is for the product {package}, this machine is a {machine}"
            ),
            Self::Arch { package, machine } => write!(
                f,
                "this package is for the processor {package}, this machine has {machine}"
            ),
            Self::Hardware { package, machine } => write!(
                f,
                "this package is for the hardware {package}, this machine is of the kind {machine}"
            ),
            Self::NotNewer { package, reached } => write!(
                f,
                "this package installs version {package}, this machine has reached {reached} \
                 already; a newer version is needed"
            ),
            Self::Epoch { package, reached } => write!(
                f,
                "this package (security epoch {package}) was made before a security problem was \
                 mended that this machine has mended (epoch {reached}); take a newer package"
            ),
            Self::MinFrom { needed, running } => write!(
                f,
                "this package can be installed from version {needed} on, this machine has \
                 {running}; install a version between them first"
            ),
            Self::Base { needed, running } => write!(
                f,
                "this package holds only the changes since {needed}, this machine has {running}; \
                 take the full package"
            ),
            Self::Licence { package, licensed } => write!(
                f,
                "version {package} needs a licence, this machine's goes up to {licensed}.x; ask \
                 your supplier for one"
            ),
            Self::Unconfirmed { running } => write!(
                f,
                "version {running} has just started and is not confirmed yet; wait a minute, or \
                 look at the system's status"
            ),
            Self::Waiting { version } => {
                let what = version.map_or("an update".to_owned(), |v| format!("version {v}"));
                write!(
                    f,
                    "{what} is installed and waits for a restart; restart, or cancel it first"
                )
            }
        }
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::header::{Base, ImageDigest};
    use vigie_disk::Bytes;

    fn header(version: &str) -> Header {
        let image = ImageDigest {
            size: Bytes::new(4096),
            sha256: [0; 32],
        };
        Header {
            product: "vigie".into(),
            arch: "amd64".into(),
            hardware: vec!["any".into()],
            version: version.parse().unwrap(),
            min_from: "1.0.0.0".parse().unwrap(),
            security_epoch: 1,
            build_time: u64::MAX,
            base: None,
            system: image,
            boot: image,
            body: 1,
            chunk: 1 << 20,
            chunks: vec![[0; 32]],
        }
    }

    fn machine(version: &str) -> Machine {
        Machine {
            product: "vigie".into(),
            arch: "amd64".into(),
            hardware: "x86-server".into(),
            version: version.parse().unwrap(),
            security_epoch: 1,
        }
    }

    fn standing(reached: &str) -> Standing {
        Standing {
            reached: Reached {
                version: reached.parse().unwrap(),
                security_epoch: 1,
            },
            confirmed: true,
            waiting: None,
            licensed_major: u32::MAX,
            reinstall: false,
        }
    }

    /// The code of a refusal, or "ok".
    fn code(result: Result<(), Refusal>) -> String {
        let Err(refusal) = result else {
            return "ok".to_owned();
        };
        // Both languages say something, and not the same.
        assert!(refusal.french() != refusal.to_string());
        serde_json::to_value(&refusal).unwrap()["code"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    #[test]
    fn c46_c47_c51_c52_c54_versions() {
        for (running, reached, package, expected) in [
            ("1.2.0.0", "1.2.0.0", "1.2.0.1", "ok"),
            ("1.2.0.0", "1.2.0.0", "1.2.0.0", "not-newer"),
            ("1.2.0.0", "1.2.0.0", "1.1.9.9", "not-newer"),
            ("1.9.0.0", "1.9.0.0", "1.10.0.0", "ok"),
            ("1.10.0.0", "1.10.0.0", "1.9.0.0", "not-newer"),
            // After going back: what was reached counts, not what runs.
            ("1.1.0.0", "1.2.0.0", "1.2.0.0", "not-newer"),
            ("1.1.0.0", "1.2.0.0", "1.1.5.0", "not-newer"),
            ("1.1.0.0", "1.2.0.0", "1.3.0.0", "ok"),
            // A lost state volume: what runs counts.
            ("1.2.0.0", "0.0.0.0", "1.1.0.0", "not-newer"),
            ("0.9.0.0", "0.9.0.0", "1.1.0.0", "min-from"),
            // Far ahead is authentic all the same; the licence is what bounds it.
            ("1.2.0.0", "1.2.0.0", "4294967295.0.0.0", "ok"),
        ] {
            let result = judge(&header(package), &machine(running), &standing(reached));
            assert_eq!(code(result), expected, "{running} {reached} {package}");
        }
        let again = Standing {
            reinstall: true,
            ..standing("1.2.0.0")
        };
        for (running, package, expected) in [
            ("1.2.0.0", "1.2.0.0", "ok"),
            ("1.2.0.0", "1.1.0.0", "not-newer"),
            ("1.2.0.0", "1.3.0.0", "ok"),
            // After going back: what was left, not what runs.
            ("1.1.0.0", "1.2.0.0", "ok"),
            ("1.1.0.0", "1.1.0.0", "not-newer"),
            // A floor that was lost: what runs is the highest.
            ("1.3.0.0", "1.3.0.0", "ok"),
            ("1.3.0.0", "1.2.0.0", "not-newer"),
        ] {
            let result = judge(&header(package), &machine(running), &again);
            assert_eq!(code(result), expected, "{running} {package}");
        }
    }

    #[test]
    fn what_waits_is_named_by_its_version_or_not_at_all() {
        let version: Version = "1.9.0.0".parse().unwrap();
        for (version, english, french) in [
            (
                Some(version),
                "version 1.9.0.0 is",
                "la version 1.9.0.0 est",
            ),
            (None, "an update is", "une mise à jour est"),
        ] {
            let refusal = Refusal::Waiting { version };
            assert!(refusal.to_string().starts_with(english), "{refusal}");
            let words = refusal.french();
            assert!(words.starts_with(french), "{words}");
        }
    }

    type Change<'a> = &'a dyn Fn(&mut Header, &mut Machine, &mut Standing);

    #[test]
    fn c50_c53_targets() {
        let package = header("2.0.0.0");
        let own = machine("1.2.0.0");
        let now = standing("1.2.0.0");
        let cases: [(&str, Change<'_>); 12] = [
            ("ok", &|_, _, _| ()),
            ("product", &|p, _, _| p.product = "other".into()),
            ("arch", &|p, _, _| p.arch = "arm64".into()),
            ("hardware", &|p, _, _| p.hardware = vec!["box-1".into()]),
            ("ok", &|p, _, _| {
                p.hardware = vec!["box-1".into(), "x86-server".into()]
            }),
            ("epoch", &|p, _, _| p.security_epoch = 0),
            ("epoch", &|_, _, s| s.reached.security_epoch = 2),
            ("base", &|p, _, _| {
                p.base = Some(Base {
                    version: "1.1.0.0".parse().unwrap(),
                    system: p.system,
                    boot: p.boot,
                });
            }),
            ("licence", &|_, _, s| s.licensed_major = 1),
            ("ok", &|_, _, s| s.licensed_major = 2),
            ("unconfirmed", &|_, _, s| s.confirmed = false),
            ("waiting", &|_, _, s| {
                let version = "1.9.0.0".parse().ok();
                s.waiting = Some(Waiting { version });
            }),
        ];
        for (expected, change) in cases {
            let (mut package, mut own, mut now) = (package.clone(), own.clone(), now);
            change(&mut package, &mut own, &mut now);
            assert_eq!(code(judge(&package, &own, &now)), expected);
        }
    }
}
