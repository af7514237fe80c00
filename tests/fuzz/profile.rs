//! Damaged profiles: shown, evaluated, compared, drawn, and replayed.

use crate::harness::{Dice, Kind};
use crate::{text, tree};
use roofprobe::compare::compare;
use roofprobe::device::Device;
use roofprobe::error::Result;
use roofprobe::evaluate::{Evaluation, Query, evaluate};
use roofprobe::model::{Model, Workload, find};
use roofprobe::plot::{Chart, CurveChart, Drawing, Page, Subject, Theme, svg};
use roofprobe::probe;
use roofprobe::profile::{Ceiling, Curve, Profile, parse, to_toml};
use roofprobe::report::html::{self, Content, Device as OnPage, Prediction};
use roofprobe::report::{self, Format, Shown};
use roofprobe::sample::{self, Pace, Progress, Session, Watcher};
use roofprobe::simulate::{Simulated, as_asked, curves_as_asked};
use roofprobe::store::SHIPPED;
use serde_json::Value;
use std::sync::LazyLock;

static MODELS: LazyLock<Vec<Model>> =
    LazyLock::new(|| ["smollm2-135m", "olmoe-1b-7b"].map(|name| find(name).unwrap()).into());
static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let files = [
        include_str!("../data/plain-cpu.toml"),
        include_str!("../data/plain-levels.toml"),
        include_str!("../data/other-cpu.toml"),
        include_str!("../data/plain-gpu.toml"),
        include_str!("../data/measured-levels.toml"),
        include_str!("../data/measured-software-gpu.toml"),
    ];
    files.into_iter().chain(SHIPPED.iter().map(|shipped| shipped.toml)).map(|text| text.as_bytes().to_vec()).collect()
});
static WORDS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut words = Vec::new();
    for seed in SEEDS.iter() {
        let text = std::str::from_utf8(seed).unwrap();
        words.extend(text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.').map(str::to_owned));
    }
    words.retain(|word| word.len() > 1);
    // What would break a page or a picture, were it not text.
    words.extend(HOSTILE.map(str::to_owned));
    words.push("W".repeat(10_000));
    words.sort();
    words.dedup();
    words
});

const HOSTILE: [&str; 6] = [
    "\"><script>alert(1)</script>",
    "' onload='alert(1)",
    "</title></style></script></pre></svg><img src=x>",
    "<!-- ]]> &amp; &#60;",
    "a\u{202e}b\u{200f}",
    "=1+1\u{1b}[31m",
];

fn damage(seed: &[u8], dice: &mut Dice) -> Vec<u8> {
    let parsed = || std::str::from_utf8(seed).ok().and_then(|text| toml::from_str::<Value>(text).ok());
    if dice.roll(2) > 0
        && let Some(mut file) = parsed()
    {
        // It is derived, and contradicts whatever is changed below it.
        if dice.roll(4) > 0
            && let Value::Object(map) = &mut file
        {
            map.remove("summary");
        }
        tree::damage(&mut file, &WORDS, dice);
        if let Some(bytes) = tree::to_toml(&file).filter(|bytes| bytes.len() < 1 << 20) {
            return bytes;
        }
    }
    text::damage(seed, dice)
}

struct Patient;

impl Watcher for Patient {
    fn progress(&mut self, _: &Progress) {}
    fn save(&mut self, _: &[Ceiling]) -> Result<()> {
        Ok(())
    }
    fn surveyed(&mut self, _: &[Curve]) -> Result<()> {
        Ok(())
    }
    fn interrupted(&self) -> bool {
        false
    }
}

