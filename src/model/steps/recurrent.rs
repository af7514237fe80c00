//! Layers that keep a state of fixed size: short convolutions and Mamba-2.
//!
//! Projections count as such ([`Class::AttnProj`]); what they are projected for is [`Class::Ssm`]. The state is read and
//! written once per pass and sequence, in f32, whatever the context.

use super::super::layer::{Mamba2, ShortConvolution};
use super::class::Class;
use super::plan::{Plan, product};
use super::step::Step;
use crate::error::Result;
use roofprobe_kernels::{Op, Shape};

impl<Take: FnMut(usize, &Step)> Plan<'_, Take> {
    pub(super) fn short_convolution(&mut self, convolution: &ShortConvolution) -> Result<()> {
        let ShortConvolution { taps, bias } = *convolution;
        let (rows, hidden) = (self.rows, self.hidden);
        self.linear(Class::AttnProj, "shortconv.in_proj", bias.then_some("shortconv.in_proj.bias"), 3 * hidden, hidden);
        self.push("conv_gate", Class::Ssm, Op::Gate, Shape::rows(rows, hidden));
        self.state(product(&[hidden, taps])?);
        self.push("shortconv.conv", Class::Ssm, Op::Conv, Shape::along(rows, hidden, taps));
        if bias {
            self.push("shortconv.conv.bias", Class::Ssm, Op::Bias, Shape::rows(rows, hidden));
        }
        self.push("conv_gate", Class::Ssm, Op::Gate, Shape::rows(rows, hidden));
        let bias = bias.then_some("shortconv.out_proj.bias");
        self.linear(Class::AttnProj, "shortconv.out_proj", bias, hidden, hidden);
        Ok(())
    }

    pub(super) fn mamba2(&mut self, mamba: &Mamba2) -> Result<()> {
        let Mamba2 { heads, states, groups, taps, bias, conv_bias, .. } = *mamba;
        let (rows, inner, convolved) = (self.rows, mamba.inner(), mamba.convolved());
        // Gate, input, input and output matrices of each group, and a step size per head.
        let out = 2 * inner + 2 * groups * states + heads;
        self.linear(Class::AttnProj, "ssm_in", bias.then_some("ssm_in.bias"), out, self.hidden);
        self.state(product(&[inner, states])? + product(&[convolved, taps])?);
        self.push("ssm_conv1d", Class::Ssm, Op::Conv, Shape::along(rows, convolved, taps));
        if conv_bias {
            self.push("ssm_conv1d.bias", Class::Ssm, Op::Bias, Shape::rows(rows, convolved));
        }
        self.push("conv_silu", Class::Ssm, Op::Silu, Shape::rows(rows, convolved));
        for name in ["ssm_dt.bias", "ssm_a", "ssm_d"] {
            self.push(name, Class::Ssm, Op::Bias, Shape::rows(rows, heads));
        }
        self.push("ssm_scan", Class::Ssm, Op::Scan, Shape::along(rows, inner, states));
        self.push("ssm_norm", Class::Ssm, Op::GatedNorm, Shape::norm(rows, inner, 1));
        self.linear(Class::AttnProj, "ssm_out", bias.then_some("ssm_out.bias"), self.hidden, inner);
        Ok(())
    }

    fn state(&mut self, elements: u64) {
        let shape = Shape::rows(self.forward.batch, elements);
        self.push("state", Class::Ssm, Op::State, shape);
    }
}
