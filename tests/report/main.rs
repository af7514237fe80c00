//! The page of `report`: nothing leaves it, no name breaks it, and the profile in it is the file. `browser.mjs` looks at it in a browser.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod page;

use base64::Engine;
use page::Page;
use roofprobe::profile::{self, Profile};
use roofprobe::report::html::{self, Content, Device};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::process::{Command, Output};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// A page that can be sent by mail and opened on a phone.
const BYTES_MAX: usize = 400_000;

fn report(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_roofprobe");
    Command::new(program).arg("report").args(arguments).current_dir(ROOT).output().expect("the program starts")
}

/// The page that these arguments give, taken apart.
fn page(arguments: &[&str]) -> Page {
    let output = report(&[arguments, &["-o", "-"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Page::of(String::from_utf8(output.stdout).expect("text"))
}

fn shipped(name: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(format!("profiles/{name}.toml"))).unwrap()
}

#[test]
fn a_standard_profile_is_a_page_that_can_be_sent() {
    let page = page(&["amd-epyc-zen5-2c"]);
    assert!(page.text.len() <= BYTES_MAX, "{} bytes", page.text.len());
    page.holds();
    assert_eq!(page.profiles(), [shipped("amd-epyc-zen5-2c")]);
    // The verdict comes first: the device, its grade and why, what it reaches, and what that is for models.
    let words = page.words();
    let at = |words_of: &str| words.find(words_of).unwrap_or_else(|| panic!("{words_of} is missing: {words}"));
    let order = [
        "AMD EPYC (Zen 5), 2 cores",
        "Good for an overview",
        "Grade C of A to F: virtualised; other programs ran.",
        "80.6",
        "llama-3.2-1b in q4_k_m: about ",
        "Slopes are bandwidths",
        "Each prompt is taken in at once",
        "Shaded is the 95",
        "144 ceilings",
        "Each ceiling is known work divided by measured time",
    ];
    assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])), "{words}");
    // Four models, six formats, three prompts.
    assert!(page.count("tr") > 4 * 6 * 3 + 144);
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let arguments = ["tests/data/plain-cpu.toml", "-m", "qwen2.5-0.5b", "--weights", "q8_0,f16", "--context", "64"];
    assert_eq!(page(&arguments).text, page(&arguments).text);
}

#[test]
fn a_table_that_was_kept_for_the_profile_is_found_and_said() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("engines")).unwrap();
    let kept = std::fs::read_to_string(Path::new(ROOT).join("profiles/engines/llama.cpp-avx512.toml")).unwrap();
    let profile = profile::parse(&shipped("amd-epyc-zen5-2c")).unwrap();
    let line = |text: &str, key: &str, value: &str| -> String {
        let begins = format!("{key} = ");
        let lines = text
            .lines()
            .map(|line| if line.starts_with(&begins) { format!("{begins}{value:?}") } else { line.to_owned() });
        lines.collect::<Vec<_>>().join("\n") + "\n"
    };
    let kept = line(&line(&kept, "device", &profile.device.name), "profile_measured", &profile.provenance.date);
    std::fs::write(folder.path().join("engines/here.toml"), kept).unwrap();
    let ask = |more: &[&str]| {
        let asked =
            ["report", "amd-epyc-zen5-2c", "-m", "qwen2.5-0.5b", "--weights", "q8_0", "--context", "64", "-o", "-"];
        let output = Command::new(env!("CARGO_BIN_EXE_roofprobe"))
            .args(asked)
            .args(more)
            .env("ROOFPROBE_DIR", folder.path())
            .output()
            .expect("the program starts");
        assert!(output.status.success(), "{output:?}");
        (String::from_utf8(output.stderr).unwrap(), Page::of(String::from_utf8(output.stdout).unwrap()).words())
    };
    let (said, words) = ask(&[]);
    assert!(
        said.contains("by llama.cpp's table ") && said.contains("here.toml; --roof achieved leaves it out"),
        "{said}"
    );
    assert!(words.contains("llama.cpp: "), "{words}");
    let (said, words) = ask(&["--roof", "achieved"]);
    assert!(said.is_empty() && !words.contains("llama.cpp: "), "{said}{words}");
    // A second device without a table: both go by one roof, and that is said.
    let (said, words) = ask(&["--", "amd-epyc-zen4-2c"]);
    assert!(
        said.contains("here.toml is left out: not every profile has one") && !words.contains("llama.cpp: "),
        "{said}"
    );
}

