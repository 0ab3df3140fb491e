//! A repair that is killed, and then run again.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use vigie_recovery::check::run::{Going, Watch as WatchRun};
use vigie_recovery::check::verdict::Reason;
use vigie_recovery::check::{Mode, Silent, Step, Verdict, Volume, VolumeReport, Watch};

use crate::damage::{Kind, damage};
use crate::image::Image;
use crate::seeds::SHAPES;
use crate::support::{Random, check, is_clean, seeds, tools};

/// Kills the run of a number after a while.
struct Killer {
    run: u64,
    after: Duration,
}

impl WatchRun for Killer {
    fn begins(&mut self, _: Step, process: u32) {
        if self.run == 0 {
            // Nobody waits for the process before this returns: its number is its own.
            std::thread::sleep(self.after);
            let process = Pid::from_raw(process.cast_signed()).unwrap();
            kill_process(process, Signal::KILL).unwrap();
        }
        self.run = self.run.wrapping_sub(1);
    }

    fn goes(&mut self, _: &Going) {}

    fn asked_to_stop(&self) -> bool {
        false
    }
}

impl Watch for Killer {
    fn volume(&mut self, _: usize, _: usize, _: &Volume) {}
    fn waits(&mut self, _: Option<u8>, _: u64) {}
    fn ends(&mut self, _: &VolumeReport) {}
}

#[test]
fn a_killed_repair_can_be_run_again() {
    let Some(tools) = tools() else { return };
    let folder = tempfile::tempdir().unwrap();
    let image = Image::make(&tools, folder.path(), SHAPES[1]);
    let path = folder.path().join("damaged");
    let (mut killed, mut cases) = (0, 0);
    for kind in Kind::ALL {
        for seed in 0..seeds() {
            cases += 1;
            let what = format!("{kind:?} seed {seed}");
            let mut random = Random::new(seed ^ 0xDEAD);
            let mut bytes = fs::read(&image.path).unwrap();
            damage(&image, &mut bytes, kind, seed);
            fs::write(&path, &bytes).unwrap();
            let mut killer = Killer {
                run: random.below(3),
                after: Duration::from_micros(random.below(12_000)),
            };
            let first = check(&tools, Mode::Repair, &path, &mut killer);
            if matches!(
                first.verdict,
                Verdict::NotChecked {
                    reason: Reason::Killed { signal: 9 }
                }
            ) {
                killed += 1;
            }
            let second = check(&tools, Mode::Repair, &path, &mut Silent);
            assert!(second.verdict.is_good(), "{what}: {:?}", second.verdict);
            assert_eq!(is_clean(&tools, &path), Ok(()), "{what}");
        }
    }
    println!("{cases} repairs, {killed} of them killed");
    assert!(killed > cases / 10, "{killed} of {cases}");
}
