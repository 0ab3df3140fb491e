//! Unattended installs over firmware, medium, controller, size and sectors. Each row is a step:
//! it installs, checks the table, boots what was installed, and sees that a second disk beside
//! it, on the same bus and full of data, is as it was. In one row the medium is on that bus, too.
//!
//! The rows cover every pair of values that goes together; a test counts them.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use super::unattended::{HOSTNAME, Order, answers};
use super::{boot, disk_scenario, table};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware, SectorSize};
use crate::vm::images::{self, DiskFile};
use crate::vm::sparse;

/// What the installer is booted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Medium {
    /// The ISO in a drive.
    Cd,
    /// The ISO on a stick that is smaller than any disk.
    Stick,
    /// The ISO on a stick that is larger than the smallest disk.
    LargeStick,
    /// The ISO on a disk of the same bus as the disk to install to, which the rule for that would fit.
    Alike,
}

/// By what the answers choose the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Serial,
    Wwn,
    /// The bus and a range of sizes.
    Rule,
}

/// One row.
#[derive(Clone, Copy, Debug)]
struct Row {
    name: &'static str,
    firmware: Firmware,
    medium: Medium,
    bus: Bus,
    bytes: u64,
    sectors: SectorSize,
    by: By,
}

const GB: u64 = 1_000_000_000;
const TB: u64 = 1000 * GB;
const B512: SectorSize = SectorSize::B512;
const B512E: SectorSize = SectorSize::B512E;
const B4096: SectorSize = SectorSize::B4096;

#[rustfmt::skip]
const ROWS: [Row; 9] = [
    row("install-virtio-8gb",  Firmware::Bios, Medium::LargeStick, Bus::Virtio,      8 * GB,  B512,  By::Serial),
    row("install-virtio-3tb",  Firmware::Uefi, Medium::Stick,      Bus::Virtio,      3 * TB,  B4096, By::Serial),
    row("install-virtio-20tb", Firmware::Bios, Medium::Cd,         Bus::Virtio,     20 * TB,  B512,  By::Rule),
    row("install-sata-8gb",    Firmware::Uefi, Medium::Cd,         Bus::Sata,        8 * GB,  B512,  By::Wwn),
    row("install-sata-3tb",    Firmware::Bios, Medium::Cd,         Bus::Sata,        3 * TB,  B512,  By::Rule),
    row("install-sata-20tb",   Firmware::Uefi, Medium::Stick,      Bus::Sata,       20 * TB,  B512E, By::Serial),
    row("install-nvme-8gb",    Firmware::Uefi, Medium::Alike,      Bus::Nvme,        8 * GB,  B4096, By::Rule),
    row("install-nvme-3tb",    Firmware::Bios, Medium::Stick,      Bus::Nvme,        3 * TB,  B512,  By::Serial),
    row("install-nvme-20tb",   Firmware::Uefi, Medium::Cd,         Bus::Nvme,       20 * TB,  B4096, By::Serial),
];

const fn row(
    name: &'static str,
    firmware: Firmware,
    medium: Medium,
    bus: Bus,
    bytes: u64,
    sectors: SectorSize,
    by: By,
) -> Row {
    Row {
        name,
        firmware,
        medium,
        bus,
        bytes,
        sectors,
        by,
    }
}

/// Size of the large stick.
const STICK_BYTES: u64 = 16 * GB;
/// Serial number of the disk to install to.
const SERIAL: &str = "VIGIE-CI-1";
/// Serial number of the disk beside it.
const BESIDE: &str = "VIGIE-CI-2";
/// World-wide name of the disk to install to, where it has one.
const WWN: u64 = 0x5000_c500_0000_0001;
/// Size of the disk beside it: another than any row's.
const BESIDE_BYTES: u64 = 10 * GB;

pub(super) fn steps() -> Vec<Step> {
    let proves = "an unattended install in a row of the matrix boots and leaves the disk beside it";
    let step = |row: Row| disk_scenario(row.name, proves, move |ctx| run(ctx, &row));
    ROWS.into_iter().map(step).collect()
}

fn run(ctx: &Context, row: &Row) -> Result<()> {
    let disk = images::large(ctx.programs()?, ctx.folder(), "disk", row.bytes)?;
    let beside = ctx.folder().join("beside.raw");
    sparse::patterned(&beside, BESIDE_BYTES)?;
    let before = sparse::digest(&beside)?;
    let target = row.attach(&disk);
    let order = Order {
        firmware: row.firmware,
        medium: row.medium(ctx)?,
        // The disk that must not be written comes first.
        disks: vec![
            Disk::new(&beside, row.bus_beside()).serial(BESIDE),
            target.clone(),
        ],
        answers: answers(ctx, &row.target(), HOSTNAME)?,
    };
    order.install(ctx, "install")?;
    let after = sparse::digest(&beside)?;
    ensure!(
        before == after,
        "the disk beside the chosen one was written"
    );
    table::check(ctx, &disk, row.sectors.logical)?;
    boot::healthy(ctx, "boot", row.firmware, &[target])
}

