//! Laws of the achieved roof: what measured kernels are taken to do between, beyond and instead of what was measured.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod attention;

use roofprobe::model::{Counted, Forward, Latents, Pass, TensorType, Workload, find};
use roofprobe::profile::{Ceiling, Curve, CurveAxis, DeviceKind, Family, Profile, Status, VariantKeys, parse};
use roofprobe::roofline::{
    Achieved, AchievedBound, AchievedSpan, Arithmetic, Bound, Kernel, Load, Note, Resource, Roofs, Task,
};
use roofprobe::units::{Bytes, Flops, Seconds};
use roofprobe_kernels::{Dtype, Op};

const PLAIN: &str = include_str!("../data/plain-cpu.toml");
const SOFTWARE_GPU: &str = include_str!("../data/measured-software-gpu.toml");

/// The fixture, which has peaks only.
fn plain() -> Profile {
    parse(PLAIN).unwrap()
}

fn measured(id: &str, value: f64) -> Ceiling {
    let ceiling = Ceiling::with_value(id.parse().unwrap(), Status::Measured, value);
    Ceiling { ci95: Some([value * 0.9, value * 1.2]), ..ceiling }
}

/// GFLOP/s by tokens.
fn with_ladder(mut profile: Profile, dtype: Dtype, rungs: &[(u64, f64)]) -> Profile {
    let rung = |&(tokens, rate): &(u64, f64)| measured(&format!("matmul.{dtype}.m{tokens}"), rate);
    profile.ceiling.extend(rungs.iter().map(rung));
    profile
}

/// GB/s of a decode step of these query heads, 8 key/value heads, and elements per head, at 4096 cached tokens.
fn with_attention(mut profile: Profile, id: &str, (heads, head_dim): (u64, u64), rate: f64) -> Profile {
    let variant = VariantKeys {
        heads: Some(heads),
        kv_heads: Some(8),
        head_dim: Some(head_dim),
        context: Some(4096),
        ..VariantKeys::default()
    };
    profile.ceiling.push(Ceiling { variant: Some(variant), ..measured(id, rate) });
    profile
}

/// `tokens` tokens through `elements` weights.
fn matmul(stored: TensorType, tokens: f64, elements: f64) -> Task {
    let block = stored.block().unwrap();
    let bytes = elements * block.bytes as f64 / block.elements as f64;
    let load = Load {
        flops: Flops(2.0 * tokens * elements),
        read: Bytes(bytes),
        written: Bytes(0.0),
        activations: Bytes(0.0),
    };
    Task { kernel: Kernel::Matmul { tokens, n: 4096.0 }, stored, load, launches: 0.0 }
}

/// A step of `group` query heads to each of `bytes` of f16 cache.
fn decode(group: f64, head_dim: f64, context: f64, bytes: f64) -> Task {
    let kernel = Kernel::Attention { pass: Pass::Decode, group, head_dim, uses: 1.0, context };
    let load = Load { flops: Flops(group * bytes), read: Bytes(bytes), written: Bytes(0.0), activations: Bytes(0.0) };
    Task { kernel, stored: TensorType::F16, load, launches: 0.0 }
}

/// Whatever is asked, as the profile answers it: what it says, and what it remarks.
fn ask<T>(profile: &Profile, task: &Task, see: impl FnOnce(AchievedBound, Bound) -> T) -> (T, Vec<Note>) {
    let roofs = Roofs::of(profile, "test").unwrap();
    let achieved = Achieved::of(profile, "test").unwrap();
    let peak = roofs.bound(&task.load, task.arithmetic()).unwrap();
    (see(achieved.bound(task, &peak), peak), achieved.notes([task]))
}

fn seconds(profile: &Profile, task: &Task) -> f64 {
    ask(profile, task, |bound, _| bound.seconds.0).0
}

fn said_by(profile: &Profile, task: &Task) -> (String, Vec<Note>) {
    ask(profile, task, |bound, _| bound.by.unwrap().to_string())
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() <= 1e-12 * a.abs().max(b.abs()), "{a} {b}");
}

fn remarked(notes: &[Note], words: &[&str]) {
    let remarks: Vec<String> = notes.iter().map(Note::to_string).collect();
    assert!(remarks.iter().any(|remark| words.iter().all(|word| remark.contains(word))), "{words:?}: {remarks:?}");
}

