//! Recurrent layers of a file.

use super::layers::Block;
use crate::error::{Error, Result};
use crate::model::family::{Attends, Recurrence, RecurrentRule};
use crate::model::layer::Mixer;
use crate::model::limits;
use crate::model::recurrent::{self, GatedDelta, KimiDelta, Mamba1, Mamba2, Recurrent};

/// Convolutions, by which recurrent blocks are known.
const CONVOLUTIONS: [&str; 3] = ["shortconv.conv.weight", "ssm_conv1d.weight", "ssm_conv1d_q.weight"];

impl Block<'_> {
    /// The mixer of a block of a family with recurrent layers, by which tensors it has.
    pub(super) fn hybrid(&self, rule: &RecurrentRule) -> Result<Mixer> {
        let recurs = CONVOLUTIONS.iter().any(|name| self.has(name));
        match rule.attends {
            Attends::Never => self.recurrence(&rule.recurrence).map(Mixer::Recurrent),
            Attends::Beside => Ok(Mixer::Both(self.grouped_query()?, self.recurrence(&rule.recurrence)?)),
            _ if recurs => self.recurrence(&rule.recurrence).map(Mixer::Recurrent),
            Attends::Nemotron if !self.has("attn_output.weight") => Ok(Mixer::Nothing),
            _ if rule.latent.is_some() => self.latent(rule.latent.as_ref()).map(Mixer::Latent),
            _ => self.grouped_query().map(Mixer::GroupedQuery),
        }
    }

    fn recurrence(&self, recurrence: &Recurrence) -> Result<Recurrent> {
        let hidden = self.hidden();
        Ok(match recurrence {
            Recurrence::ShortConvolution => {
                let taps = self.size("shortconv.l_cache")?;
                recurrent::short_convolution(hidden, taps, self.has("shortconv.in_proj.bias"))
            }
            Recurrence::Mamba1(_, norms) => Mamba1 {
                inner: self.keys().required("ssm.inner_size", limits::WIDTH)?,
                states: self.size("ssm.state_size")?,
                rank: self.size("ssm.time_step_rank")?,
                taps: self.size("ssm.conv_kernel")?,
                bias: self.has("ssm_in.bias"),
                conv_bias: self.has("ssm_conv1d.bias"),
                norms: *norms,
            }
            .mixer(hidden),
            Recurrence::Mamba2(names) => self.mamba2(names.norm.is_some())?.mixer(hidden),
            Recurrence::GatedDelta(fused) => self.gated_delta(*fused)?.mixer(hidden),
            Recurrence::KimiDelta => KimiDelta {
                heads: self.heads()?,
                head_dim: self.size("kda.head_dim")?,
                taps: self.size("ssm.conv_kernel")?,
                full_rank: false,
            }
            .mixer(hidden),
            Recurrence::Lightning
            | Recurrence::OlmoDelta
            | Recurrence::LingDelta
            | Recurrence::GatedLinearUnit
            | Recurrence::Rwkv4 => {
                return Err(Error::misuse("this kind of recurrence is not read from files"));
            }
        })
    }

    /// Channels of one head: all of them by the heads.
    fn head_dim(&self) -> Result<(u64, u64)> {
        let keys = self.keys();
        let heads = keys.required("ssm.time_step_rank", limits::HEADS)?;
        let inner = keys.required("ssm.inner_size", limits::WIDTH)?;
        if !inner.is_multiple_of(heads) {
            return Err(keys.no_divisor(("ssm.time_step_rank", heads), ("ssm.inner_size", inner)));
        }
        Ok((heads, inner / heads))
    }

    fn mamba2(&self, may_lack_norm: bool) -> Result<Mamba2> {
        let (heads, head_dim) = self.head_dim()?;
        Ok(Mamba2 {
            heads,
            head_dim,
            states: self.size("ssm.state_size")?,
            groups: self.size("ssm.group_count")?,
            taps: self.size("ssm.conv_kernel")?,
            bias: self.has("ssm_in.bias"),
            conv_bias: self.has("ssm_conv1d.bias"),
            norm: !may_lack_norm || self.has("ssm_norm.weight"),
        })
    }

    fn gated_delta(&self, fused: bool) -> Result<GatedDelta> {
        let (value_heads, value_dim) = self.head_dim()?;
        Ok(GatedDelta {
            key_heads: self.size("ssm.group_count")?,
            value_heads,
            key_dim: self.size("ssm.state_size")?,
            value_dim,
            taps: self.size("ssm.conv_kernel")?,
            fused,
        })
    }
}
