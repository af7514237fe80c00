//! The five studies: their rows are the evaluator's, their findings follow from the rows.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::evaluate::{RoofKind, common_roof, evaluate};
use roofprobe::measured;
use roofprobe::model::{self, MOBILE_TIER, Model, Phase, Runtime, Workload};
use roofprobe::profile::{self, Profile};
use roofprobe::store;
use roofprobe::study::{
    self, AttentionKind, Engine, FLAT_PERCENT, Finding, Holds, PartKind, Regime, Scenario, ScenarioResult, Setting,
    Study,
};

const PLAIN: &str = include_str!("data/plain-cpu.toml");

fn find(name: &str) -> Model {
    model::find(name).unwrap()
}

fn shipped(name: &str) -> Profile {
    store::find(name).unwrap().profile
}

fn setting() -> Setting {
    let workload = Workload { runtime: Runtime::LlamaCpp, ..Workload::default() };
    Setting { scenarios: Scenario::all(), engine: Engine::Definition, query: workload.into() }
}

fn sequence(model: &str, profile: &Profile, setting: &Setting) -> Study {
    study::sequence(&[find(model)], &[("here", profile)], setting).unwrap()
}

fn finding<'a>(study: &'a Study, words: &str) -> &'a Finding {
    study.findings.iter().find(|finding| finding.claim.contains(words)).unwrap()
}

fn case<'a>(study: &'a Study, scenario: &str) -> &'a ScenarioResult {
    study.cases.iter().find(|case| case.scenario == scenario).unwrap()
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * b.abs()
}

/// By the printed definition Qwen2.5-1.5B has these, however the first token of an answer is counted.
#[test]
fn the_definition_gives_what_the_paper_should_have() {
    let study = sequence("qwen2.5-1.5b", &shipped("apple-m1-pro-datasheet"), &setting());
    let rounded = |value: f64| format!("{value:.3e}");
    let each = |of: fn(&ScenarioResult) -> f64| study.cases.iter().map(|case| rounded(of(case))).collect::<Vec<_>>();
    assert_eq!(each(|case| case.oi_g_steps), ["1.846e0", "3.060e1", "1.125e0", "2.180e0"]);
    assert_eq!(each(|case| case.whole().oi), ["1.853e0", "3.083e1", "1.125e0", "2.180e0"]);
}

#[test]
fn a_scenario_is_the_evaluators_generation() {
    let zen = shipped("amd-epyc-zen4-2c");
    let setting = Setting { query: setting().query.by(common_roof(&[("here", &zen)])), ..setting() };
    assert_eq!(setting.roof(), RoofKind::Achieved);
    for name in ["llama-3.2-1b", "plm-1.8b", "qwen1.5-moe-a2.7b", "mamba2-2.7b"] {
        for case in &sequence(name, &zen, &setting).cases {
            let workload = Workload { prompt: case.prompt, generate: Some(case.generate), ..setting.query.workload };
            let evaluation = evaluate(&find(name), &workload.into(), &zen, "here").unwrap();
            let phase = evaluation.phases.iter().find(|phase| phase.phase == Phase::Generation).unwrap();
            let whole = case.whole();
            assert_eq!((whole.part, whole.flops), (PartKind::Scenario, phase.flops.get("total").unwrap()));
            assert_eq!((whole.weight_bytes, whole.oi.to_bits()), (phase.weight_bytes, phase.oi.to_bits()));
            for standing in &whole.roofs {
                let speed = phase.roofs.iter().find(|speed| speed.roof == standing.roof).unwrap();
                assert_eq!(standing.tokens_per_s.to_bits(), speed.tokens_per_s.to_bits());
                assert_eq!(Some(standing.tokens_per_s_interval), speed.tokens_per_s_interval);
            }
            assert_eq!(whole.under(RoofKind::Achieved).potential, phase.potential);
        }
    }
}

#[test]
fn a_scenario_is_the_sum_of_its_parts() {
    let zen = shipped("amd-epyc-zen4-2c");
    for engine in [Engine::Definition, Engine::LlamaBench] {
        for name in ["qwen2.5-1.5b", "plm-1.8b", "olmoe-1b-7b"] {
            let study = sequence(name, &zen, &Setting { engine, ..setting() });
            for case in &study.cases {
                let [prefill, decode, whole] = &case.parts[..] else { panic!("{} parts", case.parts.len()) };
                assert_eq!(whole.flops, prefill.flops + decode.flops);
                assert_eq!(whole.kv_bytes, prefill.kv_bytes + decode.kv_bytes);
                assert_eq!(whole.forward_passes, prefill.forward_passes + decode.forward_passes);
                assert_eq!(whole.bytes, whole.weight_bytes + whole.kv_bytes + whole.state_bytes);
                for roof in [RoofKind::Peak, RoofKind::Achieved] {
                    let seconds = |part: &study::PartResult| part.under(roof).seconds;
                    assert!(near(seconds(whole), seconds(prefill) + seconds(decode)));
                }
                let steps = if engine == Engine::Definition { case.generate - 1 } else { case.generate };
                assert_eq!(decode.forward_passes, steps);
            }
        }
    }
}

