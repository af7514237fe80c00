//! Damaged output of other tools: runs are joined with a model and a profile, ceilings become a profile that can be read again.

use crate::harness::{Dice, Kind};
use crate::text;
use roofprobe::measured::{self, Given, GivenModel, join_all};
use roofprobe::model::{self, Model};
use roofprobe::profile::{DeviceKind, Profile, parse, to_toml};
use roofprobe::quoted::{self, Asked};
use std::sync::LazyLock;

static MODEL: LazyLock<Model> = LazyLock::new(|| model::find("smollm2-135m").unwrap());
static PROFILE: LazyLock<Profile> = LazyLock::new(|| parse(include_str!("../data/plain-cpu.toml")).unwrap());

/// Every sample, the table of rates among them.
fn seeds() -> Vec<Vec<u8>> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
    let mut paths: Vec<_> =
        std::fs::read_dir(format!("{root}/imports")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_none_or(|end| end != "md") || path.ends_with("llama-bench.md"));
    paths.sort();
    paths.push(format!("{root}/llama-bench.json").into());
    paths.push(format!("{root}/../../docs/llama-bench-zen4.csv").into());
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn survives(bytes: &[u8], dice: &mut Dice) -> usize {
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    for kind in [DeviceKind::Cpu, DeviceKind::Gpu] {
        let asked = Asked { device: Some("Apple M1 Pro".to_owned()), kind: Some(kind), date: None };
        if let Ok(profile) = quoted::profile_of(&[("f", text)], &asked) {
            assert_eq!(parse(&to_toml(&profile).unwrap()).unwrap(), profile);
            return 2;
        }
    }
    let given = Given {
        models: vec![GivenModel { name: "m".to_owned(), parameters: Some(134_515_008) }],
        weights: Some("q8_0".parse().unwrap()),
        prompt: Some(512),
        generate: Some(128),
        batch: Some(8),
        cached: *dice.one(&[None, Some(1)]),
        threads: *dice.one(&[None, Some(4)]),
        kv: None,
    };
    let Ok(runs) = measured::parse_with("f", text, &given) else { return 0 };
    let Ok(joined) = join_all(&runs, &[("m", &MODEL)], &[("p", &PROFILE)]) else { return 1 };
    for point in &joined.points {
        assert!(point.seconds.is_finite() && point.seconds > 0.0 && point.gb_per_s.is_finite(), "{point:?}");
    }
    2
}

fn kind() -> Kind {
    Kind { name: "runs", seeds: seeds(), damage: text::damage, survives }
}

#[test]
fn damaged_runs() {
    kind().briefly(1500);
}

#[test]
#[ignore = "takes ten minutes"]
fn runs_at_length() {
    kind().at_length();
}
