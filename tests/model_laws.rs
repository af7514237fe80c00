//! Laws that any counting of a transformer must obey, whatever the model.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::model::{
    Class, Forward, Latents, Model, Phase, TensorType, TensorTypes, Totals, Workload, find, keys_read, parse_config,
    visible_pairs, zoo,
};
use roofprobe_kernels::{Dtype, Op};

fn totals(model: &Model, forward: &Forward) -> Totals {
    Totals::of(&model.forward(forward).unwrap()).unwrap()
}

fn phase(model: &Model, workload: &Workload, phase: Phase) -> Totals {
    let runs = workload.runs(model, phase).unwrap();
    Totals::of(runs.iter().flat_map(|run| &run.steps)).unwrap()
}

/// A small model; `more` adds or overrides keys.
fn small(more: &str) -> Model {
    let keys = r#""hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 6, "num_attention_heads": 4,
        "vocab_size": 320, "num_key_value_heads": 2"#;
    parse_config(&format!("{{\"model_type\": \"llama\", {keys}, {more}}}"), "small").unwrap()
}

fn sliding(window: u64) -> Model {
    small(&format!(
        r#""model_type": "qwen2", "use_sliding_window": true, "max_window_layers": 2, "sliding_window": {window}"#
    ))
}

/// Latents of 50 elements, keys of 20 and values of 18.
const LATENT: &str = r#""model_type": "minicpm3", "q_lora_rank": null, "kv_lora_rank": 40, "qk_nope_head_dim": 10,
    "qk_rope_head_dim": 10, "v_head_dim": 18"#;

const FULL: &str = r#""tie_word_embeddings": true"#;

#[test]
fn visible_pairs_equal_the_sum_taken_term_by_term() {
    for tokens in 0..20 {
        for past in 0..20 {
            for window in [None, Some(1), Some(2), Some(7), Some(19), Some(100)] {
                let seen = |position: u64| u128::from((position + 1).min(window.unwrap_or(u64::MAX)));
                let sum: u128 = (past..past + tokens).map(seen).sum();
                assert_eq!(visible_pairs(tokens, past, window), sum, "S({tokens}, {past}, {window:?})");
            }
        }
    }
    assert_eq!(visible_pairs(4096, 0, Some(512)), 1_966_336);
}

#[test]
fn keys_read_equal_the_keys_seen_by_any_query() {
    for tokens in 1..8_u64 {
        for past in 0..12_u64 {
            for passes in 0..5 {
                for window in [None, Some(1), Some(3), Some(9), Some(50)] {
                    let of_pass = |pass: u64| {
                        let first = past + pass * tokens;
                        // The first query sees the oldest key of all, the last one sees the newest.
                        let oldest = (first + 1).saturating_sub(window.unwrap_or(u64::MAX));
                        u128::from(first + tokens - oldest)
                    };
                    let sum: u128 = (0..passes).map(of_pass).sum();
                    assert_eq!(keys_read(tokens, past, passes, window), sum, "{tokens} {past} {passes} {window:?}");
                }
            }
        }
    }
}

#[test]
fn a_prefill_has_the_flops_of_its_chunks() {
    for model in [small(FULL), sliding(10), find("qwen3-0.6b").unwrap()] {
        let whole = Forward { tokens: 48, logits: 48, ..Forward::ONE_TOKEN };
        let sequence = totals(&model, &Forward { tokens: 16, logits: 16, passes: 3, ..whole });
        let chunks = [0, 16, 32].map(|past| totals(&model, &Forward { tokens: 16, past, logits: 16, ..whole }));
        let whole = totals(&model, &whole);
        for class in Class::ALL {
            let sum: u128 = chunks.iter().map(|chunk| chunk.flops.get(class)).sum();
            assert_eq!(whole.flops.get(class), sum, "{} {class:?}", model.name());
            assert_eq!(sequence.flops.get(class), sum, "{} {class:?}", model.name());
        }
        assert_eq!(whole.vector_flops, chunks.iter().map(|chunk| chunk.vector_flops).sum());
        assert_eq!(whole.kv_write_elements, chunks.iter().map(|chunk| chunk.kv_write_elements).sum());
        // The price of chunks: weights and earlier keys are read again.
        assert_eq!(sequence.kv_read_elements, chunks.iter().map(|chunk| chunk.kv_read_elements).sum());
        assert_eq!(sequence.weight_elements.get(Class::Ffn), 3 * whole.weight_elements.get(Class::Ffn));
    }
}

