//! A small HTTPS server with a certificate of its own authority: one request a connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use vigie_installer::https::Client;

/// What is wrong with the server's certificate.
#[derive(Clone, Copy)]
pub enum Certificate {
    Good,
    Expired,
    NotYetValid,
    OfAnotherHost,
}

/// A request.
#[derive(Clone)]
pub struct Request {
    /// How many came before.
    pub number: usize,
    pub head: String,
    pub body: Vec<u8>,
}

impl Request {
    /// Path and query.
    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }
}

pub struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

pub fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        headers: String::new(),
        body: body.as_bytes().to_vec(),
    }
}

impl Answer {
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers += &format!("{name}: {value}\r\n");
        self
    }

    pub fn with_body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }
}

pub struct Server {
    address: SocketAddr,
    authority: String,
    requests: Arc<Mutex<Vec<Request>>>,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
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

    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.address)
    }

    /// A client that trusts this server's authority.
    pub fn client(&self) -> Client {
        Client::trusting_only(self.authority.as_bytes()).unwrap()
    }

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

/// An authority in PEM, and a server's identity by it.
fn identity(certificate: Certificate) -> (String, Arc<ServerConfig>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let host = match certificate {
        Certificate::OfAnotherHost => "other.example",
        _ => "127.0.0.1",
    };
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
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
    let head = format!(
        "HTTP/1.1 {} X\r\ncontent-length: {}\r\nconnection: close\r\n{}\r\n",
        answer.status,
        answer.body.len(),
        answer.headers
    );
    let stream = stream.get_mut();
    stream.write_all(head.as_bytes())?;
    stream.write_all(&answer.body)?;
    stream.conn.send_close_notify();
    stream.flush()
}
