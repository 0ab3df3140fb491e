//! `kill -9` of the machine at random moments of an update: it starts a good version every time.
//!
//! The crash enumerator of `update` replays every write in milliseconds; this confirms it from
//! outside, with the real unpacking process, kernel and boot loader.
//!
//! Most moments lie in writing and reading back, one after the other on one disk. Those of [`Late`]
//! lie behind it: each begins at a copy of the disk on which the new version is the next to be
//! started, and as that has tries left, it must come up in the end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::update::{Package, RESTART, open};
use super::{SSH, WEB, disk, scenario, ssh};
use crate::context::Context;
use crate::step::Step;
use crate::vm::command::{Bus, Disk, Firmware};
use crate::vm::{Response, Vm};

const NEXT: &str = "0.1.0.1";
/// How often it is killed while it writes and reads back.
const EARLY: usize = 14;

/// A moment behind that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Late {
    /// The old system ends, so that the new one can start.
    Restart,
    /// The new version is the next, and nobody has asked for a restart.
    Flipped,
    /// GRUB has counted the try, and loads kernel and initrd.
    Grub,
    /// The initrd, before the system.
    Initrd,
    /// The system starts, and is not marked good.
    BeforeGood,
    /// It was marked good just now.
    AfterGood,
}

/// The first goes on where the update ended, the others begin at copies.
const LATE: [Late; 6] = [
    Late::Restart,
    Late::Flipped,
    Late::Grub,
    Late::Initrd,
    Late::BeforeGood,
    Late::AfterGood,
];

/// A restart takes at least as long until GRUB comes.
const ENDING: Duration = Duration::from_secs(4);
/// Behind a moment that is an event.
const SOON: Duration = Duration::from_secs(2);

pub(super) fn step() -> Step {
    scenario(
        "update-cut",
        "a machine killed at 20 random moments of an update, restart and first start included, starts a good version every time",
        &["install"],
        run,
    )
}

fn run(ctx: &Context) -> Result<()> {
    let package = Package::build(ctx, NEXT, |_| Ok(()))?;
    let mut moments = Moments::new();
    ctx.note(format!("seed {}", moments.0));
    let disk = fresh(ctx)?;
    for cut in 0..EARLY {
        let vm = old(ctx, &format!("cut-{cut}"), &disk)?;
        let moment = moments.percent();
        let reached = kill_at(ctx, &vm, &package, moment)?;
        ctx.note(format!("{moment} %: {reached}"));
    }
    // After all these it is taken as on the first day.
    let vm = old(ctx, "install", &disk)?;
    let stages = Stages::of(ctx, &vm)?;
    let copy = install(ctx, &vm, &disk, &package)?;
    for late in LATE {
        let wait = late.wait(&stages, &mut moments);
        let disk = match late {
            Late::Restart => disk.clone(),
            _ => again(ctx, &copy)?,
        };
        late.end(ctx, &vm, &disk, wait)?;
        let seconds = new_comes_up(ctx, late, &disk)?;
        ctx.note(format!(
            "{late:?} + {} ms: up after {seconds:.0} s",
            wait.as_millis()
        ));
    }
    Ok(())
}

/// A healthy machine that runs the old version.
fn old(ctx: &Context, name: &str, disk: &Disk) -> Result<Vm> {
    let vm = start(ctx, name, disk)?;
    let slot = healthy(ctx, &vm)?;
    ensure!(
        slot == "a",
        "nothing was installed, and it runs from slot {slot}"
    );
    Ok(vm)
}

/// Installs it whole; gives a copy of the disk as it is then.
fn install(ctx: &Context, vm: &Vm, disk: &Disk, package: &Package) -> Result<PathBuf> {
    let mut apply = begin(ctx, vm, package)?;
    ensure!(apply.wait()?.success(), "the update failed");
    vm.command("stop", json!({}))?;
    let copy = ctx.folder().join("installed.qcow2");
    fs::copy(&disk.path, &copy).context("copying the disk")?;
    vm.command("cont", json!({}))?;
    Ok(copy)
}

