//! md arrays: starting the one of a member, and waiting for what the kernel does with one.
//!
//! While its copies are being made equal (after a power cut) or its shape is changed, a check would
//! read now one copy and now the other. For a check that is to write nothing an array is started
//! read-only, as otherwise its superblocks would be written and its copies made equal; it is
//! stopped again afterwards.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Error, Result};
use vigie_disk::KernelDevice;
use vigie_disk::md::{Superblock, Uuid};
use vigie_disk::sysfs::{Sysfs, node};
use vigie_installer::toolbox::{Run, Toolbox};
use vigie_settings::Language;

use super::verdict::{Reason, Refusal, Verdict};

/// What the kernel must have done with first. Rebuilding a member (`recover`) and looking through
/// the array (`check`) leave what is read as it is.
const UNSETTLED: [&str; 3] = ["resync", "reshape", "repair"];

/// mdadm reads and writes a few superblocks: where it takes longer a disk does not answer.
const LIMIT: Duration = Duration::from_secs(120);

/// Whether a device may be checked as far as its array goes.
///
/// # Errors
/// It is an array that is being synchronised.
pub fn settled(sysfs: &Sysfs, device: &Path) -> Result<(), Refusal> {
    let Some(name) = Sysfs::kernel_name(device) else {
        return Ok(());
    };
    let Some(action) = sysfs.attribute(&name, "md/sync_action") else {
        return Ok(());
    };
    if !UNSETTLED.contains(&action.as_str()) {
        return Ok(());
    }
    let completed = sysfs.attribute(&name, "md/sync_completed");
    Err(Refusal::Synchronising {
        device: node(&name),
        action,
        percent: completed.as_deref().and_then(percent),
    })
}

/// Of "done / total" in sectors (kernel, Documentation/admin-guide/md.rst).
fn percent(completed: &str) -> Option<u8> {
    let (done, total) = completed.split_once('/')?;
    let (done, total): (u128, u128) = (done.trim().parse().ok()?, total.trim().parse().ok()?);
    let percent = (done * 100).checked_div(total)?;
    u8::try_from(percent.min(100)).ok()
}

/// An array that runs; one that was started read-only is stopped when this goes.
pub struct Started<'a> {
    /// Its device node.
    pub device: PathBuf,
    stop_with: Option<&'a dyn Toolbox>,
}

/// The array of a member, started where it does not run.
///
/// # Errors
/// mdadm could not start it, or not make it writable.
pub fn start<'a>(
    tools: &'a dyn Toolbox,
    sysfs: &Sysfs,
    member: &Path,
    array: Uuid,
    writes: bool,
) -> Result<Started<'a>, Refusal> {
    let name = Sysfs::kernel_name(member).unwrap_or_default();
    let running = || {
        let holders = sysfs.holders(&name).into_iter();
        let is_array = |one: &String| sysfs.attribute(one, "md/level").is_some();
        holders.filter(is_array).map(|one| node(&one)).next()
    };
    if let Some(device) = running() {
        if writes {
            writable(tools, sysfs, &device)?;
        }
        let stop_with = None;
        return Ok(Started { device, stop_with });
    }
    let doing = format!("starting the array of {}", member.display());
    let mdadm = Run::new(tools, "mdadm", &doing)
        .args(["--assemble", "--run", "--config=partitions"])
        .args((!writes).then_some("--readonly"))
        .arg(format!("/dev/md/{}", name_for(array)))
        .arg(format!("--uuid={array}"));
    let said = mdadm.output_within(LIMIT);
    let device = running().ok_or_else(|| Refusal::NoArray {
        error: said.map_or_else(
            |error| format!("{error:#}"),
            |said| String::from_utf8_lossy(&said).trim().to_owned(),
        ),
    })?;
    let stop_with = (!writes).then_some(tools);
    Ok(Started { device, stop_with })
}

/// What mdadm is to call an array: since 4.3 it takes 32 letters, digits, ".", "_" and "-" at most, so that
/// an id as it is written is refused ("Too long or empty", and its colons "Not POSIX compatible").
fn name_for(array: Uuid) -> String {
    let begin: String = array.0[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("check-{begin}")
}

/// The array of a partition, started where it does not run; none where it is no member of one.
///
/// # Errors
/// It cannot be read or started.
pub fn of_member(
    tools: &'static dyn Toolbox,
    sysfs: &Sysfs,
    partition: &Path,
    writes: bool,
) -> Result<Option<Started<'static>>> {
    let Some(member) = Superblock::read(&KernelDevice::open_read_only(partition)?)? else {
        return Ok(None);
    };
    let started = start(tools, sysfs, partition, member.uuid, writes);
    let words = |refusal| {
        let reason = Reason::Refused { refusal };
        Verdict::NotChecked { reason }.words(Language::En)
    };
    Ok(Some(started.map_err(|refusal| Error::msg(words(refusal)))?))
}

/// An array that somebody started read-only is made writable.
fn writable(tools: &dyn Toolbox, sysfs: &Sysfs, device: &Path) -> Result<(), Refusal> {
    let name = Sysfs::kernel_name(device).unwrap_or_default();
    if sysfs.attribute(&name, "md/array_state").as_deref() != Some("readonly") {
        return Ok(());
    }
    let doing = format!("making the array {} writable", device.display());
    let mdadm = Run::new(tools, "mdadm", &doing);
    let done = mdadm.arg("--readwrite").arg(device).output_within(LIMIT);
    done.map(drop).map_err(|error| Refusal::NoArray {
        error: format!("{error:#}"),
    })
}

