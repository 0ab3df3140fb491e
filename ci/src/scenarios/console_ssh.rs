//! The console's menu over SSH, by the real client with a terminal; for the serial line see
//! `console_menu.rs`.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};

use super::console_menu::{CTRL_O, NAME, QUESTION, SERIAL, page, raid};
use super::remote::Remote;
use super::ssh;
use super::unattended::PASSWORD;
use super::update::{Appliance, RESTART};
use crate::context::Context;

const CHOOSE: &str = "Esc goes back:";

/// Who comes in and who does not, and what a broken line leaves behind.
pub(super) fn check(appliance: &Appliance<'_>) -> Result<()> {
    as_root(appliance)?;
    nothing_but_the_menu(appliance)?;
    hang_ups(appliance)
}

/// The other end of the second serial port.
pub(super) struct Module(UnixStream);

impl Module {
    /// Plugs the module in.
    pub fn plugged_in(ctx: &Context) -> Result<Module> {
        let cable = UnixStream::connect(raid(ctx)?).context("the second serial port")?;
        cable.set_read_timeout(Some(QUESTION))?;
        Ok(Module(cable))
    }

    /// The module says something.
    pub fn says(&mut self, text: &str) -> Result<()> {
        let said = self.0.write_all(text.as_bytes());
        said.context("the RAID module's words")
    }

    /// Reads until this has come; what came before is somebody's else.
    pub fn hears(&mut self, words: &[u8]) -> Result<()> {
        let mut heard = Vec::new();
        while !heard.ends_with(words) {
            let mut byte = [0; 1];
            let come = self.0.read_exact(&mut byte);
            come.with_context(|| {
                format!(
                    "the RAID module heard {:?}",
                    String::from_utf8_lossy(&heard)
                )
            })?;
            heard.extend(byte);
        }
        Ok(())
    }
}

/// A client with a terminal, of the key that opens the menu or of another.
fn remote(
    appliance: &Appliance<'_>,
    who: (&ssh::Key, &str),
    command: Option<&str>,
) -> Result<Remote> {
    let (ctx, vm) = (appliance.ctx, &appliance.up.vm);
    let mut client = ssh::at_terminal(ctx, vm, who, command)?;
    Remote::start(&mut client, QUESTION)
}

/// By the key of the menu.
fn menu(appliance: &Appliance<'_>) -> Result<Remote> {
    let key = ssh::Key::of_step(appliance.ctx)?;
    remote(appliance, (&key, "root"), None)
}

/// By root's key, on a terminal that does nothing but print: numbered lines; and the status as a command.
fn as_root(appliance: &Appliance<'_>) -> Result<()> {
    const PLAIN: &str = "Number, then Enter; < goes back";
    let root = (&appliance.key, "root");
    let mut person = remote(appliance, root, Some("TERM=dumb vigie-console"))?;
    person.expect(page("menu"))?;
    person.answer(PLAIN, "4")?;
    person.expect(page("maintenance"))?;
    person.answer(PLAIN, "<")?;
    person.expect(page("menu"))?;
    person.answer(PLAIN, "7")?;
    ensure!(person.ends()?, "the menu was not left well");
    let status = appliance.says("vigie-console status")?;
    ensure!(
        [NAME, SERIAL, "Signature"]
            .iter()
            .all(|words| status.contains(words))
            && !status.contains("unknown"),
        "vigie-console status: {status}"
    );
    Ok(())
}

/// The key of the menu opens that and no more, whatever is asked for; the service account has no terminal;
/// one without a terminal has no menu.
fn nothing_but_the_menu(appliance: &Appliance<'_>) -> Result<()> {
    let (ctx, vm) = (appliance.ctx, &appliance.up.vm);
    let key = ssh::Key::of_step(ctx)?;
    let mut person = remote(appliance, (&key, "root"), Some("exec sh"))?;
    person.expect(page("menu"))?;
    let status = person.expect("Signature")?;
    ensure!(status.text.trim().len() > "Signature".len(), "{status:?}");
    person.answer(CHOOSE, "7")?;
    ensure!(person.ends()?, "the menu was not left well");
    for command in ["id", "vigie-console --at-console", "cat /etc/shadow"] {
        let output = key
            .client(ctx, vm, command)?
            .stdin(Stdio::null())
            .output()?;
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(
            output.status.code() == Some(2) && output.stdout.is_empty() && words.contains("ssh -t"),
            "{command}: {output:?}"
        );
    }
    let mut copy = ssh::copier(ctx, &key, vm, "sftp")?;
    let copied = copy.arg("root@127.0.0.1").stdin(Stdio::null()).output()?;
    ensure!(
        !copied.status.success(),
        "files are copied with the menu's key"
    );
    let service = ssh::Key::of_install(ctx);
    let person = remote(appliance, (&service, "service"), Some("vigie-console"))?;
    ensure!(!person.ends()?, "the service account has a terminal");
    Ok(())
}