/// The policy names the one script and the one style sheet, and allows nothing else.
#[test]
fn the_policy_lets_nothing_in_or_out() {
    let page = page(&["tests/data/plain-cpu.toml", "-m", "qwen2.5-0.5b", "--weights", "f16", "--context", "8"]);
    let digest =
        |text: &str| format!("'sha256-{}'", base64::prelude::BASE64_STANDARD.encode(Sha256::digest(text.as_bytes())));
    let policy = page.attributes("content").find(|content| content.contains("default-src")).unwrap();
    let expected = format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        digest(page.inside("style")),
        digest(page.inside("script"))
    );
    assert_eq!(policy, expected);
    // Before anything that it is for.
    assert!(page.text.find("Content-Security-Policy") < page.text.find("<style"));
    for word in ["http://", "https://", "url(", "@import", "XMLHttpRequest", "fetch(", "WebSocket", "import("] {
        assert!(!page.text.contains(word), "{word}");
    }
}

#[test]
fn devices_stand_side_by_side_with_measured_runs() {
    let devices = ["amd-epyc-zen4-2c", "raspberry-pi-5-datasheet"];
    let more =
        ["-m", "qwen2.5-0.5b", "--measured", "docs/llama-bench-zen4.csv", "--weights", "q8_0", "--context", "512"];
    let page = page(&[&devices[..], &more].concat());
    page.holds();
    assert_eq!(page.profiles(), devices.map(shipped));
    let words = page.words();
    for part in [
        "2 devices side by side",
        "Copied from a source, not measured",
        "Measured, and what the roofs allow",
        "P2/P1",
        "measured: qwen2.5-0.5b q8_0, decode: 42.6 tokens/s",
        "lost most in",
        "quoted",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
}

#[test]
fn an_engine_is_predicted_by_its_table() {
    let of = |engine: &[&str]| {
        let arguments = ["amd-epyc-zen5-2c", "-m", "llama-3.2-1b", "--weights", "q4_k_m", "--context", "512"];
        page(&[&arguments[..], engine].concat()).words()
    };
    let (own, engine) = (of(&[]), of(&["--engine", "llama.cpp"]));
    assert!(own.contains("Speeds are those of the kernels measured on the device"), "{own}");
    assert!(engine.contains("Speeds are what the engine reaches of those kernels") && engine.contains(" in llama.cpp"));
}

/// What a model cannot be is a row with its reason, and no row is left out.
#[test]
fn what_cannot_be_predicted_says_why() {
    let page = page(&["amd-epyc-zen5-2c", "-m", "gpt2-xl", "--weights", "pure:q4_k,f16", "--context", "512,1024"]);
    page.holds();
    assert!(page.words().contains("gpt2-xl pure:q4_k 512 "), "{}", page.words());
    let none = report(&["amd-epyc-zen5-2c", "-m", "llama-3.2-1b", "--context", "0", "-o", "-"]);
    assert_eq!(none.status.code(), Some(2), "{}", String::from_utf8_lossy(&none.stderr));
}

/// Names that would break a page, were they not text.
const HOSTILE: [&str; 7] = [
    "\"><script>alert(1)</script>",
    "' onmouseover='alert(1)",
    "</title></style></script></pre></svg><img src=x onerror=alert(1)>",
    "<!-- --> ]]> &lt;b&gt; &#0; &amp;",
    "evil\u{202e}txt\u{200f}\u{2066}.exe",
    "javascript:alert(1)",
    "${7*7}{{7*7}}\\u0000\u{7f}\u{85}",
];

/// A profile with that name wherever a profile has a text, and in its file's name as far as that can have it.
fn hostile_profile(folder: &Path, number: usize, name: &str) -> String {
    let plain = std::fs::read_to_string(Path::new(ROOT).join("tests/data/measured-levels.toml")).unwrap();
    let mut profile: toml::Table = plain.parse().unwrap();
    let text = |name: &str| toml::Value::String(name.to_owned());
    for key in ["name", "vendor", "model", "microarchitecture"] {
        profile["device"].as_table_mut().unwrap().insert(key.to_owned(), text(&name.replace(char::is_control, " ")));
    }
    profile["environment"]["os"] = text(name);
    profile["environment"].as_table_mut().unwrap().insert("governor".to_owned(), text(name));
    if let Some(reasons) = profile["environment"].get_mut("grade_reasons").and_then(|reasons| reasons.as_array_mut()) {
        reasons.iter_mut().for_each(|reason| *reason = text(name));
    }
    for ceiling in profile["ceiling"].as_array_mut().unwrap() {
        if let Some(reason) = ceiling.get_mut("reason") {
            *reason = text(name);
        }
    }
    let file: String = name.chars().filter(|c| !"/\0".contains(*c)).take(60).collect();
    let path = folder.join(format!("{number}-{file}.toml"));
    std::fs::write(&path, toml::to_string(&profile).unwrap()).unwrap();
    path.display().to_string()
}

#[cfg(unix)]
#[test]
fn hostile_names_stay_text() {
    let folder = tempfile::tempdir().unwrap();
    let long = "very wide ".repeat(1000);
    let unbroken = "W".repeat(10_000);
    for (number, name) in HOSTILE.into_iter().chain([long.as_str(), unbroken.as_str()]).enumerate() {
        let path = hostile_profile(folder.path(), number, name);
        let page = page(&[&path, &path, "-m", "qwen2.5-0.5b", "--weights", "f16", "--context", "64"]);
        page.holds();
        let file = std::fs::read_to_string(&path).unwrap();
        assert_eq!(page.profiles(), [file.clone(), file], "{name}");
        let own = page.without_profiles();
        assert!(own.len() < BYTES_MAX, "{number}: {} bytes", own.len());
        // Outside of the file itself nothing turns the direction of text, and nothing is a control character.
        let turned = |c: char| c != '\n' && c.is_control() || ('\u{2066}'..='\u{2069}').contains(&c) || c == '\u{202e}';
        assert!(!own.contains(turned), "{name}");
    }
}

/// A file is what it is, its line ends and its mark of byte order too.
#[test]
fn the_profile_in_the_page_is_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let plain = std::fs::read_to_string(Path::new(ROOT).join("tests/data/plain-cpu.toml")).unwrap();
    let texts =
        [format!("\u{feff}{plain}"), plain.replace('\n', "\r\n"), format!("\n\n{plain}# <b>&amp;</b> </pre>\n")];
    for (number, text) in texts.into_iter().enumerate() {
        let path = folder.path().join(format!("{number}.toml"));
        std::fs::write(&path, &text).unwrap();
        let arguments = [path.to_str().unwrap(), "-m", "qwen2.5-0.5b", "--weights", "f16", "--context", "8"];
        assert_eq!(page(&arguments).profiles(), [text]);
    }
}

