//! Operations: what each routine computes, and exactly what that costs.
//!
//! This is the one table that both wings of roofprobe read. A probe divides an operation's cost by the time measured and
//! gets a ceiling; the evaluator divides a model's cost by ceilings and gets a time. Costs are exact integers: one
//! multiply-accumulate is 2 FLOP, masked work is not counted, and a touched element is counted where the code names it
//! (STREAM's convention: no write-allocate traffic).

use crate::named::named_enum;

named_enum! {
    /// A routine, by name.
    pub enum Op: "routine" {
        /// Sum of an array: `s = Σ a[i]`.
        Read = "read",
        /// Fill: `c[i] = s`.
        Write = "write",
        /// `c[i] = a[i]`.
        Copy = "copy",
        /// `b[i] = s·c[i]`.
        Scale = "scale",
        /// `c[i] = a[i] + b[i]`.
        Add = "add",
        /// `a[i] = b[i] + s·c[i]`.
        Triad = "triad",
        /// Independent multiply-accumulate chains in registers.
        Chain = "chain",
        /// The same with independent additions beside them.
        ChainAdd = "chain_add",
        /// Dependent loads, each of the address of the next.
        Chase = "chase",
        /// One barrier of a spinning thread team.
        Barrier = "barrier",
        /// One fork-join of sleeping threads: all of them woken, all of them waited for.
        ForkJoin = "fork_join",
        /// One sleeping thread woken.
        Wakeup = "wakeup",
        /// One dispatch of a GPU behind another one that it depends on.
        Dispatch = "dispatch",
        /// One submission to a GPU, its end awaited.
        Submit = "submit",
        /// Bytes copied from the host to a device.
        Upload = "upload",
        /// Bytes copied from a device to the host.
        Download = "download",
        /// Bytes copied to a device out of memory that both see: the copy alone.
        UploadMapped = "upload_mapped",
        /// Bytes copied from a device into memory that both see: the copy alone.
        DownloadMapped = "download_mapped",
        /// Words added to, each atomically: `a[i] += s`.
        Atomic = "atomic",
        /// `C[m×n] = A[m×k] · B[n×k]ᵀ`, B being the weights.
        Matmul = "matmul",
        /// Softmax(Q·Kᵀ)·V over a key/value cache, masked pairs not computed.
        Attention = "attention",
        /// Rows looked up in a table (token embedding).
        Gather = "gather",
        /// Rows appended to a key/value cache.
        Append = "append",
        /// Rows of a key/value cache read by themselves (latents that are expanded before attention).
        Fetch = "fetch",
        /// Whatever a recurrent layer keeps of a sequence, read and written back.
        State = "state",
        /// Root-mean-square normalisation with a weight row.
        RmsNorm = "rms_norm",
        /// Normalisation by mean and variance, with a weight row and as a rule a bias row.
        LayerNorm = "layer_norm",
        /// Root-mean-square normalisation of a row multiplied by the SiLU of a gate row.
        GatedNorm = "gated_norm",
        /// Rotary position embedding, fused with its neighbour.
        Rope = "rope",
        /// Bias row added, fused with its neighbour.
        Bias = "bias",
        /// `silu(gate) · up`, element by element.
        SwiGlu = "swiglu",
        /// `gelu(gate) · up`, element by element.
        GeGlu = "geglu",
        /// `relu(gate) · up`, element by element.
        ReGlu = "reglu",
        /// `silu(a[i])`.
        Silu = "silu",
        /// `gelu(a[i])`.
        Gelu = "gelu",
        /// `max(a[i], 0)`.
        Relu = "relu",
        /// `max(a[i], 0)²`.
        ReluSquared = "relu_squared",
        /// `a[i] · b[i]`: a gate without a function.
        Gate = "gate",
        /// `cap · tanh(a[i] / cap)`, fused with its neighbour.
        SoftCap = "soft_cap",
        /// Softmax over the experts' scores and choice of the best.
        Route = "route",
        /// Causal convolution along the sequence, each channel by itself.
        Conv = "conv",
        /// The recurrence of a state-space layer, or of linear attention: decay, outer product, read-out.
        Scan = "scan",
        /// The same with a step size for each channel, by which decay and input are made (Mamba).
        SelectiveScan = "selective_scan",
        /// The same with what the state holds for the key taken away before the product is added (gated delta rule).
        DeltaRule = "delta_rule",
        /// `a[i] += b[i]`, the residual stream.
        Residual = "residual",
    }
}

