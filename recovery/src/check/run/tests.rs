//! Runs of a shell that is e2fsck.

use super::*;
use std::cell::Cell;
use std::process::Command;

/// A shell that is e2fsck.
struct Shell(&'static str);

impl Toolbox for Shell {
    fn command(&self, program: &str) -> Command {
        assert_eq!(program, "e2fsck");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", self.0, "e2fsck"]);
        command
    }
}

#[derive(Default)]
struct Told {
    goings: Vec<Going>,
    process: Option<u32>,
    stop: bool,
    /// Only once it says how far it is.
    stop_later: bool,
    /// How often it was asked, which is once each time that something woke us.
    asked: Cell<u32>,
}

impl Watch for Told {
    fn begins(&mut self, _: Step, process: u32) {
        self.process = Some(process);
    }

    fn goes(&mut self, going: &Going) {
        self.goings.push(*going);
    }

    fn asked_to_stop(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        let goes = self.goings.last().is_some_and(|going| going.meter.pass > 0);
        self.stop || self.stop_later && goes
    }
}

fn ran(script: &'static str, step: Step, told: &mut Told) -> Ran {
    run(&Shell(script), step, Path::new("/volume"), "state", told).unwrap()
}

#[test]
fn a_run_is_heard_to_its_end() {
    let script = "echo \"$@\"; echo 1 0 10 state >&2; echo 1 5 10 state >&2; \
                  echo 'state: Inode 7, i_size is 1, should be 2.  FIXED.'; \
                  echo 'e2fsck: Input/output error' >&2; printf 'Fix? yes'; read x; \
                  test -z \"$x\" && test \"$LC_ALL\" = C && exit 5";
    let mut told = Told::default();
    let ran = ran(script, Step::FullPreen, &mut told);
    assert_eq!(ran.outcome, Outcome::exit(5));
    assert!(
        ran.output.starts_with("-f -p -C 2 /volume\n"),
        "{}",
        ran.output
    );
    assert!(!ran.output.contains("1 5 10"), "{}", ran.output);
    assert!(ran.output.contains("Input/output error"), "{}", ran.output);
    assert_eq!((ran.findings.count(), ran.findings.changes), (2, 2));
    let last = told.goings.last().unwrap();
    assert_eq!((last.meter.pass, last.meter.permille), (1, 350));
}

#[test]
fn a_silent_run_is_told_of_each_second_and_noise_stays_bounded() {
    let mut told = Told::default();
    let quiet = ran("exec sleep 1.7", Step::Repair, &mut told);
    assert!(quiet.outcome.is_clean());
    assert!(told.goings.len() >= 3, "{:?}", told.goings);
    assert_eq!(
        told.goings.last().unwrap().silent_seconds,
        0,
        "its end was heard"
    );
    assert_eq!(told.goings[told.goings.len() - 2].silent_seconds, 1);
    let loud = ran(
        "yes x | head -c 3000000; yes | head -c 1000000 >&2",
        Step::Repair,
        &mut told,
    );
    assert!(loud.output.len() < 2 * KEPT + 100, "{}", loud.output.len());
    assert!(loud.output.contains("bytes left out"));
}

#[test]
fn progress_does_not_wake_us() {
    let script = "i=0; while test $i -lt 100000; do echo \"2 $i 100000 state\"; i=$((i+1)); done >&2; \
                  echo said last";
    let mut told = Told::default();
    let ran = ran(script, Step::Inspect, &mut told);
    assert_eq!(ran.output, "said last\n");
    let last = told.goings.last().unwrap();
    assert_eq!((last.meter.pass, last.meter.permille), (2, 899));
    let (asked, seconds) = (told.asked.get(), ran.seconds);
    let most = 10.0 + 25.0 * seconds;
    assert!(f64::from(asked) < most, "{asked} times in {seconds} s");
}

#[test]
fn only_a_run_that_does_not_write_is_stopped() {
    let mut told = Told {
        stop: true,
        ..Told::default()
    };
    let looked = ran("exec sleep 60", Step::Inspect, &mut told);
    assert_eq!(looked.outcome.signal, Some(9));
    let wrote = ran("exec sleep 0.7", Step::Repair, &mut told);
    assert!(wrote.outcome.is_clean());
    // One that somebody has asked for at a start ends itself, in its own time.
    let script = "trap 'kill $!; sleep 0.7; exit 32' TERM; sleep 60 & echo 1 5 10 state >&2; wait";
    let mut told = Told {
        stop_later: true,
        ..Told::default()
    };
    let thorough = ran(script, Step::Thorough, &mut told);
    assert_eq!(thorough.outcome, Outcome::exit(32));
    assert_ne!(told.process, None);
}

/// A process that the kernel does not let go of, as far as anybody can tell.
fn hangs(
    script: &'static str,
    step: Step,
    told: &mut Told,
    patience: Patience,
) -> Result<Ran, RunError> {
    let asleep = |_| Some(Pulse::asleep());
    let volume = Path::new("/volume");
    run_while(
        &Shell(script),
        step,
        volume,
        "state",
        told,
        (&asleep, patience),
    )
}

#[test]
fn a_repair_that_the_kernel_does_not_let_go_of_is_left_behind() {
    let long = Duration::from_secs(3600);
    let brief = Duration::from_millis(300);
    let patience = |asked, alone| Patience {
        killed: long,
        asked,
        alone,
    };
    // With its output open, and with only itself left.
    for script in ["exec sleep 60", "exec >&- 2>&-; exec sleep 60"] {
        for (stop, patience) in [
            (false, patience(long, brief)),
            (true, patience(brief, long)),
        ] {
            let mut told = Told {
                stop,
                ..Told::default()
            };
            let error = hangs(script, Step::Repair, &mut told, patience).unwrap_err();
            let process = told.process.unwrap();
            assert!(
                matches!(error, RunError::Stuck { process: one, .. } if one == process),
                "{error}"
            );
            assert!(error.to_string().contains(&process.to_string()), "{error}");
        }
    }
    // Nobody gives up one that moves.
    let mut told = Told::default();
    let moves = ran("exec sleep 0.7", Step::Repair, &mut told);
    assert!(moves.outcome.is_clean());
}

#[test]
fn a_look_that_was_ended_is_not_waited_for_without_end() {
    let mut told = Told {
        stop: true,
        ..Told::default()
    };
    let patience = Patience {
        killed: Duration::from_millis(1500),
        asked: Duration::from_secs(3600),
        alone: Duration::from_secs(3600),
    };
    // Its output stays open beyond its own end.
    let script = "sleep 5 & exec sleep 60";
    let begun = Instant::now();
    let looked = hangs(script, Step::Inspect, &mut told, patience).unwrap();
    assert_eq!(looked.outcome.signal, Some(9));
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn what_cannot_be_started_is_told() {
    struct Nothing;
    impl Toolbox for Nothing {
        fn command(&self, _: &str) -> Command {
            Command::new("/no/such/e2fsck")
        }
    }
    let volume = Path::new("/dev/vda7");
    let error = run(
        &Nothing,
        Step::Repair,
        volume,
        "state",
        &mut Told::default(),
    );
    let error = error.unwrap_err().to_string();
    assert!(error.contains("e2fsck on /dev/vda7"), "{error}");
}
