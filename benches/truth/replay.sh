#!/bin/bash
# Replays beside their own predictions: benches/truth/replay.sh ROUNDS [MODEL...]
# In each round a standard profile, then a replay of each model in each format by it. Leaves target/truth/replay.*.json and prints a table:
# measured over predicted, and beside decode steps what main memory read meanwhile over what it read for the profile.
# Leave the machine alone meanwhile: a round takes about five minutes.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$PWD/target/truth
probe=target/release/roofprobe
export ROOFPROBE_DIR=$out/store
mkdir -p "$out"
rounds=${1:?rounds}
shift
[ $# -gt 0 ] || set -- qwen2.5-0.5b smollm2-135m llama-3.2-1b
rm -f "$out"/replay.*.json
for round in $(seq "$rounds"); do
    "$probe" measure --effort standard -o "$out/replay.$round.toml" --replace >/dev/null 2>&1
    for kind in q4_0 q8_0 q4_k_m f16 bf16 q6_k; do
        for model in "$@"; do
            "$probe" replay "$model" --weights "$kind" --seconds 5 -p "$out/replay.$round.toml" --format json >"$out/replay.$round.$model.$kind.json"
        done
    done
done
python3 - "$out" <<'PYTHON'
import glob, json, statistics, sys
from collections import defaultdict

cells = defaultdict(list)
for path in sorted(glob.glob(sys.argv[1] + "/replay.*.json")):
    record = json.load(open(path))
    for phase in record["phases"]:
        read = phase.get("memory_read")
        memory = read["gb_per_s"] / read["gb_per_s_of_profile"] if read else None
        cells[record["model"], record["weights"], phase["phase"]].append((phase["ratio"], memory))
print("| model | format | prompt | decode | memory meanwhile |\n|---|---|--:|--:|--:|")
for (model, weights, phase), seen in sorted(cells.items()):
    if phase == "prefill":
        decode = cells[model, weights, "decode"]
        words = [", ".join(f"{ratio:.2f}" for ratio, _ in part) for part in (seen, decode)]
        print(f"| {model} | {weights} | {words[0]} | {words[1]} | {', '.join(f'{m:.2f}' if m else '' for _, m in decode)} |")
groups = {
    "prompts": [ratio for (*_, phase), seen in cells.items() if phase == "prefill" for ratio, _ in seen],
    "decode, memory within 6 %": [r for (*_, p), seen in cells.items() if p == "decode" for r, m in seen if m and abs(m - 1) <= 0.06],
    "decode over memory": [r / m for (*_, p), seen in cells.items() if p == "decode" for r, m in seen if m],
}
for name, ratios in groups.items():
    if ratios:
        errors = [abs(ratio - 1) for ratio in ratios]
        within = sum(error <= 0.08 for error in errors)
        print(f"{name}: {len(errors)} cells, median error {statistics.median(errors):.1%}, {within} within 8 %")
PYTHON
