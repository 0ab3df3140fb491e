//! What the documents say to ask of the broker is what it understands.

// clippy.toml allows this in tests, but does not know that all of this file is one.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use serde_json::Deserializer;
use vigie_broker::verb::Envelope;

/// How a request begins.
const BEGINS: &str = "{\"ask\":";

#[test]
fn requests_in_the_documents_are_requests() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut verbs = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "md") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for (at, _) in text.match_indices(BEGINS) {
            let mut read = Deserializer::from_str(&text[at..]).into_iter::<Envelope>();
            let envelope = read.next().unwrap();
            let envelope = envelope.unwrap_or_else(|error| {
                let line = text[at..].lines().next().unwrap_or_default();
                panic!("{}: {line}: {error}", path.display())
            });
            verbs.push(serde_json::to_value(envelope.ask.verb()).unwrap());
        }
    }
    for verb in ["set-password", "user-change", "support-bundle", "logs"] {
        assert!(verbs.contains(&verb.into()), "{verb}: {verbs:?}");
    }
}
