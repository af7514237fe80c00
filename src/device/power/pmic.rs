//! The power chip of a Raspberry Pi 5. It has no file: `vcgencmd pmic_read_adc` asks the firmware. Twelve rails have a current and a
//! voltage; what flows to USB and to boards on top is not among them.

use super::{Kind, Sensor};
use std::process::{Command, Stdio};

/// The rails of the board.
///
/// # Errors
/// Why there are none.
pub(super) fn find() -> Result<Sensor, String> {
    match reading() {
        Some(_) => Ok(Sensor { name: "vcgencmd pmic_read_adc: all rails".to_owned(), kind: Kind::Pmic }),
        None => Err("vcgencmd: is not there, or not allowed".to_owned()),
    }
}

/// What the tool prints.
pub(super) fn reading() -> Option<String> {
    let mut tool = Command::new("vcgencmd");
    let output = tool.arg("pmic_read_adc").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The sum of all rails that have a current and a voltage, W.
pub(super) fn watts(printed: &str) -> Option<f64> {
    // `VDD_CORE_A current(7)=0.75012000A`, `VDD_CORE_V volt(15)=0.89745940V`.
    let value = |ending: char| {
        move |line: &str| {
            let (name, rest) = line.trim().split_once(' ')?;
            let number = rest.split_once('=')?.1.strip_suffix(ending)?.parse::<f64>().ok()?;
            Some((name.strip_suffix(ending)?.strip_suffix('_')?.to_owned(), number))
        }
    };
    let voltages: Vec<(String, f64)> = printed.lines().filter_map(value('V')).collect();
    let rail = |(name, amperes): (String, f64)| {
        voltages.iter().find(|(other, _)| *other == name).map(|(_, volts)| amperes * volts)
    };
    printed.lines().filter_map(value('A')).filter_map(rail).reduce(|a, b| a + b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rails_are_currents_times_voltages_of_one_name() {
        let printed = include_str!("../../../tests/data/power/raspberry-pi-5.txt");
        let watts = watts(printed).unwrap();
        // The core takes 10.87674 A at 0.8974594 V; the input and the clock's battery have no current.
        assert!((watts - 10.8).abs() < 0.01, "{watts}");
    }

    #[test]
    fn what_has_no_rails_is_no_power() {
        assert_eq!(watts("error=1 error_msg=\"Command not registered\""), None);
        assert_eq!(watts("EXT5V_V volt(24)=5.06788000V\n"), None);
    }
}
