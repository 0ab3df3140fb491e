//! What the exit code and the output of `vigie-recovery check` mean; the codes are e2fsck's (e2fsck(8)).

/// "Not checked", also used here for what keeps a check from
/// being made at all.
pub const OPERATIONAL_ERROR: i32 = 8;

const CORRECTED: i32 = 1;
/// Corrected, and a *mounted* file system would need a reboot; ours is not.
const CORRECTED_REBOOT: i32 = 2;

/// What a report has before all that e2fsck said.
const OUTPUT: [&str; 2] = ["  Output of e2fsck", "  Sortie d'e2fsck"];
const SUMMARY_LINES: usize = 3;
const SUMMARY_CHARS: usize = 400;

/// What to do after a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was wrong.
    Clean,
    /// Faults were mended.
    Mended,
    /// Faults are left, or the run itself failed.
    Faulty,
}

/// The verdict of an exit code; None is a run that was killed.
pub fn verdict(exit: Option<i32>) -> Verdict {
    match exit {
        Some(0) => Verdict::Clean,
        Some(code) if code & !(CORRECTED | CORRECTED_REBOOT) == 0 => Verdict::Mended,
        _ => Verdict::Faulty,
    }
}

/// Whether a line tells how far a check is: the others are results.
pub fn is_progress(line: &str) -> bool {
    line.contains(" %, ")
}

/// What became of the volume, on one line and bounded, for boot.json: the verdict, and what
/// stands below it, but what e2fsck said. Without a verdict the last lines.
pub fn summary(output: &str) -> String {
    verdict_in(output).unwrap_or_else(|| {
        let lines: Vec<&str> = output.lines().map(str::trim).collect();
        let lines: Vec<&str> = lines.into_iter().filter(|line| !line.is_empty()).collect();
        bounded(&lines[lines.len().saturating_sub(SUMMARY_LINES)..])
    })
}

/// The same of a text with a verdict, in English or French; none where there is none.
pub fn verdict_in(output: &str) -> Option<String> {
    let lines: Vec<&str> = output
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let at = lines.iter().rposition(|line| verdict_of(line).is_some())?;
    let below = lines[at + 1..].iter().take_while(|line| {
        line.starts_with(' ') && !OUTPUT.iter().any(|begins| line.starts_with(begins))
    });
    let words: Vec<&str> = verdict_of(lines[at])
        .into_iter()
        .chain(below.map(|line| line.trim()))
        .collect();
    Some(bounded(&words))
}

fn bounded(words: &[&str]) -> String {
    words.join("; ").chars().take(SUMMARY_CHARS).collect()
}

/// "Volume state (/dev/vda7, 1.3 GB): clean" says "clean"; in French a space stands before the colon.
fn verdict_of(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("Volume ")?;
    let (_, verdict) = rest.split_once("): ").or_else(|| rest.split_once(") : "))?;
    Some(verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes() {
        for (exit, want) in [
            (Some(0), Verdict::Clean),
            (Some(1), Verdict::Mended),
            (Some(2), Verdict::Mended),
            (Some(3), Verdict::Mended),
            (Some(4), Verdict::Faulty),
            (Some(5), Verdict::Faulty),
            (Some(8), Verdict::Faulty),
            (Some(12), Verdict::Faulty),
            (Some(16), Verdict::Faulty),
            (Some(127), Verdict::Faulty),
            (Some(-1), Verdict::Faulty),
            (None, Verdict::Faulty),
        ] {
            assert_eq!(verdict(exit), want, "{exit:?}");
        }
    }

    #[test]
    fn summaries() {
        let long = "é".repeat(500);
        for (output, want) in [
            ("", "".to_owned()),
            (
                "Volume 1 of 1: state, /dev/vda7\nVolume state (/dev/vda7, 1.3 GB): clean\n  \
                 Before: clean, last checked never\n  Found: nothing\nClean: 1, repaired: 0.\n",
                "clean; Before: clean, last checked never; Found: nothing".into(),
            ),
            (
                "Réparation\n\nVolume state (/dev/vda7, 1.3 GB) : réparé : sain maintenant\n  \
                 Trouvé : rien\n  Sortie d'e2fsck -f -p :\n    | state: clean\n",
                "réparé : sain maintenant; Trouvé : rien".into(),
            ),
            (
                "Volume state (/dev/vda7, 1.3 GB): clean\n  Output of e2fsck -f -p:\n    | x\n",
                "clean".into(),
            ),
            (
                "Volume state (/dev/vda7, 1.3 GB): NOT CHECKED: another program uses it\n",
                "NOT CHECKED: another program uses it".into(),
            ),
            ("a\nb\n\n  c\nd\n", "b; c; d".into()),
            (&long, "é".repeat(SUMMARY_CHARS)),
        ] {
            assert_eq!(summary(output), want);
        }
    }

    #[test]
    fn progress_is_told_from_results() {
        for (line, want) in [
            ("state: repairing: 0 %, phase 1 of 5, 3 s", true),
            ("state: waiting for the array, 40 %, 3 s", true),
            ("Volume state (/dev/vda7, 1.3 GB): clean", false),
            ("  Found: nothing", false),
        ] {
            assert_eq!(is_progress(line), want, "{line}");
        }
    }

    #[test]
    fn the_words_of_reports_are_those_that_are_looked_for() {
        for (words, volume, output) in [
            (
                include_str!("../../../recovery/src/messages/check.en.toml"),
                "volume = \"Volume {name} ({node}, {size}): {verdict}\"",
                OUTPUT[0],
            ),
            (
                include_str!("../../../recovery/src/messages/check.fr.toml"),
                "volume = \"Volume {name} ({node}, {size}) : {verdict}\"",
                OUTPUT[1],
            ),
        ] {
            assert!(words.contains(volume) && words.contains(&format!("output = \"{output}")));
        }
    }
}
