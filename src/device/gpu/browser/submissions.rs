//! What an opened GPU does otherwise in a page: submissions and mappings end with a callback, never within a call.

use super::suspension::Signal;
use crate::device::gpu::context::{Context, GpuError, GpuResult, WATCHDOG};
use crate::device::gpu::shader::Program;
use web_time::Instant;

impl Context {
    /// Nothing to check: browsers hold every pipeline against the limits.
    pub(in crate::device::gpu) fn check_size(&self, _: &Program) -> GpuResult<()> {
        Ok(())
    }

    /// Submits what `encode` encodes, and waits for the end. Returns the seconds from one to the other.
    pub(in crate::device::gpu) fn submit(&self, encode: impl FnOnce(&mut wgpu::CommandEncoder)) -> GpuResult<f64> {
        // Each error scope is a message to another process and back: one for all, and none between the two times.
        self.scoped(|| {
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            encode(&mut encoder);
            let commands = encoder.finish();
            let begun = Instant::now();
            self.queue.submit([commands]);
            self.finished().map(|()| begun.elapsed().as_secs_f64())
        })?
    }

    /// Waits for the end of all submissions; gives up after the watchdog's time.
    pub(in crate::device::gpu) fn wait(&self, _: Option<wgpu::SubmissionIndex>) -> GpuResult<()> {
        self.finished()
    }

    fn finished(&self) -> GpuResult<()> {
        let done = Signal::default();
        let told = done.clone();
        self.queue.on_submitted_work_done(move || told.set());
        self.until(&done, "finish a submission")
    }

    /// Maps the first `bytes` of a staging buffer, and waits for that.
    pub(in crate::device::gpu) fn map(&self, staging: &wgpu::Buffer, bytes: u64, mode: wgpu::MapMode) -> GpuResult<()> {
        let done = Signal::default();
        let told = done.clone();
        self.scoped(|| {
            // A failure shows when the mapped range is asked for.
            staging.slice(0..bytes).map_async(mode, move |_| told.set());
            self.until(&done, "map a buffer")
        })?
    }

    fn until(&self, done: &Signal, what: &str) -> GpuResult<()> {
        if done.wait(WATCHDOG) {
            return self.check_lost();
        }
        let seconds = WATCHDOG.as_secs();
        Err(GpuError::Fatal(format!("the GPU did not {what} within {seconds} s")))
    }
}
