//! Measured rates of other engines: read from what they write, counted exactly, set under the roofs, never clamped.

use roofprobe::measured::{self, Joined, Measured, MeasuredPoint, broken, join_all};
use roofprobe::model::{self, Forward, Model, Totals};
use roofprobe::profile::Profile;
use roofprobe::store;

/// Six tests of llama-bench (build 11669) on a made-up model: `-p 16 -n 4 -pg 8,4 -d 0,32 -r 2 -o json`, fewer keys.
const LLAMA_BENCH: &str = include_str!("data/llama-bench.json");
/// That model: 2 layers of width 256, vocabulary 1024.
const TINY: &str = r#"{"model_type":"llama","hidden_size":256,"num_hidden_layers":2,"num_attention_heads":4,
    "num_key_value_heads":2,"intermediate_size":512,"vocab_size":1024,"max_position_embeddings":2048,
    "tie_word_embeddings":false}"#;
/// Tables 3 to 5 of arXiv 2602.11506 v3.
const PAPER: &str = include_str!("../docs/paper-rates.csv");

fn tiny() -> Model {
    model::parse_config(TINY, "tiny").unwrap()
}

fn profile(name: &str) -> Profile {
    store::find(name).unwrap().profile
}

fn refusal(text: &str) -> String {
    measured::parse("runs.txt", text).unwrap_err().to_string()
}

/// The rows of the paper for one device, joined with these models.
fn paper(profile_name: &str, models: &[&str]) -> Joined {
    let measured = measured::parse("paper-rates.csv", PAPER).unwrap();
    let found: Vec<Model> = models.iter().map(|name| model::find(name).unwrap()).collect();
    let models: Vec<(&str, &Model)> = models.iter().copied().zip(&found).collect();
    join_all(&measured, &models, &[(profile_name, &profile(profile_name))]).unwrap()
}

fn of<'a>(points: &'a [MeasuredPoint], phase: &str, weights: &str) -> Vec<&'a MeasuredPoint> {
    points.iter().filter(|point| point.phase == phase && point.weights == weights).collect()
}

#[test]
fn llama_bench_is_read_in_all_its_formats() {
    let json = measured::parse("a.json", LLAMA_BENCH).unwrap();
    let records: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(LLAMA_BENCH).unwrap();
    let lines: String = records.iter().map(|record| serde_json::to_string(record).unwrap() + "\n").collect();
    let jsonl = measured::parse("a.jsonl", &lines).unwrap();
    // CSV quotes every value and has no samples.
    let keys: Vec<&String> = records[0].keys().filter(|key| !key.starts_with("samples")).collect();
    let mut csv = keys.iter().map(|key| key.as_str()).collect::<Vec<_>>().join(",") + "\n";
    for record in &records {
        let cells = keys.iter().map(|key| format!("\"{}\"", record[*key].to_string().trim_matches('"')));
        csv += &(cells.collect::<Vec<_>>().join(",") + "\n");
    }
    let csv = measured::parse("a.csv", &csv).unwrap();
    assert_eq!(json.len(), 6);
    // Its backend for graphics processors was loaded, and found none.
    assert_eq!(json[0].backend.as_deref(), Some("CPU"));
    for ((a, b), c) in json.iter().zip(&jsonl).zip(&csv) {
        assert!(a.tokens_per_s_range.is_some() && c.tokens_per_s_range.is_none());
        let bare = |one: &Measured| Measured { record: String::new(), tokens_per_s_range: None, ..one.clone() };
        assert_eq!(bare(a), bare(b));
        assert_eq!(bare(a), bare(c));
    }
    let passes: Vec<(u64, u64, u64)> =
        json.iter().map(|one| (one.passes.past, one.passes.prompt, one.passes.decode)).collect();
    assert_eq!(passes, [(0, 16, 0), (0, 0, 4), (0, 8, 4), (32, 16, 0), (32, 0, 4), (32, 8, 4)]);
    assert_eq!(
        (json[0].record.as_str(), jsonl[1].record.as_str(), csv[0].record.as_str()),
        ("record 1", "line 2", "line 2")
    );
}

