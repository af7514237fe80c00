//! Safetensors files without their data: headers as libraries wrote them for tiny models (`tests/oracle/checkpoints.py`).

use roofprobe::model::safetensors::{Headers, parse_header};
use serde_json::{Map, Value, json};
use std::io::Cursor;

/// A tiny model as a library wrote it.
pub(crate) struct Fixture {
    pub(crate) name: String,
    pub(crate) config: Value,
    /// By tensor: type, shape, place of its data.
    pub(crate) header: Map<String, Value>,
    pub(crate) total_size: u64,
}

/// All of them.
pub(crate) fn fixtures() -> Vec<Fixture> {
    let text = include_str!("../data/checkpoints.jsonl");
    let fixture = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let entry = |(name, value): (&String, &Value)| {
            let offsets = json!([value[2], value[3]]);
            (name.clone(), json!({"dtype": value[0], "shape": value[1], "data_offsets": offsets}))
        };
        Fixture {
            name: line["name"].as_str().unwrap().to_owned(),
            config: line["config"].clone(),
            header: line["header"].as_object().unwrap().iter().map(entry).collect(),
            total_size: line["total_size"].as_u64().unwrap(),
        }
    };
    text.lines().map(fixture).collect()
}

/// The beginning of a file with that header.
pub(crate) fn head(header: &str) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()
}

impl Fixture {
    /// The beginning of its file, and the length of the whole.
    pub(crate) fn file(&self) -> (Vec<u8>, u64) {
        let head = head(&Value::Object(self.header.clone()).to_string());
        let length = head.len() as u64 + self.total_size;
        (head, length)
    }

    pub(crate) fn headers(&self) -> Headers {
        let (head, length) = self.file();
        Headers::of_one(parse_header(Cursor::new(head), length).unwrap_or_else(|e| panic!("{}: {e}", self.name)))
    }
}
