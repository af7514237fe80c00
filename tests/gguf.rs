//! GGUF files: what is read of them, what is made of it, and what is refused with which words.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod gguf_files;

use gguf_files::{F16, F32, File, Q4_K, Q6_K, Q8_0, Value, model};
use roofprobe::evaluate::evaluate;
use roofprobe::model::gguf::{Value as Read, parse_gguf};
use roofprobe::model::{
    Biases, GroupedQuery, HeadNorm, Latents, Mixer, Model, Norm, Phase, Strictness, TensorType, Workload, parse_config,
    read_model,
};
use roofprobe::report::{Format, Shown, evaluation};
use std::io::Cursor;
use std::path::Path;

fn parse(bytes: &[u8]) -> roofprobe::error::Result<roofprobe::model::gguf::Gguf> {
    parse_gguf(Cursor::new(bytes), bytes.len() as u64)
}

fn refusal(file: &File) -> String {
    parse(&file.bytes()).unwrap_err().to_string()
}

/// The model of a file, through the file system as the program meets it.
fn read(file: &File) -> Result<Model, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.gguf");
    std::fs::write(&path, file.bytes()).unwrap();
    read_model(&path, Strictness::default()).map_err(|e| e.to_string())
}

fn contains(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "\"{word}\" is not in: {message}");
    }
}

#[test]
fn the_table_is_the_truth_of_bytes_and_parameters() {
    let mut file = File::new();
    file.tensor("a", &[256, 3], Q4_K).tensor("b", &[5], F32).tensor("c", &[64, 2, 7], Q8_0);
    let read = parse(&file.bytes()).unwrap();
    assert_eq!(read.tensor_bytes(), Ok(3 * 144 + 5 * 4 + 2 * 7 * 2 * 34));
    assert_eq!(read.params_total(), Ok(768 + 5 + 896));
    let places: Vec<u64> = read.tensors.iter().map(|tensor| tensor.offset).collect();
    assert_eq!(places, [0, 448, 480]);
    assert_eq!(read.tensors[2].dims, [64, 2, 7, 1]);
    // The last tensor need not be padded; a byte less, and it is not whole.
    let end = file.bytes().len() - (480_usize + 952).next_multiple_of(32) + 480 + 952;
    assert!(parse(&file.bytes()[..end]).is_ok());
    contains(
        &parse(&file.bytes()[..end - 1]).unwrap_err().to_string(),
        &["\"c\"", "952 bytes at offset 480", "truncated"],
    );
}

#[test]
fn metadata_keeps_what_is_short_and_counts_the_rest() {
    let mut file = File::new();
    file.count("count", 7).key("wide", Value::U64(1 << 40)).key("word", Value::Text("wörd".to_owned()));
    file.key("layers", Value::Counts(vec![1, 2, 3])).key("tokenizer.ggml.scores", Value::Counts(vec![1; 10]));
    file.key("tokenizer.ggml.tokens", Value::Texts(vec!["a".to_owned(), String::new()]));
    file.key("template", Value::Text("x".repeat(5000))).key("minus", Value::Raw(1, vec![0xfe]));
    file.key("yes", Value::Raw(7, vec![1])).key("half", Value::Raw(6, 0.5_f32.to_le_bytes().to_vec()));
    let metadata = parse(&file.bytes()).unwrap().metadata;
    assert_eq!(metadata.count("count"), Ok(Some(7)));
    assert_eq!(metadata.count("wide"), Ok(Some(1 << 40)));
    assert_eq!(metadata.text("word"), Ok(Some("wörd")));
    assert_eq!(metadata.per_layer("layers", 3), Ok(Some(vec![1, 2, 3])));
    assert_eq!(metadata.per_layer("count", 2), Ok(Some(vec![7, 7])));
    assert_eq!(metadata.get("template"), Some(&Read::LongText(5000)));
    assert_eq!(metadata.get("minus"), Some(&Read::Signed(-2)));
    assert_eq!(metadata.get("yes"), Some(&Read::Bool(true)));
    assert_eq!(metadata.get("half"), Some(&Read::Float(0.5)));
    for (key, len) in [("tokenizer.ggml.scores", 10), ("tokenizer.ggml.tokens", 2)] {
        let Some(Read::Array(array)) = metadata.get(key) else { panic!("{key}") };
        assert_eq!((array.len, &array.values), (len, &None));
    }
    contains(&metadata.count("word").unwrap_err().to_string(), &["word", "must be a count", "wörd"]);
    contains(&metadata.count("minus").unwrap_err().to_string(), &["minus", "-2"]);
    contains(&metadata.per_layer("layers", 4).unwrap_err().to_string(), &["layers", "3 values for 4 layers"]);
}

