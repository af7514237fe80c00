//! What Gemma 3n and Gemma 4 have beside usual layers: an embedding for each layer, and parallel residual streams (AltUp:
//! Baykal et al. 2023; LAuReL: Menghani et al. 2024).

use super::super::layer::Norm;
use super::super::shape::{LayerInputs, Streams};
use super::class::Class;
use super::plan::{Plan, product};
use super::step::Step;
use crate::error::Result;
use roofprobe_kernels::{Op, Shape};

impl<Take: FnMut(usize, &Step)> Plan<'_, Take> {
    /// One row of a table for each token, and a projection of its embedding, for all `layers` at once.
    pub(super) fn layer_embeddings(&mut self, inputs: LayerInputs, layers: u64) -> Result<()> {
        let LayerInputs { width, vocabulary } = inputs;
        let all = product(&[layers, width])?;
        let table = Shape::gather(vocabulary, all, vocabulary);
        let row = Shape::gather(self.rows, all, vocabulary);
        self.add(Step { stored: Some(table), ..self.step("per_layer_token_embd", Class::Embed, Op::Gather, row) });
        self.linear(Class::AttnProj, "per_layer_model_proj", None, all, self.hidden);
        self.norm("per_layer_proj_norm", Norm::Rms, product(&[self.rows, layers])?, width);
        self.push("residual", Class::Norm, Op::Residual, Shape::rows(self.rows, all));
        Ok(())
    }

    /// A layer's own embedding, let through by a gate.
    pub(super) fn layer_input(&mut self, inputs: LayerInputs) {
        let (rows, width) = (self.rows, inputs.width);
        self.linear(Class::Ffn, "inp_gate", None, width, self.hidden);
        self.push("geglu", Class::Ffn, Op::GeGlu, Shape::rows(rows, width));
        self.linear(Class::Ffn, "proj", None, self.hidden, width);
        self.norm("post_norm", Norm::Rms, rows, self.hidden);
        self.residual();
    }

    /// The other streams from the first, in front of the layers; and one of all of them behind.
    pub(super) fn spread(&mut self, streams: Streams, name: &'static str, rows: u64) -> Result<()> {
        let out = product(&[streams.count - 1, self.hidden])?;
        self.push(name, Class::AttnProj, Op::Matmul, Shape::matmul(rows, out, self.hidden));
        self.push("altup_gate", Class::Norm, Op::Gate, Shape::rows(rows, out));
        Ok(())
    }

    /// What each stream would be, from all of them.
    pub(super) fn predict(&mut self, streams: Streams) -> Result<()> {
        let Streams { count, .. } = streams;
        self.route_streams(streams, false);
        self.linear(Class::Ffn, "altup_predict_coef", None, count * count, count);
        self.push("altup_mix", Class::Norm, Op::Gate, Shape::rows(product(&[self.rows, count, count])?, self.hidden));
        Ok(())
    }

    /// All streams by what the layer made of one of them.
    pub(super) fn correct(&mut self, streams: Streams) -> Result<()> {
        let Streams { count, .. } = streams;
        self.route_streams(streams, true);
        self.linear(Class::Ffn, "altup_correct_coef", None, count, count);
        self.push("altup_mix", Class::Norm, Op::Gate, Shape::rows(product(&[self.rows, count])?, self.hidden));
        self.bias("altup_correct_scale", self.hidden);
        Ok(())
    }

    /// The norm and the router stand once, and are used twice in each layer.
    fn route_streams(&mut self, streams: Streams, again: bool) {
        let norm = self.step("altup_router_norm", Class::Norm, Op::RmsNorm, Shape::norm(self.rows, self.hidden, 1));
        let shape = Shape::matmul(self.rows, streams.count, self.hidden);
        let router = self.step("altup_router", Class::Ffn, Op::Matmul, shape);
        for step in [norm, router] {
            self.add(Step { stored: step.stored.filter(|_| !again), ..step });
        }
    }

    /// A residual of low rank beside the mixer.
    pub(super) fn low_rank_residual(&mut self, streams: Streams) {
        self.linear(Class::Ffn, "laurel_l", None, streams.rank, self.hidden);
        self.linear(Class::Ffn, "laurel_r", None, self.hidden, streams.rank);
        self.norm("laurel_post_norm", Norm::Rms, self.rows, self.hidden);
        self.residual();
    }
}
