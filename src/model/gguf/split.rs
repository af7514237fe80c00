//! Models in several files: `NAME-00001-of-00003.gguf` and its siblings.

use super::file::Gguf;
use super::tensors;
use crate::error::{Error, Result};
use std::path::{Path, PathBuf};

const COUNT: &str = "split.count";
const NUMBER: &str = "split.no";
const TENSORS: &str = "split.tensors.count";

/// The whole model, of whose parts `first` is the one at `path`; `parse` reads one of the others.
///
/// # Errors
/// Misuse, naming the part: one that cannot be read, or that is of another model.
pub(crate) fn whole(path: &Path, first: Gguf, parse: impl Fn(&Path) -> Result<Gguf>) -> Result<Gguf> {
    let count = first.metadata.count(COUNT).map_err(|e| e.within(path.display()))?.unwrap_or(1);
    if count <= 1 {
        return Ok(first);
    }
    let named = Parts::of(path, count).map_err(|e| e.within(path.display()))?;
    check_part(&first, 0, count).map_err(|e| e.within(path.display()))?;
    let mut model = first;
    for number in 1..count {
        let place = named.path(number);
        let part = parse(&place)
            .map_err(|e| Error::misuse(format!("{e} (part {} of {count} of {})", number + 1, path.display())))?;
        check_part(&part, number, count).map_err(|e| e.within(place.display()))?;
        model.tensors.extend(part.tensors);
    }
    let found = model.tensors.len() as u64;
    let stated = model.metadata.count(TENSORS).map_err(|e| e.within(path.display()))?;
    if let Some(stated) = stated.filter(|stated| *stated != found) {
        return Err(Error::misuse(format!(
            "{}: {TENSORS} is {stated}, and the {count} parts have {found} tensors; they are not of one model",
            path.display()
        )));
    }
    tensors::check_names(&model.tensors).map_err(|e| e.within(path.display()))?;
    Ok(model)
}

fn check_part(part: &Gguf, number: u64, count: u64) -> Result<()> {
    for (key, expected) in [(NUMBER, number), (COUNT, count)] {
        match part.metadata.count(key)? {
            Some(stated) if stated == expected => {}
            stated => {
                let stated = stated.map_or("missing".to_owned(), |stated| stated.to_string());
                let remedy = if number == 0 { "name the first part" } else { "the parts are not of one model" };
                return Err(Error::misuse(format!(
                    "{key}: is {stated}, where part {} of {count} has {expected}; {remedy}",
                    number + 1
                )));
            }
        }
    }
    Ok(())
}

/// The names of the parts.
struct Parts {
    folder: PathBuf,
    stem: String,
    count: u64,
}

impl Parts {
    fn of(path: &Path, count: u64) -> Result<Parts> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let stem = name.strip_suffix(&format!("-00001-of-{count:05}.gguf"));
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        match stem {
            Some(stem) => Ok(Parts { folder, stem: stem.to_owned(), count }),
            None => Err(Error::misuse(format!(
                "{COUNT}: is {count}, so the first part must be named NAME-00001-of-{count:05}.gguf, with the others beside it; name that one"
            ))),
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{}-{:05}-of-{:05}.gguf", self.stem, number + 1, self.count))
    }
}
