//! Exact counts of shipped models against numbers from an independent implementation.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::model::{
    Class, Forward, Latents, Phase, TensorTypes, Totals, Weights, Workload, find, names, parse_config, zoo,
};
use roofprobe_kernels::{Dtype, Op};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const FORWARD: &str = include_str!("data/forward-counts.tsv");
const GENERATION: &str = include_str!("data/generation-counts.tsv");

const COMPUTING: [Class; 8] = [
    Class::AttnProj,
    Class::AttnCore,
    Class::Ffn,
    Class::Router,
    Class::Expert,
    Class::Shared,
    Class::LmHead,
    Class::Ssm,
];

/// The rows below the header: a name, then numbers.
fn rows(text: &str) -> Vec<(&str, Vec<&str>)> {
    let lines = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    lines
        .map(|line| {
            let (name, cells) = line.split_once('\t').unwrap();
            (name, cells.split('\t').collect())
        })
        .collect()
}

fn whole(cells: &[&str]) -> Vec<u128> {
    cells.iter().map(|cell| cell.parse().unwrap()).collect()
}

fn flops(totals: &Totals) -> [u128; 8] {
    COMPUTING.map(|class| totals.flops.get(class))
}

#[test]
fn forward_passes() {
    let rows = rows(FORWARD);
    assert_eq!(rows.len(), 6 * 42);
    for (name, row) in rows {
        let [tokens, past, batch] = [0, 1, 2].map(|i: usize| row[i].parse().unwrap());
        let latents = if tokens > 1 { Latents::Naive } else { Latents::Absorbed };
        let forward = Forward { tokens, past, batch, latents, ..Forward::ONE_TOKEN };
        let totals = Totals::of(&find(name).unwrap().forward(&forward).unwrap()).unwrap();
        assert_eq!(flops(&totals).to_vec(), whole(&row[3..11]), "{name} {forward:?}");
        assert_eq!(totals.flops.total(), flops(&totals).iter().sum(), "{name}: FLOPs in another class");
        let weights = [Class::AttnProj, Class::Ffn, Class::Router].map(|class| totals.weight_elements.get(class));
        assert_eq!(weights.to_vec(), whole(&row[11..14]), "{name} {forward:?}");
        let expected: f64 = row[14].parse().unwrap();
        // Their sum over layers rounds, ours does not.
        let near = (totals.expert_elements - expected).abs() <= 1e-14 * expected;
        assert!(near, "{name}: {} {expected}", totals.expert_elements);
        let weights = [Class::Shared, Class::LmHead, Class::Embed].map(|class| totals.weight_elements.get(class));
        assert_eq!(weights.to_vec(), whole(&row[15..18]), "{name} {forward:?}");
        let cache = [totals.kv_read_elements, totals.kv_write_elements];
        assert_eq!(cache.to_vec(), whole(&row[18..]), "{name} {forward:?}");
    }
}

#[test]
fn generations_and_parameters() {
    let workload = Workload { prompt: 128, generate: Some(128), ..Workload::default() };
    let rows = rows(GENERATION);
    assert_eq!(rows.len(), 42);
    for (name, row) in rows {
        let (model, row) = (find(name).unwrap(), whole(&row));
        let counted = [
            model.parameters(),
            model.parameters_active(),
            model.parameters_non_embedding(),
            model.kv_elements_per_token(Latents::Absorbed),
            model.state_elements(),
        ]
        .map(Result::unwrap);
        assert_eq!(counted.map(u128::from), row[..5], "{name}");
        let runs = workload.runs(&model, Phase::Generation).unwrap();
        assert_eq!(runs.iter().map(|run| run.forward.passes).sum::<u64>(), 128, "{name}: forward passes");
        let totals = Totals::of(runs.iter().flat_map(|run| &run.steps)).unwrap();
        assert_eq!(flops(&totals), row[5..13], "{name}");
        assert_eq!([totals.kv_read_elements, totals.kv_write_elements], row[13..15], "{name}");
        for (dtype, bytes) in [(Dtype::F16, row[15]), (Dtype::Q8_0, row[16])] {
            if bytes > 0 {
                assert_eq!(model.stored_bytes(dtype).map(u128::from), Ok(bytes), "{name} {dtype}");
            }
        }
    }
}

