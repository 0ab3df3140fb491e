//! `[[machine]]`: several machines on one stick.
//!
//! A section names a machine by `match` and says what is different for it; the rest is laid over
//! the common part key by key. Where there are sections, exactly one must match; without any, the
//! answers are for every machine.
//!
//! All sections are read and checked, also those for other machines: a mistake in the file shows
//! before the first machine is installed, not at the twentieth.

mod overlay;
mod rule;

use std::path::Path;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use vigie_machine::Machine;
use vigie_settings::{
    Language, Problem, Problems, ReadError, here, line_at, parse_tree, read_tree,
};

use crate::answers::Answers;
use crate::https::patience::Time;
use crate::messages::Text;

pub use rule::Rule;

/// How long ports are waited for: network cards that load firmware take half a minute.
const PORTS: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// The key of the sections.
const MACHINE: &str = "machine";
/// The key of a section's rule.
const MATCH: &str = "match";

/// An answer file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerFile {
    /// Every machine gets the same.
    ForAll(Box<Answers>),
    /// Each machine has its section; there is at least one.
    ByMachine(Vec<Section>),
}

/// A section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its first line in the file, from 1.
    pub line: usize,
    /// Which machine it is for.
    pub rule: Rule,
    /// The common part with the section laid over it.
    pub answers: Answers,
}

/// One thing wrong with an answer file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line in the file, from 1.
    pub line: usize,
    /// Line of the section for whose machine it is wrong.
    pub section: Option<usize>,
    /// Path of the field that it is about, where one is known.
    pub field: Option<String>,
    /// What is wrong.
    pub what: Text,
}

/// Everything wrong with an answer file; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

/// A text and the system that it is read on.
#[derive(Clone, Copy)]
struct Source<'t> {
    text: &'t str,
    /// The root of a system that knows time zones and keymaps; none where nothing is looked up.
    root: Option<&'t Path>,
}

/// What is looked up on the system that reads answers: key of the message, folder below the root.
const LOOKED_UP: [(&str, &str); 2] = [
    ("machines.no-zones", "usr/share/zoneinfo"),
    ("machines.no-keymaps", "usr/share/keymaps"),
];

/// Why no section is this machine's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSection {
    /// How many match: 0, or more than 1.
    matching: usize,
    /// Each section with what does not match.
    sections: Vec<(usize, Rule, Vec<Text>)>,
    machine: Machine,
}

impl AnswerFile {
    /// Reads an answer file and checks the answers for every machine.
    pub fn parse(text: &str) -> Result<Self, Faults> {
        Self::read(Source { text, root: None })
    }

    /// The same, and whether the system whose root is `root` knows the time zone and the like; see
    /// [`not_looked_up`].
    pub fn parse_on(text: &str, root: &Path) -> Result<Self, Faults> {
        let root = Some(root);
        Self::read(Source { text, root })
    }

    fn read(source: Source<'_>) -> Result<Self, Faults> {
        let text = source.text;
        let tree = parse_tree(text).map_err(|error| Faults(vec![Fault::read(&error, None)]))?;
        let span = tree.span();
        let mut common = tree.into_inner();
        let Some(machines) = common.remove(MACHINE) else {
            let tree = Spanned::new(span, common);
            let answers = answers(source, tree, None).map_err(Faults)?;
            return Ok(Self::ForAll(Box::new(answers)));
        };
        let sections = sections(source, &common, machines)?;
        let faults = alike(&sections);
        match faults.is_empty() {
            true => Ok(Self::ByMachine(sections)),
            false => Err(Faults(faults)),
        }
    }

