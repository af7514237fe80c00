//! Caches of keys and values in a GPU's memory.

use super::spec::Spec;
use super::stored::Stored;
use crate::device::Refusal;
use crate::device::gpu::context::{Context, GpuResult};
use crate::device::gpu::routines::routine::skipped;
use crate::job::Job;
use roofprobe_kernels::reference::matmul;

/// Bytes of one buffer of caches at most.
const CHUNK_BYTES_MAX: u64 = 256 << 20;
/// Where copies lie in it: a multiple of what bindings are aligned to.
const PLACE_BYTES: u64 = 256;
/// Behind a copy: shaders read whole words from any half of a word on.
const BEHIND_BYTES: u64 = 8;

/// What keys, or values, are made up of: again and again.
struct Stretch {
    bytes: Vec<u8>,
    /// What they stand for.
    values: Vec<f64>,
}

impl Stretch {
    /// Of random values within [-1, 1).
    fn new(stored: Stored, seed: u64) -> Stretch {
        let bytes = matmul::weights(stored.dtype(), stored.stretch(), stored.block().0, seed);
        let values = matmul::widened(stored.dtype(), &bytes);
        Stretch { bytes, values }
    }
}

/// Keys and values of one cache after another: any stretch of them is a cache.
pub(super) struct CacheBuffers {
    stored: Stored,
    /// Keys and values side by side.
    pub(super) chunks: Vec<[wgpu::Buffer; 2]>,
    chunk_bytes: u64,
    stretches: [Stretch; 2],
}

/// Bytes of the keys of one copy, or of its values, up to the next one's place: whole blocks, too.
pub(super) fn layer_bytes(spec: &Spec) -> u64 {
    let (elements, bytes) = spec.stored.block();
    let blocks = spec.kv_heads * spec.head.context as u64 * (spec.head.head_dim / elements) as u64;
    let place = PLACE_BYTES * if spec.stored == Stored::Q8_0 { bytes as u64 / 2 } else { 1 };
    (blocks * bytes as u64 + BEHIND_BYTES).next_multiple_of(place)
}

impl CacheBuffers {
    pub(super) fn new(context: &Context, spec: &Spec) -> GpuResult<CacheBuffers> {
        let (layer, copies, stored) = (layer_bytes(spec), spec.copies, spec.stored);
        fits(context, spec)?;
        let each = (context.binding_bytes().min(CHUNK_BYTES_MAX) / layer).clamp(1, copies);
        let chunk_bytes = each * layer;
        let stretches = [19, 31].map(|seed| Stretch::new(stored, seed));
        let filled = |which: usize, chunk: u64| {
            let from = first_block(stored, chunk) * stored.block().1;
            let turned = [&stretches[which].bytes[from..], &stretches[which].bytes[..from]].concat();
            let mut bytes = vec![0; chunk_bytes as usize];
            for part in bytes.chunks_mut(turned.len()) {
                part.copy_from_slice(&turned[..part.len()]);
            }
            context.filled(&bytes)
        };
        let chunks: GpuResult<Vec<_>> =
            (0..copies.div_ceil(each)).map(|chunk| Ok([filled(0, chunk)?, filled(1, chunk)?])).collect();
        Ok(CacheBuffers { stored, chunks: chunks?, chunk_bytes, stretches })
    }

    /// Whether there is enough for `job`.
    pub(super) fn suffice(&self, job: &Job) -> bool {
        let enough = |spec: Spec| {
            let copies = self.chunk_bytes / layer_bytes(&spec) * self.chunks.len() as u64;
            spec.stored == self.stored && copies >= spec.copies
        };
        Spec::of(job).is_ok_and(enough)
    }

    /// The chunk and the first byte of a copy.
    pub(super) fn place(&self, spec: &Spec, copy: u64) -> (u64, u64) {
        let layer = layer_bytes(spec);
        let each = self.chunk_bytes / layer;
        (copy / each, copy % each * layer)
    }

    /// The keys of a copy's key/value head, and its values: `[token, element]`.
    pub(super) fn rows<'a>(&'a self, spec: &Spec, copy: u64, kv: u64) -> [impl Fn(usize, usize) -> f64 + 'a; 2] {
        let (chunk, offset) = self.place(spec, copy);
        let (elements, bytes) = self.stored.block();
        let (dim, context) = (spec.head.head_dim, spec.head.context);
        let begun = (first_block(self.stored, chunk) + offset as usize / bytes) * elements;
        let origin = begun + kv as usize * context * dim;
        let of = |which: usize| {
            let values = &self.stretches[which].values;
            move |token: usize, i: usize| values[(origin + token * dim + i) % values.len()]
        };
        [of(0), of(1)]
    }
}

/// Where in its stretch a chunk begins.
fn first_block(stored: Stored, chunk: u64) -> usize {
    (chunk * 4799 % stored.stretch() as u64) as usize
}

/// # Errors
/// When one copy does not fit a binding.
fn fits(context: &Context, spec: &Spec) -> Result<(), Refusal> {
    let (layer, most) = (layer_bytes(spec), context.binding_bytes());
    if layer <= most {
        return Ok(());
    }
    Err(skipped(&format!("{} MiB of keys exceed the adapter's limit of {} MiB", layer >> 20, most >> 20)))
}
