//! The socket of the health gate.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::support::Web;

/// More than there are places, and fewer than wait in the kernel's queue beside them.
const SILENT: usize = 560;

fn gate(web: &Web) -> Output {
    let mut check = Command::new(env!("CARGO_BIN_EXE_vigie-web"));
    check.arg("--check").arg(web.gate()).output().unwrap()
}

/// Whether somebody outside has an answer within a second.
fn is_answered(address: SocketAddr) -> bool {
    let mut outsider = TcpStream::connect(address).unwrap();
    outsider
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    outsider
        .write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    match outsider.read(&mut [0; 16]) {
        Ok(got) => got > 0,
        Err(error) => {
            assert!(matches!(
                error.kind(),
                ErrorKind::WouldBlock | ErrorKind::TimedOut
            ));
            false
        }
    }
}

#[test]
fn c80_strangers_who_take_every_place_make_no_version_unhealthy() {
    let web = Web::start(true);
    assert!(is_answered(web.plain));
    let connect = |address| TcpStream::connect(address).unwrap();
    let mut silent: Vec<_> = (0..SILENT).map(|_| connect(web.plain)).collect();
    silent.extend((0..SILENT / 20).map(|_| connect(web.secure)));
    assert!(!is_answered(web.plain), "there are places left");
    let begun = Instant::now();
    let told = gate(&web);
    assert!(told.status.success(), "{told:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    let health = String::from_utf8(told.stdout).unwrap();
    assert!(health.contains("\"status\":"), "{health}");
    drop(silent);
}

#[test]
fn nobody_else_may_ask_through_it() {
    let web = Web::start(true);
    assert!(gate(&web).status.success());
    let about = std::fs::metadata(web.gate()).unwrap();
    assert_eq!(about.permissions().mode() & 0o777, 0o600);
}
