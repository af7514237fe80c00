//! Work on rows: every operation against the oracle, on whole and on awkward extents.

use super::*;
use crate::device::gpu::context::Context;
use crate::device::gpu::routines::rows::{Activations, Pool, RowsRoutine, halves, has_shader, made_up};
use roofprobe_kernels::Shape;
use roofprobe_kernels::reference::rows as oracle;

const TOLERANCE: f64 = 1e-4;
/// More than a word of 32 bits can be told from: nothing writes it.
const SPOILT: f32 = -1e30;

fn spoilt(context: &Context, activations: &Activations) {
    let spoilt = vec![SPOILT; activations.elements as usize];
    context.upload(&activations.out, bytemuck::cast_slice(&spoilt)).unwrap();
}

/// What the operation wrote.
fn written(context: &Context, activations: &Activations, routine: &RowsRoutine, copy: u64) -> Vec<u32> {
    spoilt(context, activations);
    context.pass(|pass| routine.encode(pass, copy)).unwrap();
    context.words(&activations.out, activations.elements).unwrap()
}

fn near(got: u32, want: f64) -> bool {
    (f64::from(f32::from_bits(got)) - want).abs() <= TOLERANCE * want.abs().max(1.0)
}

#[test]
fn every_operation_on_rows_agrees_with_the_oracle() {
    on_every_adapter(|worker| {
        let context = worker.context_mut();
        let activations = Activations::new(context, 3 * 200, 64).unwrap();
        let [a, b] = Activations::SEEDS.map(|seed| made_up(activations.elements, seed));
        let mut done = 0;
        for op in Op::ALL.into_iter().filter(|&op| oracle::row(op, &a[..2], &b[..2], &a[..4]).is_some()) {
            // The last one has more rows than the arrays have room for.
            for (rows, row) in [(1, 200), (3, 66), (9, 96)] {
                // One row of weights, and two for a bias behind them.
                let weights = if op == Op::LayerNorm { 2 } else { 1 };
                let shape = Shape::norm(rows, row, weights);
                let each = op.cost(shape).weights_read as usize;
                let routine = RowsRoutine::of(context, &activations, (op, shape), 2).unwrap();
                let got = written(context, &activations, &routine, 1);
                let all = made_up(2 * each as u64, 11);
                for at in 0..(activations.elements / row).min(rows) as usize {
                    let own = at * row as usize..(at + 1) * row as usize;
                    let want = oracle::row(op, &a[own.clone()], &b[own.clone()], &all[each..]).unwrap();
                    let right = got[own].iter().zip(&want).all(|(&got, &want)| near(got, want));
                    assert!(right, "{op} {rows}x{row}, row {at}: {want:?}");
                }
                done += 1;
            }
            assert!(has_shader(op), "{op}");
        }
        assert_eq!(done, 16 * 3);
    });
}

#[test]
fn halves_are_put_away_and_read() {
    on_every_adapter(|worker| {
        let context = worker.context_mut();
        let activations = Activations::new(context, 400, 64).unwrap();
        let a = made_up(400, Activations::SEEDS[0]);
        let append = RowsRoutine::of(context, &activations, (Op::Append, Shape::rows(2, 100)), 1).unwrap();
        let got = written(context, &activations, &append, 0);
        for (word, pair) in got[..100].iter().zip(a.chunks(2)) {
            for (half, &x) in [word & 0xffff, word >> 16].iter().zip(pair) {
                // A half has eleven digits.
                assert!((half_value(*half) - f64::from(x)).abs() <= f64::from(x).abs() / 1024.0, "{half:x} {x}");
            }
        }
        assert_eq!(f32::from_bits(got[100]), SPOILT);
        let fetch = RowsRoutine::of(context, &activations, (Op::Fetch, Shape::rows(2, 100)), 1).unwrap();
        let got = written(context, &activations, &fetch, 0);
        let words = halves(400);
        for (at, &got) in got[..200].iter().enumerate() {
            let half = words[at / 2] >> (at % 2 * 16) & 0xffff;
            assert!(near(got, half_value(half)));
        }
    });
}

