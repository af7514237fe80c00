//! Passes of a workload: micro-batches, rows left out in the last layer, verified drafts; and the demand that is asked for
//! all of them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::model::{
    Among, Class, Counted, Demand, Forward, Latents, Model, Phase, Reads, Runtime, Step, TensorType, TensorTypes,
    Totals, Weights, Workload, find, zoo,
};
use roofprobe_kernels::Op;

const F16: TensorType = TensorType::F16;

/// Dense, windows, experts, learned positions, short convolutions, states, latents.
const MODELS: [&str; 7] =
    ["llama-3.2-1b", "gemma-3-1b", "olmoe-1b-7b", "gpt2", "lfm2-1.2b", "mamba2-2.7b", "deepseek-v2-lite"];

fn steps(model: &Model, workload: &Workload) -> Vec<Step> {
    workload.runs(model, Phase::Prefill).unwrap().into_iter().flat_map(|run| run.steps).collect()
}

fn prefill(model: &Model, workload: &Workload) -> Totals {
    Totals::of(&steps(model, workload)).unwrap()
}

fn passes(model: &Model, workload: &Workload) -> Vec<(u64, u64, u64, u64)> {
    let forwards = workload.forwards(model, Phase::Prefill).unwrap();
    forwards.map(|(_, f)| (f.tokens, f.past, f.passes, f.logits)).collect()
}

#[test]
fn a_prompt_is_cut_into_full_chunks_and_a_rest() {
    let model = find("llama-3.2-1b").unwrap();
    let whole = Workload { prompt: 100, cached: 7, batch: 3, ..Workload::default() };
    let of = |micro_batch| passes(&model, &Workload { micro_batch: Some(micro_batch), ..whole });
    assert_eq!(passes(&model, &whole), [(100, 7, 1, 1)]);
    // 33 tokens of each of three sequences.
    assert_eq!(of(101), [(33, 7, 3, 0), (1, 106, 1, 1)]);
    assert_eq!(of(75), [(25, 7, 3, 0), (25, 82, 1, 1)]);
    assert_eq!(of(299), [(99, 7, 1, 0), (1, 106, 1, 1)]);
    assert_eq!(of(3), [(1, 7, 99, 0), (1, 106, 1, 1)]);
    for all in [300, u64::MAX] {
        assert_eq!(of(all), [(100, 7, 1, 1)]);
    }
    for few in [0, 2] {
        let refusal = Workload { micro_batch: Some(few), ..whole }.runs(&model, Phase::Prefill).unwrap_err();
        assert!(refusal.to_string().starts_with("--micro-batch: "), "{refusal}");
    }
}

#[test]
fn chunks_do_the_same_arithmetic_and_read_weights_again() {
    for name in MODELS {
        let model = find(name).unwrap();
        for (runtime, batch, cached) in [(Runtime::LlamaCpp, 1, 0), (Runtime::LlamaCpp, 2, 300)] {
            let workload = Workload { prompt: 700, batch, cached, runtime, ..Workload::default() };
            let whole = prefill(&model, &workload);
            let parts = prefill(&model, &Workload { micro_batch: Some(200 * batch + batch - 1), ..workload });
            assert_eq!((parts.flops, parts.vector_flops), (whole.flops, whole.vector_flops), "{name}");
            assert_eq!(parts.kv_write_bytes, whole.kv_write_bytes, "{name}");
            // 200, 200, 200 and 100 tokens.
            assert_eq!(parts.state_read_bytes, 4 * whole.state_read_bytes, "{name}");
            for class in [Class::AttnProj, Class::Ffn, Class::Router, Class::Shared, Class::Ssm] {
                assert_eq!(parts.weight_bytes.get(class), 4 * whole.weight_bytes.get(class), "{name} {class:?}");
            }
            assert_eq!(parts.weight_bytes.get(Class::LmHead), whole.weight_bytes.get(Class::LmHead), "{name}");
        }
    }
}

