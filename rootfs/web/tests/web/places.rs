//! Strangers who take every place at a port.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use crate::support::{Web, is_answered};

/// Of each of two strangers: together more than a port has places.
const MANY: usize = 200;
/// Half of the places of a port.
const HALF: usize = 128;

/// A host of its own to the server.
fn host(number: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, number).into()
}

/// Connects, and says nothing.
fn come(from: IpAddr, to: SocketAddr) -> TcpStream {
    let stream = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&stream, &SocketAddr::new(from, 0)).unwrap();
    connect(&stream, &to).unwrap();
    TcpStream::from(stream)
}

fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    match stream.peek(&mut [0; 16]) {
        Ok(_) => false,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

fn count_open(streams: &[TcpStream]) -> usize {
    streams.iter().filter(|stream| is_open(stream)).count()
}

/// Whether somebody has an answer by TLS within a second.
fn is_answered_securely(from: IpAddr, web: &Web) -> bool {
    let client = reqwest::blocking::Client::builder()
        .danger_accept_invalid_certs(true)
        .local_address(from)
        .timeout(Duration::from_secs(1))
        .no_proxy()
        .build()
        .unwrap();
    let answer = client.get(format!("https://{}/health", web.secure)).send();
    answer.is_ok_and(|answer| answer.status() == 200)
}

#[test]
fn two_hosts_who_take_every_place_keep_no_third_one_out() {
    let web = Web::start();
    let [one, two, third] = [2, 3, 4].map(host);
    // Each port has places of its own: what happens at one is nothing to the other.
    let elsewhere = come(one, web.secure);
    let many =
        |to| -> [Vec<_>; 2] { [one, two].map(|from| (0..MANY).map(|_| come(from, to)).collect()) };
    let plain = many(web.plain);
    assert!(is_answered(&come(third, web.plain)));
    assert!(is_open(&elsewhere));
    let secure = many(web.secure);
    assert!(is_answered_securely(third, &web));
    for (port, taken) in [("plain", plain), ("secure", secure)] {
        for host in taken {
            let open = count_open(&host);
            assert!(open <= HALF, "{port}: one host has {open} places");
            // The oldest ones went.
            assert!(!is_open(&host[0]), "{port}");
        }
    }
}

#[test]
fn whoever_comes_without_an_end_loses_places_of_their_own() {
    let web = Web::start();
    let person = come(host(3), web.plain);
    let strangers: Vec<_> = (0..2 * MANY).map(|_| come(host(2), web.plain)).collect();
    assert!(is_answered(&person));
    // Whoever came before this one has been seen to.
    assert!(is_answered(&come(host(4), web.plain)));
    assert!(count_open(&strangers) < 2 * HALF);
}
