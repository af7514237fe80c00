//! Passes over a sequence, in the worker: in submissions of bounded length, timed by two clocks.

use super::ready::{Operands, Ready};
use crate::device::Refusal;
use crate::device::gpu::context::{Context, GpuResult};
use crate::device::gpu::timer::{SUBMISSION_S, Timer};
use crate::device::gpu::timestamps::{ClockReadings, Timestamps};
use crate::job::{Launch, Sequence};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use web_time::Instant;

/// The worker answers after about so long, so that somebody may want it to end.
const SLICE: Duration = Duration::from_millis(500);
/// Launches of one submission at most; where each is timed by itself, and where not.
const TIMED_LAUNCHES_MAX: usize = 512;
const LAUNCHES_MAX: usize = 4096;
/// Activations that are looked at.
const LOOKED_AT_BYTES: u64 = 4 << 20;

/// From where on a pass is to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::device::gpu) struct Run {
    /// The first launch.
    pub(in crate::device::gpu) from: usize,
    /// The number of the pass.
    pub(in crate::device::gpu) turn: u64,
    /// Whether each step is timed by itself, too.
    pub(in crate::device::gpu) timers: bool,
}

/// What was run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in crate::device::gpu) struct Ran {
    /// The launch that follows; the number of launches at the end.
    pub(in crate::device::gpu) next: usize,
    /// Seconds of these launches.
    pub(in crate::device::gpu) seconds: f64,
    /// Seconds of steps, by their places.
    pub(in crate::device::gpu) steps: Vec<(usize, f64)>,
    /// The two clocks were apart.
    pub(in crate::device::gpu) disturbed: bool,
}

/// A sequence with its operands, made ready one operation after another.
pub(in crate::device::gpu) struct PreparedSequence {
    sequence: Sequence,
    operands: Operands,
    ready: Vec<Ready>,
    /// Seconds of a launch of each routine, as last seen.
    each_s: Vec<f64>,
    /// The launches in another order, those of a step together: for an adapter without timestamps.
    by_step: Vec<usize>,
    clock: Option<Timestamps>,
    timer: Timer,
}

impl PreparedSequence {
    pub(in crate::device::gpu) fn new(context: &Context, sequence: Sequence, software: bool) -> PreparedSequence {
        let mut by_step: Vec<usize> = (0..sequence.launches.len()).collect();
        by_step.sort_by_key(|&launch| sequence.launches[launch].step);
        PreparedSequence {
            operands: Operands::new(&sequence, software),
            sequence,
            ready: Vec::new(),
            each_s: Vec::new(),
            by_step,
            clock: context.clock(TIMED_LAUNCHES_MAX as u32),
            timer: Timer::default(),
        }
    }

    /// Makes the next operation ready, and runs it twice: the first time compiles it, the second tells how many fit one
    /// submission. Returns what is done otherwise than the sequence says.
    ///
    /// # Errors
    /// Refused when the adapter lacks something, or memory.
    pub(in crate::device::gpu) fn make_next(&mut self, context: &mut Context) -> GpuResult<Option<String>> {
        let place = self.ready.len();
        let (ready, note) = self.operands.make(context, &self.sequence, place)?;
        let mut seconds = 0.0;
        for turn in 0..2 {
            let readings = context.time(|pass| ready.encode(pass, 0, turn))?;
            seconds = readings.timestamps.unwrap_or(readings.wall);
        }
        self.ready.push(ready);
        self.each_s.push(seconds);
        let untimed = "this adapter has no timestamps: passes are timed by the wall clock, submissions included, and operations \
                       with all launches of a step together";
        Ok(note.or_else(|| self.clock.is_none().then(|| untimed.to_owned())))
    }

    /// Overwrites all results.
    pub(in crate::device::gpu) fn spoil(&mut self, context: &Context) -> GpuResult<()> {
        self.ready.iter_mut().flat_map(Ready::parts).try_for_each(|part| part.spoil(context))
    }

    /// Whether the results of the last pass are those of the oracle, and all activations numbers.
    pub(in crate::device::gpu) fn verified(&mut self, context: &Context) -> GpuResult<bool> {
        for part in self.ready.iter_mut().flat_map(Ready::parts) {
            if !part.verified(context)? {
                return Ok(false);
            }
        }
        let Some((written, bytes)) = self.operands.written() else { return Ok(true) };
        let words = context.words(written, bytes.min(LOOKED_AT_BYTES) / 4)?;
        // Two halves of less than 1 in a word are a number, too.
        Ok(words.iter().all(|&word| f32::from_bits(word).is_finite()))
    }

