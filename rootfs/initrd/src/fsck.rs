//! What e2fsck's exit code and output mean (e2fsck(8)).

/// e2fsck's "operational error", also used here for what keeps a check from
/// being made at all.
pub const OPERATIONAL_ERROR: i32 = 8;

/// What e2fsck says where it finds no superblock: advice for a person at a
/// prompt, after the line that tells what is wrong.
const ADVICE: &str = "The superblock could not be read";
const BANNER: &str = "e2fsck 1.";

const CORRECTED: i32 = 1;
/// Corrected, and a *mounted* file system would need a reboot; ours is not.
const CORRECTED_REBOOT: i32 = 2;

const LEFT_UNCORRECTED: i32 = 4;

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

/// Whether another run may mend more: faults were left, and the run itself
/// did not fail.
pub fn faults_are_left(exit: i32) -> bool {
    exit & LEFT_UNCORRECTED != 0
}

/// The last lines of the output, on one line and bounded, for boot.json.
pub fn summary(output: &str) -> String {
    let lines: Vec<&str> = output
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with(ADVICE))
        .filter(|line| !line.is_empty() && !line.starts_with(BANNER))
        .collect();
    let last = lines[lines.len().saturating_sub(SUMMARY_LINES)..].join("; ");
    let surplus = last.chars().count().saturating_sub(SUMMARY_CHARS);
    last.chars().skip(surplus).collect()
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
    fn another_run() {
        for (exit, want) in [(4, true), (5, true), (12, true), (8, false), (0, false)] {
            assert_eq!(faults_are_left(exit), want, "{exit}");
        }
    }

    #[test]
    fn summaries() {
        let long = "é".repeat(500);
        for (output, want) in [
            ("", "".to_owned()),
            (
                "state: clean, 11/128 files\n",
                "state: clean, 11/128 files".into(),
            ),
            ("a\nb\n\n  c\nd\n", "b; c; d".into()),
            (
                "e2fsck 1.47.2 (1-Jan-2025)\ne2fsck: Bad magic number\n/dev/x:\nThe superblock \
                 could not be read or does not\n    e2fsck -b 8193 <device>\n",
                "e2fsck: Bad magic number; /dev/x:".into(),
            ),
            (&long, "é".repeat(SUMMARY_CHARS)),
        ] {
            assert_eq!(summary(output), want);
        }
    }
}
