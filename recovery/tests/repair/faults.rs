//! Volumes that became shorter than their file systems.

use std::fs::{self, OpenOptions};

use vigie_recovery::check::verdict::Reason;
use vigie_recovery::check::{Mode, Silent, Verdict};

use crate::image::Image;
use crate::seeds::SHAPES;
use crate::support::{check, tools};

/// A disk that was copied onto a smaller one, or whose partition was cut. What is left of the files is
/// not touched: nothing that e2fsck could do brings the rest back.
#[test]
fn a_truncated_volume_is_lost_and_nothing_is_written_to_it() {
    let Some(tools) = tools() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (number, shape) in SHAPES.iter().enumerate() {
        let folder = folder.path().join(number.to_string());
        fs::create_dir(&folder).unwrap();
        let image = Image::make(&tools, &folder, *shape);
        let whole = fs::metadata(&image.path).unwrap().len();
        for length in [whole - shape.block, whole / 2, 100 << 10, 4096] {
            let path = folder.join("cut");
            fs::copy(&image.path, &path).unwrap();
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(length).unwrap();
            let before = fs::read(&path).unwrap();
            let reason = Reason::LargerThanVolume;
            let looked = check(&tools, Mode::Inspect, &path, &mut Silent).verdict;
            let preened = check(&tools, Mode::Preen, &path, &mut Silent).verdict;
            let repaired = check(&tools, Mode::Repair, &path, &mut Silent).verdict;
            let what = format!("{number}, {length} of {whole}");
            for verdict in [&looked, &preened] {
                let is = matches!(verdict, Verdict::Damaged { reason: told } | Verdict::Lost { reason: told } if *told == reason);
                assert!(is, "{what}: {verdict:?}");
            }
            assert_eq!(repaired, Verdict::Lost { reason }, "{what}");
            assert!(fs::read(&path).unwrap() == before, "{what}: written");
        }
    }
}