    /// The answers for a machine.
    pub fn for_machine(&self, machine: &Machine) -> Result<&Answers, Box<NoSection>> {
        let sections = match self {
            Self::ForAll(answers) => return Ok(answers),
            Self::ByMachine(sections) => sections,
        };
        let judged = sections
            .iter()
            .map(|one| (one, one.rule.mismatches(machine)));
        let judged: Vec<(&Section, Vec<Text>)> = judged.collect();
        let mut matching = judged.iter().filter(|(_, why)| why.is_empty());
        match (matching.next(), matching.count()) {
            (Some((section, _)), 0) => Ok(&section.answers),
            (first, more) => Err(Box::new(NoSection {
                matching: usize::from(first.is_some()) + more,
                sections: judged
                    .iter()
                    .map(|(section, why)| (section.line, section.rule.clone(), why.clone()))
                    .collect(),
                machine: machine.clone(),
            })),
        }
    }

    /// The answers for a machine that has just been started: where no section is for it and some name
    /// ports, these are waited for, because the kernel finds them while we run.
    pub fn in_time(
        &self,
        look: &mut dyn FnMut() -> Machine,
        time: &mut dyn Time,
        told: &mut dyn FnMut(&Text),
    ) -> Result<&Answers, Box<NoSection>> {
        loop {
            let found = self.for_machine(&look());
            let is_late = |none: &NoSection| none.matching == 0 && none.names_ports();
            match found {
                Err(none) if is_late(&none) && time.elapsed() < PORTS => {}
                found => return found,
            }
            if time.elapsed() < PAUSE {
                told(&Text::new("machines.waiting"));
            }
            time.pause(PAUSE);
        }
    }

    /// The answers of every machine: what each check over a whole file looks at.
    pub fn all(&self) -> Vec<&Answers> {
        match self {
            Self::ForAll(answers) => vec![answers],
            Self::ByMachine(sections) => sections.iter().map(|one| &one.answers).collect(),
        }
    }

    /// What a question about the answers comes to, where it is the same for every machine.
    pub fn agreed<T: PartialEq>(&self, ask: impl Fn(&Answers) -> T) -> Option<T> {
        let mut all = self.all().into_iter().map(ask);
        let first = all.next()?;
        all.all(|other| other == first).then_some(first)
    }

    /// What is allowed and may still be a mistake: sections of which nothing says that they are
    /// for different machines, as one by serial number and one by hardware address; and machines
    /// that nobody could log in to.
    pub fn doubts(&self) -> Vec<Text> {
        let mut doubts = self.unlike_rules();
        doubts.extend(self.locked_out());
        doubts
    }

    fn locked_out(&self) -> Option<Text> {
        let sections = match self {
            Self::ForAll(answers) => {
                return answers
                    .lets_nobody_in()
                    .then(|| Text::new("machines.nobody"));
            }
            Self::ByMachine(sections) => sections,
        };
        let locked = sections.iter().filter(|one| one.answers.lets_nobody_in());
        let lines: Vec<String> = locked.map(|one| one.line.to_string()).collect();
        let text = Text::new("machines.nobody-of").with("lines", lines.join(", "));
        (!lines.is_empty()).then_some(text)
    }

    fn unlike_rules(&self) -> Vec<Text> {
        let Self::ByMachine(sections) = self else {
            return Vec::new();
        };
        pairs(sections)
            .filter(|(one, other)| one.rule.has_nothing_in_common(&other.rule))
            .map(|(one, other)| {
                Text::new("machines.doubt")
                    .with("one", one.line)
                    .with("other", other.line)
            })
            .collect()
    }
}

/// The language that the common part of an answer file asks for; also of a file that is refused, so
/// that its faults are said in it.
pub fn language_of(text: &str) -> Option<Language> {
    let tree = parse_tree(text).ok()?.into_inner();
    let system = tree.get("system")?.get_ref().as_table()?;
    system.get("language")?.get_ref().as_str()?.parse().ok()
}

