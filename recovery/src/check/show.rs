//! How a check is shown: a bar where a person watches a terminal, one line that is written anew where that
//! cannot move its cursor, lines where there is no terminal, such as in a log, JSON lines for a program.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vigie_settings::Language;

use super::bar::Bar;
use super::ladder::Step;
use super::line::Line;
use super::report::{VolumeReport, progress_words, step_words};
use super::run::{Going, Watch as WatchRun};
use super::told::Telling;
use super::verdict::Verdict;
use super::volume::{Volume, Watch};
use super::words::say;

/// Lines of a log come no more often than this where a percent more is done.
const LINE_EVERY: Duration = Duration::from_secs(1);
/// And where nothing more is done they come as often.
const ALIVE_EVERY: Duration = Duration::from_secs(10);
/// A silence of this many seconds is spoken of.
const SILENCE: u64 = 3;

/// Who shows.
enum Shown {
    Json,
    Bar(Bar),
    Line(Line),
    Lines { last: Option<Last> },
}

/// The last line of a log: what it said, and when.
#[derive(Clone, Copy, Debug)]
struct Last {
    step: Step,
    pass: u8,
    percent: u8,
    at: Instant,
}

impl Last {
    fn of(going: &Going) -> Self {
        Self {
            step: going.step,
            pass: going.meter.pass,
            percent: going.meter.percent(),
            at: Instant::now(),
        }
    }

    /// Whether it is too soon for the next one.
    fn is_fresh(&self, next: &Self) -> bool {
        let since = next.at.saturating_duration_since(self.at);
        let same_phase = self.step == next.step && self.pass == next.pass;
        let every = match self.percent == next.percent {
            true => ALIVE_EVERY,
            false => LINE_EVERY,
        };
        same_phase && since < every
    }
}

/// Shows a check; knows whether a person has asked to stop.
pub struct Show<W> {
    out: W,
    shown: Shown,
    language: Language,
    stop: Arc<AtomicBool>,
    told_stop: bool,
    name: String,
    /// How many times ten seconds an array was waited for.
    waited: Option<u64>,
    /// Nothing is said of what is well and quick; until it is known, what is held back.
    quiet: Option<Vec<String>>,
    /// The programs of a running appliance that are told, too.
    telling: Option<Telling>,
}

impl<W: Write> Show<W> {
    /// As it fits: JSON where asked for, a bar on a terminal that can show one, a line on another, else lines.
    /// Results go to `out`.
    pub fn fitting(out: W, json: bool, language: Language, stop: Arc<AtomicBool>) -> Self {
        let shown = if json {
            Shown::Json
        } else if Bar::fits() {
            Shown::Bar(Bar::default())
        } else if io::stdout().is_terminal() {
            Shown::Line(Line::default())
        } else {
            Shown::Lines { last: None }
        };
        Self::new(out, shown, language, stop)
    }

    fn new(out: W, shown: Shown, language: Language, stop: Arc<AtomicBool>) -> Self {
        Self {
            out,
            shown,
            language,
            stop,
            told_stop: false,
            name: String::new(),
            waited: None,
            quiet: None,
            telling: None,
        }
    }

    /// Tells also the programs of a running appliance how far the checks of these volumes are.
    pub fn tell(&mut self, folder: &Path, volumes: Vec<PathBuf>) {
        self.telling = Some(Telling::new(folder, volumes));
    }

    /// Where that cannot be written, it is said once: the check is none the worse.
    fn tell_going(&mut self, going: &Going) {
        let Some(telling) = &mut self.telling else {
            return;
        };
        if let Err(error) = telling.goes(&self.name, going) {
            eprintln!("vigie-recovery: {}: {error}", telling.folder().display());
            self.telling = None;
        }
    }

    /// Says nothing of a volume that is clean and was checked in a moment: for a console on which
    /// something else is going on. From the first thing that matters on all is said.
    #[must_use]
    pub fn only_what_matters(mut self) -> Self {
        self.quiet = Some(Vec::new());
        self
    }

    /// A line that is of interest where another is.
    pub fn aside(&mut self, line: String) {
        match &mut self.quiet {
            Some(held) => held.push(line),
            None => self.line(&line),
        }
    }

    /// A line for the reader; one that cannot be written must not end a repair.
    pub fn line(&mut self, line: &str) {
        match &mut self.shown {
            Shown::Bar(bar) => bar.clear(),
            Shown::Line(line) => drop(line.clear(&mut self.out)),
            Shown::Json | Shown::Lines { .. } => {}
        }
        for held in self.quiet.take().into_iter().flatten() {
            let _ = writeln!(self.out, "{held}");
        }
        let _ = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
    }

    fn json(&mut self, value: &Value) {
        self.line(&value.to_string());
    }

