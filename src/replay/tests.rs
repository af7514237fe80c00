//! A plan has what the census has: its operations as often, its bytes to the last one.

use super::*;
use crate::job::{Launch, Routine};
use crate::model::{Demand, Latents, Model, Pass, Phase, Runtime, TensorType, Weights, Workload, find, parse_config};
use crate::probe::tests::machine;
use roofprobe_kernels::Op;
use serde_json::json;

fn planned(model: &Model, workload: &Workload, phase: Phase) -> Plan {
    let demand = Demand::new(model, workload.weights, workload.kv).unwrap();
    plan(&demand, workload, phase, &machine(), None).unwrap()
}

fn weights(word: &str) -> Option<Weights> {
    Some(word.parse().unwrap())
}

/// Launches of products, of attention, and of all.
fn counts(plan: &Plan) -> [usize; 3] {
    let of = |wanted: fn(&Routine) -> bool| {
        plan.sequence.launches.iter().filter(|launch| wanted(&plan.sequence.routines[launch.routine])).count()
    };
    [
        of(|routine| matches!(routine, Routine::Matmul { .. } | Routine::Experts { .. })),
        of(|routine| matches!(routine, Routine::Attention { .. })),
        plan.sequence.launches.len(),
    ]
}

#[test]
fn a_dense_model_has_seven_products_a_layer_and_a_head() {
    let workload = Workload { context: Some(1000), weights: weights("q8_0"), ..Workload::default() };
    let plan = planned(&find("llama-3.2-1b").unwrap(), &workload, Phase::Decode);
    // 16 layers: norm, q, k, v, rope, append, attention, o, add, norm, gate, up, activation, down, add; embedding, norm, head.
    assert_eq!(counts(&plan), [16 * 7 + 1, 16, 16 * 15 + 3]);
    assert_eq!(plan.sequence.matrices.len(), 8);
    assert!(plan.sequence.matrices[..7].iter().all(|matrix| matrix.copies == 16));
    assert_eq!(plan.sequence.caches[0].tokens, 1000);
    assert!(plan.notes.is_empty(), "{:?}", plan.notes);
    // Every copy of every product is read once, in the order of the layers.
    let q = plan.steps.iter().position(|step| step.op == "attn_q").unwrap();
    let copies: Vec<u64> = plan.sequence.launches.iter().filter(|launch| launch.step == q).map(|l| l.copy).collect();
    assert_eq!(copies, (0..16).collect::<Vec<_>>());
}

/// Dense, grouped, shared and routed experts, latents, windows, convolutions, scans: what is moved is what is counted.
#[test]
fn bytes_are_those_of_the_census() {
    for name in ["llama-3.2-1b", "qwen2.5-0.5b", "gemma-3-1b", "olmoe-1b-7b", "lfm2-1.2b", "gpt2", "gemma-2-2b"] {
        let Ok(model) = find(name) else { panic!("{name}") };
        for (phase, word) in [(Phase::Decode, "f16"), (Phase::Decode, "q8_0"), (Phase::Prefill, "bf16")] {
            let workload =
                Workload { prompt: 1100, micro_batch: Some(512), weights: weights(word), ..Workload::default() };
            let plan = planned(&model, &workload, phase);
            for step in &plan.steps {
                let what = format!("{name} {word} {}", step.op);
                let per_token = matches!(step.stored_as.as_str(), "f16" | "bf16" | "f32" | "q8_0");
                assert!(per_token, "{what}: {}", step.stored_as);
                // Rows of weights beside the matrices are f32 here.
                if matches!(step.routine, "matmul" | "attention" | "append" | "state" | "gather") {
                    let difference = step.bytes.abs_diff(step.moved_bytes);
                    let rounded = if step.class == "expert" { step.launches } else { 0 };
                    assert!(difference <= rounded, "{what}: {} {}", step.bytes, step.moved_bytes);
                }
                assert!(step.launches > 0, "{what}");
            }
        }
    }
}

