//! The ways of a matmul that are raced: what one machine taught is a candidate on the next.

use super::MANY_TOKENS;
use crate::probe::memory::largest_pages;
use crate::probe::{Scope, isas};
use crate::profile::{Effort, Machine, Matmul, Tile, Tune};
use roofprobe_kernels::{Dtype, Isa};

/// Strips side by side, how far ahead lines are asked for, and lines of pages ahead: where memory is what a matmul waits for.
type Reading = (u32, u32, u32);

/// One after another, as the hardware prefetches: what Zen 4 wants.
const PLAIN: Reading = (1, 0, 0);
/// One that asks ahead: what Zen 5 wants, where only its prefetchers follow a single stream far enough.
const AHEAD: Reading = (1, 8192, 0);
/// The same for narrower vectors, whose loop takes longer for each line: what Zen 5 wants with them.
const FAR_AHEAD: Reading = (1, 12288, 0);
/// For a quick look. Emerald Rapids wants several, each a stream of its own.
const READINGS_QUICK: [Reading; 5] = [AHEAD, PLAIN, (4, 1024, 0), (4, 4096, 0), (8, 1024, 0)];
/// When there is more time.
const READINGS: [Reading; 9] =
    [AHEAD, PLAIN, (1, 6144, 0), (4, 1024, 0), (4, 4096, 0), (8, 1024, 0), (4, 0, 0), (8, 0, 0), (1, 0, 16)];
/// And when tuning may take its time.
const READINGS_MORE: [Reading; 9] = [
    FAR_AHEAD,
    (1, 1024, 0),
    (1, 2048, 0),
    (1, 4096, 0),
    (1, 16384, 0),
    (2, 0, 0),
    (2, 4096, 0),
    (16, 1024, 0),
    (1, 8192, 16),
];
/// Of few tokens but more than one: the best of the race for one token are among these.
const READINGS_OF_SOME: [Reading; 4] = [AHEAD, PLAIN, (4, 4096, 0), (8, 1024, 0)];

/// How C is cut and plain weights are gone through. What is absent is as the device does it by itself.
#[derive(Clone, Copy)]
struct Blocking {
    /// Rows of C that a thread takes at a time.
    rows: Option<u32>,
    /// C in so few parts of rows, and as many parts of columns for each thread: few threads that seldom change from one part
    /// to another lose least by it, but wait longest for the last one.
    parts: Option<[u64; 2]>,
    /// The share of a second-level cache that a strip's weights may have meanwhile.
    share: Option<u64>,
    /// Whether tokens are set apart: rows a power of two apart meet in the same few sets of a cache.
    apart: bool,
}

/// The usual blocks, with tokens set apart.
const APART: Blocking = Blocking { rows: None, parts: None, share: None, apart: true };
/// As they are stored.
const NEAR: Blocking = Blocking { apart: false, ..APART };
/// For a quick look.
const BLOCKINGS_QUICK: [Blocking; 2] = [APART, NEAR];
/// When there is more time: smaller blocks, so that the tokens of a tile stay in the second-level cache as well, and large parts.
const BLOCKINGS: [Blocking; 6] = [
    APART,
    NEAR,
    Blocking { share: Some(8), ..APART },
    Blocking { rows: Some(96), ..APART },
    Blocking { parts: Some([1, 1]), ..APART },
    Blocking { parts: Some([2, 4]), ..APART },
];
/// And when tuning may take its time.
const BLOCKINGS_MORE: [Blocking; 8] = [
    Blocking { rows: Some(96), share: Some(4), ..APART },
    Blocking { rows: Some(192), share: Some(4), ..APART },
    Blocking { rows: Some(192), share: Some(16), ..APART },
    Blocking { rows: Some(384), share: Some(8), ..APART },
    Blocking { rows: Some(384), share: Some(16), ..APART },
    Blocking { share: Some(8), ..NEAR },
    Blocking { parts: Some([2, 1]), ..APART },
    Blocking { parts: Some([1, 2]), ..APART },
];
/// Rows of C, and how far ahead lines are asked for, of the formats whose tokens are quantised. Asking costs instructions where many
/// tokens share a line.
const QUANTISED_QUICK: [(Option<u32>, Option<u32>); 3] = [(None, None), (None, Some(4096)), (Some(16), None)];
const QUANTISED: [(Option<u32>, Option<u32>); 5] =
    [(None, None), (None, Some(4096)), (Some(16), None), (Some(64), None), (Some(64), Some(4096))];
