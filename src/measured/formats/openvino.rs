//! What `llm_bench` of OpenVINO GenAI writes as CSV: a row for each iteration (0 warms up), averages behind them, remarks at the end.
//!
//! Times are in **milliseconds**: `1st_latency` of the prompt's pass, `2nd_avg_latency` of each pass behind it. Of a chat the first is
//! for each token of the input, as its column says.

use super::Format;
use super::case::Case;
use super::content::Content;
use super::record::Record;
use crate::error::Result;
use crate::measured::{Given, Measured, Passes};
use crate::model::Runtime;

pub(super) const FORMAT: Format = Format { name: "OpenVINO's llm_bench", is, read };

const OTHERS: &str = "2nd_avg_latency(ms)";
const FIRST: [&str; 2] = ["1st_latency(ms)", "1st_latency(ms/token)"];

fn is(content: &Content<'_>) -> bool {
    content.has_columns(&["iteration", "input_size", "output_size", OTHERS])
}

fn read(content: &Content<'_>, given: &Given) -> Result<Vec<Measured>> {
    let rows = content.csv.as_ref().map_err(Clone::clone)?;
    let mut measured = Vec::new();
    for row in rows {
        // Averages follow from the iterations, and remarks have no other cell.
        let iteration = row.maybe_text("iteration")?.and_then(|word| word.parse::<u64>().ok());
        if iteration.is_some_and(|iteration| iteration > 0) {
            one(row, given, &mut measured)?;
        }
    }
    Ok(measured)
}

fn one(row: &Record, given: &Given, measured: &mut Vec<Measured>) -> Result<()> {
    let case = Case::of(given, "OpenVINO", Runtime::HuggingFace, &row.place)
        .model(row.maybe_text("model")?)?
        .weights(row.maybe_text("precision")?.map(|word| word.split('-').next().unwrap_or(word)))?
        .on(None, row.maybe_text("device")?)?;
    if row.maybe_count("num_beams")?.is_some_and(|beams| beams > 1) {
        return Err(row.wrong("num_beams", "several beams are not counted here"));
    }
    let (prompt, generate) = (row.count("input_size")?, row.count("output_size")?);
    let batch =
        case.need("how many sequences were processed together", row.maybe_count("batch_size")?, given.batch, "batch")?;
    let passes = Passes { batch, past: 0, prompt, decode: 0, chunks: None };
    for (key, tokens) in FIRST.into_iter().zip([1, prompt]) {
        if let Some(ms) = time(row, key)?.filter(|_| prompt > 0) {
            let seconds = ms * 1e-3 * tokens as f64;
            measured.push(case.timed(passes, (prompt.saturating_mul(batch)) as f64 / seconds));
        }
    }
    if let Some(ms) = time(row, OTHERS)?.filter(|_| generate > 1) {
        check(row, ms, generate)?;
        let passes = Passes { past: prompt, prompt: 0, decode: generate - 1, ..passes };
        measured.push(case.timed(passes, batch as f64 / (ms * 1e-3)));
    }
    Ok(())
}

/// A time in ms; `NA` is none.
fn time(row: &Record, key: &str) -> Result<Option<f64>> {
    if row.maybe_text(key)? == Some("NA") { Ok(None) } else { row.maybe_quantity(key, "ms") }
}

/// That all passes together take no longer than the whole generation, whose time is in seconds.
fn check(row: &Record, ms: f64, generate: u64) -> Result<()> {
    let Some(whole) = row.maybe_quantity("generation_time(s)", "seconds")? else { return Ok(()) };
    let passes = ms * 1e-3 * (generate - 1) as f64;
    // Less than a tenth would leave nine tenths to the prompt of a chat; a thousandth is another unit.
    if passes > whole * 1.05 || passes < whole * 0.002 {
        let is =
            format!("{ms} ms for each of {} passes are {passes:.3} s, of {whole} s in all: another unit", generate - 1);
        return Err(row.wrong(OTHERS, is));
    }
    Ok(())
}