/// The extent of an operation. Fields that an operation does not use are 1 (`pairs`, `shared`: 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Rows of the activations: tokens of a matmul, query rows of attention; additions beside a chain.
    pub m: u64,
    /// Output features of a matmul; cached rows that attention reads; elements of a stream.
    pub n: u64,
    /// Inner extent: input features of a matmul; elements of one cached row (key and value); steps of a chain; rows of
    /// the table that a gather reads.
    pub k: u64,
    /// Attention only: visible (query, key) pairs, summed over query rows.
    pub pairs: u64,
    /// Attention only: elements of a cached row that serve as key and as value (the latent of multi-head latent
    /// attention), so that they are multiplied twice and read once.
    pub shared: u64,
}

impl Shape {
    /// A stream over arrays of `elements` elements, or a chase of as many steps.
    pub const fn stream(elements: u64) -> Shape {
        Shape { m: 1, n: elements, k: 1, pairs: 0, shared: 0 }
    }

    /// `width` independent multiply-accumulates, and `additions` beside them, `steps` times.
    pub const fn chain(width: u64, additions: u64, steps: u64) -> Shape {
        Shape { m: additions, n: width, k: steps, pairs: 0, shared: 0 }
    }

    /// `m` tokens times an `n × k` weight matrix.
    pub const fn matmul(m: u64, n: u64, k: u64) -> Shape {
        Shape { m, n, k, pairs: 0, shared: 0 }
    }

    /// `queries` query rows over `cached_rows` distinct cached rows of `row` elements (key and value together), with
    /// `pairs` visible (query row, key) pairs.
    pub const fn attention(queries: u64, cached_rows: u64, row: u64, pairs: u64) -> Shape {
        Shape { m: queries, n: cached_rows, k: row, pairs, shared: 0 }
    }

    /// The same over latents: of a row's elements the first `shared` are the value, too.
    pub const fn latent_attention(queries: u64, cached_rows: u64, row: u64, shared: u64, pairs: u64) -> Shape {
        Shape { m: queries, n: cached_rows, k: row, pairs, shared }
    }

    /// `rows` rows of `row` elements normalised with `weights` rows of weights: 1, or 2 with a bias.
    pub const fn norm(rows: u64, row: u64, weights: u64) -> Shape {
        Shape { m: rows, n: row, k: weights, pairs: 0, shared: 0 }
    }

    /// `tokens` tokens of `channels` channels: a convolution of `k` taps, or a scan with `k` states per channel.
    pub const fn along(tokens: u64, channels: u64, k: u64) -> Shape {
        Shape { m: tokens, n: channels, k, pairs: 0, shared: 0 }
    }

    /// `rows` rows of `row` elements looked up in a table of `table` rows.
    pub const fn gather(rows: u64, row: u64, table: u64) -> Shape {
        Shape { m: rows, n: row, k: table, pairs: 0, shared: 0 }
    }

    /// `rows` rows of `row` elements, each treated alike.
    pub const fn rows(rows: u64, row: u64) -> Shape {
        Shape { m: rows, n: row, k: 1, pairs: 0, shared: 0 }
    }
}

/// What an operation costs: arithmetic, and elements touched per operand. All counts are exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Matmul FLOPs: 2 per multiply-accumulate.
    pub flops: u128,
    /// Elementwise FLOPs, kept apart: they never run on the multiply-accumulate roof.
    pub vector_flops: u128,
    /// Weight elements read.
    pub weights_read: u128,
    /// Key/value cache elements read.
    pub cache_read: u128,
    /// Key/value cache elements written.
    pub cache_written: u128,
    /// Elements read of what recurrent layers keep of a sequence.
    pub state_read: u128,
    /// Elements written of it.
    pub state_written: u128,
    /// Activation or stream elements read.
    pub input_read: u128,
    /// Activation or stream elements written.
    pub output_written: u128,
}

