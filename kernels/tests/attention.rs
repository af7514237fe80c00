//! Every attention kernel this CPU can run agrees with the oracle, on awkward contexts, groups and dimensions.

use half::f16;
use roofprobe_kernels::ops::attention::{
    AttentionKernel, Head, KEY_BLOCK, LatentHead, LatentKernel, PREFILL_ROWS, Partial, SPAN_MAX, Ways,
};
use roofprobe_kernels::reference::Random;
use roofprobe_kernels::reference::attention::{attention, latent_attention, random_half, relative_error, tolerance};
use roofprobe_kernels::{Dtype, Isa, Op};

/// No number: what the padding of a key cache may hold.
const NAN_HALF: u16 = 0x7e00;

/// The largest relative errors: a score of many large queries is off by as much, and with it its weight.
const SINGLE_ERROR_MAX: f64 = 1e-5;
const HALF_ERROR_MAX: f64 = 0.01;
const BF16_ERROR_MAX: f64 = 0.03;

/// Random queries, and a cache whose padding is no number.
struct Case {
    head: Head,
    queries: Vec<f32>,
    keys: Vec<u16>,
    values: Vec<u16>,
}

impl Case {
    fn new(head: Head, tokens: usize) -> Case {
        let mut random = Random::new((head.context * 1000 + head.head_dim * 10 + head.group) as u64);
        let mut keys = vec![NAN_HALF; head.key_elements()];
        for token in 0..head.context {
            for d in 0..head.head_dim {
                keys[head.key_index(token, d)] = random_half(&mut random);
            }
        }
        let values = (0..head.value_elements()).map(|_| random_half(&mut random)).collect();
        // Large enough that the weights differ by orders of magnitude.
        let queries = (0..head.query_elements(tokens)).map(|_| 8.0 * random.signed_unit() as f32).collect();
        Case { head, queries, keys, values }
    }

    fn decode(&self, kernel: AttentionKernel, cuts: &[usize]) -> Vec<f32> {
        let ends = cuts.iter().skip(1).chain([&self.head.context]);
        let parts: Vec<Partial> = cuts
            .iter()
            .zip(ends)
            .map(|(&start, &end)| {
                let mut part = Partial::new(self.head.head_dim, self.head.group);
                kernel.decode(&self.head, &self.queries, &self.keys, &self.values, start..end, &mut part);
                part
            })
            .collect();
        let mut out = vec![f32::NAN; self.queries.len()];
        Partial::merge(&parts.iter().collect::<Vec<_>>(), &mut out);
        out
    }

    fn prefill(&self, kernel: AttentionKernel, rows: usize) -> Vec<f32> {
        let mut scratch = Partial::new(self.head.head_dim, rows);
        let mut out = vec![f32::NAN; self.queries.len()];
        kernel.prefill(&self.head, &self.queries, &self.keys, &self.values, &mut scratch, &mut out);
        out
    }

    /// Holds what every kernel that is one for such a group makes of the case, in each way, against the oracle.
    fn check(&self, kernels: &[AttentionKernel], attempt: impl Fn(&Case, AttentionKernel) -> Vec<f32>) {
        let want = attention(&self.head, &self.queries, &self.keys, &self.values);
        for &kernel in kernels.iter().filter(|kernel| kernel.ways().streams == 1 || self.head.group == 1) {
            self.assert_close(kernel, &attempt(self, kernel), &want);
        }
    }

    fn assert_close(&self, kernel: AttentionKernel, got: &[f32], want: &[f64]) {
        let tolerance = tolerance(&self.head, &self.queries, kernel.arithmetic());
        assert_eq!(want.len(), got.len());
        for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
            let off = (f64::from(got) - want).abs();
            let what = (kernel.isa(), kernel.ways(), self.head, i);
            assert!(off <= tolerance, "{what:?}: {got} is not {want} within {tolerance:e}");
        }
        let error = relative_error(got, want);
        let most = if kernel.arithmetic() == Dtype::F16 { HALF_ERROR_MAX } else { SINGLE_ERROR_MAX };
        assert!(error <= most, "{:?}: the relative error is {error:e}", (kernel.isa(), kernel.ways(), self.head));
    }
}