/// Chunk by chunk, each a forward of its own.
#[test]
fn chunks_are_what_they_are_one_by_one() {
    for name in MODELS {
        let model = find(name).unwrap();
        for runtime in Runtime::ALL {
            let workload = Workload { prompt: 700, cached: 90, micro_batch: Some(150), runtime, ..Workload::default() };
            let latents = workload.forwards(&model, Phase::Prefill).unwrap().next().unwrap().1.latents;
            let types = TensorTypes::of(&model, None).unwrap();
            let mut sum = Totals::default();
            for (past, tokens) in [(90, 150), (240, 150), (390, 150), (540, 150), (690, 100)] {
                let logits = u64::from(tokens == 100);
                let forward = Forward { tokens, past, logits, latents, ..Forward::ONE_TOKEN };
                for step in types.steps(&model, &forward, F16).unwrap() {
                    sum.add(&Counted::of(&step).unwrap());
                }
            }
            let whole = prefill(&model, &workload);
            let near = |a: f64, b: f64| (a - b).abs() <= 1e-12 * b;
            assert!(near(whole.expert_elements, sum.expert_elements), "{name}");
            if whole.expert_elements == 0.0 {
                assert_eq!(whole, sum, "{name} {runtime}");
            }
            assert_eq!(whole.flops, sum.flops, "{name} {runtime}");
            assert_eq!((whole.kv_read_bytes, whole.kv_write_bytes), (sum.kv_read_bytes, sum.kv_write_bytes));
        }
    }
}

#[test]
fn keys_of_earlier_chunks_are_read_again() {
    // 26 layers of one head of 256 for keys and for values; every sixth sees all, others 512 tokens.
    let model = find("gemma-3-1b").unwrap();
    let workload = Workload { prompt: 1000, micro_batch: Some(300), ..Workload::default() };
    let seen = |window: u64| -> u64 {
        let chunks = [0..300, 300..600, 600..900, 900..1000];
        chunks.map(|chunk| chunk.end - (chunk.start + 1_u64).saturating_sub(window)).iter().sum()
    };
    let expected = 2 * 256 * (22 * seen(512) + 4 * seen(u64::MAX));
    assert_eq!(prefill(&model, &workload).kv_read_elements, u128::from(expected));
}

/// Who keeps latents and expands them does so in every chunk for all that came before.
#[test]
fn earlier_latents_are_expanded_again() {
    let model = find("deepseek-v2-lite").unwrap();
    let workload = Workload { prompt: 512, ..Workload::default() };
    let of = |micro_batch| prefill(&model, &Workload { micro_batch, ..workload });
    let (whole, parts) = (of(None), of(Some(128)));
    // Latents of 512, 16 heads of 128 for keys and for values, 27 layers; 128 + 256 + 384 latents more than once each.
    let again = 2 * 512 * 16 * (128 + 128) * 27 * (128 + 256 + 384);
    assert_eq!(parts.flops.get(Class::AttnProj) - whole.flops.get(Class::AttnProj), again);
    assert_eq!(parts.flops.get(Class::AttnCore), whole.flops.get(Class::AttnCore));
}

#[test]
fn experts_are_expected_chunk_by_chunk() {
    let model = find("olmoe-1b-7b").unwrap();
    let workload = Workload { prompt: 10, micro_batch: Some(4), weights: Some(F16.into()), ..Workload::default() };
    let visited = |tokens| Reads::experts(64, 8, tokens).expected;
    let expected = 16.0 * (2.0 * visited(4) + visited(2)) * 3.0 * 2048.0 * 1024.0;
    let counted = prefill(&model, &workload).expert_elements;
    assert!((counted - expected).abs() < 1e-12 * expected, "{counted} {expected}");
}

#[test]
fn without_logits_there_is_no_head() {
    for name in MODELS {
        let model = find(name).unwrap();
        let of = |logits| model.forward(&Forward { tokens: 3, logits, ..Forward::ONE_TOKEN }).unwrap();
        let names = |logits| of(logits).iter().map(|step| step.name).collect::<Vec<_>>();
        let (none, one) = (names(0), names(1));
        assert_eq!(one[..none.len()], none, "{name}");
        assert!(!none.contains(&"output") && one.contains(&"output"), "{name}");
        assert!(of(0).iter().all(|step| step.shape.m > 0), "{name}");
    }
}

