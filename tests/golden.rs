//! What the program writes for a fixed profile, byte by byte: `show`, `evaluate`, `sweep`, `compare` and `study` in every
//! format.
//!
//! After a change that is meant, `UPDATE_GOLDEN=1 cargo test --test golden` writes the files anew; the diff is then
//! part of the change to be read.

use roofprobe::evaluate::{self, Query};
use roofprobe::model::{Workload, find};
use roofprobe::report::{self, Format};
use roofprobe::store;
use std::path::Path;
use std::process::Command;

/// A made-up device with round numbers, so that the tables can be checked by hand.
const PROFILE: &str = "tests/data/plain-cpu.toml";

fn check(name: &str, arguments: &[&str]) {
    check_in(&[("text", "txt"), ("json", "json"), ("csv", "csv"), ("markdown", "md")], name, arguments);
}

fn check_text(name: &str, arguments: &[&str]) {
    check_in(&[("text", "txt")], name, arguments);
}

fn check_in(formats: &[(&str, &str)], name: &str, arguments: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (format, extension) in formats {
        let output = Command::new(env!("CARGO_BIN_EXE_roofprobe"))
            .args(arguments)
            .args(["--format", format])
            .current_dir(root)
            .env_remove("COLUMNS")
            .env_remove("CLICOLOR_FORCE")
            .output()
            .expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let written = String::from_utf8(output.stdout).expect("text");
        compare_with(&format!("{name}.{extension}"), &written);
    }
}

fn compare_with(file: &str, written: &str) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(golden.parent().expect("a folder")).expect("can be made");
        std::fs::write(&golden, written).expect("can be written");
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    let same = if cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        written == expected
    } else {
        agree(written, &expected)
    };
    assert!(same, "{} differs:\n{written}", golden.display());
}

/// Whether two texts are the same but for the last digits of numbers. Logarithms come from the system's mathematical library,
/// and those of two architectures or systems round differently; what is written here is from Linux on x86-64.
fn agree(written: &str, expected: &str) -> bool {
    let of_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | '-' | '+');
    let words = |text: &str| {
        let mut words: Vec<(bool, String)> = Vec::new();
        for c in text.chars() {
            match words.last_mut() {
                Some((number, word)) if *number == of_number(c) => word.push(c),
                _ => words.push((of_number(c), c.to_string())),
            }
        }
        words
    };
    let same = |a: &str, b: &str| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() <= 1e-12 * a.abs().max(b.abs()),
        _ => a == b,
    };
    let (written, expected) = (words(written), words(expected));
    written.len() == expected.len() && written.iter().zip(&expected).all(|((_, a), (_, b))| same(a, b))
}

#[test]
fn last_digits_alone_may_differ_between_systems() {
    assert!(agree("a,0.42056775198438306,1e-3\n", "a,0.42056775198438323,0.001\n"));
    for other in ["a,0.4205677519,1e-3\n", "b,0.42056775198438306,1e-3\n", "a,0.42056775198438306,1e-3"] {
        assert!(!agree("a,0.42056775198438306,1e-3\n", other), "{other}");
    }
}

#[test]
fn show() {
    check("show", &["show", PROFILE, "--all"]);
}

/// The summaries: a measured profile, a GPU's, one of doubtful ceilings, and a data sheet.
#[test]
fn show_summaries() {
    let gpu = "tests/data/plain-gpu.toml";
    let profiles = [("cpu", "amd-epyc-zen4-2c"), ("gpu", gpu), ("doubtful", "tests/data/measured-levels.toml")];
    for (name, profile) in profiles.into_iter().chain([("quoted", "raspberry-pi-5-datasheet")]) {
        check_text(&format!("show_summary_{name}"), &["show", profile]);
    }
}

/// Curves, shapes, and ceilings of two figures.
#[test]
fn show_levels() {
    check("show_levels", &["show", "tests/data/plain-levels.toml", "--all"]);
}

/// A GPU's ceilings in their order, and its own rows of circumstances.
#[test]
fn show_gpu() {
    check("show_gpu", &["show", "tests/data/plain-gpu.toml", "--all"]);
}

#[test]
fn evaluate() {
    let arguments =
        ["evaluate", "qwen2.5-0.5b", "-p", PROFILE, "--prompt", "512", "--generate", "128", "--weights", "q8_0"];
    check("evaluate", &[&arguments[..], &["--details"]].concat());
    check_text("evaluate_answer", &arguments);
}

