//! What other tools measured of a device, as quoted profiles.

use super::*;
use roofprobe::quoted::{self, Asked};

/// The quoted profile of samples.
fn quote(names: &[&str], asked: &Asked) -> roofprobe::error::Result<Profile> {
    let texts: Vec<String> = names.iter().map(|name| sample(name)).collect();
    let files: Vec<(&str, &str)> = names.iter().copied().zip(texts.iter().map(String::as_str)).collect();
    quoted::profile_of(&files, asked)
}

fn named(device: &str, kind: Option<DeviceKind>) -> Asked {
    Asked { device: Some(device.to_owned()), kind, date: None }
}

/// The values of a profile by their ids.
fn values(profile: &Profile) -> Vec<(String, f64)> {
    profile.ceiling.iter().map(|c| (c.id.to_string(), c.value().unwrap().0)).collect()
}

fn expected(values: &[(&str, f64)]) -> Vec<(String, f64)> {
    values.iter().map(|(id, value)| ((*id).to_owned(), *value)).collect()
}

#[test]
fn ceilings_of_other_tools_become_a_quoted_profile() {
    let cpu = quote(&["clpeak.json"], &named("apple m1 pro", Some(DeviceKind::Cpu))).unwrap();
    let of_cpu = [
        ("compute.f16", 1622.0),
        ("compute.f64", 411.1),
        ("compute.i8", 3245.0),
        ("memory.dram.read", 125.5),
        ("memory.dram.copy", 168.3),
        ("memory.dram.triad", 140.4),
        ("memory.l1.read", 1213.0),
        ("memory.l2.read", 680.2),
        ("latency.l1", 1.276),
        ("latency.l2", 6.771),
        ("latency.dram", 120.2),
    ];
    assert_eq!(values(&cpu), expected(&of_cpu));
    let source = cpu.ceiling[0].source.as_deref().unwrap();
    assert_eq!(
        source,
        "clpeak 3.0.0-34-g24eeec1, 2026-10-01T15:13:11Z, clpeak.json: CPU, half_precision_compute, half MT"
    );
    assert_eq!((cpu.device.architecture.as_str(), cpu.device.logical_cpus), ("aarch64", Some(10)));
    // Several backends reach one GPU: the best counts. What they launch takes 216 µs.
    let gpu = quote(&["clpeak.json"], &named("Apple M1 Pro", Some(DeviceKind::Gpu))).unwrap();
    let of_gpu = [
        ("compute.f32", 5125.0),
        ("compute.f16", 5154.0),
        ("compute.f16.coopmat", 5131.0),
        ("memory.vram.read", 183.7),
        ("overhead.submit", 216.1),
    ];
    assert_eq!(values(&gpu), expected(&of_gpu));
    // STREAM counts MB of 10⁶ bytes, and reads nothing alone.
    let stream = quote(&["stream.txt"], &named("Broadwell", None)).unwrap();
    let of_stream = [
        ("memory.dram.read", 124.8),
        ("memory.dram.copy", 92.98),
        ("memory.dram.scale", 97.95),
        ("memory.dram.add", 123.1),
        ("memory.dram.triad", 124.8),
    ];
    assert_eq!(values(&stream), expected(&of_stream));
    assert!(stream.ceiling[0].flags[0].to_string().contains("a lower bound"));
    let babel = [
        ("memory.vram.copy", 433.2),
        ("memory.vram.scale", 431.7),
        ("memory.vram.add", 436.5),
        ("memory.vram.triad", 436.5),
        ("memory.vram.read", 436.0),
    ];
    let titan = quote(&["babelstream.txt", "nvbandwidth.json"], &Asked::default()).unwrap();
    let both = [&babel[..], &[("transfer.h2d", 12.4), ("transfer.d2h", 13.2)]].concat();
    assert_eq!((values(&titan), titan.device.name.as_str()), (expected(&both), "TITAN Xp"));
    assert_eq!(
        (titan.provenance.tool.as_str(), titan.provenance.version.as_str()),
        ("BabelStream, nvbandwidth", "3.3, v0.5")
    );
    let likwid = quote(&["likwid-bench.txt"], &named("a laptop", None)).unwrap();
    assert_eq!(values(&likwid), expected(&[("memory.dram.read", 11.16)]));
    for profile in [cpu, gpu, stream, titan, likwid] {
        assert!(profile.is_quoted() && profile.ceiling.iter().all(|c| c.status == Status::Quoted));
        assert_eq!(parse(&to_toml(&profile).unwrap()).unwrap(), profile);
    }
}