const QUANTISED_MORE: [(Option<u32>, Option<u32>); 2] = [(Some(16), Some(4096)), (Some(128), Some(4096))];

/// From this many tokens on all blocks are raced, unless there is no time.
const RACED_TOKENS: u64 = 512;

/// The ways in which a product of `m` tokens with `copies` times `n` rows of `k` weights is tried on a CPU, the expected winner
/// first. Empty where no instruction set of the machine has such a matmul.
pub fn variants(machine: &Machine, weights: Dtype, extents: [u64; 3], copies: u32, scope: Scope) -> Vec<Matmul> {
    let (threads, pages) = (machine.environment.threads, largest_pages(machine));
    let [m, ..] = extents;
    // The last one of the list that has such a matmul has the widest vectors.
    let mut kernels: Vec<(Isa, Dtype)> =
        isas(machine).flat_map(|isa| isa.arithmetics(weights).map(move |arithmetic| (isa, arithmetic))).collect();
    kernels.reverse();
    let mut variants = Vec::new();
    let mut vectors = 0;
    for (isa, arithmetic) in kernels {
        let other = (arithmetic != weights.usual_arithmetic()).then_some(arithmetic);
        let plain = Matmul { arithmetic: other, ..Matmul::plain(isa, threads, pages, extents, copies) };
        if !isa.has_matmul_ways(weights, arithmetic) {
            variants.extend(of_unit(&plain));
            continue;
        }
        // Narrower vectors leave more of a core to the loads, and need their own layout of the weights, which takes time.
        match (vectors, scope.tune) {
            (0, _) => variants.extend(of_vectors(machine, weights, &plain, scope)),
            (_, Tune::Thorough) if m == 1 => {
                variants.extend([AHEAD, FAR_AHEAD, PLAIN].map(|reading| reading_as(&plain, reading)));
            }
            (_, Tune::Thorough) => variants.extend(of_vectors(machine, weights, &plain, scope).into_iter().take(2)),
            (1, _) if m == 1 && scope.effort != Effort::Quick => variants.push(reading_as(&plain, FAR_AHEAD)),
            // Those of AArch64 are no narrower: dot products beside blocks.
            (1, _) if isa.architecture() == Some("aarch64") && scope.effort != Effort::Quick => {
                variants.extend(of_vectors(machine, weights, &plain, scope).into_iter().take(1));
            }
            _ => {}
        }
        // Another arithmetic is no narrower.
        vectors += u32::from(other.is_none());
    }
    variants
}

/// Those of a unit that multiplies tiles: with many tokens, all of them at a time, or as many as leave room in a cache; what it does
/// for weights (from memory, or made another type) it does once for all of these.
fn of_unit(plain: &Matmul) -> Vec<Matmul> {
    const ROWS: [u64; 3] = [512, 256, 128];
    const ONE_BLOCK: u64 = 32;
    if plain.m <= ONE_BLOCK {
        return vec![plain.clone()];
    }
    let mut blocks: Vec<u64> = ROWS.iter().map(|&rows| rows.min(plain.m)).collect();
    blocks.dedup();
    blocks.into_iter().map(|rows| Matmul { row_block: u32::try_from(rows).ok(), ..plain.clone() }).collect()
}

