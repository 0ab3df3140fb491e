//! Where the answers of an unattended installation come from.
//!
//! | source | module |
//! |---|---|
//! | a volume labelled PROVISION | [`crate::provision`] |
//! | an address on the kernel command line, with what proves the answers | [`command_line`], [`proof`] |
//! | the medium itself | [`embedded`] |
//!
//! More than one source is refused: nobody could tell which was meant. A PROVISION volume without
//! answers beside another source takes the report.
//!
//! Invariant: fetched answers are proved before anything reads them.

pub mod command_line;
pub mod embedded;
pub mod proof;

use std::fs;
use std::time::Duration;

use vigie_disk::Bytes;
use vigie_disk::sysfs::Sysfs;

use crate::https::patience::{Time, patiently};
use crate::https::{Client, Trouble, shown};
use crate::messages::Text;
use crate::provision::{self, Provision};
use command_line::Order;

/// Answers are a few kilobytes; more is damage, or another file.
pub const LIMIT: Bytes = Bytes::mib(1);
/// A signature is 88 characters.
const SIGNATURE_LIMIT: Bytes = Bytes::kib(1);
/// How long answers are waited for: switches take half a minute to let a port speak, and
/// addresses and the time come after that.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// What was found in all places.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The volumes labelled PROVISION.
    pub volumes: Vec<Provision>,
    /// What the kernel command line asks for.
    pub order: Option<Result<Order, Text>>,
    /// The answers in the medium.
    pub embedded: Option<String>,
}

/// Where the answers are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// On a volume: its answers.
    Volume(Provision, String),
    /// At an address.
    Address(Order),
    /// In the medium: the text.
    Embedded(String),
}

impl Found {
    /// Looks in all places of the running machine.
    pub fn look() -> Self {
        let command_line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
        let embedded = fs::read_to_string(embedded::MOUNTED).ok();
        Self {
            volumes: provision::find(&Sysfs::default()),
            order: Order::read(&command_line).transpose(),
            embedded: embedded.as_deref().and_then(embedded::answers),
        }
    }

    /// The volume that takes the report, whether the answers are on it or not.
    pub fn place_for_report(&self) -> Option<Provision> {
        match &self.volumes[..] {
            [volume] if volume.writable => Some(volume.clone()),
            _ => None,
        }
    }

    /// The one source; none where there is nothing to do.
    pub fn choose(self) -> Result<Option<Source>, Text> {
        if self.volumes.len() > 1 {
            let places: Vec<String> = self.volumes.iter().map(Provision::place).collect();
            return Err(Text::new("provision.several")
                .with("count", places.len())
                .with("places", places.join(", ")));
        }
        let volume = self.volumes.into_iter().next();
        if let Some(why) = volume.as_ref().and_then(|volume| volume.trouble.clone()) {
            return Err(Text::new("provision.unreadable").with_text("why", why));
        }
        let on_volume = volume.clone().and_then(|volume| {
            let answers = volume.answers.clone()?;
            Some(Source::Volume(volume, answers))
        });
        let sources = [
            on_volume,
            self.order.transpose()?.map(Source::Address),
            self.embedded.map(Source::Embedded),
        ];
        let mut sources: Vec<Source> = sources.into_iter().flatten().collect();
        match (sources.len(), volume) {
            (0, None) => Ok(None),
            (0, Some(volume)) => {
                Err(Text::new("provision.no-answers").with("place", volume.place()))
            }
            (1, _) => Ok(sources.pop()),
            _ => {
                let places: Vec<String> = sources.iter().map(Source::place).collect();
                Err(Text::new("sources.several").with("places", places.join(", ")))
            }
        }
    }
}

impl Source {
    /// Where it is, for a person.
    pub fn place(&self) -> String {
        match self {
            Self::Volume(volume, _) => volume.place(),
            Self::Address(order) => shown(&order.url),
            Self::Embedded(_) => embedded::MOUNTED.to_owned(),
        }
    }

    /// The text of the answers. What is fetched is waited for and proved.
    pub fn text(
        &self,
        client: &dyn Fn() -> anyhow::Result<Client>,
        time: &mut dyn Time,
        told: &mut dyn FnMut(&Text),
    ) -> Result<String, Text> {
        match self {
            Self::Volume(_, text) | Self::Embedded(text) => Ok(text.clone()),
            Self::Address(order) => {
                let client = client()
                    .map_err(|error| Text::new("https.client").with("why", format!("{error:#}")))?;
                fetch(order, &client, time, told)
            }
        }
    }
}

