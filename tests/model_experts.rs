//! Laws of mixtures of experts and of latent attention.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::model::{
    Class, Forward, Latents, Model, Pass, Phase, Reads, Runtime, Step, TensorType, TensorTypes, Totals, Workload, find,
    parse_config,
};
use roofprobe_kernels::Dtype;
use serde_json::{Value, json};

fn model(keys: Value) -> Model {
    parse_config(&keys.to_string(), "small").unwrap()
}

fn steps(model: &Model, forward: &Forward) -> Vec<Step> {
    model.forward(forward).unwrap()
}

fn totals(model: &Model, forward: &Forward) -> Totals {
    Totals::of(&steps(model, forward)).unwrap()
}

fn mixture(experts: u64, used: u64) -> Model {
    model(json!({
        "model_type": "mixtral", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 320, "num_local_experts": experts,
        "num_experts_per_tok": used,
    }))
}

fn latent(changes: &[(&str, Value)]) -> Model {
    let mut keys = json!({
        "model_type": "deepseek_v2", "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3,
        "num_attention_heads": 4, "vocab_size": 320, "q_lora_rank": null, "kv_lora_rank": 32, "qk_nope_head_dim": 16,
        "qk_rope_head_dim": 8, "v_head_dim": 24, "n_routed_experts": 8, "num_experts_per_tok": 2,
        "n_shared_experts": 2, "moe_intermediate_size": 40, "first_k_dense_replace": 1,
    });
    for (key, value) in changes {
        keys[*key] = value.clone();
    }
    model(keys)
}

#[test]
fn expected_experts_grow_within_their_bounds() {
    for (experts, used) in [(1, 1), (8, 2), (60, 4), (128, 8), (7, 7)] {
        let mut before = 0.0;
        for tokens in 1..200 {
            let reads = Reads::experts(experts, used, tokens);
            assert!(reads.expected >= before, "{experts} {used} {tokens}");
            assert!(reads.least as f64 <= reads.expected && reads.expected <= reads.most as f64 + 1e-9, "{reads:?}");
            assert!(reads.most <= experts && reads.most <= tokens * used);
            before = reads.expected;
        }
        assert_eq!(Reads::experts(experts, used, 1).expected, used as f64);
    }
    // 128 experts, 8 for each of 8 tokens.
    assert!((Reads::experts(128, 8, 8).expected - 51.6).abs() < 0.05);
    assert_eq!(Reads::experts(7, 7, 100).expected, 7.0);
}

#[test]
fn a_mixture_counted_on_paper() {
    let model = mixture(8, 2);
    let expert = 3 * 64 * 96;
    let dense = 320 * 64 * 2 + 2 * (2 * 64 * 64 + 2 * 32 * 64 + 8 * 64 + 2 * 64) + 64;
    assert_eq!(model.parameters(), Ok(dense + 2 * 8 * expert));
    assert_eq!(model.parameters_active(), Ok(dense + 2 * 2 * expert));
    let one = totals(&model, &Forward::ONE_TOKEN);
    assert_eq!(one.flops.get(Class::Expert), u128::from(2 * 2 * 2 * expert));
    assert_eq!(one.flops.get(Class::Router), 2 * 2 * 8 * 64);
    // Two tokens: U = 8·(1 − (3/4)²) = 3.5 of them in each of two layers; 2 at least, 4 at most.
    let types = TensorTypes::of(&model, Some(Dtype::F16.into())).unwrap();
    let steps = types.steps(&model, &Forward { tokens: 2, ..Forward::ONE_TOKEN }, TensorType::F16).unwrap();
    let two = Totals::of(&steps).unwrap();
    assert_eq!(two.expert_elements, 2.0 * 3.5 * expert as f64);
    assert_eq!(two.weight_bytes.get(Class::Expert), u128::from(2 * 2 * expert) * 7 / 2);
    let apart = |bytes: u128| bytes - (two.weight_bytes.total() - two.weight_bytes.get(Class::Expert));
    assert_eq!(
        [apart(two.weight_bytes_least), apart(two.weight_bytes_most)],
        [2, 4].map(|n| 2 * n * 2 * u128::from(expert))
    );
}

#[test]
fn all_experts_used_are_one_dense_layer_and_a_router() {
    let (all, wide) = (
        mixture(4, 4),
        json!({
            "model_type": "llama", "hidden_size": 64, "intermediate_size": 4 * 96, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 320,
        }),
    );
    let wide = model(wide);
    for forward in [Forward::ONE_TOKEN, Forward { tokens: 9, past: 3, batch: 2, ..Forward::ONE_TOKEN }] {
        let (mixture, dense) = (totals(&all, &forward), totals(&wide, &forward));
        assert_eq!(mixture.flops.get(Class::Expert), dense.flops.get(Class::Ffn));
        assert_eq!(mixture.weight_elements.get(Class::Expert), dense.weight_elements.get(Class::Ffn));
        assert_eq!(mixture.flops.total() - mixture.flops.get(Class::Router), dense.flops.total());
    }
    assert_eq!(all.parameters().unwrap() - 2 * 4 * 64, wide.parameters().unwrap());
}

