//! Mixers that keep a state of fixed size, each as the list of what it does to a token.
//!
//! The lists are those of the layers' own papers and of the code in Hugging Face transformers; names are those of GGUF tensors.

use super::limits;
use roofprobe_kernels::Op;

/// A mixer with a state instead of a cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recurrent {
    /// Heads of its state; 0 where there are none.
    pub heads: u64,
    /// Channels of one head.
    pub head_dim: u64,
    /// What it does, in order.
    pub parts: Vec<Part>,
}

/// One thing that a recurrent mixer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Every token through a matrix, and its bias where that has a name.
    Linear {
        /// The matrix.
        name: &'static str,
        /// Its bias.
        bias: Option<&'static str>,
        /// Its rows.
        out: u64,
        /// Elements of a row.
        inner: u64,
    },
    /// So many elements of each sequence are read and written back.
    State(u64),
    /// A causal convolution, each channel by itself.
    Conv {
        /// Its weights.
        name: &'static str,
        /// Its bias.
        bias: Option<&'static str>,
        /// Channels.
        channels: u64,
        /// Taps.
        taps: u64,
    },
    /// A learned row that every token meets.
    Vector {
        /// The row.
        name: &'static str,
        /// Its elements.
        row: u64,
    },
    /// `rows` rows of each token normalised by their root mean square, with one row of weights.
    Norm {
        /// The weights.
        name: &'static str,
        /// Rows of a token.
        rows: u64,
        /// Elements of a row.
        row: u64,
        /// Whether the SiLU of a gate multiplies it.
        gated: bool,
    },
    /// Work on single elements.
    Elementwise {
        /// What it is called.
        name: &'static str,
        /// What is done.
        op: Op,
        /// Elements of a token.
        row: u64,
    },
    /// The recurrence.
    Scan {
        /// Of which kind.
        op: Op,
        /// Channels.
        channels: u64,
        /// States of a channel.
        states: u64,
    },
}

impl Recurrent {
    /// Elements that it keeps of a sequence, however long.
    pub fn kept(&self) -> u64 {
        self.parts.iter().map(|part| if let Part::State(elements) = part { *elements } else { 0 }).sum()
    }

    /// Whether its extents are those of no model.
    pub(super) fn is_excessive(&self) -> bool {
        // Products of two sizes of heads; a state has three.
        const EXTENT: u64 = 4 * limits::HEADS * limits::HEAD_DIM;
        let lawful = |part: &Part| match *part {
            Part::Linear { out, inner, .. } => [out, inner].iter().all(|extent| (1..=EXTENT).contains(extent)),
            Part::State(elements) => elements <= EXTENT * limits::HEAD_DIM,
            Part::Conv { channels: row, taps: rows, .. } | Part::Norm { row, rows, .. } => {
                (1..=EXTENT).contains(&row) && (1..=limits::HEAD_DIM).contains(&rows)
            }
            Part::Vector { row, .. } | Part::Elementwise { row, .. } => (1..=EXTENT).contains(&row),
            Part::Scan { channels, states, .. } => {
                (1..=EXTENT).contains(&channels) && (1..=limits::HEAD_DIM).contains(&states)
            }
        };
        !self.parts.iter().all(lawful)
    }
}

/// A matrix without a bias.
fn linear(name: &'static str, out: u64, inner: u64) -> Part {
    Part::Linear { name, bias: None, out, inner }
}

/// The mixer of LFM2: `out(gate · conv(gate · in(x)))`.
pub(super) fn short_convolution(hidden: u64, taps: u64, bias: bool) -> Recurrent {
    let gate = Part::Elementwise { name: "conv_gate", op: Op::Gate, row: hidden };
    let named = |name| bias.then_some(name);
    let parts = vec![
        Part::Linear {
            name: "shortconv.in_proj",
            bias: named("shortconv.in_proj.bias"),
            out: 3 * hidden,
            inner: hidden,
        },
        gate,
        Part::State(hidden * taps),
        Part::Conv { name: "shortconv.conv", bias: named("shortconv.conv.bias"), channels: hidden, taps },
        gate,
        Part::Linear { name: "shortconv.out_proj", bias: named("shortconv.out_proj.bias"), out: hidden, inner: hidden },
    ];
    Recurrent { heads: 0, head_dim: 0, parts }
}