#[test]
fn only_our_own_reports_are_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    let arguments = ["tests/data/plain-cpu.toml", "-m", "qwen2.5-0.5b", "--context", "8", "-o", path.to_str().unwrap()];
    for _ in 0..2 {
        assert!(report(&arguments).status.success());
    }
    for other in ["<!DOCTYPE html><html></html>", "notes"] {
        std::fs::write(&path, other).unwrap();
        let output = report(&arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("not a report that roofprobe made"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), other);
    }
    let refused = |arguments: &[&str]| report(arguments).status.code() == Some(2);
    assert!(refused(&["tests/data/plain-cpu.toml", "--format", "json", "-o", "-"]));
    assert!(refused(&["tests/data/plain-cpu.toml", "--measured", "docs/paper-rates.csv", "-o", "-"]));
}

/// A model's name and the names of files are not ours either.
#[cfg(unix)]
#[test]
fn hostile_models_and_files_stay_text() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("\"><script>alert(1)<");
    std::fs::create_dir_all(&model).unwrap();
    let config = "{\"model_type\": \"llama\", \"architectures\": [\"LlamaForCausalLM\"], \"hidden_size\": 64, \
                  \"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"num_key_value_heads\": 4, \
                  \"intermediate_size\": 128, \"vocab_size\": 256, \"tie_word_embeddings\": true}";
    std::fs::write(model.join("config.json"), config).unwrap();
    let model = model.display().to_string();
    let runs = folder.path().join("<img src=x>.csv");
    let quoted = model.replace('"', "\"\"");
    let rows = format!(
        "engine,model,weights,prompt,generate,prefill_tokens_per_s,decode_tokens_per_s\n\
         llama-bench,\"{quoted}\",f16,16,16,100.0,10.0\n"
    );
    std::fs::write(&runs, rows).unwrap();
    let runs = runs.display().to_string();
    let arguments = ["amd-epyc-zen5-2c", "-m", &model, "--weights", "f16", "--context", "16", "--measured", &runs];
    let page = page(&arguments);
    page.holds();
    assert!(page.words().contains("<script>alert(1)<"), "{}", page.words());
}

