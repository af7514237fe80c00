//! In which mode the memory was that others share, when a question was visited: neighbours may halve it for minutes.
//!
//! One question tells the mode, the read of DRAM. Who waits for memory and was only visited while it was slow has not yet been
//! seen as fast as it is.

use std::time::Duration;

/// Below this share of the fastest mode of the run, memory was slow.
const FAST_SHARE: f64 = 0.85;

/// In which mode memory is, is asked again after this time,
const MODE_AGE: Duration = Duration::from_secs(2);
/// and at most so often in a run: modes last for seconds to minutes, and what tells them takes time and room in the profile.
const ASKED_MAX: u32 = 200;

/// How old what is known may be, in a run that may last so long.
pub(super) fn age_max(budget: Duration) -> Duration {
    MODE_AGE.max(budget / ASKED_MAX)
}

/// The modes of memory as far as the run has met them.
pub(super) struct MemoryMode {
    /// The index of the question that tells it, where it is asked.
    pub(super) told_by: Option<usize>,
    /// What that question said last, and when.
    now: Option<(f64, Duration)>,
    /// Its upper mode so far.
    best: f64,
    /// For each question the fastest that memory was beside a visit; none where that is not known.
    beside: Vec<Option<f64>>,
}

impl MemoryMode {
    /// Nothing is known yet; there are so many questions.
    pub(super) fn new(told_by: Option<usize>, questions: usize) -> MemoryMode {
        MemoryMode { told_by, now: None, best: 0.0, beside: vec![None; questions] }
    }

    /// The question that tells it has answered: `rate` just now, `best` in its upper mode so far.
    pub(super) fn told(&mut self, rate: f64, best: f64, at: Duration) {
        (self.now, self.best) = (Some((rate, at)), best);
    }

    /// The question of that index was visited.
    pub(super) fn visited(&mut self, index: usize) {
        let now = self.now.map(|(rate, _)| rate);
        self.beside[index] = self.beside[index].into_iter().chain(now).reduce(f64::max);
    }

    /// Whether what is known is older than that, or nothing is.
    pub(super) fn is_older(&self, age: Duration, now: Duration) -> bool {
        self.now.is_none_or(|(_, at)| now.saturating_sub(at) > age)
    }

    /// Whether the question of that index was visited, and only while memory was slower than at other times of the run.
    pub(super) fn missed(&self, index: usize) -> bool {
        self.beside[index].is_some_and(|rate| rate < FAST_SHARE * self.best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_run_of_whatever_length_asks_a_bounded_number_of_times() {
        let asked = |budget: Duration| {
            let (mut mode, mut asked) = (MemoryMode::new(Some(0), 1), 0);
            // A visit of something else every quarter of a second.
            let visits = (0..).map(|visit| visit * SECOND / 4).take_while(|now| *now < budget);
            for now in visits {
                if mode.is_older(age_max(budget), now) {
                    mode.told(50.0, 50.0, now);
                    asked += 1;
                }
            }
            asked
        };
        assert_eq!(age_max(100 * SECOND), MODE_AGE, "short runs ask as they did");
        assert_eq!(asked(20 * SECOND), 9);
        assert!((150..=ASKED_MAX).contains(&asked(600 * SECOND)));
        assert!((150..=ASKED_MAX).contains(&asked(7200 * SECOND)));
    }

    #[test]
    fn who_was_visited_in_a_slow_mode_only_has_missed_the_fast_one() {
        let mut mode = MemoryMode::new(Some(0), 3);
        assert!(mode.is_older(SECOND, SECOND));
        mode.visited(1);
        mode.told(50.0, 50.0, SECOND);
        mode.visited(2);
        assert!(!mode.missed(1) && !mode.missed(2), "no other mode is known");
        mode.told(98.0, 100.0, 2 * SECOND);
        assert!(!mode.missed(1), "nobody knows what memory did beside it");
        assert!(mode.missed(2));
        mode.visited(2);
        assert!(!mode.missed(2));
        mode.told(50.0, 100.0, 3 * SECOND);
        mode.visited(2);
        assert!(!mode.missed(2), "it met the fast mode once");
        assert!(!mode.is_older(SECOND, 4 * SECOND) && mode.is_older(SECOND, 5 * SECOND));
    }
}
