//! What a command changes is in the audit trail: before it is done, and what became of it.

use vigie_settings::noted::{Deed, Ended, note, place};
use vigie_settings::{Said, said};

use super::change::Site;
use super::{Failure, Out};

/// Does it, with a line before and one after. Where the trail cannot be written, that is said and stops
/// nothing: a full volume must not keep root from what mends it.
pub fn noted<T>(
    site: Site<'_>,
    action: &str,
    about: Option<String>,
    out: Out,
    act: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let from = place(std::env::var("SSH_CONNECTION").ok().as_deref());
    let deed = Deed {
        who: site.by,
        from: &from,
        action,
        about,
    };
    let write = |ended| {
        if let Err(error) = note(site.root, &deed, ended) {
            let error = [("error", Said::same(error))];
            let text = said("command.no-trail", &error);
            eprintln!("vigie-settings: {}", text.to(out.language));
        }
    };
    write(Ended::Asked);
    let done = act();
    write(match done {
        Ok(_) => Ended::Done,
        Err(_) => Ended::Failed,
    });
    done
}
