//! What a format has to do.

use super::sweep::Sheet;
use super::table::{Report, Style};
use crate::error::Result;
use crate::sweep::Case;
use std::ops::Range;

/// A format of reports and of sweeps.
pub trait Writer: Sync {
    /// The word of `--format`.
    fn name(&self) -> &'static str;

    /// Who it is for, in a few words.
    fn about(&self) -> &'static str;

    /// Whether it is no text: then it is for the rows of a sweep alone, and only as a whole file.
    fn is_binary(&self) -> bool {
        false
    }

    /// The whole report, ending with a line feed.
    ///
    /// # Errors
    /// Failure when it cannot be written in this format.
    fn report(&self, report: &Report, style: Style) -> Result<String>;

    /// What stands before the rows of a sweep.
    ///
    /// # Errors
    /// Failure when it cannot be written in this format.
    fn head(&self, _sheet: &Sheet) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// The rows of a case's settings at `places`; any part of a sweep can be written by itself.
    ///
    /// # Errors
    /// Failure when one cannot be written in this format.
    fn rows(&self, sheet: &Sheet, case: &Case, places: Range<u64>) -> Result<Vec<u8>>;

    /// What stands behind the rows.
    fn foot(&self, _sheet: &Sheet) -> Vec<u8> {
        Vec::new()
    }
}
