//! Devices side by side on made-up profiles: laws of ratios, what meets in one row, what cannot be compared.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::compare::{Comparison, Entry, Extents, Quantity, Ratio, Verdict, compare};
use roofprobe::evaluate::Query;
use roofprobe::model::{Model, Workload, find};
use roofprobe::profile::{DeviceKind, GpuClass, Profile, Status, VariantKeys, parse};
use roofprobe::report::{Format, Shown, Style, compare as report};
use roofprobe::store::SHIPPED;

fn plain() -> Profile {
    parse(include_str!("data/plain-cpu.toml")).unwrap()
}

fn other() -> Profile {
    parse(include_str!("data/other-cpu.toml")).unwrap()
}

/// The other device as if it were a GPU with video memory.
fn gpu() -> Profile {
    let mut profile = other();
    profile.device.kind = DeviceKind::Gpu;
    for ceiling in &mut profile.ceiling {
        ceiling.id = ceiling.id.as_str().replace(".dram.", ".vram.").parse().unwrap();
    }
    profile
}

/// A GPU with all families of ceilings, matmuls and attention included.
fn whole_gpu() -> Profile {
    parse(include_str!("data/plain-gpu.toml")).unwrap()
}

/// That GPU with other extents, for the ceilings that have any.
fn resized(change: impl Fn(&mut VariantKeys)) -> Profile {
    let mut profile = whole_gpu();
    profile.ceiling.iter_mut().filter_map(|ceiling| ceiling.variant.as_mut()).for_each(change);
    profile
}

fn text(comparison: &Comparison, format: Format) -> String {
    let wide = Style { width: 1000, colour: false };
    report::report(comparison, Shown::Main).unwrap().render(format.styled(wide)).unwrap()
}

fn models() -> Vec<Model> {
    vec![find("qwen2.5-0.5b").unwrap(), find("llama-3.2-1b").unwrap()]
}

fn pair(one: &Profile, two: &Profile) -> Comparison {
    let workload = Workload { generate: Some(16), ..Workload::default() };
    compare(&[("one", one), ("two", two)], &models(), &workload.into()).unwrap()
}

fn quantity<'a>(comparison: &'a Comparison, name: &str) -> &'a Quantity {
    comparison.quantities.iter().find(|q| q.quantity == name).unwrap_or_else(|| panic!("{name} is missing"))
}

fn second(quantity: &Quantity) -> &Entry {
    quantity.entries[1].as_ref().unwrap()
}

/// Every ratio of a comparison of two, with the name of what it is of.
fn ratios(comparison: &Comparison) -> Vec<(String, Option<Ratio>)> {
    let measured = comparison.quantities.iter().map(|q| {
        assert!(q.entries[0].as_ref().is_none_or(|first| first.ratio.is_none()), "the reference has no ratio");
        (q.quantity.to_string(), q.entries[1].as_ref().and_then(|entry| entry.ratio))
    });
    let hoped = comparison.models.iter().flat_map(|model| {
        let speeds = model.phases.iter().map(|p| (p.phase.name(), p.entries[1].ratio));
        speeds.map(|(phase, ratio)| (format!("{} {phase}", model.model), ratio))
    });
    let mut all: Vec<_> = measured.chain(hoped).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-12 * a.abs().max(b.abs())
}

#[test]
fn a_profile_is_as_fast_as_itself_and_nothing_is_decided() {
    // Some that are quoted have only a few figures: not enough to reckon with.
    let has = |profile: &Profile, ids: [&str; 2]| profile.ceiling.iter().any(|c| ids.contains(&c.id.as_str()));
    let can_reckon = |profile: &Profile| {
        has(profile, ["compute.f16", "compute.f32"]) && has(profile, ["memory.dram.read", "memory.vram.read"])
    };
    let shipped = SHIPPED.iter().map(|shipped| shipped.profile().unwrap()).filter(can_reckon);
    for profile in shipped.chain([plain(), other()]) {
        let comparison = pair(&profile, &profile);
        assert_eq!(comparison.quantities.len(), profile.ceiling.len());
        let valued = profile.ceiling.iter().filter(|ceiling| ceiling.value().is_some()).count();
        let ratios: Vec<_> = ratios(&comparison).into_iter().filter_map(|(name, r)| Some((name, r?))).collect();
        assert_eq!(ratios.len(), valued + 2 * 3, "three phases of two models");
        for (name, ratio) in ratios {
            assert_eq!(ratio.value, 1.0, "{name}");
            assert_ne!(ratio.verdict, Some(Verdict::Decided), "{name}");
            assert_eq!(ratio.verdict.is_some(), ratio.interval.is_some(), "{name}");
            assert!(ratio.interval.is_none_or(|[low, high]| low <= 1.0 && 1.0 <= high), "{name}");
        }
    }
}

