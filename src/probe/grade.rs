//! The grade of a measurement's circumstances: a step down for each of them that may have cost speed, with its reason.
//!
//! docs/methodology.md has the same table for people.

use super::crowding::crowding;
use crate::profile::{Ceiling, DeviceInfo, DeviceKind, Environment, GpuClass, Grade};

/// Time stolen by the hypervisor, percent: more than this costs one step, two steps.
const STEAL_PERCENT: [f64; 2] = [0.5, 5.0];
/// Change of the reference chain's rate from first to last, percent: one step, two, three.
const DRIFT_PERCENT: [f64; 3] = [1.0, 3.0, 10.0];
/// Share of disturbed samples, percent: any costs one step, more than this two.
const DISTURBED_PERCENT: f64 = 5.0;
/// Two cores give twice as much as one, two threads of one core about as much as one: here lies the border.
const CORE_SCALING_MIN: f64 = 1.5;
/// Other programs on a quiet machine keep less than half a CPU busy, and less than this share of all.
const LOAD_MAX: f64 = 0.5;
const LOAD_SHARE_MAX: f64 = 0.1;
/// Governors that do not go to the highest clock under load at once.
pub const SLOW_GOVERNORS: [&str; 2] = ["powersave", "conservative"];
/// Power profiles, and energy preferences, that hold the clock down.
pub const SAVING_PROFILES: [&str; 5] = ["low-power", "quiet", "cool", "power", "balance_power"];
/// What others take of the cores, no other circumstance may show.
const CROWDED_STEPS: usize = 2;
/// Steps that leave nothing above F.
const ALL_STEPS: usize = 5;

/// The grade of the circumstances as far as they are known, and what each step was for. `ceilings` show whether others were
/// there, and `samples` were taken in all.
pub fn grade(
    device: &DeviceInfo,
    environment: &Environment,
    ceilings: &[Ceiling],
    samples: u64,
) -> (Grade, Vec<String>) {
    let findings = match device.kind {
        DeviceKind::Cpu => {
            let crowded = crowding(environment, ceilings).map(|numbers| (CROWDED_STEPS, numbers));
            cpu(device, environment, samples).into_iter().chain([crowded]).collect()
        }
        DeviceKind::Gpu => gpu(device, environment, samples),
    };
    let found: Vec<(usize, String)> = findings.into_iter().flatten().collect();
    let steps = found.iter().map(|(steps, _)| steps).sum();
    (Grade::below_best(steps), found.into_iter().map(|(steps, why)| format!("−{steps}: {why}")).collect())
}

type Finding = Option<(usize, String)>;

/// What holds up the host's cores.
fn cpu(device: &DeviceInfo, environment: &Environment, samples: u64) -> Vec<Finding> {
    let Environment { threads, governor, huge_pages, quota_cpus, throttled_periods, .. } = environment;
    let allowed = environment.allowed_cpus.len();
    let all = device.logical_cpus.map_or(0, |cpus| cpus as usize);
    let cores = device.cores.filter(|cores| threads > cores);
    let quota = quota_cpus.filter(|&quota| quota < allowed as f64);
    let throttled = throttled_periods.filter(|&periods| periods > 0);
    let stolen = environment.steal_percent.and_then(|percent| Some((above(percent, &STEAL_PERCENT)?, percent)));
    let governor = governor.as_deref().filter(|name| SLOW_GOVERNORS.contains(name));
    vec![
        emulated(environment),
        virtualised(environment),
        cores.map(|cores| (1, format!("{threads} threads share {cores} cores"))),
        (0 < allowed && allowed < all)
            .then(|| (1, format!("only {allowed} of {all} logical CPUs are allowed: others may use the rest"))),
        quota.map(|quota| (1, format!("the control group's quota is {quota} CPUs, less than those allowed"))),
        throttled.map(|periods| (1, format!("the control group was throttled in {periods} periods"))),
        stolen.map(|(steps, percent)| {
            let limit = STEAL_PERCENT[0];
            (steps, format!("the hypervisor gave {percent} % of the time to others; {limit} % is the limit"))
        }),
        load(device, environment),
        governor.map(|governor| (1, format!("the frequency governor is {governor}"))),
        power(environment),
        throttles(environment),
        unpinned(environment),
        unknown(environment),
        (huge_pages.as_deref() == Some("never"))
            .then(|| (1, "huge pages are switched off: address translation costs bandwidth".to_owned())),
        drift(environment),
        disturbed(environment, samples),
        scaling(environment),
    ]
}