/// Numbers over many octaves, always the same ones.
struct Awkward(u64);

impl Awkward {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn octaves(&mut self, low: f64, high: f64) -> f64 {
        (low + (high - low) * self.unit()).exp2()
    }
}

const RUNGS: [(u64, f64); 4] = [(1, 100.0), (4, 300.0), (8, 250.0), (512, 700.0)];

#[test]
fn rungs_are_met_exactly_and_between_them_rates_lie_between() {
    let profile = with_ladder(plain(), Dtype::Q4_0, &RUNGS);
    for (tokens, rate) in RUNGS {
        let task = matmul(TensorType::Q4_0, tokens as f64, 3e6);
        let (bound, _) = ask(&profile, &task, |bound, _| (bound.seconds, bound.fastest, bound.slowest));
        assert_eq!(bound.0, Seconds(task.load.flops.0 / (rate * 1e9)));
        close(bound.1.0 * 1.2, bound.0.0);
        close(bound.2.0 * 0.9, bound.0.0);
        assert_eq!(said_by(&profile, &task), (format!("matmul.q4_0.m{tokens}"), Vec::new()));
    }
    let rate = |tokens: f64| {
        let task = matmul(TensorType::Q4_0, tokens, 3e6);
        task.load.flops.0 / seconds(&profile, &task) / 1e9
    };
    // A pass of one takes 1/100 of a unit, one of four 4/300; of two a third of the way between, 1/90.
    close(rate(2.0), 180.0);
    let mut awkward = Awkward(1);
    for _ in 0..200 {
        let tokens = awkward.octaves(0.0, 9.0);
        let above = RUNGS.iter().position(|(at, _)| *at as f64 >= tokens).unwrap_or(3);
        let (a, b) = (RUNGS[above.saturating_sub(1)].1, RUNGS[above].1);
        assert!((a.min(b) * 0.999_999..=a.max(b) * 1.000_001).contains(&rate(tokens)), "{tokens}");
    }
    assert_eq!(rate(4096.0), rate(512.0));
    assert_eq!(said_by(&profile, &matmul(TensorType::Q4_0, 5.5, 1e6)).0, "matmul.q4_0.m4..m8");
}

#[test]
fn times_grow_with_work_and_lie_in_their_intervals() {
    let mut profile = with_ladder(plain(), Dtype::Q4_0, &RUNGS);
    profile = with_ladder(profile, Dtype::F16, &[(1, 30.0), (512, 200.0)]);
    profile = with_attention(profile, "attention.f16.decode", (32, 128), 32.0);
    profile = with_attention(profile, "attention.f16.decode.g8d64", (64, 64), 20.0);
    profile = with_attention(profile, "attention.f16.prefill", (32, 128), 150.0);
    profile.ceiling.push(measured("overhead.barrier", 3.0));
    let roofs = Roofs::of(&profile, "test").unwrap();
    let achieved = Achieved::of(&profile, "test").unwrap();
    let types =
        [TensorType::Q4_0, TensorType::Q5_0, TensorType::F16, TensorType::Q6K, TensorType::F32, TensorType::Q2K];
    let mut awkward = Awkward(2);
    for round in 0..2000 {
        let stored = types[round % types.len()];
        let kernel = match round % 4 {
            0 => Kernel::Matmul { tokens: awkward.octaves(0.0, 13.0), n: awkward.octaves(4.0, 17.0) },
            1 => Kernel::Other(Op::Scan),
            _ => Kernel::Attention {
                pass: if round % 4 == 2 { Pass::Decode } else { Pass::Prefill },
                group: awkward.octaves(0.0, 7.0),
                head_dim: awkward.octaves(4.0, 9.0),
                uses: 1.0 + awkward.unit(),
                context: awkward.octaves(0.0, 24.0),
            },
        };
        let load = Load {
            flops: Flops(awkward.octaves(0.0, 50.0)),
            read: Bytes(awkward.octaves(0.0, 40.0)),
            written: Bytes(awkward.octaves(0.0, 30.0)),
            activations: Bytes(awkward.octaves(0.0, 30.0)),
        };
        let task = Task { kernel, stored, load, launches: (awkward.unit() * 100.0).floor() };
        let time = |task: &Task| {
            let peak = roofs.bound(&task.load, task.arithmetic()).unwrap();
            achieved.bound(task, &peak)
        };
        let here = time(&task);
        assert!(here.fastest <= here.seconds && here.seconds <= here.slowest, "{task:?} {here:?}");
        assert!(here.seconds.0 > 0.0 && here.seconds.0.is_finite() && here.overhead <= here.seconds, "{task:?}");
        let more = [
            Load { flops: load.flops * 2.0, ..load },
            Load { read: load.read * 2.0, ..load },
            Load { written: load.written * 2.0, ..load },
        ];
        for load in more {
            assert!(time(&Task { load, ..task }).seconds >= here.seconds, "{task:?}");
        }
        assert!(time(&Task { launches: task.launches + 1.0, ..task }).seconds > here.seconds);
    }
}

