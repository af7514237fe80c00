//! Every kernel this CPU can run agrees with the oracle, with random data on awkward lengths.
//!
//! An instruction set that the CPU lacks is skipped: the list printed says which were run.

mod emulator;

use roofprobe_kernels::buffer::{Buffer, Pages};
use roofprobe_kernels::ops::chain::{ChainKernel, ChainShape, Halves, Recurrence, STEPS};
use roofprobe_kernels::ops::chase::{Chase, ChasePattern};
use roofprobe_kernels::ops::clock::dependent_adds;
use roofprobe_kernels::ops::stream::{self, Checksum, Stores, StreamKernel, Ways};
use roofprobe_kernels::reference::{self, Random};
use roofprobe_kernels::{Dtype, Isa, Op};

const LENGTHS: [usize; 13] = [0, 1, 3, 7, 8, 31, 32, 33, 64, 127, 1000, 4099, 16_384];

fn filled(len: usize, seed: u64) -> Buffer {
    let mut buffer = Buffer::new(len, Pages::Base, 192).expect("memory for a test array");
    Random::new(seed).fill(buffer.as_mut_slice());
    buffer
}

#[test]
fn streams_agree_with_the_oracle() {
    for kernel in StreamKernel::all() {
        println!("{} {} {:?}", kernel.op(), kernel.isa(), kernel.ways());
        for (len, repetitions) in LENGTHS.into_iter().zip([1, 2, 5].into_iter().cycle()) {
            let (x, y, mut out) = (filled(len, 1), filled(len, 2), filled(len, 3));
            let before = out.as_slice().to_vec();
            let s = 0.718_281_828;
            let sum = kernel.run(x.as_slice(), y.as_slice(), out.as_mut_slice(), s, repetitions);
            if kernel.op() == Op::Read {
                assert_eq!(
                    sum,
                    reference::checksum(kernel.checksum(), x.as_slice()).wrapping_mul(repetitions),
                    "length {len}"
                );
                assert_eq!(out.as_slice(), before, "a read writes nothing");
            } else {
                for (i, &got) in out.as_slice().iter().enumerate() {
                    let (x, y) = (x.as_slice()[i], y.as_slice()[i]);
                    assert!(reference::stream_agrees(kernel.op(), got, x, y, s), "length {len}, element {i}: {got}");
                }
            }
        }
    }
}

#[test]
fn no_walk_does_nothing() {
    for kernel in StreamKernel::all() {
        let (x, y, mut out) = (filled(100, 1), filled(100, 2), filled(100, 3));
        let before = out.as_slice().to_vec();
        assert_eq!(kernel.run(x.as_slice(), y.as_slice(), out.as_mut_slice(), 0.5, 0), 0);
        assert_eq!(out.as_slice(), before);
    }
}

#[test]
fn a_chase_visits_every_line_once_and_comes_back() {
    for (bytes, stride_bytes, window_bytes) in [
        (64, 64, 4096),
        (130, 64, 64),
        (4096, 64, 4096),
        (10_000, 128, 1000),
        (99_999, 64, 4096),
        (1 << 17, 100, 1 << 30),
    ] {
        let pattern = ChasePattern { bytes, stride_bytes, window_bytes, pages: Pages::Base };
        let mut chase = Chase::new(pattern, 7).unwrap();
        let stride = stride_bytes.next_multiple_of(64);
        let lines = chase.lines();
        assert_eq!(lines, bytes / stride);
        // Followed by hand: a line's first word is the address of the next.
        let words = chase.buffer().as_words();
        let base = words.as_ptr().addr();
        let (mut visited, mut at) = (vec![false; lines], 0);
        let (mut in_window, window) = (0, (window_bytes / stride).max(1));
        for _ in 0..lines {
            assert!(!std::mem::replace(&mut visited[at], true), "line {at} of {lines} stands twice");
            let next = (words[at * stride / 8] as usize - base) / stride;
            assert_eq!((words[at * stride / 8] as usize - base) % stride, 0);
            in_window += usize::from(at / window != next / window);
            at = next;
        }
        assert!(at == 0 && visited.iter().all(|&seen| seen), "one cycle through all of {lines}");
        let windows = lines.div_ceil(window);
        assert_eq!(in_window, if windows > 1 { windows } else { 0 }, "each window is entered once");
        // And by the kernel, in pieces that are no divisors of the cycle.
        assert_eq!(chase.rank(), 0);
        let mut gone = 0;
        for steps in [0, 1, 7, lines as u64, 1000] {
            chase.run(steps);
            gone += steps;
            assert_eq!(chase.rank(), gone % lines as u64, "{lines} lines");
        }
    }
    let none = ChasePattern { bytes: 63, stride_bytes: 64, window_bytes: 64, pages: Pages::Base };
    assert!(Chase::new(none, 1).is_err());
}

