//! What an installation tells while it works: typed events, apart from how
//! they are shown ([`render`]).

pub mod render;

use std::time::Instant;

use serde::Serialize;
use vigie_disk::Bytes;

use crate::messages::Text;

/// The phases, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The payload is read and its digests compared.
    Check,
    /// What was on the disk is made unreadable.
    Clear,
    /// The EFI system partition.
    Esp,
    /// The state volume with the first settings.
    State,
    /// The data volumes.
    Data,
    /// The boot image, written and read back.
    Boot,
    /// The system image, written and read back.
    System,
    /// Partition table and boot code.
    Finish,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Check,
        Self::Clear,
        Self::Esp,
        Self::State,
        Self::Data,
        Self::Boot,
        Self::System,
        Self::Finish,
    ];

    /// Whether its events count bytes, and not steps.
    pub fn counts_bytes(self) -> bool {
        matches!(self, Self::Check | Self::Boot | Self::System)
    }

    /// Its name for a person.
    pub fn text(self) -> Text {
        match self {
            Self::Check => Text::new("phase.check"),
            Self::Clear => Text::new("phase.clear"),
            Self::Esp => Text::new("phase.esp"),
            Self::State => Text::new("phase.state"),
            Self::Data => Text::new("phase.data"),
            Self::Boot => Text::new("phase.boot"),
            Self::System => Text::new("phase.system"),
            Self::Finish => Text::new("phase.finish"),
        }
    }
}

/// How far a phase is, in bytes (or in steps, where there are no bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// The phase.
    pub phase: Phase,
    /// Done so far; equal to `total` exactly once, at the end.
    pub done: u64,
    /// To be done.
    pub total: u64,
    /// Bytes a second since the phase began, where its events count bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u64>,
}

/// Who is told.
pub trait Progress {
    /// Something was done. May be called often; a renderer thins.
    fn event(&mut self, event: &Event);
}

/// Nobody is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&mut self, _: &Event) {}
}

/// A list of events, for tests.
impl Progress for Vec<Event> {
    fn event(&mut self, event: &Event) {
        self.push(*event);
    }
}

/// A phase that was finished.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    /// The phase.
    pub phase: Phase,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// How much was read or written, where the phase counts bytes.
    pub bytes: Option<Bytes>,
}

/// Tells how long each phase took, and passes the events on.
pub struct Timed<'a> {
    inner: &'a mut dyn Progress,
    begun: Instant,
    spans: Vec<Span>,
}

impl<'a> Timed<'a> {
    /// Starts the clock.
    pub fn new(inner: &'a mut dyn Progress) -> Self {
        Self {
            inner,
            begun: Instant::now(),
            spans: Vec::new(),
        }
    }

    /// The finished phases.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }
}

impl Progress for Timed<'_> {
    fn event(&mut self, event: &Event) {
        if event.done == event.total {
            let bytes = event.phase.counts_bytes();
            self.spans.push(Span {
                phase: event.phase,
                seconds: self.begun.elapsed().as_secs_f64(),
                bytes: bytes.then(|| Bytes::new(event.total)),
            });
            self.begun = Instant::now();
        }
        self.inner.event(event);
    }
}

/// One phase being worked on: turns steps into events, the last one certain.
pub struct Meter<'a> {
    progress: &'a mut dyn Progress,
    phase: Phase,
    total: u64,
    begun: Instant,
}

impl<'a> Meter<'a> {
    /// Begins a phase.
    pub fn new(progress: &'a mut dyn Progress, phase: Phase, total: Bytes) -> Self {
        let mut meter = Self {
            progress,
            phase,
            total: total.get().max(1),
            begun: Instant::now(),
        };
        meter.tell(0);
        meter
    }

    /// So much of the phase is done.
    pub fn at(&mut self, done: Bytes) {
        // The end is told by `finish` alone.
        self.tell(done.get().min(self.total - 1));
    }

    /// The phase is done.
    pub fn finish(mut self) {
        self.tell(self.total);
    }

    fn tell(&mut self, done: u64) {
        let seconds = self.begun.elapsed().as_secs_f64();
        let known = self.phase.counts_bytes() && done > 0 && seconds > 0.0;
        self.progress.event(&Event {
            phase: self.phase,
            done,
            total: self.total,
            rate: known.then(|| (done as f64 / seconds) as u64),
        });
    }
}