#[test]
fn what_was_run_is_counted_exactly() {
    let (tiny, zen) = (tiny(), profile("amd-epyc-zen4-2c"));
    let measured = measured::parse("a.json", LLAMA_BENCH).unwrap();
    let points = join_all(&measured, &[("tiny", &tiny)], &[("zen", &zen)]).unwrap().points;
    assert_eq!(points.len(), 6);
    let flops = |tokens, past, passes| {
        // llama.cpp leaves out rows that need no logits in the last layer; of one token there are none.
        let forward = Forward { tokens, past, passes, pruned: true, ..Forward::ONE_TOKEN };
        Totals::of(&tiny.forward(&forward).unwrap()).unwrap().flops.total()
    };
    // Generated tokens see 1 to 4 keys, or 33 to 36; together with a prompt they see that too.
    let expected = [
        flops(16, 0, 1),
        flops(1, 0, 4),
        flops(8, 0, 1) + flops(1, 8, 4),
        flops(16, 32, 1),
        flops(1, 32, 4),
        flops(8, 32, 1) + flops(1, 40, 4),
    ];
    for (point, expected) in points.iter().zip(expected) {
        assert_eq!(u128::from(point.flops), expected, "{}", point.record);
        // The rate's three quotients agree with one another.
        let seconds = (point.prompt + point.decode_passes) as f64 / point.tokens_per_s;
        assert!((point.gflop_per_s * seconds * 1e9 / point.flops as f64 - 1.0).abs() < 1e-12);
        assert!((point.gb_per_s * point.oi / point.gflop_per_s - 1.0).abs() < 1e-12);
        assert_eq!(point.bytes, point.weight_bytes + point.kv_bytes + point.state_bytes);
    }
    // Every weight but the embedding table once per token, f16 but for the norms; 2 · 2 · 64 elements of keys and values.
    let norms = 4 * 5 * 256;
    let read = (1_705_216 - 5 * 256 - 1024 * 256) * 2 + norms + 2 * 256;
    assert_eq!(points[1].weight_bytes, 4 * read);
    let kept = 2 * 2 * 2 * 64 * 2;
    assert_eq!(points[1].kv_bytes, kept * (1 + 2 + 3 + 4) + kept * 4);
}

#[test]
fn a_long_prompt_reads_its_weights_once_a_micro_batch() {
    let row = |engine: &str| format!("engine,model,weights,prompt,prefill_tokens_per_s\n{engine},tiny,f16,1024,1000\n");
    let (tiny, zen) = (tiny(), profile("amd-epyc-zen4-2c"));
    let bytes = |engine: &str| {
        let measured = measured::parse("a.csv", &row(engine)).unwrap();
        measured::join(&measured[0], &tiny, &zen, "zen").unwrap()
    };
    let (whole, cut) = (bytes(""), bytes("llama-bench"));
    assert_eq!((whole.forward_passes, cut.forward_passes), (1, 2));
    // Behind the attention of the last layer, its output matrix included, llama.cpp goes on with the last token alone.
    let behind = 3 * 256 * 512;
    assert_eq!(whole.flops - cut.flops, 2 * behind * 1023);
    // The head, 1024 × 256, is needed for the last token only, as is what lies behind that attention, with its norm and the last
    // one; embedding rows are read once each way.
    let layers = (1_705_216 - 2 * 1024 * 256 - 5 * 256 - behind) * 2 + 3 * 256 * 4;
    assert_eq!(cut.weight_bytes - whole.weight_bytes, layers);
}

#[test]
fn the_paper_breaks_its_own_roofs_on_the_m1_pro() {
    let models = ["qwen2.5-1.5b", "llama-3.2-1b", "qwen3-0.6b", "fox-1-1.6b", "smollm2-1.7b", "plm-1.8b"];
    let joined = paper("apple-m1-pro-rooflinebench", &models);
    assert_eq!(joined.points.len(), 2 * 4 * 3 * 6);
    // From an empty context: 146 to 161 GB/s for the four models of more than a billion parameters that docs/paper.md names.
    for point in of(&joined.points, "decode", "f16").iter().filter(|p| p.decode_passes == 128) {
        if ["qwen2.5-1.5b", "llama-3.2-1b", "plm-1.8b"].contains(&point.model.as_str()) {
            assert!((146.0..162.0).contains(&point.gb_per_s), "{}: {}", point.model, point.gb_per_s);
        }
        assert!(point.memory.broken && point.potential.above_roof, "{}: {}", point.model, point.gb_per_s);
        assert!(point.potential.headroom_log2 < 0.0);
        assert_eq!((point.memory.ceiling.as_str(), point.memory.gb_per_s), ("memory.vram.read", Some(120.03)));
    }
    let roofs = broken(&joined.points);
    let of_memory = roofs.iter().find(|roof| roof.gb_per_s.is_some()).unwrap();
    assert!(of_memory.is_their_roof && of_memory.phase == "decode" && of_memory.shares[1] > 1.3);
    // Prefill stays under its roof.
    assert!(
        of(&joined.points, "prefill", "f16").iter().all(|point| !point.compute.broken && !point.potential.above_roof)
    );
}

