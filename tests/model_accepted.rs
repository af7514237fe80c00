//! Configurations as their publishers wrote them, keys that change nothing included: each is accepted with its exact total.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::model::{Model, parse_config};
use serde_json::{Value, json};

fn read(keys: &Value) -> Model {
    parse_config(&keys.to_string(), "published").unwrap_or_else(|e| panic!("{e}: {keys}"))
}

fn with(mut keys: Value, more: Value) -> Value {
    keys.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    keys
}

/// A shape in the usual words: width, feed-forward, layers, heads, key/value heads, vocabulary.
fn usual(family: &str, [hidden, width, layers, heads, kv_heads, vocabulary]: [u64; 6]) -> Value {
    json!({"model_type": family, "hidden_size": hidden, "intermediate_size": width, "num_hidden_layers": layers,
        "num_attention_heads": heads, "num_key_value_heads": kv_heads, "vocab_size": vocabulary})
}

fn llama_2_7b() -> Value {
    usual("llama", [4096, 11008, 32, 32, 32, 32000])
}

fn mixtral() -> Value {
    with(usual("mixtral", [4096, 14336, 32, 32, 8, 32000]), json!({"num_local_experts": 8, "num_experts_per_tok": 2}))
}

fn voxtral_text() -> Value {
    with(usual("llama", [3072, 8192, 30, 32, 8, 131_072]), json!({"head_dim": 128, "tie_word_embeddings": null}))
}

fn lfm2_text() -> Value {
    json!({"model_type": "lfm2", "hidden_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 32,
        "num_key_value_heads": 8, "vocab_size": 65536, "block_ff_dim": 12288, "block_auto_adjust_ff_dim": true,
        "block_ffn_dim_multiplier": 1.0, "block_multiple_of": 256, "conv_L_cache": 3,
        "full_attn_idxs": [2, 5, 8, 10, 12, 14]})
}

fn kimi_k2() -> Value {
    with(
        usual("kimi_k2", [7168, 18432, 61, 64, 64, 163_840]),
        json!({"architectures": ["DeepseekV3ForCausalLM"], "n_routed_experts": 384, "num_experts_per_tok": 8,
            "n_shared_experts": 1, "moe_intermediate_size": 2048, "first_k_dense_replace": 1, "moe_layer_freq": 1,
            "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
            "n_group": 1, "topk_group": 1, "topk_method": "noaux_tc", "num_nextn_predict_layers": 0, "seq_aux": true,
            "aux_loss_alpha": 0.001, "tie_word_embeddings": false}),
    )
}

fn falcon_7b() -> Value {
    json!({"model_type": "RefinedWebModel", "architectures": ["RWForCausalLM"], "hidden_size": 4544, "n_layer": 32,
        "n_head": 71, "vocab_size": 65024, "multi_query": true, "parallel_attn": true, "bias": false, "alibi": false,
        "apply_residual_connection_post_layernorm": false})
}

fn minicpm_2b() -> Value {
    let mut keys = usual("", [2304, 5760, 40, 36, 36, 122_753]);
    keys.as_object_mut().unwrap().remove("model_type");
    with(
        keys,
        json!({"architectures": ["MiniCPMForCausalLM"], "scale_emb": 12, "scale_depth": 1.4, "dim_model_base": 256}),
    )
}