#[test]
fn a_generation_is_its_prefill_and_its_steps() {
    for model in [small(FULL), sliding(40), sliding(5)] {
        let workload = Workload { prompt: 30, generate: Some(25), batch: 3, ..Workload::default() };
        let whole = phase(&model, &workload, Phase::Generation);
        let mut parts = vec![phase(&model, &workload, Phase::Prefill)];
        // The first token comes with the prefill; the k-th decode step sees the prompt and k tokens.
        parts.extend((31..55).map(|n| phase(&model, &Workload { context: Some(n), ..workload }, Phase::Decode)));
        assert_eq!(parts.len(), 25);
        for class in Class::ALL {
            assert_eq!(whole.flops.get(class), parts.iter().map(|p| p.flops.get(class)).sum());
            assert_eq!(whole.weight_bytes.get(class), parts.iter().map(|p| p.weight_bytes.get(class)).sum());
        }
        assert_eq!(whole.vector_flops, parts.iter().map(|p| p.vector_flops).sum());
        assert_eq!(whole.kv_read_bytes, parts.iter().map(|p| p.kv_read_bytes).sum());
        assert_eq!(whole.kv_write_bytes, parts.iter().map(|p| p.kv_write_bytes).sum());
        assert_eq!(whole.act_elements, parts.iter().map(|p| p.act_elements).sum());
    }
}

#[test]
fn one_generated_token_is_the_prefill() {
    let (model, workload) = (small(FULL), Workload { generate: Some(1), ..Workload::default() });
    assert_eq!(phase(&model, &workload, Phase::Generation), phase(&model, &workload, Phase::Prefill));
}

#[test]
fn flops_are_linear_in_the_batch_and_weight_bytes_constant() {
    for model in zoo().unwrap() {
        let one = totals(&model, &Forward { tokens: 7, past: 100, ..Forward::ONE_TOKEN });
        let many = totals(&model, &Forward { tokens: 7, past: 100, batch: 13, ..Forward::ONE_TOKEN });
        assert_eq!(many.flops.total(), 13 * one.flops.total(), "{}", model.name());
        assert_eq!(many.vector_flops, 13 * one.vector_flops, "{}", model.name());
        assert_eq!(many.kv_read_bytes, 13 * one.kv_read_bytes, "{}", model.name());
        // Norms include the biases of experts, of which more tokens read more.
        let dense = one.expert_elements == 0.0;
        let classes = [Class::AttnProj, Class::Ffn, Class::Shared, Class::LmHead].into_iter();
        for class in classes.chain(dense.then_some(Class::Norm)) {
            assert_eq!(many.weight_bytes.get(class), one.weight_bytes.get(class), "{} {class:?}", model.name());
        }
    }
}

#[test]
fn embedding_rows_are_read_once_however_many_tokens() {
    let embed = |batch| {
        let read = totals(&small(FULL), &Forward { tokens: 100, batch, ..Forward::ONE_TOKEN });
        read.weight_elements.get(Class::Embed)
    };
    assert_eq!([embed(1), embed(3), embed(4)], [100 * 64, 300 * 64, 320 * 64]);
}