#[test]
fn what_is_no_gguf_file_is_told_apart() {
    let refused = |bytes: &[u8]| parse(bytes).unwrap_err().to_string();
    contains(&refused(b""), &["magic", "truncated"]);
    contains(&refused(b"<html>"), &["is no GGUF file"]);
    contains(&refused(b"lmgg...."), &["before GGUF", "convert"]);
    for (version, words) in [(1, "version: 1"), (4, "version: 4"), (0, "version: 0"), (3 << 24, "big-endian")] {
        contains(&refusal(&File { version, ..File::new() }), &[words]);
    }
    assert!(parse(&File { version: 2, ..File::new() }.bytes()).is_ok());
}

#[test]
fn every_truncation_is_refused() {
    let mut file = model("llama");
    file.key("tokenizer.ggml.tokens", Value::Texts(vec!["a".to_owned(); 3]));
    file.key("general.name", Value::Text("small".to_owned()));
    let whole = file.bytes();
    assert!(parse(&whole).is_ok());
    let head = file.head().len();
    for length in (0..head + 64).chain([whole.len() / 2]) {
        assert!(parse(&whole[..length]).is_err(), "{length} of {head}");
    }
}

#[test]
fn counts_that_the_file_cannot_hold_are_refused_before_anything_is_kept() {
    let with = |at: usize, value: u64| {
        let mut bytes = model("llama").bytes();
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        parse(&bytes).unwrap_err().to_string()
    };
    for value in [u64::MAX, 1 << 40, 1 << 30] {
        contains(&with(8, value), &["tensor_count", &value.to_string()]);
        contains(&with(16, value), &["kv_count", &value.to_string()]);
        contains(&with(24, value), &["key 0", &value.to_string()]);
    }
    let array = |kind: u32, len: u64| {
        let raw = [kind.to_le_bytes().to_vec(), len.to_le_bytes().to_vec()].concat();
        let mut file = File::new();
        refusal(file.key("list", Value::Raw(9, raw)))
    };
    contains(&array(8, u64::MAX), &["\"list\"", "texts"]);
    contains(&array(0, u64::MAX), &["\"list\"", "truncated"]);
    contains(&array(10, u64::MAX / 8 + 2), &["\"list\"", "truncated"]);
    contains(&array(9, 1), &["\"list\"", "array of arrays"]);
    contains(&array(9, 1 << 20), &["\"list\"", "array of arrays"]);
    contains(&array(13, 1), &["\"list\"", "value type 13"]);
    let text = Value::Raw(8, u64::MAX.to_le_bytes().to_vec());
    contains(&refusal(File::new().key("word", text)), &["\"word\"", "truncated"]);
    contains(&refusal(File::new().key("word", Value::Raw(7, vec![2]))), &["\"word\"", "no truth value"]);
    contains(&refusal(File::new().key("", Value::U32(1))), &["key 0"]);
}

#[test]
fn tensors_that_cannot_be_are_refused_by_name() {
    let refused = |dims: &[u64], kind| refusal(File::new().tensor("bad", dims, kind));
    contains(&refused(&[33], Q8_0), &["\"bad\"", "33 elements", "q8_0"]);
    contains(&refused(&[4], 4), &["\"bad\"", "type 4", "removed"]);
    contains(&refused(&[4], 99), &["\"bad\"", "type 99", "unknown"]);
    contains(&refused(&[], F32), &["\"bad\"", "0 dimensions"]);
    contains(&refused(&[1; 5], F32), &["\"bad\"", "5 dimensions"]);
    let mut file = File::new();
    for (dims, word) in
        [(vec![0], "dimensions [0]"), (vec![1 << 32, 1 << 32], "dimensions"), (vec![u64::MAX], "dimensions")]
    {
        file.tensors = vec![gguf_files::Tensor { name: "bad".to_owned(), dims, kind: F32, bytes: 0, offset: None }];
        contains(&refusal(&file), &["\"bad\"", word]);
    }
    let two = |offset: u64| {
        let mut file = File::new();
        file.tensor("first", &[16], F32).tensor("second", &[16], F32);
        file.tensors[1].offset = Some(offset);
        refusal(&file)
    };
    contains(&two(32), &["\"second\"", "within \"first\""]);
    contains(&two(0), &["\"second\"", "within \"first\""]);
    contains(&two(65), &["\"second\"", "offset 65", "general.alignment 32"]);
    contains(&two(128), &["\"second\"", "offset 128", "truncated"]);
    contains(&two(u64::MAX - 31), &["\"second\"", "truncated"]);
    let mut twice = File::new();
    contains(&refusal(twice.tensor("same", &[8], F32).tensor("same", &[8], F32)), &["\"same\"", "stands twice"]);
    let mut keys = File::new();
    keys.keys = vec![("key".to_owned(), Value::U32(1)), ("key".to_owned(), Value::U32(1))];
    contains(&refusal(&keys), &["\"key\"", "stands twice"]);
}

