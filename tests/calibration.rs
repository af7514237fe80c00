//! Laws of an engine's table: what is known is found again, what is not rests on defaults, and says so.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::calibrate::{self, Sample, fit};
use roofprobe::engine::{self, Basis, EngineTable, Part, PartKind, Tokens};
use roofprobe::evaluate::{NoteKind, Query, RoofKind, evaluate, evaluate_engine};
use roofprobe::model::{TensorType, find};
use roofprobe::{measured, store};

fn part(kind: PartKind, tokens: Tokens, stored: Option<&str>) -> Part {
    Part { kind, tokens, stored: stored.map(|name| TensorType::of_name(name).unwrap()) }
}

fn matmul(stored: &str, tokens: Tokens) -> Part {
    part(PartKind::Matmul, tokens, Some(stored))
}

fn attention() -> Part {
    part(PartKind::Attention, Tokens::Few, Some("f16"))
}

/// A run of an engine with these efficiencies, 4 µs for an operation and 50 µs for a pass.
fn run(parts: &[(Part, f64)], launches: f64, truth: impl Fn(&Part) -> f64) -> Sample {
    let kernels: f64 = parts.iter().map(|(part, seconds)| seconds / truth(part)).sum();
    let seconds = kernels + launches * 4e-6 + 50e-6;
    Sample { label: String::new(), parts: parts.to_vec(), launches, passes: 1.0, seconds }
}

fn value(table: &EngineTable, part: &Part) -> f64 {
    table.efficiency(part).unwrap().value
}

/// Five depths and two sizes: enough to tell products, attention and fixed costs apart.
fn runs(stored: &str, truth: impl Fn(&Part) -> f64 + Copy) -> Vec<Sample> {
    let sizes = [1e-3, 8e-3, 30e-3];
    let decode = sizes.iter().flat_map(|&size| {
        [0.0, 2e-4, 2e-3].map(|deep| run(&[(matmul(stored, Tokens::Few), size), (attention(), deep)], 300.0, truth))
    });
    let prompt = sizes.iter().map(|&size| run(&[(matmul(stored, Tokens::Many), 20.0 * size)], 300.0, truth));
    decode.chain(prompt).collect()
}

#[test]
fn what_runs_show_is_found_again() {
    let truth = |part: &Part| match (part.kind, part.tokens) {
        (PartKind::Attention, _) => 0.2,
        (_, Tokens::Few) => 0.85,
        (_, Tokens::Many) => 0.3,
    };
    let table = fit(&runs("q4_0", truth), None).unwrap();
    for (part, truth) in [(matmul("q4_0", Tokens::Few), 0.85), (matmul("q4_0", Tokens::Many), 0.3), (attention(), 0.2)]
    {
        let found = table.efficiency(&part).unwrap();
        assert!((found.value / truth).ln().abs() < 0.05, "{part}: {found:?}");
        assert!(found.ci95[0] <= truth && truth <= found.ci95[1], "{part}: {found:?}");
        assert_eq!(found.basis, Basis::Fitted, "{part}");
    }
    assert!((table.op.us / 4.0).ln().abs() < 0.4, "{:?}", table.op);
    table.validate().unwrap();
}

#[test]
fn a_disturbed_run_does_not_decide() {
    let truth = |part: &Part| if part.tokens == Tokens::Few { 0.8 } else { 0.4 };
    let mut runs = runs("q8_0", truth);
    let undisturbed = fit(&runs, None).unwrap();
    // The machine did something else for half of the time.
    runs.last_mut().unwrap().seconds *= 2.0;
    let disturbed = fit(&runs, None).unwrap();
    let many = matmul("q8_0", Tokens::Many);
    let moved = (value(&disturbed, &many) / value(&undisturbed, &many)).ln().abs();
    assert!(moved < 0.1, "{moved}");
}

/// A default in which q4_k reaches half of what q8_0 does. On a device where the engine's q8_0 is twice as good as there, q4_k moves
/// with it, without a run of its own; attention, of which there is none, stays.
#[test]
fn one_format_moves_its_like_and_nothing_else() {
    let there = |part: &Part| match (part.kind, part.stored.map(|stored| stored.to_string()).as_deref()) {
        (PartKind::Attention, _) => 0.2,
        (_, Some("q4_k")) => 0.2,
        _ => 0.4,
    };
    let both = [runs("q8_0", there), runs("q4_k", there)].concat();
    let default = fit(&both, None).unwrap();
    let here = |_: &Part| 0.8;
    let some: Vec<Sample> =
        [1e-3, 8e-3, 30e-3].map(|size| run(&[(matmul("q8_0", Tokens::Few), size)], 300.0, here)).to_vec();
    let table = fit(&some, Some(&default)).unwrap();
    let few = matmul("q4_k", Tokens::Few);
    let moved = value(&table, &few) / value(&default, &few);
    assert!(moved > 1.6 && moved < 2.2, "{moved}");
    assert_eq!(table.efficiency(&few).unwrap().basis, Basis::Shifted);
    assert_eq!(table.efficiency(&matmul("q8_0", Tokens::Few)).unwrap().basis, Basis::Fitted);
    for stays in [attention(), matmul("q4_k", Tokens::Many)] {
        assert!((value(&table, &stays) / value(&default, &stays) - 1.0).abs() < 0.02, "{stays}");
        assert_eq!(table.efficiency(&stays).unwrap().basis, Basis::Default, "{stays}");
    }
}

