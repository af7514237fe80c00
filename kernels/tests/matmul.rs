//! Every matmul kernel this CPU can run agrees with the oracle: random data, awkward shapes, every format.

use roofprobe_kernels::ops::matmul::{Grid, MatmulKernel, Output, Tokens};
use roofprobe_kernels::reference::matmul as oracle;
use roofprobe_kernels::{Dtype, Isa};

/// Multiplies `m` tokens of `k` values with `n` rows of weights in tiles of `tile_rows`, and holds every element against the
/// oracle.
fn agrees(kernel: MatmulKernel, [m, n, k]: [usize; 3], tile_rows: usize, block_bytes: usize) {
    let dtype = kernel.weights();
    let stored = oracle::weights(dtype, n, k, (m + n + k) as u64);
    let tokens = oracle::tokens(m, k, 7);
    let columns = n.next_multiple_of(kernel.strip_rows());
    let mut strips = vec![0xff; columns / kernel.strip_rows() * kernel.strip_bytes(k)];
    kernel.pack(&stored, k, &mut strips);

    let grid = Grid { rows: m, columns, tile_rows, tile_columns: 2 * kernel.strip_rows() };
    let output = Output::new(grid).unwrap();
    for i in 0..grid.down() {
        let rows = grid.rows_of(i);
        let values = &tokens[rows.start * k..rows.end * k];
        let bytes = if kernel.quantises() {
            let mut panels = vec![0xff; kernel.token_bytes(rows.len(), k)];
            kernel.quantise(values, k, &mut panels);
            panels
        } else {
            oracle::stored_tokens(dtype, values, k)
        };
        for j in 0..grid.across() {
            let of_columns = grid.columns_of(j);
            let strip = |column: usize| column / kernel.strip_rows() * kernel.strip_bytes(k);
            let strips = &strips[strip(of_columns.start)..strip(of_columns.end)];
            let mut tile = output.tile(i, j).unwrap();
            tile.spoil();
            let tokens = Tokens { bytes: &bytes, rows: rows.len() };
            kernel.multiply(k, strips, tokens, &mut tile, block_bytes);
        }
    }

    let rows: Vec<Vec<f64>> = stored.chunks(stored.len() / n).map(|row| oracle::widened(dtype, row)).collect();
    for (i, token) in tokens.chunks(k).enumerate() {
        let token = oracle::rounded_token(dtype, token);
        for (j, weights) in rows.iter().enumerate() {
            let mut tile = output.tile(i / grid.tile_rows, j / grid.tile_columns).unwrap();
            let bits = tile.bits(i % grid.tile_rows, j % grid.tile_columns);
            let want = oracle::element(weights, &token);
            assert!(
                oracle::element_agrees(dtype, bits, want, k),
                "{dtype} {} {m}×{n}×{k} tile {tile_rows} blocks of {block_bytes}: element ({i}, {j}) is {} or {}, not {want:?}",
                kernel.isa(),
                f32::from_bits(bits),
                bits as i32
            );
        }
    }
}

#[test]
fn matmuls_agree_with_the_oracle() {
    assert!(MatmulKernel::all().count() >= 8);
    for kernel in MatmulKernel::all() {
        println!("{} {}", kernel.weights(), kernel.isa());
        let block = kernel.weights().block().elements as usize;
        let ks = if block == 1 { vec![1, 3, 7, 32, 130, 517] } else { vec![block, 3 * block, 6 * block] };
        for k in ks {
            // Small blocks so that k is cut, and large ones so that it is not.
            for block_bytes in [64 * kernel.strip_rows() * 4, 1 << 20] {
                for (m, n, tile_rows) in [(1, 1, 1), (2, 17, 2), (7, 65, 4), (13, 129, 13), (20, 33, 9)] {
                    agrees(kernel, [m, n, k], tile_rows, block_bytes);
                }
            }
        }
    }
}

#[test]
fn every_number_of_rows_has_its_tile() {
    for kernel in MatmulKernel::all() {
        let k = 2 * kernel.weights().block().elements.max(16) as usize;
        for m in 1..=17 {
            agrees(kernel, [m, 40, k], m, 1 << 20);
        }
    }
}

#[test]
fn extreme_bytes_are_exact() {
    // The largest products of each sign: what a saturating instruction would get wrong.
    for kernel in MatmulKernel::all().filter(|kernel| kernel.weights() == Dtype::I8) {
        for (weight, token) in [(0x7f, 0xff), (0x80, 0xff), (0x80, 0x00), (0xff, 0xff)] {
            let k = 1000;
            let mut strips = vec![0; kernel.strip_bytes(k)];
            kernel.pack(&vec![weight; kernel.strip_rows() * k], k, &mut strips);
            let grid = Grid { rows: 3, columns: kernel.strip_rows(), tile_rows: 3, tile_columns: kernel.strip_rows() };
            let output = Output::new(grid).unwrap();
            let tokens = Tokens { bytes: &vec![token; 3 * k], rows: 3 };
            let mut tile = output.tile(0, 0).unwrap();
            kernel.multiply(k, &strips, tokens, &mut tile, 1 << 20);
            assert_eq!(tile.bits(2, 5) as i32, i32::from(weight as i8) * i32::from(token) * k as i32);
        }
    }
}

#[test]
fn zero_tokens_give_zero() {
    for kernel in MatmulKernel::all().filter(|kernel| kernel.quantises()) {
        let k = 512;
        let mut strips = vec![0; kernel.strip_bytes(k)];
        kernel.pack(&oracle::weights(kernel.weights(), kernel.strip_rows(), k, 3), k, &mut strips);
        let mut panels = vec![0; kernel.token_bytes(1, k)];
        kernel.quantise(&vec![0.0; k], k, &mut panels);
        let grid = Grid { rows: 1, columns: kernel.strip_rows(), tile_rows: 1, tile_columns: kernel.strip_rows() };
        let output = Output::new(grid).unwrap();
        let tokens = Tokens { bytes: &panels, rows: 1 };
        let mut tile = output.tile(0, 0).unwrap();
        kernel.multiply(k, &strips, tokens, &mut tile, 1 << 20);
        assert_eq!(tile.bits(0, 3), 0);
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
            assert_eq!(MatmulKernel::find(dtype, isa).is_some(), isa.has_matmul(dtype), "{dtype} {isa}");
        }
    }
}
