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
    /// It is proved that the system image of this slot is damaged: each start of it ends here.
    pub damaged: bool,
}

impl Trouble {
    /// Puts a failure together.
    pub fn new(step: Step, object: impl ToString, cause: impl ToString) -> Trouble {
        Trouble {
            step,
            object: object.to_string(),
            cause: cause.to_string(),
            damaged: false,
        }
    }

    /// The same, where what was read cannot be the image of this root hash.
    pub fn of_damage(self, damaged: bool) -> Trouble {
        Trouble { damaged, ..self }
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

// Which slot is next is GRUB's to say: a version on trial loses a start, a good one does not.
const REPAIR_EN: &str = "the machine starts again by itself; if this comes back, start from the \
                         installation medium and choose repair";
const REPAIR_FR: &str = "la machine redémarre d'elle-même ; si cela revient, démarrez sur le \
                         support d'installation et choisissez la réparation";

/// Whether an error of a read below verity, or of the mount over it, says that the image is not
/// what it was: a block does not match the root hash (dm-verity answers EIO), or the file system
/// makes no sense (squashfs answers EINVAL). All else may be the machine's or the kernel's fault.
pub fn is_damage(error: &std::io::Error) -> bool {
    [rustix::io::Errno::IO, rustix::io::Errno::INVAL]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

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
    fn damage_is_told_from_faults_of_the_machine() {
        use std::io::Error;
        for (number, damage) in [(5, true), (22, true), (2, false), (12, false), (19, false)] {
            assert_eq!(
                is_damage(&Error::from_raw_os_error(number)),
                damage,
                "{number}"
            );
        }
        assert!(!is_damage(&Error::other("made up")));
        // Nothing is damaged unless somebody has said so.
        let trouble = Trouble::new(Step::MountRoot, "/dev/dm-0", "no memory");
        assert!(!trouble.damaged && trouble.of_damage(true).damaged);
    }

    /// What is next depends on the boot state, so the advice may not promise it.
    #[test]
    fn no_advice_promises_the_other_slot() {
        for step in [Step::Verity, Step::MountRoot, Step::HandOver] {
            let screen = Trouble::new(step, "x", "y").screen();
            assert!(!screen.contains("other slot") && !screen.contains("autre système"));
        }
    }

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
