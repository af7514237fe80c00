//! Failures of a GPU's driver, forced by hooks on the real program. After each of them a measurement ends with a complete
//! profile whose rows have values or reasons, and an impossible selection with a message. Where there is no adapter, tests
//! that need one report that they are skipped, unless `ROOFPROBE_REQUIRE_GPU` is set.
#![cfg(feature = "gpu")]
#![allow(clippy::print_stderr, reason = "a test that is skipped has to say so")]

use roofprobe::profile::{self, Profile, Status};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Ceilings that are measured: few, and without large arrays, which a debug build takes seconds to make up for every process;
const ONE: &[&str] = &["compute.f32"];
const TWO: &[&str] = &["compute.f32", "overhead.dispatch"];
/// but for where the arrays matter.
const LARGE: &[&str] = &["memory.vram.read"];

/// A place of its own for every test, and the hooks that are set in it.
struct Place {
    folder: TempDir,
    hooks: &'static str,
}

impl Place {
    fn new(hooks: &'static str) -> Place {
        Place { folder: tempfile::tempdir().unwrap(), hooks }
    }

    /// The same where there is an adapter.
    fn with_adapter(hooks: &'static str) -> Option<Place> {
        let devices = Place::new("").succeeds(&["devices", "--format", "json"]);
        if devices.contains("gpu:0") {
            return Some(Place::new(hooks));
        }
        assert!(std::env::var_os("ROOFPROBE_REQUIRE_GPU").is_none(), "a GPU is required, and there is no adapter");
        eprintln!("skipped: there is no adapter");
        None
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_roofprobe"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("ROOFPROBE_DIR", self.path("kept")).env("ROOFPROBE_GPU_HOOKS", self.hooks);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn fails(&self, code: i32, arguments: &[&str], words: &[&str]) {
        let output = self.run(arguments);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        for word in words {
            assert!(message.contains(word), "{arguments:?}: \"{word}\" is not in: {message}");
        }
        assert!(!message.contains("panicked"), "{message}");
    }

    /// Measures, and reads the profile back: complete, and every row with a value or a reason.
    fn measured(&self, ids: &[&str]) -> Profile {
        let only = ids.iter().flat_map(|id| ["--only", id]);
        let arguments = ["measure", "--device", "gpu:0", "--effort", "quick", "-o", "p.toml"].into_iter().chain(only);
        self.succeeds(&arguments.collect::<Vec<_>>());
        let profile = profile::load(&self.path("p.toml")).unwrap();
        assert!(profile.provenance.complete && profile.provenance.gpu.is_some());
        assert_eq!(profile.ceiling.iter().map(|c| c.id.as_str()).collect::<Vec<_>>(), ids);
        for ceiling in &profile.ceiling {
            assert!(ceiling.status.has_value() || ceiling.reason.is_some(), "{ceiling:?}");
        }
        profile
    }