/// The ways of one instruction set with vectors.
fn of_vectors(machine: &Machine, weights: Dtype, plain: &Matmul, scope: Scope) -> Vec<Matmul> {
    let quick = scope.effort == Effort::Quick && scope.tune != Tune::Thorough;
    let thorough = scope.tune == Tune::Thorough;
    if plain.m < MANY_TOKENS {
        let readings = match (plain.m, quick, thorough) {
            (_, _, true) => [READINGS.as_slice(), &READINGS_MORE].concat(),
            (1, true, _) => READINGS_QUICK.to_vec(),
            (1, false, _) => READINGS.to_vec(),
            _ => READINGS_OF_SOME.to_vec(),
        };
        return readings.into_iter().map(|reading| reading_as(plain, reading)).collect();
    }
    // The full race once for each format: what wins with most tokens is seldom far from the best with fewer.
    let quick = quick || plain.m < RACED_TOKENS;
    if weights.block().elements > 1 {
        let ways = match (quick, thorough) {
            (_, true) => [QUANTISED.as_slice(), &QUANTISED_MORE].concat(),
            (true, _) => QUANTISED_QUICK.to_vec(),
            _ => QUANTISED.to_vec(),
        };
        let way = |(row_block, prefetch_bytes)| Matmul { row_block, prefetch_bytes, ..plain.clone() };
        return ways.into_iter().map(way).collect();
    }
    let ways = match (quick, thorough) {
        (_, true) => [BLOCKINGS.as_slice(), &BLOCKINGS_MORE].concat(),
        (true, _) => BLOCKINGS_QUICK.to_vec(),
        _ => BLOCKINGS.to_vec(),
    };
    let mut blocked: Vec<Matmul> = Vec::new();
    for way in ways {
        let variant = blocked_as(machine, weights, plain, way);
        // Tokens in panels are the same whether set apart or not.
        if !blocked.contains(&variant) {
            blocked.push(variant);
        }
    }
    // Another register tile is tried with the usual blocks and, as more tokens at a time fill more of a cache, with smaller ones.
    let tiles = plain.isa.matmul_tiles(weights, plain.arithmetic.unwrap_or(weights.usual_arithmetic()));
    for [rows, columns] in tiles.filter(|_| !quick) {
        let shares = [Blocking { share: Some(8), ..APART }, APART];
        let tile = Some(Tile::of(rows as u32, columns as u32));
        let tiled = shares.into_iter().take(if thorough { 2 } else { 1 });
        blocked.extend(tiled.map(|way| Matmul { tile, ..blocked_as(machine, weights, plain, way) }));
    }
    blocked
}

/// The variant with C cut and weights gone through so.
fn blocked_as(machine: &Machine, weights: Dtype, plain: &Matmul, way: Blocking) -> Matmul {
    let part = |extent: u64, parts: u64| u32::try_from(extent.div_ceil(parts)).ok();
    let of_threads = |[down, across]: [u64; 2]| [part(plain.m, down), part(plain.n, across * u64::from(plain.threads))];
    // In panels tokens lie where they lie.
    let arithmetic = plain.arithmetic.unwrap_or(weights.usual_arithmetic());
    let in_place = plain.isa.reads_tokens_in_place(weights, arithmetic);
    let [row_block, column_block] = way.parts.map_or([way.rows, None], of_threads);
    Matmul {
        row_block,
        column_block,
        block_bytes: way.share.map(|share| machine.device.second_level_bytes() / share),
        packed: (way.apart && in_place).then_some(true),
        ..plain.clone()
    }
}