/// Every kernel, in every way that it knows; distances of a prefetch short and long. Of the instruction sets in
/// `ROOFPROBE_ISAS` alone, where it names some.
fn kernels() -> Vec<AttentionKernel> {
    let isas = std::env::var("ROOFPROBE_ISAS").ok();
    let named = |isa: Isa| isas.as_ref().is_none_or(|isas| isas.split(',').any(|name| name == isa.name()));
    let spans = [64, 128, 256, 512];
    let ways = [1, 2, 4].into_iter().flat_map(|streams| {
        let of_span = move |span| [0, 1024, 65_536].map(|prefetch_bytes| Ways { streams, span, prefetch_bytes });
        spans.into_iter().flat_map(of_span)
    });
    let ways: Vec<Ways> = ways.collect();
    let kernels = AttentionKernel::all().filter(|kernel| named(kernel.isa()));
    kernels.flat_map(|kernel| ways.iter().filter_map(move |&ways| kernel.working(ways))).collect()
}

/// Those that prompts have.
fn of_one_stream() -> Vec<AttentionKernel> {
    kernels().into_iter().filter(|kernel| kernel.ways().streams == 1).collect()
}

const CONTEXTS: [usize; 12] = [1, 15, 16, 17, 63, 64, 65, 100, 257, 513, 768, 1100];

#[test]
fn decode_agrees_with_the_oracle() {
    let kernels = kernels();
    for kernel in kernels.iter().filter(|kernel| kernel.ways() == Ways::PLAIN) {
        println!("{} {}", kernel.isa(), kernel.arithmetic());
    }
    for head_dim in [16, 64, 80, 96, 128, 256] {
        for group in [1, 2, 3, 4, 5, 6, 7, 8, 9, 17] {
            for context in CONTEXTS {
                let case = Case::new(Head { head_dim, group, context }, 1);
                case.check(&kernels, |case, kernel| case.decode(kernel, &[0]));
            }
        }
    }
}

#[test]
fn parts_of_a_context_make_the_whole() {
    let kernels = kernels();
    for group in [1, 3] {
        let case = Case::new(Head { head_dim: 80, group, context: 513 }, 1);
        for cuts in [&[0, 64][..], &[0, 192, 448], &[0, 0, 64, 512], &[0, 256, 256]] {
            case.check(&kernels, |case, kernel| case.decode(kernel, cuts));
        }
    }
}

#[test]
fn decode_of_a_first_part_sees_no_further() {
    let whole = Case::new(Head { head_dim: 80, group: 1, context: 513 }, 1);
    let seen = Head { context: 100, ..whole.head };
    let want = attention(&seen, &whole.queries, &whole.keys, &whole.values);
    for kernel in kernels() {
        let mut part = Partial::new(seen.head_dim, seen.group);
        kernel.decode(&whole.head, &whole.queries, &whole.keys, &whole.values, 0..seen.context, &mut part);
        let mut out = vec![f32::NAN; whole.queries.len()];
        Partial::merge(&[&part], &mut out);
        whole.assert_close(kernel, &out, &want);
    }
}

#[test]
fn prefill_agrees_with_the_oracle() {
    let kernels = of_one_stream();
    for (head_dim, group, context, tokens) in [
        (64, 1, 1, 1),
        (64, 8, 17, 17),
        (80, 3, 100, 100),
        (128, 7, 65, 64),
        (96, 2, 300, 131),
        (64, 4, 257, 200),
        (128, 1, 513, 37),
    ] {
        let case = Case::new(Head { head_dim, group, context }, tokens);
        // Scratch of one group, of some rows that are no whole number of groups, and as recommended.
        for rows in [group, group + 12, PREFILL_ROWS] {
            case.check(&kernels, |case, kernel| case.prefill(kernel, rows));
        }
    }
}

#[test]
fn one_key_that_outweighs_all_others_is_found_wherever_it_is() {
    // Scores of one are 64 above all others: only its value may come out, also at the very end of a context.
    let (one, head) = (0x3c00, Head { head_dim: 64, group: 1, context: 300 });
    for kernel in kernels() {
        for found in [0, 1, 31, 63, 64, 127, 128, 255, 256, 299] {
            let mut case = Case::new(head, 1);
            case.queries.fill(8.0);
            case.keys.fill(0);
            (0..head.head_dim).for_each(|d| case.keys[head.key_index(found, d)] = one);
            let value = &case.values[found * head.head_dim..][..head.head_dim];
            let want: Vec<f32> = value.iter().map(|&half| f16::from_bits(half).to_f32()).collect();
            let got = case.decode(kernel, &[0, 64, 128]);
            assert!(
                got.chunks(head.head_dim).all(|row| row == want),
                "{} {:?} token {found}: {got:?}",
                kernel.isa(),
                kernel.ways()
            );
        }
    }
}

