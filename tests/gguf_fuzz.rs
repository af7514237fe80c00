//! Damaged GGUF files: read or refused, never a panic, a hang, or memory far beyond the file's own size.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod gguf_files;

use gguf_files::{F32, IQ2_XXS, Q8_0, Value, families, model};
use roofprobe::model::gguf::{architecture, parse_gguf};
use roofprobe::model::{Phase, Workload};
use std::io::Cursor;
use std::time::{Duration, Instant};

/// xorshift64*: the same damage every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % below.max(1)
    }

    /// A number that a reader may stumble over.
    fn number(&mut self, file: usize) -> u64 {
        let small = self.roll(300) as u64;
        let shift = self.roll(64);
        [
            0,
            1,
            8,
            9,
            small,
            u64::MAX,
            i64::MAX as u64,
            1 << shift,
            (1 << shift) - 1,
            file as u64,
            (file as u64).wrapping_sub(small),
            1 << 32,
        ][self.roll(12)]
    }
}

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

/// Reads a file as far as it goes, up to the operations of its model.
fn survives(bytes: &[u8]) -> usize {
    let Ok(file) = parse_gguf(Cursor::new(bytes), bytes.len() as u64) else { return 0 };
    assert!(file.tensor_bytes().unwrap() <= bytes.len() as u64, "tensors lie apart within the file");
    let Ok(model) = architecture(&file, "damaged") else { return 1 };
    assert_eq!(model.parameters().unwrap() + model.rope_factors, file.params_total().unwrap());
    drop(Workload::default().runs(&model, Phase::Generation));
    2
}

/// Most memory that this process ever had, bytes.
fn most_memory() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse::<usize>().ok().map(|kib| kib << 10)
}

/// No file below 1 MiB takes so long on any machine; a machine that was stopped meanwhile may.
const SLOW: Duration = Duration::from_secs(5);

/// A file that hangs the reader does so every time.
fn is_a_hang(bytes: &[u8]) {
    let quick = |_| {
        let begun = Instant::now();
        survives(bytes);
        begun.elapsed() < SLOW
    };
    let kept = std::env::temp_dir().join("gguf_fuzz_slow.gguf");
    std::fs::write(&kept, bytes).unwrap();
    assert!((0..5).any(quick), "hangs: {}", kept.display());
}

/// Damages files until told to stop; how many got how far.
fn fuzz(seed: u64, mut goes_on: impl FnMut(usize) -> bool) -> [usize; 3] {
    let seeds = seeds();
    let mut dice = Dice(seed);
    let mut reached = [0; 3];
    let before = most_memory();
    while goes_on(reached.iter().sum()) {
        let chosen = dice.roll(seeds.len());
        let bytes = damage(&seeds[chosen], &mut dice);
        assert!(bytes.len() < 1 << 20);
        let begun = Instant::now();
        reached[survives(&bytes)] += 1;
        if begun.elapsed() > SLOW {
            is_a_hang(&bytes);
        }
    }
    if let (Some(before), Some(after)) = (before, most_memory()) {
        assert!(after - before <= 64 << 20, "{before} bytes before, {after} after");
    }
    reached
}

#[test]
fn damaged_files_are_read_or_refused() {
    let reached = fuzz(0x5eed, |done| done < 4000);
    // All ways of going wrong, and of going well, were met.
    assert!(reached.iter().all(|&count| count > 50), "{reached:?}");
}

/// By hand: `cargo test --release --test gguf_fuzz -- --ignored --nocapture`, with another seed in `FUZZ_SEED`.
#[test]
#[ignore = "takes ten minutes"]
fn damaged_files_for_ten_minutes() {
    let seed = std::env::var("FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let begun = Instant::now();
    let reached = fuzz(seed, |_| begun.elapsed() < Duration::from_secs(600));
    assert!(reached.iter().all(|&count| count > 0), "{reached:?}");
    let path = std::env::temp_dir().join("gguf_fuzz.txt");
    std::fs::write(path, format!("refused, read, modelled: {reached:?}\n")).unwrap();
}
