//! What broke, in a sentence for a person; the chain of errors below it stays in English.

use std::error::Error;
use std::io::{self, ErrorKind};

use vigie_update::writer::WriteError;

use crate::execute::{NoRoom, Overwritten, ReadBack};
use crate::messages::Text;
use crate::payload::Damaged;
use crate::toolbox::ProgramFailed;

/// The cause that the person can do something about; none where only the errors tell it.
pub fn of(error: &anyhow::Error) -> Option<Text> {
    let known = [medium, written, disk, program, room];
    error
        .chain()
        .find_map(|one| known.iter().find_map(|cause| cause(one)))
}

type Link<'a> = &'a (dyn Error + 'static);

fn medium(error: Link) -> Option<Text> {
    match error.downcast_ref::<Damaged>()? {
        Damaged::NoList { list, source } if source.kind() == ErrorKind::NotFound => {
            Some(Text::new("cause.no-medium").with("list", list))
        }
        _ => Some(Text::new("cause.medium")),
    }
}

fn written(error: Link) -> Option<Text> {
    let failing = |device: &str| Text::new("cause.failing").with("device", device);
    if let Some(back) = error.downcast_ref::<ReadBack>() {
        return Some(failing(&back.device));
    }
    if let Some(lost) = error.downcast_ref::<Overwritten>() {
        return Some(Text::new("cause.counterfeit").with("device", &lost.device));
    }
    match error.downcast_ref::<WriteError>()? {
        WriteError::Source { .. } | WriteError::WrongImage { .. } => {
            Some(Text::new("cause.medium"))
        }
        WriteError::ReadBack { target } => Some(failing(target)),
        WriteError::Disk(error) => disk(error),
        WriteError::TooLarge { .. } => None,
    }
}

fn disk(error: Link) -> Option<Text> {
    use vigie_disk::Error::{Format, Io, Open};
    let (key, device) = match error.downcast_ref::<vigie_disk::Error>()? {
        Open { device, error } if error.kind() == ErrorKind::ResourceBusy => ("cause.busy", device),
        Open { device, error } | Io { device, error, .. } if is_gone(error) => {
            ("cause.gone", device)
        }
        Io { device, .. } => ("cause.failing", device),
        Format {
            what: "the size",
            device,
            ..
        } => ("cause.counterfeit", device),
        _ => return None,
    };
    Some(Text::new(key).with("device", device))
}

/// What the kernel says of a disk that was pulled out, or has stopped to answer.
fn is_gone(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let gone = [Errno::NODEV, Errno::NXIO, Errno::NOENT];
    Errno::from_io_error(error).is_some_and(|number| gone.contains(&number))
}

fn program(error: Link) -> Option<Text> {
    let failed = error.downcast_ref::<ProgramFailed>()?;
    Some(Text::new("cause.program").with("program", &failed.program))
}

fn room(error: Link) -> Option<Text> {
    let none = error.downcast_ref::<NoRoom>()?;
    let text = Text::new("cause.no-room").with("volume", &none.volume);
    let text = text.with("size", none.size).with("need", none.need);
    Some(text.with("free", none.free))
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use vigie_settings::Language;

    use super::*;

    fn io_error(number: i32) -> vigie_disk::Error {
        vigie_disk::Error::Io {
            doing: "writing",
            device: "/dev/sda".to_owned(),
            offset: 4096,
            error: io::Error::from_raw_os_error(number),
        }
    }

    fn open_error(number: i32) -> vigie_disk::Error {
        vigie_disk::Error::Open {
            device: "/dev/sda".to_owned(),
            error: io::Error::from_raw_os_error(number),
        }
    }

    #[test]
    fn what_a_person_can_mend_is_said_in_both_languages() {
        let digest = Damaged::Digest {
            member: "system.img".to_owned(),
            found: "00".to_owned(),
            listed: "11".to_owned(),
        };
        let unreadable = Damaged::Unreadable {
            member: "system.img".to_owned(),
            source: io::Error::from_raw_os_error(5),
        };
        let no_list = |number| Damaged::NoList {
            list: "/run/medium/vigie/payload.json".to_owned(),
            source: io::Error::from_raw_os_error(number),
        };
        let source = WriteError::Source {
            at: 0,
            error: io::Error::from_raw_os_error(5),
        };
        let back = WriteError::ReadBack {
            target: "/dev/sda".to_owned(),
        };
        let lie = vigie_disk::Error::format("the size", "/dev/sda", "it holds less");
        let program = ProgramFailed {
            doing: "formatting state".to_owned(),
            program: "mke2fs".to_owned(),
            said: "(exit status: 1): no".to_owned(),
        };
        for (error, english, french) in [
            (digest.into(), "medium is damaged", "support d'installation"),
            (unreadable.into(), "medium is damaged", "écrivez-le"),
            (no_list(2).into(), "no medium", "n'y a pas de support"),
            (no_list(5).into(), "medium is damaged", "écrivez-le"),
            (source.into(), "medium is damaged", "écrivez-le"),
            (
                back.into(),
                "/dev/sda is failing",
                "/dev/sda est défaillant",
            ),
            (
                ReadBack::new("the partition table", "/dev/sda").into(),
                "/dev/sda is failing",
                "/dev/sda est défaillant",
            ),
            (
                Overwritten::between(&(0..4096), "/dev/sda").into(),
                "counterfeit",
                "contrefait",
            ),
            (
                WriteError::Disk(io_error(5)).into(),
                "/dev/sda is failing",
                "/dev/sda est défaillant",
            ),
            (io_error(19).into(), "does not answer", "ne répond plus"),
            (open_error(6).into(), "does not answer", "ne répond plus"),
            (open_error(16).into(), "is in use", "est utilisé"),
            (lie.into(), "counterfeit", "contrefait"),
            (program.into(), "mke2fs failed", "mke2fs a échoué"),
        ] {
            let error: anyhow::Error = error;
            let error = Err::<(), _>(error)
                .context("writing the system")
                .unwrap_err();
            let cause = of(&error).unwrap();
            let said = [Language::En, Language::Fr].map(|language| cause.to(language));
            assert!(said[0].contains(english), "{said:?}");
            assert!(said[1].contains(french), "{said:?}");
        }
        assert_eq!(of(&anyhow::anyhow!("something else")), None);
    }
}