/// The sections, each laid over the common part.
fn sections(
    source: Source<'_>,
    common: &DeTable<'_>,
    machines: Spanned<DeValue<'_>>,
) -> Result<Vec<Section>, Faults> {
    let fault = |at: usize, what| Faults(vec![Fault::at(line_at(source.text, at), what)]);
    let at = machines.span().start;
    let DeValue::Array(list) = machines.into_inner() else {
        return Err(fault(at, Text::new("machines.not-sections")));
    };
    let (mut sections, mut faults) = (Vec::new(), Vec::new());
    for one in list {
        match section(source, common, one) {
            Ok(section) => sections.push(section),
            Err(found) => faults.extend(found),
        }
    }
    // What is wrong in the common part is wrong for every machine; once is enough.
    let mut told: Vec<Fault> = Vec::new();
    for fault in faults {
        let place = |one: &Fault| (one.line, one.field.clone());
        let is_told = |one: &Fault| place(one) == place(&fault) && one.what == fault.what;
        if !told.iter().any(is_told) {
            told.push(fault);
        }
    }
    match told.is_empty() {
        true if sections.is_empty() => Err(fault(at, Text::new("machines.not-sections"))),
        true => Ok(sections),
        false => Err(Faults(told)),
    }
}

fn section(
    source: Source<'_>,
    common: &DeTable<'_>,
    one: Spanned<DeValue<'_>>,
) -> Result<Section, Vec<Fault>> {
    let text = source.text;
    let span = one.span();
    let line = line_at(text, span.start);
    let fault = |line, what| vec![Fault::at(line, what)];
    let DeValue::Table(mut own) = one.into_inner() else {
        return Err(fault(line, Text::new("machines.not-sections")));
    };
    let Some(rule) = own.remove(MATCH) else {
        return Err(fault(line, Text::new("machines.no-rule")));
    };
    let rule_line = line_at(text, rule.span().start);
    let rule = read_rule(text, rule).map_err(|fault| vec![fault])?;
    rule.check().map_err(|what| fault(rule_line, what))?;
    let mut merged = common.clone();
    overlay::lay_over(&mut merged, own);
    let answers = answers(source, Spanned::new(span, merged), Some(line))?;
    Ok(Section {
        line,
        rule,
        answers,
    })
}

fn read_rule(text: &str, rule: Spanned<DeValue<'_>>) -> Result<Rule, Fault> {
    let span = rule.span();
    match rule.into_inner() {
        DeValue::Table(table) => {
            read_tree(text, Spanned::new(span, table)).map_err(|error| Fault::read(&error, None))
        }
        _ => Err(Fault {
            field: Some(MATCH.to_owned()),
            ..Fault::at(line_at(text, span.start), Text::new("machines.no-table"))
        }),
    }
}

/// Reads and checks the answers for one machine.
fn answers(
    source: Source<'_>,
    tree: Spanned<DeTable<'_>>,
    section: Option<usize>,
) -> Result<Answers, Vec<Fault>> {
    let Source { text, root } = source;
    let top = line_at(text, tree.span().start);
    let places = tree.get_ref().clone();
    let answers: Answers =
        read_tree(text, tree).map_err(|error| vec![Fault::read(&error, section)])?;
    let mut problems = answers
        .check()
        .err()
        .map_or(Vec::new(), |Problems(all)| all);
    if let Some(root) = root {
        problems.extend(here::problems(root, &answers.settings(Vec::new())));
    }
    let fault = |Problem { field, text: what }| Fault {
        section,
        what: Text::new("machines.wrong").with_said("what", what),
        line: overlay::line_of(text, &places, &field).unwrap_or(top),
        field: Some(field),
    };
    match problems.is_empty() {
        true => Ok(answers),
        false => Err(problems.into_iter().map(fault).collect()),
    }
}

/// What the system whose root is `root` cannot say of any answers.
pub fn not_looked_up(root: &Path) -> Vec<Text> {
    let absent = LOOKED_UP
        .iter()
        .filter(|(_, folder)| !root.join(folder).is_dir());
    absent
        .map(|(key, folder)| Text::new(key).with("folder", format!("/{folder}")))
        .collect()
}

