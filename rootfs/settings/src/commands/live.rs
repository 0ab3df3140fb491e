//! The running system: what follows at once, and trials of the networks.

use std::path::Path;

use serde_json::json;
use vigie_settings::difference::Change;
use vigie_settings::live::running::Running;
use vigie_settings::live::trial;
use vigie_settings::{Changing, Said, Settings, Taken, said};

use super::change::Site;
use super::show::say_changes;
use super::{Failure, Out, trail};

/// What becomes of a trial.
#[derive(clap::Subcommand, Clone, Copy, Debug)]
pub enum Trial {
    /// Say how long it lasts.
    State,
    /// Save what is on trial.
    Confirm,
    /// Go back to what was before.
    Revert,
    /// Put in force what was asked for. Run by systemd.
    #[command(hide = true)]
    Begin,
    /// Put what was before in force again, where the trial is over. Run by systemd.
    #[command(hide = true)]
    TakeBack,
}

fn running(root: &Path) -> Result<Running, Failure> {
    Running::of(root).ok_or_else(|| Failure::refused("", said("command.other-root", &[])))
}

/// Has the running system follow `new`, which differs by `found`.
pub fn take(
    root: &Path,
    changing: &Changing,
    new: &Settings,
    found: &[Change],
    out: Out,
) -> Result<(), Failure> {
    let taken = changing.take(new, &mut running(root)?)?;
    let mut value = json!({ "generation": changing.generation(), "changed": found });
    match &taken {
        Taken::Saved(followed) => {
            value["after_restart"] = json!(followed.after_restart);
            for warning in &followed.warnings {
                eprintln!("vigie-settings: {}", warning.to(out.language));
            }
        }
        Taken::Trial { seconds } => value["trial"] = json!(seconds),
    }
    say_changes(found, &value, out);
    for line in lines(&taken, found.is_empty()) {
        out.line(line);
    }
    Ok(())
}

fn lines(taken: &Taken, same: bool) -> Vec<Said> {
    let followed = match taken {
        Taken::Saved(followed) => followed,
        Taken::Trial { seconds } => {
            let seconds = [("seconds", Said::same(seconds))];
            return vec![said("command.trial-begun", &seconds)];
        }
    };
    let first = match same {
        true => said("command.follows", &[]),
        false => said("command.in-force", &[]),
    };
    let later = followed.after_restart.iter().map(|field| {
        let field = [("field", Said::same(field))];
        said("command.after-restart", &field)
    });
    [first].into_iter().chain(later).collect()
}

/// Has the running system follow what is saved.
pub fn apply(site: Site<'_>, out: Out) -> Result<(), Failure> {
    let changing = Changing::begin(site.root, site.by)?;
    let take = || take(site.root, &changing, &changing.old.settings, &[], out);
    trail::noted(site, "settings-apply", None, out, take)
}

/// What is asked of a trial.
pub fn trial(site: Site<'_>, what: Trial, out: Out) -> Result<(), Failure> {
    let root = site.root;
    if let Trial::State = what {
        return state(root, out);
    }
    let mut system = running(root)?;
    let key = match what {
        Trial::State => return Ok(()),
        Trial::Begin => return Ok(trial::put_in_force(root, &mut system)?),
        Trial::TakeBack => {
            trial::take_back(root, &mut system)?;
            return Ok(());
        }
        Trial::Confirm => {
            let confirm = || Ok(trial::confirm(root, &mut system)?);
            let number = trail::noted(site, "network-confirm", None, out, confirm)?;
            out.say(&json!({ "generation": number }), String::new);
            said("command.trial-confirmed", &[])
        }
        Trial::Revert => {
            let revert = || Ok(trial::ask_to_revert(root, &mut system)?);
            trail::noted(site, "network-revert", None, out, revert)?;
            out.say(&json!({ "reverted": true }), String::new);
            said("command.trial-reverted", &[])
        }
    };
    out.line(key);
    Ok(())
}

fn state(root: &Path, out: Out) -> Result<(), Failure> {
    let left = trial::left(root, &Running)?;
    out.say(&json!({ "left": left }), String::new);
    out.line(match left {
        Some(seconds) => said("command.trial-left", &[("seconds", Said::same(seconds))]),
        None => said("command.trial-none", &[]),
    });
    Ok(())
}
