//! Bytes on their way between the host and the device. Only the host's clock sees their time.

use super::routine::{Routine, SharedBuffers, foreign, skipped};
use crate::device::Refusal;
use crate::device::gpu::context::{Context, GpuResult};
use crate::device::gpu::shader::Program;
use crate::job::Job;
use crate::profile::{self, Variant};
use crate::work::Work;
use roofprobe_kernels::reference::Random;
use roofprobe_kernels::{Dtype, Op, Shape};

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
    fn programs(_: &Job) -> Result<Vec<Program>, Refusal> {
        Ok(Vec::new())
    }

    fn new(context: &mut Context, _: &mut SharedBuffers, job: &Job) -> GpuResult<Transfer> {
        let Variant::Transfer(profile::Transfer { footprint_bytes: bytes }) = job.variant else {
            return Err(foreign(job).into());
        };
        if bytes == 0 || !bytes.is_multiple_of(8) {
            return Err(skipped("the job names no whole number of words").into());
        }
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

    fn is_timed_by_host(&self) -> bool {
        true
    }

    fn execute(&mut self, context: &Context) -> GpuResult<()> {
        if self.op == Op::Download { self.download(context) } else { self.upload(context) }
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

    fn verifies_every_pass(&self) -> bool {
        false
    }
}
