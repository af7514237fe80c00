//! Profiles of graphics processors: the same bytes after loading and saving, what only one kind of device may say, and
//! software never taken for hardware.

use roofprobe::evaluate::{Evaluation, Query, evaluate};
use roofprobe::model::{Phase, find};
use roofprobe::profile::{self, Ceiling, Profile, Status};
use roofprobe::report::{self, Format, Shown};

const GPU: &str = include_str!("data/plain-gpu.toml");
const CPU: &str = include_str!("data/plain-cpu.toml");

fn gpu() -> Profile {
    profile::parse(GPU).unwrap()
}

/// `text` with one piece replaced; the piece must be there.
fn altered(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

fn refusal(text: &str) -> String {
    let message = profile::parse(text).expect_err("must be refused").to_string();
    assert!(!message.contains('\n'), "one line: {message}");
    message
}

fn shown(profile: &Profile) -> String {
    report::profile::report(profile, Shown::All).unwrap().render(Format::default()).unwrap()
}

fn evaluated(profile: &Profile) -> Evaluation {
    evaluate(&find("qwen2.5-0.5b").unwrap(), &Query::default(), profile, "test").unwrap()
}

/// The table of that name and what belongs to it, up to the next one.
fn without_table(text: &str, header: &str) -> String {
    let start = text.find(header).unwrap_or_else(|| panic!("{header}"));
    let end = text[start + 1..].find("\n[").map_or(text.len(), |at| start + 1 + at + 1);
    format!("{}{}", &text[..start], &text[end..])
}

#[test]
fn saved_loaded_and_saved_again_is_the_same_bytes() {
    assert_eq!(profile::to_toml(&gpu()).unwrap(), GPU);
    // Nothing that may be absent is written when it is.
    let bare = "[device.gpu]\nclass = \"other\"\n";
    let start = GPU.find("[device.gpu]").unwrap();
    let limits = start + GPU[start..].find("limits").unwrap();
    let text = format!("{}{bare}{}", &GPU[..start], &GPU[limits..]).replace("memory_bytes = 17179869184\n", "");
    let text = text.replace("timestamp_period_ns = 1.0\n", "");
    assert_eq!(profile::to_toml(&profile::parse(&text).unwrap()).unwrap(), text);
}

#[test]
fn the_summary_is_of_video_memory_and_ridges_stand_on_it() {
    let mut profile = gpu();
    let recorded = profile.summary.clone();
    profile.summarise();
    assert_eq!(profile.summary, recorded);
    let summary = &profile.summary;
    assert_eq!((summary.vram_read_gb_per_s, summary.dram_read_gb_per_s), (Some(500.0), None));
    assert_eq!((summary.ridge_f16_flop_per_byte, summary.f16_coopmat_gflop_per_s), (Some(80.0), None));
    let matrices = profile.ceiling.iter_mut().find(|c| c.id == "compute.f16.coopmat").unwrap();
    *matrices = Ceiling::with_value("compute.f16.coopmat".parse().unwrap(), Status::Quoted, 90_000.0);
    profile.summarise();
    assert_eq!(profile.summary.f16_coopmat_gflop_per_s, Some(90_000.0));
    // Host memory comes first where a profile has both.
    profile.ceiling.push(Ceiling::with_value("memory.dram.read".parse().unwrap(), Status::Quoted, 100.0));
    profile.summarise();
    assert_eq!(profile.summary.ridge_f16_flop_per_byte, Some(400.0));
}

#[test]
fn impossible_descriptions_are_refused_by_key() {
    let cases = [
        ("class = \"discrete\"", "class = \"quantum\"", "class"),
        ("class = \"discrete\"", "class = \"discrete\"\ncolour = 1", "colour"),
        ("pci_id = \"f00d:0001\"", "pci_id = \"f00d\"", "device.gpu.pci_id"),
        ("pci_id = \"f00d:0001\"", "pci_id = \"F00D:0001\"", "device.gpu.pci_id"),
        ("pci_id = \"f00d:0001\"", "pci_id = \"f00d:123456789\"", "device.gpu.pci_id"),
        ("pci_bus = \"0000:01:00.0\"", "pci_bus = \"\\u001b[2J\"", "device.gpu.pci_bus"),
        ("subgroup_min = 32", "subgroup_min = 0", "device.gpu.subgroup_min"),
        ("subgroup_min = 32", "subgroup_min = 64", "device.gpu.subgroup_min"),
        ("subgroup_max = 32", "subgroup_max = 1025", "device.gpu.subgroup_max"),
        ("\"f16\",", "\"\",", "device.gpu.features"),
        ("\"16x16x16 i8 i32\"", "\" \"", "device.gpu.cooperative_matrices"),
        ("binding_bytes = 2147483647", "binding_bytes = 0", "device.gpu.limits.binding_bytes"),
        ("buffer_bytes = 4294967296", "buffer_bytes = 0", "device.gpu.limits.buffer_bytes"),
        ("invocations = 1024", "invocations = 0", "device.gpu.limits.workgroup_invocations"),
        ("invocations = 1024", "invocations = 2147483648", "device.gpu.limits.workgroup_invocations"),
        ("[1024, 1024, 64]", "[1024, 1024, 0]", "device.gpu.limits.workgroup_size"),
        ("[1024, 1024, 64]", "[1024, 1024]", "limits"),
        ("memory_bytes = 49152", "memory_bytes = 0", "device.gpu.limits.workgroup_memory_bytes"),
        ("dimension = 65535", "dimension = 0", "device.gpu.limits.workgroups_per_dimension"),
        ("storage_buffers = 16", "storage_buffers = 0", "device.gpu.limits.storage_buffers"),
        ("backend = \"vulkan\"", "backend = \"smoke\"", "provenance.gpu.backend"),
        ("driver = \"test driver\"", "driver = \"a\\nb\"", "provenance.gpu.driver"),
        ("driver_info = \"1.0\"", "driver_info = \"\\u0007\"", "provenance.gpu.driver_info"),
        ("shader_checks = \"off\"", "shader_checks = \"some\"", "provenance.gpu.shader_checks"),
        ("timestamp_period_ns = 1.0", "timestamp_period_ns = 0.0", "provenance.gpu.timestamp_period_ns"),
        ("timer = \"timestamps\"", "timer = \"sundial\"", "provenance.gpu.timer"),
        ("\nmemory_bytes = 17179869184", "\nmemory_bytes = 0", "device.memory_bytes"),
        ("vram_read_gb_per_s = 500.0", "vram_read_gb_per_s = 501.0", "summary"),
    ];
    for (from, to, key) in cases {
        let message = refusal(&altered(GPU, from, to));
        assert!(message.contains(key), "{to}: {message}");
    }
    let long = format!("driver_info = \"{}\"", "x".repeat(1025));
    assert!(refusal(&altered(GPU, "driver_info = \"1.0\"", &long)).contains("provenance.gpu.driver_info"));
    let many = format!("features = [{}", "\"x\", ".repeat(1025));
    assert!(refusal(&altered(GPU, "features = [", &many)).contains("device.gpu.features"));
    // A driver without a limit says the largest number there is; one without a name says nothing.
    for (from, to) in [
        ("dimension = 65535", "dimension = 4294967295"),
        ("buffer_bytes = 4294967296", "buffer_bytes = 9223372036854775807"),
        ("driver_info = \"1.0\"", "driver_info = \"\""),
        ("pci_id = \"f00d:0001\"", "pci_id = \"10005:0\""),
    ] {
        profile::parse(&altered(GPU, from, to)).unwrap();
    }
}

#[test]
fn each_kind_of_device_says_what_it_must_and_no_more() {
    for key in ["logical_cpus = 4\n", "cores = 4\n"] {
        let message = refusal(&altered(CPU, &format!("\n{key}"), "\n"));
        let name = key.split_once(' ').unwrap().0;
        assert!(message.contains(&format!("device.{name}")) && message.contains("every CPU"), "{message}");
    }
    let as_cpu = altered(GPU, "kind = \"gpu\"", "kind = \"cpu\"\nlogical_cpus = 4\ncores = 4");
    assert!(refusal(&as_cpu).contains("device.gpu: this device is a CPU"));
    assert!(refusal(&without_table(&as_cpu, "[device.gpu]")).contains("provenance.gpu: this device is a CPU"));
    profile::parse(&without_table(&without_table(&as_cpu, "[device.gpu]"), "[provenance.gpu]")).unwrap();
    assert!(refusal(&without_table(GPU, "[device.gpu]")).contains("device.gpu: is missing"));
    // Where the system hides it, nobody knows how much memory there is.
    profile::parse(&altered(CPU, "\nmemory_bytes = 17179869184\n", "\n")).unwrap();
    // Quoted ceilings alone can do without.
    profile::parse(&altered(CPU, "kind = \"cpu\"", "kind = \"gpu\"")).unwrap();
    profile::parse(&altered(GPU, "\nmemory_bytes = 17179869184\n", "\n")).unwrap();
}

#[test]
fn a_model_runs_from_video_memory() {
    let result = evaluated(&gpu());
    let decode = result.phases.iter().find(|phase| phase.phase == Phase::Decode).unwrap();
    let bound_by = |place: usize| decode.roofs[place].bound_by.as_deref();
    assert_eq!((bound_by(0), bound_by(1)), (Some("memory.vram.read"), Some("matmul.f16.m1")));
    assert_eq!((result.fits, result.memory_bytes, result.ridge_flop_per_byte), (Some(true), Some(16 << 30), 80.0));
    let details = result.notes.iter().filter(|note| !note.kind.matters());
    assert!(details.clone().count() > 0 && details.clone().all(|note| note.to_string().contains("attention")));
}

#[test]
fn memory_that_nobody_tells_is_unknown() {
    let mut profile = gpu();
    profile.device.memory_bytes = None;
    let result = evaluated(&profile);
    assert_eq!((result.fits, result.memory_bytes), (None, None));
    assert!(result.notes.iter().any(|note| note.to_string().contains("unknown how much memory")), "{:?}", result.notes);
    let report = report::evaluation::report(&[result], Shown::Main).unwrap();
    let record = &report.json["results"][0];
    assert!(record["fits"].is_null() && record["memory_bytes"].is_null());
    assert!(record.as_object().unwrap().contains_key("fits"), "the key stays");
    assert!(report.render(Format::default()).unwrap().contains("how much the device has is unknown"));
    assert!(shown(&profile).contains("unknown, 8192 MiB available"));
}

#[test]
fn software_is_never_taken_for_a_gpu() {
    let says_so = |profile: &Profile| {
        (shown(profile), evaluated(profile).notes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    };
    let (text, notes) = says_so(&gpu());
    assert!(!text.contains("software") && !notes.contains("software"));
    let software = profile::parse(&altered(GPU, "class = \"discrete\"", "class = \"software\"")).unwrap();
    let (text, notes) = says_so(&software);
    let title = text.lines().next().unwrap();
    assert!(title.contains("test GPU (software adapter, no GPU)"), "{title}");
    assert!(text.contains("the host's cores run the shaders"));
    assert!(notes.contains("test GPU is a software adapter: these are no ceilings of a GPU"), "{notes}");
}

#[test]
fn rows_of_the_host_s_cores_are_not_shown_for_a_gpu() {
    let text = shown(&gpu());
    for row in ["NUMA nodes", "governor", "caches", "core design", "threads", "stolen time", "CPU quota", "huge pages"]
    {
        assert!(!text.contains(row), "{row}");
        let cpu = shown(&profile::parse(CPU).unwrap());
        assert!(cpu.contains(row), "{row} is a CPU's");
    }
    let families = ["memory.vram", "memory.cache", "memory.workgroup", "compute", "matmul", "attention", "overhead"];
    let places = families.map(|family| text.find(&format!("\n {family}.")).unwrap_or_else(|| panic!("{family}")));
    assert!(places.is_sorted(), "{text}");
    assert!(text.find("\n transfer.").unwrap() > places[6], "{text}");
}

#[test]
fn the_schema_describes_every_key_of_a_gpu() {
    let schema = Profile::json_schema();
    let table: toml::Table = toml::from_str(GPU).unwrap();
    for (definition, keys) in [
        ("GpuInfo", table["device"]["gpu"].as_table().unwrap()),
        ("GpuLimits", table["device"]["gpu"]["limits"].as_table().unwrap()),
        ("GpuProvenance", table["provenance"]["gpu"].as_table().unwrap()),
        ("DeviceInfo", table["device"].as_table().unwrap()),
        ("Summary", table["summary"].as_table().unwrap()),
    ] {
        let known = schema["$defs"][definition]["properties"].as_object().unwrap();
        for key in keys.keys() {
            assert!(known.contains_key(key), "{definition}: {key}");
        }
    }
    let required = schema["$defs"]["DeviceInfo"]["required"].as_array().unwrap();
    assert!(!required.iter().any(|key| ["cores", "logical_cpus", "memory_bytes"].contains(&key.as_str().unwrap())));
}