#[test]
fn equal_weights_give_the_mean() {
    // Queries of zero weigh every token alike. Sums of small integers are exact, also in binary16.
    for kernel in kernels() {
        for (head_dim, context) in [(16, 1), (80, 63), (80, 65), (128, 300), (96, 1100)] {
            let mut case = Case::new(Head { head_dim, group: 1, context }, 1);
            case.queries.fill(0.0);
            let mut random = Random::new(context as u64);
            let integers: Vec<i32> = (0..case.values.len()).map(|_| (random.bits() % 9) as i32 - 4).collect();
            case.values = integers.iter().map(|&value| f16::from_f32(value as f32).to_bits()).collect();
            let got = case.decode(kernel, &[0]);
            for (d, got) in got.into_iter().enumerate() {
                let sum: i32 = integers.iter().skip(d).step_by(head_dim).sum();
                let want = f64::from(sum) / context as f64;
                let off = (f64::from(got) - want).abs();
                assert!(off <= 2.0_f64.powi(-22) * want.abs(), "{} {:?} {d}: {got}, {want}", kernel.isa(), case.head);
            }
        }
    }
}

#[test]
fn every_half_is_widened_exactly() {
    // A context of one token gives its value back, whatever the weight.
    let head = Head { head_dim: 64, group: 1, context: 1 };
    for kernel in AttentionKernel::all() {
        for start in (0..=u16::MAX).step_by(head.head_dim) {
            let mut case = Case::new(head, 1);
            case.values = (start..=u16::MAX).take(head.head_dim).collect();
            for (got, &half) in case.decode(kernel, &[0]).into_iter().zip(&case.values) {
                let want = f16::from_bits(half).to_f32();
                assert!(got == want || got.is_nan() && want.is_nan(), "{} {half:#06x}: {got}", kernel.isa());
            }
        }
    }
}

#[test]
fn the_exponential_is_right_to_two_units_in_the_last_place() {
    for kernel in AttentionKernel::all() {
        let mut worst = 0.0_f64;
        for step in 0..200_000 {
            let exponents: [f32; 16] = std::array::from_fn(|i| -(step as f32 + i as f32 / 16.0) * 7.5e-4);
            let mut powers = exponents;
            kernel.exp2(&mut powers);
            for (x, got) in exponents.into_iter().zip(powers) {
                // e^y for y from −104 to 0, as the softmax takes it.
                let want = (f64::from(x) * std::f64::consts::LN_2).exp();
                let off = (f64::from(got) - want).abs();
                if x < -126.0 {
                    assert!(off < f64::from(f32::MIN_POSITIVE), "2^{x}: {got:e} is not {want:e}");
                } else {
                    let unit = f64::from(f32::EPSILON) * 2_f64.powi(want.log2().floor() as i32);
                    worst = worst.max(off / unit);
                }
            }
        }
        println!("{}: {worst:.3} units in the last place", kernel.isa());
        assert!(worst <= 2.0, "{}: {worst}", kernel.isa());
        let mut special = [0.0; 16];
        special[..6].copy_from_slice(&[0.0, -1.0, -127.0, f32::MIN, f32::NEG_INFINITY, f32::NAN]);
        kernel.exp2(&mut special);
        assert_eq!(special[..5], [1.0, 0.5, 0.0, 0.0, 0.0]);
        assert!(special[5].is_nan());
    }
}

/// Every kernel that attends to latents, with each span.
fn of_latents() -> Vec<LatentKernel> {
    let isas = std::env::var("ROOFPROBE_ISAS").ok();
    let named = |isa: Isa| isas.as_ref().is_none_or(|isas| isas.split(',').any(|name| name == isa.name()));
    let kernels = LatentKernel::all().filter(|kernel| named(kernel.isa()));
    kernels.flat_map(|kernel| [64, 128, 512].into_iter().filter_map(move |span| kernel.with_span(span))).collect()
}

