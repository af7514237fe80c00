//! The measuring process's side of a replay.

use super::run::Run;
use super::size;
use crate::device::gpu::Gpu;
use crate::device::gpu::protocol::{Answer, Request};
use crate::device::gpu::supervisor::unexpected;
use crate::device::{Attempt, Device, Refusal, Replayer, SequencePass};
use crate::job::Sequence;
use crate::profile::Machine;

/// A GPU, with the sequence that its worker holds.
pub struct GpuReplayer {
    gpu: Gpu,
    /// Launches and steps of the sequence.
    launches: usize,
    steps: usize,
    /// Passes so far.
    passes: u64,
}

impl GpuReplayer {
    /// That GPU.
    pub fn new(gpu: Gpu) -> GpuReplayer {
        GpuReplayer { gpu, launches: 0, steps: 0, passes: 0 }
    }

    fn ask(&mut self, request: &Request) -> Attempt<Answer> {
        self.gpu.supervisor.request(request)
    }
}

impl Replayer for GpuReplayer {
    fn machine(&self) -> Machine {
        self.gpu.machine()
    }

    fn sequence_bytes(&self, sequence: &Sequence) -> Attempt<u64> {
        let bytes = size::bytes(sequence, &self.gpu.opened.gpu.limits);
        bytes.ok_or_else(|| Refusal::OutOfMemory("it takes more memory than any GPU has".to_owned()))
    }

    fn make_ready(&mut self, sequence: &Sequence, shown: &mut dyn FnMut(f64) -> bool) -> Attempt<Vec<String>> {
        (self.launches, self.steps) = (sequence.launches.len(), sequence.steps);
        let parts = sequence.routines.len();
        match self.ask(&Request::Sequence(Box::new(sequence.clone())))? {
            Answer::Done => {}
            other => return Err(unexpected(&other)),
        }
        let mut notes = Vec::new();
        for part in 0..parts {
            match self.ask(&Request::MakeNext)? {
                Answer::Made(note) => notes.extend(note),
                other => return Err(unexpected(&other)),
            }
            if !shown((part + 1) as f64 / parts as f64) {
                return Err(Refusal::Skipped("interrupted".to_owned()));
            }
        }
        Ok(notes)
    }

    fn spoil(&mut self) -> Attempt<()> {
        match self.ask(&Request::Spoil)? {
            Answer::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    fn pass(&mut self, timers: bool, stop: fn() -> bool) -> Attempt<SequencePass> {
        let steps = if timers { self.steps } else { 0 };
        let mut pass = SequencePass { steps: vec![0.0; steps], ..SequencePass::default() };
        let (mut from, turn) = (0, self.passes);
        self.passes += 1;
        while from < self.launches {
            if stop() {
                return Ok(pass);
            }
            match self.ask(&Request::Run(Run { from, turn, timers }))? {
                Answer::Ran(ran) if ran.next > from => {
                    from = ran.next;
                    pass.seconds += ran.seconds;
                    pass.disturbed |= ran.disturbed;
                    for (step, seconds) in ran.steps {
                        pass.steps.get_mut(step).into_iter().for_each(|sum| *sum += seconds);
                    }
                }
                other => return Err(unexpected(&other)),
            }
        }
        pass.complete = true;
        Ok(pass)
    }

    fn verified(&mut self) -> Attempt<bool> {
        match self.ask(&Request::Verify)? {
            Answer::Verified(right) => Ok(right),
            other => Err(unexpected(&other)),
        }
    }
}
