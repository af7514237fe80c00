//! How many keys are seen: the sums behind causal and sliding-window attention, in closed form.
//!
//! A token at position `t` (counted from 0) sees `min(t + 1, W)` keys, itself included; without a window `W = ∞`.

/// Visible (query, key) pairs of `tokens` new tokens after `past` cached ones:
/// `S(N, p, W) = Σ_{t=0}^{N−1} min(p + t + 1, W)`.
///
/// Without a window that is `N·p + N(N+1)/2`. Exact for arguments below 2⁶²; larger ones saturate.
pub fn visible_pairs(tokens: u64, past: u64, window: Option<u64>) -> u128 {
    sum_of_minima(tokens, past, 1, window)
}

/// Distinct cached keys that `passes` consecutive passes of `tokens` tokens each read, the first after `past` tokens:
/// `Σ_{i=0}^{passes−1} R(N, p + i·N, W)` with `R(N, p, W) = min(p + N, W + N − 1)`.
///
/// One pass reads each key once, however many of its queries see it: the least that any kernel can do.
pub fn keys_read(tokens: u64, past: u64, passes: u64, window: Option<u64>) -> u128 {
    let most = window.map(|w| w.saturating_add(tokens.saturating_sub(1)));
    sum_of_minima(passes, past, tokens, most)
}

/// Visible (query, key) pairs where a token sees those of its own chunk of `chunk` tokens: the one at position `t` sees
/// `t mod c + 1` keys.
pub(super) fn chunked_pairs(tokens: u64, past: u64, chunk: u64) -> u128 {
    let below = |end: u64| {
        let (whole, rest) = (u128::from(end / chunk.max(1)), u128::from(end % chunk.max(1)));
        let chunk = u128::from(chunk);
        whole * (chunk * (chunk + 1) / 2) + rest * (rest + 1) / 2
    };
    below(past.saturating_add(tokens)) - below(past)
}

/// Visible (query, key) pairs where a token attends to its own block of `block` keys, up to itself, and to as many earlier
/// blocks as make `blocks` in all: the one at position `t` sees `t mod b + 1 + b · min(⌊t / b⌋, k − 1)` keys.
pub(super) fn block_pairs(tokens: u64, past: u64, block: u64, blocks: u64) -> u128 {
    let (block, others) = (block.max(1), blocks.saturating_sub(1));
    let earlier = |end: u64| {
        let (whole, rest) = (end / block, end % block);
        // Of the blocks before `end`, the j-th has min(j, k − 1) before it.
        let each = sum_of_minima(whole.saturating_sub(1), 0, 1, Some(others));
        let (block, rest) = (u128::from(block), u128::from(rest));
        block * (block * each + rest * u128::from(whole.min(others)))
    };
    let end = past.saturating_add(tokens);
    chunked_pairs(tokens, past, block) + earlier(end) - earlier(past)
}

/// Distinct cached keys that `passes` passes of `tokens` tokens each read, where tokens see those of their own chunk: of a
/// pass that begins at position `p`, its own and `p mod c` before them.
pub(super) fn chunked_keys_read(tokens: u64, past: u64, passes: u64, chunk: u64) -> u128 {
    let [tokens, past, passes, chunk] = [tokens, past, passes, chunk.max(1)].map(u128::from);
    // Σ (p + i·N) mod c = Σ (p + i·N) − c · Σ ⌊(p + i·N) / c⌋.
    let all = passes * past + tokens * (passes * passes.saturating_sub(1) / 2);
    passes * tokens + all - chunk * sum_of_quotients(passes, tokens, past, chunk)
}

/// Keys that each stand for `rate` tokens, at the end of `count` stretches of `step` tokens, the first of which ends behind
/// `start` tokens, and at most `most` of them: `Σ_{i=0}^{count−1} min(⌊(i·step + start) / rate⌋, most)`.
pub(super) fn compressed_keys(count: u64, step: u64, start: u64, rate: u64, most: Option<u64>) -> u128 {
    let [all, step, start, rate] = [count, step, start, rate.max(1)].map(u128::from);
    let Some(most) = most.map(u128::from) else { return sum_of_quotients(all, step, start, rate) };
    // So many ends lie before `most` keys are there.
    let growing = (most * rate).saturating_sub(start).div_ceil(step.max(1)).min(all);
    sum_of_quotients(growing, step, start, rate) + (all - growing) * most
}