#[test]
fn kernels_at_the_peak_take_the_peaks_time() {
    for (dtype, op) in [(Dtype::F32, Op::Matmul), (Dtype::Bf16, Op::Matmul), (Dtype::Q8_0, Op::Matmul)] {
        let peaks = plain();
        let roofs = Roofs::of(&peaks, "test").unwrap();
        let compute = roofs.compute(Arithmetic::of(op, dtype)).unwrap().rate.giga();
        let rate = |tokens: u64| {
            let intensity = 2.0 * tokens as f64 * 8.0 / dtype.bits_per_element();
            compute.min(intensity * roofs.read.rate.giga())
        };
        let rungs: Vec<(u64, f64)> = [1, 2, 4, 8, 16, 32, 64, 128, 512].map(|m| (m, rate(m))).into();
        let profile = with_ladder(plain(), dtype, &rungs);
        for (tokens, _) in rungs.into_iter().chain([(1 << 13, 0.0)]) {
            let task = matmul(dtype.into(), tokens as f64, 1.7e7);
            let ((achieved, peak), _) =
                ask(&profile, &task, |bound, peak| ((bound.seconds, bound.resource), (peak.seconds(), peak.resource)));
            close(achieved.0.0, peak.0.0);
            assert_eq!(achieved.1, peak.1);
        }
    }
}

#[test]
fn a_type_without_kernels_takes_the_slower_of_flops_and_bytes() {
    let profile = with_ladder(plain(), Dtype::Q4_0, &RUNGS);
    // At one token the bytes tell: 5.5 bits at the speed at which 4.5 were read.
    let [own, other] = [TensorType::Q4_0, TensorType::Q5_0].map(|stored| matmul(stored, 1.0, 6.4e6));
    close(seconds(&profile, &other), seconds(&profile, &own) * 5.5 / 4.5);
    assert_eq!(said_by(&profile, &other).0, "matmul.q4_0.m1");
    remarked(&said_by(&profile, &other).1, &["no matmul of q5_0", "matmul.q4_0 stands in"]);
    assert!(said_by(&profile, &own).1.is_empty());
    // At many the FLOPs do.
    let [own, other] = [TensorType::Q4_0, TensorType::Q5_0].map(|stored| matmul(stored, 512.0, 6.4e6));
    assert_eq!(seconds(&profile, &other), seconds(&profile, &own));
}

#[test]
fn the_closest_type_not_smaller_stands_in_and_else_the_closest_below() {
    let mut profile = with_ladder(plain(), Dtype::Q4_0, &[(1, 100.0)]);
    profile = with_ladder(profile, Dtype::F16, &[(1, 60.0)]);
    for (stored, stand_in) in [
        (TensorType::Q6K, "matmul.f16"),
        (TensorType::Q3K, "matmul.q4_0"),
        (TensorType::Q4K, "matmul.q4_0"),
        (TensorType::F32, "matmul.f16"),
    ] {
        let (by, remarks) = said_by(&profile, &matmul(stored, 1.0, 1e6));
        assert_eq!(by, format!("{stand_in}.m1"), "{stored}");
        remarked(&remarks, &[&format!("no matmul of {stored} "), &format!("{stand_in} stands in")]);
    }
}

