//! Grouped-query attention.

use super::super::attention_form::Form;
use super::super::layer::{Biases, ChosenBlocks, Gate, GroupedQuery, HeadNorm, Indexer, Norm};
use super::super::visible::{block_pairs, chunked_keys_read, chunked_pairs, keys_read, visible_pairs};
use super::class::Class;
use super::forward::Forward;
use super::latent::INDEXER;
use super::plan::{Plan, product, widen};
use super::step::Step;
use crate::error::Result;
use roofprobe_kernels::{Op, Shape};

impl<Take: FnMut(usize, &Step)> Plan<'_, Take> {
    pub(super) fn grouped_query(&mut self, attention: &GroupedQuery) -> Result<()> {
        match &attention.form {
            Form::Shared(block) => return self.shared_block(attention, block),
            Form::Routed(heads) => return self.routed_heads(attention, heads),
            Form::Usual | Form::Masked => {}
        }
        let GroupedQuery { heads, kv_heads, head_dim, value_dim, rotary, biases, shares, .. } = *attention;
        let (queries, keys) = (product(&[heads, head_dim])?, product(&[kv_heads, head_dim])?);
        let (outputs, values) = (product(&[heads, value_dim])?, product(&[kv_heads, value_dim])?);
        let hidden = self.hidden;
        let bias = matches!(biases, Biases::QueryKeyValue | Biases::All);
        // A gate for each element of a query stands beside it.
        let rows = if attention.gate == Gate::WithQueries { product(&[2, queries])? } else { queries };
        self.linear(Class::AttnProj, "attn_q", bias.then_some("attn_q.bias"), rows, hidden);
        if !shares {
            self.linear(Class::AttnProj, "attn_k", bias.then_some("attn_k.bias"), keys, hidden);
        }
        if !shares && !attention.keys_are_values {
            self.linear(Class::AttnProj, "attn_v", bias.then_some("attn_v.bias"), values, hidden);
        }
        self.head_norm(attention)?;
        let own_keys = if shares { 0 } else { kv_heads };
        if rotary > 0 {
            let turned = Shape::rows(product(&[self.rows, heads + own_keys])?, rotary);
            self.push("rope", Class::AttnCore, Op::Rope, turned);
        }
        if !shares {
            self.push("kv_append", Class::AttnCore, Op::Append, Shape::rows(self.rows, keys + values));
        }
        if attention.form == Form::Masked {
            self.mask(attention)?;
        }
        if let Some(chosen) = &attention.chosen {
            self.choose_blocks(chosen, rotary)?;
        }
        self.attend(attention)?;
        self.gate(attention.gate, heads, outputs);
        if let Some(norm) = attention.output_norm {
            self.norm("attn_sub_norm", norm, self.rows, outputs);
        }
        let bias = matches!(biases, Biases::All | Biases::Output).then_some("attn_output.bias");
        self.linear(Class::AttnProj, "attn_output", bias, hidden, outputs);
        Ok(())
    }

    /// What multiplies the output of attention, and its matrix where it has one.
    pub(super) fn gate(&mut self, gate: Gate, heads: u64, outputs: u64) {
        match gate {
            Gate::None => return,
            Gate::WithQueries => {}
            Gate::Apart => self.linear(Class::AttnProj, "attn_gate", None, outputs, self.hidden),
            Gate::PerHead => self.linear(Class::AttnProj, "attn_gate", None, heads, self.hidden),
        }
        self.push("attn_output_gate", Class::AttnCore, Op::SwiGlu, Shape::rows(self.rows, outputs));
    }

    /// Scores of all visible keys, by which blocks of them are chosen.
    fn choose_blocks(&mut self, chosen: &ChosenBlocks, rotary: u64) -> Result<()> {
        let Forward { tokens, past, passes, batch, .. } = *self.forward;
        let Indexer { heads, head_dim } = chosen.indexer;
        let (rows, hidden) = (self.rows, self.hidden);
        self.linear(Class::AttnProj, "indexer.attn_q", None, product(&[heads, head_dim])?, hidden);
        self.linear(Class::AttnProj, "indexer.attn_k", None, head_dim, hidden);
        self.norm("indexer.q_norm", Norm::Rms, product(&[rows, heads])?, head_dim);
        self.norm("indexer.k_norm", Norm::Rms, rows, head_dim);
        let turned = Shape::rows(product(&[rows, heads + 1])?, rotary.min(head_dim));
        self.push("indexer_rope", Class::AttnCore, Op::Rope, turned);
        self.push("indexer_append", Class::AttnCore, Op::Append, Shape::rows(rows, head_dim));
        let new = product(&[tokens, passes])?;
        let pairs = widen(&[heads, batch], visible_pairs(new, past, None))?;
        let keys = widen(&[batch], keys_read(tokens, past, passes, None))?;
        let shape = Shape::attention(product(&[heads, batch, new])?, keys, head_dim, pairs);
        self.push_summed(INDEXER, Class::AttnCore, Op::Attention, shape);
        self.push_summed("indexer_choice", Class::AttnCore, Op::Route, Shape::rows(pairs / chosen.block, 1));
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
    pub(super) fn attend(&mut self, attention: &GroupedQuery) -> Result<()> {
        let GroupedQuery { heads, kv_heads, window, chunk, sinks, soft_cap, .. } = *attention;
        let Forward { tokens, past, passes, batch, .. } = *self.forward;
        let new = product(&[tokens, passes])?;
        let (pairs, rows) = match (chunk, &attention.chosen) {
            (Some(chunk), _) => (chunked_pairs(new, past, chunk), chunked_keys_read(tokens, past, passes, chunk)),
            (None, Some(ChosenBlocks { block, blocks, .. })) => {
                let pairs = block_pairs(new, past, *block, *blocks);
                // Tokens of one pass that choose different blocks read all of them.
                let most = (block * blocks).saturating_mul(tokens).saturating_sub(tokens.saturating_sub(1));
                let keys = keys_read(tokens, past, passes, Some(most));
                (pairs, if tokens == 1 { pairs } else { keys })
            }
            (None, None) => (visible_pairs(new, past, window), keys_read(tokens, past, passes, window)),
        };
        let (pairs, cached) = (widen(&[heads, batch], pairs)?, widen(&[kv_heads, batch], rows)?);
        let shape = Shape::attention(product(&[heads, batch, new])?, cached, attention.row(), pairs);
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
