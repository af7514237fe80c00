//! Sweeps: each row is what an evaluation says, in an order that no thread changes; what cannot be is told.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::evaluate::{Evaluation, PhaseResult, Query, RoofKind, Speed, evaluate};
use roofprobe::model::{Knob, Model, Phase, TensorType, Weights, Workload, find};
use roofprobe::profile::{Profile, parse};
use roofprobe::report::{Format, Style, sweep::Sheet};
use roofprobe::store;
use roofprobe::sweep::{Answer, Axis, Names, Over, Row, Sweep, Values};
use serde_json::Value;
use std::process::{Command, Output, Stdio};

fn over(texts: &[&str]) -> Vec<Over> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn plain() -> Profile {
    parse(include_str!("data/plain-cpu.toml")).unwrap()
}

fn each(sweep: &Sweep, mut take: impl FnMut(&Row)) {
    (0..sweep.cases()).for_each(|place| sweep.with_case(place, |case| case.each_row(0..sweep.settings(), &mut take)));
}

const PHASES: [Phase; 3] = [Phase::Prefill, Phase::Decode, Phase::Generation];

/// The settings of a row as a workload, and its depth as a model.
fn asked(row: &Row, models: &[Model], base: &Workload) -> (Model, Workload) {
    let model = models.iter().find(|model| model.name() == row.names.model).unwrap();
    let weights = Some(row.names.weights.parse::<Weights>().unwrap());
    let workload = Workload { weights, prune_last_layer: base.prune_last_layer, ..row.workload };
    (model.with_layers(row.names.layers).unwrap(), workload)
}

fn agrees(row: &Row, evaluation: &Evaluation, phase: &PhaseResult) {
    let speed = |roof| phase.roofs.iter().find(|speed: &&Speed| speed.roof == roof).map(|speed| speed.tokens_per_s);
    let expected = Answer {
        flops: phase.flops.get("total").unwrap(),
        weight_bytes: phase.weight_bytes,
        kv_bytes: phase.kv_read_bytes + phase.kv_write_bytes,
        oi: phase.oi,
        bound: phase.speed.bound,
        seconds: phase.speed.seconds,
        tokens_per_s: phase.speed.tokens_per_s,
        tokens_per_s_interval: phase.speed.tokens_per_s_interval,
        gflop_per_s: phase.speed.gflop_per_s,
        potential: phase.potential,
        memory_needed_bytes: evaluation.memory_needed_bytes,
        fits: evaluation.fits,
        tokens_per_s_peak: speed(RoofKind::Peak).unwrap(),
        tokens_per_s_achieved: speed(RoofKind::Achieved),
    };
    assert_eq!(row.outcome, Ok(expected));
    let kv = evaluation.workload.kv.to_string();
    let (layers, names) = (row.names.layers, &row.names);
    let (model, profile, weights) = (&*evaluation.model, &*evaluation.on.profile, &*evaluation.weights);
    assert_eq!(*names, Names { model, profile, weights, kv: &kv, layers });
    assert_eq!((row.phase, row.roof, row.tokens), (phase.phase, evaluation.roof, phase.tokens));
    for knob in Knob::ALL {
        assert_eq!((knob.get)(&row.workload), (knob.get)(&evaluation.workload), "{}", knob.name);
    }
}

#[test]
fn every_knob_has_a_column() {
    for knob in Knob::ALL {
        assert!(
            Row::COLUMNS.iter().any(|column| column.name == knob.key),
            "{} has no column in sweep/row.rs",
            knob.key
        );
    }
}

