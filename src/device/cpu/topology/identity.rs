//! Who this CPU is, and what stands between it and us: hypervisors, emulators.

use super::cores::Kind;

/// Vendor and model as the CPU names itself.
pub(super) fn vendor_and_model(system: &sysinfo::System) -> (String, String) {
    let first = system.cpus().first();
    let or_unknown = |text: &str| if text.trim().is_empty() { "unknown".to_owned() } else { text.trim().to_owned() };
    let vendor = match first.map_or("", |cpu| cpu.vendor_id()) {
        "AuthenticAMD" => "AMD".to_owned(),
        "GenuineIntel" => "Intel".to_owned(),
        other => or_unknown(other),
    };
    (vendor, or_unknown(first.map_or("", |cpu| cpu.brand())))
}

/// The core design by family and model, for those whose pipes are known to the gates.
#[cfg(target_arch = "x86_64")]
pub(super) fn microarchitecture(_model: &str) -> Option<String> {
    let cpuid = raw_cpuid::CpuId::new();
    let vendor = cpuid.get_vendor_info()?;
    let feature = cpuid.get_feature_info()?;
    let name = match (vendor.as_str(), feature.family_id(), feature.model_id()) {
        ("AuthenticAMD", 0x17, 0x30..) => "Zen 2",
        ("AuthenticAMD", 0x17, _) => "Zen",
        ("AuthenticAMD", 0x19, 0x10..=0x1f | 0x60..=0x7f | 0xa0..=0xaf) => "Zen 4",
        ("AuthenticAMD", 0x19, _) => "Zen 3",
        ("AuthenticAMD", 0x1a, _) => "Zen 5",
        ("GenuineIntel", 6, 0x55) => "Skylake-SP",
        ("GenuineIntel", 6, 0x6a | 0x6c) => "Ice Lake-SP",
        ("GenuineIntel", 6, 0x8f) => "Sapphire Rapids",
        ("GenuineIntel", 6, 0xcf) => "Emerald Rapids",
        ("GenuineIntel", 6, 0x3c | 0x3f | 0x45 | 0x46) => "Haswell",
        ("GenuineIntel", 6, 0x3d | 0x47 | 0x4f | 0x56) => "Broadwell",
        ("GenuineIntel", 6, 0x4e | 0x5e | 0x8e | 0x9e | 0xa5 | 0xa6) => "Skylake",
        _ => return None,
    };
    Some(name.to_owned())
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn microarchitecture(model: &str) -> Option<String> {
    super::midr::designs(&std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default(), model)
}

/// The kind of each of these cores, as they tell it themselves: a thread asks CPUID leaf 0x1A on one after another, on processors that
/// name themselves hybrid (leaf 7, EDX bit 15). Windows' efficiency classes and the kernel's PMUs say the same.
#[cfg(target_arch = "x86_64")]
pub(super) fn kinds(cores: &[core_affinity::CoreId]) -> Vec<Option<Kind>> {
    use std::arch::x86_64::__cpuid_count;
    let last = __cpuid_count(0, 0).eax;
    if last < 0x1a || __cpuid_count(7, 0).edx >> 15 & 1 == 0 {
        return vec![None; cores.len()];
    }
    let cores = cores.to_vec();
    let unknown = vec![None; cores.len()];
    let ask = move || {
        let one =
            |core| core_affinity::set_for_current(core).then(|| Kind::of_leaf(__cpuid_count(0x1a, 0).eax)).flatten();
        cores.into_iter().map(one).collect()
    };
    let asking = std::thread::Builder::new().name("roofprobe-kinds".to_owned()).spawn(ask);
    asking.ok().and_then(|thread| thread.join().ok()).unwrap_or(unknown)
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn kinds(cores: &[core_affinity::CoreId]) -> Vec<Option<Kind>> {
    vec![None; cores.len()]
}

/// Instruction sets that CPUID names and there are no kernels for: AVX10 with its version, and APX (Intel's architecture
/// specifications of both: leaf 7, subleaf 1, EDX bits 19 and 21; leaf 36, EBX bits 0 to 7).
#[cfg(target_arch = "x86_64")]
pub(super) fn isas_unused() -> Vec<String> {
    use std::arch::x86_64::__cpuid_count;
    let last = __cpuid_count(0, 0).eax;
    let features = if last >= 7 && __cpuid_count(7, 0).eax >= 1 { __cpuid_count(7, 1).edx } else { 0 };
    let version = if last >= 0x24 { __cpuid_count(0x24, 0).ebx & 0xff } else { 0 };
    unused(features, version)
}

/// By the features of leaf 7 and the version of AVX10.
#[cfg(any(test, target_arch = "x86_64"))]
fn unused(features: u32, avx10_version: u32) -> Vec<String> {
    let avx10 = (features >> 19 & 1 == 1).then(|| format!("avx10.{avx10_version}"));
    let apx = (features >> 21 & 1 == 1).then(|| "apx".to_owned());
    avx10.into_iter().chain(apx).collect()
}

/// RISC-V's vectors, which there are no kernels for.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn isas_unused() -> Vec<String> {
    let riscv = cfg!(any(target_arch = "riscv64", target_arch = "riscv32"));
    let cpuinfo = riscv.then(|| std::fs::read_to_string("/proc/cpuinfo").ok()).flatten();
    riscv_vectors(&cpuinfo.unwrap_or_default()).into_iter().collect()
}

/// `rvv` where the first `isa` line of a RISC-V's /proc/cpuinfo has the letter V among its one-letter extensions, before the first
/// underscore (Linux, Documentation/arch/riscv/uabi.rst): `rv64imafdcv_zicbom`.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn riscv_vectors(cpuinfo: &str) -> Option<String> {
    let isa = cpuinfo.lines().find_map(|line| line.strip_prefix("isa")?.trim_start().strip_prefix(':'))?;
    let letters = isa.trim().split('_').next()?.strip_prefix("rv")?.trim_start_matches(|c: char| c.is_ascii_digit());
    letters.contains('v').then(|| "rvv".to_owned())
}

