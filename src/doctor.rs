//! What stands in the way of good numbers on this machine, and the command that mends it. Nothing is timed, and nothing needs rights.
//!
//! A machine is what the device tells of itself ([`Machine`]), and a few files below a root folder that only this page needs: the system's own, or a
//! recorded one.

use crate::probe;
use crate::profile::{Environment, Grade, Machine};
use schemars::JsonSchema;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Examined {
    /// The best grade that a measurement of the CPU can get as things are; load, drift and steal of the measurement itself may cost more.
    pub grade_at_best: Grade,
    /// What stands in the way, what costs speed first.
    pub findings: Vec<Finding>,
}

/// One thing that stands in the way.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Finding {
    /// What it is about.
    pub about: &'static str,
    /// What it costs.
    pub cost: Cost,
    /// What was found.
    pub found: String,
    /// What can be done about it: a command where there is one.
    pub remedy: String,
    /// Whether the remedy needs the rights of the system's owner.
    pub needs_root: bool,
}

/// What a finding costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// The numbers will be lower than the hardware's.
    Speed,
    /// The numbers will scatter, or nobody can tell why they are low.
    Trust,
    /// Something cannot be measured at all.
    Missing,
}

impl Cost {
    /// In a word.
    pub const fn name(self) -> &'static str {
        match self {
            Cost::Speed => "speed",
            Cost::Trust => "trust",
            Cost::Missing => "missing",
        }
    }
}

/// Less memory than this is too little for the arrays of a standard measurement, bytes.
const MEMORY_MIN: u64 = 3 << 30;

/// Examines `machine`; `root` has `sys`, `proc`, `dev`, `usr` and `etc`.
pub fn examine(root: &Path, machine: &Machine) -> Examined {
    let environment = &machine.environment;
    let mut findings: Vec<Finding> = [
        clocks(root, environment),
        sharing(machine),
        surroundings(environment),
        memory(environment),
        gpus(root),
        meters(root),
    ]
    .concat();
    findings.sort_by_key(|finding| finding.cost);
    let (grade_at_best, _) = probe::grade(&machine.device, environment, &[], 0);
    Examined { grade_at_best, findings }
}

fn finding(about: &'static str, cost: Cost, found: impl Into<String>, remedy: impl Into<String>) -> Finding {
    let remedy = remedy.into();
    Finding {
        about,
        cost,
        found: found.into(),
        needs_root: remedy.starts_with("sudo ") || remedy.contains("| sudo "),
        remedy,
    }
}

/// What holds the clock down.
fn clocks(root: &Path, environment: &Environment) -> Vec<Finding> {
    let cpus = root.join("sys/devices/system/cpu");
    let first = environment.allowed_cpus.first().copied().unwrap_or(0);
    let governor = environment.governor.as_deref().filter(|name| probe::SLOW_GOVERNORS.contains(name));
    let profile = environment.power_profile.as_deref().filter(|name| probe::SAVING_PROFILES.contains(name));
    let turbo = [("intel_pstate/no_turbo", "1", "0"), ("cpufreq/boost", "0", "1")];
    let turbo = turbo.iter().find(|(file, off, _)| word(&cpus.join(file)).as_deref() == Some(*off));
    let khz = |file: &str| word(&cpus.join(format!("cpu{first}/cpufreq/{file}")))?.parse::<u64>().ok();
    let capped = khz("scaling_max_freq").zip(khz("cpuinfo_max_freq")).filter(|(allowed, most)| allowed < most);
    let found = [
        governor.map(|name| {
            let remedy = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor";
            finding("governor", Cost::Speed, format!("the frequency governor is {name}"), remedy)
        }),
        profile.map(|name| {
            finding(
                "power profile",
                Cost::Speed,
                format!("the power profile is {name}"),
                "powerprofilesctl set performance",
            )
        }),
        (environment.on_battery == Some(true))
            .then(|| finding("battery", Cost::Speed, "the machine runs on its battery", "plug it in")),
        turbo.map(|(file, _, on)| {
            let remedy = format!("echo {on} | sudo tee /sys/devices/system/cpu/{file}");
            finding("boost", Cost::Speed, "the clock may not rise above its base", remedy)
        }),
        capped.map(|(allowed, most)| {
            let found = format!("the clock is held at {} MHz of {} MHz", allowed / 1000, most / 1000);
            let remedy = format!("echo {most} | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_max_freq");
            finding("clock limit", Cost::Speed, found, remedy)
        }),
    ];
    found.into_iter().flatten().collect()
}

