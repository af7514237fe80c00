//! One GGUF file: magic, version, metadata, tensor table.

use super::metadata::Metadata;
use super::reader::Head;
use super::tensors::{self, Tensor};
use crate::error::{Error, Result};
use std::io::{Read, Seek};

/// Metadata and tensor table of a model, of all its files together.
#[derive(Clone, Debug, PartialEq)]
pub struct Gguf {
    /// The metadata of the first file.
    pub metadata: Metadata,
    /// The tensors, in the order of their tables.
    pub tensors: Vec<Tensor>,
}

impl Gguf {
    /// Bytes of all tensors: what llama-bench calls `model_size`.
    ///
    /// # Errors
    /// Misuse when the sum does not fit 64 bits.
    pub fn tensor_bytes(&self) -> Result<u64> {
        sum(self.tensors.iter().map(|tensor| tensor.bytes))
    }

    /// Elements of all tensors: what llama-bench calls `model_n_params`.
    ///
    /// # Errors
    /// Misuse when the sum does not fit 64 bits.
    pub fn params_total(&self) -> Result<u64> {
        sum(self.tensors.iter().map(Tensor::elements))
    }
}

fn sum(mut numbers: impl Iterator<Item = u64>) -> Result<u64> {
    let all = numbers.try_fold(0_u64, u64::checked_add);
    all.ok_or_else(|| Error::misuse("the tensors together exceed 64 bits; the file is damaged"))
}

/// Reads the head of one file of `length` bytes, without the other parts of a split model.
///
/// # Errors
/// Misuse, naming the key or tensor, and the remedy: not a GGUF file, big-endian, of another version, truncated, or
/// contradicting itself.
pub fn parse_gguf(source: impl Read + Seek, length: u64) -> Result<Gguf> {
    let mut head = Head::new(source, length);
    check_magic(head.magic()?)?;
    check_version(head.u32("version")?)?;
    let tensor_count = head.u64("tensor_count")?;
    let key_count = head.u64("kv_count")?;
    tensors::check_count(tensor_count, head.left())?;
    let metadata = Metadata::read(&mut head, key_count)?;
    // Keys have taken their room by now.
    tensors::check_count(tensor_count, head.left())?;
    let tensors = tensors::read(&mut head, tensor_count)?;
    let alignment = metadata.alignment()?;
    let data = head.position().next_multiple_of(alignment);
    tensors::check_names(&tensors)?;
    tensors::check_places(&tensors, alignment, head.length().saturating_sub(data))?;
    Ok(Gguf { metadata, tensors })
}

fn check_magic(magic: [u8; 4]) -> Result<()> {
    match &magic {
        b"GGUF" => Ok(()),
        b"lmgg" | b"tjgg" | b"fmgg" | b"algg" => {
            Err(Error::misuse("is a ggml file from before GGUF; convert the model again with a current tool"))
        }
        _ => Err(Error::misuse("is no GGUF file (it does not begin with \"GGUF\"); was something else downloaded?")),
    }
}

fn check_version(version: u32) -> Result<()> {
    match version {
        2 | 3 => Ok(()),
        1 => {
            Err(Error::misuse("version: 1 is not supported (2 and 3 are); convert the model again with a current tool"))
        }
        big if big & 0xffff == 0 && (1..=0xffff).contains(&big.swap_bytes()) => Err(Error::misuse(
            "is big-endian, which is not supported; convert it with gguf_convert_endian.py of gguf-py",
        )),
        _ => Err(Error::misuse(format!(
            "version: {version} is not supported (2 and 3 are); the file is damaged, or newer than this program"
        ))),
    }
}