/// `None`: not reported. `Some(None)`: bare metal. `Some(Some(name))`: virtualised.
#[cfg(target_arch = "x86_64")]
pub(super) fn hypervisor() -> Option<Option<String>> {
    let cpuid = raw_cpuid::CpuId::new();
    if !cpuid.get_feature_info()?.has_hypervisor() {
        return Some(None);
    }
    let name = cpuid.get_hypervisor_info().map(|info| match info.identify() {
        raw_cpuid::Hypervisor::Unknown(..) => "unknown".to_owned(),
        raw_cpuid::Hypervisor::QEMU => TCG.to_owned(),
        known => format!("{known:?}"),
    });
    Some(Some(name.unwrap_or_else(|| "unknown".to_owned())))
}

/// Elsewhere the device tree or Xen names the hypervisor. Where neither does, there is no answer.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn hypervisor() -> Option<Option<String>> {
    let files = ["/sys/hypervisor/type", "/sys/firmware/devicetree/base/hypervisor/compatible"];
    let name = files.into_iter().find_map(|file| super::word(std::path::Path::new(file)))?;
    Some(Some(name.trim_end_matches('\0').replace('\0', ", ")))
}

/// QEMU's own name for running without hardware's help.
const TCG: &str = "QEMU TCG";
/// Hypervisors that run the guest's instructions on the hardware: behind them nothing is translated.
const NATIVE_HYPERVISORS: [&str; 7] = ["Xen", "VMware", "HyperV", "KVM", "Bhyve", "QNX", "ACRN"];

