//! Exact counts of every shipped model against numbers from an independent implementation.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::model::{Class, Forward, Phase, Totals, Weights, Workload, find, names, zoo};
use roofprobe_kernels::{Dtype, Op};
use std::collections::BTreeMap;

const FORWARD: &str = include_str!("data/forward-counts.tsv");
const GENERATION: &str = include_str!("data/generation-counts.tsv");

/// The rows below the header: a name, then numbers.
fn rows(text: &str) -> Vec<(&str, Vec<u128>)> {
    let lines = text.lines().filter(|line| !line.starts_with('#')).skip(1);
    lines
        .map(|line| {
            let mut cells = line.split('\t');
            (cells.next().unwrap(), cells.map(|cell| cell.parse().unwrap()).collect())
        })
        .collect()
}

fn flops(totals: &Totals) -> [u128; 4] {
    [Class::AttnProj, Class::AttnCore, Class::Ffn, Class::LmHead].map(|class| totals.flops.get(class))
}

#[test]
fn forward_passes() {
    let rows = rows(FORWARD);
    assert_eq!(rows.len(), 6 * names().count());
    for (name, row) in rows {
        let [tokens, past, passes, batch] = [0, 1, 2, 3].map(|i| u64::try_from(row[i]).unwrap());
        let forward = Forward { tokens, past, passes, batch, ..Forward::ONE_TOKEN };
        let totals = Totals::of(&find(name).unwrap().forward(&forward).unwrap()).unwrap();
        let weights = [Class::AttnProj, Class::Ffn, Class::LmHead, Class::Embed];
        let counted = [
            flops(&totals).to_vec(),
            weights.map(|class| totals.weight_elements.get(class)).to_vec(),
            vec![totals.kv_read_elements, totals.kv_write_elements],
        ]
        .concat();
        assert_eq!(counted, row[4..], "{name} {forward:?}");
        assert_eq!(totals.flops.total(), row[4..8].iter().sum(), "{name}: FLOPs in another class");
    }
}

#[test]
fn generations_and_parameters() {
    let workload = Workload { prompt: 128, generate: Some(128), ..Workload::default() };
    for (name, row) in rows(GENERATION) {
        let model = find(name).unwrap();
        let parameters =
            [model.parameters(), model.parameters_non_embedding(), model.kv_elements_per_token()].map(Result::unwrap);
        assert_eq!(parameters.map(u128::from), row[..3], "{name}");
        let runs = workload.runs(&model, Phase::Generation).unwrap();
        assert_eq!(runs.iter().map(|run| run.forward.passes).sum::<u64>(), 128, "{name}: forward passes");
        let totals = Totals::of(runs.iter().flat_map(|run| &run.steps)).unwrap();
        let counted = [flops(&totals).to_vec(), vec![totals.kv_read_elements, totals.kv_write_elements]].concat();
        assert_eq!(counted, row[3..], "{name}");
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
    ] {
        let (model, weights) = (find(name).unwrap(), weights.parse::<Weights>().unwrap());
        assert_eq!(model.stored_bytes(weights), Ok(bytes), "{name} {weights}");
        let workload = Workload { weights: Some(weights), ..Workload::default() };
        let mut counted = BTreeMap::new();
        for step in workload.runs(&model, Phase::Decode).unwrap().remove(0).steps {
            // A tied head is the embedding, which is there already.
            let again = step.name == "output" && model.tied;
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
    let listed: Vec<String> = zoo().unwrap().into_iter().map(|model| model.name).collect();
    assert_eq!(listed, names().collect::<Vec<_>>());
    for model in zoo().unwrap() {
        assert!(model.source.as_deref().is_some_and(|source| source.starts_with("huggingface: ")), "{}", model.name);
        assert_eq!(model.published_dtype, Some(Dtype::Bf16), "{}", model.name);
        assert_eq!(find(&model.name), Ok(model));
    }
}
