//! Fleets: slow machines are found and named, others are not, and hostile names stay names.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::fleet::{Node, fleet};
use roofprobe::profile::Family;
use roofprobe::report::{self, Format, Shown, fleet_rows};
use roofprobe::store::SHIPPED;
use roofprobe_kernels::Op;
use roofprobe_kernels::reference::Random;
use std::process::Command;

fn node(profile: &str) -> Node {
    let shipped = SHIPPED.iter().find(|shipped| shipped.name == profile).unwrap();
    Node::read(profile, shipped.toml).unwrap()
}

/// Normal, near enough: the sum of twelve uniform ones.
fn normal(random: &mut Random) -> f64 {
    (0..12).map(|_| (random.signed_unit() + 1.0) / 2.0).sum::<f64>() - 6.0
}

/// What makes a machine slow: a memory channel that is missing, a clock that is held down, pages without huge ones, one kernel, a slow start.
const KINDS: [&str; 5] = ["memory", "clock", "pages", "kernel", "start"];

/// How many times as fast a ceiling is on a machine of that kind.
fn factor(kind: &str, id: &roofprobe::profile::CeilingId) -> f64 {
    let main = id.as_str().contains(".dram.") || matches!(id.tokens(), Some(1));
    match kind {
        "memory" if main => 0.7,
        "clock" if matches!(id.family(), Family::Compute | Family::Matmul) => 0.8,
        "pages" if id.family() == Family::Latency || id.access() == Some(Op::Read) => 0.75,
        "kernel" if *id == *"matmul.q4_k.m512" => 0.6,
        "start" if id.family() == Family::Overhead => 0.5,
        _ => 1.0,
    }
}

/// Machines of two kinds with a scatter of 2 % between machines and 2 % between ceilings, every `each`-th of them slow.
fn synthetic(count: usize, each: usize) -> (Vec<Node>, Vec<String>) {
    let kinds = [node("amd-epyc-zen4-2c"), node("amd-epyc-zen5-2c")];
    let (mut random, mut slow) = (Random::new(5), Vec::new());
    let one = |place: usize| {
        let mut node = kinds[place % kinds.len()].clone();
        node.name = format!("n{place:05}");
        let kind = if place % each == each / 2 { KINDS[place / each % KINDS.len()] } else { "" };
        if !kind.is_empty() {
            slow.push(node.name.clone());
        }
        let common = 0.02 * normal(&mut random);
        for speed in &mut node.speeds {
            let times = (common + 0.02 * normal(&mut random)).exp() * factor(kind, &speed.id);
            speed.value *= if speed.id.unit().is_rate() { times } else { 1.0 / times };
        }
        node
    };
    let nodes = (0..count).map(one).collect();
    (nodes, slow)
}

#[test]
fn slow_machines_are_found_and_no_others() {
    let (nodes, slow) = synthetic(600, 60);
    let found = fleet(&nodes);
    let names: Vec<&String> = found.outliers.iter().map(|outlier| &outlier.node).collect();
    assert_eq!(slow.len(), 10);
    assert!(slow.iter().all(|name| names.contains(&name)), "{slow:?} {names:?}");
    assert_eq!(names.len(), slow.len(), "{:?}", found.outliers);
    assert!(found.outliers.iter().all(|one| one.chance < 0.05 && one.slower > 0.05 && one.robust_z > 5.0));
    // The ceiling that marks it is one of those that are slow.
    let of = |place: usize| found.outliers.iter().find(|one| one.node == slow[place]).unwrap();
    let kinds: Vec<usize> = (0..slow.len()).filter(|place| KINDS[place % 5] == "kernel").collect();
    assert!(kinds.iter().all(|&place| of(place).ceiling == *"matmul.q4_k.m512" && of(place).ceilings == 1));
    assert_eq!((found.nodes, found.groups.len()), (600, 2));
    let dram = found.groups[0].ceilings.iter().find(|one| one.ceiling == *"memory.dram.read").unwrap();
    assert!(dram.nodes == 300 && dram.percentiles.is_sorted() && (0.02..0.04).contains(&dram.scatter), "{dram:?}");
    // A fleet without slow machines has none.
    assert_eq!(fleet(&synthetic(600, usize::MAX).0).outliers, []);
}

#[test]
#[ignore = "ten thousand machines take a while in a debug build"]
fn twenty_slow_machines_of_ten_thousand_are_found() {
    let (nodes, slow) = synthetic(10_000, 500);
    let found = fleet(&nodes);
    let is_slow = |name: &String| slow.contains(name);
    let caught = found.outliers.iter().filter(|outlier| is_slow(&outlier.node)).count();
    let wrong = found.outliers.len() - caught;
    println!("{caught} of {} found, {wrong} false", slow.len());
    assert!(slow.len() == 20 && caught >= 19 && wrong <= 5);
}