/// Dense, experts, latent attention, windows, and a hybrid, on a measured CPU, a made-up one and a made-up GPU.
#[test]
fn a_row_says_what_evaluate_says() {
    let names = ["qwen2.5-0.5b", "qwen3-30b-a3b", "deepseek-v2-lite", "gemma-3-1b", "lfm2-1.2b", "mamba2-2.7b"];
    let models = names.map(|name| find(name).unwrap());
    let (here, plain) = (store::find("amd-epyc-zen4-2c").unwrap().profile, plain());
    let gpu = parse(include_str!("data/plain-gpu.toml")).unwrap();
    let profiles = [("here", &here), ("plain", &plain), ("gpu", &gpu)];
    let grids: [&[&str]; 3] = [
        &["context=1,700,8192", "batch=1,3"],
        &["depth=2..6+3", "weights=q8_0,q4_k_m", "cached=0,100"],
        &["kv=f16,q8_0", "prompt=64,513", "generate=1,65", "micro-batch=33,512"],
    ];
    let mut compared = 0;
    for grid in grids {
        for (at, roof) in [(0, RoofKind::Achieved), (0, RoofKind::Peak), (1, RoofKind::Peak), (2, RoofKind::Peak)] {
            let base = Workload { weights: Some(Weights::Every(TensorType::F16)), ..Workload::default() };
            let sweep =
                Sweep::new(&models, &profiles[at..=at], Query::from(base).by(roof), over(grid), PHASES.to_vec())
                    .unwrap();
            each(&sweep, |row| {
                let (model, workload) = asked(row, &models, &base);
                match evaluate(&model, &Query::from(workload).by(roof), profiles[at].1, profiles[at].0) {
                    Ok(evaluation) => {
                        let phase = evaluation.phases.iter().find(|phase| phase.phase == row.phase).unwrap();
                        agrees(row, &evaluation, phase);
                        compared += 1;
                    }
                    Err(why) => {
                        assert_eq!(row.outcome, Err(why.to_string().as_str()));
                    }
                }
            });
        }
    }
    assert!(compared > 1000, "{compared}");
}

/// The default cache and weights are those of `evaluate`.
#[test]
fn what_is_not_swept_is_as_it_was_asked() {
    let (models, plain) = ([find("smollm2-135m").unwrap()], plain());
    let profiles = [("plain", &plain)];
    let base = Workload { cached: 7, prune_last_layer: true, ..Workload::default() };
    let sweep =
        Sweep::new(&models, &profiles, Query::from(base).by(RoofKind::Peak), over(&["prompt=5"]), vec![Phase::Prefill])
            .unwrap();
    assert_eq!((sweep.cases(), sweep.settings(), sweep.rows()), (1, 1, 1));
    each(&sweep, |row| {
        let workload = Workload { prompt: 5, ..base };
        let evaluation = evaluate(&models[0], &workload.into(), &plain, "plain").unwrap();
        agrees(row, &evaluation, &evaluation.phases[0]);
        let Names { weights, kv, layers, .. } = row.names;
        assert_eq!((weights, kv, row.workload.context, layers), ("f16", "f16", Some(13), 30));
    });
}

#[test]
fn rows_come_in_the_order_of_the_grid() {
    let (models, plain) = ([find("gpt2").unwrap(), find("opt-125m").unwrap()], plain());
    let profiles = [("a", &plain), ("b", &plain)];
    let axes = over(&["batch=2,1", "depth=3,2", "context=9..10"]);
    let sweep =
        Sweep::new(&models, &profiles, Query::default().by(RoofKind::Peak), axes, PHASES[..2].to_vec()).unwrap();
    let mut seen = Vec::new();
    each(&sweep, |row| {
        seen.push(format!(
            "{} {} {} {} {} {}",
            row.names.model,
            row.names.profile,
            row.names.layers,
            row.workload.batch,
            row.workload.decode_context(),
            row.phase.name()
        ))
    });
    let mut expected = Vec::new();
    for model in ["gpt2", "opt-125m"] {
        for profile in ["a", "b"] {
            for depth in [3, 2] {
                for (batch, context) in [(2, 9), (2, 10), (1, 9), (1, 10)] {
                    for phase in ["prefill", "decode"] {
                        expected.push(format!("{model} {profile} {depth} {batch} {context} {phase}"));
                    }
                }
            }
        }
    }
    assert_eq!(seen, expected);
    assert_eq!(sweep.rows(), expected.len() as u64);
    // The change of the model goes slower than that of its use, whichever was given first.
    assert_eq!(
        sweep.axes().map(|over| over.axis).collect::<Vec<_>>(),
        [Axis::Depth, Axis::Knob(Knob::BATCH), Axis::Knob(Knob::CONTEXT)]
    );
}

