//! Speculative decoding and layers for multi-token prediction, against numbers from paper and laws.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod gguf_files;

use gguf_files::families::cases;
use gguf_files::{F16, F32, File, Q8_0};
use roofprobe::evaluate::{DraftQuery, Evaluator, Query, RoofKind, Speculation, evaluate, speculate};
use roofprobe::model::gguf::{self, parse_gguf};
use roofprobe::model::{Model, TensorTypes, Workload, find, parse_config};
use roofprobe::profile::{Profile, parse};
use roofprobe::report::{Format, Shown, draft};
use serde_json::{Value, json};
use std::io::Cursor;

fn plain() -> Profile {
    parse(include_str!("data/plain-cpu.toml")).unwrap()
}

fn query() -> Query {
    let workload = Workload { weights: Some("q4_0".parse().unwrap()), prompt: 999, ..Workload::default() };
    Query::from(workload).by(RoofKind::Peak)
}

fn pair(model: &Model, small: &Model, accept: f64, length: Option<u64>) -> Result<Speculation, String> {
    let (profile, query) = (plain(), query());
    let evaluator = |model| Evaluator::new(model, &query, &profile, "plain").unwrap();
    speculate(&evaluator(model), &evaluator(small), &DraftQuery { accept, length }).map_err(|e| e.to_string())
}

#[test]
fn a_pass_gives_as_many_tokens_as_leviathan_and_others_state() {
    for accept in [0.0, 0.3, 0.7, 0.95] {
        for length in [0, 1, 4, 16] {
            let closed = (1.0 - f64::powi(accept, length as i32 + 1)) / (1.0 - accept);
            let query = DraftQuery { accept, length: None };
            assert!((query.expected_tokens(length) - closed).abs() < 1e-12, "{accept} {length}");
        }
    }
    assert_eq!(DraftQuery { accept: 1.0, length: None }.expected_tokens(7), 8.0);
}

#[test]
fn a_pair_is_priced_by_its_passes() {
    let (large, small) = (find("llama-3.1-8b").unwrap(), find("llama-3.2-1b").unwrap());
    let told = pair(&large, &small, 0.8, None).unwrap();
    let alone = |model: &Model| evaluate(model, &query(), &plain(), "plain").unwrap().tpot_seconds;
    assert_eq!((told.alone.seconds, told.draft_alone.seconds), (alone(&large), alone(&small)));
    assert_eq!(told.context, 1000);
    let first = told.lengths[0];
    assert_eq!((first.expected_tokens, first.draft_seconds, first.speedup), (1.0, 0.0, 1.0));
    assert_eq!(first.tokens_per_s, 1.0 / told.alone.seconds);
    assert_eq!(told.lengths[1].draft_seconds, told.draft_alone.seconds);
    for length in &told.lengths {
        // Later steps of a draft see more keys.
        let steps = length.draft_length as f64 * told.draft_alone.seconds;
        assert!(length.draft_seconds >= steps * (1.0 - 1e-12) && length.draft_seconds < 1.01 * steps + 1e-12);
        assert!(length.verify_seconds >= told.alone.seconds);
        assert_eq!(length.seconds, length.draft_seconds + length.verify_seconds);
        assert_eq!(length.tokens_per_s, length.expected_tokens / length.seconds);
        let [low, high] = length.tokens_per_s_interval.unwrap();
        assert!(low < length.tokens_per_s && length.tokens_per_s < high);
        assert!((length.speedup - length.tokens_per_s / first.tokens_per_s).abs() < 1e-9);
    }
    let best = told.lengths.iter().map(|length| length.tokens_per_s).fold(0.0, f64::max);
    assert_eq!(told.lengths[told.draft_length as usize].tokens_per_s, best);
    assert!(told.draft_length > 1 && best > 1.5 * first.tokens_per_s);
    // What is never accepted is not worth drafting, what always is the more the better, and what is as large as the model nothing.
    assert_eq!(pair(&large, &small, 0.0, None).unwrap().draft_length, 0);
    assert_eq!(pair(&large, &large, 0.9, None).unwrap().draft_length, 0);
    assert!(pair(&large, &small, 1.0, None).unwrap().draft_length > told.draft_length);
    let asked = pair(&large, &small, 0.8, Some(40)).unwrap();
    assert_eq!((asked.draft_length, asked.lengths.len()), (40, 41));
}

