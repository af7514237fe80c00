//! Whether a run was on the device that a profile is of.

use super::Measured;
use crate::profile::{DeviceInfo, DeviceKind, Profile};

/// Words of backends that compute on a graphics processor.
const GPU_BACKENDS: [&str; 12] =
    ["cuda", "rocm", "hip", "metal", "mtl", "vulkan", "sycl", "opencl", "musa", "gpu", "dml", "webgpu"];

/// Words of names that tell no device from another.
const EMPTY_WORDS: [&str; 11] =
    ["r", "tm", "cpu", "gpu", "processor", "core", "cores", "with", "graphics", "virtual", "corporation"];

/// What tells that `measured` was run elsewhere than on the device of `profile`, each naming both.
pub(super) fn notes(measured: &Measured, profile: &Profile) -> Vec<String> {
    let device = &profile.device;
    let on_gpu = on_gpu(measured);
    let here = format!("this profile is of {} ({})", device.name, kind(device.kind == DeviceKind::Gpu));
    let mut notes = Vec::new();
    let other_kind = on_gpu.is_some_and(|on_gpu| on_gpu != (device.kind == DeviceKind::Gpu));
    let other_name = measured.ran_on.as_ref().is_some_and(|ran_on| !is_called(device, ran_on));
    if other_kind || other_name {
        let ran_on = measured.ran_on.as_deref().unwrap_or("a device that is not named");
        let through = measured.backend.as_ref().map_or_else(String::new, |backend| format!(" ({backend})"));
        notes.push(format!("the run was on {ran_on}{through}, and {here}"));
    }
    if let (Some(threads), Some(cpus), false) = (measured.threads, device.logical_cpus, on_gpu == Some(true))
        && threads > u64::from(cpus)
    {
        notes.push(format!("the run used {threads} threads, and {here} with {cpus} logical CPUs"));
    }
    notes
}

fn kind(is_gpu: bool) -> &'static str {
    if is_gpu { "a GPU" } else { "a CPU" }
}

/// Whether the backend computes on a graphics processor; none where it does not tell.
fn on_gpu(measured: &Measured) -> Option<bool> {
    let backends = measured.backend.as_ref()?.to_ascii_lowercase();
    let mut words = backends.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| !word.is_empty());
    if words.clone().any(|word| GPU_BACKENDS.iter().any(|known| word.starts_with(known))) {
        return Some(true);
    }
    words.any(|word| matches!(word, "cpu" | "blas" | "accelerate")).then_some(false)
}

/// Whether a name may be the device's: one of its names has all the other's words, or they share a model's number.
fn is_called(device: &DeviceInfo, name: &str) -> bool {
    let ran_on = words(name);
    let names = [Some(&device.name), Some(&device.model)].into_iter();
    let names = names.chain([device.microarchitecture.as_ref(), device.board.as_ref(), device.soc.as_ref()]).flatten();
    names.map(|name| words(name)).any(|known| {
        let all = |of: &[String], among: &[String]| of.iter().all(|word| among.contains(word));
        let number = |word: &&String| word.len() > 2 && word.chars().any(|c| c.is_ascii_digit());
        all(&ran_on, &known) || all(&known, &ran_on) || ran_on.iter().filter(number).any(|word| known.contains(word))
    })
}

/// The words of a name that tell devices apart: no clock, no count of cores.
fn words(name: &str) -> Vec<String> {
    let lower = name.split('@').next().unwrap_or_default().to_ascii_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.collect();
    let counts_cores = |at: usize| words.get(at + 1).is_some_and(|next| *next == "core" || *next == "cores");
    let told = words.iter().enumerate().filter(|(at, word)| !EMPTY_WORDS.contains(word) && !counts_cores(*at));
    told.map(|(_, word)| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_device_are_told_from_those_of_another() {
        let device = |name: &str| {
            let profile = format!(
                "schema = 1\n[device]\nname = \"{name}\"\nkind = \"cpu\"\nvendor = \"x\"\nmodel = \"{name}\"\n\
                 architecture = \"x86_64\"\n[provenance]\ntool = \"t\"\nversion = \"1\"\ndate = \"2026\"\ncomplete = true\n"
            );
            crate::profile::parse(&profile).unwrap().device
        };
        for (here, there, same) in [
            ("AMD Ryzen 7 7800X3D", "AMD Ryzen 7 7800X3D 8-Core Processor", true),
            ("AMD EPYC", "AMD EPYC 9B45 96-Core Processor", true),
            ("Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz", "Intel Xeon Platinum 8481C", true),
            ("Apple M1 Pro", "Apple M1 Pro 8P+2E+16GPU", true),
            ("NVIDIA GeForce RTX 3090", "NVIDIA GeForce RTX 4080", false),
            ("AMD EPYC 9B45", "Intel(R) Core(TM) i9-13900K", false),
        ] {
            assert_eq!(is_called(&device(here), there), same, "{here}: {there}");
        }
    }
}