/// The value of a normal half.
fn half_value(half: u32) -> f64 {
    let sign = if half & 0x8000 == 0 { 1.0 } else { -1.0 };
    sign * (1.0 + f64::from(half & 0x3ff) / 1024.0) * 2_f64.powi((half >> 10 & 31) as i32 - 15)
}

#[test]
fn rows_are_looked_up_where_the_turn_says() {
    on_every_adapter(|worker| {
        let context = worker.context_mut();
        let activations = Activations::new(context, 400, 64).unwrap();
        // Rows of fewer words than elements, as of quantised weights, and of as many.
        for (table_rows, words, row) in [(37_u64, 18_u64, 64_u64), (5, 50, 50)] {
            let table: Vec<u32> =
                (0..table_rows * words).map(|at| (at as u32 + 1).wrapping_mul(2_246_822_519)).collect();
            let buffer = context.filled(bytemuck::cast_slice(&table)).unwrap();
            let gather = RowsRoutine::gather(context, &activations, (&buffer, table_rows, words), [3, row]).unwrap();
            for turn in [0_u64, 5] {
                let got = written(context, &activations, &gather, turn);
                for (at, &got) in got[..3 * row as usize].iter().enumerate() {
                    let (line, column) = (at as u64 / row, at as u64 % row);
                    let seed = (turn * 7919 + 1) as u32;
                    let chosen = u64::from((line as u32 + seed).wrapping_mul(2_654_435_761)) % table_rows;
                    let word = table[(chosen * words + column * words / row) as usize];
                    let byte = word >> (column % 4 * 8) & 255;
                    assert_eq!(f32::from_bits(got), byte as f32, "{at}");
                }
            }
        }
    });
}

#[test]
fn a_state_is_kept_and_traffic_moves() {
    on_every_adapter(|worker| {
        let context = worker.context_mut();
        let activations = Activations::new(context, 400, 64).unwrap();
        let pool = Pool::new(context, 600, 3).unwrap();
        let before = pool.words(context);
        let state = RowsRoutine::kept(context, &activations, &pool, 600, 3).unwrap();
        context.pass(|pass| state.encode(pass, 1)).unwrap();
        let places = 768 / 4;
        for (at, (&was, &is)) in before.iter().zip(&pool.words(context)).enumerate() {
            let kept = (places..places + 150).contains(&at);
            let want = if kept { f32::from_bits(was) * 0.5 + 0.25 } else { f32::from_bits(was) };
            assert!(near(is, want.into()) && (kept || is == was), "{at}");
        }
        let whole = RowsRoutine::of(context, &activations, (Op::State, Shape::rows(3, 50)), 2).unwrap();
        context.pass(|pass| whole.encode(pass, 1)).unwrap();
        for op in [Op::Conv, Op::Scan, Op::SelectiveScan, Op::DeltaRule] {
            assert!(!has_shader(op));
            let moved = RowsRoutine::of(context, &activations, (op, Shape::along(3, 50, 4)), 2).unwrap();
            let got = written(context, &activations, &moved, 1);
            assert!(got[..150].iter().all(|&got| (0.0..256.0).contains(&f32::from_bits(got))), "{op}");
            assert_eq!(f32::from_bits(got[150]), SPOILT, "{op}");
        }
        // Each copy has a stretch of its own.
        let pool = Pool::new(context, 1000, 5).unwrap();
        let traffic = RowsRoutine::traffic(context, &activations, (&pool, 1000), [2, 30], 5).unwrap();
        for copy in 0..5 {
            let got = written(context, &activations, &traffic, copy);
            let own = &pool.words(context)[copy as usize * 256..];
            for (four, &got) in own.chunks_exact(4).zip(&got[..60]) {
                let sum = four.iter().copied().fold(0, u32::wrapping_add);
                assert_eq!(f32::from_bits(got), (sum & 255) as f32, "{copy}");
            }
        }
    });
}