#[test]
fn a_type_with_products_of_its_own_needs_no_other() {
    let older = with_ladder(with_ladder(plain(), Dtype::Q6K, &[(1, 60.0)]), Dtype::Q4K, &[(1, 100.0)]);
    let task = matmul(TensorType::Q5K, 1.0, 1e6);
    let (by, remarks) = said_by(&older, &task);
    // Not that with the closest bits above its own.
    assert_eq!(by, "matmul.q4_k.m1");
    remarked(&remarks, &["no matmul of q5_k", "matmul.q4_k stands in"]);
    let newer = with_ladder(older, Dtype::Q5K, &[(1, 80.0)]);
    assert_eq!(said_by(&newer, &task), ("matmul.q5_k.m1".to_owned(), Vec::new()));
}

#[test]
fn rungs_without_value_are_left_out_and_doubtful_ones_named() {
    // Without any product with one token there would be no achieved roof.
    let mut profile = with_ladder(plain(), Dtype::Q8_0, &[(1, 10.0)]);
    profile = with_ladder(profile, Dtype::F32, &[(4, 10.0), (64, 40.0)]);
    for (status, tokens) in [(Status::Unsupported, 8), (Status::Rejected, 16), (Status::Skipped, 32)] {
        let id = format!("matmul.f32.m{tokens}");
        profile.ceiling.push(Ceiling::without_value(id.parse().unwrap(), status, "it was wrong"));
        let (by, remarks) = said_by(&profile, &matmul(TensorType::F32, 16.0, 1e6));
        assert_eq!(by, "matmul.f32.m4..m64");
        remarked(&remarks, &[&id, status.name(), "it was wrong", "left out"]);
    }
    let rung = profile.ceiling.iter_mut().find(|ceiling| ceiling.id == "matmul.f32.m64").unwrap();
    (rung.status, rung.reason, rung.ci95) = (Status::Suspect, Some("too fast".to_owned()), None);
    let (_, remarks) = said_by(&profile, &matmul(TensorType::F32, 16.0, 1e6));
    remarked(&remarks, &["matmul.f32.m64 is suspect (too fast), and used"]);
    remarked(&remarks, &["matmul.f32.m64 has no interval"]);
    // One token of a ladder that begins at four: not faster than any weights were read.
    let [one, four] = [1.0, 4.0].map(|tokens| matmul(TensorType::F32, tokens, 1e6));
    close(seconds(&profile, &one), seconds(&profile, &four));
    remarked(&said_by(&profile, &one).1, &["measured from 4 tokens on"]);
    assert!(!said_by(&profile, &four).1.iter().any(|remark| remark.to_string().contains("tokens on")));
}

#[test]
fn without_matmuls_there_is_a_reason_and_no_roof() {
    let message = Achieved::of(&plain(), "plain").unwrap_err();
    assert!(message.contains("plain: no matmul ceiling is in the profile"), "{message}");
    let mut profile = plain();
    profile.ceiling.push(Ceiling::without_value(
        "matmul.q8_0.m1".parse().unwrap(),
        Status::Skipped,
        "too little memory",
    ));
    let message = Achieved::of(&profile, "plain").unwrap_err();
    assert!(message.contains("matmul.q8_0.m1 is skipped (too little memory)"), "{message}");
    let profile = with_ladder(plain(), Dtype::F32, &[(4, 10.0), (64, 40.0)]);
    let message = Achieved::of(&profile, "plain").unwrap_err();
    assert!(message.contains("no matmul of one token has a value"), "{message}");
}

#[test]
fn launches_cost_what_was_measured_or_are_said_to_cost_nothing() {
    let task = Task { launches: 7.0, ..matmul(TensorType::F16, 1.0, 1e6) };
    for (kind, id) in [(DeviceKind::Cpu, "overhead.barrier"), (DeviceKind::Gpu, "overhead.dispatch")] {
        let mut profile = with_ladder(plain(), Dtype::F16, &[(1, 30.0)]);
        profile.device.kind = kind;
        let bare = ask(&profile, &task, |bound, _| (bound.seconds, bound.overhead));
        assert_eq!(bare.0.1, Seconds(0.0));
        remarked(&bare.1, &[&format!("no {id}: launches take no time here")]);
        profile.ceiling.push(measured(id, 5.0));
        let (times, remarks) = ask(&profile, &task, |bound, _| [bound.seconds, bound.overhead, bound.fastest]);
        close(times[1].0, 35e-6);
        close(times[0].0, bare.0.0.0 + 35e-6);
        close(times[2].0, bare.0.0.0 / 1.2 + 35e-6 * 0.9);
        assert!(remarks.is_empty(), "{remarks:?}");
        profile.ceiling.pop();
        profile.ceiling.push(Ceiling::without_value(id.parse().unwrap(), Status::Skipped, "no clock"));
        remarked(&ask(&profile, &task, |_, _| ()).1, &[id, "no clock", "launches take no time"]);
    }
}

