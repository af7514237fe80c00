//! What lies around the cores and may cost speed: firmware, kernel, power, page size. All of it from files that anyone may read.

use super::word;
use crate::profile::Environment;
use std::path::PathBuf;

/// A root folder: the system's own, or a recorded one.
pub(super) struct Surroundings {
    root: PathBuf,
}

/// The entry of the auxiliary vector that has the size of a page (Linux, `uapi/linux/auxvec.h`).
const AT_PAGESZ: u64 = 6;

impl Surroundings {
    /// This system's.
    pub(super) fn here() -> Surroundings {
        Surroundings { root: PathBuf::from("/") }
    }

    fn text(&self, path: &str) -> Option<String> {
        // A device tree ends its texts with a zero.
        word(&self.root.join(path))
            .map(|text| text.trim_end_matches('\0').trim().to_owned())
            .filter(|text| !text.is_empty())
    }

    /// Writes what is told into `environment`.
    pub(super) fn note(&self, environment: &mut Environment) {
        environment.page_bytes = self.page_bytes();
        environment.firmware = self.firmware();
        environment.kernel_command_line = self.text("proc/cmdline");
        environment.on_battery = self.on_battery();
        if let Some(profile) = self.text("sys/firmware/acpi/platform_profile") {
            environment.power_profile = Some(profile);
        }
        environment.numa_balancing = self.text("proc/sys/kernel/numa_balancing").map(|mode| mode != "0");
    }

    fn page_bytes(&self) -> Option<u32> {
        let vector = std::fs::read(self.root.join("proc/self/auxv")).ok()?;
        let words = |bytes: &[u8]| {
            let (word, rest) = bytes.split_at(8);
            Some((u64::from_ne_bytes(word.try_into().ok()?), u64::from_ne_bytes(rest.try_into().ok()?)))
        };
        let page = vector.chunks_exact(16).filter_map(words).find(|&(kind, _)| kind == AT_PAGESZ)?.1;
        u32::try_from(page).ok().filter(|&bytes| bytes > 0)
    }

    /// DMI's on a PC or a server, else what the device tree has of the boot loader.
    fn firmware(&self) -> Option<String> {
        let dmi =
            ["bios_vendor", "bios_version", "bios_date"].map(|name| self.text(&format!("sys/class/dmi/id/{name}")));
        let dmi: Vec<String> = dmi.into_iter().flatten().collect();
        let loader = || {
            let version = self.text("sys/firmware/devicetree/base/chosen/bootloader/version");
            version.or_else(|| self.text("sys/firmware/devicetree/base/chosen/u-boot,version"))
        };
        Some(dmi.join(" ")).filter(|dmi| !dmi.is_empty()).or_else(loader)
    }

    /// Whether the machine's own battery feeds it; `None` where it has none that says so.
    fn on_battery(&self) -> Option<bool> {
        let supplies = std::fs::read_dir(self.root.join("sys/class/power_supply")).ok()?;
        let mut discharging = None;
        for supply in supplies.flatten() {
            let of = |name: &str| word(&supply.path().join(name));
            // A mouse has a battery, too.
            let own = of("scope").is_none_or(|scope| scope == "System");
            match of("type").as_deref() {
                Some("Battery") if own => {
                    let now = of("status")? == "Discharging";
                    discharging = Some(discharging.unwrap_or(false) || now);
                }
                Some("Mains" | "USB") if of("online").as_deref() == Some("1") => return Some(false),
                _ => {}
            }
        }
        discharging
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths with their texts, as files.
    fn told(files: &[(&str, &str)]) -> Environment {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mut environment = Environment::default();
        Surroundings { root: folder.path().to_owned() }.note(&mut environment);
        environment
    }

    #[test]
    fn a_laptop_says_that_it_is_on_its_battery() {
        // A ThinkPad's tree: battery and mains, and a mouse of its own.
        let laptop = |online, status| {
            told(&[
                ("sys/class/power_supply/AC/type", "Mains\n"),
                ("sys/class/power_supply/AC/online", online),
                ("sys/class/power_supply/BAT0/type", "Battery\n"),
                ("sys/class/power_supply/BAT0/status", status),
                ("sys/class/power_supply/hidpp_battery_0/type", "Battery\n"),
                ("sys/class/power_supply/hidpp_battery_0/scope", "Device\n"),
                ("sys/class/power_supply/hidpp_battery_0/status", "Discharging\n"),
                ("sys/firmware/acpi/platform_profile", "low-power\n"),
                ("sys/class/dmi/id/bios_vendor", "LENOVO\n"),
                ("sys/class/dmi/id/bios_version", "N3HET86W (1.58 )\n"),
                ("sys/class/dmi/id/bios_date", "02/20/2024\n"),
            ])
        };
        let away = laptop("0\n", "Discharging\n");
        assert_eq!((away.on_battery, away.power_profile.as_deref()), (Some(true), Some("low-power")));
        assert_eq!(away.firmware.as_deref(), Some("LENOVO N3HET86W (1.58 ) 02/20/2024"));
        assert_eq!(laptop("1\n", "Charging\n").on_battery, Some(false));
        // The mouse's battery does not count.
        assert_eq!(laptop("0\n", "Full\n").on_battery, Some(false));
    }

    #[test]
    fn a_board_tells_its_boot_loader() {
        let board = told(&[
            ("sys/firmware/devicetree/base/chosen/bootloader/version", "71a3f3e8f2c6e0f1\0"),
            ("proc/cmdline", "reboot=w coherent_pool=1M numa_policy=interleave\n"),
            ("proc/sys/kernel/numa_balancing", "0\n"),
        ]);
        assert_eq!(board.firmware.as_deref(), Some("71a3f3e8f2c6e0f1"));
        assert!(board.kernel_command_line.unwrap().ends_with("numa_policy=interleave"));
        assert_eq!((board.on_battery, board.numa_balancing), (None, Some(false)));
    }

    #[test]
    fn pages_are_as_large_as_the_kernel_told_the_process() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("proc/self")).unwrap();
        let vector: Vec<u8> =
            [16_u64, 1, AT_PAGESZ, 16 << 10, 0, 0].iter().flat_map(|word| word.to_ne_bytes()).collect();
        std::fs::write(folder.path().join("proc/self/auxv"), vector).unwrap();
        assert_eq!(Surroundings { root: folder.path().to_owned() }.page_bytes(), Some(16 << 10));
        // A system that tells nothing.
        assert_eq!(told(&[]), Environment::default());
    }
}