/// Random queries and latents; behind the context no numbers.
fn latents(head: LatentHead, tokens: usize) -> (Vec<f32>, Vec<u16>) {
    let mut random = Random::new((head.context * 1000 + head.row * 10 + head.group) as u64);
    let rows = (0..head.row_elements()).map(|_| random_half(&mut random)).chain([NAN_HALF; 1000]).collect();
    let queries = (0..head.query_elements(tokens)).map(|_| 8.0 * random.signed_unit() as f32).collect();
    (queries, rows)
}

/// Holds what a kernel made of latents against the oracle.
fn assert_latents(kernel: LatentKernel, head: LatentHead, queries: &[f32], got: &[f32], want: &[f64]) {
    let alike = Head { head_dim: head.row, group: head.group, context: head.context };
    let tolerance = tolerance(&alike, queries, kernel.arithmetic());
    assert_eq!(got.len(), want.len());
    for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
        let off = (f64::from(got) - want).abs();
        let what = (kernel.isa(), kernel.span(), head, i);
        assert!(off <= tolerance, "{what:?}: {got} is not {want} within {tolerance:e}");
    }
    let error = relative_error(got, want);
    let most = if kernel.arithmetic() == Dtype::Bf16 { BF16_ERROR_MAX } else { SINGLE_ERROR_MAX };
    assert!(error <= most, "{:?}: the relative error is {error:e}", (kernel.isa(), kernel.span(), head));
}

/// Widths of DeepSeek's and MiniCPM3's rows, and others; heads that fill tiles and that do not; cuts anywhere.
#[test]
fn decode_of_latents_agrees_with_the_oracle() {
    assert!(LatentKernel::find(Isa::Portable).is_some());
    assert!(LatentKernel::all().all(|kernel| kernel.with_span(96).is_none() && kernel.with_span(0).is_none()));
    for ([row, value_dim], group, context) in [
        ([576, 512], 16, 1),
        ([576, 512], 16, 300),
        ([576, 512], 20, 65),
        ([288, 256], 40, 131),
        ([48, 32], 3, 513),
        ([48, 16], 1, 1100),
        ([80, 80], 9, 129),
        ([16, 16], 128, 17),
    ] {
        let head = LatentHead { row, value_dim, group, context };
        let (queries, rows) = latents(head, 1);
        let want = latent_attention(&head, &queries, &rows);
        for kernel in of_latents() {
            for cut in [context, context / 2, context.div_ceil(3)] {
                let parts = [0..cut, cut..context].map(|range| {
                    let mut partial = head.partial(group);
                    kernel.decode(&head, &queries, &rows, range, &mut partial);
                    partial
                });
                // Half of the heads by themselves, as several threads would.
                let (parts, half) = (parts.each_ref(), group / 2);
                let mut out = vec![f32::NAN; head.output_elements(1)];
                let (first, second) = out.split_at_mut(half * value_dim);
                Partial::merge_rows(&parts, 0..half, first);
                Partial::merge_rows(&parts, half..group, second);
                assert_latents(kernel, head, &queries, &out, &want);
            }
        }
    }
}

#[test]
fn prefill_of_latents_agrees_with_the_oracle() {
    for ([row, value_dim], group, context, tokens) in
        [([576, 512], 16, 70, 70), ([288, 256], 5, 200, 131), ([48, 32], 1, 257, 200), ([32, 16], 128, 20, 3)]
    {
        let head = LatentHead { row, value_dim, group, context };
        let (queries, rows) = latents(head, tokens);
        let want = latent_attention(&head, &queries, &rows);
        for kernel in of_latents() {
            for scratch in [group, group + 12, PREFILL_ROWS.max(group)] {
                let (mut partial, mut out) = (head.partial(scratch), vec![f32::NAN; head.output_elements(tokens)]);
                kernel.prefill(&head, &queries, &rows, &mut partial, &mut out);
                assert_latents(kernel, head, &queries, &out, &want);
            }
        }
    }
}

#[test]
fn latents_are_counted_once_and_multiplied_twice() {
    let head = LatentHead { row: 48, value_dim: 32, group: 3, context: 10 };
    let cost = Op::Attention.cost(head.shape(2));
    assert_eq!((cost.flops, cost.cache_read), (2 * 3 * (9 + 10) * (48 + 32), 10 * 48));
    assert_eq!([cost.input_read, cost.output_written], [2 * 3 * 48, 2 * 3 * 32]);
}

