//! Who stands at the console: a name and a password, judged by the broker, which also makes them wait
//! after wrong ones.

use std::fmt;
use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use vigie_prompt::{Answer, Field, Prompter};
use vigie_settings::Language;

use crate::broker::{Trouble, event};
use crate::menu::words::{prompts, say};
use crate::system::System;

/// Somebody who may use the menu.
#[derive(Clone, PartialEq, Eq)]
pub struct Who {
    /// The name, for the history of updates.
    pub name: String,
    /// Of their session; none for root, who is known otherwise.
    pub token: Option<String>,
    /// How long the menu stays open when nobody types.
    pub idle: Option<Duration>,
}

impl fmt::Debug for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever has the token is that person.
        write!(f, "Who({}, {:?})", self.name, self.idle)
    }
}

impl Who {
    /// Root, who has come in by another way: over SSH, or by a shell.
    pub fn root() -> Self {
        Self {
            name: "root".to_owned(),
            token: None,
            idle: None,
        }
    }
}

/// Whoever types nothing at the log-in is not waited for.
const PATIENCE: Duration = Duration::from_secs(120);
/// After so long without a key the menu is left, where the broker does not say.
const IDLE: Duration = Duration::from_secs(15 * 60);

/// Asks until somebody who may use the menu has said who they are; none when they go back.
///
/// # Errors
/// The terminal failed, was closed or left alone.
pub fn ask(system: &mut dyn System, language: Language) -> io::Result<Option<Who>> {
    let mut prompter = system.prompter(prompts(language), Some(PATIENCE));
    let prompter = prompter.as_mut();
    prompter.page(&say(language, "login.title", &[]))?;
    prompter.tell(&[say(language, "login.who", &[]), String::new()])?;
    loop {
        let Some((name, password)) = asked(prompter, language)? else {
            return Ok(None);
        };
        let request = json!({"verb": "log-in", "user": name, "password": password});
        let words = match system.ask(None, &request) {
            Ok(told) => match welcome(&name, &told) {
                Ok(who) => return Ok(Some(who)),
                Err(Some(token)) => {
                    // It only says that the session is over.
                    let _ = system.ask(Some(&token), &json!({"verb": "log-out"}));
                    say(language, "login.role", &[])
                }
                Err(None) => say(language, "login.no-session", &[]),
            },
            Err(trouble) => refused(&trouble, language),
        };
        prompter.tell(&[words])?;
    }
}

fn asked(prompter: &mut dyn Prompter, language: Language) -> io::Result<Option<(String, String)>> {
    let name = prompter.line(&Field {
        label: &say(language, "login.name", &[]),
        initial: "root",
        optional: false,
        mend: true,
        check: &|_| Ok(()),
    })?;
    let Answer::Given(name) = name else {
        return Ok(None);
    };
    match prompter.secret(&say(language, "login.password", &[]))? {
        Answer::Given(password) => Ok(Some((name, password.expose().to_owned()))),
        Answer::Back => Ok(None),
    }
}

/// Who it is; else the token of a session whose role is not enough, if there is one.
fn welcome(name: &str, told: &[Value]) -> Result<Who, Option<String>> {
    let session = event(told, "session").ok_or(None)?;
    let token = session["token"].as_str().map(str::to_owned).ok_or(None)?;
    if session["role"] != "administrator" {
        return Err(Some(token));
    }
    let minutes = session["idle_minutes"].as_u64();
    let idle = minutes.map_or(IDLE, |minutes| Duration::from_secs(minutes * 60));
    Ok(Who {
        name: session["user"].as_str().unwrap_or(name).to_owned(),
        token: Some(token),
        idle: Some(idle.min(IDLE)),
    })
}

fn refused(trouble: &Trouble, language: Language) -> String {
    trouble.words(language).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::{Script, told};
    use crate::status::Mode;

    const SESSION: &str = r#"[{"event":"session","user":"anne","role":"administrator","token":"ab12","idle_minutes":5}]"#;

    fn logged_in(answer: Result<Vec<Value>, Trouble>, keys: &str) -> (Option<Who>, Script) {
        let mut script = Script::new(Mode::Installed);
        script.broker = vec![("log-in", answer), ("log-out", told("[]"))];
        script.types(keys);
        let who = ask(&mut &mut script, Language::En).unwrap_or_default();
        (who, script)
    }

    #[test]
    fn an_administrator_is_let_in_for_as_long_as_they_type() {
        let (who, script) = logged_in(told(SESSION), "anne\ndix lamas verts\n");
        let who = who.expect("let in");
        assert_eq!(
            (who.name.as_str(), who.token.as_deref()),
            ("anne", Some("ab12"))
        );
        assert_eq!(who.idle, Some(Duration::from_secs(300)));
        assert!(!format!("{who:?}").contains("ab12"));
        assert_eq!(
            script.asked,
            [r#"broker - {"password":"dix lamas verts","user":"anne","verb":"log-in"}"#]
        );
        assert!(!script.screen().contains("lamas"), "{}", script.screen());
    }

    #[test]
    fn nobody_else_is() {
        let viewer = SESSION.replace("administrator", "viewer");
        let (who, script) = logged_in(told(&viewer), "anne\nx\n");
        assert_eq!(who, None);
        assert!(
            script.screen().contains("administrators"),
            "{}",
            script.screen()
        );
        assert_eq!(script.asked[1], r#"broker ab12 {"verb":"log-out"}"#);
        let wrong = Trouble::Told {
            code: "wrong".to_owned(),
            reason: "the name or the password is wrong".to_owned(),
            reason_fr: String::new(),
            events: vec![],
        };
        let (who, script) = logged_in(Err(wrong), "\nx\n<\n");
        assert_eq!(who, None);
        assert!(script.screen().contains("password is wrong"));
        assert!(script.asked[0].contains(r#""user":"root""#));
        for cut in ["[]", r#"[{"event":"session","role":"administrator"}]"#] {
            assert_eq!(logged_in(told(cut), "\nx\n").0, None);
        }
    }
}
