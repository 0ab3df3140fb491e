//! Which units failed, asked of systemd through `systemctl`.
//!
//! `systemctl` needs the message bus and nothing else, so it works from the sandbox. Its answer is
//! kept for a few seconds: a process for every request would let a visitor keep the box busy.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::process::Command;
use tokio::sync::Mutex;

const KEPT_FOR: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(10);

/// Names of failed units, or why they could not be asked for.
pub type FailedUnits = Result<Vec<String>, String>;

/// The last answer.
#[derive(Default)]
pub struct Units {
    last: Mutex<Option<(Instant, FailedUnits)>>,
}

impl Units {
    /// The failed units, at most [`KEPT_FOR`] old. Requests that come together share one question.
    pub async fn failed(&self) -> FailedUnits {
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

async fn ask() -> FailedUnits {
    let output = Command::new("/usr/bin/systemctl")
        .args([
            "list-units",
            "--state=failed",
            "--output=json",
            "--no-pager",
        ])
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
    names(&output.stdout)
}

fn names(json: &[u8]) -> FailedUnits {
    #[derive(Deserialize)]
    struct Unit {
        unit: String,
    }
    let units: Vec<Unit> = serde_json::from_slice(json)
        .map_err(|error| format!("systemctl's answer is not a list of units: {error}"))?;
    let mut names: Vec<String> = units.into_iter().map(|unit| unit.unit).collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_systemctl() {
        let two = br#"[{"unit":"b.service","load":"loaded","active":"failed","sub":"failed","description":"B"},{"unit":"a.mount"}]"#;
        assert_eq!(names(two), Ok(vec!["a.mount".into(), "b.service".into()]));
        assert_eq!(names(b"[]"), Ok(vec![]));
        assert!(names(b"").is_err_and(|e| e.contains("not a list")));
    }
}
