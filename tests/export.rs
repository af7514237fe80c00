//! Profiles as other tools read them: the units that each of them expects, what is left out and said, names that must not break anything.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use roofprobe::export::{Asked, Exported, FORMATS, export};
use roofprobe::profile::{Profile, Status, parse};
use roofprobe::store::SHIPPED;
use serde_json::{Value, json};

/// A GPU: reads 500 GB/s, products of 512 tokens with f16 reach 16 TFLOP/s, the peaks are 40 (f16) and 80 (i8); 16 GiB.
fn gpu() -> Profile {
    parse(include_str!("data/plain-gpu.toml")).unwrap()
}

fn exported(profile: &Profile, to: &str) -> Exported {
    export(profile, to, &Asked::default()).unwrap()
}

fn json_of(profile: &Profile, to: &str) -> Value {
    serde_json::from_str(&exported(profile, to).text).unwrap()
}

fn says(exported: &Exported, words: &str) {
    assert!(exported.remarks.iter().any(|remark| remark.contains(words)), "{words}: {:?}", exported.remarks);
}

#[test]
fn aiconfigurator_has_plain_si_units_and_no_derating() {
    let found = exported(&gpu(), "aiconfigurator");
    let expected = "data_dir: \"data/test-gpu\"\ngpu:\n  mem_bw: 500000000000\n  mem_bw_empirical_scaling_factor: 1.0\n  \
                    mem_empirical_constant_latency: 0.000002\n  mem_capacity: 17179869184\n  int8_tc_flops: 80000000000000\nnode:\n  \
                    num_gpus_per_node: 1\n  pcie_bw: 12500000000\n";
    assert_eq!(found.text, expected);
    says(&found, "node.inter_node_bw is left out: a profile is of one device; the reader demands it");
    says(&found, "gpu.bfloat16_tc_flops is left out");
    let with = vec![("node.inter_node_bw".to_owned(), json!(1_000_000_000_u64))];
    let filled = export(&gpu(), "aiconfigurator", &Asked { with, ..Asked::default() }).unwrap();
    assert!(filled.text.ends_with("  inter_node_bw: 1000000000\n"), "{}", filled.text);
    assert!(!filled.remarks.iter().any(|remark| remark.starts_with("node.inter_node_bw ")));
}

#[test]
fn distilp_has_flops_by_type_and_tokens_and_seconds_for_a_mebibyte() {
    let found = json_of(&gpu(), "distilp");
    assert_eq!(found["sgpu_cuda"]["Q4_K"], json!({ "b_1": 1_706_700_000_000_u64, "b_512": 24_000_000_000_000_u64 }));
    assert_eq!((&found["T_cuda"], &found["d_avail_cuda"]), (&json!(500_000_000_000_u64), &json!(17_179_869_184_u64)));
    assert_eq!(found["t_ram2vram"], json!(8.389e-5));
    // It knows no Q4_0, and what it would divide by is not 0.
    assert!(found["sgpu_cuda"].get("Q4_0").is_none() && found.get("s_disk").is_none() && found.get("T_cpu").is_none());
    says(&exported(&gpu(), "distilp"), "s_disk is left out: roofprobe does not measure disks");
    says(&exported(&gpu(), "distilp"), "BF16 is left out");
    let cpu = SHIPPED.iter().find(|one| one.name == "amd-epyc-zen5-2c").unwrap().profile().unwrap();
    let found = json_of(&cpu, "distilp");
    assert_eq!(
        (&found["has_cuda"], &found["os_type"], &found["T_cpu"]),
        (&json!(false), &json!("linux"), &json!(80_580_000_000_u64))
    );
    assert!(found["scpu"]["Q8_0"]["b_1"].as_u64().unwrap() > 1_000_000_000);
}