/// Tensor bytes of published GGUF files, and how many of their matrices have which type.
#[test]
fn tensor_bytes_as_in_gguf_files() {
    for (name, weights, bytes, kinds) in [
        ("smollm2-135m", "F16", 269_100_288, "f16 211"),
        ("llama-3.2-1b", "F16", 2_471_764_096, "f16 113"),
        ("qwen3-1.7b", "Q8_0", 1_828_474_880, "q8_0 197"),
        ("smollm2-360m", "Q8_0", 384_618_240, "q8_0 225"),
        ("qwen2.5-0.5b", "Q8_0", 525_120_000, "q8_0 169"),
        ("qwen2.5-0.5b", "Q4_K_M", 391_859_712, "q4_k 12, q5_0 132, q6_k 12, q8_0 13"),
        ("qwen2.5-0.5b", "Q2_K", 332_659_200, "q3_k 24, q4_0 120, q5_0 24, q8_0 1"),
        ("llama-3.2-1b", "Q4_K_M", 799_862_912, "q4_k 96, q6_k 17"),
        ("qwen2.5-7b", "Q4_K_M", 4_677_120_000, "q4_k 169, q6_k 29"),
        ("qwen3-4b", "Q4_K_M", 2_491_323_904, "q4_k 216, q6_k 37"),
        ("tinyllama-1.1b", "Q4_0", 635_990_016, "q4_0 155, q6_k 1"),
        ("tinyllama-1.1b", "Q4_K_M", 667_078_656, "q4_k 135, q6_k 21"),
        ("llama-3.1-8b", "Q4_K_M", 4_912_898_304, "q4_k 193, q6_k 33"),
        ("llama-3.1-8b", "Q4_0", 4_653_375_744, "q4_0 225, q6_k 1"),
        ("gemma-3-1b", "Q4_K_M", 799_525_120, "q4_k 39, q5_0 117, q6_k 13, q8_0 14"),
        ("gemma-2-2b", "Q6_K", 2_145_346_560, "q6_k 183"),
        ("glm-4-9b-0414", "F16", 18_802_245_632, "f16 282"),
        // Routers are f32.
        ("qwen3-30b-a3b", "F16", 61_089_832_960, "f16 338, f32 48"),
        ("qwen3-30b-a3b", "Q4_K_S", 17_450_039_296, "f32 48, q4_k 327, q5_k 10, q6_k 1"),
        ("qwen3-30b-a3b", "Q4_K_M", 18_550_716_416, "f32 48, q4_k 289, q6_k 49"),
        ("olmoe-1b-7b", "Q4_K_M", 4_211_730_432, "f32 16, q4_k 97, q6_k 17"),
    ] {
        let (model, weights) = (find(name).unwrap(), weights.parse::<Weights>().unwrap());
        let types = TensorTypes::of(&model, Some(weights)).unwrap();
        assert_eq!(types.tensor_bytes, Some(bytes), "{name} {weights}");
        assert_eq!(types.bytes, bytes - 4 * model.storage.rope_factors, "{name} {weights}");
        let workload = Workload { weights: Some(weights), ..Workload::default() };
        let mut counted = BTreeMap::new();
        for step in workload.runs(&model, Phase::Decode).unwrap().remove(0).steps {
            // A tied head is the embedding, which is there already.
            let again = step.name == "output" && model.shape.tied;
            if [Op::Matmul, Op::Gather].contains(&step.op) && !again {
                *counted.entry(step.operand.to_string()).or_insert(0) += step.repeat;
            }
        }
        let counted: Vec<String> = counted.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        assert_eq!(counted.join(", "), kinds, "{name} {weights}");
    }
}

#[test]
fn every_name_is_found_and_every_model_named() {
    let listed: Vec<String> = zoo().unwrap().into_iter().map(|model| model.source.name).collect();
    assert_eq!(listed, names().collect::<Vec<_>>());
    for model in zoo().unwrap() {
        assert!(
            model.source.origin.as_ref().is_some_and(|origin| origin.card.starts_with("huggingface: ")),
            "{}",
            model.name()
        );
        assert_eq!(find(model.name()), Ok(model));
    }
}

/// Sizes of known families that are not shipped, by their published totals: what a reader of configurations meets.
#[test]
fn other_sizes_have_their_published_parameters() {
    let mut families = BTreeSet::new();
    for line in include_str!("data/other-sizes.jsonl").lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let model = parse_config(&row["config"].to_string(), row["name"].as_str().unwrap()).unwrap();
        assert_eq!(Some(model.parameters().unwrap()), row["total"].as_u64(), "{}", model.name());
        families.insert(model.family().name());
    }
    assert!(families.len() >= 15, "{families:?}");
}

/// What is published rounded is counted in full, as by an independent implementation.
#[test]
fn rounded_totals_in_full() {
    for (name, total) in [
        ("plm-1.8b", 1_825_458_176),
        ("minicpm3-4b", 4_073_875_968),
        ("starcoder2-7b", 7_173_923_840),
        ("deepseek-v3", 671_026_419_200),
        ("gemma-4-26b-a4b", 25_233_141_760),
        ("fox-1-1.6b", 1_665_271_808),
    ] {
        assert_eq!(find(name).unwrap().parameters().unwrap(), total, "{name}");
    }
}