/// The disk with the update installed, once more.
fn again(ctx: &Context, copy: &Path) -> Result<Disk> {
    let path = ctx.folder().join("again.qcow2");
    fs::copy(copy, &path).context("copying the disk")?;
    Ok(Disk::new(path, Bus::Virtio).qcow2())
}

/// The new version comes up by itself and is marked good; gives how long it took.
fn new_comes_up(ctx: &Context, late: Late, disk: &Disk) -> Result<f64> {
    let vm = start(ctx, &format!("after-{late:?}").to_lowercase(), disk)?;
    let slot = healthy(ctx, &vm)?;
    ensure!(slot == "b", "{late:?}: it runs from slot {slot}");
    let seconds = vm.now().as_secs_f64();
    let status = ssh::Key::of_install(ctx).says(ctx, &vm, "vigie-update status --json")?;
    let status: Value = serde_json::from_str(&status)?;
    let settled = status["slots"]["b"]["good"] == true && status["next"] == "b";
    ensure!(settled, "{late:?}: {status}");
    vm.kill()?;
    Ok(seconds)
}

/// When a start has come how far, counted from GRUB's choice of a slot.
struct Stages {
    kernel: Duration,
    initrd: Duration,
    system: Duration,
    good: Duration,
}

impl Stages {
    /// Of the start that this machine has behind it.
    fn of(ctx: &Context, vm: &Vm) -> Result<Stages> {
        let chosen = vm.wait_line("Vigie: slot ", RESTART)?.at;
        // Seconds of the kernel's clock, one a line.
        let said = ssh::Key::of_install(ctx).says(
            ctx,
            vm,
            "cut -d' ' -f1 /proc/uptime; \
             dmesg | sed -n 's/^\\[ *\\([0-9.]*\\)\\] Run .* as init process$/\\1/p' | head -n 1; \
             for one in '' vigie-mark-good.service; do \
             systemctl show --value -p UserspaceTimestampMonotonic -p ActiveEnterTimestampMonotonic \
             $one | sed 's/......$/.&/'; done",
        )?;
        let seconds: Vec<f64> = said.lines().filter_map(|line| line.parse().ok()).collect();
        let [up, initrd, system, good] = seconds[..] else {
            anyhow::bail!("the stages of a start: {said}");
        };
        let kernel = vm.now().as_secs_f64() - up - chosen.as_secs_f64();
        let at = |seconds: f64| Duration::from_secs_f64((kernel + seconds).max(0.0));
        Ok(Stages {
            kernel: at(0.0),
            initrd: at(initrd),
            system: at(system),
            good: at(good),
        })
    }
}

impl Late {
    /// How long to wait after the event that this moment follows.
    fn wait(self, stages: &Stages, moments: &mut Moments) -> Duration {
        let (from, to) = match self {
            Late::Restart => (Duration::ZERO, ENDING),
            Late::Grub => (Duration::ZERO, stages.kernel),
            Late::Initrd => (stages.initrd, stages.system),
            Late::BeforeGood => (stages.system, stages.good),
            Late::AfterGood => (Duration::ZERO, SOON),
            Late::Flipped => return Duration::ZERO,
        };
        moments.between(from, to)
    }

    /// Kills the machine there: `vm`, on which the update was installed, or another with `disk`.
    fn end(self, ctx: &Context, vm: &Vm, disk: &Disk, wait: Duration) -> Result<()> {
        let name = format!("cut-{self:?}").to_lowercase();
        match self {
            // The copy is what a cut leaves there.
            Late::Flipped => return Ok(()),
            Late::Restart => {
                // sshd ends with the system.
                let _ = ssh::Key::of_install(ctx).says(ctx, vm, "systemctl --no-block reboot");
                thread::sleep(wait);
                return vm.kill();
            }
            Late::Grub | Late::Initrd | Late::BeforeGood | Late::AfterGood => {}
        }
        let vm = start(ctx, &name, disk)?;
        vm.wait_line("Vigie: slot b", RESTART)?;
        if self == Late::AfterGood {
            healthy(ctx, &vm)?;
        }
        thread::sleep(wait);
        vm.kill()
    }
}

/// The installed disk as it was.
fn fresh(ctx: &Context) -> Result<Disk> {
    Ok(Disk::new(disk::overlay(ctx, ctx.installed_disk()?)?, Bus::Virtio).qcow2())
}

