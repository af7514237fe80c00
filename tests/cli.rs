//! The real program, as a person or a script meets it: results, streams, exit codes, bad input, interruption.

#[cfg(unix)]
use std::path::Path;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

/// A place of its own for every test: no test sees the user's profiles.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_roofprobe"));
        command.args(arguments).current_dir(self.0.path()).env("ROOFPROBE_DIR", self.path("kept")).stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program starts")
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs into an error: the exit code, nothing on standard output, one line on standard error with these words.
    fn fails(&self, code: i32, arguments: &[&str], words: &[&str]) {
        let output = self.run(arguments);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
        assert!(output.stdout.is_empty(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        let last = message.lines().last().unwrap_or_default();
        for word in words {
            assert!(last.contains(word), "{arguments:?}: \"{word}\" is not in: {last}");
        }
        assert!(!message.contains("panicked"), "{message}");
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const SHIPPED: &str = "amd-epyc-zen3-2c";
const MODEL: &str = "qwen2.5-0.5b";

fn config(from: &str, to: &str) -> String {
    let config = r#"{"model_type": "llama", "hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "intermediate_size": 512, "vocab_size": 1000, "hidden_act": "silu",
        "architectures": ["LlamaForCausalLM"], "tie_word_embeddings": false}"#;
    assert!(config.contains(from));
    config.replacen(from, to, 1)
}

#[test]
fn the_isa_self_test_passes_where_it_can_and_is_hidden() {
    let place = Place::new();
    assert_eq!(place.succeeds(&["isa-self-test", "portable"]), "the self-test has passed\n");
    place.fails(2, &["isa-self-test", "nonsense"], &["nonsense"]);
    assert!(!place.succeeds(&["--help"]).contains("isa-self-test"));
}

#[test]
fn every_listing_comes_in_every_format() {
    let place = Place::new();
    for verb in ["devices", "models", "profiles"] {
        assert!(place.succeeds(&[verb]).lines().count() > 3);
        let json: serde_json::Value = serde_json::from_str(&place.succeeds(&[verb, "--format", "json"])).unwrap();
        assert!(!json[verb].as_array().unwrap().is_empty());
        let csv = place.succeeds(&[verb, "--format", "csv"]);
        let fields = csv::Reader::from_reader(csv.as_bytes()).records().map(|r| r.unwrap().len()).max().unwrap();
        assert!(fields > 3);
        assert!(place.succeeds(&[verb, "--format", "markdown"]).contains("|--"));
    }
}

#[test]
fn shells_can_complete_and_there_is_a_manual() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell", "man"] {
        let script = place.succeeds(&["completions", shell]);
        assert!(script.contains("evaluate") && script.contains("roofprobe"), "{shell}");
    }
    place.succeeds(&["completions", "man", "-o", "man"]);
    for page in ["roofprobe.1", "roofprobe-measure.1", "roofprobe-check.1", "roofprobe-doctor.1"] {
        assert!(std::fs::read_to_string(place.path("man").join(page)).unwrap().starts_with(".ie"), "{page}");
    }
    assert!(!place.path("man/roofprobe-isa-self-test.1").exists());
    place.fails(2, &["completions", "bash", "-o", "x"], &["-o"]);
}

#[test]
fn nothing_is_written_over_a_profile_but_a_profile() {
    let place = Place::new();
    let text = include_str!("../profiles/amd-epyc-zen3-2c.toml");
    let file = place.file("p.toml", text);
    place.fails(2, &["export", &file, "--to", "csv", "-o", &file], &["-o", "is a profile"]);
    place.fails(2, &["check", &file, &file, "--junit", &file], &["--junit", "is a profile"]);
    place.fails(2, &["plot", &file, "-o", &place.path("p.toml").display().to_string()], &["-o", ".svg"]);
    assert_eq!(std::fs::read_to_string(place.path("p.toml")).unwrap(), text);
    place.succeeds(&["export", &file, "--to", "csv", "-o", "p.csv"]);
    place.succeeds(&["export", &file, "--to", "csv", "-o", "p.csv"]);
    place.fails(2, &["schema", "--format", "csv"], &["--format", "JSON"]);
}