/// What others take, or are given.
fn sharing(machine: &Machine) -> Vec<Finding> {
    let (device, environment) = (&machine.device, &machine.environment);
    let allowed = environment.allowed_cpus.len();
    let all = device.logical_cpus.map_or(0, |cpus| cpus as usize);
    let limit = probe::load_limit(device, environment);
    let load = environment.load_average.filter(|&load| load > limit);
    let quota = environment.quota_cpus.filter(|&quota| quota < allowed as f64);
    let smt = environment.smt.filter(|&smt| smt > 1 && device.cores.is_some_and(|cores| environment.threads > cores));
    let found = [
        load.map(|load| {
            let found = format!("other programs keep {load} CPUs busy, and {limit} is the limit");
            finding(
                "load",
                Cost::Speed,
                found,
                "ps -eo pcpu,pid,comm --sort=-pcpu | head    # and stop what is not needed",
            )
        }),
        quota.map(|quota| {
            let found = format!("the control group's quota is {quota} of {allowed} CPUs");
            finding(
                "quota",
                Cost::Speed,
                found,
                "docker run without --cpus; CPUQuota= of the systemd unit; resources.limits.cpu of the pod",
            )
        }),
        (0 < allowed && allowed < all).then(|| {
            let found = format!("only {allowed} of {all} logical CPUs are allowed");
            finding("affinity", Cost::Trust, found, format!("taskset -c 0-{} roofprobe measure", all - 1))
        }),
        smt.map(|smt| {
            let found = format!("{} threads share cores of {smt} hardware threads each", environment.threads);
            finding("SMT", Cost::Speed, found, format!("roofprobe measure --threads {}", device.cores.unwrap_or(1)))
        }),
        (environment.numa_balancing == Some(true)).then(|| {
            let found = "the kernel moves pages between nodes while they are used";
            finding("NUMA balancing", Cost::Trust, found, "echo 0 | sudo tee /proc/sys/kernel/numa_balancing")
        }),
    ];
    found.into_iter().flatten().collect()
}

/// What stands between the process and the hardware.
fn surroundings(environment: &Environment) -> Vec<Finding> {
    let hidden = environment.os == "linux" && environment.load_average.is_none();
    let found = [
        (environment.virtualised == Some(true)).then(|| {
            let found = "a hypervisor stands between: neighbours share caches and memory";
            finding(
                "virtual machine",
                Cost::Trust,
                found,
                "roofprobe measure --until-stable    # and again at another hour",
            )
        }),
        (environment.emulated == Some(true)).then(|| {
            let found = "software translates the instructions: no number is the hardware's";
            finding("emulator", Cost::Speed, found, "measure on the hardware itself")
        }),
        (environment.pinned == Some(false)).then(|| {
            let found = "the system refuses to pin threads to cores";
            finding("pinning", Cost::Trust, found, "allow sched_setaffinity in the sandbox (seccomp, AppArmor)")
        }),
        hidden.then(|| {
            let found = "/proc is hidden: load and stolen time cannot be told";
            finding("hidden /proc", Cost::Trust, found, "run outside the sandbox, or mount /proc in it")
        }),
    ];
    found.into_iter().flatten().collect()
}

