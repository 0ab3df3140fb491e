//! A line between a browser and the server: it holds what goes to the server back where it is told
//! to, and breaks when it is told to.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};

pub struct Line {
    pub address: SocketAddr,
    server: Arc<Mutex<SocketAddr>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// So many bytes may still go to the server; none: all.
    left: Option<usize>,
    broken: bool,
    /// Bytes that went to the server since the line was mended.
    sent: usize,
    open: Vec<TcpStream>,
}

impl Line {
    pub fn to(server: SocketAddr) -> Line {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (server, shared) = (Arc::new(Mutex::new(server)), Arc::<Shared>::default());
        let line = Line {
            address,
            server: Arc::clone(&server),
            shared: Arc::clone(&shared),
        };
        std::thread::spawn(move || {
            for browser in listener.incoming().flatten() {
                let server = *server.lock().unwrap();
                shared.connect(browser, server);
            }
        });
        line
    }

    /// Lets so many bytes more go to the server, and holds what follows.
    pub fn hold_after(&self, bytes: usize) {
        self.shared.change(|state| state.left = Some(bytes));
    }

    /// Breaks what is open; nothing new comes through either.
    pub fn cut(&self) {
        self.shared.change(|state| {
            state.broken = true;
            for end in state.open.drain(..) {
                let _ = end.shutdown(Shutdown::Both);
            }
        });
    }

    /// Lets everything through again.
    pub fn mend(&self) {
        self.shared.change(|state| *state = State::default());
    }

    /// Leads to another server from now on.
    pub fn lead_to(&self, server: SocketAddr) {
        *self.server.lock().unwrap() = server;
    }

    /// Bytes that went to the server since the line was mended.
    pub fn sent(&self) -> usize {
        self.shared.state.lock().unwrap().sent
    }
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    fn connect(self: &Arc<Self>, browser: TcpStream, server: SocketAddr) {
        let mut state = self.state.lock().unwrap();
        if state.broken {
            return;
        }
        let server = TcpStream::connect(server).unwrap();
        for end in [&browser, &server] {
            state.open.push(end.try_clone().unwrap());
        }
        let (mut from, mut to) = (server.try_clone().unwrap(), browser.try_clone().unwrap());
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
        let shared = Arc::clone(self);
        std::thread::spawn(move || shared.upwards(browser, server));
    }

    fn upwards(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut piece = [0; 16384];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            if !self.may_pass(length) || to.write_all(&piece[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    }

    /// Waits until so many bytes may go on; whether they may.
    fn may_pass(&self, length: usize) -> bool {
        let held =
            |state: &mut State| !state.broken && state.left.is_some_and(|left| left < length);
        let state = self.state.lock().unwrap();
        let mut state = self.changed.wait_while(state, held).unwrap();
        state.left = state.left.map(|left| left.saturating_sub(length));
        state.sent += length;
        !state.broken
    }
}
