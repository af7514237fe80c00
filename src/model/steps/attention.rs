//! Grouped-query attention.

use super::super::layer::{Biases, GroupedQuery, HeadNorm};
use super::super::visible::{keys_read, visible_pairs};
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
        self.linear(Class::AttnProj, "attn_q", bias.then_some("attn_q.bias"), queries, hidden);
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
        let GroupedQuery { heads, kv_heads, head_dim, window, sinks, soft_cap, .. } = *attention;
        let Forward { tokens, past, passes, batch, .. } = *self.forward;
        let new = product(&[tokens, passes])?;
        let pairs = widen(&[heads, batch], visible_pairs(new, past, window))?;
        let cached = widen(&[kv_heads, batch], keys_read(tokens, past, passes, window))?;
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