impl Drop for Started<'_> {
    fn drop(&mut self) {
        let Some(tools) = self.stop_with else { return };
        let doing = format!("stopping the array {}", self.device.display());
        let mdadm = Run::new(tools, "mdadm", &doing);
        // Running read-only it changes nothing: the next who needs it makes it writable.
        if let Err(error) = mdadm.arg("--stop").arg(&self.device).output_within(LIMIT) {
            eprintln!("vigie-recovery: {error:#}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::process::Command;

    #[test]
    fn an_array_is_waited_for_where_its_copies_may_differ() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("block/md127/md");
        fs::create_dir_all(&folder).unwrap();
        let sysfs = Sysfs::new(dir.path());
        let device = Path::new("/dev/md127");
        for (action, completed, expected) in [
            ("idle", "none", None),
            ("recover", "5 / 10", None),
            ("check", "5 / 10", None),
            ("resync", "none", Some(None)),
            ("resync", "5 / 10", Some(Some(50))),
            ("reshape", "1 / 0", Some(None)),
            ("repair", "x / y", Some(None)),
        ] {
            fs::write(folder.join("sync_action"), action).unwrap();
            fs::write(folder.join("sync_completed"), completed).unwrap();
            let told = settled(&sysfs, device).err().map(|refusal| match refusal {
                Refusal::Synchronising { percent, .. } => percent,
                other => panic!("{other:?}"),
            });
            assert_eq!(told, expected, "{action} {completed}");
        }
        assert_eq!(settled(&sysfs, Path::new("/dev/vda7")), Ok(()));
    }

    /// A machine of one member, and an mdadm that starts its array and notes how it was called.
    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new() -> Self {
            let machine = Self(tempfile::tempdir().unwrap());
            let member = machine.0.path().join("block/sda/sda7");
            fs::create_dir_all(member.join("holders")).unwrap();
            fs::write(member.join("partition"), "7").unwrap();
            machine
        }

        fn array(&self, state: &str) {
            let root = self.0.path();
            fs::create_dir_all(root.join("block/sda/sda7/holders/md127")).unwrap();
            fs::create_dir_all(root.join("block/md127/md")).unwrap();
            fs::write(root.join("block/md127/md/level"), "raid1").unwrap();
            fs::write(root.join("block/md127/md/array_state"), state).unwrap();
        }

        fn calls(&self) -> String {
            fs::read_to_string(self.0.path().join("calls")).unwrap_or_default()
        }

        fn start(&self, tools: &dyn Toolbox, writes: bool) -> Result<PathBuf, Refusal> {
            let sysfs = Sysfs::new(self.0.path());
            let member = Path::new("/dev/sda7");
            let started = start(tools, &sysfs, member, Uuid([0xAB; 16]), writes)?;
            Ok(started.device.clone())
        }
    }

    impl Toolbox for Machine {
        fn command(&self, program: &str) -> Command {
            let root = self.0.path().display();
            let starts = format!(
                "echo {program} \"$@\" >> {root}/calls; mkdir -p {root}/block/md127/md \
                 {root}/block/sda/sda7/holders/md127; echo raid1 > {root}/block/md127/md/level"
            );
            let mut command = Command::new("/bin/sh");
            command.args(["-c", &starts, "mdadm"]);
            command
        }
    }

    #[test]
    fn an_array_is_started_as_it_is_needed() {
        let md = PathBuf::from("/dev/md127");
        let uuid = Uuid([0xAB; 16]);
        let begin = "mdadm --assemble --run --config=partitions";
        let end = format!("/dev/md/check-abababababababab --uuid={uuid}\n");
        let looked_at = Machine::new();
        assert_eq!(looked_at.start(&looked_at, false), Ok(md.clone()));
        let expected = format!("{begin} --readonly {end}mdadm --stop /dev/md127\n");
        assert_eq!(looked_at.calls(), expected);
        let repaired = Machine::new();
        assert_eq!(repaired.start(&repaired, true), Ok(md.clone()));
        assert_eq!(repaired.calls(), format!("{begin} {end}"));
        for (state, writes, calls) in [
            ("clean", true, ""),
            ("readonly", false, ""),
            ("readonly", true, "mdadm --readwrite /dev/md127\n"),
        ] {
            let running = Machine::new();
            running.array(state);
            assert_eq!(running.start(&running, writes), Ok(md.clone()));
            assert_eq!(running.calls(), calls, "{state} {writes}");
        }
    }

    #[test]
    fn mdadm_takes_the_name_of_an_array() {
        let name = name_for(Uuid([0xF0; 16]));
        let portable = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        assert!(name.len() <= 32 && name.chars().all(portable), "{name}");
        assert_ne!(name, name_for(Uuid([0xF1; 16])));
    }

    #[test]
    fn an_array_that_does_not_start_is_told() {
        struct Fails;
        impl Toolbox for Fails {
            fn command(&self, _: &str) -> Command {
                let mut command = Command::new("/bin/sh");
                command.args(["-c", "echo no devices found >&2; exit 1"]);
                command
            }
        }
        let Err(Refusal::NoArray { error }) = Machine::new().start(&Fails, true) else {
            panic!("it started")
        };
        assert!(error.ends_with("no devices found"), "{error}");
    }
}