#[test]
fn chases_are_random() {
    let pattern = ChasePattern { bytes: 1 << 16, stride_bytes: 64, window_bytes: 1 << 14, pages: Pages::Base };
    let words = |seed| {
        let chase = Chase::new(pattern, seed).unwrap();
        let base = chase.buffer().as_words().as_ptr().addr() as u64;
        chase.buffer().as_words().chunks(8).map(|line| line[0] - base).collect::<Vec<_>>()
    };
    let (one, other) = (words(1), words(2));
    assert_ne!(one, other);
    let neighbours = one.iter().enumerate().filter(|&(line, &next)| next == 64 * (line as u64 + 1)).count();
    assert!(neighbours < 32, "{neighbours} of 1024 lines are followed by their neighbour");
}

#[test]
fn chains_agree_with_the_oracle() {
    // Of the instruction sets in `ROOFPROBE_ISAS` alone, where it names some.
    let isas = std::env::var("ROOFPROBE_ISAS").ok();
    let named = |isa: Isa| isas.as_ref().is_none_or(|isas| isas.split(',').any(|name| name == isa.name()));
    for kernel in ChainKernel::all().filter(|kernel| named(kernel.isa())) {
        if !emulator::computes(kernel.isa(), kernel.dtype()) {
            println!("{} {} is left out: this emulator gets its instruction wrong", kernel.dtype(), kernel.isa());
            continue;
        }
        println!("{} {} {}", kernel.op(), kernel.dtype(), kernel.isa());
        for (seed, rounds) in [(1, 1), (2, 2), (3, 7)] {
            let mut state = kernel.prepare(seed);
            state.run(rounds);
            assert!(state.verified(rounds), "{} {} on {}", kernel.op(), kernel.dtype(), kernel.isa());
            assert!(!state.verified(rounds + 1), "the check must tell another amount of work");
        }
    }
}

fn shape(dtype: Dtype, recurrence: Recurrence) -> ChainShape {
    let vector_bytes = if recurrence == Recurrence::Tile { 1024 } else { 64 };
    ChainShape { dtype, recurrence, vector_bytes, accumulators: 4 }
}

fn lanes(shape: &ChainShape, bytes: &[u8]) -> Vec<f64> {
    match shape.lane_bytes() {
        8 => bytes.as_chunks::<8>().0.iter().map(|&b| f64::from_ne_bytes(b)).collect(),
        _ => bytes.as_chunks::<4>().0.iter().map(|&b| f64::from(f32::from_ne_bytes(b))).collect(),
    }
}

#[test]
fn chains_stay_bounded_and_busy() {
    let (square, sum) = (Recurrence::Square { fused: true }, Recurrence::SquareAndSum { sums: 3 });
    let converted = Recurrence::Converted(Halves::Apart);
    for (dtype, recurrence, bound) in [
        (Dtype::F32, square, 1.9),
        (Dtype::F64, square, 1.9),
        (Dtype::F32, sum, 1.9 * STEPS as f64),
        (Dtype::F64, sum, 1.9 * STEPS as f64),
        (Dtype::F16, converted, STEPS as f64),
        (Dtype::Bf16, converted, STEPS as f64),
    ] {
        let shape = shape(dtype, recurrence);
        let inputs = reference::chain_inputs(&shape, 5);
        assert_eq!((inputs.start.len(), inputs.operands.len()), (shape.state_bytes(), shape.operand_bytes()));
        let (near, far) = (reference::chain(&shape, &inputs, STEPS), reference::chain(&shape, &inputs, STEPS - 1));
        let (near, far) = (lanes(&shape, &near), lanes(&shape, &far));
        assert!(near.iter().zip(&far).all(|(a, b)| a != b), "{recurrence:?}: every lane moves");
        assert!(near.iter().all(|x| x.is_finite() && x.abs() <= bound), "{recurrence:?}: {near:?}");
    }
}

#[test]
fn squares_in_halves_stay_bounded() {
    let shape = shape(Dtype::F16, Recurrence::Square { fused: true });
    let inputs = reference::chain_inputs(&shape, 5);
    for steps in [1, 2, STEPS] {
        let last = reference::chain(&shape, &inputs, steps);
        // Below 2: the exponent's upper bit is only set together with no other.
        assert!(last.as_chunks::<2>().0.iter().all(|&b| u16::from_ne_bytes(b) & 0x7fff < 0x4000), "{steps}");
    }
}

/// The double-precision sum of all that bf16 products add to each lane, as an exact number.
fn bf16_sums(
    inputs: &reference::ChainInputs,
    vector_bytes: usize,
    pairs: impl Fn(usize) -> Vec<(usize, usize)>,
) -> Vec<f64> {
    let bf16 = |bytes: &[u8]| f64::from(f32::from_bits(u32::from(u16::from_ne_bytes([bytes[0], bytes[1]])) << 16));
    let start = inputs.start.as_chunks::<4>().0.iter().enumerate();
    start
        .map(|(lane, &start)| {
            let pairs = pairs(lane);
            let mut sum = f64::from(f32::from_ne_bytes(start));
            for step in 0..STEPS {
                let b = vector_bytes * (1 + step % 2);
                for &(at_a, at_b) in &pairs {
                    sum += bf16(&inputs.operands[at_a..]) * bf16(&inputs.operands[b + at_b..]);
                    assert!(sum.abs() < f64::from(1 << 24), "lane {lane} would be rounded");
                }
            }
            sum
        })
        .collect()
}

