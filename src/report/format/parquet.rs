//! Parquet: the rows of a sweep as typed columns. A file of it is one whole, so `report/parquet.rs` writes it.

use crate::error::{Error, Result};
use crate::report::sweep::Sheet;
use crate::report::table::{Report, Style};
use crate::report::writer::Writer;
use crate::sweep::Case;
use std::ops::Range;

pub(super) struct Format;

impl Writer for Format {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn about(&self) -> &'static str {
        "The rows of a sweep as typed columns, in a file"
    }

    fn is_binary(&self) -> bool {
        true
    }

    fn report(&self, _: &Report, _: Style) -> Result<String> {
        Err(no_text())
    }

    fn rows(&self, _: &Sheet, _: &Case, _: Range<u64>) -> Result<Vec<u8>> {
        Err(no_text())
    }
}

fn no_text() -> Error {
    Error::misuse("--format parquet: is for `roofprobe sweep -o FILE`; choose another format")
}
