//! Advice: what comes almost free, and which weights are fastest.

use super::cell::{Cell, digits};
use super::record::{self, Record, merged};
use super::table::{Column, Table, column};
use crate::evaluate::{Advice, Evaluation, Free, ThreadAdvice, Threads};

/// What llama.cpp takes in at once.
const USUAL_MICRO_BATCH: u64 = 512;

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
    let fastest = advice.formats.first().map(|first| {
        let guess = if first.stand_ins.is_empty() { "" } else { " (by the rates of another type)" };
        format!("Fastest weights: {}, {} tokens/s{guess}.", first.weights, digits(first.decode_tokens_per_s, 3))
    });
    let fits = [fitting(result, advice), fastest.unwrap_or_default()].join(" ").trim_end().to_owned();
    let threads = advice.threads.as_ref().map(threads);
    [free, fits].into_iter().chain(settings(result, advice)).chain(threads).collect()
}

/// A faster cache, and how many tokens at once are enough; nothing where neither is worth a word.
fn settings(result: &Evaluation, advice: &Advice) -> Option<String> {
    let cache = advice.faster_cache().map(|(cache, times)| {
        let context = result.workload.decode_context();
        format!("A {} cache decodes {} × as fast at context {context}.", cache.kv, digits(times, 3))
    });
    // Up to what engines take in at once by themselves no advice is needed.
    let at_once = advice.enough_at_once().filter(|one| one.micro_batch > USUAL_MICRO_BATCH).map(|one| {
        format!("Prompts want a micro-batch of {}: {} tokens/s.", one.micro_batch, digits(one.prefill_tokens_per_s, 3))
    });
    let all: Vec<String> = cache.into_iter().chain(at_once).collect();
    (!all.is_empty()).then(|| all.join(" "))
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
pub(super) fn tables(result: &Evaluation, advice: &Advice) -> [Table; 4] {
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
    let weights = |format: &Record| {
        let mark = if format.contains_key("stand_ins") { "*" } else { "" };
        Cell::text(format!("{}{mark}", format["weights"].as_str().unwrap_or_default()))
    };
    let guessed = advice.formats.iter().filter(|one| !one.stand_ins.is_empty());
    let guessed = guessed.map(|one| {
        format!("* {}: not measured, so by the rates of another type: {}.", one.weights, one.stand_ins.join(", "))
    });
    let format_notes: Vec<String> = std::iter::once(format!("{}.", advice.fastest_because)).chain(guessed).collect();
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
            &record::columns(FORMAT, [column("weights", "weights", weights), column("fits", "fits", fits)]),
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
        .with_notes(format_notes),
        caches(result, advice),
        micro_batches(result, advice),
    ]
}

/// The cache in several types.
fn caches(result: &Evaluation, advice: &Advice) -> Table {
    let records: Vec<Record> =
        advice.caches.iter().map(|one| merged([&serde_json::to_value(one).unwrap_or_default()])).collect();
    let names = "kv decode_tokens_per_s prefill_tokens_per_s memory_needed_bytes";
    let view = ["kv", "decode_tokens_per_s", "prefill_tokens_per_s", "memory_needed_bytes?"];
    let context = result.workload.decode_context();
    let title = format!("{} on {}: types of the cache at context {context}", result.model, result.on.profile);
    Table::view(title, &record::columns(names, []), &view, &records)
        .with_notes(["A type whose attention was not measured is read at f16's GB/s.".to_owned()])
}

/// Prompts taken in so many tokens at a time.
fn micro_batches(result: &Evaluation, advice: &Advice) -> Table {
    let records: Vec<Record> =
        advice.micro_batches.iter().map(|one| merged([&serde_json::to_value(one).unwrap_or_default()])).collect();
    let prompt = result.workload.prompt;
    let title = format!("{} on {}: a prompt of {prompt} tokens, so many at a time", result.model, result.on.profile);
    let view = ["micro_batch", "prefill_tokens_per_s"];
    Table::view(title, &record::columns("micro_batch prefill_tokens_per_s", []), &view, &records)
}
