//! Electric power beside the ceilings, and the energy of a token that follows from it.

use roofprobe::evaluate::{Evaluation, Query, RoofKind, evaluate};
use roofprobe::model::{Phase, Workload, find};
use roofprobe::profile::{Profile, parse, to_toml};
use roofprobe::report::{Format, Shown, Style, evaluation, profile};
use roofprobe::sample::{self, Finished, Pace, Progress, Session, Watcher};
use roofprobe::simulate::{self, Simulated};
use roofprobe::store::find as find_profile;

/// A machine with every ceiling that an evaluation asks for.
fn shipped() -> Profile {
    find_profile("amd-epyc-zen5-2c").unwrap().profile
}

const RAIL: &str = "hwmon ina3221: VDD_IN";

/// A shipped profile as if its machine had a rail that tells its power: reading takes 9 W, everything else 15 W.
fn powered() -> Profile {
    let mut profile = shipped();
    profile.environment.as_mut().unwrap().power_source = Some(RAIL.to_owned());
    for ceiling in profile.ceiling.iter_mut().filter(|ceiling| !ceiling.sample_values.is_empty()) {
        ceiling.watts = Some(if ceiling.id == *"memory.dram.read" { 9.0 } else { 15.0 });
    }
    profile
}

fn evaluated(profile: &Profile, roof: RoofKind) -> Evaluation {
    let query = Query::from(Workload::default()).by(roof);
    evaluate(&find("qwen2.5-0.5b").unwrap(), &query, profile, "powered").unwrap()
}

#[test]
fn power_is_written_as_it_is_read() {
    let profile = powered();
    let text = to_toml(&profile).unwrap();
    assert!(text.contains("watts = 9.0") && text.contains(&format!("power_source = \"{RAIL}\"")), "{text}");
    assert_eq!(parse(&text).unwrap(), profile);
    let refusal = parse(&text.replacen("watts = 15.0", "watts = 0.0", 1)).unwrap_err().to_string();
    assert!(refusal.contains("watts"), "{refusal}");
}

#[test]
fn joules_are_watts_over_tokens_per_second() {
    let profile = powered();
    let decode = |roof| evaluated(&profile, roof).phase(Phase::Decode).unwrap().clone();
    // Under the peak roof memory binds nearly all of a decode step.
    let peak = decode(RoofKind::Peak);
    let energy = peak.energy.unwrap();
    assert!(energy.watts >= 9.0 && energy.watts < 9.1, "{}", energy.watts);
    assert!((energy.joules_per_token * peak.speed.tokens_per_s / energy.watts - 1.0).abs() < 1e-9);
    assert!((energy.tokens_per_joule * energy.joules_per_token - 1.0).abs() < 1e-9);
    assert_eq!(energy.source, RAIL);
    // Under the achieved one its matmuls do.
    assert!(decode(RoofKind::Achieved).energy.unwrap().watts > 12.0);
}

#[test]
fn the_report_has_energy_and_without_power_it_has_none() {
    let text = |profile: &Profile| {
        let report = evaluation::report(&[evaluated(profile, RoofKind::Achieved)], Shown::Main).unwrap();
        let style = Style { width: 200, colour: false };
        (report.render(Format::default().styled(style)).unwrap(), report.json)
    };
    let (with, json) = text(&powered());
    assert!(with.contains("J/token (") && with.contains(&format!("Power by {RAIL}.")), "{with}");
    assert_eq!(json["results"][0]["phases"][1]["energy"]["source"], RAIL);
    let (without, json) = text(&shipped());
    assert!(!without.contains("J/token"), "{without}");
    assert!(json["results"][0]["phases"][1].get("energy").is_none());
}

#[test]
fn the_profile_shows_power_beside_each_ceiling_or_why_there_is_none() {
    let text = |profile: &Profile| {
        let report = profile::report(profile, Shown::All).unwrap();
        report.render(Format::default().styled(Style { width: 300, colour: false })).unwrap()
    };
    let mut profile = powered();
    assert!(text(&profile).contains(RAIL));
    assert!(text(&profile).lines().any(|line| line.contains("memory.dram.read ") && line.contains(" 9.000 ")));
    let environment = profile.environment.as_mut().unwrap();
    (environment.power_source, environment.power_missing) = (None, Some("powercap: Permission denied".to_owned()));
    assert!(text(&profile).contains("powercap: Permission denied"));
}

/// Nobody.
struct Nobody;

impl Watcher for Nobody {
    fn progress(&mut self, _: &Progress) {}
    fn save(&mut self, _: &[roofprobe::profile::Ceiling]) -> roofprobe::error::Result<()> {
        Ok(())
    }
    fn surveyed(&mut self, _: &[roofprobe::profile::Curve]) -> roofprobe::error::Result<()> {
        Ok(())
    }
    fn interrupted(&self) -> bool {
        false
    }
}

#[test]
fn a_replay_has_the_power_that_was_recorded() {
    let profile = powered();
    let mut device = Simulated::new(profile.clone()).unwrap();
    let machine = profile.machine().unwrap();
    let effort = profile.provenance.effort.unwrap();
    let questions = simulate::as_asked(&profile, roofprobe::probe::plan(&machine, &profile.curve, effort));
    let mut nobody = Nobody;
    let mut session = Session::new(&mut device, Pace::of_replay(effort), &mut nobody);
    let Finished { ceilings, .. } = sample::measure(&mut session, &questions, &[]).unwrap();
    let replayed = ceilings.iter().filter(|ceiling| ceiling.watts.is_some()).count();
    assert!(replayed > 20, "{replayed}");
    for ceiling in ceilings.iter().filter(|ceiling| ceiling.samples.is_some_and(|samples| samples >= 3)) {
        assert_eq!(ceiling.watts, profile.ceiling(&ceiling.id).unwrap().watts, "{}", ceiling.id);
    }
}
