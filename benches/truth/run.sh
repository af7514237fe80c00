#!/bin/bash
# Runs llama.cpp on shapes with random weights, for benches/truth/judge.py: benches/truth/run.sh ROUNDS [MODEL...]
# Needs llama-bench and llama-quantize, and Python with gguf and numpy. PEER_PREFIX is a command to run llama.cpp's programs with, such
# as one that enters another root; files then lie at the same path inside. ALONE is a command to run what is timed with, such as
# `flock FILE` where others use the machine too. Leaves target/truth: standard profiles between the models, runs, heads of the files,
# and what memory read before and behind each round.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$PWD/target/truth
probe=target/release/roofprobe
read -ra prefix <<<"${PEER_PREFIX:-}"
read -ra alone <<<"${ALONE:-}"
kinds=(F16 BF16 Q8_0 Q4_0 Q4_K_M Q6_K)
export ROOFPROBE_DIR=$out/store

# What main memory reads now: rounds in another mode of memory are told by it.
read_now() {
    "$probe" measure --only memory.dram.read --effort quick -o "$out/mode.toml" --replace 2>&1 |
        grep -o 'reads [0-9.]* GB/s' || echo 'reads unknown'
}

# The file of each format, and of each its head: what is counted; the rest is a hole.
make_files() {
    python3 benches/truth/make_gguf.py "$1" "$out/files/$1-F16.gguf" 2>/dev/null
    for kind in "${kinds[@]:1}"; do
        "${prefix[@]}" llama-quantize --allow-requantize "$out/files/$1-F16.gguf" "$out/files/$1-$kind.gguf" "$kind" >/dev/null 2>&1
    done
    for file in "$out/files/$1"-*.gguf; do
        python3 benches/truth/make_gguf.py --head "$file" "$out/heads/$(basename "$file")"
    done
}

# One round: every format once.
round() {
    local before kind depths bench
    before=$(read_now)
    for kind in "${kinds[@]}"; do
        depths=0,1024
        [ "$kind" != Q4_0 ] || depths=0,1024,4096
        bench=("${prefix[@]}" llama-bench -m "$out/files/$1-$kind.gguf" -t "$(nproc)" -r 1 -o jsonl)
        {
            "${bench[@]}" -p 64,256,512 -n 0
            "${bench[@]}" -p 0 -n 16 -d $depths
        } >"$out/$1.$kind.r$2.jsonl" 2>/dev/null
    done
    echo "$1 round $2: $before before, $(read_now) behind" | tee -a "$out/modes"
}

# One standard profile, beside which the next models run.
profile() {
    "$probe" measure --effort standard -o "$out/profile.$1.toml" --replace >"$out/profile.$1.out" 2>&1 </dev/null
}

if [ "${1:-}" = --timed ]; then
    shift
    "$@"
    exit
fi
rounds=${1:?rounds}
shift
mkdir -p "$out/heads" "$out/files"
mapfile -t models < <(if [ $# -gt 0 ]; then printf '%s\n' "$@"; else python3 benches/truth/make_gguf.py --list; fi)
for index in "${!models[@]}"; do
    model=${models[$index]}
    ((index % 3)) || "${alone[@]}" "$0" --timed profile $((index / 3 + 1))
    make_files "$model"
    for number in $(seq "$rounds"); do
        "${alone[@]}" "$0" --timed round "$model" "$number"
    done
    rm -f "$out/files/$model"-*.gguf
done
