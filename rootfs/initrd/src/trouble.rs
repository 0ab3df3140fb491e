//! What a person reads when the boot cannot go on: what was being done, on
//! what, what happened, what to do; in English and in French, because the
//! appliance's language is on the volume that may be out of reach.

use std::fmt::Write as _;

/// A step of the boot that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Mounting /dev, /proc, /sys, /run.
    Kernel,
    /// Reading the kernel command line.
    CommandLine,
    /// Finding the system partition.
    FindRoot,
    /// Finding the medium.
    FindMedium,
    /// Mounting the medium and its system image.
    OpenMedium,
    /// Setting up dm-verity.
    Verity,
    /// Mounting the system image.
    MountRoot,
    /// Mounting /var and the overlay of /etc.
    MountWritable,
    /// Giving the machine over to the system.
    HandOver,
    /// A fault of this program.
    Program,
}

/// A failure that ends this boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What was being done.
    pub step: Step,
    /// On what.
    pub object: String,
    /// What happened.
    pub cause: String,
}

impl Trouble {
    /// Puts a failure together.
    pub fn new(step: Step, object: impl ToString, cause: impl ToString) -> Trouble {
        Trouble {
            step,
            object: object.to_string(),
            cause: cause.to_string(),
        }
    }

    /// The message for the consoles, both languages, lines ended for a raw
    /// terminal.
    pub fn screen(&self) -> String {
        let (english, french) = self.step.texts();
        let mut text = String::new();
        for (title, labels, words) in [
            ("Vigie cannot start.", ENGLISH, english),
            ("Vigie ne peut pas démarrer.", FRENCH, french),
        ] {
            let rows = [words.doing, &self.object, &self.cause, words.advice];
            let _ = write!(text, "\r\n{title}\r\n");
            for (label, row) in labels.iter().zip(rows) {
                let _ = write!(text, "  {label}{row}\r\n");
            }
        }
        text + "\r\n"
    }

    /// One line for the kernel log.
    pub fn line(&self) -> String {
        let (english, _) = self.step.texts();
        format!("{}, {}: {}", english.doing, self.object, self.cause)
    }
}

const ENGLISH: [&str; 4] = ["while:    ", "on:       ", "happened: ", "to do:    "];
const FRENCH: [&str; 4] = ["étape :    ", "sur :      ", "erreur :   ", "à faire :  "];

struct Words {
    doing: &'static str,
    advice: &'static str,
}

const fn words(doing: &'static str, advice: &'static str) -> Words {
    Words { doing, advice }
}

const REPAIR_EN: &str = "the other slot is tried next; if this comes back, start from the \
                         installation medium and choose repair";
const REPAIR_FR: &str = "l'autre système sera essayé ensuite ; si cela revient, démarrez sur le \
                         support d'installation et choisissez la réparation";

impl Step {
    fn texts(self) -> (Words, Words) {
        match self {
            Step::Kernel => (
                words("mounting the kernel's file systems", REPAIR_EN),
                words("montage des systèmes de fichiers du noyau", REPAIR_FR),
            ),
            Step::CommandLine => (
                words("reading the kernel command line", REPAIR_EN),
                words("lecture de la ligne de commande du noyau", REPAIR_FR),
            ),
            Step::FindRoot => (
                words(
                    "looking for the system partition",
                    "check that the system disk is connected and that the firmware sees it; \
                     else start from the installation medium and choose repair",
                ),
                words(
                    "recherche de la partition système",
                    "vérifiez que le disque système est branché et vu par le BIOS ; sinon \
                     démarrez sur le support d'installation et choisissez la réparation",
                ),
            ),
            Step::FindMedium => (
                words(
                    "looking for the installation medium",
                    "leave the medium in the machine, or try another port or drive",
                ),
                words(
                    "recherche du support d'installation",
                    "laissez le support dans la machine, ou essayez un autre port ou lecteur",
                ),
            ),
            Step::OpenMedium => (
                words("opening the installation medium", "write the medium again"),
                words(
                    "ouverture du support d'installation",
                    "réécrivez le support d'installation",
                ),
            ),
            Step::Verity => (
                words("setting up the verification of the system image", REPAIR_EN),
                words(
                    "préparation de la vérification de l'image système",
                    REPAIR_FR,
                ),
            ),
            Step::MountRoot => (
                words("mounting the verified system image", REPAIR_EN),
                words("montage de l'image système vérifiée", REPAIR_FR),
            ),
            Step::MountWritable => (
                words("mounting the writable folders", REPAIR_EN),
                words("montage des dossiers modifiables", REPAIR_FR),
            ),
            Step::HandOver => (
                words("starting the system", REPAIR_EN),
                words("démarrage du système", REPAIR_FR),
            ),
            Step::Program => (
                words("running the start program", REPAIR_EN),
                words("exécution du programme de démarrage", REPAIR_FR),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_says_everything_twice() {
        for step in [
            Step::Kernel,
            Step::CommandLine,
            Step::FindRoot,
            Step::FindMedium,
            Step::OpenMedium,
            Step::Verity,
            Step::MountRoot,
            Step::MountWritable,
            Step::HandOver,
            Step::Program,
        ] {
            let trouble = Trouble::new(step, "/dev/x", "it broke");
            let screen = trouble.screen();
            for part in ["/dev/x", "it broke", "cannot start", "ne peut pas"] {
                assert!(screen.contains(part), "{step:?}: {screen}");
            }
            assert!(!screen.replace("\r\n", "").contains('\n'), "{screen}");
            assert!(trouble.line().ends_with(", /dev/x: it broke"));
        }
    }
}
