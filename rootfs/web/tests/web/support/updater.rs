//! An updater after the updater's own contract, over real packages; and packages for it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};

use serde_json::{Value, json};
use vigie_disk::Bytes;
use vigie_update::apply::sandboxed::Sandboxed;
use vigie_update::apply::{ApplyError, Context, Phase, Unpacker};
use vigie_update::doors::found::{self, Found, Head};
use vigie_update::doors::peer::Peer;
use vigie_update::doors::places::Place;
use vigie_update::doors::serve::{Failure, Updater, Verdict, serve};
use vigie_update::doors::session::{self, Speaker};
use vigie_update::history::{Door, Outcome, Record};
use vigie_update::package::PackageError;
use vigie_update::package::make::{self, Recipe};
use vigie_update::package::signature::sign;
use vigie_update::policy::{Refusal, Waiting, judge};
use vigie_update::progress::Progress;
use vigie_update::pulled::{self, Report};
use vigie_update::{Slot, Version};

use crate::packages::{self, Direct, key, keys, noise};

/// A package of a version, its images of so many bytes that do not compress.
pub fn package(version: u32, length: usize) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let image = |name: &str, length: usize, seed: u64| {
        let path = dir.path().join(name);
        std::fs::write(&path, noise(length, seed)).unwrap();
        path
    };
    let system = image("system", length, u64::from(version));
    let boot = image("boot", 5000, 7);
    let recipe = Recipe {
        product: "vigie".into(),
        arch: "amd64".into(),
        hardware: vec!["any".into()],
        version: Version([version, 0, 0, 0]),
        min_from: Version([1, 0, 0, 0]),
        security_epoch: 0,
        build_time: 1_700_000_000,
        changelog: BTreeMap::new(),
        system: &system,
        boot: &boot,
        base: None,
    };
    let mut unsigned = make::make(&recipe, dir.path()).unwrap();
    let signature = sign(&key(), &unsigned.header.encode());
    let mut bytes = Vec::new();
    unsigned.write(&[signature], &mut bytes).unwrap();
    bytes
}

fn head(file: &File) -> Result<Head, PackageError> {
    let file = BufReader::new(file.try_clone().unwrap());
    found::head(&mut Direct(file), &keys())
}

/// Version 1 runs from slot A; what is applied is written down.
#[derive(Clone)]
pub struct Fake {
    pub uploads: PathBuf,
    /// The broker's socket.
    pub broker: PathBuf,
    pub world: Arc<Mutex<World>>,
}

#[derive(Default)]
pub struct World {
    /// What was asked and done.
    pub done: Vec<String>,
    pub waiting: Option<Version>,
    /// The highest version that came up well.
    pub reached: Version,
    pub history: Vec<Record>,
    /// What the server said last.
    pub report: Option<Report>,
    /// The server cannot be asked.
    pub mute: bool,
    /// So many checks end as they do where the unpacking process is killed.
    pub killed: usize,
    /// A check waits for this.
    pub check: Option<mpsc::Receiver<()>>,
    /// An installation in its middle, or a question to the server, waits for this.
    pub go_on: Option<mpsc::Receiver<()>>,
}

impl Fake {
    fn context(&self) -> Context {
        let world = self.world.lock().unwrap();
        let mut context = packages::context();
        context.standing.reached.version = world.reached;
        let waiting = |version| Waiting {
            version: Some(version),
        };
        context.standing.waiting = world.waiting.map(waiting);
        context
    }

    fn part(&self, upload: &str) -> File {
        File::open(self.uploads.join(format!("{upload}.part"))).unwrap()
    }

    fn verdict(&self, head: &Head) -> Verdict {
        let context = self.context();
        let verdict = judge(&head.opened.header, &context.machine, &context.standing);
        let later = matches!(verdict, Err(Refusal::Waiting { .. }));
        let refusal = verdict.map_err(ApplyError::from).err();
        Verdict {
            package: head.opened.id.clone(),
            version: head.opened.header.version.to_string(),
            length: head.length,
            accepted: refusal.is_none(),
            later,
            reason: refusal.as_ref().map(ToString::to_string),
            reason_fr: refusal.as_ref().map(ApplyError::french),
        }
    }

    fn scan(&self) -> Vec<(Found, File)> {
        let place = Place {
            folder: self.uploads.clone(),
            door: Door::Web,
        };
        found::scan(&[place], &self.context(), &mut |file| head(file))
    }
}

