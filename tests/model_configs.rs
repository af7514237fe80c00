//! Configurations that must be refused, each with a message that names the key; and those that must be understood.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::error::Fault;
use roofprobe::model::{Biases, GroupedQuery, Mixer, Strictness, parse_config, read_config};
use roofprobe_kernels::Dtype;
use serde_json::{Map, Value, json};

fn base(family: &str) -> Map<String, Value> {
    let value = json!({
        "model_type": family, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4,
        "num_attention_heads": 8, "num_key_value_heads": 2, "vocab_size": 320, "head_dim": 8,
    });
    value.as_object().unwrap().clone()
}

/// The text of a configuration with keys overridden, or removed where the value is the word `REMOVE`.
fn config(family: &str, changes: Value) -> String {
    let mut map = base(family);
    for (key, value) in changes.as_object().unwrap() {
        if value == "REMOVE" {
            map.remove(key);
        } else {
            map.insert(key.clone(), value.clone());
        }
    }
    Value::Object(map).to_string()
}

fn refusal(text: &str) -> String {
    let error = parse_config(text, "test").expect_err(text);
    assert_eq!(error.fault(), Fault::Misuse);
    let message = error.to_string();
    assert_eq!(message.lines().count(), 1, "one line: {message:?}");
    assert!(message.len() < 1000, "short: {message}");
    message
}

fn attention(text: &str) -> GroupedQuery {
    match parse_config(text, "test").unwrap().shape.layers.remove(0).mixer {
        Mixer::GroupedQuery(attention) => attention,
        other => panic!("{other:?}"),
    }
}

#[test]
fn texts_that_are_no_configuration() {
    let whole = config("llama", json!({}));
    for (text, word) in [
        (String::new(), "truncated"),
        (whole[..whole.len() / 2].to_owned(), "truncated"),
        ("[]".to_owned(), "object"),
        ("3".to_owned(), "object"),
        ("\"llama\"".to_owned(), "object"),
        ("null".to_owned(), "object"),
        ("{}".to_owned(), "model_type"),
        ("[".repeat(100_000), "recursion"),
        (format!("{{\"model_type\": {}", "{\"a\":".repeat(100_000)), "recursion"),
        (whole.replace("64", "NaN"), "hidden_size: must be an integer in 1..=1048576, is \"NaN\""),
        (whole.replace("64", "nan"), "not JSON"),
        (whole.replace("64", "1e999"), "not JSON"),
        (format!("{whole}{whole}"), "trailing"),
    ] {
        let message = refusal(&text);
        assert!(message.contains(word), "{word}: {message}");
    }
}

#[test]
fn values_that_no_model_has() {
    let table = [
        ("hidden_size", json!("REMOVE"), "missing"),
        ("intermediate_size", json!("REMOVE"), "missing"),
        ("num_hidden_layers", json!("REMOVE"), "missing"),
        ("num_attention_heads", json!("REMOVE"), "missing"),
        ("vocab_size", json!("REMOVE"), "missing"),
        ("model_type", json!("REMOVE"), "missing"),
        ("hidden_size", json!(null), "null"),
        ("hidden_size", json!("64"), "integer"),
        ("hidden_size", json!([64]), "a list"),
        ("hidden_size", json!({"value": 64}), "an object"),
        ("hidden_size", json!(64.0), "64.0"),
        ("hidden_size", json!(true), "true"),
        ("hidden_size", json!(0), "is 0"),
        ("hidden_size", json!(-64), "-64"),
        ("hidden_size", json!(u64::MAX), "1..=1048576"),
        ("intermediate_size", json!(1u64 << 40), "1..=16777216"),
        ("num_hidden_layers", json!(1_000_000_000), "1..=4096"),
        ("num_attention_heads", json!(0), "is 0"),
        ("num_attention_heads", json!(-1), "-1"),
        ("num_key_value_heads", json!(0), "is 0"),
        ("num_key_value_heads", json!(3), "does not divide"),
        ("num_key_value_heads", json!(16), "does not divide"),
        ("vocab_size", json!(1u64 << 60), "1..=268435456"),
        ("head_dim", json!(0), "is 0"),
        ("head_dim", json!(1.5), "1.5"),
        ("tie_word_embeddings", json!("yes"), "true or false"),
        ("tie_word_embeddings", json!(1), "true or false"),
        ("attention_bias", json!(0), "true or false"),
        ("hidden_act", json!("mish"), "\"mish\""),
        ("hidden_act", json!(7), "string"),
        ("model_type", json!(7), "string"),
        ("max_position_embeddings", json!(-1), "-1"),
        ("layer_types", json!("full_attention"), "list"),
        ("layer_types", json!(["full_attention"]), "num_hidden_layers is 4"),
        ("layer_types", json!(["linear_attention", "x", "x", "x"]), "linear_attention"),
        ("layer_types", json!([1, 2, 3, 4]), "list of strings"),
        ("layer_types", json!(vec!["sliding_attention"; 4]), "no sliding_attention"),
        ("sliding_window", json!(16), "llama has none"),
        ("partial_rotary_factor", json!(0.5), "0.5"),
        ("architectures", json!(["LlamaForSequenceClassification"]), "no causal language model"),
        ("architectures", json!("LlamaForCausalLM"), "list"),
        ("torch_dtype", json!(16), "string"),
    ];
    for (key, value, words) in table {
        let message = refusal(&config("llama", json!({ key: value })));
        assert!(message.starts_with(&format!("{key}: ")) && message.contains(words), "{key}, {words}: {message}");
    }
    let nested = refusal(&config("llama", json!({"rope_parameters": {"partial_rotary_factor": 0.25}})));
    assert!(nested.contains("partial_rotary_factor"), "{nested}");
}

