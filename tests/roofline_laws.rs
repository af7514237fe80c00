//! Laws of bounds, and of distances to the ridge.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::potential::{Point, Potential};
use roofprobe::profile::{Profile, Status, parse};
use roofprobe::roofline::{Arithmetic, Bound, Load, Resource, Ridge, Roof, Roofs, Span};
use roofprobe::units::{Bytes, BytesPerSecond, Flops, FlopsPerByte, FlopsPerSecond};
use roofprobe_kernels::{Dtype, Op};

const PLAIN: &str = include_str!("data/plain-cpu.toml");
const PLAIN_GPU: &str = include_str!("data/plain-gpu.toml");

fn plain() -> Profile {
    parse(PLAIN).unwrap()
}

fn roof<R: Copy>(id: &'static str, rate: R) -> Roof<'static, R> {
    Roof { id, rate, low: rate, high: rate, notes: Vec::new() }
}

fn bound(flops: f64, read: f64, written: f64, [compute, reading, writing]: [f64; 3]) -> Bound<'static> {
    let load = Load { flops: Flops(flops), read: Bytes(read), written: Bytes(written), activations: Bytes(0.0) };
    Bound::of(
        &load,
        Some(&roof("compute", FlopsPerSecond(compute))),
        &roof("read", BytesPerSecond(reading)),
        &roof("write", BytesPerSecond(writing)),
    )
}

/// A few values over many octaves.
const SCALES: [f64; 6] = [0.0, 0.3, 1.0, 7.0, 1e3, 2e9];
const RATES: [f64; 4] = [0.5, 1.0, 40.0, 3e11];

