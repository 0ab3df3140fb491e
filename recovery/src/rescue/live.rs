//! The running system behind rescue access: systemd, sshd, ip.

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use vigie_installer::toolbox::{HostTools, Run};

use super::access::System;

/// sshd; its socket starts it with the first connection (`ssh.socket`).
const SSHD: &str = "ssh.service";
const MAKES_KEY: &str = "vigie-sshd-keygen.service";
const PUBLIC_KEY: &str = "/var/lib/vigie/ssh/ssh_host_ed25519_key.pub";

/// The machine that runs this.
#[derive(Clone, Copy, Debug, Default)]
pub struct Live;

impl System for Live {
    fn host_key(&mut self) -> Result<String> {
        systemctl(&["start", MAKES_KEY], "making the host key")?;
        let run = Run::new(&HostTools, "ssh-keygen", "reading the host key");
        let told = run
            .args(["-l", "-E", "sha256", "-f", PUBLIC_KEY])
            .output()?;
        fingerprint(&String::from_utf8_lossy(&told))
            .ok_or_else(|| anyhow!("{PUBLIC_KEY}: this is no host key"))
    }

    fn addresses(&mut self) -> Vec<String> {
        let run = Run::new(&HostTools, "ip", "asking for addresses");
        let told = run.args(["-json", "address", "show", "scope", "global"]);
        let told = told.output().unwrap_or_default();
        addresses(&told)
    }

    fn read_anew(&mut self) -> Result<()> {
        // One that does not run reads it when it starts.
        systemctl(&["try-restart", SSHD], "having sshd read its configuration")
    }

    fn network_anew(&mut self) -> Result<()> {
        let run = Run::new(&HostTools, "networkctl", "setting up the network anew");
        run.arg("reload").output().map(drop)
    }

    fn end_sessions(&mut self) -> Result<()> {
        // Sessions outlive sshd (KillMode=process), so all are killed; then it is stopped, as systemd
        // starts it again after a kill. Its socket hears the next connection.
        let active = is_active()?;
        let kill = ["kill", "--kill-whom=all", "--signal=SIGKILL", SSHD];
        let killed = systemctl(&kill, "ending sessions");
        systemctl(&["stop", SSHD], "stopping sshd")?;
        // It is "failed" after a kill, and not after a clean stop: to forget that may fail.
        let _ = systemctl(&["reset-failed", SSHD], "forgetting the kill");
        // Of what does not run there is mostly nothing to be killed.
        match active {
            true => killed,
            false => Ok(()),
        }
    }
}

fn systemctl(words: &[&str], doing: &str) -> Result<()> {
    let run = Run::new(&HostTools, "systemctl", doing);
    run.args(words).output().map(drop)
}

/// Whether sshd runs; an error where systemd does not say.
fn is_active() -> Result<bool> {
    let run = Run::new(&HostTools, "systemctl", "asking about sshd");
    let told = run.args(["show", "--property=ActiveState", "--value", SSHD]);
    let told = told.output()?;
    match String::from_utf8_lossy(&told).trim() {
        "" => bail!("systemd does not know {SSHD}"),
        state => Ok(state != "inactive" && state != "failed"),
    }
}

/// The second word of what `ssh-keygen -l` says.
fn fingerprint(told: &str) -> Option<String> {
    let word = told.split_whitespace().nth(1)?;
    word.starts_with("SHA256:").then(|| word.to_owned())
}

/// The addresses in the answer of `ip -json address show scope global`.
fn addresses(json: &[u8]) -> Vec<String> {
    #[derive(Deserialize)]
    struct Link {
        #[serde(default)]
        addr_info: Vec<Address>,
    }
    // One of another scope comes as an empty object.
    #[derive(Deserialize)]
    struct Address {
        local: Option<std::net::IpAddr>,
    }
    let links: Vec<Link> = serde_json::from_slice(json)
        .context("reading addresses")
        .unwrap_or_default();
    let all = links.into_iter().flat_map(|link| link.addr_info);
    all.filter_map(|one| Some(one.local?.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let told = "256 SHA256:VoxGWMh9mRCBTXVxrk9wEBpCW5jzm2w7ruMuJQaZ2Vo no comment (ED25519)\n";
        let expected = "SHA256:VoxGWMh9mRCBTXVxrk9wEBpCW5jzm2w7ruMuJQaZ2Vo";
        assert_eq!(fingerprint(told).as_deref(), Some(expected));
        assert_eq!(fingerprint("(stdin) is not a public key file."), None);
        let json = r#"[{},{"ifname":"enp1s0","addr_info":[{"local":"10.0.2.15","prefixlen":24},
            {"local":"fec0::1","prefixlen":64},{}]}]"#;
        assert_eq!(addresses(json.as_bytes()), ["10.0.2.15", "fec0::1"]);
        assert_eq!(addresses(b"").len(), 0);
    }
}
