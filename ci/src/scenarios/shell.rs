//! A root shell on the serial line of a machine, opened from the console's menu: it echoes nothing and
//! asks nothing, so that all that comes is what commands say.

use anyhow::Result;

use crate::vm::console::Pattern;
use crate::vm::dialog::Dialog;

/// Opens it from the live console's menu, by the number of its entry.
pub(super) fn open(person: &mut Dialog, entry: &str) -> Result<()> {
    person.answer("Number, or Enter to refresh:", entry)?;
    person.answer("Enter to go back:", "yes")?;
    person.expect(Pattern::regex("# ?$")?)?;
    // A shell that does not edit lines leaves the terminal as it is told.
    person.press("exec dash\r")?;
    person.expect(Pattern::regex("^# ?$")?)?;
    person.press("stty -echo; PS1=; echo re\"ady\"\r")?;
    person.expect(Pattern::regex("^(# )?ready$")?).map(drop)
}

/// What a command says, errors included.
pub(super) fn says(person: &mut Dialog, command: &str) -> Result<String> {
    person.press(&format!("{{ {command}; }} 2>&1; echo do\"ne\"\r"))?;
    let begun = person.mark();
    person.expect(Pattern::regex("^done$")?)?;
    Ok(person.lines_since(begun))
}