#[test]
fn heads_that_do_not_divide() {
    let message =
        refusal(&config("llama", json!({"hidden_size": 900, "num_attention_heads": 14, "head_dim": "REMOVE"})));
    assert!(message.starts_with("hidden_size: 900 is not a multiple of num_attention_heads 14"), "{message}");
    // Absent, qwen2 has 32 of them; the message says where the number comes from.
    let message = refusal(&config("qwen2", json!({"num_key_value_heads": "REMOVE"})));
    assert!(message.contains("32, qwen2's default,"), "{message}");
}

#[test]
fn an_unknown_model_type_is_named_with_what_is_known() {
    let message = refusal(&config("llama5", json!({})));
    assert!(message.starts_with("model_type: \"llama5\" is not supported; did you mean: llama"), "{message}");
    let long = refusal(&config(&"x\n".repeat(100_000), json!({})));
    assert!(long.contains("…"), "{long}");
    let many: Map<String, Value> = (0..10_000).map(|i| (format!("key{i}\n{}", "y".repeat(99)), json!(i))).collect();
    let many = parse_config(&Value::Object(many).to_string(), "test").unwrap_err().to_string();
    assert!(many.starts_with("model_type: is missing") && many.lines().count() == 1, "{many}");
    let keys: Map<String, Value> = (2..100).map(|i| (format!("key{i}"), json!(i))).collect();
    let noted = parse_config(&config("llama", Value::Object(keys)), "test").unwrap().source.remarks.join("; ");
    assert!(noted.contains("key2 (2), key3 (3)") && noted.contains("and 90 more"), "{noted}");
}

#[test]
fn features_that_change_a_count_are_refused_and_not_ignored() {
    let features = [
        ("text_config", json!({"hidden_size": 64}), "multimodal"),
        ("quantization_config", json!({"quant_method": "hqq", "bits": 4}), "quant"),
        ("quantization", json!({"bits": 4}), "quant"),
        ("compression_config", json!({"format": "x"}), "quantised"),
        ("num_local_experts", json!(8), "mixture of experts"),
        ("num_experts", json!(60), "mixture of experts"),
        ("n_routed_experts", json!(64), "mixture of experts"),
        ("kv_lora_rank", json!(512), "latent"),
        ("is_encoder_decoder", json!(true), "encoder"),
    ];
    for (key, value, words) in features {
        for family in ["llama", "other"] {
            // That a model of an unknown family is quantised is not what it is refused for.
            if family == "other" && words.starts_with("quant") {
                continue;
            }
            let message = refusal(&config(family, json!({ key: value })));
            assert!(message.contains(key) && message.contains(words), "{key}: {message}");
        }
        // Switched off, they announce nothing.
        for off in [json!(null), json!(false), json!(0)] {
            assert!(parse_config(&config("llama", json!({ key: off })), "test").is_ok(), "{key}");
        }
    }
    for (family, key, value) in [
        ("mistral", "attention_bias", true),
        ("qwen2", "attention_bias", false),
        ("qwen2", "mlp_bias", true),
        ("qwen3", "mlp_bias", true),
        ("llama", "use_sliding_window", true),
    ] {
        let message = refusal(&config(family, json!({ key: value })));
        assert!(message.contains(family), "{message}");
    }
}

