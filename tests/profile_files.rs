//! Profiles as files: the same bytes after loading and saving, versions refused kindly, unknown keys by name, numbers
//! that cannot be refused, and nothing half-written.

use roofprobe::file::Durability;
use roofprobe::profile::{self, Profile};
use roofprobe::profile::{CeilingId, Flag, IdKind};
use roofprobe::store::SHIPPED;
use std::path::Path;

fn text() -> String {
    SHIPPED[0].toml.to_owned()
}

/// The shipped profile with one piece of text replaced; the piece must be there.
fn altered(from: &str, to: &str) -> String {
    let text = text();
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

fn refusal(text: &str) -> String {
    match profile::parse(text) {
        Ok(_) => panic!("accepted"),
        Err(error) => {
            let message = error.to_string();
            assert!(!message.contains('\n'), "one line: {message}");
            message
        }
    }
}

#[test]
fn saved_loaded_and_saved_again_is_the_same_bytes() {
    for shipped in SHIPPED {
        let profile = shipped.profile().unwrap();
        assert_eq!(profile::to_toml(&profile).unwrap(), shipped.toml, "{}", shipped.name);
    }
    for measured in [include_str!("data/measured-levels.toml"), include_str!("data/measured-software-gpu.toml")] {
        assert_eq!(profile::to_toml(&profile::parse(measured).unwrap()).unwrap(), measured);
    }
}

#[test]
fn a_file_is_written_whole_and_replaces_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.toml");
    let profile = SHIPPED[0].profile().unwrap();
    profile::save(&profile, &path, Durability::Buffered).unwrap();
    profile::save(&profile, &path, Durability::Synced).unwrap();
    assert_eq!(profile::load(&path).unwrap(), profile);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    let error = profile::save(&profile, &folder.path().join("no/such/folder/p.toml"), Durability::Synced)
        .unwrap_err()
        .to_string();
    assert!(error.contains("no/such/folder") && error.contains("-o"), "{error}");
}

#[test]
fn every_truncation_is_refused_or_whole() {
    let text = text();
    // Every cut at a line, and a few within lines: none may load as the whole profile, and none may panic.
    let whole = profile::parse(&text).unwrap();
    for (at, _) in text.match_indices('\n').chain(text.match_indices("= ")) {
        if let Ok(profile) = profile::parse(&text[..at]) {
            assert!(profile != whole || text[at..].trim().is_empty(), "cut at {at}");
        }
    }
}

#[test]
fn unknown_keys_are_named() {
    assert!(refusal(&altered("[environment]", "[environment]\nmoon_phase = 3")).contains("moon_phase"));
    assert!(refusal(&altered("id = ", "gb_per_hour = 3.0\nid = ")).contains("gb_per_hour"));
    assert!(refusal(&altered("variant = { ", "variant = { colour = 1, ")).contains("colour"));
}

#[test]
fn versions_are_refused_kindly() {
    let message = refusal(&altered("schema = 1", "schema = 2"));
    assert!(message.contains("schema 2") && message.contains("reads schema 1"), "{message}");
    assert!(refusal(&altered("schema = 1", "schema = \"1\"")).contains("integer"));
    assert!(refusal("").contains("not a roofprobe profile"));
    assert!(refusal("[package]\nname = \"x\"").contains("not a roofprobe profile"));
}

