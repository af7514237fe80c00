//! JSON: the whole record. A sweep is one object per line.

use crate::error::{Error, Result};
use crate::report::sweep::Sheet;
use crate::report::table::{Report, Style};
use crate::report::writer::Writer;
use crate::sweep::Case;
use std::ops::Range;

pub(super) struct Format;

impl Writer for Format {
    fn name(&self) -> &'static str {
        "json"
    }

    fn about(&self) -> &'static str {
        "The whole record, for programs"
    }

    fn report(&self, report: &Report, _: Style) -> Result<String> {
        serde_json::to_string_pretty(&report.json).map(|text| text + "\n").map_err(|e| unwritten(&e))
    }

    fn rows(&self, _: &Sheet, case: &Case, places: Range<u64>) -> Result<Vec<u8>> {
        let (mut out, mut done) = (Vec::new(), Ok(()));
        case.each_row(places, |row| {
            if let Err(error) = serde_json::to_writer(&mut out, row) {
                done = Err(unwritten(&error));
            }
            out.push(b'\n');
        });
        done.map(|()| out)
    }
}

fn unwritten(error: &serde_json::Error) -> Error {
    Error::failure(format!("the result cannot be written as JSON: {error}"))
}
