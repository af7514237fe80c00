//! The gate: simulated pairs of runs with a known regression, what it says of files, and its answers as exit codes, JUnit XML and
//! annotations.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::check::{self as gate, Answer, Checked, Doubt, Gate, Rules};
use roofprobe::error::Result;
use roofprobe::evaluate::NamedProfile;
use roofprobe::profile::{Ceiling, Family, Grade, Mode, Profile, Status, Unit, parse, to_toml};
use roofprobe::report;
use roofprobe::stats::estimate;
use roofprobe::store::SHIPPED;
use roofprobe::units::four_digits;
use roofprobe_kernels::reference::Random;
use std::process::{Command, Output};

fn check(old: NamedProfile, new: NamedProfile, rules: &Rules) -> Result<Checked> {
    gate::check(old, new, rules, |_| true)
}

/// The profiles that this tool measured.
fn measured() -> Vec<Profile> {
    let all: Vec<Profile> = SHIPPED.iter().map(|shipped| shipped.profile().unwrap()).collect();
    let measured: Vec<Profile> = all.into_iter().filter(|profile| !profile.is_quoted()).collect();
    assert!(measured.len() >= 3);
    measured
}

/// Uniform in 0 … 1.
fn unit(random: &mut Random) -> f64 {
    (random.signed_unit() + 1.0) / 2.0
}

/// Normal, near enough: the sum of twelve uniform ones.
fn normal(random: &mut Random) -> f64 {
    (0..12).map(|_| unit(random)).sum::<f64>() - 6.0
}

/// Another run of the same device: samples drawn from those of the profile, neighbours together, as they share a visit.
fn again(samples: &[f64], random: &mut Random) -> Vec<f64> {
    let n = samples.len();
    let block = ((n as f64).sqrt().round() as usize).max(1);
    let mut drawn = Vec::with_capacity(n + block);
    while drawn.len() < n {
        let start = (random.bits() % n as u64) as usize;
        drawn.extend((0..block).map(|i| samples[(start + i) % n]));
    }
    drawn.truncate(n);
    drawn
}

/// The ceiling with these samples.
fn of_samples(ceiling: &Ceiling, samples: &[f64]) -> Ceiling {
    let rate = ceiling.id.unit().is_rate();
    let speed = |value: f64| if rate { value } else { 1.0 / value };
    let found = estimate(&samples.iter().map(|&sample| speed(sample)).collect::<Vec<_>>()).unwrap();
    let value = |of: f64| four_digits(speed(of));
    let [low, high] = found.ci95.map(value);
    let mut new = ceiling.clone();
    for unit in [Unit::GbPerS, Unit::GflopPerS, Unit::Ns, Unit::Us] {
        if let Some(before) = ceiling.figure(unit) {
            let factor = speed(found.best) / ceiling.value().unwrap().0;
            new.set(unit, four_digits(before * factor));
        }
    }
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    new.median = Some(four_digits(roofprobe::stats::median(&sorted)));
    new.sample_values = samples.iter().copied().map(four_digits).collect();
    new.ci95 = Some(if rate { [low, high] } else { [high, low] });
    let modes = found.modes.iter().map(|mode| Mode { value: value(mode.centre), share: mode.share });
    new.modes = if found.modes.len() > 1 { modes.collect() } else { Vec::new() };
    new
}

/// Another run of the profile's device. Clock and placements, which a run has for itself, are `drift` (standard deviation); what
/// `slower` names is that much slower.
fn run(profile: &Profile, drift: f64, slower: impl Fn(usize) -> f64, random: &mut Random) -> Profile {
    let mut run = profile.clone();
    let common = 1.0 + drift * normal(random);
    for (place, ceiling) in run.ceiling.iter_mut().enumerate() {
        if ceiling.status == Status::Measured && !ceiling.sample_values.is_empty() {
            let speed = common * (1.0 - slower(place));
            let factor = if ceiling.id.unit().is_rate() { speed } else { 1.0 / speed };
            let samples: Vec<f64> = again(&ceiling.sample_values, random).iter().map(|one| one * factor).collect();
            *ceiling = of_samples(ceiling, &samples);
        }
    }
    run
}

/// What came of simulated pairs at the usual tolerance.
#[derive(Debug, Default)]
struct Outcome {
    pairs: usize,
    /// Pairs that the gate calls regressed, cannot tell of, and lets pass.
    answers: [usize; 3],
    /// Pairs in which a quantity is called a regression that is not slower, or by less than the tolerance.
    false_alarms: usize,
    /// The same of those quantities that really are slower.
    slower: [usize; 3],
}

