//! What products with small matrices lose: rates along the extents of a matrix, beside those of the ladder's own.

use crate::profile::{CeilingId, Curve, CurveAxis, Profile, VariantKeys};
use roofprobe_kernels::Dtype;

/// From this many tokens on arithmetic is what a product waits for.
const MANY: f64 = 16.0;
/// Tokens of the curves of many.
const MANY_TOKENS: u64 = 512;

/// The time of products along one extent.
#[derive(Clone, Debug)]
struct Times {
    /// Ascending, and above nothing.
    places: Vec<f64>,
    /// In units of one: place over rate.
    times: Vec<f64>,
    /// Of one unit at the extent of the ladder's own products.
    usual: f64,
}

impl Times {
    /// Those of `curve`, beside products at `usual`; none where it has no two points.
    fn of(curve: &Curve, usual: f64) -> Option<Times> {
        let ((_, places), (rates, _)) = (curve.axis()?, curve.values()?);
        let points = places.iter().zip(rates).filter(|&(&place, &rate)| place > 0 && rate > 0.0);
        let (places, times): (Vec<f64>, Vec<f64>) =
            points.map(|(&place, &rate)| (place as f64, place as f64 / rate)).unzip();
        if places.len() < 2 || usual.is_nan() || usual <= 0.0 {
            return None;
        }
        let mut times = Times { places, times, usual: 1.0 };
        times.usual = times.each(usual);
        Some(times)
    }

    /// The time of one unit at `place`. Between two points time is straight: something for each unit, and something once; below the
    /// first point as between the first two, beyond the last as at it.
    fn each(&self, place: f64) -> f64 {
        let last = self.places.len() - 1;
        if place >= self.places[last] {
            return self.times[last] / self.places[last];
        }
        let above = self.places.iter().position(|&other| other > place).unwrap_or(last).max(1);
        let [from, to] = [above - 1, above];
        let slope = (self.times[to] - self.times[from]) / (self.places[to] - self.places[from]);
        let time = self.times[from] + slope * (place - self.places[from]);
        // Noise may make the first two points cross nothing: then no smaller product has a share of less than the first.
        time.max(self.times[0] * (place / self.places[0]).min(1.0)) / place
    }

    /// How many times as long one unit takes at `place` as in the ladder's own products.
    fn slower(&self, place: f64) -> f64 {
        self.each(place) / self.usual
    }
}

/// How much longer products with matrices of one type take that are smaller than those of the ladder.
#[derive(Clone, Debug, Default)]
pub(super) struct Extents {
    /// One token: along the bytes of one reading of weights.
    few: Option<Times>,
    /// Many tokens: along the output features, whose number the cost of preparing a token is spread over.
    many: Option<Times>,
}

impl Extents {
    /// What `profile` has of `dtype`; `of_one` and `of_many` are the variants of the ladder's products with one token and with many.
    pub(super) fn of(
        profile: &Profile,
        dtype: Dtype,
        of_one: Option<&VariantKeys>,
        of_many: Option<&VariantKeys>,
    ) -> Extents {
        let curve = |tokens| {
            let id = CeilingId::matmul_curve(dtype, tokens, CurveAxis::N.name());
            profile.curve(&id).filter(|curve| curve.status.has_value())
        };
        let many = || Times::of(curve(MANY_TOKENS)?, of_many?.n? as f64);
        // Along bytes: the place of a curve's point times the bytes of one row.
        let few = || {
            let curve = curve(1)?;
            let row = curve.variant.as_ref()?.k? as f64 * dtype.bits_per_element() / 8.0;
            let usual = of_one?.n? as f64 * of_one?.k? as f64 * dtype.bits_per_element() / 8.0;
            let mut times = Times::of(curve, usual / row)?;
            times.places.iter_mut().for_each(|place| *place *= row);
            times.usual /= row;
            Some(times)
        };
        Extents { few: few(), many: many() }
    }

