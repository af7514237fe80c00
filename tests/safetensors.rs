//! Checkpoints with the headers of their files: every byte is some tensor's, and what is wrong is refused by name.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "header_files/mod.rs"]
mod header_files;

use header_files::{Fixture, fixtures, head};
use roofprobe::model::safetensors::{Headers, model, model_of_index, parse_header, parse_index};
use roofprobe::model::{Class, Model, Phase, Strictness, TensorTypes, Workload, parse_config, read_model};
use serde_json::{Value, json};
use std::io::Cursor;

fn read(fixture: &Fixture) -> Model {
    model(&fixture.config.to_string(), &fixture.name, Strictness::Lenient, &fixture.headers())
        .unwrap_or_else(|e| panic!("{}: {e}", fixture.name))
}

fn named(name: &str) -> Fixture {
    fixtures().into_iter().find(|fixture| fixture.name == name).unwrap()
}

#[test]
fn every_byte_of_a_file_is_some_tensors() {
    let all = fixtures();
    assert!(all.len() > 25);
    for fixture in all {
        let model = read(&fixture);
        let stored = model.storage.safetensors.as_ref().unwrap();
        let left_out: u64 = stored.left_out.iter().map(|(_, bytes)| bytes).sum();
        let types = TensorTypes::of(&model, None).unwrap();
        assert_eq!(stored.tensor_bytes, fixture.total_size, "{}", fixture.name);
        assert_eq!(types.bytes + left_out, fixture.total_size, "{}: {:?}", fixture.name, stored.left_out);
        assert_eq!(stored.by_class.total(), u128::from(types.bytes), "{}", fixture.name);
        assert!(stored.by_class.get(Class::Embed) > 0, "{}", fixture.name);
        Workload::default().runs(&model, Phase::Decode).unwrap();
        // Without --weights nothing is taken for granted; with it the files do not matter.
        let config = parse_config(&fixture.config.to_string(), &fixture.name);
        if let Ok(config) = config {
            assert_eq!(model.parameters().unwrap(), config.parameters().unwrap());
            let half = |model: &Model| model.stored_bytes("f16".parse::<roofprobe::model::Weights>().unwrap()).unwrap();
            assert_eq!(half(&model), half(&config), "{}", fixture.name);
        }
    }
}

/// Bytes of one class, counted on paper: 2 layers of 256, 4 heads, 2 kv heads of 64, width 512, vocabulary 320, bf16.
#[test]
fn bytes_are_told_apart_by_what_tensors_are_for() {
    let llama = read(&named("llama"));
    let stored = llama.storage.safetensors.unwrap();
    let of = |class| stored.by_class.get(class);
    assert_eq!(of(Class::Embed), 2 * 320 * 256);
    assert_eq!(of(Class::LmHead), 2 * 320 * 256);
    assert_eq!(of(Class::AttnProj), 2 * 2 * (2 * 256 * 256 + 2 * 128 * 256));
    assert_eq!(of(Class::Ffn), 2 * 2 * 3 * 256 * 512);
    assert_eq!(of(Class::Norm), 2 * 5 * 256);
    let experts = read(&named("qwen3_moe")).storage.safetensors.unwrap();
    assert_eq!(experts.by_class.get(Class::Expert), 2 * 2 * 4 * 3 * 128 * 256);
    assert_eq!(experts.by_class.get(Class::Router), 2 * 2 * 4 * 256);
}