fn place(answer: Answer) -> usize {
    [Answer::Regressed, Answer::CannotTell, Answer::Passed].iter().position(|one| *one == answer).unwrap()
}

/// What a driver, a kernel or a board makes slower.
const FAMILIES: [Family; 3] = [Family::Compute, Family::Matmul, Family::Memory];

/// Simulates pairs in which one family of ceilings is slower by `regression`.
fn simulate(pairs: usize, family: Family, regression: f64, drift: f64) -> Outcome {
    let mut profiles = measured();
    // The oldest one has no products and no grade.
    profiles.retain(|profile| profile.ceiling.iter().any(|ceiling| ceiling.id.family() == family));
    profiles.iter_mut().filter_map(|profile| profile.environment.as_mut()).for_each(|of| of.grade = Some(Grade::B));
    let mut random = Random::new(1611);
    let mut outcome = Outcome { pairs, ..Outcome::default() };
    for pair in 0..pairs {
        let profile = &profiles[pair % profiles.len()];
        let slower = |at: usize| if profile.ceiling[at].id.family() == family { regression } else { 0.0 };
        let (old, new) = (run(profile, drift, |_| 0.0, &mut random), run(profile, drift, slower, &mut random));
        let checked = check(("old", &old), ("new", &new), &Rules::default()).unwrap();
        let mut false_alarm = false;
        for one in &checked.quantities {
            let at = profile.ceiling.iter().position(|ceiling| ceiling.id == *one.quantity.as_str()).unwrap();
            if slower(at) > 0.0 && one.doubt != Some(Doubt::Suspect) {
                outcome.slower[place(one.answer)] += 1;
            }
            false_alarm |= one.answer == Answer::Regressed && slower(at) < Rules::default().tolerance;
        }
        outcome.answers[place(checked.answer)] += 1;
        outcome.false_alarms += usize::from(false_alarm);
    }
    outcome
}

const REGRESSIONS: [f64; 5] = [0.0, 0.03, 0.05, 0.10, 0.30];

#[test]
#[ignore = "makes the table of docs/methodology.md: cargo test --test check table -- --ignored --nocapture"]
fn table_of_simulated_pairs() {
    for drift in [0.0, 0.0125] {
        println!(
            "\nruns differ by {drift}\n\n| slower | by | regressed | false alarms | quantities caught | cannot tell | passed |"
        );
        for (family, regression) in FAMILIES.into_iter().flat_map(|family| REGRESSIONS.map(|by| (family, by))) {
            let one = simulate(200, family, regression, drift);
            let all = one.slower.iter().sum::<usize>().max(1);
            let shares = one.slower.map(|part| format!("{:.1} %", 100.0 * part as f64 / all as f64)).join(" | ");
            let by = regression * 100.0;
            println!(
                "| {family} | {by:.0} % | {} of {} | {} | {shares} |",
                one.answers[0], one.pairs, one.false_alarms
            );
        }
    }
}

#[test]
fn simulated_regressions_are_caught_and_nothing_else_is() {
    let quiet = simulate(12, Family::Compute, 0.0, 0.0);
    assert_eq!((quiet.false_alarms, quiet.answers[0]), (0, 0), "{quiet:?}");
    for (family, by) in [(Family::Compute, 0.10), (Family::Matmul, 0.10), (Family::Matmul, 0.30)] {
        let one = simulate(8, family, by, 0.0);
        assert_eq!((one.answers, one.false_alarms), ([8, 0, 0], 0), "{family} {by}: {one:?}");
        let [caught, _, passed] = one.slower;
        assert!(caught > 100 && passed * 50 < caught, "{family} {by}: {one:?}");
    }
    // Its samples have modes that lie further apart than that.
    let memory = simulate(6, Family::Memory, 0.10, 0.0);
    assert_eq!((memory.answers, memory.false_alarms), ([6, 0, 0], 0), "{memory:?}");
}

fn zen4() -> Profile {
    measured().into_iter().find(|profile| profile.device.microarchitecture.as_deref() == Some("Zen 4")).unwrap()
}

/// A profile whose every ceiling is measured, within 2.5 %, in one mode, on a machine of its own.
fn plain() -> Profile {
    let mut profile = zen4();
    let environment = profile.environment.as_mut().unwrap();
    (environment.virtualised, environment.hypervisor) = (Some(false), None);
    profile.ceiling.retain(|ceiling| ceiling.status == Status::Measured);
    for ceiling in &mut profile.ceiling {
        ceiling.modes.clear();
        ceiling.sample_values.clear();
        ceiling.median = None;
        let value = ceiling.value().unwrap().0;
        ceiling.ci95 = Some([value / 1.025, value * 1.025]);
    }
    profile
}