/// What names are made of that were thought of to break a page, and what breaks by chance.
const PIECES: [&str; 24] = [
    "<",
    ">",
    "\"",
    "'",
    "&",
    "&amp;",
    "</",
    "/>",
    "<!--",
    "-->",
    "]]>",
    "<script>",
    "</pre>",
    "</title>",
    " onload=",
    "=",
    "\u{202e}",
    "\u{200f}",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "\u{1f600}\u{301}",
    "%s{{}}",
];

/// A text of such pieces, the same for the same dice.
fn pieces(dice: &mut u64) -> String {
    let mut roll = |below: u64| {
        // xorshift64*
        *dice ^= *dice >> 12;
        *dice ^= *dice << 25;
        *dice ^= *dice >> 27;
        (dice.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % below
    };
    let count = 1 + roll(40);
    (0..count).map(|_| PIECES[roll(PIECES.len() as u64) as usize]).collect()
}

fn renamed(plain: &Profile, dice: &mut u64) -> Profile {
    let mut profile = plain.clone();
    profile.device.name = pieces(dice);
    profile.device.microarchitecture = Some(pieces(dice));
    profile.device.isas = vec![pieces(dice)];
    profile.provenance.version = pieces(dice);
    profile.provenance.simulated = Some(pieces(dice));
    if let Some(environment) = &mut profile.environment {
        environment.grade_reasons.iter_mut().for_each(|reason| *reason = pieces(dice));
        environment.governor = Some(pieces(dice));
        environment.kernel_command_line = Some(pieces(dice));
    }
    profile.ceiling.iter_mut().for_each(|ceiling| ceiling.reason = ceiling.reason.as_ref().map(|_| pieces(dice)));
    profile
}

#[test]
fn no_name_breaks_the_page() {
    let text = std::fs::read_to_string(Path::new(ROOT).join("tests/data/measured-levels.toml")).unwrap();
    let plain = profile::parse(&text).unwrap();
    let mut dice = 0x5eed;
    for _ in 0..60 {
        let (name, profile, toml) = (pieces(&mut dice), renamed(&plain, &mut dice), pieces(&mut dice));
        let device = Device { name: &name, profile: &profile, toml: &toml, evaluations: &[], runs: &[] };
        let content = Content { devices: vec![device], predictions: Vec::new(), measured: None, comparison: None };
        let page = Page::of(html::page(&content).unwrap());
        page.holds();
        assert_eq!(page.profiles(), [toml]);
    }
}
