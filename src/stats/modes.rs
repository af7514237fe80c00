//! Modes: clusters of samples, of which the upper one is what the device can do.

use super::median;

/// Two clusters whose medians are closer than this (relative to the faster one) are one mode.
const MODE_DISTANCE_MIN: f64 = 0.08;
/// The upper cluster needs this many samples to be a mode rather than an accident; its value is then the second best at
/// least. No share of all samples is asked for: noise makes a pass slower and never faster, so that even a short fast mode
/// is what the device can do.
const MODE_SAMPLES_MIN: usize = 5;
/// Of few samples a quarter is enough, and no fewer than this,
const FEW_SAMPLES_MIN: usize = 3;
/// if they lie within this share of each other: slowed passes do not agree by chance.
const FEW_SPREAD_MAX: f64 = 0.02;
/// A lower cluster also needs this share of all samples; else it is stragglers, and not reported.
const LOWER_SHARE_MIN: f64 = 0.05;
/// The distance of two modes exceeds their own spreads together this many times.
const MODE_SEPARATION: f64 = 1.5;
/// A small fast mode above a broad slow one stands apart by a gap of at least this share of its slowest sample,
const GAP_MIN: f64 = 0.05;
/// and of this many times the mean distance of neighbours in the middle half of the samples.
const GAP_SPACINGS: f64 = 10.0;

/// The modes of sorted values: the lower ones, and the upper one. A lower cluster too small to be a mode (a few slow
/// stragglers) belongs to none.
pub(super) fn modes(sorted: &[f64]) -> (Vec<&[f64]>, &[f64]) {
    let least_lower = MODE_SAMPLES_MIN.max((sorted.len() as f64 * LOWER_SHARE_MIN).ceil() as usize);
    let (mut lower, mut upper) = (Vec::new(), sorted);
    while let Some((below, above)) = split(upper) {
        if below.len() >= least_lower {
            lower.push(below);
        }
        upper = above;
    }
    (lower, upper)
}

/// Cuts the upper mode off sorted values, if there is one.
fn split(sorted: &[f64]) -> Option<(&[f64], &[f64])> {
    let cut = two_means(sorted).or_else(|| upper_gap(sorted))?;
    let (lower, upper) = sorted.split_at(cut);
    (median(upper) - median(lower) >= MODE_DISTANCE_MIN * median(upper)).then_some((lower, upper))
}

/// The width of the middle half of sorted values: robust against the tails.
pub(super) fn spread(sorted: &[f64]) -> f64 {
    sorted[sorted.len() * 3 / 4] - sorted[sorted.len() / 4]
}

/// The cut of least squared deviation from two means (exact in one dimension), if the parts lie far enough apart for their
/// own width: modes of like weight.
fn two_means(sorted: &[f64]) -> Option<usize> {
    let n = sorted.len();
    // Least deviation within the parts is greatest distance between them: Σ(part)²/|part| summed over the parts.
    let total: f64 = sorted.iter().sum();
    let mut below = 0.0;
    let mut best: Option<(usize, f64)> = None;
    let upper_min = n.div_ceil(4).clamp(FEW_SAMPLES_MIN, MODE_SAMPLES_MIN);
    for cut in 1..(n + 1).saturating_sub(upper_min) {
        below += sorted[cut - 1];
        let above: f64 = total - below;
        let between = below * below / cut as f64 + above * above / (n - cut) as f64;
        if best.is_none_or(|(_, most)| between > most) {
            best = Some((cut, between));
        }
    }
    let cut = best?.0;
    let (lower, upper) = sorted.split_at(cut);
    let few = upper.len() < MODE_SAMPLES_MIN && upper[upper.len() - 1] - upper[0] > FEW_SPREAD_MAX * upper[0];
    let distance = median(upper) - median(lower);
    (!few
        && distance >= MODE_DISTANCE_MIN * median(upper)
        && distance >= MODE_SEPARATION * (spread(lower) + spread(upper)))
    .then_some(cut)
}

/// The widest gap in the upper half, if it is wide enough: a small fast mode above a broad slow one, whose tail would
/// outweigh it in [`two_means`].
fn upper_gap(sorted: &[f64]) -> Option<usize> {
    let n = sorted.len();
    let gap = |cut: usize| sorted[cut] - sorted[cut - 1];
    let cuts = (n / 2).max(1)..(n + 1).saturating_sub(MODE_SAMPLES_MIN);
    let cut = cuts.max_by(|&a, &b| gap(a).total_cmp(&gap(b)))?;
    let spacing = spread(sorted) / (n as f64 / 2.0);
    (gap(cut) >= GAP_MIN * sorted[cut] && gap(cut) >= GAP_SPACINGS * spacing).then_some(cut)
}
