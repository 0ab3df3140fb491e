//! A real ssh client: the key of the settings opens the appliance, nothing else does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::{SSH, unattended};
use crate::context::Context;
use crate::process;
use crate::vm::Vm;

/// Seconds that the first connection may take: sshd starts with it, under emulation.
const PATIENCE: &str = "ConnectTimeout=90";

/// A key pair in a file.
pub(super) struct Key(PathBuf);

impl Key {
    /// The key of this step, made when it is first asked for.
    pub fn of_step(ctx: &Context) -> Result<Key> {
        let key = Key(ctx.folder().join("key"));
        if !key.0.exists() {
            let mut keygen = ctx.programs()?.command("ssh-keygen");
            keygen
                .args(["-q", "-t", "ed25519", "-N", "", "-C", "ci", "-f"])
                .arg(&key.0);
            process::output("making an ssh key", &mut keygen)?;
        }
        Ok(key)
    }

    /// The key that the step `install` has put into the disk that it made.
    pub fn of_install(ctx: &Context) -> Key {
        Key(ctx.folder_of("install").join("key"))
    }

    /// The public half, as one line.
    pub fn public(&self) -> Result<String> {
        let file = self.0.with_extension("pub");
        let public = fs::read_to_string(file).context("reading the public key")?;
        Ok(public.trim().to_owned())
    }

    /// What a command says on the appliance.
    pub fn says(&self, ctx: &Context, vm: &Vm, command: &str) -> Result<String> {
        process::output("logging in by ssh", &mut self.client(ctx, vm, command)?)
    }

    /// The same where the appliance is reached by another port of this host.
    pub fn says_at(&self, ctx: &Context, port: u16, command: &str) -> Result<String> {
        let mut client = client(ctx, port, "root", Some(&self.0), command)?;
        process::output("logging in by ssh", &mut client)
    }

    /// A client that runs a command on the appliance.
    pub fn client(&self, ctx: &Context, vm: &Vm, command: &str) -> Result<Command> {
        self.client_of(ctx, vm, "root", command)
    }

    /// The same by another account.
    pub fn client_of(
        &self,
        ctx: &Context,
        vm: &Vm,
        account: &str,
        command: &str,
    ) -> Result<Command> {
        let port = vm.host_port(SSH)?;
        client(ctx, port, account, Some(&self.0), command)
    }
}

/// A client with a terminal; without a command, what the account or the key has instead.
pub(super) fn at_terminal(
    ctx: &Context,
    vm: &Vm,
    (key, account): (&Key, &str),
    command: Option<&str>,
) -> Result<Command> {
    let mut ssh = ctx.programs()?.command("ssh");
    ssh.args(["-tt", "-p", &vm.host_port(SSH)?.to_string(), "-l", account]);
    options(&mut ssh, Some(&key.0));
    ssh.arg("127.0.0.1").args(command);
    Ok(ssh)
}

/// Logs in to the disk of the step `install` with the key; is refused without it.
pub(super) fn check(ctx: &Context, vm: &Vm) -> Result<()> {
    let said = Key::of_install(ctx).says(
        ctx,
        vm,
        "cat /proc/sys/kernel/hostname; id -un; findmnt -no FSTYPE /",
    )?;
    let expected = format!("{}\nroot\nsquashfs", unattended::HOSTNAME);
    ensure!(
        said.trim() == expected,
        "ssh: the appliance said {said:?}, expected {expected:?}"
    );
    let port = vm.host_port(SSH)?;
    let without_key = client(ctx, port, "root", None, "true")?
        .output()
        .context("starting ssh")?;
    let words = String::from_utf8_lossy(&without_key.stderr).into_owned();
    ensure!(
        !without_key.status.success(),
        "ssh: somebody without a key was let in"
    );
    ensure!(
        words.contains("Permission denied"),
        "ssh without a key: {words}"
    );
    Ok(())
}

/// What a command says to root who logs in with a password; none where that is refused.
pub(super) fn with_password(
    ctx: &Context,
    vm: &Vm,
    password: &str,
    command: &str,
) -> Result<Option<String>> {
    // The real client asks a program for it: by standard output, and not by an argument.
    let (secret, asked) = (
        ctx.folder().join("password"),
        ctx.folder().join("askpass.sh"),
    );
    fs::write(&secret, password).context("writing the password")?;
    let script = format!("#!/bin/sh\nexec cat '{}'\n", secret.display());
    fs::write(&asked, script).context("writing askpass.sh")?;
    fs::set_permissions(&asked, fs::Permissions::from_mode(0o755)).context("askpass.sh")?;
    let mut ssh = ctx.programs()?.command("ssh");
    ssh.args(["-p", &vm.host_port(SSH)?.to_string(), "-l", "root"]);
    // The first of two values counts.
    for option in [
        "BatchMode=no",
        "PreferredAuthentications=password",
        "NumberOfPasswordPrompts=1",
    ] {
        ssh.args(["-o", option]);
    }
    options(&mut ssh, None);
    ssh.env("SSH_ASKPASS", &asked)
        .env("SSH_ASKPASS_REQUIRE", "force");
    let output = ssh
        .args(["127.0.0.1", command])
        .output()
        .context("starting ssh")?;
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.success() {
        true => Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned())),
        false if words.contains("Permission denied") => Ok(None),
        false => anyhow::bail!("ssh with a password: {words}"),
    }
}

/// ssh without a configuration, asking nobody.
fn client(
    ctx: &Context,
    port: u16,
    account: &str,
    key: Option<&Path>,
    command: &str,
) -> Result<Command> {
    let mut ssh = ctx.programs()?.command("ssh");
    ssh.args(["-p", &port.to_string(), "-l", account]);
    options(&mut ssh, key);
    ssh.args(["127.0.0.1", command]);
    Ok(ssh)
}

/// What ssh, scp and sftp are told alike.
fn options(client: &mut Command, key: Option<&Path>) {
    client.args(["-F", "/dev/null"]);
    for option in [
        "BatchMode=yes",
        "IdentitiesOnly=yes",
        "LogLevel=ERROR",
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
        PATIENCE,
    ] {
        client.args(["-o", option]);
    }
    if let Some(key) = key {
        client.arg("-i").arg(key);
    }
}

/// The real scp or sftp; it is still to be told what to do.
pub(super) fn copier(ctx: &Context, key: &Key, vm: &Vm, program: &str) -> Result<Command> {
    let mut copier = ctx.programs()?.command(program);
    copier.arg("-S").arg(ssh_in_a_file(ctx)?);
    copier.args(["-P", &vm.host_port(SSH)?.to_string()]);
    options(&mut copier, Some(&key.0));
    Ok(copier)
}

/// scp and sftp start ssh by one path, and the locked ssh is started by a line.
fn ssh_in_a_file(ctx: &Context) -> Result<PathBuf> {
    let path = ctx.folder().join("ssh.sh");
    let line = process::command_line(&ctx.programs()?.command("ssh"));
    fs::write(&path, format!("#!/bin/sh\nexec {line} \"$@\"\n")).context("writing ssh.sh")?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).context("ssh.sh")?;
    Ok(path)
}
