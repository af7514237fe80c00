//! Dense feed-forwards and mixtures of experts.

use super::super::layer::{Activation, Dense, FeedForward, Mixture, Norm, Shared};
use super::class::Class;
use super::plan::{Plan, product};
use super::step::{Reads, Step};
use crate::error::Result;
use roofprobe_kernels::{Op, Shape};

/// The names of a feed-forward's tensors and of their biases.
struct Names {
    gate: (&'static str, &'static str),
    up: (&'static str, &'static str),
    down: (&'static str, &'static str),
}

const DENSE: Names =
    Names { gate: ("ffn_gate", "ffn_gate.bias"), up: ("ffn_up", "ffn_up.bias"), down: ("ffn_down", "ffn_down.bias") };

const SHARED: Names = Names {
    gate: ("ffn_gate_shexp", "ffn_gate_shexp.bias"),
    up: ("ffn_up_shexp", "ffn_up_shexp.bias"),
    down: ("ffn_down_shexp", "ffn_down_shexp.bias"),
};

const EXPERTS: Names = Names {
    gate: ("ffn_gate_exps", "ffn_gate_exps.bias"),
    up: ("ffn_up_exps", "ffn_up_exps.bias"),
    down: ("ffn_down_exps", "ffn_down_exps.bias"),
};

impl<Take: FnMut(usize, &Step)> Plan<'_, Take> {
    pub(super) fn feed_forward(&mut self, feed_forward: &FeedForward) -> Result<()> {
        match feed_forward {
            FeedForward::Dense(dense) => self.dense(Class::Ffn, dense, &DENSE),
            FeedForward::Mixture(mixture) => self.mixture(mixture),
        }
    }

    fn dense(&mut self, class: Class, dense: &Dense, names: &Names) -> Result<()> {
        let Dense { width, gated, bias, .. } = *dense;
        let hidden = self.hidden;
        let named = |(name, with): (&'static str, &'static str)| (name, bias.then_some(with));
        let into = [gated.then_some(names.gate), Some(names.up)];
        for (name, bias) in into.into_iter().flatten().map(named) {
            self.linear(class, name, bias, width, hidden);
        }
        self.activation(class, dense, self.rows);
        if dense.activation == Activation::Xielu {
            self.bias("xielu", 2);
        }
        if let Some(norm) = dense.norm {
            self.norm("ffn_sub_norm", norm, self.rows, width);
        }
        let (name, bias) = named(names.down);
        self.linear(class, name, bias, hidden, width);
        Ok(())
    }

    fn mixture(&mut self, mixture: &Mixture) -> Result<()> {
        let Mixture { experts, scores, router_bias, correction, shared, normed_apart, .. } = *mixture;
        let (rows, hidden) = (self.rows, self.hidden);
        if normed_apart {
            // The router's own norm has a scale for each channel; choices have one for each expert.
            self.norm("ffn_gate_inp.scale", Norm::Rms, rows, hidden);
            self.bias("ffn_down_exps.scale", experts);
            self.norm("pre_ffw_norm_2", Norm::Rms, rows, hidden);
            self.norm("post_ffw_norm_1", Norm::Rms, rows, hidden);
            self.norm("post_ffw_norm_2", Norm::Rms, rows, hidden);
        }
        // Routers stay in full precision: a wrong choice costs more than their bytes.
        let router = Shape::matmul(rows, scores, hidden);
        self.push("ffn_gate_inp", Class::Router, Op::Matmul, router);
        for (name, there) in [("ffn_gate_inp.bias", router_bias), ("exp_probs_b", correction)] {
            if there {
                self.bias(name, scores);
            }
        }
        self.push("route", Class::Router, Op::Route, Shape::rows(rows, scores));
        self.experts(mixture)?;
        if let Some(Shared { dense, gate }) = shared {
            if gate {
                let shape = Shape::matmul(rows, 1, hidden);
                self.push("ffn_gate_inp_shexp", Class::Router, Op::Matmul, shape);
            }
            self.dense(Class::Shared, &dense, &SHARED)?;
        }
        if mixture.output_bias {
            self.bias("ffn_output.bias", hidden);
        }
        Ok(())
    }

    /// Each token goes through `used` experts; the weights of every expert that some token visits are read once.
    fn experts(&mut self, mixture: &Mixture) -> Result<()> {
        let Mixture { used, expert, .. } = *mixture;
        let Dense { width, gated, .. } = expert;
        let (hidden, inner) = (self.hidden, mixture.latent.unwrap_or(self.hidden));
        if mixture.latent.is_some() {
            self.linear(Class::Shared, "ffn_latent_down", None, inner, hidden);
        }
        let visits = product(&[self.rows, used])?;
        let reads = Reads::experts(mixture.experts, used, self.rows).times(self.layers * self.forward.passes);
        if gated {
            self.routed(mixture, EXPERTS.gate, reads, visits, [width, inner])?;
        }
        self.routed(mixture, EXPERTS.up, reads, visits, [width, inner])?;
        self.activation(Class::Expert, &expert, visits);
        self.routed(mixture, EXPERTS.down, reads, visits, [inner, width])?;
        if mixture.latent.is_some() {
            self.linear(Class::Shared, "ffn_latent_up", None, hidden, inner);
        }
        Ok(())
    }

    fn routed(
        &mut self,
        mixture: &Mixture,
        (name, bias): (&'static str, &'static str),
        reads: Reads,
        visits: u64,
        [out, inner]: [u64; 2],
    ) -> Result<()> {
        let Mixture { experts, expert, .. } = *mixture;
        self.expert_matrix(name, experts, reads, visits, [out, inner])?;
        if expert.bias {
            let all = product(&[experts, out])?;
            let step = self.step(bias, Class::Norm, Op::Bias, Shape::rows(visits, out));
            self.add(Step { stored: Some(Shape::rows(1, all)), reads, ..step });
        }
        Ok(())
    }

    /// A matrix of each expert, of which those are read that tokens visit.
    pub(super) fn expert_matrix(
        &mut self,
        name: &'static str,
        experts: u64,
        reads: Reads,
        visits: u64,
        [out, inner]: [u64; 2],
    ) -> Result<()> {
        let all = product(&[experts, out])?;
        let step = self.step(name, Class::Expert, Op::Matmul, Shape::matmul(visits, out, inner));
        self.add(Step { stored: Some(Shape::matmul(1, all, inner)), reads, ..step });
        Ok(())
    }

    fn activation(&mut self, class: Class, dense: &Dense, rows: u64) {
        let (name, op) = match (dense.gated, dense.activation) {
            (true, Activation::Silu) => ("swiglu", Op::SwiGlu),
            (true, Activation::Gelu | Activation::Xielu) => ("geglu", Op::GeGlu),
            (true, Activation::Relu | Activation::ReluSquared) => ("reglu", Op::ReGlu),
            (false, Activation::Silu) => ("silu", Op::Silu),
            // xIELU has no operation of its own: an exponential for each element, like this.
            (false, Activation::Gelu | Activation::Xielu) => ("gelu", Op::Gelu),
            (false, Activation::Relu) => ("relu", Op::Relu),
            (false, Activation::ReluSquared) => ("relu_squared", Op::ReluSquared),
        };
        self.push(name, class, op, Shape::rows(rows, dense.width));
    }
}