#[test]
#[should_panic(expected = "latents are shorter")]
fn latents_beyond_all_memory_are_refused() {
    let head = LatentHead { row: 64, value_dim: 64, group: 1, context: 8 };
    let (queries, rows) = latents(head, 1);
    let head = LatentHead { context: usize::MAX / 64 + 1, ..head };
    let kernel = LatentKernel::find(Isa::Portable).unwrap();
    kernel.decode(&head, &queries, &rows, 0..1, &mut head.partial(1));
}

#[test]
#[should_panic(expected = "longer than rows")]
fn values_longer_than_rows_are_refused() {
    let head = LatentHead { row: 32, value_dim: 64, group: 1, context: 8 };
    let (queries, rows) = latents(head, 1);
    LatentKernel::find(Isa::Portable).unwrap().decode(&head, &queries, &rows, 0..8, &mut head.partial(1));
}

#[test]
#[should_panic(expected = "no such part")]
fn tokens_behind_the_context_are_refused() {
    let head = LatentHead { row: 64, value_dim: 64, group: 1, context: 8 };
    let (queries, rows) = latents(head, 1);
    LatentKernel::find(Isa::Portable).unwrap().decode(&head, &queries, &rows, 0..9, &mut head.partial(1));
}

#[test]
fn pairs_are_counted_as_they_are_seen() {
    let head = Head { head_dim: 64, group: 3, context: 10 };
    assert_eq!(head.shape(1).pairs, 30);
    assert_eq!(head.shape(10).pairs, 3 * 55);
    let cost = Op::Attention.cost(head.shape(2));
    assert_eq!((cost.flops, cost.cache_read), (2 * 3 * (9 + 10) * 128, 10 * 128));
    assert_eq!(head.key_elements(), KEY_BLOCK * 64);
}

#[test]
fn there_is_a_portable_kernel() {
    for isa in Isa::ALL.iter().copied().filter(|isa| isa.available()) {
        assert_eq!(AttentionKernel::find(isa).is_some(), isa.has_attention(), "{isa}");
    }
    assert!(AttentionKernel::find(Isa::Portable).is_some());
}

#[test]
fn ways_that_cannot_be_are_refused() {
    let portable = AttentionKernel::find(Isa::Portable).unwrap();
    assert!(portable.working(Ways { span: SPAN_MAX, ..Ways::PLAIN }).is_some());
    for (streams, span, prefetch_bytes) in
        [(1, 0, 0), (1, 100, 0), (1, SPAN_MAX + KEY_BLOCK, 0), (1, 128, 1024), (0, 128, 0), (3, 192, 0)]
    {
        assert!(
            portable.working(Ways { streams, span, prefetch_bytes }).is_none(),
            "{streams} {span} {prefetch_bytes}"
        );
    }
    for kernel in AttentionKernel::all() {
        assert!(kernel.working(Ways { streams: 4, span: 128, prefetch_bytes: 0 }).is_none());
        assert!(kernel.working(Ways { streams: 2, span: 128, prefetch_bytes: 0 }).is_none());
    }
}

#[test]
#[should_panic(expected = "values are shorter")]
fn a_cache_that_is_too_short_is_refused() {
    let mut case = Case::new(Head { head_dim: 64, group: 1, context: 20 }, 1);
    case.values.pop();
    case.decode(AttentionKernel::find(Isa::Portable).unwrap(), &[0]);
}

#[test]
#[should_panic(expected = "no part has seen a token")]
fn nothing_seen_is_no_output() {
    let case = Case::new(Head { head_dim: 64, group: 1, context: 64 }, 1);
    case.decode(AttentionKernel::find(Isa::Portable).unwrap(), &[64]);
}

#[test]
#[should_panic(expected = "keys are shorter")]
fn a_context_beyond_all_memory_is_refused() {
    let mut case = Case::new(Head { head_dim: 64, group: 1, context: 64 }, 1);
    case.head.context = usize::MAX / 64 + 1;
    case.decode(AttentionKernel::find(Isa::Portable).unwrap(), &[0]);
}
