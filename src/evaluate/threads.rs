//! How many threads are worth having, and on which cores: what the thread curves of a profile say to those who set an engine's `-t`.

use crate::profile::{CeilingId, CpuList, Curve, CurveAxis, DeviceKind, Environment, Part, Profile, VariantKeys};
use crate::units::four_digits;
use roofprobe_kernels::Op;
use schemars::JsonSchema;
use serde::Serialize;

/// Fewer threads than the fastest number are as good where they reach this share of it.
const AS_GOOD: f64 = 0.97;
/// A prompt's products are held to be of arithmetic from so many tokens on.
const PROMPT_TOKENS: u64 = 128;

/// Threads and cores for the two phases.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ThreadAdvice {
    /// One token at a time: memory binds.
    pub decode: Threads,
    /// A prompt: arithmetic binds.
    pub prefill: Threads,
}

/// So many threads, on these cores.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Threads {
    /// Threads, one for each core.
    pub threads: u32,
    /// The logical CPUs, where it is known which they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<CpuList>,
    /// What was measured.
    pub because: String,
}

impl ThreadAdvice {
    /// What the profile of a processor says; `None` where every core should be used for everything, or nothing tells.
    pub fn of(profile: &Profile) -> Option<ThreadAdvice> {
        let environment = profile.environment.as_ref().filter(|_| profile.device.kind == DeviceKind::Cpu)?;
        let all = Threads {
            threads: environment.threads,
            cpus: environment.pinned_cpus.clone(),
            because: "arithmetic binds, and every core adds to it".to_owned(),
        };
        let decode = by_curves(profile, environment);
        let prefill = by_products(profile, environment).unwrap_or_else(|| all.clone());
        if prefill.threads == all.threads && decode.as_ref().is_none_or(|decode| decode.threads == all.threads) {
            return None;
        }
        let unknown = Threads { because: "no curve of threads was measured".to_owned(), ..all };
        Some(ThreadAdvice { decode: decode.unwrap_or(unknown), prefill })
    }
}

/// The CPUs of the first `threads` threads.
fn cpus_of(environment: &Environment, keys: Option<&VariantKeys>, threads: u32) -> Option<CpuList> {
    let named = keys.and_then(|keys| keys.cpus.as_ref());
    named.or(environment.pinned_cpus.as_ref())?.first(threads as usize)
}

/// The fewest threads that read memory as fast as any number of them, on whichever class of cores.
fn by_curves(profile: &Profile, environment: &Environment) -> Option<Threads> {
    let whole = CeilingId::memory_curve(Op::Read, "threads");
    let of_class =
        |curve: &&Curve| matches!(curve.id.part(), Some(Part::Class(n)) if curve.id == whole.of_part(Part::Class(n)));
    let curves = profile.curve.iter().filter(|curve| curve.id == whole || of_class(curve));
    let points: Vec<(u32, f64, &Curve)> = curves.flat_map(points).collect();
    let best = points.iter().map(|&(_, rate, _)| rate).fold(0.0, f64::max);
    let enough = points.iter().filter(|&&(_, rate, _)| rate >= AS_GOOD * best);
    // Of equal numbers the faster one.
    let &(threads, rate, curve) = enough.min_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)))?;
    let last = points.iter().rfind(|(_, _, of)| of.id == whole);
    let of_all = last.map(|&(all, rate, _)| format!("; {all} read {} GB/s", four_digits(rate)));
    let because = format!("{threads} threads read {} GB/s{}", four_digits(rate), of_all.unwrap_or_default());
    Some(Threads { threads, cpus: cpus_of(environment, curve.variant.as_ref(), threads), because })
}

fn points(curve: &Curve) -> impl Iterator<Item = (u32, f64, &Curve)> {
    let (rates, threads) = (curve.values().map_or(&[][..], |(rates, _)| rates), curve.along(CurveAxis::Threads));
    threads.iter().zip(rates).filter_map(move |(&threads, &rate)| Some((threads.try_into().ok()?, rate, curve)))
}