/// Sections that are for the same machine.
fn alike(sections: &[Section]) -> Vec<Fault> {
    pairs(sections)
        .filter(|(one, other)| one.rule.is_like(&other.rule))
        .map(|(one, other)| {
            let text = Text::new("machines.alike").with("other", one.line);
            Fault::at(other.line, text)
        })
        .collect()
}

fn pairs(sections: &[Section]) -> impl Iterator<Item = (&Section, &Section)> {
    let later = |at: usize| sections[at + 1..].iter();
    let with_later = move |(at, one)| later(at).map(move |other| (one, other));
    sections.iter().enumerate().flat_map(with_later)
}

impl Fault {
    /// A fault that is of no field.
    fn at(line: usize, what: Text) -> Self {
        Self {
            line,
            section: None,
            field: None,
            what,
        }
    }

    fn read(error: &ReadError, section: Option<usize>) -> Self {
        Self {
            line: error.line,
            section,
            field: error.field.clone(),
            what: Text::new("machines.wrong").with_said("what", error.text.clone()),
        }
    }

    /// For a person.
    pub fn to(&self, language: Language) -> String {
        let key = match self.section {
            Some(_) => "machines.fault-of-section",
            None => "machines.fault",
        };
        let what = match &self.field {
            None => self.what.clone(),
            Some(field) => Text::new("machines.of-field")
                .with("field", field)
                .with_text("what", self.what.clone()),
        };
        Text::new(key)
            .with("line", self.line)
            .with("section", self.section.unwrap_or_default())
            .with_text("what", what)
            .to(language)
    }
}

impl Faults {
    /// For a person, a line each.
    pub fn lines(&self, language: Language) -> Vec<String> {
        self.0.iter().map(|fault| fault.to(language)).collect()
    }
}

impl std::fmt::Display for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.lines(Language::En).join("\n"))
    }
}

impl std::error::Error for Faults {}

impl NoSection {
    fn names_ports(&self) -> bool {
        self.sections.iter().any(|(_, rule, _)| rule.mac.is_some())
    }

    /// For a person: the reason, each section with what does not match, and this machine's numbers.
    pub fn lines(&self, language: Language) -> Vec<String> {
        let reason = match self.matching {
            0 => Text::new("machines.no-match"),
            count => Text::new("machines.ambiguous").with("count", count),
        };
        let mut lines = vec![reason.to(language)];
        for (line, rule, why) in &self.sections {
            let said: Vec<String> = match why.is_empty() {
                true => vec![Text::new("machines.matches").to(language)],
                false => why.iter().map(|text| text.to(language)).collect(),
            };
            let text = Text::new("machines.section")
                .with("line", line)
                .with("rule", rule)
                .with("said", said.join("; "));
            lines.push(text.to(language));
        }
        lines.push(introduce(&self.machine).to(language));
        lines
    }
}

impl std::fmt::Display for NoSection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.lines(Language::En).join("\n"))
    }
}

impl std::error::Error for NoSection {}

/// The numbers by which answers can name a machine.
pub fn introduce(machine: &Machine) -> Text {
    let known = |value: &Option<String>| match value {
        Some(value) => format!("\"{value}\""),
        None => "-".to_owned(),
    };
    let addresses: Vec<String> = machine
        .ports
        .iter()
        .filter_map(|port| port.address().map(ToString::to_string))
        .collect();
    let addresses = match addresses.is_empty() {
        true => "-".to_owned(),
        false => addresses.join(", "),
    };
    let key = match machine.dmi.forbidden {
        true => "machines.this-not-root",
        false => "machines.this",
    };
    Text::new(key)
        .with("serial", known(&machine.dmi.serial))
        .with("uuid", known(&machine.dmi.uuid))
        .with("asset_tag", known(&machine.dmi.asset_tag))
        .with("mac", addresses)
}

#[cfg(test)]
mod tests;