/// The host's cores only hand a GPU its work: how they are counted, clocked and shared is no matter of its own.
fn gpu(device: &DeviceInfo, environment: &Environment, samples: u64) -> Vec<Finding> {
    let class = match device.gpu.as_ref().map(|gpu| gpu.class) {
        Some(GpuClass::Software) => {
            Some((ALL_STEPS, "software adapter: these are the speeds of the host's cores, not of a GPU".to_owned()))
        }
        Some(GpuClass::Virtual) => Some((1, "virtual adapter: a hypervisor shares the GPU".to_owned())),
        _ => virtualised(environment),
    };
    vec![class, load(device, environment), drift(environment), disturbed(environment, samples)]
}

fn emulated(environment: &Environment) -> Finding {
    let what = environment.emulator.as_deref().unwrap_or("an emulator");
    (environment.emulated == Some(true))
        .then(|| (ALL_STEPS, format!("emulated: {what}; these are the speeds of a translator, not of the hardware")))
}

fn virtualised(environment: &Environment) -> Finding {
    match environment.virtualised {
        Some(true) => Some((1, "virtualised: neighbours and the hypervisor share the hardware".to_owned())),
        Some(false) => None,
        None => Some((1, "it cannot be told whether a hypervisor shares the hardware".to_owned())),
    }
}

/// Other programs may keep so many CPUs busy before it costs a step.
pub fn load_limit(device: &DeviceInfo, environment: &Environment) -> f64 {
    // A GPU does not know the CPUs of its host; those allowed are at most as many.
    let cpus = device.logical_cpus.map_or(environment.allowed_cpus.len() as f64, f64::from);
    LOAD_MAX.max(LOAD_SHARE_MAX * cpus)
}

fn load(device: &DeviceInfo, environment: &Environment) -> Finding {
    let limit = load_limit(device, environment);
    let load = environment.load_average.filter(|&load| load > limit)?;
    Some((1, format!("other programs ran: the load average was {load} at the start, and {limit} is the limit")))
}

/// What feeds the machine, and what its owner prefers.
fn power(environment: &Environment) -> Finding {
    let saver = environment.power_profile.as_deref().filter(|name| SAVING_PROFILES.contains(name));
    let battery = (environment.on_battery == Some(true)).then_some("the machine ran on its battery");
    let saver = saver.map(|name| format!("the power profile was {name}"));
    let found: Vec<String> = battery.map(str::to_owned).into_iter().chain(saver).collect();
    (!found.is_empty()).then(|| (found.len(), found.join("; ")))
}

fn throttles(environment: &Environment) -> Finding {
    let throttles = environment.thermal_throttles.filter(|&n| n > 0)?;
    Some((1, format!("cores were slowed down {throttles} times because of their temperature")))
}

fn unpinned(environment: &Environment) -> Finding {
    let refused = "the system refused to pin threads: it may have moved them, or put two on one core";
    (environment.pinned == Some(false)).then(|| (1, refused.to_owned()))
}

/// On Linux these are always known, unless somebody hides them.
fn unknown(environment: &Environment) -> Finding {
    let hidden = environment.load_average.is_none() && environment.steal_percent.is_none();
    let why = "it cannot be told whether other programs ran or the hypervisor took time: /proc is hidden";
    (environment.os == "linux" && hidden).then(|| (1, why.to_owned()))
}

fn drift(environment: &Environment) -> Finding {
    let drift = environment.drift_percent?;
    let steps = above(drift.abs(), &DRIFT_PERCENT)?;
    Some((steps, format!("the reference chain's rate drifted by {drift} %; {} % is the limit", DRIFT_PERCENT[0])))
}

fn disturbed(environment: &Environment, samples: u64) -> Finding {
    let disturbed = environment.disturbed_samples.filter(|&n| n > 0)?;
    let percent = f64::from(disturbed) / (samples.max(1) as f64) * 100.0;
    let steps = if percent > DISTURBED_PERCENT { 2 } else { 1 };
    let were = if disturbed == 1 { "was" } else { "were" };
    Some((steps, format!("{disturbed} of {samples} samples {were} disturbed")))
}

fn scaling(environment: &Environment) -> Finding {
    let scaling = environment.core_scaling.filter(|&scaling| scaling < CORE_SCALING_MIN)?;
    // Siblings share the pipes, and do not wait for each other.
    let why = match environment.core_scaling_latency {
        Some(latency) if latency >= CORE_SCALING_MIN => {
            format!("{latency} × in additions that wait for each other: they are hardware threads of one core")
        }
        Some(latency) => {
            format!("{latency} × in additions that wait for each other, too: they take turns on one, or others use it")
        }
        None => "they may be hardware threads of one".to_owned(),
    };
    let what = "in arithmetic that fills a core, though the topology calls their CPUs two cores";
    Some((2, format!("two threads together reached {scaling} × one alone {what}; {why}")))
}