#[test]
fn absent_and_null_differ() {
    let kv = |family: &str, changes: Value| attention(&config(family, changes)).kv_heads;
    let absent = json!({"num_key_value_heads": "REMOVE", "num_attention_heads": 64});
    assert_eq!(["llama", "mistral", "qwen2", "qwen3"].map(|f| kv(f, absent.clone())), [64, 8, 32, 32]);
    let null = json!({"num_key_value_heads": null, "num_attention_heads": 64});
    assert_eq!(["llama", "mistral", "qwen2", "qwen3"].map(|f| kv(f, null.clone())), [64; 4]);

    let head_dim = |family: &str| attention(&config(family, json!({"head_dim": "REMOVE"}))).head_dim;
    assert_eq!(["llama", "mistral", "qwen2", "qwen3"].map(head_dim), [8, 8, 8, 128]);

    let window = |family: &str, changes: Value| attention(&config(family, changes)).window;
    assert_eq!(window("mistral", json!({})), Some(4096));
    assert_eq!(window("mistral", json!({"sliding_window": null})), None);
    assert_eq!(window("mistral", json!({"sliding_window": 16})), Some(16));
    assert_eq!(window("qwen2", json!({"sliding_window": 16})), None);
    let slides = json!({"use_sliding_window": true, "max_window_layers": 0, "sliding_window": 16});
    assert_eq!(window("qwen2", slides.clone()), Some(16));
    assert_eq!(window("qwen3", slides), Some(16));
    // Absent, the first 28 layers of a qwen2 see everything.
    assert_eq!(window("qwen2", json!({"use_sliding_window": true, "sliding_window": 16})), None);
    assert_eq!(window("llama", json!({"sliding_window": null})), None);
}

#[test]
fn layer_types_win_over_the_pattern() {
    let types = json!(["sliding_attention", "full_attention", "sliding_attention", "full_attention"]);
    let text = config(
        "qwen3",
        json!({"layer_types": types, "use_sliding_window": true, "sliding_window": 16, "max_window_layers": 0}),
    );
    let model = parse_config(&text, "test").unwrap();
    let windows: Vec<_> = model
        .shape
        .layers
        .iter()
        .map(|layer| {
            let Mixer::GroupedQuery(attention) = &layer.mixer else { panic!("{layer:?}") };
            (layer.places.clone(), attention.window)
        })
        .collect();
    assert_eq!(windows, [(vec![0, 2], Some(16)), (vec![1, 3], None)]);
}

#[test]
fn families_have_the_biases_of_their_code() {
    let biases = |family: &str, changes: Value| attention(&config(family, changes)).biases;
    assert_eq!(biases("llama", json!({})), Biases::None);
    assert_eq!(biases("llama", json!({"attention_bias": true})), Biases::All);
    assert_eq!(biases("mistral", json!({"attention_bias": false})), Biases::None);
    assert_eq!(biases("qwen2", json!({})), Biases::QueryKeyValue);
    assert_eq!(biases("qwen2", json!({"attention_bias": true})), Biases::QueryKeyValue);
    assert_eq!(biases("qwen3", json!({})), Biases::None);
    assert_eq!(biases("qwen3", json!({"attention_bias": true})), Biases::All);
}

#[test]
fn both_generations_of_key_names_are_read() {
    let old = config("qwen3", json!({"torch_dtype": "bfloat16", "rope_theta": 1e6, "rope_scaling": null}));
    let new = config("qwen3", json!({"dtype": "bfloat16", "rope_parameters": {"rope_theta": 1e6}}));
    let [old, new] = [old, new].map(|text| parse_config(&text, "test").unwrap());
    assert_eq!(old, new);
    assert_eq!((old.storage.published_dtype, old.family().name()), (Some(Dtype::Bf16), "qwen3"));
    let strange = config("llama", json!({"torch_dtype": "float8_e4m3fn", "unheard_of": "x", "hidden_act": "swish"}));
    assert_eq!(parse_config(&strange, "test").unwrap().storage.published_dtype, None);
}

#[test]
fn files_are_named_in_messages_and_name_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("My-Model");
    std::fs::create_dir(&home).unwrap();
    let (plain, other) = (home.join("config.json"), home.join("tiny.json"));
    std::fs::write(&plain, config("llama", json!({}))).unwrap();
    std::fs::write(&other, config("llama", json!({}))).unwrap();
    assert_eq!(read_config(&plain, Strictness::Lenient).unwrap().name(), "My-Model");
    assert_eq!(read_config(&other, Strictness::Lenient).unwrap().name(), "tiny");
    std::fs::write(&other, config("llama", json!({"vocab_size": -5}))).unwrap();
    let message = read_config(&other, Strictness::Lenient).unwrap_err().to_string();
    assert!(message.contains("tiny.json: vocab_size: "), "{message}");
    assert!(
        read_config(&home.join("none.json"), Strictness::Lenient).unwrap_err().to_string().contains("no such file")
    );
    assert!(read_config(&home, Strictness::Lenient).is_err());
}
