//! Where loaded settings come from, and the line by which a migrated document tells the same.

use sha2::{Digest, Sha256};

use crate::document::Settings;

/// Settings, and where they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The document.
    pub settings: Settings,
    /// Which generation it is.
    pub origin: Origin,
    /// A newer form of the document that was changed by the system of the other slot.
    pub unused: Option<Unused>,
}

/// A newer form of the document, which this system does not use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unused {
    /// Which.
    pub form: u32,
    /// Whether that system takes over what is saved here: its document was made from this form's.
    pub takes_over: bool,
}

/// Which generation was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The newest one.
    Current,
    /// There is no document: a live system, or an appliance that was never configured.
    Absent,
    /// The one before, because the current one is damaged.
    Previous {
        /// What is wrong with the current one.
        why: String,
    },
    /// That of an older system.
    Migrated {
        /// Its form.
        from: u32,
        /// What is wrong with this system's own, where it has one.
        damage: Option<String>,
    },
    /// That of an older system, which was saved after this system's own was made from it.
    Since {
        /// Its form.
        from: u32,
        /// What is wrong with this system's own; what the older one cannot say is then that of the
        /// generation before.
        damage: Option<String>,
    },
    /// The defaults, because the document of an older system cannot be used.
    Unmigrated {
        /// Its form.
        from: u32,
        /// Why not.
        why: String,
    },
    /// The defaults, because every generation is damaged.
    Defaults {
        /// What is wrong with them.
        why: String,
    },
}

impl Origin {
    /// Whether there are settings that are not the ones in use: what was saved last, or what was
    /// made of it, was refused.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        match self {
            Self::Current
            | Self::Absent
            | Self::Since { damage: None, .. }
            | Self::Migrated { damage: None, .. } => false,
            Self::Previous { .. }
            | Self::Since {
                damage: Some(_), ..
            }
            | Self::Migrated {
                damage: Some(_), ..
            }
            | Self::Unmigrated { .. }
            | Self::Defaults { .. } => true,
        }
    }

    /// Whether they are what somebody saved, and not the defaults in the place of it.
    #[must_use]
    pub fn is_document(&self) -> bool {
        !matches!(
            self,
            Self::Absent | Self::Unmigrated { .. } | Self::Defaults { .. }
        )
    }

    /// What a person must know; `None` when all is well.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        match self {
            Self::Current | Self::Absent | Self::Migrated { damage: None, .. } => None,
            Self::Previous { why } => Some(format!(
                "the settings are damaged, the generation before them is used; restore a backup, or a generation (`vigie-settings history`) ({why})"
            )),
            Self::Migrated {
                damage: Some(why), ..
            } => Some(format!(
                "the settings are damaged, those of the version before are used; restore a backup, or a generation (`vigie-settings history`) ({why})"
            )),
            Self::Since {
                damage: Some(why), ..
            } => Some(format!(
                "the settings are damaged; those that the older version saved meanwhile are used, \
                 with users and the like of the generation before; restore a backup, or a generation (`vigie-settings history`) ({why})"
            )),
            Self::Since { damage: None, .. } => Some(
                "the settings that the older version saved meanwhile are used; \
                 those of before are kept beside them, check them and save them again"
                    .to_owned(),
            ),
            Self::Unmigrated { from, why } => Some(format!(
                "the settings of the version before (form {from}) cannot be used by this one, the defaults are; \
                 go back to that version, or configure anew ({why})"
            )),
            Self::Defaults { why } => Some(format!(
                "the settings are damaged, the defaults are used; restore a backup or configure anew ({why})"
            )),
        }
    }
}

impl Loaded {
    /// What a person must know.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let unused = self.unused.map(|Unused { form, takes_over }| {
            let then = match takes_over {
                true => "it takes over what is changed here, in place of what it has of the same fields",
                false => "nothing can be changed here without leaving them behind",
            };
            format!(
                "settings that were saved under a newer version (form {form}) are not used by this version; \
                 update to it again to have them; {then}"
            )
        });
        self.origin.warning().into_iter().chain(unused).collect()
    }
}

/// A sha256 digest in hexadecimal digits.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// How a line begins that says where a document was migrated from. All later software reads it
/// in documents of all forms, so it stays as it is.
const MADE: &str = "#= from ";

/// Where a document was migrated from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Made {
    /// The form of its source.
    pub form: u32,
    /// The digest of the source's file.
    pub source: String,
    /// The digest of the document's text as it was made.
    pub result: String,
}

impl Made {
    /// Reads the line in a document.
    pub fn of(text: &str) -> Option<Self> {
        let line = text.lines().find_map(|line| line.strip_prefix(MADE))?;
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [form, source, "as", result] = words[..] else {
            return None;
        };
        Some(Self {
            form: form.parse().ok()?,
            source: source.to_owned(),
            result: result.to_owned(),
        })
    }

    /// A document's text with the line.
    pub fn put(made: Option<&Self>, text: &str) -> String {
        let line =
            made.map(|made| format!("{MADE}{} {} as {}\n", made.form, made.source, made.result));
        line.unwrap_or_default() + text
    }
}

/// A document's text without the line.
pub(crate) fn without_made(text: &str) -> String {
    text.split_inclusive('\n')
        .filter(|line| !line.starts_with(MADE))
        .collect()
}