/// What is printed without a command, had this profile just been measured.
#[test]
fn first_minute() {
    let profile = store::find("amd-epyc-zen4-2c").expect("is shipped").profile;
    let workload = Workload { weights: "q8_0".parse().ok(), generate: Some(128), ..Workload::default() };
    let query = Query { advise: true, ..workload.into() };
    let model = find("qwen2.5-0.5b").expect("is known");
    let evaluation = evaluate::evaluate(&model, &query, &profile, "this machine").expect("has an answer");
    let report = report::first_minute::report(&profile, Some(evaluation), "kept.toml").expect("can be written");
    compare_with("first_minute.txt", &report.render(Format::default()).expect("is text"));
}

/// An answer by measured kernels, one by a data sheet, and several of them.
#[test]
fn evaluate_answers() {
    let measured = ["evaluate", "llama-3.2-1b", "--weights", "q4_k_m", "-p", "amd-epyc-zen4-2c"];
    check_text("evaluate_measured", &measured);
    let quoted = ["evaluate", "llama-3.2-1b", "--weights", "q4_k_m", "-p", "raspberry-pi-5-datasheet"];
    check_text("evaluate_quoted", &quoted);
    check_text("evaluate_several", &[&measured[..], &["qwen2.5-0.5b"], &quoted[4..]].concat());
}

/// Rates that others measured, beside the answer.
#[test]
fn evaluate_runs() {
    let arguments =
        ["evaluate", "qwen2.5-1.5b", "-p", "apple-m1-pro-rooflinebench", "--measured", "docs/paper-rates.csv"];
    check_in(&[("text", "txt"), ("csv", "csv")], "evaluate_runs", &arguments);
    check_text("evaluate_runs_details", &[&arguments[..], &["--details"]].concat());
}

#[test]
fn evaluate_explained() {
    let arguments = ["evaluate", "smollm2-135m", "-p", "amd-epyc-zen4-2c", "--weights", "q4_k_m", "--prompt", "700"];
    check(
        "evaluate_explained",
        &[&arguments[..], &["--micro-batch", "512", "--prune-last-layer", "--explain"]].concat(),
    );
}

#[test]
fn compare() {
    let other = "tests/data/other-cpu.toml";
    let arguments = [
        "compare",
        PROFILE,
        other,
        "--model",
        "qwen2.5-0.5b",
        "--generate",
        "128",
        "--weights",
        "q8_0",
        "--kv",
        "q8_0",
    ];
    check("compare", &arguments);
}

/// More than two, and every quantity.
#[test]
fn compare_three() {
    let [two, three] = ["tests/data/other-cpu.toml", "tests/data/plain-levels.toml"];
    check("compare_three", &["compare", two, PROFILE, three, "--all"]);
}

/// A CPU and a GPU, whose matmuls are asked at other extents.
#[test]
fn compare_gpu() {
    check("compare_gpu", &["compare", "tests/data/plain-levels.toml", "tests/data/plain-gpu.toml"]);
}

/// A grid with points that cannot be, as no model has no layers; words, models and profiles.
#[test]
fn sweep() {
    let grid = ["--over", "context=256..1024*2", "--over", "depth=0,24"];
    check("sweep", &[&["sweep", "qwen2.5-0.5b", "-p", PROFILE, "--phase", "decode"][..], &grid].concat());
    let profiles = ["-p", PROFILE, "-p", "tests/data/plain-gpu.toml"];
    let words = ["--over", "weights=q8_0,awq", "--over", "generate=1,128", "--batch", "4"];
    check("sweep_words", &[&["sweep", "qwen2.5-0.5b", "gpt2"][..], &profiles, &words].concat());
}

#[test]
fn models() {
    check("models", &["models"]);
}

#[test]
fn study_sequence() {
    let scenarios = ["--scenario", "SISO", "--scenario", "LISO"];
    check("study_sequence", &[&["study", "sequence", "qwen2.5-0.5b", "-p", PROFILE][..], &scenarios].concat());
}

#[test]
fn study_depth() {
    let layers = ["--layers", "2,4,16", "--scenario", "SISO", "--engine", "llama-bench"];
    check("study_depth", &[&["study", "depth", "qwen2.5-0.5b", "-p", PROFILE][..], &layers].concat());
}

#[test]
fn study_precision() {
    let arguments = ["study", "precision", "qwen2.5-0.5b", "-p", "amd-epyc-zen4-2c", "--weights", "f16,q8_0"];
    check("study_precision", &[&arguments[..], &["--scenario", "LISO", "--scenario", "SILO"]].concat());
}

#[test]
fn study_attention() {
    check("study_attention", &["study", "attention", "-p", PROFILE, "--scenario", "256/32"]);
}

#[test]
fn study_hardware() {
    let profiles = ["-p", PROFILE, "-p", "tests/data/other-cpu.toml"];
    check("study_hardware", &[&["study", "hardware", "qwen2.5-0.5b", "--scenario", "LISO"][..], &profiles].concat());
}
