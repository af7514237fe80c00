//! What only the host's clock sees: submissions there and back, and bytes on their way.

use super::context::{Context, Outcome};
use super::overhead::Dispatches;
use super::routine::Routine;
use crate::device::Refusal;
use crate::job::Job;
use crate::work::Work;
use roofprobe_kernels::reference::Random;
use roofprobe_kernels::{Dtype, Op, Shape};
use std::time::Instant;

/// A job made ready.
pub(super) enum Walled {
    /// One counting dispatch, submitted and awaited.
    Submit(Dispatches),
    /// Bytes between the host and a buffer of the device.
    Transfer(Transfer),
}

/// Bytes on their way, through a buffer that the host maps. The queue's own way of writing makes a new one every time, whose
/// first touch would be the system's time.
pub(super) struct Transfer {
    op: Op,
    data: Vec<u8>,
    back: Vec<u8>,
    buffer: wgpu::Buffer,
    staging: wgpu::Buffer,
    verified: bool,
}

impl Walled {
    /// Makes `job` ready; `None` when it is none of these.
    pub(super) fn new(context: &mut Context, job: &Job) -> Option<Outcome<Walled>> {
        match job.op {
            Op::Submit => Some(Dispatches::new(context).map(Walled::Submit)),
            Op::Upload | Op::Download => Some(Transfer::new(context, job).map(Walled::Transfer)),
            _ => None,
        }
    }

    /// The seconds that `repetitions` took, and whether the result was right.
    pub(super) fn run(&mut self, context: &Context, repetitions: u64) -> Outcome<(f64, bool)> {
        match self {
            Walled::Submit(dispatches) => {
                dispatches.prepare(context)?;
                let begun = Instant::now();
                for _ in 0..repetitions {
                    context.pass(|pass| dispatches.encode(pass, 1, 1))?;
                }
                let seconds = begun.elapsed().as_secs_f64();
                Ok((seconds, dispatches.verify(context, repetitions)?))
            }
            Walled::Transfer(transfer) => transfer.run(context, repetitions),
        }
    }

    /// The work of one repetition.
    pub(super) fn work(&self) -> Work {
        match self {
            Walled::Submit(_) => Work::default(),
            Walled::Transfer(Transfer { op, data, .. }) => {
                Work::of_kernel(op.cost(Shape::stream(data.len() as u64)), Dtype::I8)
            }
        }
    }
}

impl Transfer {
    fn new(context: &Context, job: &Job) -> Outcome<Transfer> {
        let bytes = job.variant.footprint_bytes.filter(|&bytes| bytes > 0 && bytes.is_multiple_of(8));
        let bytes = bytes.ok_or_else(|| Refusal::Skipped("the job names no whole number of words".to_owned()))?;
        let mut random = Random::new(23);
        let data: Vec<u8> = (0..bytes / 8).flat_map(|_| random.bits().to_le_bytes()).collect();
        let buffer = context.filled(&data)?;
        let staging = context.staging(bytes, job.op == Op::Download)?;
        // Touched once: a first touch is the system's time, not the bus's.
        let back = vec![1; data.len()];
        Ok(Transfer { op: job.op, data, back, buffer, staging, verified: false })
    }

    fn run(&mut self, context: &Context, repetitions: u64) -> Outcome<(f64, bool)> {
        let first = !self.verified;
        if first && self.op == Op::Upload {
            context.clear(&self.buffer)?;
        }
        let begun = Instant::now();
        for _ in 0..repetitions {
            match self.op {
                Op::Download => self.down(context)?,
                _ => self.up(context)?,
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        if first && self.op == Op::Upload {
            self.down_of_upload(context)?;
        }
        self.verified = !first || self.back == self.data;
        Ok((seconds, self.verified))
    }

    fn up(&self, context: &Context) -> Outcome<()> {
        context.written(&self.staging, &self.data)?;
        context.copy(&self.staging, &self.buffer, self.data.len() as u64)
    }

    fn down(&mut self, context: &Context) -> Outcome<()> {
        let bytes = self.data.len() as u64;
        context.copy(&self.buffer, &self.staging, bytes)?;
        let back = &mut self.back;
        context.mapped(&self.staging, bytes, |view| back.copy_from_slice(view))
    }

    fn down_of_upload(&mut self, context: &Context) -> Outcome<()> {
        self.back = context.download(&self.buffer, self.data.len() as u64)?;
        Ok(())
    }
}
