//! Core designs of Arm's architecture, by implementer and part as MIDR_EL1 has them and `/proc/cpuinfo` tells them.

/// Implementer, part, and what the design is called. From Linux' `arch/arm64/include/asm/cputype.h`; Qualcomm's Kryo are Arm's designs
/// under another part.
const DESIGNS: &[(u32, u32, &str)] = &[
    (0x41, 0xd03, "Cortex-A53"),
    (0x41, 0xd04, "Cortex-A35"),
    (0x41, 0xd05, "Cortex-A55"),
    (0x41, 0xd07, "Cortex-A57"),
    (0x41, 0xd08, "Cortex-A72"),
    (0x41, 0xd09, "Cortex-A73"),
    (0x41, 0xd0a, "Cortex-A75"),
    (0x41, 0xd0b, "Cortex-A76"),
    (0x41, 0xd0c, "Neoverse N1"),
    (0x41, 0xd0d, "Cortex-A77"),
    (0x41, 0xd0e, "Cortex-A76AE"),
    (0x41, 0xd40, "Neoverse V1"),
    (0x41, 0xd41, "Cortex-A78"),
    (0x41, 0xd42, "Cortex-A78AE"),
    (0x41, 0xd44, "Cortex-X1"),
    (0x41, 0xd46, "Cortex-A510"),
    (0x41, 0xd47, "Cortex-A710"),
    (0x41, 0xd48, "Cortex-X2"),
    (0x41, 0xd49, "Neoverse N2"),
    (0x41, 0xd4b, "Cortex-A78C"),
    (0x41, 0xd4c, "Cortex-X1C"),
    (0x41, 0xd4d, "Cortex-A715"),
    (0x41, 0xd4e, "Cortex-X3"),
    (0x41, 0xd4f, "Neoverse V2"),
    (0x41, 0xd80, "Cortex-A520"),
    (0x41, 0xd81, "Cortex-A720"),
    (0x41, 0xd82, "Cortex-X4"),
    (0x41, 0xd83, "Neoverse V3AE"),
    (0x41, 0xd84, "Neoverse V3"),
    (0x41, 0xd85, "Cortex-X925"),
    (0x41, 0xd87, "Cortex-A725"),
    (0x41, 0xd8e, "Neoverse N3"),
    (0x46, 0x001, "A64FX"),
    (0x51, 0x001, "Oryon"),
    (0x51, 0x800, "Cortex-A73"),
    (0x51, 0x801, "Cortex-A53"),
    (0x51, 0x802, "Cortex-A75"),
    (0x51, 0x803, "Cortex-A55"),
    (0x51, 0x804, "Cortex-A76"),
    (0x51, 0x805, "Cortex-A55"),
    (0x61, 0x022, "Apple M1 Icestorm"),
    (0x61, 0x023, "Apple M1 Firestorm"),
    (0x61, 0x024, "Apple M1 Icestorm"),
    (0x61, 0x025, "Apple M1 Firestorm"),
    (0x61, 0x028, "Apple M1 Icestorm"),
    (0x61, 0x029, "Apple M1 Firestorm"),
    (0x61, 0x032, "Apple M2 Blizzard"),
    (0x61, 0x033, "Apple M2 Avalanche"),
    (0x61, 0x034, "Apple M2 Blizzard"),
    (0x61, 0x035, "Apple M2 Avalanche"),
    (0x61, 0x038, "Apple M2 Blizzard"),
    (0x61, 0x039, "Apple M2 Avalanche"),
    (0xc0, 0xac3, "Ampere-1"),
];

/// The design of a core with that MIDR_EL1: the implementer in bits 24 to 31, its part in bits 4 to 15.
pub(super) fn design(midr: u64) -> Option<&'static str> {
    let number = (midr >> 24 & 0xff, midr >> 4 & 0xfff);
    DESIGNS.iter().find(|(by, part, _)| (u64::from(*by), u64::from(*part)) == number).map(|(_, _, name)| *name)
}