#[test]
fn units_of_ceilings_are_held_to_what_stands_beside_them() {
    let read = |text: &str| {
        let gpu = named("d", Some(DeviceKind::Gpu));
        let gpu = if text.contains("clpeak") { named("Apple M1 Pro", gpu.kind) } else { gpu };
        quoted::profile_of(&[("a/b.txt", text)], &gpu)
    };
    // clpeak's documentation has a scale; its newest files have none, in base units.
    let scaled = altered("clpeak.json", "\"value\": 183699900000.0", "\"value\": 183.6999")
        .replace("\"unit\": \"B/s\"", "\"unit\": \"GB/s\",\"scale\":1e9");
    let scaled = scaled.replace("179263200000.0", "179.2632").replace("182478700000.0", "182.4787");
    assert_eq!(read(&scaled).unwrap().ceiling("memory.vram.read").unwrap().gb_per_s, Some(183.7));
    // MiB are larger than MB, and a CSV says which.
    let mib = sample("babelstream.csv")
        .replace("mbytes", "mibytes")
        .replace("433182.244", "413114.8")
        .replace("436491.299", "416270.5")
        .replace("435969.304", "415772.7");
    assert_eq!(read(&mib).unwrap().ceiling("memory.vram.read").unwrap().gb_per_s, Some(436.0));
    for (text, words) in [
        (scaled.replace(",\"scale\":1e9", ""), ["global_memory_bandwidth", "without a scale"]),
        (altered("clpeak.json", "\"format_version\": 3", "\"format_version\": 2"), ["format_version", "must be 3"]),
        (
            altered("clpeak.json", "\"format_version\": 3", "\"format_version\": 3, \"schema\": 1"),
            ["\"schema\"", "twice"],
        ),
        (altered("clpeak.json", "4476302000000.0", "-1.0"), ["float", "cannot be"]),
        (altered("clpeak.json", "4476302000000.0", "1e300"), ["float", "cannot be"]),
        (sample("clpeak.json")[..2000].to_owned(), ["b.txt", "no JSON of clpeak"]),
        (altered("babelstream.csv", "max_mbytes_per_sec", "max_mibytes_per_sec"), ["Copy", "another unit"]),
        (altered("babelstream.txt", "433182.244", "nan"), ["Copy", "above 0"]),
        (altered("stream.txt", "92980.4", "88673.0"), ["Copy:", "another unit"]),
        (altered("stream.txt", "Solution Validates", "Failed Validation"), ["STREAM", "did not validate"]),
        (altered("likwid-bench.txt", "11163.34", "10646.19"), ["MByte/s", "another unit"]),
        (altered("likwid-bench.txt", "Size (Byte):\t\t1999999488", "Size (Byte):\t\t24000"), ["24000 bytes", "cache"]),
        (altered("likwid-bench.txt", "Test: triad_avx", ""), ["Test:", "not told"]),
        // The cells are text, the sum is of all devices.
        (altered("nvbandwidth.json", "\"12.3964\"", "\"twelve\""), ["host_to_device_memcpy_ce", "above 0"]),
        (altered("nvbandwidth.json", "\"12.3964\"", "\"12396400000000\""), ["transfer.h2d", "cannot be"]),
        (sample("nvbandwidth.json")[..800].to_owned(), ["b.txt", "no JSON of nvbandwidth"]),
        ("Copy: 1".to_owned(), ["nothing that is known", "--measured"]),
    ] {
        let error = read(&text).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)) && error.lines().count() == 1, "{words:?}: {error}");
    }
    let waived = sample("nvbandwidth.json").replace("Passed", "Error");
    assert!(read(&waived).unwrap_err().to_string().contains("measured nothing here"));
    // Which device is asked, never guessed.
    for (names, asked, words) in [
        (&["stream.txt"][..], Asked::default(), "--device NAME"),
        (&["babelstream.csv"][..], named("d", None), "--kind gpu"),
        (&["clpeak.json"][..], Asked::default(), "--device \"Apple M1 Pro\" --kind cpu"),
        (&["stream.txt", "nvbandwidth.json"][..], named("d", None), "of a CPU and of a GPU"),
        (&["stream.txt"][..], named("d\u{1b}", None), "without control characters"),
    ] {
        let error = quote(names, &asked).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}