/// Whole or in pieces: the same bytes.
#[test]
fn any_part_can_be_had_by_itself() {
    let (models, plain) = ([find("gpt2").unwrap()], plain());
    let profiles = [("plain", &plain)];
    let axes = over(&["context=1..20", "batch=0,1"]);
    let sweep = Sweep::new(&models, &profiles, Query::default().by(RoofKind::Peak), axes, PHASES.to_vec()).unwrap();
    let sheet = Sheet::new(&sweep, Style::default());
    for format in Format::all() {
        sweep.with_case(0, |case| {
            let whole = format.rows(&sheet, case, 0..40).unwrap();
            let pieces = [0..7, 7..8, 8..40].map(|places| format.rows(&sheet, case, places).unwrap());
            assert_eq!(whole, pieces.concat());
        });
    }
}

/// A value of every size, on every axis: a row with its reason, no panic.
#[test]
fn absurd_values_are_rows_with_reasons() {
    let (models, plain) = ([find("qwen3-30b-a3b").unwrap()], plain());
    let profiles = [("plain", &plain)];
    let most = u64::MAX;
    for axis in ["prompt", "generate", "cached", "context", "batch", "micro-batch", "depth"] {
        let axes = over(&[&format!("{axis}=0,16777217,{most}")]);
        let sweep = Sweep::new(&models, &profiles, Query::default().by(RoofKind::Peak), axes, PHASES.to_vec()).unwrap();
        let mut refused = 0;
        each(&sweep, |row| {
            if let Err(reason) = row.outcome {
                assert!(reason.contains(axis) && !reason.contains('\n'), "{axis}: {reason}");
                refused += 1;
            }
        });
        let allowed = match axis {
            "cached" => 3,
            "context" => 3,
            "micro-batch" => 6,
            _ => 0,
        };
        assert_eq!(refused, 9 - allowed, "{axis}");
    }
}