#[test]
fn the_datas_alignment_is_a_power_of_two() {
    for (alignment, lawful) in [(0, false), (1, true), (24, false), (64, true), (1 << 20, true), (1 << 21, false)] {
        let mut file = File::new();
        file.alignment = u64::from(alignment).clamp(1, 1 << 20);
        file.count("general.alignment", alignment).tensor("a", &[3], F32).tensor("b", &[3], F32);
        match parse(&file.bytes()) {
            Ok(_) => assert!(lawful, "{alignment}"),
            Err(error) => contains(&error.to_string(), if lawful { &["?"] } else { &["general.alignment"] }),
        }
    }
}

/// The same model as a configuration: every count must be the same.
fn twin(arch: &str, tied: bool) -> Model {
    let [hidden, vocabulary, layers, heads, kv_heads, width] = gguf_files::SHAPE;
    let text = format!(
        r#"{{"model_type": "{arch}", "hidden_size": {hidden}, "vocab_size": {vocabulary}, "num_hidden_layers": {layers},
            "num_attention_heads": {heads}, "num_key_value_heads": {kv_heads}, "intermediate_size": {width},
            "head_dim": 32, "tie_word_embeddings": {tied}, "max_position_embeddings": 4096}}"#
    );
    parse_config(&text, "small").unwrap()
}

