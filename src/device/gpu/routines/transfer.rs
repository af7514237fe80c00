//! Bytes on their way between the host and the device. Only the host's clock sees their time.

use super::routine::{Routine, SharedBuffers, skipped};
use crate::device::Refusal;
use crate::device::gpu::context::{Context, GpuResult};
use crate::device::gpu::shader::Program;
use crate::device::gpu::timer::{Elapsed, Timer};
use crate::job::Job;
use crate::work::Work;
use roofprobe_kernels::reference::Random;
use roofprobe_kernels::{Dtype, Op, Shape};
use std::time::Instant;

/// Copies through a buffer that the host maps. The queue's own way of writing makes a new buffer every time, and its first
/// touch would be the system's time.
pub(super) struct Transfer {
    op: Op,
    data: Vec<u8>,
    back: Vec<u8>,
    buffer: wgpu::Buffer,
    staging: wgpu::Buffer,
}

impl Transfer {
    fn upload(&self, context: &Context) -> GpuResult<()> {
        context.written(&self.staging, &self.data)?;
        context.copy(&self.staging, &self.buffer, self.data.len() as u64)
    }

    fn download(&mut self, context: &Context) -> GpuResult<()> {
        let bytes = self.data.len() as u64;
        context.copy(&self.buffer, &self.staging, bytes)?;
        let back = &mut self.back;
        context.mapped(&self.staging, bytes, |view| back.copy_from_slice(view))
    }
}

impl Routine for Transfer {
    fn takes(job: &Job) -> bool {
        matches!(job.op, Op::Upload | Op::Download)
    }

    fn programs(_: &Job) -> Result<Vec<Program>, Refusal> {
        Ok(Vec::new())
    }

    fn new(context: &mut Context, _: &mut SharedBuffers, job: &Job) -> GpuResult<Transfer> {
        let bytes = job.variant.keys().footprint_bytes.filter(|&bytes| bytes > 0 && bytes.is_multiple_of(8));
        let bytes = bytes.ok_or_else(|| skipped("the job names no whole number of words"))?;
        let mut random = Random::new(23);
        let data: Vec<u8> = (0..bytes / 8).flat_map(|_| random.bits().to_le_bytes()).collect();
        let buffer = context.filled(&data)?;
        let staging = context.staging(bytes, job.op == Op::Download)?;
        // Touched once: a first touch is the system's time, not the bus's.
        let back = vec![1; data.len()];
        Ok(Transfer { op: job.op, data, back, buffer, staging })
    }

    fn work(&self) -> Work {
        Work::of_kernel(self.op.cost(Shape::stream(self.data.len() as u64)), Dtype::I8)
    }

    fn encode(&self, _: &mut wgpu::ComputePass, _: u64, _: u32) {}

    fn time(&mut self, context: &Context, _: &mut Timer, repetitions: u64, _: f64) -> GpuResult<Elapsed> {
        let begun = Instant::now();
        for _ in 0..repetitions {
            match self.op {
                Op::Download => self.download(context)?,
                _ => self.upload(context)?,
            }
        }
        Ok(Elapsed::on_host(begun, repetitions))
    }

    fn prepare(&mut self, context: &Context) -> GpuResult<()> {
        if self.op == Op::Upload { context.clear(&self.buffer) } else { Ok(()) }
    }

    fn verify(&mut self, context: &Context, _: u64) -> GpuResult<bool> {
        if self.op == Op::Upload {
            self.back = context.download(&self.buffer, self.data.len() as u64)?;
        }
        Ok(self.back == self.data)
    }
}
