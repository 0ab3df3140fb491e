//! The rest of a package: taken up where it is, checked chunk by chunk as it comes.

use std::io::{BufReader, Read};

use reqwest::blocking::Response;
use reqwest::header::{CONTENT_RANGE, ETAG};
use reqwest::{StatusCode, Url};

use crate::http::{self, Client, Trouble};
use crate::part::{Accept, Head, Part, read_head};
use crate::store::{Folder, Room};

/// How often one chunk that is not what was signed is fetched again.
const AGAIN: usize = 2;
/// What is being done where the disk refuses, in both languages.
const KEEPING: (&str, &str) = ("keeping a package", "écriture d'un paquet");

/// What is fetched.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Where it is.
    pub url: Url,
    /// The name that it gets.
    pub name: String,
    /// How long it is, in bytes.
    pub length: u64,
}

/// Fetches a package whole into its folder. Of others that lie there nothing is left.
///
/// # Errors
/// The server; a package that is not accepted, or not as long as it should be; no room.
pub fn fetch(
    client: &Client,
    wanted: &Wanted,
    folder: &Folder,
    room: &dyn Room,
    accept: &Accept<'_>,
) -> Result<(), Trouble> {
    let disk = |error| Trouble::disk(KEEPING, &error);
    folder.keep_only(&wanted.name).map_err(disk)?;
    if folder.has(&wanted.name, wanted.length, accept) {
        return Ok(());
    }
    let mut part = Part::open(&folder.part(&wanted.name), accept).map_err(disk)?;
    room.ask(wanted.length.saturating_sub(part.at()))?;
    let mut run = Run {
        client,
        wanted,
        folder,
        accept,
        started_over: false,
    };
    let mut damaged = (0, 0);
    loop {
        let before = part.at();
        match run.once(&mut part) {
            Ok(Ended::Complete) => break,
            Ok(Ended::StartedOver) => {}
            Ok(Ended::Damaged) => {
                let again = if damaged.0 == part.at() {
                    damaged.1 + 1
                } else {
                    1
                };
                if again > AGAIN {
                    let (name, at) = (&wanted.name, part.at());
                    return Err(Trouble::passing(
                        format!("what comes of {name} is damaged at byte {at}, {again} times"),
                        format!("ce qui arrive de {name} est abîmé à l'octet {at}, {again} fois"),
                    ));
                }
                damaged = (part.at(), again);
            }
            // As long as it goes forward it is taken up at once; else whoever started us waits.
            Err(trouble) if trouble.passing && part.at() > before => {}
            Err(trouble) => return Err(trouble),
        }
    }
    part.complete(&folder.file(&wanted.name)).map_err(disk)?;
    folder.forget_tag(&wanted.name);
    Ok(())
}

/// How a connection ended.
enum Ended {
    Complete,
    /// What was here was of another file, or cannot be continued.
    StartedOver,
    /// A chunk is not what was signed.
    Damaged,
}

struct Run<'a> {
    client: &'a Client,
    wanted: &'a Wanted,
    folder: &'a Folder,
    accept: &'a Accept<'a>,
    started_over: bool,
}

impl Run<'_> {
    fn once(&mut self, part: &mut Part) -> Result<Ended, Trouble> {
        if part.length() == Some(part.at()) {
            return Ok(Ended::Complete);
        }
        let tag = self.folder.tag(&self.wanted.name);
        let answer = self
            .client
            .from(&self.wanted.url, part.at(), tag.as_deref())?;
        if !self.continues(&answer, part)? {
            return Ok(Ended::StartedOver);
        }
        let tag = answer.headers().get(ETAG).and_then(|tag| tag.to_str().ok());
        // A weak one does not stand for the same bytes (RFC 9110, section 13.1.5).
        let strong = tag.filter(|tag| tag.starts_with('"'));
        self.folder.keep_tag(&self.wanted.name, strong);
        self.receive(answer, part)
    }

    /// Whether the answer begins where the part ends. `false`: what is here was thrown away, ask
    /// again.
    fn continues(&mut self, answer: &Response, part: &mut Part) -> Result<bool, Trouble> {
        let (at, length) = (part.at(), self.wanted.length);
        let fits = match answer.status() {
            StatusCode::PARTIAL_CONTENT => {
                let range = answer.headers().get(CONTENT_RANGE);
                let range = range.and_then(|range| range.to_str().ok());
                range == Some(&format!("bytes {at}-{}/{length}", length - 1))
            }
            StatusCode::RANGE_NOT_SATISFIABLE => false,
            _ => {
                if answer.content_length().is_some_and(|got| got != length) {
                    return Err(self.other_length());
                }
                if at > 0 {
                    start_over(part)?;
                }
                true
            }
        };
        if !fits {
            if self.started_over {
                let name = &self.wanted.name;
                return Err(Trouble::lasting(
                    format!("{name} cannot be continued as HTTP says"),
                    format!("{name} ne peut pas être repris comme HTTP le dit"),
                ));
            }
            self.started_over = true;
            self.folder.keep_tag(&self.wanted.name, None);
            start_over(part)?;
        }
        Ok(fits)
    }

    fn other_length(&self) -> Trouble {
        let Wanted { name, length, .. } = self.wanted;
        Trouble::lasting(
            format!(
                "{name} is not {length} bytes long, as it should be; the server has another file \
                 under this name"
            ),
            format!(
                "{name} n'a pas les {length} octets qu'il doit avoir ; le serveur a un autre fichier \
                 sous ce nom"
            ),
        )
    }

    fn receive(&self, answer: Response, part: &mut Part) -> Result<Ended, Trouble> {
        let disk = |error| Trouble::disk(KEEPING, &error);
        let broken = |error| http::broken(&self.wanted.url, &error);
        let mut input = BufReader::with_capacity(64 << 10, answer);
        if part.at() == 0 {
            let envelope = read_head(&mut input).map_err(|head| match head {
                Head::Broken(error) => broken(error),
                Head::Wrong(why) => Trouble::of(&why),
            })?;
            let opened = (self.accept)(&envelope).map_err(|why| Trouble::of(&why))?;
            let length = envelope.length.saturating_add(opened.header.body);
            if length != self.wanted.length {
                return Err(self.other_length());
            }
            part.put_head(&envelope, opened).map_err(disk)?;
        }
        let mut buffer = Vec::new();
        while let Some(length) = part.next_chunk() {
            buffer.resize(length, 0);
            input.read_exact(&mut buffer).map_err(broken)?;
            if !part.put_chunk(&buffer).map_err(disk)? {
                return Ok(Ended::Damaged);
            }
        }
        // What is here is whole; a server that goes on sending has another file.
        match input.read(&mut [0]) {
            Ok(1..) => Err(self.other_length()),
            _ => Ok(Ended::Complete),
        }
    }
}

fn start_over(part: &mut Part) -> Result<(), Trouble> {
    let doing = ("starting a package over", "reprise d'un paquet au début");
    part.start_over()
        .map_err(|error| Trouble::disk(doing, &error))
}
