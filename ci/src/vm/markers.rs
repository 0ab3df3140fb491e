//! When a boot first reached each of its stages, read from the console.

use std::time::Duration;

use anyhow::Result;

use super::console::{Line, Pattern};

/// One stage of a boot.
pub struct Marker {
    /// Its name in tables.
    pub name: &'static str,
    /// A line that the stage writes.
    pub expression: &'static str,
}

/// The stages in order. A stage may be absent: SeaBIOS does not write to the serial line.
pub const STAGES: [Marker; 6] = [
    Marker {
        name: "firmware",
        expression: r"BdsDxe: (loading|starting|No bootable)|^SeaBIOS",
    },
    Marker {
        name: "GRUB",
        expression: r"Welcome to GRUB|GNU GRUB|GRUB loading|Vigie: slot",
    },
    Marker {
        name: "kernel",
        expression: r"\] Linux version |EFI stub: |Loading Linux|Decompressing Linux",
    },
    Marker {
        name: "init",
        expression: r"Run /init as init process|vigie-initrd",
    },
    Marker {
        name: "systemd",
        expression: r"systemd\[1\]: |Welcome to Vigie",
    },
    Marker {
        name: "console ready",
        expression: r"vigie: console ready",
    },
];

/// First sight of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The stage.
    pub name: &'static str,
    /// Since the machine was switched on.
    pub at: Duration,
}

/// First sight of each stage that was seen, in the order of [`STAGES`].
pub fn timings(lines: &[Line]) -> Result<Vec<Seen>> {
    let mut seen = Vec::new();
    for stage in STAGES {
        let pattern = Pattern::regex(stage.expression)?;
        let first = lines.iter().find(|line| pattern.is_in(&line.text));
        seen.extend(first.map(|line| Seen {
            name: stage.name,
            at: line.at,
        }));
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_counts_at_its_first_line() {
        let lines: Vec<Line> = [
            "BdsDxe: starting Boot0001",
            "Welcome to GRUB!",
            "Vigie: slot a",
            "[    0.000000] Linux version 6.12",
            "[    1.0] Run /init as init process",
            "vigie: console ready (live)",
            "vigie: console ready (live)",
        ]
        .iter()
        .enumerate()
        .map(|(second, text)| Line {
            at: Duration::from_secs(second as u64),
            text: (*text).to_owned(),
        })
        .collect();
        let table: Vec<(&str, u64)> = timings(&lines)
            .unwrap()
            .iter()
            .map(|seen| (seen.name, seen.at.as_secs()))
            .collect();
        let expected = [
            ("firmware", 0),
            ("GRUB", 1),
            ("kernel", 3),
            ("init", 4),
            ("console ready", 5),
        ];
        assert_eq!(table, expected);
        assert!(timings(&[]).unwrap().is_empty());
    }
}
