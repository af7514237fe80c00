//! Files: read with a limit, written whole or not at all, by one writer at a time.

mod lock;

use crate::error::{Error, Result};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

pub use lock::WriterLock;

/// What the name of a file has behind it whose work is not complete, while a complete one stands at its place.
const PARTIAL: &str = ".partial";

/// The place of the incomplete work on `path`.
pub fn partial(path: &Path) -> PathBuf {
    lock::beside(path, PARTIAL)
}

/// The place that the incomplete work at `partial` is for; none where its name is not of that kind.
pub fn whole(partial: &Path) -> Option<PathBuf> {
    partial.to_str()?.strip_suffix(PARTIAL).map(PathBuf::from)
}

/// Input files (profiles, configurations) beyond this size are refused unread: none that is genuine comes near it.
const INPUT_BYTES_MAX: u64 = 16 << 20;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Reads a text file of at most 16 MiB.
///
/// # Errors
/// Misuse when the file is missing, unreadable, a folder, too large, or not UTF-8; the message names it.
pub fn read_text(path: &Path) -> Result<String> {
    read_text_within(path, INPUT_BYTES_MAX)
}

/// Reads a text file of at most `most` bytes.
///
/// # Errors
/// As [`read_text`].
pub fn read_text_within(path: &Path, most: u64) -> Result<String> {
    let mut bytes = Vec::new();
    read_within(path, most, &mut bytes)?;
    let text = String::from_utf8(bytes).map_err(|_| no_text(path))?;
    // Some editors begin a file with a byte order mark.
    Ok(text.strip_prefix(BYTE_ORDER_MARK).map(str::to_owned).unwrap_or(text))
}

/// Reads a text file of at most 16 MiB into `buffer`, in place of what is there: thousands of files, one after the other, need its memory once.
///
/// # Errors
/// As [`read_text`].
pub fn read_text_into<'b>(path: &Path, buffer: &'b mut Vec<u8>) -> Result<&'b str> {
    read_within(path, INPUT_BYTES_MAX, buffer)?;
    let text = std::str::from_utf8(buffer).map_err(|_| no_text(path))?;
    Ok(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text))
}

fn no_text(path: &Path) -> Error {
    Error::misuse(format!("{}: not a text file (invalid UTF-8)", path.display()))
}

fn read_within(path: &Path, most: u64, bytes: &mut Vec<u8>) -> Result<()> {
    let place = path.display();
    let open = std::fs::File::open(path).map_err(|e| match e.kind() {
        ErrorKind::NotFound => Error::misuse(format!("{place}: no such file")),
        _ => Error::misuse(format!("{place}: cannot be opened: {e}")),
    })?;
    // As much memory as the file says, so that thousands of files do not each grow theirs.
    let said = open.metadata().map_or(0, |there| there.len()).min(most);
    bytes.clear();
    bytes.reserve(said as usize + 1);
    open.take(most + 1).read_to_end(bytes).map_err(|e| Error::misuse(format!("{place}: cannot be read: {e}")))?;
    if bytes.len() as u64 > most {
        return Err(Error::misuse(format!("{place}: larger than {} MiB, so not a file of this kind", most >> 20)));
    }
    Ok(())
}

/// Whether a file must have reached the disk before the call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Yes, and the folder knows it: for what is finished.
    Synced,
    /// What is in the file has, before it takes its place: for what is written again soon. A power cut may bring back the one before,
    /// and whichever it is, it is whole.
    Buffered,
}

/// Writes `text` to `path` atomically: a temporary file in the same folder, then renamed over it. A link is followed; a
/// file that was there keeps its permissions.
///
/// # Errors
/// Misuse when something that is no regular file stands at `path`; failure when the folder is missing or not writable.
/// Whatever stood there before is untouched then.
pub fn write_atomically(path: &Path, text: &str, durability: Durability) -> Result<()> {
    let mut draft = Draft::begin(path)?;
    draft.write_all(text.as_bytes()).map_err(|e| cannot_write(path, &e))?;
    draft.keep(durability)
}

