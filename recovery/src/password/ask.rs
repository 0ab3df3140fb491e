//! Where the new password comes from: a person types it twice, or a script hands it over.

use std::io::{self, Read};

use anyhow::{Context, Result};
use vigie_installer::messages::Text;
use vigie_installer::screen::password::{SHORTEST, Strength};
use vigie_prompt::{Answer, Item, Prompter, Secret};
use vigie_settings::Language;

use super::Account;
use crate::message::Message;
use crate::refusal::Refusal;

/// Longer lines are no password.
const LONGEST: u64 = 1024;

/// Asks a person for a new password, with the rule and the words of the installation: at least 8
/// characters, a weak one only on purpose, typed twice. None where the person went back.
///
/// # Errors
/// The terminal failed or was closed.
pub fn person(
    prompter: &mut dyn Prompter,
    account: Account,
    host: &str,
    warnings: &[Message],
    language: Language,
) -> io::Result<Option<Secret>> {
    let (title, what) = match account {
        Account::Root => ("password.title-root", "password.what-root"),
        Account::Service => ("password.title-service", "password.what-service"),
    };
    prompter.page(&Message::new(title).with("host", host).to(language))?;
    let mut lines: Vec<String> = warnings.iter().map(|one| one.to(language)).collect();
    lines.push(Message::new(what).with("least", SHORTEST).to(language));
    if prompter.tell(&lines)? == Answer::Back {
        return Ok(None);
    }
    let say = |text: Text| text.to(language);
    loop {
        let Answer::Given(password) = prompter.secret(&say(Text::new("password.label")))? else {
            return Ok(None);
        };
        if password.expose().chars().count() < SHORTEST {
            prompter.tell(&[say(Text::new("password.short").with("least", SHORTEST))])?;
            continue;
        }
        let strength = Strength::of(&password, host);
        prompter.tell(&[say(strength.text())])?;
        if strength.is_weak() && !keeps(prompter, language)? {
            continue;
        }
        if again(prompter, &password, language)? {
            return Ok(Some(password));
        }
    }
}

/// Whether a weak password is kept.
fn keeps(prompter: &mut dyn Prompter, language: Language) -> io::Result<bool> {
    prompter.tell(&[Text::new("password.sure").to(language)])?;
    let items =
        ["password.another", "password.keep"].map(|key| Item::new(Text::new(key).to(language)));
    Ok(prompter.choose(&items, 0)? == Answer::Given(1))
}

/// Whether the same was typed once more; not where the person goes back.
fn again(prompter: &mut dyn Prompter, password: &Secret, language: Language) -> io::Result<bool> {
    loop {
        match prompter.secret(&Text::new("password.again").to(language))? {
            Answer::Back => return Ok(false),
            Answer::Given(again) if again == *password => return Ok(true),
            Answer::Given(_) => {
                prompter.tell(&[Text::new("password.differs").to(language)])?;
            }
        }
    }
}

