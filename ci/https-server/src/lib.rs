//! A small HTTPS server with a certificate of its own authority, for tests: one request a
//! connection. What it answers is scripted, lies and broken connections included.

// Where a test cannot go on, it panics.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What is wrong with the server's certificate.
#[derive(Clone, Copy, Debug)]
pub enum Certificate {
    /// Nothing.
    Good,
    /// It is too old.
    Expired,
    /// It is too new.
    NotYetValid,
    /// It is for another host.
    OfAnotherHost,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// How many came before.
    pub number: usize,
    /// The request line and the headers.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// Path and query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    /// A header's value, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value)
    }
}

/// What is answered.
#[derive(Debug)]
pub struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
    length: Option<u64>,
    chunked: bool,
    pause: Duration,
}

/// An honest answer.
#[must_use]
pub fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        headers: String::new(),
        body: body.as_bytes().to_vec(),
        length: None,
        chunked: false,
        pause: Duration::ZERO,
    }
}

impl Answer {
    /// With a header more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers += &format!("{name}: {value}\r\n");
        self
    }

    /// With this body.
    #[must_use]
    pub fn with_body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }

    /// Says that its body has this length; where it has not, the connection ends.
    #[must_use]
    pub fn claiming(mut self, length: u64) -> Self {
        self.length = Some(length);
        self
    }

    /// Does not say how long its body is.
    #[must_use]
    pub fn of_unknown_length(mut self) -> Self {
        self.chunked = true;
        self
    }

    /// Holds the connection open for so long when its body is sent.
    #[must_use]
    pub fn then_silent(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }
}

/// The server; it stops when it is dropped.
pub struct Server {
    address: SocketAddr,
    authority: String,
    requests: Arc<Mutex<Vec<Request>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts on a free port of the loopback interface.
    pub fn start(
        certificate: Certificate,
        handle: impl Fn(&Request) -> Answer + Send + 'static,
    ) -> Self {
        let (authority, config) = identity(certificate);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(AtomicBool::new(false));
        let (kept, stop) = (requests.clone(), stopped.clone());
        let thread = std::thread::spawn(move || {
            for connection in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                // A client that does not trust us hangs up.
                let _ = serve(connection.unwrap(), &config, &kept, &handle);
            }
        });
        Self {
            address,
            authority,
            requests,
            stopped,
            thread: Some(thread),
        }
    }

    /// The address of a path on it.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its authority's certificate, in PEM.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// All requests so far.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A certificate that an authority of its own has issued for a host, all in PEM.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The authority's certificate.
    pub authority: String,
    /// The host's.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

/// Issues one.
#[must_use]
pub fn issue(host: &str) -> Issued {
    let authority = authority();
    let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = params.signed_by(&key, &authority).unwrap();
    Issued {
        authority: authority.pem(),
        certificate: own.pem(),
        key: key.serialize_pem(),
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// An authority in PEM, and a server's identity by it.
fn identity(certificate: Certificate) -> (String, Arc<ServerConfig>) {
    let authority = authority();
    let hosts = match certificate {
        Certificate::OfAnotherHost => &["other.example"][..],
        // The second is how guests of QEMU's user network call the host.
        _ => &["127.0.0.1", "10.0.2.2"],
    };
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    match certificate {
        Certificate::Expired => params.not_after = date_time_ymd(2001, 1, 1),
        Certificate::NotYetValid => params.not_before = date_time_ymd(2998, 1, 1),
        Certificate::Good | Certificate::OfAnotherHost => {}
    }
    let key = KeyPair::generate().unwrap();
    let own = params.signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], key)
        .unwrap();
    (authority.pem(), Arc::new(config))
}

fn serve(
    connection: TcpStream,
    config: &Arc<ServerConfig>,
    kept: &Mutex<Vec<Request>>,
    handle: &impl Fn(&Request) -> Answer,
) -> std::io::Result<()> {
    let tls = ServerConnection::new(config.clone()).map_err(std::io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(tls, connection));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let length = head
        .to_ascii_lowercase()
        .split_once("content-length: ")
        .and_then(|(_, rest)| rest.lines().next()?.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let request = {
        let mut kept = kept.lock().unwrap();
        let number = kept.len();
        kept.push(Request { number, head, body });
        kept[number].clone()
    };
    let answer = handle(&request);
    let length = match (answer.chunked, answer.length) {
        (true, _) => "transfer-encoding: chunked".to_owned(),
        (false, claimed) => {
            let length = claimed.unwrap_or(answer.body.len() as u64);
            format!("content-length: {length}")
        }
    };
    let head = format!(
        "HTTP/1.1 {} X\r\n{length}\r\nconnection: close\r\n{}\r\n",
        answer.status, answer.headers
    );
    let stream = stream.get_mut();
    stream.write_all(head.as_bytes())?;
    if answer.chunked {
        for piece in answer.body.chunks(64 << 10) {
            write!(stream, "{:x}\r\n", piece.len())?;
            stream.write_all(piece)?;
            stream.write_all(b"\r\n")?;
        }
        stream.write_all(b"0\r\n\r\n")?;
    } else {
        stream.write_all(&answer.body)?;
    }
    stream.flush()?;
    std::thread::sleep(answer.pause);
    stream.conn.send_close_notify();
    stream.flush()
}
