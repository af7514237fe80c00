//! What other tools write: each format read from a sample (tests/data/imports/README.md says from where), each trap of its units, and
//! each damaged or impossible file refused by name.

mod quoted;

use roofprobe::measured::{self, Given, GivenModel, Measured, join_all};
use roofprobe::model::{self, Model};
use roofprobe::profile::{DeviceKind, Profile, Status, parse, to_toml};
use roofprobe::store;

/// A sample's text.
fn sample(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/data/imports/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// One model is asked about, and nothing else is said.
fn of_one(name: &str) -> Given {
    Given { models: vec![GivenModel { name: name.to_owned(), parameters: None }], ..Given::default() }
}

fn read(name: &str, given: &Given) -> Vec<Measured> {
    measured::parse_with(name, &sample(name), given).unwrap()
}

/// Batch, cached, prompt, passes behind it, and the rate, rounded to four digits.
type Row = (u64, u64, u64, u64, f64);

fn rows(measured: &[Measured]) -> Vec<Row> {
    let rate = |rate: f64| format!("{rate:.3e}").parse().unwrap();
    measured
        .iter()
        .map(|one| (one.passes.batch, one.passes.past, one.passes.prompt, one.passes.decode, rate(one.tokens_per_s)))
        .collect()
}

fn refusal(text: &str, given: &Given) -> String {
    let error = measured::parse_with("runs", text, given).unwrap_err().to_string();
    assert!(error.starts_with("runs: ") && error.lines().count() == 1, "{error}");
    assert!(!error.chars().any(char::is_control), "{error:?}");
    error
}

#[test]
fn every_sample_is_read_with_the_passes_that_were_timed() {
    let one = of_one("llama-3.2-1b");
    let lengths = Given { prompt: Some(512), generate: Some(128), batch: Some(8), ..one.clone() };
    let cases: [(&str, &Given, &[Row]); 21] = [
        ("llama-bench.csv", &one, &[(1, 0, 512, 0, 7286.0), (1, 0, 0, 128, 119.9)]),
        ("llama-bench.sql", &one, &[(1, 0, 512, 0, 7286.0), (1, 0, 0, 128, 119.9)]),
        (
            "llama-bench.md",
            &one,
            &[(1, 0, 512, 0, 7340.0), (1, 0, 0, 128, 120.6), (1, 512, 512, 0, 6426.0), (1, 512, 0, 128, 116.7)],
        ),
        (
            "batched-bench.txt",
            &one,
            // S_TG is of all sequences together.
            &[
                (1, 0, 128, 0, 1187.0),
                (1, 128, 0, 128, 41.57),
                (2, 0, 128, 0, 1295.0),
                (2, 128, 0, 128, 50.9),
                (8, 0, 128, 0, 1363.0),
                (8, 128, 0, 128, 139.4),
                (32, 0, 128, 0, 1201.0),
                (32, 128, 0, 256, 426.1),
            ],
        ),
        (
            "batched-bench.jsonl",
            &one,
            // A shared prompt is taken in once.
            &[(8, 0, 128, 0, 1364.0), (8, 128, 0, 128, 139.4), (1, 0, 128, 0, 1185.0), (8, 128, 0, 128, 139.4)],
        ),
        (
            "sweep-bench.txt",
            &one,
            &[
                (1, 0, 512, 0, 465.5),
                (1, 0, 0, 128, 55.38),
                (1, 512, 512, 0, 433.0),
                (1, 512, 0, 128, 67.55),
                (1, 1024, 512, 0, 392.4),
                (1, 1024, 0, 128, 61.81),
                (1, 1536, 512, 0, 400.4),
                (1, 1536, 0, 128, 59.14),
                (1, 2048, 512, 0, 326.0),
                (1, 2048, 0, 128, 56.14),
            ],
        ),
        ("timings-server.txt", &one, &[(1, 0, 161, 0, 65.95), (1, 161, 0, 8852, 25.3)]),
        ("timings-cli.txt", &one, &[(1, 0, 9, 0, 2211.0), (1, 9, 0, 127, 853.4)]),
        // 26 tokens in 130,079,000 ns; 258 passes in 4,232,710,000 ns.
        ("ollama.json", &one, &[(1, 0, 26, 0, 199.9), (1, 26, 0, 258, 60.95)]),
        ("ollama-verbose.txt", &one, &[(1, 0, 21, 0, 15.6), (1, 21, 0, 159, 9.479)]),
        // Of 16 requests 1023 and 350 tokens each; how many were together the option says.
        ("vllm-serve.json", &lengths, &[(8, 1023, 0, 349, 154.6)]),
        // 8 · (512 + 127) tokens in 1.02 s.
        ("vllm-latency.json", &lengths, &[(8, 0, 512, 127, 5012.0)]),
        // 64 requests of 640 tokens in 10 s, 8 together: the first of each answer has no pass of its own.
        ("vllm-throughput.json", &lengths, &[(8, 0, 512, 127, 4090.0)]),
        (
            "sglang.jsonl",
            &one,
            &[
                (4, 0, 1024, 0, 1096.0),
                (4, 0, 1024, 0, 1143.0),
                (4, 1024, 0, 1023, 211.8),
                (8, 0, 1024, 0, 1144.0),
                (8, 1024, 0, 1023, 346.3),
            ],
        ),
        ("sglang-serving.jsonl", &one, &[(1, 0, 1024, 0, 4995.0), (1, 1024, 0, 127, 32.47)]),
        // 128 tokens behind the clock's start are 127 passes.
        ("mlx.txt", &one, &[(1, 0, 2048, 0, 2902.0), (1, 2048, 0, 127, 203.5)]),
        ("mlx-batch.txt", &one, &[(16, 0, 128, 0, 944.4), (16, 128, 0, 127, 299.6)]),
        ("mistralrs.txt", &one, &[(1, 0, 512, 0, 5120.0), (1, 512, 0, 127, 71.2)]),
        ("mistralrs-bench.txt", &one, &[(1, 0, 0, 128, 70.12), (1, 0, 512, 0, 2400.0)]),
        (
            "localscore.json",
            &one,
            &[(1, 0, 1024, 0, 312.1), (1, 1024, 0, 16, 14.78), (1, 0, 4096, 0, 199.4), (1, 4096, 0, 256, 12.41)],
        ),
        // ms: 512 tokens in 640, a pass in 12.5. The warm-up and the averages are left out.
        (
            "openvino.csv",
            &one,
            &[(1, 0, 512, 0, 800.0), (1, 512, 0, 127, 80.0), (1, 0, 512, 0, 802.5), (1, 512, 0, 127, 80.65)],
        ),
    ];
    for (name, given, expected) in cases {
        assert_eq!(rows(&read(name, given)), expected, "{name}");
    }
    // The throughputs are of the batch already.
    let ort = [(1, 0, 128, 0, 9260.0), (1, 128, 0, 255, 219.8), (4, 0, 128, 0, 16000.0), (4, 128, 0, 255, 640.0)];
    for name in ["ort-genai.json", "ort-genai.csv"] {
        assert_eq!(rows(&read(name, &one)), ort, "{name}");
    }
    let lines = read("sweep-bench.jsonl", &one);
    assert_eq!(
        (lines.len(), lines[0].passes, lines[0].threads),
        (10, read("sweep-bench.txt", &one)[0].passes, Some(32))
    );
}

#[test]
fn what_a_file_tells_of_a_run_is_kept() {
    let one = of_one("llama-3.2-1b");
    let told = |name: &str, at: usize| {
        let one = read(name, &one)[at].clone();
        (
            one.weights.map(|w| w.to_string()),
            one.ran_on.unwrap_or_default(),
            one.backend.unwrap_or_default(),
            one.threads,
        )
    };
    let cuda = || "CUDA".to_owned();
    let q4_k_m = || Some("q4_k_m".to_owned());
    assert_eq!(told("llama-bench.csv", 0), (q4_k_m(), "NVIDIA GeForce RTX 4080".to_owned(), cuda(), Some(8)));
    assert_eq!(told("llama-bench.md", 3), (q4_k_m(), String::new(), cuda(), None));
    assert_eq!(told("batched-bench.txt", 0).3, Some(8));
    let epyc = "AMD EPYC 7352 24-Core Processor (znver2)".to_owned();
    assert_eq!(told("localscore.json", 0), (q4_k_m(), epyc, "CPU".to_owned(), None));
    // "INT4" is no format: what it is the option says.
    assert_eq!(told("openvino.csv", 0).0, None);
    let said = Given { weights: Some("q4_0".parse().unwrap()), threads: Some(6), ..one.clone() };
    let openvino = &read("openvino.csv", &said)[0];
    assert_eq!(
        (openvino.weights, openvino.weights_named.as_str(), openvino.threads),
        (said.weights, "INT4_SYM", Some(6))
    );
    // A tag may name the format, and the model's name decides among several that are asked about.
    let two = |model: &str| GivenModel { name: model.to_owned(), parameters: Some(7_615_616_512) };
    let given = Given { models: vec![two("qwen2.5-7b"), two("llama3.2")], ..Given::default() };
    let tagged = sample("ollama.json").replace("\"llama3.2\"", "\"x/llama3.2:3b-instruct-q4_K_M\"");
    let ollama = &measured::parse_with("a", &tagged, &of_one("other")).unwrap()[0];
    assert_eq!((ollama.model.as_str(), ollama.weights.unwrap().to_string()), ("other", "q4_k_m".to_owned()));
    assert!(ollama.notes.iter().any(|note| note.contains("x/llama3.2:3b-instruct-q4_K_M") && note.contains("other")));
    assert_eq!(read("ollama.json", &given)[0].model, "llama3.2");
    // A table of llama-bench rounds the parameters, 7.62 B.
    assert_eq!(read("llama-bench.md", &given)[0].model, "qwen2.5-7b");
}

#[test]
fn what_is_left_open_is_asked_for_by_its_option() {
    let nothing = Given::default();
    for name in
        ["batched-bench.txt", "sweep-bench.txt", "timings-cli.txt", "ollama-verbose.txt", "mlx.txt", "sglang.jsonl"]
    {
        let error = refusal(&sample(name), &nothing);
        assert!(error.contains("which model was run; name that model alone"), "{name}: {error}");
    }
    let one = of_one("m");
    let with = |change: fn(&mut Given)| {
        let mut given = one.clone();
        change(&mut given);
        given
    };
    for (name, given, option) in [
        ("vllm-serve.json", one.clone(), "--batch N"),
        ("vllm-latency.json", one.clone(), "--prompt N"),
        ("vllm-latency.json", with(|g| g.prompt = Some(32)), "--generate N"),
        ("vllm-throughput.json", with(|g| (g.prompt, g.generate) = (Some(512), Some(128))), "--batch N"),
    ] {
        let error = refusal(&sample(name), &given);
        assert!(error.contains(option), "{name}: {error}");
    }
    // Whether a prompt was cached nobody tells: the note names the option, and the option ends it.
    let noted = |given: &Given| read("ollama.json", given)[0].notes.join("; ");
    assert!(noted(&one).contains("(--cached)") && noted(&one).contains("(--kv)"), "{}", noted(&one));
    let said = Given { cached: Some(100), kv: Some(model::TensorType::F16), ..of_one("llama3.2") };
    assert_eq!(noted(&said), "");
    assert_eq!(read("ollama.json", &said)[1].passes.past, 126);
    // Weights are asked for where the model is known, as a GGUF file has its own.
    let model = model::find("llama-3.2-1b").unwrap();
    let zen = store::find("amd-epyc-zen4-2c").unwrap().profile;
    let measured = read("mlx.txt", &of_one("llama-3.2-1b"));
    let error = measured::join(&measured[0], &model, &zen, "zen").unwrap_err().to_string();
    assert!(error.contains("weights") && error.contains("--weights"), "{error}");
}

/// A sample in which `from` stands as `to`.
fn altered(name: &str, from: &str, to: &str) -> String {
    let text = sample(name);
    assert!(text.contains(from), "{name}: {from}");
    text.replacen(from, to, 1)
}

#[test]
fn hostile_files_are_refused_by_name() {
    let one = Given { prompt: Some(512), generate: Some(128), batch: Some(8), ..of_one("m") };
    let mut wrong = String::new();
    for (text, words) in [
        // Every unit trap: another unit contradicts what stands beside it.
        (altered("llama-bench.csv", "\"70285660\"", "\"70285\""), ["avg_ts", "another unit"]),
        (altered("llama-bench.md", "7340.20 ± 23.45", "nan"), ["line 4", "t/s"]),
        (altered("llama-bench.md", "tg128 @ d512", "tg128 @ 512"), ["line 7", "no test such as"]),
        (altered("llama-bench.sql", "'7285.676949'", "'-1'"), ["avg_ts", "above 0"]),
        (altered("batched-bench.txt", "139.43", " 17.43"), ["S_TG t/s", "1024 tokens in 7.344 s"]),
        (altered("batched-bench.txt", "12288", "12289"), ["N_KV", "12289 is neither 32 · (128 + 256) = 12288"]),
        (altered("batched-bench.jsonl", "\"t_tg\": 7.344000", "\"t_tg\": 7344.0"), ["speed_tg", "another unit"]),
        (altered("batched-bench.jsonl", "\"pl\": 8", "\"pl\": 8, \"pl\": 9"), ["line 2", "\"pl\" stands twice"]),
        (altered("sweep-bench.txt", "2.311", "2311"), ["S_TG t/s", "another unit"]),
        (altered("sweep-bench.jsonl", "\"n_kv\": 0,", "\"n_kv\": -1,"), ["n_kv", "whole number"]),
        (altered("timings-server.txt", "349899.35 ms", "349.89935 ms"), ["line 2", "another unit"]),
        (altered("timings-cli.txt", "/     9 tokens", "/ nine tokens"), ["line 2", "no line such as"]),
        (
            altered("ollama.json", "\"eval_duration\": 4232710000", "\"eval_duration\": 0"),
            ["eval_duration", "ns above 0"],
        ),
        (altered("ollama.json", "4232710000\n}", "4232710000"), ["line 2", "no record"]),
        (
            altered("ollama.json", "\"eval_count\": 259", "\"eval_count\": 259, \"eval_count\": 9"),
            ["eval_count", "twice"],
        ),
        (altered("ollama-verbose.txt", "16.774703785s", "16.7 parsecs"), ["line 11", "no count or duration"]),
        (altered("vllm-serve.json", "\"completed\": 16", "\"completed\": 0"), ["completed", "no request"]),
        (altered("vllm-serve.json", "51.75", "NaN"), ["line 1", "no record"]),
        (altered("vllm-latency.json", "\"avg_latency\": 1.02", "\"avg_latency\": 1020"), ["avg_latency", "no mean"]),
        (altered("vllm-throughput.json", "40960", "8192"), ["prompts and answers together", "512 + 128 = 40960"]),
        (
            altered("sglang.jsonl", "0.018887758255004883", "18.887758255004883"),
            ["median_decode_throughput", "another unit"],
        ),
        (altered("sglang.jsonl", "\"batch_size\":4", "\"batch_size\":0"), ["prefill_throughput", "0 tokens"]),
        (altered("mlx.txt", "generation_tps=205.099", "generation_tps=1.099"), ["line 8", "no mean of its trials"]),
        (
            altered("mlx-batch.txt", "Averages: prompt_tps=944.421", "Averages: prompt_tps=inf"),
            ["line 4", "prompt_tps"],
        ),
        (altered("mistralrs.txt", "14.04 ms TPOT", "0.014 ms TPOT"), ["T/s", "another unit"]),
        (altered("mistralrs.txt", "@ d512)", "@ d999999999999)"), ["line 15", "than any engine"]),
        (altered("localscore.json", "4363.631618", "4.363631618"), ["avg_time_ms", "another unit"]),
        (altered("localscore.json", "\"gen_tps\": 14.775497", "\"gen_tps\": 0"), ["results 1", "gen_tps"]),
        (
            altered(
                "openvino.csv",
                "512,128,2.2275,128,17.40234,640.0,12.5",
                "512,128,2.2275,128,17.40234,640.0,0.0125",
            ),
            ["2nd_avg", "another unit"],
        ),
        // The first row warms up, and is not read.
        (sample("openvino.csv").replace(",1,1,,,", ",4,1,,,"), ["line 3", "num_beams"]),
        (
            altered(
                "ort-genai.json",
                "\"token_generation_latency_ms\": 6.25",
                "\"token_generation_latency_ms\": 1.5625",
            ),
            ["4 sequences", "another unit"],
        ),
        (altered("ort-genai.csv", "640.0", "-640.0"), ["line 3", "above 0"]),
        ("{\"speed\": 1}".to_owned(), ["in no format that is known", "llama-bench"]),
        ("once upon a time".to_owned(), ["in no format that is known", "ollama"]),
        ("{\"avg_ts\"".to_owned(), ["line 1", "no record"]),
    ] {
        let error = refusal(&text, &one);
        if !words.iter().all(|word| error.contains(word)) {
            wrong += &format!("{words:?}: {error}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_mean_lies_among_its_samples_and_names_are_shown_as_they_are() {
    let llama = include_str!("../data/llama-bench.json");
    let alter = |from: &str, to: &str| {
        assert!(llama.contains(from), "{from}");
        refusal(&llama.replacen(from, to, 1), &Given::default())
    };
    let mean = alter("\"avg_ts\": 11967.53639", "\"avg_ts\": 1.5");
    assert!(mean.contains("record 1") && mean.contains("1.5 is no mean of its samples"), "{mean}");
    let twice = alter("\"n_depth\"", "\"avg_ts\": 3, \"n_depth\"");
    assert!(twice.contains("\"avg_ts\" stands twice"), "{twice}");
    for (key, value) in [("type_k", "f16"), ("cpu_info", "a processor")] {
        let escaped = alter(&format!("\"{key}\": \"{value}\""), &format!("\"{key}\": \"\\u001b[31m\\u202ex\""));
        assert!(escaped.contains(key) && escaped.contains("\\u{1b}"), "{escaped}");
    }
    for table in
        ["\u{1b}[31mmodel,decode_tokens_per_s\na,1\n", "label,model,prompt,prefill_tokens_per_s\n\u{7}x,a,5,1\n"]
    {
        let error = refusal(table, &Given::default());
        assert!(error.contains("\\u{1b}") || error.contains("\\u{7}"), "{error}");
    }
    let long = refusal(&format!("{},model\nx,a\n", "y".repeat(1 << 20)), &Given::default());
    assert!(long.len() < 600, "{}", long.len());
}

fn dense_27b() -> Model {
    let config = r#"{"model_type":"llama","hidden_size":5120,"num_hidden_layers":54,"num_attention_heads":40,
        "num_key_value_heads":8,"intermediate_size":27648,"vocab_size":152064,"max_position_embeddings":8192,
        "tie_word_embeddings":false}"#;
    model::parse_config(config, "dense").unwrap()
}

fn device(kind: &str, name: &str, read: &str, rest: &str) -> Profile {
    let level = if kind == "gpu" { "vram" } else { "dram" };
    parse(&format!(
        "schema = 1\n[device]\nname = \"{name}\"\nkind = \"{kind}\"\nvendor = \"x\"\nmodel = \"{name}\"\narchitecture = \"x\"\n{rest}\n\
         [[ceiling]]\nid = \"memory.{level}.read\"\nstatus = \"quoted\"\ngb_per_s = {read}\nsource = \"a data sheet\"\n\
         [[ceiling]]\nid = \"compute.f32\"\nstatus = \"quoted\"\ngflop_per_s = 20000.0\nsource = \"a data sheet\"\n\
         [provenance]\ntool = \"t\"\nversion = \"1\"\ndate = \"2026\"\ncomplete = true\n"
    ))
    .unwrap()
}

#[test]
fn a_rate_beyond_all_bandwidth_is_refused_with_the_arithmetic() {
    let model = dense_27b();
    let run = |rate: &str, weights: &str| {
        let table = format!("model,weights,prompt,generate,decode_tokens_per_s\nm,{weights},16,64,{rate}\n");
        measured::parse("a.csv", &table).unwrap()
    };
    let join = |runs: &[Measured], profile: &Profile| join_all(runs, &[("m", &model)], &[("p", profile)]);
    let slow = device("cpu", "A box", "273.0", "");
    let error = join(&run("118", "q4_0"), &slow).unwrap_err().to_string();
    for words in ["118 tokens/s cannot be", "GB of weights", "GB/s", "memory.dram.read is 273 GB/s", "times less"] {
        assert!(error.contains(words), "{error}");
    }
    // 1.5 times the roof is shown as a broken roof, not refused.
    let points = join(&run("25", "q4_0"), &slow).unwrap().points;
    assert!(points[0].memory.broken && points[0].memory.share < 1.5, "{}", points[0].memory.share);
    // What was measured may have met the slower mode of memory.
    let mut modes = slow.clone();
    modes.ceiling[0].status = Status::Measured;
    let share = join(&run("40", "q4_0"), &modes).unwrap().points[0].memory.share;
    assert!(share > 1.5 && share < 3.0, "{share}");
    assert!(join(&run("40", "q4_0"), &slow).is_err() && join(&run("118", "q4_0"), &modes).is_err());
    // A ceiling in doubt refutes nothing, nor does one where the weights lie in a cache.
    let mut doubted = slow.clone();
    doubted.ceiling[0].flags = vec!["one thread".parse().unwrap()];
    assert!(join(&run("118", "q4_0"), &doubted).is_ok());
    let cached = "caches = [{ level = 3, bytes = 34359738368, instances = 1, shared_by = 8 }]";
    assert!(join(&run("118", "q4_0"), &device("cpu", "A box", "273.0", cached)).is_ok());
}

#[test]
fn a_run_of_another_device_is_told_from_one_of_this() {
    let model = model::find("llama-3.2-1b").unwrap();
    let text = sample("llama-bench.csv").replace("7615616512", "1235814400").replace("4677120000", "762810496");
    let notes = |text: &str, profile: &Profile| {
        let runs = measured::parse("a.csv", text).unwrap();
        join_all(&runs, &[("m", &model)], &[("p", profile)]).unwrap().points[1].notes.join("; ")
    };
    let cpus = "logical_cpus = 4\ncores = 4";
    let other = notes(&text, &device("cpu", "AMD Ryzen 7 7800X3D", "60.0", cpus));
    assert!(
        other.contains("was on NVIDIA GeForce RTX 4080 (CUDA)") && other.contains("AMD Ryzen 7 7800X3D (a CPU)"),
        "{other}"
    );
    let same = notes(&text, &device("gpu", "GeForce RTX 4080", "700.0", ""));
    assert!(!same.contains("the run was on") && !same.contains("threads"), "{same}");
    let text = text
        .replace("NVIDIA GeForce RTX 4080", "")
        .replace("CUDA", "CPU")
        .replace("119.915244", "20.0")
        .replace("1067431600", "6400000000");
    let threads = notes(&text, &device("cpu", "AMD Ryzen 7 7800X3D", "60.0", cpus));
    assert!(
        threads.contains("used 8 threads") && threads.contains("4 logical CPUs") && !threads.contains("was on"),
        "{threads}"
    );
    let here = notes(&text, &device("cpu", "Intel Core i9-13900K", "60.0", "logical_cpus = 32\ncores = 24"));
    assert!(here.contains("AMD Ryzen 7 7800X3D 8-Core Processor") && here.contains("Intel Core i9-13900K"), "{here}");
}
