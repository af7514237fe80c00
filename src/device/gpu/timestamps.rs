//! Timestamps around a compute pass.

use super::scopes::scoped;

/// Two timestamps of 8 bytes: those of one pass.
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
    /// What the timestamps of so many passes need; `None` where the driver cannot make it. Then the wall clock has to do.
    pub(super) fn new(device: &wgpu::Device, queue: &wgpu::Queue, passes: u32) -> Option<Timestamps> {
        use wgpu::BufferUsages as Usage;
        let buffer = |usage| {
            let size = u64::from(passes) * BYTES;
            let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
            device.create_buffer(&descriptor)
        };
        let descriptor = wgpu::QuerySetDescriptor { label: None, ty: wgpu::QueryType::Timestamp, count: 2 * passes };
        let make = || Timestamps {
            set: device.create_query_set(&descriptor),
            resolve: buffer(Usage::QUERY_RESOLVE | Usage::COPY_SRC),
            read: buffer(Usage::MAP_READ | Usage::COPY_DST),
            period_s: f64::from(queue.get_timestamp_period()) * 1e-9,
        };
        let (timestamps, error) = scoped(device, make);
        error.is_none().then_some(timestamps)
    }

    /// How the pass of that number writes its two.
    pub(super) fn writes(&self, pass: u32) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.set,
            beginning_of_pass_write_index: Some(2 * pass),
            end_of_pass_write_index: Some(2 * pass + 1),
        }
    }

    /// Encodes that those of the first `passes` are copied to where the host can read them.
    pub(super) fn resolve(&self, encoder: &mut wgpu::CommandEncoder, passes: u32) {
        encoder.resolve_query_set(&self.set, 0..2 * passes, &self.resolve, 0);
        encoder.copy_buffer_to_buffer(&self.resolve, 0, &self.read, 0, u64::from(passes) * BYTES);
    }

    /// The seconds of each pass that `view` holds, from the end of the one before it; `None` where they did not advance.
    pub(super) fn each(&self, view: &[u8]) -> Option<Vec<f64>> {
        let ticks: Vec<u64> = view.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let mut before = *ticks.first()?;
        let mut seconds = Vec::with_capacity(ticks.len() / 2);
        for pair in ticks.chunks_exact(2) {
            seconds.push(pair[1].checked_sub(before)? as f64 * self.period_s);
            before = pair[1];
        }
        (seconds.iter().sum::<f64>() > 0.0).then_some(seconds)
    }

    /// The seconds between the timestamps that `view` holds; `None` where they did not advance.
    pub(super) fn seconds(&self, view: &[u8]) -> Option<f64> {
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| view[at + i]));
        let ticks = word(8).checked_sub(word(0)).filter(|&ticks| ticks > 0)?;
        Some(ticks as f64 * self.period_s)
    }
}
