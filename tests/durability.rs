//! Nothing measured is lost: several writers, processes that are killed at any moment, and files that hold something else.

use roofprobe::profile::{self, Profile};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A place of its own for every test.
struct Place(TempDir);

/// One ceiling in more rounds than a test waits for.
const LONG: &[&str] = &["measure", "--effort", "thorough", "--only", "compute.f32", "--threads", "1", "-o", "p.toml"];
/// Few ceilings, quickly.
const SHORT: &[&str] = &["measure", "--effort", "quick", "--only", "compute.f32*", "--threads", "1"];
/// Measured on a machine that this one is not taken for.
const OTHER: &str = "nvidia-rtx-3090-datasheet";

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_roofprobe"));
        command.args(arguments).current_dir(self.0.path()).env("ROOFPROBE_DIR", self.path("kept"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn succeeds(&self, arguments: &[&str]) -> Output {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        output
    }

    fn refuses(&self, arguments: &[&str], words: &[&str]) {
        let output = self.run(arguments);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        let last = message.lines().last().unwrap_or_default();
        words.iter().for_each(|word| assert!(last.contains(word), "{arguments:?}: \"{word}\" is not in: {last}"));
    }

    fn load(&self, name: &str) -> Profile {
        profile::load(&self.path(name)).unwrap()
    }

    /// A measurement that goes on, once it has its first answers.
    fn begun(&self, arguments: &[&str], file: &str) -> Child {
        let child = self.command(arguments).spawn().unwrap();
        let begun = Instant::now();
        while !profile::load(&self.path(file)).is_ok_and(|profile| samples(&profile) > 0) {
            assert!(begun.elapsed().as_secs() < 60, "nothing was saved");
            std::thread::sleep(Duration::from_millis(5));
        }
        child
    }

    /// What is in the folder beside the store.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        // Where an open file cannot be removed its lock stays.
        names.retain(|name| name != "kept" && (cfg!(unix) || !name.ends_with(".lock")));
        names.sort();
        names
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn samples(profile: &Profile) -> usize {
    profile.ceiling.iter().map(|ceiling| ceiling.sample_values.len()).sum()
}

/// Ends it as a crash would: nothing of it runs any more.
fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A complete profile of this machine.
fn complete(place: &Place) -> Profile {
    place.succeeds(&[SHORT, &["-o", "p.toml"]].concat());
    let profile = place.load("p.toml");
    assert!(profile.provenance.complete);
    profile
}

#[test]
fn a_file_has_one_writer() {
    let place = Place::new();
    let first = place.begun(LONG, "p.toml");
    let begun = Instant::now();
    let process = format!("process {}", first.id());
    for second in [&[SHORT, &["-o", "p.toml"]].concat()[..], &["measure", "--resume", "-o", "p.toml"]] {
        place.refuses(second, &["p.toml: another roofprobe", &process, "-o FILE"]);
    }
    assert!(begun.elapsed().as_secs() < 20, "the second writer says so at once");
    // By another name of the same file, too.
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(place.path("p.toml"), place.path("link.toml")).unwrap();
        place.refuses(&[SHORT, &["-o", "link.toml"]].concat(), &["link.toml: another roofprobe"]);
        std::fs::remove_file(place.path("link.toml")).unwrap();
    }
    kill(first);
    assert!(samples(&place.load("p.toml")) > 0);
    // The one who is gone holds nothing any more; its answers are not thrown away without a word.
    place.refuses(&[SHORT, &["-o", "p.toml"]].concat(), &["p.toml", "interrupted", "--resume -o p.toml", "--replace"]);
    place.succeeds(&[SHORT, &["-o", "p.toml", "--replace"]].concat());
    assert_eq!(place.names(), ["p.toml"]);
}

#[test]
fn work_beside_a_complete_profile_is_found_and_gone_on_with() {
    let place = Place::new();
    let whole = complete(&place);
    kill(place.begun(LONG, "p.toml.partial"));
    let half = place.load("p.toml.partial");
    assert_eq!(place.load("p.toml"), whole);
    let resumed = place.begun(&["measure", "--resume", "-o", "p.toml"], "p.toml.partial");
    std::thread::sleep(Duration::from_millis(500));
    kill(resumed);
    let more = place.load("p.toml.partial");
    assert!(!more.provenance.complete && samples(&more) >= samples(&half));
    assert_eq!((more.provenance.date, place.load("p.toml")), (half.provenance.date, whole.clone()));

    // Killed between two steps at the very end: the complete one is in its place, the incomplete one not yet removed.
    let mut remains = whole.clone();
    remains.provenance.complete = false;
    std::fs::write(place.path("p.toml.partial"), profile::to_toml(&remains).unwrap()).unwrap();
    let output = place.succeeds(&["measure", "--resume", "-o", "p.toml"]);
    assert!(stderr(&output).contains("p.toml is complete already"), "{}", stderr(&output));
    assert_eq!(place.names(), ["p.toml"]);

    // The complete one was removed: what lies beside its place is found, by either name.
    for name in ["p.toml", "p.toml.partial"] {
        let _ = std::fs::remove_file(place.path("p.toml"));
        std::fs::write(place.path("p.toml.partial"), profile::to_toml(&remains).unwrap()).unwrap();
        place.succeeds(&["measure", "--resume", "-o", name]);
        assert!(place.load(name).provenance.complete);
        assert_eq!(place.names(), [name]);
    }
}

#[test]
fn work_in_the_store_is_found_beside_a_complete_profile() {
    let place = Place::new();
    let whole = complete(&place);
    std::fs::create_dir_all(place.path("kept")).unwrap();
    std::fs::rename(place.path("p.toml"), place.path("kept/p.toml")).unwrap();
    place.refuses(&["measure", "--resume"], &["--resume: no incomplete profile", "-o FILE"]);
    let mut half = whole.clone();
    half.provenance.complete = false;
    half.provenance.date = "2026-01-31T12:00:00Z".to_owned();
    half.ceiling.pop();
    half.summarise();
    std::fs::write(place.path("kept/p.toml.partial"), profile::to_toml(&half).unwrap()).unwrap();
    place.succeeds(&["measure", "--resume"]);
    let resumed = place.load("kept/p.toml");
    assert!(resumed.provenance.complete && resumed.ceiling.len() == whole.ceiling.len());
    assert_eq!(resumed.provenance.date, half.provenance.date);
    assert!(!place.path("kept/p.toml.partial").exists());
}

#[test]
fn the_profile_of_another_device_is_not_replaced_unasked() {
    let place = Place::new();
    let foreign = roofprobe::store::find(OTHER).unwrap().profile;
    let text = profile::to_toml(&foreign).unwrap();
    std::fs::write(place.path("p.toml"), &text).unwrap();
    let arguments = [SHORT, &["-o", "p.toml"]].concat();
    let here = roofprobe::device::cpu::Cpu::describe().unwrap().device.name;
    place.refuses(&arguments, &["p.toml", &foreign.device.name, &here, "--replace"]);
    assert_eq!(std::fs::read_to_string(place.path("p.toml")).unwrap(), text);
    assert_eq!(place.names(), ["p.toml"]);
    // Asked for, it is replaced once there is something complete, and not before.
    kill(place.begun(&[LONG, &["--replace"]].concat(), "p.toml.partial"));
    assert_eq!(std::fs::read_to_string(place.path("p.toml")).unwrap(), text);
    place.succeeds(&[&arguments[..], &["--replace"]].concat());
    assert_eq!((place.load("p.toml").device.name, place.names()), (here, vec!["p.toml".to_owned()]));
    // The same device's needs no word.
    place.succeeds(&arguments);
}

#[test]
fn a_measurement_that_is_killed_again_and_again_still_ends() {
    let place = Place::new();
    let arguments = ["measure", "--effort", "quick", "--only", "compute.*", "--threads", "1", "-o", "p.toml"];
    let mut known = 0;
    for (count, wait) in [300, 800, 500, 400, 700, 600].into_iter().enumerate() {
        let again: &[&str] =
            if place.path("p.toml").exists() { &["measure", "--resume", "-o", "p.toml"] } else { &arguments };
        let child = place.command(again).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(wait));
        kill(child);
        // What stands there is whole, and never less than before.
        if place.path("p.toml").exists() {
            let now = samples(&place.load("p.toml"));
            assert!(now >= known, "kill {count}: {now} samples of {known}");
            known = now;
        }
    }
    place.succeeds(&["measure", "--resume", "-o", "p.toml"]);
    let profile = place.load("p.toml");
    assert!(profile.provenance.complete && samples(&profile) > known);
    assert_eq!(place.names(), ["p.toml"]);
}