#[test]
fn bf16_oracles_are_exact_in_any_order() {
    // The inputs are chosen such that no sum is ever rounded: the double-precision sum is the same number.
    let dot = shape(Dtype::Bf16, Recurrence::Dot);
    let inputs = reference::chain_inputs(&dot, 9);
    let sums = bf16_sums(&inputs, 64, |lane| [0, 2].map(|half| (lane * 4 % 64 + half, lane * 4 % 64 + half)).to_vec());
    assert_eq!(sums, lanes(&dot, &reference::chain(&dot, &inputs, STEPS)));
    // A tile: row of A by column of B, element pair by element pair.
    let tile = ChainShape { accumulators: 1, ..shape(Dtype::Bf16, Recurrence::Tile) };
    let inputs = reference::chain_inputs(&tile, 9);
    let sums = bf16_sums(&inputs, 1024, |lane| {
        let (row, column) = (lane / 16, lane % 16);
        (0..32).map(|k| (row * 64 + 2 * k, k / 2 * 64 + 4 * column + 2 * (k % 2))).collect()
    });
    assert_eq!(sums, lanes(&tile, &reference::chain(&tile, &inputs, STEPS)));
}

#[test]
fn the_table_names_every_kernel_it_has() {
    for isa in Isa::ALL.iter().copied().filter(|isa| isa.available()) {
        for dtype in Dtype::ALL {
            let there = |op: Op| ChainKernel::find(op, dtype, isa).is_some();
            assert_eq!(there(Op::Chain), isa.has_chain(dtype), "{dtype} {isa}");
            assert_eq!(there(Op::ChainAdd), isa.has_chain_add(dtype), "{dtype} {isa}");
        }
        for op in stream::OPS {
            let there = |ways: Ways| StreamKernel::find(op, isa, ways).is_some();
            assert_eq!(there(Ways::READ), isa.has_streams(), "{op} {isa}");
            let nontemporal = isa.has_nontemporal_stores() && op != Op::Read;
            assert_eq!(there(Ways::plain(Stores::Nontemporal)), nontemporal, "{op} {isa}");
            let string = nontemporal && op == Op::Copy && isa.architecture() == Some("x86_64");
            assert_eq!(there(Ways::plain(Stores::String)), string, "{op} {isa}");
            let reads = op == Op::Read && isa.has_streams();
            // SVE joins two vectors at a time, however it joins them.
            let xor = reads && isa != Isa::Sve;
            assert_eq!(there(Ways { checksum: Checksum::Xor, ..Ways::READ }), xor, "{op} {isa}");
            for streams in stream::SIDE_BY_SIDE {
                let ways = Ways { streams, unroll: streams.max(stream::UNROLL), ..Ways::READ };
                assert!(!reads || there(ways), "{op} {isa} {streams}");
            }
            for prefetch_bytes in stream::PREFETCH_BYTES {
                let ahead = there(Ways { prefetch_bytes, ..Ways::READ });
                assert_eq!(ahead, isa.has_streams() && isa.has_prefetch(), "{op} {isa} {prefetch_bytes}");
            }
        }
    }
    assert!(Isa::Portable.available());
    for op in stream::OPS {
        assert!(StreamKernel::find(op, Isa::Portable, Ways::plain(Stores::Ordinary)).is_some(), "{op}");
    }
    assert!(StreamKernel::find(Op::Copy, Isa::Portable, Ways::plain(Stores::Nontemporal)).is_none());
}

#[test]
fn buffers_are_aligned_zeroed_and_apart() {
    for (len, offset) in [(1, 0), (1000, 64), (1 << 16, 4160 + 7)] {
        for pages in [Pages::Base, Pages::Huge] {
            let buffer = Buffer::new(len, pages, offset).unwrap();
            let address = buffer.as_slice().as_ptr().addr();
            assert_eq!(address % (2 << 20), offset / 64 * 64);
            assert!(buffer.mapping().contains(&address));
            assert!(buffer.as_slice().iter().all(|&v| v.to_bits() == 0));
        }
    }
    assert!(Buffer::new(usize::MAX / 8, Pages::Base, 0).is_err());
}

#[test]
fn the_yardstick_counts_what_it_runs() {
    if let Some(adds) = dependent_adds(1000) {
        assert_eq!(adds, 1024);
        assert_eq!(dependent_adds(1), Some(32));
    }
}

#[test]
#[should_panic(expected = "differ in length")]
fn arrays_of_unequal_length_are_refused() {
    let kernel = StreamKernel::find(Op::Copy, Isa::Portable, Ways::plain(Stores::Ordinary)).unwrap();
    let (x, y, mut out) = (filled(8, 1), filled(8, 2), filled(9, 3));
    kernel.run(x.as_slice(), y.as_slice(), out.as_mut_slice(), 1.0, 1);
}
