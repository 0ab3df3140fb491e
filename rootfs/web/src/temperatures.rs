//! Temperatures, as the kernel's sensors tell them below `/sys/class/hwmon`
//! (Documentation/hwmon/sysfs-interface.rst) and `/sys/class/thermal`
//! (Documentation/driver-api/thermal/sysfs-api.rst). Where there are none, as in a virtual machine, nothing is said.
//!
//! A disk that dies may take its time to say how warm it is: a page does not wait for that ([`Temperatures`]).

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::sysfs::{attribute, names};

/// What one sensor says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemperatureFacts {
    /// The chip, the disk, and what the chip calls it, such as `coretemp Core 0`; no two are the same.
    pub name: String,
    /// In degrees Celsius.
    pub celsius: i32,
    /// What it must stay below, by the sensor; none where that says nothing that makes sense.
    pub limit: Option<i32>,
}

/// What a sensor may measure, in degrees Celsius: one that is not connected says anything.
const SENSE: std::ops::RangeInclusive<i32> = -40..=150;
/// What a limit may be.
const LIMITS: std::ops::RangeInclusive<i32> = 30..=130;
/// They are read no more often: some sensors ask a disk.
const KEPT_FOR: Duration = Duration::from_secs(10);
/// A page waits no longer for the first of them.
const PATIENCE: Duration = Duration::from_millis(500);

/// The last ones, which are read beside everything else.
#[derive(Default)]
pub struct Temperatures(Arc<Mutex<Last>>);

#[derive(Default)]
struct Last {
    read: Option<Instant>,
    /// Somebody reads them at this moment.
    reading: bool,
    told: Vec<TemperatureFacts>,
}

impl Temperatures {
    /// Those below a root, as they were last.
    pub async fn now(&self, root: &Path) -> Vec<TemperatureFacts> {
        if self.begin() {
            let (last, root) = (Arc::clone(&self.0), root.to_owned());
            let reading = tokio::task::spawn_blocking(move || {
                let told = read(&root);
                *lock(&last) = Last {
                    read: Some(Instant::now()),
                    reading: false,
                    told,
                };
            });
            // Out of time: it goes on, and the next one sees what it gave.
            let _ = timeout(PATIENCE, reading).await;
        }
        lock(&self.0).told.clone()
    }

    /// Whether they are to be read, by whoever asks this.
    fn begin(&self) -> bool {
        let mut last = lock(&self.0);
        let is_old = last.read.is_none_or(|read| read.elapsed() >= KEPT_FOR);
        is_old && !std::mem::replace(&mut last.reading, true)
    }
}

fn lock(last: &Mutex<Last>) -> std::sync::MutexGuard<'_, Last> {
    last.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The temperatures below a root: those of chips, and those of zones that no chip tells.
pub fn read(root: &Path) -> Vec<TemperatureFacts> {
    let mut chips = HashSet::new();
    let mut all = Vec::new();
    for chip in folders(&root.join("sys/class/hwmon"), "hwmon") {
        let Some(name) = attribute(&chip.join("name")) else {
            continue;
        };
        all.extend(of_chip(&chip, &name));
        chips.insert(name);
    }
    for zone in folders(&root.join("sys/class/thermal"), "thermal_zone") {
        all.extend(of_zone(&zone).filter(|zone| !chips.contains(&zone.name.replace('-', "_"))));
    }
    distinct(&mut all);
    all
}

fn of_chip(chip: &Path, name: &str) -> Vec<TemperatureFacts> {
    let mut numbers: Vec<u32> = names(chip)
        .iter()
        .filter_map(|file| {
            file.strip_prefix("temp")?
                .strip_suffix("_input")?
                .parse()
                .ok()
        })
        .collect();
    numbers.sort_unstable();
    let one = |number: &u32| {
        let of = |what: &str| attribute(&chip.join(format!("temp{number}_{what}")));
        if of("fault").is_some_and(|fault| fault != "0") {
            return None;
        }
        let label = of("label").unwrap_or_else(|| match numbers.len() {
            1 => String::new(),
            _ => format!("temp{number}"),
        });
        let limit = |what| {
            of(what)
                .and_then(|text| degrees(&text))
                .filter(|t| LIMITS.contains(t))
        };
        let parts = [name, &disk(chip).unwrap_or_default(), &label];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Some(TemperatureFacts {
            name: parts.join(" "),
            celsius: degrees(&of("input")?).filter(|t| SENSE.contains(t))?,
            limit: limit("crit").or_else(|| limit("max")),
        })
    };
    numbers.iter().filter_map(one).collect()
}

/// The disk that a chip is in: `sda` of SATA, `nvme0` of NVMe.
fn disk(chip: &Path) -> Option<String> {
    let device = chip.join("device");
    let of_sata = || names(&device.join("block")).into_iter().next();
    let of_nvme = || {
        let device = fs::canonicalize(&device).ok()?;
        let name = device.file_name()?.to_str()?;
        name.starts_with("nvme").then(|| name.to_owned())
    };
    of_sata().or_else(of_nvme)
}

