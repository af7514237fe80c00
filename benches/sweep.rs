//! Points per second of sweeps: `cargo bench --bench sweep`.
//!
//! A point is a row: one phase of one model, used in one way, under both roofs of one profile, with its memory and its
//! potential. `evaluated` makes rows and drops them, on one thread and on two; `written` makes CSV of them.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rayon::prelude::*;
use roofprobe::evaluate::{Query, RoofKind};
use roofprobe::model::{self, Model, Phase, Workload};
use roofprobe::profile::Profile;
use roofprobe::report::{Format, Style, sweep::Sheet};
use roofprobe::store;
use roofprobe::sweep::{Over, Sweep};
use std::hint::black_box;

/// Settings that a thread works at together, as the program does.
const BLOCK: u64 = 256;
/// A dense model, one with experts, and a hybrid.
const MODELS: [&str; 3] = ["qwen2.5-1.5b", "qwen3-30b-a3b", "lfm2-1.2b"];
/// It has every matmul and attention that the achieved roof asks for.
const PROFILE: &str = "amd-epyc-zen4-2c";

fn sweep<'a>(models: &'a [Model], profiles: &'a [(&'a str, &'a Profile)], phases: &[Phase]) -> Sweep<'a> {
    let axes: Vec<Over> =
        ["context=256..65536+256", "batch=1..32"].iter().map(|over| over.parse().expect("an axis")).collect();
    let workload = Workload { generate: Some(128), ..Workload::default() };
    Sweep::new(models, profiles, Query::from(workload).by(RoofKind::Achieved), axes, phases.to_vec()).expect("a sweep")
}

/// All rows, block by block, each given to `take` with its number in the block.
fn all<T: Send>(
    sweep: &Sweep,
    threads: &rayon::ThreadPool,
    block: impl Fn(&roofprobe::sweep::Case, std::ops::Range<u64>) -> T + Sync,
) {
    sweep.with_case(0, |case| {
        let blocks = sweep.settings().div_ceil(BLOCK);
        threads.install(|| {
            (0..blocks).into_par_iter().for_each(|place| {
                let start = place * BLOCK;
                black_box(block(case, start..sweep.settings().min(start + BLOCK)));
            });
        });
    });
}

fn points(criterion: &mut Criterion) {
    let named = store::find(PROFILE).expect("a shipped profile");
    let profiles = [(PROFILE, &named.profile)];
    let usual = [Phase::Prefill, Phase::Decode];
    for name in MODELS {
        let models = [model::find(name).expect("a model of the zoo")];
        let sweep = sweep(&models, &profiles, &usual);
        let sheet = Sheet::new(&sweep, Style::default());
        let csv = Format::named("csv").expect("a format");
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(sweep.rows())).sample_size(10);
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            let rows = |case: &roofprobe::sweep::Case, places| {
                case.each_row(places, |row| {
                    black_box(row);
                });
            };
            group.bench_function(format!("evaluated/{threads}"), |b| b.iter(|| all(&sweep, &pool, rows)));
            let text = |case: &roofprobe::sweep::Case, places| csv.rows(&sheet, case, places).expect("text").len();
            group.bench_function(format!("written/{threads}"), |b| b.iter(|| all(&sweep, &pool, text)));
        }
        group.finish();
    }
}

criterion_group!(benches, points);
criterion_main!(benches);
