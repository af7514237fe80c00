//! Exact counts of every shipped model against numbers from an independent implementation.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::model::{Class, Forward, Latents, Phase, Totals, Workload, find, names, zoo};
use roofprobe_kernels::Dtype;

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
            [model.parameters(), model.parameters_non_embedding(), model.kv_elements_per_token(Latents::Absorbed)].map(Result::unwrap);
        assert_eq!(parameters.map(u128::from), row[..3], "{name}");
        let runs = workload.runs(&model, Phase::Generation).unwrap();
        assert_eq!(runs.iter().map(|run| run.forward.passes).sum::<u64>(), 128, "{name}: forward passes");
        let totals = Totals::of(runs.iter().flat_map(|run| &run.steps)).unwrap();
        let counted = [flops(&totals).to_vec(), vec![totals.kv_read_elements, totals.kv_write_elements]].concat();
        assert_eq!(counted, row[3..], "{name}");
    }
}

/// Tensor bytes of published GGUF files: SmolLM2-135M F16, Llama-3.2-1B F16 (without `rope_freqs`), Qwen3-1.7B Q8_0,
/// SmolLM2-360M Q8_0.
#[test]
fn tensor_bytes_as_in_gguf_files() {
    for (name, dtype, bytes) in [
        ("smollm2-135m", Dtype::F16, 269_100_288),
        ("llama-3.2-1b", Dtype::F16, 2_471_763_968),
        ("qwen3-1.7b", Dtype::Q8_0, 1_828_474_880),
        ("smollm2-360m", Dtype::Q8_0, 384_618_240),
    ] {
        assert_eq!(find(name).unwrap().stored_bytes(dtype), Ok(bytes), "{name} {dtype}");
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
