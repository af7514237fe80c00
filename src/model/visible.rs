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
