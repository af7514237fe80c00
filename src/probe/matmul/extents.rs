//! Products with matrices of fewer output features: what small ones lose by their beginning and end, and by preparing each token for few
//! results. Fewer input features lose little on the one CPU tried (a Zen 5, within 5 % from 4096 to 512; q6_k was too noisy to tell), and are
//! not asked for.

use super::{AT_LENGTH, K, N_FEW, N_MANY, variants};
use crate::probe::footprint;
use crate::probe::{CurveQuestion, PlanInputs, curve_of, curve_without_points, memory};
use crate::profile::{CeilingId, CurveAxis, Effort, Matmul};
use roofprobe_kernels::{Dtype, Op};

/// Input features: those of a small model.
const K_SMALL: u64 = 1024;
/// Output features where one token goes through. The last matrix has as many elements as that of `matmul.<weights>.m1`.
const N_OF_ONE: [u64; 5] = [128, 512, 2048, 8192, N_FEW * K / K_SMALL];
/// Output features where many tokens go through, up to those of `matmul.<weights>.m512`.
const N_OF_MANY: [u64; 5] = [128, 256, 512, 1024, N_MANY];
/// Tokens of a curve of many.
const MANY: u64 = 512;

/// `matmul.<weights>.m1.n` and `matmul.<weights>.m512.n` of every format that is asked at length: what others lose is what these lose.
pub(in crate::probe) fn along_extents(inputs: PlanInputs) -> Vec<CurveQuestion> {
    // Those of one format one after another: they read the same weights.
    let of_format = |weights| [along(inputs, weights, 1, &N_OF_ONE), along(inputs, weights, MANY, &N_OF_MANY)];
    AT_LENGTH.into_iter().flat_map(of_format).collect()
}

fn along(inputs: PlanInputs, weights: Dtype, m: u64, places: &[u64]) -> CurveQuestion {
    let (id, axis) = (CeilingId::matmul_curve(weights, m, CurveAxis::N.name()), CurveAxis::N);
    match places.iter().map(|&n| variant(inputs, weights, m, n)).collect::<Result<Vec<_>, _>>() {
        Ok(variants) => curve_of(id, (Op::Matmul, weights), axis, variants),
        Err(reason) => curve_without_points(id, axis, reason),
    }
}

/// In the way that is expected to win: a curve is not raced, and has the same keys wherever it is measured.
fn variant(inputs: PlanInputs, weights: Dtype, m: u64, n: u64) -> Result<Matmul, String> {
    let k = K_SMALL;
    let bytes = weights.bytes(u128::from(n * k)).and_then(|bytes| u64::try_from(bytes).ok());
    let bytes = bytes.ok_or_else(|| format!("{n} × {k} are no whole blocks of {weights}"))?;
    let copies = if m == 1 {
        footprint::copies(memory::operands_room(inputs), "weights", bytes, footprint::footprint(inputs))?
    } else {
        // Arithmetic is what they wait for.
        1
    };
    let quick = crate::probe::Scope::from(Effort::Quick);
    let first = variants(inputs.machine, weights, [m, n, k], copies, quick).into_iter().next();
    first.ok_or_else(|| format!("there is no matmul of {weights} weights for this device"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::tests::machine;

    #[test]
    fn matrices_of_one_token_come_from_memory_however_small() {
        let machine = machine();
        let asked = along_extents(PlanInputs::new(&machine, &[], Effort::Standard));
        assert_eq!(asked.len(), 2 * AT_LENGTH.len());
        for question in &asked {
            assert!(question.points.len() >= 4, "{}", question.id);
            for job in &question.points {
                let keys = job.variant.keys();
                let [m, n, k] = [keys.m, keys.n, keys.k].map(Option::unwrap);
                let bytes = job.dtype.bytes(u128::from(n * k)).unwrap() * u128::from(keys.copies.unwrap());
                assert!(m > 1 || bytes >= 4 * (32 << 20), "{job}: {bytes}");
            }
        }
        let places = |id: &str| {
            let found = asked.iter().find(|question| question.id == id).unwrap();
            found.points.iter().filter_map(|job| found.axis.of(&job.variant.keys())).collect::<Vec<_>>()
        };
        assert_eq!(places("matmul.q4_k.m512.n"), N_OF_MANY);
        assert_eq!(places("matmul.f32.m1.n").last().map(|n| n * K_SMALL), Some(N_FEW * K));
    }

    #[test]
    fn too_little_memory_is_a_reason() {
        let mut machine = machine();
        machine.environment.memory_available_bytes = 256 << 20;
        let asked = along_extents(PlanInputs::new(&machine, &[], Effort::Standard));
        assert!(asked[0].points.is_empty() && asked[0].otherwise.1.contains("too little memory"), "{:?}", asked[0]);
    }
}
