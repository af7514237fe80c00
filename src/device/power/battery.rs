//! The last resort: what a battery gives while nothing else feeds the machine. It counts the display too, and is told once in some
//! seconds.

use super::{Kind, Sensor, names, number, text};
use std::path::Path;

/// The batteries that are being emptied.
///
/// # Errors
/// Why there is none.
pub(super) fn find(root: &Path) -> Result<Sensor, String> {
    let folder = root.join("sys/class/power_supply");
    let is_battery = |name: &String| {
        let field = |field: &str| text(&folder.join(name).join(field));
        // Mice and headsets have a scope of their own.
        field("type").as_deref() == Some("Battery") && field("scope").as_deref() != Some("Device")
    };
    let all: Vec<String> = names(&folder).into_iter().filter(is_battery).collect();
    let discharges = |name: &&String| text(&folder.join(name).join("status")).as_deref() == Some("Discharging");
    let emptied: Vec<&String> = all.iter().filter(discharges).collect();
    if emptied.is_empty() {
        let why = if all.is_empty() { "there is none" } else { "it is not being emptied" };
        return Err(format!("battery: {why}"));
    }
    let labels: Vec<&str> = emptied.iter().map(|name| name.as_str()).collect();
    let folders = emptied.iter().map(|name| folder.join(name)).collect();
    let name = format!("battery {} (the whole machine, told slowly)", labels.join(" + "));
    Ok(Sensor { name, kind: Kind::Batteries(folders) })
}

/// What a battery gives, W; `None` as soon as it is not being emptied any more. Some drivers give a discharge a sign.
pub(super) fn watts(folder: &Path) -> Option<f64> {
    let field = |name: &str| number(&folder.join(name));
    text(&folder.join("status")).filter(|status| status == "Discharging")?;
    let product = || Some(field("current_now")? * field("voltage_now")? * 1e-12);
    field("power_now").map(|power| power * 1e-6).or_else(product).map(f64::abs)
}

#[cfg(test)]
mod tests {
    use super::super::tests::recorded;
    use super::*;

    const LAPTOP: &str = "/sys/class/power_supply/BAT0/type=Battery\n/sys/class/power_supply/BAT0/status=Discharging\n\
                          /sys/class/power_supply/BAT0/current_now=1250000\n/sys/class/power_supply/BAT0/voltage_now=12000000\n\
                          /sys/class/power_supply/hidpp_battery_0/type=Battery\n\
                          /sys/class/power_supply/hidpp_battery_0/scope=Device\n\
                          /sys/class/power_supply/hidpp_battery_0/status=Discharging\n";

    #[test]
    fn a_battery_counts_while_it_is_emptied_and_a_mouse_never() {
        let root = recorded(LAPTOP);
        let sensor = find(root.path()).unwrap();
        assert_eq!(sensor.name, "battery BAT0 (the whole machine, told slowly)");
        assert_eq!(sensor.watts(), Some(15.0));
        let charged = recorded(&LAPTOP.replacen("Discharging", "Charging", 1));
        assert_eq!(find(charged.path()).unwrap_err(), "battery: it is not being emptied");
        assert_eq!(find(recorded("").path()).unwrap_err(), "battery: there is none");
    }

    #[test]
    fn power_goes_before_current_and_a_discharge_may_have_a_sign() {
        let power = recorded(&format!("{LAPTOP}/sys/class/power_supply/BAT0/power_now=-7000000\n"));
        let sensor = find(power.path()).unwrap();
        assert_eq!(sensor.watts(), Some(7.0));
        // Plugged in meanwhile.
        std::fs::write(power.path().join("sys/class/power_supply/BAT0/status"), "Charging\n").unwrap();
        assert_eq!(sensor.watts(), None);
    }

    #[test]
    fn a_battery_that_gives_nothing_is_no_reading() {
        let root = recorded(&LAPTOP.replace("1250000", "0"));
        assert_eq!(find(root.path()).unwrap().watts(), None);
    }
}