    /// Runs launches from `run.from` on, for about half a second.
    ///
    /// # Errors
    /// Those of the device.
    pub(in crate::device::gpu) fn run(&mut self, context: &Context, run: Run) -> GpuResult<Ran> {
        if self.ready.len() < self.sequence.routines.len() {
            return Err(Refusal::Skipped("the sequence is not ready".to_owned()).into());
        }
        let begun = Instant::now();
        let mut ran = Ran { next: run.from, ..Ran::default() };
        while ran.next < self.sequence.launches.len() && begun.elapsed() < SLICE {
            match (run.timers, self.clock.take()) {
                (true, Some(clock)) => {
                    let timed = self.each_timed(context, &clock, run.turn, &mut ran);
                    self.clock = Some(clock);
                    timed?;
                }
                (timers, clock) => {
                    self.clock = clock;
                    self.timed_together(context, run.turn, timers, &mut ran)?;
                }
            }
        }
        Ok(ran)
    }

    /// How many launches from `from` on fit one submission: one at least.
    fn fitting(&self, from: usize, most: usize, launch: impl Fn(usize) -> Launch) -> usize {
        let mut seconds = 0.0;
        let left = self.sequence.launches.len() - from;
        let fits = |&place: &usize| {
            seconds += self.each_s[launch(place).routine];
            seconds <= SUBMISSION_S
        };
        (from..from + left.min(most)).take_while(fits).count().max(1)
    }

    /// One submission, each launch a pass of its own between two timestamps.
    fn each_timed(&mut self, context: &Context, clock: &Timestamps, turn: u64, ran: &mut Ran) -> GpuResult<()> {
        let from = ran.next;
        let launches = &self.sequence.launches;
        let count = self.fitting(from, TIMED_LAUNCHES_MAX, |place| launches[place]);
        let some = &launches[from..from + count];
        let (wall, each) = context.time_each(clock, count as u32, |index, pass| {
            let Launch { routine, copy, .. } = some[index as usize];
            self.ready[routine].encode(pass, copy, turn);
        })?;
        let readings = ClockReadings { wall, timestamps: each.as_ref().map(|each| each.iter().sum()) };
        let (seconds, disturbed) = self.timer.believed(readings, true);
        // Where the clocks are apart, the shares of the launches are still the timestamps'.
        let scale = readings.timestamps.map_or(1.0, |timestamps| seconds / timestamps);
        let equal = vec![seconds / count as f64; count];
        for (launch, each) in some.iter().zip(each.unwrap_or(equal)) {
            self.each_s[launch.routine] = each * scale;
            add(&mut ran.steps, launch.step, each * scale);
        }
        ran.seconds += seconds;
        ran.disturbed |= disturbed;
        ran.next += count;
        Ok(())
    }

    /// One submission, timed as a whole. With `steps` it holds launches of one step only, and the launches are taken in an order
    /// in which those stand together.
    fn timed_together(&mut self, context: &Context, turn: u64, steps: bool, ran: &mut Ran) -> GpuResult<()> {
        let launches = &self.sequence.launches;
        let launch = |place: usize| launches[if steps { self.by_step[place] } else { place }];
        let (from, step) = (ran.next, launch(ran.next).step);
        let mut count = self.fitting(from, LAUNCHES_MAX, launch);
        if steps {
            count = (from..from + count).take_while(|&place| launch(place).step == step).count();
        }
        let readings = context.time(|pass| {
            for Launch { routine, copy, .. } in (from..from + count).map(launch) {
                self.ready[routine].encode(pass, copy, turn);
            }
        })?;
        let (seconds, disturbed) = self.timer.believed(readings, context.timestamp_period_ns().is_some());
        if steps {
            add(&mut ran.steps, step, seconds);
        }
        ran.seconds += seconds;
        ran.disturbed |= disturbed;
        ran.next += count;
        Ok(())
    }
}

fn add(steps: &mut Vec<(usize, f64)>, step: usize, seconds: f64) {
    match steps.iter_mut().find(|(known, _)| *known == step) {
        Some((_, sum)) => *sum += seconds,
        None => steps.push((step, seconds)),
    }
}
