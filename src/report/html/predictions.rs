//! Models × formats × contexts × devices: a table that sorts and filters.

use super::said::said;
use super::tables::{self, Kind, grid};
use super::{Content, Prediction};
use crate::evaluate::{Evaluation, PhaseResult};
use crate::model::Phase;
use crate::report::{Cell, digits, evaluation, unique};
use maud::{Markup, html};

/// The table's id: its controls name it.
const ID: &str = "predictions";

/// The controls, the table, and what has to be said.
pub(super) fn section(content: &Content) -> Markup {
    let several = content.devices.len() > 1;
    let mut columns = vec!["model"];
    columns.extend(several.then_some("device"));
    columns.extend(["weights", "prompt", "decode tok/s", "interval", "prefill tok/s", "first token s", "MiB", "fits"]);
    columns.extend(["decode by", "prefill by"]);
    let columns: Vec<String> = columns.into_iter().map(str::to_owned).collect();
    let rows: Vec<Vec<Cell>> = content.predictions.iter().map(|one| row(content, several, one)).collect();
    let answers = || content.predictions.iter().filter_map(|one| one.outcome.as_ref().ok());
    let means: Vec<String> = unique(answers().map(|answer| evaluation::roof_note(answer).to_owned()));
    let engines: Vec<String> = unique(
        answers()
            .filter_map(|answer| answer.engine.as_ref())
            .map(|engine| format!("{}: {}, {} runs.", engine.name, engine.source, engine.runs)),
    );
    let notes: Vec<String> = unique(answers().flat_map(|answer| {
        answer.notes.iter().filter(|note| note.kind.matters()).map(|note| format!("{}: {note}", answer.on.profile))
    }));
    let workload =
        answers().next().map(|first| format!("Batch {}, {} cache.", first.workload.batch, first.workload.kv));
    html! {
        p class="lead" {
            "Each prompt is taken in at once (prefill); then tokens are given one by one (decode). By: what binds. MiB: weights, cache and \
                activations. "
            @for line in workload.iter().chain(&means).chain(&engines) { (said(line)) " " }
        }
        (controls(content, several))
        (grid(ID, "Predicted speeds", &columns, &rows, Kind::Sorted))
        (tables::notes(&notes))
    }
}

fn row(content: &Content, several: bool, one: &Prediction) -> Vec<Cell> {
    let mut row = vec![Cell::text(&one.model)];
    row.extend(several.then(|| Cell::text(content.devices.get(one.device).map_or("", |device| device.name))));
    row.extend([Cell::text(&one.weights), Cell::plain(one.context)]);
    match &one.outcome {
        Ok(answer) => row.extend(figures(answer)),
        Err(why) => {
            row.push(Cell::text(why));
            row.extend(std::iter::repeat_n(Cell::Empty, 7));
        }
    }
    row
}

fn figures(answer: &Evaluation) -> [Cell; 8] {
    let [prefill, decode] = [Phase::Prefill, Phase::Decode].map(|phase| answer.phase(phase));
    let rate = |phase: Option<&PhaseResult>| phase.map_or(Cell::Empty, |phase| rounded(phase.speed.tokens_per_s));
    let ends = decode.and_then(|decode| decode.speed.tokens_per_s_interval).filter(|_| !answer.quoted);
    let interval = ends.map_or(Cell::Empty, |[low, high]| Cell::Number {
        exact: low.to_string(),
        shown: format!("{} – {}", digits(low, 3), digits(high, 3)),
    });
    let bound = |phase: Option<&PhaseResult>| Cell::words(phase.map(|phase| phase.speed.bound.name()));
    [
        rate(decode),
        interval,
        rate(prefill),
        rounded(answer.ttft_seconds),
        Cell::plain(answer.memory_needed_bytes.div_ceil(1 << 20)),
        Cell::yes_no(answer.fits),
        bound(decode),
        bound(prefill),
    ]
}

fn rounded(value: f64) -> Cell {
    Cell::Number { exact: value.to_string(), shown: digits(value, 3) }
}

/// Words to look for, and a choice for each of what the table is made of. They need the script, which shows them.
fn controls(content: &Content, several: bool) -> Markup {
    let predictions = &content.predictions;
    let devices =
        || predictions.iter().filter_map(|one| content.devices.get(one.device)).map(|device| device.name.to_owned());
    let mut choices = vec![("model", unique(predictions.iter().map(|one| one.model.clone())))];
    choices.extend(several.then(|| ("device", unique(devices()))));
    choices.push(("weights", unique(predictions.iter().map(|one| one.weights.clone()))));
    choices.push(("prompt", unique(predictions.iter().map(|one| one.context.to_string()))));
    let fits = choices.len() + 5;
    html! {
        form class="controls" data-for=(ID) hidden {
            label { "Find " input type="search" autocomplete="off"; }
            @for (column, (what, words)) in choices.iter().enumerate() {
                label { (what) " " select data-column=(column) {
                    option value="" { "all" }
                    @for word in words { option value=(said(word)) { (said(word)) } }
                } }
            }
            label { input type="checkbox" data-column=(fits) value="yes"; " only what fits" }
            output {}
        }
    }
}
