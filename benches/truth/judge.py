#!/usr/bin/env python3
"""How well an engine's speed is predicted, each model left out of everything that predicts it.

usage: judge.py PROFILE [--calibrate-on MODEL] > table.md      (behind benches/truth/run.sh)

For every model: defaults are fitted to all runs of the other models; then a table is fitted to one other model from these defaults, to
its first round or to all, in Q8_0 or in every format; then every cell of the model is predicted: one phase in one format, the
median of its rounds.
"""
import argparse
import glob
import json
import os
import statistics
import subprocess
import sys
import typing

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
    """Of each phase: tokens per second of every round, what the kernels reach, what the table predicts."""
    cells = {}
    for file in files(model, kind):
        record = json.loads(run("evaluate", head(model, kind), "-p", profile, "--measured", file, "--engine", table, "--format", "json"))
        for point in record["measured"]:
            verdict = point["verdict"]
            rounds, _, _ = cells.setdefault(phase(point), ([], verdict["tokens_per_s_achieved"], verdict["tokens_per_s_engine"]))
            rounds.append(point["tokens_per_s"])
    return cells


def phase(point):
    depth = f" at {point['cached']}" if point["cached"] else ""
    return f"prefill {point['prompt']}" if point["prompt"] else f"decode{depth}"


def judge(profile, models, calibrated_on, kinds, rounds):
    """The rows of every cell: its median round against what was predicted without its model."""
    rows = []
    for model in models:
        others = [other for other in models if other != model]
        defaults, table = f"{OUT}/defaults.toml", f"{OUT}/table.toml"
        calibrate(profile, [(other, kind) for other in others for kind in KINDS if files(other, kind)], defaults)
        # What all others are fitted to is itself predicted from the model behind it.
        one = calibrated_on if calibrated_on != model else models[(models.index(model) + 1) % len(models)]
        calibrate(profile, [(one, kind) for kind in kinds], table, defaults, rounds)
        for kind in [kind for kind in KINDS if files(model, kind)]:
            for name, (seen, roof, engine) in predicted(profile, model, kind, table).items():
                rows.append(Row(model, kind, name, statistics.median(seen), min(seen), max(seen), roof, engine))
    return rows


class Row(typing.NamedTuple):
    model: str
    kind: str
    phase: str
    median: float
    low: float
    high: float
    roof: float
    engine: float

    def off(self):
        return abs(self.engine / self.median - 1)


def errors(say, rows):
    off = [row.off() for row in rows]
    within = " | ".join(f"{sum(e <= limit for e in off) / len(off):.0%}" for limit in (0.15, 0.25))
    print(f"| {say} | {len(off)} | {statistics.median(off):.1%} | {within} |")


HEADS = "cells | median error | within 15 % | within 25 % |\n|---|--:|--:|--:|--:|"


def report(fits):
    every = list(fits.values())[-1]
    print(f"| fitted to | {HEADS}")
    for say, rows in fits.items():
        errors(say, rows)
    errors("… of these, prefill", [row for row in every if row.phase.startswith("prefill")])
    errors("… of these, decode", [row for row in every if row.phase.startswith("decode")])
    print(f"\nBy model, fitted in each format:\n\n| model | {HEADS}")
    for model in dict.fromkeys(row.model for row in every):
        errors(model, [row for row in every if row.model == model])
    spread = sorted((row.high - row.low) / row.median for row in every)
    tenth = sum(row.high > 1.15 * row.low for row in every)
    print(f"\nBetween the rounds of one cell: median {statistics.median(spread):.1%} from lowest to highest, more than 15 % in {tenth} of {len(every)}.")
    highest = max(row.median / row.roof for row in every)
    above = sum(row.median > 1.05 * row.roof for row in every)
    print(f"Above the achieved roof by more than 5 %: {above} of {len(every)} cells; the highest is at {highest:.2f} of it.\n")
    print("| model | format | phase | tokens/s | rounds | kernels reach | predicted | predicted ÷ measured |\n|---|---|---|--:|--:|--:|--:|--:|")
    for row in every:
        rounds = f"{row.low:.1f}–{row.high:.1f}"
        share = row.engine / row.median
        print(f"| {row.model} | {row.kind} | {row.phase} | {row.median:.1f} | {rounds} | {row.roof:.1f} | {row.engine:.1f} | {share:.2f} |")


def main():
    options = argparse.ArgumentParser(usage=__doc__)
    options.add_argument("profile")
    options.add_argument("--calibrate-on", default="qwen2.5-0.5b")
    given = options.parse_args()
    models = sorted({os.path.basename(f).rsplit(".", 3)[0] for f in glob.glob(f"{OUT}/*.r1.jsonl")})
    fits = {}
    for formats, kinds in (("Q8_0", ["Q8_0"]), ("each format", KINDS)):
        for say, rounds in (("one round", "1"), ("all rounds", "*")):
            fits[f"{say} of one model in {formats}"] = judge(given.profile, models, given.calibrate_on, kinds, rounds)
    report(fits)


if __name__ == "__main__":
    main()
