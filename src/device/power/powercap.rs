//! Energy counters of x86 processors below `/sys/class/powercap` (RAPL): packages, and memory where it is counted apart. Since Linux
//! 5.10 they are readable for root alone, unless somebody changed that.

use super::{Counter, Kind, Sensor, names, number, text};
use std::path::Path;

/// The sum of all packages and their memory.
///
/// # Errors
/// Why there is none.
pub(super) fn find(root: &Path) -> Result<Sensor, String> {
    let folder = root.join("sys/class/powercap");
    // `intel-rapl:0` is a package, `intel-rapl:0:1` a part of it; the same counters stand below intel-rapl-mmio once more.
    let zones = names(&folder).into_iter().filter(|name| name.starts_with("intel-rapl:")).filter_map(|zone| {
        let name = text(&folder.join(&zone).join("name"))?;
        (name.starts_with("package") || name == "dram").then_some((zone, name))
    });
    let (mut labels, mut counters) = (Vec::new(), Vec::new());
    for (zone, name) in zones {
        let file = folder.join(&zone).join("energy_uj");
        if let Err(error) = std::fs::read(&file) {
            return Err(format!("powercap {zone} ({name}): {error}"));
        }
        counters.push(Counter { file, range: number(&folder.join(&zone).join("max_energy_range_uj")) });
        labels.push(name);
    }
    if counters.is_empty() {
        return Err("powercap: no package is counted".to_owned());
    }
    Ok(Sensor { name: format!("powercap {}", labels.join(" + ")), kind: Kind::Counters(counters) })
}

#[cfg(test)]
mod tests {
    use super::super::tests::recorded;
    use super::*;

    const HASWELL: &str = include_str!("../../../tests/data/power/haswell.txt");

    #[test]
    fn packages_and_memory_are_summed_and_cores_are_parts() {
        let root = recorded(HASWELL);
        let sensor = find(root.path()).unwrap();
        assert_eq!(sensor.name, "powercap package-0 + dram");
        let Kind::Counters(counters) = &sensor.kind else { panic!("{sensor:?}") };
        assert_eq!(counters.len(), 2);
        assert_eq!((counters[1].read(), counters[1].range), (Some(2_469_474_853.0), Some(262_143_999_938.0)));
    }

    #[test]
    fn a_counter_that_may_not_be_read_says_so() {
        // A folder in its place cannot be read either, whoever asks.
        let root = recorded(&HASWELL.replace(":0/energy_uj=", ":0/energy_uj/x="));
        let reason = find(root.path()).unwrap_err();
        assert!(reason.starts_with("powercap intel-rapl:0 (package-0): "), "{reason}");
        assert_eq!(find(recorded("").path()).unwrap_err(), "powercap: no package is counted");
    }
}