#[test]
fn the_paper_breaks_its_own_roofs_on_the_raspberry_pi() {
    let models = ["pythia-160m", "pythia-410m", "qwen2.5-0.5b", "smollm2-135m", "smollm2-360m"];
    let joined = paper("raspberry-pi-5-rooflinebench", &models);
    for point in of(&joined.points, "decode", "q8_0").iter().filter(|p| p.decode_passes == 128) {
        assert!((9.3..10.6).contains(&point.gb_per_s), "{}: {}", point.model, point.gb_per_s);
        assert!(point.memory.broken && point.potential.above_roof);
    }
    for point in of(&joined.points, "prefill", "q8_0").iter().filter(|p| p.prompt == 128) {
        assert!((24.3..27.6).contains(&point.gflop_per_s), "{}: {}", point.model, point.gflop_per_s);
        // f32 stands in for the missing i8, and holds; the f16 "peak" does not.
        assert_eq!((point.compute.ceiling.as_str(), point.compute.broken), ("compute.f32", false));
        assert_eq!(point.exceeds[0].ceiling, "compute.f16");
        assert!(point.exceeds[0].share > 16.0);
    }
    // Under the data sheet's bandwidth the same rates are possible.
    let possible = paper("raspberry-pi-5-datasheet", &models);
    assert!(possible.points.iter().all(|point| !point.memory.broken && !point.potential.above_roof));
}

#[test]
fn what_belongs_to_nothing_is_listed() {
    let measured = measured::parse("paper-rates.csv", PAPER).unwrap();
    let model = model::find("gpt2").unwrap();
    let here = profile("apple-m1-pro-datasheet");
    let error = join_all(&measured, &[("gpt2", &model)], &[("m1", &here)]).unwrap_err().to_string();
    assert!(error.contains("plm-1.8b on Apple M1 Pro") && error.contains("pythia-160m on Raspberry Pi 5"), "{error}");
    let joined = paper("nvidia-rtx-3070-ti-laptop-rooflinebench", &["qwen2.5-1.5b"]);
    assert_eq!((joined.points.len(), joined.left_out), (8, measured.len() - 8));
}

#[test]
fn bad_input_names_the_place_and_the_key() {
    let altered = |from: &str, to: &str| {
        assert!(LLAMA_BENCH.contains(from), "{from}");
        refusal(&LLAMA_BENCH.replacen(from, to, 1))
    };
    for (text, words) in [
        (altered("\"avg_ts\"", "\"avg_tx\""), ["record 1", "avg_ts: is missing"]),
        (altered("\"n_gen\": 0", "\"n_gen\": -1"), ["record 1", "n_gen: must be a whole number"]),
        (altered("\"type_v\": \"f16\"", "\"type_v\": \"q8_0\""), ["type_k, type_v", "keys in f16 and values in q8_0"]),
        (altered("\"n_ubatch\": 512", "\"n_ubatch\": 0"), ["n_ubatch", "1 or more"]),
        (altered("\"n_prompt\": 16", "\"n_prompt\": 999999999999"), ["record 1", "than any engine"]),
        (altered("\"embeddings\": false", "\"embeddings\": true"), ["record 1", "embeddings"]),
        (refusal("[1]"), ["runs.txt", "no array of records"]),
        (refusal("{\"a\": 1"), ["line 1", "no record"]),
        (refusal("  "), ["runs.txt", "is empty"]),
        (refusal("[]"), ["runs.txt", "has no measurement"]),
        (refusal("model,prompt,speed\na,1,2\n"), ["line 2", "speed"]),
        (refusal("model,prompt\na,1\n"), ["line 2", "one of them is needed"]),
        (refusal("# x\nmodel,decode_tokens_per_s\na,2\n"), ["line 3", "generate: is missing"]),
        (refusal("model,generate,decode_tokens_per_s\na,1,2\n"), ["line 2", "generate: must be 2 or more"]),
        (refusal("model,generate,decode_tokens_per_s\na,5,nan\n"), ["line 2", "decode_tokens_per_s: must be a number"]),
        (refusal("model,generate,decode_tokens_per_s\na,5,-3\n"), ["line 2", "decode_tokens_per_s"]),
        (
            refusal("model,weights,prompt,prefill_tokens_per_s\na,q9,5,3\n"),
            ["line 2", "weights: unknown weight format"],
        ),
        (refusal("model,kv,prompt,prefill_tokens_per_s\na,q9,5,3\n"), ["line 2", "kv: unknown type"]),
        (refusal("engine,model,prompt,prefill_tokens_per_s\nx,a,5,3\n"), ["line 2", "llama-bench"]),
        (refusal("model,prompt,prefill_tokens_per_s\na,5\n"), ["runs.txt", "no table"]),
        (refusal("model,model\na,b\n"), ["\"model\"", "stands twice"]),
    ] {
        assert!(words.iter().all(|word| text.contains(word)), "{words:?}: {text}");
        assert!(text.starts_with("runs.txt") && !text.contains('\n'), "{text}");
    }
}