#[test]
fn bounds_grow_with_work_and_shrink_with_rates() {
    for f in SCALES {
        for q in SCALES {
            for w in SCALES {
                for c in RATES {
                    for b in RATES {
                        let t = bound(f, q, w, [c, b, b]).seconds();
                        let slower = [
                            bound(f * 2.0 + 1.0, q, w, [c, b, b]),
                            bound(f, q * 2.0 + 1.0, w, [c, b, b]),
                            bound(f, q, w * 2.0 + 1.0, [c, b, b]),
                            bound(f, q, w, [c / 2.0, b, b]),
                            bound(f, q, w, [c, b / 2.0, b]),
                            bound(f, q, w, [c, b, b / 2.0]),
                        ];
                        assert!(slower.iter().all(|other| other.seconds() >= t), "{f} {q} {w} {c} {b}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_sum_of_bounds_lies_between_the_optimistic_bound_and_twice_it() {
    let mut bounds = Vec::new();
    for f in SCALES {
        for q in SCALES {
            bounds.push(bound(f, q, 0.5, [3.0, 2.0, 1.0]));
            let span = Span::of(&bounds);
            let (max, sum) = (span.optimistic.0, span.seconds.0);
            assert!(max <= sum * (1.0 + 1e-12) && sum <= 2.0 * max * (1.0 + 1e-12), "{max} {sum}");
            assert!((0.0..=1.0).contains(&span.memory_bound_share()));
            let charged: f64 = span.by_ceiling().map(|(.., seconds)| seconds.0).sum();
            assert!((charged - sum).abs() <= sum * 1e-12);
        }
    }
}

#[test]
fn at_the_ridge_both_resources_bind() {
    let ridge = Ridge { compute: FlopsPerSecond(400.0), bandwidth: BytesPerSecond(20.0) };
    let at = |flops| bound(flops, 10.0, 0.0, [400.0, 20.0, 20.0]);
    let here = at(10.0 * ridge.intensity().0);
    assert_eq!(here.compute, here.memory);
    assert_eq!(here.resource, Resource::Compute);
    assert_eq!(at(199.0).resource, Resource::Memory);
    assert_eq!(at(199.0).ceiling, Some("read"));
    assert_eq!(ridge.attainable(FlopsPerByte(20.0)), FlopsPerSecond(400.0));
    assert_eq!(ridge.attainable(FlopsPerByte(5.0)), FlopsPerSecond(100.0));
}

#[test]
fn where_the_intervals_of_both_times_meet_nothing_is_decided() {
    // π 400 ± 10 %, β 20 from 18 to 25: the ridge may lie anywhere from 14.4 to 24.4.
    let compute =
        Roof { low: FlopsPerSecond(360.0), high: FlopsPerSecond(440.0), ..roof("compute", FlopsPerSecond(400.0)) };
    let read = Roof { low: BytesPerSecond(18.0), high: BytesPerSecond(25.0), ..roof("read", BytesPerSecond(20.0)) };
    let at = |flops: f64, bytes: f64| {
        let load = Load { flops: Flops(flops), read: Bytes(bytes), ..Load::default() };
        Bound::of(&load, Some(&compute), &read, &roof("write", BytesPerSecond(20.0)))
    };
    for (flops, undecided) in [(143.0, false), (145.0, true), (200.0, true), (244.0, true), (245.0, false)] {
        assert_eq!(at(flops, 10.0).undecided(), undecided, "{flops}");
    }
    // One resource alone leaves no doubt.
    assert!(!at(0.0, 10.0).undecided() && !at(10.0, 0.0).undecided() && !at(0.0, 0.0).undecided());
    let span = Span::of(&[at(200.0, 10.0), at(145.0, 10.0), at(4000.0, 10.0)]);
    assert_eq!(span.undecided.0, 1.0);
    assert!((span.undecided_share() - 1.0 / 11.0).abs() < 1e-12);
    assert_eq!(Span::default().undecided_share(), 0.0);
}

#[test]
fn any_number_of_ceilings_is_charged() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let bounds = names.map(|name| {
        let load = Load { read: Bytes(1.0), ..Load::default() };
        Bound::of(&load, None, &roof(name, BytesPerSecond(1.0)), &roof("write", BytesPerSecond(1.0)))
    });
    let span = Span::of(bounds.iter().chain(&bounds));
    let charged: Vec<(&str, f64)> = span.by_ceiling().map(|(name, _, seconds)| (name, seconds.0)).collect();
    assert_eq!(charged, names.map(|name| (name, 2.0)));
}

#[test]
fn nothing_to_do_takes_no_time_and_no_ceiling() {
    let idle = bound(0.0, 0.0, 0.0, [1.0; 3]);
    assert_eq!((idle.seconds().0, idle.ceiling), (0.0, None));
    assert_eq!(Span::of(&[]).memory_bound_share(), 0.0);
    assert_eq!(bound(0.0, 1.0, 2.0, [1.0; 3]).ceiling, Some("write"));
}

#[test]
fn operations_use_the_arithmetic_of_their_engines() {
    let table = [
        (Op::Matmul, Dtype::F32, Arithmetic::F32),
        (Op::Matmul, Dtype::F16, Arithmetic::F16),
        (Op::Matmul, Dtype::Bf16, Arithmetic::BF16),
        (Op::Matmul, Dtype::Q8_0, Arithmetic::I8),
        (Op::Matmul, Dtype::Q4_0, Arithmetic::I8),
        (Op::Attention, Dtype::F16, Arithmetic::F16),
        (Op::Attention, Dtype::Q8_0, Arithmetic::F32),
    ];
    for (op, dtype, arithmetic) in table {
        assert_eq!(Arithmetic::of(op, dtype), arithmetic, "{op} {dtype}");
    }
}

/// The fixture with one ceiling changed.
fn changed(id: &str, change: impl Fn(&mut roofprobe::profile::Ceiling)) -> Profile {
    let mut profile = plain();
    profile.ceiling.iter_mut().filter(|ceiling| ceiling.id == id).for_each(change);
    profile
}

#[test]
fn a_ceiling_without_value_is_replaced_and_that_is_said() {
    for status in [Status::Unsupported, Status::Rejected, Status::Skipped] {
        let profile = changed("compute.f16", |ceiling| {
            ceiling.status = status;
            ceiling.reason = Some("no such instruction".to_owned());
            ceiling.gflop_per_s = None;
            ceiling.ci95 = None;
        });
        let roofs = Roofs::of(&profile, "plain").unwrap();
        let roof = roofs.compute(Arithmetic::F16).unwrap();
        assert_eq!((roof.id, roof.rate), ("compute.f32", FlopsPerSecond(2e11)));
        for word in ["compute.f16", status.name(), "no such instruction", "compute.f32 stands in"] {
            assert!(roof.notes[0].to_string().contains(word), "{:?}", roof.notes);
        }
    }
}

#[test]
fn doubts_are_carried_along() {
    let profile = changed("memory.dram.read", |ceiling| {
        ceiling.status = Status::Suspect;
        ceiling.reason = Some("two modes".to_owned());
        ceiling.ci95 = None;
    });
    let read = Roofs::of(&profile, "plain").unwrap().read;
    assert_eq!(read.rate, BytesPerSecond(2e10));
    assert!(
        read.notes[0].to_string().contains("suspect (two modes)") && read.notes[1].to_string().contains("no interval")
    );
    assert_eq!((read.low, read.high), (read.rate, read.rate));
}

#[test]
fn intervals_contain_the_value() {
    let profile = changed("memory.dram.read", |ceiling| ceiling.ci95 = Some([21.0, 22.0]));
    let read = Roofs::of(&profile, "plain").unwrap().read;
    assert_eq!((read.low, read.high), (BytesPerSecond(2e10), BytesPerSecond(2.2e10)));
}

#[test]
fn a_profile_without_roof_is_named_with_the_remedy() {
    let mut profile = plain();
    profile.ceiling.retain(|ceiling| !ceiling.id.as_str().starts_with("memory"));
    let message = Roofs::of(&profile, "bare").unwrap_err().to_string();
    for word in ["bare: ", "memory.dram.read", "`roofprobe measure`"] {
        assert!(message.contains(word), "{message}");
    }
    let mut profile = plain();
    profile.ceiling.retain(|ceiling| !ceiling.id.as_str().starts_with("compute"));
    let roofs = Roofs::of(&profile, "bare").unwrap();
    let message = roofs.compute(Arithmetic::I8).unwrap_err().to_string();
    assert!(message.contains("compute.i8") && message.contains("compute.f32 has no value"), "{message}");
    // Reading a table asks for no arithmetic.
    assert!(roofs.bound(&Load { read: Bytes(1.0), ..Load::default() }, Arithmetic::F32).is_ok());
}

#[test]
fn a_gpu_reads_its_own_memory() {
    let text = PLAIN.replace("kind = \"cpu\"", "kind = \"gpu\"").replace("memory.dram.read", "memory.vram.read");
    let profile = parse(&text).unwrap();
    let roofs = Roofs::of(&profile, "gpu").unwrap();
    assert_eq!((roofs.read.id, roofs.write.id), ("memory.vram.read", "memory.dram.write"));
    let mut profile = parse(PLAIN_GPU).unwrap();
    let ids = |profile: &Profile| {
        let roofs = Roofs::of(profile, "gpu").unwrap();
        [roofs.read.id.to_owned(), roofs.write.id.to_owned()]
    };
    assert_eq!(ids(&profile), ["memory.vram.read", "memory.vram.write"]);
    profile.ceiling.retain(|ceiling| ceiling.id != "memory.vram.write");
    assert_eq!(ids(&profile), ["memory.vram.read", "memory.vram.read"]);
    profile.ceiling.retain(|ceiling| !ceiling.id.as_str().starts_with("memory.vram"));
    let message = Roofs::of(&profile, "bare").unwrap_err().to_string();
    assert!(message.contains("bare: memory.vram.read has no value"), "{message}");
}

const RIDGE: Ridge = Ridge { compute: FlopsPerSecond(4e11), bandwidth: BytesPerSecond(2e10) };

/// A point at `o` ridge intensities and a share `p` of the compute roof.
fn potential(o: f64, p: f64) -> Potential {
    let point = Point { intensity: FlopsPerByte(RIDGE.intensity().0 * o), rate: RIDGE.compute * p };
    Potential::of(point, RIDGE)
}

#[test]
fn the_goal_has_no_potential_left() {
    let goal = potential(1.0, 1.0);
    let all = [goal.phi, goal.phi_log2, goal.phi_paper, goal.headroom_log2, goal.reach_log2, goal.region_area];
    assert!(all.iter().all(|x| x.abs() < 1e-12), "{goal:?}");
    assert!(!goal.above_roof);
}

/// The same sum in another order is the same rate: what is within rounding of the roof is at it, and no more than that.
#[test]
fn what_rounding_moves_is_at_the_roof() {
    for (o, p) in [(0.3, 0.3), (1.0, 1.0), (7.0, 1.0)] {
        for share in [1.0 - 2e-16, 1.0 + 4e-16, 1.0 - 1e-10, 1.0 + 1e-10] {
            let here = potential(o, p * share);
            assert_eq!((here.headroom_log2, here.above_roof), (0.0, false), "{o} {share}");
            assert!(o < 1.0 || (here.phi, here.phi_log2) == (0.0, 0.0), "{here:?}");
        }
        assert!(potential(o, p * (1.0 - 1e-8)).headroom_log2 > 1e-8 && potential(o, p * (1.0 + 1e-8)).above_roof);
    }
}

#[test]
fn under_the_roof_phi_is_at_most_root_two() {
    for i in 1..200 {
        for j in 1..=50 {
            let o = f64::from(i) / 50.0;
            let p = o.min(1.0) * f64::from(j) / 50.0;
            let here = potential(o, p);
            assert!((0.0..=2.0_f64.sqrt()).contains(&here.phi), "{o} {p}: {here:?}");
            assert!(here.headroom_log2 >= -1e-12 && here.region_area >= 0.0 && !here.above_roof, "{o} {p}: {here:?}");
            assert_eq!(here.regime == Resource::Compute, o >= 1.0);
        }
    }
}

#[test]
fn distances_are_continuous_across_the_ridge() {
    for p in [0.1, 0.5, 0.9] {
        let (left, right) = (potential(1.0 - 1e-9, p), potential(1.0, p));
        assert!((left.phi - right.phi).abs() < 1e-6);
        assert!((left.phi_log2 - right.phi_log2).abs() < 1e-6);
        assert!((left.phi_paper - right.phi_paper).abs() < 1e-6);
        assert!((left.headroom_log2 - right.headroom_log2).abs() < 1e-6);
    }
}

#[test]
fn the_region_is_what_integration_finds() {
    for (o, p) in [(0.1, 0.05), (0.25, 0.25), (0.5, 0.01), (0.1, 0.3), (0.1, 2.0)] {
        let here = potential(o, p);
        let steps = 100_000;
        let width = here.reach_log2 / f64::from(steps);
        let height = |i: i32| (o.log2() + (f64::from(i) + 0.5) * width - p.log2()).max(0.0);
        let area: f64 = (0..steps).map(|i| height(i) * width).sum();
        assert!((here.region_area - area).abs() < 1e-3, "{o} {p}: {} {area}", here.region_area);
    }
}

#[test]
fn the_printed_formula_is_in_gflops_and_flop_per_byte() {
    // OI 5 against 20, 60 against 400 GFLOP/s.
    let here = potential(0.25, 0.15);
    assert!((here.phi_paper - (15.0_f64.powi(2) + 340.0_f64.powi(2)).sqrt()).abs() < 1e-9);
    assert!((potential(2.0, 0.25).phi_paper - 300.0).abs() < 1e-9);
}

#[test]
fn a_point_above_the_roof_is_flagged_and_not_clamped() {
    for (o, p, octaves) in [(0.25, 0.5, -1.0), (2.0, 2.0, -1.0)] {
        let here = potential(o, p);
        assert!(here.above_roof && (here.headroom_log2 - octaves).abs() < 1e-12, "{here:?}");
    }
    assert!(potential(2.0, 2.0).phi < 0.0);
}

#[test]
fn products_are_done_in_the_fastest_arithmetic_that_can_do_them() {
    let roof = |toml: &str, arithmetic: Arithmetic| {
        let profile = parse(toml).unwrap();
        let roofs = Roofs::of(&profile, "quoted").unwrap();
        let roof = roofs.compute(arithmetic).unwrap();
        (
            roof.id.to_owned(),
            roof.rate.giga(),
            roof.notes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        )
    };
    let pi = include_str!("../profiles/raspberry-pi-5-rooflinebench.toml");
    let (id, rate, remarks) = roof(pi, Arithmetic::F16);
    assert_eq!((id.as_str(), rate), ("compute.f32", 78.56), "f16 is slower there");
    assert!(remarks.contains("compute.f16") && remarks.contains("1.48"), "{remarks}");
    assert_eq!(roof(pi, Arithmetic::I8).0, "compute.f32");
    let jetson = include_str!("../profiles/nvidia-jetson-orin-nano-super-rooflinebench.toml");
    let (id, rate, remarks) = roof(jetson, Arithmetic::I8);
    assert_eq!((id.as_str(), rate), ("compute.f16", 9560.0), "no i8 there, and f16 is the faster one");
    assert!(remarks.contains("compute.i8 is not in the profile"), "{remarks}");
}