/// Mamba-2 (Dao and Gu 2024).
#[derive(Clone, Copy, Debug)]
pub(super) struct Mamba2 {
    pub(super) heads: u64,
    pub(super) head_dim: u64,
    pub(super) states: u64,
    /// Groups of heads that share input and output matrices.
    pub(super) groups: u64,
    pub(super) taps: u64,
    /// Whether the projections add a bias.
    pub(super) bias: bool,
    pub(super) conv_bias: bool,
    /// Whether a norm stands before the output.
    pub(super) norm: bool,
}

impl Mamba2 {
    pub(super) fn mixer(self, hidden: u64) -> Recurrent {
        let Mamba2 { heads, head_dim, states, groups, taps, .. } = self;
        let inner = heads * head_dim;
        let convolved = inner + 2 * groups * states;
        // Gate, input, input and output matrices of each group, and a step size per head.
        let out = inner + convolved + heads;
        let named = |name| self.bias.then_some(name);
        let mut parts = vec![
            Part::Linear { name: "ssm_in", bias: named("ssm_in.bias"), out, inner: hidden },
            Part::State(inner * states + convolved * taps),
            Part::Conv {
                name: "ssm_conv1d",
                bias: self.conv_bias.then_some("ssm_conv1d.bias"),
                channels: convolved,
                taps,
            },
            Part::Elementwise { name: "conv_silu", op: Op::Silu, row: convolved },
        ];
        parts.extend(["ssm_dt.bias", "ssm_a", "ssm_d"].map(|name| Part::Vector { name, row: heads }));
        parts.push(Part::Scan { op: Op::Scan, channels: inner, states });
        parts.push(match self.norm {
            true => Part::Norm { name: "ssm_norm", rows: 1, row: inner, gated: true },
            false => Part::Elementwise { name: "ssm_gate", op: Op::SwiGlu, row: inner },
        });
        parts.push(Part::Linear { name: "ssm_out", bias: named("ssm_out.bias"), out: hidden, inner });
        Recurrent { heads, head_dim, parts }
    }
}

/// Mamba (Gu and Dao 2023).
#[derive(Clone, Copy, Debug)]
pub(super) struct Mamba1 {
    pub(super) inner: u64,
    pub(super) states: u64,
    /// Elements from which step sizes are expanded.
    pub(super) rank: u64,
    pub(super) taps: u64,
    pub(super) bias: bool,
    pub(super) conv_bias: bool,
    /// Whether step sizes, input and output matrices are normalised, with weights, as in Jamba.
    pub(super) norms: bool,
}

impl Mamba1 {
    pub(super) fn mixer(self, hidden: u64) -> Recurrent {
        let Mamba1 { inner, states, rank, taps, .. } = self;
        let named = |name| self.bias.then_some(name);
        let mut parts = vec![
            Part::Linear { name: "ssm_in", bias: named("ssm_in.bias"), out: 2 * inner, inner: hidden },
            Part::State(inner * (states + taps)),
            Part::Conv { name: "ssm_conv1d", bias: self.conv_bias.then_some("ssm_conv1d.bias"), channels: inner, taps },
            Part::Elementwise { name: "conv_silu", op: Op::Silu, row: inner },
            linear("ssm_x", rank + 2 * states, inner),
        ];
        if self.norms {
            let rows = [("ssm_dt_norm", rank), ("ssm_b_norm", states), ("ssm_c_norm", states)];
            parts.extend(rows.map(|(name, row)| Part::Norm { name, rows: 1, row, gated: false }));
        }
        parts.extend([
            Part::Linear { name: "ssm_dt", bias: Some("ssm_dt.bias"), out: inner, inner: rank },
            Part::Vector { name: "ssm_a", row: inner * states },
            Part::Vector { name: "ssm_d", row: inner },
            Part::Scan { op: Op::SelectiveScan, channels: inner, states },
            Part::Elementwise { name: "ssm_gate", op: Op::SwiGlu, row: inner },
            Part::Linear { name: "ssm_out", bias: named("ssm_out.bias"), out: hidden, inner },
        ]);
        Recurrent { heads: 0, head_dim: 0, parts }
    }
}

