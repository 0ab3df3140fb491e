//! The socket of the health gate.

use std::io::Read;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use crate::support::Web;

/// More than there are places, and fewer than wait in the kernel's queue beside them.
const SILENT: usize = 300;

fn gate(web: &Web) -> Output {
    let mut check = Command::new(env!("CARGO_BIN_EXE_vigie-web"));
    check.arg("--check").arg(web.gate()).output().unwrap()
}

#[test]
fn c80_strangers_who_take_every_place_make_no_version_unhealthy() {
    let web = Web::start();
    let connect = |address| TcpStream::connect(address).unwrap();
    let begun = Instant::now();
    let [plain, secure] = [web.plain, web.secure].map(|port| -> Vec<_> {
        let mut silent: Vec<_> = (0..SILENT).map(|_| connect(port)).collect();
        // There was no place left for the first of them.
        assert_eq!(silent[0].read(&mut [0; 16]).unwrap_or(0), 0);
        silent
    });
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "they were cut for their silence"
    );
    let begun = Instant::now();
    let told = gate(&web);
    assert!(told.status.success(), "{told:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    let health = String::from_utf8(told.stdout).unwrap();
    assert!(health.contains("\"status\":"), "{health}");
    drop((plain, secure));
}

#[test]
fn nobody_else_may_ask_through_it() {
    let web = Web::start();
    assert!(gate(&web).status.success());
    let about = std::fs::metadata(web.gate()).unwrap();
    assert_eq!(about.permissions().mode() & 0o777, 0o600);
}