/// Some three minutes. The moments are random, and the same in every run of the test; what they hit is not.
#[test]
#[ignore = "takes minutes"]
fn two_hundred_kills_lose_nothing() {
    let place = Place::new();
    let whole = complete(&place);
    let arguments = ["measure", "--effort", "standard", "--only", "compute.*", "--threads", "1", "-o", "p.toml"];
    let mut random = roofprobe_kernels::reference::Random::new(13);
    let (mut known, mut ends) = (0, 0);
    let (mut last, mut again) = (whole, false);
    for count in 0..200 {
        let resumed = ["measure", "--resume", "-o", "p.toml"];
        let child = place.command(if again { &resumed } else { &arguments }).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(random.bits() % 1500));
        kill(child);
        // The complete one is there after each, and the work on the next one beside it.
        let now = place.load("p.toml");
        assert!(now.provenance.complete, "kill {count}");
        again = place.path("p.toml.partial").exists();
        if now != last {
            (last, known, ends) = (now, 0, ends + 1);
        }
        if again {
            let samples = samples(&place.load("p.toml.partial"));
            assert!(samples >= known, "kill {count}: {samples} samples of {known}");
            known = samples;
        }
        // A killed writer leaves its draft at most, and the next one sweeps it away.
        assert!(place.names().len() <= 5, "{:?}", place.names());
    }
    println!("200 kills: {ends} measurements were complete, {known} samples of the next one are kept");
    place.succeeds(if again { &["measure", "--resume", "-o", "p.toml"] } else { &arguments });
    assert_eq!(place.names(), ["p.toml"]);
}