#[test]
fn each_layer_takes_its_own_type() {
    // llama-quantize's mixture stores some layers of a tensor in another type than the others.
    let workload = Workload { weights: weights("q4_k_m"), ..Workload::default() };
    let model = find("llama-3.2-1b").unwrap();
    let plan = planned(&model, &workload, Phase::Decode);
    let down: Vec<&PlannedStep> = plan.steps.iter().filter(|step| step.op == "ffn_down").collect();
    assert_eq!(down.len(), 2);
    assert_eq!(down.iter().map(|step| step.launches).sum::<u64>(), 16);
    for (place, step) in plan.steps.iter().enumerate().filter(|(_, step)| step.op == "ffn_down") {
        let copies: Vec<u64> = plan.sequence.launches.iter().filter(|l| l.step == place).map(|l| l.copy).collect();
        assert_eq!(copies, (0..step.launches).collect::<Vec<_>>());
    }
    assert_eq!(counts(&plan)[0], 16 * 7 + 1);
}

#[test]
fn a_prompt_in_parts_is_that_many_passes_over_the_same_weights() {
    let model = find("qwen2.5-0.5b").unwrap();
    let workload = Workload { prompt: 1200, micro_batch: Some(512), ..Workload::default() };
    let plan = planned(&model, &workload, Phase::Prefill);
    // Three parts; only the last one has a head.
    assert_eq!(counts(&plan)[..2], [3 * 24 * 7 + 1, 3 * 24]);
    assert_eq!(plan.sequence.matrices.len(), 8);
    let contexts: Vec<u64> = plan
        .sequence
        .routines
        .iter()
        .filter_map(|routine| match routine {
            Routine::Attention { variant, .. } => variant.keys().context,
            _ => None,
        })
        .collect();
    assert_eq!(contexts, [512, 1024, 1200]);
    assert_eq!(plan.sequence.caches[0].tokens, 1200);
}

#[test]
fn experts_are_drawn_and_latents_are_read_once() {
    let mixture = find("olmoe-1b-7b").unwrap();
    let workload = Workload { weights: weights("q4_0"), batch: 4, ..Workload::default() };
    let plan = planned(&mixture, &workload, Phase::Decode);
    let routed = plan.sequence.routines.iter().filter_map(|routine| match routine {
        Routine::Experts { matrix, tokens, experts, used, .. } => Some((*matrix, [*tokens, *experts, *used])),
        _ => None,
    });
    let routed: Vec<_> = routed.collect();
    assert_eq!(routed.len(), 3);
    for (matrix, drawn) in routed {
        assert_eq!(drawn, [4, 64, 8]);
        assert_eq!(plan.sequence.matrices[matrix].copies, 16 * 64);
    }
    let keys = json!({
        "model_type": "deepseek_v2", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3,
        "num_attention_heads": 4, "vocab_size": 320, "q_lora_rank": null, "kv_lora_rank": 32, "qk_nope_head_dim": 16,
        "qk_rope_head_dim": 16, "v_head_dim": 32, "n_routed_experts": 8, "num_experts_per_tok": 2,
        "n_shared_experts": 2, "moe_intermediate_size": 32, "first_k_dense_replace": 1,
    });
    let latent = parse_config(&keys.to_string(), "latent").unwrap();
    for runtime in Runtime::ALL {
        let workload = Workload { runtime, prompt: 70, weights: weights("f16"), ..Workload::default() };
        for phase in [Phase::Prefill, Phase::Decode] {
            let plan = planned(&latent, &workload, phase);
            assert_eq!(counts(&plan)[1], 3, "{runtime} {phase}");
            // In the absorbed form a row of latent and rotated key is key and value: so wide, and no other.
            let variants = plan.sequence.routines.iter().filter_map(|routine| match routine {
                Routine::Attention { variant, .. } => Some((variant.keys().head_dim, variant.keys().value_dim)),
                _ => None,
            });
            let pass = if phase == Phase::Decode { Pass::Decode } else { Pass::Prefill };
            let absorbed = runtime.latents(&latent, pass) == Latents::Absorbed;
            let widths = if absorbed { (Some(48), Some(32)) } else { (Some(32), None) };
            assert!(variants.into_iter().all(|variant| variant == widths), "{runtime} {phase}");
            assert!(plan.sequence.caches.iter().all(|cache| cache.shared == absorbed), "{runtime} {phase}");
            for step in plan.steps.iter().filter(|step| absorbed && step.routine == "attention") {
                assert_eq!(step.bytes, step.moved_bytes, "{runtime} {phase}");
            }
            assert!(!plan.notes.iter().any(|note| note.contains("replayed with")), "{:?}", plan.notes);
        }
    }
}

