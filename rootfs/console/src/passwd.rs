//! `passwd`: a new password for root or for the account that sends packages, which stays.
//!
//! Debian's program of that name writes `/etc/shadow`, which the next start makes anew from the settings: a
//! leaked password that was changed with it would open the appliance again. The image links its name here
//! instead, and the broker puts the password into the settings and writes down that it was changed. Who is
//! at the keyboard is root; whatever else `passwd` can do is refused with words, and nothing is changed.

use std::io;
use std::process::ExitCode;

use serde_json::json;
use vigie_prompt::Answer;
use vigie_settings::Language;

use crate::broker::all;
use crate::menu::typed_twice;
use crate::menu::words::{prompts, say};
use crate::status::Mode;
use crate::system::System;

/// The name under which the program is this command alone.
pub const NAME: &str = "passwd";
/// Whose passwords the settings hold.
const ACCOUNTS: [&str; 2] = ["root", "service"];

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The password is another one.
    Set,
    /// All is as it was: nobody has typed one, or it was refused, as was said.
    AsBefore,
    /// The arguments are not those of this program.
    Misused,
}

impl From<Ended> for ExitCode {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Set => Self::SUCCESS,
            Ended::AsBefore => Self::FAILURE,
            Ended::Misused => Self::from(2),
        }
    }
}

/// Whoever started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Whether they are root.
    pub is_root: bool,
    /// Whether they are at a terminal, which can keep what is typed to itself.
    pub at_terminal: bool,
}

/// Asks for a password twice and has it set; `arguments` are those of the command line: none for root's
/// own, else an account. What is refused is said through `complain`.
///
/// # Errors
/// The terminal failed or was closed.
pub fn run(
    system: &mut dyn System,
    arguments: &[&str],
    caller: Caller,
    complain: &mut dyn FnMut(&str),
) -> io::Result<Ended> {
    let language = system.language();
    let account = match judged(arguments, caller, system.mode()) {
        Ok(account) => account,
        Err((key, ended)) => {
            complain(&say(language, key, &[]));
            return Ok(ended);
        }
    };
    let typed = {
        // Nothing is shown for what is typed, and no time is set: as with every passwd.
        let mut prompter = system.prompter(prompts(language), None);
        typed_twice(prompter.as_mut(), account, language)?
    };
    let Answer::Given(password) = typed else {
        complain(&say(language, "passwd.unchanged", &[]));
        return Ok(Ended::AsBefore);
    };
    let request =
        json!({"verb": "set-password", "account": account, "password": password.expose()});
    match system.ask(None, &request) {
        Ok(told) => {
            for warning in all(&told, "warning") {
                complain(reason(warning, language));
            }
            let mut prompter = system.prompter(prompts(language), None);
            let values = [("name", account.to_owned())];
            prompter.tell(&[say(language, "password.set", &values)])?;
            Ok(Ended::Set)
        }
        Err(trouble) => {
            complain(trouble.words(language));
            complain(&say(language, "passwd.unchanged", &[]));
            Ok(Ended::AsBefore)
        }
    }
}

/// Whose password it is about, else why it is refused. Pure.
fn judged<'a>(
    arguments: &[&'a str],
    caller: Caller,
    mode: Mode,
) -> Result<&'a str, (&'static str, Ended)> {
    let account = match *arguments {
        [] => ACCOUNTS[0],
        [account] if ACCOUNTS.contains(&account) => account,
        [account] if !account.starts_with('-') => return Err(("passwd.account", Ended::Misused)),
        _ => return Err(("passwd.usage", Ended::Misused)),
    };
    match (caller.is_root, mode, caller.at_terminal) {
        (false, _, _) => Err(("passwd.not-root", Ended::AsBefore)),
        (true, Mode::Live | Mode::Recovery, _) => Err(("passwd.live", Ended::AsBefore)),
        (true, Mode::Installed, false) => Err(("passwd.no-terminal", Ended::Misused)),
        (true, Mode::Installed, true) => Ok(account),
    }
}

