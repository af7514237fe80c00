//! One model on two devices: sums, memory, what crosses.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::evaluate::{Evaluator, Query, RoofKind, Split, SplitPlace, evaluate};
use roofprobe::model::{Phase, Weights, Workload, find};
use roofprobe::profile::{GpuClass, Profile, parse};
use roofprobe::store;

fn cpu() -> Profile {
    parse(include_str!("data/plain-cpu.toml")).unwrap()
}

fn gpu() -> Profile {
    parse(include_str!("data/plain-gpu.toml")).unwrap()
}

fn query(weights: &str, roof: Option<RoofKind>) -> Query {
    let weights: Weights = weights.parse().unwrap();
    Query { roof, ..Workload { weights: Some(weights), batch: 2, ..Workload::default() }.into() }
}

fn split(model: &str, query: &Query, device: &Profile, link: Option<f64>) -> Split {
    Split::of(&find(model).unwrap(), query, ("cpu", &cpu()), ("gpu", device), link).unwrap()
}

fn close(a: f64, b: f64) {
    assert!((a / b - 1.0).abs() < 1e-9, "{a} {b}");
}

#[test]
fn ends_are_the_devices_alone_and_what_lies_between_is_a_line() {
    for (model, weights) in [("llama-3.2-1b", "q4_k_m"), ("lfm2-1.2b", "q8_0"), ("mamba2-2.7b", "f16")] {
        // Any two devices: here two processors by what their kernels reach, and a processor with a card by their peaks.
        let measured = ["amd-epyc-zen4-2c", "amd-epyc-zen5-2c"].map(|name| store::find(name).unwrap().profile);
        for (roof, [cpu, gpu]) in [(RoofKind::Peak, [cpu(), gpu()]), (RoofKind::Achieved, measured)] {
            let query = query(weights, Some(roof));
            let split = Split::of(&find(model).unwrap(), &query, ("cpu", &cpu), ("gpu", &gpu), Some(12.0)).unwrap();
            let found = find(model).unwrap();
            let seconds = |profile: &Profile, phase| {
                let evaluator = Evaluator::new(&found, &query, profile, "one").unwrap();
                evaluator.figures(&query.workload, phase).unwrap().seconds(roof).0
            };
            let (none, all) = (&split.places[0], &split.places[usize::try_from(split.layers).unwrap()]);
            close(none.decode_seconds, seconds(&cpu, Phase::Decode));
            close(none.prefill_seconds, seconds(&cpu, Phase::Prefill));
            assert_eq!((none.crossing_seconds, none.device_bytes, none.decode_speedup), (0.0, 0, 1.0));
            // All but the embedding's rows, which the host looks up.
            let there = all.decode_seconds - all.crossing_seconds;
            assert!((there / seconds(&gpu, Phase::Decode) - 1.0).abs() < 0.02, "{model} {roof}: {there}");
            if found.shape.layers.len() == 1 {
                let step = |count: usize| split.places[count].decode_seconds;
                close(step(2) - step(1), step(4) - step(3));
            }
            assert!(all.decode_tokens_per_s_low <= all.decode_tokens_per_s);
            assert!(all.decode_tokens_per_s <= all.decode_tokens_per_s_high);
        }
    }
}

#[test]
fn every_byte_is_on_one_of_them_and_a_tied_head_on_both() {
    for (model, tied) in [("llama-3.1-8b", false), ("llama-3.2-1b", true), ("mixtral-8x7b-v0.1", false)] {
        let query = query("q4_0", None);
        let split = split(model, &query, &gpu(), None);
        let found = find(model).unwrap();
        let whole = evaluate(&found, &query, &cpu(), "cpu").unwrap();
        let head = split.places[0].host_bytes - whole.memory_needed_bytes;
        assert_eq!(head > 0, tied, "{model}: {head}");
        let activations = split.places[1].host_bytes + split.places[1].device_bytes - split.places[0].host_bytes;
        for place in &split.places[1..] {
            assert_eq!(place.host_bytes + place.device_bytes, split.places[0].host_bytes + activations, "{model}");
        }
    }
}

#[test]
fn experts_stay_with_the_host_and_each_of_their_layers_crosses_twice() {
    let split = split("mixtral-8x7b-v0.1", &query("q4_0", None), &gpu(), Some(10.0));
    let experts = split.places.last().unwrap();
    assert_eq!((experts.on_device, experts.device_layers), ("all but experts", 32));
    // Nine tenths of the weights are experts.
    assert!(experts.host_bytes > 9 * experts.device_bytes, "{experts:?}");
    let layers: &SplitPlace = &split.places[16];
    assert!(experts.crossing_seconds > 30.0 * layers.crossing_seconds, "{experts:?} {layers:?}");
    assert!(split.places.iter().filter(|place| place.on_device == "layers").count() == 33);
}

#[test]
fn the_best_one_fits() {
    let mut small = gpu();
    small.device.memory_bytes = Some(3 << 30);
    let query = query("q4_0", None);
    let split =
        split("llama-3.1-8b", &Query { workload: Workload { prompt: 4096, ..query.workload }, ..query }, &small, None);
    let best = &split.places[split.best.unwrap()];
    assert!(best.fits == Some(true) && best.device_bytes <= 3 << 30, "{best:?}");
    assert!(best.device_layers > 0 && best.device_layers < split.layers);
    let next = &split.places[split.best.unwrap() + 1];
    assert!(next.fits == Some(false) && next.decode_seconds < best.decode_seconds);
    small.device.memory_bytes = Some(1);
    let none = Split::of(&find("llama-3.1-8b").unwrap(), &query, ("cpu", &cpu()), ("gpu", &small), None).unwrap();
    assert_eq!(none.best, Some(0));
}

#[test]
fn copies_are_measured_given_or_not_needed() {
    let query = query("q4_0", None);
    let model = find("llama-3.2-1b").unwrap();
    let of = |device: &Profile, link| Split::of(&model, &query, ("cpu", &cpu()), ("gpu", device), link);
    let mut silent = gpu();
    silent.ceiling.retain(|ceiling| !ceiling.id.as_str().starts_with("transfer"));
    let refused = of(&silent, None).unwrap_err().to_string();
    assert!(refused.contains("transfer.h2d") && refused.contains("--link"), "{refused}");
    let slow = of(&silent, Some(1.0)).unwrap();
    assert_eq!(slow.link.as_ref().unwrap().source, "--link");
    assert!(slow.places[1].crossing_seconds > of(&silent, Some(2.0)).unwrap().places[1].crossing_seconds);
    if let Some(gpu) = &mut silent.device.gpu {
        gpu.class = GpuClass::Integrated;
        assert!(of(&silent, None).unwrap().link.is_none());
    }
}