#[test]
fn few_machines_are_not_judged_and_a_lone_one_is_no_error() {
    let found = fleet(&synthetic(10, 5).0);
    assert!(found.outliers.is_empty() && found.groups.iter().all(|group| !group.judged));
    assert_eq!(fleet(&[]).nodes, 0);
}

#[test]
fn a_profile_is_read_alike_with_and_without_its_evidence() {
    for shipped in SHIPPED {
        let profile = shipped.profile().unwrap();
        let node = Node::read(shipped.name, shipped.toml).unwrap();
        let measured = profile.ceiling.iter().filter(|one| one.status == roofprobe::profile::Status::Measured);
        let expected: Vec<(String, f64)> = measured.map(|one| (one.id.to_string(), one.value().unwrap().0)).collect();
        let found: Vec<(String, f64)> = node.speeds.iter().map(|one| (one.id.to_string(), one.value)).collect();
        assert_eq!(found, expected, "{}", shipped.name);
    }
    // A text in which lines may stand for something else is read whole.
    let text = SHIPPED[0].toml.replacen("vendor = \"AMD\"", "vendor = \"\"\"\n[[curve]]\n\"\"\"", 1);
    assert_eq!(Node::read("x", &text).unwrap().speeds, Node::read("x", SHIPPED[0].toml).unwrap().speeds);
    // So is one whose values go on behind their line.
    let text = SHIPPED[0].toml.replacen("isas = [", "isas = [ # all of them\n", 1);
    assert!(text.contains("# all of them"));
    assert_eq!(Node::read("x", &text).unwrap().speeds, Node::read("x", SHIPPED[0].toml).unwrap().speeds);
    for wrong in ["", "schema = 2\n[device]\nname = \"x\"", "{}", "schema = 1"] {
        assert!(Node::read("x", wrong).is_err(), "{wrong}");
    }
}

#[test]
fn rows_are_csv_and_parquet_and_hostile_names_stay_names() {
    let mut nodes = synthetic(40, usize::MAX).0;
    let hostile = ["=1+1", "a,\"b\"\n|c|<script>", "right\u{202e}\u{1b}[31m"];
    for (node, name) in nodes.iter_mut().zip(hostile) {
        node.name = name.to_owned();
        node.speeds.iter_mut().for_each(|speed| speed.value *= if speed.id.unit().is_rate() { 0.5 } else { 2.0 });
    }
    let mut csv = Vec::new();
    fleet_rows::csv(&nodes, &mut csv).unwrap();
    let rows: Vec<csv::StringRecord> =
        csv::Reader::from_reader(csv.as_slice()).records().map(|row| row.unwrap()).collect();
    assert_eq!(rows.len(), nodes.iter().map(|node| node.speeds.len()).sum::<usize>());
    assert!(rows.iter().all(|row| row.len() == 6 && !row[0].starts_with('=')));
    let parquet = fleet_rows::parquet(&nodes, Vec::new()).unwrap();
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    let found = fleet(&nodes);
    assert_eq!(found.outliers.len(), 3);
    let of = |format: &str| {
        report::fleet::report(&found, Shown::All).unwrap().render(Format::named(format).unwrap()).unwrap()
    };
    let text = of("text");
    assert!(!text.contains(['\u{1b}', '\u{202e}']) && text.contains("right\\u{202e}"), "{text}");
    let markdown = of("markdown");
    let table: Vec<&str> =
        markdown.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|')).collect();
    let bars = |line: &str| line.replace("\\|", "").matches('|').count();
    assert!(table.len() == 5 && table.iter().all(|line| bars(line) == bars(table[0])), "{markdown}");
    assert!(!markdown.contains("<script>"));
}

#[test]
fn a_folder_is_compared_and_what_is_no_profile_is_said() {
    let folder = tempfile::tempdir().unwrap();
    for place in 0..9 {
        std::fs::write(folder.path().join(format!("n{place}.toml")), SHIPPED[0].toml).unwrap();
    }
    std::fs::write(folder.path().join("broken.toml"), "nothing").unwrap();
    let (place, rows) = (folder.path().display().to_string(), folder.path().join("rows.csv").display().to_string());
    let run = |arguments: &[&str]| Command::new(env!("CARGO_BIN_EXE_roofprobe")).args(arguments).output().unwrap();
    let output = run(&["compare", "--fleet", &place, "--rows", &rows, "--format", "json"]);
    assert!(output.status.success(), "{output:?}");
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["nodes"], json["outliers"].as_array().unwrap().len()), (&9.into(), 0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("broken.toml"));
    assert!(std::fs::read_to_string(&rows).unwrap().lines().count() > 9 * 10);
    let globbed = run(&["compare", "--fleet", &format!("{place}/n[0-7].toml"), "--format", "json"]);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&globbed.stdout).unwrap()["nodes"], 8);
    for wrong in [
        &["compare", "--fleet", "/nowhere/*.toml"][..],
        &["compare"],
        &["compare", "--fleet", &place, "--rows", "x.txt"],
    ] {
        assert_eq!(run(wrong).status.code(), Some(2), "{wrong:?}");
    }
}
