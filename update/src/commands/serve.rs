//! The updater behind [`crate::doors::serve`], on the running machine.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::apply::{self, Asked, Order, PROGRAM};
use super::{check, list, show, slots};
use crate::appliance::This;
use crate::apply::ApplyError;
use crate::apply::lock::{self, LOCK};
use crate::doors::found::{Found, Head};
use crate::doors::peer;
use crate::doors::places::{self, WEB};
use crate::doors::serve::{Failure, Updater, Verdict, serve};
use crate::doors::session::{self, Speaker};
use crate::fate::FateError;
use crate::history::{self, Door, Outcome, Record};
use crate::machine::below;
use crate::policy::judge;
use crate::progress::Progress;
use crate::pulled::{self, FOLDER, Report};
use crate::reached;
use crate::spoken::Spoken;
use crate::warn;

/// Answers the one request that comes through standard input, a connected socket; `broker` is where that
/// listens which knows who is logged in.
///
/// # Errors
/// Standard input is no socket.
pub fn run(broker: &Path) -> Result<()> {
    let socket = io::stdin().as_fd().try_clone_to_owned();
    let socket = UnixStream::from(socket.context("taking the socket from standard input")?);
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let peer = peer::of(&socket, &read("/etc/passwd"), &read("/etc/group"));
    if let Err(why) = &peer {
        warn!("vigie-update: {why}");
    }
    serve(socket, peer, &mut Running { broker });
    Ok(())
}

/// The running machine.
struct Running<'a> {
    broker: &'a Path,
}

impl Updater for Running<'_> {
    fn status(&mut self) -> Result<Value, Failure> {
        let mut status = serde_json::to_value(slots::status_now()?).map_err(anyhow::Error::from)?;
        status["busy"] = lock::holder(Path::new(LOCK)).into();
        let folder = Path::new(FOLDER);
        status["server"] = match check::is_possible() {
            true => json!({"busy": pulled::is_busy(folder), "report": Report::load(folder).ok()}),
            false => Value::Null,
        };
        Ok(status)
    }

    fn history(&mut self) -> Vec<Record> {
        history::load(&reached::folder(Path::new("/")))
    }

    fn list(&mut self) -> Result<Vec<Found>, Failure> {
        let found = list::scan(&This::load()?)?.into_iter();
        Ok(found.map(|(found, _)| found).collect())
    }

    fn judge(&mut self, upload: &str) -> Result<Verdict, Failure> {
        let this = This::load()?;
        let file = upload_file(upload)?;
        let head = list::head(&this, &file).map_err(ApplyError::from)?;
        let context = this.context(false)?;
        let verdict = judge(&head.opened.header, &context.machine, &context.standing);
        Ok(told(&head, verdict.map_err(ApplyError::from)))
    }

    fn check(&mut self, upload: &str, progress: &mut Progress) -> Result<Verdict, Failure> {
        let this = This::load()?;
        let head = list::head(&this, &upload_file(upload)?).map_err(ApplyError::from)?;
        let checked = show::check(&this, &upload_file(upload)?, progress)?;
        let same = checked.opened.id == head.opened.id;
        if !same {
            return Err(Failure::of_machine(
                "the upload was changed while it was checked; send it again".to_owned(),
                "l'envoi a changé pendant sa vérification ; envoyez-le de nouveau".to_owned(),
            ));
        }
        Ok(told(&head, checked.verdict))
    }

    fn apply(
        &mut self,
        id: &str,
        who: Option<String>,
        progress: &mut Progress,
    ) -> Result<Value, Failure> {
        let mut this = This::load()?;
        let Some((found, package)) = list::by_id(&this, id)? else {
            return Err(Failure::refused(
                "this package is not there any more; look at the list again",
                "ce paquet n'est plus là ; regardez de nouveau la liste",
            ));
        };
        let asked = Asked {
            door: found.door,
            who,
            reinstall: false,
        };
        let order = Order {
            package,
            expected: found.package,
            asked,
        };
        let applied = apply::run(&mut this, Path::new(PROGRAM), &order, progress)?;
        Ok(json!({
            "version": applied.version,
            "slot": applied.slot,
            "warning": applied.warning.as_ref().map(|warning| &warning.english),
            "warning_fr": applied.warning.as_ref().map(|warning| &warning.french),
        }))
    }

    fn rollback(&mut self, door: Door, who: Option<String>) -> Result<Outcome, Failure> {
        slots::rollback(door, who).map_err(|error| {
            let refused = matches!(
                error.downcast_ref(),
                Some(FateError::NothingThere { .. } | FateError::Unsafe { .. })
            );
            Failure {
                refused,
                ..Failure::from(error)
            }
        })
    }

    fn restart(&mut self) -> Result<(), Failure> {
        Ok(restart()?)
    }

    fn ask(&mut self) -> Result<Report, Failure> {
        check::ask(false)
    }

    fn speaker(&mut self, token: &str) -> Result<Speaker, Failure> {
        session::of(self.broker, token)
    }
}

/// An upload that is not complete yet, by its name.
fn upload_file(upload: &str) -> Result<std::fs::File, Failure> {
    let folder = below(Path::new("/"), WEB);
    let found = places::open_named(&folder, &format!("{upload}.part"));
    let gone = || Failure::refused("there is no such upload", "cet envoi n'existe pas");
    found.map(|found| found.file).ok_or_else(gone)
}

fn told(head: &Head, verdict: Result<(), ApplyError>) -> Verdict {
    let refusal = verdict.as_ref().err();
    Verdict {
        package: head.opened.id.clone(),
        version: head.opened.header.version.to_string(),
        length: head.length,
        accepted: refusal.is_none(),
        later: refusal.is_some_and(ApplyError::is_for_now),
        reason: refusal.map(ToString::to_string),
        reason_fr: refusal.map(ApplyError::french),
    }
}

/// Asks systemd for a restart.
///
/// # Errors
/// It refuses.
pub fn restart() -> Result<()> {
    let status = restart_command().status();
    let refused = |why: &dyn std::fmt::Display| {
        Spoken::new(
            format!("systemd does not restart the appliance: {why}"),
            format!("systemd ne redémarre pas l'appareil : {why}"),
        )
    };
    let status = status.map_err(|error| refused(&error))?;
    if !status.success() {
        bail!(refused(&status));
    }
    Ok(())
}

/// Through the firmware, never by kexec: what is tried must be what starts after a power cut too.
fn restart_command() -> Command {
    let mut systemctl = Command::new("systemctl");
    systemctl.arg("reboot");
    systemctl
}

#[cfg(test)]
mod tests {
    use super::*;

    /// systemd's reboot goes by kexec where a kernel was loaded for it: so nothing in the image
    /// loads one, and the kernel refuses to.
    #[test]
    fn c83_a_restart_goes_through_the_firmware() {
        let command = restart_command();
        assert_eq!(command.get_program(), "systemctl");
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["reboot"]);
        let packages = include_str!("../../../rootfs/packages.lock");
        assert!(packages.contains("systemd"), "not the list that was meant");
        assert!(!packages.contains("kexec"));
        let sysctl = include_str!("../../../rootfs/overlay/usr/lib/sysctl.d/60-vigie.conf");
        let off = |line: &str| line == "kernel.kexec_load_disabled = 1";
        assert!(sysctl.lines().any(off));
    }
}
