//! Two roofs side by side, the formulas behind them, and the advice that follows.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::evaluate::{Evaluation, PhaseResult, Query, RoofKind, TOLERANCE, evaluate};
use roofprobe::model::{Phase, Runtime, Workload, find};
use roofprobe::profile::{Profile, parse};

/// A profile with measured matmuls and attention.
fn measured() -> Profile {
    parse(include_str!("../profiles/amd-epyc-zen4-2c.toml")).unwrap()
}

/// A profile of peaks alone.
fn plain() -> Profile {
    parse(include_str!("data/plain-cpu.toml")).unwrap()
}

fn run(name: &str, query: impl Into<Query>) -> Evaluation {
    evaluate(&find(name).unwrap(), &query.into(), &measured(), "zen4").unwrap()
}

fn phase(result: &Evaluation, phase: Phase) -> &PhaseResult {
    result.phases.iter().find(|p| p.phase == phase).unwrap()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

fn q4() -> Workload {
    Workload { weights: Some("q4_k_m".parse().unwrap()), ..Workload::default() }
}

#[test]
fn the_achieved_roof_is_the_rule_where_kernels_were_measured() {
    let result = run("qwen2.5-0.5b", q4());
    assert_eq!((result.roof, result.no_achieved_roof.as_deref()), (RoofKind::Achieved, None));
    let asked = run("qwen2.5-0.5b", Query::from(q4()).by(RoofKind::Peak));
    assert_eq!(asked.roof, RoofKind::Peak);
    for (one, other) in result.phases.iter().zip(&asked.phases) {
        assert_eq!(one.roofs, other.roofs, "both roofs are there, whichever is asked for");
        let [peak, achieved] = one.roofs.as_slice() else { panic!("{:?}", one.roofs) };
        assert_eq!((peak.roof, achieved.roof), (RoofKind::Peak, RoofKind::Achieved));
        assert_eq!((&one.speed, &other.speed), (achieved, peak));
        assert!(achieved.seconds > peak.seconds && achieved.overhead_seconds.unwrap() > 0.0);
        assert!(peak.overhead_seconds.is_none() && peak.seconds_optimistic.unwrap() <= peak.seconds);
    }
    assert_eq!(result.ttft_seconds, phase(&result, Phase::Prefill).speed.seconds);
    assert_eq!(result.tpot_seconds, phase(&result, Phase::Decode).speed.seconds);
}

#[test]
fn without_measured_kernels_the_peak_roof_is_left_and_the_reason_said() {
    let model = find("qwen2.5-0.5b").unwrap();
    let result = evaluate(&model, &q4().into(), &plain(), "plain").unwrap();
    assert_eq!(result.roof, RoofKind::Peak);
    assert!(result.no_achieved_roof.unwrap().contains("matmul"));
    assert!(result.phases.iter().all(|phase| phase.roofs.len() == 1));
    let asked = Query::from(q4()).by(RoofKind::Achieved);
    let message = evaluate(&model, &asked, &plain(), "plain").unwrap_err().to_string();
    assert!(message.contains("--roof") && message.contains("plain") && message.contains("matmul"), "{message}");
}

#[test]
fn times_of_operations_add_up_under_both_roofs() {
    for name in ["qwen2.5-0.5b", "olmoe-1b-7b", "deepseek-v2-lite", "lfm2-1.2b", "mamba2-2.7b"] {
        let workload = Workload { batch: 3, micro_batch: Some(96), ..q4() };
        let result = run(name, workload);
        for phase in &result.phases {
            let [peak, achieved] = phase.roofs.as_slice() else { panic!("{name}") };
            let sum = |of: fn(&roofprobe::evaluate::OpResult) -> f64| phase.ops.iter().map(of).sum::<f64>();
            assert!(close(sum(|op| op.seconds_peak), peak.seconds), "{name}");
            assert!(close(sum(|op| op.seconds_achieved.unwrap()), achieved.seconds), "{name}");
            assert!(close(sum(|op| op.share), 1.0), "{name}");
            let doubtful = |op: &&roofprobe::evaluate::OpResult| op.undecided;
            let undecided: f64 = phase.ops.iter().filter(doubtful).map(|op| op.seconds_peak).sum();
            assert!((undecided / peak.seconds - peak.undecided_share).abs() < 1e-12, "{name}");
            for speed in [peak, achieved] {
                let [low, high] = speed.tokens_per_s_interval.unwrap();
                assert!(low <= speed.tokens_per_s && speed.tokens_per_s <= high, "{name} {speed:?}");
            }
        }
    }
}

/// The whole number before `unit` in a line.
fn number_before(line: &str, unit: &str) -> u64 {
    let before = line.split_once(unit).unwrap().0;
    before.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn explanations_end_in_the_numbers_of_the_record() {
    for name in ["qwen2.5-0.5b", "olmoe-1b-7b", "deepseek-v2-lite", "mamba2-2.7b"] {
        let workload = Workload { generate: None, ..q4() };
        let result = run(name, Query { explain: true, ..workload.into() });
        for op in result.phases.iter().flat_map(|phase| &phase.ops) {
            let find = |start: &str| op.explanation.iter().find(|line| line.starts_with(start));
            assert!(op.explanation[0].starts_with(op.op), "{:?}", op.explanation);
            let flops = find("F = ").map_or(0, |line| number_before(line, " FLOP"));
            assert_eq!(flops, op.flops, "{name} {:?}", op.explanation);
            let bytes = find("Q = ").map_or(0, |line| {
                let (read, written) = line.split_once(" B read").unwrap();
                number_before(&format!("{read} B"), " B") + number_before(written, " B written")
            });
            assert_eq!(bytes, op.bytes, "{name} {:?}", op.explanation);
            assert_eq!(find("peak: ").is_some(), op.seconds_peak > 0.0);
            assert_eq!(find("achieved: ").is_some(), op.seconds_achieved.unwrap() > 0.0);
        }
        let silent = run(name, workload);
        assert!(silent.phases.iter().flat_map(|phase| &phase.ops).all(|op| op.explanation.is_empty()));
    }
}

#[test]
fn advice_holds_when_it_is_followed() {
    let query = Query { advise: true, ..q4().into() };
    for (name, roof) in [("qwen2.5-0.5b", RoofKind::Achieved), ("olmoe-1b-7b", RoofKind::Peak)] {
        let result = run(name, query.by(roof));
        let advice = result.advice.unwrap();
        let step = |batch: u64| {
            let result = run(name, Query::from(Workload { batch, ..q4() }).by(roof));
            phase(&result, Phase::Decode).speed.seconds
        };
        let free = advice.batch;
        assert!(
            !free.at_least && close(step(1), free.seconds_of_one) && close(step(free.count), free.seconds),
            "{name}"
        );
        assert!(step(free.count) <= TOLERANCE * step(1) && step(free.count + 1) > TOLERANCE * step(1), "{name}");
        assert!(close(free.tokens_per_s, free.count as f64 / free.seconds));
        assert!(advice.draft.count >= 1 && close(advice.draft.seconds_of_one, step(1)), "{name}");

        let fitting = advice.fitting_batch.unwrap();
        let fits = |batch: u64| run(name, Workload { batch, ..q4() }).fits.unwrap();
        assert!(fits(fitting) && !fits(fitting + 1), "{name} {fitting}");

        let speeds: Vec<f64> = advice.formats.iter().map(|format| format.decode_tokens_per_s).collect();
        assert!(speeds.len() >= 4 && speeds.is_sorted_by(|a, b| a >= b), "{name} {speeds:?}");
        for format in &advice.formats {
            let workload = Workload { weights: Some(format.weights.parse().unwrap()), ..q4() };
            let alone = run(name, Query::from(workload).by(roof));
            assert!(close(phase(&alone, Phase::Decode).speed.tokens_per_s, format.decode_tokens_per_s));
            assert!(close(phase(&alone, Phase::Prefill).speed.tokens_per_s, format.prefill_tokens_per_s));
            assert_eq!(phase(&alone, Phase::Decode).weight_bytes, format.bytes_per_token);
            assert_eq!(alone.memory_needed_bytes, format.memory_needed_bytes);
        }
        assert!(advice.fastest_because.starts_with(&advice.formats[0].weights));
    }
}

#[test]
fn no_arithmetic_is_free_because_nothing_is_read() {
    for runtime in Runtime::ALL {
        let workload = Workload { context: Some(100_000), runtime, ..Workload::default() };
        let result = run("deepseek-v2-lite", workload);
        for op in result.phases.iter().flat_map(|phase| &phase.ops).filter(|op| op.flops > 0) {
            // Modes of memory apart, no kernel beats the peak.
            assert!(op.seconds_achieved.unwrap() > 0.5 * op.seconds_peak, "{runtime} {op:?}");
        }
    }
    // Each token of a draft attends to the whole cache.
    let workload = Workload { context: Some(131_072), weights: Some("q4_0".parse().unwrap()), ..Workload::default() };
    let result = run("llama-3.1-8b", Query { advise: true, ..workload.into() });
    assert_eq!(result.advice.unwrap().draft.count, 1);
}

#[test]
fn activations_are_of_512_tokens_in_all() {
    let needed = |micro_batch| {
        let workload = Workload { batch: 64, micro_batch, ..Workload::default() };
        run("llama-3.1-8b", workload).memory_needed_bytes
    };
    assert_eq!(needed(None), needed(Some(512)));
    assert!(needed(Some(1024)) > needed(None));
}

#[test]
fn matrix_units_are_the_roof_where_they_are_the_faster_ones() {
    let text = include_str!("data/plain-gpu.toml");
    // The summary is derived from what is changed here.
    let (before, after) = (text.find("[summary]").unwrap(), text.find("[[ceiling]]").unwrap());
    let text = [&text[..before], &text[after..]].concat();
    let unsupported = "status = \"unsupported\"\nreason = \"the driver offers no cooperative matrices of f16\"";
    assert!(text.contains(unsupported));
    let model = find("qwen2.5-0.5b").unwrap();
    for (gflop, weights, faster) in
        [(800_000, "f16", 20.0), (800_000, "q8_0", 10.0), (800_000, "f32", 1.0), (30_000, "f16", 1.0)]
    {
        let measured = format!("status = \"measured\"\ngflop_per_s = {gflop}.0");
        let [without, with] = [text.clone(), text.replace(unsupported, &measured)].map(|text| parse(&text).unwrap());
        let workload = Workload { weights: Some(weights.parse().unwrap()), prompt: 4096, ..Workload::default() };
        let query = Query::from(workload).by(RoofKind::Peak);
        let [own, raised] = [&without, &with].map(|profile| evaluate(&model, &query, profile, "gpu").unwrap());
        let ratio = raised.ridge_flop_per_byte / own.ridge_flop_per_byte;
        assert!(close(ratio, faster), "{weights} {gflop}: {ratio}");
        let said = raised.notes.iter().any(|note| note.text.contains("matrix units"));
        // Attention over a cache of f16 is done by them, too.
        assert_eq!(said, faster > 1.0 || weights == "f32", "{weights} {gflop}");
    }
}

#[test]
fn formats_whose_products_were_not_measured_are_marked() {
    let profile = parse(include_str!("data/plain-gpu.toml")).unwrap();
    let query = Query { advise: true, ..q4().into() };
    let result = evaluate(&find("qwen2.5-0.5b").unwrap(), &query, &profile, "gpu").unwrap();
    let stand_ins = |weights: &str| {
        let formats = &result.advice.as_ref().unwrap().formats;
        formats.iter().find(|format| format.weights == weights).unwrap().stand_ins.clone()
    };
    // There is no shader for bf16, and there is one for f16.
    assert_eq!(stand_ins("bf16").len(), 1);
    assert!(stand_ins("bf16")[0].starts_with("bf16 by "), "{:?}", stand_ins("bf16"));
    assert_eq!(stand_ins("f16"), Vec::<String>::new());
}