fn reason(event: &serde_json::Value, language: Language) -> &str {
    let text = |name: &str| event[name].as_str().filter(|text| !text.is_empty());
    let french = text("reason_fr").filter(|_| language == Language::Fr);
    french.or(text("reason")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Script, refused, told};

    const ROOT: Caller = Caller {
        is_root: true,
        at_terminal: true,
    };

    fn ran(script: &mut Script, arguments: &[&str], caller: Caller) -> (Option<Ended>, String) {
        let mut said = String::new();
        let mut complain = |line: &str| said += &format!("{line}\n");
        let ended = run(&mut &mut *script, arguments, caller, &mut complain);
        (ended.ok(), said)
    }

    fn asking(keys: &str) -> Script {
        let mut script = Script::new(Mode::Installed);
        script.broker = vec![("set-password", told("[]"))];
        script.types(keys);
        script
    }

    #[test]
    fn a_password_goes_to_the_broker_which_keeps_it() {
        for (arguments, account) in [
            (&[][..], "root"),
            (&["root"], "root"),
            (&["service"], "service"),
        ] {
            let mut script =
                asking("dix lamas verts\ndix lamas\ndix lamas verts\ndix lamas verts\n");
            let (ended, said) = ran(&mut script, arguments, ROOT);
            assert_eq!((ended, said.as_str()), (Some(Ended::Set), ""));
            let screen = script.screen();
            assert!(
                screen.contains("not the same") && screen.contains("is set"),
                "{screen}"
            );
            assert!(!screen.contains("lamas"), "{screen}");
            let ask = format!(
                r#"broker - {{"account":"{account}","password":"dix lamas verts","verb":"set-password"}}"#
            );
            assert_eq!(script.asked, [ask]);
        }
    }

    #[test]
    fn whatever_else_passwd_can_do_is_refused_with_words() {
        for (arguments, caller, words, expected) in [
            (&["anne"][..], ROOT, "web interface", Ended::Misused),
            (&["-l", "root"], ROOT, "usage: passwd", Ended::Misused),
            (&["-d"], ROOT, "usage: passwd", Ended::Misused),
            (&["root", "service"], ROOT, "usage: passwd", Ended::Misused),
            (
                &[],
                Caller {
                    is_root: false,
                    ..ROOT
                },
                "root",
                Ended::AsBefore,
            ),
            (
                &[],
                Caller {
                    at_terminal: false,
                    ..ROOT
                },
                "terminal",
                Ended::Misused,
            ),
        ] {
            let mut script = asking("dix lamas verts\ndix lamas verts\n");
            let (ended, said) = ran(&mut script, arguments, caller);
            assert_eq!(ended, Some(expected), "{arguments:?}");
            assert!(said.contains(words), "{arguments:?}: {said}");
            assert_eq!(script.asked, [""; 0], "{arguments:?}");
        }
        for mode in [Mode::Live, Mode::Recovery] {
            let (ended, said) = ran(&mut Script::new(mode), &[], ROOT);
            assert_eq!(ended, Some(Ended::AsBefore));
            assert!(said.contains("not kept"), "{said}");
        }
    }

    #[test]
    fn what_the_broker_refuses_is_said_and_all_is_as_before() {
        let mut script = asking("court\ncourt\n");
        script.broker = vec![(
            "set-password",
            refused("password", "too short", "trop court"),
        )];
        let (ended, said) = ran(&mut script, &[], ROOT);
        assert_eq!(ended, Some(Ended::AsBefore));
        assert!(
            said.contains("too short") && said.contains("as it was"),
            "{said}"
        );
        let mut script = asking("<\n");
        let (ended, said) = ran(&mut script, &[], ROOT);
        assert_eq!((ended, script.asked.len()), (Some(Ended::AsBefore), 0));
        assert!(said.contains("as it was"), "{said}");
    }

    /// The name must lead here, and nothing that writes `/etc/shadow` behind the settings may be in the image.
    #[test]
    fn the_image_has_no_other_passwd() {
        let definition = include_str!("../../appliance.toml");
        assert!(definition.contains("\"usr/bin/passwd\" = \"vigie-console\"\n"));
        for program in [
            "usr/bin/passwd",
            "usr/bin/chage",
            "usr/sbin/chpasswd",
            "usr/sbin/usermod",
        ] {
            assert!(
                definition.contains(&format!("\"{program}\",")),
                "{program} is not dropped"
            );
        }
    }
}