fn start(ctx: &Context, name: &str, disk: &Disk) -> Result<Vm> {
    let machine = ctx.machine(Firmware::Bios)?.forward(WEB).forward(SSH);
    ctx.start(name, &machine.disk(disk.clone()))
}

/// The slot of the healthy system; its version is that of the slot.
fn healthy(ctx: &Context, vm: &Vm) -> Result<String> {
    let old = ctx.image()?.version.as_str();
    let good = |response: &Response| {
        let health: Value = response.json().unwrap_or_default();
        let is = |slot: &str, version: &str| health["slot"] == slot && health["version"] == version;
        health["status"] == "ok" && (is("a", old) || is("b", NEXT))
    };
    let health = vm.wait_http(WEB, "/health", RESTART, good)?.json()?;
    // Until then no package is taken.
    ssh::Key::of_install(ctx).says(ctx, vm, "systemctl start vigie-mark-good.service")?;
    Ok(health["slot"].as_str().unwrap_or_default().to_owned())
}

fn begin(ctx: &Context, vm: &Vm, package: &Package) -> Result<Child> {
    ssh::Key::of_install(ctx)
        .client(ctx, vm, "vigie-update apply --json -")?
        .stdin(open(&package.path)?)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("starting ssh")
}

/// Kills the machine when the update has come so far, in percent of writing and reading back.
fn kill_at(ctx: &Context, vm: &Vm, package: &Package, percent: u64) -> Result<String> {
    let mut apply = begin(ctx, vm, package)?;
    let said = apply.stdout.take().context("ssh has no output")?;
    let mut reached = None;
    for line in BufReader::new(said).lines() {
        let event: Value = serde_json::from_str(&line?).unwrap_or_default();
        ensure!(
            event["event"] == "progress",
            "killed at {percent} %: {event}"
        );
        if so_far(&event) >= percent {
            reached = Some(format!("{} {}", event["phase"], event["done"]));
            break;
        }
    }
    vm.kill()?;
    let _ = apply.kill();
    apply.wait()?;
    reached.with_context(|| format!("the update ended before {percent} %"))
}

/// Writing is the first half, reading back the second.
fn so_far(event: &Value) -> u64 {
    let half = if event["phase"] == "read-back" { 50 } else { 0 };
    let done = event["done"].as_u64().unwrap_or_default();
    let total = event["total"].as_u64().unwrap_or(1).max(1);
    half + done * 50 / total
}

/// Moments, others in each run, the first ones as well as the last ones.
struct Moments(u64);

impl Moments {
    fn new() -> Moments {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Moments(since.map_or(1, |since| since.as_nanos() as u64 | 1))
    }

    /// xorshift64 (Marsaglia, 2003).
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 32
    }

    /// Below 97, because what follows the last event is the flip.
    fn percent(&mut self) -> u64 {
        self.next() % 97
    }

    /// From one time up to another, in milliseconds.
    fn between(&mut self, from: Duration, to: Duration) -> Duration {
        let room = to.saturating_sub(from).as_millis() as u64;
        from + Duration::from_millis(self.next() % (room + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_of_both_halves() {
        for (phase, done, expected) in [
            ("write", 0, 0),
            ("write", 100, 50),
            ("read-back", 0, 50),
            ("read-back", 50, 75),
        ] {
            let event = serde_json::json!({"phase": phase, "done": done, "total": 100});
            assert_eq!(so_far(&event), expected, "{event}");
        }
        let mut moments = Moments::new();
        assert!((0..1000).all(|_| moments.percent() < 97));
    }

    #[test]
    fn moments_lie_between_their_bounds() {
        let mut moments = Moments(1);
        let [from, to] = [1000, 1003].map(Duration::from_millis);
        let mut seen: Vec<Duration> = (0..100).map(|_| moments.between(from, to)).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen, [1000, 1001, 1002, 1003].map(Duration::from_millis));
        assert_eq!(moments.between(to, from), to, "a stage that took no time");
    }

    #[test]
    fn twenty_moments() {
        assert_eq!(EARLY + LATE.len(), 20);
    }
}