/// What memory lacks.
fn memory(environment: &Environment) -> Vec<Finding> {
    let mib = |bytes: u64| bytes >> 20;
    let available = environment.memory_available_bytes;
    let found = [
        (environment.huge_pages.as_deref() == Some("never")).then(|| {
            let remedy = "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled";
            finding(
                "huge pages",
                Cost::Speed,
                "huge pages are switched off: address translation costs bandwidth",
                remedy,
            )
        }),
        (available < MEMORY_MIN).then(|| {
            let found = format!(
                "{} MiB of memory can be had, and a standard measurement takes up to {}",
                mib(available),
                mib(MEMORY_MIN)
            );
            finding(
                "memory",
                Cost::Trust,
                found,
                "ps -eo rss,pid,comm --sort=-rss | head    # and stop what is not needed",
            )
        }),
        environment.memory_limit_bytes.map(|limit| {
            let found = format!("a control group limits memory to {} MiB", mib(limit));
            finding(
                "memory limit",
                Cost::Trust,
                found,
                "docker run without --memory; MemoryMax= of the unit; resources.limits.memory of the pod",
            )
        }),
    ];
    found.into_iter().flatten().collect()
}

/// Graphics processors that cannot be reached.
fn gpus(root: &Path) -> Vec<Finding> {
    let class = |device: &PathBuf| word(&device.join("class")).is_some_and(|class| class.starts_with("0x03"));
    let vendor = |device: &PathBuf| word(&device.join("vendor"));
    let cards: Vec<PathBuf> = entries(&root.join("sys/bus/pci/devices")).into_iter().filter(class).collect();
    let Some(card) = cards.first() else { return Vec::new() };
    let nodes: Vec<PathBuf> =
        entries(&root.join("dev/dri")).into_iter().filter(|node| is_called(node, "renderD")).collect();
    let nvidia = vendor(card).as_deref() == Some("0x10de");
    if nodes.is_empty() && !root.join("dev/nvidiactl").exists() {
        let remedy =
            if nvidia { "sudo apt install nvidia-driver" } else { "sudo modprobe amdgpu    # or i915, xe, nouveau" };
        return vec![finding(
            "GPU driver",
            Cost::Missing,
            "a display adapter is there, and no driver has made it usable",
            remedy,
        )];
    }
    let refused =
        nodes.iter().any(|node| fs::File::open(node).is_err_and(|e| e.kind() == std::io::ErrorKind::PermissionDenied));
    let icds = ["usr/share/vulkan/icd.d", "etc/vulkan/icd.d", "usr/local/share/vulkan/icd.d"];
    let hardware = |icd: &PathBuf| !is_called(icd, "lvp_icd");
    let found = [
        refused.then(|| {
            let found = "the GPU is there, and this user may not open it";
            finding("GPU permission", Cost::Missing, found, "sudo usermod -aG render,video $USER    # and log in again")
        }),
        (!icds.iter().any(|folder| entries(&root.join(folder)).iter().any(hardware))).then(|| {
            let package = if nvidia { "nvidia-driver" } else { "mesa-vulkan-drivers" };
            finding(
                "Vulkan driver",
                Cost::Missing,
                "no Vulkan driver is installed for the GPU",
                format!("sudo apt install {package}"),
            )
        }),
    ];
    found.into_iter().flatten().collect()
}

/// Power meters that cannot be read.
fn meters(root: &Path) -> Vec<Finding> {
    let zones = entries(&root.join("sys/class/powercap"));
    let counters: Vec<PathBuf> = zones.iter().map(|zone| zone.join("energy_uj")).filter(|file| file.exists()).collect();
    let hidden = !counters.is_empty() && counters.iter().all(|file| fs::read(file).is_err());
    let found = "energy counters are there, and this user may not read them: no watts beside the ceilings";
    let remedy = "sudo chmod a+r /sys/class/powercap/*/energy_uj    # until the next start";
    hidden.then(|| finding("power meter", Cost::Missing, found, remedy)).into_iter().collect()
}

/// What a folder holds, in the order of the names.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = read.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths
}

fn is_called(path: &Path, beginning: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(beginning))
}

