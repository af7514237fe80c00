//! One writer for each file: an advisory lock beside it, which the system releases when its holder ends, however it ends.

use super::{cannot_write, folder_of, resolve};
use crate::error::{Error, Result};
use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The right to write one file. Nobody else gets it until this is dropped or the process is gone.
#[derive(Debug)]
pub struct WriterLock {
    /// `FILE.lock`, open and locked.
    file: File,
    path: PathBuf,
}

/// More tries than two processes that end and begin at the same moment can need.
const TRIES: usize = 100;

impl WriterLock {
    /// Takes the right to write `path`, and removes what an earlier writer of it that was killed left half written.
    ///
    /// # Errors
    /// Misuse while another process has it, naming that process; failure when the folder is missing or not writable.
    pub fn take(path: &Path) -> Result<WriterLock> {
        let target = resolve(path)?;
        let lock = beside(&target, ".lock");
        for _ in 0..TRIES {
            let mut open = OpenOptions::new();
            let opened = open.read(true).write(true).create(true).truncate(false).open(&lock);
            let mut file = opened.map_err(|e| cannot_write(path, &e))?;
            match file.try_lock() {
                // Its last holder may have removed the file between our opening and locking it: then ours guards nothing.
                Ok(()) if !is_at(&file, &lock) => {}
                // Where the file system has no locks, there is nobody to be told apart.
                Ok(()) | Err(TryLockError::Error(_)) => {
                    // Only for the message of whoever comes second.
                    let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
                    remove_half_written(&target);
                    return Ok(WriterLock { file, path: lock });
                }
                Err(TryLockError::WouldBlock) => return Err(taken(path, &mut file)),
            }
        }
        Err(Error::failure(format!("{}: cannot be locked; choose another place with -o FILE", path.display())))
    }
}

impl Drop for WriterLock {
    fn drop(&mut self) {
        // Elsewhere an open file cannot be removed and made again at once; it is left, and does no harm.
        if cfg!(unix) {
            let _ = std::fs::remove_file(&self.path);
        }
        let _ = self.file.unlock();
    }
}

fn taken(path: &Path, lock: &mut File) -> Error {
    let mut holder = String::new();
    let known = lock.read_to_string(&mut holder).is_ok() && !holder.is_empty();
    let process = if known { format!(" (process {holder})") } else { String::new() };
    Error::misuse(format!(
        "{}: another roofprobe{process} is writing this file; wait until it has ended, or choose another name with -o FILE",
        path.display()
    ))
}

/// The name of `path` with something behind it.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Whether `file` is what stands at `path` now.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let place = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    let (open, there) = (file.metadata().map(place), std::fs::metadata(path).map(place));
    open.is_ok_and(|open| there.is_ok_and(|there| open == there))
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

/// Removes temporary files of `path` and of what stands beside it under its name: whoever wrote them is gone.
fn remove_half_written(path: &Path) {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return };
    for entry in std::fs::read_dir(folder_of(path)).into_iter().flatten().flatten() {
        let half = entry.file_name();
        let of = half.to_str().and_then(super::temporary_of);
        if of.is_some_and(|of| of == name || of.strip_suffix(super::PARTIAL) == Some(name)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_writer_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.toml");
        let first = WriterLock::take(&path).unwrap();
        let message = WriterLock::take(&path).unwrap_err().to_string();
        assert!(message.contains("p.toml: another roofprobe") && message.contains("-o FILE"), "{message}");
        assert!(message.contains(&std::process::id().to_string()), "{message}");
        assert!(WriterLock::take(&folder.path().join("q.toml")).is_ok());
        drop(first);
        drop(WriterLock::take(&path).unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), if cfg!(unix) { 0 } else { 2 });
    }

    #[test]
    fn what_a_killed_writer_left_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let left = [".p.toml.AbC123.tmp", ".p.toml.partial.AbC124.tmp"];
        let others = [".pp.toml.AbC123.tmp", ".p.toml.svg.AbC123.tmp", ".p.toml.tmp", "p.toml.AbC123.tmp"];
        left.iter().chain(&others).for_each(|name| std::fs::write(place(name), "half").unwrap());
        let _lock = WriterLock::take(&place("p.toml")).unwrap();
        assert!(left.iter().all(|name| !place(name).exists()) && others.iter().all(|name| place(name).exists()));
    }
}
