//! Sensors of the board below `/sys/class/hwmon` (the kernel's hwmon/sysfs-interface: energy in µJ, power in µW, current in mA,
//! voltage in mV). Of one chip energy is read rather than power, and power rather than current times voltage.

use super::{Counter, Kind, Sensor, names, number, text};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Chips that measure something else than the processor and its memory: graphics cards, disks, cages of optics, supplies.
const OTHERS: [&str; 12] =
    ["amdgpu", "radeon", "nouveau", "i915", "xe", "nvme", "sfp", "mlx", "BAT", "AC", "ADP", "ucsi_source"];

/// Channels that hold all others of their chip: what flows into a Jetson's module or board, a Mac, a socket.
const TOTALS: [&str; 5] = ["VDD_IN", "VIN", "POM_5V_IN", "Total System Power", "Esocket"];

/// Quantities in the order of trust.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Quantity {
    Energy,
    Power,
    Product,
}

/// One channel of a chip that can be read.
struct Channel {
    quantity: Quantity,
    label: String,
    files: Vec<PathBuf>,
}

impl Channel {
    fn is_total(&self) -> bool {
        TOTALS.iter().any(|total| self.label.starts_with(total))
    }
}

/// The sensors of the board, those that are trusted most first.
pub(super) fn find(root: &Path) -> Vec<Sensor> {
    let folder = root.join("sys/class/hwmon");
    // Several chips of one kind share the rails of a board among them.
    let mut chips: BTreeMap<(Quantity, String), Vec<Channel>> = BTreeMap::new();
    for chip in names(&folder).iter().map(|name| folder.join(name)) {
        let Some(name) = text(&chip.join("name")).filter(|name| !measures_another(name, &chip)) else { continue };
        for channel in channels(&chip) {
            chips.entry((channel.quantity, name.clone())).or_default().push(channel);
        }
    }
    let mut found: Vec<_> = chips.into_iter().collect();
    found.sort_by_key(|((quantity, _), channels)| (*quantity, !channels.iter().any(Channel::is_total)));
    found.into_iter().map(|((quantity, name), channels)| sensor(quantity, &name, channels)).collect()
}

/// All channels of one chip, or those that hold the others.
fn sensor(quantity: Quantity, chip: &str, mut channels: Vec<Channel>) -> Sensor {
    if channels.iter().any(Channel::is_total) {
        channels.retain(Channel::is_total);
    }
    let labels: Vec<&str> = channels.iter().map(|channel| channel.label.as_str()).collect();
    Sensor { name: format!("hwmon {chip}: {}", labels.join(" + ")), kind: kind(quantity, &channels) }
}

fn kind(quantity: Quantity, channels: &[Channel]) -> Kind {
    let files = channels.iter().map(|channel| &channel.files);
    let counter = |files: &Vec<PathBuf>| Counter { file: files[0].clone(), range: None };
    match quantity {
        Quantity::Energy => Kind::Counters(files.map(counter).collect()),
        Quantity::Power => Kind::Powers(files.map(|files| files[0].clone()).collect()),
        Quantity::Product => Kind::Products(files.map(|files| [files[0].clone(), files[1].clone()]).collect()),
    }
}

/// Supplies show their voltage and current here too; they have a type.
fn measures_another(name: &str, chip: &Path) -> bool {
    OTHERS.iter().any(|other| name.starts_with(other)) || chip.join("device/type").exists()
}