/// 16 layers of 2048 with a feed-forward of 8192; of q4_k_m the last layer has `ffn_down` in q6_k.
#[test]
fn a_dense_last_layer_goes_on_with_the_last_token() {
    let model = find("llama-3.2-1b").unwrap();
    let weights = Some("q4_k_m".parse().unwrap());
    let all = Workload { prompt: 512, batch: 2, weights, ..Workload::default() };
    let pruned = Workload { prune_last_layer: true, ..all };
    let of = |workload| prefill(&model, &workload);
    let matrices = 3 * 2048 * 8192;
    assert_eq!(of(all).flops.get(Class::Ffn), 2 * matrices * 16 * 1024);
    assert_eq!(of(pruned).flops.get(Class::Ffn), 2 * matrices * (15 * 1024 + 2));
    for class in [Class::AttnProj, Class::AttnCore, Class::LmHead] {
        assert_eq!(of(pruned).flops.get(class), of(all).flops.get(class), "{class:?}");
    }
    // Two residuals, one norm and the activation in the last layer, and the last norm.
    let spared = 1022 * ((2 + 4 + 4) * 2048 + 5 * 8192);
    assert_eq!(of(all).vector_flops - of(pruned).vector_flops, spared);
    // A token is enough to need all weights, but chunks without logits need none of the last feed-forward.
    assert_eq!(of(pruned).weight_bytes, of(all).weight_bytes);
    let last = 2048 * 8192 / 256 * (144 + 144 + 210);
    let chunks = |workload| of(Workload { micro_batch: Some(512), ..workload }).weight_bytes.get(Class::Ffn);
    assert_eq!(chunks(all) - chunks(pruned), last);
    let read = |step: &Step| (step.among, step.operand, step.repeat);
    let down: Vec<_> = steps(&model, &pruned).iter().filter(|step| step.name == "ffn_down").map(read).collect();
    let earlier = |kind, layers| (Among::Earlier, kind, layers);
    let (q4, q6) = (TensorType::Q4K, TensorType::Q6K);
    assert_eq!(down, [earlier(q6, 7), earlier(q4, 8), (Among::Last, q6, 1)]);
}

/// 16 layers of 2048, 8 of 64 experts of 1024 for each token.
#[test]
fn a_last_layer_of_experts_goes_on_with_the_last_token() {
    let model = find("olmoe-1b-7b").unwrap();
    let all = Workload { prompt: 100, weights: Some("q4_k_m".parse().unwrap()), ..Workload::default() };
    let pruned = prefill(&model, &Workload { prune_last_layer: true, ..all });
    let matrix = 2048 * 1024;
    assert_eq!(pruned.flops.get(Class::Expert), 2 * 3 * matrix * 8 * (15 * 100 + 1));
    assert_eq!(pruned.flops.get(Class::Router), 2 * 2048 * 64 * (15 * 100 + 1));
    let expected = (15.0 * Reads::experts(64, 8, 100).expected + 8.0) * 3.0 * matrix as f64;
    assert!((pruned.expert_elements - expected).abs() < 1e-12 * expected);
    // The last layer's token reads 8 experts, `down` of them in q6_k, and only if that chunk has logits.
    let workload = Workload { prune_last_layer: true, micro_batch: Some(50), ..all };
    let runs = workload.runs(&model, Phase::Prefill).unwrap();
    let last = |run: usize| runs[run].steps.iter().filter(|step| step.among == Among::Last);
    assert_eq!(last(0).count(), 0);
    let experts = Totals::of(last(1)).unwrap().weight_bytes.get(Class::Expert);
    assert_eq!(experts, 8 * matrix / 256 * (144 + 144 + 210));
}

#[test]
fn pruning_needs_rows_to_leave_out() {
    for name in MODELS {
        for model in [find(name).unwrap(), find(name).unwrap().with_layers(1).unwrap()] {
            let of = |forward: Forward| {
                let types = TensorTypes::of(&model, None).unwrap();
                Totals::of(&types.steps(&model, &forward, F16).unwrap()).unwrap()
            };
            for (tokens, logits) in [(1, 1), (5, 5)] {
                let forward = Forward { tokens, logits, past: 9, ..Forward::ONE_TOKEN };
                assert_eq!(of(Forward { pruned: true, ..forward }), of(forward), "{name}");
            }
            let forward = Forward { tokens: 5, past: 9, pruned: true, ..Forward::ONE_TOKEN };
            let (pruned, all) = (of(forward), of(Forward { pruned: false, ..forward }));
            assert!(pruned.vector_flops < all.vector_flops && pruned.flops.total() <= all.flops.total(), "{name}");
            assert_eq!(pruned.kv_read_bytes + pruned.kv_write_bytes, all.kv_read_bytes + all.kv_write_bytes, "{name}");
            assert_eq!(pruned.state_read_bytes, all.state_read_bytes, "{name}");
        }
    }
}

