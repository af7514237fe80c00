//! Multi-head latent attention, in the three ways in which runtimes do it.

use super::super::layer::{Indexer, Latent, Latents, Norm};
use super::super::visible::{keys_read, visible_pairs};
use super::class::Class;
use super::forward::Forward;
use super::plan::{Plan, product, widen};
use super::step::Step;
use crate::error::Result;
use roofprobe_kernels::{Op, Shape};

/// The step in which an indexer scores keys.
pub(crate) const INDEXER: &str = "indexer";

impl<Take: FnMut(usize, &Step)> Plan<'_, Take> {
    pub(super) fn latent(&mut self, attention: &Latent) -> Result<()> {
        let Latent { heads, rank, plain_dim, rotary_dim, value_dim, bias, .. } = *attention;
        let latents = self.forward.latents;
        self.latent_queries(attention)?;
        self.linear(
            Class::AttnProj,
            "attn_kv_a_mqa",
            bias.then_some("attn_kv_a_mqa.bias"),
            attention.row(),
            self.hidden,
        );
        self.norm("attn_kv_a_norm", Norm::Rms, self.rows, rank);
        // The queries of all heads, and the one key that they share.
        self.push("rope", Class::AttnCore, Op::Rope, Shape::rows(self.rows, (heads + 1) * rotary_dim));
        if let Some(indexer) = &attention.indexer {
            self.index(attention, indexer)?;
        }
        if latents == Latents::Expanded {
            self.push("attn_kv_b", Class::AttnProj, Op::Matmul, expansion(attention, self.rows));
        }
        let append = Shape::rows(self.rows, attention.cached(latents));
        self.push("kv_append", Class::AttnCore, Op::Append, append);
        match latents {
            Latents::Expanded => self.attend_expanded(attention, true)?,
            Latents::Naive => {
                self.expand_cache(attention)?;
                self.attend_expanded(attention, false)?;
            }
            Latents::Absorbed => self.attend_latents(attention, plain_dim)?,
        }
        let values = product(&[heads, value_dim])?;
        self.gate(attention.gate, heads, values);
        self.linear(Class::AttnProj, "attn_output", bias.then_some("attn_output.bias"), self.hidden, values);
        Ok(())
    }

    /// Scores of all visible keys, by which those are chosen that are attended to.
    fn index(&mut self, attention: &Latent, indexer: &Indexer) -> Result<()> {
        let Forward { tokens, past, passes, batch, .. } = *self.forward;
        let Indexer { heads, head_dim, .. } = *indexer;
        let (rows, hidden) = (self.rows, self.hidden);
        let queries = attention.query_rank.unwrap_or(hidden);
        self.linear(Class::AttnProj, "indexer.attn_q_b", None, product(&[heads, head_dim])?, queries);
        self.linear(Class::AttnProj, "indexer.attn_k", None, head_dim, hidden);
        self.norm("indexer.k_norm", Norm::Layer, rows, head_dim);
        self.push("indexer_rope", Class::AttnCore, Op::Rope, Shape::rows(rows, (heads + 1) * attention.rotary_dim));
        self.push("indexer_append", Class::AttnCore, Op::Append, Shape::rows(rows, head_dim));
        // A weight for each head, by which their scores are added.
        self.linear(Class::AttnProj, "indexer.proj", None, heads, hidden);
        let new = product(&[tokens, passes])?;
        let seen = visible_pairs(new, past, None);
        let keys = widen(&[batch], keys_read(tokens, past, passes, None))?;
        let shape = Shape::attention(product(&[heads, batch, new])?, keys, head_dim, widen(&[heads, batch], seen)?);
        self.push_summed(INDEXER, Class::AttnCore, Op::Attention, shape);
        let choices = Shape::rows(widen(&[batch], seen)?, 1);
        self.push_summed("indexer_choice", Class::AttnCore, Op::Route, choices);
        Ok(())
    }

    fn latent_queries(&mut self, attention: &Latent) -> Result<()> {
        let queries = product(&[attention.heads, attention.plain_dim + attention.rotary_dim])?;
        match attention.query_rank {
            None => self.linear(Class::AttnProj, "attn_q", None, queries, self.hidden),
            Some(rank) => {
                let bias = attention.bias.then_some("attn_q_a.bias");
                self.linear(Class::AttnProj, "attn_q_a", bias, rank, self.hidden);
                self.norm("attn_q_a_norm", Norm::Rms, self.rows, rank);
                self.linear(Class::AttnProj, "attn_q_b", None, queries, rank);
            }
        }
        Ok(())
    }

    /// Every pass expands all that is visible to it: their numbers are summed, the matrix is read in every pass.
    fn expand_cache(&mut self, attention: &Latent) -> Result<()> {
        let Forward { tokens, past, passes, batch, .. } = *self.forward;
        let rows = widen(&[batch], keys_read(tokens, past, passes, None))?;
        let fetched = Shape::rows(rows, attention.row());
        self.push_summed("kv_fetch", Class::AttnCore, Op::Fetch, fetched);
        self.push_summed("attn_kv_b", Class::AttnProj, Op::Matmul, expansion(attention, rows));
        Ok(())
    }

    /// Pairs that one head of one sequence computes, and keys that it reads: all that are visible, or those that the indexer
    /// chooses. Tokens of one pass that choose different keys read all of them.
    fn attended(&self, attention: &Latent, new: u64) -> (u128, u128) {
        let Forward { tokens, past, passes, .. } = *self.forward;
        match attention.selected {
            None => (visible_pairs(new, past, None), keys_read(tokens, past, passes, None)),
            Some(selected) => {
                let most = selected.saturating_mul(tokens).saturating_sub(tokens.saturating_sub(1));
                (visible_pairs(new, past, Some(selected)), keys_read(tokens, past, passes, Some(most)))
            }
        }
    }

    /// Head by head over keys and values; `cached` where these are what the cache holds.
    fn attend_expanded(&mut self, attention: &Latent, cached: bool) -> Result<()> {
        let Forward { tokens, passes, batch, .. } = *self.forward;
        let Latent { heads, plain_dim, rotary_dim, value_dim, .. } = *attention;
        let new = product(&[tokens, passes])?;
        let (pairs, keys) = self.attended(attention, new);
        let (pairs, rows) = (widen(&[heads, batch], pairs)?, widen(&[heads, batch], keys)?);
        let row = plain_dim + rotary_dim + value_dim;
        let shape = Shape::attention(product(&[heads, batch, new])?, if cached { rows } else { 0 }, row, pairs);
        self.push_summed("attention", Class::AttnCore, Op::Attention, shape);
        Ok(())
    }

    /// In the space of latents: all heads share one row per token.
    fn attend_latents(&mut self, attention: &Latent, plain_dim: u64) -> Result<()> {
        let Forward { tokens, passes, batch, .. } = *self.forward;
        let Latent { heads, rank, value_dim, .. } = *attention;
        self.linear(Class::AttnProj, "attn_k_b", None, product(&[heads, rank])?, plain_dim);
        let new = product(&[tokens, passes])?;
        let (pairs, keys) = self.attended(attention, new);
        let (pairs, rows) = (widen(&[heads, batch], pairs)?, widen(&[batch], keys)?);
        let queries = product(&[heads, batch, new])?;
        let shape = Shape::latent_attention(queries, rows, attention.row(), rank, pairs);
        self.push_summed("attention", Class::AttnCore, Op::Attention, shape);
        self.linear(Class::AttnProj, "attn_v_b", None, product(&[heads, value_dim])?, rank);
        Ok(())
    }
}

/// Keys and values of `rows` latents.
fn expansion(attention: &Latent, rows: u64) -> Shape {
    Shape::matmul(rows, attention.heads * (attention.plain_dim + attention.value_dim), attention.rank)
}