/// A scenario of one token is its prompt.
#[test]
fn one_token_needs_no_decode_step() {
    let scenarios = vec!["64/1".parse::<Scenario>().unwrap()];
    let study = sequence("smollm2-135m", &shipped("apple-m1-pro-datasheet"), &Setting { scenarios, ..setting() });
    let case = &study.cases[0];
    assert_eq!(case.parts.len(), 2);
    assert!(case.part(PartKind::Decode).is_none() && case.oi_g_steps < case.whole().oi);
    assert!(study.findings.is_empty());
}

/// The same passes, counted by the module that joins what llama-bench measured.
#[test]
fn llama_bench_is_read_as_measured_runs_are() {
    let m1 = shipped("apple-m1-pro-rooflinebench");
    for name in ["qwen2.5-1.5b", "plm-1.8b", "olmoe-1b-7b"] {
        let model = find(name);
        let weights = Some("q8_0".parse().unwrap());
        let workload = Workload { weights, ..setting().query.workload };
        let study = sequence(name, &m1, &Setting { engine: Engine::LlamaBench, query: workload.into(), ..setting() });
        for case in &study.cases {
            let (prompt, generate) = (case.prompt, case.generate);
            let table = format!(
                "engine,model,weights,prompt,generate,prefill_tokens_per_s,decode_tokens_per_s\n\
                 llama-bench,{name},q8_0,{prompt},{generate},1,1\n"
            );
            let points = measured::parse("a.csv", &table).unwrap();
            for (one, part) in points.iter().zip(&case.parts) {
                let point = measured::join(one, &model, &m1, "m1").unwrap();
                assert_eq!((point.phase, point.forward_passes), (part.part.name(), part.forward_passes));
                assert_eq!((point.flops, point.bytes, point.weight_bytes), (part.flops, part.bytes, part.weight_bytes));
                assert_eq!(
                    (point.oi.to_bits(), point.ridge_flop_per_byte),
                    (part.oi.to_bits(), case.ridge_flop_per_byte)
                );
            }
            assert_eq!(case.oi_g_steps.to_bits(), case.whole().oi.to_bits());
        }
        // Decoding never saw the long prompt.
        let decode = |scenario| case(&study, scenario).part(PartKind::Decode).unwrap();
        assert_eq!(decode("SISO"), decode("LISO"));
    }
}

#[test]
fn the_published_depth_is_the_model_itself() {
    let m1 = shipped("apple-m1-pro-datasheet");
    let model = find("llama-3.2-1b");
    let study = study::depth(std::slice::from_ref(&model), &[("here", &m1)], &setting(), &[2, 16, 64]).unwrap();
    let itself = sequence("llama-3.2-1b", &m1, &setting());
    let same: Vec<&ScenarioResult> = study.cases.iter().filter(|case| case.layers == 16).collect();
    assert_eq!(same, itself.cases.iter().collect::<Vec<_>>());
}

/// Decode steps of a short context read each weight once for two FLOPs, however many there are.
#[test]
fn decoding_is_flat_in_depth_and_nothing_peaks_early() {
    let m1 = shipped("apple-m1-pro-datasheet");
    let models: Vec<Model> = MOBILE_TIER.iter().map(|name| find(name)).collect();
    let layers: Vec<u64> = (2..=64).collect();
    let study = study::depth(&models, &[("here", &m1)], &setting(), &layers).unwrap();
    assert_eq!(study.cases.len(), 6 * 63 * 4);
    for name in MOBILE_TIER {
        let of = |scenario: &str| {
            let cases = study.cases.iter().filter(|case| case.model == name && case.scenario == scenario);
            cases.map(|case| case.part(PartKind::Decode).unwrap().oi).collect::<Vec<_>>()
        };
        let spread = |oi: &[f64]| {
            let (least, most) = (oi.iter().copied().reduce(f64::min), oi.iter().copied().reduce(f64::max));
            most.unwrap() / least.unwrap() - 1.0
        };
        assert!(spread(&of("SISO")) < 0.02, "{name}");
        // As many FLOPs per byte of cache as per byte of weights: flat whatever the context.
        if matches!(AttentionKind::of(&find(name)), AttentionKind::MultiHead | AttentionKind::Latent) {
            assert!(spread(&of("LILO")) < 0.0005, "{name}");
        }
    }
    assert_eq!(finding(&study, "OI of the scenario peaks at 3 to 5 layers").holds, Holds::False);
    assert_eq!(finding(&study, "OI of decoding peaks at 3 to 5 layers").cases_against, 24);
    assert_eq!(finding(&study, "OI of decoding has no peak between the ends").holds, Holds::True);
    let flat = finding(&study, &format!("OI of decoding is flat in depth (within {FLAT_PERCENT} %)"));
    assert_eq!(flat.cases_for + flat.cases_against, 24);
    // Too few depths to ask for a peak.
    let few = study::depth(&models, &[("here", &m1)], &setting(), &[8, 16]).unwrap();
    assert_eq!(finding(&few, "OI of the scenario peaks at 3 to 5").holds, Holds::Undecided);
    assert!(!few.findings.iter().any(|finding| finding.claim.contains("between the ends")));
}

