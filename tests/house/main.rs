//! The rules of ARCHITECTURE.md, held against the source: who imports whom, where `unsafe` stands, what is pure, how long
//! files and functions are, which words are not used.

mod imports;
mod source;

use imports::Crate;
use source::{Source, root, sources};
use std::collections::BTreeMap;

/// Every module of the root package and the modules it may name. Imports only go down: a module may name those above
/// it in this list, and only the ones it is given here.
const IMPORTS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("json", &["error"]),
    ("units", &[]),
    ("work", &["units"]),
    ("stats", &[]),
    ("file", &["error"]),
    ("profile", &["error", "file", "units"]),
    ("quoted", &["error", "json", "profile", "units"]),
    ("export", &["error", "profile", "units"]),
    // Supply: what can be had.
    ("job", &["profile"]),
    ("device", &["error", "job", "profile", "units", "work"]),
    ("probe", &["job", "profile", "stats", "units"]),
    ("sample", &["device", "error", "job", "probe", "profile", "stats", "units"]),
    // Demand: what is asked for.
    ("model", &["error", "file", "units", "work"]),
    ("roofline", &["error", "model", "profile", "units", "work"]),
    ("potential", &["roofline", "units"]),
    ("engine", &["error", "model", "roofline", "units"]),
    ("evaluate", &["engine", "error", "model", "potential", "profile", "roofline", "units", "work"]),
    ("sweep", &["error", "evaluate", "model", "potential", "profile", "roofline"]),
    ("measured", &["engine", "error", "evaluate", "json", "model", "potential", "profile", "roofline", "units"]),
    ("calibrate", &["engine", "error", "evaluate", "measured", "model", "profile", "units"]),
    ("compare", &["error", "evaluate", "model", "profile", "roofline"]),
    ("fleet", &["error", "profile", "stats", "units"]),
    ("plot", &["error", "evaluate", "measured", "model", "profile", "roofline", "units"]),
    ("check", &["compare", "error", "evaluate", "profile", "stats"]),
    ("study", &["error", "evaluate", "measured", "model", "potential", "profile", "roofline", "units"]),
    ("doctor", &["probe", "profile"]),
    // The bridge, and the way out.
    ("simulate", &["device", "error", "job", "probe", "profile", "units", "work"]),
    ("store", &["engine", "error", "file", "profile"]),
    ("replay", &["error", "evaluate", "job", "model", "probe", "profile", "stats"]),
    (
        "report",
        &[
            "calibrate",
            "check",
            "compare",
            "doctor",
            "engine",
            "error",
            "evaluate",
            "fleet",
            "measured",
            "model",
            "plot",
            "profile",
            "replay",
            "roofline",
            "study",
            "sweep",
            "units",
        ],
    ),
];

/// Modules that give the same bytes for the same input: no clock, no environment, no thread.
const PURE: &[&str] = &[
    "error",
    "json",
    "units",
    "work",
    "stats",
    "profile",
    "quoted",
    "export",
    "job",
    "probe",
    "model",
    "roofline",
    "potential",
    "engine",
    "evaluate",
    "sweep",
    "measured",
    "calibrate",
    "compare",
    "check",
    "fleet",
    "plot",
    "study",
    "replay",
    "report",
];

/// The sources of every module of the root package.
fn modules() -> BTreeMap<String, Vec<Source>> {
    let mut modules: BTreeMap<String, Vec<Source>> = BTreeMap::new();
    for source in sources("src") {
        let module = source.name.split('/').nth(1).unwrap().trim_end_matches(".rs").to_owned();
        modules.entry(module).or_default().push(source);
    }
    modules
}