#[test]
fn a_pair_that_cannot_be_is_refused() {
    let large = find("llama-3.1-8b").unwrap();
    let message = pair(&large, &find("qwen2.5-0.5b").unwrap(), 0.8, None).unwrap_err();
    assert!(
        message.contains("--draft") && message.contains("151936") && message.contains("same tokenizer"),
        "{message}"
    );
    let small = find("llama-3.2-1b").unwrap();
    for (accept, length, words) in
        [(1.2, None, "--accept"), (f64::NAN, None, "--accept"), (0.5, Some(0), "--draft-length")]
    {
        assert!(pair(&large, &small, accept, length).unwrap_err().contains(words));
    }
    // Padding is no other vocabulary, and is told.
    let told = pair(&find("qwen2.5-7b").unwrap(), &find("qwen2.5-0.5b").unwrap(), 0.8, None).unwrap();
    assert!(told.notes.iter().any(|note| note.contains("152064 and 151936")), "{:?}", told.notes);
}

#[test]
fn the_report_says_what_a_draft_is_worth() {
    let (large, small) = (find("llama-3.1-8b").unwrap(), find("llama-3.2-1b").unwrap());
    let render = |accept, length, format: &str| {
        let told = pair(&large, &small, accept, length).unwrap();
        draft::report(&[told], Shown::Main).unwrap().render(Format::named(format).unwrap()).unwrap()
    };
    let text = render(0.8, Some(4), "text");
    assert!(text.contains("llama-3.1-8b with drafts of llama-3.2-1b on plain, 80 % accepted: about"), "{text}");
    let text = text.replace("\n  ", " ");
    assert!(text.contains("with 4 drafted tokens") && text.contains("times llama-3.1-8b alone"), "{text}");
    assert!(render(0.0, None, "text").contains("no draft is worth its time"));
    let csv = render(0.8, Some(4), "csv");
    assert!(
        csv.starts_with(
            "model,draft,profile,weights,draft_weights,roof,batch,context,accept,draft_length,expected_tokens,"
        ),
        "{csv}"
    );
    assert_eq!((csv.lines().count(), csv.lines().filter(|line| line.ends_with(",true")).count()), (34, 1));
    assert!(csv.lines().all(|line| !line.contains(",,")), "{csv}");
    let json: Value = serde_json::from_str(&render(0.8, Some(4), "json")).unwrap();
    assert_eq!(json["speculations"][0]["lengths"][4]["draft_length"], 4);
}

fn deepseek() -> Model {
    let keys = json!({"model_type": "deepseek_v3", "hidden_size": 7168, "intermediate_size": 18432, "num_hidden_layers": 61,
        "num_attention_heads": 128, "num_key_value_heads": 128, "vocab_size": 129_280, "q_lora_rank": 1536, "kv_lora_rank": 512,
        "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8, "moe_intermediate_size": 2048,
        "first_k_dense_replace": 3, "num_nextn_predict_layers": 1});
    parse_config(&keys.to_string(), "deepseek-v3").unwrap()
}

