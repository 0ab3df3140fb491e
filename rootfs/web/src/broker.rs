//! The broker (`vigie-broker`): who may log in, and having done what only root may do, each by the role
//! of whoever speaks. It judges the role; what is looked at here only decides what is shown.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::language::Language;
use crate::lines::Lines;

/// Whether a first visitor may set the appliance up is asked no more often: anybody may ask us.
const KEPT_FOR: Duration = Duration::from_secs(5);

/// Questions at once: `vigie-broker.socket` takes 24 of one account.
const PLACES: usize = 20;

/// What somebody may do; each one includes those before it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Viewer,
    Operator,
    Administrator,
}

impl Role {
    /// All, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Administrator];

    /// As the broker writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Administrator => "administrator",
        }
    }
}

/// Who speaks, and from where.
#[derive(Clone, Copy, Debug)]
pub struct Speaker<'a> {
    /// Of their session with the broker; none where nobody is logged in.
    pub token: Option<&'a str>,
    pub from: IpAddr,
    /// A page asks by itself: the session is not used by it.
    pub quiet: bool,
}

impl<'a> Speaker<'a> {
    /// Nobody who is logged in.
    pub fn nobody(from: IpAddr) -> Self {
        Self {
            token: None,
            from,
            quiet: false,
        }
    }

    /// Whoever the session is of.
    pub fn of(token: &'a str, from: IpAddr) -> Self {
        Self {
            token: Some(token),
            ..Self::nobody(from)
        }
    }
}

/// Who has logged in, as they are now.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct User {
    #[serde(rename = "user")]
    pub name: String,
    pub role: Role,
    /// What they want the pages in.
    #[serde(default)]
    pub language: Option<Language>,
    /// After so many minutes without a request the session is over.
    #[serde(default = "idle")]
    pub idle_minutes: u64,
}

/// What the settings say by default.
fn idle() -> u64 {
    30
}

/// Where the broker is asked.
#[derive(Clone, Debug)]
pub struct Broker {
    lines: Lines,
    /// What it said last of the first setup, and when.
    open: Arc<Mutex<Option<(Instant, bool)>>>,
}

fn silent() -> Failure {
    Failure::machine(
        "the service that judges passwords and changes settings does not answer; restart the appliance, \
         or use its console",
        "le service qui vérifie les mots de passe et change les réglages ne répond pas ; redémarrez \
         l’appareil, ou utilisez sa console",
    )
}

/// An answer that is none.
fn senseless() -> Failure {
    Failure::machine(
        "the broker's answer makes no sense; its version is another one",
        "la réponse du service est incompréhensible ; sa version est une autre",
    )
}

impl Broker {
    pub fn new(socket: PathBuf) -> Self {
        Self {
            lines: Lines::new(socket, silent, PLACES),
            open: Arc::default(),
        }
    }

    fn envelope(speaker: Speaker<'_>, ask: &Value) -> Value {
        let mut envelope = json!({"from": speaker.from.to_string(), "ask": ask});
        if let Some(token) = speaker.token {
            envelope["token"] = token.into();
        }
        if speaker.quiet {
            envelope["quiet"] = true.into();
        }
        envelope
    }

    /// Asks, and gives each event but the last to `tell` as it comes.
    pub async fn ask(
        &self,
        speaker: Speaker<'_>,
        ask: &Value,
        tell: impl FnMut(Value) + Send,
    ) -> Result<(), Failure> {
        self.lines.ask(&Self::envelope(speaker, ask), tell).await
    }

    /// Asks for a short answer: all its events.
    pub async fn events(&self, speaker: Speaker<'_>, ask: &Value) -> Result<Vec<Value>, Failure> {
        self.lines.events(&Self::envelope(speaker, ask)).await
    }

    /// Asks for the one event of this name.
    pub async fn event(
        &self,
        speaker: Speaker<'_>,
        ask: &Value,
        name: &str,
    ) -> Result<Value, Failure> {
        let events = self.events(speaker, ask).await?;
        let event = events.into_iter().find(|event| event["event"] == name);
        event.ok_or_else(senseless)
    }

    /// Begins a session: who it is of, and its token. Whatever was asked must answer with one.
    pub async fn begin(&self, from: IpAddr, ask: &Value) -> Result<(User, String), Failure> {
        let speaker = Speaker::nobody(from);
        let event = self.event(speaker, ask, "session").await?;
        let token = event["token"].as_str().map(str::to_owned);
        let user = User::deserialize(&event).ok();
        user.zip(token).ok_or_else(senseless)
    }

    /// Who a session is of now; none where it is over.
    pub async fn user(&self, speaker: Speaker<'_>) -> Result<Option<User>, Failure> {
        let session = json!({"verb": "session"});
        match self.event(speaker, &session, "session").await {
            Ok(event) => User::deserialize(&event).map(Some).map_err(|_| senseless()),
            Err(why) if why.is("session") => Ok(None),
            Err(why) => Err(why),
        }
    }

    /// Whether nobody administrates the appliance yet, so that whoever reads the code on its console may
    /// make an administrator. Not, where the broker is silent. However many ask at once, it is asked once.
    pub async fn is_open(&self, from: IpAddr) -> bool {
        let mut kept = self.open.lock().await;
        if let Some((when, open)) = *kept
            && when.elapsed() < KEPT_FOR
        {
            return open;
        }
        let speaker = Speaker::nobody(from);
        let state = json!({"verb": "setup-state"});
        let told = self.event(speaker, &state, "setup").await;
        let open = told.is_ok_and(|event| event["open"] == true);
        *kept = Some((Instant::now(), open));
        open
    }

    /// What is known of it from now on.
    pub async fn note_open(&self, open: bool) {
        *self.open.lock().await = Some((Instant::now(), open));
    }
}