/// A decode run of llama-3.2-1b in q4_0 at `rate` on a shipped profile, and its verdict by llama.cpp's defaults.
fn verdict(rate: f64) -> (Measured, measured::Verdict) {
    let table = format!("model,weights,prompt,generate,decode_tokens_per_s\nllama-3.2-1b,q4_0,16,65,{rate}\n");
    let run = measured::parse("a.csv", &table).unwrap().remove(0);
    let (model, profile) = (model::find("llama-3.2-1b").unwrap(), store::find("amd-epyc-zen4-2c").unwrap().profile);
    let engine = roofprobe::engine::shipped("llama.cpp").unwrap();
    let point = measured::join_engine(&run, &model, &profile, "zen4", engine.as_ref()).unwrap();
    (run, point.verdict.unwrap())
}

#[test]
fn a_run_is_judged_by_what_the_kernels_reach_for_its_passes() {
    use roofprobe::measured::Standing;
    let reached = verdict(1.0).1.tokens_per_s_achieved;
    for (share, standing) in [
        (0.99, Standing::Good),
        (0.86, Standing::Good),
        (0.84, Standing::Fair),
        (0.66, Standing::Fair),
        (0.64, Standing::Poor),
        (0.41, Standing::Poor),
        (0.39, Standing::Bad),
        (1.3, Standing::Above),
    ] {
        let (_, judged) = verdict(share * reached);
        assert_eq!(judged.standing, standing, "{share}");
        assert!(
            (judged.share / share - 1.0).abs() < 1e-3 && (judged.tokens_per_s_achieved / reached - 1.0).abs() < 1e-9
        );
        let above = standing == Standing::Above;
        assert_eq!((!judged.causes.is_empty(), judged.find_out.is_some()), (above, above), "{share}");
        assert!(!above || judged.lost.is_empty());
    }
    let (_, above) = verdict(1.3 * reached);
    assert_eq!(
        above.find_out.unwrap(),
        "roofprobe measure --effort standard --only memory.dram.read --only 'matmul.q4_0.*'"
    );
}

#[test]
fn what_is_lost_adds_up_to_the_time_beyond_the_kernels() {
    let (run, judged) = verdict(5.0);
    let measured = run.passes.tokens() as f64 / run.tokens_per_s;
    let kernels = run.passes.tokens() as f64 / judged.tokens_per_s_achieved;
    let lost: f64 = judged.lost.iter().map(|loss| loss.seconds).sum();
    // What loses less than 3 % is not named, and what starting costs our kernels is no loss.
    assert!(lost <= 1.001 * (measured - kernels) && lost > 0.9 * (measured - kernels), "{lost} {measured} {kernels}");
    assert!(judged.lost.windows(2).all(|pair| pair[0].seconds >= pair[1].seconds));
    assert!(judged.lost.iter().all(|loss| (loss.share - loss.seconds / measured).abs() < 1e-9));
}
