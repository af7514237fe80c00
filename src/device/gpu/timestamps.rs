//! Timestamps around a compute pass.

use super::scopes::scoped;

/// Two timestamps of 8 bytes.
pub(super) const BYTES: u64 = 16;

/// How long one submission took, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ClockReadings {
    /// From submission to the notice of its end, s, by the host's clock.
    pub(super) wall: f64,
    /// Between the timestamps around the pass, s; `None` without timestamps, or where they are not monotone.
    pub(super) timestamps: Option<f64>,
}

/// The queries and buffers that timestamps need.
pub(super) struct Timestamps {
    set: wgpu::QuerySet,
    resolve: wgpu::Buffer,
    /// Where the host can read them.
    pub(super) read: wgpu::Buffer,
    /// Seconds of one tick.
    pub(super) period_s: f64,
}

impl Timestamps {
    /// What timestamps need; `None` where the driver cannot make it. Then the wall clock has to do.
    pub(super) fn new(device: &wgpu::Device, queue: &wgpu::Queue) -> Option<Timestamps> {
        use wgpu::BufferUsages as Usage;
        let buffer = |usage| {
            let descriptor = wgpu::BufferDescriptor { label: None, size: BYTES, usage, mapped_at_creation: false };
            device.create_buffer(&descriptor)
        };
        let descriptor = wgpu::QuerySetDescriptor { label: None, ty: wgpu::QueryType::Timestamp, count: 2 };
        let make = || Timestamps {
            set: device.create_query_set(&descriptor),
            resolve: buffer(Usage::QUERY_RESOLVE | Usage::COPY_SRC),
            read: buffer(Usage::MAP_READ | Usage::COPY_DST),
            period_s: f64::from(queue.get_timestamp_period()) * 1e-9,
        };
        let (timestamps, error) = scoped(device, make);
        error.is_none().then_some(timestamps)
    }

    /// How a pass writes them.
    pub(super) fn writes(&self) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.set,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        }
    }

    /// Encodes that they are copied to where the host can read them.
    pub(super) fn resolve(&self, encoder: &mut wgpu::CommandEncoder) {
        encoder.resolve_query_set(&self.set, 0..2, &self.resolve, 0);
        encoder.copy_buffer_to_buffer(&self.resolve, 0, &self.read, 0, BYTES);
    }

    /// The seconds between the timestamps that `view` holds; `None` where they did not advance.
    pub(super) fn seconds(&self, view: &[u8]) -> Option<f64> {
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| view[at + i]));
        let ticks = word(8).checked_sub(word(0)).filter(|&ticks| ticks > 0)?;
        Some(ticks as f64 * self.period_s)
    }
}
