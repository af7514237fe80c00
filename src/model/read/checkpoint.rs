//! Checkpoints: a `config.json` with safetensors files beside it, of which the headers alone are read.

use super::super::config::Strictness;
use super::super::language_model::Model;
use super::super::safetensors::{self, Headers, Index, Tensor, parse_header, parse_index};
use crate::error::{Error, Result};
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const CONFIG: &str = "config.json";
const ONE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";
/// That of a model with a thousand experts in three parts each has some 40 MB.
const INDEX_BYTES_MAX: u64 = 256 << 20;

/// Whether a file is, by its name, one of safetensors or an index of such.
pub(super) fn is_named_so(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    name.ends_with(".safetensors") || name.ends_with(".safetensors.index.json")
}

/// The index, or the one file, of the checkpoint in a folder, where one is there.
pub(super) fn beside(folder: &Path) -> Option<PathBuf> {
    [INDEX, ONE].map(|name| folder.join(name)).into_iter().find(|path| path.is_file())
}

/// Reads the `config.json` beside a safetensors file or an index, and the headers of the file or of those that the index
/// names. Where none of these is there, an index alone says how many bytes all tensors have.
///
/// # Errors
/// Misuse, naming the file, the key or tensor, and the remedy: no `config.json`, one that is of another model, a header that is
/// wrong, some of the files missing.
pub fn read_checkpoint(path: &Path, strictness: Strictness) -> Result<Model> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let config = folder.join(CONFIG);
    if !config.is_file() {
        return Err(Error::misuse(format!(
            "{}: says how tensors are stored, not what they mean; put the model's {CONFIG} beside it",
            path.display()
        )));
    }
    let named = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = named.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let text = crate::file::read_text(&config)?;
    let found = read_headers(path, folder)
        .and_then(|found| match found {
            Found::Headers(headers) => safetensors::model(&text, &name, strictness, &headers),
            Found::Index(index) => safetensors::model_of_index(&text, &name, strictness, &index),
        })
        .map_err(|e| e.within(path.display()));
    found.map_err(|e| Error::misuse(format!("{e} (name {} to count by the configuration alone)", config.display())))
}

enum Found {
    Headers(Headers),
    /// None of its files is here.
    Index(Index),
}

fn read_headers(path: &Path, folder: &Path) -> Result<Found> {
    let part = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors"));
    let whole = folder.join(INDEX);
    if part && !(whole.is_file() && is_part(path)) {
        return Ok(Found::Headers(Headers::of_one(read_header(path)?)));
    }
    let index = if part { whole } else { path.to_owned() };
    let index = parse_index(&crate::file::read_text_within(&index, INDEX_BYTES_MAX)?)?;
    let here = |file: &&String| folder.join(file).is_file();
    match index.files.iter().find(|file| !here(file)) {
        Some(_) if !index.files.iter().any(|file| here(&file)) => return Ok(Found::Index(index)),
        Some(file) => return Err(Error::misuse(format!("{file} is missing, which weight_map names; fetch it"))),
        None => {}
    }
    let read = |file: &String| read_header(&folder.join(file)).map_err(|e| e.within(file));
    let files = index.files.iter().map(read).collect::<Result<_>>()?;
    Headers::of_several(&index, files).map(Found::Headers)
}

/// `NAME-00001-of-00003.safetensors`.
fn is_part(path: &Path) -> bool {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    stem.rsplit_once("-of-").is_some_and(|(_, count)| count.bytes().all(|byte| byte.is_ascii_digit()))
}

fn read_header(path: &Path) -> Result<Vec<Tensor>> {
    let open = || -> std::io::Result<_> {
        let about = std::fs::metadata(path)?;
        Ok(if about.is_file() { Some((File::open(path)?, about.len())) } else { None })
    };
    match open() {
        Ok(Some((file, length))) => parse_header(file, length),
        Ok(None) => Err(Error::misuse("is no regular file; name a .safetensors file")),
        Err(e) if e.kind() == ErrorKind::NotFound => Err(Error::misuse("no such file")),
        Err(e) => Err(Error::misuse(format!("cannot be opened: {e}"))),
    }
}
