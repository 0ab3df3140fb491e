//! Who is let in, and what is done to those who are: log-ins, the first setup, users and passwords.

use serde_json::{Value, json};
use vigie_login::hash;
use vigie_login::waits::{Waits, now};
use vigie_settings::{Account, Language, SHORTEST_PASSWORD, Store};

use super::{Desk, Place, Speaker, Told};
use crate::audit::{Ended, Record};
use crate::failure::Failure;
use crate::login::{self, Answer};
use crate::peer::Peer;
use crate::people::{self, Changes};
use crate::secret::Secret;
use crate::users::{ROOT, User};
use crate::verb::{Request, Role, Verb};

/// Who wants to be the first administrator.
struct First<'a> {
    code: &'a Secret,
    name: &'a str,
    password: &'a Secret,
    language: Option<Language>,
}

impl Desk<'_> {
    /// What anybody may ask.
    pub(super) fn answer_anybody(
        &mut self,
        ask: &Request,
        place: &Place,
        told: &mut Told,
    ) -> Result<(), Failure> {
        match ask {
            Request::LogIn {
                user,
                password,
                browser,
            } => self.log_in((user, password), browser.as_deref(), place, told),
            Request::SetupState {} => {
                told.send(&json!({"event": "setup", "open": people::is_open(&self.root)}));
                Ok(())
            }
            Request::Setup {
                code,
                user,
                password,
                language,
            } => {
                let first = First {
                    code,
                    name: user,
                    password,
                    language: *language,
                };
                self.set_up(&first, place, told)
            }
            _ => Err(Failure::request()),
        }
    }

    fn log_in(
        &mut self,
        (name, password): (&str, &Secret),
        browser: Option<&str>,
        place: &Place,
        told: &mut Told,
    ) -> Result<(), Failure> {
        if browser.is_some_and(|browser| !login::is_browser(browser)) {
            return Err(Failure::request());
        }
        let counted = login::counted(&place.from, browser, name);
        let who = (name, password);
        let answer = login::judge(
            &self.attempts,
            (self.users, place.peer),
            who,
            &counted,
            now(),
        );
        let user = match answer {
            Answer::Welcome(user) => user,
            // One that was not looked at is not written down: there is no end of them.
            Answer::Wait(left) => return Err(Failure::wait(left)),
            Answer::Wrong => {
                // What is nobody's name may be a password that was typed at the wrong place.
                let known = self.users.find(name, place.peer).map(|user| user.name);
                let record = Record {
                    about: Some(known.unwrap_or_else(|| "?".to_owned())),
                    code: Some("wrong".to_owned()),
                    ..place.record(Verb::LogIn, Ended::Refused)
                };
                self.write_down(Verb::LogIn, &record, told);
                return Err(Failure::wrong());
            }
        };
        let record = Record {
            who: Some(user.name.clone()),
            role: Some(user.role),
            ..place.record(Verb::LogIn, Ended::Done)
        };
        let begun = self.begin(user, place.peer)?;
        self.write_down(Verb::LogIn, &record, told);
        told.send(&begun);
        Ok(())
    }

    /// Begins a session, and says so.
    fn begin(&self, user: User, peer: Peer) -> Result<Value, Failure> {
        let token = self.sessions.begin(&user, peer, now());
        let token = token.map_err(|error| Failure::failed("failed.session", error))?;
        let mut begun = self.session(&Speaker::of(user, peer));
        begun["token"] = token.expose().into();
        Ok(begun)
    }

    /// Who speaks, as it is told.
    pub(super) fn session(&self, speaker: &Speaker) -> Value {
        json!({
            "event": "session", "user": speaker.who, "role": speaker.role,
            "language": speaker.language, "idle_minutes": self.sessions.idle.as_secs() / 60,
        })
    }

    fn set_up(&mut self, first: &First<'_>, place: &Place, told: &mut Told) -> Result<(), Failure> {
        if !people::is_open(&self.root) {
            return Err(Failure::closed());
        }
        let name = people::name(first.name)?;
        good(first.password)?;
        self.code_is_right(first.code, place, told)?;
        let record = |ended, code| Record {
            who: Some(name.to_string()),
            role: Some(Role::Administrator),
            code,
            ..place.record(Verb::Setup, ended)
        };
        self.announce(Verb::Setup, &record(Ended::Asked, None));
        let user = people::hashed(first.password).map(|password_hash| vigie_settings::User {
            name: name.clone(),
            role: vigie_settings::Role::Administrator,
            language: first.language,
            password_hash,
            disabled: false,
        });
        let outcome = user.and_then(|user| {
            let told = User::from(&user);
            people::saved(&self.root, name.as_str(), |settings| {
                // Of two who have the code, one is the first.
                match people::has_administrator(settings) {
                    true => Err(Failure::closed()),
                    false => people::add(settings, user),
                }
            })?;
            Ok(told)
        });
        let code = outcome
            .as_ref()
            .err()
            .map(|failure| failure.code.to_owned());
        let ended = match &outcome {
            Ok(_) => Ended::Done,
            Err(failure) if failure.refused => Ended::Refused,
            Err(_) => Ended::Failed,
        };
        self.write_down(Verb::Setup, &record(ended, code), told);
        let user = outcome?;
        if let Err(error) = self.code.forget() {
            // It opens nothing where there is an administrator.
            eprintln!("vigie-broker: the code of the first setup stays: {error}");
        }
        told.send(&self.begin(user, place.peer)?);
        Ok(())
    }

    /// Counts a code like a password.
    fn code_is_right(&self, code: &Secret, place: &Place, told: &mut Told) -> Result<(), Failure> {
        let failed = |error| Failure::failed("failed.code", error);
        let waits = Waits {
            path: self.attempts.clone(),
        };
        let counted = login::counted_code(&place.from);
        if let Some(left) = waits.begin(&counted, now()).map_err(failed)? {
            return Err(Failure::wait(left));
        }
        if self.code.is(code.expose()).map_err(failed)? {
            return waits.forget(&counted).map_err(failed);
        }
        let record = Record {
            code: Some("wrong-code".to_owned()),
            ..place.record(Verb::Setup, Ended::Refused)
        };
        self.write_down(Verb::Setup, &record, told);
        Err(Failure::wrong_code())
    }

    /// Whether something can be done at all, before it is begun.
    pub(super) fn sense(
        &self,
        ask: &Request,
        speaker: &Speaker,
        place: &Place,
    ) -> Result<(), Failure> {
        match ask {
            Request::SetPassword { password, own, .. } => {
                good(password)?;
                match (place.peer, own) {
                    // Root could do it all anyway.
                    (Peer::Root, None) => Ok(()),
                    (Peer::Web, None) => Err(Failure::wrong_own()),
                    (_, Some(own)) => self.is_own(speaker, own),
                }
            }
            Request::SetOwnPassword { old, new } => {
                good(new)?;
                self.is_own(speaker, old)
            }
            // Whose session is in strange hands ends it themselves.
            Request::SessionsEnd { name } if *name != speaker.who => {
                match speaker.role < Role::Administrator {
                    true => Err(Failure::role(Role::Administrator)),
                    false => Ok(()),
                }
            }
            Request::UserAdd { name, password, .. } => {
                people::name(name)?;
                good(password)
            }
            Request::UserChange {
                password: Some(password),
                ..
            } => good(password),
            _ => Ok(()),
        }
    }

    /// Whether who speaks knows their password: a session that somebody was found at is not enough.
    fn is_own(&self, speaker: &Speaker, own: &Secret) -> Result<(), Failure> {
        let counted = login::counted_own(&speaker.who);
        let who = (&*speaker.who, own);
        let users = (self.users, speaker.peer);
        match login::judge(&self.attempts, users, who, &counted, now()) {
            Answer::Welcome(_) => Ok(()),
            Answer::Wrong => Err(Failure::wrong_own()),
            Answer::Wait(left) => Err(Failure::wait(left)),
        }
    }

    pub(super) fn act_on_people(
        &mut self,
        ask: &Request,
        speaker: &Speaker,
        token: Option<&Secret>,
        told: &mut Told,
    ) -> Result<(), Failure> {
        match ask {
            Request::SetupCode {} => self.tell_code(told),
            Request::SetPassword {
                account, password, ..
            } => self.set_password(*account, password, speaker, token, told),
            Request::SetOwnPassword { new, .. } if speaker.who == ROOT => {
                self.set_password(Account::Root, new, speaker, token, told)
            }
            Request::SetOwnPassword { new, .. } => {
                let changes = Changes {
                    password_hash: Some(people::hashed(new)?),
                    ..Changes::default()
                };
                self.change_user(&speaker.who, &changes, speaker, token)
            }
            Request::Users {} => {
                self.tell_users(told);
                Ok(())
            }
            Request::UserAdd {
                name,
                role,
                password,
                language,
            } => {
                let user = vigie_settings::User {
                    name: people::name(name)?,
                    role: (*role).into(),
                    language: *language,
                    password_hash: people::hashed(password)?,
                    disabled: false,
                };
                people::saved(&self.root, &speaker.who, |all| people::add(all, user))
            }
            Request::UserChange {
                name,
                role,
                password,
                language,
                disabled,
            } => {
                let changes = Changes {
                    role: role.map(Into::into),
                    password_hash: password.as_ref().map(people::hashed).transpose()?,
                    language: *language,
                    disabled: *disabled,
                };
                self.change_user(name, &changes, speaker, token)
            }
            Request::UserRemove { name } => {
                people::saved(&self.root, &speaker.who, |all| people::remove(all, name))
            }
            Request::SessionsEnd { name } => {
                let ended = self.sessions.end_of(name, token, now());
                let ended = ended.map_err(|error| Failure::failed("failed.session", error))?;
                told.send(&json!({"event": "ended", "sessions": ended}));
                Ok(())
            }
            _ => Err(Failure::request()),
        }
    }

    fn tell_code(&self, told: &mut Told) -> Result<(), Failure> {
        if !people::is_open(&self.root) {
            return Err(Failure::closed());
        }
        let code = self.code.shown();
        let code = code.map_err(|error| Failure::failed("failed.code", error))?;
        told.send(&json!({"event": "code", "code": code}));
        Ok(())
    }

    fn tell_users(&self, told: &mut Told) {
        for user in Store::of_system(&self.root).load().settings.users {
            told.send(&json!({
                "event": "user", "name": user.name, "role": Role::from(user.role),
                "language": user.language, "disabled": user.disabled,
            }));
        }
    }

    fn change_user(
        &self,
        name: &str,
        changes: &Changes,
        speaker: &Speaker,
        token: Option<&Secret>,
    ) -> Result<(), Failure> {
        people::saved(&self.root, &speaker.who, |all| {
            people::change(all, name, changes)
        })?;
        self.stay(name, speaker, token)
    }

    fn set_password(
        &mut self,
        account: Account,
        password: &Secret,
        speaker: &Speaker,
        token: Option<&Secret>,
        told: &mut Told,
    ) -> Result<(), Failure> {
        if let Some(warning) = self.machine.set_password(&speaker.who, account, password)? {
            told.warn(&warning);
        }
        self.stay(account.name(), speaker, token)
    }

    /// Who has set their own password stays logged in; all others who were, by the old one, are not.
    fn stay(&self, name: &str, speaker: &Speaker, token: Option<&Secret>) -> Result<(), Failure> {
        if let (true, Some(token), Some(user)) = (
            name == speaker.who,
            token,
            self.users.find(&speaker.who, speaker.peer),
        ) {
            let renewed = self.sessions.renew(token, &user, now());
            renewed.map_err(|error| Failure::failed("failed.session", error))?;
        }
        Ok(())
    }
}

/// Whether a password can be set.
fn good(password: &Secret) -> Result<(), Failure> {
    let text = password.expose();
    let good = text.chars().count() >= SHORTEST_PASSWORD
        && text.len() <= hash::LONGEST
        && !text.contains(char::is_control);
    good.then_some(())
        .ok_or_else(|| Failure::password(SHORTEST_PASSWORD))
}

#[cfg(test)]
mod tests;
