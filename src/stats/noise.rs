//! Simulated noise with a known truth: how often the 95 % interval holds it. Seeded, so that every run is the same.
//!
//! A pass takes 12 ms. Scatter is 1 % (normal), half of its variance common to a visit. The truth is what [`estimate`] would
//! give for ever more samples of the device left alone: the 87.5 % quantile of its rates. docs/methodology.md has the table.

use super::interval::bootstrap;
use super::{estimate, fastest_quarter, modes::modes};
use roofprobe_kernels::reference::Random;

/// Rate of the device left alone.
const CEILING: f64 = 100.0;
const SCATTER: f64 = 0.01;
/// The 87.5 % quantile of the normal distribution.
const FASTEST_EIGHTH: f64 = 1.1503;
const RUNS: usize = 300;

/// What stands in the way.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Noise {
    Quiet,
    /// The device has two modes; the fast one has 10 to 60 % of the time, in spells of 3 s or 20 s.
    Bimodal,
    /// The clock swings by 2 % in 30 to 300 s.
    Drifting,
    /// Of 10 to 50 % of the passes time is stolen: 1.1 to 3 times as long.
    Stolen,
    /// Spells of 1 s or 5 s, 20 to 60 % of the time, in which passes take 1.05 to 2.5 times as long.
    Bursty,
}

/// When samples are taken: visits as quick and standard pay them, and singles between the others'.
#[derive(Clone, Copy, Debug)]
enum Taken {
    TwoVisitsOfFive,
    EightVisitsOfThree,
    Singles,
}

impl Taken {
    /// For each sample its visit and its time in seconds.
    fn times(self, random: &mut Random) -> Vec<(usize, f64)> {
        let (visits, samples, apart) = match self {
            Taken::TwoVisitsOfFive => (2, 5, 5.0),
            Taken::EightVisitsOfThree => (8, 3, 10.0),
            Taken::Singles => (112, 1, 0.7),
        };
        let visit = |v: usize| (v, apart * (v as f64 + 0.2 * unit(random)));
        let begins: Vec<(usize, f64)> = (0..visits).map(visit).collect();
        begins.into_iter().flat_map(|(v, begin)| (0..samples).map(move |i| (v, begin + 0.012 * i as f64))).collect()
    }
}

/// Uniform in 0 … 1.
fn unit(random: &mut Random) -> f64 {
    (random.signed_unit() + 1.0) / 2.0
}

fn between(random: &mut Random, low: f64, high: f64) -> f64 {
    low + (high - low) * unit(random)
}

/// Normal, near enough: the sum of twelve uniform ones.
fn normal(random: &mut Random) -> f64 {
    (0..12).map(|_| unit(random)).sum::<f64>() - 6.0
}

/// Which of `times` fall into spells of `mean` seconds (exponential) that have that share of all time.
fn spells(random: &mut Random, times: &[(usize, f64)], share: f64, mean: f64) -> Vec<bool> {
    let end = times.iter().fold(0.0, |end: f64, &(_, at)| end.max(at));
    let (mut within, mut at, mut inside) = (vec![false; times.len()], 0.0, unit(random) < share);
    while at <= end {
        let length = if inside { mean } else { mean * (1.0 - share) / share };
        let until = at - length * unit(random).max(1e-9).ln();
        for (sample, _) in times.iter().enumerate().filter(|&(_, &(_, t))| inside && at <= t && t < until) {
            within[sample] = true;
        }
        (at, inside) = (until, !inside);
    }
    within
}

