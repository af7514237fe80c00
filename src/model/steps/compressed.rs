//! Attention over a window and compressed keys (DeepSeek-V4, 2026).

use super::super::layer::{Compressed, Compression, Indexer, Norm};
use super::super::visible::{compressed_keys, keys_read, visible_pairs};
use super::class::Class;
use super::forward::Forward;
use super::latent::INDEXER;
use super::plan::{Plan, product, widen};
use super::step::Step;
use crate::error::Result;
use roofprobe_kernels::{Op, Shape};

impl<Take: FnMut(usize, &Step)> Plan<'_, Take> {
    pub(super) fn compressed(&mut self, attention: &Compressed) -> Result<()> {
        let Compressed { heads, head_dim, query_rank, rotary, groups, output_rank, .. } = *attention;
        let (rows, hidden) = (self.rows, self.hidden);
        let queries = product(&[heads, head_dim])?;
        self.linear(Class::AttnProj, "attn_q_a", None, query_rank, hidden);
        self.norm("attn_q_a_norm", Norm::Rms, rows, query_rank);
        self.linear(Class::AttnProj, "attn_q_b", None, queries, query_rank);
        self.norm("attn_q_norm", Norm::RmsWithoutWeights, product(&[rows, heads])?, head_dim);
        // One row is the key and the value of all heads.
        self.linear(Class::AttnProj, "attn_kv", None, head_dim, hidden);
        self.norm("attn_kv_norm", Norm::Rms, rows, head_dim);
        // Queries and the key; and what the values were turned by is taken back from the output.
        self.push("rope", Class::AttnCore, Op::Rope, Shape::rows(product(&[rows, 2 * heads + 1])?, rotary));
        self.push("kv_append", Class::AttnCore, Op::Append, Shape::rows(rows, head_dim));
        if let Some(compression) = &attention.compression {
            self.compress(attention, compression)?;
        }
        self.attend_compressed(attention)?;
        self.bias("attn_sinks", heads);
        // Each group of heads by itself into a small space, and from there out.
        let inner = product(&[groups, output_rank])?;
        self.linear(Class::AttnProj, "attn_output_a", None, inner, queries / groups);
        self.linear(Class::AttnProj, "attn_output_b", None, hidden, inner);
        Ok(())
    }

    /// Every `rate` tokens become one key, and one of the indexer.
    fn compress(&mut self, attention: &Compressed, compression: &Compression) -> Result<()> {
        const KEYS: [&str; 4] = ["compressor.kv", "compressor.gate", "compressor.ape", "compressor.norm"];
        const INDEX: [&str; 4] =
            ["indexer.compressor.kv", "indexer.compressor.gate", "indexer.compressor.ape", "indexer.compressor.norm"];
        self.compressor(&KEYS, attention.head_dim, compression)?;
        let Some((Indexer { heads, head_dim }, _)) = compression.chosen else { return Ok(()) };
        self.compressor(&INDEX, head_dim, compression)?;
        let (rows, hidden) = (self.rows, self.hidden);
        self.linear(Class::AttnProj, "indexer.attn_q_b", None, product(&[heads, head_dim])?, attention.query_rank);
        let turned = Shape::rows(product(&[rows, heads])?, attention.rotary.min(head_dim));
        self.push("indexer_rope", Class::AttnCore, Op::Rope, turned);
        self.linear(Class::AttnProj, "indexer.proj", None, heads, hidden);
        let Forward { tokens, past, passes, batch, .. } = *self.forward;
        let new = product(&[tokens, passes])?;
        let pairs = compressed_keys(new, 1, past + 1, compression.rate, None);
        let keys = widen(&[batch], compressed_keys(passes, tokens, past + tokens, compression.rate, None))?;
        // Before the first window is closed there is nothing to score.
        let queries = if pairs == 0 { 0 } else { product(&[heads, batch, new])? };
        let shape = Shape::attention(queries, keys, head_dim, widen(&[heads, batch], pairs)?);
        self.push_summed(INDEXER, Class::AttnCore, Op::Attention, shape);
        self.push_summed("indexer_choice", Class::AttnCore, Op::Route, Shape::rows(widen(&[batch], pairs)?, 1));
        Ok(())
    }

    /// Two projections of each token, one of them weighing the other; windows that overlap have two of each.
    fn compressor(&mut self, [kv, gate, ape, norm]: &[&'static str; 4], row: u64, of: &Compression) -> Result<()> {
        let Forward { tokens, past, passes, batch, .. } = *self.forward;
        let width = if of.overlaps { 2 * row } else { row };
        self.linear(Class::AttnProj, kv, None, width, self.hidden);
        self.linear(Class::AttnProj, gate, None, width, self.hidden);
        // A row for each place in a window; every token meets its own.
        let table = Shape::rows(1, product(&[of.rate, width])?);
        let met = self.step(ape, Class::Norm, Op::Bias, Shape::rows(self.rows, width));
        self.add(Step { stored: Some(table), ..met });
        self.push("compress", Class::AttnCore, Op::Gate, Shape::rows(self.rows, width));
        let end = past + product(&[tokens, passes])?;
        let entries = product(&[batch, end / of.rate - past / of.rate])?;
        // A closed window is normalised; counted for each token, which is more than that, and little.
        self.norm(norm, Norm::Rms, self.rows, row);
        let append = Shape::rows(entries, row);
        self.push_summed("compressed_append", Class::AttnCore, Op::Append, append);
        Ok(())
    }

    /// Over the window, and over compressed keys of whole windows: all of them, or those that the indexer chooses.
    fn attend_compressed(&mut self, attention: &Compressed) -> Result<()> {
        let Forward { tokens, past, passes, batch, .. } = *self.forward;
        let Compressed { heads, head_dim, window, .. } = *attention;
        let new = product(&[tokens, passes])?;
        let mut pairs = visible_pairs(new, past, Some(window));
        let mut keys = keys_read(tokens, past, passes, Some(window));
        if let Some(Compression { rate, chosen, .. }) = attention.compression {
            let most = chosen.map(|(_, most)| most);
            pairs += compressed_keys(new, 1, past + 1, rate, most);
            // Tokens of one pass that choose different keys read all of them.
            keys += compressed_keys(passes, tokens, past + tokens, rate, most.map(|most| most.saturating_mul(tokens)));
        }
        let queries = product(&[heads, batch, new])?;
        let (pairs, keys) = (widen(&[heads, batch], pairs)?, widen(&[batch], keys)?);
        let shape = Shape::latent_attention(queries, keys, head_dim, head_dim, pairs);
        self.push_summed("attention", Class::AttnCore, Op::Attention, shape);
        Ok(())
    }
}