/// A line that breaks on the first page, in a log, and in a serial terminal, which the next one finds free.
fn hang_ups(appliance: &Appliance<'_>) -> Result<()> {
    let menu = || menu(appliance);
    let person = menu()?;
    person.expect(CHOOSE)?;
    person.hang_up()?;
    nobody(appliance)?;
    let mut person = menu()?;
    for number in ["4", "4", "4"] {
        person.answer(CHOOSE, number)?;
    }
    person.expect("of the newest")?;
    person.hang_up()?;
    nobody(appliance)?;
    let mut module = Module::plugged_in(appliance.ctx)?;
    let first = at_the_port(menu()?)?;
    let mut second = menu()?;
    to_the_port(&mut second)?;
    second.expect("Somebody else is at ttyS1")?;
    second.hang_up()?;
    first.hang_up()?;
    nobody(appliance)?;
    let mut third = at_the_port(menu()?)?;
    third.press("x\r")?;
    module.hears(b"x\r")?;
    third.press(CTRL_O)?;
    third.expect(page("maintenance"))?;
    third.hang_up()?;
    nobody(appliance)
}

fn to_the_port(person: &mut Remote) -> Result<()> {
    for number in ["4", "5", "2", "1"] {
        person.answer(CHOOSE, number)?;
    }
    Ok(())
}

fn at_the_port(mut person: Remote) -> Result<Remote> {
    to_the_port(&mut person)?;
    person.expect("Ctrl-O leaves")?;
    Ok(person)
}

/// Waits until no menu runs but those of the consoles.
fn nobody(appliance: &Appliance<'_>) -> Result<()> {
    let said = appliance.says(
        r#"for n in $(seq 60); do
            left=$(for p in /proc/[0-9]*; do { tr '\0' ' ' < $p/cmdline; echo; } 2>/dev/null; done |
                grep -e '^/usr/bin/vigie-console $' -e '^sshd-session: root@pts')
            [ -z "$left" ] && break; sleep 1; done; echo "left: $left""#,
    )?;
    ensure!(said.trim() == "left:", "after the line broke: {said}");
    Ok(())
}

/// What `passwd` sets opens the appliance after a restart, too, and the one before does not any more.
pub(super) fn passwd(appliance: &Appliance<'_>, version: &str) -> Result<()> {
    const ROTATED: &str = "douze lamas gris";
    let (ctx, vm) = (appliance.ctx, &appliance.up.vm);
    let root = (&appliance.key, "root");
    let mut person = remote(appliance, root, Some("passwd"))?;
    for question in ["New password of root", "The same again"] {
        person.answer(question, ROTATED)?;
    }
    person.expect("The password of root is set")?;
    ensure!(
        !person.shown().contains(ROTATED),
        "the password was shown as it was typed"
    );
    ensure!(person.ends()?, "passwd did not end well");
    // The same version from the same slot: what answers must not be the system that goes down.
    let before = vm.mark();
    let _ = appliance.says("systemctl reboot");
    vm.wait_event(before, "RESET", RESTART)?;
    appliance.wait_for("a", version)?;
    for (password, opens) in [(PASSWORD, false), (ROTATED, true)] {
        let said = ssh::with_password(ctx, vm, password, "id -un")?;
        ensure!(
            said.is_some() == opens,
            "after a restart `{password}` opens it: {said:?}"
        );
    }
    let left = appliance.says("command -v chpasswd usermod chage useradd; true")?;
    ensure!(left.trim().is_empty(), "still in the image: {left}");
    Ok(())
}

/// By the last entry but one of the first page, over the line that breaks with it.
pub(super) fn power_off(appliance: &Appliance<'_>) -> Result<()> {
    let mut person = menu(appliance)?;
    person.answer(CHOOSE, "6")?;
    person.answer(CHOOSE, "2")?;
    person.expect("Are you sure?")?;
    person.answer(CHOOSE, "2")?;
    person.expect("The appliance goes down").map(drop)
}
