//! AArch64 cores by their main ID register (MIDR_EL1), as the makers number their designs.

/// The design of a core: the implementer in bits 24 to 31, its part number in bits 4 to 15 (Arm Architecture Reference Manual, MIDR_EL1;
/// part numbers from each maker's technical reference manuals, as Linux and util-linux's lscpu collect them).
pub(super) fn design(midr: u64) -> Option<&'static str> {
    let (implementer, part) = (midr >> 24 & 0xff, midr >> 4 & 0xfff);
    Some(match (implementer, part) {
        (0x41, 0xd03) => "Cortex-A53",
        (0x41, 0xd04) => "Cortex-A35",
        (0x41, 0xd05) => "Cortex-A55",
        (0x41, 0xd07) => "Cortex-A57",
        (0x41, 0xd08) => "Cortex-A72",
        (0x41, 0xd09) => "Cortex-A73",
        (0x41, 0xd0a) => "Cortex-A75",
        (0x41, 0xd0b) => "Cortex-A76",
        (0x41, 0xd0c) => "Neoverse N1",
        (0x41, 0xd0d) => "Cortex-A77",
        (0x41, 0xd0e) => "Cortex-A76AE",
        (0x41, 0xd40) => "Neoverse V1",
        (0x41, 0xd41) => "Cortex-A78",
        (0x41, 0xd42) => "Cortex-A78AE",
        (0x41, 0xd44) => "Cortex-X1",
        (0x41, 0xd46) => "Cortex-A510",
        (0x41, 0xd47) => "Cortex-A710",
        (0x41, 0xd48) => "Cortex-X2",
        (0x41, 0xd49) => "Neoverse N2",
        (0x41, 0xd4b) => "Cortex-A78C",
        (0x41, 0xd4d) => "Cortex-A715",
        (0x41, 0xd4e) => "Cortex-X3",
        (0x41, 0xd4f) => "Neoverse V2",
        (0x41, 0xd80) => "Cortex-A520",
        (0x41, 0xd81) => "Cortex-A720",
        (0x41, 0xd82) => "Cortex-X4",
        (0x41, 0xd83) => "Neoverse V3AE",
        (0x41, 0xd84) => "Neoverse V3",
        (0x41, 0xd85) => "Cortex-X925",
        (0x41, 0xd87) => "Cortex-A725",
        (0x41, 0xd8e) => "Neoverse N3",
        (0x46, 0x001) => "A64FX",
        (0x4e, 0x004) => "Carmel",
        (0x51, 0x001) => "Oryon",
        (0x61, 0x022) => "Icestorm (M1)",
        (0x61, 0x023) => "Firestorm (M1)",
        (0x61, 0x024) => "Icestorm (M1 Pro)",
        (0x61, 0x025) => "Firestorm (M1 Pro)",
        (0x61, 0x028) => "Icestorm (M1 Max)",
        (0x61, 0x029) => "Firestorm (M1 Max)",
        (0x61, 0x032) => "Blizzard (M2)",
        (0x61, 0x033) => "Avalanche (M2)",
        (0xc0, 0xac3) => "AmpereOne",
        _ => return None,
    })
}

/// What `/proc/cpuinfo` tells of each CPU, as the register would: implementer, variant, part, revision. By the number of the CPU.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn designs_are_named_and_unknown_ones_are_not() {
        assert_eq!(design(0x414f_d0b1), Some("Cortex-A76"));
        assert_eq!(design(0x412f_d050), Some("Cortex-A55"));
        assert_eq!(design(0x511f_0011), Some("Oryon"));
        assert_eq!(design(0x410f_fff0), None);
        let cpuinfo = "processor\t: 4\nCPU implementer\t: 0x41\nCPU variant\t: 0x4\nCPU part\t: 0xd0b\n\
                       processor\t: 5\nCPU part\t: 0xd0b\n";
        assert_eq!(from_cpuinfo(cpuinfo), [(4, 0x4100_d0b0)]);
    }
}