/// Whether the instructions are translated by software, and what gives it away. No to that takes an x86 CPU that names a
/// hypervisor known to run natively, or none; silence proves nothing on other architectures.
pub(super) fn emulation(
    architecture: &str,
    model: &str,
    hypervisor: Option<&Option<String>>,
    cpuinfo: &str,
    kernel: Option<&str>,
) -> (Option<bool>, Option<String>) {
    let field = |name: &str| {
        let value = |line: &str| Some(line.strip_prefix(name)?.trim_start().strip_prefix(':')?.trim().to_owned());
        cpuinfo.lines().find_map(value)
    };
    let x86 = ["x86", "x86_64"].contains(&architecture);
    let found = |what: String| (Some(true), Some(what));
    if let Some(Some(name)) = hypervisor.filter(|name| name.as_deref() == Some(TCG)) {
        return found(format!("CPUID names {name}"));
    }
    for name in [TCG, "VirtualApple", "Bochs"] {
        if model.contains(name) {
            return found(format!("the CPU calls itself {model}"));
        }
    }
    // A translator of user programs passes the host's file on: it speaks of another architecture.
    if let Some(vendor) = field("vendor_id").filter(|_| !x86 && ["aarch64", "arm", "riscv64"].contains(&architecture)) {
        return found(format!("/proc/cpuinfo is of another architecture ({vendor})"));
    }
    // Newer ones make up that file, and the kernel still says what it was built for (/proc/sys/kernel/arch, since Linux 6.1).
    let families =
        |name: &str| ["x86", "aarch64", "arm", "riscv", "loongarch"].into_iter().find(|f| name.starts_with(f));
    if let Some((kernel, family)) = kernel.and_then(|kernel| Some((kernel, families(kernel)?))) {
        let both_arm = |one: &str| ["arm", "aarch64"].contains(&one);
        let own = families(architecture);
        if own.is_some_and(|own| own != family && !(both_arm(own) && both_arm(family))) {
            return found(format!("the kernel is built for another architecture ({kernel})"));
        }
    }
    // QEMU's "max" CPU has no implementer, and the letter Q as its part.
    if field("CPU implementer").as_deref() == Some("0x00") && field("CPU part").as_deref() == Some("0x051") {
        return found("/proc/cpuinfo has QEMU's own CPU part".to_owned());
    }
    let native = match hypervisor {
        Some(Some(name)) => NATIVE_HYPERVISORS.contains(&name.as_str()),
        Some(None) => true,
        None => false,
    };
    ((x86 && native).then_some(false), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_of_riscv_are_named() {
        let of = |isa: &str| riscv_vectors(&format!("processor\t: 0\nhart\t\t: 2\nisa\t\t: {isa}\nmmu\t\t: sv39\n"));
        assert_eq!(of("rv64imafdcv_zicbom_zvfh").as_deref(), Some("rvv"));
        // SiFive's U74 has none, and an extension with a longer name is another one.
        assert_eq!([of("rv64imafdc"), of("rv64imafdc_svinval"), riscv_vectors("")], [None, None, None]);
    }

    #[test]
    fn what_has_no_kernels_is_named() {
        assert_eq!(unused(0, 2), Vec::<String>::new());
        assert_eq!(unused(1 << 19 | 1 << 21, 2), ["avx10.2", "apx"]);
    }

    #[test]
    fn emulators_are_named_and_silence_proves_nothing() {
        let named = |name: &str| Some(Some(name.to_owned()));
        let amd = "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\n";
        let verdict = |architecture, model, hypervisor: Option<Option<String>>, cpuinfo| {
            emulation(architecture, model, hypervisor.as_ref(), cpuinfo, None)
        };
        assert_eq!(verdict("x86_64", "AMD EPYC", named("KVM"), amd), (Some(false), None));
        assert_eq!(verdict("x86_64", "AMD EPYC", Some(None), amd), (Some(false), None));
        assert_eq!(verdict("x86_64", "AMD EPYC", named("unknown"), amd), (None, None));
        assert_eq!(verdict("x86_64", "QEMU Virtual CPU version 2.5+", named("KVM"), amd), (Some(false), None));
        for (model, hypervisor) in [
            ("AMD EPYC", named(TCG)),
            ("QEMU TCG CPU version 2.5+", Some(None)),
            ("VirtualApple @ 2.50GHz", Some(None)),
        ] {
            let (emulated, emulator) = verdict("x86_64", model, hypervisor, amd);
            assert!(emulated == Some(true) && emulator.is_some(), "{model}");
        }
        let neoverse = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd4f\n";
        let max = "processor\t: 0\nCPU implementer\t: 0x00\nCPU part\t: 0x051\n";
        assert_eq!(verdict("aarch64", "unknown", None, neoverse), (None, None));
        assert_eq!(verdict("aarch64", "unknown", None, max).0, Some(true));
        assert_eq!(verdict("aarch64", "unknown", None, amd).0, Some(true));
        // A made-up file, and a kernel that gives it away; a 32-bit program on a kernel of 64 bits is at home.
        let on = |architecture, kernel| emulation(architecture, "Cortex-A76", None, neoverse, Some(kernel)).0;
        assert_eq!([on("aarch64", "x86_64"), on("riscv64", "aarch64")], [Some(true), Some(true)]);
        assert_eq!([on("aarch64", "aarch64"), on("arm", "aarch64"), on("s390x", "s390x")], [None, None, None]);
    }
}
