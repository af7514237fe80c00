//! Every matmul kernel this CPU can run agrees with the oracle: random data, awkward shapes, every format.

mod emulator;

use roofprobe_kernels::ops::matmul::{Grid, MatmulKernel, Output, Tile, Tokens, Ways};
use roofprobe_kernels::reference::matmul as oracle;
use roofprobe_kernels::{Dtype, Isa};

/// The kernels that this CPU can run; of the instruction sets in `ROOFPROBE_ISAS` alone, where it names some.
fn kernels() -> impl Iterator<Item = MatmulKernel> {
    let isas = std::env::var("ROOFPROBE_ISAS").ok();
    let named = move |isa: Isa| isas.as_ref().is_none_or(|isas| isas.split(',').any(|name| name == isa.name()));
    let computed = |kernel: &MatmulKernel| emulator::computes(kernel.isa(), kernel.arithmetic());
    MatmulKernel::all().filter(move |kernel| named(kernel.isa())).filter(computed)
}

/// One strip after another, in blocks that no test here exceeds.
const PLAIN: Ways = Ways::plain(1 << 20);

/// Multiplies `m` random tokens of `k` values with `n` rows of weights in tiles of `tile_rows`, in each of the ways, and holds every
/// element against the oracle.
fn agrees(kernel: MatmulKernel, [m, n, k]: [usize; 3], tile_rows: usize, ways: &[Ways]) {
    agrees_on(kernel, &oracle::tokens(m, k, 7), [m, n, k], tile_rows, ways);
}

/// The same with tokens of the caller's choice.
fn agrees_on(kernel: MatmulKernel, tokens: &[f32], [m, n, k]: [usize; 3], tile_rows: usize, ways: &[Ways]) {
    let (dtype, arithmetic) = (kernel.weights(), kernel.arithmetic());
    let stored = oracle::weights(dtype, n, k, (m + n + k) as u64);
    let columns = n.next_multiple_of(kernel.strip_rows());
    let mut strips = vec![0xff; columns / kernel.strip_rows() * kernel.strip_bytes(k)];
    kernel.pack(&stored, k, &mut strips);
    let rows: Vec<Vec<f64>> =
        stored.chunks(stored.len() / n).map(|row| oracle::rounded_weights(dtype, arithmetic, row)).collect();
    let of_token = |token: &[f32]| {
        let token = oracle::rounded_token(dtype, arithmetic, token);
        rows.iter().map(|weights| oracle::element(weights, &token)).collect()
    };
    let wanted: Vec<Vec<(f64, f64)>> = tokens.chunks(k).map(of_token).collect();

    let grid = Grid { rows: m, columns, tile_rows, tile_columns: 2 * kernel.strip_rows() };
    for &ways in ways {
        let output = multiplied(kernel, tokens, k, &strips, grid, ways);
        for (i, j) in (0..m).flat_map(|i| (0..columns).map(move |j| (i, j))) {
            let mut tile = output.tile(i / grid.tile_rows, j / grid.tile_columns).unwrap();
            let bits = tile.bits(i % grid.tile_rows, j % grid.tile_columns);
            let Some(&want) = wanted[i].get(j) else {
                assert!(f32::from_bits(bits) == 0.0, "{dtype} {}: column {j} is {bits:#x}", kernel.isa());
                continue;
            };
            assert!(
                oracle::element_agrees(dtype, arithmetic, bits, want, k),
                "{dtype} {} {m}×{n}×{k} tile {tile_rows} {ways:?}: element ({i}, {j}) is {} or {}, not {want:?}",
                kernel.isa(),
                f32::from_bits(bits),
                bits as i32
            );
        }
    }
}

/// The product of tokens of `k` values with the strips, tile by tile.
fn multiplied(kernel: MatmulKernel, tokens: &[f32], k: usize, strips: &[u8], grid: Grid, ways: Ways) -> Output {
    let output = Output::new(grid).unwrap();
    for i in 0..grid.down() {
        let rows = grid.rows_of(i);
        let values = &tokens[rows.start * k..rows.end * k];
        let bytes = if kernel.quantises() {
            let mut panels = vec![0xff; kernel.token_bytes(rows.len(), k)];
            kernel.quantise(values, k, &mut panels);
            panels
        } else {
            placed(kernel, values, k)
        };
        for j in 0..grid.across() {
            let of_columns = grid.columns_of(j);
            let strip = |column: usize| column / kernel.strip_rows() * kernel.strip_bytes(k);
            let strips = &strips[strip(of_columns.start)..strip(of_columns.end)];
            let mut tile = output.tile(i, j).unwrap();
            tile.spoil();
            let tokens = Tokens { bytes: &bytes, rows: rows.len() };
            kernel.multiply(k, strips, tokens, &mut tile, ways);
        }
    }
    output
}