#[test]
fn a_measured_gpu_says_what_it_lacks() {
    let profile = parse(SOFTWARE_GPU).unwrap();
    let task = |pass| {
        let Kernel::Attention { group, head_dim, uses, context, .. } = decode(4.0, 128.0, 600.0, 1e6).kernel else {
            unreachable!()
        };
        let kernel = Kernel::Attention { pass, group, head_dim, uses, context };
        Task { kernel, launches: 1.0, ..decode(4.0, 128.0, 600.0, 1e6) }
    };
    let (overhead, remarks) = ask(&profile, &task(Pass::Prefill), |bound, _| bound.overhead);
    close(overhead.0, 26.58e-6);
    remarked(&remarks, &["attention.f16.prefill is unsupported", "no WGSL prefill", "peak roof"]);
    remarked(&remarks, &["overhead.dispatch is suspect"]);
    let (by, remarks) = said_by(&profile, &matmul(TensorType::Bf16, 1.0, 1e6));
    assert_eq!(by, "matmul.q8_0.m1");
    remarked(&remarks, &["no matmul of bf16", "matmul.q8_0 stands in"]);
}

/// The tasks of some passes of a zoo model.
fn tasks(model: &str, forward: Forward, pass: Pass) -> Vec<(&'static str, Task)> {
    let model = find(model).unwrap();
    let steps = model.forward(&forward).unwrap();
    let task = |step: &roofprobe::model::Step| {
        let load = Load { flops: Flops(step.total().flops as f64), ..Load::default() };
        (step.name, Task::of(step, pass, &model, load))
    };
    steps.iter().map(task).collect()
}

