//! A small writer of GGUF files, for tests: the layout of the specification, with whatever counts a test wants.
#![allow(dead_code, reason = "each test uses a part")]

pub(crate) mod families;
pub(crate) mod more_families;
pub(crate) mod recurrent;
pub(crate) mod varied;

/// A value of the metadata.
#[derive(Clone)]
pub(crate) enum Value {
    U32(u32),
    U64(u64),
    Text(String),
    Counts(Vec<u32>),
    Texts(Vec<String>),
    /// Type and bytes as they are.
    Raw(u32, Vec<u8>),
}

/// A file in the making: keys, and tensors with their dimensions and type numbers.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) version: u32,
    pub(crate) keys: Vec<(String, Value)>,
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) alignment: u64,
}

#[derive(Clone)]
pub(crate) struct Tensor {
    pub(crate) name: String,
    pub(crate) dims: Vec<u64>,
    pub(crate) kind: u32,
    pub(crate) bytes: u64,
    /// Where it stands, when not behind the one before.
    pub(crate) offset: Option<u64>,
}

pub(crate) const F32: u32 = 0;
pub(crate) const F16: u32 = 1;
pub(crate) const Q8_0: u32 = 8;
pub(crate) const Q4_K: u32 = 12;
pub(crate) const Q6_K: u32 = 14;
pub(crate) const IQ2_XXS: u32 = 16;
pub(crate) const NVFP4: u32 = 40;

/// Elements and bytes of a block, of the types that the tests use.
fn block(kind: u32) -> (u64, u64) {
    match kind {
        F32 => (1, 4),
        F16 => (1, 2),
        Q8_0 => (32, 34),
        Q4_K => (256, 144),
        Q6_K => (256, 210),
        IQ2_XXS => (256, 66),
        NVFP4 => (64, 36),
        _ => (1, 1),
    }
}

fn text(bytes: &mut Vec<u8>, word: &str) {
    bytes.extend((word.len() as u64).to_le_bytes());
    bytes.extend(word.as_bytes());
}

impl File {
    pub(crate) fn new() -> File {
        File { version: 3, keys: Vec::new(), tensors: Vec::new(), alignment: 32 }
    }

    pub(crate) fn key(&mut self, name: &str, value: Value) -> &mut File {
        self.keys.retain(|(known, _)| known != name);
        self.keys.push((name.to_owned(), value));
        self
    }

    pub(crate) fn count(&mut self, name: &str, value: u32) -> &mut File {
        self.key(name, Value::U32(value))
    }

    pub(crate) fn tensor(&mut self, name: &str, dims: &[u64], kind: u32) -> &mut File {
        let (elements, each) = block(kind);
        let bytes = dims.iter().product::<u64>() / elements * each;
        self.tensors.push(Tensor { name: name.to_owned(), dims: dims.to_vec(), kind, bytes, offset: None });
        self
    }

    /// The matrices in another type.
    pub(crate) fn matrices(&mut self, kind: u32) -> &mut File {
        for tensor in self.tensors.iter_mut().filter(|tensor| tensor.dims.len() > 1) {
            let (elements, each) = block(kind);
            (tensor.kind, tensor.bytes) = (kind, tensor.dims.iter().product::<u64>() / elements * each);
        }
        self
    }

    /// The matrices whose rows are whole blocks in another type.
    pub(crate) fn packed(&mut self, kind: u32) -> &mut File {
        let (elements, each) = block(kind);
        for tensor in self.tensors.iter_mut().filter(|tensor| tensor.dims.len() > 1 && tensor.dims[0] % elements == 0) {
            (tensor.kind, tensor.bytes) = (kind, tensor.dims.iter().product::<u64>() / elements * each);
        }
        self
    }

    pub(crate) fn without(&mut self, name: &str) -> &mut File {
        self.tensors.retain(|tensor| tensor.name != name);
        self.keys.retain(|(known, _)| known != name);
        self
    }

