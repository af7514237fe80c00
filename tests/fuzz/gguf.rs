//! Damaged GGUF files.

use crate::gguf_files::{self, F32, IQ2_XXS, Q8_0, Value, families, model};
use crate::harness::{Dice, Kind};
use roofprobe::model::gguf::{self, parse_gguf};
use roofprobe::model::{Phase, Workload};
use std::io::Cursor;

/// Files to begin with: whole models with little data, and one with every kind of value.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = ["llama", "qwen2", "qwen3"]
        .map(|arch| {
            let mut file = model(arch);
            file.key("tokenizer.ggml.tokens", Value::Texts(vec!["ab".to_owned(); 300])).matrices(IQ2_XXS);
            file.bytes()
        })
        .into();
    let mut all = gguf_files::File::new();
    all.count("general.alignment", 64)
        .key("list", Value::Counts(vec![7; 20]))
        .key("word", Value::Text("word".to_owned()));
    for (id, bytes) in [(0, 1), (1, 1), (2, 2), (3, 2), (5, 4), (6, 4), (7, 1), (11, 8), (12, 8)] {
        all.key(&format!("kind.{id}"), Value::Raw(id, vec![1; bytes]));
    }
    all.alignment = 64;
    all.tensor("a", &[32, 3], Q8_0).tensor("b", &[7], F32).tensor("c", &[4, 3, 2, 2], F32);
    seeds.push(all.bytes());
    let kinds = families::cases().into_iter().filter(|case| ["deepseek2", "mamba2", "lfm2"].contains(&case.arch));
    seeds.extend(kinds.map(|case| case.file().packed(IQ2_XXS).bytes()));
    seeds
}

/// One to four wounds, most of them in the head.
fn damage(file: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = file.to_vec();
    for _ in 0..=dice.roll(4) {
        let area = if dice.roll(8) == 0 { bytes.len() } else { bytes.len().min(9000) };
        let at = dice.roll(area);
        let length = dice.roll(40);
        let end = (at + length).min(bytes.len());
        match dice.roll(8) {
            0 => bytes[at] ^= 1 << dice.roll(8),
            1 => bytes[at] = dice.roll(256) as u8,
            2 => {
                let number = dice.number(bytes.len()).to_le_bytes();
                let end = (at + 8).min(bytes.len());
                bytes[at..end].copy_from_slice(&number[..end - at]);
            }
            3 => {
                let number = dice.number(bytes.len()).to_le_bytes();
                let end = (at + 4).min(bytes.len());
                bytes[at..end].copy_from_slice(&number[..end - at]);
            }
            4 => drop(bytes.drain(at..end)),
            5 => {
                let again = bytes[at..end].to_vec();
                let to = dice.roll(area);
                bytes.splice(to..to, again);
            }
            6 => {
                let from = dice.roll(area);
                for (offset, index) in (at..end).enumerate() {
                    bytes[index] = bytes[(from + offset) % file.len().min(bytes.len())];
                }
            }
            _ => bytes.truncate(at.max(1)),
        }
        if bytes.is_empty() {
            bytes.push(0);
        }
    }
    bytes
}

/// Up to the operations of its model.
fn survives(bytes: &[u8], _: &mut Dice) -> usize {
    let Ok(file) = parse_gguf(Cursor::new(bytes), bytes.len() as u64) else { return 0 };
    assert!(file.tensor_bytes().unwrap() <= bytes.len() as u64, "tensors lie apart within the file");
    let Ok(model) = gguf::model(&file, "damaged") else { return 1 };
    assert_eq!(model.parameters().unwrap() + model.storage.rope_factors, file.params_total().unwrap());
    for phase in [Phase::Prefill, Phase::Decode, Phase::Generation] {
        drop(Workload::default().runs(&model, phase));
    }
    2
}

fn kind() -> Kind {
    Kind { name: "gguf", seeds: seeds(), damage, survives }
}

#[test]
fn damaged_gguf_files() {
    kind().briefly(4000);
}

#[test]
#[ignore = "takes ten minutes"]
fn gguf_at_length() {
    kind().at_length();
}
