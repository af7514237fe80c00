//! The most probable efficiencies and fixed costs, given runs and defaults.

use super::Sample;
use super::solve::Cholesky;
use crate::engine::{Basis, ENGINE_SCHEMA, Efficiency, EngineTable, Fixed, Part};
use crate::error::{Error, Result};
use std::collections::BTreeSet;

/// How far runs lie from any such model, in ln of time: noise between runs, and what parts leave out.
const NOISE: f64 = 0.05;
/// A run further away than so many times the noise was disturbed: its pull grows no more (Huber 1964).
const DISTURBED: f64 = 2.0;
/// How far what like parts have in common is expected from the default on another device, in ln.
const SHARED: f64 = 0.5;
/// How far a part's own efficiency is expected from its default besides, where there is a default of this part.
const OWN: f64 = 0.12;
/// The same where the default is that of a like part.
const BORROWED: f64 = 0.4;
/// Where nothing is known: half of the kernel's rate, within a factor of about two either way.
const UNKNOWN: (f64, f64) = (0.5, 0.7);
/// How far fixed costs are expected from their defaults, in ln.
const FIXED: f64 = 0.7;
/// Fixed costs where nothing is known, microseconds: for each operation, for each pass.
const FIXED_US: [f64; 2] = [3.0, 30.0];
/// A figure is fitted when runs took at least this share off the variance that it had before.
const LEARNED: f64 = 0.5;
/// Steps of Gauss and Newton: it ends long before where it ends at all.
const STEPS: usize = 60;
/// Two-sided 95 % of a normal distribution, in standard deviations.
const Z95: f64 = 1.96;

/// What the unknowns are: for each a prior in ln, and where it stands.
struct Unknowns {
    /// Every part that has an efficiency, in order.
    parts: Vec<Part>,
    /// ln of the default efficiency of each part.
    default: Vec<f64>,
    /// For each part, its group: like parts have a shift in common.
    group: Vec<usize>,
    groups: usize,
    /// Standard deviations of the priors, in the order of the unknowns: shifts of groups, own shifts, fixed costs.
    prior: Vec<f64>,
    /// ln of the default fixed costs, microseconds.
    fixed: [f64; 2],
}

impl Unknowns {
    fn of(samples: &[Sample], default: Option<&EngineTable>) -> Unknowns {
        let seen = samples.iter().flat_map(|sample| sample.parts.iter().map(|(part, _)| *part));
        let known = default.iter().flat_map(|table| table.efficiency.iter().filter_map(Efficiency::of_part));
        let parts: Vec<Part> = seen.chain(known).collect::<BTreeSet<_>>().into_iter().collect();
        let (mut heads, mut group): (Vec<Part>, Vec<usize>) = (Vec::new(), Vec::new());
        for part in &parts {
            let place = heads.iter().position(|head| head.is_like(part)).unwrap_or_else(|| {
                heads.push(*part);
                heads.len() - 1
            });
            group.push(place);
        }
        let prior_of = |part: &Part| match default.and_then(|table| table.efficiency(part)) {
            Some(found) if found.of_part() == Some(*part) => (found.value.ln(), OWN),
            Some(found) => (found.value.ln(), BORROWED),
            None => (UNKNOWN.0.ln(), UNKNOWN.1),
        };
        let (means, own): (Vec<f64>, Vec<f64>) = parts.iter().map(prior_of).unzip();
        let fixed = default.map_or(FIXED_US, |table| [table.op.us, table.pass.us]).map(|us| us.max(1e-3).ln());
        let groups = heads.len();
        let prior = std::iter::repeat_n(SHARED, groups).chain(own).chain([FIXED; 2]).collect();
        Unknowns { parts, default: means, group, groups, prior, fixed }
    }

    fn count(&self) -> usize {
        self.prior.len()
    }

    /// ln of the efficiency of the part at `place`.
    fn efficiency(&self, x: &[f64], place: usize) -> f64 {
        self.default[place] + x[self.group[place]] + x[self.groups + place]
    }