/// One run: its rates, how many were not held up, and the truth.
fn run(noise: Noise, taken: Taken, random: &mut Random) -> (Vec<f64>, usize, f64) {
    let times = taken.times(random);
    let visits = times.last().map_or(0, |&(visit, _)| visit + 1);
    let common: Vec<f64> = (0..visits).map(|_| normal(random)).collect();
    let half = 0.5_f64.sqrt();
    let scattered = |&(visit, _): &(usize, f64)| SCATTER * half * (common[visit] + normal(random));
    let mut rates: Vec<f64> = times.iter().map(scattered).map(|s| CEILING * (1.0 + s)).collect();
    let mut free = vec![true; rates.len()];
    let mut truth = CEILING * (1.0 + FASTEST_EIGHTH * SCATTER);
    match noise {
        Noise::Quiet => {}
        Noise::Bimodal => {
            let (share, mean) = (between(random, 0.1, 0.6), if unit(random) < 0.5 { 3.0 } else { 20.0 });
            free = spells(random, &times, share, mean);
            rates.iter_mut().zip(&free).filter(|(_, free)| !**free).for_each(|(rate, _)| *rate *= 0.58);
        }
        Noise::Drifting => {
            let (period, phase) = (between(random, 30.0, 300.0), unit(random));
            let swing = |at: f64| 1.0 + 0.02 * (std::f64::consts::TAU * (at / period + phase)).sin();
            rates.iter_mut().zip(&times).for_each(|(rate, &(_, at))| *rate *= swing(at));
            // The 87.5 % quantile of sine and scatter together, from four million samples.
            truth = CEILING * 1.0209;
        }
        Noise::Stolen => {
            let share = between(random, 0.1, 0.5);
            free.iter_mut().for_each(|free| *free = unit(random) >= share);
            let held_up = rates.iter_mut().zip(&free).filter(|(_, free)| !**free);
            held_up.for_each(|(rate, _)| *rate /= between(random, 1.1, 3.0));
        }
        Noise::Bursty => {
            let (share, mean) = (between(random, 0.2, 0.6), if unit(random) < 0.5 { 1.0 } else { 5.0 });
            free = spells(random, &times, share, mean).into_iter().map(|within| !within).collect();
            let held_up = rates.iter_mut().zip(&free).filter(|(_, free)| !**free);
            held_up.for_each(|(rate, _)| *rate /= between(random, 1.05, 2.5));
        }
    }
    let free = free.into_iter().filter(|free| *free).count();
    (rates, free, truth)
}

/// Of the runs that met the device left alone in at least five samples: the share whose interval holds the truth, as if
/// samples were independent and as it is. And the same, as it is, of the others; NaN for none.
fn coverage(noise: Noise, taken: Taken) -> [f64; 3] {
    let mut random = Random::new(12);
    let (mut held, mut of) = ([0.0; 3], [0.0; 3]);
    for _ in 0..RUNS {
        let (rates, free, truth) = run(noise, taken, &mut random);
        let holds = |[low, high]: [f64; 2]| f64::from(u8::from(low <= truth && truth <= high));
        let mut sorted = rates.clone();
        sorted.sort_by(f64::total_cmp);
        let (_, upper) = modes(&sorted);
        let independent = holds(bootstrap(upper, fastest_quarter(upper.len())));
        let now = holds(estimate(&rates).unwrap().ci95);
        let cases = if free >= 5 { vec![(0, independent), (1, now)] } else { vec![(2, now)] };
        for (case, holds) in cases {
            (held[case], of[case]) = (held[case] + holds, of[case] + 1.0);
        }
    }
    std::array::from_fn(|case| held[case] / of[case])
}

const ALL: [Noise; 5] = [Noise::Quiet, Noise::Bimodal, Noise::Drifting, Noise::Stolen, Noise::Bursty];

#[test]
fn the_interval_holds_the_truth_where_the_run_met_it() {
    for noise in ALL {
        for (taken, least) in
            [(Taken::TwoVisitsOfFive, 0.90), (Taken::EightVisitsOfThree, 0.93), (Taken::Singles, 0.93)]
        {
            let [independent, now, _] = coverage(noise, taken);
            // Two visits within seconds are one point of a slow swing: only a longer run knows it.
            let least = if noise == Noise::Drifting { least - 0.2 } else { least };
            assert!(now >= least, "{noise:?} {taken:?}: {now}");
            if !matches!(taken, Taken::Singles) {
                assert!(independent < 0.8 && now > independent + 0.15, "{noise:?} {taken:?}: {independent} {now}");
            }
        }
    }
}

#[test]
fn a_mode_that_was_not_met_is_not_known() {
    let [_, _, unmet] = coverage(Noise::Bimodal, Taken::TwoVisitsOfFive);
    assert!(unmet < 0.1, "{unmet}");
    // Stolen passes are slowed each in its own way: the interval reaches to the fastest.
    let [_, _, unmet] = coverage(Noise::Stolen, Taken::TwoVisitsOfFive);
    assert!(unmet > 0.9, "{unmet}");
}