/// Every channel of a chip of which all files hold a number.
fn channels(chip: &Path) -> Vec<Channel> {
    let file = |name: String| Some(chip.join(name)).filter(|path| number(path).is_some());
    let channel = |quantity, label: String, files: Vec<Option<PathBuf>>, name: String| {
        let label = text(&chip.join(label)).unwrap_or(name);
        Some(Channel { quantity, label, files: files.into_iter().collect::<Option<_>>()? })
    };
    let all = (0..=64).flat_map(|n| {
        let power = file(format!("power{n}_input")).or_else(|| file(format!("power{n}_average")));
        let product = vec![file(format!("curr{n}_input")), file(format!("in{n}_input"))];
        [
            channel(
                Quantity::Energy,
                format!("energy{n}_label"),
                vec![file(format!("energy{n}_input"))],
                format!("energy{n}"),
            ),
            channel(Quantity::Power, format!("power{n}_label"), vec![power], format!("power{n}")),
            channel(Quantity::Product, format!("in{n}_label"), product, format!("curr{n} x in{n}")),
        ]
    });
    all.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::recorded;
    use super::*;

    /// The first sensor: its name, and what it reads.
    fn read(lines: &str) -> Option<(String, Option<f64>)> {
        let root = recorded(lines);
        find(root.path()).first().map(|sensor| (sensor.name.clone(), sensor.watts()))
    }

    fn near(watts: Option<f64>, expected: f64) -> bool {
        watts.is_some_and(|watts| (watts / expected - 1.0).abs() < 1e-6)
    }

    #[test]
    fn what_flows_into_a_jetson_holds_its_rails() {
        let (name, watts) = read(include_str!("../../../tests/data/power/jetson-orin-nx.txt")).unwrap();
        assert_eq!(name, "hwmon ina3221: VDD_IN");
        assert!(near(watts, 4.792 * 6.05), "{watts:?}");
    }

    #[test]
    fn a_current_that_flows_back_is_no_power() {
        let (name, watts) = read(include_str!("../../../tests/data/power/ina219.txt")).unwrap();
        assert_eq!(name, "hwmon ina219: power1");
        assert!(near(watts, 0.176), "{watts:?}");
        let negative = "/sys/class/hwmon/hwmon2/name=ina219\n/sys/class/hwmon/hwmon2/in1_input=4228\n\
                        /sys/class/hwmon/hwmon2/curr1_input=-40\n";
        assert_eq!(read(negative).unwrap().1, None);
    }

    #[test]
    fn supplies_graphics_cards_and_broken_channels_are_left_out() {
        let others = "/sys/class/hwmon/hwmon0/name=amdgpu\n/sys/class/hwmon/hwmon0/power1_average=21000000\n\
                      /sys/class/hwmon/hwmon1/name=CMB1\n/sys/class/hwmon/hwmon1/device/type=Battery\n\
                      /sys/class/hwmon/hwmon1/power1_input=7000000\n\
                      /sys/class/hwmon/hwmon2/name=ina3221\n/sys/class/hwmon/hwmon2/in1_input=5000\n\
                      /sys/class/hwmon/hwmon2/curr1_input=Input/output error\n";
        assert_eq!(read(others), None);
    }

    #[test]
    fn what_holds_all_others_goes_before_parts() {
        let (name, watts) = read(
            "/sys/class/hwmon/hwmon0/name=a_regulator\n/sys/class/hwmon/hwmon0/power1_input=2000000\n\
             /sys/class/hwmon/hwmon1/name=macsmc_hwmon\n/sys/class/hwmon/hwmon1/power1_average=9000000\n\
             /sys/class/hwmon/hwmon1/power1_label=Total System Power\n/sys/class/hwmon/hwmon1/power2_input=5000000\n",
        )
        .unwrap();
        assert_eq!((name.as_str(), watts), ("hwmon macsmc_hwmon: Total System Power", Some(9.0)));
    }

    #[test]
    fn energy_goes_before_power() {
        let root = recorded(
            "/sys/class/hwmon/hwmon0/name=amd_energy\n/sys/class/hwmon/hwmon0/energy1_input=10\n\
             /sys/class/hwmon/hwmon0/energy1_label=Ecore000\n/sys/class/hwmon/hwmon0/energy2_input=2000000\n\
             /sys/class/hwmon/hwmon0/energy2_label=Esocket0\n/sys/class/hwmon/hwmon1/name=a_power_chip\n\
             /sys/class/hwmon/hwmon1/power1_input=9000000\n",
        );
        let sensor = find(root.path()).remove(0);
        assert_eq!(sensor.name, "hwmon amd_energy: Esocket0");
        assert!(matches!(&sensor.kind, Kind::Counters(counters) if counters[0].read() == Some(2e6)));
    }
}