#[test]
fn impossible_values_are_refused_by_key() {
    let value = text().lines().find(|l| l.starts_with("gb_per_s")).unwrap().to_owned();
    for number in ["nan", "inf", "-1.0", "0.0", "1e300", "5e-324"] {
        let message = refusal(&altered(&format!("\n{value}"), &format!("\ngb_per_s = {number}")));
        assert!(message.contains("gb_per_s") && message.contains("memory.dram.read"), "{message}");
    }
    assert!(refusal(&altered("threads = 2\n", "threads = 0\n")).contains("environment.threads"));
    assert!(refusal(&altered("logical_cpus = 2", "logical_cpus = -2")).contains("logical_cpus"));
    assert!(refusal(&altered("logical_cpus = 2", "logical_cpus = true")).contains("logical_cpus"));
    assert!(refusal(&altered("\nsamples = ", "\nsamples = 1")).contains("samples"));
    assert!(refusal(&altered("name = \"", "name = \"\\u001b[2J")).contains("device.name"));
    assert!(refusal(&altered("status = \"measured\"", "status = \"guessed\"")).contains("guessed"));
    assert!(refusal(&altered("status = \"measured\"", "status = \"skipped\"")).contains("must not have a value"));
    assert!(refusal(&altered("status = \"measured\"", "status = \"quoted\"")).contains("source"));
    assert!(refusal(&altered("id = \"memory.dram.write\"", "id = \"memory.dram.read\"")).contains("stands twice"));
    assert!(refusal(&altered("id = \"memory.dram.read\"", "id = \"weather.rain\"")).contains("not a ceiling id"));
    let environment = |keys: &str| refusal(&altered("[environment]", &format!("[environment]\n{keys}")));
    assert!(environment("grade = \"G\"").contains("grade"));
    assert!(environment("grade = \"B\"").contains("grade_reasons"));
    assert!(environment("grade_reasons = [\"rain\"]").contains("grade_reasons"));
    assert!(environment("emulator = \"a guess\"").contains("environment.emulator"));
    assert!(environment("smt = 0").contains("environment.smt"));
    assert!(environment("core_scaling = nan").contains("environment.core_scaling"));
    assert!(environment("load_average = -1.0").contains("environment.load_average"));
    let summary = text().lines().find(|l| l.starts_with("dram_read_gb_per_s")).unwrap().to_owned();
    assert!(refusal(&altered(&summary, "dram_read_gb_per_s = 1.5")).contains("summary"));
}

#[test]
fn what_has_no_end_is_refused_in_a_few_words() {
    let long = "x".repeat(100_000);
    let many = (0..4096)
        .map(|m| format!("[[ceiling]]\nid = \"compute.x{m}\"\nstatus = \"skipped\"\nreason = \"memory\"\n"))
        .collect::<String>();
    for (text, word) in [
        (altered("name = \"", &format!("name = \"{long}")), "device.name: is longer"),
        (altered("id = \"memory.dram.read\"", &format!("id = \"compute.{long}\"")), "not a ceiling id"),
        (altered("schema = 1", &format!("schema = 1\n{long} = 1")), "unknown field"),
        (altered("[environment]", &format!("[environment]\n{long} = 1")), "unknown field"),
        (text() + &many, "ceiling: more than 4096"),
    ] {
        let message = refusal(&text);
        assert!(message.contains(word) && message.len() < 2000, "{word}: {}", &message[..message.len().min(500)]);
    }
    // What is missing at the top is of no line.
    let message = refusal("# Remarks: a = b\nschema = 1\n");
    assert!(message.starts_with("missing field `device`"), "{message}");
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_left_and_a_message_names_no_temporary_file() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str| {
        let path = folder.path().join(name);
        roofprobe::file::write_atomically(&path, "text", Durability::Buffered).unwrap_err().to_string()
    };
    std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
    assert!(refused("link").contains("is a link to what is not there"));
    assert!(folder.path().join("link").is_symlink());
    let message = refused("no/p.toml");
    assert!(message.contains("there is no folder") && !message.contains(".p.toml"), "{message}");
    // To one that is there the link leads, and stays.
    std::fs::write(folder.path().join("nowhere"), "").unwrap();
    roofprobe::file::write_atomically(&folder.path().join("link"), "text", Durability::Buffered).unwrap();
    assert!(folder.path().join("link").is_symlink());
    assert_eq!(std::fs::read_to_string(folder.path().join("nowhere")).unwrap(), "text");
}