    fn tell_stop(&mut self) {
        if self.stop.load(Ordering::Relaxed) && !self.told_stop {
            self.told_stop = true;
            match self.shown {
                Shown::Json => self.json(&json!({"event": "will-stop"})),
                _ => self.line(&say("show.will-stop", &[], self.language)),
            }
        }
    }

    fn draw(&mut self, going: &Going) {
        let message = self.message(going);
        let Shown::Bar(bar) = &mut self.shown else {
            return;
        };
        bar.moves(message, u64::from(going.meter.permille));
    }

    fn message(&self, going: &Going) -> String {
        let values = [
            ("step", step_words(going.step, self.language)),
            ("pass", going.meter.pass.max(1).to_string()),
        ];
        let mut message = say("show.progress", &values, self.language);
        if going.silent_seconds >= SILENCE {
            let seconds = [("seconds", going.silent_seconds.to_string())];
            message += &say("show.waits", &seconds, self.language);
        }
        message
    }

    fn plain(&mut self, going: &Going) {
        let Shown::Lines { last } = &mut self.shown else {
            return;
        };
        let next = Last::of(going);
        let fresh = last.is_some_and(|last| last.is_fresh(&next));
        let quick = self.quiet.is_some() && going.seconds < SILENCE;
        // A step that has not said anything yet, or a pass of an instant, is no news.
        if fresh || quick || next.pass == 0 && going.seconds == 0 {
            return;
        }
        *last = Some(next);
        let line = self.plain_words(going);
        self.line(&line);
    }

    /// On a terminal nothing is too often: it is the same line.
    fn anew(&mut self, going: &Going) {
        let text = self.plain_words(going);
        if let Shown::Line(line) = &mut self.shown {
            let _ = line.moves(&mut self.out, &text);
        }
    }

    fn plain_words(&self, going: &Going) -> String {
        let values = [
            ("name", self.name.clone()),
            (
                "progress",
                progress_words(going.step, going.meter, self.language),
            ),
            ("seconds", going.seconds.to_string()),
        ];
        let mut line = say("show.line", &values, self.language);
        if going.silent_seconds >= SILENCE {
            let seconds = [("seconds", going.silent_seconds.to_string())];
            line += &say("show.waits", &seconds, self.language);
        }
        line
    }
}

impl<W: Write> WatchRun for Show<W> {
    fn begins(&mut self, step: Step, _: u32) {
        if let Shown::Json = self.shown {
            let name = self.name.clone();
            self.json(&json!({"event": "step", "name": name, "step": step}));
        }
    }

    fn goes(&mut self, going: &Going) {
        self.tell_stop();
        self.tell_going(going);
        match self.shown {
            Shown::Json => {
                let mut event = json!({"event": "progress", "name": self.name});
                merge(&mut event, serde_json::to_value(going));
                self.json(&event);
            }
            Shown::Bar(_) => self.draw(going),
            Shown::Line(_) => self.anew(going),
            Shown::Lines { .. } => self.plain(going),
        }
    }

