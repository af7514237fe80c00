//! The header of one file.

use super::dtype::ElementType;
use crate::error::{Error, Result, obeyed};
use crate::model::keys::quoted;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use std::collections::HashSet;
use std::fmt;
use std::io::Read;

/// The length of a header stands in front of it.
const LENGTH_BYTES: u64 = 8;
/// Longer headers are refused by the library itself. One of a thousand experts has some 10 MB.
const HEADER_BYTES_MAX: u64 = 100_000_000;
/// More tensors than this has no file.
const TENSORS_MAX: usize = 1 << 20;
/// Tensors of more dimensions are no weights.
const DIMENSIONS_MAX: usize = 8;

/// How much of a message about JSON is repeated.
const SHOWN_CHARS: usize = 240;

/// A tensor as its file's header describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Its name, `model.layers.0.mlp.up_proj.weight`.
    pub name: Box<str>,
    /// The type of its elements.
    pub kind: ElementType,
    /// Elements along each dimension, the row last.
    pub shape: Box<[u64]>,
    /// Exact bytes.
    pub bytes: u64,
    begin: u64,
}

impl Tensor {
    /// One of which no more is known.
    pub(super) fn named(name: &str) -> Tensor {
        Tensor { name: name.into(), kind: ElementType::U8, shape: Box::default(), bytes: 0, begin: 0 }
    }
}

/// Reads the header of one file of `length` bytes; the data stays unread.
///
/// # Errors
/// Misuse, naming the tensor, and the remedy: not a safetensors file, truncated, a header that is too long, no JSON, a name
/// that stands twice, a type that is unknown, bytes that are not those of the shape, tensors that overlap or leave gaps.
pub fn parse_header(mut source: impl Read, length: u64) -> Result<Vec<Tensor>> {
    let mut announced = [0; LENGTH_BYTES as usize];
    let too_short =
        || Error::misuse(format!("is no safetensors file: it has {length} bytes; was something else downloaded?"));
    let room = length.checked_sub(LENGTH_BYTES).ok_or_else(too_short)?;
    source.read_exact(&mut announced).map_err(|_| too_short())?;
    let header = u64::from_le_bytes(announced);
    if &announced == b"version " {
        return Err(Error::misuse("is a pointer of Git LFS, not the file itself; fetch it with `git lfs pull`"));
    }
    if header > HEADER_BYTES_MAX.min(room) {
        return Err(Error::misuse(format!(
            "announces a header of {header} bytes, the file has room for {room}, and {HEADER_BYTES_MAX} are the most; it is no safetensors file, or truncated or damaged"
        )));
    }
    let mut bytes = Vec::new();
    let got = source.take(header).read_to_end(&mut bytes).map_err(|e| Error::misuse(format!("cannot be read: {e}")))?;
    if got as u64 != header {
        return Err(Error::misuse("the header ends early; the file is truncated: fetch it again"));
    }
    let table: Table = serde_json::from_slice(&bytes).map_err(|e| {
        Error::misuse(format!("its header is wrong: {}; the file is damaged: fetch it again", short(&e)))
    })?;
    drop(bytes);
    let tensors: Vec<Tensor> = table.0.into_iter().map(|(name, entry)| tensor(name, entry)).collect::<Result<_>>()?;
    check_places(&tensors, room - header)?;
    Ok(tensors)
}

/// What is wrong, without all of a foreign text in it.
pub(super) fn short(error: &impl fmt::Display) -> String {
    let text = error.to_string();
    text.chars().filter(|c| !obeyed(*c)).take(SHOWN_CHARS).collect()
}

/// An entry as it stands there.
#[derive(Deserialize)]
struct Entry {
    dtype: Box<str>,
    shape: Box<[u64]>,
    data_offsets: [u64; 2],
}

/// Every entry, in the order of the file.
struct Table(Vec<(Box<str>, Entry)>);

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Table, D::Error> {
        from.deserialize_map(TableVisitor)
    }
}

struct TableVisitor;

impl<'de> Visitor<'de> for TableVisitor {
    type Value = Table;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> std::result::Result<Table, A::Error> {
        let (mut entries, mut names) = (Vec::new(), HashSet::new());
        let mut about = false;
        while let Some(name) = from.next_key::<Box<str>>()? {
            let twice = || A::Error::custom(format!("{} stands twice", quoted(&name)));
            if &*name == "__metadata__" {
                if std::mem::replace(&mut about, true) {
                    return Err(twice());
                }
                from.next_value::<IgnoredAny>()?;
                continue;
            }
            if !names.insert(name.clone()) {
                return Err(twice());
            }
            if entries.len() == TENSORS_MAX {
                return Err(A::Error::custom(format!("it has more than {TENSORS_MAX} tensors")));
            }
            let entry =
                from.next_value().map_err(|e| A::Error::custom(format!("tensor {}: {}", quoted(&name), short(&e))))?;
            entries.push((name, entry));
        }
        Ok(Table(entries))
    }
}

fn tensor(name: Box<str>, entry: Entry) -> Result<Tensor> {
    let Entry { dtype, shape, data_offsets: [begin, end] } = entry;
    let wrong = |why: String| Error::misuse(format!("tensor {}: {why}", quoted(&name)));
    let kind: ElementType = dtype.parse().map_err(|_| {
        wrong(format!("its type {} is unknown; the file is damaged, or newer than this program", quoted(&dtype)))
    })?;
    if shape.len() > DIMENSIONS_MAX {
        return Err(wrong(format!("has {} dimensions, where {DIMENSIONS_MAX} are the most", shape.len())));
    }
    let bits = shape.iter().try_fold(kind.bits(), |all, &extent| all.checked_mul(extent));
    let bytes = end.checked_sub(begin);
    match (bits, bytes) {
        (Some(bits), Some(bytes)) if bits.is_multiple_of(8) && bits / 8 == bytes => {
            Ok(Tensor { name, kind, shape, bytes, begin })
        }
        (None, _) => Err(wrong(format!("no tensor has the shape {shape:?}; the file is damaged"))),
        (Some(bits), _) => Err(wrong(format!(
            "{kind} of shape {shape:?} has {} bytes, and the data lies at {begin}..{end}; the file is damaged",
            bits.div_ceil(8)
        ))),
    }
}

/// Tensors lie one behind another, without gaps, and fill the `length` bytes of data.
fn check_places(tensors: &[Tensor], length: u64) -> Result<()> {
    let mut order: Vec<&Tensor> = tensors.iter().collect();
    order.sort_by_key(|tensor| (tensor.begin, tensor.bytes));
    let mut end = 0;
    for tensor in order {
        let wrong = |why: String| Err(Error::misuse(format!("tensor {}: {why}", quoted(&tensor.name))));
        if tensor.begin != end {
            let what = if tensor.begin < end { "lies within another tensor" } else { "lies behind bytes of no tensor" };
            return wrong(format!("{what}, at {}, where {end} is next; the file is damaged", tensor.begin));
        }
        end = tensor.begin + tensor.bytes;
        if end > length {
            return wrong(format!(
                "ends at {end}, and the file has {length} bytes of data; it is truncated: fetch it again"
            ));
        }
    }
    if end == length {
        return Ok(());
    }
    Err(Error::misuse(format!("has {length} bytes of data, and its tensors {end}; the file is damaged")))
}
