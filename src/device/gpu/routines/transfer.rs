//! Bytes on their way between the host and the device, and within the device by its copy engine. Only the host's clock sees their time.

use super::routine::{Routine, SharedBuffers, foreign, skipped};
use crate::device::Refusal;
use crate::device::gpu::context::{Context, GpuResult};
use crate::device::gpu::shader::Program;
use crate::job::Job;
use crate::profile::Variant;
use crate::work::Work;
use roofprobe_kernels::reference::Random;
use roofprobe_kernels::{Dtype, Op, Shape};

/// Copies of one submission, where the host has nothing to do meanwhile: to submit and to notice the end take time.
const COPIES: u64 = 8;

/// Copies through buffers that the host maps. The queue's own way of writing makes a new buffer every time, and its first touch would be
/// the system's time.
pub(super) struct Transfer {
    op: Op,
    data: Vec<u8>,
    back: Vec<u8>,
    buffer: wgpu::Buffer,
    /// Where the host's bytes are seen by both: two that take turns, each as large as a part; or all of it, where the copy alone is timed;
    /// or the copy within the device.
    others: Vec<wgpu::Buffer>,
    /// Bytes of a part.
    part: u64,
}

impl Transfer {
    fn bytes(&self) -> u64 {
        self.data.len() as u64
    }

    /// Where the parts begin, and how long they are.
    fn parts(&self) -> impl Iterator<Item = (u64, u64)> + use<> {
        let (bytes, part) = (self.bytes(), self.part);
        (0..bytes.div_ceil(part)).map(move |i| (i * part, part.min(bytes - i * part)))
    }

    /// The host writes a part while the one before it is on its way.
    fn upload(&self, context: &Context) -> GpuResult<()> {
        let mut on_their_way: [Option<wgpu::SubmissionIndex>; 2] = [None, None];
        for (index, (begun, bytes)) in self.parts().enumerate() {
            let turn = index % self.others.len();
            if let Some(earlier) = on_their_way[turn].take() {
                context.wait(Some(earlier))?;
            }
            context.written(&self.others[turn], &self.data[begun as usize..][..bytes as usize])?;
            on_their_way[turn] = Some(context.begin_copy(&self.others[turn], 0, &self.buffer, begun, bytes)?);
        }
        context.wait(None)
    }

    /// The host takes a part while the next one is on its way.
    fn download(&mut self, context: &Context) -> GpuResult<()> {
        let parts: Vec<(u64, u64)> = self.parts().collect();
        let begin = |index: usize| {
            let &(begun, bytes) = &parts[index];
            context.begin_copy(&self.buffer, begun, &self.others[index % self.others.len()], 0, bytes)
        };
        let mut next = begin(0)?;
        for (index, &(begun, bytes)) in parts.iter().enumerate() {
            let arrived = next.clone();
            // With one buffer the next part has to wait for this one.
            let ahead = self.others.len() > 1 && index + 1 < parts.len();
            if ahead {
                next = begin(index + 1)?;
            }
            context.wait(Some(arrived))?;
            let into = &mut self.back[begun as usize..][..bytes as usize];
            context.mapped_after(&self.others[index % self.others.len()], bytes, |view| into.copy_from_slice(view))?;
            if !ahead && index + 1 < parts.len() {
                next = begin(index + 1)?;
            }
        }
        Ok(())
    }

    /// The device's own copies, one after another.
    fn copies(&self, context: &Context) -> GpuResult<()> {
        let (from, to) = match self.op {
            Op::UploadMapped => (&self.others[0], &self.buffer),
            _ => (&self.buffer, &self.others[0]),
        };
        let bytes = self.bytes();
        let encode = |encoder: &mut wgpu::CommandEncoder| {
            (0..COPIES).for_each(|_| encoder.copy_buffer_to_buffer(from, 0, to, 0, bytes));
        };
        context.submit(encode).map(drop)
    }
}

impl Routine for Transfer {
    fn programs(_: &Job) -> Result<Vec<Program>, Refusal> {
        Ok(Vec::new())
    }

    fn new(context: &mut Context, _: &mut SharedBuffers, job: &Job) -> GpuResult<Transfer> {
        let Variant::Transfer(transfer) = &job.variant else { return Err(foreign(job).into()) };
        let bytes = transfer.footprint_bytes;
        let part = transfer.window_bytes.unwrap_or(bytes);
        if bytes == 0 || !bytes.is_multiple_of(8) || part == 0 || !part.is_multiple_of(8) {
            return Err(skipped("the job names no whole number of words").into());
        }
        let mut random = Random::new(23);
        let data: Vec<u8> = (0..bytes / 8).flat_map(|_| random.bits().to_le_bytes()).collect();
        let buffer = context.filled(&data)?;
        let others = match job.op {
            Op::Copy => vec![context.buffer(bytes)?],
            Op::Upload | Op::Download => {
                let turns = if part < bytes { 2 } else { 1 };
                (0..turns)
                    .map(|_| context.staging(part.min(bytes), job.op == Op::Download))
                    .collect::<GpuResult<_>>()?
            }
            _ => vec![context.staging(bytes, job.op == Op::DownloadMapped)?],
        };
        if job.op == Op::UploadMapped {
            context.written(&others[0], &data)?;
        }
        // Touched once: a first touch is the system's time, not the bus's.
        let back = vec![1; data.len()];
        Ok(Transfer { op: job.op, data, back, buffer, others, part: part.min(bytes) })
    }

    fn work(&self) -> Work {
        let times = if matches!(self.op, Op::Upload | Op::Download) { 1 } else { COPIES };
        Work::of_kernel(self.op.cost(Shape::stream(self.bytes() * times)), Dtype::I8)
    }

    fn encode(&self, _: &mut wgpu::ComputePass, _: u64, _: u32) {}

    fn is_timed_by_host(&self) -> bool {
        true
    }

    fn execute(&mut self, context: &Context) -> GpuResult<()> {
        match self.op {
            Op::Upload => self.upload(context),
            Op::Download => self.download(context),
            _ => self.copies(context),
        }
    }

    fn prepare(&mut self, context: &Context) -> GpuResult<()> {
        match self.op {
            Op::Upload | Op::UploadMapped => context.clear(&self.buffer),
            Op::Copy => context.clear(&self.others[0]),
            _ => Ok(()),
        }
    }

    fn verify(&mut self, context: &Context, _: u64) -> GpuResult<bool> {
        let bytes = self.bytes();
        match self.op {
            Op::Upload | Op::UploadMapped => self.back = context.download(&self.buffer, bytes)?,
            Op::Copy => self.back = context.download(&self.others[0], bytes)?,
            Op::DownloadMapped => self.back = context.mapped(&self.others[0], bytes, <[u8]>::to_vec)?,
            _ => {}
        }
        Ok(self.back == self.data)
    }

    fn verifies_every_pass(&self) -> bool {
        false
    }
}