    /// The head: all but the data.
    pub(crate) fn head(&self) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend((self.tensors.len() as u64).to_le_bytes());
        bytes.extend((self.keys.len() as u64).to_le_bytes());
        for (name, value) in &self.keys {
            text(&mut bytes, name);
            value.write(&mut bytes);
        }
        let mut next = 0_u64;
        for tensor in &self.tensors {
            text(&mut bytes, &tensor.name);
            bytes.extend((tensor.dims.len() as u32).to_le_bytes());
            for dim in &tensor.dims {
                bytes.extend(dim.to_le_bytes());
            }
            bytes.extend(tensor.kind.to_le_bytes());
            bytes.extend(tensor.offset.unwrap_or(next).to_le_bytes());
            next = (next + tensor.bytes).next_multiple_of(self.alignment);
        }
        bytes
    }

    /// Bytes of the whole file.
    pub(crate) fn length(&self) -> u64 {
        let head = (self.head().len() as u64).next_multiple_of(self.alignment);
        self.tensors.iter().fold(head, |end, tensor| (end + tensor.bytes).next_multiple_of(self.alignment))
    }

    /// The whole file, its data zero.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head();
        bytes.resize(bytes.len().next_multiple_of(self.alignment as usize), 0);
        for tensor in &self.tensors {
            let end = (bytes.len() as u64 + tensor.bytes).next_multiple_of(self.alignment);
            bytes.resize(end as usize, 0);
        }
        bytes
    }
}

impl Value {
    fn write(&self, bytes: &mut Vec<u8>) {
        let kind = |bytes: &mut Vec<u8>, id: u32| bytes.extend(id.to_le_bytes());
        match self {
            Value::U32(number) => {
                kind(bytes, 4);
                bytes.extend(number.to_le_bytes());
            }
            Value::U64(number) => {
                kind(bytes, 10);
                bytes.extend(number.to_le_bytes());
            }
            Value::Text(word) => {
                kind(bytes, 8);
                text(bytes, word);
            }
            Value::Counts(counts) => {
                kind(bytes, 9);
                kind(bytes, 4);
                bytes.extend((counts.len() as u64).to_le_bytes());
                counts.iter().for_each(|count| bytes.extend(count.to_le_bytes()));
            }
            Value::Texts(words) => {
                kind(bytes, 9);
                kind(bytes, 8);
                bytes.extend((words.len() as u64).to_le_bytes());
                words.iter().for_each(|word| text(bytes, word));
            }
            Value::Raw(id, raw) => {
                kind(bytes, *id);
                bytes.extend(raw);
            }
        }
    }
}

/// Width, vocabulary, layers, heads, kv heads, feed-forward width of [`model`].
pub(crate) const SHAPE: [u32; 6] = [256, 300, 3, 8, 2, 512];

/// A small model of that architecture, matrices f16.
pub(crate) fn model(arch: &str) -> File {
    let [hidden, vocabulary, layers, heads, kv_heads, width] = SHAPE;
    let mut file = File::new();
    let named = |key: &str| format!("{arch}.{key}");
    file.key("general.architecture", Value::Text(arch.to_owned()));
    for (key, value) in [
        ("block_count", layers),
        ("context_length", 4096),
        ("embedding_length", hidden),
        ("feed_forward_length", width),
        ("attention.head_count", heads),
        ("attention.head_count_kv", kv_heads),
    ] {
        file.count(&named(key), value);
    }
    let tokens = (0..vocabulary).map(|token| format!("t{token}")).collect();
    file.key("tokenizer.ggml.tokens", Value::Texts(tokens));
    let [hidden, vocabulary, _, heads, kv_heads, width] = SHAPE.map(u64::from);
    let kv = hidden / heads * kv_heads;
    file.tensor("token_embd.weight", &[hidden, vocabulary], F16);
    file.tensor("output_norm.weight", &[hidden], F32);
    for block in 0..layers {
        let mut add = |name: &str, dims: &[u64], kind| {
            file.tensor(&format!("blk.{block}.{name}"), dims, kind);
        };
        add("attn_norm.weight", &[hidden], F32);
        add("ffn_norm.weight", &[hidden], F32);
        add("attn_q.weight", &[hidden, hidden], F16);
        add("attn_k.weight", &[hidden, kv], F16);
        add("attn_v.weight", &[hidden, kv], F16);
        add("attn_output.weight", &[hidden, hidden], F16);
        add("ffn_gate.weight", &[hidden, width], F16);
        add("ffn_up.weight", &[hidden, width], F16);
        add("ffn_down.weight", &[width, hidden], F16);
        if arch == "qwen2" {
            add("attn_q.bias", &[hidden], F32);
            add("attn_k.bias", &[kv], F32);
            add("attn_v.bias", &[kv], F32);
        }
        if arch == "qwen3" {
            add("attn_q_norm.weight", &[hidden / heads], F32);
            add("attn_k_norm.weight", &[hidden / heads], F32);
        }
    }
    file
}