#[test]
fn races_are_remembered_and_a_damaged_file_of_them_is_replaced() {
    let place = Place::new();
    let arguments = ["measure", "--effort", "standard", "--only", "compute.f32", "--threads", "1", "-o", "p.toml"];
    let file = || {
        let files = std::fs::read_dir(place.path("kept/races")).unwrap();
        let [file]: [PathBuf; 1] = files.map(|e| e.unwrap().path()).collect::<Vec<_>>().try_into().unwrap();
        file
    };
    place.succeeds(&arguments);
    let raced = || std::fs::read_to_string(file()).unwrap().contains("compute.f32");
    let trials = || place.load("p.toml").ceiling("compute.f32").unwrap().trials.len();
    let all = trials();
    assert!(raced() && all > 1, "{all} candidates");
    // Whether the winner still wins is checked among three, unless it loses: noise may make it lose once, hardly three times.
    let checked = (0..3).any(|_| {
        let again = place.succeeds(&arguments);
        assert!(!stderr(&again).contains("remembered"), "{}", stderr(&again));
        trials() <= 3
    });
    assert!(checked, "{} of {all} candidates", trials());
    // Where there are so few, nothing tells a race from a check.
    let is_whole = || all <= 3 || trials() > 3;
    place.succeeds(&[&arguments[..], &["--no-remembered"]].concat());
    assert!(raced() && is_whole(), "{} of {all} candidates", trials());
    std::fs::write(file(), "race = 3").unwrap();
    let output = place.succeeds(&arguments);
    assert!(stderr(&output).contains("remembered races are left out"), "{}", stderr(&output));
    assert!(raced() && is_whole());
}
