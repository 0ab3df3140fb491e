//! In recovery from the disk's own menu there is no medium: nothing to install from, and the system
//! runs from a disk of the machine.

use std::path::Path;
use std::process::ExitCode;

use vigie_installer::messages::Text;
use vigie_settings::Language;

/// Left by the initrd in recovery (`rootfs/initrd`).
pub const RECOVERY: &str = "/run/vigie/recovery";

/// Refuses where the mark is; the exit code.
pub fn refuse(mark: &Path, language: Language) -> Option<ExitCode> {
    let text = refusal(mark)?;
    eprintln!("vigie-install: {}", text.to(language));
    Some(ExitCode::FAILURE)
}

/// A mark that cannot be looked at is as good as one that is there: what is refused here would
/// write disks.
fn refusal(mark: &Path) -> Option<Text> {
    let there = mark.try_exists().unwrap_or(true);
    there.then(|| Text::new("refusal.recovery"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_of_the_initrd_is_what_counts() {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().join("recovery");
        assert_eq!(refusal(&mark).map(|text| text.to(Language::En)), None);
        std::fs::write(&mark, "").unwrap();
        for (language, part) in [
            (Language::En, "no medium to install from"),
            (Language::Fr, "pas de support depuis lequel installer"),
        ] {
            let text = refusal(&mark).map(|text| text.to(language));
            assert!(
                text.as_ref().is_some_and(|text| text.contains(part)),
                "{text:?}"
            );
        }
        // Below a file nothing can be looked at.
        assert!(refusal(&mark.join("x")).is_some());
        let initrd = include_str!("../../../rootfs/initrd/src/report.rs");
        assert!(initrd.contains("&[\"live\", \"recovery\"]") && RECOVERY.ends_with("/recovery"));
    }
}