#[test]
fn all_ways_agree_with_the_oracle() {
    let way = |streams, prefetch_bytes, page_ahead_lines| Ways { streams, prefetch_bytes, page_ahead_lines, ..PLAIN };
    // More strips than there are, a set that is not full, requests far beyond the end.
    let ways = [way(1, 512, 0), way(1, 0, 4), way(2, 0, 0), way(3, 1 << 20, 16), way(16, 64, 1), way(usize::MAX, 0, 0)];
    for kernel in kernels() {
        let block = kernel.weights().block().elements as usize;
        let ks = if block == 1 { [1, 37, 517] } else { [block, 3 * block, 10 * block] };
        for k in ks {
            for (m, n) in [(1, 7 * kernel.strip_rows() - 1), (3, 70), (19, 33)] {
                agrees(kernel, [m, n, k], m, &ways);
            }
        }
    }
}

#[test]
fn all_register_tiles_agree_with_the_oracle() {
    let mut tried = 0;
    for kernel in kernels() {
        for tile in kernel.tiles() {
            // Columns that end within a strip, panels of every number of rows, and k in one block and in several.
            let ways = [PLAIN, Ways::plain(1)].map(|ways| Ways { tile: Some(tile), ..ways });
            for m in tile[0] + 1..=2 * tile[0] + 1 {
                agrees(kernel, [m, 2 * kernel.strip_rows() + 3, 197], m, &ways);
            }
            tried += 1;
        }
    }
    assert!(tried > 0 || !Isa::Avx512.available());
}

#[test]
fn tokens_may_lie_apart() {
    for kernel in kernels().filter(|kernel| !kernel.quantises()) {
        let (m, k) = (7, 1024);
        let mut strips = vec![0; kernel.strip_bytes(k)];
        kernel.pack(&oracle::weights(kernel.weights(), kernel.strip_rows(), k, 5), k, &mut strips);
        let stored = oracle::stored_tokens(kernel.arithmetic(), &oracle::tokens(m, k, 6), k);
        let product = |bytes: usize| {
            let mut tokens = vec![0xff; bytes];
            kernel.place(&stored, k, &mut tokens);
            let output = one_tile(kernel, m, 1);
            let mut tile = output.tile(0, 0).unwrap();
            kernel.multiply(k, &strips, Tokens { bytes: &tokens, rows: m }, &mut tile, Ways::plain(64));
            bits(&mut tile)
        };
        let (near, apart) = (kernel.token_bytes(m, k), kernel.token_bytes_apart(m, k));
        assert!(apart >= near && apart / m % 128 == 64, "an odd number of lines");
        assert!(product(near) == product(apart), "{} {}", kernel.weights(), kernel.isa());
    }
}

/// Plain tokens as the kernel reads them.
fn placed(kernel: MatmulKernel, tokens: &[f32], k: usize) -> Vec<u8> {
    let mut bytes = vec![0xff; kernel.token_bytes(tokens.len() / k, k)];
    kernel.place(&oracle::stored_tokens(kernel.arithmetic(), tokens, k), k, &mut bytes);
    bytes
}

/// One tile of `m` rows and `strips` strips, as a whole output.
fn one_tile(kernel: MatmulKernel, m: usize, strips: usize) -> Output {
    let columns = strips * kernel.strip_rows();
    Output::new(Grid { rows: m, columns, tile_rows: m, tile_columns: columns }).unwrap()
}

/// The bits of every element of a tile, row by row.
fn bits(tile: &mut Tile<'_>) -> Vec<u32> {
    let (rows, columns) = (tile.rows(), tile.columns());
    (0..rows * columns).map(|at| tile.bits(at / columns, at % columns)).collect()
}

#[test]
fn matmuls_agree_with_the_oracle() {
    assert!(std::env::var("ROOFPROBE_ISAS").is_ok() || kernels().count() >= 8);
    for kernel in kernels() {
        println!("{} {}", kernel.weights(), kernel.isa());
        let block = kernel.weights().block().elements as usize;
        let ks = if block == 1 { vec![1, 3, 7, 32, 130, 517] } else { vec![block, 3 * block, 6 * block] };
        // Small blocks so that k is cut, and large ones so that it is not.
        let ways = [64 * kernel.strip_rows() * 4, 1 << 20].map(Ways::plain);
        for k in ks {
            for (m, n, tile_rows) in [(1, 1, 1), (2, 17, 2), (7, 65, 4), (13, 129, 13), (20, 33, 9)] {
                agrees(kernel, [m, n, k], tile_rows, &ways);
            }
        }
    }
}