#[test]
fn llm_viewer_and_genz_and_llm_analysis_and_blis_each_have_their_own_unit() {
    let viewer = json_of(&gpu(), "llm-viewer");
    let bytes = json!(500_000_000_000_u64);
    let expected = json!({ "test-gpu": { "bandwidth": bytes, "bandwith": bytes, "FP16": 16_000_000_000_000_u64, "INT8": 80_000_000_000_000_u64 } });
    assert_eq!(viewer, expected);
    says(&exported(&gpu(), "llm-viewer"), "test-gpu.onchip_buffer is left out");
    // GenZ multiplies bandwidths by 2^30.
    let genz = json_of(&gpu(), "genz");
    assert_eq!(
        genz["test-gpu"],
        json!({ "Flops": 16.0, "Memory_size": 16.0, "Memory_BW": 465.7, "real_values": true })
    );
    let read_there = genz["test-gpu"]["Memory_BW"].as_f64().unwrap() * f64::from(1 << 30);
    assert!((read_there / 500e9 - 1.0).abs() < 1e-3);
    // llm-analysis invents what is missing, and has decimal gigabytes.
    let analysis = json_of(&gpu(), "llm-analysis");
    let expected = json!({
        "name": "test-gpu", "mem_per_GPU_in_GB": 17.18, "hbm_bandwidth_in_GB_per_sec": 500.0, "peak_fp16_TFLOPS": 16.0,
        "peak_i8_TFLOPS": 80.0, "peak_i4_TFLOPS": 24.0,
    });
    assert_eq!(analysis, expected);
    // BLIS: TB/s, and the shares of the peak.
    let blis = json_of(&gpu(), "blis");
    let expected = json!({
        "TFlopsPeak": 40.0, "TFlopsFP8": 0, "BwPeakTBs": 0.5, "mfuPrefill": 0.4, "mfuDecode": 0.012, "MemoryGiB": 16.0,
    });
    assert_eq!(blis["test-gpu"], expected);
}

#[test]
fn llmfit_has_gigabytes_and_its_driver_whole_numbers() {
    let found = json_of(&gpu(), "llmfit");
    let expected =
        json!({ "unified_memory": false, "gpu_memory_bandwidth_gbps": 500.0, "gpu_compute_tflops_fp16": 16.0 });
    assert_eq!(
        (&found["schema_version"], &found["name"], &found["hardware"]),
        (&json!(1), &json!("test-gpu"), &expected)
    );
    assert_eq!(found["estimation"]["efficiency"], json!(1.0));
    says(&exported(&gpu(), "llmfit"), "hardware.total_ram_gb is left out");
    let attributes = &json_of(&gpu(), "llmfit-dra")["attributes"];
    assert_eq!(attributes["llmfit.ai/memoryBandwidthGBs"], json!({ "int": 500 }));
    assert_eq!(attributes["llmfit.ai/computeTFLOPS"], json!({ "int": 16 }));
    assert_eq!(attributes["llmfit.ai/pciAddress"], json!({ "string": "0000:01:00.0" }));
}

#[test]
fn metrics_have_base_units_and_no_time_stamps() {
    let text = exported(&gpu(), "openmetrics").text;
    for line in [
        "# UNIT roofprobe_bandwidth_bytes_per_second bytes_per_second",
        "roofprobe_bandwidth_bytes_per_second{device=\"test GPU\",ceiling=\"memory.vram.read\",status=\"measured\"} 5e11",
        "roofprobe_overhead_seconds{device=\"test GPU\",ceiling=\"overhead.dispatch\",status=\"measured\"} 2e-6",
        "roofprobe_memory_bytes{device=\"test GPU\"} 17179869184",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}:\n{text}");
    }
    assert!(text.ends_with("\n# EOF\n"));
    for sample in text.lines().filter(|line| !line.starts_with('#')) {
        // A name with labels, one number, and nothing behind it.
        let (_, value) = sample.rsplit_once("} ").unwrap();
        assert!(value.parse::<f64>().is_ok(), "{sample}");
    }
}

