//! Configurations of quantised checkpoints: bytes counted by hand, and what is not understood refused by name.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::model::{Model, TensorTypes, Weights, parse_config};
use serde_json::{Value, json};

/// Two layers of 256 features, a vocabulary of 1000, head apart.
fn config(more: Value) -> Value {
    let mut keys = json!({"model_type": "llama", "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 1000, "tie_word_embeddings": false});
    keys.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    keys
}

fn model(more: Value) -> Model {
    parse_config(&config(more).to_string(), "m").unwrap()
}

fn refusal(more: Value) -> String {
    let message = parse_config(&config(more).to_string(), "m").unwrap_err().to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

/// The word of the layout and its bytes.
fn stored(model: &Model) -> (String, u64) {
    let types = TensorTypes::of(model, None).unwrap();
    (types.format, types.bytes)
}

/// Rows and columns of the matrices of one layer.
const MATRICES: [(u64, u64); 7] = [(256, 256), (128, 256), (128, 256), (256, 256), (512, 256), (512, 256), (256, 512)];
/// Embedding, head and norms with 16 bits: 2 × 1000 rows, 2 norms a layer and one behind them.
const REST: u64 = 2 * (2 * 1000 * 256 + 5 * 256);

fn by_hand(bytes: impl Fn(u64, u64) -> u64) -> u64 {
    2 * MATRICES.iter().map(|&(rows, columns)| bytes(rows, columns)).sum::<u64>() + REST
}

#[test]
fn bytes_are_those_of_the_block() {
    let block = |keys: Value| stored(&model(json!({ "quantization_config": keys })));
    let awq = json!({"quant_method": "awq", "bits": 4, "group_size": 64, "version": "gemm", "zero_point": true,
        "modules_to_not_convert": null});
    let four = |r: u64, c: u64| r * c / 2 + c / 64 * (2 * r + r / 2);
    assert_eq!(block(awq), ("awq-4bit-g64".to_owned(), by_hand(four)));

    let gptq = |bits: u32, group: i32| {
        json!({"quant_method": "gptq", "bits": bits, "group_size": group, "desc_act": true, "sym": false,
            "damp_percent": 0.1, "true_sequential": true, "model_file_base_name": "model", "dataset": ["a", "b"]})
    };
    let of =
        |bits: u64, group: u64| move |r: u64, c: u64| r * c * bits / 8 + c / group * (2 * r + r * bits / 8) + 4 * c;
    assert_eq!(block(gptq(4, 128)), ("gptq-4bit-g128".to_owned(), by_hand(of(4, 128))));
    assert_eq!(block(gptq(8, 32)), ("gptq-8bit-g32".to_owned(), by_hand(of(8, 32))));
    let whole_rows = by_hand(|r, c| r * c / 2 + 2 * r + r / 2 + 4 * c);
    assert_eq!(block(gptq(4, -1)), ("gptq-4bit-channel".to_owned(), whole_rows));

    let bits_and_bytes = |more: Value| {
        let mut keys = json!({"quant_method": "bitsandbytes", "_load_in_4bit": true, "bnb_4bit_compute_dtype": "bfloat16",
            "bnb_4bit_quant_storage": "uint8", "llm_int8_threshold": 6.0, "llm_int8_skip_modules": null});
        keys.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        block(keys)
    };
    let nf4 = json!({"load_in_4bit": true, "load_in_8bit": false, "bnb_4bit_quant_type": "nf4"});
    assert_eq!(bits_and_bytes(nf4), ("nf4".to_owned(), by_hand(|r, c| r * c / 2 + r * c / 64 * 4)));
    let double = json!({"load_in_4bit": true, "bnb_4bit_use_double_quant": true});
    let maxima = |r: u64, c: u64| r * c / 64 + (r * c / 64).div_ceil(256) * 4;
    assert_eq!(bits_and_bytes(double), ("nf4-double".to_owned(), by_hand(|r, c| r * c / 2 + maxima(r, c))));
    let eight = json!({"load_in_4bit": false, "load_in_8bit": true});
    assert_eq!(bits_and_bytes(eight), ("int8".to_owned(), by_hand(|r, c| r * c + 4 * r)));

    let fp8 =
        json!({"quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3", "weight_block_size": [128, 128]});
    assert_eq!(block(fp8), ("fp8-block".to_owned(), by_hand(|r, c| r * c + r / 128 * (c / 128) * 4)));
    let whole = json!({"quant_method": "fp8", "activation_scheme": "static", "ignored_layers": ["lm_head"]});
    assert_eq!(block(whole.clone()), ("fp8".to_owned(), by_hand(|r, c| r * c + 4)));
    let remarks = model(json!({ "quantization_config": whole })).source.remarks;
    assert!(remarks[0].contains("stored as fp8") && remarks[1].contains("activations"), "{remarks:?}");
}

#[test]
fn mlx_quantises_embedding_and_head_and_may_override_layers() {
    // 4 bits and two 16-bit numbers per group of 64 are 4.5 bits; norms have 16.
    let linear = MATRICES.iter().map(|(r, c)| r * c).sum::<u64>() * 2 + 2 * 1000 * 256;
    let block = json!({"group_size": 64, "bits": 4});
    let both = json!({"quantization": block, "quantization_config": block});
    let bytes = linear / 16 * 9 + 2 * 5 * 256;
    assert_eq!(stored(&model(both)), ("mlx-4bit-g64".to_owned(), bytes));
    let overridden = json!({"quantization": {"group_size": 64, "bits": 4, "mode": "affine",
        "model.layers.1.mlp.down_proj": {"group_size": 32, "bits": 8}, "model.embed_tokens": {"group_size": 64, "bits": 6},
        "lm_head": false}});
    // 8 + 32/32, 6 + 32/64 and 16 bits instead of 4.5.
    let more = (256 * 512 * 9 + 256_000 * 13 / 2 + 256_000 * 16 - (256 * 512 + 512_000) * 9 / 2) / 8;
    assert_eq!(stored(&model(overridden)).1, bytes + more);
    let microscaled = json!({"quantization": {"group_size": 32, "bits": 4, "mode": "mxfp4"}});
    assert_eq!(stored(&model(microscaled)), ("mxfp4".to_owned(), linear / 32 * 17 + 2 * 5 * 256));
}

#[test]
fn modules_that_are_left_out_keep_16_bits() {
    let skipping = |modules: Value| {
        let keys = json!({"quant_method": "bitsandbytes", "load_in_4bit": true, "llm_int8_skip_modules": modules});
        model(json!({ "quantization_config": keys }))
    };
    let all = stored(&skipping(json!(null))).1;
    let saved = |elements: u64| elements * 2 - elements / 2 - elements / 16;
    for (modules, elements) in [
        (json!(["lm_head", "multi_modal_projector", "model.layers.0.input_layernorm"]), 0),
        (json!(["model.layers.1.mlp"]), 3 * 256 * 512),
        (json!(["layers.1.mlp.down_proj", "model.layers.0.self_attn.q_proj"]), 256 * 512 + 256 * 256),
        (json!(["model.layers.*.self_attn"]), 2 * 3 * 256 * 256),
        (json!(["q_proj"]), 2 * 256 * 256),
        (json!(["model.layers.1"]), 3 * 256 * 256 + 3 * 256 * 512),
        (json!(["layers.11"]), 0),
    ] {
        let model = skipping(modules.clone());
        assert_eq!(stored(&model).1, all + saved(elements), "{modules}");
        let strange = model.source.remarks.iter().any(|remark| remark.contains("layers.11"));
        assert_eq!(strange, modules == json!(["layers.11"]), "{:?}", model.source.remarks);
    }
}

#[test]
fn experts_are_stored_as_their_makers_do() {
    let keys = json!({"model_type": "gpt_oss", "head_dim": 64, "hidden_size": 64, "intermediate_size": 64,
        "num_local_experts": 4, "num_experts_per_tok": 2, "quantization_config": {"quant_method": "mxfp4",
        "modules_to_not_convert": ["model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"]}});
    let model = model(keys);
    assert_eq!(
        model.source.remarks.iter().filter(|remark| remark.contains("mxfp4")).count(),
        1,
        "{:?}",
        model.source.remarks
    );
    let experts = 2 * 4 * 3 * 64 * 64;
    let half = TensorTypes::of(&model, Some("f16".parse().unwrap())).unwrap();
    let rest = model.parameters().unwrap() - experts;
    assert_eq!(stored(&model), ("mxfp4".to_owned(), experts / 32 * 17 + 2 * rest));
    // `--weights` wins.
    assert_eq!((half.format.as_str(), half.bytes > 2 * (rest + experts)), ("f16", true));
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    let with = |more: Value| {
        let mut keys = json!({"bits": 4, "group_size": 128});
        keys.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        refusal(json!({ "quantization_config": keys }))
    };
    let group = |weights: Value| json!({"quant_method": "compressed-tensors", "config_groups": {"g": {"targets": ["Linear"], "weights": weights}}});
    for (more, words) in [
        (json!({"quant_method": "vptq"}), "quant_method \"vptq\" is not supported (awq, gptq"),
        (json!({"quant_method": "compressed-tensors", "config_groups": {}}), "config_groups is empty"),
        (json!({"quant_method": "compressed-tensors"}), "config_groups is missing"),
        (group(json!({"num_bits": 9})), "num_bits must lie in 1..=8"),
        (group(json!({"num_bits": 4, "strategy": "row"})), "strategy \"row\" is not supported"),
        (group(json!({"num_bits": 8, "strategy": "block"})), "block_structure must be"),
        (
            json!({"quant_method": "compressed-tensors", "config_groups": {"g": {"weights": {"num_bits": 4, "group_size": 64}, "targets": ["re:("]}}}),
            "no regular expression",
        ),
        (
            json!({"quant_method": "compressed-tensors", "sparsity_config": {"format": "sparse-24-bitmask"}}),
            "sparsity_config",
        ),
        (json!({"quant_method": "modelopt", "quant_algo": "INT4_SVD"}), "quant_algo \"INT4_SVD\" is not supported"),
        (json!({"quant_method": "torchao", "quant_type": "uint1"}), "quant_type \"uint1\""),
        (json!({"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 3}}}), "nbits must be one of"),
        (json!({"quant_method": "exl3", "bits": 0.1}), "bits must lie"),
        (json!({"quant_method": "aqlm", "in_group_size": 5}), "in_group_size must be one of"),
        (json!({"quant_method": "auto-round", "packing_format": "auto_round:marlin"}), "packing_format"),
        (json!({"quant_method": 4}), "quant_method must be a string"),
        (json!({"quant_method": "gptq", "bits": 5}), "bits must be one of [2, 3, 4, 8], is 5"),
        (json!({"quant_method": "gptq", "group_size": 0}), "group_size must be"),
        (json!({"quant_method": "gptq", "dynamic": {"-:(": {}}}), "dynamic"),
        (json!({"quant_method": "gptq", "dynamic": {"q_proj": 3}}), "dynamic must hold objects"),
        (json!({"quant_method": "gptq", "checkpoint_format": "marlin"}), "\"marlin\""),
        (json!({"quant_method": "awq", "version": "gemv"}), "version \"gemv\""),
        (json!({"quant_method": "awq", "bits": "4"}), "bits must be one of [4]"),
        (json!({"quant_method": "awq", "modules_to_not_convert": "lm_head"}), "modules_to_not_convert must list"),
        (json!({"quant_method": "bitsandbytes"}), "load_in_4bit"),
        (json!({"quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "x"}), "\"x\""),
        (json!({"quant_method": "fp8", "weight_block_size": [128, 64]}), "weight_block_size"),
        (json!({"quant_method": "fp8", "ignored_layers": ["model.layers.0.mlp.experts.3.up_proj"]}), "single experts"),
        (json!({"quant_method": "fp8", "moe_quant_algo": "INT4"}), "moe_quant_algo \"INT4\""),
        (json!({"quant_method": "mxfp4"}), "llama has none"),
        (json!({"mode": "nvfp4"}), "mode \"nvfp4\""),
        (json!({"mode": "mxfp9"}), "mode \"mxfp9\""),
        (json!({"model.layers.0.mlp": 3}), "model.layers.0.mlp must be an object or false"),
    ] {
        let message = with(more);
        assert!(message.starts_with("quantization_config: ") && message.contains(words), "{words}: {message}");
    }
    let two = refusal(
        json!({"quantization": {"bits": 4, "group_size": 64}, "quantization_config": {"bits": 4, "group_size": 32}}),
    );
    assert!(two.contains("quantization_config: disagrees with quantization"), "{two}");
    assert!(refusal(json!({"quantization_config": {"bits": 4}})).contains("quant_method is missing"));
    assert!(refusal(json!({"quantization": 4})).contains("must be an object"));
    assert!(refusal(json!({"compression_config": {"format": "x"}})).contains("quantised"));
}

/// Rules of single modules: what a group, a pattern or a list names has bits of its own.
#[test]
fn modules_are_named_by_patterns_and_lists() {
    let stored = |block: Value| stored(&model(json!({ "quantization_config": block })));
    let four = |r: u64, c: u64| r * c / 2 + r * (c / 64) * 2 + 16;
    let eight = |r: u64, c: u64| r * c + 2 * r;
    let groups = |ignore: Value| {
        json!({"quant_method": "compressed-tensors", "format": "mixed-precision", "ignore": ignore, "config_groups": {
            "a": {"targets": ["Linear"], "format": "pack-quantized",
                "weights": {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 64, "symmetric": true}},
            "b": {"targets": ["re:.*down_proj$"], "format": "float-quantized",
                "weights": {"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": true},
                "input_activations": {"num_bits": 8, "dynamic": true}}}})
    };
    let down = 2 * eight(256, 512);
    let others: u64 = 2 * MATRICES[..6].iter().map(|&(r, c)| four(r, c)).sum::<u64>();
    assert_eq!(stored(groups(json!(["lm_head"]))), ("compressed-tensors-4bit-g64".to_owned(), others + down + REST));
    // An order, a name and wildcards.
    let queries = 2 * 256 * 256 - four(256, 256);
    assert_eq!(stored(groups(json!(["model.layers.1.self_attn.q_proj"]))).1, others + down + REST + queries);
    assert_eq!(stored(groups(json!(["re:model\\.layers\\.0\\.self_attn\\.q.*"]))).1, others + down + REST + queries);
    assert_eq!(stored(groups(json!(["*layers.0*q_proj"]))).1, others + down + REST + queries);

    let nvfp4 = |r: u64, c: u64| r * c / 2 + r * c / 16 + 8;
    let modelopt = json!({"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head", "model.layers.0.mlp*"],
        "config_groups": {"group_0": {"input_activations": {"dynamic": false, "num_bits": 4, "type": "float", "group_size": 16},
            "weights": {"dynamic": false, "num_bits": 4, "type": "float", "group_size": 16}, "targets": ["Linear"]}}});
    let kept: u64 = MATRICES[4..].iter().map(|&(r, c)| 2 * r * c - nvfp4(r, c)).sum();
    assert_eq!(stored(modelopt), ("modelopt-nvfp4-4bit-g16".to_owned(), by_hand(nvfp4) + kept));
    // Algorithms module by module: what is not listed is not quantised.
    let mixed = |more: Value| {
        let mut layers = json!({"model.layers.0.mlp.down_proj": {"quant_algo": "NVFP4", "group_size": 16},
            "model.layers.1.self_attn.q_proj": {"quant_algo": "MXFP8"}});
        layers.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "exclude_modules": ["lm_head"],
            "quantized_layers": layers})
    };
    let (queries, down) = (256 * 256 + 256 * 256 / 32, nvfp4(256, 512));
    let rest = by_hand(|r, c| 2 * r * c) - 2 * (256 * 256 + 256 * 512);
    assert_eq!(stored(mixed(json!({}))).1, rest + queries + down);
    let message = refusal(json!({"quantization_config": mixed(json!({"model.norm": {}}))}));
    assert!(message.contains("model.norm has no quant_algo"), "{message}");
    let old =
        json!({"quant_method": "modelopt", "quantization": {"quant_algo": "FP8", "exclude_modules": ["lm_head"]}});
    assert_eq!(stored(old), ("modelopt-fp8-8bit".to_owned(), by_hand(|r, c| r * c + 8)));

    let gptq =
        |dynamic: Value| stored(json!({"quant_method": "gptq", "bits": 4, "group_size": 128, "dynamic": dynamic})).1;
    let bytes = |bits: u64, r: u64, c: u64| r * c * bits / 8 + c / 128 * (2 * r + r * bits / 8) + 4 * c;
    let all = by_hand(|r, c| bytes(4, r, c));
    let gates = |bits: u64| bytes(bits, 512, 256);
    assert_eq!(gptq(json!({"-:.*layers\\.1\\..*gate_proj": {}})), all + 2 * 512 * 256 - gates(4));
    assert_eq!(gptq(json!({"+:.*gate_proj": {"bits": 8}})), all + 2 * (gates(8) - gates(4)));

    let exl3 = json!({"quant_method": "exl3", "bits": 3.0, "head_bits": 6});
    let head = 256 * 1000 * 6 / 8 + 2 * (256 + 1000) + 4;
    assert_eq!(stored(exl3).1, by_hand(|r, c| r * c * 3 / 8 + 2 * (r + c) + 4) + head - 2 * 256 * 1000);
}

#[test]
fn layouts_have_words() {
    for word in ["int8", "gptq-4bit-channel", "awq-4bit-channel"] {
        assert_eq!(word.parse::<Weights>().unwrap().to_string(), word);
    }
}

/// DeepSeek-V4's experts in FP4, or as modelopt converts them, beside matrices in FP8.
#[test]
fn experts_have_a_type_of_their_own_beside_fp8() {
    let of = |outer: Value, inner: Value| {
        let mut block = json!({"quant_method": "fp8", "fmt": "e4m3", "scale_fmt": "ue8m0",
            "activation_scheme": "dynamic", "weight_block_size": [128, 128]});
        block.as_object_mut().unwrap().extend(inner.as_object().unwrap().clone());
        let mut keys = json!({"model_type": "deepseek_v4", "num_key_value_heads": 1, "head_dim": 64, "q_lora_rank": 128,
            "qk_rope_head_dim": 16, "o_groups": 2, "o_lora_rank": 64, "sliding_window": 16, "compress_ratios": [0, 0],
            "num_hash_layers": 0, "n_routed_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 128,
            "quantization_config": block});
        keys.as_object_mut().unwrap().extend(outer.as_object().unwrap().clone());
        model(keys)
    };
    let square = |scale: u64| move |r: u64, c: u64| r * c + scale * r.div_ceil(128) * c.div_ceil(128);
    // Queries in two steps, keys, outputs in two steps; the shared expert.
    let mixer = [(128, 256), (256, 128), (64, 256), (128, 128), (256, 128)];
    let expert = [(128, 256), (128, 256), (256, 128)];
    let sum = |all: &[(u64, u64)], bytes: &dyn Fn(u64, u64) -> u64| all.iter().map(|&(r, c)| bytes(r, c)).sum::<u64>();
    // 8 experts in each of two layers, all other matrices in FP8, `rest` in 16 bits: what weighs the streams, too.
    let total = |rest: u64, experts: &dyn Fn(u64, u64) -> u64, others: &dyn Fn(u64, u64) -> u64| {
        2 * (sum(&mixer, others) + sum(&expert, others) + 8 * sum(&expert, experts)) + 2 * rest
    };
    let plain = of(json!({}), json!({}));
    let count = |r: u64, c: u64| r * c;
    let rest = plain.parameters().unwrap() - total(0, &count, &count);
    assert_eq!(rest, 517_897 + 2 * 2 * 24 * 1024 + 4 * 1024);
    assert_eq!(stored(&plain), ("fp8-block".to_owned(), total(rest, &square(4), &square(4))));
    assert_eq!(stored(&plain).1, 3_272_714);
    // Two elements of e2m1 in a byte, a scale of 8 bits for 32 of them; then those of squares have 8 bits, too.
    let fp4 = of(json!({"expert_dtype": "fp4"}), json!({}));
    assert_eq!(stored(&fp4).1, total(rest, &|r, c| r * c / 2 + r * c / 32, &square(1)));
    assert_eq!(stored(&fp4).1, 2_534_960);
    assert_eq!(stored(&of(json!({}), json!({"expert_dtype": "fp4"}))), stored(&fp4));
    // A scale of 8 bits for 16, and two numbers in f32 for each matrix.
    let nvfp4 = of(json!({"expert_dtype": "fp4"}), json!({"moe_quant_algo": "NVFP4"}));
    assert_eq!(stored(&nvfp4).1, total(rest, &|r, c| r * c / 2 + r * c / 16 + 8, &square(1)));
    assert_eq!(stored(&of(json!({"expert_dtype": "fp8"}), json!({}))), stored(&plain));
    assert!(
        fp4.source.remarks.iter().any(|r| r.contains("experts are stored as fp4-4bit-g32")),
        "{:?}",
        fp4.source.remarks
    );
}
