//! Grouped-query attention.

use super::super::layer::{Biases, GroupedQuery, HeadNorm};
use super::super::visible::{chunked_keys_read, chunked_pairs, keys_read, visible_pairs};
use super::class::Class;
use super::forward::Forward;
use super::plan::{Plan, product, widen};
use super::step::Step;
use crate::error::Result;
use roofprobe_kernels::{Op, Shape};

impl<Take: FnMut(usize, &Step)> Plan<'_, Take> {
    pub(super) fn grouped_query(&mut self, attention: &GroupedQuery) -> Result<()> {
        let GroupedQuery { heads, kv_heads, head_dim, rotary, biases, shares, keys_are_values, .. } = *attention;
        let (queries, keys) = (product(&[heads, head_dim])?, product(&[kv_heads, head_dim])?);
        let hidden = self.hidden;
        let bias = matches!(biases, Biases::QueryKeyValue | Biases::All);
        // A gate for each element of a query stands beside it.
        let rows = if attention.gated { product(&[2, queries])? } else { queries };
        self.linear(Class::AttnProj, "attn_q", bias.then_some("attn_q.bias"), rows, hidden);
        if !shares {
            self.linear(Class::AttnProj, "attn_k", bias.then_some("attn_k.bias"), keys, hidden);
        }
        if !shares && !keys_are_values {
            self.linear(Class::AttnProj, "attn_v", bias.then_some("attn_v.bias"), keys, hidden);
        }
        self.head_norm(attention)?;
        let own_keys = if shares { 0 } else { kv_heads };
        if rotary > 0 {
            let turned = Shape::rows(product(&[self.rows, heads + own_keys])?, rotary);
            self.push("rope", Class::AttnCore, Op::Rope, turned);
        }
        if !shares {
            self.push("kv_append", Class::AttnCore, Op::Append, Shape::rows(self.rows, 2 * keys));
        }
        self.attend(attention)?;
        if attention.gated {
            self.push("attn_output_gate", Class::AttnCore, Op::SwiGlu, Shape::rows(self.rows, queries));
        }
        let bias = matches!(biases, Biases::All | Biases::Output).then_some("attn_output.bias");
        self.linear(Class::AttnProj, "attn_output", bias, hidden, queries);
        Ok(())
    }

    fn head_norm(&mut self, attention: &GroupedQuery) -> Result<()> {
        let GroupedQuery { heads, kv_heads, head_dim, head_norm, shares, value_norm, .. } = *attention;
        let keys = Some(("attn_k_norm", kv_heads)).filter(|_| !shares);
        for (name, heads) in [Some(("attn_q_norm", heads)), keys].into_iter().flatten() {
            match head_norm {
                HeadNorm::None => {}
                HeadNorm::PerHead(kind) => self.norm(name, kind, product(&[self.rows, heads])?, head_dim),
                HeadNorm::Row(kind) => self.norm(name, kind, self.rows, product(&[heads, head_dim])?),
            }
        }
        if value_norm && !shares {
            let shape = Shape::norm(product(&[self.rows, kv_heads])?, head_dim, 0);
            self.push("attn_v_norm", Class::Norm, Op::RmsNorm, shape);
        }
        Ok(())
    }

    /// All passes in one step: pairs and keys are summed in closed form, so only layers repeat.
    fn attend(&mut self, attention: &GroupedQuery) -> Result<()> {
        let GroupedQuery { heads, kv_heads, head_dim, window, chunk, sinks, soft_cap, .. } = *attention;
        let Forward { tokens, past, passes, batch, .. } = *self.forward;
        let new = product(&[tokens, passes])?;
        let (pairs, rows) = match chunk {
            Some(chunk) => (chunked_pairs(new, past, chunk), chunked_keys_read(tokens, past, passes, chunk)),
            None => (visible_pairs(new, past, window), keys_read(tokens, past, passes, window)),
        };
        let (pairs, cached) = (widen(&[heads, batch], pairs)?, widen(&[kv_heads, batch], rows)?);
        let shape = Shape::attention(product(&[heads, batch, new])?, cached, 2 * head_dim, pairs);
        self.push_summed("attention", Class::AttnCore, Op::Attention, shape);
        if soft_cap {
            self.push_summed("score_cap", Class::AttnCore, Op::SoftCap, Shape::rows(pairs, 1));
        }
        if sinks {
            self.bias("attn_sinks", heads);
        }
        Ok(())
    }
}
