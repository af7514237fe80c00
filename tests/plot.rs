//! Pictures: bytes that do not change, XML that holds, labels that keep apart, points under their roof.

use roxmltree::{Document, Node};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn plot(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_roofprobe");
    Command::new(program).arg("plot").args(arguments).current_dir(ROOT).output().expect("the program starts")
}

/// The picture that these arguments give.
fn picture(arguments: &[&str]) -> String {
    let output = plot(&[arguments, &["-o", "-"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The picture that these arguments give is the file's, byte by byte; `UPDATE_GOLDEN=1` writes it anew.
fn check(file: &str, arguments: &[&str]) {
    let (written, golden) = (picture(arguments), Path::new(ROOT).join(file));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &written).expect("can be written");
    }
    assert!(std::fs::read_to_string(&golden).unwrap_or_default() == written, "{file} differs:\n{written}");
}

#[test]
fn a_small_picture() {
    let profiles = ["tests/data/plain-cpu.toml", "tests/data/plain-gpu.toml", "tests/data/other-cpu.toml"];
    check("tests/golden/plot.svg", &[&profiles[..], &["-m", "qwen2.5-0.5b", "--generate", "128"]].concat());
}

#[test]
fn the_readme_shows_what_its_command_draws() {
    let readme = std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let command = readme.lines().find(|line| line.starts_with("roofprobe plot") && line.contains("-o docs/")).unwrap();
    let words: Vec<&str> = command.split(' ').skip(2).collect();
    let [arguments @ .., "-o", file] = words.as_slice() else { panic!("{command}") };
    assert!(readme.contains(&format!("]({file})")), "{file} is not shown");
    check(file, arguments);
}

/// A profile of these ceilings; a device of that name.
fn profile(folder: &Path, name: &str, ceilings: &[(&str, f64)]) -> PathBuf {
    let mut text = format!(
        "schema = 1\n[device]\nname = {name:?}\nkind = \"cpu\"\nvendor = \"v\"\nmodel = \"m\"\narchitecture = \"x86_64\"\n\
         logical_cpus = 1\ncores = 1\nmemory_bytes = 1000000000\n[environment]\nos = \"none\"\nallowed_cpus = [0]\n\
         threads = 1\nmemory_available_bytes = 1000000000\ntimer_ns = 20.0\n"
    );
    for (id, value) in ceilings {
        let unit = if id.starts_with("memory") { "gb_per_s" } else { "gflop_per_s" };
        text += &format!("[[ceiling]]\nid = \"{id}\"\nstatus = \"quoted\"\nsource = \"s\"\n{unit} = {value:?}\n");
    }
    text += "[provenance]\ntool = \"t\"\nversion = \"0\"\ncommit = \"c\"\ncompiler = \"c\"\n\
             date = \"2026-01-01T00:00:00Z\"\neffort = \"quick\"\ncomplete = true\n";
    let path = folder.join(format!("{}.toml", ceilings.len()));
    std::fs::write(&path, text).unwrap();
    path
}

/// The elements of a picture that have a class.
fn with_class<'d>(document: &'d Document, class: &str) -> Vec<Node<'d, 'd>> {
    document.descendants().filter(|node| node.is_element() && has(*node, class)).collect()
}

#[test]
fn curves_of_two_devices_share_their_axes() {
    let svg = picture(&["amd-epyc-zen5-2c", "amd-epyc-zen4-2c", "--curves"]);
    let document = Document::parse(&svg).expect("well-formed");
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    let titles: Vec<&str> = with_class(&document, "title").iter().filter_map(|node| node.text()).collect();
    for title in ["Bandwidth over the working set", "Bandwidth over threads", "Matrix products over tokens"] {
        assert_eq!(titles.iter().filter(|one| **one == title).count(), 2, "{titles:?}");
    }
    // Every point of every curve is there, with its numbers, and the interval around it.
    let shown = |words: &str| svg.contains(&format!("<title>{words}</title>"));
    assert!(shown("read, working set 8 KiB: 1044 GB/s (1015 … 1074)"), "{svg}");
    assert!(shown("q4_0, tokens 512: 1460 GFLOP/s (1246 … 1711); suspect"), "{svg}");
    assert!(with_class(&document, "spread").len() >= 20 && with_class(&document, "hollow").len() >= 3);
    // Both panels of a row have the same labels on their axes.
    let labels = |from: f64, to: f64| -> Vec<&str> {
        let ticks = with_class(&document, "muted").into_iter().filter(|node| node.has_attribute("text-anchor"));
        let inside = ticks.filter(|node| (from..to).contains(&number(*node, "x")) && number(*node, "y") < 340.0);
        inside.filter_map(|node| node.text()).collect()
    };
    let (left, right) = (labels(0.0, 470.0), labels(560.0, 1100.0));
    assert!(left.len() > 8 && left == right, "{left:?} {right:?}");
}

#[test]
fn products_of_one_token_and_of_many_have_a_panel_each() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("n.toml");
    let curve = |tokens: u64, rates: &str, samples: &str| {
        format!(
            "[[curve]]\nid = \"matmul.q4_0.m{tokens}.n\"\nstatus = \"measured\"\nn = [64, 512]\ngflop_per_s = {rates}\n\
             low = {rates}\nhigh = {rates}\nvariant = {{ isa = \"avx512\", threads = 2 }}\nsample_values = {samples}\n\n"
        )
    };
    let text = std::fs::read_to_string(Path::new(ROOT).join("profiles/amd-epyc-zen5-2c.toml")).unwrap();
    let curves = curve(1, "[40.0, 160.0]", "[[40.0], [160.0]]") + &curve(512, "[700.0, 1400.0]", "[[700.0], [1400.0]]");
    std::fs::write(&path, text.replacen("[[curve]]", &(curves + "[[curve]]"), 1)).unwrap();
    let svg = picture(&[&path.display().to_string(), "--curves"]);
    let document = Document::parse(&svg).expect("well-formed");
    let titles: Vec<&str> = with_class(&document, "title").iter().filter_map(|node| node.text()).collect();
    let of = |tokens: &str| format!("Matrix products of {tokens} over output features");
    let at = |title: String| titles.iter().position(|one| *one == title).expect("a panel");
    assert!(at(of("1 token")) + 1 == at(of("512 tokens")), "{titles:?}");
    assert!(svg.contains("<title>q4_0, output features 512: 160 GFLOP/s"), "{svg}");
}