fn grouped_query(mixer: &Mixer) -> &GroupedQuery {
    match mixer {
        Mixer::GroupedQuery(attention) => attention,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_and_a_configuration_of_the_same_model_agree() {
    for arch in ["llama", "qwen2", "qwen3"] {
        for tied in [true, false] {
            let mut file = model(arch);
            if !tied {
                file.tensor("output.weight", &[256, 300], F16);
            }
            let read = read(&file).unwrap();
            let twin = twin(arch, tied);
            assert_eq!(read.without_tensors(), twin);
            let stored = read.storage.gguf.unwrap();
            assert_eq!(Ok(stored.params_total), twin.parameters());
            assert_eq!(Ok(stored.tensor_bytes), twin.stored_bytes(TensorType::F16));
        }
    }
    let first = |arch| grouped_query(&read(&model(arch)).unwrap().shape.layers[0].mixer).clone();
    assert_eq!(first("qwen2").biases, Biases::QueryKeyValue);
    assert_eq!(first("qwen3").head_norm, HeadNorm::PerHead(Norm::Rms));
}

#[test]
fn frequencies_are_bytes_and_elements_but_no_parameters() {
    let mut file = model("llama");
    file.tensor("rope_freqs.weight", &[16], F32);
    let read = read(&file).unwrap();
    let stored = read.storage.gguf.clone().unwrap();
    assert_eq!(stored.params_total, read.parameters().unwrap() + 16);
    assert_eq!(stored.tensor_bytes, twin("llama", true).stored_bytes(TensorType::F16).unwrap() + 64);
}

#[test]
fn layers_may_differ_in_their_heads() {
    let mut file = model("llama");
    file.key("llama.attention.head_count_kv", Value::Counts(vec![2, 4, 4]));
    file.count("llama.attention.key_length", 32);
    for tensor in &mut file.tensors {
        let late = tensor.name.starts_with("blk.1.") || tensor.name.starts_with("blk.2.");
        if late && (tensor.name.ends_with("attn_k.weight") || tensor.name.ends_with("attn_v.weight")) {
            (tensor.dims, tensor.bytes) = (vec![256, 128], 256 * 128 * 2);
        }
    }
    let read = read(&file).unwrap();
    let kinds = read.shape.layers.iter().map(|layer| (layer.places.clone(), grouped_query(&layer.mixer).kv_heads));
    assert_eq!(kinds.collect::<Vec<_>>(), [(vec![0], 2), (vec![1, 2], 4)]);
    assert_eq!(read.kv_elements_per_token(Latents::Naive), Ok(2 * 32 * (2 + 4 + 4)));
}

#[test]
fn what_contradicts_itself_is_refused_with_both_names() {
    let refused = |change: &dyn Fn(&mut File)| {
        let mut file = model("llama");
        change(&mut file);
        read(&file).unwrap_err()
    };
    let count = |key: &'static str, value: u32| {
        refused(&|file| {
            file.count(key, value);
        })
    };
    contains(
        &count("llama.embedding_length", 128),
        &["small.gguf", "llama.embedding_length", "128", "token_embd.weight", "256"],
    );
    contains(&count("llama.vocab_size", 7), &["llama.vocab_size", "7", "token_embd.weight", "300"]);
    contains(&count("llama.block_count", 2), &["blk.2.", "llama.block_count is 2"]);
    contains(&count("llama.block_count", 4), &["blk.3.ffn_down.weight", "is missing"]);
    contains(&count("llama.block_count", 0), &["llama.block_count"]);
    contains(&count("llama.block_count", u32::MAX), &["llama.block_count"]);
    contains(
        &count("llama.feed_forward_length", 1024),
        &["blk.0.ffn_down.weight", "rows of 512", "llama.feed_forward_length is 1024"],
    );
    contains(&count("llama.attention.head_count", 4), &["blk.0.attn_k.weight", "llama.attention.head_count_kv"]);
    contains(&count("llama.attention.head_count", 3), &["does not divide"]);
    contains(&count("llama.attention.head_count", 0), &["llama.attention.head_count"]);
    contains(
        &count("llama.attention.key_length", 64),
        &["blk.0.attn_k.weight", "256 × 64", "llama.attention.key_length"],
    );
    contains(&count("llama.attention.value_length", 64), &["llama.attention.value_length", "not supported"]);
    contains(&count("llama.expert_count", 8), &["llama.expert_count", "mixture of experts"]);
    contains(&count("llama.attention.sliding_window", 1024), &["llama.attention.sliding_window", "1024"]);
    assert!(read(model("llama").count("llama.attention.sliding_window", 4096)).is_ok(), "no token is beyond it");
    contains(&refused(&|file| _ = file.without("general.architecture")), &["general.architecture", "missing"]);
    contains(&refused(&|file| _ = file.without("blk.1.attn_v.weight")), &["blk.1.attn_v.weight", "missing"]);
    contains(
        &refused(&|file| _ = file.tensor("blk.1.attn_sinks.weight", &[8], F32)),
        &["attn_sinks", "no tensor of llama"],
    );
    contains(&refused(&|file| _ = file.tensor("mystery", &[8], F32)), &["mystery", "no tensor of llama"]);
    contains(
        &refused(&|file| _ = file.tensor("blk.x.ffn_up.weight", &[8], F32)),
        &["blk.x.ffn_up.weight", "of no block"],
    );
    contains(&refused(&|file| _ = file.tensor("blk.0.attn_q.bias", &[256], F32)), &["blk.0.attn_k.bias", "is missing"]);
    contains(
        &refused(&|file| _ = file.tensor("output.weight", &[256, 301], F16)),
        &["output.weight", "256 × 301", "token_embd.weight"],
    );
    contains(
        &refused(&|file| _ = file.key("tokenizer.ggml.tokens", Value::Texts(vec![String::new()]))),
        &["tokenizer.ggml.tokens", "1 tokens", "300 rows"],
    );
    contains(&read(&model("gpt17")).unwrap_err(), &["gpt17", "did you mean: gpt2?"]);
}

/// Four layers' worth of types: each operation's bytes are those of its own tensors.
#[test]
fn every_operation_reads_its_tensors_as_they_are_stored() {
    let mut file = model("llama");
    file.count("general.file_type", 15);
    for tensor in &mut file.tensors {
        let kind = match tensor.name.as_str() {
            "token_embd.weight" | "blk.0.ffn_down.weight" => Q6_K,
            name if name.contains("ffn_") && !name.contains("norm") => Q4_K,
            _ => continue,
        };
        let elements: u64 = tensor.dims.iter().product();
        (tensor.kind, tensor.bytes) = (kind, elements / 256 * if kind == Q6_K { 210 } else { 144 });
    }
    let model = read(&file).unwrap();
    let profile = roofprobe::profile::parse(include_str!("data/plain-cpu.toml")).unwrap();
    let result = evaluate(&model, &Workload::default().into(), &profile, "plain").unwrap();
    assert_eq!((result.weights.as_str(), result.model.as_str()), ("q4_k_m", "small"));
    assert_eq!(result.tensor_bytes, Some(file.tensors.iter().map(|tensor| tensor.bytes).sum()));
    assert_eq!(result.weight_bytes_total, result.tensor_bytes.unwrap());
    let decode = result.phases.iter().find(|phase| phase.phase == Phase::Decode).unwrap();
    // The tied head is the embedding: read whole once, and one row of it.
    assert_eq!(decode.weight_bytes, result.weight_bytes_total + 210);
    let ops: Vec<(&str, &str, u64, u64)> = decode
        .ops
        .iter()
        .filter(|op| op.op.starts_with("ffn_down") || op.op == "output")
        .map(|op| (op.op, op.stored_as.as_str(), op.repeat, op.bytes))
        .collect();
    let down = 256 * 512 / 256;
    assert_eq!(
        ops,
        [
            ("ffn_down", "q6_k", 1, down * 210),
            ("ffn_down", "q4_k", 2, 2 * down * 144),
            ("output", "q6_k", 1, 300 * 210)
        ]
    );

    let text = evaluation::report(&[result], Shown::All).unwrap().render(Format::default()).unwrap();
    contains(&text, &["ffn_down (q6_k)", "ffn_down (q4_k)", " output "]);

    let other = Workload { weights: Some(TensorType::F16.into()), ..Workload::default() };
    contains(&evaluate(&model, &other.into(), &profile, "plain").unwrap_err().to_string(), &["--weights", "small"]);
}

#[test]
fn a_file_without_an_ending_is_known_by_its_first_letters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sha256-0123");
    std::fs::write(&path, model("llama").bytes()).unwrap();
    assert_eq!(read_model(&path, Strictness::default()).unwrap().parameters(), twin("llama", true).parameters());
}

