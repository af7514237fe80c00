//! Electric power while something runs, where a process without rights can read it: sensors of the board (hwmon), energy counters of
//! the processor (powercap), the Raspberry Pi's power chip, and a battery as a last resort.
//!
//! A reading that is missing, or that no machine can have, is none. It is never 0.

mod battery;
mod hwmon;
mod meter;
mod pmic;
mod powercap;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use meter::Metered;

/// Where power can be read.
#[derive(Clone, Debug, PartialEq)]
struct Sensor {
    /// What it measures, for people: `hwmon ina3221: VDD_IN`.
    name: String,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    /// Energy that has flowed so far. Power is the difference of two readings over the time between them.
    Counters(Vec<Counter>),
    /// Power at this moment, the sum of files in µW.
    Powers(Vec<PathBuf>),
    /// The sum of currents (mA) times voltages (mV).
    Products(Vec<[PathBuf; 2]>),
    /// What the power chip of a Raspberry Pi says.
    Pmic,
    /// A battery that is being emptied.
    Batteries(Vec<PathBuf>),
}

/// An energy counter.
#[derive(Clone, Debug, PartialEq)]
struct Counter {
    /// Its file, µJ.
    file: PathBuf,
    /// Where it begins anew, µJ; `None` where it is not told.
    range: Option<f64>,
}

/// What a computer that runs can take, W.
const PLAUSIBLE_W: std::ops::RangeInclusive<f64> = 0.01..=10_000.0;

/// The first sensor below `root` that can be read, in the order of trust.
///
/// # Errors
/// Why there is none: what each kind of sensor lacks.
fn find(root: &Path) -> Result<Sensor, String> {
    if !cfg!(any(target_os = "linux", target_os = "android")) {
        return Err(format!("power is not read on {}", std::env::consts::OS));
    }
    let board = hwmon::find(root).into_iter().map(Ok);
    let no_board = (board.len() == 0).then(|| Err("hwmon: no chip measures power".to_owned()));
    let all = board.chain(no_board).chain([powercap::find(root), pmic::find(), battery::find(root)]);
    let mut reasons = Vec::new();
    for found in all {
        match found.and_then(Sensor::tried) {
            Ok(sensor) => return Ok(sensor),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(reasons.join("; "))
}

impl Sensor {
    /// The sensor, if a first reading of it is one.
    fn tried(self) -> Result<Sensor, String> {
        let reads = match &self.kind {
            Kind::Counters(counters) => counters.iter().all(|counter| counter.read().is_some()),
            _ => self.watts().is_some(),
        };
        if reads { Ok(self) } else { Err(format!("{}: a reading is missing or implausible", self.name)) }
    }

    /// Power at this moment; `None` for a counter, and where a reading is missing or implausible.
    fn watts(&self) -> Option<f64> {
        let watts = match &self.kind {
            Kind::Counters(_) => return None,
            Kind::Powers(files) => sum(files.iter().map(|file| Some(number(file)? * 1e-6)))?,
            Kind::Products(pairs) => {
                sum(pairs.iter().map(|[current, voltage]| Some(number(current)? * number(voltage)? * 1e-6)))?
            }
            Kind::Pmic => pmic::watts(&pmic::reading()?)?,
            Kind::Batteries(folders) => sum(folders.iter().map(|folder| battery::watts(folder)))?,
        };
        Some(watts).filter(|watts| PLAUSIBLE_W.contains(watts))
    }

    /// How long to wait between two readings: so that reading takes nothing from what is measured, and as often as there is
    /// something new.
    const fn pause(&self) -> Duration {
        match self.kind {
            Kind::Counters(_) | Kind::Powers(_) | Kind::Products(_) => Duration::from_millis(50),
            // A process of its own for each reading.
            Kind::Pmic => Duration::from_millis(500),
            Kind::Batteries(_) => Duration::from_millis(1000),
        }
    }
}

impl Counter {
    fn read(&self) -> Option<f64> {
        number(&self.file).filter(|&energy| energy >= 0.0)
    }

    /// µJ from one reading to a later one.
    fn between(&self, earlier: f64, later: f64) -> Option<f64> {
        match self.range {
            _ if later >= earlier => Some(later - earlier),
            Some(range) if range >= earlier => Some(later + range - earlier),
            _ => None,
        }
    }
}

/// The sum where every one is there.
fn sum(parts: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    parts.sum()
}

/// The number that stands in a file.
fn number(file: &Path) -> Option<f64> {
    text(file)?.parse().ok().filter(|number: &f64| number.is_finite())
}

fn text(file: &Path) -> Option<String> {
    Some(std::fs::read_to_string(file).ok()?.trim().to_owned())
}

/// The names in a folder, in order; none where it cannot be read.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file system as it was recorded: lines of `path=content`; others say where they are from.
    pub(super) fn recorded(lines: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in lines.lines().filter(|line| !line.starts_with('#')).filter_map(|l| l.split_once('=')) {
            let path = root.path().join(path.trim_start_matches('/'));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("{content}\n")).unwrap();
        }
        root
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn where_nothing_can_be_read_every_kind_says_why() {
        let root = recorded("");
        let reasons = find(root.path()).unwrap_err();
        for word in ["hwmon", "powercap", "battery"] {
            assert!(reasons.contains(word), "{reasons}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_chip_that_reads_nothing_is_passed_over() {
        let root = recorded(include_str!("../../../tests/data/power/sl1640.txt"));
        let sensor = find(root.path()).unwrap();
        assert_eq!(sensor.name, "hwmon ina3221: curr1 x in1 + curr2 x in2 + curr3 x in3");
        let watts = sensor.watts().unwrap();
        assert!((watts - (0.8 * 0.856 + 0.84 * 0.032 + 1.104 * 0.06)).abs() < 1e-9, "{watts}");
    }

    #[test]
    fn a_counter_that_begins_anew_is_known_by_its_range() {
        let counter = |range| Counter { file: PathBuf::new(), range };
        assert_eq!(counter(None).between(5.0, 7.0), Some(2.0));
        assert_eq!(counter(None).between(7.0, 5.0), None);
        assert_eq!(counter(Some(10.0)).between(7.0, 5.0), Some(8.0));
        assert_eq!(counter(Some(6.0)).between(7.0, 5.0), None);
    }
}
