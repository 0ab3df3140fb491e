//! Memory does not grow with a package, and fits into what the unit leaves the program.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use https_test_server::{Certificate, Server, answer};
use vigie_pull::http::{Client, Patience};
use vigie_update::pulled::Answer;

use crate::support::{Box, CHUNK, Package, index_of, key, package_in, serve};
use crate::units::unit;

const SERVER: &str = "VIGIE_PULL_SERVER";
const AUTHORITY: &str = "VIGIE_PULL_AUTHORITY";
const CHILD: &str = "memory::fetches_a_package_and_tells_its_peak";

/// The peak resident memory of this process in kB (proc(5), VmHWM).
fn own_peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}

#[test]
#[ignore = "the other half of the test below, which starts it"]
fn fetches_a_package_and_tells_its_peak() {
    let url = std::env::var(SERVER).expect("started by hand");
    let authority = std::fs::read_to_string(std::env::var(AUTHORITY).unwrap()).unwrap();
    // The authorities of the system, which are read where the settings name none.
    Client::new(None, None, Patience::default()).unwrap();
    let machine = Box::new();
    let settings = "[update]\nsource = \"HOST/a/\"\n";
    let told = machine.ask_at(settings, &url, &authority).unwrap();
    assert_eq!(told.answer, Answer::Fetched);
    println!("\npeak {}", own_peak());
}

/// Fetches a package in a process of its own, over a connection that breaks once; its peak in kB.
fn peak(package: Package) -> u64 {
    let package = Arc::new(package);
    let served = package.clone();
    let broken = AtomicBool::new(false);
    let server = Server::start(Certificate::Good, move |request| {
        if request.path() == "/a/index" {
            return answer(200, "").with_body(index_of(&[&served], 7).seal(&[key(1)]));
        }
        let bytes = &served.bytes;
        let whole = serve(request, bytes, "\"1\"");
        if broken.swap(true, Ordering::SeqCst) {
            return whole;
        }
        let half = bytes[..bytes.len() / 2].to_vec();
        whole.with_body(half).claiming(bytes.len() as u64)
    });
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("authority.pem");
    std::fs::write(&authority, server.authority()).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([CHILD, "--exact", "--ignored", "--nocapture"])
        .env(SERVER, server.url("/"))
        .env(AUTHORITY, &authority)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let peak = text.lines().find_map(|line| line.strip_prefix("peak "));
    let peak = peak.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    peak.parse().unwrap()
}

/// `MemoryMax=` of the unit, in kB.
fn allowed() -> u64 {
    let service = unit("vigie-pull@.service");
    let mut lines = service.lines();
    let line = lines.find_map(|line| line.strip_prefix("MemoryMax="));
    let megabytes: u64 = line.unwrap().strip_suffix('M').unwrap().parse().unwrap();
    megabytes * 1024
}

#[test]
fn fetching_takes_bounded_memory() {
    if !Path::new("/etc/ssl/certs").exists() {
        println!("without the authorities of the system the peak is a little lower");
    }
    let of = |chunk, length| peak(package_in(chunk, "vigie", "1.3.0.0", length, 1));
    let (small, large) = (of(CHUNK, 4 * CHUNK), of(CHUNK, 128 * CHUNK));
    let largest = of(4 * CHUNK, 128 * CHUNK);
    println!("peaks: 4 MiB {small} kB, 128 MiB {large} kB, in chunks of 4 MiB {largest} kB");
    assert!(large < small + 4 * 1024, "{small} kB, then {large} kB");
    for peak in [small, large, largest] {
        assert!(2 * peak <= allowed(), "{peak} kB of {} kB", allowed());
    }
}
