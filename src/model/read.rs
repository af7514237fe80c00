//! Models by their path: the one place of this module that opens files.

mod checkpoint;

use super::config::{Strictness, parse_config_as};
use super::gguf::{self, Gguf, parse_gguf};
use super::language_model::Model;
use crate::error::{Error, Result};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

pub use checkpoint::read_checkpoint;

/// Reads a model: a GGUF file by its ending or its first letters; a folder with a `config.json`, with the headers of the
/// safetensors files in it; such a file, or the index of several, with the `config.json` beside it; any other file as a
/// `config.json`.
///
/// # Errors
/// Misuse, naming the file and the key or tensor, as [`read_config`], [`read_gguf`] and [`read_checkpoint`] do.
pub fn read_model(path: &Path, strictness: Strictness) -> Result<Model> {
    if path.is_dir() {
        return match checkpoint::beside(path) {
            Some(weights) => read_checkpoint(&weights, strictness),
            None => read_config(&path.join("config.json"), strictness),
        };
    }
    if checkpoint::is_named_so(path) {
        return read_checkpoint(path, strictness);
    }
    if !is_gguf(path) {
        return read_config(path, strictness);
    }
    gguf::model(&read_gguf(path)?, &gguf_name(path)).map_err(|e| e.within(path.display()))
}

/// Reads a Hugging Face `config.json`. The model is named after the file, or after its folder where the file is simply
/// called `config.json`.
///
/// # Errors
/// Misuse, naming the file and the key: not JSON, an unknown `model_type`, a missing key, a value of the wrong type or
/// beyond its limit, a contradiction, or a feature that is not supported yet.
pub fn read_config(path: &Path, strictness: Strictness) -> Result<Model> {
    let text = crate::file::read_text(path)?;
    parse_config_as(&text, &config_name(path), strictness).map_err(|e| e.within(path.display()))
}

/// Reads the head of a GGUF file, and of the other parts of a split one, which are looked for beside it.
///
/// # Errors
/// Misuse, naming the file, the key or tensor, and the remedy: missing, not a GGUF file, big-endian, of another version,
/// truncated, or contradicting itself.
pub fn read_gguf(path: &Path) -> Result<Gguf> {
    gguf::split::whole(path, parse_file(path)?, parse_file)
}

fn parse_file(path: &Path) -> Result<Gguf> {
    let open = || -> std::io::Result<_> {
        let about = std::fs::metadata(path)?;
        if !about.is_file() {
            return Ok(None);
        }
        Ok(Some((File::open(path)?, about.len())))
    };
    let place = path.display();
    match open() {
        Ok(Some((file, length))) => parse_gguf(file, length).map_err(|e| e.within(place)),
        Ok(None) => Err(Error::misuse(format!("{place}: is no regular file; name a GGUF file"))),
        Err(e) if e.kind() == ErrorKind::NotFound => Err(Error::misuse(format!("{place}: no such file"))),
        Err(e) => Err(Error::misuse(format!("{place}: cannot be opened: {e}"))),
    }
}

fn is_gguf(path: &Path) -> bool {
    let named = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"));
    // Stores of models name files by their digest. What cannot be read here is reported where it is read.
    let begins = || {
        let mut magic = [0; 4];
        let read = path.is_file() && File::open(path).is_ok_and(|mut file| file.read_exact(&mut magic).is_ok());
        read && &magic == b"GGUF"
    };
    named || begins()
}

fn config_name(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let folder = path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    match folder {
        Some(folder) if stem == "config" => folder,
        _ => stem,
    }
}

/// The file's name without its ending and without its part.
fn gguf_name(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let part = stem.rsplit_once("-of-").and_then(|(rest, count)| {
        let (name, number) = rest.rsplit_once('-')?;
        let digits = |word: &str| word.len() == 5 && word.bytes().all(|byte| byte.is_ascii_digit());
        (digits(count) && digits(number)).then(|| name.to_owned())
    });
    part.unwrap_or(stem)
}