/// Counted on paper. The model's card has 11.5 B parameters of its own in that module.
#[test]
fn layers_for_multi_token_prediction_are_counted_apart() {
    let (h, model) = (7168_u64, deepseek());
    assert_eq!(model.parameters().unwrap(), 671_026_419_200);
    let attention = h * 1536 + 1536 + 1536 * 128 * 192 + h * 576 + 512 + 512 * 128 * 256 + 128 * 128 * h;
    let experts = 257 * 3 * h * 2048 + 256 * h + 256;
    let joining = 2 * h + 2 * h * h;
    // Two norms of the layer, and one in front of the head.
    assert_eq!(model.parameters_of_predictors().unwrap(), Some(attention + experts + joining + 3 * h));
    let predictor = model.predictor().unwrap();
    assert_eq!((predictor.layer_count(), predictor.shape.vocabulary), (1, 129_280));
    assert_eq!(find("llama-3.1-8b").unwrap().parameters_of_predictors().unwrap(), None);
    let told = pair(&model, &predictor, 0.8, None).unwrap();
    assert!(told.draft_length > 0 && told.draft_alone.seconds < 0.1 * told.alone.seconds, "{:?}", told.draft_alone);
}

fn read(file: &File) -> Result<Model, String> {
    let bytes = file.bytes();
    let parsed = parse_gguf(Cursor::new(&bytes), bytes.len() as u64).map_err(|e| e.to_string())?;
    gguf::model(&parsed, "small").map_err(|e| e.to_string())
}

/// llama.cpp counts the layer as one more block.
#[test]
fn a_file_has_such_a_layer_behind_the_others() {
    let case = cases().into_iter().find(|case| case.arch == "glm4moe").unwrap();
    let mut file = case.file();
    let own = read(&file).unwrap();
    file.keys.retain(|(key, _)| key != "glm4moe.block_count");
    file.count("glm4moe.block_count", 3).count("glm4moe.nextn_predict_layers", 1);
    let copies: Vec<_> = file.tensors.iter().filter(|tensor| tensor.name.starts_with("blk.1.")).cloned().collect();
    for tensor in copies {
        let kind = if tensor.name.contains("attn_q.weight") { Q8_0 } else { tensor.kind };
        file.tensor(&tensor.name.replace("blk.1.", "blk.2."), &tensor.dims, kind);
    }
    for name in ["enorm", "hnorm", "shared_head_norm"] {
        file.tensor(&format!("blk.2.nextn.{name}.weight"), &[256], F32);
    }
    file.tensor("blk.2.nextn.eh_proj.weight", &[512, 256], Q8_0).tensor(
        "blk.2.nextn.embed_tokens.weight",
        &[256, 300],
        F16,
    );
    let model = read(&file).unwrap();
    assert_eq!((&model.shape.layers, model.parameters().unwrap()), (&own.shape.layers, own.parameters().unwrap()));
    let apart = model.parameters_of_predictors().unwrap().unwrap();
    assert_eq!(model.storage.gguf.as_ref().unwrap().params_total, own.parameters().unwrap() + apart + 300 * 256);
    let types = TensorTypes::of(&model.predictor().unwrap(), None).unwrap();
    let predictor = model.predictor().unwrap();
    assert_eq!(predictor.shape.layers[0].places, [2]);
    let half = predictor.without_tensors();
    // Two matrices have 8.5 bits where the others have 16.
    let saved = (2 * 256 * 256 + 256 * 256) / 32 * (64 - 34);
    assert_eq!(types.bytes + saved, TensorTypes::of(&half, None).unwrap().bytes);
    for (name, words) in [("blk.2.nextn.eh_proj.weight", "is missing"), ("blk.2.attn_k.weight", "is missing")] {
        assert!(read(file.clone().without(name)).unwrap_err().contains(words));
    }
    // The norm in front of the head has another name in some.
    let mut other = file.clone();
    other.without("blk.2.nextn.shared_head_norm.weight").tensor("blk.2.layer_output_norm.weight", &[256], F32);
    assert_eq!(read(&other).unwrap().shape, model.shape);
    let message = read(file.clone().tensor("blk.2.nextn.more.weight", &[4], F32)).unwrap_err();
    assert!(message.contains("nextn.more"), "{message}");
    file.keys.retain(|(key, _)| key != "glm4moe.nextn_predict_layers");
    file.count("glm4moe.nextn_predict_layers", 3);
    assert!(read(&file).unwrap_err().contains("nextn_predict_layers"));
}