#[test]
fn types_without_kernels_are_named() {
    let workload = Workload { weights: weights("pure:q5_1"), kv: TensorType::Q8_0, ..Workload::default() };
    let plan = planned(&find("llama-3.2-1b").unwrap(), &workload, Phase::Decode);
    assert!(plan.notes.iter().any(|note| note.contains("q5_1") && note.contains("q4_0")), "{:?}", plan.notes);
    assert!(plan.notes.iter().any(|note| note.contains("cache in q8_0")), "{:?}", plan.notes);
}

#[test]
fn a_plan_without_end_is_refused() {
    let demand_of = |workload: &Workload| {
        let model = find("llama-3.2-1b").unwrap();
        let demand = Demand::new(&model, workload.weights, workload.kv).unwrap();
        plan(&demand, workload, Phase::Prefill, &machine(), None).map(|_| ())
    };
    let workload = Workload { prompt: 1 << 24, micro_batch: Some(1), ..Workload::default() };
    assert!(demand_of(&workload).unwrap_err().to_string().contains("--micro-batch"));
}

#[test]
fn times_are_set_beside_their_steps() {
    let model = find("qwen2.5-0.5b").unwrap();
    let workload = Workload::default();
    let plan = planned(&model, &workload, Phase::Decode);
    let each: Vec<f64> = (0..plan.steps.len()).map(|step| step as f64 * 1e-6).collect();
    let timed = Timed {
        passes: vec![0.02, 0.021, 0.019],
        stepped: vec![0.022; 3],
        steps: vec![each.clone(), each.clone(), each],
        disturbed: 1,
        verified: true,
        memory: None,
    };
    let phase = ReplayedPhase::of(&plan, &workload, &timed, None).unwrap();
    assert_eq!((phase.seconds, phase.passes, phase.tokens, phase.context), (0.02, 3, 1, 513));
    assert!((phase.tokens_per_s - 50.0).abs() < 1e-9 && phase.ratio.is_none());
    assert_eq!(phase.seconds_with_timers, Some(0.022));
    let (steps, groups): (f64, f64) =
        (phase.steps.iter().map(|step| step.time.share).sum(), phase.groups.iter().map(|group| group.time.share).sum());
    assert!((steps - 1.0).abs() < 1e-9 && (groups - 1.0).abs() < 1e-9);
    let launches: u64 = phase.groups.iter().map(|group| group.time.launches).sum();
    assert_eq!(launches, plan.sequence.launches.len() as u64);
    assert!(phase.groups.windows(2).all(|pair| pair[0].time.seconds >= pair[1].time.seconds));
    assert_eq!(ReplayedPhase::of(&plan, &workload, &Timed::default(), None), None);
    assert!(plan.sequence.launches.iter().all(|&Launch { step, .. }| step < plan.sequence.steps));
    let rope = plan.steps.iter().filter(|step| step.routine == Op::Rope.name());
    assert_eq!(rope.map(|step| step.launches).sum::<u64>(), 24);
}

#[test]
fn main_memory_is_read_where_weights_come_from_it() {
    let profile = crate::profile::parse(include_str!("../../profiles/amd-epyc-zen5-2c.toml")).unwrap();
    let caches: u64 = profile.device.caches.iter().map(|cache| cache.bytes * u64::from(cache.instances)).sum();
    assert_eq!(memory_read(&profile, 2 * caches), None);
    let (job, of_profile) = memory_read(&profile, 2 * caches + 1).unwrap();
    assert_eq!((job.to_string().starts_with("memory.dram.read/"), job.op), (true, Op::Read));
    let read = MemoryRead::of(&[of_profile * 1.3, of_profile * 1.2, of_profile * 1.1], of_profile).unwrap();
    assert!(read.gb_per_s == of_profile * 1.2 && !read.is_same());
    assert!(MemoryRead::of(&[of_profile * 0.95], of_profile).unwrap().is_same());
    assert_eq!(MemoryRead::of(&[], of_profile), None);
    // A profile without such a read, as of a GPU's.
    let gpu = crate::profile::parse(include_str!("../../profiles/nvidia-rtx-3090-datasheet.toml")).unwrap();
    assert_eq!(memory_read(&gpu, u64::MAX), None);
}