fn answer(old: &Profile, new: &Profile, rules: &Rules) -> Answer {
    check(("old", old), ("new", new), rules).unwrap().answer
}

#[test]
fn nothing_is_green_by_accident() {
    let rules = Rules::default();
    assert_eq!(answer(&plain(), &plain(), &rules), Answer::Passed);
    let changed = |change: &dyn Fn(&mut Ceiling)| {
        let mut profile = plain();
        change(&mut profile.ceiling[0]);
        profile
    };
    let suspect = changed(&|ceiling| ceiling.status = Status::Suspect);
    assert_eq!(answer(&plain(), &suspect, &rules), Answer::CannotTell);
    assert_eq!(answer(&suspect, &plain(), &rules), Answer::CannotTell);
    assert_eq!(answer(&plain(), &changed(&|ceiling| ceiling.ci95 = None), &rules), Answer::CannotTell);
    let resized = changed(&|ceiling| ceiling.variant.as_mut().unwrap().m = Some(3));
    assert_eq!(answer(&plain(), &resized, &rules), Answer::CannotTell);
    let mut fewer = plain();
    fewer.ceiling.remove(0);
    assert_eq!(answer(&plain(), &fewer, &rules), Answer::CannotTell);
    // What only the new one has is held against nothing.
    assert_eq!(answer(&fewer, &plain(), &rules), Answer::Passed);
    let mut poor = plain();
    poor.environment.as_mut().unwrap().grade = Some(Grade::F);
    assert_eq!(answer(&poor, &plain(), &rules), Answer::CannotTell);
    assert_eq!(answer(&poor, &plain(), &Rules { worst_grade: Grade::F, ..rules.clone() }), Answer::Passed);
    let mut other = plain();
    other.device.name = "another".to_owned();
    assert!(check(("old", &plain()), ("new", &other), &rules).is_err());
    assert_eq!(answer(&plain(), &other, &Rules { other_device: true, ..rules.clone() }), Answer::Passed);
    let mut incomplete = plain();
    incomplete.provenance.complete = false;
    assert!(check(("old", &incomplete), ("new", &plain()), &rules).is_err());
}

#[test]
fn ratios_survive_a_lower_clock_and_times_are_speeds_too() {
    let mut slow = plain();
    for ceiling in &mut slow.ceiling {
        for unit in [Unit::GbPerS, Unit::GflopPerS, Unit::Ns, Unit::Us] {
            let factor = if unit.is_rate() { 0.7 } else { 1.0 / 0.7 };
            if let Some(value) = ceiling.figure(unit) {
                ceiling.set(unit, value * factor);
            }
        }
        let factor = if ceiling.id.unit().is_rate() { 0.7 } else { 1.0 / 0.7 };
        ceiling.ci95 = ceiling.ci95.map(|ends| ends.map(|end| end * factor));
    }
    let all = check(("old", &plain()), ("new", &slow), &Rules::default()).unwrap();
    assert_eq!((all.regressed, all.answer), (all.quantities.len(), Answer::Regressed));
    assert!(all.quantities.iter().all(|one| (one.ratio.unwrap() - 0.7).abs() < 1e-9));
    let ratios = Rules { gate: Gate::Ratios, ..Rules::default() };
    let of_ratios = check(("old", &plain()), ("new", &slow), &ratios).unwrap();
    assert_eq!(
        of_ratios.answer,
        Answer::Passed,
        "{:?}",
        of_ratios.quantities.iter().find(|q| q.answer != Answer::Passed)
    );
    let names: Vec<&str> = of_ratios.quantities.iter().map(|one| one.quantity.as_str()).collect();
    for name in [
        "matmul.q8_0.m1 / memory.dram.read",
        "matmul.q8_0.m512 / compute.i8",
        "attention.f16.decode / memory.dram.read",
        "memory.dram.copy / memory.dram.read",
        "compute.f32 / compute.f32.single",
    ] {
        assert!(names.contains(&name), "{name}: {names:?}");
    }
    // A kernel that lost a fifth of what memory gives shows on any machine.
    let gemv = slow.ceiling.iter_mut().find(|ceiling| ceiling.id == *"matmul.q8_0.m1").unwrap();
    gemv.gb_per_s = gemv.gb_per_s.map(|value| value * 0.8);
    gemv.gflop_per_s = gemv.gflop_per_s.map(|value| value * 0.8);
    gemv.ci95 = gemv.ci95.map(|ends| ends.map(|end| end * 0.8));
    let found = check(("old", &plain()), ("new", &slow), &ratios).unwrap();
    let regressed: Vec<&str> = found
        .quantities
        .iter()
        .filter(|one| one.answer == Answer::Regressed)
        .map(|one| one.quantity.as_str())
        .collect();
    assert_eq!(regressed, ["matmul.q8_0.m1 / memory.dram.read"]);
}