#[test]
fn grouped_queries_with_all_heads_are_multi_head_attention() {
    let forward = Forward { tokens: 9, past: 4, ..Forward::ONE_TOKEN };
    let grouped = small(r#""num_key_value_heads": 4"#);
    let multi_head = small(r#""num_key_value_heads": null"#);
    assert_eq!(grouped, multi_head);
    let counts = totals(&multi_head, &forward);
    // Six layers, four matrices of 64 × 64; scores and values over all heads make 4·H per visible pair.
    assert_eq!(counts.weight_elements.get(Class::AttnProj), 6 * 4 * 64 * 64);
    assert_eq!(counts.flops.get(Class::AttnCore), 6 * 4 * 64 * visible_pairs(9, 4, None));
    let shared = totals(&small(r#""num_key_value_heads": 1"#), &forward);
    assert_eq!(shared.flops.get(Class::AttnCore), counts.flops.get(Class::AttnCore));
    assert_eq!(4 * shared.kv_read_elements, counts.kv_read_elements);
}

#[test]
fn a_window_as_long_as_the_context_is_no_window() {
    let none = small(r#""model_type": "qwen2", "sliding_window": 5"#);
    for (tokens, past) in [(1, 0), (1, 63), (64, 0), (24, 40)] {
        let forward = Forward { tokens, past, ..Forward::ONE_TOKEN };
        assert_eq!(totals(&none, &forward), totals(&sliding(64), &forward));
    }
    let beyond = Forward { past: 64, ..Forward::ONE_TOKEN };
    assert!(totals(&sliding(64), &beyond).flops.total() < totals(&none, &beyond).flops.total());
}

#[test]
fn windows_bind_only_the_layers_that_slide() {
    let model = sliding(16);
    assert_eq!(model.shape.layers.iter().map(|layer| layer.count()).collect::<Vec<_>>(), [2, 4]);
    let counts = totals(&model, &Forward { past: 99, ..Forward::ONE_TOKEN });
    assert_eq!(counts.flops.get(Class::AttnCore), (2 * 100 + 4 * 16) * 4 * 64);
    assert_eq!(model.cached_elements(100, Latents::Naive), Ok((2 * 100 + 4 * 16) * 2 * 32));
}

#[test]
fn a_tied_head_is_stored_once_and_read_every_step() {
    let (tied, untied) = (small(FULL), small(r#""tie_word_embeddings": false"#));
    let table = 320 * 64;
    assert_eq!(untied.parameters().unwrap() - tied.parameters().unwrap(), table);
    assert_eq!(untied.parameters_non_embedding(), tied.parameters_non_embedding());
    assert_eq!(totals(&tied, &Forward::ONE_TOKEN), totals(&untied, &Forward::ONE_TOKEN));
    assert_eq!(totals(&tied, &Forward::ONE_TOKEN).weight_elements.get(Class::LmHead), u128::from(table));
}

#[test]
fn biases_and_norms_are_counted_where_the_family_has_them() {
    let base = small(FULL).parameters().unwrap();
    let more = |keys: &str| small(&format!("{FULL}, {keys}")).parameters().unwrap() - base;
    // Per layer: queries and output 64, keys and values 32 each; gate and up 96 each, down 64; heads of 16.
    assert_eq!(more(r#""attention_bias": true"#), 6 * (64 + 32 + 32 + 64));
    assert_eq!(more(r#""mlp_bias": true"#), 6 * (96 + 96 + 64));
    assert_eq!(more(r#""model_type": "qwen2""#), 6 * (64 + 32 + 32));
    assert_eq!(more(r#""model_type": "qwen3", "head_dim": null"#), 6 * (16 + 16));
    assert_eq!(more(r#""model_type": "mistral""#), 0);
}

#[test]
fn block_formats_count_their_scales_and_leave_norms_alone() {
    let model = find("qwen2.5-0.5b").unwrap();
    let read = |weights: Dtype| {
        let types = TensorTypes::of(&model, Some(weights.into())).unwrap();
        Totals::of(&types.steps(&model, &Forward::ONE_TOKEN, TensorType::F16).unwrap()).unwrap()
    };
    let (plain, blocks) = (read(Dtype::F32), read(Dtype::Q4_0));
    for class in [Class::AttnProj, Class::Ffn, Class::LmHead, Class::Embed] {
        // 18 bytes for 32 elements against 128.
        assert_eq!(blocks.weight_bytes.get(class) * 128, plain.weight_bytes.get(class) * 18, "{class:?}");
    }
    assert_eq!(blocks.weight_bytes.get(Class::Norm), plain.weight_bytes.get(Class::Norm));
}

/// Rows of weights that fit no block are kept in a larger type; rows of a cache have nothing to fall back to.
#[test]
fn a_cache_row_that_is_no_whole_number_of_blocks_names_its_key() {
    for (keys, latents, key) in [
        (r#""head_dim": 16"#, Latents::Naive, "head_dim"),
        (LATENT, Latents::Naive, "kv_lora_rank + qk_rope_head_dim"),
        (LATENT, Latents::Expanded, "qk_nope_head_dim + qk_rope_head_dim"),
    ] {
        let model = small(keys);
        let types = TensorTypes::of(&model, Some(Dtype::Q8_0.into())).unwrap();
        let forward = Forward { latents, ..Forward::ONE_TOKEN };
        let text = types.steps(&model, &forward, TensorType::Q8_0).unwrap_err().to_string();
        assert!(text.starts_with(&format!("{key}: ")) && text.contains("blocks of 32"), "{keys}: {text}");
        assert!(types.steps(&model, &forward, TensorType::F16).is_ok(), "{keys}");
    }
}

#[test]
fn workloads_beyond_their_limits_name_the_option() {
    let model = small(FULL);
    let ordinary = Workload::default();
    for (workload, option) in [
        (Workload { prompt: 0, ..ordinary }, "--prompt"),
        (Workload { prompt: u64::MAX, ..ordinary }, "--prompt"),
        (Workload { context: Some(0), ..ordinary }, "--context"),
        (Workload { generate: Some(0), ..ordinary }, "--generate"),
        (Workload { generate: Some(u64::MAX), ..ordinary }, "--generate"),
        (Workload { batch: 0, ..ordinary }, "--batch"),
        (Workload { weights: Some(Dtype::I8.into()), ..ordinary }, "--weights: no weights are stored as i8"),
        (Workload { kv: Dtype::F64.into(), ..ordinary }, "--kv: no cache is stored as f64"),
        (Workload { prompt: 1 << 24, batch: 1 << 16, ..ordinary }, "--batch"),
    ] {
        let text = workload.runs(&model, Phase::Prefill).unwrap_err().to_string();
        assert!(text.contains(option), "{text}");
    }
    let absurd = Forward { past: u64::MAX, passes: u64::MAX, batch: u64::MAX, ..Forward::ONE_TOKEN };
    assert!(model.forward(&absurd).is_err());
}

#[test]
fn hand_made_architectures_are_held_to_the_limits_too() {
    let mut model = small(FULL);
    model.shape.layers[0].places = (0..5000).collect();
    assert!(model.parameters().is_err());
    model.shape.layers.clear();
    assert!(model.parameters().is_err());
    let mut model = small(FULL);
    model.shape.hidden = u64::MAX;
    assert!(model.forward(&Forward::ONE_TOKEN).is_err());
}

#[test]
fn steps_say_what_the_table_of_operations_says() {
    let model = find("smollm2-135m").unwrap();
    for step in model.forward(&Forward { tokens: 5, ..Forward::ONE_TOKEN }).unwrap() {
        let once = step.op.cost(step.shape);
        assert_eq!(step.total().flops, once.flops * u128::from(step.repeat));
        assert_eq!(step.op == Op::Matmul || step.op == Op::Attention, once.flops > 0, "{}", step.name);
    }
}
