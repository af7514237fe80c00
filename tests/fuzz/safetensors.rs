//! Damaged headers of safetensors files, and what a model makes of them.

use crate::harness::{Dice, Kind};
use crate::header_files::{Fixture, fixtures};
use crate::{config, text, tree};
use roofprobe::model::Strictness;
use roofprobe::model::safetensors::{Headers, model, parse_header};
use serde_json::Value;
use std::io::Cursor;
use std::sync::LazyLock;

static FIXTURES: LazyLock<Vec<Fixture>> = LazyLock::new(fixtures);
static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let names = FIXTURES.iter().flat_map(|fixture| fixture.header.keys().cloned());
    let kinds = ["F32", "BF16", "U8", "I32", "F4", "BOOL", "dtype", "shape", "data_offsets", "__metadata__"];
    let mut words: Vec<String> = names.chain(kinds.map(str::to_owned)).collect();
    words.sort();
    words.dedup();
    words
});

/// The number of a fixture, the length that the whole file is said to have, and its beginning.
fn case(number: usize, length: u64, head: &[u8]) -> Vec<u8> {
    [&[number as u8][..], &length.to_le_bytes(), head].concat()
}

fn seeds() -> Vec<Vec<u8>> {
    let seed = |(number, fixture): (usize, &Fixture)| {
        let (head, length) = fixture.file();
        assert!(!fixture.headers().tensors.is_empty());
        case(number, length, &head)
    };
    FIXTURES.iter().enumerate().map(seed).collect()
}

/// Of a header as a tree, or as bytes; its length mostly told rightly.
fn damage(seed: &[u8], dice: &mut Dice) -> Vec<u8> {
    let (number, length) = (usize::from(seed[0]), u64::from_le_bytes(seed[1..9].try_into().unwrap()));
    let header = &seed[17..];
    let data = length - 8 - header.len() as u64;
    let mut wounded = match serde_json::from_slice::<Value>(header) {
        Ok(mut tree) if dice.roll(3) > 0 => {
            tree::damage(&mut tree, &WORDS, dice);
            tree::to_json(&tree)
        }
        _ => text::damage(header, dice),
    };
    wounded.truncate((1 << 20) - 32);
    let announced = if dice.roll(16) == 0 { dice.number(wounded.len()) } else { wounded.len() as u64 };
    let whole = if dice.roll(16) == 0 { dice.number(wounded.len()) } else { 8 + wounded.len() as u64 + data };
    case(number, whole, &[&announced.to_le_bytes(), wounded.as_slice()].concat())
}

fn survives(bytes: &[u8], dice: &mut Dice) -> usize {
    let Some((number, rest)) = bytes.split_first() else { return 0 };
    let Some((length, head)) = rest.split_first_chunk::<8>() else { return 0 };
    let length = u64::from_le_bytes(*length);
    let tensors = match parse_header(Cursor::new(head), length) {
        Ok(tensors) => tensors,
        Err(refusal) => {
            let message = refusal.to_string();
            assert!(message.lines().count() == 1 && message.len() < 4000, "{message}");
            return 0;
        }
    };
    let headers = Headers::of_one(tensors);
    assert!(headers.bytes().unwrap() <= length, "tensors lie apart within the file");
    let fixture = &FIXTURES[usize::from(*number) % FIXTURES.len()];
    match model(&fixture.config.to_string(), &fixture.name, Strictness::Lenient, &headers) {
        Ok(model) => {
            let stored = model.storage.safetensors.as_ref().unwrap();
            let left_out: u64 = stored.left_out.iter().map(|(_, bytes)| bytes).sum();
            assert_eq!(stored.by_class.total() + u128::from(left_out), u128::from(stored.tensor_bytes));
            1.max(config::computes(&model, dice))
        }
        Err(refusal) => {
            assert_eq!(refusal.to_string().lines().count(), 1, "{refusal}");
            1
        }
    }
}

fn kind() -> Kind {
    Kind { name: "safetensors", seeds: seeds(), damage, survives }
}

#[test]
fn damaged_safetensors_headers() {
    kind().briefly(1500);
}

#[test]
#[ignore = "takes ten minutes"]
fn safetensors_at_length() {
    kind().at_length();
}
