//! Files: read with a limit, written whole or not at all.

use crate::error::{Error, Result};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

/// Input files (profiles, configurations) beyond this size are refused unread: none that is genuine comes near it.
const INPUT_BYTES_MAX: u64 = 16 << 20;

/// Reads a text file of at most 16 MiB.
///
/// # Errors
/// Misuse when the file is missing, unreadable, a folder, too large, or not UTF-8; the message names it.
pub fn read_text(path: &Path) -> Result<String> {
    let place = path.display();
    let open = std::fs::File::open(path).map_err(|e| match e.kind() {
        ErrorKind::NotFound => Error::misuse(format!("{place}: no such file")),
        _ => Error::misuse(format!("{place}: cannot be opened: {e}")),
    })?;
    let mut bytes = Vec::new();
    open.take(INPUT_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Error::misuse(format!("{place}: cannot be read: {e}")))?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        return Err(Error::misuse(format!(
            "{place}: larger than {} MiB, so not a file of this kind",
            INPUT_BYTES_MAX >> 20
        )));
    }
    String::from_utf8(bytes).map_err(|_| Error::misuse(format!("{place}: not a text file (invalid UTF-8)")))
}

/// Whether a file must have reached the disk before the call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Yes: for what is finished.
    Synced,
    /// No: for what is written again soon. The file is whole either way; a power cut may bring back the one before.
    Buffered,
}

/// Writes `text` to `path` atomically: a temporary file in the same folder, then renamed over it.
///
/// # Errors
/// Failure when the folder is missing or not writable; whatever stood at `path` before is untouched.
pub fn write_atomically(path: &Path, text: &str, durability: Durability) -> Result<()> {
    let place = path.display();
    let fail =
        |e: std::io::Error| Error::failure(format!("{place}: cannot be written: {e}; choose another place with -o"));
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".roofprobe-");
    #[cfg(unix)]
    {
        // A profile is meant to be shared: the permissions of an ordinary file, less the umask.
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder).map_err(fail)?;
    file.write_all(text.as_bytes()).map_err(fail)?;
    if durability == Durability::Synced {
        file.as_file().sync_all().map_err(fail)?;
    }
    file.persist(path).map_err(|e| fail(e.error))?;
    Ok(())
}