/// Fetches answers and proves them.
pub fn fetch(
    order: &Order,
    client: &Client,
    time: &mut dyn Time,
    told: &mut dyn FnMut(&Text),
) -> Result<String, Text> {
    let mut attempt = || -> Result<_, Trouble> {
        let answers = client.get(&order.url, LIMIT)?;
        let signature = match order.proof.needs_signature() {
            true => client.get(&signature_url(order), SIGNATURE_LIMIT)?,
            false => Vec::new(),
        };
        Ok((answers, signature))
    };
    let (answers, signature) =
        patiently(PATIENCE, time, told, &mut attempt).map_err(|trouble| trouble.text)?;
    order.proof.check(&answers, &signature)?;
    text_of(answers)
}

/// The text of answers; the error says what they are instead.
pub fn text_of(bytes: Vec<u8>) -> Result<String, Text> {
    let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    String::from_utf8(bytes).map_err(|_| {
        Text::new(match is_utf16 {
            true => "sources.utf16",
            false => "sources.not-text",
        })
    })
}

/// The file beside the answers; a query stays what it is.
fn signature_url(order: &Order) -> reqwest::Url {
    let mut url = order.url.clone();
    url.set_path(&format!("{}.sig", order.url.path()));
    url
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use vigie_settings::Language;

    use super::*;

    fn volume(node: &str, answers: Option<&str>) -> Provision {
        Provision {
            node: PathBuf::from(node),
            writable: true,
            answers: answers.map(str::to_owned),
            trouble: None,
        }
    }

    fn order() -> Option<Order> {
        let digest = "00".repeat(32);
        let line =
            format!("vigie.answers=https://u:p@a.example/x?k=1 vigie.answers-sha256={digest}");
        Order::read(&line).unwrap()
    }

    #[test]
    fn exactly_one_source_is_taken() {
        let text = || Some("[target]".to_owned());
        let (full, bare) = (volume("/dev/sdb1", Some("a")), volume("/dev/sdb1", None));
        let mut broken = volume("/dev/sdb1", None);
        broken.trouble = Some(Text::new("check.unreadable").with("error", "larger than 1 MiB"));
        let found = |volumes: &[&Provision], order: Option<Order>, embedded| Found {
            volumes: volumes.iter().map(|one| (*one).clone()).collect(),
            order: order.map(Ok),
            embedded,
        };
        assert_eq!(Found::default().choose(), Ok(None));
        for (found, place, beside) in [
            (found(&[&full], None, None), "/dev/sdb1", true),
            (found(&[], order(), None), "https://a.example/x", false),
            (found(&[], None, text()), embedded::MOUNTED, false),
            (found(&[&bare], None, text()), embedded::MOUNTED, true),
            (found(&[&bare], order(), None), "https://a.example/x", true),
        ] {
            assert_eq!(found.place_for_report().is_some(), beside);
            assert_eq!(found.choose().unwrap().unwrap().place(), place);
        }
        for (found, says) in [
            (found(&[&full, &bare], None, None), "2 volumes are labelled"),
            (found(&[&bare], None, None), "no file install.toml"),
            (found(&[&broken], None, text()), "larger than 1 MiB"),
            (
                found(&[&full], order(), text()),
                "/dev/sdb1, https://a.example/x, /run/medium/vigie/install.toml",
            ),
            (found(&[&full], None, text()), "/dev/sdb1, /run/medium"),
        ] {
            let said = found.choose().unwrap_err().to(Language::En);
            assert!(said.contains(says), "{said}");
        }
    }

    #[test]
    fn answers_that_are_no_text_say_so() {
        for (bytes, says) in [
            (&b"\xff\xfe[\0t\0"[..], "UTF-16"),
            (b"\xfe\xff\0[\0t", "UTF-16"),
            (b"PK\x03\x04\xff", "not text in UTF-8"),
        ] {
            let why = text_of(bytes.to_vec()).unwrap_err();
            assert!(why.to(Language::En).contains(says), "{why:?}");
            assert_ne!(why.to(Language::En), why.to(Language::Fr));
        }
        assert_eq!(text_of(b"[target]".to_vec()).unwrap(), "[target]");
    }

    #[test]
    fn a_signature_lies_beside_the_answers() {
        let url = signature_url(&order().unwrap());
        assert_eq!(url.as_str(), "https://u:p@a.example/x.sig?k=1");
    }
}