#[test]
fn the_other_way_round_every_ratio_is_inverted() {
    let (zen3, zen4) = (SHIPPED[0].profile().unwrap(), SHIPPED[1].profile().unwrap());
    let mut decided = 0;
    for (one, two) in [(&zen3, &zen4), (&plain(), &other()), (&plain(), &gpu())] {
        let (there, back) = (ratios(&pair(one, two)), ratios(&pair(two, one)));
        assert_eq!(there.len(), back.len());
        for ((name, a), (same, b)) in there.iter().zip(&back) {
            assert_eq!((name, a.is_some()), (same, b.is_some()));
            let (Some(a), Some(b)) = (a, b) else { continue };
            assert!(close(a.value, 1.0 / b.value), "{name}: {a:?} {b:?}");
            assert_eq!(a.verdict, b.verdict, "{name}");
            if let (Some([low, high]), Some([least, most])) = (a.interval, b.interval) {
                assert!(close(low, 1.0 / most) && close(high, 1.0 / least), "{name}: {a:?} {b:?}");
            }
            decided += usize::from(a.verdict == Some(Verdict::Decided));
        }
    }
    assert!(decided > 10, "the pairs differ: {decided}");
}

#[test]
fn above_one_is_faster_for_rates_and_times() {
    let slower = |factor: f64| {
        let mut profile = SHIPPED[1].profile().unwrap();
        for ceiling in &mut profile.ceiling {
            let times = [&mut ceiling.ns, &mut ceiling.us].into_iter().flatten();
            times.for_each(|time| *time *= factor);
            let rates = [&mut ceiling.gb_per_s, &mut ceiling.gflop_per_s].into_iter().flatten();
            rates.for_each(|rate| *rate /= factor);
            let time = ceiling.ns.is_some() || ceiling.us.is_some();
            let change = if time { factor } else { 1.0 / factor };
            ceiling.ci95 = ceiling.ci95.map(|ends| ends.map(|end| end * change));
        }
        profile
    };
    let comparison = pair(&slower(1.0), &slower(8.0));
    let times = |q: &&Quantity| q.unit == Some("ns") || q.unit == Some("µs");
    assert_eq!(comparison.quantities.iter().filter(times).count(), 7);
    for (name, ratio) in ratios(&comparison) {
        let Some(ratio) = ratio else { continue };
        assert!((ratio.value - 0.125).abs() < 1e-9, "{name}: {ratio:?}");
        let [low, high] = ratio.interval.unwrap();
        assert!(low <= ratio.value && ratio.value <= high && high < 1.0, "{name}: {ratio:?}");
        assert_eq!(ratio.verdict, Some(Verdict::Decided), "{name}");
    }
}

#[test]
fn ratios_counted_on_paper() {
    let comparison = pair(&plain(), &other());
    // 40 (32 … 50) over 20 (16 … 25) GB/s.
    let main = second(quantity(&comparison, "memory.main.read"));
    let ratio = main.ratio.unwrap();
    assert_eq!((ratio.value, ratio.interval), (2.0, Some([32.0 / 25.0, 50.0 / 16.0])));
    assert_eq!((ratio.verdict, main.id.as_str()), (Some(Verdict::Decided), "memory.dram.read"));
    // 240 (192 … 300) over 200 (160 … 250) GFLOP/s: the intervals overlap.
    let suspect = second(quantity(&comparison, "compute.f32"));
    assert_eq!((suspect.status, suspect.ratio.unwrap().verdict), (Status::Suspect, Some(Verdict::Undecided)));
    // Without a value there is a status with its reason, and no ratio.
    let missing = second(quantity(&comparison, "compute.f16"));
    assert_eq!((missing.status, missing.value, missing.ratio), (Status::Unsupported, None, None));
    assert!(missing.reason.as_ref().unwrap().contains("no f16"));
    // The second figure stays beside the first.
    let alone = quantity(&comparison, "matmul.q8_0.m1");
    assert_eq!(alone.entries[0], None);
    assert_eq!((second(alone).second_value, second(alone).second_unit), (Some(34.0), Some("GB/s")));
    // Decode reads at twice the rate; what little it writes hardly counts.
    let speeds = &comparison.models[0].phases[1].entries;
    assert!((speeds[1].ratio.unwrap().value - 2.0).abs() < 0.01 && speeds[0].ratio.is_none());
}