    /// ln of the fixed costs, microseconds.
    fn fixed(&self, x: &[f64]) -> [f64; 2] {
        let last = self.count() - 2;
        [self.fixed[0] + x[last], self.fixed[1] + x[last + 1]]
    }

    /// ln of the predicted seconds of a sample, and its derivatives by the unknowns.
    fn predict(&self, x: &[f64], sample: &Sample) -> (f64, Vec<f64>) {
        let mut slopes = vec![0.0; self.count()];
        let mut seconds = 0.0;
        for (part, kernels) in &sample.parts {
            let Ok(place) = self.parts.binary_search(part) else { continue };
            let own = kernels * (-self.efficiency(x, place)).exp();
            seconds += own;
            slopes[self.group[place]] -= own;
            slopes[self.groups + place] -= own;
        }
        let last = self.count() - 2;
        for (i, (count, us)) in [sample.launches, sample.passes].into_iter().zip(self.fixed(x)).enumerate() {
            let own = count * us.exp() * 1e-6;
            seconds += own;
            slopes[last + i] += own;
        }
        slopes.iter_mut().for_each(|slope| *slope /= seconds);
        (seconds.ln(), slopes)
    }

    /// The sum that is made least: squares of residuals and of distances from the priors.
    fn loss(&self, x: &[f64], samples: &[Sample]) -> f64 {
        let of_runs = samples.iter().map(|s| huber((s.seconds.ln() - self.predict(x, s).0) / NOISE));
        let of_prior = x.iter().zip(&self.prior).map(|(x, sd)| (x / sd).powi(2));
        of_runs.chain(of_prior).sum()
    }

    /// The normal equations at `x`: half of the curvature of the loss, and the step's right side.
    fn normal(&self, x: &[f64], samples: &[Sample]) -> (Vec<Vec<f64>>, Vec<f64>) {
        let n = self.count();
        let mut matrix = vec![vec![0.0; n]; n];
        let mut right: Vec<f64> = x.iter().zip(&self.prior).map(|(x, sd)| -x / (sd * sd)).collect();
        for (i, sd) in self.prior.iter().enumerate() {
            matrix[i][i] = 1.0 / (sd * sd);
        }
        for sample in samples {
            let (predicted, slopes) = self.predict(x, sample);
            let residual = sample.seconds.ln() - predicted;
            let weight = pull(residual / NOISE) / (NOISE * NOISE);
            for i in 0..n {
                right[i] += weight * slopes[i] * residual;
                for j in 0..n {
                    matrix[i][j] += weight * slopes[i] * slopes[j];
                }
            }
        }
        (matrix, right)
    }

    /// The most probable unknowns: Gauss and Newton, each step halved until it helps.
    fn solve(&self, samples: &[Sample]) -> Vec<f64> {
        let mut x = vec![0.0; self.count()];
        let mut loss = self.loss(&x, samples);
        for _ in 0..STEPS {
            let (matrix, right) = self.normal(&x, samples);
            let Some(factor) = Cholesky::of(&matrix) else { break };
            let step = factor.solve(&right);
            let shorter = (0..20).map(|halvings| 0.5_f64.powi(halvings));
            let tried =
                shorter.map(|share| x.iter().zip(&step).map(|(x, step)| x + share * step).collect::<Vec<f64>>());
            let Some(better) = tried.into_iter().find(|next| self.loss(next, samples) < loss) else { break };
            let gained = loss - self.loss(&better, samples);
            (loss, x) = (loss - gained, better);
            if gained < 1e-9 * (1.0 + loss) {
                break;
            }
        }
        x
    }

    /// The variance of the sum of some unknowns, before any run, and given the runs.
    fn variances(&self, after: &Cholesky, of: &[usize]) -> [f64; 2] {
        let mut sum = vec![0.0; self.count()];
        of.iter().for_each(|&i| sum[i] = 1.0);
        let solved = after.solve(&sum);
        [of.iter().map(|&i| self.prior[i].powi(2)).sum(), of.iter().map(|&i| solved[i]).sum()]
    }
}