#[test]
fn a_table_is_written_and_read_again() {
    let table = fit(&runs("q4_0", |_| 0.5), None).unwrap();
    let text = engine::to_toml(&table).unwrap();
    assert_eq!(engine::parse(&text).unwrap(), table);
}

#[test]
fn shipped_tables_are_tables_of_the_engine_that_they_are_named_after() {
    for name in engine::SHIPPED_ENGINES {
        let table = engine::shipped(name).unwrap().unwrap();
        assert_eq!(table.engine, *name);
        assert!(table.runs > 0 && !table.efficiency.is_empty(), "{name}");
        // Nothing of it was fitted on the device that it is used on.
        assert!(table.efficiency.iter().all(|one| one.basis == Basis::Default), "{name}");
    }
    assert!(engine::shipped("no such engine").unwrap().is_none());
}

#[test]
fn impossible_tables_and_runs_are_refused() {
    let table = fit(&runs("q4_0", |_| 0.5), None).unwrap();
    let text = engine::to_toml(&table).unwrap();
    let value = format!("value = {}", table.efficiency[0].value);
    for (from, to, names) in [
        ("schema = 1", "schema = 2", "schema"),
        (value.as_str(), "value = 0.0", "efficiency[0]"),
        (value.as_str(), "value = nan", "efficiency[0]"),
        ("stored = \"f16\"", "stored = \"q9_z\"", ".stored"),
        ("residual", "residual_of", "residual"),
    ] {
        let wrong = text.replacen(from, to, 1);
        assert_ne!(wrong, text, "{from}");
        let error = engine::parse(&wrong).unwrap_err().to_string();
        assert!(error.contains(names), "{to}: {error}");
    }
    assert!(fit(&[], None).is_err());
    let mut timeless = runs("q4_0", |_| 0.5);
    timeless[0].seconds = 0.0;
    assert!(fit(&timeless, None).is_err());
}

/// A table in which every part reaches `share` of its kernel, and nothing else costs anything.
fn table_of(share: f64) -> EngineTable {
    let mut table = engine::shipped("llama.cpp").unwrap().unwrap();
    for one in &mut table.efficiency {
        (one.value, one.ci95) = (share, [share; 2]);
    }
    for fixed in [&mut table.op, &mut table.pass] {
        (fixed.us, fixed.ci95) = (0.0, [0.0; 2]);
    }
    table.residual = 0.0;
    table
}

#[test]
fn an_engine_of_half_the_rates_takes_twice_the_time() {
    let (model, profile) = (find("qwen2.5-0.5b").unwrap(), store::find("amd-epyc-zen4-2c").unwrap().profile);
    let tpot = |table: &EngineTable| {
        evaluate_engine(&model, &Query::default(), &profile, "zen4", Some(table)).unwrap().tpot_seconds
    };
    let (whole, half) = (tpot(&table_of(1.0)), tpot(&table_of(0.5)));
    assert!((half / whole - 2.0).abs() < 1e-9, "{}", half / whole);
    let kernels = evaluate(&model, &Query::default(), &profile, "zen4").unwrap().tpot_seconds;
    // Activations on the one side, barriers on the other.
    assert!((whole / kernels).ln().abs() < 0.1, "{whole} {kernels}");
}

#[test]
fn an_engine_has_its_own_headline_formats_and_doubts() {
    let (model, profile) = (find("llama-3.2-1b").unwrap(), store::find("amd-epyc-zen4-2c").unwrap().profile);
    let table = engine::shipped("llama.cpp").unwrap().unwrap();
    let query = Query { advise: true, ..Query::default() };
    let predicted = evaluate_engine(&model, &query, &profile, "zen4", Some(&table)).unwrap();
    assert_eq!(predicted.roof, RoofKind::Engine);
    assert_eq!(predicted.engine.as_ref().unwrap().name, "llama.cpp");
    let kernels = evaluate(&model, &query, &profile, "zen4").unwrap();
    assert!(predicted.tpot_seconds > kernels.tpot_seconds && predicted.ttft_seconds > kernels.ttft_seconds);
    for phase in &predicted.phases {
        let [low, high] = phase.speed.tokens_per_s_interval.unwrap();
        assert!(low < phase.speed.tokens_per_s && phase.speed.tokens_per_s < high);
    }
    let formats = |advice: &Option<roofprobe::evaluate::Advice>| advice.as_ref().unwrap().formats.len();
    assert_eq!(formats(&predicted.advice), formats(&kernels.advice));
    let doubts: Vec<_> = predicted.notes.iter().filter(|note| note.kind == NoteKind::Engine).collect();
    assert!(doubts.len() == 1 && doubts[0].to_string().contains("was fitted on AMD EPYC (Zen 5)"), "{doubts:?}");
}

