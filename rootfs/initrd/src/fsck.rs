//! What the exit code and the output of `vigie-recovery check` mean; the codes are e2fsck's (e2fsck(8)).

/// "Not checked", also used here for what keeps a check from
/// being made at all.
pub const OPERATIONAL_ERROR: i32 = 8;

const CORRECTED: i32 = 1;
/// Corrected, and a *mounted* file system would need a reboot; ours is not.
const CORRECTED_REBOOT: i32 = 2;

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
/// stands below it. Without a verdict the last lines.
pub fn summary(output: &str) -> String {
    let lines: Vec<&str> = output
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let verdict = lines.iter().rposition(|line| verdict_of(line).is_some());
    let words: Vec<&str> = match verdict {
        Some(at) => {
            let below = lines[at + 1..]
                .iter()
                .take_while(|line| line.starts_with(' '));
            verdict_of(lines[at])
                .into_iter()
                .chain(below.map(|line| line.trim()))
                .collect()
        }
        None => {
            let last = &lines[lines.len().saturating_sub(SUMMARY_LINES)..];
            last.iter().map(|line| line.trim()).collect()
        }
    };
    words.join("; ").chars().take(SUMMARY_CHARS).collect()
}

/// "Volume state (/dev/vda7, 1.3 GB): clean" says "clean".
fn verdict_of(line: &str) -> Option<&str> {
    line.strip_prefix("Volume ")?
        .split_once("): ")
        .map(|(_, verdict)| verdict)
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
                 Before: clean, 0 errors recorded\n  Found: nothing\nClean: 1, repaired: 0.\n",
                "clean; Before: clean, 0 errors recorded; Found: nothing".into(),
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
}
