//! GGUF files of every architecture that is read, in small: each equals its configuration, tensor names and all.
//!
//! Names and extents are those with which llama.cpp (build 11669) loads files of these architectures.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod gguf_files;

use gguf_files::families::cases;
use gguf_files::{F32, File};
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
            assert!(message.is_some() || optional || is_optional_bias(&tensor.name), "{}: {}", case.arch, tensor.name);
        }
        let message = read(whole.clone().tensor("blk.1.mystery.weight", &[256], F32)).unwrap_err();
        assert!(message.contains("blk.1.mystery.weight") && message.contains("no tensor of"), "{message}");
    }
}

fn is_optional_bias(name: &str) -> bool {
    let all = ["attn_output.bias", "attn_qkv.bias", "ffn_gate_inp.bias", "exp_probs_b.bias", "ssm_conv1d.bias"];
    all.iter().any(|bias| name.ends_with(bias)) || name.ends_with("ffn_gate_inp_shexp.weight")
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