fn run(arguments: &[&str], threads: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_roofprobe"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("RAYON_NUM_THREADS", threads)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

const P: &str = "tests/data/plain-cpu.toml";

/// The program's bytes are those of its parts made one after another, however many threads share them out.
#[test]
fn bytes_do_not_depend_on_threads() {
    let (models, plain) = (["gpt2", "lfm2-350m"].map(|name| find(name).unwrap()), plain());
    let profiles = [(P, &plain)];
    let base = Workload { generate: None, ..Workload::default() };
    let axes = over(&["depth=1,0,3", "context=1..600", "batch=1,0,5"]);
    let sweep =
        Sweep::new(&models, &profiles, Query::from(base).by(RoofKind::Peak), axes, PHASES[..2].to_vec()).unwrap();
    let grid = ["--over", "depth=1,0,3", "--over", "context=1..600", "--over", "batch=1,0,5"];
    let sheet = Sheet::new(&sweep, Style::default());
    for format in Format::all() {
        let arguments = [&["sweep", "gpt2", "lfm2-350m", "-p", P, "--format", format.name()][..], &grid].concat();
        let [one, three] = ["1", "3"].map(|threads| run(&arguments, threads));
        assert!(one.status.success() && one.stderr.is_empty(), "{}", String::from_utf8_lossy(&one.stderr));
        assert!(one.stdout == three.stdout, "{format:?}");
        let mut expected = format.head(&sheet).unwrap();
        for place in 0..sweep.cases() {
            expected.extend(sweep.with_case(place, |case| format.rows(&sheet, case, 0..sweep.settings()).unwrap()));
        }
        expected.extend(format.foot(&sheet));
        assert!(one.stdout == expected, "{format:?}");
    }
}

#[test]
fn programs_can_read_every_row() {
    let arguments =
        ["sweep", "gpt2", "-p", P, "--over", "weights=f16,q8_0,iq1_s", "--over", "generate=0,2", "--format"];
    let csv = run(&[&arguments[..], &["csv"]].concat(), "2");
    let mut reader = csv::Reader::from_reader(csv.stdout.as_slice());
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let json = String::from_utf8(run(&[&arguments[..], &["json"]].concat(), "2").stdout).unwrap();
    let rows: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((records.len(), rows.len()), (18, 18));
    for (record, row) in records.iter().zip(&rows) {
        assert_eq!(row.as_object().unwrap().keys().collect::<Vec<_>>(), names.iter().collect::<Vec<_>>());
        for (name, cell) in names.iter().zip(record) {
            match &row[name] {
                Value::Null => assert_eq!(cell, "", "{name}"),
                // The test's reader of JSON rounds the last bit.
                Value::Number(number) => {
                    let (csv, json) = (cell.parse::<f64>().unwrap(), number.as_f64().unwrap());
                    assert!((csv - json).abs() <= 1e-15 * csv.abs(), "{name}: {csv} {json}");
                }
                Value::Bool(truth) => assert_eq!(cell, truth.to_string(), "{name}"),
                // A text that a spreadsheet would take for a formula has an apostrophe before it.
                other => assert_eq!(cell.strip_prefix('\'').unwrap_or(cell), other.as_str().unwrap(), "{name}"),
            }
        }
        let evaluated = row["generate"] == 2;
        assert_eq!(row["status"], if evaluated { "evaluated" } else { "unsupported" });
        assert_eq!(row["reason"].is_null(), evaluated);
        assert_eq!(row["tokens_per_s"].is_number(), evaluated);
    }
}

#[test]
fn misuse_is_named_in_one_line() {
    let cases: [(&[&str], &[&str]); 19] = [
        (&["--over", "context"], &["--over", "\"context\"", "AXIS=VALUES", "depth"]),
        (&["--over", "mood=1"], &["--over", "\"mood\" is no axis", "context", "micro-batch"]),
        (&["--over", "context=1,x"], &["--over context", "\"x\" is no whole number", "128..32768*2"]),
        (&["--over", "context="], &["--over context", "\"\" is no whole number"]),
        (&["--over", "depth=9..2"], &["--over depth", "\"9..2\" is empty"]),
        (&["--over", "batch=1..9+0"], &["--over batch", "goes nowhere"]),
        (&["--over", "batch=1..9*1"], &["--over batch", "multiply by 2"]),
        (&["--over", "prompt=99999999999999999999"], &["--over prompt", "64 bits"]),
        (&["--over", "prompt=0..18446744073709551615"], &["--over prompt", "beyond 16777217"]),
        (&["--over", "weights=q9"], &["--over weights", "q9", "q4_k_m"]),
        (&["--over", "kv=f16,mxfp4"], &["--over kv", "\"mxfp4\"", "q8_0"]),
        (&["--over", "batch=1", "--over", "batch=2"], &["--over batch", "twice"]),
        (&["--over", "batch=1,2", "--batch", "3"], &["--batch", "--over batch", "leave one"]),
        (&["--over", "weights=f16", "--weights", "f16"], &["--weights", "--over weights"]),
        (&["--over", "batch=1", "--phase", "generation"], &["--phase generation", "--generate"]),
        (
            &["--over", "batch=1..16777216", "--over", "prompt=1..16777216", "--over", "cached=1..16777216"],
            &["--over", "points", "64 bits"],
        ),
        (&["--over", "batch=1", "--roof", "achieved"], &["gpt2", "--roof achieved", "no matmul ceiling"]),
        (&["--over", "context=0,99999999"], &["gpt2", "--context: must lie in", "is 0"]),
        (&["--over", "depth=5000..6000"], &["gpt2", "depth", "is 5000"]),
    ];
    for (arguments, words) in cases {
        let output = run(&[&["sweep", "gpt2", "-p", P][..], arguments].concat(), "2");
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        assert!(output.stdout.is_empty() && message.lines().count() == 1, "{arguments:?}: {message}");
        for word in words {
            assert!(message.contains(word), "{arguments:?}: {word:?} is not in {message}");
        }
    }
    for missing in [&["sweep", "gpt2", "-p", P][..], &["sweep", "--over", "batch=1"]] {
        assert_eq!(run(missing, "1").status.code(), Some(2));
    }
}

/// Some points cannot be; the others are told all the same.
#[test]
fn one_point_is_enough() {
    let output = run(&["sweep", "gpt2", "-p", P, "--over", "context=0,1024", "--phase", "decode"], "1");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && text.contains("--context: must lie in 1..=") && text.contains("memory"),
        "{text}"
    );
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_ends_the_sweep() {
    // More rows than anybody waits for: that this ends at all says that the writer noticed.
    let program = env!("CARGO_BIN_EXE_roofprobe");
    let script = format!(
        "set -o pipefail; '{program}' sweep gpt2 -p {P} --over context=1..16777216 --over batch=1..65536 --format csv | head -1; echo ${{PIPESTATUS[0]}}"
    );
    let output = Command::new("bash").args(["-c", &script]).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("model,profile,") && text.ends_with("\n0\n"), "{text}");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The rows are written by hand for speed, and as the `csv` crate writes them.
#[test]
fn csv_is_what_the_crate_writes() {
    let models = ["qwen2.5-0.5b", "lfm2-1.2b"].map(|name| find(name).unwrap());
    let plain = plain();
    let here = store::find("amd-epyc-zen4-2c").unwrap().profile;
    let profiles = [("here", &here), ("a \"plain\", small one", &plain)];
    // Depths and contexts that cannot be are among them.
    let axes = over(&["depth=1,2,999999", "context=1,700,99999999", "weights=f16,q4_0", "generate=3"]);
    let sweep = Sweep::new(&models, &profiles, Query::from(Workload::default()), axes, PHASES.to_vec()).unwrap();
    let sheet = Sheet::new(&sweep, Style::default());
    let format = Format::named("csv").unwrap();
    let (mut failed, mut expected) = (0, csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new()));
    each(&sweep, |row| {
        failed += usize::from(row.outcome.is_err());
        expected.serialize(row).unwrap();
    });
    let rows = |place| sweep.with_case(place, |case| format.rows(&sheet, case, 0..sweep.settings()).unwrap());
    let written: Vec<u8> = (0..sweep.cases()).flat_map(rows).collect();
    assert!(failed > 0 && written.contains(&b'"'));
    // A reason that begins with an option would be a formula in a spreadsheet: it has an apostrophe before it.
    let written = String::from_utf8(written).unwrap().replace("'--", "--");
    assert_eq!(written, String::from_utf8(expected.into_inner().unwrap()).unwrap());
}