/// A finding goes the way of the rows: the same model under a high ridge, a low one, and one that is not known.
#[test]
fn findings_follow_from_the_rows() {
    let there = "gb_per_s = 20.0\nci95 = [16.0, 25.0]";
    let with = |read: &str| {
        let text = PLAIN.replacen(there, read, 1);
        assert_eq!(text == PLAIN, read == there);
        sequence("qwen2.5-1.5b", &profile::parse(&text).unwrap(), &setting())
    };
    let plain = with(there);
    assert_eq!(finding(&plain, "LISO stands nearest").holds, Holds::True);
    assert_eq!(finding(&plain, "SILO stands deepest").holds, Holds::True);
    assert_eq!(finding(&plain, "LISO has the highest FLOP/s").holds, Holds::True);
    // A ridge at 2 FLOP/B: SISO and LILO stand there.
    let low = with("gb_per_s = 200.0\nci95 = [160.0, 250.0]");
    let nearest = finding(&low, "LISO stands nearest");
    assert_eq!((nearest.holds, nearest.cases_against), (Holds::False, 1));
    assert!(nearest.evidence.starts_with("nearest: SISO 1"), "{}", nearest.evidence);
    // Anything from 2 to 64 FLOP/B.
    let unknown = with("gb_per_s = 20.0\nci95 = [5.0, 200.0]");
    let nearest = finding(&unknown, "LISO stands nearest");
    assert_eq!((nearest.holds, nearest.cases_undecided), (Holds::Undecided, 1));
    // The plain ridge, too, leaves open where is: 30.8 of 12.8 to 31.3.
    let decided = |study: &Study, scenario: &str| case(study, scenario).whole().regime_decided;
    assert_eq!((decided(&plain, "LISO"), decided(&plain, "SILO")), (None, Some(Regime::Memory)));
    assert_eq!(decided(&low, "LISO"), Some(Regime::Compute));
}

/// Two models of one name are two models: a configuration is called by its folder.
#[test]
fn namesakes_are_kept_apart() {
    let m1 = shipped("apple-m1-pro-datasheet");
    let mut models = [find("qwen3-0.6b"), find("llama-3.2-1b")];
    models[1].source.name = "qwen3-0.6b".to_owned();
    let study = study::sequence(&models, &[("here", &m1)], &setting()).unwrap();
    let nearest = finding(&study, "LISO stands nearest");
    assert_eq!(nearest.cases_for + nearest.cases_against + nearest.cases_undecided, 2);
    assert_eq!((study.cases[0].model.as_str(), study.cases[4].model.as_str()), ("qwen3-0.6b", "qwen3-0.6b (2)"));
}

#[test]
fn what_is_not_asked_for_is_not_in_the_evidence() {
    let scenarios = ["LISO", "5/6"].map(|word| word.parse().unwrap()).to_vec();
    let study = sequence("gpt2", &shipped("apple-m1-pro-datasheet"), &Setting { scenarios, ..setting() });
    let evidence = &finding(&study, "LISO has the highest FLOP/s").evidence;
    assert!(evidence.contains("LISO") && !evidence.contains("SILO"), "{evidence}");
    assert_eq!(study.notes, ["gpt2: 4224 tokens are asked for; the model was made for 1024"]);
}

