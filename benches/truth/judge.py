#!/usr/bin/env python3
"""How well an engine's speed is predicted, each model left out of everything that predicts it.

usage: judge.py PROFILE [--calibrate-on MODEL] > table.md      (behind benches/truth/run.sh)

For every model: defaults are fitted to all runs of the other models; then a table is fitted to the first round of one other model in
Q8_0 (once), or in every format (twice), from these defaults; then all runs of the model are predicted.
"""
import argparse
import glob
import json
import os
import statistics
import subprocess
import sys

KINDS = ["F16", "BF16", "Q8_0", "Q4_0", "Q4_K_M", "Q6_K"]
OUT = "target/truth"


def run(*words):
    done = subprocess.run(["target/release/roofprobe", *words], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"roofprobe {' '.join(words)[:400]}\n{done.stderr}")
    return done.stdout


def files(model, kind, rounds="*"):
    return [f for f in sorted(glob.glob(f"{OUT}/{model}.{kind}.r{rounds}.jsonl")) if os.path.getsize(f)]


def head(model, kind):
    return f"{OUT}/heads/{model}-{kind}.gguf"


def calibrate(profile, pairs, table, start=None, rounds="*"):
    runs = [f for model, kind in pairs for f in files(model, kind, rounds)]
    models = [word for model, kind in pairs for word in ("--model", head(model, kind))]
    run("calibrate", *runs, *models, "-p", profile, "-o", table, *(["--from", start] if start else []))


def predicted(profile, model, kind, table):
    for file in files(model, kind):
        record = json.loads(run("evaluate", head(model, kind), "-p", profile, "--measured", file, "--engine", table, "--format", "json"))
        for point in record["measured"]:
            yield point, point["verdict"]


def phase(point):
    depth = f" at {point['cached']}" if point["cached"] else ""
    return f"prefill {point['prompt']}" if point["prompt"] else f"decode{depth}"


def errors(rows):
    off = [abs(row[-1] - 1) for row in rows]
    within = [sum(e <= limit for e in off) / len(off) for limit in (0.15, 0.25)]
    return f"{len(off)} cells: median {statistics.median(off):.1%}, within 15 % {within[0]:.0%}, within 25 % {within[1]:.0%}"


def judge(profile, models, calibrated_on, kinds, say):
    rows = []
    for model in models:
        others = [other for other in models if other != model]
        defaults, table = f"{OUT}/defaults.toml", f"{OUT}/table.toml"
        calibrate(profile, [(other, kind) for other in others for kind in KINDS if files(other, kind)], defaults)
        one = calibrated_on if calibrated_on != model else others[0]
        calibrate(profile, [(one, kind) for kind in kinds], table, defaults, "1")
        for kind in [kind for kind in KINDS if files(model, kind)]:
            for point, verdict in predicted(profile, model, kind, table):
                engine = verdict["tokens_per_s_engine"]
                rows.append((model, kind, phase(point), point["tokens_per_s"], verdict["tokens_per_s_achieved"], engine, engine / point["tokens_per_s"]))
    print(f"\n### {say}\n\n{errors(rows)}.\n")
    return rows


def main():
    options = argparse.ArgumentParser(usage=__doc__)
    options.add_argument("profile")
    options.add_argument("--calibrate-on", default="qwen2.5-0.5b")
    given = options.parse_args()
    models = sorted({os.path.basename(f).rsplit(".", 3)[0] for f in glob.glob(f"{OUT}/*.r1.jsonl")})
    judge(given.profile, models, given.calibrate_on, ["Q8_0"], "Calibrated on one run of one model, in Q8_0")
    rows = judge(given.profile, models, given.calibrate_on, KINDS, "Calibrated on one run of one model in each format")
    above = [row for row in rows if row[3] > 1.05 * row[4]]
    print(f"Above the achieved roof by more than 5 %: {len(above)} of {len(rows)} cells.\n")
    print("| model | format | phase | tokens/s | kernels reach | predicted | predicted ÷ measured |\n|---|---|---|--:|--:|--:|--:|")
    for row in rows:
        print("| {} | {} | {} | {:.1f} | {:.1f} | {:.1f} | {:.2f} |".format(*row))


if __name__ == "__main__":
    main()
