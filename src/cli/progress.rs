//! How far something is, on standard error: a bar of one line on a terminal, a line now and then in a log.

use super::say;
use crate::report::significant;
use crate::sample::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// A log wants a line now and then; a terminal shows every step.
const LOG_LINE_EVERY: Duration = Duration::from_secs(2);
/// What is the whole, for the bar.
const WHOLE: u64 = 1000;
/// Bar, share and words, cut where the terminal ends.
const LINE: &str = "[{bar:20}] {percent:>3} %  {wide_msg}";

/// Whether standard error can show a bar.
pub(super) fn is_for_bars() -> bool {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    std::io::stderr().is_terminal() && !dumb
}

/// A bar for `whole` steps, which is not shown before its first step.
pub(super) fn bar(whole: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(whole), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template(LINE).unwrap_or_else(|_| ProgressStyle::default_bar());
    bar.with_style(style.progress_chars("=> "))
}

/// How far a measurement is. What it shows never runs backwards.
pub(super) struct ProgressLine {
    bar: Option<ProgressBar>,
    begun: Instant,
    shown: Option<Instant>,
    share: f64,
}

impl ProgressLine {
    pub(super) fn new() -> ProgressLine {
        let bar = is_for_bars().then(|| bar(WHOLE));
        ProgressLine { bar, begun: Instant::now(), shown: None, share: 0.0 }
    }

    pub(super) fn show(&mut self, progress: &Progress) {
        self.share = self.share.max(progress.share.min(1.0));
        if let Some(bar) = &self.bar {
            bar.set_message(words(progress));
            bar.set_position((self.share * WHOLE as f64) as u64);
        } else if self.shown.is_none_or(|shown| shown.elapsed() >= LOG_LINE_EVERY) {
            let (percent, seconds) = ((self.share * 100.0) as u32, self.begun.elapsed().as_secs());
            say(&format!("[{percent:3} %] {seconds:3} s  {}", words(progress)));
            self.shown = Some(Instant::now());
        }
    }

    /// Leaves no trace on a terminal.
    pub(super) fn end(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.end();
    }
}

/// What is being measured, its value so far, the time left.
fn words(progress: &Progress) -> String {
    let value = progress.value.map(|(value, unit)| format!(" {} {}", significant(value), unit.symbol()));
    let left = progress.left.map(|left| match left.as_secs_f64().ceil() as u64 {
        seconds @ 0..100 => format!(", {seconds} s left"),
        seconds => format!(", {} min left", seconds.div_ceil(60)),
    });
    format!("{}{}{}", progress.now, value.unwrap_or_default(), left.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Unit;

    #[test]
    fn a_line_names_the_probe_the_number_so_far_and_the_time_left() {
        let progress = Progress { share: 0.5, now: "memory.dram.read", value: None, left: None };
        assert_eq!(words(&progress), "memory.dram.read");
        let progress =
            Progress { value: Some((91.234, Unit::GbPerS)), left: Some(Duration::from_millis(8200)), ..progress };
        assert_eq!(words(&progress), "memory.dram.read 91.23 GB/s, 9 s left");
        let progress = Progress { left: Some(Duration::from_secs(240)), ..progress };
        assert_eq!(words(&progress), "memory.dram.read 91.23 GB/s, 4 min left");
    }
}