#[test]
fn precision_is_told_against_the_first_format() {
    let m1 = shipped("apple-m1-pro-datasheet");
    let formats = ["f16", "q8_0", "q4_k_m"].map(|word| word.parse().unwrap());
    let models = [find("qwen2.5-1.5b")];
    let study = study::precision(&models, &[("here", &m1)], &setting(), &formats).unwrap();
    assert_eq!(study.cases.len(), 12);
    for (at, case) in study.cases.iter().enumerate() {
        for (part, reference) in case.parts.iter().zip(&study.cases[at % 4].parts) {
            assert_eq!(part.flops, reference.flops);
            let (here, there) = (part.under(RoofKind::Peak), reference.under(RoofKind::Peak));
            assert!(near(here.speedup.unwrap(), here.tokens_per_s / there.tokens_per_s));
            // One roof, no interval: bytes alone decide, and no part gains more than its bytes shrink.
            assert!(here.speedup.unwrap() <= reference.bytes as f64 / part.bytes as f64 * (1.0 + 1e-9));
        }
    }
    assert_eq!(finding(&study, "SILO up more than LISO").holds, Holds::True);
    // What needs no fewer bytes than the first is no quantisation of it.
    for up in [["f16", "f32"], ["q8_0", "f16"]] {
        let formats = up.map(|word| word.parse().unwrap());
        let study = study::precision(&models, &[("here", &m1)], &setting(), &formats).unwrap();
        assert!(study.cases.len() == 8 && study.findings.is_empty(), "{up:?}");
    }
    let one = study::precision(&models, &[("here", &m1)], &setting(), &formats[..1]);
    assert!(one.unwrap_err().to_string().contains("two formats"));
}

#[test]
fn attention_depends_on_the_runtime() {
    let m1 = shipped("apple-m1-pro-datasheet");
    let models: Vec<Model> =
        study::PAPER_MODELS.iter().map(|&(name, layers)| find(name).with_layers(layers).unwrap()).collect();
    let study = |runtime| {
        let workload = Workload { runtime, ..setting().query.workload };
        study::attention(&models, &[("here", &m1)], &Setting { query: workload.into(), ..setting() }).unwrap()
    };
    let expanded = study(Runtime::LlamaCpp);
    // Two models once, the latent one in three ways.
    assert_eq!(expanded.cases.len(), 4 * (2 + 3));
    assert_eq!(finding(&expanded, "MLA > MHA > GQA in OI").holds, Holds::False);
    assert_eq!(finding(&expanded, "the runtime changes the OI").holds, Holds::True);
    let kept = |runtime| {
        let of = |case: &&ScenarioResult| case.model == "plm-1.8b" && case.runtime == runtime;
        expanded.cases.iter().find(of).unwrap().kv_elements_per_token
    };
    // 163,840 and 18,432 elements with all 32 layers.
    assert_eq!(kept(Runtime::LlamaCpp), 163_840 / 32 * 26);
    assert_eq!((kept(Runtime::Vllm), kept(Runtime::HuggingFace)), (18_432 / 32 * 26, 18_432 / 32 * 26));
    // With latents in the cache MLA does lead in OI where contexts are long, and GQA leads MHA.
    let latent = study(Runtime::Vllm);
    let oi = |name: &str| {
        let of =
            |case: &&ScenarioResult| case.model == name && case.runtime == Runtime::Vllm && case.scenario == "LILO";
        latent.cases.iter().find(of).unwrap().whole().oi
    };
    assert!(oi("plm-1.8b") > oi("qwen2.5-1.5b") && oi("qwen2.5-1.5b") > oi("smollm2-1.7b"));
}

#[test]
fn models_attend_in_their_ways() {
    for (name, kind) in [
        ("llama-2-7b", AttentionKind::MultiHead),
        ("llama-3.2-1b", AttentionKind::GroupedQuery),
        ("falcon-7b", AttentionKind::MultiQuery),
        ("deepseek-v3", AttentionKind::Latent),
        ("lfm2-1.2b", AttentionKind::Mixed),
        ("mamba2-2.7b", AttentionKind::Mixed),
    ] {
        assert_eq!(AttentionKind::of(&find(name)), kind, "{name}");
    }
}

