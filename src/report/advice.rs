//! Advice: what comes almost free, and which weights are fastest.

use super::cell::{Cell, digits};
use super::record::{self, Record, merged};
use super::table::{Column, Table, column};
use crate::evaluate::{Advice, Evaluation, Free, ThreadAdvice, Threads};

/// The advice in two lines, and one on threads where there is something to say.
pub(super) fn lines(result: &Evaluation, advice: &Advice) -> Vec<String> {
    let percent = (advice.tolerance - 1.0) * 100.0;
    let upto = |free: &Free| format!("{}{}", if free.at_least { "at least " } else { "" }, free.count);
    let free = match (advice.batch.count, advice.draft.count) {
        (1, 1) => format!("A second sequence, or a second token to verify, takes more than {percent:.0} % longer."),
        _ => format!(
            "Batch {}, or a draft of {} tokens to verify, takes at most {percent:.0} % longer than one token.",
            upto(&advice.batch),
            upto(&advice.draft)
        ),
    };
    let fastest = advice
        .formats
        .first()
        .map(|first| format!("Fastest weights: {}, {} tokens/s.", first.weights, digits(first.decode_tokens_per_s, 3)));
    let fits = [fitting(result, advice), fastest.unwrap_or_default()].join(" ").trim_end().to_owned();
    [free, fits].into_iter().chain(advice.threads.as_ref().map(threads)).collect()
}

/// Threads and cores for both phases.
pub(super) fn threads(advice: &ThreadAdvice) -> String {
    let on = |threads: &Threads| {
        let cpus = threads.cpus.as_ref().map_or_else(String::new, |cpus| format!(" on CPUs {cpus}"));
        format!("{}{cpus}", threads.threads)
    };
    let (decode, prefill) = (&advice.decode, &advice.prefill);
    format!("Threads: {} to decode ({}), {} to prefill ({}).", on(decode), decode.because, on(prefill), prefill.because)
}

fn fitting(result: &Evaluation, advice: &Advice) -> String {
    match (advice.fitting_batch, result.memory_bytes) {
        (Some(batch), _) => format!("{batch} sequences of {} tokens fit in memory.", result.workload.longest()),
        (None, Some(_)) => "Not even one sequence fits in memory.".to_owned(),
        (None, None) => {
            "How many sequences fit is unknown: the profile does not say how much memory there is.".to_owned()
        }
    }
}

/// What is shown of a format of weights.
const FORMAT: &str =
    "weights bytes_per_token gb_per_s decode_tokens_per_s prefill_tokens_per_s memory_needed_bytes fits";

/// What is more of, and how many come almost free.
type Gain<'r> = (&'r str, &'r Free);

/// Batches and drafts; weights side by side.
pub(super) fn tables(result: &Evaluation, advice: &Advice) -> [Table; 2] {
    let count = |free: &Free| if free.at_least { format!("≥ {}", free.count) } else { free.count.to_string() };
    let free: [Column<Gain>; 5] = [
        column("what", "", |(what, _): &Gain| Cell::text(*what)),
        column("up to", "up to", move |(_, free): &Gain| Cell::text(count(free))),
        column("one", "ms of one", |(_, free): &Gain| Cell::scaled(free.seconds_of_one, 1e3)),
        column("all", "ms of all", |(_, free): &Gain| Cell::scaled(free.seconds, 1e3)),
        column("rate", "tokens/s", |(_, free): &Gain| Cell::number(free.tokens_per_s)),
    ];
    let formats: Vec<Record> =
        advice.formats.iter().map(|one| merged([&serde_json::to_value(one).unwrap_or_default()])).collect();
    let fits = |format: &Record| Cell::yes_no(format["fits"].as_bool());
    let on = format!("{} on {}", result.model, result.on.profile);
    let rows = [("sequences (batch)", &advice.batch), ("tokens to verify (draft)", &advice.draft)];
    let view = ["what", "up to", "one", "all", "rate"];
    let tolerance = (advice.tolerance - 1.0) * 100.0;
    [
        Table::view(
            format!("{on}: what comes almost free at context {}", result.workload.decode_context()),
            &free,
            &view,
            &rows,
        )
        .with_notes([
            format!("Up to these numbers a step takes at most {tolerance:.0} % longer than one of one."),
            "tokens to verify: a draft of one token less, and the last token known, judged in one pass.".to_owned(),
            fitting(result, advice),
        ]),
        Table::view(
            format!("{on}: which weights are fastest"),
            &record::columns(FORMAT, [column("fits", "fits", fits)]),
            &[
                "weights",
                "bytes_per_token",
                "gb_per_s",
                "decode_tokens_per_s",
                "prefill_tokens_per_s",
                "memory_needed_bytes?",
                "fits",
            ],
            &formats,
        )
        .with_notes([format!("{}.", advice.fastest_because)]),
    ]
}