/// The modules that `code` names as `crate::NAME`, also in braces.
fn named(code: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        // `roofprobe_kernels::…` and `$crate::…` of the kernels are another crate.
        let rest = &code[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let list = &list[..list.find("};").unwrap_or(list.len())];
            names.extend(list.split(',').map(|item| word(item.trim())));
        } else {
            names.push(word(rest));
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn imports_only_go_down() {
    let modules = modules();
    for (module, files) in &modules {
        if ["lib", "main", "cli"].contains(&module.as_str()) {
            continue;
        }
        let position = IMPORTS.iter().position(|(name, _)| name == module);
        let position = position.unwrap_or_else(|| panic!("module {module} is not in IMPORTS: give it a line"));
        let allowed = IMPORTS[position].1;
        for name in allowed {
            assert!(IMPORTS[..position].iter().any(|(above, _)| above == name), "{module} → {name} points up");
        }
        for file in files {
            for name in named(&file.code().join("\n")) {
                assert!(name == *module || allowed.contains(&name.as_str()), "{}: names {name}", file.name);
            }
        }
    }
    for (name, _) in IMPORTS {
        assert!(modules.contains_key(*name), "module {name} is in IMPORTS and not in src");
    }
}

#[test]
fn no_file_imports_itself_in_a_circle() {
    for folder in ["src/", "kernels/src/"] {
        let sources = sources(folder);
        let circles = Crate::new(folder, &sources).circles().iter().map(|c| c.join(" → ")).collect::<Vec<_>>();
        assert!(circles.is_empty(), "{}", circles.join("\n"));
    }
}

#[test]
fn supply_and_demand_meet_only_in_the_profile() {
    let of = |module: &str| IMPORTS.iter().find(|(name, _)| *name == module).unwrap().1;
    for supply in ["job", "device", "probe", "sample"] {
        for demand in
            ["model", "roofline", "potential", "evaluate", "sweep", "measured", "compare", "check", "plot", "study"]
        {
            assert!(!of(supply).contains(&demand) && !of(demand).contains(&supply));
        }
    }
}

/// Holds that none of `words` is in the code of `files`.
fn none_of(words: &[&str], files: &[Source], why: &str) {
    for file in files {
        for line in file.code() {
            let found = words.iter().find(|word| line.contains(**word));
            assert!(found.is_none(), "{}: {}: {why}", file.name, line.trim());
        }
    }
}

#[test]
fn pure_modules_see_no_clock_environment_or_thread() {
    let modules = modules();
    for module in PURE {
        let words = ["std::time", "std::thread", "rayon", "std::env::var", "std::process", "Instant", "jiff"];
        none_of(&words, &modules[*module], "a clock, an environment or a thread in a pure module");
    }
}

#[test]
fn predictions_have_the_same_digits_on_every_system() {
    let modules = modules();
    for module in ["potential", "model", "roofline", "engine", "evaluate", "sweep", "study"] {
        let words = [".ln()", ".log2()", ".log10()", ".exp()", ".exp2()", ".powf(", ".hypot(", ".cbrt()"];
        none_of(&words, &modules[module], "libm has it, with the same digits on every system");
    }
}

#[test]
fn only_the_command_line_prints_or_exits() {
    for (module, files) in modules() {
        if module != "cli" {
            let words = ["println!", "eprintln!", "print!(", "stdout()", "stderr()", "process::exit"];
            none_of(&words, &files, "only src/cli prints and exits");
        }
    }
}

#[test]
fn unsafe_stands_in_the_kernels_and_in_one_file() {
    let lib = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    assert!(lib.contains("#![deny(unsafe_code)]"));
    for (_, mut files) in modules() {
        // What wgpu offers no safe call for; the lint asks each block for its SAFETY.
        files.retain(|file| file.name != "src/device/gpu/raw.rs");
        none_of(&["unsafe {", "allow(unsafe_code)"], &files, "unsafe code outside the kernels");
    }
    let words = ["std::time", "std::fs", "std::thread", "std::net", "println!"];
    none_of(&words, &sources("kernels/src"), "the kernels know no clock, no files and no threads");
}

/// The files that may take an id or a remark apart: the types that stand for them.
const TEXT_HOMES: &[&str] = &["src/profile/id.rs", "src/profile/words.rs", "src/profile/flag.rs"];

#[test]
fn ids_and_reasons_are_types() {
    let mut files = sources("src");
    files.retain(|file| !TEXT_HOMES.contains(&file.name.as_str()));
    let on_ids = [
        "id.to_string().",
        "id.split('.')",
        "id.starts_with(",
        "id.ends_with(",
        "ceiling.starts_with(",
        "ceiling.split('.')",
    ];
    none_of(&on_ids, &files, "an id is a CeilingId: ask it, or add a method");
    let on_prose =
        ["reason.starts_with(", "reason.contains(", "flag.starts_with(", "flag.contains(", "note.starts_with("];
    none_of(&on_prose, &files, "control flow reads an enum, not prose");
}

#[test]
fn nothing_is_too_long_to_hold_in_the_head() {
    for folder in ["src", "kernels/src", "web/src", "tests"] {
        for file in sources(folder) {
            let lines = file.text.lines().count();
            let most = if folder == "tests" { 700 } else { 500 };
            assert!(lines <= most, "{}: {lines} lines; split it", file.name);
            for (name, line, length) in file.functions() {
                assert!(folder == "tests" || length <= 60, "{}:{line}: {name} has {length} lines; split it", file.name);
            }
        }
    }
}

#[test]
fn few_macros_stand_in_the_kernels() {
    let code: usize = sources("kernels/src").iter().map(|file| file.text.matches("macro_rules!").count()).sum();
    assert!(code < 12, "{code} macros in kernels/src; a generic function can be read, a macro can not");
}

/// Words of our own that a stranger would have to learn, each with the field's word.
const PRIVATE_WORDS: &[(&str, &str)] = &[
    ("mood", "mode"),
    ("canary", "ISA self-test"),
    ("read aloud", "shown"),
    ("can hope for", "predicted performance"),
    ("turned down", "rejected"),
    ("gravedig", "restart"),
    ("the house", "the project"),
];

#[test]
fn words_are_those_of_the_field() {
    let pages = ["guide", "profile", "gpu", "peers", "methodology", "paper"].map(|page| format!("docs/{page}.md"));
    let documents = pages.into_iter().chain(["README.md", "ARCHITECTURE.md"].map(str::to_owned)).map(|name| {
        let text = std::fs::read_to_string(root().join(&name)).unwrap();
        Source { name, text }
    });
    for file in sources("src").into_iter().chain(sources("kernels/src")).chain(documents) {
        let text = file.text.to_lowercase();
        for (word, instead) in PRIVATE_WORDS {
            assert!(!text.contains(word), "{}: \"{word}\"; say {instead}", file.name);
        }
    }
}

#[test]
fn every_dependency_has_its_because() {
    for manifest in ["Cargo.toml", "kernels/Cargo.toml", "web/Cargo.toml"] {
        let text = std::fs::read_to_string(root().join(manifest)).unwrap();
        let mut section = String::new();
        let mut comment = "";
        for line in text.lines() {
            if line.starts_with('[') {
                section = line.to_owned();
            } else if section.contains("dependencies") && line.contains('=') && !line.starts_with('#') {
                assert!(comment.starts_with("# because "), "{manifest}: no reason beside: {line}");
            }
            // A reason above the section's head serves its only entry.
            if line.starts_with('#') || !line.starts_with('[') {
                comment = line;
            }
        }
    }
}

#[test]
fn the_commands_of_the_readme_are_tried_on_every_change() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let ci = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    for command in ["cargo run --release", "cargo test"] {
        assert!(readme.contains(&format!("\n{command}\n")), "{command}");
        let words: Vec<&str> = command.split(' ').collect();
        let tried = ci.lines().any(|line| !line.starts_with('#') && words.iter().all(|word| line.contains(word)));
        assert!(tried, "{command} is not tried by .ci/run");
    }
}