fn word(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine that nothing is wrong with.
    fn good() -> Machine {
        let profile = crate::profile::parse(include_str!("../tests/data/plain-cpu.toml")).unwrap();
        let mut machine = profile.machine().unwrap();
        machine.environment = Environment {
            os: "linux".to_owned(),
            allowed_cpus: (0..machine.device.logical_cpus.unwrap()).collect(),
            threads: 1,
            load_average: Some(0.1),
            memory_available_bytes: 16 << 30,
            timer_ns: 20.0,
            virtualised: Some(false),
            ..Environment::default()
        };
        machine
    }

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    fn about(root: &Path, machine: &Machine) -> Vec<&'static str> {
        examine(root, machine).findings.iter().map(|finding| finding.about).collect()
    }

    #[test]
    fn nothing_is_found_where_nothing_is_wrong() {
        let root = tree(&[
            ("sys/devices/system/cpu/intel_pstate/no_turbo", "0\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq", "3000000"),
            ("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "3000000"),
            ("sys/bus/pci/devices/0000:01:00.0/class", "0x030000\n"),
            ("dev/dri/renderD128", ""),
            ("usr/share/vulkan/icd.d/radeon_icd.json", "{}"),
            ("sys/class/powercap/intel-rapl:0/energy_uj", "1"),
        ]);
        let found = examine(root.path(), &good());
        assert_eq!((found.findings.as_slice(), found.grade_at_best), (&[][..], Grade::A));
        // A system that tells nothing has nothing found either.
        assert_eq!(about(tree(&[]).path(), &good()), [""; 0]);
    }

    #[test]
    fn each_obstacle_is_found_with_its_remedy() {
        let mut machine = good();
        let cpus = machine.environment.allowed_cpus.len() as f64;
        machine.environment = Environment {
            governor: Some("powersave".to_owned()),
            power_profile: Some("low-power".to_owned()),
            on_battery: Some(true),
            load_average: Some(cpus),
            quota_cpus: Some(0.5),
            numa_balancing: Some(true),
            virtualised: Some(true),
            emulated: Some(true),
            pinned: Some(false),
            huge_pages: Some("never".to_owned()),
            memory_available_bytes: 1 << 30,
            memory_limit_bytes: Some(2 << 30),
            smt: Some(2),
            threads: machine.device.cores.unwrap() + 1,
            ..machine.environment
        };
        let root = tree(&[
            ("sys/devices/system/cpu/cpufreq/boost", "0\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq", "2000000"),
            ("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "3000000"),
            ("sys/bus/pci/devices/0000:01:00.0/class", "0x030000\n"),
            ("sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n"),
        ]);
        let found = examine(root.path(), &machine);
        let names: Vec<&str> = found.findings.iter().map(|finding| finding.about).collect();
        for name in [
            "governor",
            "power profile",
            "battery",
            "boost",
            "clock limit",
            "load",
            "quota",
            "SMT",
            "NUMA balancing",
            "virtual machine",
            "emulator",
            "pinning",
            "huge pages",
            "memory",
            "memory limit",
            "GPU driver",
        ] {
            assert!(names.contains(&name), "{name}: {names:?}");
        }
        assert_eq!(found.grade_at_best, Grade::F);
        assert!(found.findings.iter().all(|finding| !finding.remedy.is_empty()));
        let of = |name: &str| found.findings.iter().find(|finding| finding.about == name).unwrap();
        assert!(
            of("boost").remedy == "echo 1 | sudo tee /sys/devices/system/cpu/cpufreq/boost" && of("boost").needs_root
        );
        assert_eq!(of("GPU driver").remedy, "sudo apt install nvidia-driver");
        assert!(of("clock limit").found.contains("2000 MHz of 3000 MHz"));
        assert!(found.findings.is_sorted_by_key(|finding| finding.cost));
    }

    #[test]
    fn software_is_no_driver_of_a_gpu_and_a_folder_is_no_meter() {
        let root = tree(&[
            ("sys/bus/pci/devices/0000:01:00.0/class", "0x038000\n"),
            ("dev/dri/renderD128", ""),
            ("usr/share/vulkan/icd.d/lvp_icd.x86_64.json", "{}"),
            // Reading a folder fails as reading without the right does.
            ("sys/class/powercap/intel-rapl:0/energy_uj/there", ""),
        ]);
        assert_eq!(about(root.path(), &good()), ["Vulkan driver", "power meter"]);
    }
}
