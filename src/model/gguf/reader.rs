//! A file's head, read forwards with every count held against what is left of the file.

use crate::error::{Error, Result};
use crate::model::keys::clipped;
use std::io::{BufReader, Read, Seek};

/// Keys beyond this length are no keys (the format's own limit).
pub(super) const KEY_BYTES_MAX: u64 = 65_535;
/// The head of a file ends before this. The largest known, a vocabulary and its merges, have some 20 MB.
const HEAD_BYTES_MAX: u64 = 1 << 30;
/// How much of a foreign name is repeated in a message.
const QUOTED_CHARS: usize = 60;

/// The head of one file.
pub(super) struct Head<R> {
    source: BufReader<R>,
    length: u64,
    position: u64,
}

impl<R: Read + Seek> Head<R> {
    /// A file of `length` bytes, read from its beginning.
    pub(super) fn new(source: R, length: u64) -> Head<R> {
        Head { source: BufReader::with_capacity(1 << 16, source), length, position: 0 }
    }

    /// Where the next byte stands.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Bytes of the whole file.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Bytes that are left.
    pub(super) fn left(&self) -> u64 {
        self.length.saturating_sub(self.position)
    }

    fn take(&mut self, bytes: u64, what: &str) -> Result<()> {
        if bytes > self.left() {
            return Err(Error::misuse(format!(
                "{what}: needs {bytes} bytes at {}, and the file ends after {}; it is truncated or damaged: fetch it again",
                self.position,
                self.left()
            )));
        }
        self.position += bytes;
        if self.position > HEAD_BYTES_MAX {
            return Err(Error::misuse(format!(
                "{what}: lies beyond {} MiB, where no file's head reaches; it is damaged: fetch it again",
                HEAD_BYTES_MAX >> 20
            )));
        }
        Ok(())
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        self.take(N as u64, what)?;
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes).map_err(|e| unreadable(what, &e))?;
        Ok(bytes)
    }

    /// The first four bytes of a file.
    pub(super) fn magic(&mut self) -> Result<[u8; 4]> {
        self.array("magic")
    }

    pub(super) fn u32(&mut self, what: &str) -> Result<u32> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, what: &str) -> Result<u64> {
        self.array(what).map(u64::from_le_bytes)
    }

    /// The `bytes` (at most 8) lowest bytes of a number.
    pub(super) fn word(&mut self, bytes: usize, what: &str) -> Result<u64> {
        match bytes {
            1 => self.array(what).map(|[byte]: [u8; 1]| u64::from(byte)),
            2 => self.array(what).map(|word| u64::from(u16::from_le_bytes(word))),
            4 => self.u32(what).map(u64::from),
            _ => self.u64(what),
        }
    }

    /// `bytes` bytes, once the file is seen to have them: nothing is allocated before.
    fn bytes(&mut self, bytes: u64, what: &str) -> Result<Vec<u8>> {
        self.take(bytes, what)?;
        let mut read = Vec::new();
        let got = self.source.by_ref().take(bytes).read_to_end(&mut read).map_err(|e| unreadable(what, &e))?;
        if got as u64 != bytes {
            return Err(Error::misuse(format!("{what}: the file became shorter while it was read")));
        }
        Ok(read)
    }

    /// Leaves `bytes` bytes out.
    pub(super) fn skip(&mut self, bytes: u64, what: &str) -> Result<()> {
        self.take(bytes, what)?;
        // No head is longer than an `i64` can hold.
        self.source.seek_relative(bytes.cast_signed()).map_err(|e| unreadable(what, &e))
    }

    /// A name of at most `most` bytes.
    pub(super) fn name(&mut self, most: u64, what: &str) -> Result<String> {
        let length = self.u64(what)?;
        if length == 0 || length > most {
            return Err(Error::misuse(format!(
                "{what}: has {length} bytes, where 1 to {most} are lawful; the file is damaged"
            )));
        }
        String::from_utf8(self.bytes(length, what)?)
            .map_err(|_| Error::misuse(format!("{what}: is no UTF-8; the file is damaged")))
    }

    /// A text of at most `most` bytes; the length alone of a longer one, which is left out.
    pub(super) fn text(&mut self, most: u64, what: &str) -> Result<std::result::Result<String, u64>> {
        let length = self.u64(what)?;
        if length > most {
            self.skip(length, what)?;
            return Ok(Err(length));
        }
        let bytes = self.bytes(length, what)?;
        Ok(Ok(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Leaves a text out.
    pub(super) fn skip_text(&mut self, what: &str) -> Result<()> {
        let length = self.u64(what)?;
        self.skip(length, what)
    }
}

fn unreadable(what: &str, error: &std::io::Error) -> Error {
    Error::misuse(format!("{what}: cannot be read: {error}"))
}

/// A foreign name in a message: in quotes, short, and on one line.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", clipped(name, QUOTED_CHARS))
}
