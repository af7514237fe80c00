//! The tensor table of one file.

use super::reader::{Head, quoted};
use crate::error::{Error, Result};
use crate::model::tensor_type::TensorType;
use std::collections::HashSet;
use std::io::{Read, Seek};

/// Names of tensors have at most this many bytes (ggml has 63, forks 127).
const NAME_BYTES_MAX: u64 = 255;
/// More tensors than this has no file. DeepSeek-V3 with every expert apart would have some 46,000.
const TENSORS_MAX: u64 = 1 << 20;
/// The least that an entry takes: a name of one letter, one dimension, type and offset.
const ENTRY_BYTES_MIN: u64 = 8 + 1 + 4 + 8 + 4 + 8;
const DIMENSIONS_MAX: usize = 4;

/// A tensor as its file's table describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// Its name, `blk.0.attn_q.weight`.
    pub name: Box<str>,
    /// Elements along each dimension, the row first; 1 beyond the last.
    pub dims: [u64; DIMENSIONS_MAX],
    /// How it is stored.
    pub kind: TensorType,
    /// Exact bytes.
    pub bytes: u64,
    /// Where it begins, from the beginning of its file's data.
    pub offset: u64,
}

impl Tensor {
    /// How many elements it has.
    pub fn elements(&self) -> u64 {
        // The table was read with this product within 63 bits.
        self.dims.iter().product()
    }

    fn read<R: Read + Seek>(head: &mut Head<R>, index: u64) -> Result<Tensor> {
        let name = head.name(NAME_BYTES_MAX, &format!("tensor {index}"))?;
        let what = quoted(&name);
        let wrong = |why: String| Error::misuse(format!("tensor {what}: {why}"));
        let count = head.u32(&what)? as usize;
        if !(1..=DIMENSIONS_MAX).contains(&count) {
            return Err(wrong(format!(
                "has {count} dimensions, where 1 to {DIMENSIONS_MAX} are lawful; the file is damaged"
            )));
        }
        let mut dims = [1_u64; DIMENSIONS_MAX];
        for dim in &mut dims[..count] {
            *dim = head.u64(&what)?;
        }
        let elements = dims.iter().try_fold(1_u64, |all, &dim| all.checked_mul(dim));
        if !elements.is_some_and(|all| (1..=i64::MAX.cast_unsigned()).contains(&all)) {
            return Err(wrong(format!("no tensor has the dimensions {:?}; the file is damaged", &dims[..count])));
        }
        let id = head.u32(&what)?;
        let kind = TensorType::of_ggml(id).map_err(|why| wrong(format!("its type {id} {why}")))?;
        let rows = dims[1..].iter().product();
        let bytes = kind.matrix_bytes(rows, dims[0]).ok_or_else(|| {
            wrong(format!("a row of {} elements is no whole number of {kind} blocks; the file is damaged", dims[0]))
        })?;
        let bytes = u64::try_from(bytes).map_err(|_| wrong("has more bytes than 64 bits can count".to_owned()))?;
        let offset = head.u64(&what)?;
        Ok(Tensor { name: name.into(), dims, kind, bytes, offset })
    }
}

/// Reads `count` entries.
pub(super) fn read<R: Read + Seek>(head: &mut Head<R>, count: u64) -> Result<Vec<Tensor>> {
    let mut tensors = Vec::new();
    for index in 0..count {
        tensors.push(Tensor::read(head, index)?);
    }
    Ok(tensors)
}

/// Holds an announced number of tensors against the file.
pub(super) fn check_count(count: u64, left: u64) -> Result<()> {
    let room = left / ENTRY_BYTES_MIN;
    if count <= TENSORS_MAX.min(room) {
        return Ok(());
    }
    Err(Error::misuse(format!(
        "tensor_count: {count} tensors are announced, the file has room for {room}, and {TENSORS_MAX} are the most; it is truncated or damaged"
    )))
}

/// No name stands twice.
pub(super) fn check_names(tensors: &[Tensor]) -> Result<()> {
    let mut seen = HashSet::new();
    match tensors.iter().find(|tensor| !seen.insert(&tensor.name)) {
        None => Ok(()),
        Some(twice) => Err(Error::misuse(format!("tensor {}: stands twice; the file is damaged", quoted(&twice.name)))),
    }
}

/// Every tensor lies aligned within the `length` bytes of data, and none in another.
pub(super) fn check_places(tensors: &[Tensor], alignment: u64, length: u64) -> Result<()> {
    let mut order: Vec<&Tensor> = tensors.iter().collect();
    order.sort_by_key(|tensor| tensor.offset);
    let mut before: Option<(&Tensor, u64)> = None;
    for tensor in order {
        let wrong = |why: String| Err(Error::misuse(format!("tensor {}: {why}", quoted(&tensor.name))));
        if !tensor.offset.is_multiple_of(alignment) {
            return wrong(format!("its offset {} is no multiple of general.alignment {alignment}", tensor.offset));
        }
        let Some(end) = tensor.offset.checked_add(tensor.bytes).filter(|end| *end <= length) else {
            return wrong(format!(
                "{} bytes at offset {} reach beyond the file's {length} bytes of data; it is truncated: fetch it again",
                tensor.bytes, tensor.offset
            ));
        };
        if let Some((other, _)) = before.filter(|(_, end)| tensor.offset < *end) {
            return wrong(format!("lies within {}; the file is damaged", quoted(&other.name)));
        }
        before = Some((tensor, end));
    }
    Ok(())
}