impl Updater for Fake {
    fn status(&mut self) -> Result<Value, Failure> {
        let (waiting, report) = {
            let world = self.world.lock().unwrap();
            (world.waiting, world.report.clone())
        };
        Ok(json!({
            "mode": "installed", "version": "1.0.0.0", "slot": "a",
            "slots": {"first": "a", "a": {"good": true, "tries": 3}, "b": {"good": waiting.is_none(), "tries": 3}},
            "next": if waiting.is_some() { "b" } else { "a" },
            "holds": {"a": {"version": "1.0.0.0"}, "b": {"version": waiting.unwrap_or(Version([0, 9, 0, 0]))}},
            "waiting": waiting.is_some(), "busy": null,
            "server": {"busy": false, "report": report},
        }))
    }
    fn history(&mut self) -> Vec<Record> {
        self.world.lock().unwrap().history.clone()
    }
    fn list(&mut self) -> Result<Vec<Found>, Failure> {
        Ok(self.scan().into_iter().map(|(found, _)| found).collect())
    }
    fn judge(&mut self, upload: &str) -> Result<Verdict, Failure> {
        let head = head(&self.part(upload)).map_err(ApplyError::from)?;
        self.world.lock().unwrap().done.push("judged".into());
        Ok(self.verdict(&head))
    }
    fn check(&mut self, upload: &str, _: &mut Progress) -> Result<Verdict, Failure> {
        let mut world = self.world.lock().unwrap();
        let (go_on, killed) = (world.check.take(), world.killed > 0);
        world.killed = world.killed.saturating_sub(1);
        drop(world);
        if let Some(go_on) = go_on {
            go_on.recv().unwrap();
        }
        if killed {
            let program = Path::new("/bin/false");
            let mut ended = Sandboxed::start(program, &self.part(upload), None).unwrap();
            let error = found::head(&mut ended, &keys()).unwrap_err();
            return Err(ApplyError::from(error).into());
        }
        let mut direct = Direct(BufReader::new(self.part(upload)));
        let head = found::head(&mut direct, &keys()).map_err(ApplyError::from)?;
        let checked = direct.unpack(&head.opened.header, None, None, &mut |_| ());
        checked.map_err(ApplyError::from)?;
        Ok(self.verdict(&head))
    }
    fn apply(
        &mut self,
        id: &str,
        who: Option<String>,
        progress: &mut Progress,
    ) -> Result<Value, Failure> {
        let found = self.scan().into_iter().find(|(found, _)| found.id == id);
        let (found, _) = found.ok_or_else(|| Failure::refused("gone", "parti"))?;
        let go_on = self.world.lock().unwrap().go_on.take();
        progress.tell(Phase::Write, Bytes::new(50), Bytes::new(100));
        if let Some(go_on) = go_on {
            go_on.recv().unwrap();
        }
        progress.tell(Phase::Write, Bytes::new(100), Bytes::new(100));
        let mut world = self.world.lock().unwrap();
        world.waiting = found.version;
        let version = found.version.unwrap();
        world.done.push(format!(
            "installed {version} for {}",
            who.clone().unwrap_or_default()
        ));
        world.history.push(Record {
            door: Some(found.door),
            who,
            to: found.version,
            slot: Some(Slot::B),
            ..Record::now(Outcome::Installed, Version([1, 0, 0, 0]))
        });
        Ok(json!({"version": version, "slot": "b"}))
    }
    fn rollback(&mut self, door: Door, who: Option<String>) -> Result<Outcome, Failure> {
        let mut world = self.world.lock().unwrap();
        world
            .done
            .push(format!("rollback {door:?} {}", who.unwrap_or_default()));
        world.waiting = None;
        Ok(Outcome::Cancelled)
    }
    fn restart(&mut self) -> Result<(), Failure> {
        self.world.lock().unwrap().done.push("restart".into());
        Ok(())
    }
    fn ask(&mut self) -> Result<Report, Failure> {
        let go_on = self.world.lock().unwrap().go_on.take();
        if let Some(go_on) = go_on {
            go_on.recv().unwrap();
        }
        let mut world = self.world.lock().unwrap();
        world.done.push("asked".into());
        if world.mute {
            return Err(Failure::refused("no server", "pas de serveur"));
        }
        let report = Report {
            time: 1_763_900_000,
            answer: pulled::Answer::Offered,
            version: Some(Version([2, 5, 0, 0])),
            made: None,
            reason: None,
            reason_fr: None,
        };
        world.report = Some(report.clone());
        Ok(report)
    }
    fn speaker(&mut self, token: &str) -> Result<Speaker, Failure> {
        session::of(&self.broker, token)
    }
}

/// Answers whoever comes.
pub fn updater(socket: &Path, fake: Fake) {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let mut fake = fake.clone();
            std::thread::spawn(move || serve(connection, Ok(Peer::Web), &mut fake));
        }
    });
}
