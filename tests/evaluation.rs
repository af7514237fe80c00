//! Evaluations from end to end on a made-up device: 20 GB/s read, 10 GB/s written, 200/400/400/800 GFLOP/s.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::evaluate::{Evaluation, PhaseResult, evaluate};
use roofprobe::model::{Phase, Weights, Workload, find, parse_config, zoo};
use roofprobe::profile::{Profile, Status, parse};
use roofprobe::report::{Format, Shown, evaluation, models};
use roofprobe::roofline::{NoteKind, Resource};
use roofprobe_kernels::Dtype;
use serde_json::Value;

fn plain() -> Profile {
    parse(include_str!("data/plain-cpu.toml")).unwrap()
}

fn run(name: &str, workload: &Workload) -> Evaluation {
    evaluate(&find(name).unwrap(), &(*workload).into(), &plain(), "plain-cpu").unwrap()
}

fn phase(result: &Evaluation, phase: Phase) -> &PhaseResult {
    result.phases.iter().find(|p| p.phase == phase).unwrap()
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

/// One layer of round numbers, so that every byte can be counted on paper.
const PAPER: &str = r#"{"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 1000, "tie_word_embeddings": true}"#;

#[test]
fn a_decode_step_counted_on_paper() {
    let model = parse_config(PAPER, "paper").unwrap();
    let workload = Workload { prompt: 9, generate: None, ..Workload::default() };
    let result = evaluate(&model, &workload.into(), &plain(), "plain").unwrap();
    let decode = phase(&result, Phase::Decode);
    // q and o 64×64, k and v 32×64 each, three 64×128, head 1000×64; one embedding row; three norms of 64 in f32.
    let matrices = 2 * 64 * 64 + 2 * 32 * 64 + 3 * 64 * 128 + 1000 * 64;
    assert_eq!(decode.weight_bytes, 2 * (matrices + 64) + 4 * 3 * 64);
    // Ten visible keys, two heads of 16, keys and values, 2 bytes.
    assert_eq!(
        (decode.context, decode.kv_read_bytes, decode.kv_write_bytes),
        (10, 10 * 2 * 16 * 2 * 2, 2 * 16 * 2 * 2)
    );
    let attention = 2 * 4 * (16 + 16) * 10;
    assert_eq!(decode.flops.get("total"), Some(2 * matrices + attention));
    let bytes = (decode.weight_bytes + decode.kv_read_bytes) as f64 / 20e9 + decode.kv_write_bytes as f64 / 10e9;
    assert!(close(decode.speed.seconds, bytes), "everything is bound by memory: {} {bytes}", decode.speed.seconds);
    assert_eq!((decode.speed.bound, decode.speed.memory_bound_share), (Resource::Memory, 1.0));
    assert_eq!(decode.speed.bound_by.as_deref(), Some("memory.dram.read"));
    assert!(close(decode.speed.tokens_per_s, 1.0 / bytes));
    // All rates move together by 20 % down, 25 % up.
    let [low, high] = decode.speed.tokens_per_s_interval.unwrap();
    assert!(close(low, 0.8 / bytes) && close(high, 1.25 / bytes));
    let all_bytes = decode.weight_bytes + decode.kv_read_bytes + decode.kv_write_bytes;
    assert!(close(decode.oi, (2 * matrices + attention) as f64 / all_bytes as f64));
    assert_eq!(result.phases.len(), 2, "nothing is generated");
    // Tensors: the tied head once, the embedding whole.
    assert_eq!(result.weight_bytes_total, 2 * matrices + 4 * 3 * 64);
    assert_eq!(result.params_total, matrices + 3 * 64);
}

const STORED_AS: [Dtype; 5] = [Dtype::F32, Dtype::F16, Dtype::Bf16, Dtype::Q8_0, Dtype::Q4_0];

/// Models whose heads are no whole number of blocks of 32.
const RAGGED: [&str; 4] = ["opt-2.7b", "pythia-2.8b", "phi-2", "bloom-3b"];

#[test]
fn every_shipped_model_can_be_evaluated_in_every_storage_type() {
    let mut ragged = Vec::new();
    for model in zoo().unwrap() {
        for weights in STORED_AS {
            for kv in STORED_AS {
                let (weights, kv) = (Some(weights.into()), kv.into());
                let workload = Workload { prompt: 100, generate: Some(10), weights, kv, ..Workload::default() };
                let result = match evaluate(&model, &workload.into(), &plain(), "plain") {
                    Ok(result) => result,
                    Err(refused) => {
                        // Rows of a cache, or of a matrix, that are no whole number of blocks.
                        let message = refused.to_string();
                        assert!(message.contains("no whole number of"), "{message}");
                        ragged.push(model.name().to_owned());
                        continue;
                    }
                };
                for p in &result.phases {
                    let name = format!("{} {weights:?} {kv} {:?}", model.name(), p.phase);
                    let [low, high] = p.speed.tokens_per_s_interval.unwrap();
                    assert!(low <= p.speed.tokens_per_s && p.speed.tokens_per_s <= high && low > 0.0, "{name}");
                    assert!(
                        p.speed.seconds_optimistic.unwrap() <= p.speed.seconds
                            && p.speed.seconds <= 2.0 * p.speed.seconds_optimistic.unwrap(),
                        "{name}"
                    );
                    assert!(p.oi_with_activations < p.oi, "{name}");
                    assert!(close(p.ops.iter().map(|op| op.seconds).sum(), p.speed.seconds), "{name}");
                    assert!(close(p.ops.iter().map(|op| op.share).sum(), 1.0), "{name}");
                    assert_eq!(p.ops.iter().map(|op| op.flops).sum::<u64>(), p.flops.get("total").unwrap(), "{name}");
                    let state = p.state_read_bytes + p.state_write_bytes;
                    let bytes = p.weight_bytes + p.kv_read_bytes + p.kv_write_bytes + state;
                    assert_eq!(p.ops.iter().map(|op| op.bytes).sum::<u64>(), bytes, "{name}");
                }
            }
        }
    }
    ragged.dedup();
    assert_eq!(ragged, RAGGED);
}

#[test]
fn fewer_bits_make_decode_faster() {
    let speed = |weights| {
        let workload = Workload { weights: Some(Weights::from(weights)), generate: None, ..Workload::default() };
        phase(&run("qwen2.5-1.5b", &workload), Phase::Decode).speed.tokens_per_s
    };
    let speeds = [Dtype::F32, Dtype::F16, Dtype::Q8_0, Dtype::Q4_0].map(speed);
    assert!(speeds.windows(2).all(|pair| pair[0] < pair[1]), "{speeds:?}");
}

#[test]
fn prefill_is_bound_by_compute_and_decode_by_memory() {
    let result = run("llama-3.2-1b", &Workload::default());
    let (prefill, decode) = (phase(&result, Phase::Prefill), phase(&result, Phase::Decode));
    assert_eq!((prefill.speed.bound, prefill.speed.bound_by.as_deref()), (Resource::Compute, Some("compute.f16")));
    assert_eq!(
        (prefill.potential.regime.regime(), decode.potential.regime.regime()),
        ("compute-bound", "memory-bound")
    );
    assert_eq!((decode.speed.bound, decode.speed.bound_by.as_deref()), (Resource::Memory, Some("memory.dram.read")));
    assert_eq!(result.ridge_flop_per_byte, 20.0);
    assert!(!prefill.potential.above_roof && !decode.potential.above_roof);
    let kinds: Vec<NoteKind> = result.notes.iter().map(|note| note.kind).collect();
    assert_eq!(kinds, [NoteKind::DefaultWeights, NoteKind::Quoted], "{:?}", result.notes);
}

#[test]
fn a_generation_takes_the_time_of_its_parts() {
    let workload = Workload { prompt: 20, generate: Some(6), batch: 2, ..Workload::default() };
    let result = run("smollm2-135m", &workload);
    let whole = phase(&result, Phase::Generation);
    let prefill = phase(&result, Phase::Prefill).speed.seconds;
    let steps: f64 = (21..26)
        .map(|n| phase(&run("smollm2-135m", &Workload { context: Some(n), ..workload }), Phase::Decode).speed.seconds)
        .sum();
    assert!(close(whole.speed.seconds, prefill + steps), "{} {}", whole.speed.seconds, prefill + steps);
    assert!(close(whole.speed.tokens_per_s, 12.0 / (prefill + steps)));
    assert!(close(whole.speed.decode_tokens_per_s.unwrap(), 10.0 / steps));
    assert_eq!((whole.tokens, whole.context, whole.forward_passes), (6, 25, 6));

    let single = run("smollm2-135m", &Workload { generate: Some(1), ..workload });
    let single = phase(&single, Phase::Generation);
    assert_eq!((single.speed.decode_tokens_per_s, single.forward_passes), (None, 1));
    assert!(close(single.speed.seconds, prefill));
}

#[test]
fn what_has_to_be_said_is_said() {
    let mut profile = plain();
    profile
        .ceiling
        .retain(|ceiling| !["compute.i8", "compute.f16", "memory.dram.write"].contains(&ceiling.id.as_str()));
    profile.device.memory_bytes = Some(1 << 30);
    let workload =
        Workload { prompt: 40_000, generate: None, weights: Some(Dtype::Q8_0.into()), ..Workload::default() };
    let result = evaluate(&find("qwen2.5-1.5b").unwrap(), &workload.into(), &profile, "plain").unwrap();
    let notes = result.notes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    for words in [
        "compute.i8 is not in the profile, so compute.f32 stands in",
        "compute.f16 is not in the profile, so compute.f32 stands in",
        "memory.dram.write is not in the profile, so memory.dram.read stands in",
        "made for 32768",
        "does not fit",
    ] {
        assert!(notes.contains(words), "{words}: {notes}");
    }
    assert_eq!((result.fits, result.memory_bytes), (Some(false), Some(1 << 30)));
    assert_eq!(result.ridge_flop_per_byte, 10.0);

    let mut profile = plain();
    profile.device.caches = vec![roofprobe::profile::Cache { level: 3, bytes: 512 << 20, instances: 1, shared_by: 4 }];
    let small = evaluate(&find("smollm2-135m").unwrap(), &Workload::default().into(), &profile, "plain").unwrap();
    assert!(small.notes.iter().any(|note| note.to_string().contains("fit in a cache")), "{:?}", small.notes);
}

#[test]
fn a_point_above_the_roof_of_the_weights_is_kept_and_flagged() {
    // f32 weights, but attention over an f16 cache runs under a roof twice as high, and does nearly everything.
    let workload =
        Workload { prompt: 1_000_000, generate: None, weights: Some(Dtype::F32.into()), ..Workload::default() };
    let result = run("smollm2-135m", &workload);
    let prefill = phase(&result, Phase::Prefill);
    assert!(prefill.potential.above_roof && prefill.potential.headroom_log2 < 0.0 && prefill.potential.phi < 0.0);
    assert!(result.notes.iter().any(|note| note.to_string().contains("above the roof")), "{:?}", result.notes);
}

#[test]
fn the_record_has_the_promised_keys() {
    let report = evaluation::report(&[run("qwen2.5-0.5b", &Workload::default())], Shown::All).unwrap();
    let result = &report.json["results"][0];
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    for key in words(
        "model profile device params_total params_non_embedding kv_elements_per_token weights kv batch \
         weight_bytes_total memory_needed_bytes memory_bytes fits ridge_flop_per_byte notes phases",
    ) {
        assert!(!result[&key].is_null(), "{key}");
    }
    let keys = words(
        "phase tokens context flops vector_flops weight_elements weight_bytes weight_bytes_by_class kv_read_elements \
         kv_write_elements kv_read_bytes kv_write_bytes act_bytes oi oi_with_activations bound bound_by \
         memory_bound_share seconds seconds_optimistic tokens_per_s tokens_per_s_interval phi phi_log2 phi_paper \
         headroom_log2 reach_log2 region_area regime ops forward_passes above_roof",
    );
    for name in ["prefill", "decode", "generation"] {
        let phases = result["phases"].as_array().unwrap();
        let phase = phases.iter().find(|phase| phase["phase"] == name).unwrap();
        for key in &keys {
            assert!(!phase[key].is_null(), "{name}: {key}");
        }
        assert_eq!(phase["decode_tokens_per_s"].is_number(), name == "generation");
        let flops = phase["flops"].as_object().unwrap();
        assert_eq!(flops.len(), 9);
        let sum: u64 = flops.iter().filter(|(class, _)| *class != "total").map(|(_, n)| n.as_u64().unwrap()).sum();
        assert_eq!(flops["total"], sum);
        let bytes = phase["weight_bytes_by_class"].as_object().unwrap();
        assert_eq!(phase["weight_bytes"], bytes.values().map(|n| n.as_u64().unwrap()).sum::<u64>());
        for key in ["op", "class", "m", "n", "k", "repeat", "flops", "seconds", "share"] {
            assert!(phase["ops"].as_array().unwrap().iter().all(|op| !op[key].is_null()), "{name}: {key}");
        }
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let render = |format| {
        evaluation::report(&[run("qwen3-0.6b", &Workload::default())], Shown::All).unwrap().render(format).unwrap()
    };
    for format in Format::all() {
        assert_eq!(render(format), render(format));
    }
    let value: Value = serde_json::from_str(&render(Format::named("json").unwrap())).unwrap();
    assert_eq!(value["results"].as_array().unwrap().len(), 1);
    assert_eq!(render(Format::named("csv").unwrap()).lines().count(), 4, "a header and three phases");
}

#[test]
fn text_stays_narrow() {
    let workload = Workload { prompt: 4096, generate: Some(4096), batch: 32, ..Workload::default() };
    let results: Vec<Evaluation> = ["tinyllama-1.1b", "mistral-7b-v0.3"].map(|name| run(name, &workload)).into();
    let texts = [evaluation::report(&results, Shown::All), models::report(&zoo().unwrap())];
    for text in texts.map(|report| report.unwrap().render(Format::default()).unwrap()) {
        for line in text.lines() {
            assert!(line.chars().count() <= 110, "{} columns: {line}", line.chars().count());
        }
    }
}

#[test]
fn the_list_of_models_has_one_row_each() {
    let report = models::report(&zoo().unwrap()).unwrap();
    assert_eq!(report.tables[0].rows.len(), zoo().unwrap().len());
    let listed = report.json["models"].as_array().unwrap();
    let first = listed.iter().find(|model| model["name"] == "smollm2-135m").unwrap();
    assert_eq!(first["params_total"], 134_515_008);
    assert_eq!(first["kv_elements_per_token"], 11_520);
}

/// What a short query leaves open is said first; ceilings of one cause share a note.
#[test]
fn notes_that_matter_come_first_and_share_their_cause() {
    let mut profile = plain();
    for ceiling in &mut profile.ceiling {
        ceiling.status = Status::Suspect;
        ceiling.reason = Some("a busy machine".to_owned());
        ceiling.ci95 = None;
    }
    let model = find("qwen2.5-0.5b").unwrap();
    let workload = Workload { context: Some(8192), ..Workload::default() };
    let notes = evaluate(&model, &workload.into(), &profile, "busy").unwrap().notes;
    assert!(notes.is_sorted_by_key(|note| !note.kind.matters()), "{notes:?}");
    let one = |kind| {
        let found: Vec<String> = notes.iter().filter(|note| note.kind == kind).map(ToString::to_string).collect();
        assert_eq!(found.len(), 1, "{kind:?}: {notes:?}");
        found[0].clone()
    };
    assert!(one(NoteKind::DefaultWeights).contains("f16, the default"));
    let alone = one(NoteKind::ContextAlone);
    assert!(alone.contains("takes in 512 tokens") && alone.contains("--prompt 8191 makes"), "{alone}");
    let suspect = one(NoteKind::Suspect);
    assert!(suspect.contains("memory.dram.read, ") && suspect.contains(" are suspect (a busy machine)"), "{suspect}");
    assert!(one(NoteKind::NoInterval).contains("they enter intervals as points"));

    let whole = Workload { prompt: 8191, weights: Some(Dtype::F16.into()), ..workload };
    let notes = evaluate(&model, &whole.into(), &plain(), "plain").unwrap().notes;
    assert!(notes.iter().all(|note| note.kind == NoteKind::Quoted), "{notes:?}");
}
