//! The commands, and how they say what they did.

pub mod backup;
pub mod change;
pub mod live;
pub mod show;
mod trail;

use std::io::{self, Read, Write};
use std::path::Path;

use serde_json::{Value, json};
use vigie_settings::backup::BackupError;
use vigie_settings::live::trial::TrialError;
use vigie_settings::{
    ChangeError, DocumentError, Language, Loaded, Problem, Problems, Said, SaveError, said,
};

/// Why a command did not do it.
#[derive(Debug)]
pub enum Failure {
    /// Something did not work.
    Failed(Said),
    /// What was asked for is not allowed.
    Refused(Vec<Problem>),
    /// There is no such thing.
    Missing(Said),
    /// It was made by newer software.
    Newer(Said),
    /// A backup that cannot be read.
    Unreadable(Said),
}

impl Failure {
    /// The exit code of the program.
    pub fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Refused(_) => 3,
            Self::Missing(_) => 4,
            Self::Newer(_) => 5,
            Self::Unreadable(_) => 6,
        }
    }

    /// A refusal of a field.
    pub fn refused(field: &str, text: Said) -> Self {
        Self::Refused(vec![Problem::new(field, text)])
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Failed(_) => "failed",
            Self::Refused(_) => "refused",
            Self::Missing(_) => "missing",
            Self::Newer(_) => "newer",
            Self::Unreadable(_) => "unreadable",
        }
    }

    fn problems(&self) -> Vec<(&str, &Said)> {
        match self {
            Self::Refused(problems) => {
                let problems = problems.iter();
                problems
                    .map(|one| (one.field.as_str(), &one.text))
                    .collect()
            }
            Self::Failed(text)
            | Self::Missing(text)
            | Self::Newer(text)
            | Self::Unreadable(text) => vec![("", text)],
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Failed(Said::same(error))
    }
}

impl From<DocumentError> for Failure {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Check(Problems(problems)) => Self::Refused(problems),
            DocumentError::Io(error) => error.into(),
            DocumentError::Read(error) => {
                let field = error.field.clone().unwrap_or_default();
                Self::refused(&field, error.said())
            }
            other => Self::refused("", other.said()),
        }
    }
}

impl From<SaveError> for Failure {
    fn from(error: SaveError) -> Self {
        match error {
            SaveError::Check(Problems(problems)) => Self::Refused(problems),
            other => Self::Failed(other.said()),
        }
    }
}

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Newer { .. } => Self::Newer(error.said()),
            ChangeError::Save(error) => error.into(),
            ChangeError::Trial => Self::refused("", error.said()),
            ChangeError::Lost
            | ChangeError::Locked(_)
            | ChangeError::NotOnTrial(_)
            | ChangeError::Damaged { .. } => Self::Failed(error.said()),
        }
    }
}

impl From<TrialError> for Failure {
    fn from(error: TrialError) -> Self {
        match error {
            TrialError::Unfit(_) => Self::refused("", error.said()),
            TrialError::Change(error) => error.into(),
            TrialError::Followed(_) | TrialError::Io(_) => Self::Failed(error.said()),
        }
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        match error {
            BackupError::Document(error) => error.into(),
            BackupError::Newer { .. } => Self::Newer(error.said()),
            BackupError::ShortPassphrase => Self::refused("", error.said()),
            BackupError::System(_) => Self::Failed(error.said()),
            _ => Self::Unreadable(error.said()),
        }
    }
}

/// How things are said.
#[derive(Clone, Copy, Debug)]
pub struct Out {
    /// As JSON.
    pub json: bool,
    /// In which language.
    pub language: Language,
}

impl Out {
    /// A value for scripts, or lines for people.
    pub fn say(self, value: &Value, lines: impl FnOnce() -> String) {
        let text = match self.json {
            true => format!("{value}\n"),
            false => lines(),
        };
        // Whoever does not listen any more has heard enough.
        let _ = io::stdout().write_all(text.as_bytes());
    }

    /// A line for people.
    pub fn line(self, said: Said) {
        if !self.json {
            println!("{}", said.to(self.language));
        }
    }

    /// What went wrong.
    pub fn fail(self, failure: &Failure) {
        let problems = failure.problems();
        if self.json {
            let problems: Vec<Value> = problems
                .iter()
                .map(|(field, text)| {
                    json!({
                        "field": field,
                        "en": text.to(Language::En),
                        "fr": text.to(Language::Fr),
                    })
                })
                .collect();
            let error = json!({ "kind": failure.kind(), "problems": problems });
            self.say(&json!({ "error": error }), String::new);
            return;
        }
        for (field, text) in problems {
            let field = match field {
                "" => String::new(),
                field => format!("{field}: "),
            };
            eprintln!("vigie-settings: {field}{}", text.to(self.language));
        }
    }

    /// What a person must know beside what was asked for.
    pub fn warn(self, loaded: &Loaded) {
        for warning in loaded.warnings() {
            eprintln!("vigie-settings: {warning}");
        }
    }
}

/// Who changes something, where nobody says it: the name before `sudo`, or the account.
pub fn who() -> String {
    let name = ["SUDO_USER", "LOGNAME", "USER"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    name.unwrap_or_else(|| "command line".to_owned())
}

/// All of a file, or of standard input for `-`; more than `most` bytes are refused.
fn input(file: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    let named = |error: io::Error| {
        let values = [
            ("file", Said::same(file.display())),
            ("error", Said::same(error)),
        ];
        Failure::Failed(said("command.reading", &values))
    };
    let mut bytes = Vec::new();
    let most_and_one = most as u64 + 1;
    match file.as_os_str() == "-" {
        true => io::stdin()
            .lock()
            .take(most_and_one)
            .read_to_end(&mut bytes),
        false => std::fs::File::open(file)
            .and_then(|file| file.take(most_and_one).read_to_end(&mut bytes)),
    }
    .map_err(named)?;
    if bytes.len() > most {
        let values = [("most", Said::same(most))];
        return Err(Failure::refused("", said("document.too-large", &values)));
    }
    Ok(bytes)
}