#[test]
fn benchmarks_are_named_after_the_ceiling() {
    let bencher = json_of(&gpu(), "bencher");
    let metric = &bencher["test GPU/memory.vram.read"]["gigabytes-per-second"];
    assert_eq!((&metric["value"], metric["lower_value"].is_number()), (&json!(500.0), true));
    for (name, measures) in bencher.as_object().unwrap() {
        let measures: Vec<&String> = measures.as_object().unwrap().keys().collect();
        assert!(
            name.len() <= 1024
                && measures.iter().all(|one| one.len() <= 64 && !["latency", "throughput"].contains(&one.as_str()))
        );
    }
    let (rates, times) = (json_of(&gpu(), "github-action-benchmark"), json_of(&gpu(), "github-action-benchmark-times"));
    let names = |list: &Value| {
        list.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(
        names(&rates).contains(&"memory.vram.read".to_owned())
            && !names(&rates).contains(&"overhead.dispatch".to_owned())
    );
    assert_eq!(names(&times), ["overhead.dispatch", "overhead.submit"]);
    assert_eq!(times[0]["unit"], "µs");
    says(&exported(&gpu(), "github-action-benchmark"), "alert-threshold");
}

#[test]
fn a_suspect_value_is_never_exported_without_a_word() {
    for format in FORMATS {
        let mut profile = gpu();
        let read = profile.ceiling.iter_mut().find(|one| one.id == *"memory.vram.read").unwrap();
        (read.status, read.reason) = (Status::Suspect, Some("a neighbour".to_owned()));
        let kept = exported(&profile, format.name);
        let wanted = export(&profile, format.name, &Asked { suspects: true, ..Asked::default() }).unwrap();
        if format.name == "github-action-benchmark-times" {
            // It reads every status before it chooses.
            says(&kept, "memory.vram.read is suspect");
            continue;
        }
        says(&kept, "memory.vram.read is suspect (a neighbour): left out");
        says(&wanted, "memory.vram.read is suspect (a neighbour): exported all the same");
        assert_ne!(kept.text, wanted.text, "{}", format.name);
    }
}

#[test]
fn every_shipped_profile_becomes_every_format() {
    for shipped in SHIPPED {
        let profile = shipped.profile().unwrap();
        for format in FORMATS {
            let found = exported(&profile, format.name);
            assert!(found.text.ends_with('\n'), "{} {}", shipped.name, format.name);
            assert!(!found.text.contains("NaN") && !found.text.contains(" inf"), "{} {}", shipped.name, format.name);
            assert_eq!(found.remarks.iter().any(|remark| remark.contains("quoted")), profile.is_quoted());
        }
    }
    assert!(export(&gpu(), "nothing", &Asked::default()).unwrap_err().to_string().contains("aiconfigurator"));
    let with = vec![("a".to_owned(), json!(1))];
    assert!(export(&gpu(), "csv", &Asked { with, ..Asked::default() }).is_err());
    let with = vec![("gpu.mem_bw.deeper".to_owned(), json!(1))];
    assert!(export(&gpu(), "aiconfigurator", &Asked { with, ..Asked::default() }).is_err());
}

/// Names that formats have to carry and must not obey.
const HOSTILE: [&str; 8] = [
    "a\"b'c<d>&e\\",
    "=cmd|' /C calc'!A0",
    "@SUM(1)",
    "-1+1",
    "a: b\n- c\u{0}\u{1b}[31m#\t",
    "right\u{202e}to\u{2028}left\u{feff}",
    "`|*_[x](y)",
    "no",
];

#[test]
fn hostile_names_stay_names() {
    for name in HOSTILE.into_iter().map(str::to_owned).chain(["x".repeat(10_000)]) {
        let mut profile = gpu();
        profile.device.name = name.clone();
        for format in FORMATS {
            let text = exported(&profile, format.name).text;
            let obeyed = |c: char| c != '\n' && c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
            // JSON carries marks of direction as they are.
            let is_json = serde_json::from_str::<Value>(&text).is_ok();
            assert!(is_json || !text.contains(obeyed), "{name:?} {}: {text:?}", format.name);
        }
        let parsed: Value = json_of(&profile, "json");
        assert_eq!(parsed["device"], json!(name));
        let csv = exported(&profile, "csv").text;
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.unwrap()).collect();
        assert!(rows.iter().all(|row| row.len() == 9 && !row[0].starts_with(['=', '+', '-', '@'])), "{name:?}");
        let metrics = exported(&profile, "openmetrics").text;
        let labels = metrics.lines().filter(|line| line.starts_with("roofprobe_bandwidth"));
        assert!(
            labels.clone().count() > 5 && labels.clone().all(|line| line.contains("\",status=\"measured\"} ")),
            "{metrics}"
        );
    }
}

#[test]
fn yaml_is_read_alike_by_old_and_new_readers() {
    let mut profile = gpu();
    for (name, written) in [("no", "\"no\""), ("a: b\n#", "\"a: b\\n#\""), ("x\u{202e}\u{2028}", "\"x\\u202e\\u2028\"")]
    {
        profile.device.name = name.to_owned();
        let yaml = exported(&profile, "yaml").text;
        assert!(yaml.starts_with(&format!("device: {written}\nkind: \"gpu\"\n")), "{yaml}");
        assert!(
            yaml.contains(
                "\nceilings:\n  - ceiling: \"overhead.dispatch\"\n    status: \"measured\"\n    value: 2.0\n"
            ),
            "{yaml}"
        );
        assert!(yaml.contains("    interval: [1.92, 2.2]\n"), "{yaml}");
    }
}
