//! The support bundle, made by `vigie-recovery`, which knows what of an appliance is no secret, and told
//! in pieces.

use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::thread;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use crate::failure::Failure;

/// Bytes of a piece; a multiple of three, so that the pieces' Base64 can be joined.
const PIECE: usize = 48 << 10;

/// Bytes of what the maker says that are told on.
const MOST_WORDS: u64 = 4096;

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
    let said = child
        .stderr
        .take()
        .map(|said| thread::spawn(|| words(said)));
    let told = pieces(&mut child, tell);
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    told.map_err(|error| failed(error.to_string()))?;
    let said = said.and_then(|said| said.join().ok());
    match status.success() {
        true => Ok(()),
        false => Err(failed(said.unwrap_or_default())),
    }
}

/// What it says of itself, its beginning at least. All of it is taken: a pipe that nobody reads would stop
/// it, and us with it.
fn words(mut said: impl Read) -> String {
    let mut kept = Vec::new();
    // What cannot be read was not said.
    let _ = said.by_ref().take(MOST_WORDS).read_to_end(&mut kept);
    let _ = io::copy(&mut said, &mut io::sink());
    String::from_utf8_lossy(&kept).trim().to_owned()
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
        // However much it complains.
        let (all, done) = told("head -c 300000 /dev/zero | tr '\\0' x >&2; echo bundle");
        assert_eq!((all.len(), done), (2, Ok(())));
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
