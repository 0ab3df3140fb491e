//! The users of the settings, and how they are changed: functions from settings to settings. Once there is
//! an administrator there always is one.

use std::path::Path;

use vigie_login::hash;
use vigie_settings::{ChangeError, Changing, Language, Role, Settings, User, UserName, WebHash};

use crate::failure::Failure;
use crate::running::unchanged;
use crate::secret::Secret;

/// Whether somebody may do everything and is not kept out.
#[must_use]
pub fn has_administrator(settings: &Settings) -> bool {
    let in_charge = |user: &User| user.role == Role::Administrator && !user.disabled;
    settings.users.iter().any(in_charge)
}

/// Whether the first administrator can be made: there is none, and one can be saved.
#[must_use]
pub fn is_open(root: &Path) -> bool {
    let settings = Changing::look(root);
    settings.is_ok_and(|loaded| !has_administrator(&loaded.settings))
}

/// What is to be changed of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// What they may do.
    pub role: Option<Role>,
    /// The hash of the password.
    pub password_hash: Option<WebHash>,
    /// The language of their pages; none within for that of the appliance.
    pub language: Option<Option<Language>>,
    /// Whether they are kept out.
    pub disabled: Option<bool>,
}

/// A name that a user may have.
///
/// # Errors
/// It is none.
pub fn name(text: &str) -> Result<UserName, Failure> {
    text.parse::<UserName>()
        .map_err(|why| Failure::user_name(why.said()))
}

/// The hash of a password, as the settings keep it.
///
/// # Errors
/// There are no random numbers.
pub fn hashed(password: &Secret) -> Result<WebHash, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::failed("failed.hash", error);
    let hash = hash::for_user(password.expose()).map_err(|error| failed(&error))?;
    hash.parse().map_err(|error| failed(&error))
}

/// Adds a user.
///
/// # Errors
/// Somebody has the name, or there would be no administrator.
pub fn add(settings: &mut Settings, user: User) -> Result<(), Failure> {
    if settings.users.iter().any(|other| other.name == user.name) {
        return Err(Failure::user_taken());
    }
    settings.users.push(user);
    keeps_an_administrator(settings)
}

/// Changes a user.
///
/// # Errors
/// Nobody has the name, or there would be no administrator.
pub fn change(settings: &mut Settings, name: &str, changes: &Changes) -> Result<(), Failure> {
    let mut users = settings.users.iter_mut();
    let user = users.find(|user| user.name.as_str() == name);
    let user = user.ok_or_else(Failure::no_user)?;
    user.role = changes.role.unwrap_or(user.role);
    user.language = changes.language.unwrap_or(user.language);
    user.disabled = changes.disabled.unwrap_or(user.disabled);
    if let Some(hash) = &changes.password_hash {
        user.password_hash = hash.clone();
    }
    keeps_an_administrator(settings)
}

/// Removes a user.
///
/// # Errors
/// Nobody has the name, or there would be no administrator.
pub fn remove(settings: &mut Settings, name: &str) -> Result<(), Failure> {
    let before = settings.users.len();
    settings.users.retain(|user| user.name.as_str() != name);
    if settings.users.len() == before {
        return Err(Failure::no_user());
    }
    keeps_an_administrator(settings)
}

/// Without one the first visitor would make one anew.
fn keeps_an_administrator(settings: &Settings) -> Result<(), Failure> {
    match has_administrator(settings) {
        true => Ok(()),
        false => Err(Failure::last_administrator()),
    }
}

/// Changes the settings of a system for `who`. Nothing else follows from users, so nothing is applied.
///
/// # Errors
/// `how` refuses, or they cannot be saved: they are as they were.
pub fn saved(
    root: &Path,
    who: &str,
    how: impl FnOnce(&mut Settings) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let changing = Changing::begin(root, who).map_err(unchanged)?;
    let mut settings = changing.old.settings.clone();
    how(&mut settings)?;
    let saved = changing.save(&settings).map_err(ChangeError::Save);
    saved.map_err(unchanged)
}

#[cfg(test)]
pub(crate) mod tests {
    use vigie_settings::Store;

    use super::*;