#[test]
fn a_difference_needs_intervals_to_be_decided() {
    let mut bare = other();
    bare.ceiling.iter_mut().for_each(|ceiling| ceiling.ci95 = None);
    for (name, ratio) in ratios(&pair(&plain(), &bare)) {
        let Some(ratio) = ratio else { continue };
        assert_eq!((ratio.interval, ratio.verdict), (None, None), "{name}");
    }
    let text = text(&pair(&plain(), &bare), Format::default());
    assert!(text.contains("?2.00") && text.contains("an interval is missing"), "{text}");
}

#[test]
fn main_memory_is_one_quantity_whatever_it_is_called() {
    let comparison = pair(&plain(), &gpu());
    let main = quantity(&comparison, "memory.main.read");
    let ids: Vec<&str> = main.names().collect();
    assert_eq!(ids, ["memory.main.read", "memory.dram.read", "memory.vram.read"]);
    // A GPU's caches are not a CPU's.
    assert_eq!(quantity(&comparison, "memory.l1.read").entries[0], None);
    // A GPU may call it dram; where it has both, vram is its own and the other stays apart.
    let mut named_dram = other();
    named_dram.device.kind = DeviceKind::Gpu;
    assert_eq!(second(quantity(&pair(&plain(), &named_dram), "memory.main.read")).id, "memory.dram.read");
    let mut both = gpu();
    both.ceiling.push(plain().ceiling("memory.dram.read").unwrap().clone());
    let comparison = pair(&plain(), &both);
    assert_eq!(second(quantity(&comparison, "memory.main.read")).id, "memory.vram.read");
    assert_eq!(quantity(&comparison, "memory.dram.read").entries[0], None);
}

#[test]
fn different_extents_have_a_ratio_and_no_verdict() {
    let is_sized = |name: &str| name.starts_with("matmul.") || name.starts_with("attention.");
    let whole = whole_gpu();
    // Every extent counts on its own.
    let changes: [fn(&mut VariantKeys); 7] = [
        |v| v.m = v.m.map(|n| 2 * n),
        |v| v.n = v.n.map(|n| 2 * n),
        |v| v.k = v.k.map(|n| 2 * n),
        |v| v.heads = v.heads.map(|n| 2 * n),
        |v| v.kv_heads = v.kv_heads.map(|n| 2 * n),
        |v| v.head_dim = v.head_dim.map(|n| 2 * n),
        |v| v.context = v.context.map(|n| 2 * n),
    ];
    for (change, name) in changes.into_iter().zip(Extents::NAMES) {
        let comparison = pair(&whole, &resized(change));
        let family = if ["m", "n", "k"].contains(&name) { "matmul." } else { "attention." };
        for quantity in &comparison.quantities {
            assert_eq!(
                quantity.same_extents,
                !quantity.quantity.as_str().starts_with(family),
                "{name}: {}",
                quantity.quantity
            );
            let Some(ratio) = second(quantity).ratio else { continue };
            assert!(ratio.value == 1.0 && ratio.interval.is_some(), "{name}: {}", quantity.quantity);
            assert_eq!(ratio.verdict.is_some(), quantity.same_extents, "{name}: {}", quantity.quantity);
        }
        let text = text(&comparison, Format::default());
        assert!(text.contains("≠1.00") && text.lines().filter(|line| line.starts_with('≠')).count() == 1, "{text}");
    }
    // How the work was done is no extent of it.
    let comparison = pair(&whole, &resized(|v| (v.copies, v.workgroups) = (Some(7), Some(9))));
    assert!(
        comparison.quantities.iter().all(|q| q.same_extents) && !text(&comparison, Format::default()).contains('≠')
    );
    // Where only one tells, nobody knows; where none tells, nothing differs.
    let untold = resized(|v| *v = VariantKeys::default());
    let comparison = pair(&untold, &whole);
    assert!(comparison.quantities.iter().all(|q| q.same_extents != is_sized(q.quantity.as_str())));
    assert!(text(&comparison, Format::default()).contains("(P1 unknown, P2 m 1 n 12288 k 4096)"));
    assert!(pair(&untold, &untold).quantities.iter().all(|q| q.same_extents));
}

