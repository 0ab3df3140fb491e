//! A bar on a terminal. It is moved at least each second: what moves is alive.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Often enough for eyes, and for a serial line.
pub const DRAWN_PER_SECOND: u8 = 3;
/// The end of a bar.
const WHOLE: u64 = 1000;

/// A bar that is there once it has moved.
#[derive(Debug, Default)]
pub struct Bar(Option<ProgressBar>);

impl Bar {
    /// Whether a person watches a terminal that can show one.
    #[must_use]
    pub fn fits() -> bool {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
        io::stderr().is_terminal() && !dumb
    }

    /// Each time turns the mark; the share is in thousandths.
    pub fn moves(&mut self, message: String, permille: u64) {
        let bar = self.0.get_or_insert_with(begin);
        bar.set_message(message);
        bar.set_position(permille);
        bar.tick();
    }

    /// It goes from the terminal.
    pub fn clear(&mut self) {
        if let Some(bar) = self.0.take() {
            bar.finish_and_clear();
        }
    }

    /// Whether it is there.
    #[must_use]
    pub const fn is_there(&self) -> bool {
        self.0.is_some()
    }
}

fn begin() -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(DRAWN_PER_SECOND);
    let style = ProgressStyle::with_template(
        "{spinner} [{bar:16}] {percent:>3} % {elapsed:>4}  {wide_msg}",
    );
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    // Console fonts have no other characters for certain.
    let style = style.progress_chars("=> ").tick_chars("|/-\\ ");
    ProgressBar::with_draw_target(Some(WHOLE), target).with_style(style)
}