/// `Σ_{i=0}^{count−1} ⌊(step·i + start) / by⌋`, as the Euclidean algorithm shortens it.
fn sum_of_quotients(mut count: u128, mut step: u128, mut start: u128, mut by: u128) -> u128 {
    let mut sum = 0;
    while count > 0 {
        sum += (step / by) * (count * (count - 1) / 2) + (start / by) * count;
        (step, start) = (step % by, start % by);
        let last = step * count + start;
        if last < by {
            break;
        }
        (count, start) = (last / by, last % by);
        (step, by) = (by, step);
    }
    sum
}

/// `Σ_{i=1}^{count} min(start + i·stride, most)`.
fn sum_of_minima(count: u64, start: u64, stride: u64, most: Option<u64>) -> u128 {
    let growing = match most {
        None => count,
        Some(most) => most.saturating_sub(start).checked_div(stride).unwrap_or(count).min(count),
    };
    let [below, start, stride] = [growing, start, stride].map(u128::from);
    let ramp = below.saturating_mul(start).saturating_add(stride.saturating_mul(below * (below + 1) / 2));
    let flat = u128::from(count - growing).saturating_mul(u128::from(most.unwrap_or(0)));
    ramp.saturating_add(flat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_of_512_over_4096_tokens() {
        // 512 growing terms, then 3584 full windows.
        assert_eq!(visible_pairs(4096, 0, Some(512)), 512 * 513 / 2 + 3584 * 512);
    }

    #[test]
    fn chunks_by_counting() {
        for (tokens, passes, past, chunk) in
            [(1, 50, 3, 8), (5, 9, 0, 8), (13, 4, 21, 8), (3, 1, 7, 1), (7, 30, 100, 64)]
        {
            let positions = past..past + tokens * passes;
            let pairs: u64 = positions.map(|t| t % chunk + 1).sum();
            assert_eq!(chunked_pairs(tokens * passes, past, chunk), pairs.into());
            let starts = (0..passes).map(|pass| past + pass * tokens);
            let keys: u64 = starts.map(|start| tokens + start % chunk).sum();
            assert_eq!(chunked_keys_read(tokens, past, passes, chunk), keys.into(), "{tokens} {passes} {past} {chunk}");
        }
        assert_eq!(chunked_pairs(100, 5, 1 << 40), visible_pairs(100, 5, None));
        assert_eq!(chunked_keys_read(10, 5, 7, 1 << 40), keys_read(10, 5, 7, None));
    }

    #[test]
    fn chosen_blocks_by_counting() {
        for (tokens, past, block, blocks) in [(1, 0, 4, 2), (50, 3, 4, 3), (20, 17, 8, 1), (9, 100, 5, 40)] {
            let sees = |t: u64| t % block + 1 + block * (t / block).min(blocks - 1);
            let pairs: u64 = (past..past + tokens).map(sees).sum();
            assert_eq!(block_pairs(tokens, past, block, blocks), pairs.into(), "{tokens} {past} {block} {blocks}");
        }
        assert_eq!(block_pairs(100, 5, 128, 16), visible_pairs(100, 5, None));
    }

    #[test]
    fn compressed_keys_by_counting() {
        for (count, step, start, rate, most) in [
            (30, 1, 1, 4, None),
            (30, 1, 5, 4, Some(3)),
            (9, 7, 100, 8, Some(14)),
            (5, 3, 400, 4, Some(2)),
            (0, 1, 1, 4, None),
        ] {
            let keys: u64 = (0..count).map(|i| ((i * step + start) / rate).min(most.unwrap_or(u64::MAX))).sum();
            assert_eq!(compressed_keys(count, step, start, rate, most), keys.into(), "{count} {step} {start} {rate}");
        }
    }

    #[test]
    fn extremes_do_not_panic() {
        for window in [None, Some(0), Some(1), Some(u64::MAX)] {
            for past in [0, u64::MAX] {
                visible_pairs(u64::MAX, past, window);
                keys_read(u64::MAX, past, u64::MAX, window);
                keys_read(0, past, 3, window);
            }
        }
    }
}