/// A plain profile of a machine with nodes and classes of cores, and with latents.
fn in_parts() -> Profile {
    let mut profile = plain();
    for (like, id) in [
        ("memory.dram.read", "memory.dram.read.node0_node1"),
        ("memory.dram.read", "memory.dram.read.class1"),
        ("latency.dram", "latency.dram.node0"),
        ("compute.f32", "compute.f32.class1"),
        ("attention.f16.decode", "attention.f16.decode.g16d576v512"),
    ] {
        let of = profile.ceiling(like).unwrap().clone();
        profile.ceiling.push(Ceiling { id: id.parse().unwrap(), ..of });
    }
    profile
}

#[test]
fn a_part_of_a_machine_is_held_against_all_of_it() {
    let names = gate::quantities(&in_parts(), Gate::Ratios);
    let of_parts: Vec<&str> = names.iter().map(String::as_str).filter(|name| name.contains(".class1 / ")).collect();
    assert_eq!(of_parts, ["memory.dram.read.class1 / memory.dram.read", "compute.f32.class1 / compute.f32"]);
    assert!(names.iter().any(|name| name == "memory.dram.read.node0_node1 / memory.dram.read"));
    // A ratio counts as a speed, and one of times would not.
    assert!(!names.iter().any(|name| name.starts_with("latency.")), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("v512") || name.contains("prefill")), "{names:?}");
}

#[test]
fn memory_of_a_virtual_machine_is_not_blamed_for_what_neighbours_do() {
    let slower = |ids: &[&str]| {
        let mut profile = in_parts();
        for ceiling in profile.ceiling.iter_mut().filter(|ceiling| ids.contains(&ceiling.id.as_str())) {
            let (value, unit) = ceiling.value().unwrap();
            let times = if unit.is_rate() { 0.6 } else { 1.0 / 0.6 };
            ceiling.set(unit, value * times);
            ceiling.ci95 = ceiling.ci95.map(|ends| ends.map(|end| end * times));
        }
        profile
    };
    let virtual_one = |mut profile: Profile| {
        profile.environment.as_mut().unwrap().virtualised = Some(true);
        profile
    };
    let doubt = |old: &Profile, new: &Profile, id: &str| {
        let checked = check(("old", old), ("new", new), &Rules::default()).unwrap();
        checked.quantities.iter().find(|one| one.quantity == id).unwrap().doubt
    };
    for id in [
        "memory.dram.read",
        "memory.dram.read.node0_node1",
        "memory.dram.read.class1",
        "latency.dram",
        "latency.dram.node0",
        "matmul.q8_0.m1",
        "attention.f16.decode",
        "attention.f16.decode.g8d128",
    ] {
        assert_ne!(doubt(&in_parts(), &slower(&[id]), id), Some(Doubt::Shared), "{id}");
        assert_eq!(doubt(&virtual_one(in_parts()), &slower(&[id]), id), Some(Doubt::Shared), "{id}");
        assert_eq!(doubt(&in_parts(), &virtual_one(slower(&[id])), id), Some(Doubt::Shared), "{id}");
    }
    for id in [
        "memory.l2.read",
        "matmul.q8_0.m512",
        "compute.f32",
        "compute.f32.class1",
        "attention.f16.prefill",
        "attention.f16.decode.g16d576v512",
    ] {
        // Of few samples one quantity of many may be slower by chance, which is another doubt.
        let doubt = doubt(&virtual_one(in_parts()), &slower(&[id]), id);
        assert!(matches!(doubt, None | Some(Doubt::Chance)), "{id}: {doubt:?}");
    }
}

#[test]
fn a_family_settles_what_chance_alone_excuses() {
    // Slower by a tenth, each with samples too few and too wide to tell by itself.
    let run = |factor: f64, of: usize| {
        let mut profile = plain();
        let compute = profile.ceiling.iter_mut().filter(|ceiling| ceiling.id.family() == Family::Compute);
        for ceiling in compute.take(of) {
            let (value, unit) = ceiling.value().unwrap();
            ceiling.set(unit, value * factor);
            ceiling.ci95 = Some([value * factor / 1.08, value * factor * 1.08]);
        }
        profile
    };
    let all = run(1.0, usize::MAX);
    let checked = check(("old", &all), ("new", &run(0.9, usize::MAX)), &Rules::default()).unwrap();
    let found: Vec<_> = checked.quantities.iter().filter(|one| one.answer == Answer::Regressed).collect();
    let compute = plain().ceiling.iter().filter(|ceiling| ceiling.id.family() == Family::Compute).count();
    assert!(compute >= 9 && found.len() == compute && found.iter().all(|one| one.by_family), "{found:?}");
    // A third of them are no family.
    let few = check(("old", &all), ("new", &run(0.9, compute / 3)), &Rules::default()).unwrap();
    assert_eq!((few.regressed, few.answer), (0, Answer::CannotTell));
}