impl Row {
    fn attach(&self, disk: &DiskFile) -> Disk {
        let attached = disk.on(self.bus).serial(SERIAL).sectors(self.sectors);
        match self.by {
            By::Wwn => attached.wwn(WWN),
            By::Serial | By::Rule => attached,
        }
    }

    fn medium(&self, ctx: &Context) -> Result<Disk> {
        let iso = &ctx.image()?.iso;
        Ok(match self.medium {
            Medium::Cd => Disk::new(iso, Bus::Cd),
            Medium::Stick => Disk::new(iso, Bus::Usb).throwaway(),
            Medium::LargeStick => Disk::new(large_stick(ctx)?, Bus::Usb),
            Medium::Alike => Disk::new(large_stick(ctx)?, self.bus),
        })
    }

    /// Where the disk beside is: it must not fit a rule that is for one disk.
    fn bus_beside(&self) -> Bus {
        match self.medium {
            Medium::Alike => Bus::Virtio,
            Medium::Cd | Medium::Stick | Medium::LargeStick => self.bus,
        }
    }

    /// What the rule allows, in GB.
    fn largest(&self) -> u64 {
        match self.medium {
            Medium::Alike => STICK_BYTES / GB,
            Medium::Cd | Medium::Stick | Medium::LargeStick => self.bytes / GB,
        }
    }

    /// `[target]` of the answers.
    fn target(&self) -> String {
        let named = match self.by {
            By::Serial => format!("serial = \"{SERIAL}\""),
            By::Wwn => format!("wwn = \"naa.{WWN:x}\""),
            By::Rule => format!(
                "bus = \"{}\"\nsize_min = \"{}GB\"\nsize_max = \"{}GB\"",
                self.bus,
                self.bytes / GB,
                self.largest()
            ),
        };
        format!("[target]\n{named}")
    }
}

fn large_stick(ctx: &Context) -> Result<PathBuf> {
    let stick = ctx.folder().join("stick.raw");
    images::stick(&ctx.image()?.iso, &stick, STICK_BYTES).context("making a large stick")?;
    Ok(stick)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of a row, named so that pairs of them can be compared.
    fn values(row: &Row) -> [String; 5] {
        let medium = match row.medium {
            Medium::Cd => "cd",
            Medium::Stick | Medium::LargeStick | Medium::Alike => "stick",
        };
        [
            row.firmware.to_string(),
            medium.to_owned(),
            row.bus.to_string(),
            format!("{} GB", row.bytes / GB),
            row.sectors.logical.to_string(),
        ]
    }

    /// What no machine has: BIOS and AHCI know only sectors of 512 bytes.
    fn goes_together(one: &str, other: &str) -> bool {
        !(other == "4096" && ["bios", "sata"].contains(&one))
    }

    #[test]
    fn every_pair_of_values_has_a_row() {
        let rows: Vec<[String; 5]> = ROWS.iter().map(values).collect();
        for first in 0..5 {
            for second in first + 1..5 {
                for one in rows.iter().map(|row| &row[first]) {
                    for other in rows.iter().map(|row| &row[second]) {
                        let covered = rows
                            .iter()
                            .any(|row| row[first] == *one && row[second] == *other);
                        assert!(
                            covered || !goes_together(one, other),
                            "no row has {one} with {other}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_large_stick_is_larger_than_its_disk_on_both_firmwares() {
        let is_large = |row: &&Row| matches!(row.medium, Medium::LargeStick | Medium::Alike);
        let large = ROWS.iter().filter(is_large);
        let firmwares: Vec<Firmware> = large
            .inspect(|row| assert!(row.bytes < STICK_BYTES))
            .map(|row| row.firmware)
            .collect();
        assert_eq!(firmwares, [Firmware::Bios, Firmware::Uefi]);
    }

    #[test]
    fn a_medium_among_the_disks_fits_the_rule_for_the_disk() {
        let row = ROWS.iter().find(|row| row.medium == Medium::Alike).unwrap();
        assert!(matches!(row.by, By::Rule));
        assert_eq!(
            row.target(),
            "[target]\nbus = \"nvme\"\nsize_min = \"8GB\"\nsize_max = \"16GB\""
        );
        assert_ne!(row.bus_beside(), row.bus);
    }

    #[test]
    fn every_way_to_choose_is_used() {
        for by in [By::Serial, By::Wwn, By::Rule] {
            assert!(ROWS.iter().any(|row| row.by == by), "{by:?}");
        }
        assert_eq!(
            ROWS[2].target(),
            "[target]\nbus = \"virtio\"\nsize_min = \"20000GB\"\nsize_max = \"20000GB\""
        );
    }
}
