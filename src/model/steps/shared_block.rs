//! A transformer block that several layers share (Zamba).

use super::super::attention_form::SharedBlock;
use super::super::layer::{FeedForward, GroupedQuery, Norm};
use super::class::Class;
use super::plan::{Plan, product};
use super::step::Step;
use crate::error::Result;
use roofprobe_kernels::{Op, Shape};

impl<Take: FnMut(usize, &Step)> Plan<'_, Take> {
    /// Attention over the residual stream and the embedding, and a feed-forward behind it; what comes out goes through a matrix
    /// of the layer's own into its recurrence.
    pub(super) fn shared_block(&mut self, attention: &GroupedQuery, block: &SharedBlock) -> Result<()> {
        let GroupedQuery { heads, kv_heads, head_dim, rotary, .. } = *attention;
        let (rows, hidden) = (self.rows, self.hidden);
        let (queries, keys) = (product(&[heads, head_dim])?, product(&[kv_heads, head_dim])?);
        let wide = product(&[2, hidden])?;
        self.lent = !block.owned;
        self.norm("block_norm", Norm::Rms, rows, wide);
        for (name, out) in [("attn_q", queries), ("attn_k", keys), ("attn_v", keys)] {
            self.linear(Class::AttnProj, name, None, out, wide);
        }
        self.lent = false;
        if let Some(rank) = block.attention_rank {
            self.adapter(Class::AttnProj, ["attn_q_adapter_a", "attn_q_adapter_b"], [queries, rank, wide]);
            self.adapter(Class::AttnProj, ["attn_k_adapter_a", "attn_k_adapter_b"], [keys, rank, wide]);
            self.adapter(Class::AttnProj, ["attn_v_adapter_a", "attn_v_adapter_b"], [keys, rank, wide]);
        }
        if rotary > 0 {
            let turned = Shape::rows(product(&[rows, heads + kv_heads])?, rotary);
            self.push("rope", Class::AttnCore, Op::Rope, turned);
        }
        self.push("kv_append", Class::AttnCore, Op::Append, Shape::rows(rows, product(&[2, keys])?));
        self.attend(attention)?;
        if let Some(rank) = block.feed_forward_rank {
            let both = product(&[2, block.dense.width])?;
            self.adapter(Class::Ffn, ["ffn_up_adapter_a", "ffn_up_adapter_b"], [both, rank, hidden]);
        }
        self.lent = !block.owned;
        self.linear(Class::AttnProj, "attn_output", None, hidden, queries);
        self.norm("ffn_norm", Norm::Rms, rows, hidden);
        self.feed_forward(&FeedForward::Dense(block.dense))?;
        self.lent = false;
        self.linear(Class::AttnProj, "block_output", None, hidden, hidden);
        Ok(())
    }

    /// A product of low rank that is added to another.
    fn adapter(&mut self, class: Class, [down, up]: [&'static str; 2], [out, rank, inner]: [u64; 3]) {
        self.linear(class, down, None, rank, inner);
        self.linear(class, up, None, out, rank);
        self.push("residual", Class::Norm, Op::Residual, Shape::rows(self.rows, out));
    }
}