fn survives(bytes: &[u8], dice: &mut Dice) -> usize {
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    let profile = match parse(text) {
        Ok(profile) => profile,
        Err(refusal) => {
            assert_eq!(refusal.to_string().lines().count(), 1, "{refusal}");
            return 0;
        }
    };
    let written = to_toml(&profile).unwrap();
    assert_eq!(to_toml(&parse(&written).unwrap()).unwrap(), written);
    let format = *dice.one(&Format::all().collect::<Vec<_>>());
    let shown = *dice.one(&[Shown::Main, Shown::All]);
    report::profile::report(&profile, shown).unwrap().render(format).unwrap();
    if dice.roll(4) == 0 {
        replayed(&profile);
    }
    let model = dice.one(&MODELS);
    let workload =
        Workload { weights: Some(dice.one(&["f16", "q8_0", "q4_k_m"]).parse().unwrap()), ..Workload::default() };
    let both = [("damaged", &profile), ("again", &profile)];
    if let Ok(comparison) = compare(&both, std::slice::from_ref(model), &workload.into()) {
        report::compare::report(&comparison, shown).unwrap().render(format).unwrap();
    }
    let query = Query { explain: true, ..workload.into() };
    let Ok(evaluation) = evaluate(model, &query, &profile, "damaged") else { return 1 };
    assert!(
        evaluation.phases.iter().all(|phase| phase.speed.seconds.is_finite() && phase.speed.seconds > 0.0),
        "{evaluation:?}"
    );
    report::evaluation::report(std::slice::from_ref(&evaluation), shown).unwrap().render(format).unwrap();
    if dice.roll(4) == 0 {
        page(text, &profile, evaluation);
        return 2;
    }
    let subject = Subject { name: "damaged", profile: &profile, evaluations: &[evaluation], runs: &[] };
    let mut drawings: Vec<Drawing> = Vec::new();
    drawings.extend(Chart::of(&[subject]).map(|chart| Drawing::of(&chart, Page::Wide)));
    drawings.extend(CurveChart::of(&[("damaged", &profile)]).map(|chart| Drawing::of_curves(&chart, Page::Wide)));
    for drawing in drawings {
        let picture = svg(&drawing, Theme::Light);
        let strange = |word: &str| matches!(word, "NaN" | "inf");
        assert!(!picture.split(|c: char| !c.is_alphanumeric()).any(strange), "{picture}");
        roxmltree::Document::parse(&picture).unwrap();
    }
    2
}

/// As a page: whatever it says, there is one script, and it is ours.
fn page(text: &str, profile: &Profile, evaluation: Evaluation) {
    let evaluations = [evaluation.clone()];
    let device = OnPage { name: "damaged", profile, toml: text, evaluations: &evaluations, runs: &[] };
    let (model, weights) = (evaluation.model.clone(), evaluation.weights.clone());
    let prediction = Prediction { device: 0, model, weights, context: 512, outcome: Ok(evaluation) };
    let content = Content { devices: vec![device], predictions: vec![prediction], measured: None, comparison: None };
    let Ok(page) = html::page(&content) else { return };
    for (tag, count) in [("<script", 1), ("<style", 1), ("<img", 0), ("<!--", 0), ("</html>", 1)] {
        assert_eq!(page.matches(tag).count(), count, "{tag}: {page}");
    }
}

/// Measured again, as a device that has exactly these ceilings.
fn replayed(profile: &Profile) {
    // What was quoted has neither an effort nor a machine that could be asked.
    let (Some(effort), Ok(mut device)) = (profile.provenance.effort, Simulated::new(profile.clone())) else { return };
    let pace = Pace::of_replay(effort);
    let machine = device.machine();
    let survey = |curves: &[Curve]| curves_as_asked(profile, probe::survey(&machine, curves, effort));
    sample::survey(&mut Session::new(&mut device, pace, &mut Patient), &survey, &[]).unwrap();
    let questions = as_asked(profile, probe::plan(&device.machine(), &profile.curve, effort));
    let mut finished = sample::measure(&mut Session::new(&mut device, pace, &mut Patient), &questions, &[]).unwrap();
    probe::judge(&mut finished.ceilings, &device.machine());
}

fn kind() -> Kind {
    Kind { name: "profile", seeds: SEEDS.clone(), damage, survives }
}

#[test]
fn damaged_profiles() {
    kind().briefly(300);
}

#[test]
#[ignore = "takes ten minutes"]
fn profile_at_length() {
    kind().at_length();
}
