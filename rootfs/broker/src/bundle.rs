//! The support bundle, made by `vigie-recovery`, which knows what of an appliance is no secret, and told
//! in pieces.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use crate::failure::Failure;

/// Bytes of a piece; a multiple of three, so that the pieces' Base64 can be joined.
const PIECE: usize = 48 << 10;

/// What makes it on standard output.
#[must_use]
pub fn exporter() -> Command {
    let mut command = Command::new("vigie-recovery");
    command.args(["export", "logs", "--here", "-"]);
    command
}

/// Tells what `exporter` makes as a `file` of this name and its `chunk`s.
///
/// # Errors
/// It cannot be made; what was told of it is then no bundle.
pub fn tell(
    mut exporter: Command,
    name: &str,
    tell: &mut dyn FnMut(&Value),
) -> Result<(), Failure> {
    let failed = |error: String| Failure::failed("failed.bundle", error);
    exporter.stdin(Stdio::null()).stdout(Stdio::piped());
    let child = exporter.stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| failed(error.to_string()))?;
    tell(&json!({"event": "file", "name": name}));
    let told = pieces(&mut child, tell);
    let output = child.wait_with_output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    told.map_err(|error| failed(error.to_string()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(failed(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        )),
    }
}

fn pieces(child: &mut Child, tell: &mut dyn FnMut(&Value)) -> std::io::Result<()> {
    let Some(mut output) = child.stdout.take() else {
        return Ok(());
    };
    loop {
        let mut piece = Vec::new();
        let got = output.by_ref().take(PIECE as u64).read_to_end(&mut piece)?;
        if got == 0 {
            return Ok(());
        }
        tell(&json!({"event": "chunk", "data": BASE64_STANDARD.encode(piece)}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(script: &str) -> (Vec<Value>, Result<(), Failure>) {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let mut all = Vec::new();
        let done = tell(command, "hall.tar.gz", &mut |event| all.push(event.clone()));
        (all, done)
    }

    #[test]
    fn what_is_made_is_told_in_pieces_that_can_be_joined() {
        let (all, done) = told("head -c 100000 /dev/zero");
        assert_eq!(done, Ok(()));
        assert_eq!(all[0], json!({"event": "file", "name": "hall.tar.gz"}));
        assert_eq!(all.len(), 4);
        let joined: String = all[1..]
            .iter()
            .map(|event| event["data"].as_str().unwrap())
            .collect();
        assert_eq!(BASE64_STANDARD.decode(joined).unwrap(), vec![0; 100_000]);
        let (all, done) = told("printf half; echo no journal >&2; exit 1");
        assert_eq!(all.len(), 2);
        let failure = done.unwrap_err();
        assert!(!failure.refused && failure.said.to_string().contains("no journal"));
        let nobody = Command::new("/nonexistent/program");
        assert!(tell(nobody, "x", &mut |_| panic!("told")).is_err());
    }

    #[test]
    fn it_is_made_of_the_appliance_that_runs() {
        let command = exporter();
        let arguments: Vec<_> = command.get_args().collect();
        assert_eq!(arguments, ["export", "logs", "--here", "-"]);
    }
}
