//! The appliance's services, and how each is. Pure.

use schemars::JsonSchema;
use serde::Serialize;

use crate::messages::Messages;

/// A service of the appliance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Service {
    /// Which.
    pub name: Name,
    /// How it is.
    pub state: State,
}

/// Which service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "ServiceName")]
pub enum Name {
    /// The web interface.
    Web,
    /// The broker of settings, users and logs.
    Settings,
    /// The updater.
    Update,
    /// SSH, where it is on.
    Ssh,
    /// Synchronisation of the clock.
    Time,
    /// The checks of data volumes.
    VolumeChecks,
}

impl Name {
    /// In the order of the page.
    pub const ALL: [Self; 6] = [
        Self::Web,
        Self::Settings,
        Self::Update,
        Self::Ssh,
        Self::Time,
        Self::VolumeChecks,
    ];

    /// How the name of its unit begins and ends.
    pub const fn unit(self) -> (&'static str, &'static str) {
        match self {
            Self::Web => ("vigie-web.", "service"),
            Self::Settings => ("vigie-broker.", "socket"),
            Self::Update => ("vigie-update.", "socket"),
            Self::Ssh => ("ssh.", "socket"),
            Self::Time => ("systemd-timesyncd.", "service"),
            Self::VolumeChecks => ("vigie-check@", ".service"),
        }
    }

    /// For programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Settings => "settings",
            Self::Update => "update",
            Self::Ssh => "ssh",
            Self::Time => "time",
            Self::VolumeChecks => "volume-checks",
        }
    }

    /// For people.
    pub fn text(self, m: &Messages) -> &'static str {
        let [web, settings, update, ssh, time, checks] = m.service_names;
        match self {
            Self::Web => web,
            Self::Settings => settings,
            Self::Update => update,
            Self::Ssh => ssh,
            Self::Time => time,
            Self::VolumeChecks => checks,
        }
    }
}

/// How a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "ServiceState")]
pub enum State {
    /// It works.
    Running,
    /// It begins as soon as somebody asks it for something.
    Ready,
    /// It is on its way.
    Starting,
    /// It has nothing to do.
    Idle,
    /// It is off.
    Stopped,
    /// It has failed.
    Failed,
}

impl State {
    /// For programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ready => "ready",
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }

    /// For people.
    pub fn text(self, m: &Messages) -> &'static str {
        let [running, ready, starting, idle, stopped, failed] = m.service_states;
        match self {
            Self::Running => running,
            Self::Ready => ready,
            Self::Starting => starting,
            Self::Idle => idle,
            Self::Stopped => stopped,
            Self::Failed => failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_answer() {
        for name in Name::ALL {
            assert_eq!(serde_json::to_value(name).unwrap(), name.word());
        }
        for state in [
            State::Running,
            State::Ready,
            State::Starting,
            State::Idle,
            State::Stopped,
            State::Failed,
        ] {
            assert_eq!(serde_json::to_value(state).unwrap(), state.word());
        }
    }
}