/// Gated DeltaNet (Yang et al. 2024), as Qwen3-Next has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct GatedDelta {
    pub(super) key_heads: u64,
    pub(super) value_heads: u64,
    pub(super) key_dim: u64,
    pub(super) value_dim: u64,
    pub(super) taps: u64,
    /// Whether the matrices of write strength and decay are stored as one.
    pub(super) fused: bool,
}

impl GatedDelta {
    pub(super) fn mixer(self, hidden: u64) -> Recurrent {
        let GatedDelta { key_heads, value_heads, key_dim, value_dim, taps, fused } = self;
        let values = value_heads * value_dim;
        let convolved = 2 * key_heads * key_dim + values;
        let mut parts = vec![linear("attn_qkv", convolved, hidden), linear("attn_gate", values, hidden)];
        match fused {
            true => parts.push(linear("ssm_ba", 2 * value_heads, hidden)),
            false => parts.extend(["ssm_beta", "ssm_alpha"].map(|name| linear(name, value_heads, hidden))),
        }
        parts.extend([
            Part::State(values * key_dim + convolved * taps),
            Part::Conv { name: "ssm_conv1d", bias: None, channels: convolved, taps },
            Part::Elementwise { name: "conv_silu", op: Op::Silu, row: convolved },
            Part::Vector { name: "ssm_dt.bias", row: value_heads },
            Part::Vector { name: "ssm_a", row: value_heads },
            Part::Scan { op: Op::DeltaRule, channels: values, states: key_dim },
            Part::Norm { name: "ssm_norm", rows: value_heads, row: value_dim, gated: true },
            linear("ssm_out", hidden, values),
        ]);
        Recurrent { heads: value_heads, head_dim: value_dim, parts }
    }
}

/// Kimi Delta Attention (Kimi Linear, 2025): a delta rule whose decay differs from channel to channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct KimiDelta {
    pub(super) heads: u64,
    pub(super) head_dim: u64,
    pub(super) taps: u64,
    /// Whether decays and gates are projected at once, not through as many elements as a head has.
    pub(super) full_rank: bool,
}

impl KimiDelta {
    pub(super) fn mixer(self, hidden: u64) -> Recurrent {
        let KimiDelta { heads, head_dim, taps, full_rank } = self;
        let inner = heads * head_dim;
        let mut parts = Vec::from(["attn_q", "attn_k", "attn_v"].map(|name| linear(name, inner, hidden)));
        parts.push(Part::State(inner * head_dim + 3 * inner * taps));
        for name in ["ssm_conv1d_q", "ssm_conv1d_k", "ssm_conv1d_v"] {
            parts.push(Part::Conv { name, bias: None, channels: inner, taps });
            parts.push(Part::Elementwise { name: "conv_silu", op: Op::Silu, row: inner });
        }
        let wide = |at_once, [down, up]: [&'static str; 2]| match full_rank {
            true => vec![linear(at_once, inner, hidden)],
            false => vec![linear(down, head_dim, hidden), linear(up, inner, head_dim)],
        };
        parts.extend(wide("ssm_f", ["ssm_f_a", "ssm_f_b"]));
        parts.extend([
            Part::Vector { name: "ssm_dt.bias", row: inner },
            Part::Vector { name: "ssm_a", row: heads },
            linear("ssm_beta", heads, hidden),
            Part::Scan { op: Op::DeltaRule, channels: inner, states: head_dim },
        ]);
        parts.extend(wide("ssm_g", ["ssm_g_a", "ssm_g_b"]));
        parts.extend([
            Part::Norm { name: "ssm_norm", rows: heads, row: head_dim, gated: true },
            linear("attn_output", hidden, inner),
        ]);
        Recurrent { heads, head_dim, parts }
    }
}

/// Lightning attention (MiniMax-01, 2025): linear attention with a fixed decay for each head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lightning {
    pub(super) heads: u64,
    pub(super) head_dim: u64,
}