/// Fits a table to `samples`, from `default` where there is one. Names and dates are the caller's.
///
/// # Errors
/// Misuse without samples, or with one that has no time.
pub fn fit(samples: &[Sample], default: Option<&EngineTable>) -> Result<EngineTable> {
    if let Some(wrong) = samples.iter().find(|s| !(s.seconds > 0.0 && s.seconds.is_finite())) {
        return Err(Error::misuse(format!("{}: took {} s", wrong.label, wrong.seconds)));
    }
    if samples.is_empty() {
        return Err(Error::misuse("there is no run to fit a table to"));
    }
    let unknowns = Unknowns::of(samples, default);
    let x = unknowns.solve(samples);
    let (matrix, _) = unknowns.normal(&x, samples);
    let after = Cholesky::of(&matrix).ok_or_else(|| Error::failure("the runs leave no probable table"))?;
    let efficiency = (0..unknowns.parts.len()).map(|place| efficiency(&unknowns, &x, &after, samples, place)).collect();
    let last = unknowns.count() - 2;
    let fixed = |i: usize| {
        let (us, [before, left]) = (unknowns.fixed(&x)[i].exp(), unknowns.variances(&after, &[last + i]));
        let basis = if left < (1.0 - LEARNED) * before { Basis::Fitted } else { Basis::Default };
        Fixed { us, ci95: ends(us, left), basis }
    };
    let residuals = samples.iter().map(|s| huber((s.seconds.ln() - unknowns.predict(&x, s).0) / NOISE));
    // What was fitted lies closer than what will be predicted.
    let residual = NOISE * (residuals.sum::<f64>() / samples.len() as f64).sqrt().max(1.0);
    Ok(EngineTable {
        schema: ENGINE_SCHEMA,
        engine: default.map_or_else(String::new, |table| table.engine.clone()),
        source: format!("{} runs", samples.len()),
        device: String::new(),
        profile_measured: None,
        fitted: None,
        runs: samples.len() as u64,
        residual,
        attention: default.and_then(|table| table.attention),
        op: fixed(0),
        pass: fixed(1),
        efficiency,
    })
}

fn efficiency(unknowns: &Unknowns, x: &[f64], after: &Cholesky, samples: &[Sample], place: usize) -> Efficiency {
    let part = unknowns.parts[place];
    let of = [unknowns.group[place], unknowns.groups + place];
    let [before, left] = unknowns.variances(after, &of);
    let [shared_before, shared_left] = unknowns.variances(after, &of[..1]);
    let is_seen = samples.iter().any(|sample| sample.parts.iter().any(|(other, _)| *other == part));
    let basis = if is_seen && left < (1.0 - LEARNED) * before {
        Basis::Fitted
    } else if shared_left < (1.0 - LEARNED) * shared_before {
        Basis::Shifted
    } else {
        Basis::Default
    };
    let value = unknowns.efficiency(x, place).exp();
    Efficiency {
        part: part.kind,
        tokens: part.tokens,
        stored: part.stored.map(|stored| stored.to_string()),
        value,
        ci95: ends(value, left),
        basis,
    }
}

/// The loss of a run that lies `z` times the noise away: its square, and far away straight.
fn huber(z: f64) -> f64 {
    if z.abs() <= DISTURBED { z * z } else { DISTURBED * (2.0 * z.abs() - DISTURBED) }
}

/// How much such a run counts.
fn pull(z: f64) -> f64 {
    if z.abs() <= DISTURBED { 1.0 } else { DISTURBED / z.abs() }
}

/// The 95 % interval of a value whose ln has that variance.
fn ends(value: f64, variance: f64) -> [f64; 2] {
    let factor = (Z95 * variance.max(0.0).sqrt()).exp();
    [value / factor, value * factor]
}

/// The seconds that a table predicts for a sample.
pub(super) fn predicted(table: &EngineTable, sample: &Sample) -> f64 {
    let parts = sample
        .parts
        .iter()
        .map(|(part, kernels)| kernels / table.efficiency(part).map_or(1.0, |efficiency| efficiency.value));
    parts.sum::<f64>() + 1e-6 * (sample.launches * table.op.us + sample.passes * table.pass.us)
}