#[test]
fn measured_runs_stand_under_the_roofs() {
    let svg = picture(&["amd-epyc-zen4-2c", "-m", "qwen2.5-0.5b", "--measured", "docs/llama-bench-zen4.csv"]);
    let document = Document::parse(&svg).expect("well-formed");
    assert!(svg.contains("measured: qwen2.5-0.5b q8_0, decode: 42.6 tokens/s, "), "{svg}");
    let labels: Vec<&str> = with_class(&document, "label").iter().filter_map(|node| node.text()).collect();
    assert!(labels.iter().any(|label| label.starts_with("measured q8_0 42.6, ")), "{labels:?}");
    // Two strokes each, and three of the sample.
    assert_eq!(with_class(&document, "run").len(), 6 * 2 + 3);
    let of_range = picture(&["apple-m1-pro-rooflinebench", "-m", "qwen2.5-1.5b", "--measured", "docs/paper-rates.csv"]);
    assert!(of_range.contains("measured: qwen2.5-1.5b "), "{of_range}");
}

#[cfg(feature = "png")]
#[test]
fn png_is_written_by_its_name_and_only_over_our_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.PNG");
    let file = path.display().to_string();
    let arguments = ["tests/data/plain-cpu.toml", "-o", &file];
    for _ in 0..2 {
        let output = plot(&arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n"));
    let extent = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    assert!(extent(16) > 1500 && extent(20) > 800, "{} × {}", extent(16), extent(20));
    std::fs::write(&path, "not ours").unwrap();
    refused(&arguments, &[&file, "not a picture that roofprobe drew"]);
}

#[cfg(not(feature = "png"))]
#[test]
fn png_without_its_feature_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.png").display().to_string();
    refused(&["tests/data/plain-cpu.toml", "-o", &file], &[&file, "without the feature png"]);
}