#[test]
fn the_parts_of_a_sweep_are_the_whole() {
    let place = Place::new();
    let rows = |shard: &[&str]| {
        let sweep =
            ["sweep", MODEL, "-p", SHIPPED, "--over", "context=100..117", "--over", "batch=1,4", "--format", "csv"];
        let text = place.succeeds(&[&sweep, shard].concat());
        text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    let parts: Vec<Vec<String>> = (1..=5).map(|part| rows(&["--shard", &format!("{part}/5")])).collect();
    assert!(parts.iter().all(|part| !part.is_empty()));
    assert_eq!(parts.concat(), rows(&[]));
    for wrong in ["0/5", "6/5", "1", "a/b", "1/0"] {
        let sweep = ["sweep", MODEL, "-p", SHIPPED, "--over", "batch=1", "--shard", wrong];
        assert_eq!(place.run(&sweep).status.code(), Some(2), "{wrong}");
    }
}

#[test]
fn help_teaches_and_misuse_is_told_apart() {
    let place = Place::new();
    let help = place.succeeds(&["--help"]);
    for verb in ["measure", "devices", "show", "evaluate", "models", "profiles", "schema"] {
        assert!(help.contains(verb), "{verb}");
        assert!(place.succeeds(&[verb, "--help"]).contains("Usage: roofprobe"));
    }
    for wrong in [&["dance"][..], &["evaluate"], &["show"], &["measure", "--effort", "none"], &["--format", "xml"]] {
        assert_eq!(place.run(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn a_simulated_measurement_is_written_shown_and_evaluated() {
    let place = Place::new();
    let shown = place.succeeds(&["measure", "--simulate", SHIPPED, "-o", "p.toml"]);
    assert!(shown.contains("memory.dram.read") && shown.contains("nothing was measured"));
    let json: serde_json::Value =
        serde_json::from_str(&place.succeeds(&["show", "p.toml", "--format", "json"])).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["provenance"]["simulated"], SHIPPED);
    assert!(json["ceiling"].as_array().unwrap().len() > 10);
    let arguments = ["evaluate", MODEL, "-p", "p.toml", "--prompt", "512", "--generate", "128", "--weights", "q8_0"];
    let json = place.succeeds(&[&arguments[..], &["--format", "json"]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let result = &json["results"][0];
    assert_eq!(result["params_total"], 494_032_768_u64);
    let phases: Vec<&str> = result["phases"].as_array().unwrap().iter().map(|p| p["phase"].as_str().unwrap()).collect();
    assert_eq!(phases, ["prefill", "decode", "generation"]);
    for key in
        "flops weight_bytes kv_read_bytes kv_write_bytes oi bound seconds tokens_per_s phi phi_log2 phi_paper regime"
            .split(' ')
    {
        assert!(!result["phases"][0][key].is_null(), "{key}");
    }
}

#[test]
fn standard_output_can_be_the_file() {
    let place = Place::new();
    let toml = place.succeeds(&["measure", "--simulate", SHIPPED, "-o", "-"]);
    place.file("p.toml", &toml);
    assert!(place.succeeds(&["show", "p.toml"]).contains("AMD EPYC (Zen 3), 2 cores: reads"));
    assert!(!place.path("kept").exists());
}

#[test]
fn a_real_measurement_of_one_ceiling_is_kept_and_found_again() {
    let place = Place::new();
    let arguments = ["measure", "--effort", "quick", "--only", "compute.f32", "--threads", "1"];
    let shown = place.succeeds(&arguments);
    assert!(shown.contains("compute.f32"));
    // Beside the profile there is the folder of races, and where an open file cannot be removed its lock.
    let is_profile = |entry: &std::io::Result<std::fs::DirEntry>| {
        entry.as_ref().unwrap().path().extension().is_some_and(|e| e == "toml")
    };
    let kept: Vec<_> = std::fs::read_dir(place.path("kept")).unwrap().filter(is_profile).collect();
    assert_eq!(kept.len(), 1);
    let path = kept[0].as_ref().unwrap().path();
    let profile = roofprobe::profile::load(&path).unwrap();
    assert!(profile.provenance.complete && profile.provenance.only == ["compute.f32"]);
    let ceiling = profile.ceiling("compute.f32").unwrap();
    assert!(ceiling.value().is_some_and(|(value, _)| value > 0.0));
    assert_eq!(ceiling.samples, Some(ceiling.sample_values.len() as u32));
    let environment = profile.environment.as_ref().unwrap();
    assert_eq!(environment.core_scaling, None, "one thread has no other to be set against");
    let (grade, reasons) =
        roofprobe::probe::grade(&profile.device, environment, &profile.ceiling, ceiling.samples.unwrap().into());
    assert_eq!((environment.grade, &environment.grade_reasons), (Some(grade), &reasons));
    let shown = place.succeeds(&["show", "--all", path.to_str().unwrap()]);
    assert!(reasons.iter().all(|reason| shown.contains(&reason[..8])), "{shown}");
    // A profile of one ceiling is not what evaluate looks for by itself; named, it says what is missing.
    place.fails(2, &["evaluate", MODEL], &["no complete profile"]);
    place.fails(2, &["evaluate", MODEL, "-p", path.to_str().unwrap()], &["memory.dram.read", "roofprobe measure"]);
}

#[test]
fn without_a_profile_evaluate_says_how_to_get_one() {
    Place::new().fails(2, &["evaluate", MODEL], &["roofprobe measure", "-p"]);
}

#[test]
fn bad_profiles_are_named_with_key_and_remedy() {
    let place = Place::new();
    place.fails(2, &["show", "missing.toml"], &["missing.toml", "no such file"]);
    place.fails(2, &["show", "no-such-machine"], &["no-such-machine", "roofprobe profiles"]);
    let foreign = place.file("Cargo.toml", "[package]\nname = \"x\"\n");
    place.fails(2, &["show", &foreign], &["Cargo.toml", "not a roofprobe profile"]);
    let whole = place.succeeds(&["measure", "--simulate", SHIPPED, "-o", "-"]);
    let cut = place.file("cut.toml", &whole[..whole.len() / 2 + 3]);
    place.fails(2, &["show", &cut], &["cut.toml"]);
    let unknown = place.file("unknown.toml", &whole.replacen("[device]", "[device]\nmood = 1", 1));
    place.fails(2, &["show", &unknown], &["unknown.toml", "mood"]);
    let newer = place.file("newer.toml", &whole.replacen("schema = 1", "schema = 7", 1));
    place.fails(2, &["evaluate", MODEL, "-p", &newer], &["newer.toml", "schema 7"]);
    std::fs::write(place.path("binary.toml"), [0xff, 0xfe, 0x00]).unwrap();
    place.fails(2, &["show", "binary.toml"], &["binary.toml", "not a text file"]);
    place.fails(2, &["show", "."], &["."]);
}

#[test]
fn bad_models_are_named_with_key_and_remedy() {
    let place = Place::new();
    let evaluate = |model: &str, words: &[&str]| place.fails(2, &["evaluate", model, "-p", SHIPPED], words);
    evaluate("gpt-17", &["gpt-17"]);
    evaluate("missing/config.json", &["missing/config.json", "no such file"]);
    evaluate("model.gguf", &["model.gguf", "no such file"]);
    let cases = [
        ("\"llama\"", "17", "model_type"),
        ("\"num_attention_heads\": 4", "\"num_attention_heads\": 0", "num_attention_heads"),
        ("\"num_attention_heads\": 4", "\"num_attention_heads\": -4", "num_attention_heads"),
        ("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1000000000", "num_hidden_layers"),
        ("\"hidden_size\": 256", "\"hidden_size\": 18446744073709551615", "hidden_size"),
        ("\"hidden_size\": 256", "\"hidden_size\": 255", "hidden_size"),
        ("\"hidden_size\": 256", "\"hidden_size\": 256.5", "hidden_size"),
        ("\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3", "num_key_value_heads"),
        ("\"vocab_size\": 1000,", "", "vocab_size"),
    ];
    for (index, (from, to, word)) in cases.into_iter().enumerate() {
        let path = place.file(&format!("config-{index}.json"), &config(from, to));
        evaluate(&path, &[&format!("config-{index}.json"), word]);
    }
    let cut = place.file("cut.json", &config("", "")[..100]);
    evaluate(&cut, &["cut.json"]);
    let good = place.file("good.json", &config("", ""));
    assert!(place.succeeds(&["evaluate", &good, "-p", SHIPPED]).contains("decode"));
}

#[test]
fn bad_requests_are_named_with_the_option() {
    let place = Place::new();
    place.fails(2, &["measure", "--only", "weather.*"], &["weather.*", "memory.dram.read"]);
    place.fails(2, &["measure", "--only", "a{"], &["a{"]);
    place.fails(2, &["measure", "--threads", "0"], &["--threads"]);
    place.fails(2, &["measure", "--threads", "99999"], &["--threads", "99999"]);
    place.fails(2, &["measure", "--resume"], &["--resume"]);
    place.fails(2, &["measure", "--resume", "-o", "-"], &["--resume"]);
    place.fails(2, &["measure", "--resume", "-o", "missing.toml"], &["missing.toml"]);
    for fixed in [["--only", "compute.*"], ["--effort", "quick"], ["--threads", "1"]] {
        place.fails(2, &[&["measure", "--resume", "-o", "p.toml"], &fixed[..]].concat(), &["--help"]);
    }
    place.fails(2, &["evaluate", MODEL, "-p", SHIPPED, "--prompt", "0"], &["--prompt"]);
    place.fails(2, &["evaluate", MODEL, "-p", SHIPPED, "--weights", "q9"], &["--help"]);
    place.fails(2, &["evaluate", MODEL, "-p", SHIPPED, "--weights", "i8"], &["--help"]);
    place.fails(2, &["evaluate", MODEL, "-p", SHIPPED, "--context", "99999999999"], &["--context"]);
    place.fails(2, &["evaluate", MODEL, "-p", SHIPPED, "--batch", "2", "--micro-batch", "1"], &["--micro-batch"]);
    let drafted = |more: &[&'static str]| [&["evaluate", MODEL, "-p", SHIPPED][..], more].concat();
    place.fails(2, &drafted(&["--draft", "mtp", "--accept", "0.7"]), &["--draft mtp", "no layers for multi-token"]);
    place.fails(2, &drafted(&["--draft", "mtp"]), &["--help"]);
    place.fails(2, &drafted(&["--draft", MODEL, "--accept", "7"]), &["--accept", "0..=1"]);
    let pair = drafted(&["--draft", MODEL, "--accept", "0.7", "--draft-weights", "q4_0", "--format", "json"]);
    assert!(place.succeeds(&pair).contains("\"draft_weights\": \"q4_0\""));
    let chunks = ["evaluate", MODEL, "-p", SHIPPED, "--micro-batch", "200", "--prune-last-layer", "--format", "json"];
    assert!(place.succeeds(&chunks).contains("\"forward_passes\": 3"));
}

#[test]
fn measured_rates_stand_under_the_roofs() {
    let place = Place::new();
    const QUOTED: &str = "apple-m1-pro-rooflinebench";
    let rates = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/paper-rates.csv");
    let arguments = ["evaluate", "qwen2.5-1.5b", "-p", QUOTED, "--measured", rates];
    let text = place.succeeds(&arguments);
    assert!(text.contains("above the roof: decode streams 135.3 … 154.5 GB/s under memory.vram.read 120.03"), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&place.succeeds(&[&arguments[..], &["--format", "json"]].concat())).unwrap();
    assert_eq!(json["results"].as_array().unwrap().len(), 1);
    assert_eq!(json["measured"].as_array().unwrap().len(), 24);
    assert_eq!(json["roofs_broken"][0]["points"], 4);
    let csv = place.succeeds(&[&arguments[..], &["--format", "csv"]].concat());
    assert_eq!(csv.lines().count(), 25);
    place.fails(2, &["evaluate", "gpt2", "-p", QUOTED, "--measured", rates], &["paper-rates.csv", "plm-1.8b on Apple"]);
    place.fails(2, &["evaluate", "gpt2", "-p", QUOTED, "--measured", "none.json"], &["none.json: no such file"]);
    place.fails(2, &["measure", "--simulate", QUOTED, "-o", "-"], &[QUOTED, "was quoted, not measured"]);
    assert!(place.succeeds(&["show", QUOTED, "--all"]).contains("counted as two streams"));
    assert!(place.succeeds(&["profiles", "--format", "csv"]).contains("quoted, 2026-03"));
}

#[test]
fn profiles_are_called_by_short_names() {
    let place = Place::new();
    place.succeeds(&["measure", "--simulate", SHIPPED]);
    let listed = place.succeeds(&["profiles"]);
    let name = listed.split_whitespace().find(|word| word.starts_with("amd-epyc-zen-3-2-cores")).unwrap();
    let shown = place.succeeds(&["show", name]);
    for same in [
        format!("{name}.toml"),
        "amd-epyc-zen-".to_owned(),
        place.path("kept").join(name).display().to_string() + ".toml",
    ] {
        assert_eq!(place.succeeds(&["show", &same]), shown);
    }
    place.fails(
        2,
        &["show", "raspberry-pi-5"],
        &["did you mean: raspberry-pi-5-datasheet, raspberry-pi-5-rooflinebench"],
    );
}

#[test]
fn devices_are_compared_or_refused_with_the_reason() {
    let place = Place::new();
    const OTHER: &str = "amd-epyc-zen4-2c";
    let text = place.succeeds(&["compare", SHIPPED, OTHER, "--only", "compute.f32.avx2"]);
    assert!(text.contains("compute.f32.avx2") && !text.contains("memory.main.read"), "{text}");
    // An id of one of the profiles will do as well as the common name.
    assert!(place.succeeds(&["compare", SHIPPED, OTHER, "--only", "memory.dram.r*"]).contains("memory.main.read"));
    assert!(!place.succeeds(&["compare", SHIPPED, OTHER]).contains("compute.f32.avx2"));
    assert!(place.succeeds(&["compare", SHIPPED, OTHER, "--format", "csv"]).contains("compute.f32.avx2"));
    let good = place.file("config.json", &config("", ""));
    assert!(place.succeeds(&["compare", SHIPPED, OTHER, "-m", &good, "-m", MODEL]).contains("decode at 513"));

    place.fails(2, &["compare", SHIPPED], &["at least two profiles", "roofprobe profiles"]);
    place.fails(2, &["compare"], &["--help"]);
    place.fails(2, &["compare", SHIPPED, "no-such-machine"], &["no-such-machine", "roofprobe profiles"]);
    place.fails(2, &["compare", SHIPPED, OTHER, "--model", "gpt-17"], &["gpt-17"]);
    place.fails(2, &["compare", SHIPPED, OTHER, "--only", "weather.*"], &["weather.*", "memory.main.read"]);
    place.fails(2, &["compare", SHIPPED, OTHER, "--only", "a{"], &["a{"]);
    // What a model would be asked for means nothing without one.
    place.fails(2, &["compare", SHIPPED, OTHER, "--prompt", "64"], &["--help"]);
    place.fails(2, &["compare", SHIPPED, OTHER, "-m", MODEL, "--prompt", "0"], &["--prompt"]);
    let whole = place.succeeds(&["measure", "--simulate", SHIPPED, "-o", "-"]);
    let only = place.succeeds(&["measure", "--simulate", SHIPPED, "--only", "compute.*", "-o", "-"]);
    let (whole, only) = (place.file("whole.toml", &whole), place.file("only.toml", &only));
    assert!(place.succeeds(&["compare", &whole, &only]).contains("P1 was not measured"));
    place.fails(2, &["compare", &whole, &only, "-m", MODEL], &["only.toml", "memory.dram.read"]);
}

#[test]
fn nothing_is_lost_or_half_written() {
    let place = Place::new();
    let mine = place.file("mine.txt", "my own words\n");
    place.fails(2, &["measure", "--simulate", SHIPPED, "-o", &mine], &["mine.txt", "not a profile"]);
    assert_eq!(std::fs::read_to_string(&mine).unwrap(), "my own words\n");
    place.fails(1, &["measure", "--simulate", SHIPPED, "-o", "no/such/p.toml"], &["no/such/p.toml", "-o"]);
    place.fails(2, &["measure", "--simulate", SHIPPED, "-o", "."], &["folder"]);
    let entries = std::fs::read_dir(place.0.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let entries: Vec<_> = entries.filter(|name| cfg!(unix) || !name.to_string_lossy().ends_with(".lock")).collect();
    assert_eq!(entries, ["mine.txt"]);
}

#[cfg(unix)]
#[test]
fn only_regular_files_are_written_over() {
    let place = Place::new();
    assert!(Command::new("mkfifo").arg(place.path("pipe")).status().unwrap().success());
    place.fails(2, &["measure", "--simulate", SHIPPED, "-o", "pipe"], &["pipe", "not a regular file"]);
    assert!(!place.path("pipe").is_file());
    // A link is followed, and stays one.
    place.succeeds(&["measure", "--simulate", SHIPPED, "-o", "real.toml"]);
    std::os::unix::fs::symlink(place.path("real.toml"), place.path("link.toml")).unwrap();
    std::fs::write(place.path("real.toml"), "").unwrap();
    place.succeeds(&["measure", "--simulate", SHIPPED, "-o", "link.toml"]);
    assert!(place.path("link.toml").is_symlink());
    assert!(place.succeeds(&["show", "real.toml"]).contains("AMD EPYC"));
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new();
    let program = env!("CARGO_BIN_EXE_roofprobe");
    let script = format!(
        "set -o pipefail; '{program}' show {SHIPPED} --format json | head -1 >/dev/null; echo ${{PIPESTATUS[0]}}"
    );
    let output = Command::new("bash").args(["-c", &script]).current_dir(place.0.path()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0");
    assert_eq!(stderr(&output), "");
}

#[cfg(unix)]
#[test]
fn an_interrupted_measurement_is_saved_and_resumed() {
    let place = Place::new();
    let file = place.path("p.toml");
    let arguments = ["measure", "--effort", "standard", "--only", "compute.f32", "--threads", "1", "-o", "p.toml"];
    let child = place.command(&arguments).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    wait_for(&file);
    let pid = child.id().to_string();
    assert!(Command::new("bash").args(["-c", &format!("kill -INT {pid}")]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("roofprobe measure --resume -o p.toml"), "{message}");
    let half = roofprobe::profile::load(&file).unwrap();
    assert!(!half.provenance.complete);
    let before = half.ceiling("compute.f32").unwrap().sample_values.clone();

    let shown = place.succeeds(&["measure", "--resume", "-o", "p.toml"]);
    assert!(shown.contains("compute.f32"));
    let whole = roofprobe::profile::load(&file).unwrap();
    assert!(whole.provenance.complete);
    assert_eq!(whole.provenance.date, half.provenance.date);
    let after = &whole.ceiling("compute.f32").unwrap().sample_values;
    assert!(after.len() > before.len() && after.starts_with(&before), "samples are kept: {before:?} {after:?}");

    let again = place.run(&["measure", "--resume", "-o", "p.toml"]);
    assert!(again.status.success() && stderr(&again).contains("complete already"), "{}", stderr(&again));
    assert_eq!(roofprobe::profile::load(&file).unwrap(), whole);
}

#[cfg(unix)]
#[test]
fn an_interruption_does_not_take_a_complete_profile_along() {
    let place = Place::new();
    place.succeeds(&["measure", "--simulate", SHIPPED, "-o", "p.toml"]);
    let before = std::fs::read(place.path("p.toml")).unwrap();
    let arguments =
        ["measure", "--effort", "standard", "--only", "compute.f32", "--threads", "1", "--replace", "-o", "p.toml"];
    let child = place.command(&arguments).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    wait_for(&place.path("p.toml.partial"));
    assert!(Command::new("bash").args(["-c", &format!("kill -TERM {}", child.id())]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(stderr(&output).contains("saved in p.toml.partial"), "{}", stderr(&output));
    assert!(stderr(&output).ends_with("--resume -o p.toml\n"), "{}", stderr(&output));
    assert_eq!(std::fs::read(place.path("p.toml")).unwrap(), before);
    assert!(!roofprobe::profile::load(&place.path("p.toml.partial")).unwrap().provenance.complete);
    // Measured to the end, it takes the place of the old one, and nothing else is left.
    place.succeeds(&["measure", "--resume", "-o", "p.toml"]);
    assert!(roofprobe::profile::load(&place.path("p.toml")).unwrap().provenance.simulated.is_none());
    assert!(!place.path("p.toml.partial").exists());
}

#[cfg(unix)]
fn wait_for(file: &Path) {
    let begun = std::time::Instant::now();
    while !file.exists() {
        assert!(begun.elapsed().as_secs() < 60, "no profile appeared");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
}

#[test]
fn a_measurement_of_another_machine_is_not_resumed() {
    let place = Place::new();
    let whole = place.succeeds(&["measure", "--simulate", SHIPPED, "-o", "-"]);
    let half = whole.replacen("complete = true", "complete = false", 1);
    let other = place.file("other.toml", &half.replacen("cores = 2", "cores = 3", 1));
    place.fails(2, &["measure", "--resume", "-o", &other], &["other.toml", "another machine: device."]);
}