#[test]
fn curves_that_cannot_be_are_refused() {
    let text = include_str!("data/plain-levels.toml");
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        refusal(&text.replacen(from, to, 1))
    };
    profile::parse(text).unwrap();
    let places = "footprint_bytes = [16384, 1048576, 1073741824]";
    assert!(refused(places, "footprint_bytes = [16384, 1048576]").contains("2 places for 3 values"));
    assert!(refused(places, "footprint_bytes = [16384, 16384, 1048576]").contains("ascend"));
    assert!(refused(places, "footprint_bytes = [0, 16384, 1048576]").contains("ascend"));
    assert!(refused(places, "").contains("along nothing"));
    assert!(refused(places, &format!("{places}\nthreads = [1, 2, 3]")).contains("more than one quantity"));
    let values = "gb_per_s = [400.0, 200.0, 20.0]";
    assert!(refused(values, "gb_per_s = [400.0, nan, 20.0]").contains("gb_per_s"));
    assert!(refused(values, "ns = [400.0, 200.0, 20.0]").contains("in GB/s"));
    assert!(refused(values, &format!("{values}\nlow = [1.0]")).contains("low: 1 entries"));
    let bounds = "low = [1.0, 1.0, 30.0]\nhigh = [500.0, 500.0, 40.0]";
    assert!(refused(values, &format!("{values}\n{bounds}")).contains("does not contain"));
    assert!(refused("id = \"memory.read.prefetch\"", "id = \"memory.read.resident\"").contains("stands twice"));
    assert!(refused("id = \"memory.read.threads\"", "id = \"overhead.read\"").contains("not a curve id"));
    assert!(refused("reason = \"one thread alone makes no curve\"", "").contains("needs a reason"));
    let measured = refused("status = \"quoted\"\nfootprint", "status = \"measured\"\nfootprint");
    assert!(measured.contains("0 entries"), "measured points have their intervals and samples: {measured}");
}

#[test]
fn figures_stand_only_where_they_belong() {
    let text = include_str!("data/plain-levels.toml");
    let message = refusal(&text.replacen("gb_per_s = 400.0", "gb_per_s = 400.0\ngflop_per_s = 1.0", 1));
    assert!(message.contains("gflop_per_s") && message.contains("memory.l1.read"), "{message}");
    assert!(refusal(&text.replacen("gflop_per_s = 40.0\n", "", 1)).contains("needs a value in GFLOP/s"));
}

#[test]
fn the_schema_describes_the_profile() {
    let schema = Profile::json_schema();
    let properties = schema["properties"].as_object().unwrap();
    for key in ["schema", "device", "environment", "summary", "ceiling", "curve", "provenance"] {
        assert!(properties.contains_key(key), "{key}");
    }
    assert_eq!(schema["additionalProperties"], false);
    // Every key that the shipped profile uses for its ceilings is described.
    let ceiling = schema["$defs"]["Ceiling"]["properties"].as_object().unwrap();
    let table: toml::Table = toml::from_str(&text()).unwrap();
    for entry in table["ceiling"].as_array().unwrap() {
        for key in entry.as_table().unwrap().keys() {
            assert!(ceiling.contains_key(key), "{key}");
        }
    }
}

/// Every profile that is shipped or is a test's.
fn all_profiles() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["profiles", "tests/data"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(found.len() > 15, "{found:?}");
    found
}

#[test]
fn every_profile_is_written_back_to_the_same_bytes() {
    for (path, text) in all_profiles() {
        let profile = profile::parse(&text).unwrap();
        let written = profile::to_toml(&profile).unwrap();
        assert_eq!(profile::parse(&written).unwrap(), profile, "{path}");
        // Those of tests are written by hand, with remarks of their own.
        if path.contains("/profiles/") {
            assert_eq!(written, text, "{path}");
        }
    }
}

#[test]
fn ids_and_remarks_are_read_back_from_their_text_and_known_ids_are_made_of_what_they_name() {
    for (path, text) in all_profiles() {
        let profile = profile::parse(&text).unwrap();
        let ids = profile.ceiling.iter().map(|c| &c.id).chain(profile.curve.iter().map(|c| &c.id));
        for id in ids {
            assert_eq!(id.as_str().parse::<CeilingId>().as_ref(), Ok(id), "{path}");
            assert!(text.contains(&format!("id = \"{id}\"")), "{path}: {id}");
            if !matches!(id.kind(), IdKind::Other(_)) {
                assert_eq!(CeilingId::from(id.kind().clone()), *id, "{path}");
            }
        }
        let flags = profile.ceiling.iter().flat_map(|c| &c.flags).chain(profile.curve.iter().flat_map(|c| &c.flags));
        for flag in flags {
            assert_eq!(Flag::from(flag.to_string()), *flag, "{path}");
        }
    }
}