    /// Name, role, language, whether they are kept out.
    pub(crate) type Row = (&'static str, crate::verb::Role, Option<Language>, bool);

    use crate::verb::Role::{Administrator, Operator, Viewer};

    pub(crate) const USERS: &[Row] = &[
        ("anne", Administrator, None, false),
        ("olga", Operator, None, false),
        ("vera", Viewer, Some(Language::Fr), false),
        ("gina", Viewer, None, false),
        ("dora", Administrator, None, true),
    ];

    pub(crate) fn person((name, role, language, disabled): Row) -> User {
        User {
            name: name.parse().unwrap(),
            role: role.into(),
            language,
            password_hash: hash::NO_USER.parse().unwrap(),
            disabled,
        }
    }

    pub(crate) fn settings(rows: &[Row]) -> Settings {
        Settings {
            users: rows.iter().copied().map(person).collect(),
            ..Settings::default()
        }
    }

    pub(crate) fn save(root: &Path, rows: &[Row]) {
        Store::of_system(root).save(&settings(rows)).unwrap();
    }

    fn code(outcome: Result<(), Failure>) -> &'static str {
        outcome.map_or_else(|failure| failure.code, |()| "")
    }

    #[test]
    fn once_there_is_an_administrator_there_always_is_one() {
        let mut none = Settings::default();
        let gina = person(("gina", Viewer, None, false));
        assert_eq!(code(add(&mut none, gina.clone())), "last-administrator");
        let all = settings(USERS);
        let to = |role: crate::verb::Role| Changes {
            role: Some(role.into()),
            ..Changes::default()
        };
        let kept_out = |disabled| Changes {
            disabled: Some(disabled),
            ..Changes::default()
        };
        for (name, changes, expected) in [
            ("anne", to(Viewer), "last-administrator"),
            ("anne", kept_out(true), "last-administrator"),
            ("anne", Changes::default(), ""),
            ("dora", kept_out(false), ""),
            ("gina", to(Administrator), ""),
            ("gina", kept_out(true), ""),
            ("nina", to(Viewer), "no-user"),
            ("", to(Viewer), "no-user"),
        ] {
            let outcome = change(&mut all.clone(), name, &changes);
            assert_eq!(code(outcome), expected, "{name} {changes:?}");
        }
        assert_eq!(code(remove(&mut all.clone(), "anne")), "last-administrator");
        assert_eq!(code(remove(&mut all.clone(), "nina")), "no-user");
        assert_eq!(code(remove(&mut all.clone(), "gina")), "");
        let mut two = all.clone();
        assert_eq!(code(change(&mut two, "dora", &kept_out(false))), "");
        assert_eq!(code(remove(&mut two, "anne")), "");
        assert_eq!(code(add(&mut two, gina)), "user-taken");
    }

    #[test]
    fn what_is_not_given_stays() {
        let mut all = settings(USERS);
        let old = all.users[2].clone();
        let french_no_more = Changes {
            language: Some(None),
            ..Changes::default()
        };
        change(&mut all, "vera", &french_no_more).unwrap();
        let language = None;
        assert_eq!(all.users[2], User { language, ..old });
        let hash = hashed(&Secret::new("dix lamas verts")).unwrap();
        let password = Changes {
            password_hash: Some(hash.clone()),
            ..Changes::default()
        };
        change(&mut all, "vera", &password).unwrap();
        assert_eq!(all.users[2].password_hash, hash);
        assert_eq!(hash::matches(hash.as_str(), "dix lamas verts"), Some(true));
    }

    #[test]
    fn a_name_is_lower_case_and_no_account_of_the_system() {
        for good in ["anne", "a.b-c_9"] {
            assert_eq!(name(good).unwrap().as_str(), good);
        }
        for wrong in ["", "root", "service", "Anne", "9a", "a b", "é"] {
            assert_eq!(name(wrong).unwrap_err().code, "user-name", "{wrong}");
        }
    }

    #[test]
    fn it_is_open_until_there_is_an_administrator_and_only_where_one_can_be_saved() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        assert!(is_open(root));
        save(root, &[]);
        assert!(is_open(root));
        save(root, USERS);
        assert!(!is_open(root));
        // Damaged ones may have had one.
        let folder = root.join(vigie_settings::store::FOLDER);
        for file in std::fs::read_dir(&folder).unwrap() {
            std::fs::write(file.unwrap().path(), "damaged").unwrap();
        }
        assert!(!is_open(root));
        assert_eq!(
            saved(root, "anne", |_| Ok(())).unwrap_err().code,
            "settings"
        );
    }

    #[test]
    fn what_is_refused_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        save(dir.path(), USERS);
        let folder = dir.path().join(vigie_settings::store::FOLDER);
        let read = || std::fs::read_dir(&folder).unwrap().count();
        let before = read();
        let refused = saved(dir.path(), "anne", |settings| remove(settings, "anne"));
        assert_eq!(refused.unwrap_err().code, "last-administrator");
        assert_eq!(read(), before);
        saved(dir.path(), "anne", |settings| remove(settings, "gina")).unwrap();
        let history = Store::of_system(dir.path()).history().unwrap();
        assert_eq!(history[0].stamp.as_ref().unwrap().who, "anne");
    }
}