#[test]
fn parquet_has_the_columns_of_the_record_with_their_types() {
    use parquet::basic::Type as Physical;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.parquet");
    let asked = ["sweep", "qwen2.5-0.5b", "lfm2-1.2b", "-p", "amd-epyc-zen4-2c", "--over", "depth=2,999999", "--over"];
    let more = ["context=1..600", "--generate", "2", "--format"];
    let arguments: Vec<&str> = asked.into_iter().chain(more).collect();
    let output = run(&[&arguments[..], &["parquet", "-o", path.to_str().unwrap()]].concat(), "2");
    assert!(output.status.success() && output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = run(&[&arguments[..], &["json"]].concat(), "2").stdout;
    let mut lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());

    let reader = SerializedFileReader::new(std::fs::File::open(&path).unwrap()).unwrap();
    let schema = reader.metadata().file_metadata().schema_descr();
    for (at, column) in Row::COLUMNS.iter().enumerate() {
        let physical = match column.values {
            Values::Text(_) => Physical::BYTE_ARRAY,
            Values::Count(_) => Physical::INT64,
            Values::Number(_) => Physical::DOUBLE,
            Values::Truth(_) => Physical::BOOLEAN,
        };
        assert_eq!((schema.column(at).name(), schema.column(at).physical_type()), (column.name, physical));
    }
    let (mut rows, mut nulls) = (0, 0);
    for row in reader {
        let row = row.unwrap();
        let line: Value = serde_json::from_slice(lines.next().unwrap()).unwrap();
        for (name, field) in row.get_column_iter() {
            let value = &line[name.as_str()];
            match field {
                Field::Null => assert!(value.is_null(), "{name}: {value}"),
                Field::Str(text) => assert_eq!(value, text),
                Field::ULong(count) => assert_eq!(value, count),
                // What reads the JSON here rounds the last digit differently.
                Field::Double(number) => assert!((value.as_f64().unwrap() - number).abs() <= 1e-14 * number.abs()),
                Field::Bool(truth) => assert_eq!(value, truth),
                other => panic!("{name}: {other:?}"),
            }
            nulls += usize::from(*field == Field::Null);
        }
        rows += 1;
    }
    assert_eq!((rows, lines.next()), (2 * 2 * 600 * 3, None));
    assert!(nulls > 600);
    // A part of a file is none, and other commands have no rows.
    let refused = run(&["models", "--format", "parquet"], "2");
    assert_eq!(refused.status.code(), Some(2));
    let nowhere = folder.path().join("no/rows.parquet");
    let refused = run(&[&arguments[..], &["parquet", "-o", nowhere.to_str().unwrap()]].concat(), "2");
    assert_eq!((refused.status.code(), std::fs::read_dir(folder.path()).unwrap().count()), (Some(1), 1));
}