/// What `show --plot` writes below the profile, in a terminal of that width.
fn shown(profile: &str, letters: &str, columns: usize, more: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_roofprobe"))
        .args(["show", profile, letters])
        .args(more)
        .current_dir(ROOT)
        .env("COLUMNS", columns.to_string())
        .env("LC_ALL", "C")
        .env_remove("CLICOLOR_FORCE")
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let at = text.rfind("\n GFLOP/s\n").map(|at| text[..at].rfind("\n\n").unwrap_or(0)).expect("a roofline");
    text[at..].to_owned()
}

#[test]
fn pictures_fit_the_terminal() {
    for columns in [40, 60, 80, 110, 300] {
        for letters in ["--plot=braille", "--plot=ascii", "--plot"] {
            let text = shown("amd-epyc-zen5-2c", letters, columns, &["--all"]);
            let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(
                longest <= columns.min(110) && longest > columns.min(110) / 2,
                "{columns} {letters}: {longest}\n{text}"
            );
            // The locale of this test has no Unicode.
            let braille = text.contains(|c| ('\u{2800}'..='\u{28ff}').contains(&c));
            assert_eq!((text.is_ascii(), braille), (letters != "--plot=braille", letters == "--plot=braille"));
            for words in ["L1 1065", "i8 2110", "FLOP/byte", "Bandwidth over the working set", "Attention over the"] {
                assert!(text.contains(words), "{words}\n{text}");
            }
        }
    }
    let main = shown("amd-epyc-zen5-2c", "--plot", 80, &[]);
    assert!(main.contains("Matrix products over tokens, GFLOP/s") && !main.contains("Attention over"), "{main}");
    // A data sheet has a roofline and no curves.
    assert!(!shown("raspberry-pi-5-datasheet", "--plot", 80, &[]).contains(" over "));
    let output = Command::new(env!("CARGO_BIN_EXE_roofprobe"))
        .args(["show", "amd-epyc-zen5-2c", "--plot", "--format", "csv"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

/// What the picture of every strange profile must be: sane. With the ceilings that each has.
fn strange(folder: &Path) -> Vec<(String, usize)> {
    let crowd = [
        ("memory.l1.read", 103.0),
        ("memory.l2.read", 102.0),
        ("memory.l3.read", 101.0),
        ("memory.dram.read", 100.0),
        ("compute.f64", 200.0),
        ("compute.f32", 201.0),
        ("compute.f16", 202.0),
        ("compute.bf16", 203.0),
        ("compute.i8", 204.0),
    ];
    let wide = [
        ("memory.l1.read", 5e6),
        ("memory.l2.read", 4e3),
        ("memory.dram.read", 0.5),
        ("compute.f64", 0.01),
        ("compute.f32", 1e3),
        ("compute.i8", 1e6),
    ];
    let plain = [("memory.dram.read", 50.0), ("compute.f32", 500.0)];
    [&crowd[..], &wide, &plain]
        .map(|ceilings| (profile(folder, "a device", ceilings).display().to_string(), ceilings.len()))
        .to_vec()
}

fn number(node: Node, key: &str) -> f64 {
    node.attribute(key).unwrap().parse().unwrap()
}

fn has(node: Node, class: &str) -> bool {
    node.attribute("class").is_some_and(|classes| classes.split(' ').any(|one| one == class))
}

/// Corners of a label, by the width that its letters have in DejaVu Sans on average, and the angle written.
fn corners(label: Node) -> [(f64, f64); 4] {
    let width = label.text().unwrap().chars().count() as f64 * 12.0 * 0.56;
    let (x, y) = (number(label, "x"), number(label, "y"));
    let degrees = label
        .attribute("transform")
        .map_or(0.0, |turn| turn.trim_start_matches("rotate(").split(' ').next().unwrap().parse::<f64>().unwrap());
    let begin = match label.attribute("text-anchor") {
        None => 0.0,
        Some("middle") => -width / 2.0,
        Some(_) => -width,
    };
    let (sin, cos) = degrees.to_radians().sin_cos();
    let corner = |along: f64, down: f64| (x + along * cos - down * sin, y + along * sin + down * cos);
    [corner(begin, -9.0), corner(begin + width, -9.0), corner(begin + width, 2.5), corner(begin, 2.5)]
}

/// Whether two convex quadrilaterals overlap: a corner grid of one, sampled, lies in the other.
fn overlap(a: &[(f64, f64); 4], b: &[(f64, f64); 4]) -> bool {
    let inside = |q: &[(f64, f64); 4], (x, y): (f64, f64)| {
        (0..4).all(|i| {
            let ((ax, ay), (bx, by)) = (q[i], q[(i + 1) % 4]);
            (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0.0
        })
    };
    let at = |q: &[(f64, f64); 4], u: f64, v: f64| {
        let mix = |f: fn((f64, f64)) -> f64| f(q[0]) + u * (f(q[1]) - f(q[0])) + v * (f(q[3]) - f(q[0]));
        (mix(|p| p.0), mix(|p| p.1))
    };
    let steps = || (0..=40).flat_map(|u| (0..=8).map(move |v| (f64::from(u) / 40.0, f64::from(v) / 8.0)));
    steps().any(|(u, v)| inside(b, at(a, u, v))) || steps().any(|(u, v)| inside(a, at(b, u, v)))
}

/// The lines of a path.
fn spots(path: Node) -> Vec<(f64, f64)> {
    let d = path.attribute("d").unwrap();
    let pair = |part: &str| {
        let (x, y) = part.trim_end_matches('Z').split_once(' ').unwrap();
        (x.parse().unwrap(), y.parse().unwrap())
    };
    d.split(['M', 'L']).filter(|part| !part.is_empty()).map(pair).collect()
}

/// Labels keep apart and each ceiling has one; every number is one; no point lies over its roof.
fn holds(svg: &str, ceilings: usize, points: usize) {
    let document = Document::parse(svg).expect("well-formed");
    assert!(!svg.contains("NaN") && !svg.contains("inf\"") && !svg.contains("inf "), "{svg}");
    let all: Vec<Node> = document.descendants().filter(Node::is_element).collect();
    let labels: Vec<Node> = all.iter().copied().filter(|node| has(*node, "label")).collect();
    let of_lines = labels.iter().filter(|label| has(**label, "ink")).count();
    assert_eq!(of_lines, ceilings, "{svg}");
    for (i, first) in labels.iter().enumerate() {
        for second in &labels[i + 1..] {
            assert!(!overlap(&corners(*first), &corners(*second)), "{:?} {:?}\n{svg}", first.text(), second.text());
        }
    }
    let roofs: Vec<Vec<(f64, f64)>> = all.iter().filter(|node| has(**node, "roof")).map(|node| spots(*node)).collect();
    let marks: Vec<Node> = all
        .iter()
        .copied()
        .filter(|node| {
            (has(*node, "marker") || has(*node, "hollow")) && node.parent_element().unwrap().has_tag_name("g")
        })
        .collect();
    assert_eq!(marks.len(), points);
    for mark in marks {
        let place = mark.attribute("transform").unwrap().trim_start_matches("translate(").trim_end_matches(')');
        let (x, y) =
            place.split_once(' ').map(|(x, y)| (x.parse::<f64>().unwrap(), y.parse::<f64>().unwrap())).unwrap();
        let over: Vec<f64> = roofs
            .iter()
            .filter(|roof| roof.len() == 2 && roof[0].0 <= x && x <= roof[1].0)
            .map(|roof| roof[0].1 + (x - roof[0].0) / (roof[1].0 - roof[0].0) * (roof[1].1 - roof[0].1))
            .collect();
        // Downwards is less, and coordinates are written in hundredths.
        assert!(!over.is_empty() && over.iter().all(|roof| y >= roof - 0.03), "{x} {y} {over:?}");
    }
}

#[test]
fn strange_profiles_give_sane_pictures() {
    let folder = tempfile::tempdir().unwrap();
    for (path, ceilings) in strange(folder.path()) {
        holds(&picture(&[&path]), ceilings, 0);
        let arguments = [path.as_str(), "-m", "qwen2.5-0.5b", "-m", "llama-3.1-8b", "--weights", "f32", "--kv", "f32"];
        holds(&picture(&arguments), ceilings, 4);
    }
    let one = profile(folder.path(), "a device", &[("memory.dram.read", 50.0)]).display().to_string();
    holds(&picture(&[&one]), 1, 0);
}

#[test]
fn shipped_profiles_give_sane_pictures() {
    let shipped = ["amd-epyc-zen3-2c", "amd-epyc-zen4-2c"];
    holds(&picture(&shipped), 4 + 9, 0);
    holds(&picture(&["amd-epyc-zen4-2c", "-m", "qwen2.5-0.5b", "--weights", "q8_0"]), 9, 2);
    holds(
        &picture(&[&shipped[..], &["-m", "qwen2.5-0.5b", "-m", "llama-3.2-1b", "--generate", "64"]].concat()),
        13,
        12,
    );
}

/// Lines lie where the labels of the ticks say: a peak of 800 GFLOP/s, and 20 GB/s at every intensity.
#[test]
fn lines_lie_where_the_ticks_say() {
    let svg = picture(&["tests/data/plain-cpu.toml", "-m", "qwen2.5-0.5b"]);
    let document = Document::parse(&svg).expect("well-formed");
    let ticks = |anchor: &str, key: &str| -> Vec<(f64, f64)> {
        let texts = document.descendants().filter(|node| node.attribute("text-anchor") == Some(anchor));
        let value = |node: &Node| node.text().unwrap().parse::<f64>().ok();
        texts.filter_map(|node| Some((value(&node)?.log10(), number(node, key)))).collect()
    };
    let (across, upwards) = (ticks("middle", "x"), ticks("end", "y"));
    assert!(across.len() >= 3 && upwards.len() >= 2, "{across:?} {upwards:?}");
    // A decade is a decade long anywhere; what is written beside a tick of the upright axis stands a little lower.
    let place = |ticks: &[(f64, f64)], value: f64| {
        let ((a, from), (b, to)) = (ticks[0], ticks[ticks.len() - 1]);
        from + (value.log10() - a) / (b - a) * (to - from)
    };
    for (exponent, at) in &across {
        assert!((place(&across, 10_f64.powf(*exponent)) - at).abs() < 0.05, "{across:?}");
    }
    let spot = |intensity: f64, performance: f64| (place(&across, intensity), place(&upwards, performance) - 4.0);
    let line = |id: &str| -> Vec<(f64, f64)> {
        let titled = |node: &Node| node.has_tag_name("title") && node.text().is_some_and(|text| text.starts_with(id));
        let group = document.descendants().find(titled).and_then(|title| title.parent_element()).unwrap();
        group.children().filter(|node| node.has_tag_name("path")).flat_map(spots).collect()
    };
    assert!(line("compute.i8:").iter().all(|(_, y)| (y - spot(1.0, 800.0).1).abs() < 0.05));
    let (one, slope) = (spot(1.0, 20.0), line("memory.dram.read:"));
    let ((x, y), (to_x, to_y)) = (slope[0], slope[1]);
    assert!((y + (one.0 - x) / (to_x - x) * (to_y - y) - one.1).abs() < 0.1, "{slope:?} {one:?}");
}

/// A device's name is text, whatever is in it, and is not read backwards.
#[test]
fn hostile_names_stay_text() {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("</text><script>alert('1')</script>&amp;\u{202e}\"<!-- ]]> {}", "wide ".repeat(100));
    let ceilings = [("memory.dram.read", 50.0), ("compute.f32", 500.0)];
    // TOML and Rust differ in how they escape: a literal string takes all but its own quotes.
    let path = profile(folder.path(), "NAME", &ceilings);
    let text = std::fs::read_to_string(&path).unwrap().replace("\"NAME\"", &format!("'''{name}'''"));
    std::fs::write(&path, text).unwrap();
    let svg = picture(&[path.to_str().unwrap()]);
    let document = Document::parse(&svg).expect("well-formed");
    let known = ["svg", "title", "desc", "style", "path", "text", "g"];
    assert!(document.descendants().filter(Node::is_element).all(|node| known.contains(&node.tag_name().name())));
    let title = document.descendants().find(|node| has(*node, "title")).and_then(|node| node.text()).unwrap();
    assert!(title.starts_with("</text><script>alert('1')</script>&amp;\u{fffd}\"") && title.ends_with('…'), "{title}");
}

#[test]
fn nothing_outside_is_referred_to_and_themes_are_what_they_say() {
    for (theme, dark, light) in [("auto", true, true), ("light", false, true), ("dark", true, false)] {
        let svg = picture(&["tests/data/plain-cpu.toml", "--theme", theme]);
        let outside = svg.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        assert!(!["http", "url(", "@import", "href", "var("].iter().any(|word| outside.contains(word)), "{svg}");
        assert_eq!((svg.contains("#0d1117"), svg.contains("#ffffff")), (dark, light), "{theme}");
        assert_eq!(svg.contains("prefers-color-scheme"), theme == "auto");
    }
}

fn refused(arguments: &[&str], parts: &[&str]) {
    let output = plot(arguments);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
    assert!(parts.iter().all(|part| message.contains(part)) && output.stdout.is_empty(), "{message}");
}

#[test]
fn what_cannot_be_drawn_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = profile(folder.path(), "a device", &[("compute.f32", 50.0)]).display().to_string();
    refused(&[&file, "-o", "-"], &[&file, "memory.dram.read"]);
    let nine = ["-m", "qwen2.5-0.5b"].repeat(9);
    refused(&[&["amd-epyc-zen4-2c", "-o", "-"], nine.as_slice()].concat(), &["--model", "9", "8"]);
    refused(&["amd-epyc-zen4-2c", "--weights", "q8_0", "-o", "-"], &["--model"]);
    refused(&["raspberry-pi-5-datasheet", "--curves", "-o", "-"], &["raspberry-pi-5-datasheet", "no curves"]);
    refused(&["amd-epyc-zen4-2c", "--measured", "docs/paper-rates.csv", "-o", "-"], &["--model"]);
}

#[test]
fn only_our_own_pictures_are_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("roofline.svg");
    let file = path.display().to_string();
    let arguments = ["tests/data/plain-cpu.toml", "-o", &file];
    for theme in ["light", "dark"] {
        assert!(plot(&[&arguments[..], &["--theme", theme]].concat()).status.success());
    }
    assert!(std::fs::read_to_string(&path).unwrap().contains("#0d1117"));
    for other in ["<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>", "notes"] {
        std::fs::write(&path, other).unwrap();
        refused(&arguments, &[&file, "not a picture that roofprobe drew"]);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), other);
    }
    refused(&["tests/data/plain-cpu.toml", "-o", &folder.path().display().to_string()], &["a folder"]);
    refused(&["tests/data/plain-cpu.toml", "-o", &format!("{file}.pdf")], &[".pdf", "SVG or PNG"]);
}
