//! Volumes that a replay of their journal fills.

use std::fs;
use std::path::Path;

use vigie_installer::toolbox::TreeTools;
use vigie_recovery::check::verdict::Reason;
use vigie_recovery::check::{Mode, Silent, Step, Verdict};

use crate::image::{FILLER, Image, fill_up, journal};
use crate::seeds::SHAPES;
use crate::support::{check, repair_even_full, tools};

const CHECKSUM_OF_GROUP: u64 = 0x1E;

/// Has the journal of a volume fill it: all that another fill changed but what the file holds, and but the
/// superblock, which the kernel writes at an unmount.
fn fill_by_journal(tools: &TreeTools, folder: &Path, image: &Image, block: usize) {
    let full = folder.join("full");
    fs::copy(&image.path, &full).unwrap();
    fill_up(tools, folder, &full);
    let (before, after) = (fs::read(&image.path).unwrap(), fs::read(&full).unwrap());
    let changed = before.chunks(block).zip(after.chunks(block)).zip(0..);
    let changed = changed.filter(|((before, after), number)| {
        let is_data = after.iter().all(|byte| *byte == FILLER);
        before != after && !is_data && *number != image.superblock.start / block as u64
    });
    let (contents, numbers): (Vec<&[u8]>, Vec<u64>) =
        changed.map(|((_, after), number)| (after, number)).unzip();
    journal(tools, folder, &image.path, &numbers, &contents.concat());
}

/// The descriptors cannot be believed, and have no copy: what is free is known by the superblock, until the
/// journal brings newer descriptors, by which nothing is.
#[test]
fn a_journal_that_fills_a_volume_is_seen_where_descriptors_were_damaged() {
    let Some(tools) = tools() else { return };
    let shape = SHAPES[2];
    for fills in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let image = Image::make(&tools, folder.path(), shape);
        if fills {
            fill_by_journal(&tools, folder.path(), &image, shape.block as usize);
        }
        let mut bytes = fs::read(&image.path).unwrap();
        bytes[(image.groups[0].start + CHECKSUM_OF_GROUP) as usize] ^= 0x5A;
        // The last folder: its files are put into lost+found, which may have to grow.
        let lost = image.directories.last().unwrap();
        bytes[lost.start as usize..lost.end as usize].fill(0);
        fs::write(&image.path, &bytes).unwrap();
        let report = check(&tools, Mode::Repair, &image.path, &mut Silent);
        let steps: Vec<Step> = report.steps.iter().map(|ran| ran.step).collect();
        if !fills {
            assert_eq!(report.verdict, Verdict::Repaired, "{steps:?}");
            continue;
        }
        let reason = Reason::NoRoom;
        assert_eq!(report.verdict, Verdict::Damaged { reason }, "{steps:?}");
        assert!(!steps.contains(&Step::Repair), "{steps:?}");
        let report = repair_even_full(&tools, &image.path, &mut Silent);
        assert!(report.verdict.is_good(), "{:?}", report.verdict);
    }
}
