//! What other forms of attention have beside its heads: experts (JetMoe), a weight for each key (Doge).

use super::super::attention_form::RoutedHeads;
use super::super::layer::{Biases, GroupedQuery};
use super::super::visible::keys_read;
use super::class::Class;
use super::forward::Forward;
use super::plan::{Plan, product, widen};
use super::step::{Reads, Step};
use crate::error::Result;
use roofprobe_kernels::{Op, Shape};

impl<Take: FnMut(usize, &Step)> Plan<'_, Take> {
    /// A mixture of attention heads: a router, queries and outputs of the experts that a token visits, and keys and values that
    /// all of them share.
    pub(super) fn routed_heads(&mut self, attention: &GroupedQuery, routed: &RoutedHeads) -> Result<()> {
        let GroupedQuery { heads, kv_heads, head_dim, rotary, .. } = *attention;
        let RoutedHeads { experts, used } = *routed;
        let (rows, hidden) = (self.rows, self.hidden);
        let keys = product(&[kv_heads, head_dim])?;
        let visits = product(&[rows, used])?;
        let reads = Reads::experts(experts, used, rows).times(self.layers * self.forward.passes);
        self.push("attn_gate_inp", Class::Router, Op::Matmul, Shape::matmul(rows, experts, hidden));
        self.push("route", Class::Router, Op::Route, Shape::rows(rows, experts));
        self.expert_matrix("attn_q_exps", experts, reads, visits, [keys, hidden])?;
        self.linear(Class::AttnProj, "attn_k", None, keys, hidden);
        self.linear(Class::AttnProj, "attn_v", None, keys, hidden);
        self.push("rope", Class::AttnCore, Op::Rope, Shape::rows(product(&[rows, heads + kv_heads])?, rotary));
        self.push("kv_append", Class::AttnCore, Op::Append, Shape::rows(rows, product(&[2, keys])?));
        self.attend(attention)?;
        self.expert_matrix("attn_output_exps", experts, reads, visits, [hidden, keys])?;
        self.bias("attn_output.bias", hidden);
        Ok(())
    }

    /// The weights of all visible keys, which every pass makes of the cached values, as the published code does; and the rows that
    /// weigh the residual stream. What they mask is computed all the same.
    pub(super) fn mask(&mut self, attention: &GroupedQuery) -> Result<()> {
        let GroupedQuery { kv_heads, head_dim, window, biases, .. } = *attention;
        let Forward { tokens, past, passes, batch, .. } = *self.forward;
        let keys = widen(&[batch], keys_read(tokens, past, passes, window))?;
        let values = product(&[kv_heads, head_dim])?;
        self.push_summed("attn_dt", Class::AttnProj, Op::Matmul, Shape::matmul(keys, kv_heads, values));
        if biases == Biases::All {
            self.push_summed("attn_dt.bias", Class::Norm, Op::Bias, Shape::rows(keys, kv_heads));
        }
        self.push_summed("attn_a", Class::Norm, Op::Bias, Shape::rows(keys, kv_heads));
        self.bias("attn_residual", self.hidden);
        self.bias("ffn_residual", self.hidden);
        Ok(())
    }
}
