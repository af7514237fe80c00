//! How an attention kernel goes about its work.

use super::head::KEY_BLOCK;

/// How an attention kernel goes about its work: what a probe tries, one way beside another.
///
/// A hardware prefetcher follows a stream that goes on, and has to find each new one. So for one query row, which is over
/// with a line of the cache sooner than memory delivers the next, it matters in which order keys and values are read:
///
/// | streams | what is read side by side |
/// |---:|---|
/// | 1 | the keys of a span from end to end, then its values |
/// | 2 | the keys of a block beside the values of the block before it, from one end of the cache to the other |
/// | 4 | four blocks of keys, then the four quarters of the span's values |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ways {
    /// Streams of memory that one thread reads side by side. Several are for a single query row.
    pub streams: usize,
    /// Cached tokens between two updates of the softmax: many make the updates cheap, few stay in a near cache. Two streams
    /// have one of [`KEY_BLOCK`].
    pub span: usize,
    /// How far ahead lines are asked for, counted along the keys or along the values; 0: the hardware alone prefetches.
    /// Where several rows make the kernel go over a span in strips, a distance of less than the span's keys comes too late
    /// for some of them.
    pub prefetch_bytes: usize,
}

/// The longest span.
pub const SPAN_MAX: usize = 8 * KEY_BLOCK;

impl Ways {
    /// One stream without software prefetch.
    pub const PLAIN: Ways = Ways { streams: 1, span: 2 * KEY_BLOCK, prefetch_bytes: 0 };

    /// Whether there can be such a kernel, on whatever instruction set.
    pub(super) fn possible(self) -> bool {
        let span = match self.streams {
            2 => self.span == KEY_BLOCK,
            streams => self.span.is_multiple_of(streams.max(1) * KEY_BLOCK),
        };
        span && (1..=SPAN_MAX).contains(&self.span)
    }

    /// Tokens that one call of a tile's function is given at most.
    pub(super) fn turn(self) -> usize {
        if self.streams == 2 { usize::MAX } else { self.span }
    }
}