/// Names that formats have to carry and must not obey.
const HOSTILE: [&str; 5] = ["a\"b'c<d>&e", "=1+2%0A::error::x,y:z", "-->]]><!--", "`|*_[x](y)", "right\u{202e}to left"];

#[test]
fn hostile_names_stay_names() {
    for name in HOSTILE.into_iter().map(str::to_owned).chain(["x".repeat(10_000)]) {
        let mut new = plain();
        new.ceiling[0].status = Status::Suspect;
        new.device.name = name.clone();
        let rules = Rules { other_device: true, ..Rules::default() };
        let checked = check((&name, &plain()), ("a\u{1b}[31m\u{fffe}", &new), &rules).unwrap();
        let xml = report::check::junit(&checked);
        let document = roxmltree::Document::parse(&xml).unwrap();
        let suite = document.root_element().first_element_child().unwrap();
        let expected = format!("a\\u{{1b}}[31m\\u{{fffe}} against {}", name.replace('\u{202e}', "\\u{202e}"));
        assert_eq!(suite.attribute("name"), Some(expected.as_str()));
        assert_eq!(suite.children().filter(|node| node.has_tag_name("testcase")).count(), checked.quantities.len());
        for line in report::check::annotations(&checked) {
            assert!(!line.contains(['\n', '\r', '\u{1b}', '\u{202e}']), "{line}");
            assert!(line.starts_with("::warning title="), "{line}");
        }
    }
}

fn roofprobe(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_roofprobe")).args(arguments).output().unwrap()
}

#[test]
fn the_answer_is_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let file = |name: &str, profile: &Profile| {
        std::fs::write(path(name), to_toml(profile).unwrap()).unwrap();
        path(name)
    };
    let mut slow = plain();
    slow.ceiling.retain(|ceiling| ceiling.id == *"memory.dram.read");
    slow.summarise();
    let old = file("old.toml", &slow);
    let read = &mut slow.ceiling[0];
    let value = read.gb_per_s.unwrap() * 0.8;
    read.gb_per_s = Some(value);
    read.ci95 = Some([value / 1.02, value * 1.02]);
    read.median = None;
    slow.summarise();
    let new = file("new.toml", &slow);
    parse(&std::fs::read_to_string(&new).unwrap()).unwrap();

    let said = |output: &Output| String::from_utf8_lossy(&output.stdout).into_owned();
    let passed = roofprobe(&["check", &old, &old]);
    assert_eq!(passed.status.code(), Some(0), "{passed:?}");
    assert!(said(&passed).contains("Passed: none of 1 quantities"), "{passed:?}");
    let junit = path("out.xml");
    let regressed = roofprobe(&["check", &old, &new, "--junit", &junit, "--github"]);
    assert_eq!(regressed.status.code(), Some(1), "{regressed:?}");
    assert!(said(&regressed).contains("memory.dram.read"), "{regressed:?}");
    let annotations = String::from_utf8_lossy(&regressed.stderr).into_owned();
    assert!(annotations.contains("::error title=regressed::memory.dram.read: "), "{annotations}");
    let xml = std::fs::read_to_string(junit).unwrap();
    let document = roxmltree::Document::parse(&xml).unwrap();
    assert_eq!(document.descendants().filter(|node| node.has_tag_name("failure")).count(), 1);
    let wide = roofprobe(&["check", &old, &old, "--tolerance", "0.5%", "--format", "json"]);
    assert_eq!(wide.status.code(), Some(3), "{wide:?}");
    let json: serde_json::Value = serde_json::from_slice(&wide.stdout).unwrap();
    assert_eq!((&json["answer"], &json["quantities"][0]["doubt"]), (&"cannot_tell".into(), &"wide".into()));
    for wrong in
        [&["check", &old][..], &["check"], &["check", &old, &new, "--tolerance", "60%"], &["check", &old, "nowhere"]]
    {
        assert_eq!(roofprobe(wrong).status.code(), Some(2), "{wrong:?}");
    }
    let none = roofprobe(&["check", &old, &new, "--only", "compute.*"]);
    assert_eq!(none.status.code(), Some(2));
}