#[test]
fn a_verified_draft_judges_every_token() {
    let model = find("deepseek-v2-lite").unwrap();
    let workload = Workload { context: Some(1000), batch: 3, ..Workload::default() };
    let demand = Demand::new(&model, None, F16).unwrap();
    let mut steps = Vec::new();
    demand.steps_into(&workload.verification(&model, 1).unwrap(), &mut steps).unwrap();
    assert_eq!(steps, workload.runs(&model, Phase::Decode).unwrap()[0].steps);
    let five = workload.verification(&model, 5).unwrap();
    assert_eq!((five.past, five.logits, five.latents), (999, 5, Latents::Absorbed));
    demand.steps_into(&five, &mut steps).unwrap();
    let head = steps.iter().find(|step| step.name == "output").unwrap();
    assert_eq!(head.shape.m, 15);
    for tokens in [0, u64::MAX] {
        assert!(workload.verification(&model, tokens).is_err());
    }
}

/// What is resolved once is what is looked up each time.
#[test]
fn a_demand_answers_as_its_parts_do() {
    let mut kept = Vec::new();
    for model in zoo().unwrap() {
        for word in ["q4_k_m", "awq"] {
            let weights: Weights = word.parse().unwrap();
            let types = TensorTypes::of(&model, Some(weights)).unwrap();
            let demand = Demand::new(&model, Some(weights), F16).unwrap();
            for latents in [Latents::Expanded, Latents::Naive, Latents::Absorbed] {
                for (tokens, logits, pruned) in [(1, 1, true), (70, 1, false), (70, 1, true), (70, 0, true)] {
                    let forward =
                        Forward { tokens, logits, pruned, latents, past: 40, passes: 3, ..Forward::ONE_TOKEN };
                    demand.steps_into(&forward, &mut kept).unwrap();
                    assert_eq!(kept, types.steps(&model, &forward, F16).unwrap(), "{} {word}", model.name());
                    let mut each = Totals::default();
                    demand.each_counted(&forward, |counted| each.add(counted)).unwrap();
                    assert_eq!(each, Totals::of(&kept).unwrap(), "{} {word}", model.name());
                    types_are_whole(&model, &forward, &kept);
                }
            }
        }
    }
}

/// Types divide the executions of a step among them, and drop none.
fn types_are_whole(model: &Model, forward: &Forward, typed: &[Step]) {
    let executions = |steps: &[Step]| -> u64 {
        steps.iter().filter(|step| step.op == Op::Matmul && !step.name.starts_with("attn_k_b")).map(|s| s.repeat).sum()
    };
    let plain = model.forward(forward).unwrap();
    // An expansion stored in two stands once in the plan.
    let halves: u64 = typed.iter().filter(|step| step.name == "attn_v_b").map(|step| step.repeat).sum();
    let planned: u64 =
        plain.iter().filter(|step| step.name == "attn_v_b" || step.name == "attn_kv_b").map(|s| s.repeat).sum();
    assert!(halves == 0 || halves == planned, "{}", model.name());
    assert_eq!(executions(typed), executions(&plain), "{}", model.name());
}

#[test]
fn a_demand_is_for_its_own_types() {
    let model = find("llama-3.2-1b").unwrap();
    let demand = Demand::new(&model, None, F16).unwrap();
    let own = Workload::default();
    assert!(demand.runs(&own, Phase::Generation).is_ok());
    for other in [Workload { kv: TensorType::Q8_0, ..own }, Workload { weights: Some(F16.into()), ..own }] {
        let refusal = demand.runs(&other, Phase::Prefill).unwrap_err().to_string();
        assert!(refusal.starts_with("--weights, --kv: "), "{refusal}");
    }
    let absurd = Forward { past: u64::MAX, ..Forward::ONE_TOKEN };
    assert!(demand.each_counted(&absurd, |_| ()).is_err());
    assert!(demand.steps_into(&Forward { logits: 2, ..Forward::ONE_TOKEN }, &mut Vec::new()).is_err());
}