#[test]
fn devices_have_their_ridges() {
    let names = ["apple-m1-pro-datasheet", "nvidia-rtx-3090-datasheet", "raspberry-pi-5-datasheet"];
    let profiles: Vec<(&str, Profile)> = names.iter().map(|&name| (name, shipped(name))).collect();
    let profiles: Vec<(&str, &Profile)> = profiles.iter().map(|(name, profile)| (*name, profile)).collect();
    let study = study::hardware(&[find("llama-3.2-1b")], &profiles, &setting()).unwrap();
    assert_eq!(study.ridges.len(), 3);
    for case in &study.cases {
        let ridge = study.ridges.iter().find(|ridge| ridge.profile == case.profile).unwrap();
        assert_eq!(ridge.ridge_flop_per_byte, case.ridge_flop_per_byte);
        assert!(near(ridge.gflop_per_s / ridge.gb_per_s, case.ridge_flop_per_byte));
        for part in &case.parts {
            let memory = part.oi < case.ridge_flop_per_byte;
            assert_eq!(part.regime_decided, Some(if memory { Regime::Memory } else { Regime::Compute }));
        }
    }
    // 28.3 FLOP/B is right of 25.39 and left of 38.00.
    let trap = finding(&study, "efficiency trap");
    assert_eq!((trap.holds, trap.cases_for), (Holds::True, 1));
    assert!(study::hardware(&[], &profiles[..1], &setting()).unwrap_err().to_string().contains("two profiles"));
}

#[test]
fn scenarios_are_words_or_lengths() {
    let liso: Scenario = "liso".parse().unwrap();
    assert_eq!((liso.name.as_str(), liso.prompt, liso.generate), ("LISO", 4096, 128));
    let other: Scenario = "7/9".parse().unwrap();
    assert_eq!((other.to_string().as_str(), other.prompt, other.generate), ("7/9", 7, 9));
    for word in ["", "7", "7/", "a/b", "-1/5", "LISA"] {
        assert!(word.parse::<Scenario>().unwrap_err().contains("512/128"), "{word}");
    }
}

/// Bad requests end with code 2, one line, and what to do.
#[test]
fn bad_requests_are_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        std::process::Command::new(env!("CARGO_BIN_EXE_roofprobe"))
            .args(arguments)
            .env("ROOFPROBE_DIR", folder.path())
            .output()
            .unwrap()
    };
    let m1 = "apple-m1-pro-datasheet";
    for (arguments, words) in [
        (&["study", "sequence"][..], &["roofprobe measure", "-p"][..]),
        (&["study", "sequence", "gpt-9", "-p", m1], &["gpt-9"]),
        (&["study", "sequence", "-p", "m9"], &["m9", "roofprobe profiles"]),
        (&["study", "sequence", "-p", m1, "--scenario", "LONG"], &["LONG", "SISO", "512/128"]),
        (&["study", "sequence", "-p", m1, "--scenario", "0/5"], &["--scenario 0/5", "--prompt", "1..="]),
        (&["study", "sequence", "-p", m1, "--scenario", "5/0"], &["--scenario 5/0", "--generate", "1..="]),
        (&["study", "sequence", "-p", m1, "--kv", "q6_k"], &["--kv", "q8_0"]),
        (&["study", "sequence", "-p", m1, "--batch", "0"], &["--batch", "1..="]),
        (&["study", "sequence", "-p", m1, "--roof", "achieved", "qwen3-0.6b"], &["--roof achieved", m1]),
        (&["study", "sequence", "-p", m1, "--engine", "llama-bench", "--batch", "2"], &["--batch", "one sequence"]),
        (&["study", "attention", "-p", m1, "--engine", "llama-bench", "--runtime", "hf"], &["--runtime", "llama.cpp"]),
        (&["study", "depth", "-p", m1, "--layers", "8,4"], &["--layers", "2,4,8"]),
        (&["study", "depth", "-p", m1, "--layers", "two"], &["--layers two", "2..64"]),
        (&["study", "depth", "-p", m1, "--layers", "0..3"], &["--layers", "1..=4096"]),
        (&["study", "depth", "-p", m1, "--layers", "1..99999999999999999"], &["--layers", "1..=4096"]),
        (&["study", "precision", "-p", m1, "--weights", "f16"], &["--weights", "f16,q8_0"]),
        (&["study", "precision", "-p", m1, "--weights", "f16,q9"], &["q9"]),
        (&["study", "hardware", "-p", m1], &["-p", "two profiles"]),
        (&["study", "sequence", "-p", m1, "-p", m1], &["-p apple-m1-pro-datasheet", "twice"]),
        (&["study", "sequence", "-p", m1, "gpt2", "gpt2"], &["MODEL gpt2", "twice"]),
        (
            &["study", "sequence", "-p", m1, "--scenario", "SISO", "--scenario", "128/128"],
            &["--scenario 128/128", "twice"],
        ),
        (&["study", "precision", "-p", m1, "--weights", "f16,q8_0,q8_0"], &["--weights q8_0", "twice"]),
        (&["study", "weather"], &["weather"]),
    ] {
        let output = run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{arguments:?}: {said}");
        assert!(words.iter().all(|word| said.contains(word)) && !said.contains("panicked"), "{arguments:?}: {said}");
    }
}
