//! Measured rates of attention, by the heads that share a cached row, the size of heads, and the context.

use super::ladder::{Interval, Ladder, measured};
use super::latents::LatentRates;
use super::{Note, NoteKind};
use crate::model::{Pass, TensorType};
use crate::profile::{AttentionExtents, AttentionPhase, CeilingId, IdKind, Profile, Unit};
use roofprobe_kernels::Dtype;

/// A ceiling of attention with the extents that it was measured at.
#[derive(Clone, Debug)]
pub(super) struct Heads<'a> {
    pub(super) id: &'a str,
    /// Query heads per key/value head.
    pub(super) group: f64,
    pub(super) head_dim: f64,
    /// Cached tokens.
    pub(super) context: f64,
    /// Per second: bytes of cache in a decode step, FLOPs in a prompt.
    pub(super) rate: Interval,
    pub(super) notes: Vec<Note>,
}

/// What was measured of one kind of pass, of one type of cache; never empty.
#[derive(Clone, Debug)]
pub(super) struct AttentionRates<'a> {
    pub(super) dtype: Dtype,
    variants: Vec<Heads<'a>>,
    /// The rate along the context, and its value at the context of each variant.
    curve: Option<(Ladder<'a>, Vec<f64>)>,
    /// The most query heads that shared a row.
    most: f64,
    /// The variant with the most multiplications per second, where rates are bytes read.
    fastest: usize,
    /// What was left out.
    pub(super) notes: Vec<Note>,
}

impl<'a> AttentionRates<'a> {
    /// What `profile` has; without any, why what is there was left out.
    fn of(
        profile: &'a Profile,
        dtype: Dtype,
        pass: &AttentionPhase,
        unit: Unit,
    ) -> Result<AttentionRates<'a>, Vec<Note>> {
        let (mut variants, mut notes) = (Vec::new(), Vec::new());
        let asked = |id: &CeilingId| match id.kind() {
            IdKind::Attention { cache, phase, extents: AttentionExtents::Usual | AttentionExtents::Heads { .. } } => {
                cache.known() == Some(dtype) && phase == pass
            }
            _ => false,
        };
        for ceiling in profile.ceiling.iter().filter(|ceiling| asked(&ceiling.id)) {
            let (rate, doubts) = match measured(ceiling, unit) {
                Ok(found) => found,
                Err(why) => {
                    notes.push(Note::new(NoteKind::LeftOut, format!("{why}, and left out")));
                    continue;
                }
            };
            let extents = ceiling.variant.as_ref().and_then(|v| Some((v.heads?, v.kv_heads?, v.head_dim?, v.context?)));
            let Some((heads, kv_heads, head_dim, context)) = extents.filter(|&(h, k, d, c)| h.min(k).min(d).min(c) > 0)
            else {
                let text = format!("{} does not say its heads, and is left out", ceiling.id);
                notes.push(Note::new(NoteKind::LeftOut, text));
                continue;
            };
            variants.push(Heads {
                id: ceiling.id.as_str(),
                group: heads as f64 / kv_heads as f64,
                head_dim: head_dim as f64,
                context: context as f64,
                rate: rate.map(|giga| giga * 1e9),
                notes: doubts,
            });
        }
        let speed = |place: &usize| variants[*place].group * variants[*place].rate[1];
        let fastest = (0..variants.len()).max_by(|a, b| speed(a).total_cmp(&speed(b))).unwrap_or_default();
        let most = variants.iter().map(|heads| heads.group).fold(0.0, f64::max);
        let context = CeilingId::attention(dtype, pass.clone(), AttentionExtents::Context);
        let curve = profile.curve(&context).and_then(Ladder::along).map(|curve| {
            let own = variants.iter().map(|heads| curve.at(heads.context).rate[1]).collect();
            (curve, own)
        });
        if variants.is_empty() {
            Err(notes)
        } else {
            Ok(AttentionRates { dtype, variants, curve, most, fastest, notes })
        }
    }

    /// The variant nearest in octaves of sharing and of size; of two that are as near, the first.
    fn nearest(&self, group: f64, head_dim: f64) -> usize {
        if let Some(exact) = self.variants.iter().position(|v| v.group == group && v.head_dim == head_dim) {
            return exact;
        }
        let distance = |v: &Heads| libm::log2(group / v.group).abs() + libm::log2(head_dim / v.head_dim).abs();
        let distances = self.variants.iter().map(distance).enumerate();
        distances.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(place, _)| place)
    }

    /// The variant that answers for such heads, and its rate at that context.
    ///
    /// The interval is the wider one, in proportion, of the ceiling and of the curve there.
    pub(super) fn rate(&self, group: f64, head_dim: f64, context: f64) -> (&Heads<'a>, Interval) {
        self.at(self.nearest(group, head_dim), context)
    }

    /// The variant that multiplies fastest, and its rate at that context.
    pub(super) fn computing(&self, context: f64) -> (&Heads<'a>, Interval) {
        self.at(self.fastest, context)
    }

    fn at(&self, place: usize, context: f64) -> (&Heads<'a>, Interval) {
        let heads = &self.variants[place];
        let Some((curve, own)) = &self.curve else { return (heads, heads.rate) };
        let [low, here, high] = curve.at(context).rate;
        let value = heads.rate[1] * (here / own[place]);
        let lowest = (heads.rate[0] / heads.rate[1]).min(low / here);
        let highest = (heads.rate[2] / heads.rate[1]).max(high / here);
        (heads, [value * lowest, value, value * highest])
    }

    /// The most query heads that shared a row.
    pub(super) fn most(&self) -> f64 {
        self.most
    }

    /// Whether a curve says how the rate changes with the context.
    pub(super) fn has_curve(&self) -> bool {
        self.curve.is_some()
    }
}

