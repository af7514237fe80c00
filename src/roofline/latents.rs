//! Measured rates of attention to latents, by the query heads that share a row.
//!
//! From sixteen heads on it is bound by arithmetic: a step's time grows with its heads, whatever the context.

use super::ladder::{Interval, Ladder, Reading, Rung, measured};
use super::{Note, NoteKind};
use crate::profile::{AttentionExtents, AttentionPhase, Ceiling, CeilingId, IdKind, Profile, Unit};
use roofprobe_kernels::Dtype;

/// What was measured of one kind of pass over latents of f16, row by row.
#[derive(Clone, Debug, Default)]
pub(super) struct LatentRates<'a> {
    rows: Vec<Rows<'a>>,
    /// What was left out.
    notes: Vec<Note>,
}

/// FLOP/s over query heads, with rows of one width.
#[derive(Clone, Debug)]
struct Rows<'a> {
    /// Elements of a row, and those of them that are the value as well.
    widths: [u64; 2],
    ladder: Ladder<'a>,
}

/// The extents of a step's attention to latents.
#[derive(Clone, Copy, Debug)]
pub(super) struct Latents {
    /// Query heads that share a row.
    pub(super) group: f64,
    /// Elements of a row.
    pub(super) row: f64,
    /// Those of them that are the value as well.
    pub(super) value_dim: f64,
}

impl<'a> LatentRates<'a> {
    pub(super) fn of(profile: &'a Profile, pass: &AttentionPhase) -> LatentRates<'a> {
        let mut rates = LatentRates::default();
        let mut found: Vec<([u64; 2], Vec<Rung<'a>>)> = Vec::new();
        for ceiling in &profile.ceiling {
            let Some((group, widths)) = extents(&ceiling.id, pass) else { continue };
            match rung(ceiling, group) {
                Ok(rung) => match found.iter_mut().find(|(known, _)| *known == widths) {
                    Some((_, rungs)) => rungs.push(rung),
                    None => found.push((widths, vec![rung])),
                },
                Err(why) => rates.notes.push(Note::new(NoteKind::LeftOut, format!("{why}, and left out"))),
            }
        }
        let rows = found
            .into_iter()
            .filter_map(|(widths, rungs)| Some(Rows { widths, ladder: Ladder::new(rungs, Vec::new())? }));
        rates.rows = rows.collect();
        rates
    }

    /// Those with the nearest rows, in octaves; of two that are as near, the first.
    fn nearest(&self, asked: Latents) -> Option<&Rows<'a>> {
        let octaves = |of: u64, asked: f64| libm::log2(asked / of as f64).abs();
        let distance = |rows: &Rows| octaves(rows.widths[0], asked.row) + octaves(rows.widths[1], asked.value_dim);
        self.rows.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))
    }

    /// FLOP/s, and the ceiling that it is or lies nearest to; none where nothing was measured.
    pub(super) fn rate(&self, asked: Latents) -> Option<(&'a str, Interval)> {
        let reading = self.nearest(asked)?.ladder.at(asked.group);
        Some((nearer(&reading, asked.group).id, reading.rate))
    }

    /// What is to be said of an answer.
    pub(super) fn note(&self, asked: Latents, notes: &mut Vec<Note>) {
        let Some(rows) = self.nearest(asked) else { return };
        let reading = rows.ladder.at(asked.group);
        let Reading { from, to, .. } = reading;
        let outside = asked.group < from.at || asked.group > to.at;
        if outside || rows.widths.map(|width| width as f64) != [asked.row, asked.value_dim] {
            let [row, value_dim] = rows.widths;
            notes.push(Note::new(NoteKind::StandIn, format!(
                "attention of {} query heads to latents of {} elements, {} of them values, was not measured: {} stands in for it, \
                 with rows of {row} and {value_dim}, by FLOPs",
                asked.group, asked.row, asked.value_dim, nearer(&reading, asked.group).id
            )));
        }
        notes.extend(from.notes.iter().chain(&to.notes).cloned());
        notes.extend(self.notes.iter().cloned());
    }
}

/// The ceiling whose heads are nearer to the ones asked about.
fn nearer<'l, 'a>(reading: &Reading<'l, 'a>, group: f64) -> &'l Rung<'a> {
    if reading.to.at - group < group - reading.from.at { reading.to } else { reading.from }
}

/// Query heads and widths, where it is attention to latents of f16 in such a pass.
fn extents(id: &CeilingId, pass: &AttentionPhase) -> Option<(u64, [u64; 2])> {
    match id.kind() {
        IdKind::Attention { cache, phase, extents: AttentionExtents::Latents { group, row, value_dim } } => {
            (cache.known() == Some(Dtype::F16) && phase == pass).then_some((*group, [*row, *value_dim]))
        }
        _ => None,
    }
}

/// FLOP/s with so many heads: the value of a prompt, the figure beside the value of a decode step, which has the same interval.
fn rung(ceiling: &Ceiling, group: u64) -> Result<Rung<'_>, String> {
    let unit = ceiling.id.unit();
    let (rate, doubts) = measured(ceiling, unit)?;
    let flops = if unit == Unit::GflopPerS { Some(rate[1]) } else { ceiling.figure(Unit::GflopPerS) };
    let flops = flops.ok_or_else(|| format!("{} does not say its GFLOP/s", ceiling.id))?;
    Ok(Rung::new(ceiling.id.as_str(), group as f64, rate.map(|end| end / rate[1] * flops * 1e9), doubts))
}