/// How many of the ascending limits `value` exceeds; `None` for none.
fn above(value: f64, limits: &[f64]) -> Option<usize> {
    Some(limits.iter().filter(|&&limit| value > limit).count()).filter(|&steps| steps > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::tests::machine;
    use crate::profile::{GpuInfo, GpuLimits};

    /// A machine at rest, with nothing in between.
    fn ideal() -> (DeviceInfo, Environment) {
        let machine = machine();
        let environment = Environment {
            virtualised: Some(false),
            emulated: Some(false),
            governor: Some("performance".into()),
            load_average: Some(0.1),
            steal_percent: Some(0.0),
            throttled_periods: Some(0),
            drift_percent: Some(-0.4),
            core_scaling: Some(1.99),
            ..machine.environment
        };
        (machine.device, environment)
    }

    fn graded(change: impl Fn(&mut DeviceInfo, &mut Environment)) -> (Grade, Vec<String>) {
        let (mut device, mut environment) = ideal();
        change(&mut device, &mut environment);
        grade(&device, &environment, &[], 100)
    }

    #[test]
    fn nothing_in_the_way_is_an_a() {
        assert_eq!(graded(|_, _| ()), (Grade::A, Vec::new()));
    }

    #[test]
    fn each_circumstance_costs_its_steps_and_says_so() {
        type Change = fn(&mut DeviceInfo, &mut Environment);
        let cases: [(Change, Grade, &str); 27] = [
            (|_, e| e.virtualised = Some(true), Grade::B, "virtualised"),
            (|_, e| e.virtualised = None, Grade::B, "cannot be told"),
            (|_, e| e.threads = 4, Grade::B, "4 threads share 2 cores"),
            (|d, _| d.logical_cpus = Some(4), Grade::B, "2 of 4"),
            (|_, e| e.quota_cpus = Some(1.5), Grade::B, "1.5 CPUs"),
            (|_, e| e.throttled_periods = Some(3), Grade::B, "3 periods"),
            (|_, e| e.steal_percent = Some(0.6), Grade::B, "0.6 %"),
            (|_, e| e.steal_percent = Some(6.0), Grade::C, "6 %"),
            (|_, e| e.load_average = Some(0.6), Grade::B, "0.6"),
            (|_, e| e.governor = Some("powersave".into()), Grade::B, "powersave"),
            (|_, e| e.on_battery = Some(true), Grade::B, "battery"),
            (|_, e| e.power_profile = Some("low-power".into()), Grade::B, "low-power"),
            (|_, e| (e.on_battery, e.power_profile) = (Some(true), Some("quiet".into())), Grade::C, "quiet"),
            (|_, e| e.thermal_throttles = Some(7), Grade::B, "7 times"),
            (|_, e| e.pinned = Some(false), Grade::B, "refused to pin"),
            (|_, e| (e.load_average, e.steal_percent) = (None, None), Grade::B, "/proc is hidden"),
            (|_, e| e.huge_pages = Some("never".into()), Grade::B, "huge pages"),
            (|_, e| e.drift_percent = Some(1.2), Grade::B, "1.2 %"),
            (|_, e| e.drift_percent = Some(-3.2), Grade::C, "-3.2 %"),
            (|_, e| e.drift_percent = Some(-12.0), Grade::D, "-12 %"),
            (|_, e| e.disturbed_samples = Some(1), Grade::B, "1 of 100"),
            (|_, e| e.disturbed_samples = Some(6), Grade::C, "6 of 100"),
            (|_, e| e.core_scaling = Some(1.1), Grade::C, "1.1 × one alone"),
            (
                |_, e| (e.core_scaling, e.core_scaling_latency) = (Some(1.1), Some(1.9)),
                Grade::C,
                "they are hardware threads of one core",
            ),
            (|_, e| (e.core_scaling, e.core_scaling_latency) = (Some(1.1), Some(1.0)), Grade::C, "they take turns"),
            (|_, e| e.emulated = Some(true), Grade::F, "emulated"),
            (|d, e| (d.logical_cpus, e.load_average) = (Some(64), Some(7.0)), Grade::C, "6.4"),
        ];
        for (change, expected, word) in cases {
            let (grade, reasons) = graded(change);
            assert!(reasons.iter().any(|reason| reason.contains(word)), "{word}: {reasons:?}");
            assert_eq!(grade, expected, "{reasons:?}");
        }
    }

    /// A discrete GPU in a machine at rest.
    fn ideal_gpu(class: GpuClass) -> impl Fn(&mut DeviceInfo, &mut Environment) {
        move |device, _| {
            device.kind = DeviceKind::Gpu;
            (device.logical_cpus, device.cores) = (None, None);
            device.gpu = Some(GpuInfo {
                class,
                pci_id: None,
                pci_bus: None,
                subgroup_min: None,
                subgroup_max: None,
                features: Vec::new(),
                cooperative_matrices: Vec::new(),
                limits: GpuLimits {
                    binding_bytes: 1 << 27,
                    buffer_bytes: 1 << 28,
                    workgroup_invocations: 256,
                    workgroup_size: [256, 256, 64],
                    workgroup_memory_bytes: 16 << 10,
                    workgroups_per_dimension: 65_535,
                    storage_buffers: 8,
                },
            });
        }
    }

    #[test]
    fn the_cores_of_the_host_cost_a_gpu_nothing() {
        let troubled_host = |d: &mut DeviceInfo, e: &mut Environment| {
            ideal_gpu(GpuClass::Discrete)(d, e);
            (e.threads, e.quota_cpus, e.throttled_periods) = (4, Some(1.5), Some(3));
            (e.steal_percent, e.core_scaling, e.emulated) = (Some(6.0), Some(1.1), Some(true));
            (e.governor, e.huge_pages) = (Some("powersave".into()), Some("never".into()));
        };
        assert_eq!(graded(troubled_host), (Grade::A, Vec::new()));
    }

    #[test]
    fn a_gpu_is_graded_by_its_class_and_by_what_disturbs_it() {
        type Change = fn(&mut Environment);
        let cases: [(GpuClass, Change, Grade, &str); 8] = [
            (GpuClass::Software, |_| (), Grade::F, "software adapter"),
            (GpuClass::Virtual, |e| e.virtualised = Some(true), Grade::B, "virtual adapter"),
            (GpuClass::Integrated, |e| e.virtualised = Some(true), Grade::B, "virtualised"),
            (GpuClass::Other, |e| e.virtualised = None, Grade::B, "cannot be told"),
            (GpuClass::Discrete, |e| e.load_average = Some(0.6), Grade::B, "0.6"),
            (GpuClass::Discrete, |e| (e.allowed_cpus, e.load_average) = ((0..64).collect(), Some(6.3)), Grade::A, ""),
            (GpuClass::Discrete, |e| e.drift_percent = Some(-3.2), Grade::C, "-3.2 %"),
            (GpuClass::Discrete, |e| e.disturbed_samples = Some(6), Grade::C, "6 of 100"),
        ];
        for (class, change, expected, word) in cases {
            let (grade, reasons) = graded(|d, e| {
                ideal_gpu(class)(d, e);
                change(e);
            });
            assert_eq!(grade, expected, "{class}: {reasons:?}");
            assert!(
                word.is_empty() == reasons.is_empty() && reasons.iter().all(|reason| reason.contains(word)),
                "{reasons:?}"
            );
        }
    }

    #[test]
    fn at_the_limits_nothing_is_lost_and_steps_add_up() {
        let at_limits = graded(|_, e| {
            e.steal_percent = Some(0.5);
            e.drift_percent = Some(-1.0);
            e.core_scaling = Some(1.5);
            e.quota_cpus = Some(2.0);
            e.load_average = Some(0.5);
            (e.on_battery, e.power_profile) = (Some(false), Some("balanced".into()));
            (e.thermal_throttles, e.pinned) = (Some(0), Some(true));
        });
        assert_eq!(at_limits.0, Grade::A, "{:?}", at_limits.1);
        // Elsewhere than on Linux nobody hides what the system never tells.
        let told_nothing =
            |os: &str| graded(|_, e| (e.os, e.load_average, e.steal_percent) = (os.into(), None, None)).0;
        assert_eq!((told_nothing("windows"), told_nothing("linux")), (Grade::A, Grade::B));
        let several = graded(|_, e| {
            e.virtualised = Some(true);
            e.drift_percent = Some(5.0);
            e.disturbed_samples = Some(2);
        });
        assert_eq!((several.0, several.1.len()), (Grade::E, 3));
    }
}
