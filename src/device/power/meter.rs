//! A device with a meter beside it: every pass says how much power flowed meanwhile.

use super::{Counter, Kind, PLAUSIBLE_W, Sensor, find};
use crate::device::{Attempt, Device, Purpose};
use crate::job::Job;
use crate::profile::Machine;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A device whose passes say how much power flowed, where that can be read.
pub struct Metered {
    device: Box<dyn Device>,
    meter: Result<Meter, String>,
    /// Passes with a plausible reading, and with one that was not.
    plausible: usize,
    implausible: usize,
}

impl Metered {
    /// `device`, with what this system has to read power by.
    pub fn new(device: Box<dyn Device>) -> Metered {
        Metered::by(device, find(Path::new("/")).map(Meter::new))
    }

    fn by(device: Box<dyn Device>, meter: Result<Meter, String>) -> Metered {
        Metered { device, meter, plausible: 0, implausible: 0 }
    }

    /// Why no pass has its power, as far as that is known.
    fn missing(&self) -> Option<String> {
        match &self.meter {
            Err(reason) => Some(reason.clone()),
            Ok(meter) if self.plausible == 0 && self.implausible > 0 => {
                Some(format!("{}: no reading of {} was plausible", meter.sensor.name, self.implausible))
            }
            Ok(_) => None,
        }
    }
}

impl Device for Metered {
    fn machine(&self) -> Machine {
        let mut machine = self.device.machine();
        machine.environment.power_source = self.meter.as_ref().ok().map(|meter| meter.sensor.name.clone());
        machine.environment.power_missing = self.missing();
        machine
    }

    fn time(&mut self, job: &Job, repetitions: u64, purpose: Purpose) -> Attempt {
        let Ok(meter) = &self.meter else { return self.device.time(job, repetitions, purpose) };
        let begun = meter.begin();
        let mut pass = self.device.time(job, repetitions, purpose);
        let seen = meter.end(begun);
        if let Ok(pass) = &mut pass {
            pass.watts = seen.and_then(|watts| watts);
            self.plausible += usize::from(pass.watts.is_some());
            self.implausible += usize::from(seen == Some(None));
        }
        pass
    }

    fn renew(&mut self) {
        self.device.renew();
    }
}

/// Less time than this is too little for a counter that moves once in a millisecond.
const COUNTED_MIN: Duration = Duration::from_millis(5);

/// What reads a sensor: a counter before and after, anything else from time to time by a thread of its own.
struct Meter {
    sensor: Sensor,
    watch: Option<Watch>,
}

/// The beginning of what is metered.
struct Begun {
    at: Instant,
    counts: Vec<Option<f64>>,
}

impl Meter {
    fn new(sensor: Sensor) -> Meter {
        let watch = (!matches!(sensor.kind, Kind::Counters(_))).then(|| Watch::new(sensor.clone())).flatten();
        Meter { sensor, watch }
    }

    fn counters(&self) -> &[Counter] {
        if let Kind::Counters(counters) = &self.sensor.kind { counters } else { &[] }
    }

    fn begin(&self) -> Begun {
        if let Some(watch) = &self.watch {
            watch.set(Some(Vec::new()));
        }
        Begun { counts: self.counters().iter().map(Counter::read).collect(), at: Instant::now() }
    }

    /// Mean power since then, W. The outer is `None` where there was no time for a reading, the inner where none was plausible.
    fn end(&self, begun: Begun) -> Option<Option<f64>> {
        if let Some(watch) = &self.watch {
            let readings = watch.set(None).filter(|readings| !readings.is_empty())?;
            let plausible: Vec<f64> = readings.into_iter().flatten().collect();
            return Some((!plausible.is_empty()).then(|| plausible.iter().sum::<f64>() / plausible.len() as f64));
        }
        let elapsed = begun.at.elapsed();
        if self.counters().is_empty() || elapsed < COUNTED_MIN {
            return None;
        }
        let counted = self.counters().iter().zip(begun.counts);
        let energy = counted.map(|(counter, earlier)| counter.between(earlier?, counter.read()?));
        let watts = energy.sum::<Option<f64>>().map(|microjoules| microjoules * 1e-6 / elapsed.as_secs_f64());
        Some(watts.filter(|watts| PLAUSIBLE_W.contains(watts)))
    }
}

/// Readings while something is metered; none while nothing is.
type Readings = Option<Vec<Option<f64>>>;

/// A thread that reads a sensor while something is metered.
struct Watch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    readings: Mutex<Readings>,
    ended: Mutex<bool>,
    end: Condvar,
}