#[test]
fn every_number_of_rows_has_its_tile() {
    for kernel in kernels() {
        let k = 2 * kernel.weights().block().elements.max(16) as usize;
        for m in 1..=17 {
            agrees(kernel, [m, 40, k], m, &[PLAIN]);
        }
    }
}

#[test]
fn extreme_bytes_are_exact() {
    // The largest products of each sign: what a saturating instruction would get wrong.
    for kernel in kernels().filter(|kernel| kernel.weights() == Dtype::I8) {
        for (weight, token) in [(0x7f, 0xff), (0x80, 0xff), (0x80, 0x00), (0xff, 0xff)] {
            let k = 1000;
            let mut strips = vec![0; kernel.strip_bytes(k)];
            kernel.pack(&vec![weight; kernel.strip_rows() * k], k, &mut strips);
            let output = one_tile(kernel, 3, 1);
            let mut tokens = vec![0; kernel.token_bytes(3, k)];
            if kernel.quantises() {
                let value = (f32::from(token) - 127.5) / 127.5;
                kernel.quantise(&vec![value; 3 * k], k, &mut tokens);
            } else {
                kernel.place(&vec![token; 3 * k], k, &mut tokens);
            }
            let tokens = Tokens { bytes: &tokens, rows: 3 };
            let mut tile = output.tile(0, 0).unwrap();
            tile.spoil();
            kernel.multiply(k, &strips, tokens, &mut tile, PLAIN);
            let want = i32::from(weight as i8) * i32::from(token) * k as i32;
            assert!(bits(&mut tile).into_iter().all(|bits| bits as i32 == want), "{} {weight} {token}", kernel.isa());
        }
    }
}

#[test]
fn zero_tokens_give_zero() {
    // Of bytes without a sign none stands for zero.
    for kernel in kernels().filter(|kernel| kernel.quantises() && kernel.weights() != Dtype::I8) {
        let k = 512;
        let mut strips = vec![0; kernel.strip_bytes(k)];
        kernel.pack(&oracle::weights(kernel.weights(), kernel.strip_rows(), k, 3), k, &mut strips);
        let mut panels = vec![0; kernel.token_bytes(1, k)];
        kernel.quantise(&vec![0.0; k], k, &mut panels);
        let output = one_tile(kernel, 1, 1);
        let tokens = Tokens { bytes: &panels, rows: 1 };
        let mut tile = output.tile(0, 0).unwrap();
        tile.spoil();
        kernel.multiply(k, &strips, tokens, &mut tile, PLAIN);
        let zero = bits(&mut tile).into_iter().all(|bits| f32::from_bits(bits) == 0.0);
        assert!(zero, "{} {}", kernel.weights(), kernel.isa());
    }
}

#[test]
fn a_sum_of_nothing_is_zero() {
    for kernel in kernels() {
        let output = one_tile(kernel, 3, 2);
        let mut tile = output.tile(0, 0).unwrap();
        tile.spoil();
        kernel.multiply(0, &[], Tokens { bytes: &[], rows: 3 }, &mut tile, PLAIN);
        assert!(bits(&mut tile).into_iter().all(|bits| bits == 0), "{} {}", kernel.weights(), kernel.isa());
    }
}

#[test]
fn no_tokens_make_no_tile() {
    let output = Output::new(Grid { rows: 0, columns: 8, tile_rows: 2, tile_columns: 4 }).unwrap();
    assert_eq!((output.grid().down(), output.grid().across()), (0, 2));
    assert!(output.tile(0, 0).is_none());
}

#[test]
fn parts_of_a_tile_make_the_whole() {
    for kernel in kernels() {
        let (m, k) = (5, 512);
        let (rows, strip_bytes) = (kernel.strip_rows(), kernel.strip_bytes(k));
        let mut strips = vec![0; 4 * strip_bytes];
        kernel.pack(&oracle::weights(kernel.weights(), 4 * rows, k, 5), k, &mut strips);
        let values = oracle::tokens(m, k, 6);
        let mut bytes = vec![0; kernel.token_bytes(m, k)];
        if kernel.quantises() {
            kernel.quantise(&values, k, &mut bytes);
        } else {
            bytes = placed(kernel, &values, k);
        }
        let tokens = Tokens { bytes: &bytes, rows: m };
        let output = one_tile(kernel, m, 4);
        let mut tile = output.tile(0, 0).unwrap();
        kernel.multiply(k, &strips, tokens, &mut tile, PLAIN);
        let whole = bits(&mut tile);
        assert!(whole.iter().any(|&bits| bits != 0));
        tile.spoil();
        for half in [0..2, 2..4] {
            let strips = &strips[half.start * strip_bytes..half.end * strip_bytes];
            kernel.multiply(k, strips, tokens, &mut tile.part(half.start * rows..half.end * rows), PLAIN);
        }
        assert!(bits(&mut tile) == whole, "{} {}", kernel.weights(), kernel.isa());
    }
}

