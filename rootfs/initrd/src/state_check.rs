//! How the state volume is checked before it is used, and what of that keeps it from being used.
//!
//! A start preens it and repairs it where that is not enough; nobody is asked, and without the volume the
//! machine would come up with the settings of a new one, where nobody looks for it. A check that somebody has
//! asked for ([`is_begun`]) finds more than that: a block that cannot be read, in a folder that nobody needs. It is
//! told, but it keeps no volume from being used that every other start would use.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::fsck::Verdict;
use crate::report::StateCheck;

/// The mark of who asked for a check of all volumes at the next start, in the folder of the appliance.
pub const NEXT: &str = "check-next";
/// The same once that start has begun with it.
pub const BEGUN: &str = "check-begun";

/// What needs no decision.
pub const PREEN: &[&str] = &["--preen"];
/// The same, of all that is on the volume.
const THOROUGH: &[&str] = &["--preen", "--thorough"];
/// A repair of the system's own volume, by the system itself.
const REPAIR: &[&str] = &["--repair", "--wait", "--full-volume", "--other-version"];

/// A volume that can be checked.
pub trait Checked {
    /// Runs `vigie-recovery check` with these words on it.
    fn check(&mut self, words: &[&str]) -> (Verdict, StateCheck);
    /// Says that it is damaged, and is being repaired.
    fn say_repairing(&mut self, found: &StateCheck);
}

/// Checks the volume as each start does; the error is why it is not to be used.
///
/// # Errors
/// It is damaged, and could not be repaired.
pub fn preened(volume: &mut dyn Checked) -> Result<StateCheck, StateCheck> {
    mended(PREEN, volume)
}

/// Looks through all of the volume, which was preened. What is found is told; whether it is used, a preen says.
///
/// # Errors
/// It is damaged so that no start would use it.
pub fn looked_through(volume: &mut dyn Checked) -> Result<StateCheck, StateCheck> {
    mended(THOROUGH, volume).or_else(|found| match volume.check(PREEN) {
        (Verdict::Faulty, _) => Err(found),
        (Verdict::Clean | Verdict::Mended, _) => Ok(found),
    })
}

fn mended(words: &[&str], volume: &mut dyn Checked) -> Result<StateCheck, StateCheck> {
    let (verdict, check) = volume.check(words);
    if verdict != Verdict::Faulty {
        return Ok(check);
    }
    volume.say_repairing(&check);
    match volume.check(REPAIR) {
        (Verdict::Faulty, check) => Err(check),
        (Verdict::Clean | Verdict::Mended, check) => Ok(check),
    }
}

/// Whether somebody has asked in this folder for a check, and it begins now. It begins once: the mark has another
/// name, on the disk, before anything is checked, so that a check which ends the machine (a disk that hangs until the
/// watchdog acts) does not end every start after it, too.
///
/// # Errors
/// That cannot be noted: then it must not begin.
pub fn is_begun(folder: &Path) -> io::Result<bool> {
    match fs::rename(folder.join(NEXT), folder.join(BEGUN)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        renamed => renamed?,
    }
    File::open(folder)?.sync_all()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers with exit codes, and writes down what it was asked.
    struct Script {
        exits: Vec<i32>,
        asked: Vec<String>,
    }

    impl Checked for Script {
        fn check(&mut self, words: &[&str]) -> (Verdict, StateCheck) {
            self.asked.push(words.join(" "));
            let exit = self.exits.remove(0);
            let summary = format!("ended with {exit}");
            let check = StateCheck {
                exit,
                summary_fr: summary.clone(),
                summary,
            };
            (crate::fsck::verdict(Some(exit)), check)
        }
        fn say_repairing(&mut self, found: &StateCheck) {
            self.asked.push(format!("({})", found.exit));
        }
    }

    type How = fn(&mut dyn Checked) -> Result<StateCheck, StateCheck>;

    #[test]
    fn what_keeps_a_volume_from_being_used() {
        let repair = REPAIR.join(" ");
        let preen = "--preen".to_owned();
        let thorough = "--preen --thorough".to_owned();
        let all = |words: &[&String]| words.iter().map(|one| (*one).clone()).collect::<Vec<_>>();
        let said = |exit: i32| format!("({exit})");
        for (how, exits, asked, expected) in [
            (preened as How, &[0][..], all(&[&preen]), Ok(0)),
            (preened, &[1], all(&[&preen]), Ok(1)),
            (preened, &[4, 1], all(&[&preen, &said(4), &repair]), Ok(1)),
            (preened, &[4, 8], all(&[&preen, &said(4), &repair]), Err(8)),
            (looked_through, &[0], all(&[&thorough]), Ok(0)),
            (
                looked_through,
                &[4, 1],
                all(&[&thorough, &said(4), &repair]),
                Ok(1),
            ),
            // A block that cannot be read, where no start looks.
            (
                looked_through,
                &[4, 8, 0],
                all(&[&thorough, &said(4), &repair, &preen]),
                Ok(8),
            ),
            (
                looked_through,
                &[8, 4, 4],
                all(&[&thorough, &said(8), &repair, &preen]),
                Err(4),
            ),
        ] {
            let exits = exits.to_vec();
            let mut script = Script {
                exits: exits.clone(),
                asked: Vec::new(),
            };
            let check = how(&mut script);
            let exit = check.map(|check| check.exit).map_err(|check| check.exit);
            assert_eq!((exit, script.asked), (expected, asked), "{exits:?}");
        }
    }

    #[test]
    fn what_was_asked_for_is_begun_once() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        assert!(!is_begun(folder).unwrap());
        fs::write(folder.join(NEXT), "").unwrap();
        assert!(is_begun(folder).unwrap());
        // A power cut now.
        assert!(!folder.join(NEXT).exists() && folder.join(BEGUN).exists());
        assert!(!is_begun(folder).unwrap());
        // Asked for again, it is begun again.
        fs::write(folder.join(NEXT), "").unwrap();
        assert!(is_begun(folder).unwrap());
        fs::remove_file(folder.join(BEGUN)).unwrap();
        fs::create_dir_all(folder.join(BEGUN).join("in the way")).unwrap();
        fs::write(folder.join(NEXT), "").unwrap();
        assert!(is_begun(folder).is_err(), "nothing is noted");
        assert!(!is_begun(&folder.join("none")).unwrap());
    }
}