/// Takes a password from a script: one line. A weak one is refused unless that is meant.
///
/// # Errors
/// A [`Refusal`], or it cannot be read.
pub fn script(from: impl Read, host: &str, weak_too: bool) -> Result<Secret> {
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let mut text = String::with_capacity(LONGEST as usize + 1);
    let read = from.take(LONGEST + 1).read_to_string(&mut text);
    match read {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(Refusal::NoPassword.into());
        }
        read => drop(read.context("reading the password")?),
    }
    let text = Secret::new(text);
    let line = text.expose().strip_suffix('\n').unwrap_or(text.expose());
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.len() as u64 > LONGEST || line.contains(char::is_control) {
        return Err(Refusal::NoPassword.into());
    }
    if line.chars().count() < SHORTEST {
        return Err(Refusal::TooShort(SHORTEST).into());
    }
    let password = Secret::new(line.to_owned());
    if Strength::of(&password, host).is_weak() && !weak_too {
        return Err(Refusal::Weak.into());
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use vigie_prompt::{Field, Words};

    /// A person who answers what was written down; "<" goes back, "1" is the second of two.
    struct Script {
        answers: VecDeque<&'static str>,
        said: Vec<String>,
    }

    impl Script {
        fn next<T>(&mut self, make: impl Fn(&str) -> T) -> io::Result<Answer<T>> {
            let next = self.answers.pop_front();
            let next = next.ok_or(io::ErrorKind::UnexpectedEof)?;
            Ok(match next {
                "<" => Answer::Back,
                text => Answer::Given(make(text)),
            })
        }
    }

    impl Prompter for Script {
        fn speak(&mut self, _words: &'static Words) {}
        fn page(&mut self, title: &str) -> io::Result<()> {
            self.said.push(title.to_owned());
            Ok(())
        }
        fn tell(&mut self, lines: &[String]) -> io::Result<Answer<()>> {
            self.said.extend_from_slice(lines);
            Ok(Answer::Given(()))
        }
        fn pause(&mut self) -> io::Result<Answer<()>> {
            Ok(Answer::Given(()))
        }
        fn choose(&mut self, _items: &[Item], _default: usize) -> io::Result<Answer<usize>> {
            self.next(|text| text.parse().unwrap())
        }
        fn choose_several(
            &mut self,
            _items: &[Item],
            _marked: &[usize],
        ) -> io::Result<Answer<Vec<usize>>> {
            panic!("nothing is marked")
        }
        fn line(&mut self, _field: &Field<'_>) -> io::Result<Answer<String>> {
            panic!("a password is no line")
        }
        fn secret(&mut self, _label: &str) -> io::Result<Answer<Secret>> {
            self.next(|text| Secret::new(text.to_owned()))
        }
        fn forget_typed(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const GOOD: &str = "dix lamas verts sautent";

    #[test]
    fn a_person_types_it_twice_and_a_weak_one_on_purpose() {
        for (answers, expected, left) in [
            (&[GOOD, GOOD][..], Some(GOOD), 0),
            (&["short", GOOD, "other", GOOD], Some(GOOD), 0),
            (&["motdepasse", "0", GOOD, GOOD], Some(GOOD), 0),
            (&["motdepasse", "1", "motdepasse"], Some("motdepasse"), 0),
            (&[GOOD, "<", GOOD, GOOD], Some(GOOD), 0),
            (&["<", GOOD], None, 1),
        ] {
            let mut person_ = Script {
                answers: answers.iter().copied().collect(),
                said: Vec::new(),
            };
            let got = person(
                &mut person_,
                Account::Root,
                "hall",
                &[Message::new("disks.watch")],
                Language::Fr,
            )
            .unwrap();
            assert!(person_.said.concat().contains("Un disque inquiétant"));
            assert_eq!(got.as_ref().map(Secret::expose), expected, "{answers:?}");
            assert_eq!(person_.answers.len(), left);
            assert!(!person_.said.concat().contains("lamas"));
        }
    }

    #[test]
    fn a_script_hands_over_one_line() {
        let take = |text: &[u8], weak| {
            let taken = script(text, "hall", weak);
            taken.map(|one| one.expose().to_owned()).map_err(|error| {
                assert!(!format!("{error:?}").contains("lamas"));
                error.downcast::<Refusal>().unwrap()
            })
        };
        let good = |end: &str| (GOOD.to_owned() + end).into_bytes();
        for end in ["", "\n", "\r\n"] {
            assert_eq!(take(&good(end), false).as_deref(), Ok(GOOD));
        }
        assert_eq!(take(&good("\nmore"), false), Err(Refusal::NoPassword));
        assert_eq!(take(&good("\0"), false), Err(Refusal::NoPassword));
        assert_eq!(take(&[0xFF; 20], false), Err(Refusal::NoPassword));
        assert_eq!(take(&[b'x'; 2000], true), Err(Refusal::NoPassword));
        assert_eq!(take(b"seven77\n", true), Err(Refusal::TooShort(SHORTEST)));
        assert_eq!(take(b"", true), Err(Refusal::TooShort(SHORTEST)));
        assert_eq!(take(b"motdepasse", false), Err(Refusal::Weak));
        assert_eq!(take(b"motdepasse", true).as_deref(), Ok("motdepasse"));
    }
}
