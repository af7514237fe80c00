//! The house rules of ARCHITECTURE.md, held against the source: who imports whom, where `unsafe` stands, what is pure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Every module of the root package and the modules it may name. Arrows only go down: a module may name those above it
/// in this list, and only the ones it is given here.
const IMPORTS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("units", &[]),
    ("work", &["units"]),
    ("stats", &[]),
    ("file", &["error"]),
    ("profile", &["error", "file", "units"]),
    // Supply: what can be had.
    ("job", &["profile"]),
    ("device", &["error", "job", "profile", "units", "work"]),
    ("probe", &["job", "profile", "units"]),
    ("sample", &["device", "error", "job", "probe", "profile", "stats", "units"]),
    // Demand: what is asked for.
    ("model", &["error", "file", "units", "work"]),
    ("roofline", &["error", "model", "profile", "units", "work"]),
    ("potential", &["roofline", "units"]),
    ("evaluate", &["error", "model", "potential", "profile", "roofline", "units", "work"]),
    ("sweep", &["error", "evaluate", "model", "potential", "profile", "roofline"]),
    ("measured", &["error", "model", "potential", "profile", "roofline", "units"]),
    ("compare", &["error", "evaluate", "model", "profile", "roofline"]),
    ("plot", &["error", "evaluate", "model", "profile", "roofline", "units"]),
    ("study", &["error", "evaluate", "measured", "model", "potential", "profile", "roofline", "units"]),
    // The bridge, and the way out.
    ("simulate", &["device", "error", "job", "probe", "profile", "units", "work"]),
    ("store", &["error", "profile"]),
    ("report", &["compare", "error", "evaluate", "measured", "model", "profile", "study", "sweep", "units"]),
];

/// Modules that give the same bytes for the same input: no clock, no environment, no thread.
const PURE: &[&str] = &[
    "error",
    "units",
    "work",
    "stats",
    "profile",
    "job",
    "probe",
    "model",
    "roofline",
    "potential",
    "evaluate",
    "sweep",
    "measured",
    "compare",
    "plot",
    "study",
    "report",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The source of every module of the root package, without comments.
fn modules() -> BTreeMap<String, Vec<(PathBuf, String)>> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules: BTreeMap<String, Vec<(PathBuf, String)>> = BTreeMap::new();
    for path in sources(&src) {
        let inside = path.strip_prefix(&src).unwrap().components().next().unwrap();
        let module = inside.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        modules.entry(module).or_default().push((path, code));
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
fn arrows_only_go_down() {
    let modules = modules();
    for (module, files) in &modules {
        if ["lib", "main", "cli"].contains(&module.as_str()) {
            continue;
        }
        let position = IMPORTS.iter().position(|(name, _)| name == module);
        let position = position.unwrap_or_else(|| panic!("module {module} has no place in the house; give it one"));
        let allowed = IMPORTS[position].1;
        for name in allowed {
            assert!(IMPORTS[..position].iter().any(|(above, _)| above == name), "{module} → {name} points up");
        }
        // Tests may look at both sides: what they name is no arrow.
        for (path, code) in files.iter().filter(|(path, _)| !path.iter().any(|part| part == "tests")) {
            for name in named(code) {
                assert!(name == *module || allowed.contains(&name.as_str()), "{}: names {name}", path.display());
            }
        }
    }
    for (name, _) in IMPORTS {
        assert!(modules.contains_key(*name), "module {name} is in the rules and not in the house");
    }
}

#[test]
fn the_wings_meet_only_in_the_profile() {
    let of = |module: &str| IMPORTS.iter().find(|(name, _)| *name == module).unwrap().1;
    for supply in ["job", "device", "probe", "sample"] {
        for demand in ["model", "roofline", "potential", "evaluate", "sweep", "measured", "compare", "plot", "study"] {
            assert!(!of(supply).contains(&demand) && !of(demand).contains(&supply));
        }
    }
}

#[test]
fn pure_modules_see_no_clock_environment_or_thread() {
    for (module, files) in modules() {
        if !PURE.contains(&module.as_str()) {
            continue;
        }
        for (path, code) in files {
            for word in ["std::time", "std::thread", "rayon", "std::env::var", "std::process", "Instant", "jiff"] {
                assert!(!code.contains(word), "{}: {word} in a pure module", path.display());
            }
        }
    }
}

#[test]
fn only_the_command_line_prints_or_exits() {
    for (module, files) in modules() {
        for (path, code) in files {
            let prints = ["println!", "eprintln!", "print!(", "stdout()", "stderr()", "process::exit"];
            // A test that is skipped for want of a device has to say so.
            let allowed = module == "cli" || path.components().any(|part| part.as_os_str() == "tests");
            assert!(allowed || !prints.iter().any(|word| code.contains(word)), "{}", path.display());
        }
    }
}

#[test]
fn unsafe_stands_in_one_room_and_one_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lib = std::fs::read_to_string(root.join("src/lib.rs")).unwrap();
    assert!(lib.contains("#![deny(unsafe_code)]"));
    for (_, files) in modules() {
        for (path, code) in files {
            // What wgpu offers no safe call for; the lint asks each block for its SAFETY.
            if path.ends_with("src/device/gpu/raw.rs") {
                continue;
            }
            assert!(!code.contains("unsafe {") && !code.contains("allow(unsafe_code)"), "{}", path.display());
        }
    }
    // The kernels know no clock, no files and no threads.
    for path in sources(&root.join("kernels/src")) {
        let text = std::fs::read_to_string(&path).unwrap();
        for word in ["std::time", "std::fs", "std::thread", "std::net", "println!"] {
            assert!(!text.contains(word), "{}: {word}", path.display());
        }
    }
}

#[test]
fn every_dependency_has_its_because() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for manifest in ["Cargo.toml", "kernels/Cargo.toml"] {
        let text = std::fs::read_to_string(root.join(manifest)).unwrap();
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
fn no_file_is_too_long_to_hold_in_the_head() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["src", "kernels/src", "tests"] {
        for path in sources(&root.join(folder)) {
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            assert!(lines <= 700, "{}: {lines} lines; split it", path.display());
        }
    }
}

/// The text of the program's own help.
fn help(arguments: &[&str]) -> String {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_roofprobe")).args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_readme_tells_the_truth_about_the_commands() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let ci = std::fs::read_to_string(root.join(".ci/run")).unwrap();
    let help = help(&["--help"]);
    assert!(readme.contains(help.trim()), "README.md does not have the help text:\n{help}");
    // What a stranger is told to type is what is tried on every change.
    for command in ["cargo run --release", "cargo test"] {
        assert!(readme.contains(&format!("\n{command}\n")), "{command}");
        let words: Vec<&str> = command.split(' ').collect();
        let tried = ci.lines().any(|line| !line.starts_with('#') && words.iter().all(|word| line.contains(word)));
        assert!(tried, "{command} is not tried by .ci/run");
    }
}
