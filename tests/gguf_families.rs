//! GGUF files of every architecture that is read, in small: each equals its configuration, tensor names and all.
//!
//! Names and extents are those with which llama.cpp (build 11669) loads files of these architectures.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod gguf_files;

use gguf_files::families::cases;
use gguf_files::{F32, File, NVFP4};
use roofprobe::model::gguf::{self, parse_gguf};
use roofprobe::model::{Latents, Model, Phase, Runtime, Source, TensorTypes, Workload};
use std::io::Cursor;

fn read(file: &File) -> Result<Model, String> {
    // The data is not read.
    let parsed = parse_gguf(Cursor::new(file.head()), file.length()).map_err(|e| e.to_string())?;
    gguf::model(&parsed, "small").map_err(|e| e.to_string())
}

#[test]
fn a_file_of_each_architecture_is_its_configuration() {
    for case in cases() {
        let (read, config) = (read(&case.file()).unwrap(), case.config());
        assert_eq!(
            read.without_tensors(),
            Model { source: Source { remarks: Vec::new(), ..config.source.clone() }, ..config.clone() }
        );
        let (of_file, of_shape) = (TensorTypes::of(&read, None).unwrap(), TensorTypes::of(&config, None).unwrap());
        assert_eq!((of_file.bytes, of_file.tensor_bytes), (of_shape.bytes, of_shape.tensor_bytes), "{}", case.arch);
        for runtime in Runtime::ALL {
            let workload = Workload { runtime, ..Workload::default() };
            let steps = |model| workload.runs(model, Phase::Generation).unwrap();
            assert_eq!(steps(&read), steps(&config), "{} {runtime}", case.arch);
        }
    }
}

#[test]
fn a_tensor_too_few_or_too_many_is_refused_in_each() {
    for case in cases() {
        let whole = case.file();
        for tensor in &whole.tensors {
            let message = read(whole.clone().without(&tensor.name)).err();
            // Some tensors are there or not; then others must fit.
            let optional = ["output.weight", "attn_norm_2.weight"].contains(&tensor.name.as_str());
            assert!(message.is_some() || optional || is_optional(&tensor.name), "{}: {}", case.arch, tensor.name);
        }
        let message = read(whole.clone().tensor("blk.1.mystery.weight", &[256], F32)).unwrap_err();
        assert!(message.contains("blk.1.mystery.weight") && message.contains("no tensor of"), "{message}");
    }
}

fn is_optional(name: &str) -> bool {
    let all = [
        "attn_output.bias",
        "attn_qkv.bias",
        "ffn_gate_inp.bias",
        "exp_probs_b.bias",
        "exp_probs_b",
        "ssm_conv1d.bias",
    ];
    let others = ["ffn_gate_inp_shexp.weight", "attn_gate.weight"];
    all.iter().chain(&others).any(|part| name.ends_with(part))
}

/// Latents whose expansion a file keeps in two are expanded from both.
#[test]
fn an_expansion_in_two_parts_is_read_in_two() {
    let case = cases().into_iter().find(|case| case.arch == "deepseek2").unwrap();
    let types = TensorTypes::of(&read(&case.file()).unwrap(), None).unwrap();
    let model = case.config();
    let names = |latents| {
        let forward = roofprobe::model::Forward { latents, ..roofprobe::model::Forward::ONE_TOKEN };
        let steps = types.steps(&model, &forward, roofprobe::model::TensorType::F16).unwrap();
        let parts = steps.into_iter().filter(|step| step.name.ends_with("_b") && step.kind == Some(0));
        parts.map(|step| (step.name, step.shape.n, step.shape.k)).collect::<Vec<_>>()
    };
    assert_eq!(names(Latents::Naive), [("attn_q_b", 384, 64), ("attn_k_b", 256, 32), ("attn_v_b", 256, 32)]);
    assert_eq!(names(Latents::Absorbed), [("attn_q_b", 384, 64), ("attn_k_b", 256, 32), ("attn_v_b", 256, 32)]);
}

/// Xielu's learned numbers are keys of a file; layers that take an earlier one's keys may have some of their own, which nothing
/// reads; so may whole layers have a factor.
#[test]
fn what_files_have_more_or_less_than_checkpoints() {
    let (separate, ungated) = (
        "attn_norm 256; attn_q 256x256; attn_k 256x64; attn_v 256x64; attn_output 256x256; attn_q_norm 32; attn_k_norm 32; ",
        "ffn_norm 256; ffn_up 256x512; ffn_down 512x256; ",
    );
    let apertus = gguf_files::families::Case::of("apertus", "output_norm 256; output 256x300; ", &[separate, ungated]);
    let config = r#"{"model_type": "apertus", "hidden_size": 256, "vocab_size": 300, "num_hidden_layers": 2,
        "num_attention_heads": 8, "num_key_value_heads": 2, "intermediate_size": 512}"#;
    let config = roofprobe::model::parse_config(config, "small").unwrap();
    assert_eq!(read(&apertus.file()).unwrap().parameters().unwrap(), config.parameters().unwrap() - 2 * 2);
    let case = cases().into_iter().find(|case| case.arch == "gemma3n").unwrap();
    let mut file = case.file();
    let plain = read(&file).unwrap();
    for (name, dims) in [("attn_k", &[256, 64][..]), ("attn_v", &[256, 64]), ("attn_k_norm", &[32])] {
        file.tensor(&format!("blk.1.{name}.weight"), dims, F32);
    }
    file.tensor("blk.0.layer_output_scale.weight", &[1], F32);
    assert_eq!(read(&file).unwrap().parameters().unwrap(), plain.parameters().unwrap());
}

/// The first layers of a DeepSeek-V4 look their experts up in a table, which is no matrix.
#[test]
fn a_table_of_experts_is_no_parameter() {
    let mut file = cases().into_iter().find(|case| case.arch == "deepseek4").unwrap().file();
    let plain = read(&file).unwrap();
    file.tensor("blk.0.ffn_gate_tid2eid.weight", &[2, 300], F32);
    assert_eq!(read(&file).unwrap().parameters().unwrap(), plain.parameters().unwrap());
}

/// Weights in ternary or in NVFP4 have factors beside them: of a matrix, of each expert, of what comes in.
#[test]
fn factors_are_no_parameters() {
    let case = cases().into_iter().find(|case| case.arch == "qwen3moe").unwrap();
    let mut file = case.file();
    let plain = read(&file).unwrap();
    for tensor in file.tensors.iter_mut().filter(|tensor| tensor.name.ends_with("_exps.weight")) {
        (tensor.kind, tensor.bytes) = (NVFP4, tensor.dims.iter().product::<u64>() / 64 * 36);
    }
    for part in ["ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"] {
        file.tensor(&format!("blk.0.{part}.scale"), &[4], F32).tensor(&format!("blk.0.{part}.input_scale"), &[4], F32);
    }
    file.tensor("blk.1.attn_q.scale", &[1], F32);
    assert_eq!(read(&file).unwrap().parameters().unwrap(), plain.parameters().unwrap());
    let message = read(file.tensor("blk.1.attn_k.scale", &[64], F32)).unwrap_err();
    assert!(message.contains("blk.1.attn_k.scale"), "{message}");
}
