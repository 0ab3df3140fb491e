//! What the tests share: tools, random numbers, a check through the library.

use std::path::{Path, PathBuf};

use vigie_disk::sysfs::Sysfs;
use vigie_installer::toolbox::{Run, TreeTools};
use vigie_recovery::check::in_use::Uses;
use vigie_recovery::check::{Check, Mode, Volume, VolumeReport, Watch};

pub fn tools() -> Option<TreeTools> {
    let tree = std::env::var_os("VIGIE_TOOLS_DIR");
    if tree.is_none() {
        println!("skipped: VIGIE_TOOLS_DIR is not set");
    }
    tree.map(|tree| TreeTools::new(PathBuf::from(tree)))
}

/// How many damages of each kind.
pub fn seeds() -> u64 {
    let asked = std::env::var("VIGIE_REPAIR_SEEDS").ok();
    asked.map_or(20, |text| {
        text.parse().expect("VIGIE_REPAIR_SEEDS is a number")
    })
}

/// What a program of e2fsprogs prints about an image.
pub fn ask(tools: &TreeTools, program: &str, arguments: &[&str], image: &Path) -> String {
    let run = Run::new(tools, program, "asking")
        .args(arguments)
        .arg(image);
    String::from_utf8_lossy(&run.output().unwrap()).into_owned()
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers for the same seed everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// A check of an image file through the library.
pub fn check(tools: &TreeTools, mode: Mode, image: &Path, watch: &mut dyn Watch) -> VolumeReport {
    checked(tools, mode, false, image, watch)
}

/// A repair that goes on without room.
pub fn repair_even_full(tools: &TreeTools, image: &Path, watch: &mut dyn Watch) -> VolumeReport {
    checked(tools, Mode::Repair, true, image, watch)
}

fn checked(
    tools: &TreeTools,
    mode: Mode,
    even_full: bool,
    image: &Path,
    watch: &mut dyn Watch,
) -> VolumeReport {
    let check = Check {
        tools,
        uses: Uses {
            sysfs: Sysfs::new("/no/such/folder"),
            mounts: String::new(),
            swaps: String::new(),
        },
        mode,
        wait: false,
        seen: None,
        even_full,
    };
    let volume = Volume {
        name: "image".to_owned(),
        path: Ok(image.to_owned()),
    };
    check.one(&volume, watch)
}

/// Whether e2fsck itself is content.
pub fn is_clean(tools: &TreeTools, image: &Path) -> Result<(), String> {
    let run = Run::new(tools, "e2fsck", "judging")
        .args(["-f", "-n"])
        .arg(image);
    run.output().map(drop).map_err(|error| error.to_string())
}