impl Watch {
    /// `None` where no thread can be had: then there are no readings.
    fn new(sensor: Sensor) -> Option<Watch> {
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        let work = move || {
            while !theirs.ended_within(sensor.pause()) {
                // Nothing is read while nothing is metered.
                if theirs.readings.lock().is_ok_and(|readings| readings.is_some()) {
                    let reading = sensor.watts();
                    if let Ok(mut readings) = theirs.readings.lock() {
                        readings.iter_mut().for_each(|readings| readings.push(reading));
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name("roofprobe-power".to_owned()).spawn(work).ok()?;
        Some(Watch { shared, thread: Some(thread) })
    }

    /// Begins or ends to keep readings; gives those kept.
    fn set(&self, readings: Readings) -> Readings {
        std::mem::replace(&mut *self.shared.readings.lock().ok()?, readings)
    }
}

impl Shared {
    /// Whether it is to end, after so long at most.
    fn ended_within(&self, pause: Duration) -> bool {
        let Ok(ended) = self.ended.lock() else { return true };
        self.end.wait_timeout_while(ended, pause, |ended| !*ended).map_or(true, |(ended, _)| *ended)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Ok(mut ended) = self.shared.ended.lock() {
            *ended = true;
        }
        self.shared.end.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::recorded;
    use super::*;
    use crate::device::Timing;
    use crate::device::cpu::Cpu;
    use crate::profile::{Chain, Variant};
    use roofprobe_kernels::{Dtype, Isa, Op};
    use std::path::PathBuf;

    /// A device whose passes take some time, and move a counter by so much, µJ.
    struct Busy {
        milliseconds: u64,
        counter: Option<(PathBuf, u64)>,
    }

    impl Device for Busy {
        fn machine(&self) -> Machine {
            Cpu::describe().unwrap()
        }

        fn time(&mut self, _: &Job, _: u64, _: Purpose) -> Attempt {
            std::thread::sleep(Duration::from_millis(self.milliseconds));
            if let Some((file, microjoules)) = &self.counter {
                std::fs::write(file, microjoules.to_string()).unwrap();
            }
            Ok(Timing::default())
        }

        fn renew(&mut self) {}
    }

    fn job() -> Job {
        let variant = Variant::Chain(Chain { isa: Isa::Portable, threads: 1, cpus: None, chains: None });
        Job { ceiling: "compute.f32".parse().unwrap(), op: Op::Chain, dtype: Dtype::F32, variant }
    }

    fn watts_of(device: Busy, sensor: Sensor) -> (Option<f64>, Machine) {
        let mut metered = Metered::by(Box::new(device), Ok(Meter::new(sensor)));
        let pass = metered.time(&job(), 1, Purpose::Sample).unwrap();
        (pass.watts, metered.machine())
    }

    #[test]
    fn a_counter_is_read_before_and_after() {
        let root = recorded("/energy=1000000");
        let file = root.path().join("energy");
        let sensor = Sensor {
            name: "a counter".to_owned(),
            kind: Kind::Counters(vec![Counter { file: file.clone(), range: Some(2_000_000.0) }]),
        };
        // A joule within some 20 ms is at most 50 W; how long it really took is the system's business.
        let busy = Busy { milliseconds: 20, counter: Some((file.clone(), 2_000_000)) };
        let (watts, machine) = watts_of(busy, sensor.clone());
        assert!(watts.is_some_and(|watts| watts > 0.0 && watts <= 50.0), "{watts:?}");
        assert_eq!(machine.environment.power_source.as_deref(), Some("a counter"));
        assert_eq!(machine.environment.power_missing, None);
        // It stood still: that is no power of 0 W, and no other pass had one.
        let (watts, machine) =
            watts_of(Busy { milliseconds: 20, counter: Some((file.clone(), 2_000_000)) }, sensor.clone());
        assert_eq!(watts, None);
        assert_eq!(machine.environment.power_missing.as_deref(), Some("a counter: no reading of 1 was plausible"));
        // There was no time for it.
        assert_eq!(watts_of(Busy { milliseconds: 0, counter: None }, sensor).0, None);
    }

    #[test]
    fn a_sensor_is_read_while_a_pass_runs() {
        let root = recorded("/power=5000000");
        let sensor = Sensor { name: "a rail".to_owned(), kind: Kind::Powers(vec![root.path().join("power")]) };
        assert_eq!(watts_of(Busy { milliseconds: 400, counter: None }, sensor.clone()).0, Some(5.0));
        std::fs::write(root.path().join("power"), "0").unwrap();
        let (watts, machine) = watts_of(Busy { milliseconds: 400, counter: None }, sensor);
        assert_eq!(watts, None);
        assert!(machine.environment.power_missing.is_some());
    }

    #[test]
    fn without_a_sensor_there_is_a_reason() {
        let metered = Metered::by(Box::new(Busy { milliseconds: 0, counter: None }), Err("no sensor".to_owned()));
        let environment = metered.machine().environment;
        assert_eq!((environment.power_source, environment.power_missing.as_deref()), (None, Some("no sensor")));
    }
}