    /// Measures where nothing can be had, and looks for `words` in each reason.
    fn all_skipped(&self, words: &[&str]) {
        for ceiling in self.measured(TWO).ceiling {
            let reason = ceiling.reason.unwrap();
            assert_eq!(ceiling.status, Status::Skipped, "{reason}");
            assert!(words.iter().all(|word| reason.contains(word)), "{reason}");
        }
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Whether a ceiling has a reason or a flag with `words`.
fn reports(profile: &Profile, words: &str) -> bool {
    let said = |c: &profile::Ceiling| {
        let flags = c.flags.iter().map(ToString::to_string);
        c.reason.clone().into_iter().chain(flags).any(|line| line.contains(words))
    };
    profile.ceiling.iter().any(said)
}

#[test]
fn without_an_adapter_the_cpu_is_listed_and_a_gpu_refused() {
    let place = Place::new("no-adapters");
    let json: serde_json::Value = serde_json::from_str(&place.succeeds(&["devices", "--format", "json"])).unwrap();
    assert_eq!(json["devices"].as_array().unwrap().len(), 1);
    assert!(json["notes"][0].as_str().unwrap().contains("install the driver"), "{json}");
    for device in ["gpu", "gpu:0", "gpu:voodoo"] {
        place.fails(1, &["measure", "--device", device], &["there is no GPU here"]);
    }
}

#[test]
fn a_driver_that_dies_of_being_listed_is_a_note() {
    let place = Place::new("die-at=0");
    let shown = place.succeeds(&["devices"]);
    assert!(shown.contains("cpu") && shown.contains("GPUs cannot be listed through"), "{shown}");
    place.fails(1, &["measure", "--device", "gpu"], &["cannot be listed", "the GPU's process"]);
}

/// A backend's driver that dies does not hide what others know.
#[test]
fn a_backend_that_dies_is_a_note_beside_the_others() {
    let Some(sound) = Place::with_adapter("") else { return };
    let listed = |place: &Place| -> serde_json::Value {
        serde_json::from_str(&place.succeeds(&["devices", "--format", "json"])).unwrap()
    };
    let (all, dying) = (listed(&sound), Place::new("die-of=gl"));
    let found = |json: &serde_json::Value| {
        let adapters = json["devices"].as_array().unwrap().iter().map(|device| device["adapter"].clone());
        adapters.filter(|adapter| adapter["backend"] != "gl" && !adapter.is_null()).collect::<Vec<_>>()
    };
    if found(&all).is_empty() || cfg!(target_os = "macos") {
        eprintln!("skipped: there is one backend");
        return;
    }
    let left = listed(&dying);
    assert_eq!(found(&left), found(&all));
    assert!(left["notes"][0].as_str().unwrap().contains("GPUs cannot be listed through gl"), "{left}");
    // What is chosen has another backend, whose process never touches that one.
    dying.measured(&["overhead.dispatch"]);
}

#[test]
fn wrong_names_and_options_are_misuse() {
    let place = Place::new("");
    for device in ["gpu:", "tpu", ""] {
        place.fails(2, &["measure", "--device", device], &["--device"]);
    }
    for device in ["gpu", "gpu:0", "all"] {
        place.fails(2, &["measure", "--device", device, "--threads", "1"], &["--threads"]);
    }
    place.fails(2, &["measure", "--device", "all", "-o", "p.toml"], &["-o"]);
    place.fails(2, &["measure", "--device", "all", "--resume"], &["--resume"]);
    Place::new("fly").fails(2, &["measure", "--device", "gpu:0"], &["ROOFPROBE_GPU_HOOKS", "fly"]);
}

#[test]
fn names_must_mean_one_adapter() {
    let Some(place) = Place::with_adapter("") else { return };
    let devices = place.succeeds(&["devices", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&devices).unwrap();
    let adapter = &json["devices"][1]["adapter"];
    let name = adapter["name"].as_str().unwrap();
    place.fails(2, &["measure", "--device", "gpu:voodoo 2"], &["voodoo 2", name]);
    if adapter["class"] == "software" {
        place.fails(1, &["measure", "--device", "gpu"], &["only software", name]);
    }
    let twice = Place::new("adapters-twice");
    twice.fails(2, &["measure", "--device", &format!("gpu:{name}")], &["means several", &format!("1 {name}")]);
}

/// Software that poses as hardware: what is chosen when nothing is named.
#[test]
fn hardware_is_measured_unnamed_and_with_all() {
    let Some(place) = Place::with_adapter("as-hardware") else { return };
    if place.succeeds(&["devices"]).contains("gpu:1") {
        place.fails(2, &["measure", "--device", "gpu"], &["there are several"]);
        return;
    }
    let read = ["measure", "--effort", "quick", "--only", "{memory.l1.read,overhead.dispatch}", "--device"];
    let kinds = || {
        let files = std::fs::read_dir(place.path("kept"))
            .unwrap()
            .map(|file| file.unwrap().path())
            .filter(|path| path.is_file());
        let mut kinds: Vec<_> = files.map(|path| format!("{:?}", profile::load(&path).unwrap().device.kind)).collect();
        kinds.sort();
        kinds
    };
    place.succeeds(&[&read[..], &["gpu"]].concat());
    assert_eq!(kinds(), ["Gpu"]);
    place.succeeds(&[&read[..], &["all"]].concat());
    assert_eq!(kinds(), ["Cpu", "Gpu", "Gpu"]);
    // Nothing of it is incomplete.
    place.fails(2, &["measure", "--resume", "--device", "gpu"], &["no incomplete profile"]);
    let twice = Place::new("as-hardware,adapters-twice");
    twice.fails(2, &["measure", "--device", "gpu"], &["there are several"]);
}

#[test]
fn a_small_binding_limit_is_no_obstacle() {
    let Some(place) = Place::with_adapter("binding-mib=64") else { return };
    let profile = place.measured(LARGE);
    assert_eq!(profile.device.gpu.unwrap().limits.binding_bytes, 64 << 20);
    assert!(profile.ceiling.iter().all(|ceiling| ceiling.status.has_value()));
}

#[test]
fn a_process_that_dies_now_and_then_is_replaced() {
    let Some(place) = Place::with_adapter("die-at=5") else { return };
    assert!(reports(&place.measured(ONE), "the GPU's process"));
}

#[test]
fn a_process_that_always_dies_leaves_reasons() {
    let Some(place) = Place::with_adapter("die-at=1") else { return };
    let died = if cfg!(unix) { "died with signal 6" } else { "failed" };
    place.all_skipped(&["the GPU's process", died, "tried 3 times"]);
}

#[test]
fn a_lost_device_is_replaced_and_reported() {
    let Some(place) = Place::with_adapter("lose-at=5") else { return };
    let profile = place.measured(ONE);
    assert!(reports(&profile, "the device was lost"), "{:?}", profile.ceiling);
    assert!(profile.ceiling.iter().all(|ceiling| ceiling.status != Status::Unsupported), "{:?}", profile.ceiling);
}

/// What the worker reports of a pass arrives: of shaders, and of what only the wall clock times.
#[test]
fn disturbed_passes_are_counted() {
    let Some(place) = Place::with_adapter("disturbed") else { return };
    let profile = place.measured(&["compute.f32", "overhead.submit"]);
    let samples: u32 = profile.ceiling.iter().filter_map(|ceiling| ceiling.samples).sum();
    assert!(samples > 0);
    assert_eq!(profile.environment.unwrap().disturbed_samples, Some(samples));
}

#[test]
fn a_submission_that_does_not_end_is_given_up() {
    let Some(place) = Place::with_adapter("watchdog-ms=1") else { return };
    let profile = place.measured(ONE);
    let gives_up = |c: &profile::Ceiling| c.reason.as_ref().is_some_and(|reason| reason.contains("within 0.001 s"));
    // Fast hardware may do all of it within a millisecond.
    assert!(profile.ceiling.iter().all(|c| c.status.has_value() || gives_up(c)), "{:?}", profile.ceiling);
}

#[test]
fn a_process_that_hangs_is_not_waited_for() {
    let Some(place) = Place::with_adapter("hang-at=1,answer-ms=300") else { return };
    place.all_skipped(&["did not answer within 0.3 s", "tried 2 times"]);
}

/// Otherwise the program would wait for the answer, and take its absence for a failure.
#[cfg(unix)]
#[test]
fn an_interruption_ends_the_wait_for_a_process_that_hangs() {
    let Some(place) = Place::with_adapter("hang-at=1,answer-ms=20000") else { return };
    let mut command = place.command(&["measure", "--device", "gpu:0", "--only", "overhead.dispatch", "-o", "p.toml"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.any(|line| line.starts_with("[  0 %]")), "it begins");
    let kill = format!("kill -INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let rest = said.collect::<Vec<_>>().join("\n");
    assert_eq!(child.wait().unwrap().code(), Some(1), "{rest}");
    assert!(rest.contains("roofprobe measure --resume -o p.toml"), "{rest}");
    let profile = profile::load(&place.path("p.toml")).unwrap();
    assert!(!profile.provenance.complete && reports(&profile, "not measured yet"), "{:?}", profile.ceiling);
}

#[test]
fn an_earlier_measurement_is_gone_on_with_on_its_own_adapter() {
    let Some(place) = Place::with_adapter("") else { return };
    place.measured(ONE);
    let text = std::fs::read_to_string(place.path("p.toml")).unwrap();
    let part = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1).replacen("complete = true", "complete = false", 1)
    };
    std::fs::write(place.path("p.toml"), part("complete = true", "complete = false")).unwrap();
    place.succeeds(&["measure", "--resume", "-o", "p.toml"]);
    assert!(profile::load(&place.path("p.toml")).unwrap().provenance.complete);
    let name = format!("name = {:?}", profile::parse(&text).unwrap().device.name);
    for (other, word) in [
        (part(&name, "name = \"Voodoo 2\""), "Voodoo 2"),
        (part("backend = \"", "backend = \"dx12\" # \""), "dx12"),
        (part("workgroup_invocations = ", "workgroup_invocations = 1"), "device.gpu differs"),
        (part("driver = \"", "driver = \"Glide "), "another driver: driver was \"Glide"),
        (part("driver_info = \"", "driver_info = \"older than "), "another driver: driver_info was"),
        (part("shader_checks = \"off\"", "shader_checks = \"on\""), "shader_checks was \"on\", and is \"off\""),
    ] {
        std::fs::write(place.path("other.toml"), other).unwrap();
        place.fails(2, &["measure", "--resume", "-o", "other.toml"], &["other.toml", word]);
    }
}

/// A worker on its own, asked as its parent does, hangs in its first job, and its parent is gone.
#[test]
fn a_worker_ends_with_its_parent_even_when_it_hangs() {
    let Some(place) = Place::with_adapter("hang-at=1") else { return };
    assert!(!place.succeeds(&["--help"]).contains("gpu-worker"));
    let devices: serde_json::Value = serde_json::from_str(&place.succeeds(&["devices", "--format", "json"])).unwrap();
    let mut command = place.command(&["gpu-worker"]);
    let mut worker = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut requests = worker.stdin.take().unwrap();
    let mut answers = BufReader::new(worker.stdout.take().unwrap()).lines();
    let open = serde_json::json!({ "open": { "adapter": devices["devices"][1]["adapter"] } });
    writeln!(requests, "roofprobe-gpu-worker {open}").unwrap();
    assert!(answers.any(|line| line.unwrap().starts_with("roofprobe-gpu-worker {\"opened\"")));
    let time = serde_json::json!({ "time": { "ceiling": "memory.vram.read", "op": "read", "dtype": "f32",
        "family": "GpuStream", "variant": { "footprint_bytes": 4096, "workgroup_size": 8, "workgroups": 4,
        "layout": "blocked" }, "repetitions": 1, "limit": 1.0 } });
    writeln!(requests, "roofprobe-gpu-worker {time}").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(worker.try_wait().unwrap().is_none(), "it hangs");
    drop(requests);
    assert!(worker.wait().unwrap().success());
    assert!(answers.all(|line| line.unwrap().is_empty()), "it did not answer");
}