/// The variant with strips read so; what is as the hardware does it is not named.
fn reading_as(plain: &Matmul, (streams, prefetch_bytes, page_ahead_lines): Reading) -> Matmul {
    let named = |value: u32, usual: u32| (value != usual).then_some(value);
    Matmul {
        streams: named(streams, 1),
        prefetch_bytes: named(prefetch_bytes, 0),
        page_ahead_lines: named(page_ahead_lines, 0),
        ..plain.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::tests::machine;
    use crate::profile::DeviceInfo;
    use std::collections::HashSet;

    #[test]
    fn no_way_is_tried_twice_and_the_expected_winner_comes_first() {
        let machine = machine();
        for scope in [
            Scope::from(Effort::Quick),
            Scope::from(Effort::Standard),
            Scope { effort: Effort::Thorough, tune: Tune::Thorough },
        ] {
            for (weights, m) in [(Dtype::F32, 1), (Dtype::Q4K, 4), (Dtype::I8, 512), (Dtype::Q8_0, 64)] {
                let tried = variants(&machine, weights, [m, 4096, 4096], 2, scope);
                let different: HashSet<_> = tried.iter().collect();
                assert_eq!(different.len(), tried.len(), "{weights} {m}");
                let widest = isas(&machine).filter(|isa| isa.has_matmul(weights)).last().unwrap();
                assert_eq!(tried[0].isa, widest, "{weights} {m}");
                let most = if scope.tune == Tune::Thorough { 32 } else { 10 };
                assert!((2..=most).contains(&tried.len()), "{weights} {m}: {}", tried.len());
            }
        }
    }

    #[test]
    fn narrower_vectors_are_tried_where_there_is_time() {
        let machine = machine();
        let isas = |scope: Scope| -> Vec<&str> {
            let tried = variants(&machine, Dtype::Q4_0, [1, 4096, 4096], 2, scope);
            let mut isas: Vec<&str> = tried.iter().map(|variant| variant.isa.name()).collect();
            isas.dedup();
            isas
        };
        assert_eq!(isas(Effort::Quick.into()), ["avx512vnni"]);
        assert_eq!(isas(Effort::Standard.into()), ["avx512vnni", "avx2"]);
        let thorough = Scope { effort: Effort::Standard, tune: Tune::Thorough };
        assert_eq!(isas(thorough), ["avx512vnni", "avx2", "portable"]);
        // Their loop takes longer for each line, and wants lines asked for further ahead.
        let tried = variants(&machine, Dtype::Q4_0, [1, 4096, 4096], 2, Effort::Standard.into());
        let ahead = |variant: Option<&Matmul>| variant.and_then(|variant| variant.prefetch_bytes);
        assert!(ahead(tried.last()) > ahead(tried.first()), "{tried:?}");
        // A client: dot products of 256 bits, and no AVX-512.
        let client = Machine {
            device: DeviceInfo { isas: ["portable", "avx2", "avxvnni"].map(String::from).to_vec(), ..machine.device },
            ..machine
        };
        let tried = variants(&client, Dtype::Q4_0, [512, 4096, 4096], 2, Effort::Quick.into());
        assert!(tried.iter().all(|variant| variant.isa == Isa::AvxVnni), "{tried:?}");
    }

    #[test]
    fn a_unit_of_tiles_is_tried_beside_vectors_in_each_arithmetic() {
        let mut machine = machine();
        machine.device.isas.extend(["avx512fp16", "amxbf16", "amxint8"].map(Into::into));
        let tried = |weights, m| {
            let tried = variants(&machine, weights, [m, 4096, 4096], 2, Effort::Standard.into());
            let mut tried: Vec<_> = tried.iter().map(|v| (v.isa.name(), v.arithmetic.map(Dtype::name))).collect();
            tried.dedup();
            tried
        };
        let vectors = ("avx512vnni", None);
        assert_eq!(tried(Dtype::Q8_0, 512), [("amxint8", None), ("amxbf16", Some("bf16")), vectors]);
        assert_eq!(tried(Dtype::Q4K, 16), [("amxbf16", Some("bf16")), vectors]);
        assert_eq!(tried(Dtype::F16, 512), [("avx512fp16", Some("f16")), ("avx512", None)]);
        let of_bf16 = variants(&machine, Dtype::Bf16, [128, 4096, 4096], 2, Effort::Quick.into());
        assert_eq!((of_bf16[0].isa, of_bf16[0].row_block), (Isa::AmxBf16, Some(128)));
        assert_ne!(of_bf16[1].isa, Isa::AmxBf16);
    }

    #[test]
    fn blocks_are_shares_of_the_cache_that_was_found() {
        use crate::profile::Cache;
        let mut machine = machine();
        machine.device.caches.push(Cache { level: 2, bytes: 4 << 20, instances: 1, shared_by: 2 });
        let tried = variants(&machine, Dtype::F32, [512, 4096, 4096], 2, Effort::Standard.into());
        let blocks: Vec<u64> = tried.iter().filter_map(|variant| variant.block_bytes).collect();
        assert_eq!(blocks, [256 << 10; 2]);
        let tiles: Vec<String> = tried.iter().filter_map(|variant| Some(variant.tile?.to_string())).collect();
        assert_eq!(tiles, ["12x32"]);
        let parts: Vec<_> = tried.iter().filter_map(|v| Some([v.row_block?, v.column_block?])).collect();
        assert_eq!(parts, [[512, 4096 / machine.environment.threads], [256, 1024 / machine.environment.threads]]);
    }
}
