//! The examples of the pages are good answers; what they say is wrong is refused.

// clippy.toml allows this in tests, but does not know that all of this file is one.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use vigie_installer::machines::AnswerFile;

/// The blocks of a page that are marked as TOML, each with its first line.
fn examples(page: &str) -> Vec<(usize, String)> {
    let (mut found, mut open) = (Vec::new(), None);
    for (line, number) in page.lines().zip(1..) {
        match (&mut open, line) {
            (None, "```toml") => open = Some((number + 1, String::new())),
            (Some(_), "```") => found.extend(open.take()),
            (Some((_, text)), line) => *text += &format!("{line}\n"),
            (None, _) => {}
        }
    }
    found
}

#[test]
fn examples_in_the_pages_are_good() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    for page in ["disks.md", "install.md", "provision.md", "reinstall.md"] {
        let text = std::fs::read_to_string(docs.join(page)).unwrap();
        let examples = examples(&text);
        assert!(!examples.is_empty(), "{page} has no example");
        for (line, example) in examples {
            let parsed = AnswerFile::parse(&example);
            assert!(
                parsed.is_ok(),
                "{page}, block of line {line}: {}",
                parsed.unwrap_err()
            );
        }
    }
}