/// A million array values are kept, no more: 300 arrays of 4000 cost less than they could.
#[test]
fn many_short_arrays_are_counted_not_kept() {
    let mut file = File::new();
    for index in 0..300 {
        let raw = [0_u32.to_le_bytes().to_vec(), 4000_u64.to_le_bytes().to_vec(), vec![1; 4000]].concat();
        file.key(&format!("list.{index}"), Value::Raw(9, raw));
    }
    let metadata = parse(&file.bytes()).unwrap().metadata;
    let kept = |index: u32| match metadata.get(&format!("list.{index}")) {
        Some(Read::Array(array)) => (array.len, array.values.is_some()),
        other => panic!("{other:?}"),
    };
    assert_eq!((kept(0), kept(261), kept(262), kept(299)), ((4000, true), (4000, true), (4000, false), (4000, false)));
}

#[test]
fn split_files_are_read_as_one_model() {
    let whole = model("llama");
    let folder = tempfile::tempdir().unwrap();
    let path = |part: u32| folder.path().join(format!("m-{part:05}-of-00003.gguf"));
    let part = |number: u32, tensors: &[gguf_files::Tensor], total: u32| {
        let mut file = if number == 0 { whole.clone() } else { File::new() };
        file.tensors = tensors.to_vec();
        file.count("split.no", number).count("split.count", 3).count("split.tensors.count", total);
        std::fs::write(path(number + 1), file.bytes()).unwrap();
    };
    let count = whole.tensors.len() as u32;
    let write = |total| {
        part(0, &whole.tensors[..5], total);
        part(1, &whole.tensors[5..20], total);
        part(2, &whole.tensors[20..], total);
    };
    let refused = |path: &Path| read_model(path, Strictness::default()).unwrap_err().to_string();
    write(count);
    let read = read_model(&path(1), Strictness::default()).unwrap();
    assert_eq!((read.name(), read.parameters()), ("m", twin("llama", true).parameters()));
    assert_eq!(read.storage.gguf.unwrap().tensor_bytes, whole.tensors.iter().map(|tensor| tensor.bytes).sum::<u64>());

    contains(&refused(&path(2)), &["m-00002-of-00003.gguf", "name that one"]);
    let elsewhere = folder.path().join("renamed.gguf");
    std::fs::copy(path(1), &elsewhere).unwrap();
    contains(&refused(&elsewhere), &["renamed.gguf", "split.count", "NAME-00001-of-00003.gguf"]);
    write(count + 1);
    contains(&refused(&path(1)), &["split.tensors.count", &(count + 1).to_string(), &count.to_string()]);
    write(count);
    part(2, &whole.tensors[19..], count + 1);
    contains(&refused(&path(1)), &["split.tensors.count"]);
    std::fs::copy(path(1), path(3)).unwrap();
    contains(&refused(&path(1)), &["m-00003-of-00003.gguf", "split.no"]);
    std::fs::remove_file(path(3)).unwrap();
    contains(&refused(&path(1)), &["m-00003-of-00003.gguf", "no such file", "part 3 of 3"]);
}

#[test]
fn a_file_has_the_layers_that_it_has() {
    let read = read(&model("llama")).unwrap();
    let layers = read.layer_count();
    assert_eq!(read.with_layers(layers).unwrap(), read);
    contains(&read.with_layers(layers + 1).unwrap_err().to_string(), &["depth: ", "GGUF file", "tensors"]);
}
