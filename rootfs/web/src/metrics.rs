//! `GET /metrics`: health in Prometheus' text format, version 0.0.4
//! (prometheus.io/docs/instrumenting/exposition_formats). Pure.
//!
//! It tells what `/health` tells, which anybody may see.

use std::fmt::Write as _;

use crate::health::{Health, Status};
use crate::services::Service;

/// What a scraper is told the answer is.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A metric: its name, what it means, and a value for each set of labels.
struct Metric {
    name: &'static str,
    help: &'static str,
    values: Vec<(String, f64)>,
}

/// All metrics.
pub fn text(health: &Health) -> String {
    let mut text = String::new();
    let all = system(health).into_iter().chain(storage(health));
    for metric in all.chain(temperatures(health)).chain([services(health)]) {
        // A metric without values, as that of arrays where there are none, is left out.
        if metric.values.is_empty() {
            continue;
        }
        let Metric { name, help, values } = metric;
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in values {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    }
    text
}

fn system(health: &Health) -> [Metric; 5] {
    let known = |value: &Option<String>| value.clone().unwrap_or_default();
    let (version, slot) = (known(&health.version), known(&health.slot));
    let info = [
        ("version", &*version),
        ("slot", &slot),
        ("mode", &known(&health.mode)),
    ];
    let plain = |name, help, value| Metric {
        name,
        help,
        values: vec![(String::new(), value)],
    };
    [
        Metric {
            name: "vigie_info",
            help: "What runs.",
            values: vec![(labels(&info), 1.0)],
        },
        plain(
            "vigie_healthy",
            "1 where everything works, 0 where somebody should look.",
            flag(health.status == Status::Ok),
        ),
        plain(
            "vigie_uptime_seconds",
            "Time since the kernel started.",
            health.uptime_s as f64,
        ),
        plain(
            "vigie_failed_units",
            "Services that have failed.",
            health.failed_units.len() as f64,
        ),
        plain(
            "vigie_problems",
            "Other reasons why somebody should look.",
            health.problems.len() as f64,
        ),
    ]
}

fn storage(health: &Health) -> [Metric; 5] {
    let volumes = |value: fn(&crate::health::Volume) -> f64| {
        let all = health.volumes.iter();
        all.map(|volume| (labels(&[("volume", &volume.name)]), value(volume)))
            .collect()
    };
    let arrays = |value: fn(&crate::health::Array) -> f64| {
        let all = health.arrays.iter();
        all.map(|array| (labels(&[("array", &array.name)]), value(array)))
            .collect()
    };
    [
        Metric {
            name: "vigie_volume_ok",
            help: "1 where the volume is mounted and writable.",
            values: volumes(|volume| flag(volume.ok)),
        },
        Metric {
            name: "vigie_volume_size_bytes",
            help: "Size of the volume; 0 where it is not mounted.",
            values: volumes(|volume| volume.size_bytes as f64),
        },
        Metric {
            name: "vigie_volume_free_bytes",
            help: "What is free on it; 0 where it is not mounted.",
            values: volumes(|volume| volume.free_bytes as f64),
        },
        Metric {
            name: "vigie_array_ok",
            help: "1 where the RAID array runs with all its disks.",
            values: arrays(|array| flag(array.ok)),
        },
        Metric {
            name: "vigie_array_missing_disks",
            help: "Disks that the RAID array lacks.",
            values: arrays(|array| array.missing as f64),
        },
    ]
}

fn temperatures(health: &Health) -> [Metric; 2] {
    let all = health.temperatures.iter();
    let values = |value: fn(&crate::health::Temperature) -> Option<i32>| {
        let known = all.clone().filter_map(|one| Some((one, value(one)?)));
        let labelled = known.map(|(one, value)| (labels(&[("sensor", &one.name)]), value.into()));
        labelled.collect()
    };
    [
        Metric {
            name: "vigie_temperature_celsius",
            help: "What a sensor says.",
            values: values(|one| Some(one.celsius)),
        },
        Metric {
            name: "vigie_temperature_limit_celsius",
            help: "What it must stay below, where the sensor says it.",
            values: values(|one| one.limit_celsius),
        },
    ]
}

/// One row a service: its state is a label.
fn services(health: &Health) -> Metric {
    let all = health.services.iter();
    let row = |one: &Service| {
        let about = [("service", one.name.word()), ("state", one.state.word())];
        (labels(&about), 1.0)
    };
    Metric {
        name: "vigie_service_state",
        help: "How a service of the appliance is: 1 at its state.",
        values: all.map(row).collect(),
    }
}

const fn flag(yes: bool) -> f64 {
    if yes { 1.0 } else { 0.0 }
}

fn labels(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

fn escaped(value: &str) -> String {
    let value = value.replace('\\', r"\\").replace('"', "\\\"");
    value.replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::tests::{facts, raid_facts, services as all_services};

    #[test]
    fn metrics() {
        let mut bad = raid_facts();
        bad.volumes[1].space = None;
        bad.volumes[1].name = "a\"b\\c\nd".into();
        for (name, facts, failed) in [
            ("well", facts(), vec![]),
            ("bad", bad, vec!["ssh.service".to_owned()]),
        ] {
            let services = match failed.is_empty() {
                true => Vec::new(),
                false => all_services(),
            };
            let text = text(&Health {
                services,
                ..Health::of(&facts, Ok(failed))
            });
            let file = format!("tests/golden/metrics.{name}.txt");
            let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
            if std::env::var_os("VIGIE_BLESS").is_some() {
                std::fs::write(&file, &text).unwrap();
            }
            let expected = std::fs::read_to_string(&file).unwrap_or_default();
            assert_eq!(text, expected, "{}", file.display());
        }
    }
}
