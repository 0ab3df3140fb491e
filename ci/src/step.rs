//! Steps: what is proved, and how much of the machine each takes.

use std::fmt;

use anyhow::{Result, bail};
use image_builder::fetch::Unreached;

use crate::args::Choice;
use crate::context::Context;
use crate::{bench, builds, checks, image, scenarios, schemathesis, tree};

/// One thing that is proved.
pub struct Step {
    /// Its name on the command line, and of its folder under target/ci.
    pub name: &'static str,
    /// What it proves, in one line.
    pub proves: &'static str,
    /// Runs without `--all`.
    pub smoke: bool,
    /// What it takes of this host.
    pub load: Load,
    /// Steps that must have passed first.
    pub needs: &'static [&'static str],
    /// Does it. An error made by [`skip`] is a skip.
    pub run: Run,
}

/// What a step does.
pub type Run = Box<dyn Fn(&Context) -> Result<()> + Send + Sync>;

/// What a step takes of this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// All of it: nothing else runs meanwhile.
    Whole,
    /// A virtual machine with this memory; another may run beside it.
    Machine {
        /// MiB.
        memory_mib: u32,
    },
}

/// A step that could not be done here, and why.
#[derive(Debug)]
pub struct Skip(String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Skip {}

/// The error that makes a step a skip.
pub fn skip(reason: impl Into<String>) -> anyhow::Error {
    Skip(reason.into()).into()
}

/// A skip where no mirror of what a step needs could be reached; any other error stays one.
pub fn skip_unreached(error: anyhow::Error) -> anyhow::Error {
    match error.chain().any(|cause| cause.is::<Unreached>()) {
        true => skip(format!("{error:#}")),
        false => error,
    }
}

/// Every step, in the order in which they run.
pub fn all() -> Vec<Step> {
    let mut steps = checks::steps();
    steps.push(schemathesis::step());
    steps.push(tree::step());
    steps.push(image::step());
    steps.extend(builds::steps());
    steps.extend(scenarios::steps());
    steps
}

/// The steps of a choice with all that they need, in running order.
pub fn choose<'a>(steps: &'a [Step], choice: &Choice) -> Result<Vec<&'a Step>> {
    let wanted: Vec<&str> = match choice {
        Choice::All => steps.iter().map(|step| step.name).collect(),
        Choice::Smoke => steps
            .iter()
            .filter(|step| step.smoke)
            .map(|step| step.name)
            .collect(),
        Choice::Bench(groups) => bench::needed(groups),
        Choice::Names(names) => names.iter().map(String::as_str).collect(),
        Choice::List => Vec::new(),
    };
    let mut chosen = vec![false; steps.len()];
    for name in wanted {
        add(steps, name, &mut chosen)?;
    }
    let picked = steps.iter().zip(chosen);
    Ok(picked
        .filter(|(_, chosen)| *chosen)
        .map(|(step, _)| step)
        .collect())
}

fn add(steps: &[Step], name: &str, chosen: &mut [bool]) -> Result<()> {
    let Some(index) = steps.iter().position(|step| step.name == name) else {
        bail!("no step or scenario is called `{name}`; `cargo ci --list` shows them");
    };
    if !chosen[index] {
        chosen[index] = true;
        for need in steps[index].needs {
            add(steps, need, chosen)?;
        }
    }
    Ok(())
}

/// The list for people.
pub fn list(steps: &[Step]) -> String {
    let width = steps
        .iter()
        .map(|step| step.name.len())
        .max()
        .unwrap_or_default();
    let line = |step: &Step| {
        let when = if step.smoke { "always" } else { "--all " };
        format!("{:width$}  {when}  {}\n", step.name, step.proves)
    };
    steps.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(choice: &Choice) -> Vec<&'static str> {
        let steps = all();
        let chosen = choose(&steps, choice).unwrap();
        chosen.iter().map(|step| step.name).collect()
    }

    #[test]
    fn a_choice_brings_what_it_needs_in_order() {
        let one = Choice::Names(vec!["disk-bios".to_owned()]);
        assert_eq!(names(&one), ["image", "install", "disk-bios"]);
        assert_eq!(names(&Choice::Bench(vec![])), ["image", "install"]);
        let smoke = names(&Choice::Smoke);
        for expected in ["fmt", "clippy", "unit", "install", "disk-bios", "verity"] {
            assert!(smoke.contains(&expected), "{smoke:?}");
        }
        assert!(!smoke.contains(&"medium-cd-bios"));
        let unknown = Choice::Names(vec!["nonsense".to_owned()]);
        assert!(choose(&all(), &unknown).is_err());
    }

    #[test]
    fn only_what_cannot_be_reached_is_a_skip() {
        let is_skip = |error: anyhow::Error| {
            let told = skip_unreached(error).context("preparing it");
            told.downcast_ref::<Skip>().is_some()
        };
        let unreached = || anyhow::Error::from(Unreached::of("axe"));
        assert!(is_skip(unreached()));
        assert!(is_skip(unreached().context("fetching what axe needs")));
        assert!(!is_skip(anyhow::anyhow!("axe is not what the list says")));
    }

    #[test]
    fn names_are_unique_and_needs_come_before() {
        let steps = all();
        for (index, step) in steps.iter().enumerate() {
            let earlier = &steps[..index];
            assert!(
                earlier.iter().all(|other| other.name != step.name),
                "{}",
                step.name
            );
            for need in step.needs {
                assert!(
                    earlier.iter().any(|other| other.name == *need),
                    "{} needs {need}",
                    step.name
                );
            }
            assert!(!step.proves.is_empty());
        }
    }

    #[test]
    fn every_medium_and_disk_boot_is_in_all() {
        let all = names(&Choice::All);
        for firmware in ["bios", "uefi", "secureboot"] {
            for kind in ["medium-cd", "medium-usb", "disk"] {
                let name = format!("{kind}-{firmware}");
                assert!(all.contains(&name.as_str()), "{name}");
            }
        }
    }
}
