//! No verb at all: the first minute of a new user is an answer.

use super::measure::Measure;
use crate::error::Result;
use crate::report::Format;

pub(super) fn run(format: Format) -> Result<()> {
    Measure::quick().run(format)
}