impl Op {
    /// The cost of the operation at `shape`. Products are taken in 128 bits, which no four 32-bit extents overflow.
    ///
    /// Elementwise counts per element follow the usual operation counts of decoder models: RMSNorm 4, LayerNorm 7, gated
    /// norm 6, RoPE 3, softmax 5 (per visible pair; per expert), gated SiLU or GELU 5, gated ReLU 2, GELU 8, SiLU 4,
    /// squared ReLU 2, soft cap 2, and 1 for ReLU, gate, residual and bias. A scan is 6 per state (decay 1, outer product
    /// and addition 3, read-out 2) and counted as matmul FLOPs, as the recurrence is what the layer is about; a selective scan
    /// is 9 (what its authors count: step size times decay and its exponential, and step size times input, on top), a delta
    /// rule 8 (reading what the key finds, 2 on top).
    #[inline(always)]
    pub fn cost(self, shape: Shape) -> Cost {
        let (m, n, k) = (u128::from(shape.m), u128::from(shape.n), u128::from(shape.k));
        let pairs = u128::from(shape.pairs);
        let zero = Cost::default();
        match self {
            Op::Read => Cost { input_read: n, ..zero },
            Op::Write => Cost { output_written: n, ..zero },
            Op::Copy | Op::Atomic => Cost { input_read: n, output_written: n, ..zero },
            Op::Scale => Cost { vector_flops: n, input_read: n, output_written: n, ..zero },
            Op::Add => Cost { vector_flops: n, input_read: 2 * n, output_written: n, ..zero },
            Op::Triad => Cost { vector_flops: 2 * n, input_read: 2 * n, output_written: n, ..zero },
            Op::Chain => Cost { flops: 2 * n * k, ..zero },
            // Its additions are what it is about, and count with the rest.
            Op::ChainAdd => Cost { flops: (2 * n + m) * k, ..zero },
            // A step names one word, but moves a line: eight words, which no other step of the cycle shares.
            Op::Chase => Cost { input_read: 8 * n, ..zero },
            Op::Barrier | Op::ForkJoin | Op::Wakeup | Op::Dispatch | Op::Submit => zero,
            // What crosses the bus is counted once.
            Op::Upload | Op::Download | Op::UploadMapped | Op::DownloadMapped => Cost { input_read: n, ..zero },
            Op::Matmul => {
                Cost { flops: 2 * m * n * k, weights_read: n * k, input_read: m * k, output_written: m * n, ..zero }
            }
            // Queries enter with one row of keys' width and leave with one row of values' width: k together, unless the
            // value is a part of the key.
            Op::Attention => {
                let shared = u128::from(shape.shared);
                let (entering, leaving) = if shared > 0 { (k, shared) } else { (k / 2, k - k / 2) };
                Cost {
                    flops: 2 * pairs * (k + shared),
                    vector_flops: 5 * pairs,
                    cache_read: n * k,
                    input_read: m * entering,
                    output_written: m * leaving,
                    ..zero
                }
            }
            // More look-ups than the table has rows cannot touch more than the table.
            Op::Gather => Cost { weights_read: m.min(k) * n, output_written: m * n, ..zero },
            Op::Append => Cost { cache_written: m * n, input_read: m * n, ..zero },
            Op::Fetch => Cost { cache_read: m * n, output_written: m * n, ..zero },
            Op::State => Cost { state_read: m * n, state_written: m * n, ..zero },
            Op::RmsNorm => Cost { vector_flops: 4 * m * n, weights_read: n * k, ..through(m * n) },
            Op::LayerNorm => Cost { vector_flops: 7 * m * n, weights_read: n * k, ..through(m * n) },
            Op::GatedNorm => Cost { vector_flops: 6 * m * n, weights_read: n * k, ..joined(m * n) },
            Op::Rope => Cost { vector_flops: 3 * m * n, ..zero },
            Op::Bias => Cost { vector_flops: m * n, weights_read: n, ..zero },
            Op::SwiGlu | Op::GeGlu => Cost { vector_flops: 5 * m * n, ..joined(m * n) },
            Op::ReGlu => Cost { vector_flops: 2 * m * n, ..joined(m * n) },
            Op::Silu => Cost { vector_flops: 4 * m * n, ..through(m * n) },
            Op::Gelu => Cost { vector_flops: 8 * m * n, ..through(m * n) },
            Op::Relu => Cost { vector_flops: m * n, ..through(m * n) },
            Op::ReluSquared => Cost { vector_flops: 2 * m * n, ..through(m * n) },
            Op::Gate | Op::Residual => Cost { vector_flops: m * n, ..joined(m * n) },
            Op::SoftCap => Cost { vector_flops: 2 * m * n, ..zero },
            Op::Route => Cost { vector_flops: 5 * m * n, ..zero },
            Op::Conv => Cost { vector_flops: 2 * m * n * k, weights_read: n * k, ..through(m * n) },
            Op::Scan | Op::SelectiveScan | Op::DeltaRule => self.recurrence(m * n, k),
        }
    }

