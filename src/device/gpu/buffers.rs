//! Buffers of an opened GPU: made within its limits, filled, copied, read.

use super::context::{Context, GpuError, GpuResult, out_of_memory};
use crate::device::Refusal;

/// Bytes that are copied to or from the host at once.
const STAGING_BYTES: u64 = 16 << 20;

impl Context {
    /// A storage buffer, zeroed.
    pub(super) fn buffer(&self, bytes: u64) -> GpuResult<wgpu::Buffer> {
        use wgpu::BufferUsages as Usage;
        self.make(bytes, Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST)
    }

    /// A storage buffer that holds `data`, filled up to whole words.
    pub(super) fn filled(&self, data: &[u8]) -> GpuResult<wgpu::Buffer> {
        let buffer = self.buffer((data.len() as u64).next_multiple_of(4).max(4))?;
        self.upload(&buffer, data)?;
        Ok(buffer)
    }

    /// A buffer that the host can map; see [`Context::buffer`] for the others.
    pub(super) fn staging(&self, bytes: u64, to_host: bool) -> GpuResult<wgpu::Buffer> {
        use wgpu::BufferUsages as Usage;
        let usage = if to_host { Usage::MAP_READ | Usage::COPY_DST } else { Usage::MAP_WRITE | Usage::COPY_SRC };
        self.make(bytes, usage)
    }

    fn make(&self, bytes: u64, usage: wgpu::BufferUsages) -> GpuResult<wgpu::Buffer> {
        if bytes > self.limits.max_buffer_size {
            let most = self.limits.max_buffer_size >> 20;
            let reason = format!("a buffer of {} MiB is needed, and the adapter's limit is {most} MiB", bytes >> 20);
            return Err(Refusal::Skipped(reason).into());
        }
        if self.hooks.memory_bytes.is_some_and(|most| bytes > most) {
            return Err(out_of_memory(&format_args!("{} MiB", bytes >> 20)));
        }
        self.scoped(|| {
            self.device.create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size: bytes,
                usage,
                mapped_at_creation: false,
            })
        })
    }

    /// Writes `data` to the beginning of `buffer`, zeros up to the next whole word.
    pub(super) fn upload(&self, buffer: &wgpu::Buffer, data: &[u8]) -> GpuResult<()> {
        let whole = data.len() / 4 * 4;
        let mut rest = [0; 4];
        rest[..data.len() - whole].copy_from_slice(&data[whole..]);
        // The queue keeps a copy of all that is not yet submitted: large arrays go in parts.
        let step = STAGING_BYTES as usize;
        for (index, part) in data[..whole].chunks(step).enumerate() {
            self.scoped(|| self.queue.write_buffer(buffer, (index * step) as u64, part))?;
            self.wait(Some(self.queue.submit([])))?;
        }
        if whole < data.len() {
            self.scoped(|| self.queue.write_buffer(buffer, whole as u64, &rest))?;
        }
        self.wait(Some(self.queue.submit([])))
    }

    /// Writes `data` into a staging buffer that no submission uses.
    pub(super) fn written(&self, staging: &wgpu::Buffer, data: &[u8]) -> GpuResult<()> {
        let whole = 0..data.len() as u64;
        self.map(staging, whole.end, wgpu::MapMode::Write)?;
        let written = staging.slice(whole).get_mapped_range_mut().map(|mut view| view.copy_from_slice(data));
        staging.unmap();
        written.map_err(|e| GpuError::Fatal(format!("a buffer could not be mapped: {e}")))
    }

    /// Maps the first `bytes` of a staging buffer that no submission uses.
    #[cfg(not(target_arch = "wasm32"))]
    fn map(&self, staging: &wgpu::Buffer, bytes: u64, mode: wgpu::MapMode) -> GpuResult<()> {
        self.scoped(|| staging.slice(0..bytes).map_async(mode, |_| {}))?;
        self.settle()
    }

    /// Begins to copy `bytes` of one buffer, from `begun` on, to a place in another. What is submitted is waited for elsewhere.
    pub(super) fn begin_copy(
        &self,
        source: &wgpu::Buffer,
        begun: u64,
        target: &wgpu::Buffer,
        place: u64,
        bytes: u64,
    ) -> GpuResult<wgpu::SubmissionIndex> {
        let commands = self.scoped(|| {
            let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            encoder.copy_buffer_to_buffer(source, begun, target, place, bytes);
            encoder.finish()
        })?;
        self.scoped(|| self.queue.submit([commands]))
    }

    /// Sets all of `buffer` to zeros.
    pub(super) fn clear(&self, buffer: &wgpu::Buffer) -> GpuResult<()> {
        self.submit(|encoder| encoder.clear_buffer(buffer, 0, None)).map(drop)
    }

    /// Passes `bytes` of `buffer`, from `offset` on, to `look`, part by part, each with its offset from the first.
    pub(super) fn look(
        &self,
        buffer: &wgpu::Buffer,
        offset: u64,
        bytes: u64,
        mut look: impl FnMut(u64, &[u8]),
    ) -> GpuResult<()> {
        let staging = self.staging(bytes.clamp(4, STAGING_BYTES).next_multiple_of(4), true)?;
        let mut done = 0;
        while done < bytes {
            let part = (bytes - done).min(STAGING_BYTES);
            let copied = part.next_multiple_of(4);
            self.submit(|encoder| encoder.copy_buffer_to_buffer(buffer, offset + done, &staging, 0, copied))?;
            self.mapped(&staging, copied, |view| look(done, &view[..part as usize]))?;
            done += part;
        }
        Ok(())
    }

    /// The first `bytes` of `buffer`.
    pub(super) fn download(&self, buffer: &wgpu::Buffer, bytes: u64) -> GpuResult<Vec<u8>> {
        let mut all = Vec::with_capacity(bytes as usize);
        self.look(buffer, 0, bytes, |_, part| all.extend_from_slice(part))?;
        Ok(all)
    }

    /// The first `count` words of `buffer`.
    pub(super) fn words(&self, buffer: &wgpu::Buffer, count: u64) -> GpuResult<Vec<u32>> {
        Ok(bytemuck::pod_collect_to_vec(&self.download(buffer, count * 4)?))
    }

    /// Maps a staging buffer once all submissions are done, and passes its first `bytes` to `look`.
    pub(super) fn mapped<T>(&self, staging: &wgpu::Buffer, bytes: u64, look: impl FnOnce(&[u8]) -> T) -> GpuResult<T> {
        self.wait(None)?;
        self.mapped_after(staging, bytes, look)
    }

    /// The same of a buffer that no submission uses any more, whatever else is on its way.
    pub(super) fn mapped_after<T>(
        &self,
        staging: &wgpu::Buffer,
        bytes: u64,
        look: impl FnOnce(&[u8]) -> T,
    ) -> GpuResult<T> {
        self.map(staging, bytes, wgpu::MapMode::Read)?;
        let seen = staging.slice(0..bytes).get_mapped_range().map(|view| look(&view));
        staging.unmap();
        seen.map_err(|e| GpuError::Fatal(format!("a buffer could not be mapped: {e}")))
    }
}