/// What `/proc/cpuinfo` tells of each CPU, as the register has it: implementer and part. By the number of the CPU.
pub(super) fn from_cpuinfo(cpuinfo: &str) -> Vec<(u32, u64)> {
    let mut found = Vec::new();
    let (mut cpu, mut implementer) = (None, None);
    for line in cpuinfo.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let (key, value) = (key.trim(), value.trim());
        let number = || u64::from_str_radix(value.strip_prefix("0x").unwrap_or(value), 16).ok();
        match key {
            "processor" => (cpu, implementer) = (value.parse().ok(), None),
            "CPU implementer" => implementer = number(),
            "CPU part" => {
                let midr = implementer.zip(number()).map(|(implementer, part)| implementer << 24 | part << 4);
                found.extend(cpu.zip(midr));
            }
            _ => {}
        }
    }
    found
}

/// The designs of a machine's cores, each once, in the order of the CPUs; one that is not known by its numbers. `None` where nothing
/// tells: macOS names the chip instead.
#[cfg(any(test, not(target_arch = "x86_64")))]
pub(super) fn designs(cpuinfo: &str, model: &str) -> Option<String> {
    let mut names: Vec<String> = Vec::new();
    let mut implementer = None;
    for line in cpuinfo.lines() {
        let Some((field, value)) = line.split_once(':') else { continue };
        let number = value.trim().strip_prefix("0x").and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match (field.trim(), number) {
            ("CPU implementer", number) => implementer = number,
            ("CPU part", Some(part)) => {
                let Some(implementer) = implementer else { continue };
                let known = DESIGNS.iter().find(|(by, number, _)| (*by, *number) == (implementer, part));
                let name = known.map_or_else(
                    || format!("unknown design {part:#x} of implementer {implementer:#x}"),
                    |(_, _, name)| (*name).to_owned(),
                );
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            _ => {}
        }
    }
    if names.is_empty() {
        // "Apple M1 Pro": the generation names the cores.
        let mut words = model.split(' ');
        let generation = (words.next() == Some("Apple")).then(|| words.next()).flatten()?;
        return Some(format!("Apple {generation}"));
    }
    Some(names.join(" + "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpuinfo(cores: &[(u32, u32)]) -> String {
        let core = |(index, (implementer, part)): (usize, &(u32, u32))| {
            format!(
                "processor\t: {index}\nCPU implementer\t: {implementer:#x}\nCPU variant\t: 0x4\nCPU part\t: {part:#x}\n\n"
            )
        };
        cores.iter().enumerate().map(core).collect()
    }

    #[test]
    fn designs_are_named_once_each() {
        let named = |cores: &[(u32, u32)]| designs(&cpuinfo(cores), "unknown");
        assert_eq!(named(&[(0x41, 0xd0b); 4]).as_deref(), Some("Cortex-A76"));
        // A Rock 5B.
        let rk3588 = [(0x41, 0xd05), (0x41, 0xd05), (0x41, 0xd0b), (0x41, 0xd0b)];
        assert_eq!(named(&rk3588).as_deref(), Some("Cortex-A55 + Cortex-A76"));
        assert_eq!(named(&[(0x51, 0x001)]).as_deref(), Some("Oryon"));
    }

    #[test]
    fn a_register_names_its_design() {
        assert_eq!([0x414f_d0b1, 0x412f_d050, 0x410f_fff0].map(design), [Some("Cortex-A76"), Some("Cortex-A55"), None]);
        let two = "processor\t: 4\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\nprocessor\t: 5\nCPU part\t: 0xd0b\n";
        assert_eq!(from_cpuinfo(two), [(4, 0x4100_d0b0)]);
    }

    #[test]
    fn what_is_not_known_says_so() {
        let named = designs(&cpuinfo(&[(0x41, 0xfff)]), "unknown");
        assert_eq!(named.as_deref(), Some("unknown design 0xfff of implementer 0x41"));
        assert_eq!(designs("vendor_id\t: AuthenticAMD\n", "unknown"), None);
        assert_eq!(designs("", "Apple M1 Pro").as_deref(), Some("Apple M1"));
        assert_eq!(designs("", "Cortex-A76"), None);
    }

    #[test]
    fn no_part_stands_twice() {
        let mut parts: Vec<_> = DESIGNS.iter().map(|(by, part, _)| (by, part)).collect();
        parts.sort_unstable();
        parts.dedup();
        assert_eq!(parts.len(), DESIGNS.len());
    }
}