#[test]
fn dense_layers_come_first_and_shared_experts_are_always_read() {
    let model = latent(&[]);
    assert_eq!(model.shape.layers.iter().map(|layer| layer.places.clone()).collect::<Vec<_>>(), [vec![0], vec![1, 2]]);
    let counts = totals(&model, &Forward { tokens: 5, ..Forward::ONE_TOKEN });
    assert_eq!(counts.weight_elements.get(Class::Ffn), 3 * 64 * 96);
    assert_eq!(counts.weight_elements.get(Class::Shared), 2 * 3 * 64 * 80);
    assert_eq!(counts.flops.get(Class::Expert), 5 * 2 * 2 * 2 * 3 * 64 * 40);
    // No experts at all, said by null.
    let dense = latent(&[("n_routed_experts", json!(null))]);
    assert_eq!(dense.shape.layers.len(), 1);
    let kept = latent(&[("moe_layer_freq", json!(2))]);
    assert_eq!(kept.shape.layers.iter().map(|layer| layer.count()).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn three_ways_of_latent_attention() {
    let model = latent(&[]);
    let of = |latents, tokens, past| totals(&model, &Forward { tokens, past, latents, ..Forward::ONE_TOKEN });
    let [expanded, naive, absorbed] = [Latents::Expanded, Latents::Naive, Latents::Absorbed].map(|l| of(l, 1, 0));
    // Of one token without a past, all project alike.
    assert_eq!(naive.flops.get(Class::AttnProj), absorbed.flops.get(Class::AttnProj));
    assert_eq!(naive.flops, expanded.flops);
    // Per pair and head: 2·(16 + 8 + 24), and 2·(2·32 + 8) in the space of latents.
    assert_eq!(naive.flops.get(Class::AttnCore), 3 * 4 * 2 * 48);
    assert_eq!(absorbed.flops.get(Class::AttnCore), 3 * 4 * 2 * 72);
    // The weights are the same, in whatever order they are multiplied.
    assert_eq!(naive.weight_elements, absorbed.weight_elements);
    assert_eq!([naive, absorbed, expanded].map(|t| t.kv_write_elements), [3 * 40, 3 * 40, 3 * 4 * 48]);

    let [expanded, naive, absorbed] = [Latents::Expanded, Latents::Naive, Latents::Absorbed].map(|l| of(l, 1, 99));
    // Without a cache of keys and values, all hundred latents are expanded in every step.
    let kv_b = 2 * 3 * 32 * 4 * (16 + 24);
    assert_eq!(naive.flops.get(Class::AttnProj) - expanded.flops.get(Class::AttnProj), 99 * kv_b);
    assert_eq!(absorbed.flops.get(Class::AttnProj), expanded.flops.get(Class::AttnProj));
    assert_eq!([naive, absorbed].map(|t| t.kv_read_elements), [100 * 3 * 40; 2]);
    assert_eq!(expanded.kv_read_elements, 100 * 3 * 4 * 48);
    assert!(absorbed.flops.total() < naive.flops.total());
    // Over many new tokens, expansion pays.
    assert!(of(Latents::Naive, 100, 0).flops.total() < of(Latents::Absorbed, 100, 0).flops.total());
}

#[test]
fn steps_in_a_row_are_what_they_are_one_by_one() {
    for latents in [Latents::Expanded, Latents::Naive, Latents::Absorbed] {
        let model = latent(&[]);
        let one = |past| totals(&model, &Forward { past, latents, ..Forward::ONE_TOKEN });
        let all = totals(&model, &Forward { past: 7, passes: 5, latents, ..Forward::ONE_TOKEN });
        let parts: Vec<Totals> = (7..12).map(one).collect();
        for class in Class::ALL {
            assert_eq!(all.flops.get(class), parts.iter().map(|p| p.flops.get(class)).sum(), "{latents:?} {class:?}");
            assert_eq!(all.weight_bytes.get(class), parts.iter().map(|p| p.weight_bytes.get(class)).sum());
        }
        assert_eq!(all.kv_read_bytes, parts.iter().map(|p| p.kv_read_bytes).sum());
        assert_eq!(all.kv_write_bytes, parts.iter().map(|p| p.kv_write_bytes).sum());
    }
}

#[test]
fn the_crossover_of_expansion_and_absorption() {
    // Over a long past, expansion is cheaper from c·(dn + dv)/(2c − dn − dv) = 170.7 new tokens on.
    let model = find("deepseek-v2-lite").unwrap();
    let cost = |latents, tokens| {
        totals(&model, &Forward { tokens, past: 1 << 22, latents, ..Forward::ONE_TOKEN }).flops.total()
    };
    assert!(cost(Latents::Naive, 170) > cost(Latents::Absorbed, 170));
    assert!(cost(Latents::Naive, 171) < cost(Latents::Absorbed, 171));
}

#[test]
fn runtimes_differ_in_what_they_keep() {
    let kept = |name: &str, runtime: Runtime| {
        let model = find(name).unwrap();
        model.kv_elements_per_token(runtime.latents(&model, Pass::Decode)).unwrap()
    };
    let of = |name| Runtime::ALL.map(|runtime| kept(name, runtime));
    assert_eq!(of("deepseek-v2-lite"), [15_552; 3]);
    assert_eq!(of("plm-1.8b"), [163_840, 18_432, 18_432]);
    assert_eq!(of("minicpm3-4b"), [396_800, 17_856, 17_856]);
    assert_eq!(of("qwen3-0.6b"), [57_344; 3]);
    let decode = |runtime| {
        let workload = Workload { runtime, context: Some(4096), ..Workload::default() };
        let runs = workload.runs(&find("deepseek-v2-lite").unwrap(), Phase::Decode).unwrap();
        Totals::of(&runs[0].steps).unwrap().flops.total()
    };
    assert_eq!(decode(Runtime::LlamaCpp), decode(Runtime::Vllm));
    assert!(decode(Runtime::HuggingFace) > 10 * decode(Runtime::Vllm));
}
