//! How the appliance's services are, and which units failed, asked of systemd through `systemctl`.
//!
//! `systemctl` needs the message bus and nothing else, so it works from the sandbox. Its answer is
//! kept for a few seconds: a process for every request would let a visitor keep the box busy.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::services::{Name, Service, State};

/// How the checks of volumes are called.
const CHECK: &str = "vigie-check@";
const KEPT_FOR: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(10);

/// Names of failed units, or why they could not be asked for.
pub type FailedUnits = Result<Vec<String>, String>;

/// What systemd says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Names of failed units.
    pub failed: Vec<String>,
    /// The appliance's services, in the order of the page.
    pub services: Vec<Service>,
}

/// The last answer.
#[derive(Default)]
pub struct Units {
    last: Mutex<Option<(Instant, Result<Seen, String>)>>,
}

impl Units {
    /// How they are, at most [`KEPT_FOR`] ago. Requests that come together share one question.
    pub async fn seen(&self) -> Result<Seen, String> {
        let mut last = self.last.lock().await;
        if let Some((when, answer)) = &*last
            && when.elapsed() < KEPT_FOR
        {
            return answer.clone();
        }
        let answer = ask().await;
        *last = Some((Instant::now(), answer.clone()));
        answer
    }
}

async fn ask() -> Result<Seen, String> {
    let output = Command::new("/usr/bin/systemctl")
        .args(["list-units", "--all", "--output=json", "--no-pager"])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, output)
        .await
        .map_err(|_| format!("systemctl did not answer within {} s", PATIENCE.as_secs()))?
        .map_err(|error| format!("systemctl could not be started: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "systemctl: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    seen(&output.stdout)
}

#[derive(Deserialize)]
struct Unit {
    unit: String,
    #[serde(default)]
    load: String,
    #[serde(default)]
    active: String,
    #[serde(default)]
    sub: String,
}

fn seen(json: &[u8]) -> Result<Seen, String> {
    let units: Vec<Unit> = serde_json::from_slice(json)
        .map_err(|error| format!("systemctl's answer is not a list of units: {error}"))?;
    let failed = units.iter().filter(|unit| unit.active == "failed");
    let mut failed: Vec<String> = failed.map(|unit| unit.unit.clone()).collect();
    failed.sort();
    let services = Name::ALL.into_iter();
    let services = services.filter_map(|name| service(name, &units)).collect();
    Ok(Seen { failed, services })
}

/// A service as it is; none where the system does not have it.
fn service(name: Name, units: &[Unit]) -> Option<Service> {
    let (begins, ends) = name.unit();
    let is_of = |unit: &&Unit| unit.unit.starts_with(begins) && unit.unit.ends_with(ends);
    let mut states = units
        .iter()
        .filter(is_of)
        .filter(|unit| unit.load == "loaded");
    let state = match name {
        // There is one for each volume, and none is there any more once it is done.
        Name::VolumeChecks => {
            let busy = |one: State| one != State::Stopped;
            let states = states.map(state).filter(|one| busy(*one));
            states.max_by_key(|one| (*one == State::Failed, *one == State::Running))
        }
        _ => Some(state(states.next()?)),
    };
    Some(Service {
        name,
        state: state.unwrap_or(State::Idle),
    })
}

fn state(unit: &Unit) -> State {
    match (&*unit.active, &*unit.sub) {
        ("failed", _) => State::Failed,
        ("activating" | "reloading" | "refreshing", _) if unit.unit.starts_with(CHECK) => {
            State::Running
        }
        ("activating", _) => State::Starting,
        ("active", "listening") => State::Ready,
        ("active", "exited") => State::Idle,
        ("active" | "reloading" | "refreshing", _) => State::Running,
        _ => State::Stopped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(unit: &str, active: &str, sub: &str) -> serde_json::Value {
        serde_json::json!({"unit": unit, "load": "loaded", "active": active, "sub": sub, "description": "B"})
    }

    fn states(units: &[serde_json::Value]) -> Vec<(Name, State)> {
        let json = serde_json::to_vec(units).unwrap();
        let services = seen(&json).unwrap().services.into_iter();
        services.map(|one| (one.name, one.state)).collect()
    }

    #[test]
    fn answers_of_systemctl() {
        let two = [
            unit("b.service", "failed", "failed"),
            unit("c.service", "active", "running"),
            unit("a.mount", "failed", "failed"),
        ];
        let two = serde_json::to_vec(&two).unwrap();
        assert_eq!(seen(&two).unwrap().failed, ["a.mount", "b.service"]);
        assert_eq!(seen(b"[]").unwrap().failed, [""; 0]);
        assert!(seen(b"").is_err_and(|e| e.contains("not a list")));
    }

    #[test]
    fn services_of_the_appliance() {
        let mut all = vec![
            unit("vigie-web.service", "active", "running"),
            unit("vigie-broker.socket", "active", "listening"),
            unit("vigie-update.socket", "failed", "failed"),
            unit("vigie-update@3-1-0.service", "active", "running"),
            unit("systemd-timesyncd.service", "activating", "start"),
        ];
        let absent = serde_json::json!({"unit": "ssh.socket", "load": "not-found", "active": "inactive", "sub": "dead"});
        all.push(absent);
        let expected = [
            (Name::Web, State::Running),
            (Name::Settings, State::Ready),
            (Name::Update, State::Failed),
            (Name::Time, State::Starting),
            (Name::VolumeChecks, State::Idle),
        ];
        assert_eq!(states(&all), expected);
        all.extend([
            unit("ssh.socket", "active", "listening"),
            // Nobody has come yet.
            unit("ssh.service", "inactive", "dead"),
            unit("vigie-check@a.service", "failed", "failed"),
            unit("vigie-check@b.service", "activating", "start"),
        ]);
        let told = states(&all);
        assert!(told.contains(&(Name::Ssh, State::Ready)), "{told:?}");
        assert!(
            told.contains(&(Name::VolumeChecks, State::Failed)),
            "{told:?}"
        );
        all.push(unit("vigie-check@c.service", "active", "exited"));
        all.retain(|unit| unit["unit"] != "vigie-check@a.service");
        let told = states(&all);
        assert!(
            told.contains(&(Name::VolumeChecks, State::Running)),
            "{told:?}"
        );
    }
}