    fn asked_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl<W: Write> Watch for Show<W> {
    fn volume(&mut self, at: usize, of: usize, volume: &Volume) {
        self.name.clone_from(&volume.name);
        self.waited = None;
        if let Some(telling) = &mut self.telling {
            telling.turns_to(volume.node());
        }
        let node = volume.node().display().to_string();
        if let Shown::Json = self.shown {
            let event =
                json!({"event": "volume", "at": at, "of": of, "name": volume.name, "node": node});
            return self.json(&event);
        }
        let values = [
            ("at", at.to_string()),
            ("of", of.to_string()),
            ("name", volume.name.clone()),
            ("node", node),
        ];
        self.aside(say("show.volume", &values, self.language));
    }

    fn waits(&mut self, percent: Option<u8>, seconds: u64) {
        self.tell_stop();
        let name = self.name.clone();
        if let Shown::Json = self.shown {
            let event =
                json!({"event": "waiting", "name": name, "percent": percent, "seconds": seconds});
            return self.json(&event);
        }
        let share = percent.unwrap_or(0);
        let percent = percent.map_or_else(|| "?".to_owned(), |percent| percent.to_string());
        let values = [
            ("name", name),
            ("percent", percent),
            ("seconds", seconds.to_string()),
        ];
        let line = say("show.synchronising", &values, self.language);
        let tens = seconds / ALIVE_EVERY.as_secs();
        match &mut self.shown {
            Shown::Bar(bar) => bar.moves(line, u64::from(share) * 10),
            Shown::Line(shown) => drop(shown.moves(&mut self.out, &line)),
            _ if self.waited.replace(tens) != Some(tens) => self.line(&line),
            _ => {}
        }
    }

    fn ends(&mut self, report: &VolumeReport) {
        if let Shown::Lines { last } = &mut self.shown {
            *last = None;
        }
        match self.shown {
            Shown::Json => {
                let mut event = json!({"event": "result"});
                merge(&mut event, serde_json::to_value(report));
                without_output(&mut event);
                self.json(&event);
            }
            _ if report.verdict == Verdict::Clean => {
                self.aside(report.lines(self.language).join("\n"));
            }
            _ => self.line(&report.lines(self.language).join("\n")),
        }
    }
}

fn merge(event: &mut Value, more: serde_json::Result<Value>) {
    if let (Some(event), Ok(Value::Object(more))) = (event.as_object_mut(), more) {
        event.extend(more);
    }
}

/// What e2fsck said as it stands is in the report; a line would be as long as that.
fn without_output(event: &mut Value) {
    let steps = event.get_mut("steps").and_then(Value::as_array_mut);
    for step in steps.into_iter().flatten() {
        if let Some(step) = step.as_object_mut() {
            step.remove("output");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    use crate::check::progress::Meter;
    use crate::check::verdict::Reason;

    fn going(step: Step, pass: u8, permille: u16, seconds: u64, silent_seconds: u64) -> Going {
        Going {
            step,
            meter: Meter { pass, permille },
            seconds,
            silent_seconds,
        }
    }

    /// A repair of a moment, one that is long and silent, and a person who wants to stop.
    fn told(shown: Shown, language: Language) -> String {
        let mut out = Vec::new();
        let stop = Arc::new(AtomicBool::new(false));
        let mut show = Show::new(&mut out, shown, language, Arc::clone(&stop));
        let volume = Volume {
            name: "data-1".to_owned(),
            path: Ok("/dev/sda8".into()),
        };
        show.volume(1, 2, &volume);
        for seconds in 0..25 {
            show.waits(Some(40), seconds);
        }
        show.begins(Step::Journal, 7);
        show.goes(&going(Step::Journal, 0, 0, 0, 0));
        show.begins(Step::Repair, 8);
        for permille in 0..700 {
            show.goes(&going(Step::Repair, 1, permille, 3, 0));
        }
        stop.store(true, Ordering::Relaxed);
        show.goes(&going(Step::Repair, 2, 700, 60, 0));
        show.goes(&going(Step::Repair, 4, 920, 90, 12));
        assert!(show.asked_to_stop());
        let mut report = VolumeReport::new(&volume, 0);
        report.steps.clear();
        show.ends(&report);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_are_few_and_say_that_it_lives() {
        let expected = "Volume 1 sur 2 : data-1, /dev/sda8\n\
            data-1 : attente de la grappe, 40 %, 0 s\n\
            data-1 : attente de la grappe, 40 %, 10 s\n\
            data-1 : attente de la grappe, 40 %, 20 s\n\
            data-1 : réparation : 0 %, phase 1 sur 5, 3 s\n\
            Arrêt après ce volume : une réparation ne doit pas être interrompue.\n\
            data-1 : réparation : 70 %, phase 2 sur 5, 60 s\n\
            data-1 : réparation : 92 %, phase 4 sur 5, 90 s, e2fsck muet depuis 12 s, toujours au travail\n\
            Volume data-1 (/dev/sda8, ?) : NON VÉRIFIÉ : arrêt demandé avant son tour\n";
        assert_eq!(told(Shown::Lines { last: None }, Language::Fr), expected);
    }

    #[test]
    fn a_log_has_each_percent_once_and_a_sign_of_life() {
        let last = |pass, permille, at| Last {
            at,
            ..Last::of(&going(Step::Repair, pass, permille, 0, 0))
        };
        let begun = Instant::now();
        for (pass, permille, milliseconds, is_fresh) in [
            (1, 100, 9_900, true),
            (1, 100, 10_000, false),
            // Another percent.
            (1, 110, 900, true),
            (1, 110, 1_000, false),
            // Another phase.
            (2, 100, 0, false),
        ] {
            let next = last(pass, permille, begun + Duration::from_millis(milliseconds));
            let found = last(1, 100, begun).is_fresh(&next);
            assert_eq!(found, is_fresh, "{pass} {permille} {milliseconds}");
        }
    }

    #[test]
    fn a_terminal_that_can_do_little_has_one_line_written_anew() {
        let text = told(Shown::Line(Line::default()), Language::En);
        let anew = "\rdata-1: repairing: 70 %, phase 2 of 5, 60 s";
        assert!(text.contains(anew), "{text:?}");
        // What is said stays, and nothing of the line with it.
        let said = "\rIt will stop after this volume: a repair must not be interrupted.\n";
        assert!(text.contains(said), "{text:?}");
        let lines: Vec<&str> = text.lines().collect();
        let last = lines.last().unwrap().rsplit('\r').next().unwrap();
        assert!(last.starts_with("Volume data-1"), "{text:?}");
        assert_eq!(lines.len(), 3, "{text:?}");
    }

    #[test]
    fn json_lines_are_objects_of_known_events() {
        let text = told(Shown::Json, Language::En);
        let events: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let count = |name: &str| events.iter().filter(|one| one["event"] == name).count();
        let names = [
            "volume",
            "waiting",
            "step",
            "progress",
            "will-stop",
            "result",
        ];
        assert_eq!(names.map(count), [1, 25, 2, 703, 1, 1]);
        assert_eq!(events.len(), names.map(count).iter().sum::<usize>());
        let last = &events[events.len() - 2];
        let expected = json!({"event": "progress", "name": "data-1", "step": "repair", "pass": 4,
            "permille": 920, "seconds": 90, "silent_seconds": 12});
        assert_eq!(*last, expected);
        let result = events.last().unwrap();
        assert_eq!(
            (&result["verdict"], &result["name"]),
            (&json!("not-checked"), &json!("data-1"))
        );
    }

    #[test]
    fn who_wants_only_what_matters_hears_nothing_of_a_clean_volume() {
        let told = |verdict: Verdict, seconds: u64| {
            let mut out = Vec::new();
            let lines = Shown::Lines { last: None };
            let show = Show::new(&mut out, lines, Language::En, Arc::default());
            let mut show = show.only_what_matters();
            let volume = Volume {
                name: "data-1".to_owned(),
                path: Ok("/dev/sda8".into()),
            };
            show.volume(1, 1, &volume);
            show.goes(&going(Step::Preen, 1, 10, seconds, 0));
            let mut report = VolumeReport::new(&volume, 0);
            report.verdict = verdict;
            show.ends(&report);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(told(Verdict::Clean, 0), "");
        let long = told(Verdict::Clean, 60);
        assert!(long.starts_with("Volume 1 of 1: data-1"), "{long}");
        assert!(long.contains("60 s") && long.contains(": clean"), "{long}");
        let reason = Reason::FaultsLeft;
        let bad = told(Verdict::Damaged { reason }, 0);
        assert!(bad.starts_with("Volume 1 of 1: data-1"), "{bad}");
        assert!(bad.contains("NOT CLEAN"), "{bad}");
    }

    #[test]
    fn the_programs_of_an_appliance_are_told_each_percent_once() {
        let dir = tempfile::tempdir().unwrap();
        let lines = Shown::Lines { last: None };
        let mut show = Show::new(Vec::new(), lines, Language::En, Arc::default());
        show.tell(dir.path(), vec!["/dev/disk/by-uuid/0f3b".into()]);
        let file = dir.path().join("0f3b.json");
        let told = || {
            let text = std::fs::read(&file).ok()?;
            // What is told again would be there again.
            std::fs::remove_file(&file).unwrap();
            let told: Value = serde_json::from_slice(&text).unwrap();
            told["percent"].as_u64()
        };
        let turn = |show: &mut Show<Vec<u8>>, path: &str| {
            let volume = Volume {
                name: "data-1".to_owned(),
                path: Ok(path.into()),
            };
            show.volume(1, 2, &volume);
        };
        // A volume that nobody has named is not theirs.
        turn(&mut show, "/dev/sda7");
        show.goes(&going(Step::Preen, 1, 500, 1, 0));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        for _ in 0..2 {
            turn(&mut show, "/dev/disk/by-uuid/0f3b");
            for (step, pass, permille, expected) in [
                (Step::Journal, 0, 0, None),
                (Step::Preen, 0, 0, None),
                (Step::Preen, 1, 9, Some(0)),
                (Step::Preen, 1, 421, Some(42)),
                (Step::Preen, 1, 429, None),
                (Step::Preen, 5, 1000, Some(100)),
                // Begun anew by e2fsck, and the next step.
                (Step::Preen, 1, 1000, Some(100)),
                (Step::Repair, 0, 0, Some(0)),
            ] {
                show.goes(&going(step, pass, permille, 1, 0));
                assert_eq!(told(), expected, "{step:?} {pass} {permille}");
            }
        }
        // A folder that cannot be written ends nothing.
        drop(dir);
        std::fs::write(file.parent().unwrap(), "no folder").unwrap();
        show.goes(&going(Step::Preen, 1, 10, 1, 0));
        std::fs::remove_file(file.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_reader_that_is_gone_ends_nothing() {
        struct Gone;
        impl Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        let stop = Arc::default();
        let mut show = Show::new(Gone, Shown::Json, Language::En, stop);
        show.goes(&going(Step::Repair, 1, 10, 1, 0));
        assert!(!show.asked_to_stop());
    }
}