fn named(tasks: &[(&'static str, Task)], name: &str) -> Task {
    tasks.iter().find(|(known, _)| *known == name).unwrap().1
}

#[test]
fn heads_and_contexts_are_those_of_the_model_in_every_pass() {
    let attention = |task: Task| match task.kernel {
        Kernel::Attention { group, head_dim, uses, context, .. } => [group, head_dim, uses, context],
        other => panic!("{other:?}"),
    };
    let prompt = Forward { tokens: 7, past: 100, batch: 3, ..Forward::ONE_TOKEN };
    let generation = Forward { passes: 5, past: 100, batch: 3, ..Forward::ONE_TOKEN };
    let there = tasks("llama-3.2-1b", prompt, Pass::Prefill);
    assert_eq!(attention(named(&there, "attention")), [4.0, 64.0, 1.0, 104.0]);
    assert_eq!(named(&there, "attn_q").kernel, Kernel::Matmul { tokens: 21.0, n: 2048.0 });
    let there = tasks("llama-3.2-1b", generation, Pass::Decode);
    assert_eq!(attention(named(&there, "attention")), [4.0, 64.0, 1.0, 103.0]);
    assert_eq!(named(&there, "attn_q").kernel, Kernel::Matmul { tokens: 3.0, n: 2048.0 });
    // Every pass starts every operation of every layer, but what is a part of its neighbour.
    for (name, launches) in [("attention", 80.0), ("attn_q", 80.0), ("output", 5.0), ("rope", 0.0), ("residual", 80.0)]
    {
        assert_eq!(named(&there, name).launches, launches, "{name}");
    }
}

#[test]
fn latents_and_experts_share_what_they_read() {
    let latent = |latents| Forward { passes: 5, past: 100, latents, ..Forward::ONE_TOKEN };
    let there = tasks("deepseek-v2-lite", latent(Latents::Absorbed), Pass::Decode);
    let Kernel::Attention { group, head_dim, uses, context, .. } = named(&there, "attention").kernel else { panic!() };
    assert_eq!([group, head_dim, uses, context], [16.0, 576.0, 1.0 + 512.0 / 576.0, 103.0]);
    // Five passes expand 101 to 105 latents, each with one reading of the matrix.
    let there = tasks("deepseek-v2-lite", latent(Latents::Naive), Pass::Decode);
    let Kernel::Matmul { tokens, .. } = named(&there, "attn_kv_b").kernel else { panic!() };
    close(tokens, 103.0);
    assert_eq!(named(&there, "attn_kv_b").launches, named(&there, "attention").launches);
    let there = tasks("mixtral-8x7b-v0.1", Forward { tokens: 3, ..Forward::ONE_TOKEN }, Pass::Prefill);
    let expert = named(&there, "ffn_up_exps");
    let Kernel::Matmul { tokens, .. } = expert.kernel else { panic!() };
    close(tokens, 6.0 / (8.0 - 8.0 * 0.75_f64.powi(3)));
    assert_eq!(expert.launches, 32.0);
}

#[test]
fn sums_are_sums() {
    let profile = parse(include_str!("../../profiles/amd-epyc-zen4-2c.toml")).unwrap();
    let roofs = Roofs::of(&profile, "zen4").unwrap();
    let achieved = Achieved::of(&profile, "zen4").unwrap();
    let model = find("qwen2.5-1.5b").unwrap();
    let workload = Workload::default();
    for run in workload.phases().into_iter().flat_map(|phase| workload.runs(&model, phase).unwrap()) {
        let bounds: Vec<AchievedBound> = run
            .steps
            .iter()
            .map(|step| {
                let counted = Counted::of(step).unwrap();
                let [read, written] = [counted.read_bytes(), counted.written_bytes()].map(|b| Bytes(b as f64));
                let load = Load { flops: Flops(counted.cost.flops as f64), read, written, activations: Bytes(0.0) };
                let task = Task::of(step, run.pass, &model, load);
                achieved.bound(&task, &roofs.bound(&load, task.arithmetic()).unwrap())
            })
            .collect();
        let span: AchievedSpan = bounds.iter().collect();
        let sum = |part: fn(&AchievedBound) -> Seconds| bounds.iter().map(part).sum::<Seconds>();
        assert_eq!(span.seconds, sum(|bound| bound.seconds));
        assert_eq!([span.fastest, span.slowest], [sum(|bound| bound.fastest), sum(|bound| bound.slowest)]);
        assert_eq!(span.overhead, sum(|bound| bound.overhead));
        let near_memory = bounds.iter().filter(|bound| bound.resource == Resource::Memory);
        assert_eq!(span.memory_bound, near_memory.map(|bound| bound.seconds).sum());
        assert!(span.overhead.0 > 0.0 && span.fastest < span.seconds && span.seconds < span.slowest);
    }
}

#[test]
fn a_smaller_type_takes_a_share_of_its_stand_in_s_time_and_never_beats_its_best() {
    let profile = parse(include_str!("../../profiles/amd-epyc-zen4-2c.toml")).unwrap();
    let roofs = Roofs::of(&profile, "zen4").unwrap();
    let achieved = Achieved::of(&profile, "zen4").unwrap();
    let seconds = |stored: TensorType, tokens: u64| {
        let elements = 1 << 24;
        let flops = Flops((2 * tokens * elements) as f64);
        let bytes = stored.bytes(elements.into(), 4096, 4096).unwrap() as f64;
        let load = Load { flops, read: Bytes(bytes), written: Bytes(0.0), activations: Bytes(0.0) };
        let task = Task { kernel: Kernel::Matmul { tokens: tokens as f64, n: 4096.0 }, stored, load, launches: 0.0 };
        achieved.bound(&task, &roofs.bound(&load, task.arithmetic()).unwrap()).seconds.0
    };
    let share = (17.0 / 32.0) / (18.0 / 32.0);
    let [own, smaller] = [TensorType::Q4_0, TensorType::Mxfp4].map(|stored| seconds(stored, 1));
    close(smaller / own, share);
    let best = profile
        .ceiling
        .iter()
        .filter(|c| c.id.family() == Family::Matmul && c.id.dtype() == Some(Dtype::Q4_0))
        .filter_map(|c| c.gflop_per_s);
    let floor = 2.0 * 512.0 * f64::from(1 << 24) / (best.fold(0.0, f64::max) * 1e9);
    close(seconds(TensorType::Mxfp4, 512), floor);
    assert!(seconds(TensorType::Q5_0, 1) > own, "a larger type takes longer");
}
