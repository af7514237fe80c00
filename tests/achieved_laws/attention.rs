//! How attention is answered by what was measured.

use super::*;

fn with_variants() -> Profile {
    let mut profile = with_ladder(plain(), Dtype::F16, &[(1, 30.0)]);
    for (id, heads, head_dim, rate) in [
        ("attention.f16.decode", 32, 128, 32.0),
        ("attention.f16.decode.g1d64", 8, 64, 30.0),
        ("attention.f16.decode.g8d64", 64, 64, 21.0),
        ("attention.f16.decode.g8d128", 64, 128, 22.0),
    ] {
        profile = with_attention(profile, id, (heads, head_dim), rate);
    }
    profile
}

#[test]
fn decode_attention_is_read_like_the_nearest_heads_measured() {
    let profile = with_variants();
    for (group, head_dim, by, rate) in [
        (4.0, 128.0, "attention.f16.decode", 32e9),
        (7.0, 64.0, "attention.f16.decode.g8d64", 21e9),
        (1.0, 96.0, "attention.f16.decode.g1d64", 30e9),
        (8.0, 256.0, "attention.f16.decode.g8d128", 22e9),
    ] {
        let task = decode(group, head_dim, 4096.0, 1e8);
        assert_eq!(seconds(&profile, &task), 1e8 / rate, "{group} {head_dim}");
        assert_eq!(said_by(&profile, &task).0, by);
    }
    // More heads on one row than were measured: what each adds is arithmetic.
    let [eight, many] = [8.0, 32.0].map(|group| decode(group, 128.0, 4096.0, 1e8));
    close(seconds(&profile, &many), 4.0 * seconds(&profile, &eight));
    remarked(&said_by(&profile, &many).1, &["32 multiplications", "8 are the most", "by its FLOPs"]);
    // Latents are multiplied twice, by all heads.
    let Kernel::Attention { pass, group, context, .. } = many.kernel else { unreachable!() };
    let kernel = Kernel::Attention { pass, group, head_dim: 576.0, uses: 1.5, context };
    let load = Load { flops: many.load.flops * 1.5, ..many.load };
    let latent = Task { kernel, load, ..many };
    close(seconds(&profile, &latent), 6.0 * seconds(&profile, &eight));
    remarked(&said_by(&profile, &latent).1, &["latents", "g8d128 stands in"]);
}

/// Attention of so many heads to latents, of so many FLOPs and bytes.
fn latents(pass: Pass, group: f64, [row, value_dim]: [f64; 2], [flops, bytes]: [f64; 2]) -> Task {
    let kernel = Kernel::Attention { pass, group, head_dim: row, uses: (row + value_dim) / row, context: 4096.0 };
    let load = Load { flops: Flops(flops), read: Bytes(bytes), written: Bytes(0.0), activations: Bytes(0.0) };
    Task { kernel, stored: TensorType::F16, load, launches: 0.0 }
}

#[test]
fn latents_are_computed_like_those_that_were_measured() {
    const DEEPSEEK: [f64; 2] = [576.0, 512.0];
    let without = with_variants();
    let mut profile = with_variants();
    for (id, value, flops) in
        [("attention.f16.decode.g128d576v512", 1.25, 340.0), ("attention.f16.decode.g16d576v512", 10.0, 300.0)]
    {
        profile.ceiling.push(Ceiling { gflop_per_s: Some(flops), ..measured(id, value) });
    }
    profile.ceiling.push(measured("attention.f16.prefill.g16d576v512", 350.0));
    let of = |group: f64, pass| latents(pass, group, DEEPSEEK, [3e11, 1e8]);
    // The time of a row is straight in its heads; beyond the ends the rate is the end's.
    let [few, many] = [16.0 / 300.0, 128.0 / 340.0];
    let between = 64.0 / (few + (many - few) * 48.0 / 112.0);
    for (group, rate) in [(16.0, 300.0), (128.0, 340.0), (64.0, between), (8.0, 300.0), (256.0, 340.0)] {
        close(seconds(&profile, &of(group, Pass::Decode)), 300.0 / rate);
    }
    close(seconds(&profile, &of(16.0, Pass::Prefill)), 300.0 / 350.0);
    let (by, remarks) = said_by(&profile, &of(16.0, Pass::Decode));
    assert_eq!(by, "attention.f16.decode.g16d576v512");
    assert!(remarks.is_empty(), "{remarks:?}");
    remarked(&said_by(&profile, &of(8.0, Pass::Decode)).1, &["8 query heads", "not measured", "stands in"]);
    let other = latents(Pass::Decode, 40.0, [288.0, 256.0], [3e11, 1e8]);
    remarked(&said_by(&profile, &other).1, &["latents of 288 elements", "g16d576v512 stands in"]);
    // However few FLOPs there are, rows are read no faster than keys and values of one head.
    close(seconds(&profile, &latents(Pass::Decode, 1.0, DEEPSEEK, [1.0, 3e10])), 1.0);
    // Other heads are answered as before, and so are latents where none were measured.
    for task in [decode(8.0, 128.0, 4096.0, 1e8), decode(32.0, 128.0, 4096.0, 1e8), decode(1.0, 576.0, 512.0, 1e8)] {
        assert_eq!(seconds(&profile, &task), seconds(&without, &task));
    }
    remarked(&said_by(&without, &of(16.0, Pass::Decode)).1, &["no attention over latents was measured"]);
}