fn refusal(fixture: &Fixture) -> String {
    let message =
        model(&fixture.config.to_string(), "m", Strictness::Lenient, &fixture.headers()).unwrap_err().to_string();
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

/// A tensor more, of one byte for each element, behind all others.
fn with_tensor(fixture: &mut Fixture, name: &str, shape: &[u64]) {
    let bytes: u64 = shape.iter().product();
    let offsets = [fixture.total_size, fixture.total_size + bytes];
    fixture.header.insert(name.to_owned(), json!({"dtype": "U8", "shape": shape, "data_offsets": offsets}));
    fixture.total_size += bytes;
}

#[test]
fn a_file_of_another_model_is_refused_by_the_tensors_name() {
    let mut wider = named("llama");
    wider.config["intermediate_size"] = json!(1024);
    let message = refusal(&wider);
    assert!(
        message.contains("mlp.") && message.contains("is 512 × 256, where by config.json it would be 1024 × 256")
            || message.contains("is 256 × 512, where by config.json it would be 256 × 1024"),
        "{message}"
    );
    let mut deeper = named("llama");
    deeper.config["num_hidden_layers"] = json!(3);
    assert!(refusal(&deeper).contains("tensor layers.2.self_attn.k_proj (blk.2."), "{}", refusal(&deeper));
    let mut shallower = named("llama");
    shallower.config["num_hidden_layers"] = json!(1);
    assert!(refusal(&shallower).contains("model.layers.1."), "{}", refusal(&shallower));
    let mut tied = named("llama");
    tied.config["tie_word_embeddings"] = json!(true);
    let left_out = read(&tied).storage.safetensors.unwrap().left_out;
    assert_eq!(left_out, [("a copy of the embedding".to_owned(), 2 * 320 * 256)]);
    let mut fewer = named("qwen3_moe");
    (fewer.config["num_experts"], fewer.config["num_local_experts"]) = (json!(3), json!(3));
    assert!(refusal(&fewer).contains("mlp.experts.0."), "{}", refusal(&fewer));
    let mut strange = named("llama");
    with_tensor(&mut strange, "model.layers.0.self_attn.indexer.weight", &[3]);
    assert!(refusal(&strange).contains("indexer.weight\": is no tensor of llama"), "{}", refusal(&strange));
}

#[test]
fn what_belongs_to_no_language_model_is_left_out_by_name() {
    let mut fixture = named("llama");
    with_tensor(&mut fixture, "model.visual.blocks.0.attn.qkv.weight", &[100]);
    with_tensor(&mut fixture, "multi_modal_projector.linear.bias", &[10]);
    with_tensor(&mut fixture, "model.layers.0.self_attn.rotary_emb.inv_freq", &[32]);
    with_tensor(&mut fixture, "model.layers.1.self_attn.k_scale", &[]);
    let left_out = read(&fixture).storage.safetensors.unwrap().left_out;
    let expected = [("buffers", 32), ("multi_modal_projector", 10), ("scales of activations", 1), ("visual", 100)];
    assert_eq!(left_out, expected.map(|(what, bytes)| (what.to_owned(), bytes)));
}

#[test]
fn headers_are_held_against_their_file() {
    let entry =
        |dtype: &str, shape: Value, offsets: [u64; 2]| json!({"dtype": dtype, "shape": shape, "data_offsets": offsets});
    let one = |dtype, shape, offsets| json!({"a": entry(dtype, shape, offsets)}).to_string();
    let text = |header: &str, data: u64| {
        let file = head(header);
        let length = file.len() as u64 + data;
        parse_header(Cursor::new(file), length).map(|tensors| tensors.len()).map_err(|e| e.to_string())
    };
    assert_eq!(text("{}", 0), Ok(0));
    assert_eq!(text(&format!("{}    ", one("BF16", json!([2, 3]), [0, 12])), 12), Ok(1));
    assert_eq!(text(&one("F4", json!([4]), [0, 2]), 2), Ok(1));
    assert_eq!(text(&one("F32", json!([]), [0, 4]), 4), Ok(1));
    let two = |second: [u64; 2]| {
        json!({"a": entry("U8", json!([4]), [0, 4]), "b": entry("U8", json!([4]), second)}).to_string()
    };
    assert_eq!(text(&two([4, 8]), 8), Ok(2));
    let twice =
        r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#;
    let inner = r#"{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}"#;
    for (header, data, words) in [
        (one("BF16", json!([2, 3]), [0, 11]), 11, "\"a\": BF16 of shape [2, 3] has 12 bytes"),
        (one("BF16", json!([2, 3]), [0, 12]), 11, "truncated"),
        (one("BF16", json!([2, 3]), [0, 12]), 13, "has 13 bytes of data, and its tensors 12"),
        (one("F4", json!([3]), [0, 2]), 2, "F4 of shape [3]"),
        (one("U8", json!([1_u64 << 40, 1_u64 << 40]), [0, 1]), 1, "no tensor has the shape"),
        (one("F64", json!([u64::MAX]), [0, 1]), 1, "no tensor has the shape"),
        (one("U8", json!([2]), [2, 0]), 2, "lies at 2..0"),
        (one("Q9", json!([1]), [0, 1]), 1, "its type \"Q9\" is unknown"),
        (one("U8", json!([1, 1, 1, 1, 1, 1, 1, 1, 1]), [0, 1]), 1, "9 dimensions"),
        (one("U8", json!([-1]), [0, 1]), 1, "tensor \"a\": invalid value"),
        (two([2, 6]), 8, "\"b\": lies within another tensor"),
        (two([5, 9]), 9, "\"b\": lies behind bytes of no tensor"),
        (twice.to_owned(), 2, "\"a\" stands twice"),
        (inner.to_owned(), 1, "duplicate field"),
        ("[]".to_owned(), 0, "an object of tensors"),
        ("{\"a\":".to_owned(), 0, "EOF"),
    ] {
        let message = text(&header, data).unwrap_err();
        assert!(message.contains(words) && message.lines().count() == 1, "{words}: {message}");
    }
    let of = |bytes: &[u8], length| parse_header(Cursor::new(bytes.to_vec()), length).unwrap_err().to_string();
    assert!(of(b"abc", 3).contains("is no safetensors file"));
    assert!(of(&u64::MAX.to_le_bytes(), 100).contains("room for 92"));
    assert!(of(&200_000_000_u64.to_le_bytes(), 1 << 40).contains("100000000 are the most"));
    assert!(of(&50_u64.to_le_bytes(), 1000).contains("ends early"));
    assert!(of(b"version https://git-lfs.github.com/spec/v1", 130).contains("git lfs pull"));
}

#[test]
fn an_index_names_files_beside_it() {
    let index = parse_index(
        r#"{"metadata":{"total_size":10.0},"weight_map":{"a":"x.safetensors","b":"y.safetensors","c":"x.safetensors"}}"#,
    );
    let index = index.unwrap();
    assert_eq!((index.total_size, index.files.len(), index.places["c"]), (Some(10), 2, 0));
    for (text, words) in [
        (r#"{"weight_map":{}}"#, "is empty"),
        (r#"{"metadata":{}}"#, "weight_map"),
        (r#"{"weight_map":{"a":"../x.safetensors"}}"#, "\"../x.safetensors\", which is no name"),
        (r#"{"weight_map":{"a":"/etc/x.safetensors"}}"#, "which is no name"),
        (r#"{"weight_map":{"a":"pytorch_model.bin"}}"#, "which is no name"),
        (r#"{"weight_map":{"a":"x.safetensors","a":"y.safetensors"}}"#, "\"a\" twice"),
        (r#"{"metadata":{"total_size":-1},"weight_map":{"a":"x.safetensors"}}"#, "metadata.total_size"),
        ("{", "not an index"),
    ] {
        let message = parse_index(text).unwrap_err().to_string();
        assert!(message.contains(words) && message.lines().count() == 1, "{words}: {message}");
    }
    let tensor = |name: &str| {
        let header = json!({name: {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).to_string();
        let file = head(&header);
        let length = file.len() as u64 + 1;
        parse_header(Cursor::new(file), length).unwrap()
    };
    let both = [tensor("a"), tensor("c")].concat();
    assert_eq!(Headers::of_several(&index, vec![both.clone(), tensor("b")]).unwrap().bytes().unwrap(), 3);
    let refused = |files| Headers::of_several(&index, files).unwrap_err().to_string();
    assert!(refused(vec![both.clone(), vec![]]).contains("\"b\": weight_map has it in y.safetensors"));
    assert!(refused(vec![tensor("b"), both.clone()]).contains("weight_map has it elsewhere"));
    assert!(
        refused(vec![[both, tensor("d")].concat(), [tensor("b"), tensor("d")].concat()])
            .contains("\"d\": is in two files")
    );
}

#[test]
fn an_index_alone_is_held_against_the_count() {
    let fixture = named("llama");
    let index = |total: u64, more: &str| {
        let names: Vec<String> = fixture.header.keys().map(|name| format!("\"{name}\":\"x.safetensors\"")).collect();
        let text = format!(r#"{{"metadata":{{"total_size":{total}}},"weight_map":{{{}{more}}}}}"#, names.join(","));
        model_of_index(&fixture.config.to_string(), "m", Strictness::Lenient, &parse_index(&text).unwrap())
    };
    let remark = |total| index(total, "").unwrap().source.remarks.pop().unwrap();
    let total = fixture.total_size;
    assert!(remark(total).contains("as the configuration makes it"), "{}", remark(total));
    assert!(remark(total + 5).contains("5 more than"), "{}", remark(total + 5));
    let message = index(total, r#","model.layers.7.mlp.up_proj.weight":"x.safetensors""#).unwrap_err().to_string();
    assert!(message.contains("model.layers.7.mlp"), "{message}");
}

/// A file of that header whose data is a hole.
fn write(fixture: &Fixture, names: impl Fn(&str) -> bool, path: &std::path::Path) {
    let mut end = 0;
    let mut header = serde_json::Map::new();
    for (name, entry) in fixture.header.iter().filter(|(name, _)| names(name)) {
        let [from, to] = [0, 1].map(|at| entry["data_offsets"][at].as_u64().unwrap());
        let mut entry = entry.clone();
        entry["data_offsets"] = json!([end, end + to - from]);
        end += to - from;
        header.insert(name.clone(), entry);
    }
    let file = head(&Value::Object(header).to_string());
    std::fs::write(path, &file).unwrap();
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(file.len() as u64 + end).unwrap();
}

#[test]
fn a_folder_a_file_and_an_index_are_one_model() {
    let fixture = named("qwen3_moe");
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("tiny-moe");
    std::fs::create_dir(&folder).unwrap();
    let place = |name: &str| folder.join(name);
    let read = |path: &std::path::Path| read_model(path, Strictness::Lenient).map_err(|e| e.to_string());
    let (one, index) = (place("model.safetensors"), place("model.safetensors.index.json"));
    write(&fixture, |_| true, &one);
    let message = read(&one).unwrap_err();
    assert!(message.contains("put the model's config.json beside it"), "{message}");
    std::fs::write(place("config.json"), fixture.config.to_string()).unwrap();
    let bytes = |model: &Model| TensorTypes::of(model, None).unwrap().bytes;
    for path in [&folder, &one] {
        let model = read(path).unwrap();
        assert_eq!((model.name(), bytes(&model)), ("tiny-moe", fixture.total_size));
    }
    std::fs::remove_file(&one).unwrap();
    // Some libraries tear modules apart.
    let first = |name: &str| name.contains("layers.0.") && !name.contains("experts.3.up");
    let parts = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    let map: serde_json::Map<String, Value> =
        fixture.header.keys().map(|name| (name.clone(), json!(parts[usize::from(!first(name))]))).collect();
    let text = json!({"metadata": {"total_size": fixture.total_size}, "weight_map": map}).to_string();
    std::fs::write(&index, text).unwrap();
    // None of the files: the index alone.
    let alone = read(&index).unwrap();
    assert!(
        alone.storage.safetensors.is_none()
            && alone.source.remarks.iter().any(|remark| remark.contains("are not here"))
    );
    write(&fixture, first, &place(parts[0]));
    let message = read(&folder).unwrap_err();
    assert!(
        message.contains(parts[1]) && message.contains("is missing") && message.contains("config.json to count"),
        "{message}"
    );
    write(&fixture, |name| !first(name), &place(parts[1]));
    for path in [&folder, &index, &place(parts[0])] {
        let model = read(path).unwrap();
        assert_eq!((model.name(), bytes(&model)), ("tiny-moe", fixture.total_size));
        assert!(
            !model.source.remarks.iter().any(|remark| remark.contains("the index states")),
            "{:?}",
            model.source.remarks
        );
    }
    std::fs::write(place(parts[1]), b"version https://git-lfs.github.com/spec/v1").unwrap();
    assert!(read(&folder).unwrap_err().contains("git lfs pull"));
}

#[test]
fn what_a_configuration_announces_is_what_its_files_hold() {
    let mut told = 0;
    for fixture in fixtures() {
        let Ok(config) = parse_config(&fixture.config.to_string(), &fixture.name) else { continue };
        // bitsandbytes writes its levels, and settings in words, beside each matrix.
        if config.storage.checkpoint.is_none() || fixture.name.starts_with("bitsandbytes") {
            continue;
        }
        let (by_rule, by_file) =
            (TensorTypes::of(&config, None).unwrap(), TensorTypes::of(&read(&fixture), None).unwrap());
        assert_eq!(by_rule.bytes, by_file.bytes, "{} as {}", fixture.name, by_rule.format);
        told += 1;
    }
    assert!(told > 25, "{told}");
}