#[test]
fn the_note_lists_what_differs_and_the_record_all_extents() {
    let (one, two) = (whole_gpu(), resized(|v| v.n = v.n.filter(|&n| n > 4096).map(|n| n / 4).or(v.n)));
    let comparison = compare(&[("a", &one), ("b", &one), ("c", &two)], &[], &Query::default()).unwrap();
    let row = quantity(&comparison, "matmul.q4_0.m1");
    let verdict = |place: usize| row.entries[place].as_ref().unwrap().ratio.unwrap().verdict;
    assert_eq!((row.same_extents, verdict(1), verdict(2)), (false, Some(Verdict::Undecided), None));
    let text = text(&comparison, Format::default());
    let note = text.lines().find(|line| line.starts_with('≠')).unwrap();
    assert!(note.ends_with("matmul.q4_k.m1 (P1 n 12288, P2 n 12288, P3 n 3072)"), "{note}");
    assert!(!note.contains("m512") && !note.contains("attention"), "{note}");
    let json = serde_json::to_value(&comparison).unwrap();
    let row = json["quantities"].as_array().unwrap().iter().find(|q| q["quantity"] == "matmul.q4_0.m1").unwrap();
    assert_eq!(row["same_extents"], false);
    assert_eq!(row["entries"][2]["extents"], serde_json::json!({ "m": 1, "n": 3072, "k": 4096 }));
    assert!(row["entries"][2]["ratio"]["verdict"].is_null() && row["entries"][2]["ratio"]["value"] == 1.0);
    // A profile without a value has nothing that could differ.
    let mut without = two;
    let variant = without.ceiling("matmul.q4_0.m1").unwrap().variant.clone();
    let place = without.ceiling.iter().position(|c| c.id == "matmul.q4_0.m1").unwrap();
    without.ceiling[place] = roofprobe::profile::Ceiling::without_value(
        "matmul.q4_0.m1".parse().unwrap(),
        Status::Skipped,
        "no time was left",
    );
    without.ceiling[place].variant = variant;
    assert!(quantity(&pair(&one, &without), "matmul.q4_0.m1").same_extents);
}

#[test]
fn a_software_adapter_is_marked() {
    let (gpu, mut software) = (whole_gpu(), whole_gpu());
    software.device.gpu.as_mut().unwrap().class = GpuClass::Software;
    let comparison = compare(&[("cpu", &plain()), ("gpu", &gpu), ("soft", &software)], &[], &Query::default()).unwrap();
    for format in ["text", "markdown"].map(|name| Format::named(name).unwrap()) {
        let text = text(&comparison, format);
        let marked: Vec<&str> = text.lines().filter(|line| line.contains("software")).collect();
        assert!(marked.len() == 1 && marked[0].contains("test GPU, software, no GPU"), "{text}");
    }
    let json = serde_json::to_value(&comparison).unwrap();
    let classes: Vec<_> = json["profiles"].as_array().unwrap().iter().map(|p| p["class"].as_str()).collect();
    assert_eq!(classes, [None, Some("discrete"), Some("software")]);
    assert!(json["profiles"][0].as_object().unwrap().contains_key("class"), "null, not absent");
}

#[test]
fn what_only_one_has_keeps_its_neighbours() {
    let comparison = pair(&plain(), &other());
    let order: Vec<&str> = comparison.quantities.iter().map(|q| q.quantity.as_str()).collect();
    let place = |name: &str| order.iter().position(|known| *known == name).unwrap();
    assert_eq!(place("memory.l1.read") + 1, place("memory.main.read"));
    assert_eq!(place("compute.f32") + 1, place("compute.f32.avx2"));
    assert!(place("matmul.q8_0.m1") < place("matmul.q8_0.m8"));
    let mut unique = order.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), order.len(), "{order:?}");
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let (plain, workload) = (plain(), Workload::default());
    let alone = compare(&[("one", &plain)], &[], &workload.into()).unwrap_err().to_string();
    assert!(alone.contains("at least two profiles"), "{alone}");
    let mut forgetful = other();
    forgetful.ceiling.retain(|ceiling| !ceiling.id.as_str().starts_with("memory.dram"));
    let profiles = [("one", &plain), ("two.toml", &forgetful)];
    assert!(compare(&profiles, &[], &workload.into()).is_ok(), "its other ceilings can be compared");
    let message = compare(&profiles, &models(), &workload.into()).unwrap_err().to_string();
    assert!(message.contains("two.toml") && message.contains("memory.dram.read"), "{message}");
    assert!(message.ends_with("; `roofprobe measure` measures all"), "{message}");
    let mut forgetful = gpu();
    forgetful.ceiling.retain(|ceiling| !ceiling.id.as_str().starts_with("memory.vram"));
    let message =
        compare(&[("one", &plain), ("gpu.toml", &forgetful)], &models(), &workload.into()).unwrap_err().to_string();
    assert!(message.contains("memory.vram.read has no value"), "{message}");
    assert!(message.ends_with("; `roofprobe measure --device gpu` measures all"), "{message}");
}
