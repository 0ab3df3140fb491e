//! What a test does to a machine: keys, buttons, cables, and QEMU's own commands.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::PathBuf;
use std::sync::PoisonError;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};

use super::{Vm, keys};

impl Vm {
    /// The host's port for a forwarded port of the guest.
    pub fn host_port(&self, guest: u16) -> Result<u16> {
        let forward = self.forwards.iter().find(|forward| forward.guest == guest);
        forward
            .map(|forward| forward.host)
            .with_context(|| format!("{}: guest port {guest} is not forwarded", self.name))
    }

    /// Forwards a port of this host to one of the guest at an address that it may not have yet; gives it.
    pub fn forward_to(&self, host: Ipv4Addr, guest: SocketAddrV4) -> Result<SocketAddrV4> {
        let free = TcpListener::bind((host, 0)).context("looking for a free port")?;
        let port = free.local_addr().context("looking for a free port")?.port();
        drop(free);
        let line = format!("hostfwd_add net0 tcp:{host}:{port}-{guest}");
        let said = self.monitor(&line)?;
        match said.trim() {
            "" => Ok(SocketAddrV4::new(host, port)),
            said => bail!("{}: {line}: {said}", self.name),
        }
    }

    /// Asks QEMU's monitor for people, and gives what it says.
    pub(super) fn monitor(&self, line: &str) -> Result<String> {
        let said = self.command("human-monitor-command", json!({"command-line": line}))?;
        Ok(said.as_str().unwrap_or_default().to_owned())
    }

    /// Lets the first disk answer to so many requests a second at most; 0: to as many as it can.
    pub fn slow_disk(&self, requests: u32) -> Result<()> {
        let none = ["bps", "bps_rd", "bps_wr", "iops_rd", "iops_wr"];
        let mut limits = Map::from_iter(none.map(|limit| (limit.to_owned(), json!(0))));
        limits.insert("iops".to_owned(), json!(requests));
        limits.insert("device".to_owned(), json!("drive0"));
        self.command("block_set_io_throttle", Value::Object(limits))
            .map(drop)
    }

    /// Writes to the serial console.
    pub fn write_serial(&self, text: &str) -> Result<()> {
        let mut serial = self.serial.lock().unwrap_or_else(PoisonError::into_inner);
        serial
            .write_all(text.as_bytes())
            .with_context(|| format!("{}: writing to the serial console", self.name))
    }

    /// Presses keys together, by QEMU's names: `["ctrl", "alt", "f2"]`.
    pub fn press(&self, keys: &[&str]) -> Result<()> {
        let keys: Vec<Value> = keys
            .iter()
            .map(|key| json!({"type": "qcode", "data": key}))
            .collect();
        self.command("send-key", json!({"keys": keys, "hold-time": 20}))
            .map(drop)
    }

    /// Types text on the keyboard (US layout).
    pub fn type_text(&self, text: &str) -> Result<()> {
        for character in text.chars() {
            let keys = keys::keys(character)?;
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            self.press(&keys)?;
        }
        Ok(())
    }

    /// Takes a screenshot: `NAME.png` in the machine's folder.
    pub fn screenshot(&self, name: &str) -> Result<PathBuf> {
        let path = self.folder.join(format!("{name}.png"));
        self.command("screendump", json!({"filename": path, "format": "png"}))?;
        Ok(path)
    }

    /// `running`, `paused`, `shutdown` ...
    pub fn status(&self) -> Result<String> {
        let status = self.command("query-status", json!({}))?;
        let status = status["status"]
            .as_str()
            .context("query-status: no status")?;
        Ok(status.to_owned())
    }

    /// Presses the reset button.
    pub fn reset(&self) -> Result<()> {
        self.command("system_reset", json!({})).map(drop)
    }

    /// Presses the power button.
    pub fn press_power(&self) -> Result<()> {
        self.command("system_powerdown", json!({})).map(drop)
    }

    /// Runs any command of the machine protocol.
    pub fn command(&self, command: &str, arguments: Value) -> Result<Value> {
        self.qmp
            .execute(command, arguments)
            .with_context(|| self.name.clone())
    }
}