    fn recurrence(self, elements: u128, states: u128) -> Cost {
        let each = match self {
            Op::SelectiveScan => 9,
            Op::DeltaRule => 8,
            _ => 6,
        };
        Cost { flops: each * elements * states, ..through(elements) }
    }
}

/// One array in, one out.
fn through(elements: u128) -> Cost {
    Cost { input_read: elements, output_written: elements, ..Cost::default() }
}

/// Two arrays in, one out.
fn joined(elements: u128) -> Cost {
    Cost { input_read: 2 * elements, output_written: elements, ..Cost::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_count_the_words_the_code_names() {
        let words = |op: Op| {
            let cost = op.cost(Shape::stream(10));
            cost.input_read + cost.output_written
        };
        let counted = [Op::Read, Op::Write, Op::Copy, Op::Scale, Op::Add, Op::Triad].map(words);
        assert_eq!(counted, [10, 10, 20, 20, 30, 30]);
    }

    #[test]
    fn a_multiply_accumulate_is_two_flops() {
        assert_eq!(Op::Matmul.cost(Shape::matmul(3, 5, 7)).flops, 2 * 3 * 5 * 7);
        assert_eq!(Op::Chain.cost(Shape::chain(16, 0, 100)).flops, 3200);
        assert_eq!(Op::ChainAdd.cost(Shape::chain(16, 14, 100)).flops, 4600);
        assert_eq!(Op::Attention.cost(Shape::attention(4, 6, 16, 11)).flops, 2 * 11 * 16);
    }

    #[test]
    fn a_latent_is_read_once_and_multiplied_twice() {
        let latent = Op::Attention.cost(Shape::latent_attention(4, 6, 16, 12, 11));
        assert_eq!((latent.flops, latent.cache_read), (2 * 11 * (16 + 12), 6 * 16));
        assert_eq!((latent.input_read, latent.output_written), (4 * 16, 4 * 12));
    }

    #[test]
    fn recurrent_layers_cost_the_same_at_any_context() {
        let [conv, scan, state] = [
            Op::Conv.cost(Shape::along(3, 10, 4)),
            Op::Scan.cost(Shape::along(3, 10, 4)),
            Op::State.cost(Shape::rows(2, 40)),
        ];
        assert_eq!((conv.flops, conv.vector_flops, conv.weights_read), (0, 2 * 3 * 10 * 4, 40));
        assert_eq!((scan.flops, scan.weights_read), (6 * 3 * 10 * 4, 0));
        assert_eq!((state.state_read, state.state_written, state.cache_read), (80, 80, 0));
    }

    #[test]
    fn a_gather_touches_no_more_than_its_table() {
        let [few, many] = [3, 9].map(|rows| Op::Gather.cost(Shape::gather(rows, 10, 5)));
        assert_eq!((few.weights_read, few.output_written), (30, 30));
        assert_eq!((many.weights_read, many.output_written), (50, 90));
    }
}