/// Read whole, and without what was once refused: the totals are equal, and where one is published, that.
#[test]
fn harmless_keys_refuse_nothing() {
    let smollm2 = with(usual("llama", [576, 1536, 30, 9, 3, 49152]), json!({"tie_word_embeddings": true}));
    let tinyllama = usual("llama", [2048, 5632, 22, 32, 4, 32000]);
    let qwen3_coder = with(
        usual("qwen3_moe", [2048, 6144, 48, 32, 4, 151_936]),
        json!({"head_dim": 128, "num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768}),
    );
    let opt_13b = json!({"model_type": "opt", "hidden_size": 5120, "ffn_dim": 20480, "num_hidden_layers": 40,
        "num_attention_heads": 40, "vocab_size": 50272, "max_position_embeddings": 2048, "word_embed_proj_dim": 5120});
    let phi_1 = usual("phi", [2048, 8192, 24, 32, 32, 51200]);
    let mistral = usual("mistral", [4096, 14336, 32, 32, 8, 33152]);
    for (plain, more, total) in [
        (&smollm2, json!({"is_decoder": true}), Some(134_515_008)),
        (&tinyllama, json!({"is_decoder": true}), Some(1_100_048_384)),
        (&qwen3_coder, json!({"use_qk_norm": true}), Some(30_532_122_624)),
        (&opt_13b, json!({"output_projection": true}), Some(12_853_473_280)),
        (&mistral, json!({"document_attention": true}), None),
        (&llama_2_7b(), json!({"move_model_to_device": true}), Some(6_738_415_616)),
        (&llama_2_7b(), json!({"context_window_size": 2048}), Some(6_738_415_616)),
        (&mixtral(), json!({"moe_frequency": 1}), Some(46_702_792_704)),
        (&phi_1, json!({"attention_bias": false}), Some(1_418_270_720)),
        (
            &tinyllama,
            json!({"tensor_parallel": 4, "embedding_multiplier": 2, "scale_depth": 4, "fuse_norm": true,
                "keys_to_ignore_at_inference": ["past_key_values"], "neftune_noise_alpha": 5, "use_flashattn": true,
                "dual_chunk_attention_config": {"chunk_size": 262_144}}),
            None,
        ),
    ] {
        let (read, alone) = (read(&with(plain.clone(), more.clone())), read(plain));
        assert_eq!(read, alone, "{more}");
        assert!(total.is_none_or(|total| read.parameters() == Ok(total)), "{more}: {:?}", read.parameters());
    }
}

#[test]
fn families_by_their_other_names() {
    let distilgpt2 = json!({"architectures": ["GPT2LMHeadModel"], "n_embd": 768, "n_layer": 6, "n_head": 12,
        "n_positions": 1024, "n_ctx": 1024, "vocab_size": 50257});
    for (keys, family, total) in [
        (kimi_k2(), "deepseek_v3", 1_026_408_232_448),
        (falcon_7b(), "falcon", 6_921_720_704),
        (distilgpt2, "gpt2", 81_912_576),
        (minicpm_2b(), "minicpm", 2_724_880_896),
    ] {
        let model = read(&keys);
        assert_eq!((model.family().name(), model.parameters()), (family, Ok(total)));
        let missing = model.source.remarks.iter().any(|remark| remark.starts_with("model_type is missing"));
        assert_eq!(missing, keys.get("model_type").is_none(), "{:?}", model.source.remarks);
    }
}

#[test]
fn wrappers_are_their_language_model() {
    for (wrapper, text, part, total) in [
        ("voxtral", voxtral_text(), "audio_config", 4_014_136_320),
        ("lfm2_vl", lfm2_text(), "vision_config", 1_170_340_608),
    ] {
        let model = read(&json!({"model_type": wrapper, "text_config": text, part: {"hidden_size": 1280},
            "hidden_size": 9, "architectures": ["VoxtralForConditionalGeneration"]}));
        assert_eq!(model.parameters(), Ok(total), "{wrapper}");
        assert!(model.source.remarks.iter().any(|remark| remark.contains(wrapper)), "{:?}", model.source.remarks);
    }
}

/// Parts are written as what differs from their class's defaults, or stand beside the others; what is not counted is named.
#[test]
fn wrappers_name_what_they_hold() {
    let clip = json!({"model_type": "clip_vision_model", "hidden_size": 1024, "intermediate_size": 4096,
        "num_hidden_layers": 24, "image_size": 336, "patch_size": 14});
    let vicuna = json!({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 32064});
    let qwen2 = usual("qwen2_vl", [3584, 18944, 28, 28, 4, 152_064]);
    let pixtral = json!({"model_type": "pixtral"});
    let mistral =
        with(usual("mistral", [5120, 32768, 40, 32, 8, 131_072]), json!({"head_dim": 128, "sliding_window": null}));
    for (keys, words, total) in [
        (
            json!({"model_type": "llava", "text_config": vicuna, "vision_config": clip}),
            "llava is counted (text_config, a llama); not counted: vision_config (clip_vision_model, 303,507,456 parameters)",
            6_738_939_904,
        ),
        (
            with(
                qwen2,
                json!({"architectures": ["Qwen2VLForConditionalGeneration"], "vision_token_id": 3,
                    "vision_config": {"depth": 32, "embed_dim": 1280, "in_chans": 3, "hidden_size": 3584}}),
            ),
            "qwen2_vl is counted (a qwen2); not counted: vision_config (675,759,104 parameters)",
            7_615_616_512,
        ),
        (
            json!({"model_type": "mistral3", "text_config": mistral, "vision_config": pixtral}),
            "mistral3 is counted (text_config, a mistral); not counted: vision_config (pixtral, 403,489,792 parameters)",
            23_572_403_200,
        ),
        (
            json!({"model_type": "internvl_chat", "llm_config": llama_2_7b(), "vision_config": {"model_type": "x"}}),
            "internvl_chat is counted (llm_config, a llama); not counted: vision_config (x)",
            6_738_415_616,
        ),
        (
            json!({"model_type": "any_omni", "thinker_config": {"text_config": llama_2_7b()}, "talker_config": {}}),
            "any_omni is counted (thinker_config.text_config, a llama); not counted: its vision or audio parts",
            6_738_415_616,
        ),
    ] {
        let model = read(&keys);
        let remark = model.source.remarks.last().unwrap();
        assert_eq!(
            (remark.strip_prefix("only the language model of the multimodal "), model.parameters()),
            (Some(words), Ok(total))
        );
    }
}

/// Two answers to one question: the head counts as stored, but in the family whose code asks both.
#[test]
fn wrappers_that_contradict_their_part_about_the_head() {
    for (wrapper, outer, inner, tied) in [
        ("mistral3", true, false, false),
        ("qwen3_vl_moe", false, true, false),
        ("llava_onevision", false, true, true),
        ("llava", true, true, true),
    ] {
        let text = with(llama_2_7b(), json!({ "tie_word_embeddings": inner }));
        let model = read(&json!({"model_type": wrapper, "text_config": text, "tie_word_embeddings": outer}));
        assert_eq!(model.shape.tied, tied, "{wrapper}");
        let said = model.source.remarks.iter().any(|remark| remark.contains("tie_word_embeddings is"));
        assert_eq!(said, outer != inner, "{wrapper}");
    }
}

/// The class is the code; with code of its own, a class of that name may be another.
#[test]
fn an_unknown_word_with_a_known_class() {
    let keys = with(usual("yi_like", [4096, 11008, 32, 32, 32, 32000]), json!({"architectures": ["LlamaForCausalLM"]}));
    let model = read(&keys);
    assert_eq!((model.family().name(), model.parameters()), ("llama", Ok(6_738_415_616)));
    assert!(model.source.remarks[0].starts_with("model_type \"yi_like\" is unknown, and taken to be llama"));
    let own = with(keys, json!({"auto_map": {"AutoModelForCausalLM": "modeling.LlamaForCausalLM"}}));
    let message = parse_config(&own.to_string(), "m").unwrap_err().to_string();
    assert!(message.starts_with("model_type: \"yi_like\" is not supported; its class is called as that of llama: set"));
}

/// Keys that real files of 2026 leave out, or have beside.
#[test]
fn what_lists_and_halves_state() {
    let words = ["full_attention", "sliding_attention"].repeat(3);
    let listed = with(usual("olmo3", [64, 96, 9, 4, 4, 320]), json!({"layer_types": words, "sliding_window": 8}));
    let mut unstated = listed.clone();
    unstated.as_object_mut().unwrap().remove("num_hidden_layers");
    assert_eq!(read(&unstated).layer_count(), 6);
    assert!(parse_config(&listed.to_string(), "m").unwrap_err().to_string().starts_with("layer_types: lists 6 layers"));
    // Nothing is rotated there, not even all of it.
    let gpt2 = json!({"model_type": "gpt2", "partial_rotary_factor": 1.0});
    assert_eq!(read(&gpt2).parameters(), Ok(124_439_808));
    let mimo = with(
        usual("mimo", [4096, 11008, 36, 32, 8, 151_680]),
        json!({"head_dim": 128, "attention_bias": true, "num_nextn_predict_layers": 1, "use_sliding_window": false}),
    );
    assert_eq!(read(&mimo).parameters(), Ok(7_622_619_136));
}

/// First releases, whose code came with the weights: totals are those of the published checkpoints.
#[test]
fn families_before_they_had_a_class_in_transformers() {
    let chatglm = json!({"model_type": "chatglm", "architectures": ["ChatGLMModel"], "add_bias_linear": false,
        "add_qkv_bias": true, "apply_residual_connection_post_layernorm": false, "ffn_hidden_size": 13696,
        "fp32_residual_connection": false, "hidden_size": 4096, "kv_channels": 128, "multi_query_attention": true,
        "multi_query_group_num": 2, "num_attention_heads": 32, "num_layers": 28, "original_rope": true,
        "padded_vocab_size": 65024, "post_layer_norm": true, "rmsnorm": true, "seq_length": 8192});
    let qwen = json!({"model_type": "qwen", "architectures": ["QWenLMHeadModel"], "hidden_size": 4096,
        "intermediate_size": 22016, "num_hidden_layers": 32, "num_attention_heads": 32, "kv_channels": 128, "no_bias": true,
        "vocab_size": 151_936, "seq_length": 2048});
    let dbrx = json!({"model_type": "dbrx", "d_model": 6144, "n_heads": 48, "n_layers": 40, "max_seq_len": 32768,
        "vocab_size": 100_352, "attn_config": {"clip_qkv": 8, "kv_n_heads": 8, "model_type": ""},
        "ffn_config": {"ffn_hidden_size": 10752, "moe_loss_weight": 0.05, "moe_num_experts": 16, "moe_top_k": 4}});
    let mpt = json!({"model_type": "mpt", "d_model": 4096, "n_heads": 32, "n_layers": 32, "vocab_size": 50432,
        "attn_config": {"alibi": true, "attn_type": "multihead_attention", "qk_ln": false}, "no_bias": true});
    // Replit's, with keys and values for groups of heads.
    let grouped = json!({"model_type": "mpt", "d_model": 3072, "n_heads": 24, "n_layers": 32, "vocab_size": 32768, "expansion_ratio": 4,
        "attn_config": {"alibi": true, "attn_type": "grouped_query_attention", "kv_n_heads": 8, "qk_ln": false}, "no_bias": true});
    let bloom = json!({"model_type": "bloom", "n_embed": 14336, "n_layer": 70, "num_attention_heads": 112,
        "vocab_size": 250_880, "skip_bias_add": true});
    let baichuan = json!({"model_type": "baichuan", "hidden_size": 5120, "intermediate_size": 13696, "num_hidden_layers": 40,
        "num_attention_heads": 40, "vocab_size": 125_696, "model_max_length": 4096});
    for (keys, total) in [
        (chatglm, 6_243_584_000),
        (qwen, 7_721_324_544),
        (dbrx, 131_596_523_520),
        (mpt.clone(), 6_649_286_656),
        (grouped, 3_322_088_448),
        (with(mpt.clone(), json!({"attn_config": {"attn_type": "multiquery_attention"}})), 5_609_099_264),
        (bloom, 176_247_271_424),
        (baichuan, 13_896_668_160),
        (usual("internlm2", [4096, 14336, 32, 32, 8, 92544]), 7_737_708_544),
    ] {
        assert_eq!(read(&keys).parameters(), Ok(total), "{keys}");
    }
    for (key, value) in [("alibi", json!(false)), ("attn_type", json!("mystery"))] {
        let message =
            parse_config(&with(mpt.clone(), json!({"attn_config": {key: value}})).to_string(), "m").unwrap_err();
        assert!(message.to_string().starts_with(&format!("{key}: ")), "{message}");
    }
}

/// GPTQ files may list what is quantised: all linear modules, or some of them.
#[test]
fn modules_that_are_quantised_may_be_listed() {
    let linear = ["self_attn.k_proj", "self_attn.v_proj", "self_attn.q_proj", "self_attn.o_proj"];
    let experts: Vec<String> =
        (0..8).flat_map(|at| [1, 3, 2].map(|w| format!("block_sparse_moe.experts.{at}.w{w}"))).collect();
    let stored = |modules: Value| {
        let block =
            json!({"quant_method": "gptq", "bits": 4, "group_size": 128, "modules_in_block_to_quantize": modules});
        roofprobe::model::TensorTypes::of(&read(&with(mixtral(), json!({"quantization_config": block}))), None)
            .unwrap()
            .bytes
    };
    let all = stored(json!(null));
    assert_eq!(stored(json!([linear, experts])), all);
    let half_attention = 2 * 4096 * (4096 + 1024) * 32 * 2;
    let some = stored(json!([experts]));
    assert!(some > all && some < all + half_attention, "{some} {all}");
}

/// A class of one family under the name of another.
#[test]
fn classes_are_held_against_families() {
    let of = |class: &str| parse_config(&with(llama_2_7b(), json!({"architectures": [class]})).to_string(), "m");
    for class in ["LlamaForCausalLM", "LLaMAForCausalLM", "MyOPTForCausalLM"] {
        assert!(of(class).is_ok(), "{class}");
    }
    for class in ["CohereForCausalLM", "OPTForCausalLM", "Qwen2MoeForCausalLM", "GPT2LMHeadModel"] {
        let message = of(class).unwrap_err().to_string();
        assert!(message.starts_with(&format!("architectures: \"{class}\" is the class of another family than llama")));
    }
    assert!(of("Gemma3ForConditionalGeneration").unwrap_err().to_string().contains("no causal language model"));
    // Language models that were cut out of a wrapper keep its class.
    let cut = ("gemma3_text", "Gemma3ForConditionalGeneration");
    for (family, class) in [("phi-msft", "PhiForCausalLM"), ("gemma3_text", "Gemma3ForCausalLM"), cut] {
        let keys = json!({"model_type": family, "architectures": [class], "n_embd": 64, "n_head": 4, "n_layer": 2});
        assert!(parse_config(&keys.to_string(), "m").is_ok_and(|model| model.family().name() == family));
    }
}
