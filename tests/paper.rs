//! The prose of docs/paper.md rests on its quoted outputs; `tests/documents.rs` holds these to what the program writes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod console;

const PAGE: &str = include_str!("../docs/paper.md");

/// The words behind `$ roofprobe`, and the lines quoted.
fn blocks() -> Vec<console::Quoted<'static>> {
    console::commands(PAGE)
}

/// What the text says in its own words stands in a quoted block, too.
#[test]
fn numbers_in_the_text_are_quoted() {
    let quoted: String = blocks().into_iter().flat_map(|(_, lines)| lines).map(|line| format!("{line}\n")).collect();
    for (said, number) in [
        ("38.00, 37.05, 25.39, 20.48, 8.98", "8.982"),
        ("22.56 agrees", "22.56"),
        ("1.85, 30.6, 1.13 and 2.18", "30.60"),
        ("m₀ = 467 MB outside its layers and m = 93.6 MB in each", "654.0"),
        ("by up to 30 %", "29.58 %"),
    ] {
        assert!(PAGE.contains(said) && quoted.contains(number), "{said}");
    }
    // Two and three layers, 654.0 and 747.6 MB.
    let (of_two, each) = (654.0, 747.6 - 654.0);
    assert!(quoted.contains("747.6") && (of_two - 2.0 * each - 467.0_f64).abs() < 0.5);
}

/// Tokens per second of Qwen2.5-1.5B on the M1 Pro in the shipped tables: of the prompt, and of decoding.
fn rates(label: &str, weights: &str) -> [f64; 2] {
    let start = format!("Apple M1 Pro,llama-bench,{label},qwen2.5-1.5b,{weights},");
    let line = include_str!("../docs/paper-rates.csv").lines().find(|line| line.starts_with(&start)).unwrap();
    let mut last = line.rsplit(',').map(|word| word.parse().unwrap());
    let decode = last.next().unwrap();
    [last.next().unwrap(), decode]
}

#[test]
fn gains_in_the_text_follow_from_the_rates() {
    let gain = |label: &str, part: usize| rates(label, "q4_k_m")[part] / rates(label, "f16")[part];
    let said = format!(
        "From f16 to q4_k_m decoding gains a factor of {:.2} in SISO and {:.2} in SILO, and prompts become slower by {:.0} %",
        gain("SISO", 1),
        gain("SILO", 1),
        (1.0 - gain("SISO", 0)) * 100.0
    );
    assert!(PAGE.split_whitespace().collect::<Vec<_>>().join(" ").contains(&said), "{said}");
}

/// Each verdict of the summary stands on findings that are quoted: row, its words, the command's options, and the finding.
const VERDICTS: [(u32, &str, &str, &str); 19] = [
    (1, "**holds** for f16", "study sequence -p nvidia", "true: LISO stands nearest the ridge (for 30, against 0"),
    (1, "**holds** for f16", "study sequence -p nvidia", "true: SILO stands deepest"),
    (1, "**holds** for f16", "study sequence -p nvidia", "true: OI depends on the lengths more than on the model"),
    (
        1,
        "in 6 of 30 pairs with q8_0",
        "sequence --weights q8_0",
        "false: LISO stands nearest the ridge (for 24, against 6",
    ),
    (1, "or q4_k_m", "sequence --weights q4_k_m", "false: LISO stands nearest the ridge (for 24, against 6"),
    (1, "low ridge", "study sequence -p amd-epyc-zen4-2c", "false: LISO stands nearest the ridge"),
    (2, "**does not hold**", "study depth -p", "false: OI of the scenario peaks at 3 to 5 layers"),
    (2, "never turns", "study depth -p", "true: OI of the scenario has no peak between the ends"),
    (3, "it helps least in LISO", "study precision -p nvidia", "true: quantisation speeds LISO up least"),
    (3, "most mostly in SISO", "study precision -p nvidia", "false: quantisation speeds SILO up most"),
    (4, "**does not hold** in all", "study attention -p apple-m1-pro-datasheet", "false: MLA > MHA > GQA in OI"),
    (4, "**does not hold** in all", "--runtime vllm -p apple-m1-pro-datasheet", "false: MLA > MHA > GQA in OI"),
    (
        4,
        "under hf it does in SISO",
        "--runtime hf -p apple-m1-pro-datasheet --scenario SISO",
        "true: MLA > MHA > GQA in OI",
    ),
    (4, "not for tokens/s", "hf -p apple-m1-pro-datasheet --scenario SISO", "false: MLA > MHA > GQA in tokens/s"),
    (5, "**holds** for f16", "study hardware", "true: a model falls in different regimes"),
    (5, "by the data sheets prefill", "study hardware", "true: prefill is compute-bound everywhere"),
    (
        5,
        "own roofs half of the prompts",
        "study hardware -p nvidia-rtx-3090-rooflinebench",
        "false: prefill is compute-bound",
    ),
    (5, "no such model", "study hardware --weights q4_k_m", "false: a model falls in different regimes"),
    (6, "there is no advantage", "attention -p apple-m1-pro-datasheet -p", "false: MLA has the highest FLOP/s"),
];

#[test]
fn the_summary_stands_on_findings() {
    for (row, words, command, finding) in VERDICTS {
        let start = format!("| {row}. ");
        let line = PAGE.lines().find(|line| line.starts_with(&start)).unwrap();
        assert!(line.contains(words), "row {row}: {words}");
        // Every block of that command that quotes the claim.
        let claim = finding.split_once(": ").unwrap().1.split(" (").next().unwrap();
        let quoted: Vec<&str> = blocks()
            .into_iter()
            .filter(|(words, _)| words.join(" ").contains(command))
            .flat_map(|(_, lines)| lines)
            .filter(|line| line.split_once(": ").is_some_and(|(_, said)| said.starts_with(claim)))
            .collect();
        assert!(quoted.iter().any(|line| line.starts_with(finding)), "row {row}: {finding}: {quoted:?}");
    }
}
