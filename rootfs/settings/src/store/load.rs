//! Which generation is in use: the newest good one, of this form or of an older one (invariant 3). Nothing is
//! written here.

use super::{DocumentError, Files, Settings, Store, VERSION, current, previous, text};
use crate::forms::{FIRST, carried};
use crate::origin::{Loaded, Made, Origin, Unused, digest, without_made};
use crate::stamp::Stamp;

/// A generation that could be read.
pub(super) struct Generation {
    pub(super) settings: Settings,
    /// Where it was migrated from.
    pub(super) made: Option<Made>,
    /// The number that it has, where it was saved by this software.
    pub(super) number: Option<u32>,
}

/// A newer form's document, of which nothing but its first lines can be read.
pub(super) struct Newer {
    form: u32,
    pub(super) made: Option<Made>,
    /// It is as it was made.
    pub(super) is_untouched: bool,
}

/// What became of a form's two files.
enum Found {
    Current(Generation),
    Previous(Generation, String),
    Damaged(String),
    Nothing,
}

impl<F: Files> Store<F> {
    /// Loads the best generation (invariant 3). Nothing is written.
    #[must_use]
    pub fn load(&self) -> Loaded {
        let (settings, origin) = match self.found(VERSION) {
            Found::Current(own) => self.or_since(own, None),
            Found::Previous(own, why) => self.or_since(own, Some(why)),
            Found::Damaged(why) => self.of_older(Some(why)),
            Found::Nothing => self.of_older(None),
        };
        let unused = self.newer_unused();
        Loaded {
            settings,
            origin,
            unused,
        }
    }

    /// This form's own generation, unless an older system has saved its document since that was
    /// migrated: then that one. `damage` is what is wrong with this form's current one.
    fn or_since(&self, own: Generation, damage: Option<String>) -> (Settings, Origin) {
        let since = own.made.as_ref().filter(|made| {
            let older = self.files.read(&current(made.form));
            matches!(older, Ok(Some(bytes)) if digest(&bytes) != made.source)
        });
        let migrated = since.and_then(|made| match self.found(made.form) {
            Found::Current(older) => {
                let settings = carried(older.settings, &own.settings, made.form);
                Some((settings, made.form))
            }
            _ => None,
        });
        match migrated {
            Some((settings, from)) => (settings, Origin::Since { from, damage }),
            None => {
                let previous = |why| Origin::Previous { why };
                (own.settings, damage.map_or(Origin::Current, previous))
            }
        }
    }

    /// The newest of the older forms; `damage` is what is wrong with this form's own.
    fn of_older(&self, damage: Option<String>) -> (Settings, Origin) {
        for from in (FIRST..VERSION).rev() {
            match self.found(from) {
                Found::Nothing => {}
                Found::Current(older) | Found::Previous(older, _) => {
                    return (older.settings, Origin::Migrated { from, damage });
                }
                Found::Damaged(why) => {
                    let origin = match damage {
                        Some(own) => Origin::Defaults {
                            why: format!("{own}; {why}"),
                        },
                        None => Origin::Unmigrated { from, why },
                    };
                    return (Settings::default(), origin);
                }
            }
        }
        let origin = damage.map_or(Origin::Absent, |why| Origin::Defaults { why });
        (Settings::default(), origin)
    }

    /// The newest of the newer forms whose document was changed after it was migrated, so that this one lacks
    /// something that a person has saved. What is saved here is taken over where each newer form looks for
    /// it here ([`Self::or_since`]), and nowhere in between.
    fn newer_unused(&self) -> Option<Unused> {
        let names = self.files.names().unwrap_or_default();
        let form = |name: &String| {
            let form = name.strip_prefix("current.")?.strip_suffix(".toml")?;
            form.parse().ok().filter(|form| *form > VERSION)
        };
        let mut forms: Vec<u32> = names.iter().filter_map(form).collect();
        forms.sort_unstable();
        let newest = self.newer(*forms.last()?)?;
        let is_ours = |form: &u32| {
            let newer = self.newer(*form);
            newer.is_some_and(|one| one.made.is_some_and(|made| made.form == VERSION))
        };
        (!newest.is_untouched).then(|| Unused {
            form: newest.form,
            takes_over: forms.iter().all(is_ours),
        })
    }

    pub(super) fn newer(&self, form: u32) -> Option<Newer> {
        let bytes = self.files.read(&current(form)).ok()??;
        let text = text(bytes).unwrap_or_default();
        let made = Made::of(&text);
        let as_made = |made: &Made| made.result == digest(without_made(&text).as_bytes());
        let is_untouched = made.as_ref().is_some_and(as_made);
        Some(Newer {
            form,
            made,
            is_untouched,
        })
    }

    fn found(&self, form: u32) -> Found {
        let current = current(form);
        let why = match self.generation(&current) {
            Ok(Some(generation)) => return Found::Current(generation),
            Ok(None) => None,
            Err(why) => Some(why),
        };
        let previous = self.generation(&previous(form));
        let kept = match form {
            VERSION => self.newest_kept(),
            _ => None,
        };
        let missing = || format!("{current} is missing");
        match (previous, kept) {
            (Ok(None), None) => why.map_or(Found::Nothing, Found::Damaged),
            (Err(second), None) => match why {
                Some(why) => Found::Damaged(format!("{why}; {second}")),
                None => Found::Damaged(format!("{}, {second}", missing())),
            },
            (Err(second), Some(kept)) => {
                let why = why.unwrap_or_else(missing);
                Found::Previous(kept, format!("{why}; {second}"))
            }
            (Ok(previous), kept) => {
                // Where they are equally old they are the same.
                let both = previous.into_iter().chain(kept);
                let newest = both.max_by_key(|one| one.number);
                let why = why.unwrap_or_else(missing);
                newest.map_or(Found::Nothing, |one| Found::Previous(one, why))
            }
        }
    }

    /// The generation in a file; nothing where there is none.
    pub(super) fn generation(&self, name: &str) -> Result<Option<Generation>, String> {
        let read = || -> Result<_, DocumentError> {
            let Some(bytes) = self.files.read(name)? else {
                return Ok(None);
            };
            let text = text(bytes)?;
            let settings = Settings::from_text(&text)?;
            Ok(Some(Generation {
                settings,
                made: Made::of(&text),
                number: Stamp::of(&text).map(|stamp| stamp.number),
            }))
        };
        read().map_err(|error| format!("{name}: {error}"))
    }
}
