//! From answers and an inventory to a plan, or to a refusal that names every
//! disk with the reason. Pure: nothing is opened, nothing is written.
//!
//! A disk is chosen by what the answers name, and exactly one may match. The
//! boot medium is never a candidate; a disk that is in use, write-protected,
//! too small or not empty is refused, the last unless `erase = true`.

use serde::Serialize;
use vigie_disk::Bytes;

use crate::answers::{Answers, Target};
use crate::inventory::{Disk, Firmware, Inventory, Use};
use crate::layout::{Layout, Needs, NoLayout, Part, SMALLEST_DISK};
use crate::messages::Text;
use crate::payload::{Manifest, Role};

/// What will be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Version that is installed.
    pub version: String,
    /// The disk that is erased.
    pub disk: Disk,
    /// Its new partitions.
    pub layout: Layout,
}

/// Why nothing will be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason in one sentence.
    pub reason: Text,
    /// Every disk, with what speaks against it.
    pub disks: Vec<(Disk, Vec<Text>)>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.lines(vigie_settings::Language::En).join("\n"))
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    /// For a person: the reason, then a line for each disk.
    pub fn lines(&self, language: vigie_settings::Language) -> Vec<String> {
        let mut lines = vec![self.reason.to(language)];
        for (disk, objections) in &self.disks {
            let said: Vec<String> = objections.iter().map(|text| text.to(language)).collect();
            lines.push(format!("  {}: {}", disk.title(), said.join("; ")));
        }
        lines
    }
}

/// Makes the plan.
pub fn plan(
    answers: &Answers,
    inventory: &Inventory,
    manifest: &Manifest,
) -> Result<Plan, Refusal> {
    let target = &answers.target;
    let refuse = |reason| Refusal {
        reason,
        disks: judged(inventory, target),
    };
    if target.is_unspecific() {
        return Err(refuse(Text::new("refusal.no-target")));
    }
    let matching: Vec<&Disk> = inventory
        .disks
        .iter()
        .filter(|disk| mismatches(disk, target).is_empty())
        .collect();
    let disk = match matching[..] {
        [disk] => disk,
        [] => return Err(refuse(Text::new("refusal.no-match"))),
        _ => {
            return Err(refuse(
                Text::new("refusal.ambiguous").with("count", matching.len()),
            ));
        }
    };
    let objections = objections(disk, target, inventory.firmware);
    let (Some(sector), []) = (disk.sector(), &objections[..]) else {
        return Err(refuse(Text::new("refusal.unfit").with("disk", &disk.path)));
    };
    let needs = Needs {
        boot: manifest.size(Role::Boot),
        system: manifest.size(Role::System),
        data_cap: answers.data_volume_max,
    };
    let layout = Layout::new(disk.size, sector, needs).map_err(|why| refuse(no_layout(&why)))?;
    Ok(Plan {
        version: manifest.version.to_string(),
        disk: disk.clone(),
        layout,
    })
}

/// What speaks against each disk.
fn judged(inventory: &Inventory, target: &Target) -> Vec<(Disk, Vec<Text>)> {
    let judge = |disk: &Disk| {
        let mut said = mismatches(disk, target);
        if said.is_empty() && !target.is_unspecific() {
            said.push(Text::new("disk.matches"));
        }
        said.extend(objections(disk, target, inventory.firmware));
        (disk.clone(), said)
    };
    inventory.disks.iter().map(judge).collect()
}

/// What of the target's description does not fit the disk.
fn mismatches(disk: &Disk, target: &Target) -> Vec<Text> {
    let differs = |key, wanted: &Option<String>, found: &Option<String>| {
        let wanted = wanted.as_deref()?.trim();
        let equal = found.as_deref().is_some_and(|found| found.trim() == wanted);
        (!equal).then(|| Text::new(key).with("wanted", wanted))
    };
    let path = target.path.as_deref().and_then(|wanted| {
        let equal = disk.path == wanted || disk.links.iter().any(|link| link == wanted);
        (!equal).then(|| Text::new("disk.other-path").with("wanted", wanted))
    });
    let serial = differs("disk.other-serial", &target.serial, &disk.serial);
    let wwn = differs("disk.other-wwn", &target.wwn, &disk.wwn);
    [serial, wwn, path].into_iter().flatten().collect()
}

/// Why a disk cannot be the system disk, whether it matches or not.
fn objections(disk: &Disk, target: &Target, firmware: Firmware) -> Vec<Text> {
    let mut found = Vec::new();
    if disk.boot_medium {
        found.push(Text::new("disk.boot-medium"));
    } else {
        found.extend(disk.in_use.iter().map(Use::text));
    }
    if disk.read_only {
        found.push(Text::new("disk.read-only"));
    }
    if disk.size < SMALLEST_DISK {
        found.push(Text::new("disk.too-small").with("smallest", SMALLEST_DISK));
    }
    if disk.sector().is_none() {
        found.push(Text::new("disk.sectors").with("size", disk.sector_size));
    }
    if disk.sector_size == 4096 && firmware == Firmware::Bios {
        found.push(Text::new("disk.bios-4096"));
    }
    if !disk.contents.is_empty() && !target.erase {
        found.push(Text::new("disk.not-empty").with("contents", disk.contents_in_short()));
    }
    found
}

fn no_layout(why: &NoLayout) -> Text {
    match why {
        NoLayout::TooSmall => Text::new("disk.too-small").with("smallest", SMALLEST_DISK),
        NoLayout::SlotTooSmall(name, size, need) => Text::new("refusal.slot")
            .with("name", name)
            .with("size", size)
            .with("need", need),
        NoLayout::TooManyVolumes(count) => Text::new("refusal.volumes").with("count", count),
    }
}

impl Plan {
    /// The plan in words, and what will be lost.
    pub fn lines(&self, language: vigie_settings::Language) -> Vec<String> {
        let mut lines = vec![
            Text::new("plan.title")
                .with("version", &self.version)
                .with("disk", self.disk.title())
                .to(language),
        ];
        let lost = if self.disk.contents.is_empty() {
            Text::new("plan.empty")
        } else {
            Text::new("plan.erases").with("contents", self.disk.contents_in_short())
        };
        lines.push(lost.to(language));
        lines.extend(
            self.layout
                .parts()
                .iter()
                .zip(1..)
                .map(|(part, number)| line(number, part)),
        );
        lines
    }

    /// Length of all data volumes.
    pub fn data_size(&self) -> Bytes {
        self.layout.data().map(|part| part.size).sum()
    }
}

fn line(number: u32, part: &Part) -> String {
    let name = part.purpose.name();
    format!("  {number:>3}  {name:<12} {:>10}", part.size.to_string())
}