#[test]
fn ties_are_rounded_to_even() {
    // Of scale 1 exactly: 127, then ½, 1½, 2½ and so on of both signs.
    let tie = |at: usize| if at.is_multiple_of(2) { 0.5 } else { -0.5 } * (at / 2 * 2 + 1) as f32;
    let block: [f32; 32] = std::array::from_fn(|at| if at == 0 { 127.0 } else { tie(at - 1) });
    assert_eq!(block[..6], [127.0, 0.5, -0.5, 1.5, -1.5, 2.5]);
    assert_eq!(oracle::rounded_token(Dtype::Q8_0, Dtype::I8, &block)[..6], [127.0, 0.0, 0.0, 2.0, -2.0, 2.0]);
    for kernel in kernels().filter(|kernel| kernel.quantises()) {
        agrees_on(kernel, &block.repeat(16), [1, 40, 512], 1, &[PLAIN]);
    }
}

#[test]
fn a_tile_has_one_owner_at_a_time() {
    let output = Output::new(Grid { rows: 3, columns: 8, tile_rows: 2, tile_columns: 4 }).unwrap();
    let tile = output.tile(1, 1).unwrap();
    assert_eq!((tile.rows(), tile.columns()), (1, 4));
    assert!(output.tile(1, 1).is_none() && output.tile(0, 1).is_some());
    drop(tile);
    assert!(output.tile(1, 1).is_some());
    assert!(output.tile(2, 0).is_none() && output.tile(0, 2).is_none());
}

/// What `multiply` is handed for one token of 32 values and one strip, some of it wrong.
fn refused(k: usize, strips: usize, tokens: usize, rows: usize, columns: usize) {
    let kernel = MatmulKernel::find(Dtype::F32, Isa::Portable, None).unwrap();
    let output = one_tile(kernel, 1, 1);
    let tokens = Tokens { bytes: &vec![0; tokens], rows };
    kernel.multiply(k, &vec![0; strips], tokens, &mut output.tile(0, 0).unwrap().part(0..columns), PLAIN);
}

#[test]
fn what_fits_is_not_refused() {
    refused(32, 8 * 128, 128, 1, 8);
}

#[test]
#[should_panic(expected = "k is beyond all memory")]
fn k_beyond_all_memory_is_refused() {
    // 4·k and 32·k are nothing once their upper bits are lost.
    refused(1 << (usize::BITS - 2), 0, 0, 1, 8);
}

#[test]
#[should_panic(expected = "columns")]
fn half_a_strip_is_refused() {
    refused(32, 8 * 128, 128, 1, 4);
}

#[test]
#[should_panic(expected = "strips")]
fn short_strips_are_refused() {
    refused(32, 8 * 128 - 1, 128, 1, 8);
}

#[test]
#[should_panic(expected = "rows")]
fn more_tokens_than_rows_are_refused() {
    refused(32, 8 * 128, 256, 2, 8);
}

#[test]
#[should_panic(expected = "tokens")]
fn short_tokens_are_refused() {
    refused(32, 8 * 128, 127, 1, 8);
}

#[test]
#[should_panic(expected = "a tile has rows and columns")]
fn a_tile_of_nothing_is_refused() {
    let _ = Output::new(Grid { rows: 3, columns: 8, tile_rows: 0, tile_columns: 4 });
}

#[test]
fn a_matrix_beyond_all_memory_is_refused() {
    // The product is 0 once its upper bits are lost.
    let half = 1 << (usize::BITS / 2);
    assert!(Output::new(Grid { rows: half, columns: half, tile_rows: half, tile_columns: half }).is_err());
}

#[test]
#[should_panic(expected = "no whole blocks")]
fn half_a_block_is_refused() {
    let kernel = MatmulKernel::all().find(|kernel| kernel.weights() == Dtype::Q4_0).unwrap();
    kernel.pack(&[0; 18], 48, &mut []);
}

#[test]
fn the_table_names_every_matmul_it_has() {
    for isa in Isa::ALL.iter().copied().filter(|isa| isa.available()) {
        for dtype in Dtype::ALL {
            let found = |arithmetic| MatmulKernel::find(dtype, isa, Some(arithmetic)).is_some();
            assert!(isa.arithmetics(dtype).all(found), "{dtype} {isa}");
            let usual = isa.arithmetics(dtype).any(|arithmetic| arithmetic == dtype.usual_arithmetic());
            assert_eq!(MatmulKernel::find(dtype, isa, None).is_some(), usual, "{dtype} {isa}");
            assert_eq!(isa.has_matmul(dtype), isa.arithmetics(dtype).next().is_some(), "{dtype} {isa}");
        }
    }
}
