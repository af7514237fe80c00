//! Counts of parameters and FLOPs, class by class, against Hugging Face transformers: `tests/oracle/` says how its table is made.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::model::{Class, Demand, Forward, Latents, Mixer, Model, Step, TensorType, parse_config};
use roofprobe_kernels::Op;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Counts by the names that the table has for classes.
type Counts = BTreeMap<&'static str, i128>;

/// A configuration, what transformers makes of it, and the differences that are explained.
struct Case {
    list: String,
    config: Value,
    facts: Value,
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{}: {e}: {line}", path.display()))).collect()
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle");
    let mut lists: Vec<PathBuf> =
        std::fs::read_dir(folder.join("configs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    lists.sort();
    let mut cases = Vec::new();
    for path in lists {
        let list = path.file_stem().unwrap().to_string_lossy().into_owned();
        let (configs, facts) = (lines(&path), lines(&folder.join("facts").join(path.file_name().unwrap())));
        let names = |lines: &[Value]| lines.iter().map(|line| line["name"].to_string()).collect::<Vec<_>>();
        assert_eq!(names(&configs), names(&facts), "{list}: run tests/oracle/oracle.py {list}");
        let pairs = configs.into_iter().zip(facts);
        cases.extend(pairs.map(|(config, facts)| Case { list: list.clone(), config, facts }));
    }
    cases
}

/// The class of a step's matrices; none for what has no weights of its own.
fn class(model: &Model, step: &Step) -> Option<&'static str> {
    let recurs = |kind: usize| match model.shape.layers[kind].mixer {
        Mixer::Recurrent(_) => true,
        Mixer::Both(..) => step.name.starts_with("ssm_"),
        _ => false,
    };
    Some(match (step.op, step.class) {
        (Op::Gather, Class::Embed) => "embedding",
        (Op::Gather, _) => "positions",
        (Op::Conv, _) => "recurrent",
        (Op::Attention, _) => "core",
        (Op::Matmul, Class::AttnProj) if step.kind.is_some_and(recurs) => "recurrent",
        (Op::Matmul, Class::AttnProj) => "attention",
        (Op::Matmul, Class::Ffn) => "ffn",
        (Op::Matmul, Class::Router) => "router",
        (Op::Matmul, Class::Expert) => "experts",
        (Op::Matmul, Class::Shared) => "shared",
        (Op::Matmul, Class::LmHead) => "head",
        (Op::Matmul, class) => panic!("{}: a matmul of class {class}", step.name),
        _ if step.stored.is_some() => "vectors",
        // Transformers scans in chunks, by matrices: other FLOPs for the same recurrence.
        _ => return None,
    })
}

fn summed(model: &Model, forward: &Forward, of: impl Fn(&Step) -> u128) -> Counts {
    let mut counts = Counts::new();
    for step in model.forward(forward).unwrap() {
        if let Some(class) = class(model, &step) {
            *counts.entry(class).or_default() += i128::try_from(of(&step)).unwrap();
        }
    }
    counts.retain(|_, count| *count != 0);
    counts
}

/// What the table says, and what we are known to count more.
fn stated<'a>(case: &'a Case, facts: &'a Value, explained: impl Fn(&Value) -> i64) -> BTreeMap<&'a str, i128> {
    let facts = facts.as_object().unwrap_or_else(|| panic!("{}: {facts}", case.facts["name"]));
    let mut counts: BTreeMap<&str, i128> =
        facts.iter().map(|(class, count)| (class.as_str(), i128::from(count.as_u64().unwrap()))).collect();
    for part in case.config["explained"].as_array().into_iter().flatten() {
        assert!(part["why"].as_str().is_some_and(|why| why.len() > 20), "{part}");
        *counts.entry(part["class"].as_str().unwrap()).or_default() += i128::from(explained(part));
    }
    // Vision and audio towers of wrappers; the scan of a recurrence.
    counts.retain(|class, count| !["other", "scan"].contains(class) && *count != 0);
    counts
}

fn model(case: &Case) -> Model {
    let name = case.config["name"].as_str().unwrap();
    parse_config(&case.config["config"].to_string(), name).unwrap_or_else(|e| panic!("{} {name}: {e}", case.list))
}

#[test]
fn parameters_of_each_class() {
    let mut families = BTreeSet::new();
    for case in cases() {
        let model = model(&case);
        let counted = summed(&model, &Forward::ONE_TOKEN, |step| step.stored_elements());
        let stated = stated(&case, &case.facts["parameters"], |part| part["parameters"].as_i64().unwrap_or(0));
        assert_eq!(counted, stated, "{} {}", case.list, model.name());
        assert_eq!(counted.values().sum::<i128>(), i128::from(model.parameters().unwrap()), "{}", model.name());
        families.insert(model.family().name());
    }
    assert!(families.len() >= 26, "{families:?}");
}

/// One token, and a prompt with logits for every token.
#[test]
fn matmul_flops_of_each_class() {
    for case in cases() {
        let model = model(&case);
        let passes = case.facts["flops"].as_object();
        assert_eq!(passes.is_none(), case.config["flops"] == false, "{}", model.name());
        for (index, (tokens, flops)) in passes.into_iter().flatten().enumerate() {
            let tokens: u64 = tokens.parse().unwrap();
            let forward = Forward { tokens, logits: tokens, latents: Latents::Naive, ..Forward::ONE_TOKEN };
            let mut counted = summed(&model, &forward, |step| step.op.cost(step.shape).flops * u128::from(step.repeat));
            // It multiplies masked pairs, too: all N² where N (N + 1) / 2 are visible.
            if let Some(core) = counted.get_mut("core") {
                *core = *core * 2 * i128::from(tokens) / i128::from(tokens + 1);
            }
            let stated = stated(&case, flops, |part| part["flops"][index].as_i64().unwrap_or(0));
            assert_eq!(counted, stated, "{} {} at {tokens} tokens", case.list, model.name());
        }
    }
}

/// Windows of keys that close, or do not, take no step away: each has the type that it was looked up with, and a run of passes is
/// their sum.
#[test]
fn passes_of_any_length_have_the_same_steps() {
    for case in cases().into_iter().filter(|case| ["newer", "shared"].contains(&case.list.as_str())) {
        let model = model(&case);
        let demand = Demand::new(&model, None, TensorType::F16).unwrap();
        let flops = |forward: &Forward| {
            let mut sum = 0;
            demand.each_counted(forward, |counted| sum += counted.cost.flops).unwrap();
            sum
        };
        for (tokens, past) in [(1, 0), (1, 3), (1, 127), (1, 4095), (130, 5), (700, 0)] {
            let one = Forward { tokens, past, ..Forward::ONE_TOKEN };
            let apart = |pass| flops(&Forward { past: past + pass * tokens, ..one });
            assert_eq!(flops(&Forward { passes: 3, ..one }), (0..3).map(apart).sum::<u128>(), "{}", model.name());
        }
    }
}