    /// These, and where there are none, the others.
    pub(super) fn or(self, others: impl FnOnce() -> Extents) -> Extents {
        if self.few.is_some() && self.many.is_some() {
            return self;
        }
        let others = others();
        Extents { few: self.few.or(others.few), many: self.many.or(others.many) }
    }

    /// How many times as long a product takes as one of the ladder's extents, in proportion: of `tokens` tokens with `n` rows of
    /// weights, of which one start reads `bytes`.
    pub(super) fn slower(&self, tokens: f64, n: f64, bytes: f64) -> f64 {
        let (times, place) = if tokens < MANY { (&self.few, bytes) } else { (&self.many, n) };
        times.as_ref().filter(|_| place > 0.0).map_or(1.0, |times| times.slower(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Status, VariantKeys};

    /// A curve whose products take `once` beside 1 for each row.
    fn curve(places: &[u64], once: f64) -> Curve {
        let mut curve = Curve::empty(CeilingId::matmul_curve(Dtype::Q8_0, 512, "n"), Status::Measured, None);
        curve.set_along(CurveAxis::N, places.to_vec());
        curve.set_values(places.iter().map(|&n| n as f64 / (once + n as f64)).collect());
        curve
    }

    #[test]
    fn what_is_done_once_is_found_between_and_below_the_points() {
        let times = Times::of(&curve(&[128, 512, 4096], 64.0), 4096.0).unwrap();
        let want = |n: f64| (64.0 + n) / n / ((64.0 + 4096.0) / 4096.0);
        for n in [16.0, 128.0, 130.0, 300.0, 512.0, 4000.0, 4096.0] {
            assert!((times.slower(n) / want(n) - 1.0).abs() < 1e-12, "{n}");
        }
        // Beyond the last point a row takes what it takes there.
        assert_eq!(times.slower(50_000.0), 1.0);
        assert!(Times::of(&curve(&[128], 64.0), 4096.0).is_none());
    }

    #[test]
    fn noise_never_makes_small_matrices_take_less_than_nothing() {
        let mut noisy = curve(&[128, 256, 4096], 0.0);
        noisy.gflop_per_s = vec![4.0, 1.0, 1.0];
        let times = Times::of(&noisy, 4096.0).unwrap();
        for n in [1.0, 16.0, 64.0, 128.0, 200.0] {
            assert!(times.slower(n) > 0.2 && times.slower(n).is_finite(), "{n}: {}", times.slower(n));
        }
    }

    #[test]
    fn few_tokens_go_by_bytes_and_many_by_rows() {
        let mut profile = crate::store::SHIPPED[0].profile().unwrap();
        let keys = |n, k| VariantKeys { n: Some(n), k: Some(k), ..VariantKeys::default() };
        let mut one = curve(&[128, 512, 8192], 64.0);
        one.id = CeilingId::matmul_curve(Dtype::Q8_0, 1, "n");
        one.variant = Some(VariantKeys { k: Some(1024), ..VariantKeys::default() });
        profile.curve = vec![one, curve(&[128, 4096], 64.0)];
        let extents = Extents::of(&profile, Dtype::Q8_0, Some(&keys(2048, 4096)), Some(&keys(4096, 4096)));
        let row = 1024.0 * 34.0 / 32.0;
        let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 1e-12, "{a} {b}");
        // The ladder's own matrix has 8192 rows of the curve.
        close(extents.slower(1.0, 7.0, 8192.0 * row), 1.0);
        close(extents.slower(4.0, 7.0, 128.0 * row), (192.0 / 128.0) / ((64.0 + 8192.0) / 8192.0));
        close(extents.slower(512.0, 128.0, 1.0), (192.0 / 128.0) / ((64.0 + 4096.0) / 4096.0));
        // Without a curve everything goes by the ladder alone.
        let none = Extents::of(&profile, Dtype::Q4_0, Some(&keys(2048, 4096)), Some(&keys(4096, 4096)));
        assert_eq!((none.slower(1.0, 64.0, 1e4), none.slower(512.0, 64.0, 1e4)), (1.0, 1.0));
    }
}