/// The threads of the product of the most tokens.
fn by_products(profile: &Profile, environment: &Environment) -> Option<Threads> {
    let of_many = profile.ceiling.iter().filter(|ceiling| ceiling.value().is_some());
    let of_many = of_many.filter_map(|ceiling| Some((ceiling.id.tokens()?, ceiling)));
    let (_, ceiling) = of_many.filter(|&(tokens, _)| tokens >= PROMPT_TOKENS).max_by_key(|&(tokens, _)| tokens)?;
    let keys = ceiling.variant.as_ref()?;
    let threads = keys.threads?;
    let because = format!("{} was fastest with them", ceiling.id);
    Some(Threads { threads, cpus: cpus_of(environment, Some(keys), threads), because })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::profile::{self, Ceiling, Status, Unit};

    /// A Raspberry Pi 5 as llama.cpp#26484 has it: 9.26, 13.23 and 11.59 GB/s with 1, 2 and 4 threads.
    fn pi() -> Profile {
        let mut profile = profile::parse(include_str!("../../profiles/amd-epyc-zen4-2c.toml")).unwrap();
        let environment = profile.environment.as_mut().unwrap();
        environment.threads = 4;
        environment.pinned_cpus = CpuList::of(0..4);
        profile.curve = vec![curve("memory.read.threads", &[1, 2, 4], &[9.26, 13.23, 11.59], None)];
        profile.ceiling.clear();
        profile
    }

    fn curve(id: &str, threads: &[u64], rates: &[f64], cpus: Option<CpuList>) -> Curve {
        let mut curve = Curve::empty(id.parse().unwrap(), Status::Measured, None);
        (curve.threads, curve.gb_per_s) = (threads.to_vec(), rates.to_vec());
        curve.variant = Some(VariantKeys { cpus, ..VariantKeys::default() });
        curve
    }

    #[test]
    fn decode_gets_the_knee_and_prefill_every_core() {
        let advice = ThreadAdvice::of(&pi()).unwrap();
        let decode = advice.decode;
        assert_eq!((decode.threads, decode.cpus.unwrap().to_string()), (2, "0-1".to_owned()));
        assert_eq!(decode.because, "2 threads read 13.23 GB/s; 4 read 11.59 GB/s");
        assert_eq!(advice.prefill.threads, 4);
        let mut flat = pi();
        flat.curve[0].gb_per_s = vec![5.0, 9.0, 14.0];
        assert_eq!(ThreadAdvice::of(&flat), None);
    }

    #[test]
    fn a_class_that_is_as_fast_alone_is_named_with_its_cpus() {
        // Four big cores come first, on CPUs 4 to 7; the little ones read nearly as much with two.
        let mut profile = pi();
        let environment = profile.environment.as_mut().unwrap();
        (environment.threads, environment.pinned_cpus) = (8, CpuList::of([4, 5, 6, 7, 0, 1, 2, 3]));
        profile.curve = vec![
            curve("memory.read.threads", &[1, 2, 3, 4, 8], &[8.0, 15.0, 20.0, 21.0, 19.0], None),
            curve("memory.read.threads.class1", &[1, 2, 3, 4], &[5.0, 9.0, 12.0, 13.0], CpuList::of(0..4)),
        ];
        let keys = VariantKeys { threads: Some(4), cpus: CpuList::of(4..8), ..VariantKeys::default() };
        let id: CeilingId = "matmul.q4_0.m512".parse().unwrap();
        let mut product = Ceiling::with_value(id, Status::Measured, 100.0);
        product.set(Unit::GflopPerS, 100.0);
        product.variant = Some(keys);
        profile.ceiling = vec![product];
        let advice = ThreadAdvice::of(&profile).unwrap();
        let told = |threads: &Threads| (threads.threads, threads.cpus.as_ref().unwrap().to_string());
        assert_eq!([told(&advice.decode), told(&advice.prefill)], [(4, "4-7".to_owned()), (4, "4-7".to_owned())]);
        assert!(advice.prefill.because.starts_with("matmul.q4_0.m512"));
    }
}