impl Lightning {
    pub(super) fn mixer(self, hidden: u64) -> Recurrent {
        let Lightning { heads, head_dim } = self;
        let inner = heads * head_dim;
        let parts = vec![
            linear("attn_qkv", 3 * inner, hidden),
            Part::Elementwise { name: "qkv_silu", op: Op::Silu, row: 3 * inner },
            Part::State(inner * head_dim),
            Part::Scan { op: Op::Scan, channels: inner, states: head_dim },
            Part::Norm { name: "ssm_norm", rows: 1, row: inner, gated: false },
            linear("attn_gate", inner, hidden),
            Part::Elementwise { name: "ssm_gate", op: Op::SwiGlu, row: inner },
            linear("attn_output", hidden, inner),
        ];
        Recurrent { heads, head_dim, parts }
    }
}

/// The real-gated linear recurrent unit (Griffin: De et al. 2024): each channel decays by a gate of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct GatedLinearUnit {
    /// Blocks of channels, each with gates by matrices of its own.
    pub(super) heads: u64,
    /// Channels.
    pub(super) width: u64,
    pub(super) taps: u64,
}

impl GatedLinearUnit {
    pub(super) fn mixer(self, hidden: u64) -> Recurrent {
        let GatedLinearUnit { heads, width, taps } = self;
        let biased = |name, bias, out, inner| Part::Linear { name, bias: Some(bias), out, inner };
        let parts = vec![
            biased("rglru_y", "rglru_y.bias", width, hidden),
            Part::Elementwise { name: "y_gelu", op: Op::Gelu, row: width },
            biased("rglru_x", "rglru_x.bias", width, hidden),
            // All taps but one, and the unit's own.
            Part::State(width * taps),
            Part::Conv { name: "rglru_conv1d", bias: Some("rglru_conv1d.bias"), channels: width, taps },
            // Block by block, the diagonal of a matrix.
            biased("rglru_input_gate", "rglru_input_gate.bias", width, width / heads),
            biased("rglru_decay_gate", "rglru_decay_gate.bias", width, width / heads),
            Part::Elementwise { name: "gate_sigmoid", op: Op::Silu, row: 2 * width },
            Part::Vector { name: "rglru_a", row: width },
            Part::Scan { op: Op::SelectiveScan, channels: width, states: 1 },
            Part::Elementwise { name: "y_gate", op: Op::Gate, row: width },
            biased("rglru_out", "rglru_out.bias", hidden, width),
        ];
        Recurrent { heads, head_dim: width / heads, parts }
    }
}

/// RWKV-4 (Peng et al. 2023): the mixing of time, over `width` channels, and of the mixing of channels what a feed-forward of two
/// matrices has not: the token before, and a gate.
pub(super) fn rwkv4(hidden: u64, width: u64) -> Recurrent {
    let mix = |name, row| Part::Vector { name, row };
    let parts = vec![
        // The token before, for both; a numerator, a denominator and the largest exponent of each channel.
        Part::State(2 * hidden + 3 * width),
        mix("time_mix_k", hidden),
        mix("time_mix_v", hidden),
        mix("time_mix_r", hidden),
        Part::Elementwise { name: "time_shift", op: Op::Gate, row: 3 * hidden },
        linear("time_key", width, hidden),
        linear("time_value", width, hidden),
        linear("time_receptance", width, hidden),
        mix("time_decay", width),
        mix("time_first", width),
        Part::Scan { op: Op::SelectiveScan, channels: width, states: 2 },
        Part::Elementwise { name: "time_gate", op: Op::SwiGlu, row: width },
        linear("time_output", hidden, width),
        mix("channel_mix_k", hidden),
        mix("channel_mix_r", hidden),
        Part::Elementwise { name: "channel_shift", op: Op::Gate, row: 2 * hidden },
        linear("channel_receptance", hidden, hidden),
        Part::Elementwise { name: "channel_gate", op: Op::SwiGlu, row: hidden },
    ];
    Recurrent { heads: 0, head_dim: 0, parts }
}
