//! A running web interface, a browser, and packages.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::{COOKIE, HeaderValue};
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

use crate::broker;
use crate::packages::{self, Direct, key, keys, noise};

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
struct Fake {
    uploads: PathBuf,
    /// The broker's socket.
    broker: PathBuf,
    world: Arc<Mutex<World>>,
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

fn updater(socket: &Path, fake: Fake) {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let mut fake = fake.clone();
            std::thread::spawn(move || serve(connection, Ok(Peer::Web), &mut fake));
        }
    });
}

/// Somebody with a browser that follows nothing by itself.
pub struct Person<'a> {
    pub web: &'a Web,
    pub client: Client,
}

impl<'a> Person<'a> {
    pub fn new(web: &'a Web) -> Self {
        Self::with_cookie(web, None)
    }

    fn with_cookie(web: &'a Web, cookie: Option<String>) -> Self {
        let cookie = cookie.map(|cookie| (COOKIE, HeaderValue::try_from(cookie).unwrap()));
        let client = Client::builder()
            .danger_accept_invalid_certs(true)
            .default_headers(cookie.into_iter().collect())
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(60))
            .no_proxy();
        Self {
            web,
            client: client.build().unwrap(),
        }
    }

    /// Logged in as an administrator.
    pub fn logged_in(web: &'a Web) -> Self {
        Self::logged_in_as(web, "anne")
    }

    pub fn logged_in_as(web: &'a Web, name: &str) -> Self {
        let answer = Self::new(web).log_in(name, PASSWORD);
        assert_eq!(answer.status(), 303);
        Self::with_cookie(web, Some(cookie(&answer)))
    }

    /// With the session that an answer began.
    pub fn with_session(web: &'a Web, answer: &Response) -> Self {
        Self::with_cookie(web, Some(cookie(answer)))
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.web.secure)
    }

    pub fn get(&self, path: &str) -> Response {
        self.client.get(self.url(path)).send().unwrap()
    }

    pub fn log_in(&self, user: &str, password: &str) -> Response {
        self.log_in_with("", user, password)
    }

    /// With a cookie of this browser beside that of the form.
    pub fn log_in_with(&self, more: &str, user: &str, password: &str) -> Response {
        let page = self.get("/login");
        let cookie = format!("{}; {more}", cookie(&page));
        let csrf = token(&page.text().unwrap());
        let form = [("csrf", &*csrf), ("user", user), ("password", password)];
        let request = self.client.post(self.url("/login")).header(COOKIE, cookie);
        fill(request, &form).send().unwrap()
    }

    /// Fetches a form that needs no session, and sends it.
    pub fn fill_in(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let page = self.get(path);
        let cookie = cookie(&page);
        let csrf = token(&page.text().unwrap());
        let mut all = vec![("csrf", &*csrf)];
        all.extend(form);
        let request = self.client.post(self.url(path)).header(COOKIE, cookie);
        fill(request, &all).send().unwrap()
    }

    /// How far an installation is, when that is another than what was seen `after` an answer before.
    pub fn job(&self, after: Option<&Value>) -> Value {
        let after = after.map(|seen| format!("?after={}", seen["revision"]));
        let answer = self.get(&format!("/update/job{}", after.unwrap_or_default()));
        serde_json::from_str(&answer.text().unwrap()).unwrap()
    }

    /// The token of this person's session.
    pub fn csrf(&self) -> String {
        token(&self.get("/account").text().unwrap())
    }

    /// A form.
    pub fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        fill(self.client.post(self.url(path)), form).send().unwrap()
    }

    /// A request for an upload, with this person's token.
    pub fn put(&self, path: &str) -> RequestBuilder {
        let request = self.client.put(self.url(path));
        request.header("X-CSRF-Token", self.csrf())
    }

    /// Begins an upload that can be gone on with; its path.
    pub fn begin(&self, length: usize) -> String {
        let request = self.client.post(self.url("/update/upload"));
        let request = request.header("X-CSRF-Token", self.csrf());
        let answer = request.header("Upload-Length", length).send().unwrap();
        assert_eq!(answer.status(), 201);
        answer.headers()["Location"].to_str().unwrap().to_owned()
    }

    /// Sends a part of an upload.
    pub fn part(&self, path: &str, all: &[u8], range: std::ops::Range<usize>) -> RequestBuilder {
        let (first, last, total) = (range.start, range.end - 1, all.len());
        let request = self.put(path);
        let request = request.header("Content-Range", format!("bytes {first}-{last}/{total}"));
        request.body(all[range].to_vec())
    }

    /// Asks for the check of an upload that is all here.
    pub fn finish(&self, path: &str, total: usize) -> RequestBuilder {
        let request = self.put(path);
        request.header("Content-Range", format!("bytes */{total}"))
    }

    /// Whether an upload is complete and was checked.
    pub fn is_complete(&self, path: &str) -> bool {
        let answer = self.client.head(self.url(path)).send().unwrap();
        assert_eq!(answer.status(), 200);
        answer.headers()["Upload-Complete"] == "?1"
    }

    /// Where an upload goes on.
    pub fn offset(&self, path: &str) -> u64 {
        let answer = self.client.head(self.url(path)).send().unwrap();
        let offset = answer.headers()["Upload-Offset"].to_str().unwrap();
        offset.parse().unwrap()
    }
}

/// The first cookie that an answer sets.
pub fn cookie(answer: &Response) -> String {
    let cookie = answer.headers()["Set-Cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

fn fill(request: RequestBuilder, form: &[(&str, &str)]) -> RequestBuilder {
    let escape = |text: &str| {
        let byte = |b: u8| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(b).to_string(),
            other => format!("%{other:02X}"),
        };
        text.bytes().map(byte).collect::<String>()
    };
    let pairs = form
        .iter()
        .map(|(key, value)| format!("{key}={}", escape(value)));
    let body = pairs.collect::<Vec<_>>().join("&");
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    request.body(body)
}

/// A form with files.
pub fn multipart(fields: &[(&str, &[u8])]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, bytes) in fields {
        let head = format!(
            "--xyz\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"x\"\r\n\r\n"
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--xyz--\r\n");
    ("multipart/form-data; boundary=xyz".to_owned(), body)
}

/// The token in a page's first form.
pub fn token(page: &str) -> String {
    let rest = page.split_once("name=\"csrf\" value=\"").unwrap().1;
    rest.split('"').next().unwrap().to_owned()
}

/// The id in a page's first install button.
pub fn id(page: &str) -> String {
    let rest = page.split_once("name=\"id\" value=\"").unwrap().1;
    rest.split('"').next().unwrap().to_owned()
}

/// Whether a connection has an answer for `/health` within a second.
pub fn is_answered(mut connection: &TcpStream) -> bool {
    let patience = Some(Duration::from_secs(1));
    connection.set_read_timeout(patience).unwrap();
    let asked =
        connection.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    asked.is_ok() && connection.read(&mut [0; 16]).is_ok_and(|got| got > 0)
}