#[test]
fn the_context_scales_what_was_measured_at_one() {
    let mut profile = with_variants();
    remarked(&said_by(&profile, &decode(4.0, 128.0, 512.0, 1e8)).1, &["4096 cached tokens", "no curve"]);
    let mut curve = Curve::empty("attention.f16.decode.context".parse().unwrap(), Status::Measured, None);
    curve.set_along(CurveAxis::Context, vec![1024, 4096, 16384]);
    curve.set_values(vec![20.0, 40.0, 10.0]);
    (curve.low, curve.high) = (vec![10.0, 39.0, 9.9], vec![20.5, 41.0, 10.1]);
    profile.curve.push(curve);
    let at = |context: f64| {
        let task = decode(8.0, 64.0, context, 1e8);
        ask(&profile, &task, |bound, _| (bound.seconds.0, bound.slowest.0)).0
    };
    close(at(4096.0).0, 1e8 / 21e9);
    close(at(1024.0).0, 2.0 * at(4096.0).0);
    close(at(16384.0).0, 4.0 * at(4096.0).0);
    assert_eq!((at(1.0), at(1e6)), (at(1024.0), at(16384.0)));
    assert!(at(2048.0).0 < at(1024.0).0 && at(2048.0).0 > at(4096.0).0);
    // The wider interval holds: the ceiling's 0.9, or the curve's half.
    close(at(4096.0).1 * 0.9, at(4096.0).0);
    close(at(1024.0).1 * 0.5, at(1024.0).0);
}

#[test]
fn other_caches_and_prompts_are_answered_by_what_is_nearest_or_the_peak() {
    let mut profile = with_variants();
    let quantised = Task { stored: TensorType::Q8_0, ..decode(4.0, 128.0, 4096.0, 1e8) };
    assert_eq!(seconds(&profile, &quantised), 1e8 / 32e9);
    remarked(&said_by(&profile, &quantised).1, &["q8_0", "attention.f16.decode stands in", "by bytes"]);
    let prompt = |flops: f64, bytes: f64| {
        let kernel = Kernel::Attention { pass: Pass::Prefill, group: 4.0, head_dim: 128.0, uses: 1.0, context: 256.0 };
        let load = Load { flops: Flops(flops), read: Bytes(bytes), written: Bytes(0.0), activations: Bytes(0.0) };
        Task { kernel, stored: TensorType::F16, load, launches: 0.0 }
    };
    let (times, remarks) = ask(&profile, &prompt(1e12, 1e6), |bound, peak| (bound.seconds, peak.seconds()));
    assert_eq!(times.0, times.1);
    remarked(&remarks, &["attention.f16.prefill is not in the profile", "peak roof"]);
    profile = with_attention(profile, "attention.f16.prefill", (32, 128), 100.0);
    assert_eq!(seconds(&profile, &prompt(1e12, 1e6)), 10.0);
    // Few tokens over a long cache read it as a decode step does.
    assert_eq!(seconds(&profile, &prompt(1e3, 1e8)), 1e8 / 32e9);
    profile.ceiling.retain(|ceiling| !ceiling.id.is_decode());
    let (times, remarks) =
        ask(&profile, &decode(4.0, 128.0, 4096.0, 1e8), |bound, peak| (bound.seconds, peak.seconds()));
    assert_eq!(times.0, times.1);
    remarked(&remarks, &["attention.f16.decode is not in the profile", "peak roof"]);
    remarked(&ask(&profile, &Task { kernel: Kernel::Other(Op::Scan), ..prompt(1.0, 1.0) }, |_, _| ()).1, &["scan"]);
}
