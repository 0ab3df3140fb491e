//! The command line.

use clap::Parser;

use crate::bench::Group;

/// Runs the tests of Vigie.
///
/// Without arguments: format, lints, unit tests and the end-to-end smoke set. The last line
/// is always `N passed, N failed, N skipped`. Logs and screenshots: target/ci/NAME/.
/// Exit status: 0 nothing failed, 1 something failed, 2 wrong use.
#[derive(Debug, Parser)]
#[command(name = "cargo ci", bin_name = "cargo ci", version)]
pub struct Args {
    /// Run only these steps and scenarios, and what they need
    #[arg(value_name = "NAME", conflicts_with = "all")]
    pub names: Vec<String>,

    /// Run everything
    #[arg(long, conflicts_with = "bench")]
    pub all: bool,

    /// Print the steps and what each proves; run nothing
    #[arg(long, conflicts_with_all = ["all", "bench", "names"])]
    pub list: bool,

    /// Measure sizes and times, and print them as a table; of these groups only, where any is named
    #[arg(long, value_name = "GROUP", num_args = 0.., value_delimiter = ',', conflicts_with = "names")]
    pub bench: Option<Vec<Group>>,

    /// Virtual machines at a time, at most (fewer when memory is short)
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub jobs: u8,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Checks and the smoke set.
    Smoke,
    /// Everything.
    All,
    /// These.
    Names(Vec<String>),
    /// What measuring needs; these groups, or all.
    Bench(Vec<Group>),
    /// Nothing: print the list.
    List,
}

impl Args {
    /// What is to be done.
    pub fn choice(&self) -> Choice {
        if self.list {
            Choice::List
        } else if self.all {
            Choice::All
        } else if let Some(groups) = &self.bench {
            Choice::Bench(groups.clone())
        } else if self.names.is_empty() {
            Choice::Smoke
        } else {
            Choice::Names(self.names.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_read() {
        let names =
            |names: &[&str]| Choice::Names(names.iter().map(|name| (*name).to_owned()).collect());
        let cases: Vec<(&[&str], Option<Choice>)> = vec![
            (&[], Some(Choice::Smoke)),
            (&["--all"], Some(Choice::All)),
            (&["--list"], Some(Choice::List)),
            (&["--bench", "--jobs", "1"], Some(Choice::Bench(vec![]))),
            (
                &["--bench", "update", "recovery"],
                Some(Choice::Bench(vec![Group::Update, Group::Recovery])),
            ),
            (&["--bench", "nothing"], None),
            (&["fmt", "--bench"], None),
            (&["fmt", "verity"], Some(names(&["fmt", "verity"]))),
            (&["--all", "fmt"], None),
            (&["--all", "--bench"], None),
            (&["--jobs", "0"], None),
            (&["--nonsense"], None),
        ];
        for (words, expected) in cases {
            let line = std::iter::once("cargo ci").chain(words.iter().copied());
            let seen = Args::try_parse_from(line).ok().map(|args| args.choice());
            assert_eq!(seen, expected, "{words:?}");
        }
    }
}