/// What was measured of attention.
#[derive(Clone, Debug)]
pub(super) struct Attentions<'a> {
    /// By `Dtype as usize`.
    decode: [Option<AttentionRates<'a>>; Dtype::ALL.len()],
    prefill: [Option<AttentionRates<'a>>; Dtype::ALL.len()],
    /// Of latents: in a decode step, and in a prompt.
    latents: [LatentRates<'a>; 2],
    /// What to say where there is nothing.
    missing: [String; 2],
}

impl<'a> Attentions<'a> {
    pub(super) fn of(profile: &'a Profile) -> Attentions<'a> {
        let all =
            |phase: &AttentionPhase, unit| Dtype::ALL.map(|dtype| AttentionRates::of(profile, dtype, phase, unit).ok());
        let passes = [(AttentionPhase::Decode, Unit::GbPerS), (AttentionPhase::Prefill, Unit::GflopPerS)];
        let missing = passes.each_ref().map(|(phase, unit)| {
            let left_out = AttentionRates::of(profile, Dtype::F16, phase, *unit).err().unwrap_or_default();
            if left_out.is_empty() {
                format!("attention.f16.{phase} is not in the profile")
            } else {
                left_out.iter().map(Note::to_string).collect::<Vec<_>>().join("; ")
            }
        });
        let [decode, prefill] = passes.each_ref().map(|(phase, unit)| all(phase, *unit));
        let latents = passes.each_ref().map(|(phase, _)| LatentRates::of(profile, phase));
        Attentions { decode, prefill, latents, missing }
    }

    /// What answers for decode steps over a cache of that type: its nearest type's, else f16's.
    pub(super) fn decode(&self, stored: TensorType) -> Option<&AttentionRates<'a>> {
        of_type(&self.decode, stored)
    }

    /// What answers for prompts.
    pub(super) fn prefill(&self, stored: TensorType) -> Option<&AttentionRates<'a>> {
        of_type(&self.prefill, stored)
    }

    /// What answers for latents.
    pub(super) fn latents(&self, pass: Pass) -> &LatentRates<'a> {
        match pass {
            Pass::Decode => &self.latents[0],
            Pass::Prefill => &self.latents[1],
        }
    }

    /// Why nothing answers for decode steps, and for prompts.
    pub(super) fn missing(&self) -> [&str; 2] {
        [&self.missing[0], &self.missing[1]]
    }
}

fn of_type<'m, 'a>(measured: &'m [Option<AttentionRates<'a>>], stored: TensorType) -> Option<&'m AttentionRates<'a>> {
    measured[stored.nearest() as usize].as_ref().or(measured[Dtype::F16 as usize].as_ref())
}
