//! Hyper-connections: parallel residual streams, each sublayer fed from all of them (Xie et al. 2026).

use super::super::layer::Norm;
use super::super::shape::HyperConnections;
use super::class::Class;
use super::plan::{Plan, product};
use super::step::Step;
use crate::error::Result;
use roofprobe_kernels::{Op, Shape};

/// The names of one sublayer's weights.
struct Names {
    norm: &'static str,
    weights: &'static str,
    base: &'static str,
    scale: &'static str,
}

/// In front of a mixer.
const ATTENTION: Names =
    Names { norm: "hc_attn_norm", weights: "hc_attn_fn", base: "hc_attn_base", scale: "hc_attn_scale" };
/// In front of a feed-forward.
const FEED_FORWARD: Names =
    Names { norm: "hc_ffn_norm", weights: "hc_ffn_fn", base: "hc_ffn_base", scale: "hc_ffn_scale" };
/// Behind the layers.
const HEAD: Names = Names { norm: "hc_head_norm", weights: "hc_head_fn", base: "hc_head_base", scale: "hc_head_scale" };

impl<Take: FnMut(usize, &Step)> Plan<'_, Take> {
    /// What a mixer is fed from.
    pub(super) fn connect_mixer(&mut self, streams: HyperConnections) -> Result<()> {
        self.connect(streams, &ATTENTION)
    }

    /// What a feed-forward is fed from.
    pub(super) fn connect_feed_forward(&mut self, streams: HyperConnections) -> Result<()> {
        self.connect(streams, &FEED_FORWARD)
    }

    /// One stream from all of them, by weights that they give; and how its result is spread over them again.
    fn connect(&mut self, streams: HyperConnections, names: &Names) -> Result<()> {
        let HyperConnections { count } = streams;
        let all = product(&[count, self.hidden])?;
        // One weight for each stream on the way in and on the way out, and those of each stream in each other.
        self.mixing(names, all, count * (2 + count), 3);
        let mixed = all * count;
        self.push("hc_mix", Class::Norm, Op::Gate, Shape::rows(self.rows, all + mixed));
        Ok(())
    }

    /// One stream from all of them, and no way back.
    pub(super) fn collapse(&mut self, streams: HyperConnections) -> Result<()> {
        let all = product(&[streams.count, self.hidden])?;
        self.mixing(&HEAD, all, streams.count, 1);
        self.push("hc_mix", Class::Norm, Op::Gate, Shape::rows(self.rows, all));
        Ok(())
    }

    fn mixing(&mut self, names: &Names, all: u64, weights: u64, scales: u64) {
        self.norm(names.norm, Norm::RmsWithoutWeights, self.rows, all);
        self.linear(Class::AttnProj, names.weights, None, weights, all);
        self.bias(names.base, weights);
        self.bias(names.scale, scales);
    }
}
