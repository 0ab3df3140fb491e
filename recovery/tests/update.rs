//! `vigie-recovery update` where nobody can be asked.

// clippy.toml allows this in tests, but does not know that all of this is one.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Stdio};

/// Whoever cannot answer is told so before an installation is looked for, and so before one is opened: this machine
/// has none, which is another refusal.
#[test]
fn nothing_is_opened_where_nobody_can_say_yes() {
    for (words, on_output) in [
        (&["--language", "en", "update"][..], false),
        (&["update", "--json"], true),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vigie-recovery"));
        let command = command.args(words).stdin(Stdio::null());
        let said = command.output().unwrap();
        assert_eq!(said.status.code(), Some(2), "{said:?}");
        let (out, errors) = (said.stdout.as_slice(), said.stderr.as_slice());
        let (told, silent) = match on_output {
            true => (out, errors),
            false => (errors, out),
        };
        let told = String::from_utf8_lossy(told);
        assert!(told.contains("--yes") && silent.is_empty(), "{said:?}");
        if on_output {
            let event: serde_json::Value = serde_json::from_str(told.trim()).unwrap();
            assert_eq!(event["event"], "warning");
        }
    }
}
