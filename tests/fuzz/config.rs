//! Damaged Hugging Face configurations.

use crate::harness::{Dice, Kind};
use crate::{text, tree, zoo};
use roofprobe::evaluate::{Query, evaluate};
use roofprobe::model::{Model, Runtime, Workload, parse_config};
use roofprobe::profile::{Profile, parse};
use serde_json::{Value, json};
use std::sync::LazyLock;

static PROFILE: LazyLock<Profile> = LazyLock::new(|| parse(include_str!("../data/plain-cpu.toml")).unwrap());

/// Keys and words that a reader knows, to be put where they are not expected.
static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let more = "layer_types sliding_window text_config quantization_config quantization num_local_experts head_dim \
                kv_lora_rank full_attention sliding_attention conv silu no_rope_layers mlp_only_layers moe_layer_freq \
                full_attn_idxs rope_parameters partial_rotary_factor bits group_size quant_method awq gptq fp8 mxfp4 \
                bitsandbytes load_in_4bit modules_to_not_convert weight_block_size architectures vocab_size unheard_of";
    let mut words: Vec<String> = more.split_whitespace().map(str::to_owned).collect();
    for seed in seeds() {
        let Value::Object(map) = serde_json::from_slice(&seed).unwrap() else { panic!("an object") };
        words.extend(map.keys().cloned());
        words.extend(map.get("model_type").and_then(Value::as_str).map(str::to_owned));
    }
    words.sort();
    words.dedup();
    words
});

/// The shipped models, and what they lack.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = zoo::files().iter().map(|file| zoo::config(file).to_string().into_bytes()).collect();
    let wrapped: Value = json!({"model_type": "gemma3", "architectures": ["Gemma3ForCausalLM"],
        "text_config": {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 7, "sliding_window": 1024,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "model_type": "gemma3_text"},
        "vision_config": {"hidden_size": 32}, "eos_token_id": [1, 106]});
    let tiny = |more: Value| {
        let mut keys = json!({"model_type": "llama", "hidden_size": 256, "intermediate_size": 512,
            "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 320});
        keys.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        keys
    };
    let layers = json!({"model_type": "qwen3", "use_sliding_window": true, "sliding_window": 16, "layer_types":
        ["full_attention", "sliding_attention", "full_attention", "sliding_attention"]});
    let quantised = [
        json!({"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": false, "lm_head": true}),
        json!({"quant_method": "awq", "bits": 4, "group_size": 64, "modules_to_not_convert": ["model.layers.1.mlp"]}),
        json!({"quant_method": "bitsandbytes", "load_in_4bit": true, "llm_int8_skip_modules": ["lm_head"]}),
        json!({"quant_method": "fp8", "weight_block_size": [128, 128], "ignored_layers": ["q_proj"]}),
        json!({"group_size": 64, "bits": 4, "model.layers.0.mlp.down_proj": {"group_size": 32, "bits": 8}}),
        json!({"quant_method": "compressed-tensors", "ignore": ["lm_head", "re:.*q_proj"], "format": "pack-quantized", "config_groups":
            {"g": {"targets": ["Linear"], "weights": {"num_bits": 4, "strategy": "group", "group_size": 64, "symmetric": false}}}}),
        json!({"quant_method": "modelopt", "quant_algo": "NVFP4", "exclude_modules": ["model.layers.0.*"]}),
        json!({"quant_method": "aqlm", "in_group_size": 8, "num_codebooks": 2, "nbits_per_codebook": 8}),
        json!({"quant_method": "exl3", "bits": 4.5, "head_bits": 6}),
        json!({"quant_method": "gptq", "bits": 4, "dynamic": {"-:.*mlp.*": {}, "+:.*[qk]_proj": {"bits": 8}}}),
    ];
    seeds.extend(quantised.map(|block| tiny(json!({ "quantization_config": block })).to_string().into_bytes()));
    seeds.extend([wrapped, tiny(layers)].map(|keys| keys.to_string().into_bytes()));
    seeds
}

fn damage(seed: &[u8], dice: &mut Dice) -> Vec<u8> {
    if dice.roll(4) == 0 {
        return text::damage(seed, dice);
    }
    let Ok(mut keys) = serde_json::from_slice::<Value>(seed) else { return text::damage(seed, dice) };
    tree::damage(&mut keys, &WORDS, dice);
    let bytes = tree::to_json(&keys);
    if bytes.len() < 1 << 20 { bytes } else { text::damage(seed, dice) }
}

fn survives(bytes: &[u8], dice: &mut Dice) -> usize {
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    match parse_config(text, "damaged") {
        Ok(model) => computes(&model, dice),
        Err(refusal) => {
            let message = refusal.to_string();
            assert!(message.lines().count() == 1 && message.len() < 4000, "{message}");
            0
        }
    }
}

/// Everything that can be computed of a model, in one of many ways of using it: 2, or 1 where that was refused.
pub(crate) fn computes(model: &Model, dice: &mut Dice) -> usize {
    let counted = (model.parameters(), model.parameters_active(), model.parameters_non_embedding());
    if let (Ok(all), Ok(active), Ok(inner)) = counted {
        assert!(all >= active && all > inner && active > 0, "{all} {active} {inner}");
    }
    drop(model.state_elements());
    let formats = [
        "f16",
        "q4_k_m",
        "q2_k",
        "q8_0",
        "pure:q4_0",
        "awq",
        "gptq-3bit-g32",
        "mlx",
        "nf4-double",
        "fp8-block",
        "mxfp4",
        "nvfp4",
        "iq3_xs",
    ];
    let format = (dice.roll(3) > 0).then(|| dice.one(&formats).parse().unwrap());
    let workload = Workload {
        weights: format,
        kv: *dice.one(&Workload::CACHES),
        runtime: *dice.one(&Runtime::ALL),
        batch: *dice.one(&[1, 8, 1 << 16]),
        cached: *dice.one(&[0, 100, 1 << 20]),
        context: *dice.one(&[None, Some(1), Some(1 << 24)]),
        ..Workload::default()
    };
    let query = Query { explain: true, ..workload.into() };
    let Ok(evaluation) = evaluate(model, &query, &PROFILE, "plain") else { return 1 };
    for phase in &evaluation.phases {
        let value = phase.speed.tokens_per_s;
        let [low, high] = phase.speed.tokens_per_s_interval.unwrap_or([value; 2]);
        let whole = phase.speed.seconds.is_finite()
            && phase.speed.seconds > 0.0
            && low <= phase.speed.tokens_per_s
            && phase.speed.tokens_per_s <= high;
        assert!(whole && phase.oi.is_finite(), "{phase:?}");
    }
    assert!(serde_json::to_string(&evaluation).unwrap().len() > 1000);
    2
}

fn kind() -> Kind {
    Kind { name: "config", seeds: seeds(), damage, survives }
}

#[test]
fn damaged_configs() {
    kind().briefly(1500);
}

#[test]
#[ignore = "takes ten minutes"]
fn config_at_length() {
    kind().at_length();
}