/// A file that is being written. It appears at its place when it is kept, and else not at all.
#[derive(Debug)]
pub struct Draft {
    /// As it was named.
    path: PathBuf,
    target: PathBuf,
    file: tempfile::NamedTempFile,
}

impl Draft {
    /// Begins one for `path`.
    ///
    /// # Errors
    /// As [`write_atomically`].
    pub fn begin(path: &Path) -> Result<Draft> {
        let target = resolve(path)?;
        let file = temporary_beside(&target).map_err(|e| cannot_write(path, &e))?;
        Ok(Draft { path: path.to_owned(), target, file })
    }

    /// Puts it at its place. A link is followed; a file that was there keeps its permissions.
    ///
    /// # Errors
    /// Failure when that is not possible any more; what stood there before is untouched then.
    pub fn keep(self, durability: Durability) -> Result<()> {
        let fail = |e: std::io::Error| cannot_write(&self.path, &e);
        if let Ok(there) = std::fs::metadata(&self.target) {
            self.file.as_file().set_permissions(there.permissions()).map_err(fail)?;
        }
        // Without this a file system may put the name in its place before the text has reached the disk: an empty file after a power cut.
        self.file.as_file().sync_all().map_err(fail)?;
        self.file.persist(&self.target).map_err(|e| fail(e.error))?;
        // Elsewhere folders cannot be opened.
        if cfg!(unix) && durability == Durability::Synced {
            // Some file systems sync no folders; the rename then reaches the disk in their own time.
            let _ = std::fs::File::open(folder_of(&self.target)).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Checks that [`write_atomically`] could write to `path` now.
///
/// # Errors
/// As [`write_atomically`].
pub fn check_writable(path: &Path) -> Result<()> {
    let target = resolve(path)?;
    temporary_beside(&target).map(drop).map_err(|e| cannot_write(path, &e))
}

/// The place that `path` leads to, if a regular file is or could be there. A rename would replace a device, a pipe, or a link that leads nowhere.
fn resolve(path: &Path) -> Result<PathBuf> {
    match std::fs::metadata(path) {
        Ok(there) if there.is_file() => path.canonicalize().map_err(|e| cannot_write(path, &e)),
        Ok(there) => Err(Error::misuse(format!(
            "{}: is {}, not a regular file; name a file, or '-' for standard output",
            path.display(),
            if there.is_dir() { "a folder" } else { "a device or pipe" }
        ))),
        Err(_) if path.is_symlink() => Err(Error::misuse(format!(
            "{}: is a link to what is not there or cannot be reached; remove it, or name another file",
            path.display()
        ))),
        Err(_) => Ok(path.to_owned()),
    }
}

/// The folder that `path` is in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Temporary files end so; the name of what they become and a point stand before.
const TEMPORARY: &str = ".tmp";
/// Random characters in the name of a temporary file.
const RANDOM: usize = 6;

fn temporary_beside(path: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!(".{name}.");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).rand_bytes(RANDOM).suffix(TEMPORARY);
    #[cfg(unix)]
    {
        // A profile is meant to be shared: the permissions of an ordinary file, less the umask.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder_of(path))
}

/// The name of the file that a temporary file was to become.
fn temporary_of(name: &str) -> Option<&str> {
    let (of, random) = name.strip_prefix('.')?.strip_suffix(TEMPORARY)?.rsplit_once('.')?;
    (random.len() == RANDOM).then_some(of)
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Error {
    let folder = folder_of(path);
    let why = if error.kind() == ErrorKind::NotFound && !folder.exists() {
        format!("there is no folder {}", folder.display())
    } else {
        // The name of a temporary file tells nobody anything.
        let said = error.to_string();
        said.split_once(" at path \"").map_or(said.as_str(), |(what, _)| what).to_owned()
    };
    Error::failure(format!("{}: cannot be written: {why}; choose another place with -o FILE", path.display()))
}