/// Runs of llama-3.2-1b in q4_0 as a table of rates: a prompt of 512, and 64 decode steps behind it.
fn table_of_rates() -> Vec<measured::Measured> {
    let table = "engine,model,weights,prompt,generate,prefill_tokens_per_s,decode_tokens_per_s\n\
                 llama-bench,llama-3.2-1b,q4_0,512,64,200,30\n";
    measured::parse("a.csv", table).unwrap()
}

#[test]
fn parts_are_told_by_tokens_and_elementwise_work_has_its_traffic() {
    let (model, profile) = (find("llama-3.2-1b").unwrap(), store::find("amd-epyc-zen4-2c").unwrap().profile);
    let samples = calibrate::samples(
        &table_of_rates(),
        &[("llama-3.2-1b", &model)],
        ("zen4", &profile),
        engine::shipped("llama.cpp").unwrap().as_ref(),
    )
    .unwrap();
    let kinds = |at: usize, kind: PartKind| -> Vec<Tokens> {
        samples[at].parts.iter().filter(|(part, _)| part.kind == kind).map(|(part, _)| part.tokens).collect()
    };
    // One token of a prompt goes on behind the last attention, and to the head, which is stored otherwise.
    assert_eq!(kinds(0, PartKind::Matmul), [Tokens::Many, Tokens::Few, Tokens::Few]);
    assert!(kinds(1, PartKind::Matmul).iter().all(|tokens| *tokens == Tokens::Few));
    let elementwise: f64 = samples[0]
        .parts
        .iter()
        .filter(|(part, _)| part.kind == PartKind::Elementwise)
        .map(|(_, seconds)| seconds)
        .sum();
    // SwiGLU alone, but for the last layer, which goes on with one token: two rows in, one out, 8192 wide, f32.
    let read = profile.ceiling("memory.dram.read").unwrap().gb_per_s.unwrap() * 1e9;
    assert!(elementwise > 15.0 * 512.0 * 3.0 * 8192.0 * 4.0 / read, "{elementwise}");
}

/// What a table says of a run is the same in the fit and in an evaluation.
#[test]
fn the_fit_and_the_evaluation_reckon_alike() {
    let (model, profile) = (find("llama-3.2-1b").unwrap(), store::find("amd-epyc-zen4-2c").unwrap().profile);
    let (runs, models) = (table_of_rates(), [("llama-3.2-1b", &model)]);
    let samples =
        calibrate::samples(&runs, &models, ("zen4", &profile), engine::shipped("llama.cpp").unwrap().as_ref()).unwrap();
    let fitted = calibrate::calibrate("llama.cpp", &samples, &profile, None).unwrap();
    assert!(fitted.table.op.us > 1.0 && fitted.table.pass.us > 1.0 && samples.iter().all(|run| run.launches > 100.0));
    for (run, said) in runs.iter().zip(&fitted.runs) {
        let point = measured::join_engine(run, &model, &profile, "zen4", Some(&fitted.table)).unwrap();
        let predicted = run.passes.tokens() as f64 / point.verdict.unwrap().tokens_per_s_engine.unwrap();
        assert!((predicted / said.predicted_seconds - 1.0).abs() < 1e-9, "{predicted} {said:?}");
    }
}

#[test]
fn a_profile_without_kernels_fits_no_table() {
    let (model, profile) = (find("llama-3.2-1b").unwrap(), store::find("raspberry-pi-5-datasheet").unwrap().profile);
    let error = calibrate::samples(&table_of_rates(), &[("llama-3.2-1b", &model)], ("pi", &profile), None).unwrap_err();
    assert!(error.to_string().contains("no kernel was measured"), "{error}");
}

#[test]
fn attention_of_an_engine_goes_by_heads_and_rows_where_its_table_says_so() {
    let cost = engine::AttentionCost { heads: 3.0, elements: 32.0 };
    // A row that many heads share costs nothing more; a head of 64 elements as much as one of 96.
    assert_eq!([cost.factor(8.0, 64.0), cost.factor(3.0, 64.0), cost.factor(1.0, 64.0)], [1.5, 1.5, 4.5]);
    let (model, profile) = (find("llama-3.2-1b").unwrap(), store::find("amd-epyc-zen4-2c").unwrap().profile);
    let workload = roofprobe::model::Workload { context: Some(4096), ..roofprobe::model::Workload::default() };
    let seconds = |elements| {
        let mut table = engine::shipped("llama.cpp").unwrap().unwrap();
        table.attention = Some(engine::AttentionCost { heads: 1.0, elements });
        evaluate_engine(&model, &Query::from(workload), &profile, "zen4", Some(&table)).unwrap().tpot_seconds
    };
    // Four query heads share a row of 64 elements: each 64 elements more cost as much as the FLOPs alone.
    let [once, twice, thrice] = [0.0, 64.0, 128.0].map(seconds);
    assert!(twice > 1.05 * once && ((thrice - twice) / (twice - once) - 1.0).abs() < 1e-9, "{once} {twice} {thrice}");
}
