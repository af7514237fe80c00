//! A model by its path, whatever kind of file stands there.

use super::architecture::Architecture;
use super::config::read_config;
use super::gguf;
use crate::error::Result;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Reads a model: a GGUF file by its ending or its first letters, the `config.json` of a folder, or any other file as a `config.json`.
///
/// # Errors
/// Misuse, naming the file and the key or tensor, as [`read_config`] and [`gguf::read_gguf`] say it.
pub fn read_model(path: &Path) -> Result<Architecture> {
    if path.is_dir() {
        return read_config(&path.join("config.json"));
    }
    if !is_gguf(path) {
        return read_config(path);
    }
    let file = gguf::read_gguf(path)?;
    gguf::architecture(&file, &name_of(path)).map_err(|e| e.within(path.display()))
}

fn is_gguf(path: &Path) -> bool {
    let named = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"));
    // Stores of models name files by their digest. What cannot be read here is told of where it is read.
    let begins = || {
        let mut magic = [0; 4];
        let read = path.is_file() && File::open(path).is_ok_and(|mut file| file.read_exact(&mut magic).is_ok());
        read && &magic == b"GGUF"
    };
    named || begins()
}

/// The file's name without its ending and without its part.
fn name_of(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let part = stem.rsplit_once("-of-").and_then(|(rest, count)| {
        let (name, number) = rest.rsplit_once('-')?;
        let digits = |word: &str| word.len() == 5 && word.bytes().all(|byte| byte.is_ascii_digit());
        (digits(count) && digits(number)).then(|| name.to_owned())
    });
    part.unwrap_or(stem)
}
