//! A running web interface, a browser, and packages.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};

use crate::broker;

mod person;
mod updater;

pub use person::{Person, cookie, id, is_answered, multipart, token};
use updater::{Fake, updater};
pub use updater::{World, package};

pub const PASSWORD: &str = "dix lamas";
/// Who may log in, all by that: one of each role, and root.
const USERS: [(&str, &str); 4] = [
    ("root", "administrator"),
    ("anne", "administrator"),
    ("olga", "operator"),
    ("vera", "viewer"),
];
/// The code of the first setup.
pub const CODE: &str = "ABCD-EFGH";

/// What a web interface is put beside.
pub struct Beside {
    /// Where it asks the broker.
    pub for_web: PathBuf,
    /// Where the updater asks the broker.
    pub for_updater: PathBuf,
    /// What the pages show is read there.
    pub root: PathBuf,
}

/// The program, and what it works with.
pub struct Web {
    pub plain: SocketAddr,
    pub secure: SocketAddr,
    pub dir: tempfile::TempDir,
    pub world: Arc<Mutex<World>>,
    pub broker: Arc<Mutex<broker::World>>,
    program: Child,
}

impl Web {
    /// Set up already.
    pub fn start() -> Self {
        Self::with(broker::World::of(&USERS, PASSWORD))
    }

    /// Nobody administrates it yet.
    pub fn fresh() -> Self {
        let mut world = broker::World::of(&USERS[..1], PASSWORD);
        world.code = Some(CODE.to_owned());
        Self::with(world)
    }

    /// On a state volume that takes nothing: where its folder should be, nothing can be written.
    pub fn without_a_volume() -> Self {
        Self::at(broker::World::of(&USERS, PASSWORD), |state| {
            std::fs::write(state, "").unwrap();
        })
    }

    fn with(broker: broker::World) -> Self {
        Self::at(broker, |state| std::fs::create_dir(state).unwrap())
    }

    fn at(broker: broker::World, make: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at_broker = dir.path().join("broker");
        let broker = Arc::new(Mutex::new(broker));
        broker::start(&at_broker, Arc::clone(&broker));
        let beside = Beside {
            for_web: at_broker.clone(),
            for_updater: at_broker,
            root: "/".into(),
        };
        Self::run(dir, broker, &beside, make)
    }

    /// Beside another broker; the one in memory is asked nothing.
    pub fn beside(dir: tempfile::TempDir, beside: &Beside) -> Self {
        Self::run(dir, Arc::default(), beside, |state| {
            std::fs::create_dir(state).unwrap();
        })
    }

    fn run(
        dir: tempfile::TempDir,
        broker: Arc<Mutex<broker::World>>,
        beside: &Beside,
        make: impl FnOnce(&Path),
    ) -> Self {
        let state = dir.path().join("state");
        make(&state);
        let socket = dir.path().join("updater");
        let world = Arc::<Mutex<World>>::default();
        let fake = Fake {
            uploads: state.join("upload"),
            broker: beside.for_updater.clone(),
            world: Arc::clone(&world),
        };
        updater(&socket, fake);
        let mut program = Command::new(env!("CARGO_BIN_EXE_vigie-web"))
            .args(["--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0"])
            .arg("--state")
            .arg(&state)
            .arg("--updater")
            .arg(&socket)
            .arg("--broker")
            .arg(&beside.for_web)
            .arg("--root")
            .arg(&beside.root)
            .arg("--gate")
            .arg(dir.path().join("gate"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let mut address = || {
            let line = lines.next().unwrap().unwrap();
            line.rsplit(' ').next().unwrap().parse().unwrap()
        };
        let (plain, secure) = (address(), address());
        // Whatever else it says must not fill the pipe.
        std::thread::spawn(move || lines.count());
        Self {
            plain,
            secure,
            dir,
            world,
            broker,
            program,
        }
    }

    /// What the broker knows.
    pub fn broker(&self) -> std::sync::MutexGuard<'_, broker::World> {
        self.broker.lock().unwrap()
    }

    /// The health gate's socket.
    pub fn gate(&self) -> PathBuf {
        self.dir.path().join("gate")
    }

    pub fn uploads(&self) -> PathBuf {
        self.dir.path().join("state/upload")
    }

    /// The most memory that it has had at once, in bytes.
    pub fn peak_of_memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.program.id());
        let status = std::fs::read_to_string(status).unwrap();
        let peak = status.split_once("VmHWM:").unwrap().1;
        let kib: u64 = peak.split_whitespace().next().unwrap().parse().unwrap();
        kib << 10
    }

    /// Ends everybody's session, as a change of the password does.
    pub fn change_password(&self) {
        self.broker().sessions.clear();
    }

    /// Names of uploads with an ending.
    pub fn files(&self, ending: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.uploads()).unwrap().flatten();
        let names = entries.map(|entry| entry.file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(ending)).collect()
    }

    /// The next installation waits in its middle, or the next question to the server, until it is told
    /// to go on.
    pub fn holds_what_comes(&self) -> mpsc::Sender<()> {
        let (go_on, told) = mpsc::channel();
        self.world.lock().unwrap().go_on = Some(told);
        go_on
    }

    /// Lets time pass for those who gave wrong passwords.
    pub fn waits_are_over(&self) {
        self.broker().wrong.clear();
    }

    pub fn done(&self) -> Vec<String> {
        self.world.lock().unwrap().done.clone()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