fn of_zone(zone: &Path) -> Option<TemperatureFacts> {
    Some(TemperatureFacts {
        name: attribute(&zone.join("type"))?,
        celsius: degrees(&attribute(&zone.join("temp"))?).filter(|t| SENSE.contains(t))?,
        limit: None,
    })
}

/// Of thousandths of degrees, to the nearest degree.
fn degrees(text: &str) -> Option<i32> {
    let thousandths: i32 = text.parse().ok()?;
    Some(thousandths.saturating_add(500).div_euclid(1000))
}

/// Two sensors of one name, as of two processors, are told apart by a number.
fn distinct(all: &mut [TemperatureFacts]) {
    let mut seen = HashSet::new();
    for one in all {
        let mut name = one.name.clone();
        let mut number = 1;
        while !seen.insert(name.clone()) {
            number += 1;
            name = format!("{} {number}", one.name);
        }
        one.name = name;
    }
}

/// The folders of a class whose names are a word and a number, by that number.
fn folders(class: &Path, word: &str) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = names(class)
        .into_iter()
        .filter_map(|name| Some((name.strip_prefix(word)?.parse().ok()?, class.join(&name))))
        .collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, path: &str, text: &str) {
        let path = root.join("sys").join(path);
        fs::create_dir_all(path.parent().expect("folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    fn told(root: &Path) -> Vec<(String, i32, Option<i32>)> {
        let all = read(root).into_iter();
        all.map(|one| (one.name, one.celsius, one.limit)).collect()
    }

    #[test]
    fn chips_disks_and_zones() {
        let root = tempfile::tempdir().expect("folder");
        for (path, text) in [
            ("class/hwmon/hwmon0/name", "coretemp\n"),
            ("class/hwmon/hwmon0/temp1_input", "45499\n"),
            ("class/hwmon/hwmon0/temp1_label", "Package id 0\n"),
            ("class/hwmon/hwmon0/temp1_crit", "100000\n"),
            ("class/hwmon/hwmon0/temp10_input", "45500\n"),
            ("class/hwmon/hwmon0/temp10_max", "80000\n"),
            // One that is not connected, one that is broken, one without sense.
            ("class/hwmon/hwmon0/temp2_input", "-128000\n"),
            ("class/hwmon/hwmon0/temp3_input", "40000\n"),
            ("class/hwmon/hwmon0/temp3_fault", "1\n"),
            ("class/hwmon/hwmon0/temp4_input", "warm\n"),
            ("class/hwmon/hwmon0/in0_input", "12000\n"),
            // Of a second processor.
            ("class/hwmon/hwmon10/name", "coretemp\n"),
            ("class/hwmon/hwmon10/temp1_input", "-500\n"),
            ("class/hwmon/hwmon10/temp1_label", "Package id 0\n"),
            ("class/hwmon/hwmon10/temp1_crit", "0\n"),
            ("class/hwmon/hwmon2/name", "drivetemp\n"),
            ("class/hwmon/hwmon2/temp1_input", "38000\n"),
            ("class/hwmon/hwmon2/temp1_crit", "70000\n"),
            ("class/hwmon/hwmon2/device/block/sda/size", "1\n"),
            ("class/hwmon/hwmon3/name", "acpitz\n"),
            ("class/hwmon/hwmon4/temp1_input", "38000\n"),
            ("class/thermal/thermal_zone0/type", "acpitz\n"),
            ("class/thermal/thermal_zone0/temp", "27800\n"),
            ("class/thermal/thermal_zone1/type", "pch-x\n"),
            ("class/thermal/thermal_zone1/temp", "51000\n"),
            ("class/thermal/cooling_device0/type", "Fan\n"),
        ] {
            put(root.path(), path, text);
        }
        let expected = [
            ("coretemp Package id 0", 45, Some(100)),
            ("coretemp temp10", 46, Some(80)),
            ("drivetemp sda", 38, Some(70)),
            ("coretemp Package id 0 2", 0, None),
            ("pch-x", 51, None),
        ];
        let expected = expected.map(|(name, now, limit)| (name.to_owned(), now, limit));
        assert_eq!(told(root.path()), expected);
    }

    #[test]
    fn where_there_is_no_sensor_nothing_is_said() {
        let root = tempfile::tempdir().expect("folder");
        assert!(told(root.path()).is_empty());
    }

    #[tokio::test]
    async fn they_are_read_once_for_many() {
        let root = tempfile::tempdir().expect("folder");
        let put = |celsius: &str| put(root.path(), "class/thermal/thermal_zone0/temp", celsius);
        super::tests::put(root.path(), "class/thermal/thermal_zone0/type", "x");
        put("20000");
        let temperatures = Temperatures::default();
        let first = temperatures.now(root.path()).await;
        assert_eq!(first[0].celsius, 20);
        put("30000");
        assert_eq!(temperatures.now(root.path()).await, first);
        // Who is reading them is not waited for.
        lock(&temperatures.0).read = None;
        lock(&temperatures.0).reading = true;
        assert_eq!(temperatures.now(root.path()).await, first);
        lock(&temperatures.0).reading = false;
        assert_eq!(temperatures.now(root.path()).await[0].celsius, 30);
    }
}
